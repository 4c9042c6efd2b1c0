//! The interpolation delay: how far behind the line of arrivals the picture must be, learned from how updates arrive.

use std::collections::VecDeque;
use std::time::Duration;

use tickwire_proto::Time;

/// The longest interpolation delay, in microseconds. Beyond it a late update is an underrun, not a reason to wait.
pub const DELAY_MAX: f64 = 1_000_000.0;

/// Seconds that are remembered. The second largest of them makes about one underrun a minute on a way that does not change.
const WINDOW_S: u64 = 90;
/// Up to this many seconds of knowledge the largest counts, later the second largest: one freak moment is not a rule.
const YOUNG_S: u64 = 10;
/// In the very first seconds, when little is known and a page is busy loading, this part of an interval is added.
const NEW_S: u64 = 3;
/// After an update that was too late to wait for, all that comes within this time was held up with it.
const BURST: Duration = Duration::from_millis(250);
const NEW_PART: f64 = 0.25;
/// Time for a picture to be drawn after the update came in, in microseconds.
const MARGIN_US: f64 = 1_000.0;

/// Learns from each update how long the picture would have had to wait for it, and says how long to wait from now on.
///
/// An update needs its own lateness, and the time over which the picture slides into it: from the last tick known
/// before it (which is why stillness is said) to its own.
///
/// ```
/// use tickwire_client::Delay;
/// use tickwire_proto::Time;
///
/// let mut delay = Delay::new(33_333.0);
/// delay.note(Time::from_millis(100), 33_333.0 + 12_000.0);
/// assert!(delay.micros() >= 45_333.0 && delay.micros() < 50_000.0);
/// ```
#[derive(Clone, Debug)]
pub struct Delay {
    floor_us: f64,
    seconds: VecDeque<(u64, f64)>,
    /// The first update that was noted, and the latest.
    span: Option<(Time, Time)>,
    burst: Option<Time>,
    micros: f64,
}

impl Delay {
    /// A delay that is never below the time between two updates, `floor_us`.
    pub fn new(floor_us: f64) -> Self {
        let mut delay = Self {
            floor_us: floor_us.clamp(0.0, DELAY_MAX),
            seconds: VecDeque::new(),
            span: None,
            burst: None,
            micros: 0.0,
        };
        delay.settle();
        delay
    }

    /// Notes an update that arrived at `now` and would have needed a delay of `needed_us`.
    pub fn note(&mut self, now: Time, needed_us: f64) {
        self.span = Some((self.span.map_or(now, |(first, _)| first), now));
        if needed_us > DELAY_MAX {
            self.burst = Some(now);
        }
        if self.burst.is_some_and(|at| now.since(at) <= BURST) {
            return; // a page that slept, a link that hung: no delay would have covered it
        }
        let second = now.0 / 1_000_000;
        match self.seconds.back_mut() {
            Some((s, most)) if *s >= second => *most = most.max(needed_us),
            _ => self.seconds.push_back((second, needed_us)),
        }
        while self
            .seconds
            .front()
            .is_some_and(|(s, _)| s + WINDOW_S < second)
        {
            self.seconds.pop_front();
        }
        self.settle();
    }

    /// The line of arrivals turned out to be earlier by so much (or later, below zero): all lateness was against it.
    pub fn shift(&mut self, earlier_us: f64) {
        for (_, most) in &mut self.seconds {
            *most = (*most + earlier_us).max(0.0);
        }
        self.settle();
    }

    /// The send interval changed.
    pub fn set_floor(&mut self, floor_us: f64) {
        self.floor_us = floor_us.clamp(0.0, DELAY_MAX);
        self.settle();
    }

    /// How far behind the line of arrivals the picture should be, in microseconds.
    pub fn micros(&self) -> f64 {
        self.micros
    }

    /// For how long there have been updates.
    fn known(&self) -> Duration {
        self.span
            .map_or(Duration::ZERO, |(first, latest)| latest.since(first))
    }

    fn settle(&mut self) {
        let new = if self.known() <= Duration::from_secs(NEW_S) {
            self.floor_us * NEW_PART
        } else {
            0.0
        };
        self.micros = (self.rank().max(self.floor_us + new) + MARGIN_US).min(DELAY_MAX);
    }

    fn rank(&self) -> f64 {
        let (mut first, mut second) = (0.0f64, 0.0f64);
        for &(_, most) in &self.seconds {
            if most > first {
                (first, second) = (most, first);
            } else if most > second {
                second = most;
            }
        }
        if self.known() <= Duration::from_secs(YOUNG_S) {
            first
        } else {
            second
        }
    }
}
