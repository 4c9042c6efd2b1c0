//! Messages between members and the game, and who may attach at all.

use std::sync::Arc;

use bevy_ecs::prelude::*;
use tickwire_proto::Reason;
use tickwire_proto::frame::code;
use tickwire_server::{
    AuthAnswer, AuthRequest, FrontConfig, HOME, Kind, LobbyConfig, Loopback, NamespaceSpec,
    Namespaces, TokenAuth,
};
use tickwire_sim::prelude::*;
use tickwire_sim::{GameKind, OUTBOX_MAX};
use tickwire_snapshot::Schema;
use tickwire_snapshot::message::{self, Message};

use crate::common::{Peer, QUICK, Say, World, kinds, server, sharded};

fn say(text: &str) -> (u32, bytes::Bytes) {
    (Say::kind(), message::encode(&Say { text: text.into() }))
}

#[test]
fn a_message_reaches_the_game_and_its_answers_the_right_members() {
    let mut world = World::with_players(sharded(2), "hello", 4);
    let (room, (kind, payload)) = (world.peers[1].room(), say("hi"));
    world.peers[1]
        .session
        .send(room, 0, kind, &payload)
        .unwrap();
    world.run(100);
    for (at, peer) in world.peers.iter().enumerate() {
        let expected = if at == 1 { say("heard") } else { say("hi") };
        assert_eq!(peer.messages, [expected]);
    }
    assert_eq!(world.stats().messages_out, 2, "each encoded once");
}

#[test]
fn what_the_game_does_not_listen_to_is_dropped_and_counted() {
    let mut world = World::with_players(server(), "hello", 2);
    let room = world.peers[0].room();
    let wrong = [
        (12345, bytes::Bytes::new()),
        (Say::kind(), bytes::Bytes::from_static(&[0xff; 40])),
        (Say::kind(), bytes::Bytes::new()),
    ];
    for (kind, payload) in wrong {
        world.peers[0]
            .session
            .send(room, 0, kind, &payload)
            .unwrap();
    }
    let (kind, payload) = say("to nobody");
    world.peers[0].session.send(0, 0, kind, &payload).unwrap();
    world.run(100);
    assert_eq!(
        (world.stats().messages_in, world.stats().messages_refused),
        (3, 3)
    );
    assert_eq!(world.server.fronts()[0].stats().messages_unheard, 1);
    assert!(
        world
            .peers
            .iter()
            .all(|peer| peer.messages.is_empty() && peer.over.is_none())
    );
}

#[test]
fn an_unknown_namespace_is_refused_and_a_second_try_may_do() {
    let mut world = World::new(server());
    let mut peer = Peer::open(&mut world.server, world.now);
    peer.session.attach(0, "/chat", b"", 0);
    world.peers.push(peer);
    world.run(20);
    assert_eq!(world.peers[0].attach_refused[0].code, code::NOT_FOUND);
    assert_eq!(
        world.peers[0].attach_refused[0].message,
        r#"there is no namespace "/chat" on this server. Its own is "/"; others must be registered with it"#
    );
    world.peers[0].session.attach(1, "/", b"", 0);
    world.peers[0].session.join(1, 1, &QUICK, 0);
    world.run(50);
    assert_eq!(world.peers[0].joined[0].members[0].name, "Guest 1");
}

#[test]
fn other_messages_are_refused_where_they_are_asked_for() {
    let mut schema = Schema::new("/", 33_333);
    schema.messages.push(Say::schema());
    schema.seal().unwrap();
    let hash = schema.hash();
    let spec = NamespaceSpec::new(HOME, vec![]).with_messages(Arc::new(schema));
    let mut world = World::new(Loopback::of(
        Arc::new(Namespaces::new([spec])),
        FrontConfig::default(),
        LobbyConfig::default(),
    ));
    for hash in [0, hash, hash ^ 1] {
        let mut peer = Peer::open(&mut world.server, world.now);
        peer.session.attach(0, "/", b"", hash);
        world.peers.push(peer);
    }
    world.run(20);
    let refused: Vec<usize> = world
        .peers
        .iter()
        .map(|peer| peer.attach_refused.len())
        .collect();
    assert_eq!(refused, [0, 0, 1]);
    assert_eq!(world.peers[2].attach_refused[0].code, code::VERSION);
}

#[test]
fn tokens_are_checked_before_any_room_hears_of_it() {
    let auth = TokenAuth::new(|token| match token {
        "right" => Ok(tickwire_proto::frame::Identity::new("ann")),
        _ => Err(tickwire_proto::frame::Refusal::new(
            "Expired",
            "sign in again",
        )),
    });
    let mut world = World::new(Loopback::with(
        kinds(),
        auth,
        FrontConfig::default(),
        LobbyConfig::default(),
    ));
    for token in ["right", "wrong"] {
        let mut peer = Peer::open(&mut world.server, world.now);
        peer.session
            .attach(0, "/", format!(r#"{{"token":"{token}"}}"#).as_bytes(), 0);
        peer.join(&QUICK);
        world.peers.push(peer);
    }
    world.run(50);
    assert_eq!(world.peers[0].joined.len(), 1);
    assert_eq!(
        (
            world.peers[1].joined.len(),
            world.peers[1].attach_refused[0].code.as_str()
        ),
        (0, "Expired")
    );
    let info: Vec<_> = world.server.fronts()[0].sessions().collect();
    assert_eq!(info[0].identity.as_ref().unwrap().id, "ann");
    assert_eq!(info[0].rooms.len(), 1);
    assert!(info[1].identity.is_none());
    assert_eq!(world.server.fronts()[0].stats().refusals["Expired"], 1);
}

/// Knows the answer only at the third question.
struct Slow;

impl tickwire_server::Auth for Slow {
    fn check(&self, request: &AuthRequest) -> AuthAnswer {
        let (mut asked, guest) = (0, request.guest);
        AuthAnswer::Later(Box::pin(std::future::poll_fn(move |_| {
            asked += 1;
            match asked {
                3 => std::task::Poll::Ready(Ok(tickwire_proto::frame::Identity::new(format!(
                    "guest {guest}"
                )))),
                _ => std::task::Poll::Pending,
            }
        })))
    }
}

#[test]
fn an_answer_may_come_later_or_too_late() {
    let mut world = World::new(Loopback::with(
        kinds(),
        Slow,
        FrontConfig::default(),
        LobbyConfig::default(),
    ));
    for name in ["a", "b"] {
        let peer = Peer::player(&mut world.server, world.now, name, &QUICK);
        world.peers.push(peer);
    }
    world.run(5);
    let gone = world.peers.pop().unwrap();
    world.server.lose(world.now, gone.key);
    world.run(100);
    assert_eq!(world.peers[0].joined.len(), 1);
    assert_eq!(world.server.fronts()[0].len(), 1);
}

/// Fills the outbox with what may be lost, and then says something to the second player that may not.
fn flood(In(said): In<FromPlayer<Say>>, mut outbox: ResMut<Outbox>) {
    let message = &said.message;
    for _ in 0..OUTBOX_MAX {
        outbox.volatile().to(said.player, message);
    }
    assert_eq!(outbox.room_left(), 0);
    outbox.volatile().to(Player::new(2), message);
    outbox.to(Player::new(1), message);
}

#[test]
fn a_game_that_sends_too_much_in_a_tick_loses_nothing_reliable_in_silence() {
    let game = |game: &mut Game| {
        game.rate(30).seats(4).message::<Say>().on_message(flood);
    };
    let kinds = vec![Kind::from(GameKind::new("flood", game))];
    let mut world = World::with_players(Loopback::new(kinds), "flood", 3);
    let (room, (kind, payload)) = (world.peers[0].room(), say("all"));
    world.peers[0]
        .session
        .send(room, 0, kind, &payload)
        .unwrap();
    world.run(200);
    let ended = world.peers[1].over.as_ref().expect("it is told");
    assert_eq!(ended.reason, Reason::Overflow);
    assert!(ended.message.contains("in one tick"), "{}", ended.message);
    assert!(world.peers[0].over.is_none() && world.peers[2].over.is_none());
    let stats = world.stats();
    assert_eq!((stats.messages_dropped, stats.overflows), (2, 1));
}
