//! The ticks that were run ahead: what was asked for in each, who was there at its end, and what happened. The values themselves are the columns'.

use std::collections::VecDeque;

use tickwire_proto::Tick;
use tickwire_snapshot::{OwnedRow, TickEvent};

use super::PREDICTED_TICKS_MAX;

/// An event that the server tells of is one that was shown if it happened within so many ticks of it.
const SAME_TICKS: u32 = 3;
/// And if no column of it is further away than this.
const SAME_STEPS: u32 = 24;
/// Events that were shown and that the server has not told of yet.
const SHOWN_MAX: usize = 256;

/// Something that happened in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Emitted {
    kind: u16,
}

#[derive(Debug)]
struct Frame {
    tick: Tick,
    /// Who was there, by their numbers in the book.
    tracks: Vec<u32>,
    number: Number,
    command: Option<OwnedRow>,
}

/// The number of what the seat owned at the end of a tick.
#[derive(Debug)]
pub(super) enum Number {
    Known(u16),
    /// Of a tick that was stepped again, by the places of those who are of the seat: it is asked for where the server tells of that very tick.
    Of(Vec<u32>),
}

/// The frames, oldest first. The oldest is the newest truth.
#[derive(Debug, Default)]
pub(super) struct Frames {
    frames: VecDeque<Frame>,
    /// What happened, by tick and kind, also where its frame was forgotten to be stepped again.
    happened: VecDeque<(Tick, Vec<Emitted>)>,
    /// What was shown and may still come from the server.
    shown: VecDeque<TickEvent>,
}

impl Frames {
    pub fn oldest(&self) -> Option<Tick> {
        self.frames.front().map(|frame| frame.tick)
    }

    /// The place of a tick.
    pub fn find(&self, tick: Tick) -> Option<usize> {
        let oldest = self.oldest().filter(|oldest| *oldest <= tick)?;
        let at = tick.since(oldest) as usize;
        (self.frames.get(at)?.tick == tick).then_some(at)
    }

    pub fn len(&self) -> usize {
        self.frames.len()
    }

    pub fn number(&self, at: usize) -> &Number {
        &self.frames[at].number
    }

    /// The place of somebody in a frame.
    pub fn index(&self, at: usize, track: u32) -> Option<usize> {
        self.frames.get(at)?.tracks.binary_search(&track).ok()
    }

    pub fn push(
        &mut self,
        tick: Tick,
        tracks: Vec<u32>,
        number: Number,
        command: Option<OwnedRow>,
        emitted: Vec<Emitted>,
    ) {
        self.frames.push_back(Frame {
            tick,
            tracks,
            number,
            command,
        });
        if !emitted.is_empty() {
            self.happened.push_back((tick, emitted));
        }
    }

    /// What was asked for in the ticks behind this frame, to be asked for again.
    pub fn commands_after(&mut self, at: usize) -> Vec<Option<OwnedRow>> {
        let later = self.frames.iter_mut().skip(at + 1);
        later.map(|frame| frame.command.take()).collect()
    }

    pub fn forget(&mut self, oldest: usize, newest: usize) {
        self.frames.drain(..oldest.min(self.frames.len()));
        let left = self.frames.len().saturating_sub(newest);
        self.frames.truncate(left);
        let Some(first) = self.oldest() else { return };
        let old = |tick: Tick| first.since(tick) > PREDICTED_TICKS_MAX && tick < first;
        while self.happened.pop_front_if(|(tick, _)| old(*tick)).is_some() {}
        while self.shown.pop_front_if(|event| old(event.tick)).is_some() {}
    }

    /// Notes an event of the step under way, in which `before` happened already; and whether it is the first time that it happens. The n-th of
    /// a kind in a tick is the same one whenever that tick is stepped again.
    pub fn emitted(
        &mut self,
        tick: Tick,
        event: &TickEvent,
        before: &[Emitted],
    ) -> (Emitted, bool) {
        let emitted = Emitted { kind: event.kind };
        let count = |all: &[Emitted]| all.iter().filter(|it| **it == emitted).count();
        let known = self.happened.iter().filter(|(at, _)| *at == tick);
        let known = known.map(|(_, all)| count(all)).max().unwrap_or(0);
        let is_new = count(before) >= known;
        if is_new {
            if self.shown.len() == SHOWN_MAX {
                self.shown.pop_front();
            }
            self.shown.push_back(event.clone());
        }
        (emitted, is_new)
    }

    pub fn was_shown(&mut self, event: &TickEvent) -> bool {
        let near = |a: u32, b: u32| a.abs_diff(b);
        let same = |shown: &TickEvent| {
            shown.kind == event.kind
                && near(shown.tick.0, event.tick.0) <= SAME_TICKS
                && shown.blobs == event.blobs
                && shown.ints.len() == event.ints.len()
                && (shown.ints.iter().zip(&event.ints)).all(|(a, b)| a.abs_diff(*b) <= SAME_STEPS)
        };
        let Some(at) = self.shown.iter().position(same) else {
            return false;
        };
        self.shown.remove(at);
        true
    }
}
