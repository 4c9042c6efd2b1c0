//! The arena's components on lightyear, one for each field, floats as they are. How they are replicated is not here.

use bevy::ecs::component::Mutable;
use bevy::prelude::*;
use lightyear::prelude::*;
use serde::{Deserialize, Serialize};
use tickwire_peers_common::{Image, exact};
use tickwire_workload::Entity as Truth;

macro_rules! component {
    ($($name:ident($kind:ty)),*) => {$(
        #[derive(Component, Serialize, Deserialize, Clone, Copy, PartialEq)]
        struct $name($kind);
    )*};
}

component! { Pos([f32; 2]), Vel([f32; 2]), Rot(f32), Health(u8), Team(u8), Kind(u8) }

pub fn register(app: &mut App) {
    app.component::<Pos>().replicate();
    app.component::<Vel>().replicate();
    app.component::<Rot>().replicate();
    app.component::<Health>().replicate();
    app.component::<Team>().replicate();
    app.component::<Kind>().replicate();
}

pub fn of(it: &Truth) -> impl Bundle {
    let looks = (Health(it.health), Team(it.team), Kind(it.kind));
    (Pos(it.pos), Vel(it.vel), Rot(it.rot), looks)
}

/// Only what differs is written: change detection decides what is sent.
pub fn update(entity: &mut EntityWorldMut, it: &Truth) {
    set(entity, Pos(it.pos));
    set(entity, Vel(it.vel));
    set(entity, Rot(it.rot));
    set(entity, Health(it.health));
}

pub fn images(world: &mut World) -> Vec<Image> {
    let mut all = world.query::<(&Pos, &Vel, &Rot, &Health, &Team, &Kind)>();
    let truth =
        |(pos, vel, rot, health, team, kind): (&Pos, &Vel, &Rot, &Health, &Team, &Kind)| Truth {
            id: 0,
            pos: pos.0,
            vel: vel.0,
            rot: rot.0,
            health: health.0,
            team: team.0,
            kind: kind.0,
        };
    all.iter(world).map(|parts| exact(&truth(parts))).collect()
}

fn set<C: Component<Mutability = Mutable> + PartialEq>(entity: &mut EntityWorldMut, value: C) {
    if let Some(mut part) = entity.get_mut::<C>() {
        part.set_if_neq(value);
    }
}
