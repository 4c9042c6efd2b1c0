//! Who may stand at the door: connections in all, and strangers (no accepted credentials yet) of one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::http::Proxies;

/// Of all connections, how many may be strangers, in percent. So many may always.
const STRANGERS_PERCENT_MAX: usize = 20;
const STRANGERS_ALWAYS: usize = 256;

/// The counts. Locked once when a connection comes and once when it is known or gone.
#[derive(Debug)]
pub(crate) struct Door {
    counts: Mutex<Counts>,
    connections_max: usize,
    per_address: usize,
    /// Whoever they stand for is counted in their place.
    proxies: Proxies,
}

#[derive(Debug, Default)]
struct Counts {
    strangers: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Why somebody is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// Too many strangers in all.
    Crowded,
    /// Too many of that address.
    Address,
}

/// One stranger. Dropped when it is a stranger no more, or gone.
#[derive(Debug)]
pub(crate) struct Pass {
    door: Arc<Door>,
    address: Option<IpAddr>,
}

impl Door {
    pub(crate) fn new(connections_max: usize, per_address: usize, proxies: Proxies) -> Arc<Door> {
        Arc::new(Door {
            counts: Mutex::default(),
            connections_max,
            per_address,
            proxies,
        })
    }

    /// Lets a connection in. Loopback has no limit of its own: those are this machine's programs, or a proxy; nor has a proxy that is trusted.
    pub(crate) fn enter(self: &Arc<Door>, address: IpAddr) -> Result<Pass, Turned> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let strangers_max =
            (self.connections_max * STRANGERS_PERCENT_MAX / 100).max(STRANGERS_ALWAYS);
        let address = address.to_canonical();
        let counted = self.counts(address);
        if counted.is_some() && counts.strangers >= strangers_max {
            return Err(Turned::Crowded);
        }
        if let Some(address) = counted {
            let of_address = counts.by_address.entry(address).or_default();
            if *of_address >= self.per_address {
                return Err(Turned::Address);
            }
            *of_address += 1;
        }
        counts.strangers += 1;
        Ok(Pass {
            door: Arc::clone(self),
            address: counted,
        })
    }
}

impl Door {
    /// The address that is counted for a connection from there.
    fn counts(&self, address: IpAddr) -> Option<IpAddr> {
        let address = address.to_canonical();
        (!address.is_loopback() && !self.proxies.trusts(address)).then_some(address)
    }
}

impl Pass {
    /// Whether it stands for a connection from there.
    pub(crate) fn is_of(&self, address: IpAddr) -> bool {
        self.address == self.door.counts(address)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut counts = self
            .door
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        counts.strangers = counts.strangers.saturating_sub(1);
        if let Some(address) = self.address
            && let Some(count) = counts.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_places_back() {
        let door = Door::new(10_000, 3, Proxies::default());
        let far: IpAddr = "203.0.113.7".parse().unwrap();
        let mut passes: Vec<Pass> = (0..3).map(|_| door.enter(far).unwrap()).collect();
        assert_eq!(door.enter(far).err(), Some(Turned::Address));
        assert!(door.enter("203.0.113.8".parse().unwrap()).is_ok());
        passes.pop();
        passes.push(door.enter(far).unwrap());
        drop(passes);
        let counts = door.counts.lock().unwrap();
        assert!(counts.strangers == 0 && counts.by_address.is_empty());
    }

    #[test]
    fn strangers_in_all_are_bounded_and_this_machine_is_not() {
        let door = Door::new(0, 1000, Proxies::default());
        let far = |n: usize| IpAddr::from([203, 0, (n / 200) as u8, (n % 200) as u8]);
        let passes: Vec<Pass> = (0..STRANGERS_ALWAYS)
            .map(|n| door.enter(far(n)).unwrap())
            .collect();
        assert_eq!(door.enter(far(9999)).err(), Some(Turned::Crowded));
        assert!((0..2000).all(|_| door.enter("::1".parse().unwrap()).is_ok()));
        drop(passes);
        assert!(door.enter(far(1)).is_ok());
    }
}
