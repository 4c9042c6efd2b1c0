//! The tables: which rows go, deviate and come, and what a reader makes of them. The columns of one row are `rows`'s matter.

use std::sync::Arc;

use super::super::apply::carry_page;
use super::super::decode::DecodeError;
use super::super::used;
use super::coder::Coder;
use super::predict::DEPTH;
use super::rows::{RowPast, Table};
use super::scratch::Scratch;
use super::walk::{Walk, mask};
use super::{changed, differing};
use crate::layout::Layout;
use crate::page::{PAGE_ROWS, Page, bits};
use crate::schema::COLUMNS_MAX;

/// What becomes of the rows of a page.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fate {
    pub(super) surviving: u64,
    pub(super) removed: u64,
    pub(super) deviating: u64,
    pub(super) living: u64,
    pub(super) added: u64,
}

impl<'a, C: Coder> Walk<'a, C> {
    pub(super) fn table(&mut self, index: usize) -> Result<(), DecodeError> {
        let Some(record) = self.schema.record(index) else {
            return Ok(());
        };
        let layout = record.layout();
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut fates = std::mem::take(&mut scratch.fates);
        let done = self.walked(layout, index, &mut fates, &mut scratch);
        scratch.fates = fates;
        self.scratch = scratch;
        done
    }

    fn walked(
        &mut self,
        layout: &'a Layout,
        index: usize,
        fates: &mut Vec<Fate>,
        scratch: &mut Scratch,
    ) -> Result<(), DecodeError> {
        self.fates(layout, index, fates);
        let touched = fates
            .iter()
            .any(|fate| fate.removed | fate.deviating | fate.added != 0);
        let touched = self.flag(7, touched);
        if !touched {
            self.carry_over(layout, index, fates, false);
            return Ok(());
        }
        let book = self.book.table(index, self.class);
        let mut table = Table::new(layout, self.span, book, scratch);
        self.removed(&mut table, fates)?;
        self.carry_over(layout, index, fates, true);
        self.deviating(&mut table, index, fates)?;
        self.added(&mut table, index, fates)?;
        if C::COUNTS {
            let mut models = table.scratch.models(book);
            models.flags = table.flags;
            self.coder.leave(index, models);
        }
        Ok(())
    }

    /// What becomes of each page's rows, as far as it is known: a writer knows it all.
    fn fates(&self, layout: &Layout, index: usize, fates: &mut Vec<Fate>) {
        let resource = self.schema.is_resource(index);
        let from = &self.base.tables[index];
        let entities = self
            .truth
            .map_or(&self.made.entities, |truth| &truth.entities);
        let to = self.truth.map(|truth| &truth.tables[index]);
        let most = used(from).max(used(entities)).max(usize::from(resource));
        let still = to.is_some_and(|to| Arc::ptr_eq(from, to))
            && (layout.moving().is_empty() || self.span.is_empty());
        let fate = |page: usize| {
            let before = from.page(page);
            let mut fate = Fate {
                surviving: before.map_or(0, |p| p.present) & !mask(&self.gone, page),
                living: match resource {
                    true => u64::from(page == 0),
                    false => entities.page(page).map_or(0, |p| p.present),
                },
                ..Fate::default()
            };
            let after = to.and_then(|to| to.page(page));
            if to.is_some() && !still {
                let present = after.map_or(0, |p| p.present);
                fate.removed = fate.surviving & !present;
                fate.added = present & !fate.surviving;
                if let (Some(before), Some(after)) = (before, after) {
                    let common = fate.surviving & present;
                    fate.deviating = differing(layout, [before, after], common, self.span);
                }
            }
            fate
        };
        fates.clear();
        fates.extend((0..most).map(fate));
    }

    /// Which rows go though their entity stays.
    pub(super) fn removed(
        &mut self,
        table: &mut Table,
        fates: &mut [Fate],
    ) -> Result<(), DecodeError> {
        if !self.flag(4, fates.iter().any(|fate| fate.removed != 0)) {
            return Ok(());
        }
        let models = &mut table.flags.removed;
        let mut last = [0; 2];
        for fate in fates.iter_mut().filter(|fate| fate.surviving != 0) {
            last[0] = usize::from(self.coder.bit(&mut models[last[0]], fate.removed != 0));
            if last[0] == 0 {
                continue;
            }
            let mut removed = 0;
            for row in bits(fate.surviving) {
                last[1] = usize::from(
                    self.coder
                        .bit(&mut models[2 + last[1]], fate.removed >> row & 1 == 1),
                );
                removed |= (last[1] as u64) << row;
            }
            fate.removed = removed;
        }
        Ok(())
    }

    /// What needs no bits: rows go with their entities, and tracks move on.
    pub(super) fn carry_over(
        &mut self,
        layout: &Layout,
        index: usize,
        fates: &[Fate],
        touched: bool,
    ) {
        if !C::READS {
            return;
        }
        let from = &self.base.tables[index];
        for (page, before) in from.pages.iter().enumerate() {
            let Some(before) = before else { continue };
            let fate = fates.get(page).copied().unwrap_or_default();
            let gone = before.present & !(fate.surviving & !if touched { fate.removed } else { 0 });
            let table = &mut self.made.tables[index];
            carry_page(layout, table, (page, before), gone, self.span);
        }
    }

    pub(super) fn deviating(
        &mut self,
        table: &mut Table,
        index: usize,
        fates: &[Fate],
    ) -> Result<(), DecodeError> {
        let layout = table.layout;
        let mut last = [0; 2];
        for (page, fate) in fates.iter().enumerate() {
            let common = fate.surviving & !fate.removed;
            let Some(before) = self.base.tables[index].page(page).filter(|_| common != 0) else {
                continue;
            };
            // Rows that changed in the last update are the likely ones to change again.
            let (newer, known) = self.past_page(index, page, before, 0);
            if !self.past.is_empty() {
                table.newest(before, before.present & !known);
            }
            let stirred = common & known & changed(layout, newer, before);
            let moving = common & before.moving;
            let mut rows = 0;
            for row in bits(stirred | moving) {
                let context = usize::from(stirred >> row & 1 == 1) * 4
                    + usize::from(moving >> row & 1 == 1) * 2
                    + last[0];
                last[0] = usize::from(self.coder.bit(
                    &mut table.flags.deviating[context],
                    fate.deviating >> row & 1 == 1,
                ));
                rows |= (last[0] as u64) << row;
            }
            let still = common & !(stirred | moving);
            if still != 0 {
                let context = 8 + last[1] * 2 + usize::from(rows != 0);
                last[1] = usize::from(self.coder.bit(
                    &mut table.flags.deviating[context],
                    fate.deviating & still != 0,
                ));
                if last[1] == 1 {
                    let mut one = 0;
                    for row in bits(still) {
                        one = usize::from(self.coder.bit(
                            &mut table.flags.deviating[12 + one],
                            fate.deviating >> row & 1 == 1,
                        ));
                        rows |= (one as u64) << row;
                    }
                }
            }
            if rows != 0 {
                self.deviating_rows(table, (index, page), before, rows)?;
            }
        }
        Ok(())
    }

    pub(super) fn deviating_rows(
        &mut self,
        table: &mut Table,
        (index, page): (usize, usize),
        before: &'a Page,
        rows: u64,
    ) -> Result<(), DecodeError> {
        let layout = table.layout;
        let width = layout.columns().len();
        let truth = self.truth.and_then(|truth| truth.tables[index].page(page));
        let mut all = [&before.ints[..]; DEPTH];
        let mut same = [before.present; DEPTH];
        for version in 0..self.past.len() {
            let (page, known) = self.past_page(index, page, before, version);
            (all[version + 1], same[version + 1]) = (&page.ints, known & same[version]);
        }
        same[self.past.len() + 1..].fill(0);
        for row in bits(rows) {
            let mut ints = [0; COLUMNS_MAX];
            if let Some(truth) = truth {
                for (column, int) in ints.iter_mut().enumerate().take(width) {
                    *int = truth.int(column, row);
                }
            }
            let depth = same
                .iter()
                .take_while(|&&same| same >> row & 1 == 1)
                .count();
            let past = RowPast {
                ints: &all,
                depth,
                row,
            };
            table.row(&mut self.coder, past, &mut ints[..width])?;
            self.store(layout, (index, page, row), &ints[..width]);
            for blob in 0..layout.blobs() {
                let changed =
                    truth.is_some_and(|truth| truth.blob(blob, row) != before.blob(blob, row));
                if self.flag(5, changed) {
                    self.row_blob(layout, (index, page, row), blob, truth)?;
                }
            }
        }
        self.coder.check()?;
        self.settle(layout, index, page, rows);
        Ok(())
    }

    /// A page of a table as it was in a version that is used, and its rows that are of the same entities; none beyond what is used.
    pub(super) fn past_page(
        &self,
        index: usize,
        page: usize,
        before: &'a Page,
        version: usize,
    ) -> (&'a Page, u64) {
        let Some(area) = self.past.get(version) else {
            return (before, 0);
        };
        let Some(old) = area.tables[index].page(page) else {
            return (before, 0);
        };
        let same = match (self.base.entities.page(page), area.entities.page(page)) {
            _ if self.schema.is_resource(index) => 1,
            (Some(ids), Some(then)) if Arc::ptr_eq(ids, then) => ids.present,
            (Some(ids), Some(then)) => ids.same_tenants(then),
            _ => 0,
        };
        (old, old.present & before.present & same)
    }

    pub(super) fn added(
        &mut self,
        table: &mut Table,
        index: usize,
        fates: &[Fate],
    ) -> Result<(), DecodeError> {
        if !self.flag(6, fates.iter().any(|fate| fate.added != 0)) {
            return Ok(());
        }
        let layout = table.layout;
        let width = layout.columns().len();
        let mut last = [0; 2];
        for (page, fate) in fates.iter().enumerate() {
            let vacant = fate.living & !fate.surviving;
            if vacant == 0 {
                continue;
            }
            last[0] = usize::from(
                self.coder
                    .bit(&mut table.flags.added[last[0]], fate.added != 0),
            );
            if last[0] == 0 {
                continue;
            }
            // Of entities that have just come, most have the row; of the others few.
            let was =
                self.base.entities.page(page).map_or(0, |p| p.present) & !mask(&self.gone, page);
            let truth = self.truth.and_then(|truth| truth.tables[index].page(page));
            let mut rows = 0;
            for row in bits(vacant) {
                let context = 2 + 2 * usize::from(was >> row & 1 == 1) + last[1];
                last[1] = usize::from(
                    self.coder
                        .bit(&mut table.flags.added[context], fate.added >> row & 1 == 1),
                );
                if last[1] == 0 {
                    continue;
                }
                rows |= 1 << row;
                let mut ints = [0; COLUMNS_MAX];
                if let Some(truth) = truth {
                    for (column, int) in ints.iter_mut().enumerate().take(width) {
                        *int = truth.int(column, row);
                    }
                }
                let mut from = [0; COLUMNS_MAX];
                let slot = (page * PAGE_ROWS + row) as u32;
                let from = self
                    .origin(index, slot, fates, &mut from[..width])
                    .then_some(&from[..width]);
                table.new_row(&mut self.coder, from, &mut ints[..width])?;
                self.store(layout, (index, page, row), &ints[..width]);
                for blob in 0..layout.blobs() {
                    self.row_blob(layout, (index, page, row), blob, truth)?;
                }
            }
            self.coder.check()?;
            self.settle(layout, index, page, rows);
        }
        Ok(())
    }

    pub(super) fn store(
        &mut self,
        layout: &Layout,
        (index, page, row): (usize, usize, usize),
        ints: &[i32],
    ) {
        if C::READS {
            let after =
                Arc::make_mut(&mut self.made.tables[index]).page_mut(page, || Page::new(layout));
            after.present |= 1 << row;
            for (column, &int) in ints.iter().enumerate() {
                after.set_int(column, row, int);
            }
        }
    }

    /// A blob of a row, whole.
    fn row_blob(
        &mut self,
        layout: &Layout,
        at: (usize, usize, usize),
        blob: usize,
        truth: Option<&Arc<Page>>,
    ) -> Result<(), DecodeError> {
        let bytes = truth.map_or(&[][..], |truth| truth.blob(blob, at.2));
        let bytes = self.blob(layout.blob_quant(blob), bytes)?;
        self.store_blob(layout, at, blob, &bytes);
        Ok(())
    }

    pub(super) fn store_blob(
        &mut self,
        layout: &Layout,
        (index, page, row): (usize, usize, usize),
        blob: usize,
        bytes: &[u8],
    ) {
        if C::READS {
            let after =
                Arc::make_mut(&mut self.made.tables[index]).page_mut(page, || Page::new(layout));
            after.set_blob(blob, row, bytes);
        }
    }

    /// Says which of the rows that were read move.
    pub(super) fn settle(&mut self, layout: &Layout, index: usize, page: usize, rows: u64) {
        if C::READS && rows != 0 && !layout.moving().is_empty() {
            let after =
                Arc::make_mut(&mut self.made.tables[index]).page_mut(page, || Page::new(layout));
            after.find_moving(layout, rows);
        }
    }
}
