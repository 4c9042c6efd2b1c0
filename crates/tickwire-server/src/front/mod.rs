//! A front: the sessions of one io shard, and the roads between them, the lobby and the rooms. It moves no bytes; a driver does.

mod bans;
mod deliver;
mod events;
mod fetch;
mod io;
mod moving;
mod outside;
mod people;
mod polled;
mod resume;
mod settle;
mod slots;
mod stats;
mod traffic;
mod waiting;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tickwire_proto::frame::{Identity, code};
use tickwire_proto::{Ending, Reason, Retry, RttEstimate, ServerSession, SessionConfig, Time};

pub use bans::SERVER_BANS_MAX;
pub use fetch::FETCHED_BYTES;
pub use io::{FrontInput, FrontOutput};
pub use outside::{Audience, Broadcast, Caller};
pub use resume::{FAREWELLS_MAX, SESSIONS_AWAY_MAX};
pub use stats::{AGE_BOUNDS_MS, AgeHistogram, FrontStats};
pub use waiting::{WAITING_BYTES_MAX, WAITING_MAX};

use crate::auth::Remote;
use crate::gauge::Gauge;
use crate::key::{MemberId, SessionKey};
use crate::namespace::Namespaces;
use resume::of_session;
use slots::{Slot, Slots};

/// A link that holds bytes for so long without ever being empty is cut: its client does not read.
pub const BACKED_UP_MS_MAX: u64 = 10_000;
/// A session that has ended waits so long for its link to take the ending.
pub const LINGER_MS: u64 = 2_000;

/// How a front is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrontConfig {
    /// Its number among the fronts of the server, from 0.
    pub shard: u16,
    /// How many fronts there are.
    pub shards: u16,
    /// Of its sessions.
    pub session: SessionConfig,
}

impl Default for FrontConfig {
    /// The only front of a server.
    fn default() -> FrontConfig {
        FrontConfig {
            shard: 0,
            shards: 1,
            session: SessionConfig::default(),
        }
    }
}

/// What is on its way to one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Reliable messages that wait or are not known to have arrived.
    pub reliable_messages: usize,
    /// Their bytes.
    pub reliable_bytes: usize,
    /// Bytes of updates that the link has not fetched, and of anything that it holds and the socket has not taken.
    pub gauge_bytes: u32,
}

/// What a session is like, for whoever is in charge.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionInfo {
    /// Its key.
    pub session: SessionKey,
    /// Since when.
    pub opened: Time,
    /// Who it is, once that is known.
    pub identity: Option<Identity>,
    /// The rooms it is in, and its members' numbers there.
    pub rooms: Vec<(u32, MemberId)>,
    /// What it says of itself outside of rooms; empty: nothing.
    pub status: String,
    /// Its round trip.
    pub rtt: RttEstimate,
    /// What is on its way to it.
    pub backlog: Backlog,
    /// Its ending, while its link is being closed.
    pub ending: Option<Ending>,
}

/// The sessions of one io shard.
///
/// A driver tells it of links and frames, of answers ([`handle`](Self::handle)) and of the time; after each call it takes what
/// [`poll`](Self::poll) gives, and writes for each session of [`pop_dirty`](Self::pop_dirty) what [`next`](Self::next) gives. See
/// [`Loopback`](crate::Loopback) for a whole driver on one page.
///
/// ```
/// use std::sync::Arc;
/// use tickwire_proto::{ClientFrame, PROTOCOL_VERSION, ServerFrame, Time};
/// use tickwire_server::{Front, FrontConfig};
/// let mut front = Front::new(FrontConfig::default(), Arc::default());
/// let session = front.link_opened(Time(0), [7; 32]);
/// front.frame(Time(0), session, &ClientFrame::Hello { version: PROTOCOL_VERSION, resume: None }.encode());
/// assert_eq!(front.pop_dirty(Time(0)), Some(session));
/// let welcome = front.next(Time(0), session, 1000).unwrap();
/// assert!(matches!(ServerFrame::decode(&welcome.head), Ok(ServerFrame::Welcome { .. })));
/// ```
#[derive(Debug)]
pub struct Front {
    config: FrontConfig,
    namespaces: Arc<Namespaces>,
    slots: Slots,
    /// Who of this front is in which room.
    in_room: BTreeMap<u32, Vec<SessionKey>>,
    timers: BTreeSet<(Time, SessionKey)>,
    dirty: VecDeque<SessionKey>,
    pending: fetch::Pending,
    outputs: VecDeque<FrontOutput>,
    waiting: waiting::Waiting,
    /// How many sessions wait for their clients.
    away: usize,
    /// How sessions ended whose clients were not there to hear it.
    farewells: VecDeque<(SessionKey, Ending)>,
    /// Of the last attachment that the directory was told of.
    serial: u32,
    bans: bans::Bans,
    stats: FrontStats,
    traffic: traffic::Traffic,
}

impl Front {
    /// A front without sessions.
    #[must_use]
    pub fn new(config: FrontConfig, namespaces: Arc<Namespaces>) -> Front {
        Front {
            config,
            namespaces,
            slots: Slots::default(),
            in_room: BTreeMap::new(),
            timers: BTreeSet::new(),
            dirty: VecDeque::new(),
            pending: fetch::Pending::default(),
            outputs: VecDeque::new(),
            waiting: waiting::Waiting::default(),
            stats: FrontStats::default(),
            bans: bans::Bans::default(),
            away: 0,
            farewells: VecDeque::new(),
            serial: 0,
            traffic: traffic::Traffic::default(),
        }
    }

    /// A link is open. `token` is random: what a resume will have to show.
    ///
    /// Its first eight bytes become the session's key, so that whoever gets it knows where the session is; the other 24 are the secret.
    pub fn link_opened(&mut self, now: Time, token: [u8; 32]) -> SessionKey {
        self.stats.sessions_ever += 1;
        let (serial, config) = (self.stats.sessions_ever as u32, self.config);
        let key = self.slots.insert(config.shard, |key| Slot {
            key,
            session: ServerSession::new(now, config.session, key.0, of_session(key, token)),
            token: Some(token),
            remote: Arc::default(),
            gauge: Gauge::default(),
            opened: now,
            away: false,
            guest: (serial - 1)
                .wrapping_mul(u32::from(config.shards))
                .wrapping_add(u32::from(config.shard) + 1),
            link: true,
            entrances: Vec::new(),
            generic: 0,
            parts: Vec::new(),
            asked: Vec::new(),
            told_rtt_ms: 0,
            timer: None,
            dirty: false,
            quiet: false,
            named: Vec::new(),
            status: String::new(),
            backed_up: None,
            close_by: None,
            waiting: (0, 0),
        });
        self.settle(now, key);
        key
    }

    /// The link of a session has a lane of datagrams: to be told before its first frame. What [may be lost](tickwire_proto::Outgoing::may_be_lost)
    /// goes by it, where it fits.
    pub fn has_datagrams(&mut self, session: SessionKey) {
        if let Some(slot) = self.slots.get_mut(session) {
            slot.gauge = Gauge::of_datagrams();
        }
    }

    /// Where the link of a session comes from, for auth: to be told before its first frame.
    pub fn comes_from(&mut self, session: SessionKey, remote: Arc<Remote>) {
        if let Some(slot) = self.slots.get_mut(session) {
            slot.remote = remote;
        }
    }

    /// A frame arrived.
    pub fn frame(&mut self, now: Time, session: SessionKey, frame: &[u8]) {
        let Some(slot) = self.slots.get_mut(session) else {
            self.stats.inputs_late += 1;
            return;
        };
        self.traffic.came(frame);
        if slot.session.awaits_hello()
            && let Some(claim) = ServerSession::claim(frame)
            && self.take_over(now, session, &claim, frame)
        {
            return;
        }
        if let Some(slot) = self.slots.get_mut(session) {
            slot.token = None; // the hash alone is kept, by the session
            slot.session.handle_frame(now, frame);
        }
        if ServerSession::is_frequent(frame) {
            self.settle_frequent(now, session);
        } else {
            self.settle(now, session);
        }
    }

    /// The link is gone; nothing more can be written.
    pub fn link_lost(&mut self, now: Time, session: SessionKey) {
        if let Some(slot) = self.slots.get_mut(session) {
            slot.link = false;
            slot.backed_up = None;
            slot.gauge.set_unwritten(0);
            slot.session.link_lost(now);
            self.settle(now, session);
        }
    }

    /// So many bytes lie in the link that its socket has not taken: to be told after each try to write.
    pub fn unwritten(&mut self, now: Time, session: SessionKey, bytes: usize) {
        let Some(slot) = self.slots.get_mut(session) else {
            return;
        };
        slot.gauge
            .set_unwritten(u32::try_from(bytes).unwrap_or(u32::MAX));
        let was = slot.backed_up;
        slot.backed_up = if bytes == 0 { None } else { was.or(Some(now)) };
        if slot.backed_up != was {
            self.set_timer(session);
        }
    }

    /// Time passed. Hand in frames that have arrived before it.
    pub fn handle_timeout(&mut self, now: Time) {
        // Each once: a timer that is set anew rings at the next call.
        let due = self.timers.range(..=(now, SessionKey(u64::MAX)));
        let due: Vec<(Time, SessionKey)> = due.copied().collect();
        for (at, key) in due {
            self.timers.remove(&(at, key));
            let Some(slot) = self.slots.get_mut(key) else {
                continue;
            };
            slot.timer = None;
            slot.session.handle_timeout(now);
            let backed_up = slot.backed_up.map(|since| now.since(since));
            if backed_up >= Some(Duration::from_millis(BACKED_UP_MS_MAX)) {
                let message = format!(
                    "the link held bytes for {BACKED_UP_MS_MAX} ms without ever being empty: the client does not read"
                );
                let retry = Reason::Overflow.retry();
                slot.session.end(now, Reason::Overflow, retry, &message);
                slot.close_by = Some(now); // no use in waiting for this link
            }
            self.settle(now, key);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The next thing that the front tells, in order.
    pub fn poll(&mut self) -> Option<FrontOutput> {
        self.outputs.pop_front()
    }

    /// What is on its way to a session's client.
    #[must_use]
    pub fn backlog(&self, session: SessionKey) -> Option<Backlog> {
        self.slots.get(session).map(backlog)
    }

    /// All sessions.
    pub fn sessions(&self) -> impl Iterator<Item = SessionInfo> {
        self.slots.iter().map(|slot| SessionInfo {
            session: slot.key,
            opened: slot.opened,
            identity: (0..u8::MAX)
                .find_map(|attachment| slot.session.identity(attachment).cloned()),
            rooms: slot
                .parts
                .iter()
                .filter(|part| part.request.is_none())
                .map(|part| (part.room, part.member))
                .collect(),
            status: slot.status.clone(),
            rtt: slot.session.rtt(),
            backlog: backlog(slot),
            ending: slot.session.is_ended().cloned(),
        })
    }

    /// Whether there is such a session.
    #[must_use]
    pub fn contains(&self, session: SessionKey) -> bool {
        self.slots.get(session).is_some()
    }

    /// How many sessions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is no session.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was counted so far, by the sessions that there are too.
    #[must_use]
    pub fn stats(&self) -> FrontStats {
        let mut stats = FrontStats {
            sessions: self.slots.len(),
            ..self.stats.clone()
        };
        for slot in self.slots.iter() {
            stats.counted += slot.session.stats();
        }
        if stats.counted.requests_limited > 0 {
            // Refused by the sessions themselves.
            let limited = stats.refusals.entry(code::LIMIT.to_owned()).or_default();
            *limited += stats.counted.requests_limited;
        }
        self.traffic.tell(&mut stats);
        stats
    }

    /// Ends one session, from here.
    pub fn end(
        &mut self,
        now: Time,
        session: SessionKey,
        reason: Reason,
        retry: Retry,
        message: &str,
    ) {
        if let Some(slot) = self.slots.get_mut(session) {
            slot.session.end(now, reason, retry, message);
            self.settle(now, session);
        }
    }

    /// Ends all sessions: the server restarts, or drains.
    pub fn end_all(&mut self, now: Time, reason: Reason, retry: Retry, message: &str) {
        for key in self.slots.keys() {
            self.end(now, key, reason, retry, message);
        }
    }
}

fn backlog(slot: &Slot) -> Backlog {
    let (reliable_messages, reliable_bytes) = slot.session.backlog();
    Backlog {
        reliable_messages,
        reliable_bytes,
        gauge_bytes: slot.gauge.unwritten()
            + slot
                .parts
                .iter()
                .map(|part| part.gauge.unfetched())
                .sum::<u32>(),
    }
}
