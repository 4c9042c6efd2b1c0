//! A link made of requests, as HTTP polling is: each request and each answer travels by itself, may be late, lost, or come twice. No session.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use tickwire_proto::{
    Outgoing, Time,
    poll::{Ask, PollClient, PollHost, PollId, PollRefusal, PollRequest, frames},
};

use crate::{Chance, profile::Profile};

/// The part of the requests that comes twice, as some networks repeat what they think lost.
const TWICE: f64 = 0.05;
/// Headers of a request or an answer.
const HEADERS: usize = 300;
/// The least time after which who waits for an answer hears that there is none, and the most.
const SILENCE: (f64, f64) = (0.05, 1.0);
/// What a client may say in one frame.
const FRAME_MAX: usize = 64 * 1024;

/// Both ends, and what is between them.
pub(crate) struct Requests {
    client: PollClient,
    host: Option<PollHost<u64>>,
    id: PollId,
    flying: Vec<(Time, u64, Flying)>,
    flown: u64,
    profile: Profile,
    held_until: Time,
    /// Nothing arrives any more, and nobody is told.
    dead: bool,
    /// What went down with it.
    lost: Vec<u64>,
    /// The server's process is gone: whoever asks hears that.
    gone: bool,
    /// Frames that the server's end has not looked at.
    heard: VecDeque<Bytes>,
    /// The client asks nothing more, and has not said so.
    left: bool,
    /// The client said that it is done with the link.
    closed: bool,
    /// A poll has come since it was asked for last.
    polled: bool,
}

enum Flying {
    Request(u64, Bytes),
    Answer(u64, u16, Bytes),
    Failure(u64),
}

impl Requests {
    pub fn new(now: Time, profile: &Profile, chance: &mut Chance) -> Requests {
        let mut secret = [0; 16];
        secret[..8].copy_from_slice(&chance.bits().to_le_bytes());
        Requests {
            client: PollClient::new(now),
            host: None,
            id: PollId::new(1, secret),
            flying: Vec::new(),
            flown: 0,
            profile: *profile,
            held_until: Time(0),
            dead: false,
            lost: Vec::new(),
            gone: false,
            heard: VecDeque::new(),
            left: false,
            closed: false,
            polled: false,
        }
    }

    pub fn client_takes(&self) -> usize {
        self.client.takes()
    }

    pub fn say(&mut self, frame: &Bytes) {
        self.client.say(frame);
    }

    pub fn host_takes(&self) -> usize {
        self.host.as_ref().map_or(0, PollHost::takes)
    }

    pub fn put(&mut self, out: &Outgoing) {
        if let Some(host) = &mut self.host {
            host.put(out);
        }
    }

    /// A poll has come: updates may be made again.
    pub fn take_polled(&mut self) -> bool {
        std::mem::take(&mut self.polled)
    }

    /// Moves everything on to where it can be by now.
    pub fn advance(&mut self, now: Time, chance: &mut Chance) {
        self.client.handle_timeout(now);
        loop {
            self.ask(now, chance);
            self.answer(now, chance);
            let Some(flying) = self.due(now) else { break };
            match flying {
                Flying::Request(ticket, body) => self.at_host(now, ticket, &body, chance),
                Flying::Answer(ticket, status, body) => {
                    self.client.answered(now, ticket, status, &body);
                }
                Flying::Failure(ticket) => self.client.failed(now, ticket),
            }
        }
    }

    fn ask(&mut self, now: Time, chance: &mut Chance) {
        while !self.left
            && let Some(Ask { ticket, body, .. }) = self.client.ask(now)
        {
            if chance.happens(TWICE) {
                self.fly(now, Flying::Request(ticket, body.clone()), chance);
            }
            self.fly(now, Flying::Request(ticket, body), chance);
        }
    }

    fn answer(&mut self, now: Time, chance: &mut Chance) {
        let Some(host) = &mut self.host else { return };
        if let Some((ticket, body)) = host.flush().or_else(|| host.expired(now)) {
            self.fly(now, Flying::Answer(ticket, 200, body), chance);
        }
    }

    fn fly(&mut self, now: Time, flying: Flying, chance: &mut Chance) {
        let profile = self.profile;
        let (ticket, bytes, speed) = match &flying {
            Flying::Request(ticket, body) => (*ticket, body.len(), profile.up_bytes_per_s),
            Flying::Answer(ticket, _, body) => (*ticket, body.len(), profile.down_bytes_per_s),
            Flying::Failure(ticket) => (*ticket, 0, u64::MAX),
        };
        if self.dead {
            self.lost.push(ticket);
            return;
        }
        let sway = chance.unit() + chance.unit() - 1.0;
        let way = profile.delay.as_secs_f64() + sway * profile.jitter.as_secs_f64();
        let takes = way.max(0.0) + (bytes + HEADERS) as f64 / speed as f64;
        // TCP repeats what is lost on the way; now and then a whole connection goes down with it.
        let lost = chance.happens(profile.loss / 4.0);
        let (flying, takes) = if lost {
            let silence = chance.between(SILENCE.0, SILENCE.1);
            (Flying::Failure(ticket), takes + silence)
        } else {
            let again = chance.happens(profile.loss);
            (flying, takes + if again { 0.2 } else { 0.0 })
        };
        self.flown += 1;
        let arrives = now.plus(Duration::from_secs_f64(takes));
        self.flying.push((arrives, self.flown, flying));
    }

    /// The next that has arrived; of two at once the one that went first.
    fn due(&mut self, now: Time) -> Option<Flying> {
        if self.dead || now < self.held_until {
            return None;
        }
        let first =
            (0..self.flying.len()).min_by_key(|at| (self.flying[*at].0, self.flying[*at].1))?;
        let due = self.flying[first].0 <= now;
        due.then(|| self.flying.swap_remove(first).2)
    }

    fn at_host(&mut self, now: Time, ticket: u64, body: &Bytes, chance: &mut Chance) {
        if self.gone {
            return self.fly(now, Flying::Failure(ticket), chance);
        }
        let mut answers = Vec::new();
        match (PollRequest::decode(body), &mut self.host) {
            (Ok(PollRequest::Open { frames }), None) => {
                self.host = Some(PollHost::new(now, self.id, ticket));
                self.polled = true;
                self.take(&frames);
            }
            (
                Ok(PollRequest::Post {
                    link,
                    number,
                    frames,
                }),
                Some(host),
            ) if host.id().is(&link) => {
                let next = host.post(now, number);
                answers.push((ticket, next.clone().map(|_| host.taken())));
                if next == Ok(true) {
                    self.take(&frames);
                }
            }
            (Ok(PollRequest::Poll { link, number, got }), Some(host)) if host.id().is(&link) => {
                self.polled = true;
                host.poll(now, number, got, ticket, |ticket, answer| {
                    answers.push((ticket, answer));
                });
            }
            (Ok(PollRequest::Close { link, batches }), Some(host)) if host.id().is(&link) => {
                answers.push((ticket, Ok(host.taken())));
                for (number, frames) in batches {
                    if self
                        .host
                        .as_mut()
                        .is_some_and(|host| host.batch_came(number) == Ok(true))
                    {
                        self.take(&frames);
                    }
                }
                self.closed = true;
            }
            // An Open that comes twice opens a link that nobody uses: here it is left out.
            (Ok(PollRequest::Open { .. }), Some(_)) => {}
            _ => answers.push((ticket, Err(PollRefusal::Unknown))),
        }
        for (ticket, answer) in answers {
            let flying = match answer {
                Ok(body) => Flying::Answer(ticket, 200, body),
                Err(refusal) => Flying::Answer(ticket, refusal.status(), Bytes::new()),
            };
            self.fly(now, flying, chance);
        }
    }

    fn take(&mut self, batch: &Bytes) {
        // Whatever a client of ours says can be read.
        self.heard
            .extend(frames(batch, FRAME_MAX).unwrap_or_default());
    }

    pub fn frame_at_client(&mut self) -> Option<Bytes> {
        self.client.frame()
    }

    /// The link is over for the client, with that code.
    pub fn over_at_client(&self) -> Option<Option<u16>> {
        self.client.over().map(|over| over.code)
    }

    pub fn frame_at_server(&mut self) -> Option<Bytes> {
        self.heard.pop_front()
    }

    pub fn over_at_server(&self) -> bool {
        self.closed && self.heard.is_empty()
    }

    pub fn leave(&mut self) {
        self.left = true;
    }

    pub fn close_client(&mut self) {
        self.client.close();
    }

    pub fn close_server(&mut self, code: Option<u16>) {
        if let Some(host) = &mut self.host {
            host.close(code.unwrap_or(GOING_AWAY));
        }
    }

    /// Every connection breaks: what is under way is lost, and whoever asked hears that.
    pub fn cut(&mut self, now: Time) {
        self.kill();
        self.dead = false;
        for ticket in std::mem::take(&mut self.lost) {
            self.flown += 1;
            self.flying.push((now, self.flown, Flying::Failure(ticket)));
        }
    }

    /// The server's process is gone, and with it what it knew.
    pub fn lose_server(&mut self, now: Time) {
        self.cut(now);
        self.gone = true;
        self.host = None;
    }

    pub fn kill(&mut self) {
        self.dead = true;
        for (_, _, flying) in self.flying.drain(..) {
            let (Flying::Request(ticket, _) | Flying::Answer(ticket, ..) | Flying::Failure(ticket)) =
                flying;
            self.lost.push(ticket);
        }
        if let Some(host) = &mut self.host {
            self.lost.extend(host.waiter());
            host.forget_waiter();
        }
    }

    pub fn hold(&mut self, until: Time) {
        self.held_until = self.held_until.max(until);
    }

    pub fn release(&mut self) {
        self.held_until = Time(0);
    }

    pub fn set_profile(&mut self, profile: &Profile) {
        self.profile = *profile;
    }

    pub fn next_due(&self) -> Option<Time> {
        let flying = self
            .flying
            .iter()
            .map(|(at, ..)| (*at).max(self.held_until));
        let client = self.client.next_timeout().filter(|_| !self.left);
        let host = self.host.as_ref().and_then(PollHost::next_timeout);
        flying.min().into_iter().chain(client).chain(host).min()
    }
}

/// What a link is closed with whose session goes on without it.
const GOING_AWAY: u16 = 1001;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile;

    /// Says 100 numbered frames each way over a link that is spoilt every 10 ms; what arrived, and whether the link was still there.
    fn run(
        profile: &Profile,
        seed: u64,
        mut spoil: impl FnMut(u64, Time, &mut Requests),
    ) -> (Vec<u8>, Vec<u8>, bool) {
        let mut chance = Chance::new(seed);
        let mut link = Requests::new(Time(0), profile, &mut chance);
        let (mut up, mut down, mut said, mut written) = (vec![], vec![], 0, 0);
        for step in 0..6_000 {
            let now = Time::from_millis(step * 10);
            if said < 100 && link.client_takes() > 0 {
                link.say(&Bytes::from(vec![said]));
                said += 1;
            }
            if written < 100 && link.host_takes() > 0 {
                link.put(&Outgoing::frame(Bytes::from(vec![written])));
                written += 1;
            }
            link.advance(now, &mut chance);
            up.extend(std::iter::from_fn(|| link.frame_at_server()).flatten());
            down.extend(std::iter::from_fn(|| link.frame_at_client()).flatten());
            if up.len() + down.len() == 200 {
                break;
            }
            spoil(step, now, &mut link);
        }
        let open = link.over_at_client().is_none();
        (up, down, open)
    }

    #[test]
    fn every_frame_arrives_once_and_in_order_on_every_profile() {
        let all: Vec<u8> = (0..100).collect();
        for profile in profile::ALL {
            let (up, down, open) = run(&profile, 7, |_, _, _| ());
            assert!(
                open && up == all && down == all,
                "{}: {up:?} {down:?}",
                profile.name
            );
        }
    }

    #[test]
    fn a_cut_loses_nothing() {
        let all: Vec<u8> = (0..100).collect();
        for seed in 0..20 {
            let (up, down, open) = run(&profile::FIVE_G, seed, |step, now, link| {
                if step % 90 == 30 + seed {
                    link.cut(now);
                }
            });
            assert!(
                open && up == all && down == all,
                "seed {seed}: {up:?} {down:?}"
            );
        }
    }

    #[test]
    fn without_the_server_the_client_hears_so() {
        let (_, down, open) = run(&profile::FIBER, 1, |step, now, link| {
            if step == 50 {
                link.lose_server(now);
            }
        });
        assert!(!open && down.len() < 100);
    }
}
