//! The best that constants could have done on what was recorded, since they know what came later: a yardstick for estimators, which do not.

use crate::record::{Said, Shown};

/// A constant, and what it would have led to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Oracle {
    /// In ticks.
    pub ticks: f64,
    /// How often the picture would have run out of updates, or how many commands would have been missing.
    pub misses: usize,
}

/// The smallest constant time, in ticks behind the truth, at which the same pictures would have run out of updates at most `allowed`
/// times, at it and at any longer one. `None` without pictures.
///
/// ```
/// use std::time::Duration;
/// use tickwire_lab::{Shown, least_delay};
/// use tickwire_proto::Tick;
///
/// let shown = |truth: f64, known| Shown {
///     at: Duration::ZERO, truth, estimate: truth, picture: 0.0, known: Some(Tick(known)), speed: 1.0,
/// };
/// let pictures = [shown(10.0, 8), shown(11.0, 8), shown(12.0, 11), shown(13.0, 11)];
/// assert_eq!(least_delay(&pictures, 0).map(|it| it.ticks), Some(3.0));
/// // once: 2 ticks behind the truth, tick 9 is wanted at 11 and not there
/// assert_eq!(least_delay(&pictures, 1).map(|it| it.ticks), Some(2.0));
/// ```
pub fn least_delay(shown: &[Shown], allowed: usize) -> Option<Oracle> {
    let lag = |it: &Shown| {
        it.known
            .map_or(0.0, |known| (it.truth - f64::from(known.0)).max(0.0))
    };
    let first = lag(shown.first()?);
    // An underrun begins with each picture that comes from below a delay to above it.
    let mut edges: Vec<(f64, i64)> = Vec::new();
    let mut rise = |from: f64, to: f64| {
        if to > from {
            edges.push((to, 1));
            edges.push((from, -1));
        }
    };
    rise(0.0, first);
    for pair in shown.windows(2) {
        rise(lag(&pair[0]), lag(&pair[1]));
    }
    // From the top: just below `to` there is one more, just below `from` one less.
    edges.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let (mut count, mut best) = (0i64, 0.0);
    let mut misses = 0;
    let mut at = 0;
    while at < edges.len() {
        let level = edges[at].0;
        let before = count;
        while edges.get(at).is_some_and(|edge| edge.0 == level) {
            count += edges[at].1;
            at += 1;
        }
        if count > allowed as i64 {
            (best, misses) = (level, before);
            break;
        }
    }
    Some(Oracle {
        ticks: best,
        misses: misses.max(0) as usize,
    })
}

/// How finely a lead is searched for, in ticks.
const LEAD_STEP: f64 = 1.0 / 32.0;
/// The longest lead that is tried, in ticks.
const LEAD_MAX: f64 = 64.0;

/// The smallest constant lead, in ticks ahead of the truth as the commands were sent, with which at most `allowed` would have been missing if
/// the ways of the commands that were said then had been the same. `None` where not even 64 ticks would have done.
pub fn least_lead(shown: &[Shown], said: &[Said], allowed: usize) -> Option<Oracle> {
    let (mut low, mut high) = (0u32, (LEAD_MAX / LEAD_STEP) as u32);
    let of = |step: u32| with_lead(shown, said, f64::from(step) * LEAD_STEP);
    if of(high)?.misses > allowed {
        return None;
    }
    while low < high {
        let middle = (low + high) / 2;
        match of(middle)?.misses > allowed {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    of(low)
}

/// What a constant lead would have led to: at each picture the commands for all ticks that have come into it are made.
fn with_lead(shown: &[Shown], said: &[Said], lead: f64) -> Option<Oracle> {
    let (mut misses, mut made, mut sum) = (0, 0u32, 0.0);
    let mut way = said.iter().peekable();
    let mut next = (shown.first()?.truth + lead).ceil();
    for picture in shown {
        while next <= picture.truth + lead {
            while way.next_if(|it| it.truth < picture.truth).is_some() {}
            let Some(near) = way.peek() else {
                break;
            };
            let ahead = next - picture.truth;
            let in_time = near
                .arrived
                .is_some_and(|arrived| arrived - near.truth < ahead);
            misses += usize::from(!in_time);
            made += 1;
            sum += ahead;
            next += 1.0;
        }
    }
    (made > 0).then(|| Oracle {
        ticks: sum / f64::from(made),
        misses,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tickwire_proto::Tick;

    use super::*;
    use crate::Chance;

    fn pictures(chance: &mut Chance, count: u64) -> Vec<Shown> {
        let mut known = 100;
        let all = (0..count).map(|n| {
            let truth = 102.0 + n as f64 / 2.0;
            if chance.happens(0.3) {
                known = truth as u32 - chance.below(2) as u32;
            }
            Shown {
                at: Duration::from_millis(n * 16),
                truth,
                estimate: truth,
                picture: 0.0,
                known: Some(Tick(known)),
                speed: 1.0,
            }
        });
        all.collect()
    }

    fn underruns(shown: &[Shown], delay: f64) -> usize {
        let short = |it: &Shown| it.truth - delay > f64::from(it.known.unwrap_or_default().0);
        let first = usize::from(short(&shown[0]));
        let pairs = shown.windows(2);
        first
            + pairs
                .filter(|pair| !short(&pair[0]) && short(&pair[1]))
                .count()
    }

    #[test]
    fn the_least_delay_is_that_which_trying_all_finds() {
        for seed in 0..50 {
            let mut chance = Chance::new(seed);
            let shown = pictures(&mut chance, 400);
            let allowed = chance.below(6) as usize;
            let best = least_delay(&shown, allowed).expect("there are pictures");
            let tried = (0..400).rev().map(|n| f64::from(n) / 4.0);
            let mut good = tried.take_while(|delay| underruns(&shown, *delay) <= allowed);
            let least = good.by_ref().last().expect("a long one is enough");
            assert!(
                (best.ticks - least).abs() < 0.26,
                "seed {seed}: {best:?} against {least}"
            );
            assert!(underruns(&shown, best.ticks + 1e-9) <= allowed);
        }
    }

    #[test]
    fn the_least_lead_covers_the_ways_but_for_what_is_allowed() {
        let shown = pictures(&mut Chance::new(1), 2_000);
        let said = |slow: usize| -> Vec<Said> {
            let each = shown.iter().step_by(2).enumerate();
            each.map(|(n, it)| Said {
                at: it.at,
                tick: Tick(0),
                truth: it.truth,
                arrived: Some(it.truth + if n % 100 < slow { 7.5 } else { 2.5 }),
            })
            .collect()
        };
        let lead = |slow, allowed| least_lead(&shown, &said(slow), allowed).expect("it is enough");
        assert!((2.5..3.1).contains(&lead(0, 0).ticks), "{:?}", lead(0, 0));
        assert!((7.5..8.1).contains(&lead(1, 5).ticks));
        assert!(
            (2.5..3.1).contains(&lead(1, 11).ticks),
            "each slow one may be missing"
        );
        let mut lost = said(0);
        lost.iter_mut().take(20).for_each(|it| it.arrived = None);
        assert_eq!(least_lead(&shown, &lost, 5), None);
    }
}
