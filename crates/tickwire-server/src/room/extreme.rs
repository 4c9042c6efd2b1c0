//! The least or the most of what was counted of late. What is counted is the caller's matter.

use tickwire_proto::Tick;

/// The least or the most of a span of ticks: of two halves, so that an old one is forgotten.
#[derive(Debug)]
pub(super) struct Extreme {
    of: fn(u32, u32) -> u32,
    half: u32,
    /// The number of the current half, its extreme, and that of the one before.
    at: u32,
    current: Option<u32>,
    before: Option<u32>,
}

impl Extreme {
    pub fn least(half: u32) -> Extreme {
        Extreme::new(u32::min, half)
    }

    pub fn most(half: u32) -> Extreme {
        Extreme::new(u32::max, half)
    }

    fn new(of: fn(u32, u32) -> u32, half: u32) -> Extreme {
        Extreme {
            of,
            half: half.max(1),
            at: 0,
            current: None,
            before: None,
        }
    }

    pub fn add(&mut self, now: Tick, value: u32) {
        let at = now.0 / self.half;
        if at != self.at {
            self.before = self.current.take().filter(|_| at == self.at + 1);
            self.at = at;
        }
        self.current = Some(
            self.current
                .map_or(value, |extreme| (self.of)(extreme, value)),
        );
    }

    pub fn get(&self, now: Tick) -> Option<u32> {
        match (now.0 / self.half).wrapping_sub(self.at) {
            0 => self.current.into_iter().chain(self.before).reduce(self.of),
            1 => self.current,
            _ => None,
        }
    }

    pub fn forget(&mut self) {
        (self.current, self.before) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_forgotten() {
        let mut least = Extreme::least(10);
        least.add(Tick(5), 3);
        least.add(Tick(12), 7);
        assert_eq!(least.get(Tick(19)), Some(3));
        assert_eq!(least.get(Tick(25)), Some(7));
        assert_eq!(least.get(Tick(40)), None);
    }
}
