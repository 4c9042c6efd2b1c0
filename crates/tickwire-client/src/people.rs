//! Identities that one follows, and notices to one's own: asked for again in a new session, and each kept notice told once.

use std::collections::{BTreeMap, BTreeSet};

use tickwire_proto::frame::{CURSORS_MAX, FOLLOWED_MAX, PersonSeenOwned, Presence};

use crate::client::{ATTACHMENT, Client, Stage};
use crate::event::ClientEvent;

/// Cursors of notices that are done with, kept so that one that comes again is not told again.
const DONE_MAX: usize = 1_024;

/// What is followed, and what has been told.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// Whom one follows, and what is known of them.
    followed: BTreeMap<String, Option<PersonSeenOwned>>,
    add: BTreeSet<String>,
    remove: BTreeSet<String>,
    /// Whose notices these are.
    identity: String,
    /// Kept notices that were told and are not done with.
    open: BTreeSet<u64>,
    /// The newest of those that are.
    done: BTreeSet<u64>,
    /// Receipts that are to be sent.
    receipts: Vec<u64>,
}

impl People {
    /// A session begins that knows nothing of it: all are to be followed again.
    pub(crate) fn begin_anew(&mut self) {
        self.add = self.followed.keys().cloned().collect();
        self.remove.clear();
        self.receipts.clear();
    }

    fn acknowledge(&mut self, cursor: u64) {
        self.open.remove(&cursor);
        self.done.insert(cursor);
        if self.done.len() > DONE_MAX {
            self.done.pop_first();
        }
        self.receipts.push(cursor);
    }
}

impl Client {
    /// Watches somebody by its identity, wherever it is on the server: [`ClientEvent::Person`] tells what it is like now, then every change. In a
    /// new session it is asked for again by itself.
    pub fn follow(&mut self, identity: &str) {
        if !self.people.followed.contains_key(identity) {
            self.people.followed.insert(identity.to_owned(), None);
            self.people.remove.remove(identity);
            self.people.add.insert(identity.to_owned());
        }
    }

    /// Watches somebody no more.
    pub fn unfollow(&mut self, identity: &str) {
        if self.people.followed.remove(identity).is_some() && !self.people.add.remove(identity) {
            self.people.remove.insert(identity.to_owned());
        }
    }

    /// What is known of somebody whom one follows: `None` before the first answer.
    pub fn person(&self, identity: &str) -> Option<&PersonSeenOwned> {
        self.people.followed.get(identity)?.as_ref()
    }

    /// A kept notice is done with: it comes to no session again.
    pub fn notice_done(&mut self, cursor: u64) {
        if self.people.open.contains(&cursor) {
            self.people.acknowledge(cursor);
        }
    }

    /// A kept notice was told, and could not be taken: it comes again in a later session.
    pub fn notice_failed(&mut self, cursor: u64) {
        self.people.open.remove(&cursor);
    }

    /// Says what waits to be said.
    pub(crate) fn say_people(&mut self) {
        if self.stage != Stage::Attached {
            return;
        }
        let (add, remove) = (
            std::mem::take(&mut self.people.add),
            std::mem::take(&mut self.people.remove),
        );
        let (add, remove): (Vec<&str>, Vec<&str>) = (
            add.iter().map(String::as_str).collect(),
            remove.iter().map(String::as_str).collect(),
        );
        for some in remove.chunks(FOLLOWED_MAX) {
            self.session.follow(ATTACHMENT, &[], some);
        }
        for some in add.chunks(FOLLOWED_MAX) {
            self.session.follow(ATTACHMENT, some, &[]);
        }
        let receipts = std::mem::take(&mut self.people.receipts);
        for some in receipts.chunks(CURSORS_MAX) {
            self.session.notices_done(ATTACHMENT, some);
        }
    }

    pub(crate) fn followed(&mut self, people: Vec<PersonSeenOwned>) {
        for seen in people {
            if let Some(known) = self.people.followed.get_mut(&seen.identity) {
                *known = Some(seen.clone());
                let PersonSeenOwned {
                    identity,
                    presence,
                    status,
                } = seen;
                self.event(ClientEvent::Person {
                    identity,
                    presence,
                    status,
                });
            }
        }
    }

    /// What is followed is not known for as long as the session is lost.
    pub(crate) fn people_lost(&mut self) {
        self.people.begin_anew();
        let known = self.people.followed.values_mut().flatten();
        known.for_each(|seen| seen.presence = Presence::Gone);
    }

    pub(crate) fn people_of(&mut self, identity: &str) {
        if self.people.identity != identity {
            self.people.identity = identity.to_owned();
            self.people.open.clear();
            self.people.done.clear();
        }
    }

    /// A kept notice comes again where its session ended before the receipt came: it is told once all the same.
    pub(crate) fn notice(&mut self, cursor: u64, kind: String, payload: bytes::Bytes) {
        if self.people.done.contains(&cursor) {
            return self.people.acknowledge(cursor);
        }
        if cursor != 0 && !self.people.open.insert(cursor) {
            return; // told, and not done with
        }
        self.event(ClientEvent::Notice {
            cursor: (cursor != 0).then_some(cursor),
            kind,
            payload,
        });
    }
}
