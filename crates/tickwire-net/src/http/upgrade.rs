//! Whether a request may become a WebSocket: the handshake of RFC 6455 and the check of the origin, without doing it.

use hyper::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode, Version};

use super::why::Advice;
use crate::websocket::accept_key;

/// A no: the status of the answer, and what to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) advice: Advice,
}

/// Whose pages may connect.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origins {
    /// As configured; `*` is everybody.
    pub(crate) listed: Vec<String>,
    /// The server listens on loopback alone: every origin on this machine is welcome.
    pub(crate) loopback: bool,
}

impl Origins {
    /// `host`: what the request was addressed to. A request without an origin comes from no page.
    pub(crate) fn allow(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        // A foreign name that was made to point at this machine (DNS rebinding) is the same origin to its own page.
        let host = host.filter(|host| !self.loopback || is_local(host));
        if self
            .listed
            .iter()
            .any(|one| one == "*" || one.trim_end_matches('/').eq_ignore_ascii_case(origin))
        {
            return true;
        }
        let Some((_, authority)) = origin.split_once("://") else {
            return false;
        };
        host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
            || (self.loopback && is_local(authority))
    }
}

/// `localhost`, `127.0.0.1` or `[::1]`, with any port.
pub(super) fn is_local(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let named =
        host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    named
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// The value of `Sec-WebSocket-Accept`, or why not.
pub(crate) fn check(request: &Parts, origins: &Origins) -> Result<String, Refused> {
    let text = |name: &HeaderName| {
        request
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if request.method != Method::GET || request.version < Version::HTTP_11 {
        return Err(bad(
            StatusCode::BAD_REQUEST,
            "a WebSocket begins with a GET of HTTP/1.1",
        ));
    }
    if !lists(text(&UPGRADE), "websocket") || !lists(text(&CONNECTION), "upgrade") {
        return Err(bad(
            StatusCode::UPGRADE_REQUIRED,
            "no `Upgrade: websocket` with `Connection: Upgrade`: is a proxy in between that drops them?",
        ));
    }
    if text(&SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(bad(
            StatusCode::UPGRADE_REQUIRED,
            "Sec-WebSocket-Version must be 13",
        ));
    }
    let mut keys = request.headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let key = keys
        .next()
        .map(|key| key.as_bytes())
        .filter(|key| keys.next().is_none() && is_key(key));
    let Some(key) = key else {
        return Err(bad(
            StatusCode::BAD_REQUEST,
            "Sec-WebSocket-Key must be 16 bytes in base64",
        ));
    };
    origin(&request.headers, origins)?;
    Ok(accept_key(key))
}

/// The origin of a request, if it has one, and if its pages may connect.
pub(super) fn origin<'a>(
    headers: &'a HeaderMap,
    origins: &Origins,
) -> Result<Option<&'a HeaderValue>, Refused> {
    let mut said = headers.get_all(ORIGIN).iter();
    let origin = said.next();
    let text = origin.map(|origin| origin.to_str().unwrap_or("?"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    if said.next().is_some() || !origins.allow(text, host) {
        return Err(foreign(text.unwrap_or_default()));
    }
    Ok(origin)
}

fn lists(value: Option<&str>, word: &str) -> bool {
    value.is_some_and(|value| {
        value
            .split(',')
            .any(|one| one.trim().eq_ignore_ascii_case(word))
    })
}

/// 16 bytes in base64: 22 digits and two paddings.
fn is_key(key: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key[..22].iter().all(digit) && &key[22..] == b"=="
}

fn bad(status: StatusCode, message: &str) -> Refused {
    let fix = "Connect with a WebSocket client of RFC 6455, directly or through a proxy that passes upgrades on".to_owned();
    Refused {
        status,
        advice: Advice {
            code: "Unreachable",
            message: message.to_owned(),
            fix,
        },
    }
}

fn foreign(origin: &str) -> Refused {
    let shown: String = origin
        .chars()
        .take(200)
        .filter(|c| !c.is_control())
        .collect();
    let message = format!("pages of the origin {shown} may not connect to this server");
    let fix = format!(
        "Add it to the server's tickwire.toml: origins = [\"{shown}\"], or start it with --origin {shown}"
    );
    Refused {
        status: StatusCode::FORBIDDEN,
        advice: Advice {
            code: "Origin",
            message,
            fix,
        },
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn asked(change: impl FnOnce(&mut Request<()>)) -> Result<String, u16> {
        let mut request = Request::builder()
            .uri("/tickwire/ws?try=1")
            .header(HOST, "game.example")
            .header(CONNECTION, "keep-alive, Upgrade")
            .header(UPGRADE, "WebSocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, KEY)
            .body(())
            .unwrap();
        change(&mut request);
        let origins = Origins {
            listed: vec!["https://play.example".to_owned()],
            loopback: false,
        };
        check(&request.into_parts().0, &origins).map_err(|refused| refused.status.as_u16())
    }

    fn with(name: HeaderName, value: &'static str) -> Result<String, u16> {
        asked(|request| {
            request.headers_mut().insert(name, value.parse().unwrap());
        })
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        assert_eq!(asked(|_| ()), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned()));
    }

    #[test]
    fn what_is_no_upgrade_is_refused() {
        assert_eq!(
            asked(|request| *request.method_mut() = Method::POST),
            Err(400)
        );
        assert_eq!(
            asked(|request| *request.version_mut() = Version::HTTP_10),
            Err(400)
        );
        assert_eq!(
            asked(|request| drop(request.headers_mut().remove(UPGRADE))),
            Err(426)
        );
        assert_eq!(with(CONNECTION, "close"), Err(426));
        assert_eq!(with(SEC_WEBSOCKET_VERSION, "8"), Err(426));
        assert_eq!(
            asked(|request| drop(request.headers_mut().remove(SEC_WEBSOCKET_KEY))),
            Err(400)
        );
        for key in [
            "short",
            "",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZQ===",
            "dGhlIHNhbXBsZSBub2 jZQ==",
        ] {
            assert_eq!(with(SEC_WEBSOCKET_KEY, key), Err(400), "{key}");
        }
        let twice = asked(|request| {
            request
                .headers_mut()
                .append(SEC_WEBSOCKET_KEY, KEY.parse().unwrap());
        });
        assert_eq!(twice, Err(400));
    }

    #[test]
    fn foreign_pages_are_refused() {
        for origin in [
            "http://evil.example",
            "null",
            "https://play.example.evil",
            "http://localhost:3000",
            "https://",
            "",
        ] {
            assert_eq!(with(ORIGIN, origin), Err(403), "{origin}");
        }
        for origin in [
            "https://play.example",
            "http://game.example",
            "https://GAME.example",
        ] {
            assert!(with(ORIGIN, origin).is_ok(), "{origin}");
        }
    }

    #[test]
    fn a_server_on_loopback_welcomes_this_machine() {
        let origins = Origins {
            listed: vec![],
            loopback: true,
        };
        for origin in [
            "http://localhost:5173",
            "http://127.0.0.1:1",
            "http://[::1]:8",
            "https://app.localhost",
        ] {
            assert!(
                origins.allow(Some(origin), Some("127.0.0.1:7777")),
                "{origin}"
            );
        }
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
        ] {
            assert!(
                !origins.allow(Some(origin), Some("127.0.0.1:7777")),
                "{origin}"
            );
        }
        assert!(origins.allow(None, None));
    }

    /// DNS rebinding: a page's own name, made to point at this machine, is the host of its requests too.
    #[test]
    fn a_foreign_name_for_this_machine_is_a_foreign_page() {
        let origins = |loopback| Origins {
            listed: vec![],
            loopback,
        };
        let same = |origins: Origins, host: &str| {
            origins.allow(Some(&format!("http://{host}")), Some(host))
        };
        assert!(!same(origins(true), "evil.example:7777"));
        assert!(same(origins(true), "localhost:7777"));
        assert!(same(origins(false), "play.example:7777"));
    }
}
