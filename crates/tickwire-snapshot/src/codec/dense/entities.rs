//! Who came, who went, and where those who came have come from.

use std::sync::Arc;

use super::super::decode::DecodeError;
use super::super::used;
use super::coder::{Coder, Model};
use super::number::signed;
use super::tables::Fate;
use super::walk::{GENERATION, NEWER, ORIGIN, PAGES, Walk, mask};
use crate::area::{Area, ENTITIES_MAX};
use crate::page::{EntityPage, PAGE_ROWS, Page, Table as Pages, bits};

/// Entities of one delta for which it is looked up where they come from.
const ORIGINS_MAX: usize = 64;

impl<C: Coder> Walk<'_, C> {
    pub(super) fn entities(&mut self) -> Result<(), DecodeError> {
        let from = &self.base.entities;
        let changed = self.truth.is_some_and(|truth| {
            !Arc::ptr_eq(&truth.entities, from) && entities_differ(from, &truth.entities)
        });
        self.gone.clear();
        if !self.flag(3, changed) {
            return Ok(());
        }
        let before = used(from);
        let pages = self.number(
            PAGES,
            self.truth.map_or(0, |truth| used(&truth.entities) as u32),
        ) as usize;
        if pages > ENTITIES_MAX / PAGE_ROWS {
            return Err(DecodeError::Wrong("more slots than there can be"));
        }
        self.gone.resize(before.max(pages), 0);
        let mut last = [false; 3];
        for page in 0..before.max(pages) {
            let old = from.page(page).map(|page| &**page);
            let new = self
                .truth
                .and_then(|truth| truth.entities.page(page))
                .map(|page| &**page);
            let was = old.map_or(0, |p| p.present);
            let is = new.map_or(0, |p| p.present);
            let replaced = match (old, new) {
                (Some(old), Some(new)) => old.replaced(new),
                _ => 0,
            };
            let differs = was != is || replaced != 0;
            last[0] = self
                .coder
                .bit(&mut self.models.entities[usize::from(last[0])], differs);
            if !last[0] {
                continue;
            }
            let moving = self.moving(page);
            let mut gone = 0;
            for row in bits(was) {
                let context = 4 + 2 * usize::from(moving >> row & 1 == 1) + usize::from(last[1]);
                last[1] = self.coder.bit(
                    &mut self.models.entities[context],
                    (was & !is | replaced) >> row & 1 == 1,
                );
                gone |= u64::from(last[1]) << row;
            }
            let mut came = 0;
            let vacant = !(was & !gone) & !u64::from(page == 0);
            if page < pages {
                for row in bits(vacant) {
                    let context = 8 + 2 * usize::from(gone >> row & 1 == 1) + usize::from(last[2]);
                    last[2] = self.coder.bit(
                        &mut self.models.entities[context],
                        (is & !was | replaced) >> row & 1 == 1,
                    );
                    came |= u64::from(last[2]) << row;
                }
            }
            self.gone[page] = gone;
            self.change_entities(page, [gone, came], old, new)?;
            self.coder.check()?;
        }
        if C::READS && used(&self.made.entities) != pages {
            return Err(DecodeError::Wrong("the last slots are not as announced"));
        }
        self.all_origins()
    }

    /// Where entities that came have come from: what is shot begins where the shooter is.
    pub(super) fn all_origins(&mut self) -> Result<(), DecodeError> {
        if self.base.len == 0 {
            self.origins.clear();
        }
        if self.origins.is_empty() {
            return Ok(());
        }
        let mut pages = [Model::NEW; ENTITIES_MAX / PAGE_ROWS];
        for at in 0..self.origins.len() {
            let slot = self.origins[at][0];
            let origin = match self.truth {
                Some(truth) if at < ORIGINS_MAX => self.find_origin(truth, slot),
                _ => 0,
            };
            if !self
                .coder
                .bit(&mut self.models.pieces[ORIGIN][0], origin != 0)
            {
                continue;
            }
            let (page, row) = (origin >> 6, origin & 63);
            let mut node = 1;
            for bit in (0..10).rev() {
                let bit = self.coder.bit(&mut pages[node], page >> bit & 1 == 1);
                node = node << 1 | usize::from(bit);
            }
            let origin = (node as u32 & 1023) << 6 | self.coder.raw(row, 6);
            self.origins[at][1] = origin;
        }
        self.coder.check()
    }

    /// An entity that was there and is where this one comes to be; 0: none.
    pub(super) fn find_origin(&self, truth: &Area, slot: u32) -> u32 {
        for (index, record) in self.schema.components.iter().enumerate() {
            let layout = record.layout();
            let (Some(&(first, _)), Some((page, row))) =
                (layout.tracks().first(), truth.page_of(index, slot))
            else {
                continue;
            };
            let near = |other: &Page, at: usize| {
                layout.tracks().iter().all(|&(column, _)| {
                    let column = usize::from(column);
                    let cell = layout.columns()[column]
                        .track
                        .as_ref()
                        .map_or(1, |(_, track)| track.cell);
                    other.int(column, at).abs_diff(page.int(column, row)) <= cell
                })
            };
            for (number, other) in truth.tables[index].pages.iter().enumerate() {
                let (Some(other), Some(was)) = (other, self.base.tables[index].page(number)) else {
                    continue;
                };
                let stay = other.present & was.present & !mask(&self.gone, number);
                let here = page.int(usize::from(first), row);
                let cell = layout.columns()[usize::from(first)]
                    .track
                    .as_ref()
                    .map_or(1, |(_, track)| track.cell);
                let mut close = 0_u64;
                for (at, &there) in other.column(usize::from(first)).iter().enumerate() {
                    close |= u64::from(there.abs_diff(here) <= cell) << at;
                }
                if let Some(at) = bits(close & stay).find(|&at| near(other, at)) {
                    return (number * PAGE_ROWS + at) as u32;
                }
            }
        }
        0
    }

    /// The columns of the entity that one has come from, if they are known.
    pub(super) fn origin(&self, index: usize, slot: u32, fates: &[Fate], ints: &mut [i32]) -> bool {
        let found = self.origins.iter().find(|[of, _]| *of == slot);
        let Some(&[_, origin]) = found.filter(|[_, origin]| *origin != 0) else {
            return false;
        };
        let (page, row) = crate::area::place(origin);
        let known = fates
            .get(page)
            .is_some_and(|fate| (fate.surviving & !fate.removed) >> row & 1 == 1);
        let area = self.truth.unwrap_or(&self.made);
        let Some(from) = area.tables[index]
            .page(page)
            .filter(|from| known && from.has(row))
        else {
            return false;
        };
        for (column, int) in ints.iter_mut().enumerate() {
            *int = from.int(column, row);
        }
        true
    }

    /// Rows of a page that move by a velocity, in any table.
    pub(super) fn moving(&self, page: usize) -> u64 {
        let of = |table: &Arc<Pages<Page>>| table.page(page).map_or(0, |page| page.moving);
        self.base
            .tables
            .iter()
            .map(of)
            .fold(0, |all, one| all | one)
    }

    pub(super) fn change_entities(
        &mut self,
        page: usize,
        [gone, came]: [u64; 2],
        old: Option<&EntityPage>,
        new: Option<&EntityPage>,
    ) -> Result<(), DecodeError> {
        let mut after = old.cloned().unwrap_or_default();
        bits(gone).for_each(|row| after.generations[row] = 0);
        after.present = after.present & !gone | came;
        for row in bits(came) {
            let replaced = gone >> row & 1 == 1;
            let first = match old {
                Some(old) if replaced => old.generations[row].wrapping_add(1),
                _ => 0,
            };
            let generation = new.map_or(0, |new| new.generations[row]);
            // Slots are used in turn, so that those of a time are much of one age.
            let expected = if replaced { first } else { self.generation };
            let (a, b) = self.models.pieces.split_at_mut(NEWER);
            let models = [&mut a[GENERATION], &mut b[0]];
            let off = generation.wrapping_sub(expected) as i16;
            let off = signed(&mut self.coder, models, i32::from(off));
            let off = i16::try_from(off)
                .map_err(|_| DecodeError::Wrong("a generation that cannot be"))?;
            let generation = expected.wrapping_add(off as u16);
            if replaced && generation.wrapping_add(1) == first {
                return Err(DecodeError::Wrong("an entity that replaces itself"));
            }
            self.generation = generation;
            after.generations[row] = generation;
            self.origins.push([(page * PAGE_ROWS + row) as u32, 0]);
        }
        if C::READS {
            let made = &mut self.made;
            made.len = made.len + came.count_ones() - gone.count_ones();
            let table = Arc::make_mut(&mut made.entities);
            if after.present == 0 {
                table.clear_page(page);
            } else {
                table.put_page(page, after);
            }
        }
        Ok(())
    }
}

fn entities_differ(from: &Pages<EntityPage>, to: &Pages<EntityPage>) -> bool {
    (0..used(from).max(used(to))).any(|page| from.page(page) != to.page(page))
}
