//! What happens next, in virtual time: a heap keyed by (time, number), so that equal times keep the order in which they were planned.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use tickwire_proto::time::Time;

/// Planned events.
pub(crate) struct Queue<E> {
    heap: BinaryHeap<Reverse<Planned<E>>>,
    planned: u64,
}

struct Planned<E> {
    at: Time,
    number: u64,
    event: E,
}

impl<E> Queue<E> {
    pub fn new() -> Self {
        Queue {
            heap: BinaryHeap::new(),
            planned: 0,
        }
    }

    pub fn plan(&mut self, at: Time, event: E) {
        self.planned += 1;
        self.heap.push(Reverse(Planned {
            at,
            number: self.planned,
            event,
        }));
    }

    /// The next event that is due by `until`.
    pub fn next(&mut self, until: Time) -> Option<(Time, E)> {
        if self.heap.peek()?.0.at > until {
            return None;
        }
        let Reverse(planned) = self.heap.pop()?;
        Some((planned.at, planned.event))
    }
}

impl<E> Planned<E> {
    fn key(&self) -> (Time, u64) {
        (self.at, self.number)
    }
}

impl<E> Ord for Planned<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl<E> PartialOrd for Planned<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Planned<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> Eq for Planned<E> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_first_then_the_order_of_planning() {
        let mut queue = Queue::new();
        for (at, event) in [(5, 'd'), (1, 'a'), (5, 'e'), (3, 'b'), (3, 'c'), (9, 'f')] {
            queue.plan(Time(at), event);
        }
        let seen: String = std::iter::from_fn(|| queue.next(Time(5)))
            .map(|(_, event)| event)
            .collect();
        assert_eq!(seen, "abcde");
        assert_eq!(queue.next(Time(9)), Some((Time(9), 'f')));
        assert_eq!(queue.next(Time(u64::MAX)), None);
    }
}
