//! A room of the chat: a game without a world, stepped when somebody says something. What takes its time (the disk) is a task.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tickwire::net::Broadcaster;
use tickwire::prelude::*;
use tickwire::proto::frame::{Presence, Refusal, code};

use crate::store::{Line, Store};

/// Lines of history that are given at once.
const PAGE: usize = 50;

/// A request: answered when the line is on disk, and told to all.
#[derive(NetMessage, Serialize, Deserialize, Debug)]
pub struct Say {
    #[net(max = 2_000)]
    pub text: String,
}

impl Request for Say {
    type Reply = Line;
}

/// The lines before one; `u32::MAX`: the last ones.
#[derive(NetMessage, Serialize, Deserialize, Debug)]
pub struct History {
    pub before: u32,
}

impl Request for History {
    type Reply = Lines;
}

#[derive(NetMessage, Serialize, Deserialize, Debug)]
pub struct Lines {
    #[net(max = 50)]
    pub lines: Vec<Line>,
}

/// What the disk has done; no client hears of it. `None`: it failed, and the log says why.
#[derive(NetMessage, Serialize, Deserialize, Debug)]
struct Written {
    line: Option<Line>,
}

#[derive(NetMessage, Serialize, Deserialize, Debug)]
struct Found {
    lines: Option<Lines>,
}

/// Who waits for which task.
#[derive(Resource, Default)]
struct Waiting {
    said: BTreeMap<TaskId, Ticket<Say>>,
    asked: BTreeMap<TaskId, Ticket<History>>,
}

/// The kind of room. Its attribute `name` is the room's name, which its history goes by.
pub fn talk(store: Arc<Store>, server: Broadcaster) -> impl Fn(&mut Game) + Send + Sync + 'static {
    move |game| {
        let (disk, history) = (Arc::clone(&store), Arc::clone(&store));
        let server = server.clone();
        game.on_demand().rate(20).seats(200).message::<Line>();
        game.on_start(|mut commands: Commands| commands.init_resource::<Waiting>());
        game.on_request_later(
            move |In(asked): In<Asked<Say>>,
                  room: Res<RoomAttributes>,
                  roster: Res<Roster>,
                  mut tasks: ResMut<Tasks>,
                  mut waiting: ResMut<Waiting>,
                  mut answers: ResMut<Answers>| {
                let text = asked.request.text.trim().to_owned();
                if text.is_empty() {
                    let refusal = Refusal::new("Empty", "say something");
                    return answers.give(asked.ticket, Err(refusal));
                }
                let here = roster.players();
                let here = here.filter(|(_, it)| it.presence == Presence::Online);
                let here = here.map(|(_, it)| it.name.clone()).collect();
                let by = roster.name(asked.player).to_owned();
                let name = room.get("name").unwrap_or_default().to_owned();
                let write = write(Arc::clone(&disk), server.clone(), name, by, text, here);
                waiting.said.insert(tasks.spawn(write), asked.ticket);
            },
        );
        game.on_done(written);
        game.on_request_later(
            move |In(asked): In<Asked<History>>,
                  room: Res<RoomAttributes>,
                  mut tasks: ResMut<Tasks>,
                  mut waiting: ResMut<Waiting>| {
                let (store, before) = (Arc::clone(&history), asked.request.before);
                let name = room.get("name").unwrap_or_default().to_owned();
                let read = async move {
                    let read =
                        tokio::task::spawn_blocking(move || store.before(&name, before, PAGE));
                    let lines = read.await.ok().and_then(Result::ok);
                    Found {
                        lines: lines.map(|lines| Lines { lines }),
                    }
                };
                waiting.asked.insert(tasks.spawn(read), asked.ticket);
            },
        );
        game.on_done(found);
    }
}

/// On disk first, so that what is told is kept; and a notice to each who is called by name and not here, which waits for them.
async fn write(
    store: Arc<Store>,
    server: Broadcaster,
    room: String,
    by: String,
    text: String,
    here: Vec<String>,
) -> Written {
    let called: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric() && !"@_-".contains(c))
        .filter_map(|word| word.strip_prefix('@'))
        .filter(|name| !here.iter().any(|other| other.eq_ignore_ascii_case(name)))
        .map(str::to_lowercase)
        .take(8)
        .collect();
    let notice = json!({ "room": room, "by": by, "text": text });
    let written = tokio::task::spawn_blocking(move || {
        let line = store.append(&room, &by, &text)?;
        let known = called.into_iter();
        let known = known.filter(|name| store.user(name).is_ok_and(|user| user.is_some()));
        Ok::<_, redb::Error>((line, known.collect::<Vec<String>>()))
    });
    let (line, called) = match written.await {
        Ok(Ok(written)) => written,
        Ok(Err(error)) => {
            eprintln!("a line could not be kept: {error}");
            return Written { line: None };
        }
        Err(_) => return Written { line: None },
    };
    for name in called {
        if let Some(people) = server.people("/") {
            let _ = people.keep(&name, "called", &notice); // a full box says so in the metrics
        }
    }
    Written { line: Some(line) }
}

fn written(
    In(done): In<Done<Written>>,
    mut waiting: ResMut<Waiting>,
    mut answers: ResMut<Answers>,
    mut outbox: ResMut<Outbox>,
) {
    let line = done.result.ok().and_then(|written| written.line);
    if let Some(line) = &line {
        outbox.all(line);
    }
    if let Some(ticket) = waiting.said.remove(&done.task) {
        answers.give(ticket, line.ok_or_else(broken));
    }
}

fn found(In(done): In<Done<Found>>, mut waiting: ResMut<Waiting>, mut answers: ResMut<Answers>) {
    let lines = done.result.ok().and_then(|found| found.lines);
    if let Some(ticket) = waiting.asked.remove(&done.task) {
        answers.give(ticket, lines.ok_or_else(broken));
    }
}

fn broken() -> Refusal {
    Refusal::new(
        code::FAILED,
        "the disk of the server does not do its part. Try again later",
    )
}
