//! Made once, shared by all: encodes are counted, shared frames are byte-equal, and a room where nothing happens does nothing.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tickwire_proto::Tick;
use tickwire_proto::frame::JoinHow;
use tickwire_server::ENCODES_PER_TICK_MAX;

use crate::common::{World, server, sharded, steer_bytes, wander};

#[test]
fn two_players_see_each_other_move() {
    let mut world = World::with_players(server(), "hello", 2);
    let dot = world.peers[0].area().schema().component("Dot").unwrap();
    let field = world.peers[0].area().schema().components[dot]
        .field("x")
        .unwrap();
    let place = |world: &World, peer: usize, slot: u32| {
        world.peers[peer].area().number(dot, slot, field).unwrap()
    };
    let slots: Vec<u32> = world.peers[1].area().entities().map(|id| id.slot).collect();
    assert_eq!(slots.len(), 2);
    let before: Vec<f64> = slots.iter().map(|slot| place(&world, 1, *slot)).collect();
    world.ticks(20, |world| {
        let World { server, peers, .. } = world;
        peers[0].steer(server, 1, 0);
    });
    world.run(200);
    let moved: Vec<f64> = slots
        .iter()
        .zip(before)
        .map(|(slot, before)| place(&world, 1, *slot) - before)
        .collect();
    assert!(
        moved.iter().any(|by| *by > 50.0),
        "the other sees it move: {moved:?}"
    );
    assert!(moved.contains(&0.0), "the one at rest stays: {moved:?}");
    assert_eq!(place(&world, 0, slots[0]), place(&world, 1, slots[0]));
    assert!(world.peers[0].applied.is_some() && world.peers[1].applied.is_none());
    assert_eq!(world.peers[0].slack, 1);
}

#[test]
fn one_encode_a_tick_however_many_see_it() {
    for players in [1, 8, 60] {
        let mut world = World::with_players(sharded(3), "hello", players);
        world.ticks(40, |world| {
            let World { server, peers, .. } = world;
            peers[0].steer(server, 1, 0);
        });
        let before = world.stats();
        world.peers.iter_mut().for_each(|peer| peer.updates.clear());
        let mut way = -1;
        world.ticks(60, |world| {
            way = if world.now.as_millis() / 1000 % 2 == 0 {
                1
            } else {
                -1
            };
            let World { server, peers, .. } = world;
            peers[0].steer(server, way, way);
        });
        let after = world.stats();
        assert!(after.captures - before.captures >= 59);
        assert!(
            after.encodes - before.encodes <= after.captures - before.captures,
            "{players} players"
        );
        assert_eq!(after.keyframe_encodes, before.keyframe_encodes);
        // The shared frames of one tick are the same bytes for all.
        let mut by_tick: BTreeMap<Tick, Vec<&[u8]>> = BTreeMap::new();
        for peer in &world.peers {
            peer.updates
                .iter()
                .for_each(|(tick, frame)| by_tick.entry(*tick).or_default().push(frame));
        }
        assert!(by_tick.len() >= 55);
        for frames in by_tick.values() {
            assert_eq!(frames.len(), players);
            assert!(frames.iter().all(|frame| frame == &frames[0]));
        }
    }
}

#[test]
fn an_idle_room_does_nothing_but_its_step() {
    let mut world = World::with_players(server(), "museum", 100);
    world.run(3_000);
    let (before, bytes) = (
        world.stats(),
        world
            .peers
            .iter()
            .map(|peer| peer.bytes)
            .collect::<Vec<_>>(),
    );
    assert_eq!(world.peers[0].area().len(), 1_000);
    world.run(2_000);
    let after = world.stats();
    assert!(after.steps - before.steps >= 59);
    let expected = tickwire_server::RoomStats {
        steps: after.steps,
        captures: after.captures,
        ..before
    };
    assert_eq!(
        after, expected,
        "no row captured, nothing encoded, nobody looked at"
    );
    for (peer, before) in world.peers.iter().zip(bytes) {
        assert!(peer.bytes - before <= 20, "a heartbeat at most");
    }
}

#[test]
fn stillness_is_said_once() {
    let mut world = World::with_players(server(), "hello", 3);
    world.ticks(10, |world| {
        let World { server, peers, .. } = world;
        peers[0].steer(server, 1, 0);
    });
    // The rule for missing commands repeats the last: stop.
    world.ticks(3, |world| {
        let World { server, peers, .. } = world;
        peers[0].steer(server, 0, 0);
    });
    world.run(500);
    let stills: Vec<u32> = world.peers.iter().map(|peer| peer.stills).collect();
    let updates: Vec<usize> = world.peers.iter().map(|peer| peer.updates.len()).collect();
    assert!(stills.iter().all(|stills| *stills >= 1));
    world.run(2_000);
    assert_eq!(
        stills,
        world
            .peers
            .iter()
            .map(|peer| peer.stills)
            .collect::<Vec<_>>()
    );
    assert_eq!(
        updates,
        world
            .peers
            .iter()
            .map(|peer| peer.updates.len())
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_laggard_gets_one_delta_from_its_own_basis() {
    let mut world = World::with_players(server(), "hello", 4);
    world.ticks(5, wander);
    let (key, now, held) = (world.peers[3].key, world.now, world.peers[3].held());
    world.server.block(now, key, true);
    world.peers[3].late = true;
    let before = world.stats();
    world.ticks(20, wander);
    assert!(
        world.peers[3].held() <= held.plus(1),
        "it gets nothing, or what was on its way"
    );
    assert!(
        world.peers[2].held() >= held.plus(19),
        "the others notice nothing"
    );
    assert!(world.stats().skipped_gauge > before.skipped_gauge);
    let keyframes = world.peers[3].keyframes;
    let now = world.now;
    world.server.block(now, key, false);
    world.ticks(15, wander);
    // `Peer` asserts that each delta starts from what is held, and compares hashes and the truth.
    world.peers[3].late = false;
    world.ticks(3, wander);
    assert!(world.peers[3].held() >= held.plus(37));
    assert_eq!(
        world.peers[3].keyframes, keyframes,
        "by a delta, not by a keyframe"
    );
    assert!(world.stats().skipped_encodes == 0);
}

#[test]
fn many_different_laggards_cost_a_bounded_number_of_encodes() {
    let mut world = World::with_players(server(), "hello", 40);
    for n in 5..35 {
        let (key, now) = (world.peers[n].key, world.now);
        world.server.block(now, key, true);
        world.peers[n].late = true;
        world.ticks(1, wander);
    }
    for n in 5..35 {
        let (key, now) = (world.peers[n].key, world.now);
        world.server.block(now, key, false);
    }
    let mut last = world.stats().encodes;
    world.ticks(20, |world| {
        wander(world);
        let encodes = world.stats().encodes;
        assert!(encodes - last <= ENCODES_PER_TICK_MAX as u64);
        last = encodes;
    });
    let newest = world.peers[0].held();
    assert!(
        world.peers.iter().all(|peer| peer.held() == newest),
        "all are in step again"
    );
}

#[test]
fn updates_go_every_third_tick_where_the_game_says_so() {
    let mut world = World::with_players(server(), "slow", 2);
    world.peers[0].updates.clear();
    world.ticks(120, |world| {
        let way = if world.now.as_millis() / 1000 % 2 == 0 {
            1
        } else {
            -1
        };
        let World { server, peers, .. } = world;
        peers[0].steer(server, way, 0);
    });
    let ticks: Vec<u32> = world.peers[0]
        .updates
        .iter()
        .map(|(tick, _)| tick.0)
        .collect();
    assert!((38..=41).contains(&ticks.len()), "{}", ticks.len());
    assert!(ticks.iter().all(|tick| tick % 3 == 0));
}

#[test]
fn rooms_of_one_session_do_not_wait_for_each_other() {
    let mut world = World::with_players(server(), "hello", 2);
    let create = JoinHow::Create {
        kind: "hello",
        attributes: vec![],
    };
    world.peers[0].join(&create);
    world.run(200);
    let rooms = [world.peers[0].joined[0].room, world.peers[0].joined[1].room];
    world.peers[0].late = true;
    world.peers[1].late = true;
    let updates = world.peers[0].updates.len();
    for _ in 0..60 {
        for room in rooms {
            let tick = world
                .server
                .room(room)
                .expect("it is there")
                .tick_now()
                .plus(2);
            let payload = steer_bytes(
                world.peers[0].area().schema(),
                1 - 2 * (tick.0 as i32 / 15 % 2),
                0,
            );
            world.peers[0].session.command(room, tick, &payload);
        }
        world.run(33);
    }
    let got = world.peers[0].updates.len() - updates;
    assert!(
        (110..=128).contains(&got),
        "{got} updates of two rooms in two seconds"
    );
    for room in rooms {
        assert_eq!(
            world
                .server
                .room(room)
                .expect("it is there")
                .stats()
                .skipped_gauge,
            0
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// However links stall, block and heal, deltas start from what is held (each client asserts it) and all agree in the end.
    #[test]
    fn after_healing_all_agree(steps in prop::collection::vec((0usize..4, 0u8..4, 1u32..12), 1..40)) {
        let mut world = World::with_players(sharded(2), "hello", 4);
        world.peers.iter_mut().for_each(|peer| peer.late = true);
        for (at, what, ticks) in steps {
            let (key, now) = (world.peers[at].key, world.now);
            match what {
                0 => world.server.block(now, key, true),
                1 => world.server.block(now, key, false),
                2 => world.peers[at].stalled = true,
                _ => world.peers[at].stalled = false,
            }
            world.ticks(ticks, wander);
        }
        for at in 0..4 {
            let (key, now) = (world.peers[at].key, world.now);
            world.peers[at].stalled = false;
            world.server.block(now, key, false);
        }
        world.ticks(40, wander);
        let room = world.server.rooms().next().expect("the room");
        for peer in &world.peers {
            prop_assert!(peer.over.is_none() && peer.keyframes == 1);
            prop_assert_eq!(peer.held(), room.tick_now());
            prop_assert!(room.newest().expect("a truth").area(tickwire_snapshot::AreaId::ALL).expect("it").same(peer.area()));
        }
    }
}
