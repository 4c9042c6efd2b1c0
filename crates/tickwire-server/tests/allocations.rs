//! The tick path allocates for what changed and for each shard, not for each viewer. A binary of its own: it counts every allocation.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bevy_ecs::prelude::*;
use tickwire_proto::frame::Identity;
use tickwire_proto::{Tick, Time};
use tickwire_server::{
    Gauge, Kind, MemberId, Room, RoomInput, RoomJoin, RoomOutput, RoomSpec, SessionKey,
};
use tickwire_sim::GameKind;
use tickwire_sim::prelude::*;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    // SAFETY: as above, for what that allocator gave.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[derive(Replicate, Default)]
struct Dot {
    #[net(range = 0.0..=800.0, step = 0.1)]
    x: f32,
}

fn make(mut commands: Commands) {
    commands.spawn_batch((0..50).map(|n| Dot { x: n as f32 }));
}

fn drift(mut dots: Query<&mut Dot>) {
    for mut dot in &mut dots {
        dot.x = (dot.x + 1.0) % 700.0;
    }
}

fn game(game: &mut Game) {
    game.rate(30)
        .seats(1_000)
        .replicate::<Dot>()
        .on_start(make)
        .systems(drift);
}

/// Allocations in 100 ticks of a room with so many viewers, all of whom get every update.
fn allocations(viewers: u32) -> u64 {
    let kind = Arc::new(Kind::from(GameKind::new("drift", game)));
    let mut room = Room::new(RoomSpec {
        namespace: "/".into(),
        no: 1,
        id: "A".into(),
        kind,
        seats: 1_000,
        attributes: vec![],
        seed: 1,
    });
    let gauges: Vec<Gauge> = (0..viewers).map(|_| Gauge::default()).collect();
    for (n, gauge) in (1..).zip(&gauges) {
        let (member, session) = (MemberId(n), SessionKey(u64::from(n)));
        let identity = Identity::new("x");
        room.handle(RoomInput::Join(Box::new(RoomJoin {
            member,
            session,
            request: 1,
            identity,
            gauge: gauge.clone(),
            generic: false,
            watches: false,
            host: false,
            replaces: None,
        })));
    }
    let mut now = 0;
    let mut got = 0;
    let mut tick = |room: &mut Room| {
        now += 1;
        room.tick(Time(now), Some(now));
        while let Some(output) = room.poll() {
            if let RoomOutput::Updates(batch) = output {
                got += batch.viewers.len();
                room.handle(RoomInput::Recycle(batch));
            }
        }
        for (n, gauge) in (1..).zip(&gauges) {
            gauge.fetched(gauge.unfetched());
            room.handle(RoomInput::Held {
                member: MemberId(n),
                held: tickwire_proto::frame::Holding::of(Tick(now as u32)),
            });
        }
    };
    (0..200).for_each(|_| tick(&mut room));
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    (0..100).for_each(|_| tick(&mut room));
    let after = ALLOCATIONS.load(Ordering::Relaxed);
    assert!(got >= 250 * viewers as usize, "{got} updates");
    after - before
}

#[test]
fn viewers_cost_no_allocation() {
    let (one, many) = (allocations(1), allocations(400));
    println!("{one} allocations in 100 ticks with one viewer, {many} with 400");
    assert!(many <= one + 100, "{one} with one viewer, {many} with 400");
}
