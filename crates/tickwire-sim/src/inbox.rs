//! What came in between two ticks, in order, until the next step: joins, leaves, presence, messages, requests and replies. Bounded; who sits where is planned here.

use std::collections::VecDeque;

use bytes::Bytes;
use tickwire_proto::frame::{AskOutcome, MemberFlags, Presence};

use crate::player::PlayerInfo;
use crate::task::{TaskId, TaskResult};

/// Inputs that wait for a step at most.
pub const INBOX_MAX: usize = 4_096;
/// Of them, kept for those who come and go while messages take the rest.
const HEADROOM: usize = 1_024;

/// Something that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Join(PlayerInfo),
    Leave(u16),
    TakeOver(PlayerInfo),
    Presence(u16, Presence),
    Flags(u16, MemberFlags),
    Lagging(u16, bool),
    Done(TaskId, TaskResult),
    Message {
        seat: u16,
        kind: u32,
        payload: Bytes,
    },
    Request {
        seat: u16,
        kind: u32,
        ticket: u32,
        payload: Bytes,
    },
    Reply {
        seat: u16,
        number: u32,
        outcome: AskOutcome,
    },
}

/// Why somebody cannot be seated: the caller's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinRefused {
    /// There is no such seat.
    #[error("there is no seat {0}")]
    NoSuchSeat(u16),
    /// A person sits there.
    #[error("a person sits on seat {0}: ask seat_for_person")]
    Taken(u16),
    /// More came in one tick than a room takes.
    #[error("the room's inbox is full for this tick")]
    Full,
}

/// Who will hold a seat once everything that waits is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Free,
    Person,
    Computer,
}

#[derive(Debug)]
pub(crate) struct Inbox {
    queue: VecDeque<Input>,
    seats: Vec<Plan>,
}

impl Inbox {
    pub(crate) fn new(seats: u16) -> Self {
        Self {
            queue: VecDeque::new(),
            seats: vec![Plan::Free; usize::from(seats)],
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.queue.len() < INBOX_MAX
    }

    pub(crate) fn push(&mut self, input: Input) -> bool {
        let room = self.has_room();
        if room {
            self.queue.push_back(input);
        }
        room
    }

    /// Puts back what an exact capture held, and takes what has its place already: each question was bounded when it was asked.
    /// Puts in what is bounded elsewhere: results of tasks, and what an exact capture held.
    pub(crate) fn put_back(&mut self, input: Input) {
        self.queue.push_back(input);
    }

    pub(crate) fn pop(&mut self) -> Option<Input> {
        self.queue.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn takes_more(&self) -> bool {
        self.queue.len() < INBOX_MAX - HEADROOM
    }

    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Input> {
        self.queue.iter()
    }

    pub(crate) fn plan(&self, seat: u16) -> Plan {
        let plan = self.seats.get(usize::from(seat));
        plan.copied().unwrap_or(Plan::Free)
    }

    /// Seats somebody. A computer player gives its seat up to a person.
    pub(crate) fn join(&mut self, info: PlayerInfo) -> Result<(), JoinRefused> {
        let seat = info.seat;
        let Some(plan) = self.seats.get_mut(usize::from(seat)) else {
            return Err(JoinRefused::NoSuchSeat(seat));
        };
        match *plan {
            Plan::Person => return Err(JoinRefused::Taken(seat)),
            Plan::Computer if info.computer => return Err(JoinRefused::Taken(seat)),
            _ if self.queue.len() + 1 >= INBOX_MAX => return Err(JoinRefused::Full),
            Plan::Computer => self.queue.push_back(Input::Leave(seat)),
            Plan::Free => {}
        }
        *plan = match info.computer {
            true => Plan::Computer,
            false => Plan::Person,
        };
        self.queue.push_back(Input::Join(info));
        Ok(())
    }

    /// Another session of whoever holds the seat. Never refused, and one for each seat at most: the newest.
    pub(crate) fn take_over(&mut self, info: PlayerInfo) {
        let same =
            |input: &Input| matches!(input, Input::TakeOver(older) if older.seat == info.seat);
        self.queue.retain(|input| !same(input));
        self.queue.push_back(Input::TakeOver(info));
    }

    /// Whoever holds the seat goes. Never refused: a leave past the bound is as good as the join that it undoes.
    pub(crate) fn leave(&mut self, seat: u16) {
        if self.plan(seat) != Plan::Free {
            self.seats[usize::from(seat)] = Plan::Free;
            self.queue.push_back(Input::Leave(seat));
        }
    }

    pub(crate) fn count(&self, plan: Plan) -> usize {
        self.seats.iter().filter(|&&at| at == plan).count()
    }

    /// The lowest free seat.
    pub(crate) fn free(&self) -> Option<u16> {
        self.seat(|seats| seats.iter().position(|&at| at == Plan::Free))
    }

    /// The highest seat of a computer player: the one that goes first.
    pub(crate) fn last_computer(&self) -> Option<u16> {
        self.seat(|seats| seats.iter().rposition(|&at| at == Plan::Computer))
    }

    fn seat(&self, find: impl Fn(&[Plan]) -> Option<usize>) -> Option<u16> {
        find(&self.seats).map(|seat| seat as u16) // at most SEATS_MAX
    }

    pub(crate) fn set_plans(&mut self, plans: impl Iterator<Item = Plan>) {
        for (at, plan) in self.seats.iter_mut().zip(plans) {
            *at = plan;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(seat: u16) -> PlayerInfo {
        PlayerInfo {
            seat,
            ..PlayerInfo::default()
        }
    }

    fn computer(seat: u16) -> PlayerInfo {
        PlayerInfo {
            computer: true,
            ..person(seat)
        }
    }

    #[test]
    fn a_seat_holds_one_and_computers_give_way() {
        let mut inbox = Inbox::new(2);
        assert_eq!(inbox.join(person(2)), Err(JoinRefused::NoSuchSeat(2)));
        inbox.join(computer(0)).unwrap();
        assert_eq!(inbox.join(computer(0)), Err(JoinRefused::Taken(0)));
        inbox.join(person(0)).unwrap();
        assert_eq!(inbox.join(person(0)), Err(JoinRefused::Taken(0)));
        let done: Vec<_> = std::iter::from_fn(|| inbox.pop()).collect();
        assert_eq!(done[1], Input::Leave(0));
        assert_eq!(done.len(), 3);
    }

    #[test]
    fn the_inbox_is_bounded() {
        let mut inbox = Inbox::new(1);
        for _ in 0..INBOX_MAX {
            assert!(inbox.push(Input::Presence(0, Presence::Away)));
        }
        assert!(!inbox.push(Input::Presence(0, Presence::Away)) && !inbox.takes_more());
        assert_eq!(inbox.join(person(0)), Err(JoinRefused::Full));
        inbox.leave(0); // nobody there: nothing queued
        assert_eq!(inbox.waiting().count(), INBOX_MAX);
    }
}
