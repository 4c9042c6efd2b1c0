//! Games to play, and a client that plays them over the loopback and compares each update with the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bevy_ecs::prelude::*;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tickwire_proto::frame::{
    AreaDelta, AskOutcome, HostAsk, JoinHow, JoinedInfo, MemberChangeOwned, PersonSeenOwned,
    Refusal, RoomEnd, RoomInfoOwned, SLACK_NONE,
};
use tickwire_proto::{ClientEvent, ClientSession, Ending, ServerFrame, SessionConfig, Tick, Time};
use tickwire_server::{FrontConfig, Kind, LobbyConfig, Loopback, RoomStats, SessionKey};
use tickwire_sim::GameKind;
use tickwire_sim::prelude::*;
use tickwire_snapshot::{Area, AreaId, Basis, OwnedRow, Schema, decode, values};

/// Where a dot is.
#[derive(Replicate, Default)]
pub struct Dot {
    #[net(range = 0.0..=800.0, step = 0.1)]
    pub x: f32,
    #[net(range = 0.0..=600.0, step = 0.1)]
    pub y: f32,
    pub hue: u8,
}

/// What a player asks for.
#[derive(PlayerCommand, Clone, Copy, Default)]
pub struct Steer {
    #[net(range = -1..=1)]
    pub x: i8,
    #[net(range = -1..=1)]
    pub y: i8,
    /// The dot that is steered: none is one's own.
    pub which: Option<Entity>,
}

/// Something said.
#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Say {
    pub text: String,
}

fn join(In(player): In<Player>, mut commands: Commands) {
    commands.spawn((
        Dot {
            x: 400.0,
            y: 300.0,
            hue: player.hue(),
        },
        OwnedBy(player),
    ));
}

fn steer(mut dots: Query<(&mut Dot, &Asks<Steer>)>) {
    for (mut dot, ask) in &mut dots {
        if (ask.x, ask.y) != (0, 0) {
            dot.x = (dot.x + 6.0 * f32::from(ask.x)).clamp(0.0, 800.0);
            dot.y = (dot.y + 6.0 * f32::from(ask.y)).clamp(0.0, 600.0);
        }
    }
}

fn echo(In(said): In<FromPlayer<Say>>, mut outbox: ResMut<Outbox>) {
    if said.message.text == "fail" {
        panic!("the game was asked to fail");
    }
    outbox.except(said.player, &said.message);
    outbox.to(
        said.player,
        &Say {
            text: "heard".into(),
        },
    );
}

fn crowd(mut commands: Commands) {
    for n in 0..1_000u32 {
        commands.spawn(Dot {
            x: (n % 40) as f32 * 20.0,
            y: (n / 40) as f32 * 20.0,
            hue: 0,
        });
    }
}

/// A dot for every player, 30 ticks and updates a second.
pub fn hello(game: &mut Game) {
    game.rate(30)
        .seats(64)
        .replicate::<Dot>()
        .command::<Steer>()
        .message::<Say>();
    game.on_message(echo).on_join(join).systems(steer);
}

/// The same among a thousand things that never move, and for more players than a room of `hello` takes.
pub fn museum(game: &mut Game) {
    game.rate(30)
        .seats(1_000)
        .replicate::<Dot>()
        .command::<Steer>();
    game.on_start(crowd).systems(steer);
}

/// Updates every third tick.
pub fn slow(game: &mut Game) {
    hello(game);
    game.rate(60).send(20);
}

/// Nothing but talk: no component, no command, no beat.
pub fn chat(game: &mut Game) {
    game.on_demand().rate(20).seats(1_000).on_message(echo);
}

/// Moves on demand: what is said moves a dot, and all see where it went.
pub fn board(game: &mut Game) {
    fn walk(In(said): In<FromPlayer<Say>>, mut dots: Query<(&mut Dot, &OwnedBy)>) {
        for (mut dot, owner) in &mut dots {
            if owner.0 == said.player {
                dot.x += said.message.text.len() as f32;
            }
        }
    }
    game.on_demand()
        .replicate::<Dot>()
        .on_join(join)
        .on_message(walk);
}

/// Like `hello`, but asleep while nobody is online.
pub fn dreams(game: &mut Game) {
    hello(game);
    game.sleeps();
}

/// Like `hello`, where systems look back.
pub fn shots(game: &mut Game) {
    hello(game);
    game.rewindable(|dot: &Dot| Hitbox::circle((dot.x, dot.y), 5.0));
    game.systems(look_back);
}

fn look_back(rewind: Res<Rewind>, owners: Query<&OwnedBy>) {
    for owner in &owners {
        let _ = rewind.of(owner.0);
    }
}

pub fn kinds() -> Vec<Kind> {
    vec![
        Kind::from(GameKind::new("hello", hello)),
        Kind::from(GameKind::new("museum", museum)),
        Kind::from(GameKind::new("slow", slow)),
    ]
}

pub fn server() -> Loopback {
    Loopback::new(kinds())
}

/// A server of `shots` alone.
pub fn shooting() -> Loopback {
    Loopback::new(vec![Kind::from(GameKind::new("shots", shots))])
}

/// A server that waits for no client whose link is lost.
pub fn impatient() -> Loopback {
    let mut front = FrontConfig::default();
    front.session.limits.resume_window_ms = 0;
    Loopback::with(
        kinds(),
        tickwire_server::AcceptAll,
        front,
        LobbyConfig::default(),
    )
}

pub fn sharded(shards: u16) -> Loopback {
    let front = FrontConfig {
        shards,
        ..FrontConfig::default()
    };
    Loopback::with(
        kinds(),
        tickwire_server::AcceptAll,
        front,
        LobbyConfig::default(),
    )
}

pub const QUICK: JoinHow<'static> = JoinHow::Quick {
    kind: "hello",
    attributes: Vec::new(),
};

/// A client with a real session.
pub struct Peer {
    pub key: SessionKey,
    pub session: ClientSession,
    pub joined: Vec<JoinedInfo>,
    pub refused: Vec<(u32, Refusal)>,
    pub attach_refused: Vec<Refusal>,
    /// Attachments that the server ended.
    pub attach_ended: Vec<(u8, Refusal)>,
    pub members: Vec<MemberChangeOwned>,
    pub messages: Vec<(u32, Bytes)>,
    /// Questions of its rooms: room, number, bytes.
    pub asked: Vec<(u32, u32, Bytes)>,
    /// What became of its own requests: number, outcome.
    pub outcomes: Vec<(u32, AskOutcome)>,
    pub lists: Vec<Vec<RoomInfoOwned>>,
    pub ended: Vec<(u32, RoomEnd, String)>,
    /// What it was told of those it follows.
    pub people: Vec<PersonSeenOwned>,
    pub follow_refused: Vec<Refusal>,
    /// Cursor, kind, payload.
    pub notices: Vec<(u64, String, Bytes)>,
    pub over: Option<Ending>,
    /// Attachments whose identity had expired, as often as it was told so.
    pub expired: Vec<u8>,
    pub renewed: Vec<u8>,
    /// The rooms that it was moved from.
    pub moved: Vec<u32>,
    /// The rooms that it is in, as far as it was told.
    pub inside: BTreeSet<u32>,
    /// Lists that it watches, by request.
    pub live: BTreeMap<u32, BTreeMap<String, RoomInfoOwned>>,
    /// Changes of them that were told.
    pub changes: u32,
    pub host_done: Vec<u32>,
    pub applied: Option<Tick>,
    pub slack: i8,
    pub tick_frames: u32,
    /// The shared frames of all updates.
    pub updates: Vec<(Tick, Bytes)>,
    pub keyframes: u32,
    pub hashes: u32,
    pub stills: u32,
    pub bytes: usize,
    /// What it holds, by room.
    pub areas: BTreeMap<u32, (Tick, Arc<Area>)>,
    schema: Option<Arc<Schema>>,
    /// What it sends is lost.
    pub mute: bool,
    /// What it is sent waits somewhere on the way.
    pub stalled: bool,
    /// It does not compare what it gets with the newest truth, since it gets it late.
    pub late: bool,
    /// It tells no receipts.
    pub holds_nothing: bool,
    requests: u32,
}

impl Peer {
    pub fn open(server: &mut Loopback, now: Time) -> Peer {
        let key = server.open(now);
        let mut session = ClientSession::new(now, SessionConfig::default(), key.0);
        session.link_open(now);
        Peer {
            key,
            session,
            joined: vec![],
            refused: vec![],
            attach_refused: vec![],
            attach_ended: vec![],
            members: vec![],
            messages: vec![],
            asked: vec![],
            outcomes: vec![],
            lists: vec![],
            ended: vec![],
            people: vec![],
            follow_refused: vec![],
            notices: vec![],
            over: None,
            expired: vec![],
            renewed: vec![],
            moved: vec![],
            inside: BTreeSet::new(),
            live: BTreeMap::new(),
            changes: 0,
            host_done: vec![],
            applied: None,
            slack: 0,
            tick_frames: 0,
            updates: vec![],
            keyframes: 0,
            hashes: 0,
            stills: 0,
            bytes: 0,
            areas: BTreeMap::new(),
            schema: None,
            mute: false,
            stalled: false,
            late: false,
            holds_nothing: false,
            requests: 0,
        }
    }

    /// Its link is lost with what was on its way, and it opens another one, on the next front. It may be that the server notices later.
    pub fn relink(&mut self, server: &mut Loopback, now: Time, noticed: bool) {
        if noticed {
            server.lose(now, self.key);
        }
        server.take(self.key);
        self.session.link_lost(now);
        let session = self.key;
        self.key = server.open(now);
        self.session.link_open(now);
        while let Some(frame) = self.session.next(now, usize::MAX) {
            server.send(now, self.key, &frame);
        }
        self.key = session;
    }

    pub fn guest(server: &mut Loopback, now: Time, name: &str) -> Peer {
        let mut peer = Peer::open(server, now);
        peer.session
            .attach(0, "/", format!(r#"{{"guest":"{name}"}}"#).as_bytes(), 0);
        peer
    }

    pub fn player(server: &mut Loopback, now: Time, name: &str, how: &JoinHow) -> Peer {
        let mut peer = Peer::guest(server, now, name);
        peer.join(how);
        peer
    }

    pub fn join(&mut self, how: &JoinHow) -> u32 {
        self.requests += 1;
        self.session.join(self.requests, 0, how, 0);
        self.requests
    }

    pub fn list(&mut self, kind: &str) {
        self.requests += 1;
        self.session.lobby(self.requests, 0, kind);
    }

    pub fn watch_list(&mut self, kind: &str, attributes: &[(&str, &str)]) -> u32 {
        self.requests += 1;
        self.session.lobby_watch(self.requests, 0, kind, attributes);
        self.requests
    }

    /// Asks as the host of its last room.
    pub fn host_ask(&mut self, ask: &HostAsk) -> u32 {
        self.requests += 1;
        self.session.host_ask(self.requests, self.room(), ask);
        self.requests
    }

    /// The code of the last refusal.
    pub fn refusal(&self) -> &str {
        self.refused.last().map_or("", |(_, it)| it.code.as_str())
    }

    pub fn room(&self) -> u32 {
        self.joined.last().expect("it has joined").room
    }

    pub fn area(&self) -> &Arc<Area> {
        &self.areas[&self.room()].1
    }

    pub fn held(&self) -> Tick {
        self.areas[&self.room()].0
    }

    /// A command for the tick after the next.
    pub fn steer(&mut self, server: &Loopback, x: i32, y: i32) {
        let tick = server
            .room(self.room())
            .expect("the room is there")
            .tick_now()
            .plus(2);
        self.steer_at(tick, x, y);
    }

    pub fn steer_at(&mut self, tick: Tick, x: i32, y: i32) {
        let payload = steer_bytes(self.schema.as_ref().expect("it has a schema"), x, y);
        self.session.command(self.room(), tick, &payload);
    }

    /// Says what it has to say, and hears what has arrived.
    pub fn pump(&mut self, server: &mut Loopback, now: Time) {
        self.session.handle_timeout(now);
        self.write(server, now);
        if self.stalled {
            return;
        }
        for frame in server.take(self.key) {
            self.bytes += frame.len();
            self.session.handle_frame(now, &frame);
            while let Some(event) = self.session.poll_event() {
                self.hear(server, event);
            }
            // A tick frame and its update are read together; all else is answered one by one, the hardest case for receipts.
            if !matches!(
                ServerFrame::decode(&frame),
                Ok(ServerFrame::TickFrame { .. })
            ) {
                self.write(server, now);
            }
        }
        self.write(server, now);
    }

    fn write(&mut self, server: &mut Loopback, now: Time) {
        while let Some(frame) = self.session.next(now, usize::MAX) {
            if !self.mute {
                server.send(now, self.key, &frame);
            }
        }
    }

    fn hear(&mut self, server: &Loopback, event: ClientEvent) {
        match event {
            ClientEvent::Joined(info) => {
                let bytes = info
                    .schema
                    .as_ref()
                    .expect("a generic client is given the schema");
                self.schema = Some(Arc::new(Schema::from_bytes(bytes).expect("a schema")));
                self.areas.remove(&info.room);
                self.inside.insert(info.room);
                self.joined.push(info);
            }
            ClientEvent::JoinRefused { request, refusal } => self.refused.push((request, refusal)),
            ClientEvent::AttachRefused { refusal, .. } => self.attach_refused.push(refusal),
            ClientEvent::CredentialsWanted { attachment, .. } => self.expired.push(attachment),
            ClientEvent::Renewed { attachment } => self.renewed.push(attachment),
            ClientEvent::AttachEnded {
                attachment,
                refusal,
            } => self.attach_ended.push((attachment, refusal)),
            ClientEvent::TickFrame { applied, slack, .. } => {
                self.applied = applied;
                if slack != SLACK_NONE {
                    self.slack = slack;
                }
                self.tick_frames += 1;
            }
            ClientEvent::Update { room, tick, frame } => self.update(server, room, tick, frame),
            ClientEvent::Message { kind, payload, .. } => self.messages.push((kind, payload)),
            ClientEvent::Ask {
                room,
                number,
                payload,
                ..
            } => self.asked.push((room, number, payload)),
            ClientEvent::Reply {
                number, outcome, ..
            } => self.outcomes.push((number, outcome)),
            ClientEvent::Member { change, .. } => self.members.push(change),
            ClientEvent::RoomEnded {
                room,
                reason,
                message,
            } => {
                self.inside.remove(&room);
                self.ended.push((room, reason, message));
            }
            ClientEvent::LobbyList { rooms, .. } => self.lists.push(rooms),
            ClientEvent::Moved { room, .. } => {
                self.inside.remove(&room);
                self.moved.push(room);
            }
            ClientEvent::HostDone { request } => self.host_done.push(request),
            ClientEvent::LobbyChange {
                request,
                whole,
                rooms,
                gone,
            } => {
                self.changes += 1;
                let list = self.live.entry(request).or_default();
                if whole {
                    list.clear();
                }
                for id in gone {
                    assert!(list.remove(&id).is_some(), "{id} was on the list");
                }
                list.extend(rooms.into_iter().map(|room| (room.id.clone(), room)));
            }
            ClientEvent::Ended(ending) => self.over = Some(ending),
            ClientEvent::Followed { people, .. } => self.people.extend(people),
            ClientEvent::FollowRefused { refusal, .. } => self.follow_refused.push(refusal),
            ClientEvent::Notice {
                cursor,
                kind,
                payload,
                ..
            } => self.notices.push((cursor, kind, payload)),
            _ => {}
        }
    }

    fn update(&mut self, server: &Loopback, room: u32, tick: Tick, frame: Bytes) {
        let schema = self.schema.clone().expect("it has a schema");
        let Ok(ServerFrame::Update { areas, .. }) = ServerFrame::decode(&frame) else {
            panic!("no update");
        };
        for delta in areas {
            let basis = match delta.basis {
                None => {
                    self.keyframes += 1;
                    Basis::nothing()
                }
                Some(from) => {
                    let (held, area) = self
                        .areas
                        .get(&room)
                        .expect("a delta starts from what is held");
                    assert_eq!(from, *held, "the basis is the last update sent");
                    Basis::of(area)
                }
            };
            if delta.flags & AreaDelta::STILL != 0 {
                self.stills += 1;
                self.areas
                    .get_mut(&room)
                    .expect("still is said of what is held")
                    .0 = tick;
                continue;
            }
            let (hash, payload) = delta.split_hash();
            let decoded =
                decode(&schema, &basis, AreaId(delta.area), tick, payload).expect("a sound delta");
            let area = decoded.basis.area.expect("an area");
            if let Some(hash) = hash {
                assert_eq!(hash, area.hash());
                self.hashes += 1;
            }
            self.areas.insert(room, (tick, area));
        }
        self.updates.push((tick, frame));
        if !self.holds_nothing {
            self.session.held(room, tick);
        }
        if !self.late {
            let truth = server
                .room(room)
                .and_then(|room| room.newest())
                .expect("a truth");
            assert_eq!(truth.tick, tick);
            assert!(
                truth
                    .area(AreaId::ALL)
                    .expect("the area")
                    .same(&self.areas[&room].1),
                "the view is the truth"
            );
        }
    }
}

pub fn steer_bytes(schema: &Schema, x: i32, y: i32) -> Bytes {
    let record = schema.command.as_ref().expect("hello has commands");
    let mut row = OwnedRow::new(record);
    for (name, value) in [("x", x), ("y", y)] {
        let field = record.field(name).expect("the field");
        row.row_mut(record)
            .field(field)
            .quant
            .clone()
            .put_number(f64::from(value), row.row_mut(record).field(field).ints);
    }
    values::encode_record(record, &row.ints, &row.blobs)
}

/// Time that the tests hand in.
pub struct World {
    pub server: Loopback,
    pub now: Time,
    pub peers: Vec<Peer>,
}

impl World {
    pub fn new(server: Loopback) -> World {
        World {
            server,
            now: Time::from_millis(1),
            peers: vec![],
        }
    }

    /// A server with players in one room of a kind.
    pub fn with_players(server: Loopback, kind: &str, count: usize) -> World {
        let mut world = World::new(server);
        for n in 0..count {
            let how = JoinHow::Quick {
                kind,
                attributes: vec![],
            };
            let peer = Peer::player(&mut world.server, world.now, &format!("P{n}"), &how);
            world.peers.push(peer);
        }
        world.run(1_500);
        assert!(
            world.peers.iter().all(|peer| peer.joined.len() == 1),
            "all are in"
        );
        world
    }

    /// Lets so many milliseconds pass, in steps of 5.
    pub fn run(&mut self, ms: u64) {
        self.run_with(ms, |_| {});
    }

    pub fn run_with(&mut self, ms: u64, mut each: impl FnMut(&mut World)) {
        for _ in 0..ms.div_ceil(5) {
            self.now = self.now.plus(std::time::Duration::from_millis(5));
            each(self);
            let now = self.now;
            for peer in &mut self.peers {
                peer.pump(&mut self.server, now);
            }
            self.server.advance(now);
            for peer in &mut self.peers {
                peer.pump(&mut self.server, now);
            }
        }
    }

    /// Until so many ticks of the first peer's room are done.
    pub fn ticks(&mut self, ticks: u32, mut each: impl FnMut(&mut World)) {
        let room = self.peers[0].room();
        let at = |world: &World| world.server.room(room).expect("the room").tick_now();
        let end = at(self).plus(ticks);
        while at(self) < end {
            let before = at(self);
            self.run_with(5, |_| {});
            if at(self) > before {
                each(self);
            }
        }
    }

    pub fn stats(&self) -> RoomStats {
        self.server
            .room(self.peers[0].room())
            .expect("the room")
            .stats()
    }
}

/// The first player goes to and fro.
pub fn wander(world: &mut World) {
    let way = if (world.now.as_millis() / 1000).is_multiple_of(2) {
        1
    } else {
        -1
    };
    let World { server, peers, .. } = world;
    peers[0].steer(server, way, way);
}
