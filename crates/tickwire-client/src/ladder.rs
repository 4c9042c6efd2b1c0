//! Which kind of link a client uses: the best that works, tried side by side, and a better one later, in mid-session. It opens nothing itself.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tickwire_proto::Time;

use crate::client::Client;

/// A WebSocket that is not open after this time gets polling beside it.
pub const BESIDE_MS: u64 = 2_000;
/// Between two tries to move up from polling: the first, and the longest; doubled in between.
const UP_FIRST: Duration = Duration::from_secs(2);
const UP_MAX: Duration = Duration::from_secs(60);
/// A WebSocket that opens for longer than this, while polling works, is given up.
const UP_PATIENCE: Duration = Duration::from_secs(10);

/// A kind of link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// A WebSocket.
    WebSocket,
    /// HTTP requests, one of which waits at the server.
    Polling,
}

/// Which kinds a client may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkChoice {
    /// The best that works: a WebSocket, else polling, and a WebSocket as soon as one opens.
    #[default]
    Auto,
    /// This kind alone.
    Only(LinkKind),
}

/// What a driver is asked to do with its links. It has at most one of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// Open a link; a polling one counts as open at once. The number is for its URL.
    Open {
        /// Which kind.
        kind: LinkKind,
        /// The number of the attempt.
        number: u32,
    },
    /// Forget the link, without a goodbye: what is said goes on elsewhere.
    Drop(LinkKind),
}

/// The links of one client: while several open they race, and the first that is answered carries the session.
///
/// A driver passes on [`ClientOutput::Connect`](crate::ClientOutput::Connect) and what becomes of its links, writes to each what
/// [`next`](Self::next) gives, and drains [`poll`](Self::poll) after each call.
#[derive(Debug)]
pub struct Ladder {
    choice: LinkChoice,
    links: [Link; 2],
    number: u32,
    /// A connection is being made: no link was answered yet.
    racing: bool,
    /// Of this race: what each link that opens says first.
    hello: Option<Bytes>,
    carrier: Option<LinkKind>,
    /// What carried last: whoever had to poll once begins with it.
    last: Option<LinkKind>,
    beside_at: Option<Time>,
    up_at: Option<Time>,
    up_pause: Duration,
    up_until: Option<Time>,
    rungs: VecDeque<Rung>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Link {
    #[default]
    None,
    Opening,
    /// `greeted`: the hello was written to it.
    Open {
        greeted: bool,
    },
}

impl Ladder {
    /// Without a link.
    #[must_use]
    pub fn new(choice: LinkChoice) -> Ladder {
        Ladder {
            choice,
            links: [Link::None; 2],
            number: 0,
            racing: false,
            hello: None,
            carrier: None,
            last: None,
            beside_at: None,
            up_at: None,
            up_pause: UP_FIRST,
            up_until: None,
            rungs: VecDeque::new(),
        }
    }

    /// The link that carries the session.
    #[must_use]
    pub fn carrier(&self) -> Option<LinkKind> {
        self.carrier
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Rung> {
        self.rungs.pop_front()
    }

    /// The client wants a link.
    pub fn connect(&mut self, now: Time, number: u32) {
        self.hang_up();
        self.number = number;
        self.racing = true;
        match self.choice {
            LinkChoice::Only(kind) => self.open(kind),
            LinkChoice::Auto => {
                self.open(LinkKind::WebSocket);
                if self.last == Some(LinkKind::Polling) {
                    self.open(LinkKind::Polling);
                } else {
                    self.beside_at = Some(now.plus(Duration::from_millis(BESIDE_MS)));
                }
            }
        }
    }

    /// The client wants no link any more; its last words on the carrier are said.
    pub fn hang_up(&mut self) {
        for kind in [LinkKind::WebSocket, LinkKind::Polling] {
            self.drop_link(kind);
        }
        self.racing = false;
        self.hello = None;
        self.carrier = None;
        self.beside_at = None;
        self.up_at = None;
        self.up_until = None;
    }

    /// A link is open.
    pub fn opened(&mut self, now: Time, kind: LinkKind, client: &mut Client) {
        if self.links[kind as usize] != Link::Opening {
            return;
        }
        self.links[kind as usize] = Link::Open { greeted: false };
        if self.racing {
            if self.hello.is_none() {
                client.link_open(now);
                self.hello = client.next(now, usize::MAX);
            }
        } else if kind == LinkKind::WebSocket && self.carrier == Some(LinkKind::Polling) {
            self.move_up(now, client);
        }
    }

    /// The session goes on over the WebSocket. What is under way on the other link counts no more: both sides say what they have.
    fn move_up(&mut self, now: Time, client: &mut Client) {
        self.up_until = None;
        if client.link_moved(now) {
            self.drop_link(LinkKind::Polling);
            self.carrier = Some(LinkKind::WebSocket);
            self.last = self.carrier;
        } else {
            self.drop_link(LinkKind::WebSocket);
            self.plan_up(now);
        }
    }

    /// What is written next to that link, which takes so much.
    pub fn next(
        &mut self,
        now: Time,
        kind: LinkKind,
        writable: usize,
        client: &mut Client,
    ) -> Option<Bytes> {
        if self.carrier == Some(kind) {
            return client.next(now, writable);
        }
        match &mut self.links[kind as usize] {
            Link::Open { greeted } if self.racing && !*greeted => {
                *greeted = true;
                self.hello.clone()
            }
            _ => None,
        }
    }

    /// A frame came on that link: the first of all decides the race.
    pub fn frame(&mut self, now: Time, kind: LinkKind, frame: &Bytes, client: &mut Client) {
        if self.racing {
            self.won(now, kind);
        }
        if self.carrier == Some(kind) {
            client.frame(now, frame);
        }
    }

    fn won(&mut self, now: Time, kind: LinkKind) {
        self.racing = false;
        self.hello = None;
        self.beside_at = None;
        self.carrier = Some(kind);
        self.last = self.carrier;
        if kind == LinkKind::WebSocket {
            self.drop_link(LinkKind::Polling);
            self.up_pause = UP_FIRST;
        } else if self.links[LinkKind::WebSocket as usize] == Link::Opening {
            // It may open yet, and then the session moves.
            self.up_until = Some(now.plus(UP_PATIENCE));
        } else {
            self.drop_link(LinkKind::WebSocket);
            self.plan_up(now);
        }
    }

    /// A link is lost, or did not open. `code`: of its closing.
    pub fn lost(&mut self, now: Time, kind: LinkKind, code: Option<u16>, client: &mut Client) {
        if self.links[kind as usize] == Link::None {
            return;
        }
        self.links[kind as usize] = Link::None;
        if self.carrier == Some(kind) {
            self.hang_up();
            return client.link_lost(now, code);
        }
        if !self.racing {
            return self.plan_up(now); // a try to move up
        }
        if kind == LinkKind::WebSocket && self.beside_at.take().is_some() {
            self.open(LinkKind::Polling);
        }
        if self.links == [Link::None; 2] {
            self.hang_up();
            client.link_lost(now, code);
        }
    }

    /// Something says that the way has changed (a page that woke up, a network that came back): a try to move up, now.
    pub fn wake(&mut self, now: Time) {
        self.up_pause = UP_FIRST;
        if self.up_at.is_some() {
            self.up_at = Some(now);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        let all = [self.beside_at, self.up_at, self.up_until];
        all.into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.beside_at.take_if(|at| now >= *at).is_some() {
            self.open(LinkKind::Polling);
        }
        if self.up_until.take_if(|at| now >= *at).is_some() {
            self.drop_link(LinkKind::WebSocket);
            self.plan_up(now);
        }
        if self.up_at.take_if(|at| now >= *at).is_some() {
            self.number = self.number.wrapping_add(1);
            self.up_until = Some(now.plus(UP_PATIENCE));
            self.open(LinkKind::WebSocket);
        }
    }

    fn plan_up(&mut self, now: Time) {
        self.up_until = None;
        if self.choice == LinkChoice::Auto && self.carrier == Some(LinkKind::Polling) {
            self.up_at = Some(now.plus(self.up_pause));
            self.up_pause = (self.up_pause * 2).min(UP_MAX);
        }
    }

    fn open(&mut self, kind: LinkKind) {
        self.links[kind as usize] = Link::Opening;
        let number = self.number;
        self.rungs.push_back(Rung::Open { kind, number });
    }

    fn drop_link(&mut self, kind: LinkKind) {
        if std::mem::take(&mut self.links[kind as usize]) != Link::None {
            self.rungs.push_back(Rung::Drop(kind));
        }
    }
}
