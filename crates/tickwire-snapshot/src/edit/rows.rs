//! Rows of one table under way: quantised, put on their tracks, compared and stored. What lives and dies is the edit's matter.

use std::sync::Arc;

use crate::area::{Area, place};
use crate::layout::Layout;
use crate::page::{EntityPage, PAGE_ROWS, Page, Table};
use crate::row::{Blob, RowMut};
use crate::track::{Span, Track};

/// Memory that tables share while an area is edited: one row, and the pages that were copied to be changed.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    ints: Vec<i32>,
    blobs: Vec<Blob>,
    /// By index of the page.
    open: Vec<Option<Page>>,
}

impl Scratch {
    /// For rows of a table.
    pub(super) fn prepare(&mut self, layout: &Layout) {
        self.ints.resize(layout.columns().len(), 0);
        self.blobs.resize_with(layout.blobs(), Blob::new);
    }

    #[inline]
    fn clear(&mut self) {
        self.ints.fill(0);
        self.blobs.iter_mut().for_each(Blob::clear);
    }
}

/// Writes many rows of one table: what is equal for all of them is looked up once. Made by [`AreaEdit::rows`](super::AreaEdit::rows).
#[derive(Debug)]
pub struct RowsEdit<'a> {
    pub(super) layout: &'a Layout,
    pub(super) table: usize,
    pub(super) is_resource: bool,
    pub(super) span: Span,
    pub(super) base: &'a Area,
    pub(super) entities: &'a Table<EntityPage>,
    pub(super) pages: &'a mut Arc<Table<Page>>,
    pub(super) scratch: &'a mut Scratch,
    pub(super) changed: &'a mut bool,
}

impl<'a> RowsEdit<'a> {
    /// Writes the row of an entity (or of a resource: slot 0) and says whether anything changed. Ignored where there is no such entity.
    ///
    /// `write` gets zeros to fill in; positions with a velocity as true as the column's finer quantiser can tell.
    #[inline]
    pub fn set(&mut self, slot: u32, write: impl FnOnce(&mut RowMut)) -> bool {
        let (index, row) = place(slot);
        let Some(generation) = self.generation(index, row) else {
            return false;
        };
        self.scratch.clear();
        write(&mut RowMut::of_layout(
            self.layout,
            &mut self.scratch.ints,
            &mut self.scratch.blobs,
        ));
        self.make_valid();
        self.keep_tracks(index, row, generation);
        let changed = self.differs(index, row);
        if changed {
            self.store(index, row);
        }
        changed
    }

    /// Of the entity that has this slot now; 0 for a resource.
    #[inline]
    fn generation(&self, index: usize, row: usize) -> Option<u16> {
        if self.is_resource {
            return (index == 0 && row == 0).then_some(0);
        }
        let page = self.entities.page(index)?;
        (page.present >> row & 1 == 1).then(|| page.generations[row])
    }

    /// A writer that is no quantiser must not make what no client would accept.
    #[inline]
    fn make_valid(&mut self) {
        for (int, column) in self.scratch.ints.iter_mut().zip(self.layout.columns()) {
            if !column.valid(*int) {
                let clamped = (*int).clamp(column.min, column.max);
                *int = if column.valid(clamped) { clamped } else { 0 };
            }
        }
    }

    /// Turns the true places in the scratch row into canonical tracks.
    #[inline]
    fn keep_tracks(&mut self, index: usize, row: usize, generation: u16) {
        if self.layout.tracks().is_empty() {
            return;
        }
        let old = self.row_before(index, row, generation);
        for &(at, velocity) in self.layout.tracks() {
            let (at, velocity) = (usize::from(at), usize::from(velocity));
            let column = &self.layout.columns()[at];
            let Some((_, track)) = &column.track else {
                continue;
            };
            let half = (track.cell / 2) as i32;
            let ints = &mut self.scratch.ints;
            let truth = ints[at].clamp(column.min + half, column.max - half);
            let predicted = old.map_or(0, |page| {
                column.moved(track, page.int(at, row), [ints[velocity]; 2], self.span)
            });
            ints[at] = correct(track, predicted, truth);
        }
    }

    /// The page of the last version that holds this row of the same entity.
    #[inline]
    fn row_before(&self, index: usize, row: usize, generation: u16) -> Option<&'a Page> {
        let page = self.base.tables.get(self.table)?.page(index)?;
        if !page.has(row) {
            return None;
        }
        let same = self.is_resource
            || self.base.entities.page(index).is_some_and(|ids| {
                ids.present >> row & 1 == 1 && ids.generations[row] == generation
            });
        same.then_some(page)
    }

    #[inline]
    fn differs(&self, index: usize, row: usize) -> bool {
        let open = self.scratch.open.get(index).and_then(Option::as_ref);
        let Some(page) = open.or_else(|| self.pages.page(index).map(AsRef::as_ref)) else {
            return true;
        };
        let cells = page.ints.as_chunks::<PAGE_ROWS>().0;
        let off = cells
            .iter()
            .zip(&self.scratch.ints)
            .fold(0, |off, (cells, int)| off | (cells[row] ^ int));
        let mut blobs = self.scratch.blobs.iter().enumerate();
        !page.has(row)
            || off != 0
            || blobs.any(|(blob, bytes)| page.blob(blob, row) != bytes.as_slice())
    }

    fn store(&mut self, index: usize, row: usize) {
        let Scratch { ints, blobs, open } = &mut *self.scratch;
        if open.len() <= index {
            open.resize_with(index + 1, || None);
        }
        let page = open[index].get_or_insert_with(|| {
            let shared = self.pages.page(index);
            shared.map_or_else(|| Page::new(self.layout), |page| Page::clone(page))
        });
        let cells = page.ints.as_chunks_mut::<PAGE_ROWS>().0;
        for (cells, &int) in cells.iter_mut().zip(&*ints) {
            cells[row] = int;
        }
        for (blob, bytes) in blobs.iter().enumerate() {
            if page.blob(blob, row) != bytes.as_slice() {
                let valid = self.layout.blob_quant(blob).valid_blob(bytes);
                page.set_blob(blob, row, if valid { bytes } else { &[] });
            }
        }
        let mut velocities = self.layout.moving().iter();
        let moves = velocities.any(|&(column, rest)| ints[usize::from(column)] != rest);
        page.present |= 1 << row;
        page.moving = page.moving & !(1 << row) | u64::from(moves) << row;
    }
}

impl Drop for RowsEdit<'_> {
    /// Puts the pages that were copied into the next version.
    fn drop(&mut self) {
        let open = &mut self.scratch.open;
        if open.is_empty() {
            return;
        }
        let pages = Arc::make_mut(self.pages);
        for (index, page) in open.drain(..).enumerate() {
            if let Some(page) = page {
                pages.put_page(index, page);
            }
        }
        *self.changed = true;
    }
}

/// The predicted place, moved by whole steps until it is within half a step of the truth.
#[inline]
fn correct(track: &Track, predicted: i32, truth: i32) -> i32 {
    let cell = i64::from(track.cell);
    let error = i64::from(truth) - i64::from(predicted);
    if error.abs() * 2 <= cell {
        return predicted;
    }
    let steps = (error.abs() + cell / 2) / cell * error.signum();
    predicted + (steps * cell) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_is_kept_up_to_half_a_step_and_corrected_by_whole_ones() {
        for (cell, half) in [(30, 15), (15, 7), (1, 0)] {
            let track = Track {
                cell,
                num: 1,
                den: 1,
                zero: 0,
            };
            let correct = |truth| correct(&track, 100, truth) - 100;
            let cell = cell as i32;
            assert_eq!([-half, 0, half].map(|off| correct(100 + off)), [0; 3]);
            assert_eq!(
                [-half - 1, half + 1].map(|off| correct(100 + off)),
                [-cell, cell]
            );
            assert_eq!(correct(100 + 7 * cell + (cell - 1) / 2), 7 * cell);
            assert_eq!(correct(100 - 7 * cell - (cell - 1) / 2), -7 * cell);
        }
    }
}
