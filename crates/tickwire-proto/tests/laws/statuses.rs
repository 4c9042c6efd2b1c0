//! What a client says of itself: which word shows, when a passing one passes, and how often it may be said.

use crate::endings::attached;
use crate::links::{Pair, joined_info};
use std::time::Duration;
use tickwire_proto::frame::{ClientFrame, JoinHow, STATUS_MAX, ServerFrame, code};
use tickwire_proto::session::server::{
    FOLLOWS_AT_ONCE_MAX, FOLLOWS_PER_S_MAX, STATUS_MS_MAX, STATUSES_AT_ONCE_MAX, STATUSES_PER_S_MAX,
};
use tickwire_proto::{ClientEvent, ServerEvent, ServerSession, Time};

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
    shown(&mut server);
    server
}

fn say(server: &mut ServerSession, now: Time, room: u32, text: &str, expires_ms: u32) {
    let frame = ClientFrame::Status {
        room,
        text,
        expires_ms,
    };
    server.handle_frame(now, &frame.encode());
}

/// What has been told of statuses since the last time.
fn shown(server: &mut ServerSession) -> Vec<(u32, String)> {
    std::iter::from_fn(|| server.poll_event())
        .filter_map(|event| match event {
            ServerEvent::Status { room, text } => Some((room, text)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_passing_word_hides_the_standing_one_until_its_time_is_over() {
    let mut server = in_room();
    let word = |text: &str| vec![(1, text.to_owned())];
    say(&mut server, Time(0), 1, "in queue", 0);
    assert_eq!(shown(&mut server), word("in queue"));
    say(&mut server, Time(0), 1, "in queue", 0);
    assert_eq!(shown(&mut server), [], "that is no news");
    say(&mut server, Time(0), 1, "typing", 5_000);
    assert_eq!(shown(&mut server), word("typing"));
    say(&mut server, Time::from_millis(3_000), 1, "typing", 5_000);
    assert_eq!(
        server.next_timeout().map(|at| at.as_millis() < 8_000),
        Some(true)
    );
    server.handle_timeout(Time::from_millis(7_999));
    assert_eq!(shown(&mut server), [], "said again, it lasts longer");
    server.handle_timeout(Time::from_millis(8_000));
    assert_eq!(shown(&mut server), word("in queue"));
    say(&mut server, Time::from_millis(8_000), 1, "typing", 5_000);
    say(&mut server, Time::from_millis(8_100), 1, "", 1);
    let [typing, queue] = [word("typing"), word("in queue")].map(|mut word| word.remove(0));
    assert_eq!(shown(&mut server), [typing, queue], "done typing");
    say(&mut server, Time::from_millis(8_200), 1, "typing", 5_000);
    say(&mut server, Time::from_millis(8_300), 1, "", 0);
    server.handle_timeout(Time::from_millis(14_000));
    assert_eq!(
        shown(&mut server),
        [(1, "typing".to_owned()), (1, String::new())]
    );
}

#[test]
fn words_of_rooms_and_of_the_session_are_apart_and_pass_while_the_client_is_away() {
    let mut server = in_room();
    say(&mut server, Time(0), 0, "busy", 60_000);
    say(&mut server, Time(0), 1, "typing", 5_000);
    say(&mut server, Time(0), 9, "nowhere", 0);
    assert_eq!(
        shown(&mut server),
        [(0, "busy".to_owned()), (1, "typing".to_owned())]
    );
    assert_eq!(server.stats().frames_late, 1);
    server.link_lost(Time::from_millis(1_000));
    assert_eq!(server.next_timeout(), Some(Time::from_millis(5_000)));
    server.handle_timeout(Time::from_millis(5_000));
    assert_eq!(shown(&mut server), [(1, String::new())]);
    assert_eq!(
        server.next_timeout(),
        Some(Time::from_millis(31_000)),
        "the window"
    );
}

#[test]
fn the_longest_time_is_an_hour_and_the_longest_word_is_cut() {
    let mut server = in_room();
    say(&mut server, Time(0), 1, &"x".repeat(100), u32::MAX);
    assert_eq!(shown(&mut server), [(1, "x".repeat(STATUS_MAX))]);
    let end = Time::from_millis(u64::from(STATUS_MS_MAX));
    for ms in (0..end.as_millis()).step_by(10_000) {
        let now = Time::from_millis(ms);
        server.handle_frame(now, &ClientFrame::Ping { nonce: 1 }.encode());
        server.handle_timeout(now);
        while server.next(now, 1 << 16).is_some() {}
    }
    assert_eq!(shown(&mut server), []);
    server.handle_timeout(end);
    assert_eq!(shown(&mut server), [(1, String::new())]);
}

#[test]
fn statuses_a_second_are_limited_and_each_beyond_is_refused_by_name() {
    let mut server = in_room();
    while server.next(Time(0), 1 << 20).is_some() {}
    let all = STATUSES_AT_ONCE_MAX as u32 + 3;
    (0..all).for_each(|n| say(&mut server, Time(0), 1, &n.to_string(), 0));
    let told = shown(&mut server);
    assert_eq!(told.len() as u64, STATUSES_AT_ONCE_MAX);
    assert_eq!(server.stats().statuses_limited, 3);
    let frames: Vec<_> = std::iter::from_fn(|| server.next(Time(0), 1 << 20)).collect();
    let refused = frames.iter().filter(|out| {
        matches!(
            ServerFrame::decode(&out.head),
            Ok(ServerFrame::StatusRefused {
                room: 1,
                code: code::LIMIT,
                ..
            })
        )
    });
    assert_eq!(refused.count(), 3);
    assert!(server.is_ended().is_none());
    let second = Time::from_millis(1_000);
    (0..4).for_each(|n| say(&mut server, second, 1, &format!("later {n}"), 0));
    assert_eq!(shown(&mut server).len() as u64, STATUSES_PER_S_MAX);
}

#[test]
fn a_status_comes_once_over_links_that_are_lost() {
    let mut pair = Pair::joined();
    pair.client.status(5, "in queue", 0);
    pair.client.status(5, "typing", 5_000);
    pair.client.status(77, "not there", 0);
    pair.flush();
    pair.relink(true);
    pair.run_ms(200);
    let words: Vec<&str> = pair
        .heard
        .iter()
        .filter_map(|event| match event {
            ServerEvent::Status { room: 5, text } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(words, ["in queue", "typing"]);
    pair.run_until(pair.now.plus(Duration::from_millis(5_000)));
    assert_eq!(
        pair.heard.last(),
        Some(&ServerEvent::Status {
            room: 5,
            text: "in queue".to_owned()
        })
    );
    for n in 0..60 {
        pair.client.status(5, &n.to_string(), 0);
    }
    pair.run_ms(1_000);
    let refused = pair.count_seen(
        |event| matches!(event, ClientEvent::StatusRefused { room: 5, refusal } if refusal.code == code::LIMIT),
    );
    assert!((10..=25).contains(&refused), "{refused} of 60");
}

#[test]
fn identities_a_second_are_limited_and_those_beyond_are_refused_by_name() {
    let mut server = attached();
    let names: Vec<String> = (0..64).map(|n| format!("p{n}")).collect();
    let follow = ClientFrame::Follow {
        attachment: 0,
        add: names.iter().map(String::as_str).collect(),
        remove: vec![],
    };
    let all = FOLLOWS_AT_ONCE_MAX / 64;
    (0..all + 2).for_each(|_| server.handle_frame(Time(0), &follow.encode()));
    let elsewhere = ClientFrame::Follow {
        attachment: 5,
        add: vec!["ann"],
        remove: vec![],
    };
    server.handle_frame(Time(0), &elsewhere.encode());
    let done = ClientFrame::NoticesDone {
        attachment: 5,
        cursors: vec![1],
    };
    server.handle_frame(Time(0), &done.encode());
    let events: Vec<_> = std::iter::from_fn(|| server.poll_event()).collect();
    let asked = events.iter().filter(
        |event| matches!(event, ServerEvent::Follow { attachment: 0, add, .. } if add.len() == 64),
    );
    assert_eq!((asked.count() as u64, events.len() as u64), (all, all));
    let stats = server.stats();
    assert_eq!((stats.follows_limited, stats.frames_late), (128, 2));
    let frames: Vec<_> = std::iter::from_fn(|| server.next(Time(0), 1 << 20)).collect();
    let refused = frames.iter().filter(|out| {
        matches!(
            ServerFrame::decode(&out.head),
            Ok(ServerFrame::FollowRefused {
                attachment: 0,
                code: code::LIMIT,
                ..
            })
        )
    });
    assert_eq!(refused.count(), 2);
    let second = Time::from_millis(1_000 * 64 / FOLLOWS_PER_S_MAX);
    server.handle_frame(second, &follow.encode());
    assert!(matches!(
        server.poll_event(),
        Some(ServerEvent::Follow { .. })
    ));
}
