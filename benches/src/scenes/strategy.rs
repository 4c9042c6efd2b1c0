//! A strategy map: thousands of units, of which few move at a time, in groups, cell by cell, and some fight. Made up from a seed.

use tickwire_snapshot::{AreaEdit, FieldSchema, NetId, Quant};
use tickwire_workload::Rng;

use super::{Scene, put, range, schema};

const HZ: u32 = 20;
const COUNT: usize = 5_000;
const WIDE: f32 = 500.0;
/// Units of a group.
const GROUP: usize = 40;

#[derive(Clone, Copy)]
struct Unit {
    at: [f32; 2],
    goal: [f32; 2],
    facing: u8,
    health: u8,
    order: u8,
    target: u32,
}

/// 5,000 units, mostly at rest, without a velocity in the schema.
pub fn strategy(seed: u64) -> Scene {
    let variants = ["Hold", "Move", "Fight", "Gather"]
        .map(String::from)
        .to_vec();
    let fields = vec![
        FieldSchema::new("facing", Quant::Angle { bits: 5 }),
        FieldSchema::new(
            "health",
            Quant::Bits {
                bits: 7,
                signed: false,
            },
        ),
        FieldSchema::new("order", Quant::Enum { variants }),
        FieldSchema::new("target", Quant::Entity),
        range("x", 0.0, 512.0, 1.0 / 16.0),
        range("y", 0.0, 512.0, 1.0 / 16.0),
    ];
    let mut rng = Rng::new(seed);
    let mut units: Vec<Unit> = (0..COUNT).map(|i| start(&mut rng, i)).collect();
    let mut fresh = true;
    let step = move |edit: &mut AreaEdit| {
        let moved = command(&mut units, &mut rng);
        for slot in 1..=COUNT as u32 {
            edit.spawn(NetId {
                slot,
                generation: 0,
            });
        }
        let mut rows = edit.rows(0).expect("the only table");
        for (index, unit) in units.iter().enumerate() {
            if fresh || moved[index] {
                rows.set(index as u32 + 1, |row| {
                    row.field(0).ints[0] = i32::from(unit.facing);
                    row.field(1).ints[0] = i32::from(unit.health);
                    row.field(2).ints[0] = i32::from(unit.order);
                    row.field(3).ints[0] = unit.target as i32;
                    put(row, 4, unit.at[0]);
                    put(row, 5, unit.at[1]);
                });
            }
        }
        fresh = false;
        true
    };
    Scene::new(
        HZ,
        false,
        schema("strategy", HZ, "Unit", fields),
        Box::new(step),
    )
}

fn start(rng: &mut Rng, index: usize) -> Unit {
    let group = index / GROUP;
    let base = [(group % 12) as f32 * 42.0, (group / 12) as f32 * 44.0];
    let at = base.map(|part| (part + rng.f32() * 20.0).clamp(0.0, WIDE));
    Unit {
        at,
        goal: at,
        facing: rng.below(32) as u8,
        health: 100,
        order: 0,
        target: 0,
    }
}

/// One tick: now and then a group is sent somewhere or into a fight. Says who changed.
fn command(units: &mut [Unit], rng: &mut Rng) -> Vec<bool> {
    if rng.below(25) == 0 {
        let first = rng.below((COUNT / GROUP) as u32) as usize * GROUP;
        let to = [0; 2].map(|_| rng.f32() * WIDE);
        let fights = rng.below(3) == 0;
        for (index, unit) in units[first..first + GROUP].iter_mut().enumerate() {
            let slot = [(index % 8) as f32 * 2.0, (index / 8) as f32 * 2.0];
            unit.goal = [0, 1].map(|axis| (to[axis] + slot[axis]).min(WIDE));
            unit.order = 1 + u8::from(fights);
            unit.target = if fights {
                2 + rng.below(COUNT as u32 - 2)
            } else {
                0
            };
        }
    }
    units.iter_mut().map(|unit| act(unit, rng)).collect()
}

fn act(unit: &mut Unit, rng: &mut Rng) -> bool {
    let way = [0, 1].map(|axis| unit.goal[axis] - unit.at[axis]);
    let far = (way[0] * way[0] + way[1] * way[1]).sqrt();
    if far == 0.0 && unit.order == 0 {
        return false;
    }
    let pace = 6.0 / HZ as f32;
    if far > pace {
        (0..2).for_each(|axis| unit.at[axis] += way[axis] / far * pace);
        let heading = libm::atan2f(way[1], way[0]) / std::f32::consts::TAU;
        unit.facing = ((heading * 32.0).round() as i32 & 31) as u8;
        return true;
    }
    unit.at = unit.goal;
    if unit.order == 2 {
        if rng.below(8) == 0 {
            unit.health = unit.health.saturating_sub(1 + rng.below(12) as u8).max(1);
        }
        if rng.below(300) == 0 {
            (unit.order, unit.target) = (0, 0);
        }
    } else {
        unit.order = 0;
    }
    true
}
