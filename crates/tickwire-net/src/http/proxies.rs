//! Whose word counts on where a request comes from: proxies that the operator trusts. Whose pages may connect is in `upgrade`.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, FORWARDED, HeaderName, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use tickwire_server::Remote;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Headers that say nothing of the remote: of the connection, and of the request itself.
const DULL: &[HeaderName] = &[
    CONNECTION,
    UPGRADE,
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION,
    CONTENT_TYPE,
    CONTENT_LENGTH,
];

/// A range of addresses, as `10.0.0.0/8`, or one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    address: IpAddr,
    bits: u8,
}

impl Net {
    /// `None`: that is no range.
    pub(crate) fn parse(text: &str) -> Option<Net> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Net { address, bits })
    }

    fn contains(&self, other: IpAddr) -> bool {
        let differ = match (self.address, other) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                u128::from(ours.to_bits() ^ theirs.to_bits()) << 96
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => ours.to_bits() ^ theirs.to_bits(),
            _ => return false,
        };
        differ.leading_zeros() >= u32::from(self.bits)
    }
}

/// The proxies that are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proxies(pub(crate) Vec<Net>);

impl Proxies {
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.contains(address))
    }

    /// The address that a request really comes from: that of the peer, unless it is trusted. Then the last one that it or another trusted
    /// proxy wrote down: what stands before that is hearsay.
    ///
    /// `Forwarded` is looked at only where there is no `X-Forwarded-For`: most proxies write the one and pass the other on as it came, from
    /// whomever.
    pub(crate) fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut at = peer.to_canonical();
        if !self.trusts(at) {
            return at;
        }
        let listed = hops(headers, &X_FORWARDED_FOR, |one| Some(one));
        let listed =
            listed.unwrap_or_else(|| hops(headers, &FORWARDED, element_for).unwrap_or_default());
        for hop in listed.into_iter().rev() {
            let Some(hop) = hop else { break };
            at = hop;
            if !self.trusts(at) {
                break;
            }
        }
        at
    }

    /// Where a request comes from, for auth.
    pub(crate) fn remote(&self, peer: IpAddr, headers: &HeaderMap) -> Remote {
        let told = headers.iter().filter(|(name, _)| !DULL.contains(name));
        let told = told.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        Remote::new(Some(self.origin(peer, headers))).with_headers(told)
    }
}

/// The addresses that a header lists, in their order over all its lines; `None` in it: something else. `None`: there is no such header.
fn hops(
    headers: &HeaderMap,
    name: &HeaderName,
    address: fn(&str) -> Option<&str>,
) -> Option<Vec<Option<IpAddr>>> {
    let mut lines = headers.get_all(name).iter().peekable();
    lines.peek()?;
    let lines = lines.map(|line| line.to_str().unwrap_or_default());
    let each = lines.flat_map(|line| line.split(','));
    Some(each.map(|one| ip(address(one.trim())?)).collect())
}

/// The `for` of one element of `Forwarded` (RFC 7239), without its quotes.
fn element_for(element: &str) -> Option<&str> {
    let mut pairs = element
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    Some(node.trim_matches('"'))
}

/// An address with or without a port: `1.2.3.4`, `1.2.3.4:5`, `[::1]`, `[::1]:5`, `::1`.
fn ip(node: &str) -> Option<IpAddr> {
    let bare = match node.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None if node.matches(':').count() == 1 => node.split(':').next()?,
        None => node,
    };
    bare.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn proxies() -> Proxies {
        let nets = ["127.0.0.1/32", "10.0.0.0/8", "2001:db8::/33"];
        Proxies(nets.iter().map(|net| Net::parse(net).unwrap()).collect())
    }

    fn origin(peer: &str, headers: &[(&HeaderName, &'static str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        proxies().origin(peer.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn ranges_are_read_and_hold_what_they_say() {
        for wrong in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "all",
        ] {
            assert_eq!(Net::parse(wrong), None, "{wrong}");
        }
        let holds = |net: &str, ip: &str| Net::parse(net).unwrap().contains(ip.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.1.2") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("0.0.0.0/0", "203.0.113.7") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.6"));
        assert!(
            holds("2001:db8::/33", "2001:db8:7fff::1")
                && !holds("2001:db8::/33", "2001:db8:8000::1")
        );
        assert!(holds("::/0", "2001:db8::1"));
    }

    #[test]
    fn nobody_who_is_not_trusted_is_believed() {
        let told: &[(&HeaderName, &str)] = &[
            (&X_FORWARDED_FOR, "203.0.113.7"),
            (&FORWARDED, "for=203.0.113.8"),
        ];
        for peer in ["198.51.100.1", "127.0.0.2", "2001:db8:8000::1"] {
            assert_eq!(origin(peer, told), peer);
        }
        assert_eq!(origin("127.0.0.1", told), "203.0.113.7");
        assert_eq!(origin("::ffff:127.0.0.1", told), "203.0.113.7");
    }

    #[test]
    fn the_last_word_of_the_trusted_counts_and_no_hearsay() {
        for (listed, wanted) in [
            ("1.1.1.1, 203.0.113.7", "203.0.113.7"),
            ("1.1.1.1, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
            ("1.1.1.1, 203.0.113.7, 10.1.2.3,10.9.9.9", "203.0.113.7"),
            ("10.1.2.3", "10.1.2.3"),
            ("203.0.113.7:5123", "203.0.113.7"),
            ("1.1.1.1, 2001:db9::7", "2001:db9::7"),
            ("1.1.1.1, [2001:db9::7]:443", "2001:db9::7"),
            ("1.1.1.1, ::ffff:203.0.113.7", "203.0.113.7"),
            ("1.1.1.1, unknown", "127.0.0.1"),
            ("1.1.1.1, unknown, 10.1.2.3", "10.1.2.3"),
            ("", "127.0.0.1"),
        ] {
            assert_eq!(
                origin("127.0.0.1", &[(&X_FORWARDED_FOR, listed)]),
                wanted,
                "{listed}"
            );
        }
        let lines: &[(&HeaderName, &str)] = &[
            (&X_FORWARDED_FOR, "1.1.1.1"),
            (&X_FORWARDED_FOR, "203.0.113.7"),
        ];
        assert_eq!(origin("127.0.0.1", lines), "203.0.113.7");
    }

    #[test]
    fn forwarded_counts_where_it_is_alone() {
        for (listed, wanted) in [
            ("for=203.0.113.7", "203.0.113.7"),
            (
                "for=1.1.1.1, For=\"203.0.113.7:80\";proto=https;by=10.0.0.1",
                "203.0.113.7",
            ),
            ("proto=https; for=\"[2001:db9::7]:4711\"", "2001:db9::7"),
            ("for=1.1.1.1, for=_hidden", "127.0.0.1"),
            ("by=1.1.1.1", "127.0.0.1"),
        ] {
            assert_eq!(
                origin("127.0.0.1", &[(&FORWARDED, listed)]),
                wanted,
                "{listed}"
            );
        }
        let both: &[(&HeaderName, &str)] = &[
            (&FORWARDED, "for=1.1.1.1"),
            (&X_FORWARDED_FOR, "203.0.113.7"),
        ];
        assert_eq!(origin("127.0.0.1", both), "203.0.113.7");
    }

    #[test]
    fn auth_is_not_told_of_the_connection() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (SEC_WEBSOCKET_KEY, "x"),
            (UPGRADE, "websocket"),
            (hyper::header::COOKIE, "a=1"),
            (hyper::header::ORIGIN, "https://a.example"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let remote = proxies().remote("192.0.2.1".parse().unwrap(), &headers);
        let names: Vec<&str> = remote.headers().map(|(name, _)| name).collect();
        assert_eq!(names, ["cookie", "origin"]);
        assert_eq!(remote.address(), Some("192.0.2.1".parse().unwrap()));
    }
}
