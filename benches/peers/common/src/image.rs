//! An entity as numbers that can be compared whatever a peer keeps it in: its floats as they are, or quantised as the workload says.

use std::f32::consts::TAU;

use serde::{Deserialize, Serialize};
use tickwire_workload::Entity;

/// Position, velocity, rotation, health, team and kind. Ids are left out: each peer has its own.
pub type Image = [i32; 8];

/// The floats, bit by bit.
pub fn exact(it: &Entity) -> Image {
    let [x, y, vx, vy, rot] =
        [it.pos[0], it.pos[1], it.vel[0], it.vel[1], it.rot].map(|number| number.to_bits() as i32);
    [
        x,
        y,
        vx,
        vy,
        rot,
        it.health.into(),
        it.team.into(),
        it.kind.into(),
    ]
}

/// The integers of [`Quantised`].
pub fn quantised(it: &Entity) -> Image {
    Quantised::of(it).image()
}

/// An entity quantised by hand.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantised {
    /// In 1/16 unit.
    pub pos: [u16; 2],
    /// In 1/16 unit a second.
    pub vel: [i16; 2],
    /// In 1/256 turn.
    pub rot: u8,
    pub health: u8,
    pub team: u8,
    pub kind: u8,
}

impl Quantised {
    pub fn of(it: &Entity) -> Quantised {
        Quantised {
            pos: it.pos.map(|number| nearest(number * 16.0) as u16),
            vel: it.vel.map(|number| nearest(number * 16.0) as i16),
            rot: nearest(it.rot / TAU * 256.0) as u8,
            health: it.health,
            team: it.team,
            kind: it.kind,
        }
    }

    pub fn image(&self) -> Image {
        let ([x, y], [vx, vy]) = (self.pos.map(i32::from), self.vel.map(i32::from));
        [
            x,
            y,
            vx,
            vy,
            self.rot.into(),
            self.health.into(),
            self.team.into(),
            self.kind.into(),
        ]
    }
}

/// The nearest integer; a half goes up, below zero too.
fn nearest(number: f32) -> i32 {
    (f64::from(number) + 0.5).floor() as i32
}
