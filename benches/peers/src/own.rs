//! Tickwire as it is measured beside its peers: the whole server (sessions, lobby, room, codec, frames) and whole clients, over links in memory.

use bytes::Bytes;
use tickwire::prelude::Profile;
use tickwire_client::{Client, ClientConfig, RoomKey};
use tickwire_peers_common::{Image, Peer, quantised};
use tickwire_proto::Time;
use tickwire_server::{Kind, Loopback, SessionKey};
use tickwire_sim::GameKind;
use tickwire_snapshot::{Area, AreaId};
use tickwire_workload::{Config, Entity, HZ, Sim};

use crate::game::{dense_workload, workload};

/// Ticks in which everybody has joined.
const JOINS: u64 = 90;

pub struct Own {
    server: Loopback,
    clients: Vec<Joined>,
    /// What clients said, on its way.
    said: Vec<(SessionKey, Bytes)>,
    ticks: u64,
    sent: u64,
}

struct Joined {
    client: Client,
    session: SessionKey,
    room: RoomKey,
}

impl Own {
    pub fn new(profile: Profile, config: Config) -> Own {
        let seats = config.players;
        let kind = match profile {
            Profile::Dense => GameKind::new("arena", dense_workload(config, seats)),
            Profile::Fast => GameKind::new("arena", workload(config, seats)),
        };
        let mut server = Loopback::new(vec![Kind::from(kind)]);
        let clients = (0..seats).map(|n| join(&mut server, n)).collect();
        let mut own = Own {
            server,
            clients,
            said: Vec::new(),
            ticks: 0,
            sent: 0,
        };
        while own.ticks < JOINS || own.newest().is_none() {
            own.serve();
            own.deliver();
        }
        own
    }

    /// A little after the room's tick is due.
    fn now(&self) -> Time {
        Time(self.ticks * 1_000_000 / u64::from(HZ) + 500)
    }

    fn newest(&self) -> Option<u32> {
        let Joined { client, room, .. } = &self.clients[0];
        Some(client.view(*room)?.newest_tick()?.0)
    }
}

fn join(server: &mut Loopback, number: u32) -> Joined {
    let now = Time(0);
    let guest = format!(r#"{{"guest":"Guest {number}"}}"#);
    let config = ClientConfig {
        credentials: Some(Bytes::from(guest)),
        ..ClientConfig::default()
    };
    let mut client = Client::new(config, u64::from(number) + 1, now);
    let session = server.open(now);
    client.link_open(now);
    let room = client.quick("arena", &[]);
    Joined {
        client,
        session,
        room,
    }
}

impl Peer for Own {
    /// The room's own systems step the arena, within `serve`.
    fn apply(&mut self, _: &Sim) {}

    fn serve(&mut self) {
        self.ticks += 1;
        let now = self.now();
        for (session, frame) in self.said.drain(..) {
            self.server.send(now, session, &frame);
        }
        self.server.advance(now);
    }

    fn deliver(&mut self) {
        let now = self.now();
        for Joined {
            client, session, ..
        } in &mut self.clients
        {
            for frame in self.server.take(*session) {
                self.sent += with_header(frame.len());
                client.frame(now, &frame);
            }
            client.handle_timeout(now);
            while client.poll().is_some() {}
            while let Some(frame) = client.next(now, usize::MAX) {
                self.said.push((*session, frame));
            }
        }
    }

    fn sent(&self) -> u64 {
        self.sent
    }

    /// Each delta is made once, and is the same for all.
    fn payload(&self) -> Option<u64> {
        let encoded = self.server.rooms().map(|room| room.stats().encoded_bytes);
        Some(encoded.sum::<u64>() * self.clients.len() as u64)
    }

    fn view(&mut self, client: usize) -> Vec<Image> {
        let Joined { client, room, .. } = &self.clients[client];
        let area = client.view(*room).and_then(|view| view.newest(AreaId::ALL));
        area.map_or_else(Vec::new, |(_, area)| images(area))
    }

    /// A place that follows from its velocity is told as that, as long as it is within a step of the truth.
    fn slack(&self) -> i32 {
        1
    }

    fn begun(&self) -> u32 {
        self.newest().expect("everybody has joined")
    }
}

/// The header that a WebSocket puts before a frame of the server's.
fn with_header(length: usize) -> u64 {
    length as u64 + if length < 126 { 2 } else { 4 }
}

/// The numbers that the wire's integers stand for, from the three components of the game.
fn images(area: &Area) -> Vec<Image> {
    let schema = area.schema();
    let field = |component: &str, name: &str| {
        let table = schema.components.iter().position(|it| it.name == component);
        let table = table.expect("the game has this component");
        let fields = &schema.components[table].fields;
        let field = fields.iter().position(|it| it.name == name);
        (table, field.expect("the component has this field"))
    };
    let body = ["x", "y", "vx", "vy", "rot"].map(|name| field("Body", name));
    let rest = [("Vital", "health"), ("Looks", "team"), ("Looks", "kind")];
    let rest = rest.map(|(component, name)| field(component, name));
    let image = |slot: u32| {
        let number = |(table, field)| {
            let number = area.number(table, slot, field);
            number.expect("each entity has all three components")
        };
        let [x, y, vx, vy, rot] = body.map(|at| number(at) as f32);
        let [health, team, kind] = rest.map(|at| number(at) as u8);
        let (pos, vel) = ([x, y], [vx, vy]);
        quantised(&Entity {
            id: 0,
            pos,
            vel,
            rot,
            health,
            team,
            kind,
        })
    };
    area.rows(body[0].0).map(image).collect()
}
