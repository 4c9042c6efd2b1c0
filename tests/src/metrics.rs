//! What a server counts, as its `/metrics` tell it. Which counters should have grown is the tests' matter.

use std::{collections::BTreeMap, time::Duration};

use crate::peer::Peer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Every number of an exposition, by its name and labels.
#[derive(Clone, Debug, Default)]
pub struct Counts(BTreeMap<String, f64>);

impl Counts {
    /// Asks the server at `127.0.0.1:PORT`.
    pub async fn of(address: &str) -> Self {
        let mut stream = TcpStream::connect(address)
            .await
            .expect("the server is there");
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it listens");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .await
            .expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        Self::parse(&answer)
    }

    pub fn parse(text: &str) -> Self {
        let numbers = text.lines().filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            let named = line.starts_with("tickwire_") || line.starts_with("process_");
            named.then_some((name.to_owned(), value.parse().ok()?))
        });
        Self(numbers.collect())
    }

    /// One of them; 0: nobody has counted that yet.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).map_or(0, |value| *value as u64)
    }

    /// Everything that a hostile peer can make a server drop. What an honest one makes it drop (an update too old to be sent) is not in it.
    pub fn dropped(&self) -> u64 {
        let of_sessions = DROPPED_BY_SESSIONS
            .iter()
            .map(|what| self.get(&format!("tickwire_dropped_total{{what=\"{what}\"}}")));
        let of_rooms = DROPPED_BY_ROOMS
            .iter()
            .map(|what| self.get(&format!("tickwire_room_{what}_total")));
        of_sessions.chain(of_rooms).sum()
    }
}

/// Counted when a session is over.
const DROPPED_BY_SESSIONS: &[&str] = &[
    "frames_after_end",
    "commands_over_rate",
    "commands_no_room",
    "messages_no_room",
    "frames_late",
    "receipts_bogus",
    "requests_limited",
    "wishes_limited",
    "messages_unheard",
];

/// Told by rooms about once a second.
const DROPPED_BY_ROOMS: &[&str] = &[
    "commands_late",
    "commands_early",
    "commands_copies",
    "commands_malformed",
    "commands_foreign",
    "commands_refused",
    "messages_refused",
];

/// What there is to read once all other links but so many are gone. Sessions are told of a few times a second: a stranger who is known has come
/// after them, so that what tells of it tells of them, too. (With one io thread, that is: each tells for itself.)
pub async fn settled(address: &str, links: u64) -> Counts {
    let are_gone = |counts: &Counts| counts.get("tickwire_links") == links;
    let before = until(address, "the others are gone", are_gone).await;
    let mut stranger = Peer::open(address).await;
    stranger.attach().await;
    let attaches = |counts: &Counts| counts.get("tickwire_attaches_total");
    let counts = until(address, "the stranger is told of", |counts| {
        attaches(counts) > attaches(&before)
    })
    .await;
    drop(stranger);
    until(address, "the stranger is gone", are_gone).await;
    counts
}

/// Asks again and again until the numbers are as they should be.
pub async fn until(address: &str, what: &str, wanted: impl Fn(&Counts) -> bool) -> Counts {
    let begun = std::time::Instant::now();
    loop {
        let counts = Counts::of(address).await;
        if wanted(&counts) {
            return counts;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{what}: {counts:#?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
