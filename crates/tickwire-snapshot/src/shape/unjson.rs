//! JSON values into the postcard bytes of a shape, or an error that says where and what was wanted.

use serde_json::{Map, Number, Value};
use tickwire_proto::wire::Writer;

use super::Shape;
use super::json::{JsonError, SAFE_MAX};

impl Shape {
    pub(super) fn write(&self, value: &Value, out: &mut Writer) -> Result<(), JsonError> {
        match self {
            Self::Unit => {
                return expect(
                    value.is_null() || value.as_object().is_some_and(Map::is_empty),
                    "null",
                    value,
                );
            }
            Self::Bool => out.bool(
                value
                    .as_bool()
                    .ok_or_else(|| wanted("true or false", value))?,
            ),
            Self::U8 => out.u8(int(value, 0, 0xff)? as u8),
            Self::I8 => out.u8(int(value, -0x80, 0x7f)? as i8 as u8),
            Self::U16 => out.varint_u64(int(value, 0, i128::from(u16::MAX))? as u64),
            Self::U32 => out.varint_u64(int(value, 0, i128::from(u32::MAX))? as u64),
            Self::U64 => out.varint_u64(int(value, 0, i128::from(u64::MAX))? as u64),
            Self::I16 => {
                out.varint_i64(int(value, i128::from(i16::MIN), i128::from(i16::MAX))? as i64)
            }
            Self::I32 => {
                out.varint_i64(int(value, i128::from(i32::MIN), i128::from(i32::MAX))? as i64)
            }
            Self::I64 => {
                out.varint_i64(int(value, i128::from(i64::MIN), i128::from(i64::MAX))? as i64)
            }
            Self::F32 => out.raw(&f32_of(value)?.to_le_bytes()),
            Self::F64 => out.raw(
                &value
                    .as_f64()
                    .ok_or_else(|| wanted("a number", value))?
                    .to_le_bytes(),
            ),
            Self::Char => {
                let text = value
                    .as_str()
                    .filter(|text| text.chars().count() == 1)
                    .ok_or_else(|| wanted("one character", value))?;
                out.bytes(text.as_bytes());
            }
            Self::Str { max } => {
                let text = value.as_str().ok_or_else(|| wanted("a text", value))?;
                at_most(text.len(), *max, "bytes")?;
                out.bytes(text.as_bytes());
            }
            Self::Option(inner) => match value {
                Value::Null => out.bool(false),
                Value::Array(one) if inner.nullable() && one.len() == 1 => {
                    return some(inner, &one[0], out);
                }
                value => return some(inner, value, out),
            },
            Self::Bytes { max } => return write_items(&Self::U8, value, Some(*max), out),
            Self::Seq { item, max } => return write_items(item, value, Some(*max), out),
            Self::Array { item, len } => {
                expect(
                    value
                        .as_array()
                        .is_some_and(|items| items.len() == *len as usize),
                    &format!("a list of {len}"),
                    value,
                )?;
                return write_items(item, value, None, out);
            }
            Self::Map {
                key,
                value: content,
                max,
            } => return write_map(key, content, value, *max, out),
            Self::Tuple(parts) => return write_tuple(parts, value, out),
            Self::Struct { fields, .. } => return write_struct(fields, value, out),
            Self::Enum { variants, .. } => return write_enum(variants, value, out),
            Self::Boxed(inner) => return inner.write(value, out),
        }
        Ok(())
    }
}

fn some(inner: &Shape, value: &Value, out: &mut Writer) -> Result<(), JsonError> {
    out.bool(true);
    inner.write(value, out)
}

fn write_items(
    item: &Shape,
    value: &Value,
    max: Option<u32>,
    out: &mut Writer,
) -> Result<(), JsonError> {
    let items = value.as_array().ok_or_else(|| wanted("a list", value))?;
    if let Some(max) = max {
        at_most(items.len(), max, "elements")?;
        out.varint_u64(items.len() as u64);
    }
    items.iter().enumerate().try_for_each(|(i, element)| {
        item.write(element, out)
            .map_err(|e| e.inside(&format!("[{i}]")))
    })
}

fn write_tuple(parts: &[Shape], value: &Value, out: &mut Writer) -> Result<(), JsonError> {
    let items = value.as_array().filter(|items| items.len() == parts.len());
    let items = items.ok_or_else(|| wanted(&format!("a list of {}", parts.len()), value))?;
    parts
        .iter()
        .zip(items)
        .enumerate()
        .try_for_each(|(i, (part, item))| {
            part.write(item, out)
                .map_err(|e| e.inside(&format!("[{i}]")))
        })
}

fn write_struct(
    fields: &[(String, Shape)],
    value: &Value,
    out: &mut Writer,
) -> Result<(), JsonError> {
    let nothing = Map::new();
    let object = match value {
        Value::Object(object) => object,
        Value::Null if fields.is_empty() => &nothing,
        _ => return Err(wanted("an object", value)),
    };
    if let Some(unknown) = object
        .keys()
        .find(|key| !fields.iter().any(|(name, _)| name == *key))
    {
        let known: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        return Err(wrong(format!(
            "unknown field {unknown:?}: there is {}",
            known.join(", ")
        )));
    }
    fields.iter().try_for_each(|(name, field)| {
        field
            .write(object.get(name).unwrap_or(&Value::Null), out)
            .map_err(|e| e.inside(name))
    })
}

fn write_enum(
    variants: &[(String, Shape)],
    value: &Value,
    out: &mut Writer,
) -> Result<(), JsonError> {
    let (name, content) = match value {
        Value::String(name) => (name, &Value::Null),
        Value::Object(object) if object.len() == 1 => object
            .iter()
            .next()
            .ok_or_else(|| wanted("one variant", value))?,
        _ => {
            return Err(wanted(
                "the name of a variant, or an object with it as the only key",
                value,
            ));
        }
    };
    let Some(index) = variants.iter().position(|(variant, _)| variant == name) else {
        let known: Vec<&str> = variants.iter().map(|(name, _)| name.as_str()).collect();
        return Err(wrong(format!(
            "no variant {name:?}: there is {}",
            known.join(", ")
        )));
    };
    out.varint_u64(index as u64);
    variants[index]
        .1
        .write(content, out)
        .map_err(|e| e.inside(name))
}

fn write_map(
    key: &Shape,
    content: &Shape,
    value: &Value,
    max: u32,
    out: &mut Writer,
) -> Result<(), JsonError> {
    let pairs: Vec<(Value, &Value)> = match value {
        Value::Object(object) if key.is_text() => object
            .iter()
            .map(|(key, value)| (Value::from(key.as_str()), value))
            .collect(),
        Value::Array(pairs) if !key.is_text() => {
            let pair = |pair: &Value| pair.as_array().filter(|p| p.len() == 2).map(|_| ());
            expect(
                pairs.iter().all(|p| pair(p).is_some()),
                "a list of pairs",
                value,
            )?;
            pairs
                .iter()
                .map(|pair| (pair[0].clone(), &pair[1]))
                .collect()
        }
        _ => {
            return Err(wanted(
                if key.is_text() {
                    "an object"
                } else {
                    "a list of pairs"
                },
                value,
            ));
        }
    };
    at_most(pairs.len(), max, "pairs")?;
    out.varint_u64(pairs.len() as u64);
    for (name, value) in &pairs {
        let place = format!("[{name}]");
        key.write(name, out).map_err(|e| e.inside(&place))?;
        content.write(value, out).map_err(|e| e.inside(&place))?;
    }
    Ok(())
}

impl JsonError {
    fn inside(mut self, part: &str) -> Self {
        let joint = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{part}{joint}{}", self.path);
        self
    }
}

/// A whole number, also as text or as a float without fraction: JavaScript has no other.
fn int(value: &Value, min: i128, max: i128) -> Result<i128, JsonError> {
    let whole = |float: f64| {
        (float.fract() == 0.0 && float.abs() <= SAFE_MAX as f64).then_some(float as i128)
    };
    let int = match value {
        Value::Number(number) => {
            Number::as_i128(number).or_else(|| number.as_f64().and_then(whole))
        }
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    int.filter(|int| (min..=max).contains(int))
        .ok_or_else(|| wanted(&format!("a whole number from {min} to {max}"), value))
}

fn f32_of(value: &Value) -> Result<f32, JsonError> {
    let number = value
        .as_f64()
        .map(|number| number as f32)
        .filter(|number| number.is_finite());
    number.ok_or_else(|| wanted("a number", value))
}

fn at_most(len: usize, max: u32, what: &str) -> Result<(), JsonError> {
    if len > max as usize {
        Err(wrong(format!("{len} {what}, at most {max} are allowed")))
    } else {
        Ok(())
    }
}

fn expect(good: bool, what: &str, value: &Value) -> Result<(), JsonError> {
    if good {
        Ok(())
    } else {
        Err(wanted(what, value))
    }
}

fn wanted(what: &str, found: &Value) -> JsonError {
    let mut found = found.to_string();
    found.truncate(found.floor_char_boundary(60));
    wrong(format!("{what} is wanted, found {found}"))
}

pub(super) fn wrong(why: String) -> JsonError {
    JsonError {
        path: String::new(),
        why,
    }
}
