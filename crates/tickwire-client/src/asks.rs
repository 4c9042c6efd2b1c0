//! What a user of the client asks for: rooms, pictures, commands, messages.

use tickwire_proto::frame::{
    CHANNELS_MAX, HostAsk, JoinHowOwned, ROOMS_PER_SESSION_MAX, Refusal, code,
};
use tickwire_proto::{Tick, Time};
use tickwire_snapshot::message::{self, Message};
use tickwire_snapshot::{OwnedRow, values};

use crate::client::{Client, Stage};
use crate::event::{ClientEvent, NamespaceKey, Place, RequestId, RoomKey, SendError};
use crate::figures::Figures;
use crate::foresight::Correction;
use crate::picture::{Picture, ShownEvent};
use crate::rooms::{Phase, Room};
use crate::view::View;

/// Rooms that a client may want at once: as many as a session may be in.
const ROOMS_MAX: usize = ROOMS_PER_SESSION_MAX;
/// Lists of rooms that are asked for at once.
const LISTS_MAX: usize = 8;
const OVER: &str = "the conversation is over. Connect again first";

impl Client {
    /// Wants a room of that kind with those attributes: one with a seat, or a new one. Here and below in the main namespace; in
    /// others: [`within`](Self::within).
    pub fn quick(&mut self, kind: &str, attributes: &[(&str, &str)]) -> RoomKey {
        self.within(NamespaceKey::MAIN).quick(kind, attributes)
    }

    /// Wants the room with that id, where one was before; if it is gone, one of that kind with those attributes.
    pub fn quick_again(&mut self, id: &str, kind: &str, attributes: &[(&str, &str)]) -> RoomKey {
        self.within(NamespaceKey::MAIN)
            .quick_again(id, kind, attributes)
    }

    /// Wants a new room of that kind with those attributes.
    pub fn create(&mut self, kind: &str, attributes: &[(&str, &str)]) -> RoomKey {
        self.within(NamespaceKey::MAIN).create(kind, attributes)
    }

    /// Wants the room with that id.
    pub fn join(&mut self, id: &str) -> RoomKey {
        self.within(NamespaceKey::MAIN).join(id)
    }

    /// Wants a new room that is on no list: its id is a short code to be passed on, which others [`join`](Self::join).
    pub fn create_private(&mut self, kind: &str, attributes: &[(&str, &str)]) -> RoomKey {
        self.within(NamespaceKey::MAIN)
            .create_private(kind, attributes)
    }

    /// Wants to look on in the room with that id, without a seat.
    pub fn watch(&mut self, id: &str) -> RoomKey {
        self.within(NamespaceKey::MAIN).watch(id)
    }

    /// Wants the seat that is kept for whoever shows this token.
    pub fn join_reserved(&mut self, token: &str) -> RoomKey {
        self.within(NamespaceKey::MAIN).join_reserved(token)
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
        self.within(NamespaceKey::MAIN).lobby(kind)
    }

    pub(crate) fn ask_list(&mut self, namespace: NamespaceKey, kind: &str) -> RequestId {
        let request = RequestId(self.request());
        if matches!(self.stage, Stage::Over) {
            self.lobby_refused(request.0, Refusal::new(code::AWAY, OVER));
        } else if self.questions.len() + self.listing.len() >= LISTS_MAX {
            let message = format!("{LISTS_MAX} lists are asked for already: wait for them");
            self.lobby_refused(request.0, Refusal::new(code::LIMIT, message));
        } else {
            self.questions.push((namespace, request, kind.to_owned()));
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

    /// The next thing in a room that was predicted otherwise than its server had it: each once.
    pub fn correction_due(&mut self, room: RoomKey) -> Option<Correction> {
        self.rooms.get_mut(&room)?.view.as_mut()?.correction_due()
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
        let (payload, shown) = (
            values::encode_record(schema, &row.ints, &row.blobs),
            view.shown(),
        );
        let attached = self.stage == Stage::Attached;
        let mut said = None;
        if let Some(view) = self.rooms.get_mut(&room).and_then(|it| it.view.as_mut()) {
            if attached {
                said = view.foresee_command(tick, row);
            } else {
                view.lead.left_out(); // it would come too late
            }
        }
        if attached && self.session.command_with(no, tick, (shown, said), &payload) {
            Ok(())
        } else {
            Err(SendError::NotYet(room))
        }
    }

    /// Sends a reliable message to the room: in order, or told that it could not be sent.
    ///
    /// # Errors
    /// Where the room is not joined, the payload is too long, or the outbox is full: then it may be sent once receipts came.
    pub fn send(&mut self, room: RoomKey, kind: u32, payload: &[u8]) -> Result<(), SendError> {
        self.send_on(room, 0, kind, payload)
    }

    /// The same to a room or a [namespace](NamespaceKey), by one of [`CHANNELS_MAX`] channels: each keeps an order of its own, over all rooms.
    ///
    /// # Errors
    /// As [`send`](Self::send), and for a channel beyond the last.
    pub fn send_on(
        &mut self,
        to: impl Into<Place>,
        channel: u8,
        kind: u32,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let no = self.way_to(to.into(), channel)?;
        Ok(self.session.send(no, channel, kind, payload)?)
    }

    /// Sends a reliable message of the game's own type.
    ///
    /// # Errors
    /// As [`send`](Self::send), and where it is not within its own limits.
    pub fn send_message<M: Message>(
        &mut self,
        to: impl Into<Place>,
        message: &M,
    ) -> Result<(), SendError> {
        let payload = message::encode_checked(message)
            .map_err(|error| SendError::BadMessage(error.to_string()))?;
        self.send_on(to, 0, M::kind(), &payload)
    }

    /// Sends a message that may be left out when the link cannot take it now.
    ///
    /// # Errors
    /// As [`send`](Self::send), but that nothing is full.
    pub fn send_volatile(
        &mut self,
        room: RoomKey,
        kind: u32,
        payload: &[u8],
    ) -> Result<(), SendError> {
        self.send_volatile_on(room, 0, kind, payload)
    }

    /// The same by another channel.
    ///
    /// # Errors
    /// As [`send_volatile`](Self::send_volatile), and for a channel beyond the last.
    pub fn send_volatile_on(
        &mut self,
        to: impl Into<Place>,
        channel: u8,
        kind: u32,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let no = self.way_to(to.into(), channel)?;
        Ok(self.session.send_volatile(no, channel, kind, payload)?)
    }

    pub(crate) fn way_to(&self, to: Place, channel: u8) -> Result<u32, SendError> {
        if channel >= CHANNELS_MAX {
            return Err(SendError::NoChannel(channel));
        }
        match to {
            Place::Room(room) => Ok(self.joined_room(room)?.0),
            Place::Outside(namespace) if self.is_in(namespace) => Ok(namespace.0.into()),
            Place::Outside(namespace) => Err(SendError::NotAttached(namespace)),
        }
    }

    fn joined_room(&self, key: RoomKey) -> Result<(u32, &View), SendError> {
        let room = self.rooms.get(&key).ok_or(SendError::NotJoined(key))?;
        Ok((
            room.number().ok_or(SendError::NotJoined(key))?,
            room.view.as_ref().ok_or(SendError::NotJoined(key))?,
        ))
    }

    pub(crate) fn want(
        &mut self,
        namespace: NamespaceKey,
        how: JoinHowOwned,
        before: Option<String>,
    ) -> RoomKey {
        let key = RoomKey(self.request());
        if self.rooms.len() >= ROOMS_MAX {
            let refusal = Refusal::new(
                code::LIMIT,
                format!("a client is in at most {ROOMS_MAX} rooms. Leave one first"),
            );
            self.event(ClientEvent::JoinRefused { room: key, refusal });
            return key;
        }
        self.rooms
            .insert(key, Room::new(key, namespace, how, before));
        self.ask_what_waits();
        key
    }

    /// Asks for what waited for the session: the rooms that are wanted, and the list of rooms.
    pub(crate) fn ask_what_waits(&mut self) {
        if self.stage != Stage::Attached {
            return;
        }
        self.ask_for_lists();
        let questions = std::mem::take(&mut self.questions).into_iter();
        let (ready, waiting) = questions.partition(|(of, ..)| self.is_in(*of));
        self.questions = waiting;
        let ready: Vec<(NamespaceKey, RequestId, String)> = ready;
        for (namespace, request, kind) in ready {
            self.listing.insert(request.0, namespace);
            self.session.lobby(request.0, namespace.0, &kind);
        }
        let wanted: Vec<RoomKey> = self
            .rooms
            .values()
            .filter(|room| room.phase == Phase::Wanted && self.is_in(room.namespace))
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
                let (how, namespace) = (room.how(), room.namespace);
                self.session.join(request, namespace.0, &how.borrow(), hash);
            }
        }
    }

    /// The next number of a request. Those of the upper half are the server's.
    pub(crate) fn request(&mut self) -> u32 {
        self.requests = self.requests.wrapping_add(1) & (u32::MAX >> 1);
        self.requests
    }
}
