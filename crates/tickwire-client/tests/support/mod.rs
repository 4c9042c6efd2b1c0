//! A client and the server's session it talks to, with one room whose truth the test writes by hand.

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tickwire_client::{Client, ClientConfig, ClientEvent, ClientOutput, RoomKey};
use tickwire_proto::frame::parts::NO_SEAT;
use tickwire_proto::frame::{
    AreaDelta, AskOutcome, Identity, JoinHowOwned, JoinedInfo, MemberInfoOwned, Presence,
    ServerFrame,
};
use tickwire_proto::{ServerEvent, ServerSession, SessionConfig, Tick, Time};
use tickwire_snapshot::{
    Area, AreaEdit, AreaId, Basis, Encoder, FieldSchema, Lerp, MessageSchema, NetId, Quant,
    RecordSchema, Schema, TickEvent, shape::Shape,
};

pub const ROOM: u32 = 42;
pub const SEAT: u16 = 3;
pub const CHAT: u32 = tickwire_snapshot::schema::name_id("Chat");
/// A request, which a chat answers.
pub const GUESS: u32 = tickwire_snapshot::schema::name_id("Guess");

fn range(max: f64, step: f64) -> Quant {
    Quant::Range {
        min: 0.0,
        max,
        step,
    }
}

/// What moves along its velocity, teleports, and began at a tick.
fn rock() -> RecordSchema {
    let speed = Quant::Range {
        min: -1000.0,
        max: 1000.0,
        step: 0.5,
    };
    let began = Quant::Bits {
        bits: 32,
        signed: false,
    };
    RecordSchema::new(
        "Rock",
        vec![
            FieldSchema::new("x", range(1000.0, 0.0625))
                .with_velocity("vx")
                .with_lerp(Lerp::Hermite)
                .with_teleport(64.0),
            FieldSchema::new("vx", speed),
            FieldSchema::new("turn", Quant::Angle { bits: 12 }),
            FieldSchema::new("began", began),
        ],
    )
}

/// Balls with a place and an owner, a resource, an event, a command.
pub fn schema() -> Arc<Schema> {
    let mut schema = Schema::new("balls", 33_333);
    schema.components = vec![
        RecordSchema::new(
            "Ball",
            vec![
                FieldSchema::new("x", range(1000.0, 0.125)),
                FieldSchema::new("turn", Quant::Angle { bits: 10 }),
                FieldSchema::new("name", Quant::Text { max: 20 }),
            ],
        ),
        RecordSchema::new(
            "OwnedBy",
            vec![FieldSchema::new(
                "seat",
                Quant::Bits {
                    bits: 16,
                    signed: false,
                },
            )],
        ),
        rock(),
    ];
    let lives = FieldSchema::new(
        "lives",
        Quant::Bits {
            bits: 8,
            signed: false,
        },
    );
    schema.resources = vec![RecordSchema::new("Score", vec![lives])];
    schema.events = vec![RecordSchema::new(
        "Boom",
        vec![FieldSchema::new("x", range(1000.0, 1.0))],
    )];
    let step = Quant::Range {
        min: -1.0,
        max: 1.0,
        step: 1.0,
    };
    schema.command = Some(RecordSchema::new(
        "Steer",
        vec![FieldSchema::new("x", step)],
    ));
    let message = |name: &str, kind: u32, reply: Option<u32>| MessageSchema {
        name: name.to_owned(),
        kind,
        shape: Shape::Struct {
            name: name.to_owned(),
            fields: vec![("text".to_owned(), Shape::Str { max: 40 })],
        },
        reply,
    };
    schema.messages = vec![
        message("Chat", CHAT, None),
        message("Guess", GUESS, Some(CHAT)),
    ];
    schema.seal().expect("a schema");
    Arc::new(schema)
}

/// The room's truth, edited by hand, and the updates made of it.
pub struct Truth {
    pub schema: Arc<Schema>,
    pub area: Arc<Area>,
    pub tick: Tick,
    encoder: Encoder,
    sent: Option<(Tick, Basis)>,
}

impl Truth {
    pub fn new() -> Self {
        let schema = schema();
        Self {
            area: Arc::new(Area::empty(AreaId::ALL, &schema)),
            encoder: Encoder::new(&schema),
            schema,
            tick: Tick(0),
            sent: None,
        }
    }

    /// Changes the truth at a tick. What was true before is known to have been so at the tick before.
    pub fn change(&mut self, tick: u32, change: impl FnOnce(&mut AreaEdit, &Schema)) {
        self.change_since(tick.saturating_sub(1), tick, change);
    }

    /// The same of what may have changed from an earlier tick on.
    pub fn change_since(
        &mut self,
        since: u32,
        tick: u32,
        change: impl FnOnce(&mut AreaEdit, &Schema),
    ) {
        self.tick = Tick(tick);
        let mut edit = AreaEdit::new(&self.area, self.tick, &self.schema);
        edit.unchanged_until(Tick(since));
        change(&mut edit, &self.schema);
        if let Some(area) = edit.finish() {
            self.area = area;
        }
    }

    /// A ball at `x` in a slot.
    pub fn ball(&mut self, tick: u32, slot: u32, generation: u16, x: f64) {
        self.change(tick, |edit, schema| {
            set_ball(edit, schema, slot, generation, x)
        });
    }

    /// The shared frame that brings a client from the last one to the truth at `tick`.
    pub fn update(&mut self, tick: u32) -> Bytes {
        self.tick = Tick(tick);
        let (flags, payload, basis) = match &self.sent {
            Some((_, basis))
                if basis
                    .area
                    .as_ref()
                    .is_some_and(|held| Arc::ptr_eq(held, &self.area)) =>
            {
                (AreaDelta::STILL, Bytes::new(), basis.clone())
            }
            Some((_, basis)) => {
                let (payload, basis) = self.encoder.encode(basis, &self.area, self.tick);
                (0, payload, basis)
            }
            None => {
                let (payload, basis) =
                    self.encoder
                        .encode(&Basis::default(), &self.area, self.tick);
                let hashed = [&self.area.hash().to_le_bytes()[..], &payload].concat();
                (AreaDelta::HASH, Bytes::from(hashed), basis)
            }
        };
        let from = self.sent.as_ref().map(|(tick, _)| *tick);
        self.sent = Some((self.tick, basis));
        frame(self.tick, from, flags, &payload)
    }

    /// The next update is a keyframe.
    pub fn forget(&mut self) {
        self.sent = None;
    }
}

pub fn set_ball(edit: &mut AreaEdit, schema: &Schema, slot: u32, generation: u16, x: f64) {
    let table = schema.component("Ball").expect("balls");
    edit.spawn(NetId { slot, generation });
    edit.set(table, slot, |row| {
        for index in 0..row.fields() {
            let field = row.field(index);
            match field.quant {
                Quant::Range { .. } => field.quant.put_number(x, field.ints),
                Quant::Angle { .. } => field.quant.put_number(x / 100.0, field.ints),
                _ => {
                    if let Some(blob) = field.blob {
                        blob.extend_from_slice(format!("ball {slot}").as_bytes());
                    }
                }
            }
        }
    });
}

/// A rock in a slot, as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rock {
    pub x: f64,
    pub vx: f64,
    pub turn: f64,
    pub began: f64,
}

pub fn set_rock(edit: &mut AreaEdit, schema: &Schema, slot: u32, rock: Rock) {
    let table = schema.component("Rock").expect("rocks");
    let record = &schema.components[table];
    let generation = 0;
    edit.spawn(NetId { slot, generation });
    edit.set(table, slot, |row| {
        for (name, number) in [
            ("x", rock.x),
            ("vx", rock.vx),
            ("turn", rock.turn),
            ("began", rock.began),
        ] {
            let field = row.field(record.field(name).expect("a field"));
            field.quant.put_number(number, field.ints);
        }
    });
}

pub fn own(edit: &mut AreaEdit, schema: &Schema, slot: u32, seat: u16) {
    let table = schema.component("OwnedBy").expect("owners");
    edit.set(table, slot, |row| row.field(0).ints[0] = i32::from(seat));
}

pub fn boom(edit: &mut AreaEdit, tick: u32, x: i32) {
    let event = TickEvent {
        tick: Tick(tick),
        kind: 0,
        lifetime: 30,
        ints: vec![x],
        blobs: vec![],
    };
    assert!(edit.event(event), "room for an event");
}

pub fn frame(tick: Tick, basis: Option<Tick>, flags: u8, payload: &[u8]) -> Bytes {
    let areas = vec![AreaDelta {
        area: 0,
        basis,
        flags,
        payload,
    }];
    ServerFrame::Update {
        room: ROOM,
        tick,
        areas,
    }
    .encode()
}

pub fn tick_frame(tick: Tick, applied: Option<Tick>, slack: i8) -> Bytes {
    ServerFrame::TickFrame {
        room: ROOM,
        tick,
        applied,
        slack,
        stamp: None,
        own: tickwire_proto::frame::OwnTold::Nothing,
        alone: false,
    }
    .encode()
}

/// What the scripted server says to a join: the room's id, or a refusal's code.
pub type Answer = Result<String, &'static str>;

/// A client and its server, on one clock.
pub struct Pair {
    pub now: Time,
    pub client: Client,
    pub server: Option<ServerSession>,
    pub answer: Box<dyn FnMut(&JoinHowOwned) -> Answer>,
    pub asked: Vec<JoinHowOwned>,
    pub keyframes: usize,
    pub commands: Vec<(Tick, Tick, Bytes)>,
    /// Reliable messages that the server heard.
    pub heard: Vec<Bytes>,
    /// What the client says of itself, as it shows.
    pub statuses: Vec<(u32, String)>,
    /// What the client asked to follow: these too, these no more.
    pub follows: Vec<(Vec<String>, Vec<String>)>,
    /// Notices that the client is done with.
    pub done: Vec<u64>,
    /// Requests that the server was asked: number and payload. Nobody answers them by himself.
    pub questions: Vec<(u32, Bytes)>,
    /// Those that were given up, and what became of the server's own.
    pub cancelled: Vec<u32>,
    pub replies: Vec<(u32, AskOutcome)>,
    /// Frames of statuses that the server got.
    pub frames_up: usize,
    /// Credentials that the server was shown.
    pub attaches: usize,
    pub events: Vec<ClientEvent>,
    pub connects: Vec<(Time, u32)>,
    /// The server's session while its link is lost.
    pub away: Option<ServerSession>,
    sessions: u64,
}

impl Pair {
    pub fn new() -> Self {
        let config = ClientConfig {
            credentials: Some(Bytes::from_static(b"{}")),
            ..ClientConfig::default()
        };
        Self::with(config)
    }

    pub fn with(config: ClientConfig) -> Self {
        let now = Time::from_millis(5_000);
        Self {
            now,
            client: Client::new(config, 5, now),
            server: None,
            answer: Box::new(|_| Ok("AAAA".to_owned())),
            asked: Vec::new(),
            keyframes: 0,
            commands: Vec::new(),
            heard: Vec::new(),
            statuses: Vec::new(),
            follows: Vec::new(),
            done: Vec::new(),
            questions: Vec::new(),
            cancelled: Vec::new(),
            replies: Vec::new(),
            frames_up: 0,
            attaches: 0,
            events: Vec::new(),
            connects: Vec::new(),
            away: None,
            sessions: 0,
        }
    }

    /// In a room, with the first update there.
    pub fn joined(truth: &mut Truth) -> (Self, RoomKey) {
        let mut pair = Self::new();
        let room = pair.client.quick("balls", &[]);
        pair.connect();
        assert!(pair.client.is_joined(room), "{:?}", pair.events);
        let update = truth.update(truth.tick.0);
        pair.deliver(truth.tick, update);
        (pair, room)
    }

    /// Opens the link that was asked for, and lets both talk.
    pub fn connect(&mut self) {
        self.open();
        self.talk();
    }

    /// Opens the link that was asked for, to a session that is new.
    pub fn open(&mut self) {
        self.sessions += 1;
        let token = [self.sessions as u8; 32];
        self.drain();
        self.server = Some(ServerSession::new(
            self.now,
            SessionConfig::default(),
            self.sessions,
            token,
        ));
        self.client.link_open(self.now);
    }

    pub fn cut(&mut self) {
        self.server = None;
        self.client.link_lost(self.now, None);
        self.drain();
    }

    /// The link is lost, and both know; the server keeps its session.
    pub fn lose(&mut self) {
        let mut server = self.server.take().expect("a link");
        server.link_lost(self.now);
        self.away = Some(server);
        self.client.link_lost(self.now, None);
        self.drain();
    }

    /// Waits for the next try, and brings the client back to its session.
    pub fn resume(&mut self) {
        self.client.reconnect(self.now);
        self.drain();
        self.client.link_open(self.now);
        let hello = self.client.next(self.now, 1 << 20).expect("a hello");
        let claim = ServerSession::claim(&hello).expect("a claim");
        assert_eq!(
            self.client.next(self.now, 1 << 20),
            None,
            "a claim waits for its welcome"
        );
        let mut server = self.away.take().expect("a session");
        assert!(server.may_resume(&claim.token));
        self.sessions += 1;
        server.resume(self.now, &claim, [self.sessions as u8; 32]);
        self.server = Some(server);
        self.talk();
    }

    /// What the client has to say is heard; what the server answers waits.
    pub fn talk_up(&mut self) {
        let mut server = self.server.take().expect("a link");
        while let Some(frame) = self.client.next(self.now, 1 << 20) {
            server.handle_frame(self.now, &frame);
        }
        self.serve(&mut server);
        self.server = Some(server);
    }

    /// What the server has to say is heard; `lost`: it is written, and never comes.
    pub fn talk_down(&mut self, lost: bool) {
        let mut server = self.server.take().expect("a link");
        while let Some(out) = server.next(self.now, 1 << 20) {
            if !lost {
                self.client.frame(self.now, &out.head);
            }
        }
        self.server = Some(server);
        self.drain();
    }

    pub fn pass(&mut self, span: Duration) {
        self.now = self.now.plus(span);
        self.client.handle_timeout(self.now);
        if let Some(server) = &mut self.server {
            server.handle_timeout(self.now);
        }
        self.talk();
    }

    /// An update for the client, as from the room.
    pub fn deliver(&mut self, tick: Tick, update: Bytes) {
        let server = self.server.as_mut().expect("a link");
        server.update(ROOM, tick, tick_frame(tick, None, 2), Some(update));
        self.talk();
    }

    /// Frames go both ways until all is said.
    pub fn talk(&mut self) {
        for _ in 0..100 {
            let Some(mut server) = self.server.take() else {
                return self.drain();
            };
            let mut quiet = true;
            while let Some(frame) = self.client.next(self.now, 1 << 20) {
                self.frames_up += usize::from(frame.first() == Some(&0x18));
                server.handle_frame(self.now, &frame);
                quiet = false;
            }
            self.serve(&mut server);
            while let Some(out) = server.next(self.now, 1 << 20) {
                self.client.frame(self.now, &out.head);
                if let Some(body) = out.body {
                    self.client.frame(self.now, &body);
                }
                quiet = false;
            }
            self.server = Some(server);
            self.drain();
            if quiet {
                return;
            }
        }
        panic!("they never stop talking");
    }

    fn serve(&mut self, server: &mut ServerSession) {
        while let Some(event) = server.poll_event() {
            match event {
                ServerEvent::AuthWanted { attachment, .. } => {
                    self.attaches += 1;
                    server.attach_done(self.now, attachment, Ok(Identity::new("guest:Ann")));
                }
                ServerEvent::JoinWanted { request, how, .. } => {
                    let answer = (self.answer)(&how);
                    self.asked.push(how);
                    match answer {
                        Ok(id) => server.joined(self.now, joined_info(request, &id)),
                        Err(code) => server.join_refused(
                            request,
                            tickwire_proto::frame::Refusal::new(code, "not now"),
                        ),
                    }
                }
                ServerEvent::Command {
                    held,
                    tick,
                    payload,
                    ..
                } => self.commands.push((held.newest, tick, payload)),
                ServerEvent::Message { payload, .. } => self.heard.push(payload),
                ServerEvent::Follow { add, remove, .. } => self.follows.push((add, remove)),
                ServerEvent::NoticesDone { cursors, .. } => self.done.extend(cursors),
                ServerEvent::Status { room, text } => self.statuses.push((room, text)),
                ServerEvent::Ask {
                    number, payload, ..
                } => self.questions.push((number, payload)),
                ServerEvent::AskCancelled { number, .. } => self.cancelled.push(number),
                ServerEvent::Reply {
                    number, outcome, ..
                } => self.replies.push((number, outcome)),
                ServerEvent::KeyframeWanted { .. } => self.keyframes += 1,
                ServerEvent::LeaveWanted { room } => {
                    server.room_ended(room, tickwire_proto::frame::RoomEnd::Left, "");
                }
                _ => {}
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll() {
            match output {
                ClientOutput::Connect { number, .. } => self.connects.push((self.now, number)),
                ClientOutput::Close => self.server = None,
                ClientOutput::Event(event) => self.events.push(event),
                _ => {}
            }
        }
    }

    /// How often each kind of thing happened, by the name of the event.
    pub fn count(&self, wanted: impl Fn(&ClientEvent) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }
}

/// The acceptance of a join.
pub fn joined_info(request: u32, id: &str) -> JoinedInfo {
    let schema = schema();
    let member = |member, seat, name: &str| MemberInfoOwned {
        member,
        seat,
        name: name.to_owned(),
        presence: Presence::Online,
        status: String::new(),
        flags: tickwire_proto::frame::MemberFlags::default(),
    };
    JoinedInfo {
        request,
        room: ROOM,
        id: id.to_owned(),
        kind: "balls".to_owned(),
        seat: SEAT,
        member: 7,
        tick: Tick(0),
        tick_us: 33_333,
        send_every: 1,
        schema_hash: schema.hash(),
        schema: Some(Bytes::from(schema.to_bytes())),
        members: vec![member(6, NO_SEAT, "Bob"), member(7, SEAT, "Ann")],
    }
}

/// All places of balls in a picture, by slot.
pub fn places(picture: &tickwire_client::Picture) -> BTreeMap<u32, f64> {
    let field = picture.schema().components[picture.schema().component("Ball").expect("balls")]
        .field("x")
        .expect("a place");
    picture
        .named("Ball")
        .filter_map(|row| Some((row.slot(), row.number(field)?)))
        .collect()
}
