//! I1 to I3: what one player costs in bytes, work and time while a world of constant density grows a hundredfold and players with it. No sockets.

use std::time::{Duration, Instant};

use bevy_ecs::prelude::*;
use tickwire_benches::row::Row;
use tickwire_server::RoomStats;
use tickwire_sim::prelude::*;
use tickwire_sim::{GameKind, SimOptions, Simulation};

use crate::seen::Seen;

/// Entities and players.
const WORLDS: [(u32, u32); 5] = [
    (1_000, 10),
    (10_000, 100),
    (100_000, 100),
    (10_000, 1_000),
    (100_000, 1_000),
];
/// Ticks before everybody has what is around them are not measured: so many at least, and at most.
const SETTLE: u32 = 60;
const SETTLE_MAX: u32 = 1_000;
/// Ticks measured.
const MEASURE: u32 = 60;
const CELL: f32 = 32.0;
const IN_A_CELL: f32 = 10.0;

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
    #[net(scope = server)]
    home: [f32; 2],
}

fn number(attributes: &RoomAttributes) -> u32 {
    let text = attributes.get("walkers").unwrap_or("1000");
    text.parse().expect("a number of walkers")
}

fn side(attributes: &RoomAttributes) -> f32 {
    CELL * (number(attributes) as f32 / IN_A_CELL).sqrt()
}

fn walker(at: [f32; 2], way: [f32; 2]) -> Walker {
    Walker {
        x: at[0],
        y: at[1],
        vx: way[0],
        vy: way[1],
        health: 100,
        home: at,
    }
}

fn draw(chance: &Chance, salt: u32) -> f32 {
    chance.below(&NetEntity::ROOM, salt, 10_000) as f32 / 10_000.0 - 0.5
}

fn people(mut commands: Commands, attributes: Res<RoomAttributes>, chance: Chance) {
    let side = side(&attributes);
    for n in 0..number(&attributes) {
        let draw = |salt: u32| draw(&chance, n * 4 + salt);
        commands.spawn(walker(
            [draw(0) * side, draw(1) * side],
            [draw(2) * 40.0, draw(3) * 40.0],
        ));
    }
}

fn join(
    In(player): In<Player>,
    mut commands: Commands,
    attributes: Res<RoomAttributes>,
    chance: Chance,
) {
    // Not at the edge, where there is less to see.
    let side = (side(&attributes) - 4.0 * CELL).max(CELL);
    let draw = |salt: u32| draw(&chance, 1_000_000_000 + u32::from(player.seat) * 4 + salt);
    let at = [draw(0) * side, draw(1) * side];
    commands.spawn((
        walker(at, [draw(2) * 40.0, draw(3) * 40.0]),
        OwnedBy(player),
    ));
}

fn walk(mut walkers: Query<&mut Walker>) {
    for mut it in &mut walkers {
        let (vx, vy) = (it.vx, it.vy);
        if (it.x - it.home[0]) * vx > 40.0 * vx.abs() {
            it.vx = -vx;
        }
        if (it.y - it.home[1]) * vy > 40.0 * vy.abs() {
            it.vy = -vy;
        }
        it.x += it.vx / 30.0;
        it.y += it.vy / 30.0;
    }
}

fn field(game: &mut Game) {
    game.rate(30)
        .seats(1_000)
        .replicate::<Walker>()
        .grid(CELL, 48.0, |it: &Walker| (it.x, it.y))
        .on_start(people)
        .on_join(join)
        .systems(walk);
}

/// What a world cost, for each player and update.
struct Cost {
    bytes: f64,
    looked_at: f64,
    sent: f64,
    time_us: f64,
    step: Duration,
    encodes: f64,
}

pub fn rows(print: &mut dyn FnMut(Row)) {
    let kind = GameKind::new("field", field);
    let costs: Vec<Cost> = WORLDS
        .iter()
        .map(|&(walkers, players)| measure(&kind, walkers, players))
        .collect();
    let (first, last) = (&costs[0], &costs[costs.len() - 1]);
    let list = |of: &dyn Fn(&Cost) -> f64| -> String {
        let each = WORLDS.iter().zip(&costs);
        let each = each.map(|((n, p), cost)| format!("{n}/{p}: {:.0}", of(cost)));
        each.collect::<Vec<_>>().join(", ")
    };
    let note = |what: &str, of: &dyn Fn(&Cost) -> f64| {
        format!(
            "100,000 walkers and 1,000 players against 1,000 and 10; {what}: {}",
            list(of)
        )
    };
    let bytes = note("bytes a player and update", &|it| it.bytes);
    print(Row::new("I1", last.bytes / first.bytes, "x", bytes).goals(1.25, 1.1));
    let work = note("areas looked at and sent", &|it| it.looked_at + it.sent);
    let ratio = (last.looked_at + last.sent) / (first.looked_at + first.sent);
    print(Row::new("I2", ratio, "x", work).goals(1.25, 1.1));
    let time = note("us a player and update, step and capture and all", &|it| {
        it.time_us
    });
    print(Row::new("I3", last.time_us, "us", time));
    let steps = note("us of a step and capture", &|it| {
        it.step.as_secs_f64() * 1e6
    });
    print(Row::new(
        "I3.step",
        last.step.as_secs_f64() * 1e6,
        "us",
        steps,
    ));
    let encodes = note("encodes a tick", &|it| it.encodes);
    print(Row::new("I3.encodes", last.encodes, "encodes", encodes));
}

fn measure(kind: &GameKind, walkers: u32, players: u32) -> Cost {
    let attributes = vec![("walkers".to_owned(), walkers.to_string())];
    let step = step(kind, &attributes, players);
    let mut seen = Seen::new(kind, attributes, players as u16);
    seen.ticks(SETTLE);
    let mut settling = SETTLE;
    loop {
        let paced = seen.stats().keyframes_paced;
        seen.tick();
        settling += 1;
        if seen.stats().keyframes_paced == paced {
            break;
        }
        assert!(
            settling < SETTLE_MAX,
            "keyframes are still put off after {settling} ticks"
        );
    }
    let before = seen.stats();
    let time = seen.ticks(MEASURE);
    let after = seen.stats();
    let updates = (after.updates - before.updates) as f64;
    let each = |of: fn(&RoomStats) -> u64| (of(&after) - of(&before)) as f64 / updates;
    Cost {
        bytes: each(|it| it.update_bytes),
        looked_at: each(|it| it.area_visits),
        sent: each(|it| it.area_parts),
        time_us: time.as_secs_f64() * 1e6 / updates,
        step,
        encodes: (after.encodes - before.encodes) as f64 / f64::from(MEASURE),
    }
}

/// The time of a step and a capture, of the same world without a room.
fn step(kind: &GameKind, attributes: &[(String, String)], players: u32) -> Duration {
    let mut simulation = Simulation::new(
        kind,
        SimOptions {
            seed: 5,
            attributes: attributes.to_vec(),
            ..SimOptions::default()
        },
    );
    for seat in 0..players as u16 {
        let info = PlayerInfo {
            seat,
            ..PlayerInfo::default()
        };
        simulation.join(info).expect("there is a seat");
    }
    let mut run = |count: u32| {
        let start = Instant::now();
        for _ in 0..count {
            simulation.step();
            simulation.capture();
        }
        start.elapsed() / count
    };
    run(SETTLE);
    run(MEASURE)
}
