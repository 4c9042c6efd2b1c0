//! What a hit does, by whatever weapon: hulls break, kills and scores are counted. Who is hit the weapons say.

use tickwire::prelude::*;

use crate::ships::{Clockwork, Helm, Pilot, Ship, Team};

const RESPAWN_TICKS: u16 = 150;

/// A ship broke.
#[derive(TickEvent, Clone)]
pub struct Boom {
    /// In units.
    #[net(range = 0.0..=4096.0, step = 1.0)]
    pub x: f32,
    /// In units.
    #[net(range = 0.0..=4096.0, step = 1.0)]
    pub y: f32,
    /// Whose ship it was.
    pub team: Team,
}

/// Ships broken by each team.
#[derive(Replicate, Clone, Default)]
#[net(resource)]
pub struct Scores {
    /// By darts.
    pub amber: u16,
    /// By crescents.
    pub azure: u16,
}

/// Ships with all that a weapon asks and changes of them; on a client only those that it runs ahead.
pub type Hulls<'w, 's> = Query<
    'w,
    's,
    (
        Entity,
        &'static NetEntity,
        (&'static OwnedBy, &'static Helm),
        &'static mut Ship,
        &'static mut Clockwork,
        &'static mut Pilot,
    ),
>;

/// What struck.
pub struct Blow {
    /// Who shot; may be gone by now.
    pub by: Option<Entity>,
    /// For which team.
    pub team: Team,
    /// Health that it takes.
    pub damage: u8,
}

/// Hurts a ship, and counts it where it breaks.
pub fn wound(struck: Entity, blow: &Blow, ships: &mut Hulls, scores: &mut Scores, emit: &mut Emit) {
    let Ok((_, _, _, mut ship, mut clock, mut pilot)) = ships.get_mut(struck) else {
        return;
    };
    if ship.health == 0 {
        return;
    }
    ship.health = ship.health.saturating_sub(blow.damage);
    if ship.health > 0 {
        return;
    }
    (ship.vx, ship.vy) = (0.0, 0.0);
    clock.respawn = RESPAWN_TICKS;
    pilot.deaths = pilot.deaths.saturating_add(1);
    emit.send(Boom {
        x: ship.x,
        y: ship.y,
        team: ship.team,
    });
    match blow.team {
        Team::Amber => scores.amber = scores.amber.saturating_add(1),
        Team::Azure => scores.azure = scores.azure.saturating_add(1),
    }
    if let Some(Ok((.., mut killer))) = blow.by.map(|by| ships.get_mut(by)) {
        killer.kills = killer.kills.saturating_add(1);
    }
}
