//! The core as the page's module uses it, against a real session of the server.

#[path = "../../tickwire-client/tests/support/mod.rs"]
mod support;

use bytes::Bytes;
use serde_json::{Value as Json, json};
use support::{ROOM, SEAT, Truth, boom, own, set_ball, tick_frame};
use tickwire_proto::frame::{
    Ask, AskOutcome, ClientFrame, HostAskOwned, Identity, JoinedInfo, MemberChangeOwned,
    PersonSeen, Presence, Refusal, ServerFrame, code,
};
use tickwire_proto::{ServerEvent, ServerSession, SessionConfig, Tick, Time};
use tickwire_snapshot::shape::Shape;
use tickwire_snapshot::{AreaId, FieldSchema, NetId, Quant, RecordSchema, Value, values};

use crate::Core;

/// The page's side: what it would do with the core, without a browser.
struct Page {
    core: Core,
    server: ServerSession,
    now: f64,
    told: Vec<Json>,
    commands: Vec<Vec<u8>>,
    messages: Vec<(u32, bytes::Bytes)>,
    statuses: Vec<(u32, String)>,
    followed: Vec<String>,
    done: Vec<u64>,
    asks: Vec<HostAskOwned>,
    ready: Vec<bool>,
    /// Requests: number and payload; and what became of the server's own.
    requests: Vec<(u32, bytes::Bytes)>,
    replies: Vec<(u32, AskOutcome)>,
    credentials: Vec<u8>,
    /// When identities expire.
    expires: Option<Time>,
}

impl Page {
    fn new() -> Self {
        let server = ServerSession::new(Time(0), SessionConfig::default(), 1, [1; 32]);
        Self {
            core: Core::new("/", 1, 2, 0.0, "ws", &[7; 16]),
            server,
            now: 1_000.0,
            told: Vec::new(),
            commands: Vec::new(),
            messages: Vec::new(),
            statuses: Vec::new(),
            followed: Vec::new(),
            done: Vec::new(),
            asks: Vec::new(),
            ready: Vec::new(),
            requests: Vec::new(),
            replies: Vec::new(),
            credentials: Vec::new(),
            expires: None,
        }
    }

    fn time(&self) -> Time {
        Time((self.now * 1000.0) as u64)
    }

    fn talk(&mut self, answer: impl Fn(u32) -> Result<JoinedInfo, &'static str>) {
        loop {
            let mut quiet = true;
            while let Some(text) = self.core.poll(self.now) {
                let it: Json = serde_json::from_str(&text).expect("JSON");
                match it["do"].as_str() {
                    Some("open") => self.core.link_open(self.now),
                    Some("credentials") => {
                        let namespace = it["namespace"].as_u64().expect("a number") as u8;
                        self.core.attach(namespace, r#"{"guest":"Ann"}"#);
                    }
                    _ => {}
                }
                self.told.push(it);
                quiet = false;
            }
            while let Some(frame) = self.core.next(self.now, 1 << 16) {
                self.server.handle_frame(self.time(), &frame);
                quiet = false;
            }
            while let Some(event) = self.server.poll_event() {
                self.serve(event, &answer);
            }
            while let Some(out) = self.server.next(self.time(), 1 << 20) {
                self.core.frame(self.now, out.head.to_vec());
                if let Some(body) = out.body {
                    self.core.frame(self.now, body.to_vec());
                }
                quiet = false;
            }
            if quiet {
                return;
            }
        }
    }

    fn serve(
        &mut self,
        event: ServerEvent,
        answer: &impl Fn(u32) -> Result<JoinedInfo, &'static str>,
    ) {
        let now = self.time();
        match event {
            ServerEvent::AuthWanted {
                attachment,
                namespace,
                credentials,
                ..
            } => {
                self.credentials = credentials.to_vec();
                let answer = match namespace.as_str() {
                    "/no" => Err(Refusal::new("Unknown", "sign in again")),
                    _ => Ok(Identity {
                        expires: self.expires,
                        ..Identity::new("guest:Ann")
                    }),
                };
                let schema = Bytes::from(support::schema().to_bytes());
                self.server
                    .attach_done_with(now, attachment, answer, Some(&schema));
            }
            ServerEvent::JoinWanted {
                request,
                attachment,
                ..
            } => match answer(request) {
                _ if attachment > 0 => self.server.join_refused(
                    request,
                    Refusal::new("Elsewhere", format!("of attachment {attachment}")),
                ),
                Ok(info) => self.server.joined(now, info),
                Err(code) => self
                    .server
                    .join_refused(request, Refusal::new(code, "64 of 64 seats are taken")),
            },
            ServerEvent::Command { payload, .. } => self.commands.push(payload.to_vec()),
            ServerEvent::Message { kind, payload, .. } => self.messages.push((kind, payload)),
            ServerEvent::Follow { add, .. } => self.followed.extend(add),
            ServerEvent::NoticesDone { cursors, .. } => self.done.extend(cursors),
            ServerEvent::HostAsks { request, ask, .. } => {
                self.asks.push(ask);
                self.server.host_done(request);
            }
            ServerEvent::Ask {
                number, payload, ..
            } => self.requests.push((number, payload)),
            ServerEvent::Reply {
                number, outcome, ..
            } => self.replies.push((number, outcome)),
            ServerEvent::Ready { ready, .. } => self.ready.push(ready),
            ServerEvent::LobbyWatchWanted { request, .. } => {
                self.server.lobby_change(request, true, &[], &[]);
            }
            ServerEvent::Status { room, text } => self.statuses.push((room, text)),
            _ => {}
        }
    }

    fn heard(&self, what: &str) -> Option<&Json> {
        self.told.iter().rev().find(|it| it["do"] == what)
    }

    fn buffer(&self) -> Vec<f64> {
        self.core.rows_read().to_vec()
    }
}

fn ok(request: u32) -> Result<JoinedInfo, &'static str> {
    Ok(support::joined_info(request, "AAAA"))
}

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
fn what_members_say_of_themselves_is_in_the_list() {
    let mut page = Page::new();
    let room = page.core.quick(0, "balls", "{}", "");
    page.talk(ok);
    let member = page.heard("joined").expect("joined")["members"][1]["member"].clone();
    let status = |page: &Page| {
        let members: Json = serde_json::from_str(&page.core.members(room)).unwrap();
        members[1]["status"].clone()
    };
    assert_eq!(status(&page), json!(""));
    let change = MemberChangeOwned::Status {
        member: member.as_u64().unwrap() as u32,
        status: "in queue".to_owned(),
    };
    page.server.member_change(ROOM, &change);
    page.talk(ok);
    assert_eq!(page.heard("members").expect("told")["room"], json!(room));
    assert_eq!(status(&page), json!("in queue"));
    assert!(page.core.status(room, "ready", 0.0) && page.core.typing(room, true));
    assert!(page.core.status_outside(0, "at home", 60_000.0));
    page.talk(ok);
    let words: Vec<&str> = page
        .statuses
        .iter()
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(words, ["at home", "ready", "typing"]);
    assert!(!page.core.status(9, "nowhere", 0.0) && !page.core.typing(9, true));
    // Beyond what the server takes: by a client that keeps no pace.
    for n in 0..60 {
        let frame = ClientFrame::Status {
            room: ROOM,
            text: &n.to_string(),
            expires_ms: 0,
        };
        page.server.handle_frame(page.time(), &frame.encode());
    }
    page.talk(ok);
    assert_eq!(
        page.heard("status_refused").expect("told")["code"],
        json!("Limit")
    );
}

#[test]
fn people_and_notices_are_told_to_the_page() {
    let mut page = Page::new();
    page.core.follow(0, "ann", true);
    page.core.follow(0, "bob", true);
    page.core.follow(0, "bob", false);
    page.talk(ok);
    assert_eq!(page.followed, ["ann"]);
    assert_eq!(page.core.person(0, "ann"), None);
    let now = page.time();
    let seen = PersonSeen {
        identity: "ann",
        presence: Presence::Away,
        gone: None,
        status: "in queue",
    };
    let frames = [
        ServerFrame::Followed {
            attachment: 0,
            people: vec![seen],
        },
        ServerFrame::Notice {
            attachment: 0,
            cursor: 7,
            kind: "gift",
            payload: br#"{"gold":5}"#,
        },
        ServerFrame::Notice {
            attachment: 0,
            cursor: 0,
            kind: "word",
            payload: b"no json",
        },
    ];
    for frame in &frames {
        page.server.send_frame(now, frame.encode()).unwrap();
    }
    page.talk(ok);
    let ann = json!({"do": "person", "namespace": 0, "identity": "ann", "presence": "away", "status": "in queue"});
    assert_eq!(page.heard("person"), Some(&ann));
    assert_eq!(page.core.person(0, "ann"), Some(ann.to_string()));
    let notices: Vec<&Json> = page.told.iter().filter(|it| it["do"] == "notice").collect();
    assert_eq!(
        notices,
        [
            &json!({"do": "notice", "namespace": 0, "cursor": 7.0, "kind": "gift", "data": {"gold": 5}}),
            &json!({"do": "notice", "namespace": 0, "cursor": null, "kind": "word", "data": "no json"}),
        ]
    );
    page.core.notice_failed(0, 9.0);
    page.core.notice_done(1, 7.0); // of another namespace
    page.core.notice_done(0, 7.0);
    page.talk(ok);
    assert_eq!(page.done, [7]);
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

/// One field of each kind, some in arrays.
fn everything() -> RecordSchema {
    let shape = Shape::Option(Box::new(Shape::U8));
    let field = |name: &str, quant| FieldSchema::new(name, quant);
    let mut record = RecordSchema::new(
        "Everything",
        vec![
            field("angle", Quant::Angle { bits: 12 }),
            field(
                "bits",
                Quant::Bits {
                    bits: 9,
                    signed: true,
                },
            ),
            field("blob", Quant::Blob { shape, max: 8 }),
            field("float", Quant::F32),
            field("flags", Quant::Bool).with_len(3),
            field(
                "mood",
                Quant::Enum {
                    variants: vec!["Calm".to_owned(), "Wild".to_owned()],
                },
            ),
            field(
                "place",
                Quant::Range {
                    min: -10.0,
                    max: 10.0,
                    step: 0.5,
                },
            )
            .with_len(2),
            field("quat", Quant::quat_bits(12)),
            field("target", Quant::Entity),
            field("text", Quant::Text { max: 10 }),
            field("unit", Quant::Unit2 { bits: 12 }),
            field("unit3", Quant::Unit3 { bits: 12 }),
            field("var", Quant::Varint),
        ],
    );
    record.seal(33_333).expect("sound");
    record
}

/// Everybody is where their id says.
fn place(id: u64) -> Option<(AreaId, NetId)> {
    let (slot, generation) = tickwire_client::slot_and_generation(id);
    Some((AreaId::ALL, NetId { slot, generation }))
}

#[test]
fn a_command_may_hold_every_kind_of_field() {
    let record = everything();
    let target = tickwire_client::entity_id(
        AreaId::ALL,
        NetId {
            slot: 7,
            generation: 2,
        },
    ) as f64;
    let texts = ["5".to_owned(), "hello".to_owned()];
    let numbers = [
        1.5, -100.0, 0.0, 1.0, 0.0, 1.0, 0.25, 1.0, 3.0, -4.5, 0.0, 0.0, 0.0, 1.0, target, 1.0,
        0.0, 1.0, 0.0, 0.0, 1.0, -70_000.0,
    ];
    let row = crate::layout::command_row(&record, &numbers, &texts, &place).expect("it fits");
    let values: Vec<(String, Value)> = record
        .fields
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let at = row.row(&record);
            let read = at.field(index);
            (
                field.name.clone(),
                field.value(read.ints, read.blob.unwrap_or(&[])),
            )
        })
        .collect();
    let value = |name: &str| {
        &values
            .iter()
            .find(|(field, _)| field == name)
            .expect("a field")
            .1
    };
    assert_eq!(value("bits"), &Value::Int(-100));
    assert_eq!(value("blob"), &Value::Bytes(vec![1, 5]));
    assert_eq!(
        value("flags"),
        &Value::List([true, false, true].map(Value::Bool).to_vec())
    );
    assert_eq!(value("float"), &Value::Number(0.25));
    assert_eq!(value("mood"), &Value::Text("Wild".to_owned()));
    assert_eq!(
        value("place"),
        &Value::List([3.0, -4.5].map(Value::Number).to_vec())
    );
    assert_eq!(
        value("target"),
        &Value::Entity(Some(NetId {
            slot: 7,
            generation: 2
        }))
    );
    assert_eq!(value("text"), &Value::Text("hello".to_owned()));
    assert_eq!(value("var"), &Value::Int(-70_000));
    let Value::Vector(unit) = value("unit") else {
        panic!("a vector")
    };
    assert!((unit[1] - 1.0).abs() < 1e-2, "{unit:?}");
    let bytes = values::encode_record(&record, &row.ints, &row.blobs);
    assert_eq!(
        values::decode_record(&record, &bytes).as_ref(),
        Ok(&row),
        "the server takes it"
    );

    // whatever the doubles, what comes out is a row that the server can read, or a text
    for wild in [f64::NAN, f64::INFINITY, -1e300, 1e300, -0.0, 4e9] {
        for at in 0..numbers.len() {
            let mut numbers = numbers;
            numbers[at] = wild;
            if let Ok(row) = crate::layout::command_row(&record, &numbers, &texts, &place) {
                let bytes = values::encode_record(&record, &row.ints, &row.blobs);
                assert_eq!(
                    values::decode_record(&record, &bytes).as_ref(),
                    Ok(&row),
                    "{wild} at {at}"
                );
            }
        }
    }
    for cut in 0..numbers.len() {
        assert!(crate::layout::command_row(&record, &numbers[..cut], &texts, &place).is_err());
    }
    let wrong =
        crate::layout::command_row(&record, &numbers, &["no".to_owned(), String::new()], &place)
            .unwrap_err();
    assert!(wrong.starts_with("field blob"), "{wrong}");
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

#[test]
fn a_page_is_in_several_namespaces_over_one_connection() {
    let mut page = Page::new();
    let (chat, no) = (page.core.attach_to("/chat"), page.core.attach_to("/no"));
    assert_eq!(
        (chat, page.core.attach_to("/chat")),
        (1, 1),
        "asked for once"
    );
    let main = page.core.quick(0, "balls", "{}", "");
    let room = page.core.quick(1, "balls", "{}", "");
    let nowhere = page.core.join(no as u8, "AAAA");
    page.talk(ok);
    let told: Vec<(&str, u64)> = page
        .told
        .iter()
        .filter_map(|it| {
            let what = it["do"]
                .as_str()
                .filter(|it| matches!(*it, "attached" | "namespace_refused"))?;
            Some((what, it["namespace"].as_u64()?))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("attached", 0),
            ("attached", 1),
            ("namespace_refused", no as u64)
        ]
    );
    assert_eq!(
        page.heard("attached").unwrap()["messages"],
        json!(["Chat", "Guess"])
    );
    assert_eq!(page.heard("joined").unwrap()["room"], json!(main));
    let refused: Vec<(&Json, &Json)> = page
        .told
        .iter()
        .filter(|it| it["do"] == "join_refused")
        .map(|it| (&it["room"], &it["code"]))
        .collect();
    assert_eq!(
        refused,
        [
            (&json!(nowhere), &json!("Unknown")),
            (&json!(room), &json!("Elsewhere"))
        ]
    );

    // Messages outside of rooms, by the namespace's own schema.
    assert_eq!(
        page.core.send(-2, "Chat", r#"{"text":"hi"}"#, 0, false),
        None
    );
    assert!(
        page.core
            .send(-2, "Talk", "{}", 0, false)
            .unwrap()
            .contains("BadMessage")
    );
    assert!(
        page.core
            .send(-1 - no, "Chat", "{}", 0, false)
            .unwrap()
            .contains("Away")
    );
    page.talk(ok);
    assert_eq!(page.messages.len(), 1);
    let text = page.messages[0].1.clone();
    page.server
        .send(page.time(), 1, 0, support::CHAT, text)
        .unwrap();
    page.talk(ok);
    let message = page.heard("message").unwrap();
    assert_eq!(
        (&message["namespace"], &message["room"], &message["data"]),
        (&json!(1), &json!(0), &json!({"text": "hi"}))
    );

    // One that is left may be asked for again.
    page.core.detach(1);
    assert_eq!(
        page.core
            .send(-2, "Chat", r#"{"text":"hi"}"#, 0, false)
            .map(|it| it.contains("Away")),
        Some(true)
    );
    let again = page.core.attach_to("/chat");
    page.talk(ok);
    assert_eq!(page.heard("attached").unwrap()["namespace"], json!(again));
}

#[test]
fn a_page_is_asked_for_fresh_credentials_when_they_expire() {
    let mut page = Page::new();
    page.expires = Some(page.time().plus(std::time::Duration::from_secs(4)));
    page.core.quick(0, "balls", "{}", "");
    page.talk(ok);
    page.credentials.clear();
    page.now += 4_000.0;
    page.expires = None;
    page.server.handle_timeout(page.time());
    page.talk(ok);
    assert_eq!(page.credentials, br#"{"guest":"Ann"}"#);
    assert_eq!(page.heard("renewed").unwrap()["namespace"], json!(0));
    let asked = page
        .told
        .iter()
        .filter(|it| it["do"] == "credentials")
        .count();
    assert_eq!(asked, 2);
}

#[test]
fn requests_and_questions_are_json_by_name() {
    let mut page = Page::new();
    let room = page.core.quick(0, "balls", "{}", "");
    page.talk(ok);
    let ask = |page: &mut Page, name: &str, message: &str, options: &str| {
        page.core
            .request(page.now, room as i32, name, message, options)
    };
    let first = ask(&mut page, "Guess", r#"{"text":"seven"}"#, "{}");
    let second = ask(
        &mut page,
        "Guess",
        r#"{"text":"8"}"#,
        r#"{"timeoutMs":100,"channel":2}"#,
    );
    let third = ask(&mut page, "Guess", r#"{"text":"9"}"#, "{}");
    for (name, message, options, wrong) in [
        ("Chat", r#"{"text":"a"}"#, "{}", "BadMessage"),
        ("Guess", r#"{"txt":"a"}"#, "{}", "BadMessage"),
        ("Guess", r#"{"text":"a"}"#, r#"{"channel":8}"#, "BadMessage"),
        ("Nothing", "{}", "{}", "BadMessage"),
    ] {
        let told = ask(&mut page, name, message, options);
        assert!(told.contains(wrong), "{name} {message} {options}: {told}");
    }
    let elsewhere = page.core.request(page.now, 9, "Guess", "{}", "{}");
    assert!(elsewhere.contains("Away"), "{elsewhere}");
    page.talk(ok);
    assert_eq!(
        page.requests[0].1,
        &b"\x05seven"[..],
        "by the schema's shape"
    );
    let answer = |page: &mut Page, index: usize, answer| {
        let number = page.requests[index].0;
        page.server.answer(ROOM, number, answer);
        page.talk(ok);
        page.heard("reply").cloned().expect("a reply")
    };
    let told = answer(&mut page, 0, Ok(bytes::Bytes::from_static(b"\x02no")));
    let wanted =
        json!({"do": "reply", "ask": first.parse::<u32>().unwrap(), "data": {"text": "no"}});
    assert_eq!(told, wanted);
    let mut refusal = Refusal::new("Taken", "somebody was quicker");
    refusal.data = bytes::Bytes::from_static(br#"{"by":3}"#);
    let told = answer(&mut page, 2, Err(refusal));
    assert_eq!(
        (&told["ask"], &told["code"], &told["more"]),
        (
            &json!(third.parse::<u32>().unwrap()),
            &json!("Taken"),
            &json!({"by": 3})
        )
    );
    page.now += 101.0;
    page.core.timeout(page.now);
    page.talk(ok);
    let told = page.heard("reply").expect("out of time").clone();
    assert_eq!(
        (&told["ask"], &told["code"]),
        (&json!(second.parse::<u32>().unwrap()), &json!("Timeout"))
    );

    // What the room asks.
    let mut question = |number| {
        let frame = tickwire_proto::ServerFrame::Ask(Ask {
            room: ROOM,
            channel: 0,
            number,
            kind: support::GUESS,
            timeout_ms: 5_000,
            payload: b"\x02hm",
        });
        let now = page.time();
        page.server.send_frame(now, frame.encode()).expect("joined");
        page.talk(ok);
        let told = page.heard("question").expect("it asks");
        assert_eq!(
            (&told["name"], &told["data"]),
            (&json!("Guess"), &json!({"text": "hm"}))
        );
        told["question"].as_u64().expect("a number") as u32
    };
    let asked: Vec<u32> = [3, 4, 5].map(&mut question).into();
    assert_eq!(
        page.core.answer(asked[0], r#"{"data":{"text":"yes"}}"#),
        None
    );
    let no = r#"{"code":"Busy","message":"later","data":{"in":5}}"#;
    assert_eq!(page.core.answer(asked[1], no), None);
    let wrong = page.core.answer(asked[2], r#"{"data":{"txt":1}}"#);
    assert!(wrong.is_some_and(|text| text.contains("Chat")));
    assert_eq!(
        page.core.answer(asked[0], "{}"),
        None,
        "nobody waits any more"
    );
    page.talk(ok);
    let [
        (3, AskOutcome::Done(yes)),
        (4, AskOutcome::Refused(busy)),
        (5, AskOutcome::Refused(failed)),
    ] = &page.replies[..]
    else {
        panic!("{:?}", page.replies);
    };
    assert_eq!(yes[..], b"\x03yes"[..]);
    assert_eq!(
        (&busy.code[..], &busy.data[..]),
        ("Busy", &br#"{"in":5}"#[..])
    );
    assert_eq!(failed.code, code::FAILED);
}
