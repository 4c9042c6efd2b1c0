//! How a room is divided into areas: who places entities on the grid, and which seat sees which areas. What an area holds is `capture`'s matter.

use bevy_ecs::change_detection::{ContiguousRef, DetectChanges, Ref};
use bevy_ecs::component::{Component, StorageType};
use bevy_ecs::entity::Entity;
use bevy_ecs::query::QueryState;
use bevy_ecs::world::World;
use tickwire_snapshot::{AreaId, NetId};

use crate::grid::{Grid, Point};
use crate::ids::{Ids, NetEntity, Place};

/// A component that says where its entity is, without its type.
pub(crate) trait Placer: Send + Sync {
    fn setup(&mut self, world: &mut World);
    /// Where an entity is, if it has the component.
    fn point(&self, world: &World, entity: Entity) -> Option<Point>;
    /// Everybody whose component changed since the tick that the world says.
    fn changed(&mut self, world: &World, found: &mut dyn FnMut(NetId, Point));
}

/// The function from a component to a place.
pub(crate) struct By<C: Component, F> {
    place: F,
    rows: Option<QueryState<(&'static NetEntity, Ref<'static, C>)>>,
}

impl<C: Component, F: Fn(&C) -> Point + Send + Sync> By<C, F> {
    pub(crate) fn new(place: F) -> Self {
        Self { place, rows: None }
    }
}

impl<C: Component, F: Fn(&C) -> Point + Send + Sync> Placer for By<C, F> {
    fn setup(&mut self, world: &mut World) {
        self.rows = Some(world.query());
    }

    fn point(&self, world: &World, entity: Entity) -> Option<Point> {
        world.get::<C>(entity).map(&self.place)
    }

    fn changed(&mut self, world: &World, found: &mut dyn FnMut(NetId, Point)) {
        let Some(rows) = &mut self.rows else { return };
        let rows = rows.query(world);
        if C::STORAGE_TYPE != StorageType::Table {
            for (net, value) in rows.iter().filter(|(_, value)| value.is_changed()) {
                found(net.id(), (self.place)(&value));
            }
            return;
        }
        for (nets, values) in rows.contiguous_iter_inner().into_iter().flatten() {
            let (values, ticks) = ContiguousRef::split(values);
            if ticks.summary_tick_is_changed() == Some(false) {
                continue;
            }
            for ((net, value), changed) in nets.iter().zip(values).zip(ticks.is_changed_iter()) {
                if changed {
                    found(net.id(), (self.place)(value));
                }
            }
        }
    }
}

/// The rule by which entities belong to areas.
#[derive(Default)]
pub(crate) struct Division {
    pub grid: Option<Grid>,
    /// The first one whose component an entity has says where it is.
    pub placers: Vec<Box<dyn Placer>>,
}

impl Division {
    pub(crate) fn setup(&mut self, world: &mut World) {
        let Some(grid) = self.grid else { return };
        self.placers
            .iter_mut()
            .for_each(|placer| placer.setup(world));
        world.resource_mut::<Ids>().divide();
        world
            .resource_mut::<crate::event::EventQueue>()
            .set_grid(grid);
    }

    /// Where an entity is.
    pub(crate) fn point(&self, world: &World, entity: Entity) -> Option<Point> {
        self.placers
            .iter()
            .find_map(|placer| placer.point(world, entity))
    }

    /// Puts everybody into the area where they are now: those who are new, and those who have moved far enough. In the order of their names.
    /// Who was in another area before: where they are and where they were.
    pub(crate) fn settle(&mut self, world: &mut World) -> Vec<(Place, Place)> {
        let Some(grid) = self.grid else {
            return Vec::new();
        };
        let mut moved: Vec<(NetId, AreaId)> = Vec::new();
        let unsettled = world.resource_mut::<Ids>().take_unsettled();
        let ids = world.resource::<Ids>();
        for index in 0..self.placers.len() {
            let (before, rest) = self.placers.split_at_mut(index);
            rest[0].changed(world, &mut |id, at| {
                let Some(known) = ids.get(id).filter(|known| known.shown() > 0) else {
                    return;
                };
                let mut earlier = before.iter();
                if !earlier.any(|placer| placer.point(world, known.entity).is_some()) {
                    note(ids, &grid, id, Some(at), &mut moved);
                }
            });
        }
        for id in unsettled {
            let known = ids.get(id).filter(|known| known.shown() > 0);
            if let Some(known) = known {
                let at = self.point(world, known.entity);
                note(ids, &grid, id, at, &mut moved);
            }
        }
        moved.sort_unstable();
        moved.dedup();
        let mut ids = world.resource_mut::<Ids>();
        let moves = moved
            .into_iter()
            .filter_map(|(id, area)| ids.move_to(id, area));
        moves.filter_map(|(is, was)| Some((is, was?))).collect()
    }
}

/// Notes where somebody has to go, if that is another area than theirs.
fn note(ids: &Ids, grid: &Grid, id: NetId, at: Option<Point>, moved: &mut Vec<(NetId, AreaId)>) {
    let now = ids.area_of(id);
    let area = match (at, now.and_then(|now| grid.cell_of(now))) {
        (Some(at), Some(cell)) => grid.area(grid.cell_from(cell, at)),
        (Some(at), None) => grid.area(grid.cell(at)),
        (None, _) => AreaId::ALL,
    };
    if now != Some(area) {
        moved.push((id, area));
    }
}
