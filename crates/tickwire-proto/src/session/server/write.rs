//! What a server writes next: control and reliable messages, volatile ones, updates; and receipts with any of them.

use super::super::bucket::Mark;
use super::super::{Outgoing, RECEIPTS_ALONE_MS};
use super::rooms::RoomSlot;
use super::{ServerSession, Stage};
use crate::frame::ServerFrame;
use crate::frame::server::{Treatment, treatment};
use crate::time::{Tick, Time};
use bytes::Bytes;
use std::time::Duration;

impl ServerSession {
    /// What is written next, if anything: ask again with what the link takes after it, until there is no more.
    ///
    /// Frames beyond `writable` bytes wait, but for the first since the link last took something: so a link holds at
    /// most one write more than it said. Ask also when `writable` is 0: volatile messages are dropped then.
    pub fn next(&mut self, now: Time, writable: usize) -> Option<Outgoing> {
        if matches!(
            self.stage,
            Stage::Away { .. } | Stage::Ended { owed: false, .. }
        ) {
            return None;
        }
        let out = if self.round.begin(writable) {
            self.pick(now)
        } else {
            None
        };
        match out {
            Some(mut out) => {
                self.count(now, &out);
                out.more = self.wants_write();
                self.volatiles.blocked &= out.more;
                Some(out)
            }
            None => {
                self.volatiles.blocked = self.wants_write();
                self.stats.volatile_dropped += self.volatiles.clear();
                None
            }
        }
    }

    /// Whether nothing at all waits to go, with whatever is written next: what an update for such a session makes goes by
    /// [`update_at_once`](Self::update_at_once).
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        matches!(self.stage, Stage::Open)
            && !self.tally.has_news()
            && !self.volatiles.blocked
            && !self.has_company()
    }

    /// [`update`](Self::update) and [`next`](Self::next) in one step, for a session that [is quiet](Self::is_quiet) and a link that takes
    /// `writable` bytes, not 0: an update waits for nothing there. The error: bytes of an update for nobody, as of `update`.
    pub fn update_at_once(
        &mut self,
        now: Time,
        writable: usize,
        (room, tick): (u32, Tick),
        private: Bytes,
        shared: Option<Bytes>,
    ) -> Result<Outgoing, usize> {
        debug_assert!(self.is_quiet() && writable > 0, "something waits");
        let Some(slot) = self.rooms.get_mut(room) else {
            self.stats.answers_late += 1;
            return Err(shared.map_or(0, |shared| private.len() + shared.len()));
        };
        let update = shared.as_ref().map(|_| (room, tick));
        if shared.is_some() {
            slot.sent = slot.sent.max(Some(tick));
        }
        self.turn = room;
        self.round.begin(writable);
        let out = Outgoing {
            head: private,
            body: shared,
            update,
            more: false,
        };
        self.count(now, &out);
        Ok(out)
    }

    /// [`send_frame`](Self::send_frame) and [`next`](Self::next) in one step, for a session that [is quiet](Self::is_quiet) and a link that
    /// takes `writable` bytes, not 0. `None`: the frame is not one that simply goes, or the outbox has no room for it; nothing was done.
    pub fn frame_at_once(&mut self, now: Time, writable: usize, frame: &Bytes) -> Option<Outgoing> {
        debug_assert!(self.is_quiet() && writable > 0, "something waits");
        let Treatment::Reliable { channel } = treatment(frame) else {
            return None;
        };
        self.outbox.write_at_once(channel, frame).ok()?;
        self.round.begin(writable);
        let out = Outgoing::frame(frame.clone());
        self.count(now, &out);
        Some(out)
    }

    /// True: what [`frame_at_once`](Self::frame_at_once) is about to write to was loaded. Many sessions are asked in a row, so that the loads
    /// wait together.
    #[must_use]
    #[inline]
    pub fn is_near(&self) -> bool {
        self.outbox.is_near()
    }

    /// Whether anything waits to be written.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        match self.stage {
            Stage::Away { .. } => false,
            Stage::Ended { owed, .. } => owed,
            Stage::Hello | Stage::Open => {
                (self.receipts_due && self.tally.has_news()) || self.has_company()
            }
        }
    }

    /// Whether anything but receipts waits: they go along with it.
    fn has_company(&self) -> bool {
        let updates = || self.rooms.values().any(RoomSlot::has_news);
        self.welcome.is_some()
            || self.heartbeat.owes_pong()
            || self.heartbeat.wants_ping()
            || self.outbox.next_len().is_some()
            || !self.volatiles.is_empty()
            || updates()
    }

    /// Whether nothing was written for so long that receipts may go alone.
    pub(super) fn silent_for_long(&self, now: Time) -> bool {
        now.since(self.last_out) >= Duration::from_millis(RECEIPTS_ALONE_MS)
    }

    fn count(&mut self, now: Time, out: &Outgoing) {
        self.last_out = self.last_out.max(now);
        self.round.give(out.len());
        self.stats.frames_out += 1 + u64::from(out.body.is_some());
        self.stats.bytes_out += out.len() as u64;
        // Something has gone: what comes next waits its time again.
        self.receipts_due &= self.tally.has_news();
    }

    fn pick(&mut self, now: Time) -> Option<Outgoing> {
        if matches!(self.stage, Stage::Ended { .. }) {
            return self.pick_ending();
        }
        if matches!(self.stage, Stage::Hello) {
            return None;
        }
        self.stats.volatile_dropped += self.volatiles.expire(now);
        // The welcome comes before all else: nothing is heard before it.
        if let Some(len) = self.welcome.as_ref().map(Bytes::len) {
            let welcome = self.welcome.take_if(|_| self.round.fits(len));
            return welcome.map(Outgoing::frame);
        }
        if let Some(frame) = self.pick_small(now) {
            return Some(Outgoing::frame(frame));
        }
        if let Some(len) = self.outbox.next_len() {
            return if self.round.fits(len) {
                self.outbox.pop().map(Outgoing::frame)
            } else {
                None
            };
        }
        if let Some(len) = self.volatiles.next_len() {
            return if self.round.fits(len) {
                self.volatiles.pop().map(Outgoing::frame)
            } else {
                None
            };
        }
        self.pick_update()
    }

    /// Receipts, pong, ping: a few bytes that wait for nothing but room.
    fn pick_small(&mut self, now: Time) -> Option<Bytes> {
        const LONGEST: usize = 96;
        if !self.round.fits(LONGEST) {
            return None;
        }
        if self.tally.has_news() && (self.receipts_due || self.has_company()) {
            return Some(
                ServerFrame::Receipts {
                    received: self.tally.take(),
                }
                .encode(),
            );
        }
        if let Some(nonce) = self.heartbeat.take_pong() {
            return Some(ServerFrame::Pong { nonce }.encode());
        }
        if self.heartbeat.wants_ping() {
            let nonce = self.heartbeat.ping(now, Mark::default());
            return Some(ServerFrame::Ping { nonce }.encode());
        }
        None
    }

    /// The rooms take turns, so that one that is always ready does not keep the others waiting.
    fn pick_update(&mut self) -> Option<Outgoing> {
        let room = self.rooms.next_with_news(self.turn)?;
        let slot = self.rooms.get_mut(room)?;
        if !self.round.fits(slot.next_len()) {
            return None;
        }
        let out = match slot.update.take() {
            Some(pair) => {
                slot.sent = slot.sent.max(Some(pair.tick));
                Outgoing {
                    head: pair.private,
                    body: Some(pair.shared),
                    update: Some((room, pair.tick)),
                    more: false,
                }
            }
            None => Outgoing::frame(slot.tick_frame.take()?),
        };
        if !slot.has_news() {
            self.turn = room;
        }
        Some(out)
    }

    /// What waits in order, then the ending.
    fn pick_ending(&mut self) -> Option<Outgoing> {
        if let Some(len) = self.outbox.next_len() {
            return if self.round.fits(len) {
                self.outbox.pop().map(Outgoing::frame)
            } else {
                None
            };
        }
        let Stage::Ended { ending, owed } = &mut self.stage else {
            return None;
        };
        let frame = ServerFrame::Ending {
            reason: ending.reason,
            retry: ending.retry,
            message: &ending.message,
        }
        .encode();
        if !self.round.fits(frame.len()) {
            return None;
        }
        *owed = false;
        Some(Outgoing::frame(frame))
    }
}
