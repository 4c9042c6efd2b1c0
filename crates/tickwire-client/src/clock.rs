//! Time as one client sees it: the line on which updates arrive, and a clock that follows a target without ever going back.

use std::collections::VecDeque;
use std::time::Duration;

use tickwire_proto::{Tick, Time};

/// Seconds of arrivals of which the earliest counts. Longer, and drift between two crystals becomes a bias.
const WINDOW_S: u64 = 30;
/// Whole seconds in which everything is later than the line by more than this mean that the server's ticks were
/// moved (it skipped some), not that the way is slow.
pub(crate) const REBASE_US: f64 = 250_000.0;
/// So many seconds in a row.
const REBASE_SECONDS: usize = 2;
/// Arrivals of a second that make it worth a judgement on the line.
const REBASE_COUNT: u32 = 4;

/// The least of (arrival minus what it was due) over the last [`WINDOW_S`] seconds, in microseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Earliest {
    /// Per second: its number, the least offset, and how many arrived.
    seconds: VecDeque<(u64, f64, u32)>,
    base: Option<f64>,
}

impl Earliest {
    /// Notes an arrival of what was due at `due_us` on the sender's clock; returns how much later than the earliest it is.
    pub(crate) fn arrived(&mut self, now: Time, due_us: f64) -> f64 {
        self.note(now, now.0 as f64 - due_us)
    }

    /// The same of an offset; returns by how much it is greater than the least.
    pub(crate) fn note(&mut self, now: Time, offset: f64) -> f64 {
        let second = now.0 / 1_000_000;
        match self.seconds.back_mut() {
            Some((s, least, count)) if *s >= second => {
                *least = least.min(offset);
                *count = count.saturating_add(1);
            }
            _ => {
                self.rebase_if_moved();
                self.seconds.push_back((second, offset, 1));
            }
        }
        while self
            .seconds
            .front()
            .is_some_and(|(s, ..)| s + WINDOW_S < second)
        {
            self.seconds.pop_front();
        }
        let base = self
            .seconds
            .iter()
            .map(|(_, least, _)| *least)
            .fold(f64::INFINITY, f64::min);
        self.base = Some(base);
        offset - base
    }

    /// Finished seconds that lie wholly off the line: those before them speak of another line. Two, since what a stall held back may fill one.
    fn rebase_if_moved(&mut self) {
        let off = |&&(_, least, count): &&(u64, f64, u32)| {
            count >= REBASE_COUNT && self.base.is_some_and(|base| least - base > REBASE_US)
        };
        let moved = self.seconds.iter().rev().take_while(off).count();
        if moved >= REBASE_SECONDS {
            self.seconds.drain(..self.seconds.len() - moved);
        }
    }

    /// The least offset, if there is any.
    pub(crate) fn least(&self) -> Option<f64> {
        self.base
    }

    /// Starts again from a known base.
    fn restart(&mut self, now: Time, base: f64) {
        self.base = Some(base);
        self.seconds.clear();
        self.seconds.push_back((now.0 / 1_000_000, base, 0));
    }
}

/// The line of earliest arrivals: when the update of a tick comes if nothing delays it more than the way itself.
///
/// Everything late is measured against it: lateness is never below zero, up to what is learned later.
///
/// ```
/// use std::time::Duration;
/// use tickwire_client::ArrivalLine;
/// use tickwire_proto::{Tick, Time};
///
/// let mut line = ArrivalLine::new(Duration::from_millis(50));
/// line.arrived(Time::from_millis(1_000), Tick(10)); // 20 ms late
/// line.arrived(Time::from_millis(1_030), Tick(11));
/// assert_eq!(line.tick_at(Time::from_millis(1_080)), 12.0);
/// ```
#[derive(Clone, Debug)]
pub struct ArrivalLine {
    tick_us: f64,
    earliest: Earliest,
}

impl ArrivalLine {
    /// A line that knows nothing yet, for ticks of this length.
    pub fn new(tick: Duration) -> Self {
        Self {
            tick_us: (tick.as_micros() as f64).max(1.0),
            earliest: Earliest::default(),
        }
    }

    /// The length of a tick in microseconds.
    pub fn tick_us(&self) -> f64 {
        self.tick_us
    }

    /// Whether nothing has arrived yet.
    pub fn is_empty(&self) -> bool {
        self.earliest.base.is_none()
    }

    /// Notes the arrival of a tick; returns by how many microseconds it came later than the line.
    pub fn arrived(&mut self, now: Time, tick: Tick) -> f64 {
        self.earliest.arrived(now, f64::from(tick.0) * self.tick_us)
    }

    /// The same for the first tick after a pause of the link, in which the server's ticks may have stood still: a line that they do not
    /// fit any more is forgotten, and a new one begins here. `None`: so it was.
    pub(crate) fn arrived_after_pause(&mut self, now: Time, tick: Tick) -> Option<f64> {
        let late = self.arrived(now, tick);
        if late <= REBASE_US {
            return Some(late);
        }
        let base = now.0 as f64 - f64::from(tick.0) * self.tick_us;
        self.earliest.restart(now, base);
        None
    }

    /// Where the line is at `now`: the tick whose update arrives now if it is not late. 0 before the first arrival.
    pub fn tick_at(&self, now: Time) -> f64 {
        self.earliest
            .base
            .map_or(0.0, |base| (now.0 as f64 - base) / self.tick_us)
    }

    /// The server announced ticks of another length, from `now` on: the line goes on from where it is.
    pub fn set_tick(&mut self, now: Time, tick: Duration) {
        let here = self.tick_at(now);
        self.tick_us = (tick.as_micros() as f64).max(1.0);
        if !self.is_empty() {
            self.earliest
                .restart(now, now.0 as f64 - here * self.tick_us);
        }
    }
}

/// Behind by more than this, the clock does not slew any more: it jumps forward.
const JUMP_US: f64 = 500_000.0;
/// Ahead by more than this, it waits.
const WAIT_US: f64 = 2_500_000.0;
/// An error is taken back over about this time, if the speed allows.
const SETTLE_US: f64 = 400_000.0;
/// How much faster or slower than the wall the clock may run.
const SLEW: f64 = 0.05;
/// The same for errors above [`FAR_US`].
const SLEW_FAR: f64 = 0.12;
/// An error that is worth a speed that one may notice.
const FAR_US: f64 = 150_000.0;

/// A clock in ticks that follows a target: it slews between 0.95 and 1.05 of the wall's speed (0.88 to 1.12 when far
/// off), jumps forward when more than half a second behind, and never goes back.
///
/// ```
/// use tickwire_client::SteadyClock;
/// use tickwire_proto::Time;
///
/// let mut clock = SteadyClock::default();
/// clock.advance(Time::from_millis(0), 100.0, 50_000.0);
/// // a tick later the target is a tick and a half on: the clock hurries a little
/// let tick = clock.advance(Time::from_millis(50), 101.5, 50_000.0);
/// assert!(tick > 101.0 && tick <= 101.05 + 1e-9);
/// ```
#[derive(Clone, Debug)]
pub struct SteadyClock {
    at: Time,
    tick: f64,
    tick_before: f64,
    speed: f64,
    started: bool,
}

impl Default for SteadyClock {
    fn default() -> Self {
        Self {
            at: Time(0),
            tick: 0.0,
            tick_before: 0.0,
            speed: 1.0,
            started: false,
        }
    }
}

impl SteadyClock {
    /// Moves on to `now`, following `target` (in ticks at `now`); returns where the clock is. The first call starts it.
    pub fn advance(&mut self, now: Time, target: f64, tick_us: f64) -> f64 {
        if !self.started {
            *self = Self {
                at: now,
                tick: target,
                tick_before: target,
                speed: 1.0,
                started: true,
            };
            return self.tick;
        }
        let passed = now.since(self.at).as_micros() as f64;
        if passed <= 0.0 {
            return self.tick;
        }
        self.at = now;
        self.tick_before = self.tick;
        let error = (target - self.tick) * tick_us - passed;
        if error > JUMP_US {
            self.tick = target;
            self.speed = 1.0;
        } else if error < -WAIT_US {
            self.speed = 0.0;
        } else {
            let bound = if error.abs() > FAR_US { SLEW_FAR } else { SLEW };
            let wanted = (error / SETTLE_US).clamp(-bound, bound);
            // never past the target: a long pause between two calls must not overshoot
            let taken = (wanted * passed).clamp(-error.abs(), error.abs());
            self.speed = 1.0 + taken / passed;
            self.tick += (passed + taken) / tick_us;
        }
        self.tick
    }

    /// Holds it at `limit` if it is beyond: the picture waits for what is not known yet. Goes back by at most the last step.
    pub fn hold(&mut self, limit: f64) {
        self.tick = self.tick.min(limit.max(self.tick_before));
    }

    /// Where the clock was when it was last moved, in ticks.
    pub fn tick(&self) -> f64 {
        self.tick
    }

    /// Its speed over the last step, as a part of the wall's.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// When it was last moved.
    pub fn at(&self) -> Time {
        self.at
    }

    /// Whether it runs.
    pub fn is_started(&self) -> bool {
        self.started
    }
}
