//! Numbers, text and bytes as they stand on the wire: one way to write each value, and a reader that takes no other.

use bytes::Bytes;
use thiserror::Error;

/// What is wrong with bytes that were read, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{field} at byte {at}: {fault}")]
pub struct WireError {
    /// The field that was being read, as named by [`Reader::at`].
    pub field: &'static str,
    /// Where the field's value begins, counted from the start of the input.
    pub at: usize,
    /// What is wrong with it.
    pub fault: WireFault,
}

/// The ways in which bytes can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireFault {
    /// The input ends inside the value.
    #[error("the input ends here")]
    Truncated,
    /// The number has a shorter form.
    #[error("the number is not in its shortest form")]
    Overlong,
    /// The number does not fit its type.
    #[error("the number is too large for its type")]
    Overflow,
    /// A length or count beyond what is allowed here.
    #[error("{len} is more than the {max} allowed")]
    TooLong {
        /// What was declared.
        len: u64,
        /// What is allowed.
        max: u64,
    },
    /// The text is not UTF-8.
    #[error("the text is not UTF-8")]
    NotText,
    /// A number, flag or kind that has no meaning here.
    #[error("{0} has no meaning here")]
    OutOfRange(u64),
    /// Bytes follow the end.
    #[error("{0} bytes too many")]
    Trailing(usize),
}

/// Writes values in their one canonical form.
///
/// ```
/// use tickwire_proto::wire::{Reader, Writer};
/// let mut writer = Writer::new();
/// writer.varint_u32(300);
/// writer.str("dot", 64);
/// let bytes = writer.into_bytes();
/// let mut reader = Reader::new(&bytes);
/// assert_eq!(reader.at("size").varint_u32().unwrap(), 300);
/// assert_eq!(reader.at("name").str(64).unwrap(), "dot");
/// reader.finish().unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
}

impl From<Vec<u8>> for Writer {
    /// Goes on behind what is there.
    fn from(out: Vec<u8>) -> Writer {
        Writer { out }
    }
}

impl Writer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Writer {
        Writer::default()
    }

    /// An empty one with room for `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Writer {
        Writer {
            out: Vec::with_capacity(bytes),
        }
    }

    /// How many bytes are written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing is written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    /// A bool as 0 or 1.
    pub fn bool(&mut self, value: bool) {
        self.out.push(u8::from(value));
    }

    /// Two bytes, little end first.
    pub fn u16_le(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// Four bytes, little end first: for hashes, which a varint would lengthen.
    pub fn u32_le(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// Eight bytes, little end first.
    pub fn u64_le(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// Seven bits a byte, low ones first, the top bit says that more follow.
    pub fn varint_u64(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    /// As [`Writer::varint_u64`].
    pub fn varint_u32(&mut self, value: u32) {
        self.varint_u64(u64::from(value));
    }

    /// Zigzag (0, -1, 1, -2, ...) as a varint.
    pub fn varint_i64(&mut self, value: i64) {
        self.varint_u64(((value << 1) ^ (value >> 63)) as u64);
    }

    /// Bytes without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// A length as varint, and the bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.varint_u64(bytes.len() as u64);
        self.raw(bytes);
    }

    /// Text with its length; what is longer than `max` bytes is cut at a character.
    pub fn str(&mut self, text: &str, max: usize) {
        self.bytes(cut(text, max).as_bytes());
    }

    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        Bytes::from(self.out)
    }

    /// What was written.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.out
    }
}

/// The longest beginning of `text` that has at most `max` bytes and ends at a character.
#[must_use]
pub fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// Reads values and refuses every form but the canonical one; never panics, never allocates.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    field: &'static str,
    start: usize,
}

impl<'a> Reader<'a> {
    /// At the beginning of `input`.
    #[must_use]
    pub fn new(input: &'a [u8]) -> Reader<'a> {
        Reader {
            input,
            at: 0,
            field: "value",
            start: 0,
        }
    }

    /// Names the field that is read next, for the error.
    pub fn at(&mut self, field: &'static str) -> &mut Reader<'a> {
        self.field = field;
        self.start = self.at;
        self
    }

    /// How many bytes are not read yet.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.input.len() - self.at
    }

    /// How many bytes have been read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// An error about the field that is being read.
    #[must_use]
    pub fn error(&self, fault: WireFault) -> WireError {
        WireError {
            field: self.field,
            at: self.start,
            fault,
        }
    }

    /// The next `len` bytes.
    pub fn raw(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        if len > self.remaining() {
            return Err(self.error(WireFault::Truncated));
        }
        let bytes = &self.input[self.at..self.at + len];
        self.at += len;
        Ok(bytes)
    }

    /// The next `N` bytes, as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut array = [0; N];
        array.copy_from_slice(self.raw(N)?);
        Ok(array)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, WireError> {
        Ok(self.array::<1>()?[0])
    }

    /// One byte that is 0 or 1.
    pub fn bool(&mut self) -> Result<bool, WireError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.error(WireFault::OutOfRange(u64::from(other)))),
        }
    }

    /// Two bytes, little end first.
    pub fn u16_le(&mut self) -> Result<u16, WireError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Four bytes, little end first.
    pub fn u32_le(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes, little end first.
    pub fn u64_le(&mut self) -> Result<u64, WireError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A varint in its shortest form.
    pub fn varint_u64(&mut self) -> Result<u64, WireError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            if shift == 63 && byte > 1 {
                return Err(self.error(WireFault::Overflow));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let overlong = byte == 0 && shift > 0;
                return if overlong {
                    Err(self.error(WireFault::Overlong))
                } else {
                    Ok(value)
                };
            }
        }
        Err(self.error(WireFault::Overflow))
    }

    /// A varint that fits 32 bits.
    pub fn varint_u32(&mut self) -> Result<u32, WireError> {
        let value = self.varint_u64()?;
        u32::try_from(value).map_err(|_| self.error(WireFault::Overflow))
    }

    /// A varint that fits 16 bits.
    pub fn varint_u16(&mut self) -> Result<u16, WireError> {
        let value = self.varint_u64()?;
        u16::try_from(value).map_err(|_| self.error(WireFault::Overflow))
    }

    /// A zigzag varint.
    pub fn varint_i64(&mut self) -> Result<i64, WireError> {
        let value = self.varint_u64()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A count of items that take at least `item_min` bytes each: at most `max`, and no more than the input can hold.
    pub fn count(&mut self, max: usize, item_min: usize) -> Result<usize, WireError> {
        let len = self.varint_u64()?;
        if len > max as u64 {
            return Err(self.error(WireFault::TooLong {
                len,
                max: max as u64,
            }));
        }
        let count = len as usize;
        match count.checked_mul(item_min) {
            Some(bytes) if bytes <= self.remaining() => Ok(count),
            _ => Err(self.error(WireFault::Truncated)),
        }
    }

    /// Bytes after their length, at most `max` of them.
    pub fn bytes(&mut self, max: usize) -> Result<&'a [u8], WireError> {
        let len = self.count(max, 1)?;
        self.raw(len)
    }

    /// Text after its length, at most `max` bytes of it.
    pub fn str(&mut self, max: usize) -> Result<&'a str, WireError> {
        let bytes = self.bytes(max)?;
        std::str::from_utf8(bytes).map_err(|_| self.error(WireFault::NotText))
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let bytes = &self.input[self.at..];
        self.at = self.input.len();
        bytes
    }

    /// Refuses bytes after the end.
    pub fn finish(mut self) -> Result<(), WireError> {
        match self.remaining() {
            0 => Ok(()),
            extra => Err(self.at("end").error(WireFault::Trailing(extra))),
        }
    }
}
