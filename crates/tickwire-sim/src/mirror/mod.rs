//! A room's world as a client has it that predicts: made of the areas it is told, stepped ahead of them, and set right where the server was of
//! another opinion. No clock, no frames, no smoothing.

mod book;
mod frames;
pub(crate) mod look;
mod truth;

use std::sync::Arc;

use bevy_ecs::change_detection::Tick as ChangeTick;
use bevy_ecs::entity::Entity;
use tickwire_proto::Tick;
use tickwire_proto::frame::Presence;
use tickwire_snapshot::{Area, OwnedRow, Schema, TickEvent};

use self::book::Book;
use self::frames::{Emitted, Frames, Number};
use crate::ask::Answers;
use crate::column::Column;
use crate::control::RoomControl;
use crate::event::EventQueue;
use crate::ids::{Ids, NetEntity};
use crate::kind::GameKind;
use crate::message::Outbox;
use crate::notice::Notices;
use crate::own::number;
use crate::player::{Roster, Seated};
use crate::side::Side;
use crate::simulation::{SimOptions, Simulation};
use crate::system::run;
use crate::task::Tasks;

pub use self::look::Shown;
pub use self::truth::{OwnTruth, Truth, Verdict};

/// Ticks by which a client runs ahead of the newest truth at most: with longer pauses of the link it stands still until the next.
pub const PREDICTED_TICKS_MAX: u32 = 64;

/// What predicting did, counted since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MirrorStats {
    /// Truths that were taken in.
    pub truths: u64,
    /// Those that did not fit what was predicted, so that it was stepped again.
    pub rollbacks: u64,
    /// Of these, such as were about what the seat itself owns. The others were about what a game marks as [`Predicted`](crate::Predicted).
    pub mispredictions: u64,
    /// Of these, such as could be seen: something was off by more than a step of what others are told. The rest are of bits that steps do not have, as
    /// where one is pushed by somebody who is known in steps only.
    pub seen: u64,
    /// Ticks that were stepped again.
    pub replayed: u64,
    /// Truths that say no more than that an answer to something older is on its way.
    pub waits: u64,
    /// What the server knew better, by the name of the component: how often.
    pub causes: Vec<(String, u64)>,
    /// Entities that appeared here at once and were found at the server later; and those that were not.
    pub spawns_found: u64,
    /// Those that the server knew nothing of.
    pub spawns_undone: u64,
    /// Texts that could not be read: of a server that plays another game.
    pub unreadable: u64,
}

/// A world that runs ahead of its server.
///
/// It is fed with each new [`Truth`] and with the commands of its seat, tick by tick, and steps the game's own systems. What it steps is what
/// the seat owns, and what the game marks as [`Predicted`](crate::Predicted); the rest carries [`Remote`](crate::Remote).
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_sim::prelude::*;
/// use tickwire_sim::{GameKind, Mirror, OwnTruth, SimOptions, Simulation, Truth, Verdict};
///
/// #[derive(Replicate, Default)]
/// struct Runner { #[net(range = 0.0..=100.0, step = 0.5)] x: f32 }
/// #[derive(PlayerCommand, Clone, Copy, Default)]
/// struct Run { go: bool }
/// fn run(mut runners: Query<(&mut Runner, &Asks<Run>)>) {
///     for (mut runner, ask) in &mut runners {
///         runner.x += if ask.go { 0.3 } else { 0.0 };
///     }
/// }
/// fn game(game: &mut Game) {
///     game.replicate::<Runner>().command::<Run>().systems(run)
///         .on_join(|In(player): In<Player>, mut commands: Commands| { commands.spawn((Runner::default(), OwnedBy(player))); });
/// }
///
/// let kind = GameKind::new("race", game);
/// let mut room = Simulation::new(&kind, SimOptions::default());
/// room.join(PlayerInfo::default())?;
/// room.step();
///
/// // What the server tells: the areas, and what seat 0 owns, exact to the bit.
/// let snapshot = room.capture();
/// room.gather_own();
/// let mut rows = Vec::new();
/// room.write_own(0, &mut rows);
/// let own = OwnTruth::Told { number: room.own_number(0), rows: &rows };
/// let mut mirror = Mirror::new(&kind, 0);
/// mirror.truth(&Truth { tick: room.tick(), areas: &snapshot.areas, own });
///
/// // Both step on; the client is asked nothing, and is right.
/// let said = mirror.step(None);
/// room.step();
/// let snapshot = room.capture();
/// room.gather_own();
/// assert_eq!(room.own_number(0), said);
/// let truth = Truth { tick: room.tick(), areas: &snapshot.areas, own: OwnTruth::AsSaid(said) };
/// assert_eq!(mirror.truth(&truth), Verdict::Right);
/// # Ok::<(), tickwire_sim::JoinRefused>(())
/// ```
pub struct Mirror {
    sim: Simulation,
    seat: u16,
    book: Book,
    frames: Frames,
    /// The areas as they were taken over last.
    areas: Vec<Arc<Area>>,
    /// What systems wrote since then is newer than this.
    since: ChangeTick,
    /// A schema of the same records with finer quantisers, to draw by.
    fine: Arc<Schema>,
    events: Vec<TickEvent>,
    bytes: Vec<u8>,
    stats: MirrorStats,
}

impl Mirror {
    /// The world of a seat, empty until the first [`truth`](Self::truth). The game's start systems run, for the resources that they make; the
    /// entities that they spawn come from the server.
    ///
    /// # Panics
    /// Where the kind's function fills in another game than it did when the kind was made.
    #[must_use]
    pub fn new(kind: &GameKind, seat: u16) -> Self {
        let made = Simulation::try_make(kind, SimOptions::default());
        let (mut sim, mut start) =
            made.unwrap_or_else(|error| panic!("game {}: {error}", kind.name()));
        sim.world.insert_resource(Side::Client { again: false });
        for system in &mut start {
            system.initialize(&mut sim.world);
            run(system, (), &mut sim.world);
        }
        let mut spawned = sim
            .world
            .query_filtered::<Entity, bevy_ecs::query::With<NetEntity>>();
        let spawned: Vec<Entity> = spawned.iter(&sim.world).collect();
        for entity in spawned {
            sim.world.despawn(entity);
        }
        sim.world.resource_mut::<Ids>().mirror();
        sim.world.resource_mut::<EventQueue>().waiting.clear();
        let mut mirror = Self {
            book: Book::new(&sim.schema, seat),
            fine: Arc::new(look::fine(&sim.schema)),
            frames: Frames::default(),
            areas: Vec::new(),
            since: ChangeTick::default(),
            events: Vec::new(),
            bytes: Vec::new(),
            stats: MirrorStats::default(),
            seat,
            sim,
        };
        mirror.seat_player(seat, "");
        mirror
    }

    /// Tells the game's systems who sits on a seat.
    pub fn seat_player(&mut self, seat: u16, name: &str) {
        let mut roster = self.sim.world.resource_mut::<Roster>();
        if let Some(at) = roster.seats.get_mut(usize::from(seat)) {
            *at = Some(Seated {
                name: name.to_owned(),
                identity: String::new(),
                presence: Presence::Online,
                computer: false,
                ready: false,
                host: false,
                lagging: false,
            });
        }
    }

    /// The seat whose world it is.
    #[must_use]
    pub fn seat(&self) -> u16 {
        self.seat
    }

    /// The tick that was stepped last; that of the truth before the first step.
    #[must_use]
    pub fn tick(&self) -> Tick {
        self.sim.tick
    }

    /// The tick of the newest truth that it stands on.
    #[must_use]
    pub fn truth_tick(&self) -> Option<Tick> {
        self.frames.oldest()
    }

    /// The world, to look at.
    #[must_use]
    pub fn world(&self) -> &bevy_ecs::world::World {
        &self.sim.world
    }

    /// The world, to change: for tests and tools. What is changed here is undone by a correction.
    pub fn world_mut(&mut self) -> &mut bevy_ecs::world::World {
        &mut self.sim.world
    }

    /// What predicting did so far.
    #[must_use]
    pub fn stats(&self) -> &MirrorStats {
        &self.stats
    }

    /// Whether it is too far ahead of the truth to go on.
    #[must_use]
    pub fn must_wait(&self) -> bool {
        let oldest = self.frames.oldest();
        oldest.is_none_or(|oldest| self.sim.tick.since(oldest) >= PREDICTED_TICKS_MAX)
    }

    /// Steps the next tick. `None`: the player asks for nothing new in it, and the game's rule for missing commands acts. Returns a number of
    /// what the seat owns then, which the server answers.
    ///
    /// # Panics
    /// Before the first [`truth`](Self::truth); and as the game's systems do.
    pub fn step(&mut self, command: Option<&OwnedRow>) -> u16 {
        assert!(
            self.frames.oldest().is_some(),
            "a world that runs ahead needs somewhere to begin: give it the first truth"
        );
        self.step_one(command, false)
    }

    /// What happened in what was stepped since the last call, each once, whatever was stepped again.
    pub fn take_events(&mut self) -> Vec<TickEvent> {
        std::mem::take(&mut self.events)
    }

    /// Whether an event that the server tells of was shown already, because it was predicted. Each is asked about once.
    pub fn was_shown(&mut self, event: &TickEvent) -> bool {
        self.frames.was_shown(event)
    }

    fn step_one(&mut self, command: Option<&OwnedRow>, again: bool) -> u16 {
        self.sim.world.insert_resource(Side::Client { again });
        self.sim.begin_tick();
        let seat = self.seat;
        match (command, &self.sim.command) {
            // What cannot be given is for the server to refuse; here it asks for nothing.
            (Some(row), Some(_)) => drop(self.sim.command(seat, Some(row))),
            (None, Some(line)) => line.withhold(&mut self.sim.world, seat),
            _ => {}
        }
        if let Some(line) = &mut self.sim.command {
            line.settle(&mut self.sim.world);
        }
        self.sim.run_systems();
        self.sim.world.clear_trackers();
        self.drop_what_is_said();
        let emitted = self.take_emitted();
        self.book.note_spawned(&mut self.sim, again);
        self.keep(command.cloned(), emitted, again)
    }

    /// A client's systems speak to nobody.
    fn drop_what_is_said(&mut self) {
        let world = &mut self.sim.world;
        world.resource_mut::<Outbox>().queue.clear();
        world.resource_mut::<Outbox>().lost.clear();
        world.resource_mut::<Answers>().queue.clear();
        world.resource_mut::<RoomControl>().orders.clear();
        world.resource_mut::<Notices>().queue.clear();
        let mut tasks = world.resource_mut::<Tasks>();
        drop((tasks.take_new(), tasks.take_cancelled()));
    }

    /// Events of this step: those that were not shown before are shown.
    fn take_emitted(&mut self) -> Vec<Emitted> {
        let mut queue = self.sim.world.resource_mut::<EventQueue>();
        let emitted = std::mem::take(&mut queue.waiting);
        let tick = self.sim.tick;
        let mut all = Vec::with_capacity(emitted.len());
        for (_, event) in emitted {
            let (emitted, is_new) = self.frames.emitted(tick, &event, &all);
            if is_new {
                self.events.push(event);
            }
            all.push(emitted);
        }
        all
    }

    /// The end of a tick: keeps what was, and numbers what the seat owns.
    fn keep(&mut self, command: Option<OwnedRow>, emitted: Vec<Emitted>, again: bool) -> u16 {
        let Simulation { world, columns, .. } = &self.sim;
        let said = match again {
            true => Number::Of(self.book.own_places(world)),
            false => Number::Known(number(world, columns, self.book.own(), &mut self.bytes)),
        };
        let number = match said {
            Number::Known(number) => number,
            Number::Of(_) => 0,
        };
        let (tracks, entities) = self.book.alive(world);
        for column in &mut self.sim.columns {
            column.keep(&self.sim.world, &entities);
        }
        if let Some(line) = &mut self.sim.command {
            line.keep(&self.sim.world, self.seat);
        }
        self.frames
            .push(self.sim.tick, tracks, said, command, emitted);
        number
    }

    fn forget(&mut self, oldest: usize, newest: usize) {
        for column in &mut self.sim.columns {
            column.forget(oldest, newest);
        }
        if let Some(line) = &mut self.sim.command {
            line.forget(oldest, newest);
        }
        self.frames.forget(oldest, newest);
    }

    fn columns(&self) -> &[Box<dyn Column>] {
        &self.sim.columns
    }
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mirror")
            .field("seat", &self.seat)
            .field("tick", &self.sim.tick)
            .field("truth", &self.frames.oldest())
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
