//! The driver of one client: does what the client asks for, in the task that waits for its events.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use tickwire_client::{Client, ClientConfig, ClientEvent, ClientOutput};
use tickwire_proto::Time;
use tokio::time::Sleep;

use super::url::{Address, UrlError};
use super::wire::{Read, Wire};
use crate::clock;

/// What the links of a connection have carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Bytes read, WebSocket headers counted; not those of TCP and IP.
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
    address: Address,
    link: Link,
    credentials: Option<Box<dyn FnMut() -> Vec<u8> + Send>>,
    timer: Timer,
    counters: LinkCounters,
    failure: Option<String>,
}

enum Link {
    None,
    Opening(Pin<Box<dyn Future<Output = Result<Wire, String>> + Send>>),
    Open(Box<Wire>),
}

/// Armed for the earliest time that was asked for; earlier than needed is fine.
#[derive(Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Option<Time>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("address", &self.address)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// A client for the server at `url` (`ws://HOST:PORT`). It connects as soon as [`next`](Self::next) is called, and again whenever it must.
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
            address: Address::parse(url)?,
            client: Client::new(config, seed, clock::now()),
            link: Link::None,
            credentials: None,
            timer: Timer::default(),
            counters: LinkCounters::default(),
            failure: None,
        })
    }

    /// Asks `credentials` before each attach (where the configuration has none), so that they are fresh. Without it, the client attaches with none.
    #[must_use]
    pub fn with_credentials(
        mut self,
        credentials: impl FnMut() -> Vec<u8> + Send + 'static,
    ) -> Connection {
        self.credentials = Some(Box::new(credentials));
        self
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
        self.counters
    }

    /// Why the last link could not be opened.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
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
        self.hang_up();
        self.client
    }

    /// For those who poll by themselves.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<ClientEvent> {
        loop {
            if let Some(event) = self.obey() {
                return Poll::Ready(event);
            }
            let now = clock::now();
            if self.client.next_timeout().is_some_and(|due| due <= now) {
                self.client.handle_timeout(now);
                continue;
            }
            self.write(context, now);
            if self.poll_link(context).is_ready() {
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
                    self.link = Link::Opening(Box::pin(Wire::open(self.address.clone(), number)));
                }
                ClientOutput::Close => self.hang_up(),
                ClientOutput::CredentialsWanted => {
                    let credentials = self
                        .credentials
                        .as_mut()
                        .map(|ask| ask())
                        .unwrap_or_default();
                    self.client.attach(&credentials);
                }
                ClientOutput::Event(event) => return Some(event),
                _ => {}
            }
        }
        None
    }

    /// Writes the last words, as far as the socket takes them at once, and forgets the link.
    fn hang_up(&mut self) {
        if let Link::Open(mut wire) = std::mem::replace(&mut self.link, Link::None) {
            while let Some(frame) = self.client.next(clock::now(), wire.writable()) {
                wire.say(frame, &mut self.counters);
            }
            wire.close(&mut self.counters);
        }
    }

    fn write(&mut self, context: &mut Context<'_>, now: Time) {
        let Link::Open(wire) = &mut self.link else {
            return;
        };
        loop {
            while wire.writable() > 0
                && let Some(frame) = self.client.next(now, wire.writable())
            {
                wire.say(frame, &mut self.counters);
            }
            let full = wire.writable() == 0;
            match wire.poll_flush(context, &mut self.counters) {
                // There may be more where this came from.
                Poll::Ready(Ok(())) if full => {}
                Poll::Ready(Ok(())) | Poll::Pending => return,
                Poll::Ready(Err(_)) => return self.lost(None),
            }
        }
    }

    fn lost(&mut self, code: Option<u16>) {
        self.link = Link::None;
        self.client.link_lost(clock::now(), code);
    }

    /// `Ready`: something happened.
    fn poll_link(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.link {
            Link::None => Poll::Pending,
            Link::Opening(opening) => opening.as_mut().poll(context).map(|opened| match opened {
                Ok(wire) => {
                    self.link = Link::Open(Box::new(wire));
                    self.counters.connects += 1;
                    self.client.link_open(clock::now());
                }
                Err(failure) => {
                    self.failure = Some(failure);
                    self.lost(None);
                }
            }),
            Link::Open(wire) => {
                let client = &mut self.client;
                let read = wire.poll_read(context, &mut self.counters, |message| {
                    client.frame(clock::now(), &message)
                });
                read.map(|read| match read {
                    Read::More => {}
                    Read::Lost(code) => self.lost(code),
                })
            }
        }
    }
}

impl Timer {
    /// Ready when `due` has come (or an earlier time that had been asked for before).
    fn poll(&mut self, context: &mut Context<'_>, due: Time) -> Poll<()> {
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
