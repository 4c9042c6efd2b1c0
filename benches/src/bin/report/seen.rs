//! A room with viewers who hold all that they get, driven by hand: no sockets, no clock. What is measured of it is the parts' matter.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tickwire_proto::frame::Identity;
use tickwire_proto::{Tick, Time};
use tickwire_server::{
    Gauge, Kind, MemberId, Room, RoomInput, RoomJoin, RoomOutput, RoomSpec, RoomStats, SessionKey,
};
use tickwire_sim::GameKind;

/// The room, and who is in it.
pub struct Seen {
    room: Room,
    gauges: Vec<Gauge>,
    ticks: u32,
}

impl Seen {
    /// All join before the first tick.
    pub fn new(kind: &GameKind, attributes: Vec<(String, String)>, viewers: u16) -> Seen {
        let mut room = Room::new(RoomSpec {
            namespace: "/".into(),
            no: 9,
            id: "S".into(),
            kind: Arc::new(Kind::from(kind.clone())),
            seats: viewers,
            attributes,
            seed: 5,
        });
        let gauges: Vec<Gauge> = (0..viewers).map(|_| Gauge::default()).collect();
        for (n, gauge) in (1..).zip(&gauges) {
            room.handle(RoomInput::Join(Box::new(RoomJoin {
                member: MemberId(n),
                session: SessionKey(u64::from(n)),
                request: 1,
                identity: Identity::new("x"),
                gauge: gauge.clone(),
                generic: false,
                watches: false,
                host: false,
                replaces: None,
            })));
        }
        Seen {
            room,
            gauges,
            ticks: 0,
        }
    }

    /// What the room counted.
    pub fn stats(&self) -> RoomStats {
        self.room.stats()
    }

    /// The time of one tick, its updates made.
    pub fn tick(&mut self) -> Duration {
        self.ticks += 1;
        let begun = Instant::now();
        self.room.tick(Time(u64::from(self.ticks)), None);
        let took = begun.elapsed();
        while let Some(output) = self.room.poll() {
            if let RoomOutput::Updates(batch) = output {
                self.room.handle(RoomInput::Recycle(batch));
            }
        }
        for (n, gauge) in (1..).zip(&self.gauges) {
            gauge.fetched(gauge.unfetched());
            let (member, tick) = (MemberId(n), Tick(self.ticks));
            self.room.handle(RoomInput::Held {
                member,
                held: tickwire_proto::frame::Holding::of(tick),
            });
        }
        took
    }

    /// The time of so many.
    pub fn ticks(&mut self, count: u32) -> Duration {
        (0..count).map(|_| self.tick()).sum()
    }
}
