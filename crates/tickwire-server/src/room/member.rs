//! The members of a room: who they are, what they may be sent, and which shards they live on.

use std::collections::BTreeMap;

use tickwire_proto::Tick;
use tickwire_proto::frame::parts::NO_SEAT;
use tickwire_proto::frame::{Identity, MemberFlags, MemberInfoOwned, Presence};

use super::commands::CommandBuffer;
use super::owning::Owning;
use super::pictures::Pictures;
use super::viewer::Viewer;
use crate::gauge::Gauge;
use crate::key::{MemberId, SessionKey};

/// A session in a room.
// In this order in memory: what each tick looks at lies together.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Member {
    pub id: MemberId,
    pub seat: u16,
    /// The number of its link: 0 for the first.
    pub link: u16,
    pub session: SessionKey,
    pub gauge: Gauge,
    /// When its last command came; `None`: lagging, or only watching.
    pub heard: Option<Tick>,
    /// The game was told that it is lagging.
    pub lagging: bool,
    pub presence: Presence,
    pub flags: MemberFlags,
    pub viewer: Viewer,
    pub commands: CommandBuffer,
    pub owning: Owning,
    pub pictures: Pictures,
    /// When it is looked at next, whether one came since. While `heard` is some.
    pub look_at: Tick,
    pub identity: Identity,
    /// What it says of itself.
    pub status: String,
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

/// The members of a room, by rising number.
#[derive(Debug, Default)]
pub(crate) struct Members {
    // Boxes, so that one who goes moves no others.
    list: Vec<(MemberId, Box<Member>)>,
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
        let (id, member) = (member.id, Box::new(member));
        match self.find(id) {
            Ok(at) => self.list[at].1 = member,
            Err(at) => self.list.insert(at, (id, member)),
        }
    }

    /// Takes a member out; and whether it was the last one of its shard.
    pub fn remove(&mut self, id: MemberId) -> Option<(Member, bool)> {
        let at = self.find(id).ok()?;
        let (_, member) = self.list.remove(at);
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
        Some((*member, left == 0))
    }

    /// Numbers count up and are not used again: where nobody has left, one look finds its member.
    fn find(&self, id: MemberId) -> Result<usize, usize> {
        let first = self.list.first().map_or(0, |(first, _)| first.0);
        let most = id.0.wrapping_sub(first) as usize;
        match self.list.get(most) {
            Some((there, _)) if *there == id => Ok(most),
            _ => self.list.binary_search_by_key(&id, |(id, _)| *id),
        }
    }

    pub fn get(&self, id: MemberId) -> Option<&Member> {
        self.find(id).ok().map(|at| &*self.list[at].1)
    }

    pub fn get_mut(&mut self, id: MemberId) -> Option<&mut Member> {
        self.find(id).ok().map(|at| &mut *self.list[at].1)
    }

    pub fn on_seat(&self, seat: u16) -> Option<&Member> {
        let id = self.by_seat.get(usize::from(seat)).copied().flatten()?;
        self.get(id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.list.iter().map(|(_, member)| &**member)
    }

    /// All of them, so many at a time.
    pub fn chunks_mut(
        &mut self,
        size: usize,
    ) -> impl Iterator<Item = &mut [(MemberId, Box<Member>)]> {
        self.list.chunks_mut(size)
    }

    pub fn shards(&self) -> impl Iterator<Item = u16> {
        self.shards.keys().copied()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
