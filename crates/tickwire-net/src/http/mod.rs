//! HTTP on the port of the game: pages, operators' pages, the way to a WebSocket. The connection itself is hyper's.

mod files;
mod operators;
mod poll;
mod proxies;
mod upgrade;
mod why;

use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use tickwire_proto::Time;
use tickwire_server::Remote;

use crate::clock;
use crate::metrics::Metrics;
use crate::stream::Stream;
use crate::tls::Tls;
pub(crate) use files::Files;
use files::{Missing, Packing};
pub(crate) use operators::Exposed;
pub(crate) use poll::{Entry, OnPoll, PollRefused, Polled};
pub use proxies::Net;
pub(crate) use proxies::Proxies;
pub(crate) use upgrade::Origins;
use why::{Advice, Why};

/// A request's head must be whole within this time, and so must the wait for another one.
const HEAD_TIME_MAX: Duration = Duration::from_secs(5);
/// All the requests of one connection, however slowly their answers are read. Polls of a known session begin the time anew.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(60);
/// What a request's head may be long.
const HEAD_BYTES_MAX: usize = 8192;
const HEADERS_MAX: usize = 64;
/// Where the WebSocket is.
const WEBSOCKET_PATH: &str = "/tickwire/ws";
/// Where polling links are.
const POLL_PATH: &str = "/tickwire/poll";

type Response = hyper::Response<Full<Bytes>>;

/// What is served, to all connections alike.
pub(crate) struct Site {
    pub(crate) files: Files,
    pub(crate) origins: Origins,
    pub(crate) proxies: Proxies,
    pub(crate) exposed: Exposed,
    pub(crate) metrics: Arc<Metrics>,
    /// One for each link there may be, from its upgrade to its end.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) why: Why,
    pub(crate) stopping: AtomicBool,
    /// What connections to the port of the game begin with, where that is not plain.
    pub(crate) tls: Option<Tls>,
    /// The longest body of a request for a polling link.
    poll_body_max: usize,
}

impl Site {
    pub(crate) fn new(
        files: Files,
        (origins, proxies): (Origins, Proxies),
        exposed: Exposed,
        metrics: Arc<Metrics>,
        sessions_max: usize,
        poll_body_max: usize,
    ) -> Site {
        Site {
            files,
            origins,
            proxies,
            exposed,
            metrics,
            places: Arc::new(Semaphore::new(sessions_max)),
            why: Why::default(),
            stopping: AtomicBool::new(false),
            tls: None,
            poll_body_max,
        }
    }
}

/// A connection that became a WebSocket, with what was read beyond the request.
pub(crate) struct Upgraded {
    pub(crate) stream: Stream,
    pub(crate) read: Bytes,
    pub(crate) place: Place,
    pub(crate) remote: Arc<Remote>,
}

/// A link's part of `limits.sessions`: given at the upgrade, given back with the link.
pub(crate) type Place = OwnedSemaphorePermit;

/// Where connections go that become WebSockets.
pub(crate) type OnUpgrade = Rc<dyn Fn(Upgraded)>;

/// The ways from HTTP into the game.
#[derive(Clone)]
pub(crate) struct Ways {
    pub(crate) upgrade: OnUpgrade,
    pub(crate) poll: OnPoll,
}

/// Serves one connection until it ends or becomes a WebSocket. Runs on a `LocalSet`. Without `ways` it is the operators' port.
pub(crate) async fn serve(
    stream: Stream,
    peer: SocketAddr,
    shard: usize,
    site: Arc<Site>,
    ways: Option<Ways>,
) {
    let until = Rc::new(Cell::new(clock::now().plus(CONNECTION_TIME_MAX)));
    let served_until = Rc::clone(&until);
    let service = service_fn(move |request: Request<Incoming>| {
        let site = Arc::clone(&site);
        let (ways, until) = (ways.clone(), Rc::clone(&until));
        async move {
            site.metrics.shards[shard].http_requests.one();
            Ok::<_, Infallible>(answer(request, peer, &site, ways, &until).await)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    loop {
        let by = served_until.get();
        match tokio::time::timeout_at(clock::deadline(by), connection.as_mut()).await {
            // How it ended is the peer's business: an error here is a connection that broke or broke a limit.
            Ok(Err(error)) => return tracing::debug!(%peer, %error, "http connection"),
            Err(_) if served_until.get() > by => {}
            Ok(Ok(())) | Err(_) => return,
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    site: &Arc<Site>,
    ways: Option<Ways>,
    until: &Cell<Time>,
) -> Response {
    match (request.uri().path(), &ways) {
        (WEBSOCKET_PATH, Some(ways)) => {
            return websocket(request, peer, site, Rc::clone(&ways.upgrade));
        }
        (POLL_PATH, Some(ways)) => {
            return poll::answer(request, peer, site, &ways.poll, until).await;
        }
        _ => {}
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = text(
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET and HEAD are answered here\n",
        );
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return close(response);
    }
    if let Some(response) = operators::answer(&request, peer, site, ways.is_none()) {
        return response;
    }
    match request.uri().path() {
        "/tickwire/why" => reason(&request, site),
        _ if ways.is_none() => text(
            StatusCode::NOT_FOUND,
            "not found: this address has /metrics, /healthz and /tickwire/schema.json\n",
        ),
        _ => file(&request, site).await,
    }
}

/// Answers 101 and hands the raw connection over, or says why not.
fn websocket(
    mut request: Request<Incoming>,
    peer: SocketAddr,
    site: &Arc<Site>,
    on_upgrade: OnUpgrade,
) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let checked = upgrade::check(&parts, &site.origins)
        .and_then(|accept| room_for_one(site).map(|place| (accept, place)));
    let (accept, place) = match checked {
        Ok(accepted) => accepted,
        Err(refused) => return refusal(&parts, site, refused),
    };
    let remote = Arc::new(site.proxies.remote(peer.ip(), &parts.headers));
    tokio::task::spawn_local(async move {
        let Ok(upgraded) = upgrade.await else { return };
        if let Ok(inner) = upgraded.downcast::<TokioIo<Stream>>() {
            on_upgrade(Upgraded {
                stream: inner.io.into_inner(),
                read: inner.read_buf,
                place,
                remote,
            });
        }
    });
    let mut response = text(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = response.headers_mut();
    headers.clear();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    set(headers, header::SEC_WEBSOCKET_ACCEPT, &accept);
    response
}

fn room_for_one(site: &Site) -> Result<Place, upgrade::Refused> {
    let place = Arc::clone(&site.places).try_acquire_owned();
    let (code, message, fix) = if site.stopping.load(Ordering::Relaxed) {
        (
            "Unreachable",
            "the server is stopping",
            "Try again in a moment",
        )
    } else if let Ok(place) = place {
        return Ok(place);
    } else {
        (
            "Full",
            "the server is full",
            "Try again later, or raise limits.sessions in the server's tickwire.toml",
        )
    };
    let advice = Advice {
        code,
        message: message.to_owned(),
        fix: fix.to_owned(),
    };
    Err(upgrade::Refused {
        status: StatusCode::SERVICE_UNAVAILABLE,
        advice,
    })
}

fn refusal(
    parts: &hyper::http::request::Parts,
    site: &Site,
    refused: upgrade::Refused,
) -> Response {
    site.metrics.upgrades_refused.one();
    let said = format!(
        "{}: {}. {}\n",
        refused.advice.code, refused.advice.message, refused.advice.fix
    );
    if let Some(attempt) = why::attempt(parts.uri.query()) {
        site.why.remember(attempt, refused.advice);
    }
    let mut response = text(refused.status, &said);
    if refused.status == StatusCode::UPGRADE_REQUIRED {
        response
            .headers_mut()
            .insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        response.headers_mut().insert(
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        );
    }
    close(response)
}

/// `/tickwire/why?try=N`: readable from any origin, code and advice alone.
fn reason(request: &Request<Incoming>, site: &Site) -> Response {
    let known = why::attempt(request.uri().query()).and_then(|attempt| site.why.ask(attempt));
    let status = if known.is_some() {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    };
    let advice = known.unwrap_or_else(|| Advice {
        code: "Unreachable",
        message: "this server did not refuse that attempt: it has not reached it".to_owned(),
        fix: "Look for what stands in between: a proxy that does not pass WebSockets on, a firewall, another server on that port".to_owned(),
    });
    let mut response = body(status, "application/json", advice.to_json().into());
    response.headers_mut().insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}

async fn file(request: &Request<Incoming>, site: &Site) -> Response {
    let said = |name: HeaderName| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let packing = Packing::best(said(header::ACCEPT_ENCODING));
    let file = match site.files.find(request.uri().path(), packing).await {
        Ok(file) => file,
        Err(Missing::NotFound) => return text(StatusCode::NOT_FOUND, "not found\n"),
        Err(Missing::Busy) => {
            let busy = "too many large files are being fetched: try again in a moment\n";
            let mut response = text(StatusCode::SERVICE_UNAVAILABLE, busy);
            set(response.headers_mut(), header::RETRY_AFTER, "1");
            return response;
        }
    };
    let known = said(header::IF_NONE_MATCH)
        .split(',')
        .any(|one| one.trim() == file.etag);
    let mut response = if known {
        text(StatusCode::NOT_MODIFIED, "")
    } else {
        body(StatusCode::OK, file.mime, file.bytes)
    };
    let headers = response.headers_mut();
    set(headers, header::ETAG, &file.etag);
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(name) = file.packing.name() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    // Public files without credentials: a page elsewhere may load the client from its game's server.
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    response
}

fn text(status: StatusCode, words: &str) -> Response {
    body(
        status,
        "text/plain; charset=utf-8",
        Bytes::copy_from_slice(words.as_bytes()),
    )
}

fn body(status: StatusCode, mime: &'static str, bytes: Bytes) -> Response {
    let mut response = Response::new(Full::new(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(mime));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn close(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn set(headers: &mut hyper::HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
