//! Prediction: a game's own systems run ahead of its server on a client, are set right by its truth, and slide where they were wrong. No clock, no socket.
//!
//! Each system of the game is written once. A server runs it, and so does a [`Predictor`], which is given to a [`Client`](tickwire_client::Client): from
//! then on what the player owns is shown as it will be when the command of this moment is heard, and the rest as it was between two updates.
//!
//! ```
//! use bevy_ecs::prelude::*;
//! use tickwire_client::{Client, ClientConfig};
//! use tickwire_proto::Time;
//! use tickwire_sim::{GameKind, prelude::*};
//!
//! # #[derive(Replicate, Default)]
//! # struct Dot { #[net(range = 0.0..=800.0, step = 0.1)] x: f32 }
//! # #[derive(PlayerCommand, Clone, Copy, Default)]
//! # struct Steer { #[net(range = -1..=1)] x: i8 }
//! # fn steer(mut dots: Query<(&mut Dot, &Asks<Steer>)>) {
//! #     for (mut dot, ask) in &mut dots { dot.x += f32::from(ask.x); }
//! # }
//! // The function that the server is given.
//! fn hello(game: &mut Game) { game.replicate::<Dot>().command::<Steer>().systems(steer); }
//!
//! let mut client = Client::new(ClientConfig::default(), 7, Time(0));
//! client.predict_with(tickwire_predict::of(GameKind::new("hello", hello)));
//! let room = client.quick("hello", &[]); // predicted as soon as it is joined
//! # let _ = room;
//! ```

#![forbid(unsafe_code)]

mod check;
mod predictor;
mod slide;

use tickwire_client::{Foresight, View};
use tickwire_sim::GameKind;

pub use check::{Faulty, check_replays};
pub use predictor::Predictor;
pub use tickwire_client::SLIDE;

/// What makes a [`Predictor`] of each room of this kind that a player has a seat in: for [`Client::predict_with`](tickwire_client::Client::predict_with).
///
/// A room whose schema is another one is not predicted: the client was built with another version of the game.
pub fn of(kind: GameKind) -> impl FnMut(&View) -> Option<Box<dyn Foresight>> + Send + 'static {
    move |view| {
        let same = view.kind() == kind.name() && view.schema().hash() == kind.schema().hash();
        let seat = view.seat().filter(|_| same)?;
        Some(Box::new(Predictor::new(&kind, seat)))
    }
}
