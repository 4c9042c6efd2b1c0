//! What the directory is told and what it tells: plain values that may cross threads.

use std::sync::Arc;

use bytes::Bytes;
use tickwire_proto::frame::{LeaveReason, NAME_MAX, NOTICE_MAX, Presence, Refusal, code};

use super::store::{StoreAnswer, StoreJob};
use crate::front::FrontInput;
use crate::key::SessionKey;

/// Somebody in a namespace: the same on every device and in every session. Another namespace knows nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Person {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The identity's id there.
    pub identity: Arc<str>,
}

impl Person {
    /// By namespace and identity.
    pub fn new(namespace: impl Into<Arc<str>>, identity: impl Into<Arc<str>>) -> Person {
        Person {
            namespace: namespace.into(),
            identity: identity.into(),
        }
    }
}

/// A session's part in a namespace: one accepted attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// Whose.
    pub session: SessionKey,
    /// The session's number for it.
    pub attachment: u8,
    /// Another one for each part of its front: what is for a part that was given up reaches no later one.
    pub serial: u32,
}

/// What somebody is told, wherever it is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about: a name of the application's own, at most 64 bytes.
    pub kind: String,
    /// At most [`NOTICE_MAX`](tickwire_proto::frame::NOTICE_MAX) bytes; JSON by convention, so that a page can read it.
    pub payload: Bytes,
}

impl Notice {
    /// Whether it may be sent to that person.
    ///
    /// # Errors
    /// With `Limit`: it is longer than a frame has room for.
    pub fn check(&self, to: &Person) -> Result<(), Refusal> {
        if self.payload.len() <= NOTICE_MAX
            && self.kind.len() <= NAME_MAX
            && to.identity.len() <= NAME_MAX
        {
            return Ok(());
        }
        let message = format!(
            "a notice has at most {NAME_MAX} bytes of identity and kind, and {NOTICE_MAX} bytes of payload: say less, and let the client ask for the rest"
        );
        Err(Refusal::new(code::LIMIT, message))
    }
}

/// What the directory is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryInput {
    /// A session wants to be the only one of an identity: answered with [`FrontInput::Claimed`] when all others are gone.
    Claim {
        /// Its part.
        part: Part,
        /// Who it is.
        person: Person,
    },
    /// An attachment was accepted.
    Attached {
        /// The part.
        part: Part,
        /// Who it is.
        person: Person,
    },
    /// An attachment is over.
    Detached {
        /// The part.
        part: Part,
        /// Why.
        reason: LeaveReason,
    },
    /// A session's link was lost, or is back.
    Presence {
        /// Whose.
        session: SessionKey,
        /// Online or away.
        presence: Presence,
    },
    /// What a session says of itself in a namespace.
    Status {
        /// By which part.
        part: Part,
        /// What, fit to be shown; empty: nothing any more.
        status: String,
    },
    /// A session is over.
    Gone {
        /// Which.
        session: SessionKey,
        /// Why.
        reason: LeaveReason,
    },
    /// A session wants to watch identities of its namespace, or not any more.
    Follow {
        /// By which part.
        part: Part,
        /// These too.
        add: Vec<String>,
        /// These no more.
        remove: Vec<String>,
    },
    /// A client is done with kept notices.
    NoticesDone {
        /// By which part.
        part: Part,
        /// Which.
        cursors: Vec<u64>,
    },
    /// A notice for those of an identity's sessions that are online now.
    Notify {
        /// To whom.
        person: Person,
        /// What.
        notice: Notice,
    },
    /// A notice that is kept until it is acknowledged; answered with [`DirectoryOutput::Kept`].
    Keep {
        /// The asker's number for it; 0: nobody waits for the answer.
        ticket: u64,
        /// To whom.
        person: Person,
        /// What.
        notice: Notice,
    },
    /// What the store answered to a [`DirectoryOutput::ToStore`].
    Stored(Box<StoreAnswer>),
}

/// What the directory tells. To be delivered in this order.
#[derive(Debug)]
pub enum DirectoryOutput {
    /// For one front.
    ToFront {
        /// Which.
        shard: u16,
        /// What.
        input: FrontInput,
    },
    /// For the store; answered, in the order of the jobs, with [`DirectoryInput::Stored`].
    ToStore(StoreJob),
    /// The answer to a [`DirectoryInput::Keep`].
    Kept {
        /// The asker's number.
        ticket: u64,
        /// The notice's cursor, or why it is not kept.
        answer: Result<u64, Refusal>,
    },
}
