//! Moments between ticks, in whole sixteenths: which one a picture shows. Not time, of which nothing here knows.

use crate::time::Tick;

/// Parts of a tick that a [`Moment`] counts.
const PARTS: u64 = 16;

/// A moment of a room's ticks, to a sixteenth: what a client's picture shows lies between two ticks.
///
/// ```
/// use tickwire_proto::{Moment, Tick};
/// let shown = Moment::from_ticks(100.26);
/// assert_eq!((shown.ticks(), shown.tick()), (100.25, Tick(100)));
/// assert!(shown > Moment::of(Tick(100)) && shown < Moment::of(Tick(101)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The last one there is.
    pub const MAX: Moment = Moment::of(Tick(u32::MAX));

    /// The moment of a tick.
    #[must_use]
    pub const fn of(tick: Tick) -> Moment {
        Moment(tick.0 as u64 * PARTS)
    }

    /// The nearest one to so many ticks; 0 for what is no number.
    #[must_use]
    pub fn from_ticks(ticks: f64) -> Moment {
        Moment((ticks * PARTS as f64 + 0.5) as u64).min(Moment::MAX) // a cast of floats saturates
    }

    /// So many sixteenths after tick 0; what is beyond the last tick is the last tick.
    #[must_use]
    pub fn from_parts(parts: u64) -> Moment {
        Moment(parts).min(Moment::MAX)
    }

    /// Sixteenths since tick 0.
    #[must_use]
    pub const fn parts(self) -> u64 {
        self.0
    }

    /// In ticks.
    #[must_use]
    pub fn ticks(self) -> f64 {
        self.0 as f64 / PARTS as f64
    }

    /// The tick that it is at, or after.
    #[must_use]
    pub const fn tick(self) -> Tick {
        Tick((self.0 / PARTS) as u32) // at most MAX
    }

    /// How many sixteenths this one is after `earlier`; 0 if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// So many ticks later, at most the last one there is.
    #[must_use]
    pub fn plus(self, ticks: u32) -> Moment {
        Moment(self.0 + Moment::of(Tick(ticks)).0).min(Moment::MAX)
    }

    /// So many ticks earlier, at least tick 0.
    #[must_use]
    pub const fn minus(self, ticks: u32) -> Moment {
        Moment(self.0.saturating_sub(Moment::of(Tick(ticks)).0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_stop_at_both_ends() {
        assert_eq!(Moment::from_ticks(f64::NAN), Moment::of(Tick(0)));
        assert_eq!(Moment::from_ticks(-3.0), Moment::of(Tick(0)));
        assert_eq!(Moment::from_ticks(1e30), Moment::MAX);
        assert_eq!(Moment::from_parts(u64::MAX).tick(), Tick(u32::MAX));
        assert_eq!(Moment::MAX.plus(7), Moment::MAX);
        assert_eq!(Moment::of(Tick(3)).minus(4), Moment::of(Tick(0)));
        assert_eq!(Moment::of(Tick(3)).since(Moment::MAX), 0);
        assert_eq!(Moment::from_ticks(2.5).plus(3).ticks(), 5.5);
    }
}
