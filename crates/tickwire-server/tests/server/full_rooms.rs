//! Rooms that take nothing for a while: what their members say to them waits, in order and within bounds, or ends the session by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tickwire_proto::frame::{Identity, JoinHow, JoinedInfo, Presence};
use tickwire_proto::{ClientEvent, ClientSession, Reason, SessionConfig, Tick, Time};
use tickwire_server::{
    Front, FrontConfig, FrontInput, FrontOutput, LobbyInput, MemberId, NamespaceSpec, Namespaces,
    RoomInput, RoomOutput, SessionKey, WAITING_BYTES_MAX, WAITING_MAX,
};

use crate::common::kinds;

const STUCK: u32 = 8;
const OTHER: u32 = 9;

/// A front with one client in two rooms, which are inboxes that no one empties: so many inputs fit into each.
struct Hall {
    front: Front,
    key: SessionKey,
    client: ClientSession,
    now: Time,
    fits: BTreeMap<u32, usize>,
    inboxes: BTreeMap<u32, Vec<RoomInput>>,
    left_out: usize,
    /// In the order in which it was told.
    lobby: Vec<LobbyInput>,
}

impl Hall {
    fn new(fits: usize) -> Hall {
        // Not what is proved here: how fast a client may speak.
        let mut session = SessionConfig::default();
        session.limits.messages_per_s = 1 << 20;
        session.limits.bytes_per_s = 1 << 30;
        let config = FrontConfig {
            session,
            ..FrontConfig::default()
        };
        let kinds = kinds().into_iter().map(Arc::new).collect();
        let namespaces = Namespaces::new([NamespaceSpec::new("/", kinds)]);
        let mut front = Front::new(config, Arc::new(namespaces));
        let now = Time::from_millis(1);
        let key = front.link_opened(now, [7; 32]);
        let mut client = ClientSession::new(now, session, 1);
        client.link_open(now);
        client.attach(0, "/", b"", 0);
        for request in [STUCK, OTHER] {
            let how = JoinHow::Quick {
                kind: "hello",
                attributes: vec![],
            };
            client.join(request, 0, &how, 0);
        }
        let mut hall = Hall {
            front,
            key,
            client,
            now,
            fits: BTreeMap::from([(STUCK, fits), (OTHER, usize::MAX)]),
            inboxes: BTreeMap::new(),
            left_out: 0,
            lobby: vec![],
        };
        hall.talk();
        assert_eq!(hall.lobby.len(), 2, "two joins");
        hall.inboxes.clear();
        hall
    }

    /// Frames go both ways until nobody has any; what the front tells is delivered.
    fn talk(&mut self) -> Vec<ClientEvent> {
        let mut events = vec![];
        self.now = self.now.plus(std::time::Duration::from_millis(200)); // receipts are due
        self.front.handle_timeout(self.now);
        loop {
            let mut any = false;
            while let Some(frame) = self.client.next(self.now, 1 << 16) {
                self.front.frame(self.now, self.key, &frame);
                any = true;
            }
            while let Some(output) = self.front.poll() {
                self.deliver(output);
                any = true;
            }
            while let Some(out) = self.front.next(self.now, self.key, 1 << 16) {
                self.client.handle_frame(self.now, &out.head);
                any = true;
            }
            events.extend(std::iter::from_fn(|| self.client.poll_event()));
            if !any {
                return events;
            }
        }
    }

    fn deliver(&mut self, output: FrontOutput) {
        match output {
            FrontOutput::AuthWanted { request, .. } => self.front.handle(
                self.now,
                FrontInput::AuthDone {
                    session: request.session,
                    attachment: request.attachment,
                    answer: Box::new(Ok(Identity::new("ann"))),
                },
            ),
            FrontOutput::ToRoom {
                session,
                room,
                input,
            } => {
                let refused = match self.front.waits_for(room) {
                    true => Err(input),
                    false => give(&mut self.inboxes, &self.fits, room, input),
                };
                if let Err(input) = refused
                    && !self.front.not_taken(self.now, session, room, input)
                {
                    self.left_out += 1;
                }
            }
            FrontOutput::ToLobby(input) => {
                let Some(input) = self.front.in_order(input) else {
                    return;
                };
                if let LobbyInput::Join(join) = &input {
                    self.let_in(join.request);
                }
                self.lobby.push(input);
            }
            _ => {}
        }
    }

    fn let_in(&mut self, request: u32) {
        let (session, room, member) = (self.key, request, MemberId(request + 100));
        let entered = FrontInput::Entered {
            session,
            request,
            room,
            member,
        };
        self.front.handle(self.now, entered);
        let info = JoinedInfo {
            request,
            room,
            id: "A".to_owned(),
            kind: "hello".to_owned(),
            seat: 0,
            member: member.0,
            tick: Tick(1),
            tick_us: 33_333,
            send_every: 1,
            schema_hash: 1,
            schema: None,
            members: vec![],
        };
        let output = RoomOutput::Joined {
            session,
            info: Box::new(info),
        };
        self.front
            .handle(self.now, FrontInput::Room { room, output });
    }

    fn say(&mut self, room: u32, number: u32, bytes: usize) {
        let mut payload = number.to_le_bytes().to_vec();
        payload.resize(4 + bytes, 0);
        self.client
            .send(room, 0, 7, &payload)
            .expect("the outbox has room for it");
        self.talk();
    }

    /// The room takes so many more, and what waits is offered.
    fn more(&mut self, room: u32, more: usize) {
        *self.fits.get_mut(&room).unwrap() += more;
        let (inboxes, fits) = (&mut self.inboxes, &self.fits);
        self.front
            .offer(|room, input| give(inboxes, fits, room, input));
        self.talk();
    }

    /// The numbers that a room was told.
    fn heard(&self, room: u32) -> Vec<u32> {
        let inputs = self.inboxes.get(&room).into_iter().flatten();
        let numbers = inputs.filter_map(|input| match input {
            RoomInput::Message { payload, .. } => payload.first_chunk().copied(),
            _ => None,
        });
        numbers.map(u32::from_le_bytes).collect()
    }
}

fn give(
    inboxes: &mut BTreeMap<u32, Vec<RoomInput>>,
    fits: &BTreeMap<u32, usize>,
    room: u32,
    input: RoomInput,
) -> Result<(), RoomInput> {
    let inbox = inboxes.entry(room).or_default();
    if inbox.len() >= fits[&room] {
        return Err(input);
    }
    inbox.push(input);
    Ok(())
}

#[test]
fn what_a_full_room_does_not_take_waits_in_order_and_other_rooms_hear_at_once() {
    let mut hall = Hall::new(3);
    for number in 0..10 {
        hall.say(STUCK, number, 0);
        hall.say(OTHER, number, 0);
    }
    assert_eq!(hall.heard(STUCK), [0, 1, 2]);
    assert_eq!(hall.heard(OTHER), Vec::from_iter(0..10));
    assert_eq!(hall.client.backlog(), (0, 0), "all of it is acknowledged");
    hall.more(STUCK, 2);
    assert_eq!(hall.heard(STUCK), [0, 1, 2, 3, 4]);
    hall.say(STUCK, 10, 0);
    hall.more(STUCK, 100);
    assert_eq!(hall.heard(STUCK), Vec::from_iter(0..11));
    assert!(!hall.front.rooms_are_full());
    hall.say(STUCK, 11, 0);
    assert_eq!(
        hall.heard(STUCK).last(),
        Some(&11),
        "as if nothing had been"
    );
    assert_eq!(hall.left_out, 0);
}

#[test]
fn who_is_away_and_back_and_who_leaves_does_so_behind_what_was_said() {
    let mut hall = Hall::new(0);
    hall.say(STUCK, 1, 0);
    hall.front.link_lost(hall.now, hall.key);
    hall.client.link_lost(hall.now);
    hall.talk();
    let back = hall.front.link_opened(hall.now, [8; 32]);
    hall.client.link_open(hall.now);
    let hello = hall.client.next(hall.now, 1 << 16).expect("a hello");
    hall.front.frame(hall.now, back, &hello);
    hall.talk();
    hall.say(STUCK, 2, 0);
    hall.client.leave(STUCK);
    hall.talk();
    assert!(
        !hall
            .lobby
            .iter()
            .any(|it| matches!(it, LobbyInput::Leave { .. })),
        "it said something there that the room has not heard"
    );
    hall.more(STUCK, 100);
    let order: Vec<&str> = hall.inboxes[&STUCK]
        .iter()
        .filter_map(|input| match input {
            RoomInput::Message { .. } => Some("said"),
            RoomInput::Presence {
                presence: Presence::Away,
                ..
            } => Some("away"),
            RoomInput::Resumed { .. } => Some("back"),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["said", "away", "back", "said"]);
    assert!(matches!(
        hall.lobby.last(),
        Some(LobbyInput::Leave { room: STUCK, .. })
    ));
}

#[test]
fn too_much_that_waits_ends_the_session_and_both_sides_know_why() {
    for (bytes, most) in [(0, WAITING_MAX), (4_000, WAITING_BYTES_MAX / 4_068)] {
        let mut hall = Hall::new(0);
        for number in 0..most as u32 {
            hall.say(STUCK, number, bytes);
        }
        assert!(hall.front.sessions().next().unwrap().ending.is_none());
        let payload = vec![0; bytes + 4];
        hall.client.send(STUCK, 0, 7, &payload).unwrap();
        let events = hall.talk();
        let told = events.iter().find_map(|event| match event {
            ClientEvent::Ended(ending) => Some(ending.clone()),
            _ => None,
        });
        let told = told.expect("the client is told");
        assert_eq!(told.reason, Reason::Overflow);
        assert!(told.message.contains("wait"), "{}", told.message);
        let counted = hall.front.stats().endings;
        assert_eq!(counted.get(&Reason::Overflow), Some(&1));
        hall.more(STUCK, most + 5);
        assert_eq!(
            hall.heard(STUCK),
            Vec::from_iter(0..most as u32),
            "what was kept is heard, whole and in order, and nothing else"
        );
    }
}

#[test]
fn a_room_that_ends_takes_what_waits_for_it_along() {
    let mut hall = Hall::new(0);
    for number in 0..900 {
        hall.say(STUCK, number, 0);
    }
    hall.front.handle(
        hall.now,
        FrontInput::RoomEnded {
            room: STUCK,
            reason: tickwire_proto::frame::RoomEnd::Failed,
            message: "it hung".to_owned(),
        },
    );
    let events = hall.talk();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, ClientEvent::RoomEnded { room: STUCK, .. }))
    );
    assert!(!hall.front.rooms_are_full());
    // And it counts for the session no more.
    *hall.fits.get_mut(&OTHER).unwrap() = 0;
    for number in 0..900 {
        hall.say(OTHER, number, 0);
    }
    assert!(hall.front.sessions().next().unwrap().ending.is_none());
}

#[test]
fn what_may_be_left_out_waits_for_nobody() {
    let mut hall = Hall::new(0);
    hall.say(STUCK, 0, 0);
    for _ in 0..50 {
        let volatile = hall.client.send_volatile(STUCK, 0, 7, b"1234");
        assert!(volatile.is_ok());
        hall.talk();
    }
    assert_eq!(hall.left_out, 50);
    let command = RoomInput::Command {
        member: MemberId(1),
        held: tickwire_proto::frame::Holding::of(Tick(1)),
        tick: Tick(2),
        shown: None,
        said: None,
        payload: Bytes::new(),
    };
    let (now, key) = (hall.now, Some(hall.key));
    assert!(!hall.front.not_taken(now, key, STUCK, command));
    hall.more(STUCK, 100);
    assert_eq!(hall.heard(STUCK), [0]);
}
