//! Requests, their replies and their being given up: the same frames in both directions.

use super::{CODE_MAX, PAYLOAD_MAX, REFUSAL_DATA_MAX, Refusal, TEXT_MAX, read_channel};
use crate::wire::{Reader, WireError, WireFault, Writer};
use bytes::Bytes;

const DONE: u8 = 0;
const REFUSED: u8 = 1;
const ENDED: u8 = 2;

/// A request: a reliable message that wants exactly one [`Reply`] with its room and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask<'a> {
    /// The room, or 0: the session.
    pub room: u32,
    /// The channel that keeps its order.
    pub channel: u8,
    /// The asker's number for it, unused by any other of that room that waits for its reply.
    pub number: u32,
    /// The hash of the request type's name.
    pub kind: u32,
    /// For how long the asker waits, from when it asked. The asker alone goes by it.
    pub timeout_ms: u32,
    /// The request.
    pub payload: &'a [u8],
}

/// What became of a request, on the channel that it came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The room of the request.
    pub room: u32,
    /// The channel of the request.
    pub channel: u8,
    /// The number of the request.
    pub number: u32,
    /// What became of it.
    pub outcome: Outcome<'a>,
}

/// What a reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// The answer.
    Done {
        /// By the kind's reply.
        payload: &'a [u8],
    },
    /// A typed "no".
    Refused {
        /// For programs.
        code: &'a str,
        /// For people.
        message: &'a str,
        /// Whatever else.
        data: &'a [u8],
    },
    /// The room or the seat is gone, or the request was given up: nobody answers.
    Ended,
}

/// The asker gives a request up: it needs no answer, though a reply comes still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// The room of the request.
    pub room: u32,
    /// The channel of the request.
    pub channel: u8,
    /// The number of the request.
    pub number: u32,
}

/// What became of a request, as its asker hears it: exactly one of these for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskOutcome {
    /// The answer, by the kind's reply.
    Done(Bytes),
    /// A typed "no": one of [`code`](super::code), or the game's own.
    Refused(Refusal),
    /// No reply within the request's time. It may have been handled.
    Timeout,
    /// The room or the session has ended. It may have been handled.
    Ended,
}

impl Ask<'_> {
    pub(crate) fn write(&self, out: &mut Writer) {
        out.varint_u32(self.room);
        out.u8(self.channel);
        out.varint_u32(self.number);
        out.u32_le(self.kind);
        out.varint_u32(self.timeout_ms);
        out.bytes(self.payload);
    }

    pub(crate) fn read<'a>(reader: &mut Reader<'a>) -> Result<Ask<'a>, WireError> {
        Ok(Ask {
            room: reader.at("room").varint_u32()?,
            channel: read_channel(reader)?,
            number: reader.at("number").varint_u32()?,
            kind: reader.at("kind").u32_le()?,
            timeout_ms: reader.at("timeout_ms").varint_u32()?,
            payload: reader.at("payload").bytes(PAYLOAD_MAX)?,
        })
    }
}

impl Reply<'_> {
    pub(crate) fn write(&self, out: &mut Writer) {
        out.varint_u32(self.room);
        out.u8(self.channel);
        out.varint_u32(self.number);
        match self.outcome {
            Outcome::Done { payload } => {
                out.u8(DONE);
                out.bytes(payload);
            }
            Outcome::Refused {
                code,
                message,
                data,
            } => {
                out.u8(REFUSED);
                write_refusal(code, message, data, out);
            }
            Outcome::Ended => out.u8(ENDED),
        }
    }

    pub(crate) fn read<'a>(reader: &mut Reader<'a>) -> Result<Reply<'a>, WireError> {
        Ok(Reply {
            room: reader.at("room").varint_u32()?,
            channel: read_channel(reader)?,
            number: reader.at("number").varint_u32()?,
            outcome: match reader.at("outcome").u8()? {
                DONE => Outcome::Done {
                    payload: reader.at("payload").bytes(PAYLOAD_MAX)?,
                },
                REFUSED => {
                    let (code, message, data) = read_refusal(reader)?;
                    Outcome::Refused {
                        code,
                        message,
                        data,
                    }
                }
                ENDED => Outcome::Ended,
                other => return Err(reader.error(WireFault::OutOfRange(u64::from(other)))),
            },
        })
    }

    /// Bytes of what it carries.
    pub(crate) fn payload_len(&self) -> usize {
        self.outcome.len()
    }
}

impl Outcome<'_> {
    /// Bytes of what it says.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Outcome::Done { payload } => payload.len(),
            Outcome::Refused {
                code,
                message,
                data,
            } => code.len() + message.len() + data.len(),
            Outcome::Ended => 0,
        }
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The owned form, for the asker.
    #[must_use]
    pub fn to_owned(&self) -> AskOutcome {
        match *self {
            Outcome::Done { payload } => AskOutcome::Done(Bytes::copy_from_slice(payload)),
            Outcome::Refused {
                code,
                message,
                data,
            } => AskOutcome::Refused(Refusal {
                code: code.to_owned(),
                message: message.to_owned(),
                data: Bytes::copy_from_slice(data),
            }),
            Outcome::Ended => AskOutcome::Ended,
        }
    }
}

impl Cancel {
    pub(crate) fn write(&self, out: &mut Writer) {
        out.varint_u32(self.room);
        out.u8(self.channel);
        out.varint_u32(self.number);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Cancel, WireError> {
        Ok(Cancel {
            room: reader.at("room").varint_u32()?,
            channel: read_channel(reader)?,
            number: reader.at("number").varint_u32()?,
        })
    }
}

pub(super) fn write_refusal(code: &str, message: &str, data: &[u8], out: &mut Writer) {
    out.str(code, CODE_MAX);
    out.str(message, TEXT_MAX);
    // Half of some data is no data.
    out.bytes(if data.len() <= REFUSAL_DATA_MAX {
        data
    } else {
        &[]
    });
}

pub(super) fn read_refusal<'a>(
    reader: &mut Reader<'a>,
) -> Result<(&'a str, &'a str, &'a [u8]), WireError> {
    Ok((
        reader.at("code").str(CODE_MAX)?,
        reader.at("message").str(TEXT_MAX)?,
        reader.at("data").bytes(REFUSAL_DATA_MAX)?,
    ))
}
