//! What one client knows of one room: its areas, its members, and when to show what.

use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;
use tickwire_proto::frame::{AreaDelta, MemberChangeOwned, MemberInfoOwned, ServerFrame};
use tickwire_proto::session::RttEstimate;
use tickwire_proto::{Moment, Tick, Time};
use tickwire_snapshot::{
    AREA_IDS_MAX, Area, AreaId, ENTITIES_MAX, NetId, OwnedRow, Schema, TickEvent,
};

use crate::areas::{AreaView, Between};
use crate::clock::{ArrivalLine, Earliest, REBASE_US, SteadyClock};
use crate::delay::{DELAY_MAX, Delay};
use crate::event::Fault;
use crate::extrapolate::Extrapolation;
use crate::figures::{Figures, Meter};
use crate::foresight::{Ahead, Correction, Foreseen, ForesightFigures};
use crate::lead::CommandLead;
use crate::moves::{Crossing, Moves};
use crate::own::{Own, OwnSeen};
use crate::picture::{Layer, Owner, Picture, ShownEvent, join_id, split_id};
use crate::way::Way;

/// Areas of one view, those that just went out of sight among them. Together they have as many entities as one may have.
const AREAS_MAX: usize = 2_048;
/// A keyframe that was asked for and does not come is asked for again after this long.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// By how much the middle between the ways there and back may be off where both sway, in microseconds.
const JITTER_US: f64 = 20_000.0;
/// The component that says whose an entity is, and its field.
const OWNED_BY: &str = "OwnedBy";
const SEAT: &str = "seat";

/// What the acceptance of a join says about a room.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) no: u32,
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) seat: Option<u16>,
    pub(crate) member: u32,
    pub(crate) tick_us: u32,
    pub(crate) send_every: u8,
    pub(crate) schema: Arc<Schema>,
    pub(crate) members: Vec<MemberInfoOwned>,
}

/// The outcome of taking an update in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// What was wrong with it, area by area. What was right is held.
    pub faults: Vec<Fault>,
    /// Areas of which a keyframe shall be asked for.
    pub keyframes_wanted: Vec<u32>,
    /// Some of it was of no use any more, so that nothing may start from it: it came by a datagram, behind a later one.
    pub stale: bool,
}

/// A room as this client has it: exactly what the server had at the newest tick held, and a picture of it in time.
#[derive(Debug)]
pub struct View {
    entry: Entry,
    areas: LiteMap<u32, AreaView>,
    moves: Moves,
    /// When a keyframe of an area was last asked for, while it has not come.
    asked: LiteMap<u32, Time>,
    /// By datagrams: since when nothing of an area could be used, for want of what it starts from.
    lacking: LiteMap<u32, Time>,
    /// Areas of which nothing came yet since the session was resumed: the pause says nothing of the way.
    paused: LiteMap<u32, ()>,
    newest: Option<Tick>,
    owner: Option<Owner>,
    line: ArrivalLine,
    stamps: Earliest,
    /// The least that the server's clock was ahead of this one, with the way of a command, rounded up to the server's ticks.
    up: Earliest,
    way: Way,
    /// The tick of the newest tick frame.
    told: Option<Tick>,
    /// What pictures would have needed since something new came, and up to which tick they could be drawn then.
    wanting: Option<(Tick, f64)>,
    delay: Delay,
    clock: SteadyClock,
    pub(crate) lead: CommandLead,
    extrapolation: Extrapolation,
    meter: Meter,
    waiting: bool,
    jitter_us: f64,
    late_us: f64,
    stamp: Option<u64>,
    pub(crate) own: Own,
    pub(crate) ahead: Ahead,
    /// Updates come by datagrams: some never, some twice, some after later ones.
    pub(crate) loose: bool,
    slack: i8,
    applied: Option<Tick>,
    underruns: u64,
    faults: u64,
}

impl View {
    pub(crate) fn new(now: Time, entry: Entry) -> Self {
        let tick = Duration::from_micros(u64::from(entry.tick_us.max(1)));
        let interval = f64::from(entry.tick_us) * f64::from(entry.send_every.max(1));
        Self {
            owner: owner(&entry.schema, entry.seat),
            areas: LiteMap::new(),
            moves: Moves::default(),
            asked: LiteMap::new(),
            lacking: LiteMap::new(),
            paused: LiteMap::new(),
            newest: None,
            line: ArrivalLine::new(tick),
            stamps: Earliest::default(),
            up: Earliest::default(),
            way: Way::default(),
            told: None,
            wanting: None,
            delay: Delay::new(interval),
            clock: SteadyClock::default(),
            lead: CommandLead::new(tick, now),
            extrapolation: Extrapolation::default(),
            meter: Meter::default(),
            waiting: false,
            jitter_us: 0.0,
            late_us: 0.0,
            stamp: None,
            own: Own::default(),
            ahead: Ahead::default(),
            loose: false,
            slack: 0,
            applied: None,
            underruns: 0,
            faults: 0,
            entry,
        }
    }

    /// The room's id, by which others can join it.
    pub fn id(&self) -> &str {
        &self.entry.id
    }

    /// The kind of game.
    pub fn kind(&self) -> &str {
        &self.entry.kind
    }

    /// The room's number on the wire, for as long as the session lasts.
    pub fn number(&self) -> u32 {
        self.entry.no
    }

    /// One's own seat, unless one only watches.
    pub fn seat(&self) -> Option<u16> {
        self.entry.seat
    }

    /// One's own number among the members.
    pub fn member(&self) -> u32 {
        self.entry.member
    }

    /// Whether one is the room's host, who may [ask](crate::Client::host_ask) for more than others.
    pub fn is_host(&self) -> bool {
        let mut members = self.entry.members.iter();
        members.any(|it| it.member == self.entry.member && it.flags.host)
    }

    /// All members, oneself included.
    pub fn members(&self) -> &[MemberInfoOwned] {
        &self.entry.members
    }

    /// What the room's numbers mean.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.entry.schema
    }

    /// The length of a tick.
    pub fn tick_length(&self) -> Duration {
        Duration::from_micros(self.line.tick_us() as u64)
    }

    /// The newest tick that is held.
    pub fn newest_tick(&self) -> Option<Tick> {
        self.newest
    }

    /// What is held of an area, and up to which tick it is known to be the truth.
    pub fn newest(&self, area: AreaId) -> Option<(Tick, &Arc<Area>)> {
        self.areas
            .get(&area.0)?
            .newest()
            .map(|held| (held.until, &held.area))
    }

    /// The areas that are in sight and of which something is held.
    pub fn areas(&self) -> impl Iterator<Item = AreaId> {
        let seen = self.areas.iter();
        seen.filter(|(_, view)| view.newest().is_some())
            .map(|(area, _)| AreaId(*area))
    }

    /// Up to which tick a picture can be drawn; `None` while nothing is held, or nothing changes until something is said.
    pub fn known_until(&self) -> Option<Tick> {
        self.areas.values().filter_map(AreaView::known_until).max()
    }

    /// The last command that the room said it had applied.
    pub fn last_applied(&self) -> Option<Tick> {
        self.applied
    }

    /// Where an entity is now that a picture shows by this [`id`](crate::Row::id): its area, slot and generation in the newest that is held.
    pub fn place_of(&self, id: u64) -> Option<(AreaId, NetId)> {
        self.moves.all_of(id).find_map(|id| {
            let (area, generation, slot) = split_id(id);
            let held = self.areas.get(&area)?.newest()?;
            let id = NetId { slot, generation };
            held.area.contains(id).then_some((AreaId(area), id))
        })
    }

    /// The newest tick for which a command was asked of the player.
    pub fn last_command(&self) -> Option<Tick> {
        self.lead.last()
    }

    /// What the server says of what one's own seat owns, and at which tick, to a client that predicts: of the newest update.
    pub fn own(&self) -> Option<(Tick, OwnSeen<'_>)> {
        self.own.seen()
    }

    /// How predicting is doing, where somebody does; and what the server knew better, by the name of the component: how often.
    pub fn foresight(&self) -> Option<(ForesightFigures, &[(String, u64)])> {
        let ahead = self.ahead.0.as_ref()?;
        Some((ahead.figures(), ahead.causes()))
    }

    /// The areas that are in sight as they were at the newest tick, by rising id.
    pub fn newest_areas(&self) -> impl Iterator<Item = &Arc<Area>> {
        let held = self.areas.values().filter_map(AreaView::newest);
        held.map(|held| &held.area)
    }

    /// The same as a picture: where the server says everybody was, with nothing predicted and nothing in between.
    pub fn newest_picture(&self) -> Option<Picture> {
        let layers = self.areas.iter().filter_map(|(area, view)| {
            let between = Between {
                from: view.newest()?.area.clone(),
                to: None,
                part: 0.0,
                ticks: 0.0,
                beyond: 0.0,
            };
            Some(Layer {
                area: *area,
                between,
            })
        });
        Some(Picture {
            schema: self.entry.schema.clone(),
            tick: f64::from(self.newest?.0),
            ahead: f64::from(self.newest?.0),
            beside: Arc::default(),
            layers: layers.collect(),
            owner: self.owner,
            moves: self.moves.clone(),
            foreseen: None,
        })
    }

    /// The next thing that was predicted otherwise than the server had it: each once.
    pub fn correction_due(&mut self) -> Option<Correction> {
        self.ahead.0.as_mut()?.correction_due()
    }

    /// Where the picture drawn last was, in ticks.
    pub fn picture_tick(&self) -> Option<f64> {
        self.clock.is_started().then(|| self.clock.tick())
    }

    /// Takes in the shared frame of an update. What is wrong with it is told; the view stays right.
    pub fn apply(&mut self, now: Time, frame: &[u8]) -> Applied {
        let mut outcome = Applied::default();
        match ServerFrame::decode(frame) {
            Ok(ServerFrame::Update { tick, areas, .. }) => {
                self.apply_areas(now, tick, &areas, &mut outcome)
            }
            Ok(_) => outcome
                .faults
                .push(Fault::Frame("another kind of frame".to_owned())),
            Err(e) => outcome.faults.push(Fault::Frame(e.to_string())),
        }
        self.faults += outcome.faults.len() as u64;
        self.meter.count(now, frame.len());
        outcome
    }

    /// The session goes on over another link: updates go on from what is held, and keyframes that were asked for may be asked for again.
    pub(crate) fn resumed(&mut self) {
        self.paused.clear();
        for area in self.areas.keys() {
            self.paused.insert(*area, ());
        }
        self.asked.clear();
        self.lacking.clear();
        self.lead.resumed();
        self.wanting = None;
    }

    /// Takes in the private frame that goes before an update; false: a later one came before it, by datagrams.
    pub(crate) fn tick_frame(
        &mut self,
        now: Time,
        applied: Option<Tick>,
        tick: Tick,
        slack: Option<i8>,
        stamp: Option<u64>,
        rtt: &RttEstimate,
    ) -> bool {
        if self.loose && self.told.is_some_and(|told| tick <= told) {
            return false;
        }
        self.way.measured(rtt);
        if applied > self.applied {
            self.applied = applied;
        }
        let since = self
            .told
            .replace(tick)
            .map_or(u32::MAX, |told| tick.since(told));
        if let Some(slack) = slack {
            self.slack = slack;
            self.lead.slack(now, tick, slack);
            // Where several ticks were told of at once, nobody knows before which of them the command came.
            if let Some(offset) = self.lead.up_to(tick, slack).filter(|_| since == 1) {
                self.up.note(now, offset);
            }
        }
        self.stamp = stamp;
        if let Some(stamp) = stamp {
            self.late_us = self.stamps.arrived(now, stamp as f64);
        }
        true
    }

    pub(crate) fn stamp(&self) -> Option<u64> {
        self.stamp
    }

    /// The picture at `now`, or nothing while nothing is held. Its time never goes back.
    pub fn draw(&mut self, now: Time) -> Option<Picture> {
        self.newest?;
        let tick_us = self.line.tick_us();
        self.clock.advance(
            now,
            self.line.tick_at(now) - self.delay.micros() / tick_us,
            tick_us,
        );
        self.learn_from_waiting(now);
        self.wait_for_the_unknown();
        let tick = self.clock.tick();
        self.moves.reached(tick);
        self.forget_what_is_over();
        let (known, most) = (self.known_until(), self.extrapolation.ticks(tick_us));
        let layers = self
            .areas
            .iter_mut()
            .filter_map(|(area, view)| {
                let mut between = view.between(tick, known)?;
                between.beyond = between.beyond.min(most);
                let area = *area;
                Some(Layer { area, between })
            })
            .collect();
        let mut picture = Picture {
            schema: self.entry.schema.clone(),
            tick,
            ahead: self.lead.tick_at(now),
            layers,
            owner: self.owner,
            moves: self.moves.clone(),
            foreseen: self.draw_ahead(now),
            beside: Default::default(),
        };
        let known = (self.newest, known);
        self.extrapolation.draw(now, known, tick_us, &mut picture);
        Some(picture)
    }

    /// When updates stay away, pictures go on for at most so long (and never longer than [`EXTRAPOLATE_MAX`](crate::EXTRAPOLATE_MAX)), and fields that
    /// have a velocity go on along it. Zero, as it is unless somebody asks: pictures wait where they are.
    pub fn extrapolate(&mut self, most: Duration) {
        self.extrapolation.set(most);
    }

    /// Those who are predicted, as they are now; `None`: nobody predicts.
    fn draw_ahead(&mut self, now: Time) -> Option<Arc<Vec<Foreseen>>> {
        let clock = &self.lead;
        let ahead = self.ahead.0.as_mut()?;
        Some(Arc::new(ahead.draw(now, clock.tick_at(now))))
    }

    /// What predicts is told of what was taken in.
    pub(crate) fn foresee(&mut self, now: Time) {
        if let Some(mut ahead) = self.ahead.0.take() {
            ahead.truth(self, now);
            self.ahead.0 = Some(ahead);
        }
    }

    /// The same of a command.
    pub(crate) fn foresee_command(&mut self, tick: Tick, row: &OwnedRow) -> Option<u16> {
        let mut ahead = self.ahead.0.take()?;
        let said = ahead.command(self, tick, row);
        self.ahead.0 = Some(ahead);
        said
    }

    /// What the picture drawn last shows, and a command that is given now was asked in: never beyond what is held, where the picture shows what
    /// stands still. `None`: none was drawn.
    pub fn shown(&self) -> Option<Moment> {
        let newest = self.newest.filter(|_| self.clock.is_started())?;
        Some(Moment::from_ticks(self.clock.tick()).min(Moment::of(newest)))
    }

    /// The next tick event whose moment has come in the picture drawn last: each once, in the order of ticks.
    pub fn event_due(&mut self) -> Option<ShownEvent> {
        let tick = self.clock.tick();
        let (area, event) = self.next_event(tick)?;
        Some(ShownEvent {
            schema: self.entry.schema.clone(),
            area,
            event,
            moves: self.moves.clone(),
        })
    }

    /// What was predicted comes first; what the server says of it later is left out.
    fn next_event(&mut self, tick: f64) -> Option<(u32, TickEvent)> {
        let predicted = self.ahead.0.as_mut().and_then(|it| it.event_due());
        if let Some(event) = predicted {
            return Some((AreaId::ALL.0, event));
        }
        loop {
            let mut areas = self.areas.iter_mut();
            let due = areas.find_map(|(area, view)| Some((*area, view.event_due(tick)?)));
            let (area, event) = due?;
            let ahead = self.ahead.0.as_mut();
            if !ahead.is_some_and(|ahead| ahead.was_shown(&event)) {
                return Some((area, event));
            }
        }
    }

    /// How the room is doing, seen from here. `rtt`: smoothed and least, from the session.
    pub fn figures(&mut self, now: Time, rtt: Duration, least_rtt: Duration) -> Figures {
        let (updates_per_s, bytes) = self.meter.rates(now);
        let tick_us = self.line.tick_us();
        Figures {
            ping_ms: rtt.as_secs_f64() * 1e3,
            jitter_ms: self.jitter_us / 1e3,
            kilobytes_per_s: bytes / 1e3,
            updates_per_s,
            tick: self.newest.unwrap_or_default(),
            picture_tick: self.clock.tick(),
            picture_speed: self.clock.speed(),
            server_tick: self.server_tick(now, least_rtt),
            command_tick: self.lead.tick(),
            entities: self
                .areas
                .values()
                .filter_map(AreaView::newest)
                .map(|held| held.area.len() as u32)
                .sum(),
            age_ms: self.age(least_rtt).as_secs_f64() * 1e3,
            delay_ms: if self.clock.is_started() {
                (self.line.tick_at(self.clock.at()) - self.clock.tick()) * tick_us / 1e3
            } else {
                0.0
            },
            lead_ticks: self.lead.margin(),
            slack: self.slack,
            underruns: self.underruns,
            extrapolated_ms: self.extrapolation.millis(),
            faults: self.faults,
            events_dropped: self.areas.values().map(|area| area.events_dropped).sum(),
            commands_skipped: self.lead.skipped(),
            foresight: self.ahead.0.as_ref().map(|ahead| ahead.figures()),
        }
    }

    /// The tick that the server is taken to be at: ahead of the line of arrivals by the way of an update. That is half of the least round trip, or of what the
    /// server said of commands if that is less; and somewhat less than half where [`Way`] says so.
    pub(crate) fn server_tick(&self, now: Time, least_rtt: Duration) -> f64 {
        let (tick_us, here) = (self.line.tick_us(), now.0 as f64);
        let line = self.line.tick_at(now) * tick_us;
        let trip = least_rtt.as_micros() as f64;
        let said = self.up.least().map_or(f64::INFINITY, |up| here + up - line);
        let middle = said.min(trip).max(0.0) / 2.0;
        // Where stalls are usual quartiles are of stalls: they are believed as far as jitter goes.
        let way = self.way.least(here - line).unwrap_or(middle);
        (line + way.clamp((middle - JITTER_US).max(0.0), middle)) / tick_us
    }

    fn forget_ways(&mut self) {
        self.up = Earliest::default();
        self.way.forget_arrivals();
    }

    /// How old the newest update was on arrival.
    pub(crate) fn age(&self, least_rtt: Duration) -> Duration {
        least_rtt / 2 + Duration::from_micros(self.late_us.max(0.0) as u64)
    }

    pub(crate) fn line(&self) -> &ArrivalLine {
        &self.line
    }

    pub(crate) fn set_tick(&mut self, now: Time, tick: Duration) {
        self.line.set_tick(now, tick);
        self.forget_ways();
        self.lead.set_tick(tick);
        self.delay
            .set_floor(tick.as_micros() as f64 * f64::from(self.entry.send_every.max(1)));
    }

    pub(crate) fn member_change(&mut self, change: &MemberChangeOwned) {
        let members = &mut self.entry.members;
        match change {
            MemberChangeOwned::Joined(info) => {
                members.retain(|other| other.member != info.member);
                members.push(info.clone());
            }
            MemberChangeOwned::Left { member, .. } => {
                members.retain(|other| other.member != *member)
            }
            MemberChangeOwned::Status { member, status } => {
                let member = members.iter_mut().find(|other| other.member == *member);
                if let Some(member) = member {
                    member.status.clone_from(status);
                }
            }
            MemberChangeOwned::Flags { member, flags } => {
                members
                    .iter_mut()
                    .filter(|other| other.member == *member)
                    .for_each(|other| other.flags = *flags);
            }
            MemberChangeOwned::Presence { member, presence } => {
                members
                    .iter_mut()
                    .filter(|other| other.member == *member)
                    .for_each(|other| other.presence = *presence);
            }
        }
    }

    fn apply_areas(
        &mut self,
        now: Time,
        tick: Tick,
        deltas: &[AreaDelta<'_>],
        outcome: &mut Applied,
    ) {
        let (mut gap, mut paused, mut used) = (0, false, deltas.is_empty());
        let first = self.newest.is_none();
        let older = self.loose && self.newest.is_some_and(|newest| tick <= newest);
        // A picture slides over the time between two updates, even into an area that was left out of some.
        let between = self.newest.map_or(u32::MAX, |newest| tick.since(newest));
        if self.loose && self.is_torn(now, deltas, outcome) {
            return;
        }
        let entities = |view: &AreaView| view.newest().map_or(0, |held| held.area.len());
        let mut total: usize = self.areas.values().map(entities).sum();
        for delta in deltas {
            if delta.flags == AreaDelta::MOVED {
                continue; // when all is held that this is about
            }
            if older && delta.basis.is_some() {
                outcome.stale = true; // it will be told again
                continue;
            }
            let known = self.areas.contains_key(&delta.area);
            if !known && (self.areas.len() >= AREAS_MAX || delta.area >= AREA_IDS_MAX) {
                let text = format!("more than {AREAS_MAX} areas, or one beyond {AREA_IDS_MAX}");
                outcome.faults.push(Fault::Frame(text));
                continue;
            }
            let mended = delta.basis.is_none() && self.asked.remove(&delta.area).is_some();
            let area = self.areas.entry(delta.area).or_default();
            total -= entities(area);
            let how = (first, self.loose);
            let applied = area.apply(&self.entry.schema, tick, delta, how);
            total += entities(area);
            if total > ENTITIES_MAX {
                total -= entities(area);
                self.areas.remove(&delta.area);
                outcome
                    .faults
                    .push(Fault::Frame(format!("more than {ENTITIES_MAX} entities")));
                continue;
            }
            if applied.is_ok() {
                used = true;
                self.lacking.remove(&delta.area);
            }
            match applied {
                Ok(_) if self.paused.remove(&delta.area).is_some() => paused = true,
                Ok(_) if mended => {}
                Ok(ticks) => gap = gap.max(ticks.min(between)),
                Err(Fault::NoBasis { .. }) if self.loose => self.lacks(now, delta.area, outcome),
                Err(fault) => self.fault(now, delta.area, fault, outcome),
            }
        }
        if older || self.loose && !used {
            return;
        }
        if let Err(fault) = self.apply_moves(deltas) {
            outcome.faults.push(fault);
        }
        if paused {
            self.paused.clear();
        }
        self.newest = self.newest.max(Some(tick));
        self.own.updated(tick);
        self.forget_what_is_over();
        let (known, before) = (!self.line.is_empty(), self.line.tick_at(now));
        let tick_us = self.line.tick_us();
        self.way.arrived(now.0 as f64 - f64::from(tick.0) * tick_us);
        let on_the_line = match paused {
            true => self.line.arrived_after_pause(now, tick),
            false => Some(self.line.arrived(now, tick)),
        };
        let late = on_the_line.unwrap_or_else(|| {
            self.lead.begin_anew();
            0.0
        });
        let moved = self.line.tick_at(now) - before;
        let moved_us = moved * self.line.tick_us();
        if known && on_the_line.is_some() && moved_us != 0.0 && moved_us.abs() < REBASE_US {
            self.delay.shift(moved_us);
        } else if moved_us.abs() >= REBASE_US {
            self.forget_ways();
        }
        if !paused {
            self.jitter_us += (late.min(DELAY_MAX) - self.jitter_us) / 16.0;
        }
        if self.stamp.is_none() {
            self.late_us = late;
        }
    }

    /// Notes who crossed from area to area: the same entity under another name. A picture comes to all these areas at one tick, so that it
    /// shows everybody once.
    fn apply_moves(&mut self, deltas: &[AreaDelta<'_>]) -> Result<(), Fault> {
        let mut crossings = Vec::new();
        let mut tick = Tick(0);
        for delta in deltas.iter().filter(|it| it.flags == AreaDelta::MOVED) {
            let moves = delta.moves().map_err(|e| Fault::Frame(e.to_string()))?;
            for it in moves {
                if self.loose && self.is_noted(delta.area, it.slot) {
                    continue;
                }
                let from = |area: &u32| self.areas.get(area).and_then(AreaView::begins);
                let begins = [delta.area, it.from].iter().filter_map(from).max();
                tick = tick.max(begins.unwrap_or_default());
                crossings.push((delta.area, it));
            }
        }
        for (to, it) in crossings {
            // By datagrams they do, and one that is told again has begun before.
            let begin = [to, it.from].into_iter().filter(|_| !self.loose);
            for area in begin {
                if let Some(view) = self.areas.get_mut(&area) {
                    view.begin_at(tick);
                }
            }
            let held = self.areas.get(&to).and_then(AreaView::newest);
            let area = held.map(|held| held.area.clone());
            // Where it is missing the delta was not understood, and is asked for.
            let generation = area.as_ref().and_then(|area| area.generation(it.slot));
            if let (Some(area), Some(generation)) = (area, generation) {
                let crossing = Crossing {
                    tick,
                    from: join_id(it.from, it.was.1, it.was.0),
                    slot: it.slot,
                    area,
                };
                self.moves.note(crossing, join_id(to, generation, it.slot));
            }
        }
        Ok(())
    }

    /// By datagrams what something starts from may not have come: the server finds that out by itself, and is asked if it does not for long.
    fn lacks(&mut self, now: Time, area: u32, outcome: &mut Applied) {
        outcome.stale = true;
        let since = *self.lacking.entry(area).or_insert(now);
        if now.since(since) >= ASK_AGAIN {
            self.lacking.insert(area, now);
            outcome.keyframes_wanted.push(area);
        }
    }

    /// By datagrams: whether something of an area that is held cannot be used. Then nothing of the update is: somebody who has left that area
    /// would be in two places.
    fn is_torn(&mut self, now: Time, deltas: &[AreaDelta<'_>], outcome: &mut Applied) -> bool {
        let starts = |it: &&AreaDelta<'_>| it.flags & (AreaDelta::BORN | AreaDelta::MOVED) == 0;
        let lacks = |it: &AreaDelta<'_>| {
            let area = self.areas.get(&it.area);
            let held = area.filter(|area| area.newest().is_some());
            held.is_some_and(|held| it.basis.is_some_and(|basis| !held.has_basis(basis)))
        };
        let lacking: Vec<u32> = deltas
            .iter()
            .filter(starts)
            .filter(|it| lacks(it))
            .map(|it| it.area)
            .collect();
        for area in &lacking {
            self.lacks(now, *area, outcome);
        }
        !lacking.is_empty()
    }

    fn is_noted(&self, area: u32, slot: u32) -> bool {
        let held = self.areas.get(&area).and_then(AreaView::newest);
        let generation = held.and_then(|held| held.area.generation(slot));
        generation.is_some_and(|generation| self.moves.is_noted(join_id(area, generation, slot)))
    }

    fn forget_what_is_over(&mut self) {
        let picture = self.clock.is_started().then(|| self.clock.tick());
        let newest = self.newest.unwrap_or_default();
        let loose = self.loose;
        self.areas
            .retain(|_, area| !area.is_over(picture, newest, loose));
        let areas = &self.areas;
        self.moves.forget(|id| {
            let (area, generation, slot) = split_id(id);
            let view = areas.get(&area);
            view.is_some_and(|view| view.knows(slot, generation))
        });
    }

    /// Tells a fault once for each keyframe that is asked for: what follows from the first is not told again.
    fn fault(&mut self, now: Time, area: u32, fault: Fault, outcome: &mut Applied) {
        match self.asked.get(&area) {
            Some(asked) if now.since(*asked) < ASK_AGAIN => {}
            _ => {
                self.asked.insert(area, now);
                outcome.keyframes_wanted.push(area);
                outcome.faults.push(fault);
            }
        }
    }

    /// Notes how long this picture would have had to wait. What counts is the longest wait before something new came.
    fn learn_from_waiting(&mut self, now: Time) {
        let Some(known) = self.known_until().filter(|_| self.paused.is_empty()) else {
            self.wanting = None;
            return;
        };
        let needs = (self.line.tick_at(now) - f64::from(known.0)) * self.line.tick_us();
        self.wanting = match self.wanting {
            Some((before, most)) if before == known => Some((known, most.max(needs))),
            Some((_, most)) => {
                self.delay.note(now, most);
                Some((known, needs))
            }
            None => Some((known, needs)),
        };
    }

    /// The picture does not go beyond what is known of any area, or not farther than it was told: it waits there, and goes on from there. Areas that updates left out stand still
    /// in it meanwhile.
    fn wait_for_the_unknown(&mut self) {
        let Some(known) = self.known_until() else {
            self.waiting = false;
            return;
        };
        let known = f64::from(known.0);
        if self.clock.tick() > known {
            self.underruns += u64::from(!self.waiting);
            self.waiting = true;
            let most = self.extrapolation.ticks(self.line.tick_us());
            self.clock.hold(known + most);
        } else {
            self.waiting = false;
        }
    }
}

fn owner(schema: &Schema, seat: Option<u16>) -> Option<Owner> {
    let component = schema.component(OWNED_BY)?;
    let fields = &schema.components.get(component)?.fields;
    let field = fields
        .iter()
        .position(|field| field.name == SEAT)
        .or((fields.len() == 1).then_some(0))?;
    Some(Owner {
        component,
        field,
        seat: seat?,
    })
}
