//! The lobby in a real Chromium: a private room by its code, ready members, a host who sends away, a watched list, a move and a spectator.

use std::time::Duration;

use serde_json::Value;
use tickwire::prelude::*;
use tickwire_net::{MoveTo, RoomAsk, Running, Who};
use tickwire_tests::browser::{Driver, Page};

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Replicate, Default)]
struct Dot {
    hue: u8,
}

fn join(In(player): In<Player>, mut commands: Commands) {
    let hue = player.hue();
    commands.spawn((Dot { hue }, OwnedBy(player)));
}

fn hall(game: &mut Game) {
    game.rate(20)
        .seats(4)
        .watchers(2)
        .replicate::<Dot>()
        .on_join(join);
}

const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module">
  import { connect } from '/tickwire.js'
  const guest = new URLSearchParams(location.search).get('name')
  window.told = []
  window.net = connect(undefined, { auth: () => ({ guest }) })
  net.on('error', e => told.push(String(e)))
  window.enter = promise => promise.then(room => {
    window.room = room
    for (const name of ['moved', 'kicked', 'ended']) room.on(name, it => told.push(it?.message === undefined ? name : `${name} ${it.reason} ${it.message}`))
  }, e => told.push(e.code))
</script>"#;

fn server() -> Running {
    let server = Server::new("hall", hall).page(PAGE).listen("127.0.0.1:0");
    server.start().unwrap_or_else(|error| panic!("{error}"))
}

async fn open(driver: &Driver, server: &Running, name: &str) -> Page {
    let url = format!("http://{}/?name={name}", server.local_addr());
    let page = driver.open(&url).await;
    page.until("the page is ready", "!!window.enter", PATIENCE)
        .await;
    page
}

/// Runs something that gives nothing back.
async fn run(page: &Page, code: &str) {
    page.eval(&format!("void ({code})")).await;
}

async fn told(page: &Page, what: &str) {
    let expression = format!("told.some(it => it.startsWith('{what}'))");
    page.until(what, &expression, PATIENCE).await;
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_a_host_a_watched_list_a_move_and_a_spectator() {
    let server = server();
    let driver = Driver::start();
    let ann = open(&driver, &server, "Ann").await;
    let ben = open(&driver, &server, "Ben").await;
    run(
        &ben,
        "window.stop = net.lobbyLive('hall', list => { window.list = list })",
    )
    .await;
    ben.until(
        "an empty list",
        "window.list && list.length === 0 && 'empty'",
        PATIENCE,
    )
    .await;
    run(&ann, "enter(net.create('hall', {}, { private: true }))").await;
    let code = text(
        &ann.until("Ann has a code", "window.room && room.id", PATIENCE)
            .await,
    );
    assert!((4..=6).contains(&code.len()), "{code}");

    // As Ben would type it.
    let typed = format!("{} {}", &code[..2].to_lowercase(), &code[2..]);
    run(&ben, &format!("enter(net.code('{typed}'))")).await;
    ben.until(
        "Ben is in",
        &format!("window.room && room.id === '{code}'"),
        PATIENCE,
    )
    .await;
    assert_eq!(ben.eval("list.length").await, 0, "it is on no list");
    run(&ben, "room.ready()").await;
    ann.until(
        "Ann sees that Ben is ready",
        "room.members.some(it => it.name === 'Ben' && it.ready) && room.members.find(it => it.mine).host",
        PATIENCE,
    )
    .await;
    run(&ben, "room.host.lock().catch(e => told.push(e.code))").await;
    told(&ben, "Forbidden").await;
    run(&ann, "room.host.kick(room.members.find(it => it.name === 'Ben').member).then(() => told.push('done'))").await;
    told(&ann, "done").await;
    told(&ben, "kicked Kicked sent away by the host").await;
    told(&ben, "ended Kicked").await;

    // A room that is on the list, and a spectator in it.
    run(&ben, "enter(net.create('hall', { map: 'moon' }))").await;
    let open_room =
        "window.list && list.length === 1 && list[0].attributes.map === 'moon' && list[0].id";
    let id = text(
        &ben.until("Ben sees his own room", open_room, PATIENCE)
            .await,
    );
    ben.until("Ben is in it", &format!("room.id === '{id}'"), PATIENCE)
        .await;
    let cid = open(&driver, &server, "Cid").await;
    run(&cid, &format!("enter(net.watch('{id}'))")).await;
    cid.until(
        "Cid sees Ben's dot, and has no seat",
        "window.room && (room.draw(), room.seat === null) && room.all('Dot').length === 1 && room.members.length === 2",
        PATIENCE,
    )
    .await;

    // Ann is moved there: the same room for her page, with other members.
    let go = RoomAsk::Move {
        who: Who::Identity("guest:Ann".to_owned()),
        to: MoveTo::Room(id.clone()),
    };
    server.rooms().rule(&code, go).await.unwrap();
    told(&ann, "moved").await;
    ann.until(
        "Ann sees both dots in the new room",
        &format!("(room.draw(), room.id === '{id}') && room.all('Dot').length === 2 && room.members.length === 3"),
        PATIENCE,
    )
    .await;
    ben.until("the list knows", "list[0].members === 2", PATIENCE)
        .await;
    run(&ben, "stop()").await;
    server.rooms().ban("guest:Ann", None, "enough").await;
    ann.until(
        "Ann is told",
        "net.state.at === 'ended' && net.state.reason === 'Banned' && net.state.message === 'enough'",
        PATIENCE,
    )
    .await;
    for page in [ann, ben, cid] {
        page.close().await;
    }
    server.stop();
}
