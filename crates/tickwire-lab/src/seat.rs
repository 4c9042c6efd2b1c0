//! One client in the lab: a `tickwire_client::Client`, who plays it, and what it counted; the links are the run's.

use std::collections::VecDeque;

use bytes::Bytes;
use tickwire_client::{Client, ClientConfig, Picture, RoomKey};
use tickwire_proto::{Tick, Time};
use tickwire_server::SessionKey;
use tickwire_sim::GameKind;
use tickwire_snapshot::OwnedRow;

use crate::{
    Chance, Profile,
    figures::Counts,
    letters::Letters,
    link::LinkId,
    player::{Turn, Wanderer},
    record::Recording,
    watch::Watch,
};

/// Commands whose effect is still waited for.
const PENDING_MAX: usize = 256;

/// A script that plays for a client.
pub(crate) type Script = dyn FnMut(&mut Turn<'_>);

/// One client.
pub(crate) struct Seat {
    pub number: usize,
    /// Who it is: several may be the same.
    pub person: usize,
    /// The game, if its client runs it ahead.
    predicts: Option<GameKind>,
    /// Another session of the same person has its seat: it asks for none, while its process lives.
    pub replaced: bool,
    pub client: Client,
    pub room: RoomKey,
    pub profile: Profile,
    pub link: Option<LinkId>,
    /// Another one that said the same hello: which of them carries the session is not decided yet.
    pub rival: Option<LinkId>,
    /// Until then it has no network.
    pub absent_until: Time,
    /// Until then its machine sleeps.
    pub asleep_until: Time,
    /// What time it is for it.
    pub watch: Watch,
    /// The session that it was in when it joined its room, until it hears of that one's end.
    pub session: Option<Option<(u32, SessionKey)>>,
    /// When that was opened.
    pub opened: Time,
    /// Counts the lives of its process and its attempts to connect, so that late news of an old one is known as such.
    pub attempt: u32,
    pub counts: Counts,
    /// What it showed last.
    pub picture: Option<Picture>,
    /// The newest tick of its view since it joined.
    pub newest: Option<Tick>,
    pub planned: Option<Time>,
    /// Its session was resumed, and no update came since.
    pub stale: bool,
    pub last_underruns: u64,
    /// What it exchanges with its room, if this run is about that.
    pub letters: Option<Letters>,
    /// What it shows and says, where that is recorded.
    pub recording: Option<Recording>,
    /// The tick that its room is at while it makes commands.
    pub truth: Option<f64>,
    chance: Chance,
    hand: Option<Wanderer>,
    row: Option<OwnedRow>,
    last_command: Option<Tick>,
    pending: VecDeque<(Tick, Time)>,
}

impl Seat {
    pub fn new(
        now: Time,
        number: usize,
        person: usize,
        kind: &str,
        profile: Profile,
        letters: bool,
        predicts: Option<GameKind>,
        mut chance: Chance,
    ) -> Self {
        let client = new_client(now, person, predicts.as_ref(), chance.bits());
        let mut seat = Seat {
            number,
            person,
            predicts,
            replaced: false,
            client,
            room: RoomKey::default(),
            profile,
            link: None,
            rival: None,
            absent_until: now,
            asleep_until: now,
            watch: Watch::RIGHT,
            session: None,
            opened: now,
            attempt: 0,
            counts: Counts::default(),
            picture: None,
            newest: None,
            planned: None,
            stale: false,
            last_underruns: 0,
            letters: letters.then(|| Letters::new(chance.fork(3))),
            recording: None,
            truth: None,
            chance,
            hand: None,
            row: None,
            last_command: None,
            pending: VecDeque::new(),
        };
        seat.join(kind);
        seat
    }

    /// Its process dies and another begins.
    pub fn restart(&mut self, now: Time, kind: &str) {
        let shows = self.watch.at(now);
        self.client = new_client(
            shows,
            self.person,
            self.predicts.as_ref(),
            self.chance.bits(),
        );
        self.replaced = false;
        self.attempt += 1;
        self.link = None;
        self.rival = None;
        self.session = None;
        self.newest = None;
        self.last_underruns = 0;
        self.hand = None;
        self.row = None;
        self.last_command = None;
        self.pending.clear();
        if let Some(letters) = &mut self.letters {
            letters.restart();
        }
        self.join(kind);
    }

    /// Asks for a room.
    pub fn join(&mut self, kind: &str) {
        self.room = self.client.quick(kind, &[]);
    }

    /// It is in a room, with a fresh view.
    pub fn joined(&mut self) {
        self.counts.joins += 1;
        self.newest = None;
        self.last_underruns = 0;
        self.last_command = None;
        self.pending.clear();
        if let Some(letters) = &mut self.letters {
            letters.joined();
        }
    }

    /// One picture: shows what it has, and sends the commands that are due.
    pub fn picture(&mut self, now: Time, script: Option<&mut Script>) {
        let shows = self.watch.at(now);
        self.picture = self.client.draw(self.room, shows);
        if self.picture.is_some() {
            self.counts.pictures += 1;
            while self.client.event_due(self.room).is_some() {}
        }
        if let Some(figures) = self.client.figures(self.room, shows) {
            self.counts.underruns += figures.underruns.saturating_sub(self.last_underruns);
            self.last_underruns = figures.underruns;
        }
        if let Some(letters) = &mut self.letters {
            letters.say(now, &mut self.client, self.room);
        }
        let mut script = script;
        while let Some(tick) = self.client.command_tick(self.room, shows) {
            self.command(now, tick, script.as_deref_mut());
        }
    }

    fn command(&mut self, now: Time, tick: Tick, script: Option<&mut Script>) {
        let Some(view) = self.client.view(self.room) else {
            return;
        };
        let schema = view.schema().clone();
        let Some(record) = &schema.command else {
            return;
        };
        let row = match script {
            Some(script) => {
                let row = self.row.get_or_insert_with(|| OwnedRow::new(record));
                script(&mut Turn {
                    client: self.number,
                    tick,
                    view,
                    picture: self.picture.as_ref(),
                    chance: &mut self.chance,
                    command: record,
                    row,
                });
                row
            }
            None => {
                let ticks = self.last_command.map_or(1, |last| tick.since(last));
                let seed = self.chance.fork(2).bits();
                let hand = self.hand.get_or_insert_with(|| Wanderer::new(record, seed));
                self.row.insert(
                    hand.next(record, f64::from(ticks) * f64::from(schema.tick_us) / 1e6)
                        .clone(),
                )
            }
        };
        if self.client.command(self.room, tick, row).is_ok() {
            self.last_command = Some(tick);
            if let (Some(recording), Some(truth)) = (&mut self.recording, self.truth) {
                recording.say(now, tick, truth);
            }
            if self.pending.len() == PENDING_MAX {
                self.pending.pop_front();
            }
            self.pending.push_back((tick, now));
        }
    }

    /// An update came in.
    pub fn updated(&mut self, now: Time, applied: Option<Tick>, stamp: Option<u64>) {
        self.counts.updates += 1;
        if std::mem::take(&mut self.stale) {
            self.counts.fresh(now.since(self.opened));
        }
        if let Some(stamp) = stamp {
            self.counts.age(now.since(Time(stamp)));
        }
        while let Some((_, made)) = self
            .pending
            .pop_front_if(|(tick, _)| Some(*tick) <= applied)
        {
            self.counts.effect(now.since(made));
        }
    }
}

fn new_client(now: Time, person: usize, predicts: Option<&GameKind>, seed: u64) -> Client {
    let credentials = Bytes::from(format!("{{\"guest\":\"Player {person}\"}}"));
    let config = ClientConfig {
        credentials: Some(credentials),
        ..ClientConfig::default()
    };
    let mut client = Client::new(config, seed, now);
    if let Some(game) = predicts {
        client.predict_with(tickwire_predict::of(game.clone()));
    }
    client
}
