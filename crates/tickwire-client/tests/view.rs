//! What a client shows and holds: the truth, in between, over pauses, and when updates are wrong.

mod support;

use std::time::Duration;

use proptest::prelude::*;
use support::{Pair, Truth, boom, frame, own, places, set_ball};
use tickwire_client::{ClientEvent, Fault, RoomKey};
use tickwire_proto::{Tick, Time};
use tickwire_snapshot::AreaId;

const TICK: Duration = Duration::from_micros(33_333);

fn start(tick: u32) -> (Truth, Pair, RoomKey) {
    let mut truth = Truth::new();
    truth.ball(tick, 1, 0, 100.0);
    let (pair, room) = Pair::joined(&mut truth);
    (truth, pair, room)
}

/// Draws at 240 pictures a second for a tick's time.
fn draw_a_tick(
    pair: &mut Pair,
    room: RoomKey,
    mut see: impl FnMut(&Pair, tickwire_client::Picture),
) {
    for _ in 0..8 {
        pair.now = pair.now.plus(TICK / 8);
        if let Some(picture) = pair.client.draw(room, pair.now) {
            see(pair, picture);
        }
    }
}

#[test]
fn what_is_held_is_the_truth_at_its_tick() {
    let (mut truth, mut pair, room) = start(10);
    for tick in 11..200 {
        truth.ball(tick, 1 + tick % 5, (tick / 50) as u16, f64::from(tick));
        let update = truth.update(tick);
        pair.now = pair.now.plus(TICK);
        pair.deliver(Tick(tick), update);
        let (held, area) = pair.client.view(room).unwrap().newest(AreaId::ALL).unwrap();
        assert_eq!(held, Tick(tick));
        assert!(area.same(&truth.area));
        assert_eq!(area.hash(), truth.area.hash());
    }
    assert_eq!(
        pair.count(|event| matches!(event, ClientEvent::Fault { .. })),
        0
    );
}

#[test]
fn a_steady_motion_is_drawn_steadily() {
    let (mut truth, mut pair, room) = start(10);
    let (mut before, mut tick_before, mut pictures) = (0.0, 0.0, 0);
    for tick in 11..300 {
        truth.ball(tick, 1, 0, 100.0 + f64::from(tick - 10) * 2.0);
        let update = truth.update(tick);
        pair.deliver(Tick(tick), update);
        draw_a_tick(&mut pair, room, |_, picture| {
            let x = places(&picture)[&1];
            assert!(x >= before, "back from {before} to {x}");
            assert!(picture.tick() >= tick_before);
            if tick > 60 {
                let expected = 100.0 + (picture.tick() - 10.0) * 2.0;
                assert!((x - expected).abs() < 0.02, "{x} instead of {expected}");
                assert!(x - before < 0.3, "a jump of {}", x - before);
            }
            (before, tick_before) = (x, picture.tick());
            pictures += 1;
        });
    }
    assert!(pictures > 2000);
    let now = pair.now;
    let figures = pair.client.figures(room, now).unwrap();
    assert_eq!(figures.underruns, 0);
    assert!(
        (30.0..80.0).contains(&figures.delay_ms),
        "{}",
        figures.delay_ms
    );
    assert!(
        (28.0..32.0).contains(&figures.updates_per_s),
        "{}",
        figures.updates_per_s
    );
    assert_eq!((figures.entities, figures.tick), (1, Tick(299)));
}

#[test]
fn no_body_slides_over_a_pause_and_no_underrun_is_counted_in_it() {
    let (mut truth, mut pair, room) = start(10);
    // it moves, stands from tick 40 to 100, then moves on
    for tick in 11..160u32 {
        let x = match tick {
            ..40 => 100.0 + f64::from(tick),
            40..100 => 140.0,
            _ => 140.0 + f64::from(tick - 100) * 3.0,
        };
        truth.ball(tick, 1, 0, x);
        // one update says that it stands, then nothing is said
        if !(42..100).contains(&tick) {
            let update = truth.update(tick);
            pair.deliver(Tick(tick), update);
        }
        draw_a_tick(&mut pair, room, |_, picture| {
            let x = places(&picture)[&1];
            if (41.0..99.0).contains(&picture.tick()) {
                assert_eq!(x, 140.0, "it slides at {}", picture.tick());
            }
        });
    }
    let now = pair.now;
    let figures = pair.client.figures(room, now).unwrap();
    assert_eq!(figures.underruns, 0);
    assert!(figures.picture_tick > 155.0, "{}", figures.picture_tick);
    assert!(
        figures.delay_ms < 100.0,
        "the pause is no reason to wait longer: {}",
        figures.delay_ms
    );
}

#[test]
fn a_late_update_is_one_underrun_and_the_picture_waits() {
    let (mut truth, mut pair, room) = start(10);
    let mut before = 100.0;
    for tick in 11..100u32 {
        truth.ball(tick, 1, 0, 90.0 + f64::from(tick));
        // ten ticks come late, all at once
        if !(50..60).contains(&tick) {
            let update = truth.update(tick);
            pair.deliver(Tick(tick), update);
        }
        draw_a_tick(&mut pair, room, |_, picture| {
            let x = places(&picture)[&1];
            assert!(x >= before && x - before < 1.0, "from {before} to {x}");
            assert!(picture.tick() <= f64::from(if (50..60).contains(&tick) { 49 } else { tick }));
            before = x;
        });
    }
    let now = pair.now;
    assert_eq!(pair.client.figures(room, now).unwrap().underruns, 1);
}

#[test]
fn another_tenant_of_a_slot_is_another_body() {
    let (mut truth, mut pair, room) = start(10);
    let mut seen = Vec::new();
    for tick in 11..80u32 {
        let generation = u16::from(tick >= 40);
        truth.ball(
            tick,
            1,
            generation,
            if generation == 0 { 100.0 } else { 900.0 },
        );
        let update = truth.update(tick);
        pair.deliver(Tick(tick), update);
        draw_a_tick(&mut pair, room, |_, picture| {
            let row = picture.named("Ball").next().expect("one of them");
            seen.push((row.id(), places(&picture)[&1]));
        });
    }
    seen.dedup();
    assert_eq!(seen.len(), 2, "nothing in between: {seen:?}");
    assert_ne!(seen[0].0, seen[1].0);
    assert_eq!((seen[0].1, seen[1].1), (100.0, 900.0));
}

#[test]
fn an_angle_turns_the_short_way_and_texts_are_there() {
    let (mut truth, mut pair, room) = start(10);
    truth.change(11, |edit, schema| {
        set_ball(edit, schema, 1, 0, 101.0);
        own(edit, schema, 1, support::SEAT);
        set_ball(edit, schema, 2, 0, 50.0);
        own(edit, schema, 2, 9);
        edit.set(schema.resource("Score").unwrap(), 0, |row| {
            row.field(0).ints[0] = 5
        });
    });
    let update = truth.update(11);
    pair.deliver(Tick(11), update);
    pair.now = pair.now.plus(Duration::from_secs(1));
    pair.client.draw(room, pair.now);
    let update = truth.update(12);
    pair.deliver(Tick(12), update); // still: the picture may go on
    let picture = pair
        .client
        .draw(room, pair.now.plus(Duration::from_secs(1)))
        .unwrap();
    let schema = picture.schema().clone();
    let table = schema.component("Ball").unwrap();
    let name = schema.components[table].field("name").unwrap();
    let mine: Vec<(u32, bool)> = picture
        .named("Ball")
        .map(|row| (row.slot(), row.mine()))
        .collect();
    assert_eq!(mine, [(1, true), (2, false)]);
    let row = picture.named("Ball").nth(1).unwrap();
    assert_eq!(
        row.value(name),
        Some(tickwire_snapshot::Value::Text("ball 2".to_owned()))
    );
    assert_eq!(
        picture.entity(row.id(), table).map(|same| same.slot()),
        Some(2)
    );
    assert_eq!(picture.resource("Score").unwrap().number(0), Some(5.0));
    assert_eq!(pair.client.view(room).unwrap().members().len(), 2);
}

#[test]
fn events_are_heard_once_when_the_picture_reaches_their_tick() {
    let (mut truth, mut pair, room) = start(10);
    let mut heard = Vec::new();
    for tick in 11..120u32 {
        truth.change(tick, |edit, schema| {
            set_ball(edit, schema, 1, 0, f64::from(tick));
            if tick % 10 == 0 {
                boom(edit, tick, tick as i32);
            }
        });
        // every third update is left out
        if tick % 3 != 0 {
            let update = truth.update(tick);
            pair.deliver(Tick(tick), update);
        }
        for _ in 0..8 {
            pair.now = pair.now.plus(TICK / 8);
            let picture = pair.client.draw(room, pair.now).unwrap();
            while let Some(event) = pair.client.event_due(room) {
                assert!(f64::from(event.tick().0) <= picture.tick());
                assert!(f64::from(event.tick().0) > picture.tick() - 1.0, "late");
                heard.push(event.tick().0);
            }
        }
    }
    assert_eq!(heard, (2..=11).map(|n| n * 10).collect::<Vec<u32>>());
}

#[test]
fn a_wrong_update_is_told_and_mended_by_a_keyframe() {
    let (mut truth, mut pair, room) = start(10);
    let before = truth.area.clone();
    // garbage, a basis that nobody has, a keyframe with a false hash
    let garbage = frame(Tick(11), Some(Tick(10)), 0, &[0xff; 9]);
    pair.deliver(Tick(11), garbage);
    assert_eq!(pair.keyframes, 1, "asked for at once");
    let (held, area) = pair.client.view(room).unwrap().newest(AreaId::ALL).unwrap();
    assert!(
        held == Tick(10) && area.same(&before),
        "the view stays right"
    );

    truth.ball(13, 1, 0, 300.0);
    let update = truth.update(13); // from tick 10, which is held: right again by itself
    pair.deliver(Tick(13), update);
    let lost = frame(Tick(14), Some(Tick(12)), 0, &[]);
    pair.deliver(Tick(14), lost);
    assert_eq!(pair.keyframes, 1, "not asked for twice in a second");
    pair.now = pair.now.plus(Duration::from_secs(2));
    pair.deliver(Tick(15), frame(Tick(15), Some(Tick(12)), 0, &[]));
    assert_eq!(pair.keyframes, 2);

    truth.forget();
    truth.ball(16, 1, 0, 310.0);
    let update = truth.update(16);
    pair.deliver(Tick(16), update);
    let (held, area) = pair.client.view(room).unwrap().newest(AreaId::ALL).unwrap();
    assert!(held == Tick(16) && area.same(&truth.area));
    let faults = pair.count(|event| matches!(event, ClientEvent::Fault { .. }));
    assert_eq!(faults, 2);
}

#[test]
fn a_hash_that_does_not_match_is_told_and_the_update_is_not_taken() {
    let (mut truth, mut pair, room) = start(10);
    truth.forget();
    truth.ball(11, 1, 0, 400.0);
    let mut update = truth.update(11).to_vec();
    let hash = truth.area.hash().to_le_bytes();
    let at = update
        .windows(8)
        .position(|window| window == hash)
        .expect("the hash");
    update[at] ^= 1;
    pair.deliver(Tick(11), update.into());
    let fault = pair.events.iter().find_map(|event| match event {
        ClientEvent::Fault {
            fault: Fault::Hash { ours, theirs, .. },
            ..
        } => Some((*ours, *theirs)),
        _ => None,
    });
    assert_eq!(fault.map(|(ours, _)| ours), Some(truth.area.hash()));
    assert_eq!(
        pair.client
            .view(room)
            .unwrap()
            .newest(AreaId::ALL)
            .unwrap()
            .0,
        Tick(10)
    );
    assert_eq!(pair.keyframes, 1);
}

#[test]
fn a_page_that_hangs_for_seconds_does_not_wait_longer_afterwards() {
    let (mut truth, mut pair, room) = start(10);
    let mut held_up = Vec::new();
    for tick in 11..200u32 {
        truth.ball(tick, 1, 0, 100.0 + f64::from(tick));
        held_up.push((Tick(tick), truth.update(tick)));
        // four seconds in which nothing is taken in, then all of it at once
        if !(60..180).contains(&tick) {
            for (tick, update) in held_up.drain(..) {
                pair.deliver(tick, update);
            }
            draw_a_tick(&mut pair, room, |_, _| {});
        } else {
            pair.now = pair.now.plus(TICK);
        }
    }
    let now = pair.now;
    let figures = pair.client.figures(room, now).unwrap();
    assert!(figures.delay_ms < 100.0, "{}", figures.delay_ms);
    assert!(figures.jitter_ms < 1_000.0, "{}", figures.jitter_ms);
}

#[test]
fn a_page_that_does_not_draw_returns_without_a_storm() {
    let (mut truth, mut pair, room) = start(10);
    for tick in 11..2_000u32 {
        truth.change(tick, |edit, schema| {
            set_ball(edit, schema, 1, 0, f64::from(tick % 900));
            boom(edit, tick, 1);
        });
        let update = truth.update(tick);
        pair.deliver(Tick(tick), update);
        pair.now = pair.now.plus(TICK);
        pair.events.clear();
    }
    let picture = pair.client.draw(room, pair.now).unwrap();
    assert!(picture.tick() > 1_990.0);
    let heard = std::iter::from_fn(|| pair.client.event_due(room)).count();
    assert!(
        heard <= 31,
        "one for each tick of their lifetime, not {heard}"
    );
    let now = pair.now;
    assert!(pair.client.figures(room, now).unwrap().events_dropped > 1_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is done to the bytes of an update: no panic, and what is held is something that was true.
    #[test]
    fn mangled_updates_never_hurt(
        flips in prop::collection::vec((0usize..400, 0u8..8), 0..6),
        cut in prop::option::of(0usize..400),
        keyframe in any::<bool>(),
    ) {
        let (mut truth, mut pair, room) = start(10);
        let first = truth.area.clone();
        if keyframe {
            truth.forget();
        }
        truth.change(11, |edit, schema| {
            for slot in 1..20 {
                set_ball(edit, schema, slot, 0, f64::from(slot) * 3.0);
            }
            boom(edit, 11, 9);
        });
        let mut update = truth.update(11).to_vec();
        for (at, bit) in flips {
            let length = update.len();
            update[at % length] ^= 1 << bit;
        }
        update.truncate(cut.unwrap_or(usize::MAX));
        pair.client.frame(Time(pair.now.0 + 1), &update.into());
        pair.talk();
        for step in 0..20 {
            pair.client.draw(room, pair.now.plus(TICK * step));
        }
        if let Some(view) = pair.client.view(room)
            && let Some((held, area)) = view.newest(AreaId::ALL)
            && keyframe
        {
            prop_assert!(area.same(&first) || area.same(&truth.area), "held at {held}");
        }
    }

    /// Frames of any bytes: an ending or nothing, never a panic.
    #[test]
    fn random_frames_never_hurt(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20)) {
        let (_, mut pair, room) = start(10);
        for bytes in frames {
            pair.client.frame(pair.now, &bytes.into());
            while pair.client.poll().is_some() {}
            pair.client.draw(room, pair.now);
        }
    }
}
