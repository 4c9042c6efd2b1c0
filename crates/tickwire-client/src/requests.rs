//! Requests of this client, and the questions that the server asks it: which outcome belongs to which. What goes over the
//! wire, and how often, is the session's.

use std::time::Duration;

use bytes::Bytes;
use litemap::LiteMap;
use tickwire_proto::frame::{AskOutcome, Refusal, code};
use tickwire_proto::{SendError as Unsent, Time};
use tickwire_snapshot::message::{self, Request};

use crate::client::Client;
use crate::event::{AskError, AskId, ClientEvent, NamespaceKey, Place, QuestionId, SendError};

/// How long a request waits for its reply where nothing else is said.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// By the room's number and the request's.
type Number = (u32, u32);

/// What waits for its answer, on either side. The session bounds both.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    asked: LiteMap<Number, AskId>,
    questions: LiteMap<QuestionId, Number>,
}

impl Client {
    /// Asks a room, or a namespace outside of its rooms: the outcome comes as [`ClientEvent::Reply`], exactly once, over any number of links. `payload` is by the
    /// schema's message `kind`; `timeout` of at most ten minutes counts from now, links that are lost included.
    ///
    /// # Errors
    /// Where the room is not joined (the namespace not attached), the payload is too long, too many requests wait already, or the outbox is full: then it was
    /// not asked, and may be once others were answered.
    ///
    /// ```
    /// # use tickwire_client::{ASK_TIMEOUT, Client, ClientConfig, RoomKey, SendError};
    /// # use tickwire_proto::Time;
    /// let mut client = Client::new(ClientConfig::default(), 1, Time(0));
    /// let room = client.join("A1");
    /// let asked = client.ask(Time(0), room, 0, 7, b"", ASK_TIMEOUT);
    /// assert_eq!(asked, Err(SendError::NotJoined(room))); // once it is: ClientEvent::Reply
    /// ```
    pub fn ask(
        &mut self,
        now: Time,
        to: impl Into<Place>,
        channel: u8,
        kind: u32,
        payload: &[u8],
        timeout: Duration,
    ) -> Result<AskId, SendError> {
        let no = self.way_to(to.into(), channel)?;
        let number = self
            .session
            .ask(now, no, channel, kind, payload, timeout)
            .map_err(SendError::Session)?;
        let ask = AskId(self.request());
        self.open.asked.insert((no, number), ask);
        Ok(ask)
    }

    /// The same with a request of the game's own type, on the default channel.
    ///
    /// # Errors
    /// As [`ask`](Self::ask), and where the request is not within its own limits.
    pub fn ask_for<Q: Request>(
        &mut self,
        now: Time,
        to: impl Into<Place>,
        request: &Q,
        timeout: Duration,
    ) -> Result<AskId, SendError> {
        let payload = message::encode_checked(request)
            .map_err(|error| SendError::BadMessage(error.to_string()))?;
        self.ask(now, to, 0, Q::kind(), &payload, timeout)
    }

    /// Gives a request up: no outcome is told any more. It may be handled all the same.
    pub fn cancel(&mut self, ask: AskId) {
        let found = self.open.asked.iter().find(|(_, other)| **other == ask);
        if let Some((&(room, number), _)) = found {
            self.open.asked.remove(&(room, number));
            self.session.cancel_ask(room, number);
        }
    }

    /// Answers a [question](ClientEvent::Question), at once or later. The answer to one that is over, and the second to one, reach nobody.
    pub fn answer(&mut self, question: QuestionId, answer: Result<Bytes, Refusal>) {
        if let Some((room, number)) = self.open.questions.remove(&question) {
            self.session.answer(room, number, answer);
        }
    }

    /// The same with the type of the question that was asked.
    pub fn answer_with<Q: Request>(
        &mut self,
        question: QuestionId,
        answer: Result<Q::Reply, Refusal>,
    ) {
        let encoded = answer.and_then(|reply| {
            message::encode_checked(&reply)
                .map_err(|error| Refusal::new(code::FAILED, error.to_string()))
        });
        self.answer(question, encoded);
    }

    /// The session has an outcome.
    pub(crate) fn replied(&mut self, room: u32, number: u32, outcome: AskOutcome) {
        if let Some(ask) = self.open.asked.remove(&(room, number)) {
            self.event(ClientEvent::Reply { ask, outcome });
        }
    }

    /// The server asks.
    pub(crate) fn asked(&mut self, number: Number, kind: u32, timeout_ms: u32, payload: Bytes) {
        let outside = u8::try_from(number.0).ok().map(NamespaceKey);
        let known = self.keys.get(&number.0).copied().map(Place::Room);
        let Some(place) = known.or(outside.map(Place::Outside)) else {
            // of a room that was left a moment ago
            let text = format!("nobody here answers requests of kind {kind:#010x}");
            let refusal = Refusal::new(code::NOT_FOUND, text);
            return self.session.answer(number.0, number.1, Err(refusal));
        };
        let question = QuestionId(self.request());
        self.open.questions.insert(question, number);
        self.event(ClientEvent::Question {
            question,
            place,
            kind,
            timeout: Duration::from_millis(timeout_ms.into()),
            payload,
        });
    }

    /// The server wants no answer any more.
    pub(crate) fn question_over(&mut self, number: Number) {
        let questions = &self.open.questions;
        let found = questions.iter().find(|(_, other)| **other == number);
        if let Some(question) = found.map(|(question, _)| *question) {
            self.open.questions.remove(&question);
            self.event(ClientEvent::QuestionOver { question });
        }
    }

    /// The session is lost, and all that was asked in it: it may have been handled.
    pub(crate) fn requests_lost(&mut self) {
        let Requests { asked, questions } = std::mem::take(&mut self.open);
        for (_, ask) in asked {
            let outcome = AskOutcome::Ended;
            self.event(ClientEvent::Reply { ask, outcome });
        }
        for (question, _) in questions {
            self.event(ClientEvent::QuestionOver { question });
        }
    }
}

/// What an outcome means to whoever asked with `Q`.
///
/// # Errors
/// Where there is no reply: see [`AskError`].
pub fn reply_of<Q: Request>(outcome: AskOutcome) -> Result<Q::Reply, AskError> {
    match outcome {
        AskOutcome::Done(payload) => {
            message::decode(&payload).map_err(|error| AskError::Unreadable(error.to_string()))
        }
        AskOutcome::Refused(refusal) => Err(AskError::Refused(refusal)),
        AskOutcome::Timeout => Err(AskError::Timeout),
        AskOutcome::Ended => Err(AskError::Ended),
    }
}

impl From<Unsent> for AskError {
    fn from(error: Unsent) -> Self {
        AskError::Unsent(SendError::Session(error))
    }
}
