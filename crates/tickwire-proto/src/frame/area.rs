//! The part of an update that is about one area.

use super::DELTA_MAX;
use crate::time::Tick;
use crate::wire::{Reader, WireError, WireFault, Writer};

/// Moves into an area told in one update at most.
pub const MOVES_MAX: usize = 1_024;

/// An entity that came from another area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaMove {
    /// Its slot where it is now.
    pub slot: u32,
    /// The area that it was in.
    pub from: u32,
    /// Its slot and generation there.
    pub was: (u32, u16),
}

/// What leads one area of a view to the update's tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaDelta<'a> {
    /// Which area.
    pub area: u32,
    /// The tick it starts from, before the update's; None: a keyframe.
    pub basis: Option<Tick>,
    /// [`AreaDelta::STILL`], [`AreaDelta::HASH`], [`AreaDelta::GONE`], [`AreaDelta::BORN`].
    pub flags: u8,
    /// The codec's bytes.
    pub payload: &'a [u8],
}

impl<'a> AreaDelta<'a> {
    /// Nothing changed between the basis and the update's tick; the payload is empty.
    pub const STILL: u8 = 1;
    /// The payload starts with the state hash, eight bytes, little end first.
    pub const HASH: u8 = 2;
    /// Kept for a codec that also uses the update before the basis; refused by this version.
    pub const ONE_BEFORE: u8 = 4;
    /// The area is out of sight, and what is held of it is to be forgotten; there is no basis, and the payload is empty.
    pub const GONE: u8 = 8;
    /// Nothing is held of the area, which was in sight and empty at the tick of the basis: that is what the payload starts from.
    pub const BORN: u8 = 16;
    /// Who of those that are in the area now was in another one: the payload is [moves](Self::moves). It follows the delta of the area, and
    /// changes nothing that is held.
    pub const MOVED: u8 = 32;
    /// The fewest bytes of one.
    pub(crate) const LEAST: usize = 4;

    /// The payload without the hash, and the hash if the flag says that there is one.
    #[must_use]
    pub fn split_hash(&self) -> (Option<u64>, &'a [u8]) {
        match self.payload.split_first_chunk::<8>() {
            Some((hash, rest)) if self.flags & AreaDelta::HASH != 0 => {
                (Some(u64::from_le_bytes(*hash)), rest)
            }
            _ => (None, self.payload),
        }
    }

    /// Who came from where, of a delta that says so.
    pub fn moves(&self) -> Result<Vec<AreaMove>, WireError> {
        let mut reader = Reader::new(self.payload);
        let count = reader.at("moves").count(MOVES_MAX, 4)?;
        let mut moves = Vec::with_capacity(count);
        for _ in 0..count {
            moves.push(AreaMove {
                slot: reader.at("slot").varint_u32()?,
                from: reader.at("from").varint_u32()?,
                was: (
                    reader.at("slot there").varint_u32()?,
                    reader.at("generation there").varint_u16()?,
                ),
            });
        }
        reader.finish()?;
        Ok(moves)
    }

    /// Appends the payload of one that says who came from where.
    pub fn write_moves(moves: &[AreaMove], out: &mut Vec<u8>) {
        let mut writer = Writer::new();
        let moves = &moves[..moves.len().min(MOVES_MAX)];
        writer.varint_u32(moves.len() as u32);
        for it in moves {
            writer.varint_u32(it.slot);
            writer.varint_u32(it.from);
            writer.varint_u32(it.was.0);
            writer.varint_u32(u32::from(it.was.1));
        }
        out.extend_from_slice(&writer.into_vec());
    }

    /// Whether it may follow another one in an update: each area comes once, and then perhaps who came to it.
    pub(crate) fn may_follow(&self, last: &AreaDelta) -> bool {
        let moved = |delta: &AreaDelta| delta.flags == AreaDelta::MOVED;
        self.area > last.area || self.area == last.area && moved(self) && !moved(last)
    }

    pub(crate) fn write(&self, tick: Tick, out: &mut Writer) {
        debug_assert!(
            self.basis.is_none_or(|basis| basis < tick),
            "a basis lies before its update"
        );
        out.varint_u32(self.area);
        out.varint_u32(self.basis.map_or(0, |basis| tick.since(basis)));
        out.u8(self.flags);
        out.bytes(self.payload);
    }

    pub(crate) fn read(tick: Tick, reader: &mut Reader<'a>) -> Result<AreaDelta<'a>, WireError> {
        let area = reader.at("area").varint_u32()?;
        let basis = match reader.at("basis").varint_u32()? {
            0 => None,
            back if back <= tick.0 => Some(tick.minus(back)),
            back => return Err(reader.error(WireFault::OutOfRange(u64::from(back)))),
        };
        let flags = reader.at("flags").u8()?;
        let flags_fault = reader.error(WireFault::OutOfRange(u64::from(flags)));
        let payload = reader.at("payload").bytes(DELTA_MAX)?;
        let sound = match flags {
            0 => true,
            AreaDelta::STILL => basis.is_some() && payload.is_empty(),
            AreaDelta::HASH => payload.len() >= 8,
            AreaDelta::GONE => basis.is_none() && payload.is_empty(),
            AreaDelta::BORN => basis.is_some(),
            AreaDelta::MOVED => basis.is_none() && !payload.is_empty(),
            _ => false,
        };
        if sound {
            Ok(AreaDelta {
                area,
                basis,
                flags,
                payload,
            })
        } else {
            Err(flags_fault)
        }
    }
}
