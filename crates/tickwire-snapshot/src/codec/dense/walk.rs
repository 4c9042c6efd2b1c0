//! The way through an area: header, entities, tables, events. One way for both directions: a writer walks along the truth, a reader makes it.

use std::sync::Arc;

use tickwire_proto::Tick;

use super::super::Basis;
use super::super::decode::DecodeError;
use super::PAST_MAX;
use super::book::{Book, Class};
use super::coder::{Coder, Model};
use super::models::Common;
use super::number::unsigned;
use super::scratch::Scratch;
use crate::area::{Area, TickEvent};
use crate::schema::Schema;
use crate::track::Span;

/// Numbers that no table owns: of the header, of entities, of blobs, each a piece.
pub(super) const PIECES: usize = 10;
pub(super) const AGE: usize = 0;
pub(super) const SPAN: usize = 1;
pub(super) const HELD: usize = 2;
pub(super) const PAGES: usize = 3;
pub(super) const GENERATION: usize = 4;
pub(super) const EVENTS: usize = 5;
pub(super) const LENGTH: usize = 6;
pub(super) const FLAGS: usize = 7;
pub(super) const NEWER: usize = 8;
pub(super) const ORIGIN: usize = 9;

/// One walk.
pub(super) struct Walk<'a, C> {
    pub(super) coder: C,
    pub(super) schema: &'a Schema,
    pub(super) basis: &'a Basis,
    pub(super) base: &'a Area,
    /// The versions before the basis that are used.
    pub(super) past: &'a [Arc<Area>],
    pub(super) from_basis: bool,
    /// A writer's truth.
    pub(super) truth: Option<&'a Area>,
    /// What a reader makes.
    pub(super) made: Area,
    pub(super) events: Vec<TickEvent>,
    pub(super) span: Span,
    pub(super) gone: Vec<u64>,
    /// Of the entity that came last.
    pub(super) generation: u16,
    /// Of entities that came: slot, and the slot of the entity that they came from.
    pub(super) origins: Vec<[u32; 2]>,
    pub(super) book: &'a Book,
    /// Which of the book's models: told by the header.
    pub(super) class: Class,
    pub(super) models: Common,
    pub(super) bytes: Vec<Model>,
    pub(super) scratch: Box<Scratch>,
}

impl<'a, C: Coder> Walk<'a, C> {
    pub(super) fn new(
        coder: C,
        (schema, book): (&'a Schema, &'a Book),
        basis: &'a Basis,
        base: &'a Area,
        truth: Option<&'a Area>,
    ) -> Self {
        Self {
            coder,
            schema,
            basis,
            base,
            past: &[],
            from_basis: basis.area.is_some(),
            truth,
            made: base.clone(),
            events: Vec::new(),
            span: Span::direct(0),
            gone: Vec::new(),
            generation: 0,
            origins: Vec::new(),
            book,
            class: Class::Whole,
            models: Common::guessed(),
            bytes: Vec::new(),
            scratch: Scratch::take(),
        }
    }

    /// All of it, for an update of `tick`.
    pub(super) fn run(&mut self, tick: Tick) -> Result<(), DecodeError> {
        self.header(tick)?;
        self.models = self.book.common(self.class);
        self.entities()?;
        for table in 0..self.schema.tables() {
            self.table(table)?;
        }
        if self.from_basis {
            self.all_events(tick)?;
        }
        Ok(())
    }

    pub(super) fn number(&mut self, piece: usize, value: u32) -> u32 {
        unsigned(&mut self.coder, &mut self.models.pieces[piece], value)
    }

    /// A flag that is rarely set.
    pub(super) fn flag(&mut self, index: usize, flag: bool) -> bool {
        self.coder.bit(&mut self.models.pieces[FLAGS][index], flag)
    }

    fn header(&mut self, tick: Tick) -> Result<(), DecodeError> {
        if self.coder.raw(u32::from(self.from_basis), 1) != u32::from(self.from_basis) {
            return Err(DecodeError::Wrong(
                "a keyframe where a delta was due, or the reverse",
            ));
        }
        let next = self.truth.map_or(tick, Area::tick);
        let age = self.number(AGE, tick.since(next));
        if age > tick.0 {
            return Err(DecodeError::Wrong("a change before the first tick"));
        }
        let (next, base) = (tick.minus(age), self.base.tick);
        let made = &mut self.made;
        (made.tick, made.before, made.previous) = (next, base, base);
        made.events.clear();
        let ticks = next.since(base);
        self.span = Span::direct(ticks);
        if !self.from_basis {
            made.before = next;
            return Ok(());
        }
        self.class = Class::Older;
        let (previous, before) = self
            .truth
            .map_or((base, base), |truth| (truth.previous, truth.before));
        if self.flag(0, previous != base) {
            let last = self.number(SPAN, next.since(previous));
            self.span = Span::new(ticks, last);
            return self.use_past(next);
        }
        self.class = Class::Next;
        if self.flag(1, before > base) {
            let ago = self.number(HELD, next.since(before));
            let held = next
                .0
                .checked_sub(ago)
                .map(Tick)
                .filter(|&held| held > base);
            self.made.before = held.ok_or(DecodeError::Wrong("the basis ended before it began"))?;
        }
        self.use_past(next)
    }

    /// How many of the versions before the basis are used, of those in step.
    fn use_past(&mut self, next: Tick) -> Result<(), DecodeError> {
        let held = self.basis.in_step(next);
        let level = level(held);
        let told = match self.flag(2, level != PAST_MAX) {
            false => PAST_MAX,
            true => self.coder.raw(level as u32, 2) as usize,
        };
        if told != level {
            return Err(DecodeError::Wrong(
                "an update before the basis that is not held",
            ));
        }
        self.past = &self.basis.before()[..level];
        Ok(())
    }
}

/// So that viewers who were in step for a different time fall into few groups.
fn level(steps: usize) -> usize {
    match steps {
        PAST_MAX.. => PAST_MAX,
        3.. => 3,
        _ => steps.min(1),
    }
}

pub(super) fn mask(masks: &[u64], page: usize) -> u64 {
    masks.get(page).copied().unwrap_or(0)
}
