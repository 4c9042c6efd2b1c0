//! Flowers as a Bevy plugin, as one would write it for any app: it grows them, sways them, and gives their nectar to bees. The room hosts it.

use bevy_app::prelude::*;
use tickwire::prelude::*;

use crate::{Bee, MEADOW};

/// Flowers that grow at a time.
pub const FLOWERS: usize = 6;
/// How near a bee must come.
pub const REACH: f32 = 24.0;

/// A flower, swaying in the wind.
#[derive(Replicate, Clone, Default)]
pub struct Flower {
    /// From the left.
    #[net(range = 0.0..=640.0, step = 0.5)]
    pub x: f32,
    /// From the top.
    #[net(range = 0.0..=640.0, step = 0.5)]
    pub y: f32,
    /// How far it leans, in radians.
    #[net(angle, bits = 10)]
    pub sway: f32,
}

/// How the meadow is doing.
#[derive(Replicate, Clone, Default, Debug, PartialEq)]
#[net(resource)]
pub struct Season {
    /// Flowers that have grown so far.
    pub grown: u32,
}

/// A bee has found a flower.
#[derive(TickEvent, Clone, Default, Debug, PartialEq)]
pub struct Visited {
    /// Where.
    #[net(range = 0.0..=640.0, step = 0.5)]
    pub x: f32,
    /// Where.
    #[net(range = 0.0..=640.0, step = 0.5)]
    pub y: f32,
    /// Whose bee it was.
    pub seat: u16,
}

/// Grows the flowers. What becomes of them only the server knows, so on a client that predicts none of it runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct FlowersPlugin;

impl Plugin for FlowersPlugin {
    fn build(&self, app: &mut App) {
        app.add_systems(FixedUpdate, (visit, grow, sway).chain().run_if(on_server));
    }
}

fn visit(
    mut bees: Query<(&NetEntity, &mut Bee, &OwnedBy)>,
    flowers: Query<(Entity, &NetEntity, &Flower)>,
    mut commands: Commands,
    mut emit: Emit,
) {
    let mut gone: Vec<Entity> = Vec::new();
    for (_, mut bee, owner) in bees.iter_mut().sort::<&NetEntity>() {
        for (entity, _, flower) in flowers.iter().sort::<&NetEntity>() {
            let (dx, dy) = (flower.x - bee.x, flower.y - bee.y);
            if dx * dx + dy * dy > REACH * REACH || gone.contains(&entity) {
                continue;
            }
            bee.nectar += 1;
            gone.push(entity);
            commands.entity(entity).despawn();
            emit.send(Visited {
                x: flower.x,
                y: flower.y,
                seat: owner.0.seat,
            });
        }
    }
}

fn grow(
    flowers: Query<(), With<Flower>>,
    chance: Chance,
    mut season: ResMut<Season>,
    mut commands: Commands,
) {
    for nth in flowers.iter().len()..FLOWERS {
        let salt = nth as u32 * 2;
        let along = |salt| chance.between(&NetEntity::ROOM, salt, 0.0, MEADOW);
        commands.spawn(Flower {
            x: along(salt),
            y: along(salt + 1),
            sway: 0.0,
        });
        season.grown += 1;
    }
}

/// A triangle of two seconds: without a sine, whose bits differ from machine to machine.
fn sway(mut flowers: Query<&mut Flower>, now: Res<CurrentTick>) {
    let phase = (now.tick().0 % 60) as f32 / 60.0;
    let lean = if phase < 0.5 { phase } else { 1.0 - phase };
    for mut flower in &mut flowers {
        flower.sway = lean;
    }
}
