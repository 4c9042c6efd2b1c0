//! Sealing a schema: names sorted and numbered, limits checked, tracks and layouts computed; and the bytes that are hashed and sent. What a schema is stands in `schema`.

use crate::codec::CodebookError;
use crate::hash::{Mixer, name_id};
use crate::layout::Layout;
use crate::quant::QuantError;
use crate::schema::{FieldSchema, Predict, RecordSchema, Schema};
use crate::track::make_tracks;

/// Bytes of a serialised schema that [`Schema::from_bytes`] reads at most.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// Records (components, resources, events, messages: each) in a schema at most.
pub const RECORDS_MAX: usize = 256;
/// Fields of a record at most.
pub const FIELDS_MAX: usize = 64;
/// Integer columns of a record at most.
pub const COLUMNS_MAX: usize = 64;
/// Integer columns of all components and resources at most: with the slots, the bound of what an update can make a client allocate.
pub const TABLE_COLUMNS_MAX: usize = 512;
/// Bytes of a name at most.
pub const NAME_MAX: usize = 64;

/// Why a schema cannot be used: the game's registration, or a peer's bytes, are wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A name is empty, too long, or has characters other than letters, digits and `_`.
    #[error("{0:?} is no name: use 1 to {NAME_MAX} letters, digits, `_` or `:`")]
    Name(String),
    /// Two things of one kind have one name, or names whose hashes collide.
    #[error("{0} and {1} have the same name or number: rename one of them")]
    Twice(String, String),
    /// More of something than allowed.
    #[error("{what}: {count}, at most {max} are allowed")]
    TooMany {
        /// Of what.
        what: String,
        /// How many.
        count: usize,
        /// How many may be.
        max: usize,
    },
    /// A quantiser cannot work.
    #[error("{place}: {error}")]
    Quant {
        /// Record and field.
        place: String,
        /// What is wrong.
        error: QuantError,
    },
    /// A velocity that does not fit its position.
    #[error("{place}: {why}")]
    Velocity {
        /// Record and field.
        place: String,
        /// What is wrong, and what to do.
        why: &'static str,
    },
    /// A teleport that cannot be told.
    #[error("{place}: {why}")]
    Teleport {
        /// Record and field.
        place: String,
        /// What is wrong, and what to do.
        why: &'static str,
    },
    /// A tick of no length, or longer than ten seconds.
    #[error("a tick of {0} us: choose 100 to 10,000,000")]
    Tick(u32),
    /// A request whose reply is not among the messages.
    #[error("the reply of request {0} is no message of the game: register it too")]
    NoReply(String),
    /// Its codebook is none, or another game's.
    #[error("{0}")]
    Codebook(#[from] CodebookError),
    /// The bytes are no schema.
    #[error("the bytes are no schema of this version")]
    Bytes,
}

impl Schema {
    /// Sorts, numbers, checks and compiles it. To be called once, after the last record was added; again is harmless.
    pub fn seal(&mut self) -> Result<(), SchemaError> {
        if !(100..=10_000_000).contains(&self.tick_us) {
            return Err(SchemaError::Tick(self.tick_us));
        }
        for (what, records) in [
            ("component", &mut self.components),
            ("resource", &mut self.resources),
            ("event", &mut self.events),
        ] {
            limit(&format!("{what}s"), records.len(), RECORDS_MAX)?;
            for record in records.iter_mut() {
                record.seal(self.tick_us)?;
            }
            records.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            no_twins(records.iter().map(|r| (r.name.as_str(), r.id)), what)?;
        }
        if let Some(command) = &mut self.command {
            command.seal(self.tick_us)?;
        }
        limit("messages", self.messages.len(), RECORDS_MAX)?;
        for message in &mut self.messages {
            check_name(&message.name)?;
            message.kind = name_id(&message.name);
        }
        self.messages.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let messages = self.messages.iter().map(|m| (m.name.as_str(), m.kind));
        no_twins(messages, "message")?;
        let kinds: Vec<u32> = self.messages.iter().map(|message| message.kind).collect();
        for message in &self.messages {
            if message.reply.is_some_and(|reply| !kinds.contains(&reply)) {
                return Err(SchemaError::NoReply(message.name.clone()));
            }
        }
        let columns = self.records().map(|r| r.layout.columns().len()).sum();
        limit("columns of all tables", columns, TABLE_COLUMNS_MAX)?;
        self.book = self.codebook.compile(self)?;
        limit(
            "bytes of the schema",
            self.to_bytes().len(),
            SCHEMA_BYTES_MAX,
        )
    }

    /// The number that two sides compare: equal for equal schemas.
    pub fn hash(&self) -> u64 {
        let mut mixer = Mixer::new(1);
        mixer.bytes(&self.to_bytes());
        mixer.end().max(1) // 0 means "generic" on the wire
    }

    /// Its canonical bytes (postcard).
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("a schema has no type that postcard refuses")
    }

    /// Reads a peer's schema: bounded, checked, and sealed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SchemaError> {
        limit("bytes of the schema", bytes.len(), SCHEMA_BYTES_MAX)?;
        let mut schema: Self = postcard::from_bytes(bytes).map_err(|_| SchemaError::Bytes)?;
        schema.seal()?;
        // A sealed schema seals to itself: anything else was not made by `to_bytes` of a sealed one.
        if schema.to_bytes() == bytes {
            Ok(schema)
        } else {
            Err(SchemaError::Bytes)
        }
    }
}

impl RecordSchema {
    /// Sorts, numbers, checks and compiles it for ticks of `tick_us`.
    pub fn seal(&mut self, tick_us: u32) -> Result<(), SchemaError> {
        check_name(&self.name)?;
        self.id = name_id(&self.name);
        limit(
            &format!("fields of {}", self.name),
            self.fields.len(),
            FIELDS_MAX,
        )?;
        self.name_velocities();
        self.fields.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        for field in &mut self.fields {
            check_name(&field.name)?;
            field.id = name_id(&field.name);
        }
        no_twins(
            self.fields.iter().map(|f| (f.name.as_str(), f.id)),
            &self.name,
        )?;
        for field in &self.fields {
            let place = || format!("{}.{}", self.name, field.name);
            field.quant.check().map_err(|error| SchemaError::Quant {
                place: place(),
                error,
            })?;
            field.check_teleport(place)?;
            if field.len == 0 || (field.quant.is_blob() && field.len != 1) {
                return Err(SchemaError::Quant {
                    place: place(),
                    error: QuantError::Len,
                });
            }
        }
        limit(
            &format!("columns of {}", self.name),
            self.fields.iter().map(FieldSchema::columns).sum(),
            COLUMNS_MAX,
        )?;
        make_tracks(self, tick_us)?;
        self.layout = Layout::of(self);
        Ok(())
    }

    /// Turns indices of velocity fields back into names, so that sorting cannot break them.
    fn name_velocities(&mut self) {
        let names: Vec<String> = self.fields.iter().map(|f| f.name.clone()).collect();
        for field in &mut self.fields {
            if let Predict::Velocity { field: index } = field.predict {
                field.velocity = names.get(usize::from(index)).cloned();
                field.predict = Predict::Same;
            }
        }
    }
}

fn limit(what: &str, count: usize, max: usize) -> Result<(), SchemaError> {
    if count > max {
        Err(SchemaError::TooMany {
            what: what.to_owned(),
            count,
            max,
        })
    } else {
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), SchemaError> {
    let good = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(good) {
        Err(SchemaError::Name(name.to_owned()))
    } else {
        Ok(())
    }
}

fn no_twins<'a>(
    names: impl Iterator<Item = (&'a str, u32)>,
    what: &str,
) -> Result<(), SchemaError> {
    let mut all: Vec<(u32, &str)> = names.map(|(name, id)| (id, name)).collect();
    all.sort_unstable();
    match all.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(SchemaError::Twice(
            format!("{what} {}", pair[0].1),
            format!("{what} {}", pair[1].1),
        )),
        None => Ok(()),
    }
}
