//! Chat rooms beside game rooms in one session, and rooms that rest until somebody sends them something.

use std::collections::BTreeMap;
use std::time::Duration;

use bevy_ecs::prelude::*;
use serde::{Deserialize, Serialize};
use tickwire_client::{ClientConfig, ClientEvent, RoomKey};
use tickwire_net::client::Connection;
use tickwire_net::{Running, now};
use tickwire_proto::Time;
use tickwire_sim::prelude::*;
use tickwire_snapshot::message::{self, Message};

use super::{dots, server, start};

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Say {
    from: u16,
    number: u32,
}

fn pass_on(In(said): In<FromPlayer<Say>>, mut outbox: ResMut<Outbox>) {
    outbox.all(&Say {
        from: said.player.seat,
        number: said.message.number,
    });
}

fn chat(game: &mut Game) {
    game.on_demand().rate(200).seats(100).on_message(pass_on);
}

fn dreams(game: &mut Game) {
    dots(game);
    game.sleeps();
}

fn chats() -> Running {
    start(server().kind("chat", chat).kind("dreams", dreams))
}

fn connect(server: &Running) -> Connection {
    Connection::open(&server.url(), ClientConfig::default()).unwrap()
}

fn patience() -> Time {
    now().plus(PATIENCE)
}

async fn joined(net: &mut Connection, room: RoomKey) {
    let deadline = patience();
    while net.client().view(room).is_none() {
        let event = net.next_until(deadline).await.expect("it joins");
        assert!(
            !matches!(event, ClientEvent::JoinRefused { .. }),
            "{event:?}"
        );
    }
}

fn say(net: &mut Connection, room: RoomKey, number: u32) -> bool {
    let payload = message::encode(&Say { from: 0, number });
    net.client_mut().send(room, Say::kind(), &payload).is_ok()
}

fn gauge(server: &Running, name: &str) -> u64 {
    let text = server.metrics();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.and_then(|count| count.parse().ok())
        .unwrap_or_else(|| panic!("{name} is in {text}"))
}

/// Until the gauge has that value.
async fn settled(net: &mut Connection, server: &Running, name: &str, value: u64) {
    let deadline = patience();
    while gauge(server, name) != value {
        assert!(now() < deadline, "{}", server.metrics());
        net.next_until(now().plus(Duration::from_millis(20))).await;
    }
}

#[tokio::test]
async fn a_session_is_in_sixteen_rooms_and_each_speaks_for_itself() {
    let server = chats();
    let mut net = connect(&server);
    let game = net.client_mut().quick("dots", &[]);
    joined(&mut net, game).await;
    let mut chats = Vec::new();
    for n in 0..15 {
        let topic = n.to_string();
        let room = net.client_mut().quick("chat", &[("topic", &topic)]);
        joined(&mut net, room).await;
        chats.push(room);
    }
    settled(&mut net, &server, "tickwire_rooms_resting", 15).await;
    for (n, room) in chats.iter().enumerate() {
        assert!(say(&mut net, *room, n as u32));
    }
    let (mut heard, mut updates) = (BTreeMap::new(), 0);
    let deadline = patience();
    while heard.len() < 15 || updates < 10 {
        assert!(now() < deadline, "{heard:?}, {updates} updates");
        super::loopback::steer(&mut net, game);
        let Some(event) = net.next_until(now().plus(Duration::from_millis(20))).await else {
            continue;
        };
        match event {
            ClientEvent::Message { room, payload, .. } => {
                let said: Say = message::decode(&payload).unwrap();
                assert!(heard.insert(room.unwrap(), said.number).is_none(), "once");
            }
            ClientEvent::Updated { room, .. } => updates += u32::from(room == game),
            _ => {}
        }
    }
    for (n, room) in chats.iter().enumerate() {
        assert_eq!(heard[room], n as u32);
    }
    // One more is one too many.
    net.client_mut().quick("chat", &[("topic", "more")]);
    let refusal = loop {
        if let ClientEvent::JoinRefused { refusal, .. } =
            net.next_until(deadline).await.expect("an event")
        {
            break refusal;
        }
    };
    assert_eq!(refusal.code, tickwire_proto::frame::code::LIMIT);
    settled(&mut net, &server, "tickwire_rooms_resting", 15).await;
    server.stop();
}

/// Members send at every moment, also in that in which the room lies down: all that they say is heard by all, in the order of each.
#[tokio::test]
async fn nothing_that_is_said_to_a_resting_room_is_lost() {
    const MEMBERS: usize = 6;
    const EACH: u32 = 150;
    let server = chats();
    let mut members = Vec::new();
    for _ in 0..MEMBERS {
        let mut net = connect(&server);
        let room = net.client_mut().quick("chat", &[]);
        joined(&mut net, room).await;
        members.push((net, room));
    }
    let one = |at: usize, mut net: Connection, room: RoomKey| async move {
        let (mut said, mut next) = (0, BTreeMap::<u16, u32>::new());
        let deadline = patience();
        while said < EACH || next.values().sum::<u32>() < EACH * MEMBERS as u32 {
            assert!(now() < deadline, "{said} said, {next:?} heard");
            if said < EACH && say(&mut net, room, said) {
                said += 1;
            }
            // Uneven pauses: the room lies down in some of them.
            let pause =
                Duration::from_micros(500 + (u64::from(said) * 7_919 * (at as u64 + 1)) % 14_000);
            let until = now().plus(pause);
            while let Some(event) = net.next_until(until).await {
                if let ClientEvent::Message { payload, .. } = event {
                    let say: Say = message::decode(&payload).unwrap();
                    let expected = next.entry(say.from).or_default();
                    assert_eq!(say.number, *expected, "in order, none twice");
                    *expected += 1;
                }
            }
        }
        net
    };
    let tasks = members
        .into_iter()
        .enumerate()
        .map(|(at, (net, room))| tokio::spawn(one(at, net, room)));
    let mut nets = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        nets.push(task.await.unwrap());
    }
    settled(&mut nets[0], &server, "tickwire_rooms_resting", 1).await;
    server.stop();
}

#[tokio::test]
async fn a_game_that_sleeps_is_there_when_its_players_come_back() {
    let server = chats();
    let mut net = connect(&server);
    let room = net.client_mut().quick("dreams", &[]);
    joined(&mut net, room).await;
    let id = net.client().view(room).unwrap().id().to_owned();
    net.client_mut().leave(room);
    settled(&mut net, &server, "tickwire_rooms_resting", 1).await;
    let room = net.client_mut().join(&id);
    joined(&mut net, room).await;
    assert_eq!(net.client().view(room).unwrap().id(), id);
    let deadline = patience();
    let mut updates = 0;
    while updates < 5 {
        let event = net.next_until(deadline).await.expect("an event");
        updates += u32::from(matches!(event, ClientEvent::Updated { .. }));
        super::loopback::steer(&mut net, room);
    }
    assert_eq!(gauge(&server, "tickwire_rooms_resting"), 0);
    // A room that rests when the server stops goes with it.
    net.client_mut().leave(room);
    settled(&mut net, &server, "tickwire_rooms_resting", 1).await;
    server.stop();
}
