//! Where pixels can be worked on: the CPU's level and the GPU adapters.

use convertfly_worker::failure::Failure;
use convertfly_worker::pixels::{AdapterInfo, CpuLevel, GpuPolicy, Processor};

use super::Check;

/// The instruction sets in use. `wanted` is the value of `CONVERTFLY_CPU`, empty for the best there is.
pub(super) fn cpu(wanted: &str) -> Check {
    const NAME: &str = "CPU";
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let best = CpuLevel::detect();
    let level = match if wanted.is_empty() { Ok(best) } else { CpuLevel::parse(wanted) } {
        Ok(level) => level.usable(),
        Err(error) => return Check::missing(NAME, said(error), "unset CONVERTFLY_CPU"),
    };
    let found = format!("{cores} cores, level {}", level.as_str());
    if level < best {
        let detail = format!("{found} though the machine has {}: CONVERTFLY_CPU lowers it", best.as_str());
        Check::warning(NAME, detail, "unset CONVERTFLY_CPU")
    } else if level < CpuLevel::Avx2 {
        let detail = format!("{found}: without AVX2, images take several times longer");
        Check::warning(NAME, detail, "use a machine, or a virtual machine's CPU model, with AVX2")
    } else {
        Check::ok(NAME, found)
    }
}

/// The adapters, one line each, and which one is used. `wanted` is the value of `CONVERTFLY_GPU`, empty for `auto`.
pub(super) fn gpu(wanted: &str) -> Vec<Check> {
    match if wanted.is_empty() { Ok(GpuPolicy::Auto) } else { GpuPolicy::parse(wanted) } {
        Ok(policy) => gpu_from(policy, &Processor::adapters(policy)),
        Err(error) => vec![Check::missing("GPU", said(error), "unset CONVERTFLY_GPU")],
    }
}

/// What a failure says, without the word that marks it as a fault of ours: here it is the operator's to mend.
fn said(failure: Failure) -> String {
    match failure {
        Failure::Internal { cause } => cause,
        other => other.to_string(),
    }
}

fn gpu_from(policy: GpuPolicy, adapters: &[AdapterInfo]) -> Vec<Check> {
    const NAME: &str = "GPU";
    const INSTALL: &str = "sudo apt-get install libvulkan1 mesa-vulkan-drivers for AMD and Intel, or NVIDIA's own driver";
    let mut checks: Vec<Check> = adapters
        .iter()
        .map(|adapter| {
            let verdict = if adapter.chosen { "used" } else { "not used" };
            Check::ok(NAME, format!("{} ({}, {}): {verdict}; {}", adapter.name, adapter.kind, adapter.driver, adapter.reason))
        })
        .collect();
    if policy == GpuPolicy::Off {
        checks.push(Check::ok(NAME, "switched off by CONVERTFLY_GPU=off"));
    } else if !adapters.iter().any(|adapter| adapter.chosen) {
        checks.push(if policy == GpuPolicy::Require {
            Check::missing(NAME, "CONVERTFLY_GPU=require, but no adapter can be used: ConvertFly does not start", INSTALL)
        } else {
            Check::warning(NAME, "none that can be used: everything runs on the CPU", INSTALL)
        });
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn adapter(chosen: bool) -> AdapterInfo {
        AdapterInfo {
            name: "Example 9000".to_owned(),
            kind: "discrete".to_owned(),
            driver: "radv 25.0".to_owned(),
            chosen,
            reason: "a hardware GPU".to_owned(),
        }
    }

    #[test]
    fn no_usable_gpu_matters_as_much_as_the_policy_says() {
        let worst = |policy, adapters: &[AdapterInfo]| {
            gpu_from(policy, adapters).iter().map(|check| check.state).find(|state| *state != State::Ok).unwrap_or(State::Ok)
        };
        for (policy, adapters, expected) in [
            (GpuPolicy::Auto, vec![adapter(true)], State::Ok),
            (GpuPolicy::Auto, vec![adapter(false)], State::Warning),
            (GpuPolicy::Auto, vec![], State::Warning),
            (GpuPolicy::Off, vec![], State::Ok),
            (GpuPolicy::Require, vec![], State::Missing),
            (GpuPolicy::Require, vec![adapter(false)], State::Missing),
            (GpuPolicy::Require, vec![adapter(true)], State::Ok),
        ] {
            assert_eq!(worst(policy, &adapters), expected, "{policy:?} with {adapters:?}");
        }
    }

    #[test]
    fn settings_that_do_not_read_are_named() {
        assert_ne!(cpu("").state, State::Missing, "no setting, no fault");
        let wrong = cpu("avx3");
        assert_eq!((wrong.state, wrong.detail.starts_with("CONVERTFLY_CPU=\"avx3\"")), (State::Missing, true), "{wrong:?}");
        let wrong = gpu("maybe");
        assert!(wrong.len() == 1 && wrong[0].state == State::Missing && wrong[0].detail.contains("maybe"), "{wrong:?}");
        assert!(cpu("scalar").detail.contains("level scalar"), "lowered");
    }

    #[test]
    fn every_adapter_is_shown_with_the_reason() {
        let checks = gpu_from(GpuPolicy::Auto, &[adapter(false), adapter(true)]);
        assert_eq!(checks.len(), 2, "one line each: {checks:?}");
        assert!(checks[0].detail.contains("not used; a hardware GPU"), "the reason: {:?}", checks[0]);
        assert!(checks[1].detail.contains("Example 9000 (discrete, radv 25.0): used"), "the device: {:?}", checks[1]);
    }
}
