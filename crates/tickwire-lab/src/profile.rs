//! Link profiles: what a way between a client and the server is like, by name; no state of any link.

use std::time::Duration;

/// What one way between a client and the server is like. Times are for one direction.
///
/// ```
/// use std::time::Duration;
/// use tickwire_lab::profile::{self, Profile};
/// let slow = profile::FOUR_G.bandwidth(25_000).proxy(4 << 20);
/// assert_eq!(Profile::by_name("4g"), Some(profile::FOUR_G));
/// assert_eq!(slow.delay, Duration::from_millis(100));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// The name people use.
    pub name: &'static str,
    /// The mean way of a packet in one direction.
    pub delay: Duration,
    /// The most by which a packet's way is shorter or longer than the mean. Order is kept.
    pub jitter: Duration,
    /// The part of the packets that is lost: on a reliable lane each is a stall, since all behind it waits for its copy.
    pub loss: f64,
    /// Bytes a second towards the client.
    pub down_bytes_per_s: u64,
    /// Bytes a second towards the server.
    pub up_bytes_per_s: u64,
    /// Bytes that a sender may have unacknowledged in one direction; with that many, its link takes no more.
    pub window: usize,
    /// The part of the links that are made of requests, as HTTP polling is, and not of a connection.
    pub polls: f64,
    /// Beside the connection there is a lane of datagrams, as QUIC and WebTransport have: what it loses is lost.
    pub datagrams: bool,
    /// Bytes that a proxy in the middle takes from the server before the client has taken any; 0: no proxy.
    pub proxy: usize,
}

/// The default window: about what a TCP sender has under way at game rates, with `TCP_NOTSENT_LOWAT` set.
pub const WINDOW: usize = 32 * 1024;
const FAST: u64 = 12_500_000;

const fn profile(
    name: &'static str,
    delay_ms: u64,
    jitter_ms: u64,
    loss: f64,
    bytes_per_s: u64,
) -> Profile {
    Profile {
        name,
        delay: Duration::from_millis(delay_ms),
        jitter: Duration::from_millis(jitter_ms),
        loss,
        down_bytes_per_s: bytes_per_s,
        up_bytes_per_s: bytes_per_s,
        window: WINDOW,
        polls: 0.0,
        datagrams: false,
        proxy: 0,
    }
}

/// One machine: 50 us, nothing lost.
pub const LOOPBACK: Profile = Profile {
    delay: Duration::from_micros(50),
    ..profile("loopback", 0, 0, 0.0, 1_000_000_000)
};
/// Fiber to the house: 10±1 ms.
pub const FIBER: Profile = profile("fiber", 10, 1, 0.0, FAST);
/// Broadband and a wireless last metre: 32±12 ms, 2 % lost.
pub const BROADBAND: Profile = profile("broadband", 32, 12, 0.02, 3_000_000);
/// A busy line: 50±50 ms, 1 % lost.
pub const CONGESTED: Profile = profile("congested", 50, 50, 0.01, 250_000);
/// 4G: 100±20 ms, 4 % lost.
pub const FOUR_G: Profile = profile("4G", 100, 20, 0.04, 1_250_000);
/// 5G: 30±20 ms, 4 % lost.
pub const FIVE_G: Profile = profile("5G", 30, 20, 0.04, 6_000_000);
/// 3.5G: 160±30 ms, 6 % lost.
pub const THREE_AND_A_HALF_G: Profile = profile("3.5G", 160, 30, 0.06, 250_000);

/// The six profiles of the goals, best first.
pub const ALL: [Profile; 6] = [
    FIBER,
    BROADBAND,
    CONGESTED,
    FIVE_G,
    FOUR_G,
    THREE_AND_A_HALF_G,
];

impl Profile {
    /// The profile of that name (`fiber`, `broadband`, `congested`, `4G`, `5G`, `3.5G`, `loopback`), whatever its case.
    pub fn by_name(name: &str) -> Option<Profile> {
        let mut all = ALL.into_iter().chain([LOOPBACK]);
        all.find(|profile| profile.name.eq_ignore_ascii_case(name))
    }

    /// With this many bytes a second towards the client.
    pub const fn bandwidth(mut self, down_bytes_per_s: u64) -> Profile {
        self.down_bytes_per_s = down_bytes_per_s;
        self
    }

    /// With this many bytes that a sender may have unacknowledged (at least 1).
    pub const fn window(mut self, bytes: usize) -> Profile {
        self.window = if bytes == 0 { 1 } else { bytes };
        self
    }

    /// With this part of the links made of requests: 1 for all of them. Such a link knows neither window nor proxy.
    pub const fn polls(mut self, part: f64) -> Profile {
        self.polls = part;
        self
    }

    /// With a lane of datagrams beside the connection: updates that fit, commands and their receipts go by it. The connection is as it was: what is
    /// lost of it stalls it, and nothing else.
    pub const fn datagrams(mut self) -> Profile {
        self.datagrams = true;
        self
    }

    /// Behind a proxy that takes this many bytes from the server before the client has taken any.
    pub const fn proxy(mut self, bytes: usize) -> Profile {
        self.proxy = if bytes > PROXY_BYTES_MAX {
            PROXY_BYTES_MAX
        } else {
            bytes
        };
        self
    }

    /// The time that packets need there and back, on average.
    pub fn round_trip(&self) -> Duration {
        self.delay * 2
    }
}

/// The most that a proxy holds.
pub const PROXY_BYTES_MAX: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_their_profiles() {
        for profile in ALL {
            assert_eq!(Profile::by_name(profile.name), Some(profile));
        }
        assert_eq!(Profile::by_name("FIBER"), Some(FIBER));
        assert_eq!(Profile::by_name("carrier pigeon"), None);
    }

    #[test]
    fn a_window_is_never_nothing_and_a_proxy_never_endless() {
        assert_eq!(FIBER.window(0).window, 1);
        assert_eq!(FIBER.proxy(usize::MAX).proxy, PROXY_BYTES_MAX);
    }
}
