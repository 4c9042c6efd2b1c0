//! A congestion window before links that are slow, become fast, or stall now and then: a model of each, with no chance in it.

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
    /// Updates, and `None`: a frame that only asks for a receipt.
    under_way: VecDeque<(f64, Option<Tick>)>,
    newest: Tick,
    /// When the client sent its last receipt, and the room its last frame.
    told: f64,
    made: u32,
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
            newest: Tick(0),
            told: 0.0,
            made: 0,
        }
    }

    /// The room makes an update at each tick; `stalls`: the link carries nothing then, and all that waited at once afterwards.
    fn run(&mut self, ticks: u32, stalls: impl Fn(u32) -> bool) -> Seen {
        let (mut seen, mut last) = (Seen::default(), f64::from(self.now));
        for _ in 0..ticks {
            self.now += 1;
            let now = f64::from(self.now);
            while let Some(&(at, update)) = self.under_way.front()
                && at <= now
                && !stalls(self.now)
            {
                self.under_way.pop_front();
                if let Some(tick) = update {
                    seen.ages.push(at - f64::from(tick.0));
                    seen.pauses.push(at - last);
                    (self.newest, last) = (tick, at);
                }
                // As a client that only listens does, and here on the next tick at the soonest.
                if !self.commands && at - self.told >= 3.75 {
                    self.told = at;
                    self.tell();
                }
            }
            if self.commands {
                self.tell();
            }
            self.make(now);
        }
        seen
    }

    fn tell(&mut self) {
        let now = Tick(self.now);
        self.window.held(now, self.newest, PACE, self.commands);
    }

    fn make(&mut self, now: f64) {
        let tick = Tick(self.now);
        let is_open = self.window.is_open(tick, PACE);
        if is_open {
            self.window.sent(tick, PACE);
            self.free = self.free.max(now) + self.each;
        } else {
            self.window.waited(tick);
        }
        if is_open || self.now - self.made >= 5 {
            let update = is_open.then_some(tick);
            self.under_way
                .push_back((self.free.max(now) + self.way, update));
            self.made = self.now;
        }
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
