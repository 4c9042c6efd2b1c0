//! A game as a `bevy_ecs` world: what it registers, the one step, capture and restore. No clock, no socket, no viewer.
//!
//! A game is a function that fills in a [`Game`]. [`GameKind`] checks it and seals its schema; a [`Simulation`] is a room of it. Here is
//! the whole of a game, run without any network:
//!
//! ```
//! use bevy_ecs::prelude::*;
//! use tickwire_sim::prelude::*;
//! use tickwire_sim::{GameKind, SimOptions, Simulation};
//! use tickwire_snapshot::{AreaId, OwnedRow, record::{NoRefs, Record}};
//!
//! #[derive(Replicate, Default)]
//! struct Dot { #[net(range = 0.0..=800.0, step = 0.1)] x: f32, #[net(range = 0.0..=600.0, step = 0.1)] y: f32, hue: u8 }
//!
//! #[derive(PlayerCommand, Clone, Copy, Default)]
//! struct Steer { #[net(range = -1..=1)] x: i8, #[net(range = -1..=1)] y: i8 }
//!
//! fn join(In(player): In<Player>, mut commands: Commands) {
//!     commands.spawn((Dot { x: 400.0, y: 300.0, hue: player.hue() }, OwnedBy(player)));
//! }
//!
//! fn steer(mut dots: Query<(&mut Dot, &Asks<Steer>)>) {
//!     for (mut dot, ask) in &mut dots {
//!         dot.x = (dot.x + 6.0 * f32::from(ask.x)).clamp(0.0, 800.0);
//!         dot.y = (dot.y + 6.0 * f32::from(ask.y)).clamp(0.0, 600.0);
//!     }
//! }
//!
//! fn hello(game: &mut Game) {
//!     game.rate(30).seats(64).replicate::<Dot>().command::<Steer>().on_join(join).systems(steer);
//! }
//!
//! let mut room = Simulation::new(&GameKind::new("hello", hello), SimOptions::default());
//! room.join(PlayerInfo { name: "Ann".into(), ..PlayerInfo::default() })?;
//! room.step();
//!
//! // What Ann's client would send: a row of the schema's command.
//! let schema = room.schema().clone();
//! let record = schema.command.as_ref().expect("the game has commands");
//! let mut right = OwnedRow::new(record);
//! Steer { x: 1, y: 0 }.write(&mut right.row_mut(record), &NoRefs);
//! room.command(0, Some(&right))?;
//! room.step();
//! room.step(); // nothing came in time: the last command is repeated
//!
//! // What everybody would see.
//! let snapshot = room.capture();
//! let area = snapshot.area(AreaId::ALL).expect("there is one area");
//! let dot = schema.component("Dot").expect("it is registered");
//! let x = schema.components[dot].field("x").expect("it is a field");
//! assert_eq!(area.number(dot, 1, x), Some(412.0));
//!
//! // Saved, restored, stepped on: the same room.
//! let mut copy = Simulation::new(&GameKind::new("hello", hello), SimOptions::default());
//! copy.restore(&room.capture_exact())?;
//! room.step();
//! copy.step();
//! assert_eq!(room.capture_exact(), copy.capture_exact());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a viewer may not see is on no wire: hidden components and fields ([`Scope`](tickwire_snapshot::Scope)s other than `all`) are in
//! exact captures only (and, of scope `owner`, on the way to an owner whose client predicts), and in a game with a [grid](Game::grid) a player is told of what is around what they own.

extern crate self as tickwire_sim; // for what derives generate, in here too

#[doc(hidden)]
pub mod __private;
mod areas;
mod ask;
mod capture;
mod chance;
mod column;
mod command;
mod control;
mod division;
mod entity;
mod event;
mod exact;
mod game;
mod grid;
mod ids;
mod inbox;
mod kind;
pub mod math;
mod message;
mod mirror;
mod notice;
mod own;
mod player;
pub mod prelude;
mod refs;
mod replica;
mod rewind;
mod save;
mod seats;
mod side;
mod sight;
mod simulation;
mod system;
mod task;
mod time;

pub use areas::SeenBy;
pub use ask::{
    ANSWERS_MAX, Answer, Answers, Asked, NoReply, OutAnswer, OutQuestion, QUESTIONS_MAX,
    QuestionId, Questions, Replied, Ticket, TooManyQuestions,
};
pub use capture::CaptureStats;
pub use chance::Chance;
pub use command::{CommandRefused, ForeignEntity, MissingCommand, PlayerCommand};
pub use control::{MoveTo, ORDERS_MAX, Order, RoomControl};
pub use entity::EntityMarker;
pub use event::{EVENTS_WAITING_MAX, Emit, GameEvent};
pub use exact::{Exact, RestoreError};
pub use game::{Game, GameError, RATE_MAX, Replicate, ReplicateResource, WATCHERS_MAX};
pub use grid::SIGHT_AREAS_MAX;
pub use ids::{NetEntity, ROOM_ENTITIES_MAX};
pub use inbox::{INBOX_MAX, JoinRefused};
pub use kind::{GameFn, GameKind};
pub use message::{FromPlayer, MessageRefused, OUTBOX_MAX, OutMessage, Outbox, OutboxLane, To};
pub use mirror::{Mirror, MirrorStats, OwnTruth, PREDICTED_TICKS_MAX, Shown, Truth, Verdict};
pub use notice::{Addressee, NOTICES_MAX, Notices, OutNotice};
pub use own::OWN_MAX;
pub use player::{
    Asks, OwnedBy, PLAYER_IDENTITY_MAX, PLAYER_NAME_MAX, Player, PlayerInfo, Roster, SEATS_MAX,
    Seated,
};
pub use replica::{Happened, NextCommand, Replica};
pub use rewind::{Hit, Hitbox, Past, REWIND_MAX, Rewind, RewindStats, Seen};
pub use side::{Predicted, Remote, Side, on_client, on_server};
pub use sight::Sight;
pub use simulation::{RoomAttributes, SimDrops, SimOptions, Simulation};
pub use task::{Done, NewTask, TASKS_MAX, TaskFailed, TaskId, TaskResult, Tasks};
pub use time::CurrentTick;
