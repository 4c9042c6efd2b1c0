//! Clients whose links are HTTP requests: they play and talk like others, and move between both kinds of link with nothing lost or doubled.

use std::time::Duration;

use bevy_ecs::prelude::*;
use tickwire_client::{ClientConfig, ClientEvent, LinkChoice, LinkKind, RoomKey, SendError, State};
use tickwire_net::client::Connection;
use tickwire_net::{Server, now};
use tickwire_proto::Reason;
use tickwire_sim::prelude::*;
use tickwire_snapshot::message::{self, Message};

use super::relay::{Relay, Upgrades};
use super::{dots, loopback, start};

const PATIENCE: Duration = Duration::from_secs(60);
const POLLING: LinkChoice = LinkChoice::Only(LinkKind::Polling);

fn echo(In(from): In<FromPlayer<String>>, mut outbox: ResMut<Outbox>) {
    outbox.to(from.player, &format!("echo {}", from.message));
}

fn count(tick: Res<CurrentTick>, mut outbox: ResMut<Outbox>) {
    outbox.all(&format!("tick {}", tick.tick().0));
}

/// Dots that count their ticks aloud, and answer what is said.
fn talking(game: &mut Game) {
    dots(game);
    game.message::<String>().on_message(echo).systems(count);
}

pub(super) fn talker() -> Server {
    Server::new("dots", talking)
        .listen("127.0.0.1:0")
        .set("threads.io", "2")
}

/// A player who numbers what it says, and checks the numbers of all that it hears.
struct Talker {
    net: Connection,
    room: RoomKey,
    said: u32,
    echoed: u32,
    tick: Option<u32>,
    ticks: u32,
    updates: u32,
    joins: u32,
    resumes: u32,
    away: u32,
}

impl Talker {
    fn new(url: &str, choice: LinkChoice) -> Talker {
        let mut net = Connection::open(url, ClientConfig::default())
            .unwrap()
            .with_link(choice);
        let room = net.client_mut().quick("dots", &[]);
        Talker {
            net,
            room,
            said: 0,
            echoed: 0,
            tick: None,
            ticks: 0,
            updates: 0,
            joins: 0,
            resumes: 0,
            away: 0,
        }
    }

    /// Plays on until `done` says so: steers, and says one number for each that came back.
    async fn until(&mut self, what: &str, mut done: impl FnMut(&Talker) -> bool) {
        let deadline = now().plus(PATIENCE);
        while !done(self) {
            let soon = now().plus(Duration::from_millis(20));
            if let Some(event) = self.net.next_until(soon).await {
                self.hear(event);
            }
            // To and fro: who stands at a wall changes nothing, and then there is no update.
            let x = if (self.ticks / 30).is_multiple_of(2) {
                1
            } else {
                -1
            };
            loopback::steer_to(&mut self.net, self.room, x);
            if self.said < self.echoed + 20 && self.joins > 0 {
                self.say();
            }
            assert!(
                now() < deadline,
                "{what}: over {:?}, {} of {} echoed, {} updates, {:?}, {:?}",
                self.net.link(),
                self.echoed,
                self.said,
                self.updates,
                self.net.client().state(),
                self.net.failure(),
            );
        }
    }

    fn say(&mut self) {
        let payload = message::encode(&self.said.to_string());
        match self
            .net
            .client_mut()
            .send(self.room, String::kind(), &payload)
        {
            Ok(()) => self.said += 1,
            Err(SendError::NotJoined(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn hear(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Message { payload, .. } => {
                let text: String = message::decode(&payload).unwrap();
                match text.split_once(' ').unwrap() {
                    ("echo", number) => {
                        assert_eq!(number, self.echoed.to_string(), "in order, once each");
                        self.echoed += 1;
                    }
                    (_, number) => {
                        let tick: u32 = number.parse().unwrap();
                        assert!(self.tick.is_none_or(|last| tick == last + 1), "{tick}");
                        self.tick = Some(tick);
                        self.ticks += 1;
                    }
                }
            }
            ClientEvent::Updated { .. } => self.updates += 1,
            ClientEvent::Joined { .. } => self.joins += 1,
            ClientEvent::Resumed => self.resumes += 1,
            ClientEvent::State(State::Away { .. }) => {
                self.away += 1;
                self.net.client_mut().reconnect(now());
            }
            ClientEvent::Expired
            | ClientEvent::Fault { .. }
            | ClientEvent::RoomAway { .. }
            | ClientEvent::MessagesLost { .. }
            | ClientEvent::State(State::Ended { .. }) => panic!("{event:?}"),
            _ => {}
        }
    }

    fn x(&self) -> f64 {
        let seen = loopback::dots_seen(&self.net, self.room);
        seen.into_iter().fold(0.0, f64::max)
    }
}

#[tokio::test]
async fn a_player_who_polls_joins_steers_and_talks() {
    let server = start(talker());
    let mut ann = Talker::new(&server.url(), POLLING);
    ann.until("she plays", |ann| {
        ann.x() > 450.0 && ann.echoed >= 60 && ann.ticks >= 60 && ann.updates >= 30
    })
    .await;
    assert_eq!((ann.joins, ann.away), (1, 0));
    assert_eq!(ann.net.link(), Some(LinkKind::Polling));
    // One who came by WebSocket sees her, and both hear the same ticks.
    let mut ben = Talker::new(&server.url(), LinkChoice::default());
    ben.until("he plays too", |ben| ben.echoed >= 20 && ben.updates >= 10)
        .await;
    assert_eq!(ben.net.link(), Some(LinkKind::WebSocket));
    ann.net.close();
    let room = ben.room;
    ben.until("she has left, by her own goodbye", |ben| {
        ben.net.client().view(room).unwrap().members().len() == 1
    })
    .await;
    server.stop();
}

#[tokio::test]
async fn a_polling_session_goes_on_over_cut_connections() {
    is_heard_after_each_cut(POLLING, "2").await;
}

#[tokio::test]
async fn a_websocket_session_is_heard_after_each_cut_whichever_thread_it_meets() {
    let socket = LinkChoice::Only(LinkKind::WebSocket);
    is_heard_after_each_cut(socket, "1").await;
    is_heard_after_each_cut(socket, "2").await;
}

async fn is_heard_after_each_cut(choice: LinkChoice, threads: &str) {
    let server = start(talker().set("threads.io", threads));
    let mut relay = Relay::to(server.local_addr()).await;
    let mut ann = Talker::new(&format!("ws://{}", relay.address), choice);
    for round in 1..=8 {
        let (echoed, updates) = (ann.echoed + 15, ann.updates + 5);
        ann.until(&format!("round {round}"), |ann| {
            ann.echoed >= echoed && ann.updates >= updates
        })
        .await;
        relay.cut();
    }
    let said = ann.said;
    ann.until("all comes back", |ann| ann.echoed >= said).await;
    assert_eq!(ann.joins, 1);
    server.stop();
}

#[tokio::test]
async fn a_session_moves_up_to_a_websocket_and_back_with_nothing_lost_or_doubled() {
    let server = start(talker());
    let mut relay = Relay::to(server.local_addr()).await;
    relay.upgrades(Upgrades::Refused);
    let mut ann = Talker::new(&format!("ws://{}", relay.address), LinkChoice::Auto);
    for round in 1..=3 {
        let echoed = ann.echoed + 20;
        ann.until(&format!("round {round}: polling works"), |ann| {
            ann.net.link() == Some(LinkKind::Polling) && ann.echoed >= echoed
        })
        .await;
        relay.upgrades(Upgrades::Pass);
        let (away, resumes) = (ann.away, ann.resumes);
        ann.until("it moves up", |ann| {
            ann.net.link() == Some(LinkKind::WebSocket)
        })
        .await;
        let (echoed, updates) = (ann.said, ann.updates + 5);
        ann.until("all goes on over the WebSocket", |ann| {
            ann.echoed >= echoed && ann.updates >= updates
        })
        .await;
        assert_eq!((ann.away, ann.resumes), (away, resumes), "nobody noticed");
        relay.upgrades(Upgrades::Refused);
        relay.cut();
    }
    assert_eq!(ann.joins, 1);
    assert!(ann.resumes >= 2, "back to polling by a resume");
    server.stop();
}

#[tokio::test]
async fn a_websocket_that_is_never_answered_gets_polling_beside_it() {
    let server = start(talker());
    let relay = Relay::to(server.local_addr()).await;
    relay.upgrades(Upgrades::Swallowed);
    let began = now();
    let mut ann = Talker::new(&format!("ws://{}", relay.address), LinkChoice::Auto);
    ann.until("polling takes over", |ann| ann.echoed >= 5).await;
    assert_eq!(ann.net.link(), Some(LinkKind::Polling));
    assert!(now().since(began) >= Duration::from_secs(2));
    assert_eq!(ann.away, 0);
    server.stop();
}

#[tokio::test]
async fn a_polling_client_hears_that_the_server_restarts() {
    let server = start(talker());
    let mut ann = Talker::new(&server.url(), POLLING);
    ann.until("she plays", |ann| ann.updates >= 5).await;
    let stopping = tokio::task::spawn_blocking(move || server.stop());
    let deadline = now().plus(PATIENCE);
    loop {
        match ann.net.next_until(deadline).await {
            Some(ClientEvent::State(State::Away { retry_in })) => {
                // "After 1 s" was heard: a lost link alone would be tried again within half a second.
                assert!(retry_in >= Duration::from_secs(1), "{retry_in:?}");
                break;
            }
            Some(ClientEvent::State(State::Ended { reason, .. })) => {
                assert_ne!(reason, Reason::Restarting);
                panic!("{reason}");
            }
            event => assert!(event.is_some()),
        }
    }
    stopping.await.unwrap();
}
