//! Work that rooms start, in virtual time: each piece goes on every few milliseconds, in one order, and its result is posted like mail.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tickwire_proto::Time;
use tickwire_server::RoomInput;
use tickwire_sim::{NewTask, TaskFailed, TaskId};

/// What is not done is asked again after so long. The lab has no wakers: nothing but time passes.
const AGAIN: Duration = Duration::from_millis(10);

/// The work of all rooms that is not done yet.
#[derive(Default)]
pub(crate) struct Work {
    tasks: BTreeMap<(u32, TaskId), NewTask>,
    due: Option<Time>,
}

impl Work {
    pub fn begin(&mut self, now: Time, room: u32, task: NewTask) {
        self.tasks.insert((room, task.id), task);
        self.due.get_or_insert(now.plus(AGAIN));
    }

    pub fn cancel(&mut self, room: u32, task: TaskId) {
        self.tasks.remove(&(room, task));
    }

    /// Drops what belongs to rooms that are over.
    pub fn keep(&mut self, lives: impl Fn(u32) -> bool) {
        self.tasks.retain(|(room, _), _| lives(*room));
    }

    pub fn next_due(&self) -> Option<Time> {
        self.due
    }

    /// Goes on with all of it; what is done, for its room.
    pub fn go_on(&mut self, now: Time) -> Vec<(u32, RoomInput)> {
        if self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        let mut done = Vec::new();
        for ((room, id), mut task) in std::mem::take(&mut self.tasks) {
            let mut context = Context::from_waker(Waker::noop());
            let polled = catch_unwind(AssertUnwindSafe(|| task.future.as_mut().poll(&mut context)));
            let result = match polled {
                Ok(Poll::Ready(result)) => result,
                Err(_) => Err(TaskFailed::Panicked),
                Ok(Poll::Pending) => {
                    self.tasks.insert((room, id), task);
                    continue;
                }
            };
            done.push((room, RoomInput::TaskDone { task: id, result }));
        }
        self.due = (!self.tasks.is_empty()).then(|| now.plus(AGAIN));
        done
    }
}
