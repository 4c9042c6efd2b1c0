//! The directory: who is on the server, by identity, across all io shards. It decides which session of an identity stays where only one may, tells
//! watchers of presence and status, and brings notices. One owner, so that two at once have one winner. No clock, no store of its own.

mod follow;
mod io;
mod mail;
mod people;
mod store;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tickwire_proto::Time;
use tickwire_proto::frame::Presence;

pub use follow::FOLLOWS_MAX;
pub use io::{DirectoryInput, DirectoryOutput, Notice, Part, Person};
pub use mail::{LOADED_MAX, NOTICES_OUT_MAX, RECEIPTS_UNKNOWN_MAX};
pub use store::{KEPT_MAX, KeptNotice, MemoryStore, Store, StoreAnswer, StoreJob};

use crate::front::FrontInput;
use crate::key::SessionKey;
use mail::Mail;
use people::Entry;

/// After a store that failed to tell an identity's notices it is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// What a directory counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectoryStats {
    /// Identities that are there, with any session.
    pub people: u64,
    /// Who watches whom: the number of pairs.
    pub follows: u64,
    /// Sessions that gave way to a newer one of their identity.
    pub replaced: u64,
    /// Changes of presence and status told to watchers, each once however many hear it.
    pub changes: u64,
    /// Live notices that reached at least one session.
    pub notices_live: u64,
    /// Live notices for identities of which nobody was online.
    pub notices_unheard: u64,
    /// Notices kept.
    pub notices_kept: u64,
    /// Kept notices that made room for newer ones of the same identity.
    pub notices_dropped: u64,
    /// Notices that are too long, or that the store could not keep.
    pub notices_refused: u64,
    /// Kept notices given to a session.
    pub notices_out: u64,
    /// Kept notices acknowledged.
    pub notices_done: u64,
    /// Acknowledgements of notices that the session had not been given, or not any more.
    pub receipts_unknown: u64,
    /// Jobs that the store could not do.
    pub store_failures: u64,
}

/// Who is on the server, by identity.
///
/// ```
/// use tickwire_proto::{Time, frame::LeaveReason};
/// use tickwire_server::{Directory, DirectoryInput, DirectoryOutput, FrontInput, Part, Person, SessionKey};
///
/// let mut directory = Directory::default();
/// let ann = Person::new("/", "ann");
/// let part = |session| Part { session: SessionKey(session), attachment: 0, serial: 1 };
/// directory.handle(Time(0), DirectoryInput::Attached { part: part(1), person: ann.clone() });
/// while directory.poll().is_some() {}
/// directory.handle(Time(0), DirectoryInput::Claim { part: part(2), person: ann.clone() });
/// let told = directory.poll();
/// assert!(matches!(told, Some(DirectoryOutput::ToFront { input: FrontInput::Replaced { .. }, .. })), "the older one goes first");
/// directory.handle(Time(0), DirectoryInput::Gone { session: SessionKey(1), reason: LeaveReason::Kicked });
/// let told = directory.poll();
/// assert!(matches!(told, Some(DirectoryOutput::ToFront { input: FrontInput::Claimed { .. }, .. })));
/// ```
#[derive(Debug, Default)]
pub struct Directory {
    people: BTreeMap<Person, Entry>,
    sessions: BTreeMap<SessionKey, Vec<Mine>>,
    /// Whose notices are to be asked for again, and when.
    retries: BTreeSet<(Time, Person)>,
    /// The order of words, attachments and claims.
    clock: u64,
    outputs: VecDeque<DirectoryOutput>,
    stats: DirectoryStats,
}

/// What is known of one part of a session.
#[derive(Debug)]
struct Mine {
    part: Part,
    person: Person,
    follows: BTreeSet<Person>,
    /// Acknowledgements of what it was never given.
    receipts_unknown: usize,
}

impl Directory {
    /// Takes an input. What is about nobody here is forgotten.
    pub fn handle(&mut self, now: Time, input: DirectoryInput) {
        match input {
            DirectoryInput::Claim { part, person } => self.claim(part, person),
            DirectoryInput::Attached { part, person } => self.attached(part, person),
            DirectoryInput::Detached { part, reason } => self.detached(part, reason),
            DirectoryInput::Presence { session, presence } => self.presence(session, presence),
            DirectoryInput::Status { part, status } => self.status(part, status),
            DirectoryInput::Gone { session, reason } => {
                let parts = self.sessions.get(&session).into_iter().flatten();
                let parts: Vec<Part> = parts.map(|mine| mine.part).collect();
                parts
                    .into_iter()
                    .for_each(|part| self.detached(part, reason));
            }
            DirectoryInput::Follow { part, add, remove } => self.follow(part, add, remove),
            DirectoryInput::NoticesDone { part, cursors } => self.notices_done(part, &cursors),
            DirectoryInput::Notify { person, notice } => self.notify(&person, &notice),
            DirectoryInput::Keep {
                ticket,
                person,
                notice,
            } => self.keep(ticket, person, notice),
            DirectoryInput::Stored(answer) => self.stored(now, *answer),
        }
    }

    /// The next thing that the directory tells, in order.
    pub fn poll(&mut self) -> Option<DirectoryOutput> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        self.retries.first().map(|(at, _)| *at)
    }

    /// Time passed: a store that failed is asked again.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some((at, person)) = self.retries.pop_first() {
            if at > now {
                self.retries.insert((at, person));
                return;
            }
            self.ask_for_mail(&person);
        }
    }

    /// What is known of somebody, as a watcher is told it; its sessions that are accepted.
    #[must_use]
    pub fn look_up(&self, person: &Person) -> (Presence, String, Vec<SessionKey>) {
        let Some(entry) = self.people.get(person) else {
            return (Presence::Gone, String::new(), Vec::new());
        };
        let (presence, status) = entry.seen();
        (
            presence,
            status.to_owned(),
            entry.accepted().map(|part| part.session).collect(),
        )
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> DirectoryStats {
        let follows = self.sessions.values().flatten();
        DirectoryStats {
            people: self
                .people
                .values()
                .filter(|entry| entry.is_there())
                .count() as u64,
            follows: follows.map(|mine| mine.follows.len() as u64).sum(),
            ..self.stats
        }
    }

    fn mine(&self, part: Part) -> Option<&Mine> {
        self.sessions
            .get(&part.session)?
            .iter()
            .find(|mine| mine.part == part)
    }

    fn tell_front(&mut self, session: SessionKey, input: FrontInput) {
        self.outputs.push_back(DirectoryOutput::ToFront {
            shard: session.shard(),
            input,
        });
    }

    /// One frame for some of the parts: encoded once for each number of an attachment, and told once to each front.
    fn tell_parts(&mut self, parts: &[Part], frame: impl Fn(u8) -> bytes::Bytes) {
        let mut groups: BTreeMap<(u16, u8), Vec<Part>> = BTreeMap::new();
        for part in parts {
            let group = (part.session.shard(), part.attachment);
            groups.entry(group).or_default().push(*part);
        }
        let mut frames: BTreeMap<u8, bytes::Bytes> = BTreeMap::new();
        for ((shard, attachment), parts) in groups {
            let frame = frames
                .entry(attachment)
                .or_insert_with(|| frame(attachment));
            let frame = frame.clone();
            self.outputs.push_back(DirectoryOutput::ToFront {
                shard,
                input: FrontInput::ToParts { parts, frame },
            });
        }
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}
