//! Members coming and going, and messages between them and the game.

use tickwire_proto::frame::parts::NO_SEAT;
use tickwire_proto::frame::{
    Identity, JoinedInfo, LeaveReason, MEMBERS_MAX, MemberChange, MemberChangeOwned, MemberFlags,
    Presence, Refusal, ServerFrame, code,
};
use tickwire_sim::{Player, PlayerInfo, To};

use super::Room;
use super::commands::CommandBuffer;
use super::io::{RoomJoin, RoomOutput};
use super::member::Member;
use super::owning::Owning;
use super::pictures::Pictures;
use super::viewer::Viewer;
use crate::key::MemberId;
use crate::name::clean_name;

impl Room {
    /// Somebody whom the lobby let in. Atomic: a member with the list and soon a keyframe, or refused.
    pub(super) fn join(&mut self, join: RoomJoin) {
        let (session, request) = (join.session, join.request);
        let older = join
            .replaces
            .filter(|older| self.may_replace(&join, *older));
        if let Some(older) = older {
            return self.replace(join, older);
        }
        match self.seat(&join) {
            Ok(seat) => self.admit(join, seat),
            Err(refusal) => {
                self.stats.joins_refused += 1;
                self.outputs.push_back(RoomOutput::Refused {
                    session,
                    request,
                    refusal,
                });
            }
        }
    }

    fn seat(&mut self, join: &RoomJoin) -> Result<u16, Refusal> {
        let full = || {
            Refusal::new(
                code::FULL,
                format!("room {} is full. Try another room", self.spec.id),
            )
        };
        if self.members.len() >= MEMBERS_MAX {
            return Err(full());
        }
        if self.members.get(join.member).is_some() {
            return Err(Refusal::new(
                code::FORBIDDEN,
                "this member is in the room already",
            ));
        }
        if join.watches {
            return Ok(NO_SEAT);
        }
        let seat = self.sim.seat_for_person().ok_or_else(full)?;
        match self.sim.join(player(&join.identity, seat)) {
            Ok(()) => Ok(seat),
            Err(error) => Err(Refusal::new(code::LIMIT, format!("{error}. Try again"))),
        }
    }

    /// Whether the older member is there, with a seat to give.
    fn may_replace(&self, join: &RoomJoin, older: MemberId) -> bool {
        let new = self.members.get(join.member).is_none();
        let older = self.members.get(older);
        new && older.is_some_and(|older| !older.watches())
    }

    /// A newer session of the same identity goes on from the older one's seat: for the game nobody leaves and nobody joins. The others
    /// hear of the older member's end and of the new one in one breath, so that there is never more than one of them.
    fn replace(&mut self, join: RoomJoin, older: MemberId) {
        let Some(older) = self.take_out(older, LeaveReason::Replaced) else {
            return;
        };
        let (seat, ready) = (older.seat, older.flags.ready);
        self.sim.take_over(player(&join.identity, seat));
        self.stats.replaced += 1;
        self.admit_as(join, seat, ready);
    }

    fn admit(&mut self, join: RoomJoin, seat: u16) {
        self.admit_as(join, seat, false);
    }

    fn admit_as(&mut self, join: RoomJoin, seat: u16, ready: bool) {
        let now = self.sim.tick();
        let mut identity = join.identity;
        identity.name = clean_name(&identity.name);
        let mut member = Member {
            id: join.member,
            session: join.session,
            identity,
            seat,
            presence: Presence::Online,
            status: String::new(),
            link: 0,
            viewer: Viewer::new(now, self.pace, join.gauge.is_loose()),
            gauge: join.gauge,
            commands: CommandBuffer::default(),
            owning: Owning::default(),
            pictures: Pictures::default(),
            heard: None,
            lagging: false,
            look_at: now,
            flags: MemberFlags {
                ready,
                host: join.host,
            },
        };
        if join.host {
            self.sim.flags(seat, member.flags);
        }
        // The game's own pace: of fewer updates for a time nobody is told.
        let game = self.spec.kind.game();
        let send_every = match join.watches {
            true => game.watch_every(),
            false => game.send_every(),
        };
        self.updates.unsettle(&mut member);
        let change = MemberChangeOwned::Joined(member.info());
        // The others hear of the new member, and the new member of all: then every change, with no gap between.
        self.tell_all(
            ServerFrame::Member {
                room: self.spec.no,
                change: change.borrow(),
            }
            .encode(),
            None,
        );
        self.members.insert(member);
        self.stats.joins += 1;
        let kind = &self.spec.kind;
        let info = JoinedInfo {
            request: join.request,
            room: self.spec.no,
            id: self.spec.id.clone(),
            kind: kind.name().to_owned(),
            seat,
            member: join.member.0,
            tick: now,
            tick_us: self.pace.tick_us,
            send_every,
            schema_hash: kind.schema_hash(),
            schema: join.generic.then(|| kind.schema_bytes().clone()),
            members: self.members.iter().map(Member::info).collect(),
        };
        self.outputs.push_back(RoomOutput::Joined {
            session: join.session,
            info: Box::new(info),
        });
    }

    pub(super) fn leave(&mut self, id: MemberId, reason: LeaveReason) {
        if let Some(member) = self.take_out(id, reason) {
            self.sim.leave(member.seat);
        }
    }

    /// Takes a member out, and tells the others; what becomes of its seat is the caller's.
    fn take_out(&mut self, id: MemberId, reason: LeaveReason) -> Option<Member> {
        let Some((member, last_of_shard)) = self.members.remove(id) else {
            self.stats.inputs_late += 1;
            return None;
        };
        self.stats.leaves += 1;
        if last_of_shard {
            self.updates.forget(member.session.shard());
        }
        self.lagging.left(&member);
        self.requests.left(id);
        let change = MemberChange::Left {
            member: id.0,
            reason,
        };
        self.tell_all(
            ServerFrame::Member {
                room: self.spec.no,
                change,
            }
            .encode(),
            None,
        );
        Some(member)
    }

    pub(super) fn tell_presence(&mut self, id: MemberId, presence: Presence) {
        let change = MemberChange::Presence {
            member: id.0,
            presence,
        };
        self.tell_all(
            ServerFrame::Member {
                room: self.spec.no,
                change,
            }
            .encode(),
            None,
        );
    }

    /// What a member says of itself: told to all where it is another thing than before.
    pub(super) fn status(&mut self, id: MemberId, status: String) {
        let Some(member) = self.members.get_mut(id) else {
            self.stats.inputs_late += 1;
            return;
        };
        if member.status == status {
            return;
        }
        let change = MemberChange::Status {
            member: id.0,
            status: &status,
        };
        let frame = ServerFrame::Member {
            room: self.spec.no,
            change,
        }
        .encode();
        member.status = status;
        self.tell_all(frame, None);
    }

    /// A member's message to the game. What the game does not listen to, or is malformed, is dropped and counted.
    pub(super) fn message(&mut self, id: MemberId, kind: u32, payload: &[u8]) {
        let Some(member) = self.members.get(id) else {
            self.stats.inputs_late += 1;
            return;
        };
        self.stats.messages_in += 1;
        if let Err(error) = self.sim.message(member.seat, kind, payload) {
            self.stats.messages_refused += 1;
            tracing::debug!(room = self.spec.no, member = id.0, kind, %error, "message dropped");
        }
    }

    /// The game's messages to its players: each encoded once, however many get it.
    pub(super) fn pass_messages(&mut self) {
        self.end_who_lost();
        for message in self.sim.take_outbox() {
            self.stats.messages_out += 1;
            let (room, kind, payload) = (self.spec.no, message.kind, &message.payload[..]);
            let channel = message.channel;
            let frame = if message.volatile {
                ServerFrame::Volatile {
                    room,
                    channel,
                    kind,
                    payload,
                }
            } else {
                ServerFrame::Message {
                    room,
                    channel,
                    kind,
                    payload,
                }
            };
            let frame = frame.encode();
            let on_seat = |player: Player| {
                self.members
                    .on_seat(player.seat)
                    .map(|member| member.session)
            };
            match message.to {
                To::All => self.tell_all(frame, None),
                To::Except(player) => self.tell_all(frame, on_seat(player)),
                To::Player(player) => {
                    if let Some(session) = on_seat(player) {
                        self.outputs
                            .push_back(RoomOutput::ToMember { session, frame });
                    }
                }
            }
        }
    }
}

impl Room {
    /// Sessions that a reliable message was for which the game's outbox did not take: they end, since nothing reliable is lost in silence.
    fn end_who_lost(&mut self) {
        let lost = self.sim.take_lost();
        if lost.is_empty() {
            return;
        }
        let is_for = |to: &To, seat: u16| match to {
            To::All => true,
            To::Except(player) => player.seat != seat,
            To::Player(player) => player.seat == seat,
        };
        for member in self.members.iter() {
            if lost.iter().any(|to| is_for(to, member.seat)) {
                self.stats.overflows += 1;
                self.outputs.push_back(RoomOutput::Overflow {
                    session: member.session,
                });
            }
        }
    }
}

/// Somebody as the game sees them.
fn player(identity: &Identity, seat: u16) -> PlayerInfo {
    PlayerInfo {
        seat,
        name: clean_name(&identity.name),
        identity: identity.id.clone(),
        computer: false,
    }
}
