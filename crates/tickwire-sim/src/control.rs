//! What a game wants done with its own room: who is sent away, who may come, who is the host. It is done by whoever runs the room.

use bevy_ecs::resource::Resource;

use crate::player::Player;

/// Orders that a game may give between two calls of [`take_orders`](crate::Simulation::take_orders); more are dropped and counted.
pub const ORDERS_MAX: usize = 256;

/// Another room, for a player who is to be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveTo {
    /// The one with this id.
    Room(String),
    /// Any of the kind with these attributes that has a seat, else a new one. The players who are moved in one tick by the same words meet.
    Quick {
        /// The kind of game.
        kind: String,
        /// Attributes that the room has.
        attributes: Vec<(String, String)>,
    },
}

/// Something that a game wants done with its room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// A player is sent away, and may come back.
    Kick {
        /// Who.
        player: Player,
        /// What they are told.
        message: String,
    },
    /// A player is sent away, and their identity is not let in again.
    Ban {
        /// Who.
        player: Player,
        /// For so many seconds; `None`: as long as the room lives.
        seconds: Option<u32>,
        /// What they are told.
        message: String,
    },
    /// An identity may come again.
    Unban {
        /// Whose.
        identity: String,
    },
    /// Nobody may join, or again everybody.
    Lock(bool),
    /// Other attributes in the lobby: lists show them, quick matches compare them.
    Attributes(Vec<(String, String)>),
    /// Somebody is the host from now on; `None`: nobody is.
    Host(Option<Player>),
    /// Nobody is ready any more.
    Unready,
    /// A player goes on in another room, without a new link or session.
    Move {
        /// Who.
        player: Player,
        /// Where to.
        to: MoveTo,
    },
    /// The room ends.
    Close {
        /// What its players are told.
        message: String,
    },
}

/// Where a game says what it wants done with its room: a resource. It is done after the tick, in this order; what it leads to (a leave, a
/// host) comes as an input of a later one.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_sim::prelude::*;
///
/// /// When all are ready, nobody else gets in.
/// fn begin(roster: Res<Roster>, mut control: ResMut<RoomControl>) {
///     if roster.people() > 1 && roster.all_ready() {
///         control.lock(true).unready();
///     }
/// }
/// # fn game(game: &mut Game) { game.systems(begin); }
/// ```
#[derive(Resource, Debug, Default)]
pub struct RoomControl {
    pub(crate) orders: Vec<Order>,
    pub(crate) dropped: u64,
}

impl RoomControl {
    /// Sends a player away, who may come back.
    pub fn kick(&mut self, player: Player, message: impl Into<String>) -> &mut Self {
        let message = message.into();
        self.order(Order::Kick { player, message })
    }

    /// Sends a player away, whose identity is not let in again: for so many seconds, or (`None`) as long as the room lives.
    pub fn ban(
        &mut self,
        player: Player,
        seconds: Option<u32>,
        message: impl Into<String>,
    ) -> &mut Self {
        let message = message.into();
        self.order(Order::Ban {
            player,
            seconds,
            message,
        })
    }

    /// Lets an identity in again.
    pub fn unban(&mut self, identity: impl Into<String>) -> &mut Self {
        let identity = identity.into();
        self.order(Order::Unban { identity })
    }

    /// Lets nobody in, or again everybody.
    pub fn lock(&mut self, locked: bool) -> &mut Self {
        self.order(Order::Lock(locked))
    }

    /// Gives the room other attributes in the lobby. [`RoomAttributes`](crate::RoomAttributes) stay those that it was made with.
    pub fn attributes<K: Into<String>, V: Into<String>>(
        &mut self,
        attributes: impl IntoIterator<Item = (K, V)>,
    ) -> &mut Self {
        let pairs = attributes.into_iter();
        self.order(Order::Attributes(
            pairs
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        ))
    }

    /// Makes somebody the host, or (`None`) nobody.
    pub fn host(&mut self, player: Option<Player>) -> &mut Self {
        self.order(Order::Host(player))
    }

    /// Nobody is ready any more: for the next round.
    pub fn unready(&mut self) -> &mut Self {
        self.order(Order::Unready)
    }

    /// A player goes on in another room. If that has no seat for them they stay.
    pub fn send_to(&mut self, player: Player, to: MoveTo) -> &mut Self {
        self.order(Order::Move { player, to })
    }

    /// Ends the room.
    pub fn close(&mut self, message: impl Into<String>) -> &mut Self {
        let message = message.into();
        self.order(Order::Close { message })
    }

    fn order(&mut self, order: Order) -> &mut Self {
        if self.orders.len() < ORDERS_MAX {
            self.orders.push(order);
        } else {
            self.dropped += 1;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_bounded_and_kept_in_order() {
        let mut control = RoomControl::default();
        for n in 0..=ORDERS_MAX {
            control.kick(Player::new(n as u16), "");
        }
        assert_eq!((control.orders.len(), control.dropped), (ORDERS_MAX, 1));
        let first = Order::Kick {
            player: Player::new(0),
            message: String::new(),
        };
        assert_eq!(control.orders[0], first);
    }
}
