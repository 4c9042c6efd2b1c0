//! What the lobby is told and what it tells: plain values that may cross threads.

use std::sync::Arc;

use tickwire_proto::frame::{HostAskOwned, Identity, JoinHowOwned, LeaveReason, Refusal, RoomEnd};

use super::kept::{Reservation, ReserveAsk};
use crate::front::FrontInput;
use crate::gauge::Gauge;
use crate::key::SessionKey;
use crate::namespace::NamespaceSpec;
use crate::room::{RoomAsk, RoomInput, RoomSpec};

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
    /// The secret that it has shown, if any: the seat of an older session that has shown the same is its own.
    pub seat_key: Option<[u8; 16]>,
}

/// Which room is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomName {
    /// By its number on this server.
    No(u32),
    /// By its id.
    Id(String),
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
    /// Somebody wants the list of rooms, and then every change of it.
    Watch {
        /// Whose.
        session: SessionKey,
        /// The session's number for it.
        request: u32,
        /// Of which namespace.
        namespace: Arc<NamespaceSpec>,
        /// Of this kind alone; empty: all.
        kind: String,
        /// Only rooms that have these.
        attributes: Vec<(String, String)>,
    },
    /// Somebody wants no more changes of a list.
    Unwatch {
        /// Whose.
        session: SessionKey,
        /// The number of the request that began it.
        request: u32,
    },
    /// Somebody asks for what the host of a room may ask for.
    HostAsks {
        /// Whose.
        session: SessionKey,
        /// The session's number for it.
        request: u32,
        /// Which room.
        room: u32,
        /// What.
        ask: HostAskOwned,
    },
    /// Something is to be done with a room, by its game or by whoever is in charge.
    Rule {
        /// For the answer ([`LobbyOutput::Ruled`]), where one is wanted.
        ticket: Option<u64>,
        /// Which room.
        room: RoomName,
        /// What.
        ask: RoomAsk,
    },
    /// Seats are to be kept. [`LobbyOutput::Reserved`] answers.
    Reserve {
        /// For the answer.
        ticket: u64,
        /// Random: it becomes the token.
        chance: [u8; 16],
        /// In which namespace.
        namespace: Arc<NamespaceSpec>,
        /// What.
        ask: ReserveAsk,
    },
    /// A session that was moved is in its new room, and leaves the old one.
    Moved {
        /// Whose.
        session: SessionKey,
        /// The old one.
        from: u32,
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
    /// The answer to [`LobbyInput::Rule`].
    Ruled {
        /// Whose.
        ticket: u64,
        /// Whether it was done.
        answer: Result<(), Refusal>,
    },
    /// The answer to [`LobbyInput::Reserve`].
    Reserved {
        /// Whose.
        ticket: u64,
        /// The seats that are kept.
        answer: Result<Reservation, Refusal>,
    },
}
