//! Numbered letters and requests in both directions, which show that each comes once and in order, or that the end of the session is told. Not when links break.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bevy_ecs::prelude::*;
use serde::{Deserialize, Serialize};
use tickwire_client::{AskId, Client, ClientEvent, RoomKey};
use tickwire_proto::{
    Time,
    frame::{AskOutcome, Refusal, code, parts::NO_SEAT},
};
use tickwire_server::Room;
use tickwire_sim::prelude::*;
use tickwire_snapshot::message::{self, Message, Request};

use crate::{Chance, figures::Counts, violation::Broken};

/// Ticks between two letters of the game to a player.
const POST_EVERY: u32 = 3;
/// Letters of the game between two questions.
const QUESTION_EVERY: u32 = 4;
/// How long a question or request waits: less than many an absence.
const PATIENCE: Duration = Duration::from_secs(3);
/// Letters that may be on their way to a client when all has been well for long.
const UNDER_WAY_MAX: u32 = 15;

/// One numbered message, either way.
#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct LabLetter {
    number: u32,
}

/// What a client asks the room.
#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct LabRequest {
    number: u32,
}

/// What the room asks a client.
#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct LabQuestion {
    number: u32,
}

/// The answer to either: its number.
#[derive(NetMessage, Serialize, Deserialize, Clone, Debug, PartialEq)]
struct LabReply {
    number: u32,
}

impl Request for LabRequest {
    type Reply = LabReply;
}

impl Request for LabQuestion {
    type Reply = LabReply;
}

/// The game's side of it, by seat, from the join on.
#[derive(Resource, Default)]
struct Desk(BTreeMap<u16, Tray>);

#[derive(Default)]
struct Tray {
    letters_in: u32,
    letters_out: u32,
    /// The last request that was heard.
    request: Option<u32>,
    questions: BTreeSet<u32>,
    asked: u32,
}

/// After a tick: the game was told of whoever has come, and of whoever has gone.
pub(crate) fn check_seats(number: u32, room: &Room) -> Result<(), Broken> {
    let simulation = room.simulation();
    let Some(desk) = simulation.world().get_resource::<Desk>() else {
        return Ok(());
    };
    let known: Vec<u16> = desk.0.keys().copied().collect();
    let computers = simulation
        .roster()
        .players()
        .filter(|(_, who)| who.computer);
    let computers = computers.map(|(player, _)| player.seat);
    let seats = room.members().map(|member| member.seat).chain(computers);
    let mut taken: Vec<u16> = seats.filter(|seat| *seat != NO_SEAT).collect();
    taken.sort_unstable();
    if known == taken {
        return Ok(());
    }
    Err(Broken::Seats {
        room: number,
        known,
        taken,
    })
}

/// Adds letters to a game: it panics when one is missing, comes twice or out of order, and the lab tells the seed.
pub(crate) fn install(game: &mut Game) {
    game.on_start(|mut commands: Commands| commands.init_resource::<Desk>());
    game.message::<LabLetter>()
        .on_join(|In(player): In<Player>, mut desk: ResMut<Desk>| {
            desk.0.insert(player.seat, Tray::default());
        })
        .on_leave(|In(player): In<Player>, mut desk: ResMut<Desk>| {
            desk.0.remove(&player.seat);
        })
        .on_message(heard)
        .on_request(answered)
        .on_reply(replied)
        .systems(post);
}

fn heard(In(letter): In<FromPlayer<LabLetter>>, mut desk: ResMut<Desk>) {
    let (seat, number) = (letter.player.seat, letter.message.number);
    let Some(of_seat) = desk.0.get_mut(&seat) else {
        panic!("a letter of seat {seat}, where nobody sits");
    };
    assert_eq!(number, of_seat.letters_in, "the next letter of seat {seat}");
    of_seat.letters_in += 1;
}

fn answered(
    In(asked): In<FromPlayer<LabRequest>>,
    mut desk: ResMut<Desk>,
) -> Result<LabReply, Refusal> {
    let (seat, number) = (asked.player.seat, asked.message.number);
    let Some(of_seat) = desk.0.get_mut(&seat) else {
        panic!("a request of seat {seat}, where nobody sits");
    };
    // One that was given up may have been taken back before it was heard.
    assert!(
        of_seat.request.is_none_or(|last| number > last),
        "request {number} of seat {seat} behind {:?}",
        of_seat.request
    );
    of_seat.request = Some(number);
    Ok(LabReply { number })
}

fn replied(In(replied): In<Replied<LabQuestion>>, mut desk: ResMut<Desk>) {
    // Of one who has left, or whose seat is another's now, nothing is known any more.
    if let Some(of_seat) = desk.0.get_mut(&replied.player.seat)
        && let Ok(reply) = replied.outcome
    {
        let once = of_seat.questions.remove(&reply.number);
        assert!(
            once,
            "reply {} of seat {} that nobody waits for",
            reply.number, replied.player.seat
        );
    }
}

fn post(
    tick: Res<CurrentTick>,
    mut desk: ResMut<Desk>,
    mut outbox: ResMut<Outbox>,
    mut questions: ResMut<Questions>,
) {
    if !tick.tick().0.is_multiple_of(POST_EVERY) {
        return;
    }
    for (seat, of_seat) in &mut desk.0 {
        let player = Player { seat: *seat };
        let number = of_seat.letters_out;
        outbox.to(player, &LabLetter { number });
        of_seat.letters_out += 1;
        let number = of_seat.asked;
        if of_seat.letters_out.is_multiple_of(QUESTION_EVERY)
            && questions
                .one(player, &LabQuestion { number }, PATIENCE)
                .is_ok()
        {
            of_seat.questions.insert(number);
            of_seat.asked += 1;
        }
    }
}

/// A client's side of it, in one membership after the other.
pub(crate) struct Letters {
    chance: Chance,
    said: u32,
    heard: u32,
    asked: u32,
    open: BTreeMap<AskId, u32>,
    /// The last question that was heard.
    question: Option<u32>,
    /// The session is over, and nothing of it may be heard any more.
    over: bool,
    /// Nothing more is said: the end of the run.
    pub quiet: bool,
}

impl Letters {
    pub fn new(chance: Chance) -> Letters {
        Letters {
            chance,
            said: 0,
            heard: 0,
            asked: 0,
            open: BTreeMap::new(),
            question: None,
            over: false,
            quiet: false,
        }
    }

    /// It is in a room, as somebody new there.
    pub fn joined(&mut self) {
        (self.said, self.heard, self.asked, self.question) = (0, 0, 0, None);
        self.over = false;
    }

    /// Its process is another one, which knows of nothing.
    pub fn restart(&mut self) {
        self.open.clear();
        self.joined();
    }

    /// Now and then it has something to say.
    pub fn say(&mut self, now: Time, client: &mut Client, room: RoomKey) {
        if self.quiet || !client.is_joined(room) {
            return;
        }
        if self.chance.happens(0.2) {
            let letter = message::encode(&LabLetter { number: self.said });
            if client.send(room, LabLetter::kind(), &letter).is_ok() {
                self.said += 1;
            }
        }
        if self.chance.happens(0.05) {
            let request = LabRequest { number: self.asked };
            if let Ok(ask) = client.ask_for(now, room, &request, PATIENCE) {
                self.open.insert(ask, self.asked);
                self.asked += 1;
            }
        }
    }

    /// What its client tells. The error says what is wrong with it.
    pub fn tell(
        &mut self,
        event: &ClientEvent,
        client: &mut Client,
        counts: &mut Counts,
    ) -> Result<(), String> {
        self.tell_of_ends(event)?;
        match event {
            ClientEvent::Message { kind, payload, .. } if *kind == LabLetter::kind() => {
                let letter: LabLetter = message::decode(payload).map_err(|it| it.to_string())?;
                if letter.number != self.heard {
                    return Err(format!("letter {}, not {}", letter.number, self.heard));
                }
                self.heard += 1;
                counts.letters += 1;
            }
            ClientEvent::Reply { ask, outcome } => {
                let Some(number) = self.open.remove(ask) else {
                    return Err(format!("a second outcome of one request: {outcome:?}"));
                };
                match outcome {
                    AskOutcome::Done(payload) => {
                        let reply: LabReply =
                            message::decode(payload).map_err(|it| it.to_string())?;
                        if reply.number != number {
                            return Err(format!("reply {} to request {number}", reply.number));
                        }
                        counts.requests += 1;
                    }
                    AskOutcome::Refused(refusal) if refusal.code != code::LIMIT => {
                        return Err(format!("request {number} was refused: {refusal:?}"));
                    }
                    _ => {}
                }
            }
            ClientEvent::Question {
                question,
                kind,
                payload,
                ..
            } if *kind == LabQuestion::kind() => {
                let asked: LabQuestion = message::decode(payload).map_err(|it| it.to_string())?;
                let number = asked.number;
                if self.question.is_some_and(|last| number <= last) {
                    return Err(format!("question {number} behind {:?}", self.question));
                }
                self.question = Some(number);
                client.answer_with::<LabQuestion>(*question, Ok(LabReply { number }));
            }
            _ => {}
        }
        Ok(())
    }

    /// With the end of a session each request has its outcome, and nothing is heard before another room is joined.
    fn tell_of_ends(&mut self, event: &ClientEvent) -> Result<(), String> {
        match event {
            ClientEvent::Expired if !self.open.is_empty() => {
                let open = self.open.values();
                Err(format!("no outcome of {open:?}, and the session is over"))
            }
            ClientEvent::Expired => {
                self.over = true;
                Ok(())
            }
            ClientEvent::Message { .. } | ClientEvent::Question { .. } if self.over => {
                Err(format!("{event:?} of a session that is over"))
            }
            _ => Ok(()),
        }
    }

    /// When all has been well for long: what was said has been heard, and what was asked was answered.
    pub fn agree(&self, world: &World, seat: u16) -> Result<(), String> {
        let Some(of_seat) = world
            .get_resource::<Desk>()
            .and_then(|desk| desk.0.get(&seat))
        else {
            return Err(format!("the room has no letters of seat {seat}"));
        };
        if of_seat.letters_in != self.said {
            let (said, heard) = (self.said, of_seat.letters_in);
            return Err(format!("{heard} of its {said} letters were heard"));
        }
        if of_seat.letters_out > self.heard + UNDER_WAY_MAX {
            let (out, heard) = (of_seat.letters_out, self.heard);
            return Err(format!("it heard {heard} of {out} letters"));
        }
        if !self.open.is_empty() {
            return Err(format!("it has no outcome of its requests {:?}", self.open));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tickwire_client::ClientConfig;

    use super::*;

    fn hear(letters: &mut Letters, number: u32) -> Result<(), String> {
        let mut client = Client::new(ClientConfig::default(), 1, Time(0));
        let event = ClientEvent::Message {
            namespace: tickwire_client::NamespaceKey::default(),
            room: Some(RoomKey::default()),
            channel: 0,
            kind: LabLetter::kind(),
            payload: message::encode(&LabLetter { number }),
            volatile: false,
        };
        letters.tell(&event, &mut client, &mut Counts::default())
    }

    #[test]
    fn a_letter_that_is_missing_or_comes_twice_is_found() {
        let mut letters = Letters::new(Chance::new(1));
        assert_eq!(hear(&mut letters, 0), Ok(()));
        assert_eq!(hear(&mut letters, 1), Ok(()));
        assert_eq!(hear(&mut letters, 1), Err("letter 1, not 2".to_owned()));
        assert_eq!(hear(&mut letters, 3), Err("letter 3, not 2".to_owned()));
        letters.joined();
        assert_eq!(hear(&mut letters, 0), Ok(()), "another membership");
    }

    #[test]
    fn a_letter_of_a_session_that_is_over_is_found() {
        let mut letters = Letters::new(Chance::new(1));
        let mut client = Client::new(ClientConfig::default(), 1, Time(0));
        assert_eq!(hear(&mut letters, 0), Ok(()));
        let mut tell = |letters: &mut Letters| {
            letters.tell(&ClientEvent::Expired, &mut client, &mut Counts::default())
        };
        assert_eq!(tell(&mut letters), Ok(()));
        assert!(hear(&mut letters, 1).is_err_and(|what| what.contains("is over")));
        letters.joined();
        assert_eq!(hear(&mut letters, 0), Ok(()));
        letters.open.insert(AskId::default(), 7);
        assert!(tell(&mut letters).is_err_and(|what| what.contains("no outcome of [7]")));
    }
}
