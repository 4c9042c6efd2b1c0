//! What a client tells its driver and its user.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tickwire_proto::frame::{
    AskOutcome, CHANNELS_MAX, LeaveReason, MemberChangeOwned, Presence, Refusal, RoomEnd,
    RoomInfoOwned,
};
use tickwire_proto::{Reason, Retry, Tick};

/// A room that one wants or has, on this client: it stays the same over links, restarts and the room's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomKey(pub u32);

/// A namespace that this client is in, or wants to be in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceKey(pub u8);

impl NamespaceKey {
    /// That of [`ClientConfig::namespace`](crate::ClientConfig::namespace).
    pub const MAIN: NamespaceKey = NamespaceKey(0);
}

impl fmt::Display for NamespaceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "namespace {}", self.0)
    }
}

/// Where something is sent and asked: in a room, or in a namespace outside of its rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// To the room's game.
    Room(RoomKey),
    /// To the server's handlers of the namespace.
    Outside(NamespaceKey),
}

impl From<RoomKey> for Place {
    fn from(room: RoomKey) -> Place {
        Place::Room(room)
    }
}

impl From<NamespaceKey> for Place {
    fn from(namespace: NamespaceKey) -> Place {
        Place::Outside(namespace)
    }
}

/// A question to the server (the list of rooms), to tell its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);

/// A request of this client, to tell its outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u32);

/// A question of a room to this client, to answer it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionId(pub u32);

impl fmt::Display for RoomKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "room {}", self.0)
    }
}

/// Where the conversation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// A link is being opened, or the hello and the credentials are on their way.
    Connecting,
    /// Accepted: rooms can be joined and used.
    Online,
    /// The link is lost; the next try comes in `retry_in`. Rooms stay joined while the session may be resumed.
    Away {
        /// From the moment of this state on.
        retry_in: Duration,
    },
    /// It is over, until [`Client::reconnect`](crate::Client::reconnect) is called.
    Ended {
        /// Why.
        reason: Reason,
        /// Whether and how another try makes sense.
        retry: Retry,
        /// What the server said, for people.
        message: String,
    },
}

/// Why something could not be sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The room is not joined at the moment (or never was): wait for [`ClientEvent::Joined`].
    #[error("Away: {0} is not joined now. Wait for it to be joined")]
    NotJoined(RoomKey),
    /// There is no link now: what passes by itself is of no use later.
    #[error("Away: there is no link now. Wait for the state Online")]
    NotOnline,
    /// The namespace is not attached at the moment: wait for [`ClientEvent::Attached`].
    #[error("Away: {0} is not attached now. Wait for it to be attached")]
    NotAttached(NamespaceKey),
    /// The session does not take it.
    #[error(transparent)]
    Session(#[from] tickwire_proto::SendError),
    /// The row is not one of the game's command record.
    #[error("BadCommand: the row has other columns than the command of {0}")]
    BadCommand(RoomKey),
    /// No update of the room is held yet (or the link cannot take it): the command was not sent, and counted.
    #[error("NotYet: {0} holds no update yet, the command was not sent")]
    NotYet(RoomKey),
    /// There is no channel with that number.
    #[error("NoChannel: channels are numbered below {CHANNELS_MAX}, there is no {0}")]
    NoChannel(u8),
    /// The message is not within its own limits.
    #[error("BadMessage: {0}")]
    BadMessage(String),
    /// The game has no commands, or the viewer no seat.
    #[error("NoCommand: {0} takes no commands from here")]
    NoCommand(RoomKey),
}

/// Why there is no reply to a request.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AskError {
    /// Whoever answers said no: with one of the framework's codes or the game's own, and data for programs.
    #[error("{}: {}", .0.code, .0.message)]
    Refused(Refusal),
    /// No reply came in time. It may have been handled: ask for what became of it, before it is asked again.
    #[error("Timeout: no reply came in time. It may have been handled")]
    Timeout,
    /// The room or the session ended before the reply. It may have been handled.
    #[error("Ended: the room or the session ended before the reply. It may have been handled")]
    Ended,
    /// It was not asked at all.
    #[error(transparent)]
    Unsent(#[from] SendError),
    /// The reply is not one of this game's: client and server are of two versions.
    #[error("Version: the reply cannot be read: {0}. Rebuild the client, or update the server")]
    Unreadable(String),
}

/// What was wrong with an update. The client has asked for a keyframe already.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// It could not be decoded.
    #[error("area {area} at tick {tick}: {text}")]
    Undecodable {
        /// The area's number.
        area: u32,
        /// The tick of the update.
        tick: Tick,
        /// What the decoder said.
        text: String,
    },
    /// It starts from a tick that is not held.
    #[error("area {area} at tick {tick}: starts from tick {basis}, which is not held")]
    NoBasis {
        /// The area's number.
        area: u32,
        /// The tick of the update.
        tick: Tick,
        /// The tick that it starts from.
        basis: Tick,
    },
    /// It was decoded, and is not what the server has.
    #[error("area {area} at tick {tick}: its hash is {ours:016x}, the server's is {theirs:016x}")]
    Hash {
        /// The area's number.
        area: u32,
        /// The tick of the update.
        tick: Tick,
        /// Of what was decoded.
        ours: u64,
        /// Of what the server has.
        theirs: u64,
    },
    /// The frame itself breaks the protocol.
    #[error("an update that is no update: {0}")]
    Frame(String),
}

/// What a driver is asked to do, or to tell its user.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClientOutput {
    /// Open a link now. `number` is the attempt's random number, for the upgrade's URL and for asking why it failed.
    Connect {
        /// Counts from 1, and again from 1 after each success.
        attempt: u32,
        /// Random: told to the server as `try=N`.
        number: u32,
    },
    /// Close the link, after what [`Client::next`](crate::Client::next) still has to write.
    Close,
    /// Call [`Client::attach`](crate::Client::attach) with fresh credentials: for a start, or because the identity has expired. Not
    /// asked where they were given with the namespace's name.
    CredentialsWanted {
        /// For which namespace.
        namespace: NamespaceKey,
    },
    /// Something for the user.
    Event(ClientEvent),
}

/// What happened, for the user.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The state changed.
    State(State),
    /// The credentials were accepted.
    Attached {
        /// In which namespace.
        namespace: NamespaceKey,
        /// Who one is now, by the server's auth.
        identity: String,
    },
    /// The credentials were not accepted in the main namespace, or fresh ones not any more; the state `Ended` follows.
    AttachRefused(Refusal),
    /// The same in another namespace, which is forgotten: its rooms have been told, the rest goes on.
    NamespaceRefused {
        /// Which.
        namespace: NamespaceKey,
        /// Why.
        refusal: Refusal,
        /// Whether one had been in it.
        was_in: bool,
    },
    /// The identity had expired, and fresh credentials were accepted.
    Renewed {
        /// In which namespace.
        namespace: NamespaceKey,
    },
    /// A new link carries the session on: the same rooms, views and seats, nothing reliable lost and nothing twice.
    Resumed,
    /// The session could not be resumed: its window had passed, or the server is another one. Each room that was joined
    /// has been told by [`RoomAway`](Self::RoomAway) before it, and is joined again by itself.
    Expired,
    /// The server ended the session and said why. The state `Away` follows, and another session begins by itself; where none does, the state
    /// is `Ended` and says the same.
    SessionEnded {
        /// Why.
        reason: Reason,
        /// What the server said, for people.
        message: String,
    },
    /// Reliable messages went down with the last session: nobody knows whether they were heard.
    MessagesLost {
        /// How many.
        count: u64,
    },
    /// A list of rooms was refused, or its session was lost before it came: ask again.
    LobbyRefused {
        /// Which question.
        request: RequestId,
        /// Why.
        refusal: Refusal,
    },
    /// In the room: for the first time, or again after a lost session (`again`). Its view is fresh.
    Joined {
        /// Which.
        room: RoomKey,
        /// Whether it had been joined before.
        again: bool,
    },
    /// One goes on in another room, as the game or the server wants: the same key, with a fresh view, another seat and other members.
    Moved {
        /// Which.
        room: RoomKey,
    },
    /// The room was refused, and is forgotten.
    JoinRefused {
        /// Which.
        room: RoomKey,
        /// Why.
        refusal: Refusal,
    },
    /// The session is lost and the room with it; it is joined again as soon as that is possible.
    RoomAway {
        /// Which.
        room: RoomKey,
    },
    /// The room is over, and is forgotten.
    RoomEnded {
        /// Which.
        room: RoomKey,
        /// Why.
        reason: RoomEnd,
        /// What the server said, for people.
        message: String,
    },
    /// Somebody joined, left, went, came back or says something else of itself. [`View::members`](crate::View::members) has it already.
    Member {
        /// Where.
        room: RoomKey,
        /// What.
        change: MemberChangeOwned,
    },
    /// A status was not told to anybody: the one before stays.
    StatusRefused {
        /// Where; `None`: outside of rooms.
        room: Option<RoomKey>,
        /// Why.
        refusal: Refusal,
    },
    /// What somebody whom one follows is like now. [`Client::person`](crate::Client::person) has it already.
    Person {
        /// In which namespace.
        namespace: NamespaceKey,
        /// Who.
        identity: String,
        /// Online with any of its sessions, away with all that it has, or gone.
        presence: Presence,
        /// Why it is gone, where it is and the server knows: how its last session ended.
        gone: Option<LeaveReason>,
        /// What it says of itself; empty: nothing.
        status: String,
    },
    /// Some identities are not followed: the server says why.
    FollowRefused {
        /// In which namespace.
        namespace: NamespaceKey,
        /// Why.
        refusal: Refusal,
    },
    /// Something that one's identity is told, wherever it is connected.
    Notice {
        /// In which namespace.
        namespace: NamespaceKey,
        /// Of one that is kept until [`Client::notice_done`](crate::Client::notice_done) is called with it; `None`: a live one.
        cursor: Option<u64>,
        /// What it is about.
        kind: String,
        /// What it says; JSON by convention.
        payload: Bytes,
    },
    /// A message.
    Message {
        /// In which namespace.
        namespace: NamespaceKey,
        /// Where from; `None`: from outside of rooms.
        room: Option<RoomKey>,
        /// Its channel.
        channel: u8,
        /// Its kind, by the schema.
        kind: u32,
        /// Its bytes.
        payload: Bytes,
        /// Whether it may have been left out.
        volatile: bool,
    },
    /// What became of a request: exactly one for each [`Client::ask`](crate::Client::ask) that is not given up.
    Reply {
        /// Which.
        ask: AskId,
        /// What.
        outcome: AskOutcome,
    },
    /// A room asks, or a namespace: to be answered by [`Client::answer`](crate::Client::answer). Without an answer in time it counts as none.
    Question {
        /// Which.
        question: QuestionId,
        /// Where.
        place: Place,
        /// Its kind, by the schema, which says by what message it is answered.
        kind: u32,
        /// How long the answer is waited for, from when it was asked.
        timeout: Duration,
        /// Its bytes.
        payload: Bytes,
    },
    /// Nobody waits for the answer any more.
    QuestionOver {
        /// To which.
        question: QuestionId,
    },
    /// An update came in and is held.
    Updated {
        /// Where.
        room: RoomKey,
        /// Its tick.
        tick: Tick,
        /// The last command that the room had applied.
        applied: Option<Tick>,
        /// The server's clock at capture, microseconds.
        stamp: Option<u64>,
    },
    /// An update was wrong: told, a keyframe asked for, the view stays at what was right.
    Fault {
        /// Where.
        room: RoomKey,
        /// What.
        fault: Fault,
    },
    /// The length of the room's ticks changed: a server that cannot keep up goes in slower time, and comes back. The view follows by itself.
    Rates {
        /// Where.
        room: RoomKey,
        /// The new length.
        tick: Duration,
    },
    /// The answer to [`Client::lobby`](crate::Client::lobby).
    Lobby {
        /// Of which question.
        request: RequestId,
        /// The rooms.
        rooms: Vec<RoomInfoOwned>,
    },
    /// The list of rooms that [`Client::watch_lobby`](crate::Client::watch_lobby) asked for, after a change: all of it, by id.
    LobbyChanged {
        /// Of which question.
        request: RequestId,
        /// The rooms.
        rooms: Vec<RoomInfoOwned>,
    },
    /// What was asked for as the host of a room is done.
    HostDone {
        /// Of which question.
        request: RequestId,
    },
    /// A list, or what was asked for as a host, is refused.
    RequestRefused {
        /// Of which question.
        request: RequestId,
        /// Why.
        refusal: Refusal,
    },
}
