//! A raw WebSocket peer that says whatever a test wants, honest or not. What the server should answer is the tests' matter.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tickwire_proto::{ClientFrame, PROTOCOL_VERSION, Reason, ServerFrame, Tick, frame::JoinHow};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, protocol::frame::coding::CloseCode},
};

/// One connection.
pub struct Peer {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What came from the server.
#[derive(Debug, PartialEq)]
pub enum Heard {
    Frame(Vec<u8>),
    /// The link was closed, with a code where the server gave one.
    Closed(Option<u16>),
    /// Nothing within the time.
    Silence,
}

/// What the server makes of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// `told`: by a frame that says why, before the link was closed.
    Ended {
        reason: Reason,
        told: bool,
    },
    Lives,
}

impl Peer {
    /// Opens a WebSocket to `127.0.0.1:PORT`.
    pub async fn open(address: &str) -> Self {
        let (socket, _) = tokio_tungstenite::connect_async(format!("ws://{address}/tickwire/ws"))
            .await
            .expect("the upgrade is accepted");
        Self { socket }
    }

    pub async fn say(&mut self, bytes: impl Into<Bytes>) {
        // A server that has already closed is found out by `hear`.
        let _ = self.socket.send(Message::Binary(bytes.into())).await;
    }

    pub async fn hear(&mut self, patience: Duration) -> Heard {
        loop {
            return match tokio::time::timeout(patience, self.socket.next()).await {
                Err(_) => Heard::Silence,
                Ok(Some(Ok(Message::Binary(frame)))) => Heard::Frame(frame.to_vec()),
                Ok(Some(Ok(Message::Close(close)))) => {
                    Heard::Closed(close.map(|close| <CloseCode as Into<u16>>::into(close.code)))
                }
                Ok(Some(Ok(_))) => continue,
                Ok(Some(Err(_)) | None) => Heard::Closed(None),
            };
        }
    }

    /// Hears until the link is closed or nothing comes for `patience`; gives the close code, if it closed.
    pub async fn end(&mut self, patience: Duration) -> Option<Option<u16>> {
        for _ in 0..10_000 {
            match self.hear(patience).await {
                Heard::Closed(code) => return Some(code),
                Heard::Silence => return None,
                Heard::Frame(_) => {}
            }
        }
        None
    }

    /// Hears on until the server ends it, or has answered a ping that comes after all that was said: one of the two it must do.
    ///
    /// # Panics
    /// Where the server closes the link without a reason, with another one than it told before, or does neither.
    pub async fn fate(&mut self, ping: bool) -> Fate {
        const NONCE: u32 = 0x0fa7_e0ff;
        if ping {
            self.say(ClientFrame::Ping { nonce: NONCE }.encode()).await;
        }
        let mut told = None;
        loop {
            match self.hear(Duration::from_secs(20)).await {
                Heard::Frame(bytes) => {
                    match ServerFrame::decode(&bytes).expect("the server speaks its own protocol") {
                        ServerFrame::Ending {
                            reason, message, ..
                        } => {
                            assert!(!message.is_empty() || reason == Reason::Left, "{reason}");
                            told = Some(reason);
                        }
                        ServerFrame::Pong { nonce: NONCE } => return Fate::Lives,
                        _ => {}
                    }
                }
                Heard::Closed(code) => {
                    let code = code.expect("a link is closed with a code");
                    let reason = Reason::from_close_code(code);
                    let reason = reason.unwrap_or_else(|| panic!("closed with {code}"));
                    assert!(
                        told.is_none_or(|told| told == reason),
                        "told {told:?}, closed with {reason}"
                    );
                    return Fate::Ended {
                        reason,
                        told: told.is_some(),
                    };
                }
                Heard::Silence => panic!("neither ended nor served"),
            }
        }
    }

    /// Hello and attach, as every honest client does.
    pub async fn attach(&mut self) {
        self.say(hello()).await;
        self.say(attach()).await;
        self.until("accepted", |frame| {
            matches!(frame, ServerFrame::AttachDone { .. }).then_some(())
        })
        .await;
    }

    /// Joins any room of the first kind; gives its number and the tick of the join.
    pub async fn join(&mut self) -> (u32, Tick) {
        self.say(quick()).await;
        self.until("joined", |frame| match frame {
            ServerFrame::Joined { room, tick, .. } => Some((*room, *tick)),
            _ => None,
        })
        .await
    }

    /// Hears until a frame is what was waited for.
    pub async fn until<T>(
        &mut self,
        what: &str,
        mut found: impl FnMut(&ServerFrame<'_>) -> Option<T>,
    ) -> T {
        loop {
            match self.hear(Duration::from_secs(10)).await {
                Heard::Frame(bytes) => {
                    let frame = ServerFrame::decode(&bytes)
                        .expect("an honest server speaks its own protocol");
                    if let Some(found) = found(&frame) {
                        return found;
                    }
                }
                other => panic!("waiting for {what}: {other:?}"),
            }
        }
    }
}

pub fn hello() -> Bytes {
    ClientFrame::Hello {
        version: PROTOCOL_VERSION,
        resume: None,
    }
    .encode()
}

pub fn attach() -> Bytes {
    ClientFrame::Attach {
        attachment: 0,
        namespace: "/",
        credentials: br#"{"guest":"Ann"}"#,
        messages_hash: 0,
    }
    .encode()
}

pub fn quick() -> Bytes {
    let how = JoinHow::Quick {
        kind: "",
        attributes: Vec::new(),
    };
    ClientFrame::Join {
        request: 1,
        attachment: 0,
        how,
        schema_hash: 0,
    }
    .encode()
}
