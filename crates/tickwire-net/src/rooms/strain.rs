//! What a room does that cannot keep up: fewer updates first, slower time last, and back again. It hears of each tick; no clock, no room.

use std::time::Duration;

use tickwire_proto::Time;

/// By level: an update where so many would have been, and the length of a tick in quarters of its own.
const LEVELS: [(u32, u32); 9] = [
    (1, 4),
    (2, 4),
    (3, 4),
    (4, 4),
    (4, 5),
    (4, 6),
    (4, 8),
    (4, 12),
    (4, 16),
];
/// Ticks are looked at together for so long, and so many of them; of ticks that take for ever, a few are enough.
const WINDOW: Duration = Duration::from_millis(500);
const WINDOW_TICKS: u32 = 8;
const WINDOW_TICKS_LEAST: u32 = 4;
/// A room is behind when so many more ticks are due as one ends: fewer it catches up on, as after each costly update.
const BEHIND: u32 = 3;
/// Of the time between two ticks, what a room may be expected to need where it is to go faster again.
const EASY: f64 = 0.7;
/// Calm windows before a step back.
const PATIENCE: u32 = 4;
/// The same where steps back have failed, at most.
const PATIENCE_MAX: u32 = 128;
/// A step back that is undone so soon has failed.
const RELAPSE: Duration = Duration::from_secs(10);

/// How a room goes on from now. Where that is slower, it leaves out what it is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// An update where so many would have been.
    pub(crate) thinned: u32,
    /// Microseconds of a tick.
    pub(crate) tick_us: u32,
}

/// One tick, as it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticked {
    pub(crate) due: Time,
    pub(crate) began: Time,
    pub(crate) ended: Time,
    /// Whether updates were made.
    pub(crate) sent: bool,
}

/// The strain of one room.
#[derive(Debug)]
pub(crate) struct Strain {
    /// Of a tick that is not slowed.
    tick_us: u32,
    level: usize,
    window: Window,
    /// Windows in a row in which the room kept up.
    calm: u32,
    patience: u32,
    /// When it went a step back last.
    eased: Option<Time>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    began: Option<Time>,
    /// Ticks that ended far behind.
    behind: u32,
    /// Ticks and microseconds of those with updates, and of the others.
    with: (u32, u64),
    without: (u32, u64),
}

impl Strain {
    pub(crate) fn new(tick_us: u32) -> Strain {
        Strain {
            tick_us: tick_us.max(1),
            level: 0,
            window: Window::default(),
            calm: 0,
            patience: PATIENCE,
            eased: None,
        }
    }

    /// How the room goes now.
    pub(crate) fn pace(&self) -> Pace {
        pace(self.tick_us, self.level)
    }

    /// Hears of a tick. How the room goes on, if that changes.
    pub(crate) fn ticked(&mut self, tick: Ticked) -> Option<Pace> {
        let own = Duration::from_micros(u64::from(self.pace().tick_us));
        let began = *self.window.began.get_or_insert(tick.began);
        self.window
            .add(tick, tick.ended >= tick.due.plus(own * BEHIND));
        let ticks = self.window.with.0 + self.window.without.0;
        let lasted = tick.ended.since(began);
        let is_long = ticks >= WINDOW_TICKS_LEAST && lasted >= own * WINDOW_TICKS * 2;
        if lasted < WINDOW || ticks < WINDOW_TICKS && !is_long {
            return None;
        }
        let window = std::mem::take(&mut self.window);
        let before = self.level;
        if window.behind * 2 >= ticks {
            self.calm = 0;
            self.worsen(tick.ended);
        } else if window.behind * 8 <= ticks && before > 0 {
            self.calm += 1;
            let needs = window.needs(pace(self.tick_us, before - 1));
            if self.calm >= self.patience && needs <= EASY {
                self.calm = 0;
                self.level -= 1;
                self.eased = Some(tick.ended);
            }
        } else {
            self.calm = 0;
        }
        (self.level != before).then(|| self.pace())
    }

    fn worsen(&mut self, now: Time) {
        if self.level + 1 == LEVELS.len() {
            return;
        }
        self.level += 1;
        let failed = self.eased.take().is_some_and(|at| now.since(at) < RELAPSE);
        self.patience = match failed {
            true => (self.patience * 2).min(PATIENCE_MAX),
            false => PATIENCE,
        };
    }
}

impl Window {
    fn add(&mut self, tick: Ticked, behind: bool) {
        self.behind += u32::from(behind);
        let kind = if tick.sent {
            &mut self.with
        } else {
            &mut self.without
        };
        kind.0 += 1;
        kind.1 += tick.ended.since(tick.began).as_micros() as u64;
    }

    /// The part of its time that the room needs at another pace, judged by these ticks.
    fn needs(&self, pace: Pace) -> f64 {
        let mean = |(ticks, us): (u32, u64)| (ticks > 0).then(|| us as f64 / f64::from(ticks));
        let (with, without) = (mean(self.with), mean(self.without));
        let with = with.or(without).unwrap_or(0.0);
        let without = without.unwrap_or(with);
        let share = 1.0 / f64::from(pace.thinned);
        (with * share + without * (1.0 - share)) / f64::from(pace.tick_us)
    }
}

/// Whether less is made at the second pace than at the first.
pub(crate) fn is_slower(from: Pace, to: Pace) -> bool {
    (to.tick_us, to.thinned) > (from.tick_us, from.thinned)
}

fn pace(tick_us: u32, level: usize) -> Pace {
    let (thinned, quarters) = LEVELS[level.min(LEVELS.len() - 1)];
    Pace {
        thinned,
        tick_us: (u64::from(tick_us) * u64::from(quarters) / 4).min(u64::from(u32::MAX)) as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK_US: u32 = 33_333;
    const SECOND: u64 = 1_000_000;

    /// A room on a worker of its own, driven as workers do: what was skipped, and every change with its time.
    struct Run {
        strain: Strain,
        pace: Pace,
        now: u64,
        due: u64,
        ticks: u32,
        skipped: u64,
        changes: Vec<(u64, Pace)>,
    }

    impl Run {
        fn new(tick_us: u32) -> Run {
            Run {
                strain: Strain::new(tick_us),
                pace: pace(tick_us, 0),
                now: 0,
                due: 0,
                ticks: 0,
                skipped: 0,
                changes: Vec::new(),
            }
        }

        /// For so long, `cost` telling what a step takes and what updates take beside it.
        fn go(&mut self, lasts: u64, cost: impl Fn(u64) -> (u64, u64)) {
            let end = self.now + lasts;
            while self.now < end {
                let began = self.due.max(self.now);
                let sent = self.ticks.is_multiple_of(self.pace.thinned);
                let (step, updates) = cost(began);
                self.now = began + step + if sent { updates } else { 0 };
                self.ticks += 1;
                let changed = self.strain.ticked(Ticked {
                    due: Time(self.due),
                    began: Time(began),
                    ended: Time(self.now),
                    sent,
                });
                let tick = u64::from(self.pace.tick_us);
                let next = self.due + tick;
                let skipped = (self.now.saturating_sub(next) / tick).saturating_sub(4);
                self.skipped += skipped;
                self.due = next + skipped * tick;
                if let Some(pace) = changed {
                    if is_slower(self.pace, pace) && self.due < self.now {
                        self.due = self.now;
                    }
                    self.pace = pace;
                    self.changes.push((self.now, pace));
                }
            }
        }

        fn skipped_in(&mut self, lasts: u64, cost: impl Fn(u64) -> (u64, u64)) -> u64 {
            let before = self.skipped;
            self.go(lasts, cost);
            self.skipped - before
        }
    }

    #[test]
    fn a_room_that_keeps_up_is_left_alone() {
        for share in [1, 30, 60, 90, 99] {
            let mut run = Run::new(TICK_US);
            let cost = u64::from(TICK_US) * share / 100;
            run.go(60 * SECOND, |_| (cost / 2, cost / 2));
            assert_eq!(run.changes, [], "{share} %");
        }
    }

    #[test]
    fn a_stall_now_and_then_changes_nothing() {
        let mut run = Run::new(TICK_US);
        run.go(60 * SECOND, |now| {
            let stalls = now % (3 * SECOND) < u64::from(TICK_US);
            (if stalls { 250_000 } else { 5_000 }, 1_000)
        });
        assert_eq!(run.changes, []);
    }

    #[test]
    fn costly_updates_become_fewer_and_time_stays_what_it_is() {
        let mut run = Run::new(TICK_US);
        run.go(10 * SECOND, |_| (10_000, 50_000));
        assert_eq!(run.skipped_in(60 * SECOND, |_| (10_000, 50_000)), 0);
        assert_eq!(run.pace.tick_us, TICK_US, "{:?}", run.changes);
        assert!((3..=4).contains(&run.pace.thinned), "{:?}", run.changes);
    }

    #[test]
    fn a_costly_step_slows_time_last_until_the_room_keeps_up() {
        let mut run = Run::new(TICK_US);
        run.go(15 * SECOND, |_| (60_000, 5_000));
        assert_eq!(run.skipped_in(60 * SECOND, |_| (60_000, 5_000)), 0);
        assert_eq!(run.pace.tick_us, TICK_US * 2);
        let thinned: Vec<u32> = run.changes.iter().map(|(_, pace)| pace.thinned).collect();
        assert_eq!(thinned[..3], [2, 3, 4], "updates first");
    }

    #[test]
    fn what_no_slowness_mends_stays_at_the_last_level() {
        let mut run = Run::new(TICK_US);
        run.go(60 * SECOND, |_| (SECOND, 0));
        assert_eq!(run.pace, pace(TICK_US, LEVELS.len() - 1));
        assert_eq!(run.changes.len(), LEVELS.len() - 1);
    }

    #[test]
    fn it_goes_back_step_by_step_when_the_load_is_gone() {
        let mut run = Run::new(TICK_US);
        run.go(15 * SECOND, |_| (60_000, 5_000));
        run.go(30 * SECOND, |_| (6_000, 1_000));
        assert_eq!(run.pace, pace(TICK_US, 0), "{:?}", run.changes);
        assert_eq!(run.skipped_in(30 * SECOND, |_| (6_000, 1_000)), 0);
    }

    /// Others want the worker as soon as this room goes faster again: a step back that fails is tried ever more rarely.
    #[test]
    fn it_does_not_swing() {
        let mut run = Run::new(TICK_US);
        let strained = std::cell::Cell::new(1);
        for _ in 0..60 * 30 {
            let thinned = strained.get();
            run.go(SECOND / 3, |_| match thinned {
                1 => (40_000, 0),
                _ => (10_000, 0),
            });
            strained.set(run.pace.thinned);
        }
        let minutes = run.now / (60 * SECOND);
        assert!(minutes >= 9, "{minutes}");
        let late = |(at, _): &&(u64, Pace)| *at > 2 * 60 * SECOND;
        let late = run.changes.iter().filter(late).count();
        assert!(late <= 24, "{late} changes in {minutes} minutes");
    }

    #[test]
    fn a_slow_beat_is_judged_by_as_many_ticks() {
        let mut run = Run::new(SECOND as u32);
        run.go(7 * SECOND, |_| (2 * SECOND, 0));
        assert_eq!(run.changes, []);
        run.go(20 * SECOND, |_| (2 * SECOND, 0));
        assert!(!run.changes.is_empty());
    }
}
