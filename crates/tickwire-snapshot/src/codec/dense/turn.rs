//! Rotations in integers: four parts of a fixed length, from their three columns and back. Nothing here knows of bits or models.

use crate::groups::Turn;

/// The four parts of the columns, the one left out above 0.
pub(super) fn parts(turn: &Turn, columns: [i32; 4]) -> [i32; 4] {
    let largest = (columns[0] & 3) as usize;
    let mut parts = [0; 4];
    let mut rest = turn.radius * turn.radius;
    let mut columns = columns[1..].iter();
    for (part, value) in parts.iter_mut().enumerate() {
        if part != largest {
            *value = (columns.next().copied().unwrap_or(0) - turn.half) << turn.shift;
            rest -= i64::from(*value) * i64::from(*value);
        }
    }
    parts[largest] = root(rest.max(0)) as i32;
    parts
}

/// The whole root of what is not below 0 and has at most 62 bits: the guess of a float, put right.
#[inline]
pub(super) fn root(square: i64) -> i64 {
    let guess = (square as f64).sqrt() as i64;
    let down = guess - i64::from(guess * guess > square);
    down + i64::from((down + 1) * (down + 1) <= square)
}

/// The same rotation, of its two signs the one nearer to another.
pub(super) fn aligned(parts: [i32; 4], to: &[i32; 4]) -> [i32; 4] {
    let dot: i64 = parts
        .iter()
        .zip(to)
        .map(|(&a, &b)| i64::from(a) * i64::from(b))
        .sum();
    if dot < 0 {
        parts.map(|part| -part)
    } else {
        parts
    }
}

/// The direction of a vector, of 2^32 a turn: the angle of the first octant by a polynomial, within 2^-13 of a turn.
pub(super) fn heading(x: i32, y: i32) -> u32 {
    let (a, b) = (i64::from(x).abs(), i64::from(y).abs());
    let (small, great) = (a.min(b), a.max(b).max(1));
    // The arctangent of t, of 2^15, by odd powers of it.
    let t = (small << 15) / great;
    let square = (t * t) >> 15;
    let sum = [
        -8045905,
        36108302,
        -79738652,
        132386303,
        -227391737,
        683551491_i64,
    ]
    .iter()
    .fold(0, |sum, &part| ((sum * square) >> 15) + part);
    let octant = ((sum * t) >> 15) as u32;
    let quarter = 1_u32 << 30;
    let upper = if a >= b { octant } else { quarter - octant };
    let half = if x >= 0 {
        upper
    } else {
        (quarter << 1) - upper
    };
    if y >= 0 { half } else { half.wrapping_neg() }
}

/// Parts of any length, made as long as a rotation's.
pub(super) fn normal(turn: &Turn, parts: [i32; 4]) -> [i32; 4] {
    let square: i64 = parts
        .iter()
        .map(|&part| i64::from(part) * i64::from(part))
        .sum();
    let length = root(square).max(1);
    parts.map(|part| (i64::from(part) * turn.radius / length) as i32)
}

/// The part that is largest, whatever its sign; the first of equal ones.
pub(super) fn largest(parts: &[i32; 4]) -> usize {
    let mut best = 0;
    for part in 1..4 {
        if parts[part].abs() > parts[best].abs() {
            best = part;
        }
    }
    best
}

/// The three columns, with that part left out, and how many sixteenths more they should be.
pub(super) fn columns(turn: &Turn, parts: [i32; 4], without: usize) -> [(i32, i32); 3] {
    let minus = parts[without] < 0;
    let mut columns = [(0, 0); 3];
    let others = (0..4).filter(|&part| part != without);
    for ((column, beyond), part) in columns.iter_mut().zip(others) {
        let value = if minus { -parts[part] } else { parts[part] };
        let half = 1 << turn.shift >> 1;
        *column = (((value + half) >> turn.shift) + turn.half).clamp(0, turn.half * 2);
        let rest = i64::from(value) - (i64::from(*column - turn.half) << turn.shift);
        *beyond = ((rest * 16) >> turn.shift).clamp(-8, 8) as i32;
    }
    columns
}
