//! What is in flight: bounded by receipts, by the link, and for keyframes by their pace.

use std::sync::Arc;
use std::time::Duration;

use tickwire_proto::frame::{Identity, Presence};
use tickwire_proto::{Reason, ServerFrame, Time};
use tickwire_server::{
    Gauge, KEYFRAMES_PER_TICK_MAX, MemberId, MemberStatus, Room, RoomInput, RoomJoin, RoomOutput,
    RoomSpec, SessionKey,
};

use crate::common::{Peer, QUICK, World, server, wander};

fn in_flight(world: &World, peer: usize) -> (u32, u32) {
    let room: &Room = world.server.rooms().next().unwrap();
    room.in_flight(world.peers[peer].key).unwrap()
}

#[test]
fn nothing_comes_back_nothing_more_is_sent() {
    let mut world = World::with_players(server(), "hello", 3);
    world.ticks(10, wander);
    // A proxy that takes everything and delivers nothing: the link stays writable.
    world.peers[1].stalled = true;
    world.peers[1].late = true;
    let before = (world.stats(), world.peers[2].held());
    world.ticks(60, |world| {
        wander(world);
        let (span, bound) = in_flight(world, 1);
        assert!(span <= bound && bound <= 8, "{span} of {bound}");
    });
    let after = world.stats();
    assert!(after.skipped_window - before.0.skipped_window >= 45);
    assert!(
        world.peers[2].held() >= before.1.plus(59),
        "the others notice nothing"
    );
    // It comes back by itself though it only listens, and from its own basis.
    world.peers[1].stalled = false;
    world.ticks(20, wander);
    world.peers[1].late = false;
    world.ticks(20, wander);
    assert!(
        world.peers[1].held().plus(3) >= world.peers[2].held(),
        "{} and {}",
        world.peers[1].held(),
        world.peers[2].held()
    );
    assert_eq!(world.peers[1].keyframes, 1, "the first");
}

#[test]
fn a_silent_viewer_never_gets_stuck_however_its_link_stalls() {
    let mut world = World::with_players(server(), "hello", 2);
    world.peers[1].late = true;
    let mut dice = 7u32;
    for _ in 0..60 {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        world.peers[1].stalled = !world.peers[1].stalled;
        world.ticks(1 + (dice >> 16) % 14, wander);
    }
    world.peers[1].stalled = false;
    world.ticks(30, wander);
    assert!(world.peers[1].held().plus(3) >= world.peers[0].held());
}

#[test]
fn a_viewer_without_receipts_hears_tick_frames_and_no_update() {
    let mut world = World::with_players(server(), "hello", 2);
    world.peers[1].holds_nothing = true;
    world.ticks(60, wander);
    world.peers[1].updates.clear();
    world.peers[1].tick_frames = 0;
    world.ticks(60, wander);
    assert_eq!(world.peers[1].updates.len(), 0);
    assert!(
        (9..=15).contains(&world.peers[1].tick_frames),
        "{}",
        world.peers[1].tick_frames
    );
}

#[test]
fn fifty_joins_at_once_do_not_stall_a_room() {
    let mut world = World::with_players(server(), "hello", 1);
    for n in 0..50 {
        let peer = Peer::player(&mut world.server, world.now, &format!("N{n}"), &QUICK);
        world.peers.push(peer);
    }
    let mut last = world.stats();
    world.ticks(12, |world| {
        wander(world);
        let now = world.stats();
        assert!(now.keyframes - last.keyframes <= KEYFRAMES_PER_TICK_MAX as u64);
        assert!(
            now.keyframe_encodes - last.keyframe_encodes <= 1,
            "one encode, whoever gets it"
        );
        last = now;
    });
    assert!(world.stats().keyframes_paced > 0);
    assert!(
        world
            .peers
            .iter()
            .all(|peer| peer.keyframes == 1 && peer.hashes == 1)
    );
}

#[test]
fn a_keyframe_comes_on_request_with_its_hash_and_not_too_often() {
    let mut world = World::with_players(server(), "museum", 2);
    world.run(1_500);
    let (room, hashes) = (world.peers[0].room(), world.peers[0].hashes);
    for _ in 0..6 {
        world.peers[0].session.keyframe_wanted(room, 0);
        world.run(200);
    }
    let got = world.peers[0].hashes - hashes;
    assert!((1..=2).contains(&got), "{got} in 1.2 s");
    world.run(3_000);
    assert_eq!(world.peers[1].keyframes, 1, "nobody else gets one");
    let before = world.stats();
    world.run(1_000);
    assert_eq!(
        world.stats().viewer_visits,
        before.viewer_visits,
        "all is still again"
    );
}

#[test]
fn a_client_that_does_not_read_makes_nothing_grow_and_is_cut_after_ten_seconds() {
    let mut world = World::with_players(server(), "hello", 3);
    let key = world.peers[2].key;
    world.server.block(world.now, key, true);
    world.peers[2].late = true;
    let held = |world: &World| world.server.fronts()[0].backlog(key).unwrap().gauge_bytes;
    world.ticks(10, wander);
    let early = held(&world);
    assert!((1..=64 * 1024).contains(&early), "{early} bytes");
    world.ticks(260, |world| {
        wander(world);
        assert_eq!(held(world), early, "the update that waits, and no other");
        let (others, room) = (
            world.peers[0].held().min(world.peers[1].held()),
            world.peers[0].room(),
        );
        let now = world.server.room(room).expect("the room").tick_now();
        assert!(others.plus(3) >= now, "nobody waits for it");
    });
    assert_eq!(world.server.closed(key), None);
    // Heartbeats stay unwritten; what a real link would hold is told by the link itself.
    let before = world.now;
    while world.server.closed(key).is_none() {
        world.ticks(3, wander);
        assert!(
            world.now.since(before) < Duration::from_secs(20),
            "it is cut"
        );
    }
    let (code, reason) = world.server.closed(key).unwrap();
    assert!(reason == Reason::Expired || reason == Reason::Overflow);
    assert_eq!(code, reason.close_code());
    world.run(100);
    let room = world.server.rooms().next().unwrap();
    let online = |status: &MemberStatus| status.presence == Presence::Online;
    assert_eq!(room.members().filter(online).count(), 2);
    assert!(world.peers[..2].iter().all(|peer| peer.over.is_none()));
}

/// A room with one member that holds all it gets, driven by hand.
fn strained() -> Room {
    let kind = crate::common::kinds()
        .into_iter()
        .find(|kind| kind.name() == "hello");
    let spec = RoomSpec {
        no: 7,
        id: "A".to_owned(),
        namespace: "/".into(),
        seats: 4,
        kind: Arc::new(kind.unwrap()),
        attributes: vec![],
        seed: 1,
    };
    let mut room = Room::new(spec);
    room.handle(RoomInput::Join(Box::new(RoomJoin {
        member: MemberId(1),
        session: SessionKey(1),
        request: 1,
        identity: Identity::new("ann"),
        gauge: Gauge::default(),
        generic: false,
        watches: false,
        host: false,
        replaces: None,
    })));
    room
}

/// Ticks; captures made, ticks of which the room says that it sent, and lengths of ticks that the members were told.
fn driven(room: &mut Room, ticks: u32) -> (u64, u32, Vec<u32>) {
    let (before, mut sent, mut told) = (room.stats().captures, 0, Vec::new());
    for _ in 0..ticks {
        room.tick(Time(0), None);
        sent += u32::from(room.sent_now());
        let tick = room.tick_now();
        let member = MemberId(1);
        room.handle(RoomInput::Held {
            member,
            held: tickwire_proto::frame::Holding::of(tick),
        });
        while let Some(output) = room.poll() {
            if let RoomOutput::ToAll { frame, .. } = output
                && let Ok(ServerFrame::Rates { room: 7, tick_us }) = ServerFrame::decode(&frame)
            {
                told.push(tick_us);
            }
        }
    }
    (room.stats().captures - before, sent, told)
}

#[test]
fn a_strained_room_makes_fewer_updates_and_slower_ticks_and_tells_of_these_alone() {
    let mut room = strained();
    assert_eq!(driven(&mut room, 60), (60, 60, vec![]));
    room.handle(RoomInput::Thinned { times: 3 });
    assert_eq!(driven(&mut room, 60), (20, 20, vec![]));
    let own = room.tick_us();
    room.handle(RoomInput::Slowed { tick_us: own });
    room.handle(RoomInput::Slowed { tick_us: own * 2 });
    assert_eq!(driven(&mut room, 60), (20, 20, vec![own * 2]));
    room.handle(RoomInput::Thinned { times: 1 });
    room.handle(RoomInput::Slowed { tick_us: own });
    assert_eq!(driven(&mut room, 60), (60, 60, vec![own]));
}
