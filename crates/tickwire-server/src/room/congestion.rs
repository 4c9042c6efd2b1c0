//! How many updates may be in flight to a viewer whose link carries less than it is offered: a congestion window that knows receipts alone, so
//! that it holds behind proxies too. How old what is in flight may be is the window's matter.
//!
//! As congestion control does elsewhere (Vegas, BBR), it keeps in flight what the link carries in the least round trip, and a little more or
//! less by whether receipts show a queue. It counts updates, and lets one go for each that arrives: a bound in time alone lets a burst follow
//! each pause, and swings for ever between a full queue and an empty one. What is late for another cause, jitter or a packet that is sent again,
//! is left to that bound: few updates in flight would only make it worse.

use tickwire_proto::Tick;

use super::extreme::Extreme;
use super::window::Pace;

/// What a viewer did is summed up for so long (at least two round trips), and for twice as long while nothing is wrong.
const EPOCH_MS: u32 = 500;
const CALM_EPOCH_MS: u32 = 1_000;
/// An update that waits though another arrived so shortly before waits for the link's speed, and not for what is lost. The second: where receipts come after a pause.
const FLOWING_MS: u32 = 100;
const FLOWING_LISTENER_MS: u32 = tickwire_proto::session::RECEIPTS_ALONE_MS as u32 + 50;
/// A link is too slow where one in so many updates waits for its speed.
const SLOW_SHARE: u32 = 8;
/// So many epochs in a row prove it: one may be chance, where packets are lost.
const EPOCHS: u32 = 2;
/// Every receipt of an epoch is so late: there is a queue.
const STANDING_MS: u32 = 60;
/// One receipt of an epoch is no later than that: the queue was empty.
const EMPTY_MS: u32 = 20;
/// Receipts of an epoch differ by more: the link stalls.
const STALL_MS: u32 = 150;
/// After a change it takes so long until one more may be in flight.
const GROW_MS: u32 = 2_000;
/// A queue that has just been cut short differs too: no stall is looked for at first.
const SETTLE_MS: u32 = 1_500;
/// So many epochs in a row in which no update waits, or in which the queue stands however few are in flight: it is none of ours.
const EPOCHS_MAX: u32 = 4;
/// What proved to be no slow link is not taken for one again for so long, and ever longer.
const PAUSE_MS: u32 = 5_000;
const PAUSE_MS_MAX: u32 = 60_000;
/// The fastest rate is remembered for one to two times as long.
const MEMORY_MS: u32 = 5_000;
/// How much longer than the least round trip of a client that only listens its receipts take, as far as that needs updates in flight.
const LISTENS_MS: u32 = tickwire_proto::session::RECEIPTS_ALONE_MS as u32 / 4;
/// Rates are in updates for so many ticks.
const UNIT: u32 = 1 << 10;

/// The congestion window of one viewer.
#[derive(Debug)]
pub(super) struct Congestion {
    epoch: Epoch,
    /// Of each epoch, the updates that arrived.
    fastest: Extreme,
    /// The last receipt that told of something new, and how long updates flow after it.
    flowed: Option<Tick>,
    flows: u32,
    /// Epochs in a row in which the link was too slow, and of those in which a queue stood too.
    slow: u32,
    queued: u32,
    /// Updates in flight at most, where the link is too slow: what the fastest rate fills the whole window with.
    full: Option<u32>,
    /// The same where a queue stands.
    narrow: Option<Narrow>,
    /// When it may become narrow again, and how long it waits the next time.
    not_before: Tick,
    pause_ms: u32,
}

#[derive(Debug)]
struct Epoch {
    begun: Tick,
    /// The least and the longest round trip of its receipts, in ticks.
    trips: Option<(u32, u32)>,
    sent: u32,
    arrived: u32,
    /// Updates that waited for the link's speed.
    waited: u32,
}

#[derive(Clone, Copy, Debug)]
struct Narrow {
    /// Updates in flight.
    most: u32,
    begun: Tick,
    changed: Tick,
    /// Epochs in a row in which hardly anything waited.
    idle: u32,
    /// Epochs in a row in which the queue stood though no more than enough was in flight.
    in_vain: u32,
}

/// What the window knows of the link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// The least round trip of late, in ticks.
    pub least: u32,
    /// Ticks that may be in flight.
    pub allowed: u32,
    /// Its receipts come along with commands, and not after a pause.
    pub commands: bool,
}

impl Congestion {
    pub fn new(now: Tick, pace: Pace) -> Congestion {
        Congestion {
            epoch: Epoch::new(now),
            fastest: Extreme::most(pace.ticks(MEMORY_MS)),
            flowed: None,
            flows: 0,
            slow: 0,
            queued: 0,
            full: None,
            narrow: None,
            not_before: now,
            pause_ms: PAUSE_MS,
        }
    }

    /// Whether one more may be in flight beside so many.
    pub fn is_open(&self, in_flight: usize) -> bool {
        let most = self.narrow.map(|narrow| narrow.most).or(self.full);
        most.is_none_or(|most| in_flight < most as usize)
    }

    /// Whether no queue stands before the link, as far as is known.
    #[cfg(test)]
    pub fn is_wide(&self) -> bool {
        self.narrow.is_none()
    }

    /// An update was sent.
    pub fn sent(&mut self) {
        self.epoch.sent += 1;
    }

    /// An update had to wait for a receipt.
    pub fn waited(&mut self, now: Tick) {
        let flows = self.flowed.is_some_and(|at| now.since(at) <= self.flows);
        self.epoch.waited += u32::from(flows);
    }

    /// A receipt: so many updates arrived; `trip`: the round trip of the last, where the receipt went as it came.
    pub fn arrived(&mut self, now: Tick, updates: u32, trip: Option<u32>, way: Way, pace: Pace) {
        let epoch = &mut self.epoch;
        epoch.arrived += updates;
        if let Some(trip) = trip {
            let (least, longest) = epoch.trips.unwrap_or((trip, trip));
            epoch.trips = Some((least.min(trip), longest.max(trip)));
        }
        self.flowed = Some(now);
        let lasts = match self.narrow {
            Some(_) => EPOCH_MS,
            None => CALM_EPOCH_MS,
        };
        let span = now.since(epoch.begun);
        if span >= pace.ticks(lasts).max(2 * way.least).max(1) {
            let over = std::mem::replace(epoch, Epoch::new(now));
            self.sum_up(now, &over, span, way, pace);
        }
        self.flows = self.flows(now, way, pace);
    }

    /// For how long after a receipt the next one is due.
    fn flows(&self, now: Tick, way: Way, pace: Pace) -> u32 {
        let flowing = pace.ticks(match way.commands {
            true => FLOWING_MS,
            false => FLOWING_LISTENER_MS,
        });
        // With few in flight they come one by one, as slowly as the link carries them.
        let fastest = self.fastest.get(now).filter(|_| self.narrow.is_some());
        let two = fastest.map_or(0, |fastest| (2 * UNIT).div_ceil(fastest.max(1)));
        flowing.max(two)
    }

    fn sum_up(&mut self, now: Tick, epoch: &Epoch, span: u32, way: Way, pace: Pace) {
        let rate = epoch.arrived * UNIT / span;
        self.fastest.add(now, rate);
        let fastest = self.fastest.get(now).unwrap_or(rate);
        let is_slow = epoch.is_slow();
        self.slow = if is_slow { self.slow + 1 } else { 0 };
        let full = (fastest * way.allowed).div_ceil(UNIT).max(1);
        let bounded = self.slow >= EPOCHS || self.narrow.is_some();
        self.full = bounded.then_some(full);
        let Some((least, longest)) = epoch.trips else {
            return;
        };
        let late_us = least.saturating_sub(way.least) * pace.tick_us;
        let differ_us = (longest - least) * pace.tick_us;
        // How long the link takes for one update: by so much a queue may be longer or shorter than it should be.
        let one_us = (UNIT / fastest.max(1)).min(way.allowed) * pace.tick_us;
        let seen = Seen {
            late_us,
            differ_us,
            stalls: differ_us > stall_ms(way) * 1000 + one_us,
            stands: late_us > STANDING_MS * 1000 + one_us,
            is_slow,
            full,
            enough: enough(fastest, way, pace),
        };
        let is_queued = is_slow && seen.is_queue() && now >= self.not_before;
        self.queued = if is_queued { self.queued + 1 } else { 0 };
        match self.narrow {
            None if self.queued >= EPOCHS => {
                // What arrived while the window was wide may have waited elsewhere and come at once.
                self.fastest.forget();
                self.fastest.add(now, rate);
                self.narrow = Some(Narrow::new(now, seen.enough));
            }
            None => {}
            Some(narrow) if narrow.is_mistaken(now, &seen, pace) => {
                self.pause(now, narrow.begun, pace);
            }
            Some(narrow) => self.narrow = narrow.adjusted(now, &seen, pace),
        }
    }

    /// It was no slow link, but one that stalls, or somebody else's queue.
    fn pause(&mut self, now: Tick, since: Tick, pace: Pace) {
        if now.since(since) > pace.ticks(4 * PAUSE_MS) {
            self.pause_ms = PAUSE_MS;
        }
        self.not_before = now.plus(pace.ticks(self.pause_ms));
        self.pause_ms = (self.pause_ms * 2).min(PAUSE_MS_MAX);
        (self.narrow, self.full, self.slow) = (None, None, 0);
    }
}

/// Updates in flight that keep the link busy. A fifth less than the fastest rate says, since that is of an epoch that caught one or two more than others.
fn enough(fastest: u32, way: Way, pace: Pace) -> u32 {
    let (pause, least) = match way.commands {
        true => (0, 1),
        // One alone would go for each receipt, and those are rare.
        false => (pace.ticks(LISTENS_MS), 2),
    };
    let most = fastest * (way.least + pause) * 4;
    most.div_ceil(UNIT * 5).max(least)
}

/// Receipts of a client that only listens may have waited for the end of its pause.
fn stall_ms(way: Way) -> u32 {
    let pause = match way.commands {
        true => 0,
        false => tickwire_proto::session::RECEIPTS_ALONE_MS as u32,
    };
    STALL_MS + pause
}

/// What an epoch showed.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// How much later than the least round trip each of its receipts came.
    late_us: u32,
    /// How much later than the first of them the last came.
    differ_us: u32,
    /// By more than a queue does.
    stalls: bool,
    /// There is a queue, of more than an update.
    stands: bool,
    is_slow: bool,
    /// Updates that fill the whole window, and those that keep the link busy.
    full: u32,
    enough: u32,
}

impl Seen {
    /// All are late, and by about the same.
    fn is_queue(&self) -> bool {
        self.late_us > STANDING_MS * 1000 && self.late_us >= self.differ_us
    }
}

impl Narrow {
    fn new(now: Tick, most: u32) -> Narrow {
        Narrow {
            most,
            begun: now,
            changed: now,
            idle: 0,
            in_vain: 0,
        }
    }

    fn is_mistaken(&self, now: Tick, seen: &Seen, pace: Pace) -> bool {
        let settled = now.since(self.begun) > pace.ticks(SETTLE_MS);
        (settled && seen.stalls) || self.in_vain >= EPOCHS_MAX
    }

    /// A little wider or narrower; `None`: it need not be any more.
    fn adjusted(mut self, now: Tick, seen: &Seen, pace: Pace) -> Option<Narrow> {
        self.idle = if seen.is_slow { 0 } else { self.idle + 1 };
        let in_vain = seen.stands && self.most <= seen.enough;
        self.in_vain = if in_vain { self.in_vain + 1 } else { 0 };
        let since = now.since(self.changed);
        if seen.late_us <= EMPTY_MS * 1000 {
            if since >= pace.ticks(GROW_MS) {
                (self.most, self.changed) = (self.most + 1, now);
            }
        } else if since > pace.ticks(EPOCH_MS) && self.most > seen.enough {
            (self.most, self.changed) = (self.most - 1, now);
        }
        let needed = self.idle < EPOCHS_MAX && self.most <= seen.full;
        self.most = self.most.max(seen.enough);
        needed.then_some(self)
    }
}

impl Epoch {
    fn new(begun: Tick) -> Epoch {
        Epoch {
            begun,
            trips: None,
            sent: 0,
            arrived: 0,
            waited: 0,
        }
    }

    fn is_slow(&self) -> bool {
        self.waited * SLOW_SHARE >= (self.sent + self.waited).max(1)
    }
}

#[cfg(test)]
mod tests;
