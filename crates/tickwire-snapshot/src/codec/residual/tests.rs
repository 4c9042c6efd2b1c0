//! Columns survive their bits in every mode, and the mode that is taken is the cheap one.

use proptest::prelude::*;

use super::{ColumnWriter, get_differences, get_values};
use crate::bits::{BitReader, BitWriter};
use crate::layout::Column;
use crate::quant::Quant;
use crate::schema::{FieldSchema, RecordSchema};

/// Bits of the differences, after a check that they survive.
fn differences(all: &[i32], cell: Option<u32>) -> usize {
    let mut out = BitWriter::default();
    ColumnWriter::default().put_differences(&mut out, all, cell);
    let bits = out.len();
    let bytes = out.finish().to_vec();
    let mut input = BitReader::new(&bytes);
    let mut back = Vec::new();
    get_differences(&mut input, cell, all.len(), &mut back).expect("our own bits");
    assert_eq!(back, all);
    assert!(input.at_end());
    bits
}

/// Bits of new values, after a check that they survive.
fn values(column: &Column, all: &[i32]) -> usize {
    let mut out = BitWriter::default();
    ColumnWriter::default().put_values(&mut out, column, all);
    let bits = out.len();
    let bytes = out.finish().to_vec();
    let mut input = BitReader::new(&bytes);
    let mut back = Vec::new();
    get_values(&mut input, column, all.len(), &mut back).expect("our own bits");
    assert_eq!(back, all);
    assert!(input.at_end());
    bits
}

/// A plain column of 10 bits, and a track of 30 fine units a step.
fn columns() -> [Column; 2] {
    let range = |max: f64, step: f64| Quant::Range {
        min: 0.0,
        max,
        step,
    };
    let mut record = RecordSchema::new(
        "Dot",
        vec![
            FieldSchema::new(
                "a",
                Quant::Bits {
                    bits: 10,
                    signed: false,
                },
            ),
            FieldSchema::new("v", range(9.0, 0.0625)),
            FieldSchema::new("x", range(64.0, 0.0625)).with_velocity("v"),
        ],
    );
    record.seal(33_333).expect("a good record");
    [record.layout().columns()[0], record.layout().columns()[2]]
}

proptest! {
    #[test]
    fn differences_survive(all in prop::collection::vec((any::<i32>(), 0..32_u32, 0..4_u8), 1..80), cell in prop::option::of(1..200_u32)) {
        let small = |&(d, shift, kind): &(i32, u32, u8)| match kind {
            0 => 0,
            1 => (d >> shift) / 256 * cell.unwrap_or(1) as i32,
            _ => d >> shift,
        };
        differences(&all.iter().map(small).collect::<Vec<_>>(), cell);
    }

    #[test]
    fn values_survive(all in prop::collection::vec((0..1024_i32, 0..3_u8), 1..80), kind in 0..2_usize) {
        let column = &columns()[kind];
        let value = |&(v, way): &(i32, u8)| match way {
            0 => 0,
            1 => v / 30 * 30,
            _ => v,
        };
        values(column, &all.iter().map(value).collect::<Vec<_>>());
    }
}

#[test]
fn the_cheap_mode_is_taken() {
    let scattered = |i: i32| (i * 7919).rem_euclid(1024);
    let many = |f: &dyn Fn(i32) -> i32| (0..256).map(f).collect::<Vec<_>>();
    assert_eq!(differences(&many(&|_| 0), None), 2);
    // Mostly zero: one bit each, and a few of 20.
    assert!(
        differences(&many(&|i| if i % 32 == 0 { 500 + i } else { 0 }), None) < 256 + 8 * 20 + 6
    );
    // Never zero: as many bits as their size, no flags.
    assert!(differences(&many(&|i| scattered(i) - 512), None) < 256 * 12);
    // One zero among them is no reason for flags.
    let one_zero = |i: i32| if i == 9 { 0 } else { scattered(i) | 1 };
    let flagless = differences(&many(&|i| scattered(i) | 1), None);
    assert!(differences(&many(&one_zero), None) <= flagless);
    // Whole cells cost as much as the number of cells, and a few odd ones do not spoil that.
    let cells = |i: i32| (i % 5 - 2) * 1000;
    assert!(differences(&many(&cells), Some(1000)) < 256 * 5);
    assert!(differences(&many(&|i| cells(i) + i32::from(i == 77)), Some(1000)) < 256 * 6);
    // Fine ones among few whole cells are better plain.
    assert!(differences(&many(&|i| scattered(i) + 1), Some(3)) < 256 * 13);
    let [plain, track] = columns();
    assert_eq!(values(&plain, &many(&|_| 700)), 12);
    assert_eq!(values(&plain, &many(&scattered)), 2 + 256 * 10);
    assert!(values(&plain, &many(&|i| i * 3)) < 256 * 6);
    assert!(
        values(
            &plain,
            &many(&|i| if i % 16 == 0 { scattered(i) } else { 9 })
        ) < 256 + 18 * 10
    );
    assert_eq!(values(&track, &many(&|i| scattered(i) * 30)), 3 + 256 * 11);
    assert_eq!(
        values(&track, &many(&|i| scattered(i) * 30 + 1)),
        3 + 256 * 15
    );
}
