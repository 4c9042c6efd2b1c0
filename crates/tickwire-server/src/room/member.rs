//! The members of a room: who they are, what they may be sent, and which shards they live on.

use std::collections::BTreeMap;

use tickwire_proto::Tick;
use tickwire_proto::frame::parts::NO_SEAT;
use tickwire_proto::frame::{Identity, MemberFlags, MemberInfoOwned, Presence};

use super::commands::CommandBuffer;
use super::viewer::Viewer;
use crate::gauge::Gauge;
use crate::key::{MemberId, SessionKey};

/// A session in a room.
#[derive(Debug)]
pub(crate) struct Member {
    pub id: MemberId,
    pub session: SessionKey,
    pub identity: Identity,
    pub seat: u16,
    pub presence: Presence,
    /// What it says of itself.
    pub status: String,
    /// The number of its link: 0 for the first.
    pub link: u16,
    pub gauge: Gauge,
    pub viewer: Viewer,
    pub commands: CommandBuffer,
    /// When its last command came; `None`: lagging, or only watching.
    pub heard: Option<Tick>,
    /// When it is looked at next, whether one came since. While `heard` is some.
    pub look_at: Tick,
    pub flags: MemberFlags,
}

impl Member {
    /// Whether it only looks on.
    pub fn watches(&self) -> bool {
        self.seat == NO_SEAT
    }

    pub fn info(&self) -> MemberInfoOwned {
        MemberInfoOwned {
            member: self.id.0,
            seat: self.seat,
            name: self.identity.name.clone(),
            presence: self.presence,
            status: self.status.clone(),
            flags: self.flags,
        }
    }
}

/// What a member is like, for tools and tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its number in the room.
    pub member: MemberId,
    /// Its session.
    pub session: SessionKey,
    /// Its seat; [`NO_SEAT`]: it only looks on.
    pub seat: u16,
    /// Its name.
    pub name: String,
    /// Whether its link is there.
    pub presence: Presence,
    /// What it says of itself; empty: nothing.
    pub status: String,
    /// No command for a second.
    pub lagging: bool,
    /// Whether it is ready, and the host.
    pub flags: MemberFlags,
}

/// The members of a room.
#[derive(Debug, Default)]
pub(crate) struct Members {
    by_id: BTreeMap<MemberId, Member>,
    by_seat: Vec<Option<MemberId>>,
    shards: BTreeMap<u16, u32>,
}

impl Members {
    pub fn insert(&mut self, member: Member) {
        *self.shards.entry(member.session.shard()).or_default() += 1;
        let seat = usize::from(member.seat);
        if !member.watches() {
            if self.by_seat.len() <= seat {
                self.by_seat.resize(seat + 1, None);
            }
            self.by_seat[seat] = Some(member.id);
        }
        self.by_id.insert(member.id, member);
    }

    /// Takes a member out; and whether it was the last one of its shard.
    pub fn remove(&mut self, id: MemberId) -> Option<(Member, bool)> {
        let member = self.by_id.remove(&id)?;
        if let Some(seat) = self.by_seat.get_mut(usize::from(member.seat)) {
            *seat = None;
        }
        let shard = member.session.shard();
        let left = self.shards.get_mut(&shard).map_or(0, |count| {
            *count -= 1;
            *count
        });
        if left == 0 {
            self.shards.remove(&shard);
        }
        Some((member, left == 0))
    }

    pub fn get(&self, id: MemberId) -> Option<&Member> {
        self.by_id.get(&id)
    }

    pub fn get_mut(&mut self, id: MemberId) -> Option<&mut Member> {
        self.by_id.get_mut(&id)
    }

    pub fn on_seat(&self, seat: u16) -> Option<&Member> {
        let id = self.by_seat.get(usize::from(seat)).copied().flatten()?;
        self.get(id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.by_id.values()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.by_id.values_mut()
    }

    pub fn shards(&self) -> impl Iterator<Item = u16> {
        self.shards.keys().copied()
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}
