//! The features of the kernel that confine the children which decode customers' files.

use super::Check;
use super::version::Version;

/// Landlock: a child sees one task's folder and nothing else of the file system.
pub(super) fn landlock() -> Check {
    landlock_from(
        std::fs::read_to_string("/sys/kernel/security/lsm").ok().as_deref(),
        &std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default(),
    )
}

/// `modules` is the kernel's list of active security modules where it can be read, `release` its version.
fn landlock_from(modules: Option<&str>, release: &str) -> Check {
    const NAME: &str = "Landlock";
    let release = release.trim();
    // Landlock came with Linux 5.13.
    let new_enough = Version::after(release, "").is_some_and(|version| version >= Version::new(5, 13));
    match modules {
        Some(list) if list.trim().split(',').any(|module| module == "landlock") => {
            Check::ok(NAME, format!("on, Linux {release}"))
        }
        _ if !new_enough => Check::missing(
            NAME,
            format!("Linux {release} does not have it, 5.13 or newer is needed to confine the processes that decode files"),
            "sudo apt-get install linux-image-amd64, then restart the machine",
        ),
        Some(list) => Check::missing(
            NAME,
            format!("Linux {release} has it, but it is off; on are: {}", list.trim()),
            format!("add lsm=landlock,{} to the kernel's command line, then restart the machine", list.trim()),
        ),
        None => Check::warning(
            NAME,
            format!("Linux {release} has it; whether it is on cannot be read here (/sys/kernel/security is not mounted)"),
            "sudo mount -t securityfs securityfs /sys/kernel/security",
        ),
    }
}

/// seccomp filters: a child can make no system call but those it needs.
pub(super) fn seccomp() -> Check {
    seccomp_from(std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").ok().as_deref())
}

/// `actions` is the kernel's list of what a filter can answer.
fn seccomp_from(actions: Option<&str>) -> Check {
    const NAME: &str = "seccomp";
    let has = |wanted| actions.is_some_and(|list| list.split_whitespace().any(|action| action == wanted));
    if has("kill_process") && has("errno") {
        Check::ok(NAME, "filters are available")
    } else {
        Check::missing(
            NAME,
            "this kernel has no seccomp filters; they confine the processes that decode files",
            "use a kernel with CONFIG_SECCOMP_FILTER=y, such as Debian's: sudo apt-get install linux-image-amd64",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn landlock_is_on_off_absent_or_unknown() {
        let cases = [
            (Some("capability,landlock,yama,apparmor\n"), "6.1.0-28-amd64\n", State::Ok),
            (Some("capability,yama,apparmor"), "6.1.0-28-amd64", State::Missing),
            (Some("capability,nolandlock"), "6.1.0", State::Missing),
            (None, "6.18.44", State::Warning),
            (None, "5.10.0-30-amd64", State::Missing),
            (None, "", State::Missing),
        ];
        for (modules, release, expected) in cases {
            assert_eq!(landlock_from(modules, release).state, expected, "{modules:?} on {release:?}");
        }
        let off = landlock_from(Some("capability,yama"), "6.1.0").remedy.unwrap_or_default();
        assert!(off.contains("lsm=landlock,capability,yama"), "the modules that are on stay on: {off}");
    }

    #[test]
    fn seccomp_needs_filters() {
        let all = "kill_process kill_thread trap errno user_notif trace log allow\n";
        for (actions, expected) in [(Some(all), State::Ok), (Some("kill_thread trap"), State::Missing), (None, State::Missing)] {
            assert_eq!(seccomp_from(actions).state, expected, "{actions:?}");
        }
    }
}
