//! Commands: what a player asks for in one tick, the command in force for every seat, and the check of entities that it names.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bevy_ecs::entity::Entity;
use bevy_ecs::query::QueryState;
use bevy_ecs::resource::Resource;
use bevy_ecs::world::{DeferredWorld, World};
use tickwire_proto::wire::{Reader, Writer};
use tickwire_snapshot::quant::target;
use tickwire_snapshot::record::{ReadError, Record, Refs};
use tickwire_snapshot::{AreaId, NetId, OwnedRow, Quant, RecordSchema};

use crate::exact::{RestoreError, put_record, take_record};
use crate::ids::{ALL, Ids};
use crate::player::{Asks, OwnedBy, Player, Roster};
use crate::refs::{AreaRefs, ExactRefs, RestoreRefs};
use crate::replica::NextCommand;

/// What a player may ask for in one tick. Made by `#[derive(PlayerCommand)]`; its `default()` asks for nothing.
pub trait PlayerCommand: Record + Clone + Default + Send + Sync + 'static {
    /// Fields with `#[net(foreign)]`: they may name entities that the player does not own.
    fn foreign() -> &'static [&'static str] {
        &[]
    }
}

/// What a person asks for in a tick for which no command came in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingCommand {
    /// The last one, until another comes: right for held keys, and the default.
    #[default]
    RepeatLast,
    /// Nothing: the command's default.
    Default,
    /// The last one for so many ticks, then nothing.
    RepeatFor(u16),
}

/// A command named an entity that its player does not own, or that is not there (any more): the peer's fault, or it came late.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the command names in `{field}` an entity that seat {seat} does not own; #[net(foreign)] on the field would allow it"
)]
pub struct ForeignEntity {
    /// Who asked.
    pub seat: u16,
    /// The field that names it.
    pub field: String,
}

/// Why a command cannot be put in force.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CommandRefused {
    /// The game has no commands.
    #[error("this kind of game takes no commands")]
    None,
    /// Nobody sits there (yet).
    #[error("no person sits on seat {0}")]
    Seat(u16),
    /// It has not the columns of the game's record of commands.
    #[error("the row is not one of the game's command: decode it with the kind's schema")]
    Shape,
    /// A column of it holds what the game's record cannot.
    #[error("the command does not fit the game's record: {0}")]
    Record(#[from] ReadError),
}

/// How the hooks of [`OwnedBy`] reach the one type of command that the game has.
#[derive(Resource, Clone, Copy)]
pub(crate) struct AskHooks {
    pub taken: fn(&mut DeferredWorld, Entity),
    pub given_up: fn(&mut DeferredWorld, Entity),
}

/// The command in force, without its type.
pub(crate) trait CommandLine: Send + Sync {
    fn record(&self) -> &RecordSchema;
    fn setup(&mut self, world: &mut World, sealed: &RecordSchema, rules: CommandRules);
    /// Keeps a command for the next step.
    fn give(
        &self,
        world: &mut World,
        seat: u16,
        row: &OwnedRow,
        sight: &[AreaId],
    ) -> Result<(), CommandRefused>;
    /// Says that none came for the next step.
    fn withhold(&self, world: &mut World, seat: u16);
    /// Puts what was given in force, or the rule for missing ones.
    fn settle(&mut self, world: &mut World);
    /// Forgets what a seat asked for.
    fn vacate(&self, world: &mut World, seat: u16);
    fn check(
        &self,
        world: &World,
        seat: u16,
        row: &OwnedRow,
        sight: &[AreaId],
    ) -> Result<(), ForeignEntity>;
    fn write_exact(&self, world: &World, out: &mut Writer, refs: &ExactRefs);
    fn read_exact(
        &self,
        world: &mut World,
        input: &mut Reader,
        gone: &[Entity],
    ) -> Result<(), RestoreError>;
    /// In a world that only shows a room: a place for what the player asks for.
    fn make_next(&self, world: &mut World);
    /// What is in that place, as a row of the sealed record; `None`: somebody took the place away.
    fn next(&self, world: &World, sealed: &RecordSchema, refs: &dyn Refs) -> Option<OwnedRow>;
    /// On a client: begins another frame of the past.
    fn keep(&mut self, world: &World, seat: u16);
    /// Forgets so many of the oldest and of the newest frames.
    fn forget(&mut self, oldest: usize, newest: usize);
    /// What was in force at the end of a frame is in force again.
    fn put_back(&self, world: &mut World, seat: u16, frame: usize);
}

/// What the game says about its commands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommandRules {
    pub seats: u16,
    pub missing: MissingCommand,
    /// Commands may name any entity.
    pub name_any: bool,
}

/// The commands in force. A resource, so that the hook of an entity that is being given to somebody finds theirs.
#[derive(Resource)]
struct InForce<C> {
    seats: Vec<SeatAsk<C>>,
}

#[derive(Clone, Default)]
struct SeatAsk<C> {
    ask: C,
    /// For the next step.
    given: Option<C>,
    /// Steps in a row for which none came.
    missed: u32,
    /// Not yet in the entities' `Asks`.
    changed: bool,
}

pub(crate) struct Line<C: PlayerCommand> {
    record: Arc<RecordSchema>,
    owned: Option<QueryState<(&'static OwnedBy, &'static mut Asks<C>)>>,
    missing: MissingCommand,
    /// Columns and blobs of a row.
    size: (usize, usize),
    /// Fields whose entities must be the player's.
    guarded: Vec<usize>,
    /// Columns that name entities of any area.
    targets: Vec<Range<usize>>,
    /// On a client: what was in force, by frames.
    past: VecDeque<SeatAsk<C>>,
}

impl<C: PlayerCommand> Line<C> {
    pub(crate) fn new() -> Self {
        Self {
            record: Arc::new(C::schema()),
            owned: None,
            missing: MissingCommand::default(),
            size: (0, 0),
            guarded: Vec::new(),
            targets: Vec::new(),
            past: VecDeque::new(),
        }
    }
}

impl<C: PlayerCommand> CommandLine for Line<C> {
    fn record(&self) -> &RecordSchema {
        &self.record
    }

    fn setup(&mut self, world: &mut World, sealed: &RecordSchema, rules: CommandRules) {
        self.record = Arc::new(sealed.clone());
        self.missing = rules.missing;
        let empty = OwnedRow::new(sealed);
        self.size = (empty.ints.len(), empty.blobs.len());
        let names_entity = |quant: &Quant| matches!(quant, Quant::Entity | Quant::Target);
        let places = sealed.fields.iter().zip(sealed.layout().fields());
        self.targets = places
            .filter(|(field, _)| field.quant == Quant::Target)
            .map(|(_, place)| place.offset..place.offset + place.columns)
            .collect();
        let fields = sealed.fields.iter().enumerate();
        self.guarded = fields
            .filter(|(_, field)| names_entity(&field.quant) && !rules.name_any)
            .filter(|(_, field)| !C::foreign().contains(&field.name.as_str()))
            .map(|(index, _)| index)
            .collect();
        world.insert_resource(InForce::<C> {
            seats: vec![SeatAsk::default(); usize::from(rules.seats)],
        });
        world.insert_resource(AskHooks {
            taken: taken::<C>,
            given_up: given_up::<C>,
        });
        // Beside `OwnedBy` from the first moment, without a second move of the entity.
        world.register_required_components::<OwnedBy, Asks<C>>();
        self.owned = Some(world.query());
    }

    fn give(
        &self,
        world: &mut World,
        seat: u16,
        row: &OwnedRow,
        sight: &[AreaId],
    ) -> Result<(), CommandRefused> {
        if !self.fits(row) {
            return Err(CommandRefused::Shape);
        }
        let ids = world.resource::<Ids>();
        let command = if self.targets.is_empty() {
            let refs = AreaRefs {
                world,
                ids,
                area: ALL,
            };
            C::read(&row.row(&self.record), &refs)?
        } else {
            let (row, named) = self.look_up(ids, row, sight);
            C::read(&row.row(&self.record), &named)?
        };
        if let Some(at) = in_force::<C>(world, seat) {
            at.given = Some(command);
        }
        Ok(())
    }

    fn withhold(&self, world: &mut World, seat: u16) {
        if let Some(at) = in_force::<C>(world, seat) {
            at.given = None;
        }
    }

    fn settle(&mut self, world: &mut World) {
        world.resource_scope(
            |world, mut force: bevy_ecs::change_detection::Mut<InForce<C>>| {
                let roster = world.resource::<Roster>();
                for (seat, at) in force.seats.iter_mut().enumerate() {
                    let who = roster.seats.get(seat).and_then(Option::as_ref);
                    if who.is_some_and(|who| !who.computer) {
                        at.settle(self.missing);
                    }
                }
                if force.seats.iter().any(|at| at.changed) {
                    self.tell(world, &mut force);
                }
            },
        );
    }

    fn vacate(&self, world: &mut World, seat: u16) {
        if let Some(at) = in_force::<C>(world, seat) {
            *at = SeatAsk {
                changed: true,
                ..SeatAsk::default()
            };
        }
    }

    fn check(
        &self,
        world: &World,
        seat: u16,
        row: &OwnedRow,
        sight: &[AreaId],
    ) -> Result<(), ForeignEntity> {
        if !self.fits(row) {
            return Ok(()); // to be refused when it is given
        }
        let ids = world.resource::<Ids>();
        let row = row.row(&self.record);
        for &field in &self.guarded {
            for pair in row.field(field).ints.chunks_exact(2) {
                let named = match self.record.fields[field].quant {
                    Quant::Target => in_sight(ids, pair, sight),
                    _ => in_area(ids, pair),
                };
                let owner = named.and_then(|entity| Some(world.get::<OwnedBy>(entity)?.0));
                if pair[0] != 0 && owner != Some(Player::new(seat)) {
                    return Err(ForeignEntity {
                        seat,
                        field: self.record.fields[field].name.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    fn write_exact(&self, world: &World, out: &mut Writer, refs: &ExactRefs) {
        for at in &world.resource::<InForce<C>>().seats {
            out.varint_u32(at.missed);
            out.bool(at.changed);
            put_record(out, &at.ask, refs);
            out.bool(at.given.is_some());
            if let Some(given) = &at.given {
                put_record(out, given, refs);
            }
        }
    }

    fn read_exact(
        &self,
        world: &mut World,
        input: &mut Reader,
        gone: &[Entity],
    ) -> Result<(), RestoreError> {
        let count = world.resource::<InForce<C>>().seats.len();
        let ids = world.resource::<Ids>();
        let refs = RestoreRefs { ids, gone };
        let mut seats = Vec::with_capacity(count);
        for _ in 0..count {
            let missed = input.at("command").varint_u32()?;
            let changed = input.bool()?;
            let ask = take_record(input, &refs)?;
            let given = match input.bool()? {
                true => Some(take_record(input, &refs)?),
                false => None,
            };
            seats.push(SeatAsk {
                ask,
                given,
                missed,
                changed,
            });
        }
        world.resource_mut::<InForce<C>>().seats = seats;
        Ok(())
    }

    fn make_next(&self, world: &mut World) {
        world.init_resource::<NextCommand<C>>();
    }

    fn next(&self, world: &World, sealed: &RecordSchema, refs: &dyn Refs) -> Option<OwnedRow> {
        let next = world.get_resource::<NextCommand<C>>()?;
        let mut row = OwnedRow::new(sealed);
        next.write(&mut row.row_mut(sealed), refs);
        Some(row)
    }

    fn keep(&mut self, world: &World, seat: u16) {
        let force = world.resource::<InForce<C>>();
        let at = force.seats.get(usize::from(seat));
        self.past.push_back(at.cloned().unwrap_or_default());
    }

    fn forget(&mut self, oldest: usize, newest: usize) {
        self.past.drain(..oldest.min(self.past.len()));
        self.past.truncate(self.past.len().saturating_sub(newest));
    }

    fn put_back(&self, world: &mut World, seat: u16, frame: usize) {
        if let (Some(past), Some(at)) = (self.past.get(frame), in_force::<C>(world, seat)) {
            *at = SeatAsk {
                changed: true,
                given: None,
                ..past.clone()
            };
        }
    }
}

impl<C: PlayerCommand> Line<C> {
    /// The row with a number in place of each entity that it names and that the player sees, and these by number.
    fn look_up(&self, ids: &Ids, row: &OwnedRow, sight: &[AreaId]) -> (OwnedRow, Named) {
        let mut row = row.clone();
        let mut named = Named(Vec::new());
        for columns in &self.targets {
            for pair in row.ints[columns.clone()].chunks_exact_mut(2) {
                let entity = in_sight(ids, pair, sight);
                (pair[0], pair[1]) = (0, 0);
                if let Some(entity) = entity {
                    named.0.push(entity);
                    pair[0] = named.0.len() as i32 + 1; // as many as a command has columns at most
                }
            }
        }
        (row, named)
    }

    fn fits(&self, row: &OwnedRow) -> bool {
        (row.ints.len(), row.blobs.len()) == self.size
    }

    /// Writes changed commands into the entities of their seats: once for all, and only when one changed.
    fn tell(&mut self, world: &mut World, force: &mut InForce<C>) {
        let owned = self.owned.get_or_insert_with(|| world.query());
        for (owner, mut asks) in owned.iter_mut(world) {
            match force.seats.get(usize::from(owner.0.seat)) {
                Some(at) if at.changed => asks.0 = at.ask.clone(),
                _ => {}
            }
        }
        for at in &mut force.seats {
            at.changed = false;
        }
    }
}

impl<C: PlayerCommand> SeatAsk<C> {
    fn settle(&mut self, missing: MissingCommand) {
        if let Some(given) = self.given.take() {
            self.ask = given;
            self.missed = 0;
            self.changed = true;
            return;
        }
        self.missed = self.missed.saturating_add(1);
        let patience = match missing {
            MissingCommand::RepeatLast => return,
            MissingCommand::Default => 0,
            MissingCommand::RepeatFor(ticks) => u32::from(ticks),
        };
        if self.missed == patience + 1 {
            self.ask = C::default();
            self.changed = true;
        }
    }
}

fn in_force<C: PlayerCommand>(world: &mut World, seat: u16) -> Option<&mut SeatAsk<C>> {
    let force = world.resource_mut::<InForce<C>>().into_inner();
    force.seats.get_mut(usize::from(seat))
}

/// The entities that a command names: the first is in slot 1.
struct Named(Vec<Entity>);

impl Refs for Named {
    fn to_net(&self, _: u64) -> Option<NetId> {
        None // it is for reading only
    }

    fn to_entity(&self, id: NetId) -> Option<u64> {
        let index = (id.slot as usize).checked_sub(1)?;
        self.0.get(index).map(|entity| entity.to_bits())
    }
}

/// The entity that two columns name, if it is in one of these areas.
fn in_sight(ids: &Ids, pair: &[i32], sight: &[AreaId]) -> Option<Entity> {
    let (area, id) = target(pair)?;
    sight.binary_search(&area).ok()?;
    ids.seen(ids.find(area)?, id)
}

/// The entity of the one area that two columns name.
fn in_area(ids: &Ids, pair: &[i32]) -> Option<Entity> {
    let slot = u32::try_from(pair[0].checked_sub(1)?).ok()?;
    let generation = u16::try_from(pair[1]).ok()?;
    ids.seen(ALL, NetId { slot, generation })
}

fn taken<C: PlayerCommand>(world: &mut DeferredWorld, entity: Entity) {
    let Some(seat) = world.get::<OwnedBy>(entity).map(|owner| owner.0.seat) else {
        return;
    };
    let force = world.resource::<InForce<C>>();
    let at = force.seats.get(usize::from(seat));
    let ask = at.map_or_else(C::default, |at| at.ask.clone());
    if let Some(mut asks) = world.get_mut::<Asks<C>>(entity) {
        asks.0 = ask;
    }
}

fn given_up<C: PlayerCommand>(world: &mut DeferredWorld, entity: Entity) {
    world.commands().entity(entity).try_remove::<Asks<C>>();
}
