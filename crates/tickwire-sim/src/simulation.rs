//! A room's world and its one step. No clock: whoever owns it says when to step; no viewer: whoever owns it sends what it captures.

use std::sync::Arc;

use bevy_ecs::entity::Entity;
use bevy_ecs::query::QueryState;
use bevy_ecs::resource::Resource;
use bevy_ecs::schedule::Schedule;
use bevy_ecs::system::{BoxedSystem, In};
use bevy_ecs::world::World;
use tickwire_proto::Tick;
use tickwire_snapshot::{AreaId, OwnedRow, Schema, Snapshot};

use crate::ask::{Answerer, Answers, Questions, ReplyListener};
use crate::capture::{Capture, CaptureStats};
use crate::chance::Seed;
use crate::column::Column;
use crate::command::{CommandLine, CommandRefused, CommandRules, ForeignEntity};
use crate::control::{Order, RoomControl};
use crate::division::Division;
use crate::event::EventQueue;
use crate::game::GameError;
use crate::ids::{Ids, NetEntity};
use crate::inbox::Inbox;
use crate::kind::{GameKind, set_up};
use crate::message::{Listener, OutMessage, Outbox, To};
use crate::notice::{Notices, OutNotice};
use crate::own::Owned;
use crate::player::{OwnedBy, Player, Roster, SEATS_MAX};
use crate::rewind::{Recording, Rewind, RewindStats, Seen};
use crate::side::Side;
use crate::sight::Sights;
use crate::system::run;
use crate::task::{DoneListener, NewTask, TaskId, Tasks};
use crate::time::CurrentTick;

/// What a room is made with, beside its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimOptions {
    /// The seed of its chance.
    pub seed: u64,
    /// Its seats; `None`: as many as the game says.
    pub seats: Option<u16>,
    /// Players that computer players fill up to; `None`: as the game says.
    pub computers: Option<u16>,
    /// What was agreed on when it was created, such as a mode: for the game to read from [`RoomAttributes`].
    pub attributes: Vec<(String, String)>,
}

/// What was agreed on when the room was created: a resource for systems to read.
#[derive(Resource, Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomAttributes(pub(crate) Vec<(String, String)>);

impl RoomAttributes {
    /// The value of an attribute.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// What was dropped by design, counted since the room began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimDrops {
    /// Messages of the game past [`OUTBOX_MAX`](crate::OUTBOX_MAX).
    pub messages: u64,
    /// Messages of the game that are longer than their own shape allows.
    pub unfit_messages: u64,
    /// Answers of the game past [`ANSWERS_MAX`](crate::ANSWERS_MAX).
    pub answers: u64,
    /// Tick events past [`EVENTS_WAITING_MAX`](crate::EVENTS_WAITING_MAX).
    pub events: u64,
    /// Entities that found no slot, and that nobody sees.
    pub entities: u64,
    /// Results of tasks that no system listens to.
    pub results: u64,
    /// Orders of the game past [`ORDERS_MAX`](crate::ORDERS_MAX).
    pub orders: u64,
    /// Notices of the game past [`NOTICES_MAX`](crate::NOTICES_MAX), and such as are too long.
    pub notices: u64,
}

/// A room's world, stepped tick by tick. The contract:
///
/// - Inputs between two steps ([`join`](Self::join), [`leave`](Self::leave), [`presence`](Self::presence), [`message`](Self::message),
///   [`request`](Self::request), [`reply`](Self::reply), [`command`](Self::command)) wait for the next [`step`](Self::step), which does them in order.
/// - A step: the commands in force are set; questions run out of time; joins, leaves, messages, requests and replies run their systems; the
///   game's schedule runs.
/// - Equal kinds, options and inputs give equal rooms: equal [exact captures](Self::capture_exact), on every machine.
/// - A panic in a system unwinds out of `step`; the simulation is then to be dropped.
///
/// The law of restoring (`capture_exact`, [`restore`](Self::restore), on and on: the same bits) asks four things of a game. What it
/// remembers is registered ([`replicate`](crate::Game::replicate), [`state`](crate::Game::state), resources): not in `Local`, statics or
/// bevy's messages. Where order matters it visits entities by [`NetEntity`]. It does not use bevy's `Entity` as a number, and neither
/// `Added`, `Changed` nor observers of insertion to decide what happens: after a restore all is new.
///
/// ```
/// use tickwire_sim::prelude::*;
/// use tickwire_sim::{GameKind, SimOptions, Simulation};
///
/// let kind = GameKind::new("empty", |game: &mut Game| { game.seats(2); });
/// let mut simulation = Simulation::new(&kind, SimOptions { seed: 7, ..Default::default() });
/// simulation.join(PlayerInfo { name: "Ann".into(), ..PlayerInfo::default() })?;
/// simulation.step();
/// assert_eq!(simulation.roster().name(Player::new(0)), "Ann");
/// assert_eq!(simulation.capture().tick, simulation.tick());
/// # Ok::<(), tickwire_sim::JoinRefused>(())
/// ```
pub struct Simulation {
    pub(crate) world: World,
    pub(crate) schedule: Schedule,
    pub(crate) after_systems: Vec<BoxedSystem>,
    pub(crate) schema: Arc<Schema>,
    pub(crate) tick: Tick,
    pub(crate) seats: u16,
    pub(crate) computers: u16,
    pub(crate) computer_names: Vec<String>,
    pub(crate) inbox: Inbox,
    pub(crate) columns: Vec<Box<dyn Column>>,
    pub(crate) command: Option<Box<dyn CommandLine>>,
    pub(crate) listeners: Vec<Box<dyn Listener>>,
    pub(crate) answerers: Vec<Box<dyn Answerer>>,
    pub(crate) replies: Vec<Box<dyn ReplyListener>>,
    pub(crate) done_listeners: Vec<Box<dyn DoneListener>>,
    pub(crate) on_join: Vec<BoxedSystem<In<Player>>>,
    pub(crate) on_leave: Vec<BoxedSystem<In<Player>>>,
    pub(crate) owned: QueryState<(Entity, &'static NetEntity, &'static OwnedBy)>,
    pub(crate) capture: Capture,
    pub(crate) division: Division,
    pub(crate) sights: Sights,
    pub(crate) recording: Recording,
    pub(crate) exact_hash: u64,
    pub(crate) own: Owned,
}

impl Simulation {
    /// A new room of a kind, at tick 0, after its start systems ran.
    #[must_use]
    pub fn new(kind: &GameKind, options: SimOptions) -> Self {
        let made = Self::try_make(kind, options);
        let (mut simulation, mut start) =
            made.unwrap_or_else(|error| panic!("game {}: {error}", kind.name()));
        for system in &mut start {
            system.initialize(&mut simulation.world);
            run(system, (), &mut simulation.world);
        }
        simulation
    }

    /// A room before its start systems ran, and these.
    pub(crate) fn try_make(
        kind: &GameKind,
        options: SimOptions,
    ) -> Result<(Self, Vec<BoxedSystem>), GameError> {
        let mut book = kind.book();
        let schema = kind.schema().clone();
        let seats = options.seats.unwrap_or(kind.seats()).clamp(1, SEATS_MAX);
        let computers = options.computers.unwrap_or(kind.computers());
        let world = book.world.take().map_or_else(World::new, |world| *world);
        let mut world = new_world(world, kind, &schema, seats, &book, options);
        set_up(&mut world, &mut book, &schema)?;
        book.division.setup(&mut world);
        if let (Some(command), Some(sealed)) = (&mut book.command, &schema.command) {
            let rules = CommandRules {
                seats,
                missing: book.missing,
                name_any: book.name_any,
            };
            command.setup(&mut world, sealed, rules);
        }
        let recording = Recording::new(std::mem::take(&mut book.rewindables), &mut world);
        let initialized = book.schedule.initialize(&mut world);
        initialized.map_err(|e| GameError::Schedule(e.to_string(book.schedule.graph(), &world)))?;
        for system in book.on_join.iter_mut().chain(&mut book.on_leave) {
            system.initialize(&mut world);
        }
        for system in &mut book.after_systems {
            system.initialize(&mut world);
        }
        for listener in &mut book.listeners {
            listener.initialize(&mut world);
        }
        for answerer in &mut book.answerers {
            answerer.initialize(&mut world);
        }
        for listener in &mut book.replies {
            listener.initialize(&mut world);
        }
        for listener in &mut book.done_listeners {
            listener.initialize(&mut world);
        }
        let mut columns = book.components;
        columns.append(&mut book.resources);
        columns.append(&mut book.beside);
        let simulation = Self {
            owned: world.query(),
            capture: Capture::new(&schema),
            division: book.division,
            sights: Sights::default(),
            recording,
            world,
            schedule: book.schedule,
            after_systems: book.after_systems,
            schema,
            tick: Tick(0),
            seats,
            computers: computers.min(seats),
            computer_names: book.computer_names,
            inbox: Inbox::new(seats),
            columns,
            command: book.command,
            listeners: book.listeners,
            answerers: book.answerers,
            replies: book.replies,
            done_listeners: book.done_listeners,
            on_join: book.on_join,
            on_leave: book.on_leave,
            exact_hash: kind.exact_hash(),
            own: Owned::default(),
        };
        Ok((simulation, book.on_start))
    }

    /// The tick of the last step; 0 before the first.
    #[must_use]
    pub fn tick(&self) -> Tick {
        self.tick
    }

    /// The schema of what it captures.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Who sits where, as of the last step.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        self.world.resource::<Roster>()
    }

    /// The world, to look at.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The world, to change: for tests and tools. What is changed here is not an input, so that nothing can repeat it.
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    /// What a player asks for in the next step. `None`, or no call at all: nothing came, and the game's rule acts.
    pub fn command(&mut self, seat: u16, row: Option<&OwnedRow>) -> Result<(), CommandRefused> {
        let Some(command) = &self.command else {
            return Err(CommandRefused::None);
        };
        let roster = self.world.resource::<Roster>();
        let who = roster.get(Player::new(seat));
        if who.is_none_or(|who| who.computer) {
            return Err(CommandRefused::Seat(seat));
        }
        match row {
            Some(row) => {
                let sight = self.sights.of(seat);
                command.give(&mut self.world, seat, row, sight)?;
            }
            None => command.withhold(&mut self.world, seat),
        }
        Ok(())
    }

    /// What the player's picture showed when they asked for what is in force in the next step, for systems that [look back](Rewind). Whoever
    /// calls has verified it. `None`: they saw none.
    pub fn saw(&mut self, seat: u16, seen: Option<Seen>) {
        if !self.recording.is_empty() {
            self.world.resource_mut::<Rewind>().saw(seat, seen);
        }
    }

    /// What looking back has cost and changed so far.
    #[must_use]
    pub fn rewind_stats(&self) -> RewindStats {
        self.world.resource::<Rewind>().stats()
    }

    /// Whether a command names only entities that its player owns, or may name all the same. To be asked when the command is due. One that
    /// the player does not [see](Self::sight) is named by nobody: a command that may name any names none then.
    pub fn check_command(&self, seat: u16, row: &OwnedRow) -> Result<(), ForeignEntity> {
        match &self.command {
            Some(command) => command.check(&self.world, seat, row, self.sights.of(seat)),
            None => Ok(()),
        }
    }

    /// Whether something has come in that waits for the next step: a join, a leave, a presence, a message or a result; or whether a question waits
    /// for its replies, whose time goes by ticks. Commands do not count.
    #[must_use]
    pub fn has_input(&self) -> bool {
        !self.inbox.is_empty()
            || self.world.resource::<Tasks>().has_refused()
            || !self.world.resource::<Questions>().open.is_empty()
    }

    /// The one step.
    pub fn step(&mut self) {
        self.begin_tick();
        self.refuse_tasks();
        self.keep_computers();
        if let Some(command) = &mut self.command {
            command.settle(&mut self.world);
        }
        self.time_questions();
        while let Some(input) = self.inbox.pop() {
            self.take(input);
        }
        self.run_systems();
        self.place_questions();
        if !self.recording.is_empty() {
            self.recording.take(&mut self.world);
        }
        self.world.clear_trackers();
    }

    /// The state of the room at this tick as viewers may see it. Costs what changed; of an untouched world, the same areas come again.
    pub fn capture(&mut self) -> Arc<Snapshot> {
        let unchanged = self.capture.stats.unchanged;
        let snapshot = self.capture.take(
            &mut self.world,
            &mut self.columns,
            &mut self.division,
            self.tick,
        );
        self.sights
            .look(&self.world, &self.division, &mut self.owned);
        if !self.recording.is_empty() {
            let changed = unchanged == self.capture.stats.unchanged;
            let mut rewind = self.world.resource_mut::<Rewind>();
            rewind.captured(self.tick, changed);
        }
        snapshot
    }

    /// The areas that a seat sees since the last [capture](Self::capture), rising: what all see, the cells around what it owns, what is for it
    /// alone, and what the game [says](crate::Game::sees). Beyond the last seat: what spectators see.
    ///
    /// Where nobody ever was there is no area, though it is seen.
    #[must_use]
    pub fn sight(&self, seat: u16) -> &[AreaId] {
        self.sights.of(seat)
    }

    /// The areas on the grid in which something is that the seat owns, rising.
    #[must_use]
    pub fn near(&self, seat: u16) -> &[AreaId] {
        self.sights.near(seat)
    }

    /// Counts the changes of what any seat [sees](Self::sight).
    #[must_use]
    pub fn sights(&self) -> u64 {
        self.sights.changes
    }

    /// Whether there are several areas.
    #[must_use]
    pub fn is_divided(&self) -> bool {
        self.division.divides()
    }

    /// What captures cost so far.
    #[must_use]
    pub fn capture_stats(&self) -> CaptureStats {
        self.capture.stats
    }

    /// What was dropped so far.
    #[must_use]
    pub fn drops(&self) -> SimDrops {
        SimDrops {
            messages: self.world.resource::<Outbox>().dropped,
            unfit_messages: self.world.resource::<Outbox>().unfit,
            answers: self.world.resource::<Answers>().dropped,
            events: self.world.resource::<EventQueue>().dropped,
            entities: self.world.resource::<Ids>().refused,
            results: self.world.resource::<Tasks>().unheard,
            orders: self.world.resource::<RoomControl>().dropped,
            notices: self.world.resource::<Notices>().dropped,
        }
    }

    /// What the game has sent since the last call.
    #[must_use]
    pub fn take_outbox(&mut self) -> Vec<OutMessage> {
        let outbox = &mut self.world.resource_mut::<Outbox>().queue;
        std::mem::take(outbox)
    }

    /// Whom reliable messages were for that did not fit into the outbox since the last call.
    #[must_use]
    pub fn take_lost(&mut self) -> Vec<To> {
        std::mem::take(&mut self.world.resource_mut::<Outbox>().lost)
    }

    /// Whether one more message or request fits into this tick.
    #[must_use]
    pub fn takes_more(&self) -> bool {
        self.inbox.takes_more()
    }

    /// Whether [`take_outbox`](Self::take_outbox) would give nothing.
    #[must_use]
    pub fn outbox_is_empty(&self) -> bool {
        self.world.resource::<Outbox>().queue.is_empty()
    }

    /// The tasks that the game has started since the last call, to be run by the caller, who tells [`task_done`](Self::task_done); and those that
    /// it wants no more.
    #[must_use]
    pub fn take_tasks(&mut self) -> (Vec<NewTask>, Vec<TaskId>) {
        let mut tasks = self.world.resource_mut::<Tasks>();
        (tasks.take_new(), tasks.take_cancelled())
    }

    /// Whether [`take_tasks`](Self::take_tasks) would give nothing.
    #[must_use]
    pub fn started_no_tasks(&self) -> bool {
        !self.world.resource::<Tasks>().has_new()
    }

    /// What the game wants done with its room since the last call.
    #[must_use]
    pub fn take_orders(&mut self) -> Vec<Order> {
        let orders = &mut self.world.resource_mut::<RoomControl>().orders;
        std::mem::take(orders)
    }

    /// Whether [`take_orders`](Self::take_orders) would give nothing.
    #[must_use]
    pub fn gave_no_orders(&self) -> bool {
        self.world.resource::<RoomControl>().orders.is_empty()
    }

    /// What the game tells identities since the last call.
    #[must_use]
    pub fn take_notices(&mut self) -> Vec<OutNotice> {
        std::mem::take(&mut self.world.resource_mut::<Notices>().queue)
    }

    /// Whether [`take_notices`](Self::take_notices) would give nothing.
    #[must_use]
    pub fn gave_no_notices(&self) -> bool {
        self.world.resource::<Notices>().queue.is_empty()
    }

    /// The game's systems, and what comes after them.
    pub(crate) fn run_systems(&mut self) {
        self.schedule.run(&mut self.world);
        for system in &mut self.after_systems {
            run(system, (), &mut self.world);
        }
    }

    pub(crate) fn begin_tick(&mut self) {
        self.tick = self.tick.next();
        // Before the schedule does it: only here is what it returns passed on to the systems outside of bevy's own schedules.
        if let Some(check) = self.world.check_change_ticks() {
            self.schedule.check_change_ticks(check);
            for system in self.on_join.iter_mut().chain(&mut self.on_leave) {
                system.check_change_tick(check);
            }
            for system in &mut self.after_systems {
                system.check_change_tick(check);
            }
            for listener in &mut self.listeners {
                listener.check_change_tick(check);
            }
            for answerer in &mut self.answerers {
                answerer.check_change_tick(check);
            }
            for listener in &mut self.replies {
                listener.check_change_tick(check);
            }
            for listener in &mut self.done_listeners {
                listener.check_change_tick(check);
            }
        }
        self.world.resource_mut::<CurrentTick>().set(self.tick);
        if !self.recording.is_empty() {
            self.world.resource_mut::<Rewind>().set_now(self.tick);
        }
        self.world.resource_mut::<Ids>().set_now(self.tick);
        self.world.resource_mut::<EventQueue>().expire(self.tick);
    }
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation")
            .field("game", &self.schema.name)
            .field("tick", &self.tick)
            .field("roster", self.roster())
            .finish_non_exhaustive()
    }
}

/// A world with the resources that every game may read.
fn new_world(
    mut world: World,
    kind: &GameKind,
    schema: &Arc<Schema>,
    seats: u16,
    book: &crate::game::Game,
    options: SimOptions,
) -> World {
    let kinds: Vec<_> = book.events.iter().map(|(kind, _)| kind).collect();
    world.insert_resource(Ids::new());
    world.insert_resource(CurrentTick::new(kind.rate()));
    world.insert_resource(Side::Server);
    world.insert_resource(Seed(options.seed));
    world.insert_resource(Roster::new(seats));
    world.insert_resource(RoomAttributes(options.attributes));
    world.insert_resource(EventQueue::new(schema, &kinds, kind.rate()));
    world.insert_resource(Outbox::default());
    world.insert_resource(Answers::default());
    world.insert_resource(Questions::new(seats));
    world.insert_resource(RoomControl::default());
    world.insert_resource(Notices::default());
    let rewindable: Vec<_> = book.rewindables.iter().map(|it| it.component()).collect();
    let cap = book.rewind.ticks(kind.rate());
    let jump = book.rewind.jump;
    world.insert_resource(Rewind::new(seats, kind.tick_us(), cap, jump, &rewindable));
    world.insert_resource(Tasks::default());
    world
}
