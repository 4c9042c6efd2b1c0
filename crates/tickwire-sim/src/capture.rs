//! Capture: the world as a snapshot, at the cost of what changed since the last one. How one column is read is `column`'s matter.

use std::sync::Arc;

use bevy_ecs::change_detection::Tick as ChangeTick;
use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;
use tickwire_proto::Tick;
use tickwire_snapshot::page::bits;
use tickwire_snapshot::quant::UNSEEN;
use tickwire_snapshot::record::{Record, Refs};
use tickwire_snapshot::{Area, AreaEdit, Quant, RowsEdit, Schema, Snapshot};

use crate::column::Column;
use crate::division::Division;
use crate::event::EventQueue;
use crate::ids::{ALL, Ids};

/// World change ticks after which a capture looks at everything again: bevy's own comparison turns over at about 2^32.
pub(crate) const CHANGE_AGE_MAX: u32 = 1 << 30;

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
    tick: Tick,
    /// When the world was captured before.
    before: Option<Tick>,
    schema: Arc<Schema>,
    /// By their place in the book of names.
    areas: Vec<Open>,
    pub stats: CaptureStats,
}

/// One area under way.
struct Open {
    base: Arc<Area>,
    /// Begun with the first thing that is written.
    edit: Option<AreaEdit>,
}

impl Pass {
    /// How many areas there are.
    pub(crate) fn areas(&self) -> usize {
        self.areas.len()
    }

    /// An area as it was captured last.
    pub(crate) fn base(&self, area: usize) -> &Arc<Area> {
        &self.areas[area].base
    }

    /// To write into an area.
    pub(crate) fn edit(&mut self, area: usize) -> &mut AreaEdit {
        let Open { base, edit } = &mut self.areas[area];
        edit.get_or_insert_with(|| {
            let mut edit = AreaEdit::new(base, self.tick, &self.schema);
            if let Some(before) = self.before {
                edit.unchanged_until(before);
            }
            edit
        })
    }

    /// Quantises one row.
    pub(crate) fn set<T: Record>(
        &mut self,
        area: usize,
        table: usize,
        slot: u32,
        value: &T,
        refs: &dyn Refs,
    ) {
        if let Some(mut rows) = self.rows(area, table) {
            rows.set(slot, value, refs);
        }
    }

    /// To quantise many rows of a table of an area.
    pub(crate) fn rows(&mut self, area: usize, table: usize) -> Option<Rows<'_>> {
        self.edit(area);
        Some(Rows {
            edit: self.areas[area].edit.as_mut()?.rows(table)?,
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
    schema: Arc<Schema>,
    /// The newest version of each area, by its place in the book of names.
    areas: Vec<Arc<Area>>,
    /// The same places by the areas' numbers.
    order: Vec<usize>,
    /// The world's change tick of the last capture.
    seen: ChangeTick,
    pub stats: CaptureStats,
}

impl Capture {
    pub(crate) fn new(schema: &Arc<Schema>) -> Self {
        Self {
            last: None,
            schema: schema.clone(),
            areas: Vec::new(),
            order: Vec::new(),
            seen: ChangeTick::default(),
            stats: CaptureStats::default(),
        }
    }

    /// Goes on from what was published before a restore.
    pub(crate) fn go_on(&mut self, published: Option<Arc<Snapshot>>, ids: &mut Ids) {
        for area in published.iter().flat_map(|last| &last.areas) {
            let at = ids.open(area.id());
            self.fill(ids);
            self.areas[at] = area.clone();
        }
        self.last = published;
    }

    /// The snapshot at `tick`. A second call at the same tick gives the same one.
    pub(crate) fn take(
        &mut self,
        world: &mut World,
        columns: &mut [Box<dyn Column>],
        division: &mut Division,
        tick: Tick,
    ) -> Arc<Snapshot> {
        if let Some(last) = self.last.as_ref().filter(|last| last.tick == tick) {
            return last.clone();
        }
        let now = world.change_tick();
        let age = now.get().wrapping_sub(self.seen.get());
        let first = self.last.is_none() || age > CHANGE_AGE_MAX;
        let since = if first {
            ChangeTick::new(now.get().wrapping_sub(CHANGE_AGE_MAX))
        } else {
            self.seen
        };
        let pass = world.last_change_tick_scope(since, |world| {
            let crossed = division.settle(world);
            let mut pass = self.begin(world, tick);
            let moves = reconcile(world, columns, &mut pass);
            for (is, was) in crossed {
                let from = pass.base(was.area).id();
                pass.edit(is.area).arrived(is.id, from, was.id);
            }
            for column in columns {
                column.capture(world, &mut pass);
                moves
                    .iter()
                    .for_each(|moves| moves.mend(world, column.as_ref(), &mut pass));
            }
            pass
        });
        self.seen = now;
        // What is written from here on is newer than `seen`.
        world.increment_change_tick();
        self.end(pass, tick)
    }

    /// Begins with the areas as they were; the first one there is always, the others since somebody was in them.
    fn begin(&mut self, world: &mut World, tick: Tick) -> Pass {
        let queue = std::mem::take(&mut world.resource_mut::<EventQueue>().waiting);
        let mut ids = world.resource_mut::<Ids>();
        for (area, _) in &queue {
            ids.open(*area);
        }
        self.fill(&ids);
        let areas = std::mem::take(&mut self.areas);
        let open = |base| Open { base, edit: None };
        let mut pass = Pass {
            tick,
            before: self.last.as_ref().map(|last| last.tick),
            schema: self.schema.clone(),
            areas: areas.into_iter().map(open).collect(),
            stats: self.stats,
        };
        let mut refused = 0;
        for (area, event) in queue {
            // More than an area carries at a time are refused.
            let at = ids.find(area).unwrap_or(ALL);
            refused += u64::from(!pass.edit(at).event(event));
        }
        world.resource_mut::<EventQueue>().dropped += refused;
        pass
    }

    fn fill(&mut self, ids: &Ids) {
        let known = self.areas.len();
        for (at, book) in ids.areas().iter().enumerate().skip(known) {
            self.areas
                .push(Arc::new(Area::empty(book.id, &self.schema)));
            let id = |at: &usize| self.areas[*at].id();
            let place = self.order.partition_point(|at| id(at) < book.id);
            self.order.insert(place, at);
        }
    }

    fn end(&mut self, pass: Pass, tick: Tick) -> Arc<Snapshot> {
        self.stats = pass.stats;
        self.stats.captures += 1;
        let mut changed = false;
        let close = |open: Open| {
            let next = open.edit.and_then(AreaEdit::finish);
            changed |= next.is_some();
            next.unwrap_or(open.base)
        };
        self.areas = pass.areas.into_iter().map(close).collect();
        self.stats.unchanged += u64::from(!changed);
        let areas = self.order.iter().map(|&at| self.areas[at].clone());
        let snapshot = Arc::new(Snapshot {
            tick,
            areas: areas.collect(),
        });
        self.last = Some(snapshot.clone());
        snapshot
    }
}

/// Who came into an area and who left it, since references to them then read another way.
#[derive(Default)]
struct Moves {
    area: usize,
    came: bool,
    /// Slots, rising.
    left: Vec<u32>,
}

/// Brings the areas' entities, and which components they have, into line with the world, where hooks saw a change or somebody moved.
fn reconcile(world: &mut World, columns: &[Box<dyn Column>], pass: &mut Pass) -> Vec<Moves> {
    let touched = world.resource_mut::<Ids>().take_touched();
    let ids = world.resource::<Ids>();
    let mut all = Vec::with_capacity(touched.len());
    for (area, slots) in touched {
        let mut moves = Moves {
            area,
            ..Moves::default()
        };
        for slot in slots {
            pass.stats.slots_touched += 1;
            let held = pass.base(area).generation(slot);
            let holds = ids
                .in_area(area, slot)
                .map(|(id, known)| (id, known.entity));
            let stays = held.is_some() && held == holds.map(|(id, _)| id.generation);
            if held.is_some() && !stays {
                moves.left.push(slot);
                pass.edit(area).despawn(slot);
            }
            let Some((id, entity)) = holds else { continue };
            if stays {
                remove_lost(world, columns, pass, (area, slot), entity);
            } else {
                moves.came = true;
                pass.edit(area).spawn(id);
                // What has not changed comes along.
                let components = columns.iter().filter(|column| column.id().is_some());
                for column in components.take_while(|_| ids.is_divided()) {
                    column.look_again(world, area, slot, pass);
                }
            }
        }
        if moves.came || !moves.left.is_empty() {
            all.push(moves);
        }
    }
    all
}

/// Takes away the rows of components that an entity has lost.
fn remove_lost(
    world: &World,
    columns: &[Box<dyn Column>],
    pass: &mut Pass,
    (area, slot): (usize, u32),
    entity: Entity,
) {
    for column in columns {
        let Some(table) = column.table() else {
            continue;
        };
        if pass.base(area).has(table, slot) && !column.is_on(world, entity) {
            pass.edit(area).remove(table, slot);
        }
    }
}

impl Moves {
    /// Writes rows again that refer to somebody who left, or to somebody unseen who may have come: a reference is a value of two entities.
    /// A scan of the area's columns that hold references, and only when somebody came or left.
    fn mend(&self, world: &World, column: &dyn Column, pass: &mut Pass) {
        let Some(table) = column.table() else { return };
        let base = pass.base(self.area).clone();
        let references = references(&base, table);
        if references.is_empty() {
            return;
        }
        for (first, page) in base.pages(table) {
            let stale = references.iter().fold(0, |rows, &at| {
                rows | self.stale(page.column(at), page.present())
            });
            for row in bits(stale) {
                column.look_again(world, self.area, first + row as u32, pass);
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
