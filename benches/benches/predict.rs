//! Running ahead: a tick of prediction, a truth that fits, and a rollback by 15 ticks, for 10, 100, 200 and 1,000 predicted entities.

use std::sync::Arc;

use bevy_ecs::prelude::*;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tickwire_sim::prelude::*;
use tickwire_sim::{GameKind, Mirror, OwnTruth, SimOptions, Simulation, Truth};
use tickwire_snapshot::Snapshot;

const BEHIND: u32 = 15;

#[derive(Replicate, Clone, Default)]
struct Body {
    #[net(range = 0.0..=1024.0, step = 0.0625, velocity = "vx")]
    x: f32,
    #[net(range = 0.0..=1024.0, step = 0.0625, velocity = "vy")]
    y: f32,
    #[net(range = -512.0..=512.0, step = 0.0625)]
    vx: f32,
    #[net(range = -512.0..=512.0, step = 0.0625)]
    vy: f32,
}

#[derive(Replicate, Clone, Default)]
#[net(scope = owner)]
struct Clockwork {
    gun: u16,
    life: u16,
}

#[derive(PlayerCommand, Clone, Copy, Default)]
struct Steer {
    #[net(range = -1..=1)]
    x: i8,
}

fn fly(mut bodies: Query<(&mut Body, &mut Clockwork, &Asks<Steer>)>) {
    for (mut body, mut clock, ask) in &mut bodies {
        let vx = body.vx + (f32::from(ask.x) * 250.0 - body.vx) * 0.16;
        let (x, y) = (
            (body.x + vx / 60.0) % 1000.0,
            (body.y + body.vy / 60.0) % 1000.0,
        );
        (body.x, body.y, body.vx) = (x, y, vx);
        clock.gun = clock.gun.wrapping_add(1);
    }
}

fn game(count: u32) -> impl Fn(&mut Game) + Send + Sync + 'static {
    move |game| {
        let join = move |In(player): In<Player>, mut commands: Commands| {
            for number in 0..count {
                let body = Body {
                    x: number as f32,
                    vy: 30.0,
                    ..Body::default()
                };
                commands.spawn((body, Clockwork::default(), OwnedBy(player)));
            }
        };
        game.rate(60)
            .replicate::<Body>()
            .replicate::<Clockwork>()
            .command::<Steer>()
            .on_join(join)
            .systems(fly);
    }
}

/// A mirror that is 15 ticks ahead of the truth that it holds, and that truth.
fn ahead(count: u32) -> (Mirror, Arc<Snapshot>, u16, Vec<u8>) {
    let kind = GameKind::new("bodies", game(count));
    let mut room = Simulation::new(&kind, SimOptions::default());
    room.join(PlayerInfo::default()).expect("a free seat");
    room.step();
    let snapshot = room.capture();
    room.gather_own();
    let (number, mut rows) = (room.own_number(0), Vec::new());
    assert!(count > 400 || room.write_own(0, &mut rows));
    let mut mirror = Mirror::new(&kind, 0);
    let own = OwnTruth::Told {
        number,
        rows: &rows,
    };
    mirror.truth(&Truth {
        tick: snapshot.tick,
        areas: &snapshot.areas,
        own,
    });
    (0..BEHIND).for_each(|_| {
        mirror.step(None);
    });
    (mirror, snapshot, number, rows)
}

fn predict(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("predict");
    for count in [10, 100, 200, 1_000] {
        let (mut mirror, snapshot, number, rows) = ahead(count);
        let truth = |own| Truth {
            tick: snapshot.tick,
            areas: &snapshot.areas,
            own,
        };
        group.bench_function(BenchmarkId::new("reconcile", count), |bench| {
            bench.iter(|| mirror.truth(&truth(OwnTruth::AsSaid(number))));
        });
        // The number is said to be another one: all goes back, and comes to the same again.
        group.bench_function(BenchmarkId::new("rollback_15", count), |bench| {
            bench.iter(|| {
                mirror.truth(&truth(OwnTruth::Told {
                    number: number ^ 1,
                    rows: &rows,
                }))
            });
        });
        let kind = GameKind::new("bodies", game(count));
        let mut room = Simulation::new(&kind, SimOptions::default());
        room.join(PlayerInfo::default()).expect("a free seat");
        room.step();
        group.bench_function(BenchmarkId::new("plain_15_steps", count), |bench| {
            bench.iter(|| (0..BEHIND).for_each(|_| room.step()));
        });
    }
    group.finish();
}

criterion_group!(benches, predict);
criterion_main!(benches);
