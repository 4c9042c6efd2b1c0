//! Namespaces in a real Chromium, as a page listens to them: who one is there, what is said there and nowhere else, fresh credentials, and the end.

use std::time::Duration;

use serde_json::json;
use tickwire::prelude::*;
use tickwire_net::{Broadcaster, FromClient, Namespace, now};
use tickwire_proto::frame::{Identity, Refusal};
use tickwire_tests::browser::{Driver, Page};

const PATIENCE: Duration = Duration::from_secs(30);

const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module">
  import { connect } from '/tickwire.js'
  const told = window.told = []
  const net = window.net = connect(undefined, { auth: () => ({ guest: 'Ann' }) })
  const listen = (name, it) => it.on('Text', text => told.push(`${name} ${text}`))
  listen('main', net)
  window.asked = 0
  const shop = window.shop = net.namespace('/shop', { auth: name => ({ guest: `Ann of ${name} ${++asked}` }) })
  const stop = window.stop = listen('shop', shop)
  for (const event of ['attached', 'renewed']) shop.on(event, it => told.push(`${event} ${it ?? ''}`))
  shop.on('ended', e => told.push(`ended ${e.code}`))
  const club = window.club = net.namespace('/club')
  listen('club', club)
  club.on('ended', e => told.push(`club ${e.name} ${e.code}: ${e.message}`))
  window.ready = true
</script>"#;

fn room(game: &mut Game) {
    game.rate(20).seats(4);
}

/// A shop in which everybody is Ann, for two seconds at a time, and which says again what it hears.
fn shop() -> Namespace {
    Namespace::new("/shop")
        .auth_async(|_| async {
            Ok(Identity {
                expires: Some(now().plus(Duration::from_secs(2))),
                ..Identity::new("ann")
            })
        })
        .message::<String>()
        .on_message(|from: FromClient, text: String| async move {
            let answer = format!("{} said {text}", from.identity().id);
            let _ = from.reply().send(&answer);
        })
}

fn club() -> Namespace {
    Namespace::new("/club")
        .message::<String>()
        .auth_async(|_| async { Err(Refusal::new("Members", "members only")) })
}

async fn hears(page: &Page, what: &str) {
    let told = format!("told.includes({})", json!(what));
    page.until(what, &told, PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_listens_to_namespaces_by_name() {
    let news = Broadcaster::new();
    let server = Server::new("room", room)
        .page(PAGE)
        .message::<String>()
        .namespace(shop())
        .namespace(club())
        .broadcaster(&news)
        .listen("127.0.0.1:0")
        .start()
        .unwrap_or_else(|error| panic!("{error}"));
    let driver = Driver::start();
    let page = driver
        .open(&format!("http://{}/", server.local_addr()))
        .await;
    // Listening alone brings one in.
    hears(&page, "attached ann").await;
    assert_eq!(page.eval("shop.identity").await, "ann");
    hears(&page, "club TickwireError Members: members only").await;

    let say = |namespace: &str, text: &str| {
        let to = news.to_namespace(namespace);
        to.send(&text.to_owned()).expect("taken");
    };
    say("/shop", "open");
    say("/", "hello");
    say("/club", "psst");
    hears(&page, "shop open").await;
    hears(&page, "main hello").await;
    page.eval("void shop.send('Text', 'bread, please')").await;
    hears(&page, "shop ann said bread, please").await;

    // Asked for fresh credentials on the same attachment, nothing is lost.
    hears(&page, "renewed ").await;
    assert!(page.eval("asked >= 2").await == true);
    say("/shop", "still open");
    hears(&page, "shop still open").await;

    // Who listens no more hears no more; what comes after it on the same way shows that.
    page.eval("stop()").await;
    say("/shop", "unheard");
    page.eval("void shop.on('Text', text => told.push(`again ${text}`))")
        .await;
    say("/shop", "heard");
    hears(&page, "again heard").await;
    page.eval("void shop.leave()").await;
    hears(&page, "ended Left").await;
    let of = page
        .eval("told.filter(it => /^(shop|club|main) /.test(it))")
        .await;
    assert_eq!(
        of,
        json!([
            "club TickwireError Members: members only",
            "shop open",
            "main hello",
            "shop ann said bread, please",
            "shop still open"
        ])
    );
    page.close().await;
    server.stop();
}
