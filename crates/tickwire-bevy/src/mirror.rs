//! The picture of a room as entities of the app's world, with the game's own components. Where the picture comes from is `plugin`'s matter.

use std::collections::BTreeMap;

use bevy_ecs::component::Component;
use bevy_ecs::entity::Entity;
use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;
use tickwire_client::{Picture, Row, ShownEvent};
use tickwire_sim::Replica;
use tickwire_snapshot::record::{NoRefs, Refs};
use tickwire_snapshot::{NetId, OwnedRow, Quant, Schema, Value};

use crate::fault::NetFault;

/// On each entity that stands for one of the room: despawned as soon as the room shows it no more. One that the app despawns itself comes again with
/// the next picture; what the app adds to it (a sprite, a sound) stays with it.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_bevy::Mine;
/// use tickwire_sim::prelude::*;
/// # #[derive(Replicate, Default)] struct Dot { x: u8 }
/// # #[derive(Component)] struct Sprite { bright: bool }
/// /// An observer: whatever a dot needs to be drawn, once, when it comes into sight. Its marks are on it already.
/// fn dress(dot: On<Add<Dot>>, mine: Query<Has<Mine>>, mut commands: Commands) {
///     let bright = mine.get(dot.entity).unwrap_or(false);
///     commands.entity(dot.entity).insert(Sprite { bright });
/// }
/// # World::new().add_observer(dress);
/// ```
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Networked {
    /// As [`Row::id`](tickwire_client::Row::id): the same for as long as the entity lives and is in sight.
    pub id: u64,
}

/// On what the player's seat owns.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mine;

/// On what is shown as it was between two updates, a little in the past: what others own, and without prediction everything.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interpolated;

/// On what is shown as this client predicts it. (The game's own mark of what is to be predicted is called `Predicted`.)
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PredictedHere;

/// What of the room is in the world.
#[derive(Resource)]
pub(crate) struct Mirror {
    replica: Replica,
    /// By table: whether a field of it refers to an entity.
    refers: Vec<bool>,
    entities: BTreeMap<u64, Shown>,
    /// By table.
    resources: BTreeMap<usize, OwnedRow>,
}

/// An entity, and what it was given last.
struct Shown {
    entity: Entity,
    mine: bool,
    /// `None`: neither mark is on it yet.
    predicted: Option<bool>,
    /// By table.
    rows: BTreeMap<usize, OwnedRow>,
}

/// All rows of one entity in a picture.
type Group<'a, 'p> = (u64, &'a [(u64, usize, Row<'p>)]);

/// References of a picture's row or event, as this world has them.
struct Names<'a, F> {
    entities: &'a BTreeMap<u64, Shown>,
    id_of: F,
}

impl<F: Fn(NetId) -> u64> Refs for Names<'_, F> {
    fn to_net(&self, _: u64) -> Option<NetId> {
        None // it is for reading only
    }

    fn to_entity(&self, id: NetId) -> Option<u64> {
        let shown = self.entities.get(&(self.id_of)(id))?;
        Some(shown.entity.to_bits())
    }
}

impl Mirror {
    pub(crate) fn new(replica: Replica) -> Self {
        let refers = replica.schema().records();
        let refers = refers.map(|record| {
            let mut fields = record.fields.iter();
            fields.any(|field| field.quant == Quant::Entity)
        });
        Self {
            refers: refers.collect(),
            replica,
            entities: BTreeMap::new(),
            resources: BTreeMap::new(),
        }
    }

    pub(crate) fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Whether pictures of this schema can be shown.
    pub(crate) fn knows(&self, schema: &Schema) -> bool {
        schema.hash() == self.replica.schema().hash()
    }

    /// The world is as the picture says. Costs one look at each field of each row that it shows.
    pub(crate) fn show(&mut self, world: &mut World, picture: &Picture) -> Vec<NetFault> {
        let tables = self.replica.schema().components.len();
        let rows = (0..tables).flat_map(|table| {
            let rows = picture.entities(table);
            rows.map(move |row| (row.id(), table, row))
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_unstable_by_key(|(id, table, _)| (*id, *table));
        let groups: Vec<Group> = rows
            .chunk_by(|a, b| a.0 == b.0)
            .map(|group| (group[0].0, group))
            .collect();
        let somebody_changed = self.spawn_and_despawn(world, &groups);
        let mut faults = Vec::new();
        for group in groups {
            self.mark(world, group);
            self.show_rows(world, group, somebody_changed, &mut faults);
        }
        self.show_resources(world, picture, somebody_changed, &mut faults);
        faults
    }

    /// The room is left: none of it is in the world.
    pub(crate) fn clear(&mut self, world: &mut World) {
        for (_, shown) in std::mem::take(&mut self.entities) {
            let _ = world.try_despawn(shown.entity); // the app may have done it
        }
        for (table, _) in std::mem::take(&mut self.resources) {
            let nobody = Entity::PLACEHOLDER;
            // Taking a resource away reads nothing, so nothing can be wrong with it.
            let _ = self.replica.show(world, nobody, table, None, &NoRefs);
        }
    }

    /// Tells the world of something that happened.
    pub(crate) fn tell(&self, world: &mut World, event: &ShownEvent) -> Result<(), NetFault> {
        let names = Names {
            entities: &self.entities,
            id_of: |id| event.id_of(id),
        };
        let what = (event.kind(), event.tick());
        match self
            .replica
            .tell(world, what, |field| event.value(field), &names)?
        {
            true => Ok(()),
            false => {
                let name = event.schema().map(|schema| schema.name.clone());
                Err(NetFault::Unfit(name.unwrap_or_default()))
            }
        }
    }

    /// One entity for each in the picture. Whether any came or went.
    fn spawn_and_despawn(&mut self, world: &mut World, groups: &[Group]) -> bool {
        let mut changed = false;
        self.entities.retain(|id, shown| {
            let stays = groups.binary_search_by_key(id, |(id, _)| *id).is_ok()
                && world.get_entity(shown.entity).is_ok();
            if !stays {
                changed = true;
                let _ = world.try_despawn(shown.entity); // the app may have done it
            }
            stays
        });
        for (id, _) in groups {
            self.entities.entry(*id).or_insert_with(|| {
                changed = true;
                Shown {
                    entity: world.spawn(Networked { id: *id }).id(),
                    mine: false,
                    predicted: None,
                    rows: BTreeMap::new(),
                }
            });
        }
        changed
    }

    /// Whose it is, and as what it is shown.
    fn mark(&mut self, world: &mut World, (id, rows): Group) {
        let (Some(shown), Some((.., row))) = (self.entities.get_mut(&id), rows.first()) else {
            return;
        };
        let mut entity = world.entity_mut(shown.entity);
        let (mine, predicted) = (row.mine(), row.is_predicted());
        if std::mem::replace(&mut shown.mine, mine) != mine {
            match mine {
                true => entity.insert(Mine),
                false => entity.remove::<Mine>(),
            };
        }
        if shown.predicted.replace(predicted) != Some(predicted) {
            match predicted {
                true => entity.insert(PredictedHere).remove::<Interpolated>(),
                false => entity.insert(Interpolated).remove::<PredictedHere>(),
            };
        }
    }

    /// Writes what is another than it was. `anew`: what refers to an entity may mean another one now.
    fn show_rows(
        &mut self,
        world: &mut World,
        (id, rows): Group,
        anew: bool,
        faults: &mut Vec<NetFault>,
    ) {
        let Some(shown) = self.entities.get_mut(&id) else {
            return;
        };
        let entity = shown.entity;
        let mut before = std::mem::take(&mut shown.rows);
        let mut now = BTreeMap::new();
        for (_, table, row) in rows {
            let Some(new) = self.replica.row(*table, |field| row.value(field)) else {
                faults.push(unfit(self.replica.schema(), *table));
                continue;
            };
            let old = before.remove(table);
            if old.as_ref() != Some(&new) || anew && self.refers[*table] {
                let names = Names {
                    entities: &self.entities,
                    id_of: |id| row.id_of(id),
                };
                let shown = self.replica.show(world, entity, *table, Some(&new), &names);
                faults.extend(shown.err().map(NetFault::from));
            }
            now.insert(*table, new);
        }
        for table in before.into_keys() {
            let gone = self.replica.show(world, entity, table, None, &NoRefs);
            faults.extend(gone.err().map(NetFault::from));
        }
        if let Some(shown) = self.entities.get_mut(&id) {
            shown.rows = now;
        }
    }

    fn show_resources(
        &mut self,
        world: &mut World,
        picture: &Picture,
        anew: bool,
        faults: &mut Vec<NetFault>,
    ) {
        let schema = self.replica.schema().clone();
        let first = schema.components.len();
        for (table, record) in (first..).zip(&schema.resources) {
            let row = picture.resource(&record.name);
            let new = row.and_then(|row| {
                let value = |field| -> Option<Value> { row.value(field) };
                let new = self.replica.row(table, value);
                if new.is_none() {
                    faults.push(unfit(&schema, table));
                }
                new
            });
            let old = self.resources.get(&table);
            if old == new.as_ref() && !(anew && self.refers[table]) {
                continue;
            }
            let names = Names {
                entities: &self.entities,
                id_of: |id| row.map_or(0, |row| row.id_of(id)),
            };
            let nobody = Entity::PLACEHOLDER;
            let shown = self
                .replica
                .show(world, nobody, table, new.as_ref(), &names);
            faults.extend(shown.err().map(NetFault::from));
            match new {
                Some(new) => drop(self.resources.insert(table, new)),
                None => drop(self.resources.remove(&table)),
            }
        }
    }
}

fn unfit(schema: &Schema, table: usize) -> NetFault {
    let record = schema.record(table);
    NetFault::Unfit(record.map(|record| record.name.clone()).unwrap_or_default())
}
