//! Swarms of real Tickwire clients: what the binary `tickwire-bots` is made of, and what reports and tests call. No protocol of its own.
//!
//! Every bot is a whole client over a real socket: it connects, joins, decodes all it receives and plays by the schema that
//! the server gives it, so any game can be loaded.
//!
//! ```no_run
//! use clap::Parser;
//! let args = tickwire_bots::Args::parse_from(["tickwire-bots", "--clients", "16", "--seconds", "5", "--quiet"]);
//! let report = tickwire_bots::run(&args)?;
//! assert_eq!(report.failed, 0);
//! println!("{report}");
//! # Ok::<(), tickwire_bots::BotsError>(())
//! ```

#![forbid(unsafe_code)]

mod args;
mod bot;
mod http;
mod live;
mod report;
mod swarm;
mod tally;

pub use args::{Args, CLIENTS_MAX, Pace};
pub use report::{Quantiles, Report};
pub use swarm::{BotsError, run};
