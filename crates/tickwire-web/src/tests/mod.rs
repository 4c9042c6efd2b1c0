//! The core as the page's module uses it, against a real session of the server: the page's side, without a browser. What is tried with it is in the files beside.

mod fields;
mod namespaces;
mod people;
mod requests;
mod rooms;
#[path = "../../../tickwire-client/tests/support/mod.rs"]
mod support;

use bytes::Bytes;
use serde_json::{Value as Json, json};
use support::{ROOM, SEAT, Truth, boom, own, set_ball, tick_frame};
use tickwire_proto::frame::{
    Ask, AskOutcome, ClientFrame, HostAskOwned, Identity, JoinedInfo, MemberChangeOwned,
    PersonSeen, Presence, Refusal, ServerFrame, code,
};
use tickwire_proto::{ServerEvent, ServerSession, SessionConfig, Tick, Time};
use tickwire_snapshot::shape::Shape;
use tickwire_snapshot::{AreaId, FieldSchema, NetId, Quant, RecordSchema, Value, values};

use crate::Core;

/// The page's side: what it would do with the core, without a browser.
struct Page {
    core: Core,
    server: ServerSession,
    now: f64,
    told: Vec<Json>,
    commands: Vec<Vec<u8>>,
    messages: Vec<(u32, bytes::Bytes)>,
    statuses: Vec<(u32, String)>,
    followed: Vec<String>,
    done: Vec<u64>,
    asks: Vec<HostAskOwned>,
    ready: Vec<bool>,
    /// Requests: number and payload; and what became of the server's own.
    requests: Vec<(u32, bytes::Bytes)>,
    replies: Vec<(u32, AskOutcome)>,
    credentials: Vec<u8>,
    /// When identities expire.
    expires: Option<Time>,
}

impl Page {
    fn new() -> Self {
        let server = ServerSession::new(Time(0), SessionConfig::default(), 1, [1; 32]);
        Self {
            core: Core::new("/", 1, 2, 0.0, "ws", &[7; 16]),
            server,
            now: 1_000.0,
            told: Vec::new(),
            commands: Vec::new(),
            messages: Vec::new(),
            statuses: Vec::new(),
            followed: Vec::new(),
            done: Vec::new(),
            asks: Vec::new(),
            ready: Vec::new(),
            requests: Vec::new(),
            replies: Vec::new(),
            credentials: Vec::new(),
            expires: None,
        }
    }

    fn time(&self) -> Time {
        Time((self.now * 1000.0) as u64)
    }

    fn talk(&mut self, answer: impl Fn(u32) -> Result<JoinedInfo, &'static str>) {
        loop {
            let mut quiet = true;
            while let Some(text) = self.core.poll(self.now) {
                let it: Json = serde_json::from_str(&text).expect("JSON");
                match it["do"].as_str() {
                    Some("open") => self.core.link_open(self.now),
                    Some("credentials") => {
                        let namespace = it["namespace"].as_u64().expect("a number") as u8;
                        self.core.attach(namespace, r#"{"guest":"Ann"}"#);
                    }
                    _ => {}
                }
                self.told.push(it);
                quiet = false;
            }
            while let Some(frame) = self.core.next(self.now, 1 << 16) {
                self.server.handle_frame(self.time(), &frame);
                quiet = false;
            }
            while let Some(event) = self.server.poll_event() {
                self.serve(event, &answer);
            }
            while let Some(out) = self.server.next(self.time(), 1 << 20) {
                self.core.frame(self.now, out.head.to_vec());
                if let Some(body) = out.body {
                    self.core.frame(self.now, body.to_vec());
                }
                quiet = false;
            }
            if quiet {
                return;
            }
        }
    }

    fn serve(
        &mut self,
        event: ServerEvent,
        answer: &impl Fn(u32) -> Result<JoinedInfo, &'static str>,
    ) {
        let now = self.time();
        match event {
            ServerEvent::AuthWanted {
                attachment,
                namespace,
                credentials,
                ..
            } => {
                self.credentials = credentials.to_vec();
                let answer = match namespace.as_str() {
                    "/no" => Err(Refusal::new("Unknown", "sign in again")),
                    _ => Ok(Identity {
                        expires: self.expires,
                        ..Identity::new("guest:Ann")
                    }),
                };
                let schema = Bytes::from(support::schema().to_bytes());
                self.server
                    .attach_done_with(now, attachment, answer, Some(&schema));
            }
            ServerEvent::JoinWanted {
                request,
                attachment,
                ..
            } => match answer(request) {
                _ if attachment > 0 => self.server.join_refused(
                    request,
                    Refusal::new("Elsewhere", format!("of attachment {attachment}")),
                ),
                Ok(info) => self.server.joined(now, info),
                Err(code) => self
                    .server
                    .join_refused(request, Refusal::new(code, "64 of 64 seats are taken")),
            },
            ServerEvent::Command { payload, .. } => self.commands.push(payload.to_vec()),
            ServerEvent::Message { kind, payload, .. } => self.messages.push((kind, payload)),
            ServerEvent::Follow { add, .. } => self.followed.extend(add),
            ServerEvent::NoticesDone { cursors, .. } => self.done.extend(cursors),
            ServerEvent::HostAsks { request, ask, .. } => {
                self.asks.push(ask);
                self.server.host_done(request);
            }
            ServerEvent::Ask {
                number, payload, ..
            } => self.requests.push((number, payload)),
            ServerEvent::Reply {
                number, outcome, ..
            } => self.replies.push((number, outcome)),
            ServerEvent::Ready { ready, .. } => self.ready.push(ready),
            ServerEvent::LobbyWatchWanted { request, .. } => {
                self.server.lobby_change(request, true, &[], &[]);
            }
            ServerEvent::Status { room, text } => self.statuses.push((room, text)),
            _ => {}
        }
    }

    fn heard(&self, what: &str) -> Option<&Json> {
        self.told.iter().rev().find(|it| it["do"] == what)
    }

    fn buffer(&self) -> Vec<f64> {
        self.core.rows_read().to_vec()
    }
}

fn ok(request: u32) -> Result<JoinedInfo, &'static str> {
    Ok(support::joined_info(request, "AAAA"))
}
