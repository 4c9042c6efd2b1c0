//! The arena's lobby in a real Chromium: chat with who types and what was said before, guests who are known again, and a player who was gone for long and flies on.

use std::time::Duration;

use serde_json::{Value, json};
use tickwire_tests::browser::{Driver, Page};
use tickwire_tests::process::{Served, binary};

const PATIENCE: Duration = Duration::from_secs(30);
const WHO: &str = "arena.net.namespace('/').identity ?? null";

fn serve(address: &str, more: [&str; 2]) -> Served {
    let args = ["--listen", address, "--players", "4"];
    Served::start(&binary("arena"), &[&args[..], &more].concat())
}

/// A page in the lobby, in its chat.
async fn lobby(driver: &Driver, url: &str, name: &str) -> Page {
    let page = driver.open(&format!("{url}/?name={name}")).await;
    talks(&page, name).await;
    page
}

async fn talks(page: &Page, name: &str) {
    let ready = "window.arena?.chat.room && !document.querySelector('#chat input').disabled";
    page.until(&format!("{name} is in the chat"), ready, PATIENCE)
        .await;
}

async fn types(page: &Page, text: &str, send: bool) {
    let send = if send {
        "document.querySelector('#chat form').requestSubmit()"
    } else {
        ""
    };
    page.eval(&format!(
        "void (() => {{ const input = document.querySelector('#chat input'); input.value = {text:?}; input.dispatchEvent(new Event('input')); {send} }})()"
    ))
    .await;
}

fn lines(expected: &str) -> String {
    format!(
        "[...document.querySelectorAll('#chat li')].map(li => li.textContent).join('|') === {expected:?}"
    )
}

#[tokio::test]
async fn guests_talk_in_the_lobby_and_are_known_when_they_come_again() {
    let key = std::env::temp_dir().join(format!("arena-key-{}", std::process::id()));
    let _ = std::fs::remove_file(&key);
    let key = key.to_str().expect("a path of letters");
    let arena = serve("127.0.0.1:0", ["--guest-key", key]);
    let address = arena.address().to_owned();
    let driver = Driver::start();
    let mira = lobby(&driver, &arena.url, "Mira").await;
    let juno = lobby(&driver, &arena.url, "Juno").await;
    mira.until(
        "both are here",
        "chat.textContent.includes('2 here')",
        PATIENCE,
    )
    .await;
    types(&juno, "has anybody", false).await;
    mira.until(
        "Mira sees that Juno types",
        "document.querySelector('.typing').textContent === 'Juno is typing…'",
        PATIENCE,
    )
    .await;
    types(&juno, "has anybody <b>seen</b>   the \u{202e}beacon?", true).await;
    let first = "Juno has anybody <b>seen</b> the beacon?";
    mira.until("Mira reads it, as text", &lines(first), PATIENCE)
        .await;
    mira.until(
        "and that Juno is done",
        "document.querySelector('.typing').textContent === ''",
        PATIENCE,
    )
    .await;
    types(&mira, "it is where the light is", true).await;
    let both = format!("{first}|Mira it is where the light is");
    juno.until("Juno reads the answer", &lines(&both), PATIENCE)
        .await;
    types(&juno, "on my way", false).await;
    let late = lobby(&driver, &arena.url, "Pax").await;
    late.until("who comes later reads it too", &lines(&both), PATIENCE)
        .await;
    mira.until("three", "chat.textContent.includes('3 here')", PATIENCE)
        .await;
    mira.picture("arena-lobby").await;
    late.close().await;

    // Who one is stands in the page's storage: loaded anew, and over a restart of the server.
    let known = "localStorage.getItem('afterglow.guest') && JSON.parse(localStorage.getItem('afterglow.guest'))";
    mira.until("Mira has a token", known, PATIENCE).await;
    let who = mira.until("Mira is somebody", WHO, PATIENCE).await;
    mira.eval("void (location.href = '/')").await;
    let again = format!("window.arena && ({WHO}) === {who}");
    mira.until("she is the same, of a new page", &again, PATIENCE)
        .await;
    talks(&mira, "Mira").await;
    let name = "document.querySelector('#name').value";
    assert_eq!(mira.eval(name).await, "Mira");
    arena.stop(Duration::from_secs(20));
    let _second = serve(&address, ["--guest-key", key]);
    mira.eval("void (location.href = '/')").await;
    mira.until("and of a new server", &again, PATIENCE * 2)
        .await;
    assert_eq!(mira.eval(name).await, "Mira");

    // Another name, the same guest; somebody else's page is somebody else.
    writes_name(&mira, "Nyx").await;
    let renamed = "JSON.parse(localStorage.getItem('afterglow.guest')).name === 'Nyx'";
    mira.until("a token of that name", renamed, PATIENCE).await;
    assert_eq!(mira.eval(WHO).await, who);
    for page in [mira, juno] {
        page.close().await;
    }
    std::fs::remove_file(key).expect("the key was made");
}

const MINE: &str = "[...arena.room.all('Ship')].find(e => e.mine)";

/// For 20 s by the room's own clock. The window is longer than usual, since a busy machine may take its time.
#[tokio::test]
async fn a_player_whose_link_is_gone_for_long_flies_on_in_the_same_ship() {
    let arena = serve("127.0.0.1:0", ["--set", "resume_ms=120000"]);
    let driver = Driver::start();
    let url = format!("{}/?play&link=poll&name=Mira", arena.url);
    let mira = driver.open(&url).await;
    let flies = format!("window.arena?.room && ({MINE})?.Ship.health > 0 && String(({MINE}).id)");
    let ship = mira.until("Mira flies", &flies, PATIENCE).await;
    let room = mira.eval("arena.room.id").await;
    let room = room.as_str().expect("a room has an id");
    let juno = driver
        .open(&format!("{}/?name=Juno#{room}", arena.url))
        .await;
    let seen = |presence: &str| {
        format!(
            "window.arena?.room?.members.find(m => m.name === 'Mira')?.presence === '{presence}'"
        )
    };
    juno.until("Juno sees her", &seen("online"), PATIENCE).await;
    mira.offline(true).await;
    juno.until("she is away", &seen("away"), PATIENCE * 2).await;
    let tick = juno.eval("arena.room.figures.tick").await;
    let later = format!("arena.room.figures.tick > {tick} + 20 * 60");
    juno.until("20 s have passed", &later, PATIENCE * 3).await;
    assert_eq!(juno.eval(&seen("away")).await, true);
    juno.picture("arena-gone").await;
    mira.offline(false).await;
    juno.until("she is back", &seen("online"), PATIENCE).await;
    mira.until(
        "in the same ship",
        &format!("arena.room.id === '{room}' && String(({MINE})?.id) === {ship}"),
        PATIENCE,
    )
    .await;
    let tick = mira.eval("arena.room.figures.tick").await;
    mira.until(
        "and time goes on",
        &format!("arena.room.figures.tick > {tick}"),
        PATIENCE,
    )
    .await;
    let members = juno
        .eval("arena.room.members.filter(m => m.name === 'Mira').length")
        .await;
    assert_eq!(members, 1);
    for page in [mira, juno] {
        page.close().await;
    }
}

/// Whom the room, the score board and the page itself take her for.
const NAMES: &str = "[arena.room.members.find(m => m.mine)?.name, [...arena.room.all('Pilot')].find(e => e.mine)?.Pilot.name, document.querySelector('#scores .mine span')?.textContent].join()";

async fn flies(page: &Page, name: &str) -> (Value, Value) {
    let flies = format!("window.arena?.room && ({MINE})?.Ship.health > 0");
    page.until(&format!("{name} flies"), &flies, PATIENCE).await;
    let named = format!("{NAMES} === '{name},{name},{name}'");
    page.until(&format!("as {name}"), &named, PATIENCE).await;
    // Whoever is not a computer player: nobody else is left behind.
    assert_eq!(page.eval("arena.room.members.length").await, 1);
    (
        page.eval("arena.room.id").await,
        page.eval(&format!("String(({MINE}).id)")).await,
    )
}

async fn writes_name(page: &Page, name: &str) {
    page.eval(&format!(
        "void (() => {{ const name = document.querySelector('#name'); name.value = '{name}'; name.dispatchEvent(new Event('change')) }})()"
    ))
    .await;
}

#[tokio::test]
async fn a_name_that_is_changed_in_flight_is_flown_by_after_the_next_landing() {
    let arena = serve("127.0.0.1:0", ["--seats", "8"]);
    let driver = Driver::start();
    let page = driver.open(&format!("{}/?play&name=Mira", arena.url)).await;
    let mira = flies(&page, "Mira").await;
    page.eval("void (window.was = arena.net)").await;
    writes_name(&page, "Nyx").await;
    let tick = page.eval("arena.room.figures.tick").await;
    let later = format!("arena.room.figures.tick > {tick} + 60");
    page.until("a second has passed", &later, PATIENCE).await;
    assert_eq!(flies(&page, "Mira").await, mira, "nothing is disturbed");
    assert_eq!(page.eval("arena.net === was").await, true);

    page.key("Escape", true).await;
    page.until("she has landed", "!arena.room", PATIENCE).await;
    talks(&page, "Nyx").await;
    let chat = "arena.chat.room.members.find(m => m.mine)?.name === 'Nyx'";
    page.until("and talks by the new name", chat, PATIENCE)
        .await;
    page.eval("document.querySelector('#play').requestSubmit()")
        .await;
    flies(&page, "Nyx").await;
    page.close().await;
}

#[tokio::test]
async fn a_reload_by_another_name_is_the_same_ship_by_that_name() {
    let arena = serve("127.0.0.1:0", ["--seats", "8"]);
    let driver = Driver::start();
    let page = driver.open(&format!("{}/?play&name=Mira", arena.url)).await;
    let mira = flies(&page, "Mira").await;
    for name in ["Nyx", "Mira"] {
        page.eval(&format!("void (location.href = '/?play&name={name}')"))
            .await;
        assert_eq!(flies(&page, name).await, mira, "the same ship");
    }
    page.close().await;
}

/// Again before the page of the reload before has loaded its modules, while it connects, and when it flies.
#[tokio::test]
async fn reloads_in_quick_succession_are_the_same_ship() {
    let arena = serve("127.0.0.1:0", ["--seats", "8"]);
    let driver = Driver::start();
    let page = driver.open(&format!("{}/?play&name=Mira", arena.url)).await;
    let again = "const left = Number(sessionStorage.left ?? 0); sessionStorage.left = Math.max(0, left - 1); if (left) setTimeout(() => location.reload(), Number(sessionStorage.pause)); else window.last = true";
    let source = json!({ "source": again });
    page.devtools("Page.addScriptToEvaluateOnNewDocument", source)
        .await;
    let mira = flies(&page, "Mira").await;
    for pause_ms in [0, 40, 150, 400] {
        page.eval(&format!("void (window.last = false, sessionStorage.left = 2, sessionStorage.pause = {pause_ms}, location.reload())"))
            .await;
        page.until("the reloads are over", "window.last === true", PATIENCE)
            .await;
        assert_eq!(flies(&page, "Mira").await, mira, "{pause_ms} ms apart");
    }
    page.close().await;
}
