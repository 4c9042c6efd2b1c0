//! Recording: where hitboxes are after a step, at the cost of what changed in it. How long that is kept is `track`'s matter.

use std::any::TypeId;

use bevy_ecs::change_detection::Tick as ChangeTick;
use bevy_ecs::component::Component;
use bevy_ecs::lifecycle::Remove;
use bevy_ecs::observer::On;
use bevy_ecs::system::{Query, ResMut};
use bevy_ecs::world::World;

use super::track::Tracks;
use super::{Hitbox, Rewind};
use crate::capture::CHANGE_AGE_MAX;
use crate::column::{RowsOf, each_changed};
use crate::ids::{Ids, NetEntity};

/// A component by which entities can be hit, without its type.
pub(crate) trait Recorder: Send + Sync {
    fn component(&self) -> TypeId;
    fn setup(&mut self, world: &mut World, kind: usize);
    /// Everybody whose component changed since the tick that the world says.
    fn record(&mut self, world: &World, tracks: &mut Recorded<'_>);
}

/// Where recorders write to.
pub(crate) struct Recorded<'a>(&'a mut Tracks);

/// The function from a component to a hitbox.
pub(crate) struct Rewindable<C: Component, F> {
    shape: F,
    rows: Option<RowsOf<C>>,
}

impl<C: Component, F: Fn(&C) -> Option<Hitbox> + Send + Sync> Rewindable<C, F> {
    pub(crate) fn new(shape: F) -> Self {
        Self { shape, rows: None }
    }
}

impl<C: Component, F: Fn(&C) -> Option<Hitbox> + Send + Sync> Recorder for Rewindable<C, F> {
    fn component(&self) -> TypeId {
        TypeId::of::<C>()
    }

    fn setup(&mut self, world: &mut World, kind: usize) {
        // An observer, since the hooks are taken by replication.
        let forget =
            move |gone: On<Remove<C>>, names: Query<&NetEntity>, mut rewind: ResMut<Rewind>| {
                if let Ok(name) = names.get(gone.entity) {
                    rewind.forget(kind, name.id());
                }
            };
        world.add_observer(forget);
        self.rows = Some(world.query());
    }

    fn record(&mut self, world: &World, tracks: &mut Recorded<'_>) {
        let Some(rows) = &mut self.rows else { return };
        let ids = world.resource::<Ids>();
        each_changed(rows, world, |net, value| {
            // Who found no slot in a full room is seen by nobody.
            if let Some(known) = ids.get(net.id()).filter(|_| *net != NetEntity::ROOM) {
                let shape = (self.shape)(value);
                tracks.0.note(net.id(), known.entity, shape);
            }
        });
    }
}

/// All that is recorded of a room.
#[derive(Default)]
pub(crate) struct Recording {
    recorders: Vec<Box<dyn Recorder>>,
    /// The world's change tick of the last time.
    seen: Option<ChangeTick>,
}

impl Recording {
    pub(crate) fn new(mut recorders: Vec<Box<dyn Recorder>>, world: &mut World) -> Self {
        for (kind, recorder) in recorders.iter_mut().enumerate() {
            recorder.setup(world, kind);
        }
        Self {
            recorders,
            seen: None,
        }
    }

    /// Whether nothing can be hit in this game.
    pub(crate) fn is_empty(&self) -> bool {
        self.recorders.is_empty()
    }

    /// The world was restored: all of it is looked at once more.
    pub(crate) fn begin_anew(&mut self) {
        self.seen = None;
    }

    /// After a step.
    pub(crate) fn take(&mut self, world: &mut World) {
        let now = world.change_tick();
        let oldest = ChangeTick::new(now.get().wrapping_sub(CHANGE_AGE_MAX));
        let young = |seen: &ChangeTick| now.get().wrapping_sub(seen.get()) <= CHANGE_AGE_MAX;
        let since = self.seen.filter(young).unwrap_or(oldest);
        world.last_change_tick_scope(since, |world| {
            world.resource_scope(
                |world, mut rewind: bevy_ecs::change_detection::Mut<Rewind>| {
                    for (recorder, kind) in self.recorders.iter_mut().zip(&mut rewind.kinds) {
                        recorder.record(world, &mut Recorded(&mut kind.tracks));
                    }
                },
            );
        });
        self.seen = Some(now);
        // What is written from here on is newer than `seen`.
        world.increment_change_tick();
    }
}
