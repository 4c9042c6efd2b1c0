//! Chance that can be repeated: a hash of the room's seed, the tick, an entity and a salt. Nothing here has a state.

use bevy_ecs::resource::Resource;
use bevy_ecs::system::{Res, SystemParam};

use crate::ids::NetEntity;
use crate::time::CurrentTick;

/// The seed of the room's chance. No viewer ever learns it.
#[derive(Resource, Clone, Copy, Debug)]
pub(crate) struct Seed(pub u64);

/// Chance as a system parameter: the same on every machine, after a restore, and in whatever order entities are visited.
///
/// What is drawn depends on the seed, the tick, the entity and the salt alone. So one that draws twice in a tick for one
/// entity needs two salts, and asking again gives the same answer. [`NetEntity::ROOM`] stands for no entity at all.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_sim::prelude::*;
///
/// /// A die for everybody, every tick.
/// fn roll(dice: Query<&NetEntity>, chance: Chance) {
///     for net in &dice {
///         let face = 1 + chance.below(net, 0, 6);
///         assert!((1..=6).contains(&face));
///     }
/// }
/// # let kind = tickwire_sim::GameKind::new("dice", |game: &mut Game| { game.systems(roll); });
/// # tickwire_sim::Simulation::new(&kind, Default::default()).step();
/// ```
#[derive(SystemParam)]
pub struct Chance<'w> {
    seed: Res<'w, Seed>,
    now: Res<'w, CurrentTick>,
}

impl Chance<'_> {
    /// 64 bits of chance.
    #[must_use]
    pub fn bits(&self, entity: &NetEntity, salt: u32) -> u64 {
        draw(self.seed.0, self.now.tick().0, entity, salt)
    }

    /// A number below `n`, each as likely as the other; 0 if `n` is 0.
    #[must_use]
    pub fn below(&self, entity: &NetEntity, salt: u32, n: u32) -> u32 {
        // The high half of a product: no division, and a bias below n / 2^32.
        (((self.bits(entity, salt) >> 32) * u64::from(n)) >> 32) as u32
    }

    /// A number in `0.0..1.0`.
    #[must_use]
    pub fn unit(&self, entity: &NetEntity, salt: u32) -> f32 {
        // 24 bits: every value is exact, and 1.0 is never reached by rounding.
        (self.bits(entity, salt) >> 40) as f32 / (1 << 24) as f32
    }

    /// A number from `low` up to, but without, `high`.
    #[must_use]
    pub fn between(&self, entity: &NetEntity, salt: u32, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit(entity, salt)
    }

    /// True one time in `n`; never if `n` is 0.
    #[must_use]
    pub fn one_in(&self, entity: &NetEntity, salt: u32, n: u32) -> bool {
        n > 0 && self.below(entity, salt, n) == 0
    }
}

fn draw(seed: u64, tick: u32, entity: &NetEntity, salt: u32) -> u64 {
    let id = entity.id();
    let who = u64::from(id.slot) << 16 | u64::from(id.generation);
    let when = u64::from(tick) << 32 | u64::from(salt);
    mix(mix(mix(seed) ^ who) ^ when)
}

/// One step of splitmix64: a bijection that leaves no pattern of its input.
fn mix(state: u64) -> u64 {
    let mut x = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_matters() {
        let room = NetEntity::ROOM;
        let base = draw(1, 2, &room, 3);
        assert_eq!(base, draw(1, 2, &room, 3));
        for other in [
            draw(2, 2, &room, 3),
            draw(1, 3, &room, 3),
            draw(1, 2, &room, 4),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn faces_of_a_die_are_equally_likely() {
        let mut faces = [0_u32; 6];
        for tick in 0..60_000 {
            let roll = ((draw(7, tick, &NetEntity::ROOM, 0) >> 32) * 6) >> 32;
            faces[roll as usize] += 1;
        }
        for count in faces {
            assert!((9_600..10_400).contains(&count), "{faces:?}");
        }
    }

    /// Frozen: a change of the hash would make every saved room and replay go another way.
    #[test]
    fn the_bits_are_frozen() {
        assert_eq!(draw(0, 0, &NetEntity::ROOM, 0), mix(mix(mix(0))));
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
    }
}
