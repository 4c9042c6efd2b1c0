//! What a view makes of an update: its areas, who crossed between them, and what of it cannot be used.

use super::*;

impl View {
    pub(super) fn apply_areas(
        &mut self,
        now: Time,
        tick: Tick,
        deltas: &[AreaDelta<'_>],
        outcome: &mut Applied,
    ) {
        let (mut gap, mut paused, mut used) = (0, false, deltas.is_empty());
        let first = self.newest.is_none();
        let older = self.loose && self.newest.is_some_and(|newest| tick <= newest);
        // A picture slides over the time between two updates, even into an area that was left out of some.
        let between = self.newest.map_or(u32::MAX, |newest| tick.since(newest));
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
            let mended = delta.basis.is_none() && self.asked.remove(&delta.area).is_some();
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
            if applied.is_ok() {
                used = true;
                self.lacking.remove(&delta.area);
            }
            match applied {
                Ok(_) if self.paused.remove(&delta.area).is_some() => paused = true,
                Ok(_) if mended => {}
                Ok(ticks) => gap = gap.max(ticks.min(between)),
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
        let (known, before) = (!self.line.is_empty(), self.line.tick_at(now));
        let tick_us = self.line.tick_us();
        self.way.arrived(now.0 as f64 - f64::from(tick.0) * tick_us);
        let on_the_line = match paused {
            true => self.line.arrived_after_pause(now, tick),
            false => Some(self.line.arrived(now, tick)),
        };
        let late = on_the_line.unwrap_or_else(|| {
            self.lead.begin_anew();
            0.0
        });
        let moved = self.line.tick_at(now) - before;
        let moved_us = moved * self.line.tick_us();
        if known && on_the_line.is_some() && moved_us != 0.0 && moved_us.abs() < REBASE_US {
            self.delay.shift(moved_us);
        } else if moved_us.abs() >= REBASE_US {
            self.forget_ways();
        }
        if !paused {
            self.jitter_us += (late.min(DELAY_MAX) - self.jitter_us) / 16.0;
        }
        if self.stamp.is_none() {
            self.late_us = late;
        }
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
