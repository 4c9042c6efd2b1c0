//! Every way a session ends: who is told what, when, and what still goes before it.

use crate::links::Pair;
use bytes::Bytes;
use tickwire_proto::frame::{ClientFrame, Identity, Limits, Refusal, ServerFrame};
use tickwire_proto::session::server::{ATTACH_REFUSALS_MAX, AUTH_MS_MAX};
use tickwire_proto::{
    ClientEvent, Ending, Reason, Retry, SendError, ServerEvent, ServerSession, SessionConfig, Time,
};

pub fn hello() -> Bytes {
    ClientFrame::Hello {
        version: 1,
        resume: None,
    }
    .encode()
}

pub fn attach(attachment: u8, namespace: &str) -> Bytes {
    ClientFrame::Attach {
        attachment,
        namespace,
        credentials: b"",
        messages_hash: 0,
    }
    .encode()
}

pub fn fresh() -> ServerSession {
    ServerSession::new(Time(0), SessionConfig::default(), 1, [1; 32])
}

/// Attached, and in no room.
pub fn attached() -> ServerSession {
    let mut server = fresh();
    server.handle_frame(Time(0), &hello());
    server.handle_frame(Time(0), &attach(0, "/"));
    server.attach_done(Time(0), 0, Ok(Identity::new("ann")));
    while server.poll_event().is_some() || server.next(Time(0), 9999).is_some() {}
    server
}

/// The reason and text of an ending that must be there.
pub fn ended(server: &ServerSession) -> (Reason, String) {
    let ending = server.is_ended().expect("the session has ended");
    (ending.reason, ending.message.clone())
}

fn last_frame(server: &mut ServerSession, now: Time) -> Bytes {
    let mut last = Bytes::new();
    while let Some(out) = server.next(now, 100_000) {
        last = out.head;
    }
    last
}

#[test]
fn no_hello_and_no_credentials_are_refused_at_three_seconds() {
    let mut silent = fresh();
    let mut greets = fresh();
    greets.handle_frame(Time(0), &hello());
    for server in [&mut silent, &mut greets] {
        server.handle_timeout(Time::from_millis(2999));
        assert_eq!(server.is_ended(), None);
        server.handle_timeout(Time::from_millis(3000));
        assert_eq!(ended(server).0, Reason::Refused);
        assert_eq!(server.is_ended().unwrap().reason.close_code(), 4401);
        let frame = last_frame(server, Time::from_millis(3000));
        assert!(matches!(
            ServerFrame::decode(&frame),
            Ok(ServerFrame::Ending {
                reason: Reason::Refused,
                retry: Retry::After { ms: 1_000 },
                ..
            })
        ));
        assert!(server.is_finished());
        assert_eq!(server.next_timeout(), None);
    }
    assert!(ended(&silent).1.starts_with("no hello within 3000 ms"));
    assert!(
        ended(&greets)
            .1
            .starts_with("no accepted credentials within 3000 ms")
    );
}

#[test]
fn credentials_in_time_may_be_checked_for_ten_seconds() {
    let mut server = fresh();
    server.handle_frame(Time(0), &hello());
    server.handle_frame(Time::from_millis(2000), &attach(0, "/"));
    server.handle_timeout(Time::from_millis(3000));
    assert_eq!(server.is_ended(), None);
    server.handle_frame(
        Time::from_millis(11_000),
        &ClientFrame::Ping { nonce: 1 }.encode(),
    );
    server.handle_timeout(Time::from_millis(2000 + AUTH_MS_MAX));
    assert_eq!(ended(&server).0, Reason::Refused);
    assert!(ended(&server).1.contains("could not be checked"));
}

#[test]
fn refused_credentials_leave_what_is_left_of_the_three_seconds() {
    let mut server = fresh();
    server.handle_frame(Time(0), &hello());
    server.handle_frame(Time(0), &attach(0, "/"));
    server.attach_done(
        Time::from_millis(500),
        0,
        Err(Refusal::new("Refused", "wrong password")),
    );
    assert_eq!(
        server.next_timeout(),
        Some(Time::from_millis(3000)).min(server.next_timeout())
    );
    server.handle_timeout(Time::from_millis(2999));
    assert_eq!(server.is_ended(), None);
    server.handle_timeout(Time::from_millis(3000));
    assert_eq!(ended(&server).0, Reason::Refused);
}

#[test]
fn guessing_ends_after_eight_refusals_and_each_is_told() {
    let mut server = fresh();
    server.handle_frame(Time(0), &hello());
    for _ in 0..ATTACH_REFUSALS_MAX {
        assert_eq!(server.is_ended(), None);
        server.handle_frame(Time(0), &attach(0, "/"));
        server.attach_done(Time(0), 0, Err(Refusal::new("Refused", "wrong password")));
    }
    assert_eq!(ended(&server).0, Reason::Refused);
    let frames: Vec<Bytes> = std::iter::from_fn(|| server.next(Time(0), 100_000))
        .map(|out| out.head)
        .collect();
    let refusals = frames
        .iter()
        .filter(|f| {
            matches!(
                ServerFrame::decode(f),
                Ok(ServerFrame::AttachRefused { .. })
            )
        })
        .count();
    assert_eq!(refusals as u32, ATTACH_REFUSALS_MAX);
    assert!(matches!(
        ServerFrame::decode(frames.last().unwrap()),
        Ok(ServerFrame::Ending { .. })
    ));
}

#[test]
fn giving_up_the_last_attachment_starts_the_three_seconds_anew() {
    let mut server = attached();
    let now = Time::from_millis(60_000);
    server.handle_frame(now, &ClientFrame::Detach { attachment: 0 }.encode());
    server.handle_timeout(Time::from_millis(62_999));
    assert_eq!(server.is_ended(), None);
    server.handle_timeout(Time::from_millis(63_000));
    assert_eq!(ended(&server).0, Reason::Refused);
}

#[test]
fn another_version_is_told_whatever_its_hello_looks_like() {
    for rest in [&b""[..], &[0], &[9, 9, 9, 9]] {
        let mut server = fresh();
        server.handle_frame(Time(0), &[&[1, 2, 0], rest].concat());
        assert_eq!(ended(&server).0, Reason::Version);
        let text = "Version: the client speaks protocol 2, the server 1. Reload the page, or rebuild the client with the server's release.";
        assert_eq!(ended(&server).1, text);
        assert_eq!(server.is_ended().unwrap().retry, Retry::Reload);
        assert_eq!(server.is_ended().unwrap().reason.close_code(), 4400);
    }
}

#[test]
fn frames_before_their_time_are_violations() {
    let text = |frames: &[Bytes]| {
        let mut server = fresh();
        frames
            .iter()
            .for_each(|frame| server.handle_frame(Time(0), frame));
        assert_eq!(ended(&server).0, Reason::Violation);
        assert_eq!(server.is_ended().unwrap().reason.close_code(), 1008);
        ended(&server).1
    };
    let leave = ClientFrame::Leave { room: 1 }.encode();
    assert_eq!(text(&[attach(0, "/")]), "Attach frame before the hello");
    assert_eq!(text(&[hello(), hello()]), "a second hello on the same link");
    assert_eq!(
        text(&[hello(), leave.clone()]),
        "Leave frame before an accepted attach"
    );
    assert_eq!(
        text(&[hello(), attach(0, "/"), leave]),
        "Leave frame before an accepted attach"
    );
    assert_eq!(
        text(&[hello(), attach(0, "/"), attach(0, "/b")]),
        "Attach frame: attachment 0 is in use"
    );
    assert_eq!(
        text(&[hello(), attach(0, "/"), attach(1, "/")]),
        "Attach frame: a second attachment to namespace \"/\""
    );
    assert_eq!(
        text(&[hello(), Bytes::new()]),
        "empty frame: frame kind at byte 0: the input ends here"
    );
    assert_eq!(
        text(&[hello(), Bytes::from_static(&[0x77])]),
        "unknown frame: frame kind at byte 0: 119 has no meaning here"
    );
    assert_eq!(
        text(&[Bytes::from_static(&[0x01, 0x01])]),
        "Hello frame: version at byte 1: the input ends here"
    );
}

#[test]
fn a_kick_comes_after_what_was_said_before_it() {
    let mut pair = Pair::joined();
    pair.server
        .send(pair.now, 5, 0, 1, Bytes::from_static(b"you idle"))
        .unwrap();
    pair.update(5, 101);
    pair.server
        .end(pair.now, Reason::Kicked, Retry::Never, "afk");
    pair.server
        .end(pair.now, Reason::Banned, Retry::Never, "the first counts");
    assert_eq!(
        pair.server.send(pair.now, 5, 0, 1, Bytes::new()),
        Err(SendError::Ended)
    );
    assert!(pair.server.is_ended().is_some() && !pair.server.is_finished());
    pair.run_ms(50);
    let tail = &pair.seen[pair.seen.len() - 2..];
    assert!(
        matches!(&tail[0], ClientEvent::Message { payload, .. } if &payload[..] == b"you idle")
    );
    assert_eq!(
        tail[1],
        ClientEvent::Ended(Ending::new(Reason::Kicked, "afk"))
    );
    assert!(pair.server.is_finished() && pair.client.is_finished());
    assert_eq!(pair.server.stats().updates_dropped, 1);
    assert_eq!(
        pair.heard.last(),
        Some(&ServerEvent::Ended(Ending::new(Reason::Kicked, "afk")))
    );
}

#[test]
fn who_breaks_the_rules_gets_nothing_more_but_the_reason() {
    let mut server = attached();
    server
        .send(Time(0), 0, 0, 1, Bytes::from_static(b"waits"))
        .unwrap();
    server.handle_frame(Time(0), &[0x77]);
    let frames: Vec<Bytes> = std::iter::from_fn(|| server.next(Time(0), 9999))
        .map(|out| out.head)
        .collect();
    assert_eq!(frames.len(), 1);
    assert!(matches!(
        ServerFrame::decode(&frames[0]),
        Ok(ServerFrame::Ending {
            reason: Reason::Violation,
            ..
        })
    ));
    assert_eq!(server.stats().reliable_lost, 1);
}

#[test]
fn goodbye_sends_what_waits_and_ends_both() {
    let mut pair = Pair::joined();
    pair.client.send(5, 0, 1, b"bye all").unwrap();
    pair.client.bye();
    assert_eq!(pair.client.send(5, 0, 1, b""), Err(SendError::Ended));
    pair.run_ms(100);
    assert_eq!(
        pair.count_heard(|e| matches!(e, ServerEvent::Message { .. })),
        1
    );
    assert_eq!(
        pair.heard.last(),
        Some(&ServerEvent::Ended(Ending::new(
            Reason::Left,
            "the client said goodbye"
        )))
    );
    assert!(matches!(
        pair.seen.last(),
        Some(ClientEvent::Ended(Ending {
            reason: Reason::Left,
            ..
        }))
    ));
    assert!(pair.client.is_finished() && pair.server.is_finished());
}

#[test]
fn nothing_is_heard_after_the_end() {
    let mut server = attached();
    server.end(
        Time(0),
        Reason::Restarting,
        Retry::After { ms: 500 },
        "new release",
    );
    server.handle_frame(
        Time(0),
        &ClientFrame::Message {
            room: 0,
            channel: 0,
            kind: 1,
            payload: b"",
        }
        .encode(),
    );
    server.handle_frame(Time(0), &[0xff]);
    server.handle_timeout(Time::from_millis(99_999));
    assert!(matches!(server.poll_event(), Some(ServerEvent::Ended(_))));
    assert_eq!(server.poll_event(), None);
    assert_eq!(server.stats().frames_after_end, 2);
    assert_eq!(ended(&server).0, Reason::Restarting);
}

#[test]
fn a_lost_link_ends_the_session_or_opens_the_window() {
    let limits = Limits {
        resume_window_ms: 0,
        ..Limits::default()
    };
    let cfg = SessionConfig {
        limits,
        ..SessionConfig::default()
    };
    let mut server = Pair::attached(cfg).server;
    server.link_lost(Time(5));
    assert_eq!(
        ended(&server),
        (Reason::Expired, "the link was lost".into())
    );
    assert!(server.is_finished(), "nobody is there to be told");
    assert_eq!(server.next(Time(5), 1000), None);

    let mut pair = Pair::joined();
    pair.update(5, 101);
    pair.server.link_lost(pair.now);
    assert_eq!(pair.server.next(pair.now, 9999), None);
    assert_eq!(pair.server.stats().updates_dropped, 1);
    assert_eq!(
        pair.server.send_volatile(pair.now, 0, 0, 1, Bytes::new()),
        Err(SendError::Full)
    );
    pair.server
        .send(pair.now, 0, 0, 1, Bytes::new())
        .expect("it waits for the resume");
    let until = pair.server.next_timeout().unwrap();
    assert_eq!(until.since(pair.now).as_millis(), 30_000);
    pair.server.handle_timeout(until);
    assert_eq!(ended(&pair.server).0, Reason::Expired);
    assert_eq!(pair.server.stats().reliable_lost, 1);
    let events: Vec<_> = std::iter::from_fn(|| pair.server.poll_event()).collect();
    assert!(
        matches!(events[..], [ServerEvent::LinkLost, ServerEvent::Ended(_)]),
        "{events:?}"
    );
}

#[test]
fn a_server_that_breaks_the_rules_ends_the_session_for_the_client() {
    let welcome = |pair: &mut Pair| pair.run_ms(50);
    for (bad, text) in [
        (
            Bytes::from_static(&[0x4e, 1, 9, 0]),
            "from the server: RoomEnded frame: room end at byte 2: 9 has no meaning here",
        ),
        (
            ServerFrame::Welcome {
                session: 1,
                token: [0; 32],
                limits: Limits::default(),
                resumed: None,
            }
            .encode(),
            "from the server: a second welcome",
        ),
    ] {
        let mut pair = Pair::new(SessionConfig::default());
        welcome(&mut pair);
        pair.client.handle_frame(pair.now, &bad);
        assert_eq!(
            pair.client
                .is_ended()
                .map(|e| (e.reason, e.message.as_str())),
            Some((Reason::Violation, text))
        );
        assert_eq!(
            pair.client.next(pair.now, 100),
            Some(ClientFrame::Bye.encode())
        );
        assert!(pair.client.is_finished());
    }
    let mut pair = Pair::new(SessionConfig::default());
    pair.client
        .handle_frame(pair.now, &ServerFrame::Ping { nonce: 1 }.encode());
    assert_eq!(
        pair.client.is_ended().unwrap().message,
        "from the server: Ping frame before the welcome"
    );
}
