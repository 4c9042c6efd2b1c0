//! A client without manners: raw bytes over a plain socket, with what is needed to see how the server takes it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tickwire_proto::frame::JoinHow;
use tickwire_proto::{ClientFrame, PROTOCOL_VERSION, ServerFrame, Tick};

pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

pub struct Raw {
    pub stream: TcpStream,
    rest: Vec<u8>,
}

/// What the server said last.
#[derive(Debug, PartialEq)]
pub enum End {
    /// A close frame with a code.
    Closed(u16),
    /// The connection ended without one.
    Cut,
    /// Nothing came for the time that a test waits.
    Silent,
}

impl Raw {
    pub fn connect(address: SocketAddr) -> Raw {
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.set_nodelay(true).unwrap();
        Raw {
            stream,
            rest: Vec::new(),
        }
    }

    /// A WebSocket, as the server sees it.
    pub fn upgrade(address: SocketAddr) -> Raw {
        let mut raw = Raw::connect(address);
        raw.send(&upgrade_request(address, ""));
        let head = raw.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(
            head.to_lowercase()
                .contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
            "{head}"
        );
        raw
    }

    /// A WebSocket on which hello and attach are done.
    pub fn attached(address: SocketAddr) -> Raw {
        let mut raw = Raw::upgrade(address);
        raw.say(
            &ClientFrame::Hello {
                version: PROTOCOL_VERSION,
                resume: None,
            }
            .encode(),
        );
        raw.say(&attach(0));
        // Not merely the second frame: a ping may come before it, and what is said before the acceptance is a violation.
        let done = raw.find(|frame| matches!(frame, ServerFrame::AttachDone { .. }));
        assert!(done.is_some(), "attached");
        raw
    }

    /// A WebSocket that is in a room of that kind: its number, and the tick of the join.
    pub fn joined(address: SocketAddr, kind: &str) -> (Raw, u32, Tick) {
        let mut raw = Raw::attached(address);
        let how = JoinHow::Quick {
            kind,
            attributes: vec![],
        };
        let join = ClientFrame::Join {
            request: 1,
            attachment: 0,
            how,
            schema_hash: 0,
        };
        raw.say(&join.encode());
        // Whatever ends the wait is told: a refusal, an ending, or that nothing comes.
        let answer = raw.find(|frame| {
            matches!(
                frame,
                ServerFrame::Joined { .. }
                    | ServerFrame::JoinRefused { .. }
                    | ServerFrame::Ending { .. }
            )
        });
        let answer = answer.unwrap_or_else(|| panic!("no answer, and then {:?}", raw.end()));
        match ServerFrame::decode(&answer).expect("a frame") {
            ServerFrame::Joined { room, tick, .. } => (raw, room, tick),
            other => panic!("{other:?}"),
        }
    }

    /// Errors are the server's answer: it may have closed already.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// One binary message.
    pub fn say(&mut self, payload: &[u8]) {
        self.send(&frame(0x82, payload));
    }

    /// The head of an HTTP answer, and its status.
    pub fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = self.rest.drain(..end + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            if !self.read() {
                return String::from_utf8_lossy(&std::mem::take(&mut self.rest)).into_owned();
            }
        }
    }

    /// The status of an HTTP answer; 0: there was none.
    pub fn status(&mut self) -> u16 {
        let head = self.head();
        head.split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0)
    }

    /// All that comes until the connection ends.
    pub fn everything(&mut self) -> String {
        while self.read() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.rest)).into_owned()
    }

    /// So many bytes, or all that come.
    pub fn exactly(&mut self, bytes: usize) -> Vec<u8> {
        while self.rest.len() < bytes && self.read() {}
        let have = bytes.min(self.rest.len());
        self.rest.drain(..have).collect()
    }

    /// Nothing comes for so long.
    pub fn is_silent(&mut self, span: Duration) -> bool {
        self.stream.set_read_timeout(Some(span)).unwrap();
        let came = self.read();
        self.stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        !came
    }

    /// The next frame: its opcode and payload.
    pub fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((used, opcode, payload)) = parse(&self.rest) {
                self.rest.drain(..used);
                return Some((opcode, payload));
            }
            if !self.read() {
                return None;
            }
        }
    }

    /// The next control frame of the WebSocket.
    pub fn control(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            match self.frame()? {
                (2, _) => {}
                control => return Some(control),
            }
        }
    }

    /// The next frame of ours that `wanted` takes.
    pub fn find(&mut self, wanted: impl Fn(&ServerFrame<'_>) -> bool) -> Option<Vec<u8>> {
        loop {
            if let (2, payload) = self.frame()?
                && ServerFrame::decode(&payload).is_ok_and(|frame| wanted(&frame))
            {
                return Some(payload);
            }
        }
    }

    /// Reads on until the server ends it.
    pub fn end(&mut self) -> End {
        loop {
            match self.frame() {
                Some((8, payload)) if payload.len() >= 2 => {
                    return End::Closed(u16::from_be_bytes([payload[0], payload[1]]));
                }
                Some((8, _)) => return End::Closed(1005),
                Some(_) => {}
                None => {
                    return if self.is_open() {
                        End::Silent
                    } else {
                        End::Cut
                    };
                }
            }
        }
    }

    fn is_open(&mut self) -> bool {
        matches!(self.stream.peek(&mut [0]), Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut))
    }

    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(bytes @ 1..) => {
                self.rest.extend(&buffer[..bytes]);
                true
            }
            _ => false,
        }
    }
}

pub fn attach(attachment: u8) -> Vec<u8> {
    ClientFrame::Attach {
        attachment,
        namespace: "/",
        credentials: br#"{"guest":"Raw"}"#,
        messages_hash: 0,
    }
    .encode()
    .to_vec()
}

pub fn upgrade_request(address: SocketAddr, more: &str) -> Vec<u8> {
    format!(
        "GET /tickwire/ws?try=7 HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more}\r\n"
    )
    .into_bytes()
}

/// A masked frame.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        short @ 0..=125 => out.push(0x80 | short as u8),
        long => {
            out.push(0x80 | 126);
            out.extend((long as u16).to_be_bytes());
        }
    }
    let mask = [7, 77, 177, 200];
    out.extend(mask);
    out.extend(
        payload
            .iter()
            .enumerate()
            .map(|(at, byte)| byte ^ mask[at % 4]),
    );
    out
}

fn parse(bytes: &[u8]) -> Option<(usize, u8, Vec<u8>)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    assert!(second & 0x80 == 0, "a server masks nothing");
    let (from, len) = match second {
        126 => (
            4,
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap())),
        ),
        127 => (
            10,
            u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()) as usize,
        ),
        short => (2, usize::from(short)),
    };
    let payload = bytes.get(from..from + len)?;
    Some((from + len, first & 0x0f, payload.to_vec()))
}
