//! Endings: of rooms, of games that fail, of sessions, of the whole server; each told with its reason, and nothing left behind.

use tickwire_proto::frame::{ClientFrame, Identity, LeaveReason, MemberChangeOwned, RoomEnd, code};
use tickwire_proto::{PROTOCOL_VERSION, Reason, Retry, Time};
use tickwire_server::{Front, FrontConfig, FrontInput, FrontOutput, LobbyInput};
use tickwire_snapshot::message::{self, Message};

use crate::common::{Peer, QUICK, Say, World, server, sharded, wander};

#[test]
fn a_room_that_fails_ends_alone() {
    let mut world = World::with_players(sharded(2), "hello", 4);
    let how = tickwire_proto::frame::JoinHow::Create {
        kind: "hello",
        attributes: vec![],
    };
    for n in 0..2 {
        let peer = Peer::player(&mut world.server, world.now, &format!("other{n}"), &how);
        world.peers.push(peer);
    }
    world.run(100);
    let room = world.peers[0].room();
    let payload = message::encode(&Say {
        text: "fail".into(),
    });
    world.peers[0]
        .session
        .send(room, 0, Say::kind(), &payload)
        .unwrap();
    world.run(200);
    for peer in &world.peers[..4] {
        assert_eq!(
            peer.ended,
            [(room, RoomEnd::Failed, "the game failed in this room".into())]
        );
        assert!(peer.over.is_none(), "the session goes on");
    }
    assert!(world.server.room(room).is_none() && world.server.lobby().rooms().all(|no| no != room));
    assert_eq!(world.server.lobby().stats().rooms_failed, 1);
    assert!(world.peers[4..].iter().all(|peer| peer.ended.is_empty()));
    // Back in, in another room.
    world.peers[0].join(&QUICK);
    world.run(100);
    assert_eq!(world.peers[0].joined.len(), 2);
}

#[test]
fn a_room_that_is_closed_tells_its_members_and_refuses_who_is_on_the_way() {
    let mut world = World::with_players(server(), "hello", 2);
    let (room, id) = (world.peers[0].room(), world.peers[0].joined[0].id.clone());
    let late = Peer::player(
        &mut world.server,
        world.now,
        "late",
        &tickwire_proto::frame::JoinHow::Room { id: &id },
    );
    world.peers.push(late);
    let now = world.now;
    world.server.tell_lobby(
        now,
        LobbyInput::Close {
            room,
            message: "for the night".into(),
        },
    );
    world.run(100);
    assert_eq!(
        world.peers[0].ended,
        [(room, RoomEnd::Closed, "for the night".into())]
    );
    assert_eq!(world.peers[2].refused[0].1.code, code::NOT_FOUND);
    assert_eq!(world.server.rooms().count(), 0);
}

#[test]
fn a_kick_sends_one_away_from_the_room_alone() {
    let mut world = World::with_players(server(), "hello", 2);
    let (room, session, member) = (
        world.peers[1].room(),
        world.peers[1].key,
        world.peers[1].joined[0].member,
    );
    let now = world.now;
    world.server.tell_lobby(
        now,
        LobbyInput::Kick {
            session,
            room,
            message: "afk".into(),
        },
    );
    world.run(100);
    assert_eq!(
        world.peers[1].ended,
        [(room, RoomEnd::Kicked, "afk".into())]
    );
    assert!(world.peers[1].over.is_none());
    assert_eq!(
        world.peers[0].members.last(),
        Some(&MemberChangeOwned::Left {
            member,
            reason: LeaveReason::Kicked
        })
    );
}

#[test]
fn a_restart_tells_everybody_and_closes_every_link() {
    let mut world = World::with_players(sharded(3), "hello", 7);
    let input = FrontInput::EndAll {
        reason: Reason::Restarting,
        retry: Retry::After { ms: 500 },
        message: "back in a moment".into(),
    };
    let now = world.now;
    world.server.tell_fronts(now, &input);
    world.run(50);
    for peer in &world.peers {
        let ending = peer.over.as_ref().unwrap();
        assert_eq!(
            (ending.reason, ending.retry),
            (Reason::Restarting, Retry::After { ms: 500 })
        );
        assert_eq!(
            world.server.closed(peer.key),
            Some((Reason::Restarting.close_code(), Reason::Restarting))
        );
    }
    assert!(world.server.fronts().iter().all(|front| front.is_empty()));
    let counted: u64 = world
        .server
        .fronts()
        .iter()
        .map(|front| front.stats().endings[&Reason::Restarting])
        .sum();
    assert_eq!(counted, 7);
    assert_eq!(world.server.rooms().next().unwrap().members().count(), 0);
}

#[test]
fn an_ending_that_cannot_be_written_closes_the_link_all_the_same() {
    let mut world = World::with_players(server(), "hello", 1);
    let key = world.peers[0].key;
    world.server.block(world.now, key, true);
    let input = FrontInput::EndAll {
        reason: Reason::Draining,
        retry: Retry::Never,
        message: String::new(),
    };
    let now = world.now;
    world.server.tell_fronts(now, &input);
    world.run(1_000);
    assert_eq!(world.server.closed(key), None);
    world.run(1_500);
    assert_eq!(
        world.server.closed(key),
        Some((Reason::Draining.close_code(), Reason::Draining))
    );
}

#[test]
fn bytes_and_endings_are_counted() {
    let mut world = World::with_players(server(), "hello", 2);
    world.peers[0].session.bye();
    world.run(100);
    let stats = world.server.fronts()[0].stats();
    assert_eq!(
        (stats.sessions, stats.sessions_ever, stats.attaches),
        (1, 2, 2)
    );
    assert_eq!(stats.endings[&Reason::Left], 1);
    for name in ["Welcome", "AttachDone", "Joined", "Update", "Member"] {
        assert!(stats.bytes_out[name] > 0, "{name}");
    }
    for name in ["Hello", "Attach", "Join", "Bye"] {
        assert!(stats.bytes_in[name] > 0, "{name}");
    }
}

#[test]
fn what_a_room_that_ended_had_under_way_holds_no_other_room_up() {
    let mut world = World::with_players(server(), "hello", 2);
    let (room, key) = (world.peers[1].room(), world.peers[1].key);
    world.server.block(world.now, key, true);
    world.ticks(5, wander);
    assert!(world.server.fronts()[0].backlog(key).unwrap().gauge_bytes > 0);
    world.server.tell_lobby(
        world.now,
        LobbyInput::Close {
            room,
            message: String::new(),
        },
    );
    world.server.block(world.now, key, false);
    world.run(50);
    assert_eq!(
        world.server.fronts()[0].backlog(key).unwrap().gauge_bytes,
        0
    );
    world.peers[1].join(&QUICK);
    world.run(200);
    assert_eq!(world.peers[1].joined.len(), 2);
    assert_eq!(world.peers[1].area().len(), 1);
}

#[test]
fn a_link_that_is_never_empty_is_cut_and_one_that_is_sometimes_is_not() {
    let mut front = Front::new(FrontConfig::default(), std::sync::Arc::default());
    let second = |n: u64| Time::from_millis(1_000 * n);
    let hello = ClientFrame::Hello {
        version: PROTOCOL_VERSION,
        resume: None,
    }
    .encode();
    let attach = ClientFrame::Attach {
        attachment: 0,
        namespace: "/",
        credentials: b"",
        messages_hash: 0,
    }
    .encode();
    let open = |front: &mut Front| {
        let session = front.link_opened(second(0), [0; 32]);
        front.frame(second(0), session, &hello);
        front.frame(second(0), session, &attach);
        front.handle(
            second(0),
            FrontInput::AuthDone {
                session,
                attachment: 0,
                answer: Box::new(Ok(Identity::new("x"))),
            },
        );
        session
    };
    let (stuck, slow) = (open(&mut front), open(&mut front));
    let mut closed = vec![];
    for n in 1..30 {
        for session in [stuck, slow] {
            front.frame(second(n), session, &ClientFrame::Ping { nonce: 1 }.encode());
        }
        front.unwritten(second(n), stuck, 1_000 + n as usize);
        front.unwritten(second(n), slow, if n % 9 == 0 { 0 } else { 1_000 });
        front.handle_timeout(second(n));
        while let Some(output) = front.poll() {
            if let FrontOutput::Close { session, code, .. } = output {
                closed.push((n, session, code));
            }
        }
    }
    assert_eq!(closed, [(11, stuck, Reason::Overflow.close_code())]);
    assert_eq!(front.len(), 1);
}
