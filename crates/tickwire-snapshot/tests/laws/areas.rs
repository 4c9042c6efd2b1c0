//! The laws of areas and their edits: what did not change is shared, tracks stay near the truth, slots rest, histories forget.

use std::sync::Arc;

use proptest::prelude::*;
use tickwire_proto::Tick;
use tickwire_proto::wire::{Reader, Writer};
use tickwire_snapshot::{
    Area, AreaEdit, AreaId, Basis, Encoder, History, NetId, SlotAllocator, Snapshot, TickEvent,
    decode,
};

use crate::world::{schema, steps, versions};

const BODY: usize = 0;

fn put(edit: &mut AreaEdit, slot: u32, x: f64, vx: f64) -> bool {
    edit.set(BODY, slot, |row| {
        // By name: angle, vx, vy, x, y.
        for (field, number) in [(0, 0.0), (1, vx), (2, 0.0), (3, x), (4, 0.0)] {
            let field = row.field(field);
            field.quant.put_number(number, field.ints);
        }
    })
}

fn one(slot: u32) -> NetId {
    NetId {
        slot,
        generation: 0,
    }
}

#[test]
fn what_is_not_touched_is_the_same_memory() {
    let schema = schema();
    let mut edit = AreaEdit::new(
        &Arc::new(Area::empty(AreaId::ALL, &schema)),
        Tick(1),
        &schema,
    );
    for slot in 1..1000 {
        edit.spawn(one(slot));
        put(&mut edit, slot, 1.0, 0.0);
    }
    let first = edit.finish().expect("spawned");
    let mut edit = AreaEdit::new(&first, Tick(3), &schema);
    assert!(!put(&mut edit, 500, 1.0, 0.0), "the same row is no change");
    assert!(put(&mut edit, 500, 2.0, 0.0));
    let second = edit.finish().expect("changed");
    let pages = first.pages(BODY).zip(second.pages(BODY));
    let copied: Vec<u32> = pages
        .filter(|(a, b)| !Arc::ptr_eq(a.1, b.1))
        .map(|(a, _)| a.0)
        .collect();
    assert_eq!(copied, [448], "one row copies one page");
    assert_eq!(
        (second.tick(), second.before(), second.previous()),
        (Tick(3), Tick(1), Tick(1))
    );
    let mut edit = AreaEdit::new(&second, Tick(9), &schema);
    edit.unchanged_until(Tick(7));
    edit.remove(BODY, 500);
    assert_eq!(edit.finish().expect("removed").before(), Tick(7));
}

#[test]
fn nothing_changed_is_no_version() {
    let schema = schema();
    let empty = Arc::new(Area::empty(AreaId::ALL, &schema));
    let mut edit = AreaEdit::new(&empty, Tick(4), &schema);
    edit.despawn(3);
    edit.remove(BODY, 3);
    assert!(!put(&mut edit, 3, 0.0, 0.0), "no such entity");
    assert!(!put(&mut edit, 0, 0.0, 0.0), "a component is no resource");
    assert!(!edit.event(TickEvent {
        tick: Tick(4),
        kind: 9,
        lifetime: 1,
        ints: vec![],
        blobs: vec![]
    }));
    edit.spawn(one(0));
    edit.spawn(one(65_536));
    assert!(edit.finish().is_none());
}

#[test]
fn a_new_tenant_of_a_slot_begins_at_a_whole_step() {
    let schema = schema();
    let mut edit = AreaEdit::new(
        &Arc::new(Area::empty(AreaId::ALL, &schema)),
        Tick(1),
        &schema,
    );
    edit.spawn(one(1));
    put(&mut edit, 1, 5.0, 0.0625);
    let first = edit.finish().expect("spawned");
    let mut edit = AreaEdit::new(&first, Tick(2), &schema);
    edit.spawn(NetId {
        slot: 1,
        generation: 1,
    });
    put(&mut edit, 1, 5.0, 0.0625);
    let second = edit.finish().expect("replaced");
    assert_eq!(second.int(BODY, 1, 3), Some(5 * 480));
    let mut edit = AreaEdit::new(&second, Tick(3), &schema);
    put(&mut edit, 1, 5.0, 0.0625);
    let third = edit.finish().expect("predicted to move on");
    assert_eq!(third.int(BODY, 1, 3), Some(5 * 480 + 1));
}

#[test]
fn what_no_quantiser_makes_is_made_valid_or_refused() {
    let schema = schema();
    let odds = schema.component("Odds").expect("Odds");
    let layout = schema.components[odds].layout();
    let mut edit = AreaEdit::new(
        &Arc::new(Area::empty(AreaId::ALL, &schema)),
        Tick(1),
        &schema,
    );
    edit.spawn(one(1));
    edit.set(odds, 1, |row| {
        for field in 0..row.fields() {
            let field = row.field(field);
            field.ints.fill(-1); // as a float: not a number
            if let Some(blob) = field.blob {
                blob.resize(100, 0xff);
            }
        }
    });
    let boom = TickEvent {
        tick: Tick(1),
        kind: 0,
        lifetime: 1,
        ints: vec![99, 0],
        blobs: vec![vec![]],
    };
    assert!(!edit.event(boom.clone()), "out of range");
    assert!(
        !edit.event(TickEvent {
            ints: vec![0, 0],
            blobs: vec![vec![0xff]],
            ..boom.clone()
        }),
        "no text"
    );
    assert!(
        !edit.event(TickEvent {
            tick: Tick(2),
            ints: vec![0, 0],
            ..boom.clone()
        }),
        "not yet"
    );
    assert!(edit.event(TickEvent {
        ints: vec![0, 0],
        ..boom
    }));
    let area = edit.finish().expect("changed");
    let row = area.row(odds, 1).expect("a row");
    assert!(
        layout
            .columns()
            .iter()
            .zip(row.ints())
            .all(|(column, &int)| column.valid(int))
    );
    assert!((0..layout.blobs()).all(|blob| area.blob(odds, 1, blob) == Some(&[])));
    let (bytes, _) = Encoder::new(&schema).encode(&Basis::nothing(), &area, Tick(1));
    assert!(decode(&schema, &Basis::nothing(), AreaId::ALL, Tick(1), &bytes).is_ok());
}

#[test]
fn the_last_slot_and_the_last_event_fit_and_no_more() {
    let schema = schema();
    let mut edit = AreaEdit::new(
        &Arc::new(Area::empty(AreaId::ALL, &schema)),
        Tick(1),
        &schema,
    );
    edit.spawn(one(65_535));
    let ping = TickEvent {
        tick: Tick(1),
        kind: 1,
        lifetime: 9,
        ints: vec![],
        blobs: vec![],
    };
    assert!((0..tickwire_snapshot::area::EVENTS_MAX).all(|_| edit.event(ping.clone())));
    assert!(!edit.event(ping));
    let area = edit.finish().expect("changed");
    assert!(area.contains(one(65_535)));
    let mut later = AreaEdit::new(&area, Tick(11), &schema);
    later.despawn(65_535);
    assert!(
        later.finish().expect("changed").events().is_empty(),
        "their lifetime is over"
    );
}

#[test]
fn a_steady_walk_is_predicted_without_a_residue() {
    let schema = schema();
    let mut area = Arc::new(Area::empty(AreaId::ALL, &schema));
    let (mut x, vx) = (1.0_f64, 3.0);
    for step in 0..300 {
        let mut edit = AreaEdit::new(&area, Tick(step), &schema);
        edit.spawn(one(1));
        put(&mut edit, 1, x, vx);
        let next = edit.finish().expect("it moves");
        if step > 0 {
            let way = next.int(BODY, 1, 3).unwrap() - area.int(BODY, 1, 3).unwrap();
            assert_eq!(way, 48, "3 units a second at 30 Hz: 48 fine units a tick");
        }
        assert_eq!(next.moving(BODY).collect::<Vec<_>>(), [1]);
        area = next;
        x += vx / 30.0;
    }
}

proptest! {
    #[test]
    fn a_track_is_never_further_from_the_truth_than_half_a_step(
        start in 0.0..64.0_f64,
        speeds in prop::collection::vec((-140.0..140.0_f64, 1..4_u32), 1..60),
    ) {
        let schema = schema();
        let mut area = Arc::new(Area::empty(AreaId::ALL, &schema));
        let (mut x, mut tick) = (start, Tick(0));
        for (speed, ticks) in speeds {
            tick = tick.plus(ticks);
            x = (x + speed * f64::from(ticks) / 30.0).clamp(0.0, 64.0);
            let mut edit = AreaEdit::new(&area, tick, &schema);
            edit.spawn(one(1));
            put(&mut edit, 1, x, speed);
            area = edit.finish().unwrap_or(area);
            let shown = area.number(BODY, 1, 3).unwrap();
            prop_assert!((shown - x).abs() <= 0.5 / 16.0 + 0.5 / 480.0, "{} is shown as {}", x, shown);
        }
    }

    #[test]
    fn equal_content_has_equal_hashes_and_other_content_others(steps in steps(2..10)) {
        let schema = schema();
        let versions = versions(&schema, &steps);
        for a in &versions {
            for b in &versions {
                prop_assert_eq!(a.same(b), a.hash() == b.hash());
            }
        }
    }

    #[test]
    fn a_slot_is_never_held_twice_and_rests(acts in prop::collection::vec((any::<bool>(), 0..8_usize, 0..20_u32), 1..200)) {
        let mut slots = SlotAllocator::new(50);
        let (mut live, mut released, mut now) = (Vec::<NetId>::new(), Vec::<(NetId, Tick)>::new(), Tick(0));
        for (spawn, which, ticks) in acts {
            now = now.plus(ticks);
            if spawn || live.is_empty() {
                let id = slots.allocate(now).unwrap();
                prop_assert!(id.slot > 0 && live.iter().all(|other| other.slot != id.slot));
                for (old, since) in &released {
                    prop_assert!(old.slot != id.slot || (now.since(*since) >= 50 && old.generation != id.generation));
                }
                live.push(id);
            } else {
                let id = live.swap_remove(which % live.len());
                slots.release(id, now);
                slots.release(id, now); // twice is ignored
                released.push((id, now));
            }
        }
        prop_assert!(slots.bound() as usize <= live.len() + released.len() + 1);
        let mut out = Writer::new();
        slots.write(&mut out);
        let bytes = out.into_vec();
        let mut input = Reader::new(&bytes);
        prop_assert_eq!(SlotAllocator::read(50, &mut input), Ok(slots));
        prop_assert_eq!(input.remaining(), 0);
        for length in 0..bytes.len() {
            prop_assert!(SlotAllocator::read(50, &mut Reader::new(&bytes[..length])).is_err());
        }
    }

    #[test]
    fn slots_of_chance_are_refused_or_consistent(bytes in prop::collection::vec(0..6_u8, 0..24)) {
        let mut input = Reader::new(&bytes);
        if let Ok(slots) = SlotAllocator::read(9, &mut input) {
            let mut out = Writer::new();
            slots.write(&mut out);
            prop_assert_eq!(out.into_vec(), &bytes[..input.position()]);
        }
    }
}

#[test]
fn a_history_keeps_the_newest_and_finds_by_tick() {
    let mut history = History::new(3);
    assert!(history.newest().is_none() && history.at(Tick(9)).is_none());
    for tick in [2, 4, 6, 8] {
        history.push(Arc::new(Snapshot {
            tick: Tick(tick),
            areas: vec![],
        }));
    }
    let ticks: Vec<u32> = history.iter().map(|s| s.tick.0).collect();
    assert_eq!(ticks, [4, 6, 8]);
    assert!(history.get(Tick(2)).is_none() && history.get(Tick(5)).is_none());
    assert_eq!(history.get(Tick(6)).map(|s| s.tick), Some(Tick(6)));
    assert_eq!(history.at(Tick(7)).map(|s| s.tick), Some(Tick(6)));
    assert!(history.at(Tick(3)).is_none());
}
