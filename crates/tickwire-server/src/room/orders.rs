//! What the game wants done: with its room, in the words of the lobby, which does it; work; and notices, in the words of the directory.

use tickwire_sim::{Addressee, Order, Player};

use super::Room;
use super::io::{RoomAsk, RoomOutput, Who};
use crate::directory::{DirectoryInput, Notice, Person};
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

    /// What the game tells identities, for the directory.
    pub(super) fn pass_notices(&mut self) {
        for out in self.sim.take_notices() {
            let identity = match out.to {
                Addressee::Identity(identity) => Some(identity.into()),
                Addressee::Player(player) => {
                    let member = self.members.on_seat(player.seat);
                    member.map(|member| member.identity.id.as_str().into())
                }
            };
            let Some(identity) = identity else {
                self.stats.notices_dropped += 1;
                continue;
            };
            self.stats.notices_out += 1;
            let person = Person {
                namespace: self.spec.namespace.clone(),
                identity,
            };
            let notice = Notice {
                kind: out.kind,
                payload: out.payload,
            };
            let ticket = 0;
            self.outputs
                .push_back(RoomOutput::ToDirectory(Box::new(match out.keep {
                    true => DirectoryInput::Keep {
                        ticket,
                        person,
                        notice,
                    },
                    false => DirectoryInput::Notify { person, notice },
                })));
        }
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
