//! What a front is told and what it tells: plain values that may cross threads. Frames and links come by calls of their own.

use std::sync::Arc;

use bytes::Bytes;
use tickwire_proto::frame::{Identity, Refusal, RoomEnd, RoomInfoOwned};
use tickwire_proto::{Reason, Retry, Time};

use super::outside::{Broadcast, Caller};
use crate::auth::{AuthRequest, Remote};
use crate::directory::{DirectoryInput, Part};
use crate::key::{MemberId, SessionKey};
use crate::lobby::LobbyInput;
use crate::namespace::NamespaceSpec;
use crate::room::{RoomInput, RoomOutput};

/// What a front is told by the lobby, by rooms and by whoever is in charge.
#[derive(Debug)]
pub enum FrontInput {
    /// The answer to [`FrontOutput::AuthWanted`].
    AuthDone {
        /// Whose.
        session: SessionKey,
        /// Which attachment.
        attachment: u8,
        /// Who it is, or why not.
        answer: Box<Result<Identity, Refusal>>,
    },
    /// The lobby has given a seat; the room's answer follows.
    Entered {
        /// Whose.
        session: SessionKey,
        /// The session's number for its request.
        request: u32,
        /// Which room.
        room: u32,
        /// The member's number there.
        member: MemberId,
    },
    /// A join or a list is refused.
    RequestRefused {
        /// Whose.
        session: SessionKey,
        /// The session's number for it.
        request: u32,
        /// Why.
        refusal: Refusal,
    },
    /// The list of rooms.
    List {
        /// Whose.
        session: SessionKey,
        /// The session's number for it.
        request: u32,
        /// The rooms.
        rooms: Vec<RoomInfoOwned>,
    },
    /// All other sessions of its identity are gone: the answer to [`DirectoryInput::Claim`].
    Claimed {
        /// Whose.
        part: Part,
    },
    /// A newer session of its identity has come, and only one may be.
    Replaced {
        /// Whose.
        part: Part,
        /// For people.
        message: String,
    },
    /// One encoded frame for some parts of this front: what is followed, a notice.
    ToParts {
        /// Whose.
        parts: Vec<Part>,
        /// The frame.
        frame: Bytes,
    },
    /// Some identities are not followed.
    FollowRefused {
        /// Whose.
        part: Part,
        /// Why.
        refusal: Refusal,
    },
    /// What is new on a list that a session watches.
    LobbyChange {
        /// Whose.
        session: SessionKey,
        /// The number of the request that began it.
        request: u32,
        /// This is the whole list.
        whole: bool,
        /// Rooms that are new or look different.
        rooms: Vec<RoomInfoOwned>,
        /// Rooms that are not on it any more.
        gone: Vec<String>,
    },
    /// What a session asked for as the host of a room is done.
    HostDone {
        /// Whose.
        session: SessionKey,
        /// The session's number for it.
        request: u32,
    },
    /// The lobby has given a seat in another room to a session in a room; that room's answer follows.
    Moving {
        /// Whose.
        session: SessionKey,
        /// Where it is.
        from: u32,
        /// The lobby's number for it.
        request: u32,
        /// Where it goes.
        room: u32,
        /// The member's number there.
        member: MemberId,
    },
    /// An identity is kept out of the whole server, and its sessions end.
    Ban {
        /// Whose.
        identity: String,
        /// Until then; `None`: until the server's end.
        until: Option<Time>,
        /// For people.
        message: String,
    },
    /// An identity may come again.
    Unban {
        /// Whose.
        identity: String,
    },
    /// The answer to [`FrontOutput::Asked`].
    Answered {
        /// Whose.
        session: SessionKey,
        /// Which attachment.
        attachment: u8,
        /// The request's number.
        number: u32,
        /// The reply's bytes, or a refusal.
        answer: Result<Bytes, Refusal>,
    },
    /// A message for many.
    Broadcast(Arc<Broadcast>),
    /// A room tells something.
    Room {
        /// Which.
        room: u32,
        /// What.
        output: RoomOutput,
    },
    /// A room is over for all.
    RoomEnded {
        /// Which.
        room: u32,
        /// Why.
        reason: RoomEnd,
        /// For people.
        message: String,
    },
    /// A room is over for one session, which goes on.
    Removed {
        /// Whose.
        session: SessionKey,
        /// Which room.
        room: u32,
        /// Why.
        reason: RoomEnd,
        /// For people.
        message: String,
    },
    /// Ends one session.
    End {
        /// Which.
        session: SessionKey,
        /// Why.
        reason: Reason,
        /// What its client does next.
        retry: Retry,
        /// For people.
        message: String,
    },
    /// Ends all sessions: the server restarts or drains.
    EndAll {
        /// Why.
        reason: Reason,
        /// What their clients do next.
        retry: Retry,
        /// For people.
        message: String,
    },
}

impl FrontInput {
    /// A copy for another front, of what may go to all of them; `None` for what is for one session or room.
    #[must_use]
    pub fn for_all(&self) -> Option<FrontInput> {
        match self {
            FrontInput::RoomEnded {
                room,
                reason,
                message,
            } => Some(FrontInput::RoomEnded {
                room: *room,
                reason: *reason,
                message: message.clone(),
            }),
            FrontInput::EndAll {
                reason,
                retry,
                message,
            } => Some(FrontInput::EndAll {
                reason: *reason,
                retry: *retry,
                message: message.clone(),
            }),
            FrontInput::Ban {
                identity,
                until,
                message,
            } => Some(FrontInput::Ban {
                identity: identity.clone(),
                until: *until,
                message: message.clone(),
            }),
            FrontInput::Unban { identity } => Some(FrontInput::Unban {
                identity: identity.clone(),
            }),
            FrontInput::Broadcast(broadcast) => Some(FrontInput::Broadcast(Arc::clone(broadcast))),
            _ => None,
        }
    }
}

/// What a front tells. To be delivered in this order.
#[derive(Debug)]
pub enum FrontOutput {
    /// For the lobby.
    ToLobby(LobbyInput),
    /// For the directory.
    ToDirectory(DirectoryInput),
    /// For a room. One that cannot take it now: [`Front::not_taken`](crate::Front::not_taken).
    ToRoom {
        /// Whose words they are; `None`: nobody's.
        session: Option<SessionKey>,
        /// Its number.
        room: u32,
        /// What.
        input: RoomInput,
    },
    /// Credentials to be checked by the auth of the namespace; answer with [`FrontInput::AuthDone`].
    AuthWanted {
        /// What is shown, and by whom.
        request: AuthRequest,
        /// Where it wants to be let in.
        namespace: Arc<NamespaceSpec>,
    },
    /// A message outside of rooms, for a handler of its namespace.
    Said {
        /// By whom.
        caller: Caller,
        /// Its kind.
        kind: u32,
        /// Its bytes.
        payload: Bytes,
    },
    /// A request outside of rooms, for a handler of its namespace; answer with [`FrontInput::Answered`].
    Asked {
        /// By whom.
        caller: Caller,
        /// Its number.
        number: u32,
        /// Its kind.
        kind: u32,
        /// Its bytes.
        payload: Bytes,
    },
    /// Nobody waits for that answer any more.
    GivenUp {
        /// Whose.
        session: SessionKey,
        /// Which attachment.
        attachment: u8,
        /// The request's number.
        number: u32,
    },
    /// The client of one session has come on the link of another, which was never more than that link: the link is this session's from here
    /// on, and one that it had before is closed.
    Relinked {
        /// The session that is no more.
        from: SessionKey,
        /// The session that goes on.
        to: SessionKey,
    },
    /// The link of a session is for another front, which holds the session that it claims: open it there, and give it the hello again.
    /// This session is no more.
    Elsewhere {
        /// The session that is no more.
        from: SessionKey,
        /// The front.
        shard: u16,
        /// The frame that came.
        hello: Bytes,
        /// Where the link comes from.
        remote: Arc<Remote>,
        /// Whether it [has datagrams](super::Front::has_datagrams).
        datagrams: bool,
    },
    /// Nothing is heard on the link of a session: close it. The session waits for its client to come back.
    Cut {
        /// Whose.
        session: SessionKey,
    },
    /// A session is over: write what its link still holds, close the link with the code, and forget the key.
    Close {
        /// Which.
        session: SessionKey,
        /// The close code of a WebSocket.
        code: u16,
        /// Why; the ending's frame has told the client already, if it could be told.
        reason: Reason,
    },
}
