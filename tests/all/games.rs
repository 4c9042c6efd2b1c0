//! The small games that several modules play; the arena is the real one. What is proved with them stands in those modules.

use tickwire::prelude::*;

/// Where a dot is.
#[derive(Replicate, Default)]
pub struct Dot {
    #[net(range = 0.0..=800.0, step = 0.1)]
    pub x: f32,
    #[net(range = 0.0..=600.0, step = 0.1)]
    pub y: f32,
    pub hue: u8,
}

/// What a player asks for.
#[derive(PlayerCommand, Clone, Copy, Default)]
pub struct Steer {
    #[net(range = -1..=1)]
    pub x: i8,
    #[net(range = -1..=1)]
    pub y: i8,
}

pub fn join(In(player): In<Player>, mut commands: Commands) {
    let dot = Dot {
        x: 400.0,
        y: 300.0,
        hue: player.hue(),
    };
    commands.spawn((dot, OwnedBy(player)));
}

fn steer(mut dots: Query<(&mut Dot, &Asks<Steer>)>) {
    for (mut dot, ask) in &mut dots {
        if (ask.x, ask.y) != (0, 0) {
            dot.x = (dot.x + 6.0 * f32::from(ask.x)).clamp(0.0, 800.0);
            dot.y = (dot.y + 6.0 * f32::from(ask.y)).clamp(0.0, 600.0);
        }
    }
}

/// The dots of hello.
pub fn hello(game: &mut Game) {
    game.rate(30).seats(64);
    game.replicate::<Dot>().command::<Steer>();
    game.on_join(join).systems(steer);
}

/// A thousand things that never move, and nobody else.
pub fn museum(game: &mut Game) {
    game.rate(30).seats(128);
    game.replicate::<Dot>().command::<Steer>();
    game.on_start(crowd).systems(steer);
}

fn crowd(mut commands: Commands) {
    for n in 0..1_000_u16 {
        commands.spawn(Dot {
            x: f32::from(n % 40) * 20.0,
            y: f32::from(n / 40) * 20.0,
            hue: 0,
        });
    }
}
