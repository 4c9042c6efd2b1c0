//! The way through an area: header, entities, tables, events. One way for both directions: a writer walks along the truth, a reader makes it.

use std::sync::Arc;

use tickwire_proto::Tick;

use super::super::decode::DecodeError;
use super::super::{Basis, used};
use super::coder::{Coder, Model};
use super::number::NUMBER;
use super::predict::DEPTH;
use super::rows::{RowPast, Table, count};
use super::{PAST_MAX, differing};
use crate::area::{Area, ENTITIES_MAX, EVENTS_MAX, TickEvent};
use crate::layout::Layout;
use crate::page::{EntityPage, PAGE_ROWS, Page, Table as Pages, bits};
use crate::quant::Quant;
use crate::schema::{COLUMNS_MAX, Schema};
use crate::track::Span;

/// Models that no table owns: numbers of the header, of entities, of blobs, each a piece.
const PIECES: usize = 8;
const AGE: usize = 0;
const SPAN: usize = 1;
const HELD: usize = 2;
const PAGES: usize = 3;
const GENERATION: usize = 4;
const EVENTS: usize = 5;
const LENGTH: usize = 6;
const FLAGS: usize = 7;

/// Bytes of texts and blobs: a tree of bits.
const BYTE: usize = 256;

/// One walk.
pub(super) struct Walk<'a, C> {
    pub(super) coder: C,
    schema: &'a Schema,
    basis: &'a Basis,
    base: &'a Area,
    /// The versions before the basis that are used.
    past: &'a [Arc<Area>],
    from_basis: bool,
    /// A writer's truth.
    truth: Option<&'a Area>,
    /// What a reader makes.
    pub(super) made: Area,
    pub(super) events: Vec<TickEvent>,
    span: Span,
    gone: Vec<u64>,
    models: Vec<Model>,
    bytes: Vec<Model>,
}

/// What becomes of the rows of a page.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    surviving: u64,
    removed: u64,
    deviating: u64,
    living: u64,
    added: u64,
}

impl<'a, C: Coder> Walk<'a, C> {
    pub(super) fn new(
        coder: C,
        schema: &'a Schema,
        basis: &'a Basis,
        base: &'a Area,
        truth: Option<&'a Area>,
    ) -> Self {
        let mut models = vec![Model::NEW; PIECES * NUMBER];
        models[FLAGS * NUMBER..].fill(Model::RARE);
        models[AGE * NUMBER + 2] = Model::RARE;
        Self {
            coder,
            schema,
            basis,
            base,
            past: &[],
            from_basis: basis.area.is_some(),
            truth,
            made: base.clone(),
            events: Vec::new(),
            span: Span::direct(0),
            gone: Vec::new(),
            models,
            bytes: Vec::new(),
        }
    }

    /// All of it, for an update of `tick`.
    pub(super) fn run(&mut self, tick: Tick) -> Result<(), DecodeError> {
        self.header(tick)?;
        self.entities()?;
        for table in 0..self.schema.tables() {
            self.table(table)?;
        }
        if self.from_basis {
            self.all_events(tick)?;
        }
        Ok(())
    }

    fn number(&mut self, piece: usize, value: u32) -> u32 {
        count(
            &mut self.coder,
            &mut self.models[piece * NUMBER..][..NUMBER],
            value,
        )
    }

    /// A flag that is rarely set.
    fn flag(&mut self, index: usize, flag: bool) -> bool {
        self.coder
            .bit(&mut self.models[FLAGS * NUMBER + index], flag)
    }

    fn header(&mut self, tick: Tick) -> Result<(), DecodeError> {
        if self.coder.raw(u32::from(self.from_basis), 1) != u32::from(self.from_basis) {
            return Err(DecodeError::Wrong(
                "a keyframe where a delta was due, or the reverse",
            ));
        }
        let next = self.truth.map_or(tick, Area::tick);
        let age = self.number(AGE, tick.since(next));
        if age > tick.0 {
            return Err(DecodeError::Wrong("a change before the first tick"));
        }
        let (next, base) = (tick.minus(age), self.base.tick);
        let made = &mut self.made;
        (made.tick, made.before, made.previous) = (next, base, base);
        made.events.clear();
        let ticks = next.since(base);
        self.span = Span::direct(ticks);
        if !self.from_basis {
            made.before = next;
            return Ok(());
        }
        let (previous, before) = self
            .truth
            .map_or((base, base), |truth| (truth.previous, truth.before));
        if self.flag(0, previous != base) {
            let last = self.number(SPAN, next.since(previous));
            self.span = Span::new(ticks, last);
        } else if self.flag(1, before > base) {
            let ago = self.number(HELD, next.since(before));
            let held = next
                .0
                .checked_sub(ago)
                .map(Tick)
                .filter(|&held| held > base);
            self.made.before = held.ok_or(DecodeError::Wrong("the basis ended before it began"))?;
        }
        self.use_past(next)
    }

    /// How many of the versions before the basis are used, of those in step.
    fn use_past(&mut self, next: Tick) -> Result<(), DecodeError> {
        let held = self.basis.in_step(next);
        let level = level(held);
        let told = match self.flag(2, level != PAST_MAX) {
            false => PAST_MAX,
            true => self.coder.raw(level as u32, 2) as usize,
        };
        if told != level {
            return Err(DecodeError::Wrong(
                "an update before the basis that is not held",
            ));
        }
        self.past = &self.basis.before()[..level];
        Ok(())
    }

    fn entities(&mut self) -> Result<(), DecodeError> {
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
        let mut models = Box::new([Model::NEW; 64]);
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
            last[0] = self.coder.bit(&mut models[usize::from(last[0])], differs);
            if !last[0] {
                continue;
            }
            let moving = self.moving(page);
            let mut gone = 0;
            for row in bits(was) {
                let context = 4 + 2 * usize::from(moving >> row & 1 == 1) + usize::from(last[1]);
                last[1] = self
                    .coder
                    .bit(&mut models[context], (was & !is | replaced) >> row & 1 == 1);
                gone |= u64::from(last[1]) << row;
            }
            let mut came = 0;
            let vacant = !(was & !gone) & !u64::from(page == 0);
            if page < pages {
                for row in bits(vacant) {
                    let context = 8 + 2 * usize::from(gone >> row & 1 == 1) + usize::from(last[2]);
                    last[2] = self
                        .coder
                        .bit(&mut models[context], (is & !was | replaced) >> row & 1 == 1);
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
        Ok(())
    }

    /// Rows of a page that move by a velocity, in any table.
    fn moving(&self, page: usize) -> u64 {
        let of = |table: &Arc<Pages<Page>>| table.page(page).map_or(0, |page| page.moving);
        self.base
            .tables
            .iter()
            .map(of)
            .fold(0, |all, one| all | one)
    }

    fn change_entities(
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
            let code = new.map_or(0, |new| new.generations[row].wrapping_sub(first));
            let code = u16::try_from(self.number(GENERATION, u32::from(code)))
                .map_err(|_| DecodeError::Wrong("a generation that cannot be"))?;
            if replaced && code == u16::MAX {
                return Err(DecodeError::Wrong("an entity that replaces itself"));
            }
            after.generations[row] = first.wrapping_add(code);
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

    fn table(&mut self, index: usize) -> Result<(), DecodeError> {
        let Some(record) = self.schema.record(index) else {
            return Ok(());
        };
        let layout = record.layout();
        let fates = self.fates(layout, index);
        let touched = fates
            .iter()
            .any(|fate| fate.removed | fate.deviating | fate.added != 0);
        let touched = self.flag(7, touched);
        if !touched {
            self.carry_over(layout, index, &fates, false);
            return Ok(());
        }
        let mut table = Table::new(layout, self.span);
        let fates = self.removed(fates)?;
        self.carry_over(layout, index, &fates, true);
        self.deviating(&mut table, index, &fates)?;
        self.added(&mut table, index, &fates)
    }

    /// What becomes of each page's rows, as far as it is known: a writer knows it all.
    fn fates(&self, layout: &Layout, index: usize) -> Vec<Fate> {
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
        (0..most).map(fate).collect()
    }

    /// Which rows go though their entity stays.
    fn removed(&mut self, mut fates: Vec<Fate>) -> Result<Vec<Fate>, DecodeError> {
        if !self.flag(4, fates.iter().any(|fate| fate.removed != 0)) {
            return Ok(fates);
        }
        let mut models = [Model::NEW; 4];
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
        Ok(fates)
    }

    /// What needs no bits: rows go with their entities, and tracks move on.
    fn carry_over(&mut self, layout: &Layout, index: usize, fates: &[Fate], touched: bool) {
        if !C::READS {
            return;
        }
        let from = &self.base.tables[index];
        let moves = !layout.moving().is_empty() && !self.span.is_empty();
        for (page, before) in from.pages.iter().enumerate() {
            let Some(before) = before else { continue };
            let fate = fates.get(page).copied().unwrap_or_default();
            let gone = before.present & !(fate.surviving & !if touched { fate.removed } else { 0 });
            let moving = if moves { before.moving & !gone } else { 0 };
            if gone | moving == 0 {
                continue;
            }
            let table = Arc::make_mut(&mut self.made.tables[index]);
            if gone == before.present {
                table.clear_page(page);
                continue;
            }
            let after = table.page_mut(page, || Page::new(layout));
            after.clear_rows(gone);
            super::super::apply::advance(layout, before, after, moving, self.span);
        }
    }

    fn deviating(
        &mut self,
        table: &mut Table,
        index: usize,
        fates: &[Fate],
    ) -> Result<(), DecodeError> {
        let layout = table.layout;
        let mut models = [Model::NEW; 24];
        let mut last = [0; 2];
        for (page, fate) in fates.iter().enumerate() {
            let common = fate.surviving & !fate.removed;
            let Some(before) = self.base.tables[index].page(page).filter(|_| common != 0) else {
                continue;
            };
            let (pages, same) = self.past_pages(index, page, before);
            // Rows that changed in the last update are the likely ones to change again.
            let stirred = match same[1] {
                0 => 0,
                known => common & known & super::changed(layout, pages[1], before),
            };
            let moving = common & before.moving;
            let mut rows = 0;
            for row in bits(stirred | moving) {
                let context = usize::from(stirred >> row & 1 == 1) * 4
                    + usize::from(moving >> row & 1 == 1) * 2
                    + last[0];
                last[0] = usize::from(
                    self.coder
                        .bit(&mut models[context], fate.deviating >> row & 1 == 1),
                );
                rows |= (last[0] as u64) << row;
            }
            let still = common & !(stirred | moving);
            if still != 0 {
                let context = 8 + last[1] * 2 + usize::from(rows != 0);
                last[1] = usize::from(
                    self.coder
                        .bit(&mut models[context], fate.deviating & still != 0),
                );
                if last[1] == 1 {
                    let mut one = 0;
                    for row in bits(still) {
                        one = usize::from(
                            self.coder
                                .bit(&mut models[12 + one], fate.deviating >> row & 1 == 1),
                        );
                        rows |= (one as u64) << row;
                    }
                }
            }
            self.deviating_rows(table, (index, page), (pages, same), rows)?;
        }
        Ok(())
    }

    fn deviating_rows(
        &mut self,
        table: &mut Table,
        (index, page): (usize, usize),
        (pages, same): ([&Page; DEPTH], [u64; DEPTH]),
        rows: u64,
    ) -> Result<(), DecodeError> {
        let layout = table.layout;
        let width = layout.columns().len();
        let truth = self.truth.and_then(|truth| truth.tables[index].page(page));
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
            let past = RowPast { pages, depth, row };
            table.row(&mut self.coder, &past, &mut ints[..width])?;
            self.store(layout, (index, page, row), &ints[..width]);
            for blob in 0..layout.blobs() {
                let changed =
                    truth.is_some_and(|truth| truth.blob(blob, row) != pages[0].blob(blob, row));
                if self.flag(5, changed) {
                    let bytes = truth.map_or(&[][..], |truth| truth.blob(blob, row));
                    let bytes = self.blob(layout.blob_quant(blob), bytes)?;
                    self.store_blob(layout, (index, page, row), blob, &bytes);
                }
            }
        }
        self.coder.check()?;
        self.settle(layout, index, page, rows);
        Ok(())
    }

    /// The pages of a table in the versions that are used, and the rows that are of the same entities in each.
    fn past_pages(
        &self,
        index: usize,
        page: usize,
        before: &'a Page,
    ) -> ([&'a Page; DEPTH], [u64; DEPTH]) {
        let mut pages = [before; DEPTH];
        let mut same = [0; DEPTH];
        same[0] = before.present;
        let ids = self.base.entities.page(page);
        for (version, area) in self.past.iter().enumerate() {
            let (Some(old), then) = (area.tables[index].page(page), area.entities.page(page))
            else {
                break;
            };
            pages[version + 1] = old;
            same[version + 1] = old.present
                & match (ids, then) {
                    _ if self.schema.is_resource(index) => 1,
                    (Some(ids), Some(then)) if Arc::ptr_eq(ids, then) => ids.present,
                    (Some(ids), Some(then)) => ids.present & then.present & !ids.replaced(then),
                    _ => 0,
                };
        }
        (pages, same)
    }

    fn added(
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
        let mut models = [Model::NEW; 8];
        let mut last = [0; 2];
        for (page, fate) in fates.iter().enumerate() {
            let vacant = fate.living & !fate.surviving;
            if vacant == 0 {
                continue;
            }
            last[0] = usize::from(self.coder.bit(&mut models[last[0]], fate.added != 0));
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
                        .bit(&mut models[context], fate.added >> row & 1 == 1),
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
                table.new_row(&mut self.coder, &mut ints[..width])?;
                self.store(layout, (index, page, row), &ints[..width]);
                for blob in 0..layout.blobs() {
                    let bytes = truth.map_or(&[][..], |truth| truth.blob(blob, row));
                    let bytes = self.blob(layout.blob_quant(blob), bytes)?;
                    self.store_blob(layout, (index, page, row), blob, &bytes);
                }
            }
            self.coder.check()?;
            self.settle(layout, index, page, rows);
        }
        Ok(())
    }

    fn store(&mut self, layout: &Layout, (index, page, row): (usize, usize, usize), ints: &[i32]) {
        if C::READS {
            let after =
                Arc::make_mut(&mut self.made.tables[index]).page_mut(page, || Page::new(layout));
            after.present |= 1 << row;
            for (column, &int) in ints.iter().enumerate() {
                after.set_int(column, row, int);
            }
        }
    }

    fn store_blob(
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
    fn settle(&mut self, layout: &Layout, index: usize, page: usize, rows: u64) {
        if C::READS && rows != 0 && !layout.moving().is_empty() {
            let after =
                Arc::make_mut(&mut self.made.tables[index]).page_mut(page, || Page::new(layout));
            after.find_moving(layout, rows);
        }
    }

    /// A text or blob: no longer than declared, and what it is declared to be.
    fn blob(&mut self, quant: &Quant, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let length = self.number(LENGTH, bytes.len() as u32) as usize;
        if length > quant.blob_max() {
            return Err(DecodeError::Range);
        }
        self.bytes.resize(BYTE, Model::NEW);
        let mut got = Vec::new();
        for at in 0..length {
            let byte = bytes.get(at).copied().unwrap_or(0);
            let mut node = 1;
            for bit in (0..8).rev() {
                let bit = self.coder.bit(&mut self.bytes[node], byte >> bit & 1 == 1);
                node = node << 1 | usize::from(bit);
            }
            got.push(node as u8);
            self.coder.check()?;
        }
        // Empty stands for bytes that the game's own writer got wrong.
        if C::READS && !got.is_empty() && !quant.valid_blob(&got) {
            return Err(DecodeError::Range);
        }
        Ok(got)
    }

    fn all_events(&mut self, tick: Tick) -> Result<(), DecodeError> {
        let base = self.base.tick;
        let due = |event: &&TickEvent| {
            event.tick > base && tick.since(event.tick) <= u32::from(event.lifetime)
        };
        let due: Vec<&TickEvent> = self.truth.map_or(Vec::new(), |truth| {
            truth.events.iter().filter(due).collect()
        });
        let count = self.number(EVENTS, due.len() as u32) as usize;
        if count > EVENTS_MAX {
            return Err(DecodeError::Wrong("too many events"));
        }
        for at in 0..count {
            let event = self.event(due.get(at).copied())?;
            if C::READS {
                self.events.push(event);
            }
            self.coder.check()?;
        }
        Ok(())
    }

    fn event(&mut self, truth: Option<&TickEvent>) -> Result<TickEvent, DecodeError> {
        let kind = self.coder.raw(
            truth.map_or(0, |t| u32::from(t.kind)),
            super::super::event_bits(self.schema),
        );
        let schema = self.schema;
        let record = schema
            .events
            .get(kind as usize)
            .ok_or(DecodeError::Wrong("an event that is not in the schema"))?;
        let next = self.made.tick;
        let ago = self.number(EVENTS, truth.map_or(0, |t| next.since(t.tick)));
        let tick = next
            .0
            .checked_sub(ago)
            .map(Tick)
            .filter(|&tick| tick > self.base.tick);
        let tick = tick.ok_or(DecodeError::Wrong("an event of the past"))?;
        let lifetime = self.number(LENGTH, truth.map_or(0, |t| u32::from(t.lifetime)));
        let lifetime = u16::try_from(lifetime).map_err(|_| DecodeError::Range)?;
        let layout = record.layout();
        let mut ints = Vec::with_capacity(layout.columns().len());
        for (index, column) in layout.columns().iter().enumerate() {
            let int = truth.map_or(column.min, |t| t.ints[index].clamp(column.min, column.max));
            let code = self
                .coder
                .raw(int.wrapping_sub(column.min) as u32, u32::from(column.bits));
            ints.push(column.decode_fixed(code).ok_or(DecodeError::Range)?);
        }
        let mut blobs = Vec::new();
        for blob in 0..layout.blobs() {
            let bytes = truth.map_or(&[][..], |t| &t.blobs[blob]);
            blobs.push(self.blob(layout.blob_quant(blob), bytes)?);
        }
        Ok(TickEvent {
            tick,
            kind: kind as u16,
            lifetime,
            ints,
            blobs,
        })
    }
}

/// So that viewers who were in step for a different time fall into few groups.
fn level(steps: usize) -> usize {
    match steps {
        PAST_MAX.. => PAST_MAX,
        3.. => 3,
        _ => steps.min(1),
    }
}

fn mask(masks: &[u64], page: usize) -> u64 {
    masks.get(page).copied().unwrap_or(0)
}

fn entities_differ(from: &Pages<EntityPage>, to: &Pages<EntityPage>) -> bool {
    (0..used(from).max(used(to))).any(|page| from.page(page) != to.page(page))
}
