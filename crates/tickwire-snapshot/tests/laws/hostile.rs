//! Whatever bytes come, decoding ends with a value or an error: cut short at every byte, with flipped bits, or of pure chance.

use std::sync::Arc;

use proptest::prelude::*;
use tickwire_proto::Tick;
use tickwire_snapshot::{
    Area, AreaId, Basis, ENTITIES_MAX, Encoder, FieldSchema, OwnedRow, Quant, RecordSchema, Schema,
    decode, values,
};

use crate::world::{odds, random_row, schema, schemas, steps, versions};

/// Decodes what may be anything; what comes out must be a proper area.
fn try_bytes(schema: &Arc<Schema>, basis: &Basis, tick: Tick, bytes: &[u8]) -> bool {
    let Ok(decoded) = decode(schema, basis, AreaId::ALL, tick, bytes) else {
        return false;
    };
    let area = decoded.basis.area.expect("an area");
    assert!(area.len() < ENTITIES_MAX);
    assert_eq!(area.entities().count(), area.len());
    for (table, record) in schema.records().enumerate() {
        for slot in area.rows(table) {
            assert!(if schema.is_resource(table) {
                slot == 0
            } else {
                area.generation(slot).is_some()
            });
            let row = area.row(table, slot).expect("a row");
            assert!(
                record
                    .layout()
                    .columns()
                    .iter()
                    .zip(row.ints())
                    .all(|(column, &int)| column.valid(int))
            );
        }
    }
    // It is as good a basis and as good a truth as any.
    let (bytes, _) = Encoder::new(schema).encode(basis, &area, area.tick());
    let again = decode(schema, basis, AreaId::ALL, area.tick(), &bytes).expect("our own delta");
    assert!(again.basis.area.is_some_and(|again| again.same(&area)));
    true
}

fn last_two(versions: &[Arc<Area>]) -> (Basis, &Arc<Area>) {
    let base = versions
        .len()
        .checked_sub(2)
        .map_or(Basis::nothing(), |index| Basis::of(&versions[index]));
    (base, versions.last().expect("never empty"))
}

proptest! {
    #[test]
    fn cut_short_at_every_byte_is_an_error(steps in steps(1..6)) {
        let schema = schema();
        let versions = versions(&schema, &steps);
        let (basis, next) = last_two(&versions);
        for basis in [basis, Basis::nothing()] {
            let (bytes, _) = Encoder::new(&schema).encode(&basis, next, next.tick());
            for length in 0..bytes.len() {
                let short = decode(&schema, &basis, AreaId::ALL, next.tick(), &bytes[..length]);
                prop_assert!(short.is_err(), "{} of {} bytes", length, bytes.len());
            }
            let long = [&bytes[..], &[0]].concat();
            prop_assert!(decode(&schema, &basis, AreaId::ALL, next.tick(), &long).is_err());
        }
    }

    #[test]
    fn a_dense_delta_cut_or_longer_is_an_error_or_another_proper_area(steps in steps(1..6)) {
        // Zeros at its end go without saying, so that its length alone tells little.
        let [_, _, schema] = schemas();
        let versions = versions(&schema, &steps);
        let (basis, next) = last_two(&versions);
        for basis in [basis, Basis::nothing()] {
            let (bytes, _) = Encoder::new(&schema).encode(&basis, next, next.tick());
            for length in 0..bytes.len() {
                try_bytes(&schema, &basis, next.tick(), &bytes[..length]);
            }
            for more in [&[0][..], &[1], &[255, 255], &[0, 0, 0, 0, 0, 7]] {
                try_bytes(&schema, &basis, next.tick(), &[&bytes[..], more].concat());
            }
            let zero = [&bytes[..], &[0]].concat();
            prop_assert!(decode(&schema, &basis, AreaId::ALL, next.tick(), &zero).is_err());
        }
    }

    #[test]
    fn a_flipped_bit_is_an_error_or_another_proper_area(steps in steps(1..6)) {
        for schema in schemas() {
            let versions = versions(&schema, &steps);
            let (basis, next) = last_two(&versions);
            let (bytes, _) = Encoder::new(&schema).encode(&basis, next, next.tick());
            for bit in 0..bytes.len() * 8 {
                let mut wrong = bytes.to_vec();
                wrong[bit / 8] ^= 1 << (bit % 8);
                try_bytes(&schema, &basis, next.tick(), &wrong);
            }
        }
    }

    #[test]
    fn bytes_of_chance_are_an_error_or_a_proper_area(
        steps in steps(1..6),
        chance in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..96), 64),
    ) {
        for schema in schemas() {
            let versions = versions(&schema, &steps);
            for bytes in &chance {
                try_bytes(&schema, &Basis::nothing(), Tick(70), bytes);
                try_bytes(&schema, &Basis::of(versions.last().unwrap()), Tick(70), bytes);
            }
        }
    }

    #[test]
    fn a_record_survives_its_bytes_and_no_cut(seed in any::<u64>()) {
        let mut record = odds();
        record.seal(33_333).expect("a good record");
        let row = random_row(&record, seed);
        let bytes = values::encode_record(&record, &row.ints, &row.blobs);
        prop_assert_eq!(values::decode_record(&record, &bytes), Ok(row));
        for length in 0..bytes.len() {
            prop_assert!(values::decode_record(&record, &bytes[..length]).is_err());
        }
        let long = [&bytes[..], &[0]].concat();
        prop_assert_eq!(values::decode_record(&record, &long), Err(values::RowError::Long));
    }

    #[test]
    fn a_record_of_chance_is_valid_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut record = odds();
        record.seal(33_333).expect("a good record");
        if let Ok(OwnedRow { ints, blobs }) = values::decode_record(&record, &bytes) {
            prop_assert!(record.layout().columns().iter().zip(&ints).all(|(column, &int)| column.valid(int)));
            prop_assert_eq!(values::encode_record(&record, &ints, &blobs), bytes);
        }
    }
}

#[test]
fn the_smallest_bomb_makes_no_more_than_the_slots_there_are() {
    // Pages announced far beyond the end, every length of ones: the longest numbers that fit.
    schemas().into_iter().for_each(smallest_bombs);
}

fn smallest_bombs(schema: Arc<Schema>) {
    for ones in 0..64 {
        let mut bytes = vec![0xff; ones];
        bytes.extend([0x55; 40]);
        for first in 0..=255_u8 {
            if let Some(byte) = bytes.first_mut() {
                *byte = first;
            }
            try_bytes(&schema, &Basis::nothing(), Tick(9), &bytes);
        }
    }
}

#[test]
fn a_record_takes_no_text_that_is_none_and_none_that_is_too_long() {
    let mut record = RecordSchema::new(
        "Say",
        vec![FieldSchema::new("text", Quant::Text { max: 4 })],
    );
    record.seal(33_333).expect("a good record");
    let bytes = |blob: &[u8]| values::encode_record(&record, &[], &[blob.to_vec()]);
    assert!(values::decode_record(&record, &bytes(b"good")).is_ok());
    assert_eq!(
        values::decode_record(&record, &bytes(&[0xff])),
        Err(values::RowError::Range)
    );
    let mut long = bytes(b"good").to_vec();
    long[0] += 1;
    assert_eq!(
        values::decode_record(&record, &long),
        Err(values::RowError::Range)
    );
}
