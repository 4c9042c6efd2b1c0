//! From two versions of an area to the bytes of a delta. The order of what is written is told in `codec` and mirrored by `decode`.

use std::sync::Arc;

use bytes::Bytes;
use tickwire_proto::Tick;

use super::residual::{ColumnWriter, best_k};
use super::section::SetWriter;
use super::{
    BLOB_LENGTH_K, Basis, CODEBOOK_PACKED, EVENT_COUNT_K, LIFETIME_K, columns_in_order, event_bits,
    used,
};
use super::{residual::K_BITS, rows::Changes, rows::compare_pages};
use crate::area::{Area, TickEvent};
use crate::bits::BitWriter;
use crate::layout::Layout;
use crate::page::{Page, Table, bits};
use crate::schema::{Profile, Schema};
use crate::track::Span;

/// Makes deltas. Holds buffers that are used again, and nothing that the bytes depend on.
///
/// ```
/// use std::sync::Arc;
/// use tickwire_proto::Tick;
/// use tickwire_snapshot::{Area, AreaEdit, AreaId, Basis, Encoder, FieldSchema, NetId, Quant, RecordSchema, Schema, decode};
/// let mut schema = Schema::new("dots", 33_333);
/// schema.components.push(RecordSchema::new("Dot", vec![FieldSchema::new("hue", Quant::Bits { bits: 8, signed: false })]));
/// schema.seal()?;
/// let schema = Arc::new(schema);
/// let mut edit = AreaEdit::new(&Arc::new(Area::empty(AreaId::ALL, &schema)), Tick(2), &schema);
/// edit.spawn(NetId { slot: 1, generation: 0 });
/// edit.set(0, 1, |row| row.field(0).ints[0] = 7);
/// let area = edit.finish().expect("something changed");
///
/// let (keyframe, _basis) = Encoder::new(&schema).encode(&Basis::nothing(), &area, Tick(2));
/// let there = decode(&schema, &Basis::nothing(), AreaId::ALL, Tick(2), &keyframe).expect("our own bytes");
/// assert!(there.basis.area.is_some_and(|copy| copy.same(&area)));
/// # Ok::<(), tickwire_snapshot::SchemaError>(())
/// ```
#[derive(Debug)]
pub struct Encoder {
    schema: Arc<Schema>,
    out: BitWriter,
    sets: SetWriter,
    columns: ColumnWriter,
    entities: Entities,
    changes: Changes,
    values: Vec<i32>,
}

/// What became of the entities, page by page.
#[derive(Debug, Default)]
struct Entities {
    base: Vec<u64>,
    removed: Vec<u64>,
    /// Where an entity may be added: all slots but the room's and those that stay.
    room: Vec<u64>,
    added: Vec<u64>,
    next: Vec<u64>,
    generations: Vec<u32>,
}

impl Encoder {
    /// An encoder for areas of this schema.
    pub fn new(schema: &Arc<Schema>) -> Self {
        Self {
            schema: schema.clone(),
            out: BitWriter::default(),
            sets: SetWriter::default(),
            columns: ColumnWriter::default(),
            entities: Entities::default(),
            changes: Changes::default(),
            values: Vec::new(),
        }
    }

    /// The delta from a basis to the next version of an area, for an update of `tick`, and the basis that a client has after it.
    pub fn encode(&mut self, basis: &Basis, next: &Arc<Area>, tick: Tick) -> (Bytes, Basis) {
        debug_assert!(next.tick <= tick && basis.codebook == CODEBOOK_PACKED);
        let empty;
        let base = match basis.area.as_deref() {
            Some(area) => area,
            None => {
                empty = Area::empty(next.id, &self.schema);
                &empty
            }
        };
        if self.schema.profile == Profile::Dense {
            let bytes = super::dense::encode(&self.schema, basis, base, next, tick);
            return (bytes, basis.followed_by(next));
        }
        self.out.clear();
        let span = self.put_header(basis.area.is_some(), base, next, tick);
        self.put_entities(base, next);
        let schema = self.schema.clone();
        for (index, record) in schema.records().enumerate() {
            self.put_table(
                record.layout(),
                schema.is_resource(index),
                index,
                (base, next),
                span,
            );
        }
        if basis.area.is_some() {
            self.put_events(&schema, base, next, tick);
        }
        let bytes = Bytes::copy_from_slice(self.out.finish());
        (bytes, basis.followed_by(next))
    }

    fn put_header(&mut self, from_basis: bool, base: &Area, next: &Area, tick: Tick) -> Span {
        self.out.flag(from_basis);
        self.out.golomb(tick.since(next.tick), 0);
        let ticks = next.tick.since(base.tick);
        let direct = next.previous == base.tick;
        if !from_basis {
            return Span::direct(ticks);
        }
        self.out.flag(direct);
        if !direct {
            let last = next.tick.since(next.previous);
            self.out.golomb(last, 1);
            return Span::new(ticks, last);
        }
        // Only the version right after the basis knows how long the basis held.
        let held = next.before.max(base.tick);
        self.out.flag(held > base.tick);
        if held > base.tick {
            self.out.golomb(next.tick.since(held), 1);
        }
        Span::direct(ticks)
    }

    fn put_entities(&mut self, base: &Area, next: &Area) {
        let changed = self.entities.compare(base, next);
        self.out.flag(changed);
        if !changed {
            return;
        }
        let all = &mut self.entities;
        self.out.golomb(all.next.len() as u32, 3);
        self.sets.put(&mut self.out, &all.base, &all.removed);
        self.sets.put(&mut self.out, &all.room, &all.added);
        all.gather_generations(base, next);
        let k = best_k(&all.generations);
        self.out.bits(k, K_BITS);
        all.generations
            .iter()
            .for_each(|&code| self.out.golomb(code, k));
    }

    fn put_table(
        &mut self,
        layout: &Layout,
        is_resource: bool,
        index: usize,
        (base, next): (&Area, &Area),
        span: Span,
    ) {
        let (from, to) = (&base.tables[index], &next.tables[index]);
        if Arc::ptr_eq(from, to) && (layout.moving().is_empty() || span.is_empty()) {
            return self.out.flag(false);
        }
        let entities = &self.entities;
        let changes = &mut self.changes;
        changes.start(layout, used(from).max(used(to)).max(entities.next.len()));
        for page in 0..changes.pages() {
            let living = if is_resource {
                u64::from(page == 0)
            } else {
                mask(&entities.next, page)
            };
            let common = changes.masks(
                page,
                from.page(page),
                to.page(page),
                mask(&entities.removed, page),
                living,
            );
            if let (Some(before), Some(after)) = (from.page(page), to.page(page)) {
                let differences = &mut changes.differences;
                changes.deviating[page] =
                    compare_pages(layout, (before, after), common, span, differences);
            }
        }
        let touched = changes.any();
        self.out.flag(touched);
        if touched {
            self.put_changes(layout, from, to);
        }
    }

    fn put_changes(&mut self, layout: &Layout, from: &Table<Page>, to: &Table<Page>) {
        let changes = &self.changes;
        let out = &mut self.out;
        for (domain, set) in [
            (&changes.surviving, &changes.removed),
            (&changes.common, &changes.deviating),
            (&changes.vacant, &changes.added),
        ] {
            let any = set.iter().any(|&mask| mask != 0);
            out.flag(any);
            if any {
                self.sets.put(out, domain, set);
            }
        }
        if changes.deviating.iter().any(|&mask| mask != 0) {
            for column in columns_in_order(layout) {
                let cell = layout.columns()[column]
                    .track
                    .as_ref()
                    .map(|(_, track)| track.cell);
                self.columns
                    .put_differences(out, &changes.differences.columns[column], cell);
            }
            put_changed_blobs(out, layout, from, to, &changes.deviating);
        }
        if changes.added.iter().any(|&mask| mask != 0) {
            for column in columns_in_order(layout) {
                gather(to, &changes.added, column, &mut self.values);
                self.columns
                    .put_values(out, &layout.columns()[column], &self.values);
            }
            put_new_blobs(out, layout, to, &changes.added);
        }
    }

    fn put_events(&mut self, schema: &Schema, base: &Area, next: &Area, tick: Tick) {
        let due = |event: &&TickEvent| {
            event.tick > base.tick && tick.since(event.tick) <= u32::from(event.lifetime)
        };
        let count = next.events.iter().filter(due).count();
        self.out.golomb(count as u32, EVENT_COUNT_K);
        for event in next.events.iter().filter(due) {
            let layout = schema.events[usize::from(event.kind)].layout();
            self.out.bits(u32::from(event.kind), event_bits(schema));
            self.out.golomb(next.tick.since(event.tick), 0);
            self.out.golomb(u32::from(event.lifetime), LIFETIME_K);
            for (column, &int) in layout.columns().iter().zip(&event.ints) {
                self.out.bits(
                    int.clamp(column.min, column.max).wrapping_sub(column.min) as u32,
                    u32::from(column.bits),
                );
            }
            event
                .blobs
                .iter()
                .for_each(|blob| put_blob(&mut self.out, blob));
        }
    }
}

impl Entities {
    /// Finds out who came and who went; false if nobody did.
    fn compare(&mut self, base: &Area, next: &Area) -> bool {
        let (from, to) = (&base.entities, &next.entities);
        let (before, after) = (used(from), used(to));
        for masks in [
            &mut self.base,
            &mut self.removed,
            &mut self.room,
            &mut self.added,
            &mut self.next,
        ] {
            masks.clear();
        }
        self.next
            .extend((0..after).map(|page| to.page(page).map_or(0, |p| p.present)));
        if Arc::ptr_eq(from, to) {
            return false;
        }
        let mut changed = before != after;
        for page in 0..before.max(after) {
            let (old, new) = (from.page(page), to.page(page));
            let (was, is) = (old.map_or(0, |p| p.present), new.map_or(0, |p| p.present));
            let replaced = match (old, new) {
                (Some(old), Some(new)) if !Arc::ptr_eq(old, new) => old.replaced(new),
                _ => 0,
            };
            let removed = was & !is | replaced;
            let added = is & !was | replaced;
            changed |= removed | added != 0;
            if page < before {
                self.base.push(was);
                self.removed.push(removed);
            }
            if page < after {
                self.room.push(!(was & !removed) & !u64::from(page == 0));
                self.added.push(added);
            }
        }
        changed
    }

    /// The generations of those who came, counted from the one before in their slot.
    fn gather_generations(&mut self, base: &Area, next: &Area) {
        self.generations.clear();
        for (page, &added) in self.added.iter().enumerate() {
            let Some(new) = next.entities.page(page) else {
                continue;
            };
            let removed = mask(&self.removed, page);
            for row in bits(added) {
                let before = base
                    .entities
                    .page(page)
                    .filter(|_| removed >> row & 1 == 1)
                    .map(|p| p.generations[row]);
                let from = before.map_or(0, |generation| generation.wrapping_add(1));
                self.generations
                    .push(u32::from(new.generations[row].wrapping_sub(from)));
            }
        }
    }
}

fn gather(table: &Table<Page>, rows: &[u64], column: usize, values: &mut Vec<i32>) {
    values.clear();
    for (page, &mask) in rows.iter().enumerate() {
        if let Some(page) = table.page(page) {
            let ints = page.column(column);
            values.extend(bits(mask).map(|row| ints[row]));
        }
    }
}

fn put_changed_blobs(
    out: &mut BitWriter,
    layout: &Layout,
    from: &Table<Page>,
    to: &Table<Page>,
    rows: &[u64],
) {
    for blob in 0..layout.blobs() {
        for (page, &mask) in rows.iter().enumerate() {
            let (Some(before), Some(after)) = (from.page(page), to.page(page)) else {
                continue;
            };
            for row in bits(mask) {
                let changed = before.blob(blob, row) != after.blob(blob, row);
                out.flag(changed);
                if changed {
                    put_blob(out, after.blob(blob, row));
                }
            }
        }
    }
}

fn put_new_blobs(out: &mut BitWriter, layout: &Layout, to: &Table<Page>, rows: &[u64]) {
    for blob in 0..layout.blobs() {
        for (page, &mask) in rows.iter().enumerate() {
            let Some(after) = to.page(page) else { continue };
            bits(mask).for_each(|row| put_blob(out, after.blob(blob, row)));
        }
    }
}

fn put_blob(out: &mut BitWriter, bytes: &[u8]) {
    out.golomb(bytes.len() as u32, BLOB_LENGTH_K);
    bytes.iter().for_each(|&byte| out.bits(u32::from(byte), 8));
}

fn mask(masks: &[u64], page: usize) -> u64 {
    masks.get(page).copied().unwrap_or(0)
}
