//! Every kind of frame, made from a pool of values: a fixed one for golden bytes, arbitrary ones for laws.

use bytes::Bytes;
use proptest::prelude::*;
use tickwire_proto::frame::{
    AreaDelta, Ask, Cancel, ClientFrame, CommandParts, Holding, HostAsk, JoinHow, LeaveReason,
    Limits, MemberChange, MemberFlags, MemberInfo, Outcome, OwnTold, PersonSeen, Presence, Reply,
    ResumeClaim, RoomEnd, RoomInfo, ServerFrame,
};
use tickwire_proto::{Moment, Reason, Retry, Tick};

/// What frames are made of.
#[derive(Clone, Debug)]
pub struct Pool {
    pub texts: [String; 3],
    pub blobs: [Vec<u8>; 2],
    pub numbers: [u32; 6],
    pub longs: [u64; 3],
    pub token: [u8; 32],
    pub bytes: [u8; 3],
    pub flags: [bool; 4],
}

impl Pool {
    /// The one that the golden bytes are made from.
    pub fn fixed() -> Pool {
        Pool {
            texts: ["arena".into(), "Ann".into(), "mode".into()],
            blobs: [vec![1, 2, 3], (0..16).collect()],
            numbers: [1, 130, 70_000, 3, 0, 16_667],
            longs: [7, 0x0123_4567_89ab_cdef, 1_700_000_000_000_000],
            token: std::array::from_fn(|i| i as u8),
            bytes: [0, 2, 0xfe],
            flags: [true, false, true, true],
        }
    }

    pub fn any() -> impl Strategy<Value = Pool> {
        let text = || ".{0,16}";
        let blob = || prop::collection::vec(any::<u8>(), 0..200);
        let number = || prop_oneof![Just(0), 0u32..300, any::<u32>(), Just(u32::MAX)];
        let long = || prop_oneof![Just(0), 0u64..300, any::<u64>(), Just(u64::MAX)];
        (
            [text(), text(), text()],
            [blob(), blob()],
            [number(), number(), number(), number(), number(), number()],
            [long(), long(), long()],
            any::<[u8; 32]>(),
            any::<[u8; 3]>(),
            any::<[bool; 4]>(),
        )
            .prop_map(|(texts, blobs, numbers, longs, token, bytes, flags)| Pool {
                texts,
                blobs,
                numbers,
                longs,
                token,
                bytes,
                flags,
            })
    }

    fn text(&self, i: usize) -> &str {
        &self.texts[i]
    }

    fn channel(&self) -> u8 {
        self.bytes[1] % 8
    }

    fn attributes(&self) -> Vec<(&str, &str)> {
        if self.flags[0] {
            vec![(self.text(2), self.text(0)), (self.text(1), self.text(1))]
        } else {
            vec![]
        }
    }

    pub fn client_frames(&self) -> Vec<ClientFrame<'_>> {
        let [a, b, c, d, e, _] = self.numbers;
        let (attachment, channel) = (self.bytes[0], self.channel());
        let received = vec![(channel, self.longs[0]), (0, self.longs[2])];
        let held = vec![(a, Tick(c)), (d, Tick(e))];
        let claim = ResumeClaim {
            token: self.token,
            rooms: held.clone(),
            received: received.clone(),
        };
        let schema_hash = self.longs[1];
        let join = |how| ClientFrame::Join {
            request: b,
            attachment,
            how,
            schema_hash,
        };
        vec![
            ClientFrame::Hello {
                version: self.bytes[1].into(),
                resume: None,
            },
            ClientFrame::Hello {
                version: 1,
                resume: Some(claim),
            },
            ClientFrame::Attach {
                attachment,
                namespace: self.text(2),
                credentials: &self.blobs[1],
                messages_hash: self.longs[1],
            },
            ClientFrame::Detach { attachment },
            ClientFrame::Credentials {
                attachment,
                credentials: &self.blobs[0],
            },
            join(JoinHow::Room { id: self.text(1) }),
            join(JoinHow::Quick {
                kind: self.text(0),
                attributes: self.attributes(),
            }),
            join(JoinHow::Create {
                kind: self.text(0),
                attributes: vec![],
            }),
            ClientFrame::Leave { room: a },
            ClientFrame::Command {
                room: a,
                held: Tick(c),
                tick: Tick(c.saturating_add(d)),
                shown: Some(Moment::of(Tick(c)).minus(d)),
                said: None,
                payload: &self.blobs[0],
            },
            ClientFrame::Command {
                room: a,
                held: Tick(c),
                tick: Tick(e),
                shown: None,
                said: Some(e as u16),
                payload: &[],
            },
            ClientFrame::Commands {
                room: a,
                held: Holding {
                    newest: Tick(c),
                    before: (d as u16).checked_rem(1 << c.min(15)).unwrap_or(0),
                },
                commands: commands(c, d, &self.blobs[0]),
            },
            ClientFrame::Commands {
                room: a,
                held: Holding::of(Tick(c)),
                commands: vec![],
            },
            ClientFrame::Message {
                room: e,
                channel,
                kind: c,
                payload: &self.blobs[1],
            },
            ClientFrame::Volatile {
                room: a,
                channel,
                kind: c,
                payload: &self.blobs[0],
            },
            ClientFrame::Receipts { received, held },
            ClientFrame::Receipts {
                received: vec![],
                held: vec![],
            },
            ClientFrame::Report { room: a, age_ms: b },
            ClientFrame::Ping { nonce: c },
            ClientFrame::Pong { nonce: b },
            ClientFrame::Lobby {
                request: b,
                attachment,
                kind: self.text(0),
            },
            ClientFrame::KeyframeWanted { room: a, area: e },
            ClientFrame::Status {
                room: a,
                text: self.text(0),
                expires_ms: c,
            },
            ClientFrame::Follow {
                attachment,
                add: vec![self.text(0), self.text(1)],
                remove: vec![self.text(2)],
            },
            ClientFrame::NoticesDone {
                attachment,
                cursors: vec![self.longs[0], self.longs[2]],
            },
            ClientFrame::Bye,
            ClientFrame::Unload,
            ClientFrame::SeatKey {
                key: [attachment; 16],
            },
            join(JoinHow::Private {
                kind: self.text(0),
                attributes: self.attributes(),
            }),
            join(JoinHow::Watch { id: self.text(1) }),
            join(JoinHow::Reserved {
                token: self.text(2),
            }),
            ClientFrame::LobbyWatch {
                request: b,
                attachment,
                kind: self.text(0),
                attributes: self.attributes(),
            },
            ClientFrame::LobbyUnwatch { request: b },
            ClientFrame::Ready {
                room: a,
                ready: self.flags[1],
            },
            self.host_ask(HostAsk::Kick { member: d }),
            self.host_ask(HostAsk::Ban {
                member: d,
                seconds: c,
            }),
            self.host_ask(HostAsk::Lock {
                locked: self.flags[0],
            }),
            self.host_ask(HostAsk::Attributes {
                attributes: self.attributes(),
            }),
            self.host_ask(HostAsk::Close {
                message: self.text(0),
            }),
            ClientFrame::Ask(self.ask()),
            ClientFrame::Reply(self.replies()[0]),
            ClientFrame::Reply(self.replies()[1]),
            ClientFrame::Reply(self.replies()[2]),
            ClientFrame::Cancel(self.cancel()),
        ]
    }

    fn ask(&self) -> Ask<'_> {
        let [a, b, c, d, ..] = self.numbers;
        Ask {
            room: a,
            channel: self.channel(),
            number: b,
            kind: c,
            timeout_ms: d,
            payload: &self.blobs[1],
        }
    }

    fn replies(&self) -> [Reply<'_>; 3] {
        let [a, b, ..] = self.numbers;
        let refused = Outcome::Refused {
            code: "Limit",
            message: self.text(0),
            data: &self.blobs[0],
        };
        let done = Outcome::Done {
            payload: &self.blobs[1],
        };
        [done, refused, Outcome::Ended].map(|outcome| Reply {
            room: a,
            channel: self.channel(),
            number: b,
            outcome,
        })
    }

    fn cancel(&self) -> Cancel {
        Cancel {
            room: self.numbers[4],
            channel: self.channel(),
            number: self.numbers[1],
        }
    }

    fn host_ask<'a>(&self, ask: HostAsk<'a>) -> ClientFrame<'a> {
        ClientFrame::HostAsk {
            request: self.numbers[1],
            room: self.numbers[0],
            ask,
        }
    }

    pub fn server_frames(&self) -> Vec<ServerFrame<'_>> {
        let mut frames = self.talk_frames();
        frames.extend(self.room_frames());
        frames.push(ServerFrame::Ask(self.ask()));
        frames.extend(self.replies().map(ServerFrame::Reply));
        frames.push(ServerFrame::Cancel(self.cancel()));
        frames
    }

    fn talk_frames(&self) -> Vec<ServerFrame<'_>> {
        let [a, b, c, d, e, f] = self.numbers;
        let channel = self.channel();
        let limits = Limits {
            message_max: c,
            messages_per_s: b,
            bytes_per_s: f,
            heartbeat_ms: d,
            dead_ms: e,
            resume_window_ms: a,
        };
        vec![
            ServerFrame::Welcome {
                session: self.longs[0],
                token: self.token,
                limits,
                resumed: self.flags[1].then(|| vec![(channel, self.longs[0])]),
            },
            ServerFrame::AttachDone {
                attachment: self.bytes[0],
                identity: self.text(1),
                schema: self.flags[1].then_some(&self.blobs[1][..]),
            },
            ServerFrame::CredentialsWanted {
                attachment: self.bytes[0],
                within_ms: c,
            },
            ServerFrame::AttachEnded {
                attachment: self.bytes[0],
                code: "Refused",
                message: self.text(0),
                data: &self.blobs[1],
            },
            ServerFrame::AttachRefused {
                attachment: self.bytes[0],
                code: "Refused",
                message: self.text(1),
                data: &self.blobs[0],
            },
            ServerFrame::JoinRefused {
                request: b,
                code: "Full",
                message: self.text(0),
                data: &[],
            },
            ServerFrame::Message {
                room: a,
                channel,
                kind: c,
                payload: &self.blobs[1],
            },
            ServerFrame::Volatile {
                room: e,
                channel,
                kind: c,
                payload: &self.blobs[0],
            },
            ServerFrame::Receipts {
                received: vec![(channel, self.longs[0])],
            },
            ServerFrame::Ping { nonce: c },
            ServerFrame::Pong { nonce: b },
            ServerFrame::Ending {
                reason: Reason::Restarting,
                retry: Retry::After { ms: c },
                message: self.text(1),
            },
            ServerFrame::Ending {
                reason: Reason::Version,
                retry: Retry::Reload,
                message: self.text(0),
            },
            ServerFrame::Ending {
                reason: Reason::Violation,
                retry: Retry::Never,
                message: "",
            },
        ]
    }

    fn room_frames(&self) -> Vec<ServerFrame<'_>> {
        let [a, b, c, d, e, f] = self.numbers;
        let member = MemberInfo {
            member: b,
            seat: self.bytes[1].into(),
            name: self.text(1),
            presence: Presence::Online,
            status: self.text(2),
            flags: MemberFlags {
                ready: self.flags[2],
                host: self.flags[3],
            },
        };
        let tick = Tick(c.saturating_add(1));
        let basis = Some(tick.minus(d.max(1))).filter(|basis| *basis < tick);
        let delta = |area, basis, flags, payload| AreaDelta {
            area,
            basis,
            flags,
            payload,
        };
        let info = RoomInfo {
            id: self.text(1),
            kind: self.text(0),
            members: 3,
            seats: 64,
            locked: self.flags[1],
            attributes: self.attributes(),
        };
        let listed = info.clone();
        vec![
            ServerFrame::Joined {
                request: b,
                room: a,
                id: self.text(1),
                kind: self.text(0),
                seat: u16::MAX,
                member: d,
                tick,
                tick_us: f,
                send_every: self.bytes[1],
                schema_hash: self.longs[1],
                schema: self.flags[2].then_some(&self.blobs[1][..]),
                members: vec![
                    member,
                    MemberInfo {
                        presence: Presence::Away,
                        ..member
                    },
                ],
            },
            ServerFrame::TickFrame {
                room: a,
                tick,
                applied: basis,
                slack: self.bytes[2] as i8,
                stamp: Some(self.longs[2]),
                own: OwnTold::Rows {
                    number: e as u16,
                    rows: &self.blobs[0],
                },
                alone: false,
            },
            ServerFrame::TickFrame {
                room: a,
                tick,
                applied: None,
                slack: 1,
                stamp: None,
                own: OwnTold::AsSaid,
                alone: true,
            },
            ServerFrame::TickFrame {
                room: a,
                tick,
                applied: basis,
                slack: -1,
                stamp: None,
                own: OwnTold::AsTold,
                alone: false,
            },
            ServerFrame::TickFrame {
                room: a,
                tick,
                applied: None,
                slack: 0,
                stamp: None,
                own: OwnTold::Nothing,
                alone: false,
            },
            ServerFrame::Update {
                room: a,
                tick,
                areas: vec![delta(0, basis, 0, &self.blobs[0])],
            },
            ServerFrame::Update {
                room: a,
                tick,
                areas: vec![
                    delta(0, Some(Tick(0)), AreaDelta::STILL, &[]),
                    delta(e.saturating_add(1), None, AreaDelta::HASH, HASHED),
                ],
            },
            ServerFrame::Update {
                room: a,
                tick,
                areas: vec![],
            },
            ServerFrame::Member {
                room: a,
                change: MemberChange::Joined(member),
            },
            ServerFrame::Member {
                room: a,
                change: MemberChange::Left {
                    member: b,
                    reason: LeaveReason::Kicked,
                },
            },
            ServerFrame::Member {
                room: a,
                change: MemberChange::Presence {
                    member: b,
                    presence: Presence::Gone,
                },
            },
            ServerFrame::Member {
                room: a,
                change: MemberChange::Status {
                    member: b,
                    status: self.text(0),
                },
            },
            ServerFrame::Followed {
                attachment: self.bytes[0],
                people: vec![
                    PersonSeen {
                        identity: self.text(1),
                        presence: Presence::Away,
                        gone: None,
                        status: self.text(2),
                    },
                    PersonSeen {
                        identity: self.text(0),
                        presence: Presence::Gone,
                        gone: None,
                        status: "",
                    },
                    PersonSeen {
                        identity: self.text(1),
                        presence: Presence::Gone,
                        gone: Some(LeaveReason::Lost),
                        status: "",
                    },
                ],
            },
            ServerFrame::FollowRefused {
                attachment: self.bytes[0],
                code: "Limit",
                message: self.text(0),
            },
            ServerFrame::Notice {
                attachment: self.bytes[0],
                cursor: self.longs[0],
                kind: self.text(2),
                payload: &self.blobs[1],
            },
            ServerFrame::StatusRefused {
                room: e,
                code: "Limit",
                message: self.text(0),
            },
            ServerFrame::RoomEnded {
                room: a,
                reason: RoomEnd::Failed,
                message: self.text(0),
            },
            ServerFrame::Rates {
                room: a,
                tick_us: f,
            },
            ServerFrame::LobbyList {
                request: b,
                rooms: vec![info],
            },
            ServerFrame::LobbyList {
                request: b,
                rooms: vec![],
            },
            ServerFrame::Member {
                room: a,
                change: MemberChange::Flags {
                    member: b,
                    flags: MemberFlags {
                        ready: self.flags[0],
                        host: false,
                    },
                },
            },
            ServerFrame::LobbyChange {
                request: b,
                whole: self.flags[0],
                rooms: vec![listed],
                gone: vec![self.text(1), self.text(2)],
            },
            ServerFrame::Moved {
                from: a,
                request: c,
            },
            ServerFrame::HostDone { request: b },
        ]
    }
}

const HASHED: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 9];

/// Every frame's bytes, from both sides.
pub fn encoded(pool: &Pool) -> Vec<Bytes> {
    let client = pool
        .client_frames()
        .iter()
        .map(ClientFrame::encode)
        .collect::<Vec<_>>();
    client
        .into_iter()
        .chain(pool.server_frames().iter().map(ServerFrame::encode))
        .collect()
}

/// Rising ticks, the payload again, and another one.
fn commands(held: u32, d: u32, payload: &[u8]) -> Vec<CommandParts<'_>> {
    let first = held.saturating_sub(d % 3);
    let ticks = [
        first,
        first.saturating_add(1),
        first.saturating_add(2 + d % 9),
    ];
    let mut all: Vec<_> = ticks
        .into_iter()
        .zip([payload, payload, &[7, 7]])
        .map(|(tick, payload)| CommandParts {
            tick: Tick(tick),
            shown: (tick % 2 == 0).then(|| Moment::of(Tick(held)).minus(d % 40)),
            said: (tick % 3 == 0).then_some(d as u16),
            payload,
        })
        .collect();
    all.dedup_by_key(|it| it.tick); // at the end of all ticks
    all
}
