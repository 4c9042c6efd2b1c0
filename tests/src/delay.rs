//! A relay of TCP that is far away: each byte comes so much later, in order. It loses nothing.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Stands before one server, and ends with the value.
pub struct Far {
    /// Where it listens, as `http://ADDRESS`.
    pub url: String,
    listening: JoinHandle<()>,
}

impl Far {
    /// So long in each direction.
    ///
    /// # Panics
    /// Where no port is free.
    pub async fn from(server: &str, way: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let server = server.to_owned();
        let listening = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move {
                    if let Ok(far) = TcpStream::connect(&server).await {
                        let _ = (near.set_nodelay(true), far.set_nodelay(true));
                        let (near_in, near_out) = near.into_split();
                        let (far_in, far_out) = far.into_split();
                        tokio::join!(carry(near_in, far_out, way), carry(far_in, near_out, way));
                    }
                });
            }
        });
        Self { url, listening }
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn carry<R, W>(mut from: R, mut to: W, way: Duration)
where
    R: AsyncReadExt + Unpin,
    W: AsyncWriteExt + Unpin,
{
    let (send, mut arrives) = unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            if send
                .send((Instant::now() + way, buffer[..count].to_vec()))
                .is_err()
            {
                break;
            }
        }
    };
    let write = async move {
        while let Some((due, bytes)) = arrives.recv().await {
            sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}
