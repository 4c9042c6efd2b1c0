//! One link of a client: a socket, the WebSocket on it, and what waits to be written. What is said on it is the client's matter.

use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use std::pin::Pin;

use super::connection::LinkCounters;
use super::stream::Stream;
use super::tls::Trust;
use super::url::Address;
use crate::clock;
use crate::websocket::{Handshake, Heard, WebSocket};

/// The longest message that a client takes: a keyframe of a full room.
const MESSAGE_MAX: usize = 8 << 20;
/// What is read at once.
const READ: usize = 32 * 1024;
/// Written bytes that may wait for the socket before the client is asked for no more.
const UNSENT_MAX: usize = 32 * 1024;

thread_local! {
    /// One for all the connections of a thread: none of them keeps anything in it.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into_boxed_slice());
}

/// An open link.
pub(crate) struct Wire {
    stream: Stream,
    protocol: WebSocket,
    unsent: Vec<u8>,
}

/// What became of a read.
pub(crate) enum Read {
    /// Messages may have come in.
    More,
    /// The link is over, with the code of its closing.
    Lost(Option<u16>),
}

impl Wire {
    /// Opens a link; the error is a text for logs.
    pub(crate) async fn open(address: Address, trust: Trust, number: u32) -> Result<Wire, String> {
        let mut stream = Stream::open(&address, &trust).await?;
        let (mut handshake, request) = Handshake::start(&address.attempt(number), MESSAGE_MAX)?;
        stream
            .write_all(&request)
            .await
            .map_err(|error| error.to_string())?;
        stream.flush().await.map_err(|error| error.to_string())?;
        let mut buffer = [0; 2048];
        loop {
            let read = stream
                .read(&mut buffer)
                .await
                .map_err(|error| error.to_string())?;
            if read == 0 {
                return Err("closed during the handshake".to_owned());
            }
            match handshake.feed(&buffer[..read])? {
                Ok(protocol) => {
                    return Ok(Wire {
                        stream,
                        protocol,
                        unsent: Vec::new(),
                    });
                }
                Err(more) => handshake = more,
            }
        }
    }

    /// How much more the client may say now.
    pub(crate) fn writable(&self) -> usize {
        UNSENT_MAX.saturating_sub(self.unsent.len())
    }

    pub(crate) fn say(&mut self, frame: Bytes, counters: &mut LinkCounters) {
        counters.payload_out += frame.len() as u64;
        self.protocol.say(frame);
        self.collect();
    }

    fn collect(&mut self) {
        if let Some(bytes) = self.protocol.replies() {
            if self.unsent.is_empty() {
                self.unsent = bytes
            } else {
                self.unsent.extend(bytes)
            }
        }
    }

    /// Writes what waits. `Pending`: the task is woken when the socket takes more.
    pub(crate) fn poll_flush(
        &mut self,
        context: &mut Context<'_>,
        counters: &mut LinkCounters,
    ) -> Poll<io::Result<()>> {
        self.collect();
        while !self.unsent.is_empty() {
            let taken = ready!(Pin::new(&mut self.stream).poll_write(context, &self.unsent))?;
            counters.wire_out += taken as u64;
            self.unsent.drain(..taken);
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Writes what the socket takes at once, says goodbye, and is gone.
    pub(crate) fn close(mut self, counters: &mut LinkCounters) {
        self.protocol.close(1000, "");
        self.collect();
        counters.wire_out += self.stream.write_now(&self.unsent) as u64;
    }

    /// Reads once and hands each message to `frame`.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        counters: &mut LinkCounters,
        mut frame: impl FnMut(Bytes),
    ) -> Poll<Read> {
        let read = ready!(SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            let polled = Pin::new(&mut self.stream).poll_read(context, &mut buffer);
            polled.map_ok(|()| {
                self.protocol.feed(clock::now(), buffer.filled());
                buffer.filled().len()
            })
        }));
        match read {
            Ok(0) | Err(_) => return Poll::Ready(Read::Lost(None)),
            Ok(bytes) => counters.wire_in += bytes as u64,
        }
        loop {
            match self.protocol.hear() {
                Ok(None) => return Poll::Ready(Read::More),
                Ok(Some(Heard::Message(message))) => {
                    counters.payload_in += message.len() as u64;
                    frame(message);
                }
                Ok(Some(Heard::Closed(code))) => return Poll::Ready(Read::Lost(code)),
                Err(breach) => {
                    tracing::debug!(%breach, "the server broke the WebSocket protocol");
                    return Poll::Ready(Read::Lost(None));
                }
            }
        }
    }
}
