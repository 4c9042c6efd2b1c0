//! Token buckets: the server's, which refuse, and the client's pace, which keeps within them whatever the link does.

use crate::frame::Limits;
use crate::time::Time;

const MICRO: u64 = 1_000_000;

/// So many tokens a second, and so many saved up.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    per_s: u64,
    /// In millionths of a token, as is the level.
    burst: u64,
    level: u64,
    at: Time,
}

impl Bucket {
    pub fn new(now: Time, per_s: u64, burst: u64) -> Bucket {
        let burst = burst.saturating_mul(MICRO);
        Bucket {
            per_s,
            burst,
            level: burst,
            at: now,
        }
    }

    /// Takes `tokens` if they are there.
    pub fn take(&mut self, now: Time, tokens: u64) -> bool {
        self.refill(now);
        let wanted = tokens.saturating_mul(MICRO);
        let there = wanted <= self.level;
        if there {
            self.level -= wanted;
        }
        there
    }

    /// Takes `tokens`, or all that is there.
    fn drain(&mut self, now: Time, tokens: u64) {
        self.refill(now);
        self.level = self.level.saturating_sub(tokens.saturating_mul(MICRO));
    }

    /// When `tokens` will be there (or as many as it ever holds); None: never.
    fn ready_at(&self, tokens: u64) -> Option<Time> {
        let missing = tokens
            .saturating_mul(MICRO)
            .min(self.burst)
            .saturating_sub(self.level);
        match (missing, self.per_s) {
            (0, _) => Some(self.at),
            (_, 0) => None,
            (missing, per_s) => Some(Time(self.at.0.saturating_add(missing.div_ceil(per_s)))),
        }
    }

    fn refill(&mut self, now: Time) {
        // A microsecond's share of a token is `per_s` millionths.
        let micros = now.0.saturating_sub(self.at.0);
        self.level = self
            .level
            .saturating_add(micros.saturating_mul(self.per_s))
            .min(self.burst);
        self.at = self.at.max(now);
    }
}

/// What a server takes of frames and bytes: two seconds' worth at once, so that what one stall of the link
/// held back is no violation.
#[derive(Clone, Debug)]
pub(crate) struct Allowance {
    messages: Bucket,
    bytes: Bucket,
}

impl Allowance {
    pub fn new(now: Time, limits: &Limits, frame_max: usize) -> Allowance {
        let (messages, bytes) = (
            u64::from(limits.messages_per_s),
            u64::from(limits.bytes_per_s),
        );
        Allowance {
            messages: Bucket::new(now, messages, messages.saturating_mul(2).max(2)),
            bytes: Bucket::new(now, bytes, (bytes * 2).max(frame_max as u64 * 2)),
        }
    }

    /// What was exceeded, if anything.
    pub fn charge(&mut self, now: Time, len: usize) -> Result<(), &'static str> {
        if !self.messages.take(now, 1) {
            return Err("frames");
        }
        if self.bytes.take(now, len as u64) {
            Ok(())
        } else {
            Err("bytes")
        }
    }
}

/// A client's own limit, inside what an [`Allowance`] takes.
///
/// What a server hears in any span is at most what was under way at its start and what was sent in it. So a
/// client keeps at most one second's worth under way (a pong proves that all before its ping arrived), saves up at
/// most three quarters of a second's, and sends at 95 % of the rate: together less than the server's two seconds' worth.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    messages: Bucket,
    bytes: Bucket,
    sent: Mark,
    proven: Mark,
    window: Mark,
}

/// Frames and bytes sent, counted from the start of the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub frames: u64,
    pub bytes: u64,
}

impl Pace {
    pub fn new(now: Time, limits: &Limits, frame_max: usize) -> Pace {
        let (messages, bytes) = (
            u64::from(limits.messages_per_s),
            u64::from(limits.bytes_per_s),
        );
        Pace {
            messages: Bucket::new(now, share(messages, 95), share(messages, 75)),
            bytes: Bucket::new(
                now,
                share(bytes, 95),
                share(bytes, 75).max(frame_max as u64),
            ),
            sent: Mark::default(),
            proven: Mark::default(),
            window: Mark {
                frames: messages,
                bytes,
            },
        }
    }

    /// Whether a frame of `len` bytes may go now.
    pub fn ready(&mut self, now: Time, len: usize) -> bool {
        self.messages.refill(now);
        self.bytes.refill(now);
        let full = self.messages.level >= MICRO
            && self.bytes.level >= (len as u64).saturating_mul(MICRO).min(self.bytes.burst);
        full && self.window_holds(len)
    }

    /// When a frame of `len` bytes may go; None: when a pong has proven that others arrived.
    pub fn ready_at(&self, len: usize) -> Option<Time> {
        if !self.window_holds(len) {
            return None;
        }
        Some(
            self.messages
                .ready_at(1)?
                .max(self.bytes.ready_at(len as u64)?),
        )
    }

    pub fn charge(&mut self, now: Time, len: usize) {
        self.messages.drain(now, 1);
        self.bytes.drain(now, len as u64);
        self.sent.frames += 1;
        self.sent.bytes += len as u64;
    }

    /// What is sent by now, for the ping that goes next.
    pub fn mark(&self) -> Mark {
        self.sent
    }

    /// All up to this mark has arrived.
    pub fn prove(&mut self, mark: Mark) {
        self.proven = mark;
    }

    /// Whether so much is under way that a ping should ask for proof.
    pub fn wants_proof(&self) -> bool {
        let under_way = self.under_way();
        under_way.frames * 2 >= self.window.frames.max(2)
            || under_way.bytes * 2 >= self.window.bytes.max(2)
    }

    fn window_holds(&self, len: usize) -> bool {
        let under_way = self.under_way();
        let nothing = under_way.frames == 0;
        nothing
            || (under_way.frames < self.window.frames
                && under_way.bytes + len as u64 <= self.window.bytes)
    }

    fn under_way(&self) -> Mark {
        Mark {
            frames: self.sent.frames - self.proven.frames,
            bytes: self.sent.bytes - self.proven.bytes,
        }
    }
}

fn share(rate: u64, percent: u64) -> u64 {
    (rate.saturating_mul(percent) / 100).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(Time(0), 10, 5);
        assert_eq!((0..20).filter(|_| bucket.take(Time(0), 1)).count(), 5);
        assert_eq!(bucket.ready_at(1), Some(Time::from_millis(100)));
        assert!(!bucket.take(Time(99_999), 1));
        assert!(bucket.take(Time(100_000), 1));
        let taken = (0..1000)
            .filter(|ms| bucket.take(Time::from_millis(100 + ms * 10), 1))
            .count();
        assert!(
            (99..=101).contains(&taken),
            "{taken} in 10 s at 10 a second"
        );
    }

    #[test]
    fn a_bucket_survives_any_clock() {
        let mut bucket = Bucket::new(Time(1000), u64::from(u32::MAX), 3);
        assert!(bucket.take(Time(0), 3));
        assert!(!bucket.take(Time(0), 1));
        assert!(bucket.take(Time(u64::MAX), 3));
        assert!(!bucket.take(Time(0), 1));
        let never = Bucket {
            per_s: 0,
            burst: MICRO,
            level: 0,
            at: Time(0),
        };
        assert_eq!(never.ready_at(1), None);
    }

    /// How a link delays: frames sent at a time arrive not before `open` of the stall that they fall into.
    fn arrival(sent: u64, stalls: &[(u64, u64)]) -> u64 {
        stalls.iter().fold(sent, |at, (from, span)| {
            if at >= *from && at < from + span {
                from + span
            } else {
                at
            }
        })
    }

    proptest! {
        #[test]
        fn a_paced_client_never_exceeds_the_allowance(
            // Many short ones reach the limit of frames, long ones that of bytes.
            lens in prop_oneof![prop::collection::vec(1usize..20, 500..1500), prop::collection::vec(1usize..4300, 50..400)],
            mut stalls in prop::collection::vec((0u64..20_000_000, 0u64..14_000_000), 0..4),
            way in 1_000u64..400_000,
        ) {
            stalls.sort_unstable();
            let limits = Limits::default();
            let frame_max = 4096 + 256;
            let mut pace = Pace::new(Time(0), &limits, frame_max);
            let mut allowance = Allowance::new(Time(0), &limits, frame_max);
            let mut now = 0u64;
            let mut pings: std::collections::VecDeque<(u64, Mark)> = Default::default();
            let mut last_arrival = 0;
            for len in lens {
                while !pace.ready(Time(now), len) {
                    now += 5_000;
                    while pings.front().is_some_and(|(at, _)| *at <= now) {
                        pace.prove(pings.pop_front().unwrap().1);
                    }
                    if pace.wants_proof() && pings.is_empty() {
                        pace.charge(Time(now), 5);
                        last_arrival = arrival(now + way, &stalls).max(last_arrival);
                        prop_assert!(allowance.charge(Time(last_arrival), 5).is_ok());
                        pings.push_back((last_arrival + way, pace.mark()));
                    }
                    prop_assert!(now < 3_600_000_000, "the pace never stands still for ever");
                }
                pace.charge(Time(now), len);
                last_arrival = arrival(now + way, &stalls).max(last_arrival);
                prop_assert_eq!(allowance.charge(Time(last_arrival), len), Ok(()));
            }
        }
    }
}
