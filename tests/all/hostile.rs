//! Hostile bytes into live sessions of a real server process: it ends them with a reason or counts a drop, and nobody else notices.

use std::time::Duration;

use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tickwire_proto::{ClientFrame, Reason, ServerFrame, Tick};
use tickwire_tests::{
    peer::{Heard, Peer, attach, hello, quick},
    process::{Served, binary},
};

/// Long enough for a server that closes at once, short enough to try hundreds of things.
const SOON: Duration = Duration::from_millis(60);

fn arena() -> Served {
    Served::start(
        &binary("arena"),
        &["--listen", "127.0.0.1:0", "--players", "4"],
    )
}

/// An honest player who is there the whole time.
struct Witness {
    peer: Peer,
    last: Tick,
}

impl Witness {
    async fn new(server: &Served) -> Self {
        let mut peer = Peer::open(server.address()).await;
        peer.attach().await;
        let (_, last) = peer.join().await;
        Self { peer, last }
    }

    /// Updates of ever newer ticks still come, and the server has not grown or panicked.
    async fn notices_nothing(&mut self, server: &Served) {
        for _ in 0..30 {
            let last = self.last;
            self.last = self
                .peer
                .until("updates", |frame| match frame {
                    ServerFrame::Update { tick, .. } => Some(*tick),
                    _ => None,
                })
                .await;
            assert!(self.last > last, "ticks go on");
            // Receipts, as an honest client gives them.
            self.peer
                .say(
                    ClientFrame::Receipts {
                        received: vec![],
                        held: vec![(1, self.last)],
                    }
                    .encode(),
                )
                .await;
        }
        let log = server.log();
        assert!(!log.contains("panicked"), "{log}");
        assert!(server.memory() < 256 << 20, "{} bytes", server.memory());
    }
}

/// Every kind of frame that a client may say, valid in a room with that number.
fn frames(room: u32, now: Tick) -> Vec<Bytes> {
    vec![
        hello(),
        attach(),
        quick(),
        ClientFrame::Command {
            room,
            held: now,
            tick: now.plus(4),
            payload: &[0, 0, 0],
        }
        .encode(),
        ClientFrame::Message {
            room,
            channel: 0,
            kind: 7,
            payload: b"hi",
        }
        .encode(),
        ClientFrame::Volatile {
            room,
            channel: 0,
            kind: 7,
            payload: b"hi",
        }
        .encode(),
        ClientFrame::Receipts {
            received: vec![(0, 0)],
            held: vec![(room, now)],
        }
        .encode(),
        ClientFrame::Report { room, age_ms: 20 }.encode(),
        ClientFrame::Ping { nonce: 9 }.encode(),
        ClientFrame::Lobby {
            request: 2,
            attachment: 0,
            kind: "",
        }
        .encode(),
        ClientFrame::KeyframeWanted { room, area: 0 }.encode(),
        ClientFrame::Leave { room }.encode(),
    ]
}

#[tokio::test]
async fn truncated_frames_end_a_session_or_are_counted() {
    let server = arena();
    let mut witness = Witness::new(&server).await;
    for joined in [false, true] {
        for index in 0..frames(1, Tick(0)).len() {
            let length = frames(1, Tick(9))[index].len();
            for cut in 0..length {
                let (mut peer, room, now) = peer(&server, joined).await;
                let frame = frames(room, now)[index].clone();
                if cut >= frame.len() {
                    continue;
                }
                peer.say(frame.slice(..cut)).await;
                expect_reason_or_life(&mut peer).await;
            }
        }
    }
    witness.notices_nothing(&server).await;
}

#[tokio::test]
async fn flipped_and_random_bytes_end_a_session_or_are_counted() {
    let server = arena();
    let mut witness = Witness::new(&server).await;
    let mut random = SmallRng::seed_from_u64(7);
    for round in 0..240 {
        let (mut peer, room, now) = peer(&server, round % 2 == 1).await;
        let valid = frames(room, now);
        for _ in 0..8 {
            let mut bytes = match random.random_range(0..3) {
                0 => (0..random.random_range(0..200))
                    .map(|_| random.random())
                    .collect::<Vec<u8>>(),
                _ => valid[random.random_range(0..valid.len())].to_vec(),
            };
            if let Some(at) = (!bytes.is_empty()).then(|| random.random_range(0..bytes.len())) {
                bytes[at] ^= 1 << random.random_range(0..8);
            }
            peer.say(bytes).await;
        }
        expect_reason_or_life(&mut peer).await;
    }
    witness.notices_nothing(&server).await;
}

#[tokio::test]
async fn what_is_too_large_unknown_or_too_early_is_a_violation() {
    let server = arena();
    let mut witness = Witness::new(&server).await;
    let unknown = Bytes::from_static(&[0x7f, 1, 2, 3]);
    let command = frames(1, Tick(1))[3].clone();
    let cases: [(&str, bool, Vec<Bytes>, &[u16]); 6] = [
        ("unknown frame", true, vec![unknown.clone()], &[1008]),
        ("unknown frame before hello", false, vec![unknown], &[1008]),
        (
            "game frame before attach",
            false,
            vec![hello(), command],
            &[1008],
        ),
        ("a second attach", true, vec![attach()], &[1008]),
        (
            "oversized",
            true,
            vec![Bytes::from(vec![0x07; 1 << 20])],
            &[1008, 1009],
        ),
        (
            "another version",
            false,
            vec![Bytes::from_static(&[0x01, 0x7f, 0])],
            &[4400, 1008],
        ),
    ];
    for (what, joined, said, codes) in cases {
        let mut peer = if joined {
            peer(&server, true).await.0
        } else {
            Peer::open(server.address()).await
        };
        for bytes in said {
            peer.say(bytes).await;
        }
        let code = peer
            .end(Duration::from_secs(5))
            .await
            .unwrap_or_else(|| panic!("{what}: still open"));
        assert!(
            code.is_none_or(|code| codes.contains(&code)),
            "{what}: closed with {code:?}"
        );
    }
    witness.notices_nothing(&server).await;
}

#[tokio::test]
async fn a_flood_is_a_violation_and_commands_have_a_bucket_of_their_own() {
    let server = arena();
    let mut witness = Witness::new(&server).await;
    let (mut peer, room, now) = peer(&server, true).await;
    for i in 0..2_000_u32 {
        peer.say(
            ClientFrame::Command {
                room,
                held: now,
                tick: now.plus(i),
                payload: &[0, 0],
            }
            .encode(),
        )
        .await;
    }
    for nonce in 0..2_000 {
        peer.say(ClientFrame::Ping { nonce }.encode()).await;
    }
    let code = peer
        .end(Duration::from_secs(5))
        .await
        .expect("a flood is not served for ever");
    assert!(code.is_none_or(|code| code == 1008), "{code:?}");
    witness.notices_nothing(&server).await;
}

#[test]
fn wrong_usage_is_one_line_that_says_what_to_do_and_exit_code_2() {
    let program = binary("arena");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (args, code, advice) in [
        (
            vec!["--listen", &taken],
            "PortInUse",
            "--listen 127.0.0.1:0",
        ),
        (
            vec!["--listen", "127.0.0.1:0", "--map", "no/such/map.json"],
            "MapMissing",
            "--map",
        ),
        (vec!["--lisen", "127.0.0.1:0"], "--lisen", "--help"),
        (vec!["--listen", "nowhere at all"], "--listen", "nowhere"),
    ] {
        let out = std::process::Command::new(&program)
            .args(&args)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{args:?}: {said}");
        assert!(out.stdout.is_empty(), "{args:?}");
        assert!(
            said.contains(code) && said.contains(advice),
            "{args:?}: {said}"
        );
        assert_eq!(said.trim_end().lines().count(), 1, "{args:?}: {said}");
    }
}

/// A fresh peer: attached and in a room, or with nothing but a link and perhaps a hello.
async fn peer(server: &Served, joined: bool) -> (Peer, u32, Tick) {
    let mut peer = Peer::open(server.address()).await;
    if !joined {
        return (peer, 1, Tick(0));
    }
    peer.attach().await;
    let (room, tick) = peer.join().await;
    (peer, room, tick)
}

/// After anything at all: closed for one of the listed reasons, or still served.
async fn expect_reason_or_life(peer: &mut Peer) {
    for _ in 0..400 {
        match peer.hear(SOON).await {
            Heard::Closed(code) => {
                let known = code.is_none_or(|code| {
                    (1000..=1011).contains(&code) || Reason::from_close_code(code).is_some()
                });
                assert!(known, "closed with {code:?}");
                return;
            }
            Heard::Frame(bytes) => {
                ServerFrame::decode(&bytes).expect("the server speaks its own protocol");
            }
            Heard::Silence => return,
        }
    }
}
