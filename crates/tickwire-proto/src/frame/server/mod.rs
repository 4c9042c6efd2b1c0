//! What a server says, frame by frame; encoded in `encode`, decoded in `decode`.

use super::area::AreaDelta;
use super::ask::{Ask, Cancel, Reply};
use super::parts::{Limits, MemberChange, MemberInfo, RoomEnd, RoomInfo};
use super::people::PersonSeen;
use crate::ending::{Reason, Retry};
use crate::time::Tick;
use crate::wire::Reader;
use bytes::Bytes;

mod decode;
mod encode;

const WELCOME: u8 = 0x41;
const ATTACH_DONE: u8 = 0x42;
const ATTACH_REFUSED: u8 = 0x43;
const JOINED: u8 = 0x44;
const JOIN_REFUSED: u8 = 0x45;
pub(crate) const TICK_FRAME: u8 = 0x46;
const UPDATE: u8 = 0x47;
const MESSAGE: u8 = 0x48;
const VOLATILE: u8 = 0x49;
const RECEIPTS: u8 = 0x4a;
const PING: u8 = 0x4b;
const PONG: u8 = 0x4c;
const MEMBER: u8 = 0x4d;
const ROOM_ENDED: u8 = 0x4e;
const RATES: u8 = 0x4f;
const LOBBY_LIST: u8 = 0x50;
const ENDING: u8 = 0x51;
const STATUS_REFUSED: u8 = 0x5a;
const FOLLOWED: u8 = 0x5b;
const NOTICE: u8 = 0x5c;
const FOLLOW_REFUSED: u8 = 0x5d;
const CREDENTIALS_WANTED: u8 = 0x55;
const ATTACH_ENDED: u8 = 0x56;
const ASK: u8 = 0x52;
const REPLY: u8 = 0x53;
const CANCEL: u8 = 0x54;
const LOBBY_CHANGE: u8 = 0x57;
const MOVED: u8 = 0x58;
const HOST_DONE: u8 = 0x59;

/// The parts of a tick frame that may be absent.
const HAS_APPLIED: u8 = 1;
const HAS_STAMP: u8 = 2;

/// What one player owns is told exactly, or as agreed with what the player's client said of it.
const HAS_OWN: u8 = 4;
const AS_SAID: u8 = 8;
const AS_TOLD: u8 = 16;
/// No update goes with it: nothing that the client does not hold has changed.
const ALONE: u8 = 32;

/// What a tick frame says of what its player owns, to a client that predicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnTold<'a> {
    /// Nothing: the client does not predict.
    #[default]
    Nothing,
    /// It is what the client said by the number in the command of that tick.
    AsSaid,
    /// It is what was told last.
    AsTold,
    /// This.
    Rows {
        /// The number of it.
        number: u16,
        /// It, exact to the bit: as the game's records write it.
        rows: &'a [u8],
    },
}

/// The same with bytes of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OwnToldOwned {
    /// Nothing.
    #[default]
    Nothing,
    /// As the client said.
    AsSaid,
    /// As it was told last.
    AsTold,
    /// This.
    Rows {
        /// The number of it.
        number: u16,
        /// It.
        rows: Bytes,
    },
}

impl OwnTold<'_> {
    /// The same as a part of the frame that it was read from.
    #[must_use]
    pub fn owned(&self, frame: &Bytes) -> OwnToldOwned {
        match *self {
            OwnTold::Nothing => OwnToldOwned::Nothing,
            OwnTold::AsSaid => OwnToldOwned::AsSaid,
            OwnTold::AsTold => OwnToldOwned::AsTold,
            OwnTold::Rows { number, rows } => OwnToldOwned::Rows {
                number,
                rows: frame.slice_ref(rows),
            },
        }
    }
}

/// A frame from a server, borrowed from its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerFrame<'a> {
    /// The answer to the hello.
    Welcome {
        /// The session's number.
        session: u64,
        /// What a resume shows.
        token: [u8; 32],
        /// What the client may send, and how the link is kept alive.
        limits: Limits,
        /// The session that the hello claimed goes on: what the server received of it, by channel.
        resumed: Option<Vec<(u8, u64)>>,
    },
    /// An attachment is accepted.
    AttachDone {
        /// Which.
        attachment: u8,
        /// Who the client is there.
        identity: &'a str,
        /// The messages of the namespace as a schema, for a generic client, where it has any.
        schema: Option<&'a [u8]>,
    },
    /// An attachment is refused; the session goes on.
    AttachRefused {
        /// Which.
        attachment: u8,
        /// For programs.
        code: &'a str,
        /// For people.
        message: &'a str,
        /// Whatever else.
        data: &'a [u8],
    },
    /// An identity expires: fresh credentials are wanted for an attachment, which ends without them.
    CredentialsWanted {
        /// Which.
        attachment: u8,
        /// So long the server waits for credentials that are accepted.
        within_ms: u32,
    },
    /// An attachment is over, and its rooms are left; the session goes on.
    AttachEnded {
        /// Which.
        attachment: u8,
        /// For programs.
        code: &'a str,
        /// For people.
        message: &'a str,
        /// Whatever else.
        data: &'a [u8],
    },
    /// A join is done.
    Joined {
        /// The number of the request.
        request: u32,
        /// The room's number in all other frames.
        room: u32,
        /// The room's id.
        id: &'a str,
        /// The kind of game.
        kind: &'a str,
        /// The member's seat.
        seat: u16,
        /// The member's own number.
        member: u32,
        /// The room's tick.
        tick: Tick,
        /// Microseconds of a tick.
        tick_us: u32,
        /// Ticks from one update to the next.
        send_every: u8,
        /// The hash of the game's schema.
        schema_hash: u64,
        /// The schema, for a generic client.
        schema: Option<&'a [u8]>,
        /// Everybody in the room.
        members: Vec<MemberInfo<'a>>,
    },
    /// A request (a join, a list) is refused.
    JoinRefused {
        /// The number of the request.
        request: u32,
        /// For programs.
        code: &'a str,
        /// For people.
        message: &'a str,
        /// Whatever else.
        data: &'a [u8],
    },
    /// What one client alone is told about a tick; goes before the update of that tick, in the same write.
    TickFrame {
        /// Which room.
        room: u32,
        /// The tick.
        tick: Tick,
        /// The newest of the client's commands that was applied.
        applied: Option<Tick>,
        /// Of the commands that came since the tick frame before: by how many ticks the worst came before it was needed; negative: late;
        /// [`SLACK_NONE`](crate::frame::SLACK_NONE): none came.
        slack: i8,
        /// The server's clock at the capture, in microseconds.
        stamp: Option<u64>,
        /// What the player owns.
        own: OwnTold<'a>,
        /// No update goes with it, since all that the client holds is still true.
        alone: bool,
    },
    /// What is true at a tick; the same bytes for all viewers with the same bases.
    Update {
        /// Which room.
        room: u32,
        /// The tick.
        tick: Tick,
        /// Area by area, in the order of their numbers.
        areas: Vec<AreaDelta<'a>>,
    },
    /// A reliable message.
    Message {
        /// The room, or below [`ROOM_FIRST`](crate::frame::ROOM_FIRST) an attachment.
        room: u32,
        /// The channel that keeps its order.
        channel: u8,
        /// The hash of the message type's name.
        kind: u32,
        /// The message.
        payload: &'a [u8],
    },
    /// A volatile message.
    Volatile {
        /// The room, or below [`ROOM_FIRST`](crate::frame::ROOM_FIRST) an attachment.
        room: u32,
        /// The channel.
        channel: u8,
        /// The hash of the message type's name.
        kind: u32,
        /// The message.
        payload: &'a [u8],
    },
    /// What arrived.
    Receipts {
        /// For each channel that moved, how many reliable messages were received.
        received: Vec<(u8, u64)>,
    },
    /// Are you there?
    Ping {
        /// Comes back in the pong.
        nonce: u32,
    },
    /// Yes.
    Pong {
        /// That of the ping.
        nonce: u32,
    },
    /// The members of a room changed.
    Member {
        /// Which room.
        room: u32,
        /// How.
        change: MemberChange<'a>,
    },
    /// A room is over for this session; the session goes on.
    RoomEnded {
        /// Which room.
        room: u32,
        /// Why.
        reason: RoomEnd,
        /// For people.
        message: &'a str,
    },
    /// A room's time goes slower, or as before again.
    Rates {
        /// Which room.
        room: u32,
        /// Microseconds of a tick from now on.
        tick_us: u32,
    },
    /// The list of rooms.
    LobbyList {
        /// The number of the request.
        request: u32,
        /// The rooms.
        rooms: Vec<RoomInfo<'a>>,
    },
    /// A status is not told to anybody: the one before stays.
    StatusRefused {
        /// Of which room; 0: of the session.
        room: u32,
        /// For programs.
        code: &'a str,
        /// For people.
        message: &'a str,
    },
    /// What watched identities are like: first all that are watched anew, then every change.
    Followed {
        /// In the namespace of this attachment.
        attachment: u8,
        /// Who.
        people: Vec<PersonSeen<'a>>,
    },
    /// Some identities are not watched.
    FollowRefused {
        /// In the namespace of this attachment.
        attachment: u8,
        /// For programs.
        code: &'a str,
        /// For people.
        message: &'a str,
    },
    /// Something that the client's identity is told, wherever it is connected.
    Notice {
        /// In the namespace of this attachment.
        attachment: u8,
        /// The notice's number among the identity's, to be acknowledged; 0: nobody keeps it.
        cursor: u64,
        /// What it is about.
        kind: &'a str,
        /// What it says; JSON by convention.
        payload: &'a [u8],
    },
    /// The session is over. The same bytes in every version of the protocol.
    Ending {
        /// Why.
        reason: Reason,
        /// What next.
        retry: Retry,
        /// For people.
        message: &'a str,
    },
    /// A request of the server's.
    Ask(Ask<'a>),
    /// The reply to a request of the client's.
    Reply(Reply<'a>),
    /// Gives a request of the server's up.
    Cancel(Cancel),
    /// What changed on a list of rooms that the client watches.
    LobbyChange {
        /// The number of the request that began it.
        request: u32,
        /// This is the whole list: what was told before is void.
        whole: bool,
        /// Rooms that are new on the list or look different now.
        rooms: Vec<RoomInfo<'a>>,
        /// The ids of rooms that are not on it any more.
        gone: Vec<&'a str>,
    },
    /// The session is out of a room, and in another by the [`Joined`](ServerFrame::Joined) that comes next.
    Moved {
        /// The room that it was in.
        from: u32,
        /// The number of that Joined, given by the server: from 2^31 on.
        request: u32,
    },
    /// What the host asked for is done.
    HostDone {
        /// The number of the request.
        request: u32,
    },
}

impl ServerFrame<'_> {
    /// The frame's name, as in errors.
    #[must_use]
    pub fn name(&self) -> &'static str {
        name_of(self.kind())
    }

    /// Whether both sides count it: it answers, or tells of members and rooms, and comes exactly once over any number of links.
    #[must_use]
    pub fn is_control(&self) -> bool {
        use ServerFrame::{
            AttachDone, AttachEnded, AttachRefused, CredentialsWanted, FollowRefused, Followed,
            HostDone, JoinRefused, Joined, LobbyChange, LobbyList, Member, Moved, Notice, Rates,
            RoomEnded, StatusRefused,
        };
        matches!(
            self,
            AttachDone { .. }
                | AttachRefused { .. }
                | AttachEnded { .. }
                | CredentialsWanted { .. }
                | Joined { .. }
                | JoinRefused { .. }
                | Member { .. }
                | RoomEnded { .. }
                | Rates { .. }
                | LobbyList { .. }
                | StatusRefused { .. }
                | Followed { .. }
                | FollowRefused { .. }
                | Notice { .. }
                | LobbyChange { .. }
                | Moved { .. }
                | HostDone { .. }
        )
    }

    fn kind(&self) -> u8 {
        match self {
            ServerFrame::Welcome { .. } => WELCOME,
            ServerFrame::AttachDone { .. } => ATTACH_DONE,
            ServerFrame::AttachRefused { .. } => ATTACH_REFUSED,
            ServerFrame::Joined { .. } => JOINED,
            ServerFrame::JoinRefused { .. } => JOIN_REFUSED,
            ServerFrame::TickFrame { .. } => TICK_FRAME,
            ServerFrame::Update { .. } => UPDATE,
            ServerFrame::Message { .. } => MESSAGE,
            ServerFrame::Volatile { .. } => VOLATILE,
            ServerFrame::Receipts { .. } => RECEIPTS,
            ServerFrame::Ping { .. } => PING,
            ServerFrame::Pong { .. } => PONG,
            ServerFrame::Member { .. } => MEMBER,
            ServerFrame::RoomEnded { .. } => ROOM_ENDED,
            ServerFrame::Rates { .. } => RATES,
            ServerFrame::LobbyList { .. } => LOBBY_LIST,
            ServerFrame::StatusRefused { .. } => STATUS_REFUSED,
            ServerFrame::Followed { .. } => FOLLOWED,
            ServerFrame::FollowRefused { .. } => FOLLOW_REFUSED,
            ServerFrame::Notice { .. } => NOTICE,
            ServerFrame::Ending { .. } => ENDING,
            ServerFrame::CredentialsWanted { .. } => CREDENTIALS_WANTED,
            ServerFrame::AttachEnded { .. } => ATTACH_ENDED,
            ServerFrame::Ask(_) => ASK,
            ServerFrame::Reply(_) => REPLY,
            ServerFrame::Cancel(_) => CANCEL,
            ServerFrame::LobbyChange { .. } => LOBBY_CHANGE,
            ServerFrame::Moved { .. } => MOVED,
            ServerFrame::HostDone { .. } => HOST_DONE,
        }
    }
}

/// How a session treats a frame that was encoded elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    Reliable {
        channel: u8,
    },
    Volatile,
    Control,
    /// Control of which the newest alone counts: what a member of a room is like.
    Newest(MemberKey),
    /// Somebody joined a room or left it.
    Member,
    /// A request of a room's, the same for several of its members.
    Ask,
}

/// What of which member of which room: presence, status or flags.
pub(crate) type MemberKey = (u32, u32, u8);

/// Reads only as much of a frame as tells how it must be sent.
pub(crate) fn treatment(frame: &[u8]) -> Treatment {
    match frame.first() {
        Some(&MESSAGE) => channel_of(frame).map_or(Treatment::Control, |channel| {
            Treatment::Reliable { channel }
        }),
        Some(&VOLATILE) => Treatment::Volatile,
        Some(&ASK) => Treatment::Ask,
        Some(&MEMBER) => newest_of(frame).map_or(Treatment::Member, Treatment::Newest),
        _ => Treatment::Control,
    }
}

fn channel_of(frame: &[u8]) -> Option<u8> {
    let mut reader = Reader::new(&frame[1..]);
    reader.varint_u32().ok()?;
    super::read_channel(&mut reader).ok()
}

fn newest_of(frame: &[u8]) -> Option<MemberKey> {
    let mut reader = Reader::new(&frame[1..]);
    let room = reader.varint_u32().ok()?;
    let what = reader.u8().ok()?;
    let replaces = MemberChange::REPLACES.contains(&what);
    replaces.then_some((room, reader.varint_u32().ok()?, what))
}

pub(super) fn name_of(kind: u8) -> &'static str {
    match kind {
        WELCOME => "Welcome",
        ATTACH_DONE => "AttachDone",
        ATTACH_REFUSED => "AttachRefused",
        JOINED => "Joined",
        JOIN_REFUSED => "JoinRefused",
        TICK_FRAME => "TickFrame",
        UPDATE => "Update",
        MESSAGE => "Message",
        VOLATILE => "Volatile",
        RECEIPTS => "Receipts",
        PING => "Ping",
        PONG => "Pong",
        MEMBER => "Member",
        ROOM_ENDED => "RoomEnded",
        RATES => "Rates",
        LOBBY_LIST => "LobbyList",
        STATUS_REFUSED => "StatusRefused",
        FOLLOWED => "Followed",
        FOLLOW_REFUSED => "FollowRefused",
        NOTICE => "Notice",
        ENDING => "Ending",
        CREDENTIALS_WANTED => "CredentialsWanted",
        ATTACH_ENDED => "AttachEnded",
        ASK => "Ask",
        REPLY => "Reply",
        CANCEL => "Cancel",
        LOBBY_CHANGE => "LobbyChange",
        MOVED => "Moved",
        HOST_DONE => "HostDone",
        _ => "unknown",
    }
}
