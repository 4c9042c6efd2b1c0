//! What frames say of identities: who is watched, what they are like, which notices are done with.

use super::parts::{LeaveReason, Presence};
use super::{CURSORS_MAX, FOLLOWED_MAX, NAME_MAX, STATUS_MAX};
use crate::wire::{Reader, WireError, Writer};

/// What somebody is like, wherever it is on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonSeen<'a> {
    /// Who, by its identity in the namespace.
    pub identity: &'a str,
    /// Online with any of its sessions, away with all that it has, or gone.
    pub presence: Presence,
    /// Why it is gone, where it is and that is known: how its last session ended.
    pub gone: Option<LeaveReason>,
    /// What it says of itself outside of rooms; empty: nothing.
    pub status: &'a str,
}

/// [`PersonSeen`], owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonSeenOwned {
    /// Who, by its identity in the namespace.
    pub identity: String,
    /// Online with any of its sessions, away with all that it has, or gone.
    pub presence: Presence,
    /// Why it is gone, where it is and that is known: how its last session ended.
    pub gone: Option<LeaveReason>,
    /// What it says of itself outside of rooms; empty: nothing.
    pub status: String,
}

impl From<&PersonSeen<'_>> for PersonSeenOwned {
    fn from(seen: &PersonSeen<'_>) -> PersonSeenOwned {
        PersonSeenOwned {
            identity: seen.identity.to_owned(),
            presence: seen.presence,
            gone: seen.gone,
            status: seen.status.to_owned(),
        }
    }
}

impl<'a> PersonSeen<'a> {
    /// The fewest bytes of one.
    pub(crate) const LEAST: usize = 3;

    pub(crate) fn write(&self, out: &mut Writer) {
        out.str(self.identity, NAME_MAX);
        out.u8(self.presence as u8);
        if self.presence == Presence::Gone {
            out.u8(self.gone.map_or(0, |reason| reason as u8 + 1));
        }
        out.str(self.status, STATUS_MAX);
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<PersonSeen<'a>, WireError> {
        let identity = reader.at("identity").str(NAME_MAX)?;
        let presence = Presence::read(reader)?;
        let gone = match presence {
            Presence::Gone => LeaveReason::read_known(reader)?,
            _ => None,
        };
        Ok(PersonSeen {
            identity,
            presence,
            gone,
            status: reader.at("status").str(STATUS_MAX)?,
        })
    }
}

pub(super) fn write_names(names: &[&str], out: &mut Writer) {
    let kept = &names[..names.len().min(FOLLOWED_MAX)];
    out.varint_u64(kept.len() as u64);
    kept.iter().for_each(|name| out.str(name, NAME_MAX));
}

pub(super) fn read_names<'a>(
    reader: &mut Reader<'a>,
    field: &'static str,
) -> Result<Vec<&'a str>, WireError> {
    let count = reader.at(field).count(FOLLOWED_MAX, 1)?;
    (0..count).map(|_| reader.at(field).str(NAME_MAX)).collect()
}

pub(super) fn write_cursors(cursors: &[u64], out: &mut Writer) {
    let kept = &cursors[..cursors.len().min(CURSORS_MAX)];
    out.varint_u64(kept.len() as u64);
    kept.iter().for_each(|cursor| out.varint_u64(*cursor));
}

pub(super) fn read_cursors(reader: &mut Reader<'_>) -> Result<Vec<u64>, WireError> {
    let count = reader.at("cursors").count(CURSORS_MAX, 1)?;
    (0..count)
        .map(|_| reader.at("cursor").varint_u64())
        .collect()
}
