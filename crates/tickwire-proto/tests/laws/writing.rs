//! What is written next: order, room in the link, newest wins, volatile messages.

use crate::endings::attached;
use crate::links::{Pair, joined_info, update_frames};
use bytes::Bytes;
use proptest::prelude::*;
use tickwire_proto::frame::{ClientFrame, JoinHow, MemberChangeOwned, Presence, ServerFrame};
use tickwire_proto::session::{VOLATILE_MAX, VOLATILE_MS_MAX};
use tickwire_proto::{ClientEvent, Outgoing, SendError, ServerSession, Tick, Time};

const NOW: Time = Time(0);

/// In rooms 1 to `rooms`, all written.
fn in_rooms(rooms: u32) -> ServerSession {
    let mut server = attached();
    for room in 1..=rooms {
        let join = ClientFrame::Join {
            request: room,
            attachment: 0,
            how: JoinHow::Room { id: "r" },
            schema_hash: 0,
        };
        server.handle_frame(NOW, &join.encode());
        server.joined(NOW, joined_info(room, room));
    }
    while server.next(NOW, 1 << 20).is_some() {}
    server
}

fn names(outs: &[Outgoing]) -> Vec<&'static str> {
    let frames = outs
        .iter()
        .flat_map(|out| [Some(&out.head), out.body.as_ref()])
        .flatten();
    frames
        .map(|frame| ServerFrame::decode(frame).unwrap().name())
        .collect()
}

fn drain(server: &mut ServerSession) -> Vec<Outgoing> {
    std::iter::from_fn(|| server.next(NOW, 1 << 20)).collect()
}

fn update(server: &mut ServerSession, room: u32, tick: u32) -> usize {
    let (private, shared) = update_frames(room, tick);
    server.update(room, Tick(tick), private, Some(shared))
}

#[test]
fn control_then_messages_then_volatile_ones_then_updates() {
    let mut server = in_rooms(1);
    update(&mut server, 1, 5);
    server.send_volatile(NOW, 1, 0, 9, Bytes::new()).unwrap();
    server.member_change(
        1,
        &MemberChangeOwned::Presence {
            member: 1,
            presence: Presence::Away,
        },
    );
    server.send(NOW, 1, 0, 9, Bytes::new()).unwrap();
    server.handle_frame(
        NOW,
        &ClientFrame::Message {
            room: 1,
            channel: 0,
            kind: 1,
            payload: b"",
        }
        .encode(),
    );
    server.handle_frame(NOW, &ClientFrame::Ping { nonce: 7 }.encode());
    assert_eq!(
        names(&drain(&mut server)),
        [
            "Receipts",
            "Pong",
            "Member",
            "Message",
            "Volatile",
            "TickFrame",
            "Update"
        ]
    );
    assert!(!server.wants_write());
}

#[test]
fn a_shared_frame_goes_as_what_it_is() {
    let mut server = in_rooms(1);
    let message = ServerFrame::Message {
        room: 1,
        channel: 2,
        kind: 1,
        payload: b"all",
    }
    .encode();
    server.send_frame(NOW, message.clone()).unwrap();
    assert_eq!(server.backlog(), (1, message.len()));
    let out = drain(&mut server);
    assert_eq!(
        out[0].head.as_ptr(),
        message.as_ptr(),
        "encoded once, shared by all"
    );
    server.handle_frame(
        NOW,
        &ClientFrame::Receipts {
            received: vec![(2, 1)],
            held: vec![],
        }
        .encode(),
    );
    assert_eq!(server.backlog(), (0, 0));
    server
        .send_frame(
            NOW,
            ServerFrame::Volatile {
                room: 1,
                channel: 0,
                kind: 1,
                payload: b"",
            }
            .encode(),
        )
        .unwrap();
    server
        .send_frame(
            NOW,
            ServerFrame::Rates {
                room: 1,
                tick_us: 1,
            }
            .encode(),
        )
        .unwrap();
    assert_eq!(server.backlog(), (0, 0));
    assert_eq!(names(&drain(&mut server)), ["Rates", "Volatile"]);
}

#[test]
fn the_newest_update_wins_and_the_replaced_is_told() {
    let mut server = in_rooms(1);
    assert_eq!(update(&mut server, 1, 5), 0);
    let (private, shared) = update_frames(1, 5);
    assert_eq!(update(&mut server, 1, 6), private.len() + shared.len());
    let outs = drain(&mut server);
    assert_eq!(outs.len(), 1);
    assert_eq!(outs[0].update, Some((1, Tick(6))));
    assert_eq!(server.stats().updates_dropped, 1);
}

#[test]
fn a_tick_frame_alone_keeps_an_update_that_waits() {
    let mut server = in_rooms(1);
    let lone = |tick| {
        ServerFrame::TickFrame {
            room: 1,
            tick: Tick(tick),
            applied: None,
            slack: 0,
            stamp: None,
            own: tickwire_proto::frame::OwnTold::Nothing,
            alone: false,
        }
        .encode()
    };
    server.update(1, Tick(4), lone(4), None);
    update(&mut server, 1, 5);
    server.update(1, Tick(6), lone(6), None);
    server.update(1, Tick(7), lone(7), None);
    let outs = drain(&mut server);
    assert_eq!(names(&outs), ["TickFrame", "Update", "TickFrame"]);
    assert_eq!((outs[1].head.clone(), outs[1].update), (lone(7), None));
    assert_eq!(
        (
            server.stats().updates_dropped,
            server.stats().tick_frames_dropped
        ),
        (0, 2)
    );
}

#[test]
fn rooms_take_turns() {
    let mut server = in_rooms(3);
    let mut order = Vec::new();
    for tick in 1..7 {
        assert!((1..=3).all(|room| update(&mut server, room, tick) < 100));
        order.push(server.next(NOW, 1).unwrap().update.unwrap().0);
    }
    assert_eq!(order, [1, 2, 3, 1, 2, 3], "a link that takes one of three");
}

#[test]
fn nothing_beyond_what_the_link_takes_but_the_first() {
    let mut server = in_rooms(2);
    server.send(NOW, 1, 0, 1, vec![0; 5000].into()).unwrap();
    server.send(NOW, 1, 0, 1, vec![0; 50].into()).unwrap();
    update(&mut server, 2, 9);
    assert_eq!(server.next(NOW, 0), None);
    assert_eq!(
        server.next(NOW, 100).unwrap().len(),
        5009,
        "longer than the link ever takes, so it goes at once"
    );
    assert_eq!(server.next(NOW, 0), None, "and fills it");
    assert_eq!(server.next(NOW, 100).unwrap().len(), 58);
    assert_eq!(server.next(NOW, 5), None, "the pair is one write");
    assert!(server.wants_write());
    assert!(server.next(NOW, 100).unwrap().body.is_some());
}

#[test]
fn volatile_messages_do_not_wait_for_a_full_link() {
    let mut server = in_rooms(1);
    server.send_volatile(NOW, 1, 0, 1, Bytes::new()).unwrap();
    assert_eq!(server.next(NOW, 0), None);
    assert_eq!(server.stats().volatile_dropped, 1);
    server.send(NOW, 1, 0, 1, vec![0; 100].into()).unwrap();
    assert_eq!(server.next(NOW, 0), None);
    assert_eq!(
        server.send_volatile(NOW, 1, 0, 1, Bytes::new()),
        Err(SendError::Full)
    );
    assert_eq!(server.stats().volatile_dropped, 2);
    drain(&mut server);
    server
        .send_volatile(NOW, 1, 0, 1, Bytes::new())
        .expect("the link takes again");
    for _ in 0..VOLATILE_MAX {
        server.send_volatile(NOW, 1, 0, 1, Bytes::new()).unwrap();
    }
    assert_eq!(server.stats().volatile_dropped, 3, "more than wait");
    let late = Time::from_millis(VOLATILE_MS_MAX + 1);
    assert_eq!(
        server.next(late, 9999),
        None,
        "nobody asked for so long: too old"
    );
    assert_eq!(server.stats().volatile_dropped, 3 + VOLATILE_MAX as u64);
}

#[test]
fn volatile_messages_arrive_when_all_is_well() {
    let mut pair = Pair::joined();
    for i in 0..20 {
        pair.client.send_volatile(5, 0, 1, &[i]).unwrap();
        pair.server
            .send_volatile(pair.now, 5, 0, 1, vec![i].into())
            .unwrap();
        pair.run_ms(10);
    }
    pair.run_ms(100);
    assert_eq!(
        pair.count_seen(|e| matches!(e, ClientEvent::Message { volatile: true, .. })),
        20
    );
    assert_eq!(
        pair.count_heard(|e| matches!(
            e,
            tickwire_proto::ServerEvent::Message { volatile: true, .. }
        )),
        20
    );
}

#[test]
fn a_clients_commands_go_before_its_messages() {
    let mut pair = Pair::joined();
    pair.update(5, 101);
    pair.run_ms(50);
    let before = pair.sent_up.len();
    pair.client.send(5, 0, 1, b"hi").unwrap();
    pair.client.send_volatile(5, 0, 1, b"hi").unwrap();
    assert!(pair.client.command(5, Tick(107), b"c"));
    pair.flush();
    let names: Vec<_> = pair.sent_up[before..]
        .iter()
        .map(|(_, name)| *name)
        .collect();
    assert_eq!(names, ["Receipts", "Command", "Message", "Volatile"]);
}

proptest! {
    /// However the link takes: it never holds more than it said and one write; all comes out, in order.
    #[test]
    fn a_link_holds_at_most_what_it_said_and_one_write(
        lens in prop::collection::vec(0usize..3000, 1..80),
        window in 1usize..5000,
        takes in prop::collection::vec(100usize..4000, 1..40),
    ) {
        let mut server = in_rooms(1);
        for (i, len) in lens.iter().enumerate() {
            server.send(NOW, 1, 0, i as u32, vec![0; *len].into()).unwrap();
        }
        let (mut held, mut kinds) = (0usize, Vec::new());
        for take in takes.iter().cycle().take(4000) {
            let mut longest = 0;
            while let Some(out) = server.next(NOW, window.saturating_sub(held)) {
                held += out.len();
                longest = longest.max(out.len());
                if let Ok(ServerFrame::Message { kind, .. }) = ServerFrame::decode(&out.head) { kinds.push(kind) }
            }
            prop_assert!(held <= window + longest.max(3100));
            held = held.saturating_sub(*take);
            if kinds.len() == lens.len() { break; }
        }
        prop_assert_eq!(kinds, (0..lens.len() as u32).collect::<Vec<_>>());
    }
}

/// A quiet session is given an update in one step or in two: what is written, and all that comes after, is the same.
#[test]
fn one_step_writes_what_two_steps_write() {
    let (mut one, mut two) = (in_rooms(2), in_rooms(2));
    for tick in 1..40 {
        let room = 1 + tick % 2;
        assert!(one.is_quiet() && two.is_quiet());
        let (private, shared) = update_frames(room, tick);
        let shared = (tick % 5 > 0).then_some(shared);
        let at_once = one.update_at_once(
            NOW,
            1 << 20,
            (room, Tick(tick)),
            private.clone(),
            shared.clone(),
        );
        assert_eq!(two.update(room, Tick(tick), private, shared), 0);
        assert_eq!([at_once.unwrap()], drain(&mut two)[..]);
        let receipt = ClientFrame::Receipts {
            received: vec![],
            held: vec![(room, Tick(tick - tick % 5 / 4))],
        };
        for server in [&mut one, &mut two] {
            server.handle_frame(NOW, &receipt.encode());
        }
        let events = |server: &mut ServerSession| -> Vec<_> {
            std::iter::from_fn(|| server.poll_event()).collect()
        };
        assert_eq!(events(&mut one), events(&mut two));
        assert_eq!(one.stats(), two.stats());
    }
    let (private, shared) = update_frames(9, 1);
    let bytes = private.len() + shared.len();
    let nowhere = one.update_at_once(NOW, 1 << 20, (9, Tick(1)), private, Some(shared));
    assert_eq!(nowhere, Err(bytes), "no such room");
}

#[test]
fn who_is_owed_anything_is_not_quiet() {
    let says = |say: &dyn Fn(&mut ServerSession)| {
        let mut server = in_rooms(1);
        assert!(server.is_quiet());
        say(&mut server);
        assert!(!server.is_quiet());
        while server.next(NOW, 1 << 20).is_some() {}
        server.is_quiet()
    };
    let hears = |frame: ClientFrame<'_>| {
        let bytes = frame.encode();
        says(&|server| server.handle_frame(NOW, &bytes))
    };
    assert!(says(&|server| {
        update(server, 1, 5);
    }));
    assert!(says(&|server| {
        server.send(NOW, 1, 0, 9, Bytes::new()).unwrap();
    }));
    assert!(says(&|server| {
        server.send_volatile(NOW, 1, 0, 9, Bytes::new()).unwrap();
    }));
    assert!(hears(ClientFrame::Ping { nonce: 1 }));
    // Its receipt rides along with whatever goes next.
    let message = ClientFrame::Message {
        room: 1,
        channel: 0,
        kind: 1,
        payload: b"",
    };
    let mut server = in_rooms(1);
    server.handle_frame(NOW, &message.encode());
    assert!(!server.is_quiet() && !server.wants_write());
    assert!(!says(&|server| server.link_lost(NOW)), "nobody to be told");
}

#[test]
fn the_last_frame_says_that_it_is_the_last() {
    let mut server = in_rooms(2);
    for room in [1, 2] {
        update(&mut server, room, 5);
    }
    server.send(NOW, 1, 0, 9, Bytes::new()).unwrap();
    let outs = drain(&mut server);
    assert_eq!(
        outs.iter().map(|out| out.more).collect::<Vec<_>>(),
        [true, true, false]
    );
}
