//! Figures of a room as its player has it: counters over the last seconds, for a HUD and for reports.

use std::collections::VecDeque;
use std::time::Duration;

use tickwire_proto::{Tick, Time};

use crate::foresight::ForesightFigures;

/// How a room is doing, seen from here. All rates are over the last few seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Figures {
    /// Round trip, smoothed, in milliseconds; 0 before the first.
    pub ping_ms: f64,
    /// How much later than the earliest updates arrive, mean, in milliseconds.
    pub jitter_ms: f64,
    /// Bytes of updates and their tick frames a second, in thousands.
    pub kilobytes_per_s: f64,
    /// Updates a second.
    pub updates_per_s: f64,
    /// The newest tick held.
    pub tick: Tick,
    /// The picture's tick, with its part.
    pub picture_tick: f64,
    /// The speed of the picture's clock, as a part of the wall's.
    pub picture_speed: f64,
    /// The tick that the server is taken to be at, with its part: the line of arrivals and half the least round trip.
    pub server_tick: f64,
    /// The tick that the clock of commands is at, with its part.
    pub command_tick: f64,
    /// Entities in the newest update.
    pub entities: u32,
    /// How old the newest update was on arrival: its capture to here, by the line of arrivals and half a round trip.
    pub age_ms: f64,
    /// How far the picture is behind the line of arrivals.
    pub delay_ms: f64,
    /// How far ahead of the line of arrivals commands are, in ticks, beyond the round trip.
    pub lead_ticks: f64,
    /// Ticks that the worst of the newest commands came before it was needed.
    pub slack: i8,
    /// How often the picture reached the newest update and had to wait for the next.
    pub underruns: u64,
    /// For how long pictures went on beyond the newest update, in all: see [`View::extrapolate`](crate::View::extrapolate).
    pub extrapolated_ms: f64,
    /// Updates that were wrong.
    pub faults: u64,
    /// Tick events that were let go because nobody drew.
    pub events_dropped: u64,
    /// Ticks that got no command because nobody asked in time.
    pub commands_skipped: u64,
    /// How predicting is doing, where somebody does.
    pub foresight: Option<ForesightFigures>,
}

/// Seconds that a rate looks back.
const METER_S: u64 = 4;

/// Counts things and bytes over the last seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    seconds: VecDeque<(u64, u32, u64)>,
    since: Option<Time>,
}

impl Meter {
    pub(crate) fn count(&mut self, now: Time, bytes: usize) {
        self.since.get_or_insert(now);
        let second = now.0 / 1_000_000;
        match self.seconds.back_mut() {
            Some((s, count, sum)) if *s >= second => {
                *count = count.saturating_add(1);
                *sum += bytes as u64;
            }
            _ => self.seconds.push_back((second, 1, bytes as u64)),
        }
        self.forget(second);
    }

    /// Things and bytes a second.
    pub(crate) fn rates(&mut self, now: Time) -> (f64, f64) {
        let second = now.0 / 1_000_000;
        self.forget(second);
        let Some(since) = self.since else {
            return (0.0, 0.0);
        };
        let window = Time((second.saturating_sub(METER_S)) * 1_000_000).max(since);
        let span = now
            .since(window)
            .max(Duration::from_millis(250))
            .as_secs_f64();
        let (count, bytes) = self
            .seconds
            .iter()
            .fold((0u64, 0u64), |(c, b), (_, count, sum)| {
                (c + u64::from(*count), b + sum)
            });
        (count as f64 / span, bytes as f64 / span)
    }

    fn forget(&mut self, second: u64) {
        while self
            .seconds
            .front()
            .is_some_and(|(s, ..)| s + METER_S < second)
        {
            self.seconds.pop_front();
        }
    }
}
