//! The client's end of a polling link: which request goes when, and what is asked again. Who carries requests is the owner's matter.

use super::{
    HOLD_MS, POST_BYTES_MAX, PollAnswer, PollId, PollRequest, frames as frames_of, put_frame,
};
use crate::frame::SERVER_FRAME_MAX;
use crate::time::Time;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// Between the beginnings of two posts, and of two polls: what comes meanwhile goes together.
const POST_GAP: Duration = Duration::from_millis(20);
const POLL_GAP: Duration = Duration::from_millis(10);
/// Where timers sleep: so far ahead of those a request may begin.
const AHEAD: Duration = Duration::from_secs(1);
/// An answer that does not come for so long is asked for again.
const POST_PATIENCE: Duration = Duration::from_secs(5);
const POLL_PATIENCE: Duration = Duration::from_millis(HOLD_MS + 5_000);
/// After a request that failed: a pause, doubled each time.
const PAUSE: Duration = Duration::from_millis(100);
/// So many failures in a row are the end of the link.
pub(super) const FAILURES_MAX: u32 = 4;

/// Which way a request carries frames. Of each there is one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// To the server. The first request and the last go here, too.
    Post,
    /// From the server; held there until there is something.
    Poll,
}

/// A request to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Its number on this side: what [`PollClient::answered`] and [`PollClient::failed`] are told of.
    pub ticket: u64,
    /// An older request of this lane is given up.
    pub lane: Lane,
    /// Its body.
    pub body: Bytes,
}

/// How a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    /// The close code, as of a WebSocket, where the server closed it.
    pub code: Option<u16>,
    /// Else the status of the answer that ended it; 0: there was none.
    pub status: u16,
    /// What that answer said.
    pub said: Bytes,
}

/// The client's end of one link.
///
/// Drain [`ask`](Self::ask) and [`frame`](Self::frame) after each call.
#[derive(Debug)]
pub struct PollClient {
    link: Option<PollId>,
    tickets: u64,
    post: Exchange,
    poll: Exchange,
    /// Frames for the next post.
    batch: Vec<u8>,
    /// The batch under way, and the number of the newest one.
    under_way: Option<Bytes>,
    batches: u64,
    polls: u64,
    got: u64,
    failures: u32,
    frames: VecDeque<Bytes>,
    over: Option<Over>,
    /// The server is still to be told that this end is done.
    goodbye: bool,
    /// The owner's timers sleep.
    untimed: bool,
}

/// A lane's request: not before `from`; `asked`: its ticket, and when it is given up.
#[derive(Debug)]
struct Exchange {
    from: Time,
    asked: Option<(u64, Time)>,
}

impl PollClient {
    /// A link that is not open yet: the first frame that is said opens it.
    #[must_use]
    pub fn new(now: Time) -> PollClient {
        let lane = || Exchange {
            from: now,
            asked: None,
        };
        PollClient {
            link: None,
            tickets: 0,
            post: lane(),
            poll: lane(),
            batch: Vec::new(),
            under_way: None,
            batches: 0,
            polls: 0,
            got: 0,
            failures: 0,
            frames: VecDeque::new(),
            over: None,
            goodbye: false,
            untimed: false,
        }
    }

    /// Whether the owner's timers sleep, as those of a page that nobody looks at: what follows an answer is asked as soon as that comes then, and
    /// the gaps hold on the average of a second.
    pub fn set_untimed(&mut self, untimed: bool) {
        self.untimed = untimed;
    }

    /// How much may be said now: nothing while a batch is under way.
    #[must_use]
    pub fn takes(&self) -> usize {
        if self.under_way.is_some() || self.over.is_some() {
            0
        } else {
            POST_BYTES_MAX.saturating_sub(self.batch.len())
        }
    }

    /// One more frame for the next post. Only to be called while it takes something.
    pub fn say(&mut self, frame: &[u8]) {
        put_frame(&mut self.batch, frame);
    }

    /// The next request to send.
    pub fn ask(&mut self, now: Time) -> Option<Ask> {
        if self.over.is_some() {
            return self.ask_goodbye();
        }
        let by = self.by(now);
        if self.post.is_free(by) {
            if self.under_way.is_none() && !self.batch.is_empty() {
                self.batches += 1;
                self.under_way = Some(std::mem::take(&mut self.batch).into());
            }
            if let Some(frames) = self.under_way.clone() {
                let request = match self.link {
                    None => PollRequest::Open { frames },
                    Some(link) => PollRequest::Post {
                        link,
                        number: self.batches,
                        frames,
                    },
                };
                let patience = if self.link.is_none() {
                    POLL_PATIENCE
                } else {
                    POST_PATIENCE
                };
                return Some(self.send(now, Lane::Post, &request, patience));
            }
        }
        let link = self.link.filter(|_| self.poll.is_free(by))?;
        self.polls += 1;
        let (number, got) = (self.polls, self.got);
        let request = PollRequest::Poll { link, number, got };
        Some(self.send(now, Lane::Poll, &request, POLL_PATIENCE))
    }

    /// Requests that may begin until then begin now. After a failure its pause is waited for.
    fn by(&self, now: Time) -> Time {
        match self.untimed && self.failures == 0 {
            true => now.plus(AHEAD),
            false => now,
        }
    }

    fn send(&mut self, now: Time, lane: Lane, request: &PollRequest, patience: Duration) -> Ask {
        self.tickets += 1;
        let ticket = self.tickets;
        let (exchange, gap) = match lane {
            Lane::Post => (&mut self.post, POST_GAP),
            Lane::Poll => (&mut self.poll, POLL_GAP),
        };
        exchange.from = exchange.from.max(now).plus(gap);
        exchange.asked = Some((ticket, now.plus(patience)));
        Ask {
            ticket,
            lane,
            body: request.encode(),
        }
    }

    /// Tells the server that this end is done, with what it may not have taken: once, and whatever comes of it.
    fn ask_goodbye(&mut self) -> Option<Ask> {
        let link = self.link.filter(|_| std::mem::take(&mut self.goodbye))?;
        let mut batches = Vec::new();
        batches.extend(self.under_way.take().map(|frames| (self.batches, frames)));
        if !self.batch.is_empty() {
            batches.push((self.batches + 1, std::mem::take(&mut self.batch).into()));
        }
        self.tickets += 1;
        Some(Ask {
            ticket: self.tickets,
            lane: Lane::Post,
            body: PollRequest::Close { link, batches }.encode(),
        })
    }

    /// An answer came to the request with that ticket.
    pub fn answered(&mut self, now: Time, ticket: u64, status: u16, body: &Bytes) {
        let Some(lane) = self.take_ticket(ticket) else {
            return; // of a request that was given up
        };
        let answer = (status == 200).then(|| PollAnswer::decode(body).ok());
        let opening = self.link.is_none();
        match (status, answer.flatten(), lane) {
            (
                _,
                Some(PollAnswer::Opened {
                    link,
                    frames,
                    close,
                }),
                Lane::Post,
            ) if opening => {
                self.link = Some(link);
                self.under_way = None;
                self.batch_came(1, &frames, close);
            }
            (_, Some(PollAnswer::Taken { number }), Lane::Post) if number == self.batches => {
                self.under_way = None;
                self.failures = 0;
            }
            (
                _,
                Some(PollAnswer::Batch {
                    number,
                    frames,
                    close,
                }),
                Lane::Poll,
            ) => self.batch_came(number, &frames, close),
            (_, Some(PollAnswer::Nothing), Lane::Poll) => self.failures = 0,
            (408 | 409 | 429 | 500..=599, ..) if !opening => self.try_again(now, lane),
            _ => self.end(Over {
                code: None,
                status,
                said: body.clone(),
            }),
        }
    }

    fn batch_came(&mut self, number: u64, batch: &Bytes, close: Option<u16>) {
        self.failures = 0;
        if number != self.got + 1 {
            return; // it has come before, on another answer
        }
        match frames_of(batch, SERVER_FRAME_MAX) {
            Ok(frames) => self.frames.extend(frames),
            Err(_) => {
                return self.end(Over {
                    code: None,
                    status: 200,
                    said: Bytes::new(),
                });
            }
        }
        self.got = number;
        if close.is_some() {
            self.end(Over {
                code: close,
                status: 200,
                said: Bytes::new(),
            });
            self.goodbye = true; // the server may forget the link
        }
    }

    /// There was no answer to the request with that ticket.
    pub fn failed(&mut self, now: Time, ticket: u64) {
        if let Some(lane) = self.take_ticket(ticket) {
            self.try_again(now, lane);
        }
    }

    fn try_again(&mut self, now: Time, lane: Lane) {
        self.failures += 1;
        // A link that never opened is the owner's to open again: it waits for longer, and with chance.
        if self.link.is_none() || self.failures >= FAILURES_MAX {
            return self.end(Over {
                code: None,
                status: 0,
                said: Bytes::new(),
            });
        }
        let pause = PAUSE * 2u32.pow(self.failures - 1);
        self.lane(lane).from = now.plus(pause);
    }

    fn take_ticket(&mut self, ticket: u64) -> Option<Lane> {
        let mine = |exchange: &mut Exchange| exchange.asked.take_if(|(it, _)| *it == ticket);
        if mine(&mut self.post).is_some() {
            return Some(Lane::Post);
        }
        mine(&mut self.poll).map(|_| Lane::Poll)
    }

    fn lane(&mut self, lane: Lane) -> &mut Exchange {
        match lane {
            Lane::Post => &mut self.post,
            Lane::Poll => &mut self.poll,
        }
    }

    fn end(&mut self, over: Over) {
        self.over.get_or_insert(over);
        self.post.asked = None;
        self.poll.asked = None;
    }

    /// This end is done with the link: the goodbye is the last request.
    pub fn close(&mut self) {
        if self.over.is_none() {
            self.goodbye = true;
            self.end(Over {
                code: None,
                status: 200,
                said: Bytes::new(),
            });
        }
    }

    /// The next frame that came.
    pub fn frame(&mut self) -> Option<Bytes> {
        self.frames.pop_front()
    }

    /// How the link ended, once it has, and all its frames are taken.
    #[must_use]
    pub fn over(&self) -> Option<&Over> {
        self.over.as_ref().filter(|_| self.frames.is_empty())
    }

    /// The way may have changed: what is under way is given up and asked again at once.
    pub fn wake(&mut self, now: Time) {
        for lane in [Lane::Post, Lane::Poll] {
            let opened = self.link.is_some() && self.over.is_none();
            let exchange = self.lane(lane);
            if opened && exchange.asked.take().is_some() {
                exchange.from = now;
            }
        }
    }

    /// When [`ask`](Self::ask) has something new, or [`handle_timeout`](Self::handle_timeout) something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        if self.over.is_some() {
            return None;
        }
        let waits = self.under_way.is_some() || !self.batch.is_empty();
        let post = self.post.due(waits);
        let poll = self.poll.due(self.link.is_some());
        post.into_iter().chain(poll).min()
    }

    /// Time has passed: what was not answered in time is asked again.
    pub fn handle_timeout(&mut self, now: Time) {
        for lane in [Lane::Post, Lane::Poll] {
            let late = |(_, until): &mut (u64, Time)| now >= *until;
            if self.lane(lane).asked.take_if(late).is_some() {
                self.try_again(now, lane);
            }
        }
    }
}

impl Exchange {
    fn is_free(&self, now: Time) -> bool {
        self.asked.is_none() && now >= self.from
    }

    /// When it has something to do; `wanted`: it has something to ask.
    fn due(&self, wanted: bool) -> Option<Time> {
        match self.asked {
            Some((_, until)) => Some(until),
            None => wanted.then_some(self.from),
        }
    }
}
