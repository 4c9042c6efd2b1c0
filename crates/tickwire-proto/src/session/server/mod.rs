//! The server's side of a session: its state, its timers, and the answers that its owner gives. No clock, no socket.
//!
//! Frames are taken in `receive`, the next write is chosen in `write`.

use super::asks::{ASKS_PER_S_MAX, Asked, Owed};
use super::bucket::{Allowance, Bucket};
use super::heartbeat::Heartbeat;
use super::outbox::{Outbox, Tally};
use super::round::{Round, Volatiles};
use super::rtt::RttMeter;
use super::token::Tokens;
use super::{RttEstimate, SessionConfig, SessionStats};
use crate::ending::{Ending, Reason, Retry};
use crate::frame::Identity;
use crate::time::Time;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

mod answer;
mod ask;
mod event;
mod people;
mod receive;
mod renewal;
mod request;
mod resume;
mod rooms;
mod status;
mod write;

pub use event::ServerEvent;
pub use people::{FOLLOWS_AT_ONCE_MAX, FOLLOWS_PER_S_MAX};
pub use renewal::RENEWAL_MS_MAX;
use renewal::Renewal;
use rooms::Rooms;
use status::Status;
pub use status::{STATUS_MS_MAX, STATUSES_AT_ONCE_MAX, STATUSES_PER_S_MAX};

/// Refused credentials, before the session ends.
pub const ATTACH_REFUSALS_MAX: u32 = 8;
/// For how long the owner may check credentials that came in time.
pub const AUTH_MS_MAX: u64 = 10_000;
/// How long the seats of a page that was left wait for it to be loaded again, in milliseconds; never longer than the resume window.
pub const UNLOAD_MS: u32 = 8_000;
/// Joins and lists that wait for their answer.
pub const REQUESTS_PENDING_MAX: usize = 16;
/// Joins and lists a second; saved up for five.
pub const REQUESTS_PER_S_MAX: u64 = 4;
/// Lists of rooms that a session watches at once.
pub const LOBBY_WATCHES_MAX: usize = 4;
/// Numbers of requests from here on are the server's, for what nobody asked for.
pub const SERVER_REQUESTS: u32 = 1 << 31;
/// Reports, wanted keyframes and changes of being ready a second; saved up for five.
pub const WISHES_PER_S_MAX: u64 = 8;

/// The server's side of one session.
///
/// Feed it frames, the time and answers; drain [`poll_event`](ServerSession::poll_event) and
/// [`next`](ServerSession::next) after each of them, `next` also when the link takes nothing.
///
/// ```
/// use tickwire_proto::{ClientFrame, ServerEvent, ServerFrame, ServerSession, SessionConfig, Time};
/// use tickwire_proto::frame::Identity;
/// let now = Time(0);
/// let mut session = ServerSession::new(now, SessionConfig::default(), 1, [7; 32]);
/// session.handle_frame(now, &ClientFrame::Hello { version: tickwire_proto::PROTOCOL_VERSION, resume: None }.encode());
/// let welcome = session.next(now, 1000).unwrap();
/// assert!(matches!(ServerFrame::decode(&welcome.head), Ok(ServerFrame::Welcome { session: 1, .. })));
///
/// let attach = ClientFrame::Attach { attachment: 0, namespace: "/", credentials: b"{}", messages_hash: 0 };
/// session.handle_frame(now, &attach.encode());
/// assert!(matches!(session.poll_event(), Some(ServerEvent::AuthWanted { attachment: 0, .. })));
/// session.attach_done(now, 0, Ok(Identity::new("guest:Ann")));
/// assert_eq!(session.poll_event(), Some(ServerEvent::Attached { attachment: 0 }));
/// ```
// In this order in memory: what each update touches lies together, at the front.
#[repr(C)]
#[derive(Debug)]
pub struct ServerSession {
    stage: Stage,
    rooms: Rooms,
    round: Round,
    last_out: Time,
    /// The room whose update was written last: the next one has its turn first.
    turn: u32,
    receipts_due: bool,
    stats: SessionStats,
    events: VecDeque<ServerEvent>,
    heartbeat: Heartbeat,
    /// The answer to a hello, before all else.
    welcome: Option<Bytes>,
    volatiles: Volatiles,
    outbox: Outbox,
    tally: Tally,
    cfg: SessionConfig,
    allowance: Allowance,
    rtt: RttMeter,
    attachments: BTreeMap<u8, Attachment>,
    id: u64,
    /// For the first welcome; then its hash alone is kept.
    token: Option<[u8; 32]>,
    tokens: Tokens,
    /// Since when nothing is attached, while nothing is.
    bare_since: Time,
    credentials_by: Option<Time>,
    requests: Bucket,
    wishes: Bucket,
    statuses: Bucket,
    follows: Bucket,
    /// When the time of some passing status is over, at the earliest.
    status_due: Option<Time>,
    asks: Bucket,
    seat_key: Option<[u8; 16]>,
    /// The page is gone, and perhaps comes again in a moment.
    unloads: bool,
    refusals: u32,
    /// The last attachment was ended from here: its client may not know that yet.
    bared: bool,
    pending: BTreeSet<u32>,
    /// Lists that the client watches, and by which attachment.
    watches: BTreeMap<u32, u8>,
    asked: Asked,
    owed: Owed,
}

#[derive(Debug)]
enum Stage {
    /// Nothing but a hello may come.
    Hello,
    Open,
    /// Without a link until then.
    Away {
        until: Time,
    },
    /// `owed`: the ending is still to be written.
    Ended {
        ending: Ending,
        owed: bool,
    },
}

#[derive(Debug)]
struct Attachment {
    namespace: String,
    state: Proof,
    renewal: Renewal,
    /// When its credentials came.
    shown: Time,
    /// What the client says of itself in the namespace, outside of rooms.
    status: Status,
}

/// How far an attachment's credentials have come.
#[derive(Debug)]
enum Proof {
    Checked(Identity),
    Pending,
    /// Given up while it was pending: kept until the answer has come, lest that answer be taken for another attach.
    GivenUp,
}

impl ServerSession {
    /// A session on a link that is just open. `token` is random; `id` names the session in logs and frames.
    #[must_use]
    pub fn new(now: Time, cfg: SessionConfig, id: u64, token: [u8; 32]) -> ServerSession {
        let seed = token.iter().fold(id, |seed, byte| {
            seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(*byte)
        });
        ServerSession {
            id,
            token: Some(token),
            tokens: Tokens::new(&token),
            cfg,
            bare_since: now,
            stage: Stage::Hello,
            credentials_by: Some(now.plus(Duration::from_millis(u64::from(cfg.credentials_ms)))),
            heartbeat: Heartbeat::new(now, &cfg.limits, seed),
            rtt: RttMeter::default(),
            allowance: Allowance::new(now, &cfg.limits, cfg.frame_max()),
            requests: Bucket::new(now, REQUESTS_PER_S_MAX, REQUESTS_PER_S_MAX * 5),
            wishes: Bucket::new(now, WISHES_PER_S_MAX, WISHES_PER_S_MAX * 5),
            statuses: Bucket::new(now, STATUSES_PER_S_MAX, STATUSES_AT_ONCE_MAX),
            follows: Bucket::new(now, FOLLOWS_PER_S_MAX, FOLLOWS_AT_ONCE_MAX),
            status_due: None,
            asks: Bucket::new(now, ASKS_PER_S_MAX, ASKS_PER_S_MAX * 5),
            seat_key: None,
            unloads: false,
            attachments: BTreeMap::new(),
            refusals: 0,
            bared: false,
            pending: BTreeSet::new(),
            watches: BTreeMap::new(),
            rooms: Rooms::default(),
            welcome: None,
            outbox: Outbox::default(),
            asked: Asked::default(),
            owed: Owed::default(),
            tally: Tally::default(),
            receipts_due: false,
            volatiles: Volatiles::default(),
            round: Round::default(),
            last_out: now,
            turn: 0,
            events: VecDeque::new(),
            stats: SessionStats::default(),
        }
    }

    /// The session's number.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The secret by which the client knows its seats again, if it has shown one.
    #[must_use]
    pub fn seat_key(&self) -> Option<[u8; 16]> {
        self.seat_key
    }

    /// Who the client is in an accepted attachment.
    #[must_use]
    pub fn identity(&self, attachment: u8) -> Option<&Identity> {
        match &self.attachments.get(&attachment)?.state {
            Proof::Checked(identity) => Some(identity),
            Proof::Pending | Proof::GivenUp => None,
        }
    }

    /// The namespace of an attachment, accepted or not.
    #[must_use]
    pub fn namespace(&self, attachment: u8) -> Option<&str> {
        self.attachments
            .get(&attachment)
            .map(|it| it.namespace.as_str())
    }

    /// Whether there is such a room, or such an attachment, accepted.
    pub(super) fn is_there(&self, room: u32) -> bool {
        let accepted = |attachment| self.identity(attachment).is_some();
        self.rooms.contains(room) || u8::try_from(room).is_ok_and(accepted)
    }

    /// Whether the session is in a room.
    #[must_use]
    pub fn is_in(&self, room: u32) -> bool {
        self.rooms.contains(room)
    }

    /// Whether an attachment's number is not in use.
    #[must_use]
    pub fn is_free(&self, attachment: u8) -> bool {
        !self.attachments.contains_key(&attachment)
    }

    /// What is known of the round trip.
    #[must_use]
    pub fn rtt(&self) -> RttEstimate {
        self.rtt.estimate()
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> SessionStats {
        self.stats
    }

    /// Reliable messages that wait or are not received yet: their number and their bytes.
    #[must_use]
    pub fn backlog(&self) -> (usize, usize) {
        self.outbox.reliable_load()
    }

    /// The ending, once the session has one; the frame that tells it may still be to be written.
    #[must_use]
    pub fn is_ended(&self) -> Option<&Ending> {
        match &self.stage {
            Stage::Ended { ending, .. } => Some(ending),
            _ => None,
        }
    }

    /// Whether the session has ended and its link has all of it: the link may be closed, with the reason's close code.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.stage, Stage::Ended { owed: false, .. })
    }

    /// What happened, in order.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    /// The earliest time at which [`ServerSession::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        let own = match self.stage {
            Stage::Hello => self.credentials_by,
            Stage::Open => {
                let beat = self.heartbeat.next_timeout();
                let others = [self.credentials_by, self.next_renewal(), self.status_due];
                Some(others.into_iter().flatten().fold(beat, Time::min))
            }
            Stage::Away { until } => Some(self.status_due.map_or(until, |due| due.min(until))),
            Stage::Ended { .. } => return None,
        };
        own.into_iter().chain(self.asked.next_deadline()).min()
    }

    /// Time passed: deadlines and heartbeats. Hand in frames that have arrived before it, lest a live link be taken for dead.
    pub fn handle_timeout(&mut self, now: Time) {
        self.expire_statuses(now);
        self.time_asks(now);
        match self.stage {
            Stage::Away { until } if now >= until => {
                self.expire("the link was lost for longer than the resume window")
            }
            Stage::Away { .. } | Stage::Ended { .. } => {}
            Stage::Hello | Stage::Open => {
                if self.credentials_by.is_some_and(|by| now >= by) {
                    // Nobody was refused: the link may have held them back, and the next one may not.
                    let retry = Retry::After { ms: 1_000 };
                    let message = self.no_credentials();
                    self.finish(Ending::with_retry(Reason::Refused, retry, message));
                } else if matches!(self.stage, Stage::Open) && self.heartbeat.timeout(now) {
                    self.link_lost(now);
                } else {
                    self.renew(now);
                }
            }
        }
    }

    fn no_credentials(&self) -> String {
        let ms = self.cfg.credentials_ms;
        let pending = self
            .attachments
            .values()
            .any(|it| matches!(it.state, Proof::Pending));
        match (&self.stage, pending) {
            (Stage::Hello, _) => {
                format!("no hello within {ms} ms: speak the Tickwire protocol, or use its client")
            }
            (_, true) => format!(
                "the credentials could not be checked within {AUTH_MS_MAX} ms: try again later"
            ),
            (_, false) => {
                format!("no accepted credentials within {ms} ms: attach right after the hello")
            }
        }
    }

    /// The link is gone. Without a resume window, or before anything is attached, the session ends; else it waits for its client to [`resume`](Self::resume) it.
    pub fn link_lost(&mut self, now: Time) {
        match &mut self.stage {
            Stage::Ended { owed, .. } => *owed = false,
            Stage::Away { .. } => {}
            Stage::Hello | Stage::Open => {
                self.drop_unwritten();
                let longest = if self.unloads { UNLOAD_MS } else { u32::MAX };
                let window = u64::from(self.cfg.limits.resume_window_ms.min(longest));
                if window == 0 || !self.is_attached() {
                    self.expire("the link was lost");
                } else {
                    self.stage = Stage::Away {
                        until: now.plus(Duration::from_millis(window)),
                    };
                    self.events.push_back(ServerEvent::LinkLost);
                }
            }
        }
    }

    fn expire(&mut self, message: &str) {
        self.finish(match self.unloads {
            true => Ending::new(Reason::Left, "the page was closed"),
            false => Ending::new(Reason::Expired, message),
        });
        if let Stage::Ended { owed, .. } = &mut self.stage {
            *owed = false;
        }
    }

    fn is_attached(&self) -> bool {
        self.attachments
            .values()
            .any(|it| matches!(it.state, Proof::Checked(_)))
    }

    /// Sets the deadline for the state of the attachments: none where one is accepted, a longer one while some are
    /// checked, else what is left of the time since the link opened or the last attachment was given up.
    fn await_credentials(&mut self, now: Time) {
        let span = Duration::from_millis(u64::from(self.cfg.credentials_ms));
        let pending = self
            .attachments
            .values()
            .any(|it| matches!(it.state, Proof::Pending));
        self.credentials_by = if self.is_attached() {
            None
        } else if pending {
            Some(now.plus(span.max(Duration::from_millis(AUTH_MS_MAX))))
        } else {
            Some(self.bare_since.plus(span))
        };
    }

    /// Ends the session: what waits is still written, then the ending, and nothing after it.
    pub fn end(&mut self, _now: Time, reason: Reason, retry: Retry, message: &str) {
        self.finish(Ending::with_retry(reason, retry, message));
    }

    /// The first ending counts.
    fn finish(&mut self, ending: Ending) {
        if self.is_ended().is_some() {
            return;
        }
        let owed = !matches!(self.stage, Stage::Away { .. });
        self.stats.reliable_lost += self.outbox.reliable_load().0 as u64;
        // Who broke the rules or does not read gets nothing more but the reason.
        if !owed
            || matches!(
                ending.reason,
                Reason::Violation | Reason::Overflow | Reason::Version
            )
        {
            self.outbox.drop_waiting();
        }
        self.drop_unwritten();
        self.rooms.clear();
        self.pending.clear();
        self.end_asks();
        self.watches.clear();
        self.events.push_back(ServerEvent::Ended(ending.clone()));
        self.stage = Stage::Ended { ending, owed };
    }

    fn drop_unwritten(&mut self) {
        self.welcome = None;
        self.stats.volatile_dropped += self.volatiles.clear();
        for (_, slot) in self.rooms.iter_mut() {
            self.stats.updates_dropped += u64::from(slot.update.take().is_some());
            self.stats.tick_frames_dropped += u64::from(slot.tick_frame.take().is_some());
        }
    }
}
