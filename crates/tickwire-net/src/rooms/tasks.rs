//! Work that rooms start: it runs on a thread of its own, apart from links, lobby and rooms, ends with its room, and a panic in it is a result.

use std::collections::HashMap;
use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tickwire_server::RoomInput;
use tickwire_sim::{NewTask, TaskFailed, TaskId};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::rest::Results;
use crate::clock;

/// How long a stopping server waits for a task that does not come to an await.
const PATIENCE: Duration = Duration::from_secs(1);

/// The thread on which the work of all rooms runs. What takes the processor's time is to be given to threads of the game's own.
pub(crate) struct TaskThread {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TaskThread {
    pub(crate) fn start() -> io::Result<TaskThread> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name("tickwire-tasks".to_owned())
            .spawn(move || {
                let _ = runtime.block_on(stopped);
                // What blocks is left behind.
                runtime.shutdown_background();
            })?;
        Ok(TaskThread {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Ends all work where it waits. A thread that is stuck in a game's code is left behind.
    pub(crate) fn stop(mut self) {
        drop(self.stop.take());
        let deadline = clock::now().plus(PATIENCE);
        if let Some(thread) = self.thread.take() {
            while !thread.is_finished() && clock::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}

/// The work of one room: dropped with it.
pub(crate) struct RoomTasks {
    results: Results,
    running: HashMap<TaskId, AbortHandle>,
}

impl RoomTasks {
    pub(crate) fn new(results: Results) -> RoomTasks {
        RoomTasks {
            results,
            running: HashMap::new(),
        }
    }

    pub(crate) fn begin(&mut self, runtime: &Handle, task: NewTask) {
        let (id, results) = (task.id, self.results.clone());
        // One task for the game's future, whose panic the runtime catches, and one that waits for it.
        let work = runtime.spawn(task.future);
        self.running.retain(|_, running| !running.is_finished());
        self.running.insert(id, work.abort_handle());
        runtime.spawn(async move {
            let result = match work.await {
                Ok(result) => result,
                Err(error) if error.is_panic() => {
                    tracing::error!(task = id.0, "a task of a room panicked");
                    Err(TaskFailed::Panicked)
                }
                Err(_) => return, // cancelled: nobody wants to know
            };
            results.send(RoomInput::TaskDone { task: id, result }).await;
        });
    }

    pub(crate) fn cancel(&mut self, task: TaskId) {
        if let Some(running) = self.running.remove(&task) {
            running.abort();
        }
    }
}

impl Drop for RoomTasks {
    fn drop(&mut self) {
        for running in self.running.values() {
            running.abort();
        }
    }
}

/// Where nothing runs: for tests without work.
#[cfg(test)]
pub(crate) fn nowhere() -> Handle {
    let runtime = Builder::new_current_thread().build();
    runtime.expect("a runtime").handle().clone()
}
