//! One entity in a picture: its fields between two updates, beyond the last, or as they are predicted. Which entities a picture shows is the picture's matter.

use tickwire_snapshot::{Area, AreaId, FieldSchema, Lerp, NetId, Predict, RecordSchema, Value};

use crate::blend::{blend, blend_values, hermite, hermite_values, teleports};
use crate::extrapolate::{moved_on, shift, value_moved_on, velocity_of};
use crate::foresight::Foreseen;
use crate::picture::{Layer, Picture, join_id};

/// One entity in a picture, seen through one of its components.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub(crate) picture: &'a Picture,
    pub(crate) seen: Seen<'a>,
    pub(crate) component: usize,
    pub(crate) slot: u32,
    pub(crate) generation: u16,
}

/// As what an entity is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen<'a> {
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
    /// `None`: the field holds no number. Seconds are [`Schema::tick_us`](tickwire_snapshot::Schema::tick_us) long ticks; a room that the server slows shows fewer of them in a minute.
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
