//! Sessions that wait for their clients, and what becomes of those for which nobody comes in time.

use std::time::Duration;

use tickwire_client::State;
use tickwire_lab::{Faults, Lab, Running, profile, seeds};

use super::{games, s};

const WINDOW: Duration = s(2);

fn two(window: Duration) -> Running {
    let lab = Lab::with_letters("hello", games::hello).clients(2);
    let mut lab = lab.resume_window(window).start();
    lab.advance(s(5))
        .unwrap_or_else(|violation| panic!("{violation}"));
    lab
}

fn members(lab: &Running, client: usize) -> usize {
    lab.view(client).unwrap().members().len()
}

#[test]
fn who_is_away_for_longer_than_the_window_is_gone_and_comes_back_as_somebody_new() {
    let mut lab = two(WINDOW);
    lab.absent(0, s(6));
    lab.advance(WINDOW - Duration::from_millis(100)).unwrap();
    assert_eq!(members(&lab, 1), 2, "it is waited for");
    lab.advance(Duration::from_millis(300)).unwrap();
    assert_eq!(members(&lab, 1), 1, "and then no more");
    assert!(matches!(lab.client(0).state(), State::Away { .. }));
    let joined = lab.figures().joins;
    lab.advance(s(20)).unwrap();
    let figures = lab.figures();
    assert_eq!((figures.expired, figures.resumes), (1, 0), "{figures}");
    assert_eq!(figures.joins, joined + 1, "{figures}");
    lab.heal().unwrap();
    assert_eq!(members(&lab, 1), 2);
}

#[test]
fn who_is_away_for_less_goes_on() {
    let mut lab = two(s(20));
    lab.absent(0, s(6));
    lab.advance(s(20)).unwrap();
    let figures = lab.figures();
    assert_eq!((figures.expired, figures.resumes), (0, 1), "{figures}");
    assert_eq!(figures.joins, 2, "{figures}");
    lab.heal().unwrap();
}

/// Absences of about the length of the window, on links of each kind: some come just in time, some just too late.
#[test]
fn sessions_that_are_missed_by_a_moment_violate_nothing() {
    let faults = Faults {
        absences: 6.0,
        cuts: 4.0,
        moves: 2.0,
        ..Faults::NONE
    };
    let seen = seeds(0..60, s(40), |seed| {
        let link = profile::ALL[seed as usize % profile::ALL.len()];
        Lab::with_letters("hello", games::hello)
            .seed(seed)
            .clients(3)
            .link(link.polls((seed % 3) as f64 / 2.0))
            .faults(faults)
            .resume_window(s(1 + seed % 9))
    });
    let seen = seen.unwrap_or_else(|violation| panic!("{violation}"));
    println!("{seen}");
    assert!(seen.expired > 60, "{seen}");
}

#[test]
fn a_window_of_nothing_keeps_nobody() {
    let mut lab = two(Duration::ZERO);
    lab.absent(0, s(1));
    lab.advance(Duration::from_millis(300)).unwrap();
    assert_eq!(members(&lab, 1), 1);
    lab.advance(s(10)).unwrap();
    lab.heal().unwrap();
    let figures = lab.figures();
    assert_eq!((figures.resumes, figures.joins), (0, 3), "{figures}");
}
