//! Sessions whose links are cut again and again at any byte, over real sockets and through nginx: no message is lost, none comes twice, none out of order.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bevy_ecs::prelude::*;
use tickwire::prelude::*;
use tickwire_client::{ClientConfig, ClientEvent, LinkChoice, LinkKind, RoomKey};
use tickwire_net::{Running, Server, client::Connection, now};
use tickwire_proto::Time;
use tickwire_snapshot::message::{self, Message};
use tickwire_tests::{
    nginx::Nginx,
    relay::{Budget, Relay},
};
use tokio::{sync::Mutex, task::JoinSet};

const PATIENCE: Duration = Duration::from_secs(240);
/// What one says ahead of what it has heard of it.
const AHEAD: u32 = 16;

/// One of these tests, and of those of `returns`, at a time: each keeps the machine busy.
pub static ONE: Mutex<()> = Mutex::const_new(());

/// Past the test harness, which would keep it for failures.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What both sides say.
#[derive(NetMessage, serde::Serialize, serde::Deserialize, Clone, Debug, PartialEq)]
pub struct Numbered {
    /// Which of the sessions.
    pub who: u32,
    pub number: u32,
}

/// What the rooms have heard of each session: the number that comes next.
type Heard = Arc<[AtomicU32]>;

/// Rooms that expect the numbers of each session in order, and say them back. Of twenty: each hears that others are away.
fn server(heard: &Heard) -> Running {
    let heard = Arc::clone(heard);
    let talk = move |game: &mut Game| {
        let heard = Arc::clone(&heard);
        game.rate(30).seats(20).message::<Numbered>().on_message(
            move |In(from): In<FromPlayer<Numbered>>, mut outbox: ResMut<Outbox>| {
                let next = &heard[from.message.who as usize];
                let expected = next.load(Ordering::Relaxed);
                assert_eq!(from.message.number, expected, "of {}", from.message.who);
                next.store(expected + 1, Ordering::Relaxed);
                outbox.to(from.player, &from.message);
            },
        );
    };
    let server = Server::new("talk", talk)
        .listen("127.0.0.1:0")
        .set("threads.io", "2");
    server.start().unwrap_or_else(|error| panic!("{error}"))
}

fn heard(seats: usize) -> Heard {
    (0..seats).map(|_| AtomicU32::new(0)).collect()
}

/// One session, and what it has said and heard.
pub struct Talker {
    pub net: Connection,
    who: u32,
    pub room: RoomKey,
    pub said: u32,
    pub echoed: u32,
    pub resumed: u32,
}

impl Talker {
    pub fn new(address: &str, link: LinkKind, who: u32) -> Self {
        let mut net = Connection::open(&format!("ws://{address}"), ClientConfig::default())
            .expect("an address")
            .with_link(LinkChoice::Only(link));
        let room = net.client_mut().quick("talk", &[]);
        Self {
            net,
            who,
            room,
            said: 0,
            echoed: 0,
            resumed: 0,
        }
    }

    pub fn say(&mut self) {
        let text = message::encode(&Numbered {
            who: self.who,
            number: self.said,
        });
        let client = self.net.client_mut();
        if client.send(self.room, Numbered::kind(), &text).is_ok() {
            self.said += 1;
        }
    }

    /// Whatever comes next, if it comes in time; anything but what a session that lives on may hear is a failure.
    pub async fn hear(&mut self, until: Time) {
        match self.net.next_until(until).await {
            Some(ClientEvent::Message { payload, .. }) => {
                let Numbered { who, number } = message::decode(&payload).expect("a number");
                assert_eq!((who, number), (self.who, self.echoed));
                self.echoed += 1;
            }
            Some(ClientEvent::Resumed) => self.resumed += 1,
            // Who was not accepted yet has nothing to come back to.
            Some(ClientEvent::Expired | ClientEvent::RoomAway { .. }) if self.said == 0 => {}
            Some(
                event @ (ClientEvent::Expired
                | ClientEvent::SessionEnded { .. }
                | ClientEvent::MessagesLost { .. }
                | ClientEvent::RoomAway { .. }
                | ClientEvent::RoomEnded { .. }
                | ClientEvent::JoinRefused { .. }),
            ) => panic!("{event:?}, {:?}", self.net.failure()),
            _ => {}
        }
    }
}

/// How much of it.
#[derive(Clone, Copy, Debug)]
struct Storm {
    sessions: usize,
    cuts: u32,
    /// Messages of each session, in each direction, at least.
    messages: u32,
    link: LinkKind,
    budget: Budget,
}

/// Talks until it has been cut as often as it shall be, and all that it said has come back.
async fn through(storm: Storm, server: String, number: u32) -> (Talker, u32) {
    let relay = Relay::cutting(&server, storm.cuts, storm.budget, number.into()).await;
    let mut talker = Talker::new(&relay.address.to_string(), storm.link, number);
    let deadline = now().plus(PATIENCE);
    loop {
        let done = talker.said >= storm.messages && relay.cuts() >= storm.cuts;
        if done && talker.echoed == talker.said {
            break;
        }
        if !done && talker.said < talker.echoed + AHEAD {
            talker.say();
        }
        assert!(
            now() < deadline,
            "{number}: {} cuts, {} of {} echoed, {:?}",
            relay.cuts(),
            talker.echoed,
            talker.said,
            talker.net.failure()
        );
        talker.hear(now().plus(Duration::from_millis(100))).await;
    }
    (talker, relay.cuts())
}

async fn storm(name: &str, storm: Storm, nginx: bool) {
    let _one = ONE.lock().await;
    let begun = now();
    let heard = heard(storm.sessions);
    let server = server(&heard);
    let nginx = nginx.then(|| Nginx::start(&server.local_addr().to_string(), true));
    let address = match &nginx {
        Some(nginx) => nginx.address(),
        None => server.local_addr().to_string(),
    };
    let mut all = JoinSet::new();
    for number in 0..storm.sessions as u32 {
        all.spawn(through(storm, address.clone(), number));
    }
    let (mut cuts, mut resumed, mut up, mut down) = (0, 0, 0, 0);
    while let Some(one) = all.join_next().await {
        let (talker, of_one) = one.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(of_one, storm.cuts);
        let up_here = heard[talker.who as usize].load(Ordering::Relaxed);
        assert_eq!((up_here, talker.echoed), (talker.said, talker.said));
        cuts += of_one;
        resumed += talker.resumed;
        up += u64::from(up_here);
        down += u64::from(talker.echoed);
    }
    let least = storm.sessions as u64 * u64::from(storm.messages);
    assert!(up >= least && down >= least);
    tell(&format!(
        "{name}: {} sessions, {cuts} cuts, {resumed} resumes, {up} messages up and {down} down, each once and in order, in {:.0} s",
        storm.sessions,
        now().since(begun).as_secs_f32()
    ));
    server.stop();
}

/// From within the handshake, which has some 400 bytes, to some dozens of messages.
const SOCKETS: Storm = Storm {
    sessions: 200,
    cuts: 50,
    messages: 500,
    link: LinkKind::WebSocket,
    budget: Budget {
        least: 200,
        most: 1_800,
    },
};

/// Requests and answers have headers of some hundred bytes.
const POLLS: Storm = Storm {
    sessions: 40,
    cuts: 50,
    messages: 200,
    link: LinkKind::Polling,
    budget: Budget {
        least: 1,
        most: 6_000,
    },
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets_that_are_cut_lose_nothing() {
    storm("WebSockets", SOCKETS, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets_through_nginx_that_are_cut_lose_nothing() {
    storm("WebSockets through nginx", SOCKETS, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_that_are_cut_lose_nothing() {
    storm("Polling", POLLS, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_through_nginx_that_are_cut_lose_nothing() {
    storm("Polling through nginx", POLLS, true).await;
}
