//! Several namespaces over one connection of the native client: rooms in each, refusals that end nothing else, namespaces made by a function.

use std::time::Duration;

use tickwire_client::{ClientConfig, ClientEvent};
use tickwire_net::client::Connection;
use tickwire_net::{Namespace, Server, now};
use tickwire_proto::frame::{Identity, Refusal, code};
use tickwire_server::{NamespaceLimits, TokenAuth};

use super::{dots, start};

const PATIENCE: Duration = Duration::from_secs(20);

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
    let ids: std::collections::BTreeSet<&str> = rooms
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
