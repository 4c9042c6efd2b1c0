//! Requests over real sockets: a game answers at once, later or never, asks its players, and a client waits for replies and for room.

use std::time::Duration;

use bevy_ecs::prelude::*;
use serde::{Deserialize, Serialize};
use tickwire_client::{ASK_TIMEOUT, AskError, ClientConfig, ClientEvent, RoomKey};
use tickwire_net::client::Connection;
use tickwire_net::now;
use tickwire_proto::frame::Refusal;
use tickwire_sim::prelude::*;
use tickwire_snapshot::message::{self, Request};

use super::{server, start};

const PATIENCE: Duration = Duration::from_secs(60);

/// Answered at once: twice as much, or a typed "no" for odd ones.
#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Double {
    n: u32,
}

impl Request for Double {
    type Reply = Doubled;
}

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Doubled {
    n: u32,
}

/// Answered by the next one of somebody else.
#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Meet {
    name: String,
}

impl Request for Meet {
    type Reply = Met;
}

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Met {
    name: String,
}

/// Has the room ask everybody; what it heard is told to all.
#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Poll {
    wait_ms: u32,
}

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Tea {
    milk: bool,
}

impl Request for Tea {
    type Reply = Sugar;
}

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Sugar {
    lumps: u8,
}

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Heard {
    seat: u16,
    lumps: Option<u8>,
    why: String,
    waiting: u32,
}

/// How many of these a room has heard, by request.
#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Count {
    of: String,
}

impl Request for Count {
    type Reply = Doubled;
}

#[derive(Resource, Default)]
struct Waiting(Vec<(String, Ticket<Meet>)>);

#[derive(Resource, Default)]
struct Notes(Vec<String>);

fn double(In(asked): In<FromPlayer<Double>>) -> Result<Doubled, Refusal> {
    match asked.message.n {
        n if n % 2 == 1 => Err(Refusal::new("Odd", format!("{n} is odd"))),
        n => Ok(Doubled { n: 2 * n }),
    }
}

fn meet(In(asked): In<Asked<Meet>>, mut waiting: ResMut<Waiting>, mut answers: ResMut<Answers>) {
    let name = asked.request.name;
    if let Some((other, ticket)) = waiting.0.pop() {
        answers.give(ticket, Ok(Met { name: name.clone() }));
        answers.give(asked.ticket, Ok(Met { name: other }));
    } else {
        waiting.0.push((name, asked.ticket));
    }
}

fn poll(In(asked): In<FromPlayer<Poll>>, mut questions: ResMut<Questions>) {
    let wait = Duration::from_millis(asked.message.wait_ms.into());
    questions.all(&Tea { milk: true }, wait).expect("a few");
}

fn tea(In(replied): In<Replied<Tea>>, mut outbox: ResMut<Outbox>) {
    let heard = Heard {
        seat: replied.player.seat,
        lumps: replied.outcome.as_ref().ok().map(|sugar| sugar.lumps),
        why: replied
            .outcome
            .err()
            .map_or(String::new(), |no| no.to_string()),
        waiting: replied.waiting as u32,
    };
    outbox.all(&heard);
}

fn note(In(noted): In<FromPlayer<String>>, mut notes: ResMut<Notes>) {
    notes.0.push(noted.message);
}

fn count(In(asked): In<FromPlayer<Count>>, notes: Res<Notes>) -> Result<Doubled, Refusal> {
    let of = |text: &&String| **text == asked.message.of;
    let n = notes.0.iter().filter(of).count() as u32;
    Ok(Doubled { n })
}

fn house(game: &mut Game) {
    game.on_demand().rate(100).seats(4).message::<Heard>();
    game.on_start(|mut commands: Commands| {
        commands.init_resource::<Waiting>();
        commands.init_resource::<Notes>();
    });
    game.on_request(double).on_request(count);
    game.on_request_later(meet)
        .on_message(note)
        .on_message(poll);
    game.on_reply(tea);
}

async fn enter(url: &str) -> (Connection, RoomKey) {
    let mut net = Connection::open(url, ClientConfig::default()).unwrap();
    let room = net.client_mut().quick("house", &[]);
    let deadline = now().plus(PATIENCE);
    while !net.client().is_joined(room) {
        net.next_until(deadline).await.expect("it joins");
    }
    (net, room)
}

async fn event<T>(net: &mut Connection, mut wanted: impl FnMut(ClientEvent) -> Option<T>) -> T {
    let deadline = now().plus(PATIENCE);
    loop {
        let event = net.next_until(deadline).await.expect("it comes");
        if let Some(found) = wanted(event) {
            return found;
        }
    }
}

#[tokio::test]
async fn a_game_answers_at_once_later_or_says_no() {
    let server = start(server().kind("house", house));
    let (mut ann, room) = enter(&server.url()).await;
    for n in (0..100).step_by(2) {
        let reply = ann.ask(room, &Double { n }, ASK_TIMEOUT).await;
        assert_eq!(reply, Ok(Doubled { n: 2 * n }));
    }
    let odd = ann.ask(room, &Double { n: 7 }, ASK_TIMEOUT).await;
    let Err(AskError::Refused(refusal)) = odd else {
        panic!("{odd:?}");
    };
    assert_eq!(
        (&refusal.code[..], &refusal.message[..]),
        ("Odd", "7 is odd")
    );

    // Later: by somebody else's request, whom this one need not know.
    let (mut bob, there) = enter(&server.url()).await;
    let meet = |name: &str| Meet { name: name.into() };
    let (ann_meets, bob_meets) = tokio::join!(ann.ask(room, &meet("Ann"), PATIENCE), async {
        // Meanwhile Bob lives on, and asks for other things.
        let reply = bob.ask(there, &Double { n: 4 }, ASK_TIMEOUT).await;
        assert_eq!(reply, Ok(Doubled { n: 8 }));
        bob.ask(there, &meet("Bob"), PATIENCE).await
    });
    assert_eq!(ann_meets, Ok(meet_of("Bob")));
    assert_eq!(bob_meets, Ok(meet_of("Ann")));

    // Never, in time.
    let alone = ann.ask(room, &meet("Ann"), Duration::from_millis(50)).await;
    assert_eq!(alone, Err(AskError::Timeout));
    let late = ann.ask(room, &meet("Eve"), ASK_TIMEOUT).await;
    assert_eq!(
        late,
        Ok(meet_of("Ann")),
        "the game cannot know that she waits no more"
    );
    // Dropped before the reply: given up, and the connection goes on.
    let dropped = tokio::time::timeout(
        Duration::from_millis(50),
        ann.ask(room, &meet("Ann"), PATIENCE),
    );
    assert!(dropped.await.is_err());
    let reply = ann.ask(room, &Double { n: 2 }, ASK_TIMEOUT).await;
    assert_eq!(reply, Ok(Doubled { n: 4 }));
    // A request that this game has not: refused, and nothing breaks.
    let strange = ann.ask(room, &Tea { milk: false }, ASK_TIMEOUT).await;
    assert!(
        matches!(&strange, Err(AskError::Refused(refusal)) if refusal.code == "NotFound"),
        "{strange:?}"
    );
}

fn meet_of(name: &str) -> Met {
    Met { name: name.into() }
}

#[tokio::test]
async fn a_room_asks_everybody_and_hears_who_said_what() {
    let server = start(server().kind("house", house));
    let (mut ann, room) = enter(&server.url()).await;
    let (mut bob, _) = enter(&server.url()).await;
    let (mut eve, _) = enter(&server.url()).await;
    ann.send(room, &Poll { wait_ms: 1_000 }).await.unwrap();
    let question = |event: ClientEvent| match event {
        ClientEvent::Question {
            question, payload, ..
        } => Some((question, payload)),
        _ => None,
    };
    let (asked, payload) = event(&mut ann, question).await;
    let tea = message::decode::<Tea>(&payload).unwrap();
    assert_eq!(tea, Tea { milk: true });
    let reply = Ok(Sugar { lumps: 2 });
    ann.client_mut().answer_with::<Tea>(asked, reply);
    let (asked, _) = event(&mut bob, question).await;
    let no = Refusal::new("Coffee", "no tea for me");
    bob.client_mut().answer_with::<Tea>(asked, Err(no));
    let (_, _) = event(&mut eve, question).await; // and never answers
    let mut heard = Vec::new();
    let (bob, eve) = (tokio::spawn(live(bob)), tokio::spawn(live(eve)));
    while heard.len() < 3 {
        heard.push(
            event(&mut ann, |event| match event {
                ClientEvent::Message { payload, .. } => message::decode::<Heard>(&payload).ok(),
                _ => None,
            })
            .await,
        );
    }
    bob.abort();
    eve.abort();
    heard.sort_by_key(|heard| heard.seat);
    assert_eq!(
        heard.iter().map(|it| it.seat).collect::<Vec<_>>(),
        [0, 1, 2]
    );
    assert_eq!(
        (heard[0].lumps, heard[1].lumps, heard[2].lumps),
        (Some(2), None, None)
    );
    assert!(heard[1].why.contains("Coffee"), "{}", heard[1].why);
    assert!(heard[2].why.contains("Timeout"), "{}", heard[2].why);
    assert_eq!(heard[2].waiting, 0, "the last outcome");
}

async fn live(mut net: Connection) {
    loop {
        net.next().await;
    }
}

#[tokio::test]
async fn a_send_waits_for_room_and_nothing_is_lost() {
    let server = start(server().kind("house", house));
    let (mut ann, room) = enter(&server.url()).await;
    let text = "a note that is long enough to fill an outbox soon ".repeat(40);
    let mut full = 0;
    for _ in 0..300 {
        if ann.client_mut().send_message(room, &text).is_err() {
            full += 1;
            ann.send(room, &text).await.expect("it waits for its place");
        }
    }
    assert!(full > 0, "so much fits into no outbox");
    let of = Count { of: text };
    let counted = ann.ask(room, &of, PATIENCE).await;
    assert_eq!(counted, Ok(Doubled { n: 300 }));
}
