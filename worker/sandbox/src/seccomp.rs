//! The filter of system calls: what decoders and threads need and nothing else, or, beside a GPU driver, all but the dangerous.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Is, SeccompCondition as Condition, SeccompFilter,
    SeccompRule as Rule, TargetArch,
};

type Rules = BTreeMap<i64, Vec<Rule>>;

/// Filters every thread of this process, for good.
///
/// Refused calls fail with EPERM and the process goes on: a library that probes for a feature falls back, and an attacker gets nothing.
pub(super) fn install(gpu: bool) -> Result<(), seccompiler::Error> {
    let pid = u64::from(std::process::id());
    // glibc falls back from clone3 to clone only on ENOSYS, and only clone's flags can be looked at: clone3 takes them by pointer.
    // It is a filter of its own because a filter has one verdict; when two filters refuse, the one installed last decides.
    let clone3 = Rules::from([(libc::SYS_clone3, vec![])]);
    let main = if gpu {
        filter(denied(pid)?, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM as u32))?
    } else {
        filter(allowed(pid)?, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow)?
    };
    seccompiler::apply_filter_all_threads(&filter(clone3, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))?)?;
    seccompiler::apply_filter_all_threads(&main)
}

fn filter(rules: Rules, otherwise: SeccompAction, on_match: SeccompAction) -> Result<BpfProgram, seccompiler::Error> {
    let target = TargetArch::try_from(std::env::consts::ARCH)?;
    Ok(SeccompFilter::new(rules, otherwise, on_match, target)?.try_into()?)
}

/// One rule that holds when all the conditions (argument, comparison, value) do.
fn when(conditions: &[(u8, Length, Is, u64)]) -> Result<Rule, seccompiler::Error> {
    let conditions = conditions
        .iter()
        .map(|(argument, length, is, value)| Condition::new(*argument, length.clone(), is.clone(), *value))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Rule::new(conditions)?)
}

/// What a confined CPU executor may call.
///
/// Calls that take a path are absent except the two that glibc and `std` use for `fstat`; with them a child can learn that a path exists
/// and how large it is, never what it holds. Mapping memory as executable is refused, so is raising a limit.
fn allowed(pid: u64) -> Result<Rules, seccompiler::Error> {
    let mut rules: Rules = ALLOWED.iter().map(|call| (*call, vec![])).collect();
    let thread_only = libc::CLONE_THREAD as u64;
    let executable = libc::PROT_EXEC as u64;
    rules.insert(libc::SYS_clone, vec![when(&[(0, Length::Qword, Is::MaskedEq(thread_only), thread_only)])?]);
    rules.insert(libc::SYS_mmap, vec![when(&[(2, Length::Dword, Is::MaskedEq(executable), 0)])?]);
    rules.insert(libc::SYS_mprotect, vec![when(&[(2, Length::Dword, Is::MaskedEq(executable), 0)])?]);
    for call in [libc::SYS_kill, libc::SYS_tgkill] {
        rules.insert(call, vec![when(&[(0, Length::Dword, Is::Eq, pid)])?]);
    }
    // Reading a limit (no new value) of this process.
    rules.insert(libc::SYS_prlimit64, vec![when(&[(0, Length::Dword, Is::Eq, 0), (2, Length::Qword, Is::Eq, 0)])?]);
    rules.insert(libc::SYS_prctl, vec![when(&[(0, Length::Dword, Is::Eq, libc::PR_SET_NAME as u64)])?]);
    let descriptor_commands = [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL, libc::F_DUPFD_CLOEXEC];
    let fcntl = descriptor_commands.iter().map(|command| when(&[(1, Length::Dword, Is::Eq, *command as u64)]));
    rules.insert(libc::SYS_fcntl, fcntl.collect::<Result<_, _>>()?);
    Ok(rules)
}

const ALLOWED: &[i64] = &[
    // The control socket and the files that came through it.
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_close,
    libc::SYS_dup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_ppoll,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_msync,
    // Threads.
    libc::SYS_clone3,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_restart_syscall,
    // Signals to oneself: Rust's handler of stack overflows, abort.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // Identity, clocks, random numbers.
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    libc::SYS_uname,
];

/// What an executor with a GPU driver may not call.
fn denied(pid: u64) -> Result<Rules, seccompiler::Error> {
    let mut rules: Rules = DENIED.iter().map(|call| (*call, vec![])).collect();
    rules.insert(libc::SYS_clone, vec![when(&[(0, Length::Qword, Is::MaskedEq(libc::CLONE_THREAD as u64), 0)])?]);
    for call in [libc::SYS_kill, libc::SYS_tgkill] {
        rules.insert(call, vec![when(&[(0, Length::Dword, Is::Ne, pid)])?]);
    }
    // Raising or lowering the limits of another process; its own are at their hard values.
    rules.insert(libc::SYS_prlimit64, vec![when(&[(0, Length::Dword, Is::Ne, 0), (0, Length::Dword, Is::Ne, pid)])?]);
    let options = [libc::PR_SET_PDEATHSIG, libc::PR_SET_DUMPABLE, libc::PR_SET_PTRACER];
    let prctl = options.iter().map(|option| when(&[(0, Length::Dword, Is::Eq, *option as u64)]));
    rules.insert(libc::SYS_prctl, prctl.collect::<Result<_, _>>()?);
    #[cfg(target_arch = "x86_64")]
    deny_x32(&mut rules);
    Ok(rules)
}

/// The x32 ABI numbers the same calls with bit 30 set, and its own from 512 to 547 (asm/unistd_x32.h): a list of denied numbers has to
/// name those as well.
#[cfg(target_arch = "x86_64")]
fn deny_x32(rules: &mut Rules) {
    const X32: i64 = 0x4000_0000;
    let twins: Vec<_> = rules.iter().map(|(call, conditions)| (call | X32, conditions.clone())).collect();
    rules.extend(twins);
    rules.extend((512..=547).map(|call| (call | X32, vec![])));
}

const DENIED: &[i64] = &[
    // Network.
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // Other programs and processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kcmp,
    libc::SYS_setpgid,
    libc::SYS_setsid,
    // Namespaces and mounts.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Ways around the rules on files, and what Landlock does not cover.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    // Kernel interfaces with a history of faults.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_personality,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    // Identity.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
];
