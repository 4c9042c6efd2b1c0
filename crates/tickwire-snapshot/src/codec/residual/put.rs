//! Writing columns: each in the cheapest of its modes, found by counting bits.

use crate::bits::{BitWriter, golomb_bits};
use crate::layout::Column;

use super::{
    ALL_ZERO, CHAINED, CONSTANT, FIXED, FLAGGED, K_BITS, MIXED, MODE_BITS, MOSTLY, PLAIN, Unit,
    fold,
};

const K_MAX: u32 = (1 << K_BITS) - 1;

/// Writes columns; holds buffers.
#[derive(Debug, Default)]
pub(in crate::codec) struct ColumnWriter {
    folded: Vec<u32>,
    fine: Vec<u32>,
}

impl ColumnWriter {
    /// Writes the differences of a column. `cell`: the fine units in a step, if it is a track.
    pub(in crate::codec) fn put_differences(
        &mut self,
        out: &mut BitWriter,
        differences: &[i32],
        cell: Option<u32>,
    ) {
        if differences.iter().all(|&d| d == 0) {
            return out.bits(ALL_ZERO, MODE_BITS);
        }
        let Some(cell) = cell else {
            self.fold(differences, 1);
            return self.put_folded(out, None);
        };
        let cell = cell as i32;
        if differences.iter().all(|&d| d % cell == 0) {
            self.fold(differences, cell);
            return self.put_folded(out, Some(true));
        }
        self.fold(differences, 1);
        let plain = self.plan();
        self.split(differences, cell);
        let mixed = self.plan_mixed(differences.len());
        if mixed.bits < plain.bits {
            self.put_mixed(out, differences, cell, mixed.k);
        } else {
            self.fold(differences, 1);
            self.put_folded(out, Some(false));
        }
    }

    fn fold(&mut self, differences: &[i32], unit: i32) {
        self.folded.clear();
        self.folded.extend(
            differences
                .iter()
                .map(|&d| fold(if unit == 1 { d } else { d / unit })),
        );
    }

    /// Writes `folded`, flagged or plain; `cells` tells the unit, where there is a choice.
    fn put_folded(&self, out: &mut BitWriter, cells: Option<bool>) {
        let plan = self.plan();
        out.bits(plan.mode, MODE_BITS);
        if let Some(cells) = cells {
            out.flag(cells);
        }
        out.bits(plan.k, K_BITS);
        for &value in &self.folded {
            if plan.mode == PLAIN {
                out.golomb(value, plan.k);
            } else {
                out.flag(value != 0);
                if value != 0 {
                    out.golomb(value - 1, plan.k);
                }
            }
        }
    }

    fn plan(&self) -> Plan {
        let k = best_k(&self.folded);
        let plain = Plan {
            mode: PLAIN,
            k,
            bits: cost(self.folded.iter().copied(), k),
        };
        let others = || self.folded.iter().filter(|&&v| v != 0).map(|&v| v - 1);
        if others().count() == self.folded.len() {
            return plain;
        }
        let k = best_k_of(others);
        let flagged = Plan {
            mode: FLAGGED,
            k,
            bits: self.folded.len() as u64 + cost(others(), k),
        };
        if flagged.bits < plain.bits {
            flagged
        } else {
            plain
        }
    }

    /// Whole cells into `folded`, the rest into `fine`; zeros into neither.
    fn split(&mut self, differences: &[i32], cell: i32) {
        self.folded.clear();
        self.fine.clear();
        for &d in differences.iter().filter(|&&d| d != 0) {
            if d % cell == 0 {
                self.folded.push(fold(d / cell) - 1)
            } else {
                self.fine.push(fold(d) - 1)
            }
        }
    }

    fn plan_mixed(&self, len: usize) -> Mixed {
        let k = [best_k(&self.folded), best_k(&self.fine)];
        let flags = (len + self.folded.len() + self.fine.len()) as u64 + u64::from(K_BITS);
        Mixed {
            k,
            bits: flags
                + cost(self.folded.iter().copied(), k[0])
                + cost(self.fine.iter().copied(), k[1]),
        }
    }

    fn put_mixed(&self, out: &mut BitWriter, differences: &[i32], cell: i32, k: [u32; 2]) {
        out.bits(MIXED, MODE_BITS);
        k.iter().for_each(|&k| out.bits(k, K_BITS));
        for &d in differences {
            out.flag(d != 0);
            if d != 0 {
                let whole = d % cell == 0;
                out.flag(whole);
                let (value, k) = if whole { (d / cell, k[0]) } else { (d, k[1]) };
                out.golomb(fold(value) - 1, k);
            }
        }
    }

    /// Writes the values of a column of new rows.
    pub(in crate::codec) fn put_values(
        &mut self,
        out: &mut BitWriter,
        column: &Column,
        values: &[i32],
    ) {
        let Some(&first) = values.first() else { return };
        let unit = Unit::of(column, values);
        if let Some((_, track)) = &column.track {
            out.flag(unit.step == track.cell as i32);
        }
        if values.iter().all(|&v| v == first) {
            out.bits(CONSTANT, MODE_BITS);
            return unit.put(out, first);
        }
        let fixed = u64::from(unit.bits) * values.len() as u64;
        self.folded.clear();
        self.folded.extend(
            values
                .windows(2)
                .map(|pair| fold(unit.difference(column, pair[0], pair[1]))),
        );
        let k = best_k(&self.folded);
        let chained = u64::from(unit.bits + K_BITS) + cost(self.folded.iter().copied(), k);
        let most = majority(values);
        let others = values.iter().filter(|&&v| v != most).count() as u64;
        let mostly = u64::from(unit.bits) * (others + 1) + values.len() as u64;
        if chained < fixed.min(mostly) {
            out.bits(CHAINED, MODE_BITS);
            unit.put(out, first);
            out.bits(k, K_BITS);
            self.folded.iter().for_each(|&value| out.golomb(value, k));
        } else if mostly < fixed {
            out.bits(MOSTLY, MODE_BITS);
            unit.put(out, most);
            for &value in values {
                out.flag(value != most);
                if value != most {
                    unit.put(out, value);
                }
            }
        } else {
            out.bits(FIXED, MODE_BITS);
            values.iter().for_each(|&value| unit.put(out, value));
        }
    }
}

struct Plan {
    mode: u32,
    k: u32,
    bits: u64,
}

struct Mixed {
    k: [u32; 2],
    bits: u64,
}

/// The order in which these numbers take the fewest bits, or nearly.
pub(in crate::codec) fn best_k(values: &[u32]) -> u32 {
    best_k_of(|| values.iter().copied())
}

fn best_k_of<I: Iterator<Item = u32>>(values: impl Fn() -> I) -> u32 {
    let (count, sum) = values().fold((0_u64, 0_u64), |(n, sum), v| (n + 1, sum + u64::from(v)));
    // The best order is near the logarithm of the mean, below it where a few great numbers lift the mean.
    let guess = (sum / count.max(1) + 1).ilog2().min(K_MAX);
    let (mut best, mut least) = (guess, cost(values(), guess));
    for k in (0..guess).rev() {
        let bits = cost(values(), k);
        if bits >= least {
            break;
        }
        (best, least) = (k, bits);
    }
    best
}

fn cost(values: impl Iterator<Item = u32>, k: u32) -> u64 {
    values.map(|value| u64::from(golomb_bits(value, k))).sum()
}

/// The value that more than half of them are, if there is one.
fn majority(values: &[i32]) -> i32 {
    let (mut candidate, mut lead) = (values[0], 0_u32);
    for &value in values {
        if lead == 0 {
            candidate = value;
        }
        lead = if value == candidate {
            lead + 1
        } else {
            lead - 1
        };
    }
    candidate
}
