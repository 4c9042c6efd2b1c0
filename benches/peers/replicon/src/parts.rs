//! The arena's components on bevy_replicon, one for each field: floats as they are, or integers quantised by hand. How they are replicated is not here.

use bevy::ecs::component::Mutable;
use bevy::prelude::*;
use bevy_replicon::prelude::*;
use serde::{Deserialize, Serialize};
use tickwire_peers_common::{Image, Quantised, exact};
use tickwire_workload::Entity as Truth;

/// The components of an entity of the arena.
pub trait Parts: 'static {
    fn register(app: &mut App);
    fn of(truth: &Truth) -> impl Bundle;
    /// Only what differs is written: change detection decides what is sent.
    fn update(entity: &mut EntityWorldMut, truth: &Truth);
    fn images(world: &mut World) -> Vec<Image>;
}

/// Floats as they are.
pub struct Floats;

/// Integers, as the arena's description quantises.
pub struct Ints;

macro_rules! component {
    ($($name:ident($kind:ty)),*) => {$(
        #[derive(Component, Serialize, Deserialize, Clone, Copy, PartialEq)]
        struct $name($kind);
    )*};
}

component! {
    Pos([f32; 2]), Vel([f32; 2]), Rot(f32),
    SmallPos([u16; 2]), SmallVel([i16; 2]), SmallRot(u8),
    Health(u8), Team(u8), Kind(u8)
}

impl Parts for Floats {
    fn register(app: &mut App) {
        app.replicate::<Pos>().replicate::<Vel>().replicate::<Rot>();
        rest(app);
    }

    fn of(it: &Truth) -> impl Bundle {
        let looks = (Health(it.health), Team(it.team), Kind(it.kind));
        (Pos(it.pos), Vel(it.vel), Rot(it.rot), looks)
    }

    fn update(entity: &mut EntityWorldMut, it: &Truth) {
        set(entity, Pos(it.pos));
        set(entity, Vel(it.vel));
        set(entity, Rot(it.rot));
        set(entity, Health(it.health));
    }

    fn images(world: &mut World) -> Vec<Image> {
        let mut all = world.query::<(&Pos, &Vel, &Rot, &Health, &Team, &Kind)>();
        let truth =
            |(pos, vel, rot, health, team, kind): (&Pos, &Vel, &Rot, &Health, &Team, &Kind)| {
                Truth {
                    id: 0,
                    pos: pos.0,
                    vel: vel.0,
                    rot: rot.0,
                    health: health.0,
                    team: team.0,
                    kind: kind.0,
                }
            };
        all.iter(world).map(|parts| exact(&truth(parts))).collect()
    }
}

impl Parts for Ints {
    fn register(app: &mut App) {
        app.replicate::<SmallPos>()
            .replicate::<SmallVel>()
            .replicate::<SmallRot>();
        rest(app);
    }

    fn of(it: &Truth) -> impl Bundle {
        let it = Quantised::of(it);
        let looks = (Health(it.health), Team(it.team), Kind(it.kind));
        (SmallPos(it.pos), SmallVel(it.vel), SmallRot(it.rot), looks)
    }

    fn update(entity: &mut EntityWorldMut, it: &Truth) {
        let it = Quantised::of(it);
        set(entity, SmallPos(it.pos));
        set(entity, SmallVel(it.vel));
        set(entity, SmallRot(it.rot));
        set(entity, Health(it.health));
    }

    fn images(world: &mut World) -> Vec<Image> {
        let mut all = world.query::<(&SmallPos, &SmallVel, &SmallRot, &Health, &Team, &Kind)>();
        let small = |(pos, vel, rot, health, team, kind): (
            &SmallPos,
            &SmallVel,
            &SmallRot,
            &Health,
            &Team,
            &Kind,
        )| Quantised {
            pos: pos.0,
            vel: vel.0,
            rot: rot.0,
            health: health.0,
            team: team.0,
            kind: kind.0,
        };
        all.iter(world).map(|parts| small(parts).image()).collect()
    }
}

fn rest(app: &mut App) {
    app.replicate::<Health>()
        .replicate::<Team>()
        .replicate::<Kind>();
}

fn set<C: Component<Mutability = Mutable> + PartialEq>(entity: &mut EntityWorldMut, value: C) {
    if let Some(mut part) = entity.get_mut::<C>() {
        part.set_if_neq(value);
    }
}
