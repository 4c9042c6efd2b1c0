//! The numbers by which a server knows its sessions and a room its members. What they stand for is elsewhere.

use std::fmt;

/// A session on this server, as long as it lives. It tells the io shard (the [`Front`](crate::Front)) that holds it.
///
/// 16 bits of shard, 24 of generation, 24 of place: a key is not used again before 16 million others were in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u64);

impl SessionKey {
    const PLACE_BITS: u32 = 24;
    const LOW: u64 = (1 << Self::PLACE_BITS) - 1;

    pub(crate) fn new(shard: u16, generation: u32, place: usize) -> Self {
        let generation = u64::from(generation) & Self::LOW;
        let place = place as u64 & Self::LOW;
        Self(u64::from(shard) << (2 * Self::PLACE_BITS) | generation << Self::PLACE_BITS | place)
    }

    /// The shard that holds the session.
    #[must_use]
    pub const fn shard(self) -> u16 {
        (self.0 >> (2 * Self::PLACE_BITS)) as u16
    }

    /// The session that a token to resume is of: its first eight bytes, which are no secret.
    #[must_use]
    pub fn of_token(token: &[u8; 32]) -> Self {
        Self(u64::from_le_bytes(std::array::from_fn(|at| token[at])))
    }

    /// Its place in the shard: a small number, of no other session that lives.
    #[must_use]
    pub const fn place(self) -> usize {
        (self.0 & Self::LOW) as usize
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// A member of one room: counted from 1 in each room and never used again there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u32);

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_its_parts() {
        let key = SessionKey::new(513, 7, 70_000);
        assert_eq!((key.shard(), key.place()), (513, 70_000));
        assert_ne!(key, SessionKey::new(513, 8, 70_000));
        assert_eq!(SessionKey::new(1, 1 << 24, 3), SessionKey::new(1, 0, 3));
    }
}
