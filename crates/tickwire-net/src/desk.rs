//! What whoever is in charge may do with the rooms of a server that runs: keep seats, send away, lock, move, close. The lobby does it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tickwire_proto::frame::{Refusal, code};
use tickwire_server::{
    FrontInput, HOME, LobbyInput, Namespaces, Reservation, ReserveAsk, RoomAsk, RoomName,
};
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::lobby::LobbySender;
use crate::shard::ShardMessage;

/// Questions that wait for the lobby at once.
const TICKETS_MAX: usize = 4_096;

type Answers<T> = Mutex<HashMap<u64, oneshot::Sender<Result<T, Refusal>>>>;

/// Who waits for which answer of the lobby.
#[derive(Default)]
pub(crate) struct Tickets {
    next: AtomicU64,
    ruled: Answers<()>,
    reserved: Answers<Reservation>,
}

impl Tickets {
    pub(crate) fn ruled(&self, ticket: u64, answer: Result<(), Refusal>) {
        answered(&self.ruled, ticket, answer);
    }

    pub(crate) fn reserved(&self, ticket: u64, answer: Result<Reservation, Refusal>) {
        answered(&self.reserved, ticket, answer);
    }
}

fn answered<T>(all: &Answers<T>, ticket: u64, answer: Result<T, Refusal>) {
    let waiting = all
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&ticket);
    // Who does not wait any more wants nothing.
    let _ = waiting.map(|waiting| waiting.send(answer));
}

/// The rooms of a server that runs, for a matchmaker or an operator: cheap to clone, and good in every thread and task.
///
/// ```no_run
/// # use tickwire_net::{ReserveAsk, ReserveIn, RoomAsk, Running, Who};
/// # async fn manage(server: &Running) -> Result<(), tickwire_net::Refused> {
/// let rooms = server.rooms();
/// // Two seats for half a minute, for whoever shows the token.
/// let room = ReserveIn::Quick { kind: "arena".into(), attributes: vec![] };
/// let kept = rooms.reserve(ReserveAsk { room, seats: 2, identities: vec![], keep_ms: 30_000 }).await?;
/// println!("room {} by {}", kept.room, kept.token);
/// // Somebody is sent away from it, and from the whole server.
/// let who = Who::Identity("guest:Eve".into());
/// rooms.rule(&kept.room, RoomAsk::Kick { who, message: "enough".into() }).await?;
/// rooms.ban("guest:Eve", None, "enough").await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RoomsDesk {
    lobby: LobbySender,
    shards: Arc<[mpsc::Sender<ShardMessage>]>,
    tickets: Arc<Tickets>,
    namespaces: Arc<Namespaces>,
    namespace: String,
}

impl fmt::Debug for RoomsDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoomsDesk").finish_non_exhaustive()
    }
}

/// What was asked for was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", .0.code, .0.message)]
pub struct Refused(pub Refusal);

impl RoomsDesk {
    pub(crate) fn new(
        lobby: LobbySender,
        shards: Arc<[mpsc::Sender<ShardMessage>]>,
        tickets: Arc<Tickets>,
        namespaces: Arc<Namespaces>,
    ) -> RoomsDesk {
        RoomsDesk {
            lobby,
            shards,
            tickets,
            namespaces,
            namespace: HOME.to_owned(),
        }
    }

    /// The same for rooms of another namespace than `/`.
    #[must_use]
    pub fn of(&self, namespace: &str) -> RoomsDesk {
        RoomsDesk {
            namespace: namespace.to_owned(),
            ..self.clone()
        }
    }

    /// Does something with the room of that id.
    ///
    /// # Errors
    /// `NotFound`: there is no such room or member; and what the lobby says else.
    pub async fn rule(&self, room: &str, ask: RoomAsk) -> Result<(), Refused> {
        let room = RoomName::Id(room.to_owned());
        let ask = |ticket| LobbyInput::Rule {
            ticket: Some(ticket),
            room,
            ask,
        };
        self.ask(&self.tickets.ruled, ask).await
    }

    /// Keeps seats, all or none. Joins with the token, or of the identities, get them; those that are not taken in time are free again.
    ///
    /// # Errors
    /// `Full`, `NotFound`, `Limit`, or `Forbidden` for what makes no sense.
    pub async fn reserve(&self, ask: ReserveAsk) -> Result<Reservation, Refused> {
        let namespace = self.namespaces.find(&self.namespace).map_err(Refused)?;
        let mut chance = [0; 16];
        if getrandom::fill(&mut chance).is_err() {
            let message = "the system gives no chance to make a token of";
            return Err(Refused(Refusal::new(code::LIMIT, message)));
        }
        let ask = |ticket| LobbyInput::Reserve {
            ticket,
            chance,
            namespace,
            ask,
        };
        self.ask(&self.tickets.reserved, ask).await
    }

    /// Keeps an identity out of the whole server, for so long (`None`: as long as it runs), and ends its sessions as Banned.
    pub async fn ban(&self, identity: &str, span: Option<Duration>, message: &str) {
        let until = span.map(|span| clock::now().plus(span));
        for shard in self.shards.iter() {
            let input = FrontInput::Ban {
                identity: identity.to_owned(),
                until,
                message: message.to_owned(),
            };
            // A shard that is gone lets nobody in.
            let _ = shard.send(ShardMessage::Front(input)).await;
        }
    }

    /// Lets an identity in again.
    pub async fn unban(&self, identity: &str) {
        for shard in self.shards.iter() {
            let identity = identity.to_owned();
            let _ = shard
                .send(ShardMessage::Front(FrontInput::Unban { identity }))
                .await;
        }
    }

    async fn ask<T>(
        &self,
        all: &Answers<T>,
        ask: impl FnOnce(u64) -> LobbyInput,
    ) -> Result<T, Refused> {
        let refused = |message| Refused(Refusal::new(code::LIMIT, message));
        let (sender, answer) = oneshot::channel();
        let ticket = self.tickets.next.fetch_add(1, Ordering::Relaxed);
        {
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= TICKETS_MAX {
                return Err(refused("too many questions wait for the lobby: try later"));
            }
            all.insert(ticket, sender);
        }
        if self.lobby.send(ask(ticket)).is_err() {
            return Err(refused("the lobby is busy: try later"));
        }
        let answer = answer.await;
        answer
            .map_err(|_| refused("the server is stopping"))?
            .map_err(Refused)
    }
}
