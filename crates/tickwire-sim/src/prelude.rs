//! What a game imports: no name here collides with `bevy_ecs::prelude`, so that both can be imported whole.

pub use crate::areas::SeenBy;
pub use crate::ask::{Answers, Asked, NoReply, Questions, Replied, Ticket};
pub use crate::chance::Chance;
pub use crate::command::{MissingCommand, PlayerCommand};
pub use crate::control::{MoveTo, RoomControl};
pub use crate::event::{Emit, GameEvent};
pub use crate::game::{Game, Replicate, ReplicateResource};
pub use crate::ids::NetEntity;
pub use crate::message::{FromPlayer, Outbox};
pub use crate::notice::Notices;
pub use crate::player::{Asks, OwnedBy, Player, PlayerInfo, Roster};
pub use crate::replica::{Happened, NextCommand};
pub use crate::rewind::{Hitbox, Rewind};
pub use crate::side::{Predicted, Remote, Side, on_client, on_server};
pub use crate::simulation::RoomAttributes;
pub use crate::task::{Done, TaskFailed, TaskId, Tasks};
pub use crate::time::CurrentTick;
pub use tickwire_derive::{NetEnum, NetMessage, PlayerCommand, Replicate, Shaped, TickEvent};
pub use tickwire_proto::frame::{Presence, Refusal};
pub use tickwire_snapshot::{Profile, message::Request};
