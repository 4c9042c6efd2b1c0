//! The task that owns the directory: who is here, by identity, across all io threads; and the way from it to the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tickwire_proto::Time;
use tickwire_proto::frame::Refusal;
use tickwire_server::{Directory, DirectoryInput, DirectoryOutput, StoreAnswer};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::metrics::Metrics;
use crate::shard::ShardMessage;
use crate::store::StoreSender;

/// Wishes (to follow, notices) that wait for the directory; what comes beyond is refused at once.
pub(crate) const DIRECTORY_INBOX_MAX: usize = 65_536;
/// Notices that wait to be kept; what comes beyond is refused at once.
pub(crate) const KEEPS_MAX: usize = 16_384;

/// From one report of what was counted to the next.
const REPORT: Duration = Duration::from_millis(250);
/// A stopping server waits so long for each of the store's last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// The answer to a notice that is to be kept: its cursor.
pub(crate) type Answer = Result<u64, Refusal>;

/// What the task is told.
#[derive(Debug)]
pub(crate) enum DirectoryMessage {
    Input(DirectoryInput),
    /// Whoever keeps a notice waits for this ticket's answer.
    Waits(u64, oneshot::Sender<Answer>),
}

/// How the directory is reached. What sessions come to and end in always passes: its bound is the number of sessions.
#[derive(Clone, Debug)]
pub(crate) struct DirectorySender {
    sender: mpsc::UnboundedSender<DirectoryMessage>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: AtomicUsize,
    keeps: AtomicUsize,
    tickets: AtomicU64,
    /// Notices of games that found too many waiting.
    lost: AtomicU64,
}

/// The other end.
pub(crate) struct DirectoryReceiver {
    receiver: mpsc::UnboundedReceiver<DirectoryMessage>,
    shared: Arc<Shared>,
}

pub(crate) fn channel() -> (DirectorySender, DirectoryReceiver) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let shared = Arc::<Shared>::default();
    let ours = Arc::clone(&shared);
    (
        DirectorySender { sender, shared },
        DirectoryReceiver {
            receiver,
            shared: ours,
        },
    )
}

impl DirectorySender {
    /// Gives back a wish that the directory has no time for. A directory that is gone wants nothing: the server is stopping.
    pub(crate) fn send(&self, input: DirectoryInput) -> Result<(), DirectoryInput> {
        let wish = matches!(
            input,
            DirectoryInput::Follow { .. } | DirectoryInput::Notify { .. }
        );
        if wish && self.shared.waiting.load(Ordering::Relaxed) >= DIRECTORY_INBOX_MAX {
            return Err(input);
        }
        self.push(DirectoryMessage::Input(input));
        Ok(())
    }

    /// What the store answered. False: the server is stopping.
    pub(crate) fn stored(&self, answer: StoreAnswer) {
        self.push(DirectoryMessage::Input(DirectoryInput::Stored(Box::new(
            answer,
        ))));
    }

    fn push(&self, message: DirectoryMessage) -> bool {
        self.shared.waiting.fetch_add(1, Ordering::Relaxed);
        self.sender.send(message).is_ok()
    }

    /// Has a notice kept; `None`: too many wait already, or the server has stopped.
    pub(crate) fn keep(
        &self,
        person: tickwire_server::Person,
        notice: tickwire_server::Notice,
    ) -> Option<oneshot::Receiver<Answer>> {
        let ticket = self.ticket()?;
        let (sender, receiver) = oneshot::channel();
        let keep = DirectoryInput::Keep {
            ticket,
            person,
            notice,
        };
        let sent = self.push(DirectoryMessage::Waits(ticket, sender))
            && self.push(DirectoryMessage::Input(keep));
        sent.then_some(receiver)
    }

    /// A notice of a game, of whose fate the counters tell alone: of one that finds too many waiting, too.
    pub(crate) fn send_unasked(&self, input: DirectoryInput) {
        let sent = match input {
            DirectoryInput::Keep { person, notice, .. } => self.ticket().is_some_and(|ticket| {
                let keep = DirectoryInput::Keep {
                    ticket,
                    person,
                    notice,
                };
                self.send(keep).is_ok()
            }),
            other => self.send(other).is_ok(),
        };
        if !sent {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A number for one more notice to be kept; it is given back with the answer.
    fn ticket(&self) -> Option<u64> {
        let taken = |keeps| (keeps < KEEPS_MAX).then_some(keeps + 1);
        let relaxed = Ordering::Relaxed;
        self.shared.keeps.try_update(relaxed, relaxed, taken).ok()?;
        Some(1 + self.shared.tickets.fetch_add(1, relaxed))
    }
}

/// The directory, and the ways out of it.
pub(crate) struct DirectoryTask {
    directory: Directory,
    shards: Arc<[mpsc::Sender<ShardMessage>]>,
    store: StoreSender,
    waits: HashMap<u64, oneshot::Sender<Answer>>,
    metrics: Arc<Metrics>,
}

impl DirectoryTask {
    pub(crate) fn new(
        shards: Arc<[mpsc::Sender<ShardMessage>]>,
        store: StoreSender,
        metrics: Arc<Metrics>,
    ) -> DirectoryTask {
        DirectoryTask {
            directory: Directory::default(),
            shards,
            store,
            waits: HashMap::new(),
            metrics,
        }
    }

    /// Runs until `ended`; then it hears what has been told so far, so that what clients acknowledged last is forgotten in the store too.
    pub(crate) async fn run(
        mut self,
        mut inbox: DirectoryReceiver,
        mut ended: oneshot::Receiver<()>,
    ) {
        let mut beat = tokio::time::interval(REPORT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.directory.next_timeout().unwrap_or(Time(u64::MAX));
            tokio::select! {
                message = inbox.receiver.recv() => {
                    let Some(message) = message else { return };
                    self.hear(&inbox, message);
                }
                () = tokio::time::sleep_until(clock::deadline(due)) => self.directory.handle_timeout(clock::now()),
                _ = beat.tick() => self.report(&inbox),
                _ = &mut ended => break,
            }
            self.deliver(&inbox).await;
        }
        while let Ok(message) = inbox.receiver.try_recv() {
            self.hear(&inbox, message);
            // The shards are gone: what is for them is for nobody.
            self.deliver(&inbox).await;
        }
        // Who has something kept is told the truth: the store is answering.
        while inbox.shared.keeps.load(Ordering::Relaxed) > 0 {
            let Ok(Some(message)) = tokio::time::timeout(LAST_ANSWERS, inbox.receiver.recv()).await
            else {
                return;
            };
            self.hear(&inbox, message);
            self.deliver(&inbox).await;
        }
    }

    fn report(&self, inbox: &DirectoryReceiver) {
        let mut stats = self.directory.stats();
        stats.notices_refused += inbox.shared.lost.load(Ordering::Relaxed);
        self.metrics.directory(stats);
    }

    fn hear(&mut self, inbox: &DirectoryReceiver, message: DirectoryMessage) {
        inbox.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        match message {
            DirectoryMessage::Input(input) => self.directory.handle(clock::now(), input),
            DirectoryMessage::Waits(ticket, sender) => {
                self.waits.insert(ticket, sender);
            }
        }
    }

    async fn deliver(&mut self, inbox: &DirectoryReceiver) {
        while let Some(output) = self.directory.poll() {
            match output {
                DirectoryOutput::ToFront { shard, input } => {
                    if let Some(shard) = self.shards.get(usize::from(shard)) {
                        let _ = shard.send(ShardMessage::Front(input)).await;
                    }
                }
                DirectoryOutput::ToStore(job) => self.store.send(job),
                DirectoryOutput::Kept { ticket, answer } => {
                    inbox.shared.keeps.fetch_sub(1, Ordering::Relaxed);
                    if let Some(sender) = self.waits.remove(&ticket) {
                        let _ = sender.send(answer); // whoever asked may not want to know any more
                    }
                }
            }
        }
    }
}
