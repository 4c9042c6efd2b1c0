//! Ways into a room: by id, by a quick match, by making one. Each ends in the one place where a seat is given, or in a typed refusal.

use std::collections::BTreeMap;
use std::sync::Arc;

use tickwire_proto::frame::{JoinHowOwned, Refusal, code};

use super::{Lobby, LobbyJoin, LobbyOutput};
use crate::front::FrontInput;
use crate::kind::Kind;
use crate::name::clean_text;
use crate::room::{RoomInput, RoomJoin, RoomSpec};

impl Lobby {
    pub(super) fn join(&mut self, join: LobbyJoin) {
        let found = match &join.how {
            JoinHowOwned::Room { id } => self.find(&join, id),
            JoinHowOwned::Quick { kind, attributes } => self.quick(&join, kind, attributes),
            JoinHowOwned::Create { kind, attributes } => self.create(&join, kind, attributes),
        };
        match found {
            Ok(room) => self.admit(room, join),
            Err(refusal) => {
                *self.stats.refusals.entry(refusal.code.clone()).or_default() += 1;
                let input = FrontInput::RequestRefused {
                    session: join.session,
                    request: join.request,
                    refusal,
                };
                self.tell_front(join.session, input);
            }
        }
    }

    /// A room by its id, if it takes this session.
    fn find(&self, join: &LobbyJoin, id: &str) -> Result<u32, Refusal> {
        let here = join.namespace.name();
        let entry = self.rooms.by_id(id);
        let entry = entry.filter(|entry| !entry.ending && entry.spec.namespace == *here);
        let id = clean_text(id);
        let Some(entry) = entry else {
            return Err(Refusal::new(
                code::NOT_FOUND,
                format!("there is no room {id}. It may have been closed: look at the list"),
            ));
        };
        entry.spec.kind.check_schema(join.schema_hash)?;
        if entry.members.contains_key(&join.session) {
            return Err(Refusal::new(
                code::FORBIDDEN,
                format!("this session is in room {id} already"),
            ));
        }
        if entry.locked {
            return Err(Refusal::new(
                code::LOCKED,
                format!("room {id} is locked. Try another room"),
            ));
        }
        if !entry.has_seat() {
            let seats = entry.spec.seats;
            return Err(Refusal::new(
                code::FULL,
                format!("room {id} is full: all of its {seats} seats are taken. Try another room"),
            ));
        }
        Ok(entry.spec.no)
    }

    /// A room with a seat, or a new one.
    fn quick(
        &mut self,
        join: &LobbyJoin,
        kind: &str,
        attributes: &[(String, String)],
    ) -> Result<u32, Refusal> {
        let (kind, attributes) = self.check(join, kind, attributes)?;
        let here = join.namespace.name();
        match self
            .rooms
            .match_for(join.session, here, kind.name(), &attributes)
        {
            Some(room) => Ok(room),
            None => self.make(join, &kind, attributes),
        }
    }

    /// A new room.
    fn create(
        &mut self,
        join: &LobbyJoin,
        kind: &str,
        attributes: &[(String, String)],
    ) -> Result<u32, Refusal> {
        let (kind, attributes) = self.check(join, kind, attributes)?;
        self.make(join, &kind, attributes)
    }

    /// The kind of that name, and the attributes in their one order.
    fn check(
        &self,
        join: &LobbyJoin,
        name: &str,
        attributes: &[(String, String)],
    ) -> Result<(Arc<Kind>, Vec<(String, String)>), Refusal> {
        let kind = match name {
            "" => join.namespace.kinds().first(),
            name => join
                .namespace
                .kinds()
                .iter()
                .find(|kind| kind.name() == name),
        };
        let Some(kind) = kind else {
            let kinds = join.namespace.kinds().iter();
            let known: Vec<&str> = kinds.map(|kind| kind.name()).collect();
            let (name, known) = (clean_text(name), known.join(", "));
            let what = match known.as_str() {
                "" => format!("there are no games in {}", join.namespace.name()),
                known => format!("there is no game `{name}` on this server. It has: {known}"),
            };
            return Err(Refusal::new(code::NOT_FOUND, what));
        };
        kind.check_schema(join.schema_hash)?;
        let clean = attributes
            .iter()
            .map(|(key, value)| (clean_text(key), clean_text(value)));
        let by_key: BTreeMap<String, String> = clean.collect();
        let attributes: Vec<(String, String)> = by_key.into_iter().collect();
        kind.check_attributes(&attributes)?;
        Ok((kind.clone(), attributes))
    }

    fn make(
        &mut self,
        join: &LobbyJoin,
        kind: &Arc<Kind>,
        attributes: Vec<(String, String)>,
    ) -> Result<u32, Refusal> {
        let here = join.namespace.name();
        let of_kind = self.rooms.of_kind(here, kind.name()).count();
        if self.rooms.len() >= self.config.rooms_max
            || of_kind >= kind.rooms_max()
            || self.rooms.of(here).count() >= join.namespace.limits().rooms
        {
            let message = "the server has as many rooms as it takes. Join one of the list, or try again later";
            return Err(Refusal::new(code::LIMIT, message));
        }
        let no = self.rooms.next_no();
        let seed = mix(self.config.seed ^ (u64::from(no) << 32) ^ self.stats.rooms_made);
        let id = (0..)
            .map(|attempt| room_id(mix(seed ^ attempt)))
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
        self.rooms.insert(spec.clone());
        self.outputs
            .push_back(LobbyOutput::CreateRoom(Box::new(spec)));
        Ok(no)
    }

    /// The one place where somebody gets a seat.
    fn admit(&mut self, room: u32, join: LobbyJoin) {
        let Some(entry) = self.rooms.get_mut(room) else {
            return;
        };
        let (session, request) = (join.session, join.request);
        let member = entry.admit(session);
        self.sessions.entry(session).or_default().insert(room);
        self.stats.joins += 1;
        // The front first: it can then tell what became of the request, whatever happens to the room.
        self.tell_front(
            session,
            FrontInput::Entered {
                session,
                request,
                room,
                member,
            },
        );
        let generic = join.schema_hash == 0;
        let join = RoomJoin {
            member,
            session,
            request,
            identity: join.identity,
            gauge: join.gauge,
            generic,
        };
        self.outputs.push_back(LobbyOutput::ToRoom {
            room,
            input: RoomInput::Join(Box::new(join)),
        });
    }
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
