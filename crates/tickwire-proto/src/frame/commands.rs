//! The commands and the receipt of one frame on a lane that may lose it. When they are said again is the session's matter.

use super::COMMAND_MAX;
use crate::moment::Moment;
use crate::time::Tick;
use crate::wire::{Reader, WireError, WireFault, Writer};

/// Commands in one [`Commands`](super::ClientFrame::Commands) frame.
pub const COMMANDS_A_FRAME_MAX: usize = 16;
/// Ticks before the newest one held that a [`Holding`] tells of.
pub const HOLDING_TICKS: u32 = u16::BITS;

/// Which updates of a room are held: the newest, and which of those shortly before it. Where frames may be lost the newest alone would say
/// nothing of the others. (Acknowledgement by bits: Fiedler, "Reliability and Congestion Avoidance over UDP", 2008.)
///
/// ```
/// use tickwire_proto::{Tick, frame::Holding};
/// let mut held = Holding::of(Tick(100));
/// held.add(Tick(103));
/// assert!(held.contains(Tick(103)) && held.contains(Tick(100)) && !held.contains(Tick(102)));
/// assert_eq!(held.ticks().collect::<Vec<_>>(), [Tick(100), Tick(103)]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// The newest tick held.
    pub newest: Tick,
    /// Bit `i`: whether the tick `newest - 1 - i` is held.
    pub before: u16,
}

/// One command of a [`Commands`](super::ClientFrame::Commands) frame: as in [`Command`](super::ClientFrame::Command).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandParts<'a> {
    /// The tick that it is for.
    pub tick: Tick,
    /// What the player's picture showed when they asked, at most what is held; `None`: they saw none.
    pub shown: Option<Moment>,
    /// The number of what the player owns after that tick, as the client predicts it; `None`: it does not.
    pub said: Option<u16>,
    /// The command by its schema.
    pub payload: &'a [u8],
}

impl Holding {
    /// This tick alone.
    #[must_use]
    pub const fn of(newest: Tick) -> Holding {
        Holding { newest, before: 0 }
    }

    /// A tick is held too; whether that is news. One that is too old to be told of is none.
    pub fn add(&mut self, tick: Tick) -> bool {
        let before = *self;
        if tick > self.newest {
            let by = tick.0 - self.newest.0;
            let shifted = u64::from(self.before) << 1 | 1;
            self.before = shifted.checked_shl(by - 1).unwrap_or(0) as u16;
            self.newest = tick;
        } else if let Some(bit) = self.bit(tick) {
            self.before |= bit;
        }
        *self != before
    }

    /// All that another one tells is held too; whether that is news.
    pub fn merge(&mut self, other: &Holding) -> bool {
        let mut news = false;
        for tick in other.ticks() {
            news |= self.add(tick);
        }
        news
    }

    /// Whether it tells that a tick is held.
    #[must_use]
    pub fn contains(&self, tick: Tick) -> bool {
        tick == self.newest || self.bit(tick).is_some_and(|bit| self.before & bit != 0)
    }

    /// The ticks that it tells of, rising.
    pub fn ticks(&self) -> impl Iterator<Item = Tick> + use<> {
        let it = *self;
        let before = (0..HOLDING_TICKS).rev();
        let before = before.filter(move |at| it.before >> at & 1 != 0);
        before
            .map(move |at| it.newest.minus(at + 1))
            .chain([it.newest])
    }

    fn bit(&self, tick: Tick) -> Option<u16> {
        let by = self.newest.0.checked_sub(tick.0)?;
        1u16.checked_shl(by.checked_sub(1)?)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.varint_u32(self.newest.0);
        out.u16_le(self.before);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Holding, WireError> {
        let newest = Tick(reader.at("held").varint_u32()?);
        let before = reader.at("held before").u16_le()?;
        if before.checked_shr(newest.0).unwrap_or(0) != 0 {
            return Err(reader.error(WireFault::Overflow)); // before tick 0
        }
        Ok(Holding { newest, before })
    }
}

/// Bits beside what is shown: the number that is said follows, and the payload is that of the command before.
const SAYS: u64 = 1;
const SAME: u64 = 2;
const FLAGS: u32 = 2;

pub(super) fn write(held: &Holding, commands: &[CommandParts<'_>], out: &mut Writer) {
    held.write(out);
    let commands = &commands[..commands.len().min(COMMANDS_A_FRAME_MAX)];
    out.u8(commands.len() as u8);
    let mut last: Option<&CommandParts<'_>> = None;
    for it in commands {
        let after = last.map_or(held.newest, |last| last.tick);
        out.varint_i64(i64::from(it.tick.0) - i64::from(after.0));
        let shown = it
            .shown
            .map_or(0, |shown| 1 + Moment::of(held.newest).since(shown));
        let same = last.is_some_and(|last| last.payload == it.payload);
        let flags = u64::from(same) * SAME + u64::from(it.said.is_some()) * SAYS;
        out.varint_u64(shown << FLAGS | flags);
        if let Some(said) = it.said {
            out.u16_le(said);
        }
        if !same {
            out.bytes(it.payload);
        }
        last = Some(it);
    }
}

pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
) -> Result<(Holding, Vec<CommandParts<'a>>), WireError> {
    let held = Holding::read(reader)?;
    let count = reader.at("commands").u8()?;
    if usize::from(count) > COMMANDS_A_FRAME_MAX {
        return Err(reader.error(WireFault::OutOfRange(u64::from(count))));
    }
    let mut commands: Vec<CommandParts<'a>> = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let command = read_one(reader, held, commands.last())?;
        commands.push(command);
    }
    Ok((held, commands))
}

fn read_one<'a>(
    reader: &mut Reader<'a>,
    held: Holding,
    last: Option<&CommandParts<'a>>,
) -> Result<CommandParts<'a>, WireError> {
    let after = last.map_or(held.newest, |last| last.tick);
    let ahead = reader.at("tick").varint_i64()?;
    let tick = i64::from(after.0)
        .checked_add(ahead)
        .and_then(|tick| u32::try_from(tick).ok())
        .map(Tick);
    let tick = tick
        .filter(|tick| last.is_none_or(|last| *tick > last.tick))
        .ok_or_else(|| reader.error(WireFault::Overflow))?;
    let head = reader.at("shown").varint_u64()?;
    let shown = match head >> FLAGS {
        0 => None,
        behind => {
            let parts = Moment::of(held.newest).parts().checked_sub(behind - 1);
            let parts = parts.ok_or_else(|| reader.error(WireFault::Overflow))?;
            Some(Moment::from_parts(parts))
        }
    };
    let said = match head & SAYS {
        0 => None,
        _ => Some(reader.at("said").u16_le()?),
    };
    let before = last.map(|last| last.payload);
    let payload = match head & SAME {
        0 => Some(reader.at("payload").bytes(COMMAND_MAX)?).filter(|it| Some(*it) != before),
        _ => before,
    };
    // One that is the same is said to be so, and the first is like none.
    let payload = payload.ok_or_else(|| reader.error(WireFault::OutOfRange(head & SAME)))?;
    Ok(CommandParts {
        tick,
        shown,
        said,
        payload,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// It tells of the newest and of those at most 16 ticks before it what was added, in whatever order.
        #[test]
        fn a_holding_is_a_set_of_the_newest(ticks in prop::collection::vec(0u32..60, 1..80)) {
            let mut all = BTreeSet::from([ticks[0]]);
            let mut holding = Holding::of(Tick(ticks[0]));
            let mut newest = ticks[0];
            for tick in &ticks[1..] {
                newest = newest.max(*tick);
                // What was too old when it came stays untold.
                let tells = newest - tick <= HOLDING_TICKS;
                let news = tells && all.insert(*tick);
                prop_assert_eq!(holding.add(Tick(*tick)), news);
                all.retain(|it| newest - it <= HOLDING_TICKS);
                prop_assert!(holding.ticks().map(|it| it.0).eq(all.iter().copied()));
                prop_assert!((0..80).all(|it| holding.contains(Tick(it)) == all.contains(&it)));
            }
            let mut twice = holding;
            prop_assert!(!twice.merge(&holding) && twice == holding);
        }
    }

    #[test]
    fn a_leap_forgets_what_is_far_behind() {
        for (by, before) in [
            (1, 0b11),
            (2, 0b110),
            (16, 1 << 15),
            (17, 0),
            (64, 0),
            (90, 0),
        ] {
            let mut holding = Holding {
                newest: Tick(100),
                before: 1,
            };
            holding.add(Tick(100 + by));
            assert_eq!(holding.before, before, "{by}");
        }
    }
}
