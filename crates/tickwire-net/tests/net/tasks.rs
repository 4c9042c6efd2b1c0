//! Rooms that start work and hear of it in a later tick: real futures on the server's runtime, with panics, cancels and rooms that rest meanwhile.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bevy_ecs::prelude::*;
use serde::{Deserialize, Serialize};
use tickwire_client::{ClientConfig, ClientEvent, RoomKey};
use tickwire_net::client::Connection;
use tickwire_net::now;
use tickwire_sim::prelude::*;
use tickwire_snapshot::message::{self, Message};

use super::{server, start};

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Ask {
    what: String,
}

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Answer {
    text: String,
}

/// The result of a task; no client hears of it.
#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Looked {
    seat: u16,
    text: String,
}

/// Lives as long as its future.
struct Guard;

static GUARDS: AtomicU32 = AtomicU32::new(0);

impl Guard {
    fn new() -> Guard {
        GUARDS.fetch_add(1, Ordering::Relaxed);
        Guard
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        GUARDS.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Resource, Default)]
struct Waiting(Vec<TaskId>);

fn ask(In(asked): In<FromPlayer<Ask>>, mut tasks: ResMut<Tasks>, mut waiting: ResMut<Waiting>) {
    let (seat, what) = (asked.player.seat, asked.message.what);
    if what == "cancel" {
        for task in waiting.0.drain(..) {
            tasks.cancel(task);
        }
        return;
    }
    let task = tasks.spawn(async move {
        let _guard = Guard::new();
        match what.as_str() {
            "panic" => panic!("a panic of a task"),
            "long" => tokio::time::sleep(Duration::from_secs(3_600)).await,
            _ => tokio::time::sleep(Duration::from_millis(30)).await,
        }
        let text = format!("{what} was looked up");
        Looked { seat, text }
    });
    waiting.0.push(task);
}

fn looked(In(done): In<Done<Looked>>, mut outbox: ResMut<Outbox>) {
    match done.result {
        Ok(Looked { seat, text }) => outbox.to(Player::new(seat), &Answer { text }),
        Err(failed) => {
            let text = failed.to_string();
            outbox.all(&Answer { text });
        }
    }
}

fn library(game: &mut Game) {
    game.on_demand().rate(100).message::<Answer>();
    game.on_start(|mut commands: Commands| commands.init_resource::<Waiting>());
    game.on_message(ask).on_done(looked);
}

fn say(net: &mut Connection, room: RoomKey, what: &str) {
    let payload = message::encode(&Ask { what: what.into() });
    net.client_mut().send(room, Ask::kind(), &payload).unwrap();
}

async fn answer(net: &mut Connection) -> String {
    let deadline = now().plus(PATIENCE);
    loop {
        let event = net.next_until(deadline).await.expect("an answer");
        if let ClientEvent::Message { payload, .. } = event {
            return message::decode::<Answer>(&payload).unwrap().text;
        }
    }
}

#[tokio::test]
async fn a_room_looks_something_up_and_goes_on_when_it_is_there() {
    let server = start(server().kind("library", library));
    let mut net = Connection::open(&server.url(), ClientConfig::default()).unwrap();
    let room = net.client_mut().quick("library", &[]);
    let deadline = now().plus(PATIENCE);
    while net.client().view(room).is_none() {
        net.next_until(deadline).await.expect("it joins");
    }
    // The room rests while the work is done, and is woken by its result.
    for n in 0..20 {
        let what = format!("word {n}");
        say(&mut net, room, &what);
        assert_eq!(answer(&mut net).await, format!("{what} was looked up"));
    }
    say(&mut net, room, "panic");
    assert_eq!(answer(&mut net).await, "the task panicked");
    // Many at once, and as many results.
    for _ in 0..50 {
        say(&mut net, room, "many");
    }
    for _ in 0..50 {
        assert_eq!(answer(&mut net).await, "many was looked up");
    }
    let guards = async |net: &mut Connection, count: u32| {
        let deadline = now().plus(PATIENCE);
        while GUARDS.load(Ordering::Relaxed) != count {
            assert!(now() < deadline, "{} run", GUARDS.load(Ordering::Relaxed));
            net.next_until(now().plus(Duration::from_millis(10))).await;
        }
    };
    for _ in 0..3 {
        say(&mut net, room, "long");
    }
    guards(&mut net, 3).await;
    say(&mut net, room, "cancel");
    guards(&mut net, 0).await;
    // What still runs ends with its room, and that with the server.
    say(&mut net, room, "long");
    guards(&mut net, 1).await;
    let text = server.metrics();
    server.stop();
    guards(&mut net, 0).await;
    assert!(text.contains("tickwire_rooms_failed_total 0\n"), "{text}");
}
