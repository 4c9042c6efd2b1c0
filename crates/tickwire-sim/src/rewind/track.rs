//! Where hitboxes are and were: for each entity the last places as the wire had them. Who looks, and when, is not known here.

use std::collections::{BTreeMap, VecDeque};

use bevy_ecs::entity::Entity;
use tickwire_proto::{Moment, Tick};
use tickwire_snapshot::NetId;

use super::hitbox::Hitbox;

/// A place as the wire had it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// From this tick on a picture slides here: that of the capture before.
    pub from: Tick,
    pub tick: Tick,
    /// `None`: it could not be hit.
    pub hitbox: Option<Hitbox>,
}

/// One entity.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub id: NetId,
    pub entity: Entity,
    /// After the last step.
    pub now: Option<Hitbox>,
    /// Not yet captured so.
    pub moved: bool,
    /// Oldest first. Bounded: one is older than what may be looked back to.
    pub samples: VecDeque<Sample>,
}

/// What a picture shows of the past.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Look {
    /// What is true now.
    Present,
    /// The updates around it were one after another.
    At(Moment),
    /// Some between these two never came: the picture slides over them.
    Over(Moment, Tick, Tick),
}

impl Track {
    /// Where it was.
    pub fn at(&self, look: Look, jump: f32) -> Option<Hitbox> {
        match look {
            Look::Present => self.now,
            Look::At(moment) => {
                let next = self.next(moment);
                let here = self.samples.get(next.checked_sub(1)?)?.hitbox?;
                let Some(there) = self.samples.get(next) else {
                    return Some(here);
                };
                Some(slide(
                    here,
                    there.hitbox,
                    moment,
                    (there.from, there.tick),
                    jump,
                ))
            }
            Look::Over(moment, from, to) => {
                let here = self.held(Moment::of(from))?;
                let there = self.held(Moment::of(to));
                Some(slide(here, there, moment, (from, to), jump))
            }
        }
    }

    /// What a capture found, if anything had moved.
    pub fn capture(&mut self, before: Tick, tick: Tick, horizon: Tick) {
        self.moved = false;
        while self.samples.get(1).is_some_and(|it| it.tick <= horizon) {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample {
            from: before,
            tick,
            hitbox: self.now,
        });
    }

    fn held(&self, moment: Moment) -> Option<Hitbox> {
        self.samples.get(self.next(moment).checked_sub(1)?)?.hitbox
    }

    /// The place of the first sample after a moment.
    fn next(&self, moment: Moment) -> usize {
        self.samples
            .partition_point(|it| Moment::of(it.tick) <= moment)
    }
}

/// On the way from one place to another, unless that is a jump.
fn slide(
    here: Hitbox,
    there: Option<Hitbox>,
    moment: Moment,
    (from, to): (Tick, Tick),
    jump: f32,
) -> Hitbox {
    let (from, to) = (Moment::of(from), Moment::of(to));
    let Some(there) = there.filter(|there| moment > from && there.away(here.centre()) <= jump)
    else {
        return here;
    };
    let part = moment.since(from) as f32 / to.since(from).max(1) as f32;
    here.towards(&there, part.min(1.0))
}

/// All entities with one component.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracks {
    pub list: Vec<Track>,
    /// The place in the list by slot of the room.
    by_slot: BTreeMap<u32, usize>,
    moved: Vec<u32>,
}

impl Tracks {
    /// Where somebody is after a step.
    pub fn note(&mut self, id: NetId, entity: Entity, now: Option<Hitbox>) {
        let track = match self.by_slot.get(&id.slot) {
            Some(&at) => &mut self.list[at],
            None => {
                self.put(Track {
                    id,
                    entity,
                    now,
                    moved: true,
                    samples: VecDeque::new(),
                });
                return;
            }
        };
        if track.now != now && !std::mem::replace(&mut track.moved, true) {
            self.moved.push(id.slot);
        }
        track.now = now;
    }

    pub fn put(&mut self, track: Track) {
        if track.moved {
            self.moved.push(track.id.slot);
        }
        self.by_slot.insert(track.id.slot, self.list.len());
        self.list.push(track);
    }

    /// Somebody is gone.
    pub fn forget(&mut self, id: NetId) {
        let Some(at) = self.by_slot.remove(&id.slot) else {
            return;
        };
        self.list.swap_remove(at);
        if let Some(other) = self.list.get(at) {
            self.by_slot.insert(other.id.slot, at);
        }
    }

    /// The places of who moved are what the wire has.
    pub fn capture(&mut self, before: Tick, tick: Tick, horizon: Tick) {
        for slot in std::mem::take(&mut self.moved) {
            let at = self.by_slot.get(&slot);
            let track = at.and_then(|&at| self.list.get_mut(at));
            if let Some(track) = track.filter(|track| track.moved) {
                track.capture(before, tick, horizon);
            }
        }
    }

    /// By rising slot.
    pub fn sorted(&self) -> impl Iterator<Item = &Track> {
        self.by_slot.values().map(|&at| &self.list[at])
    }
}
