//! Frames from the server: what is allowed when, and what becomes of it.

use super::super::RECEIPTS_ALONE_MS;
use super::super::outbox::Receipt;
use super::{ClientEvent, ClientSession, RoomView, Stage};
use crate::ending::{Ending, Reason};
use crate::frame::{
    CONTROL_CHANNEL, JoinedInfo, Limits, MemberInfoOwned, PersonSeenOwned, Refusal, RoomInfoOwned,
    SERVER_FRAME_MAX, ServerFrame, code,
};
use crate::time::{Tick, Time};
use bytes::Bytes;
use std::time::Duration;

fn violation(message: impl Into<String>) -> Ending {
    Ending::new(Reason::Violation, message)
}

impl ClientSession {
    /// A frame arrived. A server that breaks the rules ends the session.
    pub fn handle_frame(&mut self, now: Time, frame: &Bytes) {
        if !matches!(self.stage, Stage::Hello | Stage::Open) {
            self.stats.frames_after_end += 1;
            return;
        }
        self.stats.frames_in += 1;
        self.stats.bytes_in += frame.len() as u64;
        self.heartbeat.heard(now);
        // On any arrival, not on updates alone: of several that come at once only the first may have been told, and a
        // room whose window is full sends no other. Whether there is news is asked when it is written.
        self.receipts_due |= self.untold_for_long(now);
        if let Err(ending) = self.accept(now, frame) {
            // A server that ended the session itself needs no goodbye.
            let bye = ending.reason == Reason::Violation;
            self.finish(ending, bye);
        }
    }

    fn accept(&mut self, now: Time, bytes: &Bytes) -> Result<(), Ending> {
        if bytes.len() > SERVER_FRAME_MAX {
            return Err(violation(format!(
                "a frame of {} bytes is longer than the {SERVER_FRAME_MAX} allowed",
                bytes.len()
            )));
        }
        let frame = ServerFrame::decode(bytes)
            .map_err(|error| violation(format!("from the server: {error}")))?;
        match (frame, &self.stage) {
            (
                ServerFrame::Ending {
                    reason,
                    retry,
                    message,
                },
                _,
            ) => Err(Ending::with_retry(reason, retry, message)),
            (
                ServerFrame::Welcome {
                    session,
                    token,
                    limits,
                    resumed,
                },
                Stage::Hello,
            ) => self.welcomed(now, session, token, limits, resumed),
            (ServerFrame::TickFrame { .. } | ServerFrame::Update { .. }, Stage::Hello)
                if self.datagrams =>
            {
                self.stats.frames_late += 1; // it came before the welcome did, by a datagram
                Ok(())
            }
            (ServerFrame::Welcome { .. }, _) => Err(violation("from the server: a second welcome")),
            (frame, Stage::Hello) => Err(violation(format!(
                "from the server: {} frame before the welcome",
                frame.name()
            ))),
            (frame, _) => {
                if frame.is_control() {
                    self.count(CONTROL_CHANNEL);
                }
                self.dispatch(now, frame, bytes);
                Ok(())
            }
        }
    }

    fn welcomed(
        &mut self,
        now: Time,
        session: u64,
        token: [u8; 32],
        limits: Limits,
        resumed: Option<Vec<(u8, u64)>>,
    ) -> Result<(), Ending> {
        match &resumed {
            Some(received) if self.claims => {
                for (channel, count) in received {
                    self.receipt(*channel, *count);
                }
                self.outbox.rewind();
            }
            Some(_) => {
                return Err(violation(
                    "from the server: a session goes on that was not claimed",
                ));
            }
            None if self.claims => self.forget(),
            None => {}
        }
        self.claims = false;
        self.token = (limits.resume_window_ms > 0).then_some(token);
        self.stage = Stage::Open;
        self.use_limits(now, limits);
        self.heartbeat.timeout(now);
        let lost = std::mem::take(&mut self.lost);
        self.events.push_back(ClientEvent::Welcome {
            session,
            limits,
            resumed: resumed.is_some(),
            lost,
        });
        Ok(())
    }

    fn dispatch(&mut self, now: Time, frame: ServerFrame<'_>, bytes: &Bytes) {
        match frame {
            // Taken by `accept`.
            ServerFrame::Welcome { .. } | ServerFrame::Ending { .. } => {}
            ServerFrame::AttachDone {
                attachment,
                identity,
                schema,
            } => {
                let schema = schema.map(|schema| bytes.slice_ref(schema));
                self.attached(attachment, identity, schema);
            }
            ServerFrame::CredentialsWanted {
                attachment,
                within_ms,
            } => self.credentials_wanted(attachment, within_ms),
            ServerFrame::AttachEnded {
                attachment,
                code,
                message,
                data,
            } => {
                self.attach_ended(attachment, own_refusal(code, message, data, bytes));
            }
            ServerFrame::AttachRefused {
                attachment,
                code,
                message,
                data,
            } => {
                self.attach_refused(attachment, own_refusal(code, message, data, bytes));
            }
            ServerFrame::Joined { .. } => self.joined(frame, bytes),
            ServerFrame::JoinRefused {
                request,
                code,
                message,
                data,
            } => {
                let refusal = own_refusal(code, message, data, bytes);
                self.events
                    .push_back(ClientEvent::JoinRefused { request, refusal });
            }
            ServerFrame::TickFrame {
                room,
                tick,
                applied,
                slack,
                stamp,
                own,
                alone,
            } => {
                let own = own.owned(bytes);
                // Whoever is knocked at lets a receipt go, though it went before: that one may be lost.
                if let Some(view) = self.rooms.get_mut(&room) {
                    view.loose.untold = true;
                }
                self.about(
                    room,
                    ClientEvent::TickFrame {
                        room,
                        tick,
                        applied,
                        slack,
                        stamp,
                        own,
                        alone,
                    },
                );
            }
            ServerFrame::Update { room, tick, .. } => self.updated(room, tick, bytes),
            ServerFrame::Message {
                room,
                channel,
                kind,
                payload,
            } => {
                self.count(channel);
                self.message(room, channel, kind, bytes.slice_ref(payload), false);
            }
            ServerFrame::Volatile {
                room,
                channel,
                kind,
                payload,
            } => self.message(room, channel, kind, bytes.slice_ref(payload), true),
            ServerFrame::Ask(ask) => {
                self.count(ask.channel);
                self.asked_by_server(&ask, bytes);
            }
            ServerFrame::Reply(reply) => {
                self.count(reply.channel);
                self.replied_by_server(&reply);
            }
            ServerFrame::Cancel(cancel) => {
                self.count(cancel.channel);
                self.cancelled_by_server(&cancel);
            }
            ServerFrame::Receipts { received } => received
                .iter()
                .for_each(|(channel, count)| self.receipt(*channel, *count)),
            ServerFrame::Ping { nonce } => {
                self.stats.pings_replaced += u64::from(self.heartbeat.owe(nonce))
            }
            ServerFrame::Pong { nonce } => self.pong(now, nonce),
            ServerFrame::Member { room, ref change } => self.about(
                room,
                ClientEvent::Member {
                    room,
                    change: change.into(),
                },
            ),
            ServerFrame::StatusRefused {
                room,
                code,
                message,
            } => {
                let refusal = Refusal::new(code, message);
                self.events
                    .push_back(ClientEvent::StatusRefused { room, refusal });
            }
            ServerFrame::Followed {
                attachment,
                ref people,
            } => self.events.push_back(ClientEvent::Followed {
                attachment,
                people: people.iter().map(PersonSeenOwned::from).collect(),
            }),
            ServerFrame::FollowRefused {
                attachment,
                code,
                message,
            } => {
                let refusal = Refusal::new(code, message);
                self.events.push_back(ClientEvent::FollowRefused {
                    attachment,
                    refusal,
                });
            }
            ServerFrame::Notice {
                attachment,
                cursor,
                kind,
                payload,
            } => self.events.push_back(ClientEvent::Notice {
                attachment,
                cursor,
                kind: kind.to_owned(),
                payload: bytes.slice_ref(payload),
            }),
            ServerFrame::RoomEnded {
                room,
                reason,
                message,
            } => {
                let message = message.to_owned();
                self.end_asks_of(room);
                self.about(
                    room,
                    ClientEvent::RoomEnded {
                        room,
                        reason,
                        message,
                    },
                );
                self.forget_room(room);
            }
            ServerFrame::Rates { room, tick_us } => {
                self.about(room, ClientEvent::Rates { room, tick_us })
            }
            ServerFrame::LobbyChange {
                request,
                whole,
                ref rooms,
                ref gone,
            } => {
                let rooms = rooms.iter().map(RoomInfoOwned::from).collect();
                let gone = gone.iter().map(|id| (*id).to_owned()).collect();
                self.events.push_back(ClientEvent::LobbyChange {
                    request,
                    whole,
                    rooms,
                    gone,
                });
            }
            ServerFrame::Moved { from, request } => {
                self.about(
                    from,
                    ClientEvent::Moved {
                        room: from,
                        request,
                    },
                );
                self.forget_room(from);
            }
            ServerFrame::HostDone { request } => {
                self.events.push_back(ClientEvent::HostDone { request });
            }
            ServerFrame::LobbyList { request, ref rooms } => {
                let rooms = rooms.iter().map(RoomInfoOwned::from).collect();
                self.events
                    .push_back(ClientEvent::LobbyList { request, rooms });
            }
        }
    }

    /// One more that the server wants to know of.
    fn count(&mut self, channel: u8) {
        self.tally.count(channel);
        self.receipts_due |= self.tally.is_pressing();
    }

    fn forget_room(&mut self, room: u32) {
        self.rooms.remove(&room);
        let before = self.commands.len();
        self.commands.retain(|command| command.room != room);
        self.stats.commands_unsent += (before - self.commands.len()) as u64;
    }

    fn attached(&mut self, attachment: u8, identity: &str, schema: Option<Bytes>) {
        let Some(accepted) = self.attachments.get_mut(&attachment) else {
            self.stats.frames_late += 1;
            return;
        };
        if std::mem::replace(accepted, true) {
            self.events.push_back(ClientEvent::Renewed { attachment });
            return;
        }
        self.events.push_back(ClientEvent::Attached {
            attachment,
            identity: identity.to_owned(),
            schema,
        });
        let (ready, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.held_back)
            .into_iter()
            .partition(|it| it.attachment == attachment);
        self.held_back = waiting;
        for request in ready {
            if self.outbox.push_control(request.frame).is_err() {
                self.refuse(
                    request.request,
                    "the outbox is full: ask less often".to_owned(),
                );
            }
        }
    }

    fn credentials_wanted(&mut self, attachment: u8, within_ms: u32) {
        if self.attachments.get(&attachment) == Some(&true) {
            self.events.push_back(ClientEvent::CredentialsWanted {
                attachment,
                within_ms,
            });
        } else {
            self.stats.frames_late += 1;
        }
    }

    fn attach_refused(&mut self, attachment: u8, refusal: Refusal) {
        if self.attachments.remove(&attachment).is_none() {
            self.stats.frames_late += 1;
            return;
        }
        self.refuse_held_back(attachment, &refusal);
        self.events.push_back(ClientEvent::AttachRefused {
            attachment,
            refusal,
        });
    }

    fn attach_ended(&mut self, attachment: u8, refusal: Refusal) {
        if self.attachments.remove(&attachment).is_none() {
            self.stats.frames_late += 1;
            return;
        }
        self.refuse_held_back(attachment, &refusal);
        self.end_asks_of(attachment.into());
        self.events.push_back(ClientEvent::AttachEnded {
            attachment,
            refusal,
        });
    }

    /// Requests that waited for an attachment that does not come.
    fn refuse_held_back(&mut self, attachment: u8, refusal: &Refusal) {
        let (refused, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.held_back)
            .into_iter()
            .partition(|it| it.attachment == attachment);
        self.held_back = waiting;
        for held_back in refused {
            self.events.push_back(ClientEvent::JoinRefused {
                request: held_back.request,
                refusal: refusal.clone(),
            });
        }
    }

    pub(super) fn refuse(&mut self, request: u32, message: String) {
        self.events.push_back(ClientEvent::JoinRefused {
            request,
            refusal: Refusal::new(code::LIMIT, message),
        });
    }

    fn joined(&mut self, frame: ServerFrame<'_>, bytes: &Bytes) {
        if let ServerFrame::Joined {
            request,
            room,
            id,
            kind,
            seat,
            member,
            tick,
            tick_us,
            send_every,
            schema_hash,
            schema,
            members,
        } = frame
        {
            self.rooms.insert(room, RoomView::default());
            self.events.push_back(ClientEvent::Joined(JoinedInfo {
                request,
                room,
                id: id.to_owned(),
                kind: kind.to_owned(),
                seat,
                member,
                tick,
                tick_us,
                send_every,
                schema_hash,
                schema: schema.map(|schema| bytes.slice_ref(schema)),
                members: members.iter().map(MemberInfoOwned::from).collect(),
            }));
        }
    }

    fn updated(&mut self, room: u32, tick: Tick, frame: &Bytes) {
        let datagrams = self.datagrams;
        let is_new = |view: &mut RoomView| match datagrams {
            true => view.loose.updated(tick),
            false => view.newest.is_none_or(|newest| tick > newest),
        };
        let view = self.rooms.get_mut(&room);
        let view = view.and_then(|view| is_new(view).then_some(view));
        match view {
            Some(view) => {
                view.newest = view.newest.max(Some(tick));
                self.events.push_back(ClientEvent::Update {
                    room,
                    tick,
                    frame: frame.clone(),
                });
            }
            _ => self.stats.frames_late += 1,
        }
    }

    /// Whether no receipt has gone for so long that one may go alone. A pong or a ping in between tells nothing.
    fn untold_for_long(&self, now: Time) -> bool {
        now.since(self.last_told) >= Duration::from_millis(RECEIPTS_ALONE_MS)
    }

    fn message(&mut self, room: u32, channel: u8, kind: u32, payload: Bytes, volatile: bool) {
        let attached = u8::try_from(room)
            .is_ok_and(|attachment| self.attachments.get(&attachment) == Some(&true));
        if attached || self.rooms.contains_key(&room) {
            self.events.push_back(ClientEvent::Message {
                room,
                channel,
                kind,
                payload,
                volatile,
            });
        } else {
            self.stats.messages_no_room += 1;
        }
    }

    fn receipt(&mut self, channel: u8, count: u64) {
        match self.outbox.receipt(channel, count) {
            Receipt::New => {}
            Receipt::Stale => self.stats.receipts_stale += 1,
            Receipt::Bogus => self.stats.receipts_bogus += 1,
        }
    }

    fn pong(&mut self, now: Time, nonce: u32) {
        match self.heartbeat.pong(now, nonce) {
            Some(answer) => {
                self.rtt.sample(now, answer.rtt);
                self.pace.prove(answer.mark);
                if self.pace.wants_proof() && !self.heartbeat.is_waiting() {
                    self.heartbeat.want_ping();
                }
            }
            None => self.stats.pongs_unasked += 1,
        }
    }

    fn about(&mut self, room: u32, event: ClientEvent) {
        if self.rooms.contains_key(&room) {
            self.events.push_back(event);
        } else {
            self.stats.frames_late += 1;
        }
    }
}

fn own_refusal(code: &str, message: &str, data: &[u8], bytes: &Bytes) -> Refusal {
    Refusal {
        code: code.to_owned(),
        message: message.to_owned(),
        data: bytes.slice_ref(data),
    }
}
