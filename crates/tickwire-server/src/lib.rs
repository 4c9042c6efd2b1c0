//! The side that is right: rooms, viewers, lobby and presence, without a clock or a socket.
//!
//! Four state machines, each with one owner, which talk by plain values:
//!
//! - a [`Front`] for each io thread holds sessions: frames in, frames out;
//! - one [`Lobby`] holds the list of rooms and gives seats;
//! - one [`Directory`] knows who is here, by identity: the newest session, watchers, notices;
//! - a [`Room`] steps one game and makes updates for its viewers: each is encoded once, however many get it.
//!
//! A driver moves the values: `tickwire-net` with threads and channels, `tickwire-lab` in virtual time, [`Loopback`] in a few
//! function calls. [`FrontOutput`], [`LobbyOutput`], [`DirectoryOutput`] and [`RoomOutput`] say where each value goes. Two rules bind a driver: what one
//! machine tells another arrives in the order in which it was told, and a panic out of [`Room::tick`] is told to the lobby as
//! [`LobbyInput::RoomFailed`].
//!
//! An update is made only for a client whose link has taken the last one ([`Gauge`]) and which has proven by receipts that not
//! too much is in flight ([`IN_FLIGHT_MS`]). So a slow client skips ticks; it grows no queue and slows no one.

#![forbid(unsafe_code)]

mod auth;
mod directory;
mod front;
mod gauge;
mod key;
mod kind;
mod lobby;
mod loopback;
mod name;
mod namespace;
mod room;

pub use auth::{
    AcceptAll, Auth, AuthAnswer, AuthChain, AuthRequest, Guard, JOIN_TOKEN_S_MAX, JoinKeyError,
    JoinTicket, JoinTokens, Later, REMOTE_BYTES_MAX, Remote, SPENT_MAX, TokenAuth, TokenFault,
    undecided,
};
pub use directory::{
    Directory, DirectoryInput, DirectoryOutput, DirectoryStats, FOLLOWS_MAX, KEPT_MAX, KeptNotice,
    LOADED_MAX, MemoryStore, NOTICES_OUT_MAX, Notice, Part, Person, RECEIPTS_UNKNOWN_MAX, Store,
    StoreAnswer, StoreJob,
};
pub use front::{
    AGE_BOUNDS_MS, AgeHistogram, Audience, BACKED_UP_MS_MAX, Backlog, Broadcast, Caller,
    FAREWELLS_MAX, FETCHED_BYTES, Front, FrontConfig, FrontInput, FrontOutput, FrontStats,
    LINGER_MS, SERVER_BANS_MAX, SESSIONS_AWAY_MAX, SessionInfo, WAITING_BYTES_MAX, WAITING_MAX,
};
pub use gauge::{GAUGE_LOW_WATER, Gauge};
pub use key::{MemberId, SessionKey};
pub use kind::{Kind, KindOptions};
pub use lobby::{
    BANS_MAX, GUESSERS_MAX, GUESSES_MAX, KEPT_MS_MAX, LOBBY_CHANGE_MS, Lobby, LobbyConfig,
    LobbyInput, LobbyJoin, LobbyOutput, LobbyStats, RESERVATIONS_MAX, ROOMS_MAX, Reservation,
    ReserveAsk, ReserveIn, RoomName, WATCHED_MAX,
};
pub use loopback::Loopback;
pub use name::{NAME_BYTES_MAX, NAME_CHARS_MAX, clean_line, clean_name};
pub use namespace::{HOME, NAMESPACES_MADE_MAX, NamespaceLimits, NamespaceSpec, Namespaces};
pub use room::{
    AREA_KEYFRAMES_PER_TICK_MAX, Batch, COMMANDS_AHEAD_MAX, ENCODES_PER_TICK_MAX, IN_FLIGHT_MS,
    KEYFRAMES_PER_TICK_MAX, LAGGING_MS, MemberStatus, Room, RoomAsk, RoomInput, RoomJoin,
    RoomOutput, RoomSpec, RoomStats, VIEWERS_A_KEYFRAME, ViewerUpdate, Who,
};
