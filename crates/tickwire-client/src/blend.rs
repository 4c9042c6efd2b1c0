//! Between two values: straight, along an arc, or along a curve that velocities shape. Which two values, and how far between them, is the picture's matter.

use tickwire_snapshot::{Lerp, RecordSchema, Value};

/// Two updates that are farther apart than this, in seconds, are joined by a straight line, whatever the velocities were: a velocity tells of
/// its moment and a little around it, and how far a curve may lead away from the line grows with the time.
const CURVE_S: f64 = 0.5;
/// Tangents up to so many times the slope of the line keep a cubic within its ends.
const MONOTONE: f64 = 3.0;
/// The dot product of two directions from which on their arc is a line as far as doubles go.
const STRAIGHT: f64 = 0.9995;

/// A number between two, as a field declares; without velocities a curve is a line.
pub(crate) fn blend(how: Lerp, from: f64, to: f64, part: f64) -> f64 {
    match how {
        Lerp::Step => from,
        Lerp::Angle => from + shortest_turn(from, to) * part,
        Lerp::Linear | Lerp::Quat | Lerp::Hermite => from + (to - from) * part,
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

/// A value between two, as a field declares: `part` of the way from the first to the second. [`Lerp::Hermite`] is a line here, where no velocities are given.
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

/// Whether a component teleports from one state to another: one of its fields changes by more than its [`teleport`](tickwire_snapshot::FieldSchema::teleport).
pub fn teleports(
    record: &RecordSchema,
    from: impl Fn(usize) -> Option<Value>,
    to: impl Fn(usize) -> Option<Value>,
) -> bool {
    let mut fields = record.layout().teleports().iter();
    fields.any(|&(field, most)| match (from(field), to(field)) {
        (Some(from), Some(to)) => is_farther(&from, &to, most),
        _ => false,
    })
}

fn is_farther(from: &Value, to: &Value, most: f64) -> bool {
    match (from, to) {
        (Value::Number(a), Value::Number(b)) => (a - b).abs() > most,
        (Value::Int(a), Value::Int(b)) => a.abs_diff(*b) as f64 > most,
        (Value::List(a), Value::List(b)) => a.iter().zip(b).any(|(a, b)| is_farther(a, b, most)),
        _ => false,
    }
}

/// Directions and rotations: along the shorter arc at an even speed (slerp: Shoemake 1985). Where there is no shorter one, or no arc to speak of,
/// straight and back to length one.
fn blend_vec(how: Lerp, from: &[f64], to: &[f64], part: f64) -> Vec<f64> {
    if how == Lerp::Step {
        return from.to_vec();
    }
    let dot: f64 = from.iter().zip(to).map(|(a, b)| a * b).sum();
    // a quaternion and its negative are one rotation: take the nearer
    let sign = if from.len() == 4 && dot < 0.0 {
        -1.0
    } else {
        1.0
    };
    let cos = dot * sign;
    let (here, there) = if how == Lerp::Linear || cos.abs() > STRAIGHT {
        (1.0 - part, part)
    } else {
        let arc = libm::acos(cos);
        let sin = libm::sin(arc);
        (
            libm::sin(arc * (1.0 - part)) / sin,
            libm::sin(arc * part) / sin,
        )
    };
    let mut out: Vec<f64> = from
        .iter()
        .zip(to)
        .map(|(a, b)| a * here + b * sign * there)
        .collect();
    let length = out.iter().map(|x| x * x).sum::<f64>().sqrt();
    if how != Lerp::Linear && length > f64::EPSILON {
        out.iter_mut().for_each(|x| *x /= length);
    }
    out
}

/// The cubic through both positions with both velocities (units a second), `part` of its `seconds` on.
///
/// Where the mean velocity is between the two that are known, what moved turned or hurried evenly, as far as anybody can tell: the cubic is taken as it is, exact
/// for an even acceleration, and leads away from the line by at most 4/27 of what the velocities differ by in that time. Elsewhere something happened
/// between (a bounce, a knock), and the velocities do not fit the way: the tangents are limited to 0 to 3 times the slope, which keeps the cubic
/// within its ends (de Boor and Swartz 1977; Fritsch and Carlson 1980). Beyond [`CURVE_S`] it is a line.
pub(crate) fn hermite(at: [f64; 2], velocity: [f64; 2], seconds: f64, part: f64) -> f64 {
    let [from, to] = at;
    let way = to - from;
    // exact at both ends
    let line = if part < 1.0 { from + way * part } else { to };
    if !(seconds > 0.0 && seconds <= CURVE_S) {
        return line;
    }
    let [mut first, mut last] = velocity.map(|velocity| velocity * seconds);
    if way < first.min(last) || way > first.max(last) {
        let (least, most) = ((MONOTONE * way).min(0.0), (MONOTONE * way).max(0.0));
        first = first.clamp(least, most);
        last = last.clamp(least, most);
    }
    let rest = 1.0 - part;
    // what the tangents lead away from the line
    line + part * rest * ((first - way) * rest - (last - way) * part)
}

/// The same of a field with one number or several.
pub(crate) fn hermite_values(
    [from, to]: [Value; 2],
    velocity: [Value; 2],
    seconds: f64,
    part: f64,
) -> Value {
    match (from, to, velocity) {
        (Value::Number(a), Value::Number(b), [Value::Number(v), Value::Number(w)]) => {
            Value::Number(hermite([a, b], [v, w], seconds, part))
        }
        // a velocity may be a signed integer
        (Value::Number(a), Value::Number(b), [Value::Int(v), Value::Int(w)]) => {
            Value::Number(hermite([a, b], [v as f64, w as f64], seconds, part))
        }
        (Value::List(a), Value::List(b), [Value::List(v), Value::List(w)])
            if [b.len(), v.len(), w.len()] == [a.len(); 3] =>
        {
            let ends = a.into_iter().zip(b).zip(v.into_iter().zip(w));
            let each = ends.map(|((a, b), (v, w))| hermite_values([a, b], [v, w], seconds, part));
            Value::List(each.collect())
        }
        (from, to, _) => blend_values(Lerp::Linear, from, to, part),
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{PI, TAU};

    use proptest::prelude::*;

    use super::*;

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

    /// A rotation about z.
    fn about_z(angle: f64) -> [f64; 4] {
        [0.0, 0.0, libm::sin(angle / 2.0), libm::cos(angle / 2.0)]
    }

    proptest! {
        #[test]
        fn a_rotation_turns_at_an_even_speed(from in -3.0..3.0_f64, turn in -3.1..3.1_f64, part in 0.0..=1.0_f64) {
            let there = about_z(from + turn);
            for sign in [1.0, -1.0] {
                let out = blend_vec(Lerp::Quat, &about_z(from), &there.map(|x| x * sign), part);
                let wanted = about_z(from + turn * part);
                let same: f64 = out.iter().zip(&wanted).map(|(a, b)| a * b).sum();
                prop_assert!(same.abs() > 1.0 - 1e-9, "{out:?} instead of {wanted:?}");
            }
        }

        #[test]
        fn a_curve_passes_through_both_ends(
            at in [-1e4..1e4_f64, -1e4..1e4],
            velocity in [-1e4..1e4_f64, -1e4..1e4],
            seconds in 0.0..2.0_f64,
        ) {
            prop_assert_eq!(hermite(at, velocity, seconds, 0.0), at[0]);
            prop_assert_eq!(hermite(at, velocity, seconds, 1.0), at[1]);
        }

        #[test]
        fn an_even_acceleration_is_met_to_rounding(
            from in -1e3..1e3_f64, speed in -500.0..500.0_f64, gain in -2e3..2e3_f64,
            seconds in 0.001..=CURVE_S, part in 0.0..=1.0_f64,
        ) {
            let place = |t: f64| from + speed * t + gain * t * t / 2.0;
            let out = hermite([from, place(seconds)], [speed, speed + gain * seconds], seconds, part);
            prop_assert!((out - place(part * seconds)).abs() < 1e-9, "{out} instead of {}", place(part * seconds));
        }

        #[test]
        fn a_curve_never_leads_far_away(
            at in [-1e3..1e3_f64, -1e3..1e3],
            velocity in [-1e4..1e4_f64, -1e4..1e4],
            seconds in 0.001..=CURVE_S, part in 0.0..=1.0_f64,
        ) {
            let out = hermite(at, velocity, seconds, part);
            let mean = (at[1] - at[0]) / seconds;
            let [slow, fast] = [velocity[0].min(velocity[1]), velocity[0].max(velocity[1])];
            let apart = if (slow..=fast).contains(&mean) { (fast - slow) * seconds * 4.0 / 27.0 } else { 0.0 };
            let (least, most) = (at[0].min(at[1]) - apart - 1e-9, at[0].max(at[1]) + apart + 1e-9);
            prop_assert!((least..=most).contains(&out), "{out} is not in {least}..={most}");
        }

        /// Position and velocity agree on both sides of an update, so that nobody sees where it was.
        #[test]
        fn curves_go_on_smoothly_across_an_update(
            from in -1e3..1e3_f64, speeds in [-500.0..500.0_f64, -500.0..500.0, -500.0..500.0],
            shares in [0.05..0.95_f64, 0.05..0.95], seconds in [0.02..0.2_f64, 0.02..0.2],
        ) {
            // ways that fit their velocities: of some mean between them
            let way = |i: usize| (speeds[i] + (speeds[i + 1] - speeds[i]) * shares[i]) * seconds[i];
            let middle = from + way(0);
            let end = middle + way(1);
            let (h, [before, after]) = (1e-6, seconds);
            let left = hermite([from, middle], [speeds[0], speeds[1]], before, 1.0 - h / before);
            let right = hermite([middle, end], [speeds[1], speeds[2]], after, h / after);
            prop_assert!(((middle - left) / h - speeds[1]).abs() < 0.2, "comes at {} instead of {}", (middle - left) / h, speeds[1]);
            prop_assert!(((right - middle) / h - speeds[1]).abs() < 0.2, "goes at {} instead of {}", (right - middle) / h, speeds[1]);
        }
    }

    #[test]
    fn where_updates_are_far_apart_a_curve_is_a_line() {
        let out = hermite([0.0, 10.0], [90.0, -80.0], CURVE_S + 0.001, 0.25);
        assert_eq!(out, 2.5);
        let list = |all: [f64; 2]| Value::List(all.map(Value::Number).to_vec());
        let ends = [list([0.0, 0.0]), list([1.0, 2.0])];
        let out = hermite_values(ends, [list([20.0, 20.0]), list([0.0, 20.0])], 0.1, 0.5);
        assert_eq!(out, list([0.75, 1.0]), "each element by its own velocity");
    }
}
