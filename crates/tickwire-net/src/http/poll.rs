//! Requests for polling links, from HTTP to the game and back: origins, bodies, statuses. What a link does with them is `tickwire_proto::poll`'s matter.

use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode};
use tickwire_proto::Time;
use tickwire_proto::poll::{PollRefusal, PollRequest};
use tickwire_server::Remote;

use super::why::Advice;
use super::{CONNECTION_TIME_MAX, Place, Response, Site, body, close, room_for_one, set, upgrade};
use crate::clock;

/// A body must be whole within this time.
const BODY_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a browser may remember that an origin is welcome, in seconds.
const PREFLIGHT_S: &str = "7200";

/// Takes a request to its link, and gives the answer when there is one.
pub(crate) type OnPoll = Rc<
    dyn Fn(
        PollRequest,
        Option<Entry>,
    ) -> Pin<Box<dyn Future<Output = Result<Polled, PollRefused>>>>,
>;

/// What a new link begins with.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) remote: Arc<Remote>,
}

/// A good answer.
pub(crate) struct Polled {
    pub(crate) body: Bytes,
    /// The link's client has shown credentials that were accepted.
    pub(crate) known: bool,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum PollRefused {
    /// By the link.
    Link(PollRefusal),
    /// Too many strangers, in all or of this address.
    Crowded,
    /// The server stops, or is overrun.
    Busy,
}

impl From<PollRefusal> for PollRefused {
    fn from(refusal: PollRefusal) -> Self {
        PollRefused::Link(refusal)
    }
}

pub(super) async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    site: &Site,
    on_poll: &OnPoll,
    until: &Cell<Time>,
) -> Response {
    let origin = match upgrade::origin(request.headers(), &site.origins) {
        Ok(origin) => origin.cloned(),
        Err(foreign) => {
            site.metrics.upgrades_refused.one();
            return refusal(foreign.status, &foreign.advice);
        }
    };
    let mut response = match *request.method() {
        Method::OPTIONS => preflight(),
        Method::POST => match ask(request, peer, site, on_poll, until).await {
            Ok(bytes) => body(StatusCode::OK, "application/octet-stream", bytes),
            Err((status, advice)) => {
                site.metrics.polls_refused.one();
                refusal(status, &advice)
            }
        },
        _ => {
            let (status, message) = (StatusCode::METHOD_NOT_ALLOWED, "a link is polled by POST");
            let mut response = refusal(
                status,
                &advice("Method", message, "Use the Tickwire client"),
            );
            let allow = HeaderValue::from_static("POST, OPTIONS");
            response.headers_mut().insert(header::ALLOW, allow);
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

fn preflight() -> Response {
    let mut response = Response::new(http_body_util::Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_S),
    ] {
        set(headers, name, value);
    }
    response
}

async fn ask(
    request: Request<Incoming>,
    peer: SocketAddr,
    site: &Site,
    on_poll: &OnPoll,
    until: &Cell<Time>,
) -> Result<Bytes, (StatusCode, Advice)> {
    let (head, body) = request.into_parts();
    let bytes = whole(body, site.poll_body_max).await?;
    let request =
        PollRequest::decode(&bytes).map_err(|error| by_link(&PollRefusal::Malformed(error)))?;
    let entry = match request {
        PollRequest::Open { .. } => {
            let place = room_for_one(site).map_err(|full| (full.status, full.advice))?;
            let remote = Arc::new(site.proxies.remote(peer.ip(), &head.headers));
            Some(Entry { place, remote })
        }
        _ => None,
    };
    match on_poll(request, entry).await {
        Ok(polled) => {
            if polled.known {
                until.set(clock::now().plus(CONNECTION_TIME_MAX));
            }
            Ok(polled.body)
        }
        Err(PollRefused::Link(refusal)) => Err(by_link(&refusal)),
        Err(PollRefused::Crowded) => {
            let message = "too many connections without accepted credentials";
            let fix = "Try again in some seconds; behind a proxy see limits.per_address";
            Err((
                StatusCode::SERVICE_UNAVAILABLE,
                advice("Full", message, fix),
            ))
        }
        Err(PollRefused::Busy) => {
            let (message, fix) = ("the server is busy, or stopping", "Try again in a moment");
            Err((
                StatusCode::SERVICE_UNAVAILABLE,
                advice("Unreachable", message, fix),
            ))
        }
    }
}

/// The body, if it is not too long and comes in time.
async fn whole(body: Incoming, max: usize) -> Result<Bytes, (StatusCode, Advice)> {
    let too_large = || {
        let message = format!("a body of more than {max} bytes");
        let fix = "Put less into one request, or use the Tickwire client";
        (
            StatusCode::PAYLOAD_TOO_LARGE,
            advice("TooLarge", &message, fix),
        )
    };
    if body.size_hint().lower() > max as u64 {
        return Err(too_large());
    }
    let collected = Limited::new(body, max).collect();
    match tokio::time::timeout(BODY_TIME_MAX, collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => {
            let (message, fix) = ("the body ended too early", "Send it again");
            Err((StatusCode::BAD_REQUEST, advice("Malformed", message, fix)))
        }
        Err(_) => {
            let message = format!("the body was not whole after {} s", BODY_TIME_MAX.as_secs());
            let fix = "Send it again, in less time";
            Err((StatusCode::REQUEST_TIMEOUT, advice("Slow", &message, fix)))
        }
    }
}

fn by_link(refusal: &PollRefusal) -> (StatusCode, Advice) {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    (
        status,
        advice(refusal.code(), &refusal.to_string(), refusal.fix()),
    )
}

fn advice(code: &'static str, message: &str, fix: &str) -> Advice {
    Advice {
        code,
        message: message.to_owned(),
        fix: fix.to_owned(),
    }
}

/// As JSON. Whose body was not read, or who breaks the rules, needs a new connection.
fn refusal(status: StatusCode, advice: &Advice) -> Response {
    let response = body(status, "application/json", advice.to_json().into());
    match status {
        StatusCode::CONFLICT | StatusCode::NOT_FOUND | StatusCode::TOO_MANY_REQUESTS => response,
        _ => close(response),
    }
}
