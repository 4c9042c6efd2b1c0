//! What each seat sees: the areas around what it owns. A seat without anything on the grid goes on seeing what it saw last.

use std::collections::BTreeSet;

use bevy_ecs::entity::Entity;
use bevy_ecs::query::QueryState;
use bevy_ecs::world::World;
use tickwire_snapshot::AreaId;

use crate::division::Division;
use crate::grid::{Grid, Point, SIGHT_AREAS_MAX};
use crate::ids::NetEntity;
use crate::player::{OwnedBy, Player, Roster};

/// What all see.
static COMMON: [AreaId; 1] = [AreaId::ALL];

/// The sights of all seats.
#[derive(Debug, Default)]
pub(crate) struct Sights {
    seats: Vec<Sight>,
    /// By seat and name, used again: where everybody is who is owned.
    owned: Vec<(u16, NetEntity, Point)>,
    /// Counts the changes of any sight.
    pub changes: u64,
    /// Cells left out since a sight was full.
    pub full: u64,
}

/// What one seat sees.
#[derive(Debug, Default)]
struct Sight {
    /// Where what it owns was when the areas were looked for.
    anchors: Vec<Point>,
    /// Rising. Empty: nothing but what all see.
    areas: Vec<AreaId>,
}

impl Sights {
    /// The areas of a seat, rising; that which all see is the first.
    pub(crate) fn of(&self, seat: u16) -> &[AreaId] {
        match self.seats.get(usize::from(seat)) {
            Some(sight) if !sight.areas.is_empty() => &sight.areas,
            _ => &COMMON,
        }
    }

    /// Whoever comes to a seat sees nothing of what was seen from it before.
    pub(crate) fn forget(&mut self, seat: u16) {
        if let Some(sight) = self.seats.get_mut(usize::from(seat)) {
            *sight = Sight::default();
        }
    }

    /// Looks where everybody is.
    pub(crate) fn look(
        &mut self,
        world: &World,
        division: &Division,
        owned: &mut QueryState<(Entity, &'static NetEntity, &'static OwnedBy)>,
    ) {
        let Some(grid) = &division.grid else { return };
        let roster = world.resource::<Roster>();
        self.owned.clear();
        for (entity, net, owner) in owned.query(world) {
            // Only people look: computer players need no sight.
            let who = roster.get(owner.0);
            if who.is_some_and(|who| !who.computer)
                && let Some(at) = division.point(world, entity)
            {
                self.owned.push((owner.0.seat, *net, at));
            }
        }
        self.owned
            .sort_unstable_by_key(|&(seat, net, _)| (seat, net));
        self.seats
            .resize_with(usize::from(roster.seats()), Sight::default);
        for (seat, sight) in self.seats.iter_mut().enumerate() {
            if roster.get(Player::new(seat as u16)).is_none() {
                *sight = Sight::default();
            }
        }
        for theirs in self.owned.chunk_by(|a, b| a.0 == b.0) {
            if let Some(sight) = self.seats.get_mut(usize::from(theirs[0].0)) {
                let (changed, full) = sight.look(grid, theirs.iter().map(|&(_, _, at)| at));
                self.changes += u64::from(changed);
                self.full += full;
            }
        }
    }
}

impl Sight {
    /// Looks again if something has moved. Whether it sees something else now, and how many cells found no place.
    fn look(&mut self, grid: &Grid, points: impl Iterator<Item = Point> + Clone) -> (bool, u64) {
        let near = |anchor: &Point, at: &Point| {
            let mut axes = anchor.iter().zip(at);
            axes.all(|(a, b)| (a - b).abs() <= grid.border() / 2.0)
        };
        let count = points.clone().count();
        let mut pairs = self.anchors.iter().zip(points.clone());
        if self.anchors.len() == count && pairs.all(|(anchor, at)| near(anchor, &at)) {
            return (false, 0);
        }
        let mut areas = BTreeSet::from(COMMON);
        let mut full = 0;
        for at in points.clone() {
            grid.seen_from(at).each(|area, comes| {
                let stays = comes || self.areas.binary_search(&area).is_ok();
                if stays && areas.len() < SIGHT_AREAS_MAX {
                    areas.insert(area);
                } else if stays && !areas.contains(&area) {
                    full += 1;
                }
            });
        }
        self.anchors.clear();
        self.anchors.extend(points);
        let changed = !areas.iter().eq(&self.areas);
        self.areas.clear();
        self.areas.extend(areas);
        (changed, full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_do_not_flap() {
        let grid = Grid::new(10.0, 10.0, 2).unwrap();
        let mut sight = Sight::default();
        let mut changes = 0;
        let mut before = Vec::new();
        for step in 0..200 {
            // To and fro over all kinds of borders, by less than the border of a cell.
            let x = 2.4 + if step % 2 == 0 { 1.2 } else { 0.0 };
            sight.look(&grid, [[x, 2.4, 0.0]].into_iter());
            changes += u32::from(before != sight.areas);
            before.clone_from(&sight.areas);
        }
        assert!(changes <= 2, "{changes}");
        assert!(sight.areas.len() <= 17, "{:?}", sight.areas);
        assert_eq!(sight.areas[0], AreaId::ALL);
    }

    #[test]
    fn a_sight_is_bounded() {
        let grid = Grid::new(10.0, 50.0, 2).unwrap();
        let mut sight = Sight::default();
        let many = (0..100).map(|n| [n as f32 * 100.0, 0.0, 0.0]);
        assert!(sight.look(&grid, many).1 > 0);
        assert_eq!(sight.areas.len(), SIGHT_AREAS_MAX);
    }
}
