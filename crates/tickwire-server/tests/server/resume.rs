//! Clients that come back on another link, to another front: their seat, their messages and their updates go on.

use std::time::Duration;

use tickwire_proto::frame::{MemberChangeOwned, Presence};

use tickwire_server::SESSIONS_AWAY_MAX;

use crate::common::{Peer, QUICK, Say, World, server, sharded, wander};
use tickwire_snapshot::message::{self, Message};

fn say(world: &mut World, peer: usize, text: &str) {
    let room = world.peers[peer].room();
    let payload = message::encode(&Say { text: text.into() });
    let kind = Say::kind();
    world.peers[peer]
        .session
        .send(room, 0, kind, &payload)
        .unwrap();
}

#[test]
fn updates_go_on_by_a_delta_from_what_the_client_holds() {
    for (noticed, fronts) in [(true, 1), (false, 1), (true, 3), (false, 3)] {
        let mut world = World::with_players(sharded(fronts), "hello", 3);
        world.ticks(30, wander);
        for away in [0, 5, 40, 700, 3_000] {
            let (joined, keyframes) = (world.peers[1].joined.len(), world.peers[1].keyframes);
            if noticed {
                let (now, key) = (world.now, world.peers[1].key);
                world.server.lose(now, key);
                world.peers[1].session.link_lost(now);
            }
            let mut peer = world.peers.remove(1);
            world.run_with(away, wander);
            peer.relink(&mut world.server, world.now, noticed);
            world.peers.insert(1, peer);
            let held = world.peers[1].held();
            world.ticks(15, wander);
            let peer = &world.peers[1];
            assert!(peer.held() > held && peer.over.is_none());
            assert_eq!(
                (peer.joined.len(), peer.keyframes),
                (joined, keyframes),
                "away for {away} ms"
            );
        }
        let stats: u64 = world
            .server
            .fronts()
            .iter()
            .map(|front| front.stats().resumes)
            .sum();
        assert_eq!((stats, world.stats().resumes), (5, 5));
        assert_eq!(
            world
                .server
                .fronts()
                .iter()
                .map(tickwire_server::Front::len)
                .sum::<usize>(),
            3
        );
        assert_eq!(world.stats().keyframes, 3);
    }
}

#[test]
fn a_lost_player_is_away_and_comes_back_into_its_seat() {
    let mut world = World::with_players(server(), "hello", 2);
    let (key, member) = (world.peers[1].key, world.peers[1].joined[0].member);
    let now = world.now;
    world.server.lose(now, key);
    world.peers[1].session.link_lost(now);
    say(&mut world, 0, "are you there?");
    world.run(20_000);
    let presence = |presence| MemberChangeOwned::Presence { member, presence };
    assert_eq!(
        world.peers[0].members.last(),
        Some(&presence(Presence::Away))
    );
    assert_eq!(world.peers[0].area().len(), 2, "the dot waits");
    assert_eq!(world.peers[1].messages, []);
    say(&mut world, 1, "one moment");
    let (mut peer, now) = (world.peers.pop().unwrap(), world.now);
    peer.relink(&mut world.server, now, true);
    world.peers.push(peer);
    world.run(200);
    assert_eq!(
        world.peers[0].members.last(),
        Some(&presence(Presence::Online))
    );
    assert_eq!(
        world.peers[1].members.last(),
        Some(&presence(Presence::Online))
    );
    let heard = |peer: usize| world.peers[peer].messages.len();
    assert_eq!(
        (heard(0), heard(1)),
        (2, 2),
        "each hears the other, and that it was heard"
    );
    world.peers[1].steer(&world.server, 1, 0);
    world.run(200);
    assert!(world.peers[1].applied.is_some());
}

#[test]
fn a_join_whose_answer_was_lost_is_answered_once() {
    for cut_after in [0, 5, 10] {
        let mut world = World::new(sharded(2));
        let mut peer = Peer::guest(&mut world.server, world.now, "Ann");
        world.peers.push(peer);
        world.run(50);
        peer = world.peers.pop().unwrap();
        peer.join(&QUICK);
        peer.stalled = true;
        peer.pump(&mut world.server, world.now);
        world.peers.push(peer);
        world.run(cut_after);
        let (mut peer, now) = (world.peers.pop().unwrap(), world.now);
        peer.stalled = false;
        peer.relink(&mut world.server, now, false);
        world.peers.push(peer);
        world.run(300);
        assert_eq!(world.peers[0].joined.len(), 1);
        assert!(world.peers[0].held().0 > 0);
        let room = world.server.rooms().next().unwrap();
        assert_eq!(room.members().count(), 1);
    }
}

#[test]
fn a_stranger_with_a_wrong_token_begins_anew_and_the_owner_still_comes_back() {
    let mut world = World::with_players(sharded(2), "hello", 1);
    let key = world.peers[0].key;
    let mut token = [0xaa; 32];
    token[..8].copy_from_slice(&key.0.to_le_bytes());
    let claim = tickwire_proto::frame::ResumeClaim {
        token,
        rooms: vec![],
        received: vec![],
    };
    let hello = tickwire_proto::ClientFrame::Hello {
        version: tickwire_proto::PROTOCOL_VERSION,
        resume: Some(claim),
    };
    for _ in 0..4 {
        let now = world.now;
        let link = world.server.open(now);
        world.server.send(now, link, &hello.encode());
    }
    world.run(100);
    assert!(world.peers[0].over.is_none());
    let (mut peer, now) = (world.peers.pop().unwrap(), world.now);
    peer.relink(&mut world.server, now.plus(Duration::from_millis(1)), true);
    world.peers.push(peer);
    world.run(100);
    assert_eq!(world.stats().resumes, 1);
}

#[test]
fn only_so_many_sessions_wait_at_a_time() {
    let mut world = World::new(server());
    let now = world.now;
    for n in 0..SESSIONS_AWAY_MAX + 10 {
        let mut peer = Peer::guest(&mut world.server, now, &format!("P{n}"));
        peer.pump(&mut world.server, now);
        peer.pump(&mut world.server, now);
        world.server.lose(now, peer.key);
    }
    assert_eq!(world.server.fronts()[0].len(), SESSIONS_AWAY_MAX);
    world.run(30_100);
    assert!(world.server.fronts()[0].is_empty());
    let peer = Peer::guest(&mut world.server, world.now, "late");
    world.peers.push(peer);
    world.run(10);
    let (now, key) = (world.now, world.peers[0].key);
    world.server.lose(now, key);
    assert_eq!(
        world.server.fronts()[0].len(),
        1,
        "there is room to wait again"
    );
}
