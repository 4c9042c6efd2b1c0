//! What a number will be next, from what it was in the updates before: a few rules, and which of them would have been right last time.

/// Versions that a prediction looks at, the basis included.
pub(super) const DEPTH: usize = 8;
/// What a rule may be worse by than the one taken before it: what looks at more versions hears less noise.
const GRACE: [u32; RULES] = [0, 0, 0, 1, 3, 5];
/// An error counts as no more than this.
const WRONG_MAX: u32 = 1 << 20;
/// Rules.
pub(super) const RULES: usize = 6;

/// A number's way so far: how far it was off its value in the basis, the newest first; the first is 0.
pub(super) type Way = [i32; DEPTH];

/// What each rule expects next, relative to the newest of `way[from..depth]`; a rule that needs more versions does as the one before it.
#[inline]
pub(super) fn expect(way: &Way, from: usize, depth: usize) -> [i32; RULES] {
    let known = depth - from;
    let off = |i: usize| way[from + i].wrapping_sub(way[from]);
    let mut all = [0; RULES];
    if known < 2 {
        return all;
    }
    let last = off(1).wrapping_neg();
    all[1] = last;
    all[2] = last / 2;
    all[3] = last;
    if known >= 3 {
        all[3] = divide(off(1).wrapping_sub(off(2).wrapping_mul(2)), 3);
    }
    all[4] = last;
    if known >= 4 {
        // The line through four.
        all[4] = halve(off(1).wrapping_sub(off(3)));
    }
    all[5] = all[4];
    if known >= 7 {
        let sum = (1..7).fold(0_i32, |sum, i| {
            sum.wrapping_add(off(i).wrapping_mul(4 - i as i32))
        });
        all[5] = divide(sum, 7);
    }
    all
}

/// By how many sixteenths more than `expect_one` a rule expects: -8 to 8.
#[inline]
pub(super) fn beyond(way: &Way, depth: usize, rule: usize) -> i32 {
    let known = |least| if depth >= least { rule } else { 0 };
    match rule {
        // Halves are rounded towards 0, and up.
        2 if depth > 1 => way[1].wrapping_neg().wrapping_rem(2) * 8,
        3 if known(3) != 0 => {
            let sum = way[1].wrapping_sub(way[2].wrapping_mul(2));
            (sum.wrapping_add(1).rem_euclid(3) - 1) * 5
        }
        4 if known(4) != 0 => -8 * (way[1].wrapping_sub(way[3]) & 1),
        5 if known(7) != 0 => {
            let sum = (1..7).fold(0_i32, |sum, i| {
                sum.wrapping_add(way[i].wrapping_mul(4 - i as i32))
            });
            (sum.wrapping_add(3).rem_euclid(7) - 3) * 16 / 7
        }
        5 if known(4) != 0 => -8 * (way[1].wrapping_sub(way[3]) & 1),
        _ => 0,
    }
}

/// What one rule expects next, relative to the basis: the same as `expect` from it, without the others.
#[inline]
pub(super) fn expect_one(way: &Way, depth: usize, rule: usize) -> i32 {
    match rule {
        0 => 0,
        1 if depth > 1 => way[1].wrapping_neg(),
        2 if depth > 1 => way[1].wrapping_neg() / 2,
        _ => expect(way, 0, depth)[rule],
    }
}

/// To the nearest.
#[inline]
pub(super) fn halve(x: i32) -> i32 {
    x.wrapping_add(1) >> 1
}

/// To the nearest.
#[inline]
fn divide(x: i32, by: i32) -> i32 {
    x.wrapping_add(by / 2).div_euclid(by)
}

/// How wrong each rule would have been about the basis, all numbers of a group together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scores {
    wrong: [u32; RULES],
    /// How far the numbers went in the last step.
    went: u32,
}

impl Scores {
    /// Adds a number of the group. Units of `1 << shift`.
    #[inline]
    pub(super) fn add(&mut self, way: &Way, depth: usize, shift: u32) {
        if depth < 3 {
            self.went = self.went.saturating_add(way[1].unsigned_abs() >> shift);
            return;
        }
        let size = |off: i32| (off.unsigned_abs() >> shift).min(WRONG_MAX);
        if depth == 3 {
            // One step is known before the last: rules 3 to 5 do as rule 1.
            let (was, last) = (way[1].wrapping_neg(), way[1].wrapping_sub(way[2]));
            let before = size(last);
            for (score, expected) in self.wrong.iter_mut().zip([0, last, last / 2]) {
                *score += size(was.wrapping_sub(expected)) * 2 + before;
            }
            return;
        }
        for from in 1..3 {
            let was = way[from - 1].wrapping_sub(way[from]);
            for (score, expected) in self.wrong.iter_mut().zip(expect(way, from, depth)) {
                let off = size(was.wrapping_sub(expected));
                *score += if from == 1 { off * 2 } else { off };
            }
        }
    }

    /// Whether any number with two versions went anywhere.
    pub(super) fn went(&self) -> bool {
        self.went > 0
    }

    /// The best rule and how wrong it was.
    #[inline]
    pub(super) fn best(&self, depth: usize) -> (usize, u32) {
        let mut best = 0;
        let rules = if depth == 3 { 3 } else { RULES };
        for (rule, grace) in GRACE.iter().enumerate().take(rules).skip(1) {
            if self.wrong[rule] < self.wrong[best] + grace {
                best = rule;
            }
        }
        (best, self.wrong[best] / 3)
    }
}

/// A number of few bits for how great something is: 0, 1, 2 to 3, 4 to 7 ...
#[inline]
pub(super) fn size(x: u32, most: usize) -> usize {
    ((32 - x.leading_zeros()) as usize).min(most)
}
