//! The native client's link conditioner over a real socket: what one asks for is what the figures measure, at any time, and a cut is survived.

use std::time::Duration;

use tickwire::prelude::*;
use tickwire_client::{ClientConfig, ClientEvent, Condition, RoomKey, State};
use tickwire_net::{Running, Server, client::Connection, now};

const PATIENCE: Duration = Duration::from_secs(60);

/// Where a runner is: so that each tick has an update.
#[derive(Replicate, Default)]
struct Runner {
    #[net(range = 0.0..=100.0, step = 0.5)]
    x: f32,
}

fn game(game: &mut Game) {
    game.rate(30)
        .replicate::<Runner>()
        .on_start(|mut commands: Commands| {
            commands.spawn(Runner::default());
        })
        .systems(|mut runners: Query<&mut Runner>| {
            for mut runner in &mut runners {
                runner.x = (runner.x + 1.0) % 100.0;
            }
        });
}

fn start() -> Running {
    let server = Server::new("run", game).listen("127.0.0.1:0");
    server.start().expect("a free port")
}

async fn join(server: &Running, condition: Option<Condition>) -> (Connection, RoomKey) {
    let mut net = Connection::open(&server.url(), ClientConfig::default()).unwrap();
    net.condition(condition);
    let room = net.client_mut().quick("run", &[]);
    until(&mut net, |event| {
        *event == ClientEvent::Joined { room, again: false }
    })
    .await;
    (net, room)
}

/// Everything up to the event that is waited for.
async fn until(net: &mut Connection, is_it: impl Fn(&ClientEvent) -> bool) -> Vec<ClientEvent> {
    let (end, mut seen) = (now().plus(PATIENCE), Vec::new());
    loop {
        let event = net.next_until(end).await;
        let event = event.unwrap_or_else(|| panic!("not in time; seen: {seen:?}"));
        let found = is_it(&event);
        seen.push(event);
        if found {
            return seen;
        }
    }
}

/// Lives for so long, and says what the round trip and the number of updates were then.
async fn measure(net: &mut Connection, room: RoomKey, lasts: Duration) -> (f64, usize) {
    let end = now().plus(lasts);
    let mut updates = 0;
    while let Some(event) = net.next_until(end).await {
        updates += usize::from(matches!(event, ClientEvent::Updated { .. }));
    }
    let figures = net.client_mut().figures(room, now()).unwrap();
    (figures.ping_ms, updates)
}

#[tokio::test]
async fn a_round_trip_of_150_ms_is_measured_and_gone_when_it_is_turned_off() {
    let server = start();
    let bad: Condition = "delay=75ms".parse().unwrap();
    let (mut net, room) = join(&server, Some(bad)).await;
    let (ping, updates) = measure(&mut net, room, Duration::from_secs(4)).await;
    assert!((150.0..450.0).contains(&ping), "{ping} ms");
    assert!(updates > 60, "{updates} of 120: held back, not left out");
    net.condition(None);
    let mut ping = ping;
    for _ in 0..20 {
        (ping, _) = measure(&mut net, room, Duration::from_secs(2)).await;
        if ping < 75.0 {
            break;
        }
    }
    assert!(ping < 75.0, "{ping} ms once it is off");
    let faults = net.client_mut().figures(room, now()).unwrap().faults;
    assert_eq!(faults, 0, "frames came in order, and each once");
    server.stop();
}

/// Longer than a heartbeat waits: the link counts as lost, and when the cut is over the session goes on over another.
#[tokio::test]
async fn a_cut_reconnects() {
    let server = start();
    let (mut net, room) = join(&server, None).await;
    let cut = now();
    net.cut(Duration::from_secs(18));
    let away = |event: &ClientEvent| matches!(event, ClientEvent::State(State::Away { .. }));
    until(&mut net, away).await;
    let seen = until(&mut net, |event| *event == ClientEvent::Resumed).await;
    assert!(now().since(cut) >= Duration::from_secs(18), "{seen:?}");
    assert!(net.client().is_joined(room));
    let (_, updates) = measure(&mut net, room, Duration::from_secs(2)).await;
    assert!(updates > 15, "{updates} of 60");
    assert!(net.counters().connects >= 2);
    server.stop();
}

/// A short one is a stall: all of it comes, and nothing is tried anew.
#[tokio::test]
async fn a_short_cut_is_a_stall() {
    let server = start();
    let (mut net, room) = join(&server, None).await;
    measure(&mut net, room, Duration::from_secs(1)).await;
    let before = net.client().view(room).unwrap().newest_tick().unwrap();
    net.cut(Duration::from_secs(2));
    let (_, during) = measure(&mut net, room, Duration::from_millis(1_800)).await;
    assert_eq!(during, 0, "updates passed a cut link");
    let (_, after) = measure(&mut net, room, Duration::from_secs(2)).await;
    let newest = net.client().view(room).unwrap().newest_tick().unwrap();
    assert!(after > 0 && newest.since(before) > 60, "{after} {newest:?}");
    assert_eq!(net.counters().connects, 1);
    server.stop();
}
