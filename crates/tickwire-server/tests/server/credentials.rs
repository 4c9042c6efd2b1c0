//! Who a session is, over time: identities that expire and are renewed or not, checks that never answer, tokens that are for one room.

use std::sync::Arc;
use std::time::Duration;

use tickwire_proto::Time;
use tickwire_proto::frame::{Identity, JoinHow, Refusal, code};
use tickwire_server::{
    AcceptAll, Auth, AuthAnswer, AuthChain, AuthRequest, FrontConfig, Guard, JoinTicket,
    JoinTokens, Kind, LobbyConfig, Loopback, NamespaceSpec, Namespaces, Remote,
};
use tickwire_sim::GameKind;

use crate::common::{Peer, QUICK, World, hello};

/// What an identity of [`Brief`] is good for.
const GOOD_MS: u64 = 5_000;
/// How long fresh credentials are waited for.
const PATIENCE_MS: u64 = 10_000;

/// Believes each name for five seconds. Of "mute" it never says anything; a name that begins with "old" is too old.
struct Brief;

impl Auth for Brief {
    fn check(&self, request: &AuthRequest) -> AuthAnswer {
        let name = String::from_utf8_lossy(&request.credentials).into_owned();
        if name == "mute" {
            return AuthAnswer::Later(Box::pin(std::future::pending()));
        }
        if name.starts_with("old") {
            return Err(Refusal::new("Expired", "sign in again")).into();
        }
        AuthAnswer::Accepted(Identity {
            expires: Some(request.now.plus(Duration::from_millis(GOOD_MS))),
            ..Identity::new(name)
        })
    }
}

fn kinds() -> Vec<Arc<Kind>> {
    vec![Arc::new(Kind::from(GameKind::new("hello", hello)))]
}

fn server(chat: impl Auth + 'static) -> Loopback {
    let chat = NamespaceSpec::new("/chat", kinds()).with_auth(Arc::new(chat));
    let slow = NamespaceSpec::new("/slow", kinds()).with_auth(Arc::new(Brief));
    let namespaces = Namespaces::new([NamespaceSpec::new("/", kinds()), chat, slow]);
    let front = FrontConfig {
        shards: 2,
        ..FrontConfig::default()
    };
    Loopback::of(Arc::new(namespaces), front, LobbyConfig::default())
}

/// In a room of `/`, and as `name` in one of `/chat`, which believes for five seconds.
fn world(name: &str) -> World {
    let mut world = World::new(server(Brief));
    let mut peer = Peer::open(&mut world.server, world.now);
    peer.session.attach(0, "/", b"", 0);
    peer.session.attach(1, "/chat", name.as_bytes(), 0);
    peer.session.join(900, 0, &QUICK, 0);
    peer.session.join(901, 1, &QUICK, 0);
    world.peers.push(peer);
    world.run(100);
    assert_eq!(world.peers[0].joined.len(), 2);
    world
}

#[test]
fn who_shows_fresh_credentials_stays_for_as_often_as_it_does() {
    let mut world = world("ann");
    for round in 1..=3 {
        world.run(GOOD_MS);
        assert_eq!(
            world.peers[0].expired,
            vec![1; round],
            "asked once each time"
        );
        world.peers[0].session.credentials(1, b"ann");
        world.run(50);
        assert_eq!(world.peers[0].renewed, vec![1; round]);
    }
    world.run(GOOD_MS - 500);
    assert!(world.peers[0].attach_ended.is_empty() && world.peers[0].over.is_none());
    assert_eq!(world.peers[0].inside.len(), 2);
    assert_eq!(
        world
            .server
            .fronts()
            .iter()
            .map(|front| front.stats().renewals)
            .sum::<u64>(),
        3
    );
}

#[test]
fn without_fresh_credentials_that_attachment_ends_and_nothing_else() {
    let mut world = world("ann");
    world.run(GOOD_MS + PATIENCE_MS - 500);
    assert!(world.peers[0].attach_ended.is_empty(), "it has ten seconds");
    assert_eq!(world.peers[0].inside.len(), 2, "and its rooms meanwhile");
    world.run(600);
    let peer = &world.peers[0];
    let (attachment, refusal) = &peer.attach_ended[0];
    assert_eq!((*attachment, refusal.code.as_str()), (1, code::REFUSED));
    assert!(refusal.message.contains("attach again with fresh ones"));
    assert!(peer.inside.len() == 1 && peer.over.is_none());
    // The number is free again, and so is its place in the namespace.
    world.peers[0].session.attach(1, "/chat", b"ann", 0);
    world.peers[0].session.join(910, 1, &QUICK, 0);
    world.run(100);
    assert_eq!(world.peers[0].inside.len(), 2);
}

#[test]
fn fresh_credentials_that_are_refused_or_of_somebody_else_end_it_at_once() {
    for (shown, wanted) in [("old ann", "Expired"), ("bob", code::FORBIDDEN)] {
        let mut world = world("ann");
        world.run(GOOD_MS);
        world.peers[0].session.credentials(1, shown.as_bytes());
        world.run(50);
        let peer = &world.peers[0];
        assert_eq!(peer.attach_ended[0].1.code, wanted);
        assert!(peer.inside.len() == 1 && peer.over.is_none());
    }
}

#[test]
fn a_lost_link_does_not_cost_the_time_to_answer() {
    let mut world = world("ann");
    world.run(GOOD_MS - 1_000);
    let (key, now) = (world.peers[0].key, world.now);
    world.server.lose(now, key);
    world.peers[0].mute = true;
    world.run(PATIENCE_MS + 5_000);
    world.peers[0].mute = false;
    let (peer, now) = (&mut world.peers[0], world.now);
    peer.relink(&mut world.server, now, true);
    world.run(PATIENCE_MS - 1_000);
    assert_eq!(world.peers[0].expired, [1]);
    world.peers[0].session.credentials(1, b"ann");
    world.run(100);
    assert_eq!(world.peers[0].renewed, [1]);
    assert_eq!(world.peers[0].inside.len(), 2);
}

#[test]
fn a_check_that_never_answers_has_a_deadline_beside_attachments_that_go_on() {
    let mut world = world("ann");
    world.peers[0].session.attach(2, "/slow", b"mute", 0);
    let refused = |world: &World| world.peers[0].attach_refused.clone();
    for _ in 0..3 {
        world.run(3_000);
        world.peers[0].session.credentials(1, b"ann");
    }
    assert!(refused(&world).is_empty());
    world.run(1_500);
    assert_eq!(refused(&world)[0].code, code::FAILED);
    assert!(
        refused(&world)[0]
            .message
            .contains("could not be checked within 10000 ms")
    );
    assert!(world.peers[0].over.is_none() && world.peers[0].inside.len() == 2);
}

#[test]
fn a_first_check_that_never_answers_ends_the_session_with_advice() {
    let mut world = World::new(server(Brief));
    let mut peer = Peer::open(&mut world.server, world.now);
    peer.session.attach(0, "/chat", b"mute", 0);
    world.peers.push(peer);
    world.run(9_500);
    assert!(world.peers[0].over.is_none());
    world.run(1_000);
    let over = world.peers[0].over.clone().expect("an ending");
    assert!(
        over.message
            .contains("could not be checked within 10000 ms"),
        "{over:?}"
    );
    assert!(matches!(over.retry, tickwire_proto::Retry::After { .. }));
}

#[test]
fn auth_sees_where_a_link_comes_from_and_after_a_resume_the_new_one() {
    let chain = AuthChain::new()
        .then(Guard::new(|request| {
            match request.remote.header("x-team") {
                Some("red") => Ok(()),
                other => Err(Refusal::new(
                    code::FORBIDDEN,
                    format!("{other:?} does not play here"),
                )),
            }
        }))
        .then(AcceptAll);
    let mut world = World::new(server(chain));
    let team = |name: &'static str| Remote::new(None).with_headers([("x-team", name)]);
    world.server.set_remote(team("red"));
    let peer = Peer::open(&mut world.server, world.now);
    world.peers.push(peer);
    for attachment in [0, 1] {
        let namespace = ["/", "/chat"][usize::from(attachment)];
        world.peers[0].session.attach(attachment, namespace, b"", 0);
    }
    world.run(50);
    assert!(world.peers[0].attach_refused.is_empty());
    world.peers[0].session.detach(1);
    world.run(50);
    // Over another link (and through another front) it comes from somewhere else.
    let now = world.now;
    world.server.set_remote(team("blue"));
    world.peers[0].relink(&mut world.server, now, true);
    world.run(50);
    world.peers[0].session.attach(2, "/chat", b"", 0);
    world.run(50);
    assert_eq!(
        world.peers[0].attach_refused[0].message,
        r#"Some("blue") does not play here"#
    );
}

#[test]
fn a_join_token_is_for_one_room_and_for_one_session() {
    let tokens = JoinTokens::new("k", &[7; 32]).unwrap();
    let mut world = World::new(server(tokens.clone()));
    let host = |world: &mut World, how: &JoinHow| {
        let ticket = JoinTicket {
            identity: "host".into(),
            name: String::new(),
            room: None,
            namespace: "/chat".into(),
            expires: world.now.plus(Duration::from_secs(60)),
            nonce: [world.peers.len() as u8; 16],
        };
        let mut peer = Peer::open(&mut world.server, world.now);
        let shown = format!(r#"{{"join":"{}"}}"#, tokens.sign(&ticket));
        peer.session.attach(0, "/chat", shown.as_bytes(), 0);
        peer.session.join(900, 0, how, 0);
        world.peers.push(peer);
        world.run(100);
        (shown, world.peers.last().unwrap().joined[0].id.clone())
    };
    let create = JoinHow::Create {
        kind: "hello",
        attributes: vec![],
    };
    let (_, first) = host(&mut world, &create);
    let (_, second) = host(&mut world, &create);
    assert_ne!(first, second);
    let ticket = JoinTicket {
        identity: "ann".into(),
        name: "Ann".into(),
        room: Some(second.clone()),
        namespace: "/chat".into(),
        expires: world.now.plus(Duration::from_secs(60)),
        nonce: [99; 16],
    };
    let shown = format!(r#"{{"join":"{}"}}"#, tokens.sign(&ticket));
    for _ in 0..2 {
        let mut peer = Peer::open(&mut world.server, world.now);
        peer.session.attach(0, "/chat", shown.as_bytes(), 0);
        peer.session.join(900, 0, &JoinHow::Room { id: &first }, 0);
        peer.session.join(901, 0, &create, 0);
        peer.session.join(902, 0, &JoinHow::Watch { id: &first }, 0);
        world.peers.push(peer);
    }
    world.run(100);
    let [ann, thief] = [&world.peers[2], &world.peers[3]];
    let codes: Vec<&str> = ann.refused.iter().map(|(_, no)| no.code.as_str()).collect();
    assert_eq!(codes, [code::FORBIDDEN; 3]);
    assert!(ann.refused[0].1.message.contains(&second));
    assert_eq!(thief.attach_refused[0].code, "Spent");
    assert_eq!(world.server.rooms().count(), 2, "none was made for nothing");
    world.peers[2].session.join(903, 0, &QUICK, 0);
    world.run(100);
    assert_eq!(
        world.peers[2].joined[0].id, second,
        "any that takes it is this one"
    );
    assert_eq!(
        world.peers[2].joined[0]
            .members
            .iter()
            .filter(|it| it.name == "Ann")
            .count(),
        1
    );
}

#[test]
fn time_is_the_drivers() {
    let mut world = World::new(server(Guardian));
    world.now = Time::from_millis(77_000);
    let mut peer = Peer::open(&mut world.server, world.now);
    peer.session.attach(0, "/chat", b"", 0);
    world.peers.push(peer);
    world.run(20);
    let told: u64 = world.peers[0].attach_refused[0].message.parse().unwrap();
    assert!((77_000_000..77_100_000).contains(&told));
}

/// Says what time it is.
struct Guardian;

impl Auth for Guardian {
    fn check(&self, request: &AuthRequest) -> AuthAnswer {
        Err(Refusal::new("Time", request.now.0.to_string())).into()
    }
}
