//! A number for all that happened in a run: two runs with the same one did the same things at the same times. Not a log.

use tickwire_proto::time::Time;

use crate::chance::mix;

/// Folds events into one hash; their order counts.
#[derive(Clone, Copy)]
pub(crate) struct Trace(u64);

/// What a traced event is; the numbers are part of the hash.
#[derive(Clone, Copy)]
pub(crate) enum Mark {
    ToClient = 1,
    ToServer = 2,
    Opened = 3,
    Lost = 4,
    Fault = 5,
    Captured = 6,
    Restart = 7,
    Applied = 8,
    Heal = 9,
}

impl Trace {
    pub fn new(seed: u64) -> Self {
        Trace(mix(seed))
    }

    pub fn mark(&mut self, at: Time, mark: Mark, who: usize, what: u64) {
        for word in [at.0, mark as u64, who as u64, what] {
            self.0 = mix(self.0.rotate_left(5) ^ word.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        }
    }

    pub fn bytes(&mut self, at: Time, mark: Mark, who: usize, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut tail = [0; 8];
        tail[..rest.len()].copy_from_slice(rest);
        let fold = |hash: u64, word: &[u8; 8]| mix(hash.rotate_left(5) ^ u64::from_le_bytes(*word));
        let hash = words.iter().chain([&tail]).fold(bytes.len() as u64, fold);
        self.mark(at, mark, who, hash);
    }

    pub fn hash(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_time_and_content_count() {
        let of = |events: &[(u64, &[u8])]| {
            let mut trace = Trace::new(1);
            for (at, bytes) in events {
                trace.bytes(Time(*at), Mark::ToClient, 0, bytes);
            }
            trace.hash()
        };
        let base = of(&[(1, b"a"), (2, b"b")]);
        assert_eq!(base, of(&[(1, b"a"), (2, b"b")]));
        for other in [
            of(&[(2, b"b"), (1, b"a")]),
            of(&[(1, b"a"), (3, b"b")]),
            of(&[(1, b"a"), (2, b"b\0")]),
            of(&[(1, b"a")]),
        ] {
            assert_ne!(base, other);
        }
    }
}
