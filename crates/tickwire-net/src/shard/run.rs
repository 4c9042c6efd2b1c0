//! The thread of a shard: its runtime, its inbox, its beat.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tickwire_proto::Time;
use tickwire_server::{Audience, Broadcast, FrontConfig, FrontInput, Namespaces};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio::time::MissedTickBehavior;

use super::gather;
use super::polls::Way;
use super::{Shard, ShardMessage, connection};
use crate::admission::{Door, Pass};
use crate::broadcast::Broadcaster;
use crate::clock;
use crate::directory::DirectorySender;
use crate::http::{self, Site, Ways};
use crate::lobby::LobbySender;
use crate::metrics::Metrics;
use crate::stream::Stream;

/// How exact the timers of sessions are: heartbeats and deadlines of seconds.
const BEAT: Duration = Duration::from_millis(50);
/// Beats between two looks at what is rarely due.
const BEATS_PER_REPORT: u32 = 5;
/// Messages handled before connections get their turn.
const MESSAGES_AT_ONCE: usize = 256;

/// What a shard begins with.
pub(crate) struct Setup {
    pub(crate) index: usize,
    pub(crate) front: FrontConfig,
    /// The ways to all shards.
    pub(crate) others: Arc<[mpsc::Sender<ShardMessage>]>,
    pub(crate) lobby: LobbySender,
    pub(crate) directory: DirectorySender,
    pub(crate) namespaces: Arc<Namespaces>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) site: Arc<Site>,
    pub(crate) door: Arc<Door>,
    pub(crate) goodbye: Duration,
    /// Where handlers run.
    pub(crate) tasks: Handle,
    pub(crate) broadcaster: Broadcaster,
}

/// Starts the thread. It ends after [`ShardMessage::Stop`].
pub(crate) fn start(
    setup: Setup,
    inbox: mpsc::Receiver<ShardMessage>,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(gather::pause)
        .build()?;
    thread::Builder::new()
        .name(format!("tickwire-io-{}", setup.index))
        .spawn(move || {
            LocalSet::new().block_on(&runtime, run(setup, inbox));
        })
}

async fn run(setup: Setup, mut inbox: mpsc::Receiver<ShardMessage>) {
    let shard = Shard::new(&setup);
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut deadline = None;
    loop {
        tokio::select! {
            message = inbox.recv() => {
                let Some(message) = message else { return };
                let mut next = Some(message);
                let mut handled = 0;
                while let Some(message) = next.take() {
                    if matches!(message, ShardMessage::Stop) {
                        deadline = Some(clock::now().plus(setup.goodbye));
                    }
                    handle(&shard, &setup, message);
                    handled += 1;
                    next = if handled < MESSAGES_AT_ONCE { inbox.try_recv().ok() } else { None };
                }
                shard.borrow_mut().settle(clock::now());
            }
            _ = beat.tick() => shard.borrow_mut().beat(),
        }
        if let Some(deadline) = deadline {
            let done = shard.borrow().served.is_last();
            if done || clock::now() >= deadline {
                shard.borrow().report();
                return;
            }
        }
        tokio::task::yield_now().await;
    }
}

fn handle(shard: &Rc<RefCell<Shard>>, setup: &Setup, message: ShardMessage) {
    let now = clock::now();
    match message {
        ShardMessage::Accepted { stream, peer, pass } => {
            if let Ok(stream) = TcpStream::from_std(stream) {
                let ways = ways(shard, setup, peer, pass);
                let (index, site) = (setup.index, Arc::clone(&setup.site));
                tokio::task::spawn_local(async move {
                    let stream = match &site.tls {
                        Some(tls) => tls.accept(stream).await,
                        None => Some(Stream::Plain(stream)),
                    };
                    if let Some(stream) = stream {
                        http::serve(stream, peer, index, site, Some(ways)).await;
                    }
                });
            }
        }
        ShardMessage::Moved(moved) => {
            tokio::task::spawn_local(connection::adopt(Rc::clone(shard), *moved));
        }
        ShardMessage::Asked(asked) => shard.borrow_mut().asked(now, *asked),
        ShardMessage::Room { room, output } => {
            let mut shard = shard.borrow_mut();
            if shard.front.waits_for(room) {
                shard.offer(); // it has just looked into its inbox
            }
            shard.front.handle(now, FrontInput::Room { room, output });
        }
        ShardMessage::Front(input) => shard.borrow_mut().front.handle(now, input),
        ShardMessage::RoomMade { room, id, traffic } => {
            let mut shard = shard.borrow_mut();
            shard.rooms.insert(room, traffic);
            shard.ids.insert(id, room);
        }
        ShardMessage::ToRooms { broadcast, rooms } => {
            shard.borrow_mut().broadcast_to(now, &broadcast, &rooms);
        }
        ShardMessage::RoomGone { room } => {
            let mut shard = shard.borrow_mut();
            shard.rooms.remove(&room);
            shard.ids.retain(|_, other| *other != room);
        }
        ShardMessage::Stop => {}
    }
}

/// The pass goes with the connection: to the session, if it becomes one.
fn ways(shard: &Rc<RefCell<Shard>>, setup: &Setup, peer: SocketAddr, pass: Pass) -> Ways {
    let pass = Rc::new(RefCell::new(Some(pass)));
    let way = Way {
        shard: setup.index,
        shards: Arc::clone(&setup.others),
        door: Arc::clone(&setup.door),
        peer,
        pass: Rc::clone(&pass),
        served: shard.borrow().served.weak(),
        asks: Rc::default(),
    };
    let (shard, door) = (Rc::downgrade(shard), Arc::clone(&setup.door));
    Ways {
        upgrade: Rc::new(move |upgraded| {
            // A proxy may send it over a connection that has carried polls, and has given its pass back; and it stands for somebody else.
            let address = upgraded.remote.address().unwrap_or(peer.ip());
            let own = pass.take().filter(|pass| pass.is_of(address));
            let pass = own.or_else(|| door.enter(address).ok());
            if let (Some(shard), Some(pass)) = (shard.upgrade(), pass) {
                tokio::task::spawn_local(connection::serve(shard, upgraded, pass));
            }
        }),
        poll: way.on_poll(),
    }
}

impl Shard {
    /// The ids are the world's, the numbers this server's.
    fn broadcast_to(&mut self, now: Time, broadcast: &Broadcast, rooms: &[String]) {
        let numbers = rooms.iter().filter_map(|id| self.ids.get(id).copied());
        let broadcast = Broadcast {
            to: Audience::Rooms(numbers.collect()),
            ..broadcast.clone()
        };
        self.front
            .handle(now, FrontInput::Broadcast(Arc::new(broadcast)));
    }

    fn beat(&mut self) {
        let now = clock::now();
        if self.front.rooms_are_full() {
            self.offer();
            self.settle(now);
        }
        if self.front.next_timeout().is_some_and(|due| due <= now) {
            self.front.handle_timeout(now);
            self.settle(now);
        }
        self.beats = self.beats.wrapping_add(1);
        if self.beats.is_multiple_of(BEATS_PER_REPORT) {
            self.sweep(now);
            self.report();
        }
    }

    fn report(&self) {
        self.metrics.front(self.index, self.front.stats());
    }
}
