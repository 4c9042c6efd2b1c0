//! The task that owns the lobby: the one place where it is decided who gets into which room, and where rooms are made.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tickwire_proto::Time;
use tickwire_proto::frame::RoomEnd;
use tickwire_server::{FrontInput, Lobby, LobbyInput, LobbyOutput, RoomInput};
use tokio::sync::mpsc;

use crate::clock;
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
        let wish = matches!(input, LobbyInput::Join(_) | LobbyInput::List { .. });
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

    pub(crate) fn room_failed(&self, room: u32, message: &str) {
        let _ = self.send(LobbyInput::RoomFailed {
            room,
            message: message.to_owned(),
        });
    }
}

/// The lobby, and the ways out of it.
pub(crate) struct LobbyTask {
    lobby: Lobby,
    rooms: Arc<Rooms>,
    shards: Arc<[mpsc::Sender<ShardMessage>]>,
    handles: HashMap<u32, RoomHandle>,
}

impl LobbyTask {
    pub(crate) fn new(
        lobby: Lobby,
        rooms: Arc<Rooms>,
        shards: Arc<[mpsc::Sender<ShardMessage>]>,
    ) -> LobbyTask {
        LobbyTask {
            lobby,
            rooms,
            shards,
            handles: HashMap::new(),
        }
    }

    /// Runs until it is aborted.
    pub(crate) async fn run(mut self, mut inbox: LobbyReceiver) {
        loop {
            let due = self.lobby.next_timeout().map_or(Time(u64::MAX), |due| due);
            tokio::select! {
                input = inbox.receiver.recv() => {
                    let Some(input) = input else { return };
                    inbox.waiting.fetch_sub(1, Ordering::Relaxed);
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
                    let (handle, body) = self.rooms.prepare(*spec);
                    for shard in self.shards.iter() {
                        let _ = shard
                            .send(ShardMessage::RoomMade {
                                room,
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
