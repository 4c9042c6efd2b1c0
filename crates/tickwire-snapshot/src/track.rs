//! Canonical tracks: the integers by which a velocity moves a position, equal on all sides. Who applies them is the edit, the encoder and the decoder.

use serde::{Deserialize, Serialize};

use crate::quant::{Quant, STEPS_MAX};
use crate::schema::{Lerp, Predict, RecordSchema};
use crate::seal::SchemaError;

/// Ticks over which a velocity is trusted at most.
const TRUST_TICKS_MAX: u32 = 1 << 12;
/// The bounds of a track's numerator and of a velocity column: their product with twice the ticks stays inside 62 bits.
const NUM_MAX: u32 = 1 << 20;
const VELOCITY_MAX: i32 = 1 << 27;
/// The denominator of a track whose steps have no small common measure.
const ROUGH_DEN: u32 = 1 << 12;
/// Fine units in a step, then.
const ROUGH_CELL: u32 = 64;

/// The integers of a canonical track, equal on all sides because they travel with the schema.
///
/// A position's column counts *fine units*, `cell` of them to a step of its quantiser. In `t` ticks a velocity column `v` moves it by
/// `(v - zero) * num * t / den` fine units, rounded to the nearest (`den` is 1 wherever the steps allow it: then motion is exact).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// Fine units in one step of the position.
    pub cell: u32,
    /// Numerator of fine units a tick and step of velocity.
    pub num: u32,
    /// Denominator of it.
    pub den: u32,
    /// The velocity column that means rest.
    pub zero: i32,
}

/// The ticks between two versions of an area, and how many of them belong to the last capture.
///
/// In the last capture's ticks the newer velocity held, by the rule of the track; between the captures before, nobody knows: it is taken to
/// have changed evenly from the older one to the newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    ticks: u32,
    last: u32,
}

impl Span {
    /// From one capture to the next.
    pub fn direct(ticks: u32) -> Self {
        Self::new(ticks, ticks)
    }

    /// Over several captures, the last of which took `last` ticks.
    pub fn new(ticks: u32, last: u32) -> Self {
        let ticks = ticks.min(TRUST_TICKS_MAX);
        Self {
            ticks,
            last: last.min(ticks),
        }
    }

    /// Whether no time passes.
    pub fn is_empty(self) -> bool {
        self.ticks == 0
    }
}

impl Track {
    /// Fine units that a position moves while its velocity column goes from the first to the second.
    #[inline]
    pub fn displacement(&self, velocities: [i32; 2], span: Span) -> i64 {
        let zero = i64::from(self.zero);
        let old = i64::from(velocities[0]) - zero;
        let new = i64::from(velocities[1]) - zero;
        let twice =
            old * i64::from(span.ticks - span.last) + new * i64::from(span.ticks + span.last);
        let way = twice * i64::from(self.num);
        let den = i64::from(self.den);
        if self.den.is_power_of_two() {
            // Every track that is made here: the same as below, without a division.
            return (way + den) >> (self.den.trailing_zeros() + 1);
        }
        (way + den).div_euclid(den * 2)
    }
}

/// Turns names of velocity fields into indices and computes the rule of each track.
pub(crate) fn make_tracks(record: &mut RecordSchema, tick_us: u32) -> Result<(), SchemaError> {
    for index in 0..record.fields.len() {
        let place = format!("{}.{}", record.name, record.fields[index].name);
        let refuse = |why| SchemaError::Velocity {
            place: place.clone(),
            why,
        };
        let Some(name) = record.fields[index].velocity.take() else {
            record.fields[index].predict = Predict::Same;
            record.fields[index].track = None;
            if record.fields[index].lerp == Lerp::Hermite {
                return Err(refuse("`hermite` needs a velocity: name its field"));
            }
            continue;
        };
        let Some(velocity) = record.field(&name) else {
            return Err(refuse(
                "its velocity is no field of this record: check the name",
            ));
        };
        let (position, speed) = (&record.fields[index], &record.fields[velocity]);
        if speed.velocity.is_some() || speed.predict != Predict::Same || velocity == index {
            return Err(refuse("a velocity cannot be moved by a velocity itself"));
        }
        if position.len != speed.len {
            return Err(refuse(
                "position and velocity need the same number of elements",
            ));
        }
        let Quant::Range { step, .. } = position.quant else {
            return Err(refuse("a field with a velocity needs `range` and `step`"));
        };
        let (speed_step, zero) = match speed.quant {
            Quant::Range { min, step, .. } => (step, (-min / step).round()),
            Quant::Bits { signed: true, .. } => (1.0, 0.0),
            _ => {
                return Err(refuse(
                    "a velocity needs `range` and `step`, or a signed integer",
                ));
            }
        };
        let (_, top) = speed.quant.bounds(0);
        if top > VELOCITY_MAX || zero.abs() > f64::from(VELOCITY_MAX) {
            return Err(refuse("the velocity has too many steps: use a larger step"));
        }
        let steps = position.quant.steps();
        let Some(mut track) = track_of(step, speed_step, tick_us, steps) else {
            return Err(refuse(
                "the steps of position and velocity are too far apart: make the coarser one finer",
            ));
        };
        track.zero = zero as i32;
        record.fields[index].track = Some(track);
        record.fields[index].predict = Predict::Velocity {
            field: velocity as u16,
        };
    }
    Ok(())
}

/// The coarsest fine unit in which a tick's motion is a whole number, or a rough one with a denominator.
fn track_of(step: f64, speed_step: f64, tick_us: u32, steps: i32) -> Option<Track> {
    let fits =
        |cell: u32| i64::from(steps) * i64::from(cell) + i64::from(cell) <= i64::from(STEPS_MAX);
    let hz = ticks_a_second(tick_us);
    let ratio = step * hz / speed_step; // velocity steps that move one position step in one tick
    if let Some((a, b)) = small_ratio(ratio)
        && fits(a)
    {
        return Some(Track {
            cell: a,
            num: b,
            den: 1,
            zero: 0,
        });
    }
    let cell = std::iter::successors(Some(ROUGH_CELL), |c| Some(c / 2))
        .take_while(|&c| c > 0)
        .find(|&c| fits(c))?;
    let num = (f64::from(cell) / ratio * f64::from(ROUGH_DEN)).round();
    (1.0..=f64::from(NUM_MAX)).contains(&num).then_some(Track {
        cell,
        num: num as u32,
        den: ROUGH_DEN,
        zero: 0,
    })
}

/// The rate that a tick of whole microseconds was meant to be: 33,333 us are 30 Hz.
fn ticks_a_second(tick_us: u32) -> f64 {
    let exact = 1e6 / f64::from(tick_us);
    let whole = exact.round();
    if whole >= 1.0 && (1e6 / whole - f64::from(tick_us)).abs() < 1.0 {
        whole
    } else {
        exact
    }
}

/// `x` as a / b with small a and b, by continued fractions.
fn small_ratio(x: f64) -> Option<(u32, u32)> {
    const PART_MAX: f64 = 4096.0;
    let (mut a, mut b) = ((1.0, 0.0), (0.0, 1.0)); // (this, the one before)
    let mut rest = x;
    for _ in 0..16 {
        let whole = rest.floor();
        a = (whole * a.0 + a.1, a.0);
        b = (whole * b.0 + b.1, b.0);
        if a.0 > PART_MAX || b.0 > PART_MAX {
            return None;
        }
        if a.0 >= 1.0 && (a.0 / b.0 - x).abs() <= x * 1e-9 {
            return Some((a.0 as u32, b.0 as u32));
        }
        rest = 1.0 / (rest - whole);
        if !rest.is_finite() {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(step: f64, speed_step: f64, tick_us: u32) -> Track {
        track_of(step, speed_step, tick_us, 10_000).expect("a track")
    }

    #[test]
    fn whole_ratios_are_exact_and_others_close() {
        assert_eq!(
            track(1.0 / 16.0, 1.0 / 16.0, 33_333),
            Track {
                cell: 30,
                num: 1,
                den: 1,
                zero: 0
            }
        );
        assert_eq!(
            track(1.0 / 16.0, 1.0 / 16.0, 16_667),
            Track {
                cell: 60,
                num: 1,
                den: 1,
                zero: 0
            }
        );
        assert_eq!(
            track(0.1, 0.1, 50_000),
            Track {
                cell: 20,
                num: 1,
                den: 1,
                zero: 0
            }
        );
        assert_eq!(
            track(0.1, 16.0, 33_333),
            Track {
                cell: 3,
                num: 16,
                den: 1,
                zero: 0
            }
        );
        let rough = track(0.3, 0.123_456_7, 33_333);
        assert_eq!(rough.den, ROUGH_DEN);
        // Nearly 5 units a second for a second, in fine units of 0.3 / 64.
        let way =
            rough.displacement([40; 2], Span::direct(30)) as f64 * 0.3 / f64::from(rough.cell);
        assert!((way - 40.0 * 0.123_456_7).abs() < 0.01, "{way}");
    }

    #[test]
    fn steps_too_far_apart_are_refused() {
        assert_eq!(track_of(1e-6, 1e3, 33_333, 1 << 30), None);
        assert!(track_of(1e-3, 1.0, 33_333, (1 << 30) - 1).is_some());
    }

    #[test]
    fn displacement_rounds_to_the_nearest_and_trusts_no_velocity_for_ever() {
        let rough = Track {
            cell: 64,
            num: 3,
            den: 4,
            zero: 10,
        };
        let moved = |velocity| rough.displacement([velocity; 2], Span::direct(1));
        assert_eq!([8, 9, 10, 11, 12, 13].map(moved), [-1, -1, 0, 1, 2, 2]);
        let exact = Track {
            cell: 64,
            num: 1,
            den: 1,
            zero: 0,
        };
        let long = exact.displacement([1; 2], Span::direct(u32::MAX));
        assert_eq!(long, i64::from(TRUST_TICKS_MAX));
    }

    #[test]
    fn between_older_captures_a_velocity_changes_evenly() {
        let exact = Track {
            cell: 30,
            num: 1,
            den: 1,
            zero: 0,
        };
        // From 0 to 40 in four captures of two ticks: 10, 20, 30 and 40.
        assert_eq!(
            exact.displacement([0, 40], Span::new(8, 2)),
            2 * (10 + 20 + 30 + 40)
        );
        assert_eq!(exact.displacement([0, 40], Span::direct(8)), 8 * 40);
        assert_eq!(exact.displacement([40, 40], Span::new(8, 2)), 8 * 40);
    }
}
