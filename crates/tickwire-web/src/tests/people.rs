//! People: what members say of themselves, who is followed, and notices.

use super::*;

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
