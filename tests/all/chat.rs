//! Parlour, the chat of the examples, as people use it: in a real Chromium, over links that break and a server that restarts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chat::{Store, server};
use serde_json::json;
use tickwire_net::Running;
use tickwire_tests::browser::{Driver, Page};

use crate::browser_reload::Way;

const PATIENCE: Duration = Duration::from_secs(60);

fn start(folder: &Path, listen: &str) -> Running {
    let store = Store::open(folder).expect("a store");
    let secret = store.secret().expect("a secret");
    let server = server(Arc::new(store), &secret)
        .expect("a secret that is long enough")
        .set("state_dir", &format!("{:?}", folder.display().to_string()))
        .listen(listen);
    server.start().unwrap_or_else(|error| panic!("{error}"))
}

/// Types a name and a password, and presses one of the two buttons.
async fn sign_in(page: &Page, name: &str, password: &str, button: &str) {
    page.until(
        "the door is there",
        "!document.querySelector('#door')?.hidden",
        PATIENCE,
    )
    .await;
    let script = format!(
        "((form) => {{ form.querySelector('#name').value = '{name}'; form.querySelector('#password').value = '{password}'; \
         form.requestSubmit(form.querySelector('[name={button}]')) }})(document.querySelector('#door form'))"
    );
    page.eval(&script).await;
}

async fn inside(page: &Page) {
    let there = "!document.querySelector('#inside').hidden && document.querySelectorAll('#people li').length > 0";
    page.until("one is inside", there, PATIENCE).await;
}

async fn say(page: &Page, text: &str) {
    let script = format!(
        "((form) => {{ form[0].value = {}; form.requestSubmit() }})(document.querySelector('#say'))",
        json!(text)
    );
    page.eval(&script).await;
}

/// The lines that are on disk, as the page shows them.
const KEPT: &str =
    "[...document.querySelectorAll('#lines [data-id] .text')].map(it => it.textContent)";

async fn shows(page: &Page, texts: &[&str]) {
    let all = json!(texts).to_string();
    let same = format!("JSON.stringify({KEPT}) === {}", json!(all));
    page.until("these lines, in this order, once", &same, PATIENCE)
        .await;
}

#[tokio::test]
async fn two_people_talk_over_a_link_that_breaks() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), "127.0.0.1:0");
    let url = format!("http://{}", server.local_addr());
    let way = Way::to(&server).await;
    let driver = Driver::start();
    let (ann, ben) = (driver.open(&url).await, driver.open(&way.url).await);

    // The door says why.
    let wrong = "document.querySelector('#wrong').textContent";
    sign_in(&ann, "Ann", "short", "new").await;
    ann.until(
        "a reason",
        &format!("{wrong}.includes('8 characters')"),
        PATIENCE,
    )
    .await;
    sign_in(&ann, "Ann", "a longer one", "new").await;
    inside(&ann).await;
    sign_in(&ben, "Ann", "a wrong one", "in").await;
    ben.until(
        "a reason",
        &format!("{wrong}.includes('do not belong')"),
        PATIENCE,
    )
    .await;
    sign_in(&ben, "ann", "a longer one", "new").await;
    ben.until(
        "a reason",
        &format!("{wrong}.includes('has that name')"),
        PATIENCE,
    )
    .await;
    sign_in(&ben, "Ben", "another one", "new").await;
    inside(&ben).await;

    // Lines, who is here, who types.
    for page in [&ann, &ben] {
        page.until(
            "both are here",
            "document.querySelectorAll('#people li').length === 2",
            PATIENCE,
        )
        .await;
    }
    say(&ann, "hello <b>Ben</b>").await;
    shows(&ben, &["hello <b>Ben</b>"]).await;
    ben.eval("((it) => { it.value = 'he'; it.dispatchEvent(new Event('input')) })(document.querySelector('#say input'))")
        .await;
    ann.until(
        "he types",
        "document.querySelector('#typing').textContent === 'Ben is typing …'",
        PATIENCE,
    )
    .await;
    say(&ben, "hello @Ann").await;
    shows(&ann, &["hello <b>Ben</b>", "hello @Ann"]).await;
    ann.until(
        "he types no more",
        "document.querySelector('#typing').textContent === ''",
        PATIENCE,
    )
    .await;
    let rooms = "[...document.querySelectorAll('#rooms li')].map(it => it.textContent).join()";
    ann.until(
        "the room is listed",
        &format!("{rooms} === '# lobby2'"),
        PATIENCE,
    )
    .await;
    ann.picture("chat").await;

    // Ben's link breaks; what is said meanwhile, on both sides, is there afterwards, once and in order.
    way.leads_nowhere();
    ben.until(
        "it is told",
        "document.querySelector('#state').className === 'away'",
        PATIENCE,
    )
    .await;
    say(&ben, "from a tunnel").await;
    for text in ["one", "two", "three"] {
        say(&ann, text).await;
    }
    let before = ["hello <b>Ben</b>", "hello @Ann", "one", "two", "three"];
    shows(&ann, &before).await;
    way.leads(Some(&server));
    let all = [&before[..], &["from a tunnel"]].concat();
    for page in [&ann, &ben] {
        shows(page, &all).await;
    }
    ben.until(
        "nothing waits",
        "!document.querySelector('.pending')",
        PATIENCE,
    )
    .await;

    // Another room has other lines.
    ben.eval("location.hash = 'kitchen'").await;
    ben.until(
        "it is shown",
        "document.querySelector('#rooms .here')?.textContent.includes('kitchen')",
        PATIENCE,
    )
    .await;
    shows(&ben, &[]).await;
    say(&ben, "tea?").await;
    shows(&ben, &["tea?"]).await;
    shows(&ann, &all).await;
}

#[tokio::test]
async fn the_bell_rings_for_what_came_while_one_was_away_and_the_server_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), "127.0.0.1:0");
    let address = server.local_addr().to_string();
    let url = format!("http://{address}");
    let driver = Driver::start();
    let ben = driver.open(&url).await;
    sign_in(&ben, "Ben", "another one", "new").await;
    inside(&ben).await;
    ben.close().await;

    let ann = driver.open(&url).await;
    sign_in(&ann, "Ann", "a longer one", "new").await;
    inside(&ann).await;
    // Ben's page said goodbye: nobody but Ann is here.
    ann.until(
        "he is gone",
        "document.querySelectorAll('#people li').length === 1",
        PATIENCE,
    )
    .await;
    say(&ann, "where is @ben?").await;
    shows(&ann, &["where is @ben?"]).await;
    say(&ann, "/w Ben a private word").await;
    let private = "[...document.querySelectorAll('.private .text')].map(it => it.textContent)";
    ann.until(
        "it is kept",
        &format!("{private}.includes('a private word')"),
        PATIENCE,
    )
    .await;
    say(&ann, "/w Nobody hello").await;
    ann.until(
        "it says why",
        "document.querySelector('.failed')?.textContent.includes('nobody is called')",
        PATIENCE,
    )
    .await;

    server.stop();
    let server = start(folder.path(), &address);
    ann.until(
        "she is back by herself",
        "document.querySelector('#state').className === 'online'",
        PATIENCE,
    )
    .await;
    shows(&ann, &["where is @ben?"]).await;

    let ben = driver.open(&url).await;
    sign_in(&ben, "Ben", "another one", "in").await;
    inside(&ben).await;
    ben.until(
        "both rang",
        "document.querySelector('#bell i').textContent === '2'",
        PATIENCE,
    )
    .await;
    ben.eval("document.querySelector('#bell').click()").await;
    let box_ = ben.eval("document.querySelector('#box').textContent").await;
    let text = box_.as_str().unwrap_or_default();
    assert!(text.contains("Ann to you: a private word"), "{text}");
    assert!(text.contains("Ann in #lobby: where is @ben?"), "{text}");
    ben.picture("chat-bell").await;
    let unseen = ben.eval("document.querySelector('#bell i').hidden").await;
    assert_eq!(unseen, json!(true));
    drop(server);
}
