//! Capture: the world as a snapshot, at the cost of what changed since the last one. How one column is read is `column`'s matter.

use std::sync::Arc;

use bevy_ecs::change_detection::Tick as ChangeTick;
use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;
use tickwire_proto::Tick;
use tickwire_snapshot::page::bits;
use tickwire_snapshot::quant::UNSEEN;
use tickwire_snapshot::record::{Record, Refs};
use tickwire_snapshot::{Area, AreaEdit, AreaId, Quant, RowsEdit, Schema, Snapshot};

use crate::column::Column;
use crate::event::EventQueue;
use crate::ids::Ids;

/// World change ticks after which a capture looks at everything again: bevy's own comparison turns over at about 2^32.
const CHANGE_AGE_MAX: u32 = 1 << 30;

/// What captures did, counted since the room began: their cost is proportional to these, not to the size of the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureStats {
    /// Captures made.
    pub captures: u64,
    /// Captures that found nothing new and handed out the same areas.
    pub unchanged: u64,
    /// Columns of tables whose change ticks were read, since something in them had changed.
    pub columns_scanned: u64,
    /// Rows that were quantised: changed ones, and those that move by their velocity.
    pub rows_visited: u64,
    /// Of these, rows whose columns then differed.
    pub rows_written: u64,
    /// Slots whose entity came, went or lost a component.
    pub slots_touched: u64,
}

/// One capture under way.
pub(crate) struct Pass {
    pub base: Arc<Area>,
    pub edit: AreaEdit,
    pub stats: CaptureStats,
}

impl Pass {
    /// Quantises one row.
    pub(crate) fn set<T: Record>(&mut self, table: usize, slot: u32, value: &T, refs: &dyn Refs) {
        if let Some(mut rows) = self.rows(table) {
            rows.set(slot, value, refs);
        }
    }

    /// To quantise many rows of a table.
    pub(crate) fn rows(&mut self, table: usize) -> Option<Rows<'_>> {
        Some(Rows {
            edit: self.edit.rows(table)?,
            stats: &mut self.stats,
        })
    }
}

/// Rows of one table under way.
pub(crate) struct Rows<'a> {
    edit: RowsEdit<'a>,
    pub stats: &'a mut CaptureStats,
}

impl Rows<'_> {
    /// Quantises one row.
    #[inline]
    pub(crate) fn set<T: Record>(&mut self, slot: u32, value: &T, refs: &dyn Refs) {
        self.stats.rows_visited += 1;
        let written = self.edit.set(slot, |row| value.write(row, refs));
        self.stats.rows_written += u64::from(written);
    }
}

/// The last capture, and what is needed to make the next from it.
pub(crate) struct Capture {
    pub last: Option<Arc<Snapshot>>,
    empty: Arc<Area>,
    /// The world's change tick of the last capture.
    seen: ChangeTick,
    pub stats: CaptureStats,
}

impl Capture {
    pub(crate) fn new(schema: &Arc<Schema>) -> Self {
        Self {
            last: None,
            empty: Arc::new(Area::empty(AreaId::ALL, schema)),
            seen: ChangeTick::default(),
            stats: CaptureStats::default(),
        }
    }

    /// The snapshot at `tick`. A second call at the same tick gives the same one.
    pub(crate) fn take(
        &mut self,
        world: &mut World,
        columns: &mut [Box<dyn Column>],
        tick: Tick,
    ) -> Arc<Snapshot> {
        if let Some(last) = self.last.as_ref().filter(|last| last.tick == tick) {
            return last.clone();
        }
        let mut pass = self.begin(tick);
        let moves = reconcile(world, columns, &mut pass);
        self.read_columns(world, columns, &mut pass, &moves);
        let mut queue = world.resource_mut::<EventQueue>();
        for event in std::mem::take(&mut queue.waiting) {
            // More than an area carries at a time are refused.
            queue.dropped += u64::from(!pass.edit.event(event));
        }
        self.end(pass, tick)
    }

    fn begin(&self, tick: Tick) -> Pass {
        let last = self.last.as_ref();
        let area = last.and_then(|snapshot| snapshot.area(AreaId::ALL));
        let base = area.unwrap_or(&self.empty).clone();
        let mut edit = AreaEdit::new(&base, tick, base.schema());
        if let Some(last) = last {
            edit.unchanged_until(last.tick);
        }
        Pass {
            base,
            edit,
            stats: self.stats,
        }
    }

    fn read_columns(
        &mut self,
        world: &mut World,
        columns: &mut [Box<dyn Column>],
        pass: &mut Pass,
        moves: &Moves,
    ) {
        let now = world.change_tick();
        let age = now.get().wrapping_sub(self.seen.get());
        let first = self.last.is_none() || age > CHANGE_AGE_MAX;
        let since = if first {
            ChangeTick::new(now.get().wrapping_sub(CHANGE_AGE_MAX))
        } else {
            self.seen
        };
        world.last_change_tick_scope(since, |world| {
            for column in columns {
                column.capture(world, pass);
                moves.mend(world, column.as_ref(), pass);
            }
        });
        self.seen = now;
        // What is written from here on is newer than `seen`.
        world.increment_change_tick();
    }

    fn end(&mut self, pass: Pass, tick: Tick) -> Arc<Snapshot> {
        self.stats = pass.stats;
        self.stats.captures += 1;
        let area = pass.edit.finish().unwrap_or_else(|| {
            self.stats.unchanged += 1;
            pass.base
        });
        let snapshot = Arc::new(Snapshot {
            tick,
            areas: vec![area],
        });
        self.last = Some(snapshot.clone());
        snapshot
    }
}

/// Who came into the area and who left it, since references to them then read another way.
#[derive(Default)]
struct Moves {
    came: bool,
    /// Slots, rising.
    left: Vec<u32>,
}

/// Brings the area's entities, and which components they have, into line with the world, where hooks saw a change.
fn reconcile(world: &mut World, columns: &[Box<dyn Column>], pass: &mut Pass) -> Moves {
    let touched = world.resource_mut::<Ids>().take_touched();
    let ids = world.resource::<Ids>();
    let mut moves = Moves::default();
    for slot in touched {
        pass.stats.slots_touched += 1;
        let held = pass.base.generation(slot);
        let holds = ids.in_area(slot).map(|(id, known)| (id, known.entity));
        let stays = held.is_some() && held == holds.map(|(id, _)| id.generation);
        if held.is_some() && !stays {
            moves.left.push(slot);
            pass.edit.despawn(slot);
        }
        let Some((id, entity)) = holds else { continue };
        if stays {
            remove_lost(world, columns, pass, slot, entity);
        } else {
            moves.came = true;
            pass.edit.spawn(id);
        }
    }
    moves
}

/// Takes away the rows of components that an entity has lost.
fn remove_lost(
    world: &World,
    columns: &[Box<dyn Column>],
    pass: &mut Pass,
    slot: u32,
    entity: Entity,
) {
    for column in columns {
        let Some(table) = column.table() else {
            continue;
        };
        if pass.base.has(table, slot) && !column.is_on(world, entity) {
            pass.edit.remove(table, slot);
        }
    }
}

impl Moves {
    /// Writes rows again that refer to somebody who left, or to somebody unseen who may have come: a reference is a value of two entities.
    /// A scan of the columns that hold references, and only when somebody came or left.
    fn mend(&self, world: &World, column: &dyn Column, pass: &mut Pass) {
        let Some(table) = column.table() else { return };
        if !self.came && self.left.is_empty() {
            return;
        }
        let base = pass.base.clone();
        let references = references(&base, table);
        for (first, page) in base.pages(table) {
            let stale = references.iter().fold(0, |rows, &at| {
                rows | self.stale(page.column(at), page.present())
            });
            for row in bits(stale) {
                column.look_again(world, first + row as u32, pass);
            }
        }
    }

    fn stale(&self, slots: &[i32], present: u64) -> u64 {
        let is_stale = |int: i32| match int {
            0 => false,
            UNSEEN => self.came,
            _ => self.left.binary_search(&(int as u32 - 1)).is_ok(),
        };
        let rows = bits(present).filter(|&row| is_stale(slots[row]));
        rows.fold(0, |mask, row| mask | 1 << row)
    }
}

/// The columns of a table that hold slots of entities.
fn references(area: &Area, table: usize) -> Vec<usize> {
    let Some(record) = area.schema().record(table) else {
        return Vec::new();
    };
    let mut columns = Vec::new();
    let mut at = 0;
    for field in &record.fields {
        if field.quant == Quant::Entity {
            columns.extend((at..at + field.columns()).step_by(2));
        }
        at += field.columns();
    }
    columns
}
