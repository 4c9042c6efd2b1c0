//! Rooms, clients and bad links in one thread, in virtual time, from one seed: a test of a game over a network that misbehaves, in milliseconds.
//!
//! The lab runs the real thing: the fronts, lobby and rooms of `tickwire-server` and whole clients of `tickwire-client`,
//! with the code that decides what to write next. Only the links are models: a TCP connection with delay, jitter, loss that
//! stalls what is behind it, a window, perhaps a proxy that buffers megabytes, and cuts at any byte. After each delivery it
//! checks that what a client holds is exactly what was true at that tick, and that nothing is in flight or queued beyond
//! its bound. The first violation ends the run with a text that names the seed; the same seed does the same again.
//!
//! Four players on 4G, tested in less time than this takes to read:
//!
//! ```
//! # use bevy_ecs::prelude::*;
//! # use tickwire_sim::prelude::*;
//! # #[derive(Replicate, Default)]
//! # struct Dot { #[net(range = 0.0..=800.0, step = 0.1)] x: f32, #[net(range = 0.0..=600.0, step = 0.1)] y: f32, hue: u8 }
//! # #[derive(PlayerCommand, Clone, Copy, Default)]
//! # struct Steer { #[net(range = -1..=1)] x: i8, #[net(range = -1..=1)] y: i8 }
//! # fn join(In(player): In<Player>, mut commands: Commands) {
//! #     commands.spawn((Dot { x: 400.0, y: 300.0, hue: player.hue() }, OwnedBy(player)));
//! # }
//! # fn steer(mut dots: Query<(&mut Dot, &Asks<Steer>)>) {
//! #     for (mut dot, ask) in &mut dots {
//! #         dot.x = (dot.x + 6.0 * f32::from(ask.x)).clamp(0.0, 800.0);
//! #         dot.y = (dot.y + 6.0 * f32::from(ask.y)).clamp(0.0, 600.0);
//! #     }
//! # }
//! # fn hello(game: &mut Game) { game.rate(30).seats(64).replicate::<Dot>().command::<Steer>().on_join(join).systems(steer); }
//! use std::time::Duration;
//! use tickwire_lab::{Lab, profile};
//!
//! let lab = Lab::new("hello", hello)                   // the function that the server is given
//!     .seed(7)
//!     .clients(4)
//!     .link(profile::FOUR_G)
//!     .player(|turn| turn.set("x", 1))                 // everybody steers to the right
//!     .run(Duration::from_secs(10))                    // of virtual time; then all must agree
//!     .unwrap_or_else(|violation| panic!("{violation}"));
//! assert_eq!(lab.numbers(0, "Dot", "x"), [800.0; 4]);  // what the first one sees: all at the right edge
//! assert!(lab.figures().age_ms.p50 < 150.0, "{}", lab.figures());
//! ```
//!
//! Without a [`player`](Lab::player) the clients steer at random, by the game's schema. [`storm`] makes a lab in which all
//! that can go wrong does, and [`seeds`] runs many. For a test that wants its hands on the run, [`Lab::start`] gives a
//! [`Running`] that can be moved on, cut, stalled, crashed, healed and looked at.

#![forbid(unsafe_code)]

mod chance;
mod checks;
mod expiry;
mod faults;
mod figures;
mod host;
mod lab;
mod letters;
mod link;
mod look;
mod loose;
mod oracle;
mod pipe;
pub mod player;
pub mod profile;
mod queue;
mod record;
mod requests;
mod running;
mod scatter;
mod seat;
mod seeds;
mod stream;
mod trace;
mod truth;
mod violation;
mod watch;
mod weather;
mod wires;
mod work;

pub use chance::Chance;
pub use faults::Faults;
pub use figures::{Figures, Quantiles};
pub use lab::{CLIENTS_MAX, Lab};
pub use oracle::{Oracle, least_delay, least_lead};
pub use profile::Profile;
pub use record::{Recording, Said, Shown};
pub use running::Running;
pub use seeds::{Seeds, seeds, storm};
pub use violation::{Broken, Violation};
pub use weather::AGREE_WITHIN;
