//! Laws of a lane that loses, doubles and swaps: a command is heard once at most, and nearly always; receipts are true; nothing else goes by it.

use crate::links::{joined_info, update_frames};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;
use tickwire_proto::frame::{ClientFrame, Identity, JoinHow};
use tickwire_proto::{
    ClientEvent, ClientSession, DATAGRAM_MAX, ServerEvent, ServerSession, SessionConfig, Tick, Time,
};

const ROOM: u32 = 5;

/// Two sessions whose link in order is immediate; what goes by datagrams is the test's.
struct Loose {
    now: Time,
    client: ClientSession,
    server: ServerSession,
    heard: Vec<ServerEvent>,
}

impl Loose {
    fn joined() -> Loose {
        let now = Time::from_millis(1_000_000);
        let mut client = ClientSession::new(now, SessionConfig::default(), 3);
        client.link_open_with(now, true);
        client.attach(0, "/", b"{}", 0);
        let mut all = Loose {
            now,
            client,
            server: ServerSession::new(now, SessionConfig::default(), 42, [9; 32]),
            heard: Vec::new(),
        };
        all.settle();
        all.client.join(ROOM, 0, &JoinHow::Room { id: "r" }, 0);
        all.settle();
        assert!(all.server.is_in(ROOM));
        all
    }

    /// All that goes in order has gone.
    fn settle(&mut self) {
        loop {
            let mut any = false;
            while let Some(frame) = self.client.next(self.now, usize::MAX) {
                any = true;
                self.server.handle_frame(self.now, &frame);
            }
            while let Some(event) = self.server.poll_event() {
                any = true;
                match &event {
                    ServerEvent::AuthWanted { attachment, .. } => {
                        let who = Ok(Identity::new("ann"));
                        self.server.attach_done(self.now, *attachment, who);
                    }
                    ServerEvent::JoinWanted { request, .. } => {
                        self.server.joined(self.now, joined_info(*request, ROOM));
                    }
                    _ => {}
                }
                self.heard.push(event);
            }
            while let Some(out) = self.server.next(self.now, usize::MAX) {
                any = true;
                assert!(!out.may_be_lost(), "updates are taken by hand here");
                self.client.handle_frame(self.now, &out.head);
            }
            while let Some(event) = self.client.poll_event() {
                any = true;
                if let ClientEvent::Update { room, tick, .. } = event {
                    self.client.held(room, tick);
                }
            }
            if !any {
                break;
            }
        }
    }

    /// An update as it is sent; it arrives when the test says so.
    fn update(&mut self, tick: u32) -> [Bytes; 2] {
        let (private, shared) = update_frames(ROOM, tick);
        self.server.update(ROOM, Tick(tick), private, Some(shared));
        let out = self.server.next(self.now, usize::MAX).expect("an update");
        assert!(out.may_be_lost());
        [out.head, out.body.expect("its shared part")]
    }

    fn arrives(&mut self, update: &[Bytes; 2]) {
        update
            .iter()
            .for_each(|frame| self.client.handle_frame(self.now, frame));
        self.settle();
    }

    fn datagrams(&mut self) -> Vec<Bytes> {
        let client = &mut self.client;
        let all: Vec<Bytes> = std::iter::from_fn(|| client.next_datagram(self.now)).collect();
        assert!(all.iter().all(|it| it.len() <= DATAGRAM_MAX));
        all
    }

    fn commands(&self) -> Vec<u32> {
        let ticks = self.heard.iter().filter_map(|event| match event {
            ServerEvent::Command { tick, .. } => Some(tick.0),
            _ => None,
        });
        ticks.collect()
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.plus(Duration::from_millis(ms));
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        self.settle();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever becomes of datagrams, each command is heard once at most, what is said to be held was, and without two losses in a row none is missing.
    #[test]
    fn commands_are_heard_once_and_receipts_are_true(fates in prop::collection::vec((0u8..8, 0u8..8, 1usize..5), 20..120)) {
        let mut all = Loose::joined();
        let mut delivered: BTreeMap<u32, bool> = BTreeMap::new();
        let mut late: Vec<Bytes> = Vec::new();
        let (mut lost_before, mut two_in_a_row) = (false, false);
        let first = all.update(100);
        all.arrives(&first);
        delivered.insert(100, true);
        for (at, (up, down, size)) in fates.iter().enumerate() {
            let tick = 101 + at as u32;
            let update = all.update(tick);
            // 0: lost. 1: twice.
            let arrives = *down != 0;
            delivered.insert(tick, arrives);
            (0..if *down == 1 { 2 } else { u8::from(arrives) }).for_each(|_| all.arrives(&update));
            all.client.command(ROOM, Tick(tick + 6), &vec![at as u8; *size]);
            for datagram in all.datagrams() {
                let lost = *up == 0;
                two_in_a_row |= lost && lost_before;
                lost_before = lost;
                match up {
                    0 => {}
                    1 => late.push(datagram), // and once more, later
                    _ => all.server.handle_frame(all.now, &datagram),
                }
                if *up == 1 {
                    all.server.handle_frame(all.now, late.last().unwrap());
                }
            }
            if at % 7 == 0 {
                for datagram in std::mem::take(&mut late) {
                    all.server.handle_frame(all.now, &datagram);
                }
            }
            all.pass(17);
        }
        let commands = all.commands();
        let mut once = commands.clone();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), commands.len(), "a command was heard twice: {:?}", commands);
        if !two_in_a_row && fates.last().is_some_and(|last| last.0 != 0) {
            prop_assert_eq!(commands.len(), fates.len());
        }
        for event in &all.heard {
            if let ServerEvent::Held { held, .. } | ServerEvent::Command { held, .. } = event {
                for tick in held.ticks() {
                    prop_assert_eq!(delivered.get(&tick.0), Some(&true), "tick {} was never there", tick.0);
                }
            }
        }
        prop_assert!(all.server.is_ended().is_none() && all.client.is_ended().is_none());
    }
}

#[test]
fn losses_make_commands_be_said_more_often() {
    let parts = |all: &mut Loose, tick: u32| {
        all.client.command(ROOM, Tick(tick), &[1]);
        let datagram = all.datagrams().pop().unwrap();
        match ClientFrame::decode(&datagram).unwrap() {
            ClientFrame::Commands { commands, .. } => commands.len(),
            other => panic!("{other:?}"),
        }
    };
    let mut all = Loose::joined();
    let mut most = 0;
    for tick in 100..400 {
        let update = all.update(tick);
        all.arrives(&update);
        most = parts(&mut all, tick);
        all.pass(33);
    }
    assert_eq!(most, 2, "nothing was lost: each command twice");
    for tick in 400..1_000 {
        let update = all.update(tick);
        if tick % 5 != 0 {
            all.arrives(&update);
        }
        most = parts(&mut all, tick);
        all.pass(33);
    }
    assert_eq!(most, 5, "one of five was lost");
    for tick in (1_000..3_000).step_by(3) {
        let update = all.update(tick);
        all.arrives(&update);
        most = parts(&mut all, tick);
        all.pass(100);
    }
    assert_eq!(most, 2, "the server sends more rarely, and nothing is lost");
}

#[test]
fn a_command_of_a_clock_that_is_far_off_makes_no_other_look_old() {
    let mut all = Loose::joined();
    let update = all.update(100);
    all.arrives(&update);
    for tick in [103, 103 + 216_000, 104, 105] {
        all.client.command(ROOM, Tick(tick), &[1]);
        for datagram in all.datagrams() {
            all.server.handle_frame(all.now, &datagram);
        }
        all.pass(33);
    }
    let commands = all.commands();
    assert!(
        [103, 104, 105].iter().all(|tick| commands.contains(tick)),
        "{commands:?}"
    );
}

/// A client that only listens says what it holds; and again when it is knocked at, since that may have been lost.
#[test]
fn who_only_listens_lets_receipts_go() {
    let mut all = Loose::joined();
    all.pass(1_000);
    let mut told = 0;
    for tick in 100..140 {
        let update = all.update(tick);
        all.arrives(&update);
        told += all.datagrams().len();
        all.pass(33);
    }
    assert!((8..20).contains(&told), "{told} receipts in 1.3 s");
    assert!(all.datagrams().is_empty());
    all.pass(200);
    let (private, _) = update_frames(ROOM, 150);
    all.server.update(ROOM, Tick(150), private, None);
    let knock = all.server.next(all.now, usize::MAX).unwrap();
    assert!(knock.may_be_lost() && knock.body.is_none());
    all.client.handle_frame(all.now, &knock.head);
    assert_eq!(all.datagrams().len(), 1, "the last one may not have come");
}

#[test]
fn nothing_else_goes_by_datagrams_and_no_link_in_order_has_any() {
    let mut all = Loose::joined();
    let update = all.update(100);
    all.arrives(&update);
    all.client.command(ROOM, Tick(104), &[7; 900]);
    assert!(all.datagrams().is_empty(), "it is too long");
    all.settle();
    assert_eq!(all.commands(), [104], "and goes in order");
    let mut in_order = ClientSession::new(all.now, SessionConfig::default(), 3);
    in_order.link_open(all.now);
    assert!(in_order.next_datagram(all.now).is_none());
}
