//! The list of rooms: which there are, who is in them, which are free. Seats are counted here and nowhere else, so that no room is ever
//! over its limit.

use std::collections::BTreeMap;

use tickwire_proto::Time;
use tickwire_proto::frame::{ROOM_FIRST, RoomInfoOwned};

use crate::key::{MemberId, SessionKey};
use crate::room::RoomSpec;

/// A room on the list.
#[derive(Debug)]
pub(crate) struct Entry {
    pub spec: RoomSpec,
    pub members: BTreeMap<SessionKey, MemberId>,
    members_ever: u32,
    pub locked: bool,
    /// Told to end: nobody gets in any more.
    pub ending: bool,
    /// Empty, and to be closed then.
    pub close_at: Option<Time>,
}

impl Entry {
    pub fn new(spec: RoomSpec) -> Entry {
        Entry {
            spec,
            members: BTreeMap::new(),
            members_ever: 0,
            locked: false,
            ending: false,
            close_at: None,
        }
    }

    pub fn has_seat(&self) -> bool {
        self.members.len() < usize::from(self.spec.seats)
    }

    pub fn is_open(&self) -> bool {
        !self.locked && !self.ending && self.has_seat()
    }

    /// Whether nobody is in it and nobody will miss it: one whose game lets it sleep waits for its players.
    pub fn may_be_closed(&self) -> bool {
        self.members.is_empty() && !self.ending && !self.spec.kind.game().sleeps()
    }

    /// Lets a session in, who is not in yet, to a seat that is free.
    pub fn admit(&mut self, session: SessionKey) -> MemberId {
        debug_assert!(self.has_seat() && !self.members.contains_key(&session));
        self.members_ever += 1;
        let member = MemberId(self.members_ever);
        self.members.insert(session, member);
        self.close_at = None;
        member
    }

    pub fn info(&self) -> RoomInfoOwned {
        RoomInfoOwned {
            id: self.spec.id.clone(),
            kind: self.spec.kind.name().to_owned(),
            members: self.members.len() as u16, // at most the seats
            seats: self.spec.seats,
            locked: self.locked,
            attributes: self.spec.attributes.clone(),
        }
    }
}

/// All rooms, by number and by id.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    by_no: BTreeMap<u32, Entry>,
    by_id: BTreeMap<String, u32>,
    last_no: u32,
}

impl Rooms {
    /// The number of the next room. Numbers are not used again before all others were; the first ones are those of attachments.
    pub fn next_no(&mut self) -> u32 {
        loop {
            self.last_no = self.last_no.wrapping_add(1).max(ROOM_FIRST);
            if !self.by_no.contains_key(&self.last_no) {
                return self.last_no;
            }
        }
    }

    pub fn has_id(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub fn insert(&mut self, spec: RoomSpec) {
        self.by_id.insert(spec.id.clone(), spec.no);
        self.by_no.insert(spec.no, Entry::new(spec));
    }

    pub fn remove(&mut self, no: u32) -> Option<Entry> {
        let entry = self.by_no.remove(&no)?;
        self.by_id.remove(&entry.spec.id);
        Some(entry)
    }

    pub fn get(&self, no: u32) -> Option<&Entry> {
        self.by_no.get(&no)
    }

    pub fn get_mut(&mut self, no: u32) -> Option<&mut Entry> {
        self.by_no.get_mut(&no)
    }

    pub fn by_id(&self, id: &str) -> Option<&Entry> {
        self.by_no.get(self.by_id.get(id)?)
    }

    /// Those of a namespace.
    pub fn of<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.iter()
            .filter(move |entry| &*entry.spec.namespace == namespace)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.by_no.values()
    }

    pub fn of_kind<'a>(
        &'a self,
        namespace: &'a str,
        kind: &'a str,
    ) -> impl Iterator<Item = &'a Entry> {
        self.of(namespace)
            .filter(move |entry| entry.spec.kind.name() == kind)
    }

    pub fn len(&self) -> usize {
        self.by_no.len()
    }

    /// The fullest open room of a kind with exactly these attributes, in which the session is not: people meet.
    pub fn match_for(
        &self,
        session: SessionKey,
        namespace: &str,
        kind: &str,
        attributes: &[(String, String)],
    ) -> Option<u32> {
        let fits = |entry: &&Entry| {
            entry.is_open()
                && entry.spec.attributes == attributes
                && !entry.members.contains_key(&session)
        };
        let fullest = self
            .of_kind(namespace, kind)
            .filter(fits)
            .max_by_key(|entry| (entry.members.len(), u32::MAX - entry.spec.no));
        fullest.map(|entry| entry.spec.no)
    }
}
