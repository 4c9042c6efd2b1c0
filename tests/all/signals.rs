//! A server process that is asked to end: SIGTERM and Ctrl-C alike tell every player, the exit code is 0, and whoever was there comes back to the next one.

use std::time::Duration;

use tickwire_client::{ClientConfig, ClientEvent, LinkChoice, LinkKind};
use tickwire_net::{Running, Server, client::Connection, now};
use tickwire_proto::{Reason, Retry, ServerFrame};
use tickwire_tests::{
    browser::Driver,
    peer::Peer,
    process::{Served, binary},
};

use crate::games;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn sigterm_and_ctrl_c_end_a_server_alike() {
    let program = binary("arena");
    for signal in ["TERM", "INT"] {
        let arena = Served::start(&program, &["--listen", "127.0.0.1:0", "--players", "4"]);
        let mut peer = Peer::open(arena.address()).await;
        peer.attach().await;
        peer.join().await;
        arena.signal(signal);
        let ending = peer.until("the ending", |frame| match frame {
            ServerFrame::Ending { reason, retry, .. } => Some((*reason, *retry)),
            _ => None,
        });
        let (reason, retry) = ending.await;
        assert_eq!(reason, Reason::Restarting, "{signal}");
        assert!(matches!(retry, Retry::After { .. }), "{signal}: {retry:?}");
        let code = peer.end(PATIENCE).await;
        assert_eq!(
            code,
            Some(Some(Reason::Restarting.close_code())),
            "{signal}"
        );
        let (status, log) = arena.ended(PATIENCE);
        assert_eq!(status.code(), Some(0), "{signal}: {log}");
        assert!(!log.contains("panicked"), "{signal}: {log}");
    }
}

/// `systemctl restart`: a new process at the same address. The client of the old one was told why, and is back in a room within the back-off.
#[tokio::test]
async fn after_a_restart_a_client_is_back_in_a_room_and_was_told_why() {
    restarted(LinkKind::WebSocket).await;
}

#[tokio::test]
async fn after_a_restart_a_client_that_polls_is_back_in_a_room_and_was_told_why() {
    restarted(LinkKind::Polling).await;
}

async fn restarted(link: LinkKind) {
    let program = binary("arena");
    let arena = Served::start(&program, &["--listen", "127.0.0.1:0", "--players", "4"]);
    let address = arena.address().to_owned();
    let mut net = Connection::open(&format!("ws://{address}"), ClientConfig::default())
        .unwrap()
        .with_link(LinkChoice::Only(link));
    let room = net.client_mut().quick("arena", &[]);
    let deadline = now().plus(3 * PATIENCE);
    while !net.client().is_joined(room) {
        net.next_until(deadline).await.expect("it joins");
    }
    assert_eq!(net.link(), Some(link));
    arena.signal("TERM");
    let mut told = None;
    while told.is_none() {
        if let ClientEvent::SessionEnded { reason, message } =
            net.next_until(deadline).await.expect("it is told")
        {
            told = Some((reason, message));
        }
    }
    let (reason, message) = told.expect("it was told");
    assert_eq!(reason, Reason::Restarting);
    assert!(!message.is_empty());
    let (status, log) = arena.ended(PATIENCE);
    assert_eq!(status.code(), Some(0), "{log}");

    let again = Served::start(&program, &["--listen", &address, "--players", "4"]);
    assert_eq!(again.address(), address);
    let begun = now();
    while !net.client().is_joined(room) {
        net.next_until(deadline).await.expect("it is back");
    }
    // The widest window of the back-off that can have been reached meanwhile, four times.
    assert!(now().since(begun) < 4 * Duration::from_secs(10));
    assert_eq!(net.link(), Some(link));
}

const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>restart</title>
<script type="module">
  import { connect } from './tickwire.js'
  window.states = []
  window.again = 0
  const net = connect(undefined, { link: new URLSearchParams(location.search).get('link') ?? 'auto' })
  net.on('state', state => states.push(state))
  const room = window.room = await net.quick('dots')
  room.on('joined', () => window.again++)
  window.ready = true
</script>"#;

fn dots(address: &str) -> Running {
    let server = Server::new("dots", games::hello).page(PAGE).listen(address);
    server.start().unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_a_page_is_back_in_a_room_and_was_told_why() {
    page_restarted("ws").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_a_page_that_polls_is_back_in_a_room_and_was_told_why() {
    page_restarted("poll").await;
}

async fn page_restarted(link: &str) {
    let server = dots("127.0.0.1:0");
    let address = server.local_addr().to_string();
    let driver = Driver::start();
    let url = format!("http://{address}/?link={link}");
    let page = driver.open(&url).await;
    let patience = 3 * PATIENCE;
    page.until("the page is in", "window.ready === true", patience)
        .await;
    tokio::task::spawn_blocking(|| server.stop()).await.unwrap();
    let why = "states.some(s => s.at === 'away' && s.reason === 'Restarting' && s.message)";
    page.until("it is told why", why, patience).await;
    let server = dots(&address);
    page.until("it is back in a room", "again === 1", patience)
        .await;
    let last = page.eval("states.at(-1)").await;
    assert_eq!(last, serde_json::json!({ "at": "online", "link": link }));
    page.close().await;
    server.stop();
}
