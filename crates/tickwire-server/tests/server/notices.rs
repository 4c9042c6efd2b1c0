//! Notices that games send: to whoever has a seat, and to identities of the room's namespace; live ones and kept ones.

use std::sync::Arc;

use bevy_ecs::prelude::*;
use tickwire_proto::Reason;
use tickwire_proto::frame::CURSORS_MAX;
use tickwire_server::{
    FrontConfig, HOME, Kind, LobbyConfig, Loopback, NamespaceSpec, Namespaces, Person,
    RECEIPTS_UNKNOWN_MAX,
};
use tickwire_sim::prelude::*;
use tickwire_sim::{GameKind, NOTICES_MAX};
use tickwire_snapshot::message::{self, Message};

use crate::common::{Peer, QUICK, Say, World};

/// Sends what is said to it: `keep IDENTITY`, `live IDENTITY`, `seat SEAT`, `flood COUNT`.
fn post(In(said): In<FromPlayer<Say>>, mut notices: ResMut<Notices>) {
    let (word, rest) = said.message.text.split_once(' ').expect("two words");
    match word {
        "keep" => notices.keep(rest, "letter", &said.player.seat),
        "live" => notices.live(rest, "call", &said.player.seat),
        "seat" => notices.keep(Player::new(rest.parse().unwrap()), "parcel", &"heavy"),
        _ => {
            for n in 0..rest.parse().unwrap() {
                notices.live(said.player, "leaflet", &n);
            }
            &mut *notices
        }
    };
}

fn office(game: &mut Game) {
    game.rate(30).seats(4).on_message(post).on_demand();
}

/// An office in `/`, and one in `/other`.
fn world(names: &[&str]) -> World {
    let kinds = || vec![Arc::new(Kind::from(GameKind::new("hello", office)))];
    let all = [HOME, "/other"].map(|name| NamespaceSpec::new(name, kinds()));
    let front = FrontConfig {
        shards: 2,
        ..FrontConfig::default()
    };
    let namespaces = Arc::new(Namespaces::new(all));
    let mut world = World::new(Loopback::of(namespaces, front, LobbyConfig::default()));
    for name in names {
        let peer = Peer::player(&mut world.server, world.now, name, &QUICK);
        world.peers.push(peer);
    }
    world.run(100);
    world
}

fn say(world: &mut World, peer: usize, text: &str) {
    let payload = message::encode(&Say { text: text.into() });
    let room = world.peers[peer].room();
    let session = &mut world.peers[peer].session;
    session.send(room, 0, Say::kind(), &payload).unwrap();
    world.run(100);
}

/// Cursor, kind and payload of what a peer was told.
fn told(world: &World, peer: usize) -> Vec<(u64, &str, &[u8])> {
    let notices = world.peers[peer].notices.iter();
    notices
        .map(|(cursor, kind, payload)| (*cursor, kind.as_str(), &payload[..]))
        .collect()
}

#[test]
fn a_game_tells_seats_and_identities_of_its_namespace() {
    let mut world = world(&["Ann", "Bob"]);
    let mut elsewhere = Peer::open(&mut world.server, world.now);
    let credentials = br#"{"guest":"Ann"}"#;
    elsewhere.session.attach(0, "/other", credentials, 0);
    world.peers.push(elsewhere);
    world.run(50);
    say(&mut world, 0, "seat 1");
    say(&mut world, 0, "seat 3"); // nobody's
    say(&mut world, 1, "live guest:Ann");
    say(&mut world, 1, "live guest:Cid"); // is not here
    say(&mut world, 1, "keep guest:Cid");
    let parcel: (u64, &str, &[u8]) = (1, "parcel", br#""heavy""#);
    assert_eq!(told(&world, 0), [(0, "call", &b"1"[..])]);
    assert_eq!(told(&world, 1), [parcel]);
    assert_eq!(told(&world, 2), [], "another Ann");
    let stats = world.stats();
    assert_eq!((stats.notices_out, stats.notices_dropped), (4, 1));
    assert_eq!(world.server.directory().stats().notices_unheard, 1);

    let cid = Peer::guest(&mut world.server, world.now, "Cid");
    world.peers.push(cid);
    world.run(50);
    assert_eq!(told(&world, 3), [(1, "letter", &b"1"[..])]);
    world.peers[3].session.notices_done(0, &[1]);
    world.run(50);
    assert_eq!(world.server.directory().stats().notices_done, 1);
}

#[test]
fn a_flood_of_a_game_is_cut_and_counted() {
    let mut world = world(&["Ann"]);
    say(&mut world, 0, &format!("flood {}", NOTICES_MAX + 7));
    assert_eq!(told(&world, 0).len(), NOTICES_MAX);
    assert_eq!(world.stats().notices_dropped, 7);
    say(&mut world, 0, &format!("keep {}", "x".repeat(65)));
    assert_eq!(world.stats().notices_dropped, 8, "no name of an identity");
    assert!(world.peers[0].over.is_none());
    let ann = Person::new(HOME, "guest:Ann");
    assert_eq!(world.server.directory().look_up(&ann).2.len(), 1);
}

#[test]
fn receipts_for_what_was_never_given_end_the_session_in_the_end() {
    let mut world = world(&["Ann", "Bob"]);
    let invented: Vec<u64> = (1..=CURSORS_MAX as u64).collect();
    for _ in 0..RECEIPTS_UNKNOWN_MAX / CURSORS_MAX {
        world.peers[0].session.notices_done(0, &invented);
    }
    world.run(50);
    let stats = world.server.directory().stats();
    assert_eq!(stats.receipts_unknown, RECEIPTS_UNKNOWN_MAX as u64);
    assert!(world.peers[0].over.is_none());
    world.peers[0].session.notices_done(0, &[7]);
    world.run(50);
    let ending = world.peers[0].over.as_ref().expect("one too many");
    assert_eq!(ending.reason, Reason::Violation);
    assert!(ending.message.contains("never given"), "{ending:?}");
    say(&mut world, 1, "keep guest:Bob");
    assert_eq!(told(&world, 1).len(), 1, "others notice nothing");
}
