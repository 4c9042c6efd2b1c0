//! Polls and posts of peers without manners: each is refused with a typed reason, in its time, and the other players notice nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;
use tickwire_net::{Running, Server};
use tickwire_proto::poll::{PollAnswer, PollId, PollRequest, frames, put_frame};
use tickwire_proto::{ClientFrame, PROTOCOL_VERSION, Reason, ServerFrame};

use super::polling::talker;
use super::raw::{Raw, attach};
use super::{server, start};

const PATIENCE: Duration = Duration::from_secs(60);

/// A request with a body, and more headers.
pub fn request(body: &[u8], more: &str) -> Vec<u8> {
    let length = body.len();
    let mut out = format!(
        "POST /tickwire/poll HTTP/1.1\r\nHost: game.example\r\nContent-Length: {length}\r\n{more}\r\n"
    )
    .into_bytes();
    out.extend(body);
    out
}

/// An answer: status, head, body.
pub fn answer(raw: &mut Raw) -> (u16, String, Bytes) {
    let head = raw.head();
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    let length = head.to_lowercase().lines().find_map(|line| {
        let length = line.strip_prefix("content-length: ")?;
        length.parse().ok()
    });
    let body = raw.exactly(length.unwrap_or(0));
    (status.unwrap_or(0), head, body.into())
}

fn ask(address: SocketAddr, body: &PollRequest) -> (u16, Bytes) {
    let mut raw = Raw::connect(address);
    raw.send(&request(&body.encode(), ""));
    let (status, _, body) = answer(&mut raw);
    (status, body)
}

fn code(body: &Bytes) -> String {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    assert!(
        json["fix"].as_str().is_some_and(|fix| !fix.is_empty()),
        "{body:?}"
    );
    json["code"].as_str().unwrap_or_default().to_owned()
}

/// What a poll says, by hand.
pub struct Hand {
    address: SocketAddr,
    link: PollId,
    polls: u64,
    got: u64,
    posts: u64,
}

impl Hand {
    fn open(address: SocketAddr) -> Hand {
        let hello = ClientFrame::Hello {
            version: PROTOCOL_VERSION,
            resume: None,
        };
        let (status, body) = ask(
            address,
            &PollRequest::Open {
                frames: batch(&hello.encode()),
            },
        );
        assert_eq!(status, 200);
        Hand::opened(address, &body)
    }

    /// By the answer to the request that opened the link.
    pub fn opened(address: SocketAddr, body: &Bytes) -> Hand {
        let Ok(PollAnswer::Opened {
            link,
            frames: welcome,
            close: None,
        }) = PollAnswer::decode(body)
        else {
            panic!("{body:?}");
        };
        let welcome = frames(&welcome, 10_000).unwrap();
        assert!(matches!(
            ServerFrame::decode(&welcome[0]),
            Ok(ServerFrame::Welcome { .. })
        ));
        Hand {
            address,
            link,
            polls: 0,
            got: 1,
            posts: 1,
        }
    }

    /// A link whose credentials are accepted.
    fn attached(address: SocketAddr) -> Hand {
        let mut hand = Hand::open(address);
        assert_eq!(hand.post(&attach(0)).0, 200);
        hand.find(|frame| matches!(frame, ServerFrame::AttachDone { .. }));
        hand
    }

    pub fn post(&mut self, frame: &[u8]) -> (u16, Bytes) {
        self.posts += 1;
        let (link, number) = (self.link, self.posts);
        let frames = batch(frame);
        ask(
            self.address,
            &PollRequest::Post {
                link,
                number,
                frames,
            },
        )
    }

    fn hear(&mut self, body: &Bytes) {
        if let Ok(PollAnswer::Batch { number, .. }) = PollAnswer::decode(body) {
            self.got = number;
        }
    }

    fn poll_body(&mut self) -> PollRequest {
        self.polls += 1;
        PollRequest::Poll {
            link: self.link,
            number: self.polls,
            got: self.got,
        }
    }

    /// A poll whose answer is waited for later.
    fn poll_later(&mut self) -> Raw {
        let mut raw = Raw::connect(self.address);
        raw.send(&request(&self.poll_body().encode(), ""));
        raw
    }

    /// Polls until a frame comes that is wanted.
    pub fn find(&mut self, wanted: impl FnMut(&ServerFrame<'_>) -> bool) {
        let waits = self.poll_later();
        self.find_behind(waits, wanted);
    }

    /// The same, with a poll that waits already.
    fn find_behind(&mut self, mut waits: Raw, mut wanted: impl FnMut(&ServerFrame<'_>) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let (status, _, body) = answer(&mut waits);
            assert_eq!(status, 200, "{body:?}");
            match PollAnswer::decode(&body).unwrap() {
                PollAnswer::Batch {
                    number,
                    frames: batch,
                    ..
                } => {
                    self.got = number;
                    let found = frames(&batch, 1 << 20).unwrap();
                    if found
                        .iter()
                        .any(|it| ServerFrame::decode(it).is_ok_and(|it| wanted(&it)))
                    {
                        return;
                    }
                }
                PollAnswer::Nothing => {}
                other => panic!("{other:?}"),
            }
            waits = self.poll_later();
        }
        panic!("it did not come");
    }

    /// The session ends with that reason, told to a poll that waits, and then the link is gone.
    fn ends(&mut self, waits: Raw, expected: Reason) {
        self.find_behind(
            waits,
            |frame| matches!(frame, ServerFrame::Ending { reason, .. } if *reason == expected),
        );
        let deadline = Instant::now() + PATIENCE;
        loop {
            let body = self.poll_body();
            let (status, body) = ask(self.address, &body);
            if status == 404 {
                return assert_eq!(code(&body), "NoLink");
            }
            let close = match PollAnswer::decode(&body) {
                Ok(PollAnswer::Batch { number, close, .. }) => {
                    self.got = number;
                    close
                }
                other => panic!("{status} {other:?}"),
            };
            assert_eq!(close, Some(expected.close_code()));
            assert!(Instant::now() < deadline);
        }
    }
}

pub fn batch(frame: &[u8]) -> Bytes {
    let mut batch = Vec::new();
    put_frame(&mut batch, frame);
    batch.into()
}

/// The server is as it was: somebody else can still poll.
fn is_well(server: &Running) {
    Hand::attached(server.local_addr());
}

#[test]
fn bodies_that_are_too_large_are_refused_before_they_are_read() {
    let server = start(server());
    let address = server.local_addr();
    for head in [
        "POST /tickwire/poll HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n",
        "POST /tickwire/poll HTTP/1.1\r\nHost: x\r\nContent-Length: 16500\r\n\r\n",
    ] {
        let mut raw = Raw::connect(address);
        raw.send(head.as_bytes());
        let (status, head, body) = answer(&mut raw);
        assert_eq!((status, code(&body).as_str()), (413, "TooLarge"));
        assert!(head.to_lowercase().contains("connection: close"), "{head}");
    }
    // Of one that does not say its length, no more is taken than may be.
    let mut raw = Raw::connect(address);
    raw.send(b"POST /tickwire/poll HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..40 {
        raw.send(b"400\r\n");
        raw.send(&[7; 1024]);
        raw.send(b"\r\n");
    }
    let (status, _, body) = answer(&mut raw);
    assert_eq!((status, code(&body).as_str()), (413, "TooLarge"));
    is_well(&server);
}

#[test]
fn bodies_that_come_slowly_are_refused_after_five_seconds() {
    let server = start(server());
    let began = Instant::now();
    let mut raw = Raw::connect(server.local_addr());
    raw.send(&request(&[1; 500], "")[..200]);
    let (status, _, body) = answer(&mut raw);
    assert_eq!((status, code(&body).as_str()), (408, "Slow"));
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(4) && took < Duration::from_secs(20),
        "{took:?}"
    );
}

#[test]
fn of_two_polls_the_newer_waits_and_the_older_is_told() {
    let server = start(server());
    let mut hand = Hand::attached(server.local_addr());
    let deadline = Instant::now() + PATIENCE;
    let mut second = loop {
        let mut first = hand.poll_later();
        // Nothing is on its way to one who is in no room, but for a ping now and then.
        if first.is_silent(Duration::from_millis(200)) {
            let second = hand.poll_later();
            let (status, _, body) = answer(&mut first);
            if status == 409 {
                assert_eq!(code(&body), "SecondPoll");
                break second;
            }
            hand.hear(&body); // a ping came between them
            drop(second);
        } else {
            let (_, _, body) = answer(&mut first);
            hand.hear(&body);
        }
        assert!(Instant::now() < deadline);
    };
    // The same poll once more, as a network may repeat it, disturbs nothing.
    hand.polls -= 1;
    let (status, body) = ask(hand.address, &hand.poll_body());
    assert_eq!((status, code(&body).as_str()), (409, "LatePoll"));
    let (status, _, _) = answer(&mut second);
    assert_eq!(status, 200);
}

#[test]
fn polls_for_anothers_link_find_nothing() {
    let server = start(server());
    let mut hand = Hand::attached(server.local_addr());
    let mut waits = hand.poll_later();
    let own = hand.link;
    let forged = (0..24).map(|at| {
        let mut link = own;
        link.0[at] ^= 1;
        link
    });
    let foreign = forged.chain([PollId([0; 24]), PollId([255; 24])]);
    let mut texts = std::collections::BTreeSet::new();
    for link in foreign {
        let requests = [
            PollRequest::Poll {
                link,
                number: 9,
                got: 1,
            },
            PollRequest::Post {
                link,
                number: 3,
                frames: batch(&[15]),
            },
            PollRequest::Close {
                link,
                batches: vec![(3, batch(&[15]))],
            },
        ];
        for request in requests {
            let (status, body) = ask(hand.address, &request);
            assert_eq!((status, code(&body).as_str()), (404, "NoLink"));
            texts.insert(body);
        }
    }
    assert_eq!(texts.len(), 1, "nobody learns which part was wrong");
    let (status, _, _) = answer(&mut waits);
    assert_eq!(status, 200, "whose link it is notices nothing");
}

#[test]
fn numbers_that_jump_end_the_session_as_a_violation() {
    let server = start(server());
    for wrong in 0..3 {
        let mut hand = Hand::attached(server.local_addr());
        let waits = hand.poll_later();
        let (link, got) = (hand.link, hand.got);
        let request = match wrong {
            0 => PollRequest::Post {
                link,
                number: 4,
                frames: batch(&[15]),
            },
            1 => PollRequest::Post {
                link,
                number: u64::MAX,
                frames: batch(&[15]),
            },
            _ => PollRequest::Poll {
                link,
                number: 99,
                got: got + 9,
            },
        };
        let (status, body) = ask(hand.address, &request);
        assert_eq!((status, code(&body).as_str()), (400, "Jump"));
        hand.ends(waits, Reason::Violation);
    }
    is_well(&server);
}

#[test]
fn batches_that_are_none_end_the_session_as_a_violation() {
    let server = start(server());
    for wrong in [
        &b"\x05abc"[..],
        b"\x00",
        b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02",
    ] {
        let mut hand = Hand::attached(server.local_addr());
        let waits = hand.poll_later();
        let request = PollRequest::Post {
            link: hand.link,
            number: 3,
            frames: Bytes::from_static(wrong),
        };
        let (status, body) = ask(hand.address, &request);
        assert_eq!((status, code(&body).as_str()), (400, "Malformed"));
        hand.ends(waits, Reason::Violation);
    }
    // A frame that is longer than frames may be.
    let mut hand = Hand::attached(server.local_addr());
    let waits = hand.poll_later();
    assert_eq!(hand.post(&[7; 5000]).0, 400);
    hand.ends(waits, Reason::Violation);
    let mut raw = Raw::connect(server.local_addr());
    raw.send(&request(b"\x09", ""));
    let (status, _, body) = answer(&mut raw);
    assert_eq!((status, code(&body).as_str()), (400, "Malformed"));
    let (status, body) = ask(
        server.local_addr(),
        &PollRequest::Open {
            frames: Bytes::new(),
        },
    );
    assert_eq!((status, code(&body).as_str()), (400, "NoHello"));
}

#[test]
fn a_batch_that_comes_twice_counts_once() {
    let server = start(talker());
    let mut hand = Hand::attached(server.local_addr());
    let ping = batch(&ClientFrame::Ping { nonce: 77 }.encode());
    let post = PollRequest::Post {
        link: hand.link,
        number: 3,
        frames: ping,
    };
    for _ in 0..3 {
        let (status, body) = ask(hand.address, &post);
        assert_eq!(status, 200);
        assert_eq!(
            PollAnswer::decode(&body),
            Ok(PollAnswer::Taken { number: 3 })
        );
    }
    let text = server.metrics();
    hand.find(|frame| matches!(frame, ServerFrame::Pong { nonce: 77 }));
    assert!(text.contains("tickwire_links 1\n"), "{text}");
}

#[test]
fn who_shows_no_credentials_is_sent_away_after_three_seconds() {
    let server = start(server());
    let began = Instant::now();
    let mut hand = Hand::open(server.local_addr());
    let waits = hand.poll_later();
    hand.ends(waits, Reason::Refused);
    let took = began.elapsed();
    assert!(
        took >= Duration::from_millis(2500) && took < Duration::from_secs(15),
        "{took:?}"
    );
}

#[test]
fn many_open_polls_take_no_more_places_than_there_are() {
    let server = start(server().set("limits.sessions", "3"));
    let mut hands: Vec<Hand> = (0..3)
        .map(|_| Hand::attached(server.local_addr()))
        .collect();
    let polls: Vec<Raw> = hands.iter_mut().map(Hand::poll_later).collect();
    let open = PollRequest::Open {
        frames: batch(&[1, 1, 0, 0]),
    };
    let (status, body) = ask(server.local_addr(), &open);
    assert_eq!((status, code(&body).as_str()), (503, "Full"));
    // A goodbye gives the place back at once.
    let hand = hands.pop().unwrap();
    let close = PollRequest::Close {
        link: hand.link,
        batches: Vec::new(),
    };
    assert_eq!(ask(hand.address, &close).0, 200);
    is_well(&server);
    drop(polls);
}

#[test]
fn a_flood_of_requests_for_one_link_is_bounded() {
    let server = start(server());
    let hand = Hand::attached(server.local_addr());
    let mut raw = Raw::connect(hand.address);
    let post = PollRequest::Post {
        link: hand.link,
        number: 2,
        frames: batch(&attach(0)),
    };
    let refused = (0..3_000).any(|_| {
        raw.send(&request(&post.encode(), ""));
        let (status, _, body) = answer(&mut raw);
        assert!(status == 200 || (status, code(&body).as_str()) == (429, "Limit"));
        status == 429
    });
    assert!(refused, "not one of 3,000");
}

#[test]
fn who_stops_polling_is_away_and_then_gone() {
    let server = start(server().set("resume_ms", "0"));
    let began = Instant::now();
    Hand::attached(server.local_addr());
    while !server.metrics().contains("tickwire_links 0\n") {
        assert!(began.elapsed() < PATIENCE, "{}", server.metrics());
        std::thread::sleep(Duration::from_millis(100));
    }
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(14),
        "the heartbeat's time: {took:?}"
    );
    assert!(server.metrics().contains("tickwire_sessions 0\n"));
}

#[test]
fn pages_of_foreign_origins_poll_nothing() {
    let server: Server = server().set("origins", "https://play.example");
    let server = start(server);
    let ask = |method: &str, origin: &str| {
        let mut raw = Raw::connect(server.local_addr());
        raw.send(
            format!(
                "{method} /tickwire/poll HTTP/1.1\r\nHost: game.example\r\nOrigin: {origin}\r\nContent-Length: 1\r\n\r\n\x09"
            )
            .as_bytes(),
        );
        answer(&mut raw)
    };
    for origin in ["https://evil.example", "null"] {
        for method in ["POST", "OPTIONS"] {
            let (status, head, body) = ask(method, origin);
            assert_eq!((status, code(&body).as_str()), (403, "Origin"));
            assert!(!head.to_lowercase().contains("access-control"), "{head}");
        }
    }
    let (status, head, _) = ask("OPTIONS", "https://play.example");
    let head = head.to_lowercase();
    assert_eq!(status, 204, "{head}");
    for header in [
        "access-control-allow-origin: https://play.example",
        "access-control-allow-methods: post",
        "access-control-allow-headers: content-type",
        "vary: origin",
    ] {
        assert!(head.contains(header), "{header} is not in {head}");
    }
    let (status, head, body) = ask("POST", "https://play.example");
    assert_eq!((status, code(&body).as_str()), (400, "Malformed"));
    assert!(
        head.to_lowercase()
            .contains("allow-origin: https://play.example"),
        "readable: {head}"
    );
    assert_eq!(ask("GET", "https://play.example").0, 405);
}
