//! The native client: what moves the bytes of a [`tickwire_client::Client`] over a real socket and back, with its reconnects.
//!
//! ```no_run
//! use tickwire_client::{ClientConfig, ClientEvent};
//! use tickwire_net::client::Connection;
//!
//! # async fn play() -> Result<(), Box<dyn std::error::Error>> {
//! let mut net = Connection::open("ws://127.0.0.1:7777", ClientConfig::default())?;
//! let room = net.client_mut().quick("hello", &[]);
//! loop {
//!     match net.next().await {
//!         ClientEvent::Updated { tick, .. } => println!("{} members at tick {tick}", net.client().view(room).map_or(0, |view| view.members().len())),
//!         ClientEvent::JoinRefused { refusal, .. } => return Err(refusal.message.into()),
//!         _ => {}
//!     }
//! }
//! # }
//! ```

mod connection;
mod links;
mod polling;
mod stream;
mod thread;
mod tls;
mod url;
mod waiting;
mod wire;

pub use connection::{Connection, LinkCounters};
pub use thread::{ConnectionGuard, ConnectionThread, EVENTS_MAX};
pub use url::UrlError;
