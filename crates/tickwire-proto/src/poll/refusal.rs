//! Why a request for a polling link is refused: code, status and texts. What is refused before a link is found is HTTP's matter.

use thiserror::Error;

/// A no to one request. But for [`Jump`](Self::Jump) and [`Malformed`](Self::Malformed) it changes nothing of the link.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PollRefusal {
    /// There is no such link, or the secret is not its own: nobody learns which.
    #[error("there is no such link")]
    Unknown,
    /// A newer poll has come: this one waits no more.
    #[error("a newer poll of the same link has come")]
    Second,
    /// A poll that is older than one that has come.
    #[error("a newer poll of the same link has come before")]
    Late,
    /// A batch after one that never came, or an acknowledgement of what was never sent.
    #[error("{said} is not what follows {known}")]
    Jump {
        /// The number in the request.
        said: u64,
        /// The newest that there is.
        known: u64,
    },
    /// Too many requests.
    #[error(
        "more than {} requests a second for one link",
        super::REQUESTS_PER_S_MAX
    )]
    Limit,
    /// A link is to be opened by a batch without a frame.
    #[error("no hello in the first request")]
    Empty,
    /// A body that cannot be read.
    #[error("the body cannot be read: {0}")]
    Malformed(crate::wire::WireError),
}

impl PollRefusal {
    /// A name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            PollRefusal::Unknown => "NoLink",
            PollRefusal::Second => "SecondPoll",
            PollRefusal::Late => "LatePoll",
            PollRefusal::Jump { .. } => "Jump",
            PollRefusal::Limit => "Limit",
            PollRefusal::Empty => "NoHello",
            PollRefusal::Malformed(_) => "Malformed",
        }
    }

    /// The status of HTTP.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            PollRefusal::Unknown => 404,
            PollRefusal::Second | PollRefusal::Late => 409,
            PollRefusal::Jump { .. } | PollRefusal::Empty | PollRefusal::Malformed(_) => 400,
            PollRefusal::Limit => 429,
        }
    }

    /// What to do.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            PollRefusal::Unknown => "Open a new link: its hello brings the session back",
            PollRefusal::Second | PollRefusal::Late => "Keep one poll at a time",
            PollRefusal::Jump { .. } => {
                "Send one batch after the other, each again until it is taken, and say only what has arrived"
            }
            PollRefusal::Limit => "Put more frames into one request",
            PollRefusal::Empty | PollRefusal::Malformed(_) => {
                "Speak version 1 of the protocol, or use the Tickwire client"
            }
        }
    }

    /// Whether no honest client does this, whatever the network does: the link's session ends.
    #[must_use]
    pub fn is_breach(&self) -> bool {
        matches!(self, PollRefusal::Jump { .. } | PollRefusal::Malformed(_))
    }
}
