//! The client as a class for JavaScript: thin, with numbers, bytes and JSON at its border.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value as Json, json};
use tickwire_client::{
    AskId, Client, ClientConfig, ClientOutput, Condition, Conditioner, NamespaceKey, Picture,
    Place, QuestionId, RequestId, RoomKey, Within,
};
use tickwire_proto::{Tick, Time};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen::prelude::wasm_bindgen;

use crate::layout;
use crate::links::{Links, Request};
use crate::report;
use crate::requests::Requests;

/// One client, driven by the page's module.
#[cfg_attr(target_arch = "wasm32", wasm_bindgen)]
pub struct Core {
    client: Client,
    links: Links,
    /// Makes the socket worse, to try a game on.
    conditioner: Conditioner,
    requests: Requests,
    /// The request that the page was given last.
    asked: (f64, bool),
    /// Pictures drawn last, by room.
    pictures: Vec<(RoomKey, Picture)>,
    rows: Vec<f64>,
    texts: Vec<String>,
}

/// Milliseconds of the page's clock as time.
fn time(now_ms: f64) -> Time {
    Time((now_ms.max(0.0) * 1000.0) as u64)
}

/// Time as milliseconds of the page's clock; -1: never.
fn millis(at: Option<Time>) -> f64 {
    at.map_or(-1.0, |at| at.0 as f64 / 1000.0)
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen)]
impl Core {
    /// A client that wants to connect at once, to a main namespace; two halves of a random seed; the links that it may use: "auto", "ws" or
    /// "poll".
    #[cfg_attr(target_arch = "wasm32", wasm_bindgen(constructor))]
    pub fn new(
        namespace: &str,
        seed_low: u32,
        seed_high: u32,
        now: f64,
        link: &str,
        seat_key: &[u8],
    ) -> Core {
        let seed = u64::from(seed_high) << 32 | u64::from(seed_low);
        let config = ClientConfig {
            namespace: namespace.to_owned(),
            seat_key: seat_key.try_into().ok(),
            ..ClientConfig::default()
        };
        #[allow(unused_mut, reason = "what is generic has no game to run ahead")]
        let mut client = Client::new(config, seed, time(now));
        #[cfg(all(target_arch = "wasm32", feature = "predict"))]
        crate::games::predict(&mut client);
        Core {
            client,
            links: Links::new(link),
            conditioner: Conditioner::new(seed),
            requests: Requests::default(),
            asked: (0.0, false),
            pictures: Vec::new(),
            rows: Vec::new(),
            texts: Vec::new(),
        }
    }

    /// The socket is open.
    pub fn link_open(&mut self, now: f64) {
        self.conditioner.begin_anew();
        self.links.socket_open(time(now), &mut self.client);
    }

    /// A frame came in by the socket.
    pub fn frame(&mut self, now: f64, bytes: Vec<u8>) {
        let frame = Bytes::from(bytes);
        if self.conditioner.is_on(time(now)) {
            self.conditioner.down.put(time(now), frame);
            return self.let_go(now);
        }
        self.links.socket_frame(time(now), &frame, &mut self.client);
    }

    /// Makes the link over the socket as bad as one wants, both ways: ms of one way and by how much it varies, and the part of the frames that is
    /// lost and comes again. Below 0: as it is.
    pub fn condition(&mut self, delay_ms: f64, jitter_ms: f64, loss: f64) {
        let ms = |ms: f64| Duration::from_micros((ms.clamp(0.0, 60_000.0) * 1e3) as u64);
        self.conditioner.set((delay_ms >= 0.0).then(|| Condition {
            delay: ms(delay_ms),
            jitter: ms(jitter_ms),
            loss: loss.clamp(0.0, 0.9),
        }));
    }

    /// The same by the name of a profile; whether there is one.
    pub fn condition_named(&mut self, name: &str) -> bool {
        let found = Condition::named(name);
        if found.is_some() {
            self.conditioner.set(found);
        }
        found.is_some()
    }

    /// For how long pictures go on along velocities when updates stay away.
    pub fn extrapolate(&mut self, ms: f64) {
        self.client.extrapolate(lasting(ms));
    }

    /// Nothing passes for so long, in either direction.
    pub fn cut(&mut self, now: f64, ms: f64) {
        self.conditioner.cut(time(now + ms.clamp(0.0, 600_000.0)));
    }

    /// The socket is lost; the close code, or 0.
    pub fn link_lost(&mut self, now: f64, code: u16) {
        let code = (code != 0).then_some(code);
        self.links.socket_lost(time(now), code, &mut self.client);
    }

    /// Time has passed.
    pub fn timeout(&mut self, now: f64) {
        self.let_go(now);
        self.links.handle_timeout(time(now), &mut self.client);
        self.client.handle_timeout(time(now));
    }

    /// When `timeout` is due; -1: never.
    pub fn next_timeout(&self) -> f64 {
        let client = self.client.next_timeout();
        let links = self.links.next_timeout();
        let held = self.conditioner.next_due();
        millis(client.into_iter().chain(links).chain(held).min())
    }

    /// The next frame to write to the socket.
    pub fn next(&mut self, now: f64, writable: u32) -> Option<Vec<u8>> {
        let now = time(now);
        if !self.conditioner.is_on(now) {
            let frame = self
                .links
                .socket_next(now, writable as usize, &mut self.client);
            return frame.map(|frame| frame.to_vec());
        }
        while let Some(frame) = self
            .links
            .socket_next(now, writable as usize, &mut self.client)
        {
            self.conditioner.up.put(now, frame);
        }
        self.conditioner.up.take(now).map(|frame| frame.to_vec())
    }

    /// The body of the next request to send; `asked_ticket` and `asked_post` tell the rest of it.
    pub fn ask(&mut self, now: f64) -> Option<Vec<u8>> {
        let request = self.links.ask(time(now), &mut self.client)?;
        let Request { ticket, post, body } = request;
        self.asked = (ticket, post);
        Some(body.to_vec())
    }

    /// By which its answer is known; below 0: none is waited for.
    pub fn asked_ticket(&self) -> f64 {
        self.asked.0
    }

    /// Whether it carries frames to the server; else it waits there for some. An older request of the same way is given up.
    pub fn asked_post(&self) -> bool {
        self.asked.1
    }

    /// An answer came to a request; status 0: there is none.
    pub fn answered(&mut self, now: f64, ticket: f64, status: u16, body: Vec<u8>) {
        let body = Bytes::from(body);
        self.links
            .answered(time(now), ticket, status, &body, &mut self.client);
    }

    /// Which link carries the session, "ws" or "poll".
    pub fn link(&self) -> Option<String> {
        self.links.carrier().map(str::to_owned)
    }

    /// All links are closed, after the last words on the socket; a polling one says its own by `ask`.
    pub fn hang_up(&mut self, now: f64) {
        self.links.hang_up(time(now), &mut self.client);
    }

    /// Whether nobody looks at the page: its timers sleep then.
    pub fn hidden(&mut self, hidden: bool) {
        self.links.hidden(hidden);
    }

    /// The page slept, or the network came back.
    pub fn wake(&mut self, now: f64) {
        self.links.wake(time(now));
    }

    /// The next thing to do or to tell, as JSON.
    pub fn poll(&mut self, now: f64) -> Option<String> {
        loop {
            if let Some(json) = self.links.poll(time(now), &mut self.client) {
                return Some(json.to_string());
            }
            let output = self.client.poll()?;
            if let ClientOutput::Connect { number, .. } = output {
                self.links.connect(time(now), number);
            }
            if let ClientOutput::Event(event) = &output
                && let Some(json) = self.requests.tell(&mut self.client, event)
            {
                return Some(json.to_string());
            }
            if let Some(json) = report::output(&self.client, &output) {
                return Some(json.to_string());
            }
        }
    }

    /// The credentials that were asked for, as JSON.
    pub fn attach(&mut self, namespace: u8, credentials: &str) {
        self.client
            .attach(NamespaceKey(namespace), credentials.as_bytes());
    }

    /// Wants to be in one more namespace; its number, or -1 where it is in as many as it may be.
    pub fn attach_to(&mut self, name: &str) -> i32 {
        let namespace = self.client.attach_to(name, None);
        namespace.map_or(-1, |namespace| i32::from(namespace.0))
    }

    /// Leaves a namespace, but the main one.
    pub fn detach(&mut self, namespace: u8) {
        self.client.detach(NamespaceKey(namespace));
    }

    /// No waiting for the back-off; what was over begins again.
    pub fn reconnect(&mut self, now: f64) {
        self.client.reconnect(time(now));
    }

    /// Ends it all.
    pub fn close(&mut self) {
        self.client.close();
    }

    /// Ends it with the page, which perhaps comes again in a moment.
    pub fn unload(&mut self) {
        self.client.unload();
    }

    /// Wants a room of a kind; attributes as a JSON object of texts. `again`: the id of the room one was in, or "".
    pub fn quick(&mut self, namespace: u8, kind: &str, attributes: &str, again: &str) -> u32 {
        let pairs = pairs(attributes);
        let (borrowed, mut within) = (borrow(&pairs), self.within(namespace));
        match again {
            "" => within.quick(kind, &borrowed).0,
            id => within.quick_again(id, kind, &borrowed).0,
        }
    }

    /// Wants a new room; `private`: one that is on no list.
    pub fn create(&mut self, namespace: u8, kind: &str, attributes: &str, private: bool) -> u32 {
        let pairs = pairs(attributes);
        let (borrowed, mut within) = (borrow(&pairs), self.within(namespace));
        match private {
            true => within.create_private(kind, &borrowed).0,
            false => within.create(kind, &borrowed).0,
        }
    }

    /// Wants to look on in the room with that id.
    pub fn watch(&mut self, namespace: u8, id: &str) -> u32 {
        self.within(namespace).watch(id).0
    }

    /// Wants the seat that is kept for this token.
    pub fn join_reserved(&mut self, namespace: u8, token: &str) -> u32 {
        self.within(namespace).join_reserved(token).0
    }

    /// Says that one is ready, or is not any more; whether the room is joined.
    pub fn ready(&mut self, room: u32, ready: bool) -> bool {
        self.client.ready(RoomKey(room), ready).is_ok()
    }

    /// Asks as the host of a room, by JSON `{"kick":member}` and the like: the number of the question; -1: that is not joined, or no question.
    pub fn host(&mut self, room: u32, ask: &str) -> f64 {
        report::host_ask(&mut self.client, RoomKey(room), ask)
            .map_or(-1.0, |request| f64::from(request.0))
    }

    /// Watches the list of rooms of a kind with these attributes.
    pub fn watch_lobby(&mut self, namespace: u8, kind: &str, attributes: &str) -> u32 {
        let pairs = pairs(attributes);
        self.within(namespace).watch_lobby(kind, &borrow(&pairs)).0
    }

    /// Watches it no more.
    pub fn unwatch_lobby(&mut self, request: u32) {
        self.client.unwatch_lobby(RequestId(request));
    }

    /// Wants the room with that id.
    pub fn join(&mut self, namespace: u8, id: &str) -> u32 {
        self.within(namespace).join(id).0
    }

    /// Does not want the room any more.
    pub fn leave(&mut self, room: u32) {
        self.client.leave(RoomKey(room));
        self.pictures.retain(|(key, _)| key.0 != room);
    }

    /// Asks for the list of rooms.
    pub fn lobby(&mut self, namespace: u8, kind: &str) -> u32 {
        self.within(namespace).lobby(kind).0
    }

    /// Members of a room, as JSON.
    pub fn members(&self, room: u32) -> String {
        self.client
            .view(RoomKey(room))
            .map_or(Json::Null, report::members)
            .to_string()
    }

    /// Moves the room's picture to `now`; its time in ticks, or -1 while there is nothing to show.
    pub fn draw(&mut self, room: u32, now: f64) -> f64 {
        let key = RoomKey(room);
        let Some(picture) = self.client.draw(key, time(now)) else {
            return -1.0;
        };
        let tick = picture.tick();
        match self.pictures.iter_mut().find(|(other, _)| *other == key) {
            Some((_, held)) => *held = picture,
            None => self.pictures.push((key, picture)),
        }
        tick.max(0.0)
    }

    /// The next tick event whose moment has come in the picture, as JSON `{"name":…,"data":{…}}`.
    pub fn event_due(&mut self, room: u32) -> Option<String> {
        let event = self.client.event_due(RoomKey(room))?;
        let record = event.schema()?;
        let mut data = serde_json::Map::new();
        for (index, field) in record.fields.iter().enumerate() {
            let value = event.value(index)?;
            let id_of = |id| event.id_of(id);
            data.insert(
                field.name.clone(),
                layout::to_json(&value, &field.quant, id_of),
            );
        }
        Some(json!({"name": record.name, "tick": event.tick().0, "data": data}).to_string())
    }

    /// The next thing that was predicted otherwise than the server had it, as JSON
    /// `{"id":…,"mine":…,"tick":…,"component":…,"from":{…},"to":{…}}`.
    pub fn correction_due(&mut self, room: u32) -> Option<String> {
        let key = RoomKey(room);
        let correction = self.client.correction_due(key)?;
        let schema = self.client.view(key)?.schema();
        Some(report::correction(&correction, schema)?.to_string())
    }

    /// Writes the rows of a component in the picture to the buffer: id, mine, fields; how many rows.
    pub fn rows(&mut self, room: u32, component: &str) -> u32 {
        self.rows.clear();
        self.texts.clear();
        let picture = self.pictures.iter().find(|(key, _)| key.0 == room);
        picture.map_or(0, |(_, picture)| {
            layout::table(picture, component, &mut self.rows, &mut self.texts)
        })
    }

    /// The same of the newest update, beside the picture.
    pub fn newest_rows(&mut self, room: u32, component: &str) -> u32 {
        self.rows.clear();
        self.texts.clear();
        let view = self.client.view(RoomKey(room));
        let picture = view.and_then(|view| view.newest_picture());
        picture.map_or(0, |picture| {
            layout::table(&picture, component, &mut self.rows, &mut self.texts)
        })
    }

    /// Writes a resource to the buffer: its fields; whether the room has it.
    pub fn resource(&mut self, room: u32, name: &str) -> bool {
        self.rows.clear();
        self.texts.clear();
        let Some((_, picture)) = self.pictures.iter().find(|(key, _)| key.0 == room) else {
            return false;
        };
        let Some(row) = picture.resource(name) else {
            return false;
        };
        let Some(record) = row.schema() else {
            return false;
        };
        layout::flatten(&row, record, &mut self.rows, &mut self.texts);
        true
    }

    /// Seconds of the game from a tick to the moment at which the picture shows an entity; 0 before there is a picture.
    pub fn since(&self, room: u32, id: f64, tick: f64) -> f64 {
        let mut pictures = self.pictures.iter();
        let drawn = pictures.find(|(key, _)| key.0 == room);
        drawn.map_or(0.0, |(_, picture)| picture.seconds_since(id as u64, tick))
    }

    /// Where the buffer of doubles is in the module's memory.
    pub fn buffer(&self) -> *const f64 {
        self.rows.as_ptr()
    }

    /// How many doubles are in it.
    pub fn buffered(&self) -> u32 {
        self.rows.len() as u32
    }

    /// A text that the doubles point to.
    pub fn text(&self, index: u32) -> String {
        self.texts.get(index as usize).cloned().unwrap_or_default()
    }

    /// The next tick that wants a command; -1: none now.
    pub fn command_tick(&mut self, room: u32, now: f64) -> f64 {
        self.client
            .command_tick(RoomKey(room), time(now))
            .map_or(-1.0, |tick| f64::from(tick.0))
    }

    /// When a tick will want a command; -1: not known.
    pub fn next_command(&self, room: u32) -> f64 {
        millis(self.client.next_command(RoomKey(room)))
    }

    /// Asks for something in one tick: doubles in the order of the layout, and texts. What was wrong, if anything.
    pub fn command(
        &mut self,
        room: u32,
        tick: u32,
        numbers: &[f64],
        texts: Vec<String>,
    ) -> Option<String> {
        let view = self.client.view(RoomKey(room))?;
        let record = view.schema().command.as_ref()?;
        match layout::command_row(record, numbers, &texts, &|id| view.place_of(id)) {
            // a command that cannot go now is late, which the server's rule for missing ones covers
            Ok(row) => self
                .client
                .command(RoomKey(room), Tick(tick), &row)
                .err()
                .and(None),
            Err(text) => Some(text),
        }
    }

    /// Sends a message, by its name, from JSON; to a room, or outside of rooms to a namespace (-1: the main one, and so on). Volatile: it may
    /// be left out. What was wrong, if anything, as JSON `{"code":…,"message":…}`.
    pub fn send(
        &mut self,
        to: i32,
        name: &str,
        message: &str,
        channel: u8,
        volatile: bool,
    ) -> Option<String> {
        report::send(
            &mut self.client,
            place(to),
            name,
            message,
            channel,
            volatile,
        )
        .err()
        .map(|json| json.to_string())
    }

    /// Asks the same way, by the request's name, from JSON; options `{"timeoutMs":…,"channel":…}`. The request's number, or what was wrong,
    /// as JSON `{"code":…,"message":…}`.
    pub fn request(
        &mut self,
        now: f64,
        to: i32,
        name: &str,
        message: &str,
        options: &str,
    ) -> String {
        let to = place(to);
        let (requests, client) = (&mut self.requests, &mut self.client);
        match requests.ask(client, time(now), to, name, message, options) {
            Ok(ask) => ask.0.to_string(),
            Err(wrong) => wrong.to_string(),
        }
    }

    /// Gives a request up.
    pub fn cancel(&mut self, ask: u32) {
        self.requests.cancel(&mut self.client, AskId(ask));
    }

    /// Answers a question with JSON: `{"data":…}`, or `{"code":…,"message":…,"data":…}`. What is wrong with that, if anything.
    pub fn answer(&mut self, question: u32, answer: &str) -> Option<String> {
        let question = QuestionId(question);
        self.requests
            .answer(&mut self.client, question, answer)
            .err()
    }

    /// Says something of oneself in a room, for some milliseconds or for good (0). False: it passes, and there is no way now.
    pub fn status(&mut self, room: u32, text: &str, expires_ms: f64) -> bool {
        let room = Some(RoomKey(room));
        self.client.status(room, text, lasting(expires_ms)).is_ok()
    }

    /// The same to those who follow one in a namespace.
    pub fn status_outside(&mut self, namespace: u8, text: &str, expires_ms: f64) -> bool {
        let lasts = lasting(expires_ms);
        self.within(namespace).status(text, lasts).is_ok()
    }

    /// Tells the others in a room that one is typing, or is not any more. False: there is no way now.
    pub fn typing(&mut self, room: u32, typing: bool) -> bool {
        self.client.typing(RoomKey(room), typing).is_ok()
    }

    /// Watches somebody of a namespace, or not any more.
    pub fn follow(&mut self, namespace: u8, identity: &str, follow: bool) {
        let mut within = self.within(namespace);
        if follow {
            within.follow(identity);
        } else {
            within.unfollow(identity);
        }
    }

    /// What is known of somebody whom one follows, as JSON.
    pub fn person(&self, namespace: u8, identity: &str) -> Option<String> {
        let namespace = NamespaceKey(namespace);
        let seen = self.client.person(namespace, identity)?;
        let (presence, gone) = (seen.presence, seen.gone);
        Some(report::person(namespace, &seen.identity, presence, gone, &seen.status).to_string())
    }

    /// A kept notice is done with.
    pub fn notice_done(&mut self, namespace: u8, cursor: f64) {
        self.within(namespace).notice_done(cursor as u64);
    }

    /// A kept notice could not be taken.
    pub fn notice_failed(&mut self, namespace: u8, cursor: f64) {
        self.within(namespace).notice_failed(cursor as u64);
    }

    /// The room's figures as JSON, and whether the link is there.
    pub fn figures(&mut self, room: u32, now: f64) -> Option<String> {
        self.client
            .figures(RoomKey(room), time(now))
            .map(|figures| report::figures(&figures).to_string())
    }
}

impl Core {
    /// What the conditioner held long enough.
    fn let_go(&mut self, now: f64) {
        while let Some(frame) = self.conditioner.down.take(time(now)) {
            self.links.socket_frame(time(now), &frame, &mut self.client);
        }
    }

    fn within(&mut self, namespace: u8) -> Within<'_> {
        self.client.within(NamespaceKey(namespace))
    }
}

#[cfg(test)]
impl Core {
    /// The buffer, as a page reads it from memory.
    pub fn rows_read(&self) -> &[f64] {
        &self.rows
    }
}

/// A room by its key; below 0 a namespace.
fn place(to: i32) -> Place {
    match u32::try_from(to) {
        Ok(room) => Place::Room(RoomKey(room)),
        Err(_) => Place::Outside(NamespaceKey(u8::try_from(-1 - to).unwrap_or(u8::MAX))),
    }
}

fn pairs(attributes: &str) -> Vec<(String, String)> {
    let Ok(Json::Object(map)) = serde_json::from_str(attributes) else {
        return Vec::new();
    };
    map.into_iter()
        .map(|(key, value)| match value {
            Json::String(text) => (key, text),
            other => (key, other.to_string()),
        })
        .collect()
}

fn borrow(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect()
}

fn lasting(ms: f64) -> Duration {
    Duration::from_millis(ms.max(0.0) as u64)
}
