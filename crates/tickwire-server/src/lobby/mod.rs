//! The lobby: the list of rooms and the way into one. One owner decides, so every join is atomic, whatever the race. It makes no room
//! itself: it says which to make.

mod enter;
mod guesses;
mod io;
mod kept;
mod live;
mod moving;
mod rooms;
mod rule;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tickwire_proto::Time;
use tickwire_proto::frame::{LeaveReason, ROOMS_LISTED_MAX, RoomEnd, RoomInfoOwned};

pub use guesses::{GUESSERS_MAX, GUESSES_MAX};
pub use io::{LobbyInput, LobbyJoin, LobbyOutput, RoomName};
pub use kept::{KEPT_MS_MAX, RESERVATIONS_MAX, Reservation, ReserveAsk, ReserveIn};
pub use live::{LOBBY_CHANGE_MS, WATCHED_MAX};
pub use rule::BANS_MAX;

use crate::front::FrontInput;
use crate::key::{MemberId, SessionKey};
use crate::room::RoomInput;
use guesses::Guesses;
use kept::Reservations;
use live::Live;
use rooms::{Entry, Rooms};

/// Rooms of a server at most, whatever its configuration says.
pub const ROOMS_MAX: usize = 65_536;

/// How a lobby is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LobbyConfig {
    /// Rooms at once; at most [`ROOMS_MAX`].
    pub rooms_max: usize,
    /// For how long an empty room stays.
    pub empty_grace: Duration,
    /// The ids and the chance of rooms come from it.
    pub seed: u64,
}

impl Default for LobbyConfig {
    /// 1,024 rooms, which stay 30 s when they are empty.
    fn default() -> LobbyConfig {
        LobbyConfig {
            rooms_max: 1024,
            empty_grace: Duration::from_secs(30),
            seed: 0,
        }
    }
}

/// What a lobby counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LobbyStats {
    /// Rooms made.
    pub rooms_made: u64,
    /// Rooms closed, by themselves or by somebody.
    pub rooms_closed: u64,
    /// Rooms that failed.
    pub rooms_failed: u64,
    /// Joins granted.
    pub joins: u64,
    /// Joins refused, by code.
    pub refusals: BTreeMap<String, u64>,
    /// Lists told.
    pub lists: u64,
    /// Members who were given a seat in another room.
    pub moves: u64,
    /// Seats that went over to a newer session of the same identity.
    pub replaced: u64,
}

/// The list of rooms, and the way into one.
///
/// ```
/// use std::sync::Arc;
/// use tickwire_proto::{Time, frame::{Identity, JoinHowOwned}};
/// use tickwire_server::{FrontInput, Gauge, Kind, Lobby, LobbyConfig, LobbyInput, LobbyJoin, LobbyOutput, NamespaceSpec, RoomInput, SessionKey};
/// use tickwire_sim::{Game, GameKind};
///
/// let kind = Kind::from(GameKind::new("dots", |game: &mut Game| { game.seats(2); }));
/// let namespace = Arc::new(NamespaceSpec::new("/", vec![Arc::new(kind)]));
/// let mut lobby = Lobby::new(LobbyConfig::default());
/// let how = JoinHowOwned::Quick { kind: "dots".into(), attributes: vec![] };
/// lobby.handle(Time(0), LobbyInput::Join(Box::new(LobbyJoin {
///     session: SessionKey(1), request: 1, namespace, how, schema_hash: 0, identity: Identity::new("ann"), gauge: Gauge::default(), seat_key: None,
/// })));
/// assert!(matches!(lobby.poll(), Some(LobbyOutput::CreateRoom(spec)) if spec.no == 8));
/// assert!(matches!(lobby.poll(), Some(LobbyOutput::ToFront { input: FrontInput::Entered { room: 8, .. }, .. })));
/// assert!(matches!(lobby.poll(), Some(LobbyOutput::ToRoom { room: 8, input: RoomInput::Join(_) })));
/// assert_eq!(lobby.list("/", "").next().unwrap().members, 1);
/// ```
#[derive(Debug)]
pub struct Lobby {
    config: LobbyConfig,
    rooms: Rooms,
    /// Which rooms a session is in.
    sessions: BTreeMap<SessionKey, BTreeSet<u32>>,
    /// When which room is to be looked at, whether it is still empty.
    closing: BTreeSet<(Time, u32)>,
    guesses: Guesses,
    kept: Reservations,
    live: Live,
    /// Moves so far: their requests are numbered by it.
    moves: u32,
    outputs: VecDeque<LobbyOutput>,
    stats: LobbyStats,
}

impl Lobby {
    /// A lobby without rooms. What kinds of rooms there are, the namespace of each join says.
    #[must_use]
    pub fn new(config: LobbyConfig) -> Lobby {
        Lobby {
            config: LobbyConfig {
                rooms_max: config.rooms_max.min(ROOMS_MAX),
                ..config
            },
            rooms: Rooms::default(),
            sessions: BTreeMap::new(),
            closing: BTreeSet::new(),
            guesses: Guesses::default(),
            kept: Reservations::default(),
            live: Live::default(),
            moves: 0,
            outputs: VecDeque::new(),
            stats: LobbyStats::default(),
        }
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Time, input: LobbyInput) {
        self.take(now, input);
        self.live.arm(now);
    }

    fn take(&mut self, now: Time, input: LobbyInput) {
        match input {
            LobbyInput::Join(join) => self.join(now, *join),
            LobbyInput::Watch {
                session,
                request,
                namespace,
                kind,
                attributes,
            } => self.watch(session, request, namespace.name(), kind, &attributes),
            LobbyInput::Unwatch { session, request } => self.live.unwatch(session, request),
            LobbyInput::HostAsks {
                session,
                request,
                room,
                ask,
            } => self.host_asks(now, session, request, room, ask),
            LobbyInput::Rule { ticket, room, ask } => self.rule(now, ticket, &room, ask),
            LobbyInput::Reserve {
                ticket,
                chance,
                namespace,
                ask,
            } => self.reserve(now, ticket, chance, &namespace, &ask),
            LobbyInput::Moved { session, from } => self.moved(now, session, from),
            LobbyInput::List {
                session,
                request,
                namespace,
                kind,
            } => self.tell_list(session, request, namespace.name(), &kind),
            LobbyInput::Leave {
                session,
                room,
                reason,
            } => {
                self.leave(now, session, room, reason);
                self.stays(session);
            }
            LobbyInput::Gone { session, reason } => {
                self.live.gone(session);
                for room in self.sessions.get(&session).cloned().unwrap_or_default() {
                    self.leave(now, session, room, reason);
                }
            }
            LobbyInput::Kick {
                session,
                room,
                message,
            } => self.kick(now, session, room, message),
            LobbyInput::Lock { room, locked } => {
                if let Some(entry) = self.rooms.get_mut(room) {
                    entry.locked = locked;
                    self.live.changed(room);
                }
            }
            LobbyInput::Close { room, message } => self.close(room, message),
            LobbyInput::RoomEnded {
                room,
                reason,
                message,
            } => self.ended(room, reason, message),
            LobbyInput::RoomFailed { room, message } => self.ended(room, RoomEnd::Failed, message),
        }
    }

    /// The next thing that the lobby tells, in order.
    pub fn poll(&mut self) -> Option<LobbyOutput> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        let closing = self.closing.first().map(|(at, _)| *at);
        let others = [self.kept.next_due(), self.live.next_due()];
        closing
            .into_iter()
            .chain(others.into_iter().flatten())
            .min()
    }

    /// Time passed: rooms that are empty for long enough are closed, kept seats are free again, changes are told.
    pub fn handle_timeout(&mut self, now: Time) {
        self.free_kept(now);
        while let Some(&(at, room)) = self.closing.first().filter(|(at, _)| *at <= now) {
            self.closing.remove(&(at, room));
            let due = self
                .rooms
                .get(room)
                .is_some_and(|entry| entry.close_at == Some(at));
            if due {
                self.close(room, "nobody was in it any more".to_owned());
            }
        }
        self.live.arm(now);
        self.tell_changes(now);
    }

    /// The rooms of a kind (`""`: of all) in a namespace, as players see them.
    pub fn list<'a>(
        &'a self,
        namespace: &'a str,
        kind: &'a str,
    ) -> impl Iterator<Item = RoomInfoOwned> + 'a {
        let told = self.rooms.of(namespace);
        let told = told.filter(move |entry| entry.is_on_list(namespace, kind, &[]));
        told.map(Entry::info)
    }

    /// The numbers of all rooms, those that are about to end too.
    pub fn rooms(&self) -> impl Iterator<Item = u32> {
        self.rooms.iter().map(|entry| entry.spec.no)
    }

    /// The sessions in a room.
    pub fn members(&self, room: u32) -> impl Iterator<Item = (SessionKey, MemberId)> {
        let entry = self.rooms.get(room).into_iter();
        entry.flat_map(|entry| {
            entry
                .members
                .iter()
                .map(|(session, inside)| (*session, inside.member))
        })
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> &LobbyStats {
        &self.stats
    }
}

/// Ways out, and what is told.
impl Lobby {
    /// Takes a session out of a room; whether it was in it.
    fn leave(&mut self, now: Time, session: SessionKey, room: u32, reason: LeaveReason) -> bool {
        let entry = self.rooms.get_mut(room);
        let Some((inside, heir)) = entry.and_then(|entry| entry.let_go(session)) else {
            return false;
        };
        self.forget(session, room);
        self.live.changed(room);
        let member = inside.member;
        self.tell_room(room, RoomInput::Leave { member, reason });
        if heir.is_some() {
            self.tell_room(room, RoomInput::Host { member: heir });
        }
        self.close_if_empty(now, room);
        true
    }

    fn tell_room(&mut self, room: u32, input: RoomInput) {
        self.outputs.push_back(LobbyOutput::ToRoom { room, input });
    }

    /// A room that nobody is in any more is closed after a while.
    fn close_if_empty(&mut self, now: Time, room: u32) {
        let at = now.plus(self.config.empty_grace);
        if let Some(entry) = self
            .rooms
            .get_mut(room)
            .filter(|entry| entry.may_be_closed())
        {
            entry.close_at = Some(at);
            self.closing.insert((at, room));
        }
    }

    fn kick(&mut self, now: Time, session: SessionKey, room: u32, message: String) {
        if self.leave(now, session, room, LeaveReason::Kicked) {
            self.tell_front(
                session,
                FrontInput::Removed {
                    session,
                    room,
                    reason: RoomEnd::Kicked,
                    message,
                },
            );
        }
    }

    /// Tells a room to end; it is off the list at once, and gone when it has said that it ended.
    fn close(&mut self, room: u32, message: String) {
        if let Some(entry) = self.rooms.get_mut(room).filter(|entry| !entry.ending) {
            entry.ending = true;
            self.live.changed(room);
            let input = RoomInput::Close {
                reason: RoomEnd::Closed,
                message,
            };
            self.outputs.push_back(LobbyOutput::ToRoom { room, input });
        }
    }

    fn ended(&mut self, room: u32, reason: RoomEnd, message: String) {
        let Some(entry) = self.rooms.remove(room) else {
            return;
        };
        match reason {
            RoomEnd::Failed => self.stats.rooms_failed += 1,
            _ => self.stats.rooms_closed += 1,
        }
        self.kept.room_ended(room);
        self.live.changed(room);
        for session in entry.members.into_keys() {
            self.forget(session, room);
        }
        self.outputs
            .push_back(LobbyOutput::ToAllFronts(FrontInput::RoomEnded {
                room,
                reason,
                message,
            }));
    }

    fn forget(&mut self, session: SessionKey, room: u32) {
        if let Some(rooms) = self.sessions.get_mut(&session) {
            rooms.remove(&room);
            if rooms.is_empty() {
                self.sessions.remove(&session);
            }
        }
    }

    fn tell_list(&mut self, session: SessionKey, request: u32, namespace: &str, kind: &str) {
        self.stats.lists += 1;
        let rooms = self.list(namespace, kind).take(ROOMS_LISTED_MAX).collect();
        self.tell_front(
            session,
            FrontInput::List {
                session,
                request,
                rooms,
            },
        );
    }

    fn tell_front(&mut self, session: SessionKey, input: FrontInput) {
        self.outputs.push_back(LobbyOutput::ToFront {
            shard: session.shard(),
            input,
        });
    }
}
