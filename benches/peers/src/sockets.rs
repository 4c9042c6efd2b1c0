//! F9's side of Tickwire: a server with real sockets in one process, its clients in another, and what the server's process spends a tick. What it is compared with is not here.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use tickwire::prelude::{Profile, Server};
use tickwire_client::{ClientConfig, ClientEvent};
use tickwire_net::client::Connection;
use tickwire_peers_common::{Measured, process_cpu};
use tickwire_workload::Config;

use crate::game::{dense_workload, workload};

const WARM_UP: Duration = Duration::from_secs(5);
const MEASURED: Duration = Duration::from_secs(15);

/// Process CPU of the server a tick, in milliseconds; bytes are what clients' sockets gave them.
pub fn run(profile: Profile, size: &str, config: Config) -> Result<Measured, String> {
    let (clients, seed) = (config.players.to_string(), config.seed.to_string());
    let profile = if profile == Profile::Dense {
        "dense"
    } else {
        "fast"
    };
    let mut server = Process::start(&["serve", profile, size, &seed]);
    let url = server.line();
    let mut crowd = Process::start(&["crowd", &url, &clients]);
    if crowd.line() != "ready" {
        return Err("the clients did not join".into());
    }
    std::thread::sleep(WARM_UP);
    let (spent, counted) = (server.number(), crowd.number());
    std::thread::sleep(MEASURED);
    let (spent, counted) = (server.number() - spent, crowd.number() - counted);
    let ticks = counted / f64::from(config.players);
    let rate = ticks / MEASURED.as_secs_f64();
    if !(29.0..31.0).contains(&rate) {
        return Err(format!(
            "clients got {rate:.1} updates a second and not 30: a machine too busy"
        ));
    }
    Ok(Measured {
        cpu_ms: spent / 1e6 / ticks,
        ..Measured::default()
    })
}

/// The process of the server: tells its address, and for each line that it reads the nanoseconds of CPU that it had.
pub fn serve(profile: &str, config: Config) {
    let seats = config.players;
    let server = match profile {
        "dense" => Server::new("arena", dense_workload(config, seats)),
        _ => Server::new("arena", workload(config, seats)),
    };
    let running = server
        .listen("127.0.0.1:0")
        .set("limits.per_address", &(seats + 16).to_string())
        .start()
        .expect("a server starts on a free port");
    println!("ws://{}", running.local_addr());
    for _ in std::io::stdin().lines() {
        println!("{}", process_cpu().as_nanos());
    }
    running.stop();
}

/// The process of the clients: says that all have joined, and for each line that it reads how many updates came.
pub fn crowd(url: &str, clients: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    let (joined, updates) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0_u64)));
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        for number in 0..clients {
            let (joined, updates) = (Rc::clone(&joined), Rc::clone(&updates));
            tokio::task::spawn_local(client(url.to_owned(), number as u64, joined, updates));
        }
        while joined.get() < clients {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!("ready");
        let (heard, mut lines) = tokio::sync::mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in std::io::stdin().lines() {
                let _ = heard.send(line);
            }
        });
        while lines.recv().await.is_some() {
            println!("{}", updates.get());
        }
    });
}

async fn client(url: String, seed: u64, joined: Rc<Cell<usize>>, updates: Rc<Cell<u64>>) {
    let config = ClientConfig::default();
    let mut connection = Connection::open_seeded(&url, config, seed).expect("our own address");
    connection.client_mut().quick("", &[]);
    loop {
        match connection.next().await {
            ClientEvent::Joined { .. } => joined.set(joined.get() + 1),
            ClientEvent::Updated { .. } => updates.set(updates.get() + 1),
            _ => {}
        }
    }
}

/// This very program in another process; it ends with this value.
struct Process {
    child: Child,
    out: BufReader<ChildStdout>,
    to: ChildStdin,
}

impl Process {
    fn start(args: &[&str]) -> Process {
        let mut child = Command::new(std::env::current_exe().expect("a program has a path"))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts once more");
        let out = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let to = child.stdin.take().expect("stdin is piped");
        Process { child, out, to }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out
            .read_line(&mut line)
            .expect("a child tells something");
        line.trim().to_owned()
    }

    /// Asks for the number that the child tells.
    fn number(&mut self) -> f64 {
        writeln!(self.to, "now").expect("a child listens");
        self.line().parse().expect("a child tells a number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
