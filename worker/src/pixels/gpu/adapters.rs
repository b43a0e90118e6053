//! Which adapter is used, and why not the others.

use wgpu::{Adapter, Backends, DeviceType, Instance, InstanceDescriptor, InstanceFlags};

use crate::pixels::policy::{AdapterInfo, GpuPolicy};

/// How a software adapter is installed on Debian and its kin.
pub(crate) const SOFTWARE_HINT: &str = "apt-get install mesa-vulkan-drivers libvulkan1";

/// Every Vulkan adapter of the machine; none, without an error, where there is no driver. The variables that wgpu itself knows are
/// not looked at.
fn enumerate() -> Vec<Adapter> {
    let mut descriptor = InstanceDescriptor::new_without_display_handle();
    descriptor.backends = Backends::VULKAN;
    descriptor.flags = InstanceFlags::empty();
    pollster::block_on(Instance::new(descriptor).enumerate_adapters(Backends::VULKAN))
}

fn kind(device: DeviceType) -> &'static str {
    match device {
        DeviceType::DiscreteGpu => "discrete",
        DeviceType::IntegratedGpu => "integrated",
        DeviceType::VirtualGpu => "virtual",
        DeviceType::Cpu => "software",
        DeviceType::Other => "other",
    }
}

/// Lower is better; `None` is not allowed by the policy, with the reason.
fn rank(policy: GpuPolicy, device: DeviceType) -> Result<u8, &'static str> {
    match (policy, device) {
        (GpuPolicy::Off, _) => Err("CONVERTFLY_GPU=off"),
        (GpuPolicy::Software, DeviceType::Cpu) => Ok(0),
        (GpuPolicy::Software, _) => Err("CONVERTFLY_GPU=software takes software adapters alone"),
        (_, DeviceType::Cpu) => Err("computes on the CPU, where our own code is many times faster"),
        (_, DeviceType::DiscreteGpu) => Ok(0),
        (_, DeviceType::IntegratedGpu) => Ok(1),
        (_, DeviceType::VirtualGpu) => Ok(2),
        (_, DeviceType::Other) => Ok(3),
    }
}

/// Index of the adapter to use among `devices`: the best one, the first of equals.
fn choose(policy: GpuPolicy, devices: impl Iterator<Item = DeviceType>) -> Option<usize> {
    let allowed = devices.enumerate().filter_map(|(index, device)| Some((rank(policy, device).ok()?, index)));
    allowed.min().map(|(_, index)| index)
}

/// The adapter that `policy` picks, or why there is none and what to do.
pub(crate) fn pick(policy: GpuPolicy) -> Result<Adapter, String> {
    let mut adapters = enumerate();
    let chosen = choose(policy, adapters.iter().map(|adapter| adapter.get_info().device_type));
    chosen.map(|index| adapters.swap_remove(index)).ok_or_else(|| {
        let found: Vec<_> = adapters.iter().map(|adapter| adapter.get_info().name).collect();
        let found = if found.is_empty() { "none at all".to_owned() } else { found.join(", ") };
        match policy {
            GpuPolicy::Software => {
                format!("no software Vulkan adapter (found: {found}). Install lavapipe: {SOFTWARE_HINT}")
            }
            _ => format!(
                "no hardware Vulkan adapter (found: {found}). Install the driver of the GPU with its Vulkan part and libvulkan1, or \
                 set CONVERTFLY_GPU=auto to go without"
            ),
        }
    })
}

/// Every adapter, and whether `policy` picks it.
pub(crate) fn describe(policy: GpuPolicy) -> Vec<AdapterInfo> {
    let infos: Vec<_> = enumerate().iter().map(Adapter::get_info).collect();
    let chosen = choose(policy, infos.iter().map(|info| info.device_type));
    let describe = |(index, info): (usize, wgpu::AdapterInfo)| AdapterInfo {
        kind: kind(info.device_type).to_owned(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        chosen: chosen == Some(index),
        reason: match rank(policy, info.device_type) {
            Err(reason) => reason.to_owned(),
            Ok(_) if chosen == Some(index) => "the best one there is".to_owned(),
            Ok(_) => "another one is better".to_owned(),
        },
        name: info.name,
    };
    infos.into_iter().enumerate().map(describe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_takes_the_best_that_it_allows() {
        use DeviceType::{Cpu, DiscreteGpu, IntegratedGpu};
        let pick = |policy, devices: &[DeviceType]| choose(policy, devices.iter().copied());
        let all = [Cpu, IntegratedGpu, DiscreteGpu, DiscreteGpu];
        assert_eq!(pick(GpuPolicy::Auto, &all), Some(2), "the first discrete one");
        assert_eq!(pick(GpuPolicy::Require, &all), Some(2), "the first discrete one");
        assert_eq!(pick(GpuPolicy::Software, &all), Some(0), "the software one");
        assert_eq!(pick(GpuPolicy::Off, &all), None, "none");
        assert_eq!(pick(GpuPolicy::Auto, &[Cpu]), None, "software is refused");
        assert_eq!(pick(GpuPolicy::Require, &[Cpu]), None, "software is no hardware");
        assert_eq!(pick(GpuPolicy::Software, &[DiscreteGpu]), None, "hardware is no software");
    }
}
