//! Every limit, reached: what is at the limit passes, what is beyond it has the consequence that is written.

use crate::endings::{attach, attached, ended, hello};
use crate::links::{Pair, joined_info};
use bytes::Bytes;
use std::time::Duration;
use tickwire_proto::frame::*;
use tickwire_proto::session::client::{COMMANDS_WAITING_MAX, HELD_BACK_MAX};
use tickwire_proto::session::outbox::{CONTROL_FRAMES_MAX, OUTBOX_BYTES_MAX, OUTBOX_MESSAGES_MAX};
use tickwire_proto::session::server::{REQUESTS_PENDING_MAX, REQUESTS_PER_S_MAX, WISHES_PER_S_MAX};
use tickwire_proto::wire::{WireFault, Writer};
use tickwire_proto::{
    ClientEvent, Reason, SendError, ServerEvent, ServerSession, SessionConfig, Tick, Time,
};

const NOW: Time = Time(0);

fn too_long(result: Result<impl Sized, FrameError>, over: usize) {
    match result.err().map(|error| error.error.fault) {
        Some(WireFault::TooLong { len, max }) => {
            assert_eq!((len, max), (over as u64, over as u64 - 1))
        }
        other => panic!("{other:?} instead of TooLong"),
    }
}

/// A frame that no encoder makes: `head`, a length, so many bytes, and zeros enough for what may follow.
fn raw(head: &[u8], len: usize) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.raw(head);
    writer.bytes(&vec![b'a'; len]);
    writer.raw(&[0; 16]);
    writer.into_vec()
}

#[test]
fn lengths_beyond_their_limits_are_read_by_nobody() {
    too_long(
        ClientFrame::decode(&raw(&[2, 0], NAME_MAX + 1)),
        NAME_MAX + 1,
    );
    too_long(
        ClientFrame::decode(&raw(&[2, 0, 0], CREDENTIALS_MAX + 1)),
        CREDENTIALS_MAX + 1,
    );
    too_long(
        ClientFrame::decode(&raw(&[4, 1, 0, 0], NAME_MAX + 1)),
        NAME_MAX + 1,
    );
    too_long(
        ClientFrame::decode(&raw(&[4, 1, 0, 1, 0], ATTRIBUTES_MAX + 1)),
        ATTRIBUTES_MAX + 1,
    );
    too_long(
        ClientFrame::decode(&raw(&[6, 1, 0, 0, 0], COMMAND_MAX + 1)),
        COMMAND_MAX + 1,
    );
    too_long(
        ClientFrame::decode(&raw(&[7, 1, 0, 0, 0, 0, 0], PAYLOAD_MAX + 1)),
        PAYLOAD_MAX + 1,
    );
    too_long(
        ClientFrame::decode(&raw(&[9], usize::from(CONTROL_CHANNEL) + 2)),
        usize::from(CONTROL_CHANNEL) + 2,
    );
    too_long(
        ClientFrame::decode(&raw(&[9, 0], ROOMS_PER_SESSION_MAX + 1)),
        ROOMS_PER_SESSION_MAX + 1,
    );
    too_long(
        ClientFrame::decode(&raw(&[0x18, 1], STATUS_MAX + 1)),
        STATUS_MAX + 1,
    );
    too_long(
        ClientFrame::decode(&raw(&[0x19, 0], FOLLOWED_MAX + 1)),
        FOLLOWED_MAX + 1,
    );
    too_long(
        ClientFrame::decode(&raw(&[0x1a, 0], CURSORS_MAX + 1)),
        CURSORS_MAX + 1,
    );
    too_long(
        ServerFrame::decode(&raw(&[0x5b, 0], FOLLOWED_MAX + 1)),
        FOLLOWED_MAX + 1,
    );
    too_long(
        ServerFrame::decode(&raw(&[0x5c, 0, 0, 0], NOTICE_MAX + 1)),
        NOTICE_MAX + 1,
    );
    too_long(
        ServerFrame::decode(&raw(&[0x43, 0], CODE_MAX + 1)),
        CODE_MAX + 1,
    );
    too_long(
        ServerFrame::decode(&raw(&[0x43, 0, 0], TEXT_MAX + 1)),
        TEXT_MAX + 1,
    );
    too_long(
        ServerFrame::decode(&raw(&[0x43, 0, 0, 0], REFUSAL_DATA_MAX + 1)),
        REFUSAL_DATA_MAX + 1,
    );
    too_long(
        ServerFrame::decode(&raw(&[0x47, 1, 1], AREAS_MAX + 1)),
        AREAS_MAX + 1,
    );
    too_long(
        ServerFrame::decode(&raw(&[0x47, 1, 1, 1, 0, 0, 0], DELTA_MAX + 1)),
        DELTA_MAX + 1,
    );
    too_long(
        ServerFrame::decode(&raw(&[0x50, 1], ROOMS_LISTED_MAX + 1)),
        ROOMS_LISTED_MAX + 1,
    );
    let joined = [&[0x44, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1][..], &[0; 8]].concat();
    too_long(
        ServerFrame::decode(&raw(&[&joined[..], &[1]].concat(), SCHEMA_MAX + 1)),
        SCHEMA_MAX + 1,
    );
    too_long(
        ServerFrame::decode(&raw(&[&joined[..], &[0]].concat(), MEMBERS_MAX + 1)),
        MEMBERS_MAX + 1,
    );
}

/// Rule 7: a count is believed only as far as the input could hold its items.
#[test]
fn counts_that_the_input_cannot_hold_allocate_nothing() {
    for bytes in [
        &[0x47, 1, 1, 0xff, 7, 0][..],
        &[0x50, 1, 0xff, 1],
        &[9, 8, 0],
        &[4, 1, 0, 1, 0, 8, 1],
    ] {
        let fault = if bytes[0] < 0x40 {
            ClientFrame::decode(bytes).unwrap_err()
        } else {
            ServerFrame::decode(bytes).unwrap_err()
        };
        assert_eq!(fault.error.fault, WireFault::Truncated);
    }
}

#[test]
fn the_encoder_cuts_what_no_decoder_would_take() {
    let long = "ü".repeat(TEXT_MAX);
    let bytes = ServerFrame::AttachRefused {
        attachment: 0,
        code: &long,
        message: &long,
        data: &[0; REFUSAL_DATA_MAX + 1],
    }
    .encode();
    match ServerFrame::decode(&bytes) {
        Ok(ServerFrame::AttachRefused {
            code,
            message,
            data,
            ..
        }) => {
            assert_eq!(
                (code.len(), message.len(), data.len()),
                (CODE_MAX, TEXT_MAX, 0)
            );
        }
        other => panic!("{other:?}"),
    }
}

fn flood(server: &mut ServerSession, frame: &Bytes) -> usize {
    (0..)
        .take_while(|_| {
            server.handle_frame(NOW, frame);
            server.is_ended().is_none()
        })
        .count()
}

#[test]
fn frames_a_second() {
    for frame in [
        ClientFrame::Ping { nonce: 1 },
        ClientFrame::Pong { nonce: 1 },
        ClientFrame::Leave { room: 3 },
        ClientFrame::Detach { attachment: 7 },
    ] {
        let mut server = attached();
        // The hello and the attach were two.
        assert_eq!(flood(&mut server, &frame.encode()), 240 - 2, "{frame:?}");
        assert_eq!(ended(&server), (Reason::Violation, "too many frames: 120 frames and 32768 bytes a second are allowed, and twice that at once".into()));
    }
    let mut server = attached();
    for ms in 0..60_000u64 {
        if ms % 9 == 0 {
            server.handle_frame(
                Time::from_millis(ms),
                &ClientFrame::Ping { nonce: 1 }.encode(),
            );
        }
    }
    assert_eq!(server.is_ended(), None, "111 a second for a minute");
    assert_eq!(
        server.stats().pings_replaced,
        6666,
        "and one pong queued at most"
    );
}

#[test]
fn bytes_a_second() {
    let mut server = attached();
    let message = ClientFrame::Message {
        room: 0,
        channel: 0,
        kind: 1,
        payload: &[0; 4000],
    }
    .encode();
    assert_eq!(flood(&mut server, &message), 64 * 1024 / message.len());
    assert!(ended(&server).1.starts_with("too many bytes"));
}

#[test]
fn messages_and_frames_have_a_length() {
    for (payload, ok) in [(4096, true), (4097, false)] {
        for volatile in [false, true] {
            let (room, channel, kind, payload) = (0, 0, 1, &vec![0; payload][..]);
            let frame = if volatile {
                ClientFrame::Volatile {
                    room,
                    channel,
                    kind,
                    payload,
                }
            } else {
                ClientFrame::Message {
                    room,
                    channel,
                    kind,
                    payload,
                }
            };
            let mut server = attached();
            server.handle_frame(NOW, &frame.encode());
            assert_eq!(server.is_ended().is_none(), ok);
        }
    }
    let mut server = attached();
    server.handle_frame(NOW, &vec![0; SessionConfig::default().frame_max() + 1]);
    assert_eq!(
        ended(&server).1,
        "a frame of 4353 bytes is longer than the 4352 allowed"
    );
    let mut pair = Pair::joined();
    assert_eq!(
        pair.client.send(5, 0, 1, &[0; 4097]),
        Err(SendError::TooLong {
            len: 4097,
            max: 4096
        })
    );
    let now = pair.now;
    assert_eq!(
        pair.server
            .send(now, 5, 0, 1, vec![0; PAYLOAD_MAX + 1].into()),
        Err(SendError::TooLong {
            len: PAYLOAD_MAX + 1,
            max: PAYLOAD_MAX
        })
    );
}

#[test]
fn attachments() {
    let mut server = attached();
    for i in 1..ATTACHMENTS_MAX as u8 {
        server.handle_frame(NOW, &attach(i, &format!("/{i}")));
    }
    assert_eq!(server.is_ended(), None);
    server.handle_frame(NOW, &attach(99, "/99"));
    assert_eq!(
        ended(&server),
        (
            Reason::Violation,
            "Attach frame: more than 8 attachments, numbered from 0".into()
        )
    );

    let mut pair = Pair::attached(SessionConfig::default());
    (1..=ATTACHMENTS_MAX as u8).for_each(|i| pair.client.attach(i, &format!("/{i}"), b"", 0));
    pair.client.attach(77, "/", &[0; CREDENTIALS_MAX + 1], 0);
    pair.run_ms(100);
    assert_eq!(
        pair.server.is_ended(),
        None,
        "the client keeps to it by itself"
    );
    assert_eq!(pair.count_seen(|e| matches!(e, ClientEvent::AttachRefused { refusal, .. } if refusal.code == code::LIMIT)), 2);
}

fn join(request: u32) -> Bytes {
    ClientFrame::Join {
        request,
        attachment: 0,
        how: JoinHow::Room { id: "r" },
        schema_hash: 0,
    }
    .encode()
}

fn lobby(request: u32) -> Bytes {
    ClientFrame::Lobby {
        request,
        attachment: 0,
        kind: "",
    }
    .encode()
}

/// The texts of the refusals that wait to be written.
fn refusals(server: &mut ServerSession) -> Vec<(u32, String)> {
    let frames: Vec<Bytes> = std::iter::from_fn(|| server.next(NOW, 1 << 20))
        .map(|out| out.head)
        .collect();
    let text = |frame: &Bytes| match ServerFrame::decode(frame) {
        Ok(ServerFrame::JoinRefused {
            request,
            code: "Limit",
            message,
            ..
        }) => Some((request, message.to_owned())),
        _ => None,
    };
    frames.iter().filter_map(text).collect()
}

#[test]
fn requests_that_wait_and_requests_a_second() {
    let mut server = attached();
    (0..=REQUESTS_PENDING_MAX as u32).for_each(|i| server.handle_frame(NOW, &lobby(i)));
    assert_eq!(
        refusals(&mut server),
        [(16, "16 requests wait for their answer: wait too".into())]
    );
    server.handle_frame(NOW, &lobby(3));
    assert_eq!(
        ended(&server),
        (Reason::Violation, "request 3 is used twice at once".into())
    );

    let mut server = attached();
    let burst = REQUESTS_PER_S_MAX as u32 * 5;
    for i in 0..=burst {
        server.handle_frame(NOW, &lobby(i));
        server.lobby_list(i, vec![]);
    }
    assert_eq!(
        refusals(&mut server),
        [(
            burst,
            "more than 4 joins and lists a second: ask less often".into()
        )]
    );
    assert_eq!(
        (server.stats().requests_limited, server.is_ended()),
        (1, None)
    );
}

#[test]
fn rooms_of_a_session() {
    let mut server = attached();
    for i in 0..ROOMS_PER_SESSION_MAX as u32 {
        server.handle_frame(NOW, &join(i));
        server.joined(NOW, joined_info(i, i + 1));
    }
    server.handle_frame(NOW, &join(50));
    assert_eq!(
        refusals(&mut server),
        [(
            50,
            "a session is in at most 16 rooms: leave one first".into()
        )]
    );
}

#[test]
fn joins_by_an_attachment_that_is_not_there_are_refused() {
    let mut server = attached();
    let frame = ClientFrame::Join {
        request: 1,
        attachment: 6,
        how: JoinHow::Room { id: "r" },
        schema_hash: 0,
    };
    server.handle_frame(NOW, &frame.encode());
    let frames: Vec<Bytes> = std::iter::from_fn(|| server.next(NOW, 1000))
        .map(|out| out.head)
        .collect();
    assert!(matches!(
        ServerFrame::decode(&frames[1]),
        Ok(ServerFrame::JoinRefused {
            request: 1,
            code: code::REFUSED,
            ..
        })
    ));
}

fn in_room() -> ServerSession {
    let mut server = attached();
    server.handle_frame(NOW, &join(1));
    server.joined(NOW, joined_info(1, 1));
    while server.poll_event().is_some() {}
    server
}

#[test]
fn wishes_a_second() {
    let mut server = in_room();
    for _ in 0..WISHES_PER_S_MAX * 5 + 3 {
        server.handle_frame(
            NOW,
            &ClientFrame::KeyframeWanted { room: 1, area: 0 }.encode(),
        );
    }
    let events = std::iter::from_fn(|| server.poll_event())
        .filter(|e| matches!(e, ServerEvent::KeyframeWanted { .. }))
        .count();
    assert_eq!(
        (events as u64, server.stats().wishes_limited),
        (WISHES_PER_S_MAX * 5, 3)
    );
}

#[test]
fn commands_have_a_bucket_of_their_own_and_then_use_up_the_general_one() {
    let mut server = in_room();
    server.set_command_rate(1, 10);
    let command = ClientFrame::Command {
        room: 1,
        held: Tick(0),
        tick: Tick(1),
        shown: None,
        payload: b"x",
    }
    .encode();
    // No update was sent, so that `held` says more than it can; sixteen of those are borne.
    let (private, shared) = crate::links::update_frames(1, 5);
    server.update(1, Tick(5), private, Some(shared));
    while server.next(NOW, 1 << 20).is_some() {}
    let stall = 10 * 16;
    (0..stall).for_each(|_| server.handle_frame(NOW, &command));
    assert_eq!(
        server.stats().commands_over_rate,
        0,
        "what a link held back for 15 s may come at once"
    );
    (0..200).for_each(|_| server.handle_frame(NOW, &command));
    assert_eq!(server.stats().commands_over_rate, 200);
    let events = std::iter::from_fn(|| server.poll_event())
        .filter(|e| matches!(e, ServerEvent::Command { .. }))
        .count();
    assert_eq!(events, stall);
    assert_eq!(server.is_ended(), None);
    (0..200).for_each(|_| server.handle_frame(NOW, &command));
    assert_eq!(
        ended(&server).0,
        Reason::Violation,
        "a flood of them is a flood"
    );
    let later = Time::from_millis(1000);
    let mut server = in_room();
    (0..1000).for_each(|_| {
        server.handle_frame(
            later,
            &ClientFrame::Command {
                room: 9,
                held: Tick(0),
                tick: Tick(1),
                shown: None,
                payload: b"",
            }
            .encode(),
        )
    });
    assert_eq!(
        (ended(&server).0, server.stats().commands_no_room),
        (Reason::Violation, 240 + 1)
    );
}

#[test]
fn the_servers_outbox_ends_the_session() {
    for (len, count) in [
        (1usize, OUTBOX_MESSAGES_MAX),
        (1000, OUTBOX_BYTES_MAX / 1009),
    ] {
        let mut server = in_room();
        for i in 0..count {
            let now = Time(i as u64);
            server.send(now, 1, 0, 1, vec![0; len].into()).unwrap();
            while server.next(now, 1 << 20).is_some() {}
        }
        assert_eq!(
            server.send(NOW, 1, 0, 1, vec![0; len].into()),
            Err(SendError::Overflow),
            "written is not received"
        );
        assert_eq!(ended(&server).0, Reason::Overflow);
        assert_eq!(server.stats().reliable_lost, count as u64);
        let frames = std::iter::from_fn(|| server.next(NOW, 1 << 20)).count();
        assert_eq!(frames, 1, "nothing but the ending");
    }
}

#[test]
fn control_that_nobody_reads_ends_the_session() {
    let mut server = in_room();
    let change = MemberChangeOwned::Left {
        member: 1,
        reason: LeaveReason::Left,
    };
    (0..=CONTROL_FRAMES_MAX).for_each(|_| server.member_change(1, &change));
    assert_eq!(ended(&server).0, Reason::Overflow);
}

#[test]
fn the_clients_queues() {
    let mut pair = Pair::joined();
    pair.update(5, 101);
    pair.run_ms(50);
    let dropped = pair.client.stats().commands_unsent;
    (0..COMMANDS_WAITING_MAX as u32 + 3)
        .for_each(|i| assert!(pair.client.command(5, Tick(110 + i), b"")));
    assert_eq!(
        pair.client.stats().commands_unsent - dropped,
        3,
        "the oldest"
    );
    assert!(!pair.client.command(5, Tick(1), &[0; COMMAND_MAX + 1]));
    assert!(!pair.client.command(6, Tick(1), b""));
    assert_eq!(pair.client.stats().commands_unsent - dropped, 5);

    (0..OUTBOX_MESSAGES_MAX).for_each(|_| pair.client.send(5, 0, 1, b"").unwrap());
    assert_eq!(pair.client.send(5, 0, 1, b""), Err(SendError::Full));
    assert_eq!(pair.client.is_ended(), None, "a client waits");
    pair.run_ms(1500);
    pair.client.send(5, 0, 1, b"").expect("receipts made room");

    let mut early = Pair::new(SessionConfig::default());
    (0..HELD_BACK_MAX as u32 + 1).for_each(|i| early.client.lobby(i, 0, ""));
    early.flush();
    let refused = |e: &ClientEvent| matches!(e, ClientEvent::JoinRefused { request: 16, refusal } if refusal.code == code::LIMIT);
    assert_eq!(early.count_seen(refused), 1);
}

/// An honest client that has much to say keeps within the limits by itself, whatever the link does.
#[test]
fn a_paced_client_says_all_of_it_over_a_link_that_stalls() {
    for (len, stall_ms) in [(10, 0), (10, 9000), (4000, 0), (4000, 9000), (700, 13_000)] {
        let mut pair = Pair::joined();
        let at = |ms| pair.now.plus(Duration::from_millis(ms));
        pair.stalls = if stall_ms > 0 {
            vec![
                (at(400), at(400 + stall_ms)),
                (at(14_000), at(14_000 + stall_ms)),
            ]
        } else {
            vec![]
        };
        let count = 64 * 1024 * 3 / len;
        let mut sent = 0u32;
        for _ in 0..70_000 {
            while sent < count.min(2000) as u32
                && pair
                    .client
                    .send(
                        5,
                        0,
                        1,
                        &[&sent.to_le_bytes()[..], &vec![0; len - 4]].concat(),
                    )
                    .is_ok()
            {
                sent += 1;
            }
            pair.run_ms(1);
        }
        assert_eq!(pair.server.is_ended(), None, "{len} {stall_ms}");
        assert_eq!(pair.client.is_ended(), None);
        let got: Vec<u32> = pair
            .heard
            .iter()
            .filter_map(|e| match e {
                ServerEvent::Message { payload, .. } => {
                    Some(u32::from_le_bytes(payload[..4].try_into().unwrap()))
                }
                _ => None,
            })
            .collect();
        assert_eq!(got, (0..sent).collect::<Vec<u32>>(), "{len} {stall_ms}");
        assert_eq!(got.len(), count.min(2000));
    }
}

#[test]
fn hello_alone_allocates_little() {
    let mut server = crate::endings::fresh();
    server.handle_frame(NOW, &hello());
    assert!(
        std::mem::size_of::<ServerSession>() < 4096,
        "{}",
        std::mem::size_of::<ServerSession>()
    );
}
