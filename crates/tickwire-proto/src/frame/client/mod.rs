//! What a client says, frame by frame.

use super::commands::{self, CommandParts, Holding};
use super::parts::{JoinHow, ResumeClaim, write_attributes};
use super::people::{write_cursors, write_names};
use super::rooms::HostAsk;
use super::{Ask, Cancel, MessageParts, NAME_MAX, Reply, STATUS_MAX};
use crate::moment::Moment;
use crate::time::Tick;
use crate::wire::Writer;
use bytes::Bytes;

mod decode;

const HELLO: u8 = 0x01;
pub(crate) const ATTACH: u8 = 0x02;
pub(crate) const DETACH: u8 = 0x03;
const JOIN: u8 = 0x04;
const LEAVE: u8 = 0x05;
pub(crate) const COMMAND: u8 = 0x06;
const MESSAGE: u8 = 0x07;
const VOLATILE: u8 = 0x08;
pub(crate) const RECEIPTS: u8 = 0x09;
const REPORT: u8 = 0x0a;
const PING: u8 = 0x0b;
const PONG: u8 = 0x0c;
const LOBBY: u8 = 0x0d;
const KEYFRAME_WANTED: u8 = 0x0e;
const BYE: u8 = 0x0f;
const STATUS: u8 = 0x18;
const FOLLOW: u8 = 0x19;
const NOTICES_DONE: u8 = 0x1a;
pub(crate) const SEAT_KEY: u8 = 0x1b;
const UNLOAD: u8 = 0x1c;
const CREDENTIALS: u8 = 0x13;
const ASK: u8 = 0x10;
const REPLY: u8 = 0x11;
const CANCEL: u8 = 0x12;
const LOBBY_WATCH: u8 = 0x14;
const READY: u8 = 0x15;
const HOST_ASK: u8 = 0x16;
const LOBBY_UNWATCH: u8 = 0x17;
pub(crate) const COMMANDS: u8 = 0x1d;

/// A frame from a client, borrowed from its bytes.
///
/// ```
/// use tickwire_proto::{ClientFrame, Tick};
/// let frame = ClientFrame::Command { room: 1, held: Tick(100), tick: Tick(104), shown: None, said: None, payload: &[7] };
/// let bytes = frame.encode();
/// assert_eq!(ClientFrame::decode(&bytes).unwrap(), frame);
/// assert!(ClientFrame::decode(&bytes[..3]).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame<'a> {
    /// The first frame on a link. Its first three bytes are the same in every version of the protocol.
    Hello {
        /// The version that the client speaks.
        version: u16,
        /// The session to go on with, if any.
        resume: Option<ResumeClaim>,
    },
    /// Wants a part in a namespace.
    Attach {
        /// The client's number for it.
        attachment: u8,
        /// Which namespace.
        namespace: &'a str,
        /// Whatever the namespace's auth wants.
        credentials: &'a [u8],
        /// The hash of the client's messages; 0: a generic client.
        messages_hash: u64,
    },
    /// A secret of the client's own, before its first join: an older session that has shown the same gives its seats to this one.
    SeatKey {
        /// 16 bytes of chance.
        key: [u8; 16],
    },
    /// Gives up the part in a namespace.
    Detach {
        /// Which.
        attachment: u8,
    },
    /// Fresh credentials for an attachment, as the server asked for them.
    Credentials {
        /// Which.
        attachment: u8,
        /// Whatever the namespace's auth wants.
        credentials: &'a [u8],
    },
    /// Wants to be a member of a room.
    Join {
        /// The client's number for the request.
        request: u32,
        /// By which attachment.
        attachment: u8,
        /// Which room.
        how: JoinHow<'a>,
        /// The hash of the client's schema; 0: a generic client that wants the schema.
        schema_hash: u64,
    },
    /// Leaves a room.
    Leave {
        /// Which.
        room: u32,
    },
    /// What the player asks for in one tick, and the receipt of what is held.
    Command {
        /// Which room.
        room: u32,
        /// The newest tick held of that room.
        held: Tick,
        /// The tick that the command is for.
        tick: Tick,
        /// What the player's picture showed when they asked, at most `held`; `None`: they saw none.
        shown: Option<Moment>,
        /// The number of what the player owns after that tick, as the client predicts it; `None`: it does not.
        said: Option<u16>,
        /// The command by its schema.
        payload: &'a [u8],
    },
    /// On a lane that may lose it: the newest commands, again until they are likely to have come, and what is held. Without commands: a receipt.
    Commands {
        /// Which room.
        room: u32,
        /// What is held of that room.
        held: Holding,
        /// By rising tick, at most [`COMMANDS_A_FRAME_MAX`](crate::frame::COMMANDS_A_FRAME_MAX).
        commands: Vec<CommandParts<'a>>,
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
        /// For each room that moved, the newest tick held.
        held: Vec<(u32, Tick)>,
    },
    /// What the client measures, at most once a second.
    Report {
        /// Which room.
        room: u32,
        /// How old the newest update was when it arrived, by its capture stamp.
        age_ms: u32,
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
    /// Wants the list of rooms.
    Lobby {
        /// The client's number for the request.
        request: u32,
        /// By which attachment.
        attachment: u8,
        /// Of this kind alone; empty: all.
        kind: &'a str,
    },
    /// Wants an area anew: what is held does not match its hash.
    KeyframeWanted {
        /// Which room.
        room: u32,
        /// Which area.
        area: u32,
    },
    /// Says something of oneself to the others.
    Status {
        /// In which room; 0: wherever one is followed.
        room: u32,
        /// What; empty: nothing any more.
        text: &'a str,
        /// For how long, in milliseconds; then what was said for good shows again. 0: for good.
        expires_ms: u32,
    },
    /// Watches identities wherever they are on the server, or not any more.
    Follow {
        /// In the namespace of this attachment.
        attachment: u8,
        /// These too.
        add: Vec<&'a str>,
        /// These no more.
        remove: Vec<&'a str>,
    },
    /// Acknowledges kept notices: they are not needed again.
    NoticesDone {
        /// Of which attachment.
        attachment: u8,
        /// Which.
        cursors: Vec<u64>,
    },
    /// Ends the session.
    Bye,
    /// The page goes, and perhaps comes again in a moment with the same seat key: a goodbye that leaves the seats for so long.
    Unload,
    /// A request of the client's.
    Ask(Ask<'a>),
    /// The reply to a request of the server's.
    Reply(Reply<'a>),
    /// Gives a request of the client's up.
    Cancel(Cancel),
    /// Wants the list of rooms, and then every change of it.
    LobbyWatch {
        /// The client's number for the request: the changes name it.
        request: u32,
        /// By which attachment.
        attachment: u8,
        /// Of this kind alone; empty: all.
        kind: &'a str,
        /// Only rooms that have these attributes.
        attributes: Vec<(&'a str, &'a str)>,
    },
    /// Wants no more changes of a list.
    LobbyUnwatch {
        /// The number of the request that began it.
        request: u32,
    },
    /// Says that the player is ready, or is not any more.
    Ready {
        /// Which room.
        room: u32,
        /// Whether.
        ready: bool,
    },
    /// What the host of a room wants done with it.
    HostAsk {
        /// The client's number for the request.
        request: u32,
        /// Which room.
        room: u32,
        /// What.
        ask: HostAsk<'a>,
    },
}

impl<'a> ClientFrame<'a> {
    /// The frame's name, as in errors.
    #[must_use]
    pub fn name(&self) -> &'static str {
        name_of(self.kind())
    }

    fn kind(&self) -> u8 {
        match self {
            ClientFrame::Hello { .. } => HELLO,
            ClientFrame::Attach { .. } => ATTACH,
            ClientFrame::Detach { .. } => DETACH,
            ClientFrame::SeatKey { .. } => SEAT_KEY,
            ClientFrame::Join { .. } => JOIN,
            ClientFrame::Leave { .. } => LEAVE,
            ClientFrame::Command { .. } => COMMAND,
            ClientFrame::Commands { .. } => COMMANDS,
            ClientFrame::Message { .. } => MESSAGE,
            ClientFrame::Volatile { .. } => VOLATILE,
            ClientFrame::Receipts { .. } => RECEIPTS,
            ClientFrame::Report { .. } => REPORT,
            ClientFrame::Ping { .. } => PING,
            ClientFrame::Pong { .. } => PONG,
            ClientFrame::Lobby { .. } => LOBBY,
            ClientFrame::KeyframeWanted { .. } => KEYFRAME_WANTED,
            ClientFrame::Status { .. } => STATUS,
            ClientFrame::Follow { .. } => FOLLOW,
            ClientFrame::NoticesDone { .. } => NOTICES_DONE,
            ClientFrame::Bye => BYE,
            ClientFrame::Unload => UNLOAD,
            ClientFrame::Credentials { .. } => CREDENTIALS,
            ClientFrame::Ask(_) => ASK,
            ClientFrame::Reply(_) => REPLY,
            ClientFrame::Cancel(_) => CANCEL,
            ClientFrame::LobbyWatch { .. } => LOBBY_WATCH,
            ClientFrame::LobbyUnwatch { .. } => LOBBY_UNWATCH,
            ClientFrame::Ready { .. } => READY,
            ClientFrame::HostAsk { .. } => HOST_ASK,
        }
    }

    /// The frame's bytes. Text and lists beyond their limits are cut.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::with_capacity(32 + self.payload_len());
        self.write(&mut out);
        out.into_bytes()
    }

    fn write(&self, out: &mut Writer) {
        out.u8(self.kind());
        match *self {
            ClientFrame::Hello {
                version,
                ref resume,
            } => {
                out.u16_le(version);
                out.bool(resume.is_some());
                if let Some(claim) = resume {
                    claim.write(out);
                }
            }
            ClientFrame::Attach {
                attachment,
                namespace,
                credentials,
                messages_hash,
            } => {
                out.u8(attachment);
                out.str(namespace, NAME_MAX);
                out.bytes(credentials);
                out.u64_le(messages_hash);
            }
            ClientFrame::Detach { attachment } => out.u8(attachment),
            ClientFrame::SeatKey { ref key } => out.raw(key),
            ClientFrame::Credentials {
                attachment,
                credentials,
            } => {
                out.u8(attachment);
                out.bytes(credentials);
            }
            ClientFrame::Join {
                request,
                attachment,
                ref how,
                schema_hash,
            } => {
                out.varint_u32(request);
                out.u8(attachment);
                how.write(out);
                out.u64_le(schema_hash);
            }
            ClientFrame::Leave { room } => out.varint_u32(room),
            ClientFrame::Command {
                room,
                held,
                tick,
                shown,
                said,
                payload,
            } => {
                out.varint_u32(room);
                out.varint_u32(held.0);
                out.varint_i64(i64::from(tick.0) - i64::from(held.0));
                let shown = shown.map_or(0, |shown| 1 + Moment::of(held).since(shown));
                out.varint_u64(shown << 1 | u64::from(said.is_some()));
                if let Some(said) = said {
                    out.u16_le(said);
                }
                out.bytes(payload);
            }
            ClientFrame::Commands {
                room,
                ref held,
                ref commands,
            } => {
                out.varint_u32(room);
                commands::write(held, commands, out);
            }
            ClientFrame::Message {
                room,
                channel,
                kind,
                payload,
            }
            | ClientFrame::Volatile {
                room,
                channel,
                kind,
                payload,
            } => {
                MessageParts {
                    room,
                    channel,
                    kind,
                    payload,
                }
                .write(out);
            }
            ClientFrame::Receipts {
                ref received,
                ref held,
            } => {
                super::write_received(received, out);
                super::write_held(held, out);
            }
            ClientFrame::Report { room, age_ms } => {
                out.varint_u32(room);
                out.varint_u32(age_ms);
            }
            ClientFrame::Ping { nonce } | ClientFrame::Pong { nonce } => out.u32_le(nonce),
            ClientFrame::Lobby {
                request,
                attachment,
                kind,
            } => {
                out.varint_u32(request);
                out.u8(attachment);
                out.str(kind, NAME_MAX);
            }
            ClientFrame::KeyframeWanted { room, area } => {
                out.varint_u32(room);
                out.varint_u32(area);
            }
            ClientFrame::Status {
                room,
                text,
                expires_ms,
            } => {
                out.varint_u32(room);
                out.str(text, STATUS_MAX);
                out.varint_u32(expires_ms);
            }
            ClientFrame::Follow {
                attachment,
                ref add,
                ref remove,
            } => {
                out.u8(attachment);
                write_names(add, out);
                write_names(remove, out);
            }
            ClientFrame::NoticesDone {
                attachment,
                ref cursors,
            } => {
                out.u8(attachment);
                write_cursors(cursors, out);
            }
            ClientFrame::Bye | ClientFrame::Unload => {}
            ClientFrame::Ask(ref ask) => ask.write(out),
            ClientFrame::Reply(ref reply) => reply.write(out),
            ClientFrame::Cancel(ref cancel) => cancel.write(out),
            ClientFrame::LobbyWatch {
                request,
                attachment,
                kind,
                ref attributes,
            } => {
                out.varint_u32(request);
                out.u8(attachment);
                out.str(kind, NAME_MAX);
                write_attributes(attributes, out);
            }
            ClientFrame::LobbyUnwatch { request } => out.varint_u32(request),
            ClientFrame::Ready { room, ready } => {
                out.varint_u32(room);
                out.bool(ready);
            }
            ClientFrame::HostAsk {
                request,
                room,
                ref ask,
            } => {
                out.varint_u32(request);
                out.varint_u32(room);
                ask.write(out);
            }
        }
    }

    fn payload_len(&self) -> usize {
        match self {
            ClientFrame::Attach {
                credentials: payload,
                ..
            }
            | ClientFrame::Credentials {
                credentials: payload,
                ..
            }
            | ClientFrame::Command { payload, .. }
            | ClientFrame::Message { payload, .. }
            | ClientFrame::Volatile { payload, .. } => payload.len(),
            ClientFrame::Commands { commands, .. } => {
                commands.iter().map(|it| it.payload.len() + 8).sum()
            }
            ClientFrame::Ask(ask) => ask.payload.len(),
            ClientFrame::Reply(reply) => reply.payload_len(),
            _ => 0,
        }
    }
}

impl ClientFrame<'_> {
    /// Whether both sides count it: it opens, asks or tells, and comes exactly once over any number of links.
    #[must_use]
    pub fn is_control(&self) -> bool {
        use ClientFrame::{
            Attach, Credentials, Detach, Follow, HostAsk, Join, KeyframeWanted, Leave, Lobby,
            LobbyUnwatch, LobbyWatch, NoticesDone, Ready, Report, SeatKey, Status,
        };
        matches!(
            self,
            Attach { .. }
                | Detach { .. }
                | SeatKey { .. }
                | Credentials { .. }
                | Join { .. }
                | Leave { .. }
                | Report { .. }
                | Lobby { .. }
                | KeyframeWanted { .. }
                | Status { .. }
                | Follow { .. }
                | NoticesDone { .. }
                | LobbyWatch { .. }
                | LobbyUnwatch { .. }
                | Ready { .. }
                | HostAsk { .. }
        )
    }
}

/// The version in a hello, whatever follows it; None if this is no hello.
#[must_use]
pub fn hello_version(bytes: &[u8]) -> Option<u16> {
    match bytes {
        [HELLO, low, high, ..] => Some(u16::from_le_bytes([*low, *high])),
        _ => None,
    }
}

pub(super) fn name_of(kind: u8) -> &'static str {
    match kind {
        HELLO => "Hello",
        ATTACH => "Attach",
        DETACH => "Detach",
        SEAT_KEY => "SeatKey",
        JOIN => "Join",
        LEAVE => "Leave",
        COMMAND => "Command",
        COMMANDS => "Commands",
        MESSAGE => "Message",
        VOLATILE => "Volatile",
        RECEIPTS => "Receipts",
        REPORT => "Report",
        PING => "Ping",
        PONG => "Pong",
        LOBBY => "Lobby",
        KEYFRAME_WANTED => "KeyframeWanted",
        STATUS => "Status",
        FOLLOW => "Follow",
        NOTICES_DONE => "NoticesDone",
        BYE => "Bye",
        UNLOAD => "Unload",
        CREDENTIALS => "Credentials",
        ASK => "Ask",
        REPLY => "Reply",
        CANCEL => "Cancel",
        LOBBY_WATCH => "LobbyWatch",
        LOBBY_UNWATCH => "LobbyUnwatch",
        READY => "Ready",
        HOST_ASK => "HostAsk",
        _ => "unknown",
    }
}
