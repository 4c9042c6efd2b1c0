//! What a server's session tells its owner.

use crate::ending::Ending;
use crate::frame::{AskOutcome, Holding, HostAskOwned, JoinHowOwned};
use crate::moment::Moment;
use crate::time::Tick;
use bytes::Bytes;

/// What a server's session tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// Credentials are to be checked; answer with [`attach_done`](super::ServerSession::attach_done).
    AuthWanted {
        /// The attachment.
        attachment: u8,
        /// Its namespace.
        namespace: String,
        /// What the client shows.
        credentials: Bytes,
        /// The hash of the client's messages; 0: a generic client.
        messages_hash: u64,
        /// Fresh ones for an attachment whose identity has expired; it stays accepted meanwhile.
        renewal: bool,
    },
    /// An attachment was accepted.
    Attached {
        /// Which.
        attachment: u8,
    },
    /// An attachment has fresh credentials: its identity holds for longer.
    Renewed {
        /// Which.
        attachment: u8,
    },
    /// The client gave an attachment up, or it was ended ([`end_attachment`](super::ServerSession::end_attachment)).
    Detached {
        /// Which.
        attachment: u8,
        /// Whether this side ended it.
        ended: bool,
    },
    /// Answer with [`joined`](super::ServerSession::joined) or [`join_refused`](super::ServerSession::join_refused).
    JoinWanted {
        /// The client's number for it.
        request: u32,
        /// By which attachment.
        attachment: u8,
        /// Which room.
        how: JoinHowOwned,
        /// The hash of the client's schema; 0: it wants the schema.
        schema_hash: u64,
    },
    /// Answer with [`room_ended`](super::ServerSession::room_ended) and [`RoomEnd::Left`](crate::frame::RoomEnd::Left).
    LeaveWanted {
        /// Which room.
        room: u32,
    },
    /// A command.
    Command {
        /// Which room.
        room: u32,
        /// What is held: the newest tick, and where frames may be lost which of those before it.
        held: Holding,
        /// The tick it is for.
        tick: Tick,
        /// What the player's picture showed, as they say.
        shown: Option<Moment>,
        /// The number of what the player owns then, as their client predicts it.
        said: Option<u16>,
        /// The command by its schema.
        payload: Bytes,
    },
    /// A message.
    Message {
        /// The room, or below [`ROOM_FIRST`](crate::frame::ROOM_FIRST) the attachment whose namespace it is for, outside of rooms.
        room: u32,
        /// The channel.
        channel: u8,
        /// The hash of the type's name.
        kind: u32,
        /// The message.
        payload: Bytes,
        /// Whether it was sent as a volatile one.
        volatile: bool,
    },
    /// What the client says of itself is another thing from now on: by its word, or since the time of a passing word is over.
    Status {
        /// In which room; 0: wherever it is followed.
        room: u32,
        /// What shows; empty: nothing.
        text: String,
    },
    /// The client wants to watch identities of a namespace.
    Follow {
        /// By this attachment, which is accepted.
        attachment: u8,
        /// These too.
        add: Vec<String>,
        /// These no more.
        remove: Vec<String>,
    },
    /// The client is done with kept notices.
    NoticesDone {
        /// Of this attachment, which is accepted.
        attachment: u8,
        /// Which.
        cursors: Vec<u64>,
    },
    /// A request; answer with [`answer`](super::ServerSession::answer), once and at any time.
    Ask {
        /// The room, or 0: the session.
        room: u32,
        /// The channel.
        channel: u8,
        /// The client's number for it.
        number: u32,
        /// The hash of the request type's name.
        kind: u32,
        /// For how long the client waits, from when it asked.
        timeout_ms: u32,
        /// The request.
        payload: Bytes,
    },
    /// The client gave a request up: an answer is dropped and counted.
    AskCancelled {
        /// The room, or 0: the session.
        room: u32,
        /// The client's number for it.
        number: u32,
    },
    /// What became of a request of this side.
    Reply {
        /// The room, or 0: the session.
        room: u32,
        /// The number that it was asked by.
        number: u32,
        /// What became of it.
        outcome: AskOutcome,
    },
    /// The client holds more of a room.
    Held {
        /// Which room.
        room: u32,
        /// The newest tick, and where frames may be lost which of those before it.
        held: Holding,
    },
    /// What the client measured.
    Report {
        /// Which room.
        room: u32,
        /// The age of what it was shown, in milliseconds.
        age_ms: u32,
    },
    /// The client needs an area anew.
    KeyframeWanted {
        /// Which room.
        room: u32,
        /// Which area.
        area: u32,
    },
    /// Answer with [`lobby_list`](super::ServerSession::lobby_list) or [`join_refused`](super::ServerSession::join_refused).
    LobbyWanted {
        /// The client's number for it.
        request: u32,
        /// By which attachment.
        attachment: u8,
        /// Of this kind alone; empty: all.
        kind: String,
    },
    /// Answer with [`lobby_change`](super::ServerSession::lobby_change), first with the whole list, until the client gives it up or the
    /// attachment or the session ends; or with [`join_refused`](super::ServerSession::join_refused).
    LobbyWatchWanted {
        /// The client's number for it.
        request: u32,
        /// By which attachment.
        attachment: u8,
        /// Of this kind alone; empty: all.
        kind: String,
        /// Only rooms that have these.
        attributes: Vec<(String, String)>,
    },
    /// The client gave a list up that it watched.
    LobbyUnwatched {
        /// The number of the request that began it.
        request: u32,
    },
    /// The client is ready, or not any more.
    Ready {
        /// Which room.
        room: u32,
        /// Whether.
        ready: bool,
    },
    /// The client wants what a host may want: answer with [`host_done`](super::ServerSession::host_done) or
    /// [`join_refused`](super::ServerSession::join_refused).
    HostAsks {
        /// The client's number for it.
        request: u32,
        /// Which room.
        room: u32,
        /// What.
        ask: HostAskOwned,
    },
    /// The link is lost, and the session waits for its client (only with a resume window).
    LinkLost,
    /// The client is back on another link ([`resume`](super::ServerSession::resume)): what it holds of each room follows.
    Resumed,
    /// After [`ServerEvent::Resumed`], for each room: updates go on from what the client holds.
    RoomResumed {
        /// Which room.
        room: u32,
        /// The newest tick held; `None`: nothing.
        held: Option<Tick>,
    },
    /// The session is over; nothing comes after this.
    Ended(Ending),
}
