//! The interpolation delay: how far behind the line of arrivals the picture must be, learned from what pictures would have needed.

use std::time::Duration;

use tickwire_proto::Time;

use crate::peaks::{BEYOND, Peaks};

/// The longest interpolation delay, in microseconds. Beyond it a late update is an underrun, not a reason to wait.
pub const DELAY_MAX: f64 = 2_000_000.0;

/// Underruns a second that are aimed at: one in two minutes, since what comes is not quite like what was.
const UNDERRUNS: f64 = 0.5 / 60.0;
/// In the very first seconds, when little is known and a page is busy loading, this part of an interval is added.
const NEW_S: u64 = 3;
const NEW_PART: f64 = 0.25;
/// With so many seconds of knowledge what was needed is believed though it is less than an interval: pictures may come when updates do.
const BELIEVED_S: usize = 10;
/// After an update that was too late to wait for, all that comes within this time was held up with it.
const BURST: Duration = Duration::from_millis(250);
/// Time for a picture to be drawn after the update came in, in microseconds.
const MARGIN_US: f64 = 1_000.0;

/// Learns how long pictures would have had to wait for updates, and says how long to wait from now on.
///
/// Of each second the longest wait counts. The six worst seconds of the last five minutes, the very worst left out, tell how the tail of these falls off;
/// the delay is where it should be reached once in two minutes. A way that became much better is believed after three quarters of a minute.
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
    peaks: Peaks,
    latest: Time,
    burst: Option<Time>,
    micros: f64,
}

impl Delay {
    /// A delay for updates that come every `floor_us`.
    pub fn new(floor_us: f64) -> Self {
        let mut delay = Self {
            floor_us: floor_us.clamp(0.0, DELAY_MAX),
            peaks: Peaks::default(),
            latest: Time(0),
            burst: None,
            micros: 0.0,
        };
        delay.settle();
        delay
    }

    /// Notes that up to `now`, when something new came, pictures would have needed a delay of `needed_us`.
    pub fn note(&mut self, now: Time, needed_us: f64) {
        self.latest = now;
        if needed_us > DELAY_MAX {
            self.burst = Some(now);
        }
        if self.burst.is_some_and(|at| now.since(at) <= BURST) {
            return; // a page that slept, a link that hung: no delay would have covered it
        }
        self.peaks.note(now, needed_us);
        self.peaks.believe_better(now, self.micros);
        self.settle();
    }

    /// The line of arrivals turned out to be earlier by so much (or later, below zero): all lateness was against it.
    pub fn shift(&mut self, earlier_us: f64) {
        self.peaks.shift(earlier_us);
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

    fn settle(&mut self) {
        let known = self.peaks.known(self.latest);
        let seconds = known.as_secs_f64().max(1.0);
        let needed = match self.peaks.tail() {
            Some(tail) => {
                let often = BEYOND as f64 / (seconds * UNDERRUNS);
                tail.level + tail.excess * libm::log(often).max(0.0)
            }
            None => self.peaks.greatest().unwrap_or(0.0),
        };
        let floor = match known {
            known if known <= Duration::from_secs(NEW_S) => self.floor_us * (1.0 + NEW_PART),
            _ if self.peaks.len() < BELIEVED_S => self.floor_us,
            _ => 0.0,
        };
        self.micros = (needed.max(floor) + MARGIN_US).clamp(0.0, DELAY_MAX);
    }
}
