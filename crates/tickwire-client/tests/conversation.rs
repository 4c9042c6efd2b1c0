//! Links, refusals, endings, reconnecting and commands, against a real session of the server.

mod support;

use std::time::Duration;

use support::{Pair, SEAT, Truth};
use tickwire_client::{ClientEvent, SendError, State};
use tickwire_proto::frame::{JoinHowOwned, code};
use tickwire_proto::{Reason, Retry, Tick, Time};
use tickwire_snapshot::{OwnedRow, values};

#[test]
fn a_client_connects_attaches_and_joins() {
    let mut pair = Pair::new();
    let room = pair.client.quick("balls", &[("mode", "ffa")]);
    assert_eq!(pair.client.state(), &State::Connecting);
    pair.connect();
    assert_eq!(pair.client.state(), &State::Online);
    assert_eq!(pair.connects.len(), 1);
    let attributes = vec![("mode".to_owned(), "ffa".to_owned())];
    assert_eq!(
        pair.asked,
        [JoinHowOwned::Quick {
            kind: "balls".to_owned(),
            attributes
        }]
    );
    assert!(
        pair.events
            .contains(&ClientEvent::Joined { room, again: false })
    );
    let view = pair.client.view(room).unwrap();
    assert_eq!(
        (view.id(), view.kind(), view.seat(), view.member()),
        ("AAAA", "balls", Some(SEAT), 7)
    );
    assert!(
        pair.client.draw(room, pair.now).is_none(),
        "nothing to show before the keyframe"
    );
}

#[test]
fn a_refused_room_is_told_with_its_code_and_forgotten() {
    let mut pair = Pair::new();
    pair.answer = Box::new(|_| Err(code::FULL));
    let room = pair.client.join("QQQQ");
    pair.connect();
    let refused = pair.events.iter().find_map(|event| match event {
        ClientEvent::JoinRefused { room: key, refusal } if *key == room => {
            Some(refusal.code.clone())
        }
        _ => None,
    });
    assert_eq!(refused.as_deref(), Some(code::FULL));
    assert_eq!(pair.client.rooms().count(), 0);
    assert_eq!(pair.client.state(), &State::Online, "the session goes on");
}

#[test]
fn a_lost_link_is_opened_again_and_the_same_room_joined() {
    let mut truth = Truth::new();
    truth.ball(10, 1, 0, 5.0);
    let (mut pair, room) = Pair::joined(&mut truth);
    for round in 1..=5 {
        pair.cut();
        let State::Away { retry_in } = pair.client.state().clone() else {
            panic!("away")
        };
        assert!(
            retry_in <= Duration::from_millis(500),
            "the back-off begins anew after each success"
        );
        assert!(pair.client.view(room).is_some(), "the last picture stays");
        pair.pass(retry_in);
        assert_eq!(pair.connects.len(), round + 1);
        pair.connect();
        assert!(pair.client.is_joined(room), "{:?}", pair.events.last());
        assert_eq!(
            pair.asked.last(),
            Some(&JoinHowOwned::Room {
                id: "AAAA".to_owned()
            })
        );
        assert!(
            pair.events
                .contains(&ClientEvent::Joined { room, again: true })
        );
        truth.forget();
        let update = truth.update(truth.tick.0);
        pair.deliver(truth.tick, update);
        assert!(pair.client.draw(room, pair.now).is_some());
    }
    let numbers: std::collections::BTreeSet<u32> =
        pair.connects.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers.len(), 6, "each attempt has a number of its own");
}

#[test]
fn after_a_restart_a_room_like_the_old_one_will_do() {
    let mut pair = Pair::new();
    let room = pair.client.create("balls", &[("mode", "duel")]);
    pair.connect();
    pair.cut();
    pair.answer = Box::new(|how| match how {
        JoinHowOwned::Room { .. } => Err(code::NOT_FOUND),
        _ => Ok("BBBB".to_owned()),
    });
    pair.pass(Duration::from_secs(1));
    pair.connect();
    assert!(pair.client.is_joined(room));
    assert_eq!(pair.client.view(room).unwrap().id(), "BBBB");
    let attributes = vec![("mode".to_owned(), "duel".to_owned())];
    assert_eq!(
        pair.asked.last(),
        Some(&JoinHowOwned::Quick {
            kind: "balls".to_owned(),
            attributes
        })
    );
}

#[test]
fn a_full_room_is_asked_again_while_ones_own_ghost_may_hold_the_seat() {
    let mut pair = Pair::new();
    let room = pair.client.quick("balls", &[]);
    pair.connect();
    pair.cut();
    pair.answer = Box::new(|_| Err(code::FULL));
    pair.pass(Duration::from_secs(1));
    pair.connect();
    for _ in 0..10 {
        pair.pass(Duration::from_secs(1));
    }
    assert!(pair.asked.len() > 8, "{}", pair.asked.len());
    pair.answer = Box::new(|_| Ok("AAAA".to_owned()));
    pair.pass(Duration::from_secs(1));
    assert!(pair.client.is_joined(room));

    pair.cut();
    pair.answer = Box::new(|_| Err(code::FULL));
    pair.pass(Duration::from_secs(1));
    pair.connect();
    for _ in 0..40 {
        pair.pass(Duration::from_secs(1));
    }
    assert_eq!(pair.client.rooms().count(), 0, "not for ever");
    assert_eq!(
        pair.count(|event| matches!(event, ClientEvent::JoinRefused { .. })),
        1
    );
}

#[test]
fn who_lost_the_seat_to_a_newcomer_gets_another_room_of_the_kind() {
    let mut pair = Pair::new();
    let room = pair.client.quick("balls", &[]);
    pair.connect();
    pair.cut();
    pair.answer = Box::new(|how| match how {
        JoinHowOwned::Room { .. } => Err(code::FULL),
        _ => Ok("CCCC".to_owned()),
    });
    pair.pass(Duration::from_secs(1));
    pair.connect();
    for _ in 0..4 {
        pair.pass(Duration::from_secs(1));
    }
    assert!(pair.client.is_joined(room), "{:?}", pair.asked);
    assert_eq!(pair.client.view(room).unwrap().id(), "CCCC");
}

#[test]
fn each_ending_is_obeyed() {
    let ends: [(Reason, Retry); 4] = [
        (Reason::Kicked, Retry::Never),
        (Reason::Restarting, Retry::After { ms: 4_000 }),
        (Reason::Version, Retry::Reload),
        (Reason::Overflow, Retry::After { ms: 0 }),
    ];
    for (reason, retry) in ends {
        let mut pair = Pair::new();
        let room = pair.client.quick("balls", &[]);
        pair.connect();
        let now = pair.now;
        pair.server
            .as_mut()
            .unwrap()
            .end(now, reason, retry, "so it is");
        pair.talk();
        match (retry, pair.client.state().clone()) {
            (Retry::After { ms }, State::Away { retry_in }) => {
                let told = ClientEvent::SessionEnded {
                    reason,
                    message: "so it is".to_owned(),
                };
                assert!(pair.events.contains(&told), "{:?}", pair.events);
                assert!(
                    retry_in >= Duration::from_millis(u64::from(ms)),
                    "{retry_in:?}"
                );
                pair.pass(retry_in);
                pair.connect();
                assert!(pair.client.is_joined(room), "as a new session");
            }
            (
                Retry::Never | Retry::Reload,
                State::Ended {
                    reason: told,
                    retry: how,
                    message,
                },
            ) => {
                assert_eq!((told, how, message.as_str()), (reason, retry, "so it is"));
                pair.pass(Duration::from_secs(100));
                assert_eq!(pair.connects.len(), 1, "no try on its own");
                let now = pair.now;
                pair.client.reconnect(now);
                pair.connect();
                assert_eq!(pair.client.state(), &State::Online, "but when asked");
            }
            (_, state) => panic!("{reason:?}: {state:?}"),
        }
    }
}

#[test]
fn a_close_code_alone_says_enough() {
    let mut pair = Pair::new();
    pair.connect();
    pair.client
        .link_lost(pair.now, Some(Reason::Version.close_code()));
    assert!(matches!(
        pair.client.state(),
        State::Ended {
            reason: Reason::Version,
            retry: Retry::Reload,
            ..
        }
    ));
}

#[test]
fn the_back_off_doubles_to_ten_seconds_and_waking_up_does_not_wait_for_it() {
    let mut pair = Pair::new();
    let mut longest = Duration::ZERO;
    for _ in 0..40 {
        pair.client.link_lost(pair.now, None);
        let State::Away { retry_in } = pair.client.state().clone() else {
            panic!("away")
        };
        assert!(retry_in <= Duration::from_secs(10));
        longest = longest.max(retry_in);
        assert_eq!(pair.client.next_timeout(), Some(pair.now.plus(retry_in)));
        pair.pass(retry_in);
    }
    assert!(longest > Duration::from_secs(5));
    assert_eq!(pair.connects.len(), 41);
    pair.client.link_lost(pair.now, None);
    let now = pair.now;
    pair.client.reconnect(now);
    pair.pass(Duration::ZERO);
    assert_eq!(pair.connects.last().unwrap().0, now);
}

#[test]
fn a_link_that_never_opens_and_a_server_that_says_nothing_are_given_up() {
    let mut pair = Pair::new();
    pair.pass(Duration::from_secs(11));
    assert!(matches!(pair.client.state(), State::Away { .. }));
    pair.client.reconnect(pair.now);
    pair.client.link_open(pair.now);
    pair.pass(Duration::from_secs(11));
    assert!(matches!(pair.client.state(), State::Away { .. }));
}

#[test]
fn a_server_that_goes_silent_is_noticed_within_fifteen_seconds() {
    let mut pair = Pair::new();
    pair.connect();
    pair.server = None; // half open: nothing comes, nothing is refused
    let begun = pair.now;
    while pair.client.state() == &State::Online {
        let next = pair.client.next_timeout().expect("a heartbeat");
        pair.now = pair.now.max(next);
        pair.client.handle_timeout(pair.now);
        while pair.client.next(pair.now, 1 << 20).is_some() {}
        assert!(pair.now.since(begun) <= Duration::from_secs(20), "too late");
    }
    assert!(matches!(pair.client.state(), State::Away { .. }));
    assert!(pair.now.since(begun) <= Duration::from_secs(15));
}

#[test]
fn commands_go_one_a_tick_ahead_of_the_picture_with_what_is_held() {
    let mut truth = Truth::new();
    truth.ball(10, 1, 0, 5.0);
    let (mut pair, room) = Pair::joined(&mut truth);
    let record = truth.schema.command.clone().unwrap();
    for tick in 11..70 {
        truth.ball(tick, 1, 0, f64::from(tick));
        let update = truth.update(tick);
        pair.deliver(Tick(tick), update);
        for _ in 0..4 {
            while let Some(wanted) = pair.client.command_tick(room, pair.now) {
                let mut row = OwnedRow::new(&record);
                row.ints[0] = (wanted.0 % 3) as i32;
                pair.client.command(room, wanted, &row).unwrap();
            }
            pair.pass(Duration::from_micros(33_333 / 4));
        }
    }
    let ticks: Vec<u32> = pair.commands.iter().map(|(_, tick, _)| tick.0).collect();
    assert!(ticks.len() > 50);
    assert!(
        ticks.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "each tick once: {ticks:?}"
    );
    for (held, tick, payload) in &pair.commands {
        assert!(
            tick > held && tick.since(*held) < 10,
            "for {tick} while {held} is held"
        );
        let row = values::decode_record(&record, payload).unwrap();
        assert_eq!(row.ints[0], (tick.0 % 3) as i32);
    }
}

#[test]
fn what_cannot_be_sent_is_told() {
    let mut pair = Pair::new();
    let room = pair.client.quick("balls", &[]);
    let row = OwnedRow::new(support::schema().command.as_ref().unwrap());
    assert_eq!(
        pair.client.command(room, Tick(1), &row),
        Err(SendError::NotJoined(room))
    );
    assert_eq!(
        pair.client.send(room, 1, b"x"),
        Err(SendError::NotJoined(room))
    );
    pair.connect();
    assert_eq!(
        pair.client.command(room, Tick(1), &row),
        Err(SendError::NotYet(room)),
        "nothing is held"
    );
    let wide = OwnedRow {
        ints: vec![0; 7],
        blobs: vec![],
    };
    assert_eq!(
        pair.client.command(room, Tick(1), &wide),
        Err(SendError::BadCommand(room))
    );
    assert!(pair.client.send(room, 1, b"x").is_ok());
    let full = (0..100_000).find_map(|_| pair.client.send(room, 1, &[0; 1000]).err());
    assert_eq!(
        full,
        Some(SendError::Session(tickwire_proto::SendError::Full))
    );
}

#[test]
fn what_was_on_its_way_when_the_link_broke_is_told() {
    let mut pair = Pair::new();
    let room = pair.client.quick("balls", &[]);
    pair.connect();
    for _ in 0..3 {
        pair.client.send(room, 1, b"x").unwrap();
    }
    pair.cut();
    pair.pass(Duration::from_secs(1));
    pair.connect();
    assert_eq!(
        pair.count(|event| matches!(event, ClientEvent::MessagesLost { count: 3 })),
        1
    );
}

#[test]
fn leaving_is_heard_and_nothing_more_comes_from_the_room() {
    let mut truth = Truth::new();
    truth.ball(10, 1, 0, 5.0);
    let (mut pair, room) = Pair::joined(&mut truth);
    pair.client.leave(room);
    pair.talk();
    let before = pair.events.len();
    assert!(pair.client.view(room).is_none());
    pair.client.frame(pair.now, &truth.update(11));
    pair.talk();
    assert_eq!(pair.events.len(), before);
    pair.client.close();
    pair.talk();
    assert!(matches!(
        pair.client.state(),
        State::Ended {
            reason: Reason::Left,
            ..
        }
    ));
}

#[test]
fn the_same_seed_makes_the_same_client() {
    let run = || {
        let mut pair = Pair::new();
        for _ in 0..10 {
            pair.client.link_lost(pair.now, None);
            let at = pair.client.next_timeout().unwrap_or(Time(0));
            pair.pass(at.since(pair.now));
        }
        pair.connects
    };
    assert_eq!(run(), run());
}
