//! Sockets of a game, plain and by TLS: what the system is asked to do for them, and links that go from one thread to another. What TLS shows is in `tls`.

use std::time::Duration;

use tickwire::prelude::*;
use tickwire_client::{ClientConfig, ClientEvent, LinkChoice, LinkKind, RoomKey, State};
use tickwire_net::{Running, Server, client::Connection, now};
use tickwire_snapshot::message::{self, Message};
use tickwire_tests::{metrics::Counts, relay::Relay};

use crate::tls::Files;

const PATIENCE: Duration = Duration::from_secs(60);
/// What an answer is longer than its question: some of them are more than a record of TLS.
const PADDING: usize = 3_000;

/// Says again what was said, at length.
fn echo(In(from): In<FromPlayer<String>>, mut outbox: ResMut<Outbox>) {
    let padding = "-".repeat(PADDING);
    outbox.to(from.player, &format!("{} {padding}", from.message));
}

/// A server with two threads for links; by TLS, if it is given files.
fn start(files: Option<&Files>) -> Running {
    let talk = |game: &mut Game| {
        game.rate(30).seats(4).message::<String>().on_message(echo);
    };
    let mut server = Server::new("talk", talk)
        .listen("127.0.0.1:0")
        .set("threads.io", "2");
    for (setting, name) in [("tls.cert", "cert.pem"), ("tls.key", "key.pem")] {
        if let Some(files) = files {
            server = server.set(setting, &files.path(name).to_string_lossy());
        }
    }
    server.start().unwrap_or_else(|error| panic!("{error}"))
}

/// A client of it, on its way into a room.
fn connect(files: Option<&Files>, port: u16) -> (Connection, RoomKey) {
    let scheme = if files.is_some() { "wss" } else { "ws" };
    let url = format!("{scheme}://localhost:{port}");
    let mut net = Connection::open(&url, ClientConfig::default())
        .unwrap()
        .with_link(LinkChoice::Only(LinkKind::WebSocket));
    if let Some(files) = files {
        let pem = std::fs::read(files.path("cert.pem")).unwrap();
        net = net.with_trusted(&pem).unwrap();
    }
    let room = net.client_mut().quick("talk", &[]);
    (net, room)
}

/// For each connection that a port has: the peer's port, and whether the system looks after it while nothing is said.
#[cfg(target_os = "linux")]
fn looked_after(port: u16) -> std::collections::BTreeMap<u16, bool> {
    const ESTABLISHED: &str = "01";
    const KEEPALIVE: &str = "02";
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the system's table of sockets");
    let port_of = |address: &str| {
        let (_, port) = address.split_once(':').expect("an address and a port");
        u16::from_str_radix(port, 16).expect("a port")
    };
    let mut all = std::collections::BTreeMap::new();
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, state, _, timer, ..] = columns[..] else {
            panic!("{line}");
        };
        if port_of(local) == port && state == ESTABLISHED {
            all.insert(port_of(remote), timer.starts_with(KEEPALIVE));
        }
    }
    all
}

/// A game's connection is set up when it becomes one (what to, the link's own test tells); one that has asked for nothing yet is as it came.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_system_looks_after_links_and_after_no_other_connection() {
    let files = Files::new("tuned");
    files.renew();
    for files in [None, Some(&files)] {
        let server = start(files);
        let port = server.local_addr().port();
        let (mut net, room) = connect(files, port);
        let deadline = now().plus(PATIENCE);
        loop {
            let stranger = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            let stranger = stranger.local_addr().unwrap().port();
            net.next_until(now().plus(Duration::from_millis(20))).await;
            let all = looked_after(port);
            assert_ne!(all.get(&stranger), Some(&true));
            if net.client().is_joined(room) && all.values().any(|looked_after| *looked_after) {
                break;
            }
            assert!(now() < deadline, "{all:?}");
        }
        server.stop();
    }
}

/// Connections go to the two threads in turn: each second link meets the other one, and goes to that of its session with all that TLS knows of it.
#[tokio::test]
async fn links_by_tls_go_to_the_thread_of_their_session_and_lose_nothing() {
    const RESUMES: u32 = 8;
    let files = Files::new("moves");
    files.renew();
    let server = start(Some(&files));
    let relay = Relay::to(&server.local_addr().to_string()).await;
    let (mut net, room) = connect(Some(&files), relay.address.port());
    let deadline = now().plus(PATIENCE);
    let (mut said, mut echoed, mut resumes, mut goal) = (0u32, 0u32, 0, 10);
    while resumes < RESUMES || echoed < goal {
        assert!(now() < deadline, "{resumes} resumes, {:?}", net.failure());
        if said < echoed + 8 && net.client().is_joined(room) {
            let text = message::encode(&said.to_string());
            let sent = net.client_mut().send(room, String::kind(), &text);
            said += u32::from(sent.is_ok());
        }
        match net.next_until(now().plus(Duration::from_millis(20))).await {
            Some(ClientEvent::Message { payload, .. }) => {
                let text: String = message::decode(&payload).expect("a text");
                assert_eq!(text.len(), echoed.to_string().len() + 1 + PADDING);
                assert!(text.starts_with(&format!("{echoed} ")));
                echoed += 1;
                if echoed == goal && resumes < RESUMES {
                    relay.cut_all();
                }
            }
            Some(ClientEvent::State(State::Away { .. })) => net.client_mut().reconnect(now()),
            Some(ClientEvent::Resumed) => (resumes, goal) = (resumes + 1, echoed + 10),
            Some(event @ (ClientEvent::Expired | ClientEvent::RoomAway { .. })) => {
                panic!("{event:?}")
            }
            _ => {}
        }
    }
    // Each was taken where it was meant to go: nobody had to come a second time.
    let counts = Counts::parse(&server.metrics());
    assert_eq!(
        counts.get("tickwire_links_opened_total"),
        1 + u64::from(RESUMES)
    );
    server.stop();
}
