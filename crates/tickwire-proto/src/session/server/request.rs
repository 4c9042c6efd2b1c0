//! What a client asks for: attachments, rooms, lists; each is answered, by the owner or by the session's own limits.

use super::receive::violation;
use super::{
    Attachment, LOBBY_WATCHES_MAX, Proof, REQUESTS_PENDING_MAX, REQUESTS_PER_S_MAX, Renewal,
    ServerEvent, ServerSession,
};
use crate::ending::Ending;
use crate::frame::owned::own_pairs;
use crate::frame::{
    ATTACHMENTS_MAX, HostAsk, JoinHow, ROOMS_PER_SESSION_MAX, Refusal, ServerFrame, code,
};
use crate::time::Time;
use bytes::Bytes;

impl ServerSession {
    pub(super) fn accept_attach(
        &mut self,
        now: Time,
        attachment: u8,
        namespace: &str,
        credentials: &[u8],
        messages_hash: u64,
    ) -> Result<(), Ending> {
        if matches!(
            self.attachments.get(&attachment),
            Some(Attachment {
                state: Proof::GivenUp,
                ..
            })
        ) {
            let message = format!(
                "the last attach as {attachment} is still being checked: use another number"
            );
            let frame = ServerFrame::AttachRefused {
                attachment,
                code: code::LIMIT,
                message: &message,
                data: &[],
            };
            self.push_control(frame.encode());
            return Ok(());
        }
        if self.attachments.contains_key(&attachment) {
            return Err(violation(format!(
                "Attach frame: attachment {attachment} is in use"
            )));
        }
        if self.live_attachments().any(|it| it.namespace == namespace) {
            return Err(violation(format!(
                "Attach frame: a second attachment to namespace {namespace:?}"
            )));
        }
        if self.attachments.len() >= ATTACHMENTS_MAX || usize::from(attachment) >= ATTACHMENTS_MAX {
            return Err(violation(format!(
                "Attach frame: more than {ATTACHMENTS_MAX} attachments, numbered from 0"
            )));
        }
        self.attachments.insert(
            attachment,
            Attachment {
                namespace: namespace.to_owned(),
                state: Proof::Pending,
                renewal: Renewal::No,
                shown: now,
                status: Default::default(),
            },
        );
        self.await_credentials(now);
        self.events.push_back(ServerEvent::AuthWanted {
            attachment,
            namespace: namespace.to_owned(),
            credentials: Bytes::copy_from_slice(credentials),
            messages_hash,
            renewal: false,
        });
        Ok(())
    }

    fn live_attachments(&self) -> impl Iterator<Item = &Attachment> {
        self.attachments
            .values()
            .filter(|it| !matches!(it.state, Proof::GivenUp))
    }

    pub(super) fn accept_detach(&mut self, now: Time, attachment: u8) {
        match self.attachments.get_mut(&attachment) {
            Some(Attachment {
                state: state @ Proof::Pending,
                ..
            }) => *state = Proof::GivenUp,
            Some(Attachment {
                state: state @ Proof::Checked(_),
                renewal,
                status,
                ..
            }) => {
                if matches!(renewal, Renewal::Pending(_)) {
                    (*state, *renewal) = (Proof::GivenUp, Renewal::No);
                    *status = Default::default();
                } else {
                    self.attachments.remove(&attachment);
                }
                self.bare_since = now;
                self.end_asks_of(attachment.into());
            }
            Some(Attachment {
                state: Proof::GivenUp,
                ..
            })
            | None => {
                self.stats.frames_late += 1;
                return;
            }
        }
        self.unwatch_all_of(attachment);
        self.events.push_back(ServerEvent::Detached {
            attachment,
            ended: false,
        });
        self.await_credentials(now);
    }

    pub(super) fn accept_join(
        &mut self,
        now: Time,
        request: u32,
        attachment: u8,
        how: &JoinHow<'_>,
        schema_hash: u64,
    ) -> Result<(), Ending> {
        if self.rooms.len() + self.pending.len() >= ROOMS_PER_SESSION_MAX {
            let refusal = Refusal::new(
                code::LIMIT,
                format!("a session is in at most {ROOMS_PER_SESSION_MAX} rooms: leave one first"),
            );
            self.stats.requests_limited += 1;
            return self.refuse_request(request, refusal);
        }
        if self.admit_request(now, request, attachment)? {
            self.events.push_back(ServerEvent::JoinWanted {
                request,
                attachment,
                how: how.into(),
                schema_hash,
            });
        }
        Ok(())
    }

    pub(super) fn accept_lobby(
        &mut self,
        now: Time,
        request: u32,
        attachment: u8,
        kind: &str,
    ) -> Result<(), Ending> {
        if self.admit_request(now, request, attachment)? {
            self.events.push_back(ServerEvent::LobbyWanted {
                request,
                attachment,
                kind: kind.to_owned(),
            });
        }
        Ok(())
    }

    /// Watches are answered by changes; a number that is watched by is not free before it is given up.
    pub(super) fn accept_lobby_watch(
        &mut self,
        now: Time,
        request: u32,
        attachment: u8,
        kind: &str,
        attributes: &[(&str, &str)],
    ) -> Result<(), Ending> {
        if self.watches.contains_key(&request) {
            return Err(violation(format!(
                "request {request} is used twice at once"
            )));
        }
        if self.watches.len() >= LOBBY_WATCHES_MAX {
            self.stats.requests_limited += 1;
            let message =
                format!("a session watches at most {LOBBY_WATCHES_MAX} lists: give one up first");
            return self.refuse_request(request, Refusal::new(code::LIMIT, message));
        }
        if self.admit_request(now, request, attachment)? {
            self.pending.remove(&request); // the list is an answer that never ends
            self.watches.insert(request, attachment);
            self.events.push_back(ServerEvent::LobbyWatchWanted {
                request,
                attachment,
                kind: kind.to_owned(),
                attributes: own_pairs(attributes),
            });
        }
        Ok(())
    }

    /// With an attachment go the lists that it watched.
    pub(super) fn unwatch_all_of(&mut self, attachment: u8) {
        let of_it = self.watches.iter().filter(|(_, by)| **by == attachment);
        let of_it: Vec<u32> = of_it.map(|(request, _)| *request).collect();
        for request in of_it {
            self.accept_lobby_unwatch(request);
        }
    }

    pub(super) fn accept_lobby_unwatch(&mut self, request: u32) {
        if self.watches.remove(&request).is_some() {
            self.events
                .push_back(ServerEvent::LobbyUnwatched { request });
        } else {
            self.stats.frames_late += 1;
        }
    }

    pub(super) fn accept_host_ask(
        &mut self,
        now: Time,
        request: u32,
        room: u32,
        ask: &HostAsk<'_>,
    ) -> Result<(), Ending> {
        if !self.rooms.contains(room) {
            let message = "the room has ended, or this session is not in it".to_owned();
            return self.refuse_request(request, Refusal::new(code::NOT_FOUND, message));
        }
        if self.admit(now, request)? {
            self.events.push_back(ServerEvent::HostAsks {
                request,
                room,
                ask: ask.into(),
            });
        }
        Ok(())
    }

    /// Whether a request is to be answered by the owner; else it was refused here.
    fn admit_request(&mut self, now: Time, request: u32, attachment: u8) -> Result<bool, Ending> {
        if self.identity(attachment).is_none() {
            let message = format!("attachment {attachment} is not accepted: attach first");
            return self
                .refuse_request(request, Refusal::new(code::REFUSED, message))
                .map(|()| false);
        }
        self.admit(now, request)
    }

    /// The same for one that is not about an attachment.
    fn admit(&mut self, now: Time, request: u32) -> Result<bool, Ending> {
        let refusal = if self.pending.len() >= REQUESTS_PENDING_MAX {
            self.stats.requests_limited += 1;
            Refusal::new(
                code::LIMIT,
                format!("{REQUESTS_PENDING_MAX} requests wait for their answer: wait too"),
            )
        } else if !self.pending.contains(&request) && !self.requests.take(now, 1) {
            self.stats.requests_limited += 1;
            Refusal::new(
                code::LIMIT,
                format!("more than {REQUESTS_PER_S_MAX} joins and lists a second: ask less often"),
            )
        } else if self.pending.insert(request) {
            return Ok(true);
        } else {
            return Err(violation(format!(
                "request {request} is used twice at once"
            )));
        };
        self.refuse_request(request, refusal).map(|()| false)
    }

    fn refuse_request(&mut self, request: u32, refusal: Refusal) -> Result<(), Ending> {
        if self.pending.contains(&request) || self.watches.contains_key(&request) {
            return Err(violation(format!(
                "request {request} is used twice at once"
            )));
        }
        let Refusal {
            code,
            message,
            data,
        } = &refusal;
        self.push_control(
            ServerFrame::JoinRefused {
                request,
                code,
                message,
                data,
            }
            .encode(),
        );
        Ok(())
    }
}
