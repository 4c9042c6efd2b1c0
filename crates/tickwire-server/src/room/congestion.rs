//! How many updates may be in flight to a viewer whose link carries less than it is offered: a congestion window that knows receipts alone, so
//! that it holds behind proxies too. How old what is in flight may be is the window's matter.
//!
//! As congestion control does it elsewhere (Vegas, BBR), it keeps in flight what the link carries in the least round trip, and a little more or
//! less by whether receipts show a queue. It counts updates, and lets one go for each that arrives: a bound in time alone lets a burst follow
//! each pause, and swings for ever between a full queue and an empty one.

use tickwire_proto::Tick;

use super::window::Pace;

/// What a viewer did is summed up for so long (at least two round trips): twice as long while nothing is wrong, so that a packet that was lost and
/// repeated is no queue yet.
const EPOCH_MS: u32 = 500;
const CALM_EPOCH_MS: u32 = 1_000;
/// Every receipt of an epoch is so late: its link has a standing queue.
const STANDING_MS: u32 = 60;
/// One receipt of an epoch is no later than that: the queue was empty.
const EMPTY_MS: u32 = 20;
/// After a change it takes so long until one more may be in flight.
const GROW_MS: u32 = 2_000;
/// The fastest rate is remembered for one to two times as long, and that a window was full.
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
    /// The end of the last epoch in which an update had to wait.
    waited: Option<Tick>,
    /// Updates in flight at most, where some had to wait lately: what the fastest rate fills the whole window with.
    most: Option<u32>,
    /// The same where the link has a standing queue.
    narrow: Option<Narrow>,
}

#[derive(Debug)]
struct Epoch {
    begun: Tick,
    /// The least round trip of its receipts, in ticks.
    least: Option<u32>,
    arrived: u32,
    /// Whether an update had to wait for a receipt.
    waited: bool,
}

#[derive(Clone, Copy, Debug)]
struct Narrow {
    /// Updates in flight.
    most: u32,
    changed: Tick,
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
            waited: None,
            most: None,
            narrow: None,
        }
    }

    /// Whether one more may be in flight beside so many.
    pub fn is_open(&self, in_flight: usize) -> bool {
        let most = self.narrow.map(|narrow| narrow.most).or(self.most);
        most.is_none_or(|most| in_flight < most as usize)
    }

    /// Whether no queue stands before the link, as far as is known.
    #[cfg(test)]
    pub fn is_wide(&self) -> bool {
        self.narrow.is_none()
    }

    /// An update had to wait for a receipt.
    pub fn waited(&mut self) {
        self.epoch.waited = true;
    }

    /// A receipt: so many updates arrived; `trip`: the round trip of the last, where the receipt went as it came.
    pub fn arrived(&mut self, now: Tick, updates: u32, trip: Option<u32>, way: Way, pace: Pace) {
        let epoch = &mut self.epoch;
        epoch.arrived += updates;
        epoch.least = epoch.least.into_iter().chain(trip).min();
        let lasts = match self.narrow {
            Some(_) => EPOCH_MS,
            None => CALM_EPOCH_MS,
        };
        let span = now.since(epoch.begun);
        if span >= pace.ticks(lasts).max(2 * way.least) {
            let over = std::mem::replace(epoch, Epoch::new(now));
            self.sum_up(now, over, span, way, pace);
        }
    }

    fn sum_up(&mut self, now: Tick, epoch: Epoch, span: u32, way: Way, pace: Pace) {
        let rate = epoch.arrived * UNIT / span;
        self.fastest.add(now, rate);
        let fastest = self.fastest.get(now).unwrap_or_default();
        if epoch.waited {
            self.waited = Some(now);
        }
        let lately = |at: Tick| now.since(at) < pace.ticks(2 * MEMORY_MS);
        let full = (fastest * way.allowed).div_ceil(UNIT).max(1);
        self.most = self.waited.is_some_and(lately).then_some(full);
        let Some(late) = epoch.least.map(|trip| trip.saturating_sub(way.least)) else {
            return;
        };
        let late_us = late * pace.tick_us;
        let enough = enough(fastest, way, pace);
        match &mut self.narrow {
            None if epoch.waited && late_us > STANDING_MS * 1000 => {
                // What arrived while the window was wide may have waited elsewhere and come at once.
                self.fastest.forget();
                self.fastest.add(now, rate);
                self.narrow = Some(Narrow {
                    most: enough,
                    changed: now,
                });
            }
            None => {}
            Some(narrow) => {
                let settled = now.since(narrow.changed);
                if late_us <= EMPTY_MS * 1000 {
                    if settled >= pace.ticks(GROW_MS) {
                        narrow.change(now, narrow.most + 1);
                        let is_wide = !epoch.waited || narrow.most > full;
                        self.narrow = self.narrow.filter(|_| !is_wide);
                    }
                } else if settled > pace.ticks(EPOCH_MS) && narrow.most > enough {
                    narrow.change(now, narrow.most - 1);
                }
            }
        }
        if let Some(narrow) = &mut self.narrow {
            narrow.most = narrow.most.max(enough);
        }
    }
}

/// Updates in flight that keep the link busy. A fifth less than the fastest rate says, since that is of an epoch that caught one or two more than others.
fn enough(fastest: u32, way: Way, pace: Pace) -> u32 {
    let pause = if way.commands {
        0
    } else {
        pace.ticks(LISTENS_MS)
    };
    (fastest * (way.least + pause) * 4)
        .div_ceil(UNIT * 5)
        .max(1)
}

impl Narrow {
    fn change(&mut self, now: Tick, most: u32) {
        (self.most, self.changed) = (most, now);
    }
}

impl Epoch {
    fn new(begun: Tick) -> Epoch {
        Epoch {
            begun,
            least: None,
            arrived: 0,
            waited: false,
        }
    }
}

/// The least or the most of a span of ticks: of two halves, so that an old one is forgotten.
#[derive(Debug)]
pub(super) struct Extreme {
    of: fn(u32, u32) -> u32,
    half: u32,
    /// The number of the current half, its extreme, and that of the one before.
    at: u32,
    current: Option<u32>,
    before: Option<u32>,
}

impl Extreme {
    pub fn least(half: u32) -> Extreme {
        Extreme::new(u32::min, half)
    }

    pub fn most(half: u32) -> Extreme {
        Extreme::new(u32::max, half)
    }

    fn new(of: fn(u32, u32) -> u32, half: u32) -> Extreme {
        Extreme {
            of,
            half: half.max(1),
            at: 0,
            current: None,
            before: None,
        }
    }

    pub fn add(&mut self, now: Tick, value: u32) {
        let at = now.0 / self.half;
        if at != self.at {
            self.before = self.current.take().filter(|_| at == self.at + 1);
            self.at = at;
        }
        self.current = Some(
            self.current
                .map_or(value, |extreme| (self.of)(extreme, value)),
        );
    }

    pub fn get(&self, now: Tick) -> Option<u32> {
        match (now.0 / self.half).wrapping_sub(self.at) {
            0 => self.current.into_iter().chain(self.before).reduce(self.of),
            1 => self.current,
            _ => None,
        }
    }

    pub fn forget(&mut self) {
        (self.current, self.before) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::super::window::Window;
    use super::*;

    const PACE: Pace = Pace {
        tick_us: 33_333,
        send_every: 1,
        watch_every: 6,
    };

    /// A viewer behind a link that takes so many ticks for each update, one after the other, beside its way.
    struct Line {
        window: Window,
        now: u32,
        each: f64,
        way: f64,
        commands: bool,
        free: f64,
        under_way: VecDeque<(f64, Tick)>,
        told: f64,
    }

    #[derive(Default)]
    struct Seen {
        /// In ticks, on arrival.
        ages: Vec<f64>,
        pauses: Vec<f64>,
    }

    impl Line {
        fn new(each: f64, way: f64, commands: bool) -> Line {
            Line {
                window: Window::new(Tick(0), PACE),
                now: 0,
                each,
                way,
                commands,
                free: 0.0,
                under_way: VecDeque::new(),
                told: 0.0,
            }
        }

        /// The room makes an update at each tick; `stalls`: the link carries nothing then, and all that waited at once afterwards.
        fn run(&mut self, ticks: u32, stalls: impl Fn(u32) -> bool) -> Seen {
            let (mut seen, mut last) = (Seen::default(), f64::from(self.now));
            for _ in 0..ticks {
                self.now += 1;
                let now = f64::from(self.now);
                let mut newest = None;
                while let Some(&(at, tick)) = self.under_way.front()
                    && at <= now
                    && !stalls(self.now)
                {
                    self.under_way.pop_front();
                    seen.ages.push(at - f64::from(tick.0));
                    seen.pauses.push(at - last);
                    (newest, last) = (Some(tick), at);
                    // As a client that only listens does, and here on the next tick at the soonest.
                    if !self.commands && at - self.told >= 3.75 {
                        self.told = at;
                        self.window.held(Tick(self.now), tick, PACE, false);
                    }
                }
                if let Some(newest) = newest.filter(|_| self.commands) {
                    self.window.held(Tick(self.now), newest, PACE, true);
                }
                self.make(now);
            }
            seen
        }

        fn make(&mut self, now: f64) {
            let tick = Tick(self.now);
            if !self.window.is_open(tick, PACE) {
                return self.window.waited();
            }
            self.window.sent(tick, PACE);
            self.free = self.free.max(now) + self.each;
            self.under_way.push_back((self.free + self.way, tick));
        }
    }

    impl Seen {
        /// The most, but for one in a hundred.
        fn p99(all: &[f64]) -> f64 {
            let mut all = all.to_vec();
            all.sort_by(f64::total_cmp);
            all[all.len() * 99 / 100]
        }
    }

    #[test]
    fn a_slow_link_is_kept_busy_with_a_short_queue_and_no_bursts() {
        for (each, way, commands) in [
            (1.5, 0.5, true),
            (1.5, 3.5, true),
            (3.0, 0.5, true),
            (1.5, 0.5, false),
        ] {
            let mut line = Line::new(each, way, commands);
            line.run(300, |_| false);
            let seen = line.run(9_000, |_| false);
            let what = format!("{each} ticks an update, a way of {way}, commands: {commands}");
            let (age, pause) = (Seen::p99(&seen.ages), Seen::p99(&seen.pauses));
            assert!(age <= way + 3.0 * each + 1.0, "{what}: age {age}");
            let enough = if commands { 0.85 } else { 0.6 };
            let carried = seen.ages.len() as f64 * each / 9_000.0;
            assert!(carried >= enough, "{what}: {carried} of what it carries");
            assert!(pause <= 2.0 * each + 3.0, "{what}: a pause of {pause}");
        }
    }

    #[test]
    fn a_link_that_becomes_fast_gets_every_update_soon() {
        let mut line = Line::new(1.5, 0.5, true);
        line.run(900, |_| false);
        line.each = 0.1;
        line.run(450, |_| false);
        assert!(line.run(900, |_| false).ages.len() >= 890);
    }

    #[test]
    fn a_fast_link_that_stalls_now_and_then_is_no_slow_one() {
        // What a packet that is lost does to a stream: a round trip of nothing, then all of it.
        let mut line = Line::new(0.05, 2.5, true);
        let stalls = |now: u32| now % 37 < 8;
        line.run(300, stalls);
        let sent = line.run(9_000, stalls).ages.len();
        assert!(line.window.is_wide(), "no queue stands there");
        assert!(
            sent > 8_200,
            "{sent} of 9,000, as with no bound but that of time"
        );
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut least = Extreme::least(10);
        least.add(Tick(5), 3);
        least.add(Tick(12), 7);
        assert_eq!(least.get(Tick(19)), Some(3));
        assert_eq!(least.get(Tick(25)), Some(7));
        assert_eq!(least.get(Tick(40)), None);
    }
}
