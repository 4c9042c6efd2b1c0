//! A client and a server in one thread and in virtual time, over a link with delay and stalls; used by most tests here.

use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;
use tickwire_proto::frame::{Identity, JoinHow, JoinedInfo, MemberInfoOwned, Presence};
use tickwire_proto::{
    ClientEvent, ClientSession, ServerEvent, ServerSession, SessionConfig, Tick, Time,
};

/// What one side sent and the other has not received.
#[derive(Default)]
pub struct Way {
    queue: VecDeque<(Time, Bytes)>,
    last: Time,
}

impl Way {
    fn push(&mut self, arrival: Time, frame: Bytes) {
        self.last = self.last.max(arrival);
        self.queue.push_back((self.last, frame));
    }

    fn due(&mut self, now: Time) -> Option<Bytes> {
        if self.queue.front()?.0 <= now {
            self.queue.pop_front().map(|(_, frame)| frame)
        } else {
            None
        }
    }
}

pub struct Pair {
    pub now: Time,
    pub client: ClientSession,
    pub server: ServerSession,
    pub up: Way,
    pub down: Way,
    pub delay: Duration,
    /// (from, until): nothing arrives.
    pub stalls: Vec<(Time, Time)>,
    /// What the links take at once.
    pub writable: usize,
    pub cut: bool,
    pub heard: Vec<ServerEvent>,
    pub seen: Vec<ClientEvent>,
    /// The server still talks to a link that is lost.
    pub stale: bool,
    /// Tokens given out so far; each is its number, repeated.
    pub tokens: u8,
    /// Frames that the server got, by name, with the time of their sending.
    pub sent_up: Vec<(Time, &'static str)>,
}

impl Pair {
    /// A link that is just open.
    pub fn new(cfg: SessionConfig) -> Pair {
        let now = Time::from_millis(1_000_000);
        let mut client = ClientSession::new(now, SessionConfig::default(), 3);
        client.link_open(now);
        Pair {
            now,
            client,
            server: ServerSession::new(now, cfg, 42, [9; 32]),
            up: Way::default(),
            down: Way::default(),
            delay: Duration::from_millis(20),
            stalls: Vec::new(),
            writable: 64 * 1024,
            cut: false,
            heard: Vec::new(),
            seen: Vec::new(),
            stale: false,
            tokens: 9,
            sent_up: Vec::new(),
        }
    }

    /// Attached as attachment 0, and in room 5.
    pub fn joined() -> Pair {
        let mut pair = Pair::attached(SessionConfig::default());
        pair.join(5);
        pair
    }

    pub fn attached(cfg: SessionConfig) -> Pair {
        let mut pair = Pair::new(cfg);
        pair.client.attach(0, "/", b"{}", 0);
        pair.run_ms(100);
        assert!(
            pair.seen
                .iter()
                .any(|event| matches!(event, ClientEvent::Attached { attachment: 0, .. })),
            "{:?}",
            pair.seen
        );
        pair
    }

    pub fn join(&mut self, room: u32) {
        self.client.join(room, 0, &JoinHow::Room { id: "r" }, 0);
        self.run_ms(100);
        let joined =
            |event: &ClientEvent| matches!(event, ClientEvent::Joined(info) if info.room == room);
        assert!(self.seen.iter().any(joined), "{:?}", self.seen);
    }

    /// The server's owner: accepts all, and makes the room that the request's number names.
    fn own(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match &event {
                ServerEvent::AuthWanted { attachment, .. } => {
                    self.server
                        .attach_done(self.now, *attachment, Ok(Identity::new("ann")))
                }
                ServerEvent::JoinWanted { request, .. } => self
                    .server
                    .joined(self.now, joined_info(*request, *request)),
                _ => {}
            }
            self.heard.push(event);
        }
        // The client's owner: holds each update at once.
        while let Some(event) = self.client.poll_event() {
            if let ClientEvent::Update { room, tick, .. } = &event {
                self.client.held(*room, *tick);
            }
            self.seen.push(event);
        }
    }

    fn arrival(&self) -> Time {
        let at = self.now.plus(self.delay);
        self.stalls.iter().fold(at, |at, (from, until)| {
            if at >= *from && at < *until {
                *until
            } else {
                at
            }
        })
    }

    /// Both sides write all that they want to.
    pub fn flush(&mut self) {
        self.own();
        let arrival = self.arrival();
        let mut room = self.writable;
        while let Some(frame) = self.client.next(self.now, room) {
            room = room.saturating_sub(frame.len());
            let name = tickwire_proto::ClientFrame::decode(&frame)
                .expect("a client writes sound frames")
                .name();
            self.sent_up.push((self.now, name));
            if !self.cut {
                self.up.push(arrival, frame);
            }
        }
        let mut room = self.writable;
        while let Some(out) = self.server.next(self.now, room) {
            room = room.saturating_sub(out.len());
            if !self.cut && !self.stale {
                [Some(out.head), out.body]
                    .into_iter()
                    .flatten()
                    .for_each(|frame| self.down.push(arrival, frame));
            }
        }
    }

    /// Until then, event by event.
    pub fn run_until(&mut self, end: Time) {
        loop {
            while let Some(frame) = self.up.due(self.now) {
                self.arrive(&frame);
            }
            while let Some(frame) = self.down.due(self.now) {
                self.client.handle_frame(self.now, &frame);
                self.flush();
            }
            if self.server.next_timeout().is_some_and(|at| at <= self.now) {
                self.server.handle_timeout(self.now);
            }
            if self.client.next_timeout().is_some_and(|at| at <= self.now) {
                self.client.handle_timeout(self.now);
            }
            self.flush();
            let arrivals = [&self.up, &self.down]
                .into_iter()
                .filter_map(|way| way.queue.front().map(|(at, _)| *at));
            let timeouts = [self.server.next_timeout(), self.client.next_timeout()]
                .into_iter()
                .flatten();
            let next = arrivals
                .chain(timeouts)
                .min()
                .unwrap_or(end)
                .max(Time(self.now.0 + 1));
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
        }
    }

    /// A frame arrives at the server, whose owner knows who may resume.
    fn arrive(&mut self, frame: &Bytes) {
        match ServerSession::claim(frame) {
            Some(claim) if self.server.may_resume(&claim.token) => {
                self.stale = false;
                self.tokens += 1;
                self.server.resume(self.now, &claim, [self.tokens; 32]);
            }
            _ => {
                self.stale = false;
                self.server.handle_frame(self.now, frame);
            }
        }
    }

    /// The link is lost with all that was on its way; the client opens another one at once. The server may not have noticed.
    pub fn relink(&mut self, noticed: bool) {
        (self.up, self.down) = (Way::default(), Way::default());
        self.stale = true;
        if noticed {
            self.server.link_lost(self.now);
        }
        self.client.link_lost(self.now);
        self.client.link_open(self.now);
    }

    pub fn run_ms(&mut self, ms: u64) {
        self.run_until(self.now.plus(Duration::from_millis(ms)));
    }

    /// An update of room 5, as a room would give it.
    pub fn update(&mut self, room: u32, tick: u32) -> usize {
        let (private, shared) = update_frames(room, tick);
        self.server.update(room, Tick(tick), private, Some(shared))
    }

    pub fn count_heard(&self, what: impl Fn(&ServerEvent) -> bool) -> usize {
        self.heard.iter().filter(|event| what(event)).count()
    }

    pub fn count_seen(&self, what: impl Fn(&ClientEvent) -> bool) -> usize {
        self.seen.iter().filter(|event| what(event)).count()
    }
}

pub fn update_frames(room: u32, tick: u32) -> (Bytes, Bytes) {
    use tickwire_proto::frame::{AreaDelta, ServerFrame};
    let private = ServerFrame::TickFrame {
        room,
        tick: Tick(tick),
        applied: None,
        slack: 0,
        stamp: None,
        own: tickwire_proto::frame::OwnTold::Nothing,
        alone: false,
    };
    let delta = AreaDelta {
        area: 0,
        basis: None,
        flags: 0,
        payload: b"delta",
    };
    let shared = ServerFrame::Update {
        room,
        tick: Tick(tick),
        areas: vec![delta],
    };
    (private.encode(), shared.encode())
}

pub fn joined_info(request: u32, room: u32) -> JoinedInfo {
    JoinedInfo {
        request,
        room,
        id: format!("room-{room}"),
        kind: "arena".into(),
        seat: 1,
        member: 7,
        tick: Tick(100),
        tick_us: 33_333,
        send_every: 1,
        schema_hash: 5,
        schema: None,
        members: vec![MemberInfoOwned {
            member: 7,
            seat: 1,
            name: "Ann".into(),
            presence: Presence::Online,
            status: String::new(),
            flags: tickwire_proto::frame::MemberFlags::default(),
        }],
    }
}
