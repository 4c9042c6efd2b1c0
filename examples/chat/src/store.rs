//! What the chat keeps on disk: who may sign in, what was said, and the secret that tokens are signed with.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use tickwire::prelude::*;

/// Lines of a room that are kept: the oldest go.
pub const LINES_MAX: u32 = 10_000;

/// By the name in small letters: the name as it is shown, and the hash of the password.
const USERS: TableDefinition<'_, &str, (&str, &str)> = TableDefinition::new("users");
/// By room and number: a line as JSON.
const LINES: TableDefinition<'_, (&str, u32), &[u8]> = TableDefinition::new("lines");
const SECRETS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("secrets");

/// Something that was said in a room.
#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Line {
    /// Its number in the room, from 1.
    pub id: u32,
    #[net(max = 24)]
    pub by: String,
    #[net(max = 2_000)]
    pub text: String,
    /// When, in seconds since 1970.
    pub at: u32,
}

/// One file. Whoever calls it may wait for the disk.
pub struct Store(Database);

impl Store {
    /// Opens it in a folder, which is made if it is not there. The error is a text for people.
    pub fn open(folder: &Path) -> Result<Store, String> {
        let path = folder.join("chat.redb");
        let told = |error: redb::Error| format!("{}: {error}", path.display());
        std::fs::create_dir_all(folder).map_err(|error| told(error.into()))?;
        let database = Database::create(&path).map_err(|error| told(error.into()))?;
        let store = Store(database);
        store.make_tables().map_err(told)?;
        Ok(store)
    }

    fn make_tables(&self) -> Result<(), redb::Error> {
        let transaction = self.0.begin_write()?;
        transaction.open_table(USERS)?;
        transaction.open_table(LINES)?;
        transaction.open_table(SECRETS)?;
        Ok(transaction.commit()?)
    }

    /// The same secret at every start, made at the first.
    pub fn secret(&self) -> Result<Vec<u8>, redb::Error> {
        let transaction = self.0.begin_write()?;
        let secret = {
            let mut secrets = transaction.open_table(SECRETS)?;
            let known = secrets.get("jwt")?.map(|secret| secret.value().to_vec());
            match known {
                Some(known) => known,
                None => {
                    let mut fresh = vec![0; 32];
                    getrandom::fill(&mut fresh).map_err(|error| redb::Error::Io(error.into()))?;
                    secrets.insert("jwt", &fresh[..])?;
                    fresh
                }
            }
        };
        transaction.commit()?;
        Ok(secret)
    }

    /// The name as it is shown, and the hash of the password.
    pub fn user(&self, name: &str) -> Result<Option<(String, String)>, redb::Error> {
        let users = self.0.begin_read()?.open_table(USERS)?;
        let found = users.get(name.to_lowercase().as_str())?;
        Ok(found.map(|user| (user.value().0.to_owned(), user.value().1.to_owned())))
    }

    /// False: somebody has that name.
    pub fn add_user(&self, name: &str, hash: &str) -> Result<bool, redb::Error> {
        let transaction = self.0.begin_write()?;
        let free = {
            let mut users = transaction.open_table(USERS)?;
            let key = name.to_lowercase();
            let free = users.get(key.as_str())?.is_none();
            if free {
                users.insert(key.as_str(), (name, hash))?;
            }
            free
        };
        transaction.commit()?;
        Ok(free)
    }

    /// Gives lines (who, what) their numbers and their time, and keeps them: all of them or none.
    pub fn append(&self, room: &str, said: &[(String, String)]) -> Result<Vec<Line>, redb::Error> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let at = since_1970.map_or(0, |span| span.as_secs() as u32);
        let transaction = self.0.begin_write()?;
        let mut kept = Vec::new();
        {
            let mut lines = transaction.open_table(LINES)?;
            let last = lines.range((room, 0)..=(room, u32::MAX))?.next_back();
            let mut id = last.transpose()?.map_or(0, |(key, _)| key.value().1);
            for (by, text) in said {
                id += 1;
                let (by, text) = (by.clone(), text.clone());
                let line = Line { id, by, text, at };
                let json = serde_json::to_vec(&line).unwrap_or_default();
                lines.insert((room, id), &json[..])?;
                kept.push(line);
            }
            let old = id.saturating_sub(LINES_MAX);
            lines.retain_in((room, 0)..=(room, old), |_, _| false)?;
        }
        transaction.commit()?;
        Ok(kept)
    }

    /// The last lines before one, the oldest first.
    pub fn before(&self, room: &str, id: u32, count: usize) -> Result<Vec<Line>, redb::Error> {
        let lines = self.0.begin_read()?.open_table(LINES)?;
        let mut found = Vec::new();
        for line in lines.range((room, 0)..(room, id))?.rev().take(count) {
            found.extend(serde_json::from_slice::<Line>(line?.1.value()));
        }
        found.reverse();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_lines_of_a_room_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let append = |room, text: &str| {
            let said = [("Ann".to_owned(), text.to_owned())];
            store.append(room, &said).unwrap().remove(0)
        };
        let first = append("tea", "first");
        append("coffee", "elsewhere");
        // As if so many had been said since.
        let last = Line {
            id: LINES_MAX,
            ..first
        };
        let transaction = store.0.begin_write().unwrap();
        {
            let mut lines = transaction.open_table(LINES).unwrap();
            let json = serde_json::to_vec(&last).unwrap();
            lines.insert(("tea", last.id), &json[..]).unwrap();
        }
        transaction.commit().unwrap();
        let ids = |room| {
            let lines = store.before(room, u32::MAX, 9).unwrap();
            lines.into_iter().map(|line| line.id).collect::<Vec<_>>()
        };
        assert_eq!(ids("tea"), [1, LINES_MAX]);
        append("tea", "one more");
        assert_eq!(ids("tea"), [LINES_MAX, LINES_MAX + 1], "the first is gone");
        assert_eq!(ids("coffee"), [1]);
    }

    #[test]
    fn what_is_kept_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let secret = store.secret().unwrap();
        assert!(store.add_user("Ann", "hash").unwrap());
        assert!(!store.add_user("ANN", "other").unwrap(), "the same name");
        let said = [1, 2, 3, 4, 5].map(|n| ("Ann".to_owned(), format!("line {n}")));
        for (begin, end) in [(0, 2), (2, 5)] {
            let lines = store.append("tea", &said[begin..end]).unwrap();
            let ids: Vec<usize> = lines.iter().map(|line| line.id as usize).collect();
            assert_eq!(ids, (begin + 1..=end).collect::<Vec<_>>());
        }
        assert_eq!(store.append("coffee", &said[..1]).unwrap()[0].id, 1);
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.secret().unwrap(), secret);
        let ann = Some(("Ann".to_owned(), "hash".to_owned()));
        assert_eq!(store.user("aNN").unwrap(), ann);
        let texts = |id, count| {
            let lines = store.before("tea", id, count).unwrap();
            lines.into_iter().map(|line| line.id).collect::<Vec<u32>>()
        };
        assert_eq!(texts(u32::MAX, 2), [4, 5]);
        assert_eq!(texts(4, 10), [1, 2, 3]);
    }
}
