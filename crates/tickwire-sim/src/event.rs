//! Tick events: what happened at a tick, emitted by systems and carried by the area until nobody needs to hear of it. Not how they are shown.

use std::any::{Any, TypeId, type_name};
use std::sync::Arc;

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut, SystemParam};
use tickwire_proto::Tick;
use tickwire_snapshot::record::{Record, Refs};
use tickwire_snapshot::{AreaId, NetId, OwnedRow, Schema, TickEvent};

use crate::grid::{Grid, Point};
use crate::ids::{Ids, NetEntity};
use crate::replica::Told;
use crate::time::CurrentTick;
use bevy_ecs::entity::Entity;

/// Tick events that wait for a capture at most; more are dropped and counted.
pub const EVENTS_WAITING_MAX: usize = 1_024;

/// Something that happens at a tick: a hit, an explosion. Made by `#[derive(TickEvent)]`.
pub trait GameEvent: Record + Send + Sync + 'static {
    /// Ticks after which nobody needs to hear of it any more; `None`: half a second's.
    const LIFETIME: Option<u16> = None;
}

/// A kind of event that the game registered.
pub(crate) struct EventKind {
    pub type_id: TypeId,
    pub name: String,
    pub lifetime: Option<u16>,
    /// Where it happens, if that is somewhere: a [`PlaceOf`] its type.
    pub place: Option<Arc<dyn Any + Send + Sync>>,
    /// How a world that shows a room tells of it.
    pub told: Told,
}

/// The function from an event to the place where it happens.
pub(crate) struct PlaceOf<E>(pub Box<dyn Fn(&E) -> Point + Send + Sync>);

/// A kind of event in a room.
struct Kind {
    type_id: TypeId,
    /// Index in the schema.
    index: u16,
    /// In ticks.
    lifetime: u16,
    place: Option<Arc<dyn Any + Send + Sync>>,
}

/// Events on their way into their areas.
#[derive(Resource)]
pub(crate) struct EventQueue {
    schema: Arc<Schema>,
    kinds: Vec<Kind>,
    grid: Option<Grid>,
    pub waiting: Vec<(AreaId, TickEvent)>,
    pub dropped: u64,
}

impl EventQueue {
    pub(crate) fn new(schema: &Arc<Schema>, kinds: &[&EventKind], rate: u16) -> Self {
        let number = |kind: &&EventKind| {
            Some(Kind {
                type_id: kind.type_id,
                index: schema.event(&kind.name)? as u16, // at most RECORDS_MAX
                lifetime: kind.lifetime.unwrap_or(rate.div_ceil(2)),
                place: kind.place.clone(),
            })
        };
        Self {
            schema: schema.clone(),
            kinds: kinds.iter().filter_map(number).collect(),
            grid: None,
            waiting: Vec::new(),
            dropped: 0,
        }
    }

    pub(crate) fn set_grid(&mut self, grid: Grid) {
        self.grid = Some(grid);
    }

    /// Forgets those that nobody needs to hear of any more: a room without viewers may not be captured for long.
    pub(crate) fn expire(&mut self, now: Tick) {
        self.waiting
            .retain(|(_, event)| now.since(event.tick) <= u32::from(event.lifetime));
    }

    fn push<E: GameEvent>(&mut self, event: &E, tick: Tick, names: &Names) {
        let of_type = |kind: &&Kind| kind.type_id == TypeId::of::<E>();
        let Some(kind) = self.kinds.iter().find(of_type) else {
            let name = type_name::<E>();
            panic!(
                "a system emitted {name}, which the game does not know: add game.event::<{name}>()"
            );
        };
        if self.waiting.len() >= EVENTS_WAITING_MAX {
            self.dropped += 1;
            return;
        }
        let place = kind.place.as_deref().and_then(|it| it.downcast_ref());
        let area = match (self.grid, place) {
            (Some(grid), Some(PlaceOf::<E>(place))) => grid.area(grid.cell(place(event))),
            _ => AreaId::ALL,
        };
        let refs = NamesIn {
            names,
            area: names.ids.find(area),
        };
        let record = &self.schema.events[usize::from(kind.index)];
        let mut row = OwnedRow::new(record);
        event.write(&mut row.row_mut(record), &refs);
        let event = TickEvent {
            tick,
            kind: kind.index,
            lifetime: kind.lifetime,
            ints: row.ints,
            blobs: row.blobs,
        };
        self.waiting.push((area, event));
    }
}

/// Emits tick events: a system parameter. Clients hear of one when their picture reaches its tick, at most once.
///
/// An event may name an entity that is despawned in the same tick, but not one whose spawning is still queued: that is `None` to the client.
/// In a game with a [grid](crate::Game::grid) it may name those of its own area who were there at the last update: others are `Unseen`.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_sim::prelude::*;
///
/// #[derive(Replicate, Default)]
/// struct Mine { #[net(range = 0.0..=800.0, step = 0.5)] x: f32, fuse: u8 }
///
/// #[derive(TickEvent, Default)]
/// struct Boom { #[net(range = 0.0..=800.0, step = 0.5)] x: f32 }
///
/// fn explode(mines: Query<&Mine>, mut emit: Emit) {
///     for mine in &mines {
///         if mine.fuse == 0 {
///             emit.send(Boom { x: mine.x });
///         }
///     }
/// }
///
/// fn game(game: &mut Game) {
///     game.replicate::<Mine>().event::<Boom>().systems(explode);
/// }
/// # tickwire_sim::GameKind::new("mines", game);
/// ```
#[derive(SystemParam)]
pub struct Emit<'w, 's> {
    queue: ResMut<'w, EventQueue>,
    names: Names<'w, 's>,
    now: Res<'w, CurrentTick>,
}

impl Emit<'_, '_> {
    /// Tells everybody in the room; of an event [with a place](crate::Game::event_at), those who see that.
    pub fn send<E: GameEvent>(&mut self, event: E) {
        self.queue.push(&event, self.now.tick(), &self.names);
    }
}

/// Who is who, from within a system.
#[derive(SystemParam)]
struct Names<'w, 's> {
    ids: Res<'w, Ids>,
    nets: Query<'w, 's, &'static NetEntity>,
}

/// References as those see them who see an area.
struct NamesIn<'a, 'w, 's> {
    names: &'a Names<'w, 's>,
    /// Its place in the book of names; `None`: nobody was ever there.
    area: Option<usize>,
}

impl Refs for NamesIn<'_, '_, '_> {
    fn to_net(&self, entity_bits: u64) -> Option<NetId> {
        let entity = Entity::try_from_bits(entity_bits)?;
        let net = self.names.nets.get(entity).ok()?;
        let ids = &self.names.ids;
        ids.name_in(self.area.unwrap_or(usize::MAX), net.id())
    }

    fn to_entity(&self, _: NetId) -> Option<u64> {
        None // it is for writing only
    }
}
