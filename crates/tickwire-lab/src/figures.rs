//! What a run measured: counts and quantiles for a person or a report; no goals, no judgement.

use std::{fmt, time::Duration};

/// Quantiles of a set of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quantiles {
    /// Half of the samples are at most this.
    pub p50: f64,
    /// 90 % of the samples are at most this.
    pub p90: f64,
    /// 99 % of the samples are at most this.
    pub p99: f64,
    /// The greatest sample.
    pub max: f64,
}

impl Quantiles {
    /// Of samples in any order; all 0 where there are none.
    pub fn of(samples: &[u32]) -> Quantiles {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable();
        let at = |part: f64| {
            let rank = (part * sorted.len() as f64).ceil() as usize;
            sorted
                .get(rank.saturating_sub(1))
                .map_or(0.0, |sample| f64::from(*sample))
        };
        Quantiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: at(1.0),
        }
    }

    fn scaled(self, factor: f64) -> Quantiles {
        Quantiles {
            p50: self.p50 * factor,
            p90: self.p90 * factor,
            p99: self.p99 * factor,
            max: self.max * factor,
        }
    }
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {:.1}, p90 {:.1}, p99 {:.1}, max {:.1}",
            self.p50, self.p90, self.p99, self.max
        )
    }
}

/// Samples that one run keeps of one thing; what comes later is counted, not kept.
const SAMPLES_MAX: usize = 4_000_000;

/// What one client counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub frames: u64,
    pub bytes: u64,
    pub wire_bytes: u64,
    pub updates: u64,
    pub age_us: Vec<u32>,
    pub effect_us: Vec<u32>,
    pub faults: u64,
    pub links: u64,
    pub joins: u64,
    pub refusals: u64,
    pub underruns: u64,
    pub pictures: u64,
    pub letters: u64,
    pub requests: u64,
    pub resume_us: Vec<u32>,
    pub fresh_us: Vec<u32>,
    pub expired: u64,
}

impl Counts {
    pub fn resume(&mut self, span: Duration) {
        keep(&mut self.resume_us, span);
    }

    pub fn fresh(&mut self, span: Duration) {
        keep(&mut self.fresh_us, span);
    }

    pub fn age(&mut self, age: Duration) {
        keep(&mut self.age_us, age);
    }

    pub fn effect(&mut self, span: Duration) {
        keep(&mut self.effect_us, span);
    }
}

fn keep(samples: &mut Vec<u32>, span: Duration) {
    if samples.len() < SAMPLES_MAX {
        samples.push(u32::try_from(span.as_micros()).unwrap_or(u32::MAX));
    }
}

/// What a run measured, over all clients and all of its virtual time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Figures {
    /// Clients at once.
    pub clients: usize,
    /// Virtual seconds.
    pub seconds: f64,
    /// Updates that a client decoded, a second.
    pub updates_per_client_s: f64,
    /// Bytes of frames that a client received, a second.
    pub bytes_per_client_s: f64,
    /// The same with WebSocket headers.
    pub wire_bytes_per_client_s: f64,
    /// How old what an update tells was on its arrival, in milliseconds.
    pub age_ms: Quantiles,
    /// From a command's making to the update that says it was applied, in milliseconds.
    pub effect_ms: Quantiles,
    /// Pictures that had to wait for an update, a client and minute.
    pub underruns_per_min: f64,
    /// Links that were opened.
    pub links: u64,
    /// Rooms that were joined, the first time or again.
    pub joins: u64,
    /// Joins that were refused, for want of a seat for instance.
    pub refusals: u64,
    /// Updates that a client found to be wrong, by their hash or their bytes, and asked to be mended.
    pub faults: u64,
    /// Deltas that the server made, however many clients took them.
    pub encodes: u64,
    /// How often what a client holds was compared with the truth.
    pub checks: u64,
    /// Numbered messages that came once and in order; see [`Lab::with_letters`](crate::Lab::with_letters).
    pub letters: u64,
    /// Numbered requests of clients that were answered once.
    pub requests: u64,
    /// From a link's opening until the session was resumed over it, in milliseconds.
    pub resume_ms: Quantiles,
    /// From a link's opening until the first update came over it to a session that was resumed, in milliseconds.
    pub fresh_ms: Quantiles,
    /// How often a session was resumed.
    pub resumes: u64,
    /// Sessions whose window has passed, of clients that were told so.
    pub expired: u64,
}

impl Figures {
    pub(crate) fn of(counts: &[Counts], span: Duration, encodes: u64, checks: u64) -> Figures {
        let seconds = span.as_secs_f64();
        let client_seconds = (counts.len() as f64 * seconds).max(f64::MIN_POSITIVE);
        let sum = |part: fn(&Counts) -> u64| counts.iter().map(part).sum::<u64>();
        let all = |part: fn(&Counts) -> &Vec<u32>| {
            counts.iter().flat_map(part).copied().collect::<Vec<_>>()
        };
        Figures {
            clients: counts.len(),
            seconds,
            updates_per_client_s: sum(|c| c.updates) as f64 / client_seconds,
            bytes_per_client_s: sum(|c| c.bytes) as f64 / client_seconds,
            wire_bytes_per_client_s: sum(|c| c.wire_bytes) as f64 / client_seconds,
            age_ms: Quantiles::of(&all(|c| &c.age_us)).scaled(1e-3),
            effect_ms: Quantiles::of(&all(|c| &c.effect_us)).scaled(1e-3),
            underruns_per_min: sum(|c| c.underruns) as f64 * 60.0 / client_seconds,
            links: sum(|c| c.links),
            joins: sum(|c| c.joins),
            refusals: sum(|c| c.refusals),
            faults: sum(|c| c.faults),
            encodes,
            checks,
            letters: sum(|c| c.letters),
            requests: sum(|c| c.requests),
            resume_ms: Quantiles::of(&all(|c| &c.resume_us)).scaled(1e-3),
            fresh_ms: Quantiles::of(&all(|c| &c.fresh_us)).scaled(1e-3),
            resumes: sum(|c| c.resume_us.len() as u64),
            expired: sum(|c| c.expired),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} clients, {:.1} s", self.clients, self.seconds)?;
        writeln!(
            f,
            "updates    {:.1} a client and second",
            self.updates_per_client_s
        )?;
        writeln!(
            f,
            "bytes      {:.0} a client and second, {:.0} with headers",
            self.bytes_per_client_s, self.wire_bytes_per_client_s
        )?;
        writeln!(f, "age        {} ms", self.age_ms)?;
        writeln!(f, "effect     {} ms", self.effect_ms)?;
        writeln!(
            f,
            "underruns  {:.2} a client and minute",
            self.underruns_per_min
        )?;
        write!(
            f,
            "links {}, joins {}, refusals {}, faults {}, encodes {}, checks {}",
            self.links, self.joins, self.refusals, self.faults, self.encodes, self.checks
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let samples: Vec<u32> = (1..=100).rev().collect();
        assert_eq!(
            Quantiles::of(&samples),
            Quantiles {
                p50: 50.0,
                p90: 90.0,
                p99: 99.0,
                max: 100.0
            }
        );
        assert_eq!(Quantiles::of(&[]), Quantiles::default());
        assert_eq!(Quantiles::of(&[5]).p50, 5.0);
    }

    #[test]
    fn figures_are_per_client_and_second() {
        let counts = Counts {
            updates: 60,
            bytes: 600,
            wire_bytes: 720,
            underruns: 1,
            ..Counts::default()
        };
        let figures = Figures::of(&[counts.clone(), counts], Duration::from_secs(2), 60, 0);
        assert_eq!(
            (figures.updates_per_client_s, figures.bytes_per_client_s),
            (30.0, 300.0)
        );
        assert_eq!(figures.underruns_per_min, 30.0);
        assert!(figures.to_string().contains("360 with headers"));
    }
}
