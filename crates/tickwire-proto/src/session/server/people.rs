//! Identities that the client watches, and notices that it is done with: what is allowed how often. Who is where is the owner's matter.

use super::{ServerEvent, ServerSession};
use crate::frame::{Refusal, ServerFrame, code};
use crate::time::Time;

/// Identities a second that one may begin or cease to follow.
pub const FOLLOWS_PER_S_MAX: u64 = 32;
/// The same, saved up.
pub const FOLLOWS_AT_ONCE_MAX: u64 = 512;

impl ServerSession {
    pub(super) fn accept_follow(
        &mut self,
        now: Time,
        attachment: u8,
        add: &[&str],
        remove: &[&str],
    ) {
        if self.identity(attachment).is_none() {
            self.stats.frames_late += 1;
            return;
        }
        let count = (add.len() + remove.len()) as u64;
        if !self.follows.take(now, count) {
            self.stats.follows_limited += count;
            let message = format!(
                "more than {FOLLOWS_PER_S_MAX} identities a second to follow or not to follow: none of these {count} is. Ask less often"
            );
            return self.follow_refused(attachment, &Refusal::new(code::LIMIT, message));
        }
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        self.events.push_back(ServerEvent::Follow {
            attachment,
            add: own(add),
            remove: own(remove),
        });
    }

    /// An answer to [`ServerEvent::Follow`]: not all of it is done. What is watched is told by frames made for many
    /// ([`send_frame`](Self::send_frame)).
    pub fn follow_refused(&mut self, attachment: u8, refusal: &Refusal) {
        if self.is_ended().is_some() {
            self.stats.answers_late += 1;
            return;
        }
        let frame = ServerFrame::FollowRefused {
            attachment,
            code: &refusal.code,
            message: &refusal.message,
        };
        self.push_control(frame.encode());
    }

    pub(super) fn accept_notices_done(&mut self, attachment: u8, cursors: Vec<u64>) {
        if self.identity(attachment).is_none() {
            self.stats.frames_late += 1;
            return;
        }
        self.events.push_back(ServerEvent::NoticesDone {
            attachment,
            cursors,
        });
    }
}
