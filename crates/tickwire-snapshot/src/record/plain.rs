//! Fields of plain types: truth values, integers, floats, arrays of floats, texts, and references to entities.

use tickwire_proto::wire::cut;

use super::{FieldCodec, NoRefs, ReadFault, Refs};
use crate::area::NetId;
use crate::quant::Quant;
use crate::row::{FieldMut, FieldRef};
use crate::value::{entity, put_entity};

/// Bytes of a replicated text at most, if `#[net(max = n)]` does not say less or more.
const TEXT_MAX_DEFAULT: u16 = 64;

impl FieldCodec for bool {
    fn quant() -> Quant {
        Quant::Bool
    }

    fn fits(quant: &Quant) -> bool {
        matches!(quant, Quant::Bool)
    }

    fn put(&self, field: FieldMut<'_>, _refs: &dyn Refs) {
        field.ints[0] = i32::from(*self);
    }

    fn get(field: FieldRef<'_>, _refs: &dyn Refs) -> Result<Self, ReadFault> {
        Ok(column(&field)? != 0)
    }

    fn put_exact(&self, out: &mut Vec<u8>, _refs: &dyn Refs) {
        out.push(u8::from(*self));
    }

    fn get_exact(input: &mut &[u8], _refs: &dyn Refs) -> Result<Self, ReadFault> {
        match array(input)? {
            [byte @ 0..=1] => Ok(byte == 1),
            _ => Err(ReadFault::Range),
        }
    }
}

macro_rules! ints {
    ($($int:ty, $signed:literal, $quant:expr);* $(;)?) => {$(
        impl FieldCodec for $int {
            fn quant() -> Quant {
                $quant
            }

            fn fits(quant: &Quant) -> bool {
                match quant {
                    Quant::Bits { bits, signed } => *signed == $signed && u32::from(*bits) <= <$int>::BITS,
                    Quant::Range { min, max, .. } => *min >= <$int>::MIN as f64 && *max <= <$int>::MAX as f64,
                    Quant::Varint => <$int>::BITS <= 32,
                    _ => false,
                }
            }

            fn put(&self, field: FieldMut<'_>, _refs: &dyn Refs) {
                // Any u64 beyond i64 is beyond every quantiser too: the clamp is the same.
                field.quant.put_int(i64::try_from(*self).unwrap_or(i64::MAX), field.ints);
            }

            fn get(field: FieldRef<'_>, _refs: &dyn Refs) -> Result<Self, ReadFault> {
                let column = column(&field)?;
                let int = match field.quant {
                    Quant::Varint if !$signed => i64::from(column as u32),
                    quant => quant.int(field.ints),
                };
                int.try_into().map_err(|_| ReadFault::Range)
            }

            fn put_exact(&self, out: &mut Vec<u8>, _refs: &dyn Refs) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn get_exact(input: &mut &[u8], _refs: &dyn Refs) -> Result<Self, ReadFault> {
                array(input).map(Self::from_le_bytes)
            }
        }
    )*};
}

ints! {
    u8, false, Quant::Bits { bits: 8, signed: false };
    u16, false, Quant::Bits { bits: 16, signed: false };
    u32, false, Quant::Bits { bits: 32, signed: false };
    u64, false, Quant::Range { min: 0.0, max: f64::from(crate::quant::STEPS_MAX), step: 1.0 };
    i8, true, Quant::Bits { bits: 8, signed: true };
    i16, true, Quant::Bits { bits: 16, signed: true };
    i32, true, Quant::Bits { bits: 32, signed: true };
    i64, true, Quant::Range { min: 0.0, max: f64::from(crate::quant::STEPS_MAX), step: 1.0 };
}

macro_rules! floats {
    ($($float:ty, $exact:expr);* $(;)?) => {$(
        impl FieldCodec for $float {
            fn quant() -> Quant {
                Quant::F32
            }

            fn fits(quant: &Quant) -> bool {
                match quant {
                    Quant::Range { .. } | Quant::Angle { .. } => true,
                    Quant::F32 => $exact,
                    _ => false,
                }
            }

            #[inline]
            fn put(&self, field: FieldMut<'_>, _refs: &dyn Refs) {
                field.quant.put_number(f64::from(*self), field.ints);
            }

            fn get(field: FieldRef<'_>, _refs: &dyn Refs) -> Result<Self, ReadFault> {
                column(&field)?;
                Ok(field.quant.number(field.ints) as $float)
            }

            fn put_exact(&self, out: &mut Vec<u8>, _refs: &dyn Refs) {
                out.extend_from_slice(&self.to_bits().to_le_bytes());
            }

            fn get_exact(input: &mut &[u8], _refs: &dyn Refs) -> Result<Self, ReadFault> {
                array(input).map(Self::from_le_bytes)
            }
        }
    )*};
}

floats! { f32, true; f64, false }

/// Directions and rotations are quantised as one; everything else element by element.
impl<const N: usize> FieldCodec for [f32; N] {
    fn quant() -> Quant {
        Quant::F32
    }

    fn elements(quant: &Quant) -> u8 {
        if parts(quant).is_some() {
            1
        } else {
            u8::try_from(N).unwrap_or(u8::MAX)
        }
    }

    fn fits(quant: &Quant) -> bool {
        match parts(quant) {
            Some(parts) => parts == N,
            None => (1..=usize::from(u8::MAX)).contains(&N) && <f32 as FieldCodec>::fits(quant),
        }
    }

    fn put(&self, field: FieldMut<'_>, _refs: &dyn Refs) {
        if parts(field.quant).is_some() {
            return field.quant.put_vector(&self.map(f64::from), field.ints);
        }
        for (element, column) in self.iter().zip(field.ints.chunks_mut(1)) {
            field.quant.put_number(f64::from(*element), column);
        }
    }

    fn get(field: FieldRef<'_>, _refs: &dyn Refs) -> Result<Self, ReadFault> {
        let mut array = [0.0; N];
        if parts(field.quant).is_some() {
            (0..field.ints.len()).try_for_each(|i| valid(&field, i))?;
            let vector = field.quant.vector(field.ints);
            array
                .iter_mut()
                .zip(vector)
                .for_each(|(element, part)| *element = part as f32);
            return Ok(array);
        }
        for (element, column) in array.iter_mut().zip(field.ints.chunks(1)) {
            *element = <f32 as FieldCodec>::get(
                FieldRef {
                    ints: column,
                    ..field
                },
                &NoRefs,
            )?;
        }
        Ok(array)
    }

    fn put_exact(&self, out: &mut Vec<u8>, _refs: &dyn Refs) {
        self.iter().for_each(|element| append(element, out));
    }

    fn get_exact(input: &mut &[u8], _refs: &dyn Refs) -> Result<Self, ReadFault> {
        let mut array = [0.0; N];
        for element in &mut array {
            *element = take(input)?;
        }
        Ok(array)
    }
}

/// Cut at a character where it is longer than its field.
impl FieldCodec for String {
    fn quant() -> Quant {
        Quant::Text {
            max: TEXT_MAX_DEFAULT,
        }
    }

    fn fits(quant: &Quant) -> bool {
        matches!(quant, Quant::Text { .. })
    }

    fn put(&self, field: FieldMut<'_>, _refs: &dyn Refs) {
        if let Some(blob) = field.blob {
            blob.clear();
            blob.extend_from_slice(cut(self, field.quant.blob_max()).as_bytes());
        }
    }

    fn get(field: FieldRef<'_>, _refs: &dyn Refs) -> Result<Self, ReadFault> {
        let bytes = field.blob.unwrap_or_default();
        if bytes.len() > field.quant.blob_max() {
            return Err(ReadFault::Range);
        }
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| ReadFault::Text)
    }

    fn put_exact(&self, out: &mut Vec<u8>, _refs: &dyn Refs) {
        append(&(self.len() as u64), out);
        out.extend_from_slice(self.as_bytes());
    }

    fn get_exact(input: &mut &[u8], _refs: &dyn Refs) -> Result<Self, ReadFault> {
        let len = usize::try_from(take::<u64>(input)?).map_err(|_| ReadFault::Truncated)?;
        let (text, rest) = input.split_at_checked(len).ok_or(ReadFault::Truncated)?;
        *input = rest;
        std::str::from_utf8(text)
            .map(str::to_owned)
            .map_err(|_| ReadFault::Text)
    }
}

/// Writes a reference to an entity of the world, by the bits of its handle. One that has no [`NetId`] is a reference to nothing.
pub fn put_ref(entity_bits: Option<u64>, field: FieldMut<'_>, refs: &dyn Refs) {
    let id = entity_bits.and_then(|bits| refs.to_net(bits));
    // A slot past the last cannot be: ids come from the same world.
    if put_entity(id, field.ints).is_err() {
        field.ints[..2].fill(0);
    }
}

/// Reads a reference. `None`: to nothing, or to an entity that this world does not have or may not see.
pub fn get_ref(field: FieldRef<'_>, refs: &dyn Refs) -> Result<Option<u64>, ReadFault> {
    (0..2).try_for_each(|i| valid(&field, i))?;
    Ok(entity(field.ints).and_then(|id| refs.to_entity(id)))
}

/// Appends a reference exactly: by its [`NetId`], since handles differ from world to world.
pub fn put_ref_exact(entity_bits: Option<u64>, out: &mut Vec<u8>, refs: &dyn Refs) {
    let id = entity_bits.and_then(|bits| refs.to_net(bits));
    append(&id.is_some(), out);
    if let Some(id) = id {
        append(&id.slot, out);
        append(&id.generation, out);
    }
}

/// Takes a reference from the front.
pub fn get_ref_exact(input: &mut &[u8], refs: &dyn Refs) -> Result<Option<u64>, ReadFault> {
    if !take::<bool>(input)? {
        return Ok(None);
    }
    let id = NetId {
        slot: take(input)?,
        generation: take(input)?,
    };
    Ok(refs.to_entity(id))
}

/// How many elements a quantiser takes as one vector.
fn parts(quant: &Quant) -> Option<usize> {
    match quant {
        Quant::Unit2 { .. } => Some(2),
        Quant::Unit3 { .. } => Some(3),
        Quant::Quat { .. } => Some(4),
        _ => None,
    }
}

/// The only column of a field, if it holds what it may.
fn column(field: &FieldRef<'_>) -> Result<i32, ReadFault> {
    valid(field, 0)?;
    Ok(field.ints[0])
}

/// Ranges need no check: a column beyond their ends, as a track may be by half a cell, means the end.
fn valid(field: &FieldRef<'_>, column: usize) -> Result<(), ReadFault> {
    let int = *field.ints.get(column).ok_or(ReadFault::Range)?;
    if matches!(field.quant, Quant::Range { .. }) || field.quant.valid(column, int) {
        Ok(())
    } else {
        Err(ReadFault::Range)
    }
}

/// Appends a plain value exactly.
fn append<T: FieldCodec>(value: &T, out: &mut Vec<u8>) {
    <T as FieldCodec>::put_exact(value, out, &NoRefs);
}

/// Takes a plain value from the front.
fn take<T: FieldCodec>(input: &mut &[u8]) -> Result<T, ReadFault> {
    <T as FieldCodec>::get_exact(input, &NoRefs)
}

fn array<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], ReadFault> {
    let (taken, rest) = input.split_first_chunk().ok_or(ReadFault::Truncated)?;
    *input = rest;
    Ok(*taken)
}
