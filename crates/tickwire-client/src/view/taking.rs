//! What a view makes of an update: its areas, who crossed between them, and what of it cannot be used.

use std::time::Duration;

use tickwire_proto::frame::AreaDelta;
use tickwire_proto::{Tick, Time};
use tickwire_snapshot::{AREA_IDS_MAX, ENTITIES_MAX};

use super::{Applied, View};
use crate::areas::AreaView;
use crate::event::Fault;
use crate::moves::Crossing;
use crate::picture::{join_id, split_id};

/// Areas of one view, those that just went out of sight among them. Together they have as many entities as one may have.
const AREAS_MAX: usize = 2_048;
/// A keyframe that was asked for and does not come is asked for again after this long.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl View {
    pub(super) fn apply_areas(
        &mut self,
        now: Time,
        tick: Tick,
        deltas: &[AreaDelta<'_>],
        outcome: &mut Applied,
    ) {
        let (mut paused, mut used) = (false, deltas.is_empty());
        let first = self.newest.is_none();
        let older = self.loose && self.newest.is_some_and(|newest| tick <= newest);
        if self.loose && self.is_torn(now, deltas, outcome) {
            return;
        }
        let entities = |view: &AreaView| view.newest().map_or(0, |held| held.area.len());
        let mut total: usize = self.areas.values().map(entities).sum();
        for delta in deltas {
            if delta.flags == AreaDelta::MOVED {
                continue; // when all is held that this is about
            }
            if older && delta.basis.is_some() {
                outcome.stale = true; // it will be told again
                continue;
            }
            let known = self.areas.contains_key(&delta.area);
            if !known && (self.areas.len() >= AREAS_MAX || delta.area >= AREA_IDS_MAX) {
                let text = format!("more than {AREAS_MAX} areas, or one beyond {AREA_IDS_MAX}");
                outcome.faults.push(Fault::Frame(text));
                continue;
            }
            if delta.basis.is_none() {
                self.asked.remove(&delta.area);
            }
            let area = self.areas.entry(delta.area).or_default();
            total -= entities(area);
            let how = (first, self.loose);
            let applied = area.apply(&self.entry.schema, tick, delta, how);
            total += entities(area);
            if total > ENTITIES_MAX {
                total -= entities(area);
                self.areas.remove(&delta.area);
                outcome
                    .faults
                    .push(Fault::Frame(format!("more than {ENTITIES_MAX} entities")));
                continue;
            }
            match applied {
                Ok(()) => {
                    used = true;
                    self.lacking.remove(&delta.area);
                    paused |= self.paused.remove(&delta.area).is_some();
                }
                Err(Fault::NoBasis { .. }) if self.loose => self.lacks(now, delta.area, outcome),
                Err(fault) => self.fault(now, delta.area, fault, outcome),
            }
        }
        if older || self.loose && !used {
            return;
        }
        if let Err(fault) = self.apply_moves(deltas) {
            outcome.faults.push(fault);
        }
        if paused {
            self.paused.clear();
        }
        self.newest = self.newest.max(Some(tick));
        self.own.updated(tick);
        self.forget_what_is_over();
        self.arrived(now, tick, paused);
    }

    /// Notes who crossed from area to area: the same entity under another name. A picture comes to all these areas at one tick, so that it
    /// shows everybody once.
    fn apply_moves(&mut self, deltas: &[AreaDelta<'_>]) -> Result<(), Fault> {
        let mut crossings = Vec::new();
        let mut tick = Tick(0);
        for delta in deltas.iter().filter(|it| it.flags == AreaDelta::MOVED) {
            let moves = delta.moves().map_err(|e| Fault::Frame(e.to_string()))?;
            for it in moves {
                if self.loose && self.is_noted(delta.area, it.slot) {
                    continue;
                }
                let from = |area: &u32| self.areas.get(area).and_then(AreaView::begins);
                let begins = [delta.area, it.from].iter().filter_map(from).max();
                tick = tick.max(begins.unwrap_or_default());
                crossings.push((delta.area, it));
            }
        }
        for (to, it) in crossings {
            // By datagrams they do, and one that is told again has begun before.
            let begin = [to, it.from].into_iter().filter(|_| !self.loose);
            for area in begin {
                if let Some(view) = self.areas.get_mut(&area) {
                    view.begin_at(tick);
                }
            }
            let held = self.areas.get(&to).and_then(AreaView::newest);
            let area = held.map(|held| held.area.clone());
            // Where it is missing the delta was not understood, and is asked for.
            let generation = area.as_ref().and_then(|area| area.generation(it.slot));
            if let (Some(area), Some(generation)) = (area, generation) {
                let crossing = Crossing {
                    tick,
                    from: join_id(it.from, it.was.1, it.was.0),
                    slot: it.slot,
                    area,
                };
                self.moves.note(crossing, join_id(to, generation, it.slot));
            }
        }
        Ok(())
    }

    /// By datagrams what something starts from may not have come: the server finds that out by itself, and is asked if it does not for long.
    fn lacks(&mut self, now: Time, area: u32, outcome: &mut Applied) {
        outcome.stale = true;
        let since = *self.lacking.entry(area).or_insert(now);
        if now.since(since) >= ASK_AGAIN {
            self.lacking.insert(area, now);
            outcome.keyframes_wanted.push(area);
        }
    }

    /// By datagrams: whether something of an area that is held cannot be used. Then nothing of the update is: somebody who has left that area
    /// would be in two places.
    fn is_torn(&mut self, now: Time, deltas: &[AreaDelta<'_>], outcome: &mut Applied) -> bool {
        let starts = |it: &&AreaDelta<'_>| it.flags & (AreaDelta::BORN | AreaDelta::MOVED) == 0;
        let lacks = |it: &AreaDelta<'_>| {
            let area = self.areas.get(&it.area);
            let held = area.filter(|area| area.newest().is_some());
            held.is_some_and(|held| it.basis.is_some_and(|basis| !held.has_basis(basis)))
        };
        let lacking: Vec<u32> = deltas
            .iter()
            .filter(starts)
            .filter(|it| lacks(it))
            .map(|it| it.area)
            .collect();
        for area in &lacking {
            self.lacks(now, *area, outcome);
        }
        !lacking.is_empty()
    }

    fn is_noted(&self, area: u32, slot: u32) -> bool {
        let held = self.areas.get(&area).and_then(AreaView::newest);
        let generation = held.and_then(|held| held.area.generation(slot));
        generation.is_some_and(|generation| self.moves.is_noted(join_id(area, generation, slot)))
    }

    pub(super) fn forget_what_is_over(&mut self) {
        let picture = self.clock.is_started().then(|| self.clock.tick());
        let newest = self.newest.unwrap_or_default();
        let loose = self.loose;
        self.areas
            .retain(|_, area| !area.is_over(picture, newest, loose));
        let areas = &self.areas;
        self.moves.forget(|id| {
            let (area, generation, slot) = split_id(id);
            let view = areas.get(&area);
            view.is_some_and(|view| view.knows(slot, generation))
        });
    }

    /// Tells a fault once for each keyframe that is asked for: what follows from the first is not told again.
    fn fault(&mut self, now: Time, area: u32, fault: Fault, outcome: &mut Applied) {
        match self.asked.get(&area) {
            Some(asked) if now.since(*asked) < ASK_AGAIN => {}
            _ => {
                self.asked.insert(area, now);
                outcome.keyframes_wanted.push(area);
                outcome.faults.push(fault);
            }
        }
    }
}
