//! What a client writes next: hello and attach, pong and ping, receipts, commands, control and messages, within its pace.

use super::{ClientSession, RoomView, Stage};
use crate::frame::client::{ATTACH, DETACH, SEAT_KEY};
use crate::frame::{ClientFrame, ROOMS_PER_SESSION_MAX};
use crate::time::{Tick, Time};
use bytes::Bytes;

/// No receipts, ping or pong is longer.
const SMALL_MAX: usize = 256;

impl ClientSession {
    /// The frame that is written next, if any: ask again with what the link takes after it, until there is no more.
    ///
    /// Frames beyond `writable` bytes wait, but for the first since the link last took something: so a link holds at
    /// most one frame more than it said. Ask also when `writable` is 0: volatile messages are dropped then.
    pub fn next(&mut self, now: Time, writable: usize) -> Option<Bytes> {
        if matches!(self.stage, Stage::NoLink | Stage::Ended { bye: false, .. }) {
            return None;
        }
        self.pace_until = None;
        let frame = if self.round.begin(writable) {
            self.pick(now)
        } else {
            None
        };
        match &frame {
            Some(frame) => {
                self.round.give(frame.len());
                self.stats.frames_out += 1;
                self.stats.bytes_out += frame.len() as u64;
                // Something has gone: what comes next waits its time again.
                self.receipts_due &= self.has_untold() || self.has_untold_loose();
            }
            None => {
                self.volatiles.blocked = self.wants_write();
                self.stats.volatile_dropped += self.volatiles.clear();
            }
        }
        frame
    }

    /// Whether anything waits to be written, now or when the pace allows it.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        match self.stage {
            Stage::NoLink => false,
            Stage::Ended { bye, .. } => bye,
            Stage::Hello | Stage::Open => {
                (self.receipts_due && self.has_untold()) || self.has_company()
            }
        }
    }

    /// Whether anything but receipts waits: they go along with it.
    fn has_company(&self) -> bool {
        self.heartbeat.owes_pong()
            || self.heartbeat.wants_ping()
            || self.hello.is_some()
            || self.commands.iter().any(|it| !self.goes_loose(it))
            || !self.volatiles.is_empty()
            || (self.is_attached() && self.outbox.next_len().is_some())
            || self.outbox.next_free().is_some()
    }

    fn pick(&mut self, now: Time) -> Option<Bytes> {
        if matches!(self.stage, Stage::Ended { .. }) {
            return self.pick_goodbye(now);
        }
        self.stats.volatile_dropped += self.volatiles.expire(now);
        if let Some(len) = self.hello.as_ref().map(Bytes::len) {
            let hello = self.hello.take_if(|_| self.round.fits(len));
            return hello.map(|frame| self.charged(now, frame));
        }
        if self.claims {
            return None; // what the server has of this session is not known yet
        }
        if let Some(opening) = self.outbox.next_free().filter(|frame| opens(frame)) {
            // The only ones that no pace holds back: without them there is nothing to pace.
            if !self.round.fits(opening.len()) {
                return None;
            }
            return self.outbox.pop().map(|frame| self.charged(now, frame));
        }
        if matches!(self.stage, Stage::Hello) {
            return None;
        }
        // Receipts first: after a ping or pong there might be nothing left that they could go along with.
        let small = self.pick_receipts(now).or_else(|| self.pick_small(now));
        small
            .or_else(|| self.pick_command(now))
            .or_else(|| self.pick_message(now))
    }

    fn charged(&mut self, now: Time, frame: Bytes) -> Bytes {
        self.pace.charge(now, frame.len());
        if self.pace.wants_proof() && !self.heartbeat.is_waiting() {
            self.heartbeat.want_ping();
        }
        frame
    }

    /// Whether the pace and the link allow a frame of `len` bytes; notes when the pace will.
    fn may_send(&mut self, now: Time, len: usize) -> bool {
        if !self.round.fits(len) {
            return false;
        }
        let ready = self.pace.ready(now, len);
        if !ready {
            self.pace_until = self
                .pace_until
                .into_iter()
                .chain(self.pace.ready_at(len))
                .min();
        }
        ready
    }

    /// A ping goes without asking the pace: its pong is what opens it again.
    fn pick_small(&mut self, now: Time) -> Option<Bytes> {
        if !self.round.fits(SMALL_MAX) {
            return None;
        }
        let frame = if let Some(nonce) = self.heartbeat.take_pong() {
            ClientFrame::Pong { nonce }
        } else if self.heartbeat.wants_ping() {
            let mut mark = self.pace.mark();
            mark.frames += 1;
            mark.bytes += 5;
            ClientFrame::Ping {
                nonce: self.heartbeat.ping(now, mark),
            }
        } else {
            return None;
        };
        let bytes = frame.encode();
        self.pace.charge(now, bytes.len());
        Some(bytes)
    }

    pub(super) fn has_untold(&self) -> bool {
        self.tally.has_news() || self.untold_rooms().next().is_some()
    }

    /// Rooms of which more is held than was told, but for those whose next command tells it.
    fn untold_rooms(&self) -> impl Iterator<Item = (u32, Tick)> {
        let held = |view: &RoomView| view.held.map(|held| held.newest);
        let untold = self.rooms.iter().filter(move |(room, view)| {
            !self.datagrams
                && held(view) > view.told
                && !self.commands.iter().any(|c| c.room == **room)
        });
        untold.filter_map(move |(room, view)| Some((*room, held(view)?)))
    }

    fn pick_receipts(&mut self, now: Time) -> Option<Bytes> {
        let may = self.has_untold() && (self.receipts_due || self.has_company());
        if !may || !self.may_send(now, SMALL_MAX) {
            return None;
        }
        let held: Vec<(u32, Tick)> = self.untold_rooms().take(ROOMS_PER_SESSION_MAX).collect();
        for (room, tick) in &held {
            if let Some(view) = self.rooms.get_mut(room) {
                view.told = Some(*tick);
            }
        }
        self.last_told = now;
        let frame = ClientFrame::Receipts {
            received: self.tally.take(),
            held,
        }
        .encode();
        Some(self.charged(now, frame))
    }

    /// Commands have a bucket of their own on the server, so no pace here; each is the receipt of its room.
    fn pick_command(&mut self, now: Time) -> Option<Bytes> {
        loop {
            let at = self.commands.iter().position(|it| !self.goes_loose(it))?;
            let command = &self.commands[at];
            let (room, tick) = (command.room, command.tick);
            let Some(view) = self.rooms.get_mut(&room) else {
                self.commands.remove(at);
                self.stats.commands_unsent += 1;
                continue;
            };
            let held = view.held?.newest;
            if !self.round.fits(command.payload.len() + 28) {
                return None;
            }
            view.told = Some(held);
            self.last_told = now;
            let command = self.commands.remove(at)?;
            return Some(
                ClientFrame::Command {
                    room,
                    held,
                    tick,
                    shown: command.shown,
                    said: command.said,
                    payload: &command.payload,
                }
                .encode(),
            );
        }
    }

    fn pick_message(&mut self, now: Time) -> Option<Bytes> {
        // What was written before, on a link that is lost, was allowed then.
        if !self.is_attached() && self.outbox.next_free().is_none() {
            return None;
        }
        if let Some(len) = self.outbox.next_len() {
            if !self.may_send(now, len) {
                return None;
            }
            let frame = self.outbox.pop()?;
            return Some(self.charged(now, frame));
        }
        let len = self.volatiles.next_len()?;
        if !self.may_send(now, len) {
            // It waits for no pace.
            self.pace_until = None;
            return None;
        }
        let frame = self.volatiles.pop()?;
        Some(self.charged(now, frame))
    }

    /// What waits in order as far as the pace allows now, then the goodbye.
    fn pick_goodbye(&mut self, now: Time) -> Option<Bytes> {
        if let Some(len) = self.outbox.next_len().filter(|_| self.is_attached()) {
            if !self.round.fits(len) {
                return None;
            }
            if self.may_send(now, len) {
                return self.outbox.pop().map(|frame| self.charged(now, frame));
            }
        }
        self.pace_until = None;
        self.stats.reliable_lost += self.outbox.reliable_load().0 as u64;
        if let Stage::Ended { bye, .. } = &mut self.stage {
            *bye = false;
        }
        Some(match self.unloads {
            true => ClientFrame::Unload.encode(),
            false => ClientFrame::Bye.encode(),
        })
    }
}

/// Whether a frame asks for an attachment or gives one up, or goes before the first.
fn opens(frame: &[u8]) -> bool {
    matches!(frame.first(), Some(&(ATTACH | DETACH | SEAT_KEY)))
}
