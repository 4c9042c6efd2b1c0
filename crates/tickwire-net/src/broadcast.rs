//! Messages from outside of rooms to many sessions at once: encoded once, handed to every io thread, and to nobody if one has no place for it.

use std::sync::{Arc, OnceLock, Weak};

use thiserror::Error;
use tickwire_proto::frame::CHANNELS_MAX;
use tickwire_server::{Audience, Broadcast, FrontInput, Namespaces};
use tickwire_snapshot::message::{self, Message};
use tokio::sync::mpsc;

use crate::directory::DirectorySender;
use crate::people::People;
use crate::shard::ShardMessage;

/// Why a broadcast was not sent. Nobody has got it then.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BroadcastError {
    /// The server is not started yet, or stops.
    #[error("NotRunning: the server does not run yet, or any more")]
    NotRunning,
    /// An io thread has as much to do as it takes.
    #[error("Busy: an io thread of the server is overrun. Send it again later, or send less")]
    Busy,
    /// There is no channel with that number.
    #[error("NoChannel: channels are numbered below {CHANNELS_MAX}, there is no {0}")]
    NoChannel(u8),
    /// The namespace does not know the message: its clients could not read it.
    #[error(
        "NotRegistered: {namespace} does not know the message {name}. Register it with Namespace::message"
    )]
    NotRegistered {
        /// Where it was to be heard.
        namespace: String,
        /// Its name.
        name: &'static str,
    },
    /// The message is not within its own limits.
    #[error("BadMessage: {0}")]
    BadMessage(String),
}

/// The way from anywhere to the sessions of a server: to all, to a namespace, to rooms, to an identity. It is cheap to clone; made before the
/// server ([`Server::broadcaster`](crate::Server::broadcaster)), it works once that runs.
///
/// ```
/// use tickwire_net::{BroadcastError, Broadcaster, Server};
/// # use tickwire_sim::Game;
/// # fn hello(game: &mut Game) {}
/// let news = Broadcaster::new();
/// let server = Server::new("hello", hello).message::<String>().broadcaster(&news).listen("127.0.0.1:0");
/// assert_eq!(news.to_all().send(&"too early".to_owned()), Err(BroadcastError::NotRunning));
/// let running = server.start()?;
/// news.to_all().except("guest:Ann").send(&"the shop is open".to_owned())?;
/// # running.stop();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Broadcaster(Arc<OnceLock<Ways>>);

#[derive(Debug)]
struct Ways {
    shards: Arc<[mpsc::Sender<ShardMessage>]>,
    /// Weak: a broadcaster may lie in what its own namespaces run.
    namespaces: Weak<Namespaces>,
    directory: DirectorySender,
}

impl Broadcaster {
    /// One that is not of a server yet.
    #[must_use]
    pub fn new() -> Broadcaster {
        Broadcaster::default()
    }

    /// False: it is of another server already.
    pub(crate) fn connect(
        &self,
        shards: Arc<[mpsc::Sender<ShardMessage>]>,
        namespaces: &Arc<Namespaces>,
        directory: DirectorySender,
    ) -> bool {
        let ways = Ways {
            shards,
            namespaces: Arc::downgrade(namespaces),
            directory,
        };
        self.0.set(ways).is_ok()
    }

    /// The people of a namespace, for notices that are kept; `None`: the server does not run yet.
    #[must_use]
    pub fn people(&self, namespace: &str) -> Option<People> {
        let ways = self.0.get()?;
        Some(People::new(namespace, ways.directory.clone()))
    }

    /// To every session that is in a namespace which knows the message.
    pub fn to_all(&self) -> Broadcasting<'_> {
        self.to(Audience::All)
    }

    /// To every session in this namespace, outside of rooms.
    pub fn to_namespace(&self, namespace: &str) -> Broadcasting<'_> {
        self.to(Audience::Namespace(namespace.to_owned()))
    }

    /// To the sessions of an identity in a namespace, on all its devices.
    pub fn to_identity(&self, namespace: &str, id: &str) -> Broadcasting<'_> {
        let (namespace, id) = (namespace.to_owned(), id.to_owned());
        self.to(Audience::Identity { namespace, id })
    }

    /// To whoever is in these rooms (by their ids); who is in several hears it in one of them. Rooms that are over have nobody in them.
    pub fn to_rooms<'a>(&self, rooms: impl IntoIterator<Item = &'a str>) -> Broadcasting<'_> {
        let rooms = rooms.into_iter().map(str::to_owned).collect();
        Broadcasting {
            rooms,
            ..self.to(Audience::Rooms(Vec::new()))
        }
    }

    pub(crate) fn to(&self, to: Audience) -> Broadcasting<'_> {
        Broadcasting {
            broadcaster: self,
            rooms: Vec::new(),
            to,
            except: Vec::new(),
            channel: 0,
            volatile: false,
        }
    }
}

/// A broadcast in the making: reliable, by the default channel, unless something else is said.
#[must_use = "nothing is sent before `send`"]
#[derive(Clone, Debug)]
pub struct Broadcasting<'a> {
    broadcaster: &'a Broadcaster,
    rooms: Vec<String>,
    to: Audience,
    except: Vec<String>,
    channel: u8,
    volatile: bool,
}

impl Broadcasting<'_> {
    /// Not to this identity. May be said several times.
    pub fn except(mut self, id: &str) -> Self {
        self.except.push(id.to_owned());
        self
    }

    /// By another channel than the default one: its order is its own.
    pub fn channel(mut self, channel: u8) -> Self {
        self.channel = channel;
        self
    }

    /// At most once, and not at all where a link cannot take it now.
    pub fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// Sends it. In each session it keeps its order with what else is sent to it by the same channel from the same thread.
    ///
    /// # Errors
    /// With what is wrong; nobody has got it then.
    pub fn send<M: Message>(self, message: &M) -> Result<(), BroadcastError> {
        let ways = self.broadcaster.0.get();
        let ways = ways.ok_or(BroadcastError::NotRunning)?;
        if self.channel >= CHANNELS_MAX {
            return Err(BroadcastError::NoChannel(self.channel));
        }
        ways.check::<M>(&self.to)?;
        let payload = message::encode_checked(message)
            .map_err(|error| BroadcastError::BadMessage(error.to_string()))?;
        let one = match &self.to {
            Audience::Session { session, .. } => Some(usize::from(session.shard())),
            _ => None,
        };
        let broadcast = Broadcast {
            to: self.to,
            except: self.except,
            channel: self.channel,
            volatile: self.volatile,
            kind: M::kind(),
            payload,
        };
        ways.send(one, broadcast, self.rooms)
    }
}

impl Ways {
    /// Clients of a namespace can read what it knows, and nothing else. Of rooms, their games know.
    fn check<M: Message>(&self, to: &Audience) -> Result<(), BroadcastError> {
        let namespaces = self.namespaces.upgrade();
        let namespaces = namespaces.ok_or(BroadcastError::NotRunning)?;
        let knows = |name: &str| {
            let found = namespaces.fixed().find(|it| **it.name() == *name);
            // One that is made by its name is asked there.
            found.is_none_or(|it| {
                let schema = it.messages();
                schema.is_some_and(|schema| schema.message(M::kind()).is_some())
            })
        };
        match to {
            Audience::Namespace(name)
            | Audience::Identity {
                namespace: name, ..
            } if !knows(name) => Err(BroadcastError::NotRegistered {
                namespace: name.clone(),
                name: M::NAME,
            }),
            _ => Ok(()),
        }
    }

    /// To all shards or to one: with a place in each first, so that all get it or none.
    fn send(
        &self,
        one: Option<usize>,
        broadcast: Broadcast,
        rooms: Vec<String>,
    ) -> Result<(), BroadcastError> {
        let shards = match one {
            Some(at) => self.shards.get(at).map(std::slice::from_ref),
            None => Some(&self.shards[..]),
        };
        let mut places = Vec::new();
        for shard in shards.unwrap_or_default() {
            places.push(shard.try_reserve().map_err(|error| match error {
                mpsc::error::TrySendError::Full(()) => BroadcastError::Busy,
                mpsc::error::TrySendError::Closed(()) => BroadcastError::NotRunning,
            })?);
        }
        let broadcast = Arc::new(broadcast);
        let rooms: Arc<[String]> = rooms.into();
        for place in places {
            place.send(match rooms.is_empty() {
                true => ShardMessage::Front(FrontInput::Broadcast(Arc::clone(&broadcast))),
                false => ShardMessage::ToRooms {
                    broadcast: Arc::clone(&broadcast),
                    rooms: Arc::clone(&rooms),
                },
            });
        }
        Ok(())
    }
}
