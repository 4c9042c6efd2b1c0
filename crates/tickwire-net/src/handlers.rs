//! What a namespace does with messages and requests outside of its rooms: its author's functions by the kind of message, and how they
//! look to a shard, which runs them.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tickwire_proto::frame::{Identity, Refusal, code};
use tickwire_server::{Audience, Caller, SessionKey};
use tickwire_snapshot::message::{self, Message, Request};
use tickwire_snapshot::{MessageSchema, Schema};

use crate::broadcast::{Broadcaster, Broadcasting};
use crate::people::People;

/// Who sends or asks something outside of rooms: what a handler is given beside the message.
#[derive(Clone, Debug)]
pub struct FromClient {
    caller: Caller,
    broadcaster: Broadcaster,
}

impl FromClient {
    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.caller.identity
    }

    /// The namespace it is said in.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.caller.namespace.name()
    }

    /// The session it is said by.
    #[must_use]
    pub fn session(&self) -> SessionKey {
        self.caller.session
    }

    /// To this session, outside of rooms.
    pub fn reply(&self) -> Broadcasting<'_> {
        self.broadcaster.to(Audience::Session {
            session: self.caller.session,
            attachment: self.caller.attachment,
        })
    }

    /// To everybody in the same namespace.
    pub fn everybody(&self) -> Broadcasting<'_> {
        self.broadcaster.to_namespace(self.namespace())
    }

    /// To an identity in the same namespace, wherever it is signed in.
    pub fn to_identity(&self, id: &str) -> Broadcasting<'_> {
        self.broadcaster.to_identity(self.namespace(), id)
    }

    /// The people of the namespace, for notices: kept ones reach those too who are not here. `None`: the server stops.
    #[must_use]
    pub fn people(&self) -> Option<People> {
        self.broadcaster.people(self.namespace())
    }

    /// To anybody else on the server.
    #[must_use]
    pub fn broadcaster(&self) -> &Broadcaster {
        &self.broadcaster
    }
}

pub(crate) type Hearing = Pin<Box<dyn Future<Output = ()> + Send>>;
pub(crate) type Answering = Pin<Box<dyn Future<Output = Result<Bytes, Refusal>> + Send>>;
type Hears = Box<dyn Fn(FromClient, &[u8]) -> Result<Hearing, Refusal> + Send + Sync>;
type Answers = Box<dyn Fn(FromClient, &[u8]) -> Result<Answering, Refusal> + Send + Sync>;

/// The length of a tick that a schema must have, where nothing ticks.
const NO_TICKS_US: u32 = 1_000_000;

/// The functions of one namespace.
#[derive(Default)]
pub(crate) struct Handlers {
    hears: BTreeMap<u32, Hears>,
    answers: BTreeMap<u32, Answers>,
    messages: Vec<MessageSchema>,
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.messages.iter().map(|message| &message.name);
        f.debug_set().entries(names).finish()
    }
}

impl Handlers {
    pub fn message<M: Message>(&mut self) {
        self.messages.push(M::schema());
    }

    pub fn on_message<M, F, R>(&mut self, handler: F)
    where
        M: Message + Send + 'static,
        F: Fn(FromClient, M) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.message::<M>();
        let hears = move |from: FromClient, payload: &[u8]| {
            let message = message::decode::<M>(payload).map_err(|error| unfit(&error))?;
            Ok(Box::pin(handler(from, message)) as Hearing)
        };
        self.hears.insert(M::kind(), Box::new(hears));
    }

    pub fn on_request<Q, F, R>(&mut self, handler: F)
    where
        Q: Request + Send + 'static,
        Q::Reply: Send,
        F: Fn(FromClient, Q) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Q::Reply, Refusal>> + Send + 'static,
    {
        self.messages.extend(Q::schemas());
        let answers = move |from: FromClient, payload: &[u8]| {
            let request = message::decode::<Q>(payload).map_err(|error| unfit(&error))?;
            let answer = handler(from, request);
            Ok(Box::pin(async move {
                let reply = message::encode_checked(&answer.await?);
                reply.map_err(|error| Refusal::new(code::FAILED, error.to_string()))
            }) as Answering)
        };
        self.answers.insert(Q::kind(), Box::new(answers));
    }

    /// The messages as a schema; `None`: there are none.
    pub fn schema(&self, namespace: &str) -> Result<Option<Arc<Schema>>, String> {
        if self.messages.is_empty() {
            return Ok(None);
        }
        let mut schema = Schema::new(namespace, NO_TICKS_US);
        for message in &self.messages {
            schema.add_message(message.clone());
        }
        schema.seal().map_err(|error| error.to_string())?;
        Ok(Some(Arc::new(schema)))
    }

    /// What to run for a message.
    pub fn hear(&self, from: FromClient, kind: u32, payload: &[u8]) -> Result<Hearing, Refusal> {
        match self.hears.get(&kind) {
            Some(hears) => hears(from, payload),
            None => Err(nobody("hears messages", kind)),
        }
    }

    /// What to run for a request.
    pub fn answer(
        &self,
        from: FromClient,
        kind: u32,
        payload: &[u8],
    ) -> Result<Answering, Refusal> {
        match self.answers.get(&kind) {
            Some(answers) => answers(from, payload),
            None => Err(nobody("answers requests", kind)),
        }
    }
}

pub(crate) fn from(caller: Caller, broadcaster: &Broadcaster) -> FromClient {
    let broadcaster = broadcaster.clone();
    FromClient {
        caller,
        broadcaster,
    }
}

fn unfit(error: &message::MessageError) -> Refusal {
    Refusal::new(code::REFUSED, error.to_string())
}

fn nobody(does: &str, kind: u32) -> Refusal {
    let text = format!("outside of rooms nobody {does} of kind {kind:#010x}");
    Refusal::new(code::NOT_FOUND, text)
}
