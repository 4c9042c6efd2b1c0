//! Messages: types with a name, whose bytes are postcard and checked by their shape before serde sees them. Their delivery is the session's matter.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::schema::{MessageSchema, name_id};
use crate::shape::{Shape, ShapeError, Shaped};

/// Bytes that decoding a message may allocate at most.
pub const MESSAGE_DECODED_MAX: usize = 64 * 1024;

/// A message between a game and its players. Derive it: `#[derive(Serialize, Deserialize, NetMessage)]`.
///
/// Numbers are finite: [`decode`] refuses NaN and infinities, since they have no JSON and spread through a game's state. Lengths are bounded by
/// `#[net(max = n)]` or the defaults of [`shape`](crate::shape).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    label = "not a message",
    note = "derive it: `#[derive(Serialize, Deserialize, NetMessage)]`"
)]
pub trait Message: Serialize + DeserializeOwned + Shaped {
    /// Its name: what the browser calls it.
    const NAME: &'static str;

    /// Its number on the wire: the hash of its name.
    fn kind() -> u32 {
        name_id(Self::NAME)
    }

    /// Its place in a schema.
    fn schema() -> MessageSchema {
        MessageSchema {
            name: Self::NAME.to_owned(),
            kind: Self::kind(),
            shape: Self::shape(),
            reply: None,
        }
    }
}

/// A message that wants a reply: a *request*, from a player to the game or from the game to its players.
///
/// Derive its message, and say what answers it: `impl Request for Loadout { type Reply = LoadoutOk; }`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is a message without a reply",
    label = "not a request",
    note = "say what answers it: `impl Request for {Self} {{ type Reply = ...; }}`"
)]
pub trait Request: Message {
    /// What answers it.
    type Reply: Message;

    /// Its place in a schema, and that of its reply.
    fn schemas() -> [MessageSchema; 2] {
        let reply = Some(Self::Reply::kind());
        let request = MessageSchema {
            reply,
            ..Self::schema()
        };
        [request, Self::Reply::schema()]
    }
}

/// A text by itself, for logs, notices and chats that need no more.
impl Message for String {
    const NAME: &'static str = "Text";
}

/// Why the bytes of a message are refused: their sender's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// They do not have the message's shape.
    #[error("message {name}, {error}")]
    Shape {
        /// The message.
        name: &'static str,
        /// What is wrong.
        error: ShapeError,
    },
    /// They do, and yet the type refuses the value.
    #[error("message {name}: its type refuses the value")]
    Value {
        /// The message.
        name: &'static str,
    },
}

/// The bytes of a message.
///
/// Panics if its `Serialize` fails, which derived ones never do.
pub fn encode<M: Message>(message: &M) -> Bytes {
    match postcard::to_allocvec(message) {
        Ok(bytes) => bytes.into(),
        Err(error) => panic!(
            "message {} cannot be written: {error}. Its `Serialize` must be a derived one",
            M::NAME
        ),
    }
}

/// The bytes of a message that the other side will accept: lengths, size and numbers are within what its shape allows.
pub fn encode_checked<M: Message>(message: &M) -> Result<Bytes, MessageError> {
    let bytes = encode(message);
    check::<M>(&M::shape(), &bytes)?;
    Ok(bytes)
}

/// The message of a peer's bytes. Checked before serde runs: decoding allocates at most [`MESSAGE_DECODED_MAX`].
///
/// ```
/// use tickwire_snapshot::message::{decode, encode};
/// let bytes = encode(&"hello".to_owned());
/// assert_eq!(decode::<String>(&bytes).unwrap(), "hello");
/// assert!(decode::<String>(&bytes[1..]).is_err());
/// ```
pub fn decode<M: Message>(bytes: &[u8]) -> Result<M, MessageError> {
    check::<M>(&M::shape(), bytes)?;
    postcard::from_bytes(bytes).map_err(|_| MessageError::Value { name: M::NAME })
}

fn check<M: Message>(shape: &Shape, bytes: &[u8]) -> Result<(), MessageError> {
    shape
        .check_finite(bytes, MESSAGE_DECODED_MAX)
        .map_err(|error| MessageError::Shape {
            name: M::NAME,
            error,
        })
}
