//! F5: how old updates are when they arrive over a link of 200 kbit/s that is offered 288: directly, through nginx, and through a relay
//! that takes all it gets. Server, proxy and client are processes of their own, on the two sides of a [`Bottleneck`].

use std::{collections::VecDeque, io, process::ExitCode, time::Duration};

use serde::{Deserialize, Serialize};
use tickwire::prelude::*;
use tickwire_benches::{
    game::{Body, Steer},
    row::Row,
};
use tickwire_client::{ClientConfig, ClientEvent};
use tickwire_net::{client::Connection, now};
use tickwire_tests::{metrics::Counts, nginx::Nginx};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    bottleneck::{Bottleneck, Missing, NEAR, Side, held},
    fanout::{Process, say_commands},
    stalls::orders,
};

/// What the link carries.
const KBIT: u32 = 200;
const HZ: u32 = 30;
/// Walkers whose every step is chance, so that nothing is told in fewer bytes: updates of about 1,200, 288 kbit/s.
const WALKERS: u32 = 930;
/// Before anything is measured: a window has to learn what its link is like.
const WARM_UP: Duration = Duration::from_secs(10);
const SAMPLE: Duration = Duration::from_millis(250);
/// What the relay takes from the server before the client has taken any.
const RELAY_MAX: usize = 4 << 20;

/// What stands between the server and the slow link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    Nothing,
    Nginx,
    Relay,
}

/// Whether the client commands in every tick, as players do, or only listens: then its receipts are rarer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Player,
    Listener,
}

/// F5 and its other ways, each for so many seconds.
pub fn rows(seconds: u64, print: &mut dyn FnMut(Row)) {
    let ways = [
        ("F5", Between::Nothing, Client::Player, (150.0, 100.0)),
        (
            "F5.listener",
            Between::Nothing,
            Client::Listener,
            (150.0, 100.0),
        ),
        ("F5.nginx", Between::Nginx, Client::Player, (300.0, 210.0)),
        ("F5.relay", Between::Relay, Client::Player, (300.0, 210.0)),
    ];
    let offered = offered();
    for (id, between, client, (pass, top)) in ways {
        let run = match &offered {
            Ok(offered) => over(between, client, seconds).map(|run| (offered, run)),
            Err(why) => Err(why.clone()),
        };
        let row = match run {
            Ok((offered, run)) => Row::new(id, run.taken.p99_ms, "ms", run.note(offered)),
            Err(why) => Row::new(id, f64::NAN, "ms", format!("not measured: {why}")),
        };
        print(row.goals(pass, top));
    }
}

/// What a client took of a room.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Taken {
    updates: u64,
    bytes: u64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    seconds: f64,
}

impl Taken {
    fn kbit(&self) -> f64 {
        self.bytes as f64 * 8.0 / 1e3 / self.seconds
    }

    fn rate(&self) -> f64 {
        self.updates as f64 / self.seconds
    }
}

struct Run {
    taken: Taken,
    /// Bytes that the server had written and the client not read: the mean and the most.
    in_flight: (f64, f64),
    /// Of those, what waited before the link itself.
    queued: (f64, f64),
}

impl Run {
    fn note(&self, offered: &Taken) -> String {
        let (taken, kib) = (&self.taken, |bytes: f64| bytes / 1024.0);
        format!(
            "p99 age over {KBIT} kbit/s offered {:.0}; p50 {:.0}, most {:.0} ms; {:.1} of {:.1} updates/s, {:.0} B each; in flight {:.1} KiB, most {:.1}; before the link {:.1}, most {:.1}",
            offered.kbit(),
            taken.p50_ms,
            taken.max_ms,
            taken.rate(),
            offered.rate(),
            taken.bytes as f64 / taken.updates.max(1) as f64,
            kib(self.in_flight.0),
            kib(self.in_flight.1),
            kib(self.queued.0),
            kib(self.queued.1),
        )
    }
}

/// What the room offers to a client whose link takes all.
fn offered() -> Result<Taken, Missing> {
    let link = Bottleneck::new()?;
    let mut server = link.start(Side::Near, &["slow-server"]);
    let port = server.line();
    let mut client = client_of(&link, &port, Client::Player);
    client.say("go");
    std::thread::sleep(Duration::from_secs(5));
    Ok(taken(&mut client))
}

fn over(between: Between, client: Client, seconds: u64) -> Result<Run, Missing> {
    let link = Bottleneck::new()?;
    link.fill_queues()?;
    link.narrow(KBIT)?;
    let mut server = link.start(Side::Near, &["slow-server"]);
    let port = server.line();
    let proxy = Proxy::before(&port, between, &link);
    let port = proxy.as_ref().map_or(&port, |proxy| &proxy.port);
    let mut client = client_of(&link, port, client);
    std::thread::sleep(WARM_UP);
    client.say("go");
    let (mut in_flight, mut queued) = (Vec::new(), Vec::new());
    for _ in 0..u128::from(seconds) * 1000 / SAMPLE.as_millis() {
        std::thread::sleep(SAMPLE);
        let (sent, come) = (number(&mut server), number(&mut client));
        in_flight.push((sent - come).max(0.0));
        queued.extend(link.backlog().map(|bytes| bytes as f64));
    }
    Ok(Run {
        taken: taken(&mut client),
        in_flight: mean_and_most(&in_flight),
        queued: mean_and_most(&queued),
    })
}

fn client_of(link: &Bottleneck, port: &str, client: Client) -> Process {
    let url = format!("ws://{NEAR}:{port}");
    let how = match client {
        Client::Player => "player",
        Client::Listener => "listener",
    };
    let mut client = link.start(Side::Far, &["slow-client", &url, how]);
    assert_eq!(client.line(), "ready", "the client joined");
    client
}

fn number(of: &mut Process) -> f64 {
    of.say("count");
    of.line().parse().expect("a number")
}

fn taken(client: &mut Process) -> Taken {
    client.say("stop");
    serde_json::from_str(&client.line()).expect("what a client took")
}

fn mean_and_most(all: &[f64]) -> (f64, f64) {
    let mean = all.iter().sum::<f64>() / all.len().max(1) as f64;
    (mean, all.iter().copied().fold(0.0, f64::max))
}

/// nginx or the relay, which end with the value.
struct Proxy {
    process: Process,
    port: String,
}

impl Proxy {
    fn before(port: &str, between: Between, link: &Bottleneck) -> Option<Self> {
        let what = match between {
            Between::Nothing => return None,
            Between::Nginx => "nginx",
            Between::Relay => "relay",
        };
        let mut process = link.start(Side::Near, &["slow-proxy", what, port]);
        let port = process.line();
        Some(Self { process, port })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.process.finish();
    }
}

/// What a child process of the report does; `None`: it is another part's.
pub fn child(args: &[String]) -> Option<ExitCode> {
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["hold"] => held(),
        ["slow-server"] => serve(),
        ["slow-proxy", "nginx", port] => nginx(port),
        ["slow-proxy", "relay", port] => relay(port).expect("a relay runs"),
        ["slow-client", url, how] => client(url, how == "player"),
        _ => return None,
    }
    Some(ExitCode::SUCCESS)
}

fn crowd(game: &mut Game) {
    fn start(mut commands: Commands) {
        commands.spawn_batch((0..WALKERS).map(|n| Body {
            x: 100.0 + (n % 32) as f32 * 24.0,
            y: 100.0 + (n / 32) as f32 * 24.0,
            ..Body::default()
        }));
    }
    fn stagger(mut bodies: Query<(&NetEntity, &mut Body)>, chance: Chance) {
        for (net, mut body) in &mut bodies {
            let step = |salt| chance.between(net, salt, -0.5, 0.5);
            body.x = (body.x + step(0)).clamp(0.0, 1024.0);
            body.y = (body.y + step(1)).clamp(0.0, 1024.0);
        }
    }
    game.rate(HZ)
        .seats(4)
        .replicate::<Body>()
        .command::<Steer>()
        .on_start(start)
        .systems(stagger);
}

/// Prints its port, and for each line how many bytes it has written so far.
fn serve() {
    let running = Server::new("slow", crowd)
        .listen("0.0.0.0:0")
        .start()
        .expect("a server starts on a free port");
    println!("{}", running.local_addr().port());
    for _ in io::stdin().lines().map_while(Result::ok) {
        let counts = Counts::parse(&running.metrics());
        println!("{}", counts.get("tickwire_bytes_sent_total"));
    }
    running.stop();
}

fn nginx(port: &str) {
    let nginx = Nginx::everywhere(&format!("127.0.0.1:{port}"));
    let address = nginx.address();
    println!("{}", address.rsplit(':').next().expect("a port"));
    let _ = io::stdin().lines().next();
}

/// Reads all that a server writes, up to its limit, whether its client takes it or not.
fn relay(port: &str) -> io::Result<()> {
    let to = format!("127.0.0.1:{port}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("0.0.0.0:0").await?;
        println!("{}", listener.local_addr()?.port());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if let Ok(far) = TcpStream::connect(&to).await {
                    tokio::spawn(carry(near, far));
                }
            }
        });
        orders().recv().await;
        Ok(())
    })
}

async fn carry(client: TcpStream, server: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut client_in, mut client_out) = client.into_split();
    let (mut server_in, mut server_out) = server.into_split();
    let up = async {
        tokio::io::copy(&mut client_in, &mut server_out)
            .await
            .map(drop)
    };
    let down = async {
        let (mut held, mut scratch) = (VecDeque::new(), vec![0; 64 * 1024]);
        loop {
            let (first, _) = held.as_slices();
            tokio::select! {
                read = server_in.read(&mut scratch), if held.len() < RELAY_MAX => match read? {
                    0 => return Ok(()),
                    read => held.extend(&scratch[..read]),
                },
                wrote = client_out.write(first), if !first.is_empty() => {
                    let wrote = wrote?;
                    held.drain(..wrote);
                }
            }
        }
    };
    tokio::select! {
        ended = up => ended,
        ended = down => ended,
    }
}

/// One client, who commands in every tick or is silent but for its receipts.
fn client(url: &str, commands: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(async {
        let mut orders = orders();
        let mut net = Connection::open(url, ClientConfig::default()).expect("an address");
        let room = net.client_mut().quick("", &[]);
        let (mut begun, mut bytes, mut ages) = (now(), 0, Vec::new());
        loop {
            let soon = now().plus(Duration::from_secs(1));
            let due = net.client().next_command(room).filter(|_| commands);
            let until = due.unwrap_or(soon);
            tokio::select! {
                order = orders.recv() => match order.as_deref() {
                    None => return,
                    Some("count") => println!("{}", net.counters().wire_in),
                    Some("go") => {
                        (begun, bytes) = (now(), net.counters().payload_in);
                        ages.clear();
                    }
                    Some(_) => {
                        let bytes = net.counters().payload_in - bytes;
                        let seconds = now().since(begun).as_secs_f64();
                        println!("{}", told(&mut ages, bytes, seconds));
                    }
                },
                event = net.next_until(until) => match event {
                    Some(ClientEvent::Joined { .. }) => println!("ready"),
                    Some(ClientEvent::Updated { stamp: Some(stamp), .. }) => {
                        ages.push(now().0.saturating_sub(stamp));
                    }
                    Some(ClientEvent::JoinRefused { refusal, .. }) => panic!("{}", refusal.message),
                    _ => {}
                },
            }
            if commands {
                say_commands(&mut net, room);
            }
        }
    });
}

fn told(ages_us: &mut [u64], bytes: u64, seconds: f64) -> String {
    ages_us.sort_unstable();
    let at = |per_cent: usize| {
        let last = ages_us.len().saturating_sub(1);
        let age = ages_us.get((ages_us.len() * per_cent / 100).min(last));
        age.map_or(f64::NAN, |us| *us as f64 / 1e3)
    };
    let taken = Taken {
        updates: ages_us.len() as u64,
        bytes,
        p50_ms: at(50),
        p99_ms: at(99),
        max_ms: at(100),
        seconds,
    };
    serde_json::to_string(&taken).expect("plain numbers")
}
