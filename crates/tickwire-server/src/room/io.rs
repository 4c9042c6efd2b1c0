//! What a room is told and what it tells: plain values that may cross threads. What a room does with them is not here.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use tickwire_proto::frame::{
    AskOutcome, Holding, Identity, JoinedInfo, LeaveReason, Presence, Refusal, RoomEnd,
};
use tickwire_proto::{Moment, Tick};
use tickwire_sim::{MoveTo, NewTask, TaskId, TaskResult};

use crate::directory::DirectoryInput;
use crate::gauge::Gauge;
use crate::key::{MemberId, SessionKey};
use crate::kind::Kind;

/// All that is needed to make a room.
#[derive(Clone, Debug)]
pub struct RoomSpec {
    /// Its number on this server, from [`ROOM_FIRST`](tickwire_proto::frame::ROOM_FIRST): in frames.
    pub no: u32,
    /// Its id, for people and links.
    pub id: String,
    /// The namespace that it is in.
    pub namespace: Arc<str>,
    /// The kind of game.
    pub kind: Arc<Kind>,
    /// Seats in all.
    pub seats: u16,
    /// What its maker or a quick match chose.
    pub attributes: Vec<(String, String)>,
    /// All chance in the room comes from it.
    pub seed: u64,
}

/// Somebody whom the lobby has let in.
#[derive(Clone, Debug)]
pub struct RoomJoin {
    /// The member's number, given by the lobby.
    pub member: MemberId,
    /// The session.
    pub session: SessionKey,
    /// The session's number for its request.
    pub request: u32,
    /// Who it is.
    pub identity: Identity,
    /// What lies between this room and the client's socket.
    pub gauge: Gauge,
    /// Whether it wants to be given the schema.
    pub generic: bool,
    /// Whether it only looks on: without a seat.
    pub watches: bool,
    /// Whether it is the room's host.
    pub host: bool,
    /// The member of an older session of the same identity, which gives its seat to this one.
    pub replaces: Option<MemberId>,
}

/// Somebody in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The member with this number.
    Member(MemberId),
    /// This session.
    Session(SessionKey),
    /// All sessions of this identity.
    Identity(String),
}

/// What is to be done with a room: by its game, by its host, or by whoever is in charge of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomAsk {
    /// Sends somebody away, who may come back.
    Kick {
        /// Who.
        who: Who,
        /// For people.
        message: String,
    },
    /// Sends somebody away, whose identity is not let in again.
    Ban {
        /// Who.
        who: Who,
        /// For so many seconds; `None`: as long as the room lives.
        seconds: Option<u32>,
        /// For people.
        message: String,
    },
    /// Lets an identity in again.
    Unban {
        /// Whose.
        identity: String,
    },
    /// Nobody may join, or again everybody.
    Lock(bool),
    /// Other attributes on the list.
    Attributes(Vec<(String, String)>),
    /// Somebody is the host now, or nobody.
    Host(Option<MemberId>),
    /// Somebody goes on in another room, without a new link or session. Where that has no seat, they stay.
    Move {
        /// Who.
        who: Who,
        /// Where to.
        to: MoveTo,
    },
    /// The room ends.
    Close {
        /// For people.
        message: String,
    },
}

/// What a room is told.
#[derive(Debug)]
pub enum RoomInput {
    /// Somebody joins.
    Join(Box<RoomJoin>),
    /// A member goes.
    Leave {
        /// Who.
        member: MemberId,
        /// Why.
        reason: LeaveReason,
    },
    /// A member says that it is ready, or is not any more.
    Ready {
        /// Who.
        member: MemberId,
        /// Whether.
        ready: bool,
    },
    /// Somebody is the host from now on, or nobody.
    Host {
        /// Who.
        member: Option<MemberId>,
    },
    /// A member's link was lost, or is back.
    Presence {
        /// Who.
        member: MemberId,
        /// Online or away.
        presence: Presence,
    },
    /// A member says something else of itself.
    Status {
        /// Who.
        member: MemberId,
        /// What, fit to be shown; empty: nothing any more.
        status: String,
    },
    /// A member is back on another link, whether it was seen to be away or not.
    Resumed {
        /// Who.
        member: MemberId,
        /// The newest tick that it holds.
        held: Option<Tick>,
        /// The number of the link among the member's: updates name it.
        link: u16,
        /// What lies between this room and the new link's socket.
        gauge: Gauge,
    },
    /// A command, and the newest tick that its sender holds.
    Command {
        /// Who.
        member: MemberId,
        /// The receipt.
        held: Holding,
        /// The tick that it is for.
        tick: Tick,
        /// What the sender's picture showed, as they say.
        shown: Option<Moment>,
        /// The number of what the sender owns then, as its client predicts it.
        said: Option<u16>,
        /// By the record of the game's commands.
        payload: Bytes,
    },
    /// A receipt.
    Held {
        /// Who.
        member: MemberId,
        /// The newest tick held, and by datagrams which of those before it.
        held: Holding,
    },
    /// A message to the game.
    Message {
        /// Who.
        member: MemberId,
        /// The channel that it came by.
        channel: u8,
        /// Its kind.
        kind: u32,
        /// Its bytes.
        payload: Bytes,
        /// Whether it might have been left out.
        volatile: bool,
    },
    /// A request to the game; answered by [`RoomOutput::Answer`].
    Request {
        /// Who.
        member: MemberId,
        /// The session's number for it.
        number: u32,
        /// Its kind.
        kind: u32,
        /// Its bytes.
        payload: Bytes,
    },
    /// A member gave a request up.
    RequestCancelled {
        /// Who.
        member: MemberId,
        /// The session's number for it.
        number: u32,
    },
    /// What became of a question of the game.
    Reply {
        /// Whose.
        member: MemberId,
        /// The question's number.
        number: u32,
        /// What became of it.
        outcome: AskOutcome,
    },
    /// A member cannot use what it was sent.
    KeyframeWanted {
        /// Who.
        member: MemberId,
        /// Which area.
        area: u32,
    },
    /// The least round trip of a member's link in the last minute.
    Rtt {
        /// Who.
        member: MemberId,
        /// In milliseconds.
        least_ms: u32,
    },
    /// What became of work that the game had started.
    TaskDone {
        /// Which.
        task: TaskId,
        /// The bytes of its result, or why there is none.
        result: TaskResult,
    },
    /// Time goes slower from now on, or as before again: members are told.
    Slowed {
        /// Microseconds of a tick.
        tick_us: u32,
    },
    /// An update where so many would have been from now on, for players and spectators alike; 1: as before again.
    Thinned {
        /// 1 to 8.
        times: u32,
    },
    /// A batch that was used up comes back, so that the next one needs no new memory.
    Recycle(Box<Batch>),
    /// The room is over.
    Close {
        /// Why.
        reason: RoomEnd,
        /// For people.
        message: String,
    },
}

impl RoomInput {
    /// Whether a room that [rests](crate::Room::rests) has to hear it now. The rest may wait for its next tick.
    #[must_use]
    pub fn wakes(&self) -> bool {
        !matches!(
            self,
            RoomInput::Held { .. } | RoomInput::Rtt { .. } | RoomInput::Recycle(_)
        )
    }

    /// Whether a room that is too busy may go without it: newer ones come, or it was sent as what may be lost.
    #[must_use]
    pub fn may_be_left_out(&self) -> bool {
        matches!(
            self,
            RoomInput::Command { .. }
                | RoomInput::Held { .. }
                | RoomInput::KeyframeWanted { .. }
                | RoomInput::Recycle(_)
                | RoomInput::Message { volatile: true, .. }
        )
    }
}

/// What a room tells. [`RoomOutput::shard`] says to whom it goes.
#[derive(Debug)]
pub enum RoomOutput {
    /// A join is done.
    Joined {
        /// Whose.
        session: SessionKey,
        /// All that it learns.
        info: Box<JoinedInfo>,
    },
    /// A join that the lobby had granted failed after all.
    Refused {
        /// Whose.
        session: SessionKey,
        /// The session's number for its request.
        request: u32,
        /// Why.
        refusal: Refusal,
    },
    /// Updates for the viewers of one shard.
    Updates(Box<Batch>),
    /// The answer to a request.
    Answer {
        /// Whose.
        session: SessionKey,
        /// The session's number for it.
        number: u32,
        /// The reply's bytes, or why not.
        answer: Result<Bytes, Refusal>,
    },
    /// A question of the game to a member, encoded once for all who are asked.
    Ask {
        /// Whose.
        session: SessionKey,
        /// The question's number.
        number: u32,
        /// The frame.
        frame: Bytes,
    },
    /// The game wants no reply from a member any more.
    GiveUp {
        /// Whose.
        session: SessionKey,
        /// The question's number.
        number: u32,
    },
    /// The game sent a member more in one tick than a room takes: the session ends with Overflow.
    Overflow {
        /// Whose.
        session: SessionKey,
    },
    /// One encoded frame for one member.
    ToMember {
        /// Whose.
        session: SessionKey,
        /// The frame.
        frame: Bytes,
    },
    /// One encoded frame for all members of one shard.
    ToAll {
        /// Which shard.
        shard: u16,
        /// The frame.
        frame: Bytes,
        /// But not for this one.
        except: Option<SessionKey>,
    },
    /// What the game wants done: for the lobby.
    Asks(RoomAsk),
    /// Work that the game started: for whoever drives the room, who runs it, tells [`RoomInput::TaskDone`], and drops it with the room.
    Task(NewTask),
    /// Work of which no result is wanted any more.
    CancelTask(TaskId),
    /// A notice of the game: for the directory.
    ToDirectory(Box<DirectoryInput>),
    /// The room is over: for the lobby, which tells all fronts.
    Ended {
        /// Why.
        reason: RoomEnd,
        /// For people.
        message: String,
    },
}

impl RoomOutput {
    /// The shard that this is for; `None`: the lobby, the directory, or the driver itself.
    #[must_use]
    pub fn shard(&self) -> Option<u16> {
        match self {
            RoomOutput::Joined { session, .. }
            | RoomOutput::Refused { session, .. }
            | RoomOutput::Answer { session, .. }
            | RoomOutput::Ask { session, .. }
            | RoomOutput::GiveUp { session, .. }
            | RoomOutput::Overflow { session }
            | RoomOutput::ToMember { session, .. } => Some(session.shard()),
            RoomOutput::Updates(batch) => Some(batch.shard),
            RoomOutput::ToAll { shard, .. } => Some(*shard),
            RoomOutput::Asks(_)
            | RoomOutput::Task(_)
            | RoomOutput::CancelTask(_)
            | RoomOutput::ToDirectory(_)
            | RoomOutput::Ended { .. } => None,
        }
    }
}

/// The updates of one tick for the viewers of one shard. The shared frames in it are encoded once, however many get them.
#[derive(Debug, Default)]
pub struct Batch {
    /// The shard that holds all its sessions.
    pub shard: u16,
    /// The room's number.
    pub room: u32,
    /// The tick.
    pub tick: Tick,
    /// One after the other, the private tick frames.
    pub private: Bytes,
    /// The shared updates: one for each basis among the viewers.
    pub shared: Vec<Bytes>,
    /// Who gets which.
    pub viewers: Vec<ViewerUpdate>,
}

/// One viewer's part of a [`Batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewerUpdate {
    /// Whose.
    pub session: SessionKey,
    /// For which of its links: what was made for an earlier one is of no use.
    pub link: u16,
    /// Where its tick frame begins and ends in [`Batch::private`].
    pub private: (u32, u32),
    /// Which of [`Batch::shared`] follows it; `None`: the tick frame goes alone.
    pub shared: Option<u16>,
}

impl ViewerUpdate {
    fn range(&self) -> Range<usize> {
        self.private.0 as usize..self.private.1 as usize
    }
}

impl Batch {
    /// The viewer's tick frame, and the update after it. No bytes are copied.
    #[must_use]
    pub fn frames(&self, viewer: &ViewerUpdate) -> (Bytes, Option<Bytes>) {
        let shared = viewer
            .shared
            .and_then(|at| self.shared.get(usize::from(at)));
        (self.private.slice(viewer.range()), shared.cloned())
    }

    /// Empties it and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.private = Bytes::new();
        self.shared.clear();
        self.viewers.clear();
    }
}
