//! The arena's lobby in a real Chromium: chat with who types and what was said before, guests who are known again, and a player who was gone for long and flies on.

use std::time::Duration;

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
    mira.eval("void (() => { const name = document.querySelector('#name'); name.value = 'Nyx'; name.dispatchEvent(new Event('change')) })()")
        .await;
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
