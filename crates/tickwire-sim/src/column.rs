//! One registered component or resource: how its changes reach the area, and how all of it reaches an exact capture. One function
//! compiled for each type, so that a capture is a loop over a column, not a look-up for every row.

mod beside;
mod mirror;

pub(crate) use beside::{AsksColumn, Singleton};
pub(crate) use mirror::Reflection;

use bevy_ecs::change_detection::{ContiguousRef, DetectChanges, Ref};
use bevy_ecs::component::{Component, ComponentId, StorageType};
use bevy_ecs::entity::Entity;
use bevy_ecs::lifecycle::ComponentHook;
use bevy_ecs::query::QueryState;
use bevy_ecs::world::World;
use tickwire_proto::wire::{Reader, Writer};
use tickwire_snapshot::page::{PAGE_ROWS, bits};
use tickwire_snapshot::record::{ReadError, Record, Refs};
use tickwire_snapshot::{Area, FieldSchema, OwnedRow, Predict, RecordSchema, Row, Scope};

use crate::capture::{Pass, Rows};
use crate::exact::{RestoreError, put_record, take_record};
use crate::game::GameError;
use crate::ids::{
    ALL, Ids, NetEntity, Place, ROOM_ENTITIES_MAX, came_into_sight, went_out_of_sight,
};
use crate::refs::{AreaRefs, ExactRefs, RestoreRefs};
use mirror::Past;

/// A registered type, without the type.
pub(crate) trait Column: Send + Sync {
    /// The whole record, all scopes. `None`: kept in exact captures only, beside what is registered.
    fn record(&self) -> Option<RecordSchema>;
    /// What errors call it.
    fn name(&self) -> String;
    /// The component that it keeps, once a world knows it.
    fn id(&self) -> Option<ComponentId>;
    /// Makes a world know it; `table`: where the area keeps it, if all may see it.
    fn setup(&mut self, world: &mut World, table: Option<usize>) -> Result<(), GameError>;
    /// Writes what changed since the tick that the world says into its areas.
    fn capture(&mut self, world: &World, pass: &mut Pass);
    /// Writes one row of an area again, though the game did not change it.
    fn look_again(&self, world: &World, area: usize, slot: u32, pass: &mut Pass);
    /// Whether the entity still has it. A resource: whether it is there.
    fn is_on(&self, world: &World, entity: Entity) -> bool;
    fn table(&self) -> Option<usize>;
    fn write_exact(&self, world: &World, out: &mut Writer, refs: &ExactRefs);
    /// `gone`: handles for references to entities that were gone.
    fn read_exact(
        &mut self,
        world: &mut World,
        input: &mut Reader,
        gone: &[Entity],
    ) -> Result<(), RestoreError>;
    /// After all columns were restored: takes away what others brought along (required components) and the capture did not hold.
    fn prune(&mut self, world: &mut World);
    /// Whether its owner may know of it.
    fn is_own(&self) -> bool {
        false
    }
    /// Appends what its owner may know of it; false: it has none.
    fn write_own(&self, _: &World, _: Entity, _: &dyn Refs, _: &mut Vec<u8>) -> bool {
        false
    }
    /// Takes that over from the front; `None`: it has none.
    fn read_own(
        &self,
        _: &mut World,
        _: Entity,
        _: Option<&mut &[u8]>,
        _: usize,
    ) -> Result<(), ReadError> {
        Ok(())
    }
    /// Takes rows of an area over.
    fn reflect(&self, _: &mut World, _: &Reflection<'_>) {}
    /// In a world that only shows a room: an entity (a resource: the world) has what the row says; `None`: it has it not.
    fn show(
        &self,
        _: &mut World,
        _: Entity,
        _: Option<&Row<'_>>,
        _: &dyn Refs,
    ) -> Result<(), ReadError> {
        Ok(())
    }
    /// Begins another frame of the past.
    fn keep(&mut self, _: &World, _: &[Entity]) {}
    /// Forgets so many of the oldest and of the newest frames.
    fn forget(&mut self, _oldest: usize, _newest: usize) {}
    /// Puts somebody's past back.
    fn put_back(&self, _: &mut World, _: (usize, usize), _: Entity) {}
    /// Appends what its owner may know of the past.
    fn write_past(&self, _: (usize, usize), _: &dyn Refs, _: &mut Vec<u8>) -> bool {
        false
    }
    /// A row of a record whose quantisers may be others.
    fn look(&self, _: &World, _: Entity, _: &RecordSchema) -> Option<OwnedRow> {
        None
    }
    /// Whether the past is what a row says, up to so many steps.
    fn is_near(&self, _: &World, _: (usize, usize), _: (&Area, u32), _steps: u32) -> bool {
        true
    }
}

/// A component of entities.
pub(crate) struct Components<C: Component + Record> {
    id: Option<ComponentId>,
    table: Option<usize>,
    /// Whether a field is moved by another.
    moves: bool,
    rows: Option<RowsOf<C>>,
    /// What happens when it is removed, beside whatever else.
    on_remove: ComponentHook,
    /// Whose it is after a restore, in order.
    restored: Vec<Entity>,
    /// Whether its owner may know of it.
    own: bool,
    past: Past<C>,
    /// Memory of frames that are forgotten.
    spare: Vec<Vec<Option<C>>>,
}

impl<C: Component + Record> Components<C> {
    pub(crate) fn new() -> Self {
        Self::with_hook(went_out_of_sight)
    }

    /// The same for a component that does more on its removal. The hook calls [`went_out_of_sight`].
    pub(crate) fn with_hook(on_remove: ComponentHook) -> Self {
        Self {
            id: None,
            table: None,
            moves: moves(&C::schema()),
            rows: None,
            on_remove,
            restored: Vec::new(),
            own: mirror::is_own(C::schema().scope),
            past: Past::new(),
            spare: Vec::new(),
        }
    }

    fn watch(&self, world: &mut World) -> Result<(), GameError> {
        let hooks = world.register_component_hooks::<C>();
        let free = hooks.try_on_add(came_into_sight).is_some()
            && hooks.try_on_remove(self.on_remove).is_some();
        if free {
            return Ok(());
        }
        let name = C::schema().name;
        Err(GameError::Misplaced(format!(
            "component {name} has an on_add or on_remove hook of its own, which replication needs: use an observer for yours"
        )))
    }
}

impl<C: Component + Record> Column for Components<C> {
    fn record(&self) -> Option<RecordSchema> {
        Some(C::schema())
    }

    fn name(&self) -> String {
        C::schema().name
    }

    fn id(&self) -> Option<ComponentId> {
        self.id
    }

    fn setup(&mut self, world: &mut World, table: Option<usize>) -> Result<(), GameError> {
        self.table = table;
        // A component may require it already; then there is nothing to add.
        let _ = world.try_register_required_components_with::<C, NetEntity>(|| NetEntity::ROOM);
        let id = world.register_component::<C>();
        self.id = Some(id);
        if table.is_some() {
            self.watch(world)?;
            world.resource_mut::<Ids>().make_visible(id);
            self.rows = Some(world.query());
        }
        Ok(())
    }

    fn capture(&mut self, world: &World, pass: &mut Pass) {
        let (Some(table), Some(query)) = (self.table, &mut self.rows) else {
            return;
        };
        let ids = world.resource::<Ids>();
        if ids.is_divided() {
            return capture_divided::<C>(world, query, (table, self.moves), pass);
        }
        let base = pass.base(ALL).clone();
        let Some(mut rows) = pass.rows(ALL, table) else {
            return;
        };
        let refs = AreaRefs {
            world,
            ids,
            area: ALL,
        };
        let mut visited = Visited::default();
        let scanned = each_changed(query, world, |net, value| {
            if let Some(place) = ids.get(net.id()).and_then(|known| known.place) {
                rows.set(place.id.slot, value, &refs);
                visited.note(place.id.slot);
            }
        });
        rows.stats.columns_scanned += scanned;
        if self.moves {
            move_on(query, &refs, &base, table, &visited, &mut rows);
        }
    }

    fn look_again(&self, world: &World, area: usize, slot: u32, pass: &mut Pass) {
        let Some(table) = self.table else { return };
        let ids = world.resource::<Ids>();
        let Some((_, known)) = ids.in_area(area, slot) else {
            return;
        };
        let entity = world.get_entity(known.entity).ok();
        // What the game changed is written anyway.
        if let Some(value) = entity.and_then(|entity| entity.get_ref::<C>())
            && !value.is_changed()
        {
            let refs = AreaRefs { world, ids, area };
            pass.set(area, table, slot, &*value, &refs);
        }
    }

    fn is_on(&self, world: &World, entity: Entity) -> bool {
        world.get::<C>(entity).is_some()
    }

    fn table(&self) -> Option<usize> {
        self.table
    }

    fn write_exact(&self, world: &World, out: &mut Writer, refs: &ExactRefs) {
        write_rows(world, out, |entity, out| {
            let value = world.get::<C>(entity)?;
            put_record(out, value, refs);
            Some(())
        });
    }

    fn read_exact(
        &mut self,
        world: &mut World,
        input: &mut Reader,
        gone: &[Entity],
    ) -> Result<(), RestoreError> {
        let rows = read_rows(world, input, gone, |input, refs| {
            take_record::<C>(input, refs)
        })?;
        self.restored = sorted(&rows);
        for (entity, value) in rows {
            world.entity_mut(entity).insert(value);
        }
        Ok(())
    }

    fn prune(&mut self, world: &mut World) {
        for entity in strangers(world, &std::mem::take(&mut self.restored)) {
            world.entity_mut(entity).remove::<C>();
        }
    }

    fn is_own(&self) -> bool {
        self.own
    }

    fn write_own(&self, world: &World, entity: Entity, refs: &dyn Refs, out: &mut Vec<u8>) -> bool {
        self.own_bytes(world.get::<C>(entity), refs, out)
    }

    fn read_own(
        &self,
        world: &mut World,
        entity: Entity,
        input: Option<&mut &[u8]>,
        area: usize,
    ) -> Result<(), ReadError> {
        self.take_own(world, entity, input, area)
    }

    fn reflect(&self, world: &mut World, reflection: &Reflection<'_>) {
        self.reflect_rows(world, reflection);
    }

    fn show(
        &self,
        world: &mut World,
        entity: Entity,
        row: Option<&Row<'_>>,
        refs: &dyn Refs,
    ) -> Result<(), ReadError> {
        let value = row.map(|row| C::read(row, refs)).transpose()?;
        mirror::put(world, entity, value);
        Ok(())
    }

    fn keep(&mut self, world: &World, entities: &[Entity]) {
        self.keep_past(world, entities);
    }

    fn forget(&mut self, oldest: usize, newest: usize) {
        self.forget_past(oldest, newest);
    }

    fn put_back(&self, world: &mut World, at: (usize, usize), entity: Entity) {
        let value = self.past_of(at).map(Record::duplicate);
        mirror::put(world, entity, value);
    }

    fn write_past(&self, at: (usize, usize), refs: &dyn Refs, out: &mut Vec<u8>) -> bool {
        self.own_bytes(self.past_of(at), refs, out)
    }

    fn look(&self, world: &World, entity: Entity, record: &RecordSchema) -> Option<OwnedRow> {
        let value = world.get::<C>(entity)?;
        let refs = AreaRefs {
            world,
            ids: world.resource::<Ids>(),
            area: ALL,
        };
        let mut row = OwnedRow::new(record);
        value.write(&mut row.row_mut(record), &refs);
        Some(row)
    }

    fn is_near(&self, world: &World, at: (usize, usize), row: (&Area, u32), steps: u32) -> bool {
        self.past_is_near(world, at, row, steps)
    }
}

pub(crate) type RowsOf<C> = QueryState<(&'static NetEntity, Ref<'static, C>)>;

/// Everybody whose component changed since the tick that the world says. How many columns had to be looked through.
pub(crate) fn each_changed<'w, C: Component>(
    query: &mut RowsOf<C>,
    world: &'w World,
    mut visit: impl FnMut(&'w NetEntity, &'w C),
) -> u64 {
    let query = query.query(world);
    if C::STORAGE_TYPE != StorageType::Table {
        for (net, value) in query.iter_inner().filter(|(_, value)| value.is_changed()) {
            visit(net, value.into_inner());
        }
        return 0;
    }
    let mut scanned = 0;
    for (nets, values) in query.contiguous_iter_inner().into_iter().flatten() {
        let (values, ticks) = ContiguousRef::split(values);
        if ticks.summary_tick_is_changed() == Some(false) {
            continue; // the whole table is as it was, by one comparison
        }
        scanned += 1;
        for ((net, value), changed) in nets.iter().zip(values).zip(ticks.is_changed_iter()) {
            if changed {
                visit(net, value);
            }
        }
    }
    scanned
}

/// Rows that move by their velocity change even where the game changed nothing: the track follows a truth that stands still.
fn move_on<C: Component + Record>(
    query: &mut RowsOf<C>,
    refs: &AreaRefs,
    base: &Area,
    table: usize,
    visited: &Visited,
    rows: &mut Rows,
) {
    let query = query.query(refs.world);
    for (first, page) in base.pages(table) {
        for row in bits(page.moving() & !visited.page(first)) {
            let slot = first + row as u32;
            let known = refs.ids.in_area(refs.area, slot);
            let entity = known.map(|(_, known)| known.entity);
            if let Some((_, value)) = entity.and_then(|entity| query.get(entity).ok()) {
                rows.set(slot, &*value, refs);
            }
        }
    }
}

/// The capture of one column into many areas: the rows are put in the order of their areas first, so that each page is copied once.
fn capture_divided<C: Component + Record>(
    world: &World,
    query: &mut RowsOf<C>,
    (table, moves): (usize, bool),
    pass: &mut Pass,
) {
    let ids = world.resource::<Ids>();
    let mut found: Vec<(Place, &C)> = Vec::new();
    let scanned = each_changed(query, world, |net, value| {
        if let Some(place) = ids.get(net.id()).and_then(|known| known.place) {
            found.push((place, value));
        }
    });
    pass.stats.columns_scanned += scanned;
    found.sort_unstable_by_key(|(place, _)| (place.area, place.id.slot));
    let mut visited = Visited::default();
    let mut rest = &found[..];
    for area in 0..pass.areas() {
        let count = rest.iter().take_while(|(place, _)| place.area == area);
        let count = count.count();
        let (here, others) = rest.split_at(count);
        rest = others;
        let base = pass.base(area).clone();
        let moving = moves && base.moving(table).next().is_some();
        if here.is_empty() && !moving {
            continue;
        }
        let Some(mut rows) = pass.rows(area, table) else {
            continue;
        };
        let refs = AreaRefs { world, ids, area };
        visited.clear();
        for (place, value) in here {
            rows.set(place.id.slot, *value, &refs);
            visited.note(place.id.slot);
        }
        if moving {
            move_on(query, &refs, &base, table, &visited, &mut rows);
        }
    }
}

/// The rows of all entities that have one, in the order of the entities' names.
pub(super) fn write_rows(
    world: &World,
    out: &mut Writer,
    row: impl Fn(Entity, &mut Writer) -> Option<()>,
) {
    let ids = world.resource::<Ids>();
    let mut rows = Writer::new();
    let mut count = 0;
    for (id, known) in ids.all() {
        let mut one = Writer::new();
        if row(known.entity, &mut one).is_some() {
            count += 1;
            rows.varint_u32(id.slot);
            rows.raw(&one.into_vec());
        }
    }
    out.varint_u32(count);
    out.raw(&rows.into_vec());
}

pub(super) fn read_rows<T>(
    world: &World,
    input: &mut Reader,
    gone: &[Entity],
    row: impl Fn(&mut Reader, &RestoreRefs) -> Result<T, RestoreError>,
) -> Result<Vec<(Entity, T)>, RestoreError> {
    let ids = world.resource::<Ids>();
    let refs = RestoreRefs { ids, gone };
    let count = input.at("rows").count(ROOM_ENTITIES_MAX, 2)?;
    let mut rows = Vec::with_capacity(count);
    for _ in 0..count {
        let slot = input.at("slot").varint_u32()?;
        let value = row(input, &refs)?;
        let known = ids
            .in_room(slot)
            .ok_or(RestoreError::Damaged("a row of nobody"))?;
        rows.push((known.entity, value));
    }
    Ok(rows)
}

pub(super) fn sorted<T>(rows: &[(Entity, T)]) -> Vec<Entity> {
    let mut entities: Vec<Entity> = rows.iter().map(|(entity, _)| *entity).collect();
    entities.sort_unstable();
    entities
}

/// Everybody in the room who is not among these.
pub(super) fn strangers(world: &World, these: &[Entity]) -> Vec<Entity> {
    let all = world.resource::<Ids>().all().map(|(_, known)| known.entity);
    all.filter(|entity| these.binary_search(entity).is_err())
        .collect()
}

fn moves(record: &RecordSchema) -> bool {
    let by_velocity = |field: &FieldSchema| {
        field.velocity.is_some() || matches!(field.predict, Predict::Velocity { .. })
    };
    record.fields.iter().any(by_velocity)
}

/// Slots whose rows were written in this capture.
#[derive(Default)]
struct Visited {
    /// By page of the area.
    masks: Vec<u64>,
}

impl Visited {
    fn clear(&mut self) {
        self.masks.clear();
    }

    #[inline]
    fn note(&mut self, slot: u32) {
        let (index, row) = (slot as usize / PAGE_ROWS, slot as usize % PAGE_ROWS);
        if self.masks.len() <= index {
            self.masks.resize(index + 1, 0);
        }
        self.masks[index] |= 1 << row;
    }

    fn page(&self, first: u32) -> u64 {
        let mask = self.masks.get(first as usize / PAGE_ROWS);
        mask.copied().unwrap_or(0)
    }
}

/// Whether an area that all may see holds this record.
pub(crate) fn is_shown(record: &RecordSchema) -> bool {
    record.scope == Scope::All
}
