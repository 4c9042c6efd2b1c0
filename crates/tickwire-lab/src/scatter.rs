//! One direction of a lane of datagrams: each arrives late, twice, before an earlier one, or not at all. No order, no copies of what is lost.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use bytes::Bytes;
use tickwire_proto::time::Time;

use crate::{
    Chance,
    pipe::Way,
    profile::Profile,
    stream::{Toward, way},
};

/// Bytes of headers that a datagram costs beside its payload: of UDP and QUIC.
pub(crate) const DATAGRAM_HEADERS: usize = 28 + 20;
/// A router holds what its line carries in so long, and drops what comes beyond that.
const QUEUE: Duration = Duration::from_millis(200);
/// The part of the datagrams that come twice, of those that are lost.
const DOUBLED: f64 = 0.1;

/// A datagram under way; the earliest first, and of those the first sent.
type Flying = Reverse<(Time, u64, Bytes)>;

/// One direction.
pub(crate) struct Scatter {
    way: Way,
    flight: BinaryHeap<Flying>,
    sent: u64,
    busy_until: Time,
    held_until: Time,
    ended: bool,
}

impl Scatter {
    pub fn new(profile: &Profile, toward: Toward) -> Self {
        Scatter {
            way: way(profile, toward),
            flight: BinaryHeap::new(),
            sent: 0,
            busy_until: Time(0),
            held_until: Time(0),
            ended: false,
        }
    }

    pub fn set_profile(&mut self, profile: &Profile, toward: Toward) {
        self.way = way(profile, toward);
    }

    pub fn send(&mut self, now: Time, bytes: Bytes, chance: &mut Chance) {
        let begins = self.busy_until.max(now);
        if self.ended || begins.since(now) > QUEUE {
            return;
        }
        let length = (bytes.len() + DATAGRAM_HEADERS) as u64;
        let takes = Duration::from_micros(length * 1_000_000 / self.way.bytes_per_s.max(1));
        self.busy_until = begins.plus(takes);
        let copies = match chance.happens(self.way.loss) {
            true => 0,
            false => 1 + usize::from(chance.happens(self.way.loss * DOUBLED)),
        };
        for _ in 0..copies {
            let arrives = self.busy_until.plus(self.way.sample(chance));
            // While the way stalls what would arrive is dropped.
            if arrives >= self.held_until {
                self.sent += 1;
                self.flight
                    .push(Reverse((arrives, self.sent, bytes.clone())));
            }
        }
    }

    /// What has arrived by now, one after the other.
    pub fn read(&mut self, now: Time) -> Option<Bytes> {
        let Reverse((arrives, ..)) = self.flight.peek()?;
        if *arrives > now {
            return None;
        }
        self.flight.pop().map(|Reverse((.., bytes))| bytes)
    }

    pub fn next_due(&self) -> Option<Time> {
        self.flight.peek().map(|Reverse((arrives, ..))| *arrives)
    }

    /// Nothing arrives before `until`: it is lost.
    pub fn hold(&mut self, until: Time) {
        self.held_until = self.held_until.max(until);
        self.flight
            .retain(|Reverse((arrives, ..))| *arrives >= until);
    }

    pub fn release(&mut self) {
        self.held_until = Time(0);
    }

    /// Nothing arrives any more.
    pub fn end(&mut self) {
        self.ended = true;
        self.flight.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile;

    /// What became of so many datagrams that were sent every 10 ms: the numbers that came out, in order.
    fn through(profile: &Profile, seed: u64, count: u32) -> Vec<u32> {
        let (mut way, mut chance) = (Scatter::new(profile, Toward::Client), Chance::new(seed));
        let mut out = Vec::new();
        for now in 0..u64::from(count) * 10 + 1_000 {
            let at = Time::from_millis(now);
            if now % 10 == 0 && now / 10 < u64::from(count) {
                let number = (now / 10) as u32;
                way.send(
                    at,
                    Bytes::copy_from_slice(&number.to_le_bytes()),
                    &mut chance,
                );
            }
            while let Some(bytes) = way.read(at) {
                out.push(u32::from_le_bytes(bytes[..].try_into().unwrap()));
            }
        }
        out
    }

    #[test]
    fn some_are_lost_some_come_twice_and_some_too_early() {
        let out = through(&profile::FOUR_G, 1, 10_000);
        let mut once = out.clone();
        once.sort_unstable();
        once.dedup();
        let lost = 10_000 - once.len();
        assert!((300..500).contains(&lost), "{lost} of 4 %");
        let twice = out.len() - once.len();
        assert!((10..80).contains(&twice), "{twice} of 0.4 %");
        let swapped = out.windows(2).filter(|pair| pair[1] < pair[0]).count();
        assert!(swapped > 500, "{swapped} came after a later one");
        assert!(through(&profile::LOOPBACK, 1, 500).into_iter().eq(0..500));
    }

    #[test]
    fn a_full_line_drops_and_a_stall_loses() {
        let narrow = profile::FIBER.bandwidth(1_000);
        let out = through(&narrow, 1, 1_000);
        assert!((150..300).contains(&out.len()), "{} of 52 bytes", out.len());
        let (mut way, mut chance) = (
            Scatter::new(&profile::FIBER, Toward::Client),
            Chance::new(1),
        );
        way.send(Time(0), Bytes::from_static(b"x"), &mut chance);
        way.hold(Time::from_millis(500));
        way.send(
            Time::from_millis(100),
            Bytes::from_static(b"y"),
            &mut chance,
        );
        way.send(
            Time::from_millis(600),
            Bytes::from_static(b"z"),
            &mut chance,
        );
        let all: Vec<_> = std::iter::from_fn(|| way.read(Time::from_millis(900))).collect();
        assert_eq!(all, ["z"]);
    }
}
