//! What waits: links, tasks, the clock, HTTP; the server as a whole, and the native client driver of Tickwire.
//!
//! - [`Server`]: games behind a port. WebSockets on io threads, rooms on worker threads, pages, metrics, configuration.
//! - [`client`]: a client over a real socket, with its reconnects.
//!
//! What is said, what is true and what is guessed is in the crates below, which neither wait nor look at a clock; here bytes are
//! moved, threads kept apart and limits of the machine held.
//!
#![doc = include_str!("../settings.md")]
#![forbid(unsafe_code)]

mod accept;
mod admission;
mod auth;
mod books;
mod broadcast;
pub mod client;
mod clock;
mod config;
mod desk;
mod directory;
mod error;
mod handlers;
mod http;
mod link;
mod lobby;
mod logging;
mod metrics;
mod namespace;
mod people;
mod rooms;
mod running;
mod server;
mod shard;
mod store;
mod stream;
mod tls;
mod websocket;

#[cfg(feature = "jwt")]
pub use auth::jwt::{JwtAuth, JwtKeyError, JwtKeys};
pub use broadcast::{BroadcastError, Broadcaster, Broadcasting};
pub use clock::now;
pub use config::{ServerArgs, parse};
pub use desk::{Refused, RoomsDesk};
pub use error::{ConfigError, StartError};
pub use handlers::FromClient;
pub use namespace::Namespace;
pub use people::{Keeping, NoticeError, People};
pub use running::Running;
pub use server::Server;
pub use store::DiskStore;
pub use tickwire_server::{Reservation, ReserveAsk, ReserveIn, RoomAsk, Who};
pub use tickwire_sim::MoveTo;
