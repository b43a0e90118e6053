//! What a process does with memory that it has freed.

/// Freed bytes above which the allocator gives memory back, and how much it takes at a time.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 256 << 20;
#[cfg(target_env = "gnu")]
const STEP: libc::c_int = 64 << 20;
/// The largest size that glibc takes from its heaps instead of mapping it anew each time (half of `HEAP_MAX_SIZE`).
#[cfg(target_env = "gnu")]
const LARGEST: libc::c_int = 32 << 20;

/// Keeps the memory of one picture for the next: by default glibc gives it back at once, and the kernel clears and maps it page by page again, which is
/// a tenth of the time that a photo takes. To be called before there are threads. Up to 256 MiB stay with the process that it would else give back.
pub fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [(libc::M_MMAP_THRESHOLD, LARGEST), (libc::M_TRIM_THRESHOLD, KEPT), (libc::M_TOP_PAD, STEP)] {
        // SAFETY: mallopt(3) sets numbers of the allocator; it is called while no other thread allocates.
        // A parameter that is refused leaves its default, which is only slower.
        unsafe { libc::mallopt(parameter, value) };
    }
}
