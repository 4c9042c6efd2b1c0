//! A connection between one client and the server: two streams, and what each end still knows of it; not what is said on it.

use std::fmt;

use bytes::{Bytes, BytesMut};
use tickwire_proto::Time;
use tickwire_server::SessionKey;

use crate::{
    Chance,
    profile::Profile,
    stream::{Stream, Toward, put_frame},
};

/// The number of a link in a run; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId(pub u64);

/// A connection.
pub(crate) struct Link {
    pub client: usize,
    pub session: SessionKey,
    /// Which life of the server it leads to.
    pub epoch: u32,
    pub up: Stream,
    pub down: Stream,
    /// Whether each end still uses it.
    pub client_has: bool,
    pub server_has: bool,
    /// Nothing arrives any more, and nobody is told.
    pub half_open: bool,
    /// The code that the server closed it with.
    pub close_code: Option<u16>,
    pub chance: Chance,
    /// The moment for which it is planned in the queue.
    pub planned: Option<Time>,
}

/// What an end of a link saw.
pub(crate) enum Seen {
    Frame(Bytes),
    Lost,
}

impl Link {
    pub fn new(
        client: usize,
        session: SessionKey,
        epoch: u32,
        profile: &Profile,
        chance: Chance,
    ) -> Self {
        Link {
            client,
            session,
            epoch,
            up: Stream::new(profile, Toward::Server),
            down: Stream::new(profile, Toward::Client),
            client_has: true,
            server_has: true,
            half_open: false,
            close_code: None,
            chance,
            planned: None,
        }
    }

    /// The server's end writes frames, one after the other in one write.
    pub fn write_down<'a>(
        &mut self,
        now: Time,
        frames: impl IntoIterator<Item = &'a Bytes>,
    ) -> usize {
        let mut bytes = BytesMut::new();
        frames
            .into_iter()
            .for_each(|frame| put_frame(&mut bytes, frame, false));
        let length = bytes.len();
        self.down.write(bytes.freeze());
        self.down.advance(now, &mut self.chance);
        length
    }

    /// The client's end writes a frame.
    pub fn write_up(&mut self, now: Time, frame: &Bytes) {
        let mut bytes = BytesMut::new();
        put_frame(&mut bytes, frame, true);
        self.up.write(bytes.freeze());
        self.up.advance(now, &mut self.chance);
    }

    /// What the client's end sees next, at this time.
    pub fn at_client(&mut self, now: Time) -> Option<Seen> {
        self.down.advance(now, &mut self.chance);
        seen(&mut self.down, &mut self.client_has)
    }

    /// What the server's end sees next, at this time.
    pub fn at_server(&mut self, now: Time) -> Option<Seen> {
        self.up.advance(now, &mut self.chance);
        seen(&mut self.up, &mut self.server_has)
    }

    /// The client's end closes it: what it wrote arrives, then the server's end sees that.
    pub fn close_client(&mut self) {
        self.client_has = false;
        self.up.finish();
    }

    /// The server's end closes it with a code.
    pub fn close_server(&mut self, code: Option<u16>) {
        self.server_has = false;
        self.close_code = code;
        self.down.finish();
    }

    /// It breaks at any byte of either direction.
    pub fn cut(&mut self) {
        self.half_open = false;
        self.close_code = None; // it goes with the last byte
        self.up.cut(&mut self.chance);
        self.down.cut(&mut self.chance);
    }

    /// It dies without a word.
    pub fn go_half_open(&mut self) {
        self.half_open = true;
        self.up.kill();
        self.down.kill();
    }

    /// Nothing arrives in either direction until then.
    pub fn stall(&mut self, until: Time) {
        self.up.hold(until);
        self.down.hold(until);
    }

    pub fn set_profile(&mut self, profile: &Profile) {
        self.up.set_profile(profile, Toward::Server);
        self.down.set_profile(profile, Toward::Client);
    }

    /// The way is like this from now on, and nothing is held back on it.
    pub fn heal(&mut self, now: Time, profile: &Profile) {
        self.set_profile(profile);
        self.up.release(now);
        self.down.release(now);
        if self.half_open {
            self.cut();
        }
    }

    /// Nobody uses it and nothing is under way.
    pub fn is_over(&self) -> bool {
        !self.client_has && !self.server_has
    }

    pub fn next_due(&self) -> Option<Time> {
        self.up
            .next_due()
            .into_iter()
            .chain(self.down.next_due())
            .min()
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (up, down) = (&self.up, &self.down);
        write!(
            f,
            "link to session {}, up {} unsent {} under way, down {} unsent {} under way, ends client {} server {}, dead {}, due {:?} planned {:?}",
            self.session,
            up.unsent(),
            up.between(),
            down.unsent(),
            down.between(),
            self.client_has,
            self.server_has,
            self.half_open,
            self.next_due(),
            self.planned
        )
    }
}

fn seen(stream: &mut Stream, has: &mut bool) -> Option<Seen> {
    if !*has {
        return None;
    }
    if let Some(frame) = stream.frame() {
        return Some(Seen::Frame(frame));
    }
    if stream.is_over() {
        *has = false;
        return Some(Seen::Lost);
    }
    None
}
