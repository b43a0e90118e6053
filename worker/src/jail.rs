//! The jail of programs that are not ours: bubblewrap with every namespace its own, no network, and nothing of the machine but what it
//! takes to run.
//!
//! Settings alone do not hold such programs back (TRUST.md T4): they follow links and read files. In here there are none.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The command that installs it.
pub(crate) const REMEDY: &str = "sudo deploy/install-deps.sh run";

/// Directories and files of the machine that programs need, all without a customer's or an operator's data. What is missing here is left out.
const READABLE: &[&str] = &[
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/alternatives",
    "/etc/libreoffice",
    "/etc/chromium",
    "/etc/chromium.d",
    "/var/cache/fontconfig",
];

/// How glibc's allocator keeps memory: all threads in one heap, which grows in large steps of large pages and keeps 256 MiB of what was freed
/// for the next document. LibreOffice works in a thread of its own, where a heap grows page by page, each by a call of the kernel: a seventh of
/// the time that a long document takes.
const ALLOCATOR: &str = "glibc.malloc.arena_max=1:glibc.malloc.trim_threshold=268435456:glibc.malloc.top_pad=67108864:\
     glibc.malloc.mmap_threshold=33554432:glibc.malloc.hugetlb=1";

/// Links of a merged `/usr`; where they are directories of their own, those are shown.
const ROOTS: &[&str] = &["/bin", "/sbin", "/lib", "/lib32", "/lib64"];

/// A working bubblewrap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Jail {
    program: PathBuf,
}

impl Jail {
    /// Looks for bubblewrap and tries it, once a process.
    ///
    /// # Errors
    /// Why there is none, for the operator.
    pub(crate) fn find() -> Result<&'static Self, &'static str> {
        static FOUND: OnceLock<Result<Jail, String>> = OnceLock::new();
        FOUND.get_or_init(Self::look).as_ref().map_err(String::as_str)
    }

    fn look() -> Result<Self, String> {
        let program = on_path("bwrap").ok_or("bubblewrap (bwrap) is not installed")?;
        let jail = Self { program };
        let output = Command::new(&jail.program)
            .args(jail.arguments(1 << 20, &[], &[], Path::new("/bin/true"), &[]))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{}: {error}", jail.program.display()))?;
        if output.status.success() {
            return Ok(jail);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(format!(
            "bubblewrap does not work here: {said}. In a container, allow user namespaces (kernel.unprivileged_userns_clone)"
        ))
    }

    /// The program to execute.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Its arguments: runs `program` with `arguments` in a jail whose `/tmp` holds that many bytes. Each of `shown` is a file of the
    /// machine and the name under which it can be read there.
    ///
    /// Descriptors that the caller passes on stay open; the environment is a new one, with those `variables`.
    pub(crate) fn arguments(
        &self,
        bytes: u64,
        variables: &[(&str, &str)],
        shown: &[(&Path, &str)],
        program: &Path,
        arguments: &[&OsStr],
    ) -> Vec<OsString> {
        let mut all: Vec<OsString> = Vec::new();
        let mut add = |words: &[&OsStr]| all.extend(words.iter().map(|word| (*word).to_owned()));
        let text = OsStr::new;
        for flag in ["--unshare-all", "--die-with-parent", "--new-session", "--clearenv"] {
            add(&[text(flag)]);
        }
        add(&[text("--cap-drop"), text("ALL")]);
        let common = [
            ("PATH", "/usr/bin"),
            ("HOME", "/tmp"),
            ("TMPDIR", "/tmp"),
            ("LANG", "C.UTF-8"),
            ("SAL_USE_VCLPLUGIN", "svp"),
            ("GLIBC_TUNABLES", ALLOCATOR),
        ];
        for (name, value) in common.iter().chain(variables) {
            add(&[text("--setenv"), text(name), text(value)]);
        }
        add(&[text("--ro-bind"), text("/usr"), text("/usr")]);
        for root in ROOTS {
            match std::fs::read_link(root) {
                Ok(target) => add(&[text("--symlink"), target.as_os_str(), text(root)]),
                Err(_) => add(&[text("--ro-bind-try"), text(root), text(root)]),
            }
        }
        for path in READABLE {
            add(&[text("--ro-bind-try"), text(path), text(path)]);
        }
        for (path, name) in shown {
            add(&[text("--ro-bind"), path.as_os_str(), text(name)]);
        }
        add(&[text("--proc"), text("/proc"), text("--dev"), text("/dev")]);
        add(&[text("--size"), text(&bytes.to_string()), text("--tmpfs"), text("/tmp")]);
        add(&[text("--chdir"), text("/tmp"), text("--"), program.as_os_str()]);
        add(arguments);
        all
    }
}

/// Where a program lies that is started by its name.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_absolute() && path.is_file())
}
