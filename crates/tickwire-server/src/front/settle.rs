//! What has to be looked at after each change of a session: its events, its timer, what it has to write, and its end.

use std::time::Duration;

use tickwire_proto::frame::LeaveReason;
use tickwire_proto::{Reason, Time};

use super::{BACKED_UP_MS_MAX, Front, FrontOutput, LINGER_MS};
use crate::key::SessionKey;
use crate::lobby::LobbyInput;

impl Front {
    /// Hears the session's events, tells rooms of its round trip, sets its timer, notes what it has to write, and lets it go at its end.
    pub(super) fn settle(&mut self, now: Time, key: SessionKey) {
        self.hear_events(now, key);
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        if slot.session.is_ended().is_some() {
            let close_by = *slot
                .close_by
                .get_or_insert(now.plus(Duration::from_millis(LINGER_MS)));
            if slot.session.is_finished() || !slot.link || close_by <= now {
                self.let_go(key);
                return;
            }
        }
        self.tell_rtt(key);
        self.set_timer(key);
        self.note_dirty(key);
        if let Some(slot) = self.slots.get_mut(key) {
            slot.quiet = slot.session.is_quiet();
        }
    }

    /// The same after a frame of those that come all the time: they move nothing else.
    pub(super) fn settle_frequent(&mut self, now: Time, key: SessionKey) {
        self.hear_events(now, key);
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        if slot.session.is_ended().is_some() {
            return self.settle(now, key);
        }
        slot.quiet = slot.session.is_quiet();
        if !slot.quiet {
            self.note_dirty(key);
        }
    }

    fn let_go(&mut self, key: SessionKey) {
        let Some(slot) = self.slots.remove(key) else {
            return;
        };
        if let Some(at) = slot.timer {
            self.timers.remove(&(at, key));
        }
        self.stats.counted += slot.session.stats();
        let reason = slot
            .session
            .is_ended()
            .map_or(Reason::Expired, |ending| ending.reason);
        if let Some(ending) = slot.session.is_ended().filter(|_| !slot.link) {
            self.keep_farewell(key, ending);
        }
        if slot.link {
            self.outputs.push_back(FrontOutput::Close {
                session: key,
                code: reason.close_code(),
                reason,
            });
        }
    }

    /// A timer is set anew only when it must ring earlier than it is set: most move away with every frame.
    pub(super) fn set_timer(&mut self, key: SessionKey) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        let cut = slot
            .backed_up
            .map(|since| since.plus(Duration::from_millis(BACKED_UP_MS_MAX)));
        let wanted = [slot.session.next_timeout(), cut, slot.close_by]
            .into_iter()
            .flatten()
            .min();
        let Some(wanted) = wanted.filter(|wanted| slot.timer.is_none_or(|set| *wanted < set))
        else {
            return;
        };
        if let Some(set) = slot.timer.replace(wanted) {
            self.timers.remove(&(set, key));
        }
        self.timers.insert((wanted, key));
    }

    pub(super) fn note_dirty(&mut self, key: SessionKey) {
        if let Some(slot) = self
            .slots
            .get_mut(key)
            .filter(|slot| slot.link && !slot.dirty && slot.session.wants_write())
        {
            slot.dirty = true;
            self.dirty.push_back(key);
        }
    }

    /// The session is out of all rooms, and the lobby hears why.
    pub(super) fn gone(&mut self, key: SessionKey, reason: Reason) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        slot.asked.clear();
        slot.entrances.clear();
        let rooms: Vec<u32> = slot.parts.iter().map(|part| part.room).collect();
        for room in &rooms {
            slot.take_part(*room);
        }
        rooms
            .into_iter()
            .for_each(|room| self.leave_index(room, key));
        let reason = as_leave(reason);
        // Always told: a join may be on its way to the lobby, before this.
        self.outputs
            .push_back(FrontOutput::ToLobby(LobbyInput::Gone {
                session: key,
                reason,
            }));
    }

    pub(super) fn leave_index(&mut self, room: u32, key: SessionKey) {
        if let Some(sessions) = self.in_room.get_mut(&room) {
            sessions.retain(|session| *session != key);
            if sessions.is_empty() {
                self.in_room.remove(&room);
            }
        }
    }
}

/// An ending, as the others see it.
pub(super) fn as_leave(reason: Reason) -> LeaveReason {
    match reason {
        Reason::Left => LeaveReason::Left,
        Reason::Expired => LeaveReason::Lost,
        Reason::Kicked | Reason::Banned => LeaveReason::Kicked,
        _ => LeaveReason::Ended,
    }
}
