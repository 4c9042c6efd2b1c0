//! The sessions of a front, by their keys: found at once, and a key of one that is gone finds nothing.

use std::sync::Arc;

use tickwire_proto::frame::RoomEnd;
use tickwire_proto::{ServerSession, Time};

use super::people::Named;
use crate::auth::Remote;
use crate::gauge::Gauge;
use crate::key::{MemberId, SessionKey};
use crate::namespace::{Entrance, NamespaceSpec};

/// A session, and what its front keeps beside it.
// In this order in memory: what each update touches lies together, and the session begins with its own.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Slot {
    pub key: SessionKey,
    /// The rooms it is in, or is being let into; the session bounds them.
    pub parts: Vec<Part>,
    /// The driver still has a link for it.
    pub link: bool,
    /// It is on the list of those that have something to write.
    pub dirty: bool,
    /// Nothing waits in its session, as far as is known for sure: [`Slots::get_mut`] forgets it.
    pub quiet: bool,
    /// Its link is lost, and it waits for its client.
    pub away: bool,
    /// Attachments, by bits, whose client wants to be given the messages of the namespace.
    pub generic: u8,
    /// A number to call guests by.
    pub guest: u32,
    pub session: ServerSession,
    /// When its timer is set.
    pub timer: Option<Time>,
    /// Since when its link holds bytes that the socket does not take.
    pub backed_up: Option<Time>,
    /// What its link holds; the gauges of its rooms share it.
    pub gauge: Gauge,
    /// The least round trip that rooms were told, in milliseconds.
    pub told_rtt_ms: u32,
    /// It has ended, and its link is closed by then.
    pub close_by: Option<Time>,
    /// Until the hello: chance for the token of whoever is resumed on its link.
    pub token: Option<[u8; 32]>,
    /// Where its link comes from.
    pub remote: Arc<Remote>,
    pub opened: Time,
    /// The namespaces it is in, or is being let into, by attachment; the session bounds them.
    pub entrances: Vec<(u8, Entrance)>,
    /// Joins that wait for the lobby, by attachment; the session bounds them.
    pub asked: Vec<Asked>,
    /// Its attachments, as the directory knows them; the session bounds them.
    pub named: Vec<Named>,
    /// What it says of itself outside of rooms.
    pub status: String,
    /// What rooms have not taken of what it said to them: how many inputs, and how many bytes.
    pub waiting: (usize, usize),
}

/// A join that waits for the lobby.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub request: u32,
    pub attachment: u8,
    /// What the room will go by.
    pub gauge: Gauge,
}

/// A session's part in a room.
#[derive(Debug)]
pub(crate) struct Part {
    pub room: u32,
    pub member: MemberId,
    pub attachment: u8,
    /// The join's number; `None` once the room has answered.
    pub request: Option<u32>,
    /// What the room goes by.
    pub gauge: Gauge,
    /// The number of the session's link, as the room was told.
    pub link: u16,
    /// The room that the session is in until this one has answered.
    pub from: Option<u32>,
    /// No update is to be made before the next poll.
    pub shut: bool,
}

impl Slot {
    /// The namespace of an attachment.
    pub fn namespace(&self, attachment: u8) -> Option<&Arc<NamespaceSpec>> {
        let entrance = self.entrances.iter().find(|(of, _)| *of == attachment)?;
        Some(&entrance.1)
    }

    /// Its part in a room that has let it in.
    pub fn joined(&mut self, room: u32) -> Option<&mut Part> {
        joined(&mut self.parts, room)
    }

    pub fn member(&self, room: u32) -> Option<MemberId> {
        let part = self
            .parts
            .iter()
            .find(|part| part.room == room && part.request.is_none());
        part.map(|part| part.member)
    }

    /// Takes it out of a room, whether it was let in or not.
    pub fn take_part(&mut self, room: u32) -> Option<Part> {
        let at = self.parts.iter().position(|part| part.room == room)?;
        Some(self.parts.swap_remove(at))
    }

    /// Out of a room that had let it in: the client is told.
    pub fn room_ended(&mut self, room: u32, reason: RoomEnd, message: &str) -> Option<Part> {
        let part = self.take_part(room)?;
        if part.request.is_none() {
            self.session.room_ended(room, reason, message);
        }
        Some(part)
    }
}

/// The part in a room that has let the session in.
pub(crate) fn joined(parts: &mut [Part], room: u32) -> Option<&mut Part> {
    parts
        .iter_mut()
        .find(|part| part.room == room && part.request.is_none())
}

/// The sessions by their keys.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    places: Vec<Place>,
    free: Vec<usize>,
    len: usize,
}

#[derive(Debug, Default)]
struct Place {
    generation: u32,
    slot: Option<Box<Slot>>,
}

impl Slots {
    /// Puts in what is made for the key that it gets.
    pub fn insert(&mut self, shard: u16, make: impl FnOnce(SessionKey) -> Slot) -> SessionKey {
        let at = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            self.places.len() - 1
        });
        let place = &mut self.places[at];
        let key = SessionKey::new(shard, place.generation, at);
        place.slot = Some(Box::new(make(key)));
        self.len += 1;
        key
    }

    pub fn get(&self, key: SessionKey) -> Option<&Slot> {
        let slot = self.places.get(key.place())?.slot.as_deref();
        slot.filter(|slot| slot.key == key)
    }

    /// To change it in any way: it is not quiet until somebody has looked.
    pub fn get_mut(&mut self, key: SessionKey) -> Option<&mut Slot> {
        let slot = self.get_quiet(key)?;
        slot.quiet = false;
        Some(slot)
    }

    /// To leave its session as quiet as it is.
    pub fn get_quiet(&mut self, key: SessionKey) -> Option<&mut Slot> {
        let slot = self.places.get_mut(key.place())?.slot.as_deref_mut();
        slot.filter(|slot| slot.key == key)
    }

    pub fn remove(&mut self, key: SessionKey) -> Option<Box<Slot>> {
        self.get(key)?;
        let place = &mut self.places[key.place()];
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.place());
        self.len -= 1;
        place.slot.take()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.places.iter().filter_map(|place| place.slot.as_deref())
    }

    pub fn keys(&self) -> Vec<SessionKey> {
        self.iter().map(|slot| slot.key).collect()
    }

    pub fn len(&self) -> usize {
        self.len
    }
}
