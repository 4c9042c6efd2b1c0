//! The law of sessions that expire: which wait for their clients, and until when; that they are gone then, and that both sides know it. Not why links are lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tickwire_proto::Time;
use tickwire_server::SessionKey;

use crate::{host::Host, running::Running, violation::Broken};

/// After a session's window its server is done with it within this.
const SOON: Duration = Duration::from_millis(20);

/// What the server's sessions wait for, as one sees it from outside.
#[derive(Debug, Default)]
pub(crate) struct Expiry {
    /// Whose link the server knows to be lost: the client, and when it was.
    waiting: BTreeMap<SessionKey, (usize, Time)>,
    /// Those whose window has passed.
    over: BTreeSet<SessionKey>,
    broken: Option<Broken>,
}

fn broken(client: usize, what: String) -> Broken {
    Broken::Expiry { client, what }
}

impl Expiry {
    /// The server has learned that a session has no link any more.
    pub fn lost(&mut self, now: Time, session: SessionKey, client: usize) {
        self.waiting.entry(session).or_insert((client, now));
    }

    /// A link is that session's from here on.
    pub fn back(&mut self, session: SessionKey, client: usize) {
        self.waiting.remove(&session);
        if self.over.contains(&session) {
            let what = format!("{session:?} goes on after its window has passed");
            self.broken.get_or_insert(broken(client, what));
        }
    }

    /// The server's process is another one.
    pub fn forget(&mut self) {
        self.waiting.clear();
        self.over.clear();
    }

    /// Who has waited for longer than the window is nobody any more: no session, and no member of a room.
    fn check(&mut self, now: Time, window: Duration, host: &Host) -> Result<(), Broken> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        let past = |(_, since): &(usize, Time)| now.since(*since) > window + SOON;
        let Some((&session, &(client, _))) = self.waiting.iter().find(|(_, it)| past(it)) else {
            return Ok(());
        };
        self.waiting.remove(&session);
        self.over.insert(session);
        let mut members = host.rooms().flat_map(|(_, room)| room.members());
        if host.contains(session) || members.any(|member| member.session == session) {
            let what = format!("{session:?} outlives its window of {window:?}");
            return Err(broken(client, what));
        }
        Ok(())
    }
}

impl Running {
    /// After everything that happens.
    pub(crate) fn check_expiry(&mut self) -> Result<(), Broken> {
        if self.now.since(self.stalled_until) < SOON {
            return Ok(()); // no server is in time that stands still
        }
        match &self.host {
            Some(host) => self.expiry.check(self.now, self.window, host),
            None => Ok(()),
        }
    }

    /// The session that a client talks in now, and the life of the server that it is of.
    fn session_of(&self, client: usize) -> Option<(u32, SessionKey)> {
        let link = self.links.get(&self.seats[client].link?)?;
        Some((link.epoch, link.session))
    }

    /// A client is in a room: in the session of before, or in another one, if it was told of the end of that.
    pub(crate) fn check_joined(&mut self, client: usize) -> Result<(), Broken> {
        let now = self.session_of(client);
        match self.seats[client].session.replace(now) {
            Some(before) if before != now => {
                let what = format!("{before:?} is over, and nobody has told it before {now:?}");
                Err(broken(client, what))
            }
            _ => Ok(()),
        }
    }

    /// A client was told that its session is over: it is.
    pub(crate) fn check_told(&mut self, client: usize) -> Result<(), Broken> {
        let Some(Some((epoch, session))) = self.seats[client].session.take() else {
            return Ok(());
        };
        let host = self.host.as_ref().filter(|_| epoch == self.epoch);
        if host.is_some_and(|host| host.contains(session)) {
            let what = format!("was told that {session:?} is over, and it is not");
            return Err(broken(client, what));
        }
        if self.expiry.over.contains(&session) {
            self.seats[client].counts.expired += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(2);

    #[test]
    fn a_session_that_outlives_its_window_is_found_and_so_is_one_that_comes_back() {
        let mut host = Host::new(Vec::new(), 1, false, WINDOW);
        let session = host.link_opened(Time(0), false);
        let mut expiry = Expiry::default();
        expiry.lost(Time(0), session, 3);
        let in_time = Time(0).plus(WINDOW);
        assert_eq!(expiry.check(in_time, WINDOW, &host), Ok(()));
        let late = in_time.plus(SOON * 2);
        let found = expiry.check(late, WINDOW, &host);
        let text = found.expect_err("nobody has ended it").to_string();
        assert!(text.starts_with("client 3: ") && text.contains("outlives"));
        expiry.back(session, 3);
        let found = expiry.check(late, WINDOW, &host);
        let text = found.expect_err("it was over").to_string();
        assert!(text.contains("goes on after"), "{text}");
    }
}
