//! Questions for the list of rooms: each has one answer, a list or a refusal, whatever becomes of its session.

mod support;

use std::collections::BTreeMap;

use support::Pair;
use tickwire_client::{ClientEvent, RequestId};
use tickwire_proto::frame::{Refusal, code};

/// The refusals of lists, by question.
fn refusals(pair: &Pair) -> BTreeMap<RequestId, &str> {
    let refused = pair.events.iter().filter_map(|event| match event {
        ClientEvent::LobbyRefused { request, refusal } => Some((*request, refusal.code.as_str())),
        _ => None,
    });
    let count = refused.clone().count();
    let by_question: BTreeMap<RequestId, &str> = refused.collect();
    assert_eq!(by_question.len(), count, "no question is refused twice");
    by_question
}

#[test]
fn a_question_too_many_is_refused_at_once() {
    let mut pair = Pair::new();
    let early: Vec<RequestId> = (0..8).map(|_| pair.client.lobby("")).collect();
    pair.connect();
    let late = pair.client.lobby("");
    pair.talk();
    assert_eq!(refusals(&pair), BTreeMap::from([(late, code::LIMIT)]));
    let server = pair.server.as_mut().unwrap();
    server.join_refused(early[3].0, Refusal::new(code::FORBIDDEN, "not for you"));
    server.lobby_list(early[4].0, Vec::new());
    pair.talk();
    assert_eq!(refusals(&pair)[&early[3]], code::FORBIDDEN);
    let listed = ClientEvent::Lobby {
        request: early[4],
        rooms: Vec::new(),
    };
    assert!(pair.events.contains(&listed));
    assert!(refusals(&pair).len() == 2 && !refusals(&pair).contains_key(&early[4]));
}

#[test]
fn what_a_session_takes_along_is_told() {
    let mut pair = Pair::new();
    pair.connect();
    let asked = pair.client.lobby("balls");
    pair.talk();
    pair.lose();
    let waiting = pair.client.lobby("balls");
    assert!(refusals(&pair).is_empty(), "the session may come back");
    pair.away = None;
    pair.client.reconnect(pair.now);
    pair.connect(); // to a session of its own: the other one is gone
    assert_eq!(refusals(&pair), BTreeMap::from([(asked, code::AWAY)]));
    pair.client.close();
    pair.talk();
    let after = pair.client.lobby("");
    pair.talk();
    let all = BTreeMap::from([
        (asked, code::AWAY),
        (waiting, code::AWAY),
        (after, code::AWAY),
    ]);
    assert_eq!(refusals(&pair), all);
}
