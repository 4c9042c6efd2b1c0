//! Work that a room starts and does not wait for: futures go out, their results come back as inputs of a later tick. Nothing is awaited here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bevy_ecs::change_detection::CheckChangeTicks;
use bevy_ecs::resource::Resource;
use bevy_ecs::system::{BoxedSystem, In};
use bevy_ecs::world::World;
use bytes::Bytes;
use tickwire_snapshot::message::{self, Message};

use crate::system::run;

/// Tasks of one room that run at once; of more the result is [`TaskFailed::TooMany`].
pub const TASKS_MAX: usize = 256;

/// A task of a room: counted from 1 and never used again there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u32);

/// Why a task has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TaskFailed {
    /// It panicked. The server's log says where.
    #[error("the task panicked")]
    Panicked,
    /// As many as a room may have ran already: it was not begun.
    #[error("{TASKS_MAX} tasks of the room run already")]
    TooMany,
    /// Its result is longer than its own shape allows.
    #[error("the result is longer than its shape allows")]
    Unfit,
    /// Whoever ran it is gone: the room was restored from a capture, or the server is stopping.
    #[error("the task was lost with whoever ran it")]
    Lost,
}

impl TaskFailed {
    pub(crate) const ALL: [TaskFailed; 4] = [
        TaskFailed::Panicked,
        TaskFailed::TooMany,
        TaskFailed::Unfit,
        TaskFailed::Lost,
    ];
}

/// What became of a task: the input of the systems of [`Game::on_done`](crate::Game::on_done).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done<T> {
    /// Which.
    pub task: TaskId,
    /// Its result.
    pub result: Result<T, TaskFailed>,
}

/// What a task's future gives: the bytes of its result.
pub type TaskResult = Result<Bytes, TaskFailed>;

/// A future whose result is put into bytes. Nothing waits here: whoever runs it does.
struct InBytes<F>(Pin<Box<F>>);

impl<F: Future<Output: Message>> Future for InBytes<F> {
    type Output = TaskResult;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<TaskResult> {
        let polled = self.0.as_mut().poll(context);
        polled.map(|result| message::encode_checked(&result).map_err(|_| TaskFailed::Unfit))
    }
}

/// A task on its way to whoever runs it. To be dropped when the room is.
pub struct NewTask {
    /// Which.
    pub id: TaskId,
    /// What it does.
    pub future: Pin<Box<dyn Future<Output = TaskResult> + Send>>,
}

impl fmt::Debug for NewTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NewTask").field(&self.id).finish()
    }
}

/// Where a game starts work that takes its time (a database, a request to somewhere): a resource.
///
/// The result is an input of a later tick, so that whoever repeats the inputs repeats the room; it is a message, so that it has bytes, but no
/// client hears of it. Tasks end with their room. A task is not part of the room's state: what it needs of that is moved into it.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use serde::{Deserialize, Serialize};
/// use tickwire_sim::prelude::*;
/// # async fn look_up(name: String) -> u32 { 7 }
///
/// #[derive(NetMessage, Serialize, Deserialize)]
/// struct Rank { seat: u16, points: u32 }
///
/// fn join(In(player): In<Player>, roster: Res<Roster>, mut tasks: ResMut<Tasks>) {
///     let (seat, name) = (player.seat, roster.name(player).to_owned());
///     tasks.spawn(async move { Rank { seat, points: look_up(name).await } });
/// }
///
/// fn ranked(In(done): In<Done<Rank>>) {
///     if let Ok(rank) = done.result {
///         println!("seat {} has {} points", rank.seat, rank.points);
///     }
/// }
///
/// fn game(game: &mut Game) {
///     game.on_join(join).on_done(ranked);
/// }
/// # tickwire_sim::GameKind::new("ranked", game);
/// ```
#[derive(Resource, Default)]
pub struct Tasks {
    last: u32,
    /// The kinds of the results of those that run.
    running: BTreeMap<TaskId, u32>,
    /// Those that were not begun.
    refused: BTreeSet<TaskId>,
    /// Never locked, but by who has the resource to itself: futures need not be shared.
    new: Mutex<Vec<NewTask>>,
    new_count: usize,
    cancelled: Vec<TaskId>,
    /// Results that no system listens to.
    pub(crate) unheard: u64,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks")
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

impl Tasks {
    /// Starts a task. Its result comes to the system that [`Game::on_done`](crate::Game::on_done) registered for its type, in a later tick.
    pub fn spawn<T: Message + Send + 'static>(
        &mut self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> TaskId {
        self.last += 1;
        let id = TaskId(self.last);
        let room = self.running.len() < TASKS_MAX;
        self.running.insert(id, T::kind());
        if !room {
            self.refused.insert(id);
            return id;
        }
        let future = InBytes(Box::pin(future));
        let new = self.new.get_mut().unwrap_or_else(PoisonError::into_inner);
        let future = Box::pin(future);
        new.push(NewTask { id, future });
        self.new_count = new.len();
        id
    }

    /// Wants no result of a task any more: it is stopped where it waits.
    pub fn cancel(&mut self, task: TaskId) {
        if self.running.remove(&task).is_some() && !self.refused.remove(&task) {
            let new = self.new.get_mut().unwrap_or_else(PoisonError::into_inner);
            let before = new.len();
            new.retain(|it| it.id != task);
            self.new_count = new.len();
            if new.len() == before {
                self.cancelled.push(task);
            }
        }
    }

    /// How many run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }

    pub(crate) fn take_new(&mut self) -> Vec<NewTask> {
        self.new_count = 0;
        std::mem::take(self.new.get_mut().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn take_cancelled(&mut self) -> Vec<TaskId> {
        std::mem::take(&mut self.cancelled)
    }

    pub(crate) fn has_new(&self) -> bool {
        self.new_count > 0 || !self.cancelled.is_empty()
    }

    pub(crate) fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    pub(crate) fn take_refused(&mut self) -> BTreeSet<TaskId> {
        std::mem::take(&mut self.refused)
    }

    /// Whether a result of it is waited for.
    pub(crate) fn waits_for(&self, task: TaskId) -> bool {
        self.running.contains_key(&task)
    }

    /// Its result has come: the kind that it is of.
    pub(crate) fn finish(&mut self, task: TaskId) -> Option<u32> {
        self.running.remove(&task)
    }

    pub(crate) fn parts(&self) -> (u32, &BTreeMap<TaskId, u32>) {
        (self.last, &self.running)
    }

    /// Of a capture: nobody runs any of these.
    pub(crate) fn restored(last: u32, running: BTreeMap<TaskId, u32>) -> Tasks {
        Tasks {
            last,
            running,
            ..Tasks::default()
        }
    }
}

/// A system that hears the results of one kind of task, without its type.
pub(crate) trait DoneListener: Send + Sync {
    fn name(&self) -> &'static str;
    fn kind(&self) -> u32;
    fn initialize(&mut self, world: &mut World);
    fn check_change_tick(&mut self, check: CheckChangeTicks);
    fn hear(&mut self, world: &mut World, task: TaskId, result: &TaskResult);
}

pub(crate) struct HearsDone<T: Message> {
    pub system: BoxedSystem<In<Done<T>>>,
}

impl<T: Message + Send + Sync + 'static> DoneListener for HearsDone<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn kind(&self) -> u32 {
        T::kind()
    }

    fn initialize(&mut self, world: &mut World) {
        self.system.initialize(world);
    }

    fn check_change_tick(&mut self, check: CheckChangeTicks) {
        self.system.check_change_tick(check);
    }

    fn hear(&mut self, world: &mut World, task: TaskId, result: &TaskResult) {
        let result = match result {
            // Encoded here, or in a capture of this game.
            Ok(bytes) => message::decode::<T>(bytes).map_err(|_| TaskFailed::Unfit),
            Err(failed) => Err(*failed),
        };
        run(&mut self.system, Done { task, result }, world);
    }
}
