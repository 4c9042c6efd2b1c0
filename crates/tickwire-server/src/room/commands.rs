//! Commands that wait for their ticks: at most one a tick, at most so far ahead. What they mean is the game's matter.

use std::collections::VecDeque;

use tickwire_proto::Tick;
use tickwire_proto::frame::SLACK_NONE;
use tickwire_sim::Seen;
use tickwire_snapshot::OwnedRow;

/// How many ticks ahead of the last stepped one a command is accepted.
pub const COMMANDS_AHEAD_MAX: u32 = 32;

/// Why a command was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    Late,
    Early,
    Copy,
}

/// A command, and what its sender saw.
#[derive(Debug)]
pub(crate) struct Waiting {
    tick: Tick,
    pub row: OwnedRow,
    pub seen: Option<Seen>,
}

/// The commands of one member, by tick.
#[derive(Debug, Default)]
pub(crate) struct CommandBuffer {
    /// By rising tick; bounded, since all ticks lie in a span of [`COMMANDS_AHEAD_MAX`].
    waiting: VecDeque<Waiting>,
    /// Of the commands that came since the player was told last: by how many ticks the worst came before it was needed.
    slack: Option<i8>,
    /// The newest one that was applied.
    pub applied: Option<Tick>,
}

impl CommandBuffer {
    /// Whether a command for `tick` has a place, when `stepped` is the last tick stepped. Every command is measured, late ones too.
    pub fn admit(&mut self, stepped: Tick, tick: Tick) -> Result<(), Dropped> {
        let ahead = i64::from(tick.0) - i64::from(stepped.0);
        if ahead > i64::from(COMMANDS_AHEAD_MAX) {
            return Err(Dropped::Early);
        }
        let place = self.waiting.binary_search_by_key(&tick, |it| it.tick);
        if place.is_ok() {
            return Err(Dropped::Copy);
        }
        // Needed by the next step: a command for it has a slack of 0. By datagrams one that was lost comes with a later one, and counts too.
        let slack = (ahead - 1).clamp(i64::from(SLACK_NONE) + 1, i64::from(i8::MAX)) as i8;
        self.slack = Some(self.slack.map_or(slack, |least| least.min(slack)));
        match ahead {
            ..=0 => Err(Dropped::Late),
            _ => Ok(()),
        }
    }

    /// Puts an admitted command where it belongs; whether it is the only one.
    pub fn put(&mut self, tick: Tick, row: OwnedRow, seen: Option<Seen>) -> bool {
        if let Err(at) = self.waiting.binary_search_by_key(&tick, |it| it.tick) {
            self.waiting.insert(at, Waiting { tick, row, seen });
        }
        self.waiting.len() == 1
    }

    /// The command for `tick`, if there is one. Older ones cannot be: each tick is taken.
    pub fn take(&mut self, tick: Tick) -> Option<Waiting> {
        while self.waiting.front().is_some_and(|it| it.tick < tick) {
            self.waiting.pop_front();
        }
        self.waiting.pop_front_if(|it| it.tick == tick)
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// By how many ticks the worst command since this was taken last came before it was needed; negative: late; [`SLACK_NONE`]: none came.
    pub fn take_slack(&mut self) -> i8 {
        self.slack.take().unwrap_or(SLACK_NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn give(buffer: &mut CommandBuffer, stepped: u32, tick: u32) -> Result<(), Dropped> {
        buffer.admit(Tick(stepped), Tick(tick))?;
        buffer.put(
            Tick(tick),
            OwnedRow {
                ints: vec![tick as i32],
                blobs: vec![],
            },
            None,
        );
        Ok(())
    }

    #[test]
    fn stale_copied_and_far_commands_are_dropped() {
        let mut buffer = CommandBuffer::default();
        assert_eq!(give(&mut buffer, 10, 10), Err(Dropped::Late));
        assert_eq!(buffer.take_slack(), -1);
        assert_eq!(give(&mut buffer, 10, 11), Ok(()));
        assert_eq!(buffer.take_slack(), 0);
        assert_eq!(give(&mut buffer, 10, 11), Err(Dropped::Copy));
        assert_eq!(give(&mut buffer, 10, 42), Ok(()));
        for far in [43, 1_000_000_010, u32::MAX] {
            assert_eq!(give(&mut buffer, 10, far), Err(Dropped::Early));
        }
        assert_eq!(
            buffer.take_slack(),
            31,
            "what is not accepted is not measured"
        );
        assert_eq!(buffer.take_slack(), SLACK_NONE, "it is told once");
        assert_eq!(give(&mut buffer, u32::MAX - 1, u32::MAX), Ok(()));
        assert_eq!(give(&mut buffer, u32::MAX, 0), Err(Dropped::Late));
    }

    proptest! {
        /// However commands come, each tick applies at most one, its own, in order; and the buffer is bounded.
        #[test]
        fn at_most_one_a_tick_and_in_order(come in prop::collection::vec(prop::collection::vec(0u32..120, 0..12), 1..80)) {
            let mut buffer = CommandBuffer::default();
            let mut accepted = std::collections::BTreeSet::new();
            for (stepped, ticks) in come.iter().enumerate() {
                let stepped = stepped as u32;
                for &tick in ticks {
                    let fits = tick > stepped && tick <= stepped + COMMANDS_AHEAD_MAX && !accepted.contains(&tick);
                    prop_assert_eq!(give(&mut buffer, stepped, tick).is_ok(), fits);
                    if fits {
                        accepted.insert(tick);
                    }
                }
                prop_assert!(buffer.waiting.len() <= COMMANDS_AHEAD_MAX as usize);
                let row = buffer.take(Tick(stepped + 1)).map(|it| it.row);
                prop_assert_eq!(row.map(|row| row.ints[0] as u32), accepted.contains(&(stepped + 1)).then_some(stepped + 1));
            }
        }
    }
}
