//! Links that become another session's, of this shard or of another one. Whose they are is the front's matter.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tickwire_proto::Time;
use tickwire_server::{Remote, SessionKey};
use tokio::sync::mpsc::error::TrySendError;

use super::{Shard, ShardMessage};
use crate::admission::Pass;
use crate::http::Place;
use crate::link::Link;
use crate::stream::{Parked, ReadHalf};
use crate::websocket::WebSocket;

/// The close code of a link whose session goes on without it (RFC 6455: going away): it says nothing of the session.
pub(super) const GOING_AWAY: u16 = 1001;

/// A connection on its way from one shard to another.
pub(crate) struct Moved {
    pub(super) stream: Parked,
    pub(super) protocol: WebSocket,
    pub(super) place: Place,
    pub(super) pass: Option<Pass>,
    /// The frame that claims the session.
    pub(super) hello: Bytes,
    pub(super) remote: Arc<Remote>,
}

impl fmt::Debug for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moved").finish_non_exhaustive()
    }
}

/// The same, until its task has brought the reading half.
pub(super) struct Leaving {
    shard: u16,
    link: Box<Link>,
    pass: Option<Pass>,
    hello: Bytes,
    remote: Arc<Remote>,
}

impl Shard {
    /// Nothing is heard on a link: it is closed, and its session goes on without it.
    pub(super) fn cut(&mut self, now: Time, session: SessionKey) {
        if !self.close_poll(now, session, GOING_AWAY) {
            self.say_goodbye(now, session, GOING_AWAY, "nothing was heard");
        }
    }

    /// A link is another session's from here on; an older link of that one is closed.
    pub(super) fn relink(&mut self, now: Time, from: SessionKey, to: SessionKey) {
        let (link, poll) = (self.links.remove(from), self.polls.release(from));
        self.passes.remove(&from); // known by its token
        if let Some(old) = self.links.remove(to) {
            old.key.set(from);
            self.links.insert(from, old);
            self.say_goodbye(now, from, GOING_AWAY, "a newer link");
        }
        self.close_poll(now, to, GOING_AWAY);
        if let Some(link) = link {
            link.key.set(to);
            self.links.insert(to, link);
        }
        if let Some(poll) = poll {
            self.polls.give(poll, to);
        }
    }

    /// A link is for another shard: its task brings it there.
    pub(super) fn send_away(
        &mut self,
        now: Time,
        from: SessionKey,
        shard: u16,
        (hello, remote): (Bytes, Arc<Remote>),
    ) {
        let Some(mut link) = self.links.remove(from) else {
            // A poll that claims is opened where its session is.
            self.close_poll(now, from, GOING_AWAY);
            return;
        };
        self.counts().links.less(1);
        if let Some(waker) = link.waker.take() {
            waker.wake();
        }
        let pass = self.passes.remove(&from);
        let leaving = Leaving {
            shard,
            link,
            pass,
            hello,
            remote,
        };
        self.leaving.insert(from, leaving);
    }

    /// The other shard gets the connection. One that is overrun does not: the client tries again.
    pub(super) fn hand_over(&mut self, leaving: Leaving, read: ReadHalf) {
        let (write, protocol, place) = leaving.link.into_parts();
        let Some(stream) = Parked::new(read, write) else {
            return;
        };
        let moved = Box::new(Moved {
            stream,
            protocol,
            place,
            pass: leaving.pass,
            hello: leaving.hello,
            remote: leaving.remote,
        });
        let way = self.others.get(usize::from(leaving.shard));
        let sent = way.map(|way| way.try_send(ShardMessage::Moved(moved)));
        if let Some(Err(TrySendError::Full(_))) = sent {
            self.counts().inbox_drops.one();
        }
    }
}
