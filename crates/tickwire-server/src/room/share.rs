//! The shared updates of one tick: each is encoded once, whoever and how many get it.

use bytes::Bytes;
use tickwire_proto::Tick;
use tickwire_proto::frame::{AreaDelta, ServerFrame};
use tickwire_snapshot::{Area, Basis, Encoder};

use std::sync::Arc;

use super::stats::RoomStats;
use super::viewer::Need;

/// Different deltas encoded in one tick at most: viewers with yet another basis wait for the next one.
pub const ENCODES_PER_TICK_MAX: usize = 16;

/// One shared update.
#[derive(Debug)]
struct Entry {
    need: Need,
    /// Versions before the basis that are in step with this one: the dense codec looks at them too.
    in_step: usize,
    frame: Bytes,
    after: Basis,
}

/// The shared updates of one tick.
pub(crate) struct Share {
    encoder: Encoder,
    entries: Vec<Entry>,
}

/// What an update is made from.
pub(crate) struct Subject<'a> {
    pub room: u32,
    pub tick: Tick,
    pub area: &'a Arc<Area>,
}

impl Share {
    pub fn new(encoder: Encoder) -> Share {
        Share {
            encoder,
            entries: Vec::new(),
        }
    }

    /// A new tick.
    pub fn begin(&mut self) {
        self.entries.clear();
    }

    /// The number of the update for this need, made now if nobody needed it before; `None`: this tick has done its share.
    pub fn get(
        &mut self,
        subject: &Subject,
        need: Need,
        basis: Option<&Basis>,
        stats: &mut RoomStats,
    ) -> Option<usize> {
        let in_step = match need {
            Need::Delta(_) => basis.map_or(0, |basis| basis.in_step(subject.area.tick())),
            _ => 0,
        };
        // Nearly always the first: all who are in step have one basis.
        let same = |entry: &Entry| entry.need == need && entry.in_step == in_step;
        if let Some(at) = self.entries.iter().position(same) {
            return Some(at);
        }
        let encodes = self
            .entries
            .iter()
            .filter(|entry| matches!(entry.need, Need::Delta(_)))
            .count();
        if matches!(need, Need::Delta(_)) && encodes >= ENCODES_PER_TICK_MAX {
            return None;
        }
        let mut entry = self.make(subject, need, basis, stats);
        entry.in_step = in_step;
        self.entries.push(entry);
        Some(self.entries.len() - 1)
    }

    fn make(
        &mut self,
        subject: &Subject,
        need: Need,
        basis: Option<&Basis>,
        stats: &mut RoomStats,
    ) -> Entry {
        let nothing = Basis::nothing();
        let (from, flags, payload, after) = match (need, basis) {
            (Need::Still(tick), Some(basis)) => {
                (Some(tick), AreaDelta::STILL, Bytes::new(), basis.clone())
            }
            (Need::Delta(tick), Some(basis)) => {
                let (payload, after) = self.encode(subject, basis, stats);
                (Some(tick), 0, payload, after)
            }
            // A keyframe; so is whatever has no basis.
            _ => {
                stats.keyframe_encodes += 1;
                let (payload, after) = self.encode(subject, &nothing, stats);
                (
                    None,
                    AreaDelta::HASH,
                    with_hash(subject.area, &payload),
                    after,
                )
            }
        };
        let area = AreaDelta {
            area: subject.area.id().0,
            basis: from,
            flags,
            payload: &payload,
        };
        let frame = ServerFrame::Update {
            room: subject.room,
            tick: subject.tick,
            areas: vec![area],
        }
        .encode();
        Entry {
            need,
            in_step: 0,
            frame,
            after,
        }
    }

    fn encode(
        &mut self,
        subject: &Subject,
        basis: &Basis,
        stats: &mut RoomStats,
    ) -> (Bytes, Basis) {
        let (payload, after) = self.encoder.encode(basis, subject.area, subject.tick);
        stats.encodes += 1;
        stats.encoded_bytes += payload.len() as u64;
        (payload, after)
    }

    /// An update's length, and the basis that it leads to.
    pub fn entry(&self, at: usize) -> (usize, &Basis) {
        (self.entries[at].frame.len(), &self.entries[at].after)
    }

    /// All of them, by number.
    pub fn frames(&self) -> impl Iterator<Item = &Bytes> {
        self.entries.iter().map(|entry| &entry.frame)
    }
}

fn with_hash(area: &Area, payload: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(8 + payload.len());
    bytes.extend_from_slice(&area.hash().to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes.into()
}
