//! A whole server in one thread, without time or wires of its own: for tests, for offline play, and as the shortest example of a driver.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tickwire_proto::frame::{Identity, Refusal, code};
use tickwire_proto::{Reason, Time};
use tickwire_sim::{NewTask, TaskFailed, TaskId};

use crate::auth::{AcceptAll, Auth, AuthAnswer, Remote, undecided};
use crate::directory::{
    Directory, DirectoryInput, DirectoryOutput, MemoryStore, Store, StoreAnswer,
};
use crate::front::{Caller, Front, FrontConfig, FrontInput, FrontOutput};
use crate::key::SessionKey;
use crate::kind::Kind;
use crate::lobby::{
    Lobby, LobbyConfig, LobbyInput, LobbyOutput, Reservation, ReserveAsk, RoomName,
};
use crate::namespace::{HOME, NamespaceSpec, Namespaces};
use crate::room::{Room, RoomAsk, RoomInput, RoomOutput};

/// Fronts, lobby and rooms, wired together in memory.
///
/// ```
/// use tickwire_proto::{ClientEvent, ClientSession, SessionConfig, Time, frame::JoinHow};
/// use tickwire_server::{Kind, Loopback};
/// use tickwire_sim::{Game, GameKind};
///
/// let mut server = Loopback::new(vec![Kind::from(GameKind::new("empty", |game: &mut Game| { game.rate(30); }))]);
/// let mut client = ClientSession::new(Time(0), SessionConfig::default(), 7);
/// let session = server.open(Time(0));
/// client.link_open(Time(0));
/// client.attach(0, "/", br#"{"guest":"Ann"}"#, 0);
/// client.join(1, 0, &JoinHow::Quick { kind: "empty", attributes: vec![] }, 0);
/// let mut joined = false;
/// for ms in 0..200 {
///     let now = Time::from_millis(ms);
///     while let Some(frame) = client.next(now, usize::MAX) {
///         server.send(now, session, &frame);
///     }
///     server.advance(now);
///     for frame in server.take(session) {
///         client.handle_frame(now, &frame);
///     }
///     while let Some(event) = client.poll_event() {
///         joined |= matches!(event, ClientEvent::Joined { .. });
///     }
/// }
/// assert!(joined);
/// ```
pub struct Loopback {
    fronts: Vec<Front>,
    lobby: Lobby,
    directory: Directory,
    store: Box<dyn Store>,
    kept: Vec<(u64, Result<u64, Refusal>)>,
    rooms: BTreeMap<u32, Room>,
    answers: Vec<Answer>,
    /// Work of rooms that is not done yet.
    tasks: BTreeMap<(u32, TaskId), NewTask>,
    links: BTreeMap<SessionKey, Link>,
    opened: u64,
    tokens: u64,
    home: Option<Arc<NamespaceSpec>>,
    /// What was said and asked outside of rooms.
    outside: Vec<FrontOutput>,
    ruled: BTreeMap<u64, Result<(), Refusal>>,
    reserved: BTreeMap<u64, Result<Reservation, Refusal>>,
    remote: Arc<Remote>,
}

/// An answer of auth that is not there yet.
struct Answer {
    session: SessionKey,
    attachment: u8,
    future: Pin<Box<dyn Future<Output = Result<Identity, Refusal>> + Send>>,
}

#[derive(Default)]
struct Link {
    frames: VecDeque<Bytes>,
    blocked: bool,
    closed: Option<(u16, Reason)>,
}

impl fmt::Debug for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loopback")
            .field("rooms", &self.rooms)
            .field("links", &self.links.len())
            .finish_non_exhaustive()
    }
}

impl Loopback {
    /// A server of these games that lets everybody in.
    #[must_use]
    pub fn new(kinds: Vec<Kind>) -> Loopback {
        Loopback::with(
            kinds,
            AcceptAll,
            FrontConfig::default(),
            LobbyConfig::default(),
        )
    }

    /// A server set up in detail; `front.shards` fronts are made.
    #[must_use]
    pub fn with(
        kinds: Vec<Kind>,
        auth: impl Auth + 'static,
        front: FrontConfig,
        lobby: LobbyConfig,
    ) -> Loopback {
        let kinds = kinds.into_iter().map(Arc::new).collect();
        let home = NamespaceSpec::new(HOME, kinds).with_auth(Arc::new(auth));
        Loopback::of(Arc::new(Namespaces::new([home])), front, lobby)
    }

    /// The same with several namespaces.
    #[must_use]
    pub fn of(namespaces: Arc<Namespaces>, front: FrontConfig, lobby: LobbyConfig) -> Loopback {
        let shards = front.shards.max(1);
        Loopback {
            home: namespaces.find(HOME).ok(),
            fronts: (0..shards)
                .map(|shard| {
                    let config = FrontConfig {
                        shard,
                        shards,
                        ..front
                    };
                    Front::new(config, Arc::clone(&namespaces))
                })
                .collect(),
            lobby: Lobby::new(lobby),
            directory: Directory::default(),
            store: Box::new(MemoryStore::default()),
            kept: Vec::new(),
            rooms: BTreeMap::new(),
            answers: Vec::new(),
            tasks: BTreeMap::new(),
            links: BTreeMap::new(),
            opened: 0,
            tokens: 0,
            outside: Vec::new(),
            ruled: BTreeMap::new(),
            reserved: BTreeMap::new(),
            remote: Arc::default(),
        }
    }

    /// Keeps notices in another store than one in memory of its own.
    #[must_use]
    pub fn store(mut self, store: impl Store + 'static) -> Loopback {
        self.store = Box::new(store);
        self
    }

    /// A client opens a link. Fronts take turns. The token of its session is no secret: there is no network here.
    pub fn open(&mut self, now: Time) -> SessionKey {
        let shard = (self.opened % self.fronts.len() as u64) as usize;
        self.opened += 1;
        let token = self.next_token();
        let key = self.fronts[shard].link_opened(now, token);
        self.fronts[shard].comes_from(key, Arc::clone(&self.remote));
        self.links.insert(key, Link::default());
        key
    }

    /// Links that are opened from here on come from there.
    pub fn set_remote(&mut self, remote: Remote) {
        self.remote = Arc::new(remote);
    }

    fn next_token(&mut self) -> [u8; 32] {
        self.tokens += 1;
        let mut token = [0; 32];
        token[8..16].copy_from_slice(&self.tokens.to_le_bytes());
        token
    }

    /// The link goes to the front of the session that its hello claims.
    fn move_link(
        &mut self,
        now: Time,
        from: SessionKey,
        shard: u16,
        (hello, remote): (&[u8], Arc<Remote>),
    ) {
        let token = self.next_token();
        let front = &mut self.fronts[usize::from(shard)];
        let key = front.link_opened(now, token);
        front.comes_from(key, remote);
        if let Some(link) = self.links.remove(&from) {
            self.links.insert(key, link);
        }
        front.frame(now, key, hello);
    }

    /// A client sends a frame. After a hello that resumed a session, the session is called by its old key again.
    pub fn send(&mut self, now: Time, session: SessionKey, frame: &[u8]) {
        self.front(session).frame(now, session, frame);
        self.settle(now);
    }

    /// What has arrived at a client since the last time.
    pub fn take(&mut self, session: SessionKey) -> Vec<Bytes> {
        self.links
            .get_mut(&session)
            .map(|link| link.frames.drain(..).collect())
            .unwrap_or_default()
    }

    /// A client's link takes nothing more, or again everything.
    pub fn block(&mut self, now: Time, session: SessionKey, blocked: bool) {
        if let Some(link) = self.links.get_mut(&session) {
            link.blocked = blocked;
            self.write(now, session);
            self.settle(now);
        }
    }

    /// A client's link is lost.
    pub fn lose(&mut self, now: Time, session: SessionKey) {
        self.links.remove(&session);
        self.front(session).link_lost(now, session);
        self.settle(now);
    }

    /// With which code the server has closed a client's link, and why.
    #[must_use]
    pub fn closed(&self, session: SessionKey) -> Option<(u16, Reason)> {
        self.links.get(&session)?.closed
    }

    /// Time passes: ticks that are due, and timeouts.
    pub fn advance(&mut self, now: Time) {
        self.answer(now);
        self.work();
        for front in &mut self.fronts {
            front.handle_timeout(now);
        }
        self.lobby.handle_timeout(now);
        self.directory.handle_timeout(now);
        self.settle(now);
        let due: Vec<u32> = self
            .rooms
            .iter()
            .filter(|(_, room)| !room.rests() && room.next_due().is_none_or(|due| due <= now))
            .map(|(no, _)| *no)
            .collect();
        for no in due {
            self.tick(now, no);
        }
        self.settle(now);
    }

    /// The room of that number.
    #[must_use]
    pub fn room(&self, no: u32) -> Option<&Room> {
        self.rooms.get(&no)
    }

    /// The rooms, by number.
    pub fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.values()
    }

    /// The lobby.
    #[must_use]
    pub fn lobby(&self) -> &Lobby {
        &self.lobby
    }

    /// Tells the lobby something, as whoever is in charge.
    pub fn tell_lobby(&mut self, now: Time, input: LobbyInput) {
        self.lobby.handle(now, input);
        self.settle(now);
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Tells the directory something, as whoever is in charge: a notice, say.
    pub fn tell_directory(&mut self, now: Time, input: DirectoryInput) {
        self.directory.handle(now, input);
        self.settle(now);
    }

    /// The answers to [`DirectoryInput::Keep`] since the last time, with their tickets.
    pub fn take_kept(&mut self) -> Vec<(u64, Result<u64, Refusal>)> {
        std::mem::take(&mut self.kept)
    }

    /// Does something with a room, as whoever is in charge.
    ///
    /// # Errors
    /// With what is wrong and what to do.
    pub fn rule(&mut self, now: Time, room: RoomName, ask: RoomAsk) -> Result<(), Refusal> {
        let ticket = Some(0);
        self.tell_lobby(now, LobbyInput::Rule { ticket, room, ask });
        self.ruled.remove(&0).unwrap_or(Ok(()))
    }

    /// Keeps seats in the namespace `/`. The token is no secret: there is no network here.
    ///
    /// # Errors
    /// With what is wrong and what to do.
    pub fn reserve(&mut self, now: Time, ask: ReserveAsk) -> Result<Reservation, Refusal> {
        self.tokens += 1;
        let (ticket, chance) = (self.tokens, u128::from(self.tokens).to_le_bytes());
        let namespace = self.home.clone();
        let Some(namespace) = namespace else {
            return Err(Refusal::new(code::NOT_FOUND, "there is no namespace /"));
        };
        let input = LobbyInput::Reserve {
            ticket,
            chance,
            namespace,
            ask,
        };
        self.tell_lobby(now, input);
        let unanswered = || Err(Refusal::new(code::NOT_FOUND, "the lobby did not answer"));
        self.reserved.remove(&ticket).unwrap_or_else(unanswered)
    }

    /// The fronts.
    #[must_use]
    pub fn fronts(&self) -> &[Front] {
        &self.fronts
    }

    /// What was said and asked outside of rooms, in namespaces that have handlers; answer by [`answer_outside`](Self::answer_outside).
    pub fn take_outside(&mut self) -> Vec<FrontOutput> {
        std::mem::take(&mut self.outside)
    }

    /// Answers a [request outside of rooms](FrontOutput::Asked).
    pub fn answer_outside(
        &mut self,
        now: Time,
        caller: &Caller,
        number: u32,
        answer: Result<Bytes, Refusal>,
    ) {
        let (session, attachment) = (caller.session, caller.attachment);
        let answered = FrontInput::Answered {
            session,
            attachment,
            number,
            answer,
        };
        self.front(session).handle(now, answered);
        self.settle(now);
    }

    /// Tells all fronts something, as whoever is in charge.
    pub fn tell_fronts(&mut self, now: Time, input: &FrontInput) {
        self.tell_all_fronts(now, input);
        self.settle(now);
    }
}

/// The roads: whoever tells something is heard before it tells the next thing.
impl Loopback {
    fn front(&mut self, session: SessionKey) -> &mut Front {
        let at = usize::from(session.shard()).min(self.fronts.len() - 1);
        &mut self.fronts[at]
    }

    /// Delivers everything until nobody has anything to tell, and writes what can be written.
    fn settle(&mut self, now: Time) {
        loop {
            let delivered = self.hear_fronts(now)
                | self.hear_lobby(now)
                | self.hear_directory(now)
                | self.hear_rooms(now);
            if delivered {
                continue;
            }
            for shard in 0..self.fronts.len() {
                while let Some(session) = self.fronts[shard].pop_dirty(now) {
                    self.write(now, session);
                }
            }
            if !self.hear_fronts(now) {
                return;
            }
        }
    }

    fn hear_fronts(&mut self, now: Time) -> bool {
        let mut heard = false;
        for shard in 0..self.fronts.len() {
            while let Some(output) = self.fronts[shard].poll() {
                heard = true;
                match output {
                    FrontOutput::ToLobby(input) => self.lobby.handle(now, input),
                    FrontOutput::ToDirectory(input) => self.directory.handle(now, input),
                    FrontOutput::ToRoom { room, input, .. } => {
                        if let Some(room) = self.rooms.get_mut(&room) {
                            room.handle(input);
                        }
                    }
                    FrontOutput::AuthWanted { request, namespace } => {
                        let (session, attachment) = (request.session, request.attachment);
                        match namespace.auth().check(&request) {
                            AuthAnswer::Accepted(identity) => {
                                self.auth_done(now, session, attachment, Ok(identity))
                            }
                            AuthAnswer::Refused(refusal) => {
                                self.auth_done(now, session, attachment, Err(refusal))
                            }
                            AuthAnswer::Next => {
                                self.auth_done(now, session, attachment, Err(undecided()))
                            }
                            AuthAnswer::Later(future) => self.answers.push(Answer {
                                session,
                                attachment,
                                future,
                            }),
                        }
                    }
                    outside @ (FrontOutput::Said { .. }
                    | FrontOutput::Asked { .. }
                    | FrontOutput::GivenUp { .. }) => self.outside.push(outside),
                    FrontOutput::Relinked { from, to } => {
                        if let Some(link) = self.links.remove(&from) {
                            self.links.insert(to, link);
                        }
                    }
                    FrontOutput::Elsewhere {
                        from,
                        shard,
                        hello,
                        remote,
 .. // of links in order alone
} => {
                        self.move_link(now, from, shard, (&hello, remote));
                    }
                    FrontOutput::Cut { session } => {
                        if let Some(link) = self.links.get_mut(&session) {
                            let reason = Reason::Expired;
                            link.closed = Some((reason.close_code(), reason));
                        }
                    }
                    FrontOutput::Close {
                        session,
                        code,
                        reason,
                    } => {
                        if let Some(link) = self.links.get_mut(&session) {
                            link.closed = Some((code, reason));
                        }
                    }
                }
            }
        }
        heard
    }

    fn hear_lobby(&mut self, now: Time) -> bool {
        let mut heard = false;
        while let Some(output) = self.lobby.poll() {
            heard = true;
            match output {
                LobbyOutput::CreateRoom(spec) => {
                    let no = spec.no;
                    match catch_unwind(AssertUnwindSafe(|| Room::new(*spec))) {
                        Ok(room) => drop(self.rooms.insert(no, room)),
                        Err(_) => self.failed(now, no),
                    }
                }
                LobbyOutput::ToRoom { room, input } => {
                    if let Some(room) = self.rooms.get_mut(&room) {
                        room.handle(input);
                    }
                }
                LobbyOutput::ToFront { shard, input } => {
                    if let Some(front) = self.fronts.get_mut(usize::from(shard)) {
                        front.handle(now, input);
                    }
                }
                LobbyOutput::ToAllFronts(input) => self.tell_all_fronts(now, &input),
                LobbyOutput::Ruled { ticket, answer } => {
                    self.ruled.insert(ticket, answer);
                }
                LobbyOutput::Reserved { ticket, answer } => {
                    self.reserved.insert(ticket, answer);
                }
            }
        }
        heard
    }

    fn hear_directory(&mut self, now: Time) -> bool {
        let mut heard = false;
        while let Some(output) = self.directory.poll() {
            heard = true;
            match output {
                DirectoryOutput::ToFront { shard, input } => {
                    if let Some(front) = self.fronts.get_mut(usize::from(shard)) {
                        front.handle(now, input);
                    }
                }
                DirectoryOutput::ToStore(job) => {
                    let answers = self.store.run(std::slice::from_ref(&job));
                    let answers =
                        answers.unwrap_or_else(|error| vec![StoreAnswer::Failed { job, error }]);
                    for answer in answers {
                        self.directory
                            .handle(now, DirectoryInput::Stored(Box::new(answer)));
                    }
                }
                DirectoryOutput::Kept { ticket, answer } => self.kept.push((ticket, answer)),
            }
        }
        heard
    }

    fn hear_rooms(&mut self, now: Time) -> bool {
        let mut heard = false;
        let numbers: Vec<u32> = self.rooms.keys().copied().collect();
        for no in numbers {
            while let Some(output) = self.rooms.get_mut(&no).and_then(Room::poll) {
                heard = true;
                match (output.shard(), output) {
                    (Some(shard), output) => {
                        if let Some(front) = self.fronts.get_mut(usize::from(shard)) {
                            front.handle(now, FrontInput::Room { room: no, output });
                        }
                    }
                    (None, RoomOutput::Ended { reason, message }) => {
                        self.rooms.remove(&no);
                        self.lobby.handle(
                            now,
                            LobbyInput::RoomEnded {
                                room: no,
                                reason,
                                message,
                            },
                        );
                    }
                    (None, RoomOutput::Task(task)) => {
                        self.tasks.insert((no, task.id), task);
                    }
                    (None, RoomOutput::ToDirectory(input)) => self.directory.handle(now, *input),
                    (None, RoomOutput::CancelTask(task)) => {
                        self.tasks.remove(&(no, task));
                    }
                    (None, RoomOutput::Asks(ask)) => {
                        let room = RoomName::No(no);
                        let ticket = None;
                        self.lobby
                            .handle(now, LobbyInput::Rule { ticket, room, ask });
                    }
                    (None, _) => {}
                }
            }
        }
        heard
    }

    fn tell_all_fronts(&mut self, now: Time, input: &FrontInput) {
        for front in &mut self.fronts {
            if let Some(copy) = input.for_all() {
                front.handle(now, copy);
            }
        }
    }

    /// A panic in one room ends that room alone.
    fn tick(&mut self, now: Time, no: u32) {
        let Some(room) = self.rooms.get_mut(&no) else {
            return;
        };
        if catch_unwind(AssertUnwindSafe(|| room.tick(now, Some(now.0)))).is_err() {
            self.rooms.remove(&no);
            self.failed(now, no);
        }
    }

    fn failed(&mut self, now: Time, room: u32) {
        let message = "the game failed in this room".to_owned();
        self.lobby
            .handle(now, LobbyInput::RoomFailed { room, message });
    }

    /// Goes on with the work of rooms: once each time that time passes. What panics has failed; that of rooms that are over is dropped.
    fn work(&mut self) {
        for ((no, id), mut task) in std::mem::take(&mut self.tasks) {
            let Some(room) = self.rooms.get_mut(&no) else {
                continue;
            };
            let mut context = Context::from_waker(Waker::noop());
            let polled = catch_unwind(AssertUnwindSafe(|| task.future.as_mut().poll(&mut context)));
            let result = match polled {
                Ok(Poll::Ready(result)) => result,
                Err(_) => Err(TaskFailed::Panicked),
                Ok(Poll::Pending) => {
                    self.tasks.insert((no, id), task);
                    continue;
                }
            };
            room.handle(RoomInput::TaskDone { task: id, result });
        }
    }

    /// Asks the answers that were not there yet.
    fn answer(&mut self, now: Time) {
        let waiting = std::mem::take(&mut self.answers);
        for mut answer in waiting {
            match answer
                .future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
            {
                Poll::Ready(result) => {
                    self.auth_done(now, answer.session, answer.attachment, result)
                }
                Poll::Pending => self.answers.push(answer),
            }
        }
    }

    fn auth_done(
        &mut self,
        now: Time,
        session: SessionKey,
        attachment: u8,
        answer: Result<Identity, Refusal>,
    ) {
        self.front(session).handle(
            now,
            FrontInput::AuthDone {
                session,
                attachment,
                answer: Box::new(answer),
            },
        );
    }

    fn write(&mut self, now: Time, session: SessionKey) {
        let at = usize::from(session.shard()).min(self.fronts.len() - 1);
        let front = &mut self.fronts[at];
        let Some(link) = self.links.get_mut(&session).filter(|link| !link.blocked) else {
            return;
        };
        while let Some(out) = front.next(now, session, usize::MAX) {
            link.frames.push_back(out.head);
            link.frames.extend(out.body);
        }
        front.unwritten(now, session, 0);
    }
}
