//! Tick events: what happened at a tick, emitted by systems and carried by the area until nobody needs to hear of it. Not how they are shown.

use std::any::{TypeId, type_name};
use std::sync::Arc;

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Query, Res, ResMut, SystemParam};
use tickwire_proto::Tick;
use tickwire_snapshot::record::{Record, Refs};
use tickwire_snapshot::{NetId, OwnedRow, Schema, TickEvent};

use crate::ids::{Ids, NetEntity};
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
}

/// Events on their way into the area.
#[derive(Resource)]
pub(crate) struct EventQueue {
    schema: Arc<Schema>,
    /// By type: index in the schema, and lifetime in ticks.
    kinds: Vec<(TypeId, u16, u16)>,
    pub waiting: Vec<TickEvent>,
    pub dropped: u64,
}

impl EventQueue {
    pub(crate) fn new(schema: &Arc<Schema>, kinds: &[&EventKind], rate: u16) -> Self {
        let number = |kind: &&EventKind| {
            let index = schema.event(&kind.name)?;
            let lifetime = kind.lifetime.unwrap_or(rate.div_ceil(2));
            Some((kind.type_id, index as u16, lifetime)) // at most RECORDS_MAX
        };
        Self {
            schema: schema.clone(),
            kinds: kinds.iter().filter_map(number).collect(),
            waiting: Vec::new(),
            dropped: 0,
        }
    }

    /// Forgets those that nobody needs to hear of any more: a room without viewers may not be captured for long.
    pub(crate) fn expire(&mut self, now: Tick) {
        self.waiting
            .retain(|event| now.since(event.tick) <= u32::from(event.lifetime));
    }

    fn push<E: GameEvent>(&mut self, event: &E, tick: Tick, refs: &dyn Refs) {
        let of_type = |kind: &&(TypeId, u16, u16)| kind.0 == TypeId::of::<E>();
        let Some(&(_, kind, lifetime)) = self.kinds.iter().find(of_type) else {
            let name = type_name::<E>();
            panic!(
                "a system emitted {name}, which the game does not know: add game.event::<{name}>()"
            );
        };
        if self.waiting.len() >= EVENTS_WAITING_MAX {
            self.dropped += 1;
            return;
        }
        let record = &self.schema.events[usize::from(kind)];
        let mut row = OwnedRow::new(record);
        event.write(&mut row.row_mut(record), refs);
        self.waiting.push(TickEvent {
            tick,
            kind,
            lifetime,
            ints: row.ints,
            blobs: row.blobs,
        });
    }
}

/// Emits tick events: a system parameter. Clients hear of one when their picture reaches its tick, at most once.
///
/// An event may name an entity that is despawned in the same tick, but not one whose spawning is still queued: that is `None` to the client.
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
    /// Tells everybody in the room.
    pub fn send<E: GameEvent>(&mut self, event: E) {
        self.queue.push(&event, self.now.tick(), &self.names);
    }
}

/// References as all may see them, from within a system.
#[derive(SystemParam)]
struct Names<'w, 's> {
    ids: Res<'w, Ids>,
    nets: Query<'w, 's, &'static NetEntity>,
}

impl Refs for Names<'_, '_> {
    fn to_net(&self, entity_bits: u64) -> Option<NetId> {
        let entity = Entity::try_from_bits(entity_bits)?;
        let net = self.nets.get(entity).ok()?;
        self.ids.place(net.id())
    }

    fn to_entity(&self, id: NetId) -> Option<u64> {
        self.ids.seen(id).map(Entity::to_bits)
    }
}
