//! How much lies between a room and the socket: what tells a room that a link can take an update. Who writes is the link.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes that may lie unwritten in a link while it still counts as empty: a heartbeat on its way stops no update.
pub const GAUGE_LOW_WATER: u32 = 64;

/// Bytes on their way from one room to one client that its socket has not taken, shared by the room, the front and the link.
///
/// What the room has made and the link has not fetched, and what the link has fetched and the socket has not taken. The second is
/// of the whole link ([`Gauge::of_another_room`]); the first is not, lest two rooms that tick at the same moment wait for each other. They are
/// hints for pacing, so relaxed order is enough. Each number is written by one side alone, without waiting for the other.
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
    counts: Arc<Counts>,
    unwritten: Arc<AtomicU32>,
    datagrams: bool,
}

/// Sums since the gauge was made, modulo 2^32.
#[derive(Debug, Default)]
struct Counts {
    /// Written by the room.
    made: Line<AtomicU32>,
    /// Written by the front.
    link: Line<OfLink>,
}

#[derive(Debug, Default)]
struct OfLink {
    fetched: AtomicU32,
    shut: AtomicU32,
}

/// A cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line<T>(T);

impl Gauge {
    /// The gauge of another room with the same link.
    #[must_use]
    pub fn of_another_room(&self) -> Gauge {
        Gauge {
            counts: Arc::default(),
            unwritten: self.unwritten.clone(),
            datagrams: self.datagrams,
        }
    }

    /// A gauge of which nothing is counted yet, for a link of the same kind.
    #[must_use]
    pub(crate) fn of_another_link(&self) -> Gauge {
        match self.datagrams {
            true => Gauge::of_datagrams(),
            false => Gauge::default(),
        }
    }

    /// The gauge of a link that sends updates by datagrams, where they fit: some get lost, come twice, or after later ones.
    #[must_use]
    pub fn of_datagrams() -> Gauge {
        Gauge {
            datagrams: true,
            ..Gauge::default()
        }
    }

    /// Whether updates may get lost on the link.
    #[must_use]
    pub fn is_loose(&self) -> bool {
        self.datagrams
    }

    /// The room made so many bytes of updates.
    pub fn made(&self, bytes: u32) {
        add(&self.counts.made.0, bytes);
    }

    /// So many bytes of updates, of those that were made, were fetched by the link, or will never be.
    pub fn fetched(&self, bytes: u32) {
        add(&self.counts.link.0.fetched, bytes);
    }

    /// Nothing is to be made until the link says otherwise.
    pub(crate) fn shut(&self, shut: bool) {
        let bytes = u32::from(shut);
        self.counts.link.0.shut.store(bytes, Ordering::Relaxed);
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
        let Counts { made, link } = &*self.counts;
        let made = made.0.load(Ordering::Relaxed);
        let ahead = made.wrapping_sub(link.0.fetched.load(Ordering::Relaxed));
        // More fetched than made: what a room has given up.
        let ahead = (ahead as i32).max(0) as u32;
        ahead + link.0.shut.load(Ordering::Relaxed)
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

/// By the one who writes it: a load and a store.
fn add(count: &AtomicU32, bytes: u32) {
    let sum = count.load(Ordering::Relaxed).wrapping_add(bytes);
    count.store(sum, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_below_nothing_and_counts_on_past_its_end() {
        let gauge = Gauge::default();
        gauge.fetched(5);
        assert!(gauge.is_empty());
        gauge.made(5);
        gauge.made(u32::MAX - 2);
        gauge.fetched(u32::MAX - 2);
        gauge.made(7);
        assert_eq!(gauge.bytes(), 7);
        gauge.fetched(7);
        assert_eq!(gauge.bytes(), 0);
    }

    #[test]
    fn a_shut_link_gets_nothing() {
        let gauge = Gauge::default();
        gauge.shut(true);
        assert!(!gauge.is_empty());
        gauge.shut(false);
        assert!(gauge.is_empty());
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
