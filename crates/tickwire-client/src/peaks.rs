//! The worst that was seen in each second of the last minutes, and what would have been enough but for so much: for estimators; no clock of its own.

use std::collections::VecDeque;
use std::time::Duration;

use tickwire_proto::Time;

/// Seconds that are remembered: the longer, the steadier is what is made of them.
const WINDOW_S: u64 = 300;
/// A way that became better is believed after so many seconds in which not even half of what was usual was reached.
const BETTER_S: u64 = 45;
/// What comes so soon after the worst of a second and is not worse was held up with it: one stall, not two.
const STALL: Duration = Duration::from_millis(400);

#[derive(Clone, Copy, Debug)]
struct Peak {
    second: u64,
    at: Time,
    value: f64,
}

/// Seconds that a tail is made of.
pub(crate) const BEYOND: usize = 6;
/// The mean excess of all but the greatest of six, as a part of that of the six: a fifth of 1/2 + 2/3 + 3/4 + 4/5 + 5/6.
const EXCESS_OF_OTHERS: f64 = 0.71;

/// How the worst seconds are distributed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tail {
    pub(crate) level: f64,
    pub(crate) excess: f64,
}

/// One value for each second: the greatest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peaks {
    seconds: VecDeque<Peak>,
    since: Option<Time>,
}

impl Peaks {
    /// Notes a value.
    pub(crate) fn note(&mut self, now: Time, value: f64) {
        self.since.get_or_insert(now);
        let second = now.0 / 1_000_000;
        match self.seconds.back_mut() {
            Some(last) if last.second >= second => {
                if value > last.value {
                    (last.at, last.value) = (now, value);
                }
            }
            Some(last) if value <= last.value && now.since(last.at) < STALL => {}
            _ => self.seconds.push_back(Peak {
                second,
                at: now,
                value,
            }),
        }
        while self
            .seconds
            .front()
            .is_some_and(|it| it.second + WINDOW_S < second)
        {
            self.seconds.pop_front();
        }
    }

    /// All that is remembered is greater by so much (or less, below zero).
    pub(crate) fn shift(&mut self, more: f64) {
        self.seconds.iter_mut().for_each(|it| it.value += more);
    }

    /// Forgets what was before the last [`BETTER_S`] seconds, if nothing of these comes near to half of `usual`.
    pub(crate) fn believe_better(&mut self, now: Time, usual: f64) {
        let recent = (now.0 / 1_000_000).saturating_sub(BETTER_S);
        let old = self.seconds.partition_point(|it| it.second <= recent);
        let few = self.seconds.len() - old < BETTER_S as usize / 2;
        if old == 0
            || few
            || self
                .seconds
                .iter()
                .skip(old)
                .any(|it| it.value * 2.0 > usual)
        {
            return;
        }
        self.seconds.drain(..old);
        self.since = self.seconds.front().map(|it| it.at);
    }

    /// Seconds in which something was noted.
    pub(crate) fn len(&self) -> usize {
        self.seconds.len()
    }

    /// For how long values were noted, at most the time that is remembered.
    pub(crate) fn known(&self, now: Time) -> Duration {
        let since = self.since.unwrap_or(now);
        now.since(since).min(Duration::from_secs(WINDOW_S))
    }

    /// The greatest of all.
    pub(crate) fn greatest(&self) -> Option<f64> {
        self.sorted().next()
    }

    /// What lies beyond the greatest [`BEYOND`] seconds, as if it fell off exponentially, which is what stalls do: a level that is reached so many times in the time
    /// that is [known](Self::known), and the mean by which it is exceeded then. The greatest second has no say in that: one freak moment is not a rule. `None` where
    /// too little is known.
    pub(crate) fn tail(&self) -> Option<Tail> {
        let sorted: Vec<f64> = self.sorted().take(BEYOND + 1).collect();
        let level = *sorted.get(BEYOND)?;
        let others = &sorted[1..BEYOND];
        let mean = others.iter().map(|it| it - level).sum::<f64>() / others.len() as f64;
        Some(Tail {
            level,
            excess: mean / EXCESS_OF_OTHERS,
        })
    }

    fn sorted(&self) -> impl Iterator<Item = f64> {
        let mut values: Vec<f64> = self.seconds.iter().map(|it| it.value).collect();
        values.sort_by(|a, b| b.total_cmp(a));
        values.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn peaks(values: &[f64]) -> Peaks {
        let mut peaks = Peaks::default();
        for (second, value) in values.iter().enumerate() {
            peaks.note(Time(second as u64 * 1_000_000), *value);
        }
        peaks
    }

    #[test]
    fn a_second_counts_by_its_worst_and_a_stall_once() {
        let mut peaks = Peaks::default();
        for (ms, value) in [
            (100, 3.0),
            (900, 9.0),
            (1_010, 8.0),
            (1_100, 7.0),
            (1_800, 2.0),
        ] {
            peaks.note(Time::from_millis(ms), value);
        }
        assert_eq!(peaks.len(), 2);
        assert_eq!(peaks.greatest(), Some(9.0));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut peaks = peaks(&vec![1.0; 1_000]);
        assert_eq!(peaks.len() as u64, WINDOW_S + 1);
        peaks.note(Time(u64::MAX), 0.0);
        assert_eq!((peaks.len(), peaks.greatest()), (1, Some(0.0)));
    }

    #[test]
    fn a_way_that_became_better_is_believed() {
        let mut values = vec![10.0; 100];
        values.extend([4.0; 50]);
        let mut it = peaks(&values);
        it.believe_better(Time(149_000_000), 7.0);
        assert_eq!(it.greatest(), Some(10.0), "4 is more than half of 7");
        it.believe_better(Time(120_000_000), 10.0);
        assert_eq!(it.greatest(), Some(10.0), "it was not so for long enough");
        it.believe_better(Time(149_000_000), 10.0);
        assert_eq!(it.greatest(), Some(4.0));
        assert_eq!(it.known(Time(149_000_000)).as_secs(), BETTER_S - 1);
    }

    #[test]
    fn a_tail_is_found_again_and_a_freak_changes_nothing() {
        // the quantiles of an exponential distribution with a mean of 3 above 10
        let mut values: Vec<f64> = (0..240)
            .map(|n| 10.0 - 3.0 * libm::log((f64::from(n) + 0.5) / 240.0))
            .collect();
        let tail = peaks(&values).tail().expect("enough is known");
        assert!((tail.excess - 3.0).abs() < 0.5, "{tail:?}");
        assert!(
            (tail.level - 10.0 - 3.0 * libm::log(240.0 / 6.5)).abs() < 0.1,
            "{tail:?}"
        );
        values[0] = 1e9;
        assert_eq!(peaks(&values).tail(), Some(tail));
        assert_eq!(peaks(&[1.0; 6]).tail(), None, "seven are needed");
        assert_eq!(
            peaks(&[2.0; 7]).tail(),
            Some(Tail {
                level: 2.0,
                excess: 0.0
            })
        );
    }

    proptest! {
        /// A tail lies within what was seen.
        #[test]
        fn a_tail_is_made_of_what_was_seen(values in prop::collection::vec(-100.0f64..100.0, 7..60)) {
            let tail = peaks(&values).tail().unwrap();
            prop_assert!(values.contains(&tail.level));
            prop_assert!(tail.excess >= 0.0 && tail.excess < 300.0);
        }
    }
}
