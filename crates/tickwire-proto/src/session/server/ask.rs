//! Requests in both directions, on the server: what its rooms and owner ask, and what they answer.

use super::super::asks::{
    ASKS_PENDING_MAX, ASKS_PER_S_MAX, BOGUS_REPLIES_MAX, Came, Key, Taken, outcome, timeout_ms,
};
use super::super::outbox::Full;
use super::super::{SendError, asks};
use super::receive::violation;
use super::{ServerEvent, ServerSession};
use crate::ending::Ending;
use crate::frame::{
    Ask, AskOutcome, Cancel, Outcome, PAYLOAD_MAX, Refusal, Reply, ServerFrame, code,
};
use crate::time::Time;
use bytes::Bytes;
use std::time::Duration;

impl ServerSession {
    /// Asks the client outside of rooms, for the namespace of an attachment: exactly one [`ServerEvent::Reply`] with the number follows.
    ///
    /// Rooms give their requests numbers of their own: encode once and use [`ServerSession::send_frame`].
    pub fn ask(
        &mut self,
        now: Time,
        attachment: u8,
        channel: u8,
        kind: u32,
        payload: &[u8],
        timeout: Duration,
    ) -> Result<u32, SendError> {
        self.check(payload.len(), channel)?;
        let room = u32::from(attachment);
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
        let until = now.plus(Duration::from_millis(timeout_ms.into()));
        self.push_ask(&ask, Some(until), ServerFrame::Ask(ask).encode())?;
        Ok(number)
    }

    /// A room's request, encoded once for many: the room keeps its time, and gives it up itself.
    pub(super) fn ask_shared(&mut self, shared: Bytes) -> Result<(), SendError> {
        let frame = shared.clone();
        let Ok(ServerFrame::Ask(ask)) = ServerFrame::decode(&frame) else {
            return Ok(()); // what the server's own houses encoded can be read
        };
        self.push_ask(&ask, None, shared)
    }

    fn push_ask(
        &mut self,
        ask: &Ask<'_>,
        until: Option<Time>,
        frame: Bytes,
    ) -> Result<(), SendError> {
        if self.is_ended().is_some() {
            return Err(SendError::Ended);
        }
        if !self.asked.has_room() {
            return Err(SendError::Asking);
        }
        if !self.asked.open((ask.room, ask.number), ask.channel, until) {
            return Err(SendError::Asking);
        }
        let pushed = self.outbox.push_reliable(ask.channel, frame);
        pushed.map_err(|Full| self.overflow())
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

    /// The answer to [`ServerEvent::Ask`]. One that is too long becomes a refusal that says so.
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
        let answer = asks::fit(answer, PAYLOAD_MAX);
        self.push_reply((room, number), channel, outcome(&answer, PAYLOAD_MAX));
    }

    fn push_reply(&mut self, (room, number): Key, channel: u8, outcome: Outcome<'_>) {
        let reply = Reply {
            room,
            channel,
            number,
            outcome,
        };
        let frame = ServerFrame::Reply(reply).encode();
        if self.outbox.push_owed(channel, frame).is_err() {
            self.overflow();
        }
    }

    fn push_cancel(&mut self, cancel: Cancel) {
        let frame = ServerFrame::Cancel(cancel).encode();
        if self.outbox.push_owed(cancel.channel, frame).is_err() {
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

    /// Before the room's ending goes out: nobody answers any more, on either side.
    pub(super) fn end_asks_of(&mut self, room: u32) {
        for cancel in self.asked.end_room(room) {
            self.tell_outcome(&cancel, AskOutcome::Ended);
        }
        for (number, channel) in self.owed.end_room(room) {
            self.push_reply((room, number), channel, Outcome::Ended);
        }
    }

    /// The session is over.
    pub(super) fn end_asks(&mut self) {
        for cancel in self.asked.end() {
            self.tell_outcome(&cancel, AskOutcome::Ended);
        }
        self.owed.clear();
    }

    fn tell_outcome(&mut self, of: &Cancel, outcome: AskOutcome) {
        self.events.push_back(ServerEvent::Reply {
            room: of.room,
            number: of.number,
            outcome,
        });
    }

    pub(super) fn accept_ask(&mut self, now: Time, ask: &Ask<'_>) -> Result<(), Ending> {
        let max = self.cfg.limits.message_max as usize;
        if ask.payload.len() > max {
            return Err(violation(format!(
                "a request of {} bytes is longer than the {max} allowed",
                ask.payload.len()
            )));
        }
        let key = (ask.room, ask.number);
        if !self.is_there(ask.room) {
            self.stats.asks_no_room += 1;
            self.push_reply(key, ask.channel, Outcome::Ended);
            return Ok(());
        }
        let why = if !self.owed.contains(key) && !self.asks.take(now, 1) {
            format!("more than {ASKS_PER_S_MAX} requests a second: ask less often")
        } else {
            match self.owed.take(ask) {
                Taken::Yes => {
                    self.events.push_back(ServerEvent::Ask {
                        room: ask.room,
                        channel: ask.channel,
                        number: ask.number,
                        kind: ask.kind,
                        timeout_ms: ask.timeout_ms,
                        payload: Bytes::copy_from_slice(ask.payload),
                    });
                    return Ok(());
                }
                Taken::Twice => {
                    return Err(violation(format!(
                        "Ask frame: number {} of room {} is used twice at once",
                        ask.number, ask.room
                    )));
                }
                Taken::TooMany => {
                    format!("{ASKS_PENDING_MAX} requests wait for their reply: wait too")
                }
            }
        };
        self.stats.asks_limited += 1;
        let refused = Outcome::Refused {
            code: code::LIMIT,
            message: &why,
            data: &[],
        };
        self.push_reply(key, ask.channel, refused);
        Ok(())
    }

    pub(super) fn accept_reply(&mut self, reply: &Reply<'_>) -> Result<(), Ending> {
        let max = self.cfg.limits.message_max as usize;
        if let Outcome::Done { payload } = reply.outcome
            && payload.len() > max
        {
            return Err(violation(format!(
                "a reply of {} bytes is longer than the {max} allowed",
                payload.len()
            )));
        }
        let (room, number) = (reply.room, reply.number);
        match self.asked.replied((room, number)) {
            Came::Wanted => self.events.push_back(ServerEvent::Reply {
                room,
                number,
                outcome: reply.outcome.to_owned(),
            }),
            Came::Late => self.stats.replies_late += 1,
            Came::Unasked => {
                self.stats.replies_unasked += 1;
                if self.stats.replies_unasked > BOGUS_REPLIES_MAX {
                    return Err(violation(format!(
                        "more than {BOGUS_REPLIES_MAX} replies to what was never asked, the last: number {number} of room {room}"
                    )));
                }
            }
        }
        Ok(())
    }

    /// The client gives a request up: it gets its reply all the same, so that both know that it is done with.
    pub(super) fn accept_cancel(&mut self, cancel: &Cancel) {
        let Cancel { room, number, .. } = *cancel;
        match self.owed.answered((room, number)) {
            Some(channel) => {
                self.events
                    .push_back(ServerEvent::AskCancelled { room, number });
                self.push_reply((room, number), channel, Outcome::Ended);
            }
            None => self.stats.frames_late += 1, // the answer is on its way
        }
    }
}
