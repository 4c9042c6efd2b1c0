//! Real sockets, a server and its clients in one process: what the tests of tickwire-net leave out. Who joins, is refused, comes back: there.

use std::{
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::Bytes;
use tickwire::prelude::*;
use tickwire_client::{ClientConfig, ClientEvent, RoomKey};
use tickwire_net::{Running, client::Connection, now};
use tickwire_proto::{
    ClientFrame, Reason, Retry, ServerFrame,
    frame::{Identity, Refusal, RoomEnd},
};
use tickwire_server::TokenAuth;
use tickwire_snapshot::Schema;
use tickwire_tests::peer::{Heard, Peer, hello};

use crate::games;

const PATIENCE: Duration = Duration::from_secs(20);

fn start(server: Server) -> Running {
    let server = server.listen("127.0.0.1:0");
    server.start().unwrap_or_else(|error| panic!("{error}"))
}

fn address(server: &Running) -> String {
    server.local_addr().to_string()
}

async fn next(net: &mut Connection) -> ClientEvent {
    let event = net.next_until(now().plus(PATIENCE)).await;
    event.expect("something should have happened by now")
}

async fn joined(url: &str, kind: &str) -> (Connection, RoomKey) {
    let mut net = Connection::open(url, ClientConfig::default()).unwrap();
    let room = net.client_mut().quick(kind, &[]);
    while !matches!(next(&mut net).await, ClientEvent::Joined { .. }) {}
    (net, room)
}

/// So many more updates, or what came instead.
async fn updates(net: &mut Connection, mut count: u32) {
    while count > 0 {
        match next(net).await {
            ClientEvent::Updated { .. } => count -= 1,
            ClientEvent::RoomEnded { reason, .. } => panic!("the wrong room ended: {reason:?}"),
            ClientEvent::RoomAway { .. } => panic!("the link was lost"),
            _ => {}
        }
    }
}

/// Something that changes in every tick, so that every update has something to tell.
fn busy(game: &mut Game) {
    game.rate(30).seats(8).replicate::<games::Dot>();
    game.on_join(games::join);
    game.systems(|mut dots: Query<&mut games::Dot>| {
        for mut dot in &mut dots {
            dot.hue = dot.hue.wrapping_add(1);
        }
    });
}

/// hello, which `fails` after twenty ticks.
fn busy_until(
    fails: impl Fn() + Send + Sync + Clone + 'static,
) -> impl Fn(&mut Game) + Send + Sync + 'static {
    move |game| {
        games::hello(game);
        let fails = fails.clone();
        game.systems(move |tick: Res<CurrentTick>| {
            if tick.tick().0 >= 20 {
                fails();
            }
        });
    }
}

#[tokio::test]
async fn who_is_in_another_room_plays_on_when_a_room_panics_or_hangs() {
    let let_go = Arc::new(AtomicBool::new(false));
    let held = let_go.clone();
    let hangs = busy_until(move || {
        while !held.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let server = Server::new("busy", busy)
        .kind("panics", busy_until(|| panic!("a panic of the game")))
        .kind("hangs", hangs)
        .set("threads.rooms", "2")
        .set("watchdog_ms", "300");
    let server = start(server);
    let url = server.url();
    let (mut ann, _) = joined(&url, "busy").await;
    updates(&mut ann, 5).await;
    for kind in ["panics", "hangs"] {
        let (mut ben, room) = joined(&url, kind).await;
        let end = async {
            loop {
                if let ClientEvent::RoomEnded {
                    room: ended,
                    reason,
                    message,
                } = next(&mut ben).await
                {
                    return (ended, reason, message);
                }
            }
        };
        // Ann's updates go on while Ben's room fails.
        let (_, (ended, reason, message)) = tokio::join!(updates(&mut ann, 60), end);
        assert_eq!((ended, reason), (room, RoomEnd::Failed), "{kind}");
        assert!(!message.is_empty(), "{kind}");
        updates(&mut ann, 10).await;
        // And Ben, whose session lives, may join her.
        let room = ben.client_mut().quick("busy", &[]);
        while !matches!(next(&mut ben).await, ClientEvent::Joined { room: r, .. } if r == room) {}
        updates(&mut ben, 3).await;
    }
    server.stop();
    let_go.store(true, Ordering::Relaxed);
}

#[tokio::test]
async fn a_server_that_stops_ends_every_session_as_restarting_with_its_code() {
    let server = start(Server::new("hello", games::hello));
    let mut peers = Vec::new();
    for _ in 0..3 {
        let mut peer = Peer::open(&address(&server)).await;
        peer.attach().await;
        peer.join().await;
        peers.push(peer);
    }
    // One that has not said who it is yet.
    let mut stranger = Peer::open(&address(&server)).await;
    stranger.say(hello()).await;
    stranger
        .until("welcome", |frame| {
            matches!(frame, ServerFrame::Welcome { .. }).then_some(())
        })
        .await;
    peers.push(stranger);
    let stopping = tokio::task::spawn_blocking(move || server.stop());
    for mut peer in peers {
        let ending = peer.until("the ending", |frame| match frame {
            ServerFrame::Ending { reason, retry, .. } => Some((*reason, *retry)),
            _ => None,
        });
        let (reason, retry) = ending.await;
        assert_eq!(reason, Reason::Restarting);
        assert!(matches!(retry, Retry::After { .. }), "{retry:?}");
        let code = peer.end(PATIENCE).await.expect("then the link is closed");
        assert_eq!(code, Some(Reason::Restarting.close_code()));
    }
    stopping.await.unwrap();
}

fn with_token(token: &str) -> Bytes {
    ClientFrame::Attach {
        attachment: 0,
        namespace: "/",
        credentials: format!(r#"{{"token":"{token}"}}"#).as_bytes(),
        messages_hash: 0,
    }
    .encode()
}

#[tokio::test]
async fn a_wrong_token_is_refused_by_a_code_and_may_be_mended() {
    let tokens = |token: &str| match token {
        "open sesame" => Ok(Identity::new("ali")),
        _ => Err(Refusal::new(
            "Unknown",
            "this token is not known. Sign in again",
        )),
    };
    let server = start(Server::new("hello", games::hello).auth(TokenAuth::new(tokens)));
    let mut ali = Peer::open(&address(&server)).await;
    ali.say(hello()).await;
    for (said, code) in [
        (with_token("open barley"), "Unknown"),
        (tickwire_tests::peer::attach(), "Refused"), // a guest, where tokens are asked for
    ] {
        ali.say(said).await;
        let refused = ali.until("a refusal", |frame| match frame {
            ServerFrame::AttachRefused { code, message, .. } => {
                Some(((*code).to_owned(), (*message).to_owned()))
            }
            _ => None,
        });
        let (refused, message) = refused.await;
        assert_eq!(refused, code);
        assert!(message.contains("token"), "{message}");
    }
    ali.say(with_token("open sesame")).await;
    let identity = ali.until("the acceptance", |frame| match frame {
        ServerFrame::AttachDone { identity, .. } => Some((*identity).to_owned()),
        _ => None,
    });
    assert_eq!(identity.await, "ali");
    ali.join().await;
    // Who never has a good one is out after three seconds, with the code for it.
    let mut thief = Peer::open(&address(&server)).await;
    thief.say(hello()).await;
    thief.say(with_token("x")).await;
    let code = loop {
        match thief.hear(PATIENCE).await {
            Heard::Closed(code) => break code,
            Heard::Frame(_) => {}
            Heard::Silence => panic!("a thief is let be"),
        }
    };
    assert_eq!(code, Some(Reason::Refused.close_code()));
    server.stop();
}

/// hello as it was a year ago: another range, no hue, no `y` to steer.
mod old {
    use tickwire::prelude::*;

    #[derive(Replicate, Default)]
    pub struct Dot {
        #[net(range = 0.0..=640.0, step = 0.1)]
        pub x: f32,
        #[net(range = 0.0..=600.0, step = 0.1)]
        pub y: f32,
    }

    #[derive(PlayerCommand, Clone, Copy, Default)]
    pub struct Steer {
        #[net(range = -1..=1)]
        pub x: i8,
    }

    pub fn hello(game: &mut Game) {
        game.rate(30).seats(64);
        game.replicate::<Dot>().command::<Steer>();
    }
}

fn schema(game: fn(&mut Game)) -> Arc<Schema> {
    GameKind::new("hello", game).schema().clone()
}

#[tokio::test]
async fn a_client_with_another_schema_is_told_what_differs() {
    let server = start(Server::new("hello", games::hello));
    let open = |schema| {
        let config = ClientConfig {
            schema: Some(schema),
            ..ClientConfig::default()
        };
        Connection::open(&server.url(), config).unwrap()
    };
    let mut same = open(schema(games::hello));
    let room = same.client_mut().quick("hello", &[]);
    while !matches!(next(&mut same).await, ClientEvent::Joined { .. }) {}
    assert!(same.client().view(room).is_some(), "equal schemas are fine");

    let mut other = open(schema(old::hello));
    let room = other.client_mut().quick("hello", &[]);
    let refusal = loop {
        match next(&mut other).await {
            ClientEvent::JoinRefused { room: r, refusal } if r == room => break refusal,
            ClientEvent::Joined { .. } => panic!("it would misread every update"),
            _ => {}
        }
    };
    assert_eq!(refusal.code, "Version");
    for part in [
        "component Dot, field x: server range 0..=800 step 0.1, client range 0..=640 step 0.1",
        "component Dot, field hue: the server has it, the client does not",
        "command Steer, field y: the server has it, the client does not",
    ] {
        assert!(
            refusal.message.contains(part),
            "{part} is not in: {}",
            refusal.message
        );
    }
    // The session lives: another room, or the same as a generic client, may still be joined.
    assert!(!matches!(
        other.client().state(),
        tickwire_client::State::Ended { .. }
    ));
    server.stop();
}
