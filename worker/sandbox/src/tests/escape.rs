//! The escape suite: what a child taken over by a hostile file would try, each of which has to fail while the child goes on working.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{FILE_SIZE, Files, LONG, assert_works, config, confinement, handler};
use crate::Cancel;
use crate::{Confinement, Layer, Pool, Report};

/// What an attempt came to: the error number that it met, or nothing if it got through.
type Met = Option<i32>;

/// Runs every attempt; the answer maps its name to the error number, or to null for one that got through.
pub(super) fn attempt_all(job: &Value) -> Value {
    let secret = job.get("secret").and_then(Value::as_str).unwrap_or_default();
    let gpu = job.get("gpu") == Some(&json!(true));
    let mut met = Map::new();
    let mut note = |name: &str, result: Met| {
        met.insert(name.to_owned(), json!(result));
    };
    for (name, result) in by_path(Path::new(secret)) {
        note(name, result);
    }
    for (name, number, arguments) in system_calls(secret) {
        note(name, raw(number, arguments));
    }
    if !gpu {
        for (name, number, arguments) in beyond_a_decoders_needs() {
            note(name, raw(number, arguments));
        }
    }
    Value::Object(met)
}

fn of<T>(result: std::io::Result<T>) -> Met {
    result.err().map(|error| error.raw_os_error().unwrap_or(-1))
}

/// Files of the machine and of another task, through the standard library.
fn by_path(secret: &Path) -> Vec<(&'static str, Met)> {
    let folder = secret.parent().unwrap_or(secret);
    let parent = rustix::process::getppid().map_or(1, |pid| pid.as_raw_nonzero().get());
    vec![
        ("read /etc/passwd", of(File::open("/etc/passwd"))),
        ("read /etc/shadow", of(File::open("/etc/shadow"))),
        ("list /", of(fs::read_dir("/"))),
        ("list another task's folder", of(fs::read_dir(folder))),
        ("read another task's file", of(File::open(secret))),
        ("write another task's file", of(File::options().append(true).open(secret))),
        ("read it relative to the working directory", of(File::open(secret.strip_prefix("/").unwrap_or(secret)))),
        ("create a file", of(File::create(folder.join("new")))),
        ("create a folder", of(fs::create_dir(folder.join("folder")))),
        ("remove a file", of(fs::remove_file(secret))),
        ("rename a file", of(fs::rename(secret, folder.join("renamed")))),
        ("link a file", of(fs::hard_link(secret, folder.join("link")))),
        ("symlink a file", of(symlink(secret, folder.join("symlink")))),
        ("change a file's mode", of(fs::set_permissions(secret, fs::Permissions::from_mode(0o777)))),
        ("read the node's environment", of(File::open(format!("/proc/{parent}/environ")))),
        ("write the node's memory", of(File::options().write(true).open(format!("/proc/{parent}/mem")))),
        ("list its own descriptors", of(fs::read_dir("/proc/self/fd"))),
        ("open a device", of(File::open("/dev/mem"))),
        ("listen on TCP", of(std::net::TcpListener::bind("127.0.0.1:0"))),
        ("use UDP", of(std::net::UdpSocket::bind("127.0.0.1:0"))),
        ("connect to TCP", of(std::net::TcpStream::connect("127.0.0.1:9"))),
        ("make a Unix socket", of(std::os::unix::net::UnixDatagram::unbound())),
        ("run a program", of(std::process::Command::new("/bin/true").status())),
    ]
}

type Call = (&'static str, i64, [usize; 5]);

/// The system calls behind known escapes. Those that would harm the machine if they got through are aimed at nothing, or are mild.
fn system_calls(secret: &str) -> Vec<Call> {
    let parent = rustix::process::getppid().map_or(1, |pid| pid.as_raw_nonzero().get()) as usize;
    let (root, tmpfs, path) = (text("/"), text("tmpfs"), text(secret));
    let (sigchld, sigcont) = (libc::SIGCHLD as usize, libc::SIGCONT as usize);
    // Larger than any of the structures that the calls below read from it or write to it, and zero.
    let blank = Box::leak(Box::new([0_u64; 64])).as_mut_ptr() as usize;
    // struct clone_args: exit_signal is its fifth word, 88 bytes its size.
    let mut arguments = [0_u64; 11];
    arguments[4] = sigchld as u64;
    let clone3 = Box::leak(Box::new(arguments)).as_ptr() as usize;
    let limit = Box::leak(Box::new([u64::MAX; 2])).as_ptr() as usize;
    vec![
        ("socket AF_INET", libc::SYS_socket, [libc::AF_INET as usize, libc::SOCK_STREAM as usize, 0, 0, 0]),
        ("socket AF_INET6", libc::SYS_socket, [libc::AF_INET6 as usize, libc::SOCK_DGRAM as usize, 0, 0, 0]),
        ("socket AF_UNIX", libc::SYS_socket, [libc::AF_UNIX as usize, libc::SOCK_STREAM as usize, 0, 0, 0]),
        ("socket AF_NETLINK", libc::SYS_socket, [libc::AF_NETLINK as usize, libc::SOCK_RAW as usize, 0, 0, 0]),
        ("socket AF_VSOCK", libc::SYS_socket, [libc::AF_VSOCK as usize, libc::SOCK_STREAM as usize, 0, 0, 0]),
        ("connect", libc::SYS_connect, [0, blank, 16, 0, 0]),
        ("bind", libc::SYS_bind, [0, blank, 2, 0, 0]),
        ("fork by clone", libc::SYS_clone, [sigchld, 0, 0, 0, 0]),
        ("fork by clone3", libc::SYS_clone3, [clone3, 88, 0, 0, 0]),
        ("execve", libc::SYS_execve, [text("/bin/true"), 0, 0, 0, 0]),
        ("execveat", libc::SYS_execveat, [0, text("/bin/true"), 0, 0, 0]),
        ("ptrace the node", libc::SYS_ptrace, [0x4206, parent, 0, 0, 0]),
        ("read the node's memory", libc::SYS_process_vm_readv, [parent, blank, 1, blank, 1]),
        ("pidfd of the node", libc::SYS_pidfd_open, [parent, 0, 0, 0, 0]),
        ("signal the node", libc::SYS_kill, [parent, sigcont, 0, 0, 0]),
        ("signal process 1", libc::SYS_kill, [1, sigcont, 0, 0, 0]),
        ("signal everyone", libc::SYS_kill, [usize::MAX, sigcont, 0, 0, 0]),
        ("signal the node's thread", libc::SYS_tgkill, [parent, parent, sigcont, 0, 0]),
        ("signal the node's thread by tkill", libc::SYS_tkill, [parent, sigcont, 0, 0, 0]),
        ("queue a signal to the node", libc::SYS_rt_sigqueueinfo, [parent, sigcont, blank, 0, 0]),
        ("survive the node", libc::SYS_prctl, [libc::PR_SET_PDEATHSIG as usize, 0, 0, 0, 0]),
        ("become dumpable", libc::SYS_prctl, [libc::PR_SET_DUMPABLE as usize, 1, 0, 0, 0]),
        ("mount", libc::SYS_mount, [tmpfs, text("/nowhere"), tmpfs, 0, 0]),
        ("unmount", libc::SYS_umount2, [text("/nowhere"), 0, 0, 0, 0]),
        ("chroot", libc::SYS_chroot, [root, 0, 0, 0, 0]),
        ("pivot_root", libc::SYS_pivot_root, [root, root, 0, 0, 0]),
        ("open_tree", libc::SYS_open_tree, [0, root, 0, 0, 0]),
        ("fsopen", libc::SYS_fsopen, [tmpfs, 0, 0, 0, 0]),
        ("unshare mounts", libc::SYS_unshare, [libc::CLONE_NEWNS as usize, 0, 0, 0, 0]),
        ("unshare users", libc::SYS_unshare, [libc::CLONE_NEWUSER as usize, 0, 0, 0, 0]),
        ("setns", libc::SYS_setns, [0, 0, 0, 0, 0]),
        ("io_uring", libc::SYS_io_uring_setup, [1, blank, 0, 0, 0]),
        ("bpf", libc::SYS_bpf, [0, blank, 64, 0, 0]),
        ("perf_event_open", libc::SYS_perf_event_open, [blank, 0, usize::MAX, usize::MAX, 0]),
        ("userfaultfd", libc::SYS_userfaultfd, [1, 0, 0, 0, 0]),
        ("keyctl", libc::SYS_keyctl, [0, usize::MAX - 2, 0, 0, 0]),
        ("add_key", libc::SYS_add_key, [text("user"), text("name"), blank, 1, usize::MAX - 2]),
        ("load a module", libc::SYS_init_module, [blank, 1, blank, 0, 0]),
        ("open_by_handle_at", libc::SYS_open_by_handle_at, [0, blank, 0, 0, 0]),
        ("name_to_handle_at", libc::SYS_name_to_handle_at, [0, root, blank, blank, 0]),
        ("openat2", libc::SYS_openat2, [libc::AT_FDCWD as usize, path, blank, 24, 0]),
        ("truncate by path", libc::SYS_truncate, [path, 0, 0, 0, 0]),
        ("raise its file size limit", libc::SYS_prlimit64, [0, libc::RLIMIT_FSIZE as usize, limit, 0, 0]),
        ("lower the node's limits", libc::SYS_prlimit64, [parent, libc::RLIMIT_NOFILE as usize, 0, blank, 0]),
        ("regain capabilities", libc::SYS_capset, [capabilities().0, capabilities().1, 0, 0, 0]),
        ("setresuid", libc::SYS_setresuid, [0, 0, 0, 0, 0]),
        ("personality", libc::SYS_personality, [0x0040000, 0, 0, 0, 0]),
    ]
}

/// What a GPU driver may need and a decoder does not.
fn beyond_a_decoders_needs() -> Vec<Call> {
    let executable = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as usize;
    let private = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize;
    vec![
        ("map executable memory", libc::SYS_mmap, [0, 4096, executable, private, usize::MAX]),
        ("make memory executable", libc::SYS_mprotect, [0, 4096, executable, 0, 0]),
        ("memfd_create", libc::SYS_memfd_create, [text("name"), 0, 0, 0, 0]),
        ("shared memory", libc::SYS_shmget, [0, 4096, 0o1666, 0, 0]),
        ("epoll", libc::SYS_epoll_create1, [0, 0, 0, 0, 0]),
        ("socketpair", libc::SYS_socketpair, [libc::AF_UNIX as usize, libc::SOCK_STREAM as usize, 0, 0, 0]),
        ("ioctl", libc::SYS_ioctl, [0, libc::FIONREAD as usize, 0, 0, 0]),
        ("change directory", libc::SYS_chdir, [text("/"), 0, 0, 0, 0]),
        ("rename a thread of another", libc::SYS_prctl, [libc::PR_SET_MM as usize, 0, 0, 0, 0]),
        ("choose its cores", libc::SYS_sched_setaffinity, [0, 0, 0, 0, 0]),
    ]
}

/// A version 3 header for this process and full sets (linux/capability.h), by address.
fn capabilities() -> (usize, usize) {
    let header = Box::leak(Box::new([0x2008_0522_u32, 0]));
    let sets = Box::leak(Box::new([u32::MAX; 6]));
    (header.as_ptr() as usize, sets.as_ptr() as usize)
}

fn text(value: &str) -> usize {
    let bytes = std::ffi::CString::new(value).unwrap_or_default();
    bytes.into_raw() as usize
}

fn raw(number: i64, [a, b, c, d, e]: [usize; 5]) -> Met {
    // SAFETY: every address above is null, or of leaked memory at least as large as what the call reads or writes; no call maps or
    // unmaps memory that Rust owns.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, 0) };
    if result == 0 && (number == libc::SYS_clone || number == libc::SYS_clone3) {
        // SAFETY: this is the forked copy, if there ever is one: it ends here without touching what it shares.
        unsafe { libc::_exit(0) };
    }
    (result == -1).then(|| std::io::Error::last_os_error().raw_os_error().unwrap_or(-1))
}

/// Runs the suite in a child and returns what each attempt met.
async fn suite(confinement: &Confinement) -> (Map<String, Value>, Report) {
    let pool = Pool::start(config(1, confinement)).await.expect("the child starts");
    let pid = pool.stats().pid;
    let other = tempfile::tempdir().expect("another task's folder");
    let secret = other.path().join("secret");
    fs::write(&secret, "secret").expect("another task's file");
    let job = json!({ "do": "escape", "secret": secret, "gpu": confinement.gpu });
    let met = pool.run(job, Files::new("").descriptors(), &Cancel::new(), LONG).await.expect("the suite runs to its end");
    assert_eq!(fs::read_to_string(&secret).expect("it is still there"), "secret", "another task's file is untouched");
    let entries: Vec<_> = fs::read_dir(other.path()).expect("its folder").collect();
    assert_eq!(entries.len(), 1, "nothing was made beside it: {entries:?}");
    assert_works(&pool).await;
    let stats = pool.stats();
    assert_eq!((stats.pid, stats.crashes), (pid, 0), "the child went on through all of it: {stats:?}");
    let Value::Object(met) = met else { panic!("the suite answers with a map") };
    (met, pool.report().expect("the child is up"))
}

fn assert_nothing_got_through(met: &Map<String, Value>, least: usize) {
    let through: Vec<_> = met.iter().filter(|(_, errno)| errno.is_null()).map(|(name, _)| name).collect();
    assert!(through.is_empty(), "these got through: {through:?}");
    assert!(met.len() >= least, "only {} attempts were made", met.len());
}

/// The test harness runs a test in a thread beside its main one, which an executor does not: Landlock tells of it on older kernels.
fn assert_fully_confined(mut report: Report) {
    if let Layer::Partial { missing } = &report.landlock
        && missing == "threads started before it: 1"
    {
        report.landlock = Layer::Active;
    }
    assert_eq!(report.weaknesses(), Vec::<String>::new(), "every layer is in force on this kernel");
}

#[tokio::test]
async fn nothing_escapes_a_cpu_executor() {
    let (met, report) = suite(&confinement()).await;
    assert_nothing_got_through(&met, 78);
    // The filter answers before Landlock is asked, so every refusal is its own; a path rule would say EACCES.
    let errors: Vec<_> = met
        .iter()
        .filter(|(name, errno)| {
            let expected = if *name == "fork by clone3" { libc::ENOSYS } else { libc::EPERM };
            **errno != json!(expected)
        })
        .collect();
    assert!(errors.is_empty(), "refused by something other than the filter: {errors:?}");
    assert_fully_confined(report);
}

#[tokio::test]
async fn nothing_escapes_a_gpu_executor() {
    let (met, report) = suite(&Confinement { gpu: true, ..confinement() }).await;
    assert_nothing_got_through(&met, 68);
    // The deny list lets paths through to Landlock, which refuses them by itself.
    for name in ["read /etc/passwd", "read /etc/shadow", "list /", "read another task's file", "create a file", "openat2"] {
        assert_eq!(met.get(name), Some(&json!(libc::EACCES)), "{name} is refused by Landlock");
    }
    assert_fully_confined(report);
}

#[tokio::test]
async fn of_devices_only_those_that_were_named_are_open() {
    let devices = vec!["/dev/zero".into(), "/dev/there-is-no-such-device".into()];
    let (met, report) = suite(&Confinement { gpu: true, devices, ..confinement() }).await;
    assert_nothing_got_through(&met, 68);
    assert_fully_confined(report);
    let pool = Pool::start(config(1, &Confinement { gpu: true, devices: vec!["/dev/zero".into()], ..confinement() })).await;
    let files = Files::new("");
    let job = json!({ "do": "open", "paths": ["/dev/zero", "/dev/null", "/dev/full", "/etc/hostname"] });
    let met = pool.expect("the child starts").run(job, files.descriptors(), &Cancel::new(), LONG).await;
    assert_eq!(met, Ok(json!([null, libc::EACCES, libc::EACCES, libc::EACCES])), "one device, to be read and written");
}

#[tokio::test]
async fn a_file_grows_no_further_than_its_limit() {
    let pool = super::pool(1).await;
    let files = Files::new("");
    let result = pool.run(handler::job("fill"), files.descriptors(), &Cancel::new(), LONG).await;
    assert_eq!(result, Ok(json!({ "errno": libc::EFBIG, "size": FILE_SIZE })), "writing fails at the limit and the child lives");
    assert_works(&pool).await;
}

#[tokio::test]
async fn a_child_is_the_first_to_go_and_holds_no_privilege() {
    let pool = super::pool(1).await;
    let pid = pool.stats().pid.expect("a child");
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).expect("proc tells");
    assert_eq!(read("oom_score_adj").trim(), "1000", "the kernel takes it before the node");
    // The executor's threads, which touch customers' bytes, and not the test harness' main one.
    for thread in fs::read_dir(format!("/proc/{pid}/task")).expect("its threads") {
        let path = thread.expect("a thread").path();
        let name = fs::read_to_string(path.join("comm")).expect("its name");
        let status = fs::read_to_string(path.join("status")).expect("its status");
        let has = |line: &str| status.lines().any(|found| found.split_whitespace().collect::<Vec<_>>().join(" ") == line);
        assert!(has("Seccomp: 2") && has("NoNewPrivs: 1"), "{name} is filtered: {status}");
        if name.starts_with("executor-") {
            assert!(has("CapEff: 0000000000000000") && has("CapPrm: 0000000000000000"), "{name} has no power: {status}");
        }
    }
    let limits = read("limits");
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(line.split_whitespace().nth(4), Some("0"), "no core is written: {line}");
}
