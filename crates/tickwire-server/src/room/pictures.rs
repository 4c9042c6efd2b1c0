//! What a viewer's picture can be of: the updates that were sent to it, as far back as the game looks. What was asked in it is `commands`' matter.

use std::collections::VecDeque;

use tickwire_proto::frame::Holding;
use tickwire_proto::{Moment, Tick};
use tickwire_sim::Seen;

use super::stats::RoomStats;

/// The updates sent to one viewer that its picture may be between.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    /// Rising, and whether it is held. Bounded: one is older than what the game looks back to.
    sent: VecDeque<(Tick, bool)>,
    /// The picture that the last command in force was given in.
    last: Option<Moment>,
}

impl Pictures {
    /// An update was sent; the game looks back for so many ticks.
    /// `loose`: whether it arrives is told by receipts.
    pub fn sent(&mut self, tick: Tick, cap: u32, loose: bool) {
        self.sent.push_back((tick, !loose));
        let oldest = tick.minus(cap);
        while self.sent.get(1).is_some_and(|next| next.0 <= oldest) {
            self.sent.pop_front();
        }
    }

    /// By a lane of datagrams: which of them it holds when it says so, and gives the next command.
    pub fn held(&mut self, holding: Holding) {
        for (tick, held) in &mut self.sent {
            *held |= holding.contains(*tick);
        }
    }

    /// It is back on another link, and holds this.
    pub fn resumed(&mut self, held: Option<Tick>) {
        let held = held.unwrap_or_default();
        self.sent.retain_mut(|(tick, is_held)| {
            *is_held |= *tick == held;
            *tick <= held && *is_held
        });
    }

    /// What a command that has just come was given in: nothing that was not sent.
    pub fn check(&self, shown: Option<Moment>, stats: &mut RoomStats) -> Option<Seen> {
        let shown = shown?;
        let held = || self.sent.iter().filter(|it| it.1).map(|it| it.0);
        let newest = held().next_back();
        if newest.is_none_or(|newest| shown > Moment::of(newest)) {
            stats.pictures_ahead += 1;
        }
        let shown = shown.min(Moment::of(newest?));
        let before = held().rev().find(|it| Moment::of(*it) <= shown);
        let from = before.unwrap_or(shown.tick());
        let after = before.and_then(|_| held().find(|it| Moment::of(*it) > shown));
        Some(Seen {
            shown,
            between: (from, after.unwrap_or(from)),
        })
    }

    /// The same when the command is put in force, at `tick`: nothing that is older than what was seen before, or than the game looks back.
    /// What is older is as old as may be.
    pub fn in_force(
        &mut self,
        seen: Option<Seen>,
        (tick, cap): (Tick, u32),
        stats: &mut RoomStats,
    ) -> Option<Seen> {
        let mut seen = seen?;
        if let Some(last) = self.last.filter(|last| seen.shown < *last) {
            stats.pictures_back += 1;
            seen.shown = last;
        }
        self.last = Some(seen.shown);
        let oldest = Moment::of(tick).minus(cap);
        if seen.shown < oldest {
            stats.pictures_old += 1;
            seen.shown = oldest;
        }
        Some(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ticks: f64) -> Option<Moment> {
        Some(Moment::from_ticks(ticks))
    }

    #[test]
    fn a_picture_lies_between_what_was_sent() {
        let (mut pictures, mut stats) = (Pictures::default(), RoomStats::default());
        assert_eq!(pictures.check(at(3.0), &mut stats), None);
        assert_eq!(stats.pictures_ahead, 1, "nothing was sent");
        for tick in [10, 12, 18, 20] {
            pictures.sent(Tick(tick), 8, false);
        }
        let mut between = |ticks| {
            let seen = pictures.check(at(ticks), &mut stats);
            seen.map(|seen| (seen.shown.ticks(), seen.between.0.0, seen.between.1.0))
        };
        assert_eq!(between(13.5), Some((13.5, 12, 18)));
        assert_eq!(between(12.0), Some((12.0, 12, 18)));
        assert_eq!(between(20.0), Some((20.0, 20, 20)));
        assert_eq!(between(9.25), Some((9.25, 9, 9)), "nobody knows any more");
        assert_eq!(between(20.25), Some((20.0, 20, 20)));
        assert_eq!(between(4e9), Some((20.0, 20, 20)));
        assert_eq!(stats.pictures_ahead, 3);
        assert_eq!(pictures.check(None, &mut stats), None);
        pictures.resumed(Some(Tick(18)));
        let seen = pictures.check(at(19.0), &mut stats);
        assert_eq!(seen.map(|seen| seen.between), Some((Tick(18), Tick(18))));
    }

    #[test]
    fn a_picture_never_goes_back_and_is_never_too_old() {
        let (mut pictures, mut stats) = (Pictures::default(), RoomStats::default());
        (0..200).for_each(|tick| pictures.sent(Tick(tick), 8, false));
        let mut force = |tick, ticks| {
            let seen = pictures.check(at(ticks), &mut stats);
            let seen = pictures.in_force(seen, (Tick(tick), 8), &mut stats);
            let counted = (stats.pictures_back, stats.pictures_old);
            (seen.map(|seen| seen.shown.ticks()), counted)
        };
        assert_eq!(force(200, 195.5), (Some(195.5), (0, 0)));
        assert_eq!(force(201, 194.0), (Some(195.5), (1, 0)));
        assert_eq!(force(202, 196.0), (Some(196.0), (1, 0)));
        assert_eq!(force(210, 197.0), (Some(202.0), (1, 1)));
        assert_eq!(force(211, 0.0), (Some(203.0), (2, 2)));
    }

    proptest! {
        /// Whatever is said, what is put in force was sent, is not older than may be, and is bounded in memory.
        #[test]
        fn nothing_is_gained(said in prop::collection::vec((0u64..20_000, 0u32..5), 1..200), cap in 0u32..20) {
            let (mut pictures, mut stats) = (Pictures::default(), RoomStats::default());
            let mut last = Moment::default();
            let mut newest = Tick(0);
            for (tick, (parts, sends)) in (1u32..).zip(said) {
                if sends > 1 {
                    newest = Tick(tick);
                    pictures.sent(newest, cap, false);
                }
                let seen = pictures.check(Some(Moment::from_parts(parts)), &mut stats);
                let now = Tick(tick + 1);
                if let Some(seen) = pictures.in_force(seen, (now, cap), &mut stats) {
                    let oldest = Moment::of(now).minus(cap);
                    prop_assert!(seen.shown <= Moment::of(newest).max(oldest));
                    prop_assert!(seen.shown >= oldest && seen.shown >= last);
                    last = seen.shown;
                }
                prop_assert!(pictures.sent.len() <= cap as usize + 1);
            }
        }
    }
}
