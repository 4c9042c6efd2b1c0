//! What time it is for one client: a clock that runs fast, slow, leaps, or stands still while its machine sleeps. The run's own time is elsewhere.

use std::time::Duration;

use tickwire_proto::Time;

use crate::{Running, running::Event};

/// A client's clock, as a line from the run's time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    /// From this time of the run on, and what it showed then.
    from: Time,
    shows: Time,
    rate: f64,
}

impl Watch {
    /// One that is right.
    pub const RIGHT: Watch = Watch {
        from: Time(0),
        shows: Time(0),
        rate: 1.0,
    };

    /// What it shows.
    pub fn at(&self, now: Time) -> Time {
        self.shows.plus(now.since(self.from).mul_f64(self.rate))
    }

    /// When it will show this: not before, in whole microseconds.
    pub fn when(&self, shows: Time) -> Time {
        let passes = shows.since(self.shows).div_f64(self.rate);
        let mut at = self.from.plus(passes);
        while self.at(at) < shows {
            at = Time(at.0 + 1);
        }
        at
    }

    fn go_on(&mut self, now: Time, from: Time, leap: Duration, rate: f64) {
        *self = Watch {
            shows: self.at(now).plus(leap),
            from,
            rate,
        };
    }
}

impl Running {
    /// From now on a client's clock runs at this part of the true speed, 0.01 to 100.
    pub fn clock_rate(&mut self, client: usize, rate: f64) {
        let (now, watch) = (self.now, &mut self.seats[client].watch);
        watch.go_on(now, now, Duration::ZERO, rate.clamp(0.01, 100.0));
        self.notice(client);
    }

    /// A client's clock leaps forward: back none of those goes that drivers hand in.
    pub fn clock_leap(&mut self, client: usize, leap: Duration) {
        let (now, watch) = (self.now, &mut self.seats[client].watch);
        watch.go_on(now, now, leap, watch.rate);
        self.notice(client);
    }

    /// A client's machine sleeps for so long: nothing of it runs, and what comes waits in its socket. Its clock goes on, as that of a page in the
    /// background; or it stands still, as that of a machine that is suspended.
    pub fn sleep(&mut self, client: usize, span: Duration, clock_goes_on: bool) {
        let until = self.now.plus(span);
        let (now, seat) = (self.now, &mut self.seats[client]);
        seat.asleep_until = until;
        if !clock_goes_on {
            seat.watch
                .go_on(now, until, Duration::ZERO, seat.watch.rate);
        }
        self.notice(client);
    }

    /// Its timers ring at other times.
    fn notice(&mut self, client: usize) {
        self.seats[client].planned = Some(self.now);
        self.queue.plan(self.now, Event::Client(client));
    }

    /// When a client wakes, if it sleeps.
    pub(crate) fn sleeps_until(&self, client: usize) -> Option<Time> {
        let until = self.seats[client].asleep_until;
        (self.now < until).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_shows_and_tells_when() {
        let mut watch = Watch::RIGHT;
        assert_eq!(watch.at(Time(5)), Time(5));
        watch.go_on(Time(1_000), Time(1_000), Duration::ZERO, 1.1);
        assert_eq!(watch.at(Time(2_000)), Time(2_100));
        for shows in [1_003, 1_777, 2_100, 9_999] {
            let at = watch.when(Time(shows));
            let early = Time(at.0 - 2);
            assert!(watch.at(at) >= Time(shows) && watch.at(early) < Time(shows));
        }
        watch.go_on(Time(2_000), Time(5_000), Duration::ZERO, 1.0);
        assert_eq!(watch.at(Time(4_000)), Time(2_100), "it stands still");
        assert_eq!(watch.at(Time(5_100)), Time(2_200));
        watch.go_on(Time(5_100), Time(5_100), Duration::from_secs(1), 1.0);
        assert_eq!(watch.at(Time(5_100)), Time(1_002_200));
    }
}
