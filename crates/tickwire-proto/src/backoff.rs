//! How long a client waits before it tries again; the randomness is handed in.

use std::time::Duration;

/// A server's "retry after" beyond this is taken as this: an hour.
pub const RETRY_AFTER_MS_MAX: u32 = 3_600_000;

/// Exponential back-off with full jitter, applied after the cap.
///
/// ```
/// use std::time::Duration;
/// use tickwire_proto::Backoff;
/// let mut backoff = Backoff::default();
/// assert_eq!(backoff.next(None, u64::MAX), Duration::from_millis(500));
/// assert_eq!(backoff.next(None, u64::MAX), Duration::from_secs(1));
/// assert!(backoff.next(Some(3000), 0) >= Duration::from_secs(3));
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    attempts: u32,
}

impl Default for Backoff {
    /// 0.5 s, doubling, at most 10 s.
    fn default() -> Backoff {
        Backoff::new(Duration::from_millis(500), Duration::from_secs(10))
    }
}

impl Backoff {
    /// Windows of `first`, twice that, and so on up to `cap`.
    #[must_use]
    pub fn new(first: Duration, cap: Duration) -> Backoff {
        Backoff {
            first,
            cap,
            attempts: 0,
        }
    }

    /// How often [`Backoff::next`] was asked since the last reset.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The wait before the next attempt: anything from nothing to the window, on top of what the server asked for (ms).
    ///
    /// `random` is evenly distributed over all of u64.
    pub fn next(&mut self, retry_after: Option<u32>, random: u64) -> Duration {
        let window = self.window();
        self.attempts = self.attempts.saturating_add(1);
        // The product of a 64-bit fraction and the window: even over the window without a remainder's bias.
        let jitter = (u128::from(random) * (window.as_micros() + 1)) >> 64;
        let asked = retry_after.unwrap_or(0).min(RETRY_AFTER_MS_MAX);
        Duration::from_millis(u64::from(asked)) + Duration::from_micros(jitter as u64)
    }

    /// After a success: the next failure starts from the first window.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The cap comes before the jitter, so that clients that wait long do not all come at the cap's end.
    fn window(&self) -> Duration {
        let doubled = self
            .first
            .saturating_mul(1u32.checked_shl(self.attempts).unwrap_or(u32::MAX));
        doubled.min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn windows_double_up_to_the_cap_and_start_anew_after_a_reset() {
        let mut backoff = Backoff::default();
        let longest: Vec<u128> = (0..40)
            .map(|_| backoff.next(None, u64::MAX).as_millis())
            .collect();
        assert_eq!(longest[..6], [500, 1000, 2000, 4000, 8000, 10_000]);
        assert!(longest[6..].iter().all(|ms| *ms == 10_000));
        assert_eq!(backoff.attempts(), 40);
        backoff.reset();
        assert_eq!(backoff.next(None, u64::MAX).as_millis(), 500);
    }

    #[test]
    fn jitter_at_the_cap_is_spread_over_all_of_it() {
        let mut backoff = Backoff::default();
        assert!((0..8).all(|_| backoff.next(None, 0).is_zero()));
        let tenths = (0..10u64).map(|tenth| backoff.next(None, u64::MAX / 10 * tenth).as_millis());
        assert!(tenths.eq((0..10).map(|s| s * 1000)));
    }

    proptest! {
        #[test]
        fn a_wait_is_never_outside_its_bounds(asked: Option<u32>, randoms in prop::collection::vec(any::<u64>(), 1..80)) {
            let mut backoff = Backoff::default();
            for (attempt, random) in randoms.into_iter().enumerate() {
                let least = Duration::from_millis(u64::from(asked.unwrap_or(0).min(RETRY_AFTER_MS_MAX)));
                let window = Duration::from_millis((500u64 << attempt.min(10)).min(10_000));
                let wait = backoff.next(asked, random);
                prop_assert!(wait >= least && wait <= least + window);
            }
        }
    }
}
