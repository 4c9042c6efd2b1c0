//! Sets of rows as bits: which entities came and went, which rows deviate. Both directions; what the sets mean is not known here.
//!
//! A set is a mask for each page, a subset of a *domain* that both sides know. Pages with many members are *dense*: a bit for each member of
//! the domain, or the exceptions. All other members are one list of gaps, counted in members of the domain.

use crate::bits::{BitReader, BitWriter, OutOfBits};
use crate::page::bits;

use super::decode::DecodeError;
use super::residual::{K_BITS, best_k};

/// Orders of the numbers that are not worth choosing.
const DENSE_COUNT_K: u32 = 0;
const PAGE_GAP_K: u32 = 1;
const EXCEPTIONS_K: u32 = 1;
const EXCEPTION_GAP_K: u32 = 3;
const LIST_COUNT_K: u32 = 3;

/// Buffers for writing sets.
#[derive(Debug, Default)]
pub(super) struct SetWriter {
    gaps: Vec<u32>,
}

impl SetWriter {
    /// Writes `set`, page by page a subset of `domain`.
    pub(super) fn put(&mut self, out: &mut BitWriter, domain: &[u64], set: &[u64]) {
        let dense = domain
            .iter()
            .zip(set)
            .filter(|&(&domain, &set)| is_dense(domain, set))
            .count();
        out.golomb(dense as u32, DENSE_COUNT_K);
        let mut after = 0;
        self.gaps.clear();
        let mut gap = 0;
        for (page, (&domain, &set)) in domain.iter().zip(set).enumerate() {
            if is_dense(domain, set) {
                out.golomb((page - after) as u32, PAGE_GAP_K);
                after = page + 1;
                put_dense(out, domain, set);
            } else {
                gap = self.gather(domain, set, gap);
            }
        }
        out.golomb(self.gaps.len() as u32, LIST_COUNT_K);
        if !self.gaps.is_empty() {
            let k = best_k(&self.gaps);
            out.bits(k, K_BITS);
            self.gaps.iter().for_each(|&gap| out.golomb(gap, k));
        }
    }

    /// Adds a page's members to the list; `gap` counts the members of the domain since the last one.
    fn gather(&mut self, domain: u64, set: u64, mut gap: u32) -> u32 {
        let mut rest = domain;
        for row in bits(set) {
            let upto = u64::MAX >> (63 - row);
            self.gaps.push(gap + (rest & upto).count_ones() - 1);
            rest &= !upto;
            gap = 0;
        }
        gap += rest.count_ones();
        gap
    }
}

/// Whether a bit for each, or the exceptions, take less than a list.
fn is_dense(domain: u64, set: u64) -> bool {
    let (all, members) = (domain.count_ones(), set.count_ones());
    let dense = 4 + all.min(2 + (all - members) * 6);
    dense < members * 7
}

fn put_dense(out: &mut BitWriter, domain: u64, set: u64) {
    let except = domain & !set;
    let exceptions = except.count_ones();
    let by_exception = 2 + exceptions * 6 < domain.count_ones();
    out.flag(by_exception);
    if !by_exception {
        bits(domain).for_each(|row| out.flag(set >> row & 1 == 1));
        return;
    }
    out.golomb(exceptions, EXCEPTIONS_K);
    let mut rest = domain;
    for row in bits(except) {
        let upto = u64::MAX >> (63 - row);
        out.golomb((rest & upto).count_ones() - 1, EXCEPTION_GAP_K);
        rest &= !upto;
    }
}

/// Reads a set into `set`, as many pages as the domain has, and returns the number of its members.
pub(super) fn get_set(
    input: &mut BitReader,
    domain: &[u64],
    set: &mut Vec<u64>,
) -> Result<usize, DecodeError> {
    set.clear();
    set.resize(domain.len(), 0);
    let dense = input.golomb(DENSE_COUNT_K)? as usize;
    if dense > domain.len() {
        return Err(DecodeError::Wrong("more pages than there are"));
    }
    let mut is_dense = [0_u64; crate::area::ENTITIES_MAX / 64 / 64];
    let mut after = 0;
    for _ in 0..dense {
        let page = input.golomb(PAGE_GAP_K)? as usize + after;
        let domain = *domain
            .get(page)
            .ok_or(DecodeError::Wrong("a page that is not there"))?;
        set[page] = get_dense(input, domain)?;
        is_dense[page / 64] |= 1 << (page % 64);
        after = page + 1;
    }
    let listed = |page: usize| {
        if is_dense[page / 64] >> (page % 64) & 1 == 1 {
            0
        } else {
            domain[page]
        }
    };
    get_list(input, domain.len(), listed, set)?;
    Ok(set.iter().map(|mask| mask.count_ones() as usize).sum())
}

fn get_dense(input: &mut BitReader, domain: u64) -> Result<u64, OutOfBits> {
    let mut set = 0;
    if !input.flag()? {
        for row in bits(domain) {
            set |= u64::from(input.flag()?) << row;
        }
        return Ok(set);
    }
    set = domain;
    let exceptions = input.golomb(EXCEPTIONS_K)?;
    let mut rest = domain;
    for _ in 0..exceptions {
        let gap = input.golomb(EXCEPTION_GAP_K)?;
        let row = nth(rest, gap).ok_or(OutOfBits)?;
        set &= !(1 << row);
        rest &= !(u64::MAX >> (63 - row));
    }
    Ok(set)
}

fn get_list(
    input: &mut BitReader,
    pages: usize,
    domain: impl Fn(usize) -> u64,
    set: &mut [u64],
) -> Result<(), DecodeError> {
    let count = input.golomb(LIST_COUNT_K)?;
    if count == 0 {
        return Ok(());
    }
    let k = input.bits(K_BITS)?;
    let mut page = 0;
    let mut rest = if pages > 0 { domain(0) } else { 0 };
    for _ in 0..count {
        let mut gap = input.golomb(k)?;
        loop {
            if let Some(row) = nth(rest, gap) {
                set[page] |= 1 << row;
                rest &= !(u64::MAX >> (63 - row));
                break;
            }
            gap -= rest.count_ones();
            page += 1;
            if page >= pages {
                return Err(DecodeError::Wrong("a row that is not there"));
            }
            rest = domain(page);
        }
    }
    Ok(())
}

/// The place of the n-th bit that is set.
fn nth(mut mask: u64, n: u32) -> Option<u32> {
    if n >= mask.count_ones() {
        return None;
    }
    for _ in 0..n {
        mask &= mask - 1;
    }
    Some(mask.trailing_zeros())
}
