//! The server in the lab: fronts, lobby and rooms of `tickwire-server` with a mailbox each, in one thread; no link and no clock of its own.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tickwire_proto::{
    Reason, Time,
    frame::{Identity, RoomEnd},
    session::Outgoing,
};
use tickwire_server::{
    AuthAnswer, Backlog, Directory, DirectoryInput, DirectoryOutput, Front, FrontConfig,
    FrontInput, FrontOutput, HOME, Kind, Lobby, LobbyConfig, LobbyInput, LobbyOutput, MemoryStore,
    NamespaceSpec, Namespaces, Room, RoomInput, RoomName, RoomOutput, SessionKey, Store,
};

use crate::{Chance, violation::Broken, work::Work};

/// How many io shards the server has: two, so that everything that crosses shards is met.
const SHARDS: u16 = 2;

/// One life of a server process.
pub(crate) struct Host {
    fronts: Vec<Front>,
    lobby: Lobby,
    directory: Directory,
    store: MemoryStore,
    rooms: BTreeMap<u32, Room>,
    mail: Mail,
    chance: Chance,
    opened: u64,
    wishes: VecDeque<Wish>,
    ended: Vec<Broken>,
    /// Of rooms that are over.
    past_encodes: u64,
    tasks: Work,
    proven: bool,
}

/// What the server wants of a link.
pub(crate) enum Wish {
    /// It is to be closed.
    Close(Close),
    /// It is to be closed; the session goes on without it.
    Cut { session: SessionKey },
    /// It is another session's from here on, whose older link is closed.
    Relink { from: SessionKey, to: SessionKey },
}

/// A link that the server wants closed.
pub(crate) struct Close {
    pub session: SessionKey,
    pub code: u16,
    pub reason: Reason,
}

/// One mailbox for each part, as with threads and channels: what one part sends to another stays in order, and whose turn
/// it is next is chance.
struct Mail {
    lobby: VecDeque<LobbyInput>,
    directory: VecDeque<DirectoryInput>,
    fronts: Vec<VecDeque<FrontInput>>,
    rooms: BTreeMap<u32, VecDeque<RoomInput>>,
}

/// Who reads a mailbox.
#[derive(Clone, Copy)]
enum Reader {
    Lobby,
    Directory,
    Front(usize),
    Room(u32),
}

impl Host {
    /// `proven`: who clients say they are is believed, so that two of one name are one person. `window`: of resuming.
    pub fn new(kinds: Vec<Arc<Kind>>, seed: u64, proven: bool, window: Duration) -> Self {
        let namespaces = Arc::new(Namespaces::new([NamespaceSpec::new(HOME, kinds)]));
        let front = |shard| {
            let mut config = FrontConfig {
                shard,
                shards: SHARDS,
                ..FrontConfig::default()
            };
            config.session.limits.resume_window_ms = window.as_millis() as u32;
            Front::new(config, Arc::clone(&namespaces))
        };
        Host {
            proven,
            fronts: (0..SHARDS).map(front).collect(),
            lobby: Lobby::new(LobbyConfig {
                seed,
                ..LobbyConfig::default()
            }),
            directory: Directory::default(),
            store: MemoryStore::default(),
            rooms: BTreeMap::new(),
            mail: Mail {
                lobby: VecDeque::new(),
                directory: VecDeque::new(),
                fronts: (0..SHARDS).map(|_| VecDeque::new()).collect(),
                rooms: BTreeMap::new(),
            },
            chance: Chance::new(seed).fork(1),
            opened: 0,
            wishes: VecDeque::new(),
            ended: Vec::new(),
            past_encodes: 0,
            tasks: Work::default(),
        }
    }

    /// A link has come, and goes to one of the shards in turn.
    pub fn link_opened(&mut self, now: Time, datagrams: bool) -> SessionKey {
        let shard = (self.opened % u64::from(SHARDS)) as usize;
        self.opened += 1;
        let token = self.token();
        let session = self.fronts[shard].link_opened(now, token);
        if datagrams {
            self.fronts[shard].has_datagrams(session);
        }
        session
    }

    fn token(&mut self) -> [u8; 32] {
        let mut token = [0; 32];
        for word in token.as_chunks_mut::<8>().0 {
            *word = self.chance.bits().to_le_bytes();
        }
        token
    }

    pub fn frame(&mut self, now: Time, session: SessionKey, frame: &Bytes) {
        self.front(session).frame(now, session, frame);
    }

    pub fn link_lost(&mut self, now: Time, session: SessionKey) {
        self.front(session).link_lost(now, session);
    }

    /// The next write for a session's link.
    pub fn next(&mut self, now: Time, session: SessionKey, writable: usize) -> Option<Outgoing> {
        self.front(session).next(now, session, writable)
    }

    /// What a session's link holds and could not pass on.
    pub fn unwritten(&mut self, now: Time, session: SessionKey, bytes: usize) {
        self.front(session).unwritten(now, session, bytes);
    }

    /// An update of a room has gone with a poll's answer.
    pub fn shut(&mut self, session: SessionKey, room: u32) {
        self.front(session).shut(session, room);
    }

    /// A poll has come.
    pub fn reopen(&mut self, session: SessionKey) {
        self.front(session).reopen(session);
    }

    /// What waits for a session's link.
    pub fn backlog(&self, session: SessionKey) -> Option<Backlog> {
        self.fronts[usize::from(session.shard())].backlog(session)
    }

    fn front(&mut self, session: SessionKey) -> &mut Front {
        &mut self.fronts[usize::from(session.shard())]
    }

    /// Whether there is such a session.
    pub fn contains(&self, session: SessionKey) -> bool {
        self.fronts[usize::from(session.shard())].contains(session)
    }

    /// A session that may have something to write.
    pub fn pop_dirty(&mut self, now: Time) -> Option<SessionKey> {
        self.fronts
            .iter_mut()
            .find_map(|front| front.pop_dirty(now))
    }

    /// What is to be done with a link, in order. One that shall be closed: after what its session still has to write.
    pub fn pop_wish(&mut self) -> Option<Wish> {
        self.wishes.pop_front()
    }

    /// Rooms that ended, though nobody asked for it.
    pub fn take_ended(&mut self) -> Vec<Broken> {
        std::mem::take(&mut self.ended)
    }

    pub fn rooms(&self) -> impl Iterator<Item = (u32, &Room)> {
        self.rooms.iter().map(|(number, room)| (*number, room))
    }

    pub fn room(&self, number: u32) -> Option<&Room> {
        self.rooms.get(&number)
    }

    /// Deltas and keyframes that its rooms have made.
    pub fn encodes(&self) -> u64 {
        self.past_encodes
            + self
                .rooms
                .values()
                .map(|room| room.stats().encodes)
                .sum::<u64>()
    }

    /// When it wants to be woken. A new room wants its first tick at once.
    pub fn next_due(&self) -> Option<Time> {
        let rooms = self
            .rooms
            .values()
            .filter(|room| !room.rests())
            .map(|room| room.next_due().unwrap_or(Time(0)));
        let fronts = self.fronts.iter().filter_map(Front::next_timeout);
        let others = [
            self.lobby.next_timeout(),
            self.tasks.next_due(),
            self.directory.next_timeout(),
        ];
        let others = others.into_iter().flatten();
        rooms.chain(fronts).chain(others).min()
    }

    /// Does all that is due: ticks of rooms, and timeouts. Tells which rooms ticked.
    pub fn wake(&mut self, now: Time) -> Vec<u32> {
        let due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        for front in self
            .fronts
            .iter_mut()
            .filter(|front| due(front.next_timeout()))
        {
            front.handle_timeout(now);
        }
        if due(self.lobby.next_timeout()) {
            self.lobby.handle_timeout(now);
        }
        if due(self.directory.next_timeout()) {
            self.directory.handle_timeout(now);
        }
        for (number, input) in self.tasks.go_on(now) {
            self.mail.post(number, input);
        }
        let mut ticked = Vec::new();
        for (number, room) in &mut self.rooms {
            if !room.rests() && room.next_due().is_none_or(|at| at <= now) {
                room.tick(now, Some(now.0));
                ticked.push(*number);
            }
        }
        ticked
    }

    /// Carries mail until there is none.
    pub fn settle(&mut self, now: Time) {
        loop {
            self.collect(now);
            let readers = self.mail.readers();
            if readers.is_empty() {
                break;
            }
            match *self.chance.pick(&readers) {
                Reader::Lobby => {
                    if let Some(input) = self.mail.lobby.pop_front() {
                        self.lobby.handle(now, input);
                    }
                }
                Reader::Directory => {
                    if let Some(input) = self.mail.directory.pop_front() {
                        self.directory.handle(now, input);
                    }
                }
                Reader::Front(shard) => {
                    if let Some(input) = self.mail.fronts[shard].pop_front() {
                        self.fronts[shard].handle(now, input);
                    }
                }
                Reader::Room(number) => {
                    let input = self
                        .mail
                        .rooms
                        .get_mut(&number)
                        .and_then(VecDeque::pop_front);
                    if let (Some(input), Some(room)) = (input, self.rooms.get_mut(&number)) {
                        room.handle(input);
                    }
                }
            }
        }
        self.past_encodes += self
            .rooms
            .values()
            .filter(|room| room.is_over())
            .map(|room| room.stats().encodes)
            .sum::<u64>();
        self.rooms.retain(|_, room| !room.is_over());
        self.tasks.keep(|room| self.rooms.contains_key(&room));
        let rooms = &self.rooms;
        self.mail
            .rooms
            .retain(|number, _| rooms.contains_key(number));
    }

    /// Puts what every part has to say into the mailboxes.
    fn collect(&mut self, now: Time) {
        // One that hands a link over gives another something to say.
        while let Some((shard, output)) = self.front_output() {
            self.hear_front(now, shard, output);
        }
        while let Some(output) = self.lobby.poll() {
            self.hear_lobby(output);
        }
        while let Some(output) = self.directory.poll() {
            self.hear_directory(output);
        }
        let numbers: Vec<u32> = self.rooms.keys().copied().collect();
        for number in numbers {
            while let Some(output) = self.rooms.get_mut(&number).and_then(Room::poll) {
                self.hear_room(now, number, output);
            }
        }
    }

    fn front_output(&mut self) -> Option<(usize, FrontOutput)> {
        let fronts = self.fronts.iter_mut().enumerate();
        fronts
            .filter_map(|(shard, front)| Some((shard, front.poll()?)))
            .next()
    }

    fn hear_room(&mut self, now: Time, room: u32, output: RoomOutput) {
        match (output.shard(), output) {
            (Some(shard), output) => {
                self.mail.fronts[usize::from(shard)].push_back(FrontInput::Room { room, output });
            }
            (None, RoomOutput::Ended { reason, message }) => {
                if reason == RoomEnd::Failed {
                    let message = message.clone();
                    self.ended.push(Broken::RoomEnded { room, message });
                }
                self.mail.lobby.push_back(LobbyInput::RoomEnded {
                    room,
                    reason,
                    message,
                });
            }
            (None, RoomOutput::Task(task)) => self.tasks.begin(now, room, task),
            (None, RoomOutput::CancelTask(task)) => self.tasks.cancel(room, task),
            (None, RoomOutput::ToDirectory(input)) => self.mail.directory.push_back(*input),
            (None, RoomOutput::Asks(ask)) => self.mail.lobby.push_back(LobbyInput::Rule {
                ticket: None,
                room: RoomName::No(room),
                ask,
            }),
            (None, _) => {}
        }
    }

    fn hear_front(&mut self, now: Time, shard: usize, output: FrontOutput) {
        match output {
            FrontOutput::ToLobby(input) => self.mail.lobby.push_back(input),
            FrontOutput::ToDirectory(input) => self.mail.directory.push_back(input),
            FrontOutput::ToRoom { room, input, .. } => self.mail.post(room, input),
            FrontOutput::AuthWanted { request, namespace } => {
                let (session, attachment) = (request.session, request.attachment);
                let answer = match namespace.auth().check(&request) {
                    AuthAnswer::Accepted(identity) => Ok(Identity {
                        guest: !self.proven,
                        ..identity
                    }),
                    AuthAnswer::Refused(refusal) => Err(refusal),
                    AuthAnswer::Later(_) | AuthAnswer::Next => {
                        unreachable!("AcceptAll answers at once")
                    }
                };
                self.mail.fronts[shard].push_back(FrontInput::AuthDone {
                    session,
                    attachment,
                    answer: Box::new(answer),
                });
            }
            // Its namespaces have no handlers.
            FrontOutput::Said { .. } | FrontOutput::Asked { .. } | FrontOutput::GivenUp { .. } => {}
            FrontOutput::Close {
                session,
                code,
                reason,
            } => self.wishes.push_back(Wish::Close(Close {
                session,
                code,
                reason,
            })),
            FrontOutput::Cut { session } => self.wishes.push_back(Wish::Cut { session }),
            FrontOutput::Relinked { from, to } => {
                self.wishes.push_back(Wish::Relink { from, to });
            }
            FrontOutput::Elsewhere {
                from,
                shard,
                hello,
                datagrams,
                ..
            } => {
                let token = self.token();
                let front = &mut self.fronts[usize::from(shard)];
                let to = front.link_opened(now, token);
                if datagrams {
                    front.has_datagrams(to);
                }
                self.wishes.push_back(Wish::Relink { from, to });
                front.frame(now, to, &hello);
            }
        }
    }

    fn hear_directory(&mut self, output: DirectoryOutput) {
        match output {
            DirectoryOutput::ToFront { shard, input } => {
                self.mail.fronts[usize::from(shard)].push_back(input);
            }
            DirectoryOutput::ToStore(job) => {
                let answers = self.store.run(&[job]).unwrap_or_default(); // one in memory never fails
                let answers = answers
                    .into_iter()
                    .map(Box::new)
                    .map(DirectoryInput::Stored);
                self.mail.directory.extend(answers);
            }
            DirectoryOutput::Kept { .. } => {}
        }
    }

    fn hear_lobby(&mut self, output: LobbyOutput) {
        match output {
            LobbyOutput::CreateRoom(spec) => {
                let number = spec.no;
                self.rooms.insert(number, Room::new(*spec));
                self.mail.rooms.insert(number, VecDeque::new());
            }
            LobbyOutput::ToRoom { room, input } => self.mail.post(room, input),
            LobbyOutput::ToFront { shard, input } => {
                self.mail.fronts[usize::from(shard)].push_back(input)
            }
            LobbyOutput::ToAllFronts(input) => self
                .mail
                .fronts
                .iter_mut()
                .for_each(|front| front.extend(input.for_all())),
            // Nobody in here is in charge.
            LobbyOutput::Ruled { .. } | LobbyOutput::Reserved { .. } => {}
        }
    }
}

impl Mail {
    fn post(&mut self, room: u32, input: RoomInput) {
        if let Some(mail) = self.rooms.get_mut(&room) {
            mail.push_back(input);
        }
    }

    fn readers(&self) -> Vec<Reader> {
        let lobby = (!self.lobby.is_empty()).then_some(Reader::Lobby);
        let fronts = self
            .fronts
            .iter()
            .enumerate()
            .filter(|(_, mail)| !mail.is_empty())
            .map(|(shard, _)| Reader::Front(shard));
        let rooms = self
            .rooms
            .iter()
            .filter(|(_, mail)| !mail.is_empty())
            .map(|(number, _)| Reader::Room(*number));
        let directory = (!self.directory.is_empty()).then_some(Reader::Directory);
        let one = lobby.into_iter().chain(directory);
        one.chain(fronts).chain(rooms).collect()
    }
}
