//! Requests in both directions, on the client: what its owner asks, and what it answers.

use super::super::asks::{Came, Key, Taken, outcome, timeout_ms};
use super::super::{SendError, asks};
use super::{ClientEvent, ClientSession};
use crate::frame::{Ask, AskOutcome, Cancel, ClientFrame, Outcome, Refusal, Reply, code};
use crate::time::Time;
use bytes::Bytes;
use std::time::Duration;

impl ClientSession {
    /// Asks the server: a room, or outside of rooms the namespace of an attachment. Exactly one [`ClientEvent::Reply`] with the number follows, unless it
    /// is given up. `Full`: try again when receipts have made room.
    pub fn ask(
        &mut self,
        now: Time,
        room: u32,
        channel: u8,
        kind: u32,
        payload: &[u8],
        timeout: Duration,
    ) -> Result<u32, SendError> {
        self.check(room, channel, payload.len())?;
        if !self.asked.has_room() {
            return Err(SendError::Asking);
        }
        let number = self.asked.number(room);
        let timeout_ms = timeout_ms(timeout);
        let ask = Ask {
            room,
            channel,
            number,
            kind,
            timeout_ms,
            payload,
        };
        self.outbox
            .push_reliable(channel, ClientFrame::Ask(ask).encode())
            .map_err(|_| SendError::Full)?;
        let until = now.plus(Duration::from_millis(timeout_ms.into()));
        self.asked.open((room, number), channel, Some(until));
        Ok(number)
    }

    /// Gives a request up that this side asked: nothing is heard of it any more.
    pub fn cancel_ask(&mut self, room: u32, number: u32) {
        if self.is_ended().is_none()
            && let Some(cancel) = self.asked.cancel((room, number))
        {
            self.stats.asks_cancelled += 1;
            self.push_cancel(cancel);
        }
    }

    /// The answer to [`ClientEvent::Ask`]. One that is too long becomes a refusal that says so; one that nobody waits for any
    /// more is counted.
    pub fn answer(&mut self, room: u32, number: u32, answer: Result<Bytes, Refusal>) {
        let channel = if self.is_ended().is_some() {
            None
        } else {
            self.owed.answered((room, number))
        };
        let Some(channel) = channel else {
            self.stats.answers_late += 1;
            return;
        };
        let max = self.limits.message_max as usize;
        let answer = asks::fit(answer, max);
        self.push_reply((room, number), channel, outcome(&answer, max));
    }

    fn push_reply(&mut self, (room, number): Key, channel: u8, outcome: Outcome<'_>) {
        let reply = Reply {
            room,
            channel,
            number,
            outcome,
        };
        self.push_owed(channel, &ClientFrame::Reply(reply));
    }

    fn push_cancel(&mut self, cancel: Cancel) {
        self.push_owed(cancel.channel, &ClientFrame::Cancel(cancel));
    }

    fn push_owed(&mut self, channel: u8, frame: &ClientFrame<'_>) {
        if self.outbox.push_owed(channel, frame.encode()).is_err() {
            self.overflow();
        }
    }

    /// Requests that have run out of time.
    pub(super) fn time_asks(&mut self, now: Time) {
        for cancel in self.asked.due(now) {
            self.stats.asks_timed_out += 1;
            self.tell_outcome(&cancel, AskOutcome::Timeout);
            self.push_cancel(cancel);
        }
    }

    /// A room is over: nobody answers any more, on either side.
    pub(super) fn end_asks_of(&mut self, room: u32) {
        for cancel in self.asked.end_room(room) {
            self.tell_outcome(&cancel, AskOutcome::Ended);
        }
        for (number, channel) in self.owed.end_room(room) {
            self.events
                .push_back(ClientEvent::AskCancelled { room, number });
            self.push_reply((room, number), channel, Outcome::Ended);
        }
    }

    /// The session is over, or does not go on.
    pub(super) fn end_asks(&mut self) {
        for cancel in self.asked.end() {
            self.tell_outcome(&cancel, AskOutcome::Ended);
        }
        self.owed.clear();
    }

    fn tell_outcome(&mut self, of: &Cancel, outcome: AskOutcome) {
        self.events.push_back(ClientEvent::Reply {
            room: of.room,
            number: of.number,
            outcome,
        });
    }

    pub(super) fn asked_by_server(&mut self, ask: &Ask<'_>, bytes: &Bytes) {
        let key = (ask.room, ask.number);
        if !self.is_there(ask.room) {
            self.stats.asks_no_room += 1;
            return self.push_reply(key, ask.channel, Outcome::Ended);
        }
        match self.owed.take(ask) {
            Taken::Yes => self.events.push_back(ClientEvent::Ask {
                room: ask.room,
                channel: ask.channel,
                number: ask.number,
                kind: ask.kind,
                timeout_ms: ask.timeout_ms,
                payload: bytes.slice_ref(ask.payload),
            }),
            Taken::Twice | Taken::TooMany => {
                self.stats.asks_limited += 1;
                let refused = Outcome::Refused {
                    code: code::LIMIT,
                    message: "too many requests wait for their reply: wait too",
                    data: &[],
                };
                self.push_reply(key, ask.channel, refused);
            }
        }
    }

    pub(super) fn replied_by_server(&mut self, reply: &Reply<'_>) {
        let (room, number) = (reply.room, reply.number);
        match self.asked.replied((room, number)) {
            Came::Wanted => self.events.push_back(ClientEvent::Reply {
                room,
                number,
                outcome: reply.outcome.to_owned(),
            }),
            Came::Late => self.stats.replies_late += 1,
            Came::Unasked => self.stats.replies_unasked += 1,
        }
    }

    /// The server gives a request up: it gets its reply all the same, so that both know that it is done with.
    pub(super) fn cancelled_by_server(&mut self, cancel: &Cancel) {
        let Cancel { room, number, .. } = *cancel;
        match self.owed.answered((room, number)) {
            Some(channel) => {
                self.events
                    .push_back(ClientEvent::AskCancelled { room, number });
                self.push_reply((room, number), channel, Outcome::Ended);
            }
            None => self.stats.frames_late += 1, // the answer is on its way
        }
    }
}
