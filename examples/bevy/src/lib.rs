//! The game: bees that players steer. The flowers that they visit are a Bevy plugin (`flowers`), and who plays it without a window is `play`.

pub mod flowers;
pub mod play;

use tickwire::bevy::HostPlugins;
use tickwire::prelude::*;

/// Length of a side of the meadow.
pub const MEADOW: f32 = 640.0;
/// How far a bee flies in a tick.
pub const PACE: f32 = 6.0;

/// Where a bee is, and what it has gathered.
#[derive(Replicate, Clone, Default)]
pub struct Bee {
    /// From the left.
    #[net(range = 0.0..=640.0, step = 0.1)]
    pub x: f32,
    /// From the top.
    #[net(range = 0.0..=640.0, step = 0.1)]
    pub y: f32,
    /// Flowers that it has visited.
    pub nectar: u16,
}

/// Where a bee shall fly in one tick.
#[derive(PlayerCommand, Clone, Copy, Default, Debug, PartialEq)]
pub struct Fly {
    /// Right, or left.
    #[net(range = -1..=1)]
    pub x: i8,
    /// Down, or up.
    #[net(range = -1..=1)]
    pub y: i8,
}

fn join(In(player): In<Player>, mut commands: Commands) {
    let bee = Bee {
        x: MEADOW / 2.0,
        y: MEADOW / 2.0,
        nectar: 0,
    };
    commands.spawn((bee, OwnedBy(player)));
}

/// Runs on the server, and ahead of it in each client for its own bee.
fn fly(mut bees: Query<(&mut Bee, &Asks<Fly>), Without<Remote>>) {
    for (mut bee, ask) in &mut bees {
        bee.x = (bee.x + PACE * f32::from(ask.x)).clamp(0.0, MEADOW);
        bee.y = (bee.y + PACE * f32::from(ask.y)).clamp(0.0, MEADOW);
    }
}

/// The game, in ticks of 1/30 s.
pub fn meadow(game: &mut Game) {
    game.rate(30)
        .seats(16)
        .replicate::<Bee>()
        .replicate::<flowers::Flower>()
        .resource::<flowers::Season>()
        .event::<flowers::Visited>()
        .command::<Fly>()
        .on_join(join)
        .systems(fly)
        .host_plugins(flowers::FlowersPlugin);
}
