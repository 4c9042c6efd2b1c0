//! The command lead: for which tick to speak now, so that a command arrives just before it is needed.

use std::collections::VecDeque;
use std::time::Duration;

use tickwire_proto::{Tick, Time};

use crate::clock::SteadyClock;

/// Where the lead begins: half a round trip (the clock brings it) and this many ticks.
const MARGIN_START: f64 = 2.0;
/// The margin's bounds, in ticks. A server takes commands at most 32 ticks ahead.
const MARGIN_MIN: f64 = 0.5;
const MARGIN_MAX: f64 = 16.0;
/// The slack that is aimed at: less than this at the worst, and the margin grows at once.
const SLACK_LOW: i8 = 1;
/// More than this at the worst, for [`CALM_S`] seconds, and it shrinks slowly.
const SLACK_HIGH: i8 = 2;
const CALM_S: u64 = 10;
const SHRINK: f64 = 0.25;
/// Commands asked for at one time at most: after a pause the ticks between are left out, not caught up.
const CATCH_UP_MAX: u32 = 4;

/// Says which ticks want a command now, steered by the slack that the server reports.
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
    margin: f64,
    last: Option<Tick>,
    /// Per second: the least slack that was reported.
    slacks: VecDeque<(u64, i8)>,
    raised: Time,
    shrunk: Time,
    skipped: u64,
    tick_us: f64,
}

impl CommandLead {
    /// A lead of two ticks and half a round trip, for ticks of this length.
    pub fn new(tick: Duration, now: Time) -> Self {
        Self {
            clock: SteadyClock::default(),
            margin: MARGIN_START,
            last: None,
            slacks: VecDeque::new(),
            raised: now,
            shrunk: now,
            skipped: 0,
            tick_us: (tick.as_micros() as f64).max(1.0),
        }
    }

    /// The server announced ticks of another length.
    pub fn set_tick(&mut self, tick: Duration) {
        self.tick_us = (tick.as_micros() as f64).max(1.0);
    }

    /// Moves to `now`. `line` is where the line of arrivals is (the server's tick less the way here), in ticks.
    pub fn advance(&mut self, now: Time, line: f64, rtt: Duration) {
        let target = line + rtt.as_micros() as f64 / self.tick_us + self.margin;
        self.clock.advance(now, target, self.tick_us);
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
        self.last = Some(wanted);
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

    /// The server says by how many ticks the newest command came before it was needed (negative: late).
    pub fn slack(&mut self, now: Time, slack: i8, rtt: Duration) {
        let second = now.0 / 1_000_000;
        match self.slacks.back_mut() {
            Some((s, least)) if *s >= second => *least = (*least).min(slack),
            _ => self.slacks.push_back((second, slack)),
        }
        while self
            .slacks
            .front()
            .is_some_and(|(s, _)| s + CALM_S < second)
        {
            self.slacks.pop_front();
        }
        // what was said before the last raise is still on the way for a round trip and the raise itself slews in
        let settled = rtt + Duration::from_micros((8.0 * self.tick_us) as u64);
        if slack < SLACK_LOW {
            if now.since(self.raised) >= settled {
                self.raised = now;
                let short = f64::from(SLACK_LOW) - f64::from(slack);
                self.margin = (self.margin + short.min(8.0)).min(MARGIN_MAX);
                self.slacks.clear();
            }
        } else if self.is_calm(second) && now.since(self.shrunk) >= Duration::from_secs(1) {
            self.shrunk = now;
            self.margin = (self.margin - SHRINK).max(MARGIN_MIN);
        }
    }

    /// The link is another one: what the server says next is of commands that went over the last one.
    pub(crate) fn resumed(&mut self, now: Time) {
        self.raised = now;
        self.slacks.clear();
    }

    /// The server's ticks stood still while the link was away: what was given out lies too far ahead, and the clock of it too.
    pub(crate) fn begin_anew(&mut self) {
        self.clock = SteadyClock::default();
        self.last = None;
    }

    /// A command for a tick that was given out cannot go.
    pub(crate) fn left_out(&mut self) {
        self.skipped += 1;
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

    fn is_calm(&self, second: u64) -> bool {
        self.slacks
            .front()
            .is_some_and(|(s, _)| s + CALM_S <= second)
            && self.slacks.iter().all(|(_, least)| *least > SLACK_HIGH)
    }
}
