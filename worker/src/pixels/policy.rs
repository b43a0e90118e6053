//! Whether a GPU is used, and which one.

use crate::failure::Failure;

/// Whether a GPU is used: the variable `CONVERTFLY_GPU`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GpuPolicy {
    /// `auto`: a hardware GPU where there is one and the work is worth the way there and back; else the CPU.
    #[default]
    Auto,
    /// `off`: never; no driver is loaded.
    Off,
    /// `software`: a driver that computes on the CPU (Mesa's lavapipe), for everything that a table of routes does not keep away. For
    /// tests: it is many times slower.
    Software,
    /// `require`: a hardware GPU, for everything that a table of routes does not keep away; without one the program does not start.
    Require,
}

impl GpuPolicy {
    /// Every policy.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Off, Self::Software, Self::Require];

    /// The name, as `CONVERTFLY_GPU` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Off => "off",
            Self::Software => "software",
            Self::Require => "require",
        }
    }

    /// From the value of `CONVERTFLY_GPU`.
    ///
    /// # Errors
    /// When it is not the name of a policy.
    pub fn parse(value: &str) -> Result<Self, Failure> {
        let value = value.trim();
        Self::ALL.into_iter().find(|policy| policy.as_str() == value).ok_or_else(|| {
            Failure::internal(format!(
                "CONVERTFLY_GPU={value:?} is not known. It is one of auto (a hardware GPU where it pays), off, software (lavapipe, \
                 for tests) and require (fail without a hardware GPU); for example CONVERTFLY_GPU=auto"
            ))
        })
    }

    /// From the variable `CONVERTFLY_GPU`; `auto` where it is not set.
    ///
    /// # Errors
    /// As [`GpuPolicy::parse`].
    pub fn from_env() -> Result<Self, Failure> {
        std::env::var_os("CONVERTFLY_GPU").map_or(Ok(Self::Auto), |value| Self::parse(&value.to_string_lossy()))
    }
}

/// A GPU adapter as `convertfly doctor` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// Name of the device.
    pub name: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: String,
    /// Name and version of the driver.
    pub driver: String,
    /// Whether the policy picks it.
    pub chosen: bool,
    /// Why, or why not.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_by_name_and_a_wrong_one_says_how_it_is_done() {
        for policy in GpuPolicy::ALL {
            assert_eq!(GpuPolicy::parse(policy.as_str()), Ok(policy), "every policy is read by its own name");
        }
        let message = GpuPolicy::parse("yes").expect_err("no such policy").to_string();
        for part in ["CONVERTFLY_GPU", "yes", "auto", "off", "software", "require", "CONVERTFLY_GPU=auto"] {
            assert!(message.contains(part), "the message names {part}: {message}");
        }
    }
}
