//! One run of the lab on one link profile, and what its recordings say of interpolation, commands and clocks. Rows and goals are elsewhere.

use std::time::Duration;

use tickwire_lab::{Lab, Oracle, Profile, Recording, Said, Shown, least_delay, least_lead};

use super::game::{RATE, game};

/// Players in a run.
pub const CLIENTS: usize = 8;
/// A client is new for so long: what is measured begins then.
pub const NEW: Duration = Duration::from_secs(10);
const TICK_MS: f64 = 1e3 / RATE as f64;
/// Ticks beyond the wall's between two pictures that are a jump, and no speed.
const JUMP: f64 = 3.0;
/// Round trips from the opening of a link to the first picture: hello and attach in the first, join and keyframe in the second.
const TRIPS_TO_PICTURE: u32 = 2;
/// Round trips after which the clock must be right.
const TRIPS: u32 = 4;

/// What one client's run says.
#[derive(Clone, Debug, Default)]
pub struct Felt {
    pub minutes: f64,
    /// Mean time by which pictures were behind the truth, and the least constant one with one underrun a minute, in milliseconds.
    pub delay_ms: f64,
    pub oracle_delay_ms: f64,
    pub underruns: f64,
    pub frozen_ms: f64,
    /// Mean lead of the commands sent, in ticks ahead of the truth, and the least constant one with one missing a minute.
    pub lead: f64,
    pub oracle_lead: f64,
    /// Ticks that no command came in time for.
    pub missing: f64,
    /// Errors of the clock, in ticks: four round trips after the link opened, and all after the client was new.
    pub error_early: f64,
    pub errors: Vec<f64>,
    /// The picture's slowest and fastest speed while it did not wait, how often it left out what it was far behind of, and how often it went back.
    pub slowest: f64,
    pub fastest: f64,
    pub jumps: f64,
    pub backwards: usize,
}

/// What a run says: each client, and what the server counted of all of them together, a client and minute.
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub clients: Vec<Felt>,
    pub missing: f64,
    pub late: f64,
    pub skipped_window: f64,
    pub bytes_per_s: f64,
    pub wire_bytes_per_s: f64,
}

/// Runs the lab and measures for `span` after the clients are no longer new.
pub fn run(profile: Profile, seed: u64, span: Duration) -> Run {
    let lab = Lab::new("feel", game).seed(seed).clients(CLIENTS);
    let mut lab = lab.link(profile).record().start();
    let fine = |outcome: Result<(), Box<tickwire_lab::Violation>>| {
        outcome.unwrap_or_else(|violation| panic!("{violation}"));
    };
    fine(lab.advance(NEW + Duration::from_secs(2)));
    let before = lab.room_stats();
    fine(lab.advance(span));
    let after = lab.room_stats();
    let minutes = CLIENTS as f64 * span.as_secs_f64() / 60.0;
    let each = |count: u64| count as f64 / minutes;
    let figures = lab.figures();
    let clients = (0..CLIENTS).filter_map(|client| lab.recording(client));
    Run {
        clients: clients.map(|it| felt(it, &profile)).collect(),
        missing: each(after.commands_missing - before.commands_missing),
        late: each(after.commands_late - before.commands_late),
        skipped_window: each(after.skipped_window - before.skipped_window),
        bytes_per_s: figures.bytes_per_client_s,
        wire_bytes_per_s: figures.wire_bytes_per_client_s,
    }
}

fn felt(recording: &Recording, profile: &Profile) -> Felt {
    let first = recording.shown.first().map_or(Duration::ZERO, |it| it.at);
    let from = first + NEW;
    let shown = &recording.shown[recording.shown.partition_point(|it| it.at < from)..];
    let said = &recording.said[recording.said.partition_point(|it| it.at < from)..];
    // The last ones may be on their way.
    let last = shown.last().map_or(from, |it| it.at) - Duration::from_secs(3);
    let said = &said[..said.partition_point(|it| it.at < last)];
    let minutes = shown.len() as f64 / 3_600.0;
    let allowed = (minutes.round() as usize).max(1);
    let ticks = |oracle: Option<Oracle>| oracle.map_or(f64::INFINITY, |it| it.ticks);
    let settled = first + profile.round_trip() * (TRIPS - TRIPS_TO_PICTURE);
    let early = recording.shown.iter().find(|it| it.at >= settled);
    let (slowest, fastest, jumps, backwards) = speeds(&recording.shown);
    Felt {
        minutes,
        delay_ms: mean(shown, |it| it.truth - it.picture) * TICK_MS,
        oracle_delay_ms: ticks(least_delay(shown, allowed)) * TICK_MS,
        underruns: underruns(shown) as f64,
        frozen_ms: shown.iter().filter(|it| it.is_frozen()).count() as f64 * 1e3 / 60.0,
        lead: mean(said, |it| f64::from(it.tick.0) - it.truth),
        oracle_lead: ticks(least_lead(shown, said, allowed)),
        missing: missing(said) as f64,
        error_early: early.map_or(f64::INFINITY, |it| (it.estimate - it.truth).abs()),
        errors: shown
            .iter()
            .map(|it| (it.estimate - it.truth).abs())
            .collect(),
        slowest,
        fastest,
        jumps,
        backwards,
    }
}

fn mean<T>(of: &[T], what: impl Fn(&T) -> f64) -> f64 {
    of.iter().map(what).sum::<f64>() / of.len().max(1) as f64
}

/// Pictures that wait for an update where the one before did not.
fn underruns(shown: &[Shown]) -> usize {
    let pairs = shown.windows(2);
    pairs
        .filter(|pair| !pair[0].is_frozen() && pair[1].is_frozen())
        .count()
}

/// Ticks from the first command to the last that none came in time for.
fn missing(said: &[Said]) -> u32 {
    let (Some(first), Some(last)) = (said.first(), said.last()) else {
        return 0;
    };
    let in_time = said.iter().filter(|it| it.is_in_time()).count() as u32;
    (last.tick.since(first.tick) + 1).saturating_sub(in_time)
}

fn speeds(shown: &[Shown]) -> (f64, f64, f64, usize) {
    let (mut slowest, mut fastest) = (1.0f64, 1.0f64);
    let (mut jumps, mut backwards) = (0.0, 0);
    for pair in shown.windows(2) {
        let ticks = pair[1].picture - pair[0].picture;
        let wall = (pair[1].at - pair[0].at).as_secs_f64() * f64::from(RATE);
        backwards += usize::from(ticks < 0.0);
        if ticks > wall + JUMP {
            jumps += 1.0;
        } else if !pair[1].is_frozen() {
            slowest = slowest.min(ticks / wall);
            fastest = fastest.max(ticks / wall);
        }
    }
    (slowest, fastest, jumps, backwards)
}
