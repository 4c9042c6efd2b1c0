//! What is said between a Tickwire server and its clients, and the rules of saying it; no clock, no socket, no chance.
//!
//! - [`time`]: ticks of a room, and moments handed in from outside.
//! - [`moment`]: moments between ticks, as pictures show them.
//! - [`wire`]: canonical numbers, text and bytes.
//! - [`frame`]: every message of the protocol, borrowed from its bytes.
//! - [`session`]: the two state machines of a conversation, [`ServerSession`] and
//!   [`ClientSession`].
//! - [`poll`]: a link made of HTTP requests, as the two ends of it see it.
//! - [`ending`] and [`backoff`]: why a conversation ends, and when to try again.
//!
//! The bytes and the state machines are described in `PROTOCOL.md`.

pub mod backoff;
pub mod ending;
pub mod frame;
pub mod moment;
pub mod poll;
pub mod session;
pub mod time;
pub mod wire;

pub use backoff::Backoff;
pub use ending::{Ending, Reason, Retry};
pub use frame::{ClientFrame, FrameError, ServerFrame};
pub use moment::Moment;
pub use session::client::{ClientEvent, ClientSession, DATAGRAM_MAX};
pub use session::server::{ServerEvent, ServerSession, UNLOAD_MS};
pub use session::{Outgoing, RttEstimate, SendError, SessionConfig, SessionStats};
pub use time::{Tick, Time};

/// The version of the protocol that this crate speaks; the two sides must agree.
pub const PROTOCOL_VERSION: u16 = 1;
