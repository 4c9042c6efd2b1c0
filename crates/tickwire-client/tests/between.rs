//! How a picture leads from update to update: along curves, not over teleports, and what began at a tick goes on by itself. The laws of the curves alone are beside them, in `blend`.

mod support;

use std::time::Duration;

use support::{Pair, Rock, Truth, set_rock};
use tickwire_client::{Picture, RoomKey};
use tickwire_proto::Tick;

const TICK: Duration = Duration::from_micros(33_333);
const TICK_S: f64 = 0.033_333;

/// What one field of the only rock is.
fn of(picture: &Picture, name: &str) -> f64 {
    let row = picture.named("Rock").next().expect("a rock");
    let field = row.schema().and_then(|it| it.field(name)).expect("a field");
    row.number(field).expect("a number")
}

fn start(rock: impl Fn(u32) -> Rock) -> (Truth, Pair, RoomKey) {
    let mut truth = Truth::new();
    truth.change(10, |edit, schema| set_rock(edit, schema, 1, rock(10)));
    let (pair, room) = Pair::joined(&mut truth);
    (truth, pair, room)
}

/// One update each `every` ticks from 10 on until `end`, and eight pictures a tick.
fn run(end: u32, every: u32, rock: impl Fn(u32) -> Rock, mut see: impl FnMut(&Picture)) {
    let (mut truth, mut pair, room) = start(&rock);
    for tick in 11..end {
        if (tick - 10).is_multiple_of(every) {
            truth.change_since(tick - every, tick, |edit, schema| {
                set_rock(edit, schema, 1, rock(tick))
            });
            let update = truth.update(tick);
            pair.deliver(Tick(tick), update);
        }
        for _ in 0..8 {
            pair.now = pair.now.plus(TICK / 8);
            if let Some(picture) = pair.client.draw(room, pair.now) {
                see(&picture);
            }
        }
    }
}

/// Thrown up at tick 40, and under way for 3.5 s.
fn thrown(tick: f64) -> (f64, f64) {
    let t = (tick - 40.0) * TICK_S;
    (900.0 - 140.0 * (t - 1.75) * (t - 1.75), -280.0 * (t - 1.75))
}

#[test]
fn what_is_thrown_is_shown_on_its_way() {
    let rock = |tick: u32| {
        let (x, vx) = thrown(f64::from(tick.clamp(40, 145)));
        Rock {
            x,
            vx,
            ..Rock::default()
        }
    };
    let (mut seen, mut worst, mut of_a_line) = (0, 0.0_f64, 0.0_f64);
    // every third tick: 0.1 s and less than a teleport apart, in which a line cuts off 0.35
    run(140, 3, rock, |picture| {
        if (44.0..136.0).contains(&picture.tick()) {
            let x = of(picture, "x");
            worst = worst.max((x - thrown(picture.tick()).0).abs());
            let from = ((picture.tick() - 10.0) / 3.0).floor() * 3.0 + 10.0;
            let part = (picture.tick() - from) / 3.0;
            let line = thrown(from).0 * (1.0 - part) + thrown(from + 3.0).0 * part;
            of_a_line = of_a_line.max((x - line).abs());
            seen += 1;
        }
    });
    assert!(seen > 600, "{seen} pictures");
    assert!(worst < 0.05, "off its way by {worst}");
    assert!(of_a_line > 0.25, "it is a line, within {of_a_line}");
}

#[test]
fn what_teleports_is_at_one_place_or_the_other_and_its_component_with_it() {
    // at tick 61 it is elsewhere, and looks the other way
    let rock = |tick: u32| match tick {
        ..=60 => Rock {
            x: 100.0,
            turn: 0.5,
            ..Rock::default()
        },
        _ => Rock {
            x: 164.5,
            turn: 1.5,
            ..Rock::default()
        },
    };
    let (mut before, mut after) = (0, 0);
    run(90, 3, rock, |picture| {
        let (x, turn) = (of(picture, "x"), of(picture, "turn"));
        // the update after is that of tick 61: 10 and 17 times 3
        let there = picture.tick() >= 61.0;
        let wanted = if there { (164.5, 1.5) } else { (100.0, 0.5) };
        assert!((x - wanted.0).abs() < 0.1, "{x} at {}", picture.tick());
        assert!(
            (turn - wanted.1).abs() < 0.01,
            "{turn} at {}",
            picture.tick()
        );
        (before, after) = (before + u32::from(!there), after + u32::from(there));
    });
    assert!(before > 100 && after > 100, "{before} {after}");
}

#[test]
fn what_changes_by_less_slides() {
    let rock = |tick: u32| Rock {
        x: if tick <= 60 { 100.0 } else { 163.5 },
        ..Rock::default()
    };
    let mut between = 0;
    run(90, 3, rock, |picture| {
        let x = of(picture, "x");
        between += u32::from((101.0..162.0).contains(&x));
    });
    assert!(between > 4, "{between} pictures between the two places");
}

#[test]
fn what_began_at_a_tick_goes_on_from_picture_to_picture() {
    let rock = |tick: u32| Rock {
        x: 500.0,
        began: if tick < 40 { 10.0 } else { 40.0 },
        ..Rock::default()
    };
    let (mut last, mut seen) = (None, 0);
    run(200, 3, rock, |picture| {
        let row = picture.named("Rock").next().expect("a rock");
        let field = row
            .schema()
            .and_then(|it| it.field("began"))
            .expect("a field");
        let began = row.number(field).expect("a tick");
        let since = row.seconds_since(field).expect("it holds a tick");
        assert!((since - (picture.tick() - began) * TICK_S).abs() < 1e-9);
        assert_eq!(since, picture.seconds_since(row.id(), began));
        if let Some((before, of)) = last
            && of == began
        {
            let step: f64 = since - before;
            assert!((0.0..0.006).contains(&step), "a step of {step} s");
            seen += 1;
        }
        last = Some((since, began));
    });
    assert!(seen > 1_000, "{seen} pictures");
}
