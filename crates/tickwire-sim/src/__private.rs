//! For the code that derives generate; no one else's, and no promise.

pub use crate::entity::EntityMarker;
pub use crate::{GameEvent, PlayerCommand, Replicate, ReplicateResource};
pub use bevy_ecs;
pub use bytes;
pub use postcard;
pub use serde;
pub use tickwire_proto as proto;
pub use tickwire_snapshot as snapshot;
