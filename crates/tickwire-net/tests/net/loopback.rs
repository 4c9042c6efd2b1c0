//! Players who behave: they join, see each other, are refused when it is full, and come back when the server does.

use std::time::Duration;

use tickwire_client::{ClientConfig, ClientEvent, RoomKey, State};
use tickwire_net::client::Connection;
use tickwire_net::now;
use tickwire_proto::Reason;
use tickwire_snapshot::record::{NoRefs, Record};
use tickwire_snapshot::{AreaId, OwnedRow};

use super::{Steer, dots, server, start};

const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for an event that `wanted` takes, by the clock of patience.
async fn until<T>(
    net: &mut Connection,
    mut wanted: impl FnMut(&Connection, ClientEvent) -> Option<T>,
) -> T {
    let deadline = now().plus(PATIENCE);
    loop {
        let event = net
            .next_until(deadline)
            .await
            .expect("something should have happened by now");
        if let Some(found) = wanted(net, event) {
            return found;
        }
    }
}

fn connect(url: &str) -> Connection {
    Connection::open(url, ClientConfig::default()).unwrap()
}

async fn join(url: &str) -> (Connection, RoomKey) {
    let mut net = connect(url);
    let room = net.client_mut().quick("dots", &[]);
    until(&mut net, |_, event| {
        matches!(event, ClientEvent::Joined { .. }).then_some(())
    })
    .await;
    (net, room)
}

/// How many dots a client sees.
pub(super) fn dots_seen(net: &Connection, room: RoomKey) -> Vec<f64> {
    let view = net.client().view(room);
    let Some((_, area)) = view.and_then(|view| view.newest(AreaId::ALL)) else {
        return Vec::new();
    };
    let dot = area.schema().component("Dot").unwrap();
    let x = area.schema().components[dot].field("x").unwrap();
    area.rows(dot)
        .filter_map(|slot| area.number(dot, slot, x))
        .collect()
}

#[tokio::test]
async fn two_players_see_each_other_and_one_moves() {
    let server = start(server());
    let (mut ann, ann_room) = join(&server.url()).await;
    let (mut ben, ben_room) = join(&server.url()).await;
    let both = async {
        tokio::join!(
            until(&mut ann, |net, _| (dots_seen(net, ann_room).len() == 2)
                .then_some(())),
            until(&mut ben, |net, _| (dots_seen(net, ben_room).len() == 2)
                .then_some(())),
        )
    };
    both.await;
    assert_eq!(ann.client().view(ann_room).unwrap().members().len(), 2);
    let deadline = now().plus(PATIENCE);
    // Ann steers to the right until Ben has seen it.
    while dots_seen(&ben, ben_room).iter().all(|x| *x < 450.0) {
        assert!(now() < deadline);
        steer(&mut ann, ann_room);
        let soon = now().plus(Duration::from_millis(10));
        tokio::join!(ann.next_until(soon), ben.next_until(soon));
    }
    let seen = dots_seen(&ben, ben_room);
    assert!(seen.contains(&400.0), "Ben did not move: {seen:?}");
    ann.close();
    until(&mut ben, |net, _| {
        (dots_seen(net, ben_room).len() == 1).then_some(())
    })
    .await;
    for line in ["tickwire_rooms 1", "tickwire_rooms_failed_total 0"] {
        assert!(
            server.metrics().lines().any(|one| one == line),
            "{line} is missing"
        );
    }
    // Rooms report about once a second.
    let deadline = now().plus(PATIENCE);
    while !server.metrics().contains("tickwire_room_joins_total 2\n") {
        assert!(now() < deadline, "{}", server.metrics());
        ben.next_until(now().plus(Duration::from_millis(50))).await;
    }
    server.stop();
}

pub(super) fn steer(net: &mut Connection, room: RoomKey) {
    steer_to(net, room, 1);
}

pub(super) fn steer_to(net: &mut Connection, room: RoomKey, x: i8) {
    let Some(schema) = net.client().view(room).map(|view| view.schema().clone()) else {
        return;
    };
    let record = schema.command.as_ref().unwrap();
    let mut row = OwnedRow::new(record);
    Steer { x }.write(&mut row.row_mut(record), &NoRefs);
    while let Some(tick) = net.client_mut().command_tick(room, now()) {
        net.client_mut().command(room, tick, &row).unwrap();
    }
}

#[tokio::test]
async fn a_full_room_refuses_with_a_text() {
    let server = start(server());
    let (ann, room) = join(&server.url()).await;
    let id = ann.client().view(room).unwrap().id().to_owned();
    let _ben = join(&server.url()).await;
    let mut cat = connect(&server.url());
    cat.client_mut().join(&id);
    let refusal = until(&mut cat, |_, event| match event {
        ClientEvent::JoinRefused { refusal, .. } => Some(refusal),
        _ => None,
    });
    let refusal = refusal.await;
    assert_eq!(refusal.code, "Full");
    assert!(!refusal.message.is_empty());
    // A quick match makes a second room.
    let room = cat.client_mut().quick("dots", &[]);
    until(&mut cat, |_, event| {
        matches!(event, ClientEvent::Joined { .. }).then_some(())
    })
    .await;
    assert_ne!(cat.client().view(room).unwrap().id(), id);
    let asked = cat.client_mut().lobby("dots");
    let rooms = until(&mut cat, |_, event| match event {
        ClientEvent::Lobby { request, rooms } if request == asked => Some(rooms),
        _ => None,
    });
    let members: Vec<_> = rooms
        .await
        .iter()
        .map(|room| (room.members, room.seats))
        .collect();
    assert_eq!(members, [(2, 2), (1, 2)]);
}

#[tokio::test]
async fn a_stopping_server_says_restarting_and_its_players_come_back() {
    let first = start(server());
    let address = first.local_addr();
    let (mut ann, room) = join(&first.url()).await;
    let stopping = tokio::task::spawn_blocking(move || {
        let began = now();
        first.stop();
        now().since(began)
    });
    let away = until(&mut ann, |_, event| match event {
        ClientEvent::State(State::Away { retry_in }) => Some(Ok(retry_in)),
        ClientEvent::State(State::Ended { reason, .. }) => Some(Err(reason)),
        _ => None,
    });
    assert!(away.await.is_ok(), "a restart is no end");
    let took = stopping.await.unwrap();
    assert!(took < Duration::from_secs(2), "stopping took {took:?}");
    let second = start(server().listen(&address.to_string()));
    until(&mut ann, |_, event| {
        matches!(event, ClientEvent::Joined { again: true, .. }).then_some(())
    })
    .await;
    until(&mut ann, |net, _| {
        (dots_seen(net, room).len() == 1).then_some(())
    })
    .await;
    second.stop();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again() {
    let gone = start(server());
    let url = gone.url();
    gone.stop();
    let mut net = connect(&url);
    until(&mut net, |_, event| {
        matches!(event, ClientEvent::State(State::Away { .. })).then_some(())
    })
    .await;
    assert!(
        net.failure().is_some_and(|text| text.contains("refused")),
        "{:?}",
        net.failure()
    );
}

#[tokio::test]
async fn credentials_are_asked_for_and_checked_in_their_own_time() {
    use tickwire_proto::frame::{Identity, Refusal};
    let server = start(server().auth_async(|request| async move {
        tokio::time::sleep(Duration::from_millis(30)).await;
        match &*request.credentials {
            b"open sesame" => Ok(Identity::new("ali")),
            b"panic" => panic!("auth may fail"),
            _ => Err(Refusal::new("Unknown", "who is that? Sign in again")),
        }
    }));
    let mut ali = connect(&server.url()).with_credentials(|_| b"open sesame".to_vec());
    let identity = until(&mut ali, |_, event| match event {
        ClientEvent::Attached { identity, .. } => Some(identity),
        _ => None,
    });
    assert_eq!(identity.await, "ali");
    for (credentials, code) in [(&b"x"[..], "Unknown"), (b"panic", "Refused")] {
        let mut thief = connect(&server.url()).with_credentials(move |_| credentials.to_vec());
        let refusal = until(&mut thief, |_, event| match event {
            ClientEvent::AttachRefused(refusal) => Some(refusal.code),
            _ => None,
        });
        assert_eq!(refusal.await, code);
        let ended = until(&mut thief, |_, event| match event {
            ClientEvent::State(State::Ended { reason, .. }) => Some(reason),
            _ => None,
        });
        assert_eq!(ended.await, Reason::Refused);
    }
}

#[tokio::test]
async fn a_hundred_clients_at_once() {
    let server = start(server().set("room.dots.seats", "200"));
    let url = server.url();
    let all_saw = std::sync::Arc::new(tokio::sync::Barrier::new(100));
    let players = (0..100).map(|_| {
        let (url, all_saw) = (url.clone(), all_saw.clone());
        tokio::spawn(async move {
            let (mut net, room) = join(&url).await;
            until(&mut net, |net, _| {
                (dots_seen(net, room).len() == 100).then_some(())
            })
            .await;
            all_saw.wait().await;
            net.counters().payload_in
        })
    });
    for player in players.collect::<Vec<_>>() {
        assert!(player.await.unwrap() > 0);
    }
    server.stop();
}

#[tokio::test]
async fn several_games_on_one_server() {
    let server = start(server().kind("more", |game: &mut tickwire_sim::Game| {
        dots(game);
        game.rate(60);
    }));
    let mut net = connect(&server.url());
    let (one, two) = (
        net.client_mut().quick("dots", &[]),
        net.client_mut().quick("more", &[]),
    );
    let mut joined = 0;
    until(&mut net, |_, event| {
        joined += usize::from(matches!(event, ClientEvent::Joined { .. }));
        (joined == 2).then_some(())
    })
    .await;
    assert_eq!(
        (
            net.client().view(one).unwrap().kind(),
            net.client().view(two).unwrap().kind()
        ),
        ("dots", "more")
    );
}
