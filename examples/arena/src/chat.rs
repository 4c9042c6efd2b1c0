//! The lobby's chat: rooms beside the games, stepped only when somebody says something. Who is here and who types the framework knows already.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use tickwire::{prelude::*, server::clean_line};

/// Lines that whoever comes later can still read; older ones are forgotten.
pub const HISTORY_MAX: usize = 60;
/// Characters of a line; what is beyond is cut.
pub const LINE_CHARS_MAX: usize = 200;

/// Something to be said.
#[derive(NetMessage, Serialize, Deserialize)]
pub struct Say {
    /// One line, as typed.
    #[net(max = 1600)]
    pub text: String,
}

/// Something that was said, fit to be shown.
#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Lines count from 1.
    pub number: u32,
    /// By whom.
    pub name: String,
    /// What.
    pub text: String,
}

/// What was said before? Answered with [`Lines`].
#[derive(NetMessage, Serialize, Deserialize)]
pub struct Earlier {
    /// Only lines beyond this number.
    pub beyond: u32,
}

/// The answer, oldest first.
#[derive(NetMessage, Serialize, Deserialize, Debug, PartialEq, Eq)]
pub struct Lines {
    /// At most [`HISTORY_MAX`].
    pub lines: Vec<Line>,
}

impl Request for Earlier {
    type Reply = Lines;
}

/// What was said, and who has spoken in this tick. It lives with its room, and is in no capture.
#[derive(Resource, Default)]
struct Talk {
    lines: VecDeque<Line>,
    said: u32,
    spoke: BTreeSet<u16>,
}

/// The game of the chat: five ticks a second at most, and in each a line of everybody.
///
/// ```
/// use tickwire::prelude::*;
/// let kind = GameKind::new("chat", arena::chat);
/// let room = Simulation::new(&kind, SimOptions::default());
/// assert!(room.outbox_is_empty());
/// ```
pub fn chat(game: &mut Game) {
    game.on_demand()
        .rate(5)
        .seats(500)
        .seat_for_each_session()
        .message::<Line>()
        .on_start(|mut commands: Commands| commands.init_resource::<Talk>())
        .on_message(say)
        .on_request(earlier)
        .systems(hush);
}

fn say(
    In(said): In<FromPlayer<Say>>,
    roster: Res<Roster>,
    mut talk: ResMut<Talk>,
    mut outbox: ResMut<Outbox>,
) {
    let text = clean_line(&said.message.text, LINE_CHARS_MAX);
    // Nobody types so fast: what a program floods is heard by nobody.
    if text.is_empty() || !talk.spoke.insert(said.player.seat) {
        return;
    }
    talk.said += 1;
    let line = Line {
        number: talk.said,
        name: roster.name(said.player).to_owned(),
        text,
    };
    outbox.all(&line);
    if talk.lines.len() == HISTORY_MAX {
        talk.lines.pop_front();
    }
    talk.lines.push_back(line);
}

fn earlier(In(asked): In<FromPlayer<Earlier>>, talk: Res<Talk>) -> Result<Lines, Refusal> {
    let beyond = |line: &&Line| line.number > asked.message.beyond;
    let lines = talk.lines.iter().filter(beyond).cloned().collect();
    Ok(Lines { lines })
}

fn hush(mut talk: ResMut<Talk>) {
    talk.spoke.clear();
}
