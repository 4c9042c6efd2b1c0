//! Angles, directions and rotations as integers, by libm alone so that all machines agree. Every function here is pure; ranges and limits are checked in `quant`.

use std::f64::consts::{SQRT_2, TAU};

/// Radians to one of `2^bits` steps of a turn.
pub(crate) fn turn(radians: f64, bits: u8) -> i32 {
    if !radians.is_finite() {
        return 0;
    }
    let steps = 1_i64 << bits;
    // Within a turn the remainder is the number itself, and costs a call.
    let rest = if radians.abs() < TAU {
        radians
    } else {
        radians % TAU
    };
    round(rest / TAU * steps as f64) & (steps - 1) as i32
}

/// The nearest integer, halves away from zero: `f64::round` for what is below 2^31, without a call.
#[inline]
pub(crate) fn round(number: f64) -> i32 {
    let whole = number as i32;
    let rest = number - f64::from(whole); // exact
    whole + i32::from(rest >= 0.5) - i32::from(rest <= -0.5)
}

/// The angle of a step, in `-PI..PI`.
pub(crate) fn radians(step: i32, bits: u8) -> f64 {
    let steps = 1_i64 << bits;
    let step = i64::from(step);
    let signed = if step * 2 >= steps {
        step - steps
    } else {
        step
    };
    signed as f64 * (TAU / steps as f64)
}

/// A direction in the plane to a step of a turn.
pub(crate) fn put2(v: &[f64], bits: u8) -> i32 {
    let [x, y, ..] = parts(v);
    turn(libm::atan2(y, x), bits)
}

/// The direction of a step of a turn.
pub(crate) fn get2(step: i32, bits: u8) -> [f64; 4] {
    let angle = radians(step, bits);
    [libm::cos(angle), libm::sin(angle), 0.0, 0.0]
}

/// A direction in space to two octahedral columns.
pub(crate) fn put3(v: &[f64], bits: u8) -> [i32; 2] {
    let v = parts(v);
    let v = if v[..3].iter().all(|&p| p == 0.0) {
        [1.0, 0.0, 0.0, 0.0]
    } else {
        v
    };
    settle(octahedral(v, bits), |columns| {
        octahedral(get3(columns, bits), bits)
    })
}

/// The direction of two octahedral columns.
pub(crate) fn get3(columns: [i32; 2], bits: u8) -> [f64; 4] {
    let last = even_top(bits);
    let [mut x, mut y] = columns.map(|c| f64::from(c) / last * 2.0 - 1.0);
    let z = 1.0 - x.abs() - y.abs();
    if z < 0.0 {
        (x, y) = ((1.0 - y.abs()) * sign(x), (1.0 - x.abs()) * sign(y));
    }
    let length = libm::sqrt(x * x + y * y + z * z);
    [x / length, y / length, z / length, 0.0]
}

fn octahedral(v: [f64; 4], bits: u8) -> [i32; 2] {
    let sum = v[0].abs() + v[1].abs() + v[2].abs();
    let (x, y) = (v[0] / sum, v[1] / sum);
    let (x, y) = if v[2] < 0.0 {
        ((1.0 - y.abs()) * sign(x), (1.0 - x.abs()) * sign(y))
    } else {
        (x, y)
    };
    let last = even_top(bits);
    [x, y].map(|p| ((p * 0.5 + 0.5) * last).round().clamp(0.0, last) as i32)
}

/// A rotation to the number of its largest part and the other three.
pub(crate) fn put4(v: &[f64], step: f64) -> [i32; 4] {
    let v = parts(v);
    settle(smallest_three(v, step), |columns| {
        smallest_three(get4(columns, step), step)
    })
}

/// The column of a part that is 0: steps up to the greatest part there is, half the root of 2.
pub(crate) fn quat_half(step: f64) -> f64 {
    (1.0 / (SQRT_2 * step)).round()
}

/// The step with which a part fills its bits, but for one integer: the middle is a column.
pub(crate) fn quat_step(bits: u8) -> f64 {
    2.0 / (even_top(bits) * SQRT_2)
}

/// The rotation of four columns.
pub(crate) fn get4(columns: [i32; 4], step: f64) -> [f64; 4] {
    let half = quat_half(step);
    let largest = columns[0].clamp(0, 3) as usize;
    let mut v = [0.0; 4];
    let mut rest = 1.0;
    for (i, &column) in (0..4).filter(|&i| i != largest).zip(&columns[1..]) {
        v[i] = (f64::from(column) - half) * step;
        rest -= v[i] * v[i];
    }
    v[largest] = libm::sqrt(f64::max(rest, 0.0));
    let length = libm::sqrt(v.iter().map(|p| p * p).sum());
    v.map(|p| p / length)
}

fn smallest_three(v: [f64; 4], step: f64) -> [i32; 4] {
    let length = libm::sqrt(v.iter().map(|p| p * p).sum());
    let v = if length > 0.0 {
        v.map(|p| p / length)
    } else {
        [0.0, 0.0, 0.0, 1.0]
    };
    let largest = (0..4)
        .rev()
        .max_by(|&a, &b| v[a].abs().total_cmp(&v[b].abs()))
        .unwrap_or(3);
    let half = quat_half(step);
    let flip = sign(v[largest]);
    let mut columns = [largest as i32; 4];
    for (i, column) in (0..4).filter(|&i| i != largest).zip(&mut columns[1..]) {
        *column = (v[i] * flip / step + half).round().clamp(0.0, half * 2.0) as i32;
    }
    columns
}

/// The greatest column: even, so that the middle is a column.
fn even_top(bits: u8) -> f64 {
    f64::from((1_u32 << bits) - 2)
}

fn sign(x: f64) -> f64 {
    if x < 0.0 { -1.0 } else { 1.0 }
}

/// The first parts, 0 where there is none or it is not finite; scaled so that no square overflows.
fn parts(v: &[f64]) -> [f64; 4] {
    let mut parts = [0.0; 4];
    for (part, &value) in parts.iter_mut().zip(v) {
        *part = if value.is_finite() { value } else { 0.0 };
    }
    let greatest = parts.iter().fold(0.0, |m: f64, p| m.max(p.abs()));
    if greatest > 0.0 {
        parts.map(|p| p / greatest)
    } else {
        parts
    }
}

/// Two columns can stand for one direction (edges of the octahedron, equal largest parts). Following `next` from the first guess ends in a
/// circle, mostly of one; its least member is the answer, so that quantising what was quantised gives the same columns again.
fn settle<const N: usize>(first: [i32; N], next: impl Fn([i32; N]) -> [i32; N]) -> [i32; N] {
    let mut slow = first;
    let mut fast = next(first);
    for _ in 0..32 {
        if slow == fast {
            break;
        }
        slow = next(slow);
        fast = next(next(fast));
    }
    let mut least = slow;
    let mut at = next(slow);
    for _ in 0..32 {
        if at == slow {
            break;
        }
        least = least.min(at);
        at = next(at);
    }
    least
}
