//! Private codes, kept seats, spectators, and lists that are watched.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tickwire_proto::Time;
use tickwire_proto::frame::parts::NO_SEAT;
use tickwire_proto::frame::{JoinHow, code};
use tickwire_server::{
    AcceptAll, FrontConfig, GUESSES_MAX, Kind, KindOptions, LOBBY_CHANGE_MS, LobbyConfig,
    LobbyInput, Loopback, ReserveAsk, ReserveIn,
};
use tickwire_sim::GameKind;
use tickwire_sim::prelude::*;

use crate::common::{Peer, QUICK, World, hello, wander};

/// Dots with room for three who look on, five times a second.
fn stage(game: &mut Game) {
    hello(game);
    game.watchers(3).watch_hz(5);
}

fn small(game: &mut Game) {
    hello(game);
    game.seats(4);
}

fn server() -> Loopback {
    let kinds = vec![
        Kind::from(GameKind::new("hello", hello)),
        Kind::from(GameKind::new("stage", stage)),
        Kind::new(GameKind::new("small", small), KindOptions::default()),
    ];
    Loopback::with(
        kinds,
        AcceptAll,
        FrontConfig {
            shards: 2,
            ..FrontConfig::default()
        },
        LobbyConfig::default(),
    )
}

fn of(kind: &'static str) -> JoinHow<'static> {
    JoinHow::Quick {
        kind,
        attributes: vec![],
    }
}

fn add(world: &mut World, name: &str, how: &JoinHow) -> usize {
    let peer = Peer::player(&mut world.server, world.now, name, how);
    world.peers.push(peer);
    world.run(100);
    world.peers.len() - 1
}

#[test]
fn a_private_room_is_on_no_list_and_its_code_lets_friends_in() {
    let mut world = World::new(server());
    let private = JoinHow::Private {
        kind: "hello",
        attributes: vec![],
    };
    let host = add(&mut world, "host", &private);
    let info = world.peers[host].joined[0].clone();
    assert_eq!(info.id.len(), 4);
    assert!(info.members[0].flags.host && info.id.bytes().all(|it| it.is_ascii_uppercase()));
    // As people type it.
    let typed = format!(" {}", info.id.to_lowercase());
    let friend = add(&mut world, "friend", &JoinHow::Room { id: &typed });
    assert_eq!(world.peers[friend].room(), info.room);
    world.peers[friend].list("");
    let stranger = add(&mut world, "stranger", &QUICK);
    assert_eq!(world.peers[friend].lists, [vec![]]);
    assert_ne!(world.peers[stranger].room(), info.room);
}

#[test]
fn guessing_codes_is_slow_for_right_ones_too() {
    let mut world = World::new(server());
    let private = JoinHow::Private {
        kind: "hello",
        attributes: vec![],
    };
    let host = add(&mut world, "host", &private);
    let id = world.peers[host].joined[0].id.clone();
    let guesser = add(&mut world, "guesser", &of("stage"));
    for n in 0..GUESSES_MAX + 3 {
        let wrong = format!("Z{n:03}");
        world.peers[guesser].join(&JoinHow::Room { id: &wrong });
        world.run(400);
    }
    let codes: Vec<&str> = world.peers[guesser]
        .refused
        .iter()
        .map(|(_, refusal)| refusal.code.as_str())
        .collect();
    let (found, limited) = codes.split_at(GUESSES_MAX as usize);
    assert!(found.iter().all(|it| *it == code::NOT_FOUND), "{codes:?}");
    assert!(limited.iter().all(|it| *it == code::LIMIT), "{codes:?}");
    world.peers[guesser].join(&JoinHow::Room { id: &id });
    world.peers[guesser].join(&JoinHow::Watch { id: &id });
    world.peers[guesser].join(&JoinHow::Reserved { token: "00" });
    world.run(100);
    assert_eq!(world.peers[guesser].refusal(), code::LIMIT);
    assert_eq!(world.peers[guesser].joined.len(), 1, "it learns nothing");
    world.run(60_000);
    world.peers[guesser].join(&JoinHow::Room { id: &id });
    world.run(100);
    assert_eq!(world.peers[guesser].joined.len(), 2);
}

#[test]
fn kept_seats_are_for_those_they_are_kept_for_until_their_time_has_passed() {
    let mut world = World::new(server());
    let now = world.now;
    let ask = |room, seats, identities: &[&str]| ReserveAsk {
        room,
        seats,
        identities: identities.iter().map(|it| (*it).to_owned()).collect(),
        keep_ms: 20_000,
    };
    let quick = ReserveIn::Quick {
        kind: "small".into(),
        attributes: vec![],
    };
    let kept = world
        .server
        .reserve(now, ask(quick.clone(), 2, &[]))
        .unwrap();
    assert_eq!((kept.token.len(), kept.seats), (32, 2));
    let in_it = ReserveIn::Room(kept.room.clone());
    let named = world
        .server
        .reserve(now, ask(in_it.clone(), 0, &["guest:Ann"]))
        .unwrap();
    assert_eq!((named.room.as_str(), named.seats), (kept.room.as_str(), 1));
    // One seat is left of four.
    let refused = world.server.reserve(now, ask(in_it, 2, &[])).unwrap_err();
    assert_eq!(refused.code, code::FULL);
    let first = add(&mut world, "first", &of("small"));
    assert_eq!(world.peers[first].joined[0].id, kept.room);
    let id = &kept.room;
    let late = add(&mut world, "late", &JoinHow::Room { id });
    assert_eq!(world.peers[late].refusal(), code::FULL);
    let ann = add(&mut world, "Ann", &JoinHow::Room { id });
    assert_eq!(world.peers[ann].joined[0].id, kept.room);
    let token = JoinHow::Reserved { token: &kept.token };
    let shown = add(&mut world, "shown", &token);
    assert_eq!(world.peers[shown].joined[0].id, kept.room);
    // The other one is given up when its time has passed.
    world.run(20_000);
    let spent = add(&mut world, "spent", &token);
    assert_eq!(world.peers[spent].refusal(), code::NOT_FOUND);
    let again = add(&mut world, "again", &JoinHow::Room { id });
    assert_eq!(world.peers[again].joined[0].id, kept.room);
    let room = world.server.room(world.peers[again].room()).unwrap();
    assert_eq!(room.members().count(), 4);
    // A room with nothing but kept seats waits for them, and is closed when they are free.
    let alone = world.server.reserve(world.now, ask(quick, 4, &[])).unwrap();
    assert_ne!(alone.room, kept.room);
    let listed = |world: &World| world.server.lobby().list("/", "small").count();
    assert_eq!(listed(&world), 2);
    world.run(55_000);
    assert_eq!(listed(&world), 1);
}

#[test]
fn what_makes_no_sense_is_not_kept() {
    let mut world = World::new(server());
    let room = ReserveIn::Quick {
        kind: "small".into(),
        attributes: vec![],
    };
    let mut refused = |seats, keep_ms| {
        let ask = ReserveAsk {
            room: room.clone(),
            seats,
            identities: vec![],
            keep_ms,
        };
        world.server.reserve(Time(5), ask).unwrap_err().code
    };
    assert_eq!(refused(0, 1_000), code::FORBIDDEN);
    assert_eq!(refused(1, 0), code::FORBIDDEN);
    assert_eq!(refused(1, 600_001), code::FORBIDDEN);
    assert_eq!(refused(5, 1_000), code::FULL);
    assert_eq!(world.server.lobby().rooms().count(), 0);
}

proptest! {
    /// Joins, leaves, reservations and their expiry in any order: a room is never over its limit, seats that are kept among them.
    #[test]
    fn never_more_members_and_kept_seats_than_seats(
        steps in prop::collection::vec((0u8..6, 0u16..6, 0u32..2_000), 1..60),
    ) {
        let mut world = World::new(server());
        let (mut tokens, mut now_in): (Vec<String>, BTreeSet<usize>) = (vec![], BTreeSet::new());
        for (n, (step, count, ms)) in steps.into_iter().enumerate() {
            let name = format!("P{n}");
            match step {
                0 => {
                    let room = ReserveIn::Quick { kind: "small".into(), attributes: vec![] };
                    let ask = ReserveAsk { room, seats: count, identities: vec![], keep_ms: u64::from(ms) + 1 };
                    let now = world.now;
                    tokens.extend(world.server.reserve(now, ask).ok().map(|kept| kept.token));
                }
                1 | 2 => { now_in.insert(add(&mut world, &name, &of("small"))); }
                3 if !tokens.is_empty() => {
                    let token = tokens[usize::from(count) % tokens.len()].clone();
                    add(&mut world, &name, &JoinHow::Reserved { token: &token });
                }
                4 => {
                    if let Some(peer) = now_in.pop_first()
                        && let Some(info) = world.peers[peer].joined.last()
                    {
                        let room = info.room;
                        world.peers[peer].session.leave(room);
                    }
                }
                _ => world.run(u64::from(ms)),
            }
            world.run(5);
            for room in world.server.lobby().list("/", "small") {
                prop_assert!(room.members <= room.seats, "{room:?}");
            }
            for room in world.server.rooms() {
                prop_assert!(room.members().count() <= usize::from(room.spec().seats));
            }
        }
    }
}

#[test]
fn spectators_have_places_of_their_own_see_less_often_and_cannot_play() {
    let mut world = World::with_players(server(), "stage", 2);
    let id = world.peers[0].joined[0].id.clone();
    let watch = JoinHow::Watch { id: &id };
    for n in 0..4 {
        add(&mut world, &format!("W{n}"), &watch);
    }
    assert_eq!(world.peers[5].refusal(), code::FULL);
    assert!(
        world.peers[5].refused[0]
            .1
            .message
            .contains("3 places for spectators")
    );
    let info = &world.peers[2].joined[0];
    assert_eq!((info.seat, info.send_every), (NO_SEAT, 6));
    assert_eq!(info.members.len(), 3);
    let listed = world.server.lobby().list("/", "stage").next().unwrap();
    assert_eq!(listed.members, 2, "they take no seat");
    world.run_with(1_000, wander);
    let counts: Vec<usize> = world.peers.iter().map(|peer| peer.updates.len()).collect();
    world.run_with(4_000, wander);
    let got = |at: usize| world.peers[at].updates.len() - counts[at];
    assert!((118..=122).contains(&got(0)), "{}", got(0));
    assert!((18..=22).contains(&got(2)), "{}", got(2));
    // Each compared its updates with the truth. All got the same bytes at the same tick.
    let (a, b) = (world.peers[2].updates.last(), world.peers[3].updates.last());
    assert_eq!(a, b);
    // What they ask for is dropped and counted.
    let refused = world.stats().commands_refused;
    let tick = world.server.room(world.peers[2].room()).unwrap().tick_now();
    world.peers[2].steer_at(tick.plus(3), 1, 1);
    world.run(200);
    assert_eq!(world.stats().commands_refused, refused + 1);
    let room = world.peers[2].room();
    world.peers[2].session.ready(room, true);
    world.run(100);
    assert!(
        world
            .server
            .room(room)
            .unwrap()
            .members()
            .all(|it| !it.flags.ready)
    );
    // And then it is still for them, too.
    world.run(3_000);
    let held = world.peers[2].held();
    world.run(3_000);
    assert_eq!(world.peers[2].held(), held);
    let none = add(&mut world, "none", &of("hello"));
    let id = world.peers[none].joined[0].id.clone();
    world.peers[5].join(&JoinHow::Watch { id: &id });
    world.run(100);
    assert_eq!(world.peers[5].refusal(), code::FORBIDDEN);
}

#[test]
fn a_watched_list_is_the_list_after_every_change() {
    let mut world = World::new(server());
    let watcher = add(&mut world, "watcher", &of("stage"));
    let all = world.peers[watcher].watch_list("", &[]);
    let smalls = world.peers[watcher].watch_list("small", &[("mode", "duel")]);
    world.run(100);
    assert_eq!(world.peers[watcher].live[&all].len(), 1);
    assert_eq!(world.peers[watcher].live[&smalls].len(), 0);
    let duel = JoinHow::Quick {
        kind: "small",
        attributes: vec![("mode", "duel"), ("map", "moon")],
    };
    let quick = QUICK;
    for n in 0..6 {
        add(
            &mut world,
            &format!("P{n}"),
            if n < 5 { &duel } else { &quick },
        );
    }
    add(
        &mut world,
        "hidden",
        &JoinHow::Private {
            kind: "small",
            attributes: vec![("mode", "duel")],
        },
    );
    let check = |world: &World| {
        let truth: Vec<_> = world.server.lobby().list("/", "").collect();
        let told = &world.peers[watcher].live[&all];
        assert_eq!(told.len(), truth.len());
        assert!(truth.iter().all(|room| told[&room.id] == *room));
        let duels: BTreeSet<&str> = truth
            .iter()
            .filter(|it| it.kind == "small")
            .map(|it| it.id.as_str())
            .collect();
        let told: BTreeSet<&str> = world.peers[watcher].live[&smalls]
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(told, duels);
    };
    world.run(LOBBY_CHANGE_MS + 50);
    check(&world);
    assert_eq!(world.peers[watcher].live[&smalls].len(), 2);
    // Many changes at once are one telling; none are none.
    let before = world.peers[watcher].changes;
    for n in 0..40 {
        let peer = Peer::player(&mut world.server, world.now, &format!("Q{n}"), &duel);
        world.peers.push(peer);
    }
    world.run(LOBBY_CHANGE_MS * 2);
    check(&world);
    let told = world.peers[watcher].changes - before;
    assert!(
        (2..=6).contains(&told),
        "{told} tellings of forty joins on two lists"
    );
    let before = world.peers[watcher].changes;
    world.run(5_000);
    assert_eq!(world.peers[watcher].changes, before);
    // Rooms that close go.
    let rooms: Vec<u32> = world.server.lobby().rooms().collect();
    for room in rooms {
        let now = world.now;
        world.server.tell_lobby(
            now,
            LobbyInput::Close {
                room,
                message: String::new(),
            },
        );
    }
    world.run(LOBBY_CHANGE_MS * 2);
    check(&world);
    assert!(
        world.peers[watcher]
            .live
            .values()
            .all(|list| list.is_empty())
    );
    // Nothing is told to who does not want it any more.
    world.peers[watcher].session.lobby_unwatch(all);
    world.peers[watcher].session.lobby_unwatch(smalls);
    world.run(50);
    let before = world.peers[watcher].changes;
    add(&mut world, "last", &QUICK);
    world.run(2_000);
    assert_eq!(world.peers[watcher].changes, before);
}

#[test]
fn a_session_watches_four_lists_and_one_that_comes_back_misses_no_change() {
    let mut world = World::new(server());
    let watcher = add(&mut world, "watcher", &QUICK);
    for _ in 0..5 {
        world.peers[watcher].watch_list("small", &[]);
    }
    world.run(100);
    assert_eq!(world.peers[watcher].refusal(), code::LIMIT);
    let request = *world.peers[watcher].live.keys().next().unwrap();
    let (now, key) = (world.now, world.peers[watcher].key);
    world.server.lose(now, key);
    world.peers[watcher].session.link_lost(now);
    let mut peer = world.peers.remove(watcher);
    for n in 0..9 {
        add(&mut world, &format!("P{n}"), &of("small"));
    }
    peer.relink(&mut world.server, world.now, true);
    world.peers.push(peer);
    world.run(500);
    let peer = world.peers.last().unwrap();
    assert_eq!(peer.live[&request].len(), 3);
    let truth = world.server.lobby().list("/", "small");
    assert!(
        truth
            .into_iter()
            .all(|room| peer.live[&request][&room.id] == room)
    );
}
