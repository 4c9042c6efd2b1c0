//! What a native client waits for: the reply to a request, room for a message. Meanwhile its connection lives on.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use tickwire_client::{AskError, AskId, Client, ClientEvent, Place, SendError, reply_of};
use tickwire_snapshot::message::{self, Message, Request};

use super::connection::Connection;
use crate::clock;

impl Connection {
    /// Asks a room, or a namespace outside of its rooms, and waits for the reply for at most `timeout` ([`ASK_TIMEOUT`](tickwire_client::ASK_TIMEOUT) is the usual one), the time included
    /// in which too much waits for the server already. Events
    /// that come meanwhile are given by [`next`](Self::next) afterwards. Dropping the future gives the request up; it may be handled all the same.
    ///
    /// # Errors
    /// Where there is no reply: see [`AskError`].
    ///
    /// ```no_run
    /// # use serde::{Deserialize, Serialize};
    /// # use tickwire_client::{ASK_TIMEOUT, AskError, ClientConfig};
    /// # use tickwire_net::client::Connection;
    /// # use tickwire_snapshot::message::{Message, Request};
    /// # async fn vote<Vote: Request<Reply = String>>(vote: &Vote) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut connection = Connection::open("ws://127.0.0.1:7777", ClientConfig::default())?;
    /// let room = connection.client_mut().quick("match", &[]);
    /// while !connection.client().is_joined(room) {
    ///     connection.next().await;
    /// }
    /// match connection.ask(room, vote, ASK_TIMEOUT).await {
    ///     Ok(winner) => println!("{winner}"),
    ///     Err(AskError::Refused(refusal)) => println!("no: {}", refusal.message),
    ///     Err(error) => println!("{error}"),
    /// }
    /// # Ok(()) }
    /// ```
    pub fn ask<'a, Q: Request, P: Into<Place>>(
        &'a mut self,
        place: P,
        request: &Q,
        timeout: Duration,
    ) -> impl Future<Output = Result<Q::Reply, AskError>> + use<'a, Q, P> {
        let place = place.into();
        let payload = message::encode_checked(request)
            .map_err(|error| SendError::BadMessage(error.to_string()));
        let until = clock::now().plus(timeout);
        let mut waiting = Waiting {
            connection: self,
            ask: None,
        };
        async move {
            let payload = payload?;
            let asked = poll_fn(|context| {
                waiting.connection.poll_room(context, |client| {
                    let now = clock::now();
                    client.ask(now, place, 0, Q::kind(), &payload, until.since(now))
                })
            });
            let full = SendError::Session(tickwire_proto::SendError::Full);
            let asked = tokio::time::timeout_at(clock::deadline(until), asked).await;
            waiting.ask = Some(asked.unwrap_or(Err(full))?);
            poll_fn(|context| waiting.poll::<Q>(context)).await
        }
    }

    /// Sends a reliable message to a room or a namespace, and waits for as long as too much waits for the server already. `client_mut().send_message`
    /// says so instead. Events that come meanwhile are given by [`next`](Self::next) afterwards.
    ///
    /// # Errors
    /// Where the room is not joined (any more), or the message is not within its own limits.
    pub async fn send<M: Message>(
        &mut self,
        place: impl Into<Place>,
        message: &M,
    ) -> Result<(), SendError> {
        let place = place.into();
        poll_fn(|context| self.poll_room(context, |client| client.send_message(place, message)))
            .await
    }

    /// Tries until there is room in the outbox; between two tries the connection lives on.
    fn poll_room<T>(
        &mut self,
        context: &mut Context<'_>,
        mut attempt: impl FnMut(&mut Client) -> Result<T, SendError>,
    ) -> Poll<Result<T, SendError>> {
        loop {
            let event = self.poll_new(context); // first: reading may make room
            let pending = event.is_pending();
            self.keep(event);
            match attempt(self.client_mut()) {
                Err(SendError::Session(tickwire_proto::SendError::Full)) if pending => {
                    return Poll::Pending;
                }
                Err(SendError::Session(tickwire_proto::SendError::Full)) => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn keep(&mut self, event: Poll<ClientEvent>) {
        if let Poll::Ready(event) = event {
            self.kept.push_back(event);
        }
    }
}

/// A request whose reply is waited for; dropped, it is given up.
struct Waiting<'a> {
    connection: &'a mut Connection,
    ask: Option<AskId>,
}

impl Waiting<'_> {
    fn poll<Q: Request>(&mut self, context: &mut Context<'_>) -> Poll<Result<Q::Reply, AskError>> {
        loop {
            match self.connection.poll_new(context) {
                Poll::Ready(ClientEvent::Reply { ask, outcome }) if self.ask == Some(ask) => {
                    self.ask = None;
                    return Poll::Ready(reply_of::<Q>(outcome));
                }
                Poll::Ready(event) => self.connection.kept.push_back(event),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(ask) = self.ask.take() {
            self.connection.client_mut().cancel(ask);
        }
    }
}
