//! What the system says about this process: CPU time, memory, descriptors, threads. From /proc; nothing where there is none.

use std::fs;

/// What user space sees of a clock tick on Linux, on every architecture.
const CLOCK_TICKS_PER_S: f64 = 100.0;

/// One reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Process {
    pub(crate) cpu_s: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
}

/// Reads it now; `None` on systems without /proc.
pub(crate) fn read() -> Option<Process> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let descriptors = fs::read_dir("/proc/self/fd").map_or(0, |fds| fds.count() as u64);
    Some(Process {
        cpu_s: cpu(&stat)?,
        resident_bytes: field(&status, "VmRSS:")? * 1024,
        threads: field(&status, "Threads:")?,
        descriptors,
    })
}

/// utime and stime: fields 14 and 15, of which the first two may hold spaces.
fn cpu(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / CLOCK_TICKS_PER_S)
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_is_no_obstacle() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 150 0 0";
        assert_eq!(cpu(stat), Some(4.0));
        assert_eq!(field("VmRSS:\t  12 kB\nThreads:\t3\n", "Threads:"), Some(3));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory() {
        let process = read().expect("/proc");
        assert!(
            process.resident_bytes > 1 << 20 && process.threads >= 1 && process.descriptors >= 3
        );
    }
}
