//! How much lies between a room and the socket: what tells a room that a link can take an update. Who writes is the link.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes that may lie unwritten in a link while it still counts as empty: a heartbeat on its way stops no update.
pub const GAUGE_LOW_WATER: u32 = 64;

/// Bytes on their way from one room to one client that its socket has not taken, shared by the room, the front and the link.
///
/// Two counts, since two sides keep them: what the room has made and the link has not fetched, and what the link has fetched
/// and the socket has not taken. The second is of the whole link ([`Gauge::of_another_room`]); the first is not, lest two rooms that
/// tick at the same moment wait for each other. They are hints for pacing, so relaxed order is enough.
///
/// ```
/// use tickwire_server::Gauge;
/// let gauge = Gauge::default();
/// gauge.made(1200); // a room makes an update
/// assert!(!gauge.is_empty());
/// gauge.fetched(1200); // the link fetches it ...
/// gauge.set_unwritten(1200); // ... and the socket takes nothing yet
/// assert_eq!(gauge.bytes(), 1200);
/// gauge.set_unwritten(0);
/// assert!(gauge.is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Gauge {
    made: Arc<AtomicU32>,
    unwritten: Arc<AtomicU32>,
}

impl Gauge {
    /// The gauge of another room with the same link.
    #[must_use]
    pub fn of_another_room(&self) -> Gauge {
        Gauge {
            made: Arc::default(),
            unwritten: self.unwritten.clone(),
        }
    }

    /// The room made so many bytes of updates.
    pub fn made(&self, bytes: u32) {
        self.made.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes of updates were fetched by the link, or will never be.
    pub fn fetched(&self, bytes: u32) {
        let less = |made: u32| Some(made.saturating_sub(bytes));
        // Never fails: the closure always gives a value.
        let _ = self
            .made
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// What the link holds and the socket has not taken.
    pub fn set_unwritten(&self, bytes: u32) {
        self.unwritten.store(bytes, Ordering::Relaxed);
    }

    /// What the link holds and the socket has not taken.
    #[must_use]
    pub fn unwritten(&self) -> u32 {
        self.unwritten.load(Ordering::Relaxed)
    }

    /// What the room has made and the link has not fetched.
    #[must_use]
    pub fn unfetched(&self) -> u32 {
        self.made.load(Ordering::Relaxed)
    }

    /// All that is on its way to the socket.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        self.unfetched().saturating_add(self.unwritten())
    }

    /// Whether an update made now would be written at once: nothing waits to be fetched, and (almost) nothing to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.unfetched() == 0 && self.unwritten() <= GAUGE_LOW_WATER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_below_nothing() {
        let gauge = Gauge::default();
        gauge.fetched(5);
        assert!(gauge.is_empty());
        gauge.made(3);
        gauge.fetched(5);
        assert_eq!(gauge.bytes(), 0);
    }

    #[test]
    fn rooms_share_the_link_and_nothing_else() {
        let one = Gauge::default();
        let two = one.of_another_room();
        one.made(100);
        assert!(two.is_empty() && !one.is_empty());
        one.set_unwritten(1_000);
        assert!(!two.is_empty());
        assert_eq!((one.bytes(), two.bytes()), (1_100, 1_000));
    }

    #[test]
    fn a_heartbeat_on_its_way_stops_no_update() {
        let gauge = Gauge::default();
        gauge.set_unwritten(GAUGE_LOW_WATER);
        assert!(gauge.is_empty());
        gauge.set_unwritten(GAUGE_LOW_WATER + 1);
        assert!(!gauge.is_empty());
    }
}
