//! The tables of a delta, applied: rows that go, move on, deviate and come. Entities, events and the header are `decode`'s.

use std::sync::Arc;

use super::decode::{DecodeError, Decoder, Scratch, get_blob, mask, masks};
use super::residual::{get_differences, get_values};
use super::section::get_set;
use super::{columns_in_order, used};
use crate::layout::Layout;
use crate::page::{Page, Table, bits};
use crate::track::Span;

#[derive(Default)]
struct Sets {
    deviating: usize,
    added: usize,
}

impl Decoder<'_> {
    pub(super) fn table(&mut self, index: usize) -> Result<(), DecodeError> {
        let Some(record) = self.schema.record(index) else {
            return Ok(());
        };
        let layout = record.layout();
        let touched = self.input.flag()?;
        let Scratch {
            removed,
            deviating,
            added,
            ..
        } = &mut self.scratch;
        [removed, deviating, added].into_iter().for_each(Vec::clear);
        let sets = if touched {
            self.sets(index)?
        } else {
            Sets::default()
        };
        self.carry_over(layout, index);
        if sets.deviating > 0 {
            self.deviate(layout, index, sets.deviating)?;
        }
        if sets.added > 0 {
            self.add(layout, index, sets.added)?;
        }
        Ok(())
    }

    /// Reads which rows go, deviate and come. Leaves the masks in the scratch.
    fn sets(&mut self, index: usize) -> Result<Sets, DecodeError> {
        let Scratch {
            domain,
            removed,
            deviating,
            added,
            ..
        } = &mut self.scratch;
        let (from, gone, entities) = (&self.base.tables[index], &self.gone, &self.next.entities);
        let surviving = |page: usize| from.page(page).map_or(0, |p| p.present) & !mask(gone, page);
        let is_resource = self.schema.is_resource(index);
        let pages = used(from).max(used(entities)).max(usize::from(is_resource));
        let mut read = |domain: &[u64], set: &mut Vec<u64>| {
            masks(set, domain.len(), |_| 0);
            if self.input.flag()? {
                get_set(&mut self.input, domain, set)
            } else {
                Ok(0)
            }
        };
        masks(domain, pages, surviving);
        read(domain, removed)?;
        masks(domain, pages, |page| surviving(page) & !removed[page]);
        let deviate = read(domain, deviating)?;
        masks(domain, pages, |page| {
            let living = if is_resource {
                u64::from(page == 0)
            } else {
                entities.page(page).map_or(0, |p| p.present)
            };
            living & !surviving(page)
        });
        let add = read(domain, added)?;
        Ok(Sets {
            deviating: deviate,
            added: add,
        })
    }

    /// What needs no bits: rows go with their entities, and tracks move on.
    fn carry_over(&mut self, layout: &Layout, index: usize) {
        let from = &self.base.tables[index];
        let moves = !layout.moving().is_empty() && !self.span.is_empty();
        let removes = self
            .gone
            .iter()
            .chain(&self.scratch.removed)
            .any(|&mask| mask != 0);
        if !moves && !removes {
            return;
        }
        for (page, before) in from.pages.iter().enumerate() {
            let Some(before) = before else { continue };
            let gone =
                before.present & (mask(&self.gone, page) | mask(&self.scratch.removed, page));
            let table = &mut self.next.tables[index];
            carry_page(layout, table, (page, before), gone, self.span);
        }
    }

    fn deviate(&mut self, layout: &Layout, index: usize, count: usize) -> Result<(), DecodeError> {
        let Scratch {
            deviating, values, ..
        } = &mut self.scratch;
        let from = &self.base.tables[index];
        let table = Arc::make_mut(&mut self.next.tables[index]);
        for number in columns_in_order(layout) {
            let column = &layout.columns()[number];
            get_differences(
                &mut self.input,
                column.track.as_ref().map(|(_, track)| track.cell),
                count,
                values,
            )?;
            let mut values = values.iter();
            for (page, before, rows) in changed(from, deviating) {
                let after = table.page_mut(page, || Page::new(layout));
                for row in bits(rows) {
                    let Some(&difference) = values.next() else {
                        return Err(DecodeError::Short);
                    };
                    let predicted = match &column.track {
                        Some((velocity, track)) => {
                            let velocity = usize::from(*velocity);
                            let velocities = [before.int(velocity, row), after.int(velocity, row)];
                            column.moved(track, before.int(number, row), velocities, self.span)
                        }
                        None => before.int(number, row),
                    };
                    let value = column.add(predicted, difference);
                    if !column.valid(value) {
                        return Err(DecodeError::Range);
                    }
                    after.set_int(number, row, value);
                }
            }
        }
        for blob in 0..layout.blobs() {
            for (page, _, rows) in changed(from, deviating) {
                let after = table.page_mut(page, || Page::new(layout));
                for row in bits(rows) {
                    if self.input.flag()? {
                        let bytes = get_blob(&mut self.input, layout.blob_quant(blob))?;
                        after.set_blob(blob, row, &bytes);
                    }
                }
            }
        }
        for (page, _, rows) in changed(from, deviating) {
            table
                .page_mut(page, || Page::new(layout))
                .find_moving(layout, rows);
        }
        Ok(())
    }

    fn add(&mut self, layout: &Layout, index: usize, count: usize) -> Result<(), DecodeError> {
        let Scratch { added, values, .. } = &mut self.scratch;
        let table = Arc::make_mut(&mut self.next.tables[index]);
        let pages = || {
            added
                .iter()
                .copied()
                .enumerate()
                .filter(|&(_, rows)| rows != 0)
        };
        for (page, rows) in pages() {
            table.page_mut(page, || Page::new(layout)).present |= rows;
        }
        for number in columns_in_order(layout) {
            get_values(&mut self.input, &layout.columns()[number], count, values)?;
            let mut values = values.iter();
            for (page, rows) in pages() {
                let after = table.page_mut(page, || Page::new(layout));
                bits(rows)
                    .zip(&mut values)
                    .for_each(|(row, &value)| after.set_int(number, row, value));
            }
        }
        for blob in 0..layout.blobs() {
            for (page, rows) in pages() {
                let after = table.page_mut(page, || Page::new(layout));
                for row in bits(rows) {
                    after.set_blob(
                        blob,
                        row,
                        &get_blob(&mut self.input, layout.blob_quant(blob))?,
                    );
                }
            }
        }
        for (page, rows) in pages() {
            table
                .page_mut(page, || Page::new(layout))
                .find_moving(layout, rows);
        }
        Ok(())
    }
}

/// What needs no bits in a page: rows that are gone are cleared, and the tracks of the others move on. A page without either stays shared.
pub(super) fn carry_page(
    layout: &Layout,
    table: &mut Arc<Table<Page>>,
    (page, before): (usize, &Page),
    gone: u64,
    span: Span,
) {
    let moves = !layout.moving().is_empty() && !span.is_empty();
    let moving = if moves { before.moving & !gone } else { 0 };
    if gone | moving == 0 {
        return;
    }
    let table = Arc::make_mut(table);
    if gone == before.present {
        return table.clear_page(page);
    }
    let after = table.page_mut(page, || Page::new(layout));
    after.clear_rows(gone);
    advance(layout, before, after, moving, span);
}

/// Moves the tracks of rows by the velocities that they had.
fn advance(layout: &Layout, before: &Page, after: &mut Page, rows: u64, span: Span) {
    for (number, column) in layout.columns().iter().enumerate() {
        let Some((velocity, track)) = &column.track else {
            continue;
        };
        for row in bits(rows) {
            let velocities = [before.int(usize::from(*velocity), row); 2];
            let moved = column.moved(track, before.int(number, row), velocities, span);
            after.set_int(number, row, moved);
        }
    }
}

/// The pages of the basis that have rows in a set.
fn changed<'a>(
    from: &'a Table<Page>,
    rows: &'a [u64],
) -> impl Iterator<Item = (usize, &'a Page, u64)> {
    let pages = rows.iter().enumerate().filter(|&(_, &rows)| rows != 0);
    pages.filter_map(|(page, &rows)| Some((page, &**from.page(page)?, rows)))
}
