//! Histograms that many threads add to without a lock, in the buckets that Prometheus reads.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts by upper bound, and their sum.
#[derive(Debug)]
pub(crate) struct Histogram {
    bounds_us: &'static [u64],
    counts: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

/// For what takes microseconds to tens of milliseconds: ticks.
pub(crate) const SHORT: &[u64] = &[
    10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 500_000,
    1_000_000,
];
impl Histogram {
    pub(crate) fn new(bounds_us: &'static [u64]) -> Histogram {
        let counts = (0..=bounds_us.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram {
            bounds_us,
            counts,
            sum_us: AtomicU64::new(0),
        }
    }

    pub(crate) fn add(&self, value: Duration) {
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        let bucket = self.bounds_us.partition_point(|bound| *bound < micros);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
    }

    /// The text exposition, in seconds.
    pub(crate) fn write(&self, name: &str, help: &str, out: &mut String) {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        let mut total = 0;
        for (at, count) in self.counts.iter().enumerate() {
            total += count.load(Ordering::Relaxed);
            let _ = match self.bounds_us.get(at) {
                Some(bound) => writeln!(
                    out,
                    "{name}_bucket{{le=\"{}\"}} {total}",
                    *bound as f64 / 1e6
                ),
                None => writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {total}"),
            };
        }
        let sum = self.sum_us.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(out, "{name}_sum {sum}\n{name}_count {total}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_end_with_the_count() {
        let histogram = Histogram::new(SHORT);
        for micros in [0, 10, 11, 2_000_000] {
            histogram.add(Duration::from_micros(micros));
        }
        let mut text = String::new();
        histogram.write("t", "a test", &mut text);
        assert!(
            text.contains("t_bucket{le=\"0.00001\"} 2\nt_bucket{le=\"0.00002\"} 3\n"),
            "{text}"
        );
        assert!(
            text.ends_with("t_bucket{le=\"+Inf\"} 4\nt_sum 2.000021\nt_count 4\n"),
            "{text}"
        );
    }
}
