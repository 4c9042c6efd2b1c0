//! The hot functions, one by one: capture, delta, apply, and a whole tick of the workload's arena L.

use criterion::{Criterion, criterion_group, criterion_main};
use tickwire_benches::game::{idle, workload};
use tickwire_sim::{GameKind, SimOptions, Simulation};
use tickwire_snapshot::{AreaId, Basis, Encoder, decode};
use tickwire_workload::Config;

fn arena() -> Simulation {
    let mut sim = Simulation::new(
        &GameKind::new("arena", workload(Config::large(1), 64)),
        SimOptions::default(),
    );
    (0..150).for_each(|_| sim.step());
    sim
}

fn capture(criterion: &mut Criterion) {
    let mut sim = arena();
    sim.capture();
    criterion.bench_function("capture/arena_l", |bench| {
        bench.iter_batched_ref(
            || (),
            |()| {
                sim.step();
                sim.capture()
            },
            criterion::BatchSize::PerIteration,
        );
    });
    let mut still = Simulation::new(
        &GameKind::new("idle", idle(10_000, 1)),
        SimOptions::default(),
    );
    still.step();
    still.capture();
    criterion.bench_function("capture/idle_10k", |bench| {
        bench.iter(|| {
            still.step();
            still.capture()
        });
    });
}

fn delta(criterion: &mut Criterion) {
    let mut sim = arena();
    let schema = sim.schema().clone();
    let mut encoder = Encoder::new(&schema);
    let first = sim.capture();
    sim.step();
    let second = sim.capture();
    let (old, new) = (
        first.area(AreaId::ALL).unwrap(),
        second.area(AreaId::ALL).unwrap(),
    );
    criterion.bench_function("encode/arena_l_lag_1", |bench| {
        bench.iter(|| encoder.encode(&Basis::of(old), new, second.tick))
    });
    criterion.bench_function("encode/arena_l_keyframe", |bench| {
        bench.iter(|| encoder.encode(&Basis::nothing(), new, second.tick));
    });
    let (bytes, _) = encoder.encode(&Basis::of(old), new, second.tick);
    criterion.bench_function("apply/arena_l_lag_1", |bench| {
        bench.iter(|| decode(&schema, &Basis::of(old), AreaId::ALL, second.tick, &bytes).unwrap());
    });
    let (key, _) = encoder.encode(&Basis::nothing(), new, second.tick);
    criterion.bench_function("apply/arena_l_keyframe", |bench| {
        bench.iter(|| decode(&schema, &Basis::nothing(), AreaId::ALL, second.tick, &key).unwrap());
    });
}

fn tick(criterion: &mut Criterion) {
    let mut sim = arena();
    let mut encoder = Encoder::new(sim.schema());
    let mut basis = Basis::nothing();
    criterion.bench_function("tick/arena_l_step_capture_encode", |bench| {
        bench.iter(|| {
            sim.step();
            let snapshot = sim.capture();
            let (bytes, next) =
                encoder.encode(&basis, snapshot.area(AreaId::ALL).unwrap(), snapshot.tick);
            basis = next;
            bytes
        });
    });
}

criterion_group!(hot, capture, delta, tick);
criterion_main!(hot);
