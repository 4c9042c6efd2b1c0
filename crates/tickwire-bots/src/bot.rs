//! One bot: a real client that joins a room, decodes what it receives and plays by the schema it was given. How many there are is the swarm's.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use tickwire_client::{ClientConfig, ClientEvent, Condition, RoomKey, State};
use tickwire_lab::player::Wanderer;
use tickwire_net::client::{Connection, LinkCounters};
use tickwire_proto::{Tick, Time};
use tokio::sync::watch;

use crate::{args::Pace, tally::Shared};

/// Commands whose effect a bot still waits for.
const PENDING_MAX: usize = 256;
/// Memory that the decoding of a message may take.
const MESSAGE_MEMORY_MAX: usize = 1 << 20;

/// What the swarm is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Bots come in; nothing counts yet.
    Ramp,
    /// All are in: everything counts.
    Play,
    /// Over.
    End,
}

/// What one bot shall do.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub number: u32,
    pub url: String,
    pub kind: String,
    pub attributes: Vec<(String, String)>,
    pub pace: Pace,
    pub condition: Option<Condition>,
    pub seed: u64,
    /// Until it is in a room.
    pub patience: Duration,
}

/// A bot at work.
struct Bot {
    plan: Plan,
    connection: Connection,
    room: RoomKey,
    joined: bool,
    player: Option<Wanderer>,
    /// Commands and when they were made.
    pending: VecDeque<(Tick, u64)>,
    last_tick: Option<Tick>,
    next_command: u64,
    /// The link's counters at the beginning of what counts.
    before: Option<LinkCounters>,
    shared: Shared,
}

/// Plays until the swarm's end, or until it fails; both are told in `shared`.
pub(crate) async fn play(plan: Plan, shared: Shared, mut stage: watch::Receiver<Stage>) {
    let outcome = match Bot::open(plan, shared.clone()) {
        Ok(mut bot) => {
            let outcome = bot.run(&mut stage).await;
            bot.leave();
            outcome
        }
        Err(reason) => Err(reason),
    };
    let mut tally = shared.lock();
    tally.finished += 1;
    if let Err(reason) = outcome {
        tally.fail(reason);
    }
}

impl Bot {
    fn open(plan: Plan, shared: Shared) -> Result<Bot, String> {
        let credentials =
            serde_json::json!({ "guest": format!("Bot {}", plan.number) }).to_string();
        let config = ClientConfig {
            credentials: Some(Bytes::from(credentials)),
            ..ClientConfig::default()
        };
        let mut connection = Connection::open_seeded(&plan.url, config, plan.seed)
            .map_err(|error| error.to_string())?;
        connection.condition(plan.condition);
        let attributes: Vec<(&str, &str)> = plan
            .attributes
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        let room = connection.client_mut().quick(&plan.kind, &attributes);
        Ok(Bot {
            plan,
            connection,
            room,
            joined: false,
            player: None,
            pending: VecDeque::new(),
            last_tick: None,
            next_command: 0,
            before: None,
            shared,
        })
    }

    async fn run(&mut self, stage: &mut watch::Receiver<Stage>) -> Result<(), String> {
        let give_up = tokio::time::sleep(self.plan.patience);
        tokio::pin!(give_up);
        loop {
            let now_stage = *stage.borrow_and_update();
            match now_stage {
                Stage::Ramp => {}
                Stage::Play => self.begin_counting(),
                Stage::End => return self.still_there(),
            }
            let due = self.steer();
            tokio::select! {
                event = self.connection.next_until(due) => {
                    if let Some(event) = event {
                        self.hear(event, now_stage)?;
                    }
                }
                changed = stage.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
                () = &mut give_up, if !self.joined => {
                    return Err(self.why_not_in());
                }
            }
        }
    }

    fn why_not_in(&self) -> String {
        let after = self.plan.patience.as_secs_f64();
        match self.connection.failure() {
            Some(failure) => format!("not in a room after {after} s: {failure}"),
            None => format!(
                "not in a room after {after} s: the client is {:?}",
                self.connection.client().state()
            ),
        }
    }

    /// At the end a bot is in its room, over a link that lives: one that waits to come back has lost what it came for.
    fn still_there(&self) -> Result<(), String> {
        match self.connection.client().state() {
            State::Online if self.joined => Ok(()),
            State::Online => Err("not in a room when the run ended".to_owned()),
            state => Err(format!("without a link when the run ended: {state:?}")),
        }
    }

    fn begin_counting(&mut self) {
        if self.before.is_none() {
            self.before = Some(self.connection.counters());
        }
    }

    /// Sends the commands that are due; says when the next one is.
    fn steer(&mut self) -> Time {
        let now = self.connection.now();
        let idle = now.plus(Duration::from_secs(1));
        if self.plan.pace == Pace::Never || !self.joined {
            return idle;
        }
        while let Some(tick) = self.connection.client_mut().command_tick(self.room, now) {
            self.command(now, tick);
        }
        self.connection
            .client()
            .next_command(self.room)
            .unwrap_or(idle)
            .min(idle)
    }

    fn command(&mut self, now: Time, tick: Tick) {
        let Some(view) = self.connection.client().view(self.room) else {
            return;
        };
        let schema = view.schema().clone();
        let Some(record) = &schema.command else {
            return;
        };
        if let Pace::PerSecond(rate) = self.plan.pace {
            if now.0 < self.next_command {
                return;
            }
            self.next_command =
                self.next_command.max(now.0.saturating_sub(1_000_000)) + (1e6 / rate) as u64;
        }
        let ticks = self.last_tick.map_or(1, |last| tick.since(last));
        let seconds = f64::from(ticks) * f64::from(schema.tick_us) / 1e6;
        let seed = self.plan.seed;
        let player = self
            .player
            .get_or_insert_with(|| Wanderer::new(record, seed));
        let row = player.next(record, seconds);
        let made = self.connection.now().0;
        if self
            .connection
            .client_mut()
            .command(self.room, tick, row)
            .is_ok()
        {
            self.last_tick = Some(tick);
            if self.pending.len() == PENDING_MAX {
                self.pending.pop_front();
            }
            self.pending.push_back((tick, made));
        }
    }

    /// Messages are decoded like all else that comes: one that cannot be is the server's fault.
    fn read(&self, room: RoomKey, kind: u32, payload: &[u8]) -> Result<(), String> {
        let Some(view) = self.connection.client().view(room) else {
            return Ok(()); // of a room that was left
        };
        let schema = view.schema().message(kind);
        let schema = schema.ok_or_else(|| format!("a message of no known kind came: {kind}"))?;
        let read = schema.shape.check(payload, MESSAGE_MEMORY_MAX);
        read.map_err(|error| format!("a message {} was wrong: {error}", schema.name))
    }

    fn hear(&mut self, event: ClientEvent, stage: Stage) -> Result<(), String> {
        match event {
            ClientEvent::Joined { .. } if !self.joined => {
                self.joined = true;
                self.shared.lock().playing += 1;
            }
            ClientEvent::Message {
                room: Some(room),
                kind,
                payload,
                ..
            } => self.read(room, kind, &payload)?,
            ClientEvent::Updated { applied, stamp, .. } => self.updated(applied, stamp, stage),
            ClientEvent::JoinRefused { refusal, .. } => {
                return Err(format!(
                    "the join was refused: {}: {}",
                    refusal.code, refusal.message
                ));
            }
            ClientEvent::AttachRefused(refusal) => {
                return Err(format!(
                    "the credentials were refused: {}: {}",
                    refusal.code, refusal.message
                ));
            }
            ClientEvent::RoomAway { .. } => return Err("the link was lost".into()),
            ClientEvent::RoomEnded {
                reason, message, ..
            } => return Err(format!("the room ended: {reason:?} {message}")),
            ClientEvent::Fault { fault, .. } => {
                return Err(format!("an update was wrong: {fault}"));
            }
            ClientEvent::State(State::Ended {
                reason, message, ..
            }) => return Err(format!("sent away: {reason:?} {message}")),
            _ => {}
        }
        Ok(())
    }

    fn updated(&mut self, applied: Option<Tick>, stamp: Option<u64>, stage: Stage) {
        let now = self.connection.now().0; // by the clock that capture stamps are made by
        let counts = stage == Stage::Play;
        let mut tally = self.shared.lock();
        if counts {
            tally.updates += 1;
            if let Some(stamp) = stamp {
                tally.age(now.saturating_sub(stamp));
            }
        }
        while let Some((_, made)) = self
            .pending
            .pop_front_if(|(tick, _)| Some(*tick) <= applied)
        {
            if counts {
                tally.effect(now.saturating_sub(made));
            }
        }
    }

    /// Adds what its link counted, says goodbye, and is no longer one that plays.
    fn leave(self) {
        let mut tally = self.shared.lock();
        if let Some(before) = self.before {
            let after = self.connection.counters();
            tally.bytes += after.payload_in.saturating_sub(before.payload_in);
            tally.wire_bytes += after.wire_in.saturating_sub(before.wire_in);
        }
        if self.joined {
            tally.playing = tally.playing.saturating_sub(1);
        }
        drop(tally);
        self.connection.close();
    }
}
