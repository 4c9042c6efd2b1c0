//! What is counted while a server runs, and its text for Prometheus. Who counts what is told at each field.

mod fronts;
mod histogram;
mod process;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tickwire_server::{DirectoryStats, FrontStats};

use fronts::Fronts;
pub(crate) use histogram::Histogram;
use histogram::SHORT;

/// A tick that begins later than this is late.
pub(crate) const LATE: Duration = Duration::from_millis(2);

/// A number that only grows, or one that is set.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    /// For gauges.
    pub(crate) fn less(&self, less: u64) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one io shard counts: in a struct of its own, so that shards do not write to each other's cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct ShardCounts {
    /// WebSockets that are open.
    pub(crate) links: Count,
    pub(crate) links_opened: Count,
    /// Bytes written and read, WebSocket headers counted.
    pub(crate) bytes_out: Count,
    pub(crate) bytes_in: Count,
    pub(crate) updates: Count,
    /// Writes of frames: a tick frame and its update are one.
    pub(crate) writes: Count,
    /// Writes that the socket did not take whole.
    pub(crate) short_writes: Count,
    /// Links that broke the WebSocket protocol or a limit of it.
    pub(crate) breaches: Count,
    /// Messages to rooms or the lobby that found a full inbox.
    pub(crate) inbox_drops: Count,
    /// Handlers that panicked.
    pub(crate) handlers_failed: Count,
    /// Messages outside of rooms that nobody handles.
    pub(crate) unhandled: Count,
    pub(crate) http_requests: Count,
}

/// What the whole server counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) shards: Vec<ShardCounts>,
    pub(crate) rooms: Count,
    pub(crate) rooms_created: Count,
    /// Rooms that need no ticks for now.
    pub(crate) rooms_resting: Count,
    pub(crate) rooms_failed: Count,
    pub(crate) tick_time: Histogram,
    pub(crate) lateness: Histogram,
    pub(crate) late_ticks: Count,
    pub(crate) skipped_ticks: Count,
    /// How often a room went to slower time, and to any other pace.
    pub(crate) slowings: Count,
    pub(crate) paces: Count,
    /// Worker threads lost to rooms that never returned.
    pub(crate) workers_lost: Count,
    pub(crate) connections_refused: Count,
    /// Upgrades that were refused.
    pub(crate) upgrades_refused: Count,
    /// Requests for polling links that were refused.
    pub(crate) polls_refused: Count,
    /// What the fronts counted, as they told it last.
    fronts: Mutex<Vec<FrontStats>>,
    /// What the directory counted, as it told it last.
    directory: Mutex<DirectoryStats>,
    /// What the rooms counted, by name.
    rooms_sum: Mutex<BTreeMap<&'static str, u64>>,
}

impl Metrics {
    pub(crate) fn new(shards: usize) -> Metrics {
        Metrics {
            shards: (0..shards).map(|_| ShardCounts::default()).collect(),
            rooms: Count::default(),
            rooms_created: Count::default(),
            rooms_resting: Count::default(),
            rooms_failed: Count::default(),
            tick_time: Histogram::new(SHORT),
            lateness: Histogram::new(SHORT),
            late_ticks: Count::default(),
            skipped_ticks: Count::default(),
            slowings: Count::default(),
            paces: Count::default(),
            workers_lost: Count::default(),
            connections_refused: Count::default(),
            upgrades_refused: Count::default(),
            polls_refused: Count::default(),
            fronts: Mutex::new(vec![FrontStats::default(); shards]),
            directory: Mutex::default(),
            rooms_sum: Mutex::default(),
        }
    }

    /// What a front has counted so far.
    pub(crate) fn front(&self, shard: usize, stats: FrontStats) {
        if let Some(front) = self
            .fronts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_mut(shard)
        {
            *front = stats;
        }
    }

    /// What the directory has counted so far.
    pub(crate) fn directory(&self, stats: DirectoryStats) {
        *self
            .directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = stats;
    }

    /// A tick that ran `late` after it was due and took `took`.
    pub(crate) fn ticked(&self, late: Duration, took: Duration) {
        self.tick_time.add(took);
        self.lateness.add(late);
        if late > LATE {
            self.late_ticks.one();
        }
    }

    /// Adds what a room counted since it last said so.
    pub(crate) fn room_counts(&self, counts: impl IntoIterator<Item = (&'static str, u64)>) {
        let mut sums = self
            .rooms_sum
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (name, more) in counts {
            *sums.entry(name).or_default() += more;
        }
    }

    /// The text exposition of all of it.
    pub(crate) fn text(&self) -> String {
        let mut out = Text(String::with_capacity(8192));
        self.process(&mut out);
        self.shards(&mut out);
        out.counter(
            "tickwire_rooms_created_total",
            "Rooms made",
            self.rooms_created.get(),
        );
        out.gauge("tickwire_rooms", "Rooms there are", self.rooms.get());
        out.gauge(
            "tickwire_rooms_resting",
            "Rooms of these that need no ticks for now",
            self.rooms_resting.get(),
        );
        out.counter(
            "tickwire_rooms_failed_total",
            "Rooms that ended by a panic or were abandoned",
            self.rooms_failed.get(),
        );
        out.counter(
            "tickwire_workers_lost_total",
            "Worker threads lost to rooms that never returned",
            self.workers_lost.get(),
        );
        self.tick_time.write(
            "tickwire_tick_seconds",
            "Time to step a room, updates included",
            &mut out.0,
        );
        self.lateness.write(
            "tickwire_tick_lateness_seconds",
            "How long after it was due a tick began",
            &mut out.0,
        );
        out.counter(
            "tickwire_late_ticks_total",
            "Ticks that began more than 2 ms late",
            self.late_ticks.get(),
        );
        out.counter(
            "tickwire_skipped_ticks_total",
            "Ticks given up since a room was too far behind",
            self.skipped_ticks.get(),
        );
        out.counter(
            "tickwire_room_slowings_total",
            "Times that a room which could not keep up went to slower time",
            self.slowings.get(),
        );
        out.counter(
            "tickwire_room_pace_changes_total",
            "Times that a room went to fewer updates, to more again, or to faster time again",
            self.paces.get(),
        );
        Fronts::sum(&self.fronts.lock().unwrap_or_else(PoisonError::into_inner)).write(&mut out);
        self.people(&mut out);
        for (name, sum) in self
            .rooms_sum
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            out.counter(
                &format!("tickwire_room_{name}_total"),
                "Counted by the rooms",
                *sum,
            );
        }
        out.0
    }

    fn people(&self, out: &mut Text) {
        let stats = *self
            .directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        out.gauge("tickwire_people", "Identities that are here", stats.people);
        out.gauge("tickwire_follows", "Who watches whom", stats.follows);
        for (name, help, count) in [
            (
                "sessions_replaced",
                "Sessions that gave way to a newer one of their identity",
                stats.replaced,
            ),
            (
                "presence_changes",
                "Changes told to watchers",
                stats.changes,
            ),
            (
                "notices_live",
                "Live notices that reached somebody",
                stats.notices_live,
            ),
            (
                "notices_unheard",
                "Live notices for identities of which nobody was online",
                stats.notices_unheard,
            ),
            ("notices_kept", "Notices kept", stats.notices_kept),
            (
                "notices_dropped",
                "Kept notices that made room for newer ones of the same identity",
                stats.notices_dropped,
            ),
            (
                "notices_refused",
                "Notices that are too long, or that the store could not keep",
                stats.notices_refused,
            ),
            (
                "notices_given",
                "Kept notices given to a session",
                stats.notices_out,
            ),
            (
                "notices_done",
                "Kept notices acknowledged",
                stats.notices_done,
            ),
            (
                "store_failures",
                "Jobs that the store could not do",
                stats.store_failures,
            ),
        ] {
            out.counter(&format!("tickwire_{name}_total"), help, count);
        }
    }

    fn process(&self, out: &mut Text) {
        let Some(process) = process::read() else {
            return;
        };
        out.line(
            "process_cpu_seconds_total",
            "CPU time of this process",
            "counter",
            process.cpu_s,
        );
        out.gauge(
            "process_resident_memory_bytes",
            "Resident memory",
            process.resident_bytes,
        );
        out.gauge("process_threads", "Threads", process.threads);
        out.gauge("process_open_fds", "Open descriptors", process.descriptors);
    }

    fn shards(&self, out: &mut Text) {
        let sum = |count: fn(&ShardCounts) -> &Count| {
            self.shards
                .iter()
                .map(|shard| count(shard).get())
                .sum::<u64>()
        };
        out.gauge(
            "tickwire_links",
            "WebSockets that are open",
            sum(|shard| &shard.links),
        );
        out.counter(
            "tickwire_links_opened_total",
            "WebSockets opened",
            sum(|shard| &shard.links_opened),
        );
        out.counter(
            "tickwire_updates_sent_total",
            "Updates written",
            sum(|shard| &shard.updates),
        );
        out.counter(
            "tickwire_writes_total",
            "Writes of frames to WebSockets: one for each client and update, and few beside",
            sum(|shard| &shard.writes),
        );
        out.counter(
            "tickwire_bytes_sent_total",
            "Bytes written to WebSockets, their headers counted",
            sum(|shard| &shard.bytes_out),
        );
        out.counter(
            "tickwire_bytes_received_total",
            "Bytes read from WebSockets",
            sum(|shard| &shard.bytes_in),
        );
        out.counter(
            "tickwire_short_writes_total",
            "Writes that a socket did not take whole",
            sum(|shard| &shard.short_writes),
        );
        out.counter(
            "tickwire_links_breached_total",
            "Links that broke the WebSocket protocol or a limit of it",
            sum(|shard| &shard.breaches),
        );
        out.counter(
            "tickwire_inbox_drops_total",
            "Commands, receipts and volatile messages dropped since an inbox was full",
            sum(|shard| &shard.inbox_drops),
        );
        out.counter(
            "tickwire_handlers_failed_total",
            "Handlers of namespaces that panicked",
            sum(|shard| &shard.handlers_failed),
        );
        out.counter(
            "tickwire_messages_unhandled_total",
            "Messages outside of rooms that no handler takes, or that are none of its kind",
            sum(|shard| &shard.unhandled),
        );
        out.counter(
            "tickwire_http_requests_total",
            "HTTP requests",
            sum(|shard| &shard.http_requests),
        );
        out.counter(
            "tickwire_connections_refused_total",
            "Connections closed at once",
            self.connections_refused.get(),
        );
        out.counter(
            "tickwire_upgrades_refused_total",
            "Upgrades refused",
            self.upgrades_refused.get(),
        );
    }
}

/// The lines of an exposition.
struct Text(String);

impl Text {
    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.line(name, help, "counter", value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.line(name, help, "gauge", value);
    }

    fn line(&mut self, name: &str, help: &str, kind: &str, value: impl std::fmt::Display) {
        let _ = writeln!(
            self.0,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
        );
    }

    fn by(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl Iterator<Item = (impl AsRef<str>, u64)>,
    ) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} counter");
        for (value, count) in values {
            let escaped = value
                .as_ref()
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let _ = writeln!(self.0, "{name}{{{label}=\"{escaped}\"}} {count}");
        }
    }
}

#[cfg(test)]
mod tests {
    use tickwire_proto::Reason;

    use super::*;

    #[test]
    fn every_line_is_prometheus() {
        let metrics = Metrics::new(2);
        let mut front = FrontStats::default();
        front.endings.insert(Reason::Violation, 1);
        front.refusals.insert("Full\"\n".to_owned(), 1);
        front.ages.add(12);
        metrics.front(1, front);
        metrics.shards[1].updates.add(3);
        metrics.ticked(Duration::from_millis(3), Duration::from_micros(40));
        metrics.room_counts([("encodes", 2), ("encodes", 3)]);
        let text = metrics.text();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            assert!(
                value.parse::<f64>().is_ok() && name.starts_with(|c: char| c.is_ascii_lowercase()),
                "{line}"
            );
        }
        for line in [
            "tickwire_late_ticks_total 1",
            "tickwire_updates_sent_total 3",
            "tickwire_sessions_ended_total{reason=\"Violation\"} 1",
            "tickwire_refusals_total{code=\"Full\\\"\\n\"} 1",
            "tickwire_room_encodes_total 5",
            "tickwire_update_age_seconds_bucket{le=\"0.02\"} 1",
        ] {
            assert!(
                text.lines().any(|one| one == line),
                "{line} is missing in\n{text}"
            );
        }
    }
}
