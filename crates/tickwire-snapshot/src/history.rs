//! The last snapshots of a room, so that a delta can start from an older one. What did not change is shared among them.

use std::collections::VecDeque;
use std::sync::Arc;

use tickwire_proto::Tick;

use crate::snapshot::Snapshot;

/// Snapshots that a history keeps by default.
pub const HISTORY_MAX: usize = 128;

/// A ring of snapshots by rising tick.
#[derive(Clone, Debug)]
pub struct History {
    ring: VecDeque<Arc<Snapshot>>,
    max: usize,
}

impl Default for History {
    fn default() -> Self {
        Self::new(HISTORY_MAX)
    }
}

impl History {
    /// A history of at most `max` snapshots, at least one.
    pub fn new(max: usize) -> Self {
        Self {
            ring: VecDeque::new(),
            max: max.max(1),
        }
    }

    /// Adds the newest snapshot and forgets the oldest if there are too many. Panics if its tick is not after the newest.
    pub fn push(&mut self, snapshot: Arc<Snapshot>) {
        assert!(
            self.newest()
                .is_none_or(|newest| newest.tick < snapshot.tick),
            "snapshots come in the order of their ticks"
        );
        if self.ring.len() == self.max {
            self.ring.pop_front();
        }
        self.ring.push_back(snapshot);
    }

    /// The snapshot of exactly this tick.
    pub fn get(&self, tick: Tick) -> Option<&Arc<Snapshot>> {
        self.ring
            .binary_search_by_key(&tick, |snapshot| snapshot.tick)
            .ok()
            .map(|i| &self.ring[i])
    }

    /// The newest one.
    pub fn newest(&self) -> Option<&Arc<Snapshot>> {
        self.ring.back()
    }

    /// The oldest one that is kept.
    pub fn oldest(&self) -> Option<&Arc<Snapshot>> {
        self.ring.front()
    }

    /// The newest snapshot that is not after a tick: what was true then.
    pub fn at(&self, tick: Tick) -> Option<&Arc<Snapshot>> {
        let after = self.ring.partition_point(|snapshot| snapshot.tick <= tick);
        self.ring.get(after.checked_sub(1)?)
    }

    /// Snapshots kept.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether nothing was pushed yet.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// All, by rising tick.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Snapshot>> {
        self.ring.iter()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.ring.clear();
    }
}
