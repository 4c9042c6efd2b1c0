//! A thousand sessions that are cut at the same moment, also behind an nginx: all are back within the back-off's spread, and others notice nothing.

use std::time::Duration;

use bevy_ecs::prelude::*;
use tickwire::prelude::*;
use tickwire_client::{ClientConfig, ClientEvent, LinkKind, State};
use tickwire_net::{Running, Server, client::Connection, now};
use tickwire_proto::Time;
use tickwire_snapshot::message;
use tickwire_tests::{
    nginx::{Forwards, Nginx},
    relay::Relay,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use crate::cuts::{Numbered, ONE, Talker, tell};

const PATIENCE: Duration = Duration::from_secs(240);
/// Sessions that are cut at the same moment.
const CROWD: usize = 1_000;
/// The first window of the back-off.
const BACKOFF: Duration = Duration::from_millis(500);
/// The first three: of one address so many strangers at once are let in (`limits.per_address`), and whoever is not comes in a later one.
const BACKOFFS: Duration = Duration::from_millis(500 + 1_000 + 2_000);

/// Rooms of fifty in which all is said back, and one that counts its ticks aloud.
fn crowded(trusted: &str) -> Running {
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
        .set("threads.io", "2")
        .set("trusted_proxies", trusted);
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

/// `forwards`: whom an nginx names as the client, if there is one; it is believed.
async fn all_at_once(name: &str, forwards: Option<Forwards>) {
    let _one = ONE.lock().await;
    let trusted = if forwards.is_some_and(|it| it != Forwards::Peer) {
        "127.0.0.1/32"
    } else {
        ""
    };
    let server = crowded(trusted);
    let direct = server.local_addr().to_string();
    let nginx = forwards.map(|forwards| Nginx::forwarding(&direct, true, forwards));
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
    let spread = match forwards {
        Some(Forwards::One) => BACKOFFS,
        _ => BACKOFF,
    };
    let (most, quiet) = (spread + 2 * connecting, silence(&ask).await);
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
    all_at_once("WebSockets", None).await;
}

/// Nobody says where they come from: all are nginx.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sessions_cut_at_once_behind_nginx_are_back_at_once() {
    all_at_once("WebSockets through nginx", Some(Forwards::Peer)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_addresses_cut_at_once_behind_a_trusted_nginx_are_back_at_once() {
    let name = "WebSockets through an nginx that is trusted";
    all_at_once(name, Some(Forwards::Each)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sessions_of_one_address_behind_a_trusted_nginx_are_back_at_once() {
    let name = "WebSockets of one address through an nginx that is trusted";
    all_at_once(name, Some(Forwards::One)).await;
}
