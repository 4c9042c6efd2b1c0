//! Notices: live ones to all sessions of an identity that are online, kept ones to one of them at a time until they are acknowledged.

use std::collections::BTreeMap;

use tickwire_proto::frame::{Refusal, ServerFrame, code};
use tickwire_proto::{Reason, Time};

use super::store::{KeptNotice, StoreAnswer, StoreJob};
use super::{Directory, DirectoryOutput, Notice, Part, Person, RETRY};
use crate::front::FrontInput;

/// Kept notices that an identity's sessions hold at once and have not acknowledged.
pub const NOTICES_OUT_MAX: usize = 16;
/// Kept notices that are loaded at once, and wait for their turn in memory at most.
pub const LOADED_MAX: usize = 32;
/// Acknowledgements of notices that a session was never given: one more ends it as a violation.
pub const RECEIPTS_UNKNOWN_MAX: usize = 1_024;

/// The kept notices of somebody who is there.
#[derive(Debug, Default)]
pub(super) struct Mail {
    state: State,
    /// Loaded, and with nobody.
    waiting: BTreeMap<u64, Notice>,
    /// With a session that has not acknowledged them.
    out: BTreeMap<u64, (Part, Notice)>,
    /// The newest that was loaded.
    last: u64,
    /// The store has more beyond it.
    more: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Not asked for.
    #[default]
    Unknown,
    /// Asked for, by that number: the answer to an earlier question is of no use.
    Loading(u64),
    Known,
}

impl Directory {
    /// To all sessions that are online, each of them.
    pub(super) fn notify(&mut self, person: &Person, notice: &Notice) {
        if let Err(refusal) = notice.check(person) {
            return self.answer(0, Err(refusal));
        }
        let online: Vec<Part> = match self.people.get(person) {
            Some(entry) => entry.online().collect(),
            None => Vec::new(),
        };
        if online.is_empty() {
            self.stats.notices_unheard += 1;
            return;
        }
        self.stats.notices_live += 1;
        self.tell_parts(&online, |attachment| frame(attachment, 0, notice));
    }

    pub(super) fn keep(&mut self, ticket: u64, person: Person, notice: Notice) {
        if let Err(refusal) = notice.check(&person) {
            return self.answer(ticket, Err(refusal));
        }
        self.outputs
            .push_back(DirectoryOutput::ToStore(StoreJob::Keep {
                ticket,
                person,
                notice,
            }));
    }

    fn answer(&mut self, ticket: u64, answer: Result<u64, Refusal>) {
        if let Err(refusal) = &answer {
            self.stats.notices_refused += 1;
            tracing::warn!(
                code = refusal.code,
                "a notice is refused: {}",
                refusal.message
            );
        }
        if ticket != 0 {
            self.outputs
                .push_back(DirectoryOutput::Kept { ticket, answer });
        }
    }

    /// Asks the store for the notices of somebody who is there, unless they are known.
    pub(super) fn ask_for_mail(&mut self, person: &Person) {
        let Some(entry) = self.people.get_mut(person).filter(|entry| entry.is_there()) else {
            return;
        };
        if entry.mail.state == State::Unknown {
            self.load(person);
        } else {
            self.bring_mail(person);
        }
    }

    fn load(&mut self, person: &Person) {
        let ticket = self.tick();
        let Some(entry) = self.people.get_mut(person) else {
            return;
        };
        entry.mail.state = State::Loading(ticket);
        let after = entry.mail.last;
        self.outputs
            .push_back(DirectoryOutput::ToStore(StoreJob::Load {
                ticket,
                person: person.clone(),
                after,
                limit: LOADED_MAX,
            }));
    }

    pub(super) fn stored(&mut self, now: Time, answer: StoreAnswer) {
        match answer {
            StoreAnswer::Kept {
                ticket,
                person,
                kept,
                dropped,
            } => {
                self.stats.notices_kept += 1;
                self.answer(ticket, Ok(kept.cursor));
                if let Some(cursor) = dropped {
                    self.dropped(&person, cursor);
                }
                self.kept(&person, kept);
            }
            StoreAnswer::Loaded {
                ticket,
                person,
                notices,
                more,
            } => self.loaded(ticket, &person, notices, more),
            StoreAnswer::Done => {}
            StoreAnswer::Failed { job, error } => self.failed(now, job, &error),
        }
    }

    /// The oldest made room for a newer one: nobody is given it any more. Who has it already may keep it.
    fn dropped(&mut self, person: &Person, cursor: u64) {
        self.stats.notices_dropped += 1;
        if let Some(entry) = self.people.get_mut(person) {
            entry.mail.waiting.remove(&cursor);
        }
    }

    /// One more is in the store: it is brought at once where all before it are known.
    fn kept(&mut self, person: &Person, kept: KeptNotice) {
        let Some(entry) = self.people.get_mut(person) else {
            return;
        };
        let mail = &mut entry.mail;
        // While they are loaded, what the store tells next has it.
        if mail.state != State::Known || mail.more {
            return;
        }
        if mail.waiting.len() >= LOADED_MAX {
            mail.more = true;
            return;
        }
        mail.last = mail.last.max(kept.cursor);
        mail.waiting.insert(kept.cursor, kept.notice);
        self.bring_mail(person);
    }

    fn loaded(&mut self, ticket: u64, person: &Person, notices: Vec<KeptNotice>, more: bool) {
        let Some(entry) = self.people.get_mut(person) else {
            return;
        };
        let mail = &mut entry.mail;
        if mail.state != State::Loading(ticket) {
            return; // asked for by one who left meanwhile, and came back
        }
        (mail.state, mail.more) = (State::Known, more);
        for kept in notices {
            if kept.cursor > mail.last {
                mail.last = kept.cursor;
                mail.waiting.insert(kept.cursor, kept.notice);
            }
        }
        self.bring_mail(person);
    }

    fn failed(&mut self, now: Time, job: StoreJob, error: &str) {
        self.stats.store_failures += 1;
        match job {
            StoreJob::Keep { ticket, .. } => {
                let message = format!("the store failed: {error}. Keep it again");
                self.answer(ticket, Err(Refusal::new(code::STORE, message)));
            }
            StoreJob::Load { ticket, person, .. } => {
                tracing::error!(
                    error,
                    "the store does not tell what it keeps: it is asked again"
                );
                let Some(entry) = self.people.get_mut(&person) else {
                    return;
                };
                if entry.mail.state != State::Loading(ticket) {
                    return;
                }
                entry.mail.state = State::Unknown;
                self.retries.insert((now.plus(RETRY), person));
            }
            StoreJob::Done { cursors, .. } => {
                let count = cursors.len();
                tracing::error!(
                    error,
                    count,
                    "acknowledged notices are in the store still: they come again"
                );
            }
        }
    }

    /// Gives what waits to a session that is online, as far as it may hold more.
    pub(super) fn bring_mail(&mut self, person: &Person) {
        let Some(entry) = self.people.get_mut(person) else {
            return;
        };
        let Some(part) = entry.online().next() else {
            return;
        };
        let mail = &mut entry.mail;
        let mut frames = Vec::new();
        while mail.out.len() < NOTICES_OUT_MAX
            && let Some((cursor, notice)) = mail.waiting.pop_first()
        {
            frames.push(frame(part.attachment, cursor, &notice));
            mail.out.insert(cursor, (part, notice));
        }
        let dry = mail.waiting.is_empty() && mail.more && mail.state == State::Known;
        self.stats.notices_out += frames.len() as u64;
        for frame in frames {
            let parts = vec![part];
            self.tell_front(part.session, FrontInput::ToParts { parts, frame });
        }
        if dry {
            self.load(person);
        }
    }

    /// Acknowledged: they are forgotten, here and in the store.
    pub(super) fn notices_done(&mut self, part: Part, cursors: &[u64]) {
        let Some(person) = self.mine(part).map(|mine| mine.person.clone()) else {
            self.stats.receipts_unknown += cursors.len() as u64;
            return;
        };
        let Some(entry) = self.people.get_mut(&person) else {
            return;
        };
        let out = &mut entry.mail.out;
        let theirs = |cursor: &&u64| out.get(cursor).is_some_and(|(with, _)| *with == part);
        let mut done: Vec<u64> = cursors.iter().filter(theirs).copied().collect();
        done.sort_unstable();
        done.dedup();
        done.iter().for_each(|cursor| {
            out.remove(cursor);
        });
        self.stats.notices_done += done.len() as u64;
        self.receipts_unknown(part, cursors.len() - done.len());
        if !done.is_empty() {
            let cursors = done;
            let job = StoreJob::Done {
                person: person.clone(),
                cursors,
            };
            self.outputs.push_back(DirectoryOutput::ToStore(job));
        }
        self.bring_mail(&person);
    }

    /// One acknowledges what it was never given. That may happen (it goes by what an earlier session had), but not without end.
    fn receipts_unknown(&mut self, part: Part, count: usize) {
        self.stats.receipts_unknown += count as u64;
        let Some(mine) = self.mine_mut(part).filter(|_| count > 0) else {
            return;
        };
        let before = mine.receipts_unknown;
        mine.receipts_unknown += count;
        if before <= RECEIPTS_UNKNOWN_MAX && mine.receipts_unknown > RECEIPTS_UNKNOWN_MAX {
            let message = format!(
                "NoticesDone frame: more than {RECEIPTS_UNKNOWN_MAX} notices acknowledged that this session was never given"
            );
            let reason = Reason::Violation;
            let end = FrontInput::End {
                session: part.session,
                reason,
                retry: reason.retry(),
                message,
            };
            self.tell_front(part.session, end);
        }
    }

    /// A session is gone: what it had not acknowledged goes to another one, or waits for the next.
    pub(super) fn mail_comes_back(&mut self, person: &Person, part: Part) {
        let Some(entry) = self.people.get_mut(person) else {
            return;
        };
        if !entry.is_there() {
            entry.mail = Mail::default();
            return;
        }
        let mail = &mut entry.mail;
        let theirs: Vec<u64> = mail
            .out
            .iter()
            .filter(|(_, (with, _))| *with == part)
            .map(|(cursor, _)| *cursor)
            .collect();
        for cursor in theirs {
            if let Some((_, notice)) = mail.out.remove(&cursor) {
                mail.waiting.insert(cursor, notice);
            }
        }
        self.bring_mail(person);
    }
}

fn frame(attachment: u8, cursor: u64, notice: &Notice) -> bytes::Bytes {
    ServerFrame::Notice {
        attachment,
        cursor,
        kind: &notice.kind,
        payload: &notice.payload,
    }
    .encode()
}
