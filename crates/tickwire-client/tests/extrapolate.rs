//! When updates stay away: pictures wait, or go on along velocities for as long as they are told, say so, and come back without a step.

mod support;

use std::time::Duration;

use proptest::prelude::*;
use support::{Pair, Rock, Truth, set_rock};
use tickwire_client::{EXTRAPOLATE_MAX, Picture};
use tickwire_proto::Tick;

const TICK: Duration = Duration::from_micros(33_333);
const TICK_S: f64 = 0.033_333;
/// The last tick that comes in time, before a stall.
const LAST: u32 = 100;

/// A number of the only rock.
fn of(picture: &Picture, name: &str) -> f64 {
    let row = picture.named("Rock").next().expect("a rock");
    let field = row.schema().and_then(|it| it.field(name)).expect("a field");
    row.number(field).expect("a number")
}

/// What a picture was like.
#[derive(Clone, Copy, Debug)]
struct Shown {
    tick: f64,
    x: f64,
    turn: f64,
    /// It and its row say that they go beyond what is known.
    beyond: f64,
    is_extrapolated: bool,
    /// The newest update that has come.
    known: f64,
}

/// Pictures of 200 ticks, eight a tick: updates of all but `stall` ticks after [`LAST`] come in time, those together after them. And the figure.
fn run(most_ms: u64, stall: u32, rock: impl Fn(u32) -> Rock) -> (Vec<Shown>, f64) {
    let mut truth = Truth::new();
    truth.change(10, |edit, schema| set_rock(edit, schema, 1, rock(10)));
    let (mut pair, room) = Pair::joined(&mut truth);
    pair.client.extrapolate(Duration::from_millis(most_ms));
    let (mut all, mut known, mut late) = (Vec::new(), 10, Vec::new());
    for tick in 11..210 {
        truth.change(tick, |edit, schema| set_rock(edit, schema, 1, rock(tick)));
        late.push((tick, truth.update(tick)));
        if !(LAST + 1..=LAST + stall).contains(&tick) {
            for (tick, update) in late.drain(..) {
                pair.deliver(Tick(tick), update);
                known = tick;
            }
        }
        for _ in 0..8 {
            pair.now = pair.now.plus(TICK / 8);
            let Some(picture) = pair.client.draw(room, pair.now) else {
                continue;
            };
            let row = picture.named("Rock").next().expect("a rock");
            all.push(Shown {
                tick: picture.tick(),
                x: of(&picture, "x"),
                turn: of(&picture, "turn"),
                beyond: picture.extrapolated_ticks(),
                is_extrapolated: row.is_extrapolated(),
                known: f64::from(known),
            });
        }
    }
    let now = pair.now;
    let figures = pair.client.figures(room, now).expect("a room");
    (all, figures.extrapolated_ms)
}

fn straight(tick: u32) -> Rock {
    let t = f64::from(tick) * TICK_S;
    Rock {
        x: 20.0 + 100.0 * t,
        vx: 100.0,
        turn: t % 6.0 - 3.0,
        ..Rock::default()
    }
}

#[test]
fn unless_it_is_asked_for_pictures_wait_at_what_is_known() {
    let (all, figure) = run(0, 15, straight);
    for it in &all {
        assert!(it.tick <= it.known, "{it:?}");
        assert!(!it.is_extrapolated && it.beyond == 0.0, "{it:?}");
    }
    let waits = all.iter().filter(|it| it.tick == f64::from(LAST)).count();
    assert!(waits > 60, "{waits} pictures waited");
    assert_eq!(figure, 0.0);
}

#[test]
fn what_flies_straight_is_shown_where_it_is_and_for_no_longer_than_was_asked() {
    let most = 0.2 / TICK_S;
    let (all, figure) = run(200, 15, straight);
    let (mut beyond, mut farthest) = (0, 0.0_f64);
    for it in all.iter().skip(400) {
        let ahead = (it.tick - it.known).max(0.0);
        assert!(ahead < most + 0.3, "{it:?}");
        assert!((it.beyond - ahead.min(most)).abs() < 1e-9, "{it:?}");
        assert_eq!(it.is_extrapolated, ahead > 0.0, "{it:?}");
        let wanted = 20.0 + 100.0 * it.tick.min(it.known + most) * TICK_S;
        // it stood for a while, and makes up for the last picture's step of that
        let near = if (106.0..110.0).contains(&it.tick) {
            0.6
        } else {
            0.1
        };
        assert!((it.x - wanted).abs() < near, "{it:?} instead of {wanted}");
        (beyond, farthest) = (beyond + u32::from(ahead > 0.0), farthest.max(ahead));
    }
    assert!(beyond > 40 && farthest > most - 0.3, "{beyond} {farthest}");
    assert!((figure - 200.0).abs() < 12.0, "{figure} ms");
    let (_, figure) = run(60_000, 60, straight);
    let longest = EXTRAPOLATE_MAX.as_secs_f64() * 1e3;
    assert!((figure - longest).abs() < 12.0, "{figure} ms in all");
}

/// Neither place nor course changes faster from picture to picture than moving, and coming back, can explain; time never goes back.
fn goes_on_smoothly(all: &[Shown], speed: f64, wrong: f64) -> Result<(), TestCaseError> {
    // a part of what was wrong: a picture of a 240th of a second takes back 1 - 0.1^(4.2 ms / 120 ms)
    let step = speed * TICK_S / 8.0 * 1.2 + wrong * 0.08 + 0.2;
    for pair in all[400..].windows(2) {
        let [before, after] = [pair[0], pair[1]];
        prop_assert!(after.tick >= before.tick, "{before:?} {after:?}");
        prop_assert!(
            (after.x - before.x).abs() < step,
            "more than {step}: {before:?} {after:?}"
        );
        let turned = nearest_turn(after.turn - before.turn);
        prop_assert!(turned.abs() < 0.06, "{before:?} {after:?}");
    }
    Ok(())
}

fn nearest_turn(angle: f64) -> f64 {
    let turn = std::f64::consts::TAU;
    angle - (angle / turn).round() * turn
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whoever_turned_meanwhile_comes_back_without_a_step(
        most_ms in 1_u64..300, stall in 3_u32..14, turns in 0_u32..14, speed in -100.0..100.0_f64,
    ) {
        let turns = f64::from(LAST + turns);
        let rock = |tick: u32| {
            let tick = f64::from(tick);
            let (out, back) = (tick.min(turns) * TICK_S, (tick - turns).max(0.0) * TICK_S);
            let vx = if tick <= turns { 100.0 } else { speed };
            Rock { x: 250.0 + 100.0 * out + speed * back, vx, turn: tick * TICK_S % 6.0 - 3.0, began: 0.0 }
        };
        let (all, _) = run(most_ms, stall, rock);
        let wrong = (100.0 - speed).abs() * most_ms as f64 / 1e3;
        // a whole stall is taken up at more than the wall's speed, or jumped over: half a second and less are not
        goes_on_smoothly(&all, 100.0, wrong.min(62.5))?;
        let last = all.last().expect("pictures");
        let (tick, end) = (last.tick, f64::from(LAST + 60));
        prop_assert!(tick > end);
        let truth = |tick: f64| 250.0 + 100.0 * tick.min(turns) * TICK_S + speed * (tick - turns).max(0.0) * TICK_S;
        for it in all.iter().filter(|it| it.tick > end) {
            prop_assert!((it.x - truth(it.tick)).abs() < 0.2, "{it:?} instead of {}", truth(it.tick));
        }
    }
}
