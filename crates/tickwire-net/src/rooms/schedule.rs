//! When which room is due: one heap that the workers take from, one of them waiting for the next due time, the others for work.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tickwire_proto::Time;

use crate::clock;

/// Things that are due at a time. Taken out is owned: nobody else can have it until it is put back.
#[derive(Debug)]
pub(crate) struct Schedule<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    /// Somebody waits for the first due time.
    led: bool,
    stopped: bool,
    /// Breaks ties: who came first is first.
    count: u64,
}

#[derive(Debug)]
struct Entry<T> {
    due: Time,
    order: u64,
    thing: T,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        let state = State {
            heap: BinaryHeap::new(),
            led: false,
            stopped: false,
            count: 0,
        };
        Schedule {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }
}

impl<T> Schedule<T> {
    /// Puts a thing in, or back. After the stop it comes back: whoever made it knows how to end it.
    pub(crate) fn put(&self, due: Time, thing: T) -> Option<T> {
        let mut state = self.lock();
        if state.stopped {
            return Some(thing);
        }
        let first = state
            .heap
            .peek()
            .is_none_or(|Reverse(entry)| due < entry.due);
        state.count += 1;
        let order = state.count;
        state.heap.push(Reverse(Entry { due, order, thing }));
        // The waiting one waits for what was the first until now.
        if first {
            state.led = false;
            self.changed.notify_one();
        }
        None
    }

    /// Waits until something is due and takes it; `None` after the stop.
    pub(crate) fn take(&self) -> Option<(Time, T)> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            let wait = state
                .heap
                .peek()
                .map(|Reverse(entry)| clock::until(entry.due));
            match wait {
                Some(wait) if wait.is_zero() => {
                    let Reverse(entry) = state.heap.pop()?;
                    if !state.heap.is_empty() && !state.led {
                        self.changed.notify_one();
                    }
                    return Some((entry.due, entry.thing));
                }
                Some(wait) if !state.led => {
                    state.led = true;
                    let (woken, _) = self
                        .changed
                        .wait_timeout(state, wait)
                        .unwrap_or_else(PoisonError::into_inner);
                    state = woken;
                    // However it woke: two who lead do no harm, and none at all would be a standstill.
                    state.led = false;
                }
                _ => {
                    state = self
                        .changed
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner)
                }
            }
        }
    }

    /// Ends all waiting, and gives back what is in.
    pub(crate) fn stop(&self) -> impl Iterator<Item = T> + use<T> {
        let mut state = self.lock();
        state.stopped = true;
        let heap = std::mem::take(&mut state.heap);
        self.changed.notify_all();
        heap.into_iter().map(|Reverse(entry)| entry.thing)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in here can panic while the lock is held but an allocation.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn soon(millis: u64) -> Time {
        clock::now().plus(Duration::from_millis(millis))
    }

    #[test]
    fn the_first_due_comes_first_and_not_before_its_time() {
        let schedule = Schedule::default();
        let (early, late) = (soon(20), soon(40));
        schedule.put(late, "late");
        schedule.put(early, "early");
        assert_eq!(schedule.take(), Some((early, "early")));
        assert!(clock::now() >= early);
        assert_eq!(schedule.take(), Some((late, "late")));
        assert!(clock::now() >= late);
    }

    #[test]
    fn many_workers_lose_nothing_and_stop() {
        const THINGS: usize = 400;
        let schedule: Arc<Schedule<usize>> = Arc::default();
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let schedule = Arc::clone(&schedule);
                thread::spawn(move || {
                    let mut rounds = vec![0_u32; THINGS];
                    while let Some((due, thing)) = schedule.take() {
                        rounds[thing] += 1;
                        schedule.put(due.plus(Duration::from_millis(5)), thing);
                    }
                    rounds
                })
            })
            .collect();
        for thing in 0..THINGS {
            schedule.put(soon(thing as u64 % 7), thing);
        }
        thread::sleep(Duration::from_millis(300));
        assert!(schedule.stop().count() <= THINGS);
        assert_eq!(schedule.put(soon(0), 0), Some(0), "not after the stop");
        assert_eq!(schedule.take(), None);
        let all: Vec<Vec<u32>> = workers
            .into_iter()
            .map(|worker| worker.join().unwrap())
            .collect();
        for thing in 0..THINGS {
            let rounds: u32 = all.iter().map(|rounds| rounds[thing]).sum();
            assert!(rounds > 10, "thing {thing} came {rounds} times");
        }
    }
}
