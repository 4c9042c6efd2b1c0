//! What the bots of one thread count together; read by the live line while they play and by the report at the end.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hdrhistogram::Histogram;

/// Times beyond this count as this: a minute, in microseconds.
const MICROS_MAX: u64 = 60_000_000;
/// Different reasons of failure that are kept.
const REASONS_MAX: usize = 8;

/// Counts of one thread's bots. The lock is taken by its thread, and a few times a second by the live line.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Tally>>);

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The counts.
pub(crate) struct Tally {
    /// Bots that are in a room now.
    pub playing: u32,
    /// Bots that never got in, or were lost.
    pub failed: u32,
    /// Bots that came to their end, well or not: the others were lost to a panic.
    pub finished: u32,
    /// Why, and how many.
    pub reasons: BTreeMap<String, u32>,
    /// From here on only what happened while all played.
    pub updates: u64,
    pub bytes: u64,
    pub wire_bytes: u64,
    pub age: Histogram<u64>,
    pub effect: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        let histogram = || {
            Histogram::new_with_bounds(1, MICROS_MAX, 3).expect("bounds that a histogram can have")
        };
        Tally {
            playing: 0,
            failed: 0,
            finished: 0,
            reasons: BTreeMap::new(),
            updates: 0,
            bytes: 0,
            wire_bytes: 0,
            age: histogram(),
            effect: histogram(),
        }
    }
}

impl Tally {
    /// Notes a failure and why.
    pub fn fail(&mut self, reason: String) {
        self.failed += 1;
        if self.reasons.len() < REASONS_MAX || self.reasons.contains_key(&reason) {
            *self.reasons.entry(reason).or_default() += 1;
        }
    }

    pub fn age(&mut self, micros: u64) {
        self.age.saturating_record(micros.clamp(1, MICROS_MAX));
    }

    pub fn effect(&mut self, micros: u64) {
        self.effect.saturating_record(micros.clamp(1, MICROS_MAX));
    }

    /// Adds another thread's.
    pub fn add(&mut self, other: &Tally) {
        self.playing += other.playing;
        self.failed += other.failed;
        self.finished += other.finished;
        for (reason, count) in &other.reasons {
            *self.reasons.entry(reason.clone()).or_default() += count;
        }
        self.updates += other.updates;
        self.bytes += other.bytes;
        self.wire_bytes += other.wire_bytes;
        self.age.add(&other.age).expect("equal bounds");
        self.effect.add(&other.effect).expect("equal bounds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_bounds() {
        let (mut a, mut b) = (Tally::default(), Tally::default());
        (0..100).for_each(|number| a.fail(format!("reason {number}")));
        b.fail("reason 0".into());
        a.age(u64::MAX);
        b.age(0);
        a.add(&b);
        assert_eq!(
            (a.failed, a.reasons.len(), a.reasons["reason 0"]),
            (101, REASONS_MAX, 2)
        );
        assert_eq!(a.age.len(), 2);
        assert!(a.age.max() >= MICROS_MAX);
    }
}
