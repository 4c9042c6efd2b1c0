//! Server-authoritative multiplayer games in Rust: rooms that are `bevy_ecs` worlds, streamed to native and browser clients as binary deltas.
//!
//! A game is a function that says what it is made of: what is replicated, what players may ask for, and the systems that step it. A
//! [`Server`](net::Server) hosts it; the browser client comes with every server, and understands every game by its schema.
//!
//! ```no_run
//! use tickwire::prelude::*;
//!
//! /// Where a dot is: quantised as declared, sent as deltas, the same number on every machine.
//! #[derive(Replicate, Default)]
//! struct Dot {
//!     #[net(range = 0.0..=800.0, step = 0.1)]
//!     x: f32,
//! }
//!
//! /// What a player asks for in one tick.
//! #[derive(PlayerCommand, Clone, Copy, Default)]
//! struct Steer {
//!     #[net(range = -1..=1)]
//!     x: i8,
//! }
//!
//! fn join(In(player): In<Player>, mut commands: Commands) {
//!     commands.spawn((Dot { x: 400.0 }, OwnedBy(player)));
//! }
//!
//! fn steer(mut dots: Query<(&mut Dot, &Asks<Steer>)>) {
//!     for (mut dot, ask) in &mut dots {
//!         dot.x = (dot.x + 6.0 * f32::from(ask.x)).clamp(0.0, 800.0);
//!     }
//! }
//!
//! fn hello(game: &mut Game) {
//!     game.rate(30).seats(64).replicate::<Dot>().command::<Steer>().on_join(join).systems(steer);
//! }
//!
//! fn main() -> ExitCode {
//!     Server::new("hello", hello).page("<!doctype html><title>hello</title>").run()
//! }
//! ```
//!
//! The same function runs without a network, a step at a time:
//!
//! ```
//! # use tickwire::prelude::*;
//! # #[derive(Replicate, Default)]
//! # struct Dot { x: f32 }
//! # fn hello(game: &mut Game) { game.rate(30).replicate::<Dot>(); }
//! let mut room = Simulation::new(&GameKind::new("hello", hello), SimOptions::default());
//! room.step();
//! assert_eq!(room.tick().0, 1);
//! ```
//!
//! and, with the feature `lab`, with many clients over a network that misbehaves, in virtual time (`tickwire::lab`).
//!
//! # Who somebody is
//! `Server::auth` (and `Namespace::auth` for each namespace) takes a check: who shows these credentials, from that address, page and headers? It
//! answers with an identity, which may expire, or with a refusal that the client gets as it is; `auth_async` may take its time. Nothing of a game
//! runs before. Ready-made, in [`server`]: `AcceptAll` (guests by name), `TokenAuth` (a function of yours), `JoinTokens` (a matchmaker's, used once,
//! for one room), and `AuthChain` with `Guard` for several in a row; in [`net`], with the feature `jwt`: `JwtAuth`. When an identity
//! expires its client is asked for fresh credentials, and everything goes on; without them that attachment ends. Behind a proxy, `trusted_proxies`
//! says whose word on addresses counts.
//!
//! # The houses
//! | module | what it is |
//! |---|---|
//! | [`prelude`] | what a game imports |
//! | [`math`] | functions whose bits are the same on every machine; the standard library's are not |
//! | [`net`] | the server, and the native client's driver |
//! | [`sim`] | a game as a world: registry, step, capture |
//! | [`server`] | rooms, viewers, lobby; no clock, no socket |
//! | [`client`] | views, interpolation, command lead; no clock, no socket |
//! | [`snapshot`] | schema, quantisers, snapshots, the delta codec |
//! | [`proto`] | frames and sessions |
//!
//! # Features
//! `server` and `client` (both by default) bring [`net`], and [`server`] or [`client`] with it; without them a game builds for anything
//! that a world runs on. `lab` brings the test lab, `predict` prediction, `bevy` Bevy plugins for clients and rooms, `jwt` JSON Web Tokens as credentials, `tls` TLS by certificate files.

pub use bevy_ecs;
pub use tickwire_proto as proto;
pub use tickwire_sim as sim;
pub use tickwire_sim::math;
pub use tickwire_snapshot as snapshot;

#[cfg(feature = "bevy")]
pub use tickwire_bevy as bevy;
#[cfg(feature = "client")]
pub use tickwire_client as client;
#[cfg(feature = "lab")]
pub use tickwire_lab as lab;
#[cfg(feature = "predict")]
pub use tickwire_predict as predict;

#[cfg(any(feature = "server", feature = "client"))]
pub use tickwire_net as net;
#[cfg(feature = "server")]
pub use tickwire_server as server;

#[doc(hidden)]
pub use tickwire_sim::__private;

/// For [`web_game!`].
#[cfg(all(feature = "web", target_arch = "wasm32"))]
#[doc(hidden)]
pub use tickwire_web as __web;

/// Makes a crate a browser client that has the game inside and runs it ahead: `tickwire build` compiles it to WebAssembly.
///
/// It stands once in the crate's library, with the name of the kind and the function that the server is given, and is nothing on other targets:
///
/// ```
/// # use tickwire::prelude::*;
/// # fn hello(game: &mut Game) { game.rate(30); }
/// tickwire::web_game!("hello", hello);
/// # fn main() {}
/// ```
///
/// The crate needs `tickwire` with the feature `web` on wasm32, and without `server` and `client`, which want sockets:
///
/// ```toml
/// [target.'cfg(target_arch = "wasm32")'.dependencies]
/// tickwire = { version = "0.1", default-features = false, features = ["web"] }
/// [target.'cfg(not(target_arch = "wasm32"))'.dependencies]
/// tickwire = "0.1"
/// ```
#[macro_export]
macro_rules! web_game {
    ($name:expr, $game:expr $(,)?) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::__web::wasm_bindgen;
            #[wasm_bindgen::prelude::wasm_bindgen(start, wasm_bindgen = $crate::__web::wasm_bindgen)]
            pub fn tickwire_web_game() {
                $crate::__web::play($name, $game);
            }
        };
    };
}

/// What a game imports: the prelude of `bevy_ecs` and ours, which have no name in common.
///
/// `bevy_ecs` is in here by its name, too: what its own derives write (`Component`, `Resource`, `SystemParam`) begins with it.
pub mod prelude {
    pub use std::process::ExitCode;

    pub use bevy_ecs;
    pub use bevy_ecs::prelude::*;
    pub use tickwire_sim::prelude::*;
    pub use tickwire_sim::{GameKind, SimOptions, Simulation};

    #[cfg(feature = "server")]
    pub use tickwire_net::{Server, ServerArgs};
}
