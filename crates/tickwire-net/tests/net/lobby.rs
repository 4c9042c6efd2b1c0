//! The lobby over real sockets: five hundred who race for sixteen seats, codes, kept seats, spectators, watched lists, moves and bans.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use tickwire_client::{ClientConfig, ClientEvent, RequestId, RoomKey, State};
use tickwire_net::client::Connection;
use tickwire_net::{MoveTo, ReserveAsk, ReserveIn, RoomAsk, Running, Who, now};
use tickwire_proto::Reason;
use tickwire_proto::frame::{HostAsk, Refusal, RoomEnd, RoomInfoOwned, code};
use tickwire_sim::prelude::*;

use super::{dots, server, start};

const PATIENCE: Duration = Duration::from_secs(60);

/// Sixteen seats, and places to look on from.
fn arena(game: &mut Game) {
    dots(game);
    game.seats(16).watchers(4).watch_hz(5);
}

fn arenas() -> Running {
    start(server().kind("arena", arena))
}

fn connect(server: &Running, name: &str) -> Connection {
    let credentials = Bytes::from(format!(r#"{{"guest":"{name}"}}"#));
    let config = ClientConfig {
        credentials: Some(credentials),
        ..ClientConfig::default()
    };
    Connection::open(&server.url(), config).unwrap()
}

/// Waits for what `wanted` takes.
async fn until<T>(
    net: &mut Connection,
    mut wanted: impl FnMut(&Connection, ClientEvent) -> Option<T>,
) -> T {
    let deadline = now().plus(PATIENCE);
    loop {
        let event = net.next_until(deadline).await.expect("it happens in time");
        if let Some(found) = wanted(net, event) {
            return found;
        }
    }
}

/// In the room, or why not.
async fn answer(net: &mut Connection, room: RoomKey) -> Result<String, Refusal> {
    until(net, |net, event| match event {
        ClientEvent::Joined { room: key, .. } if key == room => {
            Some(Ok(net.client().view(room)?.id().to_owned()))
        }
        ClientEvent::JoinRefused { room: key, refusal } if key == room => Some(Err(refusal)),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn of_five_hundred_racing_clients_sixteen_get_in() {
    let server = arenas();
    let mut first = connect(&server, "first");
    let room = first.client_mut().quick("arena", &[]);
    let id = answer(&mut first, room).await.unwrap();
    let mut racers = Vec::new();
    for n in 0..500 {
        let mut net = connect(&server, &format!("R{n}"));
        let id = id.clone();
        racers.push(tokio::spawn(async move {
            let room = net.client_mut().join(&id);
            let answer = answer(&mut net, room).await;
            let seat = net.client().view(room).and_then(|view| view.seat());
            // Who is refused goes: a process has only so many sockets.
            (answer.is_ok().then_some(net), answer, seat)
        }));
    }
    let (mut seats, mut refused, mut nets) = (BTreeSet::new(), 0, Vec::new());
    for racer in racers {
        let (net, answer, seat) = racer.await.unwrap();
        match answer {
            Ok(joined) => {
                assert_eq!(joined, id);
                assert!(seats.insert(seat.expect("a seat")), "a seat of its own");
            }
            Err(refusal) => {
                assert_eq!(refusal.code, code::FULL);
                refused += 1;
            }
        }
        nets.push(net);
    }
    assert_eq!((seats.len(), refused), (15, 485), "and the first one");
    let all = until(&mut first, |net, _| {
        Some(net.client().view(room)?.members().len()).filter(|members| *members == 16)
    });
    assert_eq!(all.await, 16);
    drop(nets);
    server.stop();
}

#[tokio::test]
async fn quick_matches_of_a_race_fill_rooms_to_the_last_seat() {
    let server = arenas();
    let racers = (0..160).map(|n| {
        let mut net = connect(&server, &format!("R{n}"));
        tokio::spawn(async move {
            let mode = [("mode", if n % 2 == 0 { "duel" } else { "team" })];
            let room = net.client_mut().quick("arena", &mode);
            let id = answer(&mut net, room).await.unwrap();
            (net, id)
        })
    });
    let (mut rooms, mut nets) = (
        std::collections::BTreeMap::<String, usize>::new(),
        Vec::new(),
    );
    for racer in racers.collect::<Vec<_>>() {
        let (net, id) = racer.await.unwrap();
        *rooms.entry(id).or_default() += 1;
        nets.push(net);
    }
    let members: Vec<usize> = rooms.into_values().collect();
    assert_eq!(members, [16; 10], "five rooms of each");
    drop(nets);
    server.stop();
}

async fn list(net: &mut Connection, request: RequestId) -> Vec<RoomInfoOwned> {
    until(net, |_, event| match event {
        ClientEvent::LobbyChanged {
            request: of, rooms, ..
        } if of == request => Some(rooms),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_code_lets_a_friend_in_and_a_watched_list_tells_of_open_rooms_alone() {
    let server = arenas();
    let (mut ann, mut ben) = (connect(&server, "Ann"), connect(&server, "Ben"));
    let live = ben.client_mut().watch_lobby("arena", &[("mode", "duel")]);
    assert_eq!(list(&mut ben, live).await, []);
    let private = ann
        .client_mut()
        .create_private("arena", &[("mode", "duel")]);
    let code = answer(&mut ann, private).await.unwrap();
    assert!((4..=6).contains(&code.len()), "{code}");
    let open = ann.client_mut().create("arena", &[("mode", "duel")]);
    let id = answer(&mut ann, open).await.unwrap();
    let rooms = list(&mut ben, live).await;
    assert_eq!((rooms.len(), &rooms[0].id), (1, &id));
    let room = ben.client_mut().join(&code.to_lowercase());
    assert_eq!(answer(&mut ben, room).await.unwrap(), code);
    let host = ann.client().view(private).unwrap();
    assert!(host.is_host() && !ben.client().view(room).unwrap().is_host());
    // Ready is heard by the other; the host sends it away.
    ben.client_mut().ready(room, true).unwrap();
    let deadline = now().plus(PATIENCE);
    let member = loop {
        assert!(now() < deadline, "Ann hears that Ben is ready");
        let soon = now().plus(Duration::from_millis(20));
        tokio::join!(ann.next_until(soon), ben.next_until(soon));
        let mut members = ann.client().view(private).unwrap().members().iter();
        if let Some(ready) = members.find(|it| it.flags.ready) {
            break ready.member;
        }
    };
    let kick = HostAsk::Kick { member };
    let refused = ben.client_mut().host_ask(room, &kick).unwrap();
    let refusal = until(&mut ben, |_, event| match event {
        ClientEvent::RequestRefused { request, refusal } if request == refused => Some(refusal),
        _ => None,
    });
    assert_eq!(refusal.await.code, code::FORBIDDEN);
    let asked = ann.client_mut().host_ask(private, &kick).unwrap();
    until(&mut ann, |_, event| {
        (event == ClientEvent::HostDone { request: asked }).then_some(())
    })
    .await;
    let reason = until(&mut ben, |_, event| match event {
        ClientEvent::RoomEnded { reason, .. } => Some(reason),
        _ => None,
    });
    assert_eq!(reason.await, RoomEnd::Kicked);
    ann.client_mut().leave(open);
    ann.client_mut().leave(private);
    let deadline = now().plus(PATIENCE);
    loop {
        assert!(now() < deadline, "Ben is told that Ann has left");
        let soon = now().plus(Duration::from_millis(20));
        let (_, told) = tokio::join!(ann.next_until(soon), ben.next_until(soon));
        if let Some(ClientEvent::LobbyChanged { rooms, .. }) = told
            && rooms[0].members == 0
        {
            break;
        }
    }
    server.stop();
}

#[tokio::test]
async fn seats_are_kept_and_spectators_get_fewer_updates() {
    let server = arenas();
    let ask = ReserveAsk {
        room: ReserveIn::Quick {
            kind: "arena".into(),
            attributes: vec![],
        },
        seats: 16,
        identities: vec![],
        keep_ms: 60_000,
    };
    let kept = server.rooms().reserve(ask.clone()).await.unwrap();
    let again = ReserveAsk {
        room: ReserveIn::Room(kept.room.clone()),
        ..ask
    };
    let refused = server.rooms().reserve(again).await.unwrap_err();
    assert!(refused.to_string().starts_with("Full: room "), "{refused}");
    let mut ann = connect(&server, "Ann");
    let room = ann.client_mut().join(&kept.room);
    assert_eq!(answer(&mut ann, room).await.unwrap_err().code, code::FULL);
    let room = ann.client_mut().join_reserved(&kept.token);
    assert_eq!(answer(&mut ann, room).await.unwrap(), kept.room);
    let mut ben = connect(&server, "Ben");
    let watched = ben.client_mut().watch(&kept.room);
    answer(&mut ben, watched).await.unwrap();
    assert_eq!(ben.client().view(watched).unwrap().seat(), None);
    // While Ann moves for two seconds, both hear of it, and Ben less often.
    let (mut hers, mut his) = (0, 0);
    let end = now().plus(Duration::from_secs(60));
    while his < 10 {
        assert!(now() < end, "{hers} and {his} updates");
        super::loopback::steer(&mut ann, room);
        let soon = now().plus(Duration::from_millis(10));
        let (a, b) = tokio::join!(ann.next_until(soon), ben.next_until(soon));
        let updates = |event| u32::from(matches!(event, Some(ClientEvent::Updated { .. })));
        (hers, his) = (hers + updates(a), his + updates(b));
    }
    assert!(
        hers >= 2 * his,
        "{hers} updates for a player, {his} for a spectator"
    );
    server.stop();
}

#[tokio::test]
async fn a_player_is_moved_without_a_new_link_and_the_banned_are_told() {
    let server = arenas();
    let (mut ann, mut ben) = (connect(&server, "Ann"), connect(&server, "Ben"));
    let room = ann.client_mut().create("arena", &[]);
    let from = answer(&mut ann, room).await.unwrap();
    let other = ben.client_mut().create("arena", &[]);
    let to = answer(&mut ben, other).await.unwrap();
    let rooms = server.rooms();
    let who = || Who::Identity("guest:Ann".to_owned());
    let go = RoomAsk::Move {
        who: who(),
        to: MoveTo::Room(to.clone()),
    };
    rooms.rule(&from, go.clone()).await.unwrap();
    until(&mut ann, |_, event| {
        assert!(!matches!(event, ClientEvent::RoomEnded { .. }), "{event:?}");
        (event == ClientEvent::Moved { room }).then_some(())
    })
    .await;
    assert_eq!(ann.client().view(room).unwrap().id(), to);
    let mut seen = 0;
    while seen < 5 {
        super::loopback::steer(&mut ann, room);
        let event = ann.next_until(now().plus(Duration::from_millis(20))).await;
        seen += u32::from(matches!(event, Some(ClientEvent::Updated { .. })));
    }
    let gone = rooms.rule(&from, go).await.unwrap_err();
    assert_eq!(gone.0.code, code::NOT_FOUND);
    assert_eq!(ann.counters().connects, 1);
    rooms.ban("guest:Ann", None, "enough").await;
    let (reason, message) = until(&mut ann, |_, event| match event {
        ClientEvent::State(State::Ended {
            reason, message, ..
        }) => Some((reason, message)),
        _ => None,
    })
    .await;
    assert_eq!((reason, message.as_str()), (Reason::Banned, "enough"));
    let mut again = connect(&server, "Ann");
    let reason = until(&mut again, |_, event| match event {
        ClientEvent::State(State::Ended { reason, .. }) => Some(reason),
        _ => None,
    });
    assert_eq!(reason.await, Reason::Banned);
    rooms.unban("guest:Ann").await;
    let mut again = connect(&server, "Ann");
    let room = again.client_mut().join(&to);
    assert_eq!(answer(&mut again, room).await.unwrap(), to);
    server.stop();
}
