//! Ways into rooms: atomic, never over a limit, refused with a code and a text that says what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tickwire_proto::Time;
use tickwire_proto::frame::{
    Identity, JoinHow, JoinHowOwned, LeaveReason, MemberChangeOwned, Presence, RoomEnd, code,
};
use tickwire_server::{
    AcceptAll, FrontConfig, FrontInput, Gauge, Kind, KindOptions, Lobby, LobbyConfig, LobbyInput,
    LobbyJoin, LobbyOutput, Loopback, NamespaceSpec, RoomInput, SessionKey,
};
use tickwire_sim::GameKind;
use tickwire_sim::prelude::*;
use tickwire_snapshot::Schema;

use crate::common::{Peer, QUICK, World, hello, kinds, server, sharded};

fn small() -> Kind {
    let options = KindOptions {
        seats: Some(8),
        rooms_max: Some(2),
        attributes: Some(vec!["mode".into()]),
        ..KindOptions::default()
    };
    Kind::new(GameKind::new("hello", hello), options)
}

#[test]
fn five_hundred_race_for_eight_seats() {
    let front = FrontConfig {
        shards: 4,
        ..FrontConfig::default()
    };
    let mut world = World::new(Loopback::with(
        vec![small()],
        AcceptAll,
        front,
        LobbyConfig::default(),
    ));
    let first = Peer::player(&mut world.server, world.now, "first", &QUICK);
    world.peers.push(first);
    world.run(50);
    let id = world.peers[0].joined[0].id.clone();
    for n in 1..500 {
        let peer = Peer::player(
            &mut world.server,
            world.now,
            &format!("P{n}"),
            &JoinHow::Room { id: &id },
        );
        world.peers.push(peer);
    }
    world.run(300);
    let inside = world
        .peers
        .iter()
        .filter(|peer| peer.joined.len() == 1)
        .count();
    assert_eq!(inside, 8);
    let mut seats = BTreeSet::new();
    for peer in &world.peers {
        match (peer.joined.as_slice(), peer.refused.as_slice()) {
            ([info], []) => assert!(seats.insert(info.seat)),
            ([], [(1, refusal)]) => {
                assert_eq!(refusal.code, code::FULL);
                assert!(refusal.message.contains("all of its 8 seats are taken"));
            }
            other => panic!("in or out, never both: {other:?}"),
        }
    }
    let room = world.server.rooms().next().unwrap();
    assert_eq!(
        (
            room.members().count(),
            world.server.lobby().members(room.spec().no).count()
        ),
        (8, 8)
    );
    assert_eq!(world.server.lobby().stats().refusals[code::FULL], 492);
}

#[test]
fn quick_matches_fill_rooms_of_equal_attributes_up_to_the_limit() {
    let front = FrontConfig {
        shards: 3,
        ..FrontConfig::default()
    };
    let mut world = World::new(Loopback::with(
        vec![small()],
        AcceptAll,
        front,
        LobbyConfig::default(),
    ));
    for n in 0..20 {
        let mode = if n < 6 { "duel" } else { "all" };
        let how = JoinHow::Quick {
            kind: "",
            attributes: vec![("mode", mode)],
        };
        let peer = Peer::player(&mut world.server, world.now, &format!("P{n}"), &how);
        world.peers.push(peer);
    }
    world.run(200);
    let rooms: Vec<_> = world.server.lobby().list("/", "hello").collect();
    let mut told: Vec<_> = rooms
        .iter()
        .map(|room| (room.attributes[0].1.as_str(), room.members))
        .collect();
    told.sort();
    assert_eq!(
        told,
        [("all", 8), ("duel", 6)],
        "two rooms of this kind are allowed"
    );
    let refused: Vec<_> = world.peers.iter().flat_map(|peer| &peer.refused).collect();
    assert_eq!(refused.len(), 6);
    assert!(
        refused
            .iter()
            .all(|(_, refusal)| refusal.code == code::LIMIT)
    );
    let how = JoinHow::Create {
        kind: "hello",
        attributes: vec![("color", "red")],
    };
    world.peers[0].join(&how);
    world.peers[1].list("");
    world.run(50);
    let refusal = &world.peers[0].refused[0].1;
    assert_eq!(refusal.code, code::FORBIDDEN);
    assert_eq!(
        refusal.message,
        "rooms of `hello` have no attribute `color`: use one of mode"
    );
    assert_eq!(world.peers[1].lists, [rooms]);
}

#[test]
fn what_there_is_not_is_not_found() {
    let mut world = World::new(server());
    let mut peer = Peer::guest(&mut world.server, world.now, "Ann");
    peer.join(&JoinHow::Room { id: "NOSUCH" });
    peer.join(&JoinHow::Quick {
        kind: "chess",
        attributes: vec![],
    });
    world.peers.push(peer);
    world.run(50);
    let texts: Vec<String> = world.peers[0]
        .refused
        .iter()
        .map(|(_, refusal)| format!("{}: {}", refusal.code, refusal.message))
        .collect();
    assert_eq!(
        texts[0],
        "NotFound: there is no room NOSUCH. It may have been closed: look at the list"
    );
    assert_eq!(
        texts[1],
        "NotFound: there is no game `chess` on this server. It has: hello, museum, slow"
    );
}

#[test]
fn a_client_with_another_schema_is_told_what_the_server_has() {
    fn other(game: &mut Game) {
        game.rate(20);
        hello(game);
    }
    let theirs = GameKind::new("hello", other);
    let mut world = World::new(server());
    let mut peer = Peer::guest(&mut world.server, world.now, "Ann");
    let wrong = theirs.schema().hash() ^ 1;
    peer.session.join(1, 0, &QUICK, wrong);
    world.peers.push(peer);
    world.run(50);
    let (_, refusal) = &world.peers[0].refused[0];
    assert_eq!(refusal.code, code::VERSION);
    assert!(
        refusal
            .message
            .contains("client and server disagree about the game `hello`"),
        "{}",
        refusal.message
    );
    let schema = Schema::from_bytes(&refusal.data).expect("the server's schema");
    assert_eq!(
        &schema.hash(),
        &GameKind::new("hello", hello).schema().hash()
    );
    assert_eq!(world.server.rooms().count(), 0, "no room was made for it");
    assert!(world.peers[0].over.is_none(), "the join alone is refused");
}

#[test]
fn a_locked_room_lets_nobody_in_and_a_room_one_is_in_neither() {
    let mut world = World::with_players(server(), "hello", 1);
    let (no, id) = (world.peers[0].room(), world.peers[0].joined[0].id.clone());
    world.peers[0].join(&JoinHow::Room { id: &id });
    let now = world.now;
    world.server.tell_lobby(
        now,
        LobbyInput::Lock {
            room: no,
            locked: true,
        },
    );
    let late = Peer::player(&mut world.server, now, "late", &JoinHow::Room { id: &id });
    world.peers.push(late);
    world.run(50);
    assert_eq!(world.peers[0].refused[0].1.code, code::FORBIDDEN);
    assert_eq!(world.peers[1].refused[0].1.code, code::LOCKED);
    // A quick match does not find it either: it makes a new one.
    world.peers[1].join(&QUICK);
    world.run(50);
    assert_ne!(world.peers[1].room(), no);
    world.server.tell_lobby(
        world.now,
        LobbyInput::Lock {
            room: no,
            locked: false,
        },
    );
    world.peers[1].join(&JoinHow::Room { id: &id });
    world.run(50);
    assert_eq!(world.peers[1].joined.len(), 2, "in two rooms at once");
}

#[test]
fn a_flood_of_joins_is_refused_with_a_code_and_nothing_leaks() {
    let mut world = World::new(server());
    let mut peer = Peer::guest(&mut world.server, world.now, "flood");
    for _ in 0..15 {
        peer.join(&JoinHow::Create {
            kind: "hello",
            attributes: vec![],
        });
    }
    world.peers.push(peer);
    world.run(100);
    for _ in 0..60 {
        world.peers[0].join(&JoinHow::Create {
            kind: "hello",
            attributes: vec![],
        });
        world.run(10);
    }
    world.run(3_000);
    assert!(
        world.peers[0]
            .refused
            .iter()
            .all(|(_, refusal)| refusal.code == code::LIMIT)
    );
    assert!(world.peers[0].refused.len() >= 30);
    assert!(world.server.lobby().rooms().count() <= 16);
    world.peers[0].session.bye();
    world.run(40_000);
    assert_eq!(
        (
            world.server.lobby().rooms().count(),
            world.server.rooms().count()
        ),
        (0, 0)
    );
    assert!(world.server.fronts().iter().all(|front| front.is_empty()));
}

#[test]
fn an_empty_room_closes_after_its_grace_and_a_join_in_time_keeps_it() {
    let mut world = World::with_players(server(), "hello", 1);
    let (no, id) = (world.peers[0].room(), world.peers[0].joined[0].id.clone());
    world.peers[0].session.leave(no);
    world.run(20_000);
    assert_eq!(world.peers[0].ended[0].1, RoomEnd::Left);
    assert!(world.server.room(no).is_some());
    world.peers[0].join(&JoinHow::Room { id: &id });
    world.run(20_000);
    assert_eq!(world.peers[0].joined.len(), 2, "the same room");
    world.peers[0].session.leave(no);
    world.run(31_000);
    assert!(world.server.room(no).is_none() && world.server.lobby().rooms().count() == 0);
    world.peers[0].join(&JoinHow::Room { id: &id });
    world.run(100);
    assert_eq!(world.peers[0].refused[0].1.code, code::NOT_FOUND);
}

#[test]
fn joining_gives_the_whole_list_and_then_every_change() {
    let mut world = World::with_players(sharded(2), "hello", 3);
    let list: Vec<&str> = world.peers[2].joined[0]
        .members
        .iter()
        .map(|member| member.name.as_str())
        .collect();
    assert_eq!(list, ["P0", "P1", "P2"]);
    assert_eq!(world.peers[2].members, []);
    let joined: Vec<&str> = world.peers[0]
        .members
        .iter()
        .map(|change| match change {
            MemberChangeOwned::Joined(member) => member.name.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(joined, ["P1", "P2"]);
    let key = world.peers[1].key;
    let member = world.peers[1].joined[0].member;
    let now = world.now;
    world.server.lose(now, key);
    world.run(50);
    let presence = Presence::Away;
    let away = MemberChangeOwned::Presence { member, presence };
    assert_eq!(world.peers[0].members.last(), Some(&away));
    world.run(30_000);
    for at in [0, 2] {
        let last = world.peers[at].members.last();
        assert_eq!(
            last,
            Some(&MemberChangeOwned::Left {
                member,
                reason: LeaveReason::Lost
            })
        );
    }
    // Its dot goes with it.
    world.run(200);
    assert_eq!(world.peers[0].area().len(), 2);
    let late = Peer::player(&mut world.server, world.now, r"\u202elate\u0007", &QUICK);
    world.peers.push(late);
    world.run(100);
    let list: Vec<(u32, &str)> = world.peers[3].joined[0]
        .members
        .iter()
        .map(|m| (m.member, m.name.as_str()))
        .collect();
    assert_eq!(
        list,
        [(1, "P0"), (3, "P2"), (4, "late")],
        "numbers are not used again, names are clean"
    );
}

#[test]
fn churn_leaves_nothing_behind() {
    let mut world = World::new(sharded(3));
    for round in 0..60u64 {
        for n in 0..8 {
            let peer = Peer::player(
                &mut world.server,
                world.now,
                &format!("R{round}N{n}"),
                &QUICK,
            );
            world.peers.push(peer);
        }
        world.run(5 * (round % 7));
        // Some go in mid-join, some say goodbye, some are lost.
        for (n, mut peer) in std::mem::take(&mut world.peers).into_iter().enumerate() {
            match n % 3 {
                0 => world.server.lose(world.now, peer.key),
                1 => {
                    peer.session.bye();
                    peer.pump(&mut world.server, world.now);
                }
                _ => world.peers.push(peer),
            }
        }
    }
    for peer in std::mem::take(&mut world.peers) {
        world.server.lose(world.now, peer.key);
    }
    world.run(75_000);
    assert!(
        world
            .server
            .fronts()
            .iter()
            .all(|front| front.is_empty() && front.next_timeout().is_none())
    );
    assert_eq!(
        (
            world.server.lobby().rooms().count(),
            world.server.rooms().count()
        ),
        (0, 0)
    );
    let stats = world.server.lobby().stats();
    assert_eq!(stats.rooms_made, stats.rooms_closed);
}

/// A step of somebody who uses the lobby.
#[derive(Clone, Debug)]
enum Step {
    Quick(u64, u8),
    Create(u64),
    Room(u64, usize),
    Leave(u64, usize),
    Gone(u64),
    Kick(u64, usize),
    Ended(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0u64..40;
    prop_oneof![
        4 => (who.clone(), 0u8..2).prop_map(|(who, mode)| Step::Quick(who, mode)),
        1 => who.clone().prop_map(Step::Create),
        4 => (who.clone(), 0usize..8).prop_map(|(who, room)| Step::Room(who, room)),
        2 => (who.clone(), 0usize..8).prop_map(|(who, room)| Step::Leave(who, room)),
        1 => who.clone().prop_map(Step::Gone),
        1 => (who, 0usize..8).prop_map(|(who, room)| Step::Kick(who, room)),
        1 => (0usize..8).prop_map(Step::Ended),
        1 => (0u64..60_000).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever the order: what the rooms were told is what the lobby holds, no room is over its limit, there are no more rooms than
    /// allowed, and every request is answered exactly once.
    #[test]
    fn no_room_is_ever_over_its_limit(steps in prop::collection::vec(step(), 1..300)) {
        let kind = Arc::new(Kind::new(GameKind::new("empty", |game: &mut Game| { game.rate(30); }),
            KindOptions { seats: Some(3), ..KindOptions::default() }));
        let config = LobbyConfig { rooms_max: 5, empty_grace: Duration::from_secs(10), seed: 1 };
        let namespace = Arc::new(NamespaceSpec::new("/", vec![kind]));
        let mut lobby = Lobby::new(config);
        let (mut now, mut request) = (Time(0), 0);
        let mut rooms: BTreeMap<u32, (String, BTreeSet<u32>)> = BTreeMap::new();
        for step in steps {
            request += 1;
            let ids: Vec<(u32, String)> = rooms.iter().map(|(no, (id, _))| (*no, id.clone())).collect();
            let nth = |at: usize| ids.get(at).cloned().unwrap_or((999, "NONE".into()));
            let join = |who: u64, how: JoinHowOwned| LobbyInput::Join(Box::new(LobbyJoin {
                session: SessionKey(who), request, namespace: Arc::clone(&namespace), how, schema_hash: 0, identity: Identity::new(format!("x{who}")), gauge: Gauge::default(), seat_key: None,
            }));
            let reason = LeaveReason::Left;
            let (input, answers) = match step {
                Step::Quick(who, mode) => (join(who, JoinHowOwned::Quick { kind: "empty".into(), attributes: vec![("m".into(), mode.to_string())] }), 1),
                Step::Create(who) => (join(who, JoinHowOwned::Create { kind: String::new(), attributes: vec![] }), 1),
                Step::Room(who, at) => (join(who, JoinHowOwned::Room { id: nth(at).1 }), 1),
                Step::Leave(who, at) => (LobbyInput::Leave { session: SessionKey(who), room: nth(at).0, reason }, 0),
                Step::Gone(who) => (LobbyInput::Gone { session: SessionKey(who), reason }, 0),
                Step::Kick(who, at) => (LobbyInput::Kick { session: SessionKey(who), room: nth(at).0, message: String::new() }, 0),
                Step::Ended(at) => {
                    rooms.remove(&nth(at).0);
                    (LobbyInput::RoomEnded { room: nth(at).0, reason: RoomEnd::Closed, message: String::new() }, 0)
                }
                Step::Wait(ms) => {
                    now = now.plus(Duration::from_millis(ms));
                    lobby.handle_timeout(now);
                    (LobbyInput::Gone { session: SessionKey(u64::MAX), reason }, 0)
                }
            };
            lobby.handle(now, input);
            let mut answered = 0;
            while let Some(output) = lobby.poll() {
                match output {
                    LobbyOutput::CreateRoom(spec) => { rooms.insert(spec.no, (spec.id.clone(), BTreeSet::new())); }
                    LobbyOutput::ToRoom { room, input: RoomInput::Join(join) } => {
                        let members = &mut rooms.get_mut(&room).expect("it was made before").1;
                        prop_assert!(members.insert(join.member.0));
                        prop_assert!(members.len() <= 3);
                    }
                    LobbyOutput::ToRoom { room, input: RoomInput::Leave { member, .. } } => {
                        prop_assert!(rooms.get_mut(&room).expect("it is there").1.remove(&member.0));
                    }
                    LobbyOutput::ToRoom { room, input: RoomInput::Close { .. } } => {
                        prop_assert!(rooms.remove(&room).expect("it is there").1.is_empty());
                        lobby.handle(now, LobbyInput::RoomEnded { room, reason: RoomEnd::Closed, message: String::new() });
                    }
                    LobbyOutput::ToFront { input: FrontInput::Entered { request: of, .. } | FrontInput::RequestRefused { request: of, .. }, .. } => {
                        prop_assert_eq!(of, request);
                        answered += 1;
                    }
                    _ => {}
                }
            }
            prop_assert_eq!(answered, answers);
            prop_assert!(rooms.len() <= 5);
            for (no, (_, members)) in &rooms {
                let held: BTreeSet<u32> = lobby.members(*no).map(|(_, member)| member.0).collect();
                prop_assert_eq!(&held, members);
            }
        }
    }
}

#[test]
fn kinds_are_named_by_their_games() {
    let names: Vec<String> = kinds().iter().map(|kind| kind.name().to_owned()).collect();
    assert_eq!(names, ["hello", "museum", "slow"]);
    assert_eq!(small().seats(), 8);
}
