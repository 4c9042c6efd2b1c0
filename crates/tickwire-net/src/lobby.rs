//! The task that owns the lobby: the one place where it is decided who gets into which room, and where rooms are made.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tickwire_proto::Time;
use tickwire_proto::frame::RoomEnd;
use tickwire_server::{FrontInput, Lobby, LobbyInput, LobbyOutput, RoomAsk, RoomInput, RoomName};
use tokio::sync::mpsc;

use crate::clock;
use crate::desk::Tickets;
use crate::rooms::{RoomHandle, Rooms};
use crate::shard::ShardMessage;

/// Joins and lists that wait for the lobby; what comes beyond is refused at once.
pub(crate) const LOBBY_INBOX_MAX: usize = 16_384;

/// How the lobby is reached. Leaves and endings always pass: their bound is the number of sessions and rooms.
#[derive(Clone, Debug)]
pub(crate) struct LobbySender {
    sender: mpsc::UnboundedSender<LobbyInput>,
    waiting: Arc<AtomicUsize>,
}

/// The other end.
pub(crate) struct LobbyReceiver {
    receiver: mpsc::UnboundedReceiver<LobbyInput>,
    waiting: Arc<AtomicUsize>,
}

pub(crate) fn channel() -> (LobbySender, LobbyReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (
        LobbySender {
            sender,
            waiting: Arc::clone(&waiting),
        },
        LobbyReceiver { receiver, waiting },
    )
}

impl LobbySender {
    /// Gives back a wish that the lobby has no time for. A lobby that is gone wants nothing: the server is stopping.
    pub(crate) fn send(&self, input: LobbyInput) -> Result<(), LobbyInput> {
        let wish = matches!(
            input,
            LobbyInput::Join(_)
                | LobbyInput::List { .. }
                | LobbyInput::Watch { .. }
                | LobbyInput::HostAsks { .. }
        );
        if wish && self.waiting.load(Ordering::Relaxed) >= LOBBY_INBOX_MAX {
            return Err(input);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.sender.send(input);
        Ok(())
    }

    pub(crate) fn room_ended(&self, room: u32, reason: RoomEnd, message: String) {
        let _ = self.send(LobbyInput::RoomEnded {
            room,
            reason,
            message,
        });
    }

    pub(crate) fn room_asks(&self, room: u32, ask: RoomAsk) {
        let _ = self.send(LobbyInput::Rule {
            ticket: None,
            room: RoomName::No(room),
            ask,
        });
    }

    pub(crate) fn room_failed(&self, room: u32, message: &str) {
        let _ = self.send(LobbyInput::RoomFailed {
            room,
            message: message.to_owned(),
        });
    }
}

impl LobbyReceiver {
    /// The next input; `None`: there is nobody left to send one.
    async fn recv(&mut self) -> Option<LobbyInput> {
        let input = self.receiver.recv().await?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(input)
    }

    /// The rooms of which it was told that they failed.
    #[cfg(test)]
    pub(crate) fn failed(&mut self) -> Vec<u32> {
        let inputs = std::iter::from_fn(|| self.receiver.try_recv().ok());
        let failed = inputs.filter_map(|input| match input {
            LobbyInput::RoomFailed { room, .. } => Some(room),
            _ => None,
        });
        failed.collect()
    }
}

/// The lobby, and the ways out of it.
pub(crate) struct LobbyTask {
    lobby: Lobby,
    rooms: Arc<Rooms>,
    shards: Arc<[mpsc::Sender<ShardMessage>]>,
    handles: HashMap<u32, RoomHandle>,
    tickets: Arc<Tickets>,
}

impl LobbyTask {
    pub(crate) fn new(
        lobby: Lobby,
        rooms: Arc<Rooms>,
        shards: Arc<[mpsc::Sender<ShardMessage>]>,
        tickets: Arc<Tickets>,
    ) -> LobbyTask {
        LobbyTask {
            lobby,
            rooms,
            shards,
            handles: HashMap::new(),
            tickets,
        }
    }

    /// Runs until it is aborted.
    pub(crate) async fn run(mut self, mut inbox: LobbyReceiver) {
        loop {
            let due = self.lobby.next_timeout().map_or(Time(u64::MAX), |due| due);
            tokio::select! {
                input = inbox.recv() => {
                    let Some(input) = input else { return };
                    self.handle(input);
                }
                () = tokio::time::sleep_until(clock::deadline(due)) => self.lobby.handle_timeout(clock::now()),
            }
            self.deliver().await;
        }
    }

    fn handle(&mut self, input: LobbyInput) {
        if let LobbyInput::RoomEnded { room, .. } | LobbyInput::RoomFailed { room, .. } = &input {
            self.handles.remove(room);
        }
        self.lobby.handle(clock::now(), input);
    }

    /// Delivers in order: a shard knows a room before anybody in it hears of it.
    async fn deliver(&mut self) {
        while let Some(output) = self.lobby.poll() {
            match output {
                LobbyOutput::CreateRoom(spec) => {
                    let room = spec.no;
                    tracing::info!(room, id = spec.id, kind = spec.kind.name(), "room made");
                    let id = spec.id.clone();
                    let (handle, body) = self.rooms.prepare(*spec);
                    for shard in self.shards.iter() {
                        let _ = shard
                            .send(ShardMessage::RoomMade {
                                room,
                                id: id.clone(),
                                traffic: handle.traffic.clone(),
                            })
                            .await;
                    }
                    self.handles.insert(room, handle);
                    self.rooms.begin(body);
                }
                LobbyOutput::ToRoom { room, input } => self.tell_room(room, input),
                LobbyOutput::ToFront { shard, input } => {
                    if let Some(shard) = self.shards.get(usize::from(shard)) {
                        let _ = shard.send(ShardMessage::Front(input)).await;
                    }
                }
                LobbyOutput::Ruled { ticket, answer } => self.tickets.ruled(ticket, answer),
                LobbyOutput::Reserved { ticket, answer } => self.tickets.reserved(ticket, answer),
                LobbyOutput::ToAllFronts(input) => {
                    for shard in self.shards.iter() {
                        if let Some(copy) = input.for_all() {
                            let _ = shard.send(ShardMessage::Front(copy)).await;
                        }
                    }
                    if let FrontInput::RoomEnded { room, reason, .. } = input {
                        tracing::info!(room, ?reason, "room ended");
                        for shard in self.shards.iter() {
                            let _ = shard.send(ShardMessage::RoomGone { room }).await;
                        }
                    }
                }
            }
        }
    }

    /// A room whose inbox is full is stuck: it takes no more joins, and the watchdog has an eye on it.
    fn tell_room(&mut self, room: u32, input: RoomInput) {
        let Some(handle) = self.handles.get(&room) else {
            return;
        };
        if let Err(mpsc::error::TrySendError::Full(_)) = handle.control.try_send(input) {
            if let Some(handle) = self.handles.remove(&room) {
                handle.control.give_up();
            }
            tracing::error!(room, "room takes no more joins and leaves: it is given up");
            self.lobby.handle(
                clock::now(),
                LobbyInput::RoomFailed {
                    room,
                    message: "the room was overloaded".to_owned(),
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tickwire_proto::frame::{Identity, JoinHowOwned, LeaveReason, ROOM_FIRST};
    use tickwire_server::{
        Gauge, Kind, LobbyConfig, LobbyJoin, MemberId, NamespaceSpec, SessionKey,
    };
    use tickwire_sim::{Game, GameKind};

    use super::*;
    use crate::metrics::Metrics;
    use crate::rooms::{CONTROL_MAX, Exits};

    fn namespace() -> Arc<NamespaceSpec> {
        let kind = Kind::from(GameKind::new("dots", |game: &mut Game| {
            game.seats(2);
        }));
        Arc::new(NamespaceSpec::new("/", vec![Arc::new(kind)]))
    }

    fn list(request: u32) -> LobbyInput {
        LobbyInput::List {
            session: SessionKey(1),
            namespace: namespace(),
            request,
            kind: String::new(),
        }
    }

    fn join() -> LobbyInput {
        LobbyInput::Join(Box::new(LobbyJoin {
            session: SessionKey(1),
            namespace: namespace(),
            request: 1,
            how: JoinHowOwned::Quick {
                kind: "dots".to_owned(),
                attributes: vec![],
            },
            schema_hash: 0,
            identity: Identity::new("ann"),
            gauge: Gauge::default(),
            seat_key: None,
        }))
    }

    #[tokio::test]
    async fn a_lobby_that_is_overrun_gives_wishes_back_and_hears_the_rest() {
        let (sender, mut receiver) = channel();
        for request in 0..LOBBY_INBOX_MAX as u32 {
            assert!(sender.send(list(request)).is_ok());
        }
        let late = u32::MAX;
        let back = sender.send(list(late));
        assert!(matches!(back, Err(LobbyInput::List { request, .. }) if request == late));
        assert!(matches!(sender.send(join()), Err(LobbyInput::Join(_))));
        // Who leaves is always heard: the seat is somebody else's.
        let gone = LobbyInput::Gone {
            session: SessionKey(1),
            reason: LeaveReason::Left,
        };
        assert!(sender.send(gone).is_ok());
        // As soon as there is a place, wishes are taken again: two are heard, since the leave took one, too.
        receiver.recv().await;
        assert!(sender.send(list(late)).is_err());
        receiver.recv().await;
        assert!(sender.send(list(late)).is_ok());
        let mut last = None;
        while sender.waiting.load(Ordering::Relaxed) > 0 {
            last = receiver.recv().await;
        }
        assert!(
            matches!(last, Some(LobbyInput::List { request, .. }) if request == late),
            "nothing was lost"
        );
    }

    /// The room is made, and no worker ever steps it.
    #[tokio::test]
    async fn a_room_that_takes_no_more_joins_is_given_up() {
        let (shard, mut heard) = mpsc::channel(64);
        let shards: Arc<[_]> = [shard].into();
        let exits = Exits {
            directory: crate::directory::channel().0,
            shards: Arc::clone(&shards),
            lobby: channel().0,
            tasks: tokio::runtime::Handle::current(),
        };
        let metrics = Arc::new(Metrics::new(1));
        let rooms = Rooms::new(exits, metrics, false, Duration::from_secs(1));
        let lobby = Lobby::new(LobbyConfig::default());
        let mut task = LobbyTask::new(lobby, rooms, shards, Arc::default());
        task.handle(join());
        task.deliver().await;
        let leave = || RoomInput::Leave {
            member: MemberId(9),
            reason: LeaveReason::Left,
        };
        for _ in 1..CONTROL_MAX {
            task.tell_room(ROOM_FIRST, leave()); // the join was the first
        }
        task.deliver().await;
        assert!(
            task.handles.contains_key(&ROOM_FIRST),
            "a full inbox is no full stop"
        );
        task.tell_room(ROOM_FIRST, leave());
        task.deliver().await;
        assert!(task.handles.is_empty() && task.lobby.list("/", "").next().is_none());
        let mut told = None;
        while let Ok(message) = heard.try_recv() {
            if let ShardMessage::Front(FrontInput::RoomEnded {
                room,
                reason,
                message,
            }) = message
            {
                told = Some((room, reason, message));
            }
        }
        let (room, reason, message) = told.expect("players are told");
        assert_eq!((room, reason), (ROOM_FIRST, RoomEnd::Failed));
        assert_eq!(message, "the room was overloaded");
    }
}
