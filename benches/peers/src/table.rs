//! What was measured as a table for people and as lines of JSON for machines, and the rows C5 and F9 made of it. What is measured is not here.

use tickwire_peers_common::Measured;

use crate::roster::{DENSE, Entry, QUANTISED, SOCKETS};
use crate::row::{self, Row};
use crate::versions;

/// A peer's runs, one for each seed, or why there are none.
pub type Runs = Result<Vec<Measured>, String>;

/// One peer.
pub struct Line {
    pub entry: &'static Entry,
    pub small: Option<Runs>,
    pub large: Option<Runs>,
}

/// All of them.
pub struct Table {
    /// The load averages before the first run and after the last.
    pub load: String,
    pub lines: Vec<Line>,
}

/// The mean over seeds of what a run has of something.
pub fn mean(runs: &Option<Runs>, of: impl Fn(&Measured) -> Option<f64>) -> Option<f64> {
    let runs = runs.as_ref()?.as_ref().ok()?;
    let all: Option<Vec<f64>> = runs.iter().map(of).collect();
    let all = all?;
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
}

/// Bytes a client and second; a row with sockets tells none.
pub fn bytes(it: &Measured) -> Option<f64> {
    (it.bytes > 0.0).then_some(it.bytes)
}

/// Milliseconds a tick: to write the state, to replicate it, and to hand it over.
pub fn cpu(it: &Measured) -> Option<f64> {
    Some(it.write_ms + it.cpu_ms)
}

/// The same without the writing.
fn replication(it: &Measured) -> Option<f64> {
    Some(it.cpu_ms)
}

impl Line {
    pub fn version(&self) -> String {
        match self.entry.package {
            "" => versions::of_colyseus(),
            package => versions::of_crate(package),
        }
    }

    fn failures(&self) -> impl Iterator<Item = &String> {
        let runs = [&self.small, &self.large].into_iter().flatten();
        runs.filter_map(|runs| runs.as_ref().err())
    }
}

impl Table {
    /// Whether every row reached its floor and everybody was measured.
    pub fn print(&self, json: bool) -> bool {
        let rows = [self.c5(), self.f9()].into_iter().flatten();
        let rows: Vec<Row> = rows.collect();
        let failures = || self.lines.iter().flat_map(Line::failures);
        if json {
            self.figures().iter().for_each(|row| row.print(true));
            failures().for_each(|failure| eprintln!("not measured: {failure}"));
        } else {
            self.people();
            row::head();
        }
        rows.iter().for_each(|row| row.print(json));
        rows.iter().all(|row| row.ok) && failures().next().is_none()
    }

    fn people(&self) {
        println!("load {}", self.load);
        println!(
            "\x1b[1m{:<38} {:>8} {:>10} {:>10} {:>9} {:>9} {:>8}  what is in it\x1b[0m",
            "", "version", "S B/cl/s", "L B/cl/s", "S ms", "L ms", "L allocs"
        );
        for line in &self.lines {
            let show = |value: Option<f64>, digits| {
                value.map_or_else(|| "-".to_owned(), |value| grouped(value, digits))
            };
            println!(
                "{:<38} {:>8} {:>10} {:>10} {:>9} {:>9} {:>8}  {}",
                line.entry.title,
                line.version(),
                show(mean(&line.small, bytes), 0),
                show(mean(&line.large, bytes), 0),
                show(mean(&line.small, cpu), 3),
                show(mean(&line.large, cpu), 3),
                show(mean(&line.large, |it| it.allocations), 0),
                line.entry.note,
            );
            for failure in line.failures() {
                println!("  not measured: {failure}");
            }
        }
    }

    /// Every figure as a row without a goal.
    fn figures(&self) -> Vec<Row> {
        type Figure = (&'static str, &'static str, fn(&Measured) -> Option<f64>);
        let figures: [Figure; 6] = [
            ("bytes", "B/client/s", bytes),
            ("payload", "B/client/s", |it| it.payload),
            ("cpu", "ms/tick", cpu),
            ("replication", "ms/tick", replication),
            ("allocations", "/tick", |it| it.allocations),
            ("fresh", "of 1", |it| (it.bytes > 0.0).then_some(it.fresh)),
        ];
        let mut rows = Vec::new();
        for line in &self.lines {
            for (size, runs) in [("S", &line.small), ("L", &line.large)] {
                for (what, unit, of) in figures {
                    let id = format!("peers.{}.{size}.{what}", line.entry.name);
                    let note = format!("{} {}", line.entry.title, line.version());
                    rows.extend(mean(runs, of).map(|value| Row::new(&id, value, unit, note)));
                }
            }
        }
        rows
    }

    fn line(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.entry.name == name)
    }

    /// Arena S against bevy_replicon quantised by hand: bytes.
    fn c5(&self) -> Option<Row> {
        let (own, other) = (&self.line(DENSE)?.small, &self.line(QUANTISED)?.small);
        let (own_bytes, other) = (mean(own, bytes)?, mean(other, bytes)?);
        let payload = mean(own, |it| it.payload)?;
        let note = format!(
            "arena S, all bytes handed to the transport, WebSocket headers counted: {own_bytes:.0} B/client/s against {other:.0} of bevy_replicon quantised by hand; the deltas alone {payload:.0}: {:.3}",
            payload / other
        );
        Some(Row::new("C5", own_bytes / other, "x replicon", note).goals(1.0 / 10.0, 1.0 / 16.0))
    }

    /// Arena L with real sockets against bevy_replicon's replication alone: CPU a tick.
    fn f9(&self) -> Option<Row> {
        let (own, other) = (&self.line(SOCKETS)?.large, &self.line(QUANTISED)?.large);
        let (own, other) = (mean(own, cpu)?, mean(other, replication)?);
        let note = format!(
            "arena L, the server's process with 64 WebSockets: {own:.2} ms a tick against {other:.2} of bevy_replicon's replication in memory; load {}",
            self.load
        );
        Some(Row::new("F9", own / other, "x replicon", note).goals(1.0 / 10.0, 1.0 / 20.0))
    }
}

/// A number with its thousands apart.
fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}
