//! The address of a server as people write it, and what of it is needed.

use thiserror::Error;

/// Where the WebSocket is, unless the address says otherwise.
const PATH: &str = "/tickwire/ws";
const PORT: u16 = 80;
const TLS_PORT: u16 = 443;

/// An address that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UrlError {
    /// This client is built without TLS.
    #[error("BadUrl: {0}: this client has no TLS. Build it with the feature `tls`")]
    Tls(String),
    /// What was to be trusted is nothing of that kind.
    #[error("BadCertificate: there is no certificate in PEM in it")]
    Certificate,
    /// Not an address of a server.
    #[error("BadUrl: {0:?} is no address of a server. For example: ws://127.0.0.1:7777")]
    Wrong(String),
}

/// The parts of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether the link is encrypted.
    pub(crate) tls: bool,
    path: String,
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Address, UrlError> {
        let wrong = || UrlError::Wrong(url.to_owned());
        let (scheme, rest) = url.split_once("://").unwrap_or(("ws", url));
        let tls = match scheme {
            "ws" | "http" => false,
            "wss" | "https" if cfg!(feature = "tls") => true,
            "wss" | "https" => return Err(UrlError::Tls(url.to_owned())),
            _ => return Err(wrong()),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ if tls => (authority, TLS_PORT),
            _ => (authority, PORT),
        };
        let fine =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        if host.is_empty()
            || !host.chars().all(fine)
            || path.contains(['?', '#'])
            || path.contains(char::is_whitespace)
        {
            return Err(wrong());
        }
        let path = if path.is_empty() || path == "/" {
            PATH
        } else {
            path
        };
        Ok(Address {
            host: host.to_owned(),
            port,
            tls,
            path: path.to_owned(),
        })
    }

    /// The host as the system resolves it: without the brackets of IPv6.
    pub(crate) fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// As a request names it.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The path of polling links: beside that of the WebSocket.
    pub(crate) fn polls(&self) -> String {
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/poll")
    }

    /// The URL of one attempt, as the handshake wants it: it does not connect.
    pub(crate) fn attempt(&self, number: u32) -> String {
        format!("ws://{}:{}{}?try={number}", self.host, self.port, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_write_them() {
        for (url, attempt) in [
            (
                "ws://127.0.0.1:7777",
                "ws://127.0.0.1:7777/tickwire/ws?try=3",
            ),
            (
                "http://localhost:7777/",
                "ws://localhost:7777/tickwire/ws?try=3",
            ),
            ("play.example", "ws://play.example:80/tickwire/ws?try=3"),
            ("ws://[::1]:9/other", "ws://[::1]:9/other?try=3"),
            ("ws://[::1]", "ws://[::1]:80/tickwire/ws?try=3"),
        ] {
            assert_eq!(Address::parse(url).unwrap().attempt(3), attempt);
        }
        assert_eq!(Address::parse("ws://[::1]:9").unwrap().bare_host(), "::1");
        let polls = |url| Address::parse(url).unwrap().polls();
        assert_eq!(polls("ws://a"), "/tickwire/poll");
        assert_eq!(polls("ws://a/game/tickwire/ws"), "/game/tickwire/poll");
    }

    #[test]
    fn others_are_refused() {
        for url in [
            "",
            "ftp://a",
            "ws://",
            "ws://a:b",
            "ws://a b",
            "ws://a:99999",
            "ws://a?x",
            "ws://a/b?try=1",
            "ws://:7",
        ] {
            assert!(
                matches!(Address::parse(url), Err(UrlError::Wrong(_))),
                "{url}"
            );
        }
        match Address::parse("wss://a") {
            Ok(address) => assert_eq!((address.tls, address.port), (true, TLS_PORT)),
            Err(error) => assert!(!cfg!(feature = "tls") && matches!(error, UrlError::Tls(_))),
        }
    }
}
