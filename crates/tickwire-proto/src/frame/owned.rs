//! Owned mirrors of the parts that events and callers hold on to.

use super::parts::{JoinHow, LeaveReason, MemberChange, MemberInfo, Presence, RoomInfo};
use super::rooms::MemberFlags;
use super::server::ServerFrame;
use crate::time::{Tick, Time};
use bytes::Bytes;

/// The codes of refusals that the framework itself gives; a game's auth may give others.
pub mod code {
    /// No seat is free.
    pub const FULL: &str = "Full";
    /// The room lets nobody in.
    pub const LOCKED: &str = "Locked";
    /// There is no such room, kind or namespace.
    pub const NOT_FOUND: &str = "NotFound";
    /// Not for this identity.
    pub const FORBIDDEN: &str = "Forbidden";
    /// Client and server differ in the game's schema or messages; the message says where.
    pub const VERSION: &str = "Version";
    /// More than is allowed, or too often.
    pub const LIMIT: &str = "Limit";
    /// The same identity came by another session, and only one may be at a time.
    pub const REPLACED: &str = "Replaced";
    /// What keeps things on disk failed.
    pub const STORE: &str = "Store";
    /// The credentials were not accepted.
    pub const REFUSED: &str = "Refused";
    /// There is no session to ask by: the client's own word for what went down with one.
    pub const AWAY: &str = "Away";
    /// Whoever answers this request failed; the log of its side says how.
    pub const FAILED: &str = "Failed";
}

/// Who somebody is, by auth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The one that stays the same on every device and in every session.
    pub id: String,
    /// What others see.
    pub name: String,
    /// What auth wants the game to know; never on the wire.
    pub data: Bytes,
    /// From then on it is not believed any more: the client is asked for fresh credentials. `None`: for as long as the session lives.
    pub expires: Option<Time>,
    /// The only room that it may join, by its id; `None`: any.
    pub room: Option<String>,
    /// Nobody has proven it: the id is what a visitor says, and two visitors may say the same. Neither takes the other's seat.
    pub guest: bool,
}

impl Identity {
    /// An identity that is called by its id.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Identity {
        let id = id.into();
        Identity {
            name: id.clone(),
            id,
            ..Identity::default()
        }
    }
}

/// A typed "no" to an attach, a join or a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// For programs: one of [`code`], or the game's own.
    pub code: String,
    /// For people: what is wrong and what to do.
    pub message: String,
    /// Whatever else the client should know.
    pub data: Bytes,
}

impl Refusal {
    /// A refusal without data.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Refusal {
        Refusal {
            code: code.into(),
            message: message.into(),
            data: Bytes::new(),
        }
    }
}

/// [`JoinHow`], owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinHowOwned {
    /// The room with this id.
    Room {
        /// The room's id.
        id: String,
    },
    /// Any of the kind with these attributes that has a seat, else a new one.
    Quick {
        /// The kind of game.
        kind: String,
        /// Attributes that the room must have.
        attributes: Vec<(String, String)>,
    },
    /// A new one.
    Create {
        /// The kind of game.
        kind: String,
        /// Attributes that the room gets.
        attributes: Vec<(String, String)>,
    },
    /// A new one that is on no list: its id is a short code, for those who are told of it.
    Private {
        /// The kind of game.
        kind: String,
        /// Attributes that the room gets.
        attributes: Vec<(String, String)>,
    },
    /// The one with this id, without a seat: to look on.
    Watch {
        /// The room's id.
        id: String,
    },
    /// The one in which a seat is kept for whoever shows this token.
    Reserved {
        /// The token of the reservation.
        token: String,
    },
}

impl JoinHowOwned {
    /// The borrowed form, for a frame.
    #[must_use]
    pub fn borrow(&self) -> JoinHow<'_> {
        match self {
            JoinHowOwned::Room { id } => JoinHow::Room { id },
            JoinHowOwned::Quick { kind, attributes } => JoinHow::Quick {
                kind,
                attributes: borrow_pairs(attributes),
            },
            JoinHowOwned::Create { kind, attributes } => JoinHow::Create {
                kind,
                attributes: borrow_pairs(attributes),
            },
            JoinHowOwned::Private { kind, attributes } => JoinHow::Private {
                kind,
                attributes: borrow_pairs(attributes),
            },
            JoinHowOwned::Watch { id } => JoinHow::Watch { id },
            JoinHowOwned::Reserved { token } => JoinHow::Reserved { token },
        }
    }
}

impl From<&JoinHow<'_>> for JoinHowOwned {
    fn from(how: &JoinHow<'_>) -> JoinHowOwned {
        match how {
            JoinHow::Room { id } => JoinHowOwned::Room {
                id: (*id).to_owned(),
            },
            JoinHow::Quick { kind, attributes } => JoinHowOwned::Quick {
                kind: (*kind).to_owned(),
                attributes: own_pairs(attributes),
            },
            JoinHow::Create { kind, attributes } => JoinHowOwned::Create {
                kind: (*kind).to_owned(),
                attributes: own_pairs(attributes),
            },
            JoinHow::Private { kind, attributes } => JoinHowOwned::Private {
                kind: (*kind).to_owned(),
                attributes: own_pairs(attributes),
            },
            JoinHow::Watch { id } => JoinHowOwned::Watch {
                id: (*id).to_owned(),
            },
            JoinHow::Reserved { token } => JoinHowOwned::Reserved {
                token: (*token).to_owned(),
            },
        }
    }
}

pub(crate) fn borrow_pairs(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect()
}

pub(crate) fn own_pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// [`MemberInfo`], owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberInfoOwned {
    /// Its number in the room, never used again there.
    pub member: u32,
    /// Its seat; [`NO_SEAT`](super::parts::NO_SEAT) if it has none.
    pub seat: u16,
    /// What it is called.
    pub name: String,
    /// Whether it is there.
    pub presence: Presence,
    /// What it says of itself; empty: nothing.
    pub status: String,
    /// What else it is.
    pub flags: MemberFlags,
}

impl MemberInfoOwned {
    /// The borrowed form, for a frame.
    #[must_use]
    pub fn borrow(&self) -> MemberInfo<'_> {
        MemberInfo {
            member: self.member,
            seat: self.seat,
            name: &self.name,
            presence: self.presence,
            status: &self.status,
            flags: self.flags,
        }
    }
}

impl From<&MemberInfo<'_>> for MemberInfoOwned {
    fn from(info: &MemberInfo<'_>) -> MemberInfoOwned {
        MemberInfoOwned {
            member: info.member,
            seat: info.seat,
            name: info.name.to_owned(),
            presence: info.presence,
            status: info.status.to_owned(),
            flags: info.flags,
        }
    }
}

/// [`MemberChange`], owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberChangeOwned {
    /// Somebody joined.
    Joined(MemberInfoOwned),
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
        status: String,
    },
    /// Somebody is ready or not any more, or is the host now.
    Flags {
        /// Who.
        member: u32,
        /// All of them.
        flags: MemberFlags,
    },
}

impl MemberChangeOwned {
    /// The borrowed form, for a frame.
    #[must_use]
    pub fn borrow(&self) -> MemberChange<'_> {
        match self {
            MemberChangeOwned::Joined(info) => MemberChange::Joined(info.borrow()),
            MemberChangeOwned::Left { member, reason } => MemberChange::Left {
                member: *member,
                reason: *reason,
            },
            MemberChangeOwned::Presence { member, presence } => MemberChange::Presence {
                member: *member,
                presence: *presence,
            },
            MemberChangeOwned::Status { member, status } => MemberChange::Status {
                member: *member,
                status,
            },
            MemberChangeOwned::Flags { member, flags } => MemberChange::Flags {
                member: *member,
                flags: *flags,
            },
        }
    }
}

impl From<&MemberChange<'_>> for MemberChangeOwned {
    fn from(change: &MemberChange<'_>) -> MemberChangeOwned {
        match change {
            MemberChange::Joined(info) => MemberChangeOwned::Joined(info.into()),
            MemberChange::Left { member, reason } => MemberChangeOwned::Left {
                member: *member,
                reason: *reason,
            },
            MemberChange::Presence { member, presence } => MemberChangeOwned::Presence {
                member: *member,
                presence: *presence,
            },
            MemberChange::Status { member, status } => MemberChangeOwned::Status {
                member: *member,
                status: (*status).to_owned(),
            },
            MemberChange::Flags { member, flags } => MemberChangeOwned::Flags {
                member: *member,
                flags: *flags,
            },
        }
    }
}

/// [`RoomInfo`], owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomInfoOwned {
    /// Its id.
    pub id: String,
    /// The kind of game.
    pub kind: String,
    /// Members now.
    pub members: u16,
    /// Seats in all.
    pub seats: u16,
    /// Whether nobody may join.
    pub locked: bool,
    /// Its attributes.
    pub attributes: Vec<(String, String)>,
}

impl RoomInfoOwned {
    /// The borrowed form, for a frame.
    #[must_use]
    pub fn borrow(&self) -> RoomInfo<'_> {
        let RoomInfoOwned {
            id,
            kind,
            members,
            seats,
            locked,
            attributes,
        } = self;
        RoomInfo {
            id,
            kind,
            members: *members,
            seats: *seats,
            locked: *locked,
            attributes: borrow_pairs(attributes),
        }
    }
}

impl From<&RoomInfo<'_>> for RoomInfoOwned {
    fn from(info: &RoomInfo<'_>) -> RoomInfoOwned {
        RoomInfoOwned {
            id: info.id.to_owned(),
            kind: info.kind.to_owned(),
            members: info.members,
            seats: info.seats,
            locked: info.locked,
            attributes: own_pairs(&info.attributes),
        }
    }
}

/// All that a member learns when it joins: what [`ServerFrame::Joined`] carries, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedInfo {
    /// The number that the client gave its request.
    pub request: u32,
    /// The room's number on this server, for all other frames.
    pub room: u32,
    /// The room's id, for people and links.
    pub id: String,
    /// The kind of game.
    pub kind: String,
    /// The member's seat; [`NO_SEAT`](super::parts::NO_SEAT) if it has none.
    pub seat: u16,
    /// The member's own number.
    pub member: u32,
    /// The room's tick at the join.
    pub tick: Tick,
    /// Microseconds of a tick.
    pub tick_us: u32,
    /// Ticks from one update to the next.
    pub send_every: u8,
    /// The hash of the game's schema.
    pub schema_hash: u64,
    /// The schema, for a client that gave no hash.
    pub schema: Option<Bytes>,
    /// Everybody in the room, the new member among them.
    pub members: Vec<MemberInfoOwned>,
}

impl JoinedInfo {
    /// The frame that says it.
    #[must_use]
    pub fn frame(&self) -> ServerFrame<'_> {
        ServerFrame::Joined {
            request: self.request,
            room: self.room,
            id: &self.id,
            kind: &self.kind,
            seat: self.seat,
            member: self.member,
            tick: self.tick,
            tick_us: self.tick_us,
            send_every: self.send_every,
            schema_hash: self.schema_hash,
            schema: self.schema.as_deref(),
            members: self.members.iter().map(MemberInfoOwned::borrow).collect(),
        }
    }
}
