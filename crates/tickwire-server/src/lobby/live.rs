//! Lists of rooms that are watched: the whole list, then every change of it, put together for a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tickwire_proto::Time;
use tickwire_proto::frame::{ROOMS_LISTED_MAX, Refusal, RoomInfoOwned, code};

use super::Lobby;
use super::enter::pairs_in_order;
use crate::front::FrontInput;
use crate::key::SessionKey;

/// Changes are told at most so often.
pub const LOBBY_CHANGE_MS: u64 = 200;
/// Lists that are watched at once, of all sessions.
pub const WATCHED_MAX: usize = 65_536;

/// One list that one session watches.
#[derive(Debug)]
struct List {
    namespace: String,
    kind: String,
    attributes: Vec<(String, String)>,
    /// The rooms that it was told of, by their numbers.
    told: BTreeMap<u32, String>,
}

/// All lists that are watched, and the rooms that changed since the last telling.
#[derive(Debug, Default)]
pub(crate) struct Live {
    lists: BTreeMap<(SessionKey, u32), List>,
    changed: BTreeSet<u32>,
    told_at: Time,
    due: Option<Time>,
}

impl Live {
    /// Something on the list may look different now.
    pub fn changed(&mut self, room: u32) {
        if !self.lists.is_empty() {
            self.changed.insert(room);
        }
    }

    /// Sets the time of the next telling, if there is anything to be told.
    pub fn arm(&mut self, now: Time) {
        if !self.changed.is_empty() && self.due.is_none() {
            let next = self.told_at.plus(Duration::from_millis(LOBBY_CHANGE_MS));
            self.due = Some(next.max(now));
        }
    }

    pub fn next_due(&self) -> Option<Time> {
        self.due
    }

    pub fn unwatch(&mut self, session: SessionKey, request: u32) {
        self.lists.remove(&(session, request));
        self.rest();
    }

    pub fn gone(&mut self, session: SessionKey) {
        let all = self.lists.range((session, 0)..=(session, u32::MAX));
        let all: Vec<_> = all.map(|(key, _)| *key).collect();
        for key in all {
            self.lists.remove(&key);
        }
        self.rest();
    }

    fn rest(&mut self) {
        if self.lists.is_empty() {
            self.changed.clear();
            self.due = None;
        }
    }
}

impl Lobby {
    /// The whole list now; what changes from here on comes after it.
    pub(super) fn watch(
        &mut self,
        session: SessionKey,
        request: u32,
        namespace: &str,
        kind: String,
        attributes: &[(String, String)],
    ) {
        if self.live.lists.len() >= WATCHED_MAX {
            let message = "as many lists are watched as the server allows. Ask for a list now and then instead";
            return self.refuse(session, request, Refusal::new(code::LIMIT, message));
        }
        let attributes = pairs_in_order(attributes);
        let listed = self.rooms.iter();
        let listed = listed.filter(|entry| entry.is_on_list(namespace, &kind, &attributes));
        let (told, rooms) = listed
            .take(ROOMS_LISTED_MAX)
            .map(|entry| ((entry.spec.no, entry.spec.id.clone()), entry.info()))
            .unzip();
        let list = List {
            namespace: namespace.to_owned(),
            kind,
            attributes,
            told,
        };
        self.stats.lists += 1;
        self.live.lists.insert((session, request), list);
        let input = FrontInput::LobbyChange {
            session,
            request,
            whole: true,
            rooms,
            gone: vec![],
        };
        self.tell_front(session, input);
    }

    /// Tells all that changed to those who watch it.
    pub(super) fn tell_changes(&mut self, now: Time) {
        if self.live.due.is_none_or(|due| due > now) {
            return;
        }
        self.live.due = None;
        self.live.told_at = now;
        let changed = std::mem::take(&mut self.live.changed);
        let mut tellings = Vec::new();
        for ((session, request), list) in &mut self.live.lists {
            let (mut rooms, mut gone) = (Vec::<RoomInfoOwned>::new(), Vec::new());
            for no in &changed {
                let entry = self.rooms.get(*no);
                let entry = entry.filter(|entry| {
                    entry.is_on_list(&list.namespace, &list.kind, &list.attributes)
                });
                let known = list.told.contains_key(no);
                match entry {
                    Some(entry) if known || list.told.len() < ROOMS_LISTED_MAX => {
                        list.told.insert(*no, entry.spec.id.clone());
                        rooms.push(entry.info());
                    }
                    None if known => gone.extend(list.told.remove(no)),
                    _ => {}
                }
            }
            if !rooms.is_empty() || !gone.is_empty() {
                let input = FrontInput::LobbyChange {
                    session: *session,
                    request: *request,
                    whole: false,
                    rooms,
                    gone,
                };
                tellings.push((*session, input));
            }
        }
        for (session, input) in tellings {
            self.tell_front(session, input);
        }
    }
}
