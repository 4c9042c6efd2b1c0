//! Ticks of a room and moments in time, as plain values; nothing here reads a clock.

use std::fmt;
use std::time::Duration;

/// One counted step of a room, from 0 at the room's creation.
///
/// It never wraps: a room ends first, so the order is total.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u32);

impl Tick {
    /// The tick after this one.
    #[must_use]
    pub const fn next(self) -> Tick {
        self.plus(1)
    }

    /// How many ticks this one is after `earlier`; 0 if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Tick) -> u32 {
        self.0.saturating_sub(earlier.0)
    }

    /// The tick `ticks` later, at most the last one there is.
    #[must_use]
    pub const fn plus(self, ticks: u32) -> Tick {
        Tick(self.0.saturating_add(ticks))
    }

    /// The tick `ticks` earlier, at least 0.
    #[must_use]
    pub const fn minus(self, ticks: u32) -> Tick {
        Tick(self.0.saturating_sub(ticks))
    }
}

impl fmt::Display for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A moment: microseconds since an origin of the caller's choice, handed in.
///
/// ```
/// use std::time::Duration;
/// use tickwire_proto::Time;
/// let start = Time::from_millis(20);
/// assert_eq!(start.plus(Duration::from_millis(5)).since(start), Duration::from_millis(5));
/// assert_eq!(start.since(start.plus(Duration::from_secs(1))), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The moment `millis` milliseconds after the origin.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Time {
        Time(millis.saturating_mul(1000))
    }

    /// Whole milliseconds since the origin.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1000
    }

    /// How long this is after `earlier`; zero if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The moment `span` later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Time {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Time(self.0.saturating_add(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stop_at_both_ends() {
        assert_eq!(Tick(u32::MAX).next(), Tick(u32::MAX));
        assert_eq!(Tick(3).minus(5), Tick(0));
        assert_eq!(Tick(3).since(Tick(5)), 0);
        assert_eq!(Tick(5).since(Tick(3)), 2);
        assert_eq!(Tick(7).to_string(), "7");
    }

    #[test]
    fn time_saturates() {
        assert_eq!(Time(u64::MAX).plus(Duration::from_secs(1)), Time(u64::MAX));
        assert_eq!(Time(1).plus(Duration::MAX), Time(u64::MAX));
        assert_eq!(Time::from_millis(u64::MAX), Time(u64::MAX));
        assert_eq!(Time::from_millis(7).as_millis(), 7);
    }
}
