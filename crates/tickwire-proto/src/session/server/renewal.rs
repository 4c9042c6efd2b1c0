//! Identities that expire: fresh credentials are asked for on the same attachment, which ends if none are accepted in time.

use std::time::Duration;

use bytes::Bytes;

use super::{AUTH_MS_MAX, Attachment, Proof, ServerEvent, ServerSession, Stage};
use crate::frame::{Identity, Refusal, ServerFrame, code};
use crate::time::Time;

/// For how long a client whose identity has expired may take to show fresh credentials that are accepted.
pub const RENEWAL_MS_MAX: u64 = 10_000;

/// How far the fresh credentials of an attachment have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Renewal {
    /// The identity holds.
    #[default]
    No,
    /// Asked for; to be accepted by then.
    Wanted(Time),
    /// Being checked; to be accepted by then.
    Pending(Time),
}

impl Attachment {
    /// When something is to be done about its identity: it expires, or nobody has said in time who it is.
    fn due(&self) -> Option<Time> {
        match (&self.state, self.renewal) {
            (Proof::Checked(identity), Renewal::No) => identity.expires,
            (Proof::Checked(_), Renewal::Wanted(by) | Renewal::Pending(by)) => Some(by),
            (Proof::Pending, _) => Some(self.shown.plus(Duration::from_millis(AUTH_MS_MAX))),
            _ => None,
        }
    }
}

impl ServerSession {
    /// When the next identity expires, or an expired one has had its time.
    pub(super) fn next_renewal(&self) -> Option<Time> {
        self.attachments.values().filter_map(Attachment::due).min()
    }

    /// Asks for what has expired, and ends what has had its time. Not without a link: an absent client cannot answer.
    pub(super) fn renew(&mut self, now: Time) {
        let is_due = |it: &Attachment| it.due().is_some_and(|at| at <= now);
        let due = self.attachments.iter().filter(|(_, it)| is_due(it));
        let due: Vec<u8> = due.map(|(attachment, _)| *attachment).collect();
        for attachment in due {
            let Some(it) = self.attachments.get_mut(&attachment) else {
                continue;
            };
            if matches!(it.state, Proof::Pending) {
                self.give_up_check(now, attachment);
            } else if it.renewal == Renewal::No {
                it.renewal = Renewal::Wanted(now.plus(Duration::from_millis(RENEWAL_MS_MAX)));
                let frame = ServerFrame::CredentialsWanted {
                    attachment,
                    within_ms: RENEWAL_MS_MAX as u32,
                };
                self.push_control(frame.encode());
            } else {
                let message = format!(
                    "the credentials expired, and no fresh ones were accepted within {RENEWAL_MS_MAX} ms: attach again with fresh ones"
                );
                self.end_attachment(now, attachment, &Refusal::new(code::REFUSED, message));
            }
        }
    }

    /// Whoever checks the credentials of one attachment does not answer, while others go on.
    fn give_up_check(&mut self, now: Time, attachment: u8) {
        let Some(it) = self.attachments.get_mut(&attachment) else {
            return;
        };
        it.state = Proof::GivenUp; // an answer may come still
        let message = format!(
            "the credentials could not be checked within {AUTH_MS_MAX} ms: try again later"
        );
        let frame = ServerFrame::AttachRefused {
            attachment,
            code: code::FAILED,
            message: &message,
            data: &[],
        };
        self.events.push_back(ServerEvent::Detached {
            attachment,
            ended: true,
        });
        self.await_credentials(now);
        self.push_control(frame.encode());
    }

    /// A client that is back has the whole time to answer what was asked before.
    pub(super) fn renewals_resumed(&mut self, now: Time) {
        let until = now.plus(Duration::from_millis(RENEWAL_MS_MAX));
        for it in self.attachments.values_mut() {
            if let Renewal::Wanted(by) | Renewal::Pending(by) = &mut it.renewal {
                *by = until;
            }
        }
    }

    /// Fresh credentials came. Such as nobody asked for are late: an answer crossed the end of their attachment.
    pub(super) fn accept_credentials(&mut self, attachment: u8, credentials: &[u8]) {
        match self.attachments.get_mut(&attachment) {
            Some(it) if matches!(it.renewal, Renewal::Wanted(_)) => {
                if let Renewal::Wanted(by) = it.renewal {
                    it.renewal = Renewal::Pending(by);
                }
                let namespace = it.namespace.clone();
                self.events.push_back(ServerEvent::AuthWanted {
                    attachment,
                    namespace,
                    credentials: Bytes::copy_from_slice(credentials),
                    messages_hash: 0,
                    renewal: true,
                });
            }
            _ => self.stats.frames_late += 1,
        }
    }

    /// The answer to fresh credentials.
    pub(super) fn renewed(&mut self, now: Time, attachment: u8, answer: Result<Identity, Refusal>) {
        let Some(Attachment {
            state: Proof::Checked(held),
            renewal,
            ..
        }) = self.attachments.get_mut(&attachment)
        else {
            return;
        };
        match answer {
            Ok(identity) if identity.id != held.id => {
                let message = format!(
                    "the fresh credentials are of {}, the attachment is of {}: attach anew as somebody else",
                    identity.id, held.id
                );
                self.end_attachment(now, attachment, &Refusal::new(code::FORBIDDEN, message));
            }
            Ok(identity) => {
                let frame = ServerFrame::AttachDone {
                    attachment,
                    identity: &identity.id,
                    schema: None,
                };
                let frame = frame.encode();
                *held = identity;
                *renewal = Renewal::No;
                self.events.push_back(ServerEvent::Renewed { attachment });
                self.push_control(frame);
            }
            Err(refusal) => self.end_attachment(now, attachment, &refusal),
        }
    }

    /// Ends an accepted attachment: its client is told why, its rooms are to be left. The session goes on, if something else is attached in time.
    pub fn end_attachment(&mut self, now: Time, attachment: u8, refusal: &Refusal) {
        let ended = self.is_ended().is_some();
        let accepted = |it: &&mut Attachment| !ended && matches!(it.state, Proof::Checked(_));
        let Some(it) = self.attachments.get_mut(&attachment).filter(accepted) else {
            return;
        };
        if matches!(it.renewal, Renewal::Pending(_)) {
            // An answer is on its way: not to be taken for another one's.
            it.state = Proof::GivenUp;
            it.renewal = Renewal::No;
            it.status = Default::default();
        } else {
            self.attachments.remove(&attachment);
        }
        self.bare_since = now;
        self.bared = true;
        let frame = ServerFrame::AttachEnded {
            attachment,
            code: &refusal.code,
            message: &refusal.message,
            data: &refusal.data,
        };
        self.unwatch_all_of(attachment);
        self.end_asks_of(attachment.into());
        self.events.push_back(ServerEvent::Detached {
            attachment,
            ended: true,
        });
        self.await_credentials(now);
        self.push_control(frame.encode());
        if matches!(self.stage, Stage::Away { .. }) && !self.is_attached() {
            self.expire("the last attachment ended while the link was lost");
        }
    }
}
