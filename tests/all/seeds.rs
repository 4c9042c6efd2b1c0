//! Seeds: whole servers and clients over bad links in virtual time, as many as some minutes hold; `TICKWIRE_SEEDS_SECONDS=3600` gives them an hour,
//! `TICKWIRE_SEEDS=1000` runs so many, from `TICKWIRE_SEED` on.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use arena::{Options, arena};
use tickwire::prelude::{Game, Profile as CodecProfile};
use tickwire_client::State;
use tickwire_lab::{Faults, Lab, Profile, Running, Violation, profile, seeds, storm};

use crate::games::hello;

/// What the storms of a run may take, unless the environment says otherwise; the other tests here take about a minute.
const SECONDS: u64 = 200;
/// Storms on however slow a machine.
const SEEDS_LEAST: u64 = 24;
/// What each has of virtual time, before the links heal and all must agree.
const SPAN: Duration = Duration::from_secs(12);

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}

/// The real arena, with its computer players, or the dots of hello, with either codec; every storm is another.
fn weather(seed: u64) -> Lab {
    if seed.is_multiple_of(2) {
        storm("arena", coded(seed, arena(Options::default())), seed)
    } else {
        storm("hello", coded(seed, hello), seed)
    }
}

/// A game whose updates are coded by either codec, by the seed.
fn coded(
    seed: u64,
    game: impl Fn(&mut Game) + Send + Sync + 'static,
) -> impl Fn(&mut Game) + Send + Sync + 'static {
    let profiles = [CodecProfile::Dense, CodecProfile::Fast];
    move |book| {
        game(book);
        book.codec(profiles[(seed / 2 % 2) as usize]);
    }
}

/// Past the test harness, which would keep it for failures.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[track_caller]
fn sound<T>(outcome: Result<T, Box<Violation>>) -> T {
    outcome.unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn storms_of_many_seeds_violate_nothing() {
    let (first, count) = (
        number("TICKWIRE_SEED").unwrap_or(1),
        number("TICKWIRE_SEEDS"),
    );
    let span = Duration::from_secs(number("TICKWIRE_SEEDS_SECONDS").unwrap_or(SECONDS));
    let began = Instant::now();
    let goes_on = |seed: &u64| match (seed - first, count) {
        (ran, Some(count)) => ran < count,
        (ran, None) => ran < SEEDS_LEAST || began.elapsed() < span,
    };
    let seen = sound(seeds((first..).take_while(goes_on), SPAN, weather));
    assert!(seen.checks > seen.runs * 100, "{seen}");
    let seconds = began.elapsed().as_secs();
    tell(&format!(
        "storms from seed {first} on, {seconds} s of them: {seen}"
    ));
}

/// One kind of trouble and nothing else, on a link of each profile.
fn trouble(kind: &str, link: Profile, seed: u64) -> Lab {
    let (link, faults) = match kind {
        "cuts" => (
            link,
            Faults {
                cuts: 12.0,
                ..Faults::NONE
            },
        ),
        "half-open links" => (
            link,
            Faults {
                half_open: 4.0,
                ..Faults::NONE
            },
        ),
        "a proxy that buffers" => (
            link.bandwidth(25_000).proxy(4 << 20),
            Faults {
                stalls: 12.0,
                ..Faults::NONE
            },
        ),
        "polls that are cut" => (
            link.polls(1.0),
            Faults {
                cuts: 12.0,
                stalls: 6.0,
                ..Faults::NONE
            },
        ),
        "moves between links of both kinds" => (
            link.polls(0.5),
            Faults {
                moves: 20.0,
                cuts: 3.0,
                half_open: 2.0,
                ..Faults::NONE
            },
        ),
        _ => (link, Faults::NONE),
    };
    let lab = if seed.is_multiple_of(2) {
        Lab::new("arena", coded(seed, arena(Options::default())))
    } else {
        Lab::new("hello", coded(seed, hello))
    };
    lab.seed(seed).clients(3).link(link).faults(faults)
}

#[test]
fn each_trouble_on_each_profile_violates_nothing() {
    let troubles = [
        "cuts",
        "half-open links",
        "a proxy that buffers",
        "polls that are cut",
        "moves between links of both kinds",
    ];
    let mut runs = 0;
    for (kind, link) in troubles
        .into_iter()
        .flat_map(|kind| profile::ALL.map(|link| (kind, link)))
    {
        runs += 1;
        let run: Running = match trouble(kind, link, runs).run(SPAN) {
            Ok(run) => run,
            Err(violation) => panic!("{kind} on {}: {violation}", link.name),
        };
        let figures = run.figures();
        assert!(figures.checks > 50, "{kind} on {}: {figures}", link.name);
    }
    tell(&format!("{runs} runs of one trouble each: 0 violations"));
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [2, 3] {
        let run = |seed| sound(weather(seed).run(SPAN)).trace_hash();
        let hash = run(seed);
        assert_eq!(hash, run(seed), "seed {seed}");
        assert_ne!(hash, run(seed + 1_000), "another seed is another run");
    }
}

/// A short conversation with letters and requests in both directions, on a link without chance.
fn conversation() -> Lab {
    let link = Profile {
        jitter: Duration::ZERO,
        loss: 0.0,
        ..profile::FIBER
    };
    Lab::with_letters("hello", hello).clients(1).link(link)
}

/// Cuts its link at the first byte, at the second, and so on to the last: how many runs that were, and what was exchanged in them.
fn at_every_byte(direction: &str, cut: fn(Lab, usize) -> Lab) -> (usize, u64, u64) {
    let (mut letters, mut requests) = (0, 0);
    for byte in 0.. {
        let found = |it| panic!("cut at byte {byte} {direction}: {it}");
        let mut run = cut(conversation(), byte).start();
        run.advance(Duration::from_millis(1_500))
            .unwrap_or_else(found);
        if run.figures().links == 1 && *run.client(0).state() == State::Online {
            return (byte, letters, requests); // it says less than that in all
        }
        run.heal().unwrap_or_else(found);
        let figures = run.figures();
        assert_eq!(figures.links, 2, "byte {byte} {direction}: one cut");
        letters += figures.letters;
        requests += figures.requests;
    }
    unreachable!("a conversation ends")
}

#[test]
fn a_link_that_is_cut_at_any_byte_loses_and_doubles_nothing() {
    let (up, letters, requests) = at_every_byte("up", Lab::cut_after_up);
    let (down, more, others) = at_every_byte("down", Lab::cut_after_down);
    assert!(up > 200 && down > 500, "{up} and {down} bytes");
    tell(&format!(
        "cuts at each of {up} bytes up and {down} down: {} letters and {} requests once and in order",
        letters + more,
        requests + others
    ));
}

#[test]
fn a_resume_costs_one_round_trip_after_the_link_is_open() {
    let link = Profile {
        jitter: Duration::ZERO,
        loss: 0.0,
        ..profile::BROADBAND
    };
    let mut run = Lab::with_letters("hello", hello)
        .clients(4)
        .link(link)
        .start();
    for _ in 0..20 {
        sound(run.advance(Duration::from_secs(3)));
        (0..4).for_each(|client| run.cut(client));
    }
    sound(run.advance(Duration::from_secs(5)));
    let (figures, round_trip) = (run.figures(), link.round_trip());
    assert_eq!(figures.resumes, 80);
    let extra = Duration::from_secs_f64(figures.resume_ms.max / 1e3).saturating_sub(round_trip);
    // A packet needs some time to be written at this speed.
    assert!(extra < Duration::from_millis(1), "{figures}");
    tell(&format!(
        "{} resumes: {} ms after the link was open, at a round trip of {round_trip:?}",
        figures.resumes, figures.resume_ms
    ));
}
