//! Kept seats: so many in a room, for identities or for whoever shows a token, until they are taken or their time has passed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use tickwire_proto::Time;
use tickwire_proto::frame::{Refusal, code};

use super::enter::{RoomKind, check};
use super::{Lobby, LobbyOutput};
use crate::namespace::NamespaceSpec;

/// For how long seats are kept at most.
pub const KEPT_MS_MAX: u64 = 600_000;
/// Reservations at once.
pub const RESERVATIONS_MAX: usize = 4_096;

/// Seats that are to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReserveAsk {
    /// Where.
    pub room: ReserveIn,
    /// How many, where no identities are named: whoever shows the token gets one.
    pub seats: u16,
    /// For whom, one each: they need no token. Empty: for whoever shows the token.
    pub identities: Vec<String>,
    /// For how long; at most [`KEPT_MS_MAX`].
    pub keep_ms: u64,
}

/// Where seats are to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReserveIn {
    /// In the room with this id.
    Room(String),
    /// In one of the kind with these attributes that has so many, else in a new one.
    Quick {
        /// The kind of game.
        kind: String,
        /// Attributes that the room has.
        attributes: Vec<(String, String)>,
    },
}

/// Seats that are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The id of the room.
    pub room: String,
    /// What to show: 128 bits of chance.
    pub token: String,
    /// How many.
    pub seats: u16,
}

#[derive(Debug)]
struct Kept {
    room: u32,
    seats: u16,
    identities: BTreeSet<String>,
    until: Time,
}

/// All reservations, by token.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    by_token: BTreeMap<String, Kept>,
    by_room: BTreeMap<u32, BTreeSet<String>>,
    due: BTreeSet<(Time, String)>,
}

impl Reservations {
    pub fn next_due(&self) -> Option<Time> {
        self.due.first().map(|(at, _)| *at)
    }

    fn remove(&mut self, token: &str) -> Option<Kept> {
        let kept = self.by_token.remove(token)?;
        self.due.remove(&(kept.until, token.to_owned()));
        if let Some(tokens) = self.by_room.get_mut(&kept.room) {
            tokens.remove(token);
            if tokens.is_empty() {
                self.by_room.remove(&kept.room);
            }
        }
        Some(kept)
    }

    /// The room is over, and all that was kept in it.
    pub fn room_ended(&mut self, room: u32) {
        for token in self.by_room.remove(&room).unwrap_or_default() {
            self.remove(&token);
        }
    }
}

impl Lobby {
    pub(super) fn reserve(
        &mut self,
        now: Time,
        ticket: u64,
        chance: [u8; 16],
        namespace: &Arc<NamespaceSpec>,
        ask: &ReserveAsk,
    ) {
        let answer = self.keep(now, chance, namespace, ask);
        self.outputs
            .push_back(LobbyOutput::Reserved { ticket, answer });
    }

    /// Keeps seats, all or none: counted here, where seats are given.
    fn keep(
        &mut self,
        now: Time,
        chance: [u8; 16],
        namespace: &Arc<NamespaceSpec>,
        ask: &ReserveAsk,
    ) -> Result<Reservation, Refusal> {
        let identities: BTreeSet<String> = ask.identities.iter().cloned().collect();
        let seats = match identities.len() {
            0 => ask.seats,
            count => u16::try_from(count).unwrap_or(u16::MAX),
        };
        let forbidden = |message: String| Err(Refusal::new(code::FORBIDDEN, message));
        if seats == 0 {
            return forbidden("keep at least one seat, or name identities".to_owned());
        }
        if ask.keep_ms == 0 || ask.keep_ms > KEPT_MS_MAX {
            return forbidden(format!("keep seats for 1 to {KEPT_MS_MAX} ms"));
        }
        if self.kept.by_token.len() >= RESERVATIONS_MAX {
            let message = format!("{RESERVATIONS_MAX} reservations are open: wait for some");
            return Err(Refusal::new(code::LIMIT, message));
        }
        let room = self.room_to_keep_in(namespace, ask, seats)?;
        let token = chance.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        let until = now.plus(Duration::from_millis(ask.keep_ms));
        let Some(entry) = self.rooms.get_mut(room) else {
            return Err(Refusal::new(code::NOT_FOUND, "the room has ended"));
        };
        entry.reserved += seats;
        entry.close_at = None;
        let id = entry.spec.id.clone();
        self.live.changed(room);
        self.kept.due.insert((until, token.clone()));
        let tokens = self.kept.by_room.entry(room).or_default();
        tokens.insert(token.clone());
        let kept = Kept {
            room,
            seats,
            identities,
            until,
        };
        self.kept.by_token.insert(token.clone(), kept);
        Ok(Reservation {
            room: id,
            token,
            seats,
        })
    }

    fn room_to_keep_in(
        &mut self,
        namespace: &Arc<NamespaceSpec>,
        ask: &ReserveAsk,
        seats: u16,
    ) -> Result<u32, Refusal> {
        let here = namespace.name();
        let full = |id: &str| {
            let message = format!("room {id} has no {seats} free seats. Try another room");
            Refusal::new(code::FULL, message)
        };
        match &ask.room {
            ReserveIn::Room(id) => {
                let entry = self.rooms.by_id(id);
                let entry = entry.filter(|it| !it.ending && it.spec.namespace == *here);
                let entry = entry.ok_or_else(|| {
                    Refusal::new(code::NOT_FOUND, format!("there is no room {id}"))
                })?;
                match entry.free_seats() >= seats {
                    true => Ok(entry.spec.no),
                    false => Err(full(id)),
                }
            }
            ReserveIn::Quick { kind, attributes } => {
                let (kind, attributes) = check(namespace, 0, kind, attributes)?;
                if kind.seats() < seats {
                    return Err(full(kind.name()));
                }
                let found = self.rooms.of_kind(here, kind.name()).find(|entry| {
                    entry.is_open()
                        && entry.free_seats() >= seats
                        && entry.spec.attributes == attributes
                });
                match found {
                    Some(entry) => Ok(entry.spec.no),
                    None => self.make(namespace, &kind, attributes, RoomKind::Open),
                }
            }
        }
    }

    /// The token of a seat in this room that is kept for the identity.
    pub(super) fn kept_for(&self, room: u32, identity: &str) -> Option<String> {
        let mut tokens = self.kept.by_room.get(&room)?.iter();
        let has = |token: &&String| {
            let kept = self.kept.by_token.get(*token);
            kept.is_some_and(|kept| kept.identities.contains(identity))
        };
        tokens.find(has).cloned()
    }

    /// The room in which a seat is kept for an identity that shows this token.
    pub(super) fn room_of_token(
        &self,
        namespace: &str,
        token: &str,
        identity: &str,
    ) -> Option<u32> {
        let kept = self.kept.by_token.get(token)?;
        let here = *self.rooms.get(kept.room)?.spec.namespace == *namespace;
        let may = here && (kept.identities.is_empty() || kept.identities.contains(identity));
        may.then_some(kept.room)
    }

    /// A kept seat is taken: it is free for the one who takes it, in the same breath.
    pub(super) fn use_kept(&mut self, token: &str, identity: &str) {
        let Some(kept) = self.kept.by_token.get_mut(token) else {
            return;
        };
        kept.seats -= 1;
        kept.identities.remove(identity);
        let (room, left) = (kept.room, kept.seats);
        if left == 0 {
            self.kept.remove(token);
        }
        if let Some(entry) = self.rooms.get_mut(room) {
            entry.reserved -= 1;
        }
    }

    /// Seats whose time has passed are free again.
    pub(super) fn free_kept(&mut self, now: Time) {
        while let Some((at, token)) = self.kept.due.first().cloned().filter(|(at, _)| *at <= now) {
            self.kept.due.remove(&(at, token.clone()));
            let Some(kept) = self.kept.remove(&token) else {
                continue;
            };
            if let Some(entry) = self.rooms.get_mut(kept.room) {
                entry.reserved -= kept.seats;
                self.live.changed(kept.room);
                self.close_if_empty(now, kept.room);
            }
        }
    }
}
