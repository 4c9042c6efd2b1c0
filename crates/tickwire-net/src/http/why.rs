//! Why an upgrade was refused: a browser hides it, so its page asks afterwards by the number of its attempt.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde_json::json;

/// The newest refusals that are remembered.
const WHY_MAX: usize = 1024;

/// What to tell somebody whose upgrade was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    /// One of the codes of the client's errors.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) fix: String,
}

impl Advice {
    pub(crate) fn to_json(&self) -> String {
        json!({ "code": self.code, "message": self.message, "fix": self.fix }).to_string()
    }
}

/// The last refusals. Locked by those who are refused and those who ask, never on the way of a tick.
#[derive(Debug, Default)]
pub(crate) struct Why {
    known: Mutex<VecDeque<(u64, Advice)>>,
}

impl Why {
    pub(crate) fn remember(&self, attempt: u64, advice: Advice) {
        let mut known = self
            .known
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if known.len() == WHY_MAX {
            known.pop_front();
        }
        known.push_back((attempt, advice));
    }

    pub(crate) fn ask(&self, attempt: u64) -> Option<Advice> {
        let known = self
            .known
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        known
            .iter()
            .rev()
            .find(|(number, _)| *number == attempt)
            .map(|(_, advice)| advice.clone())
    }
}

/// The number in `try=N` of a query.
pub(crate) fn attempt(query: Option<&str>) -> Option<u64> {
    query?
        .split('&')
        .find_map(|pair| pair.strip_prefix("try="))?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_remembered() {
        let why = Why::default();
        let advice = |code| Advice {
            code,
            message: String::new(),
            fix: String::new(),
        };
        for number in 0..=WHY_MAX as u64 {
            why.remember(number, advice("Origin"));
        }
        why.remember(5, advice("Full"));
        assert_eq!(why.ask(0), None);
        assert_eq!(why.ask(5).unwrap().code, "Full");
        assert_eq!(attempt(Some("a=1&try=77")), Some(77));
        assert_eq!(attempt(Some("try=-1")), None);
        assert_eq!(attempt(None), None);
    }
}
