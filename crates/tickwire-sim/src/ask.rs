//! Requests between a game and its players: what the game answers, at once or later, and what it asks. Links and sessions are others' work.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use bevy_ecs::change_detection::{CheckChangeTicks, Mut};
use bevy_ecs::resource::Resource;
use bevy_ecs::system::{BoxedSystem, In};
use bevy_ecs::world::World;
use bytes::Bytes;
use tickwire_proto::Tick;
use tickwire_proto::frame::{AskOutcome, CHANNELS_MAX, Refusal, code};
use tickwire_snapshot::MessageSchema;
use tickwire_snapshot::message::{self, MessageError, Request};

use crate::message::FromPlayer;
use crate::player::{Player, Roster};
use crate::system::run;

/// Questions to players that wait for their answers, each player counted, in one room.
pub const QUESTIONS_MAX: usize = 4_096;
/// Answers of a game that wait for the end of the tick; more are dropped and counted, and their askers run out of time.
pub const ANSWERS_MAX: usize = 16_384;

/// What a system of [`Game::on_request`](crate::Game::on_request) returns: the reply, or a typed "no" with the game's own code.
pub type Answer<Q> = Result<<Q as Request>::Reply, Refusal>;

/// A request and how to answer it: the input of the systems of [`Game::on_request_later`](crate::Game::on_request_later).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked<Q> {
    /// Who.
    pub player: Player,
    /// What.
    pub request: Q,
    /// For [`Answers::give`], in this tick or a later one.
    pub ticket: Ticket<Q>,
}

/// A request that is to be answered. Kept wherever a game likes; its player may have given it up or left meanwhile.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket<Q> {
    number: u32,
    of: PhantomData<fn() -> Q>,
}

impl<Q> Clone for Ticket<Q> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Q> Copy for Ticket<Q> {}

impl<Q> Ticket<Q> {
    fn new(number: u32) -> Self {
        let of = PhantomData;
        Self { number, of }
    }
}

/// An answer on its way out: to the request that came with this ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutAnswer {
    /// That of [`Simulation::request`](crate::Simulation::request).
    pub ticket: u32,
    /// The reply's bytes, or a refusal.
    pub answer: Result<Bytes, Refusal>,
}

/// Where a game puts answers that it did not give at once: a resource.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_sim::prelude::*;
/// # use tickwire_snapshot::message::Request;
/// # use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, NetMessage)]
/// struct Vote { map: u8 }
/// #[derive(Serialize, Deserialize, NetMessage)]
/// struct Voted { winner: u8 }
/// impl Request for Vote { type Reply = Voted; }
///
/// #[derive(Resource, Default)]
/// struct Ballot(Vec<(u8, Ticket<Vote>)>);
///
/// fn vote(In(asked): In<Asked<Vote>>, mut ballot: ResMut<Ballot>) {
///     ballot.0.push((asked.request.map, asked.ticket));
/// }
///
/// fn count(mut ballot: ResMut<Ballot>, mut answers: ResMut<Answers>) {
///     if ballot.0.len() == 3 {
///         let winner = ballot.0.iter().map(|vote| vote.0).max().unwrap_or(0);
///         for (_, ticket) in ballot.0.drain(..) {
///             answers.give(ticket, Ok(Voted { winner }));
///         }
///     }
/// }
/// # fn start(mut commands: Commands) { commands.init_resource::<Ballot>(); }
/// # fn game(game: &mut Game) { game.on_start(start).on_request_later(vote).systems(count); }
/// # tickwire_sim::GameKind::new("votes", game);
/// ```
#[derive(Resource, Debug, Default)]
pub struct Answers {
    pub(crate) queue: Vec<OutAnswer>,
    pub(crate) dropped: u64,
}

impl Answers {
    /// Answers a request. The second answer to one, and one that comes after its player has gone, reach nobody.
    pub fn give<Q: Request>(&mut self, ticket: Ticket<Q>, answer: Answer<Q>) {
        self.push(ticket.number, encode::<Q>(answer));
    }

    pub(crate) fn push(&mut self, ticket: u32, answer: Result<Bytes, Refusal>) {
        if self.queue.len() >= ANSWERS_MAX {
            self.dropped += 1;
        } else {
            self.queue.push(OutAnswer { ticket, answer });
        }
    }
}

/// One past its own limits would be refused by whoever receives it: the asker hears that, since it waits.
fn encode<Q: Request>(answer: Answer<Q>) -> Result<Bytes, Refusal> {
    let text = |error: MessageError| Refusal::new(code::FAILED, error.to_string());
    message::encode_checked(&answer?).map_err(text)
}

/// A question of the game to one or more of its players.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionId(pub u32);

/// What became of a question, for one player: the input of the systems of [`Game::on_reply`](crate::Game::on_reply).
#[derive(Clone, Debug, PartialEq)]
pub struct Replied<Q: Request> {
    /// Which question.
    pub question: QuestionId,
    /// Whose.
    pub player: Player,
    /// The reply, or why there is none.
    pub outcome: Result<Q::Reply, NoReply>,
    /// Of how many more players the outcome is still to come: 0 with the last one.
    pub waiting: usize,
}

/// Why a player gave no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReply {
    /// The player's client refused, or its reply was none.
    #[error("{}: {}", .0.code, .0.message)]
    Refused(Refusal),
    /// It did not come in time.
    #[error("Timeout: no reply in the question's time")]
    Timeout,
    /// The player is not here any more.
    #[error("Ended: the player has left")]
    Left,
}

/// More questions wait than may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{QUESTIONS_MAX} questions wait for their answers: ask fewer players, or less often")]
pub struct TooManyQuestions;

/// What the room has to do for the game's questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutQuestion {
    /// Ask these players. Each has exactly one outcome by [`Simulation::reply`](crate::Simulation::reply), or none once it was given up.
    Ask {
        /// The question's number in this room.
        number: u32,
        /// Their seats.
        seats: Vec<u16>,
        /// By which channel.
        channel: u8,
        /// The request's kind.
        kind: u32,
        /// For how long it waits, for them to know.
        timeout_ms: u32,
        /// The request's bytes.
        payload: Bytes,
    },
    /// Nothing more is wanted from this player.
    GiveUp {
        /// The question's number.
        number: u32,
        /// Whose.
        seat: u16,
    },
}

/// Where a game asks its players: a resource. What they reply comes to the systems of [`Game::on_reply`](crate::Game::on_reply), one
/// outcome for each player.
///
/// ```
/// use std::time::Duration;
/// use bevy_ecs::prelude::*;
/// use tickwire_sim::prelude::*;
/// # use tickwire_snapshot::message::Request;
/// # use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, NetMessage)]
/// struct Ready { round: u32 }
/// #[derive(Serialize, Deserialize, NetMessage)]
/// struct Yes;
/// impl Request for Ready { type Reply = Yes; }
///
/// fn gather(time: Res<CurrentTick>, mut questions: ResMut<Questions>) {
///     if time.tick().0 == 30 {
///         questions.all(&Ready { round: 1 }, Duration::from_secs(10)).ok();
///     }
/// }
///
/// fn heard(In(replied): In<Replied<Ready>>) {
///     let ready = replied.outcome.is_ok(); // or refused, or too late, or gone
///     let all_said = replied.waiting == 0;
/// #   let _ = (ready, all_said);
/// }
/// # fn game(game: &mut Game) { game.on_reply(heard).systems(gather); }
/// # tickwire_sim::GameKind::new("rounds", game);
/// ```
#[derive(Resource, Debug, Default)]
pub struct Questions {
    last: u32,
    pub(crate) open: BTreeMap<u32, Question>,
    queue: Vec<OutQuestion>,
    /// Asked during this step: at its end they are given their players and their time.
    fresh: Vec<Fresh>,
    /// Outcomes that are still to come, at most.
    waiting: usize,
    /// Of the room: so many players may be meant by "all".
    seats: u16,
}

/// One that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub kind: u32,
    /// The first tick that is too late.
    pub until: Tick,
    /// Whose outcome is still to come.
    pub seats: Vec<u16>,
}

#[derive(Debug)]
struct Fresh {
    number: u32,
    player: Option<Player>,
    channel: u8,
    kind: u32,
    timeout: Duration,
    payload: Bytes,
}

impl Fresh {
    fn players(&self, seats: u16) -> usize {
        self.player.map_or(usize::from(seats), |_| 1)
    }
}

impl Questions {
    pub(crate) fn new(seats: u16) -> Self {
        Self {
            seats,
            ..Self::default()
        }
    }

    /// Asks one player. A computer player, or nobody, has left.
    pub fn one<Q: Request>(
        &mut self,
        player: Player,
        request: &Q,
        timeout: Duration,
    ) -> Result<QuestionId, TooManyQuestions> {
        self.ask(Some(player), 0, request, timeout)
    }

    /// Asks every person who has a seat. Encoded once; with nobody there nothing follows.
    pub fn all<Q: Request>(
        &mut self,
        request: &Q,
        timeout: Duration,
    ) -> Result<QuestionId, TooManyQuestions> {
        self.ask(None, 0, request, timeout)
    }

    /// The same by another channel than the default one, of which there are eight: its order is its own. `None`: everybody.
    pub fn by_channel<Q: Request>(
        &mut self,
        channel: u8,
        player: Option<Player>,
        request: &Q,
        timeout: Duration,
    ) -> Result<QuestionId, TooManyQuestions> {
        self.ask(player, channel.min(CHANNELS_MAX - 1), request, timeout)
    }

    fn ask<Q: Request>(
        &mut self,
        player: Option<Player>,
        channel: u8,
        request: &Q,
        timeout: Duration,
    ) -> Result<QuestionId, TooManyQuestions> {
        let players = player.map_or(usize::from(self.seats), |_| 1);
        if self.waiting + players > QUESTIONS_MAX {
            return Err(TooManyQuestions);
        }
        self.waiting += players;
        self.last += 1;
        self.fresh.push(Fresh {
            number: self.last,
            player,
            channel,
            kind: Q::kind(),
            timeout,
            payload: message::encode(request),
        });
        Ok(QuestionId(self.last))
    }

    /// Gives a question up: no more outcomes come.
    pub fn give_up(&mut self, question: QuestionId) {
        let number = question.0;
        if let Some(at) = self.fresh.iter().position(|fresh| fresh.number == number) {
            self.waiting -= self.fresh.remove(at).players(self.seats);
        }
        if let Some(question) = self.open.remove(&number) {
            self.waiting -= question.seats.len();
            let give_up = |seat| OutQuestion::GiveUp { number, seat };
            self.queue.extend(question.seats.into_iter().map(give_up));
        }
    }

    /// The questions of this tick are for those who sit now, and have until so many ticks from now. One to nobody there is done in the
    /// next tick.
    pub(crate) fn place(&mut self, now: Tick, tick_us: u32, roster: &Roster) {
        for fresh in std::mem::take(&mut self.fresh) {
            self.waiting -= fresh.players(self.seats);
            let person = |player: Player| roster.get(player).is_some_and(|who| !who.computer);
            let seats: Vec<u16> = match fresh.player {
                Some(player) => vec![player.seat],
                None => roster
                    .players()
                    .filter(|(_, who)| !who.computer)
                    .map(|(player, _)| player.seat)
                    .collect(),
            };
            if seats.is_empty() {
                continue;
            }
            let ticks = fresh
                .timeout
                .as_micros()
                .div_ceil(u128::from(tick_us.max(1)));
            let ticks = u32::try_from(ticks).unwrap_or(u32::MAX).max(1);
            let nobody = fresh.player.is_some_and(|player| !person(player));
            let question = Question {
                kind: fresh.kind,
                until: if nobody { now.next() } else { now.plus(ticks) },
                seats: seats.clone(),
            };
            self.waiting += seats.len();
            self.open.insert(fresh.number, question);
            if !nobody {
                self.queue.push(OutQuestion::Ask {
                    number: fresh.number,
                    seats,
                    channel: fresh.channel,
                    kind: fresh.kind,
                    timeout_ms: u32::try_from(fresh.timeout.as_millis()).unwrap_or(u32::MAX),
                    payload: fresh.payload,
                });
            }
        }
    }

    /// Takes one outcome in: the question's kind, and how many are still to come. None: it is given up, or was answered.
    fn settle(&mut self, number: u32, seat: u16) -> Option<(u32, usize)> {
        let question = self.open.get_mut(&number)?;
        let at = question.seats.iter().position(|waits| *waits == seat)?;
        question.seats.remove(at);
        self.waiting -= 1;
        let found = (question.kind, question.seats.len());
        if question.seats.is_empty() {
            self.open.remove(&number);
        }
        Some(found)
    }

    /// Whose time is over: (number, seat), in order.
    fn due(&self, now: Tick) -> Vec<(u32, u16)> {
        let due = self.open.iter().filter(|(_, it)| it.until <= now);
        due.flat_map(|(number, it)| it.seats.iter().map(|seat| (*number, *seat)))
            .collect()
    }

    /// Those that a player has not answered.
    fn of(&self, seat: u16) -> Vec<u32> {
        let theirs = self.open.iter().filter(|(_, it)| it.seats.contains(&seat));
        theirs.map(|(number, _)| *number).collect()
    }

    pub(crate) fn last(&self) -> u32 {
        self.last
    }

    /// Puts back what an exact capture held.
    pub(crate) fn put_back(&mut self, last: u32, open: BTreeMap<u32, Question>) {
        *self = Questions {
            last,
            waiting: open.values().map(|question| question.seats.len()).sum(),
            open,
            seats: self.seats,
            ..Questions::default()
        };
    }
}

/// A system that answers one kind of request, without its type.
pub(crate) trait Answerer: Send + Sync {
    /// The request's place in a schema, and its reply's.
    fn schemas(&self) -> [MessageSchema; 2];
    fn kind(&self) -> u32;
    fn initialize(&mut self, world: &mut World);
    fn check_change_tick(&mut self, check: CheckChangeTicks);
    fn check(&self, payload: &[u8]) -> Result<(), MessageError>;
    fn answer(&mut self, world: &mut World, player: Player, ticket: u32, payload: &[u8]);
}

/// Answers in the same tick.
pub(crate) struct AnswersNow<Q: Request> {
    pub system: BoxedSystem<In<FromPlayer<Q>>, Answer<Q>>,
}

/// Answers by its ticket.
pub(crate) struct AnswersLater<Q: Request> {
    pub system: BoxedSystem<In<Asked<Q>>>,
}

impl<Q: Request + Send + Sync + 'static> Answerer for AnswersNow<Q>
where
    Q::Reply: Send + Sync + 'static,
{
    fn schemas(&self) -> [MessageSchema; 2] {
        Q::schemas()
    }

    fn kind(&self) -> u32 {
        Q::kind()
    }

    fn initialize(&mut self, world: &mut World) {
        self.system.initialize(world);
    }

    fn check_change_tick(&mut self, check: CheckChangeTicks) {
        self.system.check_change_tick(check);
    }

    fn check(&self, payload: &[u8]) -> Result<(), MessageError> {
        message::decode::<Q>(payload).map(|_| ())
    }

    fn answer(&mut self, world: &mut World, player: Player, ticket: u32, payload: &[u8]) {
        // It was checked when it came; a decoder that changes its mind answers nothing.
        let Ok(message) = message::decode::<Q>(payload) else {
            return;
        };
        let input = FromPlayer { player, message };
        if let Some(answer) = run(&mut self.system, input, world) {
            world
                .resource_mut::<Answers>()
                .push(ticket, encode::<Q>(answer));
        }
    }
}

impl<Q: Request + Send + Sync + 'static> Answerer for AnswersLater<Q> {
    fn schemas(&self) -> [MessageSchema; 2] {
        Q::schemas()
    }

    fn kind(&self) -> u32 {
        Q::kind()
    }

    fn initialize(&mut self, world: &mut World) {
        self.system.initialize(world);
    }

    fn check_change_tick(&mut self, check: CheckChangeTicks) {
        self.system.check_change_tick(check);
    }

    fn check(&self, payload: &[u8]) -> Result<(), MessageError> {
        message::decode::<Q>(payload).map(|_| ())
    }

    fn answer(&mut self, world: &mut World, player: Player, ticket: u32, payload: &[u8]) {
        if let Ok(request) = message::decode::<Q>(payload) {
            let ticket = Ticket::new(ticket);
            let asked = Asked {
                player,
                request,
                ticket,
            };
            run(&mut self.system, asked, world);
        }
    }
}

/// A system that hears the replies to one kind of question, without its type.
pub(crate) trait ReplyListener: Send + Sync {
    fn schemas(&self) -> [MessageSchema; 2];
    fn kind(&self) -> u32;
    fn initialize(&mut self, world: &mut World);
    fn check_change_tick(&mut self, check: CheckChangeTicks);
    fn hear(
        &mut self,
        world: &mut World,
        question: QuestionId,
        player: Player,
        outcome: Result<Bytes, NoReply>,
        waiting: usize,
    );
}

pub(crate) struct HearsReplies<Q: Request> {
    pub system: BoxedSystem<In<Replied<Q>>>,
}

impl<Q: Request + Send + Sync + 'static> ReplyListener for HearsReplies<Q>
where
    Q::Reply: Send + Sync + 'static,
{
    fn schemas(&self) -> [MessageSchema; 2] {
        Q::schemas()
    }

    fn kind(&self) -> u32 {
        Q::kind()
    }

    fn initialize(&mut self, world: &mut World) {
        self.system.initialize(world);
    }

    fn check_change_tick(&mut self, check: CheckChangeTicks) {
        self.system.check_change_tick(check);
    }

    fn hear(
        &mut self,
        world: &mut World,
        question: QuestionId,
        player: Player,
        outcome: Result<Bytes, NoReply>,
        waiting: usize,
    ) {
        let malformed =
            |error: MessageError| NoReply::Refused(Refusal::new(code::FAILED, error.to_string()));
        let outcome =
            outcome.and_then(|bytes| message::decode::<Q::Reply>(&bytes).map_err(malformed));
        let replied = Replied {
            question,
            player,
            outcome,
            waiting,
        };
        run(&mut self.system, replied, world);
    }
}

impl crate::Simulation {
    /// A request of a player for the game: its bytes are checked now, its system runs in the next step, and the answer comes by
    /// [`take_answers`](Self::take_answers) with this ticket. An error is the answer.
    pub fn request(
        &mut self,
        seat: u16,
        kind: u32,
        ticket: u32,
        payload: &[u8],
    ) -> Result<(), Refusal> {
        use crate::inbox::{Input, Plan};
        if self.inbox.plan(seat) != Plan::Person {
            let text = "who has no seat asks nothing here";
            return Err(Refusal::new(code::FORBIDDEN, text));
        }
        let Some(answerer) = self.answerers.iter().find(|it| it.kind() == kind) else {
            let text = format!(
                "the game does not answer requests of kind {kind:#010x}: register a system by on_request"
            );
            return Err(Refusal::new(code::NOT_FOUND, text));
        };
        if let Err(error) = answerer.check(payload) {
            return Err(Refusal::new(code::REFUSED, error.to_string()));
        }
        let payload = Bytes::copy_from_slice(payload);
        let input = Input::Request {
            seat,
            kind,
            ticket,
            payload,
        };
        if self.inbox.push(input) {
            Ok(())
        } else {
            let text = "the room's inbox is full for this tick: ask again";
            Err(Refusal::new(code::LIMIT, text))
        }
    }

    /// What became of a question, for one player: its system runs in the next step. Never refused: there is room for each that is open.
    pub fn reply(&mut self, seat: u16, number: u32, outcome: AskOutcome) {
        use crate::inbox::Input;
        let waits = |question: &Question| question.seats.contains(&seat);
        let questions = self.world.resource::<Questions>();
        if questions.open.get(&number).is_some_and(waits) {
            self.inbox.put_back(Input::Reply {
                seat,
                number,
                outcome,
            });
        }
    }

    /// What the game has answered since the last call.
    #[must_use]
    pub fn take_answers(&mut self) -> Vec<OutAnswer> {
        std::mem::take(&mut self.world.resource_mut::<Answers>().queue)
    }

    /// What there is to do for the game's questions since the last call.
    #[must_use]
    pub fn take_questions(&mut self) -> Vec<OutQuestion> {
        std::mem::take(&mut self.world.resource_mut::<Questions>().queue)
    }

    /// Gives the questions of this step their players and their time.
    pub(crate) fn place_questions(&mut self) {
        let (tick, tick_us) = (self.tick, self.schema.tick_us);
        if !self.world.resource::<Questions>().fresh.is_empty() {
            self.world
                .resource_scope(|world, mut questions: Mut<Questions>| {
                    questions.place(tick, tick_us, world.resource::<Roster>());
                });
        }
    }

    /// Runs the system of a request.
    pub(crate) fn answer(&mut self, seat: u16, kind: u32, ticket: u32, payload: &[u8]) {
        let answerer = self.answerers.iter_mut().find(|it| it.kind() == kind);
        if let Some(answerer) = answerer {
            answerer.answer(&mut self.world, Player::new(seat), ticket, payload);
        }
    }

    /// Questions that have run out of time.
    pub(crate) fn time_questions(&mut self) {
        let questions = self.world.resource::<Questions>();
        if questions.open.is_empty() {
            return;
        }
        let roster = self.world.resource::<Roster>();
        let due = questions.due(self.tick).into_iter();
        let due: Vec<(u32, u16, NoReply)> = due
            .map(|(number, seat)| {
                let here = roster.get(Player::new(seat));
                let person = here.is_some_and(|who| !who.computer);
                let why = if person {
                    NoReply::Timeout
                } else {
                    NoReply::Left
                };
                (number, seat, why)
            })
            .collect();
        for (number, seat, why) in due {
            self.settle_question(number, seat, Err(why));
            let mut questions = self.world.resource_mut::<Questions>();
            questions.queue.push(OutQuestion::GiveUp { number, seat });
        }
    }

    /// A player goes: what was asked of them has its outcome.
    pub(crate) fn end_questions(&mut self, seat: u16) {
        for number in self.world.resource::<Questions>().of(seat) {
            self.settle_question(number, seat, Err(NoReply::Left));
        }
    }

    pub(crate) fn replied(&mut self, seat: u16, number: u32, outcome: AskOutcome) {
        let outcome = match outcome {
            AskOutcome::Done(payload) => Ok(payload),
            AskOutcome::Refused(refusal) => Err(NoReply::Refused(refusal)),
            AskOutcome::Timeout => Err(NoReply::Timeout),
            AskOutcome::Ended => Err(NoReply::Left),
        };
        self.settle_question(number, seat, outcome);
    }

    fn settle_question(&mut self, number: u32, seat: u16, outcome: Result<Bytes, NoReply>) {
        let settled = self.world.resource_mut::<Questions>().settle(number, seat);
        let Some((kind, waiting)) = settled else {
            return;
        };
        let player = Player::new(seat);
        for listener in self.replies.iter_mut().filter(|it| it.kind() == kind) {
            listener.hear(
                &mut self.world,
                QuestionId(number),
                player,
                outcome.clone(),
                waiting,
            );
        }
    }
}
