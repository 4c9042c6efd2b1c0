//! What the lobby, rooms and auth tell, and how it reaches the sessions it is for.

use bytes::Bytes;
use tickwire_proto::frame::{
    Identity, JoinedInfo, LeaveReason, Refusal, RoomEnd, RoomInfoOwned, code,
};
use tickwire_proto::{Reason, SendError, Time};

use super::slots::{Asked, Part};
use super::{Front, FrontInput};
use crate::auth::with_clean_name;
use crate::key::{MemberId, SessionKey};
use crate::room::{RoomInput, RoomOutput, cannot_be_asked};

impl Front {
    /// Takes what the lobby, a room, auth or whoever is in charge tells.
    pub fn handle(&mut self, now: Time, input: FrontInput) {
        match input {
            FrontInput::Room {
                output: RoomOutput::Updates(batch),
                ..
            } => return self.updates(now, batch),
            FrontInput::Room {
                room,
                output: RoomOutput::ToAll { frame, except, .. },
            } => return self.for_all(now, room, frame, except),
            _ => self.give_pending(now), // it was first
        }
        match input {
            FrontInput::AuthDone {
                session,
                attachment,
                answer,
            } => self.auth_done(now, session, attachment, *answer),
            FrontInput::Entered {
                session,
                request,
                room,
                member,
            } => self.entered(now, session, request, room, member),
            FrontInput::RequestRefused {
                session,
                request,
                refusal,
            } => self.refused(now, session, request, refusal),
            FrontInput::List {
                session,
                request,
                rooms,
            } => self.list(now, session, request, rooms),
            FrontInput::Claimed { part } => self.claimed(now, part),
            FrontInput::Replaced { part, message } => self.replaced(now, part, &message),
            FrontInput::ToParts { parts, frame } => self.tell_parts_of(now, &parts, &frame),
            FrontInput::FollowRefused { part, refusal } => {
                self.follow_refused(now, part, &refusal);
            }
            FrontInput::LobbyChange {
                session,
                request,
                whole,
                rooms,
                gone,
            } => {
                if let Some(slot) = self.slots.get_mut(session) {
                    slot.session.lobby_change(request, whole, &rooms, &gone);
                    self.settle(now, session);
                }
            }
            FrontInput::Answered {
                session,
                attachment,
                number,
                answer,
            } => self.answered_outside(now, session, attachment, number, answer),
            FrontInput::Broadcast(broadcast) => self.broadcast(now, &broadcast),
            FrontInput::HostDone { session, request } => {
                if let Some(slot) = self.slots.get_mut(session) {
                    slot.session.host_done(request);
                    self.settle(now, session);
                }
            }
            FrontInput::Moving {
                session,
                from,
                request,
                room,
                member,
            } => self.moving(session, from, request, room, member),
            FrontInput::Ban {
                identity,
                until,
                message,
            } => self.ban(now, &identity, until, &message),
            FrontInput::Unban { identity } => self.unban(&identity),
            FrontInput::Room { room, output } => self.room_tells(now, room, output),
            FrontInput::RoomEnded {
                room,
                reason,
                message,
            } => self.room_ended(now, room, reason, &message),
            FrontInput::Removed {
                session,
                room,
                reason,
                message,
            } => self.removed(now, session, room, reason, &message),
            FrontInput::End {
                session,
                reason,
                retry,
                message,
            } => self.end(now, session, reason, retry, &message),
            FrontInput::EndAll {
                reason,
                retry,
                message,
            } => self.end_all(now, reason, retry, &message),
        }
    }

    fn auth_done(
        &mut self,
        now: Time,
        key: SessionKey,
        attachment: u8,
        answer: Result<Identity, Refusal>,
    ) {
        if let Err(refusal) = &answer {
            self.stats.refusal(&refusal.code);
        }
        let banned = answer.as_ref().ok();
        let banned = banned.and_then(|identity| self.bans.get(now, &identity.id));
        if let Some(message) = banned.map(str::to_owned) {
            return self.end(now, key, Reason::Banned, Reason::Banned.retry(), &message);
        }
        match answer.map(with_clean_name) {
            Ok(identity) => self.accept(now, key, attachment, identity),
            Err(refusal) => self.proven(now, key, attachment, Err(refusal)),
        }
        self.settle(now, key);
    }

    /// What is known now of who an attachment is: the session's client is told.
    pub(super) fn proven(
        &mut self,
        now: Time,
        key: SessionKey,
        attachment: u8,
        answer: Result<Identity, Refusal>,
    ) {
        let Some(slot) = self.slots.get_mut(key) else {
            self.stats.inputs_late += 1;
            return;
        };
        let namespace = slot.namespace(attachment).cloned();
        let schema = namespace
            .as_ref()
            .filter(|_| slot.generic & 1 << attachment != 0)
            .and_then(|namespace| namespace.messages_bytes());
        slot.session
            .attach_done_with(now, attachment, answer, schema);
        if slot.session.is_free(attachment) {
            slot.entrances.retain(|(of, _)| *of != attachment);
            self.unnamed(key, attachment, LeaveReason::Ended);
        }
        self.settle(now, key);
    }

    /// The lobby has given a seat. If nobody wants it any more, it is given back.
    fn entered(&mut self, now: Time, key: SessionKey, request: u32, room: u32, member: MemberId) {
        let Some(slot) = self
            .slots
            .get_mut(key)
            .filter(|slot| slot.session.is_ended().is_none())
        else {
            // The lobby hears, or has heard, that the session is gone.
            self.stats.inputs_late += 1;
            return;
        };
        let asked = slot.asked.iter().position(|asked| asked.request == request);
        match asked.map(|at| slot.asked.swap_remove(at)) {
            Some(asked) => {
                let Asked {
                    attachment, gauge, ..
                } = asked;
                slot.parts.push(Part {
                    room,
                    member,
                    attachment,
                    request: Some(request),
                    gauge,
                    link: 0,
                    from: None,
                    shut: false,
                });
            }
            None => {
                slot.session.join_refused(
                    request,
                    Refusal::new(code::REFUSED, "the attachment was given up"),
                );
                self.give_back(key, room);
                self.settle(now, key);
            }
        }
    }

    fn refused(&mut self, now: Time, key: SessionKey, request: u32, refusal: Refusal) {
        self.stats.refusal(&refusal.code);
        let Some(slot) = self.slots.get_mut(key) else {
            self.stats.inputs_late += 1;
            return;
        };
        slot.asked.retain(|asked| asked.request != request);
        slot.session.join_refused(request, refusal);
        self.settle(now, key);
    }

    fn list(&mut self, now: Time, key: SessionKey, request: u32, rooms: Vec<RoomInfoOwned>) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.session.lobby_list(request, rooms);
            self.settle(now, key);
        }
    }

    fn room_tells(&mut self, now: Time, room: u32, output: RoomOutput) {
        match output {
            RoomOutput::Joined { session, info } => self.joined(now, session, *info),
            RoomOutput::Refused {
                session,
                request,
                refusal,
            } => {
                let slot = self.slots.get_mut(session);
                let part = slot.and_then(|slot| slot.take_part(room));
                self.give_back(session, room);
                // Who was on its way from another room stays there, and never asked.
                if part.is_none_or(|part| part.from.is_none()) {
                    self.refused(now, session, request, refusal);
                }
            }
            RoomOutput::Answer {
                session,
                number,
                answer,
            } => {
                if let Some(slot) = self.slots.get_mut(session) {
                    slot.session.answer(room, number, answer);
                    self.settle(now, session);
                }
            }
            RoomOutput::Ask {
                session,
                number,
                frame,
            } => self.ask(now, room, session, number, frame),
            RoomOutput::GiveUp { session, number } => {
                if let Some(slot) = self.slots.get_mut(session) {
                    slot.session.cancel_ask(room, number);
                    self.settle(now, session);
                }
            }
            RoomOutput::Overflow { session } => {
                let inside = self.slots.get(session);
                if inside.is_some_and(|slot| slot.member(room).is_some()) {
                    let message = "the game sent more in one tick than a room takes, and some of it was for this player";
                    let retry = Reason::Overflow.retry();
                    self.end(now, session, Reason::Overflow, retry, message);
                }
            }
            RoomOutput::ToMember { session, frame } => {
                if self
                    .slots
                    .get(session)
                    .is_some_and(|slot| slot.member(room).is_some())
                {
                    self.send(now, session, &frame);
                }
            }
            // Taken before this; or for the lobby or the driver itself: one of these that brings it here has lost its way.
            RoomOutput::Updates(_)
            | RoomOutput::ToAll { .. }
            | RoomOutput::Asks(_)
            | RoomOutput::Task(_)
            | RoomOutput::CancelTask(_)
            | RoomOutput::ToDirectory(_) => {
                self.stats.inputs_late += 1;
            }
            RoomOutput::Ended { reason, message } => self.room_ended(now, room, reason, &message),
        }
    }

    fn joined(&mut self, now: Time, key: SessionKey, info: JoinedInfo) {
        let room = info.room;
        let Some(slot) = self.slots.get_mut(key) else {
            self.stats.inputs_late += 1;
            return;
        };
        let request = Some(info.request);
        let Some(part) = slot
            .parts
            .iter_mut()
            .find(|part| part.room == room && part.request == request)
        else {
            self.stats.inputs_late += 1;
            return;
        };
        if let Some(from) = part.from {
            return self.moved(now, key, from, info);
        }
        part.request = None;
        slot.told_rtt_ms = 0; // this room has not been told
        slot.session.joined(now, info);
        self.in_room.entry(room).or_default().push(key);
        self.settle(now, key);
    }

    /// A room's question; where it cannot be asked, the room hears that at once.
    fn ask(&mut self, now: Time, room: u32, key: SessionKey, number: u32, frame: Bytes) {
        let Some(slot) = self.slots.get_mut(key) else {
            self.stats.inputs_late += 1; // the room hears that its member has left
            return;
        };
        if slot.member(room).is_none() {
            self.stats.inputs_late += 1;
            return;
        }
        if slot.session.send_frame(now, frame) == Err(SendError::Asking) {
            self.tell_room(key, room, |member| RoomInput::Reply {
                member,
                number,
                outcome: cannot_be_asked(),
            });
        }
        self.settle(now, key);
    }

    /// A room is over: those in it are told, and those on their way into it are refused.
    fn room_ended(&mut self, now: Time, room: u32, reason: RoomEnd, message: &str) {
        self.in_room.remove(&room);
        self.wait_no_more(room);
        let concerned = self
            .slots
            .iter()
            .filter(|slot| slot.parts.iter().any(|part| part.room == room));
        let concerned: Vec<SessionKey> = concerned.map(|slot| slot.key).collect();
        for key in concerned {
            self.removed(now, key, room, reason, message);
        }
    }

    fn removed(&mut self, now: Time, key: SessionKey, room: u32, reason: RoomEnd, message: &str) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        let Some(part) = slot.room_ended(room, reason, message) else {
            return;
        };
        self.leave_index(room, key);
        match part.request {
            Some(_) if part.from.is_some() => self.settle(now, key),
            Some(request) if reason == RoomEnd::Replaced => {
                self.refused(now, key, request, Refusal::new(code::REPLACED, message));
            }
            Some(request) => {
                let refusal = Refusal::new(
                    code::NOT_FOUND,
                    format!("the room has ended: {message}. Try again"),
                );
                self.refused(now, key, request, refusal);
            }
            None => self.settle(now, key),
        }
    }
}
