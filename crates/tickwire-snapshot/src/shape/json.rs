//! Values of a shape as JSON, for clients that have no type, and the shape itself described for tools that generate types. The way back is in `unjson`.

use serde_json::{Map, Value, json};
use tickwire_proto::wire::Writer;

use super::Shape;
use super::check::{ShapeError, Walker};
use super::unjson::wrong;
use crate::message::MESSAGE_DECODED_MAX;

/// The greatest integer that a JavaScript number holds exactly.
pub(super) const SAFE_MAX: u64 = (1 << 53) - 1;

/// Why a JSON value is not of a shape: the caller's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", if path.is_empty() { "the value" } else { path.as_str() })]
pub struct JsonError {
    /// Where in the value, like `items[2].name`.
    pub path: String,
    /// What was expected there.
    pub why: String,
}

impl Shape {
    /// The value of checked bytes as JSON.
    ///
    /// Structs are objects, enums are `"Name"` or `{"Name": content}`, none is `null`; 64-bit integers past 2^53 are strings, bytes are lists of
    /// numbers, floats that are not finite `null`. Maps are objects where the keys are texts, else lists of pairs. Where `null` could mean two things,
    /// some is a list of one.
    pub fn to_value(&self, bytes: &[u8]) -> Result<Value, ShapeError> {
        self.check(bytes, MESSAGE_DECODED_MAX)?;
        Walker::new(bytes, MESSAGE_DECODED_MAX).value(self)
    }

    /// The bytes of a JSON value, of the form that [`to_value`](Self::to_value) makes. A missing field is `null`; an unknown one is an error.
    pub fn from_value(&self, value: &Value) -> Result<Vec<u8>, JsonError> {
        let mut out = Writer::new();
        self.write(value, &mut out)?;
        let bytes = out.into_vec();
        match self.check(&bytes, MESSAGE_DECODED_MAX) {
            Ok(()) => Ok(bytes),
            Err(error) => Err(wrong(format!("too large: {error}"))),
        }
    }

    /// The shape itself as JSON, for tools that make types of it: `"u8"`, `{"seq": .., "max": 8}`, `{"struct": "Name", "fields": [["x", "f32"]]}` and so on.
    pub fn describe(&self) -> Value {
        let named = |parts: &[(String, Self)]| {
            parts
                .iter()
                .map(|(name, part)| json!([name, part.describe()]))
                .collect::<Vec<_>>()
        };
        match self {
            Self::Bool => json!("bool"),
            Self::U8 => json!("u8"),
            Self::U16 => json!("u16"),
            Self::U32 => json!("u32"),
            Self::U64 => json!("u64"),
            Self::I8 => json!("i8"),
            Self::I16 => json!("i16"),
            Self::I32 => json!("i32"),
            Self::I64 => json!("i64"),
            Self::F32 => json!("f32"),
            Self::F64 => json!("f64"),
            Self::Char => json!("char"),
            Self::Unit => json!("unit"),
            Self::Str { max } => json!({ "str": max }),
            Self::Bytes { max } => json!({ "bytes": max }),
            Self::Option(inner) => json!({ "option": inner.describe() }),
            Self::Seq { item, max } => json!({ "seq": item.describe(), "max": max }),
            Self::Map { key, value, max } => {
                json!({ "map": [key.describe(), value.describe()], "max": max })
            }
            Self::Array { item, len } => json!({ "array": item.describe(), "len": len }),
            Self::Tuple(parts) => {
                json!({ "tuple": parts.iter().map(Self::describe).collect::<Vec<_>>() })
            }
            Self::Struct { name, fields } => json!({ "struct": name, "fields": named(fields) }),
            Self::Enum { name, variants } => json!({ "enum": name, "variants": named(variants) }),
            Self::Boxed(inner) => inner.describe(),
        }
    }

    /// Whether `null` is one of its values.
    pub(super) fn nullable(&self) -> bool {
        match self {
            Self::Option(_) | Self::Unit | Self::F32 | Self::F64 => true,
            Self::Boxed(inner) => inner.nullable(),
            _ => false,
        }
    }

    pub(super) fn is_text(&self) -> bool {
        match self {
            Self::Str { .. } => true,
            Self::Boxed(inner) => inner.is_text(),
            _ => false,
        }
    }
}

/// Reading.
impl Walker<'_> {
    fn value(&mut self, shape: &Shape) -> Result<Value, ShapeError> {
        self.step()?;
        Ok(match shape {
            Shape::Unit => Value::Null,
            Shape::Bool => self.flag()?.into(),
            Shape::U8 => self.byte()?.into(),
            Shape::I8 => (self.byte()? as i8).into(),
            Shape::U16 => self.varint(16)?.into(),
            Shape::U32 => self.varint(32)?.into(),
            Shape::U64 => unsigned(self.varint(64)?),
            Shape::I16 => signed(self.varint(16)?),
            Shape::I32 => signed(self.varint(32)?),
            Shape::I64 => signed(self.varint(64)?),
            // By its shortest text: 0.1 as f32 is 0.1 in JSON too, and the same bits again on the way back.
            Shape::F32 => self
                .float32()?
                .to_string()
                .parse::<f64>()
                .map_or(Value::Null, Value::from),
            Shape::F64 => self.float64()?.into(),
            Shape::Char => self.char()?.to_string().into(),
            Shape::Str { max } => self.text(*max)?.into(),
            Shape::Bytes { max } => self.byte_string(*max)?.into(),
            Shape::Option(inner) => match self.flag()? {
                false => Value::Null,
                true if inner.nullable() => Value::Array(vec![self.value(inner)?]),
                true => self.value(inner)?,
            },
            Shape::Seq { item, max } => {
                let len = self.items(item, *max)?;
                self.list((0..len).map(|_| &**item))?
            }
            Shape::Map { key, value, max } => {
                let len = self.pairs(key, value, *max)?;
                self.map(key, value, len)?
            }
            Shape::Array { item, len } => self.list((0..*len).map(|_| &**item))?,
            Shape::Tuple(parts) => self.list(parts.iter())?,
            Shape::Struct { fields, .. } => {
                let object = fields
                    .iter()
                    .map(|(name, field)| Ok((name.clone(), self.value(field)?)));
                Value::Object(object.collect::<Result<_, _>>()?)
            }
            Shape::Enum { name, variants } => match self.variant(name, variants)? {
                (name, Shape::Unit) => name.into(),
                (name, content) => {
                    let content = self.value(content)?;
                    Value::Object(Map::from_iter([(name.to_owned(), content)]))
                }
            },
            Shape::Boxed(inner) => self.value(inner)?,
        })
    }

    fn list<'s>(&mut self, items: impl Iterator<Item = &'s Shape>) -> Result<Value, ShapeError> {
        items
            .map(|item| self.value(item))
            .collect::<Result<_, _>>()
            .map(Value::Array)
    }

    fn map(&mut self, key: &Shape, value: &Shape, len: u32) -> Result<Value, ShapeError> {
        let mut pairs = Vec::new();
        for _ in 0..len {
            pairs.push((self.value(key)?, self.value(value)?));
        }
        if !key.is_text() {
            return Ok(pairs
                .into_iter()
                .map(|(key, value)| json!([key, value]))
                .collect());
        }
        let object = pairs
            .into_iter()
            .filter_map(|(key, value)| Some((key.as_str()?.to_owned(), value)));
        Ok(Value::Object(object.collect()))
    }
}

fn unsigned(int: u64) -> Value {
    if int > SAFE_MAX {
        int.to_string().into()
    } else {
        int.into()
    }
}

fn signed(zigzag: u64) -> Value {
    let int = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
    if int.unsigned_abs() > SAFE_MAX {
        int.to_string().into()
    } else {
        int.into()
    }
}
