//! Bolts: shooting, flying with one ricochet, hitting, and what is seen of it. What a hit does lives in `wounds.rs`.

use tickwire::{math, prelude::*};

use crate::{
    DT,
    map::Terrain,
    ships::{Clockwork, Helm, RADIUS, Ship, Team},
    wounds::{Blow, Hulls, Scores, wound},
};

const SPEED: f32 = 720.0;
const LIFE_TICKS: u16 = 75;
const RELOAD_TICKS: u16 = 11;
const DAMAGE: u8 = 25;
const BOLT_RADIUS: f32 = 4.0;

/// A bolt of light in flight.
#[derive(Replicate, Clone, Default)]
pub struct Bolt {
    /// In units.
    #[net(range = 0.0..=4096.0, step = 0.0625, velocity = "vx")]
    pub x: f32,
    /// In units.
    #[net(range = 0.0..=4096.0, step = 0.0625, velocity = "vy")]
    pub y: f32,
    /// In units a second.
    #[net(range = -1024.0..=1024.0, step = 0.0625)]
    pub vx: f32,
    /// In units a second.
    #[net(range = -1024.0..=1024.0, step = 0.0625)]
    pub vy: f32,
    /// Whose light it is.
    pub team: Team,
}

/// What nobody knows of a bolt but the server, and the client of who shot it, which runs it ahead.
#[derive(Replicate, Clone)]
#[net(scope = owner)]
pub struct Shot {
    /// Who shot; may be gone by now.
    pub by: Option<Entity>,
    /// Ticks left to live.
    pub life: u16,
    /// Whether it has ricocheted already.
    pub bounced: bool,
}

/// A bolt struck something, or a rail somebody.
#[derive(TickEvent, Clone)]
pub struct Spark {
    /// In units.
    #[net(range = 0.0..=4096.0, step = 1.0)]
    pub x: f32,
    /// In units.
    #[net(range = 0.0..=4096.0, step = 1.0)]
    pub y: f32,
    /// Who shot.
    pub team: Team,
}

/// Guns that are ready and told to, shoot, unless the ship's light goes into its rail. By id, since bolts are numbered in the order in which they are made.
pub fn fire(
    mut ships: Query<(Entity, &NetEntity, &Ship, &Helm, &mut Clockwork, &OwnedBy)>,
    mut commands: Commands,
) {
    for (by, _, ship, helm, mut clock, owner) in ships.iter_mut().sort::<&NetEntity>() {
        if clock.gun > 0 {
            clock.gun -= 1;
        } else if helm.fire && !helm.rail && ship.health > 0 {
            clock.gun = RELOAD_TICKS;
            let (dx, dy) = (math::cos(helm.aim), math::sin(helm.aim));
            let (x, y) = (ship.x + dx * (RADIUS + 6.0), ship.y + dy * (RADIUS + 6.0));
            commands.spawn((
                Bolt {
                    x,
                    y,
                    vx: dx * SPEED,
                    vy: dy * SPEED,
                    team: ship.team,
                },
                Shot {
                    by: Some(by),
                    life: LIFE_TICKS,
                    bounced: false,
                },
                *owner,
            ));
        }
    }
}

/// Bolts fly; the first wall turns them, the second ends them. By id, since sparks and free numbers have an order.
pub fn fly(
    terrain: Res<Terrain>,
    mut emit: Emit,
    mut bolts: Query<(Entity, &NetEntity, &mut Bolt, &mut Shot)>,
    mut commands: Commands,
) {
    for (entity, _, mut bolt, mut shot) in bolts.iter_mut().sort::<&NetEntity>() {
        shot.life = shot.life.saturating_sub(1);
        let (x, y, normal) =
            terrain
                .0
                .settle(bolt.x + bolt.vx * DT, bolt.y + bolt.vy * DT, BOLT_RADIUS);
        (bolt.x, bolt.y) = (x, y);
        if let Some((nx, ny)) = normal {
            emit.send(Spark {
                x,
                y,
                team: bolt.team,
            });
            let into = 2.0 * (bolt.vx * nx + bolt.vy * ny);
            (bolt.vx, bolt.vy) = (bolt.vx - into * nx, bolt.vy - into * ny);
            if shot.bounced {
                shot.life = 0;
            }
            shot.bounced = true;
        }
        if shot.life == 0 {
            commands.entity(entity).despawn();
        }
    }
}

/// Bolts that touch a ship of the other team hurt it.
pub fn hit(
    mut emit: Emit,
    mut scores: ResMut<Scores>,
    bolts: Query<(Entity, &NetEntity, &Bolt, &Shot)>,
    mut ships: Hulls,
    mut commands: Commands,
) {
    // By id, since two bolts may meet the same ship in one tick and only one of them breaks it.
    let mut flying: Vec<_> = bolts.iter().filter(|(.., shot)| shot.life > 0).collect();
    flying.sort_unstable_by_key(|(_, id, ..)| **id);
    for (entity, _, bolt, shot) in flying {
        let struck = ships
            .iter()
            .filter(|(_, _, _, ship, ..)| ship.health > 0 && ship.team != bolt.team)
            .filter(|(_, _, _, ship, ..)| {
                let (dx, dy) = (ship.x - bolt.x, ship.y - bolt.y);
                dx * dx + dy * dy < (RADIUS + BOLT_RADIUS) * (RADIUS + BOLT_RADIUS)
            })
            .min_by_key(|(_, id, ..)| **id)
            .map(|(ship, ..)| ship);
        let Some(struck) = struck else { continue };
        commands.entity(entity).despawn();
        emit.send(Spark {
            x: bolt.x,
            y: bolt.y,
            team: bolt.team,
        });
        let blow = Blow {
            by: shot.by,
            team: bolt.team,
            damage: DAMAGE,
        };
        wound(struck, &blow, &mut ships, &mut scores, &mut emit);
    }
}
