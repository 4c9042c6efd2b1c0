//! What the watchdog and a worker share: since when it is busy, with which room. One word decides who owns what comes after.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tickwire_proto::Time;

const IDLE: u64 = 0;
const ABANDONED: u64 = u64::MAX;
/// What one look adds at most, however late it comes.
const LOOK_MAX: Duration = Duration::from_millis(100);

/// One worker, as its watchdog sees it.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    since: AtomicU64,
    room: AtomicU32,
}

impl Watch {
    /// The worker begins a tick of a room.
    pub(crate) fn begin(&self, now: Time, room: u32) {
        self.room.store(room, Ordering::Relaxed);
        self.since.store(now.0, Ordering::Release);
    }

    /// The worker is done. `false`: it was abandoned meanwhile; the room is not its any more, and neither is its place.
    pub(crate) fn end(&self) -> bool {
        self.since.swap(IDLE, Ordering::AcqRel) != ABANDONED
    }

    /// Takes the room from a worker that is still busy with what it began at `since`. `None`: it has ended that meanwhile.
    fn abandon(&self, since: u64) -> Option<u32> {
        let room = self.room.load(Ordering::Relaxed);
        let won = self
            .since
            .compare_exchange(since, ABANDONED, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
        won.then_some(room)
    }
}

/// How long a watchdog has seen one worker busy with the same tick. Only what it was awake for counts: where the machine stood still for
/// two seconds, the worker stood still too, and nobody is to blame.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    tick: u64,
    seen: Duration,
}

impl Patience {
    /// A look, `passed` after the one before. The room in which the worker is stuck for longer than `patience`, which it has lost by this.
    pub(crate) fn look(
        &mut self,
        watch: &Watch,
        passed: Duration,
        patience: Duration,
    ) -> Option<u32> {
        let since = watch.since.load(Ordering::Acquire);
        if since == IDLE || since == ABANDONED || since != self.tick {
            *self = Patience {
                tick: since,
                seen: Duration::ZERO,
            };
            return None;
        }
        self.seen += passed.min(LOOK_MAX);
        if self.seen <= patience {
            return None;
        }
        watch.abandon(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);
    const EVERY: Duration = Duration::from_millis(50);

    /// Looks until the watchdog's patience is at its end, at most so often.
    fn looks(patience: &mut Patience, watch: &Watch, at_most: usize) -> Option<(usize, u32)> {
        (1..=at_most).find_map(|n| Some((n, patience.look(watch, EVERY, PATIENCE)?)))
    }

    #[test]
    fn only_the_stuck_are_abandoned_and_only_once() {
        let (watch, mut patience) = (Watch::default(), Patience::default());
        assert_eq!(looks(&mut patience, &watch, 100), None, "idle");
        watch.begin(Time::from_millis(9_000), 7);
        assert_eq!(looks(&mut patience, &watch, 100), Some((22, 7)));
        assert_eq!(looks(&mut patience, &watch, 100), None, "already");
        assert!(!watch.end(), "the worker learns of it");
    }

    #[test]
    fn who_is_done_in_time_keeps_the_room() {
        let (watch, mut patience) = (Watch::default(), Patience::default());
        for tick in 0..100 {
            watch.begin(Time::from_millis(1 + tick * 1_000), 7);
            assert_eq!(looks(&mut patience, &watch, 20), None);
            assert!(watch.end());
        }
        assert_eq!(looks(&mut patience, &watch, 100), None);
    }

    /// Row 39: the machine stood still for two seconds, twice; its rooms go on.
    #[test]
    fn time_in_which_the_watchdog_slept_is_no_fault_of_the_room() {
        let (watch, mut patience) = (Watch::default(), Patience::default());
        watch.begin(Time::from_millis(9_000), 7);
        for _ in 0..2 {
            assert_eq!(looks(&mut patience, &watch, 3), None);
            let stalled = Duration::from_secs(2);
            assert_eq!(patience.look(&watch, stalled, PATIENCE), None);
        }
        assert!(watch.end());
    }
}
