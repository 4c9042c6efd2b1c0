//! Requests between members and the game: whose request is which ticket, and whose question is which number.

use std::collections::BTreeMap;

use tickwire_proto::frame::{Ask, AskOutcome, Refusal, ServerFrame, code};
use tickwire_sim::OutQuestion;

use super::Room;
use super::io::RoomOutput;
use crate::key::MemberId;

/// The requests that the game has not answered. Each session bounds its own.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// By the ticket that the game knows.
    open: BTreeMap<u32, (MemberId, u32)>,
    /// The same the other way round: nobody's cancels are paid by what others wait for.
    tickets: BTreeMap<(MemberId, u32), u32>,
    last: u32,
}

impl Requests {
    fn ticket(&mut self, member: MemberId, number: u32) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1);
            if let std::collections::btree_map::Entry::Vacant(free) = self.open.entry(self.last) {
                free.insert((member, number));
                self.tickets.insert((member, number), self.last);
                return self.last;
            }
        }
    }

    /// The member wants no answer any more; the game may still give one.
    pub fn cancelled(&mut self, member: MemberId, number: u32) {
        if let Some(ticket) = self.tickets.remove(&(member, number)) {
            self.open.remove(&ticket);
        }
    }

    /// Whose it is, once: it is being answered.
    fn take(&mut self, ticket: u32) -> Option<(MemberId, u32)> {
        let of = self.open.remove(&ticket)?;
        if self.tickets.get(&of) == Some(&ticket) {
            self.tickets.remove(&of);
        }
        Some(of)
    }

    /// The member is gone.
    pub fn left(&mut self, member: MemberId) {
        let its = self.tickets.range((member, 0)..=(member, u32::MAX));
        let its: Vec<u32> = its.map(|(of, _)| of.1).collect();
        for number in its {
            self.cancelled(member, number);
        }
    }
}

impl Room {
    /// A member's request: the game answers it in its next step or later, or it is refused now.
    pub(super) fn request(&mut self, id: MemberId, number: u32, kind: u32, payload: &[u8]) {
        let Some(member) = self.members.get(id) else {
            self.stats.inputs_late += 1;
            return;
        };
        self.stats.requests_in += 1;
        let (session, seat) = (member.session, member.seat);
        let ticket = self.requests.ticket(id, number);
        if let Err(refusal) = self.sim.request(seat, kind, ticket, payload) {
            self.stats.requests_refused += 1;
            self.requests.take(ticket);
            self.outputs.push_back(RoomOutput::Answer {
                session,
                number,
                answer: Err(refusal),
            });
        }
    }

    /// What became of a question, for one member.
    pub(super) fn reply(&mut self, id: MemberId, number: u32, outcome: AskOutcome) {
        match self.members.get(id) {
            Some(member) => self.sim.reply(member.seat, number, outcome),
            None => self.stats.inputs_late += 1,
        }
    }

    /// The game's answers and questions of this tick.
    pub(super) fn pass_requests(&mut self) {
        for answer in self.sim.take_answers() {
            let asker = self.requests.take(answer.ticket);
            let member = asker.and_then(|(id, number)| Some((self.members.get(id)?, number)));
            let Some((member, number)) = member else {
                self.stats.answers_late += 1;
                continue;
            };
            self.stats.answers_out += 1;
            self.outputs.push_back(RoomOutput::Answer {
                session: member.session,
                number,
                answer: answer.answer,
            });
        }
        for question in self.sim.take_questions() {
            match question {
                OutQuestion::Ask { .. } => self.ask(&question),
                OutQuestion::GiveUp { number, seat } => {
                    if let Some(member) = self.members.on_seat(seat) {
                        let session = member.session;
                        self.outputs
                            .push_back(RoomOutput::GiveUp { session, number });
                    }
                }
            }
        }
    }

    /// Encoded once, however many are asked.
    fn ask(&mut self, question: &OutQuestion) {
        let OutQuestion::Ask {
            number,
            seats,
            channel,
            kind,
            timeout_ms,
            payload,
        } = question
        else {
            return;
        };
        let ask = Ask {
            room: self.spec.no,
            channel: *channel,
            number: *number,
            kind: *kind,
            timeout_ms: *timeout_ms,
            payload,
        };
        let frame = ServerFrame::Ask(ask).encode();
        for seat in seats {
            let Some(member) = self.members.on_seat(*seat) else {
                self.sim.reply(*seat, *number, AskOutcome::Ended);
                continue;
            };
            self.stats.questions_out += 1;
            self.outputs.push_back(RoomOutput::Ask {
                session: member.session,
                number: *number,
                frame: frame.clone(),
            });
        }
    }
}

/// What a member's session says where it cannot be asked one question more.
pub(crate) fn cannot_be_asked() -> AskOutcome {
    let text = "this client has not answered as many questions as may wait: ask it less";
    AskOutcome::Refused(Refusal::new(code::LIMIT, text))
}
