//! F1a and F1b: the server's CPU time for a delivered update over real sockets, against the raw loop of sends before and after it.
//! The server, the clients and the raw loop's other end are processes of their own, so that each one's CPU time is told apart.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tickwire::prelude::*;
use tickwire_benches::{game::workload, row::Row};
use tickwire_client::{ClientConfig, ClientEvent, RoomKey};
use tickwire_net::client::Connection;
use tickwire_snapshot::OwnedRow;
use tickwire_workload::Config;

use crate::{cpu, raw};

const HZ: u32 = 30;
/// Entities that make updates of about 200 bytes.
const PLAYERS: u32 = 28;
const NPCS: u32 = 400;

/// F1a, or with `commands` F1b.
pub fn row(id: &str, commands: bool, clients: u16, seconds: u64) -> Row {
    let before = raw_cost(clients, 200, seconds / 2, commands);
    let run = delivered(clients, seconds, commands);
    let size_then = (run.bytes / run.updates.max(1)) as usize;
    let after = raw_cost(clients, size_then, seconds / 2, commands);
    let raw = f64::midpoint(before, after);
    let (what, unit, top) = match commands {
        true => ("send + recv", "x send+recv", 1.3),
        false => ("send", "x send", 1.25),
    };
    let note = format!(
        "{:.1} us of server CPU an update of {size_then} B, raw {what} {before:.1} / {after:.1} us; {} clients, {:.1} updates/s each, {} failed; client CPU {:.1} s",
        run.server_us,
        clients,
        run.updates as f64 / f64::from(clients) / seconds as f64,
        run.failed,
        run.client_s,
    );
    Row::new(id, run.server_us / raw, unit, note).goals(1.6, top)
}

struct Delivered {
    updates: u64,
    bytes: u64,
    failed: u64,
    server_us: f64,
    client_s: f64,
}

fn delivered(clients: u16, seconds: u64, commands: bool) -> Delivered {
    let mut server = Process::start(&["server", &clients.to_string()]);
    let url = server.line();
    let mut swarm = Process::start(&[
        "clients",
        &url,
        &clients.to_string(),
        if commands { "commands" } else { "silent" },
    ]);
    assert_eq!(swarm.line(), "ready", "the clients joined");
    let cpu_before = cpu::of_process(server.child.id());
    let client_before = cpu::of_process(swarm.child.id());
    swarm.say("go");
    std::thread::sleep(Duration::from_secs(seconds));
    swarm.say("stop");
    let counted: Counted = serde_json::from_str(&swarm.line()).expect("the clients' counts");
    let spent = cpu::of_process(server.child.id()) - cpu_before;
    let client = cpu::of_process(swarm.child.id()) - client_before;
    Delivered {
        updates: counted.updates,
        bytes: counted.bytes,
        failed: counted.failed,
        server_us: spent.as_secs_f64() * 1e6 / counted.updates.max(1) as f64,
        client_s: client.as_secs_f64(),
    }
}

/// Microseconds of CPU for one raw send (and receive).
pub fn raw_cost(clients: u16, size: usize, seconds: u64, receive: bool) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener
        .local_addr()
        .expect("a bound socket has an address")
        .to_string();
    let _sink = Process::start(&[
        "sink",
        &address,
        &clients.to_string(),
        if receive { "commands" } else { "silent" },
    ]);
    let mut sockets = raw::accept(&listener, usize::from(clients));
    raw::cost(&mut sockets, size, HZ, seconds.max(2), receive).as_secs_f64() * 1e6
}

#[derive(Default, Serialize, Deserialize)]
struct Counted {
    updates: u64,
    bytes: u64,
    failed: u64,
}

/// What a child process of the report does.
pub fn child(args: &[String]) -> ExitCode {
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server", clients] => serve(clients.parse().expect("a number")),
        ["clients", url, clients, how] => {
            swarm(url, clients.parse().expect("a number"), how == "commands")
        }
        ["sink", address, clients, how] => sink(
            address,
            clients.parse().expect("a number"),
            how == "commands",
        ),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

fn serve(clients: u32) {
    let game = workload(Config::sized(PLAYERS, NPCS, 1), clients);
    let running = Server::new("fanout", game)
        .listen("127.0.0.1:0")
        .set("limits.per_address", &(clients + 16).to_string())
        .start()
        .expect("a server starts on a free port");
    println!("ws://{}", running.local_addr());
    // Until the parent goes.
    let _ = std::io::stdin().lines().next();
    running.stop();
}

fn swarm(url: &str, clients: usize, commands: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    let tasks = tokio::task::LocalSet::new();
    let state = std::rc::Rc::new(Swarm::default());
    tasks.block_on(&runtime, async {
        for index in 0..clients {
            tokio::task::spawn_local(bot(url.to_owned(), index as u64, commands, state.clone()));
            // A ramp: a thousand handshakes at once are another figure.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        while state.joined.get() < clients {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        println!("ready");
        let mut lines = BufReader::new(std::io::stdin()).lines();
        let mut orders = async || {
            let (sent, line) = tokio::sync::oneshot::channel();
            let mut taken = std::mem::replace(&mut lines, BufReader::new(std::io::stdin()).lines());
            std::thread::spawn(move || sent.send(taken.next().is_some()));
            let _ = line.await;
        };
        orders().await;
        state.counted.take();
        orders().await;
        println!(
            "{}",
            serde_json::to_string(&state.counted.take()).expect("plain numbers")
        );
    });
}

#[derive(Default)]
struct Swarm {
    joined: std::cell::Cell<usize>,
    counted: std::cell::RefCell<Counted>,
}

async fn bot(url: String, seed: u64, commands: bool, swarm: std::rc::Rc<Swarm>) {
    let mut connection =
        Connection::open_seeded(&url, ClientConfig::default(), seed).expect("our own address");
    let room = connection.client_mut().quick("", &[]);
    let mut payload = 0;
    loop {
        let due = commands
            .then(|| connection.client().next_command(room))
            .flatten();
        let event = match due {
            Some(due) => connection.next_until(due).await,
            None => Some(connection.next().await),
        };
        if commands {
            say_commands(&mut connection, room);
        }
        match event {
            Some(ClientEvent::Joined { .. }) => swarm.joined.set(swarm.joined.get() + 1),
            Some(ClientEvent::Updated { .. }) => {
                let now = connection.counters().payload_in;
                let mut counted = swarm.counted.borrow_mut();
                counted.updates += 1;
                counted.bytes += now - payload;
                payload = now;
            }
            Some(ClientEvent::Fault { .. }) => swarm.counted.borrow_mut().failed += 1,
            _ => {}
        }
    }
}

/// What a player who steers nowhere says in each tick that is due.
pub fn say_commands(connection: &mut Connection, room: RoomKey) {
    let now = connection.now();
    while let Some(tick) = connection.client_mut().command_tick(room, now) {
        let Some(view) = connection.client().view(room) else {
            return;
        };
        let Some(record) = &view.schema().command else {
            return;
        };
        let columns = record.layout().columns();
        let row = OwnedRow {
            ints: columns
                .iter()
                .map(|column| column.min.midpoint(column.max))
                .collect(),
            blobs: Vec::new(),
        };
        let _ = connection.client_mut().command(room, tick, &row);
    }
}

/// The other end of the raw loop: reads whatever comes, and says 20 bytes a tick where it should.
fn sink(address: &str, clients: usize, commands: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let mut all = Vec::new();
        for _ in 0..clients {
            let socket = TcpStream::connect(address).expect("the raw loop listens");
            socket
                .set_nodelay(true)
                .and_then(|()| socket.set_nonblocking(true))
                .expect("a socket has options");
            let socket = tokio::net::TcpStream::from_std(socket).expect("a socket of this runtime");
            all.push(tokio::task::spawn_local(drain(socket, commands)));
        }
        for task in all {
            let _ = task.await;
        }
    });
}

async fn drain(mut socket: tokio::net::TcpStream, commands: bool) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut scratch = [0; 4096];
    while let Ok(1..) = socket.read(&mut scratch).await {
        if commands && socket.write_all(&scratch[..20]).await.is_err() {
            return;
        }
    }
}

/// This very program in another process; it ends with this value.
pub struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
    to: Option<ChildStdin>,
}

impl Process {
    pub fn start(args: &[&str]) -> Self {
        Self::start_by(&[], args).expect("this program starts once more")
    }

    /// The same through another program, which becomes it: `by` is what is written before it.
    pub fn start_by(by: &[&str], args: &[&str]) -> std::io::Result<Self> {
        let exe = std::env::current_exe()?;
        let mut command = match by {
            [] => Command::new(exe),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(exe);
                command
            }
        };
        let mut child = command
            .arg("--child")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let to = child.stdin.take();
        Ok(Self { child, out, to })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.out
            .read_line(&mut line)
            .expect("a child tells something");
        line.trim().to_owned()
    }

    pub fn say(&mut self, word: &str) {
        let to = self.to.as_mut().expect("it was not told to end");
        writeln!(to, "{word}").expect("a child listens");
    }

    /// Lets it end by itself, with what it has started in turn.
    pub fn finish(&mut self) {
        self.to = None;
        for _ in 0..500 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
