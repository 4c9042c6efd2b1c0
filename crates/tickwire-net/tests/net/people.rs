//! People by identity over real sockets: watched across io threads, one session each, and notices that wait on disk over a restart of the server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bevy_ecs::prelude::*;
use bytes::Bytes;
use serde_json::{Value, json};
use tickwire_client::{ClientConfig, ClientEvent, NamespaceKey, State};
use tickwire_net::client::Connection;
use tickwire_net::{DiskStore, Namespace, NoticeError, Running, Server, StartError, now};
use tickwire_proto::Reason;
use tickwire_proto::frame::{Presence, code};
use tickwire_server::{KEPT_MAX, Notice, Person, Store, StoreAnswer, StoreJob};
use tickwire_sim::prelude::*;

use super::{server, start};

/// A folder of its own, which goes with it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let folder = format!("tickwire-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        let _ = std::fs::remove_dir_all(&folder);
        Folder(folder)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn text(&self) -> &str {
        self.0.to_str().expect("a path of letters")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn guest(server: &Running, name: &str) -> Connection {
    let credentials = json!({ "guest": name }).to_string();
    let config = ClientConfig {
        credentials: Some(Bytes::from(credentials)),
        ..ClientConfig::default()
    };
    Connection::open(&server.url(), config).unwrap()
}

/// Waits for what `wanted` makes something of.
async fn wait<T>(net: &mut Connection, mut wanted: impl FnMut(&ClientEvent) -> Option<T>) -> T {
    let deadline = now().plus(Duration::from_secs(60));
    loop {
        let event = net.next_until(deadline).await.expect("it comes in time");
        if let Some(found) = wanted(&event) {
            return found;
        }
    }
}

async fn online(server: &Running, name: &str) -> Connection {
    let mut net = guest(server, name);
    wait(&mut net, |event| {
        matches!(event, ClientEvent::State(State::Online)).then_some(())
    })
    .await;
    net
}

async fn notice(net: &mut Connection) -> (Option<u64>, String, Value) {
    wait(net, |event| match event {
        ClientEvent::Notice {
            cursor,
            kind,
            payload,
            ..
        } => Some((
            *cursor,
            kind.clone(),
            serde_json::from_slice(payload).unwrap(),
        )),
        _ => None,
    })
    .await
}

/// Lets the connection work until the server has counted so much.
async fn counted(server: &Running, net: &mut Connection, line: &str) {
    let deadline = now().plus(Duration::from_secs(60));
    while !server.metrics().lines().any(|one| one == line) {
        assert!(
            now() < deadline,
            "{line} never comes:\n{}",
            server.metrics()
        );
        net.next_until(now().plus(Duration::from_millis(20))).await;
    }
}

#[tokio::test]
async fn somebody_is_watched_across_threads_with_her_status() {
    let server = start(server());
    let mut bob = online(&server, "Bob").await;
    bob.client_mut().follow("guest:Ann");
    let seen = |event: &ClientEvent| match event {
        ClientEvent::Person {
            identity,
            presence,
            status,
            ..
        } => {
            assert_eq!(identity, "guest:Ann");
            Some((*presence, status.clone()))
        }
        _ => None,
    };
    assert_eq!(wait(&mut bob, seen).await, (Presence::Gone, String::new()));
    let mut anns = Vec::new();
    // One on each io thread.
    for _ in 0..2 {
        anns.push(online(&server, "Ann").await);
    }
    assert_eq!(
        wait(&mut bob, seen).await,
        (Presence::Online, String::new())
    );
    let ann = &mut anns[1];
    ann.client_mut()
        .status(None, "in queue", Duration::ZERO)
        .unwrap();
    ann.next_until(now().plus(Duration::from_millis(50))).await;
    assert_eq!(
        wait(&mut bob, seen).await,
        (Presence::Online, "in queue".to_owned())
    );
    for ann in anns {
        ann.close();
    }
    let mut last = wait(&mut bob, seen).await;
    while last.0 != Presence::Gone {
        last = wait(&mut bob, seen).await;
    }
    assert_eq!(
        bob.client()
            .person(NamespaceKey::MAIN, "guest:Ann")
            .unwrap()
            .presence,
        Presence::Gone
    );
    server.stop();
}

#[tokio::test]
async fn the_newest_session_of_an_identity_is_the_only_one() {
    let server = start(server().one_session());
    let mut first = online(&server, "Ann").await;
    let _other = online(&server, "Bob").await;
    for _ in 0..3 {
        let second = online(&server, "Ann").await;
        let over = wait(&mut first, |event| match event {
            ClientEvent::State(State::Ended {
                reason, message, ..
            }) => Some((*reason, message.clone())),
            _ => None,
        })
        .await;
        assert_eq!(over.0, Reason::Kicked);
        assert!(over.1.contains("signed in elsewhere"), "{over:?}");
        first = second;
    }
    counted(&server, &mut first, "tickwire_people 2").await;
    counted(&server, &mut first, "tickwire_sessions_replaced_total 3").await;
    server.stop();
}

/// One session alone is a rule of `/` here; in `/chat` the same guest is followed, speaks and is told things of its own.
#[tokio::test]
async fn another_namespace_has_people_of_its_own() {
    let server = start(server().one_session().namespace(Namespace::new("/chat")));
    let mut bob = online(&server, "Bob").await;
    let mut ann = online(&server, "Ann").await;
    let guest = |name: &str| Some(Bytes::from(json!({ "guest": name }).to_string()));
    let [hers, his] = [(&mut ann, "Ann"), (&mut bob, "Bob")].map(|(net, name)| {
        let client = net.client_mut();
        client.attach_to("/chat", guest(name)).unwrap()
    });
    bob.client_mut().within(his).follow("guest:Ann");
    let attached = |event: &ClientEvent| match event {
        ClientEvent::Attached { namespace, .. } if *namespace == hers => Some(()),
        _ => None,
    };
    wait(&mut ann, attached).await;
    let busy = ann.client_mut().status(None, "busy", Duration::ZERO);
    busy.unwrap();
    let typing = ann
        .client_mut()
        .within(hers)
        .status("typing", Duration::ZERO);
    typing.unwrap();
    ann.next_until(now().plus(Duration::from_millis(50))).await;
    wait(&mut bob, |event| match event {
        ClientEvent::Person {
            namespace, status, ..
        } => {
            assert_eq!(*namespace, his);
            assert_ne!(status, "busy", "said in another namespace");
            (status == "typing").then_some(())
        }
        _ => None,
    })
    .await;
    assert_eq!(bob.client().person(NamespaceKey::MAIN, "guest:Ann"), None);

    let people = server.people().of("/chat");
    let keeping = people.keep("guest:Ann", "word", &"welcome").unwrap();
    assert_eq!(keeping.kept().await, Ok(1));
    assert_eq!(notice(&mut ann).await.0, Some(1));
    ann.client_mut().notice_done(1); // of `/`: that is none of its
    ann.client_mut().within(hers).notice_done(1);
    counted(&server, &mut ann, "tickwire_notices_done_total 1").await;
    counted(&server, &mut ann, "tickwire_people 4").await;
    server.stop();
}

#[tokio::test]
async fn kept_notices_wait_on_disk_over_restarts_and_come_once() {
    let folder = Folder::new("kept");
    let serve = || start(server().set("state_dir", folder.text()));
    let first = serve();
    let people = first.people();
    for n in 1..=3_u64 {
        let keeping = people
            .keep("guest:Ann", "gift", &json!({ "gold": n }))
            .unwrap();
        assert_eq!(keeping.kept().await, Ok(n));
    }
    people
        .notify("guest:Ann", "hello", &"is anybody there?")
        .unwrap();
    first.stop();

    let second = serve();
    let mut ann = online(&second, "Ann").await;
    for n in 1..=3 {
        let gift = (Some(n), "gift".to_owned(), json!({ "gold": n }));
        assert_eq!(notice(&mut ann).await, gift);
    }
    // A live one, and another device: nobody else gets what is kept.
    let mut phone = online(&second, "Ann").await;
    second
        .people()
        .notify("guest:Ann", "hello", &"both of you")
        .unwrap();
    let hello = (None, "hello".to_owned(), json!("both of you"));
    assert_eq!(notice(&mut ann).await, hello);
    assert_eq!(notice(&mut phone).await, hello);
    ann.client_mut().notice_done(1);
    ann.client_mut().notice_done(3);
    counted(&second, &mut ann, "tickwire_notices_done_total 2").await;
    ann.close();
    let (cursor, ..) = notice(&mut phone).await;
    assert_eq!(
        cursor,
        Some(2),
        "not acknowledged: it goes to the other device"
    );
    second.stop();

    let third = serve();
    let mut ann = online(&third, "Ann").await;
    assert_eq!(notice(&mut ann).await.0, Some(2));
    ann.client_mut().notice_done(2);
    counted(&third, &mut ann, "tickwire_notices_done_total 1").await;
    third.stop();

    let fourth = serve();
    let mut ann = online(&fourth, "Ann").await;
    let keeping = fourth.people().keep("guest:Ann", "gift", &4).unwrap();
    assert_eq!(keeping.kept().await, Ok(4), "no cursor is used again");
    assert_eq!(notice(&mut ann).await.0, Some(4), "and the others are gone");
    fourth.stop();
}

/// The same client over a restart: what it was given and had not acknowledged is not told again, and what came meanwhile is told once.
#[tokio::test]
async fn a_game_keeps_a_notice_for_who_has_a_seat_and_it_comes_once_over_a_restart() {
    fn welcome(In(player): In<Player>, mut notices: ResMut<Notices>) {
        notices.keep(player, "medal", &json!({ "seat": player.seat }));
    }
    fn party(game: &mut Game) {
        game.rate(30).seats(8).on_join(welcome);
    }
    let folder = Folder::new("games");
    let serve = |address: &str| {
        let server = Server::new("party", party).listen(address);
        start(server.set("state_dir", folder.text()))
    };
    let first = serve("127.0.0.1:0");
    let address = first.local_addr().to_string();
    let mut ann = online(&first, "Ann").await;
    ann.client_mut().quick("party", &[]);
    let medal = (Some(1), "medal".to_owned(), json!({ "seat": 0 }));
    assert_eq!(notice(&mut ann).await, medal);
    counted(&first, &mut ann, "tickwire_room_notices_out_total 1").await;
    first.stop();

    let second = serve(&address);
    let keeping = second.people().keep("guest:Ann", "news", &"we are back");
    assert_eq!(keeping.unwrap().kept().await, Ok(2));
    // She comes by herself, into a room, which welcomes her anew.
    let mut told = vec![notice(&mut ann).await, notice(&mut ann).await];
    told.sort_by_key(|told| told.0);
    let news = (Some(2), "news".to_owned(), json!("we are back"));
    let again = (Some(3), "medal".to_owned(), json!({ "seat": 0 }));
    assert_eq!(told, [news, again]);
    (1..=3).for_each(|cursor| ann.client_mut().notice_done(cursor));
    counted(&second, &mut ann, "tickwire_notices_done_total 3").await;
    second.stop();
}

#[test]
fn two_servers_do_not_share_a_folder_and_one_that_is_stopped_says_so() {
    let folder = Folder::new("shared");
    let first = start(server().set("state_dir", folder.text()));
    match server().set("state_dir", folder.text()).start() {
        Err(StartError::State(text)) => assert!(text.contains("notices.redb"), "{text}"),
        other => panic!("{other:?}"),
    }
    let people = first.people();
    let long = people.keep_raw("ann", "long", vec![0; 5_000]).unwrap();
    match long.wait() {
        Err(NoticeError::Refused(refusal)) => assert_eq!(refusal.code, code::LIMIT),
        other => panic!("{other:?}"),
    }
    let keeping: Vec<_> = (0..500)
        .map(|n| people.keep("ann", "gift", &n).unwrap())
        .collect();
    first.stop();
    // What was asked for before the stop is kept, and who asked is told.
    for (n, keeping) in keeping.into_iter().enumerate() {
        assert_eq!(keeping.wait(), Ok(n as u64 + 1));
    }
    assert!(people.keep("ann", "gift", &1).is_err(), "it has stopped");
    start(server().set("state_dir", folder.text())).stop();
}

#[test]
fn the_store_on_disk_keeps_what_one_in_memory_keeps() {
    let folder = Folder::new("store");
    let mut disk = DiskStore::open(folder.path()).unwrap();
    let mut memory = tickwire_server::MemoryStore::default();
    let people = [("/", "ann"), ("/", "anna"), ("/chat", "ann")].map(|(n, i)| Person::new(n, i));
    let mut chance = 7_u64;
    let mut any = |below: u64| {
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (chance >> 33) % below
    };
    for round in 0..60 {
        let batch: Vec<StoreJob> = (0..1 + any(40))
            .map(|n| {
                let person = people[any(3) as usize].clone();
                match any(4) {
                    0 | 1 => StoreJob::Keep {
                        ticket: n,
                        person,
                        notice: Notice {
                            kind: format!("kind {n}"),
                            payload: vec![round as u8; any(300) as usize].into(),
                        },
                    },
                    2 => StoreJob::Done {
                        person,
                        cursors: (0..3).map(|_| any(400)).collect(),
                    },
                    _ => StoreJob::Load {
                        ticket: n,
                        person,
                        after: any(300),
                        limit: any(40) as usize,
                    },
                }
            })
            .collect();
        assert_eq!(disk.run(&batch), memory.run(&batch));
        if round % 20 == 19 {
            drop(disk);
            disk = DiskStore::open(folder.path()).unwrap();
        }
    }
    let keep = StoreJob::Keep {
        ticket: 1,
        person: Person::new("/", "full"),
        notice: Notice {
            kind: String::new(),
            payload: Bytes::new(),
        },
    };
    let mut answers = disk.run(&vec![keep; KEPT_MAX + 1]).unwrap();
    let mut dropped = || match answers.pop() {
        Some(StoreAnswer::Kept { dropped, .. }) => dropped,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        [dropped(), dropped()],
        [Some(1), None],
        "the oldest makes room"
    );
}
