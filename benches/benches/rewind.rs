//! Criterion benches of looking back: what recording adds to a step, and what a ray costs, with 10, 100 and 1,000 entities. No room, no wire.

use bevy_ecs::prelude::*;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tickwire_proto::Moment;
use tickwire_sim::prelude::*;
use tickwire_sim::{GameKind, Seen, SimOptions, Simulation};

#[derive(Replicate, Default)]
struct Ship {
    #[net(range = -4000.0..=4000.0, step = 0.0625)]
    x: f32,
    #[net(range = -4000.0..=4000.0, step = 0.0625)]
    y: f32,
}

fn fly(mut ships: Query<&mut Ship>) {
    for mut ship in &mut ships {
        ship.x = if ship.x > 3_000.0 {
            -3_000.0
        } else {
            ship.x + 4.0
        };
    }
}

fn plain(game: &mut Game) {
    game.rate(60).send(30).replicate::<Ship>().systems(fly);
}

fn rewindable(game: &mut Game) {
    plain(game);
    game.rewindable(|ship: &Ship| Hitbox::circle((ship.x, ship.y), 12.0));
}

fn room(game: fn(&mut Game), entities: usize) -> Simulation {
    let kind = GameKind::new("sky", game);
    let mut room = Simulation::new(&kind, SimOptions::default());
    for n in 0..entities {
        let (x, y) = ((n % 40) as f32 * 60.0, (n / 40) as f32 * 60.0);
        room.world_mut().spawn(Ship { x, y });
    }
    (0..60).for_each(|_| step(&mut room));
    room
}

fn step(room: &mut Simulation) {
    room.step();
    if room.tick().0.is_multiple_of(2) {
        room.capture();
    }
}

fn record(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rewind/step_and_capture");
    for entities in [10, 100, 1_000] {
        for (name, game) in [
            ("without", plain as fn(&mut Game)),
            ("recorded", rewindable),
        ] {
            let mut room = room(game, entities);
            let id = BenchmarkId::new(name, entities);
            group.bench_function(id, |bench| bench.iter(|| step(&mut room)));
        }
    }
    group.finish();
}

fn ray(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rewind/ray");
    for entities in [10, 100, 1_000] {
        let mut room = room(rewindable, entities);
        let shown = Moment::of(room.tick()).minus(7);
        let between = (shown.tick().minus(1), shown.tick().plus(1));
        room.saw(0, Some(Seen { shown, between }));
        room.step();
        let rewind = room.world().resource::<Rewind>();
        group.bench_function(BenchmarkId::from_parameter(entities), |bench| {
            bench.iter(|| {
                rewind
                    .of(Player::new(0))
                    .ray((-4000.0, 600.0), (1.0, 0.1), 8_000.0)
            });
        });
    }
    group.finish();
}

criterion_group!(rewind, record, ray);
criterion_main!(rewind);
