//! An adaptive binary range coder: one trait for writing and reading, so that the code between model and bytes exists once.

use super::super::decode::DecodeError;
use super::models::TableModels;

/// Zero bytes at the end that go without saying, at most.
const ZEROS_MAX: usize = 32;
const TOP: u32 = 1 << 24;
/// Bits that are coded as one at most.
const RAW: u32 = 16;
/// Bits of a probability as it is coded with.
const BITS: u32 = 15;

/// How often a bit was 1 in a context: a probability of 16 bits, and how many bits it was learned from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model {
    /// Probability of a 1, of 65,536.
    pub(super) one: u16,
    /// Bits seen, up to the cap.
    pub(super) seen: u16,
}

/// Bits after which a model learns no slower.
pub(super) const SEEN_MAX: u16 = 30;

/// 65,536 / (n + 1.5): what the n-th bit moves a model by.
const RATES: [i64; 32] = {
    let mut rates = [0; 32];
    let mut n = 0;
    while n < rates.len() {
        rates[n] = 131_072 / (2 * n as i64 + 3);
        n += 1;
    }
    rates
};

impl Model {
    /// Nothing known.
    pub(super) const NEW: Self = Self {
        one: 1 << 15,
        seen: 0,
    };

    /// A 1 is expected with a chance of so many in a hundred, as if three bits had been seen.
    pub(super) const fn likely(percent: u32) -> Self {
        Self {
            one: (percent * 65_536 / 100) as u16,
            seen: 2,
        }
    }

    /// Expected to be 0 in most cases.
    pub(super) const RARE: Self = Self {
        one: 1 << 11,
        seen: 6,
    };

    #[inline]
    fn learn(&mut self, bit: bool) {
        let target = if bit { 65_535 } else { 0 };
        // Wide: the first bit moves a model by more than half, wherever a codebook lets it begin.
        let off = i64::from(target - i32::from(self.one));
        let moved = i64::from(self.one) + ((off * RATES[usize::from(self.seen & 31)]) >> 16);
        self.one = moved.clamp(32, 65_503) as u16;
        self.seen = (self.seen + 1).min(SEEN_MAX);
    }
}

/// Codes bits: a writer takes them, a reader finds them out and ignores what it is given.
pub(super) trait Coder {
    /// Whether it finds out.
    const READS: bool;
    /// Whether it counts, and wants the models of each table for it.
    const COUNTS: bool = false;

    /// A bit of which 1 has a probability of `one` in 32,768.
    fn code(&mut self, one: u32, bit: bool) -> bool;

    /// An error once a reader is far behind the end of its bytes.
    fn check(&self) -> Result<(), DecodeError>;

    /// A bit in one context.
    #[inline]
    fn bit(&mut self, model: &mut Model, bit: bool) -> bool {
        let bit = self.code(u32::from(model.one) >> (16 - BITS), bit);
        model.learn(bit);
        bit
    }

    /// A bit in two contexts at once: the mean of what they expect.
    #[inline]
    fn bit2(&mut self, models: [&mut Model; 2], bit: bool) -> bool {
        let [a, b] = models;
        let bit = self.code((u32::from(a.one) + u32::from(b.one)) >> (17 - BITS), bit);
        a.learn(bit);
        b.learn(bit);
        bit
    }

    /// Bits that nobody can guess, at most 32.
    fn raw(&mut self, value: u32, bits: u32) -> u32 {
        let low = bits.min(RAW);
        let high = match bits > RAW {
            true => self.even(value >> RAW, bits - RAW) << RAW,
            false => 0,
        };
        high | self.even(value & ((1 << low) - 1), low)
    }

    /// One of `2^bits` numbers, all as likely; at most 16 bits.
    fn even(&mut self, value: u32, bits: u32) -> u32;

    /// Takes the models of a table that is done.
    fn leave(&mut self, _table: usize, _models: TableModels) {}
}

/// Writes.
#[derive(Debug)]
pub(super) struct Sink {
    low: u64,
    range: u32,
    out: Vec<u8>,
}

impl Sink {
    /// One that writes into this memory.
    pub(super) fn new(mut out: Vec<u8>) -> Self {
        out.clear();
        Self {
            low: 0,
            range: u32::MAX,
            out,
        }
    }

    /// The memory again.
    pub(super) fn into_memory(self) -> Vec<u8> {
        self.out
    }

    fn shift(&mut self) {
        if self.low >> 32 != 0 {
            // The carry: bytes of all ones become zeros, the one before them grows.
            for byte in self.out.iter_mut().rev() {
                *byte = byte.wrapping_add(1);
                if *byte != 0 {
                    break;
                }
            }
        }
        self.out.push((self.low >> 24) as u8);
        self.low = (self.low & 0xff_ffff) << 8;
    }

    /// Ends with the shortest bytes that say it all.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.low = u64::from(shortest(self.low as u32, self.range)) | self.carry();
        (0..4).for_each(|_| self.shift());
        let zeros = self.out.iter().rev().take_while(|&&byte| byte == 0).count();
        self.out.truncate(self.out.len() - zeros.min(ZEROS_MAX));
        &self.out
    }

    /// Bit 32 of `low`, also where the shortest end makes it.
    fn carry(&self) -> u64 {
        let wraps = shortest(self.low as u32, self.range) < self.low as u32;
        (self.low >> 32 | u64::from(wraps)) << 32
    }
}

/// Of the numbers from `low` on, `range` of them, the one with the most zeros at its end (it may wrap).
fn shortest(low: u32, range: u32) -> u32 {
    (0..32)
        .rev()
        .map(|bits| {
            let rest = (1_u32 << bits) - 1;
            low.wrapping_add(rest) & !rest
        })
        .find(|end| end.wrapping_sub(low) < range)
        .unwrap_or(low)
}

impl Coder for Sink {
    const READS: bool = false;

    #[inline]
    fn code(&mut self, one: u32, bit: bool) -> bool {
        let bound = (self.range >> BITS) * one;
        if bit {
            self.range = bound;
        } else {
            self.low += u64::from(bound);
            self.range -= bound;
        }
        while self.range < TOP {
            self.shift();
            self.range <<= 8;
        }
        bit
    }

    fn even(&mut self, value: u32, bits: u32) -> u32 {
        self.range >>= bits;
        self.low += u64::from(self.range) * u64::from(value);
        while self.range < TOP {
            self.shift();
            self.range <<= 8;
        }
        value
    }

    fn check(&self) -> Result<(), DecodeError> {
        Ok(())
    }
}

/// Reads.
#[derive(Debug)]
pub(super) struct Source<'a> {
    bytes: &'a [u8],
    /// Bytes taken, those beyond the end included.
    taken: usize,
    /// The last four of them.
    window: u32,
    /// Where they are in the range.
    code: u32,
    range: u32,
}

impl<'a> Source<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut source = Self {
            bytes,
            taken: 0,
            window: 0,
            code: 0,
            range: u32::MAX,
        };
        (0..4).for_each(|_| source.take());
        source
    }

    #[inline]
    fn take(&mut self) {
        let byte = self.bytes.get(self.taken).copied().unwrap_or(0);
        self.taken += 1;
        self.window = self.window << 8 | u32::from(byte);
        self.code = self.code << 8 | u32::from(byte);
    }

    /// Whether these are the very bytes that a writer ends with.
    pub(super) fn end(&self) -> Result<(), DecodeError> {
        self.check()?;
        let low = self.window.wrapping_sub(self.code);
        // A zero at the end is one too many to leave out.
        let zero = self.bytes.last() == Some(&0);
        let more =
            self.taken < self.bytes.len() || zero && self.taken != self.bytes.len() + ZEROS_MAX;
        if more || shortest(low, self.range) != self.window {
            return Err(DecodeError::Long);
        }
        Ok(())
    }
}

impl Coder for Source<'_> {
    const READS: bool = true;

    #[inline]
    fn code(&mut self, one: u32, _bit: bool) -> bool {
        let bound = (self.range >> BITS) * one;
        let bit = self.code < bound;
        if bit {
            self.range = bound;
        } else {
            self.code -= bound;
            self.range -= bound;
        }
        while self.range < TOP {
            self.take();
            self.range <<= 8;
        }
        bit
    }

    fn even(&mut self, _value: u32, bits: u32) -> u32 {
        self.range >>= bits;
        let value = (self.code / self.range).min((1 << bits) - 1);
        self.code -= value * self.range;
        while self.range < TOP {
            self.take();
            self.range <<= 8;
        }
        value
    }

    fn check(&self) -> Result<(), DecodeError> {
        if self.taken > self.bytes.len() + ZEROS_MAX + 4 {
            return Err(DecodeError::Short);
        }
        Ok(())
    }
}
