//! What a client sends by datagrams, where its link has them: commands, again until they are likely to have come, and receipts.
//!
//! All else goes in order, by [`next`](super::ClientSession::next).

use super::{ClientSession, Stage, Waiting};
use crate::frame::{COMMANDS_A_FRAME_MAX, ClientFrame, CommandParts, Holding};
use crate::time::{Tick, Time};
use bytes::Bytes;
use std::collections::VecDeque;

/// Bytes that a datagram of any link carries: what QUIC must (RFC 9000, 14: 1,200 bytes of UDP), less its headers.
pub const DATAGRAM_MAX: usize = 1_100;
/// A longer command goes in order.
const COMMAND_BYTES_MAX: usize = DATAGRAM_MAX / 2;
/// What a frame of commands takes beside them, and each of them beside its payload, at most.
const FRAME_HEAD: usize = 16;
const COMMAND_HEAD: usize = 24;

/// What a client keeps of a room for a lane of datagrams.
#[derive(Debug, Default)]
pub(super) struct Loose {
    /// The updates that came, whether they could be used or not.
    came: Option<Holding>,
    /// Commands that were sent, the newest last: the next frame says some of them again.
    said: VecDeque<Waiting>,
    pub loss: Loss,
    /// Something came since a receipt went, new or not: where that got lost, the next one is waited for.
    pub untold: bool,
}

/// How many of the frames towards this client get lost: taken for what those of its own do, of which it learns nothing.
#[derive(Debug, Default)]
pub(super) struct Loss {
    /// Of all, a moving mean.
    part: f32,
    /// The least distance of two updates, in ticks: what the server sends by.
    step: u32,
    /// The same of those since there was one as near as that, and how many there were: a server may come to send more rarely.
    later: (u32, u32),
}

impl Loss {
    const SLOW: f32 = 1.0 / 128.0;
    /// So many in a row at a greater distance are no losses.
    const RARER: u32 = 32;

    fn newer(&mut self, by: u32) {
        if self.step == 0 || by <= self.step {
            (self.step, self.later) = (by, (u32::MAX, 0));
        } else {
            self.later = (self.later.0.min(by), self.later.1 + 1);
            if self.later.1 == Self::RARER {
                (self.step, self.later) = (self.later.0, (u32::MAX, 0));
            }
        }
        // A pause of seconds is none: nothing changed.
        let missing = (by / self.step.max(1)).saturating_sub(1);
        if missing < 8 {
            for _ in 0..missing {
                self.part += (1.0 - self.part) * Self::SLOW;
            }
        }
        self.part -= self.part * Self::SLOW;
    }

    /// One that was taken for lost.
    fn late(&mut self) {
        self.part = (self.part - Self::SLOW).max(0.0);
    }

    /// How often each command is said so that one of 5,000 gets lost, were losses independent; at least twice, at most five times.
    pub fn copies(&self) -> usize {
        match self.part {
            part if part < 0.014 => 2,
            part if part < 0.058 => 3,
            part if part < 0.12 => 4,
            _ => 5,
        }
    }
}

impl Loose {
    /// An update came; whether it is a new one.
    pub fn updated(&mut self, tick: Tick) -> bool {
        self.untold = true;
        let Some(came) = &mut self.came else {
            self.came = Some(Holding::of(tick));
            return true;
        };
        let newest = came.newest;
        let new = came.add(tick);
        if tick > newest {
            self.loss.newer(tick.since(newest));
        } else if new {
            self.loss.late();
        }
        new
    }
}

impl ClientSession {
    /// The frame that goes by a datagram next, of at most [`DATAGRAM_MAX`] bytes, if any: ask again until there is none. Always none on a link
    /// without them.
    pub fn next_datagram(&mut self, now: Time) -> Option<Bytes> {
        if !self.datagrams || self.claims || !matches!(self.stage, Stage::Open) {
            return None;
        }
        let frame = self.pick_commands().or_else(|| self.pick_held())?;
        self.last_told = now;
        self.receipts_due &= self.has_untold() || self.has_untold_loose();
        self.stats.frames_out += 1;
        self.stats.bytes_out += frame.len() as u64;
        Some(frame)
    }

    /// Whether a receipt is to go by a datagram.
    pub(super) fn has_untold_loose(&self) -> bool {
        let mut rooms = self.rooms.values();
        self.datagrams && rooms.any(|view| view.loose.untold && view.held.is_some())
    }

    /// Whether a command goes by a datagram.
    pub(super) fn goes_loose(&self, command: &Waiting) -> bool {
        self.datagrams && command.payload.len() <= COMMAND_BYTES_MAX
    }

    /// The commands of one room that wait, and those before them again as often as losses demand.
    fn pick_commands(&mut self) -> Option<Bytes> {
        let first = self.commands.iter().find(|it| self.goes_loose(it))?;
        let room = first.room;
        let (now, later): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.commands)
            .into_iter()
            .partition(|it| it.room == room && it.payload.len() <= COMMAND_BYTES_MAX);
        self.commands = later;
        let view = self.rooms.get_mut(&room);
        let Some((view, held)) = view.and_then(|view| view.held.map(|held| (view, held))) else {
            self.stats.commands_unsent += now.len() as u64;
            return None;
        };
        let news = now.len();
        let loose = &mut view.loose;
        loose.untold = false;
        loose.said.extend(now);
        let wanted = (news + loose.loss.copies() - 1).min(COMMANDS_A_FRAME_MAX);
        while loose.said.len() > wanted {
            loose.said.pop_front();
        }
        let mut bytes = FRAME_HEAD;
        let fit = loose.said.iter().rev().take_while(|it| {
            bytes += it.payload.len() + COMMAND_HEAD;
            bytes <= DATAGRAM_MAX
        });
        let from = loose.said.len() - fit.count();
        self.stats.commands_unsent += (news.saturating_sub(loose.said.len() - from)) as u64;
        Some(write(room, held, loose.said.range(from..)))
    }

    /// A receipt alone, when it is due.
    fn pick_held(&mut self) -> Option<Bytes> {
        if !self.receipts_due {
            return None;
        }
        let mut rooms = self.rooms.iter_mut();
        let untold = rooms.find(|(_, view)| view.loose.untold && view.held.is_some());
        let (room, view) = untold?;
        view.loose.untold = false;
        Some(write(*room, view.held?, std::iter::empty()))
    }
}

fn write<'a>(room: u32, held: Holding, commands: impl Iterator<Item = &'a Waiting>) -> Bytes {
    let mut parts: Vec<CommandParts<'_>> = commands
        .map(|it| CommandParts {
            tick: it.tick,
            shown: it.shown,
            said: it.said,
            payload: &it.payload,
        })
        .collect();
    // An owner may give them in any order.
    parts.sort_by_key(|it| it.tick);
    parts.dedup_by_key(|it| it.tick);
    let frame = ClientFrame::Commands {
        room,
        held,
        commands: parts,
    };
    frame.encode()
}
