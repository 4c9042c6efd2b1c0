//! A game's records in a world that only shows one of its rooms: rows become the game's own components, resources and events. Not which rows, nor when.

use std::cell::RefCell;
use std::sync::Arc;

use bevy_ecs::entity::Entity;
use bevy_ecs::event::{Event, GlobalTrigger};
use bevy_ecs::message::{Message, MessageRegistry, Messages};
use bevy_ecs::resource::Resource;
use bevy_ecs::world::World;
use tickwire_proto::Tick;
use tickwire_snapshot::quant::put_target;
use tickwire_snapshot::record::{ReadError, Refs};
use tickwire_snapshot::value::put_entity;
use tickwire_snapshot::{AreaId, NetId, OwnedRow, Quant, RecordSchema, Row, Schema, Value};

use crate::column::Column;
use crate::command::CommandLine;
use crate::event::GameEvent;
use crate::kind::{GameKind, table_of};
use crate::mirror::look::fine;

/// Something that happened in the room, in a world that shows it: a message and an event of bevy_ecs, once, when the picture reaches its tick.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_sim::prelude::*;
/// # #[derive(TickEvent, Default)] struct Boom { x: u8 }
/// fn bang(mut booms: MessageReader<Happened<Boom>>) {
///     for boom in booms.read() {
///         println!("bang at {} in tick {}", boom.event.x, boom.tick.0);
///     }
/// }
/// # bevy_ecs::system::assert_is_system(bang);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happened<E> {
    /// The tick at which it happened.
    pub tick: Tick,
    /// What.
    pub event: E,
}

impl<E: GameEvent> Message for Happened<E> {}

impl<E: GameEvent> Event for Happened<E> {
    type Trigger<'a> = GlobalTrigger;
}

/// What the player asks for in the ticks to come, in a world that shows a room: a resource, which each of these ticks takes as it stands.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_sim::prelude::*;
/// # #[derive(PlayerCommand, Clone, Copy, Default)] struct Steer { #[net(range = -1..=1)] x: i8 }
/// # #[derive(Resource)] struct Keys { left: bool, right: bool }
/// fn steer(keys: Res<Keys>, mut next: ResMut<NextCommand<Steer>>) {
///     next.x = i8::from(keys.right) - i8::from(keys.left);
/// }
/// # bevy_ecs::system::assert_is_system(steer);
/// ```
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq)]
pub struct NextCommand<C: Send + Sync + 'static>(pub C);

impl<C: Send + Sync + 'static> std::ops::Deref for NextCommand<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C: Send + Sync + 'static> std::ops::DerefMut for NextCommand<C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.0
    }
}

/// Tells a world of an event that a row holds.
type Tell = fn(&mut World, Tick, &Row<'_>, &dyn Refs) -> Result<(), ReadError>;

/// How a world hears of one kind of event, without the type.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    register: fn(&mut World),
    tell: Tell,
}

impl Told {
    pub(crate) fn of<E: GameEvent>() -> Self {
        Self {
            register: |world| {
                if !world.contains_resource::<Messages<Happened<E>>>() {
                    MessageRegistry::register_message::<Happened<E>>(world);
                }
            },
            tell: |world, tick, row, refs| {
                let event = E::read(row, refs)?;
                let mut happened = Happened { tick, event };
                world.trigger_ref(&mut happened);
                world.write_message(happened);
                Ok(())
            },
        }
    }
}

/// The types of a game for a world that shows a room of it, such as that of a Bevy app: what a picture says of an entity becomes the very components
/// that the game's systems have.
///
/// Values may lie between two updates, so the rows are of a schema with the same fields and finer steps. Fields that viewers may not see are
/// their defaults.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_sim::prelude::*;
/// use tickwire_sim::{GameKind, Replica};
/// use tickwire_snapshot::{Value, record::NoRefs};
///
/// #[derive(Replicate, Default)]
/// struct Dot { #[net(range = 0.0..=100.0, step = 1.0)] x: f32 }
/// #[derive(PlayerCommand, Clone, Copy, Default)]
/// struct Steer { #[net(range = -1..=1)] x: i8 }
///
/// let kind = GameKind::new("hello", |game: &mut Game| { game.replicate::<Dot>().command::<Steer>(); });
/// let replica = Replica::new(&kind);
/// let mut world = World::new();
/// replica.set_up(&mut world);
///
/// let dot = kind.schema().component("Dot").expect("it is registered");
/// let row = replica.row(dot, |_field| Some(Value::Number(12.0))).expect("it fits");
/// let entity = world.spawn_empty().id();
/// replica.show(&mut world, entity, dot, Some(&row), &NoRefs)?;
/// assert_eq!(world.get::<Dot>(entity).expect("it is there").x, 12.0);
///
/// world.resource_mut::<NextCommand<Steer>>().x = 1;
/// let row = replica.next_command(&world, |_entity| None).expect("the game has commands");
/// assert_eq!(row.ints.len(), 1);
/// # Ok::<(), tickwire_snapshot::record::ReadError>(())
/// ```
pub struct Replica {
    schema: Arc<Schema>,
    fine: Schema,
    /// By table: components, then resources.
    columns: Vec<Option<Box<dyn Column>>>,
    command: Option<Box<dyn CommandLine>>,
    /// By their index in the schema.
    events: Vec<Option<Told>>,
}

impl Replica {
    /// Of a kind of game.
    #[must_use]
    pub fn new(kind: &GameKind) -> Self {
        let schema = kind.schema().clone();
        let mut book = kind.book();
        let tables = schema.components.len() + schema.resources.len();
        let mut columns: Vec<Option<Box<dyn Column>>> = (0..tables).map(|_| None).collect();
        let components = book.components.drain(..).map(|column| (column, false));
        let resources = book.resources.drain(..).map(|column| (column, true));
        for (column, resource) in components.chain(resources) {
            if let Some(table) = table_of(&schema, column.as_ref(), resource) {
                columns[table] = Some(column);
            }
        }
        let mut events = vec![None; schema.events.len()];
        for (kind, _) in &book.events {
            if let Some(index) = schema.event(&kind.name) {
                events[index] = Some(kind.told);
            }
        }
        Self {
            fine: fine(&schema),
            schema,
            columns,
            command: book.command,
            events,
        }
    }

    /// The room's schema, whose tables and events the numbers here are.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Makes a place in a world for the messages of events ([`Happened`]) and for the player's command ([`NextCommand`]).
    pub fn set_up(&self, world: &mut World) {
        for told in self.events.iter().flatten() {
            (told.register)(world);
        }
        if let Some(command) = &self.command {
            command.make_next(world);
        }
    }

    /// A row of a component or resource, by its table, out of the values of its fields. `None`: there is no such table, or a value does not fit.
    pub fn row(&self, table: usize, value: impl FnMut(usize) -> Option<Value>) -> Option<OwnedRow> {
        row_of(self.fine.record(table)?, value)
    }

    /// Gives an entity the component of a table as a row of [`row`](Self::row) says; `None`: takes it away. A resource: gives it to the world, whatever
    /// the entity. `refs`: who is who in this world.
    ///
    /// # Errors
    /// Where the game's type refuses what the schema allows; nothing is changed then.
    pub fn show(
        &self,
        world: &mut World,
        entity: Entity,
        table: usize,
        row: Option<&OwnedRow>,
        refs: &dyn Refs,
    ) -> Result<(), ReadError> {
        let Some(column) = self.columns.get(table).and_then(Option::as_ref) else {
            return Ok(());
        };
        let record = self.fine.record(table);
        let row = row.zip(record).map(|(row, record)| row.row(record));
        column.show(world, entity, row.as_ref(), refs)
    }

    /// Tells a world of an event, by its index in the schema and the values of its fields: observers of [`Happened`] first, then readers. False: there
    /// is no such event, or a value does not fit.
    ///
    /// # Errors
    /// Where the game's type refuses what the schema allows; nobody is told then.
    pub fn tell(
        &self,
        world: &mut World,
        (kind, tick): (u16, Tick),
        value: impl FnMut(usize) -> Option<Value>,
        refs: &dyn Refs,
    ) -> Result<bool, ReadError> {
        let kind = usize::from(kind);
        let Some(record) = self.schema.events.get(kind) else {
            return Ok(false);
        };
        let told = self.events[kind].zip(row_of(record, value));
        let Some((told, row)) = told else {
            return Ok(false);
        };
        (told.tell)(world, tick, &row.row(record), refs)?;
        Ok(true)
    }

    /// What the world's [`NextCommand`] asks for, as a row of the schema's command. `None`: the game has no commands, or the resource was removed.
    /// `place`: where the server has an entity of this world that the command names.
    pub fn next_command(
        &self,
        world: &World,
        place: impl Fn(Entity) -> Option<(AreaId, NetId)>,
    ) -> Option<OwnedRow> {
        let record = self.schema.command.as_ref()?;
        let names = Names::default();
        let mut row = self.command.as_ref()?.next(world, record, &names)?;
        let named = names.0.into_inner();
        let fields = record.fields.iter().zip(record.layout().fields());
        for (field, at) in fields {
            let ints = &mut row.ints[at.offset..at.offset + at.columns];
            for pair in ints.chunks_exact_mut(2) {
                match field.quant {
                    Quant::Target => put_target(named_by(pair, &named).and_then(&place), pair),
                    Quant::Entity => {
                        let place = named_by(pair, &named).and_then(&place);
                        // A name that the server gave fits the columns.
                        let put = put_entity(place.map(|(_, id)| id), pair);
                        debug_assert!(put.is_ok());
                    }
                    _ => {}
                }
            }
        }
        Some(row)
    }
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replica")
            .field("game", &self.schema.name)
            .finish_non_exhaustive()
    }
}

fn row_of(
    record: &RecordSchema,
    mut value: impl FnMut(usize) -> Option<Value>,
) -> Option<OwnedRow> {
    let mut row = OwnedRow::new(record);
    let mut bytes = Vec::new(); // of fields that have none
    for (index, (field, at)) in record
        .fields
        .iter()
        .zip(record.layout().fields())
        .enumerate()
    {
        let ints = &mut row.ints[at.offset..at.offset + at.columns];
        let blob = at.blob.map_or(&mut bytes, |blob| &mut row.blobs[blob]);
        field.quantise(&value(index)?, ints, blob).ok()?;
    }
    Some(row)
}

/// Notes whom a command names, and puts the places in this list where the names belong: a place has an area too, for which [`Refs`] have no room.
#[derive(Default)]
struct Names(RefCell<Vec<Entity>>);

impl Refs for Names {
    fn to_net(&self, entity_bits: u64) -> Option<NetId> {
        let entity = Entity::try_from_bits(entity_bits)?;
        let mut named = self.0.borrow_mut();
        named.push(entity);
        Some(NetId {
            slot: named.len() as u32 - 1, // a command has few fields
            generation: 0,
        })
    }

    fn to_entity(&self, _: NetId) -> Option<u64> {
        None // it is for writing only
    }
}

fn named_by(pair: &[i32], named: &[Entity]) -> Option<Entity> {
    let id = tickwire_snapshot::value::entity(pair)?;
    named.get(id.slot as usize).copied()
}

#[cfg(test)]
mod tests;
