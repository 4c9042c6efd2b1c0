//! Every call of the browser client, from a page of the tests' own in a real Chromium: entities, messages, events, resources, lists, errors.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tickwire::prelude::*;
use tickwire_client::{ClientConfig, ClientEvent};
use tickwire_net::{Running, client::Connection, now};
use tickwire_proto::{
    ClientFrame, Reason, Retry, ServerFrame,
    frame::{Identity, Refusal},
};
use tickwire_server::TokenAuth;
use tickwire_tests::browser::{Driver, Page};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

const PATIENCE: Duration = Duration::from_secs(30);
const PAGE: &str = include_str!("browser_api.html");

/// What a page keeps an element for.
#[derive(Replicate, Default)]
struct Ball {
    #[net(range = 0.0..=100.0, step = 0.5)]
    x: f32,
    #[net(max = 16)]
    label: String,
}

/// A resource.
#[derive(Replicate, Clone, Default)]
#[net(resource)]
struct Score {
    thrown: u32,
    #[net(max = 16)]
    last: String,
}

/// A tick event.
#[derive(TickEvent, Clone)]
struct Popped {
    #[net(range = 0.0..=100.0, step = 0.5)]
    x: f32,
}

/// Messages to the game.
#[derive(NetMessage, Serialize, Deserialize, Clone)]
struct Throw {
    x: f32,
    label: String,
}

#[derive(NetMessage, Serialize, Deserialize, Clone)]
struct Pop {
    label: String,
}

#[derive(NetMessage, Serialize, Deserialize, Clone)]
struct Say {
    text: String,
}

/// A message of the game, to everybody.
#[derive(NetMessage, Serialize, Deserialize, Clone)]
struct Said {
    seat: u16,
    text: String,
}

/// A request: how many balls of that label were thrown; an empty label is refused.
#[derive(NetMessage, Serialize, Deserialize, Clone)]
struct Count {
    label: String,
}

/// Its reply; and a question's.
#[derive(NetMessage, Serialize, Deserialize, Clone)]
struct Counted {
    n: u32,
}

impl Request for Count {
    type Reply = Counted;
}

/// Has the game ask everybody, and tell what they say.
#[derive(NetMessage, Serialize, Deserialize, Clone)]
struct Survey {
    label: String,
}

#[derive(PlayerCommand, Clone, Copy, Default)]
struct Push {
    #[net(range = -1..=1)]
    x: i8,
}

fn throw(In(thrown): In<FromPlayer<Throw>>, mut score: ResMut<Score>, mut commands: Commands) {
    let Throw { x, label } = thrown.message;
    score.thrown += 1;
    score.last.clone_from(&label);
    commands.spawn((Ball { x, label }, OwnedBy(thrown.player)));
}

fn pop(
    In(asked): In<FromPlayer<Pop>>,
    balls: Query<(Entity, &Ball)>,
    mut emit: Emit,
    mut commands: Commands,
) {
    for (entity, ball) in &balls {
        if ball.label == asked.message.label {
            emit.send(Popped { x: ball.x });
            commands.entity(entity).despawn();
        }
    }
}

fn say(In(said): In<FromPlayer<Say>>, mut outbox: ResMut<Outbox>) {
    outbox.all(&Said {
        seat: said.player.seat,
        text: said.message.text,
    });
}

fn count(
    In(asked): In<FromPlayer<Count>>,
    balls: Query<&Ball>,
) -> Result<Counted, tickwire_proto::frame::Refusal> {
    let label = asked.message.label;
    if label.is_empty() {
        let mut refusal = Refusal::new("NoLabel", "name a ball");
        refusal.data = r#"{"try":"a"}"#.into();
        return Err(refusal);
    }
    let n = balls.iter().filter(|ball| ball.label == label).count() as u32;
    Ok(Counted { n })
}

fn survey(In(asked): In<FromPlayer<Survey>>, mut questions: ResMut<Questions>) {
    let question = Count {
        label: asked.message.label,
    };
    questions.all(&question, Duration::from_secs(20)).ok();
}

fn surveyed(In(replied): In<Replied<Count>>, mut outbox: ResMut<Outbox>) {
    let text = match replied.outcome {
        Ok(Counted { n }) => format!("says {n}"),
        Err(no) => no.to_string(),
    };
    let seat = replied.player.seat;
    outbox.all(&Said { seat, text });
}

fn push(mut balls: Query<(&mut Ball, &Asks<Push>)>) {
    for (mut ball, ask) in &mut balls {
        if ask.x != 0 {
            ball.x = (ball.x + f32::from(ask.x)).clamp(0.0, 100.0);
        }
    }
}

fn table(game: &mut Game) {
    game.rate(30).seats(2);
    game.replicate::<Ball>()
        .resource::<Score>()
        .event::<Popped>()
        .command::<Push>()
        .message::<Said>()
        .on_message(throw)
        .on_message(pop)
        .on_message(say)
        .on_message(survey)
        .on_request(count)
        .on_reply(surveyed)
        .on_start(|mut commands: Commands| commands.insert_resource(Score::default()))
        .systems(push);
}

fn start(server: Server) -> Running {
    let server = server.page(PAGE).listen("127.0.0.1:0").start();
    server.unwrap_or_else(|error| panic!("{error}"))
}

/// The address of the page.
fn page_of(server: &Running) -> String {
    format!("http://{}", server.local_addr())
}

async fn open(driver: &Driver, url: &str) -> Page {
    let page = driver.open(url).await;
    page.until("its script has run", "window.ready", PATIENCE)
        .await;
    page
}

/// What a promise of the page comes to, if it is kept.
async fn kept(page: &Page, promise: &str) -> Value {
    let outcome = page.settled(promise).await;
    assert!(outcome["error"].is_null(), "{promise}: {outcome}");
    outcome["ok"].clone()
}

/// A player at the table of that mode; the id of the room.
async fn play(page: &Page, mode: &str) -> String {
    let entered = kept(
        page,
        &format!("net.quick('table', {{ mode: '{mode}' }}).then(enter)"),
    )
    .await;
    assert_eq!(entered["kind"], "table");
    entered["id"].as_str().expect("an id").to_owned()
}

/// The element that the page keeps for a ball.
fn element(label: &str) -> String {
    format!("board.querySelector('[data-label=\"{label}\"]')")
}

#[tokio::test]
async fn a_page_binds_sends_and_hears() {
    let server = start(Server::new("table", table));
    let driver = Driver::start();
    let (ann, ben) = (
        open(&driver, &page_of(&server)).await,
        open(&driver, &page_of(&server)).await,
    );
    let room = play(&ann, "ffa").await;
    assert_eq!(
        play(&ben, "ffa").await,
        room,
        "the same attributes, the same room"
    );
    let pages = [&ann, &ben];
    for page in pages {
        page.until("both are members", "room.members.length === 2", PATIENCE)
            .await;
        page.eval("window.unbind = bindBalls()").await;
    }

    // An entity: added once on each page, with what it is, and whose.
    ann.eval("room.send('Throw', { x: 10, label: 'a' })").await;
    for (page, mine) in [(&ann, "true"), (&ben, "false")] {
        page.until(
            "the ball is bound",
            &format!("{}?.dataset.frames > 2", element("a")),
            PATIENCE,
        )
        .await;
        let bound = page.eval(&format!("({}).dataset.mine", element("a"))).await;
        assert_eq!(bound, mine);
        let all = "room.all('Ball').map(e => [e.Ball.label, e.Ball.x, String(e.mine), e.id === Number(board.firstChild.dataset.id)])";
        assert_eq!(page.eval(all).await, json!([["a", 10, mine, true]]));
        assert_eq!(page.eval("board.children.length").await, 1);
        // A resource: as it is now.
        let score = page.eval("room.resource('Score')").await;
        assert_eq!(score, json!({ "thrown": 1, "last": "a" }));
    }

    // A command moves it, and every page sees that.
    ann.eval("void (room.command = () => ({ x: 1 }))").await;
    for page in pages {
        page.until(
            "the ball moves",
            &format!("{}.dataset.x > 20", element("a")),
            PATIENCE,
        )
        .await;
    }
    ann.eval("void (room.command = () => ({ x: 0 }))").await;

    // Messages: to the game, and from it to everybody, in order, once, as text and not as HTML.
    for text in ["hello <b>you</b>", "ünï \\u{1F389}", ""] {
        ben.eval(&format!("room.send('Say', {{ text: '{text}' }})"))
            .await;
    }
    let seat = ben.eval("room.seat").await;
    let said =
        ["hello <b>you</b>", "ünï \u{1f389}", ""].map(|text| json!({ "seat": seat, "text": text }));
    for page in pages {
        page.until("all is heard", "heard.said.length >= 3", PATIENCE)
            .await;
        assert_eq!(page.eval("heard.said").await, json!(said));
    }

    // A request: its reply, a typed refusal with data, one that the page gives up.
    let outcome = |ask: &str| format!("room.ask('Count', {ask})");
    let counted = ben.settled(&outcome("{ label: 'a' }")).await;
    assert_eq!(counted, json!({ "ok": { "n": 1 } }));
    let refused = ben.settled(&outcome("{ label: '' }")).await;
    let error = &refused["error"];
    assert_eq!(
        (&error["code"], &error["data"]),
        (&json!("NoLabel"), &json!({ "try": "a" }))
    );
    let unknown = ben.settled(&outcome("{ labels: 1 }")).await;
    assert_eq!(unknown["error"]["code"], "BadMessage");
    let gone = ben
        .settled("room.ask('Count', { label: 'a' }, { signal: AbortSignal.abort() })")
        .await;
    assert_eq!(gone["error"]["name"], "AbortError");

    // A question of the game: one page answers, the other refuses.
    ann.eval("void room.onAsk('Count', async ({ label }) => ({ n: label.length }))")
        .await;
    ben.eval("void room.onAsk('Count', () => { throw new TickwireError('Busy', 'later') })")
        .await;
    ann.eval("heard.said.length = 0, room.send('Survey', { label: 'four' })")
        .await;
    ann.until(
        "both have said something",
        "heard.said.length >= 2",
        PATIENCE,
    )
    .await;
    let texts = ann.eval("heard.said.map(m => m.text).sort()").await;
    assert_eq!(texts, json!(["Busy: later", "says 4"]));

    // A tick event, and the end of the entity: what was made for it is given back to remove.
    let id = ann
        .eval(&format!("Number({}.dataset.id)", element("a")))
        .await;
    ben.eval("room.send('Pop', { label: 'a' })").await;
    for page in pages {
        page.until("the ball is gone", "board.children.length === 0", PATIENCE)
            .await;
        let removed = page.eval("heard.removed").await;
        assert_eq!(removed["label"], "a");
        page.until("the event is heard", "heard.popped.length", PATIENCE)
            .await;
        assert!(page.eval("heard.popped[0].x").await.as_f64() > Some(20.0));
        assert_eq!(page.eval("heard.popped.length").await, 1);
        assert_eq!(page.eval("room.all('Ball')").await, json!([]));
    }
    assert_eq!(ann.eval("heard.removed.id").await, id);

    // What is unbound lets go of its elements, and gets no more of them; a frame function that is stopped is not called again.
    ann.eval("room.send('Throw', { x: 50, label: 'b' })").await;
    for page in pages {
        page.until("the next ball is bound", &element("b"), PATIENCE)
            .await;
    }
    ben.eval("(window.frames_ = 0, window.stop = room.frame(() => frames_++), true)")
        .await;
    ben.until("frames are counted", "frames_ > 1", PATIENCE)
        .await;
    ben.eval("(stop(), unbind(), window.frames_ = 0, true)")
        .await;
    assert_eq!(ben.eval("board.children.length").await, 0);
    ann.eval("room.send('Throw', { x: 60, label: 'c' })").await;
    ann.until("ann has both", "board.children.length === 2", PATIENCE)
        .await;
    ben.until("ben sees both", "room.all('Ball').length === 2", PATIENCE)
        .await;
    assert_eq!(
        ben.eval("[board.children.length, frames_]").await,
        json!([0, 0])
    );

    // Leaving: told to the page and to the others, and the session goes on.
    kept(&ann, "room.leave()").await;
    assert_eq!(
        ann.eval("heard.ended").await,
        json!([{ "reason": "Left", "message": "" }])
    );
    assert_eq!(
        ann.eval("board.children.length").await,
        0,
        "what was bound goes with the room"
    );
    ben.until("ben is alone", "room.members.length === 1", PATIENCE)
        .await;
    let told = ben.eval("heard.members.at(-1).length").await;
    assert_eq!(told, 1, "and was told");
    ben.until(
        "what ann had thrown is gone",
        "room.all('Ball').length === 0",
        PATIENCE,
    )
    .await;
    assert_eq!(play(&ann, "ffa").await, room, "there is a seat again");

    // The end of it all.
    ann.eval("net.close()").await;
    let state = ann
        .until(
            "it is over",
            "net.state.at === 'ended' && net.state",
            PATIENCE,
        )
        .await;
    assert_eq!(state["reason"], "Left");
    assert_eq!(ann.eval("heard.errors").await, json!([]));
    ben.until("and ben sees it", "room.members.length === 1", PATIENCE)
        .await;
    for page in [ann, ben] {
        page.close().await;
    }
    server.stop();
}

#[tokio::test]
async fn a_page_sees_the_list_and_chooses_by_attributes() {
    let server = start(Server::new("table", table).kind("other", table));
    let driver = Driver::start();
    let page = open(&driver, &page_of(&server)).await;
    let ffa = play(&page, "ffa").await;
    let duel = kept(
        &page,
        "net.quick('table', { mode: 'duel' }).then(room => room.id)",
    )
    .await;
    let made = kept(
        &page,
        "net.create('other', { mode: 'ffa', map: 'moon' }).then(room => room.id)",
    )
    .await;
    let ffa_as_told = json!({
        "id": ffa, "kind": "table", "members": 1, "seats": 2, "locked": false, "attributes": { "mode": "ffa" },
    });
    let made_as_told = json!({
        "id": made, "kind": "other", "members": 1, "seats": 2, "locked": false, "attributes": { "map": "moon", "mode": "ffa" },
    });
    let tables = kept(&page, "net.lobby('table')").await;
    let ids: Vec<&Value> = tables
        .as_array()
        .unwrap()
        .iter()
        .map(|room| &room["id"])
        .collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&&json!(ffa)) && ids.contains(&&duel));
    let all = kept(&page, "net.lobby()").await;
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 3);
    assert!(
        all.contains(&ffa_as_told) && all.contains(&made_as_told),
        "{all:#?}"
    );
    // By its id, from another connection of the same page.
    let joined = format!("connect().join({made}).then(room => [room.id, room.members.length])");
    assert_eq!(kept(&page, &joined).await, json!([made, 2]));
    page.close().await;
    server.stop();
}

#[tokio::test]
async fn every_error_has_a_code_and_says_what_to_do() {
    let tokens = |token: &str| match token {
        // The others are other people: a person has one seat in a room.
        "good" | "ben" | "cem" => Ok(Identity::new(token)),
        _ => Err(Refusal::new(
            "Unknown",
            "this token is not known. Sign in again",
        )),
    };
    let server = start(Server::new("table", table).auth(TokenAuth::new(tokens)));
    let driver = Driver::start();
    let url = page_of(&server);
    let page = open(&driver, &format!("{url}/?token=good")).await;
    let room = play(&page, "ffa").await;
    let (ben, cem) = (
        "{ auth: () => ({ token: 'ben' }) }",
        "{ auth: () => ({ token: 'cem' }) }",
    );
    kept(
        &page,
        &format!("(window.second = connect(undefined, {ben})).join('{room}').then(() => 0)"),
    )
    .await;
    let cases = [
        (
            format!("connect(undefined, {cem}).join('{room}')"),
            "Full",
            "all of its 2 seats are taken",
        ),
        (format!("net.join('{room}')"), "Forbidden", "in room"),
        (
            "net.join('NOPE')".into(),
            "NotFound",
            "there is no room NOPE",
        ),
        ("net.quick('chess')".into(), "NotFound", "no game `chess`"),
        (
            "room.bind('Bell', { add() {} })".into(),
            "BadName",
            "no component \"Bell\"",
        ),
        (
            "room.all('Bell')".into(),
            "BadName",
            "no component \"Bell\"",
        ),
        (
            "room.resource('Goal')".into(),
            "BadName",
            "no resource \"Goal\"",
        ),
        (
            "room.on('Boom', () => {})".into(),
            "BadName",
            "no event or message \"Boom\"",
        ),
        (
            "void (room.command = () => ({ y: 1 }))".into(),
            "BadName",
            "the command Push has no field \"y\"",
        ),
        (
            "void (room.command = () => ({ x: 'left' }))".into(),
            "BadCommand",
            "field x of the command Push is \"left\"",
        ),
        (
            "room.send('Shout', {})".into(),
            "BadMessage",
            "no message Shout",
        ),
        (
            "room.send('Say', { text: 5 })".into(),
            "BadMessage",
            "message Say",
        ),
        (
            "connect(undefined, { auth: () => ({ token: 'bad' }) }).quick('table')".into(),
            "Unknown",
            "Sign in again",
        ),
        (
            "connect(undefined, { auth: () => { throw new Error('no passport') } }).quick('table')"
                .into(),
            "Refused",
            "no passport",
        ),
        (
            "connect('http://127.0.0.1:1').quick('table')".into(),
            "Unreachable",
            "no answer from 127.0.0.1:1",
        ),
    ];
    for (call, code, part) in cases {
        let error = page.settled(&call).await["error"].take();
        let text = error["text"]
            .as_str()
            .unwrap_or_else(|| panic!("{call} was no error"));
        assert_eq!(error["ours"], true, "{call}: {error}");
        assert_eq!(error["code"], code, "{call}: {error}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains(part), "{call}: {error}");
        assert!(
            text.starts_with(&format!("{code}: {message}")),
            "{call}: {text}"
        );
        // A game's own code is explained by the game's own words.
        if code != "Unknown" {
            let fix = error["fix"].as_str().unwrap_or_default();
            assert!(!fix.is_empty() && text.contains(fix), "{call}: {error}");
        }
    }
    // Too much at once is refused, one by one, and no promise is left open.
    let flood = "Promise.allSettled(Array.from({ length: 30 }, () => net.lobby())).then(all => all.map(one => one.reason?.code ?? 'ok'))";
    let codes = kept(&page, flood).await;
    let codes: Vec<&str> = codes
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let limited = codes.iter().filter(|code| **code == "Limit").count();
    assert!((1..30).contains(&limited), "{codes:?}");
    assert_eq!(
        codes.iter().filter(|code| **code == "ok").count(),
        30 - limited,
        "{codes:?}"
    );
    // What the game is asked by, and is wrong each time, is told once.
    page.eval("void (window.bad = false, room.command = () => bad ? { x: 'left' } : { x: 0 })")
        .await;
    page.eval("bad = true").await;
    page.until("the error is told", "heard.errors.length", PATIENCE)
        .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(
        page.eval("heard.errors.map(e => e.code)").await,
        json!(["BadCommand"])
    );
    page.close().await;
    server.stop();
}

/// The names that an interface of `tickwire.d.ts` has, one or several on a line.
fn promised(types: &str, interface: &str) -> Vec<String> {
    let start = format!("export interface {interface}<");
    let body = types.split(&start).nth(1).expect("the interface is there");
    let lines = body.lines().skip(1).take_while(|line| *line != "}");
    let members = lines.filter_map(|line| {
        // Members stand two blanks in; what is deeper belongs to one of them.
        let line = line
            .strip_prefix("  ")
            .filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))?;
        let line = line.strip_prefix("readonly ").unwrap_or(line);
        let end = line.find(|c: char| !c.is_ascii_alphanumeric())?;
        Some(line[..end].to_owned())
    });
    members.collect()
}

/// What the types promise is there, and what the module gives has a type.
#[tokio::test]
async fn the_types_and_the_module_have_the_same_names() {
    let server = start(Server::new("table", table));
    let driver = Driver::start();
    let page = open(&driver, &page_of(&server)).await;
    play(&page, "ffa").await;
    let types = kept(
        &page,
        "fetch('/tickwire.d.ts').then(answer => answer.text())",
    )
    .await;
    let types = types.as_str().unwrap();
    for (interface, object, some) in [
        ("Net", "net", ["quick", "lobby", "state"]),
        ("Room", "room", ["bind", "command", "id"]),
    ] {
        let names = promised(types, interface);
        assert!(
            some.iter().all(|one| names.iter().any(|name| name == one)),
            "{names:?}"
        );
        let missing = format!("{}.filter(name => !(name in {object}))", json!(names));
        assert_eq!(page.eval(&missing).await, json!([]), "{interface}");
    }
    let mut exported: Vec<&str> = types
        .lines()
        .filter_map(|line| {
            let rest = ["export class ", "export function ", "export const "]
                .iter()
                .find_map(|start| line.strip_prefix(start))?;
            rest.split(|c: char| !c.is_ascii_alphanumeric()).next()
        })
        .collect();
    exported.sort_unstable();
    let given = kept(
        &page,
        "import('/tickwire.js').then(all => Object.keys(all).sort())",
    )
    .await;
    assert_eq!(given, json!(exported));
    page.close().await;
    server.stop();
}

/// A browser hides why an upgrade failed; the page asks, and shows what the operator has to do.
#[tokio::test]
async fn a_page_of_a_foreign_origin_is_told_what_to_do() {
    // One that the world can reach: then pages of this machine are foreign, too.
    let server = Server::new("table", table).listen("0.0.0.0:0").start();
    let server = server.unwrap_or_else(|error| panic!("{error}"));
    let home = start(Server::new("table", table));
    let origin = page_of(&home);
    let driver = Driver::start();
    let to = format!("http://127.0.0.1:{}", server.local_addr().port());
    let page = open(&driver, &format!("{origin}/?quick=ffa&to={to}")).await;
    let shown = page.eval("problem.textContent").await;
    let shown = shown.as_str().unwrap();
    for part in [
        &format!("pages of the origin {origin} may not connect"),
        &format!("--origin {origin}"),
    ] {
        assert!(shown.contains(part.as_str()), "{shown}");
    }
    let state = page.eval("net.state").await;
    assert_eq!(
        (&state["at"], &state["reason"]),
        (&json!("ended"), &json!("Origin"))
    );
    assert_eq!(
        page.eval("heard.errors.map(e => e.code)").await,
        json!(["Origin"])
    );
    page.close().await;
    for server in [server, home] {
        server.stop();
    }
}

/// A way to a server that can lead to another one, or to nobody but a voice that says `Version`, as the next release of a server would.
pub(crate) struct Way {
    pub(crate) url: String,
    state: Arc<WayState>,
}

#[derive(Default)]
struct WayState {
    /// Where it leads. `None`: to the voice.
    to: Mutex<Option<String>>,
    /// How often it was said that this client is too old.
    told: AtomicUsize,
    open: Mutex<Vec<tokio::task::AbortHandle>>,
}

impl Way {
    pub(crate) async fn to(server: &Running) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(WayState::default());
        let way = Self {
            url,
            state: state.clone(),
        };
        way.leads(Some(server));
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (to, told) = (locked(&state.to).clone(), state.clone());
                let link = tokio::spawn(async move {
                    match to {
                        Some(to) => relay(near, &to).await,
                        None => too_old(near, &told.told).await,
                    }
                });
                locked(&state.open).push(link.abort_handle());
            }
        });
        way
    }

    /// From now on; what was open is cut.
    pub(crate) fn leads(&self, to: Option<&Running>) {
        self.leads_to(to.map(|server| server.local_addr().to_string()));
    }

    /// Into a tunnel: what was open is cut, and nothing opens.
    pub(crate) fn leads_nowhere(&self) {
        self.leads_to(Some("127.0.0.1:1".to_owned()));
    }

    fn leads_to(&self, to: Option<String>) {
        *locked(&self.state.to) = to;
        for link in locked(&self.state.open).drain(..) {
            link.abort();
        }
    }

    fn told(&self) -> usize {
        self.state.told.load(Ordering::Relaxed)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn relay(mut near: TcpStream, to: &str) {
    if let Ok(mut far) = TcpStream::connect(to).await {
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    }
}

async fn too_old(near: TcpStream, told: &AtomicUsize) {
    // What is no WebSocket (why?) is not answered.
    let Ok(mut socket) = tokio_tungstenite::accept_async(near).await else {
        return;
    };
    while let Some(Ok(message)) = socket.next().await {
        let Message::Binary(frame) = message else {
            continue;
        };
        assert!(matches!(
            ClientFrame::decode(&frame),
            Ok(ClientFrame::Hello { .. })
        ));
        let ending = ServerFrame::Ending {
            reason: Reason::Version,
            retry: Retry::Reload,
            message: "Version: the client is too old",
        };
        let close = CloseFrame {
            code: CloseCode::from(Reason::Version.close_code()),
            reason: "Version".into(),
        };
        told.fetch_add(1, Ordering::Relaxed);
        let _ = socket.send(Message::Binary(ending.encode())).await;
        let _ = socket.close(Some(close)).await;
    }
}

/// A page that is too old for the server loads itself anew: once, since a second time would be for ever.
#[tokio::test]
async fn a_page_that_is_too_old_reloads_once_and_then_says_so() {
    let server = start(Server::new("table", table));
    let way = Way::to(&server).await;
    way.leads(None);
    let driver = Driver::start();
    // It reloads itself while its script waits for the room.
    let page = driver
        .open(&format!("{}/?quick=ffa&to={}", page_of(&server), way.url))
        .await;
    let state = page
        .until(
            "it says so",
            "window.ready && sessionStorage.loads > 1 && net.state.at === 'ended' && net.state",
            PATIENCE,
        )
        .await;
    assert_eq!(state["reason"], "Version");
    let shown = page.eval("problem.textContent").await;
    assert!(
        shown.as_str().is_some_and(|text| text.contains("too old")
            && text.contains("Reload the page. If that does not help")),
        "{shown}"
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(page.eval("Number(sessionStorage.loads)").await, 2);
    assert_eq!(way.told(), 2);
    page.close().await;
    server.stop();
}

#[tokio::test]
async fn a_page_that_reloads_itself_is_in_the_same_room_after_it() {
    let server = start(
        Server::new("table", table)
            .set("room.table.seats", "4")
            .set("resume_ms", "0"),
    );
    let way = Way::to(&server).await;
    let driver = Driver::start();
    let others = |count: usize| {
        let url = server.url();
        async move {
            let mut others = Vec::new();
            for _ in 0..count {
                let mut net = Connection::open(&url, ClientConfig::default()).unwrap();
                net.client_mut().quick("table", &[("mode", "ffa")]);
                let deadline = now().plus(PATIENCE);
                loop {
                    let event = net.next_until(deadline).await.expect("they are let in");
                    if let ClientEvent::Joined { room, .. } = event {
                        let id = net.client().view(room).unwrap().id().to_owned();
                        others.push((
                            id,
                            tokio::spawn(async move {
                                while net.next().await != ClientEvent::Expired {}
                            }),
                        ));
                        break;
                    }
                }
            }
            others
        }
    };
    // A full room, and the page in a second one.
    let full = others(4).await;
    let page = open(
        &driver,
        &format!("{}/?quick=ffa&to={}", page_of(&server), way.url),
    )
    .await;
    let id = page.eval("room.id").await;
    let id = id.as_str().unwrap();
    assert!(full.iter().all(|(other, _)| other != id));
    // Then the first has a seat, and would be the first choice of anybody who comes now.
    full[0].1.abort();
    let free = format!(
        "net.lobby().then(all => all.find(room => room.id === '{}').members)",
        full[0].0
    );
    let deadline = now().plus(PATIENCE);
    while kept(&page, &free).await != 3 {
        assert!(now() < deadline, "the seat is never free");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }

    way.leads(None);
    while way.told() == 0 {
        assert!(now() < deadline.plus(PATIENCE), "it does not come back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    way.leads(Some(&server));
    page.until(
        "it has loaded itself anew",
        "sessionStorage.loads === '2' && window.ready",
        PATIENCE,
    )
    .await;
    assert_eq!(
        page.eval("room.id").await,
        id,
        "{}",
        page.eval("problem.textContent").await
    );
    assert_eq!(page.eval("Number(sessionStorage.loads)").await, 2);
    page.close().await;
    full.iter().for_each(|(_, task)| task.abort());
    server.stop();
}
