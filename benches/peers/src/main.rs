//! `tickwire-peers`: the arena on Tickwire and on its peers, all in one run: a table, the rows C5 and F9, and a chart. How each peer is set up stands in a file or crate of its own.

mod chart;
mod colyseus;
#[path = "../../src/game.rs"]
#[allow(dead_code, missing_docs)]
mod game;
mod naive;
mod own;
mod roster;
#[path = "../../src/row.rs"]
#[allow(dead_code, missing_docs)]
mod row;
mod sockets;
mod table;
mod versions;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use clap::{Parser, Subcommand, ValueEnum};
use tickwire_peers_common::{Counting, Measured};
use tickwire_workload::Config;

use crate::roster::{Entry, ROSTER};
use crate::table::{Line, Table};

#[global_allocator]
static COUNTING: Counting = Counting;

/// The same arena on Tickwire, bevy_replicon, lightyear, naia, Colyseus and naive ways, in one run.
///
/// Bytes a client and second that are handed to the transport, the server's CPU a tick, and its allocations a tick: after 5 s of warm-up, over 30 s, at 30 updates a second. All of it takes about half an hour. Each runs in a process of its own, and is measured only if its clients hold what the server has.
#[derive(Parser)]
#[command(
    name = "tickwire-peers",
    version,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    /// 16 players and 100 others, or 64 and 1,000
    #[arg(long, value_enum, default_value_t = Sizes::Both)]
    size: Sizes,
    /// Seeds of the arena
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 3])]
    seeds: Vec<u64>,
    /// One line of JSON a figure
    #[arg(long)]
    json: bool,
    /// Draws size L as a chart into this file (SVG)
    #[arg(long, value_name = "PATH")]
    chart: Option<PathBuf>,
    /// Only these peers; all if none is named
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = named)]
    only: Vec<String>,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Sizes {
    #[value(name = "S")]
    S,
    #[value(name = "L")]
    L,
    Both,
}

/// What this program does in another process.
#[derive(Subcommand)]
#[command(hide = true)]
enum Part {
    #[command(hide = true)]
    One {
        name: String,
        size: String,
        seed: u64,
    },
    #[command(hide = true)]
    Serve {
        profile: String,
        size: String,
        seed: u64,
    },
    #[command(hide = true)]
    Crowd { url: String, clients: usize },
}

fn named(name: &str) -> Result<String, String> {
    let names = || ROSTER.map(|entry| entry.name).join(", ");
    let known = Entry::find(name).map(|entry| entry.name.to_owned());
    known.ok_or_else(|| format!("the peers are {}", names()))
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(part) = &cli.part {
        part.run();
        return ExitCode::SUCCESS;
    }
    let before = load();
    let lines = measured(&cli);
    let table = Table {
        load: format!("{before} before, {} after", load()),
        lines,
    };
    let ok = table.print(cli.json);
    if let Some(path) = &cli.chart
        && let Err(error) = chart::draw(&table, path)
    {
        eprintln!("{}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Part {
    fn run(&self) {
        match self {
            Part::One { name, size, seed } => {
                let entry = Entry::find(name).expect("this program's own names");
                let result = entry.measure(size, *seed);
                println!("{}", serde_json::to_string(&result).expect("plain data"));
            }
            Part::Serve {
                profile,
                size,
                seed,
            } => {
                sockets::serve(profile, Config::by_name(size, *seed));
            }
            Part::Crowd { url, clients } => sockets::crowd(url, *clients),
        }
    }
}

fn measured(cli: &Cli) -> Vec<Line> {
    let wanted = |entry: &&Entry| cli.only.is_empty() || cli.only.iter().any(|it| it == entry.name);
    let measure = |entry, size| {
        let each = cli
            .seeds
            .iter()
            .map(|seed| in_own_process(entry, size, *seed));
        each.collect::<Result<Vec<Measured>, String>>()
    };
    let line = |entry: &'static Entry| Line {
        entry,
        small: (cli.size != Sizes::L).then(|| measure(entry, "S")),
        large: (cli.size != Sizes::S).then(|| measure(entry, "L")),
    };
    ROSTER.iter().filter(wanted).map(line).collect()
}

/// Apart from all others: its allocator, its globals and its heap are its own.
fn in_own_process(entry: &Entry, size: &str, seed: u64) -> Result<Measured, String> {
    eprintln!("{} {size}, seed {seed}, load {}", entry.name, load());
    let output = Command::new(std::env::current_exe().expect("a program has a path"))
        .args(["one", entry.name, size, &seed.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    serde_json::from_slice::<Result<Measured, String>>(&output.stdout)
        .map_err(|_| format!("its process ended with {}", output.status))?
}

/// The load averages: figures of CPU are to be read with them.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}
