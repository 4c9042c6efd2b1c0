//! Chance for a whole run, out of one seed: a stable generator and the few draws that the lab makes; no distribution of another crate.

use rand::{Rng, SeedableRng, rngs::Xoshiro256PlusPlus};

/// Seeded chance. The same seed draws the same numbers on every machine and with every version of the lab's dependencies.
///
/// The generator is xoshiro256++ by its name, because `StdRng` and `SmallRng` may change their algorithm between releases of `rand`
/// and the seed in somebody's bug report must go on meaning what it meant. For the same reason ranges and fractions are drawn here,
/// by integer arithmetic and one multiplication, and not by `rand`'s distributions.
///
/// ```
/// use tickwire_lab::Chance;
/// let (mut a, mut b) = (Chance::new(7), Chance::new(7));
/// assert_eq!(a.below(6), b.below(6));
/// assert!(a.unit() < 1.0);
/// ```
#[derive(Clone, Debug)]
pub struct Chance {
    seed: u64,
    generator: Xoshiro256PlusPlus,
}

impl Chance {
    /// Chance from a seed.
    pub fn new(seed: u64) -> Self {
        Chance {
            seed,
            generator: Xoshiro256PlusPlus::seed_from_u64(seed),
        }
    }

    /// Another stream out of the same seed, that does not depend on what was drawn from this one: a part that draws more
    /// than before leaves the others as they were.
    pub fn fork(&self, label: u64) -> Self {
        Chance::new(mix(self.seed ^ mix(label.wrapping_add(1))))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// A number below `bound`, or 0 where `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // Multiply and shift: biased by less than bound / 2^64, and one draw for one number.
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A fraction, from 0 up to but never 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A number between two, the upper one excluded.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// True with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of a slice's elements.
    ///
    /// # Panics
    /// If the slice is empty.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

/// The finaliser of splitmix64: every bit of the input moves every bit of the output.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden numbers: if these move, every seed that anybody wrote down means something else.
    #[test]
    fn a_seed_keeps_its_meaning() {
        let mut chance = Chance::new(7);
        let drawn: Vec<u64> = (0..4).map(|_| chance.below(1_000_000)).collect();
        let mut other = Chance::new(7).fork(1);
        assert_eq!(drawn, GOLDEN, "draws of seed 7");
        assert_ne!(other.below(1_000_000), GOLDEN[0]);
    }
    const GOLDEN: [u64; 4] = [55_360, 172_115, 717_576, 427_209];

    #[test]
    fn draws_keep_to_their_range() {
        let mut chance = Chance::new(1);
        for _ in 0..10_000 {
            assert!(chance.below(3) < 3);
            assert!((0.0..1.0).contains(&chance.unit()));
            assert!((-2.0..5.0).contains(&chance.between(-2.0, 5.0)));
        }
        assert_eq!(chance.below(0), 0);
        assert!(!chance.happens(0.0));
        assert!(chance.happens(1.0));
    }

    #[test]
    fn a_fork_does_not_depend_on_what_was_drawn() {
        let mut chance = Chance::new(9);
        let before = chance.fork(3).bits();
        chance.bits();
        assert_eq!(chance.fork(3).bits(), before);
        assert_ne!(chance.fork(4).bits(), before);
    }
}
