//! How many ticks may be in flight to one viewer, from its receipts: proof, where a link's writability is only a hint.

use std::collections::VecDeque;

use tickwire_proto::Tick;

use super::congestion::{Congestion, Way};
use super::extreme::Extreme;

/// Milliseconds that may always be in flight, as far as the link carries them.
pub const IN_FLIGHT_MS: u32 = 250;
/// Milliseconds beyond the least round trip that may always be in flight: what jitter adds, and what a stream needs to find out that a packet is lost.
const BEYOND_MS: u32 = 150;
/// On a link that may lose updates: what went so long before the next one, and is not told of, is taken for lost.
const LOST_MS: u32 = 150;
/// Updates in flight at most, whatever the round trip.
const IN_FLIGHT_MAX: usize = 256;
/// The least round trip is that of one to two times so long: by then a way that has become longer is known as it is.
const LEAST_MS: u32 = 10_000;
/// A round trip that the window follows at most: beyond it a link is a queue.
const ROUND_TRIP_MS_MAX: u32 = 2_000;

/// The ticks in flight to one viewer, and how many there may be.
#[derive(Debug)]
pub(crate) struct Window {
    /// Sent and not known to be held, by rising tick.
    sent: VecDeque<Tick>,
    /// Of late, from the time of sending to the receipt, in ticks.
    least: Extreme,
    congestion: Congestion,
    /// The least round trip of the link's heartbeats in the last minute; 0: not known.
    heartbeat_ms: u32,
    /// Ticks that were allowed when the last update was sent.
    bound: u32,
}

/// What a window needs to know of its room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub tick_us: u32,
    pub send_every: u32,
    /// The same for spectators: a multiple of it.
    pub watch_every: u32,
}

impl Pace {
    /// As many ticks as last at least so long.
    pub fn ticks(self, ms: u32) -> u32 {
        (u64::from(ms) * 1000).div_ceil(u64::from(self.tick_us.max(1))) as u32
    }
}

impl Window {
    pub fn new(now: Tick, pace: Pace) -> Window {
        Window {
            sent: VecDeque::new(),
            least: Extreme::least(pace.ticks(LEAST_MS)),
            congestion: Congestion::new(now, pace),
            heartbeat_ms: 0,
            bound: pace.ticks(IN_FLIGHT_MS),
        }
    }

    pub fn set_heartbeat(&mut self, least_ms: u32) {
        self.heartbeat_ms = least_ms.min(ROUND_TRIP_MS_MAX);
    }

    /// Whether an update of `now` may be sent: not more than K ticks would then be in flight, nor more updates than the link carries.
    pub fn is_open(&self, now: Tick, pace: Pace) -> bool {
        match self.sent.front() {
            None => true,
            Some(&oldest) => {
                now.since(oldest) <= self.allowed(now, pace)
                    && self.sent.len() < IN_FLIGHT_MAX
                    && self.congestion.is_open(self.sent.len())
            }
        }
    }

    /// An update was not sent, since the window is not open.
    pub fn waited(&mut self, now: Tick) {
        self.congestion.waited(now);
    }

    /// An update was sent.
    pub fn sent(&mut self, now: Tick, pace: Pace) {
        self.bound = self.allowed(now, pace);
        self.sent.push_back(now);
        self.congestion.sent();
    }

    /// On a link that may lose updates a full window is no proof of a queue: now and then it is taken for empty.
    pub fn forget_lost(&mut self, now: Tick, pace: Pace) {
        let newest = self.sent.back();
        if newest.is_some_and(|newest| now.since(*newest) >= pace.ticks(LOST_MS)) {
            self.sent.clear();
        }
    }

    /// Nothing is in flight any more: what was, went with a lost link, and another is another way. How long that is will be told; until then
    /// it is taken to be as long as the old one.
    pub fn forget(&mut self, now: Tick, pace: Pace) {
        *self = Window {
            heartbeat_ms: self.heartbeat_ms,
            ..Window::new(now, pace)
        };
    }

    /// A receipt: everything up to `held` has arrived. Whether it says something new and possible. `commands`: such clients send one with each.
    pub fn held(&mut self, now: Tick, held: Tick, pace: Pace, commands: bool) -> bool {
        let arrived = self.sent.iter().take_while(|&&tick| tick <= held).count();
        let last = self.sent.drain(..arrived).next_back();
        let trip = last
            .filter(|&last| last == held)
            .map(|last| now.since(last));
        if let Some(trip) = trip {
            self.least.add(now, trip);
        }
        if let (1.., Some(least)) = (arrived, self.least.get(now)) {
            let way = Way {
                least,
                allowed: self.allowed(now, pace),
                commands,
            };
            self.congestion
                .arrived(now, arrived as u32, trip, way, pace);
        }
        arrived > 0
    }

    /// Ticks from the oldest update in flight to the newest, and the bound when that was sent.
    pub fn in_flight(&self) -> (u32, u32) {
        let span = match (self.sent.front(), self.sent.back()) {
            (Some(&oldest), Some(&newest)) => newest.since(oldest),
            _ => 0,
        };
        (span, self.bound)
    }

    #[cfg(test)]
    pub fn is_wide(&self) -> bool {
        self.congestion.is_wide()
    }

    /// K: the least round trip of late and 150 ms, or a quarter of a second.
    fn allowed(&self, now: Tick, pace: Pace) -> u32 {
        let beyond = match self.heartbeat_ms {
            0 => 0,
            trip => trip + BEYOND_MS,
        };
        let least = self.least.get(now).unwrap_or_default();
        let least = least.min(pace.ticks(ROUND_TRIP_MS_MAX));
        pace.ticks(beyond.max(IN_FLIGHT_MS)).max(least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PACE: Pace = Pace {
        tick_us: 33_333,
        send_every: 1,
        watch_every: 6,
    };

    #[test]
    fn a_viewer_that_answers_nothing_gets_k_ticks() {
        let mut window = Window::new(Tick(0), PACE);
        let mut sent = 0;
        for tick in 100..200 {
            if window.is_open(Tick(tick), PACE) {
                window.sent(Tick(tick), PACE);
                sent += 1;
            }
        }
        assert_eq!(
            sent, 9,
            "250 ms are 8 ticks of 33 ms, from the first to the last"
        );
        assert_eq!(window.in_flight(), (8, 8));
    }

    #[test]
    fn after_a_pause_nothing_is_in_flight() {
        let mut window = Window::new(Tick(0), PACE);
        window.sent(Tick(5), PACE);
        assert!(window.held(Tick(7), Tick(5), PACE, true));
        assert!(window.is_open(Tick(100_000), PACE));
        assert!(!window.held(Tick(8), Tick(5), PACE, true), "nothing new");
        assert!(
            !window.held(Tick(8), Tick(u32::MAX), PACE, true),
            "nothing is in flight: ignored"
        );
    }

    #[test]
    fn a_long_way_is_allowed_its_round_trip() {
        let mut window = Window::new(Tick(0), PACE);
        window.set_heartbeat(600);
        assert_eq!(window.allowed(Tick(0), PACE), 23, "600 ms and 150 beyond");
        window.set_heartbeat(u32::MAX);
        assert_eq!(window.allowed(Tick(0), PACE), 65, "2.15 s at most");
    }

    proptest! {
        /// Whatever comes back and when, from the oldest in flight to the newest it is at most what was allowed.
        #[test]
        fn never_more_in_flight_than_allowed(steps in prop::collection::vec((0u8..4, 0u32..300, any::<bool>()), 1..600)) {
            let mut window = Window::new(Tick(0), PACE);
            let mut now = Tick(1);
            for (step, value, commands) in steps {
                match step {
                    0 | 1 => {
                        now = now.plus(1 + value / 290);
                        if window.is_open(now, PACE) {
                            window.sent(now, PACE);
                        }
                    }
                    2 => { window.held(now, now.minus(value % 40), PACE, commands); }
                    _ => { window.set_heartbeat(value * 3); }
                }
                let (span, bound) = window.in_flight();
                prop_assert!(span <= bound && bound <= PACE.ticks(ROUND_TRIP_MS_MAX + BEYOND_MS) + 3);
                prop_assert!(window.sent.len() <= IN_FLIGHT_MAX);
            }
        }
    }
}
