//! Requests in both directions: handled at most once, one outcome for each, whatever is cut; and every limit on them.

use crate::endings::{attached, ended};
use crate::links::{Pair, joined_info};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;
use tickwire_proto::frame::{
    Ask, AskOutcome, Cancel, ClientFrame, JoinHow, Outcome, Refusal, Reply, RoomEnd, ServerFrame,
    code,
};
use tickwire_proto::session::asks::{
    ASK_MS_MAX, ASKS_PENDING_MAX, ASKS_PER_S_MAX, BOGUS_REPLIES_MAX,
};
use tickwire_proto::{ClientEvent, Reason, SendError, ServerEvent, ServerSession, Time};

const SECOND: Duration = Duration::from_secs(1);

/// The requests that a side has heard of: (room, number, payload).
fn asked_up(pair: &Pair) -> Vec<(u32, u32, Bytes)> {
    let ask = |event: &ServerEvent| match event {
        ServerEvent::Ask {
            room,
            number,
            payload,
            ..
        } => Some((*room, *number, payload.clone())),
        _ => None,
    };
    pair.heard.iter().filter_map(ask).collect()
}

fn asked_down(pair: &Pair) -> Vec<(u32, u32, Bytes)> {
    let ask = |event: &ClientEvent| match event {
        ClientEvent::Ask {
            room,
            number,
            payload,
            ..
        } => Some((*room, *number, payload.clone())),
        _ => None,
    };
    pair.seen.iter().filter_map(ask).collect()
}

/// What became of the client's requests, by room and number, in order.
fn outcomes_up(pair: &Pair) -> Vec<((u32, u32), AskOutcome)> {
    let reply = |event: &ClientEvent| match event {
        ClientEvent::Reply {
            room,
            number,
            outcome,
        } => Some(((*room, *number), outcome.clone())),
        _ => None,
    };
    pair.seen.iter().filter_map(reply).collect()
}

/// What became of the server's requests.
fn outcomes_down(pair: &Pair) -> Vec<((u32, u32), AskOutcome)> {
    let reply = |event: &ServerEvent| match event {
        ServerEvent::Reply {
            room,
            number,
            outcome,
        } => Some(((*room, *number), outcome.clone())),
        _ => None,
    };
    pair.heard.iter().filter_map(reply).collect()
}

fn room_ask(number: u32, payload: &[u8]) -> Bytes {
    ServerFrame::Ask(Ask {
        room: 5,
        channel: 2,
        number,
        kind: 9,
        timeout_ms: 1000,
        payload,
    })
    .encode()
}

fn done(text: &'static [u8]) -> AskOutcome {
    AskOutcome::Done(Bytes::from_static(text))
}

#[test]
fn both_sides_ask_and_are_answered_or_refused() {
    let mut pair = Pair::joined();
    let now = pair.now;
    let first = pair.client.ask(now, 5, 1, 9, b"who", SECOND).unwrap();
    let second = pair.client.ask(now, 0, 0, 9, b"no", SECOND).unwrap();
    let own = pair.server.ask(now, 0, 3, 9, b"you?", SECOND).unwrap();
    pair.server.send_frame(now, room_ask(1, b"room?")).unwrap();
    pair.run_ms(100);
    let up: Vec<_> = asked_up(&pair)
        .into_iter()
        .map(|(r, n, _)| (r, n))
        .collect();
    assert_eq!(up, [(5, first), (0, second)]);
    let down: Vec<_> = asked_down(&pair)
        .into_iter()
        .map(|(r, n, _)| (r, n))
        .collect();
    assert_eq!(down, [(0, own), (5, 1)]);

    pair.server.answer(5, first, Ok(Bytes::from_static(b"me")));
    let refusal = Refusal {
        data: Bytes::from_static(b"why"),
        ..Refusal::new("Never", "so it is")
    };
    pair.server.answer(0, second, Err(refusal.clone()));
    pair.client.answer(0, own, Ok(Bytes::from_static(b"yes")));
    pair.client.answer(5, 1, Err(refusal.clone()));
    pair.run_ms(100);
    let refused = AskOutcome::Refused(refusal);
    assert_eq!(
        outcomes_up(&pair),
        [((5, first), done(b"me")), ((0, second), refused.clone())]
    );
    assert_eq!(
        outcomes_down(&pair),
        [((0, own), done(b"yes")), ((5, 1), refused)]
    );
    // A second answer reaches nobody.
    pair.server.answer(5, first, Ok(Bytes::new()));
    pair.client.answer(5, 1, Ok(Bytes::new()));
    pair.run_ms(100);
    assert_eq!(
        (outcomes_up(&pair).len(), outcomes_down(&pair).len()),
        (2, 2)
    );
    assert_eq!(pair.server.stats().answers_late, 1);
    assert_eq!(pair.client.stats().answers_late, 1);
}

#[test]
fn a_request_keeps_its_place_among_the_messages_of_its_channel() {
    let mut pair = Pair::joined();
    let now = pair.now;
    pair.client.send(5, 1, 7, b"before").unwrap();
    pair.client.ask(now, 5, 1, 9, b"ask", SECOND).unwrap();
    pair.client.send(5, 1, 7, b"after").unwrap();
    pair.run_ms(100);
    let order: Vec<&[u8]> = pair
        .heard
        .iter()
        .filter_map(|event| match event {
            ServerEvent::Message { payload, .. } | ServerEvent::Ask { payload, .. } => {
                Some(&payload[..])
            }
            _ => None,
        })
        .collect();
    assert_eq!(order, [&b"before"[..], b"ask", b"after"]);
}

#[test]
fn no_reply_in_time_is_a_timeout_on_either_side_and_without_a_link_too() {
    let mut pair = Pair::joined();
    let now = pair.now;
    let number = pair.client.ask(now, 5, 0, 9, b"?", SECOND).unwrap();
    let own = pair.server.ask(now, 0, 0, 9, b"?", SECOND).unwrap();
    pair.run_ms(900);
    assert_eq!(outcomes_up(&pair), []);
    pair.run_ms(200);
    assert_eq!(outcomes_up(&pair), [((5, number), AskOutcome::Timeout)]);
    assert_eq!(outcomes_down(&pair), [((0, own), AskOutcome::Timeout)]);
    assert_eq!(
        pair.count_heard(|event| matches!(event, ServerEvent::AskCancelled { room: 5, .. })),
        1
    );
    assert_eq!(
        pair.count_seen(|event| matches!(event, ClientEvent::AskCancelled { room: 0, .. })),
        1
    );
    // An answer that crossed the timeout is counted, and no false one.
    let number = pair.client.ask(pair.now, 5, 0, 9, b"?", SECOND).unwrap();
    pair.run_ms(990);
    pair.server.answer(5, number, Ok(Bytes::new()));
    pair.run_ms(100);
    assert_eq!(outcomes_up(&pair).len(), 2);
    let stats = pair.client.stats();
    assert_eq!((stats.replies_late, stats.replies_unasked), (2, 0));

    let away = pair.client.ask(pair.now, 5, 0, 9, b"?", SECOND).unwrap();
    let own = pair.server.ask(pair.now, 0, 0, 9, b"?", SECOND).unwrap();
    pair.client.link_lost(pair.now);
    pair.server.link_lost(pair.now);
    pair.run_ms(1_000);
    assert_eq!(
        outcomes_up(&pair).last(),
        Some(&((5, away), AskOutcome::Timeout))
    );
    assert_eq!(
        outcomes_down(&pair).last(),
        Some(&((0, own), AskOutcome::Timeout))
    );
}

#[test]
fn what_is_given_up_tells_the_handler_and_has_no_outcome() {
    let mut pair = Pair::joined();
    let number = pair.client.ask(pair.now, 5, 0, 9, b"?", SECOND).unwrap();
    pair.server.send_frame(pair.now, room_ask(4, b"?")).unwrap();
    pair.run_ms(50);
    pair.client.cancel_ask(5, number);
    pair.server.cancel_ask(5, 4);
    pair.run_ms(50);
    let cancelled = ServerEvent::AskCancelled { room: 5, number };
    assert_eq!(pair.count_heard(|event| *event == cancelled), 1);
    let cancelled = ClientEvent::AskCancelled { room: 5, number: 4 };
    assert_eq!(pair.count_seen(|event| *event == cancelled), 1);
    pair.server.answer(5, number, Ok(Bytes::new()));
    pair.run_ms(2_000);
    assert_eq!((outcomes_up(&pair), outcomes_down(&pair)), (vec![], vec![]));
    assert_eq!(pair.client.stats().replies_late, 1);
    assert_eq!(pair.server.stats().replies_late, 1);
}

#[test]
fn the_end_of_a_room_ends_its_requests_on_both_sides() {
    let mut pair = Pair::joined();
    let number = pair.client.ask(pair.now, 5, 0, 9, b"?", SECOND).unwrap();
    let other = pair.client.ask(pair.now, 0, 0, 9, b"?", SECOND).unwrap();
    pair.server.send_frame(pair.now, room_ask(4, b"?")).unwrap();
    pair.run_ms(50);
    pair.server.room_ended(5, RoomEnd::Closed, "over");
    // Crosses the ending; the number is then used again in the same room.
    let crossing = pair.client.ask(pair.now, 5, 0, 9, b"?", SECOND).unwrap();
    pair.run_ms(50);
    pair.client.join(5, 0, &JoinHow::Room { id: "r" }, 0);
    pair.run_ms(100);
    let ended = AskOutcome::Ended;
    assert_eq!(
        outcomes_up(&pair),
        [((5, number), ended.clone()), ((5, crossing), ended.clone())]
    );
    assert_eq!(outcomes_down(&pair), [((5, 4), ended)]);
    assert_eq!(pair.server.stats().asks_no_room, 1);
    for stats in [pair.server.stats(), pair.client.stats()] {
        assert_eq!(stats.replies_unasked, 0, "every reply was owed");
    }
    pair.server.send_frame(pair.now, room_ask(4, b"?")).unwrap();
    pair.server.answer(0, other, Ok(Bytes::new()));
    pair.run_ms(50);
    assert_eq!(outcomes_up(&pair).len(), 3);
    assert_eq!(asked_down(&pair).len(), 2);
}

#[test]
fn the_end_of_a_session_ends_all_requests_before_it_is_told() {
    for from_server in [true, false] {
        let mut pair = Pair::joined();
        let number = pair.client.ask(pair.now, 5, 0, 9, b"?", SECOND).unwrap();
        let own = pair.server.ask(pair.now, 0, 0, 9, b"?", SECOND).unwrap();
        pair.run_ms(100);
        if from_server {
            let now = pair.now;
            let reason = Reason::Kicked;
            pair.server.end(now, reason, reason.retry(), "out");
        } else {
            pair.client.bye();
        }
        pair.run_ms(100);
        assert_eq!(outcomes_up(&pair), [((5, number), AskOutcome::Ended)]);
        assert_eq!(outcomes_down(&pair), [((0, own), AskOutcome::Ended)]);
        assert!(matches!(pair.seen.last(), Some(ClientEvent::Ended(_))));
        assert!(matches!(pair.heard.last(), Some(ServerEvent::Ended(_))));
    }
}

#[test]
fn a_claim_that_is_refused_ends_what_was_asked() {
    let mut pair = Pair::joined();
    let number = pair.client.ask(pair.now, 5, 0, 9, b"?", SECOND).unwrap();
    pair.server = ServerSession::new(pair.now, Default::default(), 43, [77; 32]);
    pair.relink(false);
    pair.run_ms(100);
    assert_eq!(outcomes_up(&pair), [((5, number), AskOutcome::Ended)]);
}

fn ask(room: u32, number: u32, len: usize) -> Bytes {
    ClientFrame::Ask(Ask {
        room,
        channel: 1,
        number,
        kind: 9,
        timeout_ms: 5_000,
        payload: &vec![0; len],
    })
    .encode()
}

fn reply(number: u32, len: usize) -> Bytes {
    ClientFrame::Reply(Reply {
        room: 0,
        channel: 0,
        number,
        outcome: Outcome::Done {
            payload: &vec![0; len],
        },
    })
    .encode()
}

/// The replies that wait to be written: number, code and text of the refusal.
fn refused(server: &mut ServerSession, now: Time) -> Vec<(u32, String)> {
    let frames: Vec<Bytes> = std::iter::from_fn(|| server.next(now, 1 << 20))
        .map(|out| out.head)
        .collect();
    let text = |frame: &Bytes| match ServerFrame::decode(frame) {
        Ok(ServerFrame::Reply(Reply {
            number,
            outcome: Outcome::Refused { code, message, .. },
            ..
        })) => Some((number, format!("{code}: {message}"))),
        _ => None,
    };
    frames.iter().filter_map(text).collect()
}

#[test]
fn requests_that_wait_are_bounded_on_both_sides() {
    let mut server = attached();
    for number in 0..=ASKS_PENDING_MAX as u32 {
        server.handle_frame(Time(0), &ask(0, number, 1));
    }
    let text = "Limit: 64 requests wait for their reply: wait too".to_owned();
    assert_eq!(refused(&mut server, Time(0)), [(64, text)]);
    server.answer(0, 3, Ok(Bytes::new()));
    server.handle_frame(Time(0), &ask(0, 64, 1));
    assert_eq!(refused(&mut server, Time(0)), []);
    assert_eq!(server.stats().asks_limited, 1);

    // This side asks no more than that either, and what is given up counts until its reply comes.
    for number in 1..=ASKS_PENDING_MAX as u32 {
        assert_eq!(server.ask(Time(0), 0, 0, 9, b"", SECOND), Ok(number));
        server.cancel_ask(0, number);
    }
    assert_eq!(
        server.ask(Time(0), 0, 0, 9, b"", SECOND),
        Err(SendError::Asking)
    );
    server.handle_frame(Time(0), &reply(1, 1));
    assert!(server.ask(Time(0), 0, 0, 9, b"", SECOND).is_ok());
    let mut pair = Pair::joined();
    for _ in 0..ASKS_PENDING_MAX {
        pair.client.ask(pair.now, 5, 0, 9, b"", SECOND).unwrap();
    }
    assert_eq!(
        pair.client.ask(pair.now, 5, 0, 9, b"", SECOND),
        Err(SendError::Asking)
    );
}

#[test]
fn requests_a_second_are_bounded_with_a_typed_refusal() {
    let mut server = attached();
    let burst = ASKS_PER_S_MAX as u32 * 5;
    for number in 0..burst + 2 {
        server.handle_frame(Time(0), &ask(0, number, 1));
        server.answer(0, number, Ok(Bytes::new()));
    }
    let text = "Limit: more than 32 requests a second: ask less often";
    let expected = [burst, burst + 1].map(|number| (number, text.to_owned()));
    assert_eq!(refused(&mut server, Time(0)), expected);
    assert_eq!(server.is_ended(), None);
    let later = Time::from_millis(1000);
    server.handle_frame(later, &ask(0, burst + 2, 1));
    assert_eq!(refused(&mut server, later), []);
}

#[test]
fn a_number_used_twice_at_once_is_a_violation() {
    let mut server = attached();
    server.handle_frame(Time(0), &ask(0, 7, 1));
    server.answer(0, 7, Ok(Bytes::new()));
    server.handle_frame(Time(0), &ask(0, 7, 1));
    assert_eq!(server.is_ended(), None, "it was free again");
    server.handle_frame(Time(0), &ask(0, 7, 1));
    let text = "Ask frame: number 7 of room 0 is used twice at once";
    assert_eq!(ended(&server), (Reason::Violation, text.to_owned()));
}

#[test]
fn replies_to_what_was_never_asked_are_counted_and_then_a_violation() {
    let mut server = attached();
    assert_eq!(server.ask(Time(0), 0, 0, 9, b"", SECOND), Ok(1));
    server.handle_frame(Time(0), &reply(1, 1));
    for _ in 0..BOGUS_REPLIES_MAX {
        server.handle_frame(Time(0), &reply(1, 1));
    }
    assert_eq!(server.is_ended(), None);
    assert_eq!(server.stats().replies_unasked, BOGUS_REPLIES_MAX);
    server.handle_frame(Time(0), &reply(8, 1));
    let text = "more than 16 replies to what was never asked, the last: number 8 of room 0";
    assert_eq!(ended(&server), (Reason::Violation, text.to_owned()));
}

#[test]
fn requests_and_replies_have_a_length() {
    let mut server = attached();
    server.handle_frame(Time(0), &ask(0, 1, 4096));
    server.handle_frame(Time(0), &reply(1, 4096));
    assert_eq!(server.is_ended(), None);
    server.handle_frame(Time(0), &ask(0, 2, 4097));
    assert_eq!(
        ended(&server).1,
        "a request of 4097 bytes is longer than the 4096 allowed"
    );
    let mut server = attached();
    server.handle_frame(Time(0), &reply(1, 4097));
    assert_eq!(
        ended(&server).1,
        "a reply of 4097 bytes is longer than the 4096 allowed"
    );

    // One's own are held to it before they go.
    let mut pair = Pair::joined();
    let long = vec![0; 4097];
    assert_eq!(
        pair.client.ask(pair.now, 5, 0, 9, &long, SECOND),
        Err(SendError::TooLong {
            len: 4097,
            max: 4096
        })
    );
    let numbers: Vec<u32> = (0..3)
        .map(|_| pair.server.ask(pair.now, 0, 0, 9, b"?", SECOND).unwrap())
        .collect();
    pair.run_ms(50);
    pair.client.answer(0, numbers[0], Ok(long.clone().into()));
    let chatty = Refusal {
        data: long.into(),
        ..Refusal::new("No", "x".repeat(5_000))
    };
    pair.client.answer(0, numbers[1], Err(chatty));
    pair.client.answer(0, numbers[2], Ok(vec![0; 4096].into()));
    pair.run_ms(2_000);
    let text = "the reply of 4097 bytes is longer than the 4096 allowed";
    let outcomes = outcomes_down(&pair);
    assert_eq!(
        outcomes[0].1,
        AskOutcome::Refused(Refusal::new(code::FAILED, text))
    );
    assert_eq!(
        outcomes[1].1,
        AskOutcome::Refused(Refusal::new("No", "x".repeat(4096)))
    );
    assert!(matches!(&outcomes[2].1, AskOutcome::Done(payload) if payload.len() == 4096));
}

#[test]
fn no_request_waits_for_more_than_its_most() {
    let mut pair = Pair::joined();
    let age = Duration::from_secs(1 << 40);
    pair.client.ask(pair.now, 5, 0, 9, b"?", age).unwrap();
    pair.run_ms(100);
    assert_eq!(
        pair.count_heard(
            |event| matches!(event, ServerEvent::Ask { timeout_ms, .. } if *timeout_ms == ASK_MS_MAX)
        ),
        1
    );
}

#[test]
fn cancelling_what_was_never_asked_does_nothing() {
    let mut server = attached();
    let cancel = Cancel {
        room: 3,
        channel: 0,
        number: 1,
    };
    server.handle_frame(Time(0), &ClientFrame::Cancel(cancel).encode());
    assert_eq!((server.is_ended(), server.stats().frames_late), (None, 1));
    assert_eq!(server.poll_event(), None);
}

/// Answers what is new on both sides, by echo; `late` leaves it for another time.
fn answer_all(pair: &mut Pair, up: &mut usize, down: &mut usize) {
    let (heard, seen) = (asked_up(pair), asked_down(pair));
    for (room, number, payload) in &heard[*up..] {
        pair.server.answer(*room, *number, Ok(payload.clone()));
    }
    for (room, number, payload) in &seen[*down..] {
        pair.client.answer(*room, *number, Ok(payload.clone()));
    }
    (*up, *down) = (heard.len(), seen.len());
}

/// Exactly one outcome for each that was not given up, none for the others but one that came before; the handler ran at most
/// once, and exactly once where it is said to be done.
fn hold_to_the_law(
    asked: &BTreeMap<(u32, u32), (u8, bool)>,
    handled: &[(u32, u32, Bytes)],
    outcomes: &[((u32, u32), AskOutcome)],
) -> Result<(), TestCaseError> {
    for (key, (mark, given_up)) in asked {
        let runs: Vec<_> = handled
            .iter()
            .filter(|(room, number, _)| (*room, *number) == *key)
            .collect();
        prop_assert!(
            runs.len() <= 1,
            "{:?} was handled {} times",
            key,
            runs.len()
        );
        let mine: Vec<_> = outcomes.iter().filter(|(of, _)| of == key).collect();
        prop_assert!(mine.len() <= 1, "{:?} has outcomes {:?}", key, mine);
        prop_assert!(mine.len() == 1 || *given_up, "{:?} has none", key);
        if let Some((_, AskOutcome::Done(payload))) = mine.first() {
            prop_assert_eq!(&payload[..], &[*mark][..], "another one's answer");
            prop_assert_eq!(runs.len(), 1);
        }
    }
    prop_assert!(outcomes.iter().all(|(key, _)| asked.contains_key(key)));
    Ok(())
}

proptest! {
    /// Whatever is cut and when, whether the server noticed, whether answers come soon or late or never.
    #[test]
    fn each_request_is_handled_once_and_has_one_outcome(
        steps in prop::collection::vec((0u8..9, 1u64..150, 0u8..3), 1..80),
    ) {
        let mut pair = Pair::joined();
        let (mut up, mut down) = (BTreeMap::new(), BTreeMap::new());
        let (mut answered_up, mut answered_down) = (0, 0);
        let mut mark = 0u8;
        for (step, ms, how) in steps {
            mark = mark.wrapping_add(1);
            let timeout = [Duration::from_millis(60), SECOND, 30 * SECOND][usize::from(how)];
            let now = pair.now;
            match step {
                0 | 1 => {
                    let number = pair.client.ask(now, 5, how, 9, &[mark], timeout).unwrap();
                    up.insert((5, number), (mark, false));
                }
                2 | 3 if how == 0 => {
                    let number = 1000 + u32::from(mark);
                    pair.server.send_frame(now, room_ask(number, &[mark])).unwrap();
                    down.insert((5, number), (mark, false));
                }
                2 | 3 => {
                    let number = pair.server.ask(now, 0, how, 9, &[mark], timeout).unwrap();
                    down.insert((0, number), (mark, false));
                }
                4 | 5 => answer_all(&mut pair, &mut answered_up, &mut answered_down),
                6 => {
                    // Gives up the newest, answered or not.
                    if let Some((&(room, number), state)) = up.iter_mut().next_back() {
                        pair.client.cancel_ask(room, number);
                        state.1 = true;
                    }
                    if let Some((&(room, number), state)) = down.iter_mut().next_back() {
                        pair.server.cancel_ask(room, number);
                        state.1 = true;
                    }
                }
                _ => pair.relink(step == 7),
            }
            pair.run_ms(ms);
        }
        // Both sides come to rest: every reply that is owed has come.
        for _ in 0..4 {
            pair.run_ms(1_000);
            answer_all(&mut pair, &mut answered_up, &mut answered_down);
        }
        pair.run_ms(1_000);
        prop_assert!(pair.server.is_ended().is_none(), "{:?}", pair.server.is_ended());
        prop_assert!(pair.client.is_ended().is_none(), "{:?}", pair.client.is_ended());
        hold_to_the_law(&up, &asked_up(&pair), &outcomes_up(&pair))?;
        hold_to_the_law(&down, &asked_down(&pair), &outcomes_down(&pair))?;
        for stats in [pair.server.stats(), pair.client.stats()] {
            prop_assert_eq!(stats.replies_unasked, 0);
        }
        // Nothing is kept of them: as many as ever can be asked anew.
        for _ in 0..ASKS_PENDING_MAX {
            prop_assert!(pair.client.ask(pair.now, 5, 0, 9, b"", SECOND).is_ok());
            prop_assert!(pair.server.ask(pair.now, 0, 0, 9, b"", SECOND).is_ok());
        }
    }
}

#[test]
fn two_rooms_may_use_one_number() {
    let mut pair = Pair::joined();
    pair.join(6);
    for room in [5, 6] {
        let ask = Ask {
            room,
            channel: 0,
            number: 1,
            kind: 9,
            timeout_ms: 1000,
            payload: b"",
        };
        pair.server
            .send_frame(pair.now, ServerFrame::Ask(ask).encode())
            .unwrap();
    }
    assert_eq!(
        pair.server.send_frame(pair.now, room_ask(1, b"again")),
        Err(SendError::Asking)
    );
    pair.run_ms(50);
    pair.client.answer(6, 1, Ok(Bytes::from_static(b"six")));
    pair.client.answer(5, 1, Ok(Bytes::from_static(b"five")));
    pair.run_ms(50);
    assert_eq!(
        outcomes_down(&pair),
        [((6, 1), done(b"six")), ((5, 1), done(b"five"))]
    );
    assert_eq!(joined_info(6, 6).room, 6);
}
