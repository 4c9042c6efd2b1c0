//! What a view looks like at one moment: its entities with their fields, between two updates.

use std::sync::Arc;

use tickwire_proto::Tick;
use tickwire_snapshot::{Area, AreaId, Lerp, NetId, RecordSchema, Schema, TickEvent, Value};

use crate::areas::Between;
use crate::foresight::Foreseen;
use crate::moves::Moves;

/// A sample of a view at the picture's time. It holds what it shows, so it may be kept.
#[derive(Clone, Debug)]
pub struct Picture {
    pub(crate) schema: Arc<Schema>,
    pub(crate) tick: f64,
    pub(crate) layers: Vec<Layer>,
    pub(crate) owner: Option<Owner>,
    pub(crate) moves: Moves,
    /// Those who are predicted, and are shown so alone.
    pub(crate) foreseen: Option<Arc<Vec<Foreseen>>>,
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

    /// What its numbers mean.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
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
        let there = self
            .towards()
            .and_then(|(to, slot)| to.number(self.component, slot, field));
        Some(match there {
            Some(there) => blend(self.lerp(field), here, there, layer.between.part),
            None => here,
        })
    }

    /// Any field as a value; numbers in it are between two updates, as the field declares.
    pub fn value(&self, field: usize) -> Option<Value> {
        let layer = match self.seen {
            Seen::Known(layer) => layer,
            Seen::Foreseen(it) => return it.row(self.component)?.get(field).cloned(),
        };
        let here = layer.between.from.value(self.component, self.slot, field)?;
        let there = self
            .towards()
            .and_then(|(to, slot)| to.value(self.component, slot, field));
        Some(match there {
            Some(there) => blend_values(self.lerp(field), here, there, layer.between.part),
            None => here,
        })
    }

    fn lerp(&self, field: usize) -> Lerp {
        self.schema()
            .and_then(|record| record.fields.get(field))
            .map_or(Lerp::Step, |field| field.lerp)
    }

    /// The area that the picture slides into and the entity's slot there, if it is there with the component: the same area, or another one.
    fn towards(&self) -> Option<(&'a Area, u32)> {
        let Seen::Known(layer) = self.seen else {
            return None;
        };
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

fn blend(how: Lerp, from: f64, to: f64, part: f64) -> f64 {
    match how {
        Lerp::Step => from,
        Lerp::Angle => from + shortest_turn(from, to) * part,
        Lerp::Linear | Lerp::Quat => from + (to - from) * part,
    }
}

fn shortest_turn(from: f64, to: f64) -> f64 {
    let turn = (to - from) % std::f64::consts::TAU;
    if turn > std::f64::consts::PI {
        turn - std::f64::consts::TAU
    } else if turn < -std::f64::consts::PI {
        turn + std::f64::consts::TAU
    } else {
        turn
    }
}

/// A value between two, as a field declares: `part` of the way from the first to the second.
pub fn blend_values(how: Lerp, from: Value, to: Value, part: f64) -> Value {
    match (from, to) {
        (Value::Number(a), Value::Number(b)) => Value::Number(blend(how, a, b, part)),
        (Value::Int(a), Value::Int(b)) if how != Lerp::Step => {
            Value::Number(blend(how, a as f64, b as f64, part))
        }
        (Value::Vector(a), Value::Vector(b)) if a.len() == b.len() => {
            Value::Vector(blend_vec(how, &a, &b, part))
        }
        (Value::List(a), Value::List(b)) if a.len() == b.len() => Value::List(
            a.into_iter()
                .zip(b)
                .map(|(a, b)| blend_values(how, a, b, part))
                .collect(),
        ),
        (from, _) => from,
    }
}

/// Directions and rotations: straight from one to the other, and back to length one.
fn blend_vec(how: Lerp, from: &[f64], to: &[f64], part: f64) -> Vec<f64> {
    if how == Lerp::Step {
        return from.to_vec();
    }
    // a quaternion and its negative are one rotation: take the nearer
    let turned = from.len() == 4 && from.iter().zip(to).map(|(a, b)| a * b).sum::<f64>() < 0.0;
    let sign = if turned { -1.0 } else { 1.0 };
    let mut out: Vec<f64> = from
        .iter()
        .zip(to)
        .map(|(a, b)| a + (b * sign - a) * part)
        .collect();
    let length = out.iter().map(|x| x * x).sum::<f64>().sqrt();
    if how != Lerp::Linear && length > f64::EPSILON {
        out.iter_mut().for_each(|x| *x /= length);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{PI, TAU};

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

    #[test]
    fn an_angle_turns_the_short_way() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        near(blend(Lerp::Angle, 0.1, TAU - 0.1, 0.5), 0.0);
        near(blend(Lerp::Angle, TAU - 0.1, 0.1, 0.5), TAU);
        near(blend(Lerp::Angle, 0.0, PI / 2.0, 0.5), PI / 4.0);
    }

    #[test]
    fn a_rotation_goes_the_near_way_and_keeps_its_length() {
        let out = blend_vec(
            Lerp::Quat,
            &[0.0, 0.0, 0.0, 1.0],
            &[0.0, 0.0, -0.6, -0.8],
            0.5,
        );
        assert!((out.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(out[3] > 0.9 && out[2] > 0.0, "{out:?}");
    }
}
