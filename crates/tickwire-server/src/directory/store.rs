//! What keeps notices until they are acknowledged: the interface, and a store in memory. One on disk is `tickwire-net`'s.

use std::collections::BTreeMap;

use super::io::{Notice, Person};

/// Notices kept for one identity at most: for one more the oldest is dropped, and counted.
pub const KEPT_MAX: usize = 1_024;

/// A notice that is kept. Cursors of an identity grow, and none is used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptNotice {
    /// Its number among the identity's.
    pub cursor: u64,
    /// What it says.
    pub notice: Notice,
}

/// Something for a store to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreJob {
    /// Keep a notice: durable when it is answered.
    Keep {
        /// For the answer.
        ticket: u64,
        /// To whom.
        person: Person,
        /// What.
        notice: Notice,
    },
    /// Tell the first `limit` notices of an identity with cursors beyond `after`.
    Load {
        /// For the answer.
        ticket: u64,
        /// Whose.
        person: Person,
        /// Beyond this one.
        after: u64,
        /// At most so many.
        limit: usize,
    },
    /// Forget notices: they were acknowledged.
    Done {
        /// Whose.
        person: Person,
        /// Which.
        cursors: Vec<u64>,
    },
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreAnswer {
    /// It is kept, by this cursor.
    Kept {
        /// Of the job.
        ticket: u64,
        /// Of the job.
        person: Person,
        /// The notice with its cursor.
        kept: KeptNotice,
        /// The cursor of the oldest, where that had to make room: [`KEPT_MAX`] notices were kept already.
        dropped: Option<u64>,
    },
    /// The notices that were asked for, by cursor.
    Loaded {
        /// Of the job.
        ticket: u64,
        /// Of the job.
        person: Person,
        /// The notices.
        notices: Vec<KeptNotice>,
        /// Whether there are more beyond them.
        more: bool,
    },
    /// They are forgotten.
    Done,
    /// The store could not do it.
    Failed {
        /// What.
        job: StoreJob,
        /// Why, for the log and whoever asked.
        error: String,
    },
}

/// What keeps notices: on disk, in memory, or in a database that several servers share.
///
/// It is called on a thread of its own, one batch at a time, and may block. All jobs of a batch are done in their order and are durable when it
/// returns; where it fails, none of them is done.
pub trait Store: Send {
    /// Does all jobs, and answers each, in their order.
    ///
    /// # Errors
    /// With a text for people, where nothing of the batch was done.
    fn run(&mut self, batch: &[StoreJob]) -> Result<Vec<StoreAnswer>, String>;
}

/// Keeps notices in memory: for tests, for the lab, and for servers that do not mind losing them at a restart.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    people: BTreeMap<Person, Shelf>,
}

#[derive(Clone, Debug, Default)]
struct Shelf {
    last: u64,
    notices: BTreeMap<u64, Notice>,
}

impl Store for MemoryStore {
    fn run(&mut self, batch: &[StoreJob]) -> Result<Vec<StoreAnswer>, String> {
        Ok(batch.iter().map(|job| self.one(job)).collect())
    }
}

impl MemoryStore {
    fn one(&mut self, job: &StoreJob) -> StoreAnswer {
        match job {
            StoreJob::Keep {
                ticket,
                person,
                notice,
            } => {
                let shelf = self.people.entry(person.clone()).or_default();
                let full = shelf.notices.len() >= KEPT_MAX;
                let oldest = full.then(|| shelf.notices.pop_first()).flatten();
                shelf.last += 1;
                shelf.notices.insert(shelf.last, notice.clone());
                StoreAnswer::Kept {
                    ticket: *ticket,
                    person: person.clone(),
                    kept: KeptNotice {
                        cursor: shelf.last,
                        notice: notice.clone(),
                    },
                    dropped: oldest.map(|(cursor, _)| cursor),
                }
            }
            StoreJob::Load {
                ticket,
                person,
                after,
                limit,
            } => {
                let shelf = self.people.get(person);
                let beyond = shelf
                    .into_iter()
                    .flat_map(|shelf| shelf.notices.range(after.saturating_add(1)..));
                let mut notices: Vec<KeptNotice> = beyond
                    .take(limit + 1)
                    .map(|(cursor, notice)| KeptNotice {
                        cursor: *cursor,
                        notice: notice.clone(),
                    })
                    .collect();
                let more = notices.len() > *limit;
                notices.truncate(*limit);
                StoreAnswer::Loaded {
                    ticket: *ticket,
                    person: person.clone(),
                    notices,
                    more,
                }
            }
            StoreJob::Done { person, cursors } => {
                if let Some(shelf) = self.people.get_mut(person) {
                    cursors.iter().for_each(|cursor| {
                        shelf.notices.remove(cursor);
                    });
                }
                StoreAnswer::Done
            }
        }
    }
}
