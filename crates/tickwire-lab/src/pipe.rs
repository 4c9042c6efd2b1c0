//! One direction of a TCP connection as its ends feel it: a byte stream with a window, late, stalled by loss, cut at any byte. No frames.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use tickwire_proto::time::Time;

use crate::Chance;

/// Payload bytes of a full packet.
const SEGMENT: usize = 1_448;
/// Bytes of headers that a packet costs beside its payload.
const HEADERS: usize = 40;
/// The least time after which a sender repeats what was not acknowledged, beside the round trip.
const RETRANSMIT: Duration = Duration::from_millis(200);
/// A lost packet is repeated early when this many behind it have arrived.
const FAST_RETRANSMIT: u8 = 3;
/// Copies of one packet that may be lost in a row.
const COPIES_MAX: u32 = 4;

/// What the way of a pipe is like, from its sender to its receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub delay: Duration,
    pub jitter: Duration,
    pub loss: f64,
    pub bytes_per_s: u64,
    pub window: usize,
}

impl Way {
    /// How long one packet is under way: the mean of two draws, so that the middle is likelier than the edges.
    pub fn sample(&self, chance: &mut Chance) -> Duration {
        let sway = chance.unit() + chance.unit() - 1.0;
        let micros = self.delay.as_micros() as f64 + sway * self.jitter.as_micros() as f64;
        Duration::from_micros(micros.max(0.0) as u64)
    }

    /// The time that a link of this speed needs for a packet.
    fn occupies(&self, payload: usize) -> Duration {
        let bytes = (payload + HEADERS) as u64;
        Duration::from_micros(bytes * 1_000_000 / self.bytes_per_s.max(1))
    }
}

/// A packet under way.
struct Segment {
    bytes: Bytes,
    arrives: Time,
    /// Lost, and this many behind it arrived: its copy is what `arrives` tells of.
    lost: Option<u8>,
}

/// One direction of a connection: what was written comes out in order, or not at all.
pub(crate) struct Pipe {
    way: Way,
    flight: VecDeque<Segment>,
    /// Delivered, and the time at which the sender hears of it.
    acks: VecDeque<(Time, usize)>,
    unacknowledged: usize,
    busy_until: Time,
    held_until: Time,
    ended: bool,
    dead: bool,
}

impl Pipe {
    pub fn new(way: Way) -> Self {
        Pipe {
            way,
            flight: VecDeque::new(),
            acks: VecDeque::new(),
            unacknowledged: 0,
            busy_until: Time(0),
            held_until: Time(0),
            ended: false,
            dead: false,
        }
    }

    /// From now on the way is like this; what is under way stays as it is.
    pub fn set_way(&mut self, way: Way) {
        self.way = way;
    }

    /// The sender hears what was acknowledged by now.
    pub fn hear(&mut self, now: Time) {
        while self.acks.front().is_some_and(|(at, _)| *at <= now) {
            self.unacknowledged -= self.acks.pop_front().map_or(0, |(_, bytes)| bytes);
        }
    }

    /// How many bytes the sender may write now.
    pub fn writable(&mut self, now: Time) -> usize {
        self.hear(now);
        if self.ended {
            0
        } else {
            self.way.window.saturating_sub(self.unacknowledged)
        }
    }

    /// Takes what fits the window and leaves the rest in `bytes`.
    pub fn write(&mut self, now: Time, bytes: &mut Bytes, chance: &mut Chance) -> usize {
        let fits = self.writable(now).min(bytes.len());
        let mut left = bytes.split_to(fits);
        while !left.is_empty() {
            let piece = left.split_to(left.len().min(SEGMENT));
            self.send(now, piece, chance);
        }
        self.unacknowledged += fits;
        fits
    }

    fn send(&mut self, now: Time, bytes: Bytes, chance: &mut Chance) {
        self.busy_until = self
            .busy_until
            .max(now)
            .plus(self.way.occupies(bytes.len()));
        let mut arrives = self.busy_until.plus(self.way.sample(chance));
        let mut lost = None;
        let mut patience = RETRANSMIT + self.way.delay * 2;
        for _ in 0..COPIES_MAX {
            if !chance.happens(self.way.loss) {
                break;
            }
            lost = Some(0);
            arrives = arrives.plus(patience);
            patience *= 2;
        }
        if lost.is_none() {
            self.hint_of_loss(arrives, chance);
        }
        self.flight.push_back(Segment {
            bytes,
            arrives,
            lost,
        });
    }

    /// A packet that will arrive tells the sender which before it did not; with the third such hint the copy goes at once.
    fn hint_of_loss(&mut self, arrives: Time, chance: &mut Chance) {
        let way = self.way;
        for segment in &mut self.flight {
            let Some(hints) = &mut segment.lost else {
                continue;
            };
            *hints = hints.saturating_add(1);
            if *hints == FAST_RETRANSMIT && !chance.happens(way.loss) {
                let there_and_back = way.sample(chance) + way.sample(chance);
                segment.arrives = segment.arrives.min(arrives.plus(there_and_back));
            }
        }
    }

    /// What has arrived by now, a packet at a time.
    pub fn read(&mut self, now: Time, chance: &mut Chance) -> Option<Bytes> {
        if self.dead || now < self.held_until || self.flight.front()?.arrives > now {
            return None;
        }
        let segment = self.flight.pop_front()?;
        let heard = now.plus(self.way.sample(chance));
        let heard = self.acks.back().map_or(heard, |(last, _)| heard.max(*last));
        self.acks.push_back((heard, segment.bytes.len()));
        Some(segment.bytes)
    }

    /// When something arrives or is acknowledged next.
    pub fn next_due(&self) -> Option<Time> {
        if self.dead {
            return None;
        }
        let arrives = self
            .flight
            .front()
            .map(|head| head.arrives.max(self.held_until));
        let heard = self.acks.front().map(|(at, _)| *at);
        match (arrives, heard) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Nothing arrives before `until`: a stall of the way.
    pub fn hold(&mut self, until: Time) {
        self.held_until = self.held_until.max(until);
    }

    /// The way is well again: nothing is held back, and no copy of a lost packet is waited for.
    pub fn release(&mut self, now: Time) {
        self.held_until = Time(0);
        let soon = now.plus(self.way.delay);
        for segment in &mut self.flight {
            segment.arrives = segment.arrives.min(soon);
        }
    }

    /// The way takes bytes and never delivers one again: a connection whose other end vanished.
    pub fn kill(&mut self) {
        self.dead = true;
    }

    /// Nothing more is written; what is under way arrives.
    pub fn finish(&mut self) {
        self.ended = true;
    }

    /// What is under way will never arrive.
    pub fn drop_all(&mut self) {
        self.flight.clear();
    }

    /// Of what is under way only a part arrives, and that may end within a frame.
    pub fn cut(&mut self, chance: &mut Chance) {
        self.ended = true;
        let mut kept = chance.below(self.in_flight() as u64 + 1) as usize;
        for segment in &mut self.flight {
            let keeps = kept.min(segment.bytes.len());
            segment.bytes.truncate(keeps);
            kept -= keeps;
        }
        self.flight.retain(|segment| !segment.bytes.is_empty());
    }

    /// Nothing more will ever come out.
    pub fn is_over(&self) -> bool {
        self.ended && (self.dead || self.flight.is_empty())
    }

    /// Bytes that the receiver has not seen yet.
    pub fn in_flight(&self) -> usize {
        self.flight.iter().map(|segment| segment.bytes.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Way = Way {
        delay: Duration::from_millis(50),
        jitter: Duration::from_millis(40),
        loss: 0.0,
        bytes_per_s: 1_000_000,
        window: 10_000,
    };

    fn ms(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    /// Writes `count` numbered bytes, one write every 10 ms, and reads all that comes out in `seconds`.
    fn through(way: Way, seed: u64, count: u64, seconds: u64) -> (Vec<u8>, u64) {
        let (mut pipe, mut chance) = (Pipe::new(way), Chance::new(seed));
        let (mut out, mut longest, mut last) = (Vec::new(), 0, 0);
        for now in 0..seconds * 1_000 {
            if now % 10 == 0 && now / 10 < count {
                let mut bytes = Bytes::from(vec![(now / 10) as u8]);
                pipe.write(ms(now), &mut bytes, &mut chance);
            }
            while let Some(bytes) = pipe.read(ms(now), &mut chance) {
                out.extend_from_slice(&bytes);
                longest = longest.max(now - last);
                last = now;
            }
        }
        (out, longest)
    }

    #[test]
    fn order_is_kept_whatever_the_jitter_and_loss() {
        for seed in 0..20 {
            let way = Way { loss: 0.2, ..WAY };
            let (out, _) = through(way, seed, 200, 20);
            let all: Vec<u8> = (0..200).collect();
            assert_eq!(out, all, "seed {seed}");
        }
    }

    #[test]
    fn a_loss_stalls_what_is_behind_it() {
        let (_, smooth) = through(WAY, 3, 200, 4);
        let (_, stalled) = through(Way { loss: 0.05, ..WAY }, 3, 200, 8);
        assert!(
            smooth < 110,
            "without loss the longest silence was {smooth} ms"
        );
        assert!(
            stalled > 110,
            "with loss the longest silence was {stalled} ms"
        );
    }

    #[test]
    fn the_window_bounds_what_is_unacknowledged() {
        let (mut pipe, mut chance) = (Pipe::new(WAY), Chance::new(1));
        let mut bytes = Bytes::from(vec![0; 25_000]);
        assert_eq!(pipe.write(ms(0), &mut bytes, &mut chance), 10_000);
        assert_eq!(bytes.len(), 15_000);
        assert_eq!(pipe.writable(ms(1)), 0);
        let mut read = 0;
        while let Some(bytes) = pipe.read(ms(500), &mut chance) {
            read += bytes.len();
        }
        assert_eq!(read, 10_000);
        assert_eq!(
            pipe.writable(ms(500)),
            0,
            "the sender has not heard of it yet"
        );
        assert_eq!(pipe.writable(ms(700)), 10_000);
    }

    #[test]
    fn bandwidth_makes_a_queue() {
        let way = Way {
            jitter: Duration::ZERO,
            bytes_per_s: 1_488,
            window: 100_000,
            ..WAY
        };
        let (mut pipe, mut chance) = (Pipe::new(way), Chance::new(1));
        let mut bytes = Bytes::from(vec![0; 3 * SEGMENT]);
        pipe.write(ms(0), &mut bytes, &mut chance);
        for second in 1..=3 {
            assert!(pipe.read(ms(second * 1_000 + 49), &mut chance).is_none());
            assert_eq!(
                pipe.read(ms(second * 1_000 + 50), &mut chance)
                    .map(|b| b.len()),
                Some(SEGMENT)
            );
        }
    }

    #[test]
    fn a_cut_leaves_a_prefix_of_any_length() {
        let mut lengths = std::collections::BTreeSet::new();
        for seed in 0..500 {
            let (mut pipe, mut chance) = (Pipe::new(WAY), Chance::new(seed));
            let mut bytes = Bytes::from((0..20).collect::<Vec<u8>>());
            pipe.write(ms(0), &mut bytes, &mut chance);
            pipe.cut(&mut chance);
            let out: Vec<u8> = std::iter::from_fn(|| pipe.read(ms(900), &mut chance))
                .flatten()
                .collect();
            assert!(out.iter().copied().eq(0..out.len() as u8));
            assert!(pipe.is_over());
            lengths.insert(out.len());
        }
        assert_eq!(lengths.len(), 21, "every cut from 0 to 20 bytes was seen");
    }

    #[test]
    fn a_dead_way_fills_and_says_nothing() {
        let (mut pipe, mut chance) = (Pipe::new(WAY), Chance::new(1));
        pipe.kill();
        let mut bytes = Bytes::from(vec![0; 20_000]);
        pipe.write(ms(0), &mut bytes, &mut chance);
        assert_eq!(pipe.writable(ms(60_000)), 0);
        assert!(pipe.read(ms(60_000), &mut chance).is_none());
        assert_eq!(pipe.next_due(), None);
    }
}
