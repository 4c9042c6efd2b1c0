//! What a client's owner asks for: attachments, rooms, commands, messages, receipts.

use super::super::SendError;
use super::{
    ATTACH, COMMANDS_WAITING_MAX, ClientEvent, ClientSession, HELD_BACK_MAX, HeldBack, Waiting,
};
use crate::frame::{
    ATTACHMENTS_MAX, CHANNELS_MAX, COMMAND_MAX, CREDENTIALS_MAX, ClientFrame, Holding, HostAsk,
    JoinHow, Refusal, code,
};
use crate::moment::Moment;
use crate::time::Tick;
use bytes::Bytes;

impl ClientSession {
    /// A secret that each session shows from here on, before it joins anything: the seats of an older one that has shown it become its own.
    pub fn set_seat_key(&mut self, key: [u8; 16]) {
        self.seat_key = Some(key);
    }

    /// Wants a part in a namespace; the frame goes right behind the hello. An attachment in use stays as it is.
    pub fn attach(
        &mut self,
        attachment: u8,
        namespace: &str,
        credentials: &[u8],
        messages_hash: u64,
    ) {
        if self.is_ended().is_some() || self.attachments.contains_key(&attachment) {
            return;
        }
        let refusal = if self.attachments.len() >= ATTACHMENTS_MAX
            || usize::from(attachment) >= ATTACHMENTS_MAX
        {
            Refusal::new(
                code::LIMIT,
                format!(
                    "a session has at most {ATTACHMENTS_MAX} attachments, numbered from 0: detach one first"
                ),
            )
        } else if credentials.len() > CREDENTIALS_MAX {
            Refusal::new(
                code::LIMIT,
                format!("credentials have at most {CREDENTIALS_MAX} bytes: show a token instead"),
            )
        } else {
            if let Some(key) = self.seat_key
                && !std::mem::replace(&mut self.seat_key_shown, true)
            {
                self.push_control(&ClientFrame::SeatKey { key });
            }
            let frame = ClientFrame::Attach {
                attachment,
                namespace,
                credentials,
                messages_hash,
            }
            .encode();
            self.attachments.insert(attachment, false);
            self.push_opening(frame);
            return;
        };
        self.events.push_back(ClientEvent::AttachRefused {
            attachment,
            refusal,
        });
    }

    /// Gives an attachment up. Its number is free again when the server has answered the attach.
    pub fn detach(&mut self, attachment: u8) {
        if self.is_ended().is_some() || self.attachments.remove(&attachment).is_none() {
            return;
        }
        self.held_back.retain(|it| it.attachment != attachment);
        self.end_asks_of(attachment.into());
        let unsent = self
            .outbox
            .take_opening(|frame| frame.starts_with(&[ATTACH, attachment]));
        if !unsent {
            self.push_opening(ClientFrame::Detach { attachment }.encode());
        }
    }

    /// The answer to [`ClientEvent::CredentialsWanted`]. Longer ones than [`CREDENTIALS_MAX`] are cut, and then refused by whoever reads them.
    pub fn credentials(&mut self, attachment: u8, credentials: &[u8]) {
        if self.attachments.get(&attachment) == Some(&true) {
            let credentials = &credentials[..credentials.len().min(CREDENTIALS_MAX)];
            self.push_control(&ClientFrame::Credentials {
                attachment,
                credentials,
            });
        }
    }

    fn push_opening(&mut self, frame: Bytes) {
        if self.outbox.push_opening(frame).is_err() {
            self.overflow();
        }
    }

    /// Wants to be a member of a room. `request` is the caller's, unused by any other that waits for its answer; the
    /// hash is 0 for a client that wants the schema.
    pub fn join(&mut self, request: u32, attachment: u8, how: &JoinHow<'_>, schema_hash: u64) {
        let frame = ClientFrame::Join {
            request,
            attachment,
            how: how.clone(),
            schema_hash,
        };
        self.request(request, attachment, &frame);
    }

    /// Wants the list of rooms of a kind; empty: of all.
    pub fn lobby(&mut self, request: u32, attachment: u8, kind: &str) {
        self.request(
            request,
            attachment,
            &ClientFrame::Lobby {
                request,
                attachment,
                kind,
            },
        );
    }

    /// Wants the list of rooms of a kind (empty: of all) that have these attributes, and then every change of it.
    pub fn lobby_watch(
        &mut self,
        request: u32,
        attachment: u8,
        kind: &str,
        attributes: &[(&str, &str)],
    ) {
        let frame = ClientFrame::LobbyWatch {
            request,
            attachment,
            kind,
            attributes: attributes.to_vec(),
        };
        self.request(request, attachment, &frame);
    }

    /// Wants no more changes of that list.
    pub fn lobby_unwatch(&mut self, request: u32) {
        let before = self.held_back.len();
        self.held_back.retain(|it| it.request != request);
        if self.held_back.len() == before && self.is_attached() {
            self.push_control(&ClientFrame::LobbyUnwatch { request });
        }
    }

    /// Says that the player of this room is ready, or is not any more.
    pub fn ready(&mut self, room: u32, ready: bool) {
        self.about_room(room, &ClientFrame::Ready { room, ready });
    }

    /// Asks for what the host of a room may ask for. [`ClientEvent::HostDone`] or [`ClientEvent::JoinRefused`] answers.
    pub fn host_ask(&mut self, request: u32, room: u32, ask: &HostAsk<'_>) {
        let ask = ask.clone();
        self.about_room(room, &ClientFrame::HostAsk { request, room, ask });
    }

    fn request(&mut self, request: u32, attachment: u8, frame: &ClientFrame<'_>) {
        if self.is_ended().is_some() {
            return;
        }
        if self.attachments.get(&attachment) == Some(&true) {
            self.push_control(frame);
        } else if self.held_back.len() < HELD_BACK_MAX {
            self.held_back.push(HeldBack {
                attachment,
                request,
                frame: frame.encode(),
            });
        } else {
            self.refuse(request, format!("{HELD_BACK_MAX} requests wait for their attachment: wait for ClientEvent::Attached"));
        }
    }

    /// Leaves a room: [`ClientEvent::RoomEnded`] tells when it is done.
    pub fn leave(&mut self, room: u32) {
        if self.rooms.contains_key(&room) {
            self.commands.retain(|command| command.room != room);
            self.push_control(&ClientFrame::Leave { room });
        }
    }

    /// What the player asks for in one tick. False: it was dropped and counted, since nothing of the room is held yet, or
    /// it is too long.
    pub fn command(&mut self, room: u32, tick: Tick, payload: &[u8]) -> bool {
        self.command_with(room, tick, (None, None), payload)
    }

    /// The same of a player whose picture shows this moment, to which the server may look back; and whose client predicts, and says the number of
    /// what the player owns then.
    pub fn command_with(
        &mut self,
        room: u32,
        tick: Tick,
        (shown, said): (Option<Moment>, Option<u16>),
        payload: &[u8],
    ) -> bool {
        let holds = self
            .rooms
            .get(&room)
            .is_some_and(|view| view.held.is_some());
        if !holds || payload.len() > COMMAND_MAX {
            self.stats.commands_unsent += 1;
            return false;
        }
        if self.commands.len() >= COMMANDS_WAITING_MAX {
            self.commands.pop_front();
            self.stats.commands_unsent += 1;
        }
        self.commands.push_back(Waiting {
            room,
            tick,
            shown,
            said,
            payload: Bytes::copy_from_slice(payload),
        });
        true
    }

    /// Sends a reliable message; `room` 0 is the session itself. `Full`: try again when receipts have made room.
    pub fn send(
        &mut self,
        room: u32,
        channel: u8,
        kind: u32,
        payload: &[u8],
    ) -> Result<(), SendError> {
        self.check(room, channel, payload.len())?;
        let frame = ClientFrame::Message {
            room,
            channel,
            kind,
            payload,
        }
        .encode();
        self.outbox
            .push_reliable(channel, frame)
            .map_err(|_| SendError::Full)
    }

    /// Sends a volatile message: it goes with the next write, or is dropped and counted.
    pub fn send_volatile(
        &mut self,
        room: u32,
        channel: u8,
        kind: u32,
        payload: &[u8],
    ) -> Result<(), SendError> {
        self.check(room, channel, payload.len())?;
        let refused = self.volatiles.blocked || !self.is_attached();
        if refused {
            self.stats.volatile_dropped += 1;
            return Err(SendError::Full);
        }
        let frame = ClientFrame::Volatile {
            room,
            channel,
            kind,
            payload,
        }
        .encode();
        self.stats.volatile_dropped += self.volatiles.push(None, frame);
        Ok(())
    }

    /// Whether there is such a room, or such an attachment, accepted.
    pub(super) fn is_there(&self, room: u32) -> bool {
        let accepted = |attachment| self.attachments.get(&attachment) == Some(&true);
        self.rooms.contains_key(&room) || u8::try_from(room).is_ok_and(accepted)
    }

    pub(super) fn check(&self, room: u32, channel: u8, len: usize) -> Result<(), SendError> {
        debug_assert!(
            channel < CHANNELS_MAX,
            "channels are numbered below {CHANNELS_MAX}"
        );
        let max = self.limits.message_max as usize;
        if self.is_ended().is_some() {
            Err(SendError::Ended)
        } else if !self.is_there(room) {
            Err(SendError::NoRoom { room })
        } else if len > max {
            Err(SendError::TooLong { len, max })
        } else {
            Ok(())
        }
    }

    /// Says something of oneself in a room, or (below [`ROOM_FIRST`](crate::frame::ROOM_FIRST)) to those who follow one in an attachment's
    /// namespace; for so many milliseconds, or for good (0).
    pub fn status(&mut self, room: u32, text: &str, expires_ms: u32) {
        if self.is_there(room) {
            self.push_control(&ClientFrame::Status {
                room,
                text,
                expires_ms,
            });
        }
    }

    /// Watches identities of an attachment's namespace, and others no more: at most [`FOLLOWED_MAX`](crate::frame::FOLLOWED_MAX) of each at once.
    pub fn follow(&mut self, attachment: u8, add: &[&str], remove: &[&str]) {
        if self.attachments.get(&attachment) == Some(&true) {
            self.push_control(&ClientFrame::Follow {
                attachment,
                add: add.to_vec(),
                remove: remove.to_vec(),
            });
        }
    }

    /// Acknowledges kept notices: at most [`CURSORS_MAX`](crate::frame::CURSORS_MAX) at once.
    pub fn notices_done(&mut self, attachment: u8, cursors: &[u64]) {
        if self.attachments.get(&attachment) == Some(&true) {
            self.push_control(&ClientFrame::NoticesDone {
                attachment,
                cursors: cursors.to_vec(),
            });
        }
    }

    /// The view holds this tick of a room: the next frame that goes tells it.
    pub fn held(&mut self, room: u32, tick: Tick) {
        if let Some(view) = self.rooms.get_mut(&room)
            && view.newest.is_some_and(|newest| tick <= newest)
        {
            match &mut view.held {
                Some(held) => {
                    held.add(tick);
                }
                None => view.held = Some(Holding::of(tick)),
            }
        }
    }

    /// Tells how old what is shown is; at most once a second and room.
    pub fn report(&mut self, room: u32, age_ms: u32) {
        self.about_room(room, &ClientFrame::Report { room, age_ms });
    }

    /// Wants an area anew: what is held does not match its hash.
    pub fn keyframe_wanted(&mut self, room: u32, area: u32) {
        self.about_room(room, &ClientFrame::KeyframeWanted { room, area });
    }

    fn about_room(&mut self, room: u32, frame: &ClientFrame<'_>) {
        if self.rooms.contains_key(&room) {
            self.push_control(frame);
        }
    }
}
