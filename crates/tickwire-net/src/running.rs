//! A server that runs: its threads, from the first to the last.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Map, Value};
use tickwire_proto::{Reason, SessionConfig, poll};
use tickwire_server::{
    FrontConfig, FrontInput, HOME, Lobby, LobbyConfig, MemoryStore, NamespaceSpec, Namespaces,
    Store,
};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::accept::{self, Control, listen};
use crate::admission::Door;
use crate::books::Books;
use crate::broadcast::Broadcaster;
use crate::config::Config;
use crate::desk::{RoomsDesk, Tickets};
use crate::directory::{self, DirectorySender, DirectoryTask};
use crate::error::StartError;
use crate::http::{Exposed, Files, Origins, Proxies, Site};
use crate::lobby::{self, LobbyTask};
use crate::metrics::Metrics;
use crate::people::People;
use crate::rooms::{Crew, Exits, Rooms, TaskThread};
use crate::server::Plan;
use crate::shard::{self, SHARD_INBOX_MAX, Setup, ShardMessage};
use crate::store::{self, DiskStore};
use crate::tls::Tls;

/// What players are told when the server stops.
const RESTARTING: &str = "the server is restarting: your client comes back by itself";

/// A server that runs, until it is [stopped](Self::stop) or dropped.
pub struct Running {
    local: SocketAddr,
    admin: Option<SocketAddr>,
    site: Arc<Site>,
    shards: Arc<[mpsc::Sender<ShardMessage>]>,
    desk: RoomsDesk,
    broadcaster: Broadcaster,
    closed: Option<oneshot::Sender<()>>,
    ended: Option<oneshot::Sender<()>>,
    shard_threads: Vec<JoinHandle<()>>,
    control: Option<JoinHandle<()>>,
    crew: Option<Crew>,
    directory: DirectorySender,
    store: Option<JoinHandle<()>>,
    tasks: Option<TaskThread>,
    books: Option<Books>,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("local", &self.local)
            .field("admin", &self.admin)
            .finish_non_exhaustive()
    }
}

impl Running {
    /// The address it listens on, with its port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The operators' address, where there is one.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// For clients on this machine: `ws://ADDRESS`, or `wss://ADDRESS`.
    #[must_use]
    pub fn url(&self) -> String {
        let ip = match self.local.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let scheme = if self.site.tls.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}", SocketAddr::new(ip, self.local.port()))
    }

    /// What the first line on stdout says.
    pub(crate) fn page_url(&self) -> String {
        let scheme = if self.site.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.local)
    }

    /// Its rooms, for a matchmaker or an operator.
    #[must_use]
    pub fn rooms(&self) -> RoomsDesk {
        self.desk.clone()
    }

    /// The way to all its sessions, from outside of its rooms.
    #[must_use]
    pub fn broadcaster(&self) -> Broadcaster {
        self.broadcaster.clone()
    }

    /// What `/metrics` says.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.site.metrics.text()
    }

    /// Its people, of the namespace `/`: who is here, notices to an identity.
    #[must_use]
    pub fn people(&self) -> People {
        People::new("/", self.directory.clone())
    }

    /// Stops it: nobody is let in any more, players are told `Restarting`, links get some time to take it, rooms end, threads end.
    pub fn stop(mut self) {
        self.shut_down();
    }

    fn shut_down(&mut self) {
        self.site.stopping.store(true, Ordering::Relaxed);
        drop(self.closed.take());
        for shard in self.shards.iter() {
            let retry = Reason::Restarting.retry();
            let end = FrontInput::EndAll {
                reason: Reason::Restarting,
                retry,
                message: RESTARTING.to_owned(),
            };
            tell(shard, ShardMessage::Front(end));
            tell(shard, ShardMessage::Stop);
        }
        for thread in self.shard_threads.drain(..) {
            let _ = thread.join();
        }
        drop(self.ended.take());
        if let Some(crew) = self.crew.take() {
            crew.stop();
        }
        if let Some(tasks) = self.tasks.take() {
            tasks.stop();
        }
        if let Some(control) = self.control.take() {
            let _ = control.join();
        }
        // Last: what was acknowledged until now is forgotten on disk, too.
        if let Some(store) = self.store.take() {
            let _ = store.join();
        }
        if let Some(books) = self.books.take() {
            books.write();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.control.is_some() {
            self.shut_down();
        }
    }
}

/// Waits until a shard has a place for it. Not by tokio: who stops a server may stand in a runtime of its own. A shard that is gone
/// needs no telling.
fn tell(shard: &mpsc::Sender<ShardMessage>, message: ShardMessage) {
    let mut message = Some(message);
    while let Some(Err(TrySendError::Full(back))) =
        message.take().map(|message| shard.try_send(message))
    {
        std::thread::sleep(Duration::from_millis(1));
        message = Some(back);
    }
}

/// The certificate, where the configuration names one.
fn tls(config: &Config) -> Result<Option<Tls>, StartError> {
    match (&config.tls_cert, &config.tls_key) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => Tls::load(cert, key).map(Some).map_err(StartError::Tls),
        _ => Err(StartError::Tls(
            "one of the two files is not named".to_owned(),
        )),
    }
}

/// Starts all threads.
pub(crate) fn start(plan: Plan) -> Result<Running, StartError> {
    let config = &plan.config;
    let books = Books::new(config, &plan.namespaces)?;
    let metrics = Arc::new(Metrics::new(config.shards));
    let (listener, local) = listen(config.listen)?;
    let (admin, admin_addr) = config.admin.map(listen).transpose()?.unzip();
    let mut site = site(&plan, local, Arc::clone(&metrics))?;
    site.tls = tls(config)?;
    let site = Arc::new(site);
    let threads = |what| move |source: io::Error| StartError::Resources { what, source };

    let proxies = Proxies(config.trusted_proxies.clone());
    let door = Door::new(config.limits.sessions, config.limits.per_address, proxies);
    let (lobby_sender, lobby_inbox) = lobby::channel();
    let (directory_sender, directory_inbox) = directory::channel();
    let (store_sender, store) = store::start(make_store(config)?, directory_sender.clone())
        .map_err(threads("no thread for the store"))?;
    let (shards, inboxes): (Vec<_>, Vec<_>) = (0..config.shards)
        .map(|_| mpsc::channel(SHARD_INBOX_MAX))
        .unzip();
    let shards: Arc<[mpsc::Sender<ShardMessage>]> = shards.into();
    let connected = plan.broadcaster.connect(
        Arc::clone(&shards),
        &plan.namespaces,
        directory_sender.clone(),
    );
    if !connected {
        return Err(StartError::BroadcasterTaken);
    }
    let tasks = TaskThread::start().map_err(threads("no thread for the work of rooms"))?;
    let mut shard_threads = Vec::new();
    for (index, inbox) in inboxes.into_iter().enumerate() {
        let setup = Setup {
            index,
            front: front(index, config),
            others: Arc::clone(&shards),
            lobby: lobby_sender.clone(),
            directory: directory_sender.clone(),
            namespaces: Arc::clone(&plan.namespaces),
            metrics: Arc::clone(&metrics),
            site: Arc::clone(&site),
            door: Arc::clone(&door),
            goodbye: config.goodbye,
            tasks: tasks.handle(),
            broadcaster: plan.broadcaster.clone(),
        };
        shard_threads
            .push(shard::start(setup, inbox).map_err(threads("no thread for connections"))?);
    }
    let tickets = Arc::new(Tickets::default());
    let desk = RoomsDesk::new(
        lobby_sender.clone(),
        Arc::clone(&shards),
        Arc::clone(&tickets),
        Arc::clone(&plan.namespaces),
    );
    let exits = Exits {
        directory: directory_sender.clone(),
        tasks: tasks.handle(),
        shards: Arc::clone(&shards),
        lobby: lobby_sender,
    };
    let rooms = Rooms::new(exits, Arc::clone(&metrics), config.stamps, config.watchdog);
    let crew =
        Crew::start(Arc::clone(&rooms), config.workers).map_err(threads("no thread for rooms"))?;
    let (closed, on_close) = oneshot::channel();
    let (ended, on_end) = oneshot::channel();
    let control = Control {
        listener,
        admin,
        door,
        site: Arc::clone(&site),
        shards: Arc::clone(&shards),
        lobby: LobbyTask::new(make_lobby(&plan)?, rooms, Arc::clone(&shards), tickets),
        lobby_inbox,
        directory: DirectoryTask::new(Arc::clone(&shards), store_sender, metrics),
        directory_inbox,
        closed: on_close,
        ended: on_end,
    };
    let control = accept::start(control).map_err(threads("no thread for the listener"))?;
    tracing::info!(address = %local, shards = config.shards, workers = config.workers, "running");
    Ok(Running {
        local,
        admin: admin_addr,
        site,
        shards,
        desk,
        broadcaster: plan.broadcaster.clone(),
        closed: Some(closed),
        ended: Some(ended),
        shard_threads,
        control: Some(control),
        crew: Some(crew),
        directory: directory_sender,
        store: Some(store),
        tasks: Some(tasks),
        books,
    })
}

/// What outlives the server.
fn make_store(config: &Config) -> Result<Box<dyn Store>, StartError> {
    Ok(match &config.state {
        Some(folder) => Box::new(DiskStore::open(folder).map_err(StartError::State)?),
        None => Box::new(MemoryStore::default()),
    })
}

fn front(index: usize, config: &Config) -> FrontConfig {
    let mut session = SessionConfig::default();
    session.limits.resume_window_ms = config.resume.as_millis() as u32;
    session.limits.messages_per_s = config.limits.messages_per_s;
    session.limits.bytes_per_s = config.limits.bytes_per_s;
    FrontConfig {
        shard: index as u16,
        shards: config.shards as u16,
        session,
    }
}

fn make_lobby(plan: &Plan) -> Result<Lobby, StartError> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(|error| StartError::Resources {
        what: "no chance",
        source: error.into(),
    })?;
    let rooms_max = plan.config.limits.rooms;
    let config = LobbyConfig {
        rooms_max,
        seed: u64::from_le_bytes(seed),
        ..LobbyConfig::default()
    };
    Ok(Lobby::new(config))
}

fn site(plan: &Plan, local: SocketAddr, metrics: Arc<Metrics>) -> Result<Site, StartError> {
    let mut files = Files::default();
    if let Some(page) = plan.page {
        files.page(page);
    }
    files.embed(&plan.files);
    files.client(&plan.folders, tickwire_web::FILES);
    for folder in &plan.folders {
        files.folder(folder)?;
    }
    let config = &plan.config;
    let origins = Origins {
        listed: config.origins.clone(),
        loopback: local.ip().to_canonical().is_loopback(),
    };
    let exposed = Exposed {
        metrics: config.metrics,
        schema: config.schema,
        elsewhere: config.admin.is_some(),
        schema_json: schemas(&plan.namespaces).to_string().into(),
    };
    Ok(Site::new(
        files,
        (origins, Proxies(config.trusted_proxies.clone())),
        exposed,
        metrics,
        config.limits.sessions,
        poll::body_max(front(0, config).session.frame_max()),
    ))
}

/// What `/tickwire/schema.json` says: the schema of each game by its name, and of those of other namespaces by theirs.
fn schemas(namespaces: &Namespaces) -> Value {
    let games = |namespace: &NamespaceSpec| -> Map<String, Value> {
        let kinds = namespace.kinds().iter();
        kinds
            .map(|kind| (kind.name().to_owned(), kind.game().schema().to_json()))
            .collect()
    };
    let outside = |namespace: &NamespaceSpec, told: &mut Map<String, Value>| {
        if let Some(schema) = namespace.messages() {
            told.insert("outside".to_owned(), schema.to_json());
        }
    };
    let (home, others): (Vec<_>, Vec<_>) = namespaces
        .fixed()
        .partition(|namespace| &**namespace.name() == HOME);
    let mut all = Map::new();
    let of_home = home.first().map(|home| games(home)).unwrap_or_default();
    all.insert("games".to_owned(), Value::Object(of_home));
    if let Some(home) = home.first() {
        outside(home, &mut all);
    }
    if !others.is_empty() {
        let named = |other: &Arc<NamespaceSpec>| {
            let mut told = Map::from_iter([("games".to_owned(), Value::Object(games(other)))]);
            outside(other, &mut told);
            (other.name().to_string(), Value::Object(told))
        };
        let others = others.into_iter().map(named).collect();
        all.insert("namespaces".to_owned(), Value::Object(others));
    }
    Value::Object(all)
}
