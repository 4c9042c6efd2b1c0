//! The parts that frames are made of, borrowed from their bytes.

use super::rooms::MemberFlags;
use super::{ATTRIBUTES_MAX, CHANNELS_MAX, NAME_MAX, STATUS_MAX};
use crate::time::Tick;
use crate::wire::{Reader, WireError, WireFault, Writer};

/// What a session may send and how it is kept alive, told in the answer to the hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a message's payload.
    pub message_max: u32,
    /// Frames a second, commands apart.
    pub messages_per_s: u32,
    /// Bytes a second, commands apart.
    pub bytes_per_s: u32,
    /// A side that sent no ping for so long sends one.
    pub heartbeat_ms: u32,
    /// A side that heard nothing for so long takes the link for dead.
    pub dead_ms: u32,
    /// For how long a session outlives its link; 0: not at all.
    pub resume_window_ms: u32,
}

impl Default for Limits {
    /// 4 KiB a message, 120 messages and 32 KiB a second, heartbeat 5 s, dead after 15 s, no resuming.
    fn default() -> Limits {
        Limits {
            message_max: 4096,
            messages_per_s: 120,
            bytes_per_s: 32 * 1024,
            heartbeat_ms: 5000,
            dead_ms: 15_000,
            resume_window_ms: 30_000,
        }
    }
}

impl Limits {
    pub(crate) fn write(&self, out: &mut Writer) {
        for value in [
            self.message_max,
            self.messages_per_s,
            self.bytes_per_s,
            self.heartbeat_ms,
            self.dead_ms,
            self.resume_window_ms,
        ] {
            out.varint_u32(value);
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Limits, WireError> {
        Ok(Limits {
            message_max: reader.at("message_max").varint_u32()?,
            messages_per_s: reader.at("messages_per_s").varint_u32()?,
            bytes_per_s: reader.at("bytes_per_s").varint_u32()?,
            heartbeat_ms: reader.at("heartbeat_ms").varint_u32()?,
            dead_ms: reader.at("dead_ms").varint_u32()?,
            resume_window_ms: reader.at("resume_window_ms").varint_u32()?,
        })
    }
}

/// A hello's claim to an earlier session, with the receipts of what is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResumeClaim {
    /// The token from the last welcome.
    pub token: [u8; 32],
    /// For each room the newest tick held.
    pub rooms: Vec<(u32, Tick)>,
    /// For each channel how many reliable messages were received.
    pub received: Vec<(u8, u64)>,
}

impl ResumeClaim {
    pub(crate) fn write(&self, out: &mut Writer) {
        out.raw(&self.token);
        super::write_held(&self.rooms, out);
        super::write_received(&self.received, out);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<ResumeClaim, WireError> {
        Ok(ResumeClaim {
            token: reader.at("token").array()?,
            rooms: super::read_held(reader)?,
            received: super::read_received(reader)?,
        })
    }
}

/// Which room a join wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinHow<'a> {
    /// The one with this id.
    Room {
        /// The room's id.
        id: &'a str,
    },
    /// Any of the kind with these attributes that has a seat, else a new one.
    Quick {
        /// The kind of game.
        kind: &'a str,
        /// Attributes that the room must have.
        attributes: Vec<(&'a str, &'a str)>,
    },
    /// A new one.
    Create {
        /// The kind of game.
        kind: &'a str,
        /// Attributes that the room gets.
        attributes: Vec<(&'a str, &'a str)>,
    },
    /// A new one that is on no list: its id is a short code, for those who are told of it.
    Private {
        /// The kind of game.
        kind: &'a str,
        /// Attributes that the room gets.
        attributes: Vec<(&'a str, &'a str)>,
    },
    /// The one with this id, without a seat: to look on.
    Watch {
        /// The room's id.
        id: &'a str,
    },
    /// The one in which a seat is kept for whoever shows this token.
    Reserved {
        /// The token of the reservation.
        token: &'a str,
    },
}

impl<'a> JoinHow<'a> {
    pub(crate) fn write(&self, out: &mut Writer) {
        match self {
            JoinHow::Room { id } => {
                out.u8(0);
                out.str(id, NAME_MAX);
            }
            JoinHow::Quick { kind, attributes } => {
                out.u8(1);
                out.str(kind, NAME_MAX);
                write_attributes(attributes, out);
            }
            JoinHow::Create { kind, attributes } => {
                out.u8(2);
                out.str(kind, NAME_MAX);
                write_attributes(attributes, out);
            }
            JoinHow::Private { kind, attributes } => {
                out.u8(3);
                out.str(kind, NAME_MAX);
                write_attributes(attributes, out);
            }
            JoinHow::Watch { id } => {
                out.u8(4);
                out.str(id, NAME_MAX);
            }
            JoinHow::Reserved { token } => {
                out.u8(5);
                out.str(token, NAME_MAX);
            }
        }
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<JoinHow<'a>, WireError> {
        match reader.at("how").u8()? {
            0 => Ok(JoinHow::Room {
                id: reader.at("id").str(NAME_MAX)?,
            }),
            1 => Ok(JoinHow::Quick {
                kind: reader.at("kind").str(NAME_MAX)?,
                attributes: read_attributes(reader)?,
            }),
            2 => Ok(JoinHow::Create {
                kind: reader.at("kind").str(NAME_MAX)?,
                attributes: read_attributes(reader)?,
            }),
            3 => Ok(JoinHow::Private {
                kind: reader.at("kind").str(NAME_MAX)?,
                attributes: read_attributes(reader)?,
            }),
            4 => Ok(JoinHow::Watch {
                id: reader.at("id").str(NAME_MAX)?,
            }),
            5 => Ok(JoinHow::Reserved {
                token: reader.at("token").str(NAME_MAX)?,
            }),
            other => Err(reader.error(WireFault::OutOfRange(u64::from(other)))),
        }
    }
}

pub(crate) fn write_attributes(attributes: &[(&str, &str)], out: &mut Writer) {
    let kept = &attributes[..attributes.len().min(ATTRIBUTES_MAX)];
    out.varint_u64(kept.len() as u64);
    for (key, value) in kept {
        out.str(key, NAME_MAX);
        out.str(value, NAME_MAX);
    }
}

pub(crate) fn read_attributes<'a>(
    reader: &mut Reader<'a>,
) -> Result<Vec<(&'a str, &'a str)>, WireError> {
    let count = reader.at("attributes").count(ATTRIBUTES_MAX, 2)?;
    (0..count)
        .map(|_| {
            Ok((
                reader.at("key").str(NAME_MAX)?,
                reader.at("value").str(NAME_MAX)?,
            ))
        })
        .collect()
}

/// Whether somebody is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Presence {
    /// With a live link.
    #[default]
    Online = 0,
    /// The link is lost and may come back.
    Away = 1,
    /// Not a member any more.
    Gone = 2,
}

/// Why a member left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LeaveReason {
    /// Wanted to.
    Left = 0,
    /// The link was lost for too long.
    Lost = 1,
    /// Sent away.
    Kicked = 2,
    /// The session ended.
    Ended = 3,
    /// Went on in another room.
    Moved = 4,
    /// A newer session of the same identity has come: it holds the seat now.
    Replaced = 5,
}

/// Why a room is over for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RoomEnd {
    /// It was closed.
    Closed = 0,
    /// Its game failed.
    Failed = 1,
    /// The session was sent away from it.
    Kicked = 2,
    /// The session left it, as asked.
    Left = 3,
    /// The session was sent away from it, and may not come back.
    Banned = 4,
    /// A newer session of the same identity has joined, and holds the seat now.
    Replaced = 5,
}

/// Reads one of a closed list that is numbered from 0.
fn read_one_of<T: Copy>(
    reader: &mut Reader<'_>,
    field: &'static str,
    all: &[T],
) -> Result<T, WireError> {
    let value = reader.at(field).u8()?;
    all.get(usize::from(value))
        .copied()
        .ok_or_else(|| reader.error(WireFault::OutOfRange(u64::from(value))))
}

impl Presence {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Presence, WireError> {
        read_one_of(
            reader,
            "presence",
            &[Presence::Online, Presence::Away, Presence::Gone],
        )
    }
}

impl LeaveReason {
    const ALL: [LeaveReason; 6] = [
        LeaveReason::Left,
        LeaveReason::Lost,
        LeaveReason::Kicked,
        LeaveReason::Ended,
        LeaveReason::Moved,
        LeaveReason::Replaced,
    ];

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<LeaveReason, WireError> {
        read_one_of(reader, "leave reason", &LeaveReason::ALL)
    }

    /// One that may not be known: 0, or one more than its number.
    pub(super) fn read_known(reader: &mut Reader<'_>) -> Result<Option<LeaveReason>, WireError> {
        let all = LeaveReason::ALL.map(Some);
        let [left, lost, kicked, ended, moved, replaced] = all;
        let known = [None, left, lost, kicked, ended, moved, replaced];
        read_one_of(reader, "leave reason", &known)
    }
}

impl RoomEnd {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<RoomEnd, WireError> {
        read_one_of(
            reader,
            "room end",
            &[
                RoomEnd::Closed,
                RoomEnd::Failed,
                RoomEnd::Kicked,
                RoomEnd::Left,
                RoomEnd::Banned,
                RoomEnd::Replaced,
            ],
        )
    }
}

/// One member of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberInfo<'a> {
    /// Its number in the room, never used again there.
    pub member: u32,
    /// Its seat; [`NO_SEAT`] if it has none.
    pub seat: u16,
    /// What it is called.
    pub name: &'a str,
    /// Whether it is there.
    pub presence: Presence,
    /// What it says of itself ("in queue", "typing"); empty: nothing.
    pub status: &'a str,
    /// What else it is.
    pub flags: MemberFlags,
}

/// The seat of a member that has none.
pub const NO_SEAT: u16 = u16::MAX;

impl<'a> MemberInfo<'a> {
    /// The fewest bytes of one.
    pub(crate) const LEAST: usize = 6;

    pub(crate) fn write(&self, out: &mut Writer) {
        out.varint_u32(self.member);
        out.u16_le(self.seat);
        out.str(self.name, NAME_MAX);
        out.u8(self.presence as u8);
        out.str(self.status, STATUS_MAX);
        self.flags.write(out);
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<MemberInfo<'a>, WireError> {
        Ok(MemberInfo {
            member: reader.at("member").varint_u32()?,
            seat: reader.at("seat").u16_le()?,
            name: reader.at("name").str(NAME_MAX)?,
            presence: Presence::read(reader)?,
            status: reader.at("status").str(STATUS_MAX)?,
            flags: MemberFlags::read(reader)?,
        })
    }
}

/// What changed among the members of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange<'a> {
    /// Somebody joined.
    Joined(MemberInfo<'a>),
    /// Somebody left.
    Left {
        /// Who.
        member: u32,
        /// Why.
        reason: LeaveReason,
    },
    /// Somebody's presence changed.
    Presence {
        /// Whose.
        member: u32,
        /// To what.
        presence: Presence,
    },
    /// Somebody says something else of itself.
    Status {
        /// Who.
        member: u32,
        /// What; empty: nothing any more.
        status: &'a str,
    },
    /// Somebody is ready or not any more, or is the host now.
    Flags {
        /// Who.
        member: u32,
        /// All of them.
        flags: MemberFlags,
    },
}

impl<'a> MemberChange<'a> {
    /// Presence, status and flags: each says all that the one before it of the same member said.
    pub(crate) const REPLACES: [u8; 3] = [2, 3, 4];

    pub(crate) fn write(&self, out: &mut Writer) {
        match self {
            MemberChange::Joined(info) => {
                out.u8(0);
                info.write(out);
            }
            MemberChange::Left { member, reason } => {
                out.u8(1);
                out.varint_u32(*member);
                out.u8(*reason as u8);
            }
            MemberChange::Presence { member, presence } => {
                out.u8(2);
                out.varint_u32(*member);
                out.u8(*presence as u8);
            }
            MemberChange::Status { member, status } => {
                out.u8(3);
                out.varint_u32(*member);
                out.str(status, STATUS_MAX);
            }
            MemberChange::Flags { member, flags } => {
                out.u8(4);
                out.varint_u32(*member);
                flags.write(out);
            }
        }
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<MemberChange<'a>, WireError> {
        match reader.at("change").u8()? {
            0 => Ok(MemberChange::Joined(MemberInfo::read(reader)?)),
            1 => Ok(MemberChange::Left {
                member: reader.at("member").varint_u32()?,
                reason: LeaveReason::read(reader)?,
            }),
            2 => Ok(MemberChange::Presence {
                member: reader.at("member").varint_u32()?,
                presence: Presence::read(reader)?,
            }),
            3 => Ok(MemberChange::Status {
                member: reader.at("member").varint_u32()?,
                status: reader.at("status").str(STATUS_MAX)?,
            }),
            4 => Ok(MemberChange::Flags {
                member: reader.at("member").varint_u32()?,
                flags: MemberFlags::read(reader)?,
            }),
            other => Err(reader.error(WireFault::OutOfRange(u64::from(other)))),
        }
    }
}

/// One room in a list of the lobby.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomInfo<'a> {
    /// Its id.
    pub id: &'a str,
    /// The kind of game.
    pub kind: &'a str,
    /// Members now.
    pub members: u16,
    /// Seats in all.
    pub seats: u16,
    /// Whether nobody may join.
    pub locked: bool,
    /// Its attributes.
    pub attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> RoomInfo<'a> {
    /// The fewest bytes of one.
    pub(crate) const LEAST: usize = 6;

    pub(crate) fn write(&self, out: &mut Writer) {
        out.str(self.id, NAME_MAX);
        out.str(self.kind, NAME_MAX);
        out.varint_u32(u32::from(self.members));
        out.varint_u32(u32::from(self.seats));
        out.bool(self.locked);
        write_attributes(&self.attributes, out);
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<RoomInfo<'a>, WireError> {
        Ok(RoomInfo {
            id: reader.at("id").str(NAME_MAX)?,
            kind: reader.at("kind").str(NAME_MAX)?,
            members: reader.at("members").varint_u16()?,
            seats: reader.at("seats").varint_u16()?,
            locked: reader.at("locked").bool()?,
            attributes: read_attributes(reader)?,
        })
    }
}

const _: () = assert!(CHANNELS_MAX < 0x80, "a channel is one byte");
