//! Who is who: the room's number of every entity, its slot in the area that all may see, and which slots changed. Not what they hold.
//!
//! Two numbers, since the wire must not count what a viewer may not see. The room's [`NetId`] names an entity from its first
//! registered component to its end, and stays inside the simulation. The area's slot exists while the entity has a component that
//! everybody may see. Both are given in the order of spawning, by hooks, so that they are the same wherever the same game runs.

use bevy_ecs::archetype::Archetype;
use bevy_ecs::component::{Component, ComponentCloneBehavior, ComponentId, Mutable, StorageType};
use bevy_ecs::entity::Entity;
use bevy_ecs::lifecycle::{ComponentHook, HookContext};
use bevy_ecs::resource::Resource;
use bevy_ecs::world::DeferredWorld;
use tickwire_proto::Tick;
use tickwire_snapshot::{Area, NetId, SlotAllocator};

use crate::refs::UNSEEN_ID;

/// The room's name of an entity: equal after a restore and on every machine, unlike bevy's `Entity`.
///
/// Every entity with a registered component has one by itself. Its order is the order to visit entities in where order matters:
///
/// ```
/// # use bevy_ecs::prelude::*;
/// # use tickwire_sim::prelude::*;
/// # #[derive(Component)] struct Health(i32);
/// fn first_come_first_served(mut all: Query<(&NetEntity, &mut Health)>) {
///     for (_, mut health) in all.iter_mut().sort::<&NetEntity>() {
///         health.0 -= 1;
///     }
/// }
/// # bevy_ecs::system::assert_is_system(first_come_first_served);
/// ```
///
/// Without `sort`, a query's order depends on the history of the world: a restored room would go another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetEntity {
    id: NetId,
}

impl NetEntity {
    /// Stands for the room itself, or for no entity.
    pub const ROOM: Self = Self {
        id: NetId {
            slot: 0,
            generation: 0,
        },
    };

    pub(crate) fn of(id: NetId) -> Self {
        Self { id }
    }

    /// Slot and generation. A slot of 0 means that the room was full when the entity was spawned: nobody sees it.
    #[must_use]
    pub fn id(&self) -> NetId {
        self.id
    }
}

// By hand, since its hooks keep `Ids`.
impl Component for NetEntity {
    const STORAGE_TYPE: StorageType = StorageType::Table;
    type Mutability = Mutable;

    fn on_add() -> Option<ComponentHook> {
        Some(appeared)
    }

    fn on_remove() -> Option<ComponentHook> {
        Some(vanished)
    }

    /// A cloned entity is another one: it gets a name of its own.
    fn clone_behavior() -> ComponentCloneBehavior {
        ComponentCloneBehavior::Ignore
    }
}

/// An entity of the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub entity: Entity,
    pub generation: u16,
    /// Its place in the area that all may see.
    pub area: Option<NetId>,
    /// How many of its components everybody may see.
    shown: u16,
}

/// The book of names. A resource, so that hooks reach it.
#[derive(Resource)]
pub(crate) struct Ids {
    pub room: SlotAllocator,
    pub area: SlotAllocator,
    now: Tick,
    known: Vec<Option<Known>>,
    /// The room's slot of whoever is in a slot of the area.
    shown: Vec<Option<NetId>>,
    touched: Touched,
    /// Components that put an entity into the area.
    visible: Vec<bool>,
    /// Entities that found no slot.
    pub refused: u64,
}

impl Ids {
    pub(crate) fn new() -> Self {
        Self {
            room: SlotAllocator::default(),
            area: SlotAllocator::default(),
            now: Tick(0),
            known: Vec::new(),
            shown: Vec::new(),
            touched: Touched::default(),
            visible: Vec::new(),
            refused: 0,
        }
    }

    /// Entities that have this component are seen by all.
    pub(crate) fn make_visible(&mut self, component: ComponentId) {
        *entry(&mut self.visible, component.index()) = true;
    }

    pub(crate) fn set_now(&mut self, now: Tick) {
        self.now = now;
    }

    /// Everybody in the room, in the order of their names.
    pub(crate) fn all(&self) -> impl Iterator<Item = (NetId, &Known)> {
        self.known.iter().enumerate().filter_map(|(slot, known)| {
            let known = known.as_ref()?;
            Some((net_id(slot, known.generation), known))
        })
    }

    pub(crate) fn get(&self, id: NetId) -> Option<&Known> {
        let known = self.known.get(id.slot as usize)?.as_ref()?;
        (known.generation == id.generation).then_some(known)
    }

    /// Who is in a slot of the room.
    pub(crate) fn in_room(&self, slot: u32) -> Option<&Known> {
        self.known.get(slot as usize)?.as_ref()
    }

    /// Who is in a slot of the area, and with which generation.
    pub(crate) fn in_area(&self, slot: u32) -> Option<(NetId, &Known)> {
        let id = (*self.shown.get(slot as usize)?)?;
        let known = self.get(id)?;
        Some((known.area?, known))
    }

    /// The entity that the area calls `id`.
    pub(crate) fn seen(&self, id: NetId) -> Option<Entity> {
        let (now, known) = self.in_area(id.slot)?;
        (now == id).then_some(known.entity)
    }

    /// What the area calls somebody of the room.
    pub(crate) fn place(&self, id: NetId) -> Option<NetId> {
        Some(self.get(id)?.area.unwrap_or(UNSEEN_ID))
    }

    /// The area's slots whose entities came, went or lost a component since the last call, in order.
    pub(crate) fn take_touched(&mut self) -> Vec<u32> {
        self.touched.take()
    }

    fn visible_in(&self, archetype: &Archetype) -> u16 {
        let shown = |id: &&ComponentId| self.visible.get(id.index()).copied().unwrap_or(false);
        archetype.components().iter().filter(shown).count() as u16
    }

    fn show(&mut self, id: NetId) {
        let Some(place) = self.area.allocate(self.now) else {
            self.refused += 1;
            return;
        };
        *entry(&mut self.shown, place.slot as usize) = Some(id);
        if let Some(Some(known)) = self.known.get_mut(id.slot as usize) {
            known.area = Some(place);
        }
        self.touched.touch(place.slot);
    }

    fn hide(&mut self, place: NetId) {
        self.shown[place.slot as usize] = None;
        self.area.release(place, self.now);
        self.touched.touch(place.slot);
    }

    /// Puts an entity back where a capture says it was.
    pub(crate) fn put_back(&mut self, id: NetId, known: Known) {
        *entry(&mut self.known, id.slot as usize) = Some(known);
        if let Some(place) = known.area {
            *entry(&mut self.shown, place.slot as usize) = Some(id);
        }
    }

    /// Has the next capture compare all of an area with the world: after a restore nobody knows what had changed since it was published.
    pub(crate) fn touch_all(&mut self, published: Option<&Area>) {
        let gone = published.into_iter().flat_map(Area::entities);
        gone.for_each(|id| self.touched.touch(id.slot));
        let here = self.known.iter().flatten().filter_map(|known| known.area);
        here.for_each(|id| self.touched.touch(id.slot));
    }

    /// Forgets everybody, and keeps which components are visible.
    pub(crate) fn clear(&mut self) {
        let visible = std::mem::take(&mut self.visible);
        *self = Self {
            visible,
            ..Self::new()
        };
    }
}

impl Known {
    pub(crate) fn new(entity: Entity, generation: u16, area: Option<NetId>, shown: u16) -> Self {
        Self {
            entity,
            generation,
            area,
            shown,
        }
    }

    pub(crate) fn shown(&self) -> u16 {
        self.shown
    }
}

pub(crate) fn net_id(slot: usize, generation: u16) -> NetId {
    NetId {
        slot: slot as u32, // at most ENTITIES_MAX
        generation,
    }
}

fn entry<T: Default>(table: &mut Vec<T>, index: usize) -> &mut T {
    if table.len() <= index {
        table.resize_with(index + 1, T::default);
    }
    &mut table[index]
}

/// A set of slots: as large as the room can be, however long nobody asks for it.
#[derive(Default)]
struct Touched {
    bits: Vec<u64>,
    slots: Vec<u32>,
}

impl Touched {
    fn touch(&mut self, slot: u32) {
        let word = entry(&mut self.bits, slot as usize / 64);
        let bit = 1 << (slot % 64);
        if *word & bit == 0 {
            *word |= bit;
            self.slots.push(slot);
        }
    }

    fn take(&mut self) -> Vec<u32> {
        let mut slots = std::mem::take(&mut self.slots);
        slots.sort_unstable();
        for slot in &slots {
            self.bits[*slot as usize / 64] = 0;
        }
        slots
    }
}

/// Hook: the entity has a registered component now, and gets a name unless a restore gave it one.
fn appeared(mut world: DeferredWorld, context: HookContext) {
    let entity = context.entity;
    let unnamed = world.get::<NetEntity>(entity) == Some(&NetEntity::ROOM);
    let Some(mut ids) = world.get_resource_mut::<Ids>() else {
        return;
    };
    if !unnamed {
        return;
    }
    let now = ids.now;
    let Some(id) = ids.room.allocate(now) else {
        ids.refused += 1;
        return;
    };
    let known = Known::new(entity, id.generation, None, 0);
    *entry(&mut ids.known, id.slot as usize) = Some(known);
    if let Some(mut net) = world.get_mut::<NetEntity>(entity) {
        *net = NetEntity::of(id);
    }
    came_into_sight(world, context);
}

/// Hook of every component that all may see: the entity is in the area now.
pub(crate) fn came_into_sight(mut world: DeferredWorld, context: HookContext) {
    let Some((id, shown)) = named(&world, context.entity) else {
        return;
    };
    let mut ids = world.resource_mut::<Ids>();
    let Some(Some(known)) = ids.known.get_mut(id.slot as usize) else {
        return;
    };
    known.shown = shown;
    if shown > 0 && known.area.is_none() {
        ids.show(id);
    }
}

/// Hook of every component that all may see: it goes, and with the last of them the entity leaves the area.
pub(crate) fn went_out_of_sight(mut world: DeferredWorld, context: HookContext) {
    let Some((id, _)) = named(&world, context.entity) else {
        return;
    };
    let mut ids = world.resource_mut::<Ids>();
    let Some(Some(known)) = ids.known.get_mut(id.slot as usize) else {
        return;
    };
    known.shown = known.shown.saturating_sub(1);
    match known.area {
        Some(place) if known.shown == 0 => {
            known.area = None;
            ids.hide(place);
        }
        Some(place) => ids.touched.touch(place.slot),
        None => {}
    }
}

/// Hook: the entity is despawned, or gave up its name.
fn vanished(mut world: DeferredWorld, context: HookContext) {
    let Some((id, _)) = named(&world, context.entity) else {
        return;
    };
    let mut ids = world.resource_mut::<Ids>();
    if let Some(place) = ids.known[id.slot as usize]
        .take()
        .and_then(|known| known.area)
    {
        ids.hide(place);
    }
    let now = ids.now;
    ids.room.release(id, now);
}

/// The entity's name, if the book knows it, and how many of its components all may see.
fn named(world: &DeferredWorld, entity: Entity) -> Option<(NetId, u16)> {
    let ids = world.get_resource::<Ids>()?;
    let id = world.get::<NetEntity>(entity)?.id;
    let known = ids.get(id)?;
    let entity_ref = world.get_entity(entity).ok()?;
    (known.entity == entity).then(|| (id, ids.visible_in(entity_ref.archetype())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touched_slots_come_once_and_in_order() {
        let mut touched = Touched::default();
        for slot in [70, 3, 70, 0, 3] {
            touched.touch(slot);
        }
        assert_eq!(touched.take(), [0, 3, 70]);
        assert!(touched.take().is_empty());
        touched.touch(3);
        assert_eq!(touched.take(), [3]);
    }
}
