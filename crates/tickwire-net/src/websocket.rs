//! The WebSocket protocol, without a socket: bytes in, messages out, and the few frames that must be answered. The only file that names tungstenite.

use std::io::{self, Read, Write};

use bytes::Bytes;
use tickwire_proto::Time;
use tungstenite::Error;
use tungstenite::client::IntoClientRequest;
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

/// The most fragments that one message may come in. Empty ones count: tungstenite alone would let them pass for ever.
pub(crate) const FRAGMENTS_MAX: u32 = 16;
/// The most control frames (ping, pong, close) a second, and at once.
pub(crate) const CONTROL_FRAMES_MAX: u32 = 120;
/// What a connection keeps for the frame that may come: the server has many of them, and gets small frames.
const SERVER_READ_BUFFER: usize = 256;
const CLIENT_READ_BUFFER: usize = 4096;
/// The most bytes of an answer to a handshake.
const HANDSHAKE_MAX: usize = 8192;
/// A close frame's text: 125 bytes less the code.
const CLOSE_TEXT_MAX: usize = 123;

/// The answer to `Sec-WebSocket-Key`.
pub(crate) fn accept_key(key: &[u8]) -> String {
    tungstenite::handshake::derive_accept_key(key)
}

/// What was heard.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// One whole binary message.
    Message(Bytes),
    /// The peer closed; its answer waits in [`WebSocket::replies`].
    Closed(Option<u16>),
}

/// The peer broke the protocol: close with `code`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {text}")]
pub(crate) struct Breach {
    pub code: u16,
    pub text: String,
}

impl Breach {
    fn new(code: u16, text: impl Into<String>) -> Breach {
        Breach {
            code,
            text: text.into(),
        }
    }
}

/// One side of one WebSocket.
pub(crate) struct WebSocket {
    socket: tungstenite::WebSocket<Adapter>,
    /// On the server's side alone: a client chose its server.
    scan: Option<Scan>,
    breach: Option<Breach>,
    /// All that came was heard, to the end of a message.
    rests: bool,
}

/// The longest payload that is told by one byte.
const SHORT_MAX: usize = 125;

/// A short message, unmasked.
pub(crate) struct Short {
    bytes: [u8; SHORT_MAX],
    len: u8,
}

impl std::ops::Deref for Short {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl WebSocket {
    /// The server's side, after the upgrade.
    pub(crate) fn server(message_max: usize) -> WebSocket {
        let config = config(SERVER_READ_BUFFER, message_max);
        let socket =
            tungstenite::WebSocket::from_raw_socket(Adapter::default(), Role::Server, Some(config));
        WebSocket {
            socket,
            scan: Some(Scan::default()),
            breach: None,
            rests: true,
        }
    }

    /// The first message of what the link read, if it is short, whole, and there between others: nearly always. The shorter way of
    /// [`feed`](Self::feed) and [`hear`](Self::hear), for which the rest is.
    pub(crate) fn short(&mut self, bytes: &mut &[u8]) -> Option<Short> {
        const BINARY: u8 = 0x82;
        const MASKED: u8 = 0x80;
        let [BINARY, length, a, b, c, d, rest @ ..] = bytes else {
            return None;
        };
        let len = usize::from(length.checked_sub(MASKED)?);
        if len > SHORT_MAX || len > rest.len() || !self.rests {
            return None;
        }
        let (payload, rest) = rest.split_at(len);
        let mut short = Short {
            bytes: [0; SHORT_MAX],
            len: len as u8,
        };
        let mask = [*a, *b, *c, *d];
        for ((out, byte), mask) in short.bytes.iter_mut().zip(payload).zip(mask.iter().cycle()) {
            *out = byte ^ mask;
        }
        *bytes = rest;
        Some(short)
    }

    /// Takes what the link read. Nothing of it is answered or told before [`WebSocket::hear`].
    pub(crate) fn feed(&mut self, now: Time, bytes: &[u8]) {
        if self.breach.is_some() || bytes.is_empty() {
            return;
        }
        self.rests = false;
        let mut good = bytes.len();
        if let Some(scan) = &mut self.scan
            && let Err((before, breach)) = scan.pass(now, bytes)
        {
            good = before;
            self.breach = Some(breach);
        }
        self.socket
            .get_mut()
            .input
            .extend_from_slice(&bytes[..good]);
    }

    /// The next message, or `None` until more is fed.
    pub(crate) fn hear(&mut self) -> Result<Option<Heard>, Breach> {
        loop {
            match self.socket.read() {
                Ok(Message::Binary(message)) => return Ok(Some(Heard::Message(message))),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(Message::Close(frame)) => {
                    // Its answer goes out with the flush; the error of it only says that this was the last.
                    let _ = self.socket.flush();
                    return Ok(Some(Heard::Closed(frame.map(|frame| frame.code.into()))));
                }
                Ok(Message::Text(_) | Message::Frame(_)) => return Err(text_frame()),
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.socket.get_mut().settle();
                    let between = self.scan.as_ref().is_some_and(Scan::is_between);
                    self.rests = between && self.breach.is_none();
                    return self.breach.clone().map_or(Ok(None), Err);
                }
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => {
                    return Ok(Some(Heard::Closed(None)));
                }
                Err(error) => return Err(breach(&error)),
            }
        }
    }

    /// Whole frames that must go out: at most one pong, and the answer to a close.
    pub(crate) fn replies(&mut self) -> Option<Vec<u8>> {
        let output = &mut self.socket.get_mut().output;
        (!output.is_empty()).then(|| std::mem::take(output))
    }

    /// Says goodbye: the frame waits in [`WebSocket::replies`].
    pub(crate) fn close(&mut self, code: u16, text: &str) {
        let mut cut = text.len().min(CLOSE_TEXT_MAX);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: text[..cut].to_owned().into(),
        };
        // It cannot block, and whoever has closed already needs no second goodbye.
        let _ = self.socket.close(Some(frame));
    }

    /// Frames and masks a client's message; it waits in [`WebSocket::replies`].
    pub(crate) fn say(&mut self, message: Bytes) {
        let _ = self.socket.send(Message::Binary(message));
    }
}

/// A client's handshake in progress, without a socket.
pub(crate) struct Handshake {
    mid: MidHandshake<ClientHandshake<Adapter>>,
    taken: usize,
}

impl Handshake {
    /// Begins it. Returns what to write, too.
    pub(crate) fn start(url: &str, message_max: usize) -> Result<(Handshake, Vec<u8>), String> {
        let request = url
            .into_client_request()
            .map_err(|error| error.to_string())?;
        let config = config(CLIENT_READ_BUFFER, message_max);
        let mid = ClientHandshake::start(Adapter::default(), request, Some(config))
            .map_err(|error| error.to_string())?;
        match mid.handshake() {
            Err(HandshakeError::Interrupted(mut mid)) => {
                let request = std::mem::take(&mut mid.get_mut().get_mut().output);
                Ok((Handshake { mid, taken: 0 }, request))
            }
            Err(HandshakeError::Failure(error)) => Err(error.to_string()),
            Ok(_) => Err("an answer came before the request".to_owned()),
        }
    }

    /// Takes what the link read, until the answer is whole.
    pub(crate) fn feed(mut self, bytes: &[u8]) -> Result<Result<WebSocket, Handshake>, String> {
        self.taken += bytes.len();
        if self.taken > HANDSHAKE_MAX {
            return Err("the answer to the handshake is too long".to_owned());
        }
        self.mid.get_mut().get_mut().input.extend_from_slice(bytes);
        match self.mid.handshake() {
            Ok((socket, _)) => Ok(Ok(WebSocket {
                socket,
                scan: None,
                breach: None,
                rests: false,
            })),
            Err(HandshakeError::Interrupted(mid)) => Ok(Err(Handshake {
                mid,
                taken: self.taken,
            })),
            Err(HandshakeError::Failure(Error::Http(answer))) => {
                Err(format!("the server answered {}", answer.status()))
            }
            Err(HandshakeError::Failure(error)) => Err(error.to_string()),
        }
    }
}

fn config(read_buffer: usize, message_max: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(read_buffer)
        .write_buffer_size(0)
        .max_message_size(Some(message_max))
        .max_frame_size(Some(message_max))
}

fn breach(error: &Error) -> Breach {
    let code = match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => 1009,
        Error::Utf8(_) => 1007,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => 1000,
        _ => 1002,
    };
    Breach::new(code, error.to_string())
}

fn text_frame() -> Breach {
    Breach::new(1003, "a text frame: this protocol is binary")
}

/// Stands where tungstenite expects a socket: reads come from what the link read, writes land where the link takes them.
#[derive(Debug, Default)]
struct Adapter {
    input: Vec<u8>,
    read: usize,
    output: Vec<u8>,
}

impl Adapter {
    /// All is read: an idle connection holds no buffer worth the name.
    fn settle(&mut self) {
        self.input.clear();
        self.read = 0;
        self.input.shrink_to(SERVER_READ_BUFFER);
    }
}

impl Read for Adapter {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.input[self.read..];
        if rest.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let take = rest.len().min(buffer.len());
        buffer[..take].copy_from_slice(&rest[..take]);
        self.read += take;
        Ok(take)
    }
}

impl Write for Adapter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        const PONG: u8 = 0x8a;
        // A pong that has not left yet is overtaken by the next one: a flood of pings queues one answer.
        if bytes.first() == Some(&PONG) && self.output.first() == Some(&PONG) {
            self.output.clear();
        }
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Walks the frame headers that pass by and counts what tungstenite does not: fragments and control frames.
#[derive(Debug, Default)]
struct Scan {
    header: [u8; 14],
    have: usize,
    /// Bytes of payload that are still to pass.
    skip: u64,
    fragments: u32,
    allowance: Allowance,
}

impl Scan {
    /// On a breach: how many bytes before the offending header were fine.
    fn pass(&mut self, now: Time, bytes: &[u8]) -> Result<(), (usize, Breach)> {
        let mut at = 0;
        while at < bytes.len() {
            if self.skip > 0 {
                let step = usize::try_from(self.skip)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len() - at);
                self.skip -= step as u64;
                at += step;
                continue;
            }
            self.header[self.have] = bytes[at];
            self.have += 1;
            at += 1;
            if self.have >= 2 && self.have == self.header_len() {
                let before = at.saturating_sub(self.have);
                self.skip = self.payload_len();
                self.have = 0;
                self.judge(now).map_err(|breach| (before, breach))?;
            }
        }
        Ok(())
    }

    /// No message has begun.
    fn is_between(&self) -> bool {
        (self.have, self.skip, self.fragments) == (0, 0, 0)
    }

    fn header_len(&self) -> usize {
        let length = match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        2 + length + mask
    }

    fn payload_len(&self) -> u64 {
        let h = &self.header;
        match h[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes([h[2], h[3]])),
            127 => u64::from_be_bytes([h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9]]),
            short => u64::from(short),
        }
    }

    fn judge(&mut self, now: Time) -> Result<(), Breach> {
        let last = self.header[0] & 0x80 != 0;
        match self.header[0] & 0x0f {
            1 => return Err(text_frame()),
            0 | 2 if last => self.fragments = 0,
            0 | 2 => self.fragments += 1,
            8..=15 if !self.allowance.take(now) => {
                return Err(Breach::new(
                    1008,
                    format!("more than {CONTROL_FRAMES_MAX} control frames a second"),
                ));
            }
            _ => {}
        }
        if self.fragments >= FRAGMENTS_MAX {
            return Err(Breach::new(
                1009,
                format!("a message in more than {FRAGMENTS_MAX} fragments"),
            ));
        }
        Ok(())
    }
}

/// A token bucket of [`CONTROL_FRAMES_MAX`] a second.
#[derive(Debug, Default)]
struct Allowance {
    /// Microseconds of allowance already spent ahead of `now`.
    until: u64,
}

impl Allowance {
    fn take(&mut self, now: Time) -> bool {
        const COST: u64 = 1_000_000 / CONTROL_FRAMES_MAX as u64;
        let from = self.until.max(now.0);
        let fits = from - now.0 <= 1_000_000;
        if fits {
            self.until = from + COST;
        }
        fits
    }
}

#[cfg(test)]
mod tests;
