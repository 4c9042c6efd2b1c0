//! What the two sides of a session share: configuration, errors, counters, and what one write holds.

use crate::frame::{CREDENTIALS_MAX, Limits};
use crate::time::Tick;
use bytes::Bytes;
use thiserror::Error;

pub mod asks;
pub(crate) mod bucket;
pub mod client;
pub(crate) mod heartbeat;
pub mod outbox;
mod round;
mod rtt;
pub mod server;
mod stats;
mod token;

pub use rtt::RttEstimate;
pub use stats::SessionStats;

/// A link that wrote nothing for so long lets receipts go alone, when something arrives.
pub const RECEIPTS_ALONE_MS: u64 = 125;
/// Receipts for what was never sent, before the session ends with Violation.
pub const BOGUS_RECEIPTS_MAX: u64 = 16;
/// Volatile messages that wait for the next write.
pub const VOLATILE_MAX: usize = 64;
/// A volatile message that could not be written for so long is dropped.
pub const VOLATILE_MS_MAX: u64 = 250;

/// What a session is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// A server tells these to its clients; a client goes by them until it is told others.
    pub limits: Limits,
    /// Without accepted credentials for so long a server ends the session.
    pub credentials_ms: u32,
}

impl Default for SessionConfig {
    /// The limits of [`Limits::default`], 3 s for the credentials.
    fn default() -> SessionConfig {
        SessionConfig {
            limits: Limits::default(),
            credentials_ms: 3000,
        }
    }
}

impl SessionConfig {
    /// The longest frame that a client may send: a link may refuse what is longer before it has all of it.
    #[must_use]
    pub fn frame_max(&self) -> usize {
        (self.limits.message_max as usize)
            .max(CREDENTIALS_MAX)
            .saturating_add(256)
    }
}

/// One write: each part is one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The frame, or the tick frame that goes before the update.
    pub head: Bytes,
    /// The shared update, when the head is its tick frame.
    pub body: Option<Bytes>,
    /// The room and tick, when this is an update.
    pub update: Option<(u32, Tick)>,
    /// Whether something else waits to be written: ask for it. Else nothing does.
    pub more: bool,
}

impl Outgoing {
    /// One frame.
    #[must_use]
    pub fn frame(head: Bytes) -> Outgoing {
        Outgoing {
            head,
            body: None,
            update: None,
            more: false,
        }
    }

    /// Whether it may go by a lane that loses frames, swaps them and doubles them: an update, or a tick frame. Nothing else may.
    #[must_use]
    pub fn may_be_lost(&self) -> bool {
        self.head.first() == Some(&crate::frame::server::TICK_FRAME)
    }

    /// Bytes of both parts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len() + self.body.as_ref().map_or(0, Bytes::len)
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SendError {
    /// Server: more waits for the client than the outbox holds; the session has ended with it.
    #[error(
        "the outbox is full and the session has ended with Overflow: send less, or volatile messages"
    )]
    Overflow,
    /// Client: the outbox is full for now, or a volatile message cannot go now.
    #[error("the outbox is full: try again when receipts have made room")]
    Full,
    /// The payload is longer than the session's limit.
    #[error(
        "a message of {len} bytes is longer than the {max} allowed: send less, or raise the limit on the server"
    )]
    TooLong {
        /// The payload's length.
        len: usize,
        /// What is allowed.
        max: usize,
    },
    /// Client: not a member of that room (any more).
    #[error("not a member of room {room}: send after the join is done and before the room is left")]
    NoRoom {
        /// The room's number.
        room: u32,
    },
    /// As many requests wait for their reply as may.
    #[error("{} requests wait for their reply: wait too", asks::ASKS_PENDING_MAX)]
    Asking,
    /// The session has ended.
    #[error("the session has ended")]
    Ended,
}
