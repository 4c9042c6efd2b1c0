//! The control thread: it accepts connections and hands them to the shards in turn, serves the operators' address, and runs the lobby and the directory.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use crate::admission::Door;
use crate::directory::{DirectoryReceiver, DirectoryTask};
use crate::error::StartError;
use crate::http::{self, Site};
use crate::lobby::{LobbyReceiver, LobbyTask};
use crate::shard::ShardMessage;
use crate::stream::Stream;

/// Connections that the system keeps for us.
const BACKLOG: i32 = 1024;
/// After an error that is ours (no descriptors, no memory): so long nothing is accepted.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections to the operators' address at once.
const ADMIN_MAX: usize = 64;

/// Listens; the address has its port, where any free one was asked for.
pub(crate) fn listen(
    address: SocketAddr,
) -> Result<(std::net::TcpListener, SocketAddr), StartError> {
    let bound = || -> io::Result<_> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM.nonblocking(),
            Some(Protocol::TCP),
        )?;
        // A server that restarts gets its port back from connections that are still closing.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = std::net::TcpListener::from(socket);
        let local = listener.local_addr()?;
        Ok((listener, local))
    };
    bound().map_err(|error| StartError::listening(address, error))
}

/// What the control thread has to do.
pub(crate) struct Control {
    pub(crate) listener: std::net::TcpListener,
    pub(crate) admin: Option<std::net::TcpListener>,
    pub(crate) door: Arc<Door>,
    pub(crate) site: Arc<Site>,
    pub(crate) shards: Arc<[mpsc::Sender<ShardMessage>]>,
    pub(crate) lobby: LobbyTask,
    pub(crate) lobby_inbox: LobbyReceiver,
    pub(crate) directory: DirectoryTask,
    pub(crate) directory_inbox: DirectoryReceiver,
    /// Nothing is accepted any more.
    pub(crate) closed: oneshot::Receiver<()>,
    /// The lobby and the directory end, too.
    pub(crate) ended: oneshot::Receiver<()>,
}

/// Starts the thread; it ends when both signals were given (or dropped).
pub(crate) fn start(control: Control) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new()
        .name("tickwire-control".to_owned())
        .spawn(move || {
            LocalSet::new().block_on(&runtime, async move {
                if let Err(error) = run(control).await {
                    tracing::error!(%error, "the listener failed");
                }
            });
        })
}

async fn run(control: Control) -> io::Result<()> {
    let Control {
        listener,
        admin,
        door,
        site,
        shards,
        lobby,
        lobby_inbox,
        directory,
        directory_inbox,
        closed,
        ended,
    } = control;
    let lobby = tokio::task::spawn_local(lobby.run(lobby_inbox));
    let (stop, stopped) = oneshot::channel();
    let directory = tokio::task::spawn_local(directory.run(directory_inbox, stopped));
    let players = accept(
        TcpListener::from_std(listener)?,
        to_shards(door, Arc::clone(&site), shards),
    );
    let players = tokio::task::spawn_local(players);
    let admin = admin.map(TcpListener::from_std).transpose()?.map(|admin| {
        let site = Arc::clone(&site);
        tokio::task::spawn_local(accept(admin, to_operators(site)))
    });
    let watched = Arc::clone(&site);
    let certificates = tokio::task::spawn_local(async move {
        if let Some(tls) = &watched.tls {
            tls.watch().await;
        }
    });
    let _ = closed.await;
    certificates.abort();
    players.abort();
    let _ = ended.await;
    lobby.abort();
    drop(stop);
    let _ = directory.await;
    if let Some(admin) = admin {
        admin.abort();
    }
    Ok(())
}

/// Accepts until it is aborted. What fails of one connection is that connection's end; what fails of ours makes a pause.
async fn accept(listener: TcpListener, mut give: impl AsyncFnMut(TcpStream, SocketAddr)) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => give(stream, peer).await,
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted: a pause");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

fn to_shards(
    door: Arc<Door>,
    site: Arc<Site>,
    shards: Arc<[mpsc::Sender<ShardMessage>]>,
) -> impl AsyncFnMut(TcpStream, SocketAddr) {
    let mut turn = 0;
    async move |stream: TcpStream, peer: SocketAddr| {
        let pass = match door.enter(peer.ip()) {
            Ok(pass) => pass,
            Err(turned) => {
                site.metrics.connections_refused.one();
                tracing::debug!(%peer, ?turned, "connection refused");
                return;
            }
        };
        let Ok(stream) = stream.into_std() else {
            return;
        };
        turn = (turn + 1) % shards.len();
        let _ = shards[turn]
            .send(ShardMessage::Accepted { stream, peer, pass })
            .await;
    }
}

fn to_operators(site: Arc<Site>) -> impl AsyncFnMut(TcpStream, SocketAddr) {
    let places = Arc::new(tokio::sync::Semaphore::new(ADMIN_MAX));
    async move |stream: TcpStream, peer: SocketAddr| {
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            return;
        };
        let site = Arc::clone(&site);
        tokio::task::spawn_local(async move {
            http::serve(Stream::Plain(stream), peer, 0, site, None).await;
            drop(place);
        });
    }
}

/// Ends when the process is asked to: Ctrl-C, or SIGTERM.
pub(crate) fn asked_to_end() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    #[cfg(unix)]
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    })
}
