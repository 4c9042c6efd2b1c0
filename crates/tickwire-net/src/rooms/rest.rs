//! Rooms that rest: out of the schedule, at no cost, until somebody sends them something. Nothing that was sent lies there unheard.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tickwire_server::RoomInput;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::Body;
use super::drop_quietly;
use super::schedule::Schedule;
use crate::clock;
use crate::metrics::Metrics;

/// Nobody rang since it looked into its inboxes last.
const AWAKE: u8 = 0;
/// Somebody rang: it has to look again.
const RUNG: u8 = 1;
/// It is in bed. Who rings gets it.
const RESTING: u8 = 2;

/// Puts a thing to bed, and wakes it by one word that all who send to it change: who sends rings *after* the sending, and the thing listens
/// *before* it looks into its inboxes. So either it finds what was sent, or it cannot lie down.
pub(crate) struct Bell<T> {
    word: AtomicU8,
    bed: Mutex<Option<T>>,
}

impl<T> Default for Bell<T> {
    fn default() -> Self {
        Bell {
            word: AtomicU8::new(AWAKE),
            bed: Mutex::new(None),
        }
    }
}

impl<T> Bell<T> {
    /// Something was sent. Gives the thing if it was in bed: to one alone of those who ring.
    pub(crate) fn ring(&self) -> Option<T> {
        match self.word.swap(RUNG, Ordering::AcqRel) {
            RESTING => self.bed().take(),
            _ => None,
        }
    }

    /// The thing is about to look into its inboxes.
    pub(crate) fn listen(&self) {
        // An exchange and not a store: what was sent before the last ring is then seen.
        self.word.swap(AWAKE, Ordering::AcqRel);
    }

    /// The thing found nothing more to do since it listened. Gives it back if somebody rang meanwhile.
    pub(crate) fn lie_down(&self, thing: T) -> Option<T> {
        *self.bed() = Some(thing);
        let rest = self
            .word
            .compare_exchange(AWAKE, RESTING, Ordering::AcqRel, Ordering::Acquire);
        match rest {
            Ok(_) => None,
            Err(_) => self.bed().take(),
        }
    }

    fn bed(&self) -> MutexGuard<'_, Option<T>> {
        // Nothing in here panics while the lock is held.
        self.bed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bell of a room that may rest.
pub(crate) struct RoomBell {
    bell: Bell<Box<Body>>,
    schedule: Arc<Schedule<Box<Body>>>,
    metrics: Arc<Metrics>,
}

impl RoomBell {
    pub(crate) fn new(schedule: Arc<Schedule<Box<Body>>>, metrics: Arc<Metrics>) -> RoomBell {
        RoomBell {
            bell: Bell::default(),
            schedule,
            metrics,
        }
    }

    pub(crate) fn listen(&self) {
        self.bell.listen();
    }

    /// Something was sent: the room is scheduled if it rested.
    fn ring(self: &Arc<Self>) {
        if let Some(mut body) = self.bell.ring() {
            self.metrics.rooms_resting.less(1);
            body.bell = Some(Arc::clone(self));
            let due = body.due_after_rest(clock::now());
            let after_the_stop = self.schedule.put(due, body);
            after_the_stop.into_iter().for_each(drop_quietly);
        }
    }

    /// Lets the room rest; gives it back if something came meanwhile. Its own bell is not in bed with it, lest they keep each other for ever.
    pub(crate) fn lie_down(self: Arc<Self>, body: Box<Body>) -> Option<Box<Body>> {
        self.metrics.rooms_resting.one();
        let mut body = self.bell.lie_down(body)?;
        self.metrics.rooms_resting.less(1);
        body.bell = Some(self);
        Some(body)
    }
}

impl Drop for RoomBell {
    fn drop(&mut self) {
        // A world may panic when it is dropped, and this thread is another's.
        self.bell.bed().take().into_iter().for_each(drop_quietly);
    }
}

/// A way into a room, which wakes it.
#[derive(Clone)]
pub(crate) struct Way {
    sender: mpsc::Sender<RoomInput>,
    /// `None`: the room never rests.
    bell: Option<Arc<RoomBell>>,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way")
            .field("rests", &self.bell.is_some())
            .finish_non_exhaustive()
    }
}

impl Way {
    pub(crate) fn new(sender: mpsc::Sender<RoomInput>, bell: Option<Arc<RoomBell>>) -> Way {
        Way { sender, bell }
    }

    /// Sends if the inbox is not full. What no resting room has to hear waits there, up to the half of it.
    pub(crate) fn try_send(&self, input: RoomInput) -> Result<(), TrySendError<RoomInput>> {
        let Some(bell) = &self.bell else {
            return self.sender.try_send(input);
        };
        let waits = !input.wakes() && self.sender.capacity() > self.sender.max_capacity() / 2;
        let sent = self.sender.try_send(input);
        if !waits {
            bell.ring();
        }
        sent
    }

    /// A way for results, which does not keep the room from hearing that it was given up.
    pub(crate) fn results(&self) -> Results {
        Results {
            sender: self.sender.downgrade(),
            bell: self.bell.as_ref().map(Arc::downgrade),
        }
    }

    /// Nothing comes this way any more: the room hears it even if it rests.
    pub(crate) fn give_up(self) {
        drop(self.sender);
        if let Some(bell) = &self.bell {
            bell.ring();
        }
    }
}

/// A way into a room for the results of its work.
#[derive(Clone)]
pub(crate) struct Results {
    sender: mpsc::WeakSender<RoomInput>,
    bell: Option<Weak<RoomBell>>,
}

impl Results {
    /// Waits while the inbox is full: a result is never dropped while its room is there.
    pub(crate) async fn send(self, input: RoomInput) {
        let Some(sender) = self.sender.upgrade() else {
            return;
        };
        let _ = sender.send(input).await;
        // Before the ring: the room may be given up, and hears it by the last sender.
        drop(sender);
        if let Some(bell) = self.bell.as_ref().and_then(Weak::upgrade) {
            bell.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::thread;

    use super::*;
    use crate::rooms::schedule::Schedule;

    /// A thing that lies down whenever its inbox is empty.
    struct Sleeper {
        inbox: mpsc::Receiver<u64>,
        heard: u64,
        rests: u64,
    }

    /// Senders ring in every possible moment; workers pass the thing to each other. What was sent is heard, to the last: a lost ring would
    /// leave the thing in bed with something in its inbox, and this test without an end.
    #[test]
    fn nothing_that_was_sent_lies_unheard() {
        const SENDERS: u64 = 4;
        const EACH: u64 = 30_000;
        let (sender, inbox) = mpsc::channel(64);
        let bell: Arc<Bell<Sleeper>> = Arc::default();
        let schedule: Arc<Schedule<Sleeper>> = Arc::default();
        let (heard, rests) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let sleeper = Sleeper {
            inbox,
            heard: 0,
            rests: 0,
        };
        schedule.put(clock::now(), sleeper);
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let (bell, schedule) = (Arc::clone(&bell), Arc::clone(&schedule));
                let (heard, rests) = (Arc::clone(&heard), Arc::clone(&rests));
                thread::spawn(move || {
                    while let Some((_, mut sleeper)) = schedule.take() {
                        bell.listen();
                        while sleeper.inbox.try_recv().is_ok() {
                            sleeper.heard += 1;
                        }
                        heard.store(sleeper.heard, Ordering::Release);
                        sleeper.rests += 1;
                        rests.store(sleeper.rests, Ordering::Release);
                        if let Some(sleeper) = bell.lie_down(sleeper) {
                            schedule.put(clock::now(), sleeper);
                        }
                    }
                })
            })
            .collect();
        let senders: Vec<_> = (0..SENDERS)
            .map(|id| {
                let (sender, bell, schedule) =
                    (sender.clone(), Arc::clone(&bell), Arc::clone(&schedule));
                thread::spawn(move || {
                    for n in 0..EACH {
                        // A full inbox is tried again, with no ring of its own: the rings before must do.
                        while sender.try_send(id).is_err() {
                            thread::yield_now();
                        }
                        if let Some(sleeper) = bell.ring() {
                            schedule.put(clock::now(), sleeper);
                        }
                        // Pauses of different lengths, so that it lies down now and then.
                        for _ in 0..(n * 7 + id * 13) % 300 {
                            std::hint::spin_loop();
                        }
                    }
                })
            })
            .collect();
        for sender in senders {
            sender.join().unwrap();
        }
        let began = clock::now();
        while heard.load(Ordering::Acquire) < SENDERS * EACH {
            assert!(
                clock::now().since(began).as_secs() < 60,
                "a ring was lost: {} of {} heard",
                heard.load(Ordering::Acquire),
                SENDERS * EACH
            );
            thread::sleep(std::time::Duration::from_millis(1));
        }
        drop(schedule.stop());
        for worker in workers {
            worker.join().unwrap();
        }
        assert!(
            rests.load(Ordering::Acquire) > 100,
            "it did lie down in between"
        );
    }

    #[test]
    fn only_one_of_those_who_ring_gets_it() {
        let bell = Bell::default();
        bell.listen();
        assert_eq!(bell.lie_down(7), None);
        assert_eq!((bell.ring(), bell.ring()), (Some(7), None));
        assert_eq!(bell.lie_down(7), Some(7), "rung since it listened");
        bell.listen();
        assert_eq!(bell.lie_down(7), None);
    }
}
