//! Games that fail: a panic ends its room alone, a step that does not return is abandoned, and the other rooms go on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bevy_ecs::prelude::*;
use tickwire_client::{ClientConfig, ClientEvent};
use tickwire_net::Server;
use tickwire_net::client::Connection;
use tickwire_net::now;
use tickwire_proto::frame::RoomEnd;
use tickwire_sim::prelude::*;

use super::{count, dots, noisy, start};

const PATIENCE: Duration = Duration::from_secs(20);

fn panics(game: &mut Game) {
    dots(game);
    game.systems(|tick: Res<CurrentTick>| assert!(tick.tick().0 < 20, "a panic of the game"));
}

static LET_GO: AtomicBool = AtomicBool::new(false);

fn hangs(game: &mut Game) {
    dots(game);
    game.systems(|tick: Res<CurrentTick>| {
        while tick.tick().0 >= 20 && !LET_GO.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
}

fn panics_at_the_start(game: &mut Game) {
    dots(game);
    game.on_start(|attributes: Res<RoomAttributes>| {
        assert!(attributes.get("boom").is_none(), "a panic at the start")
    });
}

async fn next(net: &mut Connection) -> ClientEvent {
    net.next_until(now().plus(PATIENCE))
        .await
        .expect("an event")
}

/// The end of a room of that kind, for one who is in it.
async fn end_of(url: &str, kind: &str) -> RoomEnd {
    let attributes: &[(&str, &str)] = if kind == "start" {
        &[("boom", "1")]
    } else {
        &[]
    };
    let mut net = Connection::open(url, ClientConfig::default()).unwrap();
    net.client_mut().quick(kind, attributes);
    loop {
        match next(&mut net).await {
            ClientEvent::RoomEnded {
                reason, message, ..
            } => {
                assert!(!message.is_empty());
                return reason;
            }
            ClientEvent::JoinRefused { refusal, .. } => {
                assert!(!refusal.message.is_empty());
                return RoomEnd::Failed;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_panic_ends_its_room_alone() {
    let server = Server::new("dots", dots)
        .kind("panics", panics)
        .kind("start", panics_at_the_start)
        .listen("127.0.0.1:0");
    let server = start(server.set("threads.rooms", "1"));
    let mut other = Connection::open(&server.url(), ClientConfig::default()).unwrap();
    other.client_mut().quick("dots", &[]);
    let (url, failed) = (server.url(), async |kind| end_of(&server.url(), kind).await);
    assert_eq!(failed("panics").await, RoomEnd::Failed);
    assert_eq!(failed("start").await, RoomEnd::Failed);
    // The other room still has updates to give, and its player a session.
    let mut updates = 0;
    while updates < 2 {
        match next(&mut other).await {
            ClientEvent::Updated { .. } => updates += 1,
            ClientEvent::RoomEnded { .. } => panic!("the wrong room ended"),
            _ => {}
        }
    }
    assert_eq!(
        end_of(&url, "panics").await,
        RoomEnd::Failed,
        "and the next of its kind is made"
    );
    let text = server.metrics();
    assert!(
        text.contains("tickwire_rooms_failed_total 3\n") && text.contains("tickwire_rooms 1\n"),
        "{text}"
    );
    server.stop();
}

#[tokio::test]
async fn a_room_that_never_returns_is_abandoned() {
    let server = Server::new("dots", dots)
        .kind("hangs", hangs)
        .listen("127.0.0.1:0");
    let server = start(server.set("threads.rooms", "1").set("watchdog_ms", "300"));
    let began = now();
    assert_eq!(end_of(&server.url(), "hangs").await, RoomEnd::Failed);
    assert!(now().since(began) < Duration::from_secs(5));
    // There was one worker. There is one again.
    let mut net = Connection::open(&server.url(), ClientConfig::default()).unwrap();
    net.client_mut().quick("dots", &[]);
    while !matches!(next(&mut net).await, ClientEvent::Updated { .. }) {}
    let text = server.metrics();
    assert!(
        text.contains("tickwire_workers_lost_total 1\n") && text.contains("tickwire_rooms 1\n"),
        "{text}"
    );
    server.stop();
    LET_GO.store(true, Ordering::Relaxed);
}

fn stalls(game: &mut Game) {
    noisy(game);
    game.systems(|tick: Res<CurrentTick>| {
        if tick.tick().0 == 20 {
            std::thread::sleep(Duration::from_millis(500));
        }
    });
}

#[tokio::test]
async fn a_stall_is_caught_up_a_little_and_the_rest_is_skipped_and_told() {
    let server = start(Server::new("stalls", stalls).listen("127.0.0.1:0"));
    let mut net = Connection::open(&server.url(), ClientConfig::default()).unwrap();
    let room = net.client_mut().quick("stalls", &[]);
    let seen = |net: &Connection| {
        net.client()
            .view(room)
            .and_then(|view| view.newest_tick())
            .map_or(0, |tick| tick.0)
    };
    while seen(&net) < 30 {
        next(&mut net).await;
    }
    let text = server.metrics();
    let count = |name: &str| count(&text, name);
    // 500 ms are 15 ticks: one is on time after it, four are caught up, nine or ten are given up.
    let skipped = count("tickwire_skipped_ticks_total");
    assert!((8..=30).contains(&skipped), "{skipped} skipped");
    assert!(count("tickwire_late_ticks_total") >= 4);
    assert_eq!(count("tickwire_rooms_failed_total"), 0);
}
