//! Bevy and Tickwire: a Bevy app becomes a client by one plugin, and a room hosts Bevy plugins. Of Bevy only `bevy_app` and `bevy_ecs`.
//!
//! **A client.** [`TickwirePlugin`] connects, joins, and keeps in the app's world an entity for each one that the room shows, with the game's own
//! components: interpolated for what others own, predicted for one's own. The game's systems need not be in the app.
//!
//! ```no_run
//! use bevy_app::prelude::*;
//! use bevy_ecs::prelude::*;
//! use tickwire_bevy::{Mine, TickwirePlugin};
//! use tickwire_sim::prelude::*;
//!
//! #[derive(Replicate, Default)]
//! struct Dot { #[net(range = 0.0..=800.0, step = 0.1)] x: f32 }
//! #[derive(PlayerCommand, Clone, Copy, Default)]
//! struct Steer { #[net(range = -1..=1)] x: i8 }
//! fn steer(mut dots: Query<(&mut Dot, &Asks<Steer>)>) {
//!     for (mut dot, ask) in &mut dots {
//!         dot.x = (dot.x + 6.0 * f32::from(ask.x)).clamp(0.0, 800.0);
//!     }
//! }
//! /// The function that the server is given.
//! fn hello(game: &mut Game) { game.replicate::<Dot>().command::<Steer>().systems(steer); }
//!
//! fn play(mut next: ResMut<NextCommand<Steer>>) { next.x = 1; }
//! fn draw(dots: Query<(&Dot, Has<Mine>)>) {
//!     for (dot, mine) in &dots {
//!         println!("{} at {}", if mine { "I" } else { "somebody" }, dot.x);
//!     }
//! }
//!
//! let mut app = App::new();
//! app.add_plugins(TickwirePlugin::connect("ws://127.0.0.1:7777", "hello", hello)?).add_systems(Update, (play, draw));
//! app.run();
//! # Ok::<(), tickwire_net::client::UrlError>(())
//! ```
//!
//! **A room.** [`HostPlugins`] gives a game plugins, whose schedules are run once a tick in the room's own world, and ahead of it where a client predicts.
//!
//! What it costs, and what such plugins may not do: `docs/bevy.md`.

#![forbid(unsafe_code)]

mod fault;
mod host;
mod mirror;
mod net;
mod plugin;

pub use fault::{NetEvent, NetFault};
pub use host::{AllowAmbiguities, HostPlugins};
pub use mirror::{Interpolated, Mine, Networked, PredictedHere};
pub use net::NetClient;
pub use plugin::{TickwirePlugin, TickwireSystems};

/// What an app that is a client imports: no name here collides with the preludes of `bevy_app`, `bevy_ecs` and `tickwire_sim`.
pub mod prelude {
    pub use crate::{
        HostPlugins, Interpolated, Mine, NetClient, NetEvent, NetFault, Networked, PredictedHere,
        TickwirePlugin, TickwireSystems,
    };
}

#[cfg(test)]
mod tests {
    //! All the preludes at once: a name that two of them have would be ambiguous here, and this would not compile.
    #![allow(unused_imports)]

    use bevy_app::prelude::*;
    use bevy_ecs::prelude::*;
    use tickwire_sim::prelude::*;

    use crate::prelude::*;

    mod ours {
        use super::{
            HostPlugins, Interpolated, Mine, NetClient, NetEvent, NetFault, Networked,
            PredictedHere, TickwirePlugin, TickwireSystems,
        };
    }

    mod theirs {
        use super::{
            App, Commands, Event, Game, Message, Plugin, Predicted, Query, Remote, Update,
        };
    }

    /// A name that is not listed above is not looked up.
    #[test]
    fn the_list_of_ours_is_whole() {
        let here = include_str!("lib.rs");
        let (before, after) = here.split_once("mod tests").unwrap_or_default();
        let (_, prelude) = before.split_once("pub mod prelude").unwrap_or_default();
        let names = prelude.split(['{', '}', ',', ';', ' ', ':', '\n']);
        let names: Vec<&str> = names
            .filter(|name| name.starts_with(char::is_uppercase))
            .collect();
        assert!(names.len() >= 10, "{names:?}");
        for name in names {
            assert!(
                after.contains(name),
                "{name} is in the prelude, and not in this list"
            );
        }
    }
}
