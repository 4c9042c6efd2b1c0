//! Velocities, whose speed may stay where their direction does not, and angles that follow them.

use super::super::decode::DecodeError;
use super::coder::Coder;
use super::predict::{DEPTH, RULES, Scores, expect, expect_one, size};
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
        past: RowPast<'_>,
        ints: &mut [i32],
        young: &mut [u32; RULES],
    ) -> Result<(), DecodeError> {
        let past = past.recent();
        let columns = &group.columns[..group.columns.len().min(3)];
        let count = columns.len();
        let mut ways = [[0; DEPTH]; 3];
        let mut scores = Scores::default();
        for (way, &index) in ways.iter_mut().zip(columns) {
            *way = past.way(layout, usize::from(index));
            scores.add(way, past.depth, 0);
        }
        let rule = self.choose(past.depth, young, &scores);
        let parts = |version: usize| {
            let mut parts = [0; 3];
            for (part, &index) in parts.iter_mut().zip(columns) {
                *part = past.int(version, usize::from(index)).wrapping_sub(rest);
            }
            parts
        };
        let now = parts(0);
        // Relative to rest, as all parts here.
        let mut expected = [0; 3];
        for (number, &index) in columns.iter().enumerate() {
            let step = expect_one(&ways[number], past.depth, rule);
            let from = now[number].wrapping_add(rest);
            let near = layout.columns()[usize::from(index)].near(from, step);
            expected[number] = near.wrapping_sub(rest);
        }
        let order = by_size(&expected, count);
        let wrong = self.wrong;
        let mut next = [0; 3];
        let mut tried = [0; 2];
        for (at, &number) in order[..count].iter().enumerate() {
            let index = usize::from(columns[number]);
            let column = &layout.columns()[index];
            let mut near = expected[number];
            if at + 1 == count && past.depth > 1 {
                // What would have been better last time?
                let before = parts(1);
                let round = now[number]
                    .wrapping_sub(keep_speed(&before, &now, number, now[number]))
                    .unsigned_abs();
                let plain = ways[number][1]
                    .wrapping_neg()
                    .wrapping_sub(expect(&ways[number], 1, past.depth)[rule])
                    .unsigned_abs();
                self.wrong = wrong;
                let [.., times, rounds, plains] = *young;
                let kept = keep_speed(&now, &next, number, near);
                let kept = column.near(rest, kept).wrapping_sub(rest);
                tried = [kept, near];
                let weigh =
                    |off: u32, sum: u32| u64::from(off) * 4 * u64::from(times + 1) + u64::from(sum);
                if weigh(round, rounds) < weigh(plain, plains) {
                    near = kept;
                    self.wrong = usize::from(round > 2);
                }
            }
            let near = near.wrapping_add(rest);
            let number_of = if at + 1 == count { count - 1 } else { 0 };
            let difference = self.difference(number_of, column.difference(near, ints[index]));
            ints[index] = column.add(near, difference);
            if !column.valid(ints[index]) {
                return Err(DecodeError::Range);
            }
            next[number] = ints[index].wrapping_sub(rest);
            if at + 1 == count && past.depth > 1 {
                young[3] += 1;
                for (sum, tried) in young[4..].iter_mut().zip(tried) {
                    let off = next[number].abs_diff(tried);
                    *sum = sum.saturating_add(off.min(255));
                }
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
        past: RowPast<'_>,
        ints: &mut [i32],
        (young, lag): (&mut [u32; RULES], &mut Lag),
    ) -> Result<(), DecodeError> {
        let past = past.recent();
        let index = usize::from(group.columns[0]);
        let column = &layout.columns()[index];
        let way = past.way(layout, index);
        let now = past.int(0, index);
        let [x, y] = [
            usize::from(heading.course[0]),
            usize::from(heading.course[1]),
        ];
        let off = |from: i32, x: i32, y: i32| {
            let (x, y) = (x.wrapping_sub(heading.rest), y.wrapping_sub(heading.rest));
            (x != 0 || y != 0).then(|| {
                turn::heading(x, y).wrapping_sub((from as u32) << (32 - heading.bits)) as i32
            })
        };
        let mut scores = Scores::default();
        scores.add(&way, past.depth, 0);
        let rule = self.choose(past.depth, young, &scores);
        let mut expected = column.near(now, expect_one(&way, past.depth, rule));
        let goal = off(now, ints[x], ints[y]);
        if past.depth > 1
            && let Some(goal) = goal
        {
            let before = past.int(1, index);
            let turned = way[1].wrapping_neg();
            if let Some(was) = off(before, past.int(0, x), past.int(0, y)) {
                lag.learn(was, turned, heading.bits);
                let part = lag.part();
                let follows = part
                    .of(was, heading.bits)
                    .wrapping_sub(turned)
                    .unsigned_abs();
                let plain = turned
                    .wrapping_sub(expect(&way, 1, past.depth)[rule])
                    .unsigned_abs();
                if follows <= plain {
                    expected = column.near(now, part.of(goal, heading.bits));
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

/// The numbers of the parts, the least first; of equal ones the one before.
pub(super) fn by_size(parts: &[i32; 3], count: usize) -> [usize; 3] {
    let mut order = [0, 1, 2];
    let size = |number: usize| parts[number].unsigned_abs();
    for at in 1..count {
        let mut to = at;
        while to > 0 && size(order[to - 1]) > size(order[to]) {
            order.swap(to - 1, to);
            to -= 1;
        }
    }
    order
}

/// How long a velocity is, to the nearest.
pub(super) fn speed(parts: &[i32; 3]) -> i64 {
    nearest_root(square(parts))
}

fn square(parts: &[i32; 3]) -> i64 {
    let [x, y, z] = *parts;
    let square = |part: i32| i64::from(part) * i64::from(part);
    square(x) + square(y) + square(z)
}

/// The part `last` of a velocity that has the speed of `from` and the other parts of `to`, with the sign of `sign`.
#[inline]
pub(super) fn keep_speed(from: &[i32; 3], to: &[i32; 3], last: usize, sign: i32) -> i32 {
    let mut others = *to;
    others[last] = 0;
    let size = nearest_root((square(from) - square(&others)).max(0)) as i32;
    if sign < 0 { -size } else { size }
}

/// The root, to the nearest; velocities have at most 28 bits.
#[inline]
fn nearest_root(square: i64) -> i64 {
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
    fn learn(&mut self, off: i32, turned: i32, bits: u32) {
        let off = i64::from(off >> 16);
        self.way += off * ((i64::from(turned) << 16) >> bits);
        self.square += off * off;
    }

    /// As far as it is known by now.
    fn part(&self) -> Part {
        Part(((self.way << 12) / self.square).clamp(0, 1 << 13))
    }
}

/// The part of a way that an angle comes in an update, of 4,096.
#[derive(Clone, Copy)]
struct Part(i64);

impl Part {
    /// The steps of a turn that a way of `off` (of 2^32 a turn) leads to.
    fn of(self, off: i32, bits: u32) -> i32 {
        let turned = i64::from(off) * self.0;
        (((turned >> (43 - bits)) + 1) >> 1) as i32
    }
}
