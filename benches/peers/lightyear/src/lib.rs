//! The arena on lightyear, as its crate documentation sets up a server and its clients, with packets carried from link to link in memory. Nothing is measured here.

mod parts;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bevy::prelude::*;
use bevy::state::app::StatesPlugin;
use bevy::time::TimeUpdateStrategy;
use bytes::BytesMut;
use lightyear::prelude::client::{ClientPlugins, Connected, RawClient};
use lightyear::prelude::server::{RawServer, ServerPlugins};
use lightyear::prelude::*;
use tickwire_peers_common::{Image, Peer};
use tickwire_workload::{HZ, Sim};

/// Ticks in which clients connect.
const CONNECT: u32 = 60;

pub struct Lightyear {
    server: App,
    clients: Vec<Joined>,
    entities: HashMap<u32, Entity>,
    sent: u64,
}

struct Joined {
    app: App,
    /// The link as the client has it, and as the server has it.
    here: Entity,
    there: Entity,
}

impl Lightyear {
    pub fn new(clients: u32) -> Lightyear {
        let mut server = app(ServerPlugins {
            tick_duration: tick(),
        });
        let entity = server.world_mut().spawn((RawServer, Linked)).id();
        let clients = (0..clients as u16)
            .map(|number| join(&mut server, entity, number))
            .collect();
        let mut peer = Lightyear {
            server,
            clients,
            entities: HashMap::new(),
            sent: 0,
        };
        for _ in 0..CONNECT {
            peer.serve();
            peer.deliver();
        }
        for Joined { app, here, there } in &peer.clients {
            assert!(
                app.world().entity(*here).contains::<Connected>(),
                "a client connects"
            );
            assert!(
                peer.server.world().entity(*there).contains::<Connected>(),
                "the server knows"
            );
        }
        peer
    }
}

/// How long a tick is; each update of an app is one.
fn tick() -> Duration {
    Duration::from_secs(1) / HZ
}

fn app(plugins: impl PluginGroup) -> App {
    let mut app = App::new();
    app.add_plugins((MinimalPlugins, StatesPlugin));
    app.insert_resource(TimeUpdateStrategy::ManualDuration(tick()));
    app.add_plugins(plugins);
    parts::register(&mut app);
    app.finish();
    app.cleanup();
    app
}

/// A raw connection: a link that is there is a connection.
fn join(server: &mut App, entity: Entity, number: u16) -> Joined {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 10_000 + number));
    let link = (
        LinkOf { server: entity },
        Link::default(),
        PeerAddr(address),
    );
    let there = server.world_mut().spawn((link, ReplicationSender)).id();
    server.world_mut().entity_mut(there).insert(Linked);
    let mut app = app(ClientPlugins {
        tick_duration: tick(),
    });
    let here = app
        .world_mut()
        .spawn((RawClient, ReplicationReceiver, LocalAddr(address)))
        .id();
    app.world_mut().entity_mut(here).insert(Linked);
    Joined { app, here, there }
}

impl Peer for Lightyear {
    fn apply(&mut self, sim: &Sim) {
        let world = self.server.world_mut();
        for id in sim.despawned() {
            if let Some(entity) = self.entities.remove(id) {
                world.despawn(entity);
            }
        }
        for truth in sim.entities() {
            match self.entities.get(&truth.id) {
                Some(entity) => parts::update(&mut world.entity_mut(*entity), truth),
                None => {
                    let to_all = Replicate::to_clients(NetworkTarget::All);
                    let entity = world.spawn((to_all, parts::of(truth))).id();
                    self.entities.insert(truth.id, entity);
                }
            }
        }
    }

    fn serve(&mut self) {
        self.server.update();
    }

    fn deliver(&mut self) {
        for Joined { app, here, there } in &mut self.clients {
            self.sent += carry((&mut self.server, *there), (app, *here));
            app.update();
            carry((app, *here), (&mut self.server, *there));
        }
    }

    fn sent(&self) -> u64 {
        self.sent
    }

    fn view(&mut self, client: usize) -> Vec<Image> {
        parts::images(self.clients[client].app.world_mut())
    }
}

/// What a transport would do: takes all packets of a link to the other end, and counts their bytes.
fn carry((from, sender): (&mut App, Entity), (to, receiver): (&mut App, Entity)) -> u64 {
    let mut sender = from
        .world_mut()
        .get_mut::<Link>(sender)
        .expect("a link of ours");
    let mut receiver = to
        .world_mut()
        .get_mut::<Link>(receiver)
        .expect("a link of ours");
    let mut bytes = 0;
    for packet in sender.send.drain() {
        bytes += packet.len() as u64;
        receiver.recv.push_raw(BytesMut::from(packet));
    }
    bytes
}
