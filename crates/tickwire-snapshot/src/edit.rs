//! The next version of an area, made from the one before by what changed. Costs what is touched: pages are copied, the rest is shared.

mod rows;

pub use rows::RowsEdit;

use std::sync::Arc;

use tickwire_proto::Tick;

use crate::area::{
    ARRIVAL_TICKS_MAX, Area, AreaId, Arrival, ENTITIES_MAX, EVENTS_MAX, NetId, TickEvent, place,
};
use crate::layout::Layout;
use crate::page::{EntityPage, Page};
use crate::row::RowMut;
use crate::schema::Schema;
use crate::track::Span;
use rows::Scratch;

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
    scratch: Scratch,
}

impl AreaEdit {
    /// Starts from a version of the area. Events whose lifetime is over at `tick` are left behind.
    pub fn new(base: &Arc<Area>, tick: Tick, schema: &Arc<Schema>) -> Self {
        let mut next = Area::clone(base);
        next.tick = tick;
        next.previous = base.tick;
        next.events
            .retain(|event| tick.since(event.tick) <= u32::from(event.lifetime));
        next.arrivals
            .retain(|arrival| tick.since(arrival.tick) <= ARRIVAL_TICKS_MAX);
        Self {
            base: base.clone(),
            schema: schema.clone(),
            next,
            unchanged_until: base.tick,
            changed: false,
            scratch: Scratch::default(),
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

    /// Says that an entity which was [spawned](Self::spawn) here came from another area.
    pub fn arrived(&mut self, id: NetId, from: AreaId, was: NetId) {
        self.next.arrivals.push(Arrival {
            tick: self.next.tick,
            id,
            from,
            was,
        });
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

    /// To write many rows of one table. `None` if there is no such table.
    pub fn rows(&mut self, table: usize) -> Option<RowsEdit<'_>> {
        let layout = self.schema.record(table)?.layout();
        self.scratch.prepare(layout);
        Some(RowsEdit {
            layout,
            table,
            is_resource: self.schema.is_resource(table),
            span: Span::direct(self.next.tick.since(self.base.tick)),
            base: &self.base,
            entities: &self.next.entities,
            pages: self.next.tables.get_mut(table)?,
            scratch: &mut self.scratch,
            changed: &mut self.changed,
        })
    }

    /// Writes one row, as [`RowsEdit::set`] does.
    pub fn set(&mut self, table: usize, slot: u32, write: impl FnOnce(&mut RowMut)) -> bool {
        self.rows(table)
            .is_some_and(|mut rows| rows.set(slot, write))
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
