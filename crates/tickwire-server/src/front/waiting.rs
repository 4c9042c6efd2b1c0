//! What rooms do not take now: kept in order, within bounds for each session, until they do. What may be left out waits for nobody.

use std::collections::{BTreeMap, VecDeque};

use tickwire_proto::frame::AskOutcome;
use tickwire_proto::{Reason, Time};

use super::{Front, FrontOutput};
use crate::key::SessionKey;
use crate::lobby::LobbyInput;
use crate::room::RoomInput;

/// What one session has said to rooms that take nothing now: one more ends it.
pub const WAITING_MAX: usize = 1_024;
/// The bytes of it.
pub const WAITING_BYTES_MAX: usize = 128 * 1024;
/// What each of it counts beside its payload.
const OVERHEAD: usize = 64;

/// By room, in the order in which it was said.
#[derive(Debug, Default)]
pub(super) struct Waiting(BTreeMap<u32, VecDeque<(SessionKey, Kept)>>);

#[derive(Debug)]
enum Kept {
    Said(RoomInput),
    /// For the lobby, behind what was said before it.
    Left(LobbyInput),
}

impl Front {
    /// Whether something waits for a room: what follows it waits behind it, by [`not_taken`](Self::not_taken).
    #[must_use]
    pub fn waits_for(&self, room: u32) -> bool {
        self.waiting.0.contains_key(&room)
    }

    /// Whether something waits for any room: [`offer`](Self::offer) it.
    #[must_use]
    pub fn rooms_are_full(&self) -> bool {
        !self.waiting.0.is_empty()
    }

    /// A room did not take what a session said to it (see [`FrontOutput::ToRoom`]). It is kept; a session for which too much waits ends.
    /// False: it may be left out, and was; newer ones come.
    pub fn not_taken(
        &mut self,
        now: Time,
        session: Option<SessionKey>,
        room: u32,
        input: RoomInput,
    ) -> bool {
        let Some(session) = session.filter(|_| !input.may_be_left_out()) else {
            return false;
        };
        let Some(slot) = self.slots.get_mut(session) else {
            return true; // it has ended, and was told so
        };
        let bytes = size(&input);
        let (messages, sum) = (slot.waiting.0 + 1, slot.waiting.1 + bytes);
        if messages > WAITING_MAX || sum > WAITING_BYTES_MAX {
            let text = format!(
                "a room is so busy that {messages} messages ({sum} bytes) of this session wait for it"
            );
            self.end(
                now,
                session,
                Reason::Overflow,
                Reason::Overflow.retry(),
                &text,
            );
            return true;
        }
        slot.waiting = (messages, sum);
        let waiting = self.waiting.0.entry(room).or_default();
        waiting.push_back((session, Kept::Said(input)));
        true
    }

    /// Who leaves a room goes behind what it said there. `None`: it is kept, and told to the lobby later.
    pub fn in_order(&mut self, input: LobbyInput) -> Option<LobbyInput> {
        let LobbyInput::Leave { session, room, .. } = &input else {
            return Some(input);
        };
        let (session, waiting) = (*session, self.waiting.0.get_mut(room));
        match waiting.filter(|all| all.iter().any(|(whose, _)| *whose == session)) {
            Some(waiting) => {
                waiting.push_back((session, Kept::Left(input)));
                None
            }
            None => Some(input),
        }
    }

    /// Offers rooms what waits for them, oldest first, until they take no more: to be called now and then while [`rooms_are_full`](Self::rooms_are_full).
    /// `give` gives back what a room does not take.
    pub fn offer(&mut self, mut give: impl FnMut(u32, RoomInput) -> Result<(), RoomInput>) {
        let (slots, outputs) = (&mut self.slots, &mut self.outputs);
        self.waiting.0.retain(|room, waiting| {
            while let Some((session, kept)) = waiting.pop_front() {
                match kept {
                    Kept::Left(input) => outputs.push_back(FrontOutput::ToLobby(input)),
                    Kept::Said(input) => {
                        let bytes = size(&input);
                        if let Err(input) = give(*room, input) {
                            waiting.push_front((session, Kept::Said(input)));
                            return true;
                        }
                        if let Some(slot) = slots.get_mut(session) {
                            slot.waiting.0 -= 1;
                            slot.waiting.1 -= bytes;
                        }
                    }
                }
            }
            false
        });
    }

    /// The room is over, and those in it hear that.
    pub(super) fn wait_no_more(&mut self, room: u32) {
        for (session, kept) in self.waiting.0.remove(&room).into_iter().flatten() {
            if let (Kept::Said(input), Some(slot)) = (kept, self.slots.get_mut(session)) {
                slot.waiting.0 -= 1;
                slot.waiting.1 -= size(&input);
            }
        }
    }
}

fn size(input: &RoomInput) -> usize {
    OVERHEAD
        + match input {
            RoomInput::Message { payload, .. } | RoomInput::Request { payload, .. } => {
                payload.len()
            }
            RoomInput::Reply {
                outcome: AskOutcome::Done(payload),
                ..
            } => payload.len(),
            RoomInput::Status { status, .. } => status.len(),
            _ => 0,
        }
}
