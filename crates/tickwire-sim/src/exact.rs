//! Exact captures: everything that a game's future depends on, as bytes, and back. Never on a viewer's wire: this is for saving a room.

pub(crate) mod parts;

use bytes::Bytes;
use tickwire_proto::Tick;
use tickwire_proto::wire::{Reader, WireError, Writer};
use tickwire_snapshot::record::{Record, Refs};

const MAGIC: u32 = u32::from_le_bytes(*b"twx1");
/// Bytes of one record in an exact capture at most.
const RECORD_MAX: usize = 1 << 20;

/// A room as bytes: what [`Simulation::capture_exact`](crate::Simulation::capture_exact) makes and `restore` takes.
///
/// Equal rooms give equal bytes. They hold secrets (the seed, hidden components): keep them on the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Exact {
    bytes: Bytes,
}

impl Exact {
    /// Takes bytes that were kept. They are checked when they are restored.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
        }
    }

    /// The bytes, to be kept.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Why an exact capture cannot be restored: the file's fault, or that of who chose it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The bytes are no exact capture of this version.
    #[error("these bytes are no exact capture (of this version of Tickwire)")]
    Foreign,
    /// Another kind of game, or another version of it.
    #[error(
        "the capture is of another game: its records hash to {theirs:016x}, those of this kind to {ours:016x}; restore it with the build that made it"
    )]
    OtherGame {
        /// Of this kind.
        ours: u64,
        /// Of the capture.
        theirs: u64,
    },
    /// Another number of seats.
    #[error("the capture has {theirs} seats, this simulation {ours}: make it with the same")]
    Seats {
        /// Of this simulation.
        ours: u16,
        /// Of the capture.
        theirs: u16,
    },
    /// It breaks off, or says something impossible.
    #[error("the capture is damaged: {0}")]
    Damaged(&'static str),
    /// A field of it is damaged.
    #[error("the capture is damaged: {0}")]
    Wire(#[from] WireError),
}

pub(crate) fn put_record<T: Record>(out: &mut Writer, value: &T, refs: &dyn Refs) {
    let mut bytes = Vec::new();
    value.write_exact(&mut bytes, refs);
    out.bytes(&bytes);
}

pub(crate) fn take_record<T: Record>(
    input: &mut Reader,
    refs: &dyn Refs,
) -> Result<T, RestoreError> {
    let mut bytes = input.at("record").bytes(RECORD_MAX)?;
    let value = T::read_exact(&mut bytes, refs).map_err(|_| RestoreError::Damaged("a record"))?;
    if bytes.is_empty() {
        Ok(value)
    } else {
        Err(RestoreError::Damaged("a record that is too long"))
    }
}

/// What stands first: whose capture it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub game: u64,
    pub seats: u16,
    pub computers: u16,
    pub seed: u64,
    pub tick: Tick,
}

impl Head {
    pub(crate) fn write(&self, out: &mut Writer) {
        out.u32_le(MAGIC);
        out.u64_le(self.game);
        out.u16_le(self.seats);
        out.u16_le(self.computers);
        out.u64_le(self.seed);
        out.u32_le(self.tick.0);
    }

    /// Reads it, if it is of this game and size.
    pub(crate) fn read(input: &mut Reader, ours: &Head) -> Result<Head, RestoreError> {
        if input.at("magic").u32_le().ok() != Some(MAGIC) {
            return Err(RestoreError::Foreign);
        }
        let head = Head {
            game: input.at("game").u64_le()?,
            seats: input.at("seats").u16_le()?,
            computers: input.at("computers").u16_le()?,
            seed: input.at("seed").u64_le()?,
            tick: Tick(input.at("tick").u32_le()?),
        };
        if head.game != ours.game {
            return Err(RestoreError::OtherGame {
                ours: ours.game,
                theirs: head.game,
            });
        }
        if head.seats != ours.seats {
            return Err(RestoreError::Seats {
                ours: ours.seats,
                theirs: head.seats,
            });
        }
        Ok(head)
    }
}
