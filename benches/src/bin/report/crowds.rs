//! F2, F3, F4, F8 and F10: what many viewers, those who come and go, and rooms that sleep cost. Each server and each crowd is a process of its own.

use std::{cell::Cell, collections::BTreeMap, process::ExitCode, rc::Rc, time::Duration};

use tickwire::prelude::*;
use tickwire_benches::{game, row::Row};
use tickwire_client::{ClientConfig, ClientEvent};
use tickwire_net::{ReserveAsk, ReserveIn, Running, client::Connection, now};
use tickwire_workload::Config;

use crate::{
    cpu,
    fanout::{Process, raw_cost},
};

/// Entities of F3, all of which move.
const MOVING: u32 = 250;
/// Rooms of F2, and the clients in each.
const ROOMS: usize = 100;
const ROOM: usize = 16;
/// Ticks are looked at where the server's threads waited less than this for their core.
pub const CALM: Duration = Duration::from_millis(1);
/// Rooms of F10.
const SLEEPING: usize = 10_000;
/// Sessions of F8, each of which joins and leaves twice a second.
const CHURNING: usize = 110;

/// What a server counts, by name.
type Counts = BTreeMap<String, f64>;

/// F3 and F4.
pub fn viewers(clients: u16, seconds: u64, print: &mut dyn FnMut(Row)) {
    let alone = watched(1, seconds.min(5));
    let all = watched(clients, seconds);
    let size = (all.bytes / all.updates.max(1.0)) as usize;
    let raw = raw_cost(clients, size, seconds / 2, false);
    let note = format!(
        "counted, over sockets, {clients} viewers, {MOVING} entities moving, updates of {size} B; {:.2} with one viewer",
        alone.encodes
    );
    print(Row::new("F3", all.encodes, "encodes/tick", note).goals(4.0, 2.0));
    let each = all.cpu_us / all.updates.max(1.0);
    let note = format!(
        "{each:.1} us of server CPU an update, stepping, capture and encoding counted, raw send {raw:.1} us; {:.1} updates/s each",
        all.updates / f64::from(clients) / seconds as f64
    );
    print(Row::new("F3.cpu", each / raw, "x send", note).goals(1.8, 1.3));
    let note = format!(
        "bytes encoded a tick, {:.0} for {clients} viewers, {:.0} for one: what is made for many is made once",
        all.encoded, alone.encoded
    );
    print(Row::new("F4", all.encoded / alone.encoded, "x", note).goals(2.0, 1.2));
}

struct Watched {
    /// A tick.
    encodes: f64,
    encoded: f64,
    /// Updates written, and their bytes.
    updates: f64,
    bytes: f64,
    cpu_us: f64,
}

fn watched(clients: u16, seconds: u64) -> Watched {
    let mut server = Process::start(&["crowd-server", "moving", &clients.to_string()]);
    let url = server.line();
    let mut swarm = Process::start(&["crowd", &url, &clients.to_string(), "watch"]);
    assert_eq!(swarm.line(), "ready", "the clients joined");
    let (before, cpu_before) = (counts(&mut server), cpu::of_process(server.id()));
    std::thread::sleep(Duration::from_secs(seconds));
    let (cpu_after, after) = (cpu::of_process(server.id()), counts(&mut server));
    let more = |name: &str| after.get(name).unwrap_or(&0.0) - before.get(name).unwrap_or(&0.0);
    let ticks = more("tickwire_room_captures_total").max(1.0);
    Watched {
        encodes: more("tickwire_room_encodes_total") / ticks,
        encoded: more("tickwire_room_encoded_bytes_total") / ticks,
        updates: more("tickwire_updates_sent_total"),
        bytes: more("tickwire_bytes_sent_total"),
        cpu_us: (cpu_after - cpu_before).as_secs_f64() * 1e6,
    }
}

/// F2.
pub fn rooms(seconds: u64, print: &mut dyn FnMut(Row)) {
    let mut server = Process::start(&["crowd-server", "arena", &ROOM.to_string()]);
    let url = server.line();
    let clients = ROOM * ROOMS;
    let mut swarm = Process::start(&["crowd", &url, &clients.to_string(), "watch"]);
    assert_eq!(swarm.line(), "ready", "the clients joined");
    let id = server.id();
    let (mut before, cpu_before) = (counts(&mut server), cpu::of_process(id));
    let mut delay_before = cpu::delay_of(id);
    let (mut ticks, mut late, mut windows) = (0.0, 0.0, 0);
    for _ in 0..seconds * 4 {
        std::thread::sleep(Duration::from_millis(250));
        let (after, delay) = (counts(&mut server), cpu::delay_of(id));
        let more = |name: &str| after.get(name).unwrap_or(&0.0) - before.get(name).unwrap_or(&0.0);
        if delay - delay_before < CALM {
            windows += 1;
            ticks += more("tickwire_tick_seconds_count");
            late += more("tickwire_late_ticks_total");
        }
        (before, delay_before) = (after, delay);
    }
    let spent = (cpu::of_process(id) - cpu_before).as_secs_f64() / seconds as f64;
    let there = before.get("tickwire_rooms").copied().unwrap_or(0.0);
    let note = format!("of one core, {there} rooms of {ROOM} clients at 30 Hz, stepping included");
    print(Row::new("F2", spent * 100.0, "%", note).goals(70.0, 47.0));
    let note = format!(
        "of {ticks} ticks, more than 2 ms late, in the {windows} of {} windows of 250 ms in which the server's threads waited less than {} ms for a core",
        seconds * 4,
        CALM.as_millis()
    );
    let share = if ticks > 0.0 {
        late / ticks * 1e4
    } else {
        f64::INFINITY
    };
    print(Row::new("F2.late", share, "of 10^4", note).goals(1.0, 0.0));
}

/// F8.
pub fn churn(seconds: u64, print: &mut dyn FnMut(Row)) {
    let mut server = Process::start(&["crowd-server", "rest", "16"]);
    let url = server.line();
    let mut swarm = Process::start(&["crowd", &url, &CHURNING.to_string(), "churn"]);
    assert_eq!(swarm.line(), "ready", "the clients joined");
    // What is made once is there after a while.
    std::thread::sleep(Duration::from_secs((seconds / 4).max(2)));
    let (before, early) = (counts(&mut server), cpu::rss_of(server.id()));
    std::thread::sleep(Duration::from_secs(seconds));
    let (after, late) = (counts(&mut server), cpu::rss_of(server.id()));
    let name = "tickwire_room_joins_total";
    let a_second =
        (after.get(name).unwrap_or(&0.0) - before.get(name).unwrap_or(&0.0)) / seconds as f64;
    swarm.say("stop");
    assert_eq!(swarm.line(), "gone", "all said goodbye");
    let mut left = f64::INFINITY;
    // An empty room stays for a while, for who may come back.
    for _ in 0..90 {
        std::thread::sleep(Duration::from_secs(1));
        let end = counts(&mut server);
        let there = |name: &str| end.get(name).copied().unwrap_or(f64::INFINITY);
        left = there("tickwire_sessions") + there("tickwire_links") + there("tickwire_rooms");
        if left == 0.0 {
            break;
        }
    }
    let grown = late as f64 / early as f64 * 100.0 - 100.0;
    let note = format!(
        "sessions, links and rooms that are left after {a_second:.0} joins and leaves a second for {seconds} s (`--seconds 600` for the whole of it); RSS {grown:+.1} % from its first quarter on"
    );
    print(Row::new("F8", left, "leaked", note).goals(0.0, 0.0));
    print(
        Row::new(
            "F8.rate",
            -a_second,
            "joins/s",
            "negative, since smaller is better in every row",
        )
        .goals(-200.0, -500.0),
    );
}

/// F10.
pub fn sleeping(seconds: u64, print: &mut dyn FnMut(Row)) {
    let mut server = Process::start(&["crowd-server", "sleep", "16"]);
    let _url = server.line();
    let rss = |server: &Process| cpu::rss_of(server.id()) as f64 / 1024.0;
    let before = rss(&server);
    server.say(&SLEEPING.to_string());
    let resting = server.line();
    std::thread::sleep(Duration::from_secs(2));
    let each = (rss(&server) - before) / SLEEPING as f64;
    let cpu_before = cpu::of_process(server.id());
    std::thread::sleep(Duration::from_secs(seconds));
    let spent = (cpu::of_process(server.id()) - cpu_before).as_secs_f64() / seconds as f64;
    let note = format!("of one core, {resting} rooms asleep");
    print(Row::new("F10", spent * 100.0, "%", note).goals(1.0, 0.1));
    let note = "RSS for each: 96 KiB beside its state, a bevy world and its schedule (61 KiB)";
    print(Row::new("F10.memory", each, "KiB", note).goals(96.0 + 61.0, 96.0));
}

/// What the server of a process counts now.
fn counts(server: &mut Process) -> Counts {
    server.say("counts");
    serde_json::from_str(&server.line()).expect("names and numbers")
}

/// What a child process of the report does; `None`: it is another part's.
pub fn child(args: &[String]) -> Option<ExitCode> {
    let number = |text: &str| text.parse().expect("a number");
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["crowd-server", how, seats] => serve(how, number(seats) as u32),
        ["crowd", url, clients, how] => swarm(url, number(clients), how),
        _ => return None,
    }
    Some(ExitCode::SUCCESS)
}

/// Circles of different sizes: every entity moves and turns at each tick.
fn moving(game: &mut Game, seats: u32) {
    fn start(mut commands: Commands) {
        commands.spawn_batch((0..MOVING).map(|n| game::Body {
            x: 100.0 + (n % 25) as f32 * 32.0,
            y: 100.0 + (n / 25) as f32 * 64.0,
            vx: 20.0 + n as f32 % 50.0,
            ..game::Body::default()
        }));
    }
    fn turn(mut bodies: Query<&mut game::Body>) {
        for mut body in &mut bodies {
            let (x, y) = (body.vx - body.vy * 0.05, body.vy + body.vx * 0.05);
            let speed = (x * x + y * y).sqrt().max(1.0);
            let (vx, vy) = (x / speed * 40.0, y / speed * 40.0);
            (body.vx, body.vy) = (vx, vy);
            body.x = (body.x + vx / 30.0).clamp(0.0, 1024.0);
            body.y = (body.y + vy / 30.0).clamp(0.0, 1024.0);
            body.rot += 0.05;
        }
    }
    game.rate(30)
        .seats(seats)
        .replicate::<game::Body>()
        .on_start(start)
        .systems(turn);
}

fn resting(game: &mut Game, seats: u32) {
    game::idle(10, seats)(game);
}

fn serve(how: &str, seats: u32) {
    let server = match how {
        "moving" => Server::new("moving", move |game: &mut Game| moving(game, seats)),
        "arena" => Server::new("arena", game::workload(Config::small(1), seats)),
        "rest" => Server::new("rest", move |game: &mut Game| resting(game, seats)),
        _ => Server::new("sleep", move |game: &mut Game| {
            resting(game, seats);
            game.sleeps();
        }),
    };
    let running = server
        .listen("127.0.0.1:0")
        .set("limits.per_address", "20000")
        .set("limits.rooms", "20000")
        .start()
        .expect("a server starts on a free port");
    println!("ws://{}", running.local_addr());
    for line in std::io::stdin().lines().map_while(Result::ok) {
        match line.parse() {
            Ok(rooms) => println!("{}", put_to_sleep(&running, rooms)),
            Err(_) => println!("{}", counted(&running)),
        }
    }
    running.stop();
}

fn counted(running: &Running) -> String {
    let text = running.metrics();
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    let counts: Counts = pairs
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect();
    serde_json::to_string(&counts).expect("names and numbers")
}

/// Makes rooms that nobody is in, and waits until they rest: how many do.
fn put_to_sleep(running: &Running, rooms: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    let resting = || {
        let text = running.metrics();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("tickwire_rooms_resting "));
        line.and_then(|count| count.parse().ok()).unwrap_or(0.0)
    };
    runtime.block_on(async {
        for number in 0..rooms {
            let room = ReserveIn::Quick {
                kind: "sleep".into(),
                attributes: vec![("number".into(), number.to_string())],
            };
            let ask = ReserveAsk {
                room,
                seats: 1,
                identities: vec![],
                keep_ms: 1_000,
            };
            running.rooms().reserve(ask).await.expect("one more room");
        }
        for _ in 0..100 {
            if resting() >= rooms as f64 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    resting()
}

/// What all clients of the process share.
#[derive(Default)]
struct Crowd {
    ready: Cell<usize>,
    gone: Cell<usize>,
    stops: Cell<bool>,
}

fn swarm(url: &str, clients: usize, how: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    let crowd: Rc<Crowd> = Rc::default();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        for _ in 0..clients {
            let one = one(url.to_owned(), how.to_owned(), crowd.clone());
            tokio::task::spawn_local(one);
            // A ramp: a thousand handshakes at once are another figure.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        while crowd.ready.get() < clients {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        println!("ready");
        crate::realtime::order().await;
        if how == "churn" {
            crowd.stops.set(true);
            while crowd.gone.get() < clients {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            println!("gone");
        }
        crate::realtime::order().await; // the parent ends it
    });
}

async fn one(url: String, how: String, crowd: Rc<Crowd>) {
    let mut net = Connection::open(&url, ClientConfig::default()).expect("our own address");
    let mut room = net.client_mut().quick("", &[]);
    let mut joined = 0;
    loop {
        let soon = now().plus(Duration::from_millis(500));
        match net.next_until(soon).await {
            Some(ClientEvent::Joined { .. }) => {
                crowd
                    .ready
                    .set(crowd.ready.get() + usize::from(joined == 0));
                joined += 1;
                if how == "churn" {
                    net.client_mut().leave(room);
                    let again = now().plus(Duration::from_millis(450));
                    while net.next_until(again).await.is_some() {}
                    if crowd.stops.get() {
                        net.client_mut().close();
                        let end = now().plus(Duration::from_millis(500));
                        while net.next_until(end).await.is_some() {}
                        drop(net);
                        return crowd.gone.set(crowd.gone.get() + 1);
                    }
                    room = net.client_mut().quick("", &[]);
                }
            }
            Some(ClientEvent::JoinRefused { refusal, .. }) => panic!("{}", refusal.message),
            _ => {}
        }
    }
}
