//! The thread of the store: jobs of the directory in batches, answers back. What keeps them is behind the trait `Store`.

mod disk;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tickwire_server::{Store, StoreAnswer, StoreJob};

pub use disk::DiskStore;

use crate::directory::DirectorySender;

/// Jobs done at once, by one commit.
const BATCH_MAX: usize = 256;

/// How the store is reached. Its bounds are the directory's: so many notices wait to be kept, and each session has one question.
#[derive(Clone, Debug)]
pub(crate) struct StoreSender(mpsc::Sender<StoreJob>);

impl StoreSender {
    pub(crate) fn send(&self, job: StoreJob) {
        // One that is gone: the server is stopping, and nobody waits for the answer.
        let _ = self.0.send(job);
    }
}

/// Starts the thread. It ends when all senders are gone, after the last job.
pub(crate) fn start(
    mut store: Box<dyn Store>,
    directory: DirectorySender,
) -> io::Result<(StoreSender, JoinHandle<()>)> {
    let (sender, jobs) = mpsc::channel::<StoreJob>();
    let thread = thread::Builder::new()
        .name("tickwire-store".to_owned())
        .spawn(move || {
            while let Ok(job) = jobs.recv() {
                let mut batch = vec![job];
                batch.extend(jobs.try_iter().take(BATCH_MAX - 1));
                for answer in run(&mut *store, batch) {
                    directory.stored(answer);
                }
            }
        })?;
    Ok((StoreSender(sender), thread))
}

/// A store that panics has failed, and may do better with the next batch.
fn run(store: &mut dyn Store, batch: Vec<StoreJob>) -> Vec<StoreAnswer> {
    let done = catch_unwind(AssertUnwindSafe(|| store.run(&batch)));
    let done = done.unwrap_or_else(|_| Err("it panicked. The log says where".to_owned()));
    match done {
        Ok(answers) => answers,
        Err(error) => {
            tracing::error!(error, jobs = batch.len(), "the store failed");
            let failed = batch.into_iter().map(|job| StoreAnswer::Failed {
                job,
                error: error.clone(),
            });
            failed.collect()
        }
    }
}
