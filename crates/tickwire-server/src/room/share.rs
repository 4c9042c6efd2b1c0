//! What is shared in one tick: each area's part is encoded once for each basis among its viewers, each combination of parts framed once.

use std::sync::Arc;

use bytes::Bytes;
use tickwire_proto::Tick;
use tickwire_proto::frame::{AreaDelta, ServerFrame};
use tickwire_snapshot::{Area, AreaId, Basis, Encoder, Snapshot};

use super::stats::RoomStats;
use super::track::Need;

/// Different deltas of an area encoded in one tick at most: viewers with yet another basis wait for the next one.
pub const ENCODES_PER_TICK_MAX: usize = 16;
/// Keyframes of areas encoded in one tick at most, that of the area that all see apart, beside one for each [`VIEWERS_A_KEYFRAME`] viewers:
/// they are long, and each tick brings some.
pub const AREA_KEYFRAMES_PER_TICK_MAX: usize = 64;
/// So many viewers may have a keyframe more in each tick: whoever goes about sees new areas all the time.
pub const VIEWERS_A_KEYFRAME: usize = 4;
/// Lists by which combinations are found.
const BUCKETS: usize = 1_024;

/// One area's part of an update.
#[derive(Debug)]
pub(crate) struct Part {
    area: AreaId,
    pub need: Need,
    /// Versions before the basis that are in step with this one: the dense codec looks at them too.
    in_step: usize,
    /// The tick of the area's last change.
    pub version: Tick,
    from: Option<Tick>,
    flags: u8,
    payload: Bytes,
    /// What it leads to; `None`: that the area is out of sight.
    pub after: Option<Basis>,
    /// Another part of the same area.
    next: Option<u32>,
}

/// A combination of parts as a frame.
#[derive(Debug)]
struct Combination {
    /// Where its parts are listed.
    parts: (u32, u32),
    frame: Bytes,
    /// Another combination in the same list.
    next: Option<u32>,
}

/// What is shared in one tick.
pub(crate) struct Share {
    encoder: Encoder,
    parts: Vec<Part>,
    /// The newest part of each area, by its place in the snapshot; behind them that of the areas which are not in it.
    newest: Vec<Option<u32>>,
    combinations: Vec<Combination>,
    listed: Vec<u32>,
    buckets: Vec<Option<u32>>,
    keyframes_left: usize,
    /// Areas whose keyframes were put off, in order: the next tick begins with them.
    put_off: Vec<AreaId>,
}

/// What an update is made from.
pub(crate) struct Subject<'a> {
    pub room: u32,
    pub tick: Tick,
    pub snapshot: &'a Snapshot,
}

impl Subject<'_> {
    /// The place of an area in the snapshot.
    pub fn place(&self, id: AreaId) -> Option<usize> {
        let areas = &self.snapshot.areas;
        // Nearly always in games of one area.
        if areas.first().is_some_and(|area| area.id() == id) {
            return Some(0);
        }
        areas.binary_search_by_key(&id, |area| area.id()).ok()
    }
}

impl Share {
    pub fn new(encoder: Encoder) -> Share {
        Share {
            encoder,
            parts: Vec::new(),
            newest: Vec::new(),
            combinations: Vec::new(),
            listed: Vec::new(),
            buckets: vec![None; BUCKETS],
            keyframes_left: 0,
            put_off: Vec::new(),
        }
    }

    /// A new tick. Keyframes that were put off come first.
    pub fn begin(&mut self, subject: &Subject, viewers: usize, stats: &mut RoomStats) {
        self.parts.clear();
        self.newest.clear();
        self.newest.resize(subject.snapshot.areas.len() + 1, None);
        if !self.combinations.is_empty() {
            self.buckets.fill(None);
        }
        self.combinations.clear();
        self.listed.clear();
        self.keyframes_left = AREA_KEYFRAMES_PER_TICK_MAX + viewers / VIEWERS_A_KEYFRAME;
        for area in std::mem::take(&mut self.put_off) {
            if let Some(place) = subject.place(area) {
                self.part(subject, (area, Some(place)), Need::Keyframe, None, stats);
            }
        }
    }

    /// The number of an area's part for this need, made now if nobody needed it before; `None`: this tick has done its share. `place`: that
    /// of the area in the snapshot.
    pub fn part(
        &mut self,
        subject: &Subject,
        (id, place): (AreaId, Option<usize>),
        need: Need,
        basis: Option<&Basis>,
        stats: &mut RoomStats,
    ) -> Option<u32> {
        let area = place.map(|place| &subject.snapshot.areas[place]);
        let in_step = match (need, basis, area) {
            (Need::Delta(_), Some(basis), Some(area)) => basis.in_step(area.tick()),
            _ => 0,
        };
        let list = place.unwrap_or(subject.snapshot.areas.len());
        let mut deltas = 0;
        let mut next = self.newest[list];
        while let Some(at) = next {
            let part = &self.parts[at as usize];
            if part.need == need && part.in_step == in_step && part.area == id {
                return Some(at);
            }
            deltas += usize::from(matches!(part.need, Need::Delta(_) | Need::Born(_)));
            next = part.next;
        }
        match need {
            Need::Delta(_) | Need::Born(_) if deltas >= ENCODES_PER_TICK_MAX => {
                stats.skipped_encodes += 1;
                return None;
            }
            Need::Keyframe if id != AreaId::ALL => {
                if self.keyframes_left == 0 {
                    stats.keyframes_paced += 1;
                    if !self.put_off.contains(&id) {
                        self.put_off.push(id);
                    }
                    return None;
                }
                self.keyframes_left -= 1;
            }
            _ => {}
        }
        let mut part = self.make(subject, (id, area), need, basis, stats)?;
        (part.in_step, part.next) = (in_step, self.newest[list]);
        let at = self.parts.len() as u32;
        self.parts.push(part);
        self.newest[list] = Some(at);
        Some(at)
    }

    /// The number of the part that says who came to an area; the same for all who are told the same.
    pub fn moved(&mut self, (id, place): (AreaId, usize), payload: &[u8]) -> u32 {
        let mut next = self.newest[place];
        while let Some(at) = next {
            let part = &self.parts[at as usize];
            if part.need == Need::Moved && part.payload == payload {
                return at;
            }
            next = part.next;
        }
        let at = self.parts.len() as u32;
        self.parts.push(Part {
            area: id,
            need: Need::Moved,
            in_step: 0,
            version: Tick(0),
            from: None,
            flags: AreaDelta::MOVED,
            payload: Bytes::copy_from_slice(payload),
            after: None,
            next: self.newest[place],
        });
        self.newest[place] = Some(at);
        at
    }

    fn make(
        &mut self,
        subject: &Subject,
        (id, area): (AreaId, Option<&Arc<Area>>),
        need: Need,
        basis: Option<&Basis>,
        stats: &mut RoomStats,
    ) -> Option<Part> {
        let mut part = Part {
            area: id,
            need,
            in_step: 0,
            version: area.map_or(Tick(0), |area| area.tick()),
            from: None,
            flags: 0,
            payload: Bytes::new(),
            after: None,
            next: None,
        };
        let area = match need {
            Need::Gone => {
                part.flags = AreaDelta::GONE;
                return Some(part);
            }
            _ => area?,
        };
        let mut encode = |basis: &Basis| {
            let (payload, after) = self.encoder.encode(basis, area, subject.tick);
            stats.encodes += 1;
            stats.encoded_bytes += payload.len() as u64;
            (payload, Some(after))
        };
        match (need, basis) {
            (Need::Still(from), Some(basis)) => {
                (part.from, part.flags) = (Some(from), AreaDelta::STILL);
                part.after = Some(basis.clone());
            }
            (Need::Delta(from), Some(basis)) => {
                part.from = Some(from);
                (part.payload, part.after) = encode(basis);
            }
            (Need::Born(from), _) => {
                (part.from, part.flags) = (Some(from), AreaDelta::BORN);
                let empty = Area::empty_at(id, area.schema(), from);
                (part.payload, part.after) = encode(&Basis::of(&Arc::new(empty)));
            }
            // A keyframe; so is whatever has no basis.
            _ => {
                let (payload, after) = encode(&Basis::nothing());
                stats.keyframe_encodes += 1;
                part.flags = AreaDelta::HASH;
                (part.payload, part.after) = (with_hash(area, &payload), after);
            }
        }
        Some(part)
    }

    /// Bytes of a part, nearly.
    pub fn part_length(&self, part: u32) -> usize {
        self.parts[part as usize].payload.len() + 5
    }

    /// One of the parts.
    pub fn get(&self, part: u32) -> &Part {
        &self.parts[part as usize]
    }

    /// The number of the frame with these parts, made now if nobody needed it before.
    pub fn frame(&mut self, subject: &Subject, parts: &[u32], stats: &mut RoomStats) -> usize {
        let bucket = hash(parts) as usize % BUCKETS;
        let mut next = self.buckets[bucket];
        while let Some(at) = next {
            let other = &self.combinations[at as usize];
            let (from, to) = other.parts;
            if self.listed[from as usize..to as usize] == *parts {
                return at as usize;
            }
            next = other.next;
        }
        let areas = parts.iter().map(|&part| {
            let part = &self.parts[part as usize];
            AreaDelta {
                area: part.area.0,
                basis: part.from,
                flags: part.flags,
                payload: &part.payload,
            }
        });
        let frame = ServerFrame::Update {
            room: subject.room,
            tick: subject.tick,
            areas: areas.collect(),
        };
        let from = self.listed.len() as u32;
        self.listed.extend_from_slice(parts);
        self.combinations.push(Combination {
            parts: (from, self.listed.len() as u32),
            frame: frame.encode(),
            next: self.buckets[bucket],
        });
        stats.frames += 1;
        let at = self.combinations.len() - 1;
        self.buckets[bucket] = Some(at as u32);
        at
    }

    /// All frames, by number.
    pub fn frames(&self) -> impl Iterator<Item = &Bytes> {
        self.combinations
            .iter()
            .map(|combination| &combination.frame)
    }

    /// Bytes of a frame.
    pub fn length(&self, frame: usize) -> usize {
        self.combinations[frame].frame.len()
    }
}

fn hash(parts: &[u32]) -> u64 {
    let mix = |sum: u64, part: &u32| {
        (sum ^ u64::from(*part))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
    };
    parts.iter().fold(parts.len() as u64, mix)
}

fn with_hash(area: &Area, payload: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(8 + payload.len());
    bytes.extend_from_slice(&area.hash().to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes.into()
}
