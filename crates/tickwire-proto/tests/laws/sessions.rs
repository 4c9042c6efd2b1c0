//! Hello, attach, join, talk and leave, as they go when all is well, and what is late without anybody's fault.

use crate::links::{Pair, joined_info, update_frames};
use bytes::Bytes;
use std::time::Duration;
use tickwire_proto::frame::{
    Identity, JoinHow, JoinHowOwned, LeaveReason, MemberChangeOwned, Refusal, RoomEnd, code,
};
use tickwire_proto::{ClientEvent, SendError, ServerEvent, SessionConfig, Tick};

#[test]
fn hello_attach_join_take_two_round_trips() {
    let mut pair = Pair::new(SessionConfig::default());
    let start = pair.now;
    pair.client.attach(0, "/", b"{\"guest\":\"Ann\"}", 77);
    pair.client.join(
        5,
        0,
        &JoinHow::Quick {
            kind: "arena",
            attributes: vec![("mode", "ffa")],
        },
        8,
    );
    pair.run_until(start.plus(Duration::from_millis(80)));
    assert!(matches!(
        &pair.seen[0],
        ClientEvent::Welcome {
            session: 42,
            resumed: false,
            lost: 0,
            ..
        }
    ));
    assert_eq!(
        pair.seen[1],
        ClientEvent::Attached {
            attachment: 0,
            identity: "ann".into(),
            schema: None,
        }
    );
    assert_eq!(pair.seen[2], ClientEvent::Joined(joined_info(5, 5)));
    let auth = ServerEvent::AuthWanted {
        attachment: 0,
        namespace: "/".into(),
        credentials: Bytes::from_static(b"{\"guest\":\"Ann\"}"),
        messages_hash: 77,
        renewal: false,
    };
    assert_eq!(pair.heard[0], auth);
    assert_eq!(pair.heard[1], ServerEvent::Attached { attachment: 0 });
    let how = JoinHowOwned::Quick {
        kind: "arena".into(),
        attributes: vec![("mode".into(), "ffa".into())],
    };
    assert_eq!(
        pair.heard[2],
        ServerEvent::JoinWanted {
            request: 5,
            attachment: 0,
            how,
            schema_hash: 8
        }
    );
    assert_eq!(pair.server.identity(0), Some(&Identity::new("ann")));
}

#[test]
fn messages_go_both_ways_once_and_in_order() {
    let mut pair = Pair::joined();
    for i in 0..50u8 {
        pair.client.send(5, 0, 1, &[i]).unwrap();
        pair.server
            .send(pair.now, 5, 0, 2, Bytes::from(vec![i]))
            .unwrap();
        pair.run_ms(7);
    }
    pair.run_ms(200);
    let up: Vec<u8> = pair
        .heard
        .iter()
        .filter_map(|e| {
            if let ServerEvent::Message {
                payload,
                volatile: false,
                ..
            } = e
            {
                Some(payload[0])
            } else {
                None
            }
        })
        .collect();
    let down: Vec<u8> = pair
        .seen
        .iter()
        .filter_map(|e| {
            if let ClientEvent::Message {
                payload,
                volatile: false,
                ..
            } = e
            {
                Some(payload[0])
            } else {
                None
            }
        })
        .collect();
    assert_eq!(up, (0..50).collect::<Vec<u8>>());
    assert_eq!(down, up);
}

#[test]
fn a_refused_attachment_leaves_the_session_and_its_requests_get_an_answer() {
    let mut pair = Pair::attached(SessionConfig::default());
    pair.client.attach(1, "/admin", b"?", 0);
    pair.client.join(9, 1, &JoinHow::Room { id: "x" }, 0);
    pair.flush();
    let frame = tickwire_proto::ClientFrame::Attach {
        attachment: 1,
        namespace: "/admin",
        credentials: b"?",
        messages_hash: 0,
    }
    .encode();
    let mut server =
        tickwire_proto::ServerSession::new(pair.now, SessionConfig::default(), 1, [0; 32]);
    server.handle_frame(
        pair.now,
        &tickwire_proto::ClientFrame::Hello {
            version: 1,
            resume: None,
        }
        .encode(),
    );
    server.handle_frame(pair.now, &frame);
    server.attach_done(
        pair.now,
        1,
        Err(Refusal::new(code::FORBIDDEN, "staff only")),
    );
    server.next(pair.now, 10_000).expect("the welcome");
    while let Some(out) = server.next(pair.now, 10_000) {
        pair.client.handle_frame(pair.now, &out.head);
    }
    pair.flush();
    let refusal = Refusal::new(code::FORBIDDEN, "staff only");
    assert_eq!(
        pair.count_seen(|e| *e
            == ClientEvent::JoinRefused {
                request: 9,
                refusal: refusal.clone()
            }),
        1
    );
    assert_eq!(
        pair.count_seen(|e| *e
            == ClientEvent::AttachRefused {
                attachment: 1,
                refusal: refusal.clone()
            }),
        1
    );
    assert_eq!(pair.client.is_ended(), None);
}

#[test]
fn an_answer_to_a_given_up_attach_is_not_taken_for_the_next() {
    let now = tickwire_proto::Time(0);
    let mut server = tickwire_proto::ServerSession::new(now, SessionConfig::default(), 1, [0; 32]);
    let attach = |namespace| {
        tickwire_proto::ClientFrame::Attach {
            attachment: 3,
            namespace,
            credentials: b"",
            messages_hash: 0,
        }
        .encode()
    };
    server.handle_frame(
        now,
        &tickwire_proto::ClientFrame::Hello {
            version: 1,
            resume: None,
        }
        .encode(),
    );
    server.handle_frame(now, &attach("/open"));
    server.handle_frame(
        now,
        &tickwire_proto::ClientFrame::Detach { attachment: 3 }.encode(),
    );
    server.handle_frame(now, &attach("/secret"));
    server.attach_done(now, 3, Ok(Identity::new("ann")));
    assert_eq!(
        server.identity(3),
        None,
        "what /open accepted is no key to /secret"
    );
    let wanted = std::iter::from_fn(|| server.poll_event())
        .filter(|e| matches!(e, ServerEvent::AuthWanted { .. }))
        .count();
    assert_eq!((wanted, server.stats().answers_late), (1, 1));
    server.handle_frame(now, &attach("/secret"));
    server.attach_done(now, 3, Ok(Identity::new("ann")));
    assert!(server.identity(3).is_some() && server.is_ended().is_none());
}

#[test]
fn members_rates_and_the_end_of_a_room_are_told() {
    let mut pair = Pair::joined();
    let change = MemberChangeOwned::Left {
        member: 3,
        reason: LeaveReason::Lost,
    };
    pair.server.member_change(5, &change);
    let rates = tickwire_proto::ServerFrame::Rates {
        room: 5,
        tick_us: 50_000,
    }
    .encode();
    pair.server.send_frame(pair.now, rates).unwrap();
    pair.server
        .room_ended(5, RoomEnd::Failed, "a system panicked");
    pair.run_ms(50);
    let tail = &pair.seen[pair.seen.len() - 3..];
    assert_eq!(tail[0], ClientEvent::Member { room: 5, change });
    assert_eq!(
        tail[1],
        ClientEvent::Rates {
            room: 5,
            tick_us: 50_000
        }
    );
    assert_eq!(
        tail[2],
        ClientEvent::RoomEnded {
            room: 5,
            reason: RoomEnd::Failed,
            message: "a system panicked".into()
        }
    );
    assert_eq!(
        pair.client.send(5, 0, 1, b""),
        Err(SendError::NoRoom { room: 5 })
    );
}

#[test]
fn what_crosses_the_end_of_a_room_is_nobodys_fault() {
    let mut pair = Pair::joined();
    pair.update(5, 101);
    pair.run_ms(50);
    assert!(pair.client.command(5, Tick(105), b"c"));
    pair.client.send(5, 0, 1, b"m").unwrap();
    pair.client.report(5, 30);
    pair.flush();
    pair.server.room_ended(5, RoomEnd::Closed, "");
    pair.update(5, 102);
    pair.run_ms(6000);
    let stats = pair.server.stats();
    assert_eq!(
        (
            stats.commands_no_room,
            stats.messages_no_room,
            stats.frames_late
        ),
        (1, 1, 1),
        "{stats:?}"
    );
    assert_eq!(stats.answers_late, 1, "an update for a room that is over");
    assert_eq!(pair.server.is_ended(), None);
    assert_eq!(
        pair.client.backlog(),
        (0, 0),
        "the message was received all the same"
    );
}

#[test]
fn late_answers_are_counted_and_harmless() {
    let mut pair = Pair::joined();
    pair.server
        .attach_done(pair.now, 0, Ok(Identity::new("eve")));
    pair.server
        .attach_done(pair.now, 9, Err(Refusal::default()));
    pair.server.joined(pair.now, joined_info(77, 8));
    pair.server.join_refused(78, Refusal::default());
    pair.server.lobby_list(79, vec![]);
    pair.server.room_ended(8, RoomEnd::Closed, "");
    pair.server.member_change(
        8,
        &MemberChangeOwned::Left {
            member: 1,
            reason: LeaveReason::Left,
        },
    );
    let (private, shared) = update_frames(8, 1);
    let len = private.len() + shared.len();
    assert_eq!(
        pair.server.update(8, Tick(1), private, Some(shared)),
        len,
        "back to the gauge"
    );
    assert_eq!(pair.server.stats().answers_late, 8);
    assert_eq!(pair.server.identity(0), Some(&Identity::new("ann")));
    let before = pair.seen.len();
    pair.run_ms(50);
    assert_eq!(pair.seen.len(), before);
}

#[test]
fn another_server_begins_a_new_session_and_tells_what_was_lost() {
    let mut pair = Pair::joined();
    pair.cut = true;
    (0..3).for_each(|_| pair.client.send(5, 0, 1, b"lost").unwrap());
    pair.flush();
    pair.client.link_lost(pair.now);
    pair.client.send(5, 0, 1, b"lost too").unwrap();
    assert_eq!(pair.client.next(pair.now, 1000), None, "there is no link");

    let client = std::mem::replace(
        &mut pair.client,
        tickwire_proto::ClientSession::new(pair.now, SessionConfig::default(), 0),
    );
    let mut again = Pair::new(SessionConfig::default());
    again.client = client;
    again.client.link_open(again.now);
    again.run_ms(50);
    again.client.attach(0, "/", b"{}", 0);
    assert_eq!(
        again.client.send(0, 0, 1, b"early"),
        Err(SendError::NoRoom { room: 0 })
    );
    again.run_ms(100);
    again.client.send(0, 0, 1, b"kept").unwrap();
    again.run_ms(100);
    assert!(matches!(
        again
            .seen
            .iter()
            .find(|e| matches!(e, ClientEvent::Welcome { .. })),
        Some(ClientEvent::Welcome { lost: 4, .. })
    ));
    assert_eq!(again.client.stats().reliable_lost, 4);
    assert_eq!(
        again.count_heard(
            |e| matches!(e, ServerEvent::Message { payload, .. } if &payload[..] == b"kept")
        ),
        1
    );
}

/// A second one would be a violation: who signs in again after a refusal, or attaches anew, must not be sent away for it.
#[test]
fn a_seat_key_is_shown_once_in_a_session_however_often_its_client_attaches() {
    let mut pair = Pair::new(SessionConfig::default());
    pair.client.set_seat_key([7; 16]);
    for _ in 0..3 {
        pair.client.attach(0, "/", b"{}", 0);
        pair.run_ms(100);
        pair.client.detach(0);
        pair.run_ms(100);
    }
    assert_eq!(pair.server.is_ended(), None);
    assert_eq!(pair.server.seat_key(), Some([7; 16]));
    let shown = pair.sent_up.iter().filter(|(_, name)| *name == "SeatKey");
    assert_eq!(shown.count(), 1);
}
