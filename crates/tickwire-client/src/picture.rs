//! What a view looks like at one moment: its entities with their fields, between two updates.

use std::sync::Arc;

use tickwire_proto::Tick;
use tickwire_snapshot::{Area, AreaId, NetId, RecordSchema, Schema, TickEvent, Value};

use crate::areas::Between;
use crate::extrapolate::Beside;
use crate::foresight::Foreseen;
use crate::moves::Moves;
use crate::row::{Row, Seen};

/// A sample of a view at the picture's time. It holds what it shows, so it may be kept.
#[derive(Clone, Debug)]
pub struct Picture {
    pub(crate) schema: Arc<Schema>,
    pub(crate) tick: f64,
    /// The time that who is predicted is shown at, in ticks.
    pub(crate) ahead: f64,
    pub(crate) layers: Vec<Layer>,
    pub(crate) owner: Option<Owner>,
    pub(crate) moves: Moves,
    /// Those who are predicted, and are shown so alone.
    pub(crate) foreseen: Option<Arc<Vec<Foreseen>>>,
    /// What comes back from where it was guessed to be.
    pub(crate) beside: Arc<Beside>,
}

/// An area's part of a picture.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) area: u32,
    pub(crate) between: Between,
}

/// How to tell what is one's own: the column of the owning seat, and the seat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) component: usize,
    pub(crate) field: usize,
    pub(crate) seat: u16,
}

impl Picture {
    /// The time that it shows, in ticks of the room.
    pub fn tick(&self) -> f64 {
        self.tick
    }

    /// By how many ticks it goes beyond what is known, so that what has a velocity is where that leads; 0: not at all. See
    /// [`View::extrapolate`](crate::View::extrapolate).
    pub fn extrapolated_ticks(&self) -> f64 {
        let beyond = self.layers.iter().map(|layer| layer.between.beyond);
        beyond.fold(0.0, f64::max)
    }

    /// The same picture at a later time, if nothing more is learned.
    pub(crate) fn go_on(&mut self, tick: f64, most: f64) {
        let on = (tick - self.tick).max(0.0);
        self.tick = self.tick.max(tick);
        for Layer { between, .. } in &mut self.layers {
            if between.beyond > 0.0 {
                between.beyond = (between.beyond + on).min(most).max(between.beyond);
            }
        }
    }

    /// What its numbers mean.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Seconds of the game from a tick to the moment at which an entity is shown: [`Row::seconds_since`] for a tick that is at hand. Of an id that
    /// nobody has: to [`tick`](Self::tick).
    pub fn seconds_since(&self, id: u64, tick: f64) -> f64 {
        let predicted = self.foreseen().iter().any(|it| it.id == id);
        let now = if predicted { self.ahead } else { self.tick };
        self.seconds(now - tick)
    }

    /// Seconds of the game that so many ticks are.
    pub(crate) fn seconds(&self, ticks: f64) -> f64 {
        ticks * f64::from(self.schema.tick_us) * 1e-6
    }

    /// How many entities it shows.
    pub fn len(&self) -> usize {
        let areas = self.layers.iter().map(|layer| &layer.between.from);
        match &self.foreseen {
            None => areas.map(|area| area.len()).sum(),
            Some(foreseen) => {
                let seen = |area: &Area| {
                    let all = area.entities();
                    all.filter(|id| !self.is_foreseen(area, id.slot)).count()
                };
                areas.map(|area| seen(area)).sum::<usize>() + foreseen.len()
            }
        }
    }

    /// Those who are predicted, if somebody predicts.
    pub fn foreseen(&self) -> &[Foreseen] {
        self.foreseen.as_deref().map_or(&[], |all| all)
    }

    /// Whether somebody of an area is shown as predicted, and not as the area has them.
    fn is_foreseen(&self, area: &Area, slot: u32) -> bool {
        if self.foreseen.is_none() || slot == 0 {
            return false;
        }
        let marked = self.schema.component("Predicted");
        self.is_mine(area, slot) || marked.is_some_and(|marked| area.has(marked, slot))
    }

    pub(crate) fn is_mine(&self, area: &Area, slot: u32) -> bool {
        self.owner.is_some_and(|owner| {
            area.has(owner.component, slot)
                && area.number(owner.component, slot, owner.field) == Some(f64::from(owner.seat))
        })
    }

    /// Whether it shows no entity.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entities that have the component, which is named by its number in [`Schema::record`].
    pub fn entities(&self, component: usize) -> impl Iterator<Item = Row<'_>> {
        let known = self.layers.iter().flat_map(move |layer| {
            let area = &layer.between.from;
            let shown = area.rows(component);
            let shown = shown.filter(move |slot| !self.is_foreseen(area, *slot));
            shown.filter_map(move |slot| {
                Some(Row {
                    picture: self,
                    seen: Seen::Known(layer),
                    component,
                    slot,
                    generation: area.generation(slot)?,
                })
            })
        });
        let foreseen = self.foreseen().iter();
        known.chain(foreseen.filter_map(move |it| self.ahead(it, component)))
    }

    fn ahead<'a>(&'a self, it: &'a Foreseen, component: usize) -> Option<Row<'a>> {
        it.row(component)?;
        let id = it.place.map(|(_, id)| id).unwrap_or_default();
        Some(Row {
            picture: self,
            seen: Seen::Foreseen(it),
            component,
            slot: id.slot,
            generation: id.generation,
        })
    }

    /// The entities that have the component of that name.
    pub fn named(&self, component: &str) -> impl Iterator<Item = Row<'_>> {
        let index = self.schema.component(component);
        index.into_iter().flat_map(|index| self.entities(index))
    }

    /// A resource of the room by its name: a row with its fields, where the room has it.
    pub fn resource(&self, name: &str) -> Option<Row<'_>> {
        let component = self.schema.resource(name)?;
        let layer = self
            .layers
            .iter()
            .find(|layer| layer.between.from.has(component, 0))?;
        Some(Row {
            picture: self,
            seen: Seen::Known(layer),
            component,
            slot: 0,
            generation: 0,
        })
    }

    /// One entity by its [`Row::id`], seen through one component; `None` if the picture does not show it.
    pub fn entity(&self, id: u64, component: usize) -> Option<Row<'_>> {
        if let Some(it) = self.foreseen().iter().find(|it| it.id == id) {
            return self.ahead(it, component);
        }
        self.moves
            .all_of(id)
            .find_map(|id| self.entity_here(id, component))
    }

    fn entity_here(&self, id: u64, component: usize) -> Option<Row<'_>> {
        let (area, generation, slot) = split_id(id);
        let layer = self.layers.iter().find(|layer| layer.area == area)?;
        let held = &layer.between.from;
        let there = held.has(component, slot) && held.generation(slot) == Some(generation);
        (there && !self.is_foreseen(held, slot)).then_some(Row {
            picture: self,
            seen: Seen::Known(layer),
            component,
            slot,
            generation,
        })
    }
}

/// A tick event whose moment has come in the picture.
#[derive(Clone, Debug)]
pub struct ShownEvent {
    pub(crate) schema: Arc<Schema>,
    pub(crate) area: u32,
    pub(crate) event: TickEvent,
    pub(crate) moves: Moves,
}

impl ShownEvent {
    /// The tick at which it happened.
    pub fn tick(&self) -> Tick {
        self.event.tick
    }

    /// The [`Row::id`] of an entity that a field of it refers to.
    pub fn id_of(&self, other: NetId) -> u64 {
        let id = join_id(self.area, other.generation, other.slot);
        self.moves.name(id)
    }

    /// Its schema: name and fields.
    pub fn schema(&self) -> Option<&RecordSchema> {
        self.schema.events.get(usize::from(self.event.kind))
    }

    /// Its place in [`Schema::events`].
    pub fn kind(&self) -> u16 {
        self.event.kind
    }

    /// A field's value.
    pub fn value(&self, field: usize) -> Option<Value> {
        let record = self.schema()?;
        let place = record.layout().fields().get(field)?;
        let ints = self
            .event
            .ints
            .get(place.offset..place.offset + place.columns)?;
        let blob = place
            .blob
            .and_then(|blob| self.event.blobs.get(blob))
            .map_or(&[][..], |blob| blob);
        Some(record.fields.get(field)?.value(ints, blob))
    }
}

/// One number for an entity of an area, as [`Row::id`] gives it to one that did not come from another area.
pub fn entity_id(area: AreaId, id: NetId) -> u64 {
    join_id(area.0, id.generation, id.slot)
}

/// The slot and generation that an [`entity_id`] was made of.
pub fn slot_and_generation(id: u64) -> (u32, u16) {
    let (_, generation, slot) = split_id(id);
    (slot, generation)
}

const SLOT_BITS: u32 = 17;
const GENERATION_BITS: u32 = 16;

pub(crate) fn join_id(area: u32, generation: u16, slot: u32) -> u64 {
    u64::from(area) << (SLOT_BITS + GENERATION_BITS)
        | u64::from(generation) << SLOT_BITS
        | u64::from(slot)
}

pub(crate) fn split_id(id: u64) -> (u32, u16, u32) {
    let slot = (id & ((1 << SLOT_BITS) - 1)) as u32;
    (
        (id >> (SLOT_BITS + GENERATION_BITS)) as u32,
        (id >> SLOT_BITS) as u16,
        slot,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_taken_apart_as_they_were_joined_and_fit_a_double() {
        for (area, generation, slot) in
            [(0, 0, 1), (0, 65_535, 65_535), (0xF_FFFF, 65_535, 131_071)]
        {
            let id = join_id(area, generation, slot);
            assert_eq!(split_id(id), (area, generation, slot));
            assert!(id < 1 << 53);
        }
    }
}
