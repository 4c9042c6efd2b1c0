//! What frames say of rooms beyond getting in: what members are, and what a host may want. Borrowed from their bytes, and owned.

use super::TEXT_MAX;
use super::owned::{borrow_pairs, own_pairs};
use super::parts::{read_attributes, write_attributes};
use crate::wire::{Reader, WireError, WireFault, Writer};

/// What a member is, beside its seat and presence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MemberFlags {
    /// It said that it is ready.
    pub ready: bool,
    /// It may ask for what a host may.
    pub host: bool,
}

const READY: u8 = 1;
const HOST: u8 = 2;

impl MemberFlags {
    pub(crate) fn write(self, out: &mut Writer) {
        out.u8((u8::from(self.ready) * READY) | (u8::from(self.host) * HOST));
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<MemberFlags, WireError> {
        let bits = reader.at("flags").u8()?;
        if bits & !(READY | HOST) != 0 {
            return Err(reader.error(WireFault::OutOfRange(u64::from(bits))));
        }
        Ok(MemberFlags {
            ready: bits & READY != 0,
            host: bits & HOST != 0,
        })
    }
}

/// What the host of a room wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostAsk<'a> {
    /// Sends a member away, who may come back.
    Kick {
        /// Who.
        member: u32,
    },
    /// Sends a member away, whose identity is not let in again.
    Ban {
        /// Who.
        member: u32,
        /// For so many seconds; 0: as long as the room lives.
        seconds: u32,
    },
    /// Nobody may join, or again everybody.
    Lock {
        /// Whether it is locked.
        locked: bool,
    },
    /// Other attributes, as the lobby shows and quick matches compare them.
    Attributes {
        /// All of them.
        attributes: Vec<(&'a str, &'a str)>,
    },
    /// Ends the room.
    Close {
        /// For people.
        message: &'a str,
    },
}

impl<'a> HostAsk<'a> {
    pub(crate) fn write(&self, out: &mut Writer) {
        match self {
            HostAsk::Kick { member } => {
                out.u8(0);
                out.varint_u32(*member);
            }
            HostAsk::Ban { member, seconds } => {
                out.u8(1);
                out.varint_u32(*member);
                out.varint_u32(*seconds);
            }
            HostAsk::Lock { locked } => {
                out.u8(2);
                out.bool(*locked);
            }
            HostAsk::Attributes { attributes } => {
                out.u8(3);
                write_attributes(attributes, out);
            }
            HostAsk::Close { message } => {
                out.u8(4);
                out.str(message, TEXT_MAX);
            }
        }
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<HostAsk<'a>, WireError> {
        Ok(match reader.at("ask").u8()? {
            0 => HostAsk::Kick {
                member: reader.at("member").varint_u32()?,
            },
            1 => HostAsk::Ban {
                member: reader.at("member").varint_u32()?,
                seconds: reader.at("seconds").varint_u32()?,
            },
            2 => HostAsk::Lock {
                locked: reader.at("locked").bool()?,
            },
            3 => HostAsk::Attributes {
                attributes: read_attributes(reader)?,
            },
            4 => HostAsk::Close {
                message: reader.at("message").str(TEXT_MAX)?,
            },
            other => return Err(reader.error(WireFault::OutOfRange(u64::from(other)))),
        })
    }
}

/// [`HostAsk`], owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostAskOwned {
    /// Sends a member away, who may come back.
    Kick {
        /// Who.
        member: u32,
    },
    /// Sends a member away, whose identity is not let in again.
    Ban {
        /// Who.
        member: u32,
        /// For so many seconds; 0: as long as the room lives.
        seconds: u32,
    },
    /// Nobody may join, or again everybody.
    Lock {
        /// Whether it is locked.
        locked: bool,
    },
    /// Other attributes, as the lobby shows and quick matches compare them.
    Attributes {
        /// All of them.
        attributes: Vec<(String, String)>,
    },
    /// Ends the room.
    Close {
        /// For people.
        message: String,
    },
}

impl HostAskOwned {
    /// The borrowed form, for a frame.
    #[must_use]
    pub fn borrow(&self) -> HostAsk<'_> {
        match self {
            HostAskOwned::Kick { member } => HostAsk::Kick { member: *member },
            HostAskOwned::Ban { member, seconds } => HostAsk::Ban {
                member: *member,
                seconds: *seconds,
            },
            HostAskOwned::Lock { locked } => HostAsk::Lock { locked: *locked },
            HostAskOwned::Attributes { attributes } => HostAsk::Attributes {
                attributes: borrow_pairs(attributes),
            },
            HostAskOwned::Close { message } => HostAsk::Close { message },
        }
    }
}

impl From<&HostAsk<'_>> for HostAskOwned {
    fn from(ask: &HostAsk<'_>) -> HostAskOwned {
        match ask {
            HostAsk::Kick { member } => HostAskOwned::Kick { member: *member },
            HostAsk::Ban { member, seconds } => HostAskOwned::Ban {
                member: *member,
                seconds: *seconds,
            },
            HostAsk::Lock { locked } => HostAskOwned::Lock { locked: *locked },
            HostAsk::Attributes { attributes } => HostAskOwned::Attributes {
                attributes: own_pairs(attributes),
            },
            HostAsk::Close { message } => HostAskOwned::Close {
                message: (*message).to_owned(),
            },
        }
    }
}
