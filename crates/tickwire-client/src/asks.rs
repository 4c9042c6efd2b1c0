//! What a user of the client asks for: rooms, pictures, commands, messages.

use tickwire_proto::frame::{HostAsk, JoinHowOwned, ROOMS_PER_SESSION_MAX, Refusal, code};
use tickwire_proto::{Tick, Time};
use tickwire_snapshot::{OwnedRow, values};

use crate::client::{ATTACHMENT, Client, Stage};
use crate::event::{ClientEvent, RequestId, RoomKey, SendError};
use crate::figures::Figures;
use crate::picture::{Picture, ShownEvent};
use crate::rooms::{Phase, Room};
use crate::view::View;

/// Rooms that a client may want at once: as many as a session may be in.
const ROOMS_MAX: usize = ROOMS_PER_SESSION_MAX;
/// Lists of rooms that are asked for at once.
const LISTS_MAX: usize = 8;
const OVER: &str = "the conversation is over. Connect again first";

impl Client {
    /// Wants a room of that kind with those attributes: one with a seat, or a new one.
    pub fn quick(&mut self, kind: &str, attributes: &[(&str, &str)]) -> RoomKey {
        self.want(
            JoinHowOwned::Quick {
                kind: kind.to_owned(),
                attributes: owned(attributes),
            },
            None,
        )
    }

    /// Wants the room with that id, where one was before; if it is gone, one of that kind with those attributes.
    pub fn quick_again(&mut self, id: &str, kind: &str, attributes: &[(&str, &str)]) -> RoomKey {
        let how = JoinHowOwned::Quick {
            kind: kind.to_owned(),
            attributes: owned(attributes),
        };
        self.want(how, Some(id.to_owned()))
    }

    /// Wants a new room of that kind with those attributes.
    pub fn create(&mut self, kind: &str, attributes: &[(&str, &str)]) -> RoomKey {
        self.want(
            JoinHowOwned::Create {
                kind: kind.to_owned(),
                attributes: owned(attributes),
            },
            None,
        )
    }

    /// Wants the room with that id.
    pub fn join(&mut self, id: &str) -> RoomKey {
        self.want(JoinHowOwned::Room { id: id.to_owned() }, None)
    }

    /// Wants a new room that is on no list: its id is a short code to be passed on, which others [`join`](Self::join).
    pub fn create_private(&mut self, kind: &str, attributes: &[(&str, &str)]) -> RoomKey {
        self.want(
            JoinHowOwned::Private {
                kind: kind.to_owned(),
                attributes: owned(attributes),
            },
            None,
        )
    }

    /// Wants to look on in the room with that id, without a seat.
    pub fn watch(&mut self, id: &str) -> RoomKey {
        self.want(JoinHowOwned::Watch { id: id.to_owned() }, None)
    }

    /// Wants the seat that is kept for whoever shows this token.
    pub fn join_reserved(&mut self, token: &str) -> RoomKey {
        let token = token.to_owned();
        self.want(JoinHowOwned::Reserved { token }, None)
    }

    /// Says that one is ready, or is not any more. [`View::members`] tells who is.
    ///
    /// # Errors
    /// Where the room is not joined.
    pub fn ready(&mut self, room: RoomKey, ready: bool) -> Result<(), SendError> {
        let (no, _) = self.joined_room(room)?;
        self.session.ready(no, ready);
        Ok(())
    }

    /// Asks for something that the host of a room may ask for. [`ClientEvent::HostDone`] or [`ClientEvent::RequestRefused`] answers.
    ///
    /// # Errors
    /// Where the room is not joined.
    pub fn host_ask(&mut self, room: RoomKey, ask: &HostAsk<'_>) -> Result<RequestId, SendError> {
        let (no, _) = self.joined_room(room)?;
        let request = RequestId(self.request());
        self.session.host_ask(request.0, no, ask);
        Ok(request)
    }

    /// Does not want the room any more.
    pub fn leave(&mut self, room: RoomKey) {
        self.statuses.forget(room);
        if let Some(no) = self.rooms.remove(&room).and_then(|room| room.number()) {
            self.keys.remove(&no);
            self.session.leave(no);
        }
    }

    /// Asks for the list of rooms of a kind (`""`: of all kinds); answered by [`ClientEvent::Lobby`] or [`ClientEvent::LobbyRefused`].
    pub fn lobby(&mut self, kind: &str) -> RequestId {
        let request = RequestId(self.request());
        if matches!(self.stage, Stage::Over) {
            self.lobby_refused(request.0, Refusal::new(code::AWAY, OVER));
        } else if self.questions.len() + self.listing.len() >= LISTS_MAX {
            let message = format!("{LISTS_MAX} lists are asked for already: wait for them");
            self.lobby_refused(request.0, Refusal::new(code::LIMIT, message));
        } else {
            self.questions.push((request, kind.to_owned()));
            self.ask_what_waits();
        }
        request
    }

    /// The rooms that are wanted.
    pub fn rooms(&self) -> impl Iterator<Item = RoomKey> {
        self.rooms.keys().copied()
    }

    /// Whether one is a member of the room, as far as is known: a lost link leaves it so while the session may be resumed.
    pub fn is_joined(&self, room: RoomKey) -> bool {
        self.rooms
            .get(&room)
            .is_some_and(|room| room.number().is_some())
    }

    /// What is known of a room, from its first acceptance on; while the link is away, what was known last.
    pub fn view(&self, room: RoomKey) -> Option<&View> {
        self.rooms.get(&room)?.view.as_ref()
    }

    /// The room's picture at `now`.
    pub fn draw(&mut self, room: RoomKey, now: Time) -> Option<Picture> {
        self.rooms.get_mut(&room)?.view.as_mut()?.draw(now)
    }

    /// The next tick event whose moment has come in the picture drawn last.
    pub fn event_due(&mut self, room: RoomKey) -> Option<ShownEvent> {
        self.rooms.get_mut(&room)?.view.as_mut()?.event_due()
    }

    /// How the room is doing, seen from here.
    pub fn figures(&mut self, room: RoomKey, now: Time) -> Option<Figures> {
        let rtt = self.session.rtt();
        Some(
            self.rooms
                .get_mut(&room)?
                .view
                .as_mut()?
                .figures(now, rtt.smoothed, rtt.least),
        )
    }

    /// The next tick that wants a command now: each once, in order. Ask until it says `None`, at each
    /// [`next_command`](Self::next_command) or picture. None while the link is lost; the ticks of that time are left out, and counted.
    pub fn command_tick(&mut self, room: RoomKey, now: Time) -> Option<Tick> {
        if self.stage != Stage::Attached {
            return None;
        }
        let least = self.least_rtt();
        let room = self.rooms.get_mut(&room)?;
        room.number()?;
        let view = room.view.as_mut()?;
        if view.seat().is_none() || view.schema().command.is_none() || view.line().is_empty() {
            return None;
        }
        let line = view.line().tick_at(now);
        view.lead.advance(now, line, least);
        view.lead.take()
    }

    /// When [`command_tick`](Self::command_tick) will have the next tick, once it has had one.
    pub fn next_command(&self, room: RoomKey) -> Option<Time> {
        if self.stage != Stage::Attached {
            return None;
        }
        let room = self.rooms.get(&room)?;
        room.number()?;
        room.view.as_ref()?.lead.next_due()
    }

    /// Asks for something in one tick. The row is by the schema's command record.
    pub fn command(&mut self, room: RoomKey, tick: Tick, row: &OwnedRow) -> Result<(), SendError> {
        let (no, view) = self.joined_room(room)?;
        let schema = view
            .schema()
            .command
            .as_ref()
            .ok_or(SendError::NoCommand(room))?;
        let layout = schema.layout();
        if (row.ints.len(), row.blobs.len()) != (layout.columns().len(), layout.blobs()) {
            return Err(SendError::BadCommand(room));
        }
        let payload = values::encode_record(schema, &row.ints, &row.blobs);
        if self.stage != Stage::Attached {
            if let Some(view) = self
                .rooms
                .get_mut(&room)
                .and_then(|room| room.view.as_mut())
            {
                view.lead.left_out(); // it would come too late
            }
            return Err(SendError::NotYet(room));
        }
        if self.session.command(no, tick, &payload) {
            Ok(())
        } else {
            Err(SendError::NotYet(room))
        }
    }

    /// Sends a reliable message to the room: in order, or told that it could not be sent.
    pub fn send(&mut self, room: RoomKey, kind: u32, payload: &[u8]) -> Result<(), SendError> {
        let (no, _) = self.joined_room(room)?;
        Ok(self.session.send(no, 0, kind, payload)?)
    }

    /// Sends a message that may be left out when the link cannot take it now.
    pub fn send_volatile(
        &mut self,
        room: RoomKey,
        kind: u32,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let (no, _) = self.joined_room(room)?;
        Ok(self.session.send_volatile(no, 0, kind, payload)?)
    }

    fn joined_room(&self, key: RoomKey) -> Result<(u32, &View), SendError> {
        let room = self.rooms.get(&key).ok_or(SendError::NotJoined(key))?;
        Ok((
            room.number().ok_or(SendError::NotJoined(key))?,
            room.view.as_ref().ok_or(SendError::NotJoined(key))?,
        ))
    }

    fn want(&mut self, how: JoinHowOwned, before: Option<String>) -> RoomKey {
        let key = RoomKey(self.request());
        if self.rooms.len() >= ROOMS_MAX {
            let refusal = Refusal::new(
                code::LIMIT,
                format!("a client is in at most {ROOMS_MAX} rooms. Leave one first"),
            );
            self.event(ClientEvent::JoinRefused { room: key, refusal });
            return key;
        }
        self.rooms.insert(key, Room::new(key, how, before));
        self.ask_what_waits();
        key
    }

    /// Asks for what waited for the session: the rooms that are wanted, and the list of rooms.
    pub(crate) fn ask_what_waits(&mut self) {
        if self.stage != Stage::Attached {
            return;
        }
        self.ask_for_lists();
        for (request, kind) in std::mem::take(&mut self.questions) {
            self.listing.insert(request.0);
            self.session.lobby(request.0, ATTACHMENT, &kind);
        }
        let wanted: Vec<RoomKey> = self
            .rooms
            .values()
            .filter(|room| room.phase == Phase::Wanted)
            .map(|room| room.key)
            .collect();
        let hash = self
            .config
            .schema
            .as_ref()
            .map_or(0, |schema| schema.hash());
        for key in wanted {
            let request = self.request();
            if let Some(room) = self.rooms.get_mut(&key) {
                room.phase = Phase::Asked(request);
                let how = room.how();
                self.session.join(request, ATTACHMENT, &how.borrow(), hash);
            }
        }
    }

    /// The next number of a request. Those of the upper half are the server's.
    pub(crate) fn request(&mut self) -> u32 {
        self.requests = self.requests.wrapping_add(1) & (u32::MAX >> 1);
        self.requests
    }
}

fn owned(attributes: &[(&str, &str)]) -> Vec<(String, String)> {
    attributes
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}
