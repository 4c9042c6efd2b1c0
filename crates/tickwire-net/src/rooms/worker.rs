//! The worker threads and their watchdog: a room is checked out for one tick; one that panics or hangs takes nothing else along.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::watch::{Patience, Watch};
use super::{Rooms, drop_quietly};
use crate::clock;

/// How often the watchdog looks.
const WATCH_EVERY: Duration = Duration::from_millis(50);
/// Workers that may be lost to rooms that never return; after that many no new one is started, and the rest carries on.
const WORKERS_LOST_MAX: usize = 64;
/// What players are told; the log says more.
const PANICKED: &str = "the room failed: its game panicked. The server's log says where";
const STUCK: &str =
    "the room was ended: a step of its game did not return. The server's log says which";

/// All workers, and the watchdog.
pub(crate) struct Crew {
    rooms: Arc<Rooms>,
    workers: Arc<Mutex<Vec<Worker>>>,
    watchdog: Option<JoinHandle<()>>,
    stopping: Arc<AtomicBool>,
}

struct Worker {
    watch: Arc<Watch>,
    patience: Patience,
    thread: JoinHandle<()>,
    /// It is lost, and nobody has its place: too many were.
    vacant: bool,
}

impl Crew {
    pub(crate) fn start(rooms: Arc<Rooms>, count: usize) -> io::Result<Crew> {
        let workers = (0..count)
            .map(|_| start_worker(&rooms))
            .collect::<io::Result<Vec<_>>>()?;
        let workers = Arc::new(Mutex::new(workers));
        let stopping = Arc::new(AtomicBool::new(false));
        let watchdog = {
            let (rooms, workers, stopping) = (
                Arc::clone(&rooms),
                Arc::clone(&workers),
                Arc::clone(&stopping),
            );
            thread::Builder::new()
                .name("tickwire-watch".to_owned())
                .spawn(move || {
                    let mut last = clock::now();
                    while !stopping.load(Ordering::Relaxed) {
                        thread::park_timeout(WATCH_EVERY);
                        let now = clock::now();
                        look(&rooms, &workers, now.since(last));
                        last = now;
                    }
                })?
        };
        Ok(Crew {
            rooms,
            workers,
            watchdog: Some(watchdog),
            stopping,
        })
    }

    /// Ends all rooms and waits for the workers, but not for those that are stuck.
    pub(crate) fn stop(mut self) {
        for body in self.rooms.schedule.stop() {
            drop_quietly(body);
        }
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.thread().unpark();
            let _ = watchdog.join();
        }
        let workers =
            std::mem::take(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner));
        let deadline = clock::now().plus(self.rooms.patience);
        for worker in workers {
            while !worker.thread.is_finished() && clock::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
            if worker.thread.is_finished() {
                let _ = worker.thread.join();
            }
        }
    }
}

fn start_worker(rooms: &Arc<Rooms>) -> io::Result<Worker> {
    let watch = Arc::new(Watch::default());
    let thread = {
        let (rooms, watch) = (Arc::clone(rooms), Arc::clone(&watch));
        thread::Builder::new()
            .name("tickwire-room".to_owned())
            .spawn(move || work(&rooms, &watch))?
    };
    Ok(Worker {
        watch,
        patience: Patience::default(),
        thread,
        vacant: false,
    })
}

fn work(rooms: &Rooms, watch: &Watch) {
    while let Some((due, mut body)) = rooms.schedule.take() {
        let began = clock::now();
        watch.begin(began, body.no());
        let stepped = catch_unwind(AssertUnwindSafe(|| body.step(began, rooms.stamps)));
        if !watch.end() {
            // Abandoned: everybody was told already, another worker has this one's place. Only the memory is left to give back.
            drop_quietly(body);
            rooms.lost.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let goes_on = match &stepped {
            Ok(_) => body.send(&rooms.exits),
            Err(panic) => {
                tracing::error!(
                    room = body.no(),
                    panic = said(&**panic),
                    "room panicked: it is ended, alone"
                );
                rooms.exits.lobby.room_failed(body.no(), PANICKED);
                rooms.over(true);
                drop_quietly(body);
                continue;
            }
        };
        let now = clock::now();
        if matches!(stepped, Ok(true)) {
            rooms.metrics.ticked(began.since(due), now.since(began));
            body.feel((due, began, now), &rooms.metrics);
        }
        let next = body.next_due(due, now);
        body.report(&rooms.metrics, !goes_on || body.rests());
        if goes_on {
            rooms.put_back(next, body);
            continue;
        }
        // What a game does when its world is dropped is watched like a step.
        watch.begin(now, body.no());
        drop_quietly(body);
        if !watch.end() {
            rooms.lost.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        rooms.over(false);
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}

/// One look of the watchdog, `passed` after the one before.
fn look(rooms: &Arc<Rooms>, workers: &Mutex<Vec<Worker>>, passed: Duration) {
    let mut workers = workers.lock().unwrap_or_else(PoisonError::into_inner);
    for worker in workers.iter_mut() {
        if worker.vacant && rooms.lost.load(Ordering::Relaxed) <= WORKERS_LOST_MAX {
            replace(rooms, worker); // one that was lost has come back meanwhile, and ended
        }
        let stuck = worker.patience.look(&worker.watch, passed, rooms.patience);
        let Some(room) = stuck else {
            continue;
        };
        tracing::error!(
            room,
            "room does not return: it is abandoned, with its thread"
        );
        rooms.exits.lobby.room_failed(room, STUCK);
        rooms.over(true);
        rooms.metrics.workers_lost.one();
        if rooms.lost.fetch_add(1, Ordering::Relaxed) >= WORKERS_LOST_MAX {
            tracing::error!(
                "too many threads are lost to rooms that do not return: no new one is started. Restart the server"
            );
            worker.vacant = true;
            continue;
        }
        replace(rooms, worker);
    }
}

fn replace(rooms: &Arc<Rooms>, worker: &mut Worker) {
    match start_worker(rooms) {
        Ok(new) => *worker = new,
        Err(error) if worker.vacant => tracing::debug!(%error, "still no thread"),
        Err(error) => {
            worker.vacant = true;
            tracing::error!(%error, "no thread in the place of a lost one");
        }
    }
}

#[cfg(test)]
mod tests {
    use tickwire_proto::Time;

    use super::*;
    use crate::lobby::{self, LobbyReceiver};
    use crate::metrics::Metrics;
    use crate::rooms::Exits;

    const PATIENCE: Duration = Duration::from_secs(1);

    fn rooms() -> (Arc<Rooms>, LobbyReceiver) {
        let (sender, receiver) = lobby::channel();
        let exits = Exits {
            directory: crate::directory::channel().0,
            shards: [].into(),
            lobby: sender,
            tasks: crate::rooms::tasks::nowhere(),
        };
        let rooms = Rooms::new(exits, Arc::new(Metrics::new(1)), false, PATIENCE);
        rooms.metrics.rooms.add(2);
        (rooms, receiver)
    }

    /// A worker that never returns from a tick of room 7, in the eyes of the watchdog.
    fn stuck() -> Worker {
        let watch = Arc::new(Watch::default());
        watch.begin(Time::from_millis(9_000), 7);
        Worker {
            watch,
            patience: Patience::default(),
            thread: thread::spawn(|| {}),
            vacant: false,
        }
    }

    /// Looks until the watchdog's patience must be at its end. Whether another worker has the place.
    fn is_replaced(rooms: &Arc<Rooms>) -> bool {
        let worker = stuck();
        let lost = Arc::clone(&worker.watch);
        let workers = Mutex::new(vec![worker]);
        for _ in 0..30 {
            look(rooms, &workers, WATCH_EVERY);
        }
        assert!(!lost.end(), "the room is not its any more");
        let workers = workers.into_inner().unwrap();
        assert_eq!(workers.len(), 1);
        !Arc::ptr_eq(&workers[0].watch, &lost)
    }

    #[test]
    fn only_so_many_lost_workers_are_replaced() {
        let (rooms, mut lobby) = rooms();
        rooms.lost.store(WORKERS_LOST_MAX - 1, Ordering::Relaxed);
        assert!(is_replaced(&rooms), "the last one");
        assert!(!is_replaced(&rooms), "one more would be too many");
        // The room is over, and is told to be, either way.
        assert_eq!(lobby.failed(), [7, 7]);
        assert_eq!(rooms.metrics.workers_lost.get(), 2);
        assert_eq!(rooms.metrics.rooms_failed.get(), 2);
        assert_eq!(rooms.metrics.rooms.get(), 0);
        drop(rooms.schedule.stop());
    }

    /// Past the bound the place of a lost worker is empty until one of the lost returns.
    #[test]
    fn a_lost_worker_that_returns_makes_room_for_another() {
        let (rooms, _lobby) = rooms();
        rooms.lost.store(WORKERS_LOST_MAX, Ordering::Relaxed);
        let worker = stuck();
        let lost = Arc::clone(&worker.watch);
        let workers = Mutex::new(vec![worker]);
        for _ in 0..60 {
            look(&rooms, &workers, WATCH_EVERY);
        }
        let is_new = || !Arc::ptr_eq(&workers.lock().unwrap()[0].watch, &lost);
        assert!(!is_new() && rooms.metrics.workers_lost.get() == 1);
        rooms.lost.fetch_sub(1, Ordering::Relaxed); // as a worker does that returns
        look(&rooms, &workers, WATCH_EVERY);
        assert!(is_new());
        drop(rooms.schedule.stop());
    }
}
