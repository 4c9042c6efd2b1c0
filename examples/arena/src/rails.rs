//! The rail: charging, and a beam that hits at once whom its shooter saw there. What a hit does lives in `wounds.rs`.

use tickwire::{math, prelude::*};

use crate::{
    bolts::Spark,
    map::Terrain,
    ships::{Clockwork, Helm, RADIUS, Ship, Team},
    wounds::{Blow, Hulls, Scores, wound},
};

/// Half a second: long enough to be seen by who is aimed at.
pub const CHARGE_TICKS: u16 = 30;
/// Until it can be charged again.
pub const COOL_TICKS: u16 = 45;
const DAMAGE: u8 = 60;
/// Whoever is behind a wall by now is hit by pictures that are not older than this, in ticks: a quarter of a second.
const COVER_TICKS: f32 = 15.0;

/// A rail went off. It goes through ships and ends at a wall, so that the beam that its shooter is shown at once is the server's, whomever it hits.
#[derive(TickEvent, Clone)]
pub struct Beam {
    /// From here, in units.
    #[net(range = 0.0..=4096.0, step = 1.0)]
    pub x: f32,
    /// From here, in units.
    #[net(range = 0.0..=4096.0, step = 1.0)]
    pub y: f32,
    /// To here, in units.
    #[net(range = 0.0..=4096.0, step = 1.0)]
    pub to_x: f32,
    /// To here, in units.
    #[net(range = 0.0..=4096.0, step = 1.0)]
    pub to_y: f32,
    /// Who shot.
    pub team: Team,
}

/// A shot of this tick.
struct Ray {
    by: Entity,
    player: Player,
    from: (f32, f32),
    towards: (f32, f32),
    team: Team,
}

/// Rails cool, are charged while their ship is told to, and go off when they are full.
pub fn charge(mut ships: Query<(&mut Ship, &Helm, &mut Clockwork)>) {
    for (mut ship, helm, mut clock) in &mut ships {
        let wanted = helm.rail && ship.health > 0;
        if clock.rail > 0 {
            clock.rail -= 1;
        } else if wanted {
            clock.charge += 1;
            if clock.charge == CHARGE_TICKS {
                (clock.charge, clock.rail) = (0, COOL_TICKS);
            }
        } else if clock.charge > 0 {
            clock.charge = 0;
        }
        let charging = clock.charge > 0;
        if ship.charging != charging {
            ship.charging = charging;
        }
    }
}

/// Beams of the rails that have just gone off. Whom they hit the server says, in the picture in which the shooter aimed.
pub fn strike(
    side: Res<Side>,
    terrain: Res<Terrain>,
    rewind: Res<Rewind>,
    mut emit: Emit,
    mut scores: ResMut<Scores>,
    mut ships: Hulls,
) {
    let went_off = ships
        .iter()
        .filter(|(_, _, _, ship, clock, _)| clock.rail == COOL_TICKS && ship.health > 0);
    let mut shots: Vec<(NetEntity, Ray)> = went_off
        .map(|(by, id, (owner, helm), ship, ..)| {
            let ray = Ray {
                by,
                player: owner.0,
                from: (ship.x, ship.y),
                towards: (math::cos(helm.aim), math::sin(helm.aim)),
                team: ship.team,
            };
            (*id, ray)
        })
        .collect();
    // By id, since of two who break each other in one tick both do, and events have an order.
    shots.sort_unstable_by_key(|(id, _)| *id);
    for (_, ray) in shots {
        let length = terrain.0.reach(ray.from, ray.towards);
        let at = |far: f32| {
            let (dx, dy) = ray.towards;
            (ray.from.0 + dx * far, ray.from.1 + dy * far)
        };
        let ((x, y), (to_x, to_y)) = (at(length.min(RADIUS + 6.0)), at(length));
        emit.send(Beam {
            x,
            y,
            to_x,
            to_y,
            team: ray.team,
        });
        if *side == Side::Server {
            pierce(
                &ray,
                length,
                &terrain,
                &rewind,
                &mut emit,
                &mut scores,
                &mut ships,
            );
        }
    }
}

/// Everybody of the other team who was in the way, as far as the wall.
fn pierce(
    ray: &Ray,
    length: f32,
    terrain: &Terrain,
    rewind: &Rewind,
    emit: &mut Emit,
    scores: &mut Scores,
    ships: &mut Hulls,
) {
    let past = rewind.of(ray.player);
    for hit in past.ray(ray.from, ray.towards, length) {
        let Ok((_, _, _, ship, ..)) = ships.get(hit.entity) else {
            continue;
        };
        let (now, foe) = ((ship.x, ship.y), ship.team != ray.team);
        if !foe || ship.health == 0 {
            continue;
        }
        if hit.behind() > COVER_TICKS && !terrain.0.sees(ray.from, now) {
            rewind.deny(&hit);
            continue;
        }
        rewind.accept(&hit);
        emit.send(Spark {
            x: hit.point[0].max(0.0),
            y: hit.point[1].max(0.0),
            team: ray.team,
        });
        let blow = Blow {
            by: Some(ray.by),
            team: ray.team,
            damage: DAMAGE,
        };
        wound(hit.entity, &blow, ships, scores, emit);
    }
}
