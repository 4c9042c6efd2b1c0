//! Rooms: in and out of them, what is drawn and heard there, refusals, hosts and lists.

use super::*;

#[test]
fn a_page_joins_draws_commands_and_hears() {
    let mut page = Page::new();
    let room = page.core.quick(0, "balls", r#"{"mode":"ffa","n":3}"#, "");
    page.talk(ok);
    assert_eq!(page.credentials, br#"{"guest":"Ann"}"#);
    let joined = page.heard("joined").expect("joined").clone();
    assert_eq!(
        (&joined["room"], &joined["id"], &joined["seat"]),
        (&json!(room), &json!("AAAA"), &json!(SEAT))
    );
    assert_eq!(joined["members"][1]["mine"], json!(true));
    let fields = &joined["layout"]["components"][0]["fields"];
    let kinds: Vec<_> = fields
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["name"].clone(), f["kind"].clone()))
        .collect();
    assert_eq!(
        kinds,
        [("name", "t"), ("turn", "n"), ("x", "n")].map(|(n, k)| (json!(n), json!(k)))
    );

    let mut truth = Truth::new();
    truth.change(10, |edit, schema| {
        for slot in 1..=3 {
            set_ball(edit, schema, slot, 0, f64::from(slot) * 10.0);
            own(edit, schema, slot, slot as u16 + 1);
        }
        edit.set(schema.resource("Score").unwrap(), 0, |row| {
            row.field(0).ints[0] = 9
        });
    });
    for tick in 10..20 {
        if tick == 12 {
            truth.change(tick, |edit, _| boom(edit, tick, 77));
        }
        let update = truth.update(tick);
        page.server.update(
            ROOM,
            Tick(tick),
            tick_frame(Tick(tick), None, 2),
            Some(update),
        );
        page.talk(ok);
        page.now += 33.333;
    }
    assert!(page.core.draw(room, page.now) > 12.0);
    assert_eq!(page.core.rows(room, "Ball"), 3);
    let rows = page.buffer();
    assert_eq!(rows.len(), 3 * 5);
    let own: Vec<f64> = rows.chunks(5).map(|row| row[1]).collect();
    assert_eq!(own, [0.0, 1.0, 0.0], "seat 3 owns the ball in slot 2");
    let texts: Vec<String> = rows
        .chunks(5)
        .map(|row| page.core.text(row[2] as u32))
        .collect();
    assert_eq!(texts, ["ball 1", "ball 2", "ball 3"]);
    assert_eq!(rows[4], 10.0);
    assert!(page.core.resource(room, "Score"));
    assert_eq!(page.buffer(), [9.0]);
    let event: Json = serde_json::from_str(&page.core.event_due(room).expect("a boom")).unwrap();
    assert_eq!(
        (&event["name"], &event["data"]),
        (&json!("Boom"), &json!({"x": 77.0}))
    );
    assert_eq!(page.core.event_due(room), None);
    // an animation that began at a tick goes on from picture to picture
    let began = page.core.since(room, rows[0], 12.0);
    assert!((page.core.since(room, rows[0], 15.0) - (began - 0.099_999)).abs() < 1e-9);
    page.now += 10.0;
    page.core.draw(room, page.now);
    let on = page.core.since(room, rows[0], 12.0) - began;
    assert!((0.0..0.011).contains(&on), "{on} s in 10 ms");

    let tick = page.core.command_tick(room, page.now);
    assert!(tick > 0.0);
    assert_eq!(page.core.command(room, tick as u32, &[-1.0], vec![]), None);
    page.talk(ok);
    let record = truth.schema.command.clone().unwrap();
    let sent = values::decode_record(&record, page.commands.last().expect("it came")).unwrap();
    assert_eq!(sent.ints, [0], "-1 is the first step of -1..=1");
    assert!(
        page.core
            .command(room, tick as u32, &[], vec![])
            .is_some_and(|text| text.contains('x'))
    );
    assert!(page.core.next_command(room) > 0.0);
    let figures: Json = serde_json::from_str(&page.core.figures(room, page.now).unwrap()).unwrap();
    assert_eq!(
        (&figures["entities"], &figures["tick"]),
        (&json!(3), &json!(19))
    );
    assert_eq!(figures["extrapolatedMs"], json!(0.0));

    assert_eq!(
        page.core
            .send(room as i32, "Chat", r#"{"text":"hi"}"#, 0, false),
        None
    );
    let wrong = page
        .core
        .send(room as i32, "Chat", r#"{"txt":5}"#, 0, false)
        .expect("no text");
    assert!(wrong.contains("BadMessage"), "{wrong}");
    let wrong = page
        .core
        .send(room as i32, "Shout", "{}", 0, false)
        .expect("there is none");
    assert!(wrong.contains("there are: Chat, Guess"), "{wrong}");
    page.talk(ok);
    let (kind, payload) = page.messages.pop().expect("it came");
    assert_eq!(kind, support::CHAT);
    page.server
        .send(page.time(), ROOM, 0, kind, payload)
        .unwrap();
    page.talk(ok);
    let heard = page.heard("message").expect("it came back");
    assert_eq!(
        (&heard["name"], &heard["data"]),
        (&json!("Chat"), &json!({"text": "hi"}))
    );
}

#[test]
fn a_refusal_comes_with_its_code() {
    let mut page = Page::new();
    let room = page.core.join(0, "QQQQ");
    page.talk(|_| Err(code::FULL));
    let refused = page.heard("join_refused").expect("refused");
    assert_eq!(
        (&refused["room"], &refused["code"]),
        (&json!(room), &json!("Full"))
    );
    assert_eq!(refused["message"], json!("64 of 64 seats are taken"));
}

#[test]
fn what_is_not_there_is_nothing_and_not_a_panic() {
    let mut page = Page::new();
    assert_eq!(page.core.draw(9, 5.0), -1.0);
    assert_eq!(page.core.rows(9, "Ball"), 0);
    assert!(!page.core.resource(9, "Score"));
    assert_eq!(page.core.text(5), "");
    assert_eq!(page.core.event_due(9), None);
    assert_eq!(page.core.command(9, 1, &[], vec![]), None);
    assert_eq!(page.core.command_tick(9, 5.0), -1.0);
    assert!(page.core.send(9, "Chat", "not json", 0, false).is_some());
    assert_eq!(page.core.members(9), "null");
    page.core.leave(9);
    page.core.frame(5.0, vec![1, 2, 3]);
    page.core.link_lost(5.0, 4400);
    page.core.timeout(f64::NAN);
    page.core.close();
}

#[test]
fn a_page_says_ready_asks_as_a_host_and_watches_the_lobby() {
    let mut page = Page::new();
    let room = page.core.create(0, "balls", "{}", true);
    let list = page.core.watch_lobby(0, "", r#"{"mode":"ffa"}"#);
    assert!(!page.core.ready(room, true), "not joined yet");
    assert_eq!(page.core.host(room, r#"{"kick":1}"#), -1.0);
    page.talk(ok);
    assert!(page.core.ready(room, true));
    let asks = [
        r#"{"kick":7}"#,
        r#"{"ban":7,"seconds":60}"#,
        r#"{"lock":true}"#,
        r#"{"attributes":{"map":"moon","size":3}}"#,
        r#"{"close":"done"}"#,
    ];
    let numbers = asks.map(|ask| page.core.host(room, ask));
    assert!(numbers.iter().all(|number| *number >= 0.0), "{numbers:?}");
    assert_eq!(page.core.host(room, r#"{"dance":1}"#), -1.0);
    assert_eq!(page.core.host(room, "no JSON"), -1.0);
    page.talk(ok);
    assert_eq!(page.ready, [true]);
    let pairs = [("map", "moon"), ("size", "3")];
    let expected = [
        HostAskOwned::Kick { member: 7 },
        HostAskOwned::Ban {
            member: 7,
            seconds: 60,
        },
        HostAskOwned::Lock { locked: true },
        HostAskOwned::Attributes {
            attributes: pairs.map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
        },
        HostAskOwned::Close {
            message: "done".to_owned(),
        },
    ];
    assert_eq!(page.asks, expected);
    assert_eq!(page.heard("host_done").unwrap()["request"], numbers[4]);
    let changed = page.heard("lobby_changed").unwrap();
    assert_eq!(
        (&changed["request"], &changed["rooms"]),
        (&json!(list), &json!([]))
    );
}
