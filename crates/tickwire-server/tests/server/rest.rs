//! Rooms that rest: stepped on demand, or asleep while nobody is online; and what wakes them.

use std::time::Duration;

use tickwire_proto::frame::{JoinHow, RoomEnd};
use tickwire_proto::{Tick, Time};
use tickwire_server::{
    AcceptAll, FrontConfig, Kind, LobbyConfig, LobbyInput, Loopback, Room, RoomInput, RoomSpec,
};
use tickwire_sim::GameKind;
use tickwire_snapshot::message::{self, Message};

use crate::common::{Peer, Say, World, board, chat, dreams, hello, wander};

fn server() -> Loopback {
    let kinds = vec![
        Kind::from(GameKind::new("chat", chat)),
        Kind::from(GameKind::new("board", board)),
        Kind::from(GameKind::new("dreams", dreams)),
        Kind::from(GameKind::new("hello", hello)),
    ];
    Loopback::with(
        kinds,
        AcceptAll,
        FrontConfig {
            shards: 2,
            ..FrontConfig::default()
        },
        LobbyConfig {
            empty_grace: Duration::from_secs(5),
            ..LobbyConfig::default()
        },
    )
}

fn say(world: &mut World, peer: usize, room: u32, text: &str) {
    let payload = message::encode(&Say { text: text.into() });
    let sent = world.peers[peer]
        .session
        .send(room, 0, Say::kind(), &payload);
    sent.unwrap();
}

#[test]
fn a_chat_is_stepped_when_something_came_and_not_by_the_clock() {
    let mut world = World::with_players(server(), "chat", 5);
    let room = world.peers[0].room();
    let before = world.stats();
    world.run(10_000);
    assert_eq!(world.stats(), before, "nothing came: nothing was done");
    for peer in 0..5 {
        say(&mut world, peer, room, "hi");
    }
    world.run(10_000);
    let after = world.stats();
    assert_eq!(
        (after.steps - before.steps, after.wakes - before.wakes),
        (1, 1),
        "one step hears them all"
    );
    for peer in &world.peers {
        assert_eq!(peer.messages.len(), 5, "four of the others and an answer");
    }
    // A flood is stepped at the room's rate.
    for _ in 0..200 {
        say(&mut world, 0, room, "and again");
        world.run(5);
    }
    let flooded = world.stats().steps - after.steps;
    assert!((19..=22).contains(&flooded), "{flooded} steps in a second");
}

#[test]
fn who_is_in_a_chat_is_known_to_all_without_a_beat() {
    let mut world = World::with_players(server(), "chat", 3);
    let late = Peer::player(
        &mut world.server,
        world.now,
        "late",
        &JoinHow::Quick {
            kind: "chat",
            attributes: vec![],
        },
    );
    world.peers.push(late);
    world.run(3_000);
    assert_eq!(world.peers[3].joined[0].members.len(), 4);
    assert!(world.peers[..3].iter().all(|peer| !peer.members.is_empty()));
    let room = world.peers[0].room();
    world.peers[0].session.leave(room);
    world.run(3_000);
    assert!(world.peers[3].members.len() == 1, "and that one has left");
}

#[test]
fn moves_on_demand_are_seen_by_all_and_then_it_is_still() {
    let mut world = World::with_players(server(), "board", 3);
    let room = world.peers[0].room();
    for n in 0..20 {
        let before = world.stats();
        say(&mut world, n % 3, room, "abc");
        world.run(700);
        let after = world.stats();
        // The step, and one that says that it stays so. Each peer compares what it got with the truth.
        assert_eq!(after.steps - before.steps, 2);
        let truth = world.server.room(room).unwrap().tick_now();
        assert!(world.peers.iter().all(|peer| peer.held() == truth));
    }
    let settled = world.stats();
    world.run(30_000);
    assert_eq!(world.stats(), settled);
}

#[test]
fn a_room_sleeps_while_nobody_is_online_and_wakes_for_whoever_is_back() {
    let mut world = World::with_players(server(), "dreams", 2);
    let room = world.peers[0].room();
    let at = |world: &World| world.server.room(room).unwrap().tick_now();
    for peer in 0..2 {
        assert!(!world.server.room(room).unwrap().rests());
        let (now, key) = (world.now, world.peers[peer].key);
        world.server.lose(now, key);
        world.peers[peer].session.link_lost(now);
    }
    let mut away: Vec<Peer> = world.peers.drain(..).collect();
    world.run(200);
    let asleep = at(&world);
    world.run(20_000);
    assert_eq!(at(&world), asleep, "its tick stands still");
    let (mut first, second) = (away.remove(0), away.remove(0));
    let (held, keyframes) = (first.held(), first.keyframes);
    first.relink(&mut world.server, world.now, true);
    world.peers.push(first);
    world.run_with(1_000, wander);
    let awake = at(&world);
    assert!(
        (28..=32).contains(&awake.since(asleep)),
        "one second of ticks and no catching up: {awake} after {asleep}"
    );
    assert!(world.peers[0].held() > held);
    assert_eq!(
        world.peers[0].keyframes, keyframes,
        "the updates went on by a delta"
    );
    drop(second);
}

#[test]
fn a_room_that_may_sleep_is_not_closed_as_empty_but_by_whoever_asks_for_it() {
    let mut world = World::with_players(server(), "dreams", 1);
    let room = world.peers[0].room();
    let how = JoinHow::Room {
        id: &world.peers[0].joined[0].id.clone(),
    };
    world.peers[0].session.leave(room);
    world.run(100);
    let asleep = world.server.room(room).unwrap().tick_now();
    world.run(60_000);
    assert_eq!(world.server.room(room).unwrap().tick_now(), asleep);
    let guest = Peer::player(&mut world.server, world.now, "again", &how);
    world.peers.push(guest);
    world.run(1_000);
    assert_eq!(world.peers[1].joined.len(), 1);
    assert!(world.server.room(room).unwrap().tick_now() > asleep.plus(20));
    world.peers.pop();
    let now = world.now;
    world.server.tell_lobby(
        now,
        LobbyInput::Close {
            room,
            message: "enough".into(),
        },
    );
    world.run(100);
    assert!(world.server.room(room).is_none());
    // A game that does not sleep is closed as ever.
    let mut world = World::with_players(server(), "chat", 1);
    let room = world.peers[0].room();
    world.peers[0].session.leave(room);
    world.run(6_000);
    assert!(world.server.room(room).is_none());
}

#[test]
fn a_room_that_is_over_does_not_rest() {
    let spec = RoomSpec {
        no: 1,
        id: "K7".into(),
        namespace: "/".into(),
        seats: 2,
        kind: Kind::from(GameKind::new("chat", chat)).into(),
        attributes: vec![],
        seed: 7,
    };
    let mut room = Room::new(spec);
    assert!(room.rests(), "nothing came yet");
    room.tick(Time(0), None);
    assert_eq!(room.tick_now(), Tick(1));
    assert!(room.rests());
    room.handle(RoomInput::Close {
        reason: RoomEnd::Closed,
        message: String::new(),
    });
    assert!(!room.rests(), "it has its end to tell");
}
