//! What the lab promises, by running it: same seed, same trace; honest runs have no violation; planted bugs are found.

mod clocks;
mod expiry;
mod games;
mod interest;
mod loose;
mod predict;
mod races;
mod rewind;

use std::{cell::Cell, rc::Rc, time::Duration};

use tickwire_lab::{Broken, Chance, Faults, Lab, Running, Violation, profile, seeds, storm};
use tickwire_proto::ServerFrame;
use tickwire_snapshot::AreaId;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[track_caller]
fn sound(outcome: Result<Running, Box<Violation>>) -> Running {
    outcome.unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn clients_see_each_other_on_every_profile() {
    for link in profile::ALL {
        for proxy in [0, 4 << 20] {
            let lab = Lab::new("hello", games::hello)
                .clients(4)
                .link(link.proxy(proxy))
                .run(s(20));
            let lab = sound(lab);
            for client in 0..4 {
                let (_, area) = lab.view(client).unwrap().newest(AreaId::ALL).unwrap();
                assert_eq!(
                    area.len(),
                    4,
                    "client {client} on {} sees four dots",
                    link.name
                );
            }
            let figures = lab.figures();
            assert!(figures.checks > 1_000, "{figures}");
            assert!(
                figures.updates_per_client_s > 12.0,
                "{}: {figures}",
                link.name
            );
        }
    }
}

#[test]
fn clients_that_poll_see_each_other_on_every_profile() {
    for link in profile::ALL {
        let lab = Lab::new("hello", games::hello)
            .clients(4)
            .link(link.polls(1.0))
            .run(s(20));
        let lab = sound(lab);
        for client in 0..4 {
            let (_, area) = lab.view(client).unwrap().newest(AreaId::ALL).unwrap();
            assert_eq!(area.len(), 4, "client {client} on {}", link.name);
        }
        // One update for each round trip, and one for each tick at most.
        let figures = lab.figures();
        let least = 0.4 / (link.round_trip().as_secs_f64() + 0.1);
        assert!(
            figures.updates_per_client_s > least,
            "{}: {figures}, {least}",
            link.name
        );
    }
}

#[test]
fn sessions_move_between_links_of_both_kinds_and_nothing_is_lost() {
    let faults = Faults {
        moves: 30.0,
        cuts: 4.0,
        stalls: 4.0,
        ..Faults::NONE
    };
    let seen = seeds(0..24, s(20), |seed| {
        Lab::new("sparks", games::sparks)
            .seed(seed)
            .clients(3)
            .link(profile::ALL[seed as usize % 6].polls(0.5))
            .faults(faults)
    });
    let seen = seen.unwrap_or_else(|violation| panic!("{violation}"));
    println!("{seen}");
    assert!(seen.links > 300, "{seen}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| sound(storm("sparks", games::sparks, seed).run(s(15)));
    for seed in 1..4 {
        let (first, second) = (run(seed), run(seed));
        assert_eq!(first.trace_hash(), second.trace_hash(), "seed {seed}");
        assert_eq!(first.figures(), second.figures(), "seed {seed}");
        assert_ne!(first.trace_hash(), run(seed + 100).trace_hash());
    }
}

#[test]
fn storms_of_a_game_that_uses_everything() {
    let seen = seeds(0..16, s(30), |seed| storm("sparks", games::sparks, seed));
    let seen = seen.unwrap_or_else(|violation| panic!("{violation}"));
    println!("{seen}");
    assert!(seen.checks > 50_000 && seen.links > 200, "{seen}");
}

#[test]
fn storms_of_hello() {
    let seen = seeds(100..116, s(30), |seed| storm("hello", games::hello, seed));
    println!("{}", seen.unwrap_or_else(|violation| panic!("{violation}")));
}

/// The area payload of an update is what codecs alone check: flips a bit there, with some probability.
fn flip_payload(chance: &mut Chance, keyframes: bool, frame: &mut [u8]) -> bool {
    let start = frame.as_ptr() as usize;
    let place = match ServerFrame::decode(frame) {
        Ok(ServerFrame::Update { areas, .. }) => areas.iter().find_map(|area| {
            let fits = area.basis.is_none() == keyframes && area.payload.len() > 24;
            fits.then(|| (area.payload.as_ptr() as usize - start, area.payload.len()))
        }),
        _ => None,
    };
    let Some((offset, length)) = place else {
        return false;
    };
    // Behind the hash of a keyframe, and not in the last byte, whose padding may mean nothing.
    let bit = chance.below((length as u64 - 17) * 8) as usize + 8 * 16;
    frame[offset + bit / 8] ^= 1 << (bit % 8);
    true
}

#[test]
fn a_broken_delta_is_found_and_the_text_names_the_seed() {
    let mut found = 0;
    for seed in 0..10 {
        let mut chance = Chance::new(seed);
        let lab = Lab::new("sparks", games::sparks)
            .seed(seed)
            .clients(3)
            .tamper(move |_, frame| {
                if chance.happens(0.05) {
                    flip_payload(&mut chance, false, frame);
                }
            });
        match lab.run(s(20)) {
            Ok(_) => {}
            Err(violation) => {
                assert!(
                    matches!(violation.broken, Broken::Untrue { .. }),
                    "{violation}"
                );
                assert!(
                    violation
                        .to_string()
                        .contains(&format!("Lab::seed({seed})")),
                    "{violation}"
                );
                found += 1;
            }
        }
    }
    assert!(
        found >= 8,
        "bits of deltas were flipped in ten runs, and {found} told of it"
    );
}

#[test]
fn a_broken_keyframe_is_told_and_mended() {
    let broken = Rc::new(Cell::new(0));
    let (mut chance, count) = (Chance::new(5), broken.clone());
    // The first keyframe of each client, three times over: the client has to ask again each time.
    let lab = Lab::new("sparks", games::sparks)
        .clients(3)
        .tamper(move |_, frame| {
            if count.get() < 9 && flip_payload(&mut chance, true, frame) {
                count.set(count.get() + 1);
            }
        });
    let lab = sound(lab.run(s(30)));
    assert_eq!(broken.get(), 9);
    let figures = lab.figures();
    assert!((7..=9).contains(&figures.faults), "told: {figures}");
}

#[test]
fn a_server_that_restarts_is_found_again() {
    let mut lab = Lab::new("hello", games::hello)
        .clients(3)
        .link(profile::BROADBAND)
        .start();
    lab.advance(s(5)).unwrap();
    let before = lab.view(0).unwrap().newest_tick().unwrap();
    lab.restart_server(s(2));
    lab.advance(s(20))
        .unwrap_or_else(|violation| panic!("{violation}"));
    let (view, truth) = (lab.view(0).unwrap(), lab.truth(0).unwrap());
    assert!(view.newest_tick().unwrap() > before.minus(before.0) && truth.tick.0 < 30 * 25);
    assert_eq!(view.members().len(), 3);
}

#[test]
fn a_link_that_dies_without_a_word_is_noticed_and_replaced() {
    let mut lab = Lab::new("hello", games::hello).clients(2).start();
    lab.advance(s(5)).unwrap();
    lab.half_open(0);
    lab.advance(s(2)).unwrap();
    let held = lab.view(0).unwrap().newest_tick().unwrap();
    let back = lab.run_until(s(40), |lab| {
        lab.view(0)
            .is_some_and(|view| view.newest_tick().is_some_and(|tick| tick > held.plus(60)))
    });
    assert!(back.unwrap(), "not back: {:?}", lab.client(0).state());
    assert!(lab.now() < s(30), "it took until {:?}", lab.now());
    lab.heal().unwrap();
    assert_eq!(
        lab.view(1).unwrap().members().len(),
        2,
        "the lost session left its seat"
    );
}

#[test]
fn a_cut_is_over_in_moments() {
    let mut lab = Lab::new("hello", games::hello).clients(2).start();
    lab.advance(s(5)).unwrap();
    for _ in 0..10 {
        lab.cut(0);
        lab.advance(Duration::from_millis(50)).unwrap();
        let back = lab.run_until(s(12), |lab| {
            lab.truth(0).is_some_and(|truth| {
                lab.view(0).and_then(|view| view.newest_tick()) >= Some(truth.tick.minus(3))
            })
        });
        assert!(back.unwrap());
    }
    assert_eq!(lab.figures().links, 12);
}

#[test]
fn a_stall_makes_no_queue_of_old_updates() {
    for proxy in [0, 4 << 20] {
        let mut lab = Lab::new("sparks", games::sparks)
            .clients(2)
            .link(profile::FIBER.proxy(proxy))
            .start();
        lab.advance(s(5)).unwrap();
        lab.stall(0, s(4));
        let before = lab.figures().updates_per_client_s * 10.0;
        lab.advance(s(5)).unwrap();
        let after = lab.figures().updates_per_client_s * 20.0;
        // Two clients for five seconds: the other got its 150, this one those of the second that was well and what was in flight.
        let got = after - before - 150.0;
        assert!(
            (20.0..60.0).contains(&got),
            "{got} updates with a proxy of {proxy} bytes"
        );
        lab.heal().unwrap();
    }
}

#[test]
fn a_slow_link_gets_fewer_and_newer_updates() {
    for proxy in [0, 4 << 20] {
        let slow = profile::FIBER.bandwidth(10_000).proxy(proxy);
        let lab = sound(
            Lab::new("sparks", games::sparks)
                .clients(2)
                .links(&[slow, profile::FIBER])
                .run(s(30)),
        );
        let figures = lab.figures();
        assert!(
            figures.age_ms.p99 < 1_500.0,
            "no queue grows, with a proxy of {proxy} bytes: {figures}"
        );
    }
}

#[test]
fn where_nothing_happens_nothing_is_sent() {
    let lab = sound(
        Lab::new("quiet", games::quiet)
            .clients(3)
            .player(|_| ())
            .run(s(60)),
    );
    let figures = lab.figures();
    assert!(figures.encodes < 30, "{figures}");
    assert_eq!(
        figures.underruns_per_min, 0.0,
        "stillness is said: {figures}"
    );
}

#[test]
fn one_encode_serves_all() {
    let run = |clients| {
        sound(
            Lab::new("sparks", games::sparks)
                .clients(clients)
                .run(s(10)),
        )
        .figures()
    };
    let (few, many) = (run(2), run(6));
    assert!(
        many.encodes < few.encodes + 80,
        "{} encodes for 2 clients, {} for 6",
        few.encodes,
        many.encodes
    );
}

#[test]
fn more_clients_than_seats_open_another_room() {
    let lab = sound(Lab::new("sparks", games::sparks).clients(20).run(s(10)));
    let members = |client| lab.view(client).unwrap().members().len();
    let mut crowds: Vec<usize> = (0..20).map(members).collect();
    crowds.sort_unstable();
    assert_eq!(crowds, [[4].repeat(4), [16].repeat(16)].concat());
}

#[test]
fn a_script_plays() {
    let lab = sound(
        Lab::new("hello", games::hello)
            .clients(2)
            .player(|turn| turn.set("y", -1))
            .run(s(10)),
    );
    assert_eq!(lab.numbers(1, "Dot", "y"), [0.0, 0.0]);
    assert!(lab.figures().effect_ms.p50 > 0.0);
}

#[test]
#[should_panic(expected = "has no field \"z\", only x, y")]
fn a_script_for_another_game_is_told_so() {
    let _ = Lab::new("hello", games::hello)
        .player(|turn| turn.set("z", 1))
        .run(s(5));
}

#[test]
fn trains_and_storms_are_survived_by_many_clients() {
    let faults = Faults {
        restarts: 0.0,
        ..Faults::STORM
    };
    sound(
        Lab::new("sparks", games::sparks)
            .seed(3)
            .clients(24)
            .links(&profile::ALL)
            .faults(faults)
            .run(s(30)),
    );
}

#[test]
fn a_room_that_sleeps_wakes_where_it_stood_and_commands_take_hold_at_once() {
    let mut lab = Lab::new("dreams", games::dreams).clients(2).start();
    lab.advance(s(5)).unwrap();
    // For a quarter of a minute nobody gets through for long.
    let (asleep, since) = (lab.truth(0).unwrap().tick, lab.now());
    for _ in 0..30 {
        lab.cut(0);
        lab.cut(1);
        lab.advance(Duration::from_millis(500)).unwrap();
    }
    let before = lab.figures();
    lab.advance(s(12)).unwrap(); // the longest back-off
    lab.advance(s(5)).unwrap();
    let after = lab.figures();
    assert_eq!(after.joins, before.joins, "all resumed: {after}");
    let passed = (lab.now() - since).as_millis() as u64 * 30 / 1_000;
    let slept = passed - u64::from(lab.truth(0).unwrap().tick.since(asleep));
    assert!(slept > 100, "it slept for {slept} ticks");
    let (applied, tick) = (
        lab.view(0).unwrap().last_applied(),
        lab.truth(0).unwrap().tick,
    );
    assert!(
        applied >= Some(tick.minus(15)),
        "commands are for the ticks that are: {applied:?} was applied last, at {tick}"
    );
    lab.heal().unwrap();
}

#[test]
fn rooms_that_rest_survive_the_storm() {
    for (name, seed) in [
        ("dreams", 1),
        ("dreams", 2),
        ("board", 3),
        ("board", 4),
        ("board", 5),
    ] {
        let game = if name == "dreams" {
            games::dreams
        } else {
            games::board
        };
        sound(
            Lab::new(name, game)
                .seed(seed)
                .clients(6)
                .links(&profile::ALL)
                .faults(Faults::STORM)
                .run(s(60)),
        );
    }
}

#[test]
fn work_of_rooms_is_repeated_by_the_seed() {
    let run = |seed| {
        let lab = Lab::new("oracle", games::oracle)
            .seed(seed)
            .clients(4)
            .links(&profile::ALL)
            .faults(Faults::STORM);
        let lab = sound(lab.run(s(20)));
        (lab.trace_hash(), lab.numbers(0, "Dot", "x"))
    };
    let first = run(11);
    assert_eq!(first, run(11));
    assert_ne!(first.0, run(12).0);
}

/// The law of seats, in storms: two people with three sessions each, who join, are cut, die and come back as they like.
#[test]
fn a_person_has_one_seat_in_every_storm_and_the_newest_session_holds_it() {
    let mut changes = 0;
    for seed in 0..40 {
        let storm = match seed % 2 {
            0 => Faults::STORM,
            _ => Faults::TRAIN,
        };
        let lab = Lab::new("hello", games::hello)
            .seed(seed)
            .clients(6)
            .people(2)
            .link(profile::ALL[seed as usize % profile::ALL.len()])
            .faults(storm)
            .run(s(40));
        let lab = sound(lab);
        let joined = (0..6).filter(|client| lab.view(*client).is_some()).count();
        assert_eq!(joined, 2, "seed {seed}: one session of each has a seat");
        changes += lab.figures().joins;
    }
    assert!(changes > 40 * 6, "{changes} seats were given");
}
