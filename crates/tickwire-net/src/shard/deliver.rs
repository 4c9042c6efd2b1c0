//! Where a front's words go: to the lobby, to rooms, to auth; and the last words of a link.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tickwire_proto::Time;
use tickwire_proto::frame::{Identity, Refusal, code};
use tickwire_proto::session::server::AUTH_MS_MAX;
use tickwire_proto::{Reason, Retry};
use tickwire_server::{
    AuthAnswer, AuthRequest, DirectoryInput, FrontInput, FrontOutput, LobbyInput, NamespaceSpec,
    RoomInput, SessionKey, undecided,
};
use tokio::sync::mpsc::error::TrySendError;

use super::handlers::Call;
use super::{Hasher, Shard};
use crate::clock;
use crate::link::{GOODBYE, Link, Wrote};
use crate::rooms::Way;

/// What a check may take: its session has given it up a second before, and has told why.
const AUTH_MAX: Duration = Duration::from_millis(AUTH_MS_MAX + 1_000);

impl Shard {
    pub(super) fn deliver(&mut self, now: Time, output: FrontOutput) {
        match output {
            FrontOutput::ToLobby(input) => self.tell_lobby(now, input),
            FrontOutput::ToDirectory(input) => self.tell_directory(now, input),
            FrontOutput::ToRoom {
                session,
                room,
                input,
            } => self.tell_room(now, session, room, input),
            FrontOutput::AuthWanted { request, namespace } => self.check(now, request, &namespace),
            FrontOutput::Said {
                caller,
                kind,
                payload,
            } => self.call(
                now,
                Call {
                    caller,
                    number: None,
                    kind,
                    payload,
                },
            ),
            FrontOutput::Asked {
                caller,
                number,
                kind,
                payload,
            } => self.call(
                now,
                Call {
                    caller,
                    number: Some(number),
                    kind,
                    payload,
                },
            ),
            FrontOutput::GivenUp {
                session,
                attachment,
                number,
            } => self.given_up(session, attachment, number),
            FrontOutput::Cut { session } => self.cut(now, session),
            FrontOutput::Relinked { from, to } => self.relink(now, from, to),
            FrontOutput::Elsewhere {
                from,
                shard,
                hello,
                remote,
 .. // of links in order alone
} => self.send_away(now, from, shard, (hello, remote)),
            FrontOutput::Close {
                session,
                code,
                reason,
            } => self.close(now, session, code, reason),
        }
    }

    /// A lobby that is overrun refuses at once, so that nobody waits for an answer that will not come.
    fn tell_lobby(&mut self, now: Time, input: LobbyInput) {
        let Some(Err(refused)) = self
            .front
            .in_order(input)
            .map(|input| self.lobby.send(input))
        else {
            return;
        };
        self.counts().inbox_drops.one();
        let (session, request) = match refused {
            LobbyInput::Join(join) => (join.session, join.request),
            LobbyInput::List {
                session, request, ..
            }
            | LobbyInput::Watch {
                session, request, ..
            }
            | LobbyInput::HostAsks {
                session, request, ..
            } => (session, request),
            _ => return,
        };
        let refusal = Refusal::new(code::LIMIT, "the server is busy. Try again in some seconds");
        self.front.handle(
            now,
            FrontInput::RequestRefused {
                session,
                request,
                refusal,
            },
        );
    }

    /// A directory that is overrun refuses wishes at once.
    fn tell_directory(&mut self, now: Time, input: DirectoryInput) {
        if let Err(DirectoryInput::Follow { part, .. }) = self.directory.send(input) {
            self.counts().inbox_drops.one();
            let refusal = Refusal::new(
                code::LIMIT,
                "the server is busy: nobody more is followed. Try again in some seconds",
            );
            self.front
                .handle(now, FrontInput::FollowRefused { part, refusal });
        }
    }

    /// What a full room does not take waits for it; commands and receipts, of which newer ones come, are dropped and counted.
    fn tell_room(&mut self, now: Time, session: Option<SessionKey>, room: u32, input: RoomInput) {
        let refused = if self.front.waits_for(room) {
            Err(input)
        } else {
            give(&self.rooms, room, input)
        };
        if let Err(input) = refused
            && !self.front.not_taken(now, session, room, input)
        {
            self.counts().inbox_drops.one();
        }
    }

    /// Rooms have had time to take more.
    pub(super) fn offer(&mut self) {
        let rooms = &self.rooms;
        self.front.offer(|room, input| give(rooms, room, input));
    }

    /// Auth is the game's code: a panic in it refuses one session and ends nothing.
    fn check(&mut self, now: Time, request: AuthRequest, namespace: &NamespaceSpec) {
        let (session, attachment) = (request.session, request.attachment);
        let answer = catch_unwind(AssertUnwindSafe(|| namespace.auth().check(&request)));
        let answer = answer.unwrap_or_else(|_| AuthAnswer::Refused(failed()));
        match answer {
            AuthAnswer::Accepted(identity) => {
                self.auth_done(now, session, attachment, Ok(identity))
            }
            AuthAnswer::Refused(refusal) => self.auth_done(now, session, attachment, Err(refusal)),
            AuthAnswer::Next => self.auth_done(now, session, attachment, Err(undecided())),
            AuthAnswer::Later(answer) => {
                let myself = self.myself.clone();
                tokio::task::spawn_local(async move {
                    let mut task = tokio::task::spawn_local(answer);
                    let answer = tokio::time::timeout(AUTH_MAX, &mut task).await;
                    task.abort(); // one that does not answer is not kept
                    let answer = answer
                        .ok()
                        .and_then(Result::ok)
                        .unwrap_or_else(|| Err(failed()));
                    if let Some(shard) = myself.upgrade() {
                        let (now, mut shard) = (clock::now(), shard.borrow_mut());
                        shard.auth_done(now, session, attachment, answer);
                        shard.settle(now);
                    }
                });
            }
        }
    }

    fn auth_done(
        &mut self,
        now: Time,
        session: SessionKey,
        attachment: u8,
        answer: Result<Identity, Refusal>,
    ) {
        if answer.is_ok() {
            // One of ours now: its address may send another stranger.
            self.passes.remove(&session);
        }
        self.front.handle(
            now,
            FrontInput::AuthDone {
                session,
                attachment,
                answer: Box::new(answer),
            },
        );
    }

    /// The session is over and has said so: the goodbye of the protocol below, and the connection's task ends when that is written.
    fn close(&mut self, now: Time, session: SessionKey, code: u16, reason: Reason) {
        self.passes.remove(&session);
        self.calls_over(session);
        if self.close_poll(now, session, code) {
            tracing::debug!(%session, %reason, "session ended");
            return;
        }
        let Some(link) = self.links.get(session) else {
            return;
        };
        tracing::debug!(%session, %reason, "session ended");
        let code = link.code.unwrap_or(code);
        self.say_goodbye(now, session, code, reason.name());
    }

    /// The goodbye of a link whose session has no more to say on it.
    pub(super) fn say_goodbye(&mut self, now: Time, session: SessionKey, code: u16, text: &str) {
        let Some(link) = self
            .links
            .get_mut(session)
            .filter(|link| link.closing.is_none())
        else {
            return;
        };
        link.closing = Some(now.plus(GOODBYE));
        link.protocol.close(code, text);
        link.queue_replies();
        let gone = link.write_on() == Wrote::Gone;
        if let Some(waker) = link.waker.take() {
            waker.wake();
        }
        if gone {
            self.forget(session);
        }
    }

    /// The link is done with: the front knows already.
    pub(super) fn forget(&mut self, session: SessionKey) {
        self.passes.remove(&session);
        if let Some(mut link) = self.links.remove(session) {
            self.counts().links.less(1);
            if let Some(waker) = link.waker.take() {
                waker.wake();
            }
        }
    }

    /// Forgets those whose goodbye nobody takes.
    pub(super) fn sweep(&mut self, now: Time) {
        let overdue = |link: &Link| link.closing.is_some_and(|until| until <= now);
        let gone: Vec<SessionKey> = self
            .links
            .iter()
            .filter(|(_, link)| overdue(link))
            .map(|(key, _)| key)
            .collect();
        gone.into_iter().for_each(|key| self.forget(key));
        self.sweep_polls(now);
    }

    /// The peer broke the WebSocket protocol: its session ends, by that code.
    pub(super) fn breach(&mut self, now: Time, session: SessionKey, code: u16, text: &str) {
        self.counts().breaches.one();
        tracing::debug!(%session, code, text, "websocket breach");
        if let Some(link) = self.links.get_mut(session) {
            // More exact than the code of all violations.
            link.code = Some(code);
        }
        self.front
            .end(now, session, Reason::Violation, Retry::Never, text);
    }
}

/// Gives back what the room has no place for. One that is gone wants nothing: those in it are told.
fn give(rooms: &HashMap<u32, Way, Hasher>, room: u32, input: RoomInput) -> Result<(), RoomInput> {
    match rooms.get(&room).map(|way| way.try_send(input)) {
        Some(Err(TrySendError::Full(input))) => Err(input),
        _ => Ok(()),
    }
}

fn failed() -> Refusal {
    Refusal::new(
        code::REFUSED,
        "the server could not check the credentials. Its log says why; try again later",
    )
}
