//! Several namespaces over one connection: each has its own auth, rooms, lists and limits, and nothing of one is heard in another.

use std::sync::Arc;

use tickwire_proto::frame::{Identity, JoinHow, Refusal, code};
use tickwire_server::{
    FrontConfig, Kind, LobbyConfig, Loopback, NamespaceLimits, NamespaceSpec, Namespaces, TokenAuth,
};
use tickwire_sim::GameKind;
use tickwire_snapshot::message::{self, Message};

use crate::common::{Peer, Say, World, hello};

/// The same kind of game in `/`, in `/chat` (where a token is asked for) and in whatever begins with `/club/`.
fn server() -> Loopback {
    let kinds = || vec![Arc::new(Kind::from(GameKind::new("hello", hello)))];
    let auth = TokenAuth::new(|token| match token {
        right if right.starts_with("right") => Ok(Identity::new(right)),
        _ => Err(Refusal::new("Unknown", "sign in again")),
    });
    let limits = NamespaceLimits {
        rooms: 1,
        attached: 3,
        ..NamespaceLimits::default()
    };
    let chat = NamespaceSpec::new("/chat", kinds())
        .with_auth(Arc::new(auth))
        .with_limits(limits);
    let namespaces = Namespaces::new([NamespaceSpec::new("/", kinds()), chat]);
    let namespaces = namespaces.making(move |name| {
        let club = name.starts_with("/club/");
        club.then(|| NamespaceSpec::new(name, kinds()))
    });
    let front = FrontConfig {
        shards: 2,
        ..FrontConfig::default()
    };
    Loopback::of(Arc::new(namespaces), front, LobbyConfig::default())
}

const RIGHT: &[u8] = br#"{"token":"right"}"#;
/// Of three people.
const RIGHTS: [&[u8]; 3] = [
    RIGHT,
    br#"{"token":"right too"}"#,
    br#"{"token":"right as well"}"#,
];

/// Attached to both, and in a room of each: the first joined is that of `/`.
fn in_both(world: &mut World) -> Peer {
    let mut peer = Peer::open(&mut world.server, world.now);
    peer.session.attach(0, "/", b"", 0);
    let right = RIGHTS[world.peers.len() % RIGHTS.len()];
    peer.session.attach(1, "/chat", right, 0);
    let quick = JoinHow::Quick {
        kind: "hello",
        attributes: vec![],
    };
    peer.session.join(900, 0, &quick, 0);
    peer.session.join(901, 1, &quick, 0);
    peer
}

#[test]
fn nothing_of_one_namespace_is_heard_in_another() {
    let mut world = World::new(server());
    for _ in 0..3 {
        let peer = in_both(&mut world);
        world.peers.push(peer);
    }
    let mut outsider = Peer::open(&mut world.server, world.now);
    outsider.session.attach(0, "/", b"", 0);
    world.peers.push(outsider);
    world.run(100);
    let rooms = |peer: &Peer| {
        let mut joined: Vec<(u32, u32)> = peer
            .joined
            .iter()
            .map(|info| (info.request, info.room))
            .collect();
        joined.sort_unstable();
        joined
    };
    let first = rooms(&world.peers[0]);
    assert_eq!(first.len(), 2);
    assert_ne!(
        first[0].1, first[1].1,
        "the same kind, two namespaces, two rooms"
    );
    assert!((1..3).all(|peer| rooms(&world.peers[peer]) == first));

    // A list tells of one's own namespace alone, and an id of another one's room leads nowhere.
    let chat_room = world.server.room(first[1].1).unwrap().spec().id.clone();
    let outsider = &mut world.peers[3];
    outsider.session.lobby(950, 0, "");
    outsider
        .session
        .join(951, 0, &JoinHow::Room { id: &chat_room }, 0);
    outsider
        .session
        .join(952, 1, &JoinHow::Room { id: &chat_room }, 0);
    world.run(50);
    let outsider = &world.peers[3];
    assert_eq!(outsider.lists[0].len(), 1);
    assert!(outsider.lists[0].iter().all(|room| room.id != chat_room));
    assert_eq!(outsider.refused[0].1.code, code::NOT_FOUND);
    assert!(outsider.joined.is_empty());

    // What is said in a room is heard there alone.
    let text = message::encode(&Say { text: "hi".into() });
    let session = &mut world.peers[0].session;
    session.send(first[1].1, 0, Say::kind(), &text).unwrap();
    world.run(100);
    assert!(world.peers[1].messages.len() == 1 && world.peers[2].messages.len() == 1);
    assert!(world.peers[3].messages.is_empty());

    // Giving one up leaves its rooms and no others.
    world.peers[0].session.detach(1);
    world.run(100);
    let left: Vec<u32> = world.peers[0]
        .ended
        .iter()
        .map(|(room, ..)| *room)
        .collect();
    assert_eq!(left, [first[1].1]);
    assert_eq!(world.server.room(first[1].1).unwrap().members().count(), 2);
    assert_eq!(world.server.room(first[0].1).unwrap().members().count(), 3);
}

#[test]
fn each_has_its_own_auth_and_a_refusal_ends_nothing_else() {
    let mut world = World::new(server());
    let mut peer = Peer::open(&mut world.server, world.now);
    peer.session.attach(0, "/", b"", 0);
    peer.session.attach(1, "/chat", br#"{"token":"wrong"}"#, 0);
    peer.session.attach(2, "/nowhere", b"", 0);
    peer.session.attach(3, "/club/7", b"", 0);
    world.peers.push(peer);
    world.run(50);
    let codes: Vec<&str> = world.peers[0]
        .attach_refused
        .iter()
        .map(|refusal| refusal.code.as_str())
        .collect();
    assert_eq!(codes, ["Unknown", code::NOT_FOUND]);
    let quick = JoinHow::Quick {
        kind: "",
        attributes: vec![],
    };
    world.peers[0].session.join(900, 3, &quick, 0);
    world.run(50);
    assert_eq!(world.peers[0].joined.len(), 1);
    assert_eq!(
        &*world
            .server
            .room(world.peers[0].room())
            .unwrap()
            .spec()
            .namespace,
        "/club/7"
    );
}

#[test]
fn a_namespace_takes_so_many_clients_and_rooms() {
    let mut world = World::new(server());
    for _ in 0..4 {
        let peer = in_both(&mut world);
        world.peers.push(peer);
    }
    world.run(100);
    let refused: Vec<usize> = world
        .peers
        .iter()
        .map(|peer| peer.attach_refused.len())
        .collect();
    assert_eq!(refused, [0, 0, 0, 1]);
    assert_eq!(world.peers[3].attach_refused[0].code, code::LIMIT);
    let create = JoinHow::Create {
        kind: "hello",
        attributes: vec![],
    };
    for attachment in [0, 1] {
        let request = 950 + u32::from(attachment);
        world.peers[0].session.join(request, attachment, &create, 0);
    }
    world.run(50);
    assert_eq!(
        world.peers[0].joined.len(),
        3,
        "in / there is room for one more"
    );
    assert_eq!(world.peers[0].refused[0].1.code, code::LIMIT);
    // Who leaves makes room, by saying so or by being gone.
    world.peers[0].session.detach(1);
    let (now, key) = (world.now, world.peers[1].key);
    world.server.lose(now, key);
    world.peers.remove(1);
    world.run(31_000);
    for _ in 0..2 {
        let peer = in_both(&mut world);
        world.peers.push(peer);
    }
    world.run(100);
    assert!(
        world
            .peers
            .iter()
            .skip(3)
            .all(|peer| peer.attach_refused.is_empty())
    );
}
