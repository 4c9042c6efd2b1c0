//! What a socket of the server is asked to do, and how often: one write for each client and update, and so many operators at once.

use std::time::{Duration, Instant};

use tickwire_client::{ClientConfig, ClientEvent};
use tickwire_net::client::Connection;
use tickwire_net::{Server, now};

use super::raw::Raw;
use super::{count, dots, noisy, start};

/// As `ADMIN_MAX` has it.
const OPERATORS: usize = 64;

/// A tick frame, its update, and what else there is to say to a client go out in one call.
#[tokio::test]
async fn one_write_for_each_client_and_update() {
    let server = Server::new("noisy", noisy).set("room.noisy.seats", "8");
    let server = start(server.listen("127.0.0.1:0"));
    let url = server.url();
    let players = (0..4).map(|_| {
        let url = url.clone();
        tokio::spawn(async move {
            let mut net = Connection::open(&url, ClientConfig::default()).unwrap();
            net.client_mut().quick("noisy", &[]);
            // It plays until the test is over.
            loop {
                if let ClientEvent::RoomEnded { .. } = net.next().await {
                    return;
                }
            }
        })
    });
    let players: Vec<_> = players.collect();
    let counted = || {
        let text = server.metrics();
        let updates = count(&text, "tickwire_updates_sent_total");
        (updates, count(&text, "tickwire_writes_total"))
    };
    let deadline = now().plus(Duration::from_secs(60));
    let reached = async |updates: u64| {
        while counted().0 < updates {
            assert!(now() < deadline, "{}", server.metrics());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        counted()
    };
    let (updates, writes) = reached(100).await;
    let (more_updates, more_writes) = reached(updates + 600).await;
    let (updates, writes) = (more_updates - updates, more_writes - writes);
    assert!(
        writes * 5 <= updates * 6,
        "{writes} writes for {updates} updates: beside them there are heartbeats alone"
    );
    players.iter().for_each(tokio::task::JoinHandle::abort);
    server.stop();
}

/// Who asks for nothing takes a place for some seconds; when all are taken, others are turned away at once.
#[test]
fn so_many_operators_at_once() {
    let server = Server::new("dots", dots)
        .listen("127.0.0.1:0")
        .set("admin", "127.0.0.1:0");
    let server = start(server);
    let admin = server.admin_addr().unwrap();
    let ask = |raw: &mut Raw| {
        raw.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        raw.status()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    // On a machine that stands still the first may be sent away before the last has come: then once more.
    loop {
        let began = Instant::now();
        let mut first: Vec<Raw> = (0..OPERATORS).map(|_| Raw::connect(admin)).collect();
        let late = ask(&mut Raw::connect(admin));
        let served: Vec<u16> = first.iter_mut().map(ask).collect();
        if began.elapsed() < Duration::from_secs(4) {
            assert_eq!(late, 0, "one too many");
            assert_eq!(served, [200; OPERATORS], "those before it are served");
            break;
        }
        assert!(Instant::now() < deadline, "this machine is never in time");
    }
    // Their places are free again.
    while ask(&mut Raw::connect(admin)) != 200 {
        assert!(Instant::now() < deadline, "nobody is let in any more");
        std::thread::sleep(Duration::from_millis(20));
    }
    server.stop();
}
