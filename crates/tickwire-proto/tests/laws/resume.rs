//! Sessions that go on over one link after another: nothing lost, nothing twice, nothing out of order, whenever a link is cut.

use crate::links::{Pair, joined_info};
use bytes::Bytes;
use proptest::prelude::*;
use std::time::Duration;
use tickwire_proto::frame::{JoinHow, ResumeClaim};
use tickwire_proto::{
    ClientEvent, ClientFrame, PROTOCOL_VERSION, ServerEvent, ServerSession, Tick,
};

fn resumed(pair: &Pair) -> usize {
    pair.count_seen(|event| matches!(event, ClientEvent::Welcome { resumed: true, .. }))
}

#[test]
fn a_session_comes_back_in_one_round_trip_with_its_rooms() {
    let mut pair = Pair::joined();
    pair.update(5, 101);
    pair.run_ms(300);
    pair.relink(true);
    let events = pair.heard.len();
    pair.run_until(pair.now.plus(2 * pair.delay));
    assert_eq!(resumed(&pair), 1);
    let news: Vec<&ServerEvent> = pair.heard[events..].iter().collect();
    let held = Some(Tick(101));
    let expected = [
        &ServerEvent::LinkLost,
        &ServerEvent::Resumed,
        &ServerEvent::RoomResumed { room: 5, held },
    ];
    assert_eq!(news, expected);
    pair.client.send(5, 0, 1, b"still here").unwrap();
    pair.run_ms(100);
    assert!(matches!(
        pair.heard.last(),
        Some(ServerEvent::Message { room: 5, .. })
    ));
}

#[test]
fn the_newest_link_wins_though_the_server_has_not_noticed() {
    let mut pair = Pair::joined();
    for round in 1..=20 {
        pair.server
            .send(pair.now, 5, 0, 2, Bytes::from(vec![round]))
            .unwrap();
        pair.flush();
        pair.relink(false);
        pair.run_ms(1 + u64::from(round) * 3); // at times before the welcome came
    }
    pair.run_ms(500);
    let got: Vec<u8> = messages_down(&pair);
    assert_eq!(got, (1..=20).collect::<Vec<u8>>());
    assert!(pair.server.is_ended().is_none());
}

#[test]
fn who_shows_another_token_or_comes_too_late_begins_anew() {
    let mut pair = Pair::joined();
    let claim = |token| ResumeClaim {
        token,
        rooms: vec![],
        received: vec![],
    };
    let hello = ClientFrame::Hello {
        version: PROTOCOL_VERSION,
        resume: Some(claim([8; 32])),
    };
    assert_eq!(ServerSession::claim(&hello.encode()), Some(claim([8; 32])));
    assert!(pair.server.may_resume(&[9; 32]) && !pair.server.may_resume(&[8; 32]));
    pair.server.link_lost(pair.now);
    assert!(pair.server.may_resume(&[9; 32]));
    pair.server
        .handle_timeout(pair.now.plus(Duration::from_secs(30)));
    assert!(!pair.server.may_resume(&[9; 32]), "the window has passed");
}

#[test]
fn a_claim_to_more_than_was_sent_is_a_violation() {
    let mut pair = Pair::joined();
    let claim = ResumeClaim {
        token: [9; 32],
        rooms: vec![],
        received: vec![(0, 1)],
    };
    pair.server.resume(pair.now, &claim, [10; 32]);
    assert!(pair.server.is_ended().is_some());
}

#[test]
fn a_refused_claim_is_told_with_what_was_lost() {
    let mut pair = Pair::joined();
    pair.client.send(5, 0, 1, b"one").unwrap();
    pair.server.link_lost(pair.now);
    let later = pair.now.plus(Duration::from_secs(31));
    pair.server = ServerSession::new(later, Default::default(), 43, [77; 32]);
    pair.now = later;
    pair.relink(false);
    pair.run_ms(100);
    let welcome = pair.seen.last();
    assert!(
        matches!(
            welcome,
            Some(ClientEvent::Welcome {
                resumed: false,
                lost: 1,
                ..
            })
        ),
        "{welcome:?}"
    );
    pair.client.attach(0, "/", b"{}", 0);
    pair.run_ms(100);
    pair.join(5);
}

fn messages_down(pair: &Pair) -> Vec<u8> {
    let payload = |event: &ClientEvent| match event {
        ClientEvent::Message { payload, .. } => Some(payload[0]),
        _ => None,
    };
    pair.seen.iter().filter_map(payload).collect()
}

fn messages_up(pair: &Pair) -> Vec<u8> {
    let payload = |event: &ServerEvent| match event {
        ServerEvent::Message { payload, .. } => Some(payload[0]),
        _ => None,
    };
    pair.heard.iter().filter_map(payload).collect()
}

proptest! {
    /// Messages and requests of both sides, whatever is cut and when, and whether the server noticed: exactly once, in order.
    #[test]
    fn everything_reliable_comes_once_and_in_order(steps in prop::collection::vec((0u8..7, 1u64..120), 1..80)) {
        let mut pair = Pair::joined();
        let (mut up, mut down, mut joins) = (0u8, 0u8, 100u32);
        for (step, ms) in steps {
            match step {
                0 | 1 => {
                    pair.client.send(5, 0, 1, &[up]).unwrap();
                    up += 1;
                }
                2 | 3 => {
                    pair.server.send(pair.now, 5, 0, 2, Bytes::from(vec![down])).unwrap();
                    down += 1;
                }
                4 if joins < 110 => {
                    pair.client.join(joins, 0, &JoinHow::Room { id: "r" }, 0);
                    joins += 1;
                }
                _ => pair.relink(step == 5),
            }
            pair.run_ms(ms);
        }
        pair.run_ms(3_000);
        prop_assert!(pair.server.is_ended().is_none(), "{:?}", pair.server.is_ended());
        prop_assert!(pair.client.is_ended().is_none(), "{:?}", pair.client.is_ended());
        prop_assert_eq!(messages_up(&pair), (0..up).collect::<Vec<u8>>());
        prop_assert_eq!(messages_down(&pair), (0..down).collect::<Vec<u8>>());
        for request in 100..joins {
            let wanted = pair.count_heard(|event| matches!(event, ServerEvent::JoinWanted { request: at, .. } if *at == request));
            let joined = ClientEvent::Joined(joined_info(request, request));
            prop_assert_eq!((wanted, pair.count_seen(|event| *event == joined)), (1, 1));
        }
        prop_assert_eq!(pair.server.backlog(), (0, 0));
        prop_assert_eq!(pair.client.backlog(), (0, 0));
    }
}
