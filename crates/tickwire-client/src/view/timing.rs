//! When a view shows what, and how that is doing: the server's time as seen from here, the delay that pictures need, the figures.

use std::time::Duration;

use tickwire_proto::{Tick, Time};

use super::View;
use crate::areas::AreaView;
use crate::clock::{Earliest, REBASE_US};
use crate::delay::DELAY_MAX;
use crate::figures::Figures;

/// By how much the middle between the ways there and back may be off where both sway, in microseconds.
const JITTER_US: f64 = 20_000.0;

impl View {
    /// An update of this tick came: what that says of the line of arrivals and of ways. `paused`: it is the first since the link was another.
    pub(super) fn arrived(&mut self, now: Time, tick: Tick, paused: bool) {
        let (known, before) = (!self.line.is_empty(), self.line.tick_at(now));
        let tick_us = self.line.tick_us();
        self.way.arrived(now.0 as f64 - f64::from(tick.0) * tick_us);
        let on_the_line = match paused {
            true => self.line.arrived_after_pause(now, tick),
            false => Some(self.line.arrived(now, tick)),
        };
        let late = on_the_line.unwrap_or_else(|| {
            self.lead.begin_anew();
            0.0
        });
        let moved = self.line.tick_at(now) - before;
        let moved_us = moved * self.line.tick_us();
        if known && on_the_line.is_some() && moved_us != 0.0 && moved_us.abs() < REBASE_US {
            self.delay.shift(moved_us);
        } else if moved_us.abs() >= REBASE_US {
            self.forget_ways();
        }
        if !paused {
            self.jitter_us += (late.min(DELAY_MAX) - self.jitter_us) / 16.0;
        }
        if self.stamp.is_none() {
            self.late_us = late;
        }
    }

    /// How the room is doing, seen from here. `rtt`: smoothed and least, from the session.
    pub fn figures(&mut self, now: Time, rtt: Duration, least_rtt: Duration) -> Figures {
        let (updates_per_s, bytes) = self.meter.rates(now);
        let tick_us = self.line.tick_us();
        Figures {
            ping_ms: rtt.as_secs_f64() * 1e3,
            jitter_ms: self.jitter_us / 1e3,
            kilobytes_per_s: bytes / 1e3,
            updates_per_s,
            tick: self.newest.unwrap_or_default(),
            picture_tick: self.clock.tick(),
            picture_speed: self.clock.speed(),
            server_tick: self.server_tick(now, least_rtt),
            command_tick: self.lead.tick(),
            entities: self
                .areas
                .values()
                .filter_map(AreaView::newest)
                .map(|held| held.area.len() as u32)
                .sum(),
            age_ms: self.age(least_rtt).as_secs_f64() * 1e3,
            delay_ms: if self.clock.is_started() {
                (self.line.tick_at(self.clock.at()) - self.clock.tick()) * tick_us / 1e3
            } else {
                0.0
            },
            lead_ticks: self.lead.margin(),
            slack: self.slack,
            underruns: self.underruns,
            extrapolated_ms: self.extrapolation.millis(),
            faults: self.faults,
            events_dropped: self.areas.values().map(|area| area.events_dropped).sum(),
            commands_skipped: self.lead.skipped(),
            foresight: self.ahead.0.as_ref().map(|ahead| ahead.figures()),
        }
    }

    /// The tick that the server is taken to be at: ahead of the line of arrivals by the way of an update. That is half of the least round trip, or of what the
    /// server said of commands if that is less; and somewhat less than half where [`Way`] says so.
    pub(crate) fn server_tick(&self, now: Time, least_rtt: Duration) -> f64 {
        let (tick_us, here) = (self.line.tick_us(), now.0 as f64);
        let line = self.line.tick_at(now) * tick_us;
        let trip = least_rtt.as_micros() as f64;
        let said = self.up.least().map_or(f64::INFINITY, |up| here + up - line);
        let middle = said.min(trip).max(0.0) / 2.0;
        // Where stalls are usual quartiles are of stalls: they are believed as far as jitter goes.
        let way = self.way.least(here - line).unwrap_or(middle);
        (line + way.clamp((middle - JITTER_US).max(0.0), middle)) / tick_us
    }

    pub(super) fn forget_ways(&mut self) {
        self.up = Earliest::default();
        self.way.forget_arrivals();
    }

    /// How old the newest update was on arrival.
    pub(crate) fn age(&self, least_rtt: Duration) -> Duration {
        least_rtt / 2 + Duration::from_micros(self.late_us.max(0.0) as u64)
    }

    /// Notes how long this picture would have had to wait. What counts is the longest wait before something new came.
    pub(super) fn learn_from_waiting(&mut self, now: Time) {
        let Some(known) = self.known_until().filter(|_| self.paused.is_empty()) else {
            self.wanting = None;
            return;
        };
        let needs = (self.line.tick_at(now) - f64::from(known.0)) * self.line.tick_us();
        self.wanting = match self.wanting {
            Some((before, most)) if before == known => Some((known, most.max(needs))),
            Some((_, most)) => {
                self.delay.note(now, most);
                Some((known, needs))
            }
            None => Some((known, needs)),
        };
    }

    /// The picture does not go beyond what is known of any area, or not farther than it was told: it waits there, and goes on from there. Areas that updates left out stand still
    /// in it meanwhile.
    pub(super) fn wait_for_the_unknown(&mut self) {
        let Some(known) = self.known_until() else {
            self.waiting = false;
            return;
        };
        let known = f64::from(known.0);
        if self.clock.tick() > known {
            self.underruns += u64::from(!self.waiting);
            self.waiting = true;
            let most = self.extrapolation.ticks(self.line.tick_us());
            self.clock.hold(known + most);
        } else {
            self.waiting = false;
        }
    }
}
