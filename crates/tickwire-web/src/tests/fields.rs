//! Commands with every kind of field that there is.

use super::*;

/// One field of each kind, some in arrays.
fn everything() -> RecordSchema {
    let shape = Shape::Option(Box::new(Shape::U8));
    let field = |name: &str, quant| FieldSchema::new(name, quant);
    let mut record = RecordSchema::new(
        "Everything",
        vec![
            field("angle", Quant::Angle { bits: 12 }),
            field(
                "bits",
                Quant::Bits {
                    bits: 9,
                    signed: true,
                },
            ),
            field("blob", Quant::Blob { shape, max: 8 }),
            field("float", Quant::F32),
            field("flags", Quant::Bool).with_len(3),
            field(
                "mood",
                Quant::Enum {
                    variants: vec!["Calm".to_owned(), "Wild".to_owned()],
                },
            ),
            field(
                "place",
                Quant::Range {
                    min: -10.0,
                    max: 10.0,
                    step: 0.5,
                },
            )
            .with_len(2),
            field("quat", Quant::quat_bits(12)),
            field("target", Quant::Entity),
            field("text", Quant::Text { max: 10 }),
            field("unit", Quant::Unit2 { bits: 12 }),
            field("unit3", Quant::Unit3 { bits: 12 }),
            field("var", Quant::Varint),
        ],
    );
    record.seal(33_333).expect("sound");
    record
}

/// Everybody is where their id says.
fn place(id: u64) -> Option<(AreaId, NetId)> {
    let (slot, generation) = tickwire_client::slot_and_generation(id);
    Some((AreaId::ALL, NetId { slot, generation }))
}

#[test]
fn a_command_may_hold_every_kind_of_field() {
    let record = everything();
    let target = tickwire_client::entity_id(
        AreaId::ALL,
        NetId {
            slot: 7,
            generation: 2,
        },
    ) as f64;
    let texts = ["5".to_owned(), "hello".to_owned()];
    let numbers = [
        1.5, -100.0, 0.0, 1.0, 0.0, 1.0, 0.25, 1.0, 3.0, -4.5, 0.0, 0.0, 0.0, 1.0, target, 1.0,
        0.0, 1.0, 0.0, 0.0, 1.0, -70_000.0,
    ];
    let row = crate::layout::command_row(&record, &numbers, &texts, &place).expect("it fits");
    let values: Vec<(String, Value)> = record
        .fields
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let at = row.row(&record);
            let read = at.field(index);
            (
                field.name.clone(),
                field.value(read.ints, read.blob.unwrap_or(&[])),
            )
        })
        .collect();
    let value = |name: &str| {
        &values
            .iter()
            .find(|(field, _)| field == name)
            .expect("a field")
            .1
    };
    assert_eq!(value("bits"), &Value::Int(-100));
    assert_eq!(value("blob"), &Value::Bytes(vec![1, 5]));
    assert_eq!(
        value("flags"),
        &Value::List([true, false, true].map(Value::Bool).to_vec())
    );
    assert_eq!(value("float"), &Value::Number(0.25));
    assert_eq!(value("mood"), &Value::Text("Wild".to_owned()));
    assert_eq!(
        value("place"),
        &Value::List([3.0, -4.5].map(Value::Number).to_vec())
    );
    assert_eq!(
        value("target"),
        &Value::Entity(Some(NetId {
            slot: 7,
            generation: 2
        }))
    );
    assert_eq!(value("text"), &Value::Text("hello".to_owned()));
    assert_eq!(value("var"), &Value::Int(-70_000));
    let Value::Vector(unit) = value("unit") else {
        panic!("a vector")
    };
    assert!((unit[1] - 1.0).abs() < 1e-2, "{unit:?}");
    let bytes = values::encode_record(&record, &row.ints, &row.blobs);
    assert_eq!(
        values::decode_record(&record, &bytes).as_ref(),
        Ok(&row),
        "the server takes it"
    );

    // whatever the doubles, what comes out is a row that the server can read, or a text
    for wild in [f64::NAN, f64::INFINITY, -1e300, 1e300, -0.0, 4e9] {
        for at in 0..numbers.len() {
            let mut numbers = numbers;
            numbers[at] = wild;
            if let Ok(row) = crate::layout::command_row(&record, &numbers, &texts, &place) {
                let bytes = values::encode_record(&record, &row.ints, &row.blobs);
                assert_eq!(
                    values::decode_record(&record, &bytes).as_ref(),
                    Ok(&row),
                    "{wild} at {at}"
                );
            }
        }
    }
    for cut in 0..numbers.len() {
        assert!(crate::layout::command_row(&record, &numbers[..cut], &texts, &place).is_err());
    }
    let wrong =
        crate::layout::command_row(&record, &numbers, &["no".to_owned(), String::new()], &place)
            .unwrap_err();
    assert!(wrong.starts_with("field blob"), "{wrong}");
}
