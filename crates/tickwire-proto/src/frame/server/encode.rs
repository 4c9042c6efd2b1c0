//! The bytes of a server's frames.

use super::{ALONE, AS_SAID, AS_TOLD, HAS_APPLIED, HAS_OWN, HAS_STAMP, OwnTold, ServerFrame};
use crate::frame::ask::write_refusal;
use crate::frame::parts::{MemberInfo, RoomInfo};
use crate::frame::people::PersonSeen;
use crate::frame::{
    AREAS_MAX, CODE_MAX, FOLLOWED_MAX, MEMBERS_MAX, MessageParts, NAME_MAX, OWN_MAX,
    ROOMS_LISTED_MAX, TEXT_MAX, write_received,
};
use crate::time::Tick;
use crate::wire::Writer;
use bytes::Bytes;

impl ServerFrame<'_> {
    /// The frame's bytes. Text and lists beyond their limits are cut.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::with_capacity(self.capacity());
        self.write(&mut out);
        out.into_bytes()
    }

    /// Appends the frame's bytes: for who makes many and keeps them in one place.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::from(std::mem::take(out));
        self.write(&mut writer);
        *out = writer.into_vec();
    }

    fn write(&self, out: &mut Writer) {
        out.u8(self.kind());
        match *self {
            ServerFrame::Welcome {
                session,
                ref token,
                ref limits,
                ref resumed,
            } => {
                out.varint_u64(session);
                out.raw(token);
                limits.write(out);
                out.bool(resumed.is_some());
                if let Some(received) = resumed {
                    write_received(received, out);
                }
            }
            ServerFrame::AttachDone {
                attachment,
                identity,
                schema,
            } => {
                out.u8(attachment);
                out.str(identity, NAME_MAX);
                write_schema(schema, out);
            }
            ServerFrame::AttachRefused {
                attachment,
                code,
                message,
                data,
            } => {
                out.u8(attachment);
                write_refusal(code, message, data, out);
            }
            ServerFrame::CredentialsWanted {
                attachment,
                within_ms,
            } => {
                out.u8(attachment);
                out.varint_u32(within_ms);
            }
            ServerFrame::AttachEnded {
                attachment,
                code,
                message,
                data,
            } => {
                out.u8(attachment);
                write_refusal(code, message, data, out);
            }
            ServerFrame::Joined { .. } => self.write_joined(out),
            ServerFrame::JoinRefused {
                request,
                code,
                message,
                data,
            } => {
                out.varint_u32(request);
                write_refusal(code, message, data, out);
            }
            ServerFrame::TickFrame {
                room,
                tick,
                applied,
                slack,
                stamp,
                own,
                alone,
            } => write_tick_frame(room, tick, (applied, slack), stamp, (own, alone), out),
            ServerFrame::Update {
                room,
                tick,
                ref areas,
            } => {
                out.varint_u32(room);
                out.varint_u32(tick.0);
                write_list(areas, AREAS_MAX, out, |area, out| area.write(tick, out));
            }
            ServerFrame::Message {
                room,
                channel,
                kind,
                payload,
            }
            | ServerFrame::Volatile {
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
            ServerFrame::Receipts { ref received } => write_received(received, out),
            ServerFrame::Ping { nonce } | ServerFrame::Pong { nonce } => out.u32_le(nonce),
            ServerFrame::Member { room, ref change } => {
                out.varint_u32(room);
                change.write(out);
            }
            ServerFrame::RoomEnded {
                room,
                reason,
                message,
            } => {
                out.varint_u32(room);
                out.u8(reason as u8);
                out.str(message, TEXT_MAX);
            }
            ServerFrame::Rates { room, tick_us } => {
                out.varint_u32(room);
                out.varint_u32(tick_us);
            }
            ServerFrame::LobbyList { request, ref rooms } => {
                out.varint_u32(request);
                write_list(rooms, ROOMS_LISTED_MAX, out, RoomInfo::write);
            }
            ServerFrame::StatusRefused {
                room,
                code,
                message,
            } => {
                out.varint_u32(room);
                out.str(code, CODE_MAX);
                out.str(message, TEXT_MAX);
            }
            ServerFrame::Followed {
                attachment,
                ref people,
            } => {
                out.u8(attachment);
                write_list(people, FOLLOWED_MAX, out, PersonSeen::write);
            }
            ServerFrame::FollowRefused {
                attachment,
                code,
                message,
            } => {
                out.u8(attachment);
                out.str(code, CODE_MAX);
                out.str(message, TEXT_MAX);
            }
            ServerFrame::Notice {
                attachment,
                cursor,
                kind,
                payload,
            } => {
                out.u8(attachment);
                out.varint_u64(cursor);
                out.str(kind, NAME_MAX);
                out.bytes(payload);
            }
            ServerFrame::Ending {
                reason,
                retry,
                message,
            } => {
                out.u8(reason as u8);
                retry.write(out);
                out.str(message, TEXT_MAX);
            }
            ServerFrame::Ask(ref ask) => ask.write(out),
            ServerFrame::Reply(ref reply) => reply.write(out),
            ServerFrame::Cancel(ref cancel) => cancel.write(out),
            ServerFrame::LobbyChange {
                request,
                whole,
                ref rooms,
                ref gone,
            } => {
                out.varint_u32(request);
                out.bool(whole);
                write_list(rooms, ROOMS_LISTED_MAX, out, RoomInfo::write);
                write_list(gone, ROOMS_LISTED_MAX, out, |id, out| out.str(id, NAME_MAX));
            }
            ServerFrame::Moved { from, request } => {
                out.varint_u32(from);
                out.varint_u32(request);
            }
            ServerFrame::HostDone { request } => out.varint_u32(request),
        }
    }

    fn write_joined(&self, out: &mut Writer) {
        if let ServerFrame::Joined {
            request,
            room,
            id,
            kind,
            seat,
            member,
            tick,
            tick_us,
            send_every,
            schema_hash,
            schema,
            members,
        } = self
        {
            out.varint_u32(*request);
            out.varint_u32(*room);
            out.str(id, NAME_MAX);
            out.str(kind, NAME_MAX);
            out.u16_le(*seat);
            out.varint_u32(*member);
            out.varint_u32(tick.0);
            out.varint_u32(*tick_us);
            out.u8(*send_every);
            out.u64_le(*schema_hash);
            write_schema(*schema, out);
            write_list(members, MEMBERS_MAX, out, MemberInfo::write);
        }
    }

    /// Room enough for most, so that a large update is not moved while it is written.
    fn capacity(&self) -> usize {
        match self {
            ServerFrame::Update { areas, .. } => {
                16 + areas
                    .iter()
                    .map(|area| area.payload.len() + 16)
                    .sum::<usize>()
            }
            ServerFrame::Message { payload, .. } | ServerFrame::Volatile { payload, .. } => {
                16 + payload.len()
            }
            ServerFrame::Joined {
                schema, members, ..
            } => 256 + schema.map_or(0, <[u8]>::len) + members.len() * 32,
            ServerFrame::AttachDone { schema, .. } => 80 + schema.map_or(0, <[u8]>::len),
            ServerFrame::Ask(ask) => 32 + ask.payload.len(),
            ServerFrame::Reply(reply) => 32 + reply.payload_len(),
            _ => 64,
        }
    }
}

fn write_schema(schema: Option<&[u8]>, out: &mut Writer) {
    out.bool(schema.is_some());
    if let Some(schema) = schema {
        out.bytes(schema);
    }
}

fn write_list<T>(items: &[T], max: usize, out: &mut Writer, write: impl Fn(&T, &mut Writer)) {
    debug_assert!(
        items.len() <= max,
        "a list of {} is longer than {max}",
        items.len()
    );
    let kept = &items[..items.len().min(max)];
    out.varint_u64(kept.len() as u64);
    for item in kept {
        write(item, out);
    }
}

fn write_tick_frame(
    room: u32,
    tick: Tick,
    (applied, slack): (Option<Tick>, i8),
    stamp: Option<u64>,
    (own, alone): (OwnTold<'_>, bool),
    out: &mut Writer,
) {
    debug_assert!(
        applied.is_none_or(|applied| applied <= tick),
        "a command is applied before it is told"
    );
    out.varint_u32(room);
    out.varint_u32(tick.0);
    let alone_bit = if alone { ALONE } else { 0 };
    let says = match own {
        OwnTold::Nothing => 0,
        OwnTold::AsSaid => AS_SAID,
        OwnTold::AsTold => AS_TOLD,
        OwnTold::Rows { .. } => HAS_OWN,
    };
    out.u8(applied.map_or(0, |_| HAS_APPLIED) | stamp.map_or(0, |_| HAS_STAMP) | says | alone_bit);
    if let Some(applied) = applied {
        out.varint_u32(tick.since(applied));
    }
    out.u8(slack as u8);
    if let Some(stamp) = stamp {
        out.varint_u64(stamp);
    }
    if let OwnTold::Rows { number, rows } = own {
        out.u16_le(number);
        out.bytes(&rows[..rows.len().min(OWN_MAX)]);
    }
}
