//! Which link a client uses: the race, its second beginner, and the way up in mid-session, against real sessions of a server.

use std::time::Duration;

use bytes::Bytes;
use tickwire_client::{
    BESIDE_MS, Client, ClientConfig, ClientEvent, ClientOutput, Ladder, LinkChoice, LinkKind, Rung,
    State,
};
use tickwire_proto::frame::Identity;
use tickwire_proto::{ClientFrame, ServerEvent, ServerSession, SessionConfig, Time};

use LinkKind::{Polling, WebSocket};

struct World {
    now: Time,
    client: Client,
    ladder: Ladder,
    events: Vec<ClientEvent>,
}

impl World {
    /// A client that has asked for its first link.
    fn new(choice: LinkChoice) -> World {
        let now = Time::from_millis(10_000);
        let config = ClientConfig {
            credentials: Some(Bytes::from_static(b"{}")),
            ..ClientConfig::default()
        };
        let mut world = World {
            now,
            client: Client::new(config, 3, now),
            ladder: Ladder::new(choice),
            events: Vec::new(),
        };
        world.listen();
        world
    }

    fn listen(&mut self) {
        while let Some(output) = self.client.poll() {
            match output {
                ClientOutput::Connect { number, .. } => self.ladder.connect(self.now, number),
                ClientOutput::Event(event) => self.events.push(event),
                _ => {}
            }
        }
    }

    fn rungs(&mut self) -> Vec<Rung> {
        std::iter::from_fn(|| self.ladder.poll()).collect()
    }

    /// The kinds that are to be opened now, and nothing else.
    fn opens(&mut self) -> Vec<LinkKind> {
        let kind = |rung| match rung {
            Rung::Open { kind, .. } => kind,
            Rung::Drop(kind) => panic!("{kind:?} is dropped"),
        };
        self.rungs().into_iter().map(kind).collect()
    }

    fn wait(&mut self, ms: u64) {
        self.now = self.now.plus(Duration::from_millis(ms));
        self.ladder.handle_timeout(self.now);
        self.client.handle_timeout(self.now);
        self.listen();
    }

    fn opened(&mut self, kind: LinkKind) {
        self.ladder.opened(self.now, kind, &mut self.client);
        self.listen();
    }

    fn lost(&mut self, kind: LinkKind) {
        self.ladder.lost(self.now, kind, None, &mut self.client);
        self.listen();
    }

    fn says(&mut self, kind: LinkKind) -> Option<Bytes> {
        self.ladder.next(self.now, kind, 10_000, &mut self.client)
    }

    /// Both sides talk over a link until neither has more to say.
    fn talk(&mut self, kind: LinkKind, server: &mut ServerSession) {
        loop {
            let mut quiet = true;
            while let Some(frame) = self.says(kind) {
                server.handle_frame(self.now, &frame);
                quiet = false;
            }
            while let Some(event) = server.poll_event() {
                if let ServerEvent::AuthWanted { attachment, .. } = event {
                    server.attach_done(self.now, attachment, Ok(Identity::new("guest:Ann")));
                }
            }
            while let Some(out) = server.next(self.now, 10_000) {
                self.ladder
                    .frame(self.now, kind, &out.head, &mut self.client);
                quiet = false;
            }
            self.listen();
            if quiet {
                return;
            }
        }
    }

    fn server(&self) -> ServerSession {
        ServerSession::new(self.now, SessionConfig::default(), 1, [1; 32])
    }
}

fn is_hello(frame: &Bytes, claims: bool) -> bool {
    matches!(ClientFrame::decode(frame), Ok(ClientFrame::Hello { resume, .. }) if resume.is_some() == claims)
}

#[test]
fn a_websocket_that_opens_in_time_is_all_there_is() {
    let mut world = World::new(LinkChoice::Auto);
    assert_eq!(world.opens(), [WebSocket]);
    assert_eq!(world.says(WebSocket), None, "it is not open");
    world.wait(BESIDE_MS - 1);
    world.opened(WebSocket);
    let mut server = world.server();
    world.talk(WebSocket, &mut server);
    assert_eq!(world.ladder.carrier(), Some(WebSocket));
    assert_eq!(*world.client.state(), State::Online);
    world.wait(5_000);
    assert_eq!(world.rungs(), []);
}

#[test]
fn polling_begins_beside_a_websocket_that_does_not_open_and_whoever_is_answered_first_wins() {
    for winner in [WebSocket, Polling] {
        let mut world = World::new(LinkChoice::Auto);
        assert_eq!(world.opens(), [WebSocket]);
        world.wait(BESIDE_MS);
        assert_eq!(world.opens(), [Polling]);
        world.opened(Polling);
        world.opened(WebSocket);
        let hellos = [world.says(WebSocket).unwrap(), world.says(Polling).unwrap()];
        assert!(hellos[0] == hellos[1] && is_hello(&hellos[0], false));
        assert_eq!((world.says(WebSocket), world.says(Polling)), (None, None));
        let mut server = world.server();
        server.handle_frame(world.now, &hellos[0]);
        world.talk(winner, &mut server);
        let loser = if winner == Polling {
            WebSocket
        } else {
            Polling
        };
        assert_eq!(world.rungs(), [Rung::Drop(loser)]);
        assert_eq!(world.ladder.carrier(), Some(winner));
        assert_eq!(*world.client.state(), State::Online);
        assert_eq!(world.says(loser), None);
    }
}

#[test]
fn a_session_moves_up_to_a_websocket_that_opens_late() {
    let mut world = World::new(LinkChoice::Auto);
    world.opens();
    world.wait(BESIDE_MS);
    world.opens();
    world.opened(Polling);
    let mut server = world.server();
    world.talk(Polling, &mut server);
    assert_eq!(
        (world.ladder.carrier(), world.rungs()),
        (Some(Polling), vec![])
    );

    let events = world.events.len();
    world.opened(WebSocket);
    assert_eq!(world.rungs(), [Rung::Drop(Polling)]);
    let hello = world.says(WebSocket).unwrap();
    assert!(is_hello(&hello, true));
    let claim = ServerSession::claim(&hello).unwrap();
    assert!(server.may_resume(&claim.token));
    server.resume(world.now, &claim, [2; 32]);
    world.talk(WebSocket, &mut server);
    assert_eq!(*world.client.state(), State::Online);
    assert_eq!(world.events.len(), events, "nobody need know");
    assert_eq!(world.ladder.carrier(), Some(WebSocket));
}

#[test]
fn a_websocket_that_fails_is_tried_again_more_and_more_seldom_while_polling_works() {
    let mut world = World::new(LinkChoice::Auto);
    world.opens();
    world.lost(WebSocket);
    assert_eq!(world.opens(), [Polling], "at once");
    world.opened(Polling);
    let mut server = world.server();
    world.talk(Polling, &mut server);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let mut pause = 0;
        while world.rungs().is_empty() {
            world.wait(1_000);
            world.talk(Polling, &mut server);
            pause += 1;
        }
        pauses.push(pause);
        world.lost(WebSocket);
    }
    assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
    world.ladder.wake(world.now);
    world.wait(0);
    assert_eq!(
        world.opens(),
        [WebSocket],
        "a page that wakes up does not wait"
    );
    // One that hangs is given up.
    world.wait(10_000);
    assert_eq!(world.rungs(), [Rung::Drop(WebSocket)]);
}

#[test]
fn who_had_to_poll_begins_with_both() {
    let mut world = World::new(LinkChoice::Auto);
    world.opens();
    world.lost(WebSocket);
    world.opens();
    world.opened(Polling);
    let mut server = world.server();
    world.talk(Polling, &mut server);
    world.lost(Polling);
    assert!(matches!(world.client.state(), State::Away { .. }));
    world.client.reconnect(world.now);
    world.listen();
    assert_eq!(world.opens(), [WebSocket, Polling]);
}

#[test]
fn when_all_links_fail_the_client_waits_and_tries_again() {
    let mut world = World::new(LinkChoice::Auto);
    world.opens();
    world.lost(WebSocket);
    world.opens();
    world.lost(Polling);
    assert!(matches!(world.client.state(), State::Away { .. }));
    assert_eq!(world.ladder.next_timeout(), None);
    world.wait(10_000);
    assert_eq!(world.opens(), [WebSocket]);
}

#[test]
fn one_kind_alone_is_one_kind_alone() {
    for kind in [WebSocket, Polling] {
        let mut world = World::new(LinkChoice::Only(kind));
        assert_eq!(world.opens(), [kind]);
        world.opened(kind);
        let mut server = world.server();
        world.talk(kind, &mut server);
        assert_eq!(world.ladder.carrier(), Some(kind));
        world.wait(5_000);
        assert_eq!(world.rungs(), []);
    }
}
