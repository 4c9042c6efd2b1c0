//! Quantisers: how a value of a game becomes integer columns and back, the same on every machine. Directions and rotations are computed in `unit`.

use serde::{Deserialize, Serialize};

use crate::area::{AREA_IDS_MAX, AreaId, ENTITIES_MAX, NetId};
use crate::message::MESSAGE_DECODED_MAX;
use crate::schema::Lerp;
use crate::shape::Shape;
use crate::unit;

/// Steps of a range at most: columns are `i32`, and a canonical track needs room for its finer units.
pub const STEPS_MAX: u32 = 1 << 30;
/// Variants of an enum at most.
pub const VARIANTS_MAX: usize = 256;
/// Bits of a part of a rotation at most.
pub const QUAT_BITS_MAX: u8 = 20;
/// Bytes of a text or blob at most.
pub const BLOB_MAX: u32 = 4096;

/// How a field becomes integers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Quant {
    /// One column, 0 or 1.
    Bool,
    /// An integer in its natural width or fewer bits; out of range: clamped. 32 unsigned bits are kept as the same bits.
    Bits {
        /// 1 to 32.
        bits: u8,
        /// Two's complement.
        signed: bool,
    },
    /// A number rounded to the nearest step from `min` on, clamped to the range.
    Range {
        /// Least value.
        min: f64,
        /// Greatest value.
        max: f64,
        /// Step, above 0.
        step: f64,
    },
    /// Radians, wrapping, `2^bits` steps to a turn.
    Angle {
        /// 1 to 24.
        bits: u8,
    },
    /// A direction in the plane, as an angle of `2^bits` steps.
    Unit2 {
        /// 1 to 24.
        bits: u8,
    },
    /// A direction in space, octahedral: two columns.
    Unit3 {
        /// 2 to 24, each column.
        bits: u8,
    },
    /// A rotation, as the smallest three of its parts: the number of the largest, and three columns.
    Quat {
        /// The step of each part, which are within ± the root of 1/2: see [`Quant::quat_bits`].
        step: f64,
    },
    /// One of named variants.
    Enum {
        /// Their names, in order.
        variants: Vec<String>,
    },
    /// Any 32-bit integer; small ones are cheap.
    Varint,
    /// A reference to an entity of the same area: slot + 1 (0: none, [`UNSEEN`]: one that the viewer may not see) and generation.
    Entity,
    /// A float with its exact bits. Not finite ones become 0 or the greatest finite one.
    F32,
    /// UTF-8 text of at most `max` bytes; no integer column.
    Text {
        /// Bytes at most.
        max: u16,
    },
    /// Anything that serde writes, as postcard bytes of a known shape; no integer column.
    Blob {
        /// What the bytes look like.
        shape: Shape,
        /// Bytes at most.
        max: u32,
    },
    /// A reference of a command to an entity of any area that its sender sees, of a game that has several: see [`put_target`].
    Target,
}

/// Bits of a slot and 1, and of an area's number beside it, in the first column of a [`Quant::Target`].
const TARGET_SLOT_BITS: u32 = 17;
const TARGET_AREA_BITS: u32 = 13;

/// Writes a reference to an entity of an area into two columns: slot + 1 and the 13 lowest bits of the area's number above it, generation and
/// the other bits above it. No entity is two zeros.
pub fn put_target(target: Option<(AreaId, NetId)>, ints: &mut [i32]) {
    let [first, second, ..] = ints else { return };
    (*first, *second) = match target {
        Some((area, id)) if area.0 < AREA_IDS_MAX && (id.slot as usize) < ENTITIES_MAX => {
            let low = area.0 & ((1 << TARGET_AREA_BITS) - 1);
            (
                ((low << TARGET_SLOT_BITS) | (id.slot + 1)) as i32,
                (((area.0 >> TARGET_AREA_BITS) << 16) | u32::from(id.generation)) as i32,
            )
        }
        _ => (0, 0),
    };
}

/// Reads what [`put_target`] wrote.
pub fn target(ints: &[i32]) -> Option<(AreaId, NetId)> {
    let [first, second, ..] = *ints else {
        return None;
    };
    let (first, second) = (first as u32, second as u32);
    let slot = (first & ((1 << TARGET_SLOT_BITS) - 1)).checked_sub(1)?;
    let id = NetId {
        slot,
        generation: second as u16,
    };
    let area = first >> TARGET_SLOT_BITS | (second >> 16) << TARGET_AREA_BITS;
    Some((AreaId(area), id))
}

/// The slot column of a reference to an entity that the viewer may not see.
pub const UNSEEN: i32 = ENTITIES_MAX as i32 + 1;

/// Why a quantiser cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantError {
    /// Too few or too many bits.
    #[error("{bits} bits, this quantiser takes {least} to {most}")]
    Bits {
        /// Asked for.
        bits: u8,
        /// At least.
        least: u8,
        /// At most.
        most: u8,
    },
    /// A range that is empty, not finite, or has too many steps.
    #[error(
        "a range needs finite min < max, step > 0, and at most {STEPS_MAX} steps: use a larger step"
    )]
    Range,
    /// A step that is none for the parts of a rotation.
    #[error(
        "a rotation needs a step from 2^-{QUAT_BITS_MAX} to 0.75: its parts are within ±0.7072"
    )]
    Part,
    /// No variant, or too many.
    #[error("an enum needs 1 to {VARIANTS_MAX} variants of 1 to 64 bytes")]
    Variants,
    /// A text or blob of no or too many bytes.
    #[error("max must be 1 to {BLOB_MAX} bytes")]
    Blob,
    /// An array of no elements, or of texts or blobs.
    #[error("an array needs 1 element or more, and texts and blobs make no arrays")]
    Len,
}

impl Quant {
    /// A rotation whose parts take so many bits each, 2 to 20.
    pub fn quat_bits(bits: u8) -> Self {
        Self::Quat {
            step: unit::quat_step(bits.clamp(2, QUAT_BITS_MAX)),
        }
    }

    /// Integer columns of one element.
    pub fn columns(&self) -> usize {
        match self {
            Self::Text { .. } | Self::Blob { .. } => 0,
            Self::Unit3 { .. } | Self::Entity | Self::Target => 2,
            Self::Quat { .. } => 4,
            _ => 1,
        }
    }

    /// Whether the value is bytes beside the columns.
    pub fn is_blob(&self) -> bool {
        matches!(self, Self::Text { .. } | Self::Blob { .. })
    }

    /// Bytes of a text or blob at most; 0 for the others.
    pub fn blob_max(&self) -> usize {
        match self {
            Self::Text { max } => usize::from(*max),
            Self::Blob { max, .. } => *max as usize,
            _ => 0,
        }
    }

    /// The least and the greatest integer that a column may hold.
    pub fn bounds(&self, column: usize) -> (i32, i32) {
        match self {
            Self::Bool => (0, 1),
            Self::Bits { bits: 32, .. } | Self::Varint | Self::F32 => (i32::MIN, i32::MAX),
            Self::Bits {
                bits,
                signed: false,
            } => (0, top(*bits)),
            Self::Bits { bits, signed: true } => (-(1 << (bits - 1)), top(bits - 1)),
            Self::Range { .. } => (0, self.steps()),
            Self::Angle { bits } | Self::Unit2 { bits } => (0, top(*bits)),
            Self::Unit3 { bits } => (0, top(*bits) - 1),
            Self::Quat { .. } if column == 0 => (0, 3),
            Self::Quat { step } => (0, unit::quat_half(*step) as i32 * 2),
            Self::Enum { variants } => (0, variants.len() as i32 - 1),
            Self::Entity if column == 0 => (0, UNSEEN),
            Self::Entity => (0, i32::from(u16::MAX)),
            Self::Target if column == 0 => (0, (1 << (TARGET_SLOT_BITS + TARGET_AREA_BITS)) - 1),
            Self::Target => (0, (1 << (16 + 20 - TARGET_AREA_BITS)) - 1),
            Self::Text { .. } | Self::Blob { .. } => (0, 0),
        }
    }

    /// Whether a column may hold this integer. A float must be finite.
    pub fn valid(&self, column: usize, value: i32) -> bool {
        let (min, max) = self.bounds(column);
        (min..=max).contains(&value)
            && (!matches!(self, Self::F32) || f32::from_bits(value as u32).is_finite())
    }

    /// Whether the bytes may be the value of this text or blob.
    pub fn valid_blob(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Text { max } => {
                bytes.len() <= usize::from(*max) && std::str::from_utf8(bytes).is_ok()
            }
            Self::Blob { shape, max } => {
                bytes.len() <= *max as usize && shape.check(bytes, MESSAGE_DECODED_MAX).is_ok()
            }
            _ => bytes.is_empty(),
        }
    }

    /// Quantises a number: ranges, angles, integers, floats, truth values, variants. NaN counts as 0, then the range clamps.
    #[inline]
    pub fn put_number(&self, number: f64, ints: &mut [i32]) {
        let number = if number.is_nan() { 0.0 } else { number };
        ints[0] = match self {
            Self::Range { min, max, step } => unit::round((number.clamp(*min, *max) - min) / step),
            Self::Angle { bits } | Self::Unit2 { bits } => unit::turn(number, *bits),
            Self::F32 => finite(number as f32).to_bits() as i32,
            Self::Bits {
                bits: 32,
                signed: false,
            } => number.round().clamp(0.0, f64::from(u32::MAX)) as u32 as i32,
            Self::Bool => i32::from(number != 0.0),
            _ => self.clamp_int(number.round() as i64), // `as` saturates
        }
    }

    /// The number that a column of ranges, angles, integers, floats, truth values, variants stands for.
    pub fn number(&self, ints: &[i32]) -> f64 {
        let column = ints.first().copied().unwrap_or(0);
        match self {
            Self::Range { min, max, step } => (min + f64::from(column) * step).clamp(*min, *max),
            Self::Angle { bits } | Self::Unit2 { bits } => unit::radians(column, *bits),
            Self::F32 => f64::from(f32::from_bits(column as u32)),
            Self::Bits {
                bits: 32,
                signed: false,
            } => f64::from(column as u32),
            _ => f64::from(column),
        }
    }

    /// Quantises an integer: `Bits`, `Varint`, `Bool`, `Enum`; others take it as a number.
    pub fn put_int(&self, int: i64, ints: &mut [i32]) {
        match self {
            Self::Bits {
                bits: 32,
                signed: false,
            } => ints[0] = int.clamp(0, i64::from(u32::MAX)) as u32 as i32,
            Self::Varint if int > i64::from(i32::MAX) => {
                ints[0] = int.min(i64::from(u32::MAX)) as u32 as i32
            }
            Self::Bits { .. } | Self::Varint | Self::Bool | Self::Enum { .. } => {
                ints[0] = self.clamp_int(int)
            }
            _ => self.put_number(int as f64, ints),
        }
    }

    /// The integer that a column stands for (`Varint`: as signed).
    pub fn int(&self, ints: &[i32]) -> i64 {
        let column = ints.first().copied().unwrap_or(0);
        match self {
            Self::Bits {
                bits: 32,
                signed: false,
            } => i64::from(column as u32),
            Self::Bits { .. } | Self::Varint | Self::Bool | Self::Enum { .. } => i64::from(column),
            _ => self.number(ints).round() as i64,
        }
    }

    /// Quantises a vector: directions, rotations. Anything not finite or of no length becomes the first axis, or no rotation.
    pub fn put_vector(&self, parts: &[f64], ints: &mut [i32]) {
        match self {
            Self::Unit2 { bits } => ints[0] = unit::put2(parts, *bits),
            Self::Unit3 { bits } => ints[..2].copy_from_slice(&unit::put3(parts, *bits)),
            Self::Quat { step } => ints[..4].copy_from_slice(&unit::put4(parts, *step)),
            _ => self.put_number(parts.first().copied().unwrap_or(0.0), ints),
        }
    }

    /// The vector that columns stand for: 2, 3 or 4 parts; the rest of the array is 0.
    pub fn vector(&self, ints: &[i32]) -> [f64; 4] {
        match (self, ints) {
            (Self::Unit2 { bits }, [a, ..]) => unit::get2(*a, *bits),
            (Self::Unit3 { bits }, [a, b, ..]) => unit::get3([*a, *b], *bits),
            (Self::Quat { step }, [a, b, c, d, ..]) => unit::get4([*a, *b, *c, *d], *step),
            _ => [self.number(ints), 0.0, 0.0, 0.0],
        }
    }

    /// The greatest column of a range.
    pub fn steps(&self) -> i32 {
        match self {
            Self::Range { min, max, step } => ((max - min) / step).round() as i32,
            _ => 0,
        }
    }

    /// How a picture between two updates shows such a field, if nobody says otherwise.
    pub fn default_lerp(&self) -> Lerp {
        match self {
            Self::Range { .. } | Self::F32 => Lerp::Linear,
            Self::Angle { .. } | Self::Unit2 { .. } => Lerp::Angle,
            Self::Unit3 { .. } | Self::Quat { .. } => Lerp::Quat,
            _ => Lerp::Step,
        }
    }

    /// Whether its numbers make sense.
    pub fn check(&self) -> Result<(), QuantError> {
        let bits_within = |bits: u8, least: u8, most: u8| {
            if (least..=most).contains(&bits) {
                Ok(())
            } else {
                Err(QuantError::Bits { bits, least, most })
            }
        };
        match self {
            Self::Bits { bits, .. } => bits_within(*bits, 1, 32),
            Self::Angle { bits } | Self::Unit2 { bits } => bits_within(*bits, 1, 24),
            Self::Unit3 { bits } => bits_within(*bits, 2, 24),
            Self::Quat { step } => {
                let finest = unit::quat_step(QUAT_BITS_MAX);
                if (finest * 0.999..=0.75).contains(step) {
                    Ok(())
                } else {
                    Err(QuantError::Part)
                }
            }
            Self::Range { min, max, step } => {
                let steps = (max - min) / step;
                let good = min.is_finite()
                    && max.is_finite()
                    && *step > 0.0
                    && min < max
                    && (0.5..=f64::from(STEPS_MAX)).contains(&steps);
                if good { Ok(()) } else { Err(QuantError::Range) }
            }
            Self::Enum { variants } => {
                let good = (1..=VARIANTS_MAX).contains(&variants.len())
                    && variants.iter().all(|v| (1..=64).contains(&v.len()));
                if good {
                    Ok(())
                } else {
                    Err(QuantError::Variants)
                }
            }
            Self::Text { .. } | Self::Blob { .. } => {
                if (1..=BLOB_MAX as usize).contains(&self.blob_max()) {
                    Ok(())
                } else {
                    Err(QuantError::Blob)
                }
            }
            Self::Bool | Self::Varint | Self::Entity | Self::Target | Self::F32 => Ok(()),
        }
    }

    fn clamp_int(&self, int: i64) -> i32 {
        let (min, max) = self.bounds(0);
        int.clamp(i64::from(min), i64::from(max)) as i32
    }
}

/// The greatest integer of so many bits (at most 31).
fn top(bits: u8) -> i32 {
    ((1_u32 << bits) - 1) as i32
}

fn finite(number: f32) -> f32 {
    if number.is_nan() {
        0.0
    } else {
        number.clamp(f32::MIN, f32::MAX)
    }
}
