//! Hosts, ready members, who is sent away, and who goes on in another room.

use bevy_ecs::prelude::*;
use proptest::prelude::*;
use tickwire_proto::frame::{
    HostAsk, JoinHow, LeaveReason, MemberChangeOwned, MemberFlags, RoomEnd, code,
};
use tickwire_proto::{Reason, Time};
use tickwire_server::{
    AcceptAll, FrontConfig, FrontInput, Kind, LobbyConfig, Loopback, RoomAsk, RoomName, Who,
};
use tickwire_sim::GameKind;
use tickwire_sim::prelude::*;
use tickwire_snapshot::message::{self, Message};

use crate::common::{Peer, Say, World, hello, wander};

/// Does what is said to it.
fn obey(In(said): In<FromPlayer<Say>>, mut control: ResMut<RoomControl>, roster: Res<Roster>) {
    let seat = |text: &str| Player::new(text.parse().expect("a seat"));
    let (word, rest) = said.message.text.split_once(' ').unwrap_or(("", ""));
    match word {
        "kick" => control.kick(seat(rest), "afk"),
        "ban" => control.ban(seat(rest), Some(60), "cheated"),
        "unban" => control.unban(rest),
        "lock" => control.lock(rest == "yes"),
        "host" => control.host(Some(seat(rest))),
        "map" => control.attributes([("map", rest)]),
        "go" => control.send_to(said.player, MoveTo::Room(rest.to_owned())),
        "all" => {
            for (player, _) in roster.players() {
                let (kind, attributes) = (rest.to_owned(), vec![("round".into(), "2".into())]);
                control.send_to(player, MoveTo::Quick { kind, attributes });
            }
            &mut *control
        }
        _ => control.close("that is all"),
    };
}

fn begin(roster: Res<Roster>, mut control: ResMut<RoomControl>) {
    if roster.people() >= 2 && roster.all_ready() {
        control.lock(true).unready();
    }
}

fn ruled(game: &mut Game) {
    hello_without_echo(game);
    game.seats(4).on_message(obey).systems(begin);
}

fn hello_without_echo(game: &mut Game) {
    use crate::common::{Dot, Steer};
    fn join(In(player): In<Player>, mut commands: Commands) {
        let hue = player.hue();
        commands.spawn((
            Dot {
                x: 400.0,
                y: 300.0,
                hue,
            },
            OwnedBy(player),
        ));
    }
    fn steer(mut dots: Query<(&mut Dot, &Asks<Steer>)>) {
        for (mut dot, ask) in &mut dots {
            dot.x = (dot.x + f32::from(ask.x)).clamp(0.0, 800.0);
        }
    }
    game.rate(30)
        .replicate::<Dot>()
        .command::<Steer>()
        .on_join(join)
        .systems(steer);
}

fn server() -> Loopback {
    let kinds = vec![
        Kind::from(GameKind::new("ruled", ruled)),
        Kind::from(GameKind::new("hello", hello)),
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

fn say(world: &mut World, peer: usize, text: &str) {
    let (room, payload) = (
        world.peers[peer].room(),
        message::encode(&Say { text: text.into() }),
    );
    let sent = world.peers[peer]
        .session
        .send(room, 0, Say::kind(), &payload);
    sent.unwrap();
    world.run(200);
}

fn create() -> JoinHow<'static> {
    JoinHow::Create {
        kind: "ruled",
        attributes: vec![],
    }
}

/// A room with a host and so many others.
fn hosted(others: usize) -> (World, String) {
    let mut world = World::new(server());
    let host = Peer::player(&mut world.server, world.now, "host", &create());
    world.peers.push(host);
    world.run(100);
    let id = world.peers[0].joined[0].id.clone();
    for n in 0..others {
        join(&mut world, &format!("P{n}"), &id);
    }
    (world, id)
}

fn join(world: &mut World, name: &str, id: &str) -> usize {
    let peer = Peer::player(&mut world.server, world.now, name, &JoinHow::Room { id });
    world.peers.push(peer);
    world.run(100);
    world.peers.len() - 1
}

fn roster(world: &World, room: u32) -> &Roster {
    world.server.room(room).unwrap().simulation().roster()
}

#[test]
fn who_makes_a_room_is_its_host_and_then_who_was_there_for_longest() {
    let (mut world, _) = hosted(3);
    let room = world.peers[0].room();
    let host = MemberFlags {
        host: true,
        ready: false,
    };
    assert_eq!(world.peers[3].joined[0].members[0].flags, host);
    assert_eq!(roster(&world, room).host(), Some(Player::new(0)));
    world.peers[0].session.leave(room);
    world.run(200);
    let member = world.peers[1].joined[0].member;
    let change = MemberChangeOwned::Flags {
        member,
        flags: host,
    };
    assert_eq!(world.peers[3].members.last(), Some(&change));
    assert_eq!(roster(&world, room).host(), Some(Player::new(1)));
    // The game names another.
    say(&mut world, 1, "host 3");
    assert_eq!(roster(&world, room).host(), Some(Player::new(3)));
    let hosts: Vec<u16> = world
        .server
        .room(room)
        .unwrap()
        .members()
        .filter(|it| it.flags.host)
        .map(|it| it.seat)
        .collect();
    assert_eq!(hosts, [3]);
}

#[test]
fn only_the_host_may_and_what_it_asks_is_done() {
    let (mut world, id) = hosted(2);
    let victim = world.peers[2].joined[0].member;
    let kick = HostAsk::Kick { member: victim };
    world.peers[1].host_ask(&kick);
    world.run(100);
    assert_eq!(world.peers[1].refusal(), code::FORBIDDEN);
    assert!(world.peers[2].ended.is_empty());
    let asked = world.peers[0].host_ask(&kick);
    world.run(100);
    assert_eq!(world.peers[0].host_done, [asked]);
    assert_eq!(world.peers[2].ended[0].1, RoomEnd::Kicked);
    assert!(world.peers[2].over.is_none(), "the session goes on");
    // Kicked is not banned.
    world.peers[2].join(&JoinHow::Room { id: &id });
    world.run(100);
    assert_eq!(world.peers[2].joined.len(), 2);
    let member = world.peers[2].joined[1].member;
    world.peers[0].host_ask(&HostAsk::Ban { member, seconds: 0 });
    world.run(100);
    assert_eq!(world.peers[2].ended[1].1, RoomEnd::Banned);
    world.peers[2].join(&JoinHow::Room { id: &id });
    world.run(100);
    assert_eq!(world.peers[2].refusal(), code::FORBIDDEN);
    // So is another session of the same identity; not somebody else.
    let again = join(&mut world, "P1", &id);
    assert_eq!(world.peers[again].refusal(), code::FORBIDDEN);
    let other = join(&mut world, "P7", &id);
    assert_eq!(world.peers[other].joined.len(), 1);
    world.peers[0].host_ask(&HostAsk::Lock { locked: true });
    let attributes = vec![("map", "moon")];
    world.peers[0].host_ask(&HostAsk::Attributes { attributes });
    world.peers[0].host_ask(&HostAsk::Kick { member: 99 });
    world.run(100);
    assert_eq!(world.peers[0].refusal(), code::NOT_FOUND);
    let listed = world.server.lobby().list("/", "ruled").next().unwrap();
    assert!(listed.locked && listed.attributes == [("map".to_owned(), "moon".to_owned())]);
    world.peers[0].host_ask(&HostAsk::Close { message: "done" });
    world.run(200);
    assert_eq!(world.peers[1].ended[0].1, RoomEnd::Closed);
}

#[test]
fn a_room_of_a_quick_match_has_no_host_until_its_game_names_one() {
    let mut world = World::with_players(server(), "ruled", 2);
    world.peers[0].host_ask(&HostAsk::Lock { locked: true });
    world.run(100);
    assert_eq!(world.peers[0].refusal(), code::FORBIDDEN);
    say(&mut world, 0, "host 0");
    let asked = world.peers[0].host_ask(&HostAsk::Lock { locked: true });
    world.run(100);
    assert_eq!(world.peers[0].host_done, [asked]);
}

#[test]
fn the_game_sends_away_for_a_while_and_lets_in_again() {
    let (mut world, id) = hosted(2);
    say(&mut world, 0, "kick 1");
    assert_eq!(
        (
            world.peers[1].ended[0].1,
            world.peers[1].ended[0].2.as_str()
        ),
        (RoomEnd::Kicked, "afk")
    );
    let left = world.peers[0].members.last();
    let member = world.peers[1].joined[0].member;
    let reason = LeaveReason::Kicked;
    assert_eq!(left, Some(&MemberChangeOwned::Left { member, reason }));
    say(&mut world, 0, "ban 2");
    assert_eq!(world.peers[2].ended[0].1, RoomEnd::Banned);
    world.peers[2].join(&JoinHow::Room { id: &id });
    world.run(100);
    assert_eq!(world.peers[2].refusal(), code::FORBIDDEN);
    world.run(60_000);
    world.peers[2].join(&JoinHow::Room { id: &id });
    world.run(100);
    assert_eq!(world.peers[2].joined.len(), 2, "its minute has passed");
    let seat = world.peers[2].joined[1].seat;
    say(&mut world, 0, &format!("ban {seat}"));
    say(&mut world, 0, "unban guest:P1");
    world.peers[2].join(&JoinHow::Room { id: &id });
    world.run(100);
    assert_eq!(world.peers[2].joined.len(), 3);
    say(&mut world, 0, "lock yes");
    let late = join(&mut world, "late", &id);
    assert_eq!(world.peers[late].refusal(), code::LOCKED);
    say(&mut world, 0, "map mars");
    let listed = world.server.lobby().list("/", "ruled").next().unwrap();
    assert_eq!(listed.attributes, [("map".to_owned(), "mars".to_owned())]);
    say(&mut world, 0, "close");
    assert_eq!(world.peers[0].ended[0].2, "that is all");
}

#[test]
fn whoever_is_in_charge_rules_by_identity_and_is_told_what_was_wrong() {
    let (mut world, id) = hosted(1);
    let now = world.now;
    let room = || RoomName::Id(id.clone());
    let who = || Who::Identity("guest:P0".to_owned());
    let message = || "enough".to_owned();
    let kick = RoomAsk::Kick {
        who: who(),
        message: message(),
    };
    assert_eq!(world.server.rule(now, room(), kick.clone()), Ok(()));
    let gone = world.server.rule(now, room(), kick.clone()).unwrap_err();
    assert_eq!(gone.code, code::NOT_FOUND);
    let nowhere = world.server.rule(now, RoomName::Id("NONE".into()), kick);
    assert_eq!(nowhere.unwrap_err().code, code::NOT_FOUND);
    // Nobody has to be there to be kept out.
    let ban = RoomAsk::Ban {
        who: who(),
        seconds: None,
        message: message(),
    };
    assert_eq!(world.server.rule(now, room(), ban), Ok(()));
    world.peers[1].join(&JoinHow::Room { id: &id });
    world.run(100);
    assert_eq!(world.peers[1].ended[0].1, RoomEnd::Kicked);
    assert_eq!(world.peers[1].refusal(), code::FORBIDDEN);
}

#[test]
fn a_ban_of_the_server_ends_sessions_and_lets_no_new_one_in() {
    let (mut world, id) = hosted(1);
    let ban = FrontInput::Ban {
        identity: "guest:P0".into(),
        until: Some(Time(world.now.0 + 30_000_000)),
        message: "enough".into(),
    };
    world.server.tell_fronts(world.now, &ban);
    world.run(100);
    let over = world.peers[1].over.clone().unwrap();
    assert_eq!(
        (over.reason, over.message.as_str()),
        (Reason::Banned, "enough")
    );
    let again = join(&mut world, "P0", &id);
    assert_eq!(
        world.peers[again].over.as_ref().unwrap().reason,
        Reason::Banned
    );
    assert!(world.peers[0].over.is_none());
    world.run(31_000);
    let later = join(&mut world, "P0", &id);
    assert_eq!(world.peers[later].joined.len(), 1);
}

#[test]
fn ready_is_heard_by_members_and_game_and_the_game_begins() {
    let (mut world, _) = hosted(2);
    let room = world.peers[0].room();
    for peer in 0..2 {
        world.peers[peer].session.ready(room, true);
    }
    world.run(200);
    assert!(roster(&world, room).is_ready(Player::new(1)));
    assert!(!roster(&world, room).all_ready());
    let member = world.peers[1].joined[0].member;
    let flags = MemberFlags {
        ready: true,
        host: false,
    };
    let told = MemberChangeOwned::Flags { member, flags };
    assert!(world.peers[2].members.contains(&told));
    world.peers[2].session.ready(room, true);
    world.run(200);
    // It was locked, and nobody is ready any more.
    assert!(
        world
            .server
            .lobby()
            .list("/", "ruled")
            .next()
            .unwrap()
            .locked
    );
    assert!(!roster(&world, room).is_ready(Player::new(1)));
    let mut members = world.server.room(room).unwrap().members();
    assert!(members.all(|it| !it.flags.ready));
}

#[test]
fn a_player_goes_on_in_another_room_over_the_same_link() {
    let (mut world, _) = hosted(2);
    let from = world.peers[1].room();
    let other = Peer::player(&mut world.server, world.now, "other", &create());
    world.peers.push(other);
    world.run(100);
    let (to, id) = (world.peers[3].room(), world.peers[3].joined[0].id.clone());
    say(&mut world, 1, &format!("go {id}"));
    let peer = &world.peers[1];
    assert_eq!((peer.moved.as_slice(), peer.room()), (&[from][..], to));
    assert!(peer.ended.is_empty() && peer.joined.len() == 2);
    assert_eq!(peer.joined[1].members.len(), 2);
    let reason = LeaveReason::Moved;
    let member = peer.joined[0].member;
    let left = MemberChangeOwned::Left { member, reason };
    assert_eq!(world.peers[0].members.last(), Some(&left));
    // It plays there: each update is compared with the truth.
    let held = world.peers[1].held();
    world.run_with(1_000, wander);
    world.ticks(20, |world| {
        let World { server, peers, .. } = world;
        peers[1].steer(server, 1, 0);
    });
    world.run(200);
    assert!(world.peers[1].held() > held.plus(20));
    assert!(world.peers[1].applied.is_some());
    let members = |world: &World, room| world.server.room(room).unwrap().members().count();
    assert_eq!((members(&world, from), members(&world, to)), (2, 2));
    assert_eq!(world.server.lobby().members(from).count(), 2);
}

#[test]
fn all_are_moved_into_one_room_of_the_next_round() {
    let (mut world, _) = hosted(3);
    say(&mut world, 0, "all ruled");
    let rooms: Vec<u32> = world.peers.iter().map(Peer::room).collect();
    assert!(rooms.iter().all(|room| *room == rooms[0]), "{rooms:?}");
    let listed = world.server.lobby().list("/", "ruled");
    let next: Vec<_> = listed
        .filter(|room| room.attributes == [("round".to_owned(), "2".to_owned())])
        .collect();
    assert_eq!((next.len(), next[0].members), (1, 4));
    // Away players are moved like others, and find out when they are back.
    let (now, key) = (world.now, world.peers[2].key);
    world.server.lose(now, key);
    world.peers[2].session.link_lost(now);
    let mut away = world.peers.remove(2);
    world.run(100);
    say(&mut world, 0, "all ruled");
    world.run(1_000);
    away.relink(&mut world.server, world.now, true);
    world.peers.push(away);
    world.run(1_000);
    // By the same words as before: not into the room that they are in, but into one more.
    let rooms: Vec<u32> = world.peers.iter().map(Peer::room).collect();
    assert!(rooms.iter().all(|room| *room == rooms[0]), "{rooms:?}");
    assert_eq!(world.peers[3].moved.len(), 2);
}

#[test]
fn who_finds_no_seat_stays() {
    let (mut world, _) = hosted(0);
    let full = hosted_id(&mut world, 4);
    for to in [full.as_str(), "NOSUCH"] {
        say(&mut world, 0, &format!("go {to}"));
        assert!(world.peers[0].moved.is_empty() && world.peers[0].ended.is_empty());
    }
    let room = world.peers[0].room();
    assert_eq!(world.server.room(room).unwrap().members().count(), 1);
    assert_eq!(world.server.lobby().stats().refusals[code::FULL], 1);
    // And may be moved later.
    let free = hosted_id(&mut world, 1);
    say(&mut world, 0, &format!("go {free}"));
    assert_eq!(world.peers[0].moved, [room]);
}

/// Another room with so many members; its id.
fn hosted_id(world: &mut World, members: usize) -> String {
    let first = Peer::player(&mut world.server, world.now, "first", &create());
    world.peers.push(first);
    world.run(100);
    let id = world.peers.last().unwrap().joined[0].id.clone();
    for n in 1..members {
        join(world, &format!("M{n}"), &id);
    }
    id
}

proptest! {
    /// Moves, cuts, leaves, kicks and returns in any order: in the end client, front, lobby and rooms agree where everybody is, and each who was
    /// only moved is in one room.
    #[test]
    fn whoever_is_moved_is_in_the_old_room_or_in_the_new(
        steps in prop::collection::vec((0u8..7, 0usize..6, 0usize..3, 0u64..60), 1..50),
    ) {
        let (mut world, first) = hosted(1);
        let ids = [first, hosted_id(&mut world, 1), hosted_id(&mut world, 1)];
        let extra = Peer::player(&mut world.server, world.now, "extra", &create());
        world.peers.push(extra);
        world.run(100);
        let count = world.peers.len();
        let mut away = std::collections::BTreeSet::new();
        let mut only_moved = vec![true; count];
        for (step, peer, room, ms) in steps {
            let (peer, now) = (peer % count, world.now);
            let key = world.peers[peer].key;
            match step {
                0..=2 => {
                    let from = world.peers[peer].inside.first().copied();
                    if let Some(from) = from {
                        let who = Who::Session(key);
                        let to = MoveTo::Room(ids[room].clone());
                        let _ = world.server.rule(now, RoomName::No(from), RoomAsk::Move { who, to });
                    }
                }
                3 if away.insert(peer) => {
                    world.server.lose(now, key);
                    world.peers[peer].session.link_lost(now);
                    world.peers[peer].stalled = true;
                }
                4 if away.remove(&peer) => {
                    let mut back = world.peers.remove(peer);
                    back.stalled = false;
                    back.relink(&mut world.server, now, false);
                    world.peers.insert(peer, back);
                }
                5 => {
                    only_moved[peer] = false;
                    if let Some(room) = world.peers[peer].inside.first().copied() {
                        world.peers[peer].session.leave(room);
                    }
                }
                6 => {
                    only_moved[peer] = false;
                    let ask = RoomAsk::Kick { who: Who::Session(key), message: String::new() };
                    let _ = world.server.rule(now, RoomName::Id(ids[room].clone()), ask);
                }
                _ => {}
            }
            world.run(ms);
        }
        for peer in away {
            let now = world.now;
            let mut back = world.peers.remove(peer);
            back.stalled = false;
            back.relink(&mut world.server, now, true);
            world.peers.insert(peer, back);
        }
        world.run(1_000);
        for (at, peer) in world.peers.iter().enumerate() {
            let lobby = world.server.lobby();
            let by_lobby: std::collections::BTreeSet<u32> = lobby
                .rooms()
                .filter(|room| lobby.members(*room).any(|(session, _)| session == peer.key))
                .collect();
            let by_rooms: std::collections::BTreeSet<u32> = world
                .server
                .rooms()
                .filter(|room| room.members().any(|it| it.session == peer.key))
                .map(|room| room.spec().no)
                .collect();
            let fronts = world.server.fronts().iter().flat_map(|front| front.sessions());
            let by_front: std::collections::BTreeSet<u32> = fronts
                .filter(|info| info.session == peer.key)
                .flat_map(|info| info.rooms)
                .map(|(room, _)| room)
                .collect();
            prop_assert_eq!(&by_lobby, &by_rooms);
            prop_assert_eq!(&by_lobby, &by_front);
            prop_assert_eq!(&by_lobby, &peer.inside);
            prop_assert!(!only_moved[at] || by_lobby.len() == 1, "{by_lobby:?}");
        }
    }
}
