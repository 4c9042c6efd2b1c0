//! An area: the part of a snapshot that is seen or not seen as a whole. Immutable; made by `AreaEdit` or by the decoder.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tickwire_proto::Tick;

use crate::hash::finish;
use crate::page::{Bits, EntityPage, PAGE_ROWS, Page, Table, bits, same_page};
use crate::row::Row;
use crate::schema::Schema;
use crate::value::Value;

/// Slots of an area at most, slot 0 (the room itself) included.
pub const ENTITIES_MAX: usize = 65_536;
/// Living tick events of an area at most.
pub const EVENTS_MAX: usize = 1024;

/// The name of an entity in its area: a slot, and which of the slot's tenants it is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct NetId {
    /// Its place in the area's pages; never 0, which is the room itself.
    pub slot: u32,
    /// Counts the entities that had this slot.
    pub generation: u16,
}

/// Areas of a room are numbered below this: with a slot and a generation such a number is exact in a double.
pub const AREA_IDS_MAX: u32 = 1 << 20;

/// The number of an area, below [`AREA_IDS_MAX`]. It says where the area is or who it is for, and counts nothing.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct AreaId(pub u32);

impl AreaId {
    /// The area that everybody sees.
    pub const ALL: Self = Self(0);
}

/// Something that happened at a tick: heard by a client when its picture reaches that tick.
#[derive(Clone, Debug, PartialEq)]
pub struct TickEvent {
    /// When.
    pub tick: Tick,
    /// Index in the schema's events.
    pub kind: u16,
    /// Ticks after which nobody needs to hear of it any more.
    pub lifetime: u16,
    /// Its columns.
    pub ints: Vec<i32>,
    /// Its texts and blobs.
    pub blobs: Vec<Vec<u8>>,
}

/// Ticks for which an area knows who came from another one.
pub const ARRIVAL_TICKS_MAX: u32 = 256;

/// Somebody who came into an area from another one: the same entity under another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When: that of the first version that has it.
    pub tick: Tick,
    /// What it is called here.
    pub id: NetId,
    /// Where it was before.
    pub from: AreaId,
    /// What it was called there.
    pub was: NetId,
}

/// What is true of an area from its tick on, quantised: entities, and rows of components and resources, in shared pages of 64 slots.
///
/// Two areas are [`same`](Self::same) if ids, generations and columns (tracks included) are; events, arrivals and ticks are not content.
/// Tables are numbered as in [`Schema::record`]; resources are rows of slot 0.
#[derive(Clone, Debug)]
pub struct Area {
    pub(crate) id: AreaId,
    pub(crate) tick: Tick,
    pub(crate) before: Tick,
    pub(crate) previous: Tick,
    pub(crate) schema: Arc<Schema>,
    pub(crate) len: u32,
    pub(crate) entities: Arc<Table<EntityPage>>,
    pub(crate) tables: Vec<Arc<Table<Page>>>,
    pub(crate) events: Vec<TickEvent>,
    pub(crate) arrivals: Vec<Arrival>,
}

impl Area {
    /// An area with nothing in it, true from tick 0 on.
    pub fn empty(id: AreaId, schema: &Arc<Schema>) -> Self {
        Self {
            id,
            tick: Tick(0),
            before: Tick(0),
            previous: Tick(0),
            schema: schema.clone(),
            len: 0,
            entities: Arc::default(),
            tables: vec![Arc::default(); schema.tables()],
            events: Vec::new(),
            arrivals: Vec::new(),
        }
    }

    /// An area with nothing in it, of which the same is known at a later tick.
    pub fn empty_at(id: AreaId, schema: &Arc<Schema>, tick: Tick) -> Self {
        Self {
            tick,
            ..Self::empty(id, schema)
        }
    }

    /// Its number.
    pub fn id(&self) -> AreaId {
        self.id
    }

    /// The tick of its last change: what it holds was captured then.
    pub fn tick(&self) -> Tick {
        self.tick
    }

    /// The last tick at which what it held before this change is known to have been true.
    pub fn before(&self) -> Tick {
        self.before
    }

    /// The tick of the version before this one.
    pub fn previous(&self) -> Tick {
        self.previous
    }

    /// The schema of its tables.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Number of entities.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether it has no entity. It may still have resources.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its entities by rising slot.
    pub fn entities(&self) -> impl Iterator<Item = NetId> {
        self.entities
            .pages
            .iter()
            .enumerate()
            .flat_map(|(index, page)| {
                let page = page.as_deref();
                rows_of(page.map_or(0, |p| p.present), index).map(move |slot| NetId {
                    slot,
                    generation: page.map_or(0, |p| p.generations[slot as usize % PAGE_ROWS]),
                })
            })
    }

    /// The generation of the entity in a slot.
    pub fn generation(&self, slot: u32) -> Option<u16> {
        let (index, row) = place(slot);
        let page = self.entities.page(index)?;
        (page.present >> row & 1 == 1).then(|| page.generations[row])
    }

    /// Whether this very entity is here.
    pub fn contains(&self, id: NetId) -> bool {
        self.generation(id.slot) == Some(id.generation)
    }

    /// Tables that have a row for a slot.
    pub fn components(&self, slot: u32) -> impl Iterator<Item = usize> {
        (0..self.tables.len()).filter(move |&table| self.has(table, slot))
    }

    /// Whether a table has a row for a slot.
    pub fn has(&self, table: usize, slot: u32) -> bool {
        self.page_of(table, slot).is_some()
    }

    /// The slots that have a row in a table, rising.
    pub fn rows(&self, table: usize) -> impl Iterator<Item = u32> {
        self.masks(table, |page| page.present)
    }

    /// The slots whose row in a table moves by its velocity: to be captured again although the game changed nothing.
    pub fn moving(&self, table: usize) -> impl Iterator<Item = u32> {
        self.masks(table, |page| page.moving)
    }

    /// The pages of a table, with the slot of their first row.
    pub fn pages(&self, table: usize) -> impl Iterator<Item = (u32, &Arc<Page>)> {
        let pages = self.tables.get(table).map_or(&[][..], |t| &t.pages);
        pages
            .iter()
            .enumerate()
            .filter_map(|(index, page)| Some(((index * PAGE_ROWS) as u32, page.as_ref()?)))
    }

    /// A row, gathered from its columns.
    pub fn row(&self, table: usize, slot: u32) -> Option<Row<'_>> {
        let (page, row) = self.page_of(table, slot)?;
        Some(Row::of_page(self.schema.record(table)?.layout(), page, row))
    }

    /// One integer column of a row.
    #[inline]
    pub fn int(&self, table: usize, slot: u32, column: usize) -> Option<i32> {
        let (page, row) = self.page_of(table, slot)?;
        page.ints.get(column * PAGE_ROWS + row).copied()
    }

    /// One text or blob of a row.
    pub fn blob(&self, table: usize, slot: u32, blob: usize) -> Option<&[u8]> {
        let (page, row) = self.page_of(table, slot)?;
        Some(
            page.blobs
                .get(blob * PAGE_ROWS + row)?
                .as_deref()
                .unwrap_or(&[]),
        )
    }

    /// The number in the first column of a field: ranges, angles, integers, floats. A track gives its exact place.
    #[inline]
    pub fn number(&self, table: usize, slot: u32, field: usize) -> Option<f64> {
        let (page, row) = self.page_of(table, slot)?;
        let place = self.schema.record(table)?.layout().fields().get(field)?;
        let int = page.ints.get(place.offset * PAGE_ROWS + row)?;
        (place.columns > 0).then(|| place.quant.number(&[*int]))
    }

    /// A field as a value of its own.
    pub fn value(&self, table: usize, slot: u32, field: usize) -> Option<Value> {
        let row = self.row(table, slot)?;
        let schema = self.schema.record(table)?.fields.get(field)?;
        let field = row.field(field);
        Some(schema.value(field.ints, field.blob.unwrap_or(&[])))
    }

    /// The tick events that live in it, oldest first.
    pub fn events(&self) -> &[TickEvent] {
        &self.events
    }

    /// Who came from other areas of late, oldest first. No part of what viewers of this area alone are told.
    pub fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    /// The state hash: equal for equal content, on every machine. Pages that did not change are not hashed again.
    pub fn hash(&self) -> u64 {
        let mut sum = finish(u64::from(self.id.0) ^ 0x7469_636b);
        for (index, page) in self.entities.pages.iter().enumerate() {
            if let Some(page) = page {
                sum = sum.wrapping_add(finish(page.hash() ^ seat(usize::from(u16::MAX), index)));
            }
        }
        for (number, table) in self.tables.iter().enumerate() {
            for (index, page) in table.pages.iter().enumerate() {
                if let Some(page) = page {
                    sum = sum.wrapping_add(finish(page.hash() ^ seat(number, index)));
                }
            }
        }
        finish(sum)
    }

    /// Whether two areas hold the same: entities, generations, columns and blobs.
    pub fn same(&self, other: &Self) -> bool {
        self.id == other.id
            && self.len == other.len
            && self.tables.len() == other.tables.len()
            && same_table(&self.entities, &other.entities)
            && self
                .tables
                .iter()
                .zip(&other.tables)
                .all(|(a, b)| same_table(a, b))
    }

    #[inline]
    pub(crate) fn page_of(&self, table: usize, slot: u32) -> Option<(&Page, usize)> {
        let (index, row) = place(slot);
        let page = self.tables.get(table)?.page(index)?;
        (page.present >> row & 1 == 1).then_some((page, row))
    }

    fn masks(&self, table: usize, mask: impl Fn(&Page) -> u64) -> impl Iterator<Item = u32> {
        let pages = self.tables.get(table).map_or(&[][..], |t| &t.pages);
        pages
            .iter()
            .enumerate()
            .flat_map(move |(index, page)| rows_of(page.as_deref().map_or(0, &mask), index))
    }
}

/// The page and the row of a slot.
#[inline]
pub(crate) fn place(slot: u32) -> (usize, usize) {
    (slot as usize / PAGE_ROWS, slot as usize % PAGE_ROWS)
}

fn rows_of(mask: u64, page: usize) -> std::iter::Map<Bits, impl FnMut(usize) -> u32> {
    bits(mask).map(move |row| (page * PAGE_ROWS + row) as u32)
}

/// A number of its own for each place of a page, so that pages cannot change places unseen.
fn seat(table: usize, page: usize) -> u64 {
    finish((table as u64) << 32 | page as u64 | 1 << 63)
}

fn same_table<P: Clone + PartialEq>(a: &Arc<Table<P>>, b: &Arc<Table<P>>) -> bool {
    Arc::ptr_eq(a, b)
        || (0..a.pages.len().max(b.pages.len())).all(|i| {
            let (a, b) = (a.page(i), b.page(i));
            same_page(a, b) || a == b
        })
}
