//! The byte stream of a client's link: a TCP connection, and TLS on it where the address asks for that.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::tls::Trust;
use super::url::Address;

/// An open one.
pub(crate) enum Stream {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<super::tls::TlsStream>),
}

impl Stream {
    /// Connects; the error is a text for logs.
    pub(crate) async fn open(address: &Address, trust: &Trust) -> Result<Stream, String> {
        let text = |error: io::Error| error.to_string();
        let connected = TcpStream::connect((address.bare_host(), address.port)).await;
        let stream = connected.map_err(text)?;
        stream.set_nodelay(true).map_err(text)?;
        match address.tls {
            true => trust.connect(address, stream).await,
            false => Ok(Stream::Plain(stream)),
        }
    }

    /// Writes what goes at once; how much that was.
    pub(crate) fn write_now(&mut self, bytes: &[u8]) -> usize {
        let mut context = Context::from_waker(Waker::noop());
        let mut written = 0;
        while written < bytes.len()
            && let Poll::Ready(Ok(more @ 1..)) =
                Pin::new(&mut *self).poll_write(&mut context, &bytes[written..])
        {
            written += more;
        }
        let _ = Pin::new(self).poll_flush(&mut context);
        written
    }
}

/// The same call of whichever it is.
macro_rules! either {
    ($stream:expr, $inner:ident => $call:expr) => {
        match $stream {
            Stream::Plain($inner) => $call,
            #[cfg(feature = "tls")]
            Stream::Tls($inner) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), inner => Pin::new(inner).poll_shutdown(context))
    }
}
