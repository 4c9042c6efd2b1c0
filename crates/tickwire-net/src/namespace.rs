//! A namespace as its author says it: auth, games, limits. What it becomes is a value of `tickwire-server`.

use std::fmt;
use std::sync::Arc;

use tickwire_proto::frame::{Identity, NAME_MAX, Refusal};
use tickwire_server::{
    AcceptAll, Auth, AuthRequest, Kind, KindOptions, NamespaceLimits, NamespaceSpec,
};
use tickwire_sim::{Game, GameFn, GameKind};
use tickwire_snapshot::message::{Message, Request};

use crate::auth::AsyncAuth;
use crate::config::{Config, RoomConfig};
use crate::error::StartError;
use crate::handlers::{FromClient, Handlers};

/// A separate application on a server: nothing that happens in it is heard in another. A client may be in several over one connection.
///
/// ```
/// use tickwire_net::{Namespace, Server};
/// use tickwire_sim::Game;
///
/// # fn arena(game: &mut Game) {}
/// fn talk(game: &mut Game) { game.rate(10).seats(100).message::<String>(); }
///
/// let server = Server::new("arena", arena).namespace(Namespace::new("/chat").kind("talk", talk));
/// ```
pub struct Namespace {
    name: String,
    games: Vec<(String, Arc<dyn GameFn>)>,
    auth: Arc<dyn Auth>,
    limits: NamespaceLimits,
    handlers: Handlers,
    one_session: bool,
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("name", &self.name)
            .field("games", &self.kinds())
            .finish_non_exhaustive()
    }
}

impl Namespace {
    /// An empty one that lets everybody in. Names begin with `/` and have at most 64 bytes.
    #[must_use]
    pub fn new(name: &str) -> Namespace {
        Namespace {
            name: name.to_owned(),
            games: Vec::new(),
            auth: Arc::new(AcceptAll),
            limits: NamespaceLimits::default(),
            handlers: Handlers::default(),
            one_session: false,
        }
    }

    /// A kind of game whose rooms are in it. The same name may stand for other games in other namespaces.
    #[must_use]
    pub fn kind(mut self, name: &str, game: impl GameFn + 'static) -> Namespace {
        self.games.push((name.to_owned(), Arc::new(game)));
        self
    }

    /// Who may attach; everybody, unless this is said.
    #[must_use]
    pub fn auth(mut self, auth: impl Auth + 'static) -> Namespace {
        self.auth = Arc::new(auth);
        self
    }

    /// The same, for answers that take their time: a database, a request to somewhere else. After 10 s the client is refused.
    #[must_use]
    pub fn auth_async<F, R>(mut self, check: F) -> Namespace
    where
        F: Fn(AuthRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Identity, Refusal>> + Send + 'static,
    {
        self.auth = Arc::new(AsyncAuth(check));
        self
    }

    /// A message that the server sends outside of rooms ([`Broadcaster`](crate::Broadcaster)); those that are heard are known by that.
    #[must_use]
    pub fn message<M: Message>(mut self) -> Namespace {
        self.handlers.message::<M>();
        self
    }

    /// Hears messages that clients send outside of rooms. It runs on a thread for such work, not on that of the links; what takes the
    /// processor's time is to be given to threads of its own. Messages of one session begin in their order, and so many of them
    /// ([`NamespaceLimits::handlers`]) run at once. A panic ends the one call, and is logged.
    #[must_use]
    pub fn on_message<M, F, R>(mut self, handler: F) -> Namespace
    where
        M: Message + Send + 'static,
        F: Fn(FromClient, M) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.handlers.on_message(handler);
        self
    }

    /// Answers requests that clients ask outside of rooms, the same way. A panic is answered as Failed; one that its client gives up ends
    /// where it waits.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use tickwire_net::{FromClient, Namespace};
    /// # use tickwire_proto::frame::Refusal;
    /// # use tickwire_sim::prelude::*;
    /// #[derive(NetMessage, Serialize, Deserialize)]
    /// struct Search { text: String }
    /// #[derive(NetMessage, Serialize, Deserialize)]
    /// struct Found { titles: Vec<String> }
    /// impl Request for Search { type Reply = Found; }
    ///
    /// # async fn look_up(text: &str) -> Vec<String> { vec![] }
    /// let library = Namespace::new("/library").on_request(|from: FromClient, search: Search| async move {
    ///     if search.text.is_empty() {
    ///         return Err(Refusal::new("Empty", "say what to look for"));
    ///     }
    ///     Ok(Found { titles: look_up(&search.text).await })
    /// });
    /// ```
    #[must_use]
    pub fn on_request<Q, F, R>(mut self, handler: F) -> Namespace
    where
        Q: Request + Send + 'static,
        Q::Reply: Send,
        F: Fn(FromClient, Q) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Q::Reply, Refusal>> + Send + 'static,
    {
        self.handlers.on_request(handler);
        self
    }

    /// What it may take up of the server.
    #[must_use]
    pub fn limits(mut self, limits: NamespaceLimits) -> Namespace {
        self.limits = limits;
        self
    }

    /// Only one session of an identity at a time: the newest wins, and an older one ends first, as `Kicked` (in other namespaces it goes on).
    /// Without this there may be many.
    #[must_use]
    pub fn one_session(mut self) -> Namespace {
        self.one_session = true;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.games.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The value that runs, with what the configuration says of its kinds of rooms.
    pub(crate) fn build(self, config: &Config) -> Result<NamespaceSpec, StartError> {
        if !self.name.starts_with('/') || self.name.len() > NAME_MAX {
            return Err(StartError::Namespace(self.name));
        }
        let made = self.games.into_iter().map(|(name, game)| {
            let told = config.rooms.get(&name).cloned().unwrap_or_default();
            let kind = kind(name, game, told)?;
            let trains = config.train.is_some();
            Ok(Arc::new(if trains { kind.training() } else { kind }))
        });
        let kinds = made.collect::<Result<Vec<Arc<Kind>>, StartError>>()?;
        let schema = self.handlers.schema(&self.name);
        let schema = schema.map_err(|error| StartError::Game {
            name: self.name.clone(),
            error,
        })?;
        let mut spec = NamespaceSpec::new(&self.name, kinds)
            .with_auth(self.auth)
            .with_limits(self.limits);
        if self.one_session {
            spec = spec.with_one_session();
        }
        Ok(match schema {
            Some(schema) => spec
                .with_messages(schema)
                .with_driver(Arc::new(self.handlers)),
            None => spec,
        })
    }
}

/// A game, with what the configuration says laid over what it says itself.
fn kind(name: String, game: Arc<dyn GameFn>, told: RoomConfig) -> Result<Kind, StartError> {
    let options = KindOptions {
        seats: told.seats,
        computers: told.players,
        ..KindOptions::default()
    };
    let (tick_hz, send_hz) = (told.tick_hz, told.send_hz);
    let (watchers, watch_hz) = (told.watchers, told.watch_hz);
    let with_rates = move |registry: &mut Game| {
        game(registry);
        tick_hz.map(|hz| registry.rate(hz));
        send_hz.map(|hz| registry.send(hz));
        watchers.map(|places| registry.watchers(u32::from(places)));
        watch_hz.map(|hz| registry.watch_hz(hz));
    };
    let game = GameKind::try_new(name.clone(), with_rates);
    let game = game.map_err(|error| StartError::Game {
        name,
        error: error.to_string(),
    })?;
    for advice in game.advice() {
        tracing::warn!(game = game.name(), "{advice}");
    }
    Ok(Kind::new(game, options))
}
