//! The round-trip time: the latest, smoothed, and the least of the last minute.

use crate::time::Time;
use std::time::Duration;

/// What is known of the round trip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RttEstimate {
    /// Round trips measured; 0: nothing is known, all else is zero.
    pub samples: u64,
    /// The latest one.
    pub latest: Duration,
    /// Smoothed: each new one counts an eighth.
    pub smoothed: Duration,
    /// How far they are from the smoothed one: each new one counts a quarter.
    pub variation: Duration,
    /// The least of the last minute: the way itself, without a queue in it.
    pub least: Duration,
}

impl RttEstimate {
    /// Whether anything was measured.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.samples > 0
    }
}

const SPAN: Duration = Duration::from_secs(10);
const SPANS: usize = 6;

/// Keeps the estimate; a minute is six spans of ten seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct RttMeter {
    estimate: RttEstimate,
    /// (the span's number, the least in it), for the last six spans.
    leasts: [(u64, Option<Duration>); SPANS],
}

impl RttMeter {
    pub fn sample(&mut self, now: Time, rtt: Duration) {
        let e = &mut self.estimate;
        if e.samples == 0 {
            e.smoothed = rtt;
            e.variation = rtt / 2;
        } else {
            e.variation = (e.variation * 3 + e.smoothed.abs_diff(rtt)) / 4;
            e.smoothed = (e.smoothed * 7 + rtt) / 8;
        }
        e.samples += 1;
        e.latest = rtt;
        let span = now.0 / SPAN.as_micros() as u64;
        let slot = &mut self.leasts[(span % SPANS as u64) as usize];
        let earlier = slot.1.filter(|_| slot.0 == span);
        *slot = (span, Some(earlier.map_or(rtt, |least| least.min(rtt))));
        let recent = self
            .leasts
            .iter()
            .filter(|(at, _)| span - at.min(&span) < SPANS as u64);
        self.estimate.least = recent.filter_map(|(_, least)| *least).min().unwrap_or(rtt);
    }

    pub fn estimate(&self) -> RttEstimate {
        self.estimate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_forgets_after_a_minute() {
        let mut meter = RttMeter::default();
        assert!(!meter.estimate().is_known());
        meter.sample(Time::from_millis(1000), Duration::from_millis(20));
        for second in 2..50 {
            meter.sample(Time::from_millis(second * 1000), Duration::from_millis(90));
            assert_eq!(meter.estimate().least, Duration::from_millis(20));
        }
        meter.sample(Time::from_millis(75_000), Duration::from_millis(80));
        assert_eq!(meter.estimate().least, Duration::from_millis(80));
    }

    #[test]
    fn smoothing_follows_slowly() {
        let mut meter = RttMeter::default();
        meter.sample(Time(0), Duration::from_millis(80));
        meter.sample(Time(1), Duration::from_millis(160));
        let estimate = meter.estimate();
        assert_eq!(estimate.smoothed, Duration::from_millis(90));
        assert_eq!(estimate.latest, Duration::from_millis(160));
        assert_eq!(estimate.samples, 2);
    }
}
