//! A pause before a busy shard waits again, so that what trickles in is heard in few wakes: each costs more than what it is for.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

use tickwire_proto::Time;

use crate::clock;

/// A shard that is woken all the time waits so long before it hears of more: the most that this adds to a message's way.
const PAUSE: Duration = Duration::from_millis(1);
/// Wakes that it may have saved up without a pause: a shard that is not busy, and a burst, wait for nothing.
const SAVED_MAX: u32 = 8;

thread_local! {
    static WAKES: Cell<Wakes> = Cell::new(Wakes::new(clock::now()));
}

/// Before the thread of a shard waits for its sockets and its inbox.
pub(super) fn pause() {
    let mut wakes = WAKES.get();
    if wakes.is_busy(clock::now()) {
        thread::sleep(PAUSE);
    }
    WAKES.set(wakes);
}

/// One wake for each [`PAUSE`] that passes, and some saved up.
#[derive(Clone, Copy, Debug)]
struct Wakes {
    saved: u32,
    /// When the last one was earned.
    at: Time,
}

impl Wakes {
    fn new(now: Time) -> Wakes {
        Wakes {
            saved: SAVED_MAX,
            at: now,
        }
    }

    /// One more wake, at `now`: whether that is one too many.
    fn is_busy(&mut self, now: Time) -> bool {
        let each = PAUSE.as_micros() as u64;
        let earned = now.since(self.at).as_micros() as u64 / each;
        if earned > 0 {
            self.at = Time(self.at.0 + earned * each);
            self.saved = (u64::from(self.saved) + earned).min(u64::from(SAVED_MAX)) as u32;
        }
        match self.saved.checked_sub(1) {
            Some(left) => {
                self.saved = left;
                false
            }
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wakes in ten seconds where one comes every so many microseconds.
    fn pauses(every_us: u64) -> (u64, u64) {
        let (mut wakes, mut now) = (Wakes::new(Time(0)), 0);
        let (mut woken, mut paused) = (0, 0);
        while now < 10_000_000 {
            woken += 1;
            now += every_us;
            if wakes.is_busy(Time(now)) {
                paused += 1;
                now += PAUSE.as_micros() as u64;
            }
        }
        (woken, paused)
    }

    #[test]
    fn only_who_is_woken_all_the_time_waits() {
        assert_eq!(pauses(1_000).1, 0, "a thousand wakes a second are fine");
        let (woken, paused) = pauses(20);
        assert!(woken <= 20_000 && paused > 5_000, "{woken} wakes");
    }

    #[test]
    fn a_burst_after_a_rest_waits_for_nothing() {
        let mut wakes = Wakes::new(Time(0));
        for rest in 1..100 {
            let paused = (0..SAVED_MAX).any(|n| wakes.is_busy(Time(rest * 10_000 + u64::from(n))));
            assert!(!paused);
        }
    }
}
