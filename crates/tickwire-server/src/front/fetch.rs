//! What a driver writes next: session by session, or for as many as wait in a row. The hot path of a server.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;
use tickwire_proto::{Outgoing, Time};

use super::slots::{Part, Slot, joined};
use super::{Front, FrontOutput};
use crate::key::SessionKey;
use crate::room::{Batch, RoomInput, ViewerUpdate};

/// Bytes that [`Front::fetch`] takes of one session in a row, and one frame beyond it at most.
pub const FETCHED_BYTES: usize = 4096;

/// Viewers of a batch that are looked at together.
const NEAR: usize = 32;

/// What came of rooms for many sessions and was not looked at: each of them is, when its turn to write comes.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: VecDeque<ForMany>,
    /// How many sessions of the first one were looked at.
    done: usize,
    /// Memory for the next list.
    spare: Vec<SessionKey>,
}

#[derive(Debug)]
enum ForMany {
    Updates(Box<Batch>),
    /// A frame for all of these, members of a room.
    Frame(u32, Bytes, Vec<SessionKey>),
}

impl ForMany {
    fn len(&self) -> usize {
        match self {
            ForMany::Updates(batch) => batch.viewers.len(),
            ForMany::Frame(_, _, sessions) => sessions.len(),
        }
    }
}

impl Front {
    /// The next session that has something to write, each once until it was asked for it.
    pub fn pop_dirty(&mut self, now: Time) -> Option<SessionKey> {
        self.give_pending(now);
        self.next_dirty()
    }

    fn next_dirty(&mut self) -> Option<SessionKey> {
        while let Some(key) = self.dirty.pop_front() {
            let slot = self.slots.get_quiet(key);
            if slot.is_some_and(|slot| std::mem::take(&mut slot.dirty)) {
                return Some(key);
            }
        }
        None
    }

    /// What is written next to a session's link that takes `writable` bytes, if anything: ask until there is no more, and again when the
    /// link takes more.
    pub fn next(&mut self, now: Time, session: SessionKey, writable: usize) -> Option<Outgoing> {
        let slot = self.slots.get_mut(session)?;
        let out = slot.session.next(now, writable);
        if let Some(out) = &out {
            if let Some((room, _)) = out.update
                && let Some(part) = slot.joined(room)
            {
                part.gauge.fetched(out.len() as u32);
            }
            self.traffic.goes(out);
        }
        if slot.session.is_finished() {
            self.settle(now, session);
        } else {
            slot.quiet = slot.session.is_quiet();
        }
        out
    }

    /// The same for up to `sessions` that have something to write, in a row: so the code and data of one step stay near. Each is asked of
    /// until it has no more, or some [`FETCHED_BYTES`]: the last [`Outgoing::more`] tells which. `give` gets `None` for one whose link is
    /// not clear, by `is_clear`: nothing was fetched. `is_near` is asked of those that are clear, many in a row before the first is given
    /// something: it may load what their writing needs. False: nobody has anything to write.
    pub fn fetch(
        &mut self,
        now: Time,
        writable: usize,
        mut sessions: usize,
        (mut is_clear, mut is_near): (
            impl FnMut(SessionKey) -> bool,
            impl FnMut(SessionKey) -> bool,
        ),
        mut give: impl FnMut(SessionKey, Option<Outgoing>),
    ) -> bool {
        let before = sessions;
        while sessions > 0
            && let Some(first) = self.pending.waiting.pop_front()
        {
            let from = self.pending.done;
            let to = first.len().min(from + sessions);
            sessions -= to - from;
            // Some at a time, of which it is seen first whether they may be written to: loads that wait for memory together.
            for from in (from..to).step_by(NEAR) {
                let range = from..to.min(from + NEAR);
                let ways = (&mut is_clear, &mut is_near);
                self.fetch_near(now, writable, &first, range, ways, &mut give);
            }
            self.pending.done = to;
            if to < first.len() {
                self.pending.waiting.push_front(first);
            } else {
                self.is_done(first);
            }
        }
        while sessions > 0
            && let Some(key) = self.next_dirty()
        {
            sessions -= 1;
            self.fetch_if(now, writable, key, is_clear(key), &mut give);
        }
        sessions < before
    }

    /// For some of those that something waits for.
    fn fetch_near(
        &mut self,
        now: Time,
        writable: usize,
        first: &ForMany,
        range: Range<usize>,
        ways: (
            &mut impl FnMut(SessionKey) -> bool,
            &mut impl FnMut(SessionKey) -> bool,
        ),
        give: &mut impl FnMut(SessionKey, Option<Outgoing>),
    ) {
        match first {
            ForMany::Updates(batch) => {
                let viewers = &batch.viewers[range];
                let keys = viewers.iter().map(|viewer| viewer.session);
                let (_, clear) = self.near(batch.room, keys, ways);
                for (viewer, clear) in viewers.iter().zip(clear) {
                    let simply = clear.then(|| self.update_at_once(now, writable, batch, viewer));
                    match simply.flatten() {
                        Some(out) => out
                            .into_iter()
                            .for_each(|out| give(viewer.session, Some(out))),
                        None if self.update(batch, viewer) => {
                            self.fetch_if(now, writable, viewer.session, clear, give);
                        }
                        None => {}
                    }
                }
            }
            ForMany::Frame(room, frame, sessions) => {
                let sessions = &sessions[range];
                let (there, clear) = self.near(*room, sessions.iter().copied(), ways);
                for ((key, there), clear) in sessions.iter().zip(there).zip(clear) {
                    let simply = clear.then(|| self.frame_at_once(now, writable, *key, frame));
                    match simply.flatten() {
                        Some(out) => give(*key, Some(out)),
                        None if there && self.take_frame(now, *key, frame) => {
                            self.fetch_if(now, writable, *key, clear, give);
                        }
                        None => {}
                    }
                }
            }
        }
    }

    /// Which of these sessions are in the room, and which of their links are clear. Step by step for all of them, each short: so the loads of
    /// one step wait together.
    fn near(
        &self,
        room: u32,
        keys: impl Iterator<Item = SessionKey> + Clone,
        (is_clear, is_near): (
            &mut impl FnMut(SessionKey) -> bool,
            &mut impl FnMut(SessionKey) -> bool,
        ),
    ) -> ([bool; NEAR], [bool; NEAR]) {
        let (mut there, mut clear) = ([false; NEAR], [false; NEAR]);
        for (there, key) in there.iter_mut().zip(keys.clone()) {
            *there = self.slots.get(key).is_some();
        }
        for (clear, key) in clear.iter_mut().zip(keys.clone()) {
            *clear = is_clear(key);
        }
        for (there, key) in there.iter_mut().zip(keys.clone()) {
            *there = *there && self.is_in(key, room);
        }
        for ((there, clear), key) in there.iter().zip(&mut clear).zip(keys.clone()) {
            *clear &= *there && is_near(key);
        }
        for (clear, key) in clear.iter_mut().zip(keys) {
            let slot = self.slots.get(key).filter(|_| *clear);
            *clear = slot.is_some_and(|slot| slot.session.is_near());
        }
        (there, clear)
    }

    fn fetch_if(
        &mut self,
        now: Time,
        writable: usize,
        key: SessionKey,
        clear: bool,
        give: &mut impl FnMut(SessionKey, Option<Outgoing>),
    ) {
        if clear {
            self.fetch_of(now, writable, key, |out| give(key, Some(out)));
        } else {
            give(key, None);
        }
    }

    /// What [`fetch`](Self::fetch) takes, of one session alone. False: it has no more.
    pub fn fetch_of(
        &mut self,
        now: Time,
        writable: usize,
        session: SessionKey,
        mut give: impl FnMut(Outgoing),
    ) -> bool {
        let mut fetched = 0;
        while fetched < FETCHED_BYTES {
            let Some(out) = self.next(now, session, writable) else {
                return false;
            };
            let more = out.more;
            fetched += out.len();
            give(out);
            if !more {
                return false;
            }
        }
        true
    }

    fn is_in(&self, key: SessionKey, room: u32) -> bool {
        let slot = self.slots.get(key);
        slot.is_some_and(|slot| is_member(slot, room))
    }

    /// A viewer's update where nothing else waits and nothing is in its way: a few loads and two reference counts. `None`: it is not so simple.
    fn update_at_once(
        &mut self,
        now: Time,
        writable: usize,
        batch: &Batch,
        viewer: &ViewerUpdate,
    ) -> Option<Option<Outgoing>> {
        let slot = self.slots.get_quiet(viewer.session)?;
        let Slot {
            session,
            parts,
            link: true,
            quiet: true,
            ..
        } = slot
        else {
            return None;
        };
        let part = parts.iter_mut().find(|part| is_for(batch, viewer, part))?;
        let (private, shared) = batch.frames(viewer);
        let is_update = shared.is_some();
        let of = (batch.room, batch.tick);
        let out = session.update_at_once(now, writable, of, private, shared);
        match &out {
            Ok(out) => {
                if is_update {
                    part.gauge.fetched(out.len() as u32);
                }
                self.traffic.goes(out);
            }
            Err(dropped) => part.gauge.fetched(*dropped as u32),
        }
        Some(out.ok())
    }

    /// A frame for a session where nothing else waits and nothing is in its way. `None`: it is not so simple.
    fn frame_at_once(
        &mut self,
        now: Time,
        writable: usize,
        key: SessionKey,
        frame: &Bytes,
    ) -> Option<Outgoing> {
        let slot = self.slots.get_quiet(key)?;
        if !slot.link || !slot.quiet {
            return None;
        }
        let out = slot.session.frame_at_once(now, writable, frame)?;
        self.traffic.goes(&out);
        Some(out)
    }

    /// Gives a viewer's update to its session. False: there is nobody, or no link, for it.
    fn update(&mut self, batch: &Batch, viewer: &ViewerUpdate) -> bool {
        // Not what was made for a link that is lost: its client does not hold what it starts from.
        let slot = self.slots.get_mut(viewer.session);
        let wanted = |slot: &&mut Slot| slot.parts.iter().any(|part| is_for(batch, viewer, part));
        let Some(slot) = slot.filter(wanted) else {
            self.stats.inputs_late += 1;
            return false;
        };
        let (private, shared) = batch.frames(viewer);
        let dropped = slot.session.update(batch.room, batch.tick, private, shared);
        if let Some(part) = joined(&mut slot.parts, batch.room) {
            part.gauge.fetched(dropped as u32);
        }
        slot.link
    }

    /// Gives a frame to a session. False: there is nobody, or no link, for it.
    fn take_frame(&mut self, now: Time, key: SessionKey, frame: &Bytes) -> bool {
        let Some(slot) = self.slots.get_mut(key) else {
            return false;
        };
        // An overflow ends the session: its event says so. A volatile message that cannot go is counted there.
        let _ = slot.session.send_frame(now, frame.clone());
        if slot.session.is_ended().is_some() {
            self.settle(now, key);
            return false;
        }
        slot.link
    }

    /// A frame for a session: no timer moves by it.
    pub(super) fn send(&mut self, now: Time, key: SessionKey, frame: &Bytes) {
        if self.take_frame(now, key, frame) {
            self.note_dirty(key);
        }
    }

    /// A room has made updates.
    pub(super) fn updates(&mut self, now: Time, batch: Box<Batch>) {
        // A frame goes in one write with the update behind it.
        if matches!(self.pending.waiting.back(), Some(ForMany::Frame(..))) {
            self.give_pending(now);
        }
        self.pending.waiting.push_back(ForMany::Updates(batch));
    }

    /// A frame for all members of a room but one.
    pub(super) fn for_all(
        &mut self,
        now: Time,
        room: u32,
        frame: Bytes,
        except: Option<SessionKey>,
    ) {
        self.give_pending(now);
        let mut sessions = std::mem::take(&mut self.pending.spare);
        let members = self.in_room.get(&room).into_iter().flatten().copied();
        sessions.extend(members.filter(|session| Some(*session) != except));
        let for_all = ForMany::Frame(room, frame, sessions);
        self.pending.waiting.push_back(for_all);
    }

    /// What waits goes to the sessions now: something follows that may change who it is for.
    pub(super) fn give_pending(&mut self, now: Time) {
        while let Some(first) = self.pending.waiting.pop_front() {
            let done = self.pending.done;
            match &first {
                ForMany::Updates(batch) => {
                    for viewer in &batch.viewers[done..] {
                        if self.update(batch, viewer) {
                            self.note_dirty(viewer.session);
                        }
                    }
                }
                ForMany::Frame(room, frame, sessions) => {
                    for key in &sessions[done..] {
                        if self.is_in(*key, *room) {
                            self.send(now, *key, frame);
                        }
                    }
                }
            }
            self.is_done(first);
        }
    }

    fn is_done(&mut self, first: ForMany) {
        self.pending.done = 0;
        match first {
            ForMany::Updates(batch) => self.outputs.push_back(FrontOutput::ToRoom {
                session: None,
                room: batch.room,
                input: RoomInput::Recycle(batch),
            }),
            ForMany::Frame(_, _, mut sessions) => {
                sessions.clear();
                self.pending.spare = sessions;
            }
        }
    }
}

fn is_member(slot: &Slot, room: u32) -> bool {
    slot.session.is_in(room) && slot.member(room).is_some()
}

fn is_for(batch: &Batch, viewer: &ViewerUpdate, part: &Part) -> bool {
    (part.room, part.request, part.link) == (batch.room, None, viewer.link)
}
