//! Sessions by identity: who is there, who is the newest, and what all of them together look like.

use std::collections::BTreeSet;

use tickwire_proto::frame::{LeaveReason, Presence, Refusal, code};

use super::{Directory, Mail, Mine, Part, Person};
use crate::front::FrontInput;

/// What an older session's client is told.
const REPLACED: &str = "this identity is signed in elsewhere now, and only once at a time";

/// Somebody, with all of its parts and its watchers.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub parts: Vec<Held>,
    pub watchers: BTreeSet<Part>,
    pub mail: Mail,
    /// What the watchers were told last.
    told: Option<(Presence, String)>,
    /// How the last of its parts ended, while somebody watches.
    pub gone: Option<LeaveReason>,
}

/// A part of somebody, from its claim or acceptance to its end.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub part: Part,
    pub stage: Stage,
    /// It has been accepted: the others see it.
    pub seen: bool,
    pub presence: Presence,
    pub status: String,
    /// The order of the last word.
    pub said: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits until the others are gone.
    Claims,
    /// They are; its front has been told.
    Granted,
    Accepted,
    /// Told to end.
    Ending,
}

impl Entry {
    pub fn accepted(&self) -> impl Iterator<Item = Part> {
        self.held().map(|held| held.part)
    }

    fn held(&self) -> impl Iterator<Item = &Held> {
        self.parts.iter().filter(|held| held.seen)
    }

    pub fn online(&self) -> impl Iterator<Item = Part> {
        let online =
            |held: &&Held| held.stage == Stage::Accepted && held.presence == Presence::Online;
        self.parts.iter().filter(online).map(|held| held.part)
    }

    pub fn is_there(&self) -> bool {
        self.held().next().is_some()
    }

    /// Online with any session, else away with any; the newest word that stands.
    pub fn seen(&self) -> (Presence, &str) {
        let online = self.held().any(|held| held.presence == Presence::Online);
        let presence = match (online, self.is_there()) {
            (true, _) => Presence::Online,
            (false, true) => Presence::Away,
            (false, false) => Presence::Gone,
        };
        let words = self.held().filter(|held| !held.status.is_empty());
        let newest = words.max_by_key(|held| held.said);
        (presence, newest.map_or("", |held| held.status.as_str()))
    }

    /// What the watchers are to be told, if it is news.
    pub fn news(&mut self) -> Option<(Presence, String)> {
        // One that gives way to another is not gone.
        let changes_over = |held: &Held| matches!(held.stage, Stage::Claims | Stage::Granted);
        if self.parts.iter().any(changes_over) {
            return None;
        }
        let (presence, status) = self.seen();
        if self.told() == (presence, status) {
            return None;
        }
        let news = (presence, status.to_owned());
        self.told = Some(news.clone());
        Some(news)
    }

    /// What its watchers know.
    pub fn told(&self) -> (Presence, &str) {
        let told = self.told.as_ref();
        told.map_or((Presence::Gone, ""), |(presence, status)| {
            (*presence, status)
        })
    }

    /// Why it is gone, if that is what it is said to be.
    pub fn gone_from(&self, presence: Presence) -> Option<LeaveReason> {
        self.gone.filter(|_| presence == Presence::Gone)
    }

    fn get_mut(&mut self, part: Part) -> Option<&mut Held> {
        self.parts.iter_mut().find(|held| held.part == part)
    }
}

impl Directory {
    /// The newest wins: all others are told to end, and when they have, it is accepted. One that still waits itself is refused.
    pub(super) fn claim(&mut self, part: Part, person: Person) {
        self.hold(part, &person, Stage::Claims);
        let Some(entry) = self.people.get_mut(&person) else {
            return;
        };
        let mut older = Vec::new();
        for held in &mut entry.parts {
            if held.part != part && held.stage != Stage::Ending {
                older.push((held.part, held.stage));
                held.stage = Stage::Ending;
            }
        }
        for (part, stage) in older {
            self.stats.replaced += 1;
            let (session, attachment) = (part.session, part.attachment);
            if stage == Stage::Claims {
                // It is nobody yet: its front only has to refuse it.
                self.remove(part);
                let answer = Err(Refusal::new(code::REPLACED, REPLACED));
                let input = FrontInput::AuthDone {
                    session,
                    attachment,
                    answer: Box::new(answer),
                };
                self.tell_front(session, input);
            } else {
                let message = REPLACED.to_owned();
                self.tell_front(session, FrontInput::Replaced { part, message });
            }
        }
        self.grant(&person);
    }

    /// Accepts the claim that waits, if nobody else is left.
    fn grant(&mut self, person: &Person) {
        let entry = self.people.get_mut(person);
        let alone = entry.and_then(|entry| match &mut entry.parts[..] {
            [held] if held.stage == Stage::Claims => {
                held.stage = Stage::Granted;
                Some(held.part)
            }
            _ => None,
        });
        if let Some(part) = alone {
            self.tell_front(part.session, FrontInput::Claimed { part });
        }
    }

    pub(super) fn attached(&mut self, part: Part, person: Person) {
        self.hold(part, &person, Stage::Accepted);
        self.tell_watchers(&person);
        self.ask_for_mail(&person);
    }

    fn hold(&mut self, part: Part, person: &Person, stage: Stage) {
        let said = self.tick();
        let entry = self.people.entry(person.clone()).or_default();
        match entry.get_mut(part) {
            // Whoever was told to end ends, accepted or not.
            Some(held) => {
                held.seen |= stage == Stage::Accepted;
                if held.stage != Stage::Ending {
                    held.stage = stage;
                }
            }
            None => entry.parts.push(Held {
                part,
                stage,
                seen: stage == Stage::Accepted,
                presence: Presence::Online,
                status: String::new(),
                said,
            }),
        }
        let parts = self.sessions.entry(part.session).or_default();
        if parts.iter().all(|mine| mine.part != part) {
            parts.push(Mine {
                part,
                person: person.clone(),
                follows: BTreeSet::new(),
                receipts_unknown: 0,
            });
        }
    }

    pub(super) fn detached(&mut self, part: Part, reason: LeaveReason) {
        let Some(person) = self.mine(part).map(|mine| mine.person.clone()) else {
            return;
        };
        self.remove(part);
        if let Some(entry) = self.people.get_mut(&person) {
            entry.gone = Some(reason);
        }
        self.tell_watchers(&person);
        self.mail_comes_back(&person, part);
        self.grant(&person);
        self.tidy(&person);
    }

    /// Forgets a part, and what it followed.
    fn remove(&mut self, part: Part) {
        let Some(parts) = self.sessions.get_mut(&part.session) else {
            return;
        };
        let Some(at) = parts.iter().position(|mine| mine.part == part) else {
            return;
        };
        let mine = parts.swap_remove(at);
        if parts.is_empty() {
            self.sessions.remove(&part.session);
        }
        for followed in &mine.follows {
            self.unwatch(followed, part);
        }
        if let Some(entry) = self.people.get_mut(&mine.person) {
            entry.parts.retain(|held| held.part != part);
        }
    }

    /// Nobody needs what is known of somebody who is neither there nor watched.
    pub(super) fn tidy(&mut self, person: &Person) {
        let idle = |entry: &Entry| entry.parts.is_empty() && entry.watchers.is_empty();
        if self.people.get(person).is_some_and(idle) {
            self.people.remove(person);
        }
    }

    pub(super) fn presence(&mut self, session: crate::SessionKey, presence: Presence) {
        let mine = self.sessions.get(&session).into_iter().flatten();
        let mine: Vec<(Part, Person)> = mine.map(|mine| (mine.part, mine.person.clone())).collect();
        for (part, person) in mine {
            if let Some(held) = self
                .people
                .get_mut(&person)
                .and_then(|entry| entry.get_mut(part))
            {
                held.presence = presence;
            }
            self.tell_watchers(&person);
            self.bring_mail(&person);
        }
    }

    pub(super) fn status(&mut self, part: Part, status: String) {
        let said = self.tick();
        let Some(person) = self.mine(part).map(|mine| mine.person.clone()) else {
            return;
        };
        if let Some(held) = self
            .people
            .get_mut(&person)
            .and_then(|entry| entry.get_mut(part))
        {
            held.status = status;
            held.said = said;
        }
        self.tell_watchers(&person);
    }
}
