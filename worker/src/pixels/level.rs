//! The instruction sets that kernels are compiled for, best last.

use crate::failure::Failure;

/// A level of CPU instructions. Levels are ordered; a kernel without code for a level uses the next one below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CpuLevel {
    /// Plain Rust, one sample at a time: the reference that everything else is compared with.
    Scalar,
    /// x86-64 with SSE 4.1.
    Sse41,
    /// x86-64 with AVX2.
    Avx2,
    /// x86-64 with AVX-512 F and BW. Resampling has no code of its own for it and runs that for AVX2.
    Avx512,
}

impl CpuLevel {
    /// Every level, lowest first.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Sse41, Self::Avx2, Self::Avx512];

    /// The best level of this machine.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") {
                return Self::Avx2;
            }
            if is_x86_feature_detected!("sse4.1") {
                return Self::Sse41;
            }
        }
        Self::Scalar
    }

    /// The level to use: what the machine has, lowered by `CONVERTFLY_CPU` where that is set.
    ///
    /// # Errors
    /// When the variable is set to something else than a level.
    pub fn from_env() -> Result<Self, Failure> {
        match std::env::var_os("CONVERTFLY_CPU") {
            Some(value) => Ok(Self::parse(&value.to_string_lossy())?.usable()),
            None => Ok(Self::detect()),
        }
    }

    /// From the value of `CONVERTFLY_CPU`.
    ///
    /// # Errors
    /// When it is not the name of a level.
    pub fn parse(value: &str) -> Result<Self, Failure> {
        let value = value.trim();
        Self::ALL.into_iter().find(|level| level.as_str() == value).ok_or_else(|| {
            Failure::internal(format!(
                "CONVERTFLY_CPU={value:?} is not a CPU level. It is one of scalar, sse41, avx2, avx512 and can only lower what the \
                 machine has; for example CONVERTFLY_CPU=avx2"
            ))
        })
    }

    /// This level, or the machine's best one if that is lower: a level can be lowered, never raised.
    pub fn usable(self) -> Self {
        self.min(Self::detect())
    }

    /// The name, as `CONVERTFLY_CPU` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Sse41 => "sse41",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_by_name_and_a_wrong_one_says_how_it_is_done() {
        for level in CpuLevel::ALL {
            assert_eq!(CpuLevel::parse(level.as_str()), Ok(level), "every level is read by its own name");
        }
        let message = CpuLevel::parse("avx3").expect_err("no such level").to_string();
        for part in ["CONVERTFLY_CPU", "avx3", "scalar", "CONVERTFLY_CPU=avx2"] {
            assert!(message.contains(part), "the message names {part}: {message}");
        }
    }

    #[test]
    fn a_level_can_only_be_lowered() {
        for level in CpuLevel::ALL {
            assert!(level.usable() <= CpuLevel::detect(), "{level:?} is not raised above the machine");
            assert!(level.usable() <= level, "{level:?} is not raised above what was asked for");
        }
    }
}
