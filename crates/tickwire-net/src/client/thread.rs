//! A connection on a thread of its own, for programs with a loop of their own that never wait: games. What they do with it is theirs.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;

use tickwire_client::ClientEvent;

use super::connection::Connection;

/// Events that wait to be taken at most; then the thread reads nothing more until they are, so that nothing is lost and the server notices. Of
/// updates that came in only the newest of a room waits.
pub const EVENTS_MAX: usize = 4_096;

/// A [`Connection`] that a thread of its own drives: it reads when something comes, writes, keeps the time and reconnects, while the program's loop
/// looks in whenever it likes. Dropped, it tells the server goodbye.
///
/// ```no_run
/// use tickwire_client::ClientConfig;
/// use tickwire_net::client::{Connection, ConnectionThread};
///
/// let mut connection = Connection::open("ws://127.0.0.1:7777", ClientConfig::default())?;
/// let room = connection.client_mut().quick("hello", &[]);
/// let net = ConnectionThread::spawn(connection)?;
/// loop {
///     for event in net.take_events() {
///         println!("{event:?}");
///     }
///     let mut connection = net.lock(); // not for long: the thread waits
///     let now = connection.now();
///     if let Some(picture) = connection.client_mut().draw(room, now) {
///         println!("{} entities at tick {:.1}", picture.len(), picture.tick());
///     }
/// #   break;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ConnectionThread {
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    /// `None`: it is over.
    connection: Option<Connection>,
    events: VecDeque<ClientEvent>,
    /// Of the thread that waits.
    waker: Option<Waker>,
    stopping: bool,
}

impl ConnectionThread {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system has no thread or no event queue for it.
    pub fn spawn(connection: Connection) -> io::Result<ConnectionThread> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let shared = Arc::new(Mutex::new(Shared {
            connection: Some(connection),
            events: VecDeque::new(),
            waker: None,
            stopping: false,
        }));
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("tickwire-client".to_owned())
            .spawn(move || {
                runtime.block_on(poll_fn(|context| lock(&theirs).drive(context)));
            })?;
        Ok(ConnectionThread {
            shared,
            thread: Some(thread),
        })
    }

    /// The connection, to look at and to ask for something, which goes out when the guard is dropped. The thread waits meanwhile.
    ///
    /// # Panics
    /// Where the thread has panicked: in a system of the game that is predicted, or in the function that gives credentials.
    pub fn lock(&self) -> ConnectionGuard<'_> {
        ConnectionGuard {
            shared: lock(&self.shared),
        }
    }

    /// What happened since the last call, in order.
    ///
    /// # Panics
    /// As [`lock`](Self::lock).
    #[must_use]
    pub fn take_events(&self) -> Vec<ClientEvent> {
        let mut shared = lock(&self.shared);
        let was_full = shared.events.len() >= EVENTS_MAX;
        let events = shared.events.drain(..).collect();
        if was_full {
            shared.wake();
        }
        events
    }
}

impl Drop for ConnectionThread {
    fn drop(&mut self) {
        if let Ok(mut shared) = self.shared.lock() {
            shared.stopping = true;
            shared.wake();
        }
        if let Some(thread) = self.thread.take() {
            drop(thread.join()); // a panic of it has been told
        }
    }
}

impl fmt::Debug for ConnectionThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionThread").finish_non_exhaustive()
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    let locked = shared.lock();
    locked.expect("the client's thread has panicked: its own message says why")
}

impl Shared {
    /// Goes on with the connection until nothing is left to do at once.
    fn drive(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while let Some(connection) = &mut self.connection {
            if self.stopping {
                self.connection.take().map(Connection::close);
                break;
            }
            if self.events.len() >= EVENTS_MAX {
                break;
            }
            match connection.poll_next(context) {
                Poll::Ready(event) => self.keep(event),
                Poll::Pending => break,
            }
        }
        self.waker = Some(context.waker().clone());
        match self.connection {
            Some(_) => Poll::Pending,
            None => Poll::Ready(()),
        }
    }

    fn keep(&mut self, event: ClientEvent) {
        if let ClientEvent::Updated { room, .. } = &event {
            let of_it = |kept: &ClientEvent| matches!(kept, ClientEvent::Updated { room: of, .. } if of == room);
            if let Some(older) = self.events.iter().rposition(of_it) {
                self.events.remove(older);
            }
        }
        self.events.push_back(event);
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The connection of a [`ConnectionThread`], for as long as this lives.
pub struct ConnectionGuard<'a> {
    shared: MutexGuard<'a, Shared>,
}

/// It is taken out only while the thread's owner is dropped, who then has no guard.
const THERE: &str = "the connection is there for as long as its owner";

impl Deref for ConnectionGuard<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.shared.connection.as_ref().expect(THERE)
    }
}

impl DerefMut for ConnectionGuard<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.shared.connection.as_mut().expect(THERE)
    }
}

impl Drop for ConnectionGuard<'_> {
    fn drop(&mut self) {
        self.shared.wake();
    }
}

impl fmt::Debug for ConnectionGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tickwire_client::{ClientConfig, RoomKey, State};
    use tickwire_sim::prelude::*;

    use super::*;
    use crate::clock;
    use crate::{Running, Server};

    fn game(game: &mut Game) {
        game.rate(60).seats(4);
    }

    fn server() -> Running {
        let server = Server::new("game", game).listen("127.0.0.1:0");
        server.start().expect("a free port")
    }

    fn join(server: &Running) -> (ConnectionThread, RoomKey) {
        let config = ClientConfig::default();
        let mut connection = Connection::open(&server.url(), config).unwrap();
        let room = connection.client_mut().quick("game", &[]);
        (ConnectionThread::spawn(connection).unwrap(), room)
    }

    /// Looks on until it is so; four times as long as a slow machine needs.
    fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
        let end = clock::now().plus(Duration::from_secs(20));
        while !is() {
            assert!(clock::now() < end, "not in time: {what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn it_plays_while_its_owner_does_something_else_and_says_goodbye() {
        let server = server();
        let (one, room) = join(&server);
        let (other, others_room) = join(&server);
        let members = |net: &ConnectionThread, room| {
            let connection = net.lock();
            let view = connection.client().view(room);
            view.map_or(0, |view| view.members().len())
        };
        wait_until("both are in the room", || members(&one, room) == 2);
        wait_until("both know it", || members(&other, others_room) == 2);
        drop(other);
        wait_until("the goodbye is heard", || members(&one, room) == 1);
        let events = one.take_events();
        let joined = ClientEvent::Joined { room, again: false };
        assert!(events.contains(&ClientEvent::State(State::Online)));
        assert!(events.contains(&joined), "{events:?}");
    }

    /// Of 10,000 updates the newest waits; of what must not be lost 4,096, and the rest stays with the server.
    #[test]
    fn what_waits_is_bounded() {
        let server = server();
        let (net, room) = join(&server);
        let mut shared = lock(&net.shared);
        shared.events.clear(); // of the join, as far as it has come
        for tick in 0..10_000 {
            shared.keep(ClientEvent::Updated {
                room,
                tick: tickwire_proto::Tick(tick),
                applied: None,
                stamp: None,
            });
        }
        assert_eq!(shared.events.len(), 1);
        while shared.events.len() < EVENTS_MAX {
            shared.keep(ClientEvent::Resumed);
        }
        drop(shared);
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(lock(&net.shared).events.len(), EVENTS_MAX, "it reads on");
        assert_eq!(net.take_events().len(), EVENTS_MAX);
        net.lock().client_mut().quick("game", &[]);
        wait_until("it goes on once they are taken", || {
            !net.take_events().is_empty()
        });
    }
}
