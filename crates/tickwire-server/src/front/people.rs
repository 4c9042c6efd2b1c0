//! Sessions by identity: what the directory hears of them, and what it has to say to them.

use bytes::Bytes;
use tickwire_proto::Time;
use tickwire_proto::frame::{Identity, LeaveReason, Presence, ROOM_FIRST, Refusal, code};
use tickwire_proto::{Reason, Retry};

use super::settle::as_leave;
use super::{Front, FrontOutput};
use crate::directory::{DirectoryInput, Part, Person};
use crate::key::SessionKey;
use crate::name::clean_text;
use crate::room::RoomInput;

/// An attachment, as the directory knows it.
#[derive(Debug)]
pub(crate) struct Named {
    pub part: Part,
    /// Accepted by auth; the directory has not said yet that its other sessions are gone.
    pub claims: Option<Identity>,
}

impl Front {
    /// Auth has accepted: the attachment is, or will be when it is the only one of its identity, where one alone may be.
    pub(super) fn accept(
        &mut self,
        now: Time,
        key: SessionKey,
        attachment: u8,
        identity: Identity,
    ) {
        let slot = self.slots.get(key);
        let accepted = slot.is_some_and(|slot| slot.session.identity(attachment).is_some());
        let namespace = slot.and_then(|slot| slot.namespace(attachment));
        if !namespace.is_some_and(|it| it.one_session()) || accepted {
            return self.proven(now, key, attachment, Ok(identity));
        }
        let Some(person) = self.person(key, attachment, &identity) else {
            return;
        };
        let part = self.name_part(key, attachment, Some(identity));
        self.tell_directory(DirectoryInput::Claim { part, person });
    }

    fn person(&self, key: SessionKey, attachment: u8, identity: &Identity) -> Option<Person> {
        let namespace = self.slots.get(key)?.session.namespace(attachment)?;
        Some(Person::new(namespace, identity.id.as_str()))
    }

    fn name_part(&mut self, key: SessionKey, attachment: u8, claims: Option<Identity>) -> Part {
        self.serial = self.serial.wrapping_add(1);
        let part = Part {
            session: key,
            attachment,
            serial: self.serial,
        };
        if let Some(slot) = self.slots.get_mut(key) {
            slot.named.push(Named { part, claims });
        }
        part
    }

    fn part(&self, key: SessionKey, attachment: u8) -> Option<Part> {
        let named = &self.slots.get(key)?.named;
        let mut parts = named.iter().map(|named| named.part);
        parts.find(|part| part.attachment == attachment)
    }

    /// An attachment is accepted: from here on it is one of its identity's.
    pub(super) fn attached(&mut self, key: SessionKey, attachment: u8) {
        self.stats.attaches += 1;
        let slot = self.slots.get(key);
        let identity = slot.and_then(|slot| slot.session.identity(attachment));
        let Some(person) = identity.and_then(|identity| self.person(key, attachment, identity))
        else {
            return;
        };
        let part = self.part(key, attachment);
        let part = part.unwrap_or_else(|| self.name_part(key, attachment, None));
        self.tell_directory(DirectoryInput::Attached { part, person });
    }

    pub(super) fn unnamed(&mut self, key: SessionKey, attachment: u8, reason: LeaveReason) {
        let Some(part) = self.part(key, attachment) else {
            return;
        };
        if let Some(slot) = self.slots.get_mut(key) {
            slot.named.retain(|named| named.part != part);
        }
        self.tell_directory(DirectoryInput::Detached { part, reason });
    }

    /// The directory hears that a session is away or back.
    pub(super) fn tell_presence(&mut self, session: SessionKey, presence: Presence) {
        if self.is_named(session) {
            self.tell_directory(DirectoryInput::Presence { session, presence });
        }
    }

    /// The directory hears that a session is over.
    pub(super) fn tell_gone(&mut self, session: SessionKey, reason: Reason) {
        if self.is_named(session) {
            let reason = as_leave(reason);
            self.tell_directory(DirectoryInput::Gone { session, reason });
        }
    }

    fn is_named(&self, session: SessionKey) -> bool {
        let slot = self.slots.get(session);
        slot.is_some_and(|slot| !slot.named.is_empty())
    }

    pub(super) fn says(&mut self, key: SessionKey, attachment: u8, status: String) {
        if let Some(part) = self.part(key, attachment) {
            self.tell_directory(DirectoryInput::Status { part, status });
        }
    }

    pub(super) fn follow(
        &mut self,
        key: SessionKey,
        attachment: u8,
        add: Vec<String>,
        remove: Vec<String>,
    ) {
        if let Some(part) = self.part(key, attachment) {
            self.tell_directory(DirectoryInput::Follow { part, add, remove });
        }
    }

    pub(super) fn notices_done(&mut self, key: SessionKey, attachment: u8, cursors: Vec<u64>) {
        if let Some(part) = self.part(key, attachment) {
            self.tell_directory(DirectoryInput::NoticesDone { part, cursors });
        }
    }

    /// It is the only one of its identity now.
    pub(super) fn claimed(&mut self, now: Time, part: Part) {
        let key = part.session;
        let Some(slot) = self.slots.get_mut(key) else {
            self.stats.inputs_late += 1;
            return;
        };
        let named = slot.named.iter_mut().find(|named| named.part == part);
        match named.and_then(|named| named.claims.take()) {
            Some(identity) => self.proven(now, key, part.attachment, Ok(identity)),
            None => self.stats.inputs_late += 1,
        }
        self.settle(now, key);
    }

    /// A newer session of the same identity has come, and only one may be: this one goes first. One that is in other namespaces too leaves this one alone.
    pub(super) fn replaced(&mut self, now: Time, part: Part, message: &str) {
        if !self.has_part(part) {
            self.stats.inputs_late += 1;
            return;
        }
        let key = part.session;
        let slot = self.slots.get_mut(key);
        match slot.filter(|slot| slot.entrances.len() > 1) {
            Some(slot) => {
                let refusal = Refusal::new(code::REPLACED, message);
                slot.session.end_attachment(now, part.attachment, &refusal);
                self.settle(now, key);
            }
            None => self.end(now, key, Reason::Kicked, Retry::Never, message),
        }
    }

    /// One frame, encoded once, for those parts that are still there.
    pub(super) fn tell_parts_of(&mut self, now: Time, parts: &[Part], frame: &Bytes) {
        for part in parts {
            if self.has_part(*part) {
                self.send(now, part.session, frame);
            } else {
                self.stats.inputs_late += 1;
            }
        }
    }

    pub(super) fn follow_refused(&mut self, now: Time, part: Part, refusal: &Refusal) {
        self.stats.refusal(&refusal.code);
        if let Some(slot) = self.slots.get_mut(part.session) {
            slot.session.follow_refused(part.attachment, refusal);
        }
        self.settle(now, part.session);
    }

    fn has_part(&self, part: Part) -> bool {
        let slot = self.slots.get(part.session);
        slot.is_some_and(|slot| slot.named.iter().any(|named| named.part == part))
    }

    fn tell_directory(&mut self, input: DirectoryInput) {
        self.outputs.push_back(FrontOutput::ToDirectory(input));
    }

    /// What a session says of itself, in a room or in a namespace.
    pub(super) fn status(&mut self, key: SessionKey, room: u32, text: &str) {
        let status = clean_text(text);
        let attachment = u8::try_from(room).ok().filter(|_| room < ROOM_FIRST);
        let Some(attachment) = attachment else {
            let input = |member| RoomInput::Status { member, status };
            return self.tell_room(key, room, input);
        };
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        if attachment == 0 {
            slot.status.clone_from(&status);
        }
        self.says(key, attachment, status);
    }
}
