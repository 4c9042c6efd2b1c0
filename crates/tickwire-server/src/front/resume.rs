//! Clients that come back: whose session it is, where that is, and the link that becomes its own.

use std::sync::Arc;

use bytes::Bytes;
use tickwire_proto::frame::ResumeClaim;
use tickwire_proto::{Ending, Reason, Retry, Tick, Time};

use super::{Front, FrontOutput};
use crate::auth::Remote;
use crate::gauge::Gauge;
use crate::key::SessionKey;
use crate::room::RoomInput;

/// Sessions of one front that wait for their clients at most: one more ends at once.
pub const SESSIONS_AWAY_MAX: usize = 4_096;
/// Endings of sessions that were sent away while they waited for their clients, kept for these at most; older ones are forgotten.
pub const FAREWELLS_MAX: usize = 1_024;

/// The token of a session: its key, and 24 bytes of chance.
pub(super) fn of_session(key: SessionKey, mut token: [u8; 32]) -> [u8; 32] {
    token[..8].copy_from_slice(&key.0.to_le_bytes());
    token
}

impl Front {
    /// A new link's hello claims a session: that one goes on with the link, here or on its own front. False: there is none to go on.
    pub(super) fn take_over(
        &mut self,
        now: Time,
        from: SessionKey,
        claim: &ResumeClaim,
        hello: &[u8],
    ) -> bool {
        let to = SessionKey::of_token(&claim.token);
        if to.shard() != self.config.shard && to.shard() < self.config.shards {
            let (_, remote, gauge) = self.drop_link(from).unwrap_or_default();
            self.outputs.push_back(FrontOutput::Elsewhere {
                from,
                shard: to.shard(),
                remote,
                datagrams: gauge.is_loose(),
                hello: Bytes::copy_from_slice(hello),
            });
            return true;
        }
        let may = self
            .slots
            .get(to)
            .is_some_and(|slot| to != from && slot.session.may_resume(&claim.token));
        if !may {
            return self.say_farewell(now, from, to);
        }
        let Some((Some(token), remote, gauge)) = self.drop_link(from) else {
            return false;
        };
        self.outputs.push_back(FrontOutput::Relinked { from, to });
        if let Some(slot) = self.slots.get_mut(to) {
            slot.link = true;
            slot.remote = remote;
            slot.backed_up = None;
            slot.gauge = gauge.of_another_link();
            slot.session.resume(now, claim, of_session(to, token));
        }
        self.settle(now, to);
        true
    }

    /// A session that was sent away while its client had no link: the client hears it when it comes, lest it begin anew as if nothing were.
    fn say_farewell(&mut self, now: Time, from: SessionKey, to: SessionKey) -> bool {
        let sent = self.farewells.iter().find(|(key, _)| *key == to);
        let Some((_, ending)) = sent.cloned() else {
            return false;
        };
        let Ending {
            reason,
            retry,
            message,
        } = ending;
        self.end(now, from, reason, retry, &message);
        true
    }

    /// Keeps the ending of a session that was sent away, for a client that is not there to hear it.
    pub(super) fn keep_farewell(&mut self, key: SessionKey, ending: &Ending) {
        if ending.retry != Retry::Never {
            return;
        }
        if self.farewells.len() >= FAREWELLS_MAX {
            self.farewells.pop_front();
        }
        self.farewells.push_back((key, ending.clone()));
    }

    /// A session waits for its client, if not too many do.
    pub(super) fn waits(&mut self, now: Time, key: SessionKey) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        slot.away = true;
        self.away += 1;
        if self.away > SESSIONS_AWAY_MAX {
            let message = "too many sessions wait for their clients";
            let retry = Reason::Expired.retry();
            slot.session.end(now, Reason::Expired, retry, message);
        }
    }

    pub(super) fn waits_no_more(&mut self, key: SessionKey) {
        let slot = self.slots.get_mut(key);
        let waited = slot.is_some_and(|slot| std::mem::take(&mut slot.away));
        self.away -= usize::from(waited);
    }

    /// The session gave its link up; the driver may still have it.
    pub(super) fn cut(&mut self, key: SessionKey) {
        if let Some(slot) = self.slots.get_mut(key).filter(|slot| slot.link) {
            slot.link = false;
            slot.backed_up = None;
            self.outputs.push_back(FrontOutput::Cut { session: key });
        }
    }

    /// Forgets a session that was only a link; its token's chance, its remote and what its link is like are for the session that goes on.
    fn drop_link(&mut self, key: SessionKey) -> Option<(Option<[u8; 32]>, Arc<Remote>, Gauge)> {
        let slot = self.slots.remove(key)?;
        if let Some(at) = slot.timer {
            self.timers.remove(&(at, key));
        }
        self.stats.counted += slot.session.stats();
        Some((slot.token, slot.remote, slot.gauge))
    }

    /// The room goes on from what the client holds; what it made for the lost link is of no use any more.
    pub(super) fn room_resumed(&mut self, key: SessionKey, room: u32, held: Option<Tick>) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        slot.told_rtt_ms = 0; // of another link
        let gauge = slot.gauge.of_another_room();
        let Some(part) = slot.joined(room) else {
            return;
        };
        part.gauge = gauge.clone();
        part.shut = false;
        part.link = part.link.wrapping_add(1);
        let link = part.link;
        self.tell_room(key, room, |member| RoomInput::Resumed {
            member,
            held,
            link,
            gauge,
        });
    }
}
