//! The list of rooms: which there are, who is in them, which are free. Seats are counted here and nowhere else, so that no room is ever
//! over its limit.

use std::collections::BTreeMap;
use std::sync::Arc;

use tickwire_proto::Time;
use tickwire_proto::frame::{Identity, ROOM_FIRST, RoomInfoOwned};

use super::LobbyJoin;
use crate::key::{MemberId, SessionKey};
use crate::namespace::NamespaceSpec;
use crate::room::{RoomSpec, Who};

/// A room on the list.
#[derive(Debug)]
pub(crate) struct Entry {
    pub spec: RoomSpec,
    /// Where it is: what its members may be moved to is of the same.
    pub namespace: Arc<NamespaceSpec>,
    pub members: BTreeMap<SessionKey, Inside>,
    members_ever: u32,
    /// Members with a seat, and those who look on.
    seated: u16,
    watching: u16,
    /// Seats that are kept for somebody.
    pub reserved: u16,
    /// On no list: for those who know its id.
    pub private: bool,
    pub locked: bool,
    /// Whether somebody is its host: the first member, or whom the game names.
    pub hosted: bool,
    pub host: Option<MemberId>,
    /// Identities that are not let in until then; `None`: as long as the room lives.
    pub bans: BTreeMap<String, Option<Time>>,
    /// Told to end: nobody gets in any more.
    pub ending: bool,
    /// Empty, and to be closed then.
    pub close_at: Option<Time>,
}

/// A session in a room.
#[derive(Clone, Debug)]
pub(crate) struct Inside {
    pub member: MemberId,
    pub identity: Identity,
    pub generic: bool,
    pub watches: bool,
    /// It is on its way to another room, and here until it is there.
    pub moving: bool,
    pub seat_key: Option<[u8; 16]>,
}

/// Who looks for a seat.
#[derive(Clone, Copy)]
pub(crate) struct Seeker<'a> {
    pub session: SessionKey,
    pub identity: &'a Identity,
    pub seat_key: Option<[u8; 16]>,
}

impl<'a> Seeker<'a> {
    pub fn of(join: &'a LobbyJoin) -> Seeker<'a> {
        Seeker {
            session: join.session,
            identity: &join.identity,
            seat_key: join.seat_key,
        }
    }
}

impl Entry {
    pub fn new(spec: RoomSpec, namespace: Arc<NamespaceSpec>) -> Entry {
        Entry {
            spec,
            namespace,
            members: BTreeMap::new(),
            members_ever: 0,
            seated: 0,
            watching: 0,
            reserved: 0,
            private: false,
            locked: false,
            hosted: false,
            host: None,
            bans: BTreeMap::new(),
            ending: false,
            close_at: None,
        }
    }

    /// Whether there is a seat that is not kept for somebody.
    pub fn has_seat(&self) -> bool {
        self.free_seats() > 0
    }

    pub fn free_seats(&self) -> u16 {
        self.spec.seats - self.seated - self.reserved
    }

    pub fn has_place(&self) -> bool {
        self.watching < self.spec.kind.game().watchers()
    }

    pub fn is_open(&self) -> bool {
        !self.locked && !self.ending && !self.private && self.has_seat()
    }

    /// Whether an identity is kept out at that time.
    pub fn bans(&self, now: Time, identity: &str) -> bool {
        let until = self.bans.get(identity);
        until.is_some_and(|until| until.is_none_or(|until| now < until))
    }

    /// Whether nobody is in it and nobody will miss it: one whose game lets it sleep waits for its players, one with kept seats for those.
    pub fn may_be_closed(&self) -> bool {
        self.members.is_empty()
            && self.reserved == 0
            && !self.ending
            && !self.spec.kind.game().sleeps()
    }

    /// Lets a session in, who is not in yet, to a seat or place that is free. A seat that was kept is given up by the caller first.
    pub fn admit(&mut self, session: SessionKey, join: Inside) -> MemberId {
        debug_assert!(!self.members.contains_key(&session));
        debug_assert!(join.watches || self.seated < self.spec.seats);
        self.members_ever += 1;
        let member = MemberId(self.members_ever);
        if join.watches {
            self.watching += 1;
        } else {
            self.seated += 1;
            if self.hosted && self.host.is_none() {
                self.host = Some(member);
            }
        }
        self.members.insert(session, Inside { member, ..join });
        self.close_at = None;
        member
    }

    /// Lets a session go. A host who goes hands over to who has been here for longest: the new one, if so.
    pub fn let_go(&mut self, session: SessionKey) -> Option<(Inside, Option<MemberId>)> {
        let inside = self.members.remove(&session)?;
        if inside.watches {
            self.watching -= 1;
        } else {
            self.seated -= 1;
        }
        let mut heir = None;
        if self.host == Some(inside.member) {
            let seated = self.members.values().filter(|other| !other.watches);
            heir = seated.map(|other| other.member).min();
            self.host = heir;
        }
        Some((inside, heir))
    }

    /// The sessions of somebody: several where an identity has several.
    pub fn sessions_of<'a>(&'a self, who: &'a Who) -> impl Iterator<Item = SessionKey> + 'a {
        let is = move |session: &SessionKey, inside: &Inside| match who {
            Who::Member(member) => inside.member == *member,
            Who::Session(key) => session == key,
            Who::Identity(identity) => inside.identity.id == *identity,
        };
        let found = self.members.iter();
        found.filter_map(move |(session, inside)| is(session, inside).then_some(*session))
    }

    /// The older session with a seat here of an identity that has come with a newer one, where the game knows one seat for both.
    /// Guests may be called the same and be two.
    ///
    /// Whoever has shown the same secret is the same, whatever the game says and guest or not.
    pub fn seat_of(&self, seeker: Seeker<'_>) -> Option<SessionKey> {
        let Seeker {
            session: newer,
            identity,
            seat_key,
        } = seeker;
        let each = self.spec.kind.game().seat_for_each_session();
        let is = |(session, inside): &(&SessionKey, &Inside)| {
            let other = &inside.identity;
            let same = other.guest == identity.guest && (other.guest || other.id == identity.id);
            let shown = seat_key.is_some() && inside.seat_key == seat_key;
            let proven = !identity.guest && !each;
            **session != newer && !inside.watches && same && (shown || proven)
        };
        let found = self.members.iter().find(is);
        found.map(|(session, _)| *session)
    }

    pub fn session_of(&self, who: &Who) -> Option<SessionKey> {
        self.sessions_of(who).next()
    }

    pub fn info(&self) -> RoomInfoOwned {
        RoomInfoOwned {
            id: self.spec.id.clone(),
            kind: self.spec.kind.name().to_owned(),
            members: self.seated + self.reserved,
            seats: self.spec.seats,
            locked: self.locked,
            attributes: self.spec.attributes.clone(),
        }
    }

    /// Whether it is on a list of a namespace, of that kind (empty: of all), of rooms with those attributes.
    pub fn is_on_list(&self, namespace: &str, kind: &str, attributes: &[(String, String)]) -> bool {
        !self.private
            && *self.spec.namespace == *namespace
            && !self.ending
            && (kind.is_empty() || self.spec.kind.name() == kind)
            && attributes
                .iter()
                .all(|pair| self.spec.attributes.contains(pair))
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

    pub fn insert(&mut self, entry: Entry) {
        self.by_id.insert(entry.spec.id.clone(), entry.spec.no);
        self.by_no.insert(entry.spec.no, entry);
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

    /// The room of a kind with exactly these attributes in which the identity has a seat already, of an older session; else the fullest open
    /// one in which the session is not and may be: people meet.
    pub fn match_for(
        &self,
        now: Time,
        seeker: Seeker<'_>,
        namespace: &str,
        kind: &str,
        attributes: &[(String, String)],
    ) -> Option<u32> {
        let may = |entry: &&Entry| {
            !entry.ending
                && entry.spec.attributes == attributes
                && !entry.members.contains_key(&seeker.session)
                && !entry.bans(now, &seeker.identity.id)
        };
        let mut rooms = self.of_kind(namespace, kind).filter(may);
        if let Some(own) = rooms.find(|entry| entry.seat_of(seeker).is_some()) {
            return Some(own.spec.no);
        }
        let fits = |entry: &&Entry| entry.is_open() && may(entry);
        let fullest = self
            .of_kind(namespace, kind)
            .filter(fits)
            .max_by_key(|entry| (entry.seated, u32::MAX - entry.spec.no));
        fullest.map(|entry| entry.spec.no)
    }
}
