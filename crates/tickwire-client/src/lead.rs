//! The command lead: for which tick to speak now, so that a command arrives just before it is needed.

use std::collections::VecDeque;
use std::time::Duration;

use tickwire_proto::{Tick, Time};

use crate::clock::SteadyClock;
use crate::peaks::{BEYOND, Peaks};

/// Where the lead begins: half a round trip (the clock brings it) and this many ticks.
const MARGIN_START: f64 = 2.0;
/// The margin's bounds, in ticks. A server takes commands at most 32 ticks ahead.
const MARGIN_MIN: f64 = 0.5;
const MARGIN_MAX: f64 = 30.0;
/// Ticks without a command that are aimed at, a second: the tails of ways that lose packets are heavier than what is taken here.
const MISSING: f64 = 0.15 / 60.0;
/// For so long after the first command little is known, and the margin is at least that of the beginning.
const NEW: Duration = Duration::from_secs(10);
/// A base that moves by more did not become known better: the server's ticks are others.
const MOVED_US: f64 = 250_000.0;
/// A server takes commands at most so many ticks ahead.
const AHEAD_MAX: f64 = 32.0;
/// Commands asked for at one time at most: after a pause the ticks between are left out, not caught up.
const CATCH_UP_MAX: u32 = 4;
/// Commands whose margin is remembered, until the server speaks of them: more than may be ahead and on the way back.
const GIVEN_MAX: usize = 128;

/// A command that was asked for.
#[derive(Clone, Copy, Debug)]
struct Given {
    tick: Tick,
    at: Time,
    /// By how much the clock was beyond its base then.
    margin: f64,
}

/// Says which ticks want a command now, steered by the slack that the server reports.
///
/// Of each second the command counts that would have needed the greatest margin to come in time. A stall of the way makes one command late after the
/// other, each a tick less; so a margin that is `n` ticks too small for a stall costs `n` commands. The six worst seconds of the last five minutes, the very worst left
/// out, tell how the tail falls off; the margin is where that should cost one command in six minutes. A way that became much better is believed after three quarters of a
/// minute.
///
/// ```
/// use std::time::Duration;
/// use tickwire_client::CommandLead;
/// use tickwire_proto::{Tick, Time};
///
/// let mut lead = CommandLead::new(Duration::from_millis(50), Time(0));
/// // the line of arrivals is at tick 10, the round trip takes two ticks, and two more are the margin
/// lead.advance(Time::from_millis(500), 10.0, Duration::from_millis(100));
/// assert_eq!(lead.take(), Some(Tick(14)));
/// assert_eq!(lead.take(), None, "each once");
/// ```
#[derive(Clone, Debug)]
pub struct CommandLead {
    clock: SteadyClock,
    /// The line and a round trip, at the last advance: what the margin stands on.
    base: f64,
    /// How far that was ahead of the time, to see when it moves.
    offset: Option<f64>,
    margin: f64,
    last: Option<Tick>,
    given: VecDeque<Given>,
    /// The margins that the worst commands would have needed.
    needed: Peaks,
    began: Time,
    skipped: u64,
    tick_us: f64,
}

impl CommandLead {
    /// A lead of two ticks and half a round trip, for ticks of this length.
    pub fn new(tick: Duration, now: Time) -> Self {
        Self {
            clock: SteadyClock::default(),
            base: 0.0,
            offset: None,
            margin: MARGIN_START,
            last: None,
            given: VecDeque::new(),
            needed: Peaks::default(),
            began: now,
            skipped: 0,
            tick_us: (tick.as_micros() as f64).max(1.0),
        }
    }

    /// The server announced ticks of another length.
    pub fn set_tick(&mut self, tick: Duration) {
        self.tick_us = (tick.as_micros() as f64).max(1.0);
        self.offset = None;
    }

    /// Moves to `now`. `line` is where the line of arrivals is (the server's tick less the way here), in ticks.
    pub fn advance(&mut self, now: Time, line: f64, rtt: Duration) {
        self.base = line + rtt.as_micros() as f64 / self.tick_us;
        let offset = self.base - now.0 as f64 / self.tick_us;
        let before = self.offset.replace(offset).unwrap_or(offset);
        self.shift(offset - before);
        // This side's clock had leapt, and the line of arrivals has found that out: what was given out meanwhile nobody took.
        let target = self.base + self.margin;
        if self
            .last
            .is_some_and(|last| f64::from(last.0) > target + AHEAD_MAX)
        {
            self.begin_anew();
            self.offset = Some(offset);
        }
        self.clock
            .advance(now, self.base + self.margin, self.tick_us);
    }

    /// The next tick that wants a command at the time of the last [`advance`](Self::advance), at most once each.
    pub fn take(&mut self) -> Option<Tick> {
        if !self.clock.is_started() || self.clock.tick() < 0.0 {
            return None;
        }
        let here = self.clock.tick() as u32;
        let oldest = Tick(here.saturating_sub(CATCH_UP_MAX - 1));
        let wanted = match self.last {
            Some(last) if last.next() < oldest => {
                self.skipped += u64::from(oldest.since(last.next()));
                oldest
            }
            Some(last) => last.next(),
            None => Tick(here),
        };
        if wanted.0 > here {
            return None;
        }
        if self.last.is_none() {
            self.began = self.clock.at();
        }
        self.last = Some(wanted);
        if self.given.len() == GIVEN_MAX {
            self.given.pop_front();
        }
        self.given.push_back(Given {
            tick: wanted,
            at: self.clock.at(),
            margin: self.clock.tick() - self.base,
        });
        Some(wanted)
    }

    /// When the next tick wants its command, as far as is known now.
    pub fn next_due(&self) -> Option<Time> {
        let next = f64::from(self.last?.0) + 1.0;
        let ticks = (next - self.clock.tick()).max(0.0);
        Some(
            self.clock
                .at()
                .plus(Duration::from_micros((ticks * self.tick_us) as u64 + 1)),
        )
    }

    /// The server says, with its tick frame of `tick`: of the commands that came since the one before, the worst came `slack` ticks before it was
    /// needed (negative: late).
    pub fn slack(&mut self, now: Time, tick: Tick, slack: i8) {
        if let Some(given) = self.given(tick, slack) {
            self.needed.note(now, given.margin - f64::from(slack));
            self.needed.believe_better(now, self.margin);
            self.settle(now);
        }
    }

    /// What the server's clock was at most, less this one's, before the way of the command that had this slack when it came before the step of `tick`, in
    /// microseconds.
    pub(crate) fn up_to(&self, tick: Tick, slack: i8) -> Option<f64> {
        let given = self.given(tick, slack)?;
        let exact = i64::from(given.tick.0) == i64::from(tick.0) + i64::from(slack);
        exact.then(|| f64::from(tick.0) * self.tick_us - given.at.0 as f64)
    }

    /// The command that came before the step of `tick` and was for the tick that is so much later; or the next that there was.
    fn given(&self, tick: Tick, slack: i8) -> Option<&Given> {
        let about = i64::from(tick.0) + i64::from(slack);
        let after = self
            .given
            .partition_point(|given| i64::from(given.tick.0) < about);
        self.given.get(after).or_else(|| self.given.back())
    }

    fn settle(&mut self, now: Time) {
        let seconds = self.needed.known(now).as_secs_f64().max(1.0);
        let needed = match self.needed.tail() {
            Some(tail) => {
                let cost = BEYOND as f64 * tail.excess / (seconds * MISSING);
                tail.level + tail.excess * libm::log(cost.max(1.0))
            }
            None => self.needed.greatest().unwrap_or(MARGIN_START),
        };
        let least = match now.since(self.began) < NEW {
            true => MARGIN_START,
            false => MARGIN_MIN,
        };
        self.margin = needed.clamp(least, MARGIN_MAX);
    }

    /// The base moved by so many ticks (another line of arrivals, a lesser round trip): what was learned stands on it. If by very much, the server's
    /// ticks moved, and with them what is needed.
    fn shift(&mut self, ticks: f64) {
        if ticks == 0.0 || ticks.abs() * self.tick_us > MOVED_US {
            return;
        }
        self.needed.shift(-ticks);
        let given = self.given.iter_mut();
        given.for_each(|given| given.margin -= ticks);
    }

    /// The link is another one: what the server says next is of commands that went over the last one.
    pub(crate) fn resumed(&mut self) {
        self.given.clear();
    }

    /// The server's ticks stood still while the link was away: what was given out lies too far ahead, and the clock of it too.
    pub(crate) fn begin_anew(&mut self) {
        self.clock = SteadyClock::default();
        self.last = None;
        self.given.clear();
        self.offset = None;
    }

    /// A command for a tick that was given out cannot go.
    pub(crate) fn left_out(&mut self) {
        self.skipped += 1;
    }

    /// For which tick one speaks now, with its part.
    pub fn tick(&self) -> f64 {
        self.clock.tick()
    }

    /// How many ticks beyond a round trip the lead is.
    pub fn margin(&self) -> f64 {
        self.margin
    }

    /// Where the clock of commands stands at `now`, which is not before it was [moved](Self::advance) last, in ticks: at each whole one a
    /// command is wanted.
    pub fn tick_at(&self, now: Time) -> f64 {
        let passed = now.since(self.clock.at()).as_micros() as f64;
        self.clock.tick() + passed * self.clock.speed() / self.tick_us
    }

    /// The newest tick that was given out.
    pub fn last(&self) -> Option<Tick> {
        self.last
    }

    /// Ticks that got no command because nobody asked in time (a hidden page, a stall).
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}
