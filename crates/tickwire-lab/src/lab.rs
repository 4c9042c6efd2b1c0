//! How a run is set up: the game, the seed, the clients, their links, what goes wrong and who plays. Running it is `running`'s.

use std::{sync::Arc, time::Duration};

use tickwire_server::{Kind, KindOptions};
use tickwire_sim::{Game, GameFn, GameKind};

use crate::{
    Faults, Profile, Violation, letters,
    player::Turn,
    profile,
    running::{Running, Tamper},
    seat::Script,
    stream::Toward,
};

/// Clients in one run.
pub const CLIENTS_MAX: usize = 1_024;

/// A game, a number of clients and their links, to be run in virtual time. See the [crate's documentation](crate).
#[must_use = "a lab does nothing until it is run"]
pub struct Lab {
    pub(crate) name: String,
    pub(crate) kind: Arc<Kind>,
    pub(crate) seed: u64,
    pub(crate) clients: usize,
    pub(crate) links: Vec<Profile>,
    pub(crate) faults: Faults,
    pub(crate) script: Option<Box<Script>>,
    pub(crate) tamper: Option<Box<Tamper>>,
    pub(crate) picture: Duration,
    pub(crate) letters: bool,
    pub(crate) cut_after: Option<(Toward, usize)>,
    pub(crate) identities: Option<usize>,
    pub(crate) window: Duration,
    pub(crate) races: f64,
    pub(crate) predicts: bool,
    pub(crate) record: bool,
}

impl Lab {
    /// A lab for a game: the function that the server is given. Two clients on fiber, nothing goes wrong, seed 1.
    ///
    /// # Panics
    /// If the game is not sound, with the text that the server would give.
    pub fn new(name: &str, game: impl GameFn + 'static) -> Lab {
        let kind = Kind::new(GameKind::new(name, game), KindOptions::default());
        Lab {
            name: name.to_owned(),
            kind: Arc::new(kind),
            seed: 1,
            clients: 2,
            links: vec![profile::FIBER],
            faults: Faults::NONE,
            script: None,
            tamper: None,
            picture: Duration::from_micros(16_667),
            letters: false,
            cut_after: None,
            identities: None,
            window: Duration::from_secs(30),
            races: 0.0,
            predicts: false,
            record: false,
        }
    }

    /// The same, with letters: the room and each of its players number messages and requests to each other, and the first that is missing,
    /// comes twice or out of order is a violation, unless the session's end was told. Of the room's side it is a panic of the game.
    ///
    /// # Panics
    /// If the game is not sound, with the text that the server would give.
    pub fn with_letters(name: &str, game: impl GameFn + 'static) -> Lab {
        let both = move |of: &mut Game| {
            game(of);
            letters::install(of);
        };
        Lab {
            letters: true,
            ..Lab::new(name, both)
        }
    }

    /// All chance of the run comes from this: the same seed, the same run.
    pub fn seed(mut self, seed: u64) -> Lab {
        self.seed = seed;
        self
    }

    /// How many clients (at most [`CLIENTS_MAX`]). Those that find no seat in a room open another.
    pub fn clients(mut self, clients: usize) -> Lab {
        self.clients = clients.min(CLIENTS_MAX);
        self
    }

    /// What every client's link is like.
    pub fn link(self, profile: Profile) -> Lab {
        self.links(&[profile])
    }

    /// What the clients' links are like, in turn.
    ///
    /// # Panics
    /// If there are none.
    pub fn links(mut self, profiles: &[Profile]) -> Lab {
        assert!(
            !profiles.is_empty(),
            "clients need links: give at least one profile"
        );
        self.links = profiles.to_vec();
        self
    }

    /// What goes wrong, and how often.
    pub fn faults(mut self, faults: Faults) -> Lab {
        self.faults = faults;
        self
    }

    /// The clients are so many people, in turn, each with several sessions: no person may ever have two seats in a room, and when all is well
    /// again each has one, and the older sessions know that they have none.
    pub fn people(mut self, people: usize) -> Lab {
        self.identities = Some(people.max(1));
        self
    }

    /// For how long a session outlives its link (30 s if not said). One whose time is over is gone, both sides are told, and nothing of it is heard after.
    pub fn resume_window(mut self, window: Duration) -> Lab {
        self.window = window;
        self
    }

    /// So many of the attempts to connect, as a part of one, open two links at once, which claim the same session: as where a WebSocket and polling
    /// are tried side by side. The first that is answered carries the session, and the client looks at the other no more.
    pub fn races(mut self, part: f64) -> Lab {
        self.races = part;
        self
    }

    /// Cuts the first link of each client when exactly so many of its bytes have arrived at the server, the HTTP upgrade not counted. (Of links that
    /// poll there is none.)
    pub fn cut_after_up(mut self, bytes: usize) -> Lab {
        self.cut_after = Some((Toward::Server, bytes));
        self
    }

    /// The same of the bytes that have arrived at the client.
    pub fn cut_after_down(mut self, bytes: usize) -> Lab {
        self.cut_after = Some((Toward::Client, bytes));
        self
    }

    /// Clients predict: each runs the game ahead for its own seat. How that does is in [`View::foresight`](tickwire_client::View::foresight).
    pub fn predict(mut self) -> Lab {
        self.predicts = true;
        self
    }

    /// Who plays, in place of random hands: called for each command of each client, with the last one to change.
    pub fn player(mut self, script: impl FnMut(&mut Turn<'_>) + 'static) -> Lab {
        self.script = Some(Box::new(script));
        self
    }

    /// Clients show a picture so often, and send their commands then (60 times a second if not said).
    pub fn pictures_per_s(mut self, rate: u32) -> Lab {
        self.picture = Duration::from_secs(1) / rate.clamp(1, 1_000);
        self
    }

    /// Keeps what each client shows and says beside the truth: see [`Running::recording`](crate::Running::recording).
    pub fn record(mut self) -> Lab {
        self.record = true;
        self
    }

    /// Plants a bug: the function may change each frame just before a client gets it. Links never do such a thing by
    /// themselves; this shows that checks find what they are there for. With it, updates that a client finds to be wrong
    /// and mends are counted in [`Figures::faults`](crate::Figures::faults) and are no violation.
    pub fn tamper(mut self, tamper: impl FnMut(usize, &mut Vec<u8>) + 'static) -> Lab {
        self.tamper = Some(Box::new(tamper));
        self
    }

    /// Starts the run, to be moved on and looked at step by step.
    pub fn start(self) -> Running {
        Running::new(self)
    }

    /// Runs for so long in virtual time, then heals everything and waits until all agree.
    ///
    /// # Errors
    /// The first violation, whose text names the seed.
    pub fn run(self, span: Duration) -> Result<Running, Box<Violation>> {
        let mut running = self.start();
        running.advance(span)?;
        running.heal()?;
        Ok(running)
    }
}
