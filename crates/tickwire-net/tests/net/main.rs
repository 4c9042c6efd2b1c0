//! The server over real sockets: players who behave, players who do not, games that fail, and a server that stops.

mod asks;
mod books;
mod chat;
mod full_rooms;
mod handlers;
mod hostile_commands;
mod hostile_http;
mod hostile_websocket;
mod lobby;
mod loopback;
mod namespaces;
mod operators;
mod people;
mod polling;
mod polls;
mod raw;
mod relay;
mod remotes;
mod resume;
mod rooms;
mod sockets;
mod strain;
mod tasks;

use bevy_ecs::prelude::*;
use tickwire_net::{Running, Server};
use tickwire_sim::prelude::*;

#[derive(Replicate, Default)]
struct Dot {
    #[net(range = 0.0..=800.0, step = 0.1)]
    x: f32,
    hue: u8,
}

#[derive(PlayerCommand, Clone, Copy, Default)]
struct Steer {
    #[net(range = -1..=1)]
    x: i8,
}

fn join(In(player): In<Player>, mut commands: Commands) {
    commands.spawn((
        Dot {
            x: 400.0,
            hue: player.hue(),
        },
        OwnedBy(player),
    ));
}

fn steer(mut dots: Query<(&mut Dot, &Asks<Steer>)>) {
    for (mut dot, ask) in &mut dots {
        dot.x = (dot.x + 6.0 * f32::from(ask.x)).clamp(0.0, 800.0);
    }
}

fn dots(game: &mut Game) {
    game.rate(30)
        .seats(2)
        .replicate::<Dot>()
        .command::<Steer>()
        .on_join(join)
        .systems(steer);
}

fn server() -> Server {
    Server::new("dots", dots)
        .page("<p>dots")
        .listen("127.0.0.1:0")
        .set("threads.io", "2")
}

fn start(server: Server) -> Running {
    server.start().unwrap_or_else(|error| panic!("{error}"))
}

/// A number of the metrics; 0: nobody has counted that yet.
fn count(metrics: &str, name: &str) -> u64 {
    let value = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().expect("a whole number"))
}

/// What no codec makes small.
#[derive(Replicate, Default)]
struct Noise {
    words: [u32; 16],
}

fn noise(tick: Res<CurrentTick>, mut all: Query<&mut Noise>) {
    let mut word = tick.tick().0;
    for mut noise in &mut all {
        for slot in &mut noise.words {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *slot = word;
        }
    }
}

/// Dots, and two kilobytes of noise in each update.
fn noisy(game: &mut Game) {
    dots(game);
    game.replicate::<Noise>()
        .systems(noise)
        .on_start(|mut commands: Commands| {
            commands.spawn_batch((0..32).map(|_| Noise::default()));
        });
}
