//! Where a link comes from: the address and the headers of its HTTP request, for auth to look at. Which of them to believe is the driver's matter.

use core::net::IpAddr;
use std::fmt;

/// What is kept of the headers of a link at most; more is left out, whole headers at a time.
pub const REMOTE_BYTES_MAX: usize = 4_096;

/// Where a link comes from.
///
/// ```
/// use tickwire_server::Remote;
/// let remote = Remote::new(Some("203.0.113.7".parse().unwrap()))
///     .with_headers([("origin", "https://play.example"), ("accept-language", "de")]);
/// assert_eq!((remote.origin(), remote.header("Accept-Language")), (Some("https://play.example"), Some("de")));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Remote {
    address: Option<IpAddr>,
    /// `name NUL value NUL`, one after the other: one piece of memory a session.
    headers: Box<str>,
}

impl fmt::Debug for Remote {
    /// Without the headers: there are credentials among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Remote {
    /// One without headers. `None`: there is no address, as in the lab.
    #[must_use]
    pub fn new(address: Option<IpAddr>) -> Remote {
        Remote {
            address,
            headers: Box::default(),
        }
    }

    /// With these headers, as many as fit. Names and values have no control characters in HTTP; those that have some are left out.
    #[must_use]
    pub fn with_headers<'a>(
        mut self,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Remote {
        let mut kept = String::new();
        for (name, value) in headers {
            let fits = kept.len() + name.len() + value.len() + 2 <= REMOTE_BYTES_MAX;
            if fits && !name.contains('\0') && !value.contains('\0') {
                kept.extend([name, "\0", value, "\0"]);
            }
        }
        self.headers = kept.into();
        self
    }

    /// The address: the real one behind proxies that the server trusts.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// The origin of the page, where a browser named one. It is on the server's list.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.header("origin")
    }

    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers();
        headers.find_map(|(of, value)| of.eq_ignore_ascii_case(name).then_some(value))
    }

    /// All headers that are kept, in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut parts = self.headers.split_terminator('\0');
        std::iter::from_fn(move || Some((parts.next()?, parts.next()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_kept_whole_up_to_a_limit() {
        let long = "x".repeat(REMOTE_BYTES_MAX - 20);
        let all = [
            ("a", "1"),
            ("b", long.as_str()),
            ("c", long.as_str()),
            ("d", ""),
            ("e", "with\0nul"),
            ("f", "2"),
        ];
        let remote = Remote::new(None).with_headers(all);
        assert!(remote.headers.len() <= REMOTE_BYTES_MAX);
        let kept: Vec<&str> = remote.headers().map(|(name, _)| name).collect();
        assert_eq!(kept, ["a", "b", "d", "f"]);
        assert_eq!(remote.header("D"), Some(""));
        assert_eq!((remote.header("c"), remote.origin()), (None, None));
        assert!(!format!("{remote:?}").contains("xxx"));
    }
}
