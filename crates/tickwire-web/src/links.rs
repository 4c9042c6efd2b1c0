//! The page's links: which of them is open, and the requests of a polling one. Sockets and requests are the browser's.

use bytes::Bytes;
use serde_json::{Value as Json, json};
use tickwire_client::{Client, Ladder, LinkChoice, LinkKind, Rung};
use tickwire_proto::Time;
use tickwire_proto::poll::{Ask, Lane, POST_BYTES_MAX, PollClient};

/// Bits of a ticket that are the request's number on its link; the link's number is above them, below what a double holds.
const TICKET_BITS: u32 = 32;

/// A request that the page is to send.
pub(crate) struct Request {
    pub ticket: f64,
    pub post: bool,
    pub body: Bytes,
}

pub(crate) struct Links {
    ladder: Ladder,
    polling: Option<PollClient>,
    /// The goodbye of a link that is gone.
    goodbye: Option<Bytes>,
    /// Polling links so far.
    made: u64,
    /// Nobody looks at the page: its timers sleep.
    hidden: bool,
    /// What the answer that ended a polling link said.
    refusal: Option<Json>,
}

impl Links {
    /// `choice`: "ws", "poll", or else both.
    pub fn new(choice: &str) -> Links {
        let choice = match choice {
            "ws" => LinkChoice::Only(LinkKind::WebSocket),
            "poll" => LinkChoice::Only(LinkKind::Polling),
            _ => LinkChoice::Auto,
        };
        Links {
            ladder: Ladder::new(choice),
            polling: None,
            goodbye: None,
            made: 0,
            hidden: false,
            refusal: None,
        }
    }

    pub fn carrier(&self) -> Option<&'static str> {
        self.ladder.carrier().map(|kind| match kind {
            LinkKind::WebSocket => "ws",
            LinkKind::Polling => "poll",
        })
    }

    pub fn connect(&mut self, now: Time, number: u32) {
        self.ladder.connect(now, number);
    }

    /// The next thing that the page is to do with its links.
    pub fn poll(&mut self, now: Time, client: &mut Client) -> Option<Json> {
        if let Some(refusal) = self.refusal.take() {
            return Some(refusal);
        }
        Some(match self.ladder.poll()? {
            Rung::Open {
                kind: LinkKind::WebSocket,
                number,
            } => json!({"do": "open", "number": number}),
            Rung::Open {
                kind: LinkKind::Polling,
                ..
            } => {
                self.made += 1;
                let mut end = PollClient::new(now);
                end.set_untimed(self.hidden);
                self.polling = Some(end);
                self.ladder.opened(now, LinkKind::Polling, client);
                json!({"do": "polling"})
            }
            Rung::Drop(LinkKind::WebSocket) => json!({"do": "drop"}),
            Rung::Drop(LinkKind::Polling) => {
                self.polling = None;
                json!({"do": "unpoll"})
            }
        })
    }

    pub fn socket_open(&mut self, now: Time, client: &mut Client) {
        self.ladder.opened(now, LinkKind::WebSocket, client);
    }

    pub fn socket_frame(&mut self, now: Time, frame: &Bytes, client: &mut Client) {
        self.ladder.frame(now, LinkKind::WebSocket, frame, client);
    }

    pub fn socket_lost(&mut self, now: Time, code: Option<u16>, client: &mut Client) {
        self.ladder.lost(now, LinkKind::WebSocket, code, client);
    }

    pub fn socket_next(
        &mut self,
        now: Time,
        writable: usize,
        client: &mut Client,
    ) -> Option<Bytes> {
        self.ladder.next(now, LinkKind::WebSocket, writable, client)
    }

    /// The next request to send: with what the client has to say, if no post is under way.
    pub fn ask(&mut self, now: Time, client: &mut Client) -> Option<Request> {
        if let Some(body) = self.goodbye.take() {
            return Some(Request {
                ticket: -1.0,
                post: true,
                body,
            });
        }
        let end = self.polling.as_mut()?;
        while end.takes() > 0
            && let Some(frame) = self
                .ladder
                .next(now, LinkKind::Polling, end.takes(), client)
        {
            end.say(&frame);
        }
        let Ask { ticket, lane, body } = end.ask(now)?;
        Some(Request {
            ticket: (self.made << TICKET_BITS | ticket) as f64,
            post: lane == Lane::Post,
            body,
        })
    }

    /// An answer came; status 0: there is none.
    pub fn answered(
        &mut self,
        now: Time,
        ticket: f64,
        status: u16,
        body: &Bytes,
        client: &mut Client,
    ) {
        let ticket = ticket.max(0.0) as u64;
        let Some(end) = self
            .polling
            .as_mut()
            .filter(|_| ticket >> TICKET_BITS == self.made)
        else {
            return; // of a link that is gone
        };
        let number = ticket & ((1 << TICKET_BITS) - 1);
        match status {
            0 => end.failed(now, number),
            _ => end.answered(now, number, status, body),
        }
        self.hear(now, client);
    }

    fn hear(&mut self, now: Time, client: &mut Client) {
        while let Some(frame) = self.polling.as_mut().and_then(PollClient::frame) {
            self.ladder.frame(now, LinkKind::Polling, &frame, client);
        }
        let Some(over) = self.polling.as_ref().and_then(PollClient::over).cloned() else {
            return;
        };
        if over.code.is_none() && !matches!(over.status, 200 | 404) {
            let said = serde_json::from_slice(&over.said).unwrap_or(Json::Null);
            self.refusal = Some(json!({"do": "unanswered", "said": said}));
        }
        // A link that was closed by the server is to hear that this was understood.
        self.goodbye = self
            .polling
            .take()
            .and_then(|mut end| end.ask(now))
            .map(|ask| ask.body);
        self.ladder.lost(now, LinkKind::Polling, over.code, client);
    }

    /// The last words go with a goodbye; all links are forgotten.
    pub fn hang_up(&mut self, now: Time, client: &mut Client) {
        if let Some(mut end) = self.polling.take() {
            let mut room = POST_BYTES_MAX;
            while let Some(frame) = self.ladder.next(now, LinkKind::Polling, room, client) {
                room = room.saturating_sub(frame.len());
                end.say(&frame);
            }
            end.close();
            self.goodbye = end.ask(now).map(|ask| ask.body);
        }
        self.ladder.hang_up();
        while self.ladder.poll().is_some() {}
    }

    /// Whether nobody looks at the page.
    pub fn hidden(&mut self, hidden: bool) {
        self.hidden = hidden;
        if let Some(end) = &mut self.polling {
            end.set_untimed(hidden);
        }
    }

    /// The way may have changed: nothing waits for an answer that may never come.
    pub fn wake(&mut self, now: Time) {
        self.ladder.wake(now);
        if let Some(end) = &mut self.polling {
            end.wake(now);
        }
    }

    pub fn next_timeout(&self) -> Option<Time> {
        let end = self.polling.as_ref().and_then(PollClient::next_timeout);
        self.ladder.next_timeout().into_iter().chain(end).min()
    }

    pub fn handle_timeout(&mut self, now: Time, client: &mut Client) {
        self.ladder.handle_timeout(now);
        if let Some(end) = &mut self.polling {
            end.handle_timeout(now);
            self.hear(now, client);
        }
    }
}
