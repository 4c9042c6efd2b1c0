//! Server's frames out of their bytes, in their canonical form alone.

use super::{
    ALONE, AS_SAID, AS_TOLD, ASK, ATTACH_DONE, ATTACH_ENDED, ATTACH_REFUSED, CANCEL,
    CREDENTIALS_WANTED, ENDING, FOLLOW_REFUSED, FOLLOWED, HAS_APPLIED, HAS_OWN, HAS_STAMP,
    HOST_DONE, JOIN_REFUSED, JOINED, LOBBY_CHANGE, LOBBY_LIST, MEMBER, MESSAGE, MOVED, NOTICE,
    OwnTold, PING, PONG, RATES, RECEIPTS, REPLY, ROOM_ENDED, STATUS_REFUSED, ServerFrame,
    TICK_FRAME, UPDATE, VOLATILE, WELCOME, name_of,
};
use crate::ending::{Reason, Retry};
use crate::frame::area::AreaDelta;
use crate::frame::ask::{Ask, Cancel, Reply, read_refusal};
use crate::frame::parts::{Limits, MemberChange, MemberInfo, RoomEnd, RoomInfo};
use crate::frame::people::PersonSeen;
use crate::frame::{
    AREAS_MAX, CODE_MAX, FOLLOWED_MAX, FrameError, MEMBERS_MAX, MessageParts, NAME_MAX, NOTICE_MAX,
    OWN_MAX, ROOMS_LISTED_MAX, SCHEMA_MAX, TEXT_MAX, read_received,
};
use crate::time::Tick;
use crate::wire::{Reader, WireError, WireFault};

impl<'a> ServerFrame<'a> {
    /// The frame in these bytes: all of them, in their canonical form.
    pub fn decode(bytes: &'a [u8]) -> Result<ServerFrame<'a>, FrameError> {
        let name = bytes.first().map_or("empty", |kind| name_of(*kind));
        let mut reader = Reader::new(bytes);
        let frame = read(&mut reader).map_err(FrameError::of(name))?;
        reader.finish().map_err(FrameError::of(name))?;
        Ok(frame)
    }
}

fn read<'a>(reader: &mut Reader<'a>) -> Result<ServerFrame<'a>, WireError> {
    Ok(match reader.at("frame kind").u8()? {
        WELCOME => ServerFrame::Welcome {
            session: reader.at("session").varint_u64()?,
            token: reader.at("token").array()?,
            limits: Limits::read(reader)?,
            resumed: if reader.at("resumed").bool()? {
                Some(read_received(reader)?)
            } else {
                None
            },
        },
        ATTACH_DONE => ServerFrame::AttachDone {
            attachment: reader.at("attachment").u8()?,
            identity: reader.at("identity").str(NAME_MAX)?,
            schema: read_schema(reader)?,
        },
        ATTACH_REFUSED => {
            let attachment = reader.at("attachment").u8()?;
            let (code, message, data) = read_refusal(reader)?;
            ServerFrame::AttachRefused {
                attachment,
                code,
                message,
                data,
            }
        }
        CREDENTIALS_WANTED => ServerFrame::CredentialsWanted {
            attachment: reader.at("attachment").u8()?,
            within_ms: reader.at("within_ms").varint_u32()?,
        },
        ATTACH_ENDED => {
            let attachment = reader.at("attachment").u8()?;
            let (code, message, data) = read_refusal(reader)?;
            ServerFrame::AttachEnded {
                attachment,
                code,
                message,
                data,
            }
        }
        JOINED => read_joined(reader)?,
        JOIN_REFUSED => {
            let request = reader.at("request").varint_u32()?;
            let (code, message, data) = read_refusal(reader)?;
            ServerFrame::JoinRefused {
                request,
                code,
                message,
                data,
            }
        }
        TICK_FRAME => read_tick_frame(reader)?,
        UPDATE => read_update(reader)?,
        MESSAGE => {
            let MessageParts {
                room,
                channel,
                kind,
                payload,
            } = MessageParts::read(reader)?;
            ServerFrame::Message {
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
            ServerFrame::Volatile {
                room,
                channel,
                kind,
                payload,
            }
        }
        RECEIPTS => ServerFrame::Receipts {
            received: read_received(reader)?,
        },
        PING => ServerFrame::Ping {
            nonce: reader.at("nonce").u32_le()?,
        },
        PONG => ServerFrame::Pong {
            nonce: reader.at("nonce").u32_le()?,
        },
        MEMBER => ServerFrame::Member {
            room: reader.at("room").varint_u32()?,
            change: MemberChange::read(reader)?,
        },
        ROOM_ENDED => ServerFrame::RoomEnded {
            room: reader.at("room").varint_u32()?,
            reason: RoomEnd::read(reader)?,
            message: reader.at("message").str(TEXT_MAX)?,
        },
        RATES => ServerFrame::Rates {
            room: reader.at("room").varint_u32()?,
            tick_us: reader.at("tick_us").varint_u32()?,
        },
        STATUS_REFUSED => ServerFrame::StatusRefused {
            room: reader.at("room").varint_u32()?,
            code: reader.at("code").str(CODE_MAX)?,
            message: reader.at("message").str(TEXT_MAX)?,
        },
        FOLLOWED => ServerFrame::Followed {
            attachment: reader.at("attachment").u8()?,
            people: {
                let count = reader.at("people").count(FOLLOWED_MAX, PersonSeen::LEAST)?;
                (0..count)
                    .map(|_| PersonSeen::read(reader))
                    .collect::<Result<_, _>>()?
            },
        },
        FOLLOW_REFUSED => ServerFrame::FollowRefused {
            attachment: reader.at("attachment").u8()?,
            code: reader.at("code").str(CODE_MAX)?,
            message: reader.at("message").str(TEXT_MAX)?,
        },
        NOTICE => ServerFrame::Notice {
            attachment: reader.at("attachment").u8()?,
            cursor: reader.at("cursor").varint_u64()?,
            kind: reader.at("kind").str(NAME_MAX)?,
            payload: reader.at("payload").bytes(NOTICE_MAX)?,
        },
        LOBBY_LIST => ServerFrame::LobbyList {
            request: reader.at("request").varint_u32()?,
            rooms: read_rooms(reader)?,
        },
        ENDING => ServerFrame::Ending {
            reason: Reason::read(reader)?,
            retry: Retry::read(reader)?,
            message: reader.at("message").str(TEXT_MAX)?,
        },
        ASK => ServerFrame::Ask(Ask::read(reader)?),
        REPLY => ServerFrame::Reply(Reply::read(reader)?),
        CANCEL => ServerFrame::Cancel(Cancel::read(reader)?),
        LOBBY_CHANGE => ServerFrame::LobbyChange {
            request: reader.at("request").varint_u32()?,
            whole: reader.at("whole").bool()?,
            rooms: read_rooms(reader)?,
            gone: {
                let count = reader.at("gone").count(ROOMS_LISTED_MAX, 1)?;
                let ids: Result<_, _> = (0..count).map(|_| reader.at("id").str(NAME_MAX)).collect();
                ids?
            },
        },
        MOVED => ServerFrame::Moved {
            from: reader.at("from").varint_u32()?,
            request: reader.at("request").varint_u32()?,
        },
        HOST_DONE => ServerFrame::HostDone {
            request: reader.at("request").varint_u32()?,
        },
        other => return Err(reader.error(WireFault::OutOfRange(u64::from(other)))),
    })
}

fn read_schema<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, WireError> {
    if reader.at("has schema").bool()? {
        reader.at("schema").bytes(SCHEMA_MAX).map(Some)
    } else {
        Ok(None)
    }
}

fn read_rooms<'a>(reader: &mut Reader<'a>) -> Result<Vec<RoomInfo<'a>>, WireError> {
    let count = reader
        .at("rooms")
        .count(ROOMS_LISTED_MAX, RoomInfo::LEAST)?;
    (0..count).map(|_| RoomInfo::read(reader)).collect()
}

fn read_joined<'a>(reader: &mut Reader<'a>) -> Result<ServerFrame<'a>, WireError> {
    Ok(ServerFrame::Joined {
        request: reader.at("request").varint_u32()?,
        room: reader.at("room").varint_u32()?,
        id: reader.at("id").str(NAME_MAX)?,
        kind: reader.at("kind").str(NAME_MAX)?,
        seat: reader.at("seat").u16_le()?,
        member: reader.at("member").varint_u32()?,
        tick: Tick(reader.at("tick").varint_u32()?),
        tick_us: reader.at("tick_us").varint_u32()?,
        send_every: reader.at("send_every").u8()?,
        schema_hash: reader.at("schema_hash").u64_le()?,
        schema: read_schema(reader)?,
        members: {
            let count = reader.at("members").count(MEMBERS_MAX, MemberInfo::LEAST)?;
            (0..count)
                .map(|_| MemberInfo::read(reader))
                .collect::<Result<_, _>>()?
        },
    })
}

fn read_tick_frame<'a>(reader: &mut Reader<'a>) -> Result<ServerFrame<'a>, WireError> {
    let room = reader.at("room").varint_u32()?;
    let tick = Tick(reader.at("tick").varint_u32()?);
    let has = reader.at("has").u8()?;
    let says = has & (HAS_OWN | AS_SAID | AS_TOLD);
    let known = HAS_APPLIED | HAS_STAMP | HAS_OWN | AS_SAID | AS_TOLD | ALONE;
    if has & !known != 0 || says.count_ones() > 1 {
        return Err(reader.error(WireFault::OutOfRange(u64::from(has))));
    }
    let applied = if has & HAS_APPLIED != 0 {
        let back = reader.at("applied").varint_u32()?;
        let applied = tick
            .0
            .checked_sub(back)
            .ok_or_else(|| reader.error(WireFault::OutOfRange(u64::from(back))))?;
        Some(Tick(applied))
    } else {
        None
    };
    let slack = reader.at("slack").u8()? as i8;
    let stamp = if has & HAS_STAMP != 0 {
        Some(reader.at("stamp").varint_u64()?)
    } else {
        None
    };
    let own = match says {
        HAS_OWN => OwnTold::Rows {
            number: reader.at("number").u16_le()?,
            rows: reader.at("own").bytes(OWN_MAX)?,
        },
        AS_SAID => OwnTold::AsSaid,
        AS_TOLD => OwnTold::AsTold,
        _ => OwnTold::Nothing,
    };
    Ok(ServerFrame::TickFrame {
        room,
        tick,
        applied,
        slack,
        stamp,
        own,
        alone: has & ALONE != 0,
    })
}

fn read_update<'a>(reader: &mut Reader<'a>) -> Result<ServerFrame<'a>, WireError> {
    let room = reader.at("room").varint_u32()?;
    let tick = Tick(reader.at("tick").varint_u32()?);
    let count = reader.at("areas").count(AREAS_MAX, AreaDelta::LEAST)?;
    let mut areas: Vec<AreaDelta<'a>> = Vec::with_capacity(count);
    for _ in 0..count {
        let area = AreaDelta::read(tick, reader)?;
        // Ascending, so that no area comes twice and one update has one form.
        if areas.last().is_some_and(|last| !area.may_follow(last)) {
            return Err(reader
                .at("area")
                .error(WireFault::OutOfRange(u64::from(area.area))));
        }
        areas.push(area);
    }
    Ok(ServerFrame::Update { room, tick, areas })
}
