//! What a page is told when something is wrong, in a real Chromium: each error has a code and says what to do; and the names that the types promise.

use std::time::Duration;

use serde_json::{Value, json};
use tickwire::prelude::*;
use tickwire_proto::frame::{Identity, Refusal};
use tickwire_server::TokenAuth;
use tickwire_tests::browser::Driver;

use crate::browser_table::{PATIENCE, kept, open, page_of, play, start, table};

#[tokio::test]
async fn every_error_has_a_code_and_says_what_to_do() {
    let tokens = |token: &str| match token {
        // The others are other people: a person has one seat in a room.
        "good" | "ben" | "cem" => Ok(Identity::new(token)),
        _ => Err(Refusal::new(
            "Unknown",
            "this token is not known. Sign in again",
        )),
    };
    let server = start(Server::new("table", table).auth(TokenAuth::new(tokens)));
    let driver = Driver::start();
    let url = page_of(&server);
    let page = open(&driver, &format!("{url}/?token=good")).await;
    let room = play(&page, "ffa").await;
    let (ben, cem) = (
        "{ auth: () => ({ token: 'ben' }) }",
        "{ auth: () => ({ token: 'cem' }) }",
    );
    kept(
        &page,
        &format!("(window.second = connect(undefined, {ben})).join('{room}').then(() => 0)"),
    )
    .await;
    let cases = [
        (
            format!("connect(undefined, {cem}).join('{room}')"),
            "Full",
            "all of its 2 seats are taken",
        ),
        (format!("net.join('{room}')"), "Forbidden", "in room"),
        (
            "net.join('NOPE')".into(),
            "NotFound",
            "there is no room NOPE",
        ),
        ("net.quick('chess')".into(), "NotFound", "no game `chess`"),
        (
            "room.bind('Bell', { add() {} })".into(),
            "BadName",
            "no component \"Bell\"",
        ),
        (
            "room.all('Bell')".into(),
            "BadName",
            "no component \"Bell\"",
        ),
        (
            "room.resource('Goal')".into(),
            "BadName",
            "no resource \"Goal\"",
        ),
        (
            "room.on('Boom', () => {})".into(),
            "BadName",
            "no event or message \"Boom\"",
        ),
        (
            "void (room.command = () => ({ y: 1 }))".into(),
            "BadName",
            "the command Push has no field \"y\"",
        ),
        (
            "void (room.command = () => ({ x: 'left' }))".into(),
            "BadCommand",
            "field x of the command Push is \"left\"",
        ),
        (
            "room.send('Shout', {})".into(),
            "BadMessage",
            "no message Shout",
        ),
        (
            "room.send('Say', { text: 5 })".into(),
            "BadMessage",
            "message Say",
        ),
        (
            "connect(undefined, { auth: () => ({ token: 'bad' }) }).quick('table')".into(),
            "Unknown",
            "Sign in again",
        ),
        (
            "connect(undefined, { auth: () => { throw new Error('no passport') } }).quick('table')"
                .into(),
            "Refused",
            "no passport",
        ),
        (
            "connect('http://127.0.0.1:1').quick('table')".into(),
            "Unreachable",
            "no answer from 127.0.0.1:1",
        ),
    ];
    for (call, code, part) in cases {
        let error = page.settled(&call).await["error"].take();
        let text = error["text"]
            .as_str()
            .unwrap_or_else(|| panic!("{call} was no error"));
        assert_eq!(error["ours"], true, "{call}: {error}");
        assert_eq!(error["code"], code, "{call}: {error}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(part), "{call}: {error}");
        assert!(
            text.starts_with(&format!("{code}: {message}")),
            "{call}: {text}"
        );
        // A game's own code is explained by the game's own words.
        if code != "Unknown" {
            let fix = error["fix"].as_str().unwrap_or_default();
            assert!(!fix.is_empty() && text.contains(fix), "{call}: {error}");
        }
    }
    // Too much at once is refused, one by one, and no promise is left open.
    let flood = "Promise.allSettled(Array.from({ length: 30 }, () => net.lobby())).then(all => all.map(one => one.reason?.code ?? 'ok'))";
    let codes = kept(&page, flood).await;
    let codes: Vec<&str> = codes
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let limited = codes.iter().filter(|code| **code == "Limit").count();
    assert!((1..30).contains(&limited), "{codes:?}");
    assert_eq!(
        codes.iter().filter(|code| **code == "ok").count(),
        30 - limited,
        "{codes:?}"
    );
    // What the game is asked by, and is wrong each time, is told once.
    page.eval("void (window.bad = false, room.command = () => bad ? { x: 'left' } : { x: 0 })")
        .await;
    page.eval("bad = true").await;
    page.until("the error is told", "heard.errors.length", PATIENCE)
        .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(
        page.eval("heard.errors.map(e => e.code)").await,
        json!(["BadCommand"])
    );
    page.close().await;
    server.stop();
}

/// The names that an interface of `tickwire.d.ts` has, one or several on a line.
fn promised(types: &str, interface: &str) -> Vec<String> {
    let start = format!("export interface {interface}<");
    let body = types.split(&start).nth(1).expect("the interface is there");
    let lines = body.lines().skip(1).take_while(|line| *line != "}");
    let members = lines.filter_map(|line| {
        // Members stand two blanks in; what is deeper belongs to one of them.
        let line = line
            .strip_prefix("  ")
            .filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))?;
        let line = line.strip_prefix("readonly ").unwrap_or(line);
        let end = line.find(|c: char| !c.is_ascii_alphanumeric())?;
        Some(line[..end].to_owned())
    });
    members.collect()
}

/// What the types promise is there, and what the module gives has a type.
#[tokio::test]
async fn the_types_and_the_module_have_the_same_names() {
    let server = start(Server::new("table", table));
    let driver = Driver::start();
    let page = open(&driver, &page_of(&server)).await;
    play(&page, "ffa").await;
    let types = kept(
        &page,
        "fetch('/tickwire.d.ts').then(answer => answer.text())",
    )
    .await;
    let types = types.as_str().unwrap();
    for (interface, object, some) in [
        ("Net", "net", ["quick", "lobby", "state"]),
        ("Room", "room", ["bind", "command", "id"]),
    ] {
        let names = promised(types, interface);
        assert!(
            some.iter().all(|one| names.iter().any(|name| name == one)),
            "{names:?}"
        );
        let missing = format!("{}.filter(name => !(name in {object}))", json!(names));
        assert_eq!(page.eval(&missing).await, json!([]), "{interface}");
    }
    let mut exported: Vec<&str> = types
        .lines()
        .filter_map(|line| {
            let rest = ["export class ", "export function ", "export const "]
                .iter()
                .find_map(|start| line.strip_prefix(start))?;
            rest.split(|c: char| !c.is_ascii_alphanumeric()).next()
        })
        .collect();
    exported.sort_unstable();
    let given = kept(
        &page,
        "import('/tickwire.js').then(all => Object.keys(all).sort())",
    )
    .await;
    assert_eq!(given, json!(exported));
    page.close().await;
    server.stop();
}

/// A browser hides why an upgrade failed; the page asks, and shows what the operator has to do.
#[tokio::test]
async fn a_page_of_a_foreign_origin_is_told_what_to_do() {
    // One that the world can reach: then pages of this machine are foreign, too.
    let server = Server::new("table", table).listen("0.0.0.0:0").start();
    let server = server.unwrap_or_else(|error| panic!("{error}"));
    let home = start(Server::new("table", table));
    let origin = page_of(&home);
    let driver = Driver::start();
    let to = format!("http://127.0.0.1:{}", server.local_addr().port());
    let page = open(&driver, &format!("{origin}/?quick=ffa&to={to}")).await;
    let shown = page.eval("problem.textContent").await;
    let shown = shown.as_str().unwrap();
    for part in [
        &format!("pages of the origin {origin} may not connect"),
        &format!("--origin {origin}"),
    ] {
        assert!(shown.contains(part.as_str()), "{shown}");
    }
    let state = page.eval("net.state").await;
    assert_eq!(
        (&state["at"], &state["reason"]),
        (&json!("ended"), &json!("Origin"))
    );
    assert_eq!(
        page.eval("heard.errors.map(e => e.code)").await,
        json!(["Origin"])
    );
    page.close().await;
    for server in [server, home] {
        server.stop();
    }
}
