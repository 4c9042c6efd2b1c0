//! Requests between members and the game, over real sessions: answered once, whatever is cut, and never left without an outcome.

use std::time::Duration;

use bevy_ecs::prelude::*;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tickwire_proto::frame::{AskOutcome, code};
use tickwire_proto::session::asks::ASKS_PENDING_MAX;
use tickwire_server::{FrontConfig, Kind, LobbyConfig, LobbyInput, Loopback};
use tickwire_sim::GameKind;
use tickwire_sim::prelude::*;
use tickwire_snapshot::message::{self, Message};

use crate::common::{Peer, World};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Serialize, Deserialize, NetMessage, Clone, Debug, PartialEq)]
struct Double {
    number: u32,
}

#[derive(Serialize, Deserialize, NetMessage, Clone, Debug, PartialEq)]
struct Doubled {
    number: u32,
    times: u32,
}

impl Request for Double {
    type Reply = Doubled;
}

/// Never answered.
#[derive(Serialize, Deserialize, NetMessage, Clone, Debug, PartialEq)]
struct Silence {}

impl Request for Silence {
    type Reply = String;
}

#[derive(Serialize, Deserialize, NetMessage, Clone, Debug, PartialEq)]
struct Ready {}

impl Request for Ready {
    type Reply = String;
}

/// Asks all whether they are ready, so many times.
#[derive(Serialize, Deserialize, NetMessage, Clone, Debug, PartialEq)]
struct Gather {
    times: u32,
}

#[derive(Resource, Default)]
struct Book {
    handled: u32,
    heard: Vec<(u16, Result<String, NoReply>, usize)>,
}

fn start(mut commands: Commands) {
    commands.init_resource::<Book>();
}

fn double(In(asked): In<FromPlayer<Double>>, mut book: ResMut<Book>) -> Result<Doubled, Refusal> {
    book.handled += 1;
    let number = asked.message.number;
    if number > 1_000_000 {
        return Err(Refusal::new("TooMuch", "at most a million"));
    }
    Ok(Doubled {
        number: 2 * number,
        times: book.handled,
    })
}

fn gather(In(wanted): In<FromPlayer<Gather>>, mut questions: ResMut<Questions>) {
    for _ in 0..wanted.message.times {
        questions.all(&Ready {}, SECOND).unwrap();
    }
}

fn heard(In(replied): In<Replied<Ready>>, mut book: ResMut<Book>) {
    let Replied {
        player,
        outcome,
        waiting,
        ..
    } = replied;
    book.heard.push((player.seat, outcome, waiting));
}

fn shout(In(said): In<FromPlayer<String>>, mut outbox: ResMut<Outbox>) {
    outbox.channel(3).all(&said.message);
    outbox.volatile().except(said.player, &said.message);
}

fn silence(In(_): In<Asked<Silence>>) {}

fn game(game: &mut Game) {
    game.rate(30).seats(8).on_start(start);
    game.on_request(double)
        .on_request_later(silence)
        .on_reply(heard)
        .on_message(gather)
        .on_message(shout);
}

fn world(fronts: u16, players: usize) -> World {
    let front = FrontConfig {
        shards: fronts,
        ..FrontConfig::default()
    };
    let kinds = vec![Kind::from(GameKind::new("asks", game))];
    let server = Loopback::with(
        kinds,
        tickwire_server::AcceptAll,
        front,
        LobbyConfig::default(),
    );
    World::with_players(server, "asks", players)
}

fn ask<Q: Request>(world: &mut World, peer: usize, request: &Q, timeout: Duration) -> u32 {
    let (now, room) = (world.now, world.peers[peer].room());
    let payload = message::encode(request);
    let peer = &mut world.peers[peer];
    peer.session
        .ask(now, room, 2, Q::kind(), &payload, timeout)
        .unwrap()
}

fn tell<M: Message>(world: &mut World, peer: usize, message: &M) {
    let room = world.peers[peer].room();
    let payload = message::encode(message);
    let peer = &mut world.peers[peer];
    peer.session.send(room, 0, M::kind(), &payload).unwrap();
}

/// Answers all that the room has asked this member.
fn reply(peer: &mut Peer, text: &str) {
    for (room, number, _) in std::mem::take(&mut peer.asked) {
        let payload = message::encode(&text.to_owned());
        peer.session.answer(room, number, Ok(payload));
    }
}

fn book(world: &World) -> &Book {
    let room = world.server.rooms().next().unwrap();
    room.simulation().world().resource::<Book>()
}

fn doubled(outcome: &AskOutcome) -> Doubled {
    match outcome {
        AskOutcome::Done(payload) => message::decode(payload).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_is_answered_refused_or_unknown() {
    let mut world = world(2, 3);
    let fine = ask(&mut world, 1, &Double { number: 21 }, SECOND);
    let much = ask(&mut world, 1, &Double { number: 2_000_000 }, SECOND);
    let odd = ask(&mut world, 1, &Unknown {}, SECOND);
    let (now, room) = (world.now, world.peers[1].room());
    let peer = &mut world.peers[1];
    let wrong = peer
        .session
        .ask(now, room, 0, Double::kind(), &[0xff; 9], SECOND);
    let lost = peer.session.ask(now, 0, 0, Double::kind(), &[1], SECOND);
    world.run(150);
    let refusal = |number: u32| {
        let found = world.peers[1].outcomes.iter().find(|it| it.0 == number);
        match &found.unwrap().1 {
            AskOutcome::Refused(refusal) => refusal.code.as_str(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refusal(much), "TooMuch");
    assert_eq!(refusal(odd), code::NOT_FOUND);
    assert_eq!(refusal(wrong.unwrap()), code::REFUSED);
    assert_eq!(refusal(lost.unwrap()), code::NOT_FOUND, "outside of rooms");
    let found = world.peers[1].outcomes.iter().find(|it| it.0 == fine);
    assert_eq!(doubled(&found.unwrap().1).number, 42);
    assert_eq!(world.peers[1].outcomes.len(), 5);
    let stats = world.stats();
    assert_eq!((stats.requests_in, stats.requests_refused), (4, 2));
}

#[derive(Serialize, Deserialize, NetMessage, Clone, Debug, PartialEq)]
struct Unknown {}

impl Request for Unknown {
    type Reply = String;
}

#[test]
fn whatever_is_cut_each_request_is_handled_once_and_answered_once() {
    for noticed in [true, false] {
        let mut world = world(3, 2);
        let mut numbers = Vec::new();
        for round in 0..30 {
            numbers.push(ask(&mut world, 1, &Double { number: round }, 60 * SECOND));
            if round % 10 == 0 {
                tell(&mut world, 0, &Gather { times: 1 });
            }
            world.run(u64::from(round) * 7 % 40);
            if noticed {
                let (now, key) = (world.now, world.peers[1].key);
                world.server.lose(now, key);
                world.peers[1].session.link_lost(now);
            }
            let mut peer = world.peers.remove(1);
            peer.relink(&mut world.server, world.now, noticed);
            world.peers.insert(1, peer);
            world.run(30);
            for peer in &mut world.peers {
                reply(peer, "yes");
            }
        }
        world.run(500);
        for peer in &mut world.peers {
            reply(peer, "yes");
        }
        world.run(500);
        let peer = &world.peers[1];
        assert_eq!(peer.outcomes.len(), 30, "{:?}", peer.outcomes);
        for (round, number) in numbers.iter().enumerate() {
            let mine: Vec<_> = peer.outcomes.iter().filter(|it| it.0 == *number).collect();
            assert_eq!(mine.len(), 1);
            assert_eq!(doubled(&mine[0].1).number, 2 * round as u32);
        }
        assert_eq!(book(&world).handled, 30);
        let heard = &book(&world).heard;
        assert_eq!(heard.len(), 6, "three questions to two: {heard:?}");
        assert!(
            heard.iter().all(|(_, outcome, _)| outcome.is_ok()),
            "{heard:?}"
        );
    }
}

#[test]
fn a_question_to_all_yields_one_outcome_for_each() {
    let mut world = world(2, 4);
    tell(&mut world, 0, &Gather { times: 1 });
    world.run(100);
    let asked: Vec<usize> = world.peers.iter().map(|peer| peer.asked.len()).collect();
    assert_eq!(asked, [1, 1, 1, 1]);
    assert_eq!(world.stats().questions_out, 4);
    reply(&mut world.peers[2], "here");
    let room = world.peers[1].room();
    world.peers[1].session.leave(room);
    let (room, number, _) = world.peers[3].asked[0].clone();
    let refusal = Refusal::new("Busy", "later");
    world.peers[3]
        .session
        .answer(room, number, Err(refusal.clone()));
    world.run(1_200);
    let mut heard = book(&world).heard.clone();
    let waiting: Vec<usize> = heard.iter().map(|it| it.2).collect();
    assert_eq!(waiting, [3, 2, 1, 0]);
    heard.sort_by_key(|it| it.0);
    let outcomes: Vec<_> = heard.into_iter().map(|it| it.1).collect();
    assert_eq!(
        outcomes,
        [
            Err(NoReply::Timeout),
            Err(NoReply::Left),
            Ok("here".to_owned()),
            Err(NoReply::Refused(refusal)),
        ]
    );
    // The late one hears that it need not answer, and both sides have forgotten it.
    let stats = world.peers[0].session.stats();
    assert_eq!(stats.replies_unasked, 0);
    reply(&mut world.peers[0], "late");
    world.run(100);
    assert_eq!(world.peers[0].session.stats().answers_late, 1);
    assert_eq!(book(&world).heard.len(), 4);
}

#[test]
fn who_answers_nothing_is_asked_no_more_than_may_wait() {
    let mut world = world(1, 1);
    tell(
        &mut world,
        0,
        &Gather {
            times: ASKS_PENDING_MAX as u32 + 2,
        },
    );
    world.run(200);
    assert_eq!(world.peers[0].asked.len(), ASKS_PENDING_MAX);
    let heard = &book(&world).heard;
    assert_eq!(heard.len(), 2);
    for (_, outcome, _) in heard {
        assert!(
            matches!(outcome, Err(NoReply::Refused(refusal)) if refusal.code == code::LIMIT),
            "{outcome:?}"
        );
    }
}

#[test]
fn the_end_of_a_room_or_of_the_membership_ends_what_was_asked() {
    for closed in [true, false] {
        let mut world = world(1, 2);
        let number = ask(&mut world, 1, &Silence {}, 60 * SECOND);
        world.run(100);
        assert_eq!(world.peers[1].outcomes, []);
        let room = world.peers[1].room();
        if closed {
            let (now, message) = (world.now, "over".to_owned());
            let input = LobbyInput::Close { room, message };
            world.server.tell_lobby(now, input);
        } else {
            world.peers[1].session.leave(room);
        }
        world.run(100);
        assert_eq!(world.peers[1].outcomes, [(number, AskOutcome::Ended)]);
    }
}

#[test]
fn a_request_that_is_given_up_reaches_nobody_with_its_answer() {
    let mut world = world(1, 1);
    let number = ask(&mut world, 0, &Double { number: 1 }, SECOND);
    let room = world.peers[0].room();
    world.peers[0].session.cancel_ask(room, number);
    world.run(200);
    assert_eq!(world.peers[0].outcomes, []);
    assert_eq!(
        world.stats().answers_late,
        1,
        "the game answered it all the same"
    );
    let timed_out = ask(&mut world, 0, &Silence {}, Duration::from_millis(100));
    world.run(300);
    assert_eq!(world.peers[0].outcomes, [(timed_out, AskOutcome::Timeout)]);
}

#[test]
fn a_game_chooses_the_channel_and_what_may_be_left_out() {
    let mut world = world(1, 3);
    tell(&mut world, 0, &"hear".to_owned());
    world.run(200);
    let counts: Vec<usize> = world.peers.iter().map(|peer| peer.messages.len()).collect();
    assert_eq!(counts, [1, 2, 2]);
    let text = message::encode(&"hear".to_owned());
    let all = world.peers.iter().flat_map(|peer| &peer.messages);
    assert!(
        all.into_iter()
            .all(|it| *it == (String::kind(), text.clone()))
    );
    // The receipts tell the channels: only the reliable ones count.
    let key = world.peers[0].key;
    let (now, _) = (world.now, Bytes::new());
    world.server.lose(now, key);
    let backlog = world.server.fronts()[0].backlog(key).unwrap();
    assert_eq!(backlog.reliable_messages, 0);
}
