//! A relay of TCP that cuts: each connection after a number of bytes that chance draws, wherever in a message that is, or all of them at once.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// Bytes that pass before the cut: between these.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    pub least: u64,
    pub most: u64,
}

/// Stands before one server. It ends with the value, and so do its connections.
pub struct Relay {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    listening: tokio::task::JoinHandle<()>,
}

struct Shared {
    to: String,
    budget: Option<Budget>,
    /// Cuts that are still to be made.
    left: AtomicU32,
    made: AtomicU32,
    chance: AtomicU64,
    /// Counts up with each cut of all.
    all: watch::Sender<u32>,
}

impl Relay {
    /// Cuts so many connections, each after a number of bytes that the seed draws; what comes after those passes.
    pub async fn cutting(to: &str, cuts: u32, budget: Budget, seed: u64) -> Self {
        Self::start(to, cuts, Some(budget), seed).await
    }

    /// Cuts when it is told to.
    pub async fn to(server: &str) -> Self {
        Self::start(server, 0, None, 0).await
    }

    async fn start(to: &str, cuts: u32, budget: Option<Budget>, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            to: to.to_owned(),
            budget,
            left: AtomicU32::new(cuts),
            made: AtomicU32::new(0),
            chance: AtomicU64::new(seed),
            all: watch::channel(0).0,
        });
        let of_all = Arc::clone(&shared);
        let listening = tokio::spawn(async move {
            loop {
                // Out of descriptors, say: whoever connects tries again.
                let Ok((near, _)) = listener.accept().await else {
                    continue;
                };
                tokio::spawn(carry(near, Arc::clone(&of_all)));
            }
        });
        Self {
            address,
            shared,
            listening,
        }
    }

    /// Connections that were cut.
    pub fn cuts(&self) -> u32 {
        self.shared.made.load(Ordering::Relaxed)
    }

    /// Cuts every connection that there is now.
    pub fn cut_all(&self) {
        self.shared.all.send_modify(|count| *count += 1);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut_all();
    }
}

impl Shared {
    /// How many bytes the next connection lives; `None`: as long as it likes.
    fn draw(&self) -> Option<u64> {
        let budget = self.budget?;
        let chance = self
            .chance
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (chance ^ chance >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some(budget.least + (mixed ^ mixed >> 31) % (budget.most - budget.least))
    }

    /// One cut more. False: all were made, and this connection may go on.
    fn cuts_now(&self) -> bool {
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        self.made
            .fetch_add(u32::from(taken.is_ok()), Ordering::Relaxed);
        taken.is_ok()
    }
}

/// Until either side ends it, or it is cut: then both sockets close with what they hold.
async fn carry(near: TcpStream, shared: Arc<Shared>) {
    let mut all = shared.all.subscribe();
    all.mark_unchanged();
    let carried = async {
        let far = TcpStream::connect(&shared.to).await?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let left = shared.draw().map(AtomicU64::new);
        let (near_in, near_out) = near.into_split();
        let (far_in, far_out) = far.into_split();
        tokio::select! {
            ended = pass(near_in, far_out, left.as_ref(), &shared) => ended,
            ended = pass(far_in, near_out, left.as_ref(), &shared) => ended,
        }
    };
    tokio::select! {
        _ = carried => {}
        _ = all.changed() => {}
    }
}

/// One direction. The bytes up to the cut still arrive.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    left: Option<&AtomicU64>,
    shared: &Shared,
) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        if let Some(left) = left {
            let before = left.load(Ordering::Relaxed);
            left.store(before.saturating_sub(read as u64), Ordering::Relaxed);
            if before <= read as u64 && shared.cuts_now() {
                return to.write_all(&buffer[..before as usize]).await;
            }
            if before <= read as u64 {
                left.store(u64::MAX, Ordering::Relaxed);
            }
        }
        to.write_all(&buffer[..read]).await?;
    }
}
