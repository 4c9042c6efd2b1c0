//! A snapshot: what is true of a room at a tick, as a value of areas. How areas are made and kept is elsewhere.

use std::sync::Arc;

use tickwire_proto::Tick;

use crate::area::{Area, AreaId};

/// What is true at a tick. Cheap to clone: areas are shared with the snapshots around it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When.
    pub tick: Tick,
    /// Its areas, by rising id. An area's own tick is that of its last change.
    pub areas: Vec<Arc<Area>>,
}

impl Snapshot {
    /// One of its areas.
    pub fn area(&self, id: AreaId) -> Option<&Arc<Area>> {
        let at = self
            .areas
            .binary_search_by_key(&id, |area| area.id())
            .ok()?;
        self.areas.get(at)
    }

    /// Whether the areas are the very same ones: nothing changed from one capture to the next.
    pub fn is_identical(&self, other: &Self) -> bool {
        self.areas.len() == other.areas.len()
            && (self.areas.iter().zip(&other.areas)).all(|(a, b)| Arc::ptr_eq(a, b))
    }

    /// Whether the areas hold the same, whatever the ticks.
    pub fn same(&self, other: &Self) -> bool {
        self.areas.len() == other.areas.len()
            && self
                .areas
                .iter()
                .zip(&other.areas)
                .all(|(a, b)| Arc::ptr_eq(a, b) || a.same(b))
    }
}
