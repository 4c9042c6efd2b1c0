//! A kind of game: the function that makes it, checked, with the sealed schema that its rooms and viewers agree on. No world yet.

use std::sync::Arc;

use bevy_ecs::world::World;
use tickwire_snapshot::{Profile, Quant, RecordSchema, Schema};

use crate::column::{Column, is_shown};
use crate::game::{Game, GameError};
use crate::simulation::{SimOptions, Simulation};

/// What a game is: a function that says what it is made of.
pub trait GameFn: Fn(&mut Game) + Send + Sync {}

impl<F: Fn(&mut Game) + Send + Sync> GameFn for F {}

/// A kind of game, ready to be played: rooms of it are [simulations](Simulation). Cheap to clone.
///
/// ```
/// use tickwire_sim::prelude::*;
/// let kind = tickwire_sim::GameKind::new("empty", |game: &mut Game| { game.rate(60); });
/// assert_eq!((kind.rate(), kind.tick_us(), kind.send_every()), (60, 16_667, 2));
/// ```
#[derive(Clone)]
pub struct GameKind {
    name: Arc<str>,
    make: Arc<dyn GameFn>,
    schema: Arc<Schema>,
    exact_hash: u64,
    rate: u16,
    send_every: u8,
    seats: u16,
    computers: u16,
    on_demand: bool,
    sleeps: bool,
    seat_for_each_session: bool,
    watchers: u16,
    watch_every: u8,
    budget: Option<usize>,
    rewind_ticks: Option<u32>,
    advice: Vec<String>,
}

impl GameKind {
    /// Checks a game and seals its schema. Panics with what to do if it cannot be: a game is wrong when it is written, not when it runs.
    #[track_caller]
    pub fn new(name: impl Into<String>, game: impl GameFn + 'static) -> Self {
        let name = name.into();
        match Self::try_new(name.clone(), game) {
            Ok(kind) => kind,
            Err(error) => panic!("game {name}: {error}"),
        }
    }

    /// The same with an error in place of the panic.
    pub fn try_new(
        name: impl Into<String>,
        game: impl GameFn + 'static,
    ) -> Result<Self, GameError> {
        let name: Arc<str> = name.into().into();
        let mut book = Game::new();
        game(&mut book);
        if let Some(fault) = book.faults.first() {
            return Err(fault.clone());
        }
        no_twins(&book)?;
        on_demand_makes_sense(&book)?;
        let kind = Self {
            schema: Arc::new(published(&name, &mut book)?),
            exact_hash: exact(&name, &book)?.hash(),
            rate: book.rate,
            send_every: book.send_every()?,
            seats: book.seats,
            computers: book.computers.min(book.seats),
            on_demand: book.on_demand,
            sleeps: book.sleeps,
            seat_for_each_session: book.seat_for_each_session,
            watchers: book.watchers,
            watch_every: book.watch_every(book.send_every()?),
            budget: book.budget.map(|bytes| {
                let updates = u32::from(book.rate) / u32::from(book.send_every().unwrap_or(1));
                (bytes / updates.max(1)) as usize
            }),
            rewind_ticks: (!book.rewindables.is_empty()).then(|| book.rewind.ticks(book.rate)),
            advice: book.advice,
            make: Arc::new(game),
            name,
        };
        Simulation::try_make(&kind, SimOptions::default())?;
        Ok(kind)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is right and could be better, a text each. A server logs it when it starts.
    #[must_use]
    pub fn advice(&self) -> &[String] {
        &self.advice
    }

    /// The sealed schema of what all may see: the one that viewers agree on.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Ticks a second.
    #[must_use]
    pub fn rate(&self) -> u16 {
        self.rate
    }

    /// Length of a tick in microseconds.
    #[must_use]
    pub fn tick_us(&self) -> u32 {
        tick_us(self.rate)
    }

    /// Ticks from update to update.
    #[must_use]
    pub fn send_every(&self) -> u8 {
        self.send_every
    }

    /// Seats of a room.
    #[must_use]
    pub fn seats(&self) -> u16 {
        self.seats
    }

    /// Players that computer players fill up to.
    #[must_use]
    pub fn computers(&self) -> u16 {
        self.computers
    }

    /// Whether its rooms are stepped only when something came in.
    #[must_use]
    pub fn is_on_demand(&self) -> bool {
        self.on_demand
    }

    /// Whether several sessions of one identity have a seat each.
    #[must_use]
    pub fn seat_for_each_session(&self) -> bool {
        self.seat_for_each_session
    }

    /// Places for spectators in a room.
    #[must_use]
    pub fn watchers(&self) -> u16 {
        self.watchers
    }

    /// Ticks from update to update of a spectator.
    #[must_use]
    pub fn watch_every(&self) -> u8 {
        self.watch_every
    }

    /// Bytes of areas in one update of a player, beside that which all see, if that is bounded.
    #[must_use]
    pub fn budget(&self) -> Option<usize> {
        self.budget
    }

    /// How many ticks back its systems may look, where something can be hit in the past.
    #[must_use]
    pub fn rewind_ticks(&self) -> Option<u32> {
        self.rewind_ticks
    }

    /// Whether its rooms sleep while nobody is online.
    #[must_use]
    pub fn sleeps(&self) -> bool {
        self.sleeps
    }

    /// The hash of all records, hidden ones too: what an exact capture must agree with.
    pub(crate) fn exact_hash(&self) -> u64 {
        self.exact_hash
    }

    /// The book of a new room.
    pub(crate) fn book(&self) -> Game {
        let mut book = Game::new();
        (self.make)(&mut book);
        book
    }
}

impl std::fmt::Debug for GameKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GameKind")
            .field("name", &self.name)
            .field("rate", &self.rate)
            .field("seats", &self.seats)
            .finish_non_exhaustive()
    }
}

fn tick_us(rate: u16) -> u32 {
    let rate = u32::from(rate);
    (1_000_000 + rate / 2) / rate
}

fn on_demand_makes_sense(book: &Game) -> Result<(), GameError> {
    let fault = match (&book.command, book.send_every()?) {
        (Some(command), _) if book.on_demand => format!(
            "{} is a command, and the game is on_demand(): its ticks do not go by the clock, so that nobody can name the tick of a command. \
             Let players send messages, or leave out on_demand()",
            command.record().name
        ),
        (_, 2..) if book.on_demand => {
            "send(): a game that is on_demand() sends every step. Leave out send()".to_owned()
        }
        _ => return Ok(()),
    };
    Err(GameError::Misplaced(fault))
}

fn no_twins(book: &Game) -> Result<(), GameError> {
    let columns = book.components.iter().chain(&book.resources);
    let mut names: Vec<String> = columns.map(|column| column.name()).collect();
    names.sort_unstable();
    let twice = |what, name: &str| GameError::Twice {
        what,
        name: name.to_owned(),
    };
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(twice("component or resource", &pair[0]));
    }
    let mut answered: Vec<u32> = book.answerers.iter().map(|it| it.kind()).collect();
    answered.sort_unstable();
    if let Some(pair) = answered.windows(2).find(|pair| pair[0] == pair[1]) {
        let schemas = book.answerers.iter().flat_map(|it| it.schemas());
        let name = schemas.filter(|m| m.kind == pair[0]).map(|m| m.name).next();
        return Err(twice("a system for request", &name.unwrap_or_default()));
    }
    let mut done: Vec<&str> = book.done_listeners.iter().map(|l| l.name()).collect();
    done.sort_unstable();
    if let Some(pair) = done.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(twice("a system for the result", pair[0]));
    }
    let mut heard: Vec<u32> = book.listeners.iter().map(|l| l.kind()).collect();
    heard.sort_unstable();
    match heard.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            let schemas = book.listeners.iter().map(|l| l.schema());
            let name = schemas.filter(|m| m.kind == pair[0]).map(|m| m.name).next();
            Err(twice("a system for message", &name.unwrap_or_default()))
        }
        None => Ok(()),
    }
}

/// The schema of what all may see.
fn published(name: &str, book: &mut Game) -> Result<Schema, GameError> {
    let mut schema = Schema::new(name, tick_us(book.rate));
    schema.components = records(&book.components).filter(is_shown).collect();
    schema.resources = records(&book.resources).filter(is_shown).collect();
    let visible = |records: &mut Vec<RecordSchema>| {
        for record in records {
            *record = record.visible();
        }
    };
    visible(&mut schema.components);
    visible(&mut schema.resources);
    schema.events = book
        .events
        .iter()
        .map(|(_, record)| record.visible())
        .collect();
    let command = book.command.as_ref();
    schema.command = command.map(|command| command.record().visible());
    if let Some(record) = schema.command.as_mut().filter(|_| book.division.divides()) {
        name_any_area(record);
    }
    schema.profile = book.profile;
    schema.messages = book.messages.clone();
    let heard = book.listeners.iter().map(|it| it.schema());
    let answered = book.answerers.iter().flat_map(|it| it.schemas());
    let replied = book.replies.iter().flat_map(|it| it.schemas());
    for message in heard.chain(answered).chain(replied) {
        schema.add_message(message);
    }
    schema.seal()?;
    if book.codebook.is_empty() {
        return Ok(schema);
    }
    if schema.profile != Profile::Dense {
        let advice = "codebook(): only the dense profile begins with one: say codec(Profile::Dense), or leave it out";
        book.advice.push(advice.to_owned());
    } else {
        let (fitted, without) = book.codebook.fitted(&schema);
        if !without.is_empty() {
            let tables = without.join(", ");
            book.advice.push(format!(
                "codebook(): some of what it was trained on has changed since, among {tables}, and begins with guesses: train it anew"
            ));
        }
        schema.codebook = fitted;
        schema.seal()?;
    }
    Ok(schema)
}

/// Commands of a game with several areas name entities by area, slot and generation.
fn name_any_area(command: &mut RecordSchema) {
    let entities = command.fields.iter_mut();
    for field in entities.filter(|field| field.quant == Quant::Entity) {
        field.quant = Quant::Target;
    }
}

/// The schema of everything, to tell games apart that look alike to viewers.
fn exact(name: &str, book: &Game) -> Result<Schema, GameError> {
    let mut schema = Schema::new(name, tick_us(book.rate));
    schema.components = records(&book.components).collect();
    schema.resources = records(&book.resources).collect();
    schema.events = book
        .events
        .iter()
        .map(|(_, record)| record.clone())
        .collect();
    let command = book.command.as_ref();
    schema.command = command.map(|command| command.record().clone());
    schema.seal()?;
    Ok(schema)
}

fn records(columns: &[Box<dyn Column>]) -> impl Iterator<Item = RecordSchema> {
    columns.iter().filter_map(|column| column.record())
}

/// Where the area keeps a registered record, if all may see it.
pub(crate) fn table_of(schema: &Schema, column: &dyn Column, resource: bool) -> Option<usize> {
    let record = column.record().filter(is_shown)?;
    match resource {
        true => schema.resource(&record.name),
        false => schema.component(&record.name),
    }
}

/// Makes a world know everything that the book says.
pub(crate) fn set_up(world: &mut World, book: &mut Game, schema: &Schema) -> Result<(), GameError> {
    for column in &mut book.components {
        let table = table_of(schema, column.as_ref(), false);
        column.setup(world, table)?;
    }
    for column in &mut book.resources {
        let table = table_of(schema, column.as_ref(), true);
        column.setup(world, table)?;
    }
    for column in &mut book.beside {
        column.setup(world, None)?;
    }
    Ok(())
}
