//! Who is ready, and who is the host: what members are beside their seats, told to all of them and to the game.

use tickwire_proto::frame::{MemberChange, MemberFlags, ServerFrame};

use super::Room;
use crate::key::MemberId;

impl Room {
    /// Only who plays is ready for it.
    pub(super) fn ready(&mut self, id: MemberId, ready: bool) {
        match self.members.get(id) {
            Some(member) if !member.watches() => {
                let flags = MemberFlags {
                    ready,
                    ..member.flags
                };
                self.set_flags(id, flags);
            }
            _ => self.stats.inputs_late += 1,
        }
    }

    /// There is one host at most.
    pub(super) fn host(&mut self, host: Option<MemberId>) {
        self.set_all_flags(|id, flags| MemberFlags {
            host: Some(id) == host,
            ..flags
        });
    }

    pub(super) fn unready(&mut self) {
        self.set_all_flags(|_, flags| MemberFlags {
            ready: false,
            ..flags
        });
    }

    fn set_all_flags(&mut self, change: impl Fn(MemberId, MemberFlags) -> MemberFlags) {
        let all = self.members.iter();
        let new: Vec<(MemberId, MemberFlags)> = all
            .map(|member| (member.id, change(member.id, member.flags)))
            .collect();
        for (id, flags) in new {
            self.set_flags(id, flags);
        }
    }

    fn set_flags(&mut self, id: MemberId, flags: MemberFlags) {
        let Some(member) = self.members.get_mut(id).filter(|it| it.flags != flags) else {
            return;
        };
        member.flags = flags;
        self.sim.flags(member.seat, flags);
        let change = MemberChange::Flags {
            member: id.0,
            flags,
        };
        let room = self.spec.no;
        self.tell_all(ServerFrame::Member { room, change }.encode(), None);
    }
}
