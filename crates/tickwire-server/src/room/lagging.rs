//! Who has sent no command for a second. Looked at once a second for each player at most, and never for one that only watches.

use std::collections::BTreeSet;

use tickwire_proto::Tick;

use super::member::{Member, Members};
use crate::key::MemberId;

/// A player who sent no command for so long is lagging.
pub const LAGGING_MS: u32 = 1_000;

/// The players who command, by the tick at which they will be looked at.
#[derive(Debug, Default)]
pub(crate) struct Lagging {
    due: BTreeSet<(Tick, MemberId)>,
}

impl Lagging {
    /// A member's command came. Whether it was lagging, as the game was told.
    pub fn heard(&mut self, member: &mut Member, now: Tick, patience: u32) -> bool {
        if member.heard.replace(now).is_none() {
            member.look_at = now.plus(patience);
            self.due.insert((member.look_at, member.id));
        }
        std::mem::take(&mut member.lagging)
    }

    /// A member left.
    pub fn left(&mut self, member: &Member) {
        self.due.remove(&(member.look_at, member.id));
    }

    /// Finds those who said nothing for `patience` ticks: their seats.
    pub fn look(
        &mut self,
        members: &mut Members,
        now: Tick,
        patience: u32,
        mut found: impl FnMut(u16),
    ) {
        while let Some(&(due, id)) = self.due.first().filter(|(due, _)| *due <= now) {
            self.due.remove(&(due, id));
            let Some(member) = members.get_mut(id) else {
                continue;
            };
            match member.heard {
                Some(heard) if now.since(heard) < patience => {
                    member.look_at = heard.plus(patience);
                    self.due.insert((member.look_at, id));
                }
                _ => {
                    member.heard = None;
                    member.lagging = true;
                    found(member.seat);
                }
            }
        }
    }

    /// How many command at the moment.
    pub fn commanding(&self) -> usize {
        self.due.len()
    }
}
