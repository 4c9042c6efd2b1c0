//! One row that deviates: its columns group by group, each against what its past lets expect. Which rows do is `walk`'s matter.

use super::super::decode::DecodeError;
use super::coder::{Coder, Model};
use super::number::{NUMBER, signed, unsigned};
use super::predict::{DEPTH, RULES, Scores, Way, expect, size};
use super::turn;
use crate::groups::{Group, Kind, Turn};
use crate::layout::Layout;
use crate::page::Page;
use crate::track::Span;

/// Classes of how wrong the past was.
const WRONGS: usize = 10;
/// Classes of how wrong the columns before this one were.
const STIRS: usize = 4;

/// The models of a table: one piece for each group, and where each begins.
pub(super) struct Table<'a> {
    pub(super) layout: &'a Layout,
    pub(super) span: Span,
    pub(super) models: Vec<Model>,
    begins: Vec<usize>,
    /// Of each group: how wrong each rule was on rows so far that had no more than two versions.
    young: Vec<[u32; RULES]>,
    /// The new row before this one.
    fresh: Vec<i32>,
}

/// A row on its way: what it is or will be, and what it was, the newest first.
pub(super) struct RowPast<'a> {
    pub(super) pages: [&'a Page; DEPTH],
    pub(super) depth: usize,
    pub(super) row: usize,
}

impl RowPast<'_> {
    #[inline]
    fn int(&self, version: usize, column: usize) -> i32 {
        self.pages[version].int(column, self.row)
    }

    #[inline]
    fn way(&self, layout: &Layout, column: usize) -> Way {
        let of = &layout.columns()[column];
        let now = self.int(0, column);
        let mut way = [0; DEPTH];
        for (version, off) in way.iter_mut().enumerate().take(self.depth).skip(1) {
            *off = of.difference(now, self.int(version, column));
        }
        way
    }
}

impl<'a> Table<'a> {
    pub(super) fn new(layout: &'a Layout, span: Span) -> Self {
        let mut begins = Vec::new();
        let mut all = 0;
        for group in layout.groups() {
            begins.push(all);
            all += (WRONGS * STIRS + group.columns.len() * STIRS + 1) * NUMBER;
        }
        // Of new rows: each column.
        begins.push(all);
        all += layout.columns().len() * NUMBER;
        Self {
            layout,
            span,
            models: vec![Model::NEW; all],
            young: vec![[0; RULES]; layout.groups().len()],
            fresh: Vec::new(),
            begins,
        }
    }

    /// Codes a row of the basis that deviates. `ints` is what it is; a reader fills it in.
    pub(super) fn row<C: Coder>(
        &mut self,
        coder: &mut C,
        past: &RowPast,
        ints: &mut [i32],
    ) -> Result<(), DecodeError> {
        let layout = self.layout;
        let mut stir = 0;
        for (index, group) in layout.groups().iter().enumerate() {
            let models = &mut self.models[self.begins[index]..self.begins[index + 1]];
            let mut at = Place {
                coder,
                models,
                stir: &mut stir,
                wrong: 0,
            };
            match &group.kind {
                Kind::Small | Kind::Alone => at.alone(layout, group, past, ints)?,
                Kind::Motion => at.motion(layout, group, past, ints, &mut self.young[index])?,
                Kind::Turn(turn) => at.turn(group, turn, past, ints, &mut self.young[index])?,
                Kind::Track => at.track(layout, group, past, ints, self.span)?,
            }
        }
        Ok(())
    }

    /// Codes a row that was not there.
    pub(super) fn new_row<C: Coder>(
        &mut self,
        coder: &mut C,
        ints: &mut [i32],
    ) -> Result<(), DecodeError> {
        let begin = self.begins[self.begins.len() - 1];
        let first = self.fresh.is_empty();
        for (index, column) in self.layout.columns().iter().enumerate() {
            let models = &mut self.models[begin + index * NUMBER..][..NUMBER];
            let before = if first {
                column.min.max(0).min(column.max)
            } else {
                self.fresh[index]
            };
            if coder.bit(&mut models[0], ints[index] == before) {
                ints[index] = before;
                continue;
            }
            let cell = column
                .track
                .as_ref()
                .map_or(1, |(_, track)| track.cell as i32);
            let whole = cell > 1 && coder.bit(&mut models[1], ints[index] % cell == 0);
            let (unit, min) = if whole { (cell, 0) } else { (1, column.min) };
            let bits = u32::from(crate::layout::bits_for(min, column.max / unit));
            let code = coder.raw((ints[index] / unit).wrapping_sub(min) as u32, bits);
            let value = (i64::from(min) + i64::from(code)) * i64::from(unit);
            ints[index] = i32::try_from(value)
                .ok()
                .filter(|&value| column.valid(value))
                .ok_or(DecodeError::Range)?;
        }
        self.fresh.clear();
        self.fresh.extend_from_slice(ints);
        Ok(())
    }
}

/// Where in the models the coder is.
struct Place<'a, C> {
    coder: &'a mut C,
    models: &'a mut [Model],
    /// How wrong the columns before were.
    stir: &'a mut usize,
    /// How wrong the past was.
    wrong: usize,
}

impl<C: Coder> Place<'_, C> {
    /// A difference of the n-th column of the group.
    #[inline]
    fn difference(&mut self, number: usize, value: i32) -> i32 {
        let stir = *self.stir;
        let (by_past, by_column) = self.models.split_at_mut(WRONGS * STIRS * NUMBER);
        let a = &mut by_past[(self.wrong * STIRS + stir) * NUMBER..][..NUMBER];
        let b = &mut by_column[(number * STIRS + stir) * NUMBER..][..NUMBER];
        let value = signed(self.coder, [a, b], value);
        *self.stir = stir.max(size(value.unsigned_abs(), STIRS - 1));
        value
    }

    fn alone(
        &mut self,
        layout: &Layout,
        group: &Group,
        past: &RowPast,
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
        past: &RowPast,
        ints: &mut [i32],
        young: &mut [u32; RULES],
    ) -> Result<(), DecodeError> {
        let rule = self.choose(
            past,
            young,
            0,
            group
                .columns
                .iter()
                .map(|&index| past.way(layout, usize::from(index))),
        );
        for (number, &index) in group.columns.iter().enumerate() {
            let index = usize::from(index);
            let column = &layout.columns()[index];
            let (now, way) = (past.int(0, index), past.way(layout, index));
            let all = expect(&way, 0, past.depth);
            let expected = column.near(now, all[rule]);
            let difference = self.difference(number, column.difference(expected, ints[index]));
            ints[index] = column.add(expected, difference);
            if !column.valid(ints[index]) {
                return Err(DecodeError::Range);
            }
            if past.depth == 2 {
                learn(young, &all, column.difference(now, ints[index]), 0);
            }
        }
        Ok(())
    }

    /// The rule for a group, and in `wrong` how well it did.
    #[inline]
    fn choose(
        &mut self,
        past: &RowPast,
        young: &[u32; RULES],
        shift: u32,
        ways: impl Iterator<Item = Way>,
    ) -> usize {
        let mut scores = Scores::default();
        let mut went = 0_u32;
        for way in ways {
            scores.add(&way, past.depth, shift);
            went = went.saturating_add(way[1].unsigned_abs() >> shift);
        }
        match past.depth {
            0 | 1 => {
                self.wrong = 0;
                0
            }
            2 => {
                self.wrong = 1 + usize::from(went > 0);
                (0..3).min_by_key(|&rule| young[rule]).unwrap_or(0)
            }
            _ => {
                let (rule, wrong) = scores.best();
                self.wrong = 3 + size(wrong, WRONGS - 4);
                rule
            }
        }
    }

    fn turn(
        &mut self,
        group: &Group,
        turn: &Turn,
        past: &RowPast,
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
        let rule = self.choose(past, young, turn.shift, ways.iter().copied());
        let mut expected = now;
        for (part, way) in expected.iter_mut().zip(&ways) {
            *part += expect(way, 0, past.depth)[rule];
        }
        let expected = turn::normal(turn, expected);
        let likely = turn::largest(&expected);
        let here = &mut ints[first..first + 4];
        let model = self.models.len() - NUMBER;
        if self.coder.bit(
            &mut self.models[model + self.wrong],
            here[0] == likely as i32,
        ) {
            here[0] = likely as i32;
        } else {
            here[0] = self.coder.raw(here[0] as u32, 2) as i32;
        }
        let columns = turn::columns(turn, expected, here[0] as usize);
        for (number, (int, expected)) in here[1..].iter_mut().zip(columns).enumerate() {
            let difference = self.difference(number + 1, int.wrapping_sub(expected));
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
        past: &RowPast,
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
            let model = self.models.len() - NUMBER;
            self.wrong = usize::from(velocities[0] != velocities[1]);
            // Mostly it is on its track, or off by whole steps.
            let whole = self
                .coder
                .bit(&mut self.models[model + self.wrong], difference % cell == 0);
            let unit = if whole { cell } else { 1 };
            self.wrong += 2 * usize::from(!whole);
            let units = self.difference(number, difference / unit);
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
fn learn(young: &mut [u32; RULES], expected: &[i32; RULES], was: i32, shift: u32) {
    for (sum, expected) in young.iter_mut().zip(expected) {
        let off = was.wrapping_sub(*expected).unsigned_abs() >> shift;
        *sum = sum.saturating_add(off.min(255));
    }
}

/// A count or an age, in models of its own.
pub(super) fn count<C: Coder>(coder: &mut C, models: &mut [Model], value: u32) -> u32 {
    unsigned(coder, models, value)
}
