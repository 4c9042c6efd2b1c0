//! What is said and asked outside of rooms, and broadcasts: who hears it, once, by which attachment, over links that are lost.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tickwire_proto::frame::{AskOutcome, code};
use tickwire_server::{
    Audience, Broadcast, FrontConfig, FrontInput, FrontOutput, Kind, LobbyConfig, Loopback,
    NamespaceSpec, Namespaces,
};
use tickwire_sim::GameKind;
use tickwire_snapshot::Schema;
use tickwire_snapshot::message::{self, Message};

use crate::common::{Peer, QUICK, Say, World, hello};

/// `/` has neither messages nor handlers; `/news` knows `Say`, and has a driver that handles.
fn server() -> Loopback {
    let kinds = || vec![Arc::new(Kind::from(GameKind::new("hello", hello)))];
    let mut schema = Schema::new("/news", 1_000_000);
    schema.add_message(Say::schema());
    schema.seal().expect("a schema");
    let news = NamespaceSpec::new("/news", kinds())
        .with_messages(Arc::new(schema))
        .with_driver(Arc::new(()));
    let namespaces = Namespaces::new([NamespaceSpec::new("/", kinds()), news]);
    let front = FrontConfig {
        shards: 2,
        ..FrontConfig::default()
    };
    Loopback::of(Arc::new(namespaces), front, LobbyConfig::default())
}

/// In `/` and, by attachment `place`, in `/news`.
fn reader(world: &mut World, name: &str, place: u8) {
    let credentials = format!(r#"{{"guest":"{name}"}}"#);
    let mut peer = Peer::open(&mut world.server, world.now);
    peer.session.attach(0, "/", credentials.as_bytes(), 0);
    peer.session
        .attach(place, "/news", credentials.as_bytes(), 0);
    world.peers.push(peer);
}

fn broadcast(world: &mut World, to: Audience, except: &[&str], text: &str) {
    let payload = message::encode(&Say { text: text.into() });
    let broadcast = Broadcast {
        to,
        except: except.iter().map(|id| (*id).to_owned()).collect(),
        channel: 0,
        volatile: false,
        kind: Say::kind(),
        payload,
    };
    let input = FrontInput::Broadcast(Arc::new(broadcast));
    world.server.tell_fronts(world.now, &input);
}

fn heard(world: &World) -> Vec<Vec<String>> {
    let texts = |peer: &Peer| {
        let messages = peer.messages.iter();
        messages
            .map(|(_, payload)| message::decode::<Say>(payload).unwrap().text)
            .collect()
    };
    world.peers.iter().map(texts).collect()
}

#[test]
fn a_broadcast_reaches_each_session_that_it_is_for_once() {
    let mut world = World::new(server());
    for (name, place) in [("Ann", 1), ("Bob", 5), ("Eve", 1), ("Ann", 3)] {
        reader(&mut world, name, place);
    }
    let outsider = Peer::guest(&mut world.server, world.now, "Out");
    world.peers.push(outsider);
    world.run(100);
    let namespace = || Audience::Namespace("/news".to_owned());
    broadcast(&mut world, Audience::All, &[], "all");
    broadcast(&mut world, namespace(), &["guest:Bob", "guest:Eve"], "Ann");
    let ann = Audience::Identity {
        namespace: "/news".to_owned(),
        id: "guest:Ann".to_owned(),
    };
    broadcast(&mut world, ann, &[], "both devices");
    let session = world.peers[2].key;
    let one = |attachment| Audience::Session {
        session,
        attachment,
    };
    broadcast(&mut world, one(1), &[], "Eve");
    broadcast(&mut world, one(2), &[], "she is not there");
    broadcast(
        &mut world,
        Audience::Namespace("/".to_owned()),
        &["guest:Ann"],
        "home",
    );
    world.run(100);
    let texts = heard(&world);
    assert_eq!(texts[0], ["all", "Ann", "both devices"]);
    assert_eq!(texts[1], ["all", "home"]);
    assert_eq!(texts[2], ["all", "Eve", "home"]);
    assert_eq!(texts[3], texts[0]);
    assert_eq!(texts[4], ["home"], "he is not where the message is known");
}

#[test]
fn who_is_in_several_rooms_hears_it_once_and_who_is_away_when_he_is_back() {
    let mut world = World::new(server());
    for name in ["Ann", "Bob"] {
        reader(&mut world, name, 1);
    }
    world.run(50);
    for peer in &mut world.peers {
        peer.join(&QUICK);
    }
    world.run(50);
    let both = world.peers[0].room();
    let create = tickwire_proto::frame::JoinHow::Create {
        kind: "hello",
        attributes: vec![],
    };
    world.peers[0].join(&create);
    world.run(50);
    let own = world.peers[0].room();
    assert_ne!(both, own);
    let rooms = || Audience::Rooms(vec![own, both, both, 9_999]);
    broadcast(&mut world, rooms(), &[], "one");
    world.run(50);
    let World { server, peers, now } = &mut world;
    server.lose(*now, peers[1].key);
    broadcast(&mut world, rooms(), &["guest:Ann"], "two");
    world.run(200);
    assert_eq!(heard(&world), [vec!["one"], vec!["one"]]);
    let World { server, peers, now } = &mut world;
    peers[1].relink(server, *now, false);
    world.run(200);
    assert_eq!(heard(&world), [vec!["one"], vec!["one", "two"]]);
}

#[test]
fn what_is_asked_outside_is_answered_once_or_given_up() {
    let mut world = World::new(server());
    reader(&mut world, "Ann", 4);
    world.run(50);
    let second = Duration::from_secs(1);
    let now = world.now;
    let session = &mut world.peers[0].session;
    session.send(4, 0, 7, b"said").unwrap();
    let first = session.ask(now, 4, 0, 8, b"a", second).unwrap();
    let late = session.ask(now, 4, 0, 8, b"b", second).unwrap();
    let nobody = session.ask(now, 0, 0, 8, b"c", second).unwrap();
    world.run(50);
    let outside = world.server.take_outside();
    let [
        FrontOutput::Said {
            caller,
            kind: 7,
            payload,
        },
        FrontOutput::Asked { number, .. },
        FrontOutput::Asked { .. },
    ] = &outside[..]
    else {
        panic!("{outside:?}");
    };
    assert_eq!((&payload[..], *number), (&b"said"[..], first));
    assert_eq!(caller.identity.id, "guest:Ann");
    assert_eq!(
        (&**caller.namespace.name(), caller.attachment),
        ("/news", 4)
    );
    let (caller, now) = (caller.clone(), world.now);
    for answer in [b"yes", b"no!"] {
        let answer = Ok(Bytes::copy_from_slice(answer));
        world.server.answer_outside(now, &caller, first, answer);
    }
    world.run(1_500);
    let outside = world.server.take_outside();
    assert!(
        matches!(&outside[..], [FrontOutput::GivenUp { attachment: 4, number, .. }] if *number == late),
        "{outside:?}"
    );
    let mut outcomes = world.peers[0].outcomes.clone();
    outcomes.sort_by_key(|(number, _)| (*number != nobody, *number));
    let [(_, AskOutcome::Refused(refusal)), of_first, of_late] = &outcomes[..] else {
        panic!("{outcomes:?}");
    };
    assert_eq!(refusal.code, code::NOT_FOUND, "nobody handles that in /");
    assert_eq!(
        *of_first,
        (first, AskOutcome::Done(Bytes::from_static(b"yes")))
    );
    assert_eq!(*of_late, (late, AskOutcome::Timeout));
    // What is open when the attachment is given up ends with it.
    let now = world.now;
    let session = &mut world.peers[0].session;
    session.ask(now, 4, 0, 8, b"d", second).unwrap();
    world.run(50);
    world.peers[0].session.detach(4);
    world.run(50);
    let ended = world.peers[0].outcomes.last();
    assert!(matches!(ended, Some((_, AskOutcome::Ended))), "{ended:?}");
}
