//! Links made of requests over a network that loses, repeats, delays and reorders them: what comes out is in order, once; and peers who break the rules.

use bytes::Bytes;
use std::time::Duration;
use tickwire_proto::poll::{
    Ask, BATCH_BYTES_MAX, HOLD_MS, Lane, POST_BYTES_MAX, PollAnswer, PollClient, PollHost, PollId,
    PollRefusal, PollRequest, REQUESTS_PER_S_MAX, frames,
};
use tickwire_proto::{Outgoing, Time};

const ID: PollId = PollId([5; 24]);

enum Flying {
    Request(u64, Bytes),
    Answer(u64, u16, Bytes),
    Failed(u64),
}

/// A client and a host in virtual time, with a network between them.
struct World {
    now: Time,
    chance: u64,
    /// Out of a hundred requests or answers: so many are lost, and so many requests come twice.
    lost: u64,
    twice: u64,
    delay_ms: u64,
    flying: Vec<(Time, Flying)>,
    client: PollClient,
    host: Option<PollHost<u64>>,
    up: Vec<u32>,
    down: Vec<u32>,
    refused: Vec<PollRefusal>,
}

impl World {
    fn new(seed: u64, lost: u64, twice: u64, delay_ms: u64) -> World {
        let now = Time::from_millis(1_000);
        World {
            now,
            chance: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            lost,
            twice,
            delay_ms,
            flying: Vec::new(),
            client: PollClient::new(now),
            host: None,
            up: Vec::new(),
            down: Vec::new(),
            refused: Vec::new(),
        }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance % limit.max(1)
    }

    fn fly(&mut self, flying: Flying) {
        let ticket = match &flying {
            Flying::Request(ticket, _) | Flying::Answer(ticket, ..) | Flying::Failed(ticket) => {
                *ticket
            }
        };
        let late = Duration::from_millis(1 + self.below(self.delay_ms));
        let flying = if self.below(100) < self.lost {
            Flying::Failed(ticket)
        } else {
            flying
        };
        self.flying.push((self.now.plus(late), flying));
    }

    fn ask(&mut self) {
        while let Some(Ask { ticket, body, .. }) = self.client.ask(self.now) {
            if self.below(100) < self.twice {
                self.fly(Flying::Request(ticket, body.clone()));
            }
            self.fly(Flying::Request(ticket, body));
        }
    }

    fn arrive(&mut self) {
        let due = |(at, _): &mut (Time, Flying), now: Time| *at <= now;
        let now = self.now;
        let due: Vec<_> = self.flying.extract_if(.., |it| due(it, now)).collect();
        for (_, flying) in due {
            match flying {
                Flying::Request(ticket, body) => self.at_host(ticket, &body),
                Flying::Answer(ticket, status, body) => {
                    self.client.answered(now, ticket, status, &body)
                }
                Flying::Failed(ticket) => self.client.failed(now, ticket),
            }
        }
        while let Some(frame) = self.client.frame() {
            self.down.push(number(&frame));
        }
    }

    fn at_host(&mut self, ticket: u64, body: &Bytes) {
        let now = self.now;
        let request = PollRequest::decode(body).unwrap();
        let host = match request {
            PollRequest::Open { frames } => {
                if self.host.is_none() {
                    self.host = Some(PollHost::new(now, ID, ticket));
                    self.take(&frames);
                }
                return;
            }
            _ => self.host.as_mut().unwrap(),
        };
        let mut answers = Vec::new();
        match request {
            PollRequest::Open { .. } => {}
            PollRequest::Post { number, frames, .. } => match host.post(now, number) {
                Ok(next) => {
                    answers.push((ticket, Ok(host.taken())));
                    if next {
                        self.take(&frames);
                    }
                }
                Err(refusal) => answers.push((ticket, Err(refusal))),
            },
            PollRequest::Poll { number, got, .. } => {
                host.poll(now, number, got, ticket, |ticket, answer| {
                    answers.push((ticket, answer));
                });
            }
            PollRequest::Close { batches, .. } => {
                for (number, frames) in batches {
                    if self.host.as_mut().unwrap().batch_came(number) == Ok(true) {
                        self.take(&frames);
                    }
                }
            }
        }
        for (ticket, answer) in answers {
            match answer {
                Ok(body) => self.fly(Flying::Answer(ticket, 200, body)),
                Err(refusal) => {
                    let status = refusal.status();
                    self.refused.push(refusal);
                    self.fly(Flying::Answer(ticket, status, Bytes::new()));
                }
            }
        }
    }

    fn take(&mut self, batch: &Bytes) {
        for frame in frames(batch, 100).unwrap() {
            self.up.push(number(&frame));
        }
    }

    /// The host writes what it may, up to `until` in all.
    fn write_down(&mut self, next: &mut u32, until: u32) {
        let Some(host) = &mut self.host else { return };
        let mut budget = 3;
        while host.takes() > 0 && *next < until && budget > 0 {
            host.put(&Outgoing::frame(framed(*next)));
            *next += 1;
            budget -= 1;
        }
        let answer = host
            .flush()
            .or_else(|| self.host.as_mut().and_then(|host| host.expired(self.now)));
        if let Some((ticket, body)) = answer {
            self.fly(Flying::Answer(ticket, 200, body));
        }
    }
}

fn framed(number: u32) -> Bytes {
    Bytes::copy_from_slice(&number.to_le_bytes())
}

fn number(frame: &Bytes) -> u32 {
    u32::from_le_bytes(frame[..].try_into().unwrap())
}

#[test]
fn what_was_lost_repeated_and_reordered_comes_once_and_in_order() {
    const FRAMES: u32 = 300;
    let (mut whole, mut repeated) = (0, 0);
    for seed in 1..=300 {
        let (lost, twice) = (seed % 12, seed % 30);
        let mut world = World::new(seed, lost, twice, 1 + seed % 250);
        let (mut said, mut written) = (0, 0);
        for _ in 0..400_000 {
            if world.client.takes() > 0 && said < FRAMES {
                world.client.say(&framed(said));
                said += 1;
            }
            world.ask();
            world.arrive();
            world.write_down(&mut written, FRAMES);
            world.client.handle_timeout(world.now);
            let all = world.up.len() + world.down.len() == 2 * FRAMES as usize;
            if all || world.client.over().is_some() {
                break;
            }
            world.now = world.now.plus(Duration::from_millis(1));
        }
        for (way, heard) in [("up", &world.up), ("down", &world.down)] {
            let prefix: Vec<u32> = (0..heard.len() as u32).collect();
            assert_eq!(*heard, prefix, "seed {seed}, {way}");
        }
        match world.client.over() {
            None => {
                assert_eq!(
                    world.up.len() + world.down.len(),
                    2 * FRAMES as usize,
                    "seed {seed}"
                );
                whole += 1;
            }
            Some(over) => assert!(
                lost > 0 && over.status == 0,
                "seed {seed}: only lost requests end a link, not {over:?}"
            ),
        }
        let harmless = |it: &PollRefusal| matches!(it, PollRefusal::Late | PollRefusal::Second);
        assert!(world.refused.iter().all(harmless), "{:?}", world.refused);
        repeated += world.refused.len();
    }
    assert!(whole > 200, "{whole} of 300 went to the end");
    assert!(repeated > 1_000, "{repeated} polls came twice or late");
}

/// A host that answered its first request.
fn open() -> PollHost<u8> {
    let mut host = PollHost::new(Time(0), ID, 0);
    host.put(&Outgoing::frame(framed(1)));
    assert_eq!(host.flush().map(|(waiter, _)| waiter), Some(0));
    host
}

fn poll(
    host: &mut PollHost<u8>,
    number: u64,
    got: u64,
    waiter: u8,
) -> Vec<(u8, Result<Bytes, PollRefusal>)> {
    let mut answers = Vec::new();
    host.poll(Time(0), number, got, waiter, |waiter, answer| {
        answers.push((waiter, answer));
    });
    answers
}

#[test]
fn of_two_polls_at_once_the_newer_waits_and_the_older_is_refused() {
    let mut host = open();
    assert_eq!(poll(&mut host, 1, 1, 1), []);
    assert_eq!(poll(&mut host, 1, 1, 2), [(2, Err(PollRefusal::Late))]);
    assert_eq!(
        host.waiter(),
        Some(&1),
        "the same poll again disturbs nothing"
    );
    assert_eq!(poll(&mut host, 3, 1, 3), [(1, Err(PollRefusal::Second))]);
    assert_eq!(poll(&mut host, 2, 1, 4), [(4, Err(PollRefusal::Late))]);
    assert_eq!(host.waiter(), Some(&3));
}

#[test]
fn a_lost_answer_is_repeated_until_the_next_poll_says_that_it_came() {
    let mut host = open();
    poll(&mut host, 1, 1, 1);
    host.put(&Outgoing::frame(framed(2)));
    let (_, first) = host.flush().unwrap();
    assert_eq!(host.takes(), 0, "nothing is fetched while no poll waits");
    assert_eq!(poll(&mut host, 2, 1, 2), [(2, Ok(first.clone()))]);
    assert_eq!(poll(&mut host, 3, 1, 3), [(3, Ok(first))]);
    assert_eq!(poll(&mut host, 4, 2, 4), []);
    assert_eq!(host.takes(), BATCH_BYTES_MAX);
    assert_eq!(
        poll(&mut host, 5, 1, 5),
        [(5, Err(PollRefusal::Late))],
        "what has arrived is not sent again"
    );
}

#[test]
fn jumps_are_refused() {
    let mut host = open();
    let jump = |said, known| PollRefusal::Jump { said, known };
    assert_eq!(poll(&mut host, 1, 2, 1), [(1, Err(jump(2, 1)))]);
    assert_eq!(
        poll(&mut host, 1, u64::MAX, 1),
        [(1, Err(jump(u64::MAX, 1)))]
    );
    assert_eq!(host.post(Time(0), 3), Err(jump(3, 1)));
    assert_eq!(host.post(Time(0), 2), Ok(true));
    assert_eq!(host.post(Time(0), 2), Ok(false));
    assert_eq!(host.post(Time(0), 0), Ok(false));
    assert_eq!(host.post(Time(0), u64::MAX), Err(jump(u64::MAX, 2)));
    assert!(jump(1, 2).is_breach() && !PollRefusal::Late.is_breach());
}

#[test]
fn requests_are_bounded_and_polls_do_not_wait_for_ever() {
    let mut host = open();
    poll(&mut host, 1, 1, 1);
    let taken = (0..10_000)
        .filter(|_| host.post(Time(0), 1) == Ok(false))
        .count() as u64;
    assert_eq!(taken, 2 * REQUESTS_PER_S_MAX - 1);
    assert_eq!(poll(&mut host, 2, 1, 2), [(2, Err(PollRefusal::Limit))]);
    let hold = Duration::from_millis(HOLD_MS);
    let early = Time(0).plus(hold - Duration::from_millis(1));
    assert_eq!(host.expired(early), None);
    let (waiter, body) = host.expired(Time(0).plus(hold)).unwrap();
    assert_eq!(
        (waiter, PollAnswer::decode(&body)),
        (1, Ok(PollAnswer::Nothing))
    );
    assert_eq!(host.takes(), 0);
}

#[test]
fn a_closed_link_says_its_code_until_the_client_knows() {
    let mut host = open();
    host.close(4402);
    host.close(1000);
    assert_eq!(host.flush(), None, "no poll waits");
    poll(&mut host, 1, 1, 1);
    let (_, body) = host.flush().unwrap();
    let last = PollAnswer::Batch {
        number: 2,
        frames: Bytes::new(),
        close: Some(4402),
    };
    assert_eq!(PollAnswer::decode(&body), Ok(last));
    assert_eq!(poll(&mut host, 2, 1, 2), [(2, Ok(body))]);
    assert!(!host.is_over());
    assert_eq!(poll(&mut host, 3, 2, 3), [(3, Err(PollRefusal::Unknown))]);
    assert!(host.is_over());
}

/// A client whose link is open, with nothing under way but a poll of that ticket.
fn polling() -> (PollClient, u64) {
    let now = Time(0);
    let mut client = PollClient::new(now);
    assert_eq!((client.ask(now), client.takes()), (None, POST_BYTES_MAX));
    client.say(b"hello");
    let open = client.ask(now).unwrap();
    assert!(matches!(
        PollRequest::decode(&open.body),
        Ok(PollRequest::Open { .. })
    ));
    assert_eq!((client.ask(now), client.takes()), (None, 0));
    let opened = PollAnswer::Opened {
        link: ID,
        frames: Bytes::from_static(b"\x02hi"),
        close: None,
    };
    client.answered(now, open.ticket, 200, &opened.encode());
    assert_eq!(client.frame().as_deref(), Some(&b"hi"[..]));
    let poll = client.ask(now).unwrap();
    assert_eq!(poll.lane, Lane::Poll);
    (client, poll.ticket)
}

#[test]
fn a_client_repeats_what_failed_and_gives_up_after_four() {
    let (mut client, poll) = polling();
    let mut now = Time::from_millis(100);
    client.say(b"one");
    let post = client.ask(now).unwrap();
    client.failed(now, post.ticket);
    assert_eq!(client.ask(now), None, "a pause");
    now = client.next_timeout().unwrap();
    let again = client.ask(now).unwrap();
    assert_eq!(again.body, post.body, "the same batch, by the same number");
    client.failed(now, post.ticket); // of the request that was given up
    client.answered(now, again.ticket, 503, &Bytes::new());
    client.failed(now, poll);
    assert_eq!(client.over(), None);
    now = now.plus(Duration::from_secs(1));
    let third = client.ask(now).unwrap();
    client.failed(now, third.ticket);
    assert_eq!(client.over().map(|over| over.status), Some(0));
    assert_eq!((client.ask(now), client.takes()), (None, 0));
}

#[test]
fn an_answer_that_does_not_come_is_asked_for_again() {
    let (mut client, _) = polling();
    client.say(b"one");
    let now = Time::from_millis(20);
    let post = client.ask(now).unwrap();
    let due = client.next_timeout().unwrap();
    assert_eq!(due, now.plus(Duration::from_secs(5)));
    client.handle_timeout(due);
    let later = client.next_timeout().unwrap();
    let again = client.ask(later).unwrap();
    assert_eq!((again.body, again.lane), (post.body, Lane::Post));
}

/// A page that nobody looks at: its timers ring once in a minute, and what it hears is all that makes it ask on.
#[test]
fn a_client_without_timers_asks_on_as_soon_as_it_is_answered() {
    for untimed in [false, true] {
        let (mut client, mut ticket) = polling();
        client.set_untimed(untimed);
        let mut now = Time::from_millis(7_000);
        let mut asked = 0;
        for number in 2..2_000 {
            now = now.plus(Duration::from_millis(1));
            let answer = PollAnswer::Batch {
                number,
                frames: Bytes::new(),
                close: None,
            };
            client.answered(now, ticket, 200, &answer.encode());
            let Some(next) = client.ask(now) else { break };
            (ticket, asked) = (next.ticket, asked + 1);
        }
        // One after the other for a second's worth of gaps, and then no faster than others on the average.
        let burst = if untimed { 100..=112 } else { 1..=1 };
        assert!(burst.contains(&asked), "{asked}");
        let later = client.next_timeout().expect("it asks on");
        assert!(client.ask(later).is_some());
    }
}

#[test]
fn a_client_without_timers_rests_after_a_failure() {
    let (mut client, old) = polling();
    client.set_untimed(true);
    let now = Time::from_millis(7_000);
    client.failed(now, old);
    assert_eq!(client.ask(now), None);
    let later = client.next_timeout().expect("it asks again");
    assert!(later > now && client.ask(later).is_some());
}

#[test]
fn a_client_that_wakes_up_waits_for_nothing_old() {
    let (mut client, old) = polling();
    let now = Time::from_millis(7_000);
    client.wake(now);
    let new = client.ask(now).unwrap();
    let PollRequest::Poll { number, got, .. } = PollRequest::decode(&new.body).unwrap() else {
        panic!("{new:?}");
    };
    assert_eq!((number, got), (2, 1));
    client.answered(now, old, 409, &Bytes::new());
    assert_eq!((client.ask(now), client.over()), (None, None));
}

#[test]
fn a_goodbye_takes_along_what_may_not_have_arrived() {
    let (mut client, _) = polling();
    let now = Time::from_millis(20);
    client.say(b"one");
    client.ask(now).unwrap();
    client.close();
    let goodbye = client.ask(now).unwrap();
    let batches = vec![(2, Bytes::from_static(b"\x03one"))];
    let close = PollRequest::Close { link: ID, batches };
    assert_eq!(PollRequest::decode(&goodbye.body), Ok(close));
    assert_eq!(client.ask(now), None);
}

#[test]
fn answers_that_are_none_end_the_link() {
    for (status, body) in [
        (200, &b"<html>"[..]),
        (200, b"\x43\x07"),
        (200, b"\x42\x02\x00\x05x"),
        (404, b"{}"),
        (302, b""),
    ] {
        let (mut client, poll) = polling();
        client.answered(Time(0), poll, status, &Bytes::from_static(body));
        assert_eq!(client.over().map(|over| over.status), Some(status));
    }
}
