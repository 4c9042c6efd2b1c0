//! What goes over the links of a run: opening, writing, arriving, closing. What a link is like is `link`'s, what is said on it the sessions'.

use bytes::Bytes;
use tickwire_server::SessionKey;

use crate::{
    host::{Close, Wish},
    link::{Link, LinkId, Seen},
    running::{Event, Running},
    stream::header_len,
    trace::Mark,
    violation::Broken,
};

impl Running {
    /// A client wants a link: it takes the TCP handshake and the upgrade, a round trip each.
    pub(crate) fn plan_connect(&mut self, client: usize) {
        let seat = &mut self.seats[client];
        seat.attempt += 1;
        let sway = 0.8 + 0.4 * self.chance.unit();
        let takes = (seat.profile.round_trip() * 2).mul_f64(sway);
        self.queue.plan(
            self.now.plus(takes),
            Event::Connect {
                client,
                attempt: seat.attempt,
            },
        );
    }

    pub(crate) fn connect(&mut self, client: usize, attempt: u32) -> Result<(), Broken> {
        let seat = &mut self.seats[client];
        if seat.attempt != attempt || seat.link.is_some() {
            return Ok(());
        }
        if let Some(until) = self.sleeps_until(client) {
            self.queue.plan(until, Event::Connect { client, attempt });
            return Ok(());
        }
        let Some(id) = self.open_link(client) else {
            let seat = &mut self.seats[client];
            seat.client.link_lost(seat.watch.at(self.now), None);
            return self.after_client(client);
        };
        let races = self.races > 0.0 && self.chance.happens(self.races);
        let rival = races.then(|| self.open_link(client)).flatten();
        let seat = &mut self.seats[client];
        seat.link = Some(id);
        seat.rival = rival;
        seat.opened = self.now;
        let datagrams = self.links.get(&id).is_some_and(Link::has_datagrams);
        let seat = &mut self.seats[client];
        seat.client
            .link_open_with(seat.watch.at(self.now), datagrams);
        if let Some(rival) = rival {
            self.say_hello(client, [id, rival]);
        }
        self.after_client(client)
    }

    /// Two links say the same.
    fn say_hello(&mut self, client: usize, links: [LinkId; 2]) {
        let seat = &mut self.seats[client];
        let hello = seat.client.next(seat.watch.at(self.now), usize::MAX);
        for id in links {
            if let (Some(link), Some(hello)) = (self.links.get_mut(&id), &hello) {
                link.write_up(self.now, hello);
                link.flush(self.now);
            }
            self.plan_link(id);
        }
    }

    /// Of two links that race the first that is answered carries the session.
    fn decide_race(&mut self, client: usize, answered: LinkId) {
        let seat = &mut self.seats[client];
        if seat.rival == Some(answered) {
            std::mem::swap(&mut seat.link, &mut seat.rival);
        }
        if seat.link == Some(answered) {
            self.end_race(client);
        }
    }

    /// The link alone goes on.
    pub(crate) fn end_race(&mut self, client: usize) {
        if let Some(rival) = self.seats[client].rival.take() {
            self.forget_by_client(rival);
        }
    }

    /// One more link of a client, if there is a server to talk to and a network.
    fn open_link(&mut self, client: usize) -> Option<LinkId> {
        let seat = &mut self.seats[client];
        let host = self.host.as_mut()?;
        if self.now < seat.absent_until {
            return None;
        }
        let stalled = self.now < self.stalled_until;
        let part = seat.profile.polls;
        let polling = part > 0.0 && self.chance.happens(part);
        let id = LinkId(self.links_made);
        self.links_made += 1;
        let datagrams = seat.profile.datagrams && !polling;
        let session = host.link_opened(self.now, datagrams);
        let mut link = Link::new(
            self.now,
            client,
            session,
            self.epoch,
            (&seat.profile, polling),
            self.chance.fork(10_000 + id.0),
        );
        if let Some((toward, bytes)) = self.cut_after.filter(|_| seat.counts.links == 0) {
            link.ration(toward, bytes);
        }
        if stalled {
            link.stall(self.stalled_until);
        }
        self.links.insert(id, link);
        self.sessions.insert(session, id);
        seat.counts.links += 1;
        self.trace.mark(self.now, Mark::Opened, client, id.0);
        Some(id)
    }

    /// A client's session moves to another link, whose hello claims it. The one before is let go without a word: what is under way on it still
    /// arrives, and is of no use.
    pub(crate) fn move_client(&mut self, client: usize) -> Result<(), Broken> {
        let Some(old) = self.seats[client].link else {
            return Ok(());
        };
        let Some(id) = self.open_link(client) else {
            return Ok(());
        };
        let seat = &mut self.seats[client];
        let datagrams = self.links.get(&id).is_some_and(Link::has_datagrams);
        if seat
            .client
            .link_moved_with(seat.watch.at(self.now), datagrams)
        {
            seat.link = Some(id);
            self.forget_by_client(old);
        } else {
            self.forget_by_client(id);
        }
        self.after_client(client)
    }

    /// The client looks at a link no more; the server finds that out by itself.
    fn forget_by_client(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.leave();
        }
        self.plan_link(id);
    }

    /// Writes what the client has to say, as far as its link takes it.
    pub(crate) fn pump_up(&mut self, client: usize) {
        let seat = &mut self.seats[client];
        let shows = seat.watch.at(self.now);
        let Some((id, link)) = seat
            .link
            .filter(|_| seat.rival.is_none())
            .and_then(|id| Some((id, self.links.get_mut(&id)?)))
        else {
            return;
        };
        // Asked with nothing writable too: that is how a session learns that what must go now or never goes never.
        while link.client_has
            && let Some(frame) = seat.client.next(shows, link.up_takes(self.now))
        {
            link.write_up(self.now, &frame);
        }
        while link.client_has
            && let Some(frame) = seat.client.next_datagram(shows)
        {
            link.write_up_loose(self.now, &frame);
        }
        link.flush(self.now);
        self.plan_link(id);
    }

    /// Writes what the server has to say to a session, as far as its link takes it.
    pub(crate) fn pump_down(&mut self, session: SessionKey) -> Result<(), Broken> {
        let Some(id) = self.sessions.get(&session).copied() else {
            return Ok(());
        };
        let (Some(host), Some(link)) = (&mut self.host, self.links.get_mut(&id)) else {
            return Ok(());
        };
        while link.server_has
            && let Some(out) = host.next(self.now, session, link.down_takes(self.now))
        {
            if link.is_polled()
                && let Some((room, _)) = out.update
            {
                host.shut(session, room);
            }
            link.write_down(self.now, &out);
            host.unwritten(self.now, session, link.unsent());
        }
        link.flush(self.now);
        self.plan_link(id);
        self.check_bounds(id)
    }

    /// Something arrives at one of its ends, or the window of one opens.
    pub(crate) fn wake_link(&mut self, id: LinkId) -> Result<(), Broken> {
        let Some(link) = self
            .links
            .get_mut(&id)
            .filter(|link| link.planned == Some(self.now))
        else {
            return Ok(());
        };
        link.planned = None;
        let client = link.client;
        if let Some(until) = self.sleeps_until(client) {
            if let Some(link) = self.links.get_mut(&id) {
                link.planned = Some(until);
            }
            self.queue.plan(until, Event::Link(id));
            return Ok(());
        }
        let Some(link) = self.links.get_mut(&id) else {
            return Ok(());
        };
        if link.is_spent() {
            link.cut(self.now);
        }
        let (client, session, ours) = (link.client, link.session, link.epoch == self.epoch);
        let mut heard = Vec::new();
        while let Some(seen) = self
            .links
            .get_mut(&id)
            .and_then(|link| link.at_server(self.now))
        {
            let Some(host) = self.host.as_mut().filter(|_| ours) else {
                continue;
            };
            match seen {
                Seen::Frame(frame) => {
                    self.trace.bytes(self.now, Mark::ToServer, client, &frame);
                    host.frame(self.now, session, &frame);
                    heard.push(frame);
                }
                Seen::Lost => {
                    self.trace.mark(self.now, Mark::Lost, client, id.0);
                    // Not if the session has a newer link.
                    if self.sessions.get(&session) == Some(&id) {
                        self.sessions.remove(&session);
                        host.link_lost(self.now, session);
                        self.expiry.lost(self.now, session, client);
                    }
                }
            }
        }
        for frame in heard {
            self.record_arrival(client, &frame);
        }
        while let Some(seen) = self
            .links
            .get_mut(&id)
            .and_then(|link| link.at_client(self.now))
        {
            match seen {
                Seen::Frame(frame) => {
                    self.decide_race(client, id);
                    self.deliver(client, frame)?;
                }
                Seen::Lost => self.lost_by_client(client, id)?,
            }
        }
        self.pump_up(client);
        self.written_down(id)?;
        self.links.retain(|_, link| !link.is_over());
        self.plan_link(id);
        Ok(())
    }

    /// The link may have taken what it held for the server: tells it, and writes on.
    fn written_down(&mut self, id: LinkId) -> Result<(), Broken> {
        let Some(link) = self
            .links
            .get_mut(&id)
            .filter(|link| link.server_has && link.epoch == self.epoch)
        else {
            return Ok(());
        };
        let (session, unsent) = (link.session, link.unsent());
        let polled = link.take_polled();
        if let Some(host) = &mut self.host {
            if polled {
                host.reopen(session);
            }
            host.unwritten(self.now, session, unsent);
        }
        self.pump_down(session)
    }

    fn deliver(&mut self, client: usize, frame: Bytes) -> Result<(), Broken> {
        self.trace.bytes(self.now, Mark::ToClient, client, &frame);
        let frame = match &mut self.tamper {
            Some(tamper) => {
                let mut bytes = frame.to_vec();
                tamper(client, &mut bytes);
                Bytes::from(bytes)
            }
            None => frame,
        };
        let seat = &mut self.seats[client];
        seat.counts.frames += 1;
        seat.counts.bytes += frame.len() as u64;
        seat.counts.wire_bytes += (frame.len() + header_len(frame.len(), false)) as u64;
        seat.client.frame(seat.watch.at(self.now), &frame);
        self.after_client(client)?;
        self.check_view(client)
    }

    fn lost_by_client(&mut self, client: usize, id: LinkId) -> Result<(), Broken> {
        self.trace.mark(self.now, Mark::Lost, client, id.0);
        let code = self.links.get(&id).and_then(|link| link.close_code);
        let seat = &mut self.seats[client];
        if seat.rival == Some(id) {
            seat.rival = None;
            return Ok(());
        }
        if seat.link != Some(id) {
            return Ok(());
        }
        seat.link = seat.rival.take();
        if seat.link.is_some() {
            return Ok(());
        }
        seat.client.link_lost(seat.watch.at(self.now), code);
        self.after_client(client)
    }

    /// A client closes its link, after what it still has to write.
    pub(crate) fn close_by_client(&mut self, client: usize) {
        self.end_race(client);
        let seat = &mut self.seats[client];
        seat.attempt += 1;
        let Some(id) = seat.link.take() else { return };
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let shows = seat.watch.at(self.now);
        while let Some(frame) = seat.client.next(shows, usize::MAX) {
            link.write_up(self.now, &frame);
        }
        link.close_client();
        link.flush(self.now);
        self.plan_link(id);
    }

    /// Does with a link what the server wants.
    pub(crate) fn grant(&mut self, wish: &Wish) {
        match wish {
            Wish::Close(close) => self.close_by_server(close),
            Wish::Cut { session } => self.cut_by_server(*session),
            Wish::Relink { from, to } => self.relink(*from, *to),
        }
    }

    fn cut_by_server(&mut self, session: SessionKey) {
        let Some(id) = self.sessions.remove(&session) else {
            return;
        };
        if let Some(link) = self.links.get_mut(&id) {
            link.close_server(None);
            self.expiry.lost(self.now, session, link.client);
        }
        self.plan_link(id);
    }

    /// A link is another session's. The older link of that one is closed without a word of the session.
    fn relink(&mut self, from: SessionKey, to: SessionKey) {
        if let Some(old) = self.sessions.remove(&to) {
            if let Some(link) = self.links.get_mut(&old) {
                link.session = from;
                link.close_server(None);
            }
            self.plan_link(old);
        }
        let Some(id) = self.sessions.remove(&from) else {
            return;
        };
        self.sessions.insert(to, id);
        if let Some(link) = self.links.get_mut(&id) {
            link.session = to;
            self.expiry.back(to, link.client);
            self.trace.mark(self.now, Mark::Opened, link.client, id.0);
        }
    }

    /// The server closes a link, after what its session still has to write.
    fn close_by_server(&mut self, close: &Close) {
        let Some(id) = self.sessions.remove(&close.session) else {
            return;
        };
        let (Some(host), Some(link)) = (&mut self.host, self.links.get_mut(&id)) else {
            return;
        };
        while let Some(out) = host.next(self.now, close.session, usize::MAX) {
            link.write_down(self.now, &out);
        }
        self.trace
            .mark(self.now, Mark::Lost, link.client, close.reason as u64);
        link.close_server(Some(close.code));
        self.plan_link(id);
    }

    /// Sees to it that a link wakes when something arrives, or now if it has just come to an end.
    pub(crate) fn plan_link(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let due = if link.has_ended() {
            Some(self.now)
        } else {
            link.next_due().map(|at| at.max(self.now))
        };
        if due.is_some() && due != link.planned {
            link.planned = due;
            self.queue.plan(due.unwrap_or(self.now), Event::Link(id));
        }
    }
}
