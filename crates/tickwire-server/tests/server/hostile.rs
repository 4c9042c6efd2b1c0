//! Hostile bytes into live sessions: an ending with a reason or a counted drop; the others notice nothing.

use proptest::prelude::*;
use tickwire_proto::frame::{ClientFrame, JoinHow};
use tickwire_proto::{PROTOCOL_VERSION, Reason, Tick};

use crate::common::{Peer, QUICK, World, impatient, steer_bytes};

/// One of each frame that a client may send.
fn frames(world: &World) -> Vec<bytes::Bytes> {
    let peer = &world.peers[0];
    let (room, held) = (peer.room(), peer.held());
    let payload = steer_bytes(peer.area().schema(), 1, 0);
    [
        ClientFrame::Hello {
            version: PROTOCOL_VERSION,
            resume: None,
        },
        ClientFrame::Attach {
            attachment: 1,
            namespace: "/",
            credentials: b"{}",
            messages_hash: 0,
        },
        ClientFrame::Detach { attachment: 0 },
        ClientFrame::Join {
            request: 9,
            attachment: 0,
            how: JoinHow::Quick {
                kind: "hello",
                attributes: vec![("a", "b")],
            },
            schema_hash: 0,
        },
        ClientFrame::Leave { room },
        ClientFrame::Command {
            room,
            held,
            tick: held.plus(3),
            shown: None,
            payload: &payload,
        },
        ClientFrame::Message {
            room,
            channel: 0,
            kind: 7,
            payload: b"abc",
        },
        ClientFrame::Volatile {
            room,
            channel: 0,
            kind: 7,
            payload: b"abc",
        },
        ClientFrame::Receipts {
            received: vec![(0, 1)],
            held: vec![(room, Tick(u32::MAX))],
        },
        ClientFrame::Report {
            room,
            age_ms: u32::MAX,
        },
        ClientFrame::Ping { nonce: 1 },
        ClientFrame::Pong { nonce: 1 },
        ClientFrame::Lobby {
            request: 10,
            attachment: 0,
            kind: "",
        },
        ClientFrame::KeyframeWanted {
            room,
            area: u32::MAX,
        },
        ClientFrame::Bye,
    ]
    .iter()
    .map(ClientFrame::encode)
    .collect()
}

/// A victim and an attacker in one room; what the attacker does; the victim must not notice.
fn attack(world: &mut World, bytes: &[&[u8]]) {
    let attacker = Peer::player(&mut world.server, world.now, "evil", &QUICK);
    world.peers.push(attacker);
    world.run(40);
    let key = world.peers[1].key;
    for frame in bytes {
        world.server.send(world.now, key, frame);
    }
    world.run(40);
    let peer = world.peers.pop().unwrap();
    if let Some(ending) = &peer.over {
        assert!(
            matches!(
                ending.reason,
                Reason::Violation | Reason::Left | Reason::Version
            ),
            "{ending}"
        );
        assert!(ending.reason != Reason::Violation || !ending.message.is_empty());
    }
    world.server.lose(world.now, key);
    world.run(10);
    assert!(world.peers[0].over.is_none() && world.peers[0].ended.is_empty());
    assert_eq!(
        world
            .server
            .room(world.peers[0].room())
            .unwrap()
            .members()
            .count(),
        1
    );
    assert_eq!(world.server.fronts()[0].len(), 1);
}

#[test]
fn truncated_at_every_byte() {
    let mut world = World::with_players(impatient(), "hello", 1);
    for frame in frames(&world) {
        for end in 0..frame.len() {
            attack(&mut world, &[&frame[..end]]);
        }
        attack(&mut world, &[&frame]);
        attack(&mut world, &[&frame, &frame, &frame]);
    }
    let before = world.peers[0].held();
    world.peers[0].steer(&world.server, 1, 0);
    world.run(200);
    assert!(world.peers[0].held() > before, "the room goes on");
}

#[test]
fn single_bits_flipped() {
    let mut world = World::with_players(impatient(), "hello", 1);
    for frame in frames(&world) {
        for bit in (0..frame.len() * 8).step_by(3) {
            let mut bytes = frame.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            attack(&mut world, &[&bytes]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn random_bytes(all in prop::collection::vec(prop::collection::vec((0u8..17, prop::collection::vec(any::<u8>(), 0..80)), 1..6), 1..8)) {
        let mut world = World::with_players(impatient(), "hello", 1);
        for frames in all {
            let frames: Vec<Vec<u8>> = frames.into_iter().map(|(kind, rest)| [&[kind][..], &rest].concat()).collect();
            let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
            attack(&mut world, &frames);
        }
    }
}

#[test]
fn before_the_attach_nothing_of_the_game_is_heard() {
    let mut world = World::with_players(impatient(), "hello", 1);
    for frame in frames(&world).into_iter().skip(1) {
        let key = world.server.open(world.now);
        world.server.send(
            world.now,
            key,
            &ClientFrame::Hello {
                version: PROTOCOL_VERSION,
                resume: None,
            }
            .encode(),
        );
        world.server.send(world.now, key, &frame);
        world.run(3_500);
        assert!(
            world.server.closed(key).is_some() || world.server.fronts()[0].len() == 2,
            "ended, or attached by that frame"
        );
        world.server.lose(world.now, key);
        world.run(10);
        assert_eq!(world.server.fronts()[0].len(), 1);
    }
    let stats = world.server.fronts()[0].stats();
    assert_eq!(stats.endings[&Reason::Violation], 9);
    assert!(
        stats.endings[&Reason::Refused] == 3,
        "pings and detaches are no credentials"
    );
}
