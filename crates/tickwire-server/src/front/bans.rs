//! Identities that the whole server keeps out: their sessions end, and new ones end as soon as it is known whose they are.

use std::collections::BTreeMap;

use tickwire_proto::{Reason, Time};

use super::Front;
use crate::key::SessionKey;

/// Identities that a server keeps out at once; of more the one that would be let in first is.
pub const SERVER_BANS_MAX: usize = 65_536;

/// Until when, and what they are told.
#[derive(Debug, Default)]
pub(super) struct Bans {
    by_identity: BTreeMap<String, (Option<Time>, String)>,
}

impl Bans {
    /// What an identity is told that is kept out now.
    pub fn get(&self, now: Time, identity: &str) -> Option<&str> {
        let (until, message) = self.by_identity.get(identity)?;
        until
            .is_none_or(|until| now < until)
            .then_some(message.as_str())
    }

    fn insert(&mut self, now: Time, identity: &str, until: Option<Time>, message: &str) {
        if self.by_identity.len() >= SERVER_BANS_MAX {
            let kept_out = |until: &Option<Time>| until.is_none_or(|until| now < until);
            self.by_identity.retain(|_, (until, _)| kept_out(until));
        }
        if self.by_identity.len() >= SERVER_BANS_MAX {
            let soonest = self
                .by_identity
                .iter()
                .min_by_key(|(_, (until, _))| until.unwrap_or(Time(u64::MAX)))
                .map(|(identity, _)| identity.clone());
            soonest.map(|identity| self.by_identity.remove(&identity));
        }
        self.by_identity
            .insert(identity.to_owned(), (until, message.to_owned()));
    }
}

impl Front {
    /// Keeps an identity out until then (`None`: until the server's end), and ends its sessions.
    pub(super) fn ban(&mut self, now: Time, identity: &str, until: Option<Time>, message: &str) {
        self.bans.insert(now, identity, until, message);
        let is = |slot: &&super::slots::Slot| {
            (0..=u8::MAX).any(|attachment| {
                let whose = slot.session.identity(attachment);
                whose.is_some_and(|whose| whose.id == identity)
            })
        };
        let all: Vec<SessionKey> = self.slots.iter().filter(is).map(|slot| slot.key).collect();
        for key in all {
            self.end(now, key, Reason::Banned, Reason::Banned.retry(), message);
        }
    }

    pub(super) fn unban(&mut self, identity: &str) {
        self.bans.by_identity.remove(identity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_expire_and_are_bounded() {
        let mut bans = Bans::default();
        let soon = Time::from_millis(10);
        bans.insert(Time(0), "eve", Some(soon), "go");
        assert_eq!(bans.get(Time::from_millis(9), "eve"), Some("go"));
        assert_eq!(bans.get(soon, "eve"), None);
        for n in 0..SERVER_BANS_MAX + 5 {
            let until = (n % 2 == 0).then_some(Time::from_millis(20 + n as u64));
            bans.insert(Time(0), &n.to_string(), until, "");
        }
        assert_eq!(bans.by_identity.len(), SERVER_BANS_MAX);
        assert_eq!(bans.get(Time(0), "eve"), None, "the soonest made room");
        assert!(bans.get(soon, "1").is_some());
    }
}
