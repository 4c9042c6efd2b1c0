//! The arena on bevy_replicon, as its crate documentation sets it up, over a backend in memory like that of its own tests. Nothing is measured here.

mod parts;

use std::collections::HashMap;

use bevy::prelude::*;
use bevy::state::app::StatesPlugin;
use bevy_replicon::prelude::*;
use bevy_replicon::test_app::{ServerTestAppExt, TestClientEntity};
use tickwire_peers_common::{Image, Peer};
use tickwire_workload::Sim;

pub use parts::{Floats, Ints, Parts};

/// A server and its clients, with the components of `P`.
pub struct Replicon<P> {
    server: App,
    clients: Vec<App>,
    /// Each client as the server knows it, and its place in `clients`.
    places: HashMap<Entity, usize>,
    entities: HashMap<u32, Entity>,
    sent: u64,
    parts: std::marker::PhantomData<P>,
}

impl<P: Parts> Replicon<P> {
    pub fn new(clients: u32) -> Replicon<P> {
        let mut server = app::<P>();
        let mut clients: Vec<App> = (0..clients).map(|_| app::<P>()).collect();
        for client in &mut clients {
            server.connect_client(client);
        }
        let place =
            |(at, client): (usize, &App)| (**client.world().resource::<TestClientEntity>(), at);
        let places = clients.iter().enumerate().map(place).collect();
        Replicon {
            server,
            clients,
            places,
            entities: HashMap::new(),
            sent: 0,
            parts: std::marker::PhantomData,
        }
    }
}

/// One replication tick for each update, as the documentation says for a server whose frames are its ticks.
fn app<P: Parts>() -> App {
    let mut app = App::new();
    app.add_plugins((
        MinimalPlugins,
        StatesPlugin,
        RepliconPlugins.set(ServerPlugin::new(PostUpdate)),
    ));
    P::register(&mut app);
    app.finish();
    app
}

impl<P: Parts> Peer for Replicon<P> {
    fn apply(&mut self, sim: &Sim) {
        let world = self.server.world_mut();
        for id in sim.despawned() {
            if let Some(entity) = self.entities.remove(id) {
                world.despawn(entity);
            }
        }
        for truth in sim.entities() {
            match self.entities.get(&truth.id) {
                Some(entity) => P::update(&mut world.entity_mut(*entity), truth),
                None => {
                    let entity = world.spawn((Replicated, P::of(truth))).id();
                    self.entities.insert(truth.id, entity);
                }
            }
        }
    }

    fn serve(&mut self) {
        self.server.update();
    }

    fn deliver(&mut self) {
        let mut server = self.server.world_mut().resource_mut::<ServerMessages>();
        for (to, channel, message) in server.drain_sent() {
            self.sent += message.len() as u64;
            let client = self.clients[self.places[&to]].world_mut();
            client
                .resource_mut::<ClientMessages>()
                .insert_received(channel, message);
        }
        for (entity, at) in &self.places {
            let client = &mut self.clients[*at];
            client.update();
            let mut said = client.world_mut().resource_mut::<ClientMessages>();
            for (channel, message) in said.drain_sent() {
                server.insert_received(*entity, channel, message);
            }
        }
    }

    fn sent(&self) -> u64 {
        self.sent
    }

    fn view(&mut self, client: usize) -> Vec<Image> {
        P::images(self.clients[client].world_mut())
    }
}
