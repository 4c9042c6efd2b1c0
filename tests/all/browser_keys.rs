//! The arena's keys in a real Chromium, on a way of 150 ms there and back: the rail, the help, and what shows the netcode. Bolts and flying are elsewhere.

use serde_json::{Value, json};
use tickwire_tests::browser::{Driver, Page};
use tickwire_tests::delay::Far;
use tickwire_tests::process::{Served, binary};

use crate::browser_predict::{MINE, PATIENCE, WAY, client, play};

const PREDICTS: &str = "arena.room.figures.prediction?.updates > 8 && arena.room.figures.prediction.aheadTicks > 5 && arena.room.figures.pingMs > 140";

fn serve() -> Served {
    let args = ["--listen", "127.0.0.1:0", "--players", "0"];
    let files = ["--files".to_owned(), client()];
    let args: Vec<&str> = args
        .into_iter()
        .chain(files.iter().map(String::as_str))
        .collect();
    Served::start(&binary("arena"), &args)
}

async fn press(page: &Page, code: &str) {
    page.key(code, true).await;
    page.key(code, false).await;
}

async fn seen(page: &Page, script: &str) -> Value {
    let seen = page.eval(script).await;
    serde_json::from_str(seen.as_str().expect("a text")).expect("JSON")
}

/// Holds the rail for 700 ms, and tells of each beam after how many milliseconds it was there.
const RAIL: &str = "new Promise(done => {
    const began = performance.now(), beams = []
    const stop = arena.room.on('Beam', beam => beams.push({ ms: performance.now() - began, ...beam }))
    dispatchEvent(new KeyboardEvent('keydown', { code: 'KeyE' }))
    let charged = false, drawn = 0
    const watch = () => {
        charged ||= [...arena.room.all('Ship')].find(e => e.mine)?.Ship.charging
        drawn = Math.max(drawn, arena.stage.effects.filter(e => e.kind === 'beam').length)
        if (performance.now() - began < 1700) return requestAnimationFrame(watch)
        stop()
        done(JSON.stringify({ beams, charged, drawn }))
    }
    requestAnimationFrame(watch)
    setTimeout(() => dispatchEvent(new KeyboardEvent('keyup', { code: 'KeyE' })), 700)
})";

#[tokio::test]
async fn a_rail_is_seen_at_once_by_who_shoots_and_once_by_all() {
    let arena = serve();
    let far = Far::from(arena.address(), WAY).await;
    let driver = Driver::start();
    let mira = play(&driver, &far.url, "Mira").await;
    mira.until("it predicts", PREDICTS, PATIENCE).await;
    let room = mira.eval("arena.room.id").await;
    let room = room.as_str().expect("an id");
    let juno = driver
        .open(&format!("{}/?name=Juno#{room}", arena.url))
        .await;
    let flies = format!("window.arena?.room && ({MINE})?.health > 0");
    juno.until("Juno flies", &flies, PATIENCE).await;
    juno.eval("void (window.beams = [], arena.room.on('Beam', beam => beams.push(beam)))")
        .await;
    let mut best = f64::INFINITY;
    for shot in 1..=3 {
        let seen = seen(&mira, RAIL).await;
        assert_eq!(seen["charged"], true, "{seen}");
        let beams = seen["beams"].as_array().expect("a list");
        assert_eq!(beams.len(), 1, "one beam, once: {seen}");
        assert_eq!(seen["drawn"], 1, "{seen}");
        best = best.min(beams[0]["ms"].as_f64().expect("a time"));
        let there = format!("beams.length >= {shot}");
        juno.until("the other one sees it", &there, PATIENCE).await;
    }
    assert_eq!(juno.eval("beams.length").await, 3);
    // Half a second of charging, give or take how ticks fall; the server's beam cannot be here before 150 ms more.
    assert!(
        (430.0..620.0).contains(&best),
        "it went off after {best} ms"
    );
    for page in [mira, juno] {
        page.close().await;
    }
}

/// Flies, and turns while nothing passes: what the server makes of it is something else.
const SURPRISE: &str = "new Promise(done => {
    const key = (kind, code) => dispatchEvent(new KeyboardEvent(kind, { code }))
    const wait = ms => new Promise(go => setTimeout(go, ms))
    const mine = [...arena.room.all('Ship')].find(e => e.mine).Ship
    const [there, back] = mine.x > 800 ? ['KeyA', 'KeyD'] : ['KeyD', 'KeyA']
    let arrows = []
    const watch = setInterval(() => { if (arena.netview.arrows.length > arrows.length) arrows = [...arena.netview.arrows] }, 10)
    const run = async () => {
        key('keydown', there); await wait(500)
        arena.net.condition({ cutMs: 400 }); await wait(100)
        key('keyup', there); key('keydown', back); await wait(300)
        key('keyup', back); await wait(900)
        clearInterval(watch)
        done(JSON.stringify({ arrows, count: arena.netview.count }))
    }
    run()
})";

#[tokio::test]
async fn each_key_of_the_help_does_what_it_says() {
    let arena = serve();
    let far = Far::from(arena.address(), WAY).await;
    let driver = Driver::start();
    let page = play(&driver, &far.url, "Mira").await;
    page.until("it predicts", PREDICTS, PATIENCE).await;
    assert_eq!(page.eval("!hint.hidden").await, true, "who is new is told");

    // The help is the table by which keys are heard.
    press(&page, "KeyH").await;
    let rows = page
        .eval("import('/keys.js').then(({ KEYS }) => KEYS.map(key => key.name))")
        .await;
    let shown =
        "!help.hidden && [...document.querySelectorAll('#help li')].map(li => li.dataset.key)";
    assert_eq!(page.eval(shown).await, rows);
    for name in ["rail", "ghosts", "vectors", "link", "figures", "help"] {
        assert!(
            rows.as_array()
                .is_some_and(|rows| rows.contains(&json!(name))),
            "{rows}"
        );
    }
    page.picture("arena-help").await;
    press(&page, "Escape").await;
    assert_eq!(
        page.eval("help.hidden && hint.hidden && !!arena.room")
            .await,
        true
    );
    for (code, panel) in [("F3", "net"), ("KeyL", "link")] {
        let off = format!("document.getElementById('{panel}').classList.contains('off')");
        assert_eq!(page.eval(&off).await, false);
        press(&page, code).await;
        assert_eq!(page.eval(&off).await, true, "{code}");
        press(&page, code).await;
    }
    let figures = "['lead', 'delay', 'buffer', 'rollbacks', 'ahead', 'corrected'].every(f => document.getElementById('f-' + f).textContent !== '–')";
    page.until("the figures are shown", figures, PATIENCE).await;

    // The ghost of the own ship is where the newest snapshot has it: behind, as long as it flies.
    assert_eq!(page.eval("arena.netview.drawn.length").await, 0);
    press(&page, "KeyG").await;
    page.key("KeyS", true).await;
    page.key("KeyD", true).await;
    let behind = "arena.netview.drawn.find(ghost => ghost.mine && ghost.away > 15)?.away";
    page.until("its ghost is behind", behind, PATIENCE).await;
    assert_eq!(
        page.eval("!legend.hidden && legend.textContent.includes('Ghosts')")
            .await,
        true
    );
    page.picture("arena-ghosts").await;
    page.key("KeyS", false).await;
    page.key("KeyD", false).await;
    page.until(
        "and comes to it where it rests",
        "arena.netview.drawn.some(ghost => ghost.mine && ghost.away < 1)",
        PATIENCE,
    )
    .await;
    press(&page, "KeyG").await;
    page.until("no ghosts", "arena.netview.drawn.length === 0", PATIENCE)
        .await;

    press(&page, "KeyV").await;
    press(&page, "KeyV").await;
    assert_eq!(page.eval("arena.netview.vectors").await, 10);
    press(&page, "KeyV").await;
    assert_eq!(page.eval("arena.netview.vectors").await, 0);
    press(&page, "KeyV").await;
    assert_eq!(page.eval("arena.netview.vectors").await, 1);
    let before = seen(&page, "JSON.stringify(arena.netview.count)").await;
    let after = seen(&page, SURPRISE).await;
    let moved = |it: &Value| it["moved"].as_u64().expect("a number");
    assert!(moved(&after["count"]) > moved(&before), "{before} {after}");
    let arrows = after["arrows"].as_array().expect("a list");
    let long = |arrow: &Value| {
        let part = |name: &str| arrow[name].as_f64().expect("a number");
        (part("dx") * part("dx") + part("dy") * part("dy")).sqrt()
    };
    let longest = arrows.iter().map(long).fold(0.0, f64::max);
    assert!((1.0..160.0).contains(&longest), "{after}");
    assert_eq!(
        page.eval("legend.textContent.includes('Corrections ×1')")
            .await,
        true
    );
    page.until(
        "the arrows fade",
        "arena.netview.arrows.length === 0",
        PATIENCE,
    )
    .await;

    press(&page, "Escape").await;
    page.until("the lobby", "!arena.room && legend.hidden", PATIENCE)
        .await;
    page.close().await;
}

/// Nothing of the HUD lies over anything else on a phone, held upright.
#[tokio::test]
async fn the_hud_fits_a_phone() {
    let arena = serve();
    let driver = Driver::start();
    let page = driver.open(&format!("{}/healthz", arena.url)).await;
    let phone = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
    page.devtools("Emulation.setDeviceMetricsOverride", phone)
        .await;
    page.eval(&format!(
        "void (location.href = '{}/?play&name=Mira')",
        arena.url
    ))
    .await;
    let flies = format!(
        "window.arena?.room && ({MINE})?.health > 0 && document.querySelector('#scores li')"
    );
    page.until("Mira flies", &flies, PATIENCE).await;
    press(&page, "KeyG").await;
    press(&page, "KeyV").await;
    press(&page, "KeyL").await;
    let apart = "(() => {
        const shown = [...document.querySelectorAll('.panel:not([hidden]):not(.off), #more, #hint:not([hidden])')]
        const boxes = shown.map(it => [it.id, it.getBoundingClientRect()])
        const over = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
        const wrong = boxes.flatMap(([a, box], i) => boxes.slice(i + 1).filter(([, other]) => over(box, other)).map(([b]) => `${a} over ${b}`))
        wrong.push(...boxes.filter(([, box]) => box.left < 0 || box.right > innerWidth || box.bottom > innerHeight).map(([a]) => `${a} is cut`))
        return boxes.length >= 6 && wrong.join()
    })()";
    page.until(
        "figures",
        "document.getElementById('f-kbps').textContent !== '–'",
        PATIENCE,
    )
    .await;
    page.picture("arena-phone").await;
    assert_eq!(page.eval(apart).await, "");
    page.close().await;
}
