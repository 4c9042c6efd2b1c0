//! `first`: what a newcomer waits for: the cold build of hello outside of this repository, and the first picture of its page.

use std::time::{Duration, Instant};

use tickwire_benches::row::Row;
use tickwire_tests::{browser::Driver, newcomer, process::Served};

pub fn rows(print: &mut dyn FnMut(Row)) {
    newcomer::forget();
    let begun = Instant::now();
    let program = newcomer::build();
    let built = begun.elapsed();
    let hello = Served::start(&program, &["--listen", "127.0.0.1:0"]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    let (dot, picture) = runtime.block_on(async {
        let driver = Driver::start();
        let page = driver.open(&hello.url).await;
        page.until("a dot is drawn", &format!("{} >= 1", newcomer::DOTS), Duration::from_secs(20)).await;
        let dot = begun.elapsed();
        // The same page again, as a player finds it: from the start of the navigation to the first drawn frame.
        let probe = "(window.__first ??= (async () => { const t = performance.now.bind(performance); \
            for (;;) { if (DOTS >= 1) return t(); await new Promise(requestAnimationFrame) } })(), true)";
        page.client.refresh().await.expect("the page reloads");
        page.eval(&probe.replace("DOTS", newcomer::DOTS)).await;
        page.eval("(__first.then(ms => { window.__ms = ms }), true)").await;
        let ms = page.until("the first picture", "window.__ms", Duration::from_secs(20)).await;
        page.close().await;
        (dot, ms.as_f64().unwrap_or(f64::NAN))
    });
    print(Row::new(
        "first.build",
        built.as_secs_f64(),
        "s",
        "hello outside the repository, cold dev build of everything",
    ));
    print(Row::new(
        "first.dot",
        dot.as_secs_f64(),
        "s",
        "from `cargo init` to the first dot in Chromium",
    ));
    print(Row::new(
        "first.page",
        picture,
        "ms",
        "from opening the page to the first picture",
    ));
}
