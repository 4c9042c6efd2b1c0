//! A room: inputs in, one tick at a time, outputs out. No clock, no thread, no socket; who is let in is the lobby's matter.

mod asks;
mod beat;
mod commands;
mod congestion;
mod drafts;
mod extreme;
mod flags;
mod io;
mod lagging;
mod member;
mod orders;
mod owning;
mod pictures;
mod plan;
mod requests;
mod rest;
mod share;
mod stats;
mod talk;
mod track;
mod updates;
mod viewer;
mod window;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tickwire_proto::frame::{Holding, Presence, RoomEnd, ServerFrame};
use tickwire_proto::{Tick, Time};
use tickwire_sim::{SimOptions, Simulation};
use tickwire_snapshot::{AreaId, OwnedRow, Snapshot};

pub use commands::COMMANDS_AHEAD_MAX;
pub use io::{Batch, RoomAsk, RoomInput, RoomJoin, RoomOutput, RoomSpec, ViewerUpdate, Who};
pub use lagging::LAGGING_MS;
pub use member::MemberStatus;
pub(crate) use requests::cannot_be_asked;
pub use share::{AREA_KEYFRAMES_PER_TICK_MAX, ENCODES_PER_TICK_MAX, VIEWERS_A_KEYFRAME};
pub use stats::RoomStats;
pub use updates::KEYFRAMES_PER_TICK_MAX;
pub use window::IN_FLIGHT_MS;

use crate::gauge::Gauge;
use crate::key::{MemberId, SessionKey};
use beat::Beat;
use lagging::Lagging;
use member::Members;
use requests::Requests;
use updates::Updates;
use window::Pace;

/// Updates of a room are thinned to one of so many at most.
const THINNED_MAX: u32 = 8;

/// One game room: a world, its members and what they are sent.
///
/// Whoever drives it calls [`tick`](Self::tick) when [`next_due`](Self::next_due) says so, hands over what comes in by
/// [`handle`](Self::handle), and takes what goes out by [`poll`](Self::poll). A panic of the game unwinds out of `tick`: the room is then
/// to be dropped, and the lobby told ([`LobbyInput::RoomFailed`](crate::LobbyInput::RoomFailed)), which knows the members.
///
/// ```
/// use std::sync::Arc;
/// use tickwire_proto::{Tick, Time};
/// use tickwire_server::{Kind, Room, RoomSpec};
/// use tickwire_sim::{Game, GameKind};
///
/// let kind = Arc::new(Kind::from(GameKind::new("empty", |game: &mut Game| { game.rate(30); })));
/// let spec = RoomSpec { no: 8, id: "K7".into(), namespace: "/".into(), seats: 2, kind, attributes: vec![], seed: 7 };
/// let mut room = Room::new(spec);
/// room.tick(Time(0), None);
/// assert_eq!(room.tick_now(), Tick(1));
/// assert_eq!(room.next_due(), Some(Time(33_333)));
/// ```
pub struct Room {
    spec: RoomSpec,
    sim: Simulation,
    pace: Pace,
    beat: Beat,
    members: Members,
    /// Members with commands that wait for their ticks.
    asking: Vec<MemberId>,
    /// Whether the client of some member predicts.
    predicting: bool,
    /// Rows whose memory is used again.
    spare_rows: Vec<OwnedRow>,
    lagging: Lagging,
    requests: Requests,
    updates: Updates,
    outputs: VecDeque<RoomOutput>,
    stats: RoomStats,
    over: bool,
    /// Whether it needed no next tick after the last one.
    rested: bool,
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(trainer) = self.updates.train(None) {
            self.spec.kind.leave_trainer(trainer);
        }
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room")
            .field("no", &self.spec.no)
            .field("id", &self.spec.id)
            .field("kind", &self.spec.kind.name())
            .field("tick", &self.sim.tick())
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}

impl Room {
    /// A new room at tick 0. Panics if the game's start systems do.
    #[must_use]
    pub fn new(spec: RoomSpec) -> Room {
        let game = spec.kind.game();
        let options = SimOptions {
            seed: spec.seed,
            seats: Some(spec.seats),
            computers: spec.kind.computers(),
            attributes: spec.attributes.clone(),
        };
        let mut updates = Updates::new(spec.no, game);
        updates.train(spec.kind.take_trainer());
        Room {
            sim: Simulation::new(game, options),
            pace: Pace {
                tick_us: game.tick_us(),
                send_every: u32::from(game.send_every()).max(1),
                watch_every: u32::from(game.watch_every()).max(1),
            },
            beat: Beat::new(game.tick_us()),
            members: Members::default(),
            asking: Vec::new(),
            predicting: false,
            spare_rows: Vec::new(),
            lagging: Lagging::default(),
            requests: Requests::default(),
            updates,
            outputs: VecDeque::new(),
            stats: RoomStats::default(),
            over: false,
            rested: false,
            spec,
        }
    }

    /// One tick: the commands that are due, the one step of the game, and what has to be told of it. `stamp` is the server's clock in
    /// microseconds, for viewers on the same clock.
    pub fn tick(&mut self, now: Time, stamp: Option<u64>) {
        if self.over {
            return;
        }
        self.wake(now);
        self.beat.ticked(now);
        self.give_commands();
        self.sim.step();
        self.stats.steps += 1;
        let tick = self.sim.tick();
        let (sim, patience) = (&mut self.sim, self.pace.ticks(LAGGING_MS));
        self.lagging
            .look(&mut self.members, tick, patience, |seat| {
                sim.lagging(seat, true);
            });
        if !self.sim.outbox_is_empty() {
            self.pass_messages();
        }
        if !self.sim.gave_no_orders() {
            self.pass_orders();
        }
        if !self.sim.started_no_tasks() {
            self.pass_tasks();
        }
        if !self.sim.gave_no_notices() {
            self.pass_notices();
        }
        self.pass_requests();
        if tick.0.is_multiple_of(self.pace.send_every) && !self.members.is_empty() {
            self.send_updates(stamp);
        }
        self.rested = self.rests();
    }

    /// The next thing that the room tells, in order.
    pub fn poll(&mut self) -> Option<RoomOutput> {
        self.outputs.pop_front()
    }

    /// When the next tick is due; `None`: at once. Unless it [rests](Self::rests).
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        self.beat.next_due()
    }

    /// Leaves out the ticks that are behind: the next one is due at `now`. To be counted and reported by the caller.
    pub fn skip_to(&mut self, now: Time) {
        self.beat.skip_to(now);
    }

    /// What the room is.
    #[must_use]
    pub fn spec(&self) -> &RoomSpec {
        &self.spec
    }

    /// The last tick stepped.
    #[must_use]
    pub fn tick_now(&self) -> Tick {
        self.sim.tick()
    }

    /// Whether the last tick was one of those that updates are made in.
    #[must_use]
    pub fn sent_now(&self) -> bool {
        !self.members.is_empty() && self.sim.tick().0.is_multiple_of(self.pace.send_every)
    }

    /// Microseconds of a tick.
    #[must_use]
    pub fn tick_us(&self) -> u32 {
        self.pace.tick_us
    }

    /// Whether it has ended: no tick changes anything any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> RoomStats {
        let (drops, looked) = (self.sim.drops(), self.sim.rewind_stats());
        RoomStats {
            rows_captured: self.sim.capture_stats().rows_visited,
            messages_dropped: drops.messages + drops.unfit_messages,
            answers_dropped: drops.answers,
            events_dropped: drops.events,
            entities_unseen: drops.entities,
            orders_dropped: drops.orders,
            notices_dropped: self.stats.notices_dropped + drops.notices,
            results_dropped: drops.results,
            looks_back: looked.looks,
            looks_back_us: looked.look_us,
            hits_back: looked.hits,
            hits_back_us: looked.hit_us,
            hits_denied: looked.denied,
            ..self.stats
        }
    }

    /// What the viewers were shown last: the last capture.
    #[must_use]
    pub fn newest(&self) -> Option<&Arc<Snapshot>> {
        self.updates.newest()
    }

    /// Whether the game takes one more message or request in this tick. What a driver holds is to stay there until it does: nothing that
    /// is reliable is lost, and whoever sends more hears of it in the end.
    #[must_use]
    pub fn takes_more(&self) -> bool {
        self.sim.takes_more()
    }

    /// The game, to look into.
    #[must_use]
    pub fn simulation(&self) -> &Simulation {
        &self.sim
    }

    /// The members, by number.
    pub fn members(&self) -> impl Iterator<Item = MemberStatus> {
        self.members.iter().map(|member| MemberStatus {
            member: member.id,
            session: member.session,
            seat: member.seat,
            name: member.identity.name.clone(),
            presence: member.presence,
            status: member.status.clone(),
            lagging: member.heard.is_none(),
            flags: member.flags,
        })
    }

    /// Ticks in flight to a session, from the oldest update that it is not known to hold to the newest, and how many were allowed when
    /// that was sent.
    #[must_use]
    pub fn in_flight(&self, session: SessionKey) -> Option<(u32, u32)> {
        let member = self
            .members
            .iter()
            .find(|member| member.session == session)?;
        Some(member.viewer.window.in_flight())
    }
}

/// What comes in.
impl Room {
    /// Takes an input. What is about nobody here is counted and forgotten.
    pub fn handle(&mut self, input: RoomInput) {
        if self.over {
            return;
        }
        match input {
            RoomInput::Join(join) => self.join(*join),
            RoomInput::Leave { member, reason } => self.leave(member, reason),
            RoomInput::Ready { member, ready } => self.ready(member, ready),
            RoomInput::Host { member } => self.host(member),
            RoomInput::Presence { member, presence } => self.presence(member, presence),
            RoomInput::Status { member, status } => self.status(member, status),
            RoomInput::Resumed {
                member,
                held,
                link,
                gauge,
            } => self.resumed(member, held, link, gauge),
            RoomInput::Command {
                member,
                held,
                tick,
                shown,
                said,
                payload,
            } => {
                self.held(member, held);
                self.command(member, tick, (shown, said), &payload);
            }
            RoomInput::Held { member, held } => self.held(member, held),
            RoomInput::Message {
                member,
                kind,
                payload,
                ..
            } => self.message(member, kind, &payload),
            RoomInput::Request {
                member,
                number,
                kind,
                payload,
            } => self.request(member, number, kind, &payload),
            RoomInput::RequestCancelled { member, number } => {
                self.requests.cancelled(member, number)
            }
            RoomInput::Reply {
                member,
                number,
                outcome,
            } => self.reply(member, number, outcome),
            RoomInput::KeyframeWanted { member, area } => {
                self.keyframe_wanted(member, AreaId(area));
            }
            RoomInput::Rtt { member, least_ms } => {
                if let Some(member) = self.members.get_mut(member) {
                    member.viewer.set_trip(least_ms, self.pace);
                }
            }
            RoomInput::TaskDone { task, result } => {
                self.stats.tasks_done += 1;
                self.sim.task_done(task, result);
            }
            RoomInput::Slowed { tick_us } => self.slow(tick_us),
            RoomInput::Thinned { times } => self.thin(times),
            RoomInput::Recycle(batch) => self.updates.recycle(batch),
            RoomInput::Close { reason, message } => self.close(reason, message),
        }
    }

    fn held(&mut self, member: MemberId, held: Holding) {
        let (now, pace) = (self.sim.tick(), self.pace);
        let known = self.members.get_mut(member).map(|member| {
            member.viewer.held(held);
            if member.viewer.is_loose() {
                member.pictures.held(held);
            }
            let commands = member.heard.is_some();
            member.viewer.window.held(now, held.newest, pace, commands)
        });
        self.stats.inputs_late += u64::from(known.is_none());
    }

    fn keyframe_wanted(&mut self, member: MemberId, area: AreaId) {
        if let Some(member) = self.members.get_mut(member) {
            self.stats.keyframes_wanted += 1;
            self.updates
                .want_keyframe(member, area, self.sim.tick(), self.pace);
        }
    }

    fn thin(&mut self, times: u32) {
        let game = self.spec.kind.game();
        let times = times.clamp(1, THINNED_MAX);
        self.pace.send_every = u32::from(game.send_every()).max(1) * times;
        self.pace.watch_every = u32::from(game.watch_every()).max(1) * times;
    }

    fn slow(&mut self, tick_us: u32) {
        let tick_us = tick_us.max(1);
        if tick_us == self.pace.tick_us {
            return;
        }
        self.pace.tick_us = tick_us;
        self.beat.set_tick_us(tick_us);
        self.tell_all(
            ServerFrame::Rates {
                room: self.spec.no,
                tick_us,
            }
            .encode(),
            None,
        );
    }

    fn close(&mut self, reason: RoomEnd, message: String) {
        self.over = true;
        self.outputs
            .push_back(RoomOutput::Ended { reason, message });
    }
}

/// Updates.
impl Room {
    fn send_updates(&mut self, stamp: Option<u64>) {
        let snapshot = self.sim.capture();
        self.stats.captures += 1;
        if self.predicting {
            self.sim.gather_own();
        }
        let (updates, outputs) = (&mut self.updates, &mut self.outputs);
        updates.send(
            (snapshot, stamp),
            &self.sim,
            self.pace,
            &mut self.members,
            &mut self.stats,
            |output| outputs.push_back(output),
        );
    }

    /// One frame, encoded once, for all members (but one).
    fn tell_all(&mut self, frame: Bytes, except: Option<SessionKey>) {
        for shard in self.members.shards() {
            self.outputs.push_back(RoomOutput::ToAll {
                shard,
                frame: frame.clone(),
                except,
            });
        }
    }

    fn presence(&mut self, id: MemberId, presence: Presence) {
        let Some(member) = self
            .members
            .get_mut(id)
            .filter(|member| member.presence != presence)
        else {
            self.stats.inputs_late += 1;
            return;
        };
        member.presence = presence;
        self.sim.presence(member.seat, presence);
        self.tell_presence(id, presence);
    }

    /// Updates go on from what the member holds, if that is still known here.
    fn resumed(&mut self, id: MemberId, held: Option<Tick>, link: u16, gauge: Gauge) {
        let tick = self.sim.tick();
        let Some(member) = self.members.get_mut(id) else {
            self.stats.inputs_late += 1;
            return;
        };
        member.link = link;
        member
            .viewer
            .resume(tick, held, gauge.is_loose(), self.pace);
        member.gauge = gauge;
        self.stats.resumes += 1;
        member.pictures.resumed(held);
        self.updates.unsettle(member);
        if member.presence != Presence::Online {
            self.presence(id, Presence::Online);
        }
    }
}
