//! Sessions that two links claim at once, and a server that stands still for a while: nobody loses a session by it.

use tickwire_lab::{Faults, Lab, profile};

use super::{games, s, sound};

#[test]
fn a_session_that_two_links_claim_at_once_goes_on() {
    let faults = Faults {
        cuts: 20.0,
        ..Faults::NONE
    };
    let mut resumes = 0;
    for seed in 0..40 {
        let link = profile::ALL[seed as usize % profile::ALL.len()];
        let lab = Lab::with_letters("hello", games::hello)
            .seed(seed)
            .clients(3)
            .link(link.polls((seed % 3) as f64 / 2.0))
            .faults(faults)
            .races(0.5);
        let figures = sound(lab.run(s(30))).figures();
        assert_eq!(figures.joins, 3, "seed {seed}: all resumed: {figures}");
        resumes += figures.resumes;
    }
    assert!(resumes > 300, "{resumes} resumes");
}

#[test]
fn a_server_that_stands_still_loses_nobody_and_nothing() {
    let mut lab = Lab::with_letters("hello", games::hello).clients(3).start();
    lab.advance(s(5)).unwrap();
    for _ in 0..5 {
        let before = lab.truth(0).unwrap().tick;
        lab.stall_server(s(3));
        lab.cut(0);
        lab.advance(s(2)).unwrap();
        assert!(lab.truth(0).unwrap().tick <= before, "no tick meanwhile");
        lab.advance(s(6)).unwrap();
    }
    let figures = lab.figures();
    assert_eq!((figures.joins, figures.resumes), (3, 5), "{figures}");
    lab.heal().unwrap();
}
