//! Watching identities: first what they are like now, then every change.

use tickwire_proto::frame::{FOLLOWED_MAX, PersonSeen, Presence, Refusal, ServerFrame, code};

use super::people::Entry;
use super::{Directory, Part, Person};
use crate::front::FrontInput;

/// Identities that one session may watch at once.
pub const FOLLOWS_MAX: usize = 256;

impl Directory {
    pub(super) fn follow(&mut self, part: Part, add: Vec<String>, remove: Vec<String>) {
        let Some(mine) = self.mine(part) else {
            return;
        };
        let namespace = mine.person.namespace.clone();
        let person = |identity: String| Person::new(namespace.clone(), identity);
        for person in remove.into_iter().map(person) {
            if let Some(mine) = self.mine_mut(part) {
                mine.follows.remove(&person);
            }
            self.unwatch(&person, part);
        }
        let followed = self.sessions.get(&part.session).into_iter().flatten();
        let mut count: usize = followed.map(|mine| mine.follows.len()).sum();
        let mut fresh = Vec::new();
        let mut refused = 0;
        for person in add.into_iter().map(person) {
            let known = self
                .mine(part)
                .is_some_and(|mine| mine.follows.contains(&person));
            if known {
                continue;
            }
            if count >= FOLLOWS_MAX {
                refused += 1;
                continue;
            }
            count += 1;
            if let Some(mine) = self.mine_mut(part) {
                mine.follows.insert(person.clone());
            }
            self.people
                .entry(person.clone())
                .or_default()
                .watchers
                .insert(part);
            fresh.push(person);
        }
        self.tell_states(part, &fresh);
        if refused > 0 {
            let message = format!(
                "a session follows at most {FOLLOWS_MAX} identities: {refused} are not followed. Give up others first"
            );
            let refusal = Refusal::new(code::LIMIT, message);
            self.tell_front(part.session, FrontInput::FollowRefused { part, refusal });
        }
    }

    /// What some identities are like now, for one who begins to watch them.
    fn tell_states(&mut self, part: Part, people: &[Person]) {
        for some in people.chunks(FOLLOWED_MAX) {
            let seen = some.iter().map(|person| {
                let entry = self.people.get(person);
                let (presence, status) = entry.map_or((Presence::Gone, ""), Entry::told);
                PersonSeen {
                    identity: &person.identity,
                    presence,
                    gone: entry.and_then(|entry| entry.gone_from(presence)),
                    status,
                }
            });
            let frame = ServerFrame::Followed {
                attachment: part.attachment,
                people: seen.collect(),
            }
            .encode();
            self.tell_front(
                part.session,
                FrontInput::ToParts {
                    parts: vec![part],
                    frame,
                },
            );
        }
    }

    /// Tells all who watch somebody what has changed, if anything has.
    pub(super) fn tell_watchers(&mut self, person: &Person) {
        let Some(entry) = self.people.get_mut(person) else {
            return;
        };
        let Some((presence, status)) = entry.news() else {
            return;
        };
        let gone = entry.gone_from(presence);
        let watchers: Vec<Part> = entry.watchers.iter().copied().collect();
        if watchers.is_empty() {
            return;
        }
        self.stats.changes += 1;
        self.tell_parts(&watchers, |attachment| {
            let seen = PersonSeen {
                identity: &person.identity,
                presence,
                gone,
                status: &status,
            };
            ServerFrame::Followed {
                attachment,
                people: vec![seen],
            }
            .encode()
        });
    }

    pub(super) fn unwatch(&mut self, person: &Person, part: Part) {
        if let Some(entry) = self.people.get_mut(person) {
            entry.watchers.remove(&part);
        }
        self.tidy(person);
    }

    pub(super) fn mine_mut(&mut self, part: Part) -> Option<&mut super::Mine> {
        let parts = self.sessions.get_mut(&part.session)?;
        parts.iter_mut().find(|mine| mine.part == part)
    }
}
