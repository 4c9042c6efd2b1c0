//! Velocities, whose speed may stay where their direction does not, and angles that follow them.

use super::super::decode::DecodeError;
use super::coder::Coder;
use super::predict::{DEPTH, RULES, expect, size};
use super::rows::{Place, RowPast, WRONGS, learn};
use super::turn;
use crate::groups::{Group, Heading};
use crate::layout::Layout;

impl<C: Coder> Place<'_, C> {
    /// Velocities: the least first, then the greatest, which may be what keeps the speed.
    pub(super) fn course(
        &mut self,
        layout: &Layout,
        group: &Group,
        rest: i32,
        past: &RowPast,
        ints: &mut [i32],
        young: &mut [u32; RULES],
    ) -> Result<(), DecodeError> {
        let columns = &group.columns;
        let count = columns.len().min(3);
        let mut ways = [[0; DEPTH]; 3];
        for (way, &index) in ways.iter_mut().zip(columns) {
            *way = past.way(layout, usize::from(index));
        }
        let rule = self.choose(past, young, 0, ways[..count].iter().copied());
        let mut expected = [0; 3];
        for (number, &index) in columns.iter().enumerate().take(count) {
            let index = usize::from(index);
            expected[number] = layout.columns()[index].near(
                past.int(0, index),
                expect(&ways[number], 0, past.depth)[rule],
            );
        }
        let mut order = [0, 1, 2];
        order[..count].sort_by_key(|&number| expected[number].wrapping_sub(rest).unsigned_abs());
        let last = order[count - 1];
        let wrong = self.wrong;
        let mut tried = [0; 2];
        for (at, &number) in order[..count].iter().enumerate() {
            let index = usize::from(columns[number]);
            let column = &layout.columns()[index];
            if at + 1 == count && past.depth > 1 {
                // What would have been better last time?
                let was = |version: usize| {
                    columns
                        .iter()
                        .map(move |&c| past.int(version, usize::from(c)).wrapping_sub(rest))
                };
                let now = past.int(0, index);
                let kept = keep_speed(was(1), was(0), last, now.wrapping_sub(rest));
                let plain = ways[last][1]
                    .wrapping_neg()
                    .wrapping_sub(expect(&ways[last], 1, past.depth)[rule])
                    .unsigned_abs();
                let round = now.wrapping_sub(rest).wrapping_sub(kept).unsigned_abs();
                self.wrong = wrong;
                let [.., times, rounds, plains] = *young;
                let next = columns
                    .iter()
                    .map(|&c| ints[usize::from(c)].wrapping_sub(rest));
                let sign = expected[last].wrapping_sub(rest);
                let kept = column.near(rest, keep_speed(was(0), next, last, sign));
                tried = [kept, expected[last]];
                let weigh =
                    |off: u32, sum: u32| u64::from(off) * 4 * u64::from(times + 1) + u64::from(sum);
                if weigh(round, rounds) < weigh(plain, plains) {
                    expected[last] = kept;
                    self.wrong = usize::from(round > 2);
                }
            }
            let difference = self.difference(
                number_of(at, count),
                column.difference(expected[number], ints[index]),
            );
            ints[index] = column.add(expected[number], difference);
            if !column.valid(ints[index]) {
                return Err(DecodeError::Range);
            }
        }
        if past.depth > 1 {
            young[3] += 1;
            for (sum, tried) in young[4..].iter_mut().zip(tried) {
                let off = ints[usize::from(columns[last])].abs_diff(tried);
                *sum = sum.saturating_add(off.min(255));
            }
        }
        if past.depth == 2 {
            for (way, &index) in ways.iter().zip(columns) {
                let index = usize::from(index);
                let was = layout.columns()[index].difference(past.int(0, index), ints[index]);
                learn(young, &expect(way, 0, 2), was, 0);
            }
        }
        Ok(())
    }

    /// An angle: by the rules, or a part of the way to the course.
    pub(super) fn heading(
        &mut self,
        layout: &Layout,
        group: &Group,
        heading: &Heading,
        past: &RowPast,
        ints: &mut [i32],
        (young, lag): (&mut [u32; RULES], &mut Lag),
    ) -> Result<(), DecodeError> {
        let index = usize::from(group.columns[0]);
        let column = &layout.columns()[index];
        let way = past.way(layout, index);
        let now = past.int(0, index);
        let off = |from: i32, [x, y]: [i32; 2]| {
            let [x, y] = [x, y].map(|v| v.wrapping_sub(heading.rest));
            (x != 0 || y != 0).then(|| {
                turn::heading(x, y).wrapping_sub((from as u32) << (32 - heading.bits)) as i32
            })
        };
        let [x, y] = heading.course.map(usize::from);
        let rule = self.choose(past, young, 0, [way].into_iter());
        let mut expected = column.near(now, expect(&way, 0, past.depth)[rule]);
        let goal = off(now, [ints[x], ints[y]]);
        if past.depth > 1
            && let Some(goal) = goal
        {
            let before = past.int(1, index);
            let turned = way[1].wrapping_neg();
            if let Some(was) = off(before, [past.int(0, x), past.int(0, y)]) {
                lag.learn(was, turned, heading.bits);
                let follows = lag
                    .expect(was, heading.bits)
                    .wrapping_sub(turned)
                    .unsigned_abs();
                let plain = turned
                    .wrapping_sub(expect(&way, 1, past.depth)[rule])
                    .unsigned_abs();
                if follows <= plain {
                    expected = column.near(now, lag.expect(goal, heading.bits));
                    self.wrong = 3 + size(follows, WRONGS - 4);
                }
            }
        }
        let difference = self.difference(0, column.difference(expected, ints[index]));
        ints[index] = column.add(expected, difference);
        if !column.valid(ints[index]) {
            return Err(DecodeError::Range);
        }
        let turned = column.difference(now, ints[index]);
        if let Some(goal) = goal {
            lag.learn(goal, turned, heading.bits);
        }
        if past.depth == 2 {
            learn(young, &expect(&way, 0, 2), turned, 0);
        }
        Ok(())
    }
}

/// The number of a column in its group's models: the last one is apart.
fn number_of(at: usize, count: usize) -> usize {
    if at + 1 == count { count - 1 } else { 0 }
}

/// The part `last` of a velocity that has the speed of `from` and the other parts of `to`, with the sign of `sign`.
pub(super) fn keep_speed(
    from: impl Iterator<Item = i32>,
    to: impl Iterator<Item = i32>,
    last: usize,
    sign: i32,
) -> i32 {
    let square = |part: i32| i64::from(part) * i64::from(part);
    let whole: i64 = from.map(square).sum();
    let others: i64 = to
        .enumerate()
        .filter(|&(part, _)| part != last)
        .map(|(_, part)| square(part))
        .sum();
    let size = nearest_root((whole - others).max(0)) as i32;
    if sign < 0 { -size } else { size }
}

/// The root, to the nearest; velocities have at most 28 bits.
#[inline]
pub(super) fn nearest_root(square: i64) -> i64 {
    turn::root(square * 4).wrapping_add(1) / 2
}

/// What part of the way to its course an angle comes in an update: the least squares of all that was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lag {
    way: i64,
    square: i64,
}

impl Default for Lag {
    fn default() -> Self {
        Self {
            way: 32,
            square: 64,
        }
    }
}

impl Lag {
    /// A way of `off` (of 2^32 a turn) led to a turn of so many steps.
    pub(super) fn learn(&mut self, off: i32, turned: i32, bits: u32) {
        let off = i64::from(off >> 16);
        self.way += off * ((i64::from(turned) << 16) >> bits);
        self.square += off * off;
    }

    pub(super) fn expect(&self, off: i32, bits: u32) -> i32 {
        let part = (self.way << 12) / self.square;
        let turned = i64::from(off) * part.clamp(0, 1 << 13);
        (((turned >> (43 - bits)) + 1) >> 1) as i32
    }
}
