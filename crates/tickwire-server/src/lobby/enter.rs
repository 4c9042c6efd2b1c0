//! Ways into a room: by id or code, by a quick match, by making one, by a kept seat. Each ends in the one place where a seat is given, or in a typed refusal.

use std::collections::BTreeMap;
use std::sync::Arc;

use tickwire_proto::Time;
use tickwire_proto::frame::{JoinHowOwned, Refusal, RoomEnd, code};

use super::rooms::{Entry, Inside, Seeker};
use super::{Lobby, LobbyJoin, LobbyOutput};
use crate::front::FrontInput;
use crate::gauge::Gauge;
use crate::key::{MemberId, SessionKey};
use crate::kind::Kind;
use crate::name::clean_text;
use crate::namespace::NamespaceSpec;
use crate::room::{RoomInput, RoomJoin, RoomSpec};

/// Letters of private codes: none that looks or sounds like another, and no vowels, so that no code is a word.
const CODE_LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";
/// The fewest and the most of them.
const CODE_LENGTHS: std::ops::RangeInclusive<u32> = 4..=6;
/// A code is so long that a guess hits one of the rooms with at most this chance, while the longest allows it.
const CODES_PER_ROOM: u64 = 100_000;

/// What the client of an older session is told.
const REPLACED: &str = "this identity has joined the room elsewhere, and has one seat in it: that is the newer one's now";

/// A room that was found for somebody, and whose kept seat it is.
pub(super) struct Found {
    room: u32,
    watches: bool,
    /// The token of the reservation that is used up by one.
    kept: Option<String>,
}

impl Found {
    fn seat(room: u32) -> Found {
        Found {
            room,
            watches: false,
            kept: None,
        }
    }
}

/// The answer to who may join one room and wants another.
fn elsewhere(only: Option<&str>) -> Refusal {
    let only = only.unwrap_or_default();
    let message = format!("these credentials are for the room {only} alone: join that one");
    Refusal::new(code::FORBIDDEN, message)
}

impl Lobby {
    pub(super) fn join(&mut self, now: Time, join: LobbyJoin) {
        let only = join.identity.room.as_deref();
        let found = match &join.how {
            JoinHowOwned::Quick { .. } if only.is_some() => {
                self.by_id(now, &join, only.unwrap_or_default(), false)
            }
            JoinHowOwned::Create { .. } | JoinHowOwned::Private { .. } if only.is_some() => {
                Err(elsewhere(only))
            }
            JoinHowOwned::Room { id } => self.by_id(now, &join, id, false),
            JoinHowOwned::Watch { id } => self.by_id(now, &join, id, true),
            JoinHowOwned::Quick { kind, attributes } => self.quick(now, &join, kind, attributes),
            JoinHowOwned::Create { kind, attributes } => {
                self.create(&join, kind, attributes, false)
            }
            JoinHowOwned::Private { kind, attributes } => {
                self.create(&join, kind, attributes, true)
            }
            JoinHowOwned::Reserved { token } => self.by_token(now, &join, token),
        };
        let may = |found: &Found| match (only, self.rooms.get(found.room)) {
            (Some(only), Some(entry)) => *entry.spec.id == *only,
            _ => true,
        };
        match found {
            Ok(found) if !may(&found) => self.refuse(join.session, join.request, elsewhere(only)),
            Ok(found) => self.admit(found, join),
            Err(refusal) => self.refuse(join.session, join.request, refusal),
        }
    }

    pub(super) fn refuse(&mut self, session: SessionKey, request: u32, refusal: Refusal) {
        *self.stats.refusals.entry(refusal.code.clone()).or_default() += 1;
        let input = FrontInput::RequestRefused {
            session,
            request,
            refusal,
        };
        self.tell_front(session, input);
    }

    /// A room by its id or private code, as people type it.
    fn by_id(
        &mut self,
        now: Time,
        join: &LobbyJoin,
        id: &str,
        watches: bool,
    ) -> Result<Found, Refusal> {
        self.guesses.check(now, &join.identity.id)?;
        let typed = id.trim().to_ascii_uppercase();
        let here = join.namespace.name();
        let entry = self.rooms.by_id(id).or_else(|| self.rooms.by_id(&typed));
        let entry = entry.filter(|entry| !entry.ending && entry.spec.namespace == *here);
        let Some(entry) = entry else {
            self.guesses.missed(now, &join.identity.id);
            let id = clean_text(id);
            return Err(Refusal::new(
                code::NOT_FOUND,
                format!("there is no room {id}. It may have been closed: look at the list"),
            ));
        };
        let room = entry.spec.no;
        let kept = self.kept_for(room, &join.identity.id);
        let hash = join.schema_hash;
        self.may_enter(now, room, Seeker::of(join), hash, watches, kept.is_some())?;
        Ok(Found {
            room,
            watches,
            kept: kept.filter(|_| !watches),
        })
    }

    /// The room in which a seat is kept for whoever shows the token.
    fn by_token(&mut self, now: Time, join: &LobbyJoin, token: &str) -> Result<Found, Refusal> {
        self.guesses.check(now, &join.identity.id)?;
        let here = join.namespace.name();
        let Some(room) = self.room_of_token(here, token, &join.identity.id) else {
            self.guesses.missed(now, &join.identity.id);
            let message = "no seat is kept for this token: its time has passed, or all of its seats are taken. Ask for another one";
            return Err(Refusal::new(code::NOT_FOUND, message));
        };
        let hash = join.schema_hash;
        self.may_enter(now, room, Seeker::of(join), hash, false, true)?;
        Ok(Found {
            room,
            watches: false,
            kept: Some(token.to_owned()),
        })
    }

    /// Whether a room takes this session. `kept`: a seat is kept for it, even where the room is locked.
    pub(super) fn may_enter(
        &self,
        now: Time,
        room: u32,
        seeker: Seeker<'_>,
        schema_hash: u64,
        watches: bool,
        kept: bool,
    ) -> Result<(), Refusal> {
        let Some(entry) = self.rooms.get(room) else {
            return Err(Refusal::new(code::NOT_FOUND, "the room has ended"));
        };
        let id = &entry.spec.id;
        entry.spec.kind.check_schema(schema_hash)?;
        if entry.members.contains_key(&seeker.session) {
            return Err(Refusal::new(
                code::FORBIDDEN,
                format!("this session is in room {id} already"),
            ));
        }
        if entry.bans(now, &seeker.identity.id) {
            return Err(Refusal::new(
                code::FORBIDDEN,
                format!("you were sent away from room {id}. Try another room"),
            ));
        }
        if watches {
            return match entry.has_place() {
                true => Ok(()),
                false => Err(no_place(entry)),
            };
        }
        if entry.seat_of(seeker).is_some() {
            return Ok(()); // its own seat: that of an older session
        }
        if entry.locked && !kept {
            return Err(Refusal::new(
                code::LOCKED,
                format!("room {id} is locked. Try another room"),
            ));
        }
        if !kept && !entry.has_seat() {
            let seats = entry.spec.seats;
            return Err(Refusal::new(
                code::FULL,
                format!("room {id} is full: all of its {seats} seats are taken. Try another room"),
            ));
        }
        Ok(())
    }

    /// A room with a seat, or a new one.
    fn quick(
        &mut self,
        now: Time,
        join: &LobbyJoin,
        kind: &str,
        attributes: &[(String, String)],
    ) -> Result<Found, Refusal> {
        let (kind, attributes) = check(&join.namespace, join.schema_hash, kind, attributes)?;
        self.match_or_make(now, Seeker::of(join), &join.namespace, &kind, attributes)
            .map(Found::seat)
    }

    pub(super) fn match_or_make(
        &mut self,
        now: Time,
        seeker: Seeker<'_>,
        namespace: &Arc<NamespaceSpec>,
        kind: &Arc<Kind>,
        attributes: Vec<(String, String)>,
    ) -> Result<u32, Refusal> {
        let here = namespace.name();
        let found = self
            .rooms
            .match_for(now, seeker, here, kind.name(), &attributes);
        match found {
            Some(room) => Ok(room),
            None => self.make(namespace, kind, attributes, RoomKind::Open),
        }
    }

    /// A new room, whose first member is its host.
    fn create(
        &mut self,
        join: &LobbyJoin,
        kind: &str,
        attributes: &[(String, String)],
        private: bool,
    ) -> Result<Found, Refusal> {
        let (kind, attributes) = check(&join.namespace, join.schema_hash, kind, attributes)?;
        let of = match private {
            true => RoomKind::Private,
            false => RoomKind::Hosted,
        };
        self.make(&join.namespace, &kind, attributes, of)
            .map(Found::seat)
    }

    pub(super) fn make(
        &mut self,
        namespace: &Arc<NamespaceSpec>,
        kind: &Arc<Kind>,
        attributes: Vec<(String, String)>,
        of: RoomKind,
    ) -> Result<u32, Refusal> {
        let here = namespace.name();
        let of_kind = self.rooms.of_kind(here, kind.name()).count();
        if self.rooms.len() >= self.config.rooms_max
            || of_kind >= kind.rooms_max()
            || self.rooms.of(here).count() >= namespace.limits().rooms
        {
            let message = "the server has as many rooms as it takes. Join one of the list, or try again later";
            return Err(Refusal::new(code::LIMIT, message));
        }
        let no = self.rooms.next_no();
        let seed = mix(self.config.seed ^ (u64::from(no) << 32) ^ self.stats.rooms_made);
        let private = of == RoomKind::Private;
        let length = code_length(self.rooms.iter().filter(|entry| entry.private).count());
        let id = (0..)
            .map(|attempt| match private {
                true => code_of(mix(seed ^ attempt), length),
                false => room_id(mix(seed ^ attempt)),
            })
            .find(|id| !self.rooms.has_id(id))
            .unwrap_or_default();
        let spec = RoomSpec {
            no,
            id,
            namespace: here.clone(),
            kind: kind.clone(),
            seats: kind.seats(),
            attributes,
            seed,
        };
        self.stats.rooms_made += 1;
        let mut entry = Entry::new(spec.clone(), Arc::clone(namespace));
        (entry.private, entry.hosted) = (private, of != RoomKind::Open);
        self.rooms.insert(entry);
        self.live.changed(no);
        self.outputs
            .push_back(LobbyOutput::CreateRoom(Box::new(spec)));
        Ok(no)
    }

    /// The one place where somebody who asks gets a seat.
    fn admit(&mut self, found: Found, join: LobbyJoin) {
        let Found {
            room,
            watches,
            kept,
        } = found;
        let entry = self.rooms.get(room).filter(|_| !watches);
        let own = entry.and_then(|entry| entry.seat_of(Seeker::of(&join)));
        if let Some(token) = kept.filter(|_| own.is_none()) {
            self.use_kept(&token, &join.identity.id);
        }
        let inside = Inside {
            member: MemberId(0), // given by the room's entry
            identity: join.identity,
            generic: join.schema_hash == 0,
            watches,
            moving: false,
            seat_key: join.seat_key,
        };
        self.stats.joins += 1;
        self.seat(room, join.session, join.request, inside, Err(join.gauge));
    }

    /// Gives a seat or a place in a room that has one. `from`: the room that the session is moved from, whose front has the gauge, or that.
    pub(super) fn seat(
        &mut self,
        room: u32,
        session: SessionKey,
        request: u32,
        inside: Inside,
        from: Result<u32, Gauge>,
    ) {
        let replaces = self.give_seat_up(room, session, &inside);
        let Some(entry) = self.rooms.get_mut(room) else {
            return;
        };
        let (was_host, replaces) = replaces.map_or((false, None), |(it, host)| (host, Some(it)));
        let join = RoomJoin {
            member: MemberId(0),
            session,
            request,
            identity: inside.identity.clone(),
            gauge: from.as_ref().err().cloned().unwrap_or_default(),
            generic: inside.generic,
            watches: inside.watches,
            host: false,
            replaces,
        };
        let member = entry.admit(session, inside);
        if was_host {
            entry.host = Some(member);
        }
        let host = entry.host == Some(member);
        self.sessions.entry(session).or_default().insert(room);
        self.live.changed(room);
        // The front first: it can then tell what became of the request, whatever happens to the room.
        let input = match from {
            Err(_) => FrontInput::Entered {
                session,
                request,
                room,
                member,
            },
            Ok(from) => FrontInput::Moving {
                session,
                from,
                request,
                room,
                member,
            },
        };
        self.tell_front(session, input);
        let join = RoomJoin {
            member,
            host,
            ..join
        };
        self.outputs.push_back(LobbyOutput::ToRoom {
            room,
            input: RoomInput::Join(Box::new(join)),
        });
    }
}

impl Lobby {
    /// An older session of the same identity gives its seat to the newer one, in the same breath, and is told why. The member that it was,
    /// and whether that was the host.
    fn give_seat_up(
        &mut self,
        room: u32,
        newer: SessionKey,
        inside: &Inside,
    ) -> Option<(MemberId, bool)> {
        let entry = self.rooms.get_mut(room).filter(|_| !inside.watches)?;
        let older = entry.seat_of(Seeker {
            session: newer,
            identity: &inside.identity,
            seat_key: inside.seat_key,
        })?;
        let was_host = entry.host.take();
        let (gone, _) = entry.let_go(older)?;
        let is_host = was_host == Some(gone.member);
        if !is_host {
            entry.host = was_host;
        }
        self.forget(older, room);
        self.stats.replaced += 1;
        let input = FrontInput::Removed {
            session: older,
            room,
            reason: RoomEnd::Replaced,
            message: REPLACED.to_owned(),
        };
        self.tell_front(older, input);
        Some((gone.member, is_host))
    }
}

/// The kind of that name, and the attributes in their one order.
pub(super) fn check(
    namespace: &NamespaceSpec,
    schema_hash: u64,
    name: &str,
    attributes: &[(String, String)],
) -> Result<(Arc<Kind>, Vec<(String, String)>), Refusal> {
    let kinds = namespace.kinds();
    let kind = match name {
        "" => kinds.first(),
        name => kinds.iter().find(|kind| kind.name() == name),
    };
    let Some(kind) = kind else {
        let known: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        let (name, known) = (clean_text(name), known.join(", "));
        let what = match known.as_str() {
            "" => format!("there are no games in {}", namespace.name()),
            known => format!("there is no game `{name}` on this server. It has: {known}"),
        };
        return Err(Refusal::new(code::NOT_FOUND, what));
    };
    kind.check_schema(schema_hash)?;
    Ok((kind.clone(), in_order(kind, attributes)?))
}

/// Who may find a room, and who is in charge of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RoomKind {
    /// Quick matches find it, and it has no host.
    Open,
    /// Its first member is its host.
    Hosted,
    /// The same, and it is on no list.
    Private,
}

fn no_place(entry: &Entry) -> Refusal {
    let (id, places) = (&entry.spec.id, entry.spec.kind.game().watchers());
    if places == 0 {
        let message = format!(
            "the rooms of `{}` have no spectators",
            entry.spec.kind.name()
        );
        return Refusal::new(code::FORBIDDEN, message);
    }
    Refusal::new(
        code::FULL,
        format!("all of the {places} places for spectators of room {id} are taken. Try later"),
    )
}

pub(super) fn pairs_in_order(attributes: &[(String, String)]) -> Vec<(String, String)> {
    let clean = attributes
        .iter()
        .map(|(key, value)| (clean_text(key), clean_text(value)));
    let by_key: BTreeMap<String, String> = clean.collect();
    by_key.into_iter().collect()
}

/// Attributes that a kind allows, in their one order.
pub(super) fn in_order(
    kind: &Kind,
    attributes: &[(String, String)],
) -> Result<Vec<(String, String)>, Refusal> {
    let attributes = pairs_in_order(attributes);
    kind.check_attributes(&attributes)?;
    Ok(attributes)
}

/// How long codes are while there are so many private rooms.
fn code_length(rooms: usize) -> u32 {
    let wanted = (rooms as u64 + 1) * CODES_PER_ROOM;
    let long_enough = |length: &u32| (CODE_LETTERS.len() as u64).pow(*length) >= wanted;
    let shortest = CODE_LENGTHS.clone().find(long_enough);
    shortest.unwrap_or(*CODE_LENGTHS.end())
}

fn code_of(mut bits: u64, length: u32) -> String {
    let letters = CODE_LETTERS.len() as u64;
    let letter = |_| {
        let letter = CODE_LETTERS[(bits % letters) as usize];
        bits /= letters;
        char::from(letter)
    };
    (0..length).map(letter).collect()
}

/// Six characters that people can read to each other.
fn room_id(mut bits: u64) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let letter = |_| {
        let letter = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
        char::from(letter)
    };
    (0..6).map(letter).collect()
}

/// Spreads a number over all bits (splitmix64).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_as_short_as_a_guess_allows() {
        let lengths: Vec<u32> = [0, 1, 10, 31, 32, 600, 60_000].map(code_length).into();
        assert_eq!(lengths, [4, 5, 5, 5, 6, 6, 6]);
        let code = code_of(mix(7), 5);
        assert_eq!(code.len(), 5);
        assert!(code.bytes().all(|letter| CODE_LETTERS.contains(&letter)));
    }
}
