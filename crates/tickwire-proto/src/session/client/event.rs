//! What a client's session tells its owner.

use crate::ending::Ending;
use crate::frame::{
    AskOutcome, JoinedInfo, Limits, MemberChangeOwned, OwnToldOwned, PersonSeenOwned, Refusal,
    RoomEnd, RoomInfoOwned,
};
use crate::time::Tick;
use bytes::Bytes;

/// What a client's session tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server took the hello.
    Welcome {
        /// The session's number.
        session: u64,
        /// What may be sent.
        limits: Limits,
        /// Whether the earlier session goes on.
        resumed: bool,
        /// Reliable messages of the earlier session that were never received and will not be sent again.
        lost: u64,
    },
    /// An attachment is accepted.
    Attached {
        /// Which.
        attachment: u8,
        /// Who the client is there.
        identity: String,
        /// The messages of the namespace, where the client had no hash of them and there are any.
        schema: Option<Bytes>,
    },
    /// The identity of an attachment expires: show fresh credentials ([`credentials`](super::ClientSession::credentials)).
    CredentialsWanted {
        /// Which.
        attachment: u8,
        /// So long the server waits for some that it accepts.
        within_ms: u32,
    },
    /// Fresh credentials were accepted.
    Renewed {
        /// Of which attachment.
        attachment: u8,
    },
    /// The server ended an attachment; its rooms end too.
    AttachEnded {
        /// Which.
        attachment: u8,
        /// Why.
        refusal: Refusal,
    },
    /// An attachment is refused.
    AttachRefused {
        /// Which.
        attachment: u8,
        /// Why.
        refusal: Refusal,
    },
    /// A join is done.
    Joined(JoinedInfo),
    /// A join or a list is refused.
    JoinRefused {
        /// The number of the request.
        request: u32,
        /// Why.
        refusal: Refusal,
    },
    /// What the server tells this client alone about a tick.
    TickFrame {
        /// Which room.
        room: u32,
        /// The tick.
        tick: Tick,
        /// The newest command that was applied.
        applied: Option<Tick>,
        /// Of the commands that came since the tick frame before: by how many ticks the worst came before it was needed; negative: late;
        /// [`SLACK_NONE`](crate::frame::SLACK_NONE): none came.
        slack: i8,
        /// The server's clock at the capture, in microseconds.
        stamp: Option<u64>,
        /// What the player owns.
        own: OwnToldOwned,
        /// No update goes with it, since all that is held is still true.
        alone: bool,
    },
    /// An update: decode it anew from the frame, which was checked.
    Update {
        /// Which room.
        room: u32,
        /// The tick.
        tick: Tick,
        /// The frame's bytes.
        frame: Bytes,
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
    /// A request; answer with [`answer`](super::ClientSession::answer), once and at any time.
    Ask {
        /// The room, or 0: the session.
        room: u32,
        /// The channel.
        channel: u8,
        /// The server's number for it.
        number: u32,
        /// The hash of the request type's name.
        kind: u32,
        /// For how long the server waits, from when it asked.
        timeout_ms: u32,
        /// The request.
        payload: Bytes,
    },
    /// The server gave a request up, or its room has ended: an answer is dropped and counted.
    AskCancelled {
        /// The room, or 0: the session.
        room: u32,
        /// The server's number for it.
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
    /// The members of a room changed.
    Member {
        /// Which room.
        room: u32,
        /// How.
        change: MemberChangeOwned,
    },
    /// A status was not told to anybody: the one before stays.
    StatusRefused {
        /// Of which room; 0: of the session.
        room: u32,
        /// Why.
        refusal: Refusal,
    },
    /// What watched identities are like: first those that are watched anew, then every change.
    Followed {
        /// In the namespace of this attachment.
        attachment: u8,
        /// Who.
        people: Vec<PersonSeenOwned>,
    },
    /// Some identities are not watched.
    FollowRefused {
        /// In the namespace of this attachment.
        attachment: u8,
        /// Why.
        refusal: Refusal,
    },
    /// Something that one's identity is told.
    Notice {
        /// In the namespace of this attachment.
        attachment: u8,
        /// To be acknowledged; 0: nobody keeps it.
        cursor: u64,
        /// What it is about.
        kind: String,
        /// What it says.
        payload: Bytes,
    },
    /// A room is over for this client.
    RoomEnded {
        /// Which room.
        room: u32,
        /// Why.
        reason: RoomEnd,
        /// For people.
        message: String,
    },
    /// A room's time goes slower, or as before again.
    Rates {
        /// Which room.
        room: u32,
        /// Microseconds of a tick from now on.
        tick_us: u32,
    },
    /// The list of rooms.
    LobbyList {
        /// The number of the request.
        request: u32,
        /// The rooms.
        rooms: Vec<RoomInfoOwned>,
    },
    /// What changed on a list of rooms that is watched.
    LobbyChange {
        /// The number of the request that began it.
        request: u32,
        /// This is the whole list.
        whole: bool,
        /// Rooms that are new or look different.
        rooms: Vec<RoomInfoOwned>,
        /// Rooms that are not on it any more.
        gone: Vec<String>,
    },
    /// The session is out of a room, and in another by the [`Joined`](ClientEvent::Joined) that comes next with this number.
    Moved {
        /// The room that it was in.
        room: u32,
        /// The number.
        request: u32,
    },
    /// What was asked for as the host is done.
    HostDone {
        /// The number of the request.
        request: u32,
    },
    /// Nothing was heard for too long: drop the link and open another.
    LinkDead,
    /// The session is over; nothing comes after this.
    Ended(Ending),
}
