//! What the kernel says of CPU time and load. What is measured with it stands elsewhere.

use std::{fs, time::Duration};

/// CPU time that all threads of a process have had so far, to the nanosecond where the kernel counts so finely.
pub fn of_process(pid: u32) -> Duration {
    of_threads(pid, 0)
}

/// How long all threads of a process have waited for a core so far, ready to run.
pub fn delay_of(pid: u32) -> Duration {
    of_threads(pid, 1)
}

fn of_threads(pid: u32, field: usize) -> Duration {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Duration::ZERO;
    };
    let nanos = tasks
        .filter_map(Result::ok)
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().nth(field)?.parse::<u64>().ok())
        .sum();
    Duration::from_nanos(nanos)
}

/// CPU time of this very thread so far.
pub fn of_thread() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(
        text.split_whitespace()
            .next()
            .and_then(|nanos| nanos.parse().ok())
            .unwrap_or(0),
    )
}

/// The memory of a process that is in use, in bytes.
pub fn rss_of(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// The load averages, to be printed beside figures of speed.
pub fn load() -> String {
    fs::read_to_string("/proc/loadavg")
        .map_or_else(|_| "unknown".into(), |text| text.trim().to_owned())
}
