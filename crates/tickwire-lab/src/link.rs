//! A link between one client and the server, of streams or of requests, and what each end still knows of it; not what is said on it.

use std::fmt;

use bytes::{Bytes, BytesMut};
use tickwire_proto::{Outgoing, Time};
use tickwire_server::SessionKey;

use crate::{
    Chance,
    loose::Loose,
    profile::Profile,
    requests::Requests,
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
    way: Way,
    loose: Option<Box<Loose>>,
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

/// What a link is made of.
enum Way {
    /// A connection, as a WebSocket is.
    Streams {
        up: Box<Stream>,
        down: Box<Stream>,
    },
    Requests(Box<Requests>),
}

/// What an end of a link saw.
pub(crate) enum Seen {
    Frame(Bytes),
    Lost,
}

impl Link {
    pub fn new(
        now: Time,
        client: usize,
        session: SessionKey,
        epoch: u32,
        (profile, polling): (&Profile, bool),
        mut chance: Chance,
    ) -> Self {
        let stream = |toward| Box::new(Stream::new(profile, toward));
        let loose = (profile.datagrams && !polling).then(|| Box::new(Loose::new(profile)));
        let way = if polling {
            Way::Requests(Box::new(Requests::new(now, profile, &mut chance)))
        } else {
            Way::Streams {
                up: stream(Toward::Server),
                down: stream(Toward::Client),
            }
        };
        Link {
            client,
            session,
            epoch,
            way,
            loose,
            client_has: true,
            server_has: true,
            half_open: false,
            close_code: None,
            chance,
            planned: None,
        }
    }

    /// Whether it has a lane of datagrams.
    pub fn has_datagrams(&self) -> bool {
        self.loose.is_some()
    }

    /// How much the server's end may write now.
    pub fn down_takes(&mut self, now: Time) -> usize {
        match &mut self.way {
            Way::Streams { down, .. } => down.writable(now),
            Way::Requests(requests) => requests.host_takes(),
        }
    }

    /// How much the client's end may write now.
    pub fn up_takes(&mut self, now: Time) -> usize {
        match &mut self.way {
            Way::Streams { up, .. } => up.writable(now),
            Way::Requests(requests) => requests.client_takes(),
        }
    }

    /// What the server's end wrote and the link has not taken.
    pub fn unsent(&self) -> usize {
        match &self.way {
            Way::Streams { down, .. } => down.unsent(),
            Way::Requests(_) => 0,
        }
    }

    /// Whether it carries towards the client only when it is asked.
    pub fn is_polled(&self) -> bool {
        matches!(self.way, Way::Requests(_))
    }

    /// A poll came since this was asked last.
    pub fn take_polled(&mut self) -> bool {
        match &mut self.way {
            Way::Streams { .. } => false,
            Way::Requests(requests) => requests.take_polled(),
        }
    }

    /// The server's end writes one or two frames in one write.
    pub fn write_down(&mut self, now: Time, out: &Outgoing) {
        if let Some(loose) = &mut self.loose
            && loose.write_down(now, out, &mut self.chance)
        {
            return;
        }
        match &mut self.way {
            Way::Streams { down, .. } => {
                let mut bytes = BytesMut::new();
                for frame in std::iter::once(&out.head).chain(&out.body) {
                    put_frame(&mut bytes, frame, false);
                }
                down.write(bytes.freeze());
                down.advance(now, &mut self.chance);
            }
            // It goes when all is said.
            Way::Requests(requests) => requests.put(out),
        }
    }

    /// The client's end writes a frame.
    pub fn write_up(&mut self, now: Time, frame: &Bytes) {
        match &mut self.way {
            Way::Streams { up, .. } => {
                let mut bytes = BytesMut::new();
                put_frame(&mut bytes, frame, true);
                up.write(bytes.freeze());
                up.advance(now, &mut self.chance);
            }
            Way::Requests(requests) => requests.say(frame),
        }
    }

    /// The client's end sends a frame by a datagram.
    pub fn write_up_loose(&mut self, now: Time, frame: &Bytes) {
        if let Some(loose) = &mut self.loose {
            loose.write_up(now, frame, &mut self.chance);
        }
    }

    /// What was said goes.
    pub fn flush(&mut self, now: Time) {
        if let Way::Requests(requests) = &mut self.way {
            requests.advance(now, &mut self.chance);
        }
    }

    /// What the client's end sees next, at this time.
    pub fn at_client(&mut self, now: Time) -> Option<Seen> {
        while let Some(frame) = self.loose.as_mut().and_then(|it| it.at_client(now)) {
            if self.client_has {
                return Some(Seen::Frame(frame));
            }
        }
        match &mut self.way {
            Way::Streams { down, .. } => {
                down.advance(now, &mut self.chance);
                seen(down, &mut self.client_has)
            }
            Way::Requests(requests) => {
                requests.advance(now, &mut self.chance);
                if !self.client_has {
                    return None;
                }
                if let Some(frame) = requests.frame_at_client() {
                    return Some(Seen::Frame(frame));
                }
                let code = requests.over_at_client()?;
                self.close_code = code;
                self.client_has = false;
                Some(Seen::Lost)
            }
        }
    }

    /// What the server's end sees next, at this time.
    pub fn at_server(&mut self, now: Time) -> Option<Seen> {
        while let Some(frame) = self.loose.as_mut().and_then(|it| it.at_server(now)) {
            if self.server_has {
                return Some(Seen::Frame(frame));
            }
        }
        match &mut self.way {
            Way::Streams { up, .. } => {
                up.advance(now, &mut self.chance);
                seen(up, &mut self.server_has)
            }
            Way::Requests(requests) => {
                requests.advance(now, &mut self.chance);
                let frame = requests.frame_at_server();
                if !self.server_has {
                    return None;
                }
                if let Some(frame) = frame {
                    return Some(Seen::Frame(frame));
                }
                if requests.over_at_server() {
                    self.server_has = false;
                    return Some(Seen::Lost);
                }
                None
            }
        }
    }

    /// The client's end closes it: what it wrote arrives, then the server's end sees that.
    pub fn close_client(&mut self) {
        self.client_has = false;
        match &mut self.way {
            Way::Streams { up, .. } => up.finish(),
            Way::Requests(requests) => requests.close_client(),
        }
    }

    /// The client's end looks at it no more, and does not say so.
    pub fn leave(&mut self) {
        self.client_has = false;
        if let Way::Requests(requests) = &mut self.way {
            requests.leave();
        }
    }

    /// The server's end closes it with a code.
    pub fn close_server(&mut self, code: Option<u16>) {
        self.server_has = false;
        match &mut self.way {
            Way::Streams { down, .. } => {
                self.close_code = code;
                down.finish();
            }
            Way::Requests(requests) => requests.close_server(code),
        }
    }

    /// It breaks at any byte of either direction. Of requests those under way do, and the link goes on.
    pub fn cut(&mut self, now: Time) {
        self.half_open = false;
        self.end_loose();
        match &mut self.way {
            Way::Streams { up, down } => {
                self.close_code = None; // it goes with the last byte
                up.cut(&mut self.chance);
                down.cut(&mut self.chance);
            }
            Way::Requests(requests) => requests.cut(now),
        }
    }

    fn end_loose(&mut self) {
        if let Some(loose) = &mut self.loose {
            loose.end();
        }
    }

    /// Of one direction of it so many bytes arrive: then it is to be cut.
    pub fn ration(&mut self, toward: Toward, bytes: usize) {
        if let Way::Streams { up, down } = &mut self.way {
            match toward {
                Toward::Server => up.ration(bytes),
                Toward::Client => down.ration(bytes),
            }
        }
    }

    /// Both ends still use it, and all that may arrive has arrived.
    pub fn is_spent(&self) -> bool {
        let spent = match &self.way {
            Way::Streams { up, down } => up.is_spent() || down.is_spent(),
            Way::Requests(_) => false,
        };
        spent && self.client_has && self.server_has
    }

    /// The server's process is gone.
    pub fn lose_server(&mut self, now: Time) {
        self.cut(now);
        self.server_has = false;
        if let Way::Requests(requests) = &mut self.way {
            requests.lose_server(now);
        }
    }

    /// It dies without a word.
    pub fn go_half_open(&mut self) {
        self.half_open = true;
        self.end_loose();
        match &mut self.way {
            Way::Streams { up, down } => {
                up.kill();
                down.kill();
            }
            Way::Requests(requests) => requests.kill(),
        }
    }

    /// Nothing arrives in either direction until then.
    pub fn stall(&mut self, until: Time) {
        if let Some(loose) = &mut self.loose {
            loose.hold(until);
        }
        match &mut self.way {
            Way::Streams { up, down } => {
                up.hold(until);
                down.hold(until);
            }
            Way::Requests(requests) => requests.hold(until),
        }
    }

    pub fn set_profile(&mut self, profile: &Profile) {
        if let Some(loose) = &mut self.loose {
            loose.set_profile(profile);
        }
        match &mut self.way {
            Way::Streams { up, down } => {
                up.set_profile(profile, Toward::Server);
                down.set_profile(profile, Toward::Client);
            }
            Way::Requests(requests) => requests.set_profile(profile),
        }
    }

    /// The way is like this from now on, and nothing is held back on it.
    pub fn heal(&mut self, now: Time, profile: &Profile) {
        self.set_profile(profile);
        if let Some(loose) = &mut self.loose {
            loose.release();
        }
        match &mut self.way {
            Way::Streams { up, down } => {
                up.release(now);
                down.release(now);
            }
            Way::Requests(requests) => requests.release(),
        }
        if self.half_open {
            self.cut(now);
        }
    }

    /// Nobody uses it and nothing is under way.
    pub fn is_over(&self) -> bool {
        !self.client_has && !self.server_has
    }

    /// One of its ends has something to learn of its end.
    pub fn has_ended(&self) -> bool {
        match &self.way {
            Way::Streams { up, down } => {
                (self.client_has && down.is_over()) || (self.server_has && up.is_over())
            }
            Way::Requests(requests) => {
                (self.client_has && requests.over_at_client().is_some())
                    || (self.server_has && requests.over_at_server())
            }
        }
    }

    pub fn next_due(&self) -> Option<Time> {
        let loose = self.loose.as_ref().and_then(|it| it.next_due());
        let way = match &self.way {
            Way::Streams { up, down } => up.next_due().into_iter().chain(down.next_due()).min(),
            Way::Requests(requests) => requests.next_due(),
        };
        way.into_iter().chain(loose).min()
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Way::Streams { up, down } = &self.way else {
            return write!(
                f,
                "polling link to session {}, ends client {} server {}, dead {}, due {:?} planned {:?}",
                self.session,
                self.client_has,
                self.server_has,
                self.half_open,
                self.next_due(),
                self.planned
            );
        };
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
