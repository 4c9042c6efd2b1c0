//! A connection as bytes, plain or by TLS, and its two halves. What is said on it is not here, nor how TLS begins.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

#[cfg(feature = "tls")]
use crate::tls::{Shared, TlsStream};

/// A connection.
pub(crate) enum Stream {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream>),
}

/// What is read of it.
pub(crate) enum ReadHalf {
    Plain(OwnedReadHalf),
    #[cfg(feature = "tls")]
    Tls(Shared),
}

/// What is written on it.
pub(crate) enum WriteHalf {
    Plain(OwnedWriteHalf),
    #[cfg(feature = "tls")]
    Tls(Shared),
}

/// One on its way to another thread.
pub(crate) enum Parked {
    Plain(std::net::TcpStream),
    /// Its socket is driven by the thread that accepted it, which lives as long as the others.
    #[cfg(feature = "tls")]
    Tls(Shared),
}

impl Stream {
    /// The socket below.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Plain(stream) => stream,
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.get_ref().0,
        }
    }

    pub(crate) fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Stream::Plain(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Plain(read), WriteHalf::Plain(write))
            }
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => {
                let shared = Shared::new(*stream);
                (ReadHalf::Tls(shared.clone()), WriteHalf::Tls(shared))
            }
        }
    }
}

impl Parked {
    /// `None`: the two are not of one connection, or the system does not let go of it.
    pub(crate) fn new(read: ReadHalf, write: WriteHalf) -> Option<Parked> {
        match (read, write) {
            (ReadHalf::Plain(read), WriteHalf::Plain(write)) => {
                let stream = read.reunite(write).ok()?.into_std().ok()?;
                Some(Parked::Plain(stream))
            }
            #[cfg(feature = "tls")]
            (ReadHalf::Tls(shared), WriteHalf::Tls(_)) => Some(Parked::Tls(shared)),
            #[cfg(feature = "tls")]
            _ => None,
        }
    }

    pub(crate) fn into_halves(self) -> io::Result<(ReadHalf, WriteHalf)> {
        match self {
            Parked::Plain(stream) => Ok(Stream::Plain(TcpStream::from_std(stream)?).into_split()),
            #[cfg(feature = "tls")]
            Parked::Tls(shared) => Ok((ReadHalf::Tls(shared.clone()), WriteHalf::Tls(shared))),
        }
    }
}

impl WriteHalf {
    /// Writes what the socket takes now.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            WriteHalf::Plain(socket) => write_at_once(socket.as_ref(), bytes),
            #[cfg(feature = "tls")]
            WriteHalf::Tls(shared) => shared.try_write(&[IoSlice::new(bytes)]),
        }
    }

    /// The same, of several pieces.
    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            WriteHalf::Plain(socket) => socket.try_write_vectored(slices),
            #[cfg(feature = "tls")]
            WriteHalf::Tls(shared) => shared.try_write(slices),
        }
    }

    /// The same, and waits.
    pub(crate) fn poll_write_vectored(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            WriteHalf::Plain(socket) => Pin::new(socket).poll_write_vectored(context, slices),
            #[cfg(feature = "tls")]
            WriteHalf::Tls(shared) => {
                shared.with(|stream| stream.poll_write_vectored(context, slices))
            }
        }
    }

    /// True, and the socket's number is loaded by then.
    #[inline]
    pub(crate) fn is_near(&self) -> bool {
        match self {
            #[cfg(unix)]
            WriteHalf::Plain(socket) => {
                std::os::fd::AsRawFd::as_raw_fd(socket.as_ref() as &TcpStream) >= 0
            }
            #[cfg(not(unix))]
            WriteHalf::Plain(_) => true,
            #[cfg(feature = "tls")]
            WriteHalf::Tls(_) => true,
        }
    }

    /// Whether it has taken bytes that its socket has not: of TLS, which writes whole records.
    pub(crate) fn holds(&self) -> bool {
        match self {
            WriteHalf::Plain(_) => false,
            #[cfg(feature = "tls")]
            WriteHalf::Tls(shared) => shared.holds(),
        }
    }

    /// Waits until it holds nothing.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            WriteHalf::Plain(socket) => Pin::new(socket).poll_flush(context),
            #[cfg(feature = "tls")]
            WriteHalf::Tls(shared) => shared.with(|stream| stream.poll_flush(context)),
        }
    }
}

/// `MSG_NOSIGNAL`, as the standard library says it: a connection that is gone is an error, and no signal to the process.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NO_SIGNAL: i32 = 0x4000;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const NO_SIGNAL: i32 = 0;

/// Writes what the socket takes now: mostly all of it, and then the runtime, whose memory is another's, need not be asked. It is asked where
/// the socket takes nothing, so that it knows and wakes who waits.
fn write_at_once(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match SockRef::from(socket).send_with_flags(bytes, NO_SIGNAL) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.try_write(bytes),
        written => written,
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            ReadHalf::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            #[cfg(feature = "tls")]
            ReadHalf::Tls(shared) => shared.with(|stream| stream.poll_read(context, buffer)),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
