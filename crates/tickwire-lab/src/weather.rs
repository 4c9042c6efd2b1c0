//! What goes wrong in a run, by the script or by hand, and how all becomes well again; how often is `faults`' matter.

use std::time::Duration;

use crate::{
    Faults, Profile, Violation,
    faults::Fault,
    host::Host,
    profile,
    running::{Event, Running},
    trace::Mark,
    violation::Broken,
};

/// After all is well again, everybody has the newest truth within this.
pub const AGREE_WITHIN: Duration = Duration::from_secs(5);

/// Within this of it everybody has heard which links are dead.
const TOLD_WITHIN: Duration = Duration::from_secs(1);
/// What happens at the end of that is known to everybody within this.
const NEWS_WITHIN: Duration = Duration::from_millis(200);
const NEWS_STEP: Duration = Duration::from_millis(20);

impl Running {
    pub(crate) fn draw_faults(&mut self) -> Result<(), Broken> {
        for client in 0..self.seats.len() {
            if let Some(fault) = self.faults.draw(&mut self.weather) {
                self.trace.mark(self.now, Mark::Fault, client, fault as u64);
                self.strike(client, fault)?;
            }
        }
        if self.host.is_some() && self.faults.restart(&mut self.weather) {
            let away = self.weather.between(0.5, 3.0);
            self.stop_host(Duration::from_secs_f64(away));
        }
        if self.host.is_some() && self.faults.host_stall(&mut self.weather) {
            let span = self.weather.between(0.2, 3.0);
            self.stall_host(Duration::from_secs_f64(span));
        }
        Ok(())
    }

    fn strike(&mut self, client: usize, fault: Fault) -> Result<(), Broken> {
        match fault {
            Fault::Cut => self.cut_link(client),
            Fault::HalfOpen => self.half_open_link(client),
            Fault::Stall => {
                let span = self.weather.between(0.2, 4.0);
                self.stall_link(client, Duration::from_secs_f64(span));
            }
            Fault::Change => {
                let profile = *self.weather.pick(&profile::ALL);
                self.change_link(client, profile);
            }
            Fault::Crash => {
                let silent = self.weather.happens(0.5);
                self.crash_client(client, silent)?;
            }
            Fault::Move => self.move_client(client)?,
            Fault::Absence => {
                let span = self.weather.between(1.0, 12.0);
                let silent = self.weather.happens(0.5);
                self.take_network(client, Duration::from_secs_f64(span), silent);
            }
        }
        Ok(())
    }

    fn cut_link(&mut self, client: usize) {
        let Some(id) = self.seats[client].link else {
            return;
        };
        if let Some(link) = self.links.get_mut(&id) {
            link.cut(self.now);
            self.plan_link(id);
        }
    }

    fn half_open_link(&mut self, client: usize) {
        let link = self.seats[client]
            .link
            .and_then(|id| self.links.get_mut(&id));
        if let Some(link) = link {
            link.go_half_open();
        }
    }

    fn take_network(&mut self, client: usize, span: Duration, silent: bool) {
        self.seats[client].absent_until = self.now.plus(span);
        match silent {
            true => self.half_open_link(client),
            false => self.cut_link(client),
        }
    }

    fn stall_link(&mut self, client: usize, span: Duration) {
        let until = self.now.plus(span);
        let Some(id) = self.seats[client].link else {
            return;
        };
        if let Some(link) = self.links.get_mut(&id) {
            link.stall(until);
            self.plan_link(id);
        }
    }

    fn change_link(&mut self, client: usize, profile: Profile) {
        let seat = &mut self.seats[client];
        // A proxy stands where it stands, whatever the way before it becomes.
        seat.profile = profile
            .proxy(seat.profile.proxy)
            .window(seat.profile.window)
            .polls(seat.profile.polls);
        if let Some(link) = seat.link.and_then(|id| self.links.get_mut(&id)) {
            link.set_profile(&seat.profile);
        }
    }

    fn crash_client(&mut self, client: usize, silent: bool) -> Result<(), Broken> {
        self.end_race(client);
        if let Some(id) = self.seats[client].link.take()
            && let Some(link) = self.links.get_mut(&id)
        {
            // A machine without power says nothing; a process that dies leaves a system that resets its connections.
            if silent {
                link.go_half_open()
            } else {
                link.cut(self.now)
            }
            link.leave();
            self.plan_link(id);
        }
        self.seats[client].restart(self.now, &self.name);
        self.after_client(client)
    }

    /// Nothing that is sent to it or by it arrives, and its clock does not ring.
    fn stall_host(&mut self, span: Duration) {
        self.stalled_until = self.now.plus(span);
        let ids: Vec<_> = self.links.keys().copied().collect();
        for id in ids {
            if let Some(link) = self.links.get_mut(&id) {
                link.stall(self.stalled_until);
            }
            self.plan_link(id);
        }
    }

    fn stop_host(&mut self, away: Duration) {
        let Some(host) = self.host.take() else { return };
        self.stalled_until = self.now;
        self.past_encodes += host.encodes();
        self.trace
            .mark(self.now, Mark::Restart, 0, u64::from(self.epoch));
        self.host_planned = None;
        self.truth.forget(self.epoch);
        self.expiry.forget();
        self.epoch += 1;
        self.sessions.clear();
        let ids: Vec<_> = self.links.keys().copied().collect();
        for id in ids {
            if let Some(link) = self.links.get_mut(&id) {
                link.lose_server(self.now);
            }
            self.plan_link(id);
        }
        self.queue.plan(self.now.plus(away), Event::HostUp);
    }

    pub(crate) fn host_up(&mut self) {
        if self.host.is_none() {
            let seed = self.chance.fork(5_000 + u64::from(self.epoch)).bits();
            let proven = self.identities.is_some();
            self.host = Some(Host::new(
                vec![self.kind.clone()],
                seed,
                proven,
                self.window,
            ));
        }
    }

    /// Breaks a client's link at any byte; both ends know it at once.
    pub fn cut(&mut self, client: usize) {
        self.cut_link(client);
    }

    /// Kills a client's link without a word: each end finds out by itself.
    pub fn half_open(&mut self, client: usize) {
        self.half_open_link(client);
    }

    /// Breaks a client's link, and lets it open none for so long.
    pub fn absent(&mut self, client: usize, span: Duration) {
        self.take_network(client, span, false);
    }

    /// Lets nothing arrive on a client's link for so long, and lets it open no other; who gives the link up meanwhile finds out by itself.
    pub fn blackout(&mut self, client: usize, span: Duration) {
        self.seats[client].absent_until = self.now.plus(span);
        self.stall_link(client, span);
    }

    /// Lets nothing arrive on a client's link for so long; then it all comes.
    pub fn stall(&mut self, client: usize, span: Duration) {
        self.stall_link(client, span);
    }

    /// Lets the server's process stand still for so long; then it hears all that has come.
    pub fn stall_server(&mut self, span: Duration) {
        self.stall_host(span);
    }

    /// Makes a client's link like another profile. (A proxy stays where it was at the link's opening.)
    pub fn set_link(&mut self, client: usize, profile: Profile) {
        self.change_link(client, profile);
    }

    /// Ends a client's process and begins another in its place.
    ///
    /// # Errors
    /// A violation that came to light with it.
    pub fn crash(&mut self, client: usize) -> Result<(), Box<Violation>> {
        self.crash_client(client, false)
            .map_err(|broken| self.fail(broken))
    }

    /// Ends the server's process; another begins after so long and knows nothing.
    pub fn restart_server(&mut self, away: Duration) {
        self.stop_host(away);
    }

    /// Nothing goes wrong from now on.
    pub fn calm(&mut self) {
        self.faults = Faults::NONE;
    }

    /// Makes all well: no faults from now on, the server there, every link fiber, dead ones told of.
    ///
    /// # Errors
    /// A violation that came to light with it.
    pub fn mend(&mut self) -> Result<(), Box<Violation>> {
        self.calm();
        self.host_up();
        self.stalled_until = self.now;
        self.trace.mark(self.now, Mark::Heal, 0, 0);
        let ids: Vec<_> = self.links.keys().copied().collect();
        for id in ids {
            if let Some(link) = self.links.get_mut(&id) {
                link.heal(self.now, &profile::FIBER);
            }
            self.plan_link(id);
        }
        for client in 0..self.seats.len() {
            let seat = &mut self.seats[client];
            seat.profile = profile::FIBER;
            seat.absent_until = self.now;
            if let Some(letters) = &mut seat.letters {
                letters.quiet = true;
            }
        }
        self.reconnect_all()
    }

    fn reconnect_all(&mut self) -> Result<(), Box<Violation>> {
        for client in 0..self.seats.len() {
            let seat = &mut self.seats[client];
            seat.client.reconnect(seat.watch.at(self.now));
            self.after_client(client)
                .map_err(|broken| self.fail(broken))?;
        }
        Ok(())
    }

    /// [Mends](Self::mend) everything, runs on for [`AGREE_WITHIN`] and looks whether everybody has the newest truth.
    ///
    /// # Errors
    /// The first violation, [`Broken::Disagrees`] for one.
    pub fn heal(&mut self) -> Result<(), Box<Violation>> {
        self.mend()?;
        self.advance(TOLD_WITHIN)?;
        // Who was waiting for a dead link to answer has heard of it now, and would wait on for its back-off.
        self.reconnect_all()?;
        self.advance(AGREE_WITHIN - TOLD_WITHIN)?;
        // A session may expire at this very moment, and the news of it be on its way.
        for _ in 0..NEWS_WITHIN.as_millis() / NEWS_STEP.as_millis() {
            if self.check_agreement(AGREE_WITHIN).is_ok() {
                return Ok(());
            }
            self.advance(NEWS_STEP)?;
        }
        self.check_agreement(AGREE_WITHIN + NEWS_WITHIN)
            .map_err(|broken| self.fail(broken))
    }
}
