//! Members who go on in another room: they have a seat there before they leave the old one, and their client is told of both at once.

use tickwire_proto::Time;
use tickwire_proto::frame::{LeaveReason, Refusal, code};
use tickwire_proto::session::server::SERVER_REQUESTS;
use tickwire_sim::MoveTo;

use super::Lobby;
use super::enter::check;
use super::rooms::{Inside, Seeker};
use super::rule::{no_member, no_room};
use crate::key::SessionKey;

impl Lobby {
    /// Gives a session a seat in another room, if there is one. It stays where it is until the new room has taken it in.
    pub(super) fn move_to(
        &mut self,
        now: Time,
        session: SessionKey,
        from: u32,
        to: &MoveTo,
    ) -> Result<(), Refusal> {
        let entry = self.rooms.get(from).ok_or_else(no_room)?;
        let inside = entry.members.get(&session).ok_or_else(no_member)?.clone();
        let (schema, namespace) = (entry.spec.kind.schema_hash(), entry.namespace.clone());
        let stays = |message: &str| Err(Refusal::new(code::FORBIDDEN, message));
        if inside.moving {
            return stays("the member is on its way to another room already");
        }
        if inside.watches {
            return stays("a spectator is not moved: it may leave and look on elsewhere");
        }
        // What the client was built with fits both, or it takes what it is given.
        let hash = if inside.generic { 0 } else { schema };
        let identity = inside.identity.clone();
        let seeker = Seeker {
            session,
            identity: &identity,
            seat_key: inside.seat_key,
        };
        let (room, kept) = match to {
            MoveTo::Room(id) => {
                let found = self
                    .rooms
                    .by_id(id)
                    .filter(|entry| !entry.ending && entry.spec.namespace == *namespace.name());
                let room = found.ok_or_else(no_room)?.spec.no;
                let kept = self.kept_for(room, &identity.id);
                self.may_enter(now, room, seeker, hash, false, kept.is_some())?;
                (room, kept)
            }
            MoveTo::Quick { kind, attributes } => {
                let (kind, attributes) = check(&namespace, hash, kind, attributes)?;
                let room = self.match_or_make(now, seeker, &namespace, &kind, attributes)?;
                (room, None)
            }
        };
        let entry = self.rooms.get(room);
        let own = entry.and_then(|entry| entry.seat_of(seeker));
        if let Some(token) = kept.filter(|_| own.is_none()) {
            self.use_kept(&token, &identity.id);
        }
        self.mark(from, session, true);
        self.moves = self.moves.wrapping_add(1);
        let request = SERVER_REQUESTS | self.moves;
        let inside = Inside {
            moving: false,
            ..inside
        };
        self.stats.moves += 1;
        self.seat(room, session, request, inside, Ok(from));
        Ok(())
    }

    /// The client is in the new room: it leaves the old one.
    pub(super) fn moved(&mut self, now: Time, session: SessionKey, from: u32) {
        self.leave(now, session, from, LeaveReason::Moved);
    }

    /// It is not on its way any more, wherever it was going.
    pub(super) fn stays(&mut self, session: SessionKey) {
        for room in self.sessions.get(&session).cloned().unwrap_or_default() {
            self.mark(room, session, false);
        }
    }

    fn mark(&mut self, room: u32, session: SessionKey, moving: bool) {
        let entry = self.rooms.get_mut(room);
        if let Some(inside) = entry.and_then(|entry| entry.members.get_mut(&session)) {
            inside.moving = moving;
        }
    }
}
