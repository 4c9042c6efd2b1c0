//! What a client says of itself: paced, newest first, said again in a new session; typing by the key.

mod support;

use std::time::Duration;

use support::{Pair, Truth};
use tickwire_client::{ClientEvent, RoomKey, SendError};

const FOR_GOOD: Duration = Duration::ZERO;

fn in_a_room() -> (Pair, RoomKey) {
    let mut truth = Truth::new();
    truth.ball(10, 1, 0, 5.0);
    Pair::joined(&mut truth)
}

fn refused(pair: &Pair) -> usize {
    pair.count(|event| matches!(event, ClientEvent::StatusRefused { .. }))
}

#[test]
fn the_newest_word_goes_at_the_pace_that_the_server_takes() {
    let (mut pair, room) = in_a_room();
    for n in 0..3_000 {
        pair.client
            .status(Some(room), &n.to_string(), FOR_GOOD)
            .unwrap();
        pair.pass(Duration::from_millis(10));
    }
    pair.pass(Duration::from_millis(600));
    assert_eq!(pair.statuses.last(), Some(&(42, "2999".to_owned())));
    assert!((55..=70).contains(&pair.statuses.len()), "in 30 s");
    assert_eq!(refused(&pair), 0);
    pair.client.status(Some(room), "2999", FOR_GOOD).unwrap();
    assert_eq!(pair.client.next(pair.now, 1 << 20), None, "no news");
}

#[test]
fn typing_is_said_by_the_key_and_passes() {
    let (mut pair, room) = in_a_room();
    pair.client.status(Some(room), "ready", FOR_GOOD).unwrap();
    for _ in 0..100 {
        pair.client.typing(room, true).unwrap();
        pair.pass(Duration::from_millis(100));
    }
    let words = |pair: &Pair| {
        let words = pair.statuses.iter().map(|(_, text)| text.clone());
        words.collect::<Vec<String>>()
    };
    assert_eq!(words(&pair), ["ready", "typing"], "ten seconds of keys");
    assert!(pair.frames_up <= 12, "{} for 100 keys", pair.frames_up);
    pair.client.typing(room, false).unwrap();
    pair.pass(Duration::from_millis(100));
    assert_eq!(words(&pair), ["ready", "typing", "ready"]);
    pair.client.typing(room, true).unwrap();
    pair.pass(Duration::from_millis(100));
    pair.pass(Duration::from_millis(5_000));
    assert_eq!(words(&pair).len(), 5, "it passed by itself");
}

#[test]
fn a_word_for_good_waits_for_the_room_and_is_said_again_in_a_new_session() {
    let mut pair = Pair::new();
    let room = pair.client.quick("balls", &[]);
    pair.client.status(Some(room), "ready", FOR_GOOD).unwrap();
    pair.client.status(None, "at home", FOR_GOOD).unwrap();
    let passing = pair
        .client
        .status(Some(room), "back soon", Duration::from_secs(60));
    assert_eq!(passing, Err(SendError::NotOnline));
    assert_eq!(pair.client.typing(room, true), Err(SendError::NotOnline));
    pair.connect();
    pair.talk();
    let both = [(0, "at home".to_owned()), (42, "ready".to_owned())];
    assert_eq!(pair.statuses, both);
    pair.lose();
    pair.resume();
    assert_eq!(pair.statuses, both, "the session knows it");
    pair.cut();
    pair.pass(Duration::from_secs(1));
    pair.connect();
    pair.pass(Duration::from_secs(1));
    assert_eq!(pair.statuses, [both.clone(), both].concat());
    pair.client.leave(room);
    let gone = pair.client.status(Some(room), "x", FOR_GOOD);
    assert_eq!(gone, Err(SendError::NotJoined(room)));
}
