//! The handlers of namespaces at work: so many of one session at once, the rest in the order in which it came, and no panic beyond its own call.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use tickwire_proto::frame::{Refusal, code};
use tickwire_proto::{Reason, Time};
use tickwire_server::{Caller, FrontInput, SessionKey};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::{Hasher, Shard};
use crate::broadcast::Broadcaster;
use crate::clock;
use crate::handlers::{Answering, Handlers, Hearing, from};

/// What waits of one session for its handlers: more ends it, since nothing reliable may be left out.
pub(crate) const HANDLERS_WAITING_MAX: usize = 256;

/// What a client said or asked.
pub(super) struct Call {
    pub caller: Caller,
    /// Of a request.
    pub number: Option<u32>,
    pub kind: u32,
    pub payload: Bytes,
}

/// One session's.
#[derive(Default)]
struct OfSession {
    running: usize,
    waiting: VecDeque<Call>,
    /// Requests that are being answered, by attachment and number.
    answering: HashMap<(u8, u32), AbortHandle>,
}

/// What runs, and on what.
pub(super) struct Calls {
    runtime: Handle,
    broadcaster: Broadcaster,
    sessions: HashMap<SessionKey, OfSession, Hasher>,
}

/// A call on its way.
enum Work {
    Hear(Hearing),
    Answer(u32, Answering),
}

impl Calls {
    pub(super) fn new(runtime: Handle, broadcaster: Broadcaster) -> Calls {
        Calls {
            runtime,
            broadcaster,
            sessions: HashMap::default(),
        }
    }
}

impl Shard {
    /// Begins it, or keeps it until there is a place.
    pub(super) fn call(&mut self, now: Time, call: Call) {
        let (session, limit) = (call.caller.session, call.caller.namespace.limits().handlers);
        let of = self.calls.sessions.entry(session).or_default();
        if of.running >= limit.max(1) {
            if of.waiting.len() >= HANDLERS_WAITING_MAX {
                let message = format!(
                    "more than {HANDLERS_WAITING_MAX} of its messages wait for a handler: send less"
                );
                let end = FrontInput::End {
                    session,
                    reason: Reason::Overflow,
                    retry: Reason::Overflow.retry(),
                    message,
                };
                return self.front.handle(now, end);
            }
            return of.waiting.push_back(call);
        }
        self.begin(now, call);
    }

    fn begin(&mut self, now: Time, call: Call) {
        let (session, attachment) = (call.caller.session, call.caller.attachment);
        let number = call.number;
        match self.work(call) {
            Ok(work) => self.run(session, attachment, work),
            Err(refusal) => {
                tracing::debug!(%session, code = refusal.code, refusal.message, "not handled");
                match number {
                    Some(number) => self.answered(now, session, attachment, number, Err(refusal)),
                    None => self.counts().unhandled.one(),
                }
            }
        }
    }

    /// The author's code begins here: what it does before it first waits may panic too.
    fn work(&self, call: Call) -> Result<Work, Refusal> {
        let Call {
            caller,
            number,
            kind,
            payload,
        } = call;
        let driver = caller.namespace.driver().cloned();
        let handlers = driver.and_then(|driver| driver.downcast::<Handlers>().ok());
        let handlers = handlers.ok_or_else(failed)?;
        let from = from(caller, &self.calls.broadcaster);
        let work = catch_unwind(AssertUnwindSafe(|| match number {
            None => handlers.hear(from, kind, &payload).map(Work::Hear),
            Some(number) => {
                let answer = handlers.answer(from, kind, &payload)?;
                Ok(Work::Answer(number, answer))
            }
        }));
        work.unwrap_or_else(|_| {
            self.counts().handlers_failed.one();
            Err(failed())
        })
    }

    /// One task for the author's future, whose panic the runtime catches, and one on this thread that waits for it.
    fn run(&mut self, session: SessionKey, attachment: u8, work: Work) {
        let myself = self.myself.clone();
        let of = self.calls.sessions.entry(session).or_default();
        of.running += 1;
        let (number, task) = match work {
            Work::Hear(hearing) => {
                let none = async move {
                    hearing.await;
                    Ok(Bytes::new())
                };
                (None, self.calls.runtime.spawn(none))
            }
            Work::Answer(number, answering) => {
                let task = self.calls.runtime.spawn(answering);
                let abort = task.abort_handle();
                of.answering.insert((attachment, number), abort);
                (Some(number), task)
            }
        };
        tokio::task::spawn_local(async move {
            let done = task.await;
            let Some(shard) = myself.upgrade() else {
                return;
            };
            let (now, mut shard) = (clock::now(), shard.borrow_mut());
            let answer = done.unwrap_or_else(|error| {
                if error.is_panic() {
                    tracing::error!(%session, "a handler panicked");
                    shard.counts().handlers_failed.one();
                }
                Err(failed())
            });
            if let Some(number) = number {
                shard.answered(now, session, attachment, number, answer);
            }
            shard.finished(now, session);
            shard.settle(now);
        });
    }

    fn answered(
        &mut self,
        now: Time,
        session: SessionKey,
        attachment: u8,
        number: u32,
        answer: Result<Bytes, Refusal>,
    ) {
        if let Some(of) = self.calls.sessions.get_mut(&session) {
            of.answering.remove(&(attachment, number));
        }
        self.front.handle(
            now,
            FrontInput::Answered {
                session,
                attachment,
                number,
                answer,
            },
        );
    }

    /// One is done: the next ones have a place.
    fn finished(&mut self, now: Time, session: SessionKey) {
        let Some(of) = self.calls.sessions.get_mut(&session) else {
            return;
        };
        of.running -= 1;
        while let Some(of) = self.calls.sessions.get_mut(&session)
            && let Some(next) = of.waiting.front()
            && of.running < next.caller.namespace.limits().handlers.max(1)
            && let Some(next) = of.waiting.pop_front()
        {
            self.begin(now, next); // which runs nothing, if nobody handles it
        }
        let of = self.calls.sessions.get(&session);
        if of.is_some_and(|of| of.running == 0 && of.waiting.is_empty()) {
            self.calls.sessions.remove(&session);
        }
    }

    /// Nobody waits for the answer any more: the work ends where it waits.
    pub(super) fn given_up(&mut self, session: SessionKey, attachment: u8, number: u32) {
        let Some(of) = self.calls.sessions.get_mut(&session) else {
            return;
        };
        if let Some(running) = of.answering.remove(&(attachment, number)) {
            running.abort();
        }
        let is_it =
            |call: &Call| call.number == Some(number) && call.caller.attachment == attachment;
        of.waiting.retain(|call| !is_it(call));
    }

    /// The session is over: what it said is still heard, for it was told that it has arrived; what it asked is not begun any more, since
    /// nobody waits for the answer.
    pub(super) fn calls_over(&mut self, session: SessionKey) {
        if let Some(of) = self.calls.sessions.get_mut(&session) {
            of.waiting.retain(|call| call.number.is_none());
        }
    }
}

fn failed() -> Refusal {
    Refusal::new(
        code::FAILED,
        "the server broke down over it. Its log says why",
    )
}
