//! Links made of HTTP requests: each request finds its link here, wherever it came in. What a link does with it is `tickwire_proto::poll`'s matter.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tickwire_proto::poll::{self, PollHost, PollId, PollRefusal, PollRequest};
use tickwire_proto::{ServerSession, Time};
use tickwire_server::SessionKey;
use tokio::sync::{mpsc, oneshot};

use super::{Hasher, Served, Shard, ShardMessage};
use crate::admission::{Door, Pass};
use crate::http::{Entry, OnPoll, Place, PollRefused, Polled};
use crate::link::GOODBYE;

/// Bits of a link's place that are its number on its shard; the shard is above them.
const SERIAL_BITS: u32 = 48;
/// The close code of a peer that breaks the rules of polling.
const VIOLATION: u16 = 1008;

/// A request on its way to the shard that has its link.
#[derive(Debug)]
pub(crate) struct Asked {
    request: PollRequest,
    /// Of a request that opens a link.
    entry: Option<(Entry, Pass)>,
    answer: Waiter,
}

/// Where its answer goes.
type Waiter = oneshot::Sender<Answered>;

#[derive(Debug)]
pub(crate) struct Answered {
    body: Result<Bytes, PollRefusal>,
    /// The link's client has shown credentials that were accepted.
    known: bool,
}

/// A link, from its first request to its end.
struct PollLink {
    /// The session that it is of; none any more where it is being closed.
    session: Option<SessionKey>,
    host: PollHost<Waiter>,
    /// Nothing follows, and the client has until then to hear of it.
    closing: Option<Time>,
    _place: Place,
    _served: Served,
}

/// The links of a shard.
#[derive(Default)]
pub(super) struct Polls {
    links: HashMap<u64, PollLink, Hasher>,
    of: HashMap<SessionKey, u64, Hasher>,
    made: u64,
}

impl Polls {
    /// The link that a request names, if the secret is its own.
    fn find(&mut self, id: &PollId) -> Result<&mut PollLink, PollRefusal> {
        let link = self.links.get_mut(&id.place());
        link.filter(|link| link.host.id().is(id))
            .ok_or(PollRefusal::Unknown)
    }

    /// Takes the link out of a session's hands.
    pub(super) fn release(&mut self, session: SessionKey) -> Option<u64> {
        let place = self.of.remove(&session)?;
        if let Some(link) = self.links.get_mut(&place) {
            link.session = None;
        }
        Some(place)
    }

    /// Gives it to another one.
    pub(super) fn give(&mut self, place: u64, session: SessionKey) {
        if let Some(link) = self.links.get_mut(&place) {
            link.session = Some(session);
            self.of.insert(session, place);
        }
    }
}

/// The way of requests from one HTTP connection to the shards.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) shard: usize,
    pub(super) shards: Arc<[mpsc::Sender<ShardMessage>]>,
    pub(super) door: Arc<Door>,
    pub(super) peer: SocketAddr,
    /// Of the connection, until a request of it shows that somebody known is behind it.
    pub(super) pass: Rc<RefCell<Option<Pass>>>,
    pub(super) served: std::rc::Weak<()>,
    /// From the first request on: a stopping shard waits for the connection, since its client may be about to ask for the goodbye.
    pub(super) asks: Rc<RefCell<Option<Rc<()>>>>,
}

impl Way {
    pub(super) fn on_poll(self) -> OnPoll {
        Rc::new(move |request, entry| Box::pin(self.clone().ask(request, entry)))
    }

    /// Asks the shard that has the link, and waits for the answer for as long as it takes.
    async fn ask(self, request: PollRequest, entry: Option<Entry>) -> Result<Polled, PollRefused> {
        *self.asks.borrow_mut() = self.served.upgrade();
        let shard = match &request {
            PollRequest::Open { frames } => self.shard_of_claim(frames),
            PollRequest::Post { link, .. }
            | PollRequest::Poll { link, .. }
            | PollRequest::Close { link, .. } => (link.place() >> SERIAL_BITS) as usize,
        };
        let shard = self.shards.get(shard).ok_or(PollRefusal::Unknown)?;
        let entry = match entry {
            Some(entry) => {
                let address = entry.remote.address().unwrap_or(self.peer.ip());
                let pass = self.door.enter(address);
                Some((entry, pass.map_err(|_| PollRefused::Crowded)?))
            }
            None => None,
        };
        let (answer, answered) = oneshot::channel();
        let asked = Box::new(Asked {
            request,
            entry,
            answer,
        });
        shard
            .try_send(ShardMessage::Asked(asked))
            .map_err(|_| PollRefused::Busy)?;
        let answered = answered.await.map_err(|_| PollRefused::Busy)?;
        if answered.known {
            self.pass.take();
        }
        Ok(Polled {
            body: answered.body?,
            known: answered.known,
        })
    }

    /// A claim is opened where its session is, so that no link has to move.
    fn shard_of_claim(&self, frames: &Bytes) -> usize {
        let hello = poll::frames(frames, frames.len())
            .ok()
            .and_then(|frames| frames.into_iter().next());
        let claim = hello.and_then(|hello| ServerSession::claim(&hello));
        let shard = claim.map(|claim| usize::from(SessionKey::of_token(&claim.token).shard()));
        shard
            .filter(|shard| *shard < self.shards.len())
            .unwrap_or(self.shard)
    }
}

impl Shard {
    pub(super) fn asked(&mut self, now: Time, asked: Asked) {
        let Asked {
            request,
            entry,
            answer,
        } = asked;
        let refused = match request {
            PollRequest::Open { frames } => self.poll_open(now, &frames, entry, answer),
            PollRequest::Post {
                link,
                number,
                frames,
            } => {
                let taken = self.poll_post(now, &link, number, &frames);
                let known = self.knows(&link);
                tell(answer, taken, known);
                return;
            }
            PollRequest::Poll { link, number, got } => {
                return self.poll(now, &link, number, got, answer);
            }
            PollRequest::Close { link, batches } => {
                let closed = self.poll_close(now, &link, &batches);
                return tell(answer, closed, false);
            }
        };
        if let Err((answer, refusal)) = refused {
            tell(answer, Err(refusal), false);
        }
    }

    fn poll_open(
        &mut self,
        now: Time,
        batch: &Bytes,
        entry: Option<(Entry, Pass)>,
        answer: Waiter,
    ) -> Result<(), (Waiter, PollRefusal)> {
        let frames = match poll::frames(batch, self.message_max) {
            Ok(frames) if !frames.is_empty() => frames,
            Ok(_) => return Err((answer, PollRefusal::Empty)),
            Err(error) => return Err((answer, PollRefusal::Malformed(error))),
        };
        let mut chance = [0; 48];
        let (Some((Entry { place, remote }, pass)), Ok(())) = (entry, getrandom::fill(&mut chance))
        else {
            return Err((answer, PollRefusal::Unknown));
        };
        let token = std::array::from_fn(|at| chance[at]);
        let secret = std::array::from_fn(|at| chance[32 + at]);
        self.counts().links_opened.one();
        self.counts().links.one();
        self.counts().bytes_in.add(batch.len() as u64);
        let session = self.front.link_opened(now, token);
        self.front.comes_from(session, remote);
        self.passes.insert(session, pass);
        self.polls.made += 1;
        let at = (self.index as u64) << SERIAL_BITS | self.polls.made;
        let link = PollLink {
            session: Some(session),
            host: PollHost::new(now, PollId::new(at, secret), answer),
            closing: None,
            _place: place,
            _served: self.served.clone(),
        };
        self.polls.links.insert(at, link);
        self.polls.of.insert(session, at);
        self.feed(now, at, frames);
        Ok(())
    }

    /// Frames of a link, to whichever session it is of: the first of them may change that.
    fn feed(&mut self, now: Time, place: u64, frames: Vec<Bytes>) {
        for frame in frames {
            let link = self.polls.links.get(&place);
            let Some(session) = link.and_then(|link| link.session) else {
                break;
            };
            self.front.frame(now, session, &frame);
            if !self.front.contains(session) {
                self.settle(now); // the link is another session's
            }
        }
        self.settle(now);
    }

    fn poll_post(
        &mut self,
        now: Time,
        id: &PollId,
        number: u64,
        batch: &Bytes,
    ) -> Result<Bytes, PollRefusal> {
        let frame_max = self.message_max;
        let link = self.polls.find(id)?;
        let (next, session) = (link.host.post(now, number), link.session);
        let taken = link.host.taken();
        let frames = next.and_then(|next| match next {
            true => poll::frames(batch, frame_max).map_err(PollRefusal::Malformed),
            false => Ok(Vec::new()),
        });
        match frames {
            Ok(frames) => {
                self.counts().bytes_in.add(batch.len() as u64);
                self.feed(now, id.place(), frames);
                Ok(taken)
            }
            Err(refusal) => {
                self.poll_breach(now, session, &refusal);
                Err(refusal)
            }
        }
    }

    fn poll(&mut self, now: Time, id: &PollId, number: u64, got: u64, waiter: Waiter) {
        let known = self.knows(id);
        let link = match self.polls.find(id) {
            Ok(link) => link,
            Err(refusal) => return tell(waiter, Err(refusal), false),
        };
        let session = link.session;
        let mut breach = None;
        link.host.poll(now, number, got, waiter, |waiter, body| {
            breach = body.as_ref().err().filter(|it| it.is_breach()).cloned();
            tell(waiter, body, known);
        });
        if let Some(breach) = breach {
            return self.poll_breach(now, session, &breach);
        }
        match session {
            Some(session) => {
                self.front.reopen(session);
                self.flush(now, session);
                self.settle(now);
            }
            None => self.answer_poll(id.place()),
        }
    }

    /// The client is done with a link. Its session, if it did not end with the last batch, waits for another one.
    fn poll_close(
        &mut self,
        now: Time,
        id: &PollId,
        batches: &[(u64, Bytes)],
    ) -> Result<Bytes, PollRefusal> {
        let frame_max = self.message_max;
        let taken = self.polls.find(id)?.host.taken();
        for (number, batch) in batches {
            let link = self.polls.find(id)?;
            if let (Ok(true), Ok(frames)) = (
                link.host.batch_came(*number),
                poll::frames(batch, frame_max),
            ) {
                self.feed(now, id.place(), frames);
            }
        }
        if let Some(session) = self.polls.find(id)?.session {
            self.front.link_lost(now, session);
        }
        self.poll_forget(id.place());
        self.settle(now);
        Ok(taken)
    }

    fn knows(&self, id: &PollId) -> bool {
        let link = self.polls.links.get(&id.place());
        let session = link.and_then(|link| link.session);
        session.is_some_and(|session| !self.passes.contains_key(&session))
    }

    fn poll_breach(&mut self, now: Time, session: Option<SessionKey>, refusal: &PollRefusal) {
        if let Some(session) = session.filter(|_| refusal.is_breach()) {
            self.breach(now, session, VIOLATION, &refusal.to_string());
            self.settle(now);
        }
    }

    /// Writes what the front has for a polling link, if a poll waits for it.
    pub(super) fn flush_poll(&mut self, now: Time, session: SessionKey) {
        let Some(place) = self.polls.of.get(&session).copied() else {
            return;
        };
        let Some(link) = self.polls.links.get_mut(&place) else {
            return;
        };
        // What is fetched for somebody who is gone would wait for the next poll: newer things may go with that.
        if link.host.waiter().is_some_and(oneshot::Sender::is_closed) {
            link.host.forget_waiter();
        }
        while link.host.takes() > 0
            && let Some(out) = self.front.next(now, session, link.host.takes())
        {
            if let Some((room, _)) = out.update {
                self.front.shut(session, room);
                self.metrics.shards[self.index].updates.one();
            }
            link.host.put(&out);
        }
        self.answer_poll(place);
    }

    fn answer_poll(&mut self, place: u64) {
        let Some(link) = self.polls.links.get_mut(&place) else {
            return;
        };
        let session = link.session;
        if let Some((waiter, body)) = link.host.flush() {
            let known = session.is_some_and(|session| !self.passes.contains_key(&session));
            self.counts().bytes_out.add(body.len() as u64);
            tell(waiter, Ok(body), known);
        }
    }

    /// The session has no more to say on its link: the next answer says so. False: its link is no poll.
    pub(super) fn close_poll(&mut self, now: Time, session: SessionKey, code: u16) -> bool {
        let Some(place) = self.polls.release(session) else {
            return false;
        };
        if let Some(link) = self.polls.links.get_mut(&place) {
            link.host.close(code);
            link.closing = Some(now.plus(GOODBYE));
        }
        self.answer_poll(place);
        true
    }

    pub(super) fn poll_forget(&mut self, place: u64) {
        if let Some(link) = self.polls.links.remove(&place) {
            self.counts().links.less(1);
            if let Some(session) = link.session {
                self.passes.remove(&session);
                self.polls.of.remove(&session);
            }
        }
    }

    /// Answers polls that waited for long, and forgets links that are over.
    pub(super) fn sweep_polls(&mut self, now: Time) {
        let passes = &self.passes;
        let mut over = Vec::new();
        for (place, link) in &mut self.polls.links {
            if let Some((waiter, body)) = link.host.expired(now) {
                let known = link.session.is_some_and(|it| !passes.contains_key(&it));
                tell(waiter, Ok(body), known);
            }
            if link.host.is_over() || link.closing.is_some_and(|until| until <= now) {
                over.push(*place);
            }
        }
        over.into_iter().for_each(|place| self.poll_forget(place));
    }
}

fn tell(waiter: Waiter, body: Result<Bytes, PollRefusal>, known: bool) {
    // Who is gone asks again.
    let _ = waiter.send(Answered { body, known });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_its_shard() {
        let id = PollId::new(513 << SERIAL_BITS | 77, [0; 16]);
        assert_eq!(id.place() >> SERIAL_BITS, 513);
    }
}
