//! Pings, pongs, and the moment at which a silent link is dead.

use super::bucket::Mark;
use crate::frame::Limits;
use crate::time::Time;
use std::collections::VecDeque;
use std::time::Duration;

/// Pings that may wait for their pong; an older one is forgotten.
const PINGS_MAX: usize = 4;
/// So many pings come quickly, so that the round trip is known soon.
const EARLY_PINGS: u32 = 4;
const EARLY_EVERY: Duration = Duration::from_secs(1);
/// Whatever a peer says, heartbeats are no flood and no dead link stays for a day.
const EVERY_LEAST: Duration = Duration::from_millis(250);
const DEAD_MOST: Duration = Duration::from_secs(600);

#[derive(Clone, Debug)]
pub(crate) struct Heartbeat {
    every: Duration,
    dead_after: Duration,
    heard: Time,
    ping_at: Time,
    /// A ping is due and has not been written.
    ping_wanted: bool,
    pings: VecDeque<Ping>,
    sent: u32,
    /// The nonce of a ping that was not answered yet: one at most, the newest.
    owed: Option<u32>,
    chance: u64,
}

#[derive(Clone, Copy, Debug)]
struct Ping {
    nonce: u32,
    at: Time,
    mark: Mark,
}

/// A pong that answers a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub rtt: Duration,
    pub mark: Mark,
}

impl Heartbeat {
    pub fn new(now: Time, limits: &Limits, seed: u64) -> Heartbeat {
        let every = Duration::from_millis(u64::from(limits.heartbeat_ms)).max(EVERY_LEAST);
        let dead_after =
            Duration::from_millis(u64::from(limits.dead_ms)).clamp(every, DEAD_MOST.max(every));
        Heartbeat {
            every,
            dead_after,
            heard: now,
            ping_at: now,
            ping_wanted: false,
            pings: VecDeque::new(),
            sent: 0,
            owed: None,
            chance: seed,
        }
    }

    pub fn heard(&mut self, now: Time) {
        self.heard = self.heard.max(now);
    }

    /// The peer pinged; true if an older ping goes without an answer for it.
    pub fn owe(&mut self, nonce: u32) -> bool {
        self.owed.replace(nonce).is_some()
    }

    pub fn owes_pong(&self) -> bool {
        self.owed.is_some()
    }

    pub fn take_pong(&mut self) -> Option<u32> {
        self.owed.take()
    }

    pub fn want_ping(&mut self) {
        self.ping_wanted = true;
    }

    pub fn wants_ping(&self) -> bool {
        self.ping_wanted
    }

    /// Whether a ping waits for its pong.
    pub fn is_waiting(&self) -> bool {
        !self.pings.is_empty()
    }

    /// The nonce of a ping that is written now.
    pub fn ping(&mut self, now: Time, mark: Mark) -> u32 {
        if self.pings.len() == PINGS_MAX {
            self.pings.pop_front();
        }
        let nonce = self.draw();
        self.pings.push_back(Ping {
            nonce,
            at: now,
            mark,
        });
        self.ping_wanted = false;
        self.sent = self.sent.saturating_add(1);
        self.ping_at = now.plus(self.interval());
        nonce
    }

    /// What a pong says; None if it answers nothing.
    pub fn pong(&mut self, now: Time, nonce: u32) -> Option<Answer> {
        let found = self.pings.iter().position(|ping| ping.nonce == nonce)?;
        // Earlier ones were replaced at the peer: their pongs never come.
        let ping = self.pings.drain(..=found).next_back()?;
        Some(Answer {
            rtt: now.since(ping.at),
            mark: ping.mark,
        })
    }

    /// Whether the link is dead; wants a ping if one is due.
    pub fn timeout(&mut self, now: Time) -> bool {
        if now >= self.ping_at {
            self.ping_wanted = true;
            // Not from now on but from its writing; until then this keeps the timer from firing on and on.
            self.ping_at = now.plus(self.interval());
        }
        now >= self.dead_at()
    }

    pub fn next_timeout(&self) -> Time {
        self.ping_at.min(self.dead_at())
    }

    pub fn dead_at(&self) -> Time {
        self.heard.plus(self.dead_after)
    }

    fn interval(&self) -> Duration {
        if self.sent < EARLY_PINGS {
            self.every.min(EARLY_EVERY)
        } else {
            self.every
        }
    }

    /// SplitMix64: nonces that a peer does not guess by counting.
    fn draw(&mut self) -> u32 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_pings_come_every_second_and_later_ones_every_five() {
        let mut beat = Heartbeat::new(Time(0), &Limits::default(), 1);
        let mut written = Vec::new();
        while written.len() < 7 {
            let now = beat.next_timeout();
            assert!(!beat.timeout(now));
            assert!(beat.wants_ping());
            let nonce = beat.ping(now, Mark::default());
            beat.heard(now);
            assert!(beat.pong(now, nonce).is_some());
            written.push(now.as_millis() / 1000);
        }
        assert_eq!(written, [0, 1, 2, 3, 8, 13, 18]);
    }

    #[test]
    fn a_ping_that_cannot_be_written_does_not_spin_the_timer() {
        let mut beat = Heartbeat::new(Time(0), &Limits::default(), 1);
        let mut fired = 0;
        while !beat.timeout(beat.next_timeout()) {
            fired += 1;
        }
        assert!(fired < 20, "{fired} timeouts in 15 s");
        assert_eq!(beat.dead_at(), Time::from_millis(15_000));
    }

    #[test]
    fn old_pings_are_forgotten_and_unknown_pongs_answer_nothing() {
        let mut beat = Heartbeat::new(Time(0), &Limits::default(), 1);
        let nonces: Vec<u32> = (0..6)
            .map(|i| {
                beat.ping(
                    Time(i),
                    Mark {
                        frames: i,
                        bytes: 0,
                    },
                )
            })
            .collect();
        assert_eq!(beat.pong(Time(100), nonces[0]), None);
        let answer = beat.pong(Time(100), nonces[4]).unwrap();
        assert_eq!((answer.rtt.as_micros(), answer.mark.frames), (96, 4));
        assert_eq!(
            beat.pong(Time(100), nonces[3]),
            None,
            "its pong was overtaken"
        );
        assert!(beat.pong(Time(100), nonces[5]).is_some());
        assert_eq!(beat.pong(Time(100), nonces[5]), None, "a pong counts once");
    }

    #[test]
    fn limits_from_a_peer_are_kept_sane() {
        let limits = Limits {
            heartbeat_ms: 0,
            dead_ms: 0,
            ..Limits::default()
        };
        let beat = Heartbeat::new(Time(0), &limits, 1);
        assert_eq!((beat.every, beat.dead_after), (EVERY_LEAST, EVERY_LEAST));
        let limits = Limits {
            heartbeat_ms: u32::MAX,
            dead_ms: u32::MAX,
            ..Limits::default()
        };
        let beat = Heartbeat::new(Time(0), &limits, 1);
        assert!(beat.dead_after >= beat.every);
    }
}
