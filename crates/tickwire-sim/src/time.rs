//! What a game may know of time: the tick that is being stepped and how long a tick is. No clock.

use bevy_ecs::resource::Resource;
use tickwire_proto::Tick;

/// The tick that is being stepped: a resource for systems to read.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_sim::prelude::*;
///
/// fn every_second(now: Res<CurrentTick>) {
///     if now.every(1.0) { /* once a second */ }
/// }
/// ```
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentTick {
    tick: Tick,
    rate: u16,
}

impl CurrentTick {
    pub(crate) fn new(rate: u16) -> Self {
        Self {
            tick: Tick(0),
            rate,
        }
    }

    pub(crate) fn set(&mut self, tick: Tick) {
        self.tick = tick;
    }

    /// The tick; 0 only in systems of the start, before the first step.
    #[must_use]
    pub fn tick(&self) -> Tick {
        self.tick
    }

    /// Ticks a second.
    #[must_use]
    pub fn rate(&self) -> u16 {
        self.rate
    }

    /// Length of a tick in seconds.
    #[must_use]
    pub fn dt(&self) -> f32 {
        1.0 / f32::from(self.rate)
    }

    /// Seconds since the room's creation.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        f64::from(self.tick.0) / f64::from(self.rate)
    }

    /// The number of ticks that last `seconds`, rounded, at least 1.
    #[must_use]
    pub fn ticks(&self, seconds: f32) -> u32 {
        let ticks = f64::from(seconds) * f64::from(self.rate) + 0.5;
        (ticks as u32).max(1) // a cast of floats saturates
    }

    /// Whether this is one of the ticks that are `seconds` apart.
    #[must_use]
    pub fn every(&self, seconds: f32) -> bool {
        self.tick.0.is_multiple_of(self.ticks(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_ticks() {
        let mut now = CurrentTick::new(60);
        now.set(Tick(90));
        assert_eq!(
            (now.ticks(0.5), now.ticks(0.0), now.ticks(f32::NAN)),
            (30, 1, 1)
        );
        assert_eq!(now.seconds(), 1.5);
        assert!(now.every(0.5) && !now.every(1.0));
    }
}
