//! Who is sent what at a tick. It costs O(what changed) + O(viewers that need something), and nothing where nobody does.

use std::sync::Arc;

use tickwire_proto::Tick;
use tickwire_proto::frame::{OwnTold, Presence, ServerFrame};
use tickwire_sim::{GameKind, Simulation};
use tickwire_snapshot::{AreaId, Encoder, Snapshot, Trainer};

use super::drafts::Drafts;
use super::io::{Batch, RoomOutput};
use super::member::{Member, Members};
use super::owning::Answer;
use super::plan::{Budget, Plan};
use super::share::{Share, Subject};
use super::stats::RoomStats;
use super::track::Need;
use super::window::Pace;
use crate::key::MemberId;

/// Viewers that get a keyframe of the area that all see in one tick at most, however many join at once: they are long.
pub const KEYFRAMES_PER_TICK_MAX: usize = 16;
/// A viewer gets one keyframe in so many milliseconds at most.
const KEYFRAME_PAUSE_MS: u32 = 1_000;
/// Viewers that are looked at together.
const NEAR: usize = 32;
/// A viewer that commands gets a tick frame every so many milliseconds though there is no update.
const LONE_TICK_FRAME_MS: u32 = 250;
/// The same for one whose window is full: a little longer than the pause between two receipts of a client that only listens.
const KNOCK_MS: u32 = 150;

/// What a room keeps to send updates.
pub(crate) struct Updates {
    room: u32,
    budget: Option<usize>,
    /// How far back the game looks, where it does.
    rewind_ticks: Option<u32>,
    share: Share,
    drafts: Drafts,
    newest: Option<Arc<Snapshot>>,
    /// What was the number of the sights then.
    sights: u64,
    /// Memory for what one viewer gets.
    plan: Plan,
    /// Viewers that need something though nothing changes. When it is empty an idle room looks at nobody.
    unsettled: Vec<MemberId>,
    /// Memory for the same, of the tick before.
    looked_at: Vec<MemberId>,
    /// Viewers that may need a tick frame alone.
    lone: Vec<MemberId>,
    /// Sees each version of each area, where this room trains a codebook.
    trainer: Option<Trainer>,
}

/// One tick of sending.
struct Round<'a> {
    subject: Subject<'a>,
    sim: &'a Simulation,
    plan: &'a mut Plan,
    stamp: Option<u64>,
    pace: Pace,
    keyframes_left: usize,
    /// Bytes of areas in one update of a player.
    budget: Option<usize>,
    /// How far back the game looks.
    rewind_ticks: Option<u32>,
    /// Whether it is the spectators' turn too.
    for_watchers: bool,
    share: &'a mut Share,
    drafts: &'a mut Drafts,
    lone: &'a mut Vec<MemberId>,
    stats: &'a mut RoomStats,
}

impl Updates {
    /// Of a room of this kind.
    pub fn new(room: u32, game: &GameKind) -> Updates {
        Updates {
            room,
            budget: game.budget(),
            rewind_ticks: game.rewind_ticks(),
            share: Share::new(Encoder::new(game.schema())),
            drafts: Drafts::default(),
            newest: None,
            sights: 0,
            plan: Plan::default(),
            unsettled: Vec::new(),
            looked_at: Vec::new(),
            lone: Vec::new(),
            trainer: None,
        }
    }

    /// Trains a codebook, or stops it.
    pub fn train(&mut self, trainer: Option<Trainer>) -> Option<Trainer> {
        std::mem::replace(&mut self.trainer, trainer)
    }

    /// The last capture.
    pub fn newest(&self) -> Option<&Arc<Snapshot>> {
        self.newest.as_ref()
    }

    /// Whether no viewer needs anything until something changes.
    pub fn all_settled(&self) -> bool {
        self.unsettled.is_empty()
    }

    /// A viewer needs something, even if nothing changes.
    pub fn unsettle(&mut self, member: &mut Member) {
        if !std::mem::replace(&mut member.viewer.unsettled, true) {
            self.unsettled.push(member.id);
        }
    }

    /// A viewer commands: it wants to hear what became of it, even if nothing changes.
    pub fn commands(&mut self, member: &mut Member) {
        note_lone(&mut self.lone, member);
    }

    /// A viewer cannot use what it was sent of an area.
    pub fn want_keyframe(&mut self, member: &mut Member, area: AreaId, now: Tick, pace: Pace) {
        let pause = pace.ticks(KEYFRAME_PAUSE_MS);
        member.viewer.want_keyframe(area, now, pause);
        self.unsettle(member);
    }

    /// A batch that was used up.
    pub fn recycle(&mut self, batch: Box<Batch>) {
        self.drafts.recycle(batch);
    }

    /// Nobody is left on a shard.
    pub fn forget(&mut self, shard: u16) {
        self.drafts.forget(shard);
    }

    /// Makes the updates of a tick. `stamp`: the server's clock at the capture.
    pub fn send(
        &mut self,
        (snapshot, stamp): (Arc<Snapshot>, Option<u64>),
        sim: &Simulation,
        pace: Pace,
        members: &mut Members,
        stats: &mut RoomStats,
        mut give: impl FnMut(RoomOutput),
    ) {
        let tick = snapshot.tick;
        let before = self.newest.replace(snapshot.clone());
        let changed = before.is_none_or(|before| !before.is_identical(&snapshot));
        stats.captures_changed += u64::from(changed);
        let looked = std::mem::replace(&mut self.sights, sim.sights()) != self.sights;
        let changed = changed || looked;
        if !changed && self.unsettled.is_empty() && self.lone.is_empty() {
            return;
        }
        if let Some(trainer) = &mut self.trainer {
            let areas = snapshot.areas.iter();
            areas.for_each(|area| trainer.watch(area, tick));
        }
        let subject = Subject {
            room: self.room,
            tick,
            snapshot: &snapshot,
        };
        self.share.begin(&subject, members.len(), stats);
        let mut round = Round {
            subject,
            sim,
            plan: &mut self.plan,
            stamp,
            pace,
            keyframes_left: KEYFRAMES_PER_TICK_MAX,
            budget: self.budget,
            rewind_ticks: self.rewind_ticks,
            for_watchers: tick.0.is_multiple_of(pace.watch_every),
            share: &mut self.share,
            drafts: &mut self.drafts,
            lone: &mut self.lone,
            stats,
        };
        // Those that stay unsettled are noted anew.
        std::mem::swap(&mut self.unsettled, &mut self.looked_at);
        let still_unsettled = &mut self.unsettled;
        if changed {
            for near in members.chunks_mut(NEAR) {
                // Whether their links take something, first: loads that wait for memory together, and not one after the other.
                let mut clear = [false; NEAR];
                for (clear, (_, member)) in clear.iter_mut().zip(&*near) {
                    *clear = member.gauge.is_empty();
                }
                for ((_, member), clear) in near.iter_mut().zip(clear) {
                    round.visit(member, clear, still_unsettled);
                }
            }
        } else {
            for id in &self.looked_at {
                if let Some(member) = members.get_mut(*id) {
                    let clear = member.gauge.is_empty();
                    round.visit(member, clear, still_unsettled);
                }
            }
        }
        self.looked_at.clear();
        round.send_lone(members);
        self.drafts.finish(self.room, tick, &self.share, |batch| {
            give(RoomOutput::Updates(batch))
        });
    }
}

fn note_lone(lone: &mut Vec<MemberId>, member: &mut Member) {
    if !std::mem::replace(&mut member.viewer.lone, true) {
        lone.push(member.id);
    }
}

impl Round<'_> {
    /// Looks at one viewer: sends it what it needs, if its link (`clear`) and its window take it.
    fn visit(&mut self, member: &mut Member, clear: bool, unsettled: &mut Vec<MemberId>) {
        if member.watches() && !self.for_watchers && member.presence == Presence::Online {
            // Not its turn. When it comes, it is looked at whether anything changes or not.
            member.viewer.unsettled = true;
            unsettled.push(member.id);
            return;
        }
        self.stats.viewer_visits += 1;
        if self.sim.is_divided() {
            let sight = self.sim.sight(member.seat);
            member.viewer.follow(sight, self.subject.tick);
        }
        let online = member.presence == Presence::Online;
        if online && self.needs_now(member) {
            self.try_send(member, clear);
        }
        // Who is away gets a fresh start when it is back.
        let settled = !online || self.is_settled(member);
        member.viewer.unsettled = !settled;
        if !settled {
            unsettled.push(member.id);
        }
    }

    /// What a viewer needs of its areas, with their places in the snapshot, and from which tick on that may be sent.
    fn needs<'m>(
        &'m self,
        member: &'m Member,
    ) -> impl Iterator<Item = (usize, Option<usize>, Need, Tick)> + 'm {
        let tracks = member.viewer.tracks().iter().enumerate();
        tracks.filter_map(|(at, track)| {
            let place = self.subject.place(track.area);
            let area = place.map(|place| self.subject.snapshot.areas[place].as_ref());
            let (need, from) = track.need(self.subject.tick, area)?;
            Some((at, place, need, from))
        })
    }

    fn needs_now(&self, member: &Member) -> bool {
        let now = self.subject.tick;
        self.needs(member).any(|(.., from)| from <= now)
    }

    /// Whether nothing at all is needed until something changes.
    fn is_settled(&self, member: &Member) -> bool {
        self.needs(member).next().is_none()
    }

    fn try_send(&mut self, member: &mut Member, clear: bool) {
        let tick = self.subject.tick;
        if !clear {
            self.stats.skipped_gauge += 1;
            return;
        }
        if member.viewer.is_loose() {
            member.viewer.window.forget_lost(tick, self.pace);
        }
        if !member.viewer.window.is_open(tick, self.pace) {
            self.stats.skipped_window += 1;
            member.viewer.window.waited(tick);
            // It is heard from only when it hears something: see `send_lone`.
            note_lone(self.lone, member);
            return;
        }
        let budget = self.budget.filter(|_| self.sim.is_divided());
        let budget = budget.map(|bytes| Budget {
            bytes: bytes * self.updates_at_once(member),
            near: self.sim.near(member.seat),
        });
        let viewer = &member.viewer;
        let limits = (&mut self.keyframes_left, budget);
        self.plan
            .gather(viewer, &self.subject, self.share, limits, self.stats);
        if self.sim.is_divided() {
            self.plan.add_moves(viewer, &self.subject, self.share);
        }
        if self.plan.parts.is_empty() {
            return;
        }
        let frame = self
            .share
            .frame(&self.subject, &self.plan.parts, self.stats);
        for (&part, &at) in self.plan.parts.iter().zip(&self.plan.tracks) {
            let part = self.share.get(part);
            let (need, after) = (part.need, part.after.clone());
            if need == Need::Moved {
                continue;
            }
            let track = member.viewer.track(at as usize);
            track.sent(tick, need, part.version, after);
            match need {
                Need::Keyframe => self.stats.keyframes += 1,
                Need::Still(_) => self.stats.stills += 1,
                _ => {}
            }
        }
        self.leave_out(member);
        member.viewer.sent(tick, self.pace);
        if let Some(cap) = self.rewind_ticks.filter(|_| !member.watches()) {
            member.pictures.sent(tick, cap, member.viewer.is_loose());
        }
        let bytes = self.share.length(frame) + self.draft(member, Some(frame), false);
        member.gauge.made(bytes as u32);
        self.stats.updates += 1;
        self.stats.update_bytes += bytes as u64;
    }

    /// Spectators get fewer updates: each may have as many bytes as those in between together.
    fn updates_at_once(&self, member: &Member) -> usize {
        match member.watches() {
            true => (self.pace.watch_every / self.pace.send_every.max(1)).max(1) as usize,
            false => 1,
        }
    }

    /// Notes of which areas a viewer is told nothing.
    fn leave_out(&mut self, member: &mut Member) {
        if !self.sim.is_divided() {
            return;
        }
        let mut told = self.plan.tracks.iter().copied().peekable();
        for at in 0..member.viewer.tracks().len() {
            let mut is_told = false;
            while told.next_if_eq(&(at as u32)).is_some() {
                is_told = true;
            }
            if !is_told {
                let track = member.viewer.track(at);
                let place = self.subject.place(track.area);
                let area = place.map(|place| self.subject.snapshot.areas[place].as_ref());
                track.left_out(self.subject.tick, area);
            }
        }
    }

    /// Tick frames of their own: for those who command while nothing changes, lest they command blindly; and for those
    /// whose window is full, since a client lets its receipts go when something arrives, and by no timer.
    fn send_lone(&mut self, members: &mut Members) {
        let tick = self.subject.tick;
        let mut waiting = std::mem::take(self.lone);
        waiting.retain(|id| {
            let Some(member) = members.get_mut(*id) else {
                return false;
            };
            let done = member.viewer.told == tick && tick > Tick(0);
            if done {
                member.viewer.lone = false;
                return false;
            }
            let open = member.viewer.window.is_open(tick, self.pace);
            let pause = if open { LONE_TICK_FRAME_MS } else { KNOCK_MS };
            let due = tick.since(member.viewer.told) >= self.pace.ticks(pause);
            if !due || member.presence != Presence::Online || !member.gauge.is_empty() {
                return true;
            }
            // All that it holds is still true, or else it is only to be heard from.
            let settled = self.is_settled(member);
            self.draft(member, None, settled);
            member.viewer.told = tick;
            member.viewer.lone = false;
            self.stats.lone_tick_frames += 1;
            false
        });
        *self.lone = waiting;
    }

    /// What a member whose client predicts is told of what its seat owns.
    fn own<'b>(&mut self, member: &mut Member, rows: &'b mut Vec<u8>) -> OwnTold<'b> {
        if !member.owning.predicts() || member.watches() {
            return OwnTold::Nothing;
        }
        let number = self.sim.own_number(member.seat);
        let (tick, loose) = (self.subject.tick, member.viewer.is_loose());
        match member.owning.answer(tick, number, member.link, loose) {
            Answer::AsSaid => OwnTold::AsSaid,
            Answer::AsTold => OwnTold::AsTold,
            Answer::Rows if self.sim.write_own(member.seat, rows) => {
                self.stats.own_told += 1;
                OwnTold::Rows { number, rows }
            }
            Answer::Rows => {
                member.owning.untold();
                self.stats.own_untold += 1;
                OwnTold::Nothing
            }
        }
    }

    fn draft(&mut self, member: &mut Member, shared: Option<usize>, alone: bool) -> usize {
        let mut rows = Vec::new();
        // Else it would speak of areas that are not told.
        let own = match shared.is_some() || alone {
            true => self.own(member, &mut rows),
            false => OwnTold::Nothing,
        };
        let frame = ServerFrame::TickFrame {
            room: self.subject.room,
            tick: self.subject.tick,
            applied: member.commands.applied,
            slack: member.commands.take_slack(),
            stamp: self.stamp,
            own,
            alone,
        };
        self.drafts
            .add((member.session, member.link), &frame, shared)
    }
}
