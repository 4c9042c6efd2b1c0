//! The laws of schemas: bytes and back, one hash for one meaning, and differences in words.

use proptest::prelude::*;
use tickwire_snapshot::quant::{BLOB_MAX, STEPS_MAX, VARIANTS_MAX};
use tickwire_snapshot::schema::{
    COLUMNS_MAX, FIELDS_MAX, NAME_MAX, RECORDS_MAX, SCHEMA_BYTES_MAX, TABLE_COLUMNS_MAX,
};
use tickwire_snapshot::track::Span;
use tickwire_snapshot::{
    FieldSchema, Lerp, Predict, Quant, RecordSchema, Schema, SchemaError, Scope,
};

use crate::world::{body, range, schema};

fn dots(x_max: f64, step: f64) -> Schema {
    let mut schema = Schema::new("dots", 33_333);
    let fields = vec![
        FieldSchema::new("x", range(0.0, x_max, step)),
        FieldSchema::new(
            "hue",
            Quant::Bits {
                bits: 8,
                signed: false,
            },
        ),
    ];
    schema.components.push(RecordSchema::new("Dot", fields));
    schema.seal().expect("a good schema");
    schema
}

#[test]
fn it_survives_its_bytes() {
    let schema = schema();
    let bytes = schema.to_bytes();
    let back = Schema::from_bytes(&bytes).expect("our own bytes");
    assert_eq!(back, *schema);
    assert_eq!(back.hash(), schema.hash());
    for length in 0..bytes.len() {
        assert!(Schema::from_bytes(&bytes[..length]).is_err());
    }
    assert!(Schema::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn the_order_of_registration_means_nothing() {
    let mut other = Schema::clone(&schema());
    other.components.reverse();
    for record in &mut other.components {
        record.fields.reverse();
    }
    // Velocities are indices once sealed: reversing broke them on purpose, as only names survive any order.
    other
        .components
        .iter_mut()
        .find(|r| r.name == "Body")
        .map(|r| *r = body())
        .expect("Body");
    other.seal().expect("a good schema");
    assert_eq!(other, *schema());
}

#[test]
fn a_track_is_exact_where_the_steps_allow_it() {
    let schema = schema();
    let body = &schema.components[schema.component("Body").expect("Body")];
    let x = &body.fields[body.field("x").expect("x")];
    let track = x.track.expect("a track");
    assert_eq!(
        (track.cell, track.num, track.den, track.zero),
        (30, 1, 1, 2240)
    );
    assert_eq!(
        x.predict,
        Predict::Velocity {
            field: body.field("vx").expect("vx") as u16
        }
    );
    assert_eq!(track.displacement([2240 + 16; 2], Span::direct(30)), 480); // one unit a second, for a second: 16 steps of 30 fine units
}

#[test]
fn visible_leaves_out_what_not_all_may_know() {
    let mut record = body();
    record.fields[4].scope = Scope::Owner;
    record.seal(33_333).expect("a good record");
    let mut visible = record.visible();
    visible.seal(33_333).expect("a good record");
    assert_eq!(visible.fields.len(), 4);
    assert!(
        visible.fields[visible.field("x").expect("x")]
            .track
            .is_some()
    );
    for field in &mut record.fields {
        if field.name == "vx" {
            field.scope = Scope::Server;
        }
    }
    let mut visible = record.visible();
    visible.seal(33_333).expect("a good record");
    assert_eq!(
        visible.fields[visible.field("x").expect("x")].predict,
        Predict::Same
    );
    assert!(
        visible.fields[visible.field("y").expect("y")]
            .track
            .is_some()
    );
}

#[test]
fn differences_say_what_where_and_both_sides() {
    let server = dots(800.0, 0.1);
    assert!(server.differences(&server).is_empty());
    let mut client = dots(640.0, 0.1);
    assert_eq!(
        server.differences(&client),
        ["component Dot, field x: server range 0..=800 step 0.1, client range 0..=640 step 0.1"]
    );
    client.components[0].fields[1].name = "z".into();
    client.tick_us = 16_667;
    client.resources.push(RecordSchema::new("Score", vec![]));
    client.seal().expect("a good schema");
    assert_eq!(
        server.differences(&client),
        [
            "tick: server 33333 us, client 16667 us",
            "component Dot, field x: the server has it, the client does not",
            "component Dot, field z: the client has it, the server does not",
            "resource Score: the client has it, the server does not",
        ]
    );
}

#[test]
fn what_cannot_work_is_refused_with_a_reason() {
    let seal = |fields: Vec<FieldSchema>| {
        RecordSchema::new("Dot", fields)
            .seal(33_333)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        seal(vec![FieldSchema::new("x", range(5.0, 5.0, 0.1))]),
        "Dot.x: a range needs finite min < max, step > 0, and at most 1073741824 steps: use a larger step"
    );
    assert_eq!(
        seal(vec![
            FieldSchema::new("x", range(0.0, 5.0, 0.1)).with_velocity("vx")
        ]),
        "Dot.x: its velocity is no field of this record: check the name"
    );
    assert_eq!(
        seal(vec![FieldSchema::new(
            "x",
            Quant::Bits {
                bits: 0,
                signed: false
            }
        )]),
        "Dot.x: 0 bits, this quantiser takes 1 to 32"
    );
    let twice = seal(vec![
        FieldSchema::new("x", Quant::Bool),
        FieldSchema::new("x", Quant::Bool),
    ]);
    assert_eq!(
        twice,
        "Dot x and Dot x have the same name or number: rename one of them"
    );
    let mut schema = Schema::new("dots", 0);
    assert_eq!(schema.seal(), Err(SchemaError::Tick(0)));
}

#[test]
fn every_limit_is_reached_and_not_passed() {
    let flags = |count: usize| {
        (0..count)
            .map(|i| FieldSchema::new(format!("f{i}"), Quant::Bool))
            .collect::<Vec<_>>()
    };
    let record = |fields| RecordSchema::new("Dot", fields).seal(33_333);
    let one = |quant| record(vec![FieldSchema::new("x", quant)]);
    assert_eq!(record(flags(FIELDS_MAX)), Ok(()));
    assert!(record(flags(FIELDS_MAX + 1)).is_err());
    assert_eq!(
        record(vec![
            FieldSchema::new("x", Quant::Bool).with_len(COLUMNS_MAX as u8)
        ]),
        Ok(())
    );
    assert!(
        record(vec![
            FieldSchema::new("x", Quant::Bool).with_len(COLUMNS_MAX as u8 + 1)
        ])
        .is_err()
    );
    assert_eq!(
        one(Quant::Text {
            max: BLOB_MAX as u16
        }),
        Ok(())
    );
    assert!(
        one(Quant::Text {
            max: BLOB_MAX as u16 + 1
        })
        .is_err()
    );
    assert_eq!(one(range(0.0, f64::from(STEPS_MAX), 1.0)), Ok(()));
    assert!(one(range(0.0, f64::from(STEPS_MAX) + 1.0, 1.0)).is_err());
    let variants = |count| Quant::Enum {
        variants: vec!["a".to_owned(); count],
    };
    assert_eq!(one(variants(VARIANTS_MAX)), Ok(()));
    assert!(one(variants(VARIANTS_MAX + 1)).is_err());
    assert_eq!(
        RecordSchema::new("D".repeat(NAME_MAX), vec![]).seal(33_333),
        Ok(())
    );
    assert!(
        RecordSchema::new("D".repeat(NAME_MAX + 1), vec![])
            .seal(33_333)
            .is_err()
    );

    let schema = |records: usize, columns: usize| {
        let mut schema = Schema::new("much", 33_333);
        schema.components = (0..records)
            .map(|i| RecordSchema::new(format!("R{i}"), flags(columns)))
            .collect();
        schema.seal()
    };
    assert_eq!(schema(RECORDS_MAX, 0), Ok(()));
    assert!(schema(RECORDS_MAX + 1, 0).is_err());
    assert_eq!(schema(TABLE_COLUMNS_MAX / 64, 64), Ok(()));
    assert!(schema(TABLE_COLUMNS_MAX / 64 + 1, 64).is_err());
    let mut long = Schema::new("x".repeat(SCHEMA_BYTES_MAX), 33_333);
    assert!(matches!(
        long.seal(),
        Err(SchemaError::TooMany {
            max: SCHEMA_BYTES_MAX,
            ..
        })
    ));
    assert!(Schema::from_bytes(&vec![0; SCHEMA_BYTES_MAX + 1]).is_err());
}

#[test]
fn json_tells_everything_by_name() {
    let json = schema().to_json();
    assert_eq!(json["components"][0]["name"], "Body");
    assert_eq!(json["components"][0]["fields"][3]["velocity"], "vx");
    assert_eq!(json["components"][0]["fields"][3]["quant"]["type"], "range");
    assert_eq!(json["hash"], format!("{:016x}", schema().hash()));
}

proptest! {
    #[test]
    fn bytes_of_chance_are_refused_or_a_schema_that_survives(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(schema) = Schema::from_bytes(&bytes) {
            prop_assert_eq!(schema.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_flipped_bit_never_breaks_it(bit in 0..8000_usize) {
        let mut bytes = schema().to_bytes();
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = Schema::from_bytes(&bytes) {
            prop_assert_ne!(other.hash(), schema().hash());
            let _ = schema().differences(&other);
        }
    }
}

/// A place that its velocity bends, and that teleports.
fn bent(lerp: Lerp, teleport: Option<f64>) -> FieldSchema {
    let mut x = FieldSchema::new("x", range(0.0, 64.0, 0.25))
        .with_velocity("vx")
        .with_lerp(lerp);
    x.teleport = teleport;
    x
}

fn bends(x: FieldSchema) -> Result<Schema, SchemaError> {
    let vx = FieldSchema::new("vx", range(-8.0, 8.0, 0.25));
    let mut schema = Schema::new("bends", 33_333);
    schema.components = vec![RecordSchema::new("Dot", vec![x, vx])];
    schema.seal().map(|()| schema)
}

#[test]
fn how_a_field_is_drawn_survives_its_bytes_and_an_unknown_rule_is_refused() {
    for lerp in [Lerp::Linear, Lerp::Hermite] {
        for teleport in [None, Some(12.5)] {
            let schema = bends(bent(lerp, teleport)).expect("a good schema");
            let back = Schema::from_bytes(&schema.to_bytes()).expect("our own bytes");
            assert_eq!(back, schema);
            let field = &back.components[0].fields[1];
            assert_eq!((field.lerp, field.teleport), (lerp, teleport));
        }
    }
    let (line, curve) = (
        bends(bent(Lerp::Linear, None)),
        bends(bent(Lerp::Hermite, None)),
    );
    let (line, curve) = (line.expect("a line"), curve.expect("a curve"));
    assert_ne!(line.hash(), curve.hash());
    let (line, mut curve) = (line.to_bytes(), curve.to_bytes());
    let differ: Vec<usize> = (0..line.len())
        .filter(|&at| line[at] != curve[at])
        .collect();
    let [at] = differ[..] else {
        panic!("one byte tells the rule, and not {differ:?}");
    };
    assert_eq!((line[at], curve[at]), (0, 4));
    curve[at] = 7;
    assert_eq!(Schema::from_bytes(&curve), Err(SchemaError::Bytes));
}

#[test]
fn curves_and_teleports_that_cannot_be_are_refused() {
    let mut still = bent(Lerp::Hermite, None);
    still.velocity = None;
    let fault = bends(still).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "Dot.x: `hermite` needs a velocity: name its field"
    );
    for most in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let fault = bends(bent(Lerp::Hermite, Some(most))).unwrap_err();
        assert!(matches!(fault, SchemaError::Teleport { .. }), "{fault}");
    }
    let fault = bends(bent(Lerp::Step, Some(1.0))).unwrap_err();
    assert!(matches!(fault, SchemaError::Teleport { .. }), "{fault}");
}

#[test]
fn who_may_not_see_a_velocity_sees_a_line() {
    let mut record = RecordSchema::new(
        "Dot",
        vec![
            bent(Lerp::Hermite, Some(4.0)),
            FieldSchema::new("vx", range(-8.0, 8.0, 0.25)).with_scope(Scope::Owner),
        ],
    );
    record.seal(33_333).expect("a good record");
    let mut seen = record.visible();
    seen.seal(33_333)
        .expect("a good record without its velocity");
    assert_eq!(
        (seen.fields[0].lerp, seen.fields[0].teleport),
        (Lerp::Linear, Some(4.0))
    );
}
