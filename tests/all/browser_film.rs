//! What a player on a bad way sees of another one, picture by picture, in a real Chromium: the page's own conditioner makes the way.

use std::time::Duration;

use serde_json::Value;
use tickwire_tests::browser::{Driver, Page};
use tickwire_tests::process::{Served, binary};
use tickwire_tests::target;

const PATIENCE: Duration = Duration::from_secs(60);
/// Pictures that are watched for so long, in milliseconds.
const WATCHED_MS: u32 = 6_000;
/// Screenshots of the film strip.
const STRIP: usize = 6;

/// The way each of the other ships that live goes, picture by picture: time, place, and whether it is alive.
const WATCH: &str = "new Promise(done => {
    const began = performance.now(), ways = new Map(), times = []
    const watch = () => {
        const now = performance.now() - began
        times.push(now)
        for (const ship of arena.room.all('Ship')) {
            if (ship.mine) continue
            if (!ways.has(ship.id)) ways.set(ship.id, [])
            ways.get(ship.id).push([now, ship.Ship.x, ship.Ship.y, ship.Ship.health > 0 ? 1 : 0])
        }
        if (now < MILLIS) return requestAnimationFrame(watch)
        done(JSON.stringify({ times, ways: [...ways.values()] }))
    }
    requestAnimationFrame(watch)
})";

/// A move from one picture to the next.
#[derive(Clone, Copy)]
struct Step {
    at: f64,
    ms: f64,
    way: f64,
}

async fn play(driver: &Driver, url: &str) -> Page {
    let page = driver.open(&format!("{url}/?play&name=Mira")).await;
    let flies =
        "window.arena?.room && [...arena.room.all('Ship')].find(e => e.mine)?.Ship?.health > 0";
    page.until("she flies", flies, PATIENCE).await;
    page
}

/// The moves of a ship while it lives.
fn steps(way: &Value) -> Vec<Step> {
    let at = |it: &Value, field: usize| it[field].as_f64().expect("a number");
    let all = way.as_array().expect("a list");
    let pairs = all
        .windows(2)
        .filter(|pair| at(&pair[0], 3) > 0.0 && at(&pair[1], 3) > 0.0);
    pairs
        .map(|pair| Step {
            at: at(&pair[1], 0),
            ms: at(&pair[1], 0) - at(&pair[0], 0),
            way: {
                let (x, y) = (
                    at(&pair[1], 1) - at(&pair[0], 1),
                    at(&pair[1], 2) - at(&pair[0], 2),
                );
                (x * x + y * y).sqrt()
            },
        })
        .collect()
}

/// At 150 ms and 2 % loss others move as if there were no network, but for a picture now and then.
#[tokio::test]
async fn others_fly_smoothly_over_a_bad_way() {
    let client = target().join("tickwire/arena");
    assert!(
        client.join("tickwire_core_bg.wasm").is_file(),
        "the arena's own client is not built: cargo xtask arena-web"
    );
    let client = client.to_string_lossy();
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--players",
        "4",
        "--files",
        &*client,
    ];
    let arena = Served::start(&binary("arena"), &args);
    let driver = Driver::start();
    let page = play(&driver, &arena.url).await;
    page.eval("(arena.net.condition({ delayMs: 75, jitterMs: 10, loss: 0.02 }), true)")
        .await;
    let far = "arena.room.figures.pingMs > 140 && arena.room.figures.prediction?.updates > 8";
    page.until("the way is long", far, PATIENCE).await;
    // It learns how long pictures must wait.
    tokio::time::sleep(Duration::from_secs(12)).await;

    let seen = page
        .eval(&WATCH.replace("MILLIS", &WATCHED_MS.to_string()))
        .await;
    let seen: Value = serde_json::from_str(seen.as_str().expect("a text")).expect("JSON");
    let all: Vec<Step> = seen["ways"]
        .as_array()
        .expect("ships")
        .iter()
        .flat_map(steps)
        .collect();
    let flown: Vec<Step> = all.iter().copied().filter(|step| step.way > 0.05).collect();
    assert!(
        flown.len() > 100,
        "others hardly flew: {} moves",
        flown.len()
    );
    // A ship flies 250 units a second at most, and a page's clock hurries by an eighth when it must. Faster is what a stall held up that was longer than what
    // was learned so far (a lost packet is said again after a third of a second), and who comes to life elsewhere, in one picture.
    let leapt = all
        .iter()
        .filter(|step| step.way > 250.0 * 1.3 * step.ms / 1e3 + 3.0)
        .map(|step| step.at as u64);
    let pictures: std::collections::BTreeSet<u64> = leapt.collect();
    let shown = seen["times"].as_array().expect("times").len();
    println!(
        "faster than they can in {} of {shown} pictures",
        pictures.len()
    );
    assert!(
        pictures.len() * 20 <= shown && shown > 100,
        "faster than they can in {} of {shown} pictures, at {pictures:?} ms",
        pictures.len()
    );

    // The HUD's figures are of such a way.
    let figure = async |name: &str| {
        let value = page.eval(&format!("arena.room.figures.{name}")).await;
        value.as_f64().unwrap_or_else(|| panic!("{name}: {value}"))
    };
    let (ping, delay) = (figure("pingMs").await, figure("delayMs").await);
    assert!((140.0..400.0).contains(&ping), "a ping of {ping} ms");
    assert!((10.0..1_500.0).contains(&delay), "{delay} ms behind");
    let (ahead, lead) = (
        figure("prediction.aheadTicks").await,
        figure("leadTicks").await,
    );
    assert!((5.0..64.0).contains(&ahead), "{ahead} ticks ahead");
    assert!((0.0..31.0).contains(&lead), "a lead of {lead} ticks");
    assert_eq!(figure("faults").await, 0.0);

    for picture in 0..STRIP {
        page.picture(&format!("film-{picture}")).await;
    }
    page.close().await;
}
