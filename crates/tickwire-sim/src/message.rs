//! Messages between a game and its players: how a game hears them and sends them. Bytes and limits of a link are others' work.

use bevy_ecs::change_detection::CheckChangeTicks;
use bevy_ecs::resource::Resource;
use bevy_ecs::system::{BoxedSystem, In};
use bevy_ecs::world::World;
use bytes::Bytes;
use tickwire_proto::frame::CHANNELS_MAX;
use tickwire_snapshot::MessageSchema;
use tickwire_snapshot::message::{self, Message, MessageError};

use crate::player::{Player, SEATS_MAX};
use crate::system::run;

/// Messages that a game may send between two calls of [`take_outbox`](crate::Simulation::take_outbox); more are dropped and counted.
pub const OUTBOX_MAX: usize = 4_096;
/// Different addressees of what did not fit: every seat, everybody, and everybody but each.
const LOST_MAX: usize = 2 * SEATS_MAX as usize + 1;

/// A message and who sent it: the input of the systems of [`Game::on_message`](crate::Game::on_message).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromPlayer<M> {
    /// Who.
    pub player: Player,
    /// What.
    pub message: M,
}

/// Why a message of a player is not for the game: the peer's fault.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MessageRefused {
    /// The game has no system for it.
    #[error("the game does not listen to messages of kind {0:#010x}: register one by on_message")]
    Unknown(u32),
    /// Its bytes are not of its shape.
    #[error("{0}")]
    Malformed(#[from] MessageError),
    /// Only who sits is heard.
    #[error("nobody sits on seat {0}")]
    Seat(u16),
    /// More came in one tick than a room takes.
    #[error("the room's inbox is full for this tick")]
    Full,
}

/// Who is to receive a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum To {
    /// The member on this player's seat.
    Player(Player),
    /// Every member of the room, spectators too.
    All,
    /// Every member but the one on this player's seat.
    Except(Player),
}

/// A message of the game on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutMessage {
    /// To whom.
    pub to: To,
    /// Its number.
    pub kind: u32,
    /// Its bytes.
    pub payload: Bytes,
    /// By which channel: it keeps its order within that.
    pub channel: u8,
    /// Whether it may be left out where the link cannot take it now.
    pub volatile: bool,
}

/// Where a game puts messages to its players: a resource. They leave after the tick, reliable and in order; or
/// [by another channel](Self::channel), or [volatile](Self::volatile).
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_sim::prelude::*;
///
/// fn welcome(In(player): In<Player>, mut outbox: ResMut<Outbox>) {
///     outbox.all(&format!("player {} is here", player.seat));
/// }
/// # fn game(game: &mut Game) { game.message::<String>().on_join(welcome); }
/// ```
#[derive(Resource, Debug, Default)]
pub struct Outbox {
    pub(crate) queue: Vec<OutMessage>,
    pub(crate) dropped: u64,
    /// Whom reliable messages were for that did not fit.
    pub(crate) lost: Vec<To>,
    pub(crate) unfit: u64,
}

impl Outbox {
    /// How many more messages leave after this tick. A reliable one beyond them ends the sessions that it was for, with Overflow: what is
    /// reliable is never lost in silence.
    #[must_use]
    pub fn room_left(&self) -> usize {
        OUTBOX_MAX - self.queue.len().min(OUTBOX_MAX)
    }

    /// To one player. A computer player does not listen.
    pub fn to<M: Message>(&mut self, player: Player, message: &M) {
        self.lane(0, false).to(player, message);
    }

    /// To everybody in the room.
    pub fn all<M: Message>(&mut self, message: &M) {
        self.lane(0, false).all(message);
    }

    /// To everybody but one player.
    pub fn except<M: Message>(&mut self, player: Player, message: &M) {
        self.lane(0, false).except(player, message);
    }

    /// By another channel than the default one, 0, of which there are eight: each keeps an order of its own, over all rooms of a
    /// session. What follows is reliable.
    ///
    /// ```
    /// # use tickwire_sim::prelude::*;
    /// fn news(outbox: &mut Outbox, winner: Player) {
    ///     outbox.channel(3).all(&"the round is over".to_owned());
    ///     outbox.volatile().except(winner, &"boo".to_owned());
    /// }
    /// ```
    pub fn channel(&mut self, channel: u8) -> OutboxLane<'_> {
        self.lane(channel, false)
    }

    /// At most once, and not at all where the link cannot take it now.
    pub fn volatile(&mut self) -> OutboxLane<'_> {
        self.lane(0, true)
    }

    fn lane(&mut self, channel: u8, volatile: bool) -> OutboxLane<'_> {
        let channel = channel.min(CHANNELS_MAX - 1);
        let outbox = self;
        OutboxLane {
            outbox,
            channel,
            volatile,
        }
    }
}

/// A way out of an [`Outbox`].
#[derive(Debug)]
pub struct OutboxLane<'a> {
    outbox: &'a mut Outbox,
    channel: u8,
    volatile: bool,
}

impl OutboxLane<'_> {
    /// To one player. A computer player does not listen.
    pub fn to<M: Message>(&mut self, player: Player, message: &M) {
        self.push(To::Player(player), message);
    }

    /// To everybody in the room.
    pub fn all<M: Message>(&mut self, message: &M) {
        self.push(To::All, message);
    }

    /// To everybody but one player.
    pub fn except<M: Message>(&mut self, player: Player, message: &M) {
        self.push(To::Except(player), message);
    }

    fn push<M: Message>(&mut self, to: To, message: &M) {
        let outbox = &mut *self.outbox;
        if outbox.queue.len() >= OUTBOX_MAX {
            outbox.dropped += 1;
            if !self.volatile && outbox.lost.len() < LOST_MAX && !outbox.lost.contains(&to) {
                outbox.lost.push(to);
            }
            return;
        }
        // One past its own limits would be refused by whoever receives it.
        let Ok(payload) = message::encode_checked(message) else {
            outbox.unfit += 1;
            return;
        };
        outbox.queue.push(OutMessage {
            to,
            kind: M::kind(),
            payload,
            channel: self.channel,
            volatile: self.volatile,
        });
    }
}

/// A system that hears one kind of message, without its type.
pub(crate) trait Listener: Send + Sync {
    fn schema(&self) -> MessageSchema;
    fn kind(&self) -> u32;
    fn initialize(&mut self, world: &mut World);
    fn check_change_tick(&mut self, check: CheckChangeTicks);
    fn check(&self, payload: &[u8]) -> Result<(), MessageError>;
    fn hear(&mut self, world: &mut World, player: Player, payload: &[u8]);
}

pub(crate) struct Hears<M: Message> {
    pub system: BoxedSystem<In<FromPlayer<M>>>,
}

impl<M: Message + Send + Sync + 'static> Listener for Hears<M> {
    fn schema(&self) -> MessageSchema {
        M::schema()
    }

    fn kind(&self) -> u32 {
        M::kind()
    }

    fn initialize(&mut self, world: &mut World) {
        self.system.initialize(world);
    }

    fn check_change_tick(&mut self, check: CheckChangeTicks) {
        self.system.check_change_tick(check);
    }

    fn check(&self, payload: &[u8]) -> Result<(), MessageError> {
        message::decode::<M>(payload).map(|_| ())
    }

    fn hear(&mut self, world: &mut World, player: Player, payload: &[u8]) {
        // It was checked when it came; a decoder that changes its mind drops it.
        if let Ok(message) = message::decode::<M>(payload) {
            run(&mut self.system, FromPlayer { player, message }, world);
        }
    }
}
