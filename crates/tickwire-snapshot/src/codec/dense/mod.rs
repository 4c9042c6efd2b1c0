//! The dense profile: an adaptive range coder over what the past of each row does not tell. Both directions are one walk; see `walk`.
//!
//! How the bytes come about is told in PROTOCOL.md, "The dense codec".

pub(crate) mod book;
mod coder;
mod course;
mod entities;
mod events;
mod fresh;
mod models;
mod number;
mod predict;
mod rows;
mod scratch;
mod tables;
mod train;
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
pub use book::{CODEBOOK_BYTES_MAX, Codebook, CodebookError};
use coder::{Sink, Source};
use scratch::Scratch;
pub use train::Trainer;
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
    let mut scratch = Scratch::take();
    let sink = Sink::new(std::mem::take(&mut scratch.out));
    scratch.leave();
    let mut walk = Walk::new(sink, (schema, schema.book()), basis, base, Some(next));
    let done = walk.run(tick);
    debug_assert!(done.is_ok(), "a writer meets no error: {done:?}");
    let bytes = Bytes::copy_from_slice(walk.coder.finish());
    let Walk {
        coder, mut scratch, ..
    } = walk;
    scratch.out = coder.into_memory();
    scratch.leave();
    bytes
}

/// Applies a delta to its basis, `base` being the basis's area or an empty one.
pub(super) fn decode(
    schema: &Arc<Schema>,
    basis: &Basis,
    base: &Area,
    tick: Tick,
    payload: &[u8],
) -> Result<Decoded, DecodeError> {
    let mut walk = Walk::new(
        Source::new(payload),
        (schema, schema.book()),
        basis,
        base,
        None,
    );
    walk.run(tick)?;
    walk.coder.end()?;
    let (made, events) = (Arc::new(walk.made), walk.events);
    walk.scratch.leave();
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
    let mut plain = [0; PAGE_ROWS];
    let mut tracks = [0; PAGE_ROWS];
    let mut found = 0;
    for (index, column) in layout.columns().iter().enumerate() {
        let (from, to) = (before.column(index), after.column(index));
        let Some((velocity, track)) = &column.track else {
            if !same {
                differ(&mut plain, from, to);
            }
            continue;
        };
        if !same {
            differ(&mut tracks, from, to);
        }
        let velocity = usize::from(*velocity);
        let (old, new) = (before.column(velocity), after.column(velocity));
        for row in bits(moving & !found) {
            let velocities = [old[row], new[row]];
            let wrong = column.moved(track, from[row], velocities, span) != to[row];
            found |= u64::from(wrong) << row;
        }
    }
    if !same {
        bits(moving).for_each(|row| tracks[row] = 0);
        differ(&mut plain, &tracks, &[0; PAGE_ROWS]);
        found |= not_zero(&plain);
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
    let mut all = [0; PAGE_ROWS];
    for (index, column) in layout.columns().iter().enumerate() {
        if column.track.is_none() {
            differ(&mut all, before.column(index), after.column(index));
        }
    }
    not_zero(&all)
}

/// Adds the bits in which two columns differ.
#[inline]
fn differ(all: &mut [i32; PAGE_ROWS], from: &[i32; PAGE_ROWS], to: &[i32; PAGE_ROWS]) {
    for row in 0..PAGE_ROWS {
        all[row] |= from[row] ^ to[row];
    }
}

/// The places that are not 0.
#[inline]
fn not_zero(all: &[i32; PAGE_ROWS]) -> u64 {
    let mut flags = [[0_u8; 8]; PAGE_ROWS / 8];
    let flat = flags.as_flattened_mut();
    for row in 0..PAGE_ROWS {
        flat[row] = u8::from(all[row] != 0);
    }
    let mut found = 0;
    for (at, eight) in flags.into_iter().enumerate() {
        // Eight bytes of 0 or 1 become eight bits, in the highest byte of the product.
        let bits = u64::from_le_bytes(eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        found |= bits << (at * 8);
    }
    found
}
