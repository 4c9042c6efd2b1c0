//! K1 to K4: what a room costs as it grows: entities that move, entities that rest, viewers, rooms. No sockets; the curves are drawn for the docs.

use std::path::Path;
use std::time::{Duration, Instant};

use bevy_ecs::prelude::*;
use tickwire_benches::game::workload;
use tickwire_benches::row::Row;
use tickwire_sim::prelude::*;
use tickwire_sim::{GameKind, SimOptions, Simulation};
use tickwire_snapshot::{AreaId, Basis, Encoder};
use tickwire_workload::Config;

use crate::plot::{Curve, Plot};
use crate::seen::Seen;

/// Ticks before the measure, and measured.
const SETTLE: u32 = 40;
const MEASURE: usize = 120;
/// Entities that turn now and then while others rest.
const RESTLESS: u32 = 100;
const ENTITIES: [u32; 8] = [10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000];
const VIEWERS: [u32; 7] = [1, 3, 10, 30, 100, 300, 1_000];
const ROOMS: [u32; 4] = [1, 10, 100, 300];

/// Prints the rows; draws the curves into a folder, if there is one.
pub fn rows(plots: Option<&Path>, print: &mut dyn FnMut(Row)) {
    let mut tell = |id: &str, what: &str, [file, title, x, y]: [&str; 4], curves: Vec<Curve>| {
        print(row(id, what, &curves));
        if let Some(folder) = plots {
            let plot = Plot::new(title, x, y, curves);
            plot.draw(&folder.join(file))
                .expect("the folder takes a picture");
        }
    };
    let all = |profile| ENTITIES.map(|n| (n, world(n, 0, profile)));
    let (dense, fast) = (all(Profile::Dense), all(Profile::Fast));
    let resting = ENTITIES.map(|n| (n, world(RESTLESS, n, Profile::Dense)));
    let curve = |name: &str, worlds: &[(u32, World)], of: fn(&World) -> f64| {
        let points = worlds.iter().map(|(n, world)| (f64::from(*n), of(world)));
        Curve::new(name, points.collect())
    };
    let moving = "entities that all move";
    tell(
        "K1",
        &format!("us a tick, by {moving}; capture, dense, fast"),
        [
            "entities.svg",
            "A tick, by entities that all move",
            "entities",
            "microseconds",
        ],
        vec![
            curve("capture", &fast, |world| world.capture),
            curve("encode, dense", &dense, |world| world.encode),
            curve("encode, fast", &fast, |world| world.encode),
        ],
    );
    tell(
        "K1.bytes",
        &format!("bytes an update, by {moving}; dense, fast"),
        [
            "bytes.svg",
            "An update, by entities that all move",
            "entities",
            "bytes",
        ],
        vec![
            curve("dense", &dense, |world| world.bytes),
            curve("fast", &fast, |world| world.bytes),
        ],
    );
    let resting_title = "A tick, by entities that rest beside 100 that move";
    tell(
        "K2",
        "us a tick, by entities that rest beside 100 that move; capture, encode",
        [
            "resting.svg",
            resting_title,
            "entities at rest",
            "microseconds",
        ],
        vec![
            curve("capture", &resting, |world| world.capture),
            curve("encode, dense", &resting, |world| world.encode),
        ],
    );
    let points = VIEWERS.iter().map(|&n| (f64::from(n), viewed(n)));
    tell(
        "K3",
        "us a tick of a room with 250 entities that move, by viewers",
        [
            "viewers.svg",
            "A tick with 250 entities that move, by viewers",
            "viewers",
            "microseconds",
        ],
        vec![Curve::new(
            "step, capture, encode and all updates",
            points.collect(),
        )],
    );
    let points = ROOMS.iter().map(|&n| (f64::from(n), many(n)));
    tell(
        "K4",
        "us a tick of one of so many rooms of arena S with 16 viewers, one after the other",
        [
            "rooms.svg",
            "A tick of one room, by rooms",
            "rooms",
            "microseconds",
        ],
        vec![Curve::new("a room of 16 players", points.collect())],
    );
}

/// The last point of the first curve is the row's value; the note has them all.
fn row(id: &str, what: &str, curves: &[Curve]) -> Row {
    let list = |curve: &Curve| {
        let each = curve.points.iter().map(|(x, y)| format!("{x:.0}: {y:.0}"));
        each.collect::<Vec<_>>().join(", ")
    };
    let lists: Vec<String> = curves.iter().map(list).collect();
    let value = curves[0].points.last().map_or(0.0, |point| point.1);
    let unit = if id.ends_with("bytes") { "B" } else { "us" };
    Row::new(id, value, unit, format!("{what}: {}", lists.join("; ")))
}

#[derive(Replicate, Default)]
struct Walker {
    #[net(range = -4000.0..=4000.0, step = 0.0625, velocity = "vx")]
    x: f32,
    #[net(range = -4000.0..=4000.0, step = 0.0625, velocity = "vy")]
    y: f32,
    #[net(range = -60.0..=60.0, step = 0.125)]
    vx: f32,
    #[net(range = -60.0..=60.0, step = 0.125)]
    vy: f32,
    health: u8,
}

/// What never moves: another component would be another table.
#[derive(Component)]
struct Restless;

/// Each turns once in about two seconds.
fn walk(
    tick: Res<CurrentTick>,
    chance: Chance,
    mut walkers: Query<(&NetEntity, &mut Walker), With<Restless>>,
) {
    for (net, mut it) in &mut walkers {
        if (tick.tick().0 + net.id().slot).is_multiple_of(60) {
            let angle = chance.below(net, 1, 360) as f32 / 57.3;
            (it.vx, it.vy) = (4.0 * libm::cosf(angle), 4.0 * libm::sinf(angle));
        }
        let (vx, vy) = (it.vx, it.vy);
        it.x += vx / 30.0;
        it.y += vy / 30.0;
    }
}

fn game(moving: u32, resting: u32, profile: Profile) -> GameKind {
    GameKind::new("costs", move |game: &mut Game| {
        game.rate(30)
            .seats(1_000)
            .codec(profile)
            .replicate::<Walker>()
            .on_start(move |mut commands: Commands| {
                let at = |n: u32| Walker {
                    x: (n % 300) as f32 * 8.0 - 1_200.0,
                    y: (n / 300) as f32 * 8.0 - 1_200.0,
                    health: 100,
                    ..Walker::default()
                };
                commands.spawn_batch(
                    (0..moving)
                        .map(move |n| (at(n), Restless))
                        .collect::<Vec<_>>(),
                );
                commands.spawn_batch((0..resting).map(at).collect::<Vec<_>>());
            })
            .systems(walk);
    })
}

/// What a world costs in a tick: medians.
struct World {
    capture: f64,
    encode: f64,
    bytes: f64,
}

fn world(moving: u32, resting: u32, profile: Profile) -> World {
    let mut sim = Simulation::new(&game(moving, resting, profile), SimOptions::default());
    let mut encoder = Encoder::new(sim.schema());
    let mut basis = Basis::nothing();
    let (mut captures, mut encodes, mut bytes) = (Vec::new(), Vec::new(), 0);
    for tick in 0..SETTLE + MEASURE as u32 {
        sim.step();
        let begun = Instant::now();
        let snapshot = sim.capture();
        let captured = begun.elapsed();
        let area = snapshot.area(AreaId::ALL).expect("the area of all");
        let begun = Instant::now();
        let (delta, next) = encoder.encode(&basis, area, snapshot.tick);
        let encoded = begun.elapsed();
        basis = next;
        if tick >= SETTLE {
            captures.push(captured);
            encodes.push(encoded);
            bytes += delta.len();
        }
    }
    World {
        capture: median(captures),
        encode: median(encodes),
        bytes: bytes as f64 / MEASURE as f64,
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

fn viewed(viewers: u32) -> f64 {
    let mut seen = Seen::new(&game(250, 0, Profile::Fast), vec![], viewers as u16);
    // Sixteen keyframes a tick, until everybody has one.
    seen.ticks(SETTLE + viewers / 8);
    median((0..MEASURE).map(|_| seen.tick()).collect())
}

fn many(rooms: u32) -> f64 {
    let kind = GameKind::new("small", workload(Config::small(1), 16));
    let mut all: Vec<Seen> = (0..rooms).map(|_| Seen::new(&kind, vec![], 16)).collect();
    let mut times = Vec::new();
    for tick in 0..SETTLE + 60 {
        for seen in &mut all {
            let took = seen.tick();
            if tick >= SETTLE {
                times.push(took);
            }
        }
    }
    median(times)
}
