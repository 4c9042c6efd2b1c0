//! What one client knows of one room: its areas, its members, and when to show what.

use std::sync::Arc;
use std::time::Duration;

use litemap::LiteMap;
use tickwire_proto::frame::{MemberChangeOwned, MemberInfoOwned, ServerFrame};
use tickwire_proto::session::RttEstimate;
use tickwire_proto::{Moment, Tick, Time};
use tickwire_snapshot::{Area, AreaId, NetId, OwnedRow, Schema, TickEvent};

use crate::areas::{AreaView, Between};
use crate::clock::{ArrivalLine, Earliest, SteadyClock};
use crate::delay::Delay;
use crate::event::Fault;
use crate::extrapolate::Extrapolation;
use crate::figures::Meter;
use crate::foresight::{Ahead, Correction, Foreseen, ForesightFigures};
use crate::lead::CommandLead;
use crate::moves::Moves;
use crate::own::{Own, OwnSeen};
use crate::picture::{Layer, Owner, Picture, ShownEvent, split_id};
use crate::way::Way;

mod taking;
mod timing;

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
