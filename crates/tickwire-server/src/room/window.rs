//! How many ticks may be in flight to one viewer, from its receipts: proof, where a link's writability is only a hint.

use std::collections::VecDeque;

use tickwire_proto::Tick;

/// Milliseconds that may always be in flight to a client whose link shows no standing queue.
pub const IN_FLIGHT_MS: u32 = 250;
/// Milliseconds beyond the least round trip that may always be in flight: what jitter adds, and what a stream needs to find out that a packet is lost.
const BEYOND_MS: u32 = 150;
/// A client that sends nothing else lets a receipt go after so long; a window below that would never open again.
const RECEIPT_MS: u32 = tickwire_proto::session::RECEIPTS_ALONE_MS as u32;
/// A queue of so many milliseconds in every receipt of the last second is a standing one.
const STANDING_MS: u32 = 60;
/// On a link that may lose updates: what went so long before the next one, and is not told of, is taken for lost.
const LOST_MS: u32 = 150;
/// Updates in flight at most, whatever the round trip.
const IN_FLIGHT_MAX: usize = 256;
/// A round trip that the window follows at most: beyond it a link is a queue.
const ROUND_TRIP_MS_MAX: u32 = 2_000;

/// The ticks in flight to one viewer, and how many there may be.
#[derive(Debug)]
pub(crate) struct Window {
    /// Sent and not known to be held, by rising tick.
    sent: VecDeque<Tick>,
    /// Of the last minute, from the time of sending to the receipt, in ticks.
    least: Least,
    /// The same of the last second.
    recent: Least,
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
    pub fn new(pace: Pace) -> Window {
        Window {
            sent: VecDeque::new(),
            least: Least::new(pace.ticks(30_000)),
            recent: Least::new(pace.ticks(500)),
            heartbeat_ms: 0,
            bound: pace.ticks(IN_FLIGHT_MS),
        }
    }

    pub fn set_heartbeat(&mut self, least_ms: u32) {
        self.heartbeat_ms = least_ms.min(ROUND_TRIP_MS_MAX);
    }

    /// Whether an update of `now` may be sent: not more than K ticks would then be in flight.
    pub fn is_open(&self, now: Tick, pace: Pace, commands: bool) -> bool {
        match self.sent.front() {
            None => true,
            Some(&oldest) => {
                now.since(oldest) <= self.allowed(now, pace, commands)
                    && self.sent.len() < IN_FLIGHT_MAX
            }
        }
    }

    /// An update was sent.
    pub fn sent(&mut self, now: Tick, pace: Pace, commands: bool) {
        self.bound = self.allowed(now, pace, commands);
        self.sent.push_back(now);
    }

    /// On a link that may lose updates a full window is no proof of a queue: now and then it is taken for empty.
    pub fn forget_lost(&mut self, now: Tick, pace: Pace) {
        let newest = self.sent.back();
        if newest.is_some_and(|newest| now.since(*newest) >= pace.ticks(LOST_MS)) {
            self.sent.clear();
        }
    }

    /// Nothing is in flight any more: what was, went with a lost link.
    pub fn forget(&mut self) {
        self.sent.clear();
    }

    /// A receipt: everything up to `held` has arrived. Whether it says something new and possible.
    pub fn held(&mut self, now: Tick, held: Tick) -> bool {
        let arrived = self.sent.iter().take_while(|&&tick| tick <= held).count();
        let last = self.sent.drain(..arrived).next_back();
        let Some(last) = last.filter(|&last| last == held) else {
            return arrived > 0;
        };
        let trip = now.since(last);
        self.least.add(now, trip);
        self.recent.add(now, trip);
        true
    }

    /// Ticks from the oldest update in flight to the newest, and the bound when that was sent.
    pub fn in_flight(&self) -> (u32, u32) {
        let span = match (self.sent.front(), self.sent.back()) {
            (Some(&oldest), Some(&newest)) => newest.since(oldest),
            _ => 0,
        };
        (span, self.bound)
    }

    /// K: the least round trip of the last minute and 150 ms, or a quarter of a second; less where receipts show a standing queue.
    fn allowed(&self, now: Tick, pace: Pace, commands: bool) -> u32 {
        let beyond = match self.heartbeat_ms {
            0 => 0,
            trip => trip + BEYOND_MS,
        };
        let full = pace.ticks(beyond.max(IN_FLIGHT_MS));
        let (Some(least), Some(recent)) = (self.least.get(now), self.recent.get(now)) else {
            return full;
        };
        let least = least.min(pace.ticks(ROUND_TRIP_MS_MAX));
        if recent <= least + pace.ticks(STANDING_MS).max(pace.send_every) {
            return full.max(least);
        }
        // Enough to keep the link busy, and for a receipt to come back: with the commands, or after its pause.
        let pause = if commands { 0 } else { pace.ticks(RECEIPT_MS) };
        (least + pause + 2 * pace.send_every).min(full.max(least))
    }
}

/// The least of a span of ticks: of two halves, so that an old one is forgotten.
#[derive(Debug)]
struct Least {
    half: u32,
    /// The number of the current half, its least, and the least of the one before.
    at: u32,
    current: Option<u32>,
    before: Option<u32>,
}

impl Least {
    fn new(half: u32) -> Least {
        Least {
            half: half.max(1),
            at: 0,
            current: None,
            before: None,
        }
    }

    fn add(&mut self, now: Tick, value: u32) {
        let at = now.0 / self.half;
        if at != self.at {
            self.before = self.current.take().filter(|_| at == self.at + 1);
            self.at = at;
        }
        self.current = Some(self.current.map_or(value, |least| least.min(value)));
    }

    fn get(&self, now: Tick) -> Option<u32> {
        match (now.0 / self.half).wrapping_sub(self.at) {
            0 => self.current.into_iter().chain(self.before).min(),
            1 => self.current,
            _ => None,
        }
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
        let mut window = Window::new(PACE);
        let mut sent = 0;
        for tick in 100..200 {
            if window.is_open(Tick(tick), PACE, false) {
                window.sent(Tick(tick), PACE, false);
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
        let mut window = Window::new(PACE);
        window.sent(Tick(5), PACE, false);
        assert!(window.held(Tick(7), Tick(5)));
        assert!(window.is_open(Tick(100_000), PACE, false));
        assert!(!window.held(Tick(8), Tick(5)), "nothing new");
        assert!(
            !window.held(Tick(8), Tick(u32::MAX)),
            "nothing is in flight: ignored"
        );
    }

    #[test]
    fn a_long_way_is_allowed_its_round_trip() {
        let mut window = Window::new(PACE);
        window.set_heartbeat(600);
        assert_eq!(
            window.allowed(Tick(0), PACE, true),
            23,
            "600 ms and 150 beyond"
        );
        window.set_heartbeat(u32::MAX);
        assert_eq!(window.allowed(Tick(0), PACE, true), 65, "2.15 s at most");
    }

    #[test]
    fn a_standing_queue_narrows_the_window_and_its_end_widens_it() {
        let mut window = Window::new(PACE);
        let trip = |window: &mut Window, tick: u32, way: u32| {
            window.sent(Tick(tick), PACE, true);
            window.held(Tick(tick + way), Tick(tick));
        };
        (0..30).for_each(|tick| trip(&mut window, tick, 2));
        assert_eq!(window.allowed(Tick(32), PACE, true), 8);
        (32..80).for_each(|tick| trip(&mut window, tick, 8));
        assert_eq!(
            window.allowed(Tick(88), PACE, true),
            4,
            "the way and two send intervals"
        );
        assert_eq!(
            window.allowed(Tick(88), PACE, false),
            8,
            "and the pause of a client that only listens"
        );
        (90..130).for_each(|tick| trip(&mut window, tick, 2));
        assert_eq!(window.allowed(Tick(132), PACE, true), 8);
    }

    proptest! {
        /// Whatever comes back and when, from the oldest in flight to the newest it is at most what was allowed.
        #[test]
        fn never_more_in_flight_than_allowed(steps in prop::collection::vec((0u8..4, 0u32..300, any::<bool>()), 1..600)) {
            let mut window = Window::new(PACE);
            let mut now = Tick(1);
            for (step, value, commands) in steps {
                match step {
                    0 | 1 => {
                        now = now.plus(1 + value / 290);
                        if window.is_open(now, PACE, commands) {
                            window.sent(now, PACE, commands);
                        }
                    }
                    2 => { window.held(now, now.minus(value % 40)); }
                    _ => { window.set_heartbeat(value * 3); }
                }
                let (span, bound) = window.in_flight();
                prop_assert!(span <= bound && bound <= PACE.ticks(ROUND_TRIP_MS_MAX + BEYOND_MS) + 3);
                prop_assert!(window.sent.len() <= IN_FLIGHT_MAX);
            }
        }
    }
}
