//! An io shard: one thread with its links and its front. It moves bytes; what they mean is the front's matter.

mod connection;
mod deliver;
mod gather;
mod handlers;
mod links;
mod polls;
mod resume;
mod run;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tickwire_proto::{Outgoing, Time};
use tickwire_server::{Broadcast, Front, FrontInput, RoomOutput, SessionKey};
use tokio::sync::mpsc;

use crate::admission::Pass;
use crate::directory::DirectorySender;
use crate::link::{Link, WRITABLE, Writer, Wrote};
use crate::lobby::LobbySender;
use crate::metrics::{Metrics, ShardCounts};
use crate::rooms::Way;
use links::Links;
pub(crate) use run::{Setup, start};

/// What waits for a shard. Rooms keep what does not fit, and make nothing new for those who do not get it.
pub(crate) const SHARD_INBOX_MAX: usize = 65_536;
/// Writes in one go.
const AT_ONCE: usize = 256;
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
    /// A request for a polling link of this shard.
    Asked(Box<polls::Asked>),
    /// What a room says.
    Room { room: u32, output: RoomOutput },
    /// What the lobby says.
    Front(FrontInput),
    /// There is a room, and this is the way to it.
    RoomMade { room: u32, id: String, traffic: Way },
    /// A message for whoever is in the rooms with these ids.
    ToRooms {
        broadcast: Arc<Broadcast>,
        rooms: Arc<[String]>,
    },
    /// It is over.
    RoomGone { room: u32 },
    /// Everybody was told that it is over: end when the links have taken it, or a little later.
    Stop,
}

/// What a stopping shard waits for: each clone stands for something that has not ended.
#[derive(Clone, Default)]
pub(crate) struct Served(Rc<()>);

impl Served {
    fn weak(&self) -> std::rc::Weak<()> {
        Rc::downgrade(&self.0)
    }

    fn is_last(&self) -> bool {
        Rc::strong_count(&self.0) == 1
    }
}

/// All that lives on the thread. Borrowed for the time of one event, never across a wait.
pub(crate) struct Shard {
    index: usize,
    front: Front,
    links: Links,
    passes: HashMap<SessionKey, Pass, Hasher>,
    /// Links on their way to other shards: their tasks take them there.
    leaving: HashMap<SessionKey, resume::Leaving, Hasher>,
    /// The ways to all shards.
    others: Arc<[mpsc::Sender<ShardMessage>]>,
    rooms: HashMap<u32, Way, Hasher>,
    /// Their numbers, by their ids.
    ids: HashMap<String, u32>,
    calls: handlers::Calls,
    lobby: LobbySender,
    directory: DirectorySender,
    metrics: Arc<Metrics>,
    scratch: Box<[u8]>,
    /// Memory for what is written in one go.
    going: Vec<(SessionKey, Option<Outgoing>)>,
    /// The same, of one session.
    run: Vec<Outgoing>,
    writer: Writer,
    /// The longest frame that a client may send.
    message_max: usize,
    /// Connections whose tasks have not ended, those that linger after the goodbye too, and polling links.
    served: Served,
    polls: polls::Polls,
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

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
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
                front: Front::new(setup.front, Arc::clone(&setup.namespaces)),
                links: Links::default(),
                passes: HashMap::default(),
                leaving: HashMap::default(),
                others: Arc::clone(&setup.others),
                rooms: HashMap::default(),
                ids: HashMap::new(),
                calls: handlers::Calls::new(setup.tasks.clone(), setup.broadcaster.clone()),
                lobby: setup.lobby.clone(),
                directory: setup.directory.clone(),
                metrics: Arc::clone(&setup.metrics),
                scratch: vec![0; READ].into_boxed_slice(),
                going: Vec::with_capacity(AT_ONCE),
                run: Vec::new(),
                writer: Writer::default(),
                message_max: setup.front.session.frame_max(),
                served: Served::default(),
                polls: polls::Polls::default(),
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
            if !self.write_some(now) {
                return;
            }
        }
    }

    /// Fetches first, writes then: each in a row, so that the code and data of one step stay near. False: nothing waited.
    fn write_some(&mut self, now: Time) -> bool {
        let mut going = std::mem::take(&mut self.going);
        let links = &self.links;
        let is_clear = |key| links.get(key).is_some_and(Link::is_clear);
        let is_near = |key| links.get(key).is_some_and(Link::is_near);
        let any = self
            .front
            .fetch(now, WRITABLE, AT_ONCE, (is_clear, is_near), |key, out| {
                going.push((key, out));
            });
        let mut rest = &mut going[..];
        while let Some(key) = rest.first().map(|(key, _)| *key) {
            let others = rest.iter().position(|(other, _)| *other != key);
            let (run, after) = rest.split_at_mut(others.unwrap_or(rest.len()));
            rest = after;
            let more = run
                .last()
                .is_some_and(|(_, last)| last.as_ref().is_none_or(|last| last.more));
            let Some(link) = self.links.get_mut(key) else {
                self.flush_poll(now, key);
                continue;
            };
            let run = run.iter_mut().filter_map(|(_, outgoing)| outgoing.take());
            match self.writer.write(link, run) {
                Wrote::All if more => self.flush(now, key),
                Wrote::All => {}
                wrote => self.after_write(now, key, wrote),
            }
        }
        self.writer.count(&self.metrics.shards[self.index]);
        going.clear();
        self.going = going;
        any
    }

    /// Writes what the front has for a link, until there is no more or the socket takes no more.
    fn flush(&mut self, now: Time, key: SessionKey) {
        let Some(link) = self.links.get_mut(key) else {
            return self.flush_poll(now, key);
        };
        let mut wrote = link.write_on();
        let mut run = std::mem::take(&mut self.run);
        let mut more = link.closing.is_none();
        while wrote == Wrote::All && more {
            more = self
                .front
                .fetch_of(now, WRITABLE, key, |outgoing| run.push(outgoing));
            wrote = self.writer.write(link, run.drain(..));
        }
        self.run = run;
        self.after_write(now, key, wrote);
    }

    /// The front hears how much waits; a link that broke is lost.
    fn after_write(&mut self, now: Time, key: SessionKey, wrote: Wrote) {
        if wrote == Wrote::Gone {
            self.lost(now, key);
        } else if let Some(unwritten) = self.links.get_mut(key).and_then(Link::unwritten) {
            self.front.unwritten(now, key, unwritten);
        }
    }

    /// The link is gone, from the other side or by a breach.
    fn lost(&mut self, now: Time, key: SessionKey) {
        self.forget(key);
        self.front.link_lost(now, key);
    }
}
