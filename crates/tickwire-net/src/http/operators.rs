//! The pages for those who run a server: health, metrics, the schema; and who may read them.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::{HeaderMap, Request, StatusCode};

use super::{Response, Site, body, text, upgrade};
use crate::config::Exposure;

/// What tells that a proxy stands in between: then the address is its, not the reader's.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// What is shown, and to whom.
#[derive(Debug)]
pub(crate) struct Exposed {
    pub(crate) metrics: Exposure,
    pub(crate) schema: Exposure,
    /// There is an address for operators: these pages are there, not here.
    pub(crate) elsewhere: bool,
    pub(crate) schema_json: Bytes,
}

/// The answer, if the path is one of these. `admin`: asked on the operators' own address.
pub(crate) fn answer(
    request: &Request<Incoming>,
    peer: SocketAddr,
    site: &Site,
    admin: bool,
) -> Option<Response> {
    let local = is_local(peer, request.headers());
    let exposed = &site.exposed;
    match request.uri().path() {
        "/healthz" if site.stopping.load(Ordering::Relaxed) => {
            Some(text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"))
        }
        "/healthz" => Some(text(StatusCode::OK, "ok\n")),
        "/metrics" if admin || (!exposed.elsewhere && allowed(exposed.metrics, local)) => {
            Some(body(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                site.metrics.text().into(),
            ))
        }
        "/tickwire/schema.json" if admin || allowed(exposed.schema, local) => Some(body(
            StatusCode::OK,
            "application/json",
            exposed.schema_json.clone(),
        )),
        "/metrics" if exposed.elsewhere => Some(text(
            StatusCode::FORBIDDEN,
            "forbidden: this server has an address for its operators, and /metrics is there alone\n",
        )),
        "/metrics" => Some(forbidden("metrics")),
        "/tickwire/schema.json" => Some(forbidden("schema")),
        _ => None,
    }
}

fn allowed(exposure: Exposure, local: bool) -> bool {
    match exposure {
        Exposure::Loopback => local,
        Exposure::Everyone => true,
        Exposure::Nobody => false,
    }
}

fn forbidden(key: &str) -> Response {
    let words = format!(
        "forbidden: only programs on the server's own machine may read this. Set {key} = \"everyone\", or admin = \"ADDRESS\", in tickwire.toml\n"
    );
    text(StatusCode::FORBIDDEN, &words)
}

/// A real address on loopback, asked for by a name of this machine: a proxy here speaks for others, and a page whose foreign name was made
/// to point here (DNS rebinding) is no program of ours.
fn is_local(peer: SocketAddr, headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).map(|host| host.to_str());
    peer.ip().to_canonical().is_loopback()
        && !FORWARDED.iter().any(|name| headers.contains_key(*name))
        && host.is_none_or(|host| host.is_ok_and(upgrade::is_local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_on_this_machine_is_not_this_machine() {
        let local: SocketAddr = "127.0.0.1:5".parse().unwrap();
        let mapped: SocketAddr = "[::ffff:127.0.0.1]:5".parse().unwrap();
        let far: SocketAddr = "203.0.113.9:5".parse().unwrap();
        let none = HeaderMap::new();
        assert!(is_local(local, &none) && is_local(mapped, &none) && !is_local(far, &none));
        for name in FORWARDED {
            let mut headers = HeaderMap::new();
            headers.insert(name, "203.0.113.9".parse().unwrap());
            assert!(!is_local(local, &headers), "{name}");
        }
        let hosts = [
            ("localhost:7777", true),
            ("127.0.0.1:7777", true),
            ("evil.example:7777", false),
        ];
        for (host, ours) in hosts {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            assert_eq!(is_local(local, &headers), ours, "{host}");
        }
        assert!(allowed(Exposure::Everyone, false) && !allowed(Exposure::Nobody, true));
    }
}
