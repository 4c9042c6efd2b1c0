//! Deterministic "arena" workload for netcode benchmarks.
//!
//! A square 2D arena with players (always moving, smooth random steering), NPCs (mostly at rest,
//! a small fraction walking in straight lines) and projectiles (constant velocity, 1 s life).
//! Everything derives from `Config::seed`; there is no wall clock, no threading, no dependency.
//!
//! ```
//! let mut sim = tickwire_workload::Sim::new(tickwire_workload::Config::small(1));
//! for _ in 0..60 { sim.step(); }
//! assert!(sim.entities().len() >= 116);
//! ```
//!
//! Contract of [`Sim::step`]:
//! * `sim.spawned()` / `sim.despawned()` list the ids which appeared / vanished in this tick;
//! * all live entities are in `sim.entities()` (players first, then NPCs, then projectiles in
//!   spawn order), ids are unique and never reused;
//! * a field which did not change is bit-identical to the previous tick, so change detection by
//!   `==` on the fields is exact.

// The workload is a fixed input: its figures are only comparable while not a bit of it changes, so it keeps std's functions.
#![allow(
    clippy::disallowed_methods,
    clippy::manual_range_contains,
    clippy::precedence,
    missing_docs
)]

use std::f32::consts::{PI, TAU};

pub const HZ: u32 = 30;
pub const DT: f32 = 1.0 / HZ as f32;
pub const ARENA: f32 = 1024.0;

pub const KIND_PLAYER: u8 = 0;
pub const KIND_NPC: u8 = 1;
pub const KIND_PROJECTILE: u8 = 2;

/// Workload parameters. `small` / `large` are the two sizes of the benchmark.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub players: u32,
    pub npcs: u32,
    pub seed: u64,
    /// Share of NPCs walking at any time (stationary mean).
    pub npc_active: f32,
    /// Mean length of one NPC walk, in seconds.
    pub npc_walk_s: f32,
    /// Mean shots per player per second.
    pub fire_rate: f32,
    /// Projectile life in ticks.
    pub projectile_ticks: u32,
    /// Mean health changes per player per second.
    pub health_rate: f32,
}

impl Config {
    /// S: 16 players + 100 NPCs.
    pub const fn small(seed: u64) -> Self {
        Self::sized(16, 100, seed)
    }
    /// L: 64 players + 1000 NPCs.
    pub const fn large(seed: u64) -> Self {
        Self::sized(64, 1000, seed)
    }
    pub const fn sized(players: u32, npcs: u32, seed: u64) -> Self {
        Config {
            players,
            npcs,
            seed,
            npc_active: 0.05,
            npc_walk_s: 2.0,
            fire_rate: 2.0,
            projectile_ticks: HZ,
            health_rate: 1.0,
        }
    }
    /// Parses "S" or "L".
    pub fn by_name(name: &str, seed: u64) -> Self {
        match name {
            "S" | "s" => Self::small(seed),
            "L" | "l" => Self::large(seed),
            _ => panic!("size must be S or L, got {name}"),
        }
    }
}

/// The replicated state of one entity. Each field is one component in the peers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entity {
    pub id: u32,
    /// Position x, y in `0..=ARENA`.
    pub pos: [f32; 2],
    /// Velocity in units per second.
    pub vel: [f32; 2],
    /// Facing angle in `[-PI, PI)`.
    pub rot: f32,
    pub health: u8,
    pub team: u8,
    pub kind: u8,
}

impl Entity {
    /// Fixed 23-byte image (the id is left out); used to compare replicas with the source.
    pub fn image(&self) -> [u8; 23] {
        let mut b = [0u8; 23];
        b[0..4].copy_from_slice(&self.pos[0].to_le_bytes());
        b[4..8].copy_from_slice(&self.pos[1].to_le_bytes());
        b[8..12].copy_from_slice(&self.vel[0].to_le_bytes());
        b[12..16].copy_from_slice(&self.vel[1].to_le_bytes());
        b[16..20].copy_from_slice(&self.rot.to_le_bytes());
        b[20] = self.health;
        b[21] = self.team;
        b[22] = self.kind;
        b
    }
}

/// Hidden per-entity simulation state (not replicated).
#[derive(Clone, Copy, Default)]
struct Brain {
    heading: f32,
    turn: f32,
    speed: f32,
    expires: u32,
}

/// Counters of what changed in the last step (for sanity checks and reports).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub pos: u32,
    pub vel: u32,
    pub rot: u32,
    pub health: u32,
    pub spawned: u32,
    pub despawned: u32,
}

pub struct Sim {
    cfg: Config,
    rng: Rng,
    tick: u32,
    next_id: u32,
    ents: Vec<Entity>,
    brains: Vec<Brain>,
    spawned: Vec<u32>,
    despawned: Vec<u32>,
    changes: Changes,
}

impl Sim {
    pub fn new(cfg: Config) -> Self {
        let mut rng = Rng::new(cfg.seed);
        let n = cfg.players + cfg.npcs;
        let mut ents = Vec::with_capacity(n as usize + cfg.players as usize * 8);
        let mut brains = Vec::with_capacity(ents.capacity());
        for id in 0..n {
            let player = id < cfg.players;
            let heading = wrap(rng.f32() * TAU);
            let walking = player || rng.f32() < cfg.npc_active;
            let speed = match (player, walking) {
                (true, _) => 80.0 + 60.0 * rng.f32(),
                (false, true) => 30.0 + 30.0 * rng.f32(),
                (false, false) => 0.0,
            };
            ents.push(Entity {
                id,
                pos: [rng.f32() * ARENA, rng.f32() * ARENA],
                vel: [speed * heading.cos(), speed * heading.sin()],
                rot: heading,
                health: 100,
                team: if player {
                    (id % 4) as u8
                } else {
                    4 + (id % 3) as u8
                },
                kind: if player { KIND_PLAYER } else { KIND_NPC },
            });
            brains.push(Brain {
                heading,
                turn: 0.0,
                speed,
                expires: u32::MAX,
            });
        }
        Sim {
            cfg,
            rng,
            tick: 0,
            next_id: n,
            spawned: ents.iter().map(|e| e.id).collect(),
            ents,
            brains,
            despawned: Vec::new(),
            changes: Changes::default(),
        }
    }

    pub fn config(&self) -> &Config {
        &self.cfg
    }
    /// Number of `step` calls so far.
    pub fn tick(&self) -> u32 {
        self.tick
    }
    /// All live entities.
    pub fn entities(&self) -> &[Entity] {
        &self.ents
    }
    /// Ids spawned in the last step (before the first step: all initial entities).
    pub fn spawned(&self) -> &[u32] {
        &self.spawned
    }
    /// Ids despawned in the last step.
    pub fn despawned(&self) -> &[u32] {
        &self.despawned
    }
    pub fn changes(&self) -> Changes {
        self.changes
    }
    /// One past the largest id ever given out.
    pub fn id_bound(&self) -> u32 {
        self.next_id
    }

    /// Advances the simulation by one 30 Hz tick.
    pub fn step(&mut self) {
        self.tick += 1;
        self.spawned.clear();
        self.despawned.clear();
        self.changes = Changes::default();
        let cfg = self.cfg;

        // Projectiles are in spawn order and all live equally long: the expired ones are a prefix.
        let first = (cfg.players + cfg.npcs) as usize;
        let mut end = first;
        while end < self.ents.len() && self.brains[end].expires <= self.tick {
            self.despawned.push(self.ents[end].id);
            end += 1;
        }
        self.ents.drain(first..end);
        self.brains.drain(first..end);

        let walk_end = DT / cfg.npc_walk_s;
        let walk_start = walk_end * cfg.npc_active / (1.0 - cfg.npc_active);
        let rng = &mut self.rng;
        let mut shots: Vec<u32> = Vec::new();
        for (i, (e, b)) in self.ents.iter_mut().zip(&mut self.brains).enumerate() {
            let before = *e;
            match e.kind {
                KIND_PLAYER => {
                    // Ornstein-Uhlenbeck turn rate: smooth random steering.
                    b.turn += -b.turn * 0.08 + (rng.f32() - 0.5) * 1.2;
                    b.heading = wrap(b.heading + b.turn * DT);
                    e.vel = [b.speed * b.heading.cos(), b.speed * b.heading.sin()];
                    if rng.f32() < cfg.health_rate * DT {
                        let h = 1 + rng.below(100) as u8;
                        e.health = if h == e.health { h % 100 + 1 } else { h };
                    }
                    if rng.f32() < cfg.fire_rate * DT {
                        shots.push(i as u32);
                    }
                }
                KIND_NPC => {
                    if b.speed > 0.0 {
                        if rng.f32() < walk_end {
                            b.speed = 0.0;
                            e.vel = [0.0, 0.0];
                        }
                    } else if rng.f32() < walk_start {
                        b.speed = 30.0 + 30.0 * rng.f32();
                        b.heading = wrap(rng.f32() * TAU);
                        e.vel = [b.speed * b.heading.cos(), b.speed * b.heading.sin()];
                    }
                }
                _ => {}
            }
            if e.vel != [0.0, 0.0] {
                let mut bounced = false;
                for a in 0..2 {
                    e.pos[a] += e.vel[a] * DT;
                    if e.pos[a] < 0.0 {
                        e.pos[a] = -e.pos[a];
                        e.vel[a] = e.vel[a].abs();
                        bounced = true;
                    } else if e.pos[a] > ARENA {
                        e.pos[a] = 2.0 * ARENA - e.pos[a];
                        e.vel[a] = -e.vel[a].abs();
                        bounced = true;
                    }
                }
                if bounced {
                    b.heading = e.vel[1].atan2(e.vel[0]);
                }
            }
            // Rotation follows the heading with a short lag, then snaps.
            let d = wrap(b.heading - e.rot);
            if d != 0.0 {
                e.rot = if d.abs() < 0.002 {
                    b.heading
                } else {
                    wrap(e.rot + 0.4 * d)
                };
            }
            self.changes.pos += (before.pos != e.pos) as u32;
            self.changes.vel += (before.vel != e.vel) as u32;
            self.changes.rot += (before.rot != e.rot) as u32;
            self.changes.health += (before.health != e.health) as u32;
        }

        for i in shots {
            let (p, b) = (self.ents[i as usize], self.brains[i as usize]);
            let id = self.next_id;
            self.next_id += 1;
            let speed = 320.0;
            self.ents.push(Entity {
                id,
                pos: p.pos,
                vel: [speed * b.heading.cos(), speed * b.heading.sin()],
                rot: b.heading,
                health: 1,
                team: p.team,
                kind: KIND_PROJECTILE,
            });
            self.brains.push(Brain {
                heading: b.heading,
                turn: 0.0,
                speed,
                expires: self.tick + cfg.projectile_ticks,
            });
            self.spawned.push(id);
        }
        self.changes.spawned = self.spawned.len() as u32;
        self.changes.despawned = self.despawned.len() as u32;
    }

    /// Sorted images of all entities: equal to [`sorted_images`] of a perfect replica.
    pub fn sorted_images(&self) -> Vec<[u8; 23]> {
        sorted_images(self.ents.iter().copied())
    }
}

/// Sorted images of any set of entities (ids are ignored, peers have their own).
pub fn sorted_images(ents: impl IntoIterator<Item = Entity>) -> Vec<[u8; 23]> {
    let mut v: Vec<_> = ents.into_iter().map(|e| e.image()).collect();
    v.sort_unstable();
    v
}

/// Wraps an angle to `[-PI, PI)`.
fn wrap(a: f32) -> f32 {
    if a >= -PI && a < PI {
        a
    } else {
        let w = a - TAU * ((a + PI) / TAU).floor();
        if w >= PI { -PI } else { w }
    }
}

/// xoshiro256++ seeded by splitmix64.
#[derive(Clone, Debug)]
pub struct Rng([u64; 4]);

impl Rng {
    pub fn new(seed: u64) -> Self {
        let mut z = seed;
        Rng(std::array::from_fn(|_| {
            z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut x = z;
            x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            x ^ (x >> 31)
        }))
    }
    pub fn u64(&mut self) -> u64 {
        let s = &mut self.0;
        let r = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        r
    }
    /// Uniform in `[0, 1)`.
    pub fn f32(&mut self) -> f32 {
        (self.u64() >> 40) as f32 * (1.0 / (1u32 << 24) as f32)
    }
    pub fn below(&mut self, n: u32) -> u32 {
        ((self.u64() >> 32) * n as u64 >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deterministic_and_in_bounds() {
        let run = || {
            let mut s = Sim::new(Config::small(7));
            for _ in 0..600 {
                s.step();
                for e in s.entities() {
                    assert!(e.pos.iter().all(|p| (0.0..=ARENA).contains(p)), "{e:?}");
                    assert!((-PI..PI).contains(&e.rot));
                }
            }
            s.sorted_images()
        };
        assert_eq!(run(), run());
    }

    #[test]
    fn rates_match_the_description() {
        let mut s = Sim::new(Config::large(1));
        let (mut moving, mut live, mut spawned, mut health) = (0u64, 0u64, 0u64, 0u64);
        let n = 3000u64;
        for _ in 0..n {
            s.step();
            moving += s
                .entities()
                .iter()
                .filter(|e| e.kind == KIND_NPC && e.vel != [0.0; 2])
                .count() as u64;
            live += s.entities().len() as u64;
            spawned += s.changes().spawned as u64;
            health += s.changes().health as u64;
        }
        let per_tick = |x: u64| x as f64 / n as f64;
        assert!(
            (45.0..55.0).contains(&per_tick(moving)),
            "moving {}",
            per_tick(moving)
        );
        assert!(
            (1180.0..1200.0).contains(&per_tick(live)),
            "live {}",
            per_tick(live)
        );
        assert!(
            (4.0..4.6).contains(&per_tick(spawned)),
            "spawned {}",
            per_tick(spawned)
        );
        assert!(
            (1.9..2.4).contains(&per_tick(health)),
            "health {}",
            per_tick(health)
        );
    }
}
