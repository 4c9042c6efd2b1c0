//! The one clock of Tickwire: monotonic, in UNIX microseconds as they were when the process began; nothing else reads the time.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tickwire_proto::Time;

/// Where the clock was set: the wall clock is read once, so that a step of it moves nothing here.
static ORIGIN: LazyLock<Origin> = LazyLock::new(|| Origin {
    instant: Instant::now(),
    unix: SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64),
});

struct Origin {
    instant: Instant,
    unix: u64,
}

/// Now. Two processes on one host agree on it (but for steps of the wall clock), so that ages can be measured between them.
#[must_use]
pub fn now() -> Time {
    Time(ORIGIN.unix + ORIGIN.instant.elapsed().as_micros() as u64)
}

/// How long it is until `time`; zero if that has passed.
pub(crate) fn until(time: Time) -> Duration {
    time.since(now())
}

/// `time` as what tokio's timers take.
pub(crate) fn deadline(time: Time) -> tokio::time::Instant {
    let since_origin = Duration::from_micros(time.0.saturating_sub(ORIGIN.unix));
    let far = Instant::now() + Duration::from_secs(86_400);
    ORIGIN
        .instant
        .checked_add(since_origin)
        .unwrap_or(far)
        .min(far)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_forward_and_reaches_its_deadlines() {
        let start = now();
        assert!(start.0 > 1_700_000_000_000_000, "UNIX microseconds");
        let later = start.plus(Duration::from_millis(5));
        std::thread::sleep(until(later));
        assert!(now() >= later);
        assert!(deadline(later) <= deadline(later.plus(Duration::from_secs(1))));
        assert!(
            deadline(Time(u64::MAX)) > deadline(later),
            "far, and no overflow"
        );
    }
}
