//! A field as a value of its own, for tools, tests and generic clients. The fast paths of games never come here.

use crate::area::NetId;
use crate::quant::{Quant, UNSEEN, target};
use crate::schema::FieldSchema;

/// What a field holds, whatever its quantiser.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number: of a range, an angle in radians, a float.
    Number(f64),
    /// A direction or rotation.
    Vector(Vec<f64>),
    /// A text, or the name of an enum's variant.
    Text(String),
    /// Postcard bytes of a field that serde wrote.
    Bytes(Vec<u8>),
    /// A reference to an entity of the area, or none.
    Entity(Option<NetId>),
    /// A reference to an entity that the viewer may not see.
    Unseen,
    /// The elements of an array.
    List(Vec<Value>),
}

/// Why a value does not fit a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Another kind of value.
    #[error("this field holds another kind of value")]
    Kind,
    /// Out of the field's range, or no variant of its enum.
    #[error("the value is out of the field's range")]
    Range,
    /// Too many bytes, no UTF-8, or not of the declared shape.
    #[error("the bytes do not fit the field")]
    Bytes,
}

impl Quant {
    /// Quantises one element. Out of range numbers are clamped, as the game's own are.
    pub fn quantise(
        &self,
        value: &Value,
        ints: &mut [i32],
        blob: &mut Vec<u8>,
    ) -> Result<(), ValueError> {
        match (self, value) {
            (Self::Bool, Value::Bool(truth)) => ints[0] = i32::from(*truth),
            (Self::Enum { variants }, Value::Text(name)) => {
                ints[0] = variants
                    .iter()
                    .position(|v| v == name)
                    .ok_or(ValueError::Range)? as i32;
            }
            (Self::Unit2 { .. } | Self::Unit3 { .. } | Self::Quat { .. }, Value::Vector(parts)) => {
                self.put_vector(parts, ints)
            }
            (Self::Unit3 { .. } | Self::Quat { .. }, _) => return Err(ValueError::Kind),
            (Self::Entity, Value::Entity(id)) => put_entity(*id, ints)?,
            (Self::Entity, Value::Unseen) => (ints[0], ints[1]) = (UNSEEN, 0),
            (Self::Target, Value::Entity(None)) => (ints[0], ints[1]) = (0, 0),
            (Self::Entity | Self::Target, _) => return Err(ValueError::Kind),
            (Self::Text { .. }, Value::Text(text)) => put_bytes(self, text.as_bytes(), blob)?,
            (Self::Blob { .. }, Value::Bytes(bytes)) => put_bytes(self, bytes, blob)?,
            (Self::Text { .. } | Self::Blob { .. }, _) => return Err(ValueError::Kind),
            (_, Value::Int(int)) => self.put_int(*int, ints),
            (_, Value::Number(number)) => self.put_number(*number, ints),
            (_, Value::Bool(truth)) => self.put_int(i64::from(*truth), ints),
            _ => return Err(ValueError::Kind),
        }
        Ok(())
    }

    /// The value of one element.
    pub fn dequantise(&self, ints: &[i32], blob: &[u8]) -> Value {
        match self {
            Self::Bool => Value::Bool(ints[0] != 0),
            Self::Bits { .. } | Self::Varint => Value::Int(self.int(ints)),
            Self::Range { .. } | Self::Angle { .. } | Self::F32 => Value::Number(self.number(ints)),
            Self::Unit2 { .. } => Value::Vector(self.vector(ints)[..2].to_vec()),
            Self::Unit3 { .. } => Value::Vector(self.vector(ints)[..3].to_vec()),
            Self::Quat { .. } => Value::Vector(self.vector(ints).to_vec()),
            Self::Enum { variants } => {
                Value::Text(variants.get(ints[0] as usize).cloned().unwrap_or_default())
            }
            Self::Entity if ints[0] == UNSEEN => Value::Unseen,
            Self::Entity => Value::Entity(entity(ints)),
            Self::Target => Value::Entity(target(ints).map(|(_, id)| id)),
            Self::Text { .. } => Value::Text(String::from_utf8_lossy(blob).into_owned()),
            Self::Blob { .. } => Value::Bytes(blob.to_vec()),
        }
    }
}

impl FieldSchema {
    /// The value of the whole field from its columns (fine units where it is a track).
    pub fn value(&self, ints: &[i32], blob: &[u8]) -> Value {
        let quant = self.column_quant();
        if self.len == 1 {
            return quant.dequantise(ints, blob);
        }
        Value::List(
            ints.chunks(quant.columns().max(1))
                .map(|element| quant.dequantise(element, &[]))
                .collect(),
        )
    }
}

impl FieldSchema {
    /// Quantises a whole field, what [`value`](Self::value) gives, into its columns or bytes. Out of range numbers are clamped.
    ///
    /// # Errors
    /// Where the value is of another kind than the field, or has another number of elements.
    pub fn quantise(
        &self,
        value: &Value,
        ints: &mut [i32],
        blob: &mut Vec<u8>,
    ) -> Result<(), ValueError> {
        let quant = self.column_quant();
        if self.len == 1 {
            return quant.quantise(value, ints, blob);
        }
        let Value::List(elements) = value else {
            return Err(ValueError::Kind);
        };
        if elements.len() != usize::from(self.len) {
            return Err(ValueError::Range);
        }
        let places = ints.chunks_mut(quant.columns().max(1));
        elements
            .iter()
            .zip(places)
            .try_for_each(|(element, place)| quant.quantise(element, place, blob))
    }
}

/// The reference in two columns; `None` for none and for `Unseen`.
pub fn entity(ints: &[i32]) -> Option<NetId> {
    match ints {
        [slot @ 1..UNSEEN, generation, ..] => Some(NetId {
            slot: (slot - 1) as u32,
            generation: *generation as u16,
        }),
        _ => None,
    }
}

/// Writes a reference into two columns.
pub fn put_entity(id: Option<NetId>, ints: &mut [i32]) -> Result<(), ValueError> {
    (ints[0], ints[1]) = match id {
        None => (0, 0),
        Some(NetId { slot, generation }) if (slot as i32) < UNSEEN - 1 && slot < UNSEEN as u32 => {
            (slot as i32 + 1, i32::from(generation))
        }
        Some(_) => return Err(ValueError::Range),
    };
    Ok(())
}

fn put_bytes(quant: &Quant, bytes: &[u8], blob: &mut Vec<u8>) -> Result<(), ValueError> {
    if !quant.valid_blob(bytes) {
        return Err(ValueError::Bytes);
    }
    blob.clear();
    blob.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_several_elements_comes_back_as_it_went() {
        let range = Quant::Range {
            min: 0.0,
            max: 8.0,
            step: 0.5,
        };
        let mut field = FieldSchema::new("list", range);
        field.len = 3;
        let list = Value::List([1.0, 2.5, 8.0].map(Value::Number).to_vec());
        let mut ints = [0; 3];
        assert_eq!(field.quantise(&list, &mut ints, &mut Vec::new()), Ok(()));
        assert_eq!(field.value(&ints, &[]), list);
        let short = Value::List(vec![Value::Number(1.0)]);
        let fault = field.quantise(&short, &mut ints, &mut Vec::new());
        assert_eq!(fault, Err(ValueError::Range));
        let one = Value::Number(1.0);
        let fault = field.quantise(&one, &mut ints, &mut Vec::new());
        assert_eq!(fault, Err(ValueError::Kind));
    }
}
