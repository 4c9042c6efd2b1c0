//! Many bots on a few threads: the ramp, the time that counts, the end, and the report; what one bot does is not here.

use std::{
    thread,
    time::{Duration, Instant},
};

use tickwire_client::ClientConfig;
use tickwire_net::client::Connection;
use tokio::{
    sync::watch,
    task::{JoinSet, LocalSet},
};

use crate::{
    args::Args,
    bot::{self, Plan, Stage},
    http::{self, ServerCounters},
    live::Live,
    report::{Quantiles, Report},
    tally::{Shared, Tally},
};

/// How long the last bot has to get in, beyond the ramp.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the live line is drawn and the stage looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Why no run took place: wrong usage, exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum BotsError {
    /// The address cannot be used.
    #[error("{0}")]
    Url(String),
    /// Nobody is there.
    #[error("no server at {url} ({why}): start one, or say where it is with --url ws://HOST:PORT")]
    Unreachable {
        /// The address.
        url: String,
        /// What the system said.
        why: String,
    },
    /// Somebody else is there.
    #[error(
        "what answers at {url} is no Tickwire server: say where one is with --url ws://HOST:PORT"
    )]
    Stranger {
        /// The address.
        url: String,
    },
    /// The system gives no threads or no runtime.
    #[error("this machine has no room for the bots: {0}. Ask for fewer --threads or --clients")]
    Machine(#[from] std::io::Error),
}

/// Lets the bots play, and reports.
///
/// # Errors
/// Where no run can take place at all: a wrong address, nobody there. Clients that fail are in the report.
pub fn run(args: &Args) -> Result<Report, BotsError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(probe(&args.url))?;
    let (stage, stages) = watch::channel(Stage::Ramp);
    let tallies: Vec<Shared> = (0..args.threads).map(|_| Shared::default()).collect();
    let threads = tallies
        .iter()
        .enumerate()
        .map(|(thread, shared)| start_thread(args, thread, shared.clone(), stages.clone()));
    let threads = threads.collect::<Result<Vec<_>, _>>()?;
    let measured = runtime.block_on(conduct(args, &tallies, &stage));
    for thread in threads {
        // A thread that panicked has said so on stderr; its bots have not finished, and so have failed.
        let _ = thread.join();
    }
    let mut tally = sum(&tallies);
    for _ in tally.finished..args.clients {
        tally.fail("the bot panicked: see above".to_owned());
    }
    tell_failures(&tally);
    Ok(report(args, &tally, &measured))
}

/// Whether anybody is there at all, so that a wrong address is one line and not a thousand failed clients.
async fn probe(url: &str) -> Result<(), BotsError> {
    Connection::open(url, ClientConfig::default())
        .map_err(|error| BotsError::Url(error.to_string()))?;
    let answer = match http::authority(url) {
        Some(authority) => http::get(&authority, "/healthz").await,
        None => http::listens(url).await.map(|()| (200, String::new())),
    };
    match answer {
        Ok((200, _)) => Ok(()),
        Ok(_) => Err(BotsError::Stranger {
            url: url.to_owned(),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(BotsError::Stranger {
            url: url.to_owned(),
        }),
        Err(error) => Err(BotsError::Unreachable {
            url: url.to_owned(),
            why: error.to_string(),
        }),
    }
}

/// One thread with its part of the bots, each of which starts at its moment of the ramp.
fn start_thread(
    args: &Args,
    thread: usize,
    shared: Shared,
    stages: watch::Receiver<Stage>,
) -> Result<thread::JoinHandle<()>, std::io::Error> {
    let plans: Vec<(Duration, Plan)> = (0..args.clients)
        .filter(|bot| *bot as usize % usize::from(args.threads) == thread)
        .map(|bot| plan(args, bot))
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new()
        .name(format!("bots-{thread}"))
        .spawn(move || {
            let local = LocalSet::new();
            local.block_on(&runtime, async move {
                let mut bots = JoinSet::new();
                for (after, plan) in plans {
                    let (shared, stages) = (shared.clone(), stages.clone());
                    bots.spawn_local(async move {
                        tokio::time::sleep(after).await;
                        bot::play(plan, shared, stages).await;
                    });
                }
                while bots.join_next().await.is_some() {}
            });
        })
}

/// What bot number `bot` does, and when it starts.
fn plan(args: &Args, bot: u32) -> (Duration, Plan) {
    let after = Duration::from_secs_f64(args.ramp * f64::from(bot) / f64::from(args.clients));
    let attributes = args
        .rooms
        .map(|rooms| ("bots".to_owned(), (bot % rooms).to_string()));
    let seed = args
        .seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(u64::from(bot));
    let plan = Plan {
        number: bot,
        url: args.url.clone(),
        kind: args.room.clone(),
        attributes: attributes.into_iter().collect(),
        pace: args.pace(),
        condition: args.condition,
        seed,
        patience: PATIENCE,
    };
    (after, plan)
}

/// What was measured beside the bots' own counts, over the time that counts.
struct Measured {
    seconds: f64,
    server: (ServerCounters, ServerCounters),
    cpu: (Option<f64>, Option<f64>),
}

/// Waits for all to come in, lets them play, and ends it.
async fn conduct(args: &Args, tallies: &[Shared], stage: &watch::Sender<Stage>) -> Measured {
    let mut live = Live::new(args.clients, args.quiet);
    let latest =
        Instant::now() + Duration::from_secs_f64(args.ramp) + PATIENCE + Duration::from_secs(1);
    loop {
        let tally = sum(tallies);
        live.ramp(&tally);
        if tally.playing + tally.failed >= args.clients || Instant::now() >= latest {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let (server, cpu) = (http::server_counters(&args.url).await, own_cpu_s());
    let (begin, length) = (Instant::now(), Duration::from_secs(args.seconds));
    stage.send_replace(Stage::Play);
    let mut last = begin;
    while begin.elapsed() < length {
        tokio::time::sleep(LOOK.min(length.saturating_sub(begin.elapsed()))).await;
        let tally = sum(tallies);
        live.play(&tally, begin.elapsed(), length, last.elapsed());
        last = Instant::now();
        if tally.failed == args.clients {
            break;
        }
    }
    stage.send_replace(Stage::End);
    let seconds = begin.elapsed().as_secs_f64();
    let measured = Measured {
        seconds,
        cpu: (cpu, own_cpu_s()),
        server: (server, http::server_counters(&args.url).await),
    };
    live.end();
    measured
}

fn sum(tallies: &[Shared]) -> Tally {
    let mut all = Tally::default();
    tallies.iter().for_each(|shared| all.add(&shared.lock()));
    all
}

fn tell_failures(tally: &Tally) {
    for (reason, count) in &tally.reasons {
        eprintln!("tickwire-bots: {count} failed: {reason}");
    }
}

fn report(args: &Args, tally: &Tally, measured: &Measured) -> Report {
    let client_seconds = f64::from(args.clients) * measured.seconds;
    let rate = |count: u64| count as f64 / client_seconds;
    let grown = |(before, after): (Option<f64>, Option<f64>)| Some(after? - before?);
    let (before, after) = measured.server;
    Report {
        clients: args.clients,
        failed: tally.failed,
        updates_per_client_s: rate(tally.updates),
        bytes_per_client_s: rate(tally.bytes),
        wire_bytes_per_client_s: rate(tally.wire_bytes),
        age_ms: Quantiles::of(&tally.age),
        effect_ms: Quantiles::of(&tally.effect),
        late_ticks: grown((before.late_ticks, after.late_ticks)).map(|ticks| ticks as u64),
        server_cpu_s: grown((before.cpu_s, after.cpu_s)),
        client_cpu_s: grown(measured.cpu),
    }
}

/// Seconds of CPU that this process has used, where the system tells (Linux, whose clock ticks a hundred times a second).
fn own_cpu_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold anything: count the fields from behind it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}
