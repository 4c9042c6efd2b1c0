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
use tickwire_client::{ClientConfig, ClientEvent, LinkChoice, LinkKind, RoomKey, State};
use tickwire_net::{Running, Server, client::Connection, now};
use tickwire_proto::Time;
use tickwire_snapshot::message::{self, Message};
use tickwire_tests::{
    nginx::Nginx,
    relay::{Budget, Relay},
};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::JoinSet,
};

const PATIENCE: Duration = Duration::from_secs(240);
/// What one says ahead of what it has heard of it.
const AHEAD: u32 = 16;

/// One of these tests at a time: each keeps the machine busy.
static ONE: Mutex<()> = Mutex::const_new(());

/// Past the test harness, which would keep it for failures.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What both sides say.
#[derive(NetMessage, serde::Serialize, serde::Deserialize, Clone, Debug, PartialEq)]
struct Numbered {
    /// Which of the sessions.
    who: u32,
    number: u32,
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
struct Talker {
    net: Connection,
    who: u32,
    room: RoomKey,
    said: u32,
    echoed: u32,
    resumed: u32,
}

impl Talker {
    fn new(address: &str, link: LinkKind, who: u32) -> Self {
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

    fn say(&mut self) {
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
    async fn hear(&mut self, until: Time) {
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

/// Sessions that are cut at the same moment.
const CROWD: usize = 1_000;
/// The first window of the back-off.
const BACKOFF: Duration = Duration::from_millis(500);

/// Rooms of fifty in which all is said back, and one that counts its ticks aloud.
fn crowded() -> Running {
    fn echo(In(from): In<FromPlayer<Numbered>>, mut outbox: ResMut<Outbox>) {
        outbox.to(from.player, &from.message);
    }
    let talk = |game: &mut Game| {
        game.rate(20)
            .seats(50)
            .message::<Numbered>()
            .on_message(echo);
    };
    let clock = |game: &mut Game| {
        let count = |tick: Res<CurrentTick>, mut outbox: ResMut<Outbox>| {
            outbox.all(&Numbered {
                who: 0,
                number: tick.tick().0,
            });
        };
        game.rate(20).seats(2).message::<Numbered>().systems(count);
    };
    let server = Server::new("talk", talk)
        .kind("clock", clock)
        .listen("127.0.0.1:0")
        .set("threads.io", "2");
    server.start().unwrap_or_else(|error| panic!("{error}"))
}

/// One of the crowd: tells when it is in and when it is back, and says a number each time.
async fn one_of_the_crowd(address: String, tell: mpsc::UnboundedSender<Time>) {
    let mut talker = Talker::new(&address, LinkKind::WebSocket, 0);
    let deadline = now().plus(PATIENCE);
    for resumes in 0..2 {
        while talker.said == resumes {
            assert!(now() < deadline, "{:?}", talker.net.failure());
            talker.hear(deadline).await;
            if talker.resumed == resumes && talker.net.client().is_joined(talker.room) {
                let _ = tell.send(now());
                talker.say();
            }
        }
        while talker.echoed < talker.said {
            talker.hear(deadline).await;
            assert!(now() < deadline, "{} is not said back", talker.said);
        }
    }
}

/// Hears a room count until the end: the longest silence since it was asked for last.
async fn bystander(address: String, mut ask: mpsc::Receiver<oneshot::Sender<Duration>>) {
    let mut net = Connection::open(&format!("ws://{address}"), ClientConfig::default()).unwrap();
    net.client_mut().quick("clock", &[]);
    let (mut last, mut heard, mut longest) = (None, now(), Duration::ZERO);
    loop {
        tokio::select! {
            event = net.next() => match event {
                ClientEvent::Message { payload, .. } => {
                    let Numbered { number: tick, .. } = message::decode(&payload).expect("a number");
                    assert!(last.is_none_or(|last| tick == last + 1), "{tick} behind {last:?}");
                    longest = longest.max(now().since(heard));
                    (last, heard) = (Some(tick), now());
                }
                ClientEvent::State(State::Away { .. }) | ClientEvent::RoomEnded { .. } => {
                    panic!("{event:?}")
                }
                _ => {}
            },
            asked = ask.recv() => {
                let Some(asked) = asked else { return };
                let _ = asked.send(longest.max(now().since(heard)));
                (longest, heard) = (Duration::ZERO, now());
            }
        }
    }
}

async fn silence(ask: &mpsc::Sender<oneshot::Sender<Duration>>) -> Duration {
    let (answer, answered) = oneshot::channel();
    ask.send(answer).await.expect("the bystander is there");
    answered.await.expect("it answers")
}

/// Waits for so many of the crowd; the last moment that was told.
async fn all_of(told: &mut mpsc::UnboundedReceiver<Time>) -> Vec<Time> {
    let mut all = Vec::new();
    while all.len() < CROWD {
        let next = tokio::time::timeout(PATIENCE, told.recv()).await;
        let next = next.unwrap_or_else(|_| panic!("{} of {CROWD}", all.len()));
        all.push(next.expect("each of the crowd is there"));
    }
    all
}

async fn all_at_once(name: &str, nginx: bool) {
    let _one = ONE.lock().await;
    let server = crowded();
    let direct = server.local_addr().to_string();
    let nginx = nginx.then(|| Nginx::start(&direct, true));
    let relay = match &nginx {
        Some(nginx) => Relay::to(&nginx.address()).await,
        None => Relay::to(&direct).await,
    };
    let (ask, asked) = mpsc::channel(1);
    let aside = tokio::spawn(bystander(direct, asked));
    let begun = now();
    let (tell_main, mut told) = mpsc::unbounded_channel();
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        crowd.spawn(one_of_the_crowd(
            relay.address.to_string(),
            tell_main.clone(),
        ));
    }
    drop(tell_main);
    all_of(&mut told).await;
    // What the same thousand needs on this machine with no back-off at all.
    let connecting = now().since(begun);
    silence(&ask).await;

    let cut = now();
    relay.cut_all();
    let mut back = all_of(&mut told).await;
    back.sort_unstable();
    let after = |share: usize| back[(CROWD - 1) * share / 100].since(cut);
    // Within the back-off's spread, and the time that this machine needs for so many to connect, twice over: a cut and a resume are not less work.
    let (most, quiet) = (BACKOFF + 2 * connecting, silence(&ask).await);
    tell(&format!(
        "{name}: {CROWD} sessions cut at once are back after {:?} (p50), {:?} (all); they had connected in {connecting:?}; the longest silence of a bystander's 50 ms: {quiet:?}",
        after(50),
        after(100),
    ));
    assert!(after(100) <= most, "{:?}, not {most:?}", after(100));
    assert!(quiet < Duration::from_secs(2), "{quiet:?}");
    while let Some(one) = crowd.join_next().await {
        one.unwrap_or_else(|error| panic!("{error}"));
    }
    drop(ask);
    aside.await.unwrap_or_else(|error| panic!("{error}"));
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sessions_cut_at_once_are_back_at_once() {
    all_at_once("WebSockets", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sessions_cut_at_once_behind_nginx_are_back_at_once() {
    all_at_once("WebSockets through nginx", true).await;
}
