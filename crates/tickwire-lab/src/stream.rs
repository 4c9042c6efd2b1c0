//! Frames on a byte stream, with headers as long as WebSocket's, and a stream's way through a proxy; no session.

use std::{collections::VecDeque, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use tickwire_proto::time::Time;

use crate::{
    Chance,
    pipe::{Pipe, Way},
    profile::{PROXY_BYTES_MAX, Profile},
};

/// Bytes of a WebSocket header before a frame of this length.
pub(crate) fn header_len(frame: usize, masked: bool) -> usize {
    let length = match frame {
        0..126 => 2,
        126..65_536 => 4,
        _ => 10,
    };
    length + if masked { 4 } else { 0 }
}

/// Puts a frame with its header behind what is in `out`. The mask is zeros: only its length matters here.
pub(crate) fn put_frame(out: &mut BytesMut, frame: &[u8], masked: bool) {
    let mask = if masked { 0x80 } else { 0 };
    out.put_u8(0x82);
    match frame.len() {
        length @ 0..126 => out.put_u8(length as u8 | mask),
        length @ 126..65_536 => {
            out.put_u8(126 | mask);
            out.put_u16(length as u16);
        }
        length => {
            out.put_u8(127 | mask);
            out.put_u64(length as u64);
        }
    }
    if masked {
        out.put_u32(0);
    }
    out.put_slice(frame);
}

/// Cuts a stream into its frames again. What is left of a stream that ended within a frame is never given out.
#[derive(Default)]
pub(crate) struct Frames(BytesMut);

impl Frames {
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub fn next(&mut self) -> Option<Bytes> {
        let (kind, rest) = (*self.0.get(1)?, self.0.get(2..)?);
        let (length, field) = match kind & 0x7f {
            126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
            127 => (u64::from_be_bytes(*rest.first_chunk()?) as usize, 8),
            length => (usize::from(length), 0),
        };
        let head = 2 + field + if kind & 0x80 != 0 { 4 } else { 0 };
        if self.0.len() < head + length {
            return None;
        }
        let mut whole = self.0.split_to(head + length);
        Some(whole.split_off(head).freeze())
    }
}

/// One direction between two ends: what its sender could not write yet, the way, perhaps a proxy and a second way, and the frames at the end.
pub(crate) struct Stream {
    unsent: VecDeque<Bytes>,
    unsent_bytes: usize,
    first: Pipe,
    relay: Option<Relay>,
    frames: Frames,
    finishing: bool,
    /// Bytes that still arrive; `None`: all of them.
    ration: Option<usize>,
}

/// A proxy in the middle of a stream.
struct Relay {
    held: VecDeque<Bytes>,
    held_bytes: usize,
    capacity: usize,
    second: Pipe,
}

/// The near side of a proxy: next to the server, so the server's socket looks empty whatever the client's way is like.
const NEAR: Duration = Duration::from_micros(200);

/// Which way a stream goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Toward {
    Client,
    Server,
}

pub(crate) fn way(profile: &Profile, toward: Toward) -> Way {
    Way {
        delay: profile.delay,
        jitter: profile.jitter,
        loss: profile.loss,
        bytes_per_s: match toward {
            Toward::Client => profile.down_bytes_per_s,
            Toward::Server => profile.up_bytes_per_s,
        },
        window: profile.window,
    }
}

impl Stream {
    pub fn new(profile: &Profile, toward: Toward) -> Self {
        let far = Pipe::new(way(profile, toward));
        let (first, relay) = if profile.proxy == 0 {
            (far, None)
        } else {
            let near = Way {
                delay: NEAR,
                jitter: Duration::ZERO,
                loss: 0.0,
                bytes_per_s: 1 << 30,
                window: PROXY_BYTES_MAX,
            };
            let relay = Relay {
                held: VecDeque::new(),
                held_bytes: 0,
                capacity: profile.proxy,
                second: far,
            };
            (Pipe::new(near), Some(relay))
        };
        Stream {
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            first,
            relay,
            frames: Frames::default(),
            finishing: false,
            ration: None,
        }
    }

    fn pipes(&mut self) -> impl Iterator<Item = &mut Pipe> {
        std::iter::once(&mut self.first).chain(self.relay.as_mut().map(|relay| &mut relay.second))
    }

    /// The pipe that crosses the bad way.
    fn far(&mut self) -> &mut Pipe {
        match &mut self.relay {
            Some(relay) => &mut relay.second,
            None => &mut self.first,
        }
    }

    pub fn set_profile(&mut self, profile: &Profile, toward: Toward) {
        self.far().set_way(way(profile, toward));
    }

    /// How much its sender may write now: nothing while something written before still waits.
    pub fn writable(&mut self, now: Time) -> usize {
        if self.finishing || !self.unsent.is_empty() {
            0
        } else {
            self.first.writable(now)
        }
    }

    /// Bytes that were written and that the link has not taken.
    pub fn unsent(&self) -> usize {
        self.unsent_bytes
    }

    /// Bytes anywhere between the two ends.
    pub fn between(&self) -> usize {
        let relayed = self
            .relay
            .as_ref()
            .map_or(0, |relay| relay.held_bytes + relay.second.in_flight());
        self.unsent_bytes + self.first.in_flight() + relayed
    }

    /// Writes; the link takes what its window allows, and the rest later.
    pub fn write(&mut self, bytes: Bytes) {
        self.unsent_bytes += bytes.len();
        self.unsent.push_back(bytes);
    }

    /// Moves everything on to where it can be by now; tells how many bytes the link took from the sender.
    pub fn advance(&mut self, now: Time, chance: &mut Chance) -> usize {
        self.pipes().for_each(|pipe| pipe.hear(now));
        let taken = self.take(now, chance);
        if let Some(relay) = &mut self.relay {
            relay.advance(now, &mut self.first, chance);
        }
        if self.finishing && self.unsent.is_empty() {
            self.first.finish();
        }
        while let Some(mut bytes) = self.far().read(now, chance) {
            if let Some(left) = &mut self.ration {
                bytes.truncate(*left);
                *left -= bytes.len();
            }
            self.frames.push(&bytes);
        }
        taken
    }

    fn take(&mut self, now: Time, chance: &mut Chance) -> usize {
        let mut taken = 0;
        while let Some(bytes) = self.unsent.front_mut() {
            taken += self.first.write(now, bytes, chance);
            if !bytes.is_empty() {
                break;
            }
            self.unsent.pop_front();
        }
        self.unsent_bytes -= taken;
        taken
    }

    /// The next whole frame that arrived.
    pub fn frame(&mut self) -> Option<Bytes> {
        self.frames.next()
    }

    pub fn next_due(&self) -> Option<Time> {
        let second = self
            .relay
            .as_ref()
            .and_then(|relay| relay.second.next_due());
        self.first.next_due().into_iter().chain(second).min()
    }

    pub fn hold(&mut self, until: Time) {
        self.far().hold(until);
    }

    /// The bad way is well again.
    pub fn release(&mut self, now: Time) {
        self.far().release(now);
    }

    /// So many bytes arrive, and then none.
    pub fn ration(&mut self, bytes: usize) {
        self.ration = Some(bytes);
    }

    /// All that may arrive has arrived.
    pub fn is_spent(&self) -> bool {
        self.ration == Some(0)
    }

    pub fn kill(&mut self) {
        self.pipes().for_each(Pipe::kill);
    }

    /// Its sender closes it: what was written still arrives.
    pub fn finish(&mut self) {
        self.finishing = true;
    }

    /// It breaks: of what is under way a part may arrive, of what waits nothing. Tells how many bytes its sender is rid of.
    pub fn cut(&mut self, chance: &mut Chance) -> usize {
        self.finishing = true;
        self.unsent.clear();
        if let Some(relay) = &mut self.relay {
            // What a proxy holds, or is about to, dies with it: nobody is left to send it on.
            relay.held.clear();
            relay.held_bytes = 0;
            self.first.drop_all();
        }
        self.pipes().for_each(|pipe| pipe.cut(chance));
        std::mem::take(&mut self.unsent_bytes)
    }

    /// Its receiver has seen all that it will ever see.
    pub fn is_over(&self) -> bool {
        match &self.relay {
            None => self.first.is_over(),
            Some(relay) => self.first.is_over() && relay.held.is_empty() && relay.second.is_over(),
        }
    }
}

impl Relay {
    fn advance(&mut self, now: Time, first: &mut Pipe, chance: &mut Chance) {
        while self.held_bytes < self.capacity {
            let Some(bytes) = first.read(now, chance) else {
                break;
            };
            self.held_bytes += bytes.len();
            self.held.push_back(bytes);
        }
        while let Some(bytes) = self.held.front_mut() {
            self.held_bytes -= self.second.write(now, bytes, chance);
            if !bytes.is_empty() {
                break;
            }
            self.held.pop_front();
        }
        if first.is_over() && self.held.is_empty() {
            self.second.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile;

    fn frame(number: usize) -> Vec<u8> {
        vec![number as u8; number * 37 % 70_000]
    }

    #[test]
    fn frames_come_out_as_they_went_in_however_the_stream_is_cut_up() {
        for step in [1, 2, 3, 7, 64, 100_000] {
            let mut bytes = BytesMut::new();
            for number in 0..60 {
                let before = bytes.len();
                put_frame(&mut bytes, &frame(number * 40), number % 2 == 0);
                let added = bytes.len() - before;
                assert_eq!(
                    added - frame(number * 40).len(),
                    header_len(frame(number * 40).len(), number % 2 == 0)
                );
            }
            let (mut frames, mut seen) = (Frames::default(), 0);
            for piece in bytes.chunks(step) {
                frames.push(piece);
                while let Some(out) = frames.next() {
                    assert_eq!(out, frame(seen * 40));
                    seen += 1;
                }
            }
            assert_eq!(seen, 60);
        }
    }

    /// Sends 300 frames and returns how many arrived, whole and in order; `spoil` is called every 10 ms.
    fn run(
        profile: &Profile,
        seed: u64,
        mut spoil: impl FnMut(u64, &mut Stream, &mut Chance),
    ) -> usize {
        let (mut stream, mut chance) = (Stream::new(profile, Toward::Client), Chance::new(seed));
        let (mut sent, mut seen) = (0, 0);
        for step in 0..3_000u64 {
            let now = Time::from_millis(step * 10);
            if sent < 300 && stream.writable(now) > 0 {
                let mut bytes = BytesMut::new();
                put_frame(&mut bytes, &frame(sent), false);
                stream.write(bytes.freeze());
                sent += 1;
            }
            stream.advance(now, &mut chance);
            while let Some(out) = stream.frame() {
                assert_eq!(out, frame(seen));
                seen += 1;
            }
            spoil(step, &mut stream, &mut chance);
        }
        assert_eq!(stream.unsent(), 0);
        seen
    }

    #[test]
    fn every_frame_arrives_on_every_profile() {
        for profile in profile::ALL {
            assert_eq!(run(&profile, 5, |_, _, _| ()), 300, "{}", profile.name);
            assert_eq!(
                run(&profile.proxy(1 << 20), 5, |_, _, _| ()),
                300,
                "{} and a proxy",
                profile.name
            );
        }
    }

    #[test]
    fn a_cut_loses_the_half_frame_and_all_behind() {
        for seed in 0..40 {
            let seen = run(&profile::FOUR_G, seed, |step, stream, chance| {
                if step == 60 + seed {
                    stream.cut(chance);
                }
            });
            assert!(seen < 200, "{seen} frames in half a second");
        }
    }

    #[test]
    fn a_proxy_hides_a_stalled_client_from_the_server() {
        let write = |profile: &Profile| {
            let (mut stream, mut chance) = (Stream::new(profile, Toward::Client), Chance::new(1));
            stream.hold(Time::from_millis(60_000));
            for step in 0..1_000 {
                let now = Time::from_millis(step * 10);
                if stream.writable(now) > 0 {
                    stream.write(Bytes::from(vec![0; 1_000]));
                }
                stream.advance(now, &mut chance);
            }
            stream.between()
        };
        assert!(write(&profile::FIBER) <= profile::FIBER.window + 1_000);
        assert_eq!(
            write(&profile::FIBER.proxy(4 << 20)),
            1_000_000,
            "a proxy takes it all"
        );
    }

    #[test]
    fn an_end_comes_after_the_last_byte() {
        let (mut stream, mut chance) = (
            Stream::new(&profile::FIBER.proxy(1 << 20), Toward::Client),
            Chance::new(1),
        );
        let mut bytes = BytesMut::new();
        put_frame(&mut bytes, b"bye", false);
        stream.write(bytes.freeze());
        stream.finish();
        let mut at = 0;
        while !stream.is_over() {
            stream.advance(Time::from_millis(at), &mut chance);
            at += 1;
            assert!(at < 1_000);
        }
        assert_eq!(stream.frame().as_deref(), Some(&b"bye"[..]));
    }
}
