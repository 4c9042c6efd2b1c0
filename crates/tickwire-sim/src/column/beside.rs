//! What is kept beside the components of entities: resources, and what entities ask for.

use std::marker::PhantomData;

use bevy_ecs::change_detection::DetectChanges;
use bevy_ecs::component::ComponentId;
use bevy_ecs::entity::Entity;
use bevy_ecs::resource::Resource;
use bevy_ecs::world::{FromWorld, World};
use tickwire_proto::wire::{Reader, Writer};
use tickwire_snapshot::record::{ReadError, Record, Refs};
use tickwire_snapshot::{AreaId, RecordSchema, Row};

use super::{Column, Reflection, read_rows, sorted, strangers, write_rows};
use crate::capture::Pass;
use crate::exact::{RestoreError, put_record, take_record};
use crate::game::GameError;
use crate::ids::{ALL, Ids};
use crate::player::Asks;
use crate::refs::{AreaRefs, ExactRefs, RestoreRefs};

/// A resource: the row of slot 0.
pub(crate) struct Singleton<R> {
    table: Option<usize>,
    marker: PhantomData<fn() -> R>,
}

impl<R: Resource + Record + FromWorld> Singleton<R> {
    pub(crate) fn new() -> Self {
        Self {
            table: None,
            marker: PhantomData,
        }
    }
}

impl<R: Resource + Record + FromWorld> Column for Singleton<R> {
    fn record(&self) -> Option<RecordSchema> {
        Some(R::schema())
    }

    fn name(&self) -> String {
        R::schema().name
    }

    fn id(&self) -> Option<ComponentId> {
        None // a resource stands on no entity of the room
    }

    fn setup(&mut self, world: &mut World, table: Option<usize>) -> Result<(), GameError> {
        self.table = table;
        world.init_resource::<R>();
        Ok(())
    }

    fn capture(&mut self, world: &World, pass: &mut Pass) {
        let Some(table) = self.table else { return };
        let Some(value) = world.get_resource_ref::<R>() else {
            pass.edit(ALL).remove(table, 0);
            return;
        };
        let moving = pass.base(ALL).moving(table).next().is_some();
        if value.is_changed() || moving {
            let ids = world.resource::<Ids>();
            let refs = AreaRefs {
                world,
                ids,
                area: ALL,
            };
            pass.set(ALL, table, 0, &*value, &refs);
        }
    }

    fn look_again(&self, world: &World, area: usize, _: u32, pass: &mut Pass) {
        let Some(table) = self.table else { return };
        let ids = world.resource::<Ids>();
        if let Some(value) = world.get_resource::<R>() {
            let refs = AreaRefs { world, ids, area };
            pass.set(area, table, 0, value, &refs);
        }
    }

    fn is_on(&self, world: &World, _: Entity) -> bool {
        world.contains_resource::<R>()
    }

    fn table(&self) -> Option<usize> {
        self.table
    }

    fn write_exact(&self, world: &World, out: &mut Writer, refs: &ExactRefs) {
        out.bool(world.contains_resource::<R>());
        if let Some(value) = world.get_resource::<R>() {
            put_record(out, value, refs);
        }
    }

    fn read_exact(
        &mut self,
        world: &mut World,
        input: &mut Reader,
        gone: &[Entity],
    ) -> Result<(), RestoreError> {
        if !input.at("resource").bool()? {
            world.remove_resource::<R>();
            return Ok(());
        }
        let ids = world.resource::<Ids>();
        let value = take_record::<R>(input, &RestoreRefs { ids, gone })?;
        world.insert_resource(value);
        Ok(())
    }

    fn prune(&mut self, _: &mut World) {}

    fn show(
        &self,
        world: &mut World,
        _: Entity,
        row: Option<&Row<'_>>,
        refs: &dyn Refs,
    ) -> Result<(), ReadError> {
        match row.map(|row| R::read(row, refs)).transpose()? {
            Some(value) => world.insert_resource(value),
            None => drop(world.remove_resource::<R>()),
        }
        Ok(())
    }

    fn reflect(&self, world: &mut World, it: &Reflection<'_>) {
        let Some(table) = self.table.filter(|_| it.area.id() == AreaId::ALL) else {
            return;
        };
        let refs = AreaRefs {
            world,
            ids: world.resource::<Ids>(),
            area: it.at,
        };
        match it.area.row(table, 0).map(|row| R::read(&row, &refs)) {
            Some(Ok(value)) => world.insert_resource(value),
            Some(Err(_)) => {} // what the schema allows and the type does not: as it was
            None => {
                world.remove_resource::<R>();
            }
        }
    }
}

/// What entities ask for: a computer player's is its own, so it is kept beside the commands in force.
pub(crate) struct AsksColumn<C> {
    id: Option<ComponentId>,
    restored: Vec<Entity>,
    marker: PhantomData<fn() -> C>,
}

impl<C> AsksColumn<C> {
    pub(crate) fn new() -> Self {
        Self {
            id: None,
            restored: Vec::new(),
            marker: PhantomData,
        }
    }
}

impl<C: Record + Send + Sync + 'static> Column for AsksColumn<C> {
    fn record(&self) -> Option<RecordSchema> {
        None
    }

    fn name(&self) -> String {
        format!("Asks:{}", C::schema().name)
    }

    fn id(&self) -> Option<ComponentId> {
        self.id
    }

    fn setup(&mut self, world: &mut World, _: Option<usize>) -> Result<(), GameError> {
        self.id = Some(world.register_component::<Asks<C>>());
        Ok(())
    }

    fn capture(&mut self, _: &World, _: &mut Pass) {}

    fn look_again(&self, _: &World, _: usize, _: u32, _: &mut Pass) {}

    fn is_on(&self, world: &World, entity: Entity) -> bool {
        world.get::<Asks<C>>(entity).is_some()
    }

    fn table(&self) -> Option<usize> {
        None
    }

    fn write_exact(&self, world: &World, out: &mut Writer, refs: &ExactRefs) {
        write_rows(world, out, |entity, out| {
            let asks = world.get::<Asks<C>>(entity)?;
            put_record(out, &asks.0, refs);
            Some(())
        });
    }

    fn read_exact(
        &mut self,
        world: &mut World,
        input: &mut Reader,
        gone: &[Entity],
    ) -> Result<(), RestoreError> {
        let rows = read_rows(world, input, gone, |input, refs| {
            take_record::<C>(input, refs)
        })?;
        self.restored = sorted(&rows);
        for (entity, ask) in rows {
            world.entity_mut(entity).insert(Asks(ask));
        }
        Ok(())
    }

    fn prune(&mut self, world: &mut World) {
        for entity in strangers(world, &std::mem::take(&mut self.restored)) {
            world.entity_mut(entity).remove::<Asks<C>>();
        }
    }
}
