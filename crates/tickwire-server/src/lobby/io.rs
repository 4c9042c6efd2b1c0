//! What the lobby is told and what it tells: plain values that may cross threads.

use std::sync::Arc;

use tickwire_proto::frame::{Identity, JoinHowOwned, LeaveReason, RoomEnd};

use crate::front::FrontInput;
use crate::gauge::Gauge;
use crate::key::SessionKey;
use crate::namespace::NamespaceSpec;
use crate::room::{RoomInput, RoomSpec};

/// A wish to be let in.
#[derive(Clone, Debug)]
pub struct LobbyJoin {
    /// Whose.
    pub session: SessionKey,
    /// The session's number for it.
    pub request: u32,
    /// In which namespace: its kinds and rooms are all there is.
    pub namespace: Arc<NamespaceSpec>,
    /// Which room.
    pub how: JoinHowOwned,
    /// The hash of the client's schema; 0: it wants to be given the schema.
    pub schema_hash: u64,
    /// Who it is.
    pub identity: Identity,
    /// What lies between a room and its socket.
    pub gauge: Gauge,
}

/// What the lobby is told.
#[derive(Clone, Debug)]
pub enum LobbyInput {
    /// Somebody wants to be in a room.
    Join(Box<LobbyJoin>),
    /// Somebody wants the list of rooms.
    List {
        /// Whose.
        session: SessionKey,
        /// The session's number for it.
        request: u32,
        /// Of which namespace.
        namespace: Arc<NamespaceSpec>,
        /// Of this kind alone; empty: all.
        kind: String,
    },
    /// A session leaves a room.
    Leave {
        /// Whose.
        session: SessionKey,
        /// Which room.
        room: u32,
        /// Why.
        reason: LeaveReason,
    },
    /// A session is over: it leaves all its rooms.
    Gone {
        /// Which.
        session: SessionKey,
        /// Why.
        reason: LeaveReason,
    },
    /// Sends a session away from a room; the session goes on.
    Kick {
        /// Which session.
        session: SessionKey,
        /// From which room.
        room: u32,
        /// For people.
        message: String,
    },
    /// Nobody may join a room, or again everybody.
    Lock {
        /// Which room.
        room: u32,
        /// Whether it is locked.
        locked: bool,
    },
    /// Ends a room.
    Close {
        /// Which.
        room: u32,
        /// For people.
        message: String,
    },
    /// A room told that it has ended ([`RoomOutput::Ended`](crate::RoomOutput::Ended)).
    RoomEnded {
        /// Which.
        room: u32,
        /// Why.
        reason: RoomEnd,
        /// For people.
        message: String,
    },
    /// A room panicked, or hung: it is gone.
    RoomFailed {
        /// Which.
        room: u32,
        /// For people.
        message: String,
    },
}

/// What the lobby tells. To be delivered in this order.
#[derive(Debug)]
pub enum LobbyOutput {
    /// Make this room.
    CreateRoom(Box<RoomSpec>),
    /// For a room.
    ToRoom {
        /// Its number.
        room: u32,
        /// What.
        input: RoomInput,
    },
    /// For one front.
    ToFront {
        /// Which.
        shard: u16,
        /// What.
        input: FrontInput,
    },
    /// For all fronts.
    ToAllFronts(FrontInput),
}
