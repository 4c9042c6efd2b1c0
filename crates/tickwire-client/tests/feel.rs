//! How clock, delay and lead behave on ways that delay, jitter and stall: simulated arrivals, no updates in them.

use std::time::Duration;

use tickwire_client::{ArrivalLine, CommandLead, Delay, SteadyClock};
use tickwire_proto::{Tick, Time};

const TICK_US: f64 = 33_333.0;
const TICK: Duration = Duration::from_micros(33_333);

/// A small generator: tests must not depend on one that may change.
struct Chance(u64);

impl Chance {
    fn unit(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// One way in milliseconds, with jitter and loss.
struct Way {
    name: &'static str,
    delay: f64,
    jitter: f64,
    loss: f64,
}

const WAYS: [Way; 6] = [
    Way {
        name: "fiber",
        delay: 10.0,
        jitter: 1.0,
        loss: 0.0,
    },
    Way {
        name: "broadband",
        delay: 32.0,
        jitter: 12.0,
        loss: 0.02,
    },
    Way {
        name: "congested",
        delay: 50.0,
        jitter: 50.0,
        loss: 0.01,
    },
    Way {
        name: "4G",
        delay: 100.0,
        jitter: 20.0,
        loss: 0.04,
    },
    Way {
        name: "5G",
        delay: 30.0,
        jitter: 20.0,
        loss: 0.04,
    },
    Way {
        name: "3.5G",
        delay: 160.0,
        jitter: 30.0,
        loss: 0.06,
    },
];

/// When the update of each tick arrives, in microseconds: in order, behind what is resent.
fn arrivals(way: &Way, seed: u64, ticks: u32) -> Vec<f64> {
    let mut chance = Chance(seed);
    let mut last = 0.0f64;
    (0..ticks)
        .map(|tick| {
            let sent = f64::from(tick) * TICK_US + 1_000_000.0;
            let delay = (way.delay + chance.normal() * way.jitter / 2.0).max(way.delay * 0.3);
            let lost = chance.unit() < way.loss;
            let resent = if lost { 2.0 * way.delay + 25.0 } else { 0.0 };
            last = last.max(sent + (delay + resent) * 1_000.0);
            last
        })
        .collect()
}

/// What each update would have needed: its lateness against the earliest, and one interval.
fn needs(arrivals: &[f64]) -> Vec<f64> {
    let due = |tick: usize| tick as f64 * TICK_US;
    let base = arrivals
        .iter()
        .enumerate()
        .map(|(tick, at)| at - due(tick))
        .fold(f64::INFINITY, f64::min);
    arrivals
        .iter()
        .enumerate()
        .map(|(tick, at)| at - due(tick) - base + TICK_US)
        .collect()
}

/// The smallest constant delay with at most one underrun a minute.
fn oracle(needs: &[f64]) -> f64 {
    let mut sorted = needs.to_vec();
    sorted.sort_by(f64::total_cmp);
    let minutes = needs.len() / (30 * 60);
    // a stall makes several updates late and one underrun: count those that begin one
    for candidate in sorted.iter().rev().copied().collect::<Vec<_>>().windows(2) {
        let begins = (1..needs.len())
            .filter(|i| needs[*i] > candidate[1] && needs[i - 1] <= candidate[1])
            .count();
        if begins > minutes {
            return candidate[0];
        }
    }
    sorted[0]
}

/// Draws at 60 pictures a second; the mean delay after 10 s, and underruns.
fn play(arrivals: &[f64]) -> (f64, usize) {
    let (mut line, mut delay, mut clock) = (
        ArrivalLine::new(TICK),
        Delay::new(TICK_US),
        SteadyClock::default(),
    );
    let (mut newest, mut next, mut waiting, mut underruns) = (-1.0f64, 0usize, false, 0);
    let (mut sum, mut count, mut before) = (0.0, 0u32, f64::NEG_INFINITY);
    let end = *arrivals.last().unwrap();
    let mut at = arrivals[0];
    while at < end {
        while next < arrivals.len() && arrivals[next] <= at {
            let (known, before) = (!line.is_empty(), line.tick_at(Time(at as u64)));
            let late = line.arrived(Time(arrivals[next] as u64), Tick(next as u32));
            if known {
                delay.shift((line.tick_at(Time(at as u64)) - before) * TICK_US);
            }
            if newest >= 0.0 {
                delay.note(Time(arrivals[next] as u64), late + TICK_US);
            }
            newest = next as f64;
            next += 1;
        }
        let now = Time(at as u64);
        let target = line.tick_at(now) - delay.micros() / TICK_US;
        clock.advance(now, target, TICK_US);
        let late = clock.tick() > newest;
        if late {
            clock.hold(newest);
        }
        if at > arrivals[0] + 10e6 {
            underruns += usize::from(late && !waiting);
            sum += (line.tick_at(now) - clock.tick()) * TICK_US;
            count += 1;
        }
        waiting = late;
        assert!(clock.tick() >= before, "never back");
        before = clock.tick();
        at += 1e6 / 60.0;
    }
    (sum / f64::from(count), underruns)
}

#[test]
fn the_delay_stays_near_the_best_constant_one_with_few_underruns() {
    for way in &WAYS {
        let (mut ratio, mut rate) = (0.0, 0.0);
        for seed in 1..=3 {
            let arrivals = arrivals(way, seed, 30 * 600);
            let best = oracle(&needs(&arrivals));
            let (mean, underruns) = play(&arrivals);
            ratio += mean / best / 3.0;
            rate += underruns as f64 / 9.83 / 3.0;
        }
        println!(
            "{}: {ratio:.2} x the best constant delay, {rate:.2} underruns a minute",
            way.name
        );
        assert!(ratio <= 1.5, "{}: {ratio}", way.name);
        assert!(rate <= 2.0, "{}: {rate}", way.name);
    }
}

#[test]
fn the_clock_slews_between_95_and_105_percent_and_never_goes_back() {
    for way in &WAYS {
        let arrivals = arrivals(way, 7, 30 * 120);
        let (mut line, mut clock, mut next) = (ArrivalLine::new(TICK), SteadyClock::default(), 0);
        let mut before = f64::NEG_INFINITY;
        for frame in 0..60 * 115 {
            let at = arrivals[0] + f64::from(frame) * 1e6 / 60.0;
            while arrivals[next] <= at {
                line.arrived(Time(arrivals[next] as u64), Tick(next as u32));
                next += 1;
            }
            let now = Time(at as u64);
            clock.advance(now, line.tick_at(now) - 3.0, TICK_US);
            assert!(clock.tick() >= before);
            before = clock.tick();
            if frame > 600 {
                assert!(
                    (0.95..=1.05).contains(&clock.speed()),
                    "{} {}",
                    way.name,
                    clock.speed()
                );
                let error = (clock.tick() + 3.0 - line.tick_at(now)).abs();
                assert!(error < 0.5, "{} {error}", way.name);
            }
        }
    }
}

#[test]
fn after_a_long_pause_the_clock_is_where_it_belongs_and_did_not_race() {
    let mut clock = SteadyClock::default();
    clock.advance(Time(0), 100.0, TICK_US);
    clock.advance(Time(600_000_000), 100.0 + 600e6 / TICK_US + 0.3, TICK_US);
    let expected = 100.0 + 600e6 / TICK_US + 0.3;
    assert!((clock.tick() - expected).abs() < 1e-6, "{}", clock.tick());
    // far behind: forward at once. Far ahead: it stands, and does not go back
    clock.advance(Time(600_010_000), expected + 200.0, TICK_US);
    assert!((clock.tick() - expected - 200.0).abs() < 1e-6);
    let here = clock.tick();
    clock.advance(Time(600_020_000), 0.0, TICK_US);
    assert!(clock.tick() >= here && clock.tick() < here + 0.01);
}

#[test]
fn a_server_that_skips_ticks_moves_the_line() {
    let mut line = ArrivalLine::new(TICK);
    let at = |tick: u32, late: f64| Time((f64::from(tick) * TICK_US + 1e6 + late) as u64);
    for tick in 0..300 {
        assert!(line.arrived(at(tick, 0.0), Tick(tick)) < 2.0);
    }
    // two seconds are lost for good: all that comes is later by that
    let late: Vec<f64> = (300..600)
        .map(|tick| line.arrived(at(tick, 2e6), Tick(tick)))
        .collect();
    assert!(late[0] > 1.9e6);
    assert!(late[120..].iter().all(|late| *late < 2.0), "{late:?}");
}

/// Commands on their way to a server that needs each at its tick; it says how early the worst was of those that came since the tick before.
fn talk(way: &Way, seed: u64) -> (f64, f64) {
    let mut chance = Chance(seed);
    let mut lead = CommandLead::new(TICK, Time(0));
    let rtt = Duration::from_micros((way.delay * 2_000.0) as u64);
    let mut on_the_way: Vec<(f64, u32)> = Vec::new();
    let mut slacks: Vec<(f64, u32, i8)> = Vec::new();
    let (mut missing, mut slack_sum, mut told, mut last_arrival) = (0u32, 0.0, 0u32, 0.0f64);
    let mut arrived = std::collections::BTreeSet::new();
    let ticks = 30 * 300;
    for tick in 0..ticks {
        let due = f64::from(tick) * TICK_US + 1e6;
        // the client, four times a tick
        for part in 0..4 {
            let at = due - TICK_US + f64::from(part) * TICK_US / 4.0;
            slacks.retain(|(arrives, tick, slack)| {
                let here = *arrives <= at;
                if here {
                    lead.slack(Time(at as u64), Tick(*tick), *slack);
                }
                !here
            });
            let line = (at - 1e6 - way.delay * 1_000.0) / TICK_US;
            lead.advance(Time(at as u64), line, rtt);
            while let Some(command) = lead.take() {
                let delay = (way.delay + chance.normal() * way.jitter / 2.0).max(way.delay * 0.3);
                let resent = if chance.unit() < way.loss {
                    2.0 * way.delay + 25.0
                } else {
                    0.0
                };
                last_arrival = last_arrival.max(at + (delay + resent) * 1_000.0);
                on_the_way.push((last_arrival, command.0));
            }
        }
        let mut worst: Option<i64> = None;
        on_the_way.retain(|(arrives, command)| {
            let here = *arrives <= due;
            if here {
                arrived.insert(*command);
                let slack = i64::from(*command) - i64::from(tick);
                worst = Some(worst.map_or(slack, |worst| worst.min(slack)));
            }
            !here
        });
        if let Some(worst) = worst {
            let slack = worst.clamp(-127, 127) as i8;
            slacks.push((due + way.delay * 1_000.0, tick, slack));
            if tick > 300 {
                slack_sum += f64::from(slack);
                told += 1;
            }
        }
        if tick > 300 {
            missing += u32::from(!arrived.contains(&tick));
        }
    }
    (f64::from(missing) / 4.83, slack_sum / f64::from(told))
}

#[test]
fn commands_arrive_in_time_and_not_much_earlier() {
    for way in &WAYS {
        let (missing, slack) = talk(way, 11);
        println!(
            "{}: {missing:.2} missing a minute, {slack:.1} ticks early",
            way.name
        );
        assert!(slack < 16.0, "{}: {slack}", way.name);
        assert!(missing <= 2.0, "{}: {missing}", way.name);
    }
}

#[test]
fn each_tick_is_asked_for_once_and_a_pause_is_not_caught_up() {
    let mut lead = CommandLead::new(TICK, Time(0));
    let rtt = Duration::from_millis(40);
    let mut asked: Vec<u32> = Vec::new();
    for step in 0..1_000u64 {
        // 7 ms steps; a page that sleeps for ten seconds in between
        let at = step * 7_000 + if step > 500 { 10_000_000 } else { 0 };
        lead.advance(Time(at), at as f64 / TICK_US, rtt);
        let before = asked.len();
        asked.extend(std::iter::from_fn(|| lead.take()).map(|tick| tick.0));
        assert!(asked.len() - before <= 4);
    }
    assert!(asked.windows(2).all(|pair| pair[0] < pair[1]));
    let jumps = asked
        .windows(2)
        .filter(|pair| pair[1] > pair[0] + 1)
        .count();
    assert_eq!(jumps, 1, "only the sleep is left out");
    assert!(lead.skipped() > 250);
    let due = lead.next_due().expect("known");
    assert!(due.0 <= 999 * 7_000 + 10_000_000 + 34_000);
}
