//! Ships: joining and leaving, from commands to movement, dying and coming back. Shooting lives in `bolts.rs`, what wounds in `wounds.rs`, computer players in `computer.rs`.

use tickwire::{math, prelude::*};

use crate::{DT, computer::Brain, map::Terrain, square};

/// The radius of a hull, in units.
pub const RADIUS: f32 = 16.0;
const SPEED: f32 = 250.0;
/// The share of the wanted velocity that a hull takes on in a tick.
const GRIP: f32 = 0.16;
const HEALTH: u8 = 100;

/// Which side one is on.
#[derive(NetEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Team {
    /// Darts.
    #[default]
    Amber,
    /// Crescents.
    Azure,
}

/// A hull: where it is and whether it lives.
#[derive(Replicate, Clone, Default)]
pub struct Ship {
    /// In units.
    #[net(range = 0.0..=4096.0, step = 0.0625, velocity = "vx", teleport = 256.0)]
    pub x: f32,
    /// In units.
    #[net(range = 0.0..=4096.0, step = 0.0625, velocity = "vy", teleport = 256.0)]
    pub y: f32,
    /// In units a second.
    #[net(range = -1024.0..=1024.0, step = 0.0625)]
    pub vx: f32,
    /// In units a second.
    #[net(range = -1024.0..=1024.0, step = 0.0625)]
    pub vy: f32,
    /// Where it points, in radians.
    #[net(angle, bits = 8)]
    pub aim: f32,
    /// 0: broken, waiting to come back.
    #[net(range = 0..=100)]
    pub health: u8,
    /// Its rail is charging: who sees that can step aside.
    pub charging: bool,
    /// Whose side it is on.
    pub team: Team,
}

/// Who flies, and how well.
#[derive(Replicate, Clone, Default)]
pub struct Pilot {
    /// As members of the room know it.
    #[net(max = 24)]
    pub name: String,
    /// A computer player.
    pub computer: bool,
    /// Ships broken.
    pub kills: u16,
    /// Own ships lost.
    pub deaths: u16,
    /// The ship's team, for the score board.
    pub team: Team,
}

/// What a player asks for in a tick.
#[derive(PlayerCommand, Clone, Copy, Default)]
pub struct Steer {
    /// Left or right.
    #[net(range = -1..=1)]
    pub x: i8,
    /// Up or down.
    #[net(range = -1..=1)]
    pub y: i8,
    /// Where to point, in radians.
    #[net(angle, bits = 10)]
    pub aim: f32,
    /// Shoot as soon as the gun is ready.
    pub fire: bool,
    /// Charge the rail, which goes off when it is full; let go of before, it is empty again.
    pub rail: bool,
}

/// What the ship is told to do, by a person's command or by a computer player's brain.
#[derive(Replicate, Clone, Copy, Default)]
#[net(scope = owner)]
pub struct Helm {
    /// Wanted direction, each -1 to 1.
    pub x: f32,
    /// Wanted direction, each -1 to 1.
    pub y: f32,
    /// Wanted heading, in radians.
    pub aim: f32,
    /// Whether to shoot.
    pub fire: bool,
    /// Whether to charge the rail.
    pub rail: bool,
}

/// Ticks until things may happen again.
#[derive(Replicate, Clone, Copy, Default)]
#[net(scope = owner)]
pub struct Clockwork {
    /// Until the gun is ready.
    pub gun: u16,
    /// Until the rail can be charged again.
    pub rail: u16,
    /// For which the rail has been charged.
    pub charge: u16,
    /// Until a broken ship comes back.
    pub respawn: u16,
}

/// A seat was taken: by a person, or by a computer player that fills the room.
pub fn join(
    In(player): In<Player>,
    roster: Res<Roster>,
    ships: Query<&Ship>,
    mut commands: Commands,
) {
    let azure = ships.iter().filter(|ship| ship.team == Team::Azure).count();
    let team = if azure * 2 < ships.iter().count() {
        Team::Azure
    } else {
        Team::Amber
    };
    let computer = roster.is_computer(player);
    let name = roster.name(player).to_owned();
    let mut ship = commands.spawn((
        Ship {
            team,
            ..Ship::default()
        },
        Pilot {
            name,
            computer,
            team,
            ..Pilot::default()
        },
        Helm::default(),
        Clockwork {
            respawn: 1,
            ..Clockwork::default()
        },
        OwnedBy(player),
    ));
    if computer {
        ship.insert(Brain::default());
    }
}

/// Whoever comes back to a seat by another name flies on by that.
pub fn rename(roster: Res<Roster>, mut pilots: Query<(&mut Pilot, &OwnedBy)>) {
    for (mut pilot, owner) in &mut pilots {
        let name = roster.name(owner.0);
        if pilot.name != name && !name.is_empty() {
            name.clone_into(&mut pilot.name);
        }
    }
}

/// A seat became free; its ship goes with it.
pub fn leave(
    In(player): In<Player>,
    ships: Query<(Entity, &OwnedBy), With<Ship>>,
    mut commands: Commands,
) {
    for (ship, owner) in &ships {
        if owner.0 == player {
            commands.entity(ship).despawn();
        }
    }
}

/// People's commands become what their ships are told.
pub fn listen(mut ships: Query<(&mut Helm, &Asks<Steer>), Without<Brain>>) {
    for (mut helm, ask) in &mut ships {
        *helm = Helm {
            x: f32::from(ask.x),
            y: f32::from(ask.y),
            aim: ask.aim,
            fire: ask.fire,
            rail: ask.rail,
        };
    }
}

/// Broken ships come back where the fewest others are near. Where that is the server says: a client only counts.
pub fn respawn(
    side: Res<Side>,
    terrain: Res<Terrain>,
    chance: Chance,
    mut ships: Query<(&NetEntity, &mut Ship, &mut Clockwork)>,
) {
    let alive: Vec<(f32, f32)> = ships
        .iter()
        .filter(|(_, ship, _)| ship.health > 0)
        .map(|(_, ship, _)| (ship.x, ship.y))
        .collect();
    for (id, mut ship, mut clock) in &mut ships {
        if ship.health > 0 {
            continue;
        }
        clock.respawn = clock.respawn.saturating_sub(1);
        if clock.respawn > 0 || *side != Side::Server {
            continue;
        }
        let room = |x: f32, y: f32| {
            alive
                .iter()
                .map(|at| square(at.0 - x) + square(at.1 - y))
                .fold(f32::INFINITY, f32::min)
        };
        // Chance breaks ties, so that a room does not fill up in one corner.
        let first = chance.below(id, 1, terrain.0.spawns.len() as u32) as usize;
        let spawns = &terrain.0.spawns;
        let best = (0..spawns.len())
            .map(|i| spawns[(first + i) % spawns.len()])
            .max_by(|a, b| room(a.x, a.y).total_cmp(&room(b.x, b.y)));
        if let Some(spawn) = best {
            *ship = Ship {
                x: spawn.x,
                y: spawn.y,
                health: HEALTH,
                charging: false,
                team: ship.team,
                aim: ship.aim,
                vx: 0.0,
                vy: 0.0,
            };
        }
    }
}

/// Ships move, stay out of walls, and push one another. On a client nobody knows what others are told to do: they stand where they were seen,
/// and one bumps into them there.
pub fn fly(terrain: Res<Terrain>, mut ships: Query<(&NetEntity, &mut Ship, Option<&Helm>)>) {
    for (_, mut ship, helm) in &mut ships {
        let Some(helm) = helm.filter(|_| ship.health > 0) else {
            continue;
        };
        let length = math::sqrt(helm.x * helm.x + helm.y * helm.y).max(1.0);
        let (want_x, want_y) = (helm.x / length * SPEED, helm.y / length * SPEED);
        let (mut vx, mut vy) = (
            ship.vx + (want_x - ship.vx) * GRIP,
            ship.vy + (want_y - ship.vy) * GRIP,
        );
        if vx.abs() < 1.0 && vy.abs() < 1.0 && want_x == 0.0 && want_y == 0.0 {
            (vx, vy) = (0.0, 0.0);
        }
        let (x, y, normal) = terrain.0.settle(ship.x + vx * DT, ship.y + vy * DT, RADIUS);
        if let Some((nx, ny)) = normal {
            let into = (vx * nx + vy * ny).min(0.0);
            (vx, vy) = (vx - into * nx, vy - into * ny);
        }
        // A ship at rest is not touched: what does not change costs nothing.
        let next = (x, y, vx, vy, helm.aim);
        if (ship.x, ship.y, ship.vx, ship.vy, ship.aim) != next {
            (ship.x, ship.y, ship.vx, ship.vy, ship.aim) = next;
        }
    }
    push_apart(&terrain, &mut ships);
}

/// By id, since each push moves what the next one looks at.
fn push_apart(terrain: &Terrain, ships: &mut Query<(&NetEntity, &mut Ship, Option<&Helm>)>) {
    let in_order = ships.iter_mut().sort::<&NetEntity>();
    let mut ships: Vec<Mut<Ship>> = in_order.map(|(_, ship, _)| ship).collect();
    for second in 1..ships.len() {
        let (before, rest) = ships.split_at_mut(second);
        for a in before {
            push_two_apart(terrain, a, &mut rest[0]);
        }
    }
}

fn push_two_apart(terrain: &Terrain, a: &mut Mut<Ship>, b: &mut Mut<Ship>) {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let near = dx * dx + dy * dy;
    if a.health == 0 || b.health == 0 || near >= 4.0 * RADIUS * RADIUS {
        return;
    }
    let distance = math::sqrt(near);
    let (nx, ny) = if distance > 0.01 {
        (dx / distance, dy / distance)
    } else {
        (1.0, 0.0)
    };
    let half = (2.0 * RADIUS - distance) / 2.0;
    (a.x, a.y, _) = terrain.0.settle(a.x - nx * half, a.y - ny * half, RADIUS);
    (b.x, b.y, _) = terrain.0.settle(b.x + nx * half, b.y + ny * half, RADIUS);
}
