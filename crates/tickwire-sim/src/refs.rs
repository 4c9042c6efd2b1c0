//! What a reference to an entity becomes outside of the world: in the area that all may see, and in an exact capture.

use std::cell::RefCell;

use bevy_ecs::entity::Entity;
use bevy_ecs::world::World;
use tickwire_snapshot::NetId;
use tickwire_snapshot::quant::UNSEEN;
use tickwire_snapshot::record::Refs;

use crate::ids::{Ids, NetEntity, net_id};

/// What [`Refs`] of an area answer for an entity that lives, and that the area's viewers may not see.
pub(crate) const UNSEEN_ID: NetId = NetId {
    slot: (UNSEEN - 1) as u32, // one past the last slot
    generation: 0,
};

/// References as an area writes them: to what is in it. Whoever sees it need not see another.
pub(crate) struct AreaRefs<'a> {
    pub world: &'a World,
    pub ids: &'a Ids,
    /// Its place in the book of names.
    pub area: usize,
}

impl Refs for AreaRefs<'_> {
    fn to_net(&self, entity_bits: u64) -> Option<NetId> {
        let entity = Entity::try_from_bits(entity_bits)?;
        let id = self.world.get::<NetEntity>(entity)?.id();
        self.ids.name_in(self.area, id)
    }

    fn to_entity(&self, id: NetId) -> Option<u64> {
        self.ids.seen(self.area, id).map(Entity::to_bits)
    }
}

/// From here on a number stands for an entity that is gone: two references to it are still equal, after a restore too.
const GONE: u32 = 1 << 31;

/// References as an exact capture writes them: everybody in the room, and those who are gone by the order of their mention.
pub(crate) struct ExactRefs<'a> {
    world: &'a World,
    ids: &'a Ids,
    gone: RefCell<Vec<u64>>,
}

impl<'a> ExactRefs<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        Self {
            world,
            ids: world.resource::<Ids>(),
            // The one that is gone everywhere has a number of its own.
            gone: RefCell::new(vec![Entity::PLACEHOLDER.to_bits()]),
        }
    }

    /// How many are mentioned that are gone.
    pub(crate) fn gone(&self) -> usize {
        self.gone.borrow().len() - 1
    }
}

impl Refs for ExactRefs<'_> {
    fn to_net(&self, entity_bits: u64) -> Option<NetId> {
        let entity = Entity::try_from_bits(entity_bits)?;
        let net = self.world.get::<NetEntity>(entity);
        if let Some(id) = net
            .map(NetEntity::id)
            .filter(|id| self.ids.get(*id).is_some())
        {
            return Some(id);
        }
        let mut gone = self.gone.borrow_mut();
        let known = gone.iter().position(|&bits| bits == entity_bits);
        let index = known.unwrap_or_else(|| {
            gone.push(entity_bits);
            gone.len() - 1
        });
        Some(net_id(GONE as usize + index, 0))
    }

    fn to_entity(&self, _: NetId) -> Option<u64> {
        None // it is for writing only
    }
}

/// References as a restore reads them.
pub(crate) struct RestoreRefs<'a> {
    pub ids: &'a Ids,
    /// Handles of nobody, one for each who was gone.
    pub gone: &'a [Entity],
}

impl Refs for RestoreRefs<'_> {
    fn to_net(&self, _: u64) -> Option<NetId> {
        None // it is for reading only
    }

    fn to_entity(&self, id: NetId) -> Option<u64> {
        let entity = match id.slot.checked_sub(GONE) {
            Some(0) => Entity::PLACEHOLDER,
            Some(index) => *self.gone.get(index as usize - 1)?,
            None => self.ids.get(id)?.entity,
        };
        Some(entity.to_bits())
    }
}
