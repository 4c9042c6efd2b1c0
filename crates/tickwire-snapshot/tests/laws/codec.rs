//! The law of the codec: a delta leads from its basis to the next version, whatever the two are.

use std::sync::Arc;

use proptest::prelude::*;
use tickwire_proto::Tick;
use tickwire_snapshot::{
    Area, AreaEdit, AreaId, Basis, Decoded, ENTITIES_MAX, Encoder, NetId, Schema, TickEvent, decode,
};

use crate::world::{schema, schemas, steps, versions};

/// A server and a client that hold the same version, each in its own memory.
struct Pair {
    schema: Arc<Schema>,
    encoder: Encoder,
    ours: Basis,
    theirs: Basis,
}

impl Pair {
    /// Both hold this version already; the client in the very memory of the server.
    fn of(schema: &Arc<Schema>, base: Basis) -> Self {
        Self {
            schema: schema.clone(),
            encoder: Encoder::new(schema),
            ours: base.clone(),
            theirs: base,
        }
    }

    /// Sends the next version, and checks everything that the client may rely on.
    fn send(&mut self, next: &Arc<Area>, tick: Tick) {
        let (bytes, sent) = self.encoder.encode(&self.ours, next, tick);
        // Made once, for whoever holds the same: the bytes depend on no memory, neither whose pages nor whose buffers.
        let (again, _) = Encoder::new(&self.schema).encode(&self.theirs, next, tick);
        assert_eq!(bytes, again);
        let decoded = decode(&self.schema, &self.theirs, AreaId::ALL, tick, &bytes);
        let decoded = decoded.expect("our own delta");
        check(&decoded, &self.theirs, next, tick);
        self.ours = sent;
        self.theirs = decoded.basis;
    }
}

fn check(decoded: &Decoded, base: &Basis, next: &Area, tick: Tick) {
    let area = decoded.basis.area.clone().expect("an area");
    assert!(area.same(next), "the content is equal");
    assert_eq!(area.hash(), next.hash());
    assert_eq!((area.tick(), area.len()), (next.tick(), next.len()));
    assert!(area.entities().eq(next.entities()));
    for table in 0..next.schema().tables() {
        assert!(area.rows(table).eq(next.rows(table)));
        assert!(
            area.moving(table).eq(next.moving(table)),
            "both sides agree on what moves"
        );
    }
    let due = |event: &&TickEvent| {
        let old = base
            .area
            .as_ref()
            .is_none_or(|base| event.tick <= base.tick());
        !old && tick.since(event.tick) <= u32::from(event.lifetime)
    };
    assert!(decoded.events.iter().eq(next.events().iter().filter(due)));
    if let Some(base) = &base.area {
        let held = if next.previous() == base.tick() {
            next.before().max(base.tick())
        } else {
            base.tick()
        };
        assert_eq!((area.before(), area.previous()), (held, base.tick()));
    }
}

proptest! {
    #[test]
    fn a_delta_leads_from_the_last_version_to_the_next(steps in steps(1..14)) {
        for schema in schemas() {
            let mut pair = Pair::of(&schema, Basis::nothing());
            for next in &versions(&schema, &steps) {
                pair.send(next, next.tick());
            }
        }
    }

    #[test]
    fn a_delta_leads_from_any_older_version_to_the_newest(steps in steps(1..14), late in 0..7_u32) {
        for schema in schemas() {
            let versions = versions(&schema, &steps);
            let newest = versions.last().expect("never empty");
            for base in versions.iter().map(Basis::of).chain([Basis::nothing()]) {
                Pair::of(&schema, base).send(newest, newest.tick().plus(late));
            }
        }
    }

    #[test]
    fn skipping_updates_and_taking_all_come_to_the_same(steps in steps(4..12), keep in any::<u16>()) {
        for schema in schemas() {
            let nothing = || Pair::of(&schema, Basis::nothing());
            let (mut all, mut some) = (nothing(), nothing());
            let versions = versions(&schema, &steps);
            for (index, next) in versions.iter().enumerate() {
                all.send(next, next.tick());
                if keep >> (index % 16) & 1 == 1 || index + 1 == versions.len() {
                    some.send(next, next.tick());
                }
            }
            let (all, some) = (all.theirs.area.unwrap(), some.theirs.area.unwrap());
            prop_assert!(all.same(&some));
            prop_assert_eq!(all.hash(), some.hash());
        }
    }
}

#[test]
fn an_unknown_codebook_is_told() {
    let schema = schema();
    let basis = Basis {
        codebook: 7,
        ..Basis::nothing()
    };
    let error = decode(&schema, &basis, AreaId::ALL, Tick(1), &[0]).unwrap_err();
    assert_eq!(error.to_string(), "codebook 7 is unknown");
}

#[test]
fn a_keyframe_is_no_delta_and_a_delta_is_no_keyframe() {
    schemas().into_iter().for_each(no_other_kind);
}

fn no_other_kind(schema: Arc<Schema>) {
    let area = Arc::new(Area::empty(AreaId::ALL, &schema));
    let mut encoder = Encoder::new(&schema);
    let (keyframe, basis) = encoder.encode(&Basis::nothing(), &area, Tick(3));
    let (delta, _) = encoder.encode(&basis, &area, Tick(3));
    assert!(decode(&schema, &basis, AreaId::ALL, Tick(3), &keyframe).is_err());
    assert!(decode(&schema, &Basis::nothing(), AreaId::ALL, Tick(3), &delta).is_err());
    assert!(decode(&schema, &basis, AreaId(1), Tick(3), &delta).is_err());
}

/// Puts a body down at rest.
fn stand(edit: &mut AreaEdit, slot: u32, x: f64) {
    put(edit, slot, [0.0, 0.0, 0.0, x, 0.0]);
}

/// Writes a body: angle, vx, vy, x, y.
fn put(edit: &mut AreaEdit, slot: u32, numbers: [f64; 5]) {
    edit.set(0, slot, |row| {
        for (field, number) in numbers.into_iter().enumerate() {
            let field = row.field(field);
            field.quant.put_number(number, field.ints);
        }
    });
}

/// A full area: every slot, every page.
fn full(schema: &Arc<Schema>) -> Arc<Area> {
    let mut edit = AreaEdit::new(&Arc::new(Area::empty(AreaId::ALL, schema)), Tick(1), schema);
    for slot in 1..ENTITIES_MAX as u32 {
        edit.spawn(NetId {
            slot,
            generation: (slot % 7) as u16,
        });
        stand(&mut edit, slot, f64::from(slot % 64));
    }
    edit.finish().expect("spawned")
}

#[test]
fn an_area_with_every_slot_taken_comes_and_goes() {
    schemas()
        .into_iter()
        .for_each(an_area_with_every_slot_taken_comes_and_goes_in);
}

fn an_area_with_every_slot_taken_comes_and_goes_in(schema: Arc<Schema>) {
    let (full, empty) = (full(&schema), Arc::new(Area::empty(AreaId::ALL, &schema)));
    assert_eq!(full.len(), ENTITIES_MAX - 1);
    let mut pair = Pair::of(&schema, Basis::nothing());
    pair.send(&full, Tick(2));
    let gone = AreaEdit::new(&full, Tick(3), &schema);
    let gone = (1..ENTITIES_MAX as u32).fold(gone, |mut edit, slot| {
        edit.despawn(slot);
        edit
    });
    let gone = gone.finish().expect("despawned");
    assert!(gone.same(&empty) && gone.hash() == empty.hash());
    pair.send(&gone, Tick(3));
    let (bytes, _) = Encoder::new(&schema).encode(&Basis::of(&full), &gone, Tick(3));
    assert!(
        bytes.len() < 1024,
        "{} bytes say that all are gone",
        bytes.len()
    );
}

#[test]
fn a_track_may_lie_half_a_step_beyond_its_range() {
    schemas()
        .into_iter()
        .for_each(a_track_may_lie_half_a_step_beyond_its_range_in);
}

fn a_track_may_lie_half_a_step_beyond_its_range_in(schema: Arc<Schema>) {
    let mut pair = Pair::of(&schema, Basis::nothing());
    let mut area = Arc::new(Area::empty(AreaId::ALL, &schema));
    let mut ends = [0, 0];
    for tick in 0..40 {
        let mut edit = AreaEdit::new(&area, Tick(tick), &schema);
        for (slot, x, vx) in [(1, 0.02, -0.0625), (2, 63.98, 0.0625)] {
            edit.spawn(NetId {
                slot,
                generation: 0,
            });
            put(&mut edit, slot, [0.0, vx, 0.0, x, 0.0]);
        }
        area = edit.finish().unwrap_or(area);
        pair.send(&area, Tick(tick));
        ends[0] = ends[0].min(area.int(0, 1, 3).unwrap());
        ends[1] = ends[1].max(area.int(0, 2, 3).unwrap());
        assert!((0.0..=64.0).contains(&area.number(0, 1, 3).unwrap()));
    }
    assert!(ends[0] < 0 && ends[1] > 64 * 480, "{ends:?}");
}

#[test]
fn what_an_encoder_did_before_is_forgotten() {
    schemas()
        .into_iter()
        .for_each(what_an_encoder_did_before_is_forgotten_in);
}

fn what_an_encoder_did_before_is_forgotten_in(schema: Arc<Schema>) {
    let mut pair = Pair::of(&schema, Basis::nothing());
    let mut edit = AreaEdit::new(
        &Arc::new(Area::empty(AreaId::ALL, &schema)),
        Tick(1),
        &schema,
    );
    edit.spawn(NetId {
        slot: 1,
        generation: 0,
    });
    edit.spawn(NetId {
        slot: 2,
        generation: 0,
    });
    put(&mut edit, 1, [0.0, 3.0, 0.5, 5.0, 0.0]);
    stand(&mut edit, 2, 5.0);
    let first = edit.finish().expect("spawned");
    pair.send(&first, Tick(1));
    let mut edit = AreaEdit::new(&first, Tick(2), &schema);
    stand(&mut edit, 2, 9.0);
    let second = edit.finish().expect("moved");
    pair.send(&second, Tick(2)); // leaves a difference of x in the encoder's buffers
    let mut edit = AreaEdit::new(&second, Tick(3), &schema);
    put(&mut edit, 2, [1.0, 0.0, 0.0, 9.0, 0.0]);
    // The first one is overlooked: its place is the same, against its prediction.
    pair.send(&edit.finish().expect("turned"), Tick(3));
}

#[test]
fn what_did_not_change_costs_no_bytes() {
    schemas()
        .into_iter()
        .for_each(what_did_not_change_costs_no_bytes_in);
}

fn what_did_not_change_costs_no_bytes_in(schema: Arc<Schema>) {
    let mut encoder = Encoder::new(&schema);
    let full = full(&schema);
    let (bytes, _) = encoder.encode(&Basis::of(&full), &full, Tick(9));
    // To a book of a world in which something always happens that is news.
    let most = if schema.codebook.is_empty() { 4 } else { 8 };
    assert!(
        bytes.len() <= most,
        "{} bytes say that nothing changed",
        bytes.len()
    );
    let mut edit = AreaEdit::new(&full, Tick(9), &schema);
    stand(&mut edit, 40_000, 7.25);
    let (bytes, _) = encoder.encode(&Basis::of(&full), &edit.finish().expect("changed"), Tick(9));
    assert!(
        bytes.len() <= 24,
        "{} bytes say that one row changed",
        bytes.len()
    );
}

/// The wire is a promise: whoever changes these bytes changes the version of the protocol, and PROTOCOL.md.
#[test]
fn the_bytes_are_golden() {
    let schema = schema();
    let mut edit = AreaEdit::new(
        &Arc::new(Area::empty(AreaId::ALL, &schema)),
        Tick(2),
        &schema,
    );
    for slot in 1..4 {
        edit.spawn(NetId {
            slot,
            generation: 0,
        });
        put(&mut edit, slot, [1.0, 3.0, 0.5, f64::from(slot), 4.0]);
    }
    edit.set(schema.resource("Score").expect("Score"), 0, |row| {
        row.field(0).ints[0] = -300
    });
    let first = edit.finish().expect("spawned");
    let mut edit = AreaEdit::new(&first, Tick(4), &schema);
    edit.despawn(2);
    put(&mut edit, 1, [1.1, 3.5, 0.5, 1.0 + 7.0 / 30.0, 4.03]);
    put(&mut edit, 3, [1.0, 3.0, 0.5, 3.2, 4.03]);
    edit.event(TickEvent {
        tick: Tick(4),
        kind: 0,
        lifetime: 30,
        ints: vec![9, 60],
        blobs: vec![b"boom".to_vec()],
    });
    let second = edit.finish().expect("changed");
    let mut encoder = Encoder::new(&schema);
    let (keyframe, basis) = encoder.encode(&Basis::nothing(), &first, Tick(2));
    let (delta, _) = encoder.encode(&basis, &second, Tick(5));
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    assert_eq!(
        hex(&keyframe),
        "14c000800c01528047c00a012a14f2228300b5ffff1f"
    );
    assert_eq!(hex(&delta), "532121800601a5380580104ff090d8db5b1b");
    assert_eq!(first.hash(), 9_072_244_802_141_429_238);
    assert_eq!(second.hash(), 4_433_764_112_572_622_717);
}

/// Who skips updates, now and then or regularly, and who joins late, hold what their bases say.
#[test]
fn a_client_that_lost_step_takes_part_again() {
    let [_, schema, _] = schemas();
    let mut area = Arc::new(Area::empty(AreaId::ALL, &schema));
    let mut pairs = [(); 3].map(|()| Pair::of(&schema, Basis::nothing()));
    for tick in 1..60 {
        let mut edit = AreaEdit::new(&area, Tick(tick), &schema);
        for slot in 1..9 {
            edit.spawn(NetId {
                slot,
                generation: 0,
            });
            let turn = f64::from(tick * slot % 40) / 7.0;
            put(&mut edit, slot, [turn, turn - 3.0, 0.5, turn + 9.0, turn]);
        }
        area = edit.finish().unwrap_or(area);
        for (every, pair) in (1..).zip(&mut pairs) {
            if tick % every == 0 && tick % 11 != every {
                pair.send(&area, Tick(tick));
            }
        }
    }
    let mut late = Pair::of(&schema, Basis::nothing());
    let steps: Vec<usize> = pairs
        .iter()
        .map(|pair| pair.ours.in_step(Tick(60)))
        .collect();
    assert_eq!(steps, [2, 5, 6]);
    late.send(&area, Tick(59));
    assert_eq!(late.ours.in_step(Tick(60)), 0);
}
