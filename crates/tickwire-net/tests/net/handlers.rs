//! What is said and asked outside of rooms, and what reaches many at once, over real sockets: handlers that wait, refuse and panic, and
//! broadcasts to all, to namespaces, to identities and to rooms.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tickwire_client::{
    ASK_TIMEOUT, AskError, ClientConfig, ClientEvent, NamespaceKey, Place, RoomKey,
};
use tickwire_net::client::Connection;
use tickwire_net::{BroadcastError, Broadcaster, FromClient, Namespace, Running, now};
use tickwire_proto::frame::Refusal;
use tickwire_server::NamespaceLimits;
use tickwire_sim::prelude::*;
use tickwire_snapshot::message::{self, Message, Request};
use tokio::sync::Semaphore;

use super::{server, start};

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Search {
    text: String,
}

impl Request for Search {
    type Reply = Found;
}

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Found {
    titles: Vec<String>,
}

/// A message to the namespace; it tells everybody else.
#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Shout {
    text: String,
}

#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Heard {
    by: String,
    text: String,
}

/// Lives as long as its future.
struct Guard<'a> {
    gate: &'a Gate,
    passed: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.gate.running.fetch_sub(1, Ordering::Relaxed);
        let given_up = u32::from(!self.passed);
        self.gate.given_up.fetch_add(given_up, Ordering::Relaxed);
    }
}

/// What the handlers of a test share with it.
#[derive(Clone)]
struct Gate {
    open: Arc<Semaphore>,
    running: Arc<AtomicU32>,
    most: Arc<AtomicU32>,
    given_up: Arc<AtomicU32>,
}

impl Gate {
    fn new() -> Gate {
        Gate {
            open: Arc::new(Semaphore::new(0)),
            running: Arc::default(),
            most: Arc::default(),
            given_up: Arc::default(),
        }
    }

    async fn pass(&self) {
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(running, Ordering::Relaxed);
        let mut guard = Guard {
            gate: self,
            passed: false,
        };
        self.open.acquire().await.expect("it stays").forget();
        guard.passed = true;
    }
}

async fn search(from: FromClient, search: Search, gate: Gate) -> Result<Found, Refusal> {
    match search.text.as_str() {
        "" => Err(Refusal::new("Empty", "say what to look for")),
        "panic" => panic!("a panic of a handler"),
        "wait" => {
            gate.pass().await;
            Ok(Found { titles: vec![] })
        }
        text => {
            tokio::task::yield_now().await;
            let titles = vec![format!("{text} for {}", from.identity().name)];
            Ok(Found { titles })
        }
    }
}

async fn shout(from: FromClient, shout: Shout) {
    if shout.text == "panic" {
        panic!("a panic of a handler");
    }
    let by = from.identity().id.clone();
    let heard = Heard {
        by: by.clone(),
        text: shout.text,
    };
    from.everybody().except(&by).send(&heard).expect("a place");
    let text = "you were heard".to_owned();
    from.reply().send(&Heard { by, text }).expect("a place");
}

fn hall(game: &mut Game) {
    game.on_demand().rate(50).seats(8).message::<Heard>();
}

fn library(gate: &Gate) -> Namespace {
    let gate = gate.clone();
    Namespace::new("/library")
        .kind("hall", hall)
        .message::<Heard>()
        .on_message(shout)
        .on_request(move |from, asked| search(from, asked, gate.clone()))
        .limits(NamespaceLimits {
            handlers: 2,
            ..NamespaceLimits::default()
        })
}

fn run(gate: &Gate, news: &Broadcaster) -> Running {
    let server = server().message::<String>().kind("hall", hall);
    start(server.namespace(library(gate)).broadcaster(news))
}

/// Called by name, and in the library.
async fn visit(url: &str, name: &str) -> (Connection, NamespaceKey) {
    let credentials = format!(r#"{{"guest":"{name}"}}"#);
    let config = ClientConfig {
        credentials: Some(credentials.clone().into()),
        ..ClientConfig::default()
    };
    let mut net = Connection::open(url, config).unwrap();
    let library = net
        .client_mut()
        .attach_to("/library", Some(credentials.into()));
    let library = library.expect("a second namespace");
    let deadline = now().plus(PATIENCE);
    while !net.client().is_in(library) {
        net.next_until(deadline).await.expect("it is let in");
    }
    (net, library)
}

async fn ask(net: &mut Connection, place: NamespaceKey, text: &str) -> Result<Found, AskError> {
    let search = Search { text: text.into() };
    net.ask(place, &search, ASK_TIMEOUT).await
}

/// The next message, and where it was heard.
async fn hear<M: Message>(net: &mut Connection) -> (Place, M) {
    let deadline = now().plus(PATIENCE);
    loop {
        let event = net.next_until(deadline).await.expect("it comes");
        if let ClientEvent::Message {
            namespace,
            room,
            payload,
            ..
        } = event
        {
            let place = room.map_or(Place::Outside(namespace), Place::Room);
            return (place, message::decode(&payload).expect("of that kind"));
        }
    }
}

#[tokio::test]
async fn handlers_answer_refuse_and_panic_and_the_session_lives() {
    let server = run(&Gate::new(), &Broadcaster::new());
    let (mut ann, library) = visit(&server.url(), "Ann").await;
    let titles = vec!["crabs for Ann".to_owned()];
    assert_eq!(ask(&mut ann, library, "crabs").await, Ok(Found { titles }));
    let empty = ask(&mut ann, library, "").await;
    assert!(matches!(&empty, Err(AskError::Refused(refusal)) if refusal.code == "Empty"));
    let panic = ask(&mut ann, library, "panic").await;
    assert!(matches!(&panic, Err(AskError::Refused(refusal)) if refusal.code == "Failed"));
    // In the other namespace nobody hears of it.
    let elsewhere = ask(&mut ann, NamespaceKey::MAIN, "crabs").await;
    assert!(matches!(&elsewhere, Err(AskError::Refused(refusal)) if refusal.code == "NotFound"));
    let shout = |text: &str| Shout { text: text.into() };
    ann.send(library, &shout("panic")).await.unwrap();
    ann.send(
        library,
        &Heard {
            by: String::new(),
            text: String::new(),
        },
    )
    .await
    .unwrap(); // which nobody handles
    ann.send(library, &shout("hi")).await.unwrap();
    let (place, heard) = hear::<Heard>(&mut ann).await;
    assert_eq!(place, Place::Outside(library));
    assert_eq!(heard.text, "you were heard");
    let deadline = now().plus(PATIENCE);
    let failed = "tickwire_handlers_failed_total 2\n";
    while !server.metrics().contains(failed) && now() < deadline {
        ann.next_until(now().plus(Duration::from_millis(5))).await;
    }
    let text = server.metrics();
    assert!(
        text.contains("tickwire_handlers_failed_total 2\n"),
        "{text}"
    );
    assert!(
        text.contains("tickwire_messages_unhandled_total 1\n"),
        "{text}"
    );
}

#[tokio::test]
async fn so_many_of_one_session_run_at_once_and_what_is_given_up_ends() {
    let gate = Gate::new();
    let server = run(&gate, &Broadcaster::new());
    let (mut ann, library) = visit(&server.url(), "Ann").await;
    let wait = Search {
        text: "wait".into(),
    };
    let time = now();
    let asks: Vec<_> = (0..6)
        .map(|_| {
            let client = ann.client_mut();
            client.ask_for(time, library, &wait, PATIENCE).unwrap()
        })
        .collect();
    let until = async |net: &mut Connection, count: &AtomicU32, wanted: u32| {
        let deadline = now().plus(PATIENCE);
        while count.load(Ordering::Relaxed) != wanted {
            assert!(now() < deadline);
            net.next_until(now().plus(Duration::from_millis(5))).await;
        }
    };
    until(&mut ann, &gate.running, 2).await;
    // One that runs and one that waits are given up: another one runs.
    ann.client_mut().cancel(asks[0]);
    ann.client_mut().cancel(asks[5]);
    until(&mut ann, &gate.given_up, 1).await;
    gate.open.add_permits(3);
    let mut done = Vec::new();
    let deadline = now().plus(PATIENCE);
    while done.len() < 3 {
        let event = ann.next_until(deadline).await.expect("three are done");
        if let ClientEvent::Reply { ask, .. } = event {
            done.push(ask);
        }
    }
    until(&mut ann, &gate.running, 1).await;
    gate.open.add_permits(1);
    until(&mut ann, &gate.running, 0).await;
    assert_eq!(gate.most.load(Ordering::Relaxed), 2, "never more at once");
    let titles = vec!["crabs for Ann".to_owned()];
    assert_eq!(ask(&mut ann, library, "crabs").await, Ok(Found { titles }));
}

async fn enter(net: &mut Connection, room: RoomKey) -> String {
    let deadline = now().plus(PATIENCE);
    loop {
        if let Some(view) = net.client().view(room) {
            return view.id().to_owned();
        }
        net.next_until(deadline).await.expect("it joins");
    }
}

#[tokio::test]
async fn broadcasts_reach_whom_they_are_for_once_each() {
    let news = Broadcaster::new();
    let server = run(&Gate::new(), &news);
    let (mut ann, ann_library) = visit(&server.url(), "Ann").await;
    let (mut bob, bob_library) = visit(&server.url(), "Bob").await;
    let heard = |text: &str| Heard {
        by: "server".to_owned(),
        text: text.to_owned(),
    };
    // Everybody, by the namespace that knows the message.
    news.to_all().send(&"all".to_owned()).unwrap();
    for net in [&mut ann, &mut bob] {
        let (place, text) = hear::<String>(net).await;
        assert_eq!(
            (place, text.as_str()),
            (Place::Outside(NamespaceKey::MAIN), "all")
        );
    }
    // A namespace, but for one; an identity in it; in order.
    let library = news.to_namespace("/library");
    library
        .clone()
        .except("guest:Ann")
        .send(&heard("not Ann"))
        .unwrap();
    library.clone().channel(3).send(&heard("both")).unwrap();
    news.to_identity("/library", "guest:Ann")
        .send(&heard("Ann"))
        .unwrap();
    assert_eq!(
        hear(&mut ann).await,
        (Place::Outside(ann_library), heard("both"))
    );
    assert_eq!(
        hear(&mut ann).await,
        (Place::Outside(ann_library), heard("Ann"))
    );
    let mut two = [
        hear::<Heard>(&mut bob).await.1.text,
        hear::<Heard>(&mut bob).await.1.text,
    ];
    two.sort(); // by two channels there is no order between them
    assert_eq!(two, ["both", "not Ann"]);
    // Rooms: who is in both hears it once; who is in none, not at all.
    let first = ann.client_mut().within(ann_library).create("hall", &[]);
    let first_id = enter(&mut ann, first).await;
    let second = ann.client_mut().within(ann_library).create("hall", &[]);
    let second_id = enter(&mut ann, second).await;
    let there = bob.client_mut().within(bob_library).join(&second_id);
    enter(&mut bob, there).await;
    let both = [first_id.as_str(), second_id.as_str(), "none"];
    news.to_rooms(both).send(&heard("rooms")).unwrap();
    news.to_rooms(both)
        .except("guest:Bob")
        .send(&heard("Ann's rooms"))
        .unwrap();
    news.to_all().send(&"the end".to_owned()).unwrap();
    assert_eq!(hear(&mut ann).await, (Place::Room(first), heard("rooms")));
    assert_eq!(
        hear(&mut ann).await,
        (Place::Room(first), heard("Ann's rooms"))
    );
    assert_eq!(hear(&mut bob).await, (Place::Room(there), heard("rooms")));
    for net in [&mut ann, &mut bob] {
        assert_eq!(hear::<String>(net).await.1, "the end");
    }
    // What cannot be sent says why.
    assert!(matches!(
        news.to_namespace("/").send(&heard("what is that?")),
        Err(BroadcastError::NotRegistered { .. })
    ));
    assert_eq!(
        library.channel(8).send(&heard("")),
        Err(BroadcastError::NoChannel(8))
    );
    server.stop();
    assert_eq!(
        news.to_all().send(&String::new()),
        Err(BroadcastError::NotRunning)
    );
}

#[tokio::test]
async fn who_says_more_than_is_handled_hears_why_it_ends() {
    let gate = Gate::new();
    let server = run(&gate, &Broadcaster::new());
    let (mut ann, library) = visit(&server.url(), "Ann").await;
    let wait = Search {
        text: "wait".into(),
    };
    for _ in 0..2 {
        let (client, time) = (ann.client_mut(), now());
        client.ask_for(time, library, &wait, PATIENCE).unwrap();
    }
    // Messages are paced by the session; they pile up behind what waits.
    let shout = Shout { text: "hi".into() };
    let deadline = now().plus(PATIENCE);
    let reason = loop {
        let _ = ann.client_mut().send_message(library, &shout);
        let event = ann.next_until(now().plus(Duration::from_millis(2))).await;
        if let Some(ClientEvent::State(state)) = event
            && let tickwire_client::State::Away { .. } | tickwire_client::State::Ended { .. } =
                state
        {
            break state;
        }
        assert!(now() < deadline);
    };
    assert!(!ann.client().is_in(library), "{reason:?}");
}
