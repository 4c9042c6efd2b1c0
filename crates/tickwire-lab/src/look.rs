//! What a test may look at in a run: clients, views, truth, figures. Nothing here moves it on.

use std::{sync::Arc, time::Duration};

use tickwire_client::{Client, Picture, View};
use tickwire_server::RoomStats;
use tickwire_snapshot::{Area, Snapshot};

use crate::{
    Figures, Profile, figures::Counts, running::Running, truth::RoomName, violation::since_start,
};

impl Running {
    /// Virtual time since the beginning.
    pub fn now(&self) -> Duration {
        since_start(self.now)
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        self.seats.len()
    }

    /// A client. They count from 0.
    ///
    /// # Panics
    /// If there is no such client.
    pub fn client(&self, client: usize) -> &Client {
        &self.seats[client].client
    }

    /// What a client sees of its room, once it is in one.
    pub fn view(&self, client: usize) -> Option<&View> {
        let seat = self.seats.get(client)?;
        seat.client.view(seat.room)
    }

    /// What a client showed last, if it is in a room.
    pub fn shown(&self, client: usize) -> Option<&Picture> {
        self.seats.get(client)?.picture.as_ref()
    }

    /// What a client sees of one field: its number in each entity that has the component, in the order of areas and slots. Empty while
    /// it is in no room.
    ///
    /// # Panics
    /// If the game has no such component, or the component no such field: the test belongs to another game.
    pub fn numbers(&self, client: usize, component: &str, field: &str) -> Vec<f64> {
        let schema = self.kind.game().schema();
        let record = schema
            .components
            .iter()
            .find(|record| record.name == component);
        let record = record
            .unwrap_or_else(|| panic!("the game {:?} has no component {component:?}", self.name));
        let field = record
            .field(field)
            .unwrap_or_else(|| panic!("the component {component} has no field {field:?}"));
        let table = schema.component(component);
        let (Some(view), Some(table)) = (self.view(client), table) else {
            return Vec::new();
        };
        let areas = view.areas().filter_map(|area| Some(view.newest(area)?.1));
        let of = |area: &Arc<Area>| -> Vec<f64> {
            let rows = area.rows(table);
            rows.filter_map(|slot| area.number(table, slot, field))
                .collect()
        };
        areas.flat_map(of).collect()
    }

    /// What is true in the room of a client: the newest snapshot that the room published.
    pub fn truth(&self, client: usize) -> Option<&Arc<Snapshot>> {
        self.truth.newest(self.room_of(client)?)
    }

    /// The room that a client is a member of, by its link.
    pub(crate) fn room_of(&self, client: usize) -> Option<RoomName> {
        let seat = self.seats.get(client)?;
        let link = self.links.get(&seat.link?)?;
        let number = seat
            .client
            .is_joined(seat.room)
            .then(|| seat.client.view(seat.room))
            .flatten()?
            .number();
        Some(RoomName {
            epoch: link.epoch,
            number,
        })
    }

    /// What the room of a client has counted, while it is a member.
    pub fn room_stats_of(&self, client: usize) -> Option<RoomStats> {
        let name = self.room_of(client)?;
        Some(self.host.as_ref()?.room(name.number)?.stats())
    }

    /// A number for all that happened so far: equal for equal seeds, whatever the machine.
    pub fn trace_hash(&self) -> u64 {
        self.trace.hash()
    }

    /// What was measured so far.
    pub fn figures(&self) -> Figures {
        let counts: Vec<Counts> = self.seats.iter().map(|seat| seat.counts.clone()).collect();
        let encodes = self.host.as_ref().map_or(0, |host| host.encodes());
        Figures::of(
            &counts,
            since_start(self.now),
            self.past_encodes + encodes,
            self.checks,
        )
    }

    /// What the rooms of the server's present life counted, all together.
    pub fn room_stats(&self) -> RoomStats {
        let mut sum = RoomStats::default();
        let rooms = self.host.iter().flat_map(|host| host.rooms());
        rooms.for_each(|(_, room)| sum += room.stats());
        sum
    }

    /// A line on how a client, its link and its place in its room are: for whoever hunts a violation.
    pub fn describe(&self, client: usize) -> String {
        let Some(seat) = self.seats.get(client) else {
            return format!("there is no client {client}");
        };
        let link = seat.link.and_then(|id| self.links.get(&id));
        let way = link.map_or("no link".into(), |link| format!("{link}"));
        let room = self
            .room_of(client)
            .and_then(|name| Some((name, self.host.as_ref()?.room(name.number)?)));
        let place = match (room, link) {
            (Some((name, room)), Some(link)) => format!(
                "{name:?} at tick {} in flight {:?}",
                room.tick_now(),
                room.in_flight(link.session)
            ),
            _ => "no room".into(),
        };
        let held = self.view(client).and_then(View::newest_tick);
        format!(
            "client {client} on {}: {:?}, holds {held:?}; {way}; {place}",
            seat.profile.name,
            seat.client.state()
        )
    }

    /// What a client's link is like now.
    pub fn profile(&self, client: usize) -> Profile {
        self.seats[client].profile
    }
}
