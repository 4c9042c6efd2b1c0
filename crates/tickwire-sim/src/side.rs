//! On which side a world is stepped, as systems may ask it: on a server, or ahead of one on a client. Not how a client does that.

use bevy_ecs::change_detection::Res;
use bevy_ecs::component::Component;
use bevy_ecs::resource::Resource;
use tickwire_snapshot::record::{ReadError, Record, Refs};
use tickwire_snapshot::{RecordSchema, Row, RowMut};

/// Where this world is stepped: a resource of every world.
///
/// The same systems run on both sides. What only a server can decide (who comes back where, what a computer player thinks) has the condition
/// [`on_server`]; a client that predicts leaves it out, and is told.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_sim::prelude::*;
///
/// fn think() { /* of computer players */ }
/// fn fly() { /* on both sides */ }
/// fn game(game: &mut Game) {
///     game.systems((think.run_if(on_server), fly).chain());
/// }
/// # tickwire_sim::GameKind::new("both", game);
/// ```
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// The side that is right.
    #[default]
    Server,
    /// A client that runs ahead of its server.
    Client {
        /// This tick was stepped before, and is stepped again after a correction.
        again: bool,
    },
}

/// A condition for systems: this is the server.
#[must_use]
pub fn on_server(side: Res<Side>) -> bool {
    *side == Side::Server
}

/// A condition for systems: this is a client that predicts.
#[must_use]
pub fn on_client(side: Res<Side>) -> bool {
    *side != Side::Server
}

/// Stands on what a client that predicts knows of and does not simulate: other players' entities, walls. They are as they were at the newest
/// update, and what a system changes of them is undone by the next. On a server it is on nothing.
///
/// `Query<&mut Ball, Without<Remote>>` is all balls on a server, and those that are predicted on a client.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remote;

/// Put on an entity by the server: clients that predict run ahead with it too, though they do not own it (a ball, a ship that one may bump into).
///
/// Others' commands are not known, so that it is corrected whenever its owner does something new; all of what is predicted is then stepped again.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[component(summary_tick)]
pub struct Predicted;

// By hand, since it has no fields.
impl Record for Predicted {
    fn schema() -> RecordSchema {
        RecordSchema::new("Predicted", Vec::new())
    }

    fn write(&self, _: &mut RowMut<'_>, _: &dyn Refs) {}

    fn read(_: &Row<'_>, _: &dyn Refs) -> Result<Self, ReadError> {
        Ok(Self)
    }

    fn write_exact(&self, _: &mut Vec<u8>, _: &dyn Refs) {}

    fn read_exact(_: &mut &[u8], _: &dyn Refs) -> Result<Self, ReadError> {
        Ok(Self)
    }

    fn duplicate(&self) -> Self {
        *self
    }
}
