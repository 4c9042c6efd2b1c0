//! `report feel`: L1 to L7 and L9, how the game feels on each link profile, in the lab. How it is measured is in the files below this one.

mod ahead;
mod blackout;
mod game;
mod measure;
mod plots;

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use tickwire_benches::row::Row;
use tickwire_lab::{Profile, profile};

use measure::{CLIENTS, Felt, Run};

/// Speeds are of spans in whole microseconds.
const ROUNDING: f64 = 1e-3;

/// How much is run.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Virtual time of each run, and how many of them a profile gets.
    pub span: Duration,
    pub seeds: u64,
}

impl Asked {
    /// The figures of every day.
    pub const SHORT: Asked = Asked {
        span: Duration::from_secs(300),
        seeds: 1,
    };
    /// What the goals ask for.
    pub const LONG: Asked = Asked {
        span: Duration::from_secs(600),
        seeds: 3,
    };
}

/// What updates and commands go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    WebSocket,
    Datagrams,
}

impl Lane {
    pub const ALL: [Lane; 2] = [Lane::WebSocket, Lane::Datagrams];

    pub fn name(self) -> &'static str {
        match self {
            Lane::WebSocket => "WebSocket",
            Lane::Datagrams => "datagrams",
        }
    }

    /// A row's id on this lane: `d` for datagrams.
    pub fn id(self, id: &str) -> String {
        match self {
            Lane::WebSocket => id.to_owned(),
            Lane::Datagrams => format!("{id}d"),
        }
    }

    pub fn on(self, profile: Profile) -> Profile {
        match self {
            Lane::WebSocket => profile,
            Lane::Datagrams => profile.datagrams(),
        }
    }
}

/// All runs on one profile.
pub struct OnProfile {
    pub profile: Profile,
    pub runs: Vec<Run>,
}

impl OnProfile {
    fn clients(&self) -> impl Iterator<Item = &Felt> {
        self.runs.iter().flat_map(|run| &run.clients)
    }

    fn mean(&self, of: impl Fn(&Felt) -> f64) -> f64 {
        let count = self.clients().count().max(1);
        self.clients().map(of).sum::<f64>() / count as f64
    }

    fn per_min(&self, of: impl Fn(&Felt) -> f64) -> f64 {
        let minutes: f64 = self.clients().map(|it| it.minutes).sum();
        self.clients().map(of).sum::<f64>() / minutes
    }

    fn most(&self, of: impl Fn(&Felt) -> f64) -> f64 {
        self.clients().map(of).fold(0.0, f64::max)
    }

    fn server(&self, of: impl Fn(&Run) -> f64) -> f64 {
        self.runs.iter().map(of).sum::<f64>() / self.runs.len().max(1) as f64
    }
}

/// Prints the rows of pictures, commands and clocks; of links that are back; and of prediction: those that are asked for. With `plots` it draws its
/// pictures into that folder.
pub fn rows(
    asked: Asked,
    [shown, back, ahead]: [bool; 3],
    plots: Option<&Path>,
    print: &mut dyn FnMut(Row),
) {
    if shown {
        let measured = Lane::ALL.map(|lane| (lane, of_lane(asked, lane, print)));
        if let Some(dir) = plots {
            plots::draw(&measured, dir);
        }
    }
    if back {
        blackout::rows(print);
    }
    if ahead {
        ahead::rows(plots, print);
    }
}

fn of_lane(asked: Asked, lane: Lane, print: &mut dyn FnMut(Row)) -> Vec<OnProfile> {
    let all = measure_all(asked, lane);
    let model = format!(
        "{}; {RATE} ticks and updates/s, 60 pictures/s, {CLIENTS} clients, {} x {} s",
        lane.name(),
        asked.seeds,
        asked.span.as_secs(),
        RATE = game::RATE,
    );
    interpolation(&all, (lane, &model), print);
    commands(&all, (lane, &model), print);
    clocks(&all, (lane, &model), print);
    for on in &all {
        let note = format!(
            "bytes a client and second, with headers {:.0}; updates put off for the window {:.0} a client and minute",
            on.server(|run| run.wire_bytes_per_s),
            on.server(|run| run.skipped_window),
        );
        let id = format!("{}.{}", lane.id("LB"), on.profile.name);
        print(Row::new(&id, on.server(|run| run.bytes_per_s), "B/s", note));
    }
    all
}

/// All profiles with all seeds, on two threads: a run is one thread's alone and the same on any.
fn measure_all(asked: Asked, lane: Lane) -> Vec<OnProfile> {
    let jobs: Vec<(usize, u64)> = (0..profile::ALL.len())
        .flat_map(|at| (1..=asked.seeds).map(move |seed| (at, seed)))
        .collect();
    let (next, done) = (Mutex::new(jobs.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let job = next.lock().expect("no run panicked").next();
                    let Some((at, seed)) = job else { break };
                    let run = measure::run(lane.on(profile::ALL[at]), seed, asked.span);
                    done.lock().expect("no run panicked").push((at, seed, run));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no run panicked");
    done.sort_by_key(|(at, seed, _)| (*at, *seed));
    let of = |wanted: usize| {
        let runs = done.iter().filter(|(at, ..)| *at == wanted);
        runs.map(|(.., run)| run.clone()).collect()
    };
    let profiles = profile::ALL.into_iter().enumerate();
    profiles
        .map(|(at, profile)| OnProfile {
            profile,
            runs: of(at),
        })
        .collect()
}

/// A head row with the worst profile's figure, and one for each profile. Each line is its profile's name, value, whether the rest is well too, and a note.
fn family(
    (id, unit, goals): (&str, &'static str, (f64, f64)),
    lines: Vec<(&str, f64, bool, String)>,
    how: &str,
    print: &mut dyn FnMut(Row),
) {
    let worst = lines.iter().map(|line| line.1).fold(0.0, f64::max);
    let mut head = Row::new(id, worst, unit, how).goals(goals.0, goals.1);
    head.ok &= lines.iter().all(|line| line.2);
    print(head);
    for (name, value, fine, note) in lines {
        let mut row = Row::new(&format!("{id}.{name}"), value, unit, note).goals(goals.0, goals.1);
        row.ok &= fine;
        print(row);
    }
}

fn interpolation(all: &[OnProfile], (lane, model): (Lane, &str), print: &mut dyn FnMut(Row)) {
    let line = |on: &'_ OnProfile| {
        let ratio = on.mean(|it| it.delay_ms) / on.mean(|it| it.oracle_delay_ms);
        let underruns = on.per_min(|it| it.underruns);
        let note = format!(
            "{underruns:.2} underruns/min (2, 1), {:.0} ms behind the truth against {:.0}, worst client {:.2} x; frozen {:.0} ms/min",
            on.mean(|it| it.delay_ms),
            on.mean(|it| it.oracle_delay_ms),
            on.most(|it| it.delay_ms / it.oracle_delay_ms),
            on.per_min(|it| it.frozen_ms),
        );
        (on.profile.name, ratio, underruns <= 2.0, note)
    };
    let how =
        format!("interpolation delay against the least constant one with 1 underrun/min, {model}");
    family(
        (&lane.id("L2"), "x", (1.5, 1.2)),
        all.iter().map(line).collect(),
        &how,
        print,
    );
}

fn commands(all: &[OnProfile], (lane, model): (Lane, &str), print: &mut dyn FnMut(Row)) {
    let line = |on: &'_ OnProfile| {
        let missing = on.server(|run| run.missing);
        let note = format!(
            "{:.2} late/min; lead {:.2} ticks against {:.2} (top: 1 more), at worst {:.2} more; {:.2} missing by the clients' own count",
            on.server(|run| run.late),
            on.mean(|it| it.lead),
            on.mean(|it| it.oracle_lead),
            on.most(|it| it.lead - it.oracle_lead),
            on.per_min(|it| it.missing),
        );
        (on.profile.name, missing, true, note)
    };
    let how = format!("commands missing at the server, and replaced by the game's rule, {model}");
    family(
        (&lane.id("L3"), "/min", (2.0, 1.0)),
        all.iter().map(line).collect(),
        &how,
        print,
    );
}

fn clocks(all: &[OnProfile], (lane, model): (Lane, &str), print: &mut dyn FnMut(Row)) {
    let line = |on: &'_ OnProfile| {
        let mut errors: Vec<f64> = on
            .clients()
            .flat_map(|it| it.errors.iter().copied())
            .collect();
        errors.sort_by(f64::total_cmp);
        let p99 = errors.get(errors.len() * 99 / 100).copied();
        let slowest = on.clients().map(|it| it.slowest).fold(1.0, f64::min);
        let mut earlies: Vec<f64> = on.clients().map(|it| it.error_early).collect();
        earlies.sort_by(f64::total_cmp);
        let early = earlies.get(earlies.len() * 9 / 10).copied();
        let (early, fastest) = (early.unwrap_or(f64::INFINITY), on.most(|it| it.fastest));
        let back: usize = on.clients().map(|it| it.backwards).sum();
        let note = format!(
            "p99 from 10 s on; {early:.2} after 4 round trips for 90 % of the clients (1), worst {:.2}; picture at {slowest:.3} to {fastest:.3} of the wall's speed (0.88-1.12, 0.95-1.05), {back} times back (0), {:.2} jumps/min over more than half a second behind",
            on.most(|it| it.error_early),
            on.per_min(|it| it.jumps),
        );
        let fine =
            early <= 1.0 && slowest >= 0.88 - ROUNDING && fastest <= 1.12 + ROUNDING && back == 0;
        (on.profile.name, p99.unwrap_or(f64::INFINITY), fine, note)
    };
    let how = format!("error of the client's clock, {model}");
    family(
        (&lane.id("L7"), "ticks", (0.5, 0.25)),
        all.iter().map(line).collect(),
        &how,
        print,
    );
}
