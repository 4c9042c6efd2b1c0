//! The people of a running server, for whoever is in charge: who is here, notices to an identity.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use thiserror::Error;
use tickwire_proto::frame::Refusal;
use tickwire_server::{DirectoryInput, Notice, Person};
use tokio::sync::oneshot;

use crate::directory::{Answer, DirectorySender};

/// Why a notice was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoticeError {
    /// More wait than the server takes.
    #[error("Busy: too many notices wait already. Send it again in some seconds")]
    Busy,
    /// It is too long, or the store failed.
    #[error("{}: {}", .0.code, .0.message)]
    Refused(Refusal),
    /// The server stopped before it was kept.
    #[error(
        "Stopping: the server has stopped before the notice was kept. Send it again when it is back"
    )]
    Stopping,
    /// It cannot be written as JSON.
    #[error("BadNotice: {0}")]
    Json(String),
}

/// The people of one namespace of a running server. Cheap to clone, and for any thread.
///
/// ```
/// # use tickwire_net::{NoticeError, Server};
/// # use tickwire_sim::Game;
/// # fn hello(game: &mut Game) { game.rate(30).seats(64); }
/// let server = Server::new("hello", hello).listen("127.0.0.1:0").start().unwrap();
/// let people = server.people();
/// people.notify("guest:Ann", "invitation", &"come and play")?; // to all of her sessions that are online now
/// let cursor = people.keep("guest:Ann", "gift", &serde_json::json!({"gold": 5}))?.wait()?; // when she comes, once
/// assert_eq!(cursor, 1);
/// # server.stop();
/// # Ok::<(), NoticeError>(())
/// ```
#[derive(Clone)]
pub struct People {
    namespace: Arc<str>,
    directory: DirectorySender,
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl People {
    pub(crate) fn new(namespace: &str, directory: DirectorySender) -> People {
        People {
            namespace: namespace.into(),
            directory,
        }
    }

    /// Those of another namespace.
    #[must_use]
    pub fn of(&self, namespace: &str) -> People {
        People::new(namespace, self.directory.clone())
    }

    /// Tells an identity something now: each of its sessions that is online hears it, once. Nobody online: nobody hears it.
    ///
    /// # Errors
    /// Where it cannot be written as JSON, or too many wait.
    pub fn notify(
        &self,
        identity: &str,
        kind: &str,
        message: &impl Serialize,
    ) -> Result<(), NoticeError> {
        self.notify_raw(identity, kind, json(message)?)
    }

    /// The same with bytes of one's own.
    ///
    /// # Errors
    /// Where it is too long, or too many wait.
    pub fn notify_raw(
        &self,
        identity: &str,
        kind: &str,
        payload: impl Into<Bytes>,
    ) -> Result<(), NoticeError> {
        let (person, notice) = (self.person(identity), notice(kind, payload.into()));
        notice.check(&person).map_err(NoticeError::Refused)?;
        let input = DirectoryInput::Notify { person, notice };
        self.directory.send(input).map_err(|_| NoticeError::Busy)
    }

    /// Keeps something for an identity until it has acknowledged it, over restarts of the server too (`state_dir`): one of its sessions gets it, now
    /// or when it comes; and another one if that session ends before its receipt came.
    ///
    /// # Errors
    /// Where it cannot be written as JSON, or too many wait.
    pub fn keep(
        &self,
        identity: &str,
        kind: &str,
        message: &impl Serialize,
    ) -> Result<Keeping, NoticeError> {
        self.keep_raw(identity, kind, json(message)?)
    }

    /// The same with bytes of one's own.
    ///
    /// # Errors
    /// Where too many wait.
    pub fn keep_raw(
        &self,
        identity: &str,
        kind: &str,
        payload: impl Into<Bytes>,
    ) -> Result<Keeping, NoticeError> {
        let notice = notice(kind, payload.into());
        let kept = self.directory.keep(self.person(identity), notice);
        kept.map(Keeping).ok_or(NoticeError::Busy)
    }

    fn person(&self, identity: &str) -> Person {
        Person::new(Arc::clone(&self.namespace), identity)
    }
}

fn notice(kind: &str, payload: Bytes) -> Notice {
    Notice {
        kind: kind.to_owned(),
        payload,
    }
}

fn json(message: &impl Serialize) -> Result<Vec<u8>, NoticeError> {
    serde_json::to_vec(message).map_err(|error| NoticeError::Json(error.to_string()))
}

/// A notice on its way to the store. Dropping it takes nothing back.
#[derive(Debug)]
pub struct Keeping(oneshot::Receiver<Answer>);

impl Keeping {
    /// Its cursor, once it is kept for good: on disk, where there is one.
    ///
    /// # Errors
    /// Where it is not kept.
    pub async fn kept(self) -> Result<u64, NoticeError> {
        settled(self.0.await)
    }

    /// The same for a thread that is no task: it waits here.
    ///
    /// # Errors
    /// Where it is not kept.
    pub fn wait(self) -> Result<u64, NoticeError> {
        settled(self.0.blocking_recv())
    }
}

fn settled(answer: Result<Answer, oneshot::error::RecvError>) -> Result<u64, NoticeError> {
    match answer {
        Ok(answer) => answer.map_err(NoticeError::Refused),
        Err(_) => Err(NoticeError::Stopping),
    }
}
