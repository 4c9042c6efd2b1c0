//! A session that goes on over another link: who may, and what both sides still owe each other. Which link it is, the owner knows.

use super::super::bucket::Allowance;
use super::super::heartbeat::Heartbeat;
use super::super::outbox::Receipt;
use super::super::round::{Round, Volatiles};
use super::super::rtt::RttMeter;
use super::receive::violation;
use super::{ServerEvent, ServerSession, Stage};
use crate::PROTOCOL_VERSION;
use crate::frame::client::hello_version;
use crate::frame::{ClientFrame, Holding, ResumeClaim, ServerFrame};
use crate::time::Time;

impl ServerSession {
    /// The claim in a hello, if it makes one that this version can read.
    #[must_use]
    pub fn claim(frame: &[u8]) -> Option<ResumeClaim> {
        hello_version(frame).filter(|version| *version == PROTOCOL_VERSION)?;
        match ClientFrame::decode(frame) {
            Ok(ClientFrame::Hello { resume, .. }) => resume,
            _ => None,
        }
    }

    /// Whether the hello is still to come: only then a claim is one.
    #[must_use]
    pub fn awaits_hello(&self) -> bool {
        matches!(self.stage, Stage::Hello)
    }

    /// Whether who shows this token is the client of this session, and the session waits for it or still has an older link.
    #[must_use]
    pub fn may_resume(&self, token: &[u8; 32]) -> bool {
        let window = self.cfg.limits.resume_window_ms > 0;
        window
            && matches!(self.stage, Stage::Open | Stage::Away { .. })
            && self.tokens.accept(token)
    }

    /// The client is back on a new link; the owner has asked [`may_resume`](Self::may_resume) and closed an older one.
    ///
    /// `token` is random and follows the one shown. What the client has not received goes again, in its order, and nothing twice.
    pub fn resume(&mut self, now: Time, claim: &ResumeClaim, token: [u8; 32]) {
        self.drop_unwritten();
        self.stage = Stage::Open;
        self.unloads = false;
        self.tokens.rotate(&claim.token, &token);
        let seed = u64::from_le_bytes(std::array::from_fn(|at| token[at + 8]));
        self.heartbeat = Heartbeat::new(now, &self.cfg.limits, seed);
        self.heartbeat.timeout(now);
        self.rtt = RttMeter::default();
        self.allowance = Allowance::new(now, &self.cfg.limits, self.cfg.frame_max());
        self.volatiles = Volatiles::default();
        self.round = Round::default();
        self.last_out = now;
        self.renewals_resumed(now);
        for (channel, count) in &claim.received {
            if self.outbox.receipt(*channel, *count) == Receipt::Bogus {
                return self.finish(violation(format!(
                    "the hello says that {count} messages of channel {channel} were received: so many were never sent"
                )));
            }
        }
        self.outbox.rewind();
        self.receipts_due = false;
        let received = self.tally.take_all();
        self.welcome_with(token, Some(received));
        self.events.push_back(ServerEvent::Resumed);
        for (room, slot) in self.rooms.iter_mut() {
            let told = claim.rooms.iter().find(|(claimed, _)| *claimed == room);
            slot.held = told
                .map(|(_, held)| *held)
                .filter(|held| Some(*held) <= slot.sent)
                .map(Holding::of);
            let held = slot.held.map(|held| held.newest);
            self.events
                .push_back(ServerEvent::RoomResumed { room, held });
        }
    }

    /// The answer to a hello.
    pub(super) fn welcome_with(&mut self, token: [u8; 32], resumed: Option<Vec<(u8, u64)>>) {
        let welcome = ServerFrame::Welcome {
            session: self.id,
            token,
            limits: self.cfg.limits,
            resumed,
        };
        self.welcome = Some(welcome.encode());
    }
}
