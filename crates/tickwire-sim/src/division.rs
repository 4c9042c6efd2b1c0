//! How a room is divided into areas: what places entities on the grid, and what says who else may see them. What an area holds is `capture`'s matter.

use bevy_ecs::change_detection::{ContiguousRef, DetectChanges, Ref};
use bevy_ecs::component::{Component, StorageType};
use bevy_ecs::entity::Entity;
use bevy_ecs::query::QueryState;
use bevy_ecs::world::World;
use tickwire_snapshot::{AreaId, NetId};

use crate::areas::SeenBy;
use crate::grid::{Grid, Kind, NOBODY, Point, area};
use crate::ids::{Ids, NetEntity, Place};
use crate::player::{OwnedBy, Player};
use crate::sight::{Sees, Sight};

/// Where an entity belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Spot {
    /// On the grid.
    At(Point),
    /// Wherever it is, to those.
    To(SeenBy),
}

/// A component that says where its entity belongs, without its type.
pub(crate) trait Placer: Send + Sync {
    fn setup(&mut self, world: &mut World);
    /// Where an entity belongs, if it has the component.
    fn spot(&self, world: &World, entity: Entity) -> Option<Spot>;
    /// Everybody whose component changed since the tick that the world says.
    fn changed(&mut self, world: &World, found: &mut dyn FnMut(NetId, Option<Spot>));
}

/// The function from a component to a spot.
pub(crate) struct By<C: Component, F> {
    place: F,
    rows: Option<QueryState<(&'static NetEntity, Ref<'static, C>)>>,
}

impl<C: Component, F: Fn(&C) -> Option<Spot> + Send + Sync> By<C, F> {
    pub(crate) fn new(place: F) -> Self {
        Self { place, rows: None }
    }
}

impl<C: Component, F: Fn(&C) -> Option<Spot> + Send + Sync> Placer for By<C, F> {
    fn setup(&mut self, world: &mut World) {
        self.rows = Some(world.query());
    }

    fn spot(&self, world: &World, entity: Entity) -> Option<Spot> {
        world.get::<C>(entity).and_then(&self.place)
    }

    fn changed(&mut self, world: &World, found: &mut dyn FnMut(NetId, Option<Spot>)) {
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

/// The rule by which entities belong to areas, and seats see them.
#[derive(Default)]
pub(crate) struct Division {
    pub grid: Option<Grid>,
    /// The first one whose component an entity has says where it belongs.
    pub placers: Vec<Box<dyn Placer>>,
    /// So many of them, the first, say whom something is for.
    pub audiences: usize,
    pub sees: Option<Box<Sees>>,
}

impl Division {
    /// Whether there are several areas.
    pub(crate) fn divides(&self) -> bool {
        self.grid.is_some() || self.audiences > 0
    }

    pub(crate) fn setup(&mut self, world: &mut World) {
        if !self.divides() {
            return;
        }
        self.placers
            .iter_mut()
            .for_each(|placer| placer.setup(world));
        world.resource_mut::<Ids>().divide();
        if let Some(grid) = self.grid {
            let mut queue = world.resource_mut::<crate::event::EventQueue>();
            queue.set_grid(grid);
        }
    }

    /// What the game says of a sight.
    pub(crate) fn ask(&self, world: &World, who: Option<Player>, sight: &mut Sight) {
        if let Some(sees) = &self.sees {
            sees(world, who, sight);
        }
    }

    fn spot(&self, world: &World, entity: Entity) -> Option<Spot> {
        self.placers
            .iter()
            .find_map(|placer| placer.spot(world, entity))
    }

    /// Where an entity is on the grid: by the first component that says so, even if another one says that it is for somebody alone.
    pub(crate) fn point(&self, world: &World, entity: Entity) -> Option<Point> {
        self.grid?;
        let places = &self.placers[self.audiences..];
        places
            .iter()
            .find_map(|placer| match placer.spot(world, entity)? {
                Spot::At(point) => Some(point),
                Spot::To(_) => None,
            })
    }

    /// Puts everybody into the area where they belong now: those who are new, and those who have moved far enough. In the order of their
    /// names. Who was in another area before: where they are and where they were.
    pub(crate) fn settle(&mut self, world: &mut World) -> Vec<(Place, Place)> {
        if !self.divides() {
            return Vec::new();
        }
        let grid = self.grid;
        let mut moved: Vec<(NetId, AreaId)> = Vec::new();
        let mut unsettled = world.resource_mut::<Ids>().take_unsettled();
        let ids = world.resource::<Ids>();
        let mut note = |id: NetId, entity: Entity, spot: Option<Spot>| {
            let now = ids.area_of(id);
            let area = target(world, grid.as_ref(), entity, now, spot);
            if now != Some(area) {
                moved.push((id, area));
            }
        };
        for index in 0..self.placers.len() {
            let (before, rest) = self.placers.split_at_mut(index);
            rest[0].changed(world, &mut |id, spot| {
                let Some(known) = ids.get(id).filter(|known| known.shown() > 0) else {
                    return;
                };
                let mut earlier = before.iter();
                if spot.is_none() {
                    unsettled.push(id); // another one decides
                } else if !earlier.any(|placer| placer.spot(world, known.entity).is_some()) {
                    note(id, known.entity, spot);
                }
            });
        }
        for id in unsettled {
            if let Some(known) = ids.get(id).filter(|known| known.shown() > 0) {
                note(id, known.entity, self.spot(world, known.entity));
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

/// The area of somebody who was in `now`.
fn target(
    world: &World,
    grid: Option<&Grid>,
    entity: Entity,
    now: Option<AreaId>,
    spot: Option<Spot>,
) -> AreaId {
    let number = |player: Player| u32::from(player.seat);
    let seen_by = match (spot, grid) {
        (Some(Spot::At(at)), Some(grid)) => {
            let cell = match now.and_then(|now| grid.cell_of(now)) {
                Some(cell) => grid.cell_from(cell, at),
                None => grid.cell(at),
            };
            return grid.area(cell);
        }
        (Some(Spot::To(seen_by)), _) => seen_by,
        _ => SeenBy::All,
    };
    match seen_by {
        SeenBy::All | SeenBy::Place => AreaId::ALL,
        SeenBy::Team(team) => area(Kind::Team, u32::from(team)),
        SeenBy::Player(player) => area(Kind::Seat, number(player)),
        SeenBy::Owner => {
            let owner = world.get::<OwnedBy>(entity);
            area(Kind::Seat, owner.map_or(NOBODY, |owner| number(owner.0)))
        }
        SeenBy::Area(own) => area(Kind::Own, u32::from(own)),
    }
}
