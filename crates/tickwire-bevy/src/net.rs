//! The connection as a resource of an app: its state, its room, and what one may ask of them. What is shown of the room is `mirror`'s.

use bevy_ecs::resource::Resource;
use tickwire_client::{Client, ClientEvent, Condition, Figures, RoomKey, SendError, State, View};
use tickwire_net::client::{Connection, ConnectionThread};
use tickwire_snapshot::message::Message;

/// The app's connection: a resource, made by [`TickwirePlugin`](crate::TickwirePlugin). Removed from the world, it says goodbye.
///
/// The app is in one room at a time: joining another leaves the one before.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_bevy::NetClient;
/// use tickwire_client::State;
///
/// fn hud(net: Res<NetClient>) {
///     match net.state() {
///         State::Online => println!("{:.0} ms", net.figures().map_or(0.0, |figures| figures.ping_ms)),
///         State::Away { retry_in } => println!("away: trying again in {retry_in:?}"),
///         state => println!("{state:?}"),
///     }
/// }
/// fn leave(mut net: ResMut<NetClient>) {
///     net.leave();
/// }
/// # bevy_ecs::system::assert_is_system(hud);
/// # bevy_ecs::system::assert_is_system(leave);
/// ```
#[derive(Resource, Debug)]
pub struct NetClient {
    pub(crate) thread: ConnectionThread,
    /// The kind of game that the plugin was given.
    kind: String,
    room: Option<RoomKey>,
    joined: bool,
    state: State,
}

impl NetClient {
    pub(crate) fn new(thread: ConnectionThread, kind: &str, room: Option<RoomKey>) -> Self {
        let state = thread.lock().client().state().clone();
        Self {
            thread,
            kind: kind.to_owned(),
            room,
            joined: false,
            state,
        }
    }

    /// Where the conversation is, as of the last [`TickwireSystems::Receive`](crate::TickwireSystems::Receive).
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The room that the app is in, or wants to be in.
    #[must_use]
    pub fn room(&self) -> Option<RoomKey> {
        self.room
    }

    /// Whether the app is a member of its room, as of the last [`TickwireSystems::Receive`](crate::TickwireSystems::Receive). A lost link leaves it
    /// so while the session may be resumed.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.joined
    }

    /// Joins a room of the game that has a free seat and these attributes, or a new one.
    pub fn quick(&mut self, attributes: &[(&str, &str)]) -> RoomKey {
        let kind = self.kind.clone();
        self.enter(|client| client.quick(&kind, attributes))
    }

    /// Joins a new room of the game.
    pub fn create(&mut self, attributes: &[(&str, &str)]) -> RoomKey {
        let kind = self.kind.clone();
        self.enter(|client| client.create(&kind, attributes))
    }

    /// Joins a room by its id or its code.
    pub fn join(&mut self, id: &str) -> RoomKey {
        self.enter(|client| client.join(id))
    }

    /// Looks on in a room, without a seat in it.
    pub fn watch(&mut self, id: &str) -> RoomKey {
        self.enter(|client| client.watch(id))
    }

    /// Leaves the room: what it showed is despawned.
    pub fn leave(&mut self) {
        self.joined = false;
        if let Some(room) = self.room.take() {
            self.ask(|client| client.leave(room));
        }
    }

    /// Tells the server goodbye. Nothing is tried again, until [`reconnect`](Self::reconnect).
    pub fn close(&mut self) {
        (self.room, self.joined) = (None, false);
        self.ask(Client::close);
    }

    /// Tries at once, without waiting for the back-off; and begins again where all was over. A room is to be joined then.
    pub fn reconnect(&mut self) {
        let mut connection = self.thread.lock();
        let now = connection.now();
        connection.client_mut().reconnect(now);
    }

    /// Sends a reliable message to the room's game.
    ///
    /// # Errors
    /// Where the room is not joined, the message is not within its own limits, or too much waits for the server.
    pub fn send<M: Message>(&mut self, message: &M) -> Result<(), SendError> {
        let room = self.room.unwrap_or_default(); // no room has that key
        self.ask(|client| client.send_message(room, message))
    }

    /// How the room is doing, seen from here.
    #[must_use]
    pub fn figures(&self) -> Option<Figures> {
        let mut connection = self.thread.lock();
        let now = connection.now();
        connection.client_mut().figures(self.room?, now)
    }

    /// Looks at what is known of the room: id, seat, members. `None`: nothing yet, or there is no room. The client is locked meanwhile: `look` must not
    /// ask this resource for anything, or it waits for itself.
    pub fn look<T>(&self, look: impl FnOnce(&View) -> T) -> Option<T> {
        let connection = self.thread.lock();
        connection.client().view(self.room?).map(look)
    }

    /// Asks for anything else that a [`Client`] can: lists of rooms, requests, statuses, other namespaces. The thread of the connection waits meanwhile.
    ///
    /// ```
    /// # use bevy_ecs::prelude::*;
    /// # use tickwire_bevy::NetClient;
    /// fn ready(mut net: ResMut<NetClient>) {
    ///     if let Some(room) = net.room() {
    ///         let told = net.ask(|client| client.ready(room, true));
    ///         told.unwrap_or_else(|error| eprintln!("{error}"));
    ///     }
    /// }
    /// # bevy_ecs::system::assert_is_system(ready);
    /// ```
    pub fn ask<T>(&mut self, ask: impl FnOnce(&mut Client) -> T) -> T {
        ask(self.thread.lock().client_mut())
    }

    /// Makes the connection as bad as one wants, to try a game on: see [`Connection::condition`]. `None`: as it is.
    pub fn condition(&mut self, condition: Option<Condition>) {
        self.thread.lock().condition(condition);
    }

    /// Looks at the connection itself: what its links have carried, why the last one did not open. `look` must not ask this resource for anything,
    /// or it waits for itself.
    pub fn connection<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        look(&self.thread.lock())
    }

    fn enter(&mut self, join: impl FnOnce(&mut Client) -> RoomKey) -> RoomKey {
        self.joined = false;
        let before = self.room.take();
        let room = self.ask(|client| {
            if let Some(before) = before {
                client.leave(before);
            }
            join(client)
        });
        *self.room.insert(room)
    }

    /// Takes note of what happened. True: the room's picture begins anew.
    pub(crate) fn heard(&mut self, event: &ClientEvent) -> bool {
        let is_here = |room: &RoomKey| self.room == Some(*room);
        match event {
            ClientEvent::State(state) => self.state = state.clone(),
            ClientEvent::JoinRefused { room, .. } | ClientEvent::RoomEnded { room, .. }
                if is_here(room) =>
            {
                (self.room, self.joined) = (None, false);
            }
            ClientEvent::RoomAway { room } if is_here(room) => self.joined = false,
            ClientEvent::Joined { room, .. } | ClientEvent::Moved { room } if is_here(room) => {
                self.joined = true;
                return true;
            }
            _ => {}
        }
        false
    }
}
