//! Pages that nobody looked at, in a real Chromium: out of the back/forward cache, frozen, or with timers that sleep, each goes on in its room and nothing is lost.

use std::time::Duration;

use serde_json::json;
use tickwire::prelude::*;
use tickwire_client::{ClientConfig, RoomKey};
use tickwire_net::{Running, Server, client::Connection, now};
use tickwire_proto::frame::Presence;
use tickwire_tests::browser::{Driver, Page};

use crate::proxies::{count, echo};

const PATIENCE: Duration = Duration::from_secs(60);
const RATE: u32 = 20;

#[derive(PlayerCommand, Clone, Copy, Default)]
struct Push {
    #[net(range = -1..=1)]
    x: i8,
}

/// Says again what was said, and counts its ticks aloud.
fn talk(game: &mut Game) {
    game.rate(RATE)
        .seats(4)
        .command::<Push>()
        .message::<String>()
        .on_message(echo)
        .systems(count);
}

/// A page that numbers what it says and checks the numbers of what it hears; `wrong` is what nobody may ever see. `doze` is what Chromium does to
/// the timers of a page that was hidden for minutes: they ring once in a minute.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>hidden</title><link rel="icon" href="data:,">
<script type="module">
  import { connect } from './tickwire.js'
  const seen = window.seen = { said: 0, echoed: 0, tick: undefined, wrong: [], asked: 0, away: 0, resumed: 0, shown: 0 }
  const later = setTimeout
  let dozing = false
  window.setTimeout = (f, ms, ...more) => later(f, dozing ? Math.max(ms, 60_000) : ms, ...more)
  Object.defineProperty(document, 'visibilityState', { get: () => dozing ? 'hidden' : 'visible' })
  window.doze = on => { dozing = on; document.dispatchEvent(new Event('visibilitychange')) }
  addEventListener('pageshow', e => { if (e.persisted) seen.shown++ })
  const link = new URLSearchParams(location.search).get('link')
  const net = connect(undefined, { link, auth: () => ({ guest: link }) })
  net.on('state', state => { window.state = state; if (state.at === 'away') seen.away++ })
  net.on('resumed', () => seen.resumed++)
  for (const bad of ['expired', 'error']) net.on(bad, e => seen.wrong.push(`${bad} ${e}`))
  const room = window.room = await net.quick('talk')
  room.command = () => { seen.asked++; return { x: 0 } }
  room.on('Text', text => {
    const [what, number] = text.split(' ')
    if (what === 'echo') {
      if (Number(number) !== seen.echoed) seen.wrong.push(`echo ${number}, not ${seen.echoed}`)
      seen.echoed = Number(number) + 1
    } else {
      if (seen.tick !== undefined && Number(number) !== seen.tick + 1) seen.wrong.push(`tick ${number} behind ${seen.tick}`)
      seen.tick = Number(number)
    }
  })
  setInterval(() => { if (!dozing && seen.said < seen.echoed + 20) { room.send('Text', String(seen.said)); seen.said++ } }, 25)
  window.ready = true
</script>"#;

fn server() -> Running {
    let server = Server::new("talk", talk)
        .page(PAGE)
        .listen("127.0.0.1:0")
        .set("resume_ms", "120000");
    server.start().unwrap_or_else(|error| panic!("{error}"))
}

async fn open(driver: &Driver, server: &Running, link: &str) -> Page {
    let url = format!("http://{}/?link={link}", server.local_addr());
    let page = driver.open(&url).await;
    page.until("the page is in a room", "window.ready", PATIENCE)
        .await;
    talks(&page).await;
    page
}

/// It is online, and what it says comes back: all of it, once and in order, as does all that the room says.
async fn talks(page: &Page) {
    page.until("the page is online", "state.at === 'online'", PATIENCE)
        .await;
    let said = page.eval("seen.said").await;
    let goal = format!("seen.echoed >= {said} + 20");
    page.until("what it says comes back", &goal, PATIENCE).await;
    let seen = page.eval("seen").await;
    assert_eq!(seen["wrong"], json!([]), "{seen}");
}

/// Somebody else in the same room, who sees how the page over that link is doing.
struct Witness {
    net: Connection,
    room: RoomKey,
    link: &'static str,
}

impl Witness {
    async fn beside(page: &Page, server: &Running, link: &'static str) -> Self {
        let id = page.eval("room.id").await;
        let mut net = Connection::open(&server.url(), ClientConfig::default()).unwrap();
        let room = net.client_mut().join(id.as_str().expect("an id"));
        let mut witness = Self { net, room, link };
        witness.sees(Presence::Online).await;
        witness
    }

    fn presence(&self) -> Option<Presence> {
        let mut members = self.net.client().view(self.room)?.members().iter();
        Some(members.find(|member| member.name == self.link)?.presence)
    }

    async fn sees(&mut self, presence: Presence) {
        let deadline = now().plus(PATIENCE);
        while self.presence() != Some(presence) {
            let next = self.net.next_until(deadline).await;
            assert!(next.is_some(), "{:?}, not {presence:?}", self.presence());
        }
    }

    /// For so long it sees nothing else.
    async fn still_sees(&mut self, presence: Presence, span: Duration) {
        let until = now().plus(span);
        while self.net.next_until(until).await.is_some() {
            assert_eq!(self.presence(), Some(presence));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_out_of_the_back_forward_cache_goes_on_in_its_room() {
    let server = server();
    let driver = Driver::start();
    for link in ["ws", "poll"] {
        let page = open(&driver, &server, link).await;
        let room = page.eval("room.id").await;
        for shown in 1..=2 {
            let elsewhere = format!("http://{}/healthz", server.local_addr());
            page.client.goto(&elsewhere).await.expect("another page");
            page.client.back().await.expect("and back");
            let again = format!("window.seen?.shown === {shown}");
            page.until("it is the page of before", &again, PATIENCE)
                .await;
            talks(&page).await;
        }
        assert_eq!(
            page.eval("[room.id, room.members.filter(m => m.presence === 'online').length]")
                .await,
            json!([room, 1])
        );
        page.close().await;
    }
    server.stop();
}

/// Frozen as Chromium freezes a tab: no timer rings, nothing is heard or answered, so that the server takes the link for dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_was_frozen_goes_on_in_its_room() {
    let server = server();
    let driver = Driver::start();
    let link = "auto";
    let page = open(&driver, &server, link).await;
    let mut witness = Witness::beside(&page, &server, link).await;
    for _ in 0..2 {
        let resumed = page.eval("seen.resumed").await;
        let freeze = |state: &str| json!({ "state": state });
        page.devtools("Page.setWebLifecycleState", freeze("frozen"))
            .await;
        witness.sees(Presence::Away).await;
        witness
            .still_sees(Presence::Away, Duration::from_secs(3))
            .await;
        page.devtools("Page.setWebLifecycleState", freeze("active"))
            .await;
        witness.sees(Presence::Online).await;
        talks(&page).await;
        assert!(page.eval(&format!("seen.resumed > {resumed}")).await == true);
    }
    server.stop();
    page.close().await;
}

/// Longer than either side waits for a word: pings are answered as they come. And when it wakes, nothing is made up for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_whose_timers_sleep_keeps_its_session_and_wakes_without_a_storm() {
    let server = server();
    let driver = Driver::start();
    for link in ["ws", "poll"] {
        let page = open(&driver, &server, link).await;
        let mut witness = Witness::beside(&page, &server, link).await;
        let away = page.eval("seen.away").await;
        page.eval("void doze(true)").await;
        witness
            .still_sees(Presence::Online, Duration::from_secs(35))
            .await;
        let asked = page.eval("seen.asked").await;
        page.eval("void doze(false)").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let more = page.eval(&format!("seen.asked - {asked}")).await;
        let more = more.as_u64().expect("a number");
        // A second of them, and twice that for this machine; the nap had thirty-five.
        assert!(more <= 3 * u64::from(RATE), "{more} commands at once");
        talks(&page).await;
        assert_eq!(page.eval("seen.away").await, away);
        page.close().await;
    }
    server.stop();
}
