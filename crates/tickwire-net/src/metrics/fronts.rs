//! What the fronts of all shards counted, as one, and its lines.

use std::collections::BTreeMap;
use std::fmt::Write;

use tickwire_proto::Reason;
use tickwire_server::{AGE_BOUNDS_MS, AgeHistogram, FrontStats};

use super::Text;

/// What sessions count that is no loss, or has lines of its own; and what clients alone count.
const TRAFFIC: [&str; 5] = [
    "frames_in",
    "bytes_in",
    "frames_out",
    "bytes_out",
    "commands_unsent",
];

/// The sum of all fronts.
#[derive(Debug, Default)]
pub(crate) struct Fronts {
    sessions: u64,
    attaches: u64,
    links_lost: u64,
    resumes: u64,
    endings: BTreeMap<Reason, u64>,
    refusals: BTreeMap<String, u64>,
    bytes_out: BTreeMap<&'static str, u64>,
    frames_out: BTreeMap<&'static str, u64>,
    bytes_in: BTreeMap<&'static str, u64>,
    ages: AgeHistogram,
    dropped: BTreeMap<&'static str, u64>,
}

impl Fronts {
    pub(crate) fn sum(fronts: &[FrontStats]) -> Fronts {
        let mut sum = Fronts::default();
        for front in fronts {
            sum.add(front);
        }
        sum
    }

    fn add(&mut self, front: &FrontStats) {
        self.sessions += front.sessions as u64;
        self.attaches += front.attaches;
        self.links_lost += front.links_lost;
        self.resumes += front.resumes;
        add_all(&mut self.endings, &front.endings);
        add_all(&mut self.refusals, &front.refusals);
        add_all(&mut self.bytes_out, &front.bytes_out);
        add_all(&mut self.frames_out, &front.frames_out);
        add_all(&mut self.bytes_in, &front.bytes_in);
        for (sum, more) in self.ages.counts.iter_mut().zip(front.ages.counts) {
            *sum += more;
        }
        self.ages.sum_ms += front.ages.sum_ms;
        // All that sessions count but their traffic: what they drop by design, none forgotten.
        let dropped = front.counted.iter().filter_map(|(name, count)| {
            let name = name.strip_suffix("_dropped").unwrap_or(name);
            (!TRAFFIC.contains(&name)).then_some((name, count))
        });
        let here = [
            ("inputs_late", front.inputs_late),
            ("messages_unheard", front.messages_unheard),
        ];
        let dropped = dropped.chain(here);
        add_all(&mut self.dropped, &dropped.collect());
    }

    pub(crate) fn write(&self, out: &mut Text) {
        out.gauge("tickwire_sessions", "Sessions there are", self.sessions);
        out.counter(
            "tickwire_attaches_total",
            "Credentials accepted",
            self.attaches,
        );
        out.counter(
            "tickwire_sessions_away_total",
            "Links lost by sessions that then waited for their clients",
            self.links_lost,
        );
        out.counter(
            "tickwire_sessions_resumed_total",
            "Sessions that went on over another link",
            self.resumes,
        );
        // Every reason has its line from the beginning, so that a first one shows as a change.
        let endings = Reason::ALL.iter().map(|reason| {
            (
                reason.name(),
                self.endings.get(reason).copied().unwrap_or(0),
            )
        });
        out.by(
            "tickwire_sessions_ended_total",
            "Sessions ended",
            "reason",
            endings,
        );
        out.by(
            "tickwire_refusals_total",
            "Attaches, joins and lists refused",
            "code",
            named(&self.refusals),
        );
        out.by(
            "tickwire_frame_bytes_sent_total",
            "Bytes of frames handed to links",
            "kind",
            named(&self.bytes_out),
        );
        out.by(
            "tickwire_frames_sent_total",
            "Frames handed to links",
            "kind",
            named(&self.frames_out),
        );
        out.by(
            "tickwire_frame_bytes_received_total",
            "Bytes of frames received",
            "kind",
            named(&self.bytes_in),
        );
        out.by(
            "tickwire_dropped_total",
            "What sessions dropped, by its cause",
            "what",
            named(&self.dropped),
        );
        self.write_ages(&mut out.0);
    }

    fn write_ages(&self, out: &mut String) {
        let name = "tickwire_update_age_seconds";
        let _ = writeln!(
            out,
            "# HELP {name} Age of what clients see, as they report it\n# TYPE {name} histogram"
        );
        let mut total = 0;
        for (at, count) in self.ages.counts.iter().enumerate() {
            total += count;
            let _ = match AGE_BOUNDS_MS.get(at) {
                Some(bound) => writeln!(
                    out,
                    "{name}_bucket{{le=\"{}\"}} {total}",
                    f64::from(*bound) / 1e3
                ),
                None => writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {total}"),
            };
        }
        let _ = writeln!(
            out,
            "{name}_sum {}\n{name}_count {total}",
            self.ages.sum_ms as f64 / 1e3
        );
    }
}

fn add_all<K: Ord + Clone>(sum: &mut BTreeMap<K, u64>, more: &BTreeMap<K, u64>) {
    for (key, count) in more {
        *sum.entry(key.clone()).or_default() += count;
    }
}

fn named<K: AsRef<str>>(counts: &BTreeMap<K, u64>) -> impl Iterator<Item = (&str, u64)> {
    counts.iter().map(|(name, count)| (name.as_ref(), *count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_of_a_session_has_its_line() {
        let mut front = FrontStats::default();
        front.counted.tick_frames_dropped = 1;
        front.counted.receipts_stale = 2;
        front.counted.pongs_unasked = 3;
        front.counted.pings_replaced = 4;
        front.counted.changes_replaced = 5;
        front.counted.frames_in = 6;
        let mut text = Text(String::new());
        Fronts::sum(&[front]).write(&mut text);
        let expected = [
            ("tick_frames", 1),
            ("receipts_stale", 2),
            ("pongs_unasked", 3),
            ("pings_replaced", 4),
            ("changes_replaced", 5),
            ("volatile", 0),
        ];
        for (what, count) in expected {
            let line = format!("tickwire_dropped_total{{what=\"{what}\"}} {count}\n");
            assert!(text.0.contains(&line), "{line} in {}", text.0);
        }
        assert!(!text.0.contains("what=\"frames_in\""));
    }
}
