//! Fields that serde writes: postcard bytes of a known shape, for what has no better quantiser.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{FieldCodec, ReadFault, Refs};
use crate::message::MESSAGE_DECODED_MAX;
use crate::quant::Quant;
use crate::row::{FieldMut, FieldRef};
use crate::shape::Shaped;

/// Bytes of such a field at most, if `#[net(max = n)]` does not say less or more; fewer where the shape needs fewer.
pub const BLOB_MAX_DEFAULT: u32 = 1024;

/// The codec of whatever serde writes and whose shape is known.
#[derive(Clone, Copy, Debug)]
pub struct Serde;

impl<T: Serialize + DeserializeOwned + Shaped> FieldCodec<Serde> for T {
    fn quant() -> Quant {
        let shape = T::shape();
        let max = shape.size_max().clamp(1, BLOB_MAX_DEFAULT as usize) as u32;
        Quant::Blob { shape, max }
    }

    fn fits(quant: &Quant) -> bool {
        matches!(quant, Quant::Blob { shape, .. } if *shape == T::shape())
    }

    /// Panics where the value takes more bytes than the field may have: half of it would be another value, and nothing is dropped in silence.
    fn put(&self, field: FieldMut<'_>, _refs: &dyn Refs) {
        let Some(blob) = field.blob else { return };
        blob.clear();
        *blob = write(self, std::mem::take(blob));
        let max = field.quant.blob_max();
        assert!(
            field.quant.valid_blob(blob),
            "a replicated `{}` takes {} bytes; its field holds {max}, and {MESSAGE_DECODED_MAX} once decoded: raise `#[net(max = n)]` or keep it smaller",
            std::any::type_name::<T>(),
            blob.len(),
        );
    }

    fn get(field: FieldRef<'_>, _refs: &dyn Refs) -> Result<Self, ReadFault> {
        let bytes = field.blob.unwrap_or_default();
        if let Quant::Blob { shape, .. } = field.quant {
            shape.check(bytes, MESSAGE_DECODED_MAX)?;
        }
        postcard::from_bytes(bytes).map_err(|_| ReadFault::Value)
    }

    fn put_exact(&self, out: &mut Vec<u8>, _refs: &dyn Refs) {
        *out = write(self, std::mem::take(out));
    }

    /// Exact bytes are the server's own, so the game's memory is their only bound.
    fn get_exact(input: &mut &[u8], _refs: &dyn Refs) -> Result<Self, ReadFault> {
        let (value, rest) = postcard::take_from_bytes(input).map_err(|_| ReadFault::Value)?;
        *input = rest;
        Ok(value)
    }
}

/// Appends the value's bytes.
fn write<T: Serialize>(value: &T, out: Vec<u8>) -> Vec<u8> {
    match postcard::to_extend(value, out) {
        Ok(out) => out,
        Err(error) => panic!(
            "a `{}` cannot be written: {error}. Its `Serialize` must be a derived one",
            std::any::type_name::<T>()
        ),
    }
}
