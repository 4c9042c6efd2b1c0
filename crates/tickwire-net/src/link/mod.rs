//! One WebSocket connection of the server: our own writes, as few as can be, and what the socket did not take. What is written is the front's matter.

mod backlog;
mod header;
mod writer;

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use socket2::SockRef;
use tickwire_proto::{Outgoing, Time};
use tickwire_server::SessionKey;
use tokio::net::TcpStream;

use crate::http::Place;
use crate::stream::WriteHalf;
use crate::websocket::WebSocket;
use backlog::Backlog;
use header::Header;
pub(crate) use writer::Writer;

/// Bytes that the system may hold unsent before it says that it is full: what lies there is old when it arrives.
const NOTSENT_LOWAT: u32 = 4096;
/// How long the system repeats what is not acknowledged.
const USER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(15);
/// How long a goodbye may wait for the socket.
pub(crate) const GOODBYE: std::time::Duration = std::time::Duration::from_secs(2);
/// Bytes asked of the front at once.
pub(crate) const WRITABLE: usize = 64 * 1024;

/// The writing side of a connection, and its protocol.
// In this order in memory: what each write touches lies together.
#[repr(C)]
pub(crate) struct Link {
    socket: WriteHalf,
    backlog: Backlog,
    /// The goodbye is said: nothing follows it, and it has until then to leave.
    pub(crate) closing: Option<Time>,
    /// What the front was told of it last.
    told: usize,
    /// Wakes the connection's task, so that it waits for the socket.
    pub(crate) waker: Option<Waker>,
    pub(crate) protocol: WebSocket,
    /// Held until it ends.
    place: Place,
    /// The session that it is of, for the connection's task: a client that comes back changes it.
    pub(crate) key: Rc<Cell<SessionKey>>,
    /// The code to close with, where the WebSocket itself was broken.
    pub(crate) code: Option<u16>,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// The socket took it all.
    All,
    /// Some waits for the socket.
    Some,
    /// The connection is gone.
    Gone,
}

/// What every game connection is set to.
pub(crate) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        socket.set_tcp_notsent_lowat(NOTSENT_LOWAT)?;
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    }
    socket.set_keepalive(true)
}

impl Link {
    pub(crate) fn new(
        key: SessionKey,
        socket: WriteHalf,
        protocol: WebSocket,
        place: Place,
    ) -> Link {
        Link {
            place,
            key: Rc::new(Cell::new(key)),
            socket,
            protocol,
            backlog: Backlog::default(),
            told: 0,
            waker: None,
            closing: None,
            code: None,
        }
    }

    /// Takes it apart, for another thread to go on with.
    pub(crate) fn into_parts(self) -> (WriteHalf, WebSocket, Place) {
        (self.socket, self.protocol, self.place)
    }

    /// Writes one outgoing piece at once, as far as the socket takes it: one call for a tick frame and its shared update.
    /// Only to be called while nothing is left over.
    fn write(&mut self, outgoing: Outgoing) -> Wrote {
        let parts = parts(&outgoing);
        let written = self
            .socket
            .try_write_vectored(&parts.each_ref().map(|part| IoSlice::new(part.as_ref())));
        let total = parts.iter().map(|part| part.as_ref().len()).sum();
        self.after(written, total, |taken, backlog| {
            backlog.push_rest(taken, parts.map(Part::into_bytes));
        })
    }

    /// A plain send of a copy: for short frames half a microsecond cheaper than a vector of pieces.
    fn write_copied(&mut self, bytes: &[u8]) -> Wrote {
        let written = self.socket.try_write(bytes);
        self.after(written, bytes.len(), |taken, backlog| {
            backlog.push(Bytes::copy_from_slice(&bytes[taken..]));
        })
    }

    /// Puts it behind what is left over.
    fn queue(&mut self, outgoing: &Outgoing) {
        let parts = parts(outgoing).map(Part::into_bytes);
        self.backlog.push_rest(0, parts);
    }

    /// Keeps what a write did not take.
    fn after(
        &mut self,
        written: io::Result<usize>,
        total: usize,
        keep: impl FnOnce(usize, &mut Backlog),
    ) -> Wrote {
        let taken = match written {
            Ok(taken) if taken == total && !self.socket.holds() => return Wrote::All,
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return Wrote::Gone,
        };
        keep(taken, &mut self.backlog);
        self.wait();
        Wrote::Some
    }

    /// Queues whole frames of the protocol itself (a pong, a close) behind what is left over. While the socket takes nothing they wait in
    /// the protocol, which keeps one pong: the newest, as RFC 6455 allows.
    pub(crate) fn queue_replies(&mut self) -> usize {
        if !self.backlog.is_empty() && self.closing.is_none() {
            return 0;
        }
        let Some(replies) = self.protocol.replies() else {
            return 0;
        };
        let len = replies.len();
        self.backlog.push(replies.into());
        len
    }

    /// Goes on with what is left over, without waiting.
    pub(crate) fn write_on(&mut self) -> Wrote {
        while !self.backlog.is_empty() || self.queue_replies() > 0 {
            match self
                .backlog
                .with_slices(|slices| self.socket.try_write_vectored(slices))
            {
                Ok(taken) => self.backlog.taken(taken),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait();
                    return Wrote::Some;
                }
                Err(_) => return Wrote::Gone,
            }
        }
        if self.socket.holds() {
            self.wait();
            return Wrote::Some;
        }
        Wrote::All
    }

    /// The same, and waits: the task of `context` is woken when the socket takes more.
    pub(crate) fn poll_write_on(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.backlog.is_empty() || self.queue_replies() > 0 {
            let socket = &mut self.socket;
            let taken = std::task::ready!(
                self.backlog
                    .with_slices(|slices| socket.poll_write_vectored(context, slices))
            )?;
            self.backlog.taken(taken);
        }
        self.socket.poll_flush(context)
    }

    /// Nothing waits for the socket, and more may be said.
    pub(crate) fn is_clear(&self) -> bool {
        self.backlog.is_empty() && self.closing.is_none() && !self.socket.holds()
    }

    /// True: the socket's number was loaded, which lies in memory of its own. Many are asked in a row before the first is written to, so that
    /// the loads wait together.
    #[inline]
    pub(crate) fn is_near(&self) -> bool {
        self.socket.is_near()
    }

    /// How much waits for the socket, where that is not what was said last.
    pub(crate) fn unwritten(&mut self) -> Option<usize> {
        // What TLS holds is a record at most: it says only that the socket is full.
        let len = self.backlog.len() + usize::from(self.socket.holds());
        (std::mem::replace(&mut self.told, len) != len).then_some(len)
    }

    /// The connection's task waits for the socket.
    fn wait(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// What is written, in its order: headers, and the frames behind them.
enum Part<'a> {
    Header(Header),
    Frame(&'a Bytes),
}

impl AsRef<[u8]> for Part<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Part::Header(header) => header.as_slice(),
            Part::Frame(frame) => frame,
        }
    }
}

impl Part<'_> {
    fn into_bytes(self) -> Bytes {
        match self {
            Part::Header(header) => Bytes::copy_from_slice(header.as_slice()),
            Part::Frame(frame) => frame.clone(),
        }
    }
}

fn parts(outgoing: &Outgoing) -> [Part<'_>; 4] {
    static NOTHING: Bytes = Bytes::new();
    let body = outgoing.body.as_ref();
    let second = body.map_or_else(Header::none, |body| Header::binary(body.len()));
    [
        Part::Header(Header::binary(outgoing.head.len())),
        Part::Frame(&outgoing.head),
        Part::Header(second),
        Part::Frame(body.unwrap_or(&NOTHING)),
    ]
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tickwire_proto::Time;

    use super::*;
    use crate::stream::Stream;

    /// A ping of a client, masked with zeros.
    fn ping(number: u8) -> Vec<u8> {
        vec![0x89, 0x81, 0, 0, 0, 0, number]
    }

    fn link(write: WriteHalf) -> Link {
        let place = std::sync::Arc::new(tokio::sync::Semaphore::new(1));
        let place = place.try_acquire_owned().unwrap();
        Link::new(SessionKey(1), write, WebSocket::server(4096), place)
    }

    /// Row 14: whoever pings and does not read makes nothing grow.
    #[tokio::test]
    async fn a_socket_that_takes_nothing_holds_one_pong_and_it_is_the_newest() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (client, server) = tokio::join!(
            TcpStream::connect(listener.local_addr().unwrap()),
            listener.accept()
        );
        let server = Stream::Plain(server.unwrap().0);
        let (client, (_read, write)) = (client.unwrap(), server.into_split());
        let mut link = link(write);
        while link.write(Outgoing::frame(vec![7; 64 * 1024].into())) == Wrote::All {}
        let held = link.backlog.len();
        for number in 0..100 {
            link.protocol.feed(Time(0), &ping(number));
            assert!(matches!(link.protocol.hear(), Ok(None)));
            assert_eq!(link.queue_replies(), 0);
        }
        assert_eq!(link.backlog.len(), held, "no pong behind what waits");
        let read = tokio::spawn(async move {
            let (mut all, mut scratch) = (Vec::new(), vec![0; 1 << 16]);
            while !all.ends_with(&[0x8a, 1, 99]) {
                client.readable().await.unwrap();
                if let Ok(bytes) = client.try_read(&mut scratch) {
                    assert!(bytes > 0, "the pong never came");
                    all.extend_from_slice(&scratch[..bytes]);
                }
            }
            all.windows(2).filter(|two| two == &[0x8a, 1]).count()
        });
        poll_fn(|context| link.poll_write_on(context))
            .await
            .unwrap();
        let pongs = tokio::time::timeout(std::time::Duration::from_secs(20), read);
        assert_eq!(pongs.await.unwrap().unwrap(), 1);
    }

    /// TLS takes a whole record where its socket takes a part: that link is as full as one with a backlog, or nobody would see to the rest.
    #[cfg(feature = "tls")]
    #[tokio::test]
    async fn a_link_by_tls_is_not_clear_before_its_socket_has_taken_all() {
        let (mut client, server) = crate::tls::pair().await;
        let (_read, write) = server.into_split();
        let (mut link, mut written) = (link(write), 0);
        let short = [7; 1024];
        while link.write_copied(&short) == Wrote::All {
            written += short.len();
            assert!(link.is_clear() && link.unwritten().is_none());
        }
        written += short.len();
        assert!(link.backlog.is_empty(), "TLS has taken it");
        assert!(!link.is_clear() && link.write_on() == Wrote::Some);
        assert_eq!(link.unwritten(), Some(1), "the front hears that it is full");
        let read = tokio::spawn(async move {
            let mut all = vec![0; written];
            tokio::io::AsyncReadExt::read_exact(&mut client, &mut all).await
        });
        poll_fn(|context| link.poll_write_on(context))
            .await
            .unwrap();
        assert!(link.is_clear());
        assert_eq!(link.unwritten(), Some(0));
        assert_eq!(read.await.unwrap().unwrap(), written);
    }

    #[tokio::test]
    async fn an_accepted_socket_sends_at_once_and_keeps_little() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (_client, (stream, _)) = (client.unwrap(), accepted.unwrap());
        assert!(!stream.nodelay().unwrap(), "it is nobody else's default");
        tune(&stream).unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            assert_eq!(socket.tcp_notsent_lowat().unwrap(), NOTSENT_LOWAT);
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
        }
    }
}
