//! F6: what readers that stall cost the others, in the age of their updates, and the server, in memory. Phases in which some stall alternate
//! with phases in which all read, in one run: what else the machine does weighs on both.

use std::{
    cell::{Cell, RefCell},
    io::BufRead,
    process::ExitCode,
    rc::Rc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tickwire_benches::row::Row;
use tickwire_client::{ClientConfig, ClientEvent};
use tickwire_net::{client::Connection, now};
use tokio::sync::mpsc;

use crate::{cpu, crowds::CALM, fanout::Process};

/// Readers that stall, in a hundred.
const STALLED_PERCENT: u16 = 1;
/// A phase; shorter than what a reader that stalls is cut after.
const PHASE: Duration = Duration::from_secs(4);
/// After each change, nothing is measured for so long: what waited for those who stalled comes at once.
const SETTLE: Duration = Duration::from_millis(500);
const WINDOW: Duration = Duration::from_millis(250);
/// Windows of each kind that are enough to leave out those in which the server waited for a core.
const WINDOWS: usize = 12;
/// Readers of F6.held, all of which stall.
const HELD: u16 = 200;

pub fn rows(clients: u16, seconds: u64, print: &mut dyn FnMut(Row)) {
    print(ages(clients, seconds * 4));
    print(held());
}

/// What readers of one kind of phase saw.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Ages {
    windows: usize,
    p50_ms: f64,
    p99_ms: f64,
}

/// In windows in which the server waited for a core or hardly did, and in phases in which all read or some stall.
type Pots<T> = [[T; 2]; 2];

fn ages(clients: u16, seconds: u64) -> Row {
    let count = (clients * STALLED_PERCENT / 100).max(1);
    let mut server = Process::start(&["crowd-server", "moving", &clients.to_string()]);
    let url = server.line();
    let start = |count: u16| {
        let mut crowd = Process::start(&["stall-crowd", &url, &count.to_string()]);
        assert_eq!(crowd.line(), "ready", "the clients joined");
        crowd
    };
    let mut sleepers = start(count);
    let mut readers = start(clients - count);
    // As many of one kind as of the other.
    for phase in 0..2 * (seconds / (2 * PHASE.as_secs())).max(1) {
        let stalled = phase % 2;
        sleepers.say(if stalled == 1 { "stall" } else { "read" });
        std::thread::sleep(SETTLE);
        readers.say("forget");
        let mut before = cpu::delay_of(server.id());
        for _ in 0..(PHASE - SETTLE).as_millis() / WINDOW.as_millis() {
            std::thread::sleep(WINDOW);
            let delay = cpu::delay_of(server.id());
            let calm = u64::from(delay.saturating_sub(before) < CALM);
            readers.say(&format!("keep {calm} {stalled}"));
            before = delay;
        }
    }
    readers.say("tell");
    let [all, calm]: Pots<Ages> = serde_json::from_str(&readers.line()).expect("ages");
    let is_enough = calm.iter().all(|ages| ages.windows >= WINDOWS);
    let ([without, with], which) = match is_enough {
        true => (
            &calm,
            "in which the server waited less than 1 ms for a core",
        ),
        false => (
            &all,
            "whether the server waited for a core or not: it did in most",
        ),
    };
    let note = format!(
        "others' p99 age {:.1} ms with {count} of {clients} readers stalled, {:.1} ms with none; p50 {:.1} and {:.1}; phases of {} s in turn, {} and {} windows of 250 ms, {which}; in all {:.2} x",
        with.p99_ms,
        without.p99_ms,
        with.p50_ms,
        without.p50_ms,
        PHASE.as_secs(),
        with.windows,
        without.windows,
        all[1].p99_ms / all[0].p99_ms,
    );
    Row::new("F6", with.p99_ms / without.p99_ms, "x", note).goals(1.10, 1.10)
}

fn held() -> Row {
    let mut server = Process::start(&["crowd-server", "moving", &HELD.to_string()]);
    let url = server.line();
    let mut crowd = Process::start(&["stall-crowd", &url, &HELD.to_string()]);
    assert_eq!(crowd.line(), "ready", "the clients joined");
    std::thread::sleep(Duration::from_secs(2));
    let before = cpu::rss_of(server.id());
    crowd.say("stall");
    std::thread::sleep(Duration::from_secs(8));
    let grown = cpu::rss_of(server.id()).saturating_sub(before) as f64 / 1024.0;
    let note = format!(
        "what the server's memory grew by for each, {HELD} readers stalled for 8 s; the kernel's apart"
    );
    Row::new("F6.held", grown / f64::from(HELD), "KiB", note).goals(64.0, 64.0)
}

/// What a child process of the report does; `None`: it is another part's.
pub fn child(args: &[String]) -> Option<ExitCode> {
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["stall-crowd", url, clients] => crowd(url, clients.parse().expect("a number")),
        _ => return None,
    }
    Some(ExitCode::SUCCESS)
}

/// What all clients of the process share.
#[derive(Default)]
struct Crowd {
    joined: Cell<usize>,
    stalled: Cell<bool>,
    /// Of the window that lasts.
    ages_us: RefCell<Vec<u32>>,
}

#[derive(Default)]
struct Pot {
    windows: usize,
    ages_us: Vec<u32>,
}

fn crowd(url: &str, clients: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    let crowd: Rc<Crowd> = Rc::default();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        for _ in 0..clients {
            tokio::task::spawn_local(one(url.to_owned(), crowd.clone()));
            // A ramp: a thousand handshakes at once are another figure.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        while crowd.joined.get() < clients {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        println!("ready");
        obey(&crowd).await;
    });
}

/// What the parent asks for, until it goes.
async fn obey(crowd: &Crowd) {
    let mut orders = orders();
    let mut pots = Pots::<Pot>::default();
    while let Some(order) = orders.recv().await {
        match order.split(' ').collect::<Vec<_>>()[..] {
            ["stall"] => crowd.stalled.set(true),
            ["read"] => crowd.stalled.set(false),
            ["forget"] => crowd.ages_us.borrow_mut().clear(),
            ["keep", calm, stalled] => {
                let ages = crowd.ages_us.take();
                let stalled = usize::from(stalled == "1");
                // All windows are in the first pot, those in which the server was calm in the second too.
                for pots in pots.iter_mut().take(1 + usize::from(calm == "1")) {
                    let pot = &mut pots[stalled];
                    pot.windows += 1;
                    pot.ages_us.extend(&ages);
                }
            }
            _ => {
                let told = pots.each_mut().map(|pots| pots.each_mut().map(Pot::tell));
                println!("{}", serde_json::to_string(&told).expect("plain numbers"));
            }
        }
    }
}

impl Pot {
    fn tell(&mut self) -> Ages {
        let ages = &mut self.ages_us;
        ages.sort_unstable();
        let at = |per_cent: usize| {
            ages.get(ages.len() * per_cent / 100)
                .map_or(0.0, |us| f64::from(*us) / 1e3)
        };
        Ages {
            windows: self.windows,
            p50_ms: at(50),
            p99_ms: at(99),
        }
    }
}

/// The lines of the parent.
pub fn orders() -> mpsc::UnboundedReceiver<String> {
    let (to, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let mut lines = std::io::stdin().lock().lines().map_while(Result::ok);
        while lines.next().is_some_and(|line| to.send(line).is_ok()) {}
    });
    lines
}

async fn one(url: String, crowd: Rc<Crowd>) {
    let mut net = Connection::open(&url, ClientConfig::default()).expect("our own address");
    net.client_mut().quick("", &[]);
    loop {
        while crowd.stalled.get() {
            // Its socket is open, and nobody reads.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        match net.next_until(now().plus(WINDOW)).await {
            Some(ClientEvent::Joined { .. }) => crowd.joined.set(crowd.joined.get() + 1),
            Some(ClientEvent::Updated {
                stamp: Some(stamp), ..
            }) => {
                let age = now().0.saturating_sub(stamp);
                crowd.ages_us.borrow_mut().push(age as u32);
            }
            Some(ClientEvent::JoinRefused { refusal, .. }) => panic!("{}", refusal.message),
            _ => {}
        }
    }
}
