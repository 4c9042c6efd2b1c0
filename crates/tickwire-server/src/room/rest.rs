//! Rooms that need no steps for now: those on demand to which nothing came, and those that sleep since nobody is online.

use tickwire_proto::Time;
use tickwire_proto::frame::Presence;

use super::Room;

impl Room {
    /// Whether it needs no tick until something comes in: who drives it may forget it until then. To be asked again after each
    /// [`handle`](Self::handle); what comes in and changes nothing wakes nobody.
    ///
    /// A room that was woken is due at [`next_due`](Self::next_due), or at once if that has passed: its beat starts anew there.
    #[must_use]
    pub fn rests(&self) -> bool {
        let game = self.spec.kind.game();
        let may = game.is_on_demand() || game.sleeps();
        if !may || self.over || self.sim.has_input() {
            return false;
        }
        // Told of all, or nobody is there who could be told.
        game.is_on_demand() && self.updates.all_settled() || self.nobody_is_online()
    }

    fn nobody_is_online(&self) -> bool {
        !self
            .members
            .iter()
            .any(|member| member.presence == Presence::Online)
    }

    /// Before a tick: after a rest the beat starts at this one.
    pub(super) fn wake(&mut self, now: Time) {
        if std::mem::take(&mut self.rested) {
            self.stats.wakes += 1;
            self.beat.skip_to(now);
        }
    }
}
