//! Bits into bytes and back, lowest bit first; and the universal numbers made of them. What they mean is the codec's matter.

/// Writes bits.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    hold: u64,
    held: u32,
}

impl BitWriter {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        (self.hold, self.held) = (0, 0);
    }

    /// The lowest `count` bits (at most 32) of `value`; the others must be 0.
    #[inline]
    pub(crate) fn bits(&mut self, value: u32, count: u32) {
        debug_assert!(count <= 32 && (count == 32 || value >> count == 0));
        self.hold |= u64::from(value) << self.held;
        self.held += count;
        if self.held >= 32 {
            self.bytes
                .extend_from_slice(&(self.hold as u32).to_le_bytes());
            self.hold >>= 32;
            self.held -= 32;
        }
    }

    #[inline]
    pub(crate) fn flag(&mut self, flag: bool) {
        self.bits(u32::from(flag), 1);
    }

    /// Exponential Golomb of order `k`: small numbers in few bits, any in at most 65.
    #[inline]
    pub(crate) fn golomb(&mut self, value: u32, k: u32) {
        let high = (u64::from(value) >> k) + 1;
        let length = high.ilog2();
        // `length` ones and a zero say how long it is; the leading one of `high` goes without saying.
        self.bits(((1_u64 << length) - 1) as u32, length);
        self.bits(0, 1);
        self.bits((high & ((1_u64 << length) - 1)) as u32, length);
        self.bits(value & mask(k), k);
    }

    /// Bits written so far.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() * 8 + self.held as usize
    }

    /// Ends with zeros to a whole byte.
    pub(crate) fn finish(&mut self) -> &[u8] {
        while self.held > 0 {
            self.bytes.push(self.hold as u8);
            self.hold >>= 8;
            self.held = self.held.saturating_sub(8);
        }
        &self.bytes
    }
}

/// The bits that [`BitWriter::golomb`] takes.
#[inline]
pub(crate) fn golomb_bits(value: u32, k: u32) -> u32 {
    2 * ((u64::from(value) >> k) + 1).ilog2() + 1 + k
}

/// Reads bits. Past the end it is an error, never a panic.
#[derive(Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    hold: u64,
    held: u32,
}

/// The bits are at an end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OutOfBits;

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            hold: 0,
            held: 0,
        }
    }

    /// The next `count` bits, at most 32.
    #[inline]
    pub(crate) fn bits(&mut self, count: u32) -> Result<u32, OutOfBits> {
        if self.held < count {
            self.fill();
            if self.held < count {
                return Err(OutOfBits);
            }
        }
        let value = self.hold as u32 & mask(count);
        self.hold >>= count;
        self.held -= count;
        Ok(value)
    }

    #[inline]
    pub(crate) fn flag(&mut self) -> Result<bool, OutOfBits> {
        Ok(self.bits(1)? == 1)
    }

    /// See [`BitWriter::golomb`]; longer than a `u32` needs is `OutOfBits`.
    #[inline]
    pub(crate) fn golomb(&mut self, k: u32) -> Result<u32, OutOfBits> {
        if self.held < 33 {
            self.fill();
        }
        let length = self.hold.trailing_ones();
        if length > 32 || length >= self.held {
            return Err(OutOfBits);
        }
        self.hold >>= length + 1;
        self.held -= length + 1;
        let high = (1_u64 << length | u64::from(self.bits(length)?)) - 1;
        let value = high << k | u64::from(self.bits(k)?);
        u32::try_from(value).map_err(|_| OutOfBits)
    }

    /// Whether nothing but the zeros of the last byte is left.
    pub(crate) fn at_end(&self) -> bool {
        self.bytes.is_empty() && self.held < 8 && self.hold == 0
    }

    /// Bits that are left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() * 8 + self.held as usize
    }

    #[inline]
    fn fill(&mut self) {
        if let Some((word, rest)) = self.bytes.split_first_chunk::<4>()
            && self.held <= 32
        {
            self.hold |= u64::from(u32::from_le_bytes(*word)) << self.held;
            self.held += 32;
            self.bytes = rest;
        }
        while self.held <= 56
            && let Some((&byte, rest)) = self.bytes.split_first()
        {
            self.hold |= u64::from(byte) << self.held;
            self.held += 8;
            self.bytes = rest;
        }
    }
}

#[inline]
fn mask(bits: u32) -> u32 {
    ((1_u64 << bits) - 1) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_survive_in_any_order(all in prop::collection::vec((any::<u32>(), 0..32_u32, 0..16_u32), 0..40)) {
            let mut out = BitWriter::default();
            let mut bits = 0;
            for &(value, shift, k) in &all {
                out.golomb(value >> shift, k);
                out.bits(value & mask(shift), shift);
                bits += golomb_bits(value >> shift, k) + shift;
            }
            let bytes = out.finish().to_vec();
            prop_assert_eq!(bytes.len(), bits.div_ceil(8) as usize);
            let mut input = BitReader::new(&bytes);
            for &(value, shift, k) in &all {
                prop_assert_eq!(input.golomb(k), Ok(value >> shift));
                prop_assert_eq!(input.bits(shift), Ok(value & mask(shift)));
            }
            prop_assert!(input.at_end());
        }
    }

    #[test]
    fn the_greatest_numbers_fit_and_greater_ones_are_refused() {
        for k in 0..16 {
            let mut out = BitWriter::default();
            out.golomb(u32::MAX, k);
            let bytes = out.finish().to_vec();
            assert_eq!(BitReader::new(&bytes).golomb(k), Ok(u32::MAX));
            let cut = bytes.len() - 1;
            assert_eq!(BitReader::new(&bytes[..cut]).golomb(k), Err(OutOfBits));
        }
        assert_eq!(BitReader::new(&[0xff; 16]).golomb(0), Err(OutOfBits));
        // 32 ones, a zero, and 32 ones: 2^33 - 2.
        assert_eq!(
            BitReader::new(&[0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff, 0x01]).golomb(0),
            Err(OutOfBits)
        );
    }
}
