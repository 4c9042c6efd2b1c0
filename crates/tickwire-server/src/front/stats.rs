//! What a front counts: sessions, endings, refusals, bytes by kind, and the ages that clients report.

use std::collections::BTreeMap;

use tickwire_proto::Reason;
use tickwire_proto::session::SessionStats;

/// Codes of refusals that are told apart. Games have codes of their own: beyond so many they count as one.
const CODES_MAX: usize = 64;

/// The upper bounds of the classes of [`AgeHistogram`], in milliseconds; one more class is above them all.
pub const AGE_BOUNDS_MS: [u32; 13] = [
    10, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1_000, 3_000,
];

/// How old what clients see is, as they report it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AgeHistogram {
    /// Reports by class: as many as [`AGE_BOUNDS_MS`], and one above.
    pub counts: [u64; AGE_BOUNDS_MS.len() + 1],
    /// The sum of all reports.
    pub sum_ms: u64,
}

impl AgeHistogram {
    /// Adds a report.
    pub fn add(&mut self, age_ms: u32) {
        let class = AGE_BOUNDS_MS.partition_point(|bound| *bound < age_ms);
        self.counts[class] += 1;
        self.sum_ms = self.sum_ms.saturating_add(u64::from(age_ms));
    }

    /// Reports in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// The counters of a front since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrontStats {
    /// Sessions at this moment.
    pub sessions: usize,
    /// Sessions ever.
    pub sessions_ever: u64,
    /// Links lost by sessions that then waited for their clients.
    pub links_lost: u64,
    /// Sessions that went on over another link.
    pub resumes: u64,
    /// Attachments accepted.
    pub attaches: u64,
    /// Identities that expired and were renewed.
    pub renewals: u64,
    /// Sessions ended, by reason.
    pub endings: BTreeMap<Reason, u64>,
    /// Attaches, joins and lists refused, by code: here, or by the sessions' own limits.
    pub refusals: BTreeMap<String, u64>,
    /// Bytes of frames handed to links, by the name of the frame; an update counts with its tick frame.
    pub bytes_out: BTreeMap<&'static str, u64>,
    /// Frames handed to links, by name.
    pub frames_out: BTreeMap<&'static str, u64>,
    /// Bytes of frames received, by name.
    pub bytes_in: BTreeMap<&'static str, u64>,
    /// Messages to the session itself: nobody listens to them yet.
    pub messages_unheard: u64,
    /// Messages for many that came from outside of rooms.
    pub broadcasts: u64,
    /// Things told about sessions that are gone.
    pub inputs_late: u64,
    /// What clients report about the age of what they see.
    pub ages: AgeHistogram,
    /// The sum of what all sessions counted, those that have ended and those that there are.
    pub counted: SessionStats,
}

impl FrontStats {
    pub(crate) fn ending(&mut self, reason: Reason) {
        *self.endings.entry(reason).or_default() += 1;
    }

    pub(crate) fn refusal(&mut self, code: &str) {
        let code = if self.refusals.contains_key(code) || self.refusals.len() < CODES_MAX {
            code
        } else {
            "other"
        };
        *self.refusals.entry(code.to_owned()).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_game_with_ever_new_codes_makes_one_line_of_them() {
        let mut stats = FrontStats::default();
        for number in 0..CODES_MAX + 9 {
            stats.refusal(&format!("Code{number}"));
        }
        stats.refusal("Code0");
        assert_eq!(stats.refusals.len(), CODES_MAX + 1);
        assert_eq!(stats.refusals["Code0"], 2, "what is known goes on");
        assert_eq!(stats.refusals["other"], 9);
    }
}
