//! Whole numbers as bits in contexts: how far a value is from what was expected. What was expected is `predict`'s matter.

use super::coder::{Coder, Model};

/// Bits of a size that have a context of their own; greater ones share the last.
const SIZES: usize = 15;
/// Models of a number in one context: is it 0, its sign, how many bits its size has, and the first of them.
const NUMBER: usize = 2 + SIZES + SIZES;

/// The models of a number in one context.
pub(super) type Number = [Model; NUMBER];

/// Nothing known.
pub(super) const UNKNOWN: Number = [Model::NEW; NUMBER];

const ZERO: usize = 0;
const SIGN: usize = 1;
const LONGER: usize = 2;
const FIRST: usize = 2 + SIZES;

/// What is expected of a number whose size is expected to have so many bits.
pub(super) const fn expected(bits: usize) -> Number {
    let mut models = [Model::likely(50); NUMBER];
    models[ZERO] = Model::likely([72, 48, 30, 15, 8, 6, 5, 5][bits]);
    let mut at = 0;
    while at < SIZES {
        let more = if at + 2 < bits {
            88
        } else if at + 2 == bits {
            78
        } else if at + 1 == bits {
            58
        } else if at == bits {
            30
        } else {
            15
        };
        models[LONGER + at] = Model::likely(more);
        models[FIRST + at] = Model::likely(if at < bits { 42 } else { 28 });
        at += 1;
    }
    models
}

/// A signed number, in two contexts at once.
#[inline]
pub(super) fn signed<C: Coder>(coder: &mut C, [a, b]: [&mut Number; 2], value: i32) -> i32 {
    if coder.bit2([&mut a[ZERO], &mut b[ZERO]], value == 0) {
        return 0;
    }
    let minus = coder.bit2([&mut a[SIGN], &mut b[SIGN]], value < 0);
    let mut bits = 0;
    let size = value.unsigned_abs();
    let wanted = size.max(1).ilog2() as usize;
    loop {
        let at = LONGER + bits.min(SIZES - 1);
        if bits >= 31 || !coder.bit2([&mut a[at], &mut b[at]], bits < wanted) {
            break;
        }
        bits += 1;
    }
    let mut got = 1;
    if bits > 0 {
        let at = FIRST + bits.min(SIZES - 1);
        let rest = bits as u32 - 1;
        got = got << 1 | u32::from(coder.bit2([&mut a[at], &mut b[at]], size >> rest & 1 == 1));
        got = got << rest | coder.raw(size & ((1 << rest) - 1), rest);
    }
    let got = got as i32;
    if minus { got.wrapping_neg() } else { got }
}

/// A number that is mostly small, in one context.
pub(super) fn unsigned<C: Coder>(coder: &mut C, models: &mut Number, value: u32) -> u32 {
    let mut bits = 0;
    let size = u64::from(value) + 1;
    while bits < 32
        && coder.bit(
            &mut models[LONGER + bits.min(SIZES - 1)],
            (bits as u32) < size.ilog2(),
        )
    {
        bits += 1;
    }
    let rest = if bits == 32 {
        0
    } else {
        coder.raw((size & ((1 << bits) - 1)) as u32, bits as u32)
    };
    ((1_u64 << bits) + u64::from(rest) - 1) as u32
}
