//! Commands: how they come in, wait for their ticks, and are put in force.

use tickwire_proto::{Moment, Tick};
use tickwire_snapshot::values;

use super::Room;
use super::commands::{Dropped, Waiting};
use super::lagging::LAGGING_MS;
use crate::key::MemberId;

/// Rows kept for the commands to come.
const SPARE_ROWS_MAX: usize = 256;

impl Room {
    /// A command came: it waits for its tick, or is dropped and counted, before the world sees it.
    pub(super) fn command(
        &mut self,
        id: MemberId,
        tick: Tick,
        (shown, said): (Option<Moment>, Option<u16>),
        payload: &[u8],
    ) {
        let Some(member) = self.members.get_mut(id) else {
            self.stats.inputs_late += 1;
            return;
        };
        let record = self.spec.kind.game().schema().command.as_ref();
        let Some(record) = record.filter(|_| !member.watches()) else {
            self.stats.commands_refused += 1;
            return;
        };
        let now = self.sim.tick();
        match member.commands.admit(now, tick) {
            Err(Dropped::Late) => self.stats.commands_late += 1,
            Err(Dropped::Early) => self.stats.commands_early += 1,
            Err(Dropped::Copy) => self.stats.commands_copies += 1,
            Ok(()) => {
                let mut row = self.spare_rows.pop().unwrap_or_default();
                if values::decode_record_into(record, payload, &mut row).is_err() {
                    self.stats.commands_malformed += 1;
                    self.spare_rows.push(row);
                } else {
                    if let Some(number) = said {
                        member.owning.says(tick, number);
                        self.predicting = true;
                    }
                    let shown = shown.filter(|_| self.spec.kind.game().rewind_ticks().is_some());
                    let seen = member.pictures.check(shown, &mut self.stats);
                    if member.commands.put(tick, row, seen) {
                        self.asking.push(id);
                    }
                }
            }
        }
        // Late or wrong, it says that somebody is there and wants to know how it stands.
        let patience = self.pace.ticks(LAGGING_MS);
        if self.lagging.heard(member, now, patience) {
            self.sim.lagging(member.seat, false);
        }
        self.updates.commands(member);
    }

    /// Puts the commands of the next tick in force. For whom none came, the game's rule acts.
    pub(super) fn give_commands(&mut self) {
        let next = self.sim.tick().next();
        let before = self.stats.commands_applied;
        let cap = self.spec.kind.game().rewind_ticks().unwrap_or(0);
        let Room {
            members,
            sim,
            stats,
            spare_rows,
            ..
        } = self;
        self.asking.retain(|id| {
            let Some(member) = members.get_mut(*id) else {
                return false;
            };
            if let Some(Waiting { row, seen, .. }) = member.commands.take(next) {
                // Also of one that is dropped: a picture's time goes on.
                let seen = member.pictures.in_force(seen, (next, cap), stats);
                // Checked now and not when it came: what it names may have died since.
                if sim.check_command(member.seat, &row).is_err() {
                    stats.commands_foreign += 1;
                } else if sim.command(member.seat, Some(&row)).is_err() {
                    stats.commands_refused += 1;
                } else {
                    stats.commands_applied += 1;
                    sim.saw(member.seat, seen);
                    member.commands.applied = Some(next);
                }
                if spare_rows.len() < SPARE_ROWS_MAX {
                    spare_rows.push(row);
                }
            }
            !member.commands.is_empty()
        });
        let applied = self.stats.commands_applied - before;
        self.stats.commands_missing += (self.lagging.commanding() as u64).saturating_sub(applied);
    }
}
