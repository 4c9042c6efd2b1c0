//! How much goes into one write, and the volatile messages that wait for the next one.

use super::{VOLATILE_MAX, VOLATILE_MS_MAX};
use crate::time::Time;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// One round of writing: the calls of `next` between two times that the link took something.
///
/// The first frame of a round goes whatever its length, else a frame that is longer than the link ever takes would
/// wait for ever; so a link holds at most one frame more than it said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    left: usize,
    given: bool,
}

impl Round {
    /// The link says what it takes; more than this round has left is a new round. False: it takes nothing.
    pub fn begin(&mut self, writable: usize) -> bool {
        if writable > self.left {
            self.given = false;
        }
        self.left = writable;
        writable > 0
    }

    pub fn fits(&self, len: usize) -> bool {
        len <= self.left || !self.given
    }

    pub fn give(&mut self, len: usize) {
        self.left = self.left.saturating_sub(len);
        self.given = true;
    }
}

/// Volatile messages: they go with the next write or not at all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Volatiles {
    queue: VecDeque<(Option<Time>, Bytes)>,
    /// The last round of writing ended because the link took no more.
    pub blocked: bool,
}

impl Volatiles {
    /// Queues a message; returns how many were dropped (this one, or an older one).
    pub fn push(&mut self, at: Option<Time>, frame: Bytes) -> u64 {
        if self.blocked {
            return 1;
        }
        self.queue.push_back((at, frame));
        let over = self.queue.len() > VOLATILE_MAX;
        if over {
            self.queue.pop_front();
        }
        u64::from(over)
    }

    /// Drops what has waited too long; returns how many.
    pub fn expire(&mut self, now: Time) -> u64 {
        let before = self.queue.len();
        let most = Duration::from_millis(VOLATILE_MS_MAX);
        self.queue
            .retain_mut(|(at, _)| now.since(*at.get_or_insert(now)) <= most);
        (before - self.queue.len()) as u64
    }

    pub fn next_len(&self) -> Option<usize> {
        self.queue.front().map(|(_, frame)| frame.len())
    }

    pub fn pop(&mut self) -> Option<Bytes> {
        self.queue.pop_front().map(|(_, frame)| frame)
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Drops all; returns how many.
    pub fn clear(&mut self) -> u64 {
        let dropped = self.queue.len() as u64;
        self.queue.clear();
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_goes_whatever_its_length_and_the_next_must_fit() {
        let mut round = Round::default();
        assert!(!round.begin(0));
        assert!(round.begin(10) && round.fits(5000));
        round.give(5000);
        assert!(!round.begin(0));
        assert!(
            round.begin(10) && round.fits(5000),
            "the link took something: a new round"
        );
        round.give(4);
        assert!(round.begin(6) && round.fits(6) && !round.fits(7));
        assert!(
            round.begin(6) && !round.fits(7),
            "asking again does not help"
        );
        assert!(round.begin(7) && round.fits(8));
    }

    #[test]
    fn volatiles_keep_the_newest_and_forget_the_old() {
        let mut volatiles = Volatiles::default();
        let dropped: u64 = (0..VOLATILE_MAX as u8 + 3)
            .map(|i| volatiles.push(Some(Time(0)), Bytes::from(vec![i])))
            .sum();
        assert_eq!(dropped, 3);
        assert_eq!(volatiles.pop().unwrap()[0], 3);
        assert_eq!(volatiles.expire(Time::from_millis(VOLATILE_MS_MAX)), 0);
        assert_eq!(
            volatiles.expire(Time::from_millis(VOLATILE_MS_MAX + 1)),
            VOLATILE_MAX as u64 - 1
        );
        assert!(volatiles.is_empty());
    }
}
