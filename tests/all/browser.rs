//! The arena and hello in a real Chromium: what a player would see, through the prebuilt browser client and a real server process.

use std::time::Duration;

use tickwire_tests::{
    browser::{Driver, Page},
    newcomer,
    process::{Served, binary},
};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn two_pages_share_a_room_and_a_third_is_refused() {
    let arena = Served::start(
        &binary("arena"),
        &["--listen", "127.0.0.1:0", "--players", "0", "--seats", "2"],
    );
    let driver = Driver::start();
    let ann = playing(&driver, &arena.url, "Ann").await;
    let room = ann
        .eval("arena.room.id")
        .await
        .as_str()
        .expect("a room has an id")
        .to_owned();
    let bob = playing(&driver, &format!("{}/?name=Bob#{room}", arena.url), "Bob").await;
    assert_eq!(
        bob.eval("arena.room.id").await,
        room.as_str(),
        "the link of the address joins that room"
    );

    for page in [&ann, &bob] {
        page.until(
            "both ships are seen",
            "[...arena.room.all('Ship')].filter(e => e.Ship.health > 0).length === 2",
            PATIENCE,
        )
        .await;
    }
    let before = foe_x(&bob).await;
    ann.key("KeyD", true).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    ann.key("KeyD", false).await;
    ann.key("KeyA", true).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    ann.key("KeyA", false).await;
    bob.until(
        "the other's ship has moved",
        &format!("Math.abs({FOE}.x - {before}) > 20 || {MOVED}"),
        PATIENCE,
    )
    .await;
    ann.until("the six figures are shown", "['ping','jitter','tick','kbps','entities','link'].every(f => document.getElementById('f-' + f).textContent !== '–')", PATIENCE).await;
    ann.picture("arena-two-players").await;

    let cid = driver
        .open(&format!("{}/?name=Cid#{room}", arena.url))
        .await;
    let why = cid
        .until(
            "the refusal is shown",
            "!problem.hidden && problem.textContent",
            PATIENCE,
        )
        .await;
    assert!(
        why.as_str()
            .is_some_and(|text| text.contains("room is full")),
        "{why}"
    );
    cid.picture("arena-full").await;
    for page in [ann, bob, cid] {
        page.close().await;
    }
}

const FOE: &str = "[...arena.room.all('Ship')].find(e => !e.mine).Ship";
const MOVED: &str = "Math.hypot([...arena.room.all('Ship')].find(e => !e.mine).Ship.vx) > 50";

#[tokio::test]
async fn pages_come_back_by_themselves_after_a_restart() {
    let program = binary("arena");
    let arena = Served::start(&program, &["--listen", "127.0.0.1:0", "--players", "4"]);
    let (url, address) = (arena.url.clone(), arena.address().to_owned());
    let driver = Driver::start();
    let ann = playing(&driver, &url, "Ann").await;
    let room = ann.eval("arena.room.id").await;
    let room = room.as_str().expect("a room has an id");
    let bob = playing(&driver, &format!("{url}/?name=Bob#{room}"), "Bob").await;
    for page in [&ann, &bob] {
        page.until("computer players fly too", &flying(4), PATIENCE)
            .await;
        // What a page that was loaded anew has not.
        page.eval("void (window.stayed = true)").await;
    }

    let status = arena.stop(Duration::from_secs(20));
    assert_eq!(
        status.code(),
        Some(0),
        "a server that was told to stop ends well"
    );
    for page in [&ann, &bob] {
        page.until(
            "the page says that the server is away",
            "!banner.hidden && banner.textContent.includes('away')",
            PATIENCE,
        )
        .await;
    }
    ann.picture("arena-away").await;

    let _again = Served::start(&program, &["--listen", &address, "--players", "4"]);
    for (page, name) in [(&ann, "Ann"), (&bob, "Bob")] {
        page.until("the banner is gone", "banner.hidden", PATIENCE * 3)
            .await;
        page.until(
            &format!("{name} flies again"),
            "arena.room && [...arena.room.all('Ship')].some(e => e.mine && e.Ship.health > 0)",
            PATIENCE,
        )
        .await;
    }
    // Both, in a room of the new server, without anybody who loaded the page anew.
    for (page, other) in [(&ann, "Bob"), (&bob, "Ann")] {
        page.until(
            "the other is there again",
            &format!(
                "stayed && arena.room.members.some(m => !m.mine && m.name.includes('{other}'))"
            ),
            PATIENCE,
        )
        .await;
        page.until("all fly", &flying(4), PATIENCE).await;
    }
    ann.picture("arena-back").await;
    for page in [ann, bob] {
        page.close().await;
    }
}

fn flying(count: usize) -> String {
    format!("[...arena.room.all('Ship')].filter(e => e.Ship.health > 0).length === {count}")
}

/// What a newcomer does: a fresh package outside of this repository, the example pasted, no wasm toolchain in sight.
#[tokio::test]
async fn hello_works_outside_of_this_repository() {
    let program = newcomer::build();
    let hello = Served::start(&program, &["--listen", "127.0.0.1:0"]);
    let driver = Driver::start();
    let one = driver.open(&hello.url).await;
    let two = driver.open(&hello.url).await;
    for page in [&one, &two] {
        page.until(
            "a dot is drawn",
            &format!("{} >= 1", newcomer::DOTS),
            PATIENCE,
        )
        .await;
    }
    // Both start on the same spot: two squares are seen as soon as one has moved.
    one.key("KeyD", true).await;
    for page in [&one, &two] {
        page.until(
            "the two dots come apart",
            &format!("{} === 2", newcomer::DOTS),
            PATIENCE,
        )
        .await;
    }
    one.key("KeyD", false).await;
    one.picture("hello-one").await;
    two.picture("hello-two").await;
    one.close().await;
    two.close().await;
}

/// The ship of a page, and whose it is.
const SHIP: &str = "(e => e && e.id)([...arena.room.all('Ship')].find(e => e.mine))";

#[tokio::test]
async fn a_reload_is_the_same_ship_and_a_duplicated_tab_another() {
    let arena = Served::start(
        &binary("arena"),
        &["--listen", "127.0.0.1:0", "--players", "0"],
    );
    let driver = Driver::start();
    let ann = playing(&driver, &arena.url, "Ann").await;
    let (room, ship) = (ann.eval("arena.room.id").await, ann.eval(SHIP).await);
    for _ in 0..2 {
        ann.eval("void (window.old = true)").await;
        ann.client.refresh().await.expect("the page reloads");
        let flies = format!("!window.old && window.arena?.room?.id && {SHIP}");
        ann.until("she flies again", &flies, PATIENCE).await;
        assert_eq!(ann.eval("arena.room.id").await, room);
        assert_eq!(ann.eval(SHIP).await, ship, "the same ship");
    }
    assert_eq!(
        ann.eval("[...arena.room.all('Ship')].length").await,
        1,
        "nobody else is left behind"
    );
    // A duplicated tab has what the first one keeps for this session of the browser.
    let kept = ann.eval("JSON.stringify({ ...sessionStorage })").await;
    let twin = driver.open(&format!("{}/healthz", arena.url)).await;
    let kept = kept.as_str().expect("a text");
    twin.eval(&format!(
        "void Object.entries({kept}).forEach(([name, value]) => sessionStorage.setItem(name, value))"
    ))
    .await;
    twin.eval(&format!(
        "void (location.href = '{}/?play&name=Ann')",
        arena.url
    ))
    .await;
    let flies = format!("window.arena?.room?.id && {SHIP}");
    twin.until("the twin flies", &flies, PATIENCE).await;
    assert_ne!(twin.eval(SHIP).await, ship);
    assert_eq!(ann.eval(SHIP).await, ship, "no fight");
    for page in [ann, twin] {
        page.close().await;
    }
}

async fn playing(driver: &Driver, url: &str, name: &str) -> Page {
    let address = if url.contains('#') {
        url.to_owned()
    } else {
        format!("{url}/?play&name={name}")
    };
    let page = driver.open(&address).await;
    page.until(
        &format!("{name} is in a room"),
        "window.arena && arena.room && arena.room.id",
        PATIENCE,
    )
    .await;
    page.until(
        &format!("{name} flies"),
        "[...arena.room.all('Ship')].some(e => e.mine && e.Ship.health > 0)",
        PATIENCE,
    )
    .await;
    page
}

async fn foe_x(page: &Page) -> f64 {
    page.eval(&format!("{FOE}.x"))
        .await
        .as_f64()
        .expect("a number")
}
