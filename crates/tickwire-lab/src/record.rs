//! What each client showed and said, beside what was true at that moment: the material of figures on how a game feels. No figures, no goals.

use std::time::Duration;

use tickwire_client::View;
use tickwire_proto::frame::ClientFrame;
use tickwire_proto::{Tick, Time};

use crate::{running::Running, truth::RoomName, violation::since_start};

/// Pictures, and commands, that a recording keeps of one client; what comes later is counted, not kept.
const RECORDED_MAX: usize = 1_000_000;

/// One picture of a client. Ticks are those of its room, with their parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shown {
    /// When it was shown, in virtual time.
    pub at: Duration,
    /// The tick that the room was at.
    pub truth: f64,
    /// The tick that the client took the room to be at.
    pub estimate: f64,
    /// The tick that the picture showed.
    pub picture: f64,
    /// Up to which tick the client could have drawn it; `None`: nothing changed any more.
    pub known: Option<Tick>,
    /// The speed of the picture's clock since the picture before, as a part of the wall's.
    pub speed: f64,
}

impl Shown {
    /// Whether the picture stood still for want of an update.
    pub fn is_frozen(&self) -> bool {
        self.known
            .is_some_and(|known| self.picture >= f64::from(known.0))
    }
}

/// One command of a client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said {
    /// When it was made, in virtual time.
    pub at: Duration,
    /// The tick that it was for.
    pub tick: Tick,
    /// The tick that the room was at when it was made.
    pub truth: f64,
    /// The tick that the room was at when it arrived; `None`: it has not.
    pub arrived: Option<f64>,
}

impl Said {
    /// Whether it came before the step of its tick.
    pub fn is_in_time(&self) -> bool {
        self.arrived
            .is_some_and(|arrived| arrived < f64::from(self.tick.0))
    }
}

/// All that one client showed and said while it was in one room.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Its pictures, by time.
    pub shown: Vec<Shown>,
    /// Its commands, by time.
    pub said: Vec<Said>,
    /// What came when there was no room for more.
    pub dropped: u64,
    /// The room it was in last: what is true there counts while its link is lost, too.
    room: Option<RoomName>,
}

impl Recording {
    fn show(&mut self, shown: Shown) {
        match self.shown.len() < RECORDED_MAX {
            true => self.shown.push(shown),
            false => self.dropped += 1,
        }
    }

    pub(crate) fn say(&mut self, at: Time, tick: Tick, truth: f64) {
        if self.said.len() == RECORDED_MAX {
            self.dropped += 1;
            return;
        }
        self.said.push(Said {
            at: since_start(at),
            tick,
            truth,
            arrived: None,
        });
    }

    fn arrived(&mut self, tick: Tick, truth: f64) {
        let said = self.said.iter_mut().rev();
        // A command is under way for a second or two: the newest few are enough to look at.
        let mut recent = said.take(128);
        if let Some(said) = recent.find(|said| said.tick == tick && said.arrived.is_none()) {
            said.arrived = Some(truth);
        }
    }
}

impl Running {
    /// What a client showed and said, if the lab [records](crate::Lab::record) it.
    pub fn recording(&self, client: usize) -> Option<&Recording> {
        self.seats.get(client)?.recording.as_ref()
    }

    /// The tick that the room of a client is at, with the part of the one that is under way.
    pub fn true_tick(&self, client: usize) -> Option<f64> {
        let before = || self.seats.get(client)?.recording.as_ref()?.room;
        let name = self.room_of(client).or_else(before)?;
        let room = self.host.as_ref()?.room(name.number)?;
        let left = room.next_due()?.since(self.now).as_micros() as f64;
        Some(f64::from(room.tick_now().0) + 1.0 - left / f64::from(room.tick_us()))
    }

    /// Notes the picture that a client has just shown, beside the one before.
    pub(crate) fn record_picture(&mut self, client: usize) {
        let Some(truth) = self.true_tick(client) else {
            return;
        };
        let (now, room) = (self.now, self.room_of(client));
        let seat = &mut self.seats[client];
        let Some(recording) = &mut seat.recording else {
            return;
        };
        recording.room = room.or(recording.room);
        let shows = seat.watch.at(now);
        let (Some(picture), Some(figures)) = (&seat.picture, seat.client.figures(seat.room, shows))
        else {
            return;
        };
        let view = seat.client.view(seat.room);
        recording.show(Shown {
            at: since_start(now),
            truth,
            estimate: figures.server_tick,
            picture: picture.tick(),
            known: view.and_then(View::known_until),
            speed: figures.picture_speed,
        });
    }

    /// Notes a command's arrival at the server.
    pub(crate) fn record_arrival(&mut self, client: usize, frame: &[u8]) {
        if self.seats[client].recording.is_none() {
            return;
        }
        let ticks: Vec<Tick> = match ClientFrame::decode(frame) {
            Ok(ClientFrame::Command { tick, .. }) => vec![tick],
            Ok(ClientFrame::Commands { commands, .. }) => {
                commands.iter().map(|it| it.tick).collect()
            }
            _ => return,
        };
        let Some(truth) = self.true_tick(client) else {
            return;
        };
        if let Some(recording) = &mut self.seats[client].recording {
            for tick in ticks {
                recording.arrived(tick, truth);
            }
        }
    }
}
