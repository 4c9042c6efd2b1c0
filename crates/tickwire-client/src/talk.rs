//! What the client makes of the session's events, and of the end of a link.

use std::sync::Arc;
use std::time::Duration;

use tickwire_proto::frame::parts::NO_SEAT;
use tickwire_proto::frame::{JoinedInfo, Refusal, SLACK_NONE, code};
use tickwire_proto::{ClientEvent as SessionEvent, Ending, Retry, Tick, Time};
use tickwire_snapshot::Schema;

use crate::client::{Client, Stage, new_session};
use crate::event::{ClientEvent, ClientOutput, NamespaceKey, RequestId, RoomKey, State};
use crate::rooms::{Phase, Room};
use crate::view::{Entry, View};

/// A link that does not open, and a hello that is not answered, count as lost after this long.
pub(crate) const OPEN_MAX: Duration = Duration::from_secs(10);
/// What is told of a list whose session is gone.
const SESSION_LOST: &str = "the session ended before the list came. Ask again";
/// How often the age of updates is reported to the server.
const REPORT_EVERY: Duration = Duration::from_secs(1);

impl Client {
    /// Takes what the session has to tell.
    pub(crate) fn listen(&mut self, now: Time) {
        while let Some(event) = self.session.poll_event() {
            match event {
                SessionEvent::Welcome { resumed: true, .. } => self.resumed(),
                SessionEvent::Welcome { lost, .. } => self.welcome(lost),
                SessionEvent::Attached {
                    attachment,
                    identity,
                    schema,
                } => self.attached(NamespaceKey(attachment), identity, schema.as_ref()),
                SessionEvent::AttachRefused {
                    attachment,
                    refusal,
                } => {
                    if !self.namespace_over(now, NamespaceKey(attachment), refusal, false) {
                        return;
                    }
                }
                SessionEvent::AttachEnded {
                    attachment,
                    refusal,
                } => {
                    if !self.namespace_over(now, NamespaceKey(attachment), refusal, true) {
                        return;
                    }
                }
                SessionEvent::CredentialsWanted { attachment, .. } => {
                    self.renewal_wanted(NamespaceKey(attachment))
                }
                SessionEvent::Renewed { attachment } => self.event(ClientEvent::Renewed {
                    namespace: NamespaceKey(attachment),
                }),
                SessionEvent::Joined(info) => self.joined(now, info),
                SessionEvent::JoinRefused { request, refusal } => {
                    self.refused(now, request, refusal)
                }
                SessionEvent::LobbyList { request, rooms } => {
                    self.listing.remove(&request);
                    self.event(ClientEvent::Lobby {
                        request: RequestId(request),
                        rooms,
                    });
                }
                SessionEvent::LobbyChange {
                    request,
                    whole,
                    rooms,
                    gone,
                } => self.lobby_changed(request, whole, rooms, &gone),
                SessionEvent::HostDone { request } => {
                    let request = RequestId(request);
                    self.event(ClientEvent::HostDone { request });
                }
                SessionEvent::Message {
                    room,
                    channel,
                    kind,
                    payload,
                    volatile,
                } => {
                    let known = self.keys.get(&room).copied();
                    let outside = u8::try_from(room).ok().map(NamespaceKey);
                    let namespace = known.and_then(|room| self.namespace_of(room));
                    let Some(namespace) = namespace.or(outside) else {
                        continue; // of a room that was left a moment ago
                    };
                    let room = known;
                    self.event(ClientEvent::Message {
                        namespace,
                        room,
                        channel,
                        kind,
                        payload,
                        volatile,
                    });
                }
                SessionEvent::Followed { attachment, people } => {
                    self.followed(NamespaceKey(attachment), people);
                }
                SessionEvent::FollowRefused {
                    attachment,
                    refusal,
                } => {
                    let namespace = NamespaceKey(attachment);
                    self.event(ClientEvent::FollowRefused { namespace, refusal });
                }
                SessionEvent::Notice {
                    attachment,
                    cursor,
                    kind,
                    payload,
                } => self.notice(NamespaceKey(attachment), cursor, kind, payload),
                SessionEvent::StatusRefused { room, refusal } => {
                    let room = self.keys.get(&room).copied();
                    self.event(ClientEvent::StatusRefused { room, refusal });
                }
                SessionEvent::Ask {
                    room,
                    number,
                    kind,
                    timeout_ms,
                    payload,
                    ..
                } => self.asked((room, number), kind, timeout_ms, payload),
                SessionEvent::AskCancelled { room, number } => self.question_over((room, number)),
                SessionEvent::Reply {
                    room,
                    number,
                    outcome,
                } => self.replied(room, number, outcome),
                SessionEvent::LinkDead => {
                    self.outputs.push_back(ClientOutput::Close);
                    self.lost(now, None);
                    return;
                }
                SessionEvent::Ended(ending) => {
                    self.outputs.push_back(ClientOutput::Close);
                    self.lost(now, Some(ending));
                    return;
                }
                in_a_room => self.room_event(now, in_a_room),
            }
        }
    }

    /// Opens a link.
    pub(crate) fn connect(&mut self, now: Time) {
        self.attempt = self.attempt.saturating_add(1);
        self.stage = Stage::Opening(now.plus(OPEN_MAX));
        if self.session.is_ended().is_some() {
            let seed = self.random();
            self.session = new_session(now, &self.config, seed);
        }
        self.set_state(State::Connecting);
        let number = self.random() as u32;
        self.outputs.push_back(ClientOutput::Connect {
            attempt: self.attempt,
            number,
        });
    }

    /// The link is gone, or never came; `ending`: what the server said. Without an ending the session stays, if it can be resumed.
    pub(crate) fn lost(&mut self, now: Time, ending: Option<Ending>) {
        self.moving = false;
        self.session.link_lost(now);
        self.resuming = ending.is_none() && self.session.may_resume();
        if let Some(ending) = &ending {
            self.tell_ending(ending);
        }
        if !self.resuming {
            self.session.give_up();
            while self.session.poll_event().is_some() {} // of a conversation that is over
            self.rooms_lost();
        }
        let retry_after = match ending {
            Some(ending) if !matches!(ending.retry, Retry::After { .. }) => {
                return self.over(ending);
            }
            Some(Ending {
                retry: Retry::After { ms },
                ..
            }) => Some(ms),
            _ => None,
        };
        let random = self.random();
        let retry_in = self.backoff.next(retry_after, random);
        self.stage = Stage::Pause(now.plus(retry_in));
        self.set_state(State::Away { retry_in });
    }

    /// What the application learns of a session that is over: why, and what nobody may have heard.
    fn tell_ending(&mut self, ending: &Ending) {
        if matches!(ending.retry, Retry::After { .. }) {
            self.event(ClientEvent::SessionEnded {
                reason: ending.reason,
                message: ending.message.clone(),
            });
        }
        if self.session.is_ended().is_none() {
            return; // the next welcome tells
        }
        let count = self.session.take_lost();
        if count > 0 {
            self.event(ClientEvent::MessagesLost { count });
        }
    }

    /// The session is gone, and the rooms' numbers with it: they are wanted anew.
    fn rooms_lost(&mut self) {
        self.namespaces_lost();
        self.lists_lost();
        self.keys.clear();
        self.statuses.begin_anew();
        self.requests_lost();
        for (request, _) in std::mem::take(&mut self.listing) {
            self.lobby_refused(request, Refusal::new(code::AWAY, SESSION_LOST));
        }
        let away: Vec<RoomKey> = self
            .rooms
            .iter_mut()
            .filter_map(|(_, room)| room.link_lost().then_some(room.key))
            .collect();
        for room in away {
            self.event(ClientEvent::RoomAway { room });
        }
    }

    /// No more tries.
    pub(crate) fn over(&mut self, ending: Ending) {
        self.stage = Stage::Over;
        self.resuming = false;
        let questions = std::mem::take(&mut self.questions);
        let waiting = questions.into_iter().map(|(_, request, _)| request.0);
        let asked = std::mem::take(&mut self.listing).into_iter();
        for request in waiting.chain(asked.map(|(request, _)| request)) {
            self.lobby_refused(request, Refusal::new(code::AWAY, SESSION_LOST));
        }
        self.set_state(State::Ended {
            reason: ending.reason,
            retry: ending.retry,
            message: ending.message,
        });
    }

    pub(crate) fn event(&mut self, event: ClientEvent) {
        self.outputs.push_back(ClientOutput::Event(event));
    }

    pub(crate) fn set_state(&mut self, state: State) {
        if self.state != state || self.outputs.is_empty() && self.attempt == 1 {
            self.state = state.clone();
            self.event(ClientEvent::State(state));
        }
    }

    /// The session goes on over this link: nothing was lost, and what was asked for is answered by itself.
    fn resumed(&mut self) {
        self.resuming = false;
        let loose = self.datagrams;
        for view in self
            .rooms
            .iter_mut()
            .filter_map(|(_, room)| room.view.as_mut())
        {
            view.resumed();
            view.loose = loose;
        }
        if !self.is_in(NamespaceKey::MAIN) {
            self.stage = Stage::Attaching;
            self.event(ClientEvent::Resumed);
            self.ask_credentials_again();
            return;
        }
        self.stage = Stage::Attached;
        self.backoff.reset();
        self.attempt = 0;
        self.set_state(State::Online);
        if !std::mem::take(&mut self.moving) {
            self.event(ClientEvent::Resumed);
        }
        self.ask_credentials_again();
        self.ask_what_waits();
    }

    /// A session begins; one that was claimed is gone.
    fn welcome(&mut self, messages_lost: u64) {
        self.moving = false;
        if std::mem::take(&mut self.resuming) {
            self.rooms_lost();
            self.event(ClientEvent::Expired);
        }
        if messages_lost > 0 {
            self.event(ClientEvent::MessagesLost {
                count: messages_lost,
            });
        }
        self.stage = Stage::Attaching;
        self.show_credentials();
    }

    fn joined(&mut self, now: Time, info: JoinedInfo) {
        let asked = Phase::Asked(info.request);
        let Some(key) = self
            .rooms
            .values()
            .find(|room| room.phase == asked)
            .map(|room| room.key)
        else {
            self.session.leave(info.room); // not wanted any more
            return;
        };
        let schema = match info.schema.as_deref().map(Schema::from_bytes) {
            Some(Ok(schema)) => Arc::new(schema),
            Some(Err(e)) => return self.unreadable(key, info.room, &e.to_string()),
            None => match &self.config.schema {
                Some(schema) => schema.clone(),
                None => return self.unreadable(key, info.room, "the server sent none"),
            },
        };
        let entry = Entry {
            no: info.room,
            id: info.id,
            kind: info.kind,
            seat: (info.seat != NO_SEAT).then_some(info.seat),
            member: info.member,
            tick_us: info.tick_us,
            send_every: info.send_every,
            schema,
            members: info.members,
        };
        self.keys.insert(info.room, key);
        if let Some(room) = self.rooms.get_mut(&key) {
            let (again, moved) = (room.joined_before, std::mem::take(&mut room.moving));
            let mut view = View::new(now, entry);
            view.loose = self.datagrams;
            view.extrapolate(self.config.extrapolate);
            view.ahead.0 = self.maker.0.as_mut().and_then(|make| make(&view));
            room.joined(info.room, view);
            self.event(match moved {
                true => ClientEvent::Moved { room: key },
                false => ClientEvent::Joined { room: key, again },
            });
        }
    }

    fn unreadable(&mut self, key: RoomKey, no: u32, text: &str) {
        self.session.leave(no);
        self.rooms.remove(&key);
        let message =
            format!("the schema of the room cannot be read: {text}. Reload, or rebuild the client");
        let refusal = Refusal::new(code::VERSION, message);
        self.event(ClientEvent::JoinRefused { room: key, refusal });
    }

    /// A refusal as Version brings the server's schema: only this side can say what differs.
    fn explained(&self, mut refusal: Refusal) -> Refusal {
        let own = self
            .config
            .schema
            .as_ref()
            .filter(|_| refusal.code == code::VERSION);
        if let (Some(own), Ok(theirs)) = (own, Schema::from_bytes(&refusal.data)) {
            let differences = theirs.differences(own).join("; ");
            refusal.message = format!(
                "client and server disagree: {differences}. Rebuild the client, or update the server"
            );
        }
        refusal
    }

    pub(crate) fn lobby_refused(&mut self, request: u32, refusal: Refusal) {
        let request = RequestId(request);
        self.event(ClientEvent::LobbyRefused { request, refusal });
    }

    fn refused(&mut self, now: Time, request: u32, refusal: Refusal) {
        if self.listing.remove(&request).is_some() {
            return self.lobby_refused(request, refusal);
        }
        let mut rooms = self.rooms.iter_mut().map(|(_, room)| room);
        let Some(room) = rooms.find(|room| room.phase == Phase::Asked(request)) else {
            return self.request_refused(request, refusal);
        };
        let key = room.key;
        if room.refused(now, &refusal.code) {
            self.ask_what_waits();
        } else {
            self.rooms.remove(&key);
            self.statuses.forget(key);
            let refusal = self.explained(refusal);
            self.event(ClientEvent::JoinRefused { room: key, refusal });
        }
    }

    /// Events that name a room; one that is not known (left a moment ago) is ignored.
    fn room_event(&mut self, now: Time, event: SessionEvent) {
        match event {
            SessionEvent::TickFrame {
                room,
                tick,
                applied,
                slack,
                stamp,
                own,
                alone,
            } => {
                let rtt = self.session.rtt();
                if let Some(view) = self.view_by_number(room) {
                    let slack = Some(slack).filter(|slack| *slack != SLACK_NONE);
                    if !view.tick_frame(now, applied, tick, slack, stamp, &rtt) {
                        return;
                    }
                    view.own.tell(tick, own);
                    if alone {
                        view.own.updated(tick); // all that is held is true at this tick too
                        view.foresee(now);
                    }
                }
            }
            SessionEvent::Update { room, tick, frame } => self.update(now, room, tick, &frame),
            SessionEvent::Member { room: no, change } => {
                let Some(room) = self.keys.get(&no).copied() else {
                    return;
                };
                if let Some(view) = self.view_by_number(no) {
                    view.member_change(&change);
                }
                self.event(ClientEvent::Member { room, change });
            }
            SessionEvent::RoomEnded {
                room,
                reason,
                message,
            } => {
                let Some(room) = self.keys.remove(&room) else {
                    return;
                };
                self.rooms.remove(&room);
                self.statuses.forget(room);
                self.event(ClientEvent::RoomEnded {
                    room,
                    reason,
                    message,
                });
            }
            SessionEvent::Moved { room: no, request } => {
                let key = self.keys.remove(&no);
                if let Some(room) = key.and_then(|key| self.rooms.get_mut(&key)) {
                    room.moves(request);
                }
            }
            SessionEvent::Rates { room: no, tick_us } => {
                let Some(room) = self.keys.get(&no).copied() else {
                    return;
                };
                let tick = Duration::from_micros(u64::from(tick_us));
                if let Some(view) = self.view_by_number(no) {
                    view.set_tick(now, tick);
                }
                self.event(ClientEvent::Rates { room, tick });
            }
            _ => {}
        }
    }

    fn update(&mut self, now: Time, no: u32, tick: Tick, frame: &[u8]) {
        let least = self.least_rtt();
        let Some(room) = self.keys.get(&no).copied() else {
            return;
        };
        let Some(view) = self.view_by_number(no) else {
            return;
        };
        let newer = view.newest_tick().is_none_or(|newest| tick > newest);
        let outcome = view.apply(now, frame);
        if newer {
            view.foresee(now);
        }
        // Where updates may be lost a receipt says that the next may start from this one.
        let usable = !view.loose || !outcome.stale && outcome.faults.is_empty();
        let (applied, stamp, age) = (view.last_applied(), view.stamp(), view.age(least));
        // a receipt, whatever was in it: the server sees that the way is clear, for the keyframe too
        if usable {
            self.session.held(no, tick);
        }
        for area in outcome.keyframes_wanted {
            self.session.keyframe_wanted(no, area);
        }
        for fault in outcome.faults {
            self.event(ClientEvent::Fault { room, fault });
        }
        if now.since(self.reported) >= REPORT_EVERY {
            self.reported = now;
            self.session
                .report(no, u32::try_from(age.as_millis()).unwrap_or(u32::MAX));
        }
        self.event(ClientEvent::Updated {
            room,
            tick,
            applied,
            stamp,
        });
    }

    /// The least round trip; of the link before, until this one has measured its own.
    pub(crate) fn least_rtt(&mut self) -> Duration {
        let least = self.session.rtt().least;
        if least > Duration::ZERO {
            self.least_rtt = least;
        }
        self.least_rtt
    }

    fn view_by_number(&mut self, no: u32) -> Option<&mut View> {
        let key = self.keys.get(&no)?;
        self.rooms
            .get_mut(key)
            .and_then(|room: &mut Room| room.view.as_mut())
    }
}
