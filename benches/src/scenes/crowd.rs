//! A crowd: walkers who stroll to places, avoid each other, stand a while, and go on. Made up from a seed, with `+ - * /` and roots alone.

use tickwire_snapshot::{FieldSchema, NetId, Quant};
use tickwire_workload::Rng;

use super::{Scene, put, range, schema};

const HZ: u32 = 30;
const WIDE: f32 = 60.0;
const COUNT: usize = 500;

#[derive(Clone, Copy)]
struct Walker {
    at: [f32; 2],
    speed: [f32; 2],
    goal: [f32; 2],
    pace: f32,
    facing: f32,
    /// Ticks that it still stands.
    rest: u32,
}

/// 500 walkers, with a velocity each.
pub fn crowd(seed: u64) -> Scene {
    let variants = ["Stand", "Walk", "Run"].map(String::from).to_vec();
    let fields = vec![
        FieldSchema::new("facing", Quant::Angle { bits: 8 }),
        FieldSchema::new("gait", Quant::Enum { variants }),
        range("vx", -8.0, 8.0, 1.0 / 32.0),
        range("vy", -8.0, 8.0, 1.0 / 32.0),
        range("x", -64.0, 64.0, 1.0 / 64.0).with_velocity("vx"),
        range("y", -64.0, 64.0, 1.0 / 64.0).with_velocity("vy"),
    ];
    let mut rng = Rng::new(seed);
    let mut walkers: Vec<Walker> = (0..COUNT).map(|_| start(&mut rng)).collect();
    let step = move |edit: &mut tickwire_snapshot::AreaEdit| {
        walk(&mut walkers, &mut rng);
        for slot in 1..=COUNT as u32 {
            edit.spawn(NetId {
                slot,
                generation: 0,
            });
        }
        let mut rows = edit.rows(0).expect("the only table");
        for (slot, walker) in (1..).zip(&walkers) {
            rows.set(slot, |row| {
                let [vx, vy] = walker.speed;
                let fast = (vx * vx + vy * vy).sqrt();
                put(row, 0, walker.facing);
                row.field(1).ints[0] = i32::from(fast > 0.05) + i32::from(fast > 2.5);
                put(row, 2, vx);
                put(row, 3, vy);
                put(row, 4, walker.at[0]);
                put(row, 5, walker.at[1]);
            });
        }
        true
    };
    Scene::new(
        HZ,
        false,
        schema("crowd", HZ, "Walker", fields),
        Box::new(step),
    )
}

fn place(rng: &mut Rng) -> [f32; 2] {
    [0; 2].map(|_| (rng.f32() * 2.0 - 1.0) * WIDE)
}

fn start(rng: &mut Rng) -> Walker {
    Walker {
        at: place(rng),
        speed: [0.0; 2],
        goal: place(rng),
        pace: 0.8 + rng.f32() * 2.5,
        facing: 0.0,
        rest: rng.below(90),
    }
}

fn walk(walkers: &mut [Walker], rng: &mut Rng) {
    let before = walkers.to_vec();
    for walker in walkers {
        let mut wish = [0.0_f32; 2];
        if walker.rest > 0 {
            walker.rest -= 1;
        } else {
            let way = [walker.goal[0] - walker.at[0], walker.goal[1] - walker.at[1]];
            let far = (way[0] * way[0] + way[1] * way[1]).sqrt();
            if far < 0.5 {
                (walker.goal, walker.rest) = (place(rng), 30 + rng.below(120));
            } else {
                wish = way.map(|part| part / far * walker.pace);
            }
        }
        for other in &before {
            let off = [walker.at[0] - other.at[0], walker.at[1] - other.at[1]];
            let near = off[0] * off[0] + off[1] * off[1];
            if near > 0.0 && near < 1.5 {
                let push = |off: f32| off / near.max(0.1) * 0.6;
                wish = [wish[0] + push(off[0]), wish[1] + push(off[1])];
            }
        }
        for (axis, wish) in wish.into_iter().enumerate() {
            // Nobody stops or starts at once, and who stands well stands still.
            walker.speed[axis] += (wish - walker.speed[axis]) * 0.2;
            if walker.rest > 0 && walker.speed[axis].abs() < 0.02 {
                walker.speed[axis] = 0.0;
            }
            walker.at[axis] = (walker.at[axis] + walker.speed[axis] / HZ as f32).clamp(-WIDE, WIDE);
        }
        turn(walker);
    }
}

/// Looks where it goes, a little late.
fn turn(walker: &mut Walker) {
    let [vx, vy] = walker.speed;
    if vx * vx + vy * vy > 0.01 {
        let heading = libm::atan2f(vy, vx);
        let turn = std::f32::consts::TAU;
        let off = heading - walker.facing;
        let off = off - turn * (off / turn + 0.5).floor();
        walker.facing += off * 0.3;
    }
}
