//! What a view looks like at one moment: its entities with their fields, between two updates.

use std::sync::Arc;

use tickwire_proto::Tick;
use tickwire_snapshot::{
    Area, AreaId, FieldSchema, Lerp, NetId, Predict, RecordSchema, Schema, TickEvent, Value,
};

use crate::areas::Between;
use crate::blend::{blend, blend_values, hermite, hermite_values, teleports};
use crate::extrapolate::{Beside, moved_on, shift, value_moved_on, velocity_of};
use crate::foresight::Foreseen;
use crate::moves::Moves;

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
    fn seconds(&self, ticks: f64) -> f64 {
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

    fn is_mine(&self, area: &Area, slot: u32) -> bool {
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

/// One entity in a picture, seen through one of its components.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    picture: &'a Picture,
    seen: Seen<'a>,
    component: usize,
    slot: u32,
    generation: u16,
}

/// As what an entity is shown.
#[derive(Clone, Copy, Debug)]
enum Seen<'a> {
    /// As it was between two updates.
    Known(&'a Layer),
    /// As it is predicted.
    Foreseen(&'a Foreseen),
}

impl<'a> Row<'a> {
    /// One number for the entity; below 2^53, the same for as long as it lives and is in sight, whichever area it is in.
    pub fn id(&self) -> u64 {
        match self.seen {
            Seen::Known(_) => self.picture.moves.name(self.id_here()),
            Seen::Foreseen(it) => it.id,
        }
    }

    /// Made of its area, slot and generation.
    fn id_here(&self) -> u64 {
        join_id(self.area().0, self.generation, self.slot)
    }

    /// Whether it is shown as this side predicts it, and not as it was between two updates.
    pub fn is_predicted(&self) -> bool {
        matches!(self.seen, Seen::Foreseen(_))
    }

    /// Seconds of the game from the tick that a field holds to the moment that the picture shows: the time of an animation that began at that tick.
    /// It goes on from picture to picture and costs no bytes. Below 0: that tick is to come. Of who is
    /// predicted: to the moment up to which the game is run ahead.
    ///
    /// `None`: the field holds no number. Seconds are [`Schema::tick_us`] long ticks; a room that the server slows shows fewer of them in a minute.
    pub fn seconds_since(&self, field: usize) -> Option<f64> {
        let began = match self.seen {
            Seen::Known(layer) => layer
                .between
                .from
                .number(self.component, self.slot, field)?,
            Seen::Foreseen(_) => self.number(field)?,
        };
        Some(self.seconds(self.moment() - began))
    }

    /// The time at which it is shown, in ticks.
    fn moment(&self) -> f64 {
        match self.seen {
            Seen::Known(_) => self.picture.tick,
            Seen::Foreseen(_) => self.picture.ahead,
        }
    }

    /// The area that it is in.
    pub fn area(&self) -> AreaId {
        match self.seen {
            Seen::Known(layer) => AreaId(layer.area),
            Seen::Foreseen(it) => it.place.map_or(AreaId::ALL, |(area, _)| area),
        }
    }

    /// Its slot in its area; 0: it is predicted, and the server does not know it yet.
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// Which user of the slot it is.
    pub fn generation(&self) -> u16 {
        self.generation
    }

    /// The [`id`](Self::id) of an entity that a field of this one refers to.
    pub fn id_of(&self, other: NetId) -> u64 {
        let id = join_id(self.area().0, other.generation, other.slot);
        self.picture.moves.name(id)
    }

    /// Whether the viewer's seat owns it.
    pub fn mine(&self) -> bool {
        match self.seen {
            Seen::Known(layer) => self.picture.is_mine(&layer.between.from, self.slot),
            Seen::Foreseen(it) => it.mine,
        }
    }

    /// The same entity through another component, if it has that one.
    pub fn component(&self, component: usize) -> Option<Row<'a>> {
        let has = match self.seen {
            Seen::Known(layer) => layer.between.from.has(component, self.slot),
            Seen::Foreseen(it) => it.row(component).is_some(),
        };
        has.then_some(Row { component, ..*self })
    }

    /// Its component's schema.
    pub fn schema(&self) -> Option<&'a RecordSchema> {
        self.picture.schema.record(self.component)
    }

    /// A field that is one number (a range, an angle, an integer, a bool, an enum's variant), between two updates.
    pub fn number(&self, field: usize) -> Option<f64> {
        let layer = match self.seen {
            Seen::Known(layer) => layer,
            Seen::Foreseen(_) => match self.value(field)? {
                Value::Number(number) => return Some(number),
                Value::Int(int) => return Some(int as f64),
                Value::Bool(is) => return Some(f64::from(u8::from(is))),
                _ => return None,
            },
        };
        let here = layer
            .between
            .from
            .number(self.component, self.slot, field)?;
        if self.is_beside(field) {
            return match self.value(field)? {
                Value::Number(number) => Some(number),
                _ => Some(here),
            };
        }
        let there = self
            .towards()
            .and_then(|(to, slot)| to.number(self.component, slot, field));
        let Some(there) = there else {
            let moved = self.velocity(layer, field);
            let velocity =
                moved.and_then(|at| layer.between.from.number(self.component, self.slot, at));
            return Some(match (velocity, self.field(field)) {
                (Some(velocity), Some(it)) => moved_on(
                    &it.quant,
                    here,
                    velocity,
                    self.seconds(layer.between.beyond),
                ),
                _ => here,
            });
        };
        let (between, lerp) = (&layer.between, self.lerp(field));
        let curve = self.curve(field, |area, slot, velocity| {
            area.number(self.component, slot, velocity)
        });
        Some(match curve {
            Some((v, w)) => hermite(
                [here, there],
                [v, w],
                self.seconds(between.ticks),
                between.part,
            ),
            None => blend(lerp, here, there, between.part),
        })
    }

    /// Any field as a value; numbers in it are between two updates, as the field declares.
    pub fn value(&self, field: usize) -> Option<Value> {
        let layer = match self.seen {
            Seen::Known(layer) => layer,
            Seen::Foreseen(it) => return it.row(self.component)?.get(field).cloned(),
        };
        let shown = self.known_value(layer, field)?;
        if !self.is_beside(field) {
            return Some(shown);
        }
        let offset = self.picture.beside.get(&(self.id(), self.component, field));
        Some(match (offset, self.field(field)) {
            (Some(offset), Some(field)) => shift(field, shown, offset),
            _ => shown,
        })
    }

    /// Whether a field is shown beside where it is, since it was guessed to be elsewhere.
    fn is_beside(&self, field: usize) -> bool {
        let beside = &self.picture.beside;
        !beside.is_empty() && beside.contains_key(&(self.id(), self.component, field))
    }

    /// Whether it is shown beyond what is known of it: by its velocity, since updates stay away.
    pub fn is_extrapolated(&self) -> bool {
        let Seen::Known(layer) = self.seen else {
            return false;
        };
        let record = self.schema().filter(|_| layer.between.beyond > 0.0);
        record.is_some_and(|record| record.fields.iter().any(|it| velocity_of(it).is_some()))
    }

    /// The velocity that a field goes on by beyond what is known.
    fn velocity(&self, layer: &Layer, field: usize) -> Option<usize> {
        let field = self.field(field).filter(|_| layer.between.beyond > 0.0)?;
        velocity_of(field)
    }

    /// A field of who is not predicted, between two updates or beyond the last.
    fn known_value(&self, layer: &Layer, field: usize) -> Option<Value> {
        let here = layer.between.from.value(self.component, self.slot, field)?;
        let there = self
            .towards()
            .and_then(|(to, slot)| to.value(self.component, slot, field));
        let Some(there) = there else {
            let moved = self.velocity(layer, field);
            let velocity =
                moved.and_then(|at| layer.between.from.value(self.component, self.slot, at));
            return Some(match (velocity, self.field(field)) {
                (Some(velocity), Some(it)) => value_moved_on(
                    &it.quant,
                    here,
                    &velocity,
                    self.seconds(layer.between.beyond),
                ),
                _ => here,
            });
        };
        let (between, lerp) = (&layer.between, self.lerp(field));
        let curve = self.curve(field, |area, slot, velocity| {
            area.value(self.component, slot, velocity)
        });
        Some(match curve {
            Some((v, w)) => {
                let seconds = self.seconds(between.ticks);
                hermite_values([here, there], [v, w], seconds, between.part)
            }
            None => blend_values(lerp, here, there, between.part),
        })
    }

    fn lerp(&self, field: usize) -> Lerp {
        self.field(field).map_or(Lerp::Step, |field| field.lerp)
    }

    fn field(&self, field: usize) -> Option<&'a FieldSchema> {
        self.schema()?.fields.get(field)
    }

    /// The velocities of both updates for a field that follows a curve between them.
    fn curve<T>(
        &self,
        field: usize,
        read: impl Fn(&Area, u32, usize) -> Option<T>,
    ) -> Option<(T, T)> {
        let declared = self.field(field)?;
        let (Lerp::Hermite, Predict::Velocity { field: velocity }) =
            (declared.lerp, declared.predict)
        else {
            return None;
        };
        let Seen::Known(layer) = self.seen else {
            return None;
        };
        let (velocity, (to, slot)) = (usize::from(velocity), self.towards()?);
        let here = read(&layer.between.from, self.slot, velocity)?;
        Some((here, read(to, slot, velocity)?))
    }

    /// Seconds of the game that so many ticks are.
    fn seconds(&self, ticks: f64) -> f64 {
        self.picture.seconds(ticks)
    }

    /// The area that the picture slides into and the entity's slot there, if it is there with the component, and the component does not teleport.
    fn towards(&self) -> Option<(&'a Area, u32)> {
        let Seen::Known(layer) = self.seen else {
            return None;
        };
        let (to, slot) = self.comes_to(layer)?;
        let record = self.schema()?;
        let here = |field| layer.between.from.value(self.component, self.slot, field);
        let there = |field| to.value(self.component, slot, field);
        (!teleports(record, here, there)).then_some((to, slot))
    }

    /// Where the entity is in the later update with the component: in the same area, or another one.
    fn comes_to(&self, layer: &'a Layer) -> Option<(&'a Area, u32)> {
        let to = layer.between.to.as_deref()?;
        if to.generation(self.slot) == Some(self.generation) || self.slot == 0 {
            return to.has(self.component, self.slot).then_some((to, self.slot));
        }
        let crossing = self
            .picture
            .moves
            .after(self.id_here(), self.picture.tick)?;
        let (to, slot) = (&crossing.area, crossing.slot);
        to.has(self.component, slot).then_some((to, slot))
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
