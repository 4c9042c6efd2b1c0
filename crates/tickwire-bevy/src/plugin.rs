//! The plugin that makes an app a client, and its two moments in each update: to receive, and to send.

use std::sync::{Mutex, PoisonError};

use bevy_app::{App, Plugin, PostUpdate, PreUpdate};
use bevy_ecs::change_detection::Mut;
use bevy_ecs::entity::Entity;
use bevy_ecs::schedule::{IntoScheduleConfigs, SystemSet};
use bevy_ecs::world::World;
use tickwire_client::{ClientConfig, ClientEvent, SendError};
use tickwire_net::client::{Connection, ConnectionThread, UrlError};
use tickwire_sim::{GameFn, GameKind, Replica};

use crate::fault::{NetEvent, NetFault};
use crate::mirror::{Mirror, Networked};
use crate::net::NetClient;

/// When the client does its work in an update of the app.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TickwireSystems {
    /// In [`PreUpdate`]: events are told, and the world is as the picture of this moment says.
    Receive,
    /// In [`PostUpdate`]: each tick that is due takes the [`NextCommand`](tickwire_sim::NextCommand) as it stands.
    Send,
}

/// Makes an app a client of one server, for rooms of one game.
///
/// It adds [`NetClient`], [`NextCommand`](tickwire_sim::NextCommand) of the game's command, and the messages [`NetEvent`], [`NetFault`] and
/// [`Happened`](tickwire_sim::Happened) of each of the game's events. It joins by a quick match at once, and predicts what the player owns,
/// unless it is told otherwise. See the [crate's documentation](crate) for an example.
pub struct TickwirePlugin {
    kind: GameKind,
    /// Until the plugin is built.
    connection: Mutex<Option<Connection>>,
    attributes: Vec<(String, String)>,
    joins: bool,
    predicts: bool,
}

impl TickwirePlugin {
    /// A client for the server at `url` (`ws://HOST:PORT`, or `wss://HOST` with the feature `tls` of `tickwire-net`), of the game that this function
    /// fills in: the one that the server is given under this name.
    ///
    /// # Errors
    /// Where `url` is no address of a server.
    ///
    /// # Panics
    /// Where the game cannot be, as [`GameKind::new`].
    #[track_caller]
    pub fn connect(url: &str, name: &str, game: impl GameFn + 'static) -> Result<Self, UrlError> {
        let kind = GameKind::new(name, game);
        let config = ClientConfig {
            schema: Some(kind.schema().clone()),
            ..ClientConfig::default()
        };
        Ok(Self::over(Connection::open(url, config)?, kind))
    }

    /// The same over a connection of one's own: with credentials, other links, certificates, another namespace.
    ///
    /// ```no_run
    /// # use tickwire_sim::{GameKind, prelude::*};
    /// # fn hello(game: &mut Game) {}
    /// use tickwire_bevy::TickwirePlugin;
    /// use tickwire_client::{ClientConfig, LinkChoice};
    /// use tickwire_net::client::Connection;
    ///
    /// let kind = GameKind::new("hello", hello);
    /// let config = ClientConfig { schema: Some(kind.schema().clone()), ..ClientConfig::default() };
    /// let connection = Connection::open("ws://127.0.0.1:7777", config)?
    ///     .with_credentials(|_namespace| b"Ann".to_vec())
    ///     .with_link(LinkChoice::Auto);
    /// let plugin = TickwirePlugin::over(connection, kind).attributes(&[("mode", "duel")]);
    /// # Ok::<(), tickwire_net::client::UrlError>(())
    /// ```
    #[must_use]
    pub fn over(connection: Connection, kind: GameKind) -> Self {
        Self {
            kind,
            connection: Mutex::new(Some(connection)),
            attributes: Vec::new(),
            joins: true,
            predicts: true,
        }
    }

    /// The attributes of the room that it joins at once.
    #[must_use]
    pub fn attributes(mut self, attributes: &[(&str, &str)]) -> Self {
        let pairs = attributes.iter();
        self.attributes = pairs.map(|(k, v)| (k.to_string(), v.to_string())).collect();
        self
    }

    /// Joins no room at once: [`NetClient::quick`] and its like do it.
    #[must_use]
    pub fn join_later(mut self) -> Self {
        self.joins = false;
        self
    }

    /// Predicts nothing: one's own is shown as it was between two updates, too, and the game's systems never run here.
    #[must_use]
    pub fn without_prediction(mut self) -> Self {
        self.predicts = false;
        self
    }
}

impl Plugin for TickwirePlugin {
    /// # Panics
    /// Where it was built before, or the system has no thread for it.
    fn build(&self, app: &mut App) {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut connection = connection
            .take()
            .expect("a TickwirePlugin is added to one app, once: make another");
        let client = connection.client_mut();
        if self.predicts {
            client.predict_with(tickwire_predict::of(self.kind.clone()));
        }
        let room = self.joins.then(|| {
            let pairs = self.attributes.iter();
            let pairs: Vec<_> = pairs.map(|(k, v)| (k.as_str(), v.as_str())).collect();
            client.quick(self.kind.name(), &pairs)
        });
        let thread = ConnectionThread::spawn(connection)
            .unwrap_or_else(|error| panic!("no thread for the connection: {error}"));
        let replica = Replica::new(&self.kind);
        replica.set_up(app.world_mut());
        app.add_message::<NetEvent>()
            .add_message::<NetFault>()
            .insert_resource(NetClient::new(thread, self.kind.name(), room))
            .insert_resource(Mirror::new(replica))
            .add_systems(PreUpdate, receive.in_set(TickwireSystems::Receive))
            .add_systems(PostUpdate, send.in_set(TickwireSystems::Send));
    }
}

impl std::fmt::Debug for TickwirePlugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TickwirePlugin")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Runs with the client and its mirror out of the world, where they are in it.
fn with_client(world: &mut World, run: impl FnOnce(&mut World, &mut NetClient, &mut Mirror)) {
    if !world.contains_resource::<NetClient>() {
        return; // the app has removed it
    }
    world.resource_scope(|world, mut mirror: Mut<Mirror>| {
        world.resource_scope(|world, mut net: Mut<NetClient>| run(world, &mut net, &mut mirror));
    });
}

/// Tells what happened, and shows the room as it is now.
fn receive(world: &mut World) {
    with_client(world, |world, net, mirror| {
        let mut shows_anew = false;
        for event in net.thread.take_events() {
            if net.heard(&event) {
                shows_anew = true;
                faults(world, other_game(net, mirror, &event));
            }
            world.write_message(NetEvent(event));
        }
        if shows_anew {
            mirror.clear(world); // another room has the same numbers for others
        }
        let (picture, happened) = picture(net, mirror);
        match picture {
            Some(picture) => {
                let wrong = mirror.show(world, &picture);
                faults(world, wrong);
            }
            None => mirror.clear(world),
        }
        for event in happened {
            let told = mirror.tell(world, &event);
            faults(world, told.err());
        }
    });
    if !world.contains_resource::<NetClient>() && world.contains_resource::<Mirror>() {
        world.resource_scope(|world, mut mirror: Mut<Mirror>| mirror.clear(world));
    }
}

/// The room's picture, and what happened up to its time; nothing of a room of another game.
fn picture(
    net: &NetClient,
    mirror: &Mirror,
) -> (
    Option<tickwire_client::Picture>,
    Vec<tickwire_client::ShownEvent>,
) {
    let Some(room) = net.room() else {
        return (None, Vec::new());
    };
    let mut connection = net.thread.lock();
    let now = connection.now();
    let client = connection.client_mut();
    if !client
        .view(room)
        .is_some_and(|view| mirror.knows(view.schema()))
    {
        return (None, Vec::new());
    }
    let picture = client.draw(room, now);
    let events = std::iter::from_fn(|| client.event_due(room)).collect();
    (picture, events)
}

fn other_game(net: &NetClient, mirror: &Mirror, event: &ClientEvent) -> Option<NetFault> {
    let (ClientEvent::Joined { room, .. } | ClientEvent::Moved { room }) = event else {
        return None;
    };
    let connection = net.thread.lock();
    let view = connection.client().view(*room)?;
    (!mirror.knows(view.schema())).then(|| NetFault::OtherGame {
        room: view.kind().to_owned(),
        ours: mirror.replica().schema().name.clone(),
    })
}

/// Each tick that is due takes the command as it stands.
fn send(world: &mut World) {
    with_client(world, |world, net, mirror| {
        let wrong = send_due(world, net, mirror);
        faults(world, wrong);
    });
}

fn send_due(world: &World, net: &NetClient, mirror: &Mirror) -> Option<NetFault> {
    let room = net.room()?;
    let mut connection = net.thread.lock();
    let now = connection.now();
    let client = connection.client_mut();
    if !mirror.knows(client.view(room)?.schema()) {
        return None;
    }
    let mut fault = None;
    while let Some(tick) = client.command_tick(room, now) {
        let place = |entity: Entity| {
            let id = world.get::<Networked>(entity)?.id;
            client.view(room)?.place_of(id)
        };
        let Some(row) = mirror.replica().next_command(world, place) else {
            fault = Some(NetFault::NoCommand);
            continue;
        };
        match client.command(room, tick, &row) {
            Ok(()) | Err(SendError::NotYet(_)) => {}
            Err(error) => fault = Some(NetFault::Command(error)),
        }
    }
    fault
}

fn faults(world: &mut World, faults: impl IntoIterator<Item = NetFault>) {
    for fault in faults {
        world.write_message(fault);
    }
}
