//! A relay of bytes between clients and the server: it can be cut, and it can stand in the way of WebSockets as proxies do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// What becomes of upgrades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Upgrades {
    Pass,
    /// Answered with 403.
    Refused,
    /// Never answered.
    Swallowed,
}

/// When it is cut, both sockets of each connection are closed at once, with what they hold.
pub struct Relay {
    pub address: SocketAddr,
    upgrades: Arc<AtomicU8>,
    links: tokio::sync::mpsc::UnboundedReceiver<AbortHandle>,
}

impl Relay {
    pub async fn to(server: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, links) = tokio::sync::mpsc::unbounded_channel();
        let upgrades = Arc::new(AtomicU8::new(Upgrades::Pass as u8));
        let mode = Arc::clone(&upgrades);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let link = tokio::spawn(carry(near, server, Arc::clone(&mode)));
                let _ = sender.send(link.abort_handle());
            }
        });
        Relay {
            address,
            upgrades,
            links,
        }
    }

    pub fn upgrades(&self, upgrades: Upgrades) {
        self.upgrades.store(upgrades as u8, Ordering::Relaxed);
    }

    pub fn cut(&mut self) {
        while let Ok(link) = self.links.try_recv() {
            link.abort();
        }
    }
}

async fn carry(mut near: TcpStream, server: SocketAddr, mode: Arc<AtomicU8>) {
    let mut first = vec![0; 4096];
    let Ok(read) = near.read(&mut first).await else {
        return;
    };
    let head = String::from_utf8_lossy(&first[..read]).to_lowercase();
    if head.contains("upgrade: websocket") {
        match mode.load(Ordering::Relaxed) {
            1 => {
                let no =
                    b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _ = near.write_all(no).await;
                return;
            }
            2 => return std::future::pending().await,
            _ => {}
        }
    }
    let Ok(mut far) = TcpStream::connect(server).await else {
        return;
    };
    if far.write_all(&first[..read]).await.is_ok() {
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    }
}
