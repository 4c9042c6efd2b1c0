//! What a game tells somebody wherever that is on the server, or when it comes again: notices. Who brings them is outside.

use bevy_ecs::resource::Resource;
use bytes::Bytes;
use serde::Serialize;
use tickwire_proto::frame::{NAME_MAX, NOTICE_MAX};

use crate::player::Player;

/// Notices that a game may send between two calls of [`take_notices`](crate::Simulation::take_notices); more are dropped and counted.
pub const NOTICES_MAX: usize = 256;

/// To whom a notice goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addressee {
    /// Whoever has this seat when the tick is over, wherever else it is connected.
    Player(Player),
    /// The identity of this name, in the room's namespace.
    Identity(String),
}

impl From<Player> for Addressee {
    fn from(player: Player) -> Addressee {
        Addressee::Player(player)
    }
}

impl From<&str> for Addressee {
    fn from(identity: &str) -> Addressee {
        Addressee::Identity(identity.to_owned())
    }
}

impl From<String> for Addressee {
    fn from(identity: String) -> Addressee {
        Addressee::Identity(identity)
    }
}

/// A notice on its way out of a game.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutNotice {
    /// To whom.
    pub to: Addressee,
    /// What it is about, for whoever shows it.
    pub kind: String,
    /// What it says: JSON by convention.
    pub payload: Bytes,
    /// It waits until it is acknowledged. Otherwise those hear it that are online now.
    pub keep: bool,
}

/// Where a game tells identities something: a resource. It goes out after the tick, in this order.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_sim::prelude::*;
///
/// /// Whoever comes finds a medal, now or when it comes again, after a restart of the server too.
/// fn welcome(In(player): In<Player>, mut notices: ResMut<Notices>) {
///     notices.live("guest:Herald", "arrived", &player.seat);
///     notices.keep(player, "medal", &"gold");
/// }
/// # fn game(game: &mut Game) { game.on_join(welcome); }
/// ```
#[derive(Resource, Debug, Default)]
pub struct Notices {
    pub(crate) queue: Vec<OutNotice>,
    pub(crate) dropped: u64,
}

impl Notices {
    /// Tells those sessions of an identity that are online now; nobody online: nobody hears it.
    pub fn live(
        &mut self,
        to: impl Into<Addressee>,
        kind: &str,
        message: &impl Serialize,
    ) -> &mut Self {
        self.send(to.into(), kind, json(message), false)
    }

    /// Tells one session of an identity, now or when it comes, and keeps it until that has acknowledged it.
    pub fn keep(
        &mut self,
        to: impl Into<Addressee>,
        kind: &str,
        message: &impl Serialize,
    ) -> &mut Self {
        self.send(to.into(), kind, json(message), true)
    }

    /// What cannot be written, or is longer than a notice may be, is dropped and counted: it fits into no client.
    fn send(&mut self, to: Addressee, kind: &str, payload: Option<Bytes>, keep: bool) -> &mut Self {
        let named = match &to {
            Addressee::Player(_) => true,
            Addressee::Identity(identity) => identity.len() <= NAME_MAX,
        };
        let payload = payload.filter(|payload| payload.len() <= NOTICE_MAX);
        match payload {
            Some(payload) if named && kind.len() <= NAME_MAX && self.queue.len() < NOTICES_MAX => {
                let kind = kind.to_owned();
                self.queue.push(OutNotice {
                    to,
                    kind,
                    payload,
                    keep,
                });
            }
            _ => self.dropped += 1,
        }
        self
    }
}

fn json(message: &impl Serialize) -> Option<Bytes> {
    serde_json::to_vec(message).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_or_too_long_is_counted() {
        let mut notices = Notices::default();
        let long = "x".repeat(NAME_MAX + 1);
        notices.keep("ann", "gift", &"y".repeat(NOTICE_MAX - 2)); // and its quotes
        notices.keep("ann", "gift", &"y".repeat(NOTICE_MAX - 1));
        notices.live("ann", &long, &1).live(long, "gift", &1);
        assert_eq!((notices.queue.len(), notices.dropped), (1, 3));
        for n in 0..NOTICES_MAX {
            notices.live(Player::new(3), "hit", &n);
        }
        assert_eq!((notices.queue.len(), notices.dropped), (NOTICES_MAX, 4));
        let last = notices.queue.last().unwrap();
        assert_eq!(last.payload, (NOTICES_MAX - 2).to_string());
        assert_eq!(last.to, Addressee::Player(Player::new(3)));
    }
}
