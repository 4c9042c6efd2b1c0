//! C6: what a room where nothing happens costs each viewer in bytes, and the server in work, over a minute of virtual time.

use tickwire_benches::{game::idle, row::Row};
use tickwire_proto::{ClientSession, ServerFrame, SessionConfig, Time, frame::JoinHow};
use tickwire_server::{Kind, Loopback, SessionKey};
use tickwire_sim::GameKind;

const VIEWERS: usize = 100;
const ENTITIES: u32 = 1_000;
/// Attached, joined and told that all is still by then.
const SETTLED_MS: u64 = 3_000;
const MEASURED_MS: u64 = 60_000;

pub fn rows(print: &mut dyn FnMut(Row)) {
    let mut server = Loopback::new(vec![Kind::from(GameKind::new(
        "idle",
        idle(ENTITIES, VIEWERS as u32),
    ))]);
    let mut clients: Vec<Client> = (0..VIEWERS)
        .map(|seed| Client::new(&mut server, seed as u64))
        .collect();
    let mut heard = Heard::default();
    let mut before = None;
    for ms in (0..SETTLED_MS + MEASURED_MS).step_by(5) {
        let now = Time::from_millis(ms);
        if ms == SETTLED_MS {
            heard = Heard::default();
            before = server.rooms().next().map(|room| room.stats());
        }
        clients
            .iter_mut()
            .for_each(|client| client.advance(now, &mut server, &mut heard));
        server.advance(now);
    }
    let after = server
        .rooms()
        .next()
        .map(|room| room.stats())
        .expect("the room lives on");
    let before = before.expect("the room was there");
    let a_viewer_second = (VIEWERS as u64 * MEASURED_MS / 1000) as f64;
    let (updates, other) = (
        heard.update_bytes as f64 / a_viewer_second,
        heard.other_bytes as f64 / a_viewer_second,
    );
    print(
        Row::new("C6", updates, "B/client/s", format!("{VIEWERS} silent viewers, {ENTITIES} entities, 60 s; {other:.1} B/s of heartbeat beside it"))
            .goals(4.0, 0.0),
    );
    print(
        Row::new(
            "C6.updates",
            heard.updates as f64 / a_viewer_second,
            "updates/s",
            "for each viewer",
        )
        .goals(1.0, 0.0),
    );
    let work = [
        after.rows_captured - before.rows_captured,
        after.encodes - before.encodes,
        after.viewer_visits - before.viewer_visits,
    ];
    let note = format!(
        "rows captured, encodes, viewers visited in {} steps: {work:?}",
        after.steps - before.steps
    );
    print(Row::new("C6.work", work.iter().sum::<u64>() as f64, "in all", note).goals(0.0, 0.0));
}

#[derive(Default)]
struct Heard {
    updates: u64,
    update_bytes: u64,
    other_bytes: u64,
}

struct Client {
    session: ClientSession,
    key: SessionKey,
}

impl Client {
    fn new(server: &mut Loopback, seed: u64) -> Self {
        let now = Time(0);
        let key = server.open(now);
        let mut session = ClientSession::new(now, SessionConfig::default(), seed);
        session.link_open(now);
        session.attach(0, "/", br#"{"guest":"Ann"}"#, 0);
        session.join(
            1,
            0,
            &JoinHow::Quick {
                kind: "idle",
                attributes: Vec::new(),
            },
            0,
        );
        Self { session, key }
    }

    fn advance(&mut self, now: Time, server: &mut Loopback, heard: &mut Heard) {
        for frame in server.take(self.key) {
            match ServerFrame::decode(&frame).expect("our own frame") {
                ServerFrame::Update { room, tick, .. } => {
                    self.session.held(room, tick);
                    heard.updates += 1;
                    heard.update_bytes += frame.len() as u64;
                }
                ServerFrame::TickFrame { .. } => heard.update_bytes += frame.len() as u64,
                _ => heard.other_bytes += frame.len() as u64,
            }
            self.session.handle_frame(now, &frame);
        }
        while self.session.poll_event().is_some() {}
        self.session.handle_timeout(now);
        while let Some(frame) = self.session.next(now, usize::MAX) {
            server.send(now, self.key, &frame);
        }
    }
}
