//! Following and notices, as a client asks for them and hears of them: again in a new session, and each kept notice once.

mod support;

use std::time::Duration;

use bytes::Bytes;
use support::Pair;
use tickwire_client::{ClientEvent, NamespaceKey};
use tickwire_proto::frame::{PersonSeen, Presence, ServerFrame};

const MAIN: NamespaceKey = NamespaceKey::MAIN;

fn online() -> Pair {
    let mut pair = Pair::new();
    pair.connect();
    pair
}

fn tell(pair: &mut Pair, frame: &ServerFrame<'_>) {
    let (now, server) = (pair.now, pair.server.as_mut().expect("a link"));
    server.send_frame(now, frame.encode()).unwrap();
    pair.talk();
}

fn give(pair: &mut Pair, cursor: u64) {
    let notice = ServerFrame::Notice {
        attachment: 0,
        cursor,
        kind: "gift",
        payload: b"{}",
    };
    tell(pair, &notice);
}

/// The cursors that the user was told, 0 for live ones.
fn told(pair: &Pair) -> Vec<u64> {
    let notices = pair.events.iter().filter_map(|event| match event {
        ClientEvent::Notice { cursor, .. } => Some(cursor.unwrap_or(0)),
        _ => None,
    });
    notices.collect()
}

fn again(pair: &mut Pair) {
    pair.cut();
    pair.pass(Duration::from_secs(1));
    pair.connect();
}

#[test]
fn whom_one_follows_is_asked_for_again_in_a_new_session() {
    let mut pair = Pair::new();
    for n in 0..100 {
        pair.client.follow(&format!("p{n}"));
    }
    pair.client.unfollow("p7");
    pair.connect();
    let asked = |pair: &mut Pair| {
        let asked = std::mem::take(&mut pair.follows);
        assert!(asked.iter().all(|(add, _)| add.len() <= 64));
        let all: Vec<String> = asked.into_iter().flat_map(|(add, _)| add).collect();
        (all.len(), all.contains(&"p7".to_owned()))
    };
    assert_eq!(asked(&mut pair), (99, false));
    let seen = |status| PersonSeen {
        identity: "p1",
        presence: Presence::Online,
        gone: None,
        status,
    };
    let followed = |status| ServerFrame::Followed {
        attachment: 0,
        people: vec![
            seen(status),
            PersonSeen {
                identity: "nobody asked",
                ..seen("")
            },
        ],
    };
    tell(&mut pair, &followed("in queue"));
    assert_eq!(pair.client.person(MAIN, "p1").unwrap().status, "in queue");
    assert_eq!(pair.client.person(MAIN, "p2"), None);
    let people = pair.count(|event| matches!(event, ClientEvent::Person { .. }));
    assert_eq!(people, 1, "nobody else is told of");
    again(&mut pair);
    assert_eq!(asked(&mut pair), (99, false));
    assert_eq!(
        pair.client.person(MAIN, "p1").unwrap().presence,
        Presence::Gone
    );
    pair.client.follow("p1");
    pair.client.unfollow("p3");
    pair.talk();
    assert_eq!(pair.follows, [(vec![], vec!["p3".to_owned()])]);
}

#[test]
fn a_kept_notice_is_told_once_whatever_is_lost() {
    let mut pair = online();
    for cursor in [0, 1, 2, 0, 3] {
        give(&mut pair, cursor);
    }
    assert_eq!(told(&pair), [0, 1, 2, 0, 3]);
    pair.client.notice_done(1);
    pair.client.notice_done(1);
    pair.client.notice_done(99);
    pair.talk();
    assert_eq!(pair.done, [1], "once, and nothing that was not given");
    // The receipt of 2 goes down with its session; 3 is not done with; 4 could not be taken.
    pair.client.notice_done(2);
    give_lost(&mut pair);
    again(&mut pair);
    pair.done.clear();
    for cursor in [2, 3, 4] {
        give(&mut pair, cursor);
    }
    assert_eq!(told(&pair), [0, 1, 2, 0, 3, 4]);
    assert_eq!(pair.done, [2], "acknowledged again");
    pair.client.notice_failed(4);
    pair.client.notice_done(3);
    pair.talk();
    assert_eq!(pair.done, [2, 3]);
    again(&mut pair);
    give(&mut pair, 4);
    assert_eq!(told(&pair), [0, 1, 2, 0, 3, 4, 4]);
}

/// What the client has to say goes down with its session.
fn give_lost(pair: &mut Pair) {
    let _: Vec<Bytes> = std::iter::from_fn(|| pair.client.next(pair.now, 1 << 20)).collect();
}
