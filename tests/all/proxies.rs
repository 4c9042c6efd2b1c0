//! Behind a real nginx: with WebSockets, without them, and while that changes; by the native client and in a real Chromium.

use std::time::Duration;

use bevy_ecs::prelude::*;
use tickwire::prelude::*;
use tickwire_client::{ClientConfig, ClientEvent, LinkChoice, LinkKind, RoomKey, State};
use tickwire_net::{Running, Server, client::Connection, now};
use tickwire_snapshot::message::{self, Message};
use tickwire_tests::{
    browser::{Driver, Page},
    nginx::Nginx,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Says again what was said, to who said it, and counts its ticks aloud: two numbered streams that show what is lost or doubled.
fn talk(game: &mut Game) {
    game.rate(20)
        .seats(8)
        .message::<String>()
        .on_message(echo)
        .systems(count);
}

pub fn echo(In(from): In<FromPlayer<String>>, mut outbox: ResMut<Outbox>) {
    outbox.to(from.player, &format!("echo {}", from.message));
}

pub fn count(tick: Res<CurrentTick>, mut outbox: ResMut<Outbox>) {
    outbox.all(&format!("tick {}", tick.tick().0));
}

/// A page that numbers what it says, and checks the numbers of what it hears.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>talk</title>
<script type="module">
  import { connect } from './tickwire.js'
  // for the messages of failed tests
  const log = window.__log = [], tell = (...what) => log.push([Math.round(performance.now()), ...what])
  const Plain = WebSocket
  window.WebSocket = class extends Plain {
    constructor(...how) { super(...how); tell('ws'); this.addEventListener('open', () => tell('open')); this.addEventListener('close', e => tell('close', e.code, e.reason)) }
  }
  const net = connect(undefined, { link: new URLSearchParams(location.search).get('link') ?? 'auto' })
  const seen = window.seen = { said: 0, echoed: 0, tick: undefined, ticks: 0, wrong: [], links: [], away: 0, resumed: 0, errors: [] }
  net.on('state', state => { tell(state); window.state = state; if (state.at === 'away') seen.away++; if (state.at === 'online') seen.links.push(state.link) })
  net.on('resumed', () => seen.resumed++)
  net.on('expired', () => seen.wrong.push('expired'))
  net.on('error', e => seen.errors.push(String(e)))
  const room = window.room = await net.quick('talk')
  room.on('Text', text => {
    const [what, number] = text.split(' ')
    if (what === 'echo') {
      if (Number(number) !== seen.echoed) seen.wrong.push(`echo ${number}, not ${seen.echoed}`)
      seen.echoed = Number(number) + 1
    } else {
      if (seen.tick !== undefined && Number(number) !== seen.tick + 1) seen.wrong.push(`tick ${number} behind ${seen.tick}`)
      seen.tick = Number(number)
      seen.ticks++
    }
  })
  setInterval(() => { if (seen.said < seen.echoed + 50) { room.send('Text', String(seen.said)); seen.said++ } }, 25)
</script>"#;

fn server() -> Running {
    let server = Server::new("talk", talk)
        .page(PAGE)
        .listen("127.0.0.1:0")
        .set("threads.io", "2");
    server.start().unwrap_or_else(|error| panic!("{error}"))
}

/// The same as the page, in Rust.
struct Talker {
    net: Connection,
    room: RoomKey,
    said: u32,
    echoed: u32,
    tick: Option<u32>,
    away: u32,
}

impl Talker {
    fn new(address: &str) -> Self {
        let mut net = Connection::open(&format!("ws://{address}"), ClientConfig::default())
            .expect("an address")
            .with_link(LinkChoice::Auto);
        let room = net.client_mut().quick("talk", &[]);
        Self {
            net,
            room,
            said: 0,
            echoed: 0,
            tick: None,
            away: 0,
        }
    }

    /// Talks on until `more` numbers have come back over that kind of link.
    async fn talk(&mut self, link: LinkKind, more: u32) {
        let deadline = now().plus(PATIENCE);
        let mut goal = None;
        loop {
            if self.net.link() == Some(link) {
                goal.get_or_insert(self.said + more);
            }
            if goal.is_some_and(|goal| self.echoed >= goal) {
                return assert_eq!(self.net.link(), Some(link));
            }
            assert!(
                now() < deadline,
                "over {:?} and not {link:?}, {} of {} echoed, {:?}",
                self.net.link(),
                self.echoed,
                self.said,
                self.net.failure()
            );
            let soon = now().plus(Duration::from_millis(20));
            if let Some(event) = self.net.next_until(soon).await {
                self.hear(event);
            }
            let text = message::encode(&self.said.to_string());
            if self.said < self.echoed + 30
                && let Ok(()) = self.net.client_mut().send(self.room, String::kind(), &text)
            {
                self.said += 1;
            }
        }
    }

    fn hear(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Message { payload, .. } => {
                let text: String = message::decode(&payload).expect("a text");
                let (what, number) = text.split_once(' ').expect("two words");
                let number: u32 = number.parse().expect("a number");
                if what == "echo" {
                    assert_eq!(number, self.echoed);
                    self.echoed += 1;
                } else {
                    assert!(self.tick.is_none_or(|last| number == last + 1), "{number}");
                    self.tick = Some(number);
                }
            }
            ClientEvent::State(State::Away { .. }) => self.away += 1,
            ClientEvent::Expired | ClientEvent::RoomAway { .. } => panic!("{event:?}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_client_behind_nginx_has_a_websocket_where_it_may() {
    let server = server();
    let nginx = Nginx::start(&server.local_addr().to_string(), true);
    let mut ann = Talker::new(&nginx.address());
    ann.talk(LinkKind::WebSocket, 100).await;
    assert_eq!(ann.away, 0);
}

#[tokio::test]
async fn a_client_behind_nginx_polls_where_upgrades_are_blocked_and_moves_up_when_they_are_not() {
    let server = server();
    let nginx = Nginx::start(&server.local_addr().to_string(), false);
    let mut ann = Talker::new(&nginx.address());
    ann.talk(LinkKind::Polling, 100).await;
    assert_eq!(ann.away, 0);
    nginx.reload(true);
    ann.talk(LinkKind::WebSocket, 100).await;
    assert_eq!(
        ann.away, 0,
        "nobody notices, whichever connection the upgrade comes by"
    );
    // Whatever nginx holds is closed by the next reload: the session comes back, by polling.
    nginx.reload(false);
    ann.talk(LinkKind::Polling, 100).await;
    assert!(ann.away >= 1);
}

/// Waits until so many more numbers have come back over that kind of link; nothing was lost or doubled until then.
async fn talks(page: &Page, link: &str, more: u32) {
    page.until(
        &format!("the page is online over {link}"),
        &format!("window.state?.at === 'online' && window.state.link === '{link}'"),
        PATIENCE,
    )
    .await;
    let said = page.eval("seen.said").await.as_u64().expect("a number");
    let goal = said + u64::from(more);
    page.until(
        "all that was said comes back",
        &format!("seen.echoed >= {goal}"),
        PATIENCE,
    )
    .await;
    let wrong = page.eval("JSON.stringify(seen.wrong)").await;
    assert_eq!(wrong, "[]", "{}", page.eval("JSON.stringify(seen)").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_polls_while_upgrades_are_blocked_and_moves_up_when_they_are_not() {
    let server = server();
    let nginx = Nginx::start(&server.local_addr().to_string(), false);
    let driver = Driver::start();
    let page = driver.open(&format!("http://{}/", nginx.address())).await;
    talks(&page, "poll", 50).await;
    assert_eq!(page.eval("seen.away").await, 0);
    assert_eq!(page.eval("room.figures.link").await, "poll");

    nginx.reload(true);
    talks(&page, "ws", 50).await;
    let links = page.eval("JSON.stringify(seen.links)").await;
    assert_eq!(links, r#"["poll","ws"]"#, "{}", page.console().await);
    assert_eq!(
        page.eval("seen.away + seen.resumed").await,
        0,
        "nobody notices"
    );

    nginx.reload(false);
    page.until("the WebSocket is closed", "seen.away >= 1", PATIENCE)
        .await;
    talks(&page, "poll", 50).await;
    assert_eq!(page.eval("JSON.stringify(seen.errors)").await, "[]");
    page.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_was_offline_goes_on_where_it_was() {
    let server = server();
    let nginx = Nginx::start(&server.local_addr().to_string(), false);
    let driver = Driver::start();
    let url = format!("http://{}/?link=poll", nginx.address());
    let page = driver.open(&url).await;
    for _ in 0..2 {
        talks(&page, "poll", 30).await;
        let away = page.eval("seen.away").await;
        page.offline(true).await;
        page.until("the page notices", &format!("seen.away > {away}"), PATIENCE)
            .await;
        page.offline(false).await;
    }
    talks(&page, "poll", 30).await;
    assert!(page.eval("seen.resumed").await.as_u64() >= Some(2));
    page.close().await;
}
