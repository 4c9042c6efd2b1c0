//! Requests in a game, both ways: answered at once, later or never; asked of one or of all; the same from every seed and after a restore.

use std::collections::BTreeMap;
use std::time::Duration;

use bevy_ecs::prelude::*;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tickwire_proto::frame::{AskOutcome, code};
use tickwire_sim::prelude::*;
use tickwire_sim::{
    GameKind, OutAnswer, OutQuestion, QUESTIONS_MAX, QuestionId, SimOptions, Simulation,
    TooManyQuestions,
};
use tickwire_snapshot::message::{self, Message};

#[derive(Serialize, Deserialize, NetMessage, Clone, Debug, PartialEq)]
struct Loadout {
    weapon: u8,
}

#[derive(Serialize, Deserialize, NetMessage, Clone, Debug, PartialEq)]
struct LoadoutOk {
    #[net(max = 4)]
    ammunition: Vec<u16>,
}

impl Request for Loadout {
    type Reply = LoadoutOk;
}

#[derive(Serialize, Deserialize, NetMessage, Clone, Debug, PartialEq)]
struct Vote {
    map: u8,
}

#[derive(Serialize, Deserialize, NetMessage, Clone, Debug, PartialEq)]
struct Voted {
    winner: u8,
}

impl Request for Vote {
    type Reply = Voted;
}

#[derive(Serialize, Deserialize, NetMessage, Clone, Debug, PartialEq)]
struct Ready {
    round: u32,
}

#[derive(Serialize, Deserialize, NetMessage, Clone, Debug, PartialEq)]
struct Yes {
    loud: bool,
}

impl Request for Ready {
    type Reply = Yes;
}

/// What the game keeps of it, for the tests to read.
#[derive(Resource, Default)]
struct Book {
    handled: u32,
    tickets: Vec<Ticket<Vote>>,
    replied: Vec<(u32, u16, Result<bool, NoReply>, usize)>,
}

fn start(mut commands: Commands) {
    commands.init_resource::<Book>();
}

fn loadout(
    In(asked): In<FromPlayer<Loadout>>,
    mut book: ResMut<Book>,
) -> Result<LoadoutOk, Refusal> {
    book.handled += 1;
    match asked.message.weapon {
        9 => Ok(LoadoutOk {
            ammunition: vec![1; 5], // longer than it may be
        }),
        weapon @ 0..4 => Ok(LoadoutOk {
            ammunition: vec![u16::from(weapon) * 10 + asked.player.seat],
        }),
        _ => Err(Refusal::new("NoSuchWeapon", "choose a weapon from 0 to 3")),
    }
}

fn vote(In(asked): In<Asked<Vote>>, mut book: ResMut<Book>) {
    book.tickets.push(asked.ticket);
}

fn count(time: Res<CurrentTick>, mut book: ResMut<Book>, mut answers: ResMut<Answers>) {
    if time.tick().0 == 5 {
        for ticket in book.tickets.drain(..) {
            answers.give(ticket, Ok(Voted { winner: 7 }));
        }
    }
}

fn gather(time: Res<CurrentTick>, mut questions: ResMut<Questions>) {
    let round = time.tick().0;
    if round == 3 {
        questions
            .all(&Ready { round }, Duration::from_millis(500))
            .unwrap();
    }
}

fn heard(In(replied): In<Replied<Ready>>, mut book: ResMut<Book>) {
    book.replied.push((
        replied.question.0,
        replied.player.seat,
        replied.outcome.map(|yes| yes.loud),
        replied.waiting,
    ));
}

fn game(game: &mut Game) {
    game.rate(10)
        .seats(4)
        .on_start(start)
        .on_request(loadout)
        .on_request_later(vote)
        .on_reply(heard)
        .systems((gather, count));
}

fn room(people: u16) -> Simulation {
    let mut room = Simulation::new(&GameKind::new("asks", game), SimOptions::default());
    for seat in 0..people {
        let name = format!("P{seat}");
        room.join(PlayerInfo {
            seat,
            identity: format!("id of {name}"),
            name,
            computer: false,
        })
        .unwrap();
    }
    room.step();
    room
}

fn request<Q: Request>(
    room: &mut Simulation,
    seat: u16,
    ticket: u32,
    q: &Q,
) -> Result<(), Refusal> {
    room.request(seat, Q::kind(), ticket, &message::encode(q))
}

fn done<M: Message>(answer: &OutAnswer) -> M {
    message::decode(answer.answer.as_ref().unwrap()).unwrap()
}

fn yes(loud: bool) -> AskOutcome {
    AskOutcome::Done(message::encode(&Yes { loud }))
}

#[test]
fn a_request_is_answered_in_the_next_tick_or_refused() {
    let mut room = room(2);
    request(&mut room, 1, 70, &Loadout { weapon: 2 }).unwrap();
    request(&mut room, 0, 71, &Loadout { weapon: 8 }).unwrap();
    request(&mut room, 0, 72, &Loadout { weapon: 9 }).unwrap();
    assert_eq!(room.take_answers(), []);
    room.step();
    let answers = room.take_answers();
    assert_eq!(
        answers.iter().map(|it| it.ticket).collect::<Vec<_>>(),
        [70, 71, 72]
    );
    assert_eq!(done::<LoadoutOk>(&answers[0]).ammunition, [21]);
    assert_eq!(answers[1].answer.as_ref().unwrap_err().code, "NoSuchWeapon");
    let unfit = answers[2].answer.as_ref().unwrap_err();
    assert_eq!(unfit.code, code::FAILED);
    assert!(unfit.message.contains("LoadoutOk"), "{}", unfit.message);
    room.step();
    assert_eq!(room.take_answers(), []);
    assert_eq!(room.world().resource::<Book>().handled, 3);
}

#[test]
fn what_cannot_be_asked_is_refused_at_once_by_its_code() {
    let mut room = room(1);
    let code_of = |result: Result<(), Refusal>| result.unwrap_err().code;
    let payload = message::encode(&Loadout { weapon: 1 });
    assert_eq!(
        code_of(room.request(3, Loadout::kind(), 1, &payload)),
        code::FORBIDDEN
    );
    assert_eq!(code_of(room.request(0, 77, 1, &payload)), code::NOT_FOUND);
    assert_eq!(
        code_of(room.request(0, Loadout::kind(), 1, &[1, 2])),
        code::REFUSED
    );
    room.step();
    assert_eq!(room.take_answers(), []);
    for ticket in 0..tickwire_sim::INBOX_MAX as u32 {
        request(&mut room, 0, ticket, &Loadout { weapon: 1 }).unwrap();
    }
    assert_eq!(
        code_of(request(&mut room, 0, 0, &Loadout { weapon: 1 })),
        code::LIMIT
    );
}

#[test]
fn a_ticket_answers_in_a_later_tick() {
    let mut room = room(1);
    request(&mut room, 0, 5, &Vote { map: 1 }).unwrap();
    room.step();
    room.step();
    assert_eq!(room.take_answers(), []);
    while room.tick().0 < 5 {
        room.step();
    }
    let answers = room.take_answers();
    assert_eq!((answers.len(), answers[0].ticket), (1, 5));
    assert_eq!(done::<Voted>(&answers[0]).winner, 7);
}

fn replied(room: &Simulation) -> &[(u32, u16, Result<bool, NoReply>, usize)] {
    &room.world().resource::<Book>().replied
}

#[test]
fn a_question_to_all_yields_who_said_what_who_was_late_and_who_left() {
    let mut room = room(4);
    while room.tick().0 < 3 {
        room.step();
    }
    let asked = room.take_questions();
    let [
        OutQuestion::Ask {
            number: 1,
            seats,
            channel: 0,
            timeout_ms: 500,
            kind,
            payload,
        },
    ] = &asked[..]
    else {
        panic!("{asked:?}")
    };
    assert_eq!((&seats[..], *kind), (&[0, 1, 2, 3][..], Ready::kind()));
    assert_eq!(message::decode::<Ready>(payload).unwrap().round, 3);
    room.reply(2, 1, yes(true));
    room.reply(2, 1, yes(false)); // once is enough
    room.reply(1, 9, yes(true)); // never asked
    room.leave(0);
    room.step();
    assert_eq!(
        replied(&room),
        [(1, 2, Ok(true), 3), (1, 0, Err(NoReply::Left), 2)]
    );
    let refusal = Refusal::new("Busy", "not now");
    room.reply(1, 1, AskOutcome::Refused(refusal.clone()));
    for _ in 0..3 {
        room.step();
    }
    assert_eq!(replied(&room).len(), 3, "half a second is five ticks");
    room.step();
    assert_eq!(
        replied(&room)[2..],
        [
            (1, 1, Err(NoReply::Refused(refusal)), 1),
            (1, 3, Err(NoReply::Timeout), 0)
        ]
    );
    assert_eq!(
        room.take_questions(),
        [OutQuestion::GiveUp { number: 1, seat: 3 }]
    );
    room.reply(3, 1, yes(true));
    room.step();
    assert_eq!(replied(&room).len(), 4, "too late");
}

#[test]
fn a_reply_that_is_none_is_a_refusal_and_nobody_there_has_left() {
    let mut room = room(1);
    let ask = |room: &mut Simulation, seat| {
        let mut questions = room.world_mut().resource_mut::<Questions>();
        let ready = Ready { round: 0 };
        questions
            .one(Player::new(seat), &ready, Duration::from_secs(1))
            .unwrap()
    };
    assert_eq!(ask(&mut room, 0), QuestionId(1));
    assert_eq!(ask(&mut room, 3), QuestionId(2));
    room.step();
    assert_eq!(room.take_questions().len(), 1, "nobody sits on seat 3");
    room.reply(0, 1, AskOutcome::Done(Bytes::from_static(&[9, 9])));
    room.step();
    let [
        (2, 3, Err(NoReply::Left), 0),
        (1, 0, Err(NoReply::Refused(refusal)), 0),
    ] = replied(&room)
    else {
        panic!("{:?}", replied(&room));
    };
    assert_eq!(refusal.code, code::FAILED);
}

#[test]
fn what_is_given_up_has_no_outcome() {
    let mut room = room(2);
    while room.tick().0 < 3 {
        room.step();
    }
    assert_eq!(room.take_questions().len(), 1);
    room.reply(0, 1, yes(true));
    room.world_mut()
        .resource_mut::<Questions>()
        .give_up(QuestionId(1));
    let given_up = [0, 1].map(|seat| OutQuestion::GiveUp { number: 1, seat });
    assert_eq!(room.take_questions(), given_up);
    for _ in 0..9 {
        room.step();
    }
    assert_eq!(replied(&room), []);
}

#[test]
fn questions_are_bounded() {
    let mut room = room(1);
    let mut questions = room.world_mut().resource_mut::<Questions>();
    let ready = Ready { round: 0 };
    let second = Duration::from_secs(1);
    for _ in 0..QUESTIONS_MAX - 3 {
        questions.one(Player::new(0), &ready, second).unwrap();
    }
    assert_eq!(
        questions.all(&ready, second),
        Err(TooManyQuestions),
        "four seats might be meant"
    );
    for _ in 0..3 {
        questions.one(Player::new(0), &ready, second).unwrap();
    }
    assert_eq!(
        questions.one(Player::new(0), &ready, second),
        Err(TooManyQuestions)
    );
    questions.give_up(QuestionId(1));
    assert!(questions.one(Player::new(0), &ready, second).is_ok());
}

#[test]
fn a_restored_room_goes_on_waiting_for_its_answers() {
    let kind = GameKind::new("asks", game);
    for cut in 1..12 {
        let (mut one, mut two) = (room(3), Simulation::new(&kind, SimOptions::default()));
        let drive = |room: &mut Simulation, tick: u32| {
            match tick {
                3 => room.reply(1, 1, yes(true)),
                4 => request(room, 2, 8, &Loadout { weapon: 3 }).unwrap(),
                5 => room.leave(2),
                _ => {}
            }
            room.step();
        };
        let mut exact = BTreeMap::new();
        for tick in 1..12 {
            if tick == cut {
                two.restore(&one.capture_exact()).unwrap();
            }
            drive(&mut one, tick);
            exact.insert(tick, one.capture_exact());
            if tick >= cut {
                drive(&mut two, tick);
                assert_eq!(
                    two.capture_exact(),
                    exact[&tick],
                    "cut at {cut}, tick {tick}"
                );
            }
        }
        let from = replied(&one).len() - replied(&two).len();
        assert_eq!(replied(&two), &replied(&one)[from..]);
    }
}

#[test]
fn the_schema_names_each_request_and_its_reply() {
    let kind = GameKind::new("asks", game);
    let reply = |name: &str| {
        let message = kind.schema().messages.iter().find(|it| it.name == name);
        message.unwrap_or_else(|| panic!("{name} is missing")).reply
    };
    assert_eq!(reply("Loadout"), Some(LoadoutOk::kind()));
    assert_eq!(reply("Ready"), Some(Yes::kind()));
    assert_eq!(reply("Yes"), None);
    let twice = GameKind::try_new("twice", |game: &mut Game| {
        game.on_start(start).on_request(loadout).on_request(loadout);
    });
    let error = twice.unwrap_err().to_string();
    assert_eq!(
        error,
        "a system for request Loadout is registered twice: keep one"
    );
}
