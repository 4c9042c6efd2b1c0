//! A room as the workers handle it: the room itself, its inboxes, when its next tick is due, and what it said that a shard could not take yet.

use std::collections::VecDeque;
use std::sync::Arc;

use tickwire_proto::Time;
use tickwire_server::{Room, RoomInput, RoomOutput, RoomSpec, RoomStats};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use super::Exits;
use super::rest::RoomBell;
use super::strain::{Pace, Strain, Ticked, is_slower};
use super::tasks::RoomTasks;
use crate::metrics::Metrics;

/// Ticks that a room catches up on when it is behind; what lies further back is skipped and told.
pub(crate) const CATCH_UP_MAX: u32 = 4;
/// What a room may have said that its shards could not take: then it is ended.
const UNSENT_MAX: usize = 65_536;
/// Ticks between two reports of a room's counters.
const REPORT_EVERY: u32 = 32;

/// The ends of a room's inboxes where its inputs come out.
#[derive(Debug)]
pub(crate) struct Inboxes {
    /// From the lobby: joins, leaves, closing.
    control: mpsc::Receiver<RoomInput>,
    /// From the shards: commands, messages, receipts.
    traffic: mpsc::Receiver<RoomInput>,
    /// How much of the traffic was heard so far.
    heard: u64,
    /// Control that was fetched, and how much of the traffic comes before it.
    fetched: VecDeque<(u64, RoomInput)>,
}

impl Inboxes {
    pub(crate) fn new(
        control: mpsc::Receiver<RoomInput>,
        traffic: mpsc::Receiver<RoomInput>,
    ) -> Inboxes {
        Inboxes {
            control,
            traffic,
            heard: 0,
            fetched: VecDeque::new(),
        }
    }

    /// Tells the room what came, as far as it takes it before its next tick. Control is heard behind the traffic that was there when it
    /// came: who leaves has said before what it had to say. False: nobody will tell the room anything any more.
    fn hear(&mut self, room: &mut Room) -> bool {
        loop {
            match self.control.try_recv() {
                Ok(input) => {
                    let before = self.heard + self.traffic.len() as u64;
                    self.fetched.push_back((before, input));
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        loop {
            while let Some((_, input)) = self
                .fetched
                .pop_front_if(|(before, _)| *before <= self.heard)
            {
                room.handle(input);
            }
            if !room.takes_more() {
                return true;
            }
            let Ok(input) = self.traffic.try_recv() else {
                break;
            };
            self.heard += 1;
            room.handle(input);
        }
        self.fetched
            .drain(..)
            .for_each(|(_, input)| room.handle(input));
        true
    }

    /// Whether something was left for the next tick.
    fn is_behind(&self) -> bool {
        !self.fetched.is_empty() || !self.traffic.is_empty()
    }
}

/// What a worker checks out.
pub(crate) struct Body {
    no: u32,
    /// `None` until the first tick: the game's own code runs on workers alone.
    room: Option<Room>,
    spec: Option<Box<RoomSpec>>,
    inboxes: Inboxes,
    /// Who sends rings it; `None`: the room never rests, or does so now.
    pub(crate) bell: Option<Arc<RoomBell>>,
    unsent: VecDeque<RoomOutput>,
    tasks: RoomTasks,
    reported: RoomStats,
    until_report: u32,
    /// Ticks skipped and not yet told.
    skipped: u64,
    /// From the first tick on.
    strain: Option<Strain>,
    /// The lobby has given it up, and told everybody.
    orphaned: bool,
}

impl Body {
    pub(crate) fn new(
        spec: Box<RoomSpec>,
        inboxes: Inboxes,
        bell: Option<Arc<RoomBell>>,
        tasks: RoomTasks,
    ) -> Body {
        Body {
            tasks,
            no: spec.no,
            room: None,
            spec: Some(spec),
            inboxes,
            bell,
            unsent: VecDeque::new(),
            reported: RoomStats::default(),
            until_report: REPORT_EVERY,
            skipped: 0,
            strain: None,
            orphaned: false,
        }
    }

    pub(crate) fn no(&self) -> u32 {
        self.no
    }

    /// The first due time: rooms are spread over the tick, so that they do not all want the same moment.
    pub(crate) fn first_due(&self, now: Time) -> Time {
        const GOLDEN: u64 = 0x9e37_79b9;
        let tick = self
            .spec
            .as_ref()
            .map_or(1, |spec| u64::from(spec.kind.game().tick_us()).max(1));
        let phase = ((u64::from(self.no).wrapping_mul(GOLDEN) % (1 << 32)) * tick) >> 32;
        let base = now.0 - now.0 % tick + phase;
        Time(if base < now.0 { base + tick } else { base })
    }

    /// Hears what came, and makes one tick, if one is needed: whether it was. All of the game's code that runs, runs in here.
    pub(crate) fn step(&mut self, now: Time, stamps: bool) -> bool {
        if let Some(bell) = &self.bell {
            bell.listen();
        }
        let room = match &mut self.room {
            Some(room) => room,
            empty => {
                let Some(spec) = self.spec.take() else {
                    return false;
                };
                empty.insert(Room::new(*spec))
            }
        };
        if !self.inboxes.hear(room) {
            self.orphaned = true;
            return false;
        }
        let needed = !room.rests();
        if needed {
            room.tick(now, stamps.then_some(now.0));
        }
        needed
    }

    /// Whether there is nothing to do before something comes.
    pub(crate) fn rests(&self) -> bool {
        self.unsent.is_empty()
            && !self.inboxes.is_behind()
            && self.room.as_ref().is_some_and(Room::rests)
    }

    /// After a tick: a room that cannot keep up makes fewer updates, and then slower ticks, which its members are told.
    pub(crate) fn feel(&mut self, (due, began, ended): (Time, Time, Time), metrics: &Metrics) {
        let Some(room) = &mut self.room else { return };
        let strain = self
            .strain
            .get_or_insert_with(|| Strain::new(room.tick_us()));
        let before = strain.pace();
        let changed = strain.ticked(Ticked {
            due,
            began,
            ended,
            sent: room.sent_now(),
        });
        let Some(pace) = changed else { return };
        let Pace { thinned, tick_us } = pace;
        room.handle(RoomInput::Thinned { times: thinned });
        room.handle(RoomInput::Slowed { tick_us });
        match tick_us > before.tick_us {
            true => metrics.slowings.one(),
            false => metrics.paces.one(),
        }
        // What it is behind would strain it as much again.
        if is_slower(before, pace)
            && let Some(next) = room.next_due().filter(|next| *next < ended)
        {
            let behind = ended.since(next).as_micros() as u64;
            self.skipped += behind / u64::from(tick_us.max(1));
            room.skip_to(ended);
        }
        let updates = format_args!("one of {thinned}");
        match is_slower(before, pace) {
            true => {
                tracing::warn!(room = self.no, %updates, tick_us, "room cannot keep up: slower")
            }
            false => {
                tracing::info!(room = self.no, %updates, tick_us, "room keeps up: faster again")
            }
        }
    }

    /// When it is due that was woken at `now`: at once, unless its last tick was just before.
    pub(crate) fn due_after_rest(&self, now: Time) -> Time {
        let due = self.room.as_ref().and_then(Room::next_due);
        due.map_or(now, |due| due.max(now))
    }

    /// Hands out what the room said, in order. What a full shard does not take waits for the next tick.
    pub(crate) fn send(&mut self, exits: &Exits) -> bool {
        while let Some(output) = self.unsent.pop_front() {
            if let Err(output) = exits.send(self.no, output) {
                self.unsent.push_front(output);
                break;
            }
        }
        let Some(room) = &mut self.room else {
            return false;
        };
        if self.orphaned {
            return false;
        }
        while let Some(output) = room.poll() {
            if matches!(output, RoomOutput::Ended { .. }) {
                let _ = exits.send(self.no, output);
                return false;
            }
            let output = match output {
                RoomOutput::Task(task) => {
                    self.tasks.begin(&exits.tasks, task);
                    continue;
                }
                RoomOutput::CancelTask(task) => {
                    self.tasks.cancel(task);
                    continue;
                }
                output => output,
            };
            let rejected = if self.unsent.is_empty() {
                exits.send(self.no, output).err()
            } else {
                Some(output)
            };
            self.unsent.extend(rejected);
        }
        if self.unsent.len() > UNSENT_MAX {
            exits.lobby.room_failed(
                self.no,
                "the server is overloaded: what the room said could not be taken",
            );
            return false;
        }
        true
    }

    /// The next due time, after a tick that was due at `due`. What lies too far back is skipped.
    pub(crate) fn next_due(&mut self, due: Time, now: Time) -> Time {
        let Some(room) = &mut self.room else {
            return due;
        };
        let tick = u64::from(room.tick_us()).max(1);
        if room.rests() {
            // What a full shard did not take is tried again a tick later; what came meanwhile is heard as after a rest.
            return match self.unsent.is_empty() {
                true => self.due_after_rest(now),
                false => Time(now.0 + tick),
            };
        }
        let next = room.next_due().map_or(due.0 + tick, |next| next.0);
        let skipped = (now.0.saturating_sub(next) / tick).saturating_sub(u64::from(CATCH_UP_MAX));
        let next = Time(next + skipped * tick);
        if skipped > 0 {
            room.skip_to(next);
            self.skipped += skipped;
        }
        next
    }

    /// Tells what was counted, now and then and at the end.
    pub(crate) fn report(&mut self, metrics: &Metrics, last: bool) {
        let skipped = std::mem::take(&mut self.skipped);
        if skipped > 0 {
            metrics.skipped_ticks.add(skipped);
            tracing::warn!(
                room = self.no,
                skipped,
                "room is too far behind: ticks skipped"
            );
        }
        self.until_report -= 1;
        if self.until_report > 0 && !last {
            return;
        }
        self.until_report = REPORT_EVERY;
        if let Some(room) = &self.room {
            let stats = room.stats();
            metrics.room_counts(differences(&self.reported, &stats));
            self.reported = stats;
        }
    }
}

/// What grew, by name.
fn differences(before: &RoomStats, after: &RoomStats) -> impl Iterator<Item = (&'static str, u64)> {
    let pairs = after.iter().zip(before.iter());
    pairs.map(|((name, now), (_, then))| (name, now.saturating_sub(then)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use tickwire_proto::frame::{Identity, LeaveReason};
    use tickwire_server::{Gauge, Kind, MemberId, RoomJoin, SessionKey};
    use tickwire_sim::{FromPlayer, Game, GameKind};
    use tickwire_snapshot::message::{self, Message};

    use super::*;
    use crate::lobby;
    use crate::rooms::{CONTROL_MAX, TRAFFIC_MAX};
    use crate::shard::ShardMessage;

    fn said(number: usize) -> RoomOutput {
        RoomOutput::ToAll {
            shard: 0,
            frame: Bytes::from(number.to_string()),
            except: None,
        }
    }

    type Ways = (mpsc::Sender<RoomInput>, mpsc::Sender<RoomInput>);

    /// A room that listens to texts, and the ways in: of control and of traffic.
    fn body() -> (Body, Ways) {
        let kind = Kind::from(GameKind::new("dots", |game: &mut Game| {
            game.seats(2)
                .on_message(|_: bevy_ecs::system::In<FromPlayer<String>>| {});
        }));
        let spec = RoomSpec {
            no: 7,
            id: "A".to_owned(),
            namespace: "/".into(),
            kind: Arc::new(kind),
            seats: 2,
            attributes: vec![],
            seed: 0,
        };
        let (control, control_out) = mpsc::channel(CONTROL_MAX);
        let (traffic, traffic_out) = mpsc::channel(TRAFFIC_MAX);
        let tasks = RoomTasks::new(crate::rooms::Way::new(control.clone(), None).results());
        let inboxes = Inboxes::new(control_out, traffic_out);
        let body = Body::new(Box::new(spec), inboxes, None, tasks);
        (body, (control, traffic))
    }

    /// More than a tick takes waits for the next one, and who leaves goes behind what it has said.
    #[test]
    fn all_that_a_member_said_is_heard_before_it_goes() {
        const SAID: u64 = 10_000;
        let (mut body, (control, traffic)) = body();
        let member = MemberId(1);
        let join = RoomJoin {
            member,
            session: SessionKey(1),
            request: 1,
            identity: Identity::new("ann"),
            gauge: Gauge::default(),
            generic: false,
            watches: false,
            host: false,
            replaces: None,
        };
        control.try_send(RoomInput::Join(Box::new(join))).unwrap();
        body.step(Time(0), false);
        for number in 0..SAID {
            let said = RoomInput::Message {
                member,
                channel: 0,
                kind: String::kind(),
                payload: message::encode(&number.to_string()),
                volatile: false,
            };
            traffic.try_send(said).unwrap();
        }
        let reason = LeaveReason::Left;
        control
            .try_send(RoomInput::Leave { member, reason })
            .unwrap();
        let mut steps = 0;
        while body.room.as_ref().unwrap().stats().leaves == 0 {
            assert!(steps == 0 || body.inboxes.is_behind() && !body.rests());
            body.step(Time(0), false);
            steps += 1;
        }
        assert_eq!(steps, 4, "so many at once and no more");
        let stats = body.room.as_ref().unwrap().stats();
        assert_eq!((stats.messages_in, stats.messages_refused), (SAID, 0));
        assert_eq!(stats.inputs_late, 0);
        assert!(!body.inboxes.is_behind());
    }

    /// What a room said waits for a shard that takes nothing, in order; a room that says more than may wait is ended.
    #[test]
    fn what_no_shard_takes_waits_and_has_an_end() {
        let (mut body, _ways) = body();
        let (shard, mut inbox) = mpsc::channel(2);
        let (sender, mut lobby) = lobby::channel();
        let exits = Exits {
            directory: crate::directory::channel().0,
            shards: [shard].into(),
            lobby: sender,
            tasks: crate::rooms::tasks::nowhere(),
        };
        body.step(Time(0), false);
        body.unsent.extend((0..UNSENT_MAX + 2).map(said));
        assert!(body.send(&exits), "two are taken, and the rest may wait");
        assert_eq!(body.unsent.len(), UNSENT_MAX);
        for number in ["0", "1"] {
            let Ok(ShardMessage::Room { room: 7, output }) = inbox.try_recv() else {
                panic!("{number} was said first");
            };
            assert!(matches!(output, RoomOutput::ToAll { frame, .. } if frame == number));
        }
        assert!(body.send(&exits));
        assert_eq!(body.unsent.len(), UNSENT_MAX - 2, "it goes on when it can");
        body.unsent.extend((0..3).map(said));
        assert!(!body.send(&exits), "one too many: the room is over");
        assert_eq!(lobby.failed(), [7], "and its players are told");
    }
}
