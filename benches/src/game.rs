//! The workload as a Tickwire game: its entities as components, driven by the workload's own simulation. Nothing is measured here.

use std::collections::HashMap;

use tickwire::prelude::*;
use tickwire_workload::{Config, Entity as Truth, Sim};

/// Position, velocity and heading, quantised as the workload says.
#[derive(Replicate, Clone, Debug, Default, PartialEq)]
pub struct Body {
    #[net(range = 0.0..=1024.0, step = 0.0625, velocity = "vx")]
    pub x: f32,
    #[net(range = 0.0..=1024.0, step = 0.0625, velocity = "vy")]
    pub y: f32,
    #[net(range = -512.0..=512.0, step = 0.0625)]
    pub vx: f32,
    #[net(range = -512.0..=512.0, step = 0.0625)]
    pub vy: f32,
    #[net(angle, bits = 8)]
    pub rot: f32,
}

#[derive(Replicate, Clone, Debug, Default, PartialEq)]
pub struct Vital {
    #[net(bits = 7)]
    pub health: u8,
}

#[derive(Replicate, Clone, Debug, Default, PartialEq)]
pub struct Looks {
    pub team: u8,
    pub kind: u8,
}

/// What a bot may ask for; the workload steers itself, so that every run is the same.
#[derive(PlayerCommand, Clone, Copy, Default)]
pub struct Steer {
    #[net(range = -1..=1)]
    pub x: i8,
    #[net(range = -1..=1)]
    pub y: i8,
}

#[derive(Resource)]
struct Driver {
    sim: Sim,
    entities: HashMap<u32, Entity>,
}

/// The workload with a configuration, 30 ticks and 30 updates a second.
pub fn workload(config: Config, seats: u32) -> impl Fn(&mut Game) + Send + Sync + 'static {
    move |game| {
        game.rate(30)
            .send(30)
            .seats(seats)
            .replicate::<Body>()
            .replicate::<Vital>()
            .replicate::<Looks>()
            .command::<Steer>()
            .on_start(move |mut commands: Commands| start(config, &mut commands))
            .systems(drive);
    }
}

/// The workload, its updates coded densely, from guesses.
pub fn bookless_workload(config: Config, seats: u32) -> impl Fn(&mut Game) + Send + Sync + 'static {
    let game = workload(config, seats);
    move |book| {
        game(book);
        book.codec(Profile::Dense);
    }
}

/// The same from a codebook that `report train` made of other seeds.
pub fn dense_workload(config: Config, seats: u32) -> impl Fn(&mut Game) + Send + Sync + 'static {
    let game = bookless_workload(config, seats);
    move |book| {
        game(book);
        book.codebook(include_bytes!("../data/books/workload.book"));
    }
}

/// A room where nothing moves: so many bodies at rest.
pub fn idle(entities: u32, seats: u32) -> impl Fn(&mut Game) + Send + Sync + 'static {
    move |game| {
        game.rate(30)
            .send(30)
            .seats(seats)
            .replicate::<Body>()
            .command::<Steer>()
            .on_start(move |mut commands: Commands| {
                for i in 0..entities {
                    let (x, y) = ((i % 32) as f32 * 32.0, (i / 32) as f32 * 32.0);
                    commands.spawn(Body {
                        x,
                        y,
                        ..Body::default()
                    });
                }
            });
    }
}

fn start(config: Config, commands: &mut Commands) {
    let sim = Sim::new(config);
    let entities = sim
        .entities()
        .iter()
        .map(|truth| (truth.id, spawn(truth, commands)))
        .collect();
    commands.insert_resource(Driver { sim, entities });
}

fn spawn(truth: &Truth, commands: &mut Commands) -> Entity {
    let (body, vital, looks) = parts(truth);
    commands.spawn((body, vital, looks)).id()
}

/// The three components of one entity of the workload.
pub fn parts(truth: &Truth) -> (Body, Vital, Looks) {
    (
        Body {
            x: truth.pos[0],
            y: truth.pos[1],
            vx: truth.vel[0],
            vy: truth.vel[1],
            rot: truth.rot,
        },
        Vital {
            health: truth.health,
        },
        Looks {
            team: truth.team,
            kind: truth.kind,
        },
    )
}

fn drive(
    mut driver: ResMut<Driver>,
    mut bodies: Query<(&mut Body, &mut Vital)>,
    mut commands: Commands,
) {
    let Driver { sim, entities } = &mut *driver;
    sim.step();
    for id in sim.despawned() {
        if let Some(entity) = entities.remove(id) {
            commands.entity(entity).despawn();
        }
    }
    for truth in sim.entities() {
        let Some(&entity) = entities.get(&truth.id) else {
            entities.insert(truth.id, spawn(truth, &mut commands));
            continue;
        };
        let Ok((mut body, mut vital)) = bodies.get_mut(entity) else {
            continue;
        };
        let (next_body, next_vital, _) = parts(truth);
        body.set_if_neq(next_body);
        vital.set_if_neq(next_vital);
    }
}
