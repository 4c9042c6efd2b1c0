//! A shape's own bytes, inside a schema: read with a limit of depth and nodes, so that a hostile schema cannot overflow the stack.

use serde::de::{Error as _, Visitor};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tickwire_proto::wire::{Reader, WireError, WireFault, Writer};

use super::Shape;
use crate::schema::NAME_MAX;

/// Levels that a shape nests at most.
pub const SHAPE_DEPTH_MAX: usize = 32;
/// Nodes of a shape at most.
pub const SHAPE_NODES_MAX: usize = 4096;

/// In JSON a shape is what [`describe`](Shape::describe) says; in other formats it is bytes. Only those can be read again.
impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return self.describe().serialize(serializer);
        }
        let mut writer = Writer::new();
        self.put(&mut writer);
        let bytes = writer.into_vec();
        // Told here, where the type can still be changed, rather than by every client.
        Self::read(&bytes).map_err(|why| {
            S::Error::custom(format_args!("a type of a message or field is too large or too deep to be described ({why}): make it simpler"))
        })?;
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Shape;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the bytes of a shape")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Shape, E> {
                Shape::read(bytes).map_err(E::custom)
            }
        }
        if deserializer.is_human_readable() {
            return Err(D::Error::custom("a shape is read from bytes only"));
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

impl Shape {
    fn put(&self, out: &mut Writer) {
        out.u8(self.tag());
        match self {
            Self::Str { max } | Self::Bytes { max } => out.varint_u32(*max),
            Self::Option(inner) | Self::Boxed(inner) => inner.put(out),
            Self::Seq { item, max } => {
                out.varint_u32(*max);
                item.put(out);
            }
            Self::Map { key, value, max } => {
                out.varint_u32(*max);
                key.put(out);
                value.put(out);
            }
            Self::Array { item, len } => {
                out.varint_u32(*len);
                item.put(out);
            }
            Self::Tuple(parts) => {
                out.varint_u32(parts.len() as u32);
                parts.iter().for_each(|part| part.put(out));
            }
            Self::Struct {
                name,
                fields: parts,
            }
            | Self::Enum {
                name,
                variants: parts,
            } => {
                out.str(name, NAME_MAX);
                out.varint_u32(parts.len() as u32);
                for (name, part) in parts {
                    out.str(name, NAME_MAX);
                    part.put(out);
                }
            }
            _ => {}
        }
    }

    fn tag(&self) -> u8 {
        match self {
            Self::Unit => 0,
            Self::Bool => 1,
            Self::U8 => 2,
            Self::U16 => 3,
            Self::U32 => 4,
            Self::U64 => 5,
            Self::I8 => 6,
            Self::I16 => 7,
            Self::I32 => 8,
            Self::I64 => 9,
            Self::F32 => 10,
            Self::F64 => 11,
            Self::Char => 12,
            Self::Str { .. } => 13,
            Self::Bytes { .. } => 14,
            Self::Option(_) => 15,
            Self::Seq { .. } => 16,
            Self::Map { .. } => 17,
            Self::Array { .. } => 18,
            Self::Tuple(_) => 19,
            Self::Struct { .. } => 20,
            Self::Enum { .. } => 21,
            Self::Boxed(_) => 22,
        }
    }

    fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut form = Form {
            reader: Reader::new(bytes),
            nodes_left: SHAPE_NODES_MAX,
        };
        form.reader.at("shape");
        let shape = form.shape(SHAPE_DEPTH_MAX)?;
        form.reader.finish()?;
        Ok(shape)
    }
}

/// A reader of shapes and what it may still make.
struct Form<'a> {
    reader: Reader<'a>,
    nodes_left: usize,
}

impl Form<'_> {
    fn shape(&mut self, depth: usize) -> Result<Shape, WireError> {
        let too_many = |limit: usize| WireFault::TooLong {
            len: limit as u64 + 1,
            max: limit as u64,
        };
        let deeper = depth
            .checked_sub(1)
            .ok_or_else(|| self.reader.error(too_many(SHAPE_DEPTH_MAX)))?;
        self.nodes_left = self
            .nodes_left
            .checked_sub(1)
            .ok_or_else(|| self.reader.error(too_many(SHAPE_NODES_MAX)))?;
        Ok(match self.reader.u8()? {
            0 => Shape::Unit,
            1 => Shape::Bool,
            2 => Shape::U8,
            3 => Shape::U16,
            4 => Shape::U32,
            5 => Shape::U64,
            6 => Shape::I8,
            7 => Shape::I16,
            8 => Shape::I32,
            9 => Shape::I64,
            10 => Shape::F32,
            11 => Shape::F64,
            12 => Shape::Char,
            13 => Shape::Str {
                max: self.reader.varint_u32()?,
            },
            14 => Shape::Bytes {
                max: self.reader.varint_u32()?,
            },
            15 => Shape::Option(self.boxed(deeper)?),
            16 => Shape::Seq {
                max: self.reader.varint_u32()?,
                item: self.boxed(deeper)?,
            },
            17 => Shape::Map {
                max: self.reader.varint_u32()?,
                key: self.boxed(deeper)?,
                value: self.boxed(deeper)?,
            },
            18 => Shape::Array {
                len: self.reader.varint_u32()?,
                item: self.boxed(deeper)?,
            },
            19 => {
                let count = self.reader.count(SHAPE_NODES_MAX, 1)?;
                Shape::Tuple(
                    (0..count)
                        .map(|_| self.shape(deeper))
                        .collect::<Result<_, _>>()?,
                )
            }
            20 => Shape::Struct {
                name: self.name()?,
                fields: self.named(deeper)?,
            },
            21 => Shape::Enum {
                name: self.name()?,
                variants: self.named(deeper)?,
            },
            22 => Shape::Boxed(self.boxed(deeper)?),
            tag => return Err(self.reader.error(WireFault::OutOfRange(u64::from(tag)))),
        })
    }

    fn boxed(&mut self, depth: usize) -> Result<Box<Shape>, WireError> {
        self.shape(depth).map(Box::new)
    }

    fn name(&mut self) -> Result<String, WireError> {
        self.reader.str(NAME_MAX).map(str::to_owned)
    }

    fn named(&mut self, depth: usize) -> Result<Vec<(String, Shape)>, WireError> {
        let count = self.reader.count(SHAPE_NODES_MAX, 2)?;
        (0..count)
            .map(|_| Ok((self.name()?, self.shape(depth)?)))
            .collect()
    }
}
