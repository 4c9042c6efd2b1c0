//! A lost link and the session that goes on, or does not: rooms, views, messages, credentials and commands.

mod support;

use std::time::Duration;

use bytes::Bytes;
use support::{CHAT, Pair, ROOM, Truth};
use tickwire_client::{ClientEvent, RoomKey, SendError, State};
use tickwire_proto::{Tick, Time};
use tickwire_snapshot::{AreaEdit, OwnedRow};

fn count(pair: &Pair, wanted: &ClientEvent) -> usize {
    pair.count(|event| event == wanted)
}

fn joins(pair: &Pair) -> usize {
    pair.count(|event| matches!(event, ClientEvent::Joined { .. }))
}

fn in_a_room() -> (Truth, Pair, RoomKey) {
    let mut truth = Truth::new();
    truth.ball(10, 1, 0, 5.0);
    let (pair, room) = Pair::joined(&mut truth);
    (truth, pair, room)
}

#[test]
fn a_resumed_session_keeps_the_room_and_its_messages() {
    let (mut truth, mut pair, room) = in_a_room();
    pair.lose();
    assert!(matches!(pair.client.state(), State::Away { .. }));
    assert!(pair.client.is_joined(room), "the session may go on");
    pair.client.send(room, CHAT, b"up").unwrap();
    let (now, server) = (pair.now, pair.away.as_mut().unwrap());
    server
        .send(now, ROOM, 0, CHAT, Bytes::from_static(b"down"))
        .unwrap();
    pair.pass(Duration::from_millis(300));
    pair.resume();
    assert_eq!(pair.client.state(), &State::Online);
    assert_eq!(count(&pair, &ClientEvent::Resumed), 1);
    assert_eq!(count(&pair, &ClientEvent::RoomAway { room }), 0);
    assert_eq!((joins(&pair), pair.asked.len()), (1, 1));
    let down = pair
        .count(|event| matches!(event, ClientEvent::Message { room: Some(at), .. } if *at == room));
    assert_eq!((pair.heard.len(), down), (1, 1));
    truth.ball(20, 1, 0, 9.0);
    let update = truth.update(20);
    pair.deliver(Tick(20), update);
    assert_eq!(
        pair.client.view(room).unwrap().newest_tick(),
        Some(Tick(20))
    );
    assert_eq!(pair.keyframes, 0, "a delta to what is held");
}

#[test]
fn a_refused_claim_is_told_and_the_room_joined_again() {
    let (_, mut pair, room) = in_a_room();
    pair.cut();
    pair.client.send(room, CHAT, b"lost").unwrap();
    assert_eq!(count(&pair, &ClientEvent::RoomAway { room }), 0);
    pair.pass(Duration::from_secs(1));
    let before = pair.events.len();
    pair.connect();
    let told: Vec<&ClientEvent> = pair.events[before..].iter().take(3).collect();
    let expected = [
        &ClientEvent::RoomAway { room },
        &ClientEvent::Expired,
        &ClientEvent::MessagesLost { count: 1 },
    ];
    assert_eq!(told, expected);
    assert_eq!(count(&pair, &ClientEvent::Joined { room, again: true }), 1);
    assert_eq!(count(&pair, &ClientEvent::Resumed), 0);
}

#[test]
fn cut_before_the_attached_answer_credentials_go_once() {
    let mut pair = Pair::new();
    let room = pair.client.quick("balls", &[]);
    pair.open();
    pair.talk_up(); // the hello
    pair.talk_down(false);
    pair.talk_up(); // the credentials
    pair.talk_down(true);
    pair.lose();
    pair.resume();
    let attached = pair.count(|event| matches!(event, ClientEvent::Attached { .. }));
    assert_eq!((attached, pair.attaches), (1, 1));
    assert_eq!(pair.client.state(), &State::Online);
    assert!(pair.client.is_joined(room));
}

#[test]
fn cut_before_the_joined_answer_it_comes_once() {
    let mut pair = Pair::new();
    pair.connect();
    let room = pair.client.quick("balls", &[]);
    pair.talk_up();
    pair.talk_down(true);
    pair.lose();
    assert!(!pair.client.is_joined(room));
    pair.resume();
    assert!(pair.client.is_joined(room));
    assert_eq!((joins(&pair), pair.asked.len()), (1, 1));
}

/// One update a tick, with a command for each tick that wants one.
fn play(pair: &mut Pair, truth: &mut Truth, room: RoomKey, begun: Time, ticks: u32) {
    let record = truth.schema.command.clone().unwrap();
    for _ in 0..ticks {
        let tick = 11 + (pair.now.since(begun).as_micros() as u32 + 100) / 33_333;
        truth.ball(tick, 1, 0, f64::from(tick));
        let update = truth.update(tick);
        pair.deliver(Tick(tick), update);
        while let Some(wanted) = pair.client.command_tick(room, pair.now) {
            let row = OwnedRow::new(&record);
            pair.client.command(room, wanted, &row).unwrap();
        }
        pair.client.draw(room, pair.now);
        pair.pass(Duration::from_micros(33_333));
    }
}

#[test]
fn after_three_seconds_away_lead_and_delay_are_what_they_were() {
    let (mut truth, mut pair, room) = in_a_room();
    let begun = pair.now;
    play(&mut pair, &mut truth, room, begun, 450);
    let before = pair.client.figures(room, pair.now).unwrap();
    let drawn = pair.client.draw(room, pair.now).unwrap().tick();
    for away in [3_000, 600] {
        pair.lose();
        assert_eq!(pair.client.command_tick(room, pair.now), None);
        assert_eq!(pair.client.next_command(room), None);
        let row = OwnedRow::new(truth.schema.command.as_ref().unwrap());
        let refused = pair.client.command(room, Tick(1), &row);
        assert_eq!(refused, Err(SendError::NotYet(room)));
        pair.now = pair.now.plus(Duration::from_millis(away));
        pair.client.draw(room, pair.now);
        let sent = pair.commands.len();
        pair.resume();
        assert_eq!(pair.commands.len(), sent, "nothing stale is sent");
        play(&mut pair, &mut truth, room, begun, 1);
        assert!(pair.commands.len() - sent <= 4, "no storm");
        // A picture that fell behind by less than a second takes that back slowly: it does not jump.
        play(&mut pair, &mut truth, room, begun, 400);
        assert!(pair.client.draw(room, pair.now).unwrap().tick() > drawn);
    }
    let after = pair.client.figures(room, pair.now).unwrap();
    assert!((after.lead_ticks - before.lead_ticks).abs() < 1.0);
    assert!(
        (after.delay_ms - before.delay_ms).abs() < 34.0,
        "{before:?} {after:?}"
    );
    assert!(after.jitter_ms < 5.0 && after.faults == 0);
    assert!(after.commands_skipped > 60, "what was left out is counted");
}

#[test]
fn many_resumes_in_a_row_lose_nothing() {
    let (mut truth, mut pair, room) = in_a_room();
    for round in 1..=30u8 {
        pair.lose();
        pair.client.send(room, CHAT, &[round]).unwrap();
        pair.resume();
        let tick = 10 + u32::from(round);
        truth.ball(tick, 1, 0, f64::from(tick));
        let update = truth.update(tick);
        pair.deliver(Tick(tick), update);
    }
    let heard: Vec<u8> = pair.heard.iter().map(|payload| payload[0]).collect();
    assert_eq!(heard, (1..=30).collect::<Vec<u8>>());
    assert_eq!(count(&pair, &ClientEvent::Resumed), 30);
    assert_eq!((joins(&pair), pair.keyframes), (1, 0));
}

#[test]
fn who_closes_while_away_comes_back_with_a_new_session() {
    let (_, mut pair, _) = in_a_room();
    pair.lose();
    pair.client.close();
    let now = pair.now;
    pair.client.reconnect(now);
    pair.connect();
    assert_eq!(pair.client.state(), &State::Online);
    assert_eq!(count(&pair, &ClientEvent::Expired), 0);
    assert_eq!(pair.client.rooms().count(), 0);
}

/// A ball that moves at each of the server's ticks, of which the client hears what it is sent.
fn moved(pair: &mut Pair, truth: &mut Truth, tick: u32) {
    let (schema, area) = (truth.schema.clone(), truth.area.clone());
    let mut edit = AreaEdit::new(&area, Tick(tick), &schema);
    support::set_ball(&mut edit, &schema, 1, 0, f64::from(tick));
    truth.area = edit.finish().expect("it moved");
    let update = truth.update(tick);
    pair.deliver(Tick(tick), update);
}

#[test]
fn a_short_pause_is_no_jitter_to_a_view_that_is_young() {
    let (mut truth, mut pair, room) = in_a_room();
    let length = Duration::from_micros(33_333);
    for tick in 11..60 {
        pair.pass(length);
        moved(&mut pair, &mut truth, tick);
        pair.client.draw(room, pair.now);
    }
    let before = pair.client.figures(room, pair.now).unwrap().delay_ms;
    pair.lose();
    pair.now = pair.now.plus(15 * length);
    pair.resume();
    for tick in 75..280 {
        pair.pass(length);
        moved(&mut pair, &mut truth, tick);
        pair.client.draw(room, pair.now);
    }
    let after = pair.client.figures(room, pair.now).unwrap().delay_ms;
    assert!((after - before).abs() < 34.0, "{before} {after}");
}
