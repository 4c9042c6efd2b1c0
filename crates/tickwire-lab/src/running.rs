//! A run: the parts and the loop over what happens next. What goes over links is in `wires`, what goes wrong in `weather`, what must hold in `checks`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tickwire_client::{ClientEvent, ClientOutput, State};
use tickwire_proto::frame::{RoomEnd, code};
use tickwire_proto::{Reason, Time};
use tickwire_server::{Kind, SessionKey};

use crate::{
    Chance, Faults, Lab, Violation,
    expiry::Expiry,
    faults::SLOT,
    host::Host,
    letters,
    link::{Link, LinkId},
    queue::Queue,
    record::Recording,
    seat::{Script, Seat},
    stream::Toward,
    trace::{Mark, Trace},
    truth::{RoomName, Truth},
    violation::{Broken, since_start},
};

/// Changes a frame before a client gets it.
pub(crate) type Tamper = dyn FnMut(usize, &mut Vec<u8>);

/// Events at one moment after which time is said to stand still.
const EVENTS_AT_ONCE_MAX: u64 = 1_000_000;
/// A client that got no room asks again after so long.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What happens at some time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A tick or a timeout of the server.
    Host,
    /// The server's process is there again.
    HostUp,
    /// A timeout of a client.
    Client(usize),
    /// A client shows a picture.
    Picture(usize),
    /// Something arrives or is acknowledged.
    Link(LinkId),
    /// A client's attempt to connect comes to its end.
    Connect { client: usize, attempt: u32 },
    /// A client asks for a room again.
    Ask { client: usize, attempt: u32 },
    /// Time to draw what goes wrong.
    Slot,
}

/// A run that is under way. Virtual time moves on only in [`advance`](Self::advance), [`run_until`](Self::run_until) and [`heal`](Self::heal).
pub struct Running {
    pub(crate) name: String,
    pub(crate) kind: Arc<Kind>,
    pub(crate) seed: u64,
    pub(crate) now: Time,
    pub(crate) queue: Queue<Event>,
    pub(crate) trace: Trace,
    pub(crate) chance: Chance,
    pub(crate) weather: Chance,
    pub(crate) faults: Faults,
    pub(crate) host: Option<Host>,
    pub(crate) host_planned: Option<Time>,
    /// Until then the server's process stands still.
    pub(crate) stalled_until: Time,
    /// The part of the attempts to connect that open two links at once.
    pub(crate) races: f64,
    pub(crate) epoch: u32,
    pub(crate) links: BTreeMap<LinkId, Link>,
    pub(crate) links_made: u64,
    pub(crate) sessions: BTreeMap<SessionKey, LinkId>,
    pub(crate) seats: Vec<Seat>,
    pub(crate) truth: Truth,
    pub(crate) expiry: Expiry,
    /// For how long a session outlives its link.
    pub(crate) window: Duration,
    pub(crate) script: Option<Box<Script>>,
    pub(crate) tamper: Option<Box<Tamper>>,
    pub(crate) checks: u64,
    pub(crate) past_encodes: u64,
    picture: Duration,
    /// Where the first link of each client is cut.
    pub(crate) cut_after: Option<(Toward, usize)>,
    /// How many people the clients are, if not one each.
    pub(crate) identities: Option<usize>,
    failed: Option<Box<Violation>>,
}

/// A game that panics ends the test with its own text; this adds the seed that leads there.
struct SeedOfPanic(u64);

impl Drop for SeedOfPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "in the lab, with seed {0}: run it again with Lab::seed({0})",
                self.0
            );
        }
    }
}

impl Running {
    pub(crate) fn new(lab: Lab) -> Self {
        let chance = Chance::new(lab.seed);
        let now = Time(0);
        let seat = |number: usize| {
            let profile = lab.links[number % lab.links.len()];
            Seat::new(
                now,
                number,
                number % lab.identities.unwrap_or(usize::MAX),
                &lab.name,
                profile,
                lab.letters,
                lab.predicts.then(|| lab.kind.game().clone()),
                chance.fork(1_000 + number as u64),
            )
        };
        let mut running = Running {
            seats: (0..lab.clients).map(seat).collect(),
            host: Some(Host::new(
                vec![lab.kind.clone()],
                chance.fork(0).bits(),
                lab.identities.is_some(),
                lab.window,
            )),
            trace: Trace::new(lab.seed),
            weather: chance.fork(2),
            chance: chance.fork(3),
            name: lab.name,
            kind: lab.kind,
            seed: lab.seed,
            now,
            queue: Queue::new(),
            faults: lab.faults,
            host_planned: None,
            stalled_until: now,
            races: lab.races,
            epoch: 0,
            links: BTreeMap::new(),
            links_made: 0,
            sessions: BTreeMap::new(),
            truth: Truth::default(),
            expiry: Expiry::default(),
            window: lab.window,
            script: lab.script,
            tamper: lab.tamper,
            checks: 0,
            past_encodes: 0,
            picture: lab.picture,
            cut_after: lab.cut_after,
            identities: lab.identities,
            failed: None,
        };
        if lab.record {
            let all = running.seats.iter_mut();
            all.for_each(|seat| seat.recording = Some(Recording::default()));
        }
        running.begin();
        running
    }

    /// Plans the first events. Clients come within the first tenth of a second, and show their pictures each at its own beat.
    fn begin(&mut self) {
        for client in 0..self.seats.len() {
            let beat = self.chance.below(self.picture.as_micros() as u64);
            self.queue.plan(Time(beat), Event::Picture(client));
            let start = self.chance.below(100_000);
            self.queue.plan(Time(start), Event::Client(client));
            self.seats[client].planned = Some(Time(start));
        }
        self.queue.plan(self.now.plus(SLOT), Event::Slot);
    }

    /// Runs on for so long in virtual time.
    ///
    /// # Errors
    /// The first violation; a run that has one does not go on.
    pub fn advance(&mut self, span: Duration) -> Result<(), Box<Violation>> {
        self.advance_to(self.now.plus(span))
    }

    fn advance_to(&mut self, until: Time) -> Result<(), Box<Violation>> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let _told = SeedOfPanic(self.seed);
        let mut at_once = 0;
        while let Some((at, event)) = self.queue.next(until) {
            at_once = if at == self.now { at_once + 1 } else { 0 };
            self.now = at;
            let outcome = if at_once > EVENTS_AT_ONCE_MAX {
                Err(Broken::Stuck { events: at_once })
            } else {
                self.happen(event)
                    .and_then(|()| self.settle())
                    .and_then(|()| self.check_expiry())
            };
            if let Err(broken) = outcome {
                return Err(self.fail(broken));
            }
        }
        self.now = until;
        Ok(())
    }

    /// Runs on until `done` says so, looking every hundredth of a second, but for no longer than `limit`. Tells whether it was so.
    ///
    /// # Errors
    /// The first violation.
    pub fn run_until(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&Running) -> bool,
    ) -> Result<bool, Box<Violation>> {
        let until = self.now.plus(limit);
        while !done(self) {
            if self.now >= until {
                return Ok(false);
            }
            self.advance(Duration::from_millis(10))?;
        }
        Ok(true)
    }

    pub(crate) fn fail(&mut self, broken: Broken) -> Box<Violation> {
        let violation = Violation {
            seed: self.seed,
            game: self.name.clone(),
            at: since_start(self.now),
            trace: self.trace.hash(),
            broken,
        };
        self.failed.insert(Box::new(violation)).clone()
    }

    fn happen(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Host => self.wake_host()?,
            Event::HostUp => self.host_up(),
            Event::Client(client) => self.wake_client(client)?,
            Event::Picture(client) => self.picture(client)?,
            Event::Link(link) => self.wake_link(link)?,
            Event::Connect { client, attempt } => self.connect(client, attempt)?,
            Event::Ask { client, attempt } => {
                if self.seats[client].attempt == attempt {
                    self.seats[client].join(&self.name);
                    self.after_client(client)?;
                }
            }
            Event::Slot => {
                self.draw_faults()?;
                self.queue.plan(self.now.plus(SLOT), Event::Slot);
            }
        }
        Ok(())
    }

    fn wake_host(&mut self) -> Result<(), Broken> {
        let Some(host) = self
            .host
            .as_mut()
            .filter(|_| self.host_planned == Some(self.now))
        else {
            return Ok(());
        };
        self.host_planned = None;
        if self.now < self.stalled_until {
            return Ok(()); // what comes of it is planned anew
        }
        for number in host.wake(self.now) {
            let room = host.room(number);
            let Some((room, snapshot)) = room.and_then(|room| Some((room, room.newest()?))) else {
                continue;
            };
            letters::check_seats(number, room)?;
            let name = RoomName {
                epoch: self.epoch,
                number,
            };
            if self.truth.publish(name, snapshot) {
                let simulation = room.simulation();
                for seat in 0..simulation.roster().seats() {
                    let sight = simulation.sight(seat);
                    self.truth.sees(name, seat, snapshot.tick, sight);
                }
                let hash = snapshot
                    .areas
                    .iter()
                    .fold(u64::from(snapshot.tick.0), |hash, area| hash ^ area.hash());
                self.trace
                    .mark(self.now, Mark::Captured, number as usize, hash);
            }
        }
        Ok(())
    }

    fn wake_client(&mut self, client: usize) -> Result<(), Broken> {
        if let Some(until) = self.sleeps_until(client) {
            self.seats[client].planned = Some(until);
            self.queue.plan(until, Event::Client(client));
            return Ok(());
        }
        let seat = &mut self.seats[client];
        if seat.planned == Some(self.now) {
            seat.planned = None;
            seat.client.handle_timeout(seat.watch.at(self.now));
            self.after_client(client)?;
        }
        Ok(())
    }

    fn picture(&mut self, client: usize) -> Result<(), Broken> {
        if let Some(until) = self.sleeps_until(client) {
            self.queue.plan(until, Event::Picture(client));
            return Ok(());
        }
        self.queue
            .plan(self.now.plus(self.picture), Event::Picture(client));
        if self.seats[client].recording.is_some() {
            self.seats[client].truth = self.true_tick(client);
        }
        self.seats[client].picture(self.now, self.script.as_deref_mut());
        self.record_picture(client);
        self.check_picture(client)?;
        self.after_client(client)
    }

    /// After a client was told anything: does what it says, writes what it wants written, and plans its next timeout.
    pub(crate) fn after_client(&mut self, client: usize) -> Result<(), Broken> {
        while let Some(output) = self.seats[client].client.poll() {
            match output {
                ClientOutput::Connect { .. } => self.plan_connect(client),
                ClientOutput::Close => self.close_by_client(client),
                ClientOutput::Event(event) => self.tell(client, event)?,
                _ => {}
            }
        }
        self.pump_up(client);
        let seat = &mut self.seats[client];
        let due = seat.client.next_timeout();
        let due = due.map(|at| seat.watch.when(at).max(self.now).max(seat.asleep_until));
        if due.is_some() && due != seat.planned {
            seat.planned = due;
            self.queue
                .plan(due.unwrap_or(self.now), Event::Client(client));
        }
        Ok(())
    }

    /// What a client tells its user.
    fn tell(&mut self, client: usize, event: ClientEvent) -> Result<(), Broken> {
        let now = self.now;
        let seat = &mut self.seats[client];
        if let Some(letters) = &mut seat.letters {
            let told = letters.tell(&event, &mut seat.client, &mut seat.counts);
            told.map_err(|what| Broken::Letter { client, what })?;
        }
        match event {
            ClientEvent::Joined { .. } => {
                seat.joined();
                self.check_joined(client)?;
            }
            ClientEvent::Resumed => {
                seat.counts.resume(now.since(seat.opened));
                seat.stale = true;
            }
            ClientEvent::Expired => self.check_told(client)?,
            ClientEvent::SessionEnded { .. } => seat.session = None,
            // Where nothing is waited for, it is told as soon as the link is lost.
            ClientEvent::RoomAway { .. } if self.window.is_zero() => seat.session = None,
            ClientEvent::Updated {
                tick,
                applied,
                stamp,
                ..
            } => {
                seat.updated(now, applied, stamp);
                self.trace
                    .mark(now, Mark::Applied, client, u64::from(tick.0));
            }
            ClientEvent::RoomEnded {
                reason: RoomEnd::Replaced,
                ..
            } => seat.replaced = true,
            ClientEvent::JoinRefused { ref refusal, .. } if refusal.code == code::REPLACED => {
                seat.replaced = true;
            }
            ClientEvent::JoinRefused { .. } => {
                seat.counts.refusals += 1;
                self.queue.plan(
                    now.plus(ASK_AGAIN),
                    Event::Ask {
                        client,
                        attempt: seat.attempt,
                    },
                );
            }
            ClientEvent::RoomEnded { .. } => {
                self.queue.plan(
                    now.plus(ASK_AGAIN),
                    Event::Ask {
                        client,
                        attempt: seat.attempt,
                    },
                );
            }
            ClientEvent::Fault { fault, .. } => {
                seat.counts.faults += 1;
                if self.tamper.is_none() {
                    return Err(Broken::Fault {
                        client,
                        fault: fault.to_string(),
                    });
                }
            }
            ClientEvent::State(State::Ended {
                reason, message, ..
            }) if !matches!(
                reason,
                Reason::Restarting | Reason::Draining | Reason::Expired
            ) =>
            {
                return Err(Broken::SentAway {
                    client,
                    reason,
                    message,
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// Lets the server's parts talk to an end, and writes what came of it.
    fn settle(&mut self) -> Result<(), Broken> {
        while let Some(host) = &mut self.host {
            host.settle(self.now);
            if let Some(broken) = host.take_ended().pop() {
                return Err(broken);
            }
            if let Some(wish) = host.pop_wish() {
                self.grant(&wish);
            } else if let Some(session) = host.pop_dirty(self.now) {
                self.pump_down(session)?;
            } else {
                break;
            }
        }
        let due = self
            .host
            .as_ref()
            .and_then(Host::next_due)
            .map(|at| at.max(self.now).max(self.stalled_until));
        if due.is_some() && due != self.host_planned {
            self.host_planned = due;
            self.queue.plan(due.unwrap_or(self.now), Event::Host);
        }
        Ok(())
    }
}
