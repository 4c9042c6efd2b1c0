//! Many seeds one after the other: a storm made of each, and a line about all of them. What one run is made of is elsewhere.

use std::{fmt, time::Duration};

use tickwire_sim::GameFn;

use crate::{Chance, Faults, Lab, Profile, Violation, profile};

/// What many runs showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seeds {
    /// Runs.
    pub runs: u64,
    /// Virtual seconds in all.
    pub seconds: u64,
    /// How often what a client held was compared with the truth.
    pub checks: u64,
    /// Updates that were decoded.
    pub updates: u64,
    /// Links that were opened.
    pub links: u64,
    /// Sessions whose window has passed, and both sides know it.
    pub expired: u64,
    /// Numbered messages that came once and in order, to clients and rooms; see [`Lab::with_letters`].
    pub letters: u64,
    /// Numbered requests that were answered once.
    pub requests: u64,
    /// All trace hashes, folded.
    pub trace: u64,
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} seeds, {} s of virtual time, {} links, {} expired sessions, {} comparisons with the truth, {} letters and {} requests once and in order, 0 violations, trace {:016x}",
            self.runs,
            self.seconds,
            self.links,
            self.expired,
            self.checks,
            self.letters,
            self.requests,
            self.trace
        )
    }
}

/// A lab in which everything goes wrong, another way for each seed: 2 to 8 clients, links of every profile, some behind a
/// proxy that buffers megabytes, some with a window of a few bytes, some
/// that poll; sessions that wait for their clients for one second to thirty; and
/// some that are claimed by two links at once.
pub fn storm(name: &str, game: impl GameFn + 'static, seed: u64) -> Lab {
    let mut chance = Chance::new(seed).fork(77);
    let clients = 2 + chance.below(7) as usize;
    let links: Vec<Profile> = (0..clients).map(|_| link(&mut chance)).collect();
    let faults = if chance.happens(0.7) {
        Faults::STORM
    } else {
        Faults::TRAIN
    };
    let window = Duration::from_secs(*chance.pick(&[1, 3, 8, 30]));
    Lab::with_letters(name, game)
        .seed(seed)
        .clients(clients)
        .links(&links)
        .faults(faults)
        .resume_window(window)
        .races(0.3)
}

fn link(chance: &mut Chance) -> Profile {
    let link = *chance.pick(&profile::ALL);
    match chance.below(10) {
        0..=1 => link.proxy(4 << 20),
        2 => link.window(1_500),
        3 => link.bandwidth(25_000),
        4 => link.bandwidth(25_000).proxy(4 << 20),
        5 => link.polls(1.0),
        6 => link.polls(0.5),
        _ => link,
    }
}

/// Runs one lab for each seed; `lab` makes it. For as long as there is time: seeds by an iterator that ends then.
///
/// ```
/// # use tickwire_sim::Game;
/// use std::time::Duration;
/// # fn hello(game: &mut Game) { game.rate(30).seats(8); }
/// let seen = tickwire_lab::seeds(0..3, Duration::from_secs(5), |seed| tickwire_lab::storm("hello", hello, seed)).unwrap();
/// println!("{seen}");
/// ```
///
/// # Errors
/// The first violation, whose text names the seed.
pub fn seeds(
    seeds: impl IntoIterator<Item = u64>,
    span: Duration,
    lab: impl Fn(u64) -> Lab,
) -> Result<Seeds, Box<Violation>> {
    let mut seen = Seeds::default();
    for seed in seeds {
        let run = lab(seed).run(span)?;
        let figures = run.figures();
        seen.runs += 1;
        seen.seconds += run.now().as_secs();
        seen.checks += figures.checks;
        seen.links += figures.links;
        seen.expired += figures.expired;
        seen.letters += figures.letters;
        seen.requests += figures.requests;
        seen.updates += (figures.updates_per_client_s * figures.seconds * figures.clients as f64)
            .round() as u64;
        seen.trace = seen.trace.rotate_left(7) ^ run.trace_hash();
    }
    Ok(seen)
}
