//! Who asks for rooms that there are not: guessing private codes is slow.

use std::collections::BTreeMap;
use std::time::Duration;

use tickwire_proto::Time;
use tickwire_proto::frame::{Refusal, code};

/// Ids and tokens that were wrong, at once; one more is allowed every [`GUESS_MS`].
pub const GUESSES_MAX: u32 = 10;
/// See [`GUESSES_MAX`].
const GUESS_MS: u64 = 6_000;
/// Identities whose guesses are counted; of more the oldest are forgotten.
pub const GUESSERS_MAX: usize = 4_096;

/// For each identity when it would have no guess behind it any more.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    free_at: BTreeMap<String, Time>,
}

impl Guesses {
    /// Whether an identity may ask for a room by its id: also for one that there is, else the answer to a right guess would come through.
    pub fn check(&self, now: Time, identity: &str) -> Result<(), Refusal> {
        let behind = self
            .free_at
            .get(identity)
            .map_or(Duration::ZERO, |at| at.since(now));
        // One more must fit.
        if behind <= Duration::from_millis(GUESS_MS * u64::from(GUESSES_MAX - 1)) {
            return Ok(());
        }
        let message = format!(
            "too many ids that there are not: wait {} s, and ask for one of the list",
            GUESS_MS.div_ceil(1_000)
        );
        Err(Refusal::new(code::LIMIT, message))
    }

    /// There was no such room.
    pub fn missed(&mut self, now: Time, identity: &str) {
        if self.free_at.len() >= GUESSERS_MAX {
            self.free_at.retain(|_, at| *at > now);
        }
        if self.free_at.len() >= GUESSERS_MAX
            && let Some(oldest) = self
                .free_at
                .iter()
                .min_by_key(|(_, at)| **at)
                .map(|(id, _)| id.clone())
        {
            self.free_at.remove(&oldest);
        }
        let at = self.free_at.entry(identity.to_owned()).or_insert(now);
        *at = (*at).max(now).plus(Duration::from_millis(GUESS_MS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_at_once_then_one_in_six_seconds() {
        let mut guesses = Guesses::default();
        let mut now = Time::from_millis(5);
        let tries = |guesses: &mut Guesses, now: Time, count: u32| -> u32 {
            (0..count)
                .map(|_| {
                    let may = guesses.check(now, "eve").is_ok();
                    if may {
                        guesses.missed(now, "eve");
                    }
                    u32::from(may)
                })
                .sum()
        };
        assert_eq!(tries(&mut guesses, now, 50), GUESSES_MAX);
        assert!(guesses.check(now, "ann").is_ok());
        now = now.plus(Duration::from_secs(60));
        assert_eq!(tries(&mut guesses, now, 50), GUESSES_MAX);
        now = now.plus(Duration::from_secs(12));
        assert_eq!(tries(&mut guesses, now, 50), 2);
    }

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let mut guesses = Guesses::default();
        for n in 0..GUESSERS_MAX + 10 {
            guesses.missed(Time::from_millis(n as u64), &n.to_string());
        }
        assert_eq!(guesses.free_at.len(), GUESSERS_MAX);
        assert!(
            !guesses.free_at.contains_key("0"),
            "the oldest is forgotten"
        );
    }
}
