//! Identities are of their namespace: nothing that is known of one there is heard elsewhere, and one session alone is each namespace's own rule.

use std::sync::Arc;

use bytes::Bytes;
use tickwire_proto::frame::{LeaveReason, Presence, code};
use tickwire_server::{
    DirectoryInput, FrontConfig, FrontInput, HOME, LobbyConfig, Loopback, NamespaceSpec,
    Namespaces, Notice, Person,
};

use crate::common::{Peer, World};

/// `/`, where an identity has one session at a time, and `/chat`, where it has as many as it likes.
fn world() -> World {
    let home = NamespaceSpec::new(HOME, vec![]).with_one_session();
    let all = Namespaces::new([home, NamespaceSpec::new("/chat", vec![])]);
    let front = FrontConfig {
        shards: 2,
        ..FrontConfig::default()
    };
    World::new(Loopback::of(Arc::new(all), front, LobbyConfig::default()))
}

/// A guest of that name in some namespaces, by their numbers.
fn come(world: &mut World, name: &str, namespaces: &[(u8, &str)]) -> usize {
    let mut peer = Peer::open(&mut world.server, world.now);
    let credentials = format!(r#"{{"guest":"{name}"}}"#);
    for (attachment, namespace) in namespaces {
        peer.session
            .attach(*attachment, namespace, credentials.as_bytes(), 0);
    }
    world.peers.push(peer);
    world.run(50);
    world.peers.len() - 1
}

fn told(world: &World, peer: usize) -> Vec<(Presence, &str)> {
    let seen = world.peers[peer].people.iter();
    seen.map(|seen| (seen.presence, seen.status.as_str()))
        .collect()
}

const BOTH: [(u8, &str); 2] = [(0, "/"), (1, "/chat")];

#[test]
fn words_presence_and_notices_of_a_namespace_are_heard_in_no_other() {
    let mut world = world();
    let ann = come(&mut world, "Ann", &BOTH);
    let home = come(&mut world, "Bob", &[(0, "/")]);
    let chat = come(&mut world, "Bob", &[(4, "/chat")]);
    world.peers[home].session.follow(0, &["guest:Ann"], &[]);
    world.peers[chat].session.follow(4, &["guest:Ann"], &[]);
    // Not accepted there: nothing to say, nobody to follow.
    world.peers[home].session.follow(4, &["guest:Ann"], &[]);
    world.peers[home].session.status(4, "lost", 0);
    world.run(20);
    world.peers[ann].session.status(0, "in queue", 0);
    world.run(20);
    world.peers[ann].session.status(1, "typing", 5_000);
    world.run(20);
    let online = (Presence::Online, "");
    assert_eq!(told(&world, home), [online, (Presence::Online, "in queue")]);
    assert_eq!(told(&world, chat), [online, (Presence::Online, "typing")]);
    world.run(5_000);
    assert_eq!(told(&world, home).len(), 2);
    assert_eq!(told(&world, chat)[2..], [online], "typing is over");

    for (namespace, kind) in [("/", "home"), ("/chat", "chat"), ("/club", "club")] {
        let person = Person::new(namespace, "guest:Ann");
        let notice = Notice {
            kind: kind.to_owned(),
            payload: Bytes::from_static(b"{}"),
        };
        let input = DirectoryInput::Notify { person, notice };
        world.server.tell_directory(world.now, input);
    }
    world.run(20);
    let kinds = world.peers[ann].notices.iter().map(|it| it.1.as_str());
    assert_eq!(kinds.collect::<Vec<_>>(), ["home", "chat"]);
    assert_eq!(world.server.directory().stats().notices_unheard, 1);

    world.peers[ann].session.detach(0);
    world.run(20);
    assert_eq!(told(&world, home)[2..], [(Presence::Gone, "")]);
    assert_eq!(told(&world, chat).len(), 3, "she is still in the chat");
}

#[test]
fn one_session_alone_ends_the_older_ones_part_and_leaves_its_other_namespaces() {
    let mut world = world();
    let older = come(&mut world, "Ann", &BOTH);
    let newer = come(&mut world, "Ann", &BOTH);
    let ended = &world.peers[older].attach_ended;
    assert_eq!(ended.len(), 1);
    let (attachment, refusal) = &ended[0];
    assert_eq!((*attachment, refusal.code.as_str()), (0, code::REPLACED));
    assert!(
        refusal.message.contains("signed in elsewhere"),
        "{refusal:?}"
    );
    assert!(world.peers[older].over.is_none() && world.peers[newer].over.is_none());
    let sessions = |namespace| {
        let person = Person::new(namespace, "guest:Ann");
        world.server.directory().look_up(&person).2
    };
    assert_eq!(sessions("/"), [world.peers[newer].key]);
    assert_eq!(
        sessions("/chat"),
        [world.peers[older].key, world.peers[newer].key]
    );
}

#[test]
fn whoever_follows_somebody_hears_why_they_are_gone() {
    let mut world = world();
    let bob = come(&mut world, "Bob", &[(0, "/")]);
    world.peers[bob].session.follow(0, &["guest:Ann"], &[]);
    world.run(50);
    let last = |world: &World| {
        let seen = world.peers[bob].people.last().expect("she is followed");
        (seen.presence, seen.gone)
    };
    let gone = |reason| (Presence::Gone, reason);
    assert_eq!(last(&world), gone(None), "nobody knows");
    let left = come(&mut world, "Ann", &[(0, "/")]);
    assert_eq!(last(&world), (Presence::Online, None));
    world.peers[left].session.bye();
    world.run(50);
    assert_eq!(last(&world), gone(Some(LeaveReason::Left)));

    let lost = come(&mut world, "Ann", &[(0, "/")]);
    let key = world.peers[lost].key;
    world.server.lose(world.now, key);
    world.peers[lost].stalled = true;
    world.run(100);
    assert_eq!(last(&world), (Presence::Away, None));
    world.run(31_000);
    assert_eq!(last(&world), gone(Some(LeaveReason::Lost)));

    let kicked = come(&mut world, "Ann", &[(0, "/")]);
    let ban = FrontInput::Ban {
        identity: "guest:Ann".to_owned(),
        until: Some(world.now),
        message: "enough".to_owned(),
    };
    world.server.tell_fronts(world.now, &ban);
    world.run(50);
    assert!(world.peers[kicked].over.is_some());
    assert_eq!(last(&world), gone(Some(LeaveReason::Kicked)));
    // Who begins to follow her now hears the same.
    let eve = come(&mut world, "Eve", &[(0, "/")]);
    world.peers[eve].session.follow(0, &["guest:Ann"], &[]);
    world.run(50);
    assert_eq!(world.peers[eve].people[0].gone, Some(LeaveReason::Kicked));
}
