//! `report`: prints every figure with its goal beside it, as a table or as lines of JSON. Each part measures in a file of its own.

mod bots;
mod bottleneck;
mod codec;
mod costs;
mod cpu;
mod crowds;
mod fanout;
mod feel;
mod first;
mod idle;
mod interest;
mod peers;
mod picture;
mod plot;
mod raw;
mod realtime;
mod recorded;
mod seen;
mod slow;
mod stalls;
mod train;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tickwire_benches::row::{Row, head};

/// Every figure of Tickwire, measured now, with its goal beside it.
///
/// A ★ reached the top, a ✓ the floor, a ✗ neither. Figures are ratios taken in one run, counts, or bytes: the machine may be noisy.
#[derive(Parser)]
#[command(name = "report", version)]
struct Cli {
    /// Parts or rows to run: recorded (C1 C2 C3 G1 G2), codec (C4 C4w C7), exact (C8), idle (C6), fanout (F1a F1b F2 F3 F4 F5 F6 F8 F10), realtime (RT1 RT2 RT3 F7), bots (B1 B2), picture (P1), interest (I1 I2 I3), feel (L1 to L7, L9), first, peers (C5 F9: builds the peers bench, which takes minutes the first time). All if none is named
    #[arg(value_name = "PART")]
    parts: Vec<String>,
    /// One line of JSON a row
    #[arg(long)]
    json: bool,
    /// Seeds of the workload
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 3])]
    seeds: Vec<u64>,
    /// Another recording of cubes (benches/data/README.md tells the format)
    #[arg(long, value_name = "FILE")]
    cubes: Option<PathBuf>,
    /// Another recording of asteroids
    #[arg(long, value_name = "FILE")]
    asteroids: Option<PathBuf>,
    /// Seed of the made-up scenes, of losses and of skips
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Entity-snapshots that C8 compares
    #[arg(long, default_value_t = 2_000_000)]
    exact: u64,
    /// WebSocket clients of the fan-out rows
    #[arg(long, default_value_t = 1000)]
    clients: u16,
    /// Seconds that each fan-out row measures
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Run `feel` for as long as its goals ask: 10 minutes with 3 seeds on each profile
    #[arg(long)]
    long: bool,
    /// A folder to draw the curves of `costs` into
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Train the codebooks of the workload and the scenes anew, into a folder (`benches/data/books` is what the rows are measured with)
    #[arg(long, value_name = "DIR")]
    train: Option<PathBuf>,
    /// A part of a figure, run in a process of its own by the report itself
    #[arg(long, hide = true, num_args = 1..)]
    child: Vec<String>,
}

/// The rows of feel that are measured together.
const FEEL: [&[&str]; 3] = [
    &["feel", "L2", "L3", "L7"],
    &["feel", "L9"],
    &["feel", "L1", "L4", "L5", "L6"],
];

fn main() -> ExitCode {
    let cli = Cli::parse();
    if !cli.child.is_empty() {
        let own = realtime::child(&cli.child)
            .or_else(|| crowds::child(&cli.child))
            .or_else(|| slow::child(&cli.child))
            .or_else(|| stalls::child(&cli.child));
        return own.unwrap_or_else(|| fanout::child(&cli.child));
    }
    if let Some(folder) = &cli.train {
        return match train::books(folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!(
                    "NoBooks: {}: {error}. Name a folder that can be written",
                    folder.display()
                );
                ExitCode::FAILURE
            }
        };
    }
    let wanted = |names: &[&str]| {
        cli.parts.is_empty()
            || cli
                .parts
                .iter()
                .any(|part| part.eq_ignore_ascii_case("all"))
            || cli
                .parts
                .iter()
                .any(|part| names.iter().any(|name| name.eq_ignore_ascii_case(part)))
    };
    if let Some(unknown) = cli
        .parts
        .iter()
        .find(|part| !KNOWN.iter().any(|name| name.eq_ignore_ascii_case(part)))
    {
        eprintln!(
            "UnknownPart: {unknown}. Parts and rows are: {}",
            KNOWN.join(", ")
        );
        return ExitCode::from(2);
    }
    if !cli.json {
        println!("load {}", cpu::load());
        head();
    }
    let mut ok = true;
    let mut print = |row: Row| {
        ok &= row.ok;
        row.print(cli.json);
    };
    let asked = recorded::Asked {
        cubes: cli.cubes.clone(),
        asteroids: cli.asteroids.clone(),
        seed: cli.seed,
        exact: cli.exact,
    };
    if wanted(&["recorded", "codec", "C1", "C2", "C3", "G1", "G2"]) {
        recorded::rows(&asked, &mut print);
    }
    if wanted(&["exact", "C8"]) {
        recorded::exact(&asked, &mut print);
    }
    if wanted(&["codec", "C4", "C4w", "C7"]) {
        codec::rows(&cli.seeds, &mut print);
    }
    if wanted(&["idle", "C6"]) {
        idle::rows(&mut print);
    }
    for (row, commands) in [("F1a", false), ("F1b", true)] {
        if wanted(&["fanout", row]) {
            print(fanout::row(row, commands, cli.clients, cli.seconds));
        }
    }
    if wanted(&["fanout", "F2"]) {
        crowds::rooms(cli.seconds, &mut print);
    }
    if wanted(&["fanout", "F3", "F4"]) {
        crowds::viewers(cli.clients, cli.seconds, &mut print);
    }
    if wanted(&["fanout", "F5"]) {
        slow::rows(cli.seconds * 6, &mut print);
    }
    if wanted(&["fanout", "F6"]) {
        stalls::rows(cli.clients, cli.seconds, &mut print);
    }
    if wanted(&["fanout", "F8"]) {
        crowds::churn(cli.seconds, &mut print);
    }
    if wanted(&["fanout", "F10"]) {
        crowds::sleeping(cli.seconds, &mut print);
    }
    if wanted(&["realtime", "RT1", "RT2", "RT3", "F7"]) {
        realtime::rows(cli.seconds, &mut print);
    }
    if wanted(&["bots", "B1", "B2"]) {
        bots::rows(cli.seconds, &mut print);
    }
    if wanted(&["picture", "P1"]) {
        picture::rows(cli.seconds, &mut print);
    }
    if wanted(&["interest", "I1", "I2", "I3"]) {
        interest::rows(&mut print);
    }
    let feels = FEEL.map(&wanted);
    if feels.contains(&true) {
        let asked = if cli.long {
            feel::Asked::LONG
        } else {
            feel::Asked::SHORT
        };
        feel::rows(asked, feels, cli.plots.as_deref(), &mut print);
    }
    if wanted(&["costs", "K1", "K2", "K3", "K4"]) {
        costs::rows(cli.plots.as_deref(), &mut print);
    }
    if wanted(&["peers", "C5", "F9"]) {
        peers::rows(&cli.seeds, &mut print);
    }
    if wanted(&["first"]) {
        first::rows(&mut print);
    }
    if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

const KNOWN: [&str; 57] = [
    "recorded", "C1", "C2", "C3", "G1", "G2", "exact", "C8", "codec", "C4", "C4w", "C7", "idle",
    "C6", "fanout", "F1a", "F1b", "F2", "F3", "F4", "F5", "F6", "F8", "F10", "realtime", "RT1",
    "RT2", "RT3", "F7", "bots", "B1", "B2", "picture", "P1", "first", "interest", "I1", "I2", "I3",
    "costs", "K1", "K2", "K3", "K4", "feel", "L1", "L2", "L3", "L4", "L5", "L6", "L7", "L9",
    "peers", "C5", "F9", "all",
];
