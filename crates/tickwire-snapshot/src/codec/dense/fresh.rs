//! Rows that were not there: like the new row before them, or like the entity that they come from. Rows that deviate are `rows`'s matter.

use super::super::decode::DecodeError;
use super::coder::{Coder, Model};
use super::course::{by_size, keep_speed, speed};
use super::number::{Number, signed};
use super::rows::{EXPECTED, Table};
use super::turn;
use crate::groups::{Group, Heading, Kind};
use crate::layout::{Layout, bits_for};
use crate::page::Page;

/// The models of a column of new rows.
#[derive(Clone, Debug)]
pub(super) struct New {
    /// Is it as in the new row before, as where it comes from, a whole cell?
    pub(super) flags: [Model; 3],
    /// A number, in two contexts.
    pub(super) number: [Number; 2],
}

impl New {
    pub(super) const GUESSED: Self = Self {
        flags: [Model::NEW, Model::NEW, Model::likely(97)],
        number: [EXPECTED[1]; 2],
    };
}

impl Table<'_> {
    /// A row that came in the last update: new ones may be like it.
    pub(super) fn newest(&mut self, page: &Page, young: u64) {
        if self.scratch.fresh.is_empty() && young != 0 {
            let row = young.trailing_zeros() as usize;
            let columns = 0..self.layout.columns().len();
            self.scratch
                .fresh
                .extend(columns.map(|column| page.int(column, row)));
        }
    }

    /// Codes a row that was not there, `from` being the row of the entity that it comes from.
    pub(super) fn new_row<C: Coder>(
        &mut self,
        coder: &mut C,
        from: Option<&[i32]>,
        ints: &mut [i32],
    ) -> Result<(), DecodeError> {
        let layout = self.layout;
        let scratch = &mut *self.scratch;
        if scratch.new.is_empty() {
            scratch.new.extend_from_slice(&self.book.new);
        }
        if scratch.fresh.is_empty() {
            scratch.fresh.extend(
                layout
                    .columns()
                    .iter()
                    .map(|column| 0.clamp(column.min, column.max)),
            );
        }
        let mut new = Fresh {
            coder,
            models: &mut scratch.new,
            layout,
            like: &scratch.fresh,
            from,
        };
        for group in layout.groups() {
            match &group.kind {
                Kind::Course(rest) => new.course(group, *rest, ints)?,
                Kind::Heading(heading) => new.heading(group, heading, ints)?,
                Kind::Track if from.is_some() => new.place(group, ints)?,
                _ => group
                    .columns
                    .iter()
                    .try_for_each(|&column| new.column(usize::from(column), ints))?,
            }
        }
        scratch.fresh.copy_from_slice(ints);
        Ok(())
    }
}

/// A new row on its way.
struct Fresh<'a, C> {
    coder: &'a mut C,
    models: &'a mut [New],
    layout: &'a Layout,
    /// The new row before it.
    like: &'a [i32],
    from: Option<&'a [i32]>,
}

impl<C: Coder> Fresh<'_, C> {
    /// A column that is as in the new row before, as where it comes from, or anything.
    fn column(&mut self, index: usize, ints: &mut [i32]) -> Result<(), DecodeError> {
        let column = &self.layout.columns()[index];
        let int = &mut ints[index];
        let flags = &mut self.models[index].flags;
        let known = [Some(self.like[index]), self.from.map(|from| from[index])];
        for (model, known) in flags.iter_mut().zip(known) {
            if let Some(known) = known
                && self.coder.bit(model, *int == known)
            {
                *int = known;
                return Ok(());
            }
        }
        let cell = column
            .track
            .as_ref()
            .map_or(1, |(_, track)| track.cell as i32);
        let whole = cell > 1 && self.coder.bit(&mut flags[2], *int % cell == 0);
        let (unit, min) = if whole { (cell, 0) } else { (1, column.min) };
        let bits = u32::from(bits_for(min, column.max / unit));
        let code = self.coder.raw((*int / unit).wrapping_sub(min) as u32, bits);
        let value = (i64::from(min) + i64::from(code)) * i64::from(unit);
        *int = i32::try_from(value)
            .ok()
            .filter(|&value| column.valid(value))
            .ok_or(DecodeError::Range)?;
        Ok(())
    }

    /// A column near to what is expected, in units of `unit`.
    fn near(
        &mut self,
        index: usize,
        expected: i32,
        unit: i32,
        ints: &mut [i32],
    ) -> Result<(), DecodeError> {
        let column = &self.layout.columns()[index];
        let [a, b] = &mut self.models[index].number;
        let off = column.difference(expected, ints[index]) / unit;
        let off = signed(self.coder, [a, b], off);
        ints[index] = column.add(expected, off.wrapping_mul(unit));
        if column.valid(ints[index]) {
            Ok(())
        } else {
            Err(DecodeError::Range)
        }
    }

    /// Tracks: near to those that it comes from, in whole cells.
    fn place(&mut self, group: &Group, ints: &mut [i32]) -> Result<(), DecodeError> {
        for &index in &group.columns {
            let index = usize::from(index);
            let (Some(from), Some((_, track))) = (self.from, &self.layout.columns()[index].track)
            else {
                continue;
            };
            let cell = track.cell as i32;
            let expected = from[index].wrapping_add(cell / 2).div_euclid(cell) * cell;
            let whole = self
                .coder
                .bit(&mut self.models[index].flags[2], ints[index] % cell == 0);
            self.near(index, expected, if whole { cell } else { 1 }, ints)?;
        }
        Ok(())
    }

    /// Velocities: with the speed of the new row before, in the direction of where it comes from.
    fn course(&mut self, group: &Group, rest: i32, ints: &mut [i32]) -> Result<(), DecodeError> {
        let parts = |of: &[i32]| {
            let mut parts = [0; 3];
            for (part, &index) in parts.iter_mut().zip(&group.columns) {
                *part = of[usize::from(index)].wrapping_sub(rest);
            }
            parts
        };
        let like = parts(self.like);
        let mut expected = [0; 3];
        if let Some(from) = self.from {
            let from = parts(from);
            let (speed, own) = (speed(&like), speed(&from).max(1));
            expected = from.map(|part| (i64::from(part) * speed / own) as i32);
        }
        let count = group.columns.len().min(3);
        let order = by_size(&expected, count);
        for (at, &number) in order[..count].iter().enumerate() {
            let index = usize::from(group.columns[number]);
            if at + 1 == count {
                let kept = keep_speed(&like, &parts(ints), number, expected[number]);
                let column = &self.layout.columns()[index];
                self.near(index, column.near(rest, kept), 1, ints)?;
            } else if self.from.is_some() {
                let column = &self.layout.columns()[index];
                self.near(index, column.near(rest, expected[number]), 1, ints)?;
            } else {
                self.column(index, ints)?;
            }
        }
        Ok(())
    }

    /// An angle: most likely the direction of the course.
    fn heading(
        &mut self,
        group: &Group,
        heading: &Heading,
        ints: &mut [i32],
    ) -> Result<(), DecodeError> {
        let index = usize::from(group.columns[0]);
        let [x, y] = heading
            .course
            .map(|column| ints[usize::from(column)].wrapping_sub(heading.rest));
        let expected =
            turn::heading(x, y).wrapping_add(1 << (31 - heading.bits)) >> (32 - heading.bits);
        self.near(index, expected as i32, 1, ints)
    }
}
