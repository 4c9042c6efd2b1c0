//! What each seat sees: the areas around what it owns, and what the game says. A seat without anything on the grid goes on seeing what it saw last.

use std::collections::BTreeSet;

use bevy_ecs::entity::Entity;
use bevy_ecs::query::QueryState;
use bevy_ecs::world::World;
use tickwire_snapshot::AreaId;

use crate::division::Division;
use crate::grid::{Grid, Kind, Point, SIGHT_AREAS_MAX, area};
use crate::ids::{Ids, NetEntity};
use crate::player::{OwnedBy, Player, Roster};

/// What all see.
static COMMON: [AreaId; 1] = [AreaId::ALL];

/// The game's own word on what somebody sees beside what is around what they own; `None`: the spectators.
pub(crate) type Sees = dyn Fn(&World, Option<Player>, &mut Sight) + Send + Sync;

/// The sights of all seats.
#[derive(Debug, Default)]
pub(crate) struct Sights {
    seats: Vec<Seen>,
    watchers: Seen,
    /// By seat and name, used again: where everybody is who is owned.
    owned: Vec<(u16, NetEntity, Point)>,
    /// Counts the changes of any sight.
    pub changes: u64,
    /// Areas left out since a sight was full.
    pub full: u64,
}

/// What a player sees, while the game says what: see [`Game::sees`](crate::Game::sees).
#[derive(Debug, Default)]
pub struct Sight {
    points: Vec<Point>,
    areas: BTreeSet<AreaId>,
    everything: bool,
}

impl Sight {
    /// What is around a place on the grid, as if it were one's own.
    pub fn around(&mut self, x: f32, y: f32) -> &mut Self {
        self.around_3d(x, y, 0.0)
    }

    /// The same in a grid of three axes.
    pub fn around_3d(&mut self, x: f32, y: f32, z: f32) -> &mut Self {
        self.points.push([x, y, z]);
        self
    }

    /// What is [seen by](crate::SeenBy::Team) a team.
    pub fn team(&mut self, team: u16) -> &mut Self {
        self.areas.insert(area(Kind::Team, u32::from(team)));
        self
    }

    /// What the game put into [an area of its own](crate::SeenBy::Area).
    pub fn area(&mut self, number: u16) -> &mut Self {
        self.areas.insert(area(Kind::Own, u32::from(number)));
        self
    }

    /// All areas that there are, of whomever: for spectators who may know everything.
    pub fn everything(&mut self) -> &mut Self {
        self.everything = true;
        self
    }
}

/// What one seat sees.
#[derive(Debug, Default)]
struct Seen {
    /// What it was made of: where what it owns was when the areas were looked for, and what the game said.
    anchors: Vec<Point>,
    said: BTreeSet<AreaId>,
    /// The cells of these, nearly, rising.
    near: Vec<AreaId>,
    /// Rising. Empty: nothing but what all see.
    areas: Vec<AreaId>,
}

impl Sights {
    /// The areas of a seat (there is none beyond the last: the spectators), rising; that which all see is the first.
    pub(crate) fn of(&self, seat: u16) -> &[AreaId] {
        let seen = self.seats.get(usize::from(seat)).unwrap_or(&self.watchers);
        match seen.areas.is_empty() {
            true => &COMMON,
            false => &seen.areas,
        }
    }

    /// The cells in which something of a seat's own is, rising.
    pub(crate) fn near(&self, seat: u16) -> &[AreaId] {
        let seen = self.seats.get(usize::from(seat)).unwrap_or(&self.watchers);
        &seen.near
    }

    /// Whoever comes to a seat sees nothing of what was seen from it before.
    pub(crate) fn forget(&mut self, seat: u16) {
        if let Some(seen) = self.seats.get_mut(usize::from(seat)) {
            *seen = Seen::default();
        }
    }

    /// Looks where everybody is.
    pub(crate) fn look(
        &mut self,
        world: &World,
        division: &Division,
        owned: &mut QueryState<(Entity, &'static NetEntity, &'static OwnedBy)>,
    ) {
        if !division.divides() {
            return;
        }
        let roster = world.resource::<Roster>();
        self.find_owned(world, division, roster, owned);
        self.seats
            .resize_with(usize::from(roster.seats()), Seen::default);
        let mut owned = self.owned.chunk_by(|a, b| a.0 == b.0).peekable();
        for (seat, seen) in (0..).zip(&mut self.seats) {
            let theirs = owned.next_if(|chunk| chunk[0].0 == seat).unwrap_or(&[]);
            let player = Player::new(seat);
            match roster.get(player) {
                Some(who) if !who.computer => {}
                _ => {
                    *seen = Seen::default();
                    continue;
                }
            }
            let mut sight = Sight::default();
            sight.points.extend(theirs.iter().map(|&(_, _, at)| at));
            if division.audiences > 0 {
                sight.areas.insert(area(Kind::Seat, u32::from(seat)));
            }
            division.ask(world, Some(player), &mut sight);
            let (changed, full) = seen.look(world, division.grid.as_ref(), sight);
            self.changes += u64::from(changed);
            self.full += full;
        }
        let mut sight = Sight::default();
        division.ask(world, None, &mut sight);
        let (changed, full) = self.watchers.look(world, division.grid.as_ref(), sight);
        self.changes += u64::from(changed);
        self.full += full;
    }

    fn find_owned(
        &mut self,
        world: &World,
        division: &Division,
        roster: &Roster,
        owned: &mut QueryState<(Entity, &'static NetEntity, &'static OwnedBy)>,
    ) {
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
    }
}

impl Seen {
    /// Looks again if something has moved. Whether it sees something else now, and how many areas found no place.
    fn look(&mut self, world: &World, grid: Option<&Grid>, sight: Sight) -> (bool, u64) {
        let stays = self.stays(grid, &sight);
        if stays && !sight.everything {
            return (false, 0);
        }
        let mut areas = BTreeSet::from(COMMON);
        let mut full = 0;
        let mut add = |area| {
            if areas.len() < SIGHT_AREAS_MAX {
                areas.insert(area);
            } else {
                full += u64::from(!areas.contains(&area));
            }
        };
        sight.areas.iter().copied().for_each(&mut add);
        if sight.everything {
            let ids = world.resource::<Ids>();
            ids.areas().iter().map(|book| book.id).for_each(&mut add);
        }
        // Who has nothing on the grid goes on seeing what was last in sight there.
        let last = sight.points.is_empty() && !sight.everything;
        let points = if last { &self.anchors } else { &sight.points };
        if let Some(grid) = grid {
            for at in points {
                grid.seen_from(*at).each(|area, comes| {
                    if comes || self.areas.binary_search(&area).is_ok() {
                        add(area);
                    }
                });
            }
        }
        let changed = !areas.iter().eq(&self.areas);
        if !last {
            self.anchors = sight.points;
        }
        self.said = sight.areas;
        let cells = self.anchors.iter().zip(grid.into_iter().cycle());
        self.near = cells.map(|(at, grid)| grid.area(grid.cell(*at))).collect();
        self.near.sort_unstable();
        self.near.dedup();
        self.areas.clear();
        self.areas.extend(areas);
        (changed, full)
    }

    /// Whether it is made of the same as before.
    fn stays(&self, grid: Option<&Grid>, sight: &Sight) -> bool {
        let near = |(anchor, at): (&Point, &Point)| {
            let border = grid.map_or(0.0, Grid::border) / 2.0;
            let mut axes = anchor.iter().zip(at);
            axes.all(|(a, b)| (a - b).abs() <= border)
        };
        let same = self.anchors.len() == sight.points.len();
        let rests = sight.points.is_empty() && !self.areas.is_empty();
        (rests || same && self.anchors.iter().zip(&sight.points).all(near))
            && self.said == sight.areas
            && (!self.areas.is_empty() || sight.areas.is_empty() && sight.points.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(seen: &mut Seen, grid: &Grid, points: Vec<Point>) -> u64 {
        let sight = Sight {
            points,
            ..Sight::default()
        };
        seen.look(&World::new(), Some(grid), sight).1
    }

    #[test]
    fn areas_do_not_flap() {
        let grid = Grid::new(10.0, 10.0, 2).unwrap();
        let mut seen = Seen::default();
        let mut changes = 0;
        let mut before = Vec::new();
        for step in 0..200 {
            // To and fro over all kinds of borders, by less than the border of a cell.
            let x = 2.4 + if step % 2 == 0 { 1.2 } else { 0.0 };
            look(&mut seen, &grid, vec![[x, 2.4, 0.0]]);
            changes += u32::from(before != seen.areas);
            before.clone_from(&seen.areas);
        }
        assert!(changes <= 2, "{changes}");
        assert!(seen.areas.len() <= 17, "{:?}", seen.areas);
        assert_eq!(seen.areas[0], AreaId::ALL);
        look(&mut seen, &grid, vec![]);
        assert_eq!(before, seen.areas, "it goes on looking");
    }

    #[test]
    fn a_sight_is_bounded() {
        let grid = Grid::new(10.0, 50.0, 2).unwrap();
        let mut seen = Seen::default();
        let many = (0..100).map(|n| [n as f32 * 100.0, 0.0, 0.0]);
        assert!(look(&mut seen, &grid, many.collect()) > 0);
        assert_eq!(seen.areas.len(), SIGHT_AREAS_MAX);
    }
}
