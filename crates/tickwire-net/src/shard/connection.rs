//! The task of one WebSocket: it waits for bytes, and for the socket where a write was cut short. All else happens in the shard.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tickwire_server::SessionKey;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::Shard;
use super::resume::Moved;
use crate::admission::Pass;
use crate::clock;
use crate::http::{Place, Upgraded};
use crate::link::{self, GOODBYE, Link};
use crate::stream::{ReadHalf, WriteHalf};
use crate::websocket::{Heard, WebSocket};

/// Reads of one connection before others get their turn.
const READS_MAX: usize = 4;
/// After our goodbye: how long, and how many bytes, we wait for the peer's end, so that it can read the goodbye.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 64 * 1024;

/// Takes over a connection that became a WebSocket, until it ends.
pub(super) async fn serve(shard: Rc<RefCell<Shard>>, upgraded: Upgraded, pass: Pass) {
    if let Err(error) = link::tune(upgraded.stream.tcp()) {
        tracing::debug!(%error, "a connection could not be set up");
        return;
    }
    let mut token = [0; 32];
    if let Err(error) = getrandom::fill(&mut token) {
        tracing::error!(%error, "no chance to be had: a connection is refused");
        return;
    }
    let (read, write) = upgraded.stream.into_split();
    let key = {
        let mut shard = shard.borrow_mut();
        let protocol = WebSocket::server(shard.message_max);
        shard.counts().links_opened.one();
        let key = shard.open(token, write, protocol, upgraded.place);
        shard.front.comes_from(key.get(), upgraded.remote);
        shard.passes.insert(key.get(), pass);
        shard.received(key.get(), &upgraded.read);
        key
    };
    run(shard, key, read).await;
}

/// Goes on with a connection of another shard, whose client claims a session of this one.
pub(super) async fn adopt(shard: Rc<RefCell<Shard>>, moved: Moved) {
    let mut token = [0; 32];
    let (read, write) = match (getrandom::fill(&mut token), moved.stream.into_halves()) {
        (Ok(()), Ok(halves)) => halves,
        _ => return tracing::error!("a connection that came from another shard is lost"),
    };
    let key = {
        let (now, mut shard) = (clock::now(), shard.borrow_mut());
        let key = shard.open(token, write, moved.protocol, moved.place);
        shard.front.comes_from(key.get(), moved.remote);
        shard
            .passes
            .extend(moved.pass.map(|pass| (key.get(), pass)));
        shard.front.frame(now, key.get(), &moved.hello);
        shard.settle(now);
        shard.received(key.get(), &[]);
        key
    };
    run(shard, key, read).await;
}

/// Until the connection ends, or leaves for another shard.
async fn run(shard: Rc<RefCell<Shard>>, key: Rc<Cell<SessionKey>>, mut read: ReadHalf) {
    let _served = shard.borrow().served.clone();
    poll_fn(|context| {
        let mut shard = shard.borrow_mut();
        shard.poll_connection(&key, &mut read, context)
    })
    .await;
    let leaving = shard.borrow_mut().leaving.remove(&key.get());
    match leaving {
        Some(leaving) => shard.borrow_mut().hand_over(leaving, read),
        None => linger(read).await,
    }
}

/// Reads on after the end, so that the system does not throw the goodbye away with a reset.
async fn linger(mut read: ReadHalf) {
    let mut scratch = [0; 1024];
    let mut left = LINGER_BYTES_MAX;
    let drain = async {
        while let Ok(bytes @ 1..) = read.read(&mut scratch).await {
            left = left.saturating_sub(bytes);
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, drain).await;
}

impl Shard {
    /// A link with a session of its own, at first.
    fn open(
        &mut self,
        token: [u8; 32],
        write: WriteHalf,
        protocol: WebSocket,
        place: Place,
    ) -> Rc<Cell<SessionKey>> {
        let key = self.front.link_opened(clock::now(), token);
        let link = Link::new(key, write, protocol, place);
        let cell = Rc::clone(&link.key);
        self.links.insert(key, Box::new(link));
        self.counts().links.one();
        cell
    }

    /// Ready: the connection is over, and the link is out of the shard.
    fn poll_connection(
        &mut self,
        whose: &Cell<SessionKey>,
        read: &mut ReadHalf,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        if self.poll_write(whose.get(), context).is_ready() {
            return Poll::Ready(());
        }
        for _ in 0..READS_MAX {
            let key = whose.get(); // what was read may have made it another session's
            let Some(link) = self.links.get_mut(key) else {
                return Poll::Ready(());
            };
            if link.closing.is_some() {
                // What is said after a goodbye is not heard. The rest of it goes out, or the beat ends it.
                return self.poll_write(key, context);
            }
            match std::task::ready!(self.poll_read(read, context)) {
                Ok(bytes @ 1..) => {
                    // Lent for the call: what is received is looked at, not kept.
                    let scratch = std::mem::take(&mut self.scratch);
                    self.received(key, &scratch[..bytes]);
                    self.scratch = scratch;
                }
                Ok(0) | Err(_) => {
                    let now = clock::now();
                    self.lost(now, key);
                    self.settle(now);
                    return Poll::Ready(());
                }
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_read(
        &mut self,
        read: &mut ReadHalf,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(&mut self.scratch);
        Pin::new(read)
            .poll_read(context, &mut buffer)
            .map_ok(|()| buffer.filled().len())
    }

    /// Goes on with what the socket did not take, and waits for it.
    fn poll_write(&mut self, key: SessionKey, context: &mut Context<'_>) -> Poll<()> {
        let Some(link) = self.links.get_mut(key) else {
            return Poll::Ready(());
        };
        if link
            .waker
            .as_ref()
            .is_none_or(|waker| !waker.will_wake(context.waker()))
        {
            link.waker = Some(context.waker().clone());
        }
        if link.is_clear() && link.closing.is_none() {
            return Poll::Pending;
        }
        let now = clock::now();
        match link.poll_write_on(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) if link.closing.is_some() => {
                self.forget(key);
                return Poll::Ready(());
            }
            Poll::Ready(Ok(())) => self.flush(now, key),
            Poll::Ready(Err(_)) => self.lost(now, key),
        }
        self.settle(now);
        Poll::Pending
    }

    /// Bytes came in.
    fn received(&mut self, key: SessionKey, mut bytes: &[u8]) {
        let now = clock::now();
        self.counts().bytes_in.add(bytes.len() as u64);
        let mut goes_on = true;
        while goes_on
            && let Some(link) = self.open_link(key)
            && let Some(message) = link.protocol.short(&mut bytes)
        {
            self.front.frame(now, key, &message);
            goes_on = self.front.contains(key);
        }
        if let Some(link) = self.links.get_mut(key) {
            link.protocol.feed(now, bytes);
        }
        while goes_on && let Some(link) = self.open_link(key) {
            match link.protocol.hear() {
                Ok(None) => break,
                Ok(Some(Heard::Message(message))) => {
                    self.front.frame(now, key, &message);
                    // Else the link is another session's, or another shard's: `settle` sees to it.
                    goes_on = self.front.contains(key);
                }
                Ok(Some(Heard::Closed(_))) => {
                    link.closing = Some(now.plus(GOODBYE));
                    link.queue_replies();
                    link.write_on();
                    self.front.link_lost(now, key);
                }
                Err(breach) => {
                    self.breach(now, key, breach.code, &breach.text);
                    break;
                }
            }
        }
        self.reply(key);
        self.settle(now);
    }

    fn open_link(&mut self, key: SessionKey) -> Option<&mut Link> {
        let link = self.links.get_mut(key);
        link.filter(|link| link.closing.is_none())
    }

    /// Pongs go at once, behind what is left over.
    fn reply(&mut self, key: SessionKey) {
        if let Some(link) = self.links.get_mut(key)
            && link.queue_replies() > 0
        {
            link.write_on();
        }
    }
}
