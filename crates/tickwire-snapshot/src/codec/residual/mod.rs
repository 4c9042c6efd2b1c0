//! Columns of numbers as bits: differences from a prediction, and values of new rows. This file holds what `put` and `get` share; which rows the numbers belong to is not known here.

mod get;
mod put;
#[cfg(test)]
mod tests;

use crate::bits::{BitReader, BitWriter};
use crate::layout::{Column, bits_for};

use super::decode::DecodeError;

pub(super) use get::{get_differences, get_values};
pub(super) use put::{ColumnWriter, best_k};

/// Bits of an order of exponential Golomb numbers.
pub(super) const K_BITS: u32 = 4;

/// How the differences of a column are written.
const ALL_ZERO: u32 = 0;
const FLAGGED: u32 = 1;
const PLAIN: u32 = 2;
/// Of a track: some are whole cells, some are not.
const MIXED: u32 = 3;
const MODE_BITS: u32 = 2;

/// How the values of a column of new rows are written.
const CONSTANT: u32 = 0;
const FIXED: u32 = 1;
const CHAINED: u32 = 2;
const MOSTLY: u32 = 3;

/// What the values of new rows are counted in: a track's whole cells if all of them are, else the column's own integers.
struct Unit {
    step: i32,
    min: i32,
    bits: u32,
}

impl Unit {
    fn of(column: &Column, values: &[i32]) -> Self {
        let cell = column.track.as_ref().map(|(_, track)| track.cell as i32);
        Self::new(
            column,
            cell.filter(|cell| values.iter().all(|v| v % cell == 0)),
        )
    }

    fn new(column: &Column, cell: Option<i32>) -> Self {
        match cell {
            Some(step) => Self {
                step,
                min: 0,
                bits: u32::from(bits_for(0, column.max / step)),
            },
            None => Self {
                step: 1,
                min: column.min,
                bits: u32::from(column.bits),
            },
        }
    }

    fn put(&self, out: &mut BitWriter, value: i32) {
        out.bits((value / self.step).wrapping_sub(self.min) as u32, self.bits);
    }

    fn get(&self, input: &mut BitReader, column: &Column) -> Result<i32, DecodeError> {
        let code = input.bits(self.bits)?;
        let value = (i64::from(self.min) + i64::from(code)) * i64::from(self.step);
        i32::try_from(value)
            .ok()
            .filter(|&value| column.valid(value))
            .ok_or(DecodeError::Range)
    }

    fn difference(&self, column: &Column, from: i32, to: i32) -> i32 {
        if self.step == 1 {
            column.difference(from, to)
        } else {
            (to - from) / self.step
        }
    }

    fn add(&self, column: &Column, from: i32, difference: i32) -> Option<i32> {
        let value = if self.step == 1 {
            column.add(from, difference)
        } else {
            i32::try_from(i64::from(from) + i64::from(difference) * i64::from(self.step)).ok()?
        };
        column.valid(value).then_some(value)
    }
}

/// Signed to unsigned: small ones of either sign stay small.
#[inline]
fn fold(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)) as u32
}

#[inline]
fn unfold(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}
