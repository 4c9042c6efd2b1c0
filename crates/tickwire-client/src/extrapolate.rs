//! Beyond what is known: for how long pictures go on along velocities when updates stay away, and how they come back to the truth. Off unless somebody asks for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tickwire_proto::{Tick, Time};
use tickwire_snapshot::{FieldSchema, Lerp, Predict, Quant, RecordSchema, Value};

use crate::picture::Picture;
use crate::slide::{JUMP_PART, slide_left};

/// Pictures go on for at most this long, whatever is asked for: a velocity tells of its moment and a little around it.
pub const EXTRAPOLATE_MAX: Duration = Duration::from_millis(500);
/// What is left below this is none.
const GONE: f64 = 1e-6;

/// Beside where they are things are shown by so much, while they come back: by entity, component and field.
pub(crate) type Beside = BTreeMap<(u64, usize, usize), Offset>;

/// By how much a field is shown beside what it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offset {
    /// For each number of the field.
    by: Vec<f64>,
    /// What it was then, of a rotation: its negative is the same one, and is moved the other way.
    of: Vec<f64>,
}

/// How pictures of a view go beyond what is known.
#[derive(Debug, Default)]
pub(crate) struct Extrapolation {
    most: Duration,
    beside: Arc<Beside>,
    /// The picture drawn last, if it went beyond what was known, and what was known.
    last: Option<(Picture, Known)>,
    drawn: Option<Time>,
    us: f64,
}

/// By which one sees that something was learned.
pub(crate) type Known = (Option<Tick>, Option<Tick>);

impl Extrapolation {
    pub(crate) fn set(&mut self, most: Duration) {
        self.most = most.min(EXTRAPOLATE_MAX);
    }

    /// For how many ticks pictures go on at most.
    pub(crate) fn ticks(&self, tick_us: f64) -> f64 {
        self.most.as_micros() as f64 / tick_us
    }

    /// For how long pictures went on in all, in milliseconds.
    pub(crate) fn millis(&self) -> f64 {
        self.us / 1e3
    }

    /// A picture is to be shown: where the last one went beyond what was known and more is known now, it starts from where that one would be.
    pub(crate) fn draw(&mut self, now: Time, known: Known, tick_us: f64, picture: &mut Picture) {
        let since = self
            .drawn
            .replace(now)
            .map_or(Duration::ZERO, |then| now.since(then));
        self.fade(since);
        let last = self.last.take();
        let before = last
            .as_ref()
            .map_or(0.0, |(last, _)| last.extrapolated_ticks());
        if let Some((mut last, _)) = last.filter(|(_, then)| *then != known) {
            last.go_on(picture.tick(), self.ticks(tick_us));
            last.beside = self.beside.clone();
            self.beside = Arc::new(beside(&last, picture));
        }
        picture.beside = self.beside.clone();
        let ticks = picture.extrapolated_ticks();
        if ticks > 0.0 {
            let on = ticks - before;
            self.us += if on >= 0.0 { on } else { ticks } * tick_us;
            self.last = Some((picture.clone(), known));
        }
    }

    fn fade(&mut self, passed: Duration) {
        if self.beside.is_empty() || passed.is_zero() {
            return;
        }
        let left = slide_left(passed);
        Arc::make_mut(&mut self.beside).retain(|_, offset| {
            offset.by.iter_mut().for_each(|by| *by *= left);
            offset.by.iter().any(|by| by.abs() > GONE)
        });
    }
}

/// By how much what a picture shows is to be moved so that it starts from where the last one is.
fn beside(last: &Picture, picture: &Picture) -> Beside {
    let mut all = Beside::new();
    for (component, record) in last.schema().components.iter().enumerate() {
        if !record.fields.iter().any(|field| field.lerp != Lerp::Step) {
            continue;
        }
        for was in last.entities(component).filter(|row| !row.is_predicted()) {
            let id = was.id();
            let Some(row) = picture
                .entity(id, component)
                .filter(|row| !row.is_predicted())
            else {
                continue;
            };
            let offsets = record
                .fields
                .iter()
                .enumerate()
                .filter_map(|(index, field)| {
                    let slides = field.lerp != Lerp::Step;
                    let offset = offset(
                        field,
                        was.value(index).filter(|_| slides)?,
                        row.value(index)?,
                    );
                    Some((index, offset?))
                });
            let offsets: Vec<(usize, Offset)> = offsets.collect();
            if teleports(record, &offsets) {
                continue;
            }
            let near = offsets.into_iter();
            let near = near.filter(|(index, it)| !jumps(&record.fields[*index], it));
            all.extend(near.map(|(index, it)| ((id, component, index), it)));
        }
    }
    all
}

fn teleports(record: &RecordSchema, offsets: &[(usize, Offset)]) -> bool {
    offsets.iter().any(|(index, offset)| {
        let most = record.fields[*index].teleport.unwrap_or(f64::INFINITY);
        offset.by.iter().any(|by| by.abs() > most)
    })
}

fn jumps(field: &FieldSchema, offset: &Offset) -> bool {
    let most = match (&field.teleport, &field.quant) {
        (None, Quant::Range { min, max, .. }) => (max - min) * JUMP_PART,
        _ => return false,
    };
    offset.by.iter().any(|by| by.abs() > most)
}

/// What leads from what is to what was; `None`: nothing, or it is no number.
fn offset(field: &FieldSchema, was: Value, is: Value) -> Option<Offset> {
    let (was, of) = (numbers(&was)?, numbers(&is)?);
    if was.len() != of.len() {
        return None;
    }
    let sign = sign(&field.quant, &was, &of);
    let by = was.iter().zip(&of).map(|(was, is)| was * sign - is);
    let by: Vec<f64> = match field.quant {
        Quant::Angle { .. } => by
            .map(|by| libm::remainder(by, std::f64::consts::TAU))
            .collect(),
        _ => by.collect(),
    };
    let moved = by.iter().any(|by| by.abs() > GONE);
    moved.then_some(Offset { by, of })
}

/// -1 where two rotations are given by numbers of opposite signs.
fn sign(quant: &Quant, one: &[f64], other: &[f64]) -> f64 {
    let turned = matches!(quant, Quant::Quat { .. })
        && one.iter().zip(other).map(|(a, b)| a * b).sum::<f64>() < 0.0;
    if turned { -1.0 } else { 1.0 }
}

fn numbers(value: &Value) -> Option<Vec<f64>> {
    match value {
        Value::Number(number) => Some(vec![*number]),
        Value::Int(int) => Some(vec![*int as f64]),
        Value::Vector(parts) => Some(parts.clone()),
        Value::List(all) => {
            let parts: Option<Vec<Vec<f64>>> = all.iter().map(numbers).collect();
            Some(parts?.concat())
        }
        _ => None,
    }
}

/// Moves a value by what it is shown beside it.
pub(crate) fn shift(field: &FieldSchema, value: Value, offset: &Offset) -> Value {
    let Some(is) = numbers(&value).filter(|is| is.len() == offset.by.len()) else {
        return value;
    };
    let sign = sign(&field.quant, &is, &offset.of);
    let mut by = offset.by.iter().map(|by| by * sign);
    shifted(value, &mut by)
}

fn shifted(value: Value, by: &mut impl Iterator<Item = f64>) -> Value {
    let mut next = || by.next().unwrap_or_default();
    match value {
        Value::Number(number) => Value::Number(number + next()),
        Value::Int(int) => Value::Number(int as f64 + next()),
        Value::Vector(mut parts) => {
            parts.iter_mut().for_each(|part| *part += next());
            let length = parts.iter().map(|x| x * x).sum::<f64>().sqrt();
            if length > f64::EPSILON {
                parts.iter_mut().for_each(|part| *part /= length);
            }
            Value::Vector(parts)
        }
        Value::List(all) => {
            let mut out = Vec::with_capacity(all.len());
            for value in all {
                out.push(shifted(value, by));
            }
            Value::List(out)
        }
        other => other,
    }
}

/// The field by which one is moved, if it may be shown between two updates at all.
pub(crate) fn velocity_of(field: &FieldSchema) -> Option<usize> {
    match (field.lerp, field.predict) {
        (Lerp::Step, _) | (_, Predict::Same) => None,
        (_, Predict::Velocity { field }) => Some(usize::from(field)),
    }
}

/// Where something is that moves on for so many seconds; never beyond its range.
pub(crate) fn moved_on(quant: &Quant, from: f64, velocity: f64, seconds: f64) -> f64 {
    let on = from + velocity * seconds;
    match quant {
        Quant::Range { min, max, .. } => on.clamp(*min, *max),
        _ => on,
    }
}

/// The same of a field with one number or several.
pub(crate) fn value_moved_on(quant: &Quant, from: Value, velocity: &Value, seconds: f64) -> Value {
    match (from, velocity) {
        (Value::Number(from), Value::Number(v)) => {
            Value::Number(moved_on(quant, from, *v, seconds))
        }
        (Value::Number(from), Value::Int(v)) => {
            Value::Number(moved_on(quant, from, *v as f64, seconds))
        }
        (Value::List(all), Value::List(velocities)) if all.len() == velocities.len() => {
            let each = all.into_iter().zip(velocities);
            Value::List(
                each.map(|(from, v)| value_moved_on(quant, from, v, seconds))
                    .collect(),
            )
        }
        (from, _) => from,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(parts: [f64; 4]) -> Value {
        Value::Vector(parts.to_vec())
    }

    #[test]
    fn what_is_shifted_by_what_was_wrong_is_what_was_shown() {
        let range = Quant::Range {
            min: 0.0,
            max: 100.0,
            step: 0.5,
        };
        let list = |all: [f64; 2]| Value::List(all.map(Value::Number).to_vec());
        let field = FieldSchema::new("x", range).with_len(2);
        let (was, is) = (list([1.0, 2.0]), list([1.5, 2.0]));
        let offset = offset(&field, was.clone(), is.clone()).expect("it differs");
        assert_eq!(shift(&field, is.clone(), &offset), was);
        assert_eq!(super::offset(&field, is.clone(), is), None);
        // half a turn and a little, either way
        let field = FieldSchema::new("turn", Quant::Angle { bits: 10 });
        let (was, is) = (Value::Number(3.0), Value::Number(-3.0));
        let offset = super::offset(&field, was, is).expect("it differs");
        assert!((offset.by[0] - (6.0 - std::f64::consts::TAU)).abs() < 1e-12);
    }

    #[test]
    fn a_rotation_comes_back_whichever_of_its_two_signs_it_is_given_by() {
        let field = FieldSchema::new("pose", Quant::quat_bits(10));
        let was = [0.0, 0.0, 0.6, 0.8];
        let is = [0.0, 0.0, 0.8, 0.6];
        for sign in [1.0, -1.0] {
            let offset = offset(&field, vector(was.map(|x| x * sign)), vector(is));
            let offset = offset.expect("it differs");
            for later in [1.0, -1.0] {
                let Value::Vector(shown) = shift(&field, vector(is.map(|x| x * later)), &offset)
                else {
                    panic!("no vector");
                };
                let same: f64 = shown.iter().zip(&was).map(|(a, b)| a * b).sum();
                assert!(same.abs() > 1.0 - 1e-12, "{shown:?}");
            }
        }
    }

    #[test]
    fn what_moves_on_stays_within_its_range() {
        let range = Quant::Range {
            min: 0.0,
            max: 100.0,
            step: 0.5,
        };
        assert_eq!(moved_on(&range, 90.0, 50.0, 0.1), 95.0);
        assert_eq!(moved_on(&range, 90.0, 500.0, 0.1), 100.0);
        let whole = value_moved_on(&range, Value::Number(4.0), &Value::Int(-10), 0.2);
        assert_eq!(whole, Value::Number(2.0));
    }
}
