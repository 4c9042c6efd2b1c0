//! A registered component as a client that predicts needs it: from rows and from its owner's exact form, kept tick by tick, and put back. Not when.

use bevy_ecs::change_detection::Tick as ChangeTick;
use bevy_ecs::component::Component;
use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;
use tickwire_snapshot::layout::Column;
use tickwire_snapshot::record::{ReadError, Record, Refs};
use tickwire_snapshot::{Area, OwnedRow, Scope};

use super::Components;
use crate::ids::Ids;
use crate::refs::AreaRefs;

/// What of an area is to be taken over into the world.
pub(crate) struct Reflection<'a> {
    pub area: &'a Area,
    /// Its place in the book of names.
    pub at: usize,
    /// What was taken over last, if rows that did not change since may be left alone.
    pub base: Option<&'a Area>,
    /// Rows that systems wrote since then are taken over all the same.
    pub since: ChangeTick,
    /// By slot: who is in it.
    pub rows: &'a [(u32, Entity)],
}

/// The past of one component, by frames: who had what at the end of a tick.
pub(crate) type Past<C> = std::collections::VecDeque<Vec<Option<C>>>;

impl<C: Component + Record> Components<C> {
    pub(super) fn reflect_rows(&self, world: &mut World, it: &Reflection<'_>) {
        let Some(table) = self.table else { return };
        let now = world.change_tick();
        let ids = world.resource::<Ids>();
        let refs = AreaRefs {
            world,
            ids,
            area: it.at,
        };
        let mut changes: Vec<(Entity, Option<C>)> = Vec::new();
        for &(slot, entity) in it.rows {
            let Ok(held) = world.get_entity(entity) else {
                continue;
            };
            let row = it.area.row(table, slot);
            let ticks = held.get_change_ticks::<C>();
            let same = it
                .base
                .is_some_and(|base| same_row(base, it.area, table, slot))
                && ticks.is_some() == row.is_some()
                && ticks.is_none_or(|ticks| !ticks.changed.is_newer_than(it.since, now));
            if same {
                continue;
            }
            match row.map(|row| C::read(&row, &refs)) {
                Some(Ok(value)) => changes.push((entity, Some(value))),
                Some(Err(_)) => {} // what the schema allows and the type does not: as it was
                None => changes.push((entity, None)),
            }
        }
        for (entity, value) in changes {
            put(world, entity, value);
        }
    }

    pub(super) fn own_bytes(&self, value: Option<&C>, refs: &dyn Refs, out: &mut Vec<u8>) -> bool {
        if let Some(value) = value.filter(|_| self.own) {
            value.write_own(out, refs);
            return true;
        }
        false
    }

    pub(super) fn take_own(
        &self,
        world: &mut World,
        entity: Entity,
        input: Option<&mut &[u8]>,
        area: usize,
    ) -> Result<(), ReadError> {
        let value = match input {
            None => None,
            Some(input) => {
                let refs = AreaRefs {
                    world,
                    ids: world.resource::<Ids>(),
                    area,
                };
                Some(C::read_own(world.get::<C>(entity), input, &refs)?)
            }
        };
        put(world, entity, value);
        Ok(())
    }

    pub(super) fn keep_past(&mut self, world: &World, entities: &[Entity]) {
        let mut frame = self.spare.pop().unwrap_or_default();
        let values = entities.iter();
        frame.extend(values.map(|entity| world.get::<C>(*entity).map(Record::duplicate)));
        self.past.push_back(frame);
    }

    /// What somebody had at the end of a frame.
    pub(super) fn past_of(&self, (frame, index): (usize, usize)) -> Option<&C> {
        self.past.get(frame)?.get(index)?.as_ref()
    }

    pub(super) fn forget_past(&mut self, oldest: usize, newest: usize) {
        let mut gone: Vec<Vec<Option<C>>> =
            self.past.drain(..oldest.min(self.past.len())).collect();
        for _ in 0..newest {
            gone.extend(self.past.pop_back());
        }
        for mut frame in gone {
            frame.clear();
            self.spare.push(frame);
        }
    }

    /// Whether the past, as others see it, is what a row says, up to `steps` of its quantisers.
    pub(super) fn past_is_near(
        &self,
        world: &World,
        at: (usize, usize),
        (area, slot): (&Area, u32),
        steps: u32,
    ) -> bool {
        let Some(table) = self.table else {
            return true;
        };
        let past = self.past_of(at);
        let (Some(past), Some(row)) = (past, area.row(table, slot)) else {
            return past.is_some() == area.has(table, slot);
        };
        let Some(record) = area.schema().record(table) else {
            return true;
        };
        let refs = AreaRefs {
            world,
            ids: world.resource::<Ids>(),
            area: 0,
        };
        let mut ours = OwnedRow::new(record);
        past.write(&mut ours.row_mut(record), &refs);
        let theirs = row.to_owned();
        let columns = record.layout().columns().iter();
        let near = |((a, b), column): ((&i32, &i32), &Column)| {
            // A track lies up to half a step beside the truth, and counts finer units.
            let allowed = match column.track {
                Some((_, track)) => track.cell * (steps + 1),
                None => steps,
            };
            a.wrapping_sub(*b).unsigned_abs() <= allowed
        };
        ours.blobs == theirs.blobs && ours.ints.iter().zip(&theirs.ints).zip(columns).all(near)
    }
}

fn same_row(base: &Area, area: &Area, table: usize, slot: u32) -> bool {
    match (base.row(table, slot), area.row(table, slot)) {
        (Some(a), Some(b)) => {
            base.generation(slot) == area.generation(slot)
                && a.ints() == b.ints()
                && a.to_owned().blobs == b.to_owned().blobs
        }
        (None, None) => true,
        _ => false,
    }
}

pub(super) fn put<C: Component>(world: &mut World, entity: Entity, value: Option<C>) {
    let Ok(mut held) = world.get_entity_mut(entity) else {
        return;
    };
    match value {
        Some(value) => {
            held.insert(value);
        }
        None => {
            held.remove::<C>();
        }
    }
}

/// Whether its owner may know of a record at all.
pub(super) fn is_own(scope: Scope) -> bool {
    matches!(scope, Scope::All | Scope::Owner)
}
