//! The server's end of a polling link: which batches have come, which poll waits, and what must be repeated. What is written is the session's matter.

use super::{
    BATCH_BYTES_MAX, HOLD_MS, PollAnswer, PollId, PollRefusal, REQUESTS_PER_S_MAX, put_frame,
};
use crate::session::Outgoing;
use crate::session::bucket::Bucket;
use crate::time::Time;
use bytes::Bytes;
use std::time::Duration;

/// The server's end of one link. `W` stands for a request that waits for its answer.
///
/// ```
/// use bytes::Bytes;
/// use tickwire_proto::{Outgoing, Time};
/// use tickwire_proto::poll::{PollAnswer, PollHost, PollId};
/// let id = PollId::new(1, [9; 16]);
/// let mut host = PollHost::new(Time(0), id, "open");
/// host.put(&Outgoing::frame(Bytes::from_static(b"welcome")));
/// let (waiter, body) = host.flush().unwrap();
/// assert_eq!(waiter, "open");
/// assert!(matches!(PollAnswer::decode(&body), Ok(PollAnswer::Opened { .. })));
/// assert_eq!(host.takes(), 0, "until the next poll comes");
/// ```
#[derive(Debug)]
pub struct PollHost<W> {
    id: PollId,
    /// Batches of the client that have come.
    received: u64,
    /// Batches that were given to an answer.
    sent: u64,
    /// The newest of them, until it is known to have arrived.
    unproven: Option<Bytes>,
    batch: Vec<u8>,
    held: Option<Held<W>>,
    /// The newest poll.
    polls: u64,
    requests: Bucket,
    closing: Option<u16>,
    /// The batch that says so was made.
    last: bool,
    over: bool,
}

#[derive(Debug)]
struct Held<W> {
    waiter: W,
    until: Time,
}

impl<W> PollHost<W> {
    /// A link that was just opened by the request of `waiter`, whose frames are the client's first batch.
    pub fn new(now: Time, id: PollId, waiter: W) -> PollHost<W> {
        PollHost {
            id,
            received: 1,
            sent: 0,
            unproven: None,
            batch: Vec::new(),
            held: Some(held(now, waiter)),
            polls: 0,
            requests: Bucket::new(now, REQUESTS_PER_S_MAX, 2 * REQUESTS_PER_S_MAX),
            closing: None,
            last: false,
            over: false,
        }
    }

    /// What a request must name.
    pub fn id(&self) -> &PollId {
        &self.id
    }

    /// A batch came. True: it is the next one, and its frames count; false: it has come before.
    ///
    /// # Errors
    /// One before it is missing, or there are too many requests.
    pub fn post(&mut self, now: Time, number: u64) -> Result<bool, PollRefusal> {
        if !self.requests.take(now, 1) {
            return Err(PollRefusal::Limit);
        }
        self.batch_came(number)
    }

    /// The same for one of the batches in a goodbye.
    ///
    /// # Errors
    /// One before it is missing.
    pub fn batch_came(&mut self, number: u64) -> Result<bool, PollRefusal> {
        if number > self.received.saturating_add(1) {
            return Err(PollRefusal::Jump {
                said: number,
                known: self.received,
            });
        }
        let next = number > self.received;
        self.received += u64::from(next);
        Ok(next)
    }

    /// The answer to a batch.
    pub fn taken(&self) -> Bytes {
        PollAnswer::Taken {
            number: self.received,
        }
        .encode()
    }

    /// A poll came. Requests that wait no more get their answers through `answer`: this one, or one before it.
    pub fn poll(
        &mut self,
        now: Time,
        number: u64,
        got: u64,
        waiter: W,
        mut answer: impl FnMut(W, Result<Bytes, PollRefusal>),
    ) {
        if let Err(refusal) = self.judge(now, number, got) {
            return answer(waiter, Err(refusal));
        }
        self.polls = number;
        if let Some(older) = self.held.take() {
            answer(older.waiter, Err(PollRefusal::Second));
        }
        if got == self.sent {
            self.unproven = None;
            if self.last {
                self.over = true;
                return answer(waiter, Err(PollRefusal::Unknown));
            }
        }
        match &self.unproven {
            Some(again) => answer(waiter, Ok(again.clone())),
            None => self.held = Some(held(now, waiter)),
        }
    }

    fn judge(&mut self, now: Time, number: u64, got: u64) -> Result<(), PollRefusal> {
        if !self.requests.take(now, 1) {
            return Err(PollRefusal::Limit);
        }
        if got > self.sent {
            return Err(PollRefusal::Jump {
                said: got,
                known: self.sent,
            });
        }
        // What has arrived does not leave again: such a poll is an old one, whatever its number.
        let proven = self.sent - u64::from(self.unproven.is_some());
        if number <= self.polls || got < proven {
            return Err(PollRefusal::Late);
        }
        Ok(())
    }

    /// How many bytes it takes now: none while no poll waits for them.
    pub fn takes(&self) -> usize {
        if self.held.is_none() || self.closing.is_some() {
            0
        } else {
            BATCH_BYTES_MAX.saturating_sub(self.batch.len())
        }
    }

    /// One more write for the next answer. Only to be called while it takes something, or before the link is closed.
    pub fn put(&mut self, out: &Outgoing) {
        put_frame(&mut self.batch, &out.head);
        if let Some(body) = &out.body {
            put_frame(&mut self.batch, body);
        }
    }

    /// The answer of the poll that waits, if there is something to carry.
    pub fn flush(&mut self) -> Option<(W, Bytes)> {
        let last = self.closing.is_some() && !self.last;
        if self.batch.is_empty() && !last {
            return None;
        }
        let waiter = self.held.take()?.waiter;
        self.sent += 1;
        self.last = last;
        let (frames, close) = (std::mem::take(&mut self.batch).into(), self.closing);
        let answer = if self.sent == 1 {
            PollAnswer::Opened {
                link: self.id,
                frames,
                close,
            }
        } else {
            PollAnswer::Batch {
                number: self.sent,
                frames,
                close,
            }
        };
        let body = answer.encode();
        self.unproven = Some(body.clone());
        Some((waiter, body))
    }

    /// The request that waits.
    pub fn waiter(&self) -> Option<&W> {
        self.held.as_ref().map(|held| &held.waiter)
    }

    /// It is gone, and waits no more.
    pub fn forget_waiter(&mut self) {
        self.held = None;
    }

    /// The answer of a poll that has waited for long enough.
    pub fn expired(&mut self, now: Time) -> Option<(W, Bytes)> {
        // The answer to the first request names the link: it is never empty.
        self.held
            .take_if(|held| held.until <= now && self.sent > 0)
            .map(|held| (held.waiter, PollAnswer::Nothing.encode()))
    }

    /// When [`expired`](Self::expired) has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        let held = self.held.as_ref().filter(|_| self.sent > 0);
        held.map(|held| held.until)
    }

    /// Nothing more comes: the next answer carries what is left, and the code.
    pub fn close(&mut self, code: u16) {
        self.closing.get_or_insert(code);
    }

    /// Whether the link is being closed.
    pub fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// The client knows that the link is closed.
    pub fn is_over(&self) -> bool {
        self.over
    }
}

fn held<W>(now: Time, waiter: W) -> Held<W> {
    Held {
        waiter,
        until: now.plus(Duration::from_millis(HOLD_MS)),
    }
}
