//! What goes wrong in a run, and how often; drawn in slots of a tenth of a second, so that no logarithm is needed. Not what it does.

use std::time::Duration;

use crate::Chance;

/// Faults are drawn once a slot.
pub(crate) const SLOT: Duration = Duration::from_millis(100);

/// How often things go wrong, each *a minute*; those of a link for each client.
///
/// ```
/// use tickwire_lab::Faults;
/// let faults = Faults { cuts: 6.0, ..Faults::NONE };
/// assert!(faults.stalls == 0.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faults {
    /// The link breaks at any byte, and both ends know it at once.
    pub cuts: f64,
    /// The link dies without a word: nothing arrives any more in either direction, and each end finds out by itself.
    pub half_open: f64,
    /// Nothing arrives for 0.2 to 4 s, then all of it.
    pub stalls: f64,
    /// The link becomes like another profile.
    pub changes: f64,
    /// The session moves to another link while the one before still works, as to a WebSocket that opens while one polls.
    pub moves: f64,
    /// The client has no network for 1 to 12 s: its link dies, in half of the cases without a word, and none opens.
    pub absences: f64,
    /// The client's process dies and another one begins in its place, knowing nothing.
    pub crashes: f64,
    /// The server's process dies, is away for 0.5 to 3 s, and knows nothing when it returns. (Once for all clients.)
    pub restarts: f64,
    /// The server's process stands still for 0.2 to 3 s, then hears all that has come meanwhile. (Once for all clients.)
    pub host_stalls: f64,
}

impl Faults {
    /// All goes well.
    pub const NONE: Faults = Faults {
        cuts: 0.0,
        half_open: 0.0,
        stalls: 0.0,
        changes: 0.0,
        moves: 0.0,
        absences: 0.0,
        crashes: 0.0,
        restarts: 0.0,
        host_stalls: 0.0,
    };

    /// An evening on the train: a stall now and then, a cut every few minutes.
    pub const TRAIN: Faults = Faults {
        cuts: 0.5,
        half_open: 0.2,
        stalls: 3.0,
        changes: 2.0,
        moves: 0.5,
        absences: 0.0,
        crashes: 0.0,
        restarts: 0.0,
        host_stalls: 0.5,
    };

    /// Everything, all the time.
    pub const STORM: Faults = Faults {
        cuts: 4.0,
        half_open: 1.0,
        stalls: 6.0,
        changes: 4.0,
        moves: 2.0,
        absences: 1.5,
        crashes: 1.5,
        restarts: 1.0,
        host_stalls: 1.5,
    };

    /// What happens to one client's link in one slot.
    pub(crate) fn draw(&self, chance: &mut Chance) -> Option<Fault> {
        let table = [
            (self.cuts, Fault::Cut),
            (self.half_open, Fault::HalfOpen),
            (self.stalls, Fault::Stall),
            (self.changes, Fault::Change),
            (self.crashes, Fault::Crash),
            (self.moves, Fault::Move),
            (self.absences, Fault::Absence),
        ];
        let mut point = chance.unit();
        for (a_minute, fault) in table {
            let probability = a_minute * SLOT.as_secs_f64() / 60.0;
            if point < probability {
                return Some(fault);
            }
            point -= probability;
        }
        None
    }

    /// Whether the server restarts in one slot.
    pub(crate) fn restart(&self, chance: &mut Chance) -> bool {
        chance.happens(self.restarts * SLOT.as_secs_f64() / 60.0)
    }

    /// Whether it stands still from that slot on.
    pub(crate) fn host_stall(&self, chance: &mut Chance) -> bool {
        self.host_stalls > 0.0 && chance.happens(self.host_stalls * SLOT.as_secs_f64() / 60.0)
    }
}

/// One thing that goes wrong with one client or its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Cut,
    HalfOpen,
    Stall,
    Change,
    Crash,
    Move,
    Absence,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_a_minute() {
        let (mut chance, mut seen) = (Chance::new(3), [0u32; 7]);
        let minutes = 500;
        for _ in 0..minutes * 600 {
            if let Some(fault) = Faults::STORM.draw(&mut chance) {
                seen[fault as usize] += 1;
            }
        }
        let storm = Faults::STORM;
        for (count, rate) in seen.into_iter().zip([
            storm.cuts,
            storm.half_open,
            storm.stalls,
            storm.changes,
            storm.crashes,
            storm.moves,
            storm.absences,
        ]) {
            let measured = f64::from(count) / f64::from(minutes);
            assert!(
                (measured - rate).abs() < 0.15 * rate,
                "{measured} a minute instead of {rate}"
            );
        }
    }

    #[test]
    fn nothing_goes_wrong_without_faults() {
        let mut chance = Chance::new(3);
        assert!((0..10_000).all(
            |_| Faults::NONE.draw(&mut chance).is_none() && !Faults::NONE.restart(&mut chance)
        ));
    }
}
