//! The arena as a game: what is replicated, what players ask for, and in which order the systems run. How each part works stands in its own file.

mod bolts;
#[cfg(not(target_arch = "wasm32"))]
mod chat;
mod computer;
#[cfg(not(target_arch = "wasm32"))]
mod guest;
mod map;
#[cfg(not(target_arch = "wasm32"))]
mod page;
mod rails;
mod ships;
mod wounds;

use std::{sync::Arc, time::Duration};

use tickwire::prelude::*;

pub use crate::{
    bolts::{Bolt, Spark},
    map::{Map, MapError, Wall},
    rails::Beam,
    ships::{Pilot, Ship, Steer, Team},
    wounds::{Boom, Scores},
};
#[cfg(not(target_arch = "wasm32"))]
pub use crate::{
    chat::{Earlier, HISTORY_MAX, LINE_CHARS_MAX, Line, Lines, Say, chat},
    guest::{Guests, SignIn, Signed},
    page::{FILES, PAGE},
};

// Compiled to WebAssembly, this crate is the page's prediction: the game itself.
tickwire::web_game!("arena", arena(Options::default()));

/// Ticks in a second; an update leaves every other tick.
pub const HZ: u32 = 60;
/// `x * x`, the same on every machine: powers of std are not.
pub(crate) fn square(x: f32) -> f32 {
    x * x
}

/// How far back a rail is judged: as old as pictures are over a link that loses some percent. Who has reached cover by then is judged by less.
const LOOK_BACK: Duration = Duration::from_millis(700);
/// Nobody flies so far between two updates: who does came back to life elsewhere.
const JUMP: f32 = 160.0;

/// Length of a tick, in seconds.
pub const DT: f32 = 1.0 / HZ as f32;
/// Seats of a room unless told otherwise.
pub const SEATS: u16 = 64;

/// What a server decides about its arenas.
#[derive(Clone)]
pub struct Options {
    /// The ground, its walls and its spawns.
    pub map: Arc<Map>,
    /// Computer players fill a room up to this many players and give their seats to people.
    pub players: u16,
    /// People and computer players that fit into a room.
    pub seats: u16,
}

impl Default for Options {
    /// The night map, eight players, 64 seats.
    fn default() -> Self {
        Self {
            map: Arc::new(Map::night()),
            players: 8,
            seats: SEATS,
        }
    }
}

/// The size of the ground, for whoever draws it.
#[derive(Replicate, Clone, Default)]
#[net(resource)]
pub struct Ground {
    /// In units, along x.
    pub width: u16,
    /// In units, along y.
    pub height: u16,
}

/// The game, ready to be hosted: `Server::new("arena", arena(Options::default()))`.
///
/// ```
/// use tickwire::prelude::*;
/// let kind = GameKind::new("arena", arena::arena(arena::Options::default()));
/// let mut room = Simulation::new(&kind, SimOptions { seed: 1, ..SimOptions::default() });
/// for _ in 0..60 { room.step(); }
/// let ships = room.world_mut().query::<&arena::Ship>().iter(room.world()).count();
/// assert_eq!(ships, 8, "computer players fill the room");
/// ```
pub fn arena(options: Options) -> impl Fn(&mut Game) + Send + Sync + 'static {
    move |game| {
        let map = options.map.clone();
        game.rate(HZ)
            .send(30)
            .codec(Profile::Dense)
            .codebook(include_bytes!("arena.book"))
            .seats(u32::from(options.seats))
            .seat_for_each_session() // two windows of one browser are two ships
            .computer_players(u32::from(options.players))
            .computer_names(computer::NAMES)
            .command::<Steer>()
            .replicate::<Ship>()
            .replicate::<Pilot>()
            .replicate::<Bolt>()
            .replicate::<Wall>()
            .resource::<Ground>()
            .resource::<Scores>()
            .replicate::<ships::Helm>()
            .replicate::<ships::Clockwork>()
            .replicate::<bolts::Shot>()
            .state::<computer::Brain>()
            .event::<Boom>()
            .event::<Spark>()
            .event::<Beam>()
            .rewindable(can_be_hit)
            .rewind(LOOK_BACK)
            .rewind_jump(JUMP)
            .on_start(move |mut commands: Commands| lay_out(&map, &mut commands))
            .on_join(ships::join)
            .on_leave(ships::leave)
            .systems(
                (
                    ships::rename.run_if(on_server),
                    ships::listen,
                    computer::think.run_if(on_server),
                    ships::respawn,
                    ships::fly,
                    bolts::fire,
                    rails::charge,
                    rails::strike,
                    bolts::fly,
                    bolts::hit.run_if(on_server),
                )
                    .chain(),
            );
    }
}

/// By a rail, in the past: a whole ship is a disc.
fn can_be_hit(ship: &Ship) -> Option<Hitbox> {
    (ship.health > 0).then(|| Hitbox::circle((ship.x, ship.y), ships::RADIUS))
}

fn lay_out(map: &Arc<Map>, commands: &mut Commands) {
    commands.insert_resource(Ground {
        width: map.width,
        height: map.height,
    });
    commands.insert_resource(Scores::default());
    commands.insert_resource(map::Terrain(map.clone()));
    for wall in &map.walls {
        commands.spawn(wall.clone());
    }
}
