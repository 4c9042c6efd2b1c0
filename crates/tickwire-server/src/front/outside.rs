//! What is said and asked outside of rooms: to a namespace's handlers, which a driver runs, and from whoever is in charge to many at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use tickwire_proto::frame::{Identity, ROOM_FIRST, Refusal, code};
use tickwire_proto::{ServerFrame, Time};

use super::slots::Slot;
use super::{Front, FrontOutput};
use crate::key::SessionKey;
use crate::namespace::NamespaceSpec;

/// Who says or asks something outside of rooms.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The session.
    pub session: SessionKey,
    /// Its attachment: the answer's address, with the session.
    pub attachment: u8,
    /// Who it is there.
    pub identity: Identity,
    /// The namespace of the attachment.
    pub namespace: Arc<NamespaceSpec>,
}

/// To whom a message goes that comes from no room's game. Each session gets it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Every session that is let into a namespace that knows the message.
    All,
    /// Every session in this namespace.
    Namespace(String),
    /// The sessions of an identity in a namespace, on all its devices.
    Identity {
        /// The namespace's name.
        namespace: String,
        /// Who.
        id: String,
    },
    /// One session in one of its namespaces.
    Session {
        /// Which.
        session: SessionKey,
        /// Which of its attachments.
        attachment: u8,
    },
    /// Whoever is in these rooms. Who is in several hears it in the first of them.
    Rooms(Vec<u32>),
}

/// One message for many, encoded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// To whom.
    pub to: Audience,
    /// But not to the sessions of these identities.
    pub except: Vec<String>,
    /// By which channel.
    pub channel: u8,
    /// Whether it may be left out where a link cannot take it now.
    pub volatile: bool,
    /// Its kind.
    pub kind: u32,
    /// Its bytes.
    pub payload: Bytes,
}

impl Broadcast {
    fn frame(&self, place: u32) -> Bytes {
        let (channel, kind, payload) = (self.channel, self.kind, &self.payload[..]);
        let frame = match self.volatile {
            false => ServerFrame::Message {
                room: place,
                channel,
                kind,
                payload,
            },
            true => ServerFrame::Volatile {
                room: place,
                channel,
                kind,
                payload,
            },
        };
        frame.encode()
    }

    /// The attachment by which a session hears it; `None`: it is not for that session.
    fn attachment(&self, slot: &Slot) -> Option<u8> {
        let wanted = |attachment: u8| {
            let (Some(namespace), Some(identity)) = (
                slot.namespace(attachment),
                slot.session.identity(attachment),
            ) else {
                return false;
            };
            let named = |name: &str| **namespace.name() == *name;
            let meant = match &self.to {
                Audience::All => namespace.knows(self.kind),
                Audience::Namespace(name) => named(name),
                Audience::Identity {
                    namespace: name,
                    id,
                } => named(name) && identity.id == *id,
                Audience::Session {
                    session,
                    attachment: of,
                } => *session == slot.key && *of == attachment,
                Audience::Rooms(_) => false,
            };
            meant && !self.except.contains(&identity.id)
        };
        let attachments = slot.entrances.iter().map(|(attachment, _)| *attachment);
        attachments.filter(|attachment| wanted(*attachment)).min()
    }
}

impl Front {
    /// A message outside of rooms: for the handlers of its namespace, if it has any.
    pub(super) fn said_outside(&mut self, key: SessionKey, place: u32, kind: u32, payload: Bytes) {
        match self.caller(key, place) {
            Some(caller) => self.outputs.push_back(FrontOutput::Said {
                caller,
                kind,
                payload,
            }),
            None => self.stats.messages_unheard += 1,
        }
    }

    /// A request outside of rooms.
    pub(super) fn asked_outside(
        &mut self,
        key: SessionKey,
        place: u32,
        number: u32,
        kind: u32,
        payload: Bytes,
    ) {
        if let Some(caller) = self.caller(key, place) {
            self.outputs.push_back(FrontOutput::Asked {
                caller,
                number,
                kind,
                payload,
            });
            return;
        }
        let text = format!("outside of rooms nobody answers requests of kind {kind:#010x}");
        if let Some(slot) = self.slots.get_mut(key) {
            let refusal = Refusal::new(code::NOT_FOUND, text);
            slot.session.answer(place, number, Err(refusal));
        }
    }

    /// Whose namespace has handlers.
    fn caller(&self, key: SessionKey, place: u32) -> Option<Caller> {
        let attachment = u8::try_from(place).ok()?;
        let slot = self.slots.get(key)?;
        let namespace = slot.namespace(attachment)?;
        namespace.driver()?;
        Some(Caller {
            session: key,
            attachment,
            identity: slot.session.identity(attachment)?.clone(),
            namespace: Arc::clone(namespace),
        })
    }

    /// A handler has answered.
    pub(super) fn answered_outside(
        &mut self,
        now: Time,
        key: SessionKey,
        attachment: u8,
        number: u32,
        answer: Result<Bytes, Refusal>,
    ) {
        match self.slots.get_mut(key) {
            Some(slot) => {
                slot.session.answer(attachment.into(), number, answer);
                self.settle(now, key);
            }
            None => self.stats.inputs_late += 1,
        }
    }

    /// One message for many: encoded once for each place that it is heard in.
    pub(super) fn broadcast(&mut self, now: Time, broadcast: &Broadcast) {
        self.stats.broadcasts += 1;
        match &broadcast.to {
            Audience::Rooms(rooms) => self.push_to_rooms(now, broadcast, rooms),
            Audience::Session { session, .. } => {
                let found = self.slots.get(*session);
                let place = found.and_then(|slot| broadcast.attachment(slot));
                if let Some(place) = place {
                    self.push(now, *session, broadcast.frame(place.into()));
                }
            }
            _ => self.push_to_attachments(now, broadcast),
        }
    }

    fn push_to_attachments(&mut self, now: Time, broadcast: &Broadcast) {
        let mut frames: BTreeMap<u8, Bytes> = BTreeMap::new();
        let mut told = Vec::new();
        for slot in self.slots.iter() {
            if let Some(place) = broadcast.attachment(slot) {
                let frame = frames
                    .entry(place)
                    .or_insert_with(|| broadcast.frame(place.into()));
                told.push((slot.key, frame.clone()));
            }
        }
        for (key, frame) in told {
            self.push(now, key, frame);
        }
    }

    fn push_to_rooms(&mut self, now: Time, broadcast: &Broadcast, rooms: &[u32]) {
        let mut told = BTreeSet::new();
        for room in rooms.iter().filter(|room| **room >= ROOM_FIRST) {
            let frame = broadcast.frame(*room);
            for key in self.in_room.get(room).cloned().unwrap_or_default() {
                let Some(slot) = self.slots.get_mut(key) else {
                    continue;
                };
                let Some(attachment) = slot.joined(*room).map(|part| part.attachment) else {
                    continue;
                };
                let identity = slot.session.identity(attachment);
                let excepted = identity.is_some_and(|it| broadcast.except.contains(&it.id));
                if !excepted && told.insert(key) {
                    self.push(now, key, frame.clone());
                }
            }
        }
    }

    fn push(&mut self, now: Time, key: SessionKey, frame: Bytes) {
        if let Some(slot) = self.slots.get_mut(key) {
            // One that cannot take it ends, by its own rule, and is told why.
            let _ = slot.session.send_frame(now, frame);
            self.settle(now, key);
        }
    }
}
