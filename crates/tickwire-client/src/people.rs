//! Identities that one follows, and notices to one's own: asked for again in a new session, and each kept notice told once.

use litemap::LiteMap;
use tickwire_proto::frame::{CURSORS_MAX, FOLLOWED_MAX, PersonSeenOwned, Presence};

use crate::client::{Client, Stage};
use crate::event::{ClientEvent, NamespaceKey};
use crate::namespaces::{Step, Within};

/// Cursors of notices that are done with, kept so that one that comes again is not told again.
const DONE_MAX: usize = 1_024;

/// What is followed in one namespace, and what has been told.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// Whom one follows, and what is known of them.
    followed: LiteMap<String, Option<PersonSeenOwned>>,
    add: LiteMap<String, ()>,
    remove: LiteMap<String, ()>,
    /// Whose notices these are.
    identity: String,
    /// Kept notices that were told and are not done with.
    open: LiteMap<u64, ()>,
    /// The newest of those that are.
    done: LiteMap<u64, ()>,
    /// Receipts that are to be sent.
    receipts: Vec<u64>,
}

impl People {
    /// A session is lost: the next one knows nothing of it, all are to be followed again, and what they are like is not known until then.
    pub(crate) fn lost(&mut self) {
        self.add.clear();
        for identity in self.followed.keys() {
            self.add.insert(identity.clone(), ());
        }
        self.remove.clear();
        self.receipts.clear();
        let known = self
            .followed
            .iter_mut()
            .filter_map(|(_, seen)| seen.as_mut());
        known.for_each(|seen| (seen.presence, seen.gone) = (Presence::Gone, None));
    }

    /// Who one is: notices to somebody else say nothing of those.
    pub(crate) fn are_of(&mut self, identity: &str) {
        if self.identity != identity {
            self.identity = identity.to_owned();
            self.open.clear();
            self.done.clear();
        }
    }

    fn follow(&mut self, identity: &str) {
        if !self.followed.contains_key(identity) {
            self.followed.insert(identity.to_owned(), None);
            self.remove.remove(identity);
            self.add.insert(identity.to_owned(), ());
        }
    }

    fn unfollow(&mut self, identity: &str) {
        if self.followed.remove(identity).is_some() && self.add.remove(identity).is_none() {
            self.remove.insert(identity.to_owned(), ());
        }
    }

    fn acknowledge(&mut self, cursor: u64) {
        self.open.remove(&cursor);
        self.done.insert(cursor, ());
        if self.done.len() > DONE_MAX {
            let oldest = self.done.first().map(|(cursor, ())| *cursor);
            oldest.map(|oldest| self.done.remove(&oldest));
        }
        self.receipts.push(cursor);
    }

    /// Whether the user is to be told. A kept notice comes again where its session ended before the receipt came: it is told once all the same.
    fn is_news(&mut self, cursor: u64) -> bool {
        if self.done.contains_key(&cursor) {
            self.acknowledge(cursor);
            return false;
        }
        cursor == 0 || self.open.insert(cursor, ()).is_none() // else told, and not done with
    }

    fn waits(&self) -> bool {
        !(self.add.is_empty() && self.remove.is_empty() && self.receipts.is_empty())
    }
}

impl Within<'_> {
    /// Watches somebody by its identity, wherever it is on the server: [`ClientEvent::Person`] tells what it is like now, then every change. In a
    /// new session it is asked for again by itself. At most 256 in all: one more is [`ClientEvent::FollowRefused`].
    pub fn follow(&mut self, identity: &str) {
        if let Some(people) = self.people() {
            people.follow(identity);
        }
    }

    /// Watches somebody no more.
    pub fn unfollow(&mut self, identity: &str) {
        if let Some(people) = self.people() {
            people.unfollow(identity);
        }
    }

    /// A kept notice is done with: it comes to no session again.
    pub fn notice_done(&mut self, cursor: u64) {
        let open = |people: &&mut People| people.open.contains_key(&cursor);
        if let Some(people) = self.people().filter(open) {
            people.acknowledge(cursor);
        }
    }

    /// A kept notice was told, and could not be taken: it comes again in a later session.
    pub fn notice_failed(&mut self, cursor: u64) {
        if let Some(people) = self.people() {
            people.open.remove(&cursor);
        }
    }

    fn people(&mut self) -> Option<&mut People> {
        let wanted = self.client.namespaces.get_mut(&self.namespace.0)?;
        Some(&mut wanted.people)
    }
}

impl Client {
    /// Watches somebody of the main namespace: see [`Within::follow`].
    pub fn follow(&mut self, identity: &str) {
        self.within(NamespaceKey::MAIN).follow(identity);
    }

    /// Watches somebody no more.
    pub fn unfollow(&mut self, identity: &str) {
        self.within(NamespaceKey::MAIN).unfollow(identity);
    }

    /// What is known of somebody whom one follows there: `None` before the first answer.
    pub fn person(&self, namespace: NamespaceKey, identity: &str) -> Option<&PersonSeenOwned> {
        let wanted = self.namespaces.get(&namespace.0)?;
        wanted.people.followed.get(identity)?.as_ref()
    }

    /// A kept notice in the main namespace is done with: it comes to no session again.
    pub fn notice_done(&mut self, cursor: u64) {
        self.within(NamespaceKey::MAIN).notice_done(cursor);
    }

    /// A kept notice was told, and could not be taken: it comes again in a later session.
    pub fn notice_failed(&mut self, cursor: u64) {
        self.within(NamespaceKey::MAIN).notice_failed(cursor);
    }

    /// Says what waits to be said.
    pub(crate) fn say_people(&mut self) {
        if self.stage != Stage::Attached {
            return;
        }
        for (attachment, wanted) in &mut self.namespaces {
            let people = &mut wanted.people;
            if wanted.step != Step::In || !people.waits() {
                continue;
            }
            let add = std::mem::take(&mut people.add);
            let remove = std::mem::take(&mut people.remove);
            let add: Vec<&str> = add.keys().map(String::as_str).collect();
            let remove: Vec<&str> = remove.keys().map(String::as_str).collect();
            for some in remove.chunks(FOLLOWED_MAX) {
                self.session.follow(*attachment, &[], some);
            }
            for some in add.chunks(FOLLOWED_MAX) {
                self.session.follow(*attachment, some, &[]);
            }
            let receipts = std::mem::take(&mut people.receipts);
            for some in receipts.chunks(CURSORS_MAX) {
                self.session.notices_done(*attachment, some);
            }
        }
    }

    pub(crate) fn followed(&mut self, namespace: NamespaceKey, people: Vec<PersonSeenOwned>) {
        for seen in people {
            let wanted = self.namespaces.get_mut(&namespace.0);
            let known = wanted.and_then(|it| it.people.followed.get_mut(&seen.identity));
            let Some(known) = known else {
                continue; // not any more
            };
            *known = Some(seen.clone());
            let PersonSeenOwned {
                identity,
                presence,
                gone,
                status,
            } = seen;
            self.event(ClientEvent::Person {
                namespace,
                identity,
                presence,
                gone,
                status,
            });
        }
    }

    pub(crate) fn notice(
        &mut self,
        namespace: NamespaceKey,
        cursor: u64,
        kind: String,
        payload: bytes::Bytes,
    ) {
        let wanted = self.namespaces.get_mut(&namespace.0);
        if wanted.is_some_and(|it| it.people.is_news(cursor)) {
            self.event(ClientEvent::Notice {
                namespace,
                cursor: (cursor != 0).then_some(cursor),
                kind,
                payload,
            });
        }
    }
}
