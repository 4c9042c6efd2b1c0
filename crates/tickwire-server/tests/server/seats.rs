//! One identity has one seat in a room: of its sessions the newest holds it, and the older one is told why. Guests may share a name.

use std::collections::BTreeMap;

use bevy_ecs::prelude::*;
use proptest::prelude::*;
use tickwire_proto::UNLOAD_MS;
use tickwire_proto::frame::{
    HostAsk, Identity, JoinHow, LeaveReason, MemberChangeOwned, MemberFlags, Presence, RoomEnd,
};
use tickwire_server::{
    AcceptAll, Auth, AuthAnswer, AuthRequest, FrontConfig, Kind, LobbyConfig, Loopback, ReserveAsk,
    ReserveIn,
};
use tickwire_sim::GameKind;
use tickwire_sim::prelude::*;

use crate::common::{Dot, Peer, QUICK, World, hello};

/// Believes the name that is shown.
struct Named;

impl Auth for Named {
    fn check(&self, request: &AuthRequest) -> AuthAnswer {
        AuthAnswer::Accepted(Identity::new(
            String::from_utf8_lossy(&request.credentials).into_owned(),
        ))
    }
}

/// Who joined and who left, as the game was told.
#[derive(Resource, Default)]
struct Told(Vec<(bool, String)>);

fn two_seats(game: &mut Game) {
    hello(game);
    game.seats(2);
    game.on_start(|mut commands: Commands| commands.init_resource::<Told>());
    game.on_join(
        |In(player): In<Player>, roster: Res<Roster>, mut told: ResMut<Told>| {
            told.0.push((true, roster.identity(player).to_owned()));
        },
    );
    game.on_leave(
        |In(player): In<Player>, roster: Res<Roster>, mut told: ResMut<Told>| {
            told.0.push((false, roster.identity(player).to_owned()));
        },
    );
}

fn world() -> World {
    let front = FrontConfig {
        shards: 2,
        ..FrontConfig::default()
    };
    let kinds = vec![Kind::from(GameKind::new("hello", two_seats))];
    World::new(Loopback::with(kinds, Named, front, LobbyConfig::default()))
}

fn come(world: &mut World, name: &str, how: &JoinHow) -> usize {
    let mut peer = Peer::open(&mut world.server, world.now);
    peer.session.attach(0, "/", name.as_bytes(), 0);
    peer.join(how);
    world.peers.push(peer);
    world.run(100);
    world.peers.len() - 1
}

fn told(world: &World, room: u32) -> Vec<(bool, String)> {
    let room = world.server.room(room).unwrap();
    room.simulation().world().resource::<Told>().0.clone()
}

/// A chat on two devices: nobody takes anything from anybody.
#[test]
fn where_each_session_has_a_seat_two_of_one_person_are_two_members() {
    let front = FrontConfig::default();
    let chat = |game: &mut Game| {
        two_seats(game);
        game.seat_for_each_session();
    };
    let kinds = vec![Kind::from(GameKind::new("hello", chat))];
    let lobby = LobbyConfig::default();
    let mut world = World::new(Loopback::with(kinds, Named, front, lobby));
    let phone = come(&mut world, "ann", &QUICK);
    let desk = come(&mut world, "ann", &QUICK);
    let room = world.peers[phone].joined[0].room;
    assert_eq!(world.peers[desk].joined[0].room, room);
    assert!(world.peers[phone].ended.is_empty());
    let joined = (true, "ann".to_owned());
    assert_eq!(told(&world, room), [joined.clone(), joined]);
}

/// A guest, whose name says nothing, with a page that has such a secret.
fn come_with(world: &mut World, key: [u8; 16]) -> usize {
    let mut peer = Peer::open(&mut world.server, world.now);
    peer.session.set_seat_key(key);
    peer.session.attach(0, "/", b"", 0);
    peer.join(&QUICK);
    world.peers.push(peer);
    world.run(100);
    world.peers.len() - 1
}

fn guests(resume_ms: u32) -> World {
    let mut front = FrontConfig::default();
    front.session.limits.resume_window_ms = resume_ms;
    let kinds = vec![Kind::from(GameKind::new("hello", two_seats))];
    let lobby = LobbyConfig::default();
    World::new(Loopback::with(kinds, AcceptAll, front, lobby))
}

#[test]
fn a_page_that_is_loaded_again_has_the_same_seat_and_another_page_has_not() {
    let mut world = guests(30_000);
    let first = come_with(&mut world, [7; 16]);
    let (room, seat) = {
        let joined = &world.peers[first].joined[0];
        (joined.room, joined.seat)
    };
    world.peers[first].session.unload();
    world.run(1_000);
    assert_eq!(told(&world, room).len(), 1, "the seat waits");
    // A duplicated tab has a secret of its own.
    let other = come_with(&mut world, [8; 16]);
    assert_ne!(world.peers[other].joined[0].seat, seat);
    // Both seats are taken: the page is let in all the same.
    let again = come_with(&mut world, [7; 16]);
    let joined = &world.peers[again].joined[0];
    assert_eq!((joined.room, joined.seat), (room, seat));
    world.run(u64::from(UNLOAD_MS) + 1_000);
    assert_eq!(
        told(&world, room).len(),
        2,
        "nobody left: {:?}",
        told(&world, room)
    );
}

#[test]
fn the_seat_of_a_page_that_is_not_loaded_again_is_free_before_the_window_has_passed() {
    let mut world = guests(30_000);
    let first = come_with(&mut world, [7; 16]);
    let other = come_with(&mut world, [8; 16]);
    let room = world.peers[first].joined[0].room;
    world.peers[first].session.unload();
    world.run(u64::from(UNLOAD_MS) - 500);
    assert_eq!(told(&world, room).len(), 2);
    world.run(1_000);
    assert_eq!(told(&world, room).len(), 3, "it has left");
    let left = &world.peers[other].members;
    let gone = MemberChangeOwned::Left {
        member: 1,
        reason: LeaveReason::Left,
    };
    assert!(left.contains(&gone), "{left:?}");
}

#[test]
fn the_newer_session_goes_on_from_the_seat_and_the_older_one_is_told() {
    let mut world = world();
    let create = JoinHow::Create {
        kind: "hello",
        attributes: vec![],
    };
    let old = come(&mut world, "ann", &create);
    let bob = come(&mut world, "bob", &QUICK);
    let (room, id) = {
        let info = &world.peers[old].joined[0];
        (info.room, info.id.clone())
    };
    assert_eq!(world.peers[bob].joined[0].room, room);
    world.peers[old].session.ready(room, true);
    world.run_with(500, |world| world.peers[old].steer(&world.server, 1, 0));
    world.peers[bob].members.clear();
    let lock = world.peers[old].host_ask(&HostAsk::Lock { locked: true });
    world.run(50);
    assert_eq!(world.peers[old].host_done, [lock]);

    // Full and locked, and yet: it is her own seat.
    let new = come(&mut world, "ann", &JoinHow::Room { id: &id });
    let joined = &world.peers[new].joined[0];
    assert_eq!((joined.room, joined.seat), (room, 0));
    let (ended, reason, why) = &world.peers[old].ended[0];
    assert_eq!((*ended, *reason), (room, RoomEnd::Replaced));
    assert!(why.contains("elsewhere"), "{why}");
    assert!(world.peers[old].over.is_none(), "the session goes on");
    // The others hear of one end and one beginning, at no time of two of her.
    let member = joined.members.iter().find(|it| it.seat == 0).unwrap();
    let flags = MemberFlags {
        ready: true,
        host: true,
    };
    assert_eq!((member.member, member.flags), (3, flags));
    assert_eq!(
        world.peers[bob].members,
        [
            MemberChangeOwned::Left {
                member: 1,
                reason: LeaveReason::Replaced
            },
            MemberChangeOwned::Joined(member.clone())
        ]
    );
    // For the game nothing happened: the same body, which stands still until the newer session commands.
    let who = ["ann", "bob"].map(|name| (true, name.to_owned()));
    assert_eq!(told(&world, room), who);
    let simulation = world.server.room(room).unwrap().simulation();
    assert_eq!(simulation.world().resource::<Roster>().people(), 2);
    let x = |world: &World| {
        let world = world.server.room(room).unwrap().simulation().world();
        let dots = world.iter_entities();
        let mut own = dots.filter_map(|it| Some((it.get::<OwnedBy>()?.0.seat, it.get::<Dot>()?.x)));
        own.find(|(seat, _)| *seat == 0).unwrap().1
    };
    let stood = x(&world);
    let ahead = world.peers[new].held().plus(9);
    world.peers[old].session.command(room, ahead, &[]);
    world.run(200);
    assert_eq!(x(&world), stood);
    world.run_with(200, |world| world.peers[new].steer(&world.server, -1, 0));
    assert!(x(&world) < stood);
    // When the older session ends, nothing does.
    world.peers[old].session.bye();
    world.run(100);
    assert_eq!(world.server.room(room).unwrap().members().count(), 2);
    assert_eq!(world.stats().replaced, 1);
    assert_eq!(world.server.lobby().stats().replaced, 1);
}

#[test]
fn who_is_away_is_found_by_a_quick_match_and_returns_to_nothing() {
    let mut world = world();
    let old = come(&mut world, "ann", &QUICK);
    let room = world.peers[old].room();
    let key = world.peers[old].key;
    world.server.lose(world.now, key);
    world.peers[old].stalled = true;
    world.run(50);
    let presence = |world: &World| {
        let room = world.server.room(room).unwrap();
        let members: Vec<_> = room
            .members()
            .map(|it| (it.member.0, it.presence))
            .collect();
        members
    };
    assert_eq!(presence(&world), [(1, Presence::Away)]);
    let new = come(&mut world, "ann", &QUICK);
    assert_eq!(world.peers[new].joined[0].seat, 0);
    assert_eq!(presence(&world), [(2, Presence::Online)]);
    // She comes back with the older session: it lives, and the room is over for it.
    world.peers[old].stalled = false;
    let now = world.now;
    let World { server, peers, .. } = &mut world;
    peers[old].relink(server, now, false);
    world.run(200);
    assert_eq!(world.peers[old].ended.len(), 1);
    assert_eq!(world.peers[old].ended[0].1, RoomEnd::Replaced);
    assert_eq!(presence(&world), [(2, Presence::Online)]);
}

#[test]
fn spectators_guests_and_kept_seats_are_as_they_were() {
    // Two guests of one name are two people.
    let mut guests = World::with_players(crate::common::server(), "hello", 1);
    let twin = Peer::player(&mut guests.server, guests.now, "P0", &QUICK);
    guests.peers.push(twin);
    guests.run(200);
    assert_eq!(guests.peers[0].room(), guests.peers[1].room());
    assert!(guests.peers[0].ended.is_empty());
    assert_eq!(guests.peers[1].joined[0].seat, 1);
    // A kept seat is not used up by who has one already.
    let mut world = world();
    let old = come(&mut world, "ann", &QUICK);
    let id = world.peers[old].joined[0].id.clone();
    let ask = ReserveAsk {
        room: ReserveIn::Room(id.clone()),
        seats: 1,
        identities: vec!["ann".to_owned()],
        keep_ms: 60_000,
    };
    world.server.reserve(world.now, ask).unwrap();
    come(&mut world, "ann", &JoinHow::Room { id: &id });
    assert_eq!(world.peers[old].ended[0].1, RoomEnd::Replaced);
    let listed = world.server.lobby().list("/", "").next().unwrap();
    assert_eq!(listed.members, 2, "her seat, and the one that is kept");
}

#[derive(Clone, Debug)]
enum Step {
    Join(usize),
    Leave(usize),
    Lose(usize),
    Back(usize),
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..6).prop_map(Step::Join),
        1 => (0usize..6).prop_map(Step::Leave),
        1 => (0usize..6).prop_map(Step::Lose),
        1 => (0usize..6).prop_map(Step::Back),
        2 => Just(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Six sessions of three identities come and go as they like, two joins at once too: no identity ever has two seats in a room, the lobby
    /// and the rooms agree, and every session knows whether it is in.
    #[test]
    fn no_identity_has_two_seats_whatever_the_race(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = world();
        for n in 0..6 {
            let mut peer = Peer::open(&mut world.server, world.now);
            peer.late = true;
            peer.session.attach(0, "/", format!("p{}", n % 3).as_bytes(), 0);
            world.peers.push(peer);
        }
        world.run(20);
        let mut away = [false; 6];
        let check = |world: &World, settled: bool| {
            for no in world.server.lobby().rooms() {
                let Some(room) = world.server.room(no) else { continue };
                let mut seats: BTreeMap<String, u32> = BTreeMap::new();
                for member in room.members() {
                    *seats.entry(member.name).or_default() += 1;
                }
                assert!(seats.values().all(|seats| *seats == 1), "{seats:?}");
                let listed: Vec<_> = world.server.lobby().members(no).collect();
                let mut there: Vec<_> = room.members().map(|it| (it.session, it.member)).collect();
                there.sort_unstable();
                assert_eq!(listed, there);
                if settled {
                    for peer in &world.peers {
                        let inside = there.iter().any(|(session, _)| *session == peer.key);
                        assert_eq!(peer.inside.contains(&no), inside);
                    }
                }
            }
        };
        for step in steps {
            match step {
                Step::Join(at) => { world.peers[at].join(&QUICK); }
                Step::Leave(at) => if let Some(room) = world.peers[at].inside.first().copied() {
                    world.peers[at].session.leave(room);
                },
                Step::Lose(at) if !away[at] => {
                    away[at] = true;
                    world.peers[at].stalled = true;
                    let key = world.peers[at].key;
                    world.server.lose(world.now, key);
                }
                Step::Back(at) if away[at] => {
                    away[at] = false;
                    let now = world.now;
                    let World { server, peers, .. } = &mut world;
                    peers[at].stalled = false;
                    peers[at].relink(server, now, false);
                }
                Step::Wait => world.run(300),
                Step::Lose(_) | Step::Back(_) => {}
            }
            check(&world, false);
        }
        for at in (0..6).filter(|at| away[*at]) {
            let now = world.now;
            let World { server, peers, .. } = &mut world;
            peers[at].stalled = false;
            peers[at].relink(server, now, false);
        }
        world.run(1_000);
        check(&world, true);
    }
}
