//! What the kernel lets a child use: address space, file size, descriptors; and who is sacrificed first when memory runs out.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal, getrlimit, setrlimit};

use super::lockdown::Confinement;

/// Applies the limits. A limit that is already lower than the one asked for stays.
pub(super) fn apply(confinement: &Confinement) -> io::Result<()> {
    // Writing beyond the file size limit raises SIGXFSZ, which kills; ignored, the write fails with EFBIG and only its task ends.
    ignore_file_size_signal()?;
    if !confinement.gpu
        && let Some(bytes) = confinement.address_space
    {
        lower(Resource::As, bytes)?;
    }
    lower(Resource::Fsize, confinement.file_size)?;
    lower(Resource::Nofile, confinement.open_files)?;
    lower(Resource::Core, 0)?;
    // A core_pattern that pipes to a program ignores the core limit; a process that is not dumpable is never dumped at all, so a
    // customer's pixels do not end in a crash collector.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Makes the kernel kill this process when the thread that started it ends, which is when the node does.
pub(super) fn die_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Asks the kernel to end this process before any other when memory runs out; 1000 is the highest value that proc(5) knows.
pub(super) fn be_first_to_go() -> io::Result<()> {
    std::fs::write("/proc/self/oom_score_adj", "1000")
}

fn lower(resource: Resource, value: u64) -> io::Result<()> {
    let hard = getrlimit(resource).maximum.unwrap_or(u64::MAX).min(value);
    Ok(setrlimit(resource, Rlimit { current: Some(hard), maximum: Some(hard) })?)
}

fn ignore_file_size_signal() -> io::Result<()> {
    // SAFETY: SIG_IGN is a valid disposition for SIGXFSZ and runs no code of ours; nothing else in this process handles it.
    let previous = unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    if previous == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}
