//! What a client asks and is asked: one outcome each, over cuts, ends of sessions and rooms that are left.

mod support;

use std::time::Duration;

use bytes::Bytes;
use support::{CHAT, GUESS, Pair, ROOM, Truth};
use tickwire_client::{ASK_TIMEOUT, AskError, AskId, ClientEvent, QuestionId, RoomKey, SendError};
use tickwire_proto::ServerFrame;
use tickwire_proto::frame::{Ask, AskOutcome, CHANNELS_MAX, Refusal, RoomEnd, code};

fn in_a_room() -> (Pair, RoomKey) {
    let mut truth = Truth::new();
    truth.ball(10, 1, 0, 5.0);
    Pair::joined(&mut truth)
}

fn ask(pair: &mut Pair, room: RoomKey, payload: &[u8]) -> AskId {
    let asked = pair
        .client
        .ask(pair.now, room, 0, GUESS, payload, ASK_TIMEOUT);
    asked.expect("the room is joined")
}

fn outcomes(pair: &Pair) -> Vec<(AskId, AskOutcome)> {
    let replies = pair.events.iter().filter_map(|event| match event {
        ClientEvent::Reply { ask, outcome } => Some((*ask, outcome.clone())),
        _ => None,
    });
    replies.collect()
}

/// The server asks, as a room does.
fn question(pair: &mut Pair, number: u32) {
    let frame = ServerFrame::Ask(Ask {
        room: ROOM,
        channel: 0,
        number,
        kind: GUESS,
        timeout_ms: 5_000,
        payload: b"\x02hm",
    });
    let server = pair.server.as_mut().expect("a link");
    server.send_frame(pair.now, frame.encode()).expect("room");
    pair.talk();
}

fn questions(pair: &Pair) -> Vec<QuestionId> {
    let asked = pair.events.iter().filter_map(|event| match event {
        ClientEvent::Question { question, .. } => Some(*question),
        _ => None,
    });
    asked.collect()
}

#[test]
fn a_reply_finds_its_request_over_a_lost_link() {
    let (mut pair, room) = in_a_room();
    let (first, second) = (ask(&mut pair, room, b"a"), ask(&mut pair, room, b"b"));
    pair.talk_up();
    let asked = std::mem::take(&mut pair.questions);
    assert_eq!(asked.len(), 2);
    let server = pair.server.as_mut().unwrap();
    server.answer(ROOM, asked[1].0, Ok(Bytes::from_static(b"2")));
    pair.talk_down(true); // written, and lost with the link
    pair.lose();
    let no = Refusal::new("Taken", "somebody was quicker");
    let away = pair.away.as_mut().unwrap();
    away.answer(ROOM, asked[0].0, Err(no.clone()));
    assert_eq!(outcomes(&pair), []);
    pair.resume();
    let done = AskOutcome::Done(Bytes::from_static(b"2"));
    let all = [(second, done), (first, AskOutcome::Refused(no))];
    assert_eq!(outcomes(&pair), all, "each once, in the order of answers");
    assert_eq!(pair.questions, [], "asked once");
}

#[test]
fn without_a_reply_a_request_runs_out_of_time_once() {
    let (mut pair, room) = in_a_room();
    let asked = ask(&mut pair, room, b"a");
    pair.talk();
    pair.pass(ASK_TIMEOUT - Duration::from_millis(1));
    assert_eq!(outcomes(&pair), []);
    pair.pass(Duration::from_millis(2));
    let number = pair.questions[0].0;
    assert_eq!(outcomes(&pair), [(asked, AskOutcome::Timeout)]);
    assert_eq!(pair.cancelled, [number], "and the server hears it");
    let server = pair.server.as_mut().unwrap();
    server.answer(ROOM, number, Ok(Bytes::new()));
    pair.talk();
    assert_eq!(outcomes(&pair).len(), 1, "too late");
}

#[test]
fn what_is_given_up_has_no_outcome() {
    let (mut pair, room) = in_a_room();
    let asked = ask(&mut pair, room, b"a");
    pair.talk();
    pair.client.cancel(asked);
    pair.client.cancel(asked);
    pair.client.cancel(AskId(99));
    pair.talk();
    assert_eq!(pair.cancelled.len(), 1);
    pair.pass(ASK_TIMEOUT * 2);
    assert_eq!(outcomes(&pair), []);
}

#[test]
fn the_end_of_a_room_or_a_session_is_an_outcome() {
    let (mut pair, room) = in_a_room();
    let of_the_room = ask(&mut pair, room, b"a");
    pair.talk();
    let server = pair.server.as_mut().unwrap();
    server.room_ended(ROOM, RoomEnd::Failed, "");
    pair.talk();
    assert_eq!(outcomes(&pair), [(of_the_room, AskOutcome::Ended)]);
    let gone = pair.client.ask(pair.now, room, 0, GUESS, b"", ASK_TIMEOUT);
    assert_eq!(gone, Err(SendError::NotJoined(room)));

    let (mut pair, room) = in_a_room();
    let (lost, again) = (ask(&mut pair, room, b"a"), ask(&mut pair, room, b"b"));
    question(&mut pair, 7);
    pair.cut();
    assert_eq!(outcomes(&pair), [], "it may be resumed");
    pair.client.reconnect(pair.now);
    pair.connect(); // to a server that does not know the session
    let ended = |ask| (ask, AskOutcome::Ended);
    assert_eq!(outcomes(&pair), [ended(lost), ended(again)]);
    let over = pair.count(|event| matches!(event, ClientEvent::QuestionOver { .. }));
    assert_eq!(over, 1, "nobody waits for that answer");

    let (mut pair, room) = in_a_room();
    let closed = ask(&mut pair, room, b"a");
    pair.client.close();
    pair.talk();
    assert_eq!(outcomes(&pair), [ended(closed)]);
}

#[test]
fn a_question_is_answered_once_and_may_be_given_up() {
    let (mut pair, _) = in_a_room();
    for number in [5, 6, 7] {
        question(&mut pair, number);
    }
    let asked = questions(&pair);
    assert_eq!(asked.len(), 3);
    pair.client.answer(asked[1], Ok(Bytes::from_static(b"x")));
    pair.client.answer(asked[1], Ok(Bytes::from_static(b"y")));
    pair.client.answer(QuestionId(99), Ok(Bytes::new()));
    let no = Refusal::new(code::FORBIDDEN, "not now");
    pair.client.answer(asked[0], Err(no.clone()));
    pair.talk();
    let done = AskOutcome::Done(Bytes::from_static(b"x"));
    assert_eq!(pair.replies, [(6, done), (5, AskOutcome::Refused(no))]);
    let server = pair.server.as_mut().unwrap();
    server.cancel_ask(ROOM, 7);
    pair.talk();
    let over = ClientEvent::QuestionOver { question: asked[2] };
    assert_eq!(pair.events.last(), Some(&over));
    pair.client.answer(asked[2], Ok(Bytes::new()));
    pair.talk();
    assert_eq!(pair.replies.len(), 2, "nobody waited any more");
}

#[test]
fn what_cannot_be_asked_says_why() {
    let (mut pair, room) = in_a_room();
    let mut ask = |channel, len: usize| {
        let payload = vec![0; len];
        let now = pair.now;
        pair.client
            .ask(now, room, channel, GUESS, &payload, ASK_TIMEOUT)
    };
    assert_eq!(
        ask(CHANNELS_MAX, 0),
        Err(SendError::NoChannel(CHANNELS_MAX))
    );
    let too_long = ask(0, 1 << 20);
    assert!(matches!(
        too_long,
        Err(SendError::Session(
            tickwire_proto::SendError::TooLong { .. }
        ))
    ));
    let taken = (0..1_000).take_while(|_| ask(1, 1).is_ok()).count();
    assert_eq!(taken, 64, "so many wait at once");
    let full = ask(1, 1);
    assert_eq!(
        full,
        Err(SendError::Session(tickwire_proto::SendError::Asking))
    );
    let error: AskError = full.unwrap_err().into();
    assert!(matches!(error, AskError::Unsent(_)));
}

#[test]
fn messages_go_by_the_channel_that_is_said() {
    let (mut pair, room) = in_a_room();
    pair.client.send_on(room, 3, CHAT, b"a").unwrap();
    pair.client.send_volatile_on(room, 7, CHAT, b"b").unwrap();
    let beyond = pair.client.send_on(room, CHANNELS_MAX, CHAT, b"c");
    assert_eq!(beyond, Err(SendError::NoChannel(CHANNELS_MAX)));
    let long = pair.client.send_message(room, &"x".repeat(1 << 20));
    assert!(matches!(long, Err(SendError::BadMessage(_))), "{long:?}");
    pair.client.send_message(room, &"d".to_owned()).unwrap();
    pair.talk();
    let mut heard = pair.heard.clone();
    heard.sort();
    assert_eq!(heard, [&b"\x01d"[..], b"a", b"b"]);
}
