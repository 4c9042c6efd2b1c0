//! Maps: reading one from JSON, checking it, and asking where its walls are. What moves between the walls lives elsewhere.

use std::{path::Path, sync::Arc};

use serde::Deserialize;
use tickwire::{math, prelude::*};

/// At most this many walls; a map is read before a room opens, never from a player.
pub const WALLS_MAX: usize = 512;
/// The longest side of a ground, in units.
pub const SIDE_MAX: u16 = 4096;

/// A ground with walls and places to appear at.
#[derive(Clone, Debug, Deserialize)]
pub struct Map {
    /// What the map is called.
    pub name: String,
    /// Units along x, 200 to [`SIDE_MAX`].
    pub width: u16,
    /// Units along y, 200 to [`SIDE_MAX`].
    pub height: u16,
    /// Solid rectangles.
    pub walls: Vec<Wall>,
    /// Where ships appear.
    pub spawns: Vec<Spawn>,
}

/// A solid rectangle: `x`, `y` is its least corner.
#[derive(Replicate, Clone, Debug, Default, Deserialize)]
pub struct Wall {
    /// Least x, in units.
    pub x: u16,
    /// Least y, in units.
    pub y: u16,
    /// Units along x.
    pub w: u16,
    /// Units along y.
    pub h: u16,
}

/// A place to appear at.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Spawn {
    /// In units.
    pub x: f32,
    /// In units.
    pub y: f32,
}

/// The map of this room, for its systems. It never changes, so it is no part of any capture.
#[derive(Resource)]
pub struct Terrain(pub Arc<Map>);

/// Why a map could not be used.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// The file is not there or cannot be read.
    #[error(
        "MapMissing: cannot read {path}: {source}. Name a map with --map FILE, for example assets/maps/night.json"
    )]
    Missing {
        /// The file asked for.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a map.
    #[error("MapInvalid: {path}: {what}. See assets/maps/night.json for a map that works")]
    Invalid {
        /// The file asked for.
        path: String,
        /// What is wrong with it.
        what: String,
    },
}

impl Map {
    /// The map that ships with the arena.
    pub fn night() -> Self {
        Self::parse(
            "night.json",
            include_str!("../../../assets/maps/night.json"),
        )
        .expect("the night map is tested")
    }

    /// Reads and checks a map.
    ///
    /// # Errors
    /// [`MapError`] tells which file, what is wrong, and what to do.
    pub fn load(path: &Path) -> Result<Self, MapError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| MapError::Missing {
            path: name.clone(),
            source,
        })?;
        Self::parse(&name, &text)
    }

    fn parse(path: &str, text: &str) -> Result<Self, MapError> {
        let invalid = |what: String| MapError::Invalid {
            path: path.into(),
            what,
        };
        let map: Self = serde_json::from_str(text).map_err(|error| invalid(error.to_string()))?;
        let sides = 200..=SIDE_MAX;
        if !sides.contains(&map.width) || !sides.contains(&map.height) {
            return Err(invalid(format!(
                "width and height must be 200 to {SIDE_MAX}"
            )));
        }
        if map.walls.len() > WALLS_MAX {
            return Err(invalid(format!(
                "{} walls, at most {WALLS_MAX}",
                map.walls.len()
            )));
        }
        if map.spawns.is_empty() {
            return Err(invalid("no spawns: ships must appear somewhere".into()));
        }
        let lost = map
            .spawns
            .iter()
            .find(|spawn| map.blocked(spawn.x, spawn.y, 24.0));
        match lost {
            Some(spawn) => Err(invalid(format!(
                "the spawn at {}, {} lies in a wall or outside",
                spawn.x, spawn.y
            ))),
            None => Ok(map),
        }
    }

    /// Whether a disc touches a wall or leaves the ground.
    pub fn blocked(&self, x: f32, y: f32, radius: f32) -> bool {
        let (width, height) = (f32::from(self.width), f32::from(self.height));
        x < radius
            || y < radius
            || x > width - radius
            || y > height - radius
            || self
                .walls
                .iter()
                .any(|wall| wall.push(x, y, radius).is_some())
    }

    /// Where a disc ends up that may not be in a wall, and the normal of what pushed it, if anything did.
    pub fn settle(&self, mut x: f32, mut y: f32, radius: f32) -> (f32, f32, Option<(f32, f32)>) {
        let (width, height) = (f32::from(self.width), f32::from(self.height));
        let mut normal = None;
        for wall in &self.walls {
            if let Some((dx, dy, n)) = wall.push(x, y, radius) {
                (x, y, normal) = (x + dx, y + dy, Some(n));
            }
        }
        for (side, n) in [
            (x < radius, (1.0, 0.0)),
            (x > width - radius, (-1.0, 0.0)),
            (y < radius, (0.0, 1.0)),
            (y > height - radius, (0.0, -1.0)),
        ] {
            if side {
                normal = Some(n);
            }
        }
        (
            x.clamp(radius, width - radius),
            y.clamp(radius, height - radius),
            normal,
        )
    }

    /// Whether nothing solid lies between two points.
    pub fn sees(&self, from: (f32, f32), to: (f32, f32)) -> bool {
        let by = (to.0 - from.0, to.1 - from.1);
        !self
            .walls
            .iter()
            .any(|wall| wall.enters(from, by).is_some())
    }

    /// How far it is from a point, into a direction of length one, to the first wall or to the edge of the ground.
    pub fn reach(&self, from: (f32, f32), (dx, dy): (f32, f32)) -> f32 {
        let (width, height) = (f32::from(self.width), f32::from(self.height));
        let far = width + height; // longer than any way on the ground
        let by = (dx * far, dy * far);
        let walls = self.walls.iter().filter_map(|wall| wall.enters(from, by));
        let edges = [(from.0, by.0, width), (from.1, by.1, height)].map(|(at, by, side)| {
            if by > 0.0 {
                (side - at) / by
            } else if by < 0.0 {
                -at / by
            } else {
                1.0
            }
        });
        walls.chain(edges).fold(1.0, f32::min).max(0.0) * far
    }
}

impl Wall {
    fn edges(&self) -> (f32, f32, f32, f32) {
        let (x, y) = (f32::from(self.x), f32::from(self.y));
        (x, y, x + f32::from(self.w), y + f32::from(self.h))
    }

    /// How far a disc must move to leave this wall, and in which direction; nothing if it is outside.
    fn push(&self, x: f32, y: f32, radius: f32) -> Option<(f32, f32, (f32, f32))> {
        let (left, top, right, bottom) = self.edges();
        let (near_x, near_y) = (x.clamp(left, right), y.clamp(top, bottom));
        let (dx, dy) = (x - near_x, y - near_y);
        let distance = math::sqrt(dx * dx + dy * dy);
        if distance >= radius {
            return None;
        }
        if distance > 0.0 {
            let n = (dx / distance, dy / distance);
            return Some((n.0 * (radius - distance), n.1 * (radius - distance), n));
        }
        // The centre is inside: leave by the nearest side.
        let sides = [
            (x - left, (-1.0, 0.0)),
            (right - x, (1.0, 0.0)),
            (y - top, (0.0, -1.0)),
            (bottom - y, (0.0, 1.0)),
        ];
        let (depth, n) = sides.into_iter().min_by(|a, b| a.0.total_cmp(&b.0))?;
        Some((n.0 * (depth + radius), n.1 * (depth + radius), n))
    }

    /// The slab test of a segment against a box: after which part of it it is inside, if ever.
    fn enters(&self, from: (f32, f32), by: (f32, f32)) -> Option<f32> {
        let (left, top, right, bottom) = self.edges();
        let (mut enter, mut exit) = (0.0_f32, 1.0_f32);
        for (start, step, low, high) in [(from.0, by.0, left, right), (from.1, by.1, top, bottom)] {
            if step == 0.0 {
                if start < low || start > high {
                    return None;
                }
                continue;
            }
            let (a, b) = ((low - start) / step, (high - start) / step);
            (enter, exit) = (enter.max(a.min(b)), exit.min(a.max(b)));
        }
        (enter <= exit).then_some(enter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_night_map_is_sound_and_a_missing_one_says_what_to_do() {
        let map = Map::night();
        assert!(map.spawns.len() >= 8);
        let error = Map::load(Path::new("no/such/map.json"))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("MapMissing: cannot read no/such/map.json")
                && error.contains("--map"),
            "{error}"
        );
    }

    #[test]
    fn a_step_into_a_wall_is_taken_back() {
        let map = Map::night();
        let mut steps = 0;
        for i in 0..40_000_u16 {
            let (x, y) = (f32::from(i % 320) * 5.0, f32::from(i / 320) * 8.0);
            if map.blocked(x, y, 16.0) {
                continue;
            }
            for (dx, dy) in [
                (12.0, 0.0),
                (-12.0, 0.0),
                (0.0, 12.0),
                (0.0, -12.0),
                (8.0, 8.0),
            ] {
                let (mut sx, mut sy) = (x + dx, y + dy);
                for _ in 0..3 {
                    (sx, sy, _) = map.settle(sx, sy, 16.0);
                }
                assert!(
                    !map.blocked(sx, sy, 15.9),
                    "{x}, {y} by {dx}, {dy} settled at {sx}, {sy}"
                );
                steps += 1;
            }
        }
        assert!(steps > 50_000);
    }

    #[test]
    fn walls_hide_what_is_behind_them() {
        let map = Map::night();
        assert!(!map.sees((150.0, 250.0), (450.0, 250.0)));
        assert!(map.sees((90.0, 90.0), (600.0, 90.0)));
    }

    #[test]
    fn a_ray_ends_at_the_first_wall_or_at_the_edge() {
        let map = Map::night();
        let near = |reach: f32, wanted: f32| (reach - wanted).abs() < 0.01;
        let ray = |from, towards| map.reach(from, towards);
        assert!(near(ray((150.0, 250.0), (1.0, 0.0)), 50.0), "a wall");
        assert!(near(ray((150.0, 250.0), (-1.0, 0.0)), 150.0), "the edge");
        assert!(near(ray((90.0, 90.0), (0.0, 1.0)), 910.0), "the other one");
        let slanted = ray((90.0, 90.0), (0.8, 0.6));
        let end = (90.0 + 0.8 * slanted, 90.0 + 0.6 * slanted);
        assert!(map.sees((90.0, 90.0), (end.0 - 0.08, end.1 - 0.06)));
        assert!(map.blocked(end.0 + 0.08, end.1 + 0.06, 0.1), "{end:?}");
    }
}
