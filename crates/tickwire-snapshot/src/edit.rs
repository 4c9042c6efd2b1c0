//! The next version of an area, made from the one before by what changed. Costs what is touched: pages are copied, the rest is shared.

use std::sync::Arc;

use tickwire_proto::Tick;

use crate::area::{Area, ENTITIES_MAX, EVENTS_MAX, NetId, TickEvent, place};
use crate::layout::Layout;
use crate::page::{EntityPage, PAGE_ROWS, Page};
use crate::row::{Blob, RowMut};
use crate::schema::Schema;
use crate::track::{Span, Track};

/// Writes what a capture found into the next version of an area.
///
/// The canonical track: where a field is moved by a velocity, its column holds the place that the last version and the velocity predict, as
/// long as that is within half a step of the truth; else it is corrected by whole steps. Rows that [move](Area::moving) must be set at
/// each capture, for their prediction moves on.
///
/// ```
/// use std::sync::Arc;
/// use tickwire_proto::Tick;
/// use tickwire_snapshot::{Area, AreaEdit, AreaId, FieldSchema, NetId, Quant, RecordSchema, Schema};
/// let mut schema = Schema::new("dots", 33_333);
/// schema.components.push(RecordSchema::new("Dot", vec![FieldSchema::new("hue", Quant::Bits { bits: 8, signed: false })]));
/// schema.seal()?;
/// let schema = Arc::new(schema);
/// let empty = Arc::new(Area::empty(AreaId::ALL, &schema));
/// let mut edit = AreaEdit::new(&empty, Tick(2), &schema);
/// edit.spawn(NetId { slot: 1, generation: 0 });
/// edit.set(0, 1, |row| row.field(0).ints[0] = 7);
/// let area = edit.finish().expect("something changed");
/// assert_eq!(area.int(0, 1, 0), Some(7));
/// assert!(AreaEdit::new(&area, Tick(4), &schema).finish().is_none());
/// # Ok::<(), tickwire_snapshot::SchemaError>(())
/// ```
#[derive(Debug)]
pub struct AreaEdit {
    base: Arc<Area>,
    schema: Arc<Schema>,
    next: Area,
    unchanged_until: Tick,
    changed: bool,
    ints: Vec<i32>,
    blobs: Vec<Blob>,
}

impl AreaEdit {
    /// Starts from a version of the area. Events whose lifetime is over at `tick` are left behind.
    pub fn new(base: &Arc<Area>, tick: Tick, schema: &Arc<Schema>) -> Self {
        let mut next = Area::clone(base);
        next.tick = tick;
        next.previous = base.tick;
        next.events
            .retain(|event| tick.since(event.tick) <= u32::from(event.lifetime));
        Self {
            base: base.clone(),
            schema: schema.clone(),
            next,
            unchanged_until: base.tick,
            changed: false,
            ints: Vec::new(),
            blobs: Vec::new(),
        }
    }

    /// Says that a capture at this tick still saw the base as it is.
    pub fn unchanged_until(&mut self, tick: Tick) {
        self.unchanged_until = self.unchanged_until.max(tick).min(self.next.tick);
    }

    /// Puts an entity into its slot; another one in that slot goes first. Ignored if it is there already, or the slot is 0 or too great.
    pub fn spawn(&mut self, id: NetId) {
        if self.next.contains(id) || id.slot == 0 || id.slot as usize >= ENTITIES_MAX {
            return;
        }
        self.despawn(id.slot);
        let (index, row) = place(id.slot);
        let page = Arc::make_mut(&mut self.next.entities).page_mut(index, EntityPage::default);
        page.present |= 1 << row;
        page.generations[row] = id.generation;
        self.next.len += 1;
        self.changed = true;
    }

    /// Takes the entity of a slot away with all its rows.
    pub fn despawn(&mut self, slot: u32) {
        if self.next.generation(slot).is_none() {
            return;
        }
        let (index, row) = place(slot);
        let entities = Arc::make_mut(&mut self.next.entities);
        let page = entities.page_mut(index, EntityPage::default);
        page.present &= !(1 << row);
        page.generations[row] = 0;
        if page.present == 0 {
            entities.clear_page(index);
        }
        self.next.len -= 1;
        self.changed = true;
        for table in 0..self.next.tables.len() {
            self.remove(table, slot);
        }
    }

    /// Writes the row of an entity (or of a resource: slot 0) and says whether anything changed. Ignored where there is no such entity.
    ///
    /// `write` gets zeros to fill in; positions with a velocity as true as the column's finer quantiser can tell.
    pub fn set(&mut self, table: usize, slot: u32, write: impl FnOnce(&mut RowMut)) -> bool {
        let schema = self.schema.clone();
        let Some(record) = schema.record(table) else {
            return false;
        };
        let lives = if schema.is_resource(table) {
            slot == 0
        } else {
            self.next.generation(slot).is_some()
        };
        if !lives {
            return false;
        }
        let layout = record.layout();
        self.prepare(layout);
        write(&mut RowMut::of_layout(
            layout,
            &mut self.ints,
            &mut self.blobs,
        ));
        self.make_valid(layout);
        self.keep_tracks(layout, table, slot);
        let changed = self.differs(table, slot);
        if changed {
            self.store(layout, table, slot);
        }
        changed
    }

    /// Takes a row away.
    pub fn remove(&mut self, table: usize, slot: u32) {
        if !self.next.has(table, slot) {
            return;
        }
        let Some(record) = self.schema.record(table) else {
            return;
        };
        let (index, row) = place(slot);
        let pages = Arc::make_mut(&mut self.next.tables[table]);
        let page = pages.page_mut(index, || Page::new(record.layout()));
        page.clear_rows(1 << row);
        if page.present == 0 {
            pages.clear_page(index);
        }
        self.changed = true;
    }

    /// Adds something that happened; kept for its lifetime. False if it is full of events, or the event is none that the schema can tell.
    pub fn event(&mut self, event: TickEvent) -> bool {
        let Some(record) = self.schema.events.get(usize::from(event.kind)) else {
            return false;
        };
        let after_base = event.tick > self.base.tick || self.base.tick == Tick(0);
        let on_time = after_base && event.tick <= self.next.tick;
        let full = self.next.events.len() >= EVENTS_MAX;
        if full || !on_time || !fits(&event, record.layout()) {
            return false;
        }
        self.next.events.push(event);
        self.changed = true;
        true
    }

    /// The new version, or nothing if nothing changed.
    pub fn finish(mut self) -> Option<Arc<Area>> {
        self.next.before = self.unchanged_until;
        self.changed.then(|| Arc::new(self.next))
    }

    fn prepare(&mut self, layout: &Layout) {
        self.ints.clear();
        self.ints.resize(layout.columns().len(), 0);
        self.blobs.iter_mut().for_each(Blob::clear);
        self.blobs.resize_with(layout.blobs(), Blob::new);
    }

    /// A writer that is no quantiser must not make what no client would accept.
    fn make_valid(&mut self, layout: &Layout) {
        for (int, column) in self.ints.iter_mut().zip(layout.columns()) {
            let clamped = (*int).clamp(column.min, column.max);
            *int = if column.valid(clamped) { clamped } else { 0 };
        }
    }

    /// Turns the true places in the scratch row into canonical tracks.
    fn keep_tracks(&mut self, layout: &Layout, table: usize, slot: u32) {
        let same_entity = slot == 0 || self.base.generation(slot) == self.next.generation(slot);
        let old = self.base.page_of(table, slot).filter(|_| same_entity);
        let span = Span::direct(self.next.tick.since(self.base.tick));
        for (index, column) in layout.columns().iter().enumerate() {
            let Some((velocity, track)) = &column.track else {
                continue;
            };
            let half = (track.cell / 2) as i32;
            let truth = self.ints[index].clamp(column.min + half, column.max - half);
            self.ints[index] = match old {
                Some((page, row)) => {
                    let velocities = [self.ints[usize::from(*velocity)]; 2];
                    let predicted = column.moved(track, page.int(index, row), velocities, span);
                    correct(track, predicted, truth)
                }
                None => correct(track, 0, truth),
            };
        }
    }

    fn differs(&self, table: usize, slot: u32) -> bool {
        let Some((page, row)) = self.next.page_of(table, slot) else {
            return true;
        };
        self.ints
            .iter()
            .enumerate()
            .any(|(column, &int)| page.int(column, row) != int)
            || self
                .blobs
                .iter()
                .enumerate()
                .any(|(blob, bytes)| page.blob(blob, row) != bytes.as_slice())
    }

    fn store(&mut self, layout: &Layout, table: usize, slot: u32) {
        let (index, row) = place(slot);
        let page =
            Arc::make_mut(&mut self.next.tables[table]).page_mut(index, || Page::new(layout));
        page.present |= 1 << row;
        for (cell, &int) in page
            .ints
            .iter_mut()
            .skip(row)
            .step_by(PAGE_ROWS)
            .zip(&self.ints)
        {
            *cell = int;
        }
        for (blob, bytes) in self.blobs.iter().enumerate() {
            if page.blob(blob, row) != bytes.as_slice() {
                let valid = layout.blob_quant(blob).valid_blob(bytes);
                page.set_blob(blob, row, if valid { bytes } else { &[] });
            }
        }
        page.find_moving(layout, 1 << row);
        self.changed = true;
    }
}

/// Whether every column and blob is valid: else no client would take the delta.
fn fits(event: &TickEvent, layout: &Layout) -> bool {
    let counts = (layout.columns().len(), layout.blobs());
    let mut columns = layout.columns().iter().zip(&event.ints);
    let mut blobs = event.blobs.iter().enumerate();
    (event.ints.len(), event.blobs.len()) == counts
        && columns.all(|(column, &int)| column.valid(int))
        && blobs.all(|(blob, bytes)| layout.blob_quant(blob).valid_blob(bytes))
}

/// The predicted place, moved by whole steps until it is within half a step of the truth.
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
