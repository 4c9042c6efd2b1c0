//! What is done with a room by its game, by its host, or by whoever is in charge of the server: who is sent away, who may come.

use std::time::Duration;

use tickwire_proto::Time;
use tickwire_proto::frame::{HostAskOwned, LeaveReason, Refusal, RoomEnd, code};

use super::enter::in_order;
use super::{Lobby, LobbyOutput, RoomName};
use crate::front::FrontInput;
use crate::key::{MemberId, SessionKey};
use crate::room::{RoomAsk, RoomInput, Who};

/// Identities that one room keeps out at once.
pub const BANS_MAX: usize = 1_024;

/// What members are told whom the host sent away.
const BY_HOST: &str = "sent away by the host";

impl Lobby {
    pub(super) fn rule(&mut self, now: Time, ticket: Option<u64>, room: &RoomName, ask: RoomAsk) {
        let no = match room {
            RoomName::No(no) => Some(*no),
            RoomName::Id(id) => self.rooms.by_id(id).map(|entry| entry.spec.no),
        };
        let answer = match no {
            Some(no) => self.apply(now, no, ask),
            None => Err(no_room()),
        };
        match ticket {
            Some(ticket) => self
                .outputs
                .push_back(LobbyOutput::Ruled { ticket, answer }),
            None => {
                if let Err(refusal) = answer {
                    tracing::debug!(
                        ?room,
                        code = refusal.code,
                        message = refusal.message,
                        "the room's wish is not granted"
                    );
                    *self.stats.refusals.entry(refusal.code).or_default() += 1;
                }
            }
        }
    }

    /// The host of a room asks for something.
    pub(super) fn host_asks(
        &mut self,
        now: Time,
        session: SessionKey,
        request: u32,
        room: u32,
        ask: HostAskOwned,
    ) {
        let who = |member| Who::Member(MemberId(member));
        let ask = match ask {
            HostAskOwned::Kick { member } => RoomAsk::Kick {
                who: who(member),
                message: BY_HOST.to_owned(),
            },
            HostAskOwned::Ban { member, seconds } => RoomAsk::Ban {
                who: who(member),
                seconds: (seconds > 0).then_some(seconds),
                message: BY_HOST.to_owned(),
            },
            HostAskOwned::Lock { locked } => RoomAsk::Lock(locked),
            HostAskOwned::Attributes { attributes } => RoomAsk::Attributes(attributes),
            HostAskOwned::Close { message } => RoomAsk::Close {
                message: crate::name::clean_text(&message),
            },
        };
        let is_host = self.rooms.get(room).is_some_and(|entry| {
            let member = entry.members.get(&session).map(|it| it.member);
            entry.host.is_some() && entry.host == member
        });
        let answer = match is_host {
            true => self.apply(now, room, ask),
            false => Err(Refusal::new(
                code::FORBIDDEN,
                "only the host of the room may do this",
            )),
        };
        match answer {
            Ok(()) => self.tell_front(session, FrontInput::HostDone { session, request }),
            Err(refusal) => self.refuse(session, request, refusal),
        }
    }

    fn apply(&mut self, now: Time, room: u32, ask: RoomAsk) -> Result<(), Refusal> {
        let entry = self.rooms.get_mut(room).filter(|entry| !entry.ending);
        let entry = entry.ok_or_else(no_room)?;
        match ask {
            RoomAsk::Kick { who, message } => {
                self.send_away(now, room, &who, RoomEnd::Kicked, &message)
            }
            RoomAsk::Ban {
                who,
                seconds,
                message,
            } => {
                let identity = match &who {
                    Who::Identity(identity) => identity.clone(),
                    Who::Member(_) | Who::Session(_) => {
                        let session = entry.session_of(&who).ok_or_else(no_member)?;
                        let inside = entry.members.get(&session).ok_or_else(no_member)?;
                        inside.identity.id.clone()
                    }
                };
                entry
                    .bans
                    .retain(|_, until| until.is_none_or(|until| until > now));
                if entry.bans.len() >= BANS_MAX && !entry.bans.contains_key(&identity) {
                    let message =
                        format!("a room keeps out {BANS_MAX} identities at most: lift some first");
                    return Err(Refusal::new(code::LIMIT, message));
                }
                let until =
                    seconds.map(|seconds| now.plus(Duration::from_secs(u64::from(seconds))));
                entry.bans.insert(identity.clone(), until);
                // Whoever has that identity goes; that nobody has it now is no fault.
                let who = Who::Identity(identity);
                let _ = self.send_away(now, room, &who, RoomEnd::Banned, &message);
                Ok(())
            }
            RoomAsk::Unban { identity } => {
                entry.bans.remove(&identity);
                Ok(())
            }
            RoomAsk::Lock(locked) => {
                entry.locked = locked;
                self.live.changed(room);
                Ok(())
            }
            RoomAsk::Attributes(attributes) => {
                entry.spec.attributes = in_order(&entry.spec.kind, &attributes)?;
                self.live.changed(room);
                Ok(())
            }
            RoomAsk::Host(member) => {
                let seated = |member: MemberId| {
                    let mut all = entry.members.values();
                    all.any(|it| it.member == member && !it.watches)
                };
                if member.is_some_and(|member| !seated(member)) {
                    return Err(no_member());
                }
                entry.hosted = member.is_some();
                entry.host = member;
                self.tell_room(room, RoomInput::Host { member });
                Ok(())
            }
            RoomAsk::Move { who, to } => {
                let session = entry.session_of(&who).ok_or_else(no_member)?;
                self.move_to(now, session, room, &to)
            }
            RoomAsk::Close { message } => {
                self.close(room, message);
                Ok(())
            }
        }
    }

    /// Sends all sessions of somebody away from a room.
    fn send_away(
        &mut self,
        now: Time,
        room: u32,
        who: &Who,
        reason: RoomEnd,
        message: &str,
    ) -> Result<(), Refusal> {
        let entry = self.rooms.get(room).ok_or_else(no_room)?;
        let sessions: Vec<SessionKey> = entry.sessions_of(who).collect();
        if sessions.is_empty() {
            return Err(no_member());
        }
        for session in sessions {
            if self.leave(now, session, room, LeaveReason::Kicked) {
                let input = FrontInput::Removed {
                    session,
                    room,
                    reason,
                    message: message.to_owned(),
                };
                self.tell_front(session, input);
            }
        }
        Ok(())
    }
}

pub(super) fn no_room() -> Refusal {
    Refusal::new(code::NOT_FOUND, "the room has ended")
}

pub(super) fn no_member() -> Refusal {
    Refusal::new(
        code::NOT_FOUND,
        "nobody of that name or number is in the room",
    )
}
