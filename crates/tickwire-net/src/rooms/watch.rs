//! What the watchdog and a worker share: since when it is busy, with which room. One word decides who owns what comes after.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tickwire_proto::Time;

const IDLE: u64 = 0;
const ABANDONED: u64 = u64::MAX;

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

    /// The room in which the worker is stuck for longer than `patience`, which it has lost by this call.
    pub(crate) fn abandon(&self, now: Time, patience: Duration) -> Option<u32> {
        let since = self.since.load(Ordering::Acquire);
        if since == IDLE || since == ABANDONED || now.since(Time(since)) <= patience {
            return None;
        }
        let room = self.room.load(Ordering::Relaxed);
        let won = self
            .since
            .compare_exchange(since, ABANDONED, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok();
        won.then_some(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    #[test]
    fn only_the_stuck_are_abandoned_and_only_once() {
        let watch = Watch::default();
        assert_eq!(
            watch.abandon(Time::from_millis(9_000), PATIENCE),
            None,
            "idle"
        );
        watch.begin(Time::from_millis(9_000), 7);
        assert_eq!(
            watch.abandon(Time::from_millis(10_000), PATIENCE),
            None,
            "not yet"
        );
        assert_eq!(watch.abandon(Time::from_millis(10_001), PATIENCE), Some(7));
        assert_eq!(
            watch.abandon(Time::from_millis(20_000), PATIENCE),
            None,
            "already"
        );
        assert!(!watch.end(), "the worker learns of it");
    }

    #[test]
    fn who_is_done_in_time_keeps_the_room() {
        let watch = Watch::default();
        watch.begin(Time::from_millis(1), 7);
        assert!(watch.end());
        assert_eq!(watch.abandon(Time::from_millis(60_000), PATIENCE), None);
    }
}
