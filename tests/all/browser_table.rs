//! A game that uses all that a page can: entities, a resource, an event, messages, requests both ways, commands; and a page of the tests' own to play it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tickwire::prelude::*;
use tickwire_net::Running;
use tickwire_tests::browser::{Driver, Page};

pub const PATIENCE: Duration = Duration::from_secs(30);
const PAGE: &str = include_str!("browser_api.html");

/// What a page keeps an element for.
#[derive(Replicate, Default)]
pub struct Ball {
    #[net(range = 0.0..=100.0, step = 0.5)]
    pub x: f32,
    #[net(max = 16)]
    pub label: String,
}

/// A resource.
#[derive(Replicate, Clone, Default)]
#[net(resource)]
pub struct Score {
    pub thrown: u32,
    #[net(max = 16)]
    pub last: String,
}

/// A tick event.
#[derive(TickEvent, Clone)]
pub struct Popped {
    #[net(range = 0.0..=100.0, step = 0.5)]
    pub x: f32,
}

/// Messages to the game.
#[derive(NetMessage, Serialize, Deserialize, Clone)]
pub struct Throw {
    pub x: f32,
    pub label: String,
}

#[derive(NetMessage, Serialize, Deserialize, Clone)]
pub struct Pop {
    pub label: String,
}

#[derive(NetMessage, Serialize, Deserialize, Clone)]
pub struct Say {
    pub text: String,
}

/// A message of the game, to everybody.
#[derive(NetMessage, Serialize, Deserialize, Clone)]
pub struct Said {
    pub seat: u16,
    pub text: String,
}

/// A request: how many balls of that label were thrown; an empty label is refused.
#[derive(NetMessage, Serialize, Deserialize, Clone)]
pub struct Count {
    pub label: String,
}

/// Its reply; and a question's.
#[derive(NetMessage, Serialize, Deserialize, Clone)]
pub struct Counted {
    pub n: u32,
}

impl Request for Count {
    type Reply = Counted;
}

/// Has the game ask everybody, and tell what they say.
#[derive(NetMessage, Serialize, Deserialize, Clone)]
pub struct Survey {
    pub label: String,
}

#[derive(PlayerCommand, Clone, Copy, Default)]
pub struct Push {
    #[net(range = -1..=1)]
    pub x: i8,
}

pub fn throw(In(thrown): In<FromPlayer<Throw>>, mut score: ResMut<Score>, mut commands: Commands) {
    let Throw { x, label } = thrown.message;
    score.thrown += 1;
    score.last.clone_from(&label);
    commands.spawn((Ball { x, label }, OwnedBy(thrown.player)));
}

pub fn pop(
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

pub fn say(In(said): In<FromPlayer<Say>>, mut outbox: ResMut<Outbox>) {
    outbox.all(&Said {
        seat: said.player.seat,
        text: said.message.text,
    });
}

pub fn count(
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

pub fn survey(In(asked): In<FromPlayer<Survey>>, mut questions: ResMut<Questions>) {
    let question = Count {
        label: asked.message.label,
    };
    questions.all(&question, Duration::from_secs(20)).ok();
}

pub fn surveyed(In(replied): In<Replied<Count>>, mut outbox: ResMut<Outbox>) {
    let text = match replied.outcome {
        Ok(Counted { n }) => format!("says {n}"),
        Err(no) => no.to_string(),
    };
    let seat = replied.player.seat;
    outbox.all(&Said { seat, text });
}

pub fn push(mut balls: Query<(&mut Ball, &Asks<Push>)>) {
    for (mut ball, ask) in &mut balls {
        if ask.x != 0 {
            ball.x = (ball.x + f32::from(ask.x)).clamp(0.0, 100.0);
        }
    }
}

pub fn table(game: &mut Game) {
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

pub fn start(server: Server) -> Running {
    let server = server.page(PAGE).listen("127.0.0.1:0").start();
    server.unwrap_or_else(|error| panic!("{error}"))
}

/// The address of the page.
pub fn page_of(server: &Running) -> String {
    format!("http://{}", server.local_addr())
}

pub async fn open(driver: &Driver, url: &str) -> Page {
    let page = driver.open(url).await;
    page.until("its script has run", "window.ready", PATIENCE)
        .await;
    page
}

/// What a promise of the page comes to, if it is kept.
pub async fn kept(page: &Page, promise: &str) -> Value {
    let outcome = page.settled(promise).await;
    assert!(outcome["error"].is_null(), "{promise}: {outcome}");
    outcome["ok"].clone()
}

/// A player at the table of that mode; the id of the room.
pub async fn play(page: &Page, mode: &str) -> String {
    let entered = kept(
        page,
        &format!("net.quick('table', {{ mode: '{mode}' }}).then(enter)"),
    )
    .await;
    assert_eq!(entered["kind"], "table");
    entered["id"].as_str().expect("an id").to_owned()
}

/// The element that the page keeps for a ball.
pub fn element(label: &str) -> String {
    format!("board.querySelector('[data-label=\"{label}\"]')")
}
