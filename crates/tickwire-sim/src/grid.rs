//! The grid of a room: which cell a place is in, which area a cell is, and which cells lie around a place. Pure arithmetic, no world.

use tickwire_snapshot::AreaId;

/// A place: two coordinates and a zero, or three.
pub(crate) type Point = [f32; 3];

/// Areas of a sight at most; of cells those nearest to what was spawned first are kept.
pub const SIGHT_AREAS_MAX: usize = 512;

/// Numbers of each kind of area.
const NUMBER_BITS: u32 = 18;

/// What an area is, in the two lowest bits of its number less 1. What everybody sees is area 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    Cell = 0,
    Team = 1,
    Seat = 2,
    Own = 3,
}

/// The number of a seat that there is not.
pub(crate) const NOBODY: u32 = (1 << NUMBER_BITS) - 2;

/// Cells of one size, numbered from the origin in all directions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    size: f32,
    view: f32,
    axes: usize,
}

/// A cell, by its distance from the origin in cells.
pub(crate) type Cell = [i32; 3];

impl Grid {
    /// A grid of two or three axes. What is wrong with it, and what to do, where it cannot be.
    pub(crate) fn new(size: f32, view: f32, axes: usize) -> Result<Self, String> {
        let grid = Self { size, view, axes };
        if !(size.is_finite() && size > 0.0 && view.is_finite() && view >= 0.0) {
            return Err(format!(
                "grid({size}, {view}): a cell has a size above 0, and a view is 0 or more"
            ));
        }
        let across = (2.0 * grid.keep() / size).ceil() as usize + 1;
        let cells = across.saturating_pow(axes as u32);
        if cells > SIGHT_AREAS_MAX {
            return Err(format!(
                "grid({size}, {view}): a player would see {cells} cells, {SIGHT_AREAS_MAX} are allowed. Make the cells larger, or the view smaller"
            ));
        }
        Ok(grid)
    }

    /// How far outside of its cell somebody still belongs to it, and how far one may move before one's sight is looked at again.
    pub(crate) fn border(&self) -> f32 {
        self.size / 8.0
    }

    /// Cells that come this near to where one was come into sight: so that all within the view is seen, wherever one has moved since, and
    /// however far outside of its cell it is.
    fn reach(&self) -> f32 {
        self.view + 3.0 * self.border()
    }

    /// Cells stay in sight up to here.
    fn keep(&self) -> f32 {
        self.reach() + self.border()
    }

    /// Cells in each direction; what is further out belongs to the last one.
    fn bound(&self) -> i32 {
        1 << (NUMBER_BITS / self.axes as u32 - 1)
    }

    /// The cell of a place.
    pub(crate) fn cell(&self, at: Point) -> Cell {
        let mut cell = [0; 3];
        for axis in 0..self.axes {
            let along = (at[axis] / self.size).floor() as i32; // saturates; not a number: 0
            cell[axis] = along.clamp(-self.bound(), self.bound() - 1);
        }
        cell
    }

    /// The cell of somebody who was in one: the same while they are near it.
    pub(crate) fn cell_from(&self, cell: Cell, at: Point) -> Cell {
        let stays = (0..self.axes).all(|axis| {
            let (from, to) = self.edges(cell[axis]);
            at[axis] >= from - self.border() && at[axis] < to + self.border()
        });
        if stays { cell } else { self.cell(at) }
    }

    /// Where a cell begins and ends. The outermost ones have no end.
    fn edges(&self, along: i32) -> (f32, f32) {
        let edge = |along: i32| along as f32 * self.size;
        let from = if along == -self.bound() {
            f32::NEG_INFINITY
        } else {
            edge(along)
        };
        let to = if along == self.bound() - 1 {
            f32::INFINITY
        } else {
            edge(along + 1)
        };
        (from, to)
    }

    /// The area of a cell.
    pub(crate) fn area(&self, cell: Cell) -> AreaId {
        // The bits of the coordinates in turn, so that numbers are small near the origin.
        let mut number = 0;
        for (axis, &along) in cell.iter().enumerate().take(self.axes) {
            let folded = ((along << 1) ^ (along >> 31)) as u32;
            for bit in 0..NUMBER_BITS / self.axes as u32 {
                number |= (folded >> bit & 1) << (bit * self.axes as u32 + axis as u32);
            }
        }
        area(Kind::Cell, number)
    }

    /// The cell of an area, if it is one.
    pub(crate) fn cell_of(&self, id: AreaId) -> Option<Cell> {
        let number = id.0.checked_sub(1)?;
        if number & 3 != Kind::Cell as u32 {
            return None;
        }
        let number = number >> 2;
        let mut cell = [0; 3];
        for (axis, along) in cell.iter_mut().enumerate().take(self.axes) {
            let mut folded = 0;
            for bit in 0..NUMBER_BITS / self.axes as u32 {
                folded |= (number >> (bit * self.axes as u32 + axis as u32) & 1) << bit;
            }
            *along = (folded >> 1) as i32 ^ -((folded & 1) as i32);
        }
        Some(cell)
    }

    /// The cells that are newly seen from a place, and those that stay in sight if they were.
    pub(crate) fn seen_from(&self, at: Point) -> Around<'_> {
        Around {
            grid: self,
            at,
            from: self.cell(at.map(|x| x - self.keep())),
            to: self.cell(at.map(|x| x + self.keep())),
        }
    }
}

/// The cells around a place.
pub(crate) struct Around<'a> {
    grid: &'a Grid,
    at: Point,
    from: Cell,
    to: Cell,
}

impl Around<'_> {
    /// Each area, and whether it is near enough to come into sight; else it is only near enough to stay.
    pub(crate) fn each(&self, mut give: impl FnMut(AreaId, bool)) {
        for x in self.from[0]..=self.to[0] {
            for y in self.from[1]..=self.to[1] {
                for z in self.from[2]..=self.to[2] {
                    let cell = [x, y, z];
                    let distance = self.distance(cell);
                    let within = |reach: f32| distance <= reach * reach;
                    if within(self.grid.keep()) {
                        give(self.grid.area(cell), within(self.grid.reach()));
                    }
                }
            }
        }
    }

    /// Squared, from the place to the nearest point of a cell.
    fn distance(&self, cell: Cell) -> f32 {
        let mut sum = 0.0;
        for ((&at, &along), _) in self.at.iter().zip(&cell).zip(0..self.grid.axes) {
            let (from, to) = self.grid.edges(along);
            let outside = (from - at).max(at - to).max(0.0);
            sum += outside * outside;
        }
        sum
    }
}

/// The area of a kind that has a number.
pub(crate) fn area(kind: Kind, number: u32) -> AreaId {
    AreaId((number << 2 | kind as u32) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tickwire_snapshot::AREA_IDS_MAX;

    fn seen(grid: &Grid, at: Point) -> (Vec<AreaId>, Vec<AreaId>) {
        let (mut comes, mut stays) = (Vec::new(), Vec::new());
        grid.seen_from(at).each(|id, near| {
            if near {
                comes.push(id);
            }
            stays.push(id);
        });
        (comes, stays)
    }

    #[test]
    fn grids_that_cannot_be_say_why() {
        assert!(Grid::new(0.0, 1.0, 2).is_err());
        assert!(Grid::new(f32::NAN, 1.0, 2).is_err());
        assert!(Grid::new(1.0, f32::INFINITY, 2).is_err());
        let error = Grid::new(10.0, 200.0, 2).unwrap_err();
        assert_eq!(
            error,
            "grid(10, 200): a player would see 1764 cells, 512 are allowed. Make the cells larger, or the view smaller"
        );
        assert!(Grid::new(10.0, 90.0, 2).is_ok());
        assert!(Grid::new(10.0, 20.0, 3).is_ok());
    }

    #[test]
    fn numbers_are_small_near_the_origin() {
        let grid = Grid::new(10.0, 10.0, 2).unwrap();
        let id = |x: f32, y: f32| grid.area(grid.cell([x, y, 0.0])).0;
        assert_eq!(
            [id(1.0, 1.0), id(-1.0, 1.0), id(1.0, -1.0), id(-1.0, -1.0)],
            [1, 5, 9, 13]
        );
        assert_eq!(id(f32::NAN, f32::NAN), 1);
        assert!(id(f32::MAX, f32::NEG_INFINITY) < AREA_IDS_MAX);
    }

    #[test]
    fn nobody_flaps_at_a_border() {
        let grid = Grid::new(8.0, 8.0, 2).unwrap();
        let mut cell = grid.cell([7.9, 0.0, 0.0]);
        let mut went = Vec::new();
        for x in [8.1, 7.9, 8.9, 7.5, 9.1, 7.9, 7.1, 6.9] {
            cell = grid.cell_from(cell, [x, 0.0, 0.0]);
            went.push(cell[0]);
        }
        assert_eq!(went, [0, 0, 0, 0, 1, 1, 1, 0]);
    }

    proptest! {
        #[test]
        fn a_cell_is_told_from_its_area(at in prop::array::uniform3(-4e4f32..4e4), three in any::<bool>()) {
            let grid = Grid::new(20.0, 20.0, if three { 3 } else { 2 }).unwrap();
            let cell = grid.cell(at);
            let id = grid.area(cell);
            prop_assert!(id.0 > 0 && id.0 < AREA_IDS_MAX);
            prop_assert_eq!(grid.cell_of(id), Some(cell));
            prop_assert_eq!(grid.cell_from(cell, at), cell);
        }

        /// Whoever is within the view is in a cell that is in sight, however both have moved since their cells were looked at.
        #[test]
        fn all_within_the_view_is_seen(
            me in prop::array::uniform2(-99f32..99.0), way in prop::array::uniform2(-1f32..1.0),
            angle in 0f32..6.3, far in 0f32..1.0, off in prop::array::uniform2(-1f32..1.0),
        ) {
            let grid = Grid::new(16.0, 30.0, 2).unwrap();
            let anchor = [me[0] + way[0] * grid.border() / 2.0, me[1] + way[1] * grid.border() / 2.0, 0.0];
            let (cos, sin) = (crate::math::cos(angle), crate::math::sin(angle));
            let other = [me[0] + cos * far * 30.0, me[1] + sin * far * 30.0, 0.0];
            // The cell that they were in before, if they are still near it.
            let before = grid.cell([other[0] + off[0] * grid.border(), other[1] + off[1] * grid.border(), 0.0]);
            let id = grid.area(grid.cell_from(before, other));
            let (comes, stays) = seen(&grid, anchor);
            prop_assert!(comes.contains(&id));
            prop_assert!(comes.iter().all(|id| stays.contains(id)));
        }
    }
}
