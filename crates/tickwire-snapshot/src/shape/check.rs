//! The walk over postcard bytes that proves, before serde runs, that they are of a shape and how much decoding them allocates.

use super::Shape;

/// Why bytes are not of a shape: their sender's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// They end too early.
    #[error("byte {at}: the value goes on, the bytes end")]
    Truncated {
        /// Where.
        at: usize,
    },
    /// They go on after the value.
    #[error("byte {at}: the value ends, {left} bytes are left")]
    Trailing {
        /// Where.
        at: usize,
        /// How many.
        left: usize,
    },
    /// A number of more bytes than it needs, or greater than its type holds.
    #[error("byte {at}: an overlong or overflowing number")]
    Varint {
        /// Where.
        at: usize,
    },
    /// A truth value or option that is neither 0 nor 1.
    #[error("byte {at}: {byte} where 0 or 1 stands for false or true, none or some")]
    Flag {
        /// Where.
        at: usize,
        /// What stands there.
        byte: u8,
    },
    /// No variant of that number.
    #[error("byte {at}: variant {variant}, {name} has {count} (from 0 on)")]
    Variant {
        /// Where.
        at: usize,
        /// The number.
        variant: u32,
        /// The enum.
        name: String,
        /// Its variants.
        count: usize,
    },
    /// Text that is not UTF-8, or a character that is not exactly one.
    #[error("byte {at}: not UTF-8, or not one character")]
    Text {
        /// Where.
        at: usize,
    },
    /// Longer than its type allows.
    #[error("byte {at}: {len} elements or bytes, at most {max} are allowed")]
    TooLong {
        /// Where.
        at: usize,
        /// How many.
        len: u64,
        /// How many may be.
        max: u32,
    },
    /// Decoding would allocate, or compute, more than allowed.
    #[error("byte {at}: decoding takes more than its budget of {budget} bytes")]
    Budget {
        /// Where.
        at: usize,
        /// What is allowed.
        budget: usize,
    },
    /// NaN or an infinity where only finite numbers may be.
    #[error("byte {at}: not a finite number")]
    NotFinite {
        /// Where.
        at: usize,
    },
}

impl Shape {
    /// Proves that the bytes are exactly one value of this shape, that serde decodes them, and that it allocates at most `budget` bytes for it.
    ///
    /// Stricter than postcard: the shortest form of each number, whole characters, nothing after the end. So what passes is the encoding of its value
    /// (but for the order of a map's keys). Never allocates itself.
    pub fn check(&self, bytes: &[u8], budget: usize) -> Result<(), ShapeError> {
        Walker::new(bytes, budget).whole(self)
    }

    /// The same, and every float is finite.
    pub fn check_finite(&self, bytes: &[u8], budget: usize) -> Result<(), ShapeError> {
        let mut walker = Walker::new(bytes, budget);
        walker.finite = true;
        walker.whole(self)
    }
}

/// A place in bytes, and what may still be spent.
pub(super) struct Walker<'a> {
    bytes: &'a [u8],
    at: usize,
    budget: usize,
    memory_left: u64,
    /// Nodes of the shape that may still be visited: a shape from a peer may nest arrays of nothing.
    steps_left: u64,
    finite: bool,
}

impl<'a> Walker<'a> {
    pub(super) fn new(bytes: &'a [u8], budget: usize) -> Self {
        let steps_left = (budget as u64)
            .saturating_add(bytes.len() as u64)
            .saturating_mul(16)
            .saturating_add(1024);
        Self {
            bytes,
            at: 0,
            budget,
            memory_left: budget as u64,
            steps_left,
            finite: false,
        }
    }

    fn whole(mut self, shape: &Shape) -> Result<(), ShapeError> {
        self.walk(shape)?;
        match self.bytes.len() - self.at {
            0 => Ok(()),
            left => Err(ShapeError::Trailing { at: self.at, left }),
        }
    }

    fn walk(&mut self, shape: &Shape) -> Result<(), ShapeError> {
        self.step()?;
        match shape {
            Shape::Unit => Ok(()),
            Shape::Bool => self.flag().map(drop),
            Shape::U8 | Shape::I8 => self.take(1).map(drop),
            Shape::U16 | Shape::I16 => self.varint(16).map(drop),
            Shape::U32 | Shape::I32 => self.varint(32).map(drop),
            Shape::U64 | Shape::I64 => self.varint(64).map(drop),
            Shape::F32 => self.float32().map(drop),
            Shape::F64 => self.float64().map(drop),
            Shape::Char => self.char().map(drop),
            Shape::Str { max } => self.text(*max).map(drop),
            Shape::Bytes { max } => self.byte_string(*max).map(drop),
            Shape::Option(inner) => {
                if self.flag()? {
                    self.walk(inner)
                } else {
                    Ok(())
                }
            }
            Shape::Seq { item, max } => {
                (0..self.items(item, *max)?).try_for_each(|_| self.walk(item))
            }
            Shape::Map { key, value, max } => (0..self.pairs(key, value, *max)?)
                .try_for_each(|_| self.walk(key).and_then(|()| self.walk(value))),
            Shape::Array { item, len } => (0..*len).try_for_each(|_| self.walk(item)),
            Shape::Tuple(parts) => parts.iter().try_for_each(|part| self.walk(part)),
            Shape::Struct { fields, .. } => {
                fields.iter().try_for_each(|(_, field)| self.walk(field))
            }
            Shape::Enum { name, variants } => self
                .variant(name, variants)
                .and_then(|(_, content)| self.walk(content)),
            Shape::Boxed(inner) => self.boxed(inner).and_then(|()| self.walk(inner)),
        }
    }

    pub(super) fn step(&mut self) -> Result<(), ShapeError> {
        self.steps_left = self.steps_left.checked_sub(1).ok_or(ShapeError::Budget {
            at: self.at,
            budget: self.budget,
        })?;
        Ok(())
    }

    pub(super) fn flag(&mut self) -> Result<bool, ShapeError> {
        match self.take(1)?[0] {
            byte @ 0..=1 => Ok(byte == 1),
            byte => Err(ShapeError::Flag {
                at: self.at - 1,
                byte,
            }),
        }
    }

    pub(super) fn byte(&mut self) -> Result<u8, ShapeError> {
        Ok(self.take(1)?[0])
    }

    /// A number in its shortest form.
    pub(super) fn varint(&mut self, bits: u32) -> Result<u64, ShapeError> {
        let at = self.at;
        let mut value = 0_u64;
        for shift in (0..bits).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            let fits = shift + 7 <= bits || part >> (bits - shift) == 0;
            let shortest = shift == 0 || byte != 0;
            if !fits || !shortest {
                return Err(ShapeError::Varint { at });
            }
            value |= part << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ShapeError::Varint { at })
    }

    pub(super) fn float32(&mut self) -> Result<f32, ShapeError> {
        let at = self.at;
        let number = f32::from_le_bytes(self.array()?);
        if self.finite && !number.is_finite() {
            Err(ShapeError::NotFinite { at })
        } else {
            Ok(number)
        }
    }

    pub(super) fn float64(&mut self) -> Result<f64, ShapeError> {
        let at = self.at;
        let number = f64::from_le_bytes(self.array()?);
        if self.finite && !number.is_finite() {
            Err(ShapeError::NotFinite { at })
        } else {
            Ok(number)
        }
    }

    pub(super) fn char(&mut self) -> Result<char, ShapeError> {
        let (at, len) = (self.at, self.varint(32)?);
        if len > 4 {
            return Err(ShapeError::Text { at });
        }
        let text =
            std::str::from_utf8(self.take(len as usize)?).map_err(|_| ShapeError::Text { at })?;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(char), None) => Ok(char),
            _ => Err(ShapeError::Text { at }),
        }
    }

    pub(super) fn text(&mut self, max: u32) -> Result<&'a str, ShapeError> {
        let at = self.at;
        std::str::from_utf8(self.byte_string(max)?).map_err(|_| ShapeError::Text { at })
    }

    pub(super) fn byte_string(&mut self, max: u32) -> Result<&'a [u8], ShapeError> {
        let len = self.length(max)?;
        self.spend(u64::from(len))?;
        self.take(len as usize)
    }

    /// The length of a sequence, its memory spent: exactly so many elements, since each is at least a byte, and serde trusts a length that
    /// is not above the bytes left. Elements of no bytes cost one of the budget, so that a length alone buys no work.
    pub(super) fn items(&mut self, item: &Shape, max: u32) -> Result<u32, ShapeError> {
        let len = self.length(max)?;
        let (size, _) = self.memory(item)?;
        self.spend(u64::from(len).saturating_mul(size.max(1)))?;
        Ok(len)
    }

    /// The length of a map, its memory spent: a node of a B-tree has room for 11 pairs, 12 children and a few words, and all but the root hold 5 pairs.
    pub(super) fn pairs(
        &mut self,
        key: &Shape,
        value: &Shape,
        max: u32,
    ) -> Result<u32, ShapeError> {
        let len = self.length(max)?;
        let pair = self.memory(key)?.0.saturating_add(self.memory(value)?.0);
        let node = pair.saturating_mul(11).saturating_add(13 * 8 + 16);
        let nodes = if len == 0 { 0 } else { u64::from(len) / 5 + 1 };
        self.spend(nodes.saturating_mul(node))?;
        Ok(len)
    }

    pub(super) fn boxed(&mut self, inner: &Shape) -> Result<(), ShapeError> {
        let (size, _) = self.memory(inner)?;
        self.spend(size)
    }

    pub(super) fn variant<'s>(
        &mut self,
        name: &str,
        variants: &'s [(String, Shape)],
    ) -> Result<(&'s str, &'s Shape), ShapeError> {
        let (at, variant) = (self.at, self.varint(32)? as u32);
        match variants.get(variant as usize) {
            Some((name, content)) => Ok((name, content)),
            None => Err(ShapeError::Variant {
                at,
                variant,
                name: name.to_owned(),
                count: variants.len(),
            }),
        }
    }

    fn length(&mut self, max: u32) -> Result<u32, ShapeError> {
        let (at, len) = (self.at, self.varint(64)?);
        if len > u64::from(max) {
            Err(ShapeError::TooLong { at, len, max })
        } else {
            Ok(len as u32)
        }
    }

    fn spend(&mut self, memory: u64) -> Result<(), ShapeError> {
        self.memory_left = self
            .memory_left
            .checked_sub(memory)
            .ok_or(ShapeError::Budget {
                at: self.at,
                budget: self.budget,
            })?;
        Ok(())
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], ShapeError> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..len).ok_or(ShapeError::Truncated {
            at: self.bytes.len(),
        })?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ShapeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// An upper bound of a type's size and alignment in memory, on any target: as C would lay it out; Rust is never worse.
    fn memory(&mut self, shape: &Shape) -> Result<(u64, u64), ShapeError> {
        self.step()?;
        Ok(match shape {
            Shape::Unit => (0, 1),
            Shape::Bool | Shape::U8 | Shape::I8 => (1, 1),
            Shape::U16 | Shape::I16 => (2, 2),
            Shape::U32 | Shape::I32 | Shape::F32 | Shape::Char => (4, 4),
            Shape::U64 | Shape::I64 | Shape::F64 | Shape::Boxed(_) => (8, 8),
            Shape::Str { .. } | Shape::Bytes { .. } | Shape::Seq { .. } | Shape::Map { .. } => {
                (24, 8)
            }
            Shape::Option(inner) => {
                let (size, align) = self.memory(inner)?;
                (size.saturating_add(align), align)
            }
            Shape::Array { item, len } => {
                let (size, align) = self.memory(item)?;
                (size.saturating_mul(u64::from(*len)), align)
            }
            Shape::Tuple(parts) => self.in_a_row(&mut parts.iter())?,
            Shape::Struct { fields, .. } => {
                self.in_a_row(&mut fields.iter().map(|(_, field)| field))?
            }
            Shape::Enum { variants, .. } => {
                let mut largest = 0;
                for (_, content) in variants {
                    largest = self.memory(content)?.0.max(largest);
                }
                (
                    largest
                        .saturating_add(8)
                        .checked_next_multiple_of(8)
                        .unwrap_or(u64::MAX),
                    8,
                )
            }
        })
    }

    fn in_a_row(
        &mut self,
        parts: &mut dyn Iterator<Item = &Shape>,
    ) -> Result<(u64, u64), ShapeError> {
        let (mut end, mut most) = (0_u64, 1);
        for part in parts {
            let (size, align) = self.memory(part)?;
            end = end
                .checked_next_multiple_of(align)
                .unwrap_or(u64::MAX)
                .saturating_add(size);
            most = align.max(most);
        }
        Ok((end.checked_next_multiple_of(most).unwrap_or(u64::MAX), most))
    }
}
