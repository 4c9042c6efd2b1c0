//! Why a session ends, and what the client does after it.

use crate::frame::TEXT_MAX;
use crate::wire::{Reader, WireError, WireFault, Writer, cut};
use std::fmt;

/// Why a session ended: a closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Someone in charge sent the player away.
    Kicked = 1,
    /// The player may not come back.
    Banned = 2,
    /// No accepted credentials.
    Refused = 3,
    /// The client said goodbye.
    Left = 4,
    /// The peer broke the protocol or a limit.
    Violation = 5,
    /// The server takes no new work and is about to stop.
    Draining = 6,
    /// The server stops now and will be back.
    Restarting = 7,
    /// More waited for the client than the outbox holds.
    Overflow = 8,
    /// The link was lost for longer than the resume window, or the token is unknown.
    Expired = 9,
    /// The two sides speak different versions of the protocol.
    Version = 10,
}

impl Reason {
    /// Every reason, in the order of its number on the wire.
    pub const ALL: [Reason; 10] = [
        Reason::Kicked,
        Reason::Banned,
        Reason::Refused,
        Reason::Left,
        Reason::Violation,
        Reason::Draining,
        Reason::Restarting,
        Reason::Overflow,
        Reason::Expired,
        Reason::Version,
    ];

    /// What the client does unless the ending says otherwise.
    #[must_use]
    pub const fn retry(self) -> Retry {
        match self {
            Reason::Kicked
            | Reason::Banned
            | Reason::Refused
            | Reason::Left
            | Reason::Violation => Retry::Never,
            Reason::Draining | Reason::Restarting | Reason::Overflow => Retry::After { ms: 1000 },
            Reason::Expired => Retry::After { ms: 0 },
            Reason::Version => Retry::Reload,
        }
    }

    /// The code with which a WebSocket is closed.
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Reason::Version => 4400,
            Reason::Refused => 4401,
            Reason::Kicked => 4402,
            Reason::Banned => 4403,
            Reason::Draining => 4404,
            Reason::Restarting => 4405,
            Reason::Overflow => 4406,
            Reason::Expired => 4407,
            Reason::Left => 1000,
            Reason::Violation => 1008,
        }
    }

    /// The reason that a close code stands for; None for a code that says nothing about the session (1001, 1006, ...).
    #[must_use]
    pub const fn from_close_code(code: u16) -> Option<Reason> {
        Some(match code {
            4400 => Reason::Version,
            4401 => Reason::Refused,
            4402 => Reason::Kicked,
            4403 => Reason::Banned,
            4404 => Reason::Draining,
            4405 | 1012 => Reason::Restarting,
            4406 => Reason::Overflow,
            4407 => Reason::Expired,
            1000 => Reason::Left,
            1002..=1004 | 1007..=1009 => Reason::Violation,
            _ => return None,
        })
    }

    /// The name of it, as in logs and in the browser.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Kicked => "Kicked",
            Reason::Banned => "Banned",
            Reason::Refused => "Refused",
            Reason::Left => "Left",
            Reason::Violation => "Violation",
            Reason::Draining => "Draining",
            Reason::Restarting => "Restarting",
            Reason::Overflow => "Overflow",
            Reason::Expired => "Expired",
            Reason::Version => "Version",
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Reason, WireError> {
        let value = reader.at("reason").u8()?;
        let found = Reason::ALL
            .into_iter()
            .find(|reason| *reason as u8 == value);
        found.ok_or_else(|| reader.error(WireFault::OutOfRange(u64::from(value))))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the client does after an ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Stays away.
    Never,
    /// Comes back as a new session, not before this time and with jitter on top.
    After {
        /// Milliseconds.
        ms: u32,
    },
    /// Loads the page (or the program) anew, once.
    Reload,
}

impl Retry {
    pub(crate) fn write(self, out: &mut Writer) {
        match self {
            Retry::Never => out.u8(0),
            Retry::After { ms } => {
                out.u8(1);
                out.varint_u32(ms);
            }
            Retry::Reload => out.u8(2),
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Retry, WireError> {
        match reader.at("retry").u8()? {
            0 => Ok(Retry::Never),
            1 => Ok(Retry::After {
                ms: reader.at("retry ms").varint_u32()?,
            }),
            2 => Ok(Retry::Reload),
            other => Err(reader.error(WireFault::OutOfRange(u64::from(other)))),
        }
    }
}

/// The end of a session: why, what next, and a text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Why.
    pub reason: Reason,
    /// What the client does after it.
    pub retry: Retry,
    /// What happened and what to do about it.
    pub message: String,
}

impl Ending {
    /// An ending with the reason's own way to retry.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Ending {
        Ending::with_retry(reason, reason.retry(), message)
    }

    /// An ending that says how to retry; the text is cut to what a frame holds.
    #[must_use]
    pub fn with_retry(reason: Reason, retry: Retry, message: impl Into<String>) -> Ending {
        let mut message = message.into();
        message.truncate(cut(&message, TEXT_MAX).len());
        Ending {
            reason,
            retry,
            message,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_survives_its_close_code() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_close_code(reason.close_code()), Some(reason));
        }
        for code in [1001, 1005, 1006, 1011, 4999, 0] {
            assert_eq!(
                Reason::from_close_code(code),
                None,
                "{code} says nothing of the session"
            );
        }
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let ending = Ending::new(Reason::Kicked, "ä".repeat(TEXT_MAX));
        assert!(ending.message.len() <= TEXT_MAX);
    }
}
