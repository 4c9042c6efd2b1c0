//! One area of a view: the bases that deltas start from, what a picture is drawn from, and the events not yet shown.

use std::collections::VecDeque;
use std::sync::Arc;

use tickwire_proto::Tick;
use tickwire_proto::frame::{AreaDelta, HOLDING_TICKS};
use tickwire_snapshot::{Area, AreaId, Basis, Schema, TickEvent, decode};

use crate::event::Fault;

/// Decoded areas that a delta may start from. A lane in order needs the last one.
const BASES_MAX: usize = 16;
/// The same where updates may be lost: two seconds at 60 a second, the longest that a server waits for a receipt.
const BASES_LOOSE_MAX: usize = 128;
/// Decoded areas that wait to be drawn: the longest delay at 60 updates a second, and a burst. A page that does not draw keeps the newest.
const HELD_MAX: usize = 160;
/// Ticks after which an area that is out of sight is forgotten, whether a picture has reached that tick or not.
const GONE_TICKS_MAX: u32 = 128;
/// Tick events that wait for their tick.
const EVENTS_MAX: usize = 256;

/// A picture may come this many ticks after an event, whatever the event's lifetime.
const LIFETIME_LEAST: u16 = 15;

/// What held from tick `from` on, and is known to have held until tick `until`.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) from: Tick,
    pub(crate) until: Tick,
    pub(crate) area: Arc<Area>,
    /// From there on the area is out of sight.
    gone: bool,
}

/// What a picture at some time is made of: one held area, or two and how far it is between them.
#[derive(Clone, Debug)]
pub(crate) struct Between {
    pub(crate) from: Arc<Area>,
    pub(crate) to: Option<Arc<Area>>,
    pub(crate) part: f64,
    /// Ticks from the one to the other; 0 where there is one.
    pub(crate) ticks: f64,
    /// Ticks that have passed since the newest that is known of a room that did not say that all stands still.
    pub(crate) beyond: f64,
}

/// One area as this client knows it.
#[derive(Debug, Default)]
pub(crate) struct AreaView {
    bases: VecDeque<(Tick, Basis)>,
    held: VecDeque<Held>,
    events: VecDeque<TickEvent>,
    /// The newest update said that nothing changes until something is said.
    still: bool,
    /// The newest update that told something of it: what is told of before is known.
    told: Option<Tick>,
    pub(crate) events_dropped: u64,
}

impl AreaView {
    /// Takes a delta in. On an error nothing has changed. `at_once`: before a
    /// picture has begun, all is shown.
    pub(crate) fn apply(
        &mut self,
        schema: &Arc<Schema>,
        tick: Tick,
        delta: &AreaDelta<'_>,
        (at_once, loose): (bool, bool),
    ) -> Result<(), Fault> {
        // By datagrams: one of before. It may be the basis of what comes, and shows nothing.
        let older = loose && self.told.is_some_and(|told| tick <= told);
        if delta.flags & AreaDelta::GONE != 0 {
            if !older {
                self.told = Some(tick);
                self.go(schema, tick, delta.area);
            }
            return Ok(());
        }
        let basis = match delta.basis {
            Some(basis) if delta.flags & AreaDelta::BORN != 0 => {
                let empty = Area::empty_at(AreaId(delta.area), schema, basis);
                Basis::of(&Arc::new(empty))
            }
            None => Basis::default(),
            Some(basis) => self.basis(basis).cloned().ok_or(Fault::NoBasis {
                area: delta.area,
                tick,
                basis,
            })?,
        };
        if delta.flags & AreaDelta::STILL != 0 {
            if older {
                self.remember(tick, basis, loose);
                return Ok(());
            }
            self.told = Some(tick);
            self.stay(tick, basis, loose);
            return Ok(());
        }
        let undecodable = |text: String| Fault::Undecodable {
            area: delta.area,
            tick,
            text,
        };
        let (hash, payload) = delta.split_hash();
        let decoded = decode(schema, &basis, AreaId(delta.area), tick, payload)
            .map_err(|e| undecodable(e.to_string()))?;
        let area = decoded
            .basis
            .area
            .clone()
            .ok_or_else(|| undecodable("it holds no area".to_owned()))?;
        if let Some(theirs) = hash {
            let ours = area.hash();
            if ours != theirs {
                return Err(Fault::Hash {
                    area: delta.area,
                    tick,
                    ours,
                    theirs,
                });
            }
        }
        self.remember(tick, decoded.basis, loose);
        if older {
            return Ok(());
        }
        let told = self.told.replace(tick);
        let events = decoded.events.into_iter();
        self.queue(events.filter(|event| !loose || Some(event.tick) > told));
        // Areas of one update come together: a change in one of them may be what is missing in another.
        let from = match (at_once, loose) {
            (true, _) => Tick(0),
            (_, true) => tick,
            (_, false) => area.tick(),
        };
        self.hold(tick, area, from, loose);
        Ok(())
    }

    /// What is held, if it is in sight.
    pub(crate) fn newest(&self) -> Option<&Held> {
        self.held.back().filter(|held| !held.gone)
    }

    /// Whether a picture at `tick` shows nothing of it, and it is out of sight: or `age` ticks after that, where no picture is drawn.
    pub(crate) fn is_over(&self, tick: Option<f64>, newest: Tick, loose: bool) -> bool {
        // By datagrams something from before may still come.
        let told = self.told.filter(|_| loose);
        if told.is_some_and(|told| newest.since(told) <= HOLDING_TICKS) {
            return false;
        }
        match self.held.back() {
            None => true,
            Some(held) if !held.gone => false,
            Some(held) => {
                tick.is_some_and(|tick| tick >= f64::from(held.from.0))
                    || newest.since(held.from) > GONE_TICKS_MAX
            }
        }
    }

    /// The tick up to which all is known; `None` if nothing is held, or nothing changes until something is said.
    pub(crate) fn known_until(&self) -> Option<Tick> {
        if self.still {
            None
        } else {
            self.held.back().map(|held| held.until)
        }
    }

    /// What to draw at `tick`; forgets what is behind it. `known`: up to where the room is known; what an update left out stands still.
    pub(crate) fn between(&mut self, tick: f64, known: Option<Tick>) -> Option<Between> {
        while self
            .held
            .get(1)
            .is_some_and(|next| f64::from(next.from.0) <= tick)
        {
            self.held.pop_front();
        }
        let here = self.held.front()?;
        if here.gone || f64::from(here.from.0) > tick {
            return None;
        }
        let until = f64::from(here.until.0);
        let next = self.held.get(1).filter(|_| tick > until);
        let runs_out = !self.still && next.is_none() && Some(here.until) == known;
        let beyond = if runs_out {
            (tick - until).max(0.0)
        } else {
            0.0
        };
        let ticks = next.map_or(0.0, |next| f64::from(next.from.0) - until);
        let part = next.map_or(0.0, |_| ((tick - until) / ticks).clamp(0.0, 1.0));
        Some(Between {
            from: here.area.clone(),
            to: next.map(|next| next.area.clone()),
            part,
            ticks,
            beyond,
        })
    }

    /// The next event whose tick the picture has reached. What nobody needs to hear of any more is left out, and
    /// counted: a page that was hidden returns without a storm.
    pub(crate) fn event_due(&mut self, tick: f64) -> Option<TickEvent> {
        loop {
            let due = self.events.front()?;
            let age = tick - f64::from(due.tick.0);
            if age < 0.0 {
                return None;
            }
            let event = self.events.pop_front()?;
            if age <= f64::from(event.lifetime.max(LIFETIME_LEAST)) {
                return Some(event);
            }
            self.events_dropped += 1;
        }
    }

    /// From which tick on a picture shows the newest that is held, or that it is out of sight.
    pub(crate) fn begins(&self) -> Option<Tick> {
        self.held.back().map(|held| held.from)
    }

    /// A picture shows the newest from this tick on, if that is later.
    pub(crate) fn begin_at(&mut self, tick: Tick) {
        if let Some(newest) = self.held.back_mut() {
            newest.from = newest.from.max(tick.min(newest.until));
        }
    }

    /// Whether anything that is held has this entity.
    pub(crate) fn knows(&self, slot: u32, generation: u16) -> bool {
        let mut held = self.held.iter();
        held.any(|held| held.area.generation(slot) == Some(generation))
    }

    /// Whether a delta may start from what was told at a tick.
    pub(crate) fn has_basis(&self, tick: Tick) -> bool {
        self.basis(tick).is_some()
    }

    fn basis(&self, tick: Tick) -> Option<&Basis> {
        self.bases
            .iter()
            .rev()
            .find(|(at, _)| *at == tick)
            .map(|(_, basis)| basis)
    }

    fn remember(&mut self, tick: Tick, basis: Basis, loose: bool) {
        let most = if loose { BASES_LOOSE_MAX } else { BASES_MAX };
        while self.bases.len() >= most {
            self.bases.pop_front();
        }
        self.bases.push_back((tick, basis));
    }

    fn stay(&mut self, tick: Tick, basis: Basis, loose: bool) {
        self.remember(tick, basis, loose);
        self.still = true;
        if let Some(newest) = self.held.back_mut() {
            newest.until = newest.until.max(tick);
        }
    }

    /// The area is out of sight from this tick on.
    fn go(&mut self, schema: &Arc<Schema>, tick: Tick, area: u32) {
        self.bases.clear();
        self.still = true;
        let Some(newest) = self.held.back() else {
            return;
        };
        if newest.gone || tick <= newest.until {
            return;
        }
        let empty = Area::empty_at(AreaId(area), schema, tick);
        self.held.push_back(Held {
            from: tick,
            until: tick,
            area: Arc::new(empty),
            gone: true,
        });
    }

    fn hold(&mut self, tick: Tick, area: Arc<Area>, from: Tick, loose: bool) {
        if let Some(newest) = self.held.back_mut() {
            if tick <= newest.until {
                return; // older than what is held
            }
            if loose && !newest.gone && newest.area.tick() == area.tick() {
                // What is held, said again since the server did not know of it.
                newest.until = tick;
                newest.area = area;
                self.still = false;
                return;
            }
            if !newest.gone {
                newest.until = newest
                    .until
                    .max(area.before())
                    .min(area.tick().minus(1))
                    .max(newest.from);
            }
        }
        if self.held.len() == HELD_MAX {
            self.held.pop_front();
        }
        self.held.push_back(Held {
            from: from.min(tick),
            until: tick,
            area,
            gone: false,
        });
        self.still = false;
    }

    fn queue(&mut self, events: impl Iterator<Item = TickEvent>) {
        for event in events {
            if self.events.len() == EVENTS_MAX {
                self.events.pop_front();
                self.events_dropped += 1;
            }
            let at = self
                .events
                .partition_point(|other| other.tick <= event.tick);
            self.events.insert(at, event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_does_not_draw_keeps_the_newest_events() {
        let mut view = AreaView::default();
        let event = |tick| TickEvent {
            kind: 0,
            tick: Tick(tick),
            lifetime: 0,
            ints: vec![],
            blobs: vec![],
        };
        let count = EVENTS_MAX as u32 + 5;
        view.queue((0..count).map(event));
        assert_eq!(view.events.len(), EVENTS_MAX);
        assert_eq!(view.events_dropped, 5);
        let ticks: Vec<u32> = view.events.iter().map(|event| event.tick.0).collect();
        assert!(ticks.iter().copied().eq(5..count), "the oldest are gone");
    }
}
