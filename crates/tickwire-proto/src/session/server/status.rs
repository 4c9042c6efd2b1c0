//! What a client says of itself: in each room, and in each namespace. Which word shows, and until when; who hears it is the owner's matter.

use super::{Proof, ServerEvent, ServerSession, Stage};
use crate::frame::{ServerFrame, code};
use crate::time::Time;
use std::time::Duration;

/// Statuses a second.
pub const STATUSES_PER_S_MAX: u64 = 2;
/// Statuses saved up: what a link that was dead but for one answer held back may come at once.
pub const STATUSES_AT_ONCE_MAX: u64 = 40;
/// The longest time of a passing status; a longer one is cut to it.
pub const STATUS_MS_MAX: u32 = 3_600_000;

/// A word for good, and one that passes and hides it until then.
#[derive(Debug, Default)]
pub(super) struct Status {
    standing: String,
    passing: Option<(String, Time)>,
}

impl Status {
    fn shown(&self) -> &str {
        self.passing
            .as_ref()
            .map_or(&self.standing, |(text, _)| text)
    }

    fn until(&self) -> Option<Time> {
        self.passing.as_ref().map(|(_, until)| *until)
    }

    /// What shows now, if that is another thing than before.
    fn change(&mut self, change: impl FnOnce(&mut Status)) -> Option<String> {
        let before = self.shown().to_owned();
        change(self);
        (self.shown() != before).then(|| self.shown().to_owned())
    }
}

impl ServerSession {
    pub(super) fn accept_status(&mut self, now: Time, room: u32, text: &str, expires_ms: u32) {
        if self.status_in(room).is_none() {
            self.stats.frames_late += 1;
            return;
        }
        if !self.statuses.take(now, 1) {
            self.stats.statuses_limited += 1;
            let message = format!(
                "more than {STATUSES_PER_S_MAX} statuses a second: the one before stays. Say less often what has changed"
            );
            let frame = ServerFrame::StatusRefused {
                room,
                code: code::LIMIT,
                message: &message,
            };
            return self.push_control(frame.encode());
        }
        let lasts = Duration::from_millis(u64::from(expires_ms.min(STATUS_MS_MAX)));
        let Some(status) = self.status_in(room) else {
            return;
        };
        let shown = status.change(|status| {
            if expires_ms == 0 {
                status.standing = text.to_owned();
                status.passing = None;
            } else {
                // An empty one hides nothing: it ends the one that passes.
                status.passing = (!text.is_empty()).then(|| (text.to_owned(), now.plus(lasts)));
            }
        });
        self.status_shows(room, shown);
    }

    fn status_in(&mut self, room: u32) -> Option<&mut Status> {
        if let Some(slot) = self.rooms.get_mut(room) {
            return Some(&mut slot.status);
        }
        let attachment = self.attachments.get_mut(&u8::try_from(room).ok()?)?;
        let accepted = matches!(attachment.state, Proof::Checked(_));
        accepted.then_some(&mut attachment.status)
    }

    fn status_shows(&mut self, room: u32, shown: Option<String>) {
        if let Some(text) = shown {
            self.events.push_back(ServerEvent::Status { room, text });
        }
        let rooms = self.rooms.values().map(|slot| &slot.status);
        let all = rooms.chain(self.attachments.values().map(|it| &it.status));
        self.status_due = all.filter_map(Status::until).min();
    }

    /// What passes has passed, where its time is over: while the client is away too.
    pub(super) fn expire_statuses(&mut self, now: Time) {
        let over = |until: Option<Time>| until.is_some_and(|until| until <= now);
        if !over(self.status_due) || !matches!(self.stage, Stage::Open | Stage::Away { .. }) {
            return;
        }
        self.status_due = None; // of a room that was left, maybe
        let attachments = self.attachments.keys().map(|it| u32::from(*it));
        let all: Vec<u32> = attachments.chain(self.rooms.keys()).collect();
        for room in all {
            let status = self.status_in(room).filter(|it| over(it.until()));
            let shown = status.and_then(|status| status.change(|status| status.passing = None));
            self.status_shows(room, shown);
        }
    }
}
