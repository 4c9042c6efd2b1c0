//! A made-up game for the laws: a schema with every quantiser, and random steps that make one version of its area after another.

use std::sync::{Arc, OnceLock};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tickwire_proto::Tick;
use tickwire_snapshot::shape::Shaped;
use tickwire_snapshot::track::Span;
use tickwire_snapshot::{
    Area, AreaEdit, AreaId, FieldSchema, Lerp, NetId, OwnedRow, Profile, Quant, RecordSchema,
    RowMut, Schema, TickEvent, Trainer,
};

pub fn range(min: f64, max: f64, step: f64) -> Quant {
    Quant::Range { min, max, step }
}

pub fn body() -> RecordSchema {
    RecordSchema::new(
        "Body",
        vec![
            FieldSchema::new("x", range(0.0, 64.0, 1.0 / 16.0)).with_velocity("vx"),
            FieldSchema::new("y", range(-10.0, 10.0, 0.3)).with_velocity("vy"),
            FieldSchema::new("vx", range(-140.0, 140.0, 1.0 / 16.0)),
            FieldSchema::new("vy", range(-7.7, 9.1, 0.17)),
            FieldSchema::new("angle", Quant::Angle { bits: 8 }).with_lerp(Lerp::Angle),
        ],
    )
}

/// Every quantiser there is, in one record with more columns than the encoder's fast path takes.
pub fn odds() -> RecordSchema {
    let variants = ["Red", "Green", "Blue"].map(String::from).to_vec();
    RecordSchema::new(
        "Odds",
        vec![
            FieldSchema::new("flag", Quant::Bool),
            FieldSchema::new(
                "health",
                Quant::Bits {
                    bits: 7,
                    signed: false,
                },
            ),
            FieldSchema::new(
                "wide",
                Quant::Bits {
                    bits: 32,
                    signed: false,
                },
            ),
            FieldSchema::new(
                "signed",
                Quant::Bits {
                    bits: 16,
                    signed: true,
                },
            ),
            FieldSchema::new("aim", Quant::Unit2 { bits: 9 }),
            FieldSchema::new("normal", Quant::Unit3 { bits: 7 }),
            FieldSchema::new("turn", Quant::quat_bits(9)),
            FieldSchema::new("colour", Quant::Enum { variants }),
            FieldSchema::new("any", Quant::Varint),
            FieldSchema::new("target", Quant::Entity),
            FieldSchema::new("exact", Quant::F32),
            FieldSchema::new("name", Quant::Text { max: 12 }),
            FieldSchema::new(
                "bag",
                Quant::Blob {
                    shape: <Vec<u8>>::shape(),
                    max: 20,
                },
            ),
            FieldSchema::new("list", range(0.0, 5.0, 0.5)).with_len(3),
        ],
    )
}

pub fn schema() -> Arc<Schema> {
    schema_of(Profile::Fast)
}

/// The same game with either codec, the dense one also from a codebook.
pub fn schemas() -> [Arc<Schema>; 3] {
    [
        schema_of(Profile::Fast),
        schema_of(Profile::Dense),
        schema_with_book(),
    ]
}

/// Dense, from a codebook that was trained on what else may happen.
pub fn schema_with_book() -> Arc<Schema> {
    static MADE: OnceLock<Arc<Schema>> = OnceLock::new();
    let make = || {
        let plain = schema_of(Profile::Dense);
        let mut trainer = Trainer::new(&plain);
        let mut chance = TestRunner::deterministic();
        for _ in 0..24 {
            let steps = steps(1..24).new_tree(&mut chance).expect("steps").current();
            trainer.next_room();
            for area in versions(&plain, &steps) {
                trainer.watch(&area, area.tick());
            }
        }
        let mut schema = Schema::clone(&plain);
        schema.codebook = trainer.finish();
        assert!(schema.codebook.as_bytes().len() > 100, "it tells something");
        schema.seal().expect("a good schema");
        Arc::new(schema)
    };
    MADE.get_or_init(make).clone()
}

pub fn schema_of(profile: Profile) -> Arc<Schema> {
    let mut schema = Schema::new("laws", 33_333);
    schema.components = vec![body(), odds(), RecordSchema::new("Tag", vec![])];
    schema.resources = vec![RecordSchema::new(
        "Score",
        vec![FieldSchema::new("points", Quant::Varint)],
    )];
    let at = FieldSchema::new("at", range(0.0, 64.0, 1.0)).with_len(2);
    let say = FieldSchema::new("say", Quant::Text { max: 8 });
    schema.events = vec![
        RecordSchema::new("Boom", vec![at, say]),
        RecordSchema::new("Ping", vec![]),
    ];
    schema.profile = profile;
    schema.seal().expect("a good schema");
    Arc::new(schema)
}

/// One thing that happens between two captures.
#[derive(Clone, Debug)]
pub enum Act {
    Spawn {
        slot: u32,
    },
    Despawn {
        slot: u32,
    },
    /// The same slot, another entity.
    Replace {
        slot: u32,
    },
    Add {
        table: usize,
        slot: u32,
        seed: u64,
    },
    Remove {
        table: usize,
        slot: u32,
    },
    /// One column of a row becomes another valid value.
    Change {
        table: usize,
        slot: u32,
        column: usize,
        seed: u64,
    },
    /// A position goes on with its velocity, a little off.
    Drift {
        slot: u32,
        off: i32,
    },
    Event {
        kind: u16,
        seed: u64,
        lifetime: u16,
    },
    /// This capture does not look at bodies that move: they stand still against their prediction.
    Overlook,
}

/// What happens in one step, and how many ticks it takes.
pub fn steps(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<(u32, Vec<Act>)>> {
    prop::collection::vec((1..5_u32, prop::collection::vec(act(), 0..24)), count)
}

fn act() -> impl Strategy<Value = Act> {
    let slot =
        || prop_oneof![8 => 1..20_u32, 3 => 60..70_u32, 2 => 190..200_u32, 1 => Just(4000_u32)];
    prop_oneof![
        4 => slot().prop_map(|slot| Act::Spawn { slot }),
        1 => slot().prop_map(|slot| Act::Despawn { slot }),
        1 => slot().prop_map(|slot| Act::Replace { slot }),
        6 => (0..4_usize, slot(), any::<u64>()).prop_map(|(table, slot, seed)| Act::Add { table, slot, seed }),
        1 => (0..4_usize, slot()).prop_map(|(table, slot)| Act::Remove { table, slot }),
        6 => (0..4_usize, slot(), 0..20_usize, any::<u64>())
            .prop_map(|(table, slot, column, seed)| Act::Change { table, slot, column, seed }),
        6 => (slot(), -40..40_i32).prop_map(|(slot, off)| Act::Drift { slot, off }),
        1 => Just(Act::Overlook),
        1 => (0..2_u16, any::<u64>(), 0..9_u16).prop_map(|(kind, seed, lifetime)| Act::Event { kind, seed, lifetime }),
    ]
}

/// All versions of the area that the steps make, the empty one first.
pub fn versions(schema: &Arc<Schema>, steps: &[(u32, Vec<Act>)]) -> Vec<Arc<Area>> {
    let mut all = vec![Arc::new(Area::empty(AreaId::ALL, schema))];
    let mut tick = Tick(0);
    for (ticks, acts) in steps {
        let before = tick;
        tick = tick.plus(*ticks);
        let last = all.last().expect("never empty").clone();
        let mut edit = AreaEdit::new(&last, tick, schema);
        edit.unchanged_until(before);
        let overlook = acts.iter().any(|act| matches!(act, Act::Overlook));
        for slot in last.moving(schema.component("Body").expect("Body")) {
            if !overlook {
                drift(&mut edit, &last, schema, slot, 0, tick);
            }
        }
        for act in acts {
            perform(act, &mut edit, &last, schema, tick);
        }
        all.extend(edit.finish());
    }
    all
}

fn perform(act: &Act, edit: &mut AreaEdit, last: &Area, schema: &Schema, tick: Tick) {
    let entity = |table: usize, slot: u32| if schema.is_resource(table) { 0 } else { slot };
    match *act {
        Act::Spawn { slot } if last.generation(slot).is_none() => edit.spawn(NetId {
            slot,
            generation: tick.0 as u16,
        }),
        Act::Spawn { .. } => {}
        Act::Despawn { slot } => edit.despawn(slot),
        Act::Replace { slot } => {
            let generation = last
                .generation(slot)
                .unwrap_or(0)
                .wrapping_add(1 + tick.0 as u16 % 3);
            edit.spawn(NetId { slot, generation });
        }
        Act::Add { table, slot, seed } => {
            let record = schema.record(table).expect("a table");
            let new = random_row(record, seed);
            edit.set(table, entity(table, slot), |row| copy(record, &new, row));
        }
        Act::Remove { table, slot } => edit.remove(table, entity(table, slot)),
        Act::Change {
            table,
            slot,
            column,
            seed,
        } => {
            let record = schema.record(table).expect("a table");
            let Some(old) = last.row(table, entity(table, slot)) else {
                return;
            };
            let mut row = old.to_owned();
            if row.ints.is_empty() {
                return;
            }
            let column = column % row.ints.len();
            row.ints[column] = random_row(record, seed).ints[column];
            edit.set(table, entity(table, slot), |out| copy(record, &row, out));
        }
        Act::Overlook => {}
        Act::Drift { slot, off } => drift(edit, last, schema, slot, off, tick),
        Act::Event {
            kind,
            seed,
            lifetime,
        } => {
            let OwnedRow { ints, blobs } = random_row(&schema.events[usize::from(kind)], seed);
            let tick = if seed % 2 == 0 {
                tick
            } else {
                last.tick().next()
            };
            edit.event(TickEvent {
                tick,
                kind,
                lifetime,
                ints,
                blobs,
            });
        }
    }
}

fn drift(edit: &mut AreaEdit, last: &Area, schema: &Schema, slot: u32, off: i32, tick: Tick) {
    let table = schema.component("Body").expect("Body");
    let record = schema.record(table).expect("Body");
    let Some(old) = last.row(table, slot) else {
        return;
    };
    let mut row = old.to_owned();
    let span = Span::direct(tick.since(last.tick()));
    for (index, column) in record.layout().columns().iter().enumerate() {
        if let Some((velocity, track)) = &column.track {
            let way =
                track.displacement([row.ints[usize::from(*velocity)]; 2], span) + i64::from(off);
            row.ints[index] = (i64::from(row.ints[index]) + way)
                .clamp(0, i64::from(column.max - column.min)) as i32;
        }
    }
    edit.set(table, slot, |out| copy(record, &row, out));
}

fn copy(record: &RecordSchema, from: &OwnedRow, to: &mut RowMut) {
    for (index, slot) in record.layout().fields().iter().enumerate() {
        let field = to.field(index);
        field
            .ints
            .copy_from_slice(&from.ints[slot.offset..slot.offset + slot.columns]);
        if let (Some(out), Some(blob)) = (field.blob, slot.blob) {
            out.extend_from_slice(&from.blobs[blob]);
        }
    }
}

/// A row of valid values; the ends of ranges more often than chance would have them.
pub fn random_row(record: &RecordSchema, mut seed: u64) -> OwnedRow {
    let mut next = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    let mut row = OwnedRow::new(record);
    for (int, column) in row.ints.iter_mut().zip(record.layout().columns()) {
        let span = (i64::from(column.max) - i64::from(column.min) + 1) as u64;
        let value = match next() % 8 {
            0 => column.min,
            1 => column.max,
            2 | 3 => 0.clamp(column.min, column.max),
            _ => (i64::from(column.min) + (next() << 31 | next()).rem_euclid(span) as i64) as i32,
        };
        *int = if column.valid(value) { value } else { 0 };
        if let Some((_, track)) = &column.track {
            // The truth is inside the range; only the track may leave it by half a cell.
            *int = (*int).clamp(0, column.max - (track.cell / 2) as i32);
        }
    }
    for (velocity, track) in record
        .layout()
        .columns()
        .iter()
        .filter_map(|c| c.track.as_ref())
    {
        if next() % 2 == 0 {
            row.ints[usize::from(*velocity)] = track.zero; // at rest
        }
    }
    for (blob, bytes) in row.blobs.iter_mut().enumerate() {
        let quant = record.layout().blob_quant(blob);
        let length = next() as usize % quant.blob_max();
        if !matches!(quant, Quant::Text { .. }) {
            bytes.push(length as u8); // as postcard has it
        }
        bytes.extend((0..length).map(|_| b'a' + (next() % 26) as u8));
    }
    row
}
