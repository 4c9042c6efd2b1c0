//! What a client has to tell its app beside what it shows: messages of bevy_ecs. Not what leads to them.

use bevy_ecs::message::Message;
use tickwire_client::{ClientEvent, SendError};
use tickwire_sim::NextCommand;
use tickwire_snapshot::message::{self, MessageError};
use tickwire_snapshot::record::ReadError;

/// Something that the client tells: the state of the connection, joins and refusals, members, messages, wrong updates. All of it, in order.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_bevy::NetEvent;
/// use tickwire_client::ClientEvent;
///
/// fn tell(mut events: MessageReader<NetEvent>) {
///     for NetEvent(event) in events.read() {
///         match event {
///             ClientEvent::State(state) => println!("{state:?}"),
///             ClientEvent::JoinRefused { refusal, .. } => println!("{}: {}", refusal.code, refusal.message),
///             _ => {}
///         }
///     }
/// }
/// # bevy_ecs::system::assert_is_system(tell);
/// ```
#[derive(Clone, Debug, PartialEq, Message)]
pub struct NetEvent(pub ClientEvent);

impl NetEvent {
    /// The message of the game that this is, if it is one of that type. An error: it is, and cannot be read, since client and server are of two
    /// versions.
    #[must_use]
    pub fn message<M: message::Message>(&self) -> Option<Result<M, MessageError>> {
        match &self.0 {
            ClientEvent::Message { kind, payload, .. } if *kind == M::kind() => {
                Some(message::decode(payload))
            }
            _ => None,
        }
    }
}

/// Something that could not be shown or sent: the client goes on with the rest.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use tickwire_bevy::NetFault;
///
/// fn warn(mut faults: MessageReader<NetFault>) {
///     for fault in faults.read() {
///         eprintln!("{fault}");
///     }
/// }
/// # bevy_ecs::system::assert_is_system(warn);
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error, Message)]
#[non_exhaustive]
pub enum NetFault {
    /// The room is of another game, or of another version of it: none of it is shown.
    #[error(
        "OtherGame: the room is of {room}, this app has {ours}, or another version of it. Rebuild one of them, or join a room of {ours}"
    )]
    OtherGame {
        /// The room's kind.
        room: String,
        /// The plugin's.
        ours: String,
    },
    /// The game's type refuses what the schema allows: the component stays as it was. Told once for each new value.
    #[error("Unreadable: {0}")]
    Unreadable(#[from] ReadError),
    /// A value does not fit the record: of a schema that is no game's.
    #[error("Unfit: {0} has a value that does not fit it")]
    Unfit(String),
    /// The command could not be sent. That it came too late is no fault, but counted in the figures.
    #[error(transparent)]
    Command(#[from] SendError),
    /// The app has removed the resource of its command.
    #[error("NoCommand: {} was removed, so the player asks for nothing. Leave it in the world", std::any::type_name::<NextCommand<()>>())]
    NoCommand,
}
