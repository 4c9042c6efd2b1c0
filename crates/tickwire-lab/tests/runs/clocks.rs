//! Clients whose clock is not like the server's, whose way becomes longer, or whose machine sleeps: they are right again soon, and told what they lost.

use super::{games, s, sound};
use std::time::Duration;
use tickwire_lab::{Lab, Profile, Recording, Running, Said, Shown, profile};

const LANES: [(&str, Profile); 2] = [
    ("in order", profile::BROADBAND),
    ("datagrams", profile::BROADBAND.datagrams()),
];

fn recorded(link: Profile) -> Running {
    let mut lab = Lab::new("hello", games::hello)
        .clients(2)
        .link(link)
        .record()
        .start();
    lab.advance(s(10)).unwrap();
    lab
}

/// What the first client showed and said since the last so many seconds.
fn last(lab: &Running, seconds: u64) -> (&[Shown], &[Said]) {
    let recording: &Recording = lab.recording(0).unwrap();
    let from = lab.now() - s(seconds);
    let shown = recording.shown.partition_point(|it| it.at < from);
    let said = recording.said.partition_point(|it| it.at < from);
    (&recording.shown[shown..], &recording.said[said..])
}

/// The error of the clock in ticks that 95 % of the pictures keep within, and the part of the commands that came in time.
fn fared(lab: &Running, seconds: u64) -> (f64, f64) {
    let (shown, said) = last(lab, seconds);
    let mut errors: Vec<f64> = shown
        .iter()
        .map(|it| (it.estimate - it.truth).abs())
        .collect();
    errors.sort_by(f64::total_cmp);
    // What was just said is on its way.
    let said = &said[..said.len().saturating_sub(15)];
    let in_time = said.iter().filter(|it| it.is_in_time()).count();
    (
        errors[errors.len() * 95 / 100],
        in_time as f64 / said.len().max(1) as f64,
    )
}

fn never_back(lab: &Running) {
    let shown = &lab.recording(0).unwrap().shown;
    let back = shown.windows(2).find(|it| it[1].picture < it[0].picture);
    assert!(back.is_none(), "a picture went back: {back:?}");
}

#[test]
fn a_clock_that_runs_fast_or_slow_is_followed() {
    for (lane, link) in LANES {
        for rate in [0.9, 1.1, 0.999, 1.001] {
            let mut lab = recorded(link);
            lab.clock_rate(0, rate);
            lab.advance(s(60)).unwrap();
            let (error, in_time) = fared(&lab, 40);
            let pictures = last(&lab, 40).0.len();
            println!(
                "{lane} at {rate}: {error:.2} ticks, {in_time:.3} in time, {pictures} pictures"
            );
            never_back(&lab);
            // By a clock that is a tenth off the earliest arrivals of some seconds are the line, and half a second of ticks is what they differ by. Pictures
            // and commands follow arrivals and slack, and are well.
            let most = if (rate - 1.0f64).abs() > 0.01 {
                25.0
            } else {
                1.0
            };
            assert!(error < most, "{lane} at {rate}: {error} ticks");
            assert!(in_time > 0.9, "{lane} at {rate}: {in_time} in time");
            lab.clock_rate(0, 1.0);
            lab.advance(s(60)).unwrap();
            let (error, in_time) = fared(&lab, 10);
            assert!(
                error < 1.0 && in_time > 0.97,
                "{lane} at {rate}: {error}, {in_time} after"
            );
            lab.heal().unwrap();
        }
    }
}

#[test]
fn a_clock_that_leaps_an_hour_costs_a_moment() {
    for (lane, link) in LANES {
        let mut lab = recorded(link);
        lab.clock_leap(0, s(3_600));
        lab.advance(s(20)).unwrap();
        let (error, in_time) = fared(&lab, 5);
        println!("{lane}: {error:.2} ticks, {in_time:.3} in time");
        assert!(error < 1.0 && in_time > 0.95, "{lane}: {error}, {in_time}");
        never_back(&lab);
        assert_eq!(lab.figures().joins, 2, "{lane}: its session goes on");
        lab.heal().unwrap();
    }
}

#[test]
fn a_way_that_becomes_longer_is_noticed() {
    for (lane, link) in LANES {
        let mut lab = recorded(link);
        let mut longer = link;
        longer.delay += Duration::from_millis(100);
        lab.set_link(0, longer);
        lab.advance(s(100)).unwrap();
        let (error, in_time) = fared(&lab, 15);
        println!("{lane}: {error:.2} ticks, {in_time:.3} in time");
        assert!(error < 1.0 && in_time > 0.97, "{lane}: {error}, {in_time}");
        never_back(&lab);
        lab.set_link(0, link);
        lab.advance(s(100)).unwrap();
        let (error, in_time) = fared(&lab, 15);
        assert!(
            error < 1.0 && in_time > 0.97,
            "{lane}: {error}, {in_time} back"
        );
        lab.heal().unwrap();
    }
}

#[test]
fn a_machine_that_slept_is_back_in_its_seat_or_told_why_not() {
    for (lane, link) in LANES {
        for (slept, goes_on) in [
            (3, true),
            (3, false),
            (20, true),
            (20, false),
            (90, true),
            (90, false),
        ] {
            let mut lab = recorded(link);
            lab.sleep(0, s(slept), goes_on);
            lab.advance(s(slept + 25)).unwrap();
            let (error, in_time) = fared(&lab, 5);
            let joins = lab.figures().joins;
            println!(
                "{lane}, {slept} s, {goes_on}: {error:.2} ticks, {in_time:.3} in time, {joins} joins"
            );
            assert!(
                error < 1.0 && in_time > 0.95,
                "{lane}, {slept} s: {error}, {in_time}"
            );
            // Sessions wait for 30 s.
            assert_eq!(joins, if slept > 30 { 3 } else { 2 }, "{lane}, {slept} s");
            lab.heal().unwrap();
        }
    }
}

/// The same clocks in the same storm are the same run.
#[test]
fn clocks_belong_to_the_seed() {
    let run = || {
        let mut lab = recorded(profile::FIVE_G.datagrams());
        lab.clock_rate(0, 1.05);
        lab.sleep(1, s(4), false);
        lab.advance(s(10)).unwrap();
        lab.heal().unwrap();
        sound(Ok(lab)).trace_hash()
    };
    assert_eq!(run(), run());
}
