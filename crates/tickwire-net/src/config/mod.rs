//! What a server is told: every setting with its meaning and default. How the layers are read is in `layers`, the flags in `args`.

mod args;
mod keys;
mod layers;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::ConfigError;
use crate::http::Net;
use tickwire_sim::{SEATS_MAX, WATCHERS_MAX};

pub use args::{ServerArgs, parse};
pub(crate) use layers::Layers;

/// The most threads of a kind that a configuration may ask for.
const THREADS_MAX: u64 = 256;
/// The most sessions that a configuration may allow.
const SESSIONS_MAX: u64 = 1_000_000;
/// The most messages, and bytes, a second that a configuration may allow a client.
const SPEECH_MAX: u64 = 1 << 30;
/// The most rooms that a configuration may allow.
const ROOMS_MAX: u64 = tickwire_server::ROOMS_MAX as u64;

/// Who may read a page that is for operators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exposure {
    /// Programs on this machine: a loopback address, and no proxy in between.
    #[default]
    Loopback,
    /// Everybody.
    Everyone,
    /// Nobody on this port.
    Nobody,
}

/// How the log is written, to stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// An object for machines, one a line.
    Json,
}

/// What a configuration says about one kind of room, over what the game itself says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomConfig {
    /// Steps a second.
    pub tick_hz: Option<u32>,
    /// Updates a second.
    pub send_hz: Option<u32>,
    /// People and computer players at most.
    pub seats: Option<u16>,
    /// Computer players that fill empty seats.
    pub players: Option<u16>,
    /// Places for spectators.
    pub watchers: Option<u16>,
    /// Updates a second for spectators.
    pub watch_hz: Option<u32>,
}

/// The bounds of one server; every one has a default that is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sessions at once.
    pub sessions: usize,
    /// Rooms at once.
    pub rooms: usize,
    /// Connections without accepted credentials, from one address that is not loopback.
    pub per_address: usize,
    /// What one client may say a second, commands apart; twice that at once.
    pub messages_per_s: u32,
    /// The bytes of it.
    pub bytes_per_s: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            sessions: 10_000,
            rooms: 10_000,
            per_address: 16,
            messages_per_s: 120,
            bytes_per_s: 32 * 1024,
        }
    }
}

/// All that a server is told from outside, once it is known to make sense.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The address of the game, the pages and the WebSockets.
    pub listen: SocketAddr,
    /// A separate address for `/metrics`, `/healthz` and the schema.
    pub admin: Option<SocketAddr>,
    /// Pages of these origins may connect, beside the server's own (and every localhost one while it listens on loopback).
    pub origins: Vec<String>,
    /// A chain of certificates in PEM: the port of the game speaks TLS then, and no other. Read again when the files change. It needs the feature `tls`.
    pub tls_cert: Option<PathBuf>,
    /// The key of the first of them, in PEM.
    pub tls_key: Option<PathBuf>,
    /// Proxies that are believed when they say whom they forward (`X-Forwarded-For`, or `Forwarded` where there is none): addresses, or
    /// ranges like `10.0.0.0/8`. Without them all clients of a proxy are one address.
    pub trusted_proxies: Vec<Net>,
    /// Files served beside the game's own.
    pub files: Option<PathBuf>,
    /// Where notices are kept; without one they are lost when the server stops.
    pub state: Option<PathBuf>,
    /// Where a codebook is written for each kind of room of the dense profile when the server stops (of the namespaces that it started with): `NAME.book`, for
    /// [`Game::codebook`](tickwire_sim::Game::codebook). Without one none is trained.
    pub train: Option<PathBuf>,
    /// Who may read `/metrics`.
    pub metrics: Exposure,
    /// Who may read `/tickwire/schema.json`.
    pub schema: Exposure,
    /// Threads that do the talking.
    pub shards: usize,
    /// Threads that step the rooms.
    pub workers: usize,
    /// Whether updates carry the moment of their capture, so that clients can tell their age.
    pub stamps: bool,
    /// A room that does not finish a tick in this time is abandoned.
    pub watchdog: Duration,
    /// How long a stopping server waits for its links to take the goodbye.
    pub goodbye: Duration,
    /// How long a session whose link is lost waits for its client to come back; 0: not at all.
    pub resume: Duration,
    /// The bounds.
    pub limits: Limits,
    /// What to log: a level, or a filter like `info,tickwire_net=debug`.
    pub log: String,
    /// How to write it.
    pub log_format: LogFormat,
    /// By the name of the kind.
    pub rooms: BTreeMap<String, RoomConfig>,
}

impl Default for Config {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shards = (cores / 2).max(1);
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 7777)),
            admin: None,
            origins: Vec::new(),
            tls_cert: None,
            tls_key: None,
            trusted_proxies: Vec::new(),
            files: None,
            state: None,
            train: None,
            metrics: Exposure::default(),
            schema: Exposure::default(),
            shards,
            workers: (cores - shards.min(cores)).max(1),
            stamps: true,
            watchdog: Duration::from_secs(1),
            goodbye: Duration::from_secs(2),
            resume: Duration::from_secs(30),
            limits: Limits::default(),
            log: "info".to_owned(),
            log_format: LogFormat::default(),
            rooms: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads what the layers say over the defaults; `kinds` are the rooms that exist.
    pub(crate) fn read(layers: &Layers, kinds: &[&str]) -> Result<Config, ConfigError> {
        layers.refuse_unknown(kinds)?;
        let base = Config::default();
        let limits = Limits {
            sessions: layers
                .whole("limits.sessions", 1..=SESSIONS_MAX)?
                .map_or(base.limits.sessions, |n| n as usize),
            rooms: layers
                .whole("limits.rooms", 1..=ROOMS_MAX)?
                .map_or(base.limits.rooms, |n| n as usize),
            per_address: layers
                .whole("limits.per_address", 1..=SESSIONS_MAX)?
                .map_or(base.limits.per_address, |n| n as usize),
            messages_per_s: layers
                .whole("limits.messages_per_s", 1..=SPEECH_MAX)?
                .map_or(base.limits.messages_per_s, |n| n as u32),
            bytes_per_s: layers
                .whole("limits.bytes_per_s", 1_024..=SPEECH_MAX)?
                .map_or(base.limits.bytes_per_s, |n| n as u32),
        };
        Ok(Config {
            listen: layers.address("listen")?.unwrap_or(base.listen),
            admin: layers.address("admin")?,
            origins: layers.origins("origins")?.unwrap_or_default(),
            tls_cert: layers.text("tls.cert")?.map(PathBuf::from),
            tls_key: layers.text("tls.key")?.map(PathBuf::from),
            trusted_proxies: layers.nets("trusted_proxies")?.unwrap_or_default(),
            files: layers.text("files")?.map(PathBuf::from),
            state: layers.text("state_dir")?.map(PathBuf::from),
            train: layers.text("train_dir")?.map(PathBuf::from),
            metrics: layers.choice("metrics", EXPOSURES)?.unwrap_or_default(),
            schema: layers.choice("schema", EXPOSURES)?.unwrap_or_default(),
            shards: layers
                .whole("threads.io", 1..=THREADS_MAX)?
                .map_or(base.shards, |n| n as usize),
            workers: layers
                .whole("threads.rooms", 1..=THREADS_MAX)?
                .map_or(base.workers, |n| n as usize),
            stamps: layers.flag("stamps")?.unwrap_or(base.stamps),
            watchdog: layers
                .millis("watchdog_ms", 50..=600_000)?
                .unwrap_or(base.watchdog),
            goodbye: layers
                .millis("goodbye_ms", 0..=60_000)?
                .unwrap_or(base.goodbye),
            resume: layers
                .millis("resume_ms", 0..=600_000)?
                .unwrap_or(base.resume),
            limits,
            log: layers.text("log.level")?.unwrap_or(base.log),
            log_format: layers
                .choice("log.format", LOG_FORMATS)?
                .unwrap_or_default(),
            rooms: kinds
                .iter()
                .map(|kind| Ok(((*kind).to_owned(), room(layers, kind)?)))
                .collect::<Result<_, _>>()?,
        })
    }
}

const EXPOSURES: &[(&str, Exposure)] = &[
    ("loopback", Exposure::Loopback),
    ("everyone", Exposure::Everyone),
    ("nobody", Exposure::Nobody),
];
const LOG_FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];

fn room(layers: &Layers, kind: &str) -> Result<RoomConfig, ConfigError> {
    let number = |key: &str, range| layers.whole(&format!("room.{kind}.{key}"), range);
    Ok(RoomConfig {
        tick_hz: number("tick_hz", 1..=1000)?.map(|n| n as u32),
        send_hz: number("send_hz", 1..=1000)?.map(|n| n as u32),
        seats: number("seats", 1..=u64::from(SEATS_MAX))?.map(|n| n as u16),
        players: number("players", 0..=u64::from(SEATS_MAX))?.map(|n| n as u16),
        watchers: number("watchers", 0..=u64::from(WATCHERS_MAX))?.map(|n| n as u16),
        watch_hz: number("watch_hz", 1..=1000)?.map(|n| n as u32),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documentation shows is what there is: every key, and the defaults.
    #[test]
    fn the_documented_settings_are_all_there_are() {
        let text = include_str!("../../settings.md");
        let toml = text
            .split("```toml\n")
            .nth(1)
            .and_then(|rest| rest.split("```").next());
        let mut layers = Layers::default();
        layers
            .add_toml(toml.expect("an example"), "settings.md")
            .expect("good TOML");
        let room = keys::ROOM_KEYS
            .iter()
            .map(|(key, _)| format!("room.arena.{key}"));
        for key in keys::KEYS
            .iter()
            .map(|(key, _)| (*key).to_owned())
            .chain(room)
        {
            assert!(layers.has(&key), "{key} is not in settings.md");
        }
        let shown = Config::read(&layers, &["arena"]).expect("a good configuration");
        let base = Config::default();
        let arena = RoomConfig {
            tick_hz: Some(60),
            send_hz: Some(30),
            seats: Some(16),
            players: Some(8),
            watchers: Some(50),
            watch_hz: Some(5),
        };
        let expected = Config {
            admin: shown.admin,
            origins: vec!["https://play.example.com".to_owned()],
            tls_cert: Some(PathBuf::from("fullchain.pem")),
            tls_key: Some(PathBuf::from("key.pem")),
            trusted_proxies: vec![Net::parse("127.0.0.1/32").unwrap()],
            files: Some(PathBuf::from("www")),
            state: Some(PathBuf::from("state")),
            train: Some(PathBuf::from("books")),
            shards: 1,
            workers: 1,
            rooms: BTreeMap::from([("arena".to_owned(), arena)]),
            ..base
        };
        assert_eq!(shown, expected);
    }
}
