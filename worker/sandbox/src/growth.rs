//! Programs that do not give back the memory of one document before the next: how much they may keep, and how often one had more.

use std::fs;

use tokio::sync::watch;

/// Processes below one child, at most, that are looked at: a program of more has another limit to meet.
const MAX_PROCESSES: usize = 1_000;

/// How much memory of its own a program may keep while it has nothing to do. Clones count together.
#[derive(Clone, Debug)]
pub struct Growth {
    most: u64,
    count: watch::Sender<u64>,
}

impl Default for Growth {
    /// Any number of bytes.
    fn default() -> Self {
        Self::new(0)
    }
}

impl Growth {
    /// So many bytes; 0 is any number.
    pub fn new(most: u64) -> Self {
        Self { most, count: watch::Sender::new(0) }
    }

    /// Whether the process of that number and all below it keep more than that.
    pub fn is_above(&self, pid: u32) -> bool {
        if self.most == 0 {
            return false;
        }
        let kept = own_memory(pid);
        if kept > self.most {
            tracing::info!(pid, kept, most = self.most, "a program keeps more memory than it may; it is replaced");
        }
        kept > self.most
    }

    /// Counts a program that was replaced for it.
    pub fn count(&self) {
        self.count.send_modify(|count| *count += 1);
    }

    /// How many there were; wakes whoever waits for a change.
    pub fn counted(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }
}

/// Bytes that the process of that number and those below it hold for themselves: no files that are mapped. What several of them share counts for each.
/// 0 where there is no such process.
///
/// What is read here needs no right over the process, which may be out of reach otherwise.
fn own_memory(pid: u32) -> u64 {
    let (mut left, mut seen, mut kept) = (vec![pid], 0, 0);
    while let Some(pid) = left.pop().filter(|_| seen < MAX_PROCESSES) {
        seen += 1;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kibibytes = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            value.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0)
        };
        kept += (kibibytes("RssAnon:") + kibibytes("VmSwap:")) << 10;
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        for thread in threads {
            let below = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            left.extend(below.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn memory_of_a_process_and_of_those_below_it_counts() {
        // A shell that waits for another one, which holds a text of 8 MiB.
        let inner = "x=$(head -c 8388608 /dev/zero | tr '\\0' a); echo ready; read y";
        let outer = format!("sh -c \"{}\"; true", inner.replace('$', "\\$"));
        let mut shell =
            Command::new("/bin/sh").args(["-c", &outer]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let mut line = String::new();
        BufReader::new(shell.stdout.take().expect("its output")).read_line(&mut line).expect("it speaks");
        let kept = own_memory(shell.id());
        let growth = Growth::new(8 << 20);
        let (above, never) = (growth.is_above(shell.id()), Growth::new(0).is_above(shell.id()));
        drop(shell.stdin.take());
        let ended = shell.wait().expect("it ends");
        assert_eq!((line.as_str(), ended.success()), ("ready\n", true), "the shell does what the test is about");
        assert!((8 << 20..256 << 20).contains(&kept), "{kept} bytes");
        assert!(above && !never, "8 MiB are more than it may keep, and 0 means any number");
        assert_eq!(own_memory(u32::MAX), 0, "no such process");
    }
}
