//! The dense profile: an adaptive range coder over what the past of each row does not tell. Both directions are one walk; see `walk`.
//!
//! How the bytes come about is told in PROTOCOL.md, "The dense codec".

mod coder;
mod course;
mod entities;
mod events;
mod fresh;
mod number;
mod predict;
mod rows;
mod tables;
mod turn;
mod walk;

use std::sync::Arc;

use bytes::Bytes;
use tickwire_proto::Tick;

use super::decode::DecodeError;
use super::{Basis, Decoded};
use crate::area::Area;
use crate::layout::Layout;
use crate::page::{PAGE_ROWS, Page, bits};
use crate::schema::Schema;
use crate::track::Span;
use coder::{Sink, Source};
use walk::Walk;

/// Versions before the basis that a delta may use.
pub(super) const PAST_MAX: usize = predict::DEPTH - 1;

/// The delta from a basis to the next version, for an update of `tick`.
pub(super) fn encode(
    schema: &Schema,
    basis: &Basis,
    base: &Area,
    next: &Area,
    tick: Tick,
) -> Bytes {
    let mut sink = Sink::default();
    sink.begin();
    let mut walk = Walk::new(sink, schema, basis, base, Some(next));
    let done = walk.run(tick);
    debug_assert!(done.is_ok(), "a writer meets no error: {done:?}");
    Bytes::copy_from_slice(walk.coder.finish())
}

/// Applies a delta to its basis, `base` being the basis's area or an empty one.
pub(super) fn decode(
    schema: &Arc<Schema>,
    basis: &Basis,
    base: &Area,
    tick: Tick,
    payload: &[u8],
) -> Result<Decoded, DecodeError> {
    let mut walk = Walk::new(Source::new(payload), schema, basis, base, None);
    walk.run(tick)?;
    walk.coder.end()?;
    let (made, events) = (Arc::new(walk.made), walk.events);
    Ok(Decoded {
        basis: basis.followed_by(&made),
        events,
    })
}

/// Rows of a page that are not as they are predicted to be.
fn differing(layout: &Layout, [before, after]: [&Arc<Page>; 2], common: u64, span: Span) -> u64 {
    let moving = match span.is_empty() {
        true => 0,
        false => (before.moving | after.moving) & common,
    };
    let same = Arc::ptr_eq(before, after);
    if same && moving == 0 {
        return 0;
    }
    let mut found = 0;
    for (index, column) in layout.columns().iter().enumerate() {
        let (from, to) = (before.column(index), after.column(index));
        let mut own = if same { 0 } else { unequal(from, to) };
        if let Some((velocity, track)) = &column.track {
            let velocity = usize::from(*velocity);
            for row in bits(moving) {
                let velocities = [before, after].map(|page| page.int(velocity, row));
                let wrong = column.moved(track, from[row], velocities, span) != to[row];
                own = own & !(1 << row) | u64::from(wrong) << row;
            }
        }
        found |= own;
    }
    if !same {
        for blob in 0..layout.blobs() {
            for row in bits(common & !found) {
                found |= u64::from(before.blob(blob, row) != after.blob(blob, row)) << row;
            }
        }
    }
    found & common
}

/// Rows of a page that changed, other than along their tracks.
fn changed(layout: &Layout, before: &Page, after: &Page) -> u64 {
    if std::ptr::eq(before, after) {
        return 0;
    }
    let columns = layout.columns().iter().enumerate();
    let others = columns.filter(|(_, column)| column.track.is_none());
    others.fold(0, |all, (index, _)| {
        all | unequal(before.column(index), after.column(index))
    })
}

/// The places at which two columns differ.
#[inline]
fn unequal(from: &[i32], to: &[i32]) -> u64 {
    if from == to {
        return 0;
    }
    let mut found = 0;
    for row in 0..PAGE_ROWS.min(from.len()).min(to.len()) {
        found |= u64::from(from[row] != to[row]) << row;
    }
    found
}
