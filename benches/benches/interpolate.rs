//! Criterion benches of pictures between two updates: what it costs to read every number of 10, 100 and 1,000 entities, on lines and on curves. No wire, no socket.

use std::hint::black_box;

use bevy_ecs::prelude::*;
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tickwire_client::{Client, ClientConfig, Picture};
use tickwire_proto::Time;
use tickwire_server::{Kind, Loopback};
use tickwire_sim::GameKind;
use tickwire_sim::prelude::*;

#[derive(Replicate, Clone, Default)]
struct Line {
    #[net(range = 0.0..=4096.0, step = 0.0625, velocity = "vx")]
    x: f32,
    #[net(range = 0.0..=4096.0, step = 0.0625, velocity = "vy", teleport = 1024.0)]
    y: f32,
    #[net(range = -512.0..=512.0, step = 0.25)]
    vx: f32,
    #[net(range = -512.0..=512.0, step = 0.25)]
    vy: f32,
}

#[derive(Replicate, Clone, Default)]
struct Curve {
    #[net(range = 0.0..=4096.0, step = 0.0625, velocity = "vx", lerp = hermite)]
    x: f32,
    #[net(range = 0.0..=4096.0, step = 0.0625, velocity = "vy", lerp = hermite, teleport = 1024.0)]
    y: f32,
    #[net(range = -512.0..=512.0, step = 0.25)]
    vx: f32,
    #[net(range = -512.0..=512.0, step = 0.25)]
    vy: f32,
}

/// Both kinds fly on, and turn a little.
fn fly(mut lines: Query<&mut Line>, mut curves: Query<&mut Curve>) {
    for mut it in &mut lines {
        (it.vx, it.vy) = (it.vx - it.vy * 0.01, it.vy + it.vx * 0.01);
        (it.x, it.y) = (it.x + it.vx / 60.0, it.y + it.vy / 60.0);
    }
    for mut it in &mut curves {
        (it.vx, it.vy) = (it.vx - it.vy * 0.01, it.vy + it.vx * 0.01);
        (it.x, it.y) = (it.x + it.vx / 60.0, it.y + it.vy / 60.0);
    }
}

fn game(count: u32) -> impl Fn(&mut Game) + Send + Sync + 'static {
    move |game| {
        let join = move |In(_): In<Player>, mut commands: Commands| {
            for number in 0..count {
                let (x, y) = (1_500.0 + number as f32, 2_500.0 - number as f32);
                let (vx, vy) = (100.0, 50.0);
                commands.spawn(Line { x, y, vx, vy });
                commands.spawn(Curve { x, y, vx, vy });
            }
        };
        game.rate(60)
            .send(20)
            .replicate::<Line>()
            .replicate::<Curve>()
            .on_join(join)
            .systems(fly);
    }
}

/// A picture of somebody who looks on for two seconds: between two updates.
fn picture(count: u32) -> Picture {
    let mut server = Loopback::new(vec![Kind::from(GameKind::new("sky", game(count)))]);
    let config = ClientConfig {
        credentials: Some(Bytes::from_static(br#"{"guest":"Ann"}"#)),
        ..ClientConfig::default()
    };
    let mut client = Client::new(config, 7, Time(0));
    let session = server.open(Time(0));
    client.link_open(Time(0));
    let (room, mut picture) = (client.quick("sky", &[]), None);
    for ms in 0..2_007 {
        let now = Time::from_millis(ms);
        while let Some(frame) = client.next(now, usize::MAX) {
            server.send(now, session, &frame);
        }
        server.advance(now);
        for frame in server.take(session) {
            client.frame(now, &frame);
        }
        client.handle_timeout(now);
        while client.poll().is_some() {}
        picture = client.draw(room, now);
    }
    picture.expect("a picture of the room")
}

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("interpolate");
    for entities in [10, 100, 1_000] {
        let picture = picture(entities);
        for (name, component) in [("linear", "Line"), ("hermite", "Curve")] {
            assert_eq!(picture.named(component).count(), entities as usize);
            let id = BenchmarkId::new(name, entities);
            group.bench_with_input(id, component, |bencher, component| {
                bencher.iter(|| {
                    let rows = picture.named(component);
                    let numbers = rows.flat_map(|row| (0..4).filter_map(move |at| row.number(at)));
                    black_box(numbers.sum::<f64>())
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, read);
criterion_main!(benches);
