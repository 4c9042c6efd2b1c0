//! A server in memory with whole clients around it, in time that is handed in, tick for tick; every byte they hear is kept. What is proved with it stands elsewhere.

use std::time::Duration;

use bytes::Bytes;
use tickwire_client::{Client, ClientConfig, ClientEvent, ClientOutput, RoomKey};
use tickwire_proto::{Tick, Time};
use tickwire_server::{Kind, Loopback, RoomStats, SessionKey};
use tickwire_snapshot::{OwnedRow, Schema};

/// Shorter than any tick, so that nobody is served two ticks at once.
const STEP: Duration = Duration::from_millis(5);

/// One client, at a link without delay.
pub struct Viewer {
    pub client: Client,
    pub room: RoomKey,
    /// Every frame that it was sent.
    pub heard: Vec<Bytes>,
    /// Faults of what it was sent, and refusals: there should be none.
    pub faults: Vec<String>,
    key: SessionKey,
}

/// The server, the time, and all clients.
pub struct Hall {
    pub server: Loopback,
    pub now: Time,
    pub viewers: Vec<Viewer>,
}

impl Hall {
    /// A server of these games, and nobody there.
    pub fn new(kinds: Vec<Kind>) -> Self {
        Self {
            server: Loopback::new(kinds),
            now: Time::from_millis(1),
            viewers: Vec::new(),
        }
    }

    /// So many clients in one room of a kind, two seconds after the last of them joined.
    pub fn with_viewers(kind: Kind, count: usize) -> Self {
        let mut hall = Self::new(vec![kind]);
        for number in 0..count {
            hall.enter(number);
        }
        hall.run(Duration::from_secs(2), |_| {});
        for viewer in &hall.viewers {
            assert!(viewer.client.view(viewer.room).is_some(), "all are in");
            assert_eq!(viewer.faults, Vec::<String>::new());
        }
        hall
    }

    /// One more client, who takes the first room there is.
    pub fn enter(&mut self, number: usize) {
        let config = ClientConfig {
            credentials: Some(format!(r#"{{"guest":"P{number}"}}"#).into()),
            ..ClientConfig::default()
        };
        let key = self.server.open(self.now);
        let mut client = Client::new(config, number as u64, self.now);
        let room = client.quick("", &[]);
        client.link_open(self.now);
        self.viewers.push(Viewer {
            client,
            room,
            heard: Vec::new(),
            faults: Vec::new(),
            key,
        });
    }

    /// Lets time pass; `play` is asked before each step.
    pub fn run(&mut self, span: Duration, mut play: impl FnMut(&mut Self)) {
        let end = self.now.plus(span);
        while self.now < end {
            self.now = self.now.plus(STEP);
            play(self);
            self.pump();
            self.server.advance(self.now);
            self.pump();
        }
    }

    /// Every client says what it asks for, tick by tick.
    pub fn command(&mut self, row: impl Fn(usize, Tick, &Schema) -> OwnedRow) {
        for (number, viewer) in self.viewers.iter_mut().enumerate() {
            while let Some(tick) = viewer.client.command_tick(viewer.room, self.now) {
                let schema = viewer.client.view(viewer.room).map(|v| v.schema().clone());
                let schema = schema.expect("who may command is in the room");
                let row = row(number, tick, &schema);
                let _ = viewer.client.command(viewer.room, tick, &row);
            }
        }
    }

    /// What the first client's room has counted.
    pub fn stats(&self) -> RoomStats {
        self.server.rooms().next().expect("there is a room").stats()
    }

    fn pump(&mut self) {
        let (server, now) = (&mut self.server, self.now);
        for viewer in &mut self.viewers {
            if viewer.client.next_timeout().is_some_and(|due| due <= now) {
                viewer.client.handle_timeout(now);
            }
            for frame in server.take(viewer.key) {
                viewer.client.frame(now, &frame);
                viewer.heard.push(frame);
            }
            while let Some(output) = viewer.client.poll() {
                match output {
                    ClientOutput::Event(
                        event @ (ClientEvent::JoinRefused { .. }
                        | ClientEvent::AttachRefused(_)
                        | ClientEvent::RoomEnded { .. }
                        | ClientEvent::Fault { .. }),
                    ) => viewer.faults.push(format!("{event:?}")),
                    ClientOutput::Close => viewer.faults.push("closed".to_owned()),
                    _ => {}
                }
            }
            while let Some(frame) = viewer.client.next(now, usize::MAX) {
                server.send(now, viewer.key, &frame);
            }
        }
    }
}
