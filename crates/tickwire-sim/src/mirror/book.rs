//! Who is who in a mirror: which entity stands for which of the server's, which of them are predicted, and which are of this side alone so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;
use tickwire_proto::Tick;
use tickwire_snapshot::{AREA_IDS_MAX, Area, AreaId, NetId, Schema};

use crate::ids::{Ids, NetEntity};
use crate::player::OwnedBy;
use crate::side::Remote;
use crate::simulation::Simulation;

/// The area by which those are numbered who are of this side alone so far: none of the server's is called so.
const LOCAL_AREA: u32 = AREA_IDS_MAX - 1;

/// Where the server says that somebody is.
pub(super) type Name = (AreaId, NetId);

/// Somebody whom the server knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub generation: u16,
    /// Who stands for them: perhaps despawned already, ahead of the server.
    pub entity: Entity,
    /// Their number, if they are predicted.
    pub track: Option<u32>,
}

/// Somebody who is predicted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track {
    pub entity: Entity,
    /// `None`: of this side alone so far.
    pub name: Option<Name>,
    /// Whether the seat owns them.
    pub own: bool,
    /// One number for as long as they are seen, also when the server is found to know them.
    pub shown: u64,
    /// When they appeared on this side, before the server told.
    pub spawned: Option<Tick>,
}

/// Somebody in an area who is predicted, and of whom nothing was known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fresh {
    pub name: Name,
    pub own: bool,
}

#[derive(Debug)]
pub(super) struct Book {
    seat: u16,
    /// The tables that say whose somebody is, and that somebody is predicted.
    owned: Option<usize>,
    predicted: Option<usize>,
    places: BTreeMap<(u32, u32), Placed>,
    pub tracks: BTreeMap<u32, Track>,
    last: u32,
    /// Somebody has become predicted, or is it no more.
    changed: bool,
}

impl Book {
    pub fn new(schema: &Arc<Schema>, seat: u16) -> Self {
        Self {
            seat,
            owned: schema.component("OwnedBy"),
            predicted: schema.component("Predicted"),
            places: BTreeMap::new(),
            tracks: BTreeMap::new(),
            last: 0,
            changed: false,
        }
    }

    /// Those of the seat that are there.
    pub fn own(&self) -> impl Iterator<Item = Entity> {
        let own = self.tracks.values().filter(|track| track.own);
        own.map(|track| track.entity)
    }

    /// Everybody who is predicted and there: their numbers, rising, and who they are.
    pub fn alive(&self, world: &World) -> (Vec<u32>, Vec<Entity>) {
        self.there(world)
            .map(|(number, track)| (*number, track.entity))
            .unzip()
    }

    /// Which of these are of the seat, by their places among them.
    pub fn own_places(&self, world: &World) -> Vec<u32> {
        let places = self.there(world).zip(0..);
        places
            .filter_map(|((_, track), place)| track.own.then_some(place))
            .collect()
    }

    fn there<'a>(&'a self, world: &'a World) -> impl Iterator<Item = (&'a u32, &'a Track)> {
        let there = |track: &Track| world.get_entity(track.entity).is_ok();
        self.tracks.iter().filter(move |(_, track)| there(track))
    }

    /// Takes in who is there: spawns and despawns those who are only known of, and tells who of the predicted is new.
    pub fn follow(&mut self, sim: &mut Simulation, areas: &[Arc<Area>]) -> (Vec<Fresh>, bool) {
        self.changed = false;
        self.forget_gone(&mut sim.world, areas);
        let mut fresh = Vec::new();
        for area in areas {
            for id in area.entities() {
                let own = self.is_own(area, id.slot);
                let predicted = own || self.predicted.is_some_and(|it| area.has(it, id.slot));
                let name = (area.id(), id);
                match self.places.get(&(area.id().0, id.slot)).copied() {
                    Some(placed) => self.reclassify(&mut sim.world, name, placed, own, predicted),
                    None if predicted => fresh.push(Fresh { name, own }),
                    None => {
                        let entity = spawn(&mut sim.world, name);
                        sim.world.entity_mut(entity).insert(Remote);
                        self.place(name, entity, None);
                    }
                }
            }
        }
        (fresh, self.changed)
    }

    fn is_own(&self, area: &Area, slot: u32) -> bool {
        let seat = self.owned.and_then(|owned| area.int(owned, slot, 0));
        seat == Some(i32::from(self.seat))
    }

    fn forget_gone(&mut self, world: &mut World, areas: &[Arc<Area>]) {
        let holds = |area: u32, id: NetId| {
            let at = areas.binary_search_by_key(&AreaId(area), |area| area.id());
            at.is_ok_and(|at| areas[at].contains(id))
        };
        let tracks = &mut self.tracks;
        self.places.retain(|&(area, slot), placed| {
            let generation = placed.generation;
            let there = holds(area, NetId { slot, generation });
            if !there {
                if let Some(track) = placed.track {
                    tracks.remove(&track);
                }
                let _ = world.try_despawn(placed.entity);
            }
            there
        });
    }

    /// Somebody changed hands.
    fn reclassify(
        &mut self,
        world: &mut World,
        name: Name,
        placed: Placed,
        own: bool,
        predicted: bool,
    ) {
        match placed.track.and_then(|track| self.tracks.get_mut(&track)) {
            Some(track) if predicted => {
                self.changed |= std::mem::replace(&mut track.own, own) != own;
                return;
            }
            None if !predicted => return,
            _ => self.changed = true,
        }
        if let Some(track) = placed.track {
            self.tracks.remove(&track);
        }
        let entity = alive_or_new(world, placed.entity, name);
        let track = predicted.then(|| self.track(entity, Some(name), own, None));
        match predicted {
            true => world.entity_mut(entity).remove::<Remote>(),
            false => world.entity_mut(entity).insert(Remote),
        };
        self.place(name, entity, track);
    }

    /// Somebody new is predicted. Returns their number.
    pub fn track(
        &mut self,
        entity: Entity,
        name: Option<Name>,
        own: bool,
        like: Option<Track>,
    ) -> u32 {
        self.last += 1;
        let shown = like.map(|like| like.shown);
        let shown = shown.or_else(|| name.map(shown_id));
        let track = Track {
            entity,
            name,
            own,
            shown: shown.unwrap_or_default(),
            spawned: like.and_then(|like| like.spawned),
        };
        self.tracks.insert(self.last, track);
        self.last
    }

    pub fn place(&mut self, (area, id): Name, entity: Entity, track: Option<u32>) {
        let placed = Placed {
            generation: id.generation,
            entity,
            track,
        };
        self.places.insert((area.0, id.slot), placed);
    }

    /// The server knows somebody who was of this side alone.
    pub fn found(&mut self, world: &mut World, number: u32, name: Name) {
        let Some(track) = self.tracks.get_mut(&number) else {
            return;
        };
        track.name = Some(name);
        let entity = track.entity;
        if let Some(net) = world.get::<NetEntity>(entity).map(NetEntity::id) {
            world.resource_mut::<Ids>().found_at(net, name.0, name.1);
        }
        self.place(name, entity, Some(number));
    }

    /// Whoever systems spawned in this step is of this side alone for now.
    pub fn note_spawned(&mut self, sim: &mut Simulation, _again: bool) {
        let ids = sim.world.resource::<Ids>();
        let mut known: Vec<Entity> = self.tracks.values().map(|track| track.entity).collect();
        known.sort_unstable();
        let new: Vec<Entity> = ids
            .locals()
            .map(|(_, entity)| entity)
            .filter(|entity| known.binary_search(entity).is_err())
            .collect();
        let tick = sim.tick;
        for (ordinal, entity) in new.into_iter().enumerate() {
            let owner = sim.world.get::<OwnedBy>(entity);
            let own = owner.is_some_and(|owner| owner.0.seat == self.seat);
            // The n-th of a tick is the same one whenever that tick is stepped again.
            let generation = (tick.0 & 0xffff) as u16;
            let slot = (ordinal as u32 & 0x7f) | (tick.0 >> 16 & 0x3ff) << 7;
            let like = Track {
                entity,
                name: None,
                own,
                shown: shown_id((AreaId(LOCAL_AREA), NetId { slot, generation })),
                spawned: Some(tick),
            };
            self.track(entity, None, own, Some(like));
        }
    }

    /// Who is predicted of those whom the server calls so.
    pub fn predicted_at(&self, (area, id): Name) -> Option<(u32, Entity)> {
        let placed = self.places.get(&(area.0, id.slot))?;
        let number = placed
            .track
            .filter(|_| placed.generation == id.generation)?;
        Some((number, self.tracks.get(&number)?.entity))
    }

    /// Those of an area who are not predicted, by slot.
    pub fn others(&self, area: u32) -> Vec<(u32, Entity)> {
        let places = self.places.range((area, 0)..=(area, u32::MAX));
        let others = places.filter(|(_, placed)| placed.track.is_none());
        others
            .map(|((_, slot), placed)| (*slot, placed.entity))
            .collect()
    }

    /// Makes sure that somebody who is predicted is there.
    pub fn revive(&mut self, world: &mut World, number: u32) -> Entity {
        let Some(track) = self.tracks.get_mut(&number) else {
            return Entity::PLACEHOLDER;
        };
        match track.name {
            Some(name) => {
                track.entity = alive_or_new(world, track.entity, name);
                let entity = track.entity;
                self.place(name, entity, Some(number));
                entity
            }
            None => {
                if world.get_entity(track.entity).is_err() {
                    // Its name comes with its first component.
                    track.entity = world.spawn_empty().id();
                }
                track.entity
            }
        }
    }
}

/// The number by which somebody is drawn.
pub(super) fn shown_id((area, id): Name) -> u64 {
    // As `tickwire_client::entity_id` does it.
    u64::from(area.0) << 33 | u64::from(id.generation) << 17 | u64::from(id.slot)
}

fn spawn(world: &mut World, (area, id): Name) -> Entity {
    let entity = world.spawn_empty().id();
    let net = world.resource_mut::<Ids>().place_as(entity, area, id);
    world.entity_mut(entity).insert(net);
    entity
}

pub(super) fn alive_or_new(world: &mut World, entity: Entity, name: Name) -> Entity {
    match world.get_entity(entity).is_ok() {
        true => entity,
        false => spawn(world, name),
    }
}
