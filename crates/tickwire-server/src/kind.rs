//! A kind of game as a server hosts it: the game, its schema as bytes for those who ask, and what may be chosen. The rooms are elsewhere.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tickwire_proto::frame::{Refusal, code};
use tickwire_sim::{GameKind, SEATS_MAX};
use tickwire_snapshot::{Codebook, Profile, Trainer};

/// What a server says about a kind of game beyond what the game says itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindOptions {
    /// Seats of a room, if not as many as the game says.
    pub seats: Option<u16>,
    /// Players that computer players fill up to, if not as many as the game says.
    pub computers: Option<u16>,
    /// The attributes that rooms may be made and looked for by; `None`: any.
    pub attributes: Option<Vec<String>>,
    /// Rooms of this kind at once, if fewer than the lobby takes.
    pub rooms_max: Option<usize>,
}

/// A kind of game that a server hosts.
pub struct Kind {
    game: GameKind,
    options: KindOptions,
    schema_hash: u64,
    schema_bytes: Bytes,
    /// Where a codebook comes about: a room at a time takes it, and leaves it here when it ends.
    trainer: Option<Mutex<Option<Trainer>>>,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind")
            .field("name", &self.name())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl From<GameKind> for Kind {
    fn from(game: GameKind) -> Kind {
        Kind::new(game, KindOptions::default())
    }
}

impl Kind {
    /// Hosts a game.
    #[must_use]
    pub fn new(game: GameKind, options: KindOptions) -> Kind {
        let schema = game.schema();
        Kind {
            schema_hash: schema.hash(),
            schema_bytes: schema.to_bytes().into(),
            trainer: None,
            options,
            game,
        }
    }

    /// The same, whose rooms train a codebook, one at a time; if its codec profile has a use for one.
    #[must_use]
    pub fn training(mut self) -> Kind {
        let schema = self.game.schema();
        let trains = schema.profile == Profile::Dense;
        self.trainer = trains.then(|| Mutex::new(Some(Trainer::new(schema))));
        self
    }

    /// The codebook that its rooms have trained: empty if nothing is worth telling, or if the one that trains has not ended. It takes up to a
    /// second to find out. `None`: they train none.
    #[must_use]
    pub fn codebook(&self) -> Option<Codebook> {
        let trainer = lock(self.trainer.as_ref()?);
        Some(trainer.as_ref().map(Trainer::finish).unwrap_or_default())
    }

    /// For a new room; `None`: another one trains, or none is to.
    pub(crate) fn take_trainer(&self) -> Option<Trainer> {
        let mut trainer = lock(self.trainer.as_ref()?).take()?;
        trainer.next_room();
        Some(trainer)
    }

    /// From a room that ends.
    pub(crate) fn leave_trainer(&self, trainer: Trainer) {
        if let Some(place) = &self.trainer {
            *lock(place) = Some(trainer);
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.game.name()
    }

    /// The game.
    #[must_use]
    pub fn game(&self) -> &GameKind {
        &self.game
    }

    /// Seats of a room of this kind.
    #[must_use]
    pub fn seats(&self) -> u16 {
        let seats = self.options.seats.unwrap_or_else(|| self.game.seats());
        seats.clamp(1, SEATS_MAX)
    }

    /// The hash of its schema.
    #[must_use]
    pub fn schema_hash(&self) -> u64 {
        self.schema_hash
    }

    /// Its schema as a client reads it: made once, shared by all.
    #[must_use]
    pub fn schema_bytes(&self) -> &Bytes {
        &self.schema_bytes
    }

    pub(crate) fn computers(&self) -> Option<u16> {
        self.options.computers
    }

    pub(crate) fn rooms_max(&self) -> usize {
        self.options.rooms_max.unwrap_or(usize::MAX)
    }

    /// Whether a client with this hash can play. The refusal carries the server's schema, so that the client, which has
    /// its own, can tell what differs.
    pub(crate) fn check_schema(&self, hash: u64) -> Result<(), Refusal> {
        if hash == 0 || hash == self.schema_hash {
            return Ok(());
        }
        Err(Refusal {
            code: code::VERSION.to_owned(),
            message: format!(
                "client and server disagree about the game `{}`: the schema of the client is {hash:016x}, of the server {:016x}. \
                 Rebuild the client from the same game as the server, or let it take the schema from the server",
                self.name(),
                self.schema_hash
            ),
            data: self.schema_bytes.clone(),
        })
    }

    /// Whether rooms may have these attributes.
    pub(crate) fn check_attributes(&self, attributes: &[(String, String)]) -> Result<(), Refusal> {
        let Some(allowed) = &self.options.attributes else {
            return Ok(());
        };
        match attributes.iter().find(|(key, _)| !allowed.contains(key)) {
            None => Ok(()),
            Some((key, _)) => Err(Refusal::new(
                code::FORBIDDEN,
                format!(
                    "rooms of `{}` have no attribute `{key}`: use one of {}",
                    self.name(),
                    allowed.join(", ")
                ),
            )),
        }
    }
}

/// A room that panicked has left nothing half done: it is stored last.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
