//! A room of the chat: a game without a world, stepped when somebody says something. What takes its time (the disk) is a task.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tickwire::net::Broadcaster;
use tickwire::prelude::*;
use tickwire::proto::frame::{Presence, Refusal, code};

use crate::store::{Line, Store};

/// Lines of history that are given at once.
const PAGE: usize = 50;
/// Lines that are written to disk at once.
const BATCH: usize = 16;

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

/// What the disk has done; no client hears of it. Without lines: it failed, and the log says why.
#[derive(NetMessage, Serialize, Deserialize, Debug)]
struct Written {
    #[net(max = 16)]
    lines: Vec<Line>,
}

#[derive(NetMessage, Serialize, Deserialize, Debug)]
struct Found {
    lines: Option<Lines>,
}

/// Something said that is not on disk yet.
struct Said {
    by: String,
    text: String,
    /// Who is in the room, and needs no notice.
    here: Vec<String>,
}

/// Who waits for what. Lines are written by one task at a time, so that they are kept and told in the order in which they were said.
#[derive(Resource, Default)]
struct Waiting {
    said: VecDeque<(Ticket<Say>, Said)>,
    writing: Vec<Ticket<Say>>,
    asked: BTreeMap<TaskId, Ticket<History>>,
}

/// What a room needs to write.
#[derive(Resource, Clone)]
struct Desk {
    store: Arc<Store>,
    server: Broadcaster,
}

/// The kind of room. Its attribute `name` is the room's name, which its history goes by.
pub fn talk(store: Arc<Store>, server: Broadcaster) -> impl Fn(&mut Game) + Send + Sync + 'static {
    move |game| {
        let history = Arc::clone(&store);
        let (store, server) = (Arc::clone(&store), server.clone());
        let desk = Desk { store, server };
        game.on_demand().rate(20).seats(200).message::<Line>();
        game.seat_for_each_session(); // the same person on two devices
        game.on_start(move |mut commands: Commands| {
            commands.init_resource::<Waiting>();
            commands.insert_resource(desk.clone());
        });
        game.on_request_later(say);
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

fn say(
    In(asked): In<Asked<Say>>,
    (room, desk): (Res<RoomAttributes>, Res<Desk>),
    roster: Res<Roster>,
    mut tasks: ResMut<Tasks>,
    mut waiting: ResMut<Waiting>,
    mut answers: ResMut<Answers>,
) {
    let text = asked.request.text.trim().to_owned();
    if text.is_empty() {
        let refusal = Refusal::new("Empty", "say something");
        return answers.give(asked.ticket, Err(refusal));
    }
    let here = roster.players();
    let here = here.filter(|(_, it)| it.presence == Presence::Online);
    let here = here.map(|(_, it)| it.name.clone()).collect();
    let by = roster.name(asked.player).to_owned();
    let said = Said { by, text, here };
    waiting.said.push_back((asked.ticket, said));
    write_next(&room, &desk, &mut waiting, &mut tasks);
}

/// Begins to write what waits, unless something is being written.
fn write_next(room: &RoomAttributes, desk: &Desk, waiting: &mut Waiting, tasks: &mut Tasks) {
    if !waiting.writing.is_empty() || waiting.said.is_empty() {
        return;
    }
    let batch = waiting.said.len().min(BATCH);
    let (tickets, said) = waiting.said.drain(..batch).unzip();
    waiting.writing = tickets;
    let name = room.get("name").unwrap_or_default().to_owned();
    tasks.spawn(write(desk.clone(), name, said));
}

/// On disk first, so that what is told is kept; and a notice to each who is called by name and not here, which waits for them.
async fn write(desk: Desk, room: String, said: Vec<Said>) -> Written {
    let Desk { store, server } = desk;
    let written = tokio::task::spawn_blocking(move || {
        let lines = said.iter().map(|it| (it.by.clone(), it.text.clone()));
        let lines = store.append(&room, &lines.collect::<Vec<_>>())?;
        let mut notices = Vec::new();
        for it in &said {
            let notice = json!({ "room": room, "by": it.by, "text": it.text });
            for name in called(it) {
                if store.user(&name)?.is_some() {
                    notices.push((name, notice.clone()));
                }
            }
        }
        Ok::<_, redb::Error>((lines, notices))
    });
    let (lines, notices) = match written.await {
        Ok(Ok(written)) => written,
        Ok(Err(error)) => {
            eprintln!("lines could not be kept: {error}");
            return Written { lines: Vec::new() };
        }
        Err(_) => return Written { lines: Vec::new() },
    };
    for (name, notice) in notices {
        if let Some(people) = server.people("/") {
            let _ = people.keep(&name, "called", &notice); // a full box says so in the metrics
        }
    }
    Written { lines }
}

/// The names after an @ of those who are not here, in small letters: 8 at most.
fn called(said: &Said) -> impl Iterator<Item = String> {
    let words = said
        .text
        .split(|c: char| !c.is_alphanumeric() && !"@_-".contains(c));
    words
        .filter_map(|word| word.strip_prefix('@'))
        .filter(|name| !said.here.iter().any(|it| it.eq_ignore_ascii_case(name)))
        .map(str::to_lowercase)
        .take(8)
}

fn written(
    In(done): In<Done<Written>>,
    (room, desk): (Res<RoomAttributes>, Res<Desk>),
    mut tasks: ResMut<Tasks>,
    mut waiting: ResMut<Waiting>,
    mut answers: ResMut<Answers>,
    mut outbox: ResMut<Outbox>,
) {
    let lines = done.result.map(|written| written.lines).unwrap_or_default();
    let mut lines = lines.into_iter();
    for ticket in std::mem::take(&mut waiting.writing) {
        let line = lines.next().inspect(|line| outbox.all(line));
        answers.give(ticket, line.ok_or_else(broken));
    }
    write_next(&room, &desk, &mut waiting, &mut tasks);
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
