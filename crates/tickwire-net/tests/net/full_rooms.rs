//! A room that stands still until its inbox is full, over real sockets: nothing that was acknowledged is lost, or the session's end is told; other rooms go on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bevy_ecs::prelude::*;
use serde::{Deserialize, Serialize};
use tickwire_client::{ClientConfig, ClientEvent, RoomKey, SendError, State};
use tickwire_net::client::Connection;
use tickwire_net::now;
use tickwire_proto::{Reason, SendError as Refused};
use tickwire_sim::prelude::*;
use tickwire_snapshot::message::{self, Message};
use tokio::sync::{mpsc, watch};

use super::{count, server, start};

const PATIENCE: Duration = Duration::from_secs(60);
/// Together they say more than the inbox of a room takes.
const CROWD: u16 = 100;
const EACH: u32 = 300;

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Say {
    number: u32,
    #[net(max = 4000)]
    padding: String,
}

/// What the room that stood still has heard, by seat.
#[derive(Default)]
struct Heard {
    /// It is to stand still.
    stands: AtomicBool,
    /// It does.
    stood: AtomicBool,
    said: Mutex<BTreeMap<u16, Vec<u32>>>,
}

async fn join(url: &str, kind: &str) -> (Connection, RoomKey) {
    let mut net = Connection::open(url, ClientConfig::default()).unwrap();
    let room = net.client_mut().quick(kind, &[]);
    let deadline = now().plus(PATIENCE);
    while !net.client().is_joined(room) {
        net.next_until(deadline).await.expect("it joins");
    }
    (net, room)
}

fn say(net: &mut Connection, room: RoomKey, number: u32, bytes: usize) -> Result<(), SendError> {
    let padding = "x".repeat(bytes);
    let payload = message::encode(&Say { number, padding });
    net.client_mut().send(room, Say::kind(), &payload)
}

/// What all wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Joining,
    /// The room stands still.
    Talking,
    Over,
}

/// Each clone is one who has not come so far.
type Missing = mpsc::Sender<()>;

/// Joins, says its numbers, and stays until the end: then all of them are acknowledged.
async fn one_of_the_crowd(
    url: String,
    here: Missing,
    acknowledged: Missing,
    mut stage: watch::Receiver<Stage>,
) {
    let (mut net, room) = join(&url, "slow").await;
    drop(here);
    let (mut acknowledged, mut said) = (Some(acknowledged), 0);
    while *stage.borrow_and_update() != Stage::Over {
        if *stage.borrow() == Stage::Talking {
            while said < EACH {
                say(&mut net, room, said, 0).expect("the outbox takes them all");
                said += 1;
            }
            if net.client().backlog().0 == 0 {
                acknowledged = None;
            }
        }
        let event = net.next_until(now().plus(Duration::from_millis(50))).await;
        let wrong = matches!(
            event,
            Some(ClientEvent::State(State::Ended { .. } | State::Away { .. }))
        );
        assert!(!wrong, "{event:?}");
    }
    assert!(acknowledged.is_none());
    net.close();
}

/// Says more than may wait for a room, until its session ends: its seat, and how many it said.
async fn too_loud(url: String, here: Missing, mut stage: watch::Receiver<Stage>) -> (u16, u32) {
    let (mut net, room) = join(&url, "slow").await;
    let seat = net.client().view(room).expect("it has joined").seat();
    let seat = seat.expect("a player");
    drop(here);
    stage
        .wait_for(|stage| *stage == Stage::Talking)
        .await
        .unwrap();
    let (mut said, mut lost, deadline) = (0, 0, now().plus(PATIENCE));
    let mut ended = None;
    loop {
        if ended.is_none() {
            match say(&mut net, room, said, 3_000) {
                Ok(()) => said += 1,
                Err(SendError::Session(Refused::Full)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        match net.next_until(now().plus(Duration::from_millis(10))).await {
            Some(ClientEvent::SessionEnded { reason, message }) => {
                assert_eq!(reason, Reason::Overflow);
                assert!(message.contains("wait"), "{message}");
                ended = Some(said);
            }
            Some(ClientEvent::MessagesLost { count }) => lost = count,
            Some(ClientEvent::State(State::Away { .. })) => {
                let said = ended.expect("it is told why, first");
                assert!(lost > 0, "and that some of {said} were lost");
                return (seat, said);
            }
            _ => assert!(now() < deadline, "{said} messages, and it goes on"),
        }
    }
}

impl Heard {
    /// How much of all but one.
    fn but(&self, seat: u16) -> usize {
        let said = self.said.lock().unwrap();
        let others = said.iter().filter(|(other, _)| **other != seat);
        others.map(|(_, numbers)| numbers.len()).sum()
    }
}

/// Lets the room go on when a test fails, too: a stopping server waits for it.
struct LetGo(Arc<Heard>);

impl Drop for LetGo {
    fn drop(&mut self) {
        self.0.stands.store(false, Ordering::Relaxed);
    }
}

fn echo(In(from): In<FromPlayer<Say>>, mut outbox: ResMut<Outbox>) {
    outbox.to(from.player, &from.message);
}

/// Talks in another room: how many numbers came back.
async fn bystander(url: String, here: Missing, stage: watch::Receiver<Stage>) -> u32 {
    let (mut net, room) = join(&url, "other").await;
    drop(here);
    let (mut said, mut heard, mut since) = (0, 0, now());
    while *stage.borrow() != Stage::Over {
        if said == heard && say(&mut net, room, said, 0).is_ok() {
            said += 1;
        }
        if let Some(ClientEvent::Message { payload, .. }) =
            net.next_until(now().plus(Duration::from_millis(50))).await
        {
            assert_eq!(message::decode::<Say>(&payload).unwrap().number, heard);
            heard += 1;
            since = now();
        }
        assert!(now().since(since) < Duration::from_secs(5), "after {heard}");
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_stands_still_loses_nothing_that_was_acknowledged() {
    let heard: Arc<Heard> = Arc::default();
    let (steps, said) = (Arc::clone(&heard), Arc::clone(&heard));
    let slow = move |game: &mut Game| {
        let (steps, said) = (Arc::clone(&steps), Arc::clone(&said));
        game.rate(30).seats(200).systems(move || {
            while steps.stands.load(Ordering::Relaxed) {
                steps.stood.store(true, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        game.on_message(move |In(from): In<FromPlayer<Say>>| {
            let mut all = said.said.lock().unwrap();
            let numbers = all.entry(from.player.seat).or_default();
            numbers.push(from.message.number);
        });
    };
    let other = |game: &mut Game| {
        game.rate(30).seats(2).message::<Say>().on_message(echo);
    };
    let server = server().kind("slow", slow).kind("other", other);
    let server = server
        .set("threads.rooms", "2")
        .set("watchdog_ms", "600000");
    let server = start(server);
    let let_go = LetGo(Arc::clone(&heard));
    let (url, patience) = (server.url(), PATIENCE);
    let (tell, stage) = watch::channel(Stage::Joining);
    let (here, mut all_here) = mpsc::channel(1);
    let (acknowledged, mut all_acknowledged) = mpsc::channel(1);
    let aside = tokio::spawn(bystander(url.clone(), here.clone(), stage.clone()));
    let loud = tokio::spawn(too_loud(url.clone(), here.clone(), stage.clone()));
    let crowd: Vec<_> = (0..CROWD)
        .map(|_| {
            let (here, acknowledged) = (here.clone(), acknowledged.clone());
            tokio::spawn(one_of_the_crowd(
                url.clone(),
                here,
                acknowledged,
                stage.clone(),
            ))
        })
        .collect();
    drop((here, acknowledged));
    let all = tokio::time::timeout(patience, all_here.recv());
    assert_eq!(all.await, Ok(None), "all are in");

    heard.stands.store(true, Ordering::Relaxed);
    let deadline = now().plus(patience);
    while !heard.stood.load(Ordering::Relaxed) {
        assert!(now() < deadline, "the room does not step");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tell.send_replace(Stage::Talking);
    let all = tokio::time::timeout(patience, all_acknowledged.recv());
    assert_eq!(all.await, Ok(None), "all that was said is acknowledged");
    let (loud_seat, loud_said) = loud.await.unwrap();
    assert!(
        heard.said.lock().unwrap().is_empty(),
        "and nothing of it was heard"
    );
    assert_eq!(count(&server.metrics(), "tickwire_inbox_drops_total"), 0);

    drop(let_go);
    let (whole, deadline) = (usize::from(CROWD) * EACH as usize, now().plus(patience));
    while heard.but(loud_seat) < whole {
        assert!(
            now() < deadline,
            "not all of it is heard: {}",
            server.metrics()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tell.send_replace(Stage::Over);
    for one in crowd {
        one.await.unwrap();
    }
    assert!(aside.await.unwrap() > 0, "another room goes on meanwhile");
    server.stop();
    let mut said = heard.said.lock().unwrap();
    let loud = said.remove(&loud_seat).unwrap_or_default();
    assert!(loud.iter().copied().eq(0..loud.len() as u32));
    assert!(loud.len() < loud_said as usize);
    assert_eq!(said.len(), usize::from(CROWD));
    for numbers in said.values() {
        assert!(numbers.iter().copied().eq(0..EACH), "{numbers:?}");
    }
}
