//! People by identity, over the loopback: one session each where only one may be, watching, notices live and kept. In virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use proptest::prelude::*;
use tickwire_proto::frame::{LeaveReason, Presence, code};
use tickwire_proto::session::server::FOLLOWS_AT_ONCE_MAX;
use tickwire_proto::{Reason, Retry, Time};
use tickwire_server::{
    Directory, DirectoryInput, DirectoryOutput, FAREWELLS_MAX, FOLLOWS_MAX, FrontConfig,
    FrontInput, HOME, KEPT_MAX, LOADED_MAX, LobbyConfig, Loopback, MemoryStore, NOTICES_OUT_MAX,
    NamespaceSpec, Namespaces, Notice, Part, Person, SessionKey, Store, StoreAnswer, StoreJob,
};

use crate::common::{Peer, World, kinds, sharded};

fn ann() -> Person {
    Person::new("/", "guest:Ann")
}

fn alone(shards: u16) -> Loopback {
    let front = FrontConfig {
        shards,
        ..FrontConfig::default()
    };
    let kinds = kinds().into_iter().map(Arc::new).collect();
    let home = NamespaceSpec::new(HOME, kinds).with_one_session();
    let namespaces = Arc::new(Namespaces::new([home]));
    Loopback::of(namespaces, front, LobbyConfig::default())
}

/// So many guests, on fronts in turn.
fn guests(server: Loopback, names: &[&str]) -> World {
    let mut world = World::new(server);
    for name in names {
        let peer = Peer::guest(&mut world.server, world.now, name);
        world.peers.push(peer);
    }
    world.run(100);
    world
}

fn come(world: &mut World, name: &str) -> usize {
    let peer = Peer::guest(&mut world.server, world.now, name);
    world.peers.push(peer);
    world.run(50);
    world.peers.len() - 1
}

fn lose(world: &mut World, peer: usize) {
    let (now, key) = (world.now, world.peers[peer].key);
    world.server.lose(now, key);
    world.peers[peer].session.link_lost(now);
}

fn relink(world: &mut World, at: usize) {
    let mut peer = world.peers.remove(at);
    peer.relink(&mut world.server, world.now, true);
    world.peers.insert(at, peer);
}

/// A new link, and a hello that claims the session that is over: the link stays the new session's.
fn come_back(world: &mut World, at: usize) {
    let (now, peer) = (world.now, &mut world.peers[at]);
    peer.key = world.server.open(now);
    peer.session.link_open(now);
    world.run(50);
}

fn bye(world: &mut World, peer: usize) {
    world.peers[peer].session.bye();
    world.run(20);
}

/// What a peer was told of somebody, in order.
fn told(world: &World, by: usize, identity: &str) -> Vec<(Presence, String)> {
    let people = world.peers[by].people.iter();
    let people = people.filter(|seen| seen.identity == identity);
    people
        .map(|seen| (seen.presence, seen.status.clone()))
        .collect()
}

#[test]
fn the_newest_session_of_an_identity_wins_and_the_older_ends_first() {
    let mut world = guests(alone(2), &["Ann", "Bob", "Watcher"]);
    world.peers[2].session.follow(0, &["guest:Ann"], &[]);
    world.run(20);
    let newer = come(&mut world, "Ann");
    let ending = world.peers[0].over.clone().expect("the older one is over");
    assert_eq!(
        (ending.reason, ending.retry),
        (Reason::Kicked, Retry::Never)
    );
    assert!(ending.message.contains("signed in elsewhere"), "{ending:?}");
    assert!(world.peers[newer].over.is_none() && world.peers[1].over.is_none());
    let (presence, _, sessions) = world.server.directory().look_up(&ann());
    assert_eq!(
        (presence, sessions),
        (Presence::Online, vec![world.peers[newer].key])
    );
    assert_eq!(
        told(&world, 2, "guest:Ann"),
        [(Presence::Online, String::new())],
        "nobody saw her go"
    );
    // One that is away gives way too, and is told so when it comes back.
    lose(&mut world, newer);
    let newest = come(&mut world, "Ann");
    let (_, _, sessions) = world.server.directory().look_up(&ann());
    assert_eq!(sessions, [world.peers[newest].key]);
    assert_eq!(world.server.directory().stats().replaced, 2);
    come_back(&mut world, newer);
    let ending = world.peers[newer].over.clone().expect("it is told");
    assert_eq!(ending.reason, Reason::Kicked);
    let (_, _, sessions) = world.server.directory().look_up(&ann());
    assert_eq!(sessions, [world.peers[newest].key], "and changes nothing");
}

/// Endings for clients that do not come are forgotten, the oldest first: such a client begins a new session, as after any that has passed.
#[test]
fn so_many_farewells_are_kept() {
    for (others, told) in [(FAREWELLS_MAX - 1, true), (FAREWELLS_MAX, false)] {
        let mut world = guests(alone(1), &["Ann"]);
        lose(&mut world, 0);
        come(&mut world, "Ann");
        let now = world.now;
        let mut guest = |name: &str| {
            let mut peer = Peer::guest(&mut world.server, now, name);
            peer.pump(&mut world.server, now);
            peer
        };
        let lost: Vec<Peer> = (0..others).map(|n| guest(&format!("G{n}"))).collect();
        let keys: Vec<SessionKey> = lost.iter().map(|peer| peer.key).collect();
        keys.iter().for_each(|key| world.server.lose(now, *key));
        for n in 0..others {
            let mut newer = Peer::guest(&mut world.server, now, &format!("G{n}"));
            newer.pump(&mut world.server, now);
        }
        come_back(&mut world, 0);
        let over = world.peers[0].over.as_ref();
        assert_eq!(over.is_some(), told, "{over:?}");
    }
}

#[test]
fn of_two_at_once_one_wins() {
    for shards in [1, 2, 3] {
        let mut world = guests(alone(shards), &["Ann"; 12]);
        world.run(200);
        let alive: Vec<usize> = (0..12)
            .filter(|peer| world.peers[*peer].over.is_none())
            .filter(|peer| world.peers[*peer].attach_refused.is_empty())
            .collect();
        assert_eq!(alive.len(), 1, "of twelve on {shards} fronts");
        let refused = world.peers.iter().flat_map(|peer| &peer.attach_refused);
        assert!(
            refused
                .clone()
                .all(|refusal| refusal.code == code::REPLACED)
        );
        let (presence, _, sessions) = world.server.directory().look_up(&ann());
        assert_eq!(
            (presence, sessions),
            (Presence::Online, vec![world.peers[alive[0]].key])
        );
        assert_eq!(world.server.directory().stats().people, 1);
    }
}

/// A front of a kind that answers late: what the directory tells it waits until its turn.
#[derive(Default)]
struct Slow {
    mail: Vec<FrontInput>,
    /// Its attachments, and whether each is accepted.
    parts: BTreeMap<Part, bool>,
}

proptest! {
    /// Claims race over fronts that answer whenever they like: never are two of one identity accepted at once, and in the end the newest is.
    #[test]
    fn never_two_of_an_identity_are_accepted(steps in prop::collection::vec((0u8..4, 0u16..3), 1..200)) {
        let mut directory = Directory::default();
        let mut fronts: [Slow; 3] = Default::default();
        let (mut next, mut newest) = (0, None);
        for (step, shard) in steps.into_iter().chain((0..600).map(|n| (3, n % 3))) {
            let front = &mut fronts[usize::from(shard)];
            let mut said = Vec::new();
            match step {
                0 | 1 => {
                    next += 1;
                    let session = SessionKey(u64::from(shard) << 48 | next);
                    let part = Part { session, attachment: 0, serial: 1 };
                    front.parts.insert(part, false);
                    newest = Some(part);
                    said.push(DirectoryInput::Claim { part, person: ann() });
                }
                2 => if let Some((part, _)) = front.parts.pop_first() {
                    newest = newest.filter(|newest| *newest != part);
                    said.push(DirectoryInput::Gone { session: part.session, reason: LeaveReason::Ended });
                }
                _ if !front.mail.is_empty() => match front.mail.remove(0) {
                    FrontInput::Claimed { part } => if let Some(accepted) = front.parts.get_mut(&part) {
                        *accepted = true;
                        said.push(DirectoryInput::Attached { part, person: ann() });
                    }
                    FrontInput::Replaced { part, .. } => if front.parts.remove(&part).is_some() {
                        said.push(DirectoryInput::Gone { session: part.session, reason: LeaveReason::Ended });
                    }
                    FrontInput::AuthDone { session, .. } => {
                        front.parts.retain(|part, _| part.session != session);
                    }
                    other => panic!("{other:?}"),
                },
                _ => {}
            }
            said.into_iter().for_each(|input| directory.handle(Time(0), input));
            while let Some(output) = directory.poll() {
                match output {
                    DirectoryOutput::ToFront { shard, input } => fronts[usize::from(shard)].mail.push(input),
                    DirectoryOutput::ToStore(_) => {}
                    DirectoryOutput::Kept { .. } => panic!("nothing was to be kept"),
                }
            }
            let accepted = fronts.iter().flat_map(|front| front.parts.values()).filter(|accepted| **accepted);
            prop_assert!(accepted.count() <= 1);
        }
        let accepted: Vec<Part> = fronts.iter().flat_map(|front| &front.parts).filter(|(_, accepted)| **accepted).map(|(part, _)| *part).collect();
        if let Some(newest) = newest {
            prop_assert_eq!(accepted, vec![newest]);
        }
    }
}

#[test]
fn who_follows_is_told_the_state_and_then_every_change() {
    let mut world = guests(sharded(2), &["Ann", "Bob"]);
    world.peers[0].session.status(0, "in queue", 0);
    world.run(20);
    world.peers[1]
        .session
        .follow(0, &["guest:Ann", "guest:Nobody"], &[]);
    world.run(20);
    let nobody = told(&world, 1, "guest:Nobody");
    assert_eq!(nobody, [(Presence::Gone, String::new())]);
    // A second device: she is away only when both are.
    let second = come(&mut world, "Ann");
    world.peers[second].session.status(0, "playing", 0);
    world.run(20);
    lose(&mut world, 0);
    world.run(20);
    lose(&mut world, second);
    world.run(20);
    relink(&mut world, 0);
    world.run(20);
    world.run(31_000);
    bye(&mut world, 0);
    let story: Vec<(Presence, String)> = [
        (Presence::Online, "in queue"),
        (Presence::Online, "playing"),
        (Presence::Away, "playing"),
        (Presence::Online, "playing"),
        (Presence::Online, "in queue"),
        (Presence::Gone, ""),
    ]
    .map(|(presence, status)| (presence, status.to_owned()))
    .to_vec();
    assert_eq!(told(&world, 1, "guest:Ann"), story);
    world.peers[1].session.follow(0, &[], &["guest:Ann"]);
    world.run(20);
    come(&mut world, "Ann");
    assert_eq!(told(&world, 1, "guest:Ann"), story, "no more");
    assert_eq!(world.server.directory().stats().follows, 1);
}

#[test]
fn a_session_follows_so_many_and_so_often() {
    let mut world = guests(sharded(2), &["Ann"]);
    let names: Vec<String> = (0..FOLLOWS_AT_ONCE_MAX + 64)
        .map(|n| format!("p{n}"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for some in names[..FOLLOWS_MAX].chunks(64) {
        world.peers[0].session.follow(0, some, &[]);
    }
    world.run(100);
    assert_eq!(world.peers[0].people.len(), FOLLOWS_MAX);
    world.peers[0]
        .session
        .follow(0, &names[FOLLOWS_MAX..FOLLOWS_MAX + 3], &[]);
    world.run(20);
    let refused = world.peers[0].follow_refused.pop().expect("refused");
    assert!(
        refused.code == code::LIMIT && refused.message.contains("3 are not"),
        "{refused:?}"
    );
    world.peers[0].session.follow(0, &["one more"], &["p0"]);
    world.run(20);
    assert_eq!(
        world.peers[0].people.len(),
        FOLLOWS_MAX + 1,
        "a place was made"
    );
    for some in names.chunks(64).take(4) {
        world.peers[0].session.follow(0, &[], some);
    }
    world.run(100);
    let refused = world.peers[0].follow_refused.pop().expect("too often");
    assert!(
        refused.code == code::LIMIT && refused.message.contains("a second"),
        "{refused:?}"
    );
    assert!(world.peers[0].over.is_none());
    bye(&mut world, 0);
    assert_eq!(
        world.server.directory().stats().follows,
        0,
        "nothing is left of it"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever two people do, and however often links break: what the watcher knows in the end is so, and nothing was told twice in a row.
    #[test]
    fn what_a_watcher_knows_is_so(steps in prop::collection::vec((0u8..7, 0u64..400), 1..40)) {
        let mut world = guests(sharded(2), &["Ann", "Bob"]);
        world.peers[1].session.follow(0, &["guest:Ann"], &[]);
        for (n, (step, ms)) in steps.into_iter().enumerate() {
            match step {
                0 => world.peers[0].session.status(0, &format!("at {n}"), 0),
                1 => world.peers[0].session.status(0, "typing", 200),
                2 => lose(&mut world, 0),
                3 => relink(&mut world, 0),
                4 => lose(&mut world, 1),
                5 => relink(&mut world, 1),
                _ => {}
            }
            world.run(ms);
        }
        relink(&mut world, 0);
        relink(&mut world, 1);
        world.run(1_000);
        let told = told(&world, 1, "guest:Ann");
        prop_assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "{told:?}");
        let (presence, status, _) = world.server.directory().look_up(&ann());
        prop_assert_eq!(told.last(), Some(&(presence, status)));
        prop_assert_eq!(presence, Presence::Online);
    }
}

fn note(n: u64) -> Notice {
    Notice {
        kind: "note".to_owned(),
        payload: Bytes::from(n.to_string()),
    }
}

fn keep(world: &mut World, n: u64) {
    let (person, notice) = (ann(), note(n));
    let ticket = n + 1;
    let input = DirectoryInput::Keep {
        ticket,
        person,
        notice,
    };
    world.server.tell_directory(world.now, input);
}

/// The cursors of notices that a peer was given.
fn given(world: &World, peer: usize) -> Vec<u64> {
    world.peers[peer].notices.iter().map(|it| it.0).collect()
}

#[test]
fn live_notices_reach_all_who_are_online_and_nobody_else() {
    let mut world = guests(sharded(2), &["Ann", "Ann", "Ann", "Bob"]);
    lose(&mut world, 2);
    let (person, notice) = (ann(), note(7));
    let notify = DirectoryInput::Notify { person, notice };
    world.server.tell_directory(world.now, notify.clone());
    relink(&mut world, 2);
    world.run(50);
    let got = [0, 1, 2, 3].map(|peer| given(&world, peer));
    assert_eq!(got, [vec![0], vec![0], vec![], vec![]]);
    assert_eq!(world.peers[0].notices[0].2, "7");
    (0..3).for_each(|peer| bye(&mut world, peer));
    world.server.tell_directory(world.now, notify);
    let stats = world.server.directory().stats();
    assert_eq!((stats.notices_live, stats.notices_unheard), (1, 1));
}

#[test]
fn kept_notices_wait_for_whoever_comes_first_and_go_to_nobody_else() {
    let mut world = guests(sharded(2), &["Bob"]);
    (0..3).for_each(|n| keep(&mut world, n));
    let kept = world.server.take_kept();
    assert_eq!(kept, [(1, Ok(1)), (2, Ok(2)), (3, Ok(3))]);
    let first = come(&mut world, "Ann");
    let second = come(&mut world, "Ann");
    keep(&mut world, 3);
    world.run(20);
    assert_eq!(given(&world, first), [1, 2, 3, 4]);
    assert_eq!((given(&world, second), given(&world, 0)), (vec![], vec![]));
    world.peers[first].session.notices_done(0, &[3, 1, 1, 99]);
    world.run(20);
    let stats = world.server.directory().stats();
    assert_eq!((stats.notices_done, stats.receipts_unknown), (2, 2));
    // A link that is lost loses nothing: the session has them still.
    lose(&mut world, first);
    world.run(5_000);
    relink(&mut world, first);
    world.run(50);
    assert_eq!(given(&world, first), [1, 2, 3, 4]);
    assert!(given(&world, second).is_empty());
    // The session's end gives back what it had not acknowledged, and nothing else.
    bye(&mut world, first);
    assert_eq!(given(&world, second), [2, 4]);
    world.peers[second].session.notices_done(0, &[2, 4]);
    world.run(20);
    bye(&mut world, second);
    let third = come(&mut world, "Ann");
    assert!(given(&world, third).is_empty());
}

#[test]
fn many_notices_come_a_few_at_a_time_in_order() {
    let count = 3 * LOADED_MAX as u64 + 5;
    let mut world = guests(sharded(1), &["Bob"]);
    (0..count).for_each(|n| keep(&mut world, n));
    let ann = come(&mut world, "Ann");
    assert_eq!(given(&world, ann).len(), NOTICES_OUT_MAX, "no more at once");
    keep(&mut world, count);
    for cursor in 1..=count + 1 {
        assert_eq!(given(&world, ann)[cursor as usize - 1], cursor);
        world.peers[ann].session.notices_done(0, &[cursor]);
        world.run(10);
    }
    assert_eq!(given(&world, ann).len() as u64, count + 1);
}

/// The oldest makes room, and nobody is given it any more; who has it already may be done with it all the same.
#[test]
fn so_many_are_kept_and_no_longer_ones() {
    let mut world = guests(sharded(1), &["Bob"]);
    let count = KEPT_MAX as u64;
    (0..count + 3).for_each(|n| keep(&mut world, n));
    let answers = world.server.take_kept();
    let cursors = answers.into_iter().map(|(_, answer)| answer.unwrap());
    assert!(cursors.eq(1..=count + 3), "each is kept");
    assert_eq!(world.server.directory().stats().notices_dropped, 3);
    let peer = come(&mut world, "Ann");
    let out = NOTICES_OUT_MAX as u64;
    assert!(given(&world, peer).into_iter().eq(4..4 + out));
    // Those that are dropped while she is here are with her (4), or wait for their turn (20).
    (0..out + 1).for_each(|n| keep(&mut world, n));
    world.peers[peer].session.notices_done(0, &[4, 5]);
    world.run(50);
    let stats = world.server.directory().stats();
    assert_eq!((stats.notices_done, stats.receipts_unknown), (2, 0));
    let expected = (4..4 + out).chain([4 + out + 1, 4 + out + 2]);
    assert_eq!(given(&world, peer), expected.collect::<Vec<u64>>());
    assert_eq!(stats.notices_dropped, 3 + out + 1);
    let notice = Notice {
        kind: "long".to_owned(),
        payload: vec![0; tickwire_proto::frame::NOTICE_MAX + 1].into(),
    };
    let (ticket, person) = (9_999, ann());
    let input = DirectoryInput::Keep {
        ticket,
        person,
        notice,
    };
    world.server.tell_directory(world.now, input);
    let (ticket, answer) = world.server.take_kept().pop().expect("an answer");
    assert_eq!(
        (ticket, answer.unwrap_err().code.as_str()),
        (9_999, code::LIMIT)
    );
    assert_eq!(world.server.directory().stats().notices_refused, 1);
}

/// A store that outlives its server, and fails when it is told to.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<(MemoryStore, bool)>>);

impl Shared {
    fn fail(&self, fails: bool) {
        self.0.lock().unwrap().1 = fails;
    }
}

impl Store for Shared {
    fn run(&mut self, batch: &[StoreJob]) -> Result<Vec<StoreAnswer>, String> {
        let (store, fails) = &mut *self.0.lock().unwrap();
        if *fails {
            Err("the disk is full".to_owned())
        } else {
            store.run(batch)
        }
    }
}

#[test]
fn kept_notices_outlive_the_server() {
    let store = Shared::default();
    let mut world = guests(sharded(2).store(store.clone()), &["Bob"]);
    (0..4).for_each(|n| keep(&mut world, n));
    let ann = come(&mut world, "Ann");
    world.peers[ann].session.notices_done(0, &[2]);
    world.run(20);
    let mut world = guests(sharded(1).store(store), &["Ann"]);
    assert_eq!(
        given(&world, 0),
        [1, 3, 4],
        "but for the one that was acknowledged"
    );
    keep(&mut world, 9);
    world.run(20);
    assert_eq!(given(&world, 0), [1, 3, 4, 5], "no cursor is used again");
}

#[test]
fn a_store_that_fails_is_told_and_asked_again() {
    let store = Shared::default();
    let mut world = guests(sharded(1).store(store.clone()), &["Bob"]);
    keep(&mut world, 0);
    world.server.take_kept();
    store.fail(true);
    keep(&mut world, 1);
    let (_, answer) = world.server.take_kept().pop().expect("an answer");
    let refusal = answer.unwrap_err();
    assert!(
        refusal.code == code::STORE && refusal.message.contains("the disk is full"),
        "{refusal:?}"
    );
    let ann = come(&mut world, "Ann");
    world.run(3_000);
    assert!(given(&world, ann).is_empty());
    assert!(world.server.directory().stats().store_failures >= 3);
    store.fail(false);
    world.run(1_100);
    assert_eq!(given(&world, ann), [1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Whatever the devices do: no notice is with two sessions at once, none comes again once it was acknowledged, and in the end all were given.
    #[test]
    fn each_kept_notice_is_acknowledged_once(steps in prop::collection::vec((0u8..8, 0usize..3, 0u64..60), 1..60)) {
        let store = Shared::default();
        let mut world = guests(sharded(2).store(store.clone()), &["Bob"]);
        let mut devices: [Option<usize>; 3] = [None; 3];
        let (mut kept, mut done, mut heard) = (0, BTreeSet::new(), BTreeMap::new());
        let mut lost = BTreeSet::new();
        for (step, device, ms) in steps.into_iter().chain([(0, 0, 50), (5, 0, 50)]) {
            match (step, devices[device]) {
                (0 | 1, _) => {
                    keep(&mut world, kept);
                    kept += 1;
                }
                (2 | 5, None) => devices[device] = Some(come(&mut world, "Ann")),
                (3, Some(peer)) => {
                    bye(&mut world, peer);
                    devices[device] = None;
                }
                (4, Some(peer)) => {
                    lose(&mut world, peer);
                    lost.insert(peer);
                }
                (5 | 6, Some(peer)) => {
                    relink(&mut world, peer);
                    lost.remove(&peer);
                    world.run(20); // a goodbye before the welcome is heard by nobody: its session waits out its window
                }
                (7, Some(peer)) if !lost.contains(&peer) => {
                    let open: Vec<u64> = given(&world, peer).into_iter().filter(|cursor| !done.contains(cursor)).collect();
                    world.peers[peer].session.notices_done(0, &open);
                    world.run(300);
                    done.extend(open);
                }
                _ => {}
            }
            world.run(ms);
            for peer in 0..world.peers.len() {
                let all = given(&world, peer);
                let seen = heard.entry(peer).or_insert(0);
                for cursor in &all[*seen..] {
                    prop_assert!(!done.contains(cursor), "{cursor} comes again");
                }
                prop_assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "twice to one session");
                *seen = all.len();
            }
        }
        // Whoever stays takes the rest.
        for peer in devices.iter().skip(1).flatten() {
            bye(&mut world, *peer);
        }
        world.run(31_000);
        let last = devices[0].expect("it is there");
        for _ in 0..20 {
            let fresh = given(&world, last).into_iter().filter(|cursor| !done.contains(cursor));
            let open: Vec<u64> = fresh.collect();
            done.extend(open.iter().copied());
            for some in open.chunks(64) {
                world.peers[last].session.notices_done(0, some);
            }
            world.run(200);
        }
        done.extend(given(&world, last));
        prop_assert_eq!(done.len() as u64, kept);
        bye(&mut world, last);
        let again = come(&mut world, "Ann");
        prop_assert_eq!(given(&world, again), Vec::<u64>::new());
    }
}
