//! A client's frames out of their bytes, in their canonical form alone.

use super::{
    ASK, ATTACH, BYE, CANCEL, COMMAND, COMMANDS, CREDENTIALS, ClientFrame, DETACH, FOLLOW, HELLO,
    HOST_ASK, JOIN, KEYFRAME_WANTED, LEAVE, LOBBY, LOBBY_UNWATCH, LOBBY_WATCH, MESSAGE,
    NOTICES_DONE, PING, PONG, READY, RECEIPTS, REPLY, REPORT, SEAT_KEY, STATUS, UNLOAD, VOLATILE,
    name_of,
};
use crate::frame::commands;
use crate::frame::parts::{JoinHow, ResumeClaim, read_attributes};
use crate::frame::people::{read_cursors, read_names};
use crate::frame::rooms::HostAsk;
use crate::frame::{
    Ask, COMMAND_MAX, CREDENTIALS_MAX, Cancel, FrameError, MessageParts, NAME_MAX, Reply,
    STATUS_MAX, read_held, read_received,
};
use crate::moment::Moment;
use crate::time::Tick;
use crate::wire::{Reader, WireError, WireFault};

impl<'a> ClientFrame<'a> {
    /// The frame in these bytes: all of them, in their canonical form.
    pub fn decode(bytes: &'a [u8]) -> Result<ClientFrame<'a>, FrameError> {
        let name = bytes.first().map_or("empty", |kind| name_of(*kind));
        let mut reader = Reader::new(bytes);
        let frame = read(&mut reader).map_err(FrameError::of(name))?;
        reader.finish().map_err(FrameError::of(name))?;
        Ok(frame)
    }
}

fn read<'a>(reader: &mut Reader<'a>) -> Result<ClientFrame<'a>, WireError> {
    Ok(match reader.at("frame kind").u8()? {
        HELLO => ClientFrame::Hello {
            version: reader.at("version").u16_le()?,
            resume: if reader.at("resume").bool()? {
                Some(ResumeClaim::read(reader)?)
            } else {
                None
            },
        },
        ATTACH => ClientFrame::Attach {
            attachment: reader.at("attachment").u8()?,
            namespace: reader.at("namespace").str(NAME_MAX)?,
            credentials: reader.at("credentials").bytes(CREDENTIALS_MAX)?,
            messages_hash: reader.at("messages_hash").u64_le()?,
        },
        DETACH => ClientFrame::Detach {
            attachment: reader.at("attachment").u8()?,
        },
        JOIN => ClientFrame::Join {
            request: reader.at("request").varint_u32()?,
            attachment: reader.at("attachment").u8()?,
            how: JoinHow::read(reader)?,
            schema_hash: reader.at("schema_hash").u64_le()?,
        },
        LEAVE => ClientFrame::Leave {
            room: reader.at("room").varint_u32()?,
        },
        COMMAND => read_command(reader)?,
        COMMANDS => {
            let room = reader.at("room").varint_u32()?;
            let (held, commands) = commands::read(reader)?;
            ClientFrame::Commands {
                room,
                held,
                commands,
            }
        }
        MESSAGE => {
            let MessageParts {
                room,
                channel,
                kind,
                payload,
            } = MessageParts::read(reader)?;
            ClientFrame::Message {
                room,
                channel,
                kind,
                payload,
            }
        }
        VOLATILE => {
            let MessageParts {
                room,
                channel,
                kind,
                payload,
            } = MessageParts::read(reader)?;
            ClientFrame::Volatile {
                room,
                channel,
                kind,
                payload,
            }
        }
        RECEIPTS => ClientFrame::Receipts {
            received: read_received(reader)?,
            held: read_held(reader)?,
        },
        REPORT => ClientFrame::Report {
            room: reader.at("room").varint_u32()?,
            age_ms: reader.at("age_ms").varint_u32()?,
        },
        PING => ClientFrame::Ping {
            nonce: reader.at("nonce").u32_le()?,
        },
        PONG => ClientFrame::Pong {
            nonce: reader.at("nonce").u32_le()?,
        },
        LOBBY => ClientFrame::Lobby {
            request: reader.at("request").varint_u32()?,
            attachment: reader.at("attachment").u8()?,
            kind: reader.at("kind").str(NAME_MAX)?,
        },
        KEYFRAME_WANTED => ClientFrame::KeyframeWanted {
            room: reader.at("room").varint_u32()?,
            area: reader.at("area").varint_u32()?,
        },
        STATUS => ClientFrame::Status {
            room: reader.at("room").varint_u32()?,
            text: reader.at("text").str(STATUS_MAX)?,
            expires_ms: reader.at("expires_ms").varint_u32()?,
        },
        FOLLOW => ClientFrame::Follow {
            attachment: reader.at("attachment").u8()?,
            add: read_names(reader, "add")?,
            remove: read_names(reader, "remove")?,
        },
        NOTICES_DONE => ClientFrame::NoticesDone {
            attachment: reader.at("attachment").u8()?,
            cursors: read_cursors(reader)?,
        },
        BYE => ClientFrame::Bye,
        UNLOAD => ClientFrame::Unload,
        SEAT_KEY => ClientFrame::SeatKey {
            key: reader.at("key").array()?,
        },
        CREDENTIALS => ClientFrame::Credentials {
            attachment: reader.at("attachment").u8()?,
            credentials: reader.at("credentials").bytes(CREDENTIALS_MAX)?,
        },
        ASK => ClientFrame::Ask(Ask::read(reader)?),
        REPLY => ClientFrame::Reply(Reply::read(reader)?),
        CANCEL => ClientFrame::Cancel(Cancel::read(reader)?),
        LOBBY_WATCH => ClientFrame::LobbyWatch {
            request: reader.at("request").varint_u32()?,
            attachment: reader.at("attachment").u8()?,
            kind: reader.at("kind").str(NAME_MAX)?,
            attributes: read_attributes(reader)?,
        },
        LOBBY_UNWATCH => ClientFrame::LobbyUnwatch {
            request: reader.at("request").varint_u32()?,
        },
        READY => ClientFrame::Ready {
            room: reader.at("room").varint_u32()?,
            ready: reader.at("ready").bool()?,
        },
        HOST_ASK => ClientFrame::HostAsk {
            request: reader.at("request").varint_u32()?,
            room: reader.at("room").varint_u32()?,
            ask: HostAsk::read(reader)?,
        },
        other => return Err(reader.error(WireFault::OutOfRange(u64::from(other)))),
    })
}

fn read_command<'a>(reader: &mut Reader<'a>) -> Result<ClientFrame<'a>, WireError> {
    let room = reader.at("room").varint_u32()?;
    let held = Tick(reader.at("held").varint_u32()?);
    let ahead = reader.at("tick").varint_i64()?;
    let tick = i64::from(held.0)
        .checked_add(ahead)
        .and_then(|tick| u32::try_from(tick).ok());
    let tick = tick.ok_or_else(|| reader.error(WireFault::Overflow))?;
    let shown = reader.at("shown").varint_u64()?;
    let says = shown & 1 != 0;
    let shown = match shown >> 1 {
        0 => None,
        behind => {
            let parts = Moment::of(held).parts().checked_sub(behind - 1);
            let parts = parts.ok_or_else(|| reader.error(WireFault::Overflow))?;
            Some(Moment::from_parts(parts))
        }
    };
    Ok(ClientFrame::Command {
        room,
        held,
        tick: Tick(tick),
        shown,
        said: match says {
            true => Some(reader.at("said").u16_le()?),
            false => None,
        },
        payload: reader.at("payload").bytes(COMMAND_MAX)?,
    })
}
