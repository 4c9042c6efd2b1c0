//! The client as one state machine: link, session, credentials, and the rooms that are wanted.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use litemap::LiteMap;
use tickwire_proto::{Backoff, ClientSession, Ending, Reason, Retry, SessionConfig, Time};
use tickwire_snapshot::Schema;

use crate::event::{ClientOutput, NamespaceKey, RequestId, RoomKey, State};
use crate::foresight::{Foresight, Maker};
use crate::lists::List;
use crate::namespaces::Wanted;
use crate::requests::Requests;
use crate::rooms::{Phase, Room};
use crate::statuses::Statuses;
use crate::talk::OPEN_MAX;
use crate::view::View;

/// The back-off between two tries: the first, and the longest.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
const BACKOFF_CAP: Duration = Duration::from_secs(10);

/// How a client is set up.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The main namespace: without it there is no conversation. Others: [`Client::attach_to`].
    pub namespace: String,
    /// What to attach to it with; `None`: [`ClientOutput::CredentialsWanted`] asks each time.
    pub credentials: Option<Bytes>,
    /// The game's schema, where the client was built with it. `None`: a generic client, which is given the room's.
    pub schema: Option<Arc<Schema>>,
    /// The hash of the namespace's messages; 0: generic.
    pub messages_hash: u64,
    /// 16 bytes of chance by which the server knows this player's seats again, also in a session of another process or page that shows the
    /// same. A secret.
    pub seat_key: Option<[u8; 16]>,
    /// For how long pictures go on along velocities when updates stay away; zero unless it is said: they wait. See [`View::extrapolate`].
    pub extrapolate: Duration,
    /// Of the session below.
    pub session: SessionConfig,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            namespace: "/".to_owned(),
            credentials: None,
            schema: None,
            messages_hash: 0,
            seat_key: None,
            extrapolate: Duration::ZERO,
            session: SessionConfig::default(),
        }
    }
}

/// Where the link is, and what is said on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stage {
    /// A link is being opened; not for longer than until then.
    Opening(Time),
    /// The hello is on its way; not for longer than until then.
    Hello(Time),
    /// Credentials are asked for, or on their way.
    Attaching,
    /// Accepted.
    Attached,
    /// The link is lost; the next try is then.
    Pause(Time),
    /// It is over.
    Over,
}

/// One conversation with one server. See the [crate's documentation](crate) for an example.
///
/// Driving it: do what [`poll`](Self::poll) says; call [`link_open`](Self::link_open), [`frame`](Self::frame) and
/// [`link_lost`](Self::link_lost) for the link of the last [`ClientOutput::Connect`] alone (a closed link is forgotten
/// at once); after each call write what [`next`](Self::next) gives, and call [`handle_timeout`](Self::handle_timeout) at
/// [`next_timeout`](Self::next_timeout).
#[derive(Debug)]
pub struct Client {
    pub(crate) config: ClientConfig,
    pub(crate) session: ClientSession,
    pub(crate) stage: Stage,
    pub(crate) state: State,
    pub(crate) backoff: Backoff,
    pub(crate) attempt: u32,
    pub(crate) chance: u64,
    pub(crate) rooms: LiteMap<RoomKey, Room>,
    /// The lost link left a session, which the next hello claims.
    pub(crate) resuming: bool,
    /// It does so on a better link, while the one before was still there: nobody need know.
    pub(crate) moving: bool,
    /// The namespaces that are wanted, by the numbers of their attachments.
    pub(crate) namespaces: LiteMap<u8, Wanted>,
    pub(crate) last_namespace: u8,
    /// The least round trip that was measured last: a resumed session has to measure anew.
    pub(crate) least_rtt: Duration,
    /// The rooms by their numbers in this session.
    pub(crate) keys: LiteMap<u32, RoomKey>,
    /// Questions for the list of rooms that wait for the session.
    pub(crate) questions: Vec<(NamespaceKey, RequestId, String)>,
    /// Those that were asked and are not answered yet.
    pub(crate) listing: LiteMap<u32, NamespaceKey>,
    /// Lists of rooms that are watched.
    pub(crate) lists: LiteMap<RequestId, List>,
    pub(crate) requests: u32,
    pub(crate) statuses: Statuses,
    /// What is asked, on either side.
    pub(crate) open: Requests,
    pub(crate) outputs: VecDeque<ClientOutput>,
    pub(crate) reported: Time,
    /// Who makes what predicts.
    pub(crate) maker: Maker,
    /// The link has a lane of datagrams.
    pub(crate) datagrams: bool,
}

impl Client {
    /// A client that wants to connect at once. `seed`: of all its chance; each client needs another one.
    pub fn new(config: ClientConfig, seed: u64, now: Time) -> Self {
        let credentials = config.credentials.clone();
        let main = Wanted::new(&config.namespace, credentials, config.messages_hash);
        let mut namespaces = LiteMap::new();
        namespaces.insert(NamespaceKey::MAIN.0, main);
        let mut client = Self {
            session: new_session(now, &config, seed),
            config,
            stage: Stage::Over,
            state: State::Connecting,
            backoff: Backoff::new(BACKOFF_FIRST, BACKOFF_CAP),
            attempt: 0,
            chance: seed,
            rooms: LiteMap::new(),
            resuming: false,
            moving: false,
            namespaces,
            last_namespace: NamespaceKey::MAIN.0,
            least_rtt: Duration::ZERO,
            keys: LiteMap::new(),
            questions: Vec::new(),
            listing: LiteMap::new(),
            lists: LiteMap::new(),
            requests: 0,
            statuses: Statuses::default(),
            open: Requests::default(),
            outputs: VecDeque::new(),
            reported: now,
            maker: Maker::default(),
            datagrams: false,
        };
        client.connect(now);
        client
    }

    /// From now on rooms that are joined are predicted by what this makes of them. See `tickwire-predict`, which has the game for it.
    pub fn predict_with(
        &mut self,
        make: impl FnMut(&View) -> Option<Box<dyn Foresight>> + Send + 'static,
    ) {
        self.maker = Maker(Some(Box::new(make)));
    }

    /// For how long pictures of all rooms go on along velocities when updates stay away, from now on. See [`View::extrapolate`].
    pub fn extrapolate(&mut self, most: Duration) {
        self.config.extrapolate = most;
        for (_, room) in self.rooms.iter_mut() {
            if let Some(view) = &mut room.view {
                view.extrapolate(most);
            }
        }
    }

    /// Where the conversation is.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Reliable messages that wait or are not known to have arrived: how many, and their bytes.
    #[must_use]
    pub fn backlog(&self) -> (usize, usize) {
        self.session.backlog()
    }

    /// What the driver is asked to do or to tell, in order.
    pub fn poll(&mut self) -> Option<ClientOutput> {
        self.outputs.pop_front()
    }

    /// The next frame for the link; nothing beyond `writable` bytes, unless nothing else waits to be written.
    pub fn next(&mut self, now: Time, writable: usize) -> Option<Bytes> {
        self.say_statuses(now);
        self.say_people();
        match self.stage {
            Stage::Opening(_) | Stage::Pause(_) => None,
            _ => self.session.next(now, writable),
        }
    }

    /// The next frame for a datagram of the link, of at most [`DATAGRAM_MAX`](tickwire_proto::DATAGRAM_MAX) bytes: it may get lost. Always
    /// none on a link without them.
    pub fn next_datagram(&mut self, now: Time) -> Option<Bytes> {
        match self.stage {
            Stage::Opening(_) | Stage::Pause(_) => None,
            _ => self.session.next_datagram(now),
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) shall be called at the latest.
    pub fn next_timeout(&self) -> Option<Time> {
        let own = match self.stage {
            Stage::Opening(at) | Stage::Hello(at) | Stage::Pause(at) => Some(at),
            Stage::Attaching | Stage::Attached | Stage::Over => None,
        };
        let session = self
            .has_link()
            .then(|| self.session.next_timeout())
            .flatten();
        let rooms = self.rooms.values().filter_map(|room| match room.phase {
            Phase::Pause(at) if self.stage == Stage::Attached => Some(at),
            _ => None,
        });
        let others = session.into_iter().chain(rooms).chain(self.next_status());
        own.into_iter().chain(others).min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        match self.stage {
            Stage::Opening(at) | Stage::Hello(at) if now >= at => {
                self.outputs.push_back(ClientOutput::Close);
                self.lost(now, None);
            }
            Stage::Pause(at) if now >= at => self.connect(now),
            _ if self.has_link() => {
                self.session.handle_timeout(now);
                self.listen(now);
            }
            _ => {}
        }
        for room in self.rooms.iter_mut().map(|(_, room)| room) {
            if matches!(room.phase, Phase::Pause(at) if now >= at) {
                room.phase = Phase::Wanted;
            }
        }
        self.ask_what_waits();
        self.say_statuses(now);
    }

    /// The link that was asked for is open.
    pub fn link_open(&mut self, now: Time) {
        self.link_open_with(now, false);
    }

    /// The same of a link that may have a lane of datagrams: [`next_datagram`](Self::next_datagram) is to be asked too.
    pub fn link_open_with(&mut self, now: Time, datagrams: bool) {
        if let Stage::Opening(at) = self.stage {
            self.stage = Stage::Hello(at);
            self.datagrams = datagrams;
            self.session.link_open_with(now, datagrams);
            self.listen(now);
        }
    }

    /// A better link is open, while the one before still works: the session goes on over this one, and the one before is forgotten. False:
    /// there is no session that could.
    pub fn link_moved(&mut self, now: Time) -> bool {
        self.link_moved_with(now, false)
    }

    /// The same of a link that may have a lane of datagrams.
    pub fn link_moved_with(&mut self, now: Time, datagrams: bool) -> bool {
        let may = self.stage == Stage::Attached && self.session.may_resume();
        if may {
            self.session.link_lost(now);
            self.resuming = true;
            self.moving = true;
            self.stage = Stage::Hello(now.plus(OPEN_MAX));
            self.datagrams = datagrams;
            self.session.link_open_with(now, datagrams);
            self.listen(now);
        }
        may
    }

    /// A frame came in.
    pub fn frame(&mut self, now: Time, frame: &Bytes) {
        if self.has_link() {
            self.session.handle_frame(now, frame);
            self.listen(now);
        }
    }

    /// The link could not be opened, or is lost. `close_code`: of the WebSocket or QUIC, where one was seen.
    pub fn link_lost(&mut self, now: Time, close_code: Option<u16>) {
        if self.has_link() || matches!(self.stage, Stage::Opening(_)) {
            let reason = close_code.and_then(Reason::from_close_code);
            // Without a word Refused says that the credentials did not come in time: the link's fault, not theirs.
            let reason = reason.filter(|reason| *reason != Reason::Refused);
            self.lost(now, reason.map(|reason| Ending::new(reason, "")));
        }
    }

    /// Something says that the way is open again (a page that woke up, a network that came back): no waiting for the
    /// back-off, and a conversation that was over begins again.
    pub fn reconnect(&mut self, now: Time) {
        if matches!(self.stage, Stage::Pause(_) | Stage::Over) {
            self.backoff.reset();
            self.attempt = 0;
            self.connect(now);
        }
    }

    /// Ends the conversation: the server is told, rooms are left, nothing is tried again, and no session is kept to come back to.
    pub fn close(&mut self) {
        if self.has_link() {
            self.session.bye();
        }
        self.closed();
    }

    /// The same for a page that is left and perhaps loaded again: with a [`seat_key`](ClientConfig::seat_key) its seats wait a moment for it.
    pub fn unload(&mut self) {
        if self.has_link() {
            self.session.unload();
        }
        self.closed();
    }

    fn closed(&mut self) {
        self.session.give_up(); // where there is no link
        self.rooms.clear();
        self.keys.clear();
        self.statuses = Statuses::default();
        self.lists.clear();
        self.requests_lost();
        self.namespaces_lost();
        self.outputs.push_back(ClientOutput::Close);
        self.over(Ending::with_retry(
            Reason::Left,
            Retry::Never,
            "closed by its own side",
        ));
    }

    /// Whether there is a link to talk on.
    fn has_link(&self) -> bool {
        matches!(
            self.stage,
            Stage::Hello(_) | Stage::Attaching | Stage::Attached
        )
    }

    /// The next number of its own chance.
    pub(crate) fn random(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// A session that nothing was said in yet.
pub(crate) fn new_session(now: Time, config: &ClientConfig, seed: u64) -> ClientSession {
    let mut session = ClientSession::new(now, config.session, seed);
    if let Some(key) = config.seat_key {
        session.set_seat_key(key);
    }
    session
}
