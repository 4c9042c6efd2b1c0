//! The naive peer: the whole arena at each tick, by postcard, the same bytes for all; as it is, or through zstd. No deltas, no acknowledgements.

use std::io::Write;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tickwire_peers_common::{Image, Peer, Quantised, exact};
use tickwire_workload::{Entity, Sim};

/// What is done to the bytes.
#[derive(Clone, Copy, PartialEq)]
pub enum How {
    /// Floats as they are.
    Plain,
    /// The same, each message through zstd-3 by itself.
    Zstd,
    /// Quantised, and one stream of zstd-3 for the room, flushed at each tick: what a client gets depends on all before it.
    Stream,
}

#[derive(Serialize, Deserialize)]
struct Whole {
    id: u32,
    pos: [f32; 2],
    vel: [f32; 2],
    rot: f32,
    health: u8,
    team: u8,
    kind: u8,
}

/// Fixed widths: a row then has the same place for the same thing each time, which zstd finds again.
#[derive(Serialize, Deserialize)]
struct Row {
    #[serde(with = "postcard::fixint::le")]
    id: u32,
    #[serde(with = "postcard::fixint::le")]
    x: u16,
    #[serde(with = "postcard::fixint::le")]
    y: u16,
    #[serde(with = "postcard::fixint::le")]
    vx: i16,
    #[serde(with = "postcard::fixint::le")]
    vy: i16,
    rest: [u8; 4],
}

pub struct Naive {
    how: How,
    sim: Vec<Entity>,
    wire: Arc<[u8]>,
    sent: u64,
    stream: zstd::stream::write::Encoder<'static, Vec<u8>>,
    clients: Vec<Client>,
}

struct Client {
    stream: zstd::stream::write::Decoder<'static, Vec<u8>>,
    held: Vec<Image>,
}

impl Naive {
    pub fn new(how: How, clients: u32) -> Naive {
        let memory = "memory takes it";
        let client = |_| Client {
            stream: zstd::stream::write::Decoder::new(Vec::new()).expect(memory),
            held: Vec::new(),
        };
        Naive {
            how,
            sim: Vec::new(),
            wire: Arc::default(),
            sent: 0,
            stream: zstd::stream::write::Encoder::new(Vec::new(), 3).expect(memory),
            clients: (0..clients).map(client).collect(),
        }
    }

    fn encode(&mut self) -> Vec<u8> {
        let plain = |entities: &[Entity]| {
            let all: Vec<Whole> = entities.iter().map(whole).collect();
            postcard::to_stdvec(&all).expect("plain data")
        };
        match self.how {
            How::Plain => plain(&self.sim),
            How::Zstd => zstd::encode_all(&plain(&self.sim)[..], 3).expect("memory takes it"),
            How::Stream => {
                let rows: Vec<Row> = self.sim.iter().map(row).collect();
                let plain = postcard::to_stdvec(&rows).expect("plain data");
                let length = (plain.len() as u32).to_le_bytes();
                self.stream.write_all(&length).expect("memory takes it");
                self.stream.write_all(&plain).expect("memory takes it");
                self.stream.flush().expect("memory takes it");
                std::mem::take(self.stream.get_mut())
            }
        }
    }
}

impl Peer for Naive {
    fn apply(&mut self, sim: &Sim) {
        self.sim.clear();
        self.sim.extend_from_slice(sim.entities());
    }

    fn serve(&mut self) {
        self.wire = self.encode().into();
        self.sent += (self.wire.len() * self.clients.len()) as u64;
    }

    fn deliver(&mut self) {
        for client in &mut self.clients {
            client.receive(self.how, &self.wire);
        }
    }

    fn sent(&self) -> u64 {
        self.sent
    }

    fn view(&mut self, client: usize) -> Vec<Image> {
        self.clients[client].held.clone()
    }
}

impl Client {
    fn receive(&mut self, how: How, wire: &[u8]) {
        let plain = |bytes: &[u8]| -> Vec<Image> {
            let all: Vec<Whole> = postcard::from_bytes(bytes).expect("our own message");
            all.iter().map(|it| exact(&entity(it))).collect()
        };
        self.held = match how {
            How::Plain => plain(wire),
            How::Zstd => plain(&zstd::decode_all(wire).expect("our own message")),
            How::Stream => {
                self.stream.write_all(wire).expect("our own stream");
                self.stream.flush().expect("our own stream");
                let bytes = std::mem::take(self.stream.get_mut());
                let rows: Vec<Row> = postcard::from_bytes(&bytes[4..]).expect("our own message");
                rows.iter().map(image).collect()
            }
        };
    }
}

fn whole(it: &Entity) -> Whole {
    let Entity {
        id,
        pos,
        vel,
        rot,
        health,
        team,
        kind,
    } = *it;
    Whole {
        id,
        pos,
        vel,
        rot,
        health,
        team,
        kind,
    }
}

fn entity(it: &Whole) -> Entity {
    let Whole {
        id,
        pos,
        vel,
        rot,
        health,
        team,
        kind,
    } = *it;
    Entity {
        id,
        pos,
        vel,
        rot,
        health,
        team,
        kind,
    }
}

fn row(it: &Entity) -> Row {
    let Quantised {
        pos,
        vel,
        rot,
        health,
        team,
        kind,
    } = Quantised::of(it);
    let ([x, y], [vx, vy]) = (pos, vel);
    Row {
        id: it.id,
        x,
        y,
        vx,
        vy,
        rest: [rot, health, team, kind],
    }
}

fn image(it: &Row) -> Image {
    let [rot, health, team, kind] = it.rest;
    let (pos, vel) = ([it.x, it.y], [it.vx, it.vy]);
    Quantised {
        pos,
        vel,
        rot,
        health,
        team,
        kind,
    }
    .image()
}
