//! An io shard: one thread with its links and its front. It moves bytes; what they mean is the front's matter.

mod connection;
mod deliver;
mod resume;
mod run;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tickwire_proto::Time;
use tickwire_server::{Auth, Front, FrontInput, RoomInput, RoomOutput, SessionKey};
use tokio::sync::mpsc;

use crate::admission::Pass;
use crate::link::{Link, WRITABLE, Wrote};
use crate::lobby::LobbySender;
use crate::metrics::{Metrics, ShardCounts};
pub(crate) use run::{Setup, start};

/// What waits for a shard. Rooms keep what does not fit, and make nothing new for those who do not get it.
pub(crate) const SHARD_INBOX_MAX: usize = 65_536;
/// What is read from a socket at once.
const READ: usize = 16 * 1024;

/// What a shard is told from other threads.
#[derive(Debug)]
pub(crate) enum ShardMessage {
    /// A connection, fresh from the listener.
    Accepted {
        stream: std::net::TcpStream,
        peer: SocketAddr,
        pass: Pass,
    },
    /// A connection of another shard, whose client claims a session of this one.
    Moved(Box<resume::Moved>),
    /// What a room says.
    Room { room: u32, output: RoomOutput },
    /// What the lobby says.
    Front(FrontInput),
    /// There is a room, and this is the way to it.
    RoomMade {
        room: u32,
        traffic: mpsc::Sender<RoomInput>,
    },
    /// It is over.
    RoomGone { room: u32 },
    /// Everybody was told that it is over: end when the links have taken it, or a little later.
    Stop,
}

/// All that lives on the thread. Borrowed for the time of one event, never across a wait.
pub(crate) struct Shard {
    index: usize,
    front: Front,
    links: HashMap<SessionKey, Link, Hasher>,
    passes: HashMap<SessionKey, Pass, Hasher>,
    /// Links on their way to other shards: their tasks take them there.
    leaving: HashMap<SessionKey, resume::Leaving, Hasher>,
    /// The ways to all shards.
    others: Arc<[mpsc::Sender<ShardMessage>]>,
    rooms: HashMap<u32, mpsc::Sender<RoomInput>>,
    lobby: LobbySender,
    auth: Arc<dyn Auth>,
    metrics: Arc<Metrics>,
    scratch: Box<[u8]>,
    /// The longest frame that a client may send.
    message_max: usize,
    /// Connections whose tasks have not ended, those that linger after the goodbye too.
    served: usize,
    beats: u32,
    /// For the tasks that wait for an answer of auth.
    myself: std::rc::Weak<RefCell<Shard>>,
}

/// Keys are numbers of our own making.
type Hasher = std::hash::BuildHasherDefault<KeyHasher>;

#[derive(Default)]
pub(crate) struct KeyHasher(u64);

impl std::hash::Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(26);
    }
}

impl Shard {
    fn new(setup: &Setup) -> Rc<RefCell<Shard>> {
        Rc::new_cyclic(|myself| {
            RefCell::new(Shard {
                index: setup.index,
                front: Front::new(setup.front),
                links: HashMap::default(),
                passes: HashMap::default(),
                leaving: HashMap::default(),
                others: Arc::clone(&setup.others),
                rooms: HashMap::new(),
                lobby: setup.lobby.clone(),
                auth: Arc::clone(&setup.auth),
                metrics: Arc::clone(&setup.metrics),
                scratch: vec![0; READ].into_boxed_slice(),
                message_max: setup.front.session.frame_max(),
                served: 0,
                beats: 0,
                myself: myself.clone(),
            })
        })
    }

    fn counts(&self) -> &ShardCounts {
        &self.metrics.shards[self.index]
    }

    /// Delivers all that the front has to tell, and writes for all who have something to be written.
    fn settle(&mut self, now: Time) {
        loop {
            while let Some(output) = self.front.poll() {
                self.deliver(now, output);
            }
            match self.front.pop_dirty() {
                Some(key) => self.flush(now, key),
                None => return,
            }
        }
    }

    /// Writes what the front has for a link, until there is no more or the socket takes no more.
    fn flush(&mut self, now: Time, key: SessionKey) {
        let Some(link) = self.links.get_mut(&key) else {
            return;
        };
        let counts = &self.metrics.shards[self.index];
        let mut wrote = if link.is_clear() {
            Wrote::All
        } else {
            link.write_on()
        };
        while wrote == Wrote::All && link.closing.is_none() {
            let Some(outgoing) = self.front.next(now, key, WRITABLE) else {
                break;
            };
            let updates = u64::from(outgoing.update.is_some());
            let (result, bytes) = link.write(outgoing);
            counts.bytes_out.add(bytes as u64);
            counts.updates.add(updates);
            counts.short_writes.add(u64::from(result == Wrote::Some));
            wrote = result;
        }
        self.after_write(now, key, wrote);
    }

    /// The front hears how much waits; a link that broke is lost.
    fn after_write(&mut self, now: Time, key: SessionKey, wrote: Wrote) {
        if wrote == Wrote::Gone {
            self.lost(now, key);
        } else if let Some(unwritten) = self.links.get_mut(&key).and_then(Link::unwritten) {
            self.front.unwritten(now, key, unwritten);
        }
    }

    /// The link is gone, from the other side or by a breach.
    fn lost(&mut self, now: Time, key: SessionKey) {
        self.forget(key);
        self.front.link_lost(now, key);
    }
}
