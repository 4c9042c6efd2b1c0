//! What the game wants done with its room: put into the lobby's words, which does it.

use tickwire_sim::{Order, Player};

use super::Room;
use super::io::{RoomAsk, RoomOutput, Who};
use crate::key::MemberId;

impl Room {
    /// The work that the game started, for whoever drives the room.
    pub(super) fn pass_tasks(&mut self) {
        let (new, cancelled) = self.sim.take_tasks();
        self.stats.tasks += new.len() as u64;
        let cancelled = cancelled.into_iter().map(RoomOutput::CancelTask);
        self.outputs.extend(cancelled);
        self.outputs.extend(new.into_iter().map(RoomOutput::Task));
    }

    /// The game's orders of this tick. One about a seat that nobody holds (any more) is about nobody.
    pub(super) fn pass_orders(&mut self) {
        for order in self.sim.take_orders() {
            let on_seat = |player: Player| -> Option<MemberId> {
                Some(self.members.on_seat(player.seat)?.id)
            };
            let ask = match order {
                Order::Kick { player, message } => on_seat(player).map(|member| RoomAsk::Kick {
                    who: Who::Member(member),
                    message,
                }),
                Order::Ban {
                    player,
                    seconds,
                    message,
                } => on_seat(player).map(|member| RoomAsk::Ban {
                    who: Who::Member(member),
                    seconds,
                    message,
                }),
                Order::Unban { identity } => Some(RoomAsk::Unban { identity }),
                Order::Lock(locked) => Some(RoomAsk::Lock(locked)),
                Order::Attributes(attributes) => Some(RoomAsk::Attributes(attributes)),
                Order::Host(None) => Some(RoomAsk::Host(None)),
                Order::Host(Some(player)) => {
                    on_seat(player).map(|member| RoomAsk::Host(Some(member)))
                }
                Order::Move { player, to } => on_seat(player).map(|member| RoomAsk::Move {
                    who: Who::Member(member),
                    to,
                }),
                Order::Close { message } => Some(RoomAsk::Close { message }),
                Order::Unready => {
                    self.unready();
                    continue;
                }
            };
            self.outputs.extend(ask.map(RoomOutput::Asks));
        }
    }
}
