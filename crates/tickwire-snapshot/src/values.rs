//! Rows in fixed widths, one by one: how a command travels. Deltas of areas are the codec's.

use bytes::Bytes;

use crate::bits::{BitReader, BitWriter, OutOfBits};
use crate::row::{Blob, OwnedRow};
use crate::schema::RecordSchema;

/// Bits of the length of a text or blob.
const LENGTH_BITS: u32 = 13;

/// Why bytes are no row of a record: the peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// Too few bytes.
    #[error("the row is cut short")]
    Short,
    /// Too many bytes.
    #[error("the row is followed by other bytes")]
    Long,
    /// A value that the field cannot have.
    #[error("a value is out of the range of its field")]
    Range,
}

impl From<OutOfBits> for RowError {
    fn from(_: OutOfBits) -> Self {
        Self::Short
    }
}

/// The bytes of a row of a sealed record: each column in the bits that its range needs, each text with its length.
///
/// ```
/// use tickwire_snapshot::{FieldSchema, OwnedRow, Quant, RecordSchema, values};
/// let mut steer = RecordSchema::new("Steer", vec![FieldSchema::new("x", Quant::Range { min: -1.0, max: 1.0, step: 1.0 })]);
/// steer.seal(33_333)?;
/// let row = OwnedRow { ints: vec![2], blobs: vec![] };
/// let bytes = values::encode_record(&steer, &row.ints, &row.blobs);
/// assert_eq!(bytes.len(), 1);
/// assert_eq!(values::decode_record(&steer, &bytes), Ok(row));
/// assert_eq!(values::decode_record(&steer, &[3]), Err(values::RowError::Range));
/// # Ok::<(), tickwire_snapshot::SchemaError>(())
/// ```
pub fn encode_record(record: &RecordSchema, ints: &[i32], blobs: &[Blob]) -> Bytes {
    let layout = record.layout();
    debug_assert_eq!(
        (ints.len(), blobs.len()),
        (layout.columns().len(), layout.blobs())
    );
    let mut out = BitWriter::default();
    for (column, &int) in layout.columns().iter().zip(ints) {
        debug_assert!(column.valid(int));
        out.bits(
            int.clamp(column.min, column.max).wrapping_sub(column.min) as u32,
            u32::from(column.bits),
        );
    }
    for (index, blob) in blobs.iter().enumerate() {
        let length = blob.len().min(layout.blob_quant(index).blob_max());
        out.bits(length as u32, LENGTH_BITS);
        blob[..length]
            .iter()
            .for_each(|&byte| out.bits(u32::from(byte), 8));
    }
    Bytes::copy_from_slice(out.finish())
}

/// Reads a row and checks every value: what comes out is what the game's own quantisers could have made.
pub fn decode_record(record: &RecordSchema, bytes: &[u8]) -> Result<OwnedRow, RowError> {
    let mut row = OwnedRow::default();
    decode_record_into(record, bytes, &mut row)?;
    Ok(row)
}

/// The same into a row whose memory is used again. What it holds after an error means nothing.
pub fn decode_record_into(
    record: &RecordSchema,
    bytes: &[u8],
    row: &mut OwnedRow,
) -> Result<(), RowError> {
    let layout = record.layout();
    let mut input = BitReader::new(bytes);
    row.ints.clear();
    for column in layout.columns() {
        let code = input.bits(u32::from(column.bits))?;
        row.ints
            .push(column.decode_fixed(code).ok_or(RowError::Range)?);
    }
    row.blobs.resize_with(layout.blobs(), Blob::new);
    for (index, blob) in row.blobs.iter_mut().enumerate() {
        let quant = layout.blob_quant(index);
        let length = input.bits(LENGTH_BITS)? as usize;
        if length > quant.blob_max() {
            return Err(RowError::Range);
        }
        blob.clear();
        for _ in 0..length {
            blob.push(input.bits(8)? as u8);
        }
        if !quant.valid_blob(blob) {
            return Err(RowError::Range);
        }
    }
    if input.at_end() {
        Ok(())
    } else {
        Err(RowError::Long)
    }
}
