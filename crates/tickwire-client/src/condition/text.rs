//! A condition in words, as a person types it on a command line: the name of a profile, or free values. What it does is told beside it.

use std::str::FromStr;
use std::time::Duration;

use super::{Condition, LOSS_MAX, WAY_MAX};

/// Words that are no condition, and what would be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// No profile has that name.
    #[error(
        "UnknownProfile: there is no profile `{name}`. Choose one of {}, or say values such as \"delay=75ms jitter=10ms loss=2%\"",
        Condition::names().collect::<Vec<_>>().join(", ")
    )]
    Profile {
        /// What was said.
        name: String,
    },
    /// A value that is none.
    #[error("BadCondition: `{text}`: {fix}")]
    Value {
        /// What was said.
        text: String,
        /// What to say.
        fix: &'static str,
    },
}

/// A name of [`Condition::names`], whatever its case, or any of `delay`, `jitter` (of one way, in `ms` or `s`, up to 60 s) and `loss` (in `%`, or a part of
/// one; up to 90 %), in any order, by spaces or commas.
///
/// ```
/// use std::time::Duration;
/// use tickwire_client::Condition;
///
/// assert_eq!("4g".parse(), Ok(Condition::named("4G").unwrap()));
/// let free: Condition = "delay=75ms jitter=10ms loss=2%".parse()?;
/// assert_eq!((free.delay, free.loss), (Duration::from_millis(75), 0.02));
/// let error = "6G".parse::<Condition>().unwrap_err();
/// assert!(error.to_string().contains("fiber, broadband, congested, 5G, 4G, 3.5G"));
/// # Ok::<(), tickwire_client::ConditionError>(())
/// ```
impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let text = text.trim();
        if let Some(named) = Condition::named(text) {
            return Ok(named);
        }
        if !text.contains('=') {
            return Err(ConditionError::Profile {
                name: text.to_owned(),
            });
        }
        let mut condition = Condition::default();
        for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
            let wrong = |fix| ConditionError::Value {
                text: word.to_owned(),
                fix,
            };
            let way = "say a time of one way, such as 75ms or 0.2s, up to 60 s";
            match word.split_once('=') {
                Some(("delay", value)) => condition.delay = time(value).ok_or(wrong(way))?,
                Some(("jitter", value)) => condition.jitter = time(value).ok_or(wrong(way))?,
                Some(("loss", value)) => {
                    let fix = "say a part of the frames, such as 2% or 0.02, up to 90 %";
                    condition.loss = part(value).ok_or(wrong(fix))?;
                }
                _ => return Err(wrong("there are delay=, jitter= and loss=")),
            }
        }
        Ok(condition)
    }
}

fn time(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s')?, 1.0),
    };
    let seconds = number.parse::<f64>().ok()? * unit;
    let fits = (0.0..=WAY_MAX.as_secs_f64()).contains(&seconds);
    fits.then(|| Duration::from_secs_f64(seconds))
}

fn part(text: &str) -> Option<f64> {
    let part = match text.strip_suffix('%') {
        Some(number) => number.parse::<f64>().ok()? / 100.0,
        None => text.parse().ok()?,
    };
    (0.0..=LOSS_MAX).contains(&part).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_values_are_read_and_nonsense_is_told() {
        let read = |text: &str| text.parse::<Condition>();
        let ms = Duration::from_millis;
        let all = Condition {
            delay: ms(75),
            jitter: ms(10),
            loss: 0.02,
        };
        assert_eq!(read("loss=0.02, jitter=10ms delay=0.075s"), Ok(all));
        let loss = Condition {
            loss: 0.9,
            ..Condition::default()
        };
        assert_eq!(read("loss=90%"), Ok(loss));
        for text in [
            "delay=75",
            "delay=-1ms",
            "delay=61s",
            "jitter=NaNms",
            "loss=91%",
            "loss=2ms",
            "bandwidth=3",
            "delay=1ms 4G",
        ] {
            let error = read(text).unwrap_err();
            assert!(matches!(error, ConditionError::Value { .. }), "{text}");
        }
        for text in ["", "6G", "four gee"] {
            let error = read(text).unwrap_err();
            assert!(matches!(error, ConditionError::Profile { .. }), "{text}");
        }
    }
}
