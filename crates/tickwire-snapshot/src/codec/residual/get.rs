//! Reading columns: every number checked, whatever the bytes.

use crate::bits::BitReader;
use crate::codec::DecodeError;
use crate::layout::Column;

use super::{ALL_ZERO, CHAINED, CONSTANT, FIXED, K_BITS, MIXED, MODE_BITS, PLAIN, Unit, unfold};

/// Reads `count` differences.
pub(in crate::codec) fn get_differences(
    input: &mut BitReader,
    cell: Option<u32>,
    count: usize,
    differences: &mut Vec<i32>,
) -> Result<(), DecodeError> {
    differences.clear();
    let mode = input.bits(MODE_BITS)?;
    if mode == ALL_ZERO {
        differences.resize(count, 0);
        return Ok(());
    }
    if mode == MIXED {
        let cell = cell.ok_or(DecodeError::Wrong("cells where there is no track"))?;
        return get_mixed(input, cell as i32, count, differences);
    }
    let unit = match cell {
        Some(cell) if input.flag()? => cell as i32,
        _ => 1,
    };
    let k = input.bits(K_BITS)?;
    for _ in 0..count {
        let value = if mode == PLAIN {
            input.golomb(k)?
        } else if input.flag()? {
            input.golomb(k)?.checked_add(1).ok_or(DecodeError::Range)?
        } else {
            0
        };
        differences.push(unfold(value).wrapping_mul(unit));
    }
    Ok(())
}

fn get_mixed(
    input: &mut BitReader,
    cell: i32,
    count: usize,
    differences: &mut Vec<i32>,
) -> Result<(), DecodeError> {
    let k = [input.bits(K_BITS)?, input.bits(K_BITS)?];
    for _ in 0..count {
        if !input.flag()? {
            differences.push(0);
            continue;
        }
        let whole = input.flag()?;
        let value = input
            .golomb(k[usize::from(!whole)])?
            .checked_add(1)
            .ok_or(DecodeError::Range)?;
        differences.push(unfold(value).wrapping_mul(if whole { cell } else { 1 }));
    }
    Ok(())
}

/// Reads the values of `count` new rows, each one valid.
pub(in crate::codec) fn get_values(
    input: &mut BitReader,
    column: &Column,
    count: usize,
    values: &mut Vec<i32>,
) -> Result<(), DecodeError> {
    values.clear();
    if count == 0 {
        return Ok(());
    }
    let cell = match &column.track {
        Some((_, track)) if input.flag()? => Some(track.cell as i32),
        _ => None,
    };
    let unit = Unit::new(column, cell);
    match input.bits(MODE_BITS)? {
        CONSTANT => {
            let value = unit.get(input, column)?;
            values.resize(count, value);
        }
        FIXED => {
            for _ in 0..count {
                values.push(unit.get(input, column)?);
            }
        }
        CHAINED => {
            let mut value = unit.get(input, column)?;
            let k = input.bits(K_BITS)?;
            values.push(value);
            for _ in 1..count {
                value = unit
                    .add(column, value, unfold(input.golomb(k)?))
                    .ok_or(DecodeError::Range)?;
                values.push(value);
            }
        }
        _ => {
            let most = unit.get(input, column)?;
            for _ in 0..count {
                values.push(if input.flag()? {
                    unit.get(input, column)?
                } else {
                    most
                });
            }
        }
    }
    Ok(())
}
