//! Receipts and heartbeats in virtual time: when they go, with what, and what comes of them.

use crate::endings::{attached, ended};
use crate::links::{Pair, joined_info, update_frames};
use bytes::Bytes;
use std::time::Duration;
use tickwire_proto::frame::{ClientFrame, Holding, JoinHow, Limits, ServerFrame};
use tickwire_proto::session::outbox::UNTOLD_MAX;
use tickwire_proto::session::{BOGUS_RECEIPTS_MAX, RECEIPTS_ALONE_MS};
use tickwire_proto::{ClientEvent, Reason, ServerEvent, ServerSession, SessionConfig, Tick, Time};

fn names_after(pair: &Pair, from: Time) -> Vec<&'static str> {
    pair.sent_up
        .iter()
        .filter(|(at, name)| *at > from && !matches!(*name, "Ping" | "Pong"))
        .map(|(_, name)| *name)
        .collect()
}

#[test]
fn a_command_is_the_receipt_of_its_room() {
    let mut pair = Pair::joined();
    pair.run_ms(3000);
    let start = pair.now;
    for tick in 101..160 {
        pair.update(5, tick);
        pair.run_ms(20);
        assert!(pair.client.command(5, Tick(tick + 3), b"go"));
        pair.run_ms(13);
    }
    // The first update came after a silence, so its receipt went alone.
    let names = names_after(&pair, start);
    assert_eq!(
        names.iter().filter(|name| **name == "Receipts").count(),
        1,
        "{names:?}"
    );
    assert_eq!(names.iter().filter(|name| **name == "Command").count(), 59);
    pair.run_ms(100);
    let held = pair.heard.iter().filter_map(|e| {
        if let ServerEvent::Held { room: 5, held } = e {
            Some(held.newest.0)
        } else {
            None
        }
    });
    let held: Vec<u32> = held.collect();
    assert!(
        held.is_sorted() && held.len() >= 58 && *held.last().unwrap() >= 158,
        "{held:?}"
    );
}

#[test]
fn receipts_go_alone_on_arrival_and_at_most_every_125_ms() {
    let mut pair = Pair::joined();
    pair.run_ms(4000);
    let start = pair.now;
    for tick in 0..300 {
        pair.update(5, 101 + tick);
        pair.run_ms(10);
    }
    let alone: Vec<Time> = pair
        .sent_up
        .iter()
        .filter(|(at, name)| *at > start && *name == "Receipts")
        .map(|(at, _)| *at)
        .collect();
    assert!(alone.len() >= 20, "{} in three seconds", alone.len());
    assert!(
        alone
            .windows(2)
            .all(|pair| pair[1].since(pair[0]).as_millis() as u64 >= RECEIPTS_ALONE_MS)
    );
    let quiet = pair.now.plus(Duration::from_millis(100));
    pair.run_until(quiet);
    pair.run_ms(20_000);
    assert!(
        names_after(&pair, quiet).len() <= 1,
        "no timer sends receipts; the last rode on a heartbeat"
    );
}

/// A pong said just before an update came must not make its receipt wait for the arrival after the next.
#[test]
fn a_pong_is_no_receipt() {
    let mut pair = Pair::joined();
    pair.run_ms(4000);
    pair.client
        .handle_frame(pair.now, &ServerFrame::Ping { nonce: 7 }.encode());
    pair.run_ms(60);
    pair.update(5, 101);
    pair.run_ms(60);
    let held = ServerEvent::Held {
        room: 5,
        held: Holding::of(Tick(101)),
    };
    assert_eq!(pair.count_heard(|e| *e == held), 1);
}

/// After a stall several updates come at once and only the first is told; the room, whose window is full, sends nothing
/// but a tick frame now and then. That must be enough.
#[test]
fn whatever_arrives_lets_receipts_go() {
    let mut pair = Pair::joined();
    pair.run_ms(4000);
    let until = pair.now.plus(Duration::from_millis(700));
    pair.stalls = vec![(pair.now, until)];
    for tick in 101..110 {
        pair.update(5, tick);
        pair.run_ms(10);
    }
    pair.run_until(until.plus(Duration::from_millis(130)));
    assert!(
        pair.count_heard(|e| *e
            == ServerEvent::Held {
                room: 5,
                held: Holding::of(Tick(109))
            })
            == 0,
        "only the first was told"
    );
    let alone = ServerFrame::TickFrame {
        room: 5,
        tick: Tick(120),
        applied: None,
        slack: 0,
        stamp: None,
        own: tickwire_proto::frame::OwnTold::Nothing,
        alone: false,
    }
    .encode();
    pair.server.update(5, Tick(120), alone, None);
    pair.run_ms(50);
    assert_eq!(
        pair.count_heard(|e| *e
            == ServerEvent::Held {
                room: 5,
                held: Holding::of(Tick(109))
            }),
        1
    );
}

#[test]
fn messages_are_kept_until_they_are_received() {
    let mut pair = Pair::joined();
    pair.run_ms(4000);
    let now = pair.now;
    for _ in 0..10 {
        pair.server
            .send(now, 5, 0, 1, Bytes::from_static(b"0123456789"))
            .unwrap();
    }
    pair.server
        .send(now, 5, 3, 1, Bytes::from_static(b"another channel"))
        .unwrap();
    pair.run_ms(10);
    assert_eq!(pair.server.backlog().0, 11, "on their way");
    pair.run_ms(40);
    assert_eq!(
        pair.server.backlog().0,
        10,
        "the first arrival let its receipt go alone"
    );
    pair.run_ms(6000);
    assert_eq!(
        pair.server.backlog(),
        (0, 0),
        "the others rode on a heartbeat"
    );
    for _ in 0..UNTOLD_MAX * 3 + 1 {
        pair.server
            .send(pair.now, 5, 0, 1, Bytes::from_static(b"x"))
            .unwrap();
        pair.run_ms(1);
    }
    pair.run_ms(50);
    assert!(
        pair.server.backlog().0 <= UNTOLD_MAX as usize,
        "{:?}",
        pair.server.backlog()
    );
    pair.run_ms(6000);
    assert_eq!(
        pair.server.backlog(),
        (0, 0),
        "the rest rode on a heartbeat"
    );
    assert_eq!(
        pair.client.stats().receipts_bogus + pair.server.stats().receipts_bogus,
        0
    );
}

fn in_room() -> ServerSession {
    let mut server = attached();
    let join = ClientFrame::Join {
        request: 1,
        attachment: 0,
        how: JoinHow::Room { id: "r" },
        schema_hash: 0,
    };
    server.handle_frame(Time(0), &join.encode());
    server.joined(Time(0), joined_info(1, 1));
    for tick in [10, 20] {
        let (private, shared) = update_frames(1, tick);
        server.update(1, Tick(tick), private, Some(shared));
        while server.next(Time(0), 9999).is_some() {}
    }
    while server.poll_event().is_some() {}
    server
}

#[test]
fn receipts_for_what_was_never_sent_are_borne_sixteen_times() {
    let bogus: [ClientFrame<'_>; 3] = [
        ClientFrame::Receipts {
            received: vec![(0, 1)],
            held: vec![],
        },
        ClientFrame::Receipts {
            received: vec![],
            held: vec![(1, Tick(21))],
        },
        ClientFrame::Command {
            room: 1,
            held: Tick(u32::MAX),
            tick: Tick(22),
            shown: None,
            said: None,
            payload: b"",
        },
    ];
    for frame in bogus {
        let mut server = in_room();
        for _ in 0..BOGUS_RECEIPTS_MAX {
            server.handle_frame(Time(0), &frame.encode());
            assert_eq!(server.is_ended(), None);
        }
        let events: Vec<_> = std::iter::from_fn(|| server.poll_event()).collect();
        assert!(
            events.iter().all(|e| matches!(
                e,
                ServerEvent::Command {
                    held: Holding {
                        newest: Tick(0),
                        ..
                    },
                    ..
                }
            )),
            "the receipt is ignored: {events:?}"
        );
        server.handle_frame(Time(0), &frame.encode());
        assert_eq!(ended(&server).0, Reason::Violation);
        assert!(
            ended(&server)
                .1
                .starts_with("more than 16 receipts for what was never sent, the last: ")
        );
        assert_eq!(server.stats().receipts_bogus, BOGUS_RECEIPTS_MAX + 1);
    }
}

#[test]
fn receipts_that_go_backwards_are_counted_and_change_nothing() {
    let mut server = in_room();
    let held = |tick| {
        ClientFrame::Receipts {
            received: vec![],
            held: vec![(1, Tick(tick)), (9, Tick(3))],
        }
        .encode()
    };
    for tick in [20, 10, 0, 20] {
        server.handle_frame(Time(0), &held(tick));
    }
    let events: Vec<_> = std::iter::from_fn(|| server.poll_event()).collect();
    assert_eq!(
        events,
        [ServerEvent::Held {
            room: 1,
            held: Holding::of(Tick(20))
        }]
    );
    let stats = server.stats();
    assert_eq!(
        (stats.receipts_stale, stats.frames_late, server.is_ended()),
        (2, 4, None)
    );
}

#[test]
fn an_update_that_waits_is_not_yet_sent() {
    let mut server = in_room();
    let (private, shared) = update_frames(1, 30);
    server.update(1, Tick(30), private, Some(shared));
    server.handle_frame(
        Time(0),
        &ClientFrame::Receipts {
            received: vec![],
            held: vec![(1, Tick(30))],
        }
        .encode(),
    );
    assert_eq!(server.stats().receipts_bogus, 1);
}

#[test]
fn both_sides_know_the_round_trip_and_go_on_knowing() {
    let mut pair = Pair::attached(SessionConfig::default());
    pair.run_ms(4500);
    for rtt in [pair.client.rtt(), pair.server.rtt()] {
        assert_eq!(
            (rtt.samples, rtt.latest.as_millis(), rtt.least.as_millis()),
            (4, 40, 40)
        );
    }
    pair.delay = Duration::from_millis(150);
    pair.run_ms(90_000);
    for rtt in [pair.client.rtt(), pair.server.rtt()] {
        assert_eq!(
            (rtt.latest.as_millis(), rtt.least.as_millis()),
            (300, 300),
            "the least of the last minute"
        );
        assert!(rtt.smoothed.as_millis() > 250 && rtt.variation.as_millis() < 50);
    }
    let (client, server) = (pair.client.stats(), pair.server.stats());
    assert_eq!(
        client.pongs_unasked + server.pongs_unasked + client.pings_replaced + server.pings_replaced,
        0
    );
    assert!(
        server.frames_out < 60,
        "{} frames in 94 idle seconds",
        server.frames_out
    );
}

#[test]
fn a_silent_link_is_dead_on_both_sides_within_fifteen_seconds() {
    let mut pair = Pair::joined();
    pair.run_ms(60_000);
    let cut_at = pair.now;
    pair.cut = true;
    while !pair.heard.contains(&ServerEvent::LinkLost)
        || !pair.seen.contains(&ClientEvent::LinkDead)
    {
        pair.run_ms(100);
        assert!(
            pair.now.since(cut_at).as_millis() <= 15_000,
            "still alive after 15 s"
        );
    }
    assert!(
        pair.now.since(cut_at).as_millis() > 9000,
        "a heartbeat or two may be lost"
    );
    assert_eq!(pair.count_seen(|e| *e == ClientEvent::LinkDead), 1);
    assert_eq!(
        pair.client.is_ended(),
        None,
        "a client waits for the next link"
    );
}

#[test]
fn a_client_whose_timers_sleep_stays_alive_by_answering() {
    let mut pair = Pair::joined();
    for _ in 0..600 {
        // As a page that is hidden: frames are answered when they come, timers do not run.
        let next = pair.server.next_timeout().unwrap();
        pair.now = pair.now.max(next);
        pair.server.handle_timeout(pair.now);
        while let Some(out) = pair.server.next(pair.now, 9999) {
            pair.client.handle_frame(pair.now, &out.head);
        }
        while let Some(frame) = pair.client.next(pair.now, 9999) {
            pair.server.handle_frame(pair.now, &frame);
        }
    }
    assert!(pair.now > Time::from_millis(1_000_000 + 600_000));
    assert_eq!(pair.server.is_ended(), None);
    pair.client.handle_timeout(pair.now);
    assert!(!std::iter::from_fn(|| pair.client.poll_event()).any(|e| e == ClientEvent::LinkDead));
}

#[test]
fn a_server_that_never_answers_the_hello_is_a_dead_link() {
    let mut pair = Pair::new(SessionConfig::default());
    pair.cut = true;
    let at = pair.client.next_timeout().unwrap();
    assert_eq!(at.since(pair.now).as_millis(), 15_000);
    pair.client.handle_timeout(at);
    assert_eq!(pair.client.poll_event(), Some(ClientEvent::LinkDead));
    assert_eq!(pair.client.next_timeout(), None);
}

#[test]
fn pongs_that_answer_nothing_are_counted() {
    let mut server = attached();
    (0..5).for_each(|nonce| server.handle_frame(Time(0), &ClientFrame::Pong { nonce }.encode()));
    assert_eq!((server.stats().pongs_unasked, server.rtt().samples), (5, 0));
}

#[test]
fn limits_of_the_welcome_are_those_that_the_client_goes_by() {
    let limits = Limits {
        message_max: 100,
        heartbeat_ms: 1000,
        dead_ms: 3000,
        ..Limits::default()
    };
    let mut pair = Pair::attached(SessionConfig {
        limits,
        ..SessionConfig::default()
    });
    assert_eq!(pair.client.limits(), limits);
    assert!(pair.client.send(0, 0, 1, &[0; 101]).is_err());
    pair.cut = true;
    pair.run_ms(3000);
    assert!(pair.seen.contains(&ClientEvent::LinkDead));
    let told = ServerFrame::Welcome {
        session: 1,
        token: [0; 32],
        limits,
        resumed: None,
    }
    .encode();
    assert!(
        matches!(ServerFrame::decode(&told), Ok(ServerFrame::Welcome { limits: back, .. }) if back == limits)
    );
}
