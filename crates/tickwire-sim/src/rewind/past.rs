//! The past as one player saw it, to be asked by rays and shapes; the game judges what it is told.

use std::any::TypeId;

use bevy_ecs::component::Component;
use bevy_ecs::entity::Entity;
use tickwire_proto::Moment;

use super::Rewind;
use super::hitbox::{Hitbox, along, direction, wide};
use super::track::{Look, Track};
use crate::ids::NetEntity;

/// The past as a player saw it. What a query finds is in order: the nearest first.
///
/// A moment is between two updates and so are those who moved: there is nobody here where their picture did not show them, but for the
/// player's own, which a client shows as it will be: leave it out.
#[derive(Clone, Copy, Debug)]
pub struct Past<'a> {
    rewind: &'a Rewind,
    look: Look,
    /// Sixteenths of a tick.
    behind: u64,
    only: Option<TypeId>,
}

/// Somebody who was hit in the past.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Who. It has the component now, too.
    pub entity: Entity,
    /// The room's name of them: what to go by where order matters.
    pub net: NetEntity,
    /// From where the ray began to where it touched; of a shape: from its middle to theirs.
    pub distance: f32,
    /// Where the ray touched; of a shape: their middle.
    pub point: [f32; 3],
    /// As the player saw them.
    pub hitbox: Hitbox,
    /// As they are now; `None`: they cannot be hit any more.
    pub now: Option<Hitbox>,
    pub(super) parts: u64,
}

impl Hit {
    /// By how many ticks what the player saw is older than the truth.
    #[must_use]
    pub fn behind(&self) -> f32 {
        Moment::from_parts(self.parts).ticks() as f32
    }

    /// How far they have gone since.
    #[must_use]
    pub fn moved(&self) -> f32 {
        let now = self.now.as_ref();
        now.map_or(0.0, |now| now.away(self.hitbox.centre()))
    }
}

impl<'a> Past<'a> {
    pub(super) fn new(rewind: &'a Rewind, look: Look, behind: u64) -> Self {
        Self {
            rewind,
            look,
            behind,
            only: None,
        }
    }

    /// By how many ticks it is older than the present.
    #[must_use]
    pub fn behind(&self) -> f32 {
        Moment::from_parts(self.behind).ticks() as f32
    }

    /// The same of those alone who are [rewindable](crate::Game::rewindable) by this component.
    #[must_use]
    pub fn only<C: Component>(mut self) -> Self {
        self.only = Some(TypeId::of::<C>());
        self
    }

    /// Who a ray touches: from a point, into a direction of any length, so far.
    #[must_use]
    pub fn ray(&self, from: (f32, f32), towards: (f32, f32), length: f32) -> Vec<Hit> {
        self.ray_3d((from.0, from.1, 0.0), (towards.0, towards.1, 0.0), length)
    }

    /// The same in three dimensions.
    #[must_use]
    pub fn ray_3d(&self, from: (f32, f32, f32), towards: (f32, f32, f32), length: f32) -> Vec<Hit> {
        let from = wide([from.0, from.1, from.2]);
        let Some(towards) = direction(wide([towards.0, towards.1, towards.2])) else {
            return Vec::new();
        };
        self.find(|hitbox| {
            let distance = hitbox.ray(from, towards)?;
            (distance <= f64::from(length))
                .then(|| (distance as f32, along(from, towards, distance)))
        })
    }

    /// Who touches a shape.
    #[must_use]
    pub fn overlap(&self, shape: &Hitbox) -> Vec<Hit> {
        self.find(|hitbox| {
            let touches = hitbox.overlaps(shape);
            touches.then(|| (hitbox.away(shape.centre()), hitbox.centre()))
        })
    }

    /// Where somebody was, by the first of their components that can be hit. `None`: not there, or not to be hit.
    #[must_use]
    pub fn hitbox(&self, entity: Entity) -> Option<Hitbox> {
        let mut tracks = self.tracks().filter(|track| track.entity == entity);
        tracks.find_map(|track| track.at(self.look, self.rewind.jump))
    }

    fn tracks(&self) -> impl Iterator<Item = &'a Track> {
        let only = self.only;
        let kinds = self.rewind.kinds.iter();
        let kinds = kinds.filter(move |kind| only.is_none_or(|only| only == kind.component));
        kinds.flat_map(|kind| &kind.tracks.list)
    }

    fn find(&self, touch: impl Fn(&Hitbox) -> Option<(f32, [f32; 3])>) -> Vec<Hit> {
        let mut found: Vec<Hit> = Vec::new();
        for track in self.tracks() {
            let Some(hitbox) = track.at(self.look, self.rewind.jump) else {
                continue;
            };
            if let Some((distance, point)) = touch(&hitbox) {
                found.push(Hit {
                    entity: track.entity,
                    net: NetEntity::of(track.id),
                    distance,
                    point,
                    hitbox,
                    now: track.now,
                    parts: self.behind,
                });
            }
        }
        // Stable: of the components of one entity the one that was registered first.
        found.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.net.cmp(&b.net)));
        found
    }
}
