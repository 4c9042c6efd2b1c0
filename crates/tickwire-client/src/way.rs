//! How long the way of an update is at least: half of a good round trip, less what good updates are late. Where the server is in time follows from it.

use std::collections::VecDeque;

use tickwire_proto::session::RttEstimate;

/// Round trips that are remembered: those of a minute and a quarter.
const TRIPS_MAX: usize = 15;
/// Arrivals that are remembered: about those of ten seconds.
const ARRIVALS_MAX: usize = 300;

/// Round trips and arrivals before which nothing is said.
const TRIPS_LEAST: usize = 5;
const ARRIVALS_LEAST: usize = 60;
/// Of round trips and of arrivals the quartile counts: so neither stalls nor one lucky packet say anything.
const GOOD: f64 = 0.25;

/// Learns the way from round trips and arrivals.
///
/// It takes the ways there and back to be alike, as everybody must who has one clock at each end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Way {
    trips: VecDeque<f64>,
    /// How many round trips the session had measured.
    samples: u64,
    /// Arrivals less what was due, in microseconds.
    offsets: VecDeque<f64>,
    /// The quartile of them, when that was last looked for, and how many have come since.
    good: Option<f64>,
    unseen: usize,
}

impl Way {
    /// Notes an arrival: by how much it was after what was due on the server's clock.
    pub(crate) fn arrived(&mut self, offset: f64) {
        if self.offsets.len() == ARRIVALS_MAX {
            self.offsets.pop_front();
        }
        self.offsets.push_back(offset);
        self.unseen += 1;
        // Now and then, and always while there are few.
        if self.unseen * 10 >= self.offsets.len() {
            self.unseen = 0;
            self.good = quartile(&self.offsets, ARRIVALS_LEAST);
        }
    }

    /// Notes what the session measured, if that is new.
    pub(crate) fn measured(&mut self, rtt: &RttEstimate) {
        if rtt.samples == self.samples {
            return;
        }
        self.samples = rtt.samples;
        if self.trips.len() == TRIPS_MAX {
            self.trips.pop_front();
        }
        self.trips.push_back(rtt.latest.as_micros() as f64);
    }

    /// The way of an update that is as early as `earliest` (an offset), in microseconds.
    pub(crate) fn least(&self, earliest: f64) -> Option<f64> {
        let late = self.good? - earliest;
        Some((quartile(&self.trips, TRIPS_LEAST)? / 2.0 - late).max(0.0))
    }

    /// Arrivals are counted from another time, or ticks have another length.
    pub(crate) fn forget_arrivals(&mut self) {
        self.offsets.clear();
        self.good = None;
    }
}

fn quartile(of: &VecDeque<f64>, least: usize) -> Option<f64> {
    if of.len() < least {
        return None;
    }
    let mut sorted: Vec<f64> = of.iter().copied().collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get((sorted.len() as f64 * GOOD) as usize).copied()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn half_a_good_trip_less_the_lateness_of_good_updates_is_the_way() {
        let mut way = Way::default();
        assert_eq!(way.least(0.0), None);
        for n in 0..400u64 {
            // 30 ms and up to 20 more, seen on a clock that is 7 s ahead; one in 50 stalls
            let late = (n * 7_919 % 20_000) as f64 + if n % 50 == 0 { 800_000.0 } else { 0.0 };
            way.arrived(7e6 + 30_000.0 + late);
        }
        for (n, trip) in [68, 95, 70, 2_000, 81].into_iter().enumerate() {
            let latest = Duration::from_millis(trip);
            let rtt = RttEstimate {
                samples: n as u64 + 1,
                latest,
                ..RttEstimate::default()
            };
            way.measured(&rtt);
            way.measured(&rtt);
        }
        assert_eq!(way.trips.len(), 5, "each once");
        let least = way.least(7e6 + 30_000.0).expect("it is known");
        assert!((least - 30_000.0).abs() < 500.0, "{least}");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut way = Way::default();
        for n in 0..1_000u64 {
            way.arrived(n as f64);
            way.measured(&RttEstimate {
                samples: n + 1,
                ..RttEstimate::default()
            });
        }
        assert_eq!(
            (way.offsets.len(), way.trips.len()),
            (ARRIVALS_MAX, TRIPS_MAX)
        );
    }
}
