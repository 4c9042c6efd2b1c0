//! A link conditioner: makes a good link as bad as one wants to try a game on. It holds frames back, in order; what a bad link is like in full is the lab's.

mod text;

pub use text::ConditionError;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tickwire_proto::Time;

/// What a conditioned way is like. Times are for one direction.
///
/// ```
/// use std::time::Duration;
/// use tickwire_client::Condition;
/// assert_eq!(Condition::named("4g").unwrap().delay, Duration::from_millis(100));
/// assert_eq!(Condition::named("carrier pigeon"), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Condition {
    /// The mean way of a frame.
    pub delay: Duration,
    /// The most by which it is shorter or longer. Order is kept.
    pub jitter: Duration,
    /// The part of the frames whose packet is lost: on an ordered link each is a stall, since all behind it waits for its copy.
    pub loss: f64,
}

/// The profiles by which figures are told, best first: name, delay and jitter in ms, loss.
const PROFILES: [(&str, u64, u64, f64); 6] = [
    ("fiber", 10, 1, 0.0),
    ("broadband", 32, 12, 0.02),
    ("congested", 50, 50, 0.01),
    ("5G", 30, 20, 0.04),
    ("4G", 100, 20, 0.04),
    ("3.5G", 160, 30, 0.06),
];
/// Frames that one direction holds at most: beyond them they come early.
const HELD_MAX: usize = 4_096;
/// The longest way, and the greatest part that is lost, that one may ask for in words.
const WAY_MAX: Duration = Duration::from_secs(60);
const LOSS_MAX: f64 = 0.9;
/// Until a sender knows of a loss it takes a round trip and about this long.
const NOTICED: Duration = Duration::from_millis(60);

impl Condition {
    /// One of the profiles: `fiber`, `broadband`, `congested`, `5G`, `4G`, `3.5G`, whatever the case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let found = PROFILES.iter().find(|it| it.0.eq_ignore_ascii_case(name));
        found.map(|&(_, delay, jitter, loss)| Self {
            delay: Duration::from_millis(delay),
            jitter: Duration::from_millis(jitter),
            loss,
        })
    }

    /// The names of the profiles, best first.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PROFILES.iter().map(|it| it.0)
    }
}

/// Holds the frames of a link back, both ways, as a [`Condition`] says, which may change at any time.
///
/// ```
/// use std::time::Duration;
/// use bytes::Bytes;
/// use tickwire_client::{Condition, Conditioner};
/// use tickwire_proto::Time;
///
/// let mut link = Conditioner::new(7);
/// link.set(Some(Condition { delay: Duration::from_millis(75), ..Condition::default() }));
/// link.down.put(Time(0), Bytes::from_static(b"frame"));
/// assert_eq!(link.down.take(Time::from_millis(74)), None);
/// assert!(link.down.take(Time::from_millis(75)).is_some());
/// ```
#[derive(Debug)]
pub struct Conditioner {
    /// From the server.
    pub down: Held,
    /// To it.
    pub up: Held,
}

/// One direction.
#[derive(Debug)]
pub struct Held {
    condition: Option<Condition>,
    frames: VecDeque<(Time, Bytes)>,
    /// Nothing passes before.
    closed: Time,
    last: Time,
    chance: u64,
}

impl Conditioner {
    /// One that does nothing yet. `seed`: of what is lost and how late the rest is.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            down: Held::new(seed),
            up: Held::new(seed ^ 0x5851_f42d_4c95_7f2d),
        }
    }

    /// From now on the link is like this; `None`: as it is. What is held comes as it would have.
    pub fn set(&mut self, condition: Option<Condition>) {
        self.down.condition = condition;
        self.up.condition = condition;
    }

    /// Nothing passes until then, in either direction; then all of it does.
    pub fn cut(&mut self, until: Time) {
        self.down.closed = self.down.closed.max(until);
        self.up.closed = self.up.closed.max(until);
    }

    /// Whether it does anything now.
    #[must_use]
    pub fn is_on(&self, now: Time) -> bool {
        self.down.is_on(now) || self.up.is_on(now)
    }

    /// Another link is used: what was held of the one before is lost with it.
    pub fn begin_anew(&mut self) {
        for held in [&mut self.down, &mut self.up] {
            held.frames.clear();
            held.last = Time(0);
        }
    }

    /// When something is let go next.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        self.down.due().into_iter().chain(self.up.due()).min()
    }
}

impl Held {
    fn new(chance: u64) -> Self {
        Self {
            condition: None,
            frames: VecDeque::new(),
            closed: Time(0),
            last: Time(0),
            chance,
        }
    }

    fn is_on(&self, now: Time) -> bool {
        self.condition.is_some() || !self.frames.is_empty() || self.closed > now
    }

    /// A frame sets out.
    pub fn put(&mut self, now: Time, frame: Bytes) {
        if self.frames.len() == HELD_MAX {
            self.closed = Time(0);
            self.frames.iter_mut().for_each(|(due, _)| *due = now);
            self.last = now;
        }
        let due = now.plus(self.way()).max(self.last).max(self.closed);
        self.last = due;
        self.frames.push_back((due, frame));
    }

    /// The next frame that has arrived.
    pub fn take(&mut self, now: Time) -> Option<Bytes> {
        let first = self.frames.pop_front_if(|(due, _)| *due <= now)?;
        Some(first.1)
    }

    fn due(&self) -> Option<Time> {
        self.frames.front().map(|(due, _)| *due)
    }

    fn way(&mut self) -> Duration {
        let Some(condition) = self.condition else {
            return Duration::ZERO;
        };
        let part = self.unit() * 2.0 - 1.0;
        let jitter = condition.jitter.as_secs_f64() * part;
        let mut way = (condition.delay.as_secs_f64() + jitter).max(0.0);
        while self.unit() < condition.loss.clamp(0.0, LOSS_MAX) {
            way += 2.0 * condition.delay.as_secs_f64() + NOTICED.as_secs_f64();
        }
        Duration::from_secs_f64(way)
    }

    /// A number in 0..1: splitmix64.
    fn unit(&mut self) -> f64 {
        self.chance = self.chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(number: u32) -> Bytes {
        Bytes::copy_from_slice(&number.to_le_bytes())
    }

    #[test]
    fn frames_come_late_in_order_and_none_is_lost() {
        let mut link = Conditioner::new(3);
        link.set(Condition::named("3.5G"));
        let (mut came, mut now) = (Vec::new(), Time(0));
        let mut stalls = 0;
        for number in 0..2_000_u32 {
            now = now.plus(Duration::from_millis(33));
            link.up.put(now, frame(number));
            let before = came.len();
            while let Some(one) = link.up.take(now) {
                came.push(one);
            }
            stalls += u32::from(came.len() > before + 3);
        }
        now = now.plus(Duration::from_secs(5));
        while let Some(one) = link.up.take(now) {
            came.push(one);
        }
        assert!(
            came.iter().map(|one| &one[..]).eq((0..2_000_u32)
                .map(|n| n.to_le_bytes())
                .collect::<Vec<_>>()
                .iter()
                .map(|n| &n[..]))
        );
        assert!(
            (60..400).contains(&stalls),
            "{stalls} losses of 6 % of 2,000"
        );
    }

    #[test]
    fn a_cut_holds_all_and_then_lets_all_go() {
        let mut link = Conditioner::new(3);
        assert!(!link.is_on(Time(0)));
        link.cut(Time::from_millis(3_000));
        assert!(link.is_on(Time(0)));
        link.down.put(Time(10), frame(1));
        link.down.put(Time::from_millis(2_000), frame(2));
        assert_eq!(link.next_due(), Some(Time::from_millis(3_000)));
        assert_eq!(link.down.take(Time::from_millis(2_999)), None);
        assert_eq!(link.down.take(Time::from_millis(3_000)), Some(frame(1)));
        assert_eq!(link.down.take(Time::from_millis(3_000)), Some(frame(2)));
        link.down.put(Time::from_millis(3_001), frame(3));
        assert!(link.down.take(Time::from_millis(3_001)).is_some());
        assert!(!link.is_on(Time::from_millis(3_001)));
    }

    #[test]
    fn what_it_holds_is_bounded() {
        let mut link = Conditioner::new(3);
        link.cut(Time(u64::MAX / 2));
        (0..=HELD_MAX as u32).for_each(|n| link.up.put(Time(5), frame(n)));
        assert_eq!(link.up.take(Time(5)), Some(frame(0)));
    }
}
