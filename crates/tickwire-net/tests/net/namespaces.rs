//! Several namespaces over one connection of the native client: rooms in each, refusals that end nothing else, namespaces made by a function.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bevy_ecs::prelude::*;
use tickwire_client::{Client, ClientConfig, ClientEvent, NamespaceKey, RoomKey};
use tickwire_net::client::Connection;
use tickwire_net::{Namespace, Server, now};
use tickwire_proto::frame::{Identity, Refusal, code};
use tickwire_server::{Auth, AuthAnswer, AuthRequest, NamespaceLimits, TokenAuth};
use tickwire_sim::prelude::*;
use tickwire_snapshot::message::{self, Message};

use super::{dots, start};

const PATIENCE: Duration = Duration::from_secs(60);

fn server() -> Server {
    let tokens = TokenAuth::new(|token| match token {
        "right" => Ok(Identity::new("ann")),
        _ => Err(Refusal::new("Unknown", "sign in again")),
    });
    let limits = NamespaceLimits {
        rooms: 4,
        ..NamespaceLimits::default()
    };
    super::server()
        .namespace(
            Namespace::new("/chat")
                .auth(tokens)
                .kind("dots", dots)
                .limits(limits),
        )
        .namespaces(|name| {
            assert_ne!(name, "/panic", "a panic of the author's");
            let club = name.strip_prefix("/club/")?;
            (club.len() <= 8).then(|| Namespace::new(name).kind("dots", dots))
        })
}

async fn until<T>(net: &mut Connection, mut wanted: impl FnMut(ClientEvent) -> Option<T>) -> T {
    let deadline = now().plus(PATIENCE);
    loop {
        let event = net.next_until(deadline).await.expect("an event in time");
        if let Some(found) = wanted(event) {
            return found;
        }
    }
}

#[tokio::test]
async fn one_connection_has_rooms_in_three_namespaces() {
    let server = start(server());
    let mut net = Connection::open(&server.url(), ClientConfig::default()).unwrap();
    net = net.with_credentials(|namespace| match namespace {
        "/chat" => br#"{"token":"right"}"#.to_vec(),
        _ => br#"{"guest":"Ann"}"#.to_vec(),
    });
    let client = net.client_mut();
    let chat = client.attach_to("/chat", None).unwrap();
    let club = client.attach_to("/club/7", None).unwrap();
    let rooms = [
        client.quick("dots", &[]),
        client.within(chat).quick("dots", &[]),
        client.within(club).quick("dots", &[]),
    ];
    let mut missing = rooms.to_vec();
    while !missing.is_empty() {
        let room = until(&mut net, |event| match event {
            ClientEvent::Updated { room, .. } => Some(room),
            ClientEvent::JoinRefused { refusal, .. } => panic!("{refusal:?}"),
            _ => None,
        });
        let room = room.await;
        missing.retain(|other| *other != room);
    }
    let ids: BTreeSet<&str> = rooms
        .iter()
        .map(|room| net.client().view(*room).unwrap().id())
        .collect();
    assert_eq!(
        ids.len(),
        3,
        "three rooms of one name, each in its namespace"
    );
    let client = net.client_mut();
    client.within(chat).lobby("");
    let listed = until(&mut net, |event| match event {
        ClientEvent::Lobby { rooms, .. } => Some(rooms),
        _ => None,
    });
    assert_eq!(listed.await.len(), 1);
    server.stop();
}

#[tokio::test]
async fn a_refused_namespace_ends_nothing_else() {
    let server = start(server());
    let mut net = Connection::open(&server.url(), ClientConfig::default()).unwrap();
    let room = net.client_mut().quick("dots", &[]);
    for (name, wanted) in [
        ("/chat", code::REFUSED),
        ("/nowhere", code::NOT_FOUND),
        ("/panic", code::NOT_FOUND),
        ("/club/far-too-long", code::NOT_FOUND),
    ] {
        let namespace = net.client_mut().attach_to(name, None).unwrap();
        let asked = net.client_mut().within(namespace).quick("dots", &[]);
        let mut refused = None;
        let told = until(&mut net, |event| match event {
            ClientEvent::JoinRefused { room, refusal } => {
                assert_eq!((room, refusal.code.as_str()), (asked, wanted));
                refused = Some(());
                None
            }
            ClientEvent::NamespaceRefused {
                refusal,
                was_in: false,
                ..
            } => Some(refusal),
            _ => None,
        });
        let told = told.await;
        assert_eq!((told.code.as_str(), refused), (wanted, Some(())), "{name}");
    }
    until(&mut net, |event| match event {
        ClientEvent::Updated { room: of, .. } if of == room => Some(()),
        _ => None,
    })
    .await;
    server.stop();
}

#[test]
fn namespaces_have_names_of_their_own() {
    for name in ["/", "chat", ""] {
        let error = super::server()
            .namespace(Namespace::new(name))
            .start()
            .err();
        let text = error.expect("no server").to_string();
        assert!(text.starts_with("BadNamespace: "), "{text}");
    }
}

fn pass_on(In(said): In<FromPlayer<String>>, mut outbox: ResMut<Outbox>) {
    outbox.all(&said.message);
}

fn talk(game: &mut Game) {
    game.rate(60)
        .seats(10)
        .message::<String>()
        .on_message(pass_on);
}

/// Two clients in rooms of the same kind in two namespaces and of two clubs: each word is heard where it was said.
#[tokio::test]
async fn what_is_said_in_a_namespace_is_heard_there_alone() {
    let server = super::server()
        .kind("talk", talk)
        .namespace(Namespace::new("/chat").kind("talk", talk))
        .namespaces(|name| {
            let club = name.starts_with("/club/");
            club.then(|| Namespace::new(name).kind("talk", talk))
        });
    let server = start(server);
    let names = ["/", "/chat", "/club/1", "/club/2"];
    let join = |client: &mut Client| -> Vec<(NamespaceKey, RoomKey)> {
        let each = names.iter().map(|name| match *name {
            "/" => NamespaceKey::MAIN,
            name => client.attach_to(name, None).unwrap(),
        });
        let keys: Vec<NamespaceKey> = each.collect();
        let rooms = keys
            .iter()
            .map(|key| (*key, client.within(*key).quick("talk", &[])));
        rooms.collect()
    };
    let mut nets = Vec::new();
    for _ in 0..2 {
        let mut net = Connection::open(&server.url(), ClientConfig::default()).unwrap();
        let rooms = join(net.client_mut());
        let mut missing: BTreeSet<RoomKey> = rooms.iter().map(|(_, room)| *room).collect();
        while !missing.is_empty() {
            let joined = until(&mut net, |event| match event {
                ClientEvent::Joined { room, .. } => Some(room),
                ClientEvent::JoinRefused { refusal, .. } => panic!("{refusal:?}"),
                _ => None,
            });
            missing.remove(&joined.await);
        }
        nets.push((net, rooms));
    }
    for (at, name) in names.iter().enumerate() {
        let (net, rooms) = &mut nets[0];
        let text = message::encode(&(*name).to_owned());
        net.client_mut()
            .send(rooms[at].1, String::kind(), &text)
            .unwrap();
    }
    let mut heard: Vec<Vec<(NamespaceKey, Option<RoomKey>, String)>> = vec![vec![], vec![]];
    let deadline = now().plus(PATIENCE);
    while heard.iter().any(|heard| heard.len() < names.len()) {
        for (of, (net, _)) in nets.iter_mut().enumerate() {
            let soon = now().plus(Duration::from_millis(20));
            if let Some(ClientEvent::Message {
                namespace,
                room,
                payload,
                ..
            }) = net.next_until(soon).await
            {
                heard[of].push((namespace, room, message::decode(&payload).unwrap()));
            }
        }
        assert!(now() < deadline, "{heard:?}");
    }
    for ((_, rooms), heard) in nets.iter().zip(&mut heard) {
        heard.sort_by(|a, b| a.2.cmp(&b.2));
        let wanted = rooms
            .iter()
            .zip(names)
            .map(|((namespace, room), name)| (*namespace, Some(*room), name.to_owned()));
        assert_eq!(
            *heard,
            wanted.collect::<Vec<_>>(),
            "each once, in its own place"
        );
    }
    server.stop();
}

/// Believes everybody for a second; how often it was asked is counted.
struct Briefly(Arc<AtomicU32>);

impl Auth for Briefly {
    fn check(&self, request: &AuthRequest) -> AuthAnswer {
        self.0.fetch_add(1, Ordering::Relaxed);
        AuthAnswer::Accepted(Identity {
            expires: Some(request.now.plus(Duration::from_secs(1))),
            ..Identity::new(String::from_utf8_lossy(&request.credentials))
        })
    }
}

/// The credentials are asked for before each attach and at each expiry; a client that has no others than before is somebody else's, and out.
#[tokio::test]
async fn an_identity_that_expires_is_renewed_on_its_attachment_or_over() {
    let asked = Arc::new(AtomicU32::new(0));
    let brief = Briefly(Arc::clone(&asked));
    let server =
        start(super::server().namespace(Namespace::new("/chat").auth(brief).kind("dots", dots)));
    let changed = Arc::new(AtomicU32::new(0));
    let told = Arc::clone(&changed);
    let mut net = Connection::open(&server.url(), ClientConfig::default()).unwrap();
    net = net.with_credentials(
        move |namespace| match (namespace, told.load(Ordering::Relaxed)) {
            ("/chat", 0) => b"ann".to_vec(),
            ("/chat", _) => b"bob".to_vec(),
            _ => vec![],
        },
    );
    let main = net.client_mut().quick("dots", &[]);
    let chat = net.client_mut().attach_to("/chat", None).unwrap();
    let room = net.client_mut().within(chat).quick("dots", &[]);
    for _ in 0..2 {
        until(&mut net, |event| match event {
            ClientEvent::Renewed { namespace } => (namespace == chat).then_some(()),
            ClientEvent::NamespaceRefused { refusal, .. } => panic!("{refusal:?}"),
            _ => None,
        })
        .await;
    }
    assert!(asked.load(Ordering::Relaxed) >= 3);
    assert!(net.client().is_joined(room) && net.client().is_in(chat));
    changed.store(1, Ordering::Relaxed);
    let mut left = None;
    let refusal = until(&mut net, |event| match event {
        ClientEvent::RoomEnded { room, .. } => {
            left = Some(room);
            None
        }
        ClientEvent::NamespaceRefused {
            namespace,
            refusal,
            was_in: true,
        } => {
            assert_eq!(namespace, chat);
            Some(refusal)
        }
        _ => None,
    })
    .await;
    assert_eq!((refusal.code.as_str(), left), (code::FORBIDDEN, Some(room)));
    net.client_mut().lobby("dots");
    until(&mut net, |event| match event {
        ClientEvent::Lobby { rooms, .. } => (rooms[0].members == 1).then_some(()),
        _ => None,
    })
    .await;
    assert!(net.client().is_joined(main), "the session goes on");
    server.stop();
}

/// Beside an attachment that goes on, one that nobody answers is given up after ten seconds, and its future is dropped.
#[tokio::test]
async fn a_middleware_that_never_answers_is_given_up() {
    struct Dropped(Arc<AtomicU32>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicU32::new(0));
    let counts = Arc::clone(&dropped);
    let mute = Namespace::new("/mute").auth_async(move |_| {
        let held = Dropped(Arc::clone(&counts));
        async move {
            std::future::pending::<()>().await;
            drop(held);
            Ok(Identity::new("nobody"))
        }
    });
    let server = start(super::server().namespace(mute));
    let mut net = Connection::open(&server.url(), ClientConfig::default()).unwrap();
    let room = net.client_mut().quick("dots", &[]);
    let began = now();
    let mute = net.client_mut().attach_to("/mute", None).unwrap();
    let refusal = until(&mut net, |event| match event {
        ClientEvent::NamespaceRefused {
            namespace,
            refusal,
            was_in: false,
        } if namespace == mute => Some(refusal),
        _ => None,
    })
    .await;
    assert!(
        refusal.message.contains("could not be check"),
        "{refusal:?}"
    );
    assert!(now().since(began) >= Duration::from_millis(9_500));
    assert!(net.client().is_joined(room));
    let deadline = now().plus(PATIENCE);
    while dropped.load(Ordering::Relaxed) == 0 {
        let _ = net.next_until(now().plus(Duration::from_millis(50))).await;
        assert!(now() < deadline, "the future is dropped");
    }
    server.stop();
}
