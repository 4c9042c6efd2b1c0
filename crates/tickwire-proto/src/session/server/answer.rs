//! What a server's owner answers and sends: attachments, joins, rooms, messages, updates.

use super::super::SendError;
use super::super::bucket::Bucket;
use super::super::outbox::Full;
use super::rooms::{Pair, RoomSlot};
use super::{
    ATTACH_REFUSALS_MAX, Attachment, Proof, Renewal, SERVER_REQUESTS, ServerEvent, ServerSession,
    Stage,
};
use crate::ending::{Ending, Reason};
use crate::frame::server::{Treatment, treatment};
use crate::frame::{
    CHANNELS_MAX, CONTROL_CHANNEL, Identity, JoinedInfo, MemberChangeOwned, Refusal, RoomEnd,
    RoomInfoOwned, ServerFrame, code,
};
use crate::time::{Tick, Time};
use bytes::Bytes;

impl ServerSession {
    /// The answer to [`ServerEvent::AuthWanted`].
    pub fn attach_done(&mut self, now: Time, attachment: u8, answer: Result<Identity, Refusal>) {
        self.attach_done_with(now, attachment, answer, None);
    }

    /// The same, with the schema of the namespace's messages for a client that does not know them.
    pub fn attach_done_with(
        &mut self,
        now: Time,
        attachment: u8,
        answer: Result<Identity, Refusal>,
        schema: Option<&Bytes>,
    ) {
        let answer = answer.and_then(|identity| match identity.expires {
            Some(at) if at <= now => Err(Refusal::new(
                code::REFUSED,
                "these credentials have expired: sign in again",
            )),
            _ => Ok(identity),
        });
        let state = self.attachments.get(&attachment).map(|it| &it.state);
        if matches!(state, Some(Proof::GivenUp)) {
            self.attachments.remove(&attachment);
            self.await_credentials(now);
        }
        let renewal = self.attachments.get(&attachment).map(|it| it.renewal);
        if matches!(renewal, Some(Renewal::Pending(_))) && self.is_ended().is_none() {
            return self.renewed(now, attachment, answer);
        }
        if self.is_ended().is_some()
            || !matches!(
                self.attachments.get(&attachment),
                Some(Attachment {
                    state: Proof::Pending,
                    ..
                })
            )
        {
            self.stats.answers_late += 1;
            return;
        }
        match answer {
            Ok(identity) => {
                let frame = ServerFrame::AttachDone {
                    attachment,
                    identity: &identity.id,
                    schema: schema.map(|schema| &schema[..]),
                }
                .encode();
                if let Some(it) = self.attachments.get_mut(&attachment) {
                    it.state = Proof::Checked(identity);
                }
                self.credentials_by = None;
                self.bared = false;
                self.events.push_back(ServerEvent::Attached { attachment });
                // Last, since it may end the session, and nothing comes after that.
                self.push_control(frame);
            }
            Err(Refusal {
                code,
                message,
                data,
            }) => {
                self.attachments.remove(&attachment);
                let frame = ServerFrame::AttachRefused {
                    attachment,
                    code: &code,
                    message: &message,
                    data: &data,
                };
                self.push_control(frame.encode());
                self.refusals += 1;
                self.await_credentials(now);
                if self.refusals >= ATTACH_REFUSALS_MAX {
                    let message =
                        format!("credentials were refused {ATTACH_REFUSALS_MAX} times: {message}");
                    self.finish(Ending::new(Reason::Refused, message));
                }
            }
        }
    }

    /// The answer to [`ServerEvent::JoinWanted`]: the session is in the room from here on.
    ///
    /// Its commands are limited by the room's tick rate; [`ServerSession::set_command_rate`] sets another.
    pub fn joined(&mut self, now: Time, info: JoinedInfo) {
        if self.is_ended().is_some() || !self.pending.remove(&info.request) {
            self.stats.answers_late += 1;
            return;
        }
        let slot = RoomSlot {
            commands: Bucket::new(now, 0, 0),
            said: None,
            sent: None,
            held: None,
            update: None,
            tick_frame: None,
            status: Default::default(),
        };
        self.rooms.insert(info.room, slot);
        // A quarter more than one a tick: clocks differ, and a client that catches up sends two at once.
        self.set_command_rate(info.room, (1_250_000 / info.tick_us.max(1)).max(2));
        self.push_control(info.frame().encode());
    }

    /// How many commands a second are taken for a room; more are dropped and counted.
    ///
    /// What a dead-but-one link held back may come at once, since the room knows best which of them are late.
    pub fn set_command_rate(&mut self, room: u32, per_s: u32) {
        let at = self.last_out;
        let stall_s = u64::from(self.cfg.limits.dead_ms / 1000) + 1;
        if let Some(slot) = self.rooms.get_mut(room) {
            slot.commands = Bucket::new(
                at,
                u64::from(per_s),
                u64::from(per_s).saturating_mul(stall_s),
            );
        }
    }

    /// The other answer to [`ServerEvent::JoinWanted`] and [`ServerEvent::LobbyWanted`].
    pub fn join_refused(&mut self, request: u32, refusal: Refusal) {
        let waits = self.pending.remove(&request) || self.watches.remove(&request).is_some();
        if self.is_ended().is_some() || !waits {
            self.stats.answers_late += 1;
            return;
        }
        let Refusal {
            code,
            message,
            data,
        } = &refusal;
        self.push_control(
            ServerFrame::JoinRefused {
                request,
                code,
                message,
                data,
            }
            .encode(),
        );
    }

    /// The answer to [`ServerEvent::LobbyWanted`]; at most
    /// [`ROOMS_LISTED_MAX`](crate::frame::ROOMS_LISTED_MAX) rooms are told.
    pub fn lobby_list(&mut self, request: u32, mut rooms: Vec<RoomInfoOwned>) {
        if self.is_ended().is_some() || !self.pending.remove(&request) {
            self.stats.answers_late += 1;
            return;
        }
        rooms.truncate(crate::frame::ROOMS_LISTED_MAX);
        let rooms = rooms.iter().map(RoomInfoOwned::borrow).collect();
        self.push_control(ServerFrame::LobbyList { request, rooms }.encode());
    }

    /// What is new on a list that the client watches; the first time all of it. At most
    /// [`ROOMS_LISTED_MAX`](crate::frame::ROOMS_LISTED_MAX) rooms and as many ids: what is more comes in another one.
    pub fn lobby_change(
        &mut self,
        request: u32,
        whole: bool,
        rooms: &[RoomInfoOwned],
        gone: &[String],
    ) {
        if self.is_ended().is_some() || !self.watches.contains_key(&request) {
            self.stats.answers_late += 1;
            return;
        }
        let frame = ServerFrame::LobbyChange {
            request,
            whole,
            rooms: rooms.iter().map(RoomInfoOwned::borrow).collect(),
            gone: gone.iter().map(String::as_str).collect(),
        };
        self.push_control(frame.encode());
    }

    /// The answer to [`ServerEvent::HostAsks`]: it is done.
    pub fn host_done(&mut self, request: u32) {
        if self.is_ended().is_some() || !self.pending.remove(&request) {
            self.stats.answers_late += 1;
            return;
        }
        self.push_control(ServerFrame::HostDone { request }.encode());
    }

    /// The session goes on in another room: it is out of `from` and in the new one at once. The number of the join is the server's.
    pub fn moved(&mut self, now: Time, from: u32, mut info: JoinedInfo) {
        let slot = if self.is_ended().is_some() {
            None
        } else {
            self.rooms.remove(from)
        };
        let Some(slot) = slot else {
            self.stats.answers_late += 1;
            return;
        };
        self.stats.updates_dropped += u64::from(slot.update.is_some());
        self.stats.tick_frames_dropped += u64::from(slot.tick_frame.is_some());
        info.request |= SERVER_REQUESTS;
        let request = info.request;
        self.push_control(ServerFrame::Moved { from, request }.encode());
        if self.is_ended().is_none() {
            self.pending.insert(request);
            self.joined(now, info);
        }
    }

    /// Tells of the members of a room. For many sessions encode once and use [`ServerSession::send_frame`].
    pub fn member_change(&mut self, room: u32, change: &MemberChangeOwned) {
        if self.is_ended().is_some() || !self.rooms.contains(room) {
            self.stats.answers_late += 1;
            return;
        }
        self.push_control(
            ServerFrame::Member {
                room,
                change: change.borrow(),
            }
            .encode(),
        );
    }

    /// The session is out of a room: its updates stop, its commands are ignored.
    pub fn room_ended(&mut self, room: u32, reason: RoomEnd, message: &str) {
        let slot = if self.is_ended().is_some() {
            None
        } else {
            self.rooms.remove(room)
        };
        let Some(slot) = slot else {
            self.stats.answers_late += 1;
            return;
        };
        self.stats.updates_dropped += u64::from(slot.update.is_some());
        self.stats.tick_frames_dropped += u64::from(slot.tick_frame.is_some());
        self.end_asks_of(room);
        self.push_control(
            ServerFrame::RoomEnded {
                room,
                reason,
                message,
            }
            .encode(),
        );
    }

    /// Sends a reliable message; `room` 0 is the session itself. Past the outbox's bound the session ends with Overflow.
    pub fn send(
        &mut self,
        now: Time,
        room: u32,
        channel: u8,
        kind: u32,
        payload: Bytes,
    ) -> Result<(), SendError> {
        self.check(payload.len(), channel)?;
        self.send_frame(
            now,
            ServerFrame::Message {
                room,
                channel,
                kind,
                payload: &payload,
            }
            .encode(),
        )
    }

    /// Sends a volatile message: it goes with the next write, or is dropped and counted.
    pub fn send_volatile(
        &mut self,
        now: Time,
        room: u32,
        channel: u8,
        kind: u32,
        payload: Bytes,
    ) -> Result<(), SendError> {
        self.check(payload.len(), channel)?;
        self.send_frame(
            now,
            ServerFrame::Volatile {
                room,
                channel,
                kind,
                payload: &payload,
            }
            .encode(),
        )
    }

    /// Sends a frame that was encoded elsewhere, once for many: a message, a change of members, rates.
    ///
    /// What it is decides how it goes: messages and requests are reliable, volatile ones volatile, all else is control.
    /// A request has its room's own number, unused by any other of that room; the room keeps its time.
    pub fn send_frame(&mut self, now: Time, shared: Bytes) -> Result<(), SendError> {
        if self.is_ended().is_some() {
            return Err(SendError::Ended);
        }
        let pushed = match treatment(&shared) {
            Treatment::Reliable { channel } => self.outbox.push_reliable(channel, shared),
            Treatment::Control => self.outbox.push_control(shared),
            Treatment::Member => self.outbox.push_owed(CONTROL_CHANNEL, shared),
            Treatment::Newest(of) => match self.outbox.push_newest(of, shared) {
                Ok(replaced) => {
                    self.stats.changes_replaced += u64::from(replaced);
                    Ok(())
                }
                Err(full) => Err(full),
            },
            Treatment::Volatile => return self.queue_volatile(now, shared),
            Treatment::Ask => return self.ask_shared(shared),
        };
        pushed.map_err(|Full| self.overflow())
    }

    pub(super) fn check(&self, len: usize, channel: u8) -> Result<(), SendError> {
        debug_assert!(
            channel < CHANNELS_MAX,
            "channels are numbered below {CHANNELS_MAX}"
        );
        let max = crate::frame::PAYLOAD_MAX;
        if len > max {
            Err(SendError::TooLong { len, max })
        } else {
            Ok(())
        }
    }

    fn queue_volatile(&mut self, now: Time, frame: Bytes) -> Result<(), SendError> {
        let away = matches!(self.stage, Stage::Away { .. });
        let refused = away || self.volatiles.blocked;
        self.stats.volatile_dropped += if away {
            1
        } else {
            self.volatiles.push(Some(now), frame)
        };
        if refused {
            Err(SendError::Full)
        } else {
            Ok(())
        }
    }

    pub(super) fn push_control(&mut self, frame: Bytes) {
        if self.outbox.push_control(frame).is_err() {
            self.overflow();
        }
    }

    pub(super) fn overflow(&mut self) -> SendError {
        let (messages, bytes) = self.outbox.reliable_load();
        let message = format!(
            "more waits for the client than the outbox holds ({messages} messages, {bytes} bytes not received)"
        );
        self.finish(Ending::new(Reason::Overflow, message));
        SendError::Overflow
    }

    /// Queues what is new in a room: its tick frame, and the shared update if there is one.
    ///
    /// Only the newest is kept. Returns the bytes of an update that will never be written: of one that waited and is
    /// replaced, or of this one where the session is out of the room. 0 where the room waits for its gauge, as it
    /// must on reliable lanes, since each delta starts from the one before.
    pub fn update(
        &mut self,
        room: u32,
        tick: Tick,
        private: Bytes,
        shared: Option<Bytes>,
    ) -> usize {
        let open = matches!(self.stage, Stage::Open);
        let slot = self.rooms.get_mut(room).filter(|_| open);
        let Some(slot) = slot else {
            self.stats.answers_late += 1;
            return shared.map_or(0, |shared| private.len() + shared.len());
        };
        let Some(shared) = shared else {
            let replaced = slot.tick_frame.replace(private);
            self.stats.tick_frames_dropped += u64::from(replaced.is_some());
            return 0;
        };
        // What an older tick frame says, the new one says better.
        self.stats.tick_frames_dropped += u64::from(slot.tick_frame.take().is_some());
        let older = slot.update.replace(Pair {
            tick,
            private,
            shared,
        });
        self.stats.updates_dropped += u64::from(older.is_some());
        older.map_or(0, |pair| pair.private.len() + pair.shared.len())
    }
}
