//! What postcard bytes look like: the `Shape` of a type, and the trait that tells it. Walking bytes is in `check`, JSON in `json` and `unjson`, the shape's own bytes in `form`.

mod check;
mod form;
mod json;
mod shaped;
mod unjson;

pub use check::ShapeError;
pub use form::{SHAPE_DEPTH_MAX, SHAPE_NODES_MAX};
pub use json::JsonError;
pub use shaped::{ITEMS_MAX_DEFAULT, Shaped, TEXT_MAX_DEFAULT};

/// What the postcard bytes of a type look like, as a value that travels in a schema.
///
/// With it bytes of a peer are checked before serde sees them, and a client without the type reads and writes them as JSON.
///
/// ```
/// use tickwire_snapshot::shape::{Shape, Shaped};
/// let shape = <(String, Vec<u16>)>::shape();
/// let bytes = [2, b'h', b'i', 1, 7];
/// shape.check(&bytes, 1024)?;
/// assert_eq!(shape.to_value(&bytes)?, serde_json::json!(["hi", [7]]));
/// // 5 bytes that claim four thousand million elements: refused before anything is allocated.
/// assert!(Vec::<u16>::shape().check(&[0xff, 0xff, 0xff, 0xff, 0x0f], 1024).is_err());
/// # Ok::<(), tickwire_snapshot::shape::ShapeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One byte, 0 or 1.
    Bool,
    /// One byte.
    U8,
    /// A varint of at most 16 bits.
    U16,
    /// A varint of at most 32 bits.
    U32,
    /// A varint of at most 64 bits.
    U64,
    /// One byte, two's complement.
    I8,
    /// A zigzag varint of at most 16 bits.
    I16,
    /// A zigzag varint of at most 32 bits.
    I32,
    /// A zigzag varint of at most 64 bits.
    I64,
    /// Four bytes, little-endian.
    F32,
    /// Eight bytes, little-endian.
    F64,
    /// One character as text of one to four bytes.
    Char,
    /// A length and UTF-8 bytes.
    Str {
        /// Bytes at most.
        max: u32,
    },
    /// A length and bytes: a `Vec<u8>`.
    Bytes {
        /// Bytes at most.
        max: u32,
    },
    /// A byte, 0 or 1, and the value after 1.
    Option(Box<Shape>),
    /// A length and that many values.
    Seq {
        /// What each value looks like.
        item: Box<Shape>,
        /// Values at most.
        max: u32,
    },
    /// A length and that many pairs.
    Map {
        /// What each key looks like.
        key: Box<Shape>,
        /// What each value looks like.
        value: Box<Shape>,
        /// Pairs at most.
        max: u32,
    },
    /// So many values, no length.
    Array {
        /// What each value looks like.
        item: Box<Shape>,
        /// How many.
        len: u32,
    },
    /// Values one after the other.
    Tuple(Vec<Shape>),
    /// Named values one after the other.
    Struct {
        /// Name of the type.
        name: String,
        /// Names and shapes of its fields, in order of declaration.
        fields: Vec<(String, Shape)>,
    },
    /// The number of a variant as a varint, and what that variant holds.
    Enum {
        /// Name of the type.
        name: String,
        /// Names and contents of its variants, in order of declaration.
        variants: Vec<(String, Shape)>,
    },
    /// The same bytes as what it holds; in Rust a box of its own.
    Boxed(Box<Shape>),
    /// No bytes.
    Unit,
}

impl Shape {
    /// The same with another bound: of the outermost text, bytes, sequence or map, also inside an option or a box.
    pub fn with_max(self, bound: u32) -> Self {
        match self {
            Self::Str { .. } => Self::Str { max: bound },
            Self::Bytes { .. } => Self::Bytes { max: bound },
            Self::Seq { item, .. } => Self::Seq { item, max: bound },
            Self::Map { key, value, .. } => Self::Map {
                key,
                value,
                max: bound,
            },
            Self::Option(inner) => Self::Option(Box::new(inner.with_max(bound))),
            Self::Boxed(inner) => Self::Boxed(Box::new(inner.with_max(bound))),
            other => other,
        }
    }

    /// The most bytes that a value of this shape takes on the wire; saturates.
    pub fn size_max(&self) -> usize {
        let times = |item: &Self, count: u32| item.size_max().saturating_mul(count as usize);
        let sum = |parts: &mut dyn Iterator<Item = &Self>| {
            parts.fold(0_usize, |sum, part| sum.saturating_add(part.size_max()))
        };
        match self {
            Self::Unit => 0,
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 3,
            Self::F32 => 4,
            Self::U32 | Self::I32 | Self::Char => 5,
            Self::F64 => 8,
            Self::U64 | Self::I64 => 10,
            Self::Str { max } | Self::Bytes { max } => varint_len(*max) + *max as usize,
            Self::Option(inner) => inner.size_max().saturating_add(1),
            Self::Boxed(inner) => inner.size_max(),
            Self::Seq { item, max } => times(item, *max).saturating_add(varint_len(*max)),
            Self::Map { key, value, max } => times(key, *max)
                .saturating_add(times(value, *max))
                .saturating_add(varint_len(*max)),
            Self::Array { item, len } => times(item, *len),
            Self::Tuple(parts) => sum(&mut parts.iter()),
            Self::Struct { fields, .. } => sum(&mut fields.iter().map(|(_, shape)| shape)),
            Self::Enum { variants, .. } => {
                let largest = variants
                    .iter()
                    .map(|(_, shape)| shape.size_max())
                    .max()
                    .unwrap_or(0);
                largest.saturating_add(varint_len(variants.len() as u32))
            }
        }
    }
}

fn varint_len(value: u32) -> usize {
    (32 - value.leading_zeros() as usize).div_ceil(7).max(1)
}
