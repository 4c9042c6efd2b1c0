//! What sessions say, and where it goes: to auth, to the lobby, to rooms.

use std::sync::Arc;

use tickwire_proto::frame::{Holding, LeaveReason, Presence, ROOM_FIRST, RoomEnd};
use tickwire_proto::{ServerEvent, Time};

use super::slots::Asked;
use super::{Front, FrontOutput};
use crate::auth::AuthRequest;
use crate::key::SessionKey;
use crate::lobby::{LobbyInput, LobbyJoin};
use crate::room::RoomInput;

impl Front {
    /// Takes all that a session has to say.
    pub(super) fn hear_events(&mut self, now: Time, key: SessionKey) {
        // A command carries the receipt that was told just before it: that one need not go on its own.
        let mut told: Option<(u32, Holding)> = None;
        while let Some(event) = self
            .slots
            .get_mut(key)
            .and_then(|slot| slot.session.poll_event())
        {
            if let Some((room, held)) = told.take()
                && !matches!(event, ServerEvent::Command { room: other, .. } if other == room)
            {
                self.tell_room(key, room, |member| RoomInput::Held { member, held });
            }
            match event {
                ServerEvent::Held { room, held } => told = Some((room, held)),
                other => self.hear(now, key, other),
            }
        }
        if let Some((room, held)) = told {
            self.tell_room(key, room, |member| RoomInput::Held { member, held });
        }
    }

    fn hear(&mut self, now: Time, key: SessionKey, event: ServerEvent) {
        match event {
            ServerEvent::AuthWanted {
                attachment,
                namespace,
                credentials,
                messages_hash,
                renewal,
            } => {
                let Some(slot) = self.slots.get(key) else {
                    return;
                };
                let request = AuthRequest {
                    session: key,
                    attachment,
                    namespace,
                    credentials,
                    messages_hash,
                    guest: slot.guest,
                    now,
                    remote: Arc::clone(&slot.remote),
                    identity: None,
                };
                self.auth_wanted(now, request, renewal);
            }
            ServerEvent::Attached { attachment } => self.attached(key, attachment),
            ServerEvent::Renewed { .. } => self.stats.renewals += 1,
            ServerEvent::Detached { attachment, ended } => {
                let reason = match ended {
                    true => LeaveReason::Ended,
                    false => LeaveReason::Left,
                };
                self.detached(key, attachment, reason);
                self.unnamed(key, attachment, reason);
            }
            ServerEvent::JoinWanted {
                request,
                attachment,
                how,
                schema_hash,
            } => {
                let Some(slot) = self.slots.get_mut(key) else {
                    return;
                };
                let (Some(identity), Some(namespace)) = (
                    slot.session.identity(attachment).cloned(),
                    slot.namespace(attachment).cloned(),
                ) else {
                    return;
                };
                let gauge = slot.gauge.of_another_room();
                slot.asked.push(Asked {
                    request,
                    attachment,
                    gauge: gauge.clone(),
                });
                let join = LobbyJoin {
                    session: key,
                    request,
                    namespace,
                    how,
                    schema_hash,
                    identity,
                    gauge,
                    seat_key: slot.session.seat_key(),
                };
                self.tell_lobby(LobbyInput::Join(Box::new(join)));
            }
            ServerEvent::LobbyWanted {
                request,
                attachment,
                kind,
            } => {
                let slot = self.slots.get(key);
                if let Some(namespace) = slot.and_then(|slot| slot.namespace(attachment)).cloned() {
                    self.tell_lobby(LobbyInput::List {
                        session: key,
                        request,
                        namespace,
                        kind,
                    });
                }
            }
            ServerEvent::LobbyWatchWanted {
                request,
                attachment,
                kind,
                attributes,
            } => {
                let slot = self.slots.get(key);
                if let Some(namespace) = slot.and_then(|slot| slot.namespace(attachment)).cloned() {
                    self.tell_lobby(LobbyInput::Watch {
                        session: key,
                        request,
                        namespace,
                        kind,
                        attributes,
                    });
                }
            }
            ServerEvent::LobbyUnwatched { request } => {
                let session = key;
                self.tell_lobby(LobbyInput::Unwatch { session, request });
            }
            ServerEvent::Ready { room, ready } => {
                self.tell_room(key, room, |member| RoomInput::Ready { member, ready });
            }
            ServerEvent::HostAsks { request, room, ask } => {
                self.tell_lobby(LobbyInput::HostAsks {
                    session: key,
                    request,
                    room,
                    ask,
                });
            }
            ServerEvent::LeaveWanted { room } => {
                self.leave(key, room, "left as asked", LeaveReason::Left);
            }
            ServerEvent::Command {
                room,
                held,
                tick,
                shown,
                said,
                payload,
            } => {
                self.tell_room(key, room, |member| RoomInput::Command {
                    member,
                    held,
                    tick,
                    shown,
                    said,
                    payload,
                });
            }
            ServerEvent::Message {
                room,
                kind,
                payload,
                ..
            } if room < ROOM_FIRST => self.said_outside(key, room, kind, payload),
            ServerEvent::Message {
                room,
                channel,
                kind,
                payload,
                volatile,
            } => {
                self.tell_room(key, room, |member| RoomInput::Message {
                    member,
                    channel,
                    kind,
                    payload,
                    volatile,
                });
            }
            ServerEvent::Status { room, text } => self.status(key, room, &text),
            ServerEvent::Follow {
                attachment,
                add,
                remove,
            } => self.follow(key, attachment, add, remove),
            ServerEvent::NoticesDone {
                attachment,
                cursors,
            } => self.notices_done(key, attachment, cursors),
            ServerEvent::Ask {
                room,
                number,
                kind,
                payload,
                ..
            } if room < ROOM_FIRST => self.asked_outside(key, room, number, kind, payload),
            ServerEvent::AskCancelled { room, number } if room < ROOM_FIRST => {
                self.outputs.push_back(FrontOutput::GivenUp {
                    session: key,
                    attachment: room as u8,
                    number,
                });
            }
            ServerEvent::Ask {
                room,
                number,
                kind,
                payload,
                ..
            } => self.tell_room(key, room, |member| RoomInput::Request {
                member,
                number,
                kind,
                payload,
            }),
            ServerEvent::AskCancelled { room, number } => {
                self.tell_room(key, room, |member| RoomInput::RequestCancelled {
                    member,
                    number,
                });
            }
            ServerEvent::Reply {
                room,
                number,
                outcome,
            } => self.tell_room(key, room, |member| RoomInput::Reply {
                member,
                number,
                outcome,
            }),
            ServerEvent::Held { room, held } => {
                self.tell_room(key, room, |member| RoomInput::Held { member, held })
            }
            ServerEvent::Report { age_ms, .. } => self.stats.ages.add(age_ms),
            ServerEvent::KeyframeWanted { room, area } => {
                self.tell_room(key, room, |member| RoomInput::KeyframeWanted {
                    member,
                    area,
                });
            }
            ServerEvent::LinkLost => {
                self.stats.links_lost += 1;
                self.cut(key);
                self.presence(key, Presence::Away);
                self.tell_presence(key, Presence::Away);
                self.waits(now, key);
            }
            ServerEvent::Resumed => {
                self.stats.resumes += 1;
                self.waits_no_more(key);
                self.tell_presence(key, Presence::Online);
            }
            ServerEvent::RoomResumed { room, held } => self.room_resumed(key, room, held),
            ServerEvent::Ended(ending) => {
                self.stats.ending(ending.reason);
                self.waits_no_more(key);
                self.gone(key, ending.reason);
                self.tell_gone(key, ending.reason);
            }
        }
    }

    /// Credentials are checked outside, but for a namespace or messages that there are not, and a namespace that is full.
    fn auth_wanted(&mut self, now: Time, request: AuthRequest, renewal: bool) {
        let (session, attachment) = (request.session, request.attachment);
        let Some(slot) = self.slots.get_mut(session) else {
            return;
        };
        let entered = match slot.namespace(attachment) {
            Some(namespace) if renewal => Ok(Arc::clone(namespace)),
            _ => self.namespaces.find(&request.namespace).and_then(|found| {
                found.check_messages(request.messages_hash)?;
                let entrance = found.enter()?;
                slot.entrances.retain(|(of, _)| *of != attachment);
                slot.entrances.push((attachment, entrance));
                slot.generic = match request.messages_hash {
                    0 => slot.generic | 1 << attachment,
                    _ => slot.generic & !(1 << attachment),
                };
                Ok(found)
            }),
        };
        match entered {
            Ok(namespace) => self
                .outputs
                .push_back(FrontOutput::AuthWanted { request, namespace }),
            Err(refusal) => {
                self.stats.refusal(&refusal.code);
                slot.session.attach_done(now, attachment, Err(refusal));
            }
        }
    }

    /// With an attachment go the rooms that were joined by it.
    fn detached(&mut self, key: SessionKey, attachment: u8, reason: LeaveReason) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        slot.asked.retain(|asked| asked.attachment != attachment);
        slot.entrances.retain(|(of, _)| *of != attachment);
        let rooms: Vec<u32> = slot
            .parts
            .iter()
            .filter(|part| part.attachment == attachment)
            .map(|part| part.room)
            .collect();
        for room in rooms {
            self.leave(key, room, "its namespace was left", reason);
        }
    }

    fn leave(&mut self, key: SessionKey, room: u32, message: &str, reason: LeaveReason) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        if slot.room_ended(room, RoomEnd::Left, message).is_some() {
            self.leave_index(room, key);
            self.tell_lobby(LobbyInput::Leave {
                session: key,
                room,
                reason,
            });
        }
    }

    fn presence(&mut self, key: SessionKey, presence: Presence) {
        let rooms = self.rooms_of(key);
        for room in rooms {
            self.tell_room(key, room, |member| RoomInput::Presence { member, presence });
        }
    }

    /// Rooms pace their updates by the round trip: they are told when it has changed by more than a tenth.
    pub(super) fn tell_rtt(&mut self, key: SessionKey) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        let rtt = slot.session.rtt();
        if !rtt.is_known() {
            return;
        }
        let least_ms = u32::try_from(rtt.least.as_millis()).unwrap_or(u32::MAX);
        if least_ms.abs_diff(slot.told_rtt_ms) <= slot.told_rtt_ms / 10 + 4 {
            return;
        }
        slot.told_rtt_ms = least_ms;
        for room in self.rooms_of(key) {
            self.tell_room(key, room, |member| RoomInput::Rtt { member, least_ms });
        }
    }

    fn rooms_of(&self, key: SessionKey) -> Vec<u32> {
        let parts = self.slots.get(key).into_iter().flat_map(|slot| &slot.parts);
        parts
            .filter(|part| part.request.is_none())
            .map(|part| part.room)
            .collect()
    }

    pub(super) fn tell_lobby(&mut self, input: LobbyInput) {
        self.outputs.push_back(FrontOutput::ToLobby(input));
    }

    /// For a room that the session is in.
    pub(super) fn tell_room(
        &mut self,
        key: SessionKey,
        room: u32,
        input: impl FnOnce(crate::MemberId) -> RoomInput,
    ) {
        if let Some(member) = self.slots.get(key).and_then(|slot| slot.member(room)) {
            self.outputs.push_back(FrontOutput::ToRoom {
                session: Some(key),
                room,
                input: input(member),
            });
        }
    }
}
