//! A lane of datagrams beside a connection: both directions, and the frames that stand in one datagram.

use std::collections::VecDeque;

use bytes::Bytes;
use tickwire_proto::{
    DATAGRAM_MAX, Outgoing, Time,
    frame::{frames, put_framed},
};

use crate::{Chance, profile::Profile, scatter::Scatter, stream::Toward};

/// Both directions.
pub(crate) struct Loose {
    up: Scatter,
    down: Scatter,
    /// Frames of a datagram that has arrived.
    at_server: VecDeque<Bytes>,
    at_client: VecDeque<Bytes>,
}

impl Loose {
    pub fn new(profile: &Profile) -> Self {
        Loose {
            up: Scatter::new(profile, Toward::Server),
            down: Scatter::new(profile, Toward::Client),
            at_server: VecDeque::new(),
            at_client: VecDeque::new(),
        }
    }

    /// The server's end sends a write, if that may be lost and fits. An update and its tick frame stand in one datagram.
    pub fn write_down(&mut self, now: Time, out: &Outgoing, chance: &mut Chance) -> bool {
        let mut bytes = Vec::with_capacity(out.len() + 8);
        for frame in std::iter::once(&out.head).chain(&out.body) {
            put_framed(&mut bytes, frame);
        }
        let fits = out.may_be_lost() && bytes.len() <= DATAGRAM_MAX;
        if fits {
            self.down.send(now, bytes.into(), chance);
        }
        fits
    }

    pub fn write_up(&mut self, now: Time, frame: &Bytes, chance: &mut Chance) {
        let mut bytes = Vec::with_capacity(frame.len() + 4);
        put_framed(&mut bytes, frame);
        self.up.send(now, bytes.into(), chance);
    }

    pub fn at_client(&mut self, now: Time) -> Option<Bytes> {
        next(&mut self.down, &mut self.at_client, now)
    }

    pub fn at_server(&mut self, now: Time) -> Option<Bytes> {
        next(&mut self.up, &mut self.at_server, now)
    }

    pub fn set_profile(&mut self, profile: &Profile) {
        self.up.set_profile(profile, Toward::Server);
        self.down.set_profile(profile, Toward::Client);
    }

    pub fn hold(&mut self, until: Time) {
        self.up.hold(until);
        self.down.hold(until);
    }

    pub fn release(&mut self) {
        self.up.release();
        self.down.release();
    }

    pub fn end(&mut self) {
        self.up.end();
        self.down.end();
    }

    pub fn next_due(&self) -> Option<Time> {
        self.up
            .next_due()
            .into_iter()
            .chain(self.down.next_due())
            .min()
    }
}

fn next(way: &mut Scatter, arrived: &mut VecDeque<Bytes>, now: Time) -> Option<Bytes> {
    if arrived.is_empty() {
        let datagram = way.read(now)?;
        let whole = frames(&datagram).flatten();
        arrived.extend(whole.map(|frame| datagram.slice_ref(frame)));
    }
    arrived.pop_front()
}
