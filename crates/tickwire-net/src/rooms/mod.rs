//! Rooms on worker threads: made here, stepped when they are due, ended alone when they fail. What a room does is the server crate's.

mod body;
mod rest;
mod schedule;
mod strain;
mod tasks;
mod watch;
mod worker;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tickwire_proto::Time;
use tickwire_server::{RoomOutput, RoomSpec};
use tokio::sync::mpsc;

use crate::clock;
use crate::directory::DirectorySender;
use crate::lobby::LobbySender;
use crate::metrics::Metrics;
use crate::shard::ShardMessage;
pub(crate) use body::Body;
use body::Inboxes;
use rest::RoomBell;
pub(crate) use rest::Way;
use schedule::Schedule;
use tasks::RoomTasks;
pub(crate) use tasks::TaskThread;
pub(crate) use worker::Crew;

/// Commands, messages and receipts that wait for a room's next tick. Beyond it commands and receipts are dropped and counted, and the rest
/// waits in the fronts, within their bounds.
pub(crate) const TRAFFIC_MAX: usize = 16_384;
/// Joins and leaves that wait for a room's next tick; beyond that the room counts as stuck.
pub(crate) const CONTROL_MAX: usize = 16_384;

/// Where a room's words go.
#[derive(Clone, Debug)]
pub(crate) struct Exits {
    pub(crate) shards: Arc<[mpsc::Sender<ShardMessage>]>,
    pub(crate) lobby: LobbySender,
    pub(crate) directory: DirectorySender,
    /// Where the work of rooms runs.
    pub(crate) tasks: tokio::runtime::Handle,
}

impl Exits {
    /// Hands one output over; gives it back where the shard is full. A shard that is gone wants nothing.
    pub(crate) fn send(&self, room: u32, output: RoomOutput) -> Result<(), RoomOutput> {
        let Some(shard) = output.shard() else {
            match output {
                RoomOutput::Ended { reason, message } => {
                    self.lobby.room_ended(room, reason, message);
                }
                RoomOutput::Asks(ask) => self.lobby.room_asks(room, ask),
                RoomOutput::ToDirectory(input) => self.directory.send_unasked(*input),
                _ => {}
            }
            return Ok(());
        };
        let Some(shard) = self.shards.get(usize::from(shard)) else {
            return Ok(());
        };
        match shard.try_send(ShardMessage::Room { room, output }) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(ShardMessage::Room { output, .. })) => Err(output),
            Err(mpsc::error::TrySendError::Full(_)) => Ok(()),
        }
    }
}

/// The two ways into a room.
#[derive(Clone, Debug)]
pub(crate) struct RoomHandle {
    pub(crate) control: Way,
    pub(crate) traffic: Way,
}

/// What workers, watchdog and lobby share.
pub(crate) struct Rooms {
    schedule: Arc<Schedule<Box<Body>>>,
    exits: Exits,
    metrics: Arc<Metrics>,
    stamps: bool,
    patience: Duration,
    /// Workers that were lost to a room and may still run.
    lost: AtomicUsize,
}

impl Rooms {
    pub(crate) fn new(
        exits: Exits,
        metrics: Arc<Metrics>,
        stamps: bool,
        patience: Duration,
    ) -> Arc<Rooms> {
        let lost = AtomicUsize::new(0);
        Arc::new(Rooms {
            schedule: Arc::default(),
            exits,
            metrics,
            stamps,
            patience,
            lost,
        })
    }

    /// Makes the outside of a room. The game's part is made at its first tick, on a worker, after [`Rooms::begin`].
    pub(crate) fn prepare(&self, spec: RoomSpec) -> (RoomHandle, Box<Body>) {
        let (control, control_out) = mpsc::channel(CONTROL_MAX);
        let (traffic, traffic_out) = mpsc::channel(TRAFFIC_MAX);
        let game = spec.kind.game();
        let bell = (game.is_on_demand() || game.sleeps()).then(|| {
            Arc::new(RoomBell::new(
                Arc::clone(&self.schedule),
                Arc::clone(&self.metrics),
            ))
        });
        let handle = RoomHandle {
            control: Way::new(control, bell.clone()),
            traffic: Way::new(traffic, bell.clone()),
        };
        let inboxes = Inboxes::new(control_out, traffic_out);
        let tasks = RoomTasks::new(handle.control.results());
        let body = Body::new(Box::new(spec), inboxes, bell, tasks);
        (handle, Box::new(body))
    }

    /// Back into the schedule, or to rest.
    fn put_back(&self, due: Time, mut body: Box<Body>) {
        let awake = match body.bell.take() {
            Some(bell) if body.rests() => bell.lie_down(body),
            bell => {
                body.bell = bell;
                Some(body)
            }
        };
        let after_the_stop = awake.and_then(|body| self.schedule.put(due, body));
        after_the_stop.into_iter().for_each(drop_quietly);
    }

    pub(crate) fn begin(&self, body: Box<Body>) {
        self.metrics.rooms.one();
        self.metrics.rooms_created.one();
        let due = body.first_due(clock::now());
        drop(self.schedule.put(due, body)); // before its first tick: none of the game's code is in it
    }

    /// The room is over: counted here, once.
    fn over(&self, failed: bool) {
        self.metrics.rooms.less(1);
        if failed {
            self.metrics.rooms_failed.one();
        }
    }
}

/// A world may panic when it is dropped, too.
fn drop_quietly(body: Box<Body>) {
    let _ = catch_unwind(AssertUnwindSafe(move || drop(body)));
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::shard::SHARD_INBOX_MAX;

    #[test]
    fn a_full_shard_gives_back_what_a_room_says() {
        let (shard, mut inbox) = mpsc::channel(SHARD_INBOX_MAX);
        let (gone, _) = mpsc::channel(1);
        let exits = Exits {
            directory: crate::directory::channel().0,
            shards: [shard, gone].into(),
            lobby: crate::lobby::channel().0,
            tasks: tasks::nowhere(),
        };
        let said = |shard| RoomOutput::ToAll {
            shard,
            frame: Bytes::from_static(b"x"),
            except: None,
        };
        for _ in 0..SHARD_INBOX_MAX {
            assert!(exits.send(1, said(0)).is_ok());
        }
        let back = exits.send(1, said(0));
        assert!(matches!(back, Err(RoomOutput::ToAll { shard: 0, .. })));
        assert!(exits.send(1, said(1)).is_ok(), "who is gone wants nothing");
        assert!(exits.send(1, said(2)).is_ok(), "and so does nobody");
        assert!(inbox.try_recv().is_ok());
        assert!(exits.send(1, said(0)).is_ok());
        assert!(exits.send(1, said(0)).is_err());
    }
}
