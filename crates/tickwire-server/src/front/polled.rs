//! Links that carry only when they are asked, as polls are: their rooms make an update while one waits for it, and not before.

use super::Front;
use crate::key::SessionKey;

impl Front {
    /// An update of a room has gone with a poll's answer: the room makes no other before the next poll comes, lest it be old by then.
    pub fn shut(&mut self, session: SessionKey, room: u32) {
        let part = self
            .slots
            .get_mut(session)
            .and_then(|slot| slot.joined(room));
        if let Some(part) = part.filter(|part| !part.shut) {
            part.shut = true;
            part.gauge.shut(true);
        }
    }

    /// A poll has come: updates may be made again. One that is made and finds no poll waits for the next, so that a link which is always busy
    /// with messages carries updates too.
    pub fn reopen(&mut self, session: SessionKey) {
        let Some(slot) = self.slots.get_mut(session) else {
            return;
        };
        for part in slot.parts.iter_mut().filter(|part| part.shut) {
            part.shut = false;
            part.gauge.shut(false);
        }
    }
}
