//! Hostile bytes into live sessions: each ends with a reason or is a counted drop, the room's state stays, and nobody else notices.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tickwire::prelude::Server;
use tickwire_client::{ClientConfig, ClientEvent, State};
use tickwire_net::{Running, client::Connection, now};
use tickwire_proto::{ClientFrame, Reason, ServerFrame, Tick, frame::Limits};
use tickwire_snapshot::AreaId;
use tickwire_tests::{
    metrics::{self, Counts},
    peer::{Fate, Peer, attach, hello, quick},
    process::{Served, binary},
};

use crate::games;

const PATIENCE: Duration = Duration::from_secs(30);

/// A server process with a game in which something happens all the time. It waits for nobody whose link is lost.
fn arena() -> Served {
    Served::start(
        &binary("arena"),
        &[
            "--listen",
            "127.0.0.1:0",
            "--players",
            "4",
            "--set",
            "resume_ms=0",
            "--set",
            "threads.io=1",
        ],
    )
}

/// A server in this process, with a game in which nothing happens unless somebody makes it happen.
fn dots() -> Running {
    let server = Server::new("hello", games::hello).listen("127.0.0.1:0");
    let server = server.set("resume_ms", "0").set("threads.io", "1").start();
    server.unwrap_or_else(|error| panic!("{error}"))
}

/// An honest player who is there the whole time, in a task of its own.
struct Witness {
    seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

/// What it sees.
#[derive(Debug, Default)]
struct Seen {
    tick: Tick,
    members: usize,
    /// Of each dot, where it is.
    dots: Vec<(f64, f64)>,
    /// What an honest player should never hear.
    trouble: Vec<String>,
}

impl Witness {
    async fn new(url: &str) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut net = Connection::open(url, ClientConfig::default()).unwrap();
        let room = net.client_mut().quick("", &[]);
        let task = tokio::spawn({
            let seen = seen.clone();
            async move {
                loop {
                    let event = net.next().await;
                    let mut seen = locked(&seen);
                    match event {
                        ClientEvent::Fault { .. }
                        | ClientEvent::RoomEnded { .. }
                        | ClientEvent::RoomAway { .. }
                        | ClientEvent::JoinRefused { .. }
                        | ClientEvent::State(State::Away { .. } | State::Ended { .. }) => {
                            seen.trouble.push(format!("{event:?}"));
                        }
                        _ => {}
                    }
                    let Some(view) = net.client().view(room) else {
                        continue;
                    };
                    seen.members = view.members().len();
                    let Some((tick, area)) = view.newest(AreaId::ALL) else {
                        continue;
                    };
                    seen.tick = tick;
                    if let Some(dot) = area.schema().component("Dot") {
                        let field = |name| area.schema().components[dot].field(name).unwrap();
                        let number =
                            |slot, name| area.number(dot, slot, field(name)).unwrap_or(f64::NAN);
                        let places = area.rows(dot);
                        seen.dots = places
                            .map(|slot| (number(slot, "x"), number(slot, "y")))
                            .collect();
                    }
                }
            }
        });
        let witness = Self { seen, task };
        witness.until("it is in", |seen| seen.members > 0).await;
        witness
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        locked(&self.seen)
    }

    async fn until(&self, what: &str, wanted: impl Fn(&Seen) -> bool) {
        let deadline = now().plus(PATIENCE);
        while !wanted(&self.seen()) {
            assert!(now() < deadline, "{what}: {:?}", self.seen());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Everybody else has gone, it was never in trouble, and this is what was counted.
    async fn is_alone(&self, address: &str) -> Counts {
        self.until("the others go", |seen| seen.members == 1).await;
        let counts = metrics::settled(address, 1).await;
        assert_eq!(
            counts.get("tickwire_sessions"),
            2,
            "it, and who was sent to ask"
        );
        assert_eq!(self.seen().trouble, Vec::<String>::new());
        counts
    }

    /// The room goes on, the server has neither panicked nor grown.
    async fn notices_nothing(&self, server: &Served) -> Counts {
        let last = self.seen().tick;
        self.until("the room goes on", |seen| seen.tick > last.plus(60))
            .await;
        let counts = self.is_alone(server.address()).await;
        assert_eq!(counts.get("tickwire_rooms_failed_total"), 0);
        let log = server.log();
        assert!(!log.contains("panicked"), "{log}");
        assert!(server.memory() < 256 << 20, "{} bytes", server.memory());
        counts
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
            shown: None,
            payload: &[0xff; 3],
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

/// A violation that was told by a frame, before the link was closed by its code.
const VIOLATION: Fate = Fate::Ended {
    reason: Reason::Violation,
    told: true,
};

/// Nothing happens in this room: what moves a dot, was heard.
#[tokio::test]
async fn truncated_frames_end_a_session_or_are_counted() {
    let server = dots();
    let address = server.local_addr().to_string();
    let witness = Witness::new(&server.url()).await;
    let before = Counts::of(&address).await;
    let mut lived = Vec::new();
    for index in 0..frames(1, Tick(0)).len() {
        for cut in 0.. {
            let (mut peer, room, now) = peer(&address, true).await;
            let frame = frames(room, now)[index].clone();
            if cut >= frame.len() {
                break;
            }
            peer.say(frame.slice(..cut)).await;
            match peer.fate(true).await {
                Fate::Lives => {
                    // Its last part is the game's: what is shorter is another one, for the game to refuse.
                    assert!(
                        matches!(
                            ClientFrame::decode(&frame[..cut]),
                            Ok(ClientFrame::Command { .. }
                                | ClientFrame::Message { .. }
                                | ClientFrame::Volatile { .. })
                        ),
                        "{frame:?} cut at {cut} was taken"
                    );
                    // It stays until all is counted, so that what it said does not come too late.
                    lived.push(peer);
                }
                ended => assert_eq!(ended, VIOLATION, "{frame:?} cut at {cut}"),
            }
        }
        // The same on a link that has said nothing yet. No ping: that alone would end it.
        let frame = frames(1, Tick(9))[index].clone();
        for cut in 0..frame.len() {
            let mut peer = Peer::open(&address).await;
            peer.say(frame.slice(..cut)).await;
            let fate = peer.fate(false).await;
            assert_eq!(fate, VIOLATION, "{frame:?} cut at {cut}, first of all");
        }
    }
    // Each that was no violation was dropped, once.
    let wanted = before.dropped() + lived.len() as u64;
    metrics::until(&address, "all that is dropped is counted", |counts| {
        counts.dropped() >= wanted
    })
    .await;
    drop(lived);
    assert!(witness.is_alone(&address).await.dropped() >= wanted);
    witness.has_seen_nobody_move();
    server.stop();
}

impl Witness {
    /// Its own dot is where it began.
    fn has_seen_nobody_move(&self) {
        assert_eq!(self.seen().dots, [(400.0, 300.0)]);
    }
}

#[tokio::test]
async fn flipped_and_random_bytes_end_a_session_or_are_counted() {
    let server = arena();
    let witness = Witness::new(&server.url).await;
    let mut random = SmallRng::seed_from_u64(7);
    let mut ended = 0;
    for round in 0..240 {
        let joined = round % 2 == 1;
        let (mut peer, room, now) = peer(server.address(), joined).await;
        let valid = frames(room, now);
        let mut said = Vec::new();
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
            said.push(bytes.clone());
            peer.say(bytes).await;
        }
        let broken = |bytes: &Vec<u8>| ClientFrame::decode(bytes).is_err();
        let no_hello =
            |bytes: &Vec<u8>| !matches!(ClientFrame::decode(bytes), Ok(ClientFrame::Hello { .. }));
        // One broken frame is enough, and so is a first one that is no hello.
        let must_end = said.iter().any(broken) || (!joined && no_hello(&said[0]));
        let fate = peer.fate(!must_end).await;
        match fate {
            Fate::Lives => assert!(!must_end, "{said:?} was taken"),
            Fate::Ended { reason, told } => {
                let fitting = [Reason::Violation, Reason::Version, Reason::Left];
                assert!(told && fitting.contains(&reason), "{said:?}: {fate:?}");
                ended += 1;
            }
        }
    }
    assert!(ended > 200, "{ended} of 240 were ended");
    witness.notices_nothing(&server).await;
}

#[tokio::test]
async fn what_is_too_large_unknown_or_too_early_is_a_violation() {
    let server = arena();
    let address = server.address();
    let witness = Witness::new(&server.url).await;
    let unknown = Bytes::from_static(&[0x7f, 1, 2, 3]);
    let message = |len: usize| {
        ClientFrame::Message {
            room: 1,
            channel: 0,
            kind: 7,
            payload: &vec![0; len],
        }
        .encode()
    };
    let mut cases: Vec<(String, bool, Vec<Bytes>, Reason)> = vec![
        (
            "unknown".into(),
            true,
            vec![unknown.clone()],
            Reason::Violation,
        ),
        (
            "unknown before hello".into(),
            false,
            vec![unknown],
            Reason::Violation,
        ),
        (
            "a second hello".into(),
            true,
            vec![hello()],
            Reason::Violation,
        ),
        (
            "a second attach".into(),
            true,
            vec![attach()],
            Reason::Violation,
        ),
        (
            "a long message".into(),
            true,
            vec![message(Limits::default().message_max as usize + 1)],
            Reason::Violation,
        ),
        (
            "oversized".into(),
            true,
            vec![message(40_000)],
            Reason::Violation,
        ),
        (
            "oversized before hello".into(),
            false,
            vec![message(40_000)],
            Reason::Violation,
        ),
        (
            "another version".into(),
            false,
            vec![Bytes::from_static(&[0x01, 0x7f, 0])],
            Reason::Version,
        ),
    ];
    for frame in frames(1, Tick(1)) {
        let parsed = ClientFrame::decode(&frame).unwrap();
        if !matches!(
            parsed,
            ClientFrame::Hello { .. } | ClientFrame::Attach { .. } | ClientFrame::Ping { .. }
        ) {
            let name = parsed.name();
            let early = vec![hello(), frame.clone()];
            cases.push((
                format!("{name} before attach"),
                false,
                early,
                Reason::Violation,
            ));
        }
    }
    for (what, joined, said, reason) in cases {
        let mut peer = peer(address, joined).await.0;
        for bytes in said {
            peer.say(bytes).await;
        }
        let fate = peer.fate(false).await;
        assert_eq!(fate, Fate::Ended { reason, told: true }, "{what}");
    }
    witness.notices_nothing(&server).await;
}

/// A peer in a room of 30 ticks a second, and how many commands it may say at once.
async fn commander(address: &str) -> (Commander, u32) {
    // A quarter more than one a tick, for as long as a dead link may hold them back.
    let per_s = 1_250_000 / (1_000_000 / 30);
    let commander = Commander::new(address).await;
    (commander, per_s * (Limits::default().dead_ms / 1000 + 1))
}

struct Commander {
    peer: Peer,
    room: u32,
    held: Tick,
}

impl Commander {
    /// It has heard an update, so that it may say what it holds.
    async fn new(address: &str) -> Self {
        let (mut peer, room, _) = peer(address, true).await;
        let update = peer.until("an update", |frame| match frame {
            ServerFrame::Update { tick, .. } => Some(*tick),
            _ => None,
        });
        let held = update.await;
        Self { peer, room, held }
    }

    /// So many, each for a tick of its own.
    async fn commands(&mut self, count: u32) {
        for ahead in 0..count {
            let frame = ClientFrame::Command {
                room: self.room,
                held: self.held,
                tick: self.held.plus(ahead),
                shown: None,
                payload: &[0],
            };
            self.peer.say(frame.encode()).await;
        }
    }
}

async fn pings(peer: &mut Peer, count: u32) {
    for nonce in 0..count {
        peer.say(ClientFrame::Ping { nonce }.encode()).await;
    }
}

#[tokio::test]
async fn commands_have_a_bucket_of_their_own() {
    let server = dots();
    let address = server.local_addr().to_string();
    let witness = Witness::new(&server.url()).await;
    let frames_at_once = 2 * Limits::default().messages_per_s;
    let over_rate = "tickwire_dropped_total{what=\"commands_over_rate\"}";

    // As many commands as the room allows, and then nearly all other frames that a session may say at once: that is no flood.
    let (mut honest, commands) = commander(&address).await;
    assert!(
        commands > frames_at_once,
        "they would not fit into the other bucket"
    );
    honest.commands(commands).await;
    pings(&mut honest.peer, frames_at_once - 20).await;
    assert_eq!(honest.peer.fate(true).await, Fate::Lives);
    drop(honest);
    assert_eq!(witness.is_alone(&address).await.get(over_rate), 0);

    // Some more commands than that: those are dropped and counted, at the cost of the other bucket.
    let (mut eager, commands) = commander(&address).await;
    eager.commands(commands + frames_at_once / 2).await;
    assert_eq!(eager.peer.fate(true).await, Fate::Lives);
    drop(eager);
    let dropped = witness.is_alone(&address).await.get(over_rate);
    assert!(
        (1..=u64::from(frames_at_once / 2)).contains(&dropped),
        "{dropped}"
    );
    witness.has_seen_nobody_move();
    server.stop();
}

#[tokio::test]
async fn a_flood_is_a_violation() {
    let server = arena();
    let witness = Witness::new(&server.url).await;
    let told = Fate::Ended {
        reason: Reason::Violation,
        told: true,
    };
    // A bucket is filled while the flood comes: so many that the slowest machine does not send them in its time.
    let (mut peer, _, _) = self::peer(server.address(), true).await;
    pings(&mut peer, 3_000).await;
    assert_eq!(peer.fate(false).await, told, "pings");
    let mut commander = Commander::new(server.address()).await;
    commander.commands(6_000).await;
    assert_eq!(commander.peer.fate(false).await, told, "commands");
    let counts = witness.notices_nothing(&server).await;
    let violations = counts.get("tickwire_sessions_ended_total{reason=\"Violation\"}");
    assert_eq!(violations, 2);
    assert!(
        counts.get("tickwire_dropped_total{what=\"commands_over_rate\"}") > 0,
        "commands over the room's rate are dropped before the flood is one"
    );
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

/// A fresh peer: attached and in a room, or with nothing but a link.
async fn peer(address: &str, joined: bool) -> (Peer, u32, Tick) {
    let mut peer = Peer::open(address).await;
    if !joined {
        return (peer, 1, Tick(0));
    }
    peer.attach().await;
    let (room, tick) = peer.join().await;
    (peer, room, tick)
}
