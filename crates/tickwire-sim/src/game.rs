//! A game as it introduces itself: its records, its systems, its rules. What becomes of them is `kind`'s and `simulation`'s matter.

use std::any::{Any, TypeId, type_name};
use std::sync::Arc;
use std::time::Duration;

use bevy_ecs::component::Component;
use bevy_ecs::resource::Resource;
use bevy_ecs::schedule::{
    IntoScheduleConfigs, LogLevel, Schedule, ScheduleBuildSettings, ScheduleLabel,
    SingleThreadedExecutor,
};
use bevy_ecs::system::{BoxedSystem, In, IntoSystem, ScheduleSystem};
use bevy_ecs::world::{FromWorld, World};
use tickwire_snapshot::message::{Message, Request};
use tickwire_snapshot::record::Record;
use tickwire_snapshot::{
    Codebook, CodebookError, MessageSchema, Profile, RecordSchema, SchemaError, Scope,
};

use crate::ask::{
    Answer, Answerer, AnswersLater, AnswersNow, Asked, HearsReplies, Replied, ReplyListener,
};
use crate::column::{AsksColumn, Column, Components, Singleton};
use crate::command::{CommandLine, Line, MissingCommand, PlayerCommand};
use crate::division::Division;
use crate::event::{EventKind, GameEvent};
use crate::message::{FromPlayer, Hears, Listener};
use crate::player::{OwnedBy, Player, SEATS_MAX, disowned};
use crate::replica::Told;
use crate::rewind::{REWIND_MAX, Recorder, RewindRules};
use crate::task::{Done, DoneListener, HearsDone};

/// Ticks a second at most.
pub const RATE_MAX: u16 = 240;
/// Places for spectators in a room at most.
pub const WATCHERS_MAX: u16 = 2_048;
/// Updates a second for spectators, unless the game says otherwise.
const WATCH_HZ: u32 = 5;

/// A component that viewers may see. Made by `#[derive(Replicate)]`, which makes it a [`Component`] too.
pub trait Replicate: Record + Component {}

/// A resource that viewers may see. Made by `#[derive(Replicate)]` with `#[net(resource)]`, which makes it a [`Resource`] too.
pub trait ReplicateResource: Record + Resource {}

/// The label of the game's one schedule.
#[derive(ScheduleLabel, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ticking;

/// Why a game cannot be: its author's fault, with what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GameError {
    /// A tick rate that is none.
    #[error("rate({0}): choose 1 to {RATE_MAX} ticks a second")]
    Rate(u32),
    /// Bytes that are no codebook.
    #[error("codebook(): {0}")]
    Codebook(CodebookError),
    /// A send rate that does not divide the tick rate.
    #[error(
        "send({send}): updates go every so many ticks, so choose a divisor of rate({rate}), such as {better}"
    )]
    Send {
        /// Updates a second, as asked for.
        send: u32,
        /// Ticks a second.
        rate: u16,
        /// The next divisor.
        better: u32,
    },
    /// No seat, or too many.
    #[error("seats({0}): choose 1 to {SEATS_MAX}")]
    Seats(u32),
    /// Too many places for spectators.
    #[error("watchers({0}): choose 0 to {WATCHERS_MAX}")]
    Watchers(u32),
    /// A past that is too long.
    #[error("rewind({0:?}): choose at most {REWIND_MAX:?}")]
    Rewind(Duration),
    /// One thing registered twice.
    #[error("{what} {name} is registered twice: keep one")]
    Twice {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// More than one type of command.
    #[error("commands {0} and {1}: a game has one type of command; make them fields of one")]
    TwoCommands(String, String),
    /// A record in the wrong place.
    #[error("{0}")]
    Misplaced(String),
    /// Records that make no schema.
    #[error("{0}")]
    Schema(#[from] SchemaError),
    /// Systems that make no schedule.
    #[error("{0}")]
    Schedule(String),
}

/// The book in which a game writes what it is made of. The function that fills it in is the game.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_sim::prelude::*;
/// use tickwire_sim::{GameKind, Simulation};
///
/// #[derive(Resource, Default)]
/// struct Rounds(u32);
///
/// fn count(mut rounds: ResMut<Rounds>) {
///     rounds.0 += 1;
/// }
///
/// fn game(game: &mut Game) {
///     game.rate(20).seats(4).on_start(|mut commands: Commands| commands.init_resource::<Rounds>()).systems(count);
/// }
///
/// let kind = GameKind::new("rounds", game);
/// let mut simulation = Simulation::new(&kind, Default::default());
/// simulation.step();
/// assert_eq!(simulation.world().resource::<Rounds>().0, 1);
/// ```
pub struct Game {
    pub(crate) rate: u16,
    pub(crate) send: Option<u32>,
    pub(crate) profile: Profile,
    pub(crate) codebook: Codebook,
    pub(crate) seats: u16,
    pub(crate) computers: u16,
    pub(crate) computer_names: Vec<String>,
    pub(crate) advice: Vec<String>,
    pub(crate) missing: MissingCommand,
    pub(crate) name_any: bool,
    pub(crate) on_demand: bool,
    pub(crate) sleeps: bool,
    pub(crate) seat_for_each_session: bool,
    pub(crate) watchers: u16,
    pub(crate) watch: u32,
    pub(crate) components: Vec<Box<dyn Column>>,
    pub(crate) resources: Vec<Box<dyn Column>>,
    /// Kept in exact captures beside what is registered.
    pub(crate) beside: Vec<Box<dyn Column>>,
    pub(crate) command: Option<Box<dyn CommandLine>>,
    pub(crate) division: Division,
    pub(crate) budget: Option<u32>,
    pub(crate) events: Vec<(EventKind, RecordSchema)>,
    pub(crate) messages: Vec<MessageSchema>,
    pub(crate) listeners: Vec<Box<dyn Listener>>,
    pub(crate) answerers: Vec<Box<dyn Answerer>>,
    pub(crate) replies: Vec<Box<dyn ReplyListener>>,
    pub(crate) done_listeners: Vec<Box<dyn DoneListener>>,
    pub(crate) on_start: Vec<BoxedSystem>,
    pub(crate) on_join: Vec<BoxedSystem<In<Player>>>,
    pub(crate) on_leave: Vec<BoxedSystem<In<Player>>>,
    pub(crate) rewindables: Vec<Box<dyn Recorder>>,
    pub(crate) rewind: RewindRules,
    pub(crate) schedule: Schedule,
    pub(crate) after_systems: Vec<BoxedSystem>,
    pub(crate) world: Option<Box<World>>,
    pub(crate) faults: Vec<GameError>,
}

impl Game {
    pub(crate) fn new() -> Self {
        let mut schedule = Schedule::new(Ticking);
        schedule.set_executor(SingleThreadedExecutor::new());
        schedule.set_build_settings(ScheduleBuildSettings {
            ambiguity_detection: LogLevel::Error,
            ..ScheduleBuildSettings::default()
        });
        let mut game = Self {
            rate: 30,
            send: None,
            profile: Profile::default(),
            codebook: Codebook::default(),
            seats: 16,
            computers: 0,
            computer_names: Vec::new(),
            advice: Vec::new(),
            missing: MissingCommand::default(),
            name_any: false,
            on_demand: false,
            sleeps: false,
            seat_for_each_session: false,
            watchers: 0,
            watch: WATCH_HZ,
            components: Vec::new(),
            resources: Vec::new(),
            beside: Vec::new(),
            command: None,
            division: Division::default(),
            budget: None,
            events: Vec::new(),
            messages: Vec::new(),
            listeners: Vec::new(),
            answerers: Vec::new(),
            replies: Vec::new(),
            done_listeners: Vec::new(),
            on_start: Vec::new(),
            on_join: Vec::new(),
            on_leave: Vec::new(),
            rewindables: Vec::new(),
            rewind: RewindRules::default(),
            schedule,
            after_systems: Vec::new(),
            world: None,
            faults: Vec::new(),
        };
        let owned = Components::<OwnedBy>::with_hook(disowned);
        game.components.push(Box::new(owned));
        game
    }

    /// Ticks a second: 30 unless said otherwise.
    pub fn rate(&mut self, hz: u32) -> &mut Self {
        match u16::try_from(hz) {
            Ok(rate @ 1..=RATE_MAX) => self.rate = rate,
            _ => self.faults.push(GameError::Rate(hz)),
        }
        self
    }

    /// Updates a second, a divisor of the tick rate; unless said otherwise the greatest one up to 30.
    pub fn send(&mut self, hz: u32) -> &mut Self {
        self.send = Some(hz);
        self
    }

    /// How updates are coded: [`Profile::Fast`] unless said otherwise. [`Profile::Dense`] takes about half the bytes and more time, once a room
    /// and update, however many watch.
    pub fn codec(&mut self, profile: Profile) -> &mut Self {
        self.profile = profile;
        self
    }

    /// What dense updates begin with: the bytes of a [`Codebook`](tickwire_snapshot::Codebook), trained on play of this game. Any Tickwire
    /// server that is told a `train_dir` makes one of what is played on it; `include_bytes!` it in code that server and clients share. Of a component that was changed since, it says nothing any more,
    /// which the log tells. The profile *fast* has no use for it.
    pub fn codebook(&mut self, bytes: &'static [u8]) -> &mut Self {
        match Codebook::from_bytes(bytes) {
            Ok(book) => self.codebook = book,
            Err(error) => self.faults.push(GameError::Codebook(error)),
        }
        self
    }

    /// Seats of a room: 16 unless said otherwise.
    pub fn seats(&mut self, seats: u32) -> &mut Self {
        match u16::try_from(seats) {
            Ok(seats @ 1..=SEATS_MAX) => self.seats = seats,
            _ => self.faults.push(GameError::Seats(seats)),
        }
        self
    }

    /// Steps a room when something came in, at most at its rate, and not by the clock: for chats, turns and other rooms that have no time
    /// of their own. After the last change it is stepped on until everybody has been told of it, which is one step more as a rule.
    ///
    /// Such a game has no [`command`](Self::command), since commands name ticks to come: its players send messages. Every step is sent.
    ///
    /// ```
    /// use bevy_ecs::prelude::*;
    /// use serde::{Deserialize, Serialize};
    /// use tickwire_sim::prelude::*;
    ///
    /// #[derive(NetMessage, Serialize, Deserialize)]
    /// struct Say { text: String }
    ///
    /// fn say(In(said): In<FromPlayer<Say>>, mut outbox: ResMut<Outbox>) {
    ///     outbox.all(&said.message);
    /// }
    ///
    /// /// The whole of a chat.
    /// fn chat(game: &mut Game) {
    ///     game.on_demand().seats(1_000).on_message(say);
    /// }
    /// # tickwire_sim::GameKind::new("chat", chat);
    /// ```
    pub fn on_demand(&mut self) -> &mut Self {
        self.on_demand = true;
        self
    }

    /// Lets a room sleep while no member of it is online: it is not stepped, its tick stands still, and it is not closed as empty. A join, a
    /// member who is back, a message or a result that it waits for wakes it.
    pub fn sleeps(&mut self) -> &mut Self {
        self.sleeps = true;
        self
    }

    /// Places for spectators beside the seats: none unless said otherwise. They see what all may see, and the game does not see them.
    pub fn watchers(&mut self, places: u32) -> &mut Self {
        match u16::try_from(places) {
            Ok(places @ 0..=WATCHERS_MAX) => self.watchers = places,
            _ => self.faults.push(GameError::Watchers(places)),
        }
        self
    }

    /// Updates a second for spectators: 5 unless said otherwise, and never more than for players. The nearest rate that is not above it.
    pub fn watch_hz(&mut self, hz: u32) -> &mut Self {
        self.watch = hz.max(1);
        self
    }

    /// Fills seats with computer players so that there are `n` players; each gives its seat to a person who comes.
    ///
    /// They join and leave like people (see [`Roster::is_computer`](crate::Roster::is_computer)); what they ask for is the game's to
    /// write, into the [`Asks`](crate::Asks) of what they own.
    pub fn computer_players(&mut self, n: u32) -> &mut Self {
        self.computers = u16::try_from(n).unwrap_or(u16::MAX);
        self
    }

    /// Each session has a seat of its own, also where several are of one identity: a chat that somebody follows on two devices.
    ///
    /// Without it an identity has one seat in a room, and its newest session takes that over.
    pub fn seat_for_each_session(&mut self) -> &mut Self {
        self.seat_for_each_session = true;
        self
    }

    /// Names of computer players, taken in turn.
    pub fn computer_names<N: Into<String>>(
        &mut self,
        names: impl IntoIterator<Item = N>,
    ) -> &mut Self {
        self.computer_names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Shows a component to viewers. Its entities get a [`NetEntity`](crate::NetEntity) by themselves.
    ///
    /// All see it, unless the game has a [grid](Self::grid). Fields and components of other scopes than `all` are in exact captures only;
    /// those of scope `owner` are also told to their owner's client, where that predicts.
    ///
    /// A component whose `Component` is not made by `derive(Replicate)` should have `#[component(summary_tick)]`: without it all its
    /// rows are looked at in each tick, changed or not, and [`GameKind::advice`](crate::GameKind::advice) says so.
    pub fn replicate<C: Record + Component>(&mut self) -> &mut Self {
        if !C::HAS_SUMMARY_TICK {
            self.advice.push(format!(
                "component {}: all its rows are looked at in each tick, changed or not. Derive Replicate for it, or let it have #[component(summary_tick)]",
                C::schema().name
            ));
        }
        self.components.push(Box::new(Components::<C>::new()));
        self
    }

    /// Shows a resource to viewers, and starts the room with it.
    pub fn resource<R: Record + Resource + FromWorld>(&mut self) -> &mut Self {
        self.resources.push(Box::new(Singleton::<R>::new()));
        self
    }

    /// Keeps a component in exact captures. Its scope must be `server`: no viewer ever hears of it.
    pub fn state<C: Record + Component>(&mut self) -> &mut Self {
        self.must_be_hidden(&C::schema(), "replicate");
        self.components.push(Box::new(Components::<C>::new()));
        self
    }

    /// Keeps a resource in exact captures, and starts the room with it. Its scope must be `server`.
    pub fn state_resource<R: Record + Resource + FromWorld>(&mut self) -> &mut Self {
        self.must_be_hidden(&R::schema(), "resource");
        self.resources.push(Box::new(Singleton::<R>::new()));
        self
    }

    /// What players ask for. A game has at most one such type.
    pub fn command<C: PlayerCommand>(&mut self) -> &mut Self {
        if let Some(other) = &self.command {
            let other = other.record().name.clone();
            let fault = GameError::TwoCommands(other, C::schema().name);
            self.faults.push(fault);
            return self;
        }
        self.command = Some(Box::new(Line::<C>::new()));
        self.beside.push(Box::new(AsksColumn::<C>::new()));
        self
    }

    /// What a person asks for when no command comes in time.
    pub fn missing(&mut self, rule: MissingCommand) -> &mut Self {
        self.missing = rule;
        self
    }

    /// Commands may name entities that their player does not own. Else such a command is dropped and counted.
    pub fn commands_may_name_any(&mut self) -> &mut Self {
        self.name_any = true;
        self
    }

    /// Something that happens at a tick, for [`Emit`](crate::Emit).
    pub fn event<E: GameEvent>(&mut self) -> &mut Self {
        self.add_event::<E>(None)
    }

    pub(crate) fn add_event<E: GameEvent>(
        &mut self,
        place: Option<Arc<dyn Any + Send + Sync>>,
    ) -> &mut Self {
        let record = E::schema();
        let kind = EventKind {
            type_id: TypeId::of::<E>(),
            name: record.name.clone(),
            lifetime: E::LIFETIME,
            place,
            told: Told::of::<E>(),
        };
        self.events.push((kind, record));
        self
    }

    /// A message that the game sends, by its [`Outbox`](crate::Outbox).
    pub fn message<M: Message>(&mut self) -> &mut Self {
        self.messages.push(M::schema());
        self
    }

    /// A system that hears one kind of message, at the start of the tick after it came.
    pub fn on_message<M, Marker>(
        &mut self,
        system: impl IntoSystem<In<FromPlayer<M>>, (), Marker>,
    ) -> &mut Self
    where
        M: Message + Send + Sync + 'static,
    {
        let system: BoxedSystem<In<FromPlayer<M>>> = Box::new(IntoSystem::into_system(system));
        self.listeners.push(Box::new(Hears { system }));
        self
    }

    /// A system that answers one kind of request, at the start of the tick after it came: at most once for each, whatever links are cut.
    ///
    /// Servers do not hand requests to games yet: a client hears `NotFound`. What calls these systems today is [`Simulation::request`](crate::Simulation::request).
    ///
    /// ```
    /// use bevy_ecs::prelude::*;
    /// use serde::{Deserialize, Serialize};
    /// use tickwire_sim::prelude::*;
    ///
    /// #[derive(Serialize, Deserialize, NetMessage)]
    /// struct Loadout { weapon: u8 }
    /// #[derive(Serialize, Deserialize, NetMessage)]
    /// struct LoadoutOk { ammunition: u16 }
    /// impl Request for Loadout { type Reply = LoadoutOk; }
    ///
    /// fn loadout(In(asked): In<FromPlayer<Loadout>>) -> Result<LoadoutOk, Refusal> {
    ///     match asked.message.weapon {
    ///         0..4 => Ok(LoadoutOk { ammunition: 50 }),
    ///         _ => Err(Refusal::new("NoSuchWeapon", "choose a weapon from 0 to 3")),
    ///     }
    /// }
    /// # fn game(game: &mut Game) { game.on_request(loadout); }
    /// # tickwire_sim::GameKind::new("weapons", game);
    /// ```
    pub fn on_request<Q, Marker>(
        &mut self,
        system: impl IntoSystem<In<FromPlayer<Q>>, Answer<Q>, Marker>,
    ) -> &mut Self
    where
        Q: Request + Send + Sync + 'static,
        Q::Reply: Send + Sync + 'static,
    {
        let system: BoxedSystem<In<FromPlayer<Q>>, Answer<Q>> =
            Box::new(IntoSystem::into_system(system));
        self.answerers.push(Box::new(AnswersNow { system }));
        self
    }

    /// A system that hears one kind of request and answers it later, by its ticket and [`Answers`](crate::Answers).
    pub fn on_request_later<Q, Marker>(
        &mut self,
        system: impl IntoSystem<In<Asked<Q>>, (), Marker>,
    ) -> &mut Self
    where
        Q: Request + Send + Sync + 'static,
    {
        let system: BoxedSystem<In<Asked<Q>>> = Box::new(IntoSystem::into_system(system));
        self.answerers.push(Box::new(AnswersLater { system }));
        self
    }

    /// A system that hears what players reply to one kind of question, one outcome for each who was asked by
    /// [`Questions`](crate::Questions).
    pub fn on_reply<Q, Marker>(
        &mut self,
        system: impl IntoSystem<In<Replied<Q>>, (), Marker>,
    ) -> &mut Self
    where
        Q: Request + Send + Sync + 'static,
        Q::Reply: Send + Sync + 'static,
    {
        let system: BoxedSystem<In<Replied<Q>>> = Box::new(IntoSystem::into_system(system));
        self.replies.push(Box::new(HearsReplies { system }));
        self
    }

    /// A system that hears what became of the [tasks](crate::Tasks) with results of one type, at the start of the tick after it came.
    pub fn on_done<T, Marker>(
        &mut self,
        system: impl IntoSystem<In<Done<T>>, (), Marker>,
    ) -> &mut Self
    where
        T: Message + Send + Sync + 'static,
    {
        let system: BoxedSystem<In<Done<T>>> = Box::new(IntoSystem::into_system(system));
        self.done_listeners.push(Box::new(HearsDone { system }));
        self
    }

    /// A system that runs once, when the room begins: for maps and for what is always there.
    ///
    /// It also runs before a restore, which then replaces all entities that have registered components, and all registered resources.
    pub fn on_start<Marker>(&mut self, system: impl IntoSystem<(), (), Marker>) -> &mut Self {
        let system = IntoSystem::into_system(system);
        self.on_start.push(Box::new(system));
        self
    }

    /// A system that runs for each player who takes a seat, at the start of a tick.
    pub fn on_join<Marker>(
        &mut self,
        system: impl IntoSystem<In<Player>, (), Marker>,
    ) -> &mut Self {
        let system = IntoSystem::into_system(system);
        self.on_join.push(Box::new(system));
        self
    }

    /// A system that runs for each player who leaves, at the start of a tick; what they own is despawned after it.
    pub fn on_leave<Marker>(
        &mut self,
        system: impl IntoSystem<In<Player>, (), Marker>,
    ) -> &mut Self {
        let system = IntoSystem::into_system(system);
        self.on_leave.push(Box::new(system));
        self
    }

    /// Systems that run each tick, on one thread. Two that touch the same data must be ordered, by `.chain()` or `.before()`: that their
    /// order is left open is an error, since the outcome would be too.
    pub fn systems<Marker>(
        &mut self,
        systems: impl IntoScheduleConfigs<ScheduleSystem, Marker>,
    ) -> &mut Self {
        self.schedule.add_systems(systems);
        self
    }

    /// A system that runs each tick after all [`systems`](Self::systems), with the world to itself, in the order of these calls: for what has schedules
    /// of its own, such as the plugins that `tickwire-bevy` hosts. Where a client predicts it runs there too, as all systems do.
    ///
    /// ```
    /// use bevy_ecs::prelude::*;
    /// use bevy_ecs::schedule::ScheduleLabel;
    /// use tickwire_sim::prelude::*;
    /// use tickwire_sim::{GameKind, SimOptions, Simulation};
    ///
    /// #[derive(Resource, Default)]
    /// struct Steps(u32);
    /// #[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
    /// struct Physics;
    ///
    /// fn game(game: &mut Game) {
    ///     let mut world = World::new();
    ///     world.init_resource::<Steps>();
    ///     let mut physics = Schedule::new(Physics);
    ///     physics.set_executor(bevy_ecs::schedule::SingleThreadedExecutor::new());
    ///     physics.add_systems(|mut steps: ResMut<Steps>| steps.0 += 1);
    ///     world.add_schedule(physics);
    ///     game.world(world).after_systems(|world: &mut World| world.run_schedule(Physics));
    /// }
    ///
    /// let mut room = Simulation::new(&GameKind::new("physics", game), SimOptions::default());
    /// room.step();
    /// room.step();
    /// assert_eq!(room.world().resource::<Steps>().0, 2);
    /// ```
    pub fn after_systems<Marker>(&mut self, system: impl IntoSystem<(), (), Marker>) -> &mut Self {
        let system = IntoSystem::into_system(system);
        self.after_systems.push(Box::new(system));
        self
    }

    /// The world that a room begins with, in place of an empty one: with resources, observers, schedules and whatever else is in it. At most once in
    /// a game. The function that fills in the game makes another for each room.
    ///
    /// Entities in it are no part of the game's state, unless they get registered components by a system.
    pub fn world(&mut self, world: World) -> &mut Self {
        if self.world.replace(Box::new(world)).is_some() {
            let text =
                "world() is called twice: a room begins with one world; put into it what both hold";
            self.fault(GameError::Misplaced(text.to_owned()));
        }
        self
    }

    /// Says that this game cannot be, and why: for what builds games out of other things. [`GameKind::try_new`](crate::GameKind::try_new) gives the first
    /// fault, and makes no kind.
    pub fn fault(&mut self, error: GameError) -> &mut Self {
        self.faults.push(error);
        self
    }

    fn must_be_hidden(&mut self, record: &RecordSchema, instead: &str) {
        if record.scope != Scope::Server {
            let name = &record.name;
            let fault = format!(
                "{name} is state of the server, but its scope is {:?}: add #[net(scope = server)], or register it by {instead}::<{name}>()",
                record.scope
            );
            self.faults.push(GameError::Misplaced(fault));
        }
    }

    /// Ticks from update to update of a spectator: a multiple of those of a player.
    pub(crate) fn watch_every(&self, send_every: u8) -> u8 {
        if self.on_demand {
            return send_every;
        }
        let send_every = u32::from(send_every.max(1));
        let updates = (u32::from(self.rate) / send_every).max(1);
        let fewer = updates.div_ceil(self.watch.clamp(1, updates));
        let most = u32::from(u8::MAX) / send_every;
        (fewer.min(most.max(1)) * send_every) as u8 // it fits
    }

    /// Ticks from update to update.
    pub(crate) fn send_every(&self) -> Result<u8, GameError> {
        let rate = u32::from(self.rate);
        if self.on_demand && self.send.is_none() {
            return Ok(1);
        }
        let wanted = self.send.unwrap_or(30.min(rate));
        let fits = |hz: &u32| rate.is_multiple_of(*hz) && rate / hz <= u32::from(u8::MAX);
        // The greatest divisor up to what is wanted, else the least that can be said in a byte.
        let divisor = (1..=wanted.min(rate)).rev().find(fits);
        let divisor = divisor.or_else(|| (1..=rate).find(fits)).unwrap_or(rate);
        if self.send.is_some_and(|send| send != divisor) {
            return Err(GameError::Send {
                send: wanted,
                rate: self.rate,
                better: divisor,
            });
        }
        Ok((rate / divisor) as u8) // it fits
    }
}

impl std::fmt::Debug for Game {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = |columns: &[Box<dyn Column>]| -> Vec<String> {
            columns.iter().map(|column| column.name()).collect()
        };
        f.debug_struct(type_name::<Self>())
            .field("rate", &self.rate)
            .field("seats", &self.seats)
            .field("components", &names(&self.components))
            .field("resources", &names(&self.resources))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every(rate: u32, send: Option<u32>) -> Result<u8, GameError> {
        let mut game = Game::new();
        game.rate(rate);
        if let Some(send) = send {
            game.send(send);
        }
        game.send_every()
    }

    #[test]
    fn spectators_get_fewer_updates() {
        let every = |rate, send_every, hz| {
            let mut game = Game::new();
            game.rate(rate).watch_hz(hz);
            game.watch_every(send_every)
        };
        assert_eq!(every(60, 2, 5), 12);
        assert_eq!(every(30, 1, 5), 6);
        assert_eq!(every(30, 1, 7), 5, "not above what was asked for");
        assert_eq!(every(30, 1, 1_000), 1, "never more than a player");
        assert_eq!(every(240, 240, 5), 240);
        assert_eq!(every(240, 1, 0), 240);
    }

    #[test]
    fn updates_go_every_so_many_ticks() {
        assert_eq!(every(60, None), Ok(2));
        assert_eq!(every(60, Some(30)), Ok(2));
        assert_eq!(every(30, None), Ok(1));
        assert_eq!(every(20, None), Ok(1));
        assert_eq!(every(50, None), Ok(2));
        assert_eq!(every(240, Some(1)), Ok(240));
        let error = every(60, Some(25)).unwrap_err().to_string();
        assert_eq!(
            error,
            "send(25): updates go every so many ticks, so choose a divisor of rate(60), such as 20"
        );
        assert!(every(60, Some(0)).is_err());
        assert!(every(60, Some(120)).is_err());
    }
}
