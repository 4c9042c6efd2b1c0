//! Computer players: seeing, choosing and aiming, with human reaction times. Their ships obey the same rules as everybody's.

use tickwire::{math, prelude::*};

use crate::{
    map::Terrain,
    ships::{Helm, Ship},
    square,
};

/// What computer players are called.
pub const NAMES: [&str; 16] = [
    "Mira", "Juno", "Orin", "Kestrel", "Nyx", "Tess", "Ivo", "Sol", "Pax", "Wren", "Lyra", "Finch",
    "Vega", "Ash", "Rook", "Quill",
];
/// A new thought every so many ticks: 0.2 s, about what people need.
const THINK_TICKS: u16 = 12;
const BOLT_SPEED: f32 = 720.0;
const SIGHT: f32 = 620.0;
/// For so many thoughts a computer player keeps its rail charging: longer than that takes.
const RAIL_THOUGHTS: u8 = 4;

/// What a computer player has in mind.
#[derive(Replicate, Clone, Default)]
#[net(scope = server)]
pub struct Brain {
    /// Ticks until the next thought.
    pub wait: u16,
    /// Where it is going.
    pub goal_x: f32,
    /// Where it is going.
    pub goal_y: f32,
    /// Which way round it circles its foe: 1 or -1.
    pub side: f32,
    /// Thoughts for which it goes on charging its rail.
    pub rail: u8,
}

/// Each computer player looks, decides, and tells its ship what to do.
pub fn think(
    terrain: Res<Terrain>,
    chance: Chance,
    others: Query<(&NetEntity, &Ship)>,
    mut minds: Query<(&NetEntity, &Ship, &mut Brain, &mut Helm)>,
) {
    for (id, ship, mut brain, mut helm) in &mut minds {
        if ship.health == 0 {
            if helm.fire || helm.rail {
                *helm = Helm {
                    aim: helm.aim,
                    ..Helm::default()
                };
            }
            continue;
        }
        brain.wait = brain.wait.saturating_sub(1);
        if brain.wait > 0 {
            continue;
        }
        brain.wait = THINK_TICKS - 2 + chance.below(id, 0, 5) as u16;
        let foe = nearest_foe(&terrain, id, ship, &others);
        if chance.below(id, 1, 8) == 0 || brain.side == 0.0 {
            brain.side = if chance.below(id, 2, 2) == 0 {
                1.0
            } else {
                -1.0
            };
        }
        brain.rail = match foe {
            Some(_) if brain.rail == 0 && chance.below(id, 6, 10) == 0 => RAIL_THOUGHTS,
            Some(_) => brain.rail.saturating_sub(1),
            None => 0,
        };
        *helm = match foe {
            Some(foe) => fight(ship, foe, &brain, chance.unit(id, 3)),
            None => wander(&terrain, ship, &mut brain, &chance, id),
        };
    }
}

fn nearest_foe<'a>(
    terrain: &Terrain,
    id: &NetEntity,
    ship: &Ship,
    others: &'a Query<(&NetEntity, &Ship)>,
) -> Option<&'a Ship> {
    let far = |other: &Ship| square(other.x - ship.x) + square(other.y - ship.y);
    others
        .iter()
        .filter(|(other_id, other)| *other_id != id && other.health > 0 && other.team != ship.team)
        .filter(|(_, other)| {
            far(other) < SIGHT * SIGHT && terrain.0.sees((ship.x, ship.y), (other.x, other.y))
        })
        .min_by(|(a_id, a), (b_id, b)| far(a).total_cmp(&far(b)).then(a_id.cmp(b_id)))
        .map(|(_, other)| other)
}

/// Circles the foe at a comfortable distance and shoots where it will be, a little beside it.
fn fight(ship: &Ship, foe: &Ship, brain: &Brain, luck: f32) -> Helm {
    let (side, rail) = (brain.side, brain.rail > 0);
    let (dx, dy) = (foe.x - ship.x, foe.y - ship.y);
    let distance = math::sqrt(dx * dx + dy * dy).max(1.0);
    // A bolt needs its time; a rail needs none, but a hand does until the next thought.
    let flight = if rail { 0.1 } else { distance / BOLT_SPEED };
    let aim = math::atan2(dy + foe.vy * flight, dx + foe.vx * flight) + (luck - 0.5) * 0.34;
    let closer = ((distance - 260.0) / 120.0).clamp(-1.0, 1.0);
    let (nx, ny) = (dx / distance, dy / distance);
    Helm {
        x: nx * closer - ny * side * 0.8,
        y: ny * closer + nx * side * 0.8,
        aim: math::wrap_angle(aim),
        fire: !rail,
        rail,
    }
}

/// Goes from one free place of the map to the next.
fn wander(
    terrain: &Terrain,
    ship: &Ship,
    brain: &mut Brain,
    chance: &Chance,
    id: &NetEntity,
) -> Helm {
    let (dx, dy) = (brain.goal_x - ship.x, brain.goal_y - ship.y);
    let lost = (brain.goal_x, brain.goal_y) == (0.0, 0.0) || chance.below(id, 4, 12) == 0;
    if lost || dx * dx + dy * dy < 70.0 * 70.0 {
        let spawns = &terrain.0.spawns;
        let goal = spawns[chance.below(id, 5, spawns.len() as u32) as usize];
        (brain.goal_x, brain.goal_y) = (goal.x, goal.y);
    }
    let (dx, dy) = (brain.goal_x - ship.x, brain.goal_y - ship.y);
    let mut heading = math::atan2(dy, dx);
    // Feels its way around walls: the first free direction beside the straight one.
    for turn in [0.0, 0.6, -0.6, 1.2, -1.2, 1.9, -1.9] {
        let try_heading = heading + turn * if brain.side < 0.0 { -1.0 } else { 1.0 };
        let (x, y) = (
            ship.x + math::cos(try_heading) * 60.0,
            ship.y + math::sin(try_heading) * 60.0,
        );
        if !terrain.0.blocked(x, y, 20.0) {
            heading = try_heading;
            break;
        }
    }
    Helm {
        x: math::cos(heading),
        y: math::sin(heading),
        aim: math::wrap_angle(heading),
        ..Helm::default()
    }
}
