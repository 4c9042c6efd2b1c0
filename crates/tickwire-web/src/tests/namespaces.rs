//! Namespaces over one connection, and credentials that expire.

use super::*;

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
