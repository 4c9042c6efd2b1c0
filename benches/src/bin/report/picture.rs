//! P1: what a frame of the arena's page costs its browser in script, with a full room of 64 moving players.

use std::process::{Command, Stdio};
use std::time::Duration;

use tickwire_benches::row::Row;
use tickwire_tests::browser::Driver;
use tickwire_tests::process::{self, Served};

const PATIENCE: Duration = Duration::from_secs(30);
/// Takes the time of every frame's script from here on.
const TAKE: &str = "void (() => { const raf = requestAnimationFrame; window.__frames = []; \
    window.requestAnimationFrame = draw => raf(at => { const begun = performance.now(); draw(at); \
    __frames.push([begun, performance.now() - begun]) }) })()";

pub fn rows(seconds: u64, print: &mut dyn FnMut(Row)) {
    let (arena, bots) = (process::release("arena"), process::release("tickwire-bots"));
    let arena = Served::start(&arena, &["--listen", "127.0.0.1:0", "--players", "0"]);
    let mut swarm = Command::new(bots)
        .args(["--url", &format!("ws://{}", arena.address())])
        .args(["--clients", "63", "--quiet", "--seconds"])
        .arg((seconds + 120).to_string())
        .stdout(Stdio::null())
        .spawn()
        .expect("the bots start");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    let frames = runtime.block_on(async {
        let driver = Driver::start();
        let page = driver.open(&format!("{}/?play&name=Ann", arena.url)).await;
        let full = "window.arena?.room && [...arena.room.all('Ship')].length >= 64";
        page.until("the room is full", full, PATIENCE).await;
        page.eval(TAKE).await;
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let frames = page.eval("__frames").await;
        page.close().await;
        frames
    });
    let _ = swarm.kill();
    let _ = swarm.wait();
    let frames = frames.as_array().cloned().unwrap_or_default();
    let mut spent: Vec<f64> = frames.iter().filter_map(|it| it[1].as_f64()).collect();
    spent.sort_by(f64::total_cmp);
    let at = |part: f64| spent.get((spent.len() as f64 * part) as usize).copied();
    let note = format!(
        "script of a frame at p99, 64 players; median {:.1} ms, {:.0} frames/s (Chromium draws in software here)",
        at(0.5).unwrap_or(f64::NAN),
        spent.len() as f64 / seconds as f64,
    );
    let row = Row::new("P1", at(0.99).unwrap_or(f64::INFINITY), "ms", note);
    print(row.goals(8.0, 4.0));
}
