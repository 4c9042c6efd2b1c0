//! Snapshots of a game as values: the schema, quantised columns in areas, their history and the delta codec. No clock, no socket, no game.

pub mod area;
mod bits;
pub mod codec;
mod compare;
mod drawn;
mod edit;
mod groups;
mod hash;
mod history;
mod json;
pub mod layout;
pub mod message;
pub mod page;
pub mod quant;
pub mod record;
pub mod row;
pub mod schema;
mod seal;
pub mod shape;
mod slots;
mod snapshot;
pub mod track;
mod unit;
pub mod value;
pub mod values;

pub use area::{
    AREA_IDS_MAX, ARRIVAL_TICKS_MAX, Area, AreaId, Arrival, ENTITIES_MAX, NetId, TickEvent,
};
pub use codec::{Basis, Codebook, CodebookError, DecodeError, Decoded, Encoder, Trainer, decode};
pub use edit::{AreaEdit, RowsEdit};
pub use history::{HISTORY_MAX, History};
pub use quant::Quant;
pub use row::{Blob, FieldMut, FieldRef, OwnedRow, Row, RowMut};
pub use schema::{
    FieldSchema, Lerp, MessageSchema, Predict, Profile, RecordSchema, Schema, SchemaError, Scope,
    Track,
};
pub use slots::SlotAllocator;
pub use snapshot::Snapshot;
pub use value::{Value, ValueError};
