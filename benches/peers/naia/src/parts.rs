//! The arena's components on naia: a property for each number, floats as they are. How they are replicated is not here.

use bevy_ecs::prelude::*;
use naia_bevy_shared::{Message, Property, Protocol, Replicate};
use tickwire_peers_common::{Image, exact};
use tickwire_workload::Entity as Truth;

#[derive(Component, Replicate)]
pub struct Pos {
    pub x: Property<f32>,
    pub y: Property<f32>,
}

#[derive(Component, Replicate)]
pub struct Vel {
    pub x: Property<f32>,
    pub y: Property<f32>,
}

#[derive(Component, Replicate)]
pub struct Rot {
    pub turn: Property<f32>,
}

#[derive(Component, Replicate)]
pub struct Health {
    pub points: Property<u8>,
}

#[derive(Component, Replicate)]
pub struct Team {
    pub team: Property<u8>,
}

#[derive(Component, Replicate)]
pub struct Kind {
    pub kind: Property<u8>,
}

/// Whoever connects says this, and is let in.
#[derive(Message)]
pub struct Hello;

/// The components and the one message, in the order that both sides need.
pub fn register(protocol: &mut Protocol) {
    protocol
        .add_message::<Hello>()
        .add_component::<Pos>()
        .add_component::<Vel>()
        .add_component::<Rot>()
        .add_component::<Health>()
        .add_component::<Team>()
        .add_component::<Kind>();
}

pub fn of(it: &Truth) -> impl Bundle {
    let looks = (
        Health::new_complete(it.health),
        Team::new_complete(it.team),
        Kind::new_complete(it.kind),
    );
    (
        Pos::new_complete(it.pos[0], it.pos[1]),
        Vel::new_complete(it.vel[0], it.vel[1]),
        Rot::new_complete(it.rot),
        looks,
    )
}

/// Only what differs is written: a property that is written is sent.
pub fn update(entity: &mut EntityWorldMut, it: &Truth) {
    if let Some(mut pos) = entity.get_mut::<Pos>() {
        let pos = &mut *pos;
        set(&mut pos.x, it.pos[0]);
        set(&mut pos.y, it.pos[1]);
    }
    if let Some(mut vel) = entity.get_mut::<Vel>() {
        let vel = &mut *vel;
        set(&mut vel.x, it.vel[0]);
        set(&mut vel.y, it.vel[1]);
    }
    if let Some(mut rot) = entity.get_mut::<Rot>() {
        set(&mut rot.turn, it.rot);
    }
    if let Some(mut health) = entity.get_mut::<Health>() {
        set(&mut health.points, it.health);
    }
}

fn set<T: naia_bevy_shared::Serde + PartialEq>(property: &mut Property<T>, value: T) {
    if **property != value {
        **property = value;
    }
}

pub fn images(world: &mut World) -> Vec<Image> {
    let mut all = world.query::<(&Pos, &Vel, &Rot, &Health, &Team, &Kind)>();
    let truth =
        |(pos, vel, rot, health, team, kind): (&Pos, &Vel, &Rot, &Health, &Team, &Kind)| Truth {
            id: 0,
            pos: [*pos.x, *pos.y],
            vel: [*vel.x, *vel.y],
            rot: *rot.turn,
            health: *health.points,
            team: *team.team,
            kind: *kind.kind,
        };
    all.iter(world).map(|parts| exact(&truth(parts))).collect()
}
