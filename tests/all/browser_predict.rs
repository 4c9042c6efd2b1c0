//! Prediction in a real Chromium: the arena's own client, which has the game inside as WebAssembly, on a way of 150 ms there and back.

use std::time::Duration;

use tickwire_tests::browser::{Driver, Page};
use tickwire_tests::delay::Far;
use tickwire_tests::process::{Served, binary};
use tickwire_tests::target;

pub const PATIENCE: Duration = Duration::from_secs(60);
/// One way.
pub const WAY: Duration = Duration::from_millis(75);
/// The own ship, as the page shows it.
pub const MINE: &str = "[...arena.room.all('Ship')].find(e => e.mine)?.Ship";

/// Holds a key down and watches the own ship picture by picture: after how many pictures and milliseconds it moves, and where the others' truth of it
/// is then.
const PRESS: &str = "new Promise(done => {
    const mine = () => [...arena.room.all('Ship')].find(e => e.mine)?.Ship
    const from = mine(), began = performance.now(), track = []
    let pictures = 0
    const away = from.x > 800 ? 'KeyA' : 'KeyD'
    dispatchEvent(new KeyboardEvent('keydown', { code: away }))
    const watch = () => {
        pictures++
        const now = mine()
        if (now) track.push([Math.round(performance.now() - began), now.x - from.x, now.y - from.y])
        if (performance.now() - began < 500) return requestAnimationFrame(watch)
        dispatchEvent(new KeyboardEvent('keyup', { code: away }))
        const first = track.findIndex(([, x]) => Math.abs(x) > 0.2)
        done(JSON.stringify({ first, ms: first < 0 ? null : track[first][0], moved: Math.abs(track.at(-1)[1]), pictures, track }))
    }
    requestAnimationFrame(watch)
})";

pub async fn play(driver: &Driver, url: &str, name: &str) -> Page {
    let page = driver.open(&format!("{url}/?play&name={name}")).await;
    let flies = format!("window.arena?.room && ({MINE})?.health > 0");
    page.until(&format!("{name} flies"), &flies, PATIENCE).await;
    page
}

pub fn client() -> String {
    let folder = target().join("tickwire/arena");
    assert!(
        folder.join("tickwire_core_bg.wasm").is_file(),
        "the arena's own client is not built: cargo xtask arena-web"
    );
    folder.to_string_lossy().into_owned()
}

#[tokio::test]
async fn a_key_moves_ones_own_ship_before_the_server_can_have_heard_of_it() {
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--players",
        "0",
        "--files",
        &client(),
    ];
    let arena = Served::start(&binary("arena"), &args);
    let far = Far::from(arena.address(), WAY).await;
    let driver = Driver::start();
    let page = play(&driver, &far.url, "Mira").await;
    let runs = "arena.room.figures.prediction?.updates > 8 && arena.room.figures.prediction.aheadTicks > 5 && arena.room.figures.pingMs > 140";
    page.until("it predicts", runs, PATIENCE).await;

    // The best of some presses: a busy machine shows a picture late now and then, but never one too early.
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let seen = page.eval(PRESS).await;
        let seen: serde_json::Value =
            serde_json::from_str(seen.as_str().expect("a text")).expect("JSON");
        assert!(
            seen["moved"].as_f64() > Some(20.0),
            "it did not fly: {seen}"
        );
        best = best.min(seen["ms"].as_f64().expect("it moved"));
    }
    assert!(best < 75.0, "it moved after {best} ms, on a way of 150 ms");

    // Alone nothing is ever corrected but what the server decides: its own coming to life.
    let before = page
        .eval("arena.room.figures.prediction.mispredictions")
        .await;
    page.eval(PRESS).await;
    let after = page
        .eval("arena.room.figures.prediction.mispredictions")
        .await;
    let late = after.as_f64().unwrap_or(0.0) - before.as_f64().unwrap_or(0.0);
    assert!(late <= 2.0, "{late} corrections in half a second alone");
    page.picture("arena-predicted").await;
    page.close().await;
}

/// A shot of one's own is there in the pictures after one fires, once, and flies on when the server's is found to be it.
#[tokio::test]
async fn ones_own_shot_leaves_at_once_and_is_one_shot() {
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--players",
        "0",
        "--files",
        &client(),
    ];
    let arena = Served::start(&binary("arena"), &args);
    let far = Far::from(arena.address(), WAY).await;
    let driver = Driver::start();
    let page = play(&driver, &far.url, "Mira").await;
    let runs = "arena.room.figures.prediction?.updates > 8 && arena.room.figures.prediction.aheadTicks > 5";
    page.until("it predicts", runs, PATIENCE).await;
    let shoot = "new Promise(done => {
        const began = performance.now(), ids = new Map()
        let first = null, most = 0
        dispatchEvent(new KeyboardEvent('keydown', { code: 'Space' }))
        setTimeout(() => dispatchEvent(new KeyboardEvent('keyup', { code: 'Space' })), 60)
        const watch = () => {
            const bolts = [...arena.room.all('Bolt')]
            most = Math.max(most, bolts.length)
            if (bolts.length && first === null) first = performance.now() - began
            for (const bolt of bolts) ids.set(bolt.id, (ids.get(bolt.id) ?? 0) + 1)
            if (performance.now() - began < 1000) return requestAnimationFrame(watch)
            done(JSON.stringify({ first, most, ids: ids.size }))
        }
        requestAnimationFrame(watch)
    })";
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(900)).await;
        let seen = page.eval(shoot).await;
        let seen: serde_json::Value =
            serde_json::from_str(seen.as_str().expect("a text")).expect("JSON");
        // One key press of 60 ms is one shot: the gun wants 11 ticks.
        assert_eq!(seen["ids"], 1, "{seen}");
        assert_eq!(seen["most"], 1, "{seen}");
        best = best.min(seen["first"].as_f64().expect("it was seen"));
    }
    assert!(best < 75.0, "it left after {best} ms, on a way of 150 ms");
    page.close().await;
}
