//! The arena on naia's Bevy adapters, as their documentation and their own tests set them up, over naia's local transport. Nothing is measured here.

mod parts;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bevy_app::{App, Startup, Update};
use bevy_ecs::message::Messages;
use bevy_ecs::prelude::*;
use bevy_ecs::system::SystemState;
use naia_bevy_client::transport::local as client_side;
use naia_bevy_client::{Client, ClientConfig, DefaultClientTag, DefaultPlugin as ClientPlugin};
use naia_bevy_server::events::{AuthEvents, ConnectEvent};
use naia_bevy_server::transport::local as server_side;
use naia_bevy_server::{CommandsExt, Plugin as ServerPlugin, RoomKey, Server, ServerConfig};
use naia_bevy_shared::{HandleWorldEvents, Protocol, TestClock};
use naia_shared::transport::local::{FAKE_SERVER_ADDR, LocalTransportHub};
use parking_lot::Mutex;
use tickwire_peers_common::{Image, Peer};
use tickwire_workload::Sim;

/// Milliseconds of a tick: naia's clock counts no finer. The figures are a second of 30 ticks all the same.
const TICK_MS: u64 = 33;
/// Ticks in which all clients must connect.
const CONNECT: u32 = 600;
/// Bytes a second and client that may be sent. The default of 64,000 does not carry arena L.
const BUDGET: u32 = 10_000_000;

pub struct Naia {
    server: App,
    clients: Vec<App>,
    hub: LocalTransportHub,
    entities: HashMap<u32, Entity>,
    sent: u64,
}

/// The room that all are in, and how many have come.
#[derive(Resource)]
struct Hall {
    room: RoomKey,
    users: usize,
}

impl Naia {
    pub fn new(clients: u32) -> Naia {
        TestClock::init(0);
        let hub = LocalTransportHub::new(FAKE_SERVER_ADDR.parse().expect("naia's own address"));
        let mut peer = Naia {
            server: server(&hub),
            clients: (0..clients).map(|_| client(&hub)).collect(),
            hub,
            entities: HashMap::new(),
            sent: 0,
        };
        for _ in 0..CONNECT {
            peer.serve();
            peer.deliver();
            let hall = peer.server.world().resource::<Hall>();
            if hall.users == clients as usize {
                break;
            }
        }
        let hall = peer.server.world().resource::<Hall>();
        assert_eq!(hall.users, clients as usize, "all clients connect");
        peer.hub.enable_packet_recording();
        peer
    }
}

fn protocol() -> Protocol {
    let mut protocol = Protocol::builder();
    parts::register(&mut protocol);
    protocol.tick_interval(Duration::from_millis(TICK_MS - 1));
    protocol.build()
}

fn server(hub: &LocalTransportHub) -> App {
    let hub = hub.clone();
    let mut config = ServerConfig::default();
    config.connection.bandwidth.target_bytes_per_sec = BUDGET;
    let mut app = App::new();
    app.add_plugins(ServerPlugin::new(config, protocol()))
        .add_systems(
            Startup,
            move |mut server: Server, mut commands: Commands| {
                let socket = server_side::LocalServerSocket::new(hub.clone());
                server.listen(server_side::Socket::new(socket, None));
                let room = server.create_room().key();
                commands.insert_resource(Hall { room, users: 0 });
            },
        )
        .add_systems(Update, (let_in, welcome).in_set(HandleWorldEvents));
    app.update();
    app
}

fn let_in(mut server: Server, mut asked: ResMut<Messages<AuthEvents>>) {
    for events in asked.drain() {
        for (user, parts::Hello) in events.read::<parts::Hello>() {
            server.accept_connection(&user);
        }
    }
}

fn welcome(mut server: Server, mut come: ResMut<Messages<ConnectEvent>>, mut hall: ResMut<Hall>) {
    for ConnectEvent(user) in come.drain() {
        server.room_mut(&hall.room).add_user(&user);
        hall.users += 1;
    }
}

fn client(hub: &LocalTransportHub) -> App {
    let hub = hub.clone();
    let mut app = App::new();
    app.add_plugins(ClientPlugin::new(ClientConfig::default(), protocol()))
        .add_systems(Startup, move |mut client: Client<DefaultClientTag>| {
            client.auth(parts::Hello);
            client.connect(socket(&hub));
        });
    app.update();
    app
}

fn socket(hub: &LocalTransportHub) -> client_side::Socket {
    let (address, ask, answer, send, receive) = hub.register_client();
    let cell = client_side::LocalAddrCell::new();
    cell.set_sync(hub.server_addr());
    let nothing = Arc::new(Mutex::new(None));
    let inner = client_side::LocalClientSocket::new_with_tokens(
        address,
        hub.server_addr(),
        ask,
        answer,
        send,
        receive,
        cell,
        nothing,
        Arc::new(Mutex::new(None)),
    );
    client_side::Socket::new(inner, None)
}

impl Peer for Naia {
    fn apply(&mut self, sim: &Sim) {
        let world = self.server.world_mut();
        for id in sim.despawned() {
            if let Some(entity) = self.entities.remove(id) {
                world.despawn(entity);
            }
        }
        let mut born = Vec::new();
        for truth in sim.entities() {
            match self.entities.get(&truth.id) {
                Some(entity) => parts::update(&mut world.entity_mut(*entity), truth),
                None => born.push(truth),
            }
        }
        let room = world.resource::<Hall>().room;
        let mut state = SystemState::<(Commands, Server)>::new(world);
        let (mut commands, mut server) = state.get_mut(world);
        for truth in born {
            let mut entity = commands.spawn_empty();
            let entity = entity
                .enable_replication(&mut server)
                .insert(parts::of(truth))
                .id();
            server.room_mut(&room).add_entity(&entity);
            self.entities.insert(truth.id, entity);
        }
        state.apply(world);
    }

    fn serve(&mut self) {
        TestClock::advance(TICK_MS);
        self.server.update();
    }

    fn deliver(&mut self) {
        for (from_server, packet) in self.hub.take_recorded_packets() {
            self.sent += if from_server { packet.len() as u64 } else { 0 };
        }
        for client in &mut self.clients {
            client.update();
        }
    }

    fn sent(&self) -> u64 {
        self.sent
    }

    fn view(&mut self, client: usize) -> Vec<Image> {
        parts::images(self.clients[client].world_mut())
    }
}
