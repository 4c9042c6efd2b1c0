//! TLS over real sockets: pages, WebSockets and polls on one port, a client that reads slowly, and certificates that change while the server runs.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bevy_ecs::prelude::*;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tickwire_net::{Running, Server};
use tickwire_proto::frame::JoinHow;
use tickwire_proto::poll::{PollAnswer, PollRequest, put_frame};
use tickwire_proto::{ClientFrame, PROTOCOL_VERSION, ServerFrame};
use tickwire_sim::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::Message;

const PATIENCE: Duration = Duration::from_secs(60);
const HELLO: ClientFrame<'static> = ClientFrame::Hello {
    version: PROTOCOL_VERSION,
    resume: None,
};

/// A folder with a certificate and its key, gone with this.
pub struct Files(PathBuf);

impl Files {
    pub fn new(name: &str) -> Files {
        let folder = std::env::temp_dir().join(format!("tickwire-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Files(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a new pair; the certificate, for clients that believe it.
    pub fn renew(&self) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        fs::write(self.path("cert.pem"), made.cert.pem()).unwrap();
        fs::write(self.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
        made.cert.der().clone()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What no codec makes small: four kilobytes in each update.
#[derive(Replicate, Default)]
struct Noise {
    words: [u32; 16],
}

fn noise(tick: Res<CurrentTick>, mut all: Query<&mut Noise>) {
    let mut word = tick.tick().0;
    for slot in all
        .iter_mut()
        .flat_map(|noise| &mut noise.into_inner().words)
    {
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *slot = word;
    }
}

fn noisy(game: &mut Game) {
    game.rate(30)
        .seats(4)
        .replicate::<Noise>()
        .systems(noise)
        .on_start(|mut commands: Commands| {
            commands.spawn_batch((0..64).map(|_| Noise::default()));
        });
}

fn start(files: &Files) -> Running {
    let path = |name| files.path(name).to_string_lossy().into_owned();
    let server = Server::new("noisy", noisy)
        .page("<p>noisy")
        .listen("127.0.0.1:0");
    let server = server.set("tls.cert", &path("cert.pem"));
    let server = server.set("tls.key", &path("key.pem"));
    server.start().unwrap_or_else(|error| panic!("{error}"))
}

/// A connection of a client that believes this certificate alone, and takes few bytes at a time.
async fn connect(
    address: SocketAddr,
    believed: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(believed.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    let stream = socket.connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

/// The answer to a request, up to the connection's end.
async fn ask(
    address: SocketAddr,
    believed: &CertificateDer<'static>,
    head: &str,
    body: &[u8],
) -> Vec<u8> {
    let mut stream = connect(address, believed).await.unwrap();
    let length = body.len();
    let head = format!(
        "{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn pages_polls_and_websockets_come_by_tls_on_one_port() {
    let files = Files::new("tls-port");
    let believed = files.renew();
    let server = start(&files);
    let address = server.local_addr();
    assert_eq!(server.url(), format!("wss://{address}"));

    let page = ask(address, &believed, "GET /", b"").await;
    assert!(page.starts_with(b"HTTP/1.1 200") && page.ends_with(b"<p>noisy"));

    let mut frames = Vec::new();
    put_frame(&mut frames, &HELLO.encode());
    let open = PollRequest::Open {
        frames: frames.into(),
    }
    .encode();
    let answer = ask(address, &believed, "POST /tickwire/poll", &open).await;
    let body = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    let body = Bytes::copy_from_slice(&answer[body..]);
    assert!(matches!(
        PollAnswer::decode(&body),
        Ok(PollAnswer::Opened { .. })
    ));

    // Who speaks no TLS gets nothing, and who believes another certificate goes.
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut heard = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, plain.read_to_end(&mut heard))
        .await
        .expect("an end");
    assert!(!heard.starts_with(b"HTTP"), "{heard:?}");
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    assert!(connect(address, other.cert.der()).await.is_err());
    server.stop();
}

/// It joins, does not read for a while so that the socket is full, and then reads on: every frame is whole, and what is new comes.
#[tokio::test]
async fn a_player_who_reads_slowly_by_tls_loses_no_byte_and_gets_what_is_new() {
    let files = Files::new("tls-slow");
    let believed = files.renew();
    let server = start(&files);
    let stream = connect(server.local_addr(), &believed).await.unwrap();
    let url = "ws://localhost/tickwire/ws?try=1";
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    let attach = ClientFrame::Attach {
        attachment: 0,
        namespace: "/",
        credentials: b"",
        messages_hash: 0,
    };
    let how = JoinHow::Quick {
        kind: "noisy",
        attributes: vec![],
    };
    let join = ClientFrame::Join {
        request: 1,
        attachment: 0,
        how,
        schema_hash: 0,
    };
    for frame in [HELLO, attach] {
        socket.send(Message::binary(frame.encode())).await.unwrap();
    }
    let (mut room, mut updates, mut newest) = (None, 0, None);
    let began = Instant::now();
    let mut stalled = None;
    while stalled.is_none_or(|at: u32| newest.is_none_or(|newest: u32| newest < at + 30)) {
        assert!(
            began.elapsed() < PATIENCE,
            "{updates} updates, the newest of {newest:?}"
        );
        let next = tokio::time::timeout(PATIENCE, socket.next())
            .await
            .expect("in time");
        let Message::Binary(bytes) = next.expect("open").unwrap() else {
            continue;
        };
        match ServerFrame::decode(&bytes).expect("a whole frame") {
            ServerFrame::AttachDone { .. } => {
                socket.send(Message::binary(join.encode())).await.unwrap();
            }
            ServerFrame::Joined { room: no, .. } => room = Some(no),
            ServerFrame::Update { tick, .. } => {
                updates += 1;
                newest = Some(tick.0);
                let held = ClientFrame::Receipts {
                    held: vec![(room.unwrap(), tick)],
                    received: vec![],
                };
                socket.send(Message::binary(held.encode())).await.unwrap();
            }
            ServerFrame::Ping { nonce, .. } => {
                let pong = ClientFrame::Pong { nonce };
                socket.send(Message::binary(pong.encode())).await.unwrap();
            }
            ServerFrame::Ending { message, .. } => panic!("{message}"),
            _ => {}
        }
        if updates == 20 && stalled.is_none() {
            // The stall itself: the socket fills meanwhile.
            tokio::time::sleep(Duration::from_secs(2)).await;
            stalled = newest;
        }
    }
    server.stop();
}

#[tokio::test]
async fn a_certificate_that_changes_is_shown_to_new_connections_and_a_broken_one_is_not() {
    let files = Files::new("tls-renewed");
    let first = files.renew();
    let server = start(&files);
    let address = server.local_addr();
    let mut open = connect(address, &first).await.unwrap();
    let second = files.renew();
    let deadline = Instant::now() + PATIENCE;
    while connect(address, &second).await.is_err() {
        assert!(
            Instant::now() < deadline,
            "the new certificate is never shown"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        connect(address, &first).await.is_err(),
        "the old one is shown to nobody new"
    );
    open.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    open.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "what is open goes on");

    // A key of nothing: the last good pair stays, and the next good one is taken.
    fs::write(files.path("key.pem"), "no key").unwrap();
    let looked_at = Instant::now() + Duration::from_millis(2_500);
    while Instant::now() < looked_at {
        assert!(connect(address, &second).await.is_ok());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let third = files.renew();
    let deadline = Instant::now() + PATIENCE;
    while connect(address, &third).await.is_err() {
        assert!(Instant::now() < deadline, "it has given up looking");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.stop();
}

#[test]
fn files_that_are_none_keep_a_server_from_starting_and_are_named() {
    let files = Files::new("tls-none");
    files.renew();
    let path = |name: &str| files.path(name).to_string_lossy().into_owned();
    let told = |cert: Option<&str>, key: Option<&str>| {
        let mut server = Server::new("noisy", noisy).listen("127.0.0.1:0");
        for (setting, name) in [("tls.cert", cert), ("tls.key", key)] {
            server = match name {
                Some(name) => server.set(setting, &path(name)),
                None => server,
            };
        }
        server.start().expect_err("no server").to_string()
    };
    for (cert, key, wanted) in [
        (Some("cert.pem"), None, "one of the two files is not named"),
        (
            Some("nothing.pem"),
            Some("key.pem"),
            "nothing.pem cannot be read",
        ),
        (
            Some("key.pem"),
            Some("key.pem"),
            "has no certificates in PEM",
        ),
        (
            Some("cert.pem"),
            Some("cert.pem"),
            "has no private key in PEM",
        ),
    ] {
        let told = told(cert, key);
        assert!(
            told.starts_with("BadTls: ") && told.contains(wanted),
            "{told}"
        );
    }
}

/// The native client, over a WebSocket and over polls; one that does not believe the certificate gets nowhere, and says why.
#[tokio::test]
async fn a_native_client_speaks_tls_to_whom_it_believes() {
    use tickwire_client::{ClientConfig, LinkChoice, LinkKind};
    use tickwire_net::client::Connection;
    use tickwire_net::now;

    let files = Files::new("native");
    files.renew();
    let pem = fs::read(files.path("cert.pem")).unwrap();
    let server = start(&files);
    let url = format!("wss://localhost:{}", server.local_addr().port());
    for kind in [LinkKind::WebSocket, LinkKind::Polling] {
        let net = Connection::open(&url, ClientConfig::default()).unwrap();
        let mut net = net
            .with_trusted(&pem)
            .unwrap()
            .with_link(LinkChoice::Only(kind));
        let room = net.client_mut().quick("noisy", &[]);
        let deadline = now().plus(PATIENCE);
        let updated = |net: &Connection| {
            let view = net.client().view(room);
            view.is_some_and(|view| view.newest_tick().is_some())
        };
        while !updated(&net) {
            assert!(
                net.next_until(deadline).await.is_some(),
                "{:?}",
                net.failure()
            );
        }
        assert_eq!(net.link(), Some(kind));
        net.close();
    }
    let mut stranger = Connection::open(&url, ClientConfig::default()).unwrap();
    let deadline = now().plus(PATIENCE);
    while stranger.failure().is_none() {
        assert!(now() < deadline);
        stranger
            .next_until(now().plus(Duration::from_millis(50)))
            .await;
    }
    let failure = stranger.failure().unwrap().to_lowercase();
    assert!(failure.contains("certificate"), "{failure}");
    let nothing = Connection::open(&url, ClientConfig::default()).unwrap();
    assert!(nothing.with_trusted(b"no certificate").is_err());
    server.stop();
}
