//! A game that takes longer than its ticks: time goes slower, which its players hear, and as before when the load is gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tickwire_client::{ClientConfig, ClientEvent};
use tickwire_net::Server;
use tickwire_net::client::Connection;
use tickwire_net::now;
use tickwire_sim::prelude::*;

use super::{count, noisy, start};

const PATIENCE: Duration = Duration::from_secs(60);

static HEAVY: AtomicBool = AtomicBool::new(true);

fn heavy(game: &mut Game) {
    noisy(game);
    game.systems(|| {
        if HEAVY.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(45));
        }
    });
}

/// The next length of a tick that is heard of.
async fn told(net: &mut Connection) -> Duration {
    let patience = now().plus(PATIENCE);
    loop {
        match net.next_until(patience).await.expect("another pace") {
            ClientEvent::Rates { tick, .. } => return tick,
            ClientEvent::RoomEnded { message, .. } => panic!("{message}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_room_that_cannot_keep_up_goes_slower_and_comes_back() {
    let own = Duration::from_micros(33_333);
    let server = start(Server::new("heavy", heavy).listen("127.0.0.1:0"));
    let mut net = Connection::open(&server.url(), ClientConfig::default()).unwrap();
    net.client_mut().quick("heavy", &[]);
    let mut tick = own;
    while tick < Duration::from_millis(45) {
        let slower = told(&mut net).await;
        assert!(slower > tick, "{slower:?} after {tick:?}");
        tick = slower;
    }
    let text = server.metrics();
    // Updates became fewer first, three times.
    assert!(count(&text, "tickwire_room_pace_changes_total") >= 3);
    assert!(count(&text, "tickwire_room_slowings_total") >= 2);
    HEAVY.store(false, Ordering::Relaxed);
    while tick > own {
        let faster = told(&mut net).await;
        assert!(faster < tick, "{faster:?} after {tick:?}");
        tick = faster;
    }
    assert_eq!(tick, own);
    assert_eq!(count(&server.metrics(), "tickwire_rooms_failed_total"), 0);
    server.stop();
}
