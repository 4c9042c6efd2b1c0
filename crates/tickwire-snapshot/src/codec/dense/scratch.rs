//! Memory that deltas are made in, used again from one to the next: nothing of what a delta said stays in it.

use std::cell::Cell;

use super::course::Lag;
use super::fresh::New;
use super::models::TableModels;
use super::number::{Number, UNKNOWN};
use super::predict::RULES;
use super::tables::Fate;

thread_local! {
    static SPARE: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// The memory of one walk; a table has it while it is walked through.
#[derive(Default)]
pub(super) struct Scratch {
    numbers: Vec<Number>,
    /// For which table each number was taken from the book.
    taken: Vec<u32>,
    /// The table that is walked through, of all that this memory has seen.
    table: u32,
    pub(super) new: Vec<New>,
    pub(super) young: Vec<[u32; RULES]>,
    pub(super) lags: Vec<Lag>,
    pub(super) fresh: Vec<i32>,
    pub(super) fates: Vec<Fate>,
    pub(super) out: Vec<u8>,
}

impl Scratch {
    /// What this thread has left, or new memory.
    pub(super) fn take() -> Box<Self> {
        SPARE.take().unwrap_or_default()
    }

    /// For the next one.
    pub(super) fn leave(self: Box<Self>) {
        SPARE.set(Some(self));
    }

    /// Of a table with so many groups and numbers: all begins.
    pub(super) fn begin(&mut self, groups: usize, numbers: usize) {
        self.table = self.table.wrapping_add(1);
        if self.table == 0 {
            self.taken.fill(0);
            self.table = 1;
        }
        if self.numbers.len() < numbers {
            self.numbers.resize(numbers, UNKNOWN);
            self.taken.resize(numbers, 0);
        }
        self.new.clear();
        self.young.clear();
        self.young.resize(groups, [0; RULES]);
        self.lags.clear();
        self.lags.resize(groups, Lag::default());
        self.fresh.clear();
    }

    /// A number of a group, as the book has it unless it was used already: most never are.
    #[inline]
    pub(super) fn number(&mut self, at: usize, book: &[Number]) -> &mut Number {
        self.fetch(at, book);
        &mut self.numbers[at]
    }

    /// Two numbers, the first in front of the second.
    #[inline]
    pub(super) fn two(&mut self, at: [usize; 2], book: &[Number]) -> [&mut Number; 2] {
        at.into_iter().for_each(|at| self.fetch(at, book));
        let (front, back) = self.numbers.split_at_mut(at[1]);
        [&mut front[at[0]], &mut back[0]]
    }

    #[inline]
    fn fetch(&mut self, at: usize, book: &[Number]) {
        let taken = &mut self.taken[at];
        if *taken != self.table {
            *taken = self.table;
            self.numbers[at] = book[at];
        }
    }

    /// The models of the table as they are now.
    pub(super) fn models(&mut self, book: &TableModels) -> TableModels {
        let mut models = book.clone();
        for (at, number) in models.groups.iter_mut().enumerate() {
            *number = *self.number(at, &book.groups);
        }
        if !self.new.is_empty() {
            models.new.clone_from(&self.new);
        }
        models
    }
}
