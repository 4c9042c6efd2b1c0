//! Hashes that are the same on every machine: of names, of schemas, of the state of an area. Not for secrets.

/// 32-bit FNV-1a: the number of a record, field or message is this hash of its name.
pub const fn name_id(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let mut hash = 0x811c_9dc5_u32;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    hash
}

/// A 64-bit state that words are mixed into, in order.
#[derive(Clone, Copy)]
pub(crate) struct Mixer(u64);

impl Mixer {
    pub(crate) fn new(seed: u64) -> Self {
        Self(finish(seed ^ 0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn word(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0xd6e8_feb8_6659_fd93_u128;
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ word.rotate_left(29);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    pub(crate) fn ints(&mut self, ints: &[i32]) {
        for pair in ints.chunks(2) {
            let high = pair.get(1).copied().unwrap_or(0);
            self.word(u64::from(pair[0] as u32) | u64::from(high as u32) << 32);
        }
    }

    pub(crate) fn end(self) -> u64 {
        finish(self.0)
    }
}

/// The finaliser of splitmix64: a bijection, so that sums of finished hashes stay well spread.
pub(crate) fn finish(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
