//! The delta codec: what leads from one version of an area to the next, as bytes. This file holds what both directions share; see `encode` and `decode`.
//!
//! A delta is a pure function of (basis, next area, codebook). The profile of this version is *packed*, codebook 0: bits without an entropy coder.
//!
//! # The bytes of a packed delta
//!
//! Bits fill bytes from the lowest on; the last byte ends in zeros. `flag` is one bit, `G(k)` an exponential Golomb number of order k (with
//! `v' = (v >> k) + 1` of n + 1 bits: n ones, a zero, the n low bits of `v'`, the k low bits of v), `folded` is signed to unsigned as 0, -1, 1, -2.
//!
//! 1. *Header*: flag "from a basis", `G(0)` ticks since the last change. From a basis: flag "the basis is the version before", and if so a flag
//!    "the basis held on" with `G(1)` ticks since it last held; if not, `G(1)` ticks that the last capture took.
//! 2. *Entities*: flag, and if set: `G(3)` pages in use, the set of those that went (of the basis's), the set of those that came (of all slots
//!    but 0 and those that stay), four bits k, and for each that came `G(k)` its generation less that of its predecessor in the slot and 1 (less 0, if none went).
//! 3. *Tables* in the schema's order, each a flag, and if set: three times a flag with a set: rows that go (of those whose entity stays), rows that
//!    deviate from their prediction (of the others), rows that come (of entities without one); the columns and then the blobs of deviating
//!    rows; the columns and then the blobs of new rows. Columns that are tracks come last.
//! 4. *Events*, only from a basis: `G(0)` of them; each its kind in as few bits as do, `G(0)` ticks before the last change, `G(4)` lifetime, columns in fixed width, blobs.
//!
//! *Sets* by page of 64 slots: `G(0)` dense pages, each `G(1)` pages after the one before, a flag "all but", then `G(1)` exceptions with gaps `G(3)`,
//! or one flag for each member of the domain; then `G(3)` others, and if there are any four bits k and the gaps `G(k)` in members of the domain, dense pages left out.
//!
//! *Differences* of a column: two bits of mode: 0 all zero; 1 a flag for each that is not zero, then `G(k)` of folded less 1; 2 `G(k)` of folded; 3 of
//! tracks alone: as 1 with a flag "whole cells" and an order for each kind. A track in modes 1 and 2 has a flag "all are whole cells", which then are the unit. Then four bits k (mode 3: twice).
//!
//! *New values* of a column: a track's flag as above; two bits of mode: 0 all equal; 1 fixed width; 2 the first, then four bits k and the folded
//! differences `G(k)`; 3 the commonest, then a flag for each, with the value where it is another. Fixed width: from the least valid integer on, in as few bits as do.
//!
//! *Blobs*: `G(4)` bytes and the bytes; of deviating rows after a flag "changed".
//!
//! *Prediction*: the basis's integer; of a track, that and the [displacement](crate::track::Track::displacement) from the velocities before and after, kept in the column's bounds.

mod apply;
mod decode;
mod dense;
mod encode;
mod residual;
mod rows;
mod section;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tickwire_proto::Tick;

use crate::area::{Area, TickEvent};
use crate::layout::Layout;
use crate::page::Table;
use crate::schema::{Profile, Schema};

pub use decode::{DecodeError, decode};
pub(crate) use dense::book::Compiled;
pub use dense::{CODEBOOK_BYTES_MAX, Codebook, CodebookError, Trainer};
pub use encode::Encoder;

/// The codebook of the packed profile: none.
pub const CODEBOOK_PACKED: u16 = 0;

/// Orders of numbers that are not worth choosing.
const BLOB_LENGTH_K: u32 = 4;
const EVENT_COUNT_K: u32 = 0;
const LIFETIME_K: u32 = 4;

/// What a delta starts from: the version of the area that a client holds, or nothing, and the codebook in use.
#[derive(Clone, Debug, Default)]
pub struct Basis {
    /// The area as the client has it; `None`: a keyframe comes.
    pub area: Option<Arc<Area>>,
    /// The versions that it was led to from, the newest first: each the basis of the one before it in this list. The dense profile keeps some.
    pub before: Option<Arc<[Arc<Area>]>>,
    /// The number of the codebook.
    pub codebook: u16,
}

/// What a delta led to.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The area after the delta: the basis of the next.
    pub basis: Basis,
    /// What happened after the old basis and is not yet over, oldest first.
    pub events: Vec<TickEvent>,
}

impl Basis {
    /// The basis of a client that holds nothing: what comes is a keyframe.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// The basis of a client that holds this version of the area.
    pub fn of(area: &Arc<Area>) -> Self {
        Self {
            area: Some(area.clone()),
            before: None,
            codebook: CODEBOOK_PACKED,
        }
    }

    /// The versions before it, the newest first.
    pub fn before(&self) -> &[Arc<Area>] {
        self.before.as_deref().unwrap_or(&[])
    }

    /// How many of the versions before it are in step with a next one of tick `next`: each as many ticks older than the one after it as the
    /// basis is older than the next. Two clients with a basis of one tick and as many versions in step take the same deltas.
    pub fn in_step(&self, next: Tick) -> usize {
        let Some(area) = &self.area else { return 0 };
        let gap = next.since(area.tick);
        let mut newer = area.tick;
        let fits = |older: &&Arc<Area>| {
            let fits = older.tick < newer && newer.since(older.tick) == gap;
            newer = older.tick;
            fits
        };
        self.before().iter().take_while(fits).count()
    }

    /// The basis that a delta from this one leads to. Of the versions before, those out of step are forgotten.
    pub fn followed_by(&self, next: &Arc<Area>) -> Self {
        let keeps = next.schema.profile == Profile::Dense;
        let in_step = self.in_step(next.tick).min(dense::PAST_MAX - 1);
        let before = self.area.as_ref().filter(|_| keeps).map(|area| {
            let older = &self.before()[..in_step];
            std::iter::once(area).chain(older).cloned().collect()
        });
        Self {
            area: Some(next.clone()),
            before,
            codebook: self.codebook,
        }
    }
}

/// The columns of a record as they are written: tracks last, for they are predicted from velocities.
fn columns_in_order(layout: &Layout) -> impl Iterator<Item = usize> {
    let of = |tracks: bool| {
        let columns = layout.columns().iter().enumerate();
        columns
            .filter(move |(_, column)| column.track.is_some() == tracks)
            .map(|(index, _)| index)
    };
    of(false).chain(of(true))
}

/// Pages up to the last one that holds something: the same for equal content, however it came about.
fn used<P>(table: &Table<P>) -> usize {
    table
        .pages
        .iter()
        .rposition(Option::is_some)
        .map_or(0, |last| last + 1)
}

/// Bits of the number of an event's kind.
fn event_bits(schema: &Schema) -> u32 {
    schema.events.len().next_power_of_two().trailing_zeros()
}
