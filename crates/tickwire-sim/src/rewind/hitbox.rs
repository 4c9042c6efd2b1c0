//! Hitboxes: what a ray or another shape can touch, between two places, and as bytes. Where they were when is `track`'s matter.

use tickwire_proto::wire::{Reader, Writer};

use super::shape::{self, V, add, dot, length, scale, sub};
use crate::exact::RestoreError;

/// What can be hit: a shape in the units of the game. In two dimensions all lies in the plane `z = 0`.
///
/// ```
/// use tickwire_sim::Hitbox;
/// let hull = Hitbox::circle((3.0, 4.0), 1.0);
/// assert_eq!(hull.centre(), [3.0, 4.0, 0.0]);
/// assert!(hull.overlaps(&Hitbox::rect((5.0, 4.0), (1.5, 0.5))));
/// assert!(!hull.overlaps(&Hitbox::capsule((0.0, 0.0), (6.0, 0.0), 2.5)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hitbox(pub(super) Shape);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    Ball { at: [f32; 3], radius: f32 },
    Block { at: [f32; 3], half: [f32; 3] },
    Capsule { ends: [[f32; 3]; 2], radius: f32 },
}

impl Hitbox {
    /// A circle around a point.
    #[must_use]
    pub fn circle((x, y): (f32, f32), radius: f32) -> Hitbox {
        Hitbox::sphere((x, y, 0.0), radius)
    }

    /// A ball around a point.
    #[must_use]
    pub fn sphere((x, y, z): (f32, f32, f32), radius: f32) -> Hitbox {
        Hitbox(Shape::Ball {
            at: [x, y, z],
            radius,
        })
    }

    /// A rectangle around a point, its sides along the axes: half of its width and of its height.
    #[must_use]
    pub fn rect((x, y): (f32, f32), (half_x, half_y): (f32, f32)) -> Hitbox {
        Hitbox::cuboid((x, y, 0.0), (half_x, half_y, 0.0))
    }

    /// A box around a point, its sides along the axes: half of each.
    #[must_use]
    pub fn cuboid((x, y, z): (f32, f32, f32), half: (f32, f32, f32)) -> Hitbox {
        Hitbox(Shape::Block {
            at: [x, y, z],
            half: [half.0, half.1, half.2],
        })
    }

    /// All that is within a radius of a line from one point to another.
    #[must_use]
    pub fn capsule((x, y): (f32, f32), (to_x, to_y): (f32, f32), radius: f32) -> Hitbox {
        Hitbox::capsule_3d((x, y, 0.0), (to_x, to_y, 0.0), radius)
    }

    /// The same in three dimensions.
    #[must_use]
    pub fn capsule_3d(from: (f32, f32, f32), to: (f32, f32, f32), radius: f32) -> Hitbox {
        let ends = [[from.0, from.1, from.2], [to.0, to.1, to.2]];
        Hitbox(Shape::Capsule { ends, radius })
    }

    /// Its middle.
    #[must_use]
    pub fn centre(&self) -> [f32; 3] {
        match self.0 {
            Shape::Ball { at, .. } | Shape::Block { at, .. } => at,
            Shape::Capsule { ends, .. } => between(ends[0], ends[1], 0.5),
        }
    }

    /// Whether two of them touch.
    #[must_use]
    pub fn overlaps(&self, other: &Hitbox) -> bool {
        match (self.round(), other.round()) {
            (Ok((a, r)), Ok((b, s))) => shape::line_to_line(a, b) <= r + s,
            (Ok((line, radius)), Err((at, half))) | (Err((at, half)), Ok((line, radius))) => {
                shape::line_to_block(line, at, half) <= radius
            }
            (Err((a, half)), Err((b, other))) => {
                (0..3).all(|i| (a[i] - b[i]).abs() <= half[i] + other[i])
            }
        }
    }

    /// How far a ray goes until it touches; `towards` has a length of one.
    pub(super) fn ray(&self, from: V, towards: V) -> Option<f64> {
        match self.round() {
            Ok((line, radius)) => shape::ray_to_line(from, towards, line, radius),
            Err((at, half)) => shape::ray_to_block(from, towards, at, half),
        }
    }

    /// How far it is from a point to its middle.
    pub(super) fn away(&self, from: [f32; 3]) -> f32 {
        length(sub(wide(self.centre()), wide(from))) as f32
    }

    /// On its way to another place. One that becomes another shape does so when it is there.
    pub(super) fn towards(&self, to: &Hitbox, part: f32) -> Hitbox {
        let mix = |a: f32, b: f32| a + (b - a) * part;
        Hitbox(match (self.0, to.0) {
            (Shape::Ball { at, radius }, Shape::Ball { at: to, radius: r }) => Shape::Ball {
                at: between(at, to, part),
                radius: mix(radius, r),
            },
            (Shape::Block { at, half }, Shape::Block { at: to, half: h }) => Shape::Block {
                at: between(at, to, part),
                half: between(half, h, part),
            },
            (
                Shape::Capsule { ends, radius },
                Shape::Capsule {
                    ends: to,
                    radius: r,
                },
            ) => Shape::Capsule {
                ends: [between(ends[0], to[0], part), between(ends[1], to[1], part)],
                radius: mix(radius, r),
            },
            (other, _) => other,
        })
    }

    /// What is round is a line with a radius; else a block with its half sides.
    fn round(&self) -> Result<([V; 2], f64), (V, V)> {
        match self.0 {
            Shape::Ball { at, radius } => Ok(([wide(at); 2], f64::from(radius))),
            Shape::Capsule { ends, radius } => Ok((ends.map(wide), f64::from(radius))),
            Shape::Block { at, half } => Err((wide(at), wide(half))),
        }
    }

    pub(super) fn write(&self, out: &mut Writer) {
        let mut put = |kind: u8, floats: &[f32]| {
            out.u8(kind);
            floats.iter().for_each(|x| out.u32_le(x.to_bits()));
        };
        match self.0 {
            Shape::Ball { at, radius } => put(0, &[at[0], at[1], at[2], radius]),
            Shape::Block { at, half } => {
                put(1, &[at[0], at[1], at[2], half[0], half[1], half[2]]);
            }
            Shape::Capsule {
                ends: [a, b],
                radius,
            } => put(2, &[a[0], a[1], a[2], b[0], b[1], b[2], radius]),
        }
    }

    pub(super) fn read(input: &mut Reader) -> Result<Hitbox, RestoreError> {
        let kind = input.at("hitbox").u8()?;
        let mut float = || Ok::<f32, RestoreError>(f32::from_bits(input.u32_le()?));
        let mut point = || Ok::<[f32; 3], RestoreError>([float()?, float()?, float()?]);
        Ok(Hitbox(match kind {
            0 => Shape::Ball {
                at: point()?,
                radius: float()?,
            },
            1 => Shape::Block {
                at: point()?,
                half: point()?,
            },
            2 => Shape::Capsule {
                ends: [point()?, point()?],
                radius: float()?,
            },
            _ => return Err(RestoreError::Damaged("a hitbox")),
        }))
    }
}

pub(super) fn wide(point: [f32; 3]) -> V {
    point.map(f64::from)
}

/// A point on a ray.
pub(super) fn along(from: V, towards: V, distance: f64) -> [f32; 3] {
    add(from, scale(towards, distance)).map(|x| x as f32)
}

/// A direction of length one; `None`: it is none.
pub(super) fn direction(towards: V) -> Option<V> {
    let length = dot(towards, towards).sqrt();
    (length > 0.0 && length.is_finite()).then(|| scale(towards, 1.0 / length))
}

fn between(from: [f32; 3], to: [f32; 3], part: f32) -> [f32; 3] {
    std::array::from_fn(|i| from[i] + (to[i] - from[i]) * part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn point() -> impl Strategy<Value = (f32, f32, f32)> {
        let axis = || (-40i32..=40).prop_map(|x| x as f32 / 4.0);
        (axis(), axis(), axis())
    }

    fn any_hitbox() -> impl Strategy<Value = Hitbox> {
        let size = || (1i32..=16).prop_map(|x| x as f32 / 4.0);
        prop_oneof![
            (point(), size()).prop_map(|(at, radius)| Hitbox::sphere(at, radius)),
            (point(), size(), size(), size())
                .prop_map(|(at, x, y, z)| Hitbox::cuboid(at, (x, y, z))),
            (point(), point(), size()).prop_map(|(a, b, radius)| Hitbox::capsule_3d(a, b, radius)),
        ]
    }

    /// How far a point is from a hitbox.
    fn away(hitbox: &Hitbox, point: [f32; 3]) -> f64 {
        let point = wide(point);
        match hitbox.round() {
            Ok((line, radius)) => shape::line_to_line([point; 2], line) - radius,
            Err((at, half)) => shape::line_to_block([point; 2], at, half),
        }
    }

    proptest! {
        /// A ray touches where it says and not before, and one that touches nothing passes by.
        #[test]
        fn a_ray_touches_the_first_time(hitbox in any_hitbox(), from in point(), to in point()) {
            let start = wide([from.0, from.1, from.2]);
            let Some(towards) = direction(sub(wide([to.0, to.1, to.2]), start)) else { return Ok(()) };
            let found = hitbox.ray(start, towards);
            let end = found.unwrap_or(60.0);
            if let Some(distance) = found {
                prop_assert!(away(&hitbox, along(start, towards, distance)) < 1e-3);
            }
            for step in 0..200 {
                let before = along(start, towards, end * f64::from(step) / 200.0);
                prop_assert!(end == 0.0 || away(&hitbox, before) > -1e-3, "{found:?} at {before:?}");
            }
        }

        /// Two overlap if a point of one is in the other, whichever is asked; and those that are far apart do not.
        #[test]
        fn overlapping_is_mutual(a in any_hitbox(), b in any_hitbox(), parts in (0u32..=8, 0u32..=8, 0u32..=8)) {
            prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
            let part = |part: u32| f64::from(part) / 4.0 - 1.0;
            let inside = match a.round() {
                Ok(([from, to], _)) => add(from, scale(sub(to, from), f64::from(parts.0) / 8.0)),
                Err((at, half)) => add(at, [part(parts.0) * half[0], part(parts.1) * half[1], part(parts.2) * half[2]]),
            };
            if away(&b, inside.map(|x| x as f32)) < -1e-4 {
                prop_assert!(a.overlaps(&b));
            }
            let far = Hitbox::sphere((500.0, 0.0, 0.0), 400.0);
            prop_assert!(!a.overlaps(&far) && !far.overlaps(&b));
        }

        /// What was written reads as it was, and half of the way is in the middle.
        #[test]
        fn hitboxes_are_values(a in any_hitbox(), b in any_hitbox()) {
            let mut out = Writer::new();
            a.write(&mut out);
            let bytes = out.into_vec();
            prop_assert_eq!(Hitbox::read(&mut Reader::new(&bytes)).unwrap(), a);
            prop_assert_eq!(a.towards(&b, 0.0), a);
            if std::mem::discriminant(&a.0) == std::mem::discriminant(&b.0) {
                let middle = a.towards(&b, 0.5).centre();
                let expected: [f32; 3] = std::array::from_fn(|i| (a.centre()[i] + b.centre()[i]) / 2.0);
                prop_assert!((0..3).all(|i| (middle[i] - expected[i]).abs() < 1e-4));
            }
        }
    }

    #[test]
    fn what_is_no_direction_touches_nothing() {
        assert_eq!(direction([0.0; 3]), None);
        assert_eq!(direction([f64::NAN, 1.0, 0.0]), None);
        assert_eq!(direction([f64::INFINITY, 1.0, 0.0]), None);
        let nowhere = Hitbox::circle((f32::NAN, 0.0), 1.0);
        assert_eq!(nowhere.ray([0.0; 3], [1.0, 0.0, 0.0]), None);
    }
}
