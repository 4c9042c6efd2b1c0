//! Requests and questions, by name and as JSON.

use super::*;

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
