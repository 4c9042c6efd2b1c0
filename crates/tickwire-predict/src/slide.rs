//! Sliding: after a correction what is shown starts from where it was, and comes to where it is right within a moment. The simulation knows nothing of it.

use std::collections::BTreeMap;

use tickwire_client::{JUMP_PART, slide_left};
use tickwire_proto::Time;
use tickwire_snapshot::{Lerp, Quant, Schema, Value};

use crate::predictor::{Pose, row_of};

/// What is left of a slide below this part of a range is none.
const GONE_PART: f64 = 1e-6;

/// By how much fields are shown beside what is predicted: by entity, component, field and element.
#[derive(Debug, Default)]
pub(crate) struct Slides {
    offsets: BTreeMap<(u64, usize, usize, usize), Offset>,
    faded: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
struct Offset {
    by: f64,
    range: f64,
    /// Beyond this it is a jump.
    most: f64,
}

impl Slides {
    /// What was shown as `was` is now `now`, and what was `before` that is moved along, so that what is shown between the two goes on from where it
    /// is. The largest part of a range by which something that is shown smoothly was corrected, and whether anything was.
    pub fn corrected(
        &mut self,
        schema: &Schema,
        (was, now): (&[Pose], &[Pose]),
        before: &mut Vec<Pose>,
    ) -> (f64, bool) {
        let mut moved_along: Vec<Pose> = now.to_vec();
        let (mut largest, mut moved) = (0.0_f64, false);
        let all_before = std::mem::take(before);
        for pose in now {
            let Some(was) = was.iter().find(|was| was.id == pose.id) else {
                continue;
            };
            let last = all_before.iter().find(|last| last.id == pose.id);
            let along = moved_along.iter_mut().find(|it| it.id == pose.id);
            let mut along = along.filter(|_| last.is_some());
            for (component, values) in &pose.rows {
                let Some(earlier) = row_of(&was.rows, *component) else {
                    continue;
                };
                let last = last.and_then(|last| row_of(&last.rows, *component));
                let fields = schema.components[*component].fields.iter();
                let mut teleported = false;
                for (index, field) in fields.enumerate() {
                    let range = match field.lerp {
                        Lerp::Linear | Lerp::Hermite => span(&field.quant),
                        Lerp::Angle => std::f64::consts::TAU,
                        _ => continue,
                    };
                    let pair = (earlier.get(index), values.get(index));
                    let (Some(from), Some(to)) = pair else {
                        continue;
                    };
                    let last = last.and_then(|last| last.get(index));
                    if let (Some(last), Some(along)) = (last, along.as_mut())
                        && let Some((_, row)) =
                            along.rows.iter_mut().find(|(at, _)| at == component)
                    {
                        row[index] = last.clone();
                        for (element, (from, to)) in
                            numbers(from).into_iter().zip(numbers(to)).enumerate()
                        {
                            add(&mut row[index], element, to - from);
                        }
                    }
                    for (element, (from, to)) in
                        numbers(from).into_iter().zip(numbers(to)).enumerate()
                    {
                        let mut by = from - to;
                        if field.lerp == Lerp::Angle {
                            by = short(by);
                        }
                        if by != 0.0 {
                            moved = true;
                            largest = largest.max((by / range).abs());
                            let key = (pose.id, *component, index, element);
                            let most = field.teleport.unwrap_or(range * JUMP_PART);
                            let jumped = self.slide(key, Offset { by, range, most });
                            teleported |= jumped && field.teleport.is_some();
                        }
                    }
                }
                if teleported {
                    // a component teleports as one
                    self.offsets
                        .retain(|(id, of, ..), _| (*id, *of) != (pose.id, *component));
                }
            }
        }
        let there: Vec<u64> = now.iter().map(|pose| pose.id).collect();
        self.offsets.retain(|(id, ..), _| there.contains(id));
        *before = moved_along;
        (largest, moved)
    }

    /// Something is shown beside where it is by so much more; whether that is too much, so that it jumps.
    fn slide(&mut self, key: (u64, usize, usize, usize), more: Offset) -> bool {
        let offset = self
            .offsets
            .entry(key)
            .or_insert(Offset { by: 0.0, ..more });
        offset.by += more.by;
        let jumps = offset.by.abs() > offset.most;
        if jumps {
            self.offsets.remove(&key);
        }
        jumps
    }

    /// Time passes: slides come to their end.
    pub fn fade(&mut self, now: Time) {
        let then = self.faded.replace(now).unwrap_or(now);
        let left = slide_left(now.since(then));
        self.offsets.retain(|_, offset| {
            offset.by *= left;
            offset.by.abs() > offset.range.min(1e9) * GONE_PART
        });
    }

    /// Moves what is shown; by how much at most, as the field counts.
    pub fn apply(&self, id: u64, rows: &mut [(usize, Vec<Value>)]) -> f64 {
        let mut largest = 0.0_f64;
        let of = self.offsets.range((id, 0, 0, 0)..(id + 1, 0, 0, 0));
        for (&(_, component, field, element), offset) in of {
            let row = rows.iter_mut().find(|(at, _)| *at == component);
            let value = row.and_then(|(_, row)| row.get_mut(field));
            if let Some(value) = value {
                largest = largest.max(offset.by.abs());
                add(value, element, offset.by);
            }
        }
        largest
    }
}

/// From the least to the greatest value.
fn span(quant: &Quant) -> f64 {
    match quant {
        Quant::Range { min, max, .. } => max - min,
        _ => f64::INFINITY,
    }
}

fn short(turn: f64) -> f64 {
    let turn = libm::remainder(turn, std::f64::consts::TAU);
    if turn.is_finite() { turn } else { 0.0 }
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Number(number) => vec![*number],
        Value::List(all) => all.iter().flat_map(numbers).collect(),
        _ => Vec::new(),
    }
}

fn add(value: &mut Value, element: usize, by: f64) {
    match value {
        Value::Number(number) => *number += by,
        Value::List(all) => {
            if let Some(Value::Number(number)) = all.get_mut(element) {
                *number += by;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use tickwire_snapshot::{FieldSchema, RecordSchema};

    use super::*;

    fn schema(teleport: Option<f64>) -> Schema {
        let range = Quant::Range {
            min: 0.0,
            max: 1600.0,
            step: 1.0,
        };
        let mut x = FieldSchema::new("x", range);
        x.teleport = teleport;
        let turn = FieldSchema::new("turn", Quant::Angle { bits: 10 });
        let mut schema = Schema::new("dots", 33_333);
        schema.components = vec![RecordSchema::new("Dot", vec![x, turn])];
        schema.seal().expect("a schema");
        schema
    }

    /// Turn and place, in the order of names.
    fn pose(x: f64, turn: f64) -> Pose {
        Pose {
            id: 7,
            mine: true,
            place: None,
            rows: vec![(0, vec![Value::Number(turn), Value::Number(x)])],
        }
    }

    /// Where it is shown right after a correction from 100 to `x`, by which it turns, too.
    fn shown(teleport: Option<f64>, x: f64) -> [f64; 2] {
        let (mut slides, was, now) = (Slides::default(), [pose(100.0, 0.1)], [pose(x, 0.2)]);
        let mut before = Vec::new();
        slides.corrected(&schema(teleport), (&was, &now), &mut before);
        let mut rows = now[0].rows.clone();
        slides.apply(7, &mut rows);
        let [Value::Number(turn), Value::Number(x)] = rows[0].1[..] else {
            panic!("{rows:?}");
        };
        [x, turn]
    }

    #[test]
    fn a_correction_slides_unless_it_is_a_teleport() {
        let near = |[x, turn]: [f64; 2], wanted: [f64; 2]| {
            assert!(
                (x - wanted[0]).abs() < 1e-9 && (turn - wanted[1]).abs() < 1e-9,
                "{x} {turn}"
            );
        };
        // a sixteenth of the range is 100
        near(shown(None, 190.0), [100.0, 0.1]);
        near(shown(None, 210.0), [210.0, 0.1]);
        near(shown(Some(200.0), 290.0), [100.0, 0.1]);
        near(shown(Some(8.0), 107.0), [100.0, 0.1]);
        // the component teleports as one
        near(shown(Some(8.0), 109.0), [109.0, 0.2]);
    }
}
