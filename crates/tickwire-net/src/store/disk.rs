//! Notices on disk: one file of an embedded database (redb), each batch one durable transaction.

use std::fmt;
use std::path::{Path, PathBuf};

use redb::{Database, ReadableTable, Table, TableDefinition};
use tickwire_server::{KEPT_MAX, KeptNotice, Notice, Person, Store, StoreAnswer, StoreJob};

/// Namespace, identity, cursor: kind, payload.
const NOTICES: TableDefinition<'_, (&str, &str, u64), (&str, &[u8])> =
    TableDefinition::new("notices");
/// Namespace, identity: the last cursor given, and how many notices are kept.
const HEADS: TableDefinition<'_, (&str, &str), (u64, u64)> = TableDefinition::new("heads");
/// Memory for pages that were read.
const CACHE: usize = 8 * 1024 * 1024;

/// Keeps notices in a file, `notices.redb` in a folder. One process at a time has it.
pub struct DiskStore {
    database: Database,
    path: PathBuf,
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl DiskStore {
    /// The store in this folder, which is made if it is not there.
    ///
    /// # Errors
    /// With a text for people: the folder cannot be written, another process has the store, the file is no store.
    pub fn open(folder: &Path) -> Result<DiskStore, String> {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        let path = folder.join("notices.redb");
        let said = |error: redb::Error| format!("{}: {error}", path.display());
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE);
        let database = builder.create(&path).map_err(|error| said(error.into()))?;
        let tables = || -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            transaction.open_table(NOTICES)?;
            transaction.open_table(HEADS)?;
            Ok(transaction.commit()?)
        };
        tables().map_err(said)?;
        Ok(DiskStore { database, path })
    }

    fn try_run(&mut self, batch: &[StoreJob]) -> Result<Vec<StoreAnswer>, redb::Error> {
        let transaction = self.database.begin_write()?;
        let mut answers = Vec::with_capacity(batch.len());
        let mut changes = false;
        {
            let mut tables = Tables {
                notices: transaction.open_table(NOTICES)?,
                heads: transaction.open_table(HEADS)?,
            };
            for job in batch {
                changes |= !matches!(job, StoreJob::Load { .. });
                answers.push(tables.one(job)?);
            }
        }
        if changes {
            transaction.commit()?;
        } else {
            transaction.abort()?;
        }
        Ok(answers)
    }
}

impl Store for DiskStore {
    fn run(&mut self, batch: &[StoreJob]) -> Result<Vec<StoreAnswer>, String> {
        self.try_run(batch)
            .map_err(|error| format!("{}: {error}", self.path.display()))
    }
}

struct Tables<'t> {
    notices: Table<'t, (&'static str, &'static str, u64), (&'static str, &'static [u8])>,
    heads: Table<'t, (&'static str, &'static str), (u64, u64)>,
}

impl Tables<'_> {
    fn one(&mut self, job: &StoreJob) -> Result<StoreAnswer, redb::Error> {
        match job {
            StoreJob::Keep {
                ticket,
                person,
                notice,
            } => self.keep(*ticket, person, notice),
            StoreJob::Load {
                ticket,
                person,
                after,
                limit,
            } => {
                let (notices, more) = self.load(person, *after, *limit)?;
                Ok(StoreAnswer::Loaded {
                    ticket: *ticket,
                    person: person.clone(),
                    notices,
                    more,
                })
            }
            StoreJob::Done { person, cursors } => self.done(person, cursors),
        }
    }

    fn head(&self, person: &Person) -> Result<(u64, u64), redb::Error> {
        let head = self.heads.get((&*person.namespace, &*person.identity))?;
        Ok(head.map_or((0, 0), |head| head.value()))
    }

    fn set_head(&mut self, person: &Person, head: (u64, u64)) -> Result<(), redb::Error> {
        self.heads
            .insert((&*person.namespace, &*person.identity), head)?;
        Ok(())
    }

    fn keep(
        &mut self,
        ticket: u64,
        person: &Person,
        notice: &Notice,
    ) -> Result<StoreAnswer, redb::Error> {
        let (last, mut count) = self.head(person)?;
        let full = count >= KEPT_MAX as u64;
        let dropped = if full {
            self.drop_oldest(person)?
        } else {
            None
        };
        count -= u64::from(dropped.is_some());
        let cursor = last + 1;
        let key = (&*person.namespace, &*person.identity, cursor);
        self.notices
            .insert(key, (notice.kind.as_str(), &notice.payload[..]))?;
        self.set_head(person, (cursor, count + 1))?;
        Ok(StoreAnswer::Kept {
            ticket,
            person: person.clone(),
            kept: KeptNotice {
                cursor,
                notice: notice.clone(),
            },
            dropped,
        })
    }

    fn drop_oldest(&mut self, person: &Person) -> Result<Option<u64>, redb::Error> {
        let (namespace, identity) = (&*person.namespace, &*person.identity);
        let all = (namespace, identity, 0)..=(namespace, identity, u64::MAX);
        let first = self.notices.range(all)?.next().transpose()?;
        let Some(cursor) = first.map(|(key, _)| key.value().2) else {
            return Ok(None);
        };
        self.notices.remove((namespace, identity, cursor))?;
        Ok(Some(cursor))
    }

    fn load(
        &self,
        person: &Person,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<KeptNotice>, bool), redb::Error> {
        let (namespace, identity) = (&*person.namespace, &*person.identity);
        let first = (namespace, identity, after.saturating_add(1));
        let mut beyond = self
            .notices
            .range(first..=(namespace, identity, u64::MAX))?;
        let mut notices = Vec::new();
        for entry in beyond.by_ref().take(limit) {
            let (key, value) = entry?;
            let (kind, payload) = value.value();
            notices.push(KeptNotice {
                cursor: key.value().2,
                notice: Notice {
                    kind: kind.to_owned(),
                    payload: payload.to_vec().into(),
                },
            });
        }
        let more = beyond.next().transpose()?.is_some();
        Ok((notices, more))
    }

    /// The last cursor stays, so that none is used again.
    fn done(&mut self, person: &Person, cursors: &[u64]) -> Result<StoreAnswer, redb::Error> {
        let (last, mut count) = self.head(person)?;
        for cursor in cursors {
            let key = (&*person.namespace, &*person.identity, *cursor);
            let there = self.notices.remove(key)?.is_some();
            count = count.saturating_sub(u64::from(there));
        }
        self.set_head(person, (last, count))?;
        Ok(StoreAnswer::Done)
    }
}
