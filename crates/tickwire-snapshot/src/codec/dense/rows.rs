//! One row that deviates: its columns group by group, each against what its past lets expect. Which rows do is `walk`'s matter.

use super::super::decode::DecodeError;
use super::coder::Coder;
use super::models::{RowFlags, TableModels};
use super::number::{Number, UNKNOWN, signed};
use super::predict::{DEPTH, RULES, Scores, Way, beyond, expect, expect_one, size};
use super::scratch::Scratch;
use super::turn;
use crate::groups::{Group, Kind, Turn};
use crate::layout::Layout;
use crate::page::PAGE_ROWS;
use crate::track::Span;

/// Classes of how wrong the past was.
pub(super) const WRONGS: usize = 10;
/// Classes of how wrong the columns before this one were.
const STIRS: usize = 4;

pub(super) const EXPECTED: [Number; 8] = {
    let mut all = [UNKNOWN; 8];
    let mut bits = 0;
    while bits < 8 {
        all[bits] = super::number::expected(bits);
        bits += 1;
    }
    all
};

/// Versions that velocities and what follows them look at.
const RECENT: usize = 3;

/// Columns of a group whose ways are kept from choosing a rule to using it.
const KEPT: usize = 4;

/// Classes of how much more was expected than whole numbers tell.
const PARTS: usize = 3;

/// What a walk through a table knows.
pub(super) struct Table<'a> {
    pub(super) layout: &'a Layout,
    pub(super) span: Span,
    /// What models begin with.
    pub(super) book: &'a TableModels,
    pub(super) flags: RowFlags,
    /// The other models; of each group how wrong each rule was on rows so far that had no more than two versions (`young`), and how far an angle
    /// comes of the way to its course (`lags`); and the new row before this one (`fresh`).
    pub(super) scratch: &'a mut Scratch,
}

/// What a row was, the newest version first.
#[derive(Clone, Copy)]
pub(super) struct RowPast<'a> {
    pub(super) ints: &'a [&'a [i32]; DEPTH],
    pub(super) depth: usize,
    pub(super) row: usize,
}

impl RowPast<'_> {
    /// The same with no more than the last versions: velocities change too much for older ones to tell anything.
    pub(super) fn recent(self) -> Self {
        Self {
            depth: self.depth.min(RECENT),
            ..self
        }
    }

    #[inline]
    pub(super) fn int(&self, version: usize, column: usize) -> i32 {
        self.ints[version][column * PAGE_ROWS + self.row]
    }

    #[inline]
    pub(super) fn way(&self, layout: &Layout, column: usize) -> Way {
        let of = &layout.columns()[column];
        let at = column * PAGE_ROWS + self.row;
        let now = self.ints[0][at];
        let mut way = [0; DEPTH];
        let past = 1..self.depth.clamp(1, DEPTH);
        for (off, ints) in way[past.clone()].iter_mut().zip(&self.ints[past]) {
            *off = of.difference(now, ints[at]);
        }
        way
    }
}

impl<'a> Table<'a> {
    pub(super) fn new(
        layout: &'a Layout,
        span: Span,
        book: &'a TableModels,
        scratch: &'a mut Scratch,
    ) -> Self {
        scratch.begin(layout.groups().len(), book.groups.len());
        Self {
            layout,
            span,
            book,
            flags: book.flags,
            scratch,
        }
    }

    /// Codes a row of the basis that deviates. `ints` is what it is; a reader fills it in.
    pub(super) fn row<C: Coder>(
        &mut self,
        coder: &mut C,
        past: RowPast,
        ints: &mut [i32],
    ) -> Result<(), DecodeError> {
        let layout = self.layout;
        let mut stir = 0;
        let mut first = 0;
        for (index, group) in layout.groups().iter().enumerate() {
            // Out of the way of the models, which are looked at all the time.
            let mut young = self.scratch.young[index];
            let mut lag = self.scratch.lags[index];
            let mut at = Place {
                coder,
                scratch: self.scratch,
                book: &self.book.groups,
                first,
                flags: first + pieces(group) - 1,
                stir: &mut stir,
                wrong: 0,
            };
            match &group.kind {
                Kind::Small | Kind::Alone => at.alone(layout, group, past, ints)?,
                Kind::Motion => at.motion(layout, group, past, ints, &mut young)?,
                Kind::Course(rest) => at.course(layout, group, *rest, past, ints, &mut young)?,
                Kind::Heading(heading) => {
                    at.heading(layout, group, heading, past, ints, (&mut young, &mut lag))?
                }
                Kind::Turn(turn) => at.turn(group, turn, past, ints, &mut young)?,
                Kind::Track => at.track(layout, group, past, ints, self.span)?,
            }
            first += pieces(group);
            (self.scratch.young[index], self.scratch.lags[index]) = (young, lag);
        }
        Ok(())
    }
}

/// Numbers that a group has models of: by how wrong the past was, by column, and one for flags.
pub(super) fn pieces(group: &Group) -> usize {
    BY_PAST.len() + group.columns.len() * PARTS * STIRS + 1
}

/// What is expected of what moves, by how wrong the past was and the columns before were.
pub(super) static BY_PAST: [Number; WRONGS * STIRS] = {
    let mut all = [UNKNOWN; WRONGS * STIRS];
    let mut at = 0;
    while at < all.len() {
        let (wrong, stir) = (at / STIRS, at % STIRS);
        let bits = match wrong {
            0 | 2 => 2,
            1 => 1,
            wrong => wrong.saturating_sub(4),
        };
        let least = [0, 0, 1, 3][stir];
        all[at] = EXPECTED[if bits < least { least } else { bits }];
        at += 1;
    }
    all
};

/// Rules that are tried on rows of two versions.
const YOUNG: usize = 3;

/// Where in the models the coder is.
pub(super) struct Place<'a, C> {
    coder: &'a mut C,
    scratch: &'a mut Scratch,
    book: &'a [Number],
    /// Where the numbers of the group begin, and the one for flags.
    first: usize,
    flags: usize,
    /// How wrong the columns before were.
    stir: &'a mut usize,
    /// How wrong the past was.
    pub(super) wrong: usize,
}

impl<C: Coder> Place<'_, C> {
    /// A difference of the n-th column of the group.
    #[inline]
    pub(super) fn difference(&mut self, number: usize, value: i32) -> i32 {
        self.towards(number, value, 0)
    }

    /// The same where so many sixteenths more were expected than could be.
    #[inline]
    pub(super) fn towards(&mut self, number: usize, value: i32, beyond: i32) -> i32 {
        let value = if beyond < 0 {
            value.wrapping_neg()
        } else {
            value
        };
        let number = number * PARTS + (beyond.unsigned_abs() as usize / 3).min(PARTS - 1);
        let stir = *self.stir;
        let by_past = self.first + self.wrong * STIRS + stir;
        let by_column = self.first + WRONGS * STIRS + number * STIRS + stir;
        let numbers = self.scratch.two([by_past, by_column], self.book);
        let value = signed(self.coder, numbers, value);
        *self.stir = stir.max(size(value.unsigned_abs(), STIRS - 1));
        if beyond < 0 {
            value.wrapping_neg()
        } else {
            value
        }
    }

    fn alone(
        &mut self,
        layout: &Layout,
        group: &Group,
        past: RowPast<'_>,
        ints: &mut [i32],
    ) -> Result<(), DecodeError> {
        for (number, &index) in group.columns.iter().enumerate() {
            let index = usize::from(index);
            let column = &layout.columns()[index];
            let now = past.int(0, index);
            self.wrong = usize::from(past.depth > 1 && past.int(1, index) != now);
            let difference = self.difference(number, column.difference(now, ints[index]));
            ints[index] = now.wrapping_add(difference);
            if !column.valid(ints[index]) {
                return Err(DecodeError::Range);
            }
        }
        Ok(())
    }

    fn motion(
        &mut self,
        layout: &Layout,
        group: &Group,
        past: RowPast<'_>,
        ints: &mut [i32],
        young: &mut [u32; RULES],
    ) -> Result<(), DecodeError> {
        let mut kept = [[0; DEPTH]; KEPT];
        let mut scores = Scores::default();
        for (number, &index) in group.columns.iter().enumerate() {
            let way = past.way(layout, usize::from(index));
            scores.add(&way, past.depth, 0);
            if let Some(kept) = kept.get_mut(number) {
                *kept = way;
            }
        }
        let rule = self.choose(past.depth, young, &scores);
        for (number, &index) in group.columns.iter().enumerate() {
            let index = usize::from(index);
            let column = &layout.columns()[index];
            let now = past.int(0, index);
            let way = match kept.get(number) {
                Some(way) => *way,
                None => past.way(layout, index),
            };
            let expected = column.near(now, expect_one(&way, past.depth, rule));
            let beyond = beyond(&way, past.depth, rule);
            let difference = self.towards(number, column.difference(expected, ints[index]), beyond);
            ints[index] = column.add(expected, difference);
            if !column.valid(ints[index]) {
                return Err(DecodeError::Range);
            }
            if past.depth == 2 {
                learn(
                    young,
                    &expect(&way, 0, 2),
                    column.difference(now, ints[index]),
                    0,
                );
            }
        }
        Ok(())
    }

    /// The rule for a group whose numbers have these scores, and in `wrong` how well it did.
    #[inline]
    pub(super) fn choose(&mut self, depth: usize, young: &[u32; RULES], scores: &Scores) -> usize {
        match depth {
            0 | 1 => {
                self.wrong = 0;
                0
            }
            2 => {
                self.wrong = 1 + usize::from(scores.went());
                (0..YOUNG).min_by_key(|&rule| young[rule]).unwrap_or(0)
            }
            _ => {
                let (rule, wrong) = scores.best(depth);
                self.wrong = 3 + size(wrong, WRONGS - 4);
                rule
            }
        }
    }

    fn turn(
        &mut self,
        group: &Group,
        turn: &Turn,
        past: RowPast<'_>,
        ints: &mut [i32],
        young: &mut [u32; RULES],
    ) -> Result<(), DecodeError> {
        let first = usize::from(group.columns[0]);
        let mut ways = [[0; DEPTH]; 4];
        let parts = |version: usize| {
            let int = |i: usize| past.int(version, first + i);
            turn::parts(turn, [int(0), int(1), int(2), int(3)])
        };
        let now = parts(0);
        for version in 1..past.depth {
            let then = turn::aligned(parts(version), &now);
            for (way, (then, now)) in ways.iter_mut().zip(then.iter().zip(now)) {
                way[version] = then - now;
            }
        }
        let mut scores = Scores::default();
        for way in &ways {
            scores.add(way, past.depth, turn.shift);
        }
        let rule = self.choose(past.depth, young, &scores);
        let mut expected = now;
        for (part, way) in expected.iter_mut().zip(&ways) {
            *part += expect_one(way, past.depth, rule);
        }
        let expected = turn::normal(turn, expected);
        let likely = turn::largest(&expected);
        let here = &mut ints[first..first + 4];
        let flags = self.scratch.number(self.flags, self.book);
        if self
            .coder
            .bit(&mut flags[self.wrong], here[0] == likely as i32)
        {
            here[0] = likely as i32;
        } else {
            here[0] = self.coder.raw(here[0] as u32, 2) as i32;
        }
        let columns = turn::columns(turn, expected, here[0] as usize);
        for (number, (int, (expected, beyond))) in here[1..].iter_mut().zip(columns).enumerate() {
            let difference = self.towards(number + 1, int.wrapping_sub(expected), beyond);
            *int = expected.wrapping_add(difference);
            if !(0..=turn.half * 2).contains(int) {
                return Err(DecodeError::Range);
            }
        }
        if past.depth == 2 {
            let got = turn::aligned(
                turn::parts(turn, [here[0], here[1], here[2], here[3]]),
                &now,
            );
            for ((way, got), now) in ways.iter().zip(got).zip(now) {
                learn(young, &expect(way, 0, 2), got - now, turn.shift);
            }
        }
        Ok(())
    }

    fn track(
        &mut self,
        layout: &Layout,
        group: &Group,
        past: RowPast<'_>,
        ints: &mut [i32],
        span: Span,
    ) -> Result<(), DecodeError> {
        for (number, &index) in group.columns.iter().enumerate() {
            let index = usize::from(index);
            let column = &layout.columns()[index];
            let Some((velocity, track)) = &column.track else {
                continue;
            };
            let velocity = usize::from(*velocity);
            let velocities = [past.int(0, velocity), ints[velocity]];
            let expected = column.moved(track, past.int(0, index), velocities, span);
            let difference = ints[index].wrapping_sub(expected);
            let cell = track.cell as i32;
            self.wrong = usize::from(velocities[0] != velocities[1]);
            // Mostly it is on its track, or off by whole steps.
            let flags = self.scratch.number(self.flags, self.book);
            let whole = self.coder.bit(
                &mut flags[self.wrong],
                difference == 0 || difference % cell == 0,
            );
            let unit = if whole { cell } else { 1 };
            self.wrong += 2 * usize::from(!whole);
            let units = if unit == 1 || difference == 0 {
                difference
            } else {
                difference / unit
            };
            let units = self.difference(number, units);
            ints[index] = expected.wrapping_add(units.wrapping_mul(unit));
            if !column.valid(ints[index]) {
                return Err(DecodeError::Range);
            }
        }
        Ok(())
    }
}

/// Notes how wrong each rule was.
#[inline]
pub(super) fn learn(young: &mut [u32; RULES], expected: &[i32; RULES], was: i32, shift: u32) {
    for (sum, expected) in young.iter_mut().zip(expected).take(YOUNG) {
        let off = was.wrapping_sub(*expected).unsigned_abs() >> shift;
        *sum = sum.saturating_add(off.min(255));
    }
}
