//! The client's side of a session: its state, its timers, and the calls of its owner. No clock, no socket.
//!
//! Frames are taken in `receive`, the next write is chosen in `write`.

use super::asks::{Asked, Owed};
use super::bucket::Pace;
use super::heartbeat::Heartbeat;
use super::outbox::{Outbox, Tally};
use super::round::{Round, Volatiles};
use super::rtt::RttMeter;
use super::{RttEstimate, SessionConfig, SessionStats};
use crate::PROTOCOL_VERSION;
use crate::ending::{Ending, Reason};
use crate::frame::client::ATTACH;
use crate::frame::{ClientFrame, Holding, Limits, ResumeClaim};
use crate::moment::Moment;
use crate::time::{Tick, Time};
use bytes::Bytes;
use litemap::LiteMap;
use std::collections::VecDeque;

mod ask;
mod call;
mod datagrams;
mod event;
mod receive;
mod write;

pub use datagrams::DATAGRAM_MAX;
use datagrams::Loose;
pub use event::ClientEvent;

/// Commands that wait for the link; an older one is dropped, since it would come too late.
pub const COMMANDS_WAITING_MAX: usize = 32;
/// Joins and lists that wait for their attachment.
pub const HELD_BACK_MAX: usize = 16;

/// The client's side of one session, over one link after another.
///
/// Feed it links, frames, the time and calls; drain [`poll_event`](ClientSession::poll_event) and
/// [`next`](ClientSession::next) after each of them. What is asked before its time (a join before the attachment is
/// accepted) waits here; what the server's limits do not allow yet does too.
///
/// ```
/// use tickwire_proto::{ClientEvent, ClientFrame, ClientSession, ServerSession, SessionConfig, Time};
/// let now = Time(0);
/// let mut server = ServerSession::new(now, SessionConfig::default(), 1, [7; 32]);
/// let mut client = ClientSession::new(now, SessionConfig::default(), 99);
/// client.link_open(now);
/// client.attach(0, "/", b"{}", 0);
/// while let Some(frame) = client.next(now, 1000) {
///     server.handle_frame(now, &frame);
/// }
/// while let Some(out) = server.next(now, 1000) {
///     client.handle_frame(now, &out.head);
/// }
/// assert!(matches!(client.poll_event(), Some(ClientEvent::Welcome { session: 1, .. })));
/// ```
#[derive(Debug)]
pub struct ClientSession {
    cfg: SessionConfig,
    limits: Limits,
    seed: u64,
    stage: Stage,
    /// For each attachment that was asked for whether it is accepted.
    seat_key: Option<[u8; 16]>,
    /// Once in a session of the server's.
    seat_key_shown: bool,
    /// The goodbye is one of a page that perhaps comes again.
    unloads: bool,
    attachments: LiteMap<u8, bool>,
    rooms: LiteMap<u32, RoomView>,
    /// It goes before all else.
    hello: Option<Bytes>,
    /// What brings this session back on another link.
    token: Option<[u8; 32]>,
    /// The hello claims this session: nothing else goes before the welcome.
    claims: bool,
    held_back: Vec<HeldBack>,
    outbox: Outbox,
    asked: Asked,
    owed: Owed,
    commands: VecDeque<Waiting>,
    /// The link has a lane of datagrams.
    datagrams: bool,
    volatiles: Volatiles,
    tally: Tally,
    receipts_due: bool,
    heartbeat: Heartbeat,
    rtt: RttMeter,
    pace: Pace,
    /// When the pace lets the next frame go, if it held one back.
    pace_until: Option<Time>,
    round: Round,
    last_told: Time,
    /// Reliable messages of the last session that nobody received.
    lost: u64,
    events: VecDeque<ClientEvent>,
    stats: SessionStats,
}

#[derive(Debug)]
enum Stage {
    NoLink,
    /// The hello is on its way.
    Hello,
    Open,
    /// `bye`: the server is still to be told.
    Ended {
        ending: Ending,
        bye: bool,
    },
}

/// What a client keeps for a room that it is in.
#[derive(Debug, Default)]
struct RoomView {
    /// The newest tick of which an update came.
    newest: Option<Tick>,
    held: Option<Holding>,
    /// What the server was told of it.
    told: Option<Tick>,
    /// Of a lane of datagrams.
    loose: Loose,
}

/// A request that waits for its attachment.
#[derive(Debug)]
struct HeldBack {
    attachment: u8,
    request: u32,
    frame: Bytes,
}

#[derive(Clone, Debug)]
struct Waiting {
    room: u32,
    tick: Tick,
    shown: Option<Moment>,
    said: Option<u16>,
    payload: Bytes,
}

impl ClientSession {
    /// A session without a link. `seed` is random and makes the nonces of pings.
    #[must_use]
    pub fn new(now: Time, cfg: SessionConfig, seed: u64) -> ClientSession {
        ClientSession {
            cfg,
            limits: cfg.limits,
            seed,
            stage: Stage::NoLink,
            seat_key: None,
            seat_key_shown: false,
            unloads: false,
            attachments: LiteMap::new(),
            rooms: LiteMap::new(),
            hello: None,
            token: None,
            claims: false,
            held_back: Vec::new(),
            outbox: Outbox::default(),
            asked: Asked::default(),
            owed: Owed::default(),
            commands: VecDeque::new(),
            datagrams: false,
            volatiles: Volatiles::default(),
            tally: Tally::default(),
            receipts_due: false,
            heartbeat: Heartbeat::new(now, &cfg.limits, seed),
            rtt: RttMeter::default(),
            pace: Pace::new(now, &cfg.limits, cfg.frame_max()),
            pace_until: None,
            round: Round::default(),
            last_told: now,
            lost: 0,
            events: VecDeque::new(),
            stats: SessionStats::default(),
        }
    }

    /// A link is open: the hello goes first, then what was asked for meanwhile. After a lost link it claims the session that was.
    pub fn link_open(&mut self, now: Time) {
        self.link_open_with(now, false);
    }

    /// The same of a link that may have a lane of datagrams beside the one in order: drain [`next_datagram`](Self::next_datagram) too.
    pub fn link_open_with(&mut self, now: Time, datagrams: bool) {
        if !matches!(self.stage, Stage::NoLink) {
            return;
        }
        self.datagrams = datagrams;
        self.stage = Stage::Hello;
        let resume = self.make_claim();
        self.claims = resume.is_some();
        let hello = ClientFrame::Hello {
            version: PROTOCOL_VERSION,
            resume,
        };
        self.hello = Some(hello.encode());
        self.seed = self.seed.wrapping_add(1);
        self.use_limits(now, self.cfg.limits);
        self.last_told = now;
    }

    fn make_claim(&mut self) -> Option<ResumeClaim> {
        let token = self.token?;
        let held = self.rooms.iter_mut().filter_map(|(room, view)| {
            let held = view.held.map(|held| held.newest);
            view.told = held;
            view.loose = Loose::default();
            Some((*room, held?))
        });
        Some(ResumeClaim {
            token,
            rooms: held.collect(),
            received: self.tally.take_all(),
        })
    }

    fn use_limits(&mut self, now: Time, limits: Limits) {
        self.limits = limits;
        let frame_max = SessionConfig { limits, ..self.cfg }.frame_max();
        self.heartbeat = Heartbeat::new(now, &limits, self.seed);
        self.pace = Pace::new(now, &limits, frame_max);
    }

    /// The link is gone. The session may go on over another one: attachments, rooms and what is reliable are kept, and the next hello
    /// claims it. Its welcome says whether that was granted; if not, all is forgotten (and counted), and the owner attaches and joins anew.
    pub fn link_lost(&mut self, _now: Time) {
        match &mut self.stage {
            Stage::Ended { bye, .. } => *bye = false,
            Stage::NoLink => {}
            Stage::Hello | Stage::Open => {
                self.stage = Stage::NoLink;
                if self.token.is_some() {
                    self.drop_unwritten();
                } else {
                    self.forget();
                }
            }
        }
    }

    /// Whether a lost link leaves something to come back to.
    #[must_use]
    pub fn may_resume(&self) -> bool {
        self.token.is_some() && self.is_ended().is_none()
    }

    /// Gives the session up, while there is no link: the next hello begins another one.
    pub fn give_up(&mut self) {
        if matches!(self.stage, Stage::NoLink) {
            self.forget();
        }
    }

    /// What does not outlive a link.
    fn drop_unwritten(&mut self) {
        self.hello = None;
        self.stats.commands_unsent += self.commands.len() as u64;
        self.commands.clear();
        self.stats.volatile_dropped += self.volatiles.clear();
        self.volatiles = Volatiles::default();
        self.receipts_due = false;
        self.rtt = RttMeter::default();
        self.round = Round::default();
        self.pace_until = None;
    }

    fn forget(&mut self) {
        let lost = self.outbox.reliable_load().0 as u64;
        self.lost += lost;
        self.stats.reliable_lost += lost;
        self.drop_unwritten();
        self.token = None;
        self.claims = false;
        self.seat_key_shown = false;
        self.attachments.clear();
        self.rooms.clear();
        self.held_back.clear();
        self.outbox = Outbox::default();
        self.end_asks();
        self.tally = Tally::default();
    }

    /// What the server allows, or what was configured until it says.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
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

    /// Reliable messages that went down with a session that has ended, and that no welcome will tell of. Each is told once.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// The ending, once the session has one.
    #[must_use]
    pub fn is_ended(&self) -> Option<&Ending> {
        match &self.stage {
            Stage::Ended { ending, .. } => Some(ending),
            _ => None,
        }
    }

    /// Whether the session has ended and there is nothing more to write: the link may be closed.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.stage, Stage::Ended { bye: false, .. })
    }

    /// What happened, in order.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// The earliest time at which [`ClientSession::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        let beat = match self.stage {
            Stage::NoLink => None,
            Stage::Ended { bye: false, .. } => return None,
            Stage::Ended { bye: true, .. } => None,
            Stage::Hello => Some(self.heartbeat.dead_at()),
            Stage::Open => Some(self.heartbeat.next_timeout()),
        };
        let asks = self.asked.next_deadline();
        beat.into_iter().chain(self.pace_until).chain(asks).min()
    }

    /// Time passed. Hand in frames that have arrived before it, lest a live link be taken for dead.
    pub fn handle_timeout(&mut self, now: Time) {
        self.pace_until = self.pace_until.filter(|at| now < *at);
        self.time_asks(now);
        let dead = match self.stage {
            Stage::NoLink | Stage::Ended { .. } => false,
            Stage::Hello => now >= self.heartbeat.dead_at(),
            Stage::Open => self.heartbeat.timeout(now),
        };
        if dead {
            self.link_lost(now);
            self.events.push_back(ClientEvent::LinkDead);
        }
    }

    /// Ends the session: what waits still goes, then the goodbye.
    pub fn bye(&mut self) {
        self.finish(Ending::new(Reason::Left, "said goodbye"), true);
    }

    /// The same of a page that goes, and perhaps comes again in a moment: with a seat key its seats wait for it, for [`UNLOAD_MS`](crate::UNLOAD_MS) at most.
    pub fn unload(&mut self) {
        self.unloads = self.seat_key.is_some();
        self.bye();
    }

    /// Whether some attachment is accepted: before it nothing of a game may be said.
    fn is_attached(&self) -> bool {
        self.attachments.values().any(|accepted| *accepted)
    }

    fn push_control(&mut self, frame: &ClientFrame<'_>) {
        if self.is_ended().is_none() && self.outbox.push_control(frame.encode()).is_err() {
            self.overflow();
        }
    }

    fn overflow(&mut self) {
        let message = "more waits for the server than the outbox holds: ask less often";
        self.finish(Ending::new(Reason::Overflow, message), true);
    }

    /// The first ending counts.
    fn finish(&mut self, ending: Ending, bye: bool) {
        if self.is_ended().is_some() {
            return;
        }
        let bye = bye && matches!(self.stage, Stage::Open);
        self.end_asks();
        self.events.push_back(ClientEvent::Ended(ending.clone()));
        let left = ending.reason == Reason::Left;
        self.stage = Stage::Ended { ending, bye };
        if bye && left {
            self.stats.commands_unsent += self.commands.len() as u64;
            self.commands.clear();
            self.stats.volatile_dropped += self.volatiles.clear();
        } else {
            self.forget();
        }
    }
}
