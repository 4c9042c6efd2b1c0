//! Who is who: the room's number of every entity, its slot in the area that all may see, and which slots changed. Not what they hold.
//!
//! Two numbers, since the wire must not count what a viewer may not see. The room's [`NetId`] names an entity from its first
//! registered component to its end, and stays inside the simulation. The area's slot exists while the entity has a component that
//! everybody may see. Both are given in the order of spawning, by hooks, so that they are the same wherever the same game runs; in
//! a room that is divided into areas the slots are given by the capture, in the order of the room's names.

use std::collections::BTreeMap;

use bevy_ecs::archetype::Archetype;
use bevy_ecs::component::{Component, ComponentCloneBehavior, ComponentId, Mutable, StorageType};
use bevy_ecs::entity::Entity;
use bevy_ecs::lifecycle::{ComponentHook, HookContext};
use bevy_ecs::resource::Resource;
use bevy_ecs::world::DeferredWorld;
use tickwire_proto::Tick;
use tickwire_snapshot::{Area, AreaId, HISTORY_MAX, NetId, SlotAllocator};

use crate::refs::UNSEEN_ID;

/// Entities of a room at most: an area holds fewer.
pub const ROOM_ENTITIES_MAX: usize = 1 << 20;
/// On a client: names from here on are given by itself. Below are those of the area that all see.
const LOCAL_FIRST: u32 = 1 << 16;
/// The place in the book of the area that all see.
pub(crate) const ALL: usize = 0;

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
    /// Where viewers see it.
    pub place: Option<Place>,
    /// How many of its components everybody may see.
    shown: u16,
}

/// A slot of an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The area's place in the book.
    pub area: usize,
    pub id: NetId,
}

/// Who is who in one area.
pub(crate) struct AreaBook {
    pub id: AreaId,
    pub slots: SlotAllocator,
    /// The room's name of whoever is in a slot.
    shown: Vec<Option<NetId>>,
    touched: Touched,
}

impl AreaBook {
    fn new(id: AreaId) -> Self {
        Self {
            id,
            slots: SlotAllocator::default(),
            shown: Vec::new(),
            touched: Touched::default(),
        }
    }
}

/// The book of names. A resource, so that hooks reach it.
#[derive(Resource)]
pub(crate) struct Ids {
    pub room: SlotAllocator,
    /// The first one is that which all see.
    areas: Vec<AreaBook>,
    /// The place in the book of each area.
    by_id: BTreeMap<AreaId, usize>,
    /// Areas with slots that were touched.
    touched: Touched,
    /// Whether there are several areas, so that captures say who is in which.
    divided: bool,
    /// Whether it is a client's book, in which the server says who is where.
    mirrored: bool,
    /// Who may be in no area yet, or in a wrong one.
    unsettled: Vec<NetId>,
    now: Tick,
    known: Vec<Option<Known>>,
    /// Components that put an entity into the area.
    visible: Vec<bool>,
    /// Entities that found no slot.
    pub refused: u64,
}

impl Ids {
    pub(crate) fn new() -> Self {
        Self {
            room: SlotAllocator::with_max(HISTORY_MAX as u32, ROOM_ENTITIES_MAX),
            areas: vec![AreaBook::new(AreaId::ALL)],
            by_id: BTreeMap::from([(AreaId::ALL, ALL)]),
            touched: Touched::default(),
            divided: false,
            mirrored: false,
            unsettled: Vec::new(),
            now: Tick(0),
            known: Vec::new(),
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

    /// Several areas from now on.
    pub(crate) fn divide(&mut self) {
        self.divided = true;
    }

    /// From now on the server says who is where, and whoever is of this side alone has a name behind all of its.
    pub(crate) fn mirror(&mut self) {
        self.mirrored = true;
        self.divided = true; // no area gives slots of its own
        self.room = SlotAllocator::with_max(0, ROOM_ENTITIES_MAX);
        for _ in 0..=LOCAL_FIRST {
            self.room.allocate(Tick(0));
        }
    }

    /// Gives somebody the name and the place that the server says. The world's own hooks do not see it.
    pub(crate) fn place_as(&mut self, entity: Entity, area: AreaId, id: NetId) -> NetEntity {
        let at = self.open(area);
        // The order of the area that all see is the order of the wire. Elsewhere it is the order of coming.
        let name = match area {
            AreaId::ALL => Some(id),
            _ => self.room.allocate(self.now),
        };
        let name = name.unwrap_or(id);
        let place = Place { area: at, id };
        let known = Known::new(entity, name.generation, Some(place), 0);
        *entry(&mut self.known, name.slot as usize) = Some(known);
        *entry(&mut self.areas[at].shown, id.slot as usize) = Some(name);
        NetEntity::of(name)
    }

    /// Somebody of this side turns out to be whom the server calls so. They keep their name.
    pub(crate) fn found_at(&mut self, name: NetId, area: AreaId, id: NetId) {
        let at = self.open(area);
        if let Some(Some(known)) = self.known.get_mut(name.slot as usize) {
            known.place = Some(Place { area: at, id });
            *entry(&mut self.areas[at].shown, id.slot as usize) = Some(name);
        }
    }

    /// Those who are of this side alone, in the order of their names.
    pub(crate) fn locals(&self) -> impl Iterator<Item = (NetId, Entity)> {
        let first = LOCAL_FIRST as usize;
        let known = self.known.iter().enumerate().skip(first);
        known.filter_map(|(slot, known)| {
            let known = known.as_ref().filter(|known| known.place.is_none())?;
            Some((net_id(slot, known.generation), known.entity))
        })
    }

    /// Whether there are several areas.
    pub(crate) fn is_divided(&self) -> bool {
        self.divided
    }

    /// All areas that there are, by their place in the book.
    pub(crate) fn areas(&self) -> &[AreaBook] {
        &self.areas
    }

    /// The place in the book of an area, which is there from now on.
    pub(crate) fn open(&mut self, id: AreaId) -> usize {
        let next = self.areas.len();
        let at = *self.by_id.entry(id).or_insert(next);
        if at == next {
            self.areas.push(AreaBook::new(id));
        }
        at
    }

    /// The place in the book of an area that there is.
    pub(crate) fn find(&self, id: AreaId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// Who is in a slot of an area, and with which generation.
    pub(crate) fn in_area(&self, area: usize, slot: u32) -> Option<(NetId, &Known)> {
        let id = (*self.areas.get(area)?.shown.get(slot as usize)?)?;
        let known = self.get(id)?;
        Some((known.place?.id, known))
    }

    /// The entity that an area calls `id`.
    pub(crate) fn seen(&self, area: usize, id: NetId) -> Option<Entity> {
        let (now, known) = self.in_area(area, id.slot)?;
        (now == id).then_some(known.entity)
    }

    /// What an area calls somebody of the room.
    pub(crate) fn name_in(&self, area: usize, id: NetId) -> Option<NetId> {
        let place = self.get(id)?.place.filter(|place| place.area == area);
        Some(place.map_or(UNSEEN_ID, |place| place.id))
    }

    /// The area that somebody is in.
    pub(crate) fn area_of(&self, id: NetId) -> Option<AreaId> {
        Some(self.areas[self.get(id)?.place?.area].id)
    }

    /// The next area of which slots changed since they were taken, and these, in order: their entities came, went or lost a component.
    pub(crate) fn take_touched(&mut self) -> Vec<(usize, Vec<u32>)> {
        let areas = self.touched.take();
        let slots = areas.into_iter().map(|area| {
            let area = area as usize;
            (area, self.areas[area].touched.take())
        });
        slots.collect()
    }

    /// Who may be in no area yet, or in a wrong one.
    pub(crate) fn take_unsettled(&mut self) -> Vec<NetId> {
        std::mem::take(&mut self.unsettled)
    }

    /// Puts somebody into another area, or into their first: where they are now, and where they were.
    pub(crate) fn move_to(&mut self, id: NetId, area: AreaId) -> Option<(Place, Option<Place>)> {
        let was = self.get(id)?.place;
        if let Some(place) = was {
            self.hide(place);
        }
        if let Some(Some(known)) = self.known.get_mut(id.slot as usize) {
            known.place = None;
        }
        let area = self.open(area);
        self.show(id, area);
        Some((self.get(id)?.place?, was))
    }

    fn visible_in(&self, archetype: &Archetype) -> u16 {
        let shown = |id: &&ComponentId| self.visible.get(id.index()).copied().unwrap_or(false);
        archetype.components().iter().filter(shown).count() as u16
    }

    /// The next capture finds out where somebody is. As many wait as are in the room, however long there is none.
    fn unsettle(&mut self, id: NetId) {
        if !self.divided || self.mirrored {
            return;
        }
        if self.unsettled.len() > 2 * self.known.len() + 64 {
            self.unsettled.sort_unstable();
            self.unsettled.dedup();
            let mut all = std::mem::take(&mut self.unsettled);
            all.retain(|id| self.get(*id).is_some());
            self.unsettled = all;
        }
        self.unsettled.push(id);
    }

    fn show(&mut self, id: NetId, area: usize) {
        let book = &mut self.areas[area];
        let Some(slot) = book.slots.allocate(self.now) else {
            self.refused += 1;
            return;
        };
        *entry(&mut book.shown, slot.slot as usize) = Some(id);
        if let Some(Some(known)) = self.known.get_mut(id.slot as usize) {
            known.place = Some(Place { area, id: slot });
        }
        self.touch(area, slot.slot);
    }

    fn hide(&mut self, place: Place) {
        let book = &mut self.areas[place.area];
        book.shown[place.id.slot as usize] = None;
        if self.mirrored {
            return;
        }
        book.slots.release(place.id, self.now);
        self.touch(place.area, place.id.slot);
    }

    fn touch(&mut self, area: usize, slot: u32) {
        self.areas[area].touched.touch(slot);
        self.touched.touch(area as u32); // at most AREA_IDS_MAX
    }

    /// Puts an entity back where a capture says it was.
    pub(crate) fn put_back(&mut self, id: NetId, known: Known) {
        *entry(&mut self.known, id.slot as usize) = Some(known);
        match known.place {
            Some(place) => {
                let shown = &mut self.areas[place.area].shown;
                *entry(shown, place.id.slot as usize) = Some(id);
            }
            None => self.unsettle(id),
        }
    }

    /// Puts an area back with the slots that a capture says it had.
    pub(crate) fn put_back_area(&mut self, id: AreaId, slots: SlotAllocator) {
        let at = self.open(id);
        self.areas[at].slots = slots;
    }

    /// Has the next capture compare all of an area with the world: after a restore nobody knows what had changed since it was published.
    pub(crate) fn touch_all<'a>(&mut self, published: impl Iterator<Item = &'a Area>) {
        for area in published {
            let at = self.open(area.id());
            area.entities().for_each(|id| self.touch(at, id.slot));
        }
        let places = self.known.iter().flatten().filter_map(|known| known.place);
        let places: Vec<Place> = places.collect();
        for place in places {
            self.touch(place.area, place.id.slot);
        }
    }

    /// Forgets everybody, and keeps which components are visible.
    pub(crate) fn clear(&mut self) {
        let visible = std::mem::take(&mut self.visible);
        *self = Self {
            visible,
            divided: self.divided,
            mirrored: self.mirrored,
            ..Self::new()
        };
    }
}

impl Known {
    pub(crate) fn new(entity: Entity, generation: u16, place: Option<Place>, shown: u16) -> Self {
        Self {
            entity,
            generation,
            place,
            shown,
        }
    }

    pub(crate) fn shown(&self) -> u16 {
        self.shown
    }
}

pub(crate) fn net_id(slot: usize, generation: u16) -> NetId {
    NetId {
        slot: slot as u32, // at most ROOM_ENTITIES_MAX
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
    if shown == 0 || known.place.is_some() {
        return;
    }
    match ids.divided {
        true => ids.unsettle(id), // where it is the capture finds out
        false => ids.show(id, ALL),
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
    match known.place {
        Some(place) if known.shown == 0 => {
            known.place = None;
            ids.hide(place);
        }
        Some(place) => {
            ids.touch(place.area, place.id.slot);
            if ids.divided {
                ids.unsettle(id); // it may have lost what says where it is
            }
        }
        None => {}
    }
}

/// The entity has another owner: it may be for somebody else.
pub(crate) fn changed_hands(world: &mut DeferredWorld, entity: Entity) {
    let Some(id) = world.get::<NetEntity>(entity).map(NetEntity::id) else {
        return;
    };
    if let Some(mut ids) = world.get_resource_mut::<Ids>()
        && ids.divided
    {
        ids.unsettle(id);
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
        .and_then(|known| known.place)
    {
        ids.hide(place);
    }
    if ids.mirrored && id.slot < LOCAL_FIRST {
        return; // the server's to give
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
