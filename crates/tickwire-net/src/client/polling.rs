//! One polling link of a client: the requests that are under way, and their connections. Which request goes when is `tickwire_proto::poll`'s matter.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use tickwire_proto::frame::SERVER_FRAME_MAX;
use tickwire_proto::poll::{Ask, BATCH_BYTES_MAX, Lane, PollClient};

use super::connection::{LinkCounters, Timer};
use super::stream::Stream;
use super::tls::Trust;
use super::url::Address;
use super::wire::Read;
use crate::clock;

/// The longest body of an answer.
const ANSWER_MAX: usize = BATCH_BYTES_MAX + SERVER_FRAME_MAX + 1024;
/// How long the goodbye may take, after the connection itself is gone.
const GOODBYE: Duration = Duration::from_secs(2);

type Exchange = Pin<Box<dyn Future<Output = Exchanged> + Send>>;
type Exchanged = (Option<Http>, Result<(u16, Bytes), String>);

/// A polling link, open or on its way to be.
pub(crate) struct PollWire {
    address: Address,
    trust: Trust,
    end: PollClient,
    post: Way,
    poll: Way,
    timer: Timer,
    failure: Option<String>,
}

/// One lane: its request that is under way, and the connection that waits for the next.
#[derive(Default)]
struct Way {
    ticket: u64,
    exchange: Option<Exchange>,
    http: Option<Http>,
}

/// A connection that is kept from request to request.
struct Http {
    sender: SendRequest<Full<Bytes>>,
    connection: Pin<Box<http1::Connection<TokioIo<Stream>, Full<Bytes>>>>,
}

impl PollWire {
    pub(crate) fn new(address: Address, trust: Trust) -> PollWire {
        PollWire {
            address,
            trust,
            end: PollClient::new(clock::now()),
            post: Way::default(),
            poll: Way::default(),
            timer: Timer::default(),
            failure: None,
        }
    }

    /// How much more the client may say now.
    pub(crate) fn writable(&self) -> usize {
        self.end.takes()
    }

    pub(crate) fn say(&mut self, frame: &Bytes, counters: &mut LinkCounters) {
        counters.payload_out += frame.len() as u64;
        self.end.say(frame);
    }

    /// Why the last request failed.
    pub(crate) fn failure(&self) -> Option<String> {
        let over = self.end.over()?;
        let said = String::from_utf8_lossy(&over.said);
        match over.status {
            0 | 200 => self.failure.clone(),
            status => Some(format!("the server answered {status} {said}")),
        }
    }

    /// Sends requests and takes answers, as far as that goes now; the task is woken when it goes on.
    pub(crate) fn poll_exchange(&mut self, context: &mut Context<'_>, counters: &mut LinkCounters) {
        loop {
            while let Some(ask) = self.end.ask(clock::now()) {
                self.start(ask, counters);
            }
            if self.poll_way(Lane::Post, context, counters)
                || self.poll_way(Lane::Poll, context, counters)
            {
                continue;
            }
            match self.end.next_timeout() {
                Some(due) if self.timer.poll(context, due).is_ready() => {
                    self.end.handle_timeout(clock::now());
                }
                _ => return,
            }
        }
    }

    fn start(&mut self, ask: Ask, counters: &mut LinkCounters) {
        let (address, trust) = (self.address.clone(), self.trust.clone());
        let way = self.way(ask.lane);
        counters.wire_out += ask.body.len() as u64;
        way.ticket = ask.ticket;
        way.exchange = Some(Box::pin(exchange(
            way.http.take(),
            address,
            trust,
            ask.body,
        )));
    }

    /// True: an answer came, or none will.
    fn poll_way(
        &mut self,
        lane: Lane,
        context: &mut Context<'_>,
        counters: &mut LinkCounters,
    ) -> bool {
        let way = self.way(lane);
        let ticket = way.ticket;
        let Some(exchange) = &mut way.exchange else {
            return false;
        };
        let Poll::Ready((http, answer)) = exchange.as_mut().poll(context) else {
            return false;
        };
        way.exchange = None;
        way.http = http;
        let now = clock::now();
        match answer {
            Ok((status, body)) => {
                counters.wire_in += body.len() as u64;
                self.end.answered(now, ticket, status, &body);
            }
            Err(failure) => {
                self.failure = Some(failure);
                self.end.failed(now, ticket);
            }
        }
        true
    }

    fn way(&mut self, lane: Lane) -> &mut Way {
        match lane {
            Lane::Post => &mut self.post,
            Lane::Poll => &mut self.poll,
        }
    }

    /// Hands each frame that came to `frame`. `Pending`: there was none.
    pub(crate) fn poll_read(
        &mut self,
        counters: &mut LinkCounters,
        mut frame: impl FnMut(Bytes),
    ) -> Poll<Read> {
        let mut any = false;
        while let Some(bytes) = self.end.frame() {
            any = true;
            counters.payload_in += bytes.len() as u64;
            frame(bytes);
        }
        match self.end.over() {
            Some(over) => Poll::Ready(Read::Lost(over.code)),
            None if any => Poll::Ready(Read::More),
            None => Poll::Pending,
        }
    }

    /// Says goodbye, in a task of its own: the connection does not wait for it.
    pub(crate) fn close(mut self) {
        self.end.close();
        let (Some(ask), Ok(runtime)) = (
            self.end.ask(clock::now()),
            tokio::runtime::Handle::try_current(),
        ) else {
            return;
        };
        let (http, under_way) = (self.post.http.take(), self.post.exchange.take());
        runtime.spawn(tokio::time::timeout(GOODBYE, async move {
            let http = match under_way {
                Some(exchange) => exchange.await.0,
                None => http,
            };
            exchange(http, self.address, self.trust, ask.body).await
        }));
    }
}

/// One request and its answer. A connection that was kept may have been closed meanwhile: then another one is opened. No harm is done if the
/// request has arrived twice.
async fn exchange(kept: Option<Http>, address: Address, trust: Trust, body: Bytes) -> Exchanged {
    if let Some(mut http) = kept.filter(|http| !http.sender.is_closed())
        && let Ok(answer) = http.ask(&address, body.clone()).await
    {
        return (Some(http), Ok(answer));
    }
    let mut http = match Http::open(&address, &trust).await {
        Ok(http) => http,
        Err(failure) => return (None, Err(failure)),
    };
    match http.ask(&address, body).await {
        Ok(answer) => (Some(http), Ok(answer)),
        Err(failure) => (None, Err(failure)),
    }
}

impl Http {
    async fn open(address: &Address, trust: &Trust) -> Result<Http, String> {
        let stream = Stream::open(address, trust).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        Ok(Http {
            sender,
            connection: Box::pin(connection),
        })
    }

    async fn ask(&mut self, address: &Address, body: Bytes) -> Result<(u16, Bytes), String> {
        let request = Request::post(address.polls())
            .header(header::HOST, address.authority())
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let sender = &mut self.sender;
        let answer = async {
            sender.ready().await.map_err(|error| error.to_string())?;
            let answer = sender.send_request(request).await;
            let answer = answer.map_err(|error| error.to_string())?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
            let body = body.map_err(|error| error.to_string())?;
            Ok((status, body.to_bytes()))
        };
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer,
            // Its end may have brought the answer along.
            ended = &mut self.connection => tokio::select! {
                biased;
                answer = &mut answer => answer,
                () = std::future::ready(()) => Err(match ended {
                    Ok(()) => "the connection was closed".to_owned(),
                    Err(error) => error.to_string(),
                }),
            },
        }
    }
}
