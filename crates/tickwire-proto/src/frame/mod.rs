//! What all frames share: their limits, their errors, how several stand in one datagram or poll.

use crate::wire::{Reader, WireError, WireFault};
use thiserror::Error;

pub mod area;
pub mod ask;
pub mod client;
pub mod commands;
pub mod owned;
pub mod parts;
pub mod people;
pub mod rooms;
pub mod server;

pub use area::{AreaDelta, AreaMove, MOVES_MAX};
pub use ask::{Ask, AskOutcome, Cancel, Outcome, Reply};
pub use client::ClientFrame;
pub use commands::{COMMANDS_A_FRAME_MAX, CommandParts, HOLDING_TICKS, Holding};
pub use owned::{
    Identity, JoinHowOwned, JoinedInfo, MemberChangeOwned, MemberInfoOwned, Refusal, RoomInfoOwned,
    code,
};
pub use parts::{
    JoinHow, LeaveReason, Limits, MemberChange, MemberInfo, Presence, ResumeClaim, RoomEnd,
    RoomInfo,
};
pub use people::{PersonSeen, PersonSeenOwned};
pub use rooms::{HostAsk, HostAskOwned, MemberFlags};
pub use server::{OwnTold, OwnToldOwned, ServerFrame};

/// Channels of a session, numbered from 0; 0 is the default one.
pub const CHANNELS_MAX: u8 = 8;
/// Rooms that one session may be in at once.
pub const ROOMS_PER_SESSION_MAX: usize = 16;
/// Attachments that one session may have at once.
pub const ATTACHMENTS_MAX: usize = 8;
/// The first number that a room may have: below it are attachments, numbered from 0, where a message names its namespace instead of a room.
pub const ROOM_FIRST: u32 = ATTACHMENTS_MAX as u32;

/// The slack of a tick frame that says: no command came since the tick frame before.
pub const SLACK_NONE: i8 = i8::MIN;
/// Attributes of a room.
pub const ATTRIBUTES_MAX: usize = 8;
/// Members in the list of one room.
pub const MEMBERS_MAX: usize = 4096;
/// Rooms in one list of the lobby.
pub const ROOMS_LISTED_MAX: usize = 256;
/// Areas in one update.
pub const AREAS_MAX: usize = 1024;
/// Bytes of a name: of a namespace, a room, a kind, a player, an identity, a key or value of an attribute.
pub const NAME_MAX: usize = 64;
/// Bytes of a status.
pub const STATUS_MAX: usize = 64;
/// Identities in one frame that begins or ends following, and in one that tells of them.
pub const FOLLOWED_MAX: usize = 64;
/// Bytes of a notice.
pub const NOTICE_MAX: usize = 4096;
/// Cursors in one frame that acknowledges notices.
pub const CURSORS_MAX: usize = 64;
/// Bytes of a refusal's code.
pub const CODE_MAX: usize = 32;
/// Bytes of a text for people; long enough to name what differs between two schemas.
pub const TEXT_MAX: usize = 4096;
/// Bytes of credentials.
pub const CREDENTIALS_MAX: usize = 4096;
/// Bytes of data with a refusal: a schema fits, so that the client can say what differs from its own.
pub const REFUSAL_DATA_MAX: usize = SCHEMA_MAX;
/// Bytes of one command.
pub const COMMAND_MAX: usize = 1024;
/// Bytes of what a player owns, in a tick frame, at most.
pub const OWN_MAX: usize = 16 * 1024;
/// Bytes of one message, whatever the limits of a session say.
pub const PAYLOAD_MAX: usize = 64 * 1024;
/// Bytes of a schema.
pub const SCHEMA_MAX: usize = 64 * 1024;
/// Bytes of one area's delta.
pub const DELTA_MAX: usize = 4 * 1024 * 1024;
/// Bytes of one frame to a client: a link may refuse what is longer.
pub const SERVER_FRAME_MAX: usize = DELTA_MAX + 64 * 1024;

/// A frame that cannot be read: which, where, and what is wrong. It is the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{frame} frame: {error}")]
pub struct FrameError {
    /// The frame's name, or "unknown".
    pub frame: &'static str,
    /// The field, its place, and what is wrong with it.
    pub error: WireError,
}

impl FrameError {
    /// The error of the wire, inside this frame.
    pub(crate) fn of(frame: &'static str) -> impl Fn(WireError) -> FrameError {
        move |error| FrameError { frame, error }
    }
}

/// The name of a frame's kind by its first byte, from either side; "unknown" where there is none. For counters.
#[must_use]
pub fn kind_name(frame: &[u8]) -> &'static str {
    match frame.first() {
        Some(kind) if *kind < 0x40 => client::name_of(*kind),
        Some(kind) => server::name_of(*kind),
        None => "unknown",
    }
}

/// Puts a frame behind its length, as datagrams and polls hold them.
pub fn put_framed(out: &mut Vec<u8>, frame: &[u8]) {
    let mut writer = crate::wire::Writer::from(std::mem::take(out));
    writer.bytes(frame);
    *out = writer.into_vec();
}

/// The frames of a datagram or poll, one after the other; after an error there are no more.
///
/// ```
/// use tickwire_proto::frame::{frames, put_framed};
/// let mut packet = Vec::new();
/// put_framed(&mut packet, b"one");
/// put_framed(&mut packet, b"two");
/// let found: Result<Vec<&[u8]>, _> = frames(&packet).collect();
/// assert_eq!(found.unwrap(), [b"one", b"two"]);
/// ```
pub fn frames(packet: &[u8]) -> impl Iterator<Item = Result<&[u8], FrameError>> {
    let mut reader = Reader::new(packet);
    std::iter::from_fn(move || {
        if reader.remaining() == 0 {
            return None;
        }
        let frame = reader.at("length").bytes(SERVER_FRAME_MAX);
        if frame.is_err() {
            reader.rest();
        }
        Some(frame.map_err(FrameError::of("framed")))
    })
}

/// A message's head and payload: the same in both directions, reliable and volatile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageParts<'a> {
    pub room: u32,
    pub channel: u8,
    pub kind: u32,
    pub payload: &'a [u8],
}

impl<'a> MessageParts<'a> {
    pub fn write(&self, out: &mut crate::wire::Writer) {
        out.varint_u32(self.room);
        out.u8(self.channel);
        out.u32_le(self.kind);
        out.bytes(self.payload);
    }

    pub fn read(reader: &mut Reader<'a>) -> Result<MessageParts<'a>, WireError> {
        Ok(MessageParts {
            room: reader.at("room").varint_u32()?,
            channel: read_channel(reader)?,
            kind: reader.at("kind").u32_le()?,
            payload: reader.at("payload").bytes(PAYLOAD_MAX)?,
        })
    }
}

pub(crate) fn read_channel(reader: &mut Reader<'_>) -> Result<u8, WireError> {
    let channel = reader.at("channel").u8()?;
    if channel < CHANNELS_MAX {
        Ok(channel)
    } else {
        Err(reader.error(WireFault::OutOfRange(u64::from(channel))))
    }
}

/// In receipts, control (what opens, asks, answers and tells of members and rooms) counts as one channel more.
pub const CONTROL_CHANNEL: u8 = CHANNELS_MAX;
/// Channels in receipts.
pub(crate) const COUNTS_MAX: u8 = CHANNELS_MAX + 1;

/// Receipts of channels: (channel, messages received).
pub(crate) fn write_received(received: &[(u8, u64)], out: &mut crate::wire::Writer) {
    let kept = &received[..received.len().min(usize::from(COUNTS_MAX))];
    out.varint_u64(kept.len() as u64);
    for (channel, count) in kept {
        out.u8(*channel);
        out.varint_u64(*count);
    }
}

pub(crate) fn read_received(reader: &mut Reader<'_>) -> Result<Vec<(u8, u64)>, WireError> {
    let count = reader.at("channels").count(usize::from(COUNTS_MAX), 2)?;
    (0..count)
        .map(|_| {
            let channel = reader.at("channel").u8()?;
            if channel >= COUNTS_MAX {
                return Err(reader.error(WireFault::OutOfRange(u64::from(channel))));
            }
            Ok((channel, reader.at("received").varint_u64()?))
        })
        .collect()
}

/// Receipts of rooms: (room, newest tick held).
pub(crate) fn write_held(held: &[(u32, crate::Tick)], out: &mut crate::wire::Writer) {
    let kept = &held[..held.len().min(ROOMS_PER_SESSION_MAX)];
    out.varint_u64(kept.len() as u64);
    for (room, tick) in kept {
        out.varint_u32(*room);
        out.varint_u32(tick.0);
    }
}

pub(crate) fn read_held(reader: &mut Reader<'_>) -> Result<Vec<(u32, crate::Tick)>, WireError> {
    let count = reader.at("rooms").count(ROOMS_PER_SESSION_MAX, 2)?;
    let one = |_| {
        Ok((
            reader.at("room").varint_u32()?,
            crate::Tick(reader.at("held").varint_u32()?),
        ))
    };
    (0..count).map(one).collect()
}
