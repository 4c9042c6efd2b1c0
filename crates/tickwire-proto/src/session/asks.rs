//! The books of requests, the same on both sides: what this side asked and until when, and what it owes the peer.
//!
//! The one rule behind both: each request gets exactly one reply while the session lives, one that was given up or whose
//! room has ended too. So both sides know at any time which are open, and a reply to anything else is a false one.

use crate::frame::ask::Outcome;
use crate::frame::{Ask, Cancel, Refusal, code};
use crate::time::Time;
use bytes::Bytes;
use litemap::LiteMap;
use std::time::Duration;

/// Requests of one direction that wait for their reply.
pub const ASKS_PENDING_MAX: usize = 64;
/// Requests of a client a second; saved up for five.
pub const ASKS_PER_S_MAX: u64 = 32;
/// Replies of a client to what was never asked, before the session ends with Violation.
pub const BOGUS_REPLIES_MAX: u64 = 16;
/// For how long a request waits at most, in milliseconds.
pub const ASK_MS_MAX: u32 = 600_000;
/// For how long a request waits unless it says so itself, in milliseconds.
pub const ASK_MS: u32 = 5_000;

/// A request's room and its asker's number for it.
pub(crate) type Key = (u32, u32);

/// The milliseconds that a request says on the wire.
pub(crate) fn timeout_ms(timeout: Duration) -> u32 {
    u32::try_from(timeout.as_millis()).map_or(ASK_MS_MAX, |ms| ms.min(ASK_MS_MAX))
}

/// What this side asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    open: LiteMap<Key, Waiting>,
    /// The last number given out by this side's session.
    number: u32,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    channel: u8,
    state: Wait,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// Its asker waits, until then if the session keeps its time.
    Open(Option<Time>),
    /// Its asker has had its outcome; the reply is still to come.
    GivenUp,
}

/// What a reply turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    Wanted,
    Late,
    Unasked,
}

impl Asked {
    /// A number that no open request of this room has.
    pub fn number(&mut self, room: u32) -> u32 {
        loop {
            self.number = self.number.wrapping_add(1);
            if !self.open.contains_key(&(room, self.number)) {
                return self.number;
            }
        }
    }

    /// Whether one more may be asked.
    pub fn has_room(&self) -> bool {
        self.open.len() < ASKS_PENDING_MAX
    }

    /// A request goes out. False: its number is in use.
    pub fn open(&mut self, key: Key, channel: u8, until: Option<Time>) -> bool {
        let state = Wait::Open(until);
        let fresh = !self.open.contains_key(&key);
        if fresh {
            self.open.insert(key, Waiting { channel, state });
        }
        fresh
    }

    /// A reply came.
    pub fn replied(&mut self, key: Key) -> Came {
        match self.open.remove(&key).map(|waiting| waiting.state) {
            Some(Wait::Open(_)) => Came::Wanted,
            Some(Wait::GivenUp) => Came::Late,
            None => Came::Unasked,
        }
    }

    /// The asker wants no answer any more: what to tell the peer, if it still waited.
    pub fn cancel(&mut self, (room, number): Key) -> Option<Cancel> {
        let waiting = self.open.get_mut(&(room, number))?;
        if waiting.state == Wait::GivenUp {
            return None;
        }
        waiting.state = Wait::GivenUp;
        Some(Cancel {
            room,
            channel: waiting.channel,
            number,
        })
    }

    /// When the next one runs out of time.
    pub fn next_deadline(&self) -> Option<Time> {
        let until = self
            .open
            .values()
            .filter_map(|waiting| match waiting.state {
                Wait::Open(until) => until,
                Wait::GivenUp => None,
            });
        until.min()
    }

    /// Those that have run out of time; they are given up.
    pub fn due(&mut self, now: Time) -> Vec<Cancel> {
        let due = |state| matches!(state, Wait::Open(Some(until)) if until <= now);
        self.give_up(|_, waiting| due(waiting.state))
    }

    /// Those of a room that has ended; their replies come still.
    pub fn end_room(&mut self, room: u32) -> Vec<Cancel> {
        self.give_up(|(of, _), _| of == room)
    }

    /// All that wait: the session is over, and no reply comes.
    pub fn end(&mut self) -> Vec<Cancel> {
        let all = self.give_up(|_, _| true);
        self.open.clear();
        all
    }

    fn give_up(&mut self, which: impl Fn(Key, &Waiting) -> bool) -> Vec<Cancel> {
        let mut gone = Vec::new();
        for (&(room, number), waiting) in &mut self.open {
            if waiting.state != Wait::GivenUp && which((room, number), waiting) {
                waiting.state = Wait::GivenUp;
                gone.push(Cancel {
                    room,
                    channel: waiting.channel,
                    number,
                });
            }
        }
        gone
    }
}

/// What the peer asked and has no reply to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owed {
    open: LiteMap<Key, u8>,
}

/// What a request of the peer turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Yes,
    /// More than may wait.
    TooMany,
    /// Its number is in use.
    Twice,
}

impl Owed {
    pub fn take(&mut self, ask: &Ask<'_>) -> Taken {
        let key = (ask.room, ask.number);
        if self.open.contains_key(&key) {
            Taken::Twice
        } else if self.open.len() >= ASKS_PENDING_MAX {
            Taken::TooMany
        } else {
            self.open.insert(key, ask.channel);
            Taken::Yes
        }
    }

    /// Whether a request waits; its number must not be used for another.
    pub fn contains(&self, key: Key) -> bool {
        self.open.contains_key(&key)
    }

    /// Its answer is here: the channel that it goes on. None: it needs none (any more).
    pub fn answered(&mut self, key: Key) -> Option<u8> {
        self.open.remove(&key)
    }

    /// Those of a room that has ended: (number, channel).
    pub fn end_room(&mut self, room: u32) -> Vec<(u32, u8)> {
        let numbers: Vec<u32> = self
            .open
            .keys()
            .filter(|(of, _)| *of == room)
            .map(|(_, number)| *number)
            .collect();
        let end = |number| Some((number, self.open.remove(&(room, number))?));
        numbers.into_iter().filter_map(end).collect()
    }

    pub fn clear(&mut self) {
        self.open.clear();
    }
}

/// An answer that may go: one that is too long is a failure of whoever made it, and is told as one.
pub(crate) fn fit(answer: Result<Bytes, Refusal>, max: usize) -> Result<Bytes, Refusal> {
    match answer {
        Ok(payload) if payload.len() > max => Err(Refusal::new(
            code::FAILED,
            format!(
                "the reply of {} bytes is longer than the {max} allowed",
                payload.len()
            ),
        )),
        fits => fits,
    }
}

/// An answer as it goes out: no longer than `max`, but for a refusal's text.
pub(crate) fn outcome(answer: &Result<Bytes, Refusal>, max: usize) -> Outcome<'_> {
    match answer {
        Ok(payload) => Outcome::Done { payload },
        Err(refusal) => {
            let len = refusal.code.len() + refusal.message.len() + refusal.data.len();
            Outcome::Refused {
                code: &refusal.code,
                message: &refusal.message,
                data: if len <= max { &refusal.data } else { &[] },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(room: u32, number: u32) -> Ask<'static> {
        Ask {
            room,
            channel: 3,
            number,
            kind: 1,
            timeout_ms: 5,
            payload: b"",
        }
    }

    #[test]
    fn each_request_has_one_outcome_and_one_reply() {
        let mut asked = Asked::default();
        for number in 1..=4 {
            assert!(asked.open((5, number), 3, Some(Time(number.into()))));
        }
        assert!(!asked.open((5, 1), 3, None), "its number is in use");
        assert_eq!(asked.next_deadline(), Some(Time(1)));
        assert_eq!(asked.replied((5, 1)), Came::Wanted);
        assert_eq!(asked.replied((5, 1)), Came::Unasked);
        let cancel = |number| Cancel {
            room: 5,
            channel: 3,
            number,
        };
        assert_eq!(asked.cancel((5, 2)), Some(cancel(2)));
        assert_eq!(asked.cancel((5, 2)), None, "given up already");
        assert_eq!(asked.due(Time(3)), [cancel(3)]);
        assert_eq!(asked.due(Time(3)), []);
        assert_eq!(asked.end_room(6), []);
        assert_eq!(asked.end_room(5), [cancel(4)]);
        assert_eq!(asked.next_deadline(), None);
        for number in 2..=4 {
            assert_eq!(asked.replied((5, number)), Came::Late);
            assert_eq!(asked.replied((5, number)), Came::Unasked);
        }
    }

    #[test]
    fn what_is_given_up_counts_until_its_reply_comes() {
        let mut asked = Asked::default();
        for _ in 0..ASKS_PENDING_MAX {
            assert!(asked.has_room());
            let number = asked.number(0);
            asked.open((0, number), 0, None);
            asked.cancel((0, number));
        }
        assert!(!asked.has_room());
        assert_eq!(asked.replied((0, 1)), Came::Late);
        assert!(asked.has_room());
    }

    #[test]
    fn what_is_owed_is_bounded_and_answered_once() {
        let mut owed = Owed::default();
        for number in 0..ASKS_PENDING_MAX as u32 {
            assert_eq!(owed.take(&ask(number % 2, number)), Taken::Yes);
        }
        assert_eq!(owed.take(&ask(1, 1)), Taken::Twice);
        assert_eq!(owed.take(&ask(1, 1000)), Taken::TooMany);
        assert_eq!(owed.answered((1, 1)), Some(3));
        assert_eq!(owed.answered((1, 1)), None);
        assert_eq!(owed.end_room(1).len(), ASKS_PENDING_MAX / 2 - 1);
        assert!(owed.contains((0, 0)) && !owed.contains((1, 3)));
    }

    #[test]
    fn numbers_in_use_are_stepped_over_when_they_wrap() {
        let mut asked = Asked {
            number: u32::MAX - 1,
            ..Asked::default()
        };
        asked.open((0, 0), 0, None);
        assert_eq!(asked.number(0), u32::MAX);
        assert_eq!(asked.number(0), 1);
    }

    #[test]
    fn a_refusal_too_long_loses_its_data_first() {
        let refusal = Refusal {
            data: Bytes::from_static(&[1; 10]),
            ..Refusal::new("No", "text")
        };
        let answer = Err(refusal);
        assert_eq!(outcome(&answer, 16).len(), 16);
        assert_eq!(outcome(&answer, 15).len(), 6);
    }
}
