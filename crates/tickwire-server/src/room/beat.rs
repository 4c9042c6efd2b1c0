//! When a room's ticks are due, by a clock that is handed in.

use std::time::Duration;

use tickwire_proto::Time;

/// An even beat from an origin, so that no lateness adds up.
#[derive(Debug)]
pub(crate) struct Beat {
    origin: Option<Time>,
    beats: u32,
    tick_us: u32,
}

impl Beat {
    pub fn new(tick_us: u32) -> Beat {
        Beat {
            origin: None,
            beats: 0,
            tick_us,
        }
    }

    /// A tick was made.
    pub fn ticked(&mut self, now: Time) {
        self.origin.get_or_insert(now);
        match self.beats.checked_add(1) {
            Some(beats) => self.beats = beats,
            None => self.skip_to(now),
        }
    }

    /// When the next is due; `None`: at once.
    pub fn next_due(&self) -> Option<Time> {
        let past = Duration::from_micros(u64::from(self.tick_us) * u64::from(self.beats));
        self.origin.map(|origin| origin.plus(past))
    }

    /// Ticks that are behind are left out: the next one is due at `now`.
    pub fn skip_to(&mut self, now: Time) {
        self.origin = Some(now);
        self.beats = 0;
    }

    /// Ticks have another length from the next one on.
    pub fn set_tick_us(&mut self, tick_us: u32) {
        if let Some(next) = self.next_due() {
            self.skip_to(next);
        }
        self.tick_us = tick_us;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_does_not_add_up() {
        let mut beat = Beat::new(1000);
        assert_eq!(beat.next_due(), None);
        beat.ticked(Time(500));
        assert_eq!(beat.next_due(), Some(Time(1500)));
        beat.ticked(Time(1900));
        assert_eq!(beat.next_due(), Some(Time(2500)));
        beat.set_tick_us(2000);
        beat.ticked(Time(2500));
        assert_eq!(beat.next_due(), Some(Time(4500)));
        beat.skip_to(Time(9000));
        assert_eq!(beat.next_due(), Some(Time(9000)));
    }
}
