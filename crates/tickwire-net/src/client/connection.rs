//! The driver of one client: does what the client asks for, in the task that waits for its events.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tickwire_client::{
    Client, ClientConfig, ClientEvent, ClientOutput, Condition, Ladder, LinkChoice, LinkKind,
};
use tickwire_proto::Time;
use tokio::time::Sleep;

use super::links::Links;
use super::url::{Address, UrlError};
use crate::clock;

/// What a connection uses unless it is told otherwise.
const ONE_LINK: LinkChoice = LinkChoice::Only(LinkKind::WebSocket);

/// What the links of a connection have carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Bytes read, WebSocket headers counted; not those of TCP, IP and HTTP.
    pub wire_in: u64,
    /// Bytes written, the same way.
    pub wire_out: u64,
    /// Bytes of frames received.
    pub payload_in: u64,
    /// Bytes of frames sent.
    pub payload_out: u64,
    /// Links that were open.
    pub connects: u64,
}

/// A client and its link. It lives in the task that calls [`next`](Self::next) and needs no other; a thousand of them fit into a process.
pub struct Connection {
    client: Client,
    links: Links,
    credentials: Option<Box<dyn FnMut(&str) -> Vec<u8> + Send>>,
    timer: Timer,
    /// Events that came while something else was waited for.
    pub(super) kept: VecDeque<ClientEvent>,
}

/// Armed for the earliest time that was asked for; earlier than needed is fine.
#[derive(Default)]
pub(crate) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Option<Time>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("address", &self.links.address())
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// A client for the server at `url` (`ws://HOST:PORT`, or `wss://HOST` with the feature `tls`). It connects as soon as [`next`](Self::next) is called, and again whenever it must.
    ///
    /// # Errors
    /// Where `url` is no address of a server.
    pub fn open(url: &str, config: ClientConfig) -> Result<Connection, UrlError> {
        Connection::open_seeded(url, config, fresh_seed())
    }

    /// The same, with the seed of all the client's chance: back-off, numbers of attempts.
    ///
    /// # Errors
    /// Where `url` is no address of a server.
    pub fn open_seeded(url: &str, config: ClientConfig, seed: u64) -> Result<Connection, UrlError> {
        Ok(Connection {
            links: Links::new(Address::parse(url)?, ONE_LINK, seed),
            client: Client::new(config, seed, clock::now()),
            credentials: None,
            timer: Timer::default(),
            kept: VecDeque::new(),
        })
    }

    /// Asks `credentials`, with the name of the namespace, before each attach (where none were given with that name) and when an identity
    /// has expired, so that they are fresh. Without it, the client attaches with none.
    #[must_use]
    pub fn with_credentials(
        mut self,
        credentials: impl FnMut(&str) -> Vec<u8> + Send + 'static,
    ) -> Connection {
        self.credentials = Some(Box::new(credentials));
        self
    }

    /// Believes these certificates (a PEM file) beside those of the system, for servers with `wss://` whose certificate nobody else has signed.
    ///
    /// # Errors
    /// Where there is no certificate in it.
    #[cfg(feature = "tls")]
    pub fn with_trusted(mut self, pem: &[u8]) -> Result<Connection, UrlError> {
        match self.links.trust.add(pem) {
            true => Ok(self),
            false => Err(UrlError::Certificate),
        }
    }

    /// Over which kinds of link; a WebSocket alone, unless this is said. With [`LinkChoice::Auto`] polling takes the place of a WebSocket that
    /// does not open, and gives it back.
    #[must_use]
    pub fn with_link(mut self, choice: LinkChoice) -> Connection {
        self.links.ladder = Ladder::new(choice);
        self
    }

    /// The kind of link that carries the session, while one does.
    #[must_use]
    pub fn link(&self) -> Option<LinkKind> {
        self.links.ladder.carrier()
    }

    /// The client: rooms, views, figures.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The client, to ask for something. What it wants to say goes out with the next call of [`next`](Self::next).
    pub fn client_mut(&mut self) -> &mut Client {
        &mut self.client
    }

    /// The clock by which the client lives: microseconds since 1970, monotonic.
    #[must_use]
    pub fn now(&self) -> Time {
        clock::now()
    }

    /// What the links have carried so far.
    #[must_use]
    pub fn counters(&self) -> LinkCounters {
        self.links.counters
    }

    /// Why the last link could not be opened.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.links.failure.as_deref()
    }

    /// Makes the WebSocket as bad as one wants, both ways, to try a game on; `None`: as it is. At any time; what is held by then comes as it would have.
    /// The figures tell of it as of any bad link. A way by polling stays as it is.
    ///
    /// ```no_run
    /// # use tickwire_client::{ClientConfig, Condition};
    /// # use tickwire_net::client::Connection;
    /// let mut connection = Connection::open("ws://127.0.0.1:7777", ClientConfig::default())?;
    /// connection.condition(Condition::named("4G"));
    /// connection.condition(Some("delay=75ms jitter=10ms loss=2%".parse()?));
    /// connection.condition(None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn condition(&mut self, condition: Option<Condition>) {
        self.links.conditioner.set(condition);
    }

    /// Lets nothing pass by the WebSocket for so long, in either direction; then all of it comes at once. Where that is longer than the heartbeat waits,
    /// the link counts as lost, and another is tried, which is cut too until then.
    pub fn cut(&mut self, lasts: Duration) {
        self.links.conditioner.cut(clock::now().plus(lasts));
    }

    /// Waits for the next event; meanwhile it writes, reads, keeps the time and reconnects. Dropping the future loses nothing.
    pub async fn next(&mut self) -> ClientEvent {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The same, not beyond `until`.
    pub async fn next_until(&mut self, until: Time) -> Option<ClientEvent> {
        tokio::time::timeout_at(clock::deadline(until), self.next())
            .await
            .ok()
    }

    /// Tells the server goodbye and gives the client back. Nothing is tried again.
    pub fn close(mut self) -> Client {
        self.client.close();
        self.links.hang_up(&mut self.client);
        self.client
    }

    /// For those who poll by themselves.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<ClientEvent> {
        match self.kept.pop_front() {
            Some(event) => Poll::Ready(event),
            None => self.poll_new(context),
        }
    }

    /// The next event that has only now happened.
    pub(super) fn poll_new(&mut self, context: &mut Context<'_>) -> Poll<ClientEvent> {
        loop {
            let event = self.obey();
            self.links.obey(&mut self.client);
            if let Some(event) = event {
                return Poll::Ready(event);
            }
            let now = clock::now();
            if self.client.next_timeout().is_some_and(|due| due <= now) {
                self.client.handle_timeout(now);
                continue;
            }
            self.links.write(context, &mut self.client);
            if self.links.poll(context, &mut self.client).is_ready() {
                continue;
            }
            // Reading may have made it say something: that is written by now, or waits for the socket.
            match self.client.next_timeout() {
                Some(due) if self.timer.poll(context, due).is_ready() => {}
                _ => return Poll::Pending,
            }
        }
    }

    /// Does what the client asks for, up to the next event.
    fn obey(&mut self) -> Option<ClientEvent> {
        while let Some(output) = self.client.poll() {
            match output {
                ClientOutput::Connect { number, .. } => {
                    self.links.ladder.connect(clock::now(), number);
                }
                ClientOutput::Close => self.links.hang_up(&mut self.client),
                ClientOutput::CredentialsWanted { namespace } => {
                    let name = self.client.namespace_name(namespace).unwrap_or_default();
                    let ask = self.credentials.as_mut();
                    let credentials = ask.map(|ask| ask(name)).unwrap_or_default();
                    self.client.attach(namespace, &credentials);
                }
                ClientOutput::Event(event) => return Some(event),
                _ => {}
            }
        }
        None
    }
}

impl Timer {
    /// Ready when `due` has come (or an earlier time that had been asked for before).
    pub(crate) fn poll(&mut self, context: &mut Context<'_>, due: Time) -> Poll<()> {
        if self.armed.is_none_or(|armed| due < armed) {
            self.armed = Some(due);
            let deadline = clock::deadline(due);
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(deadline),
                empty => *empty = Some(Box::pin(tokio::time::sleep_until(deadline))),
            }
        }
        let Some(sleep) = &mut self.sleep else {
            return Poll::Pending;
        };
        std::task::ready!(sleep.as_mut().poll(context));
        self.armed = None;
        Poll::Ready(())
    }
}

/// A number of its own for each connection.
fn fresh_seed() -> u64 {
    let mut seed = [0; 8];
    match getrandom::fill(&mut seed) {
        Ok(()) => u64::from_le_bytes(seed),
        // No chance to be had: the clock tells connections apart well enough for back-off.
        Err(_) => clock::now().0,
    }
}
