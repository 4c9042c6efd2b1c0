//! What a number will be next, from what it was in the updates before: a few rules, and which of them would have been right last time.

/// Versions that a prediction looks at, the basis included.
pub(super) const DEPTH: usize = 8;
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
        all[3] = last.wrapping_mul(3).wrapping_add(off(2));
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
pub(super) struct Scores([u32; RULES]);

impl Scores {
    /// Adds a number of the group. Units of `1 << shift`.
    #[inline]
    pub(super) fn add(&mut self, way: &Way, depth: usize, shift: u32) {
        if depth < 2 {
            return;
        }
        for from in 1..3.min(depth) {
            let was = way[from - 1].wrapping_sub(way[from]);
            for (score, expected) in self.0.iter_mut().zip(expect(way, from, depth)) {
                let off = (was.wrapping_sub(expected).unsigned_abs() >> shift).min(WRONG_MAX);
                *score += if from == 1 { off * 2 } else { off };
            }
        }
    }

    /// The best rule and how wrong it was.
    #[inline]
    pub(super) fn best(&self) -> (usize, u32) {
        let mut best = 0;
        for rule in 1..RULES {
            if self.0[rule] < self.0[best] {
                best = rule;
            }
        }
        (best, self.0[best] / 3)
    }
}

/// A number of few bits for how great something is: 0, 1, 2 to 3, 4 to 7 ...
#[inline]
pub(super) fn size(x: u32, most: usize) -> usize {
    ((32 - x.leading_zeros()) as usize).min(most)
}
