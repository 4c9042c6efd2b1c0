//! Sessions that go on in another room: in the old one until the new one has taken them in, then in the new one, in the same breath.

use tickwire_proto::Time;
use tickwire_proto::frame::{JoinedInfo, LeaveReason};

use super::Front;
use super::slots::Part;
use crate::key::{MemberId, SessionKey};
use crate::lobby::LobbyInput;
use crate::room::RoomInput;

impl Front {
    /// The lobby has given a seat in another room; that room's answer follows.
    pub(super) fn moving(
        &mut self,
        key: SessionKey,
        from: u32,
        request: u32,
        room: u32,
        member: MemberId,
    ) {
        let slot = self.slots.get_mut(key);
        let Some(slot) = slot.filter(|slot| slot.session.is_ended().is_none()) else {
            // The lobby hears, or has heard, that the session is gone.
            self.stats.inputs_late += 1;
            return;
        };
        let gauge = slot.gauge.of_another_room();
        match slot.joined(from).map(|part| part.attachment) {
            Some(attachment) => slot.parts.push(Part {
                room,
                member,
                attachment,
                request: Some(request),
                gauge,
                link: 1, // what the room makes before it knows of the gauge is for nobody
                from: Some(from),
                shut: false,
            }),
            None => self.give_back(key, room),
        }
    }

    /// The new room has taken a session in that comes from another one.
    pub(super) fn moved(&mut self, now: Time, key: SessionKey, from: u32, info: JoinedInfo) {
        let room = info.room;
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        if slot.joined(from).is_none() {
            // It left, or was sent away, or the room ended meanwhile: then it is nowhere, as it was told.
            slot.take_part(room);
            return self.give_back(key, room);
        }
        slot.take_part(from);
        slot.told_rtt_ms = 0; // the new room has not been told
        let Some(part) = slot.parts.iter_mut().find(|part| part.room == room) else {
            return;
        };
        (part.request, part.from) = (None, None);
        let (link, gauge) = (part.link, part.gauge.clone());
        slot.session.moved(now, from, info);
        self.leave_index(from, key);
        self.in_room.entry(room).or_default().push(key);
        self.tell_lobby(LobbyInput::Moved { session: key, from });
        self.tell_room(key, room, |member| RoomInput::Resumed {
            member,
            held: None,
            link,
            gauge,
        });
        self.settle(now, key);
    }

    /// A seat that nobody wants any more.
    pub(super) fn give_back(&mut self, key: SessionKey, room: u32) {
        self.tell_lobby(LobbyInput::Leave {
            session: key,
            room,
            reason: LeaveReason::Left,
        });
    }
}
