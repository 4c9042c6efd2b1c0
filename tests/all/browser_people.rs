//! People in a real Chromium: following and words, and notices of a game that wait on disk and reach a page once, over a restart of the server.

use std::time::Duration;

use tickwire::prelude::*;
use tickwire_net::{Namespace, Running};
use tickwire_tests::browser::{Driver, Page};

const PATIENCE: Duration = Duration::from_secs(30);

/// Whoever comes finds a medal.
fn welcome(In(player): In<Player>, mut notices: ResMut<Notices>) {
    notices.keep(player, "medal", &player.seat);
}

fn party(game: &mut Game) {
    game.rate(20).seats(4).on_join(welcome);
}

const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module">
  import { connect } from '/tickwire.js'
  const guest = new URLSearchParams(location.search).get('name')
  window.told = []
  window.seen = []
  window.net = connect(undefined, { auth: () => ({ guest }) })
  window.chat = net.namespace('/chat')
  net.on('error', e => told.push(String(e)))
  net.on('person', p => seen.push(`${p.identity} ${p.presence} ${p.status}`))
  chat.on('person', p => seen.push(`chat ${p.identity} ${p.presence} ${p.status}`))
  window.refusals = 0
  net.on('notice', async n => {
    if (n.kind === 'bad' && refusals++ === 0) throw new Error('not now')
    told.push(`${n.kind} ${JSON.stringify(n.data)} ${n.cursor}`)
  })
</script>"#;

fn serve(address: &str, folder: &std::path::Path) -> Running {
    let server = Server::new("party", party)
        .namespace(Namespace::new("/chat"))
        .page(PAGE)
        .listen(address)
        .set("state_dir", folder.to_str().expect("a path of letters"));
    server.start().unwrap_or_else(|error| panic!("{error}"))
}

async fn open(driver: &Driver, address: &str, name: &str) -> Page {
    let page = driver.open(&format!("http://{address}/?name={name}")).await;
    page.until("the page is ready", "!!window.chat", PATIENCE)
        .await;
    page
}

async fn has(page: &Page, what: &str) {
    page.until(what, what, PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_follows_and_finds_its_notices_once_over_a_restart() {
    let folder = std::env::temp_dir().join(format!("tickwire-page-{}", std::process::id()));
    let first = serve("127.0.0.1:0", &folder);
    let address = first.local_addr().to_string();
    let driver = Driver::start();
    let ann = open(&driver, &address, "Ann").await;
    let ben = open(&driver, &address, "Ben").await;
    ben.eval("void net.follow('guest:Ann')").await;
    has(
        &ben,
        "seen.includes('guest:Ann gone ') || seen.includes('guest:Ann online ')",
    )
    .await;
    ann.eval("void net.quick('party').then(room => { window.room = room })")
        .await;
    has(&ben, "net.person('guest:Ann')?.presence === 'online'").await;
    ann.eval("void net.status('in queue')").await;
    has(&ben, "seen.at(-1) === 'guest:Ann online in queue'").await;
    ben.eval("void chat.follow('guest:Ann')").await;
    ann.eval("void chat.status('typing')").await;
    has(&ben, "seen.includes('chat guest:Ann online typing')").await;
    assert_eq!(ben.eval("net.person('guest:Ann').status").await, "in queue");

    // Of the game to who has a seat; of whoever is in charge; one that its listener does not take the first time.
    has(&ann, "told.includes('medal 0 1')").await;
    let people = first.people();
    people.notify("guest:Ann", "call", &"now").expect("taken");
    has(&ann, "told.includes('call \"now\" null')").await;
    let keeping = people.keep("guest:Ann", "bad", &2).expect("taken");
    assert_eq!(keeping.kept().await, Ok(2));
    has(&ann, "refusals === 1").await;
    first.stop();

    let second = serve(&address, &folder);
    let keeping = second.people().keep("guest:Ann", "news", &"back");
    assert_eq!(keeping.expect("taken").kept().await, Ok(3));
    has(
        &ann,
        "told.includes('bad 2 2') && told.includes('news \"back\" 3')",
    )
    .await;
    // The room of the new server welcomes her too.
    has(&ann, "told.includes('medal 0 4')").await;
    has(
        &ben,
        "[net, chat].map(it => it.person('guest:Ann')).map(p => `${p.presence} ${p.status}`).join() === 'online in queue,online typing'",
    )
    .await;
    let once = ann.eval("told.length === new Set(told).size").await;
    assert_eq!(once, true, "each once");
    second.stop();
    let _ = std::fs::remove_dir_all(&folder);
}
