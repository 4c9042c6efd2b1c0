//! The game that feel is measured on: ships that players steer, and drones that never rest, so that there is always something to tell. No figures.

use bevy_ecs::prelude::*;
use tickwire_sim::prelude::*;

/// Ticks, and updates, a second.
pub const RATE: u32 = 30;
const SIDE: f32 = 400.0;
const DRONES: u32 = 24;

#[derive(Replicate, Default)]
struct Body {
    #[net(range = 0.0..=400.0, step = 0.0625, velocity = "vx")]
    x: f32,
    #[net(range = 0.0..=400.0, step = 0.0625, velocity = "vy")]
    y: f32,
    #[net(range = -64.0..=64.0, step = 0.125)]
    vx: f32,
    #[net(range = -64.0..=64.0, step = 0.125)]
    vy: f32,
}

#[derive(PlayerCommand, Clone, Copy, Default)]
struct Steer {
    #[net(range = -1..=1)]
    x: i8,
    #[net(range = -1..=1)]
    y: i8,
}

/// Where a drone or a ship begins: by its number, so that every run begins alike.
fn body(number: u32) -> Body {
    let turn = number as f32 * 2.399_963;
    let (sin, cos) = (libm::sinf(turn), libm::cosf(turn));
    Body {
        x: SIDE / 2.0 + cos * 7.0 * number as f32,
        y: SIDE / 2.0 + sin * 7.0 * number as f32,
        vx: 40.0 * sin,
        vy: 40.0 * cos,
    }
}

fn begin(mut commands: Commands) {
    (0..DRONES).for_each(|number| {
        commands.spawn(body(number));
    });
}

fn join(In(player): In<Player>, mut commands: Commands) {
    commands.spawn((body(u32::from(player.seat)), OwnedBy(player)));
}

fn steer(mut ships: Query<(&mut Body, &Asks<Steer>)>) {
    for (mut ship, ask) in &mut ships {
        ship.vx = (ship.vx + 4.0 * f32::from(ask.x)).clamp(-60.0, 60.0);
        ship.vy = (ship.vy + 4.0 * f32::from(ask.y)).clamp(-60.0, 60.0);
    }
}

fn fly(mut bodies: Query<&mut Body>) {
    for mut it in &mut bodies {
        if (it.x < 1.0 && it.vx < 0.0) || (it.x > SIDE - 1.0 && it.vx > 0.0) {
            it.vx = -it.vx;
        }
        if (it.y < 1.0 && it.vy < 0.0) || (it.y > SIDE - 1.0 && it.vy > 0.0) {
            it.vy = -it.vy;
        }
        it.x = (it.x + it.vx / RATE as f32).clamp(0.0, SIDE);
        it.y = (it.y + it.vy / RATE as f32).clamp(0.0, SIDE);
    }
}

/// The game, as a server is given it.
pub fn game(game: &mut Game) {
    game.rate(RATE)
        .send(RATE)
        .seats(16)
        .replicate::<Body>()
        .command::<Steer>()
        .on_start(begin)
        .on_join(join)
        .systems((steer, fly).chain());
}
