//! The real-time layer over real sockets: what a reliable message and a request cost, what an idle session holds, and a broadcast against the raw loop.
//! The server and the clients are processes of their own.

use std::{cell::Cell, process::ExitCode, rc::Rc, time::Duration};

use bevy_ecs::prelude::*;
use serde::{Deserialize, Serialize};
use tickwire::prelude::*;
use tickwire_benches::row::Row;
use tickwire_client::{ASK_TIMEOUT, ClientConfig, ClientEvent, RoomKey};
use tickwire_net::{client::Connection, now};
use tickwire_snapshot::message::{self, Message, Request};

use crate::{
    cpu,
    fanout::{Process, raw_cost},
};

/// Sessions that talk, in rooms of fifty.
const TALKERS: usize = 200;
/// Sessions that are only there.
const IDLE: usize = 4_000;
/// Members of the room that is told things.
const CROWD: u16 = 1_000;
/// Bytes of a broadcast.
const BROADCAST: usize = 200;

pub fn rows(seconds: u64, print: &mut dyn FnMut(Row)) {
    // Each as fast as it may, then with little to do: what it costs, and how long it takes.
    for (id, how) in [("RT1", "talk"), ("RT2", "ask")] {
        let (full, calm) = (exchanged(how, 64, seconds), exchanged(how, 0, seconds));
        let a_second = full.count as f64 / seconds as f64;
        let note = format!(
            "server CPU for one there and one back, {TALKERS} sessions: {:.0} a second and core each way; {a_second:.0}/s beside the clients on one machine, p50 {:.1}, p99 {:.1} ms; at {:.0}/s p50 {:.1}, p99 {:.1} ms",
            1e6 / full.server_us,
            full.p50_ms,
            full.p99_ms,
            calm.count as f64 / seconds as f64,
            calm.p50_ms,
            calm.p99_ms,
        );
        let row = Row::new(id, full.server_us, "us", note);
        // 100,000 each way a second on one core; of requests, one a write, nothing is asked.
        print(if how == "talk" {
            row.goals(10.0, 5.0)
        } else {
            row
        });
    }
    print(idle());
    print(broadcast(seconds));
}

/// What came back.
#[derive(Default, Serialize, Deserialize)]
struct Counted {
    count: u64,
    p50_ms: f64,
    p99_ms: f64,
    #[serde(default)]
    server_us: f64,
}

fn exchanged(how: &str, ahead: u32, seconds: u64) -> Counted {
    let mut server = Process::start(&["rt-server"]);
    let url = server.line();
    let (talkers, ahead) = (TALKERS.to_string(), ahead.to_string());
    let mut swarm = Process::start(&["rt-clients", &url, &talkers, how, &ahead]);
    assert_eq!(swarm.line(), "ready", "the clients joined");
    let before = cpu::of_process(server.id());
    swarm.say("go");
    std::thread::sleep(Duration::from_secs(seconds));
    swarm.say("stop");
    let spent = cpu::of_process(server.id()) - before;
    let counted: Counted = serde_json::from_str(&swarm.line()).expect("the clients' counts");
    Counted {
        server_us: spent.as_secs_f64() * 1e6 / counted.count.max(1) as f64,
        ..counted
    }
}

fn idle() -> Row {
    let mut server = Process::start(&["rt-server"]);
    let url = server.line();
    let rss = |server: &Process| cpu::rss_of(server.id()) as f64 / 1024.0;
    let mut a_few = Process::start(&["rt-clients", &url, "200", "attach", "0"]);
    assert_eq!(a_few.line(), "ready", "the first ones are there");
    let before = rss(&server);
    let mut swarm = Process::start(&["rt-clients", &url, &IDLE.to_string(), "attach", "0"]);
    assert_eq!(swarm.line(), "ready", "all are there");
    let each = (rss(&server) - before) / IDLE as f64;
    let note = format!(
        "RSS of the server for each of {IDLE} attached sessions beyond 200, kernel's memory apart"
    );
    Row::new("F7", each, "KiB", note).goals(24.0, 10.0)
}

/// The median of three: a machine that is shared has better and worse seconds.
fn broadcast(seconds: u64) -> Row {
    let mut all = [(); 3].map(|()| broadcast_once(seconds));
    all.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
    let each: Vec<String> = all
        .iter()
        .map(|one| format!("{:.2}", one.ratio()))
        .collect();
    let one = &all[1];
    let note = format!(
        "{:.1} us of server CPU a member and broadcast of {BROADCAST} B, receipts included, raw send {:.1} / {:.1} us; {CROWD} members, {:.1}/s each; the median of {}",
        one.each,
        one.raw[0],
        one.raw[1],
        one.rate,
        each.join(", ")
    );
    Row::new("RT3", one.ratio(), "x send", note).goals(1.6, 1.25)
}

/// Microseconds of server CPU for a member and broadcast, and of a raw send just before and just after.
struct Told {
    each: f64,
    raw: [f64; 2],
    /// Broadcasts a second.
    rate: f64,
}

impl Told {
    fn ratio(&self) -> f64 {
        self.each / f64::midpoint(self.raw[0], self.raw[1])
    }
}

fn broadcast_once(seconds: u64) -> Told {
    let before_it = raw_cost(CROWD, BROADCAST, seconds / 2, false);
    let mut server = Process::start(&["rt-server"]);
    let url = server.line();
    let mut swarm = Process::start(&["rt-clients", &url, &CROWD.to_string(), "listen", "0"]);
    assert_eq!(swarm.line(), "ready", "the clients joined");
    let before = cpu::of_process(server.id());
    swarm.say("go");
    std::thread::sleep(Duration::from_secs(seconds));
    swarm.say("stop");
    let spent = cpu::of_process(server.id()) - before;
    let counted: Counted = serde_json::from_str(&swarm.line()).expect("the clients' counts");
    drop((swarm, server));
    let after_it = raw_cost(CROWD, BROADCAST, seconds / 2, false);
    Told {
        each: spent.as_secs_f64() * 1e6 / counted.count.max(1) as f64,
        raw: [before_it, after_it],
        rate: counted.count as f64 / f64::from(CROWD) / seconds as f64,
    }
}

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Note {
    /// When it was said, in microseconds.
    at: u64,
}

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Query {
    at: u64,
}

impl Request for Query {
    type Reply = Note;
}

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct News {
    #[net(max = 256)]
    text: String,
}

fn talk(game: &mut Game) {
    fn echo(In(from): In<FromPlayer<Note>>, mut outbox: ResMut<Outbox>) {
        outbox.to(from.player, &from.message);
    }
    fn answer(In(from): In<FromPlayer<Query>>) -> Result<Note, Refusal> {
        let at = from.message.at;
        Ok(Note { at })
    }
    game.on_demand().rate(200).seats(50).message::<Note>();
    game.on_message(echo).on_request(answer);
}

fn crowd(game: &mut Game) {
    game.rate(30).seats(CROWD.into()).message::<News>();
    game.systems(|mut outbox: ResMut<Outbox>| {
        let text = "x".repeat(BROADCAST - 16);
        outbox.all(&News { text });
    });
}

/// What a child process of the report does; `None`: it is another part's.
pub fn child(args: &[String]) -> Option<ExitCode> {
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["rt-server"] => serve(),
        ["rt-clients", url, clients, how, ahead] => {
            let number = |text: &str| text.parse().expect("a number");
            swarm(url, number(clients), how, number(ahead) as u32);
        }
        _ => return None,
    }
    Some(ExitCode::SUCCESS)
}

fn serve() {
    let server = Server::new("talk", talk).kind("crowd", crowd);
    let running = server
        .listen("127.0.0.1:0")
        .set("limits.messages_per_s", "1000000")
        .set("limits.bytes_per_s", "100000000")
        .start()
        .expect("a server starts on a free port");
    println!("ws://{}", running.local_addr());
    // Until the parent goes.
    let _ = std::io::stdin().lines().next();
    running.stop();
}

/// What all clients of the process share.
#[derive(Default)]
struct Swarm {
    ready: Cell<usize>,
    goes: Cell<bool>,
    /// Of each that came back while it went: microseconds.
    took: std::cell::RefCell<Vec<u32>>,
}

fn swarm(url: &str, clients: usize, how: &str, ahead: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    let state: Rc<Swarm> = Rc::default();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        for _ in 0..clients {
            let one = Client::new(url, how, ahead);
            tokio::task::spawn_local(one.run(state.clone()));
            // A ramp: a thousand handshakes at once are another figure.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        while state.ready.get() < clients {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        println!("ready");
        order().await;
        state.goes.set(true);
        order().await;
        state.goes.set(false);
        let mut took = state.took.take();
        took.sort_unstable();
        let at = |share: usize| took.get(took.len() * share / 100).copied().unwrap_or(0);
        let counted = Counted {
            count: took.len() as u64,
            p50_ms: f64::from(at(50)) / 1e3,
            p99_ms: f64::from(at(99)) / 1e3,
            server_us: 0.0,
        };
        println!(
            "{}",
            serde_json::to_string(&counted).expect("plain numbers")
        );
        order().await; // the parent ends it
    });
}

/// One line from the parent.
pub async fn order() {
    let (sent, line) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        sent.send(read.is_ok())
    });
    let _ = line.await;
}

struct Client {
    net: Connection,
    room: Option<RoomKey>,
    asks: bool,
    ahead: u32,
    under_way: u32,
}

impl Client {
    fn new(url: &str, how: &str, ahead: u32) -> Client {
        let mut net = Connection::open(url, ClientConfig::default()).expect("our own address");
        let kind = match how {
            "attach" => None,
            "listen" => Some("crowd"),
            _ => Some("talk"),
        };
        Client {
            room: kind.map(|kind| net.client_mut().quick(kind, &[])),
            net,
            asks: how == "ask",
            ahead,
            under_way: 0,
        }
    }

    async fn run(mut self, swarm: Rc<Swarm>) {
        // As many as come back, or one after a pause: requests are limited to 32 a second for each session.
        let paced = self.asks || self.ahead == 0;
        let pause = if self.ahead == 0 { 250 } else { 40 };
        loop {
            let soon = now().plus(Duration::from_millis(pause));
            let event = self.net.next_until(soon).await;
            match &event {
                Some(ClientEvent::Attached { .. }) if self.room.is_none() => {
                    swarm.ready.set(swarm.ready.get() + 1);
                }
                Some(ClientEvent::Joined { .. }) => swarm.ready.set(swarm.ready.get() + 1),
                Some(ClientEvent::Message { kind, payload, .. }) => {
                    let note = (*kind == Note::kind()).then(|| message::decode::<Note>(payload));
                    let at = note.map(|note| note.expect("what was said").at);
                    self.heard(&swarm, at.unwrap_or(now().0));
                }
                Some(ClientEvent::Reply { outcome, .. }) => {
                    let tickwire_proto::frame::AskOutcome::Done(payload) = outcome else {
                        panic!("a request failed: {outcome:?}");
                    };
                    let note: Note = message::decode(payload).expect("a reply");
                    self.heard(&swarm, note.at);
                }
                Some(ClientEvent::SessionEnded { message, .. }) => panic!("{message}"),
                _ => {}
            }
            if swarm.goes.get() && (!paced || event.is_none()) {
                self.say(if paced { 1 } else { self.ahead });
            }
        }
    }

    fn heard(&mut self, swarm: &Swarm, at: u64) {
        self.under_way = self.under_way.saturating_sub(1);
        if swarm.goes.get() {
            let took = now().0.saturating_sub(at);
            swarm.took.borrow_mut().push(took as u32);
        }
    }

    fn say(&mut self, most: u32) {
        let Some(room) = self.room else { return };
        while self.under_way < most {
            let at = now().0;
            let client = self.net.client_mut();
            let said = if self.asks {
                let query = Query { at };
                client.ask_for(now(), room, &query, ASK_TIMEOUT).is_ok()
            } else {
                let note = message::encode(&Note { at });
                client.send(room, Note::kind(), &note).is_ok()
            };
            if !said {
                return;
            }
            self.under_way += 1;
        }
    }
}
