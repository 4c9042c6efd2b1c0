//! The flags that every Tickwire server understands, and how a wrong one is told: in one line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};

use super::Layers;
use crate::error::ConfigError;

/// Wrong usage, as everywhere.
const USAGE: u8 = 2;

/// The flags of a server. A game with flags of its own flattens them into its parser:
///
/// ```
/// #[derive(clap::Parser)]
/// struct Args {
///     #[command(flatten)]
///     server: tickwire_net::ServerArgs,
///     /// Computer players that fill empty seats
///     #[arg(long, default_value_t = 8)]
///     players: u16,
/// }
/// let args = <Args as clap::Parser>::parse_from(["arena", "--listen", "127.0.0.1:0", "--players", "3"]);
/// assert_eq!((args.server.listen.as_deref(), args.players), (Some("127.0.0.1:0"), 3));
/// ```
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// Where to listen: pages, WebSockets and operators' pages on one port. Port 0 takes any free one
    /// [env: TICKWIRE_LISTEN] [default: 127.0.0.1:7777]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,

    /// A separate address for /metrics, which then is nowhere else, and for the schema [env: TICKWIRE_ADMIN]
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<String>,

    /// An origin whose pages may connect, beside this server's own; repeat for more, `*` allows all [env: TICKWIRE_ORIGINS]
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub origins: Vec<String>,

    /// A folder of files to serve beside the game's own page [env: TICKWIRE_FILES]
    #[arg(long, value_name = "FOLDER")]
    pub files: Option<PathBuf>,

    /// The configuration to read [default: tickwire.toml, where there is one] [env: TICKWIRE_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// What to log to stderr: error, warn, info, debug, trace, or a filter such as info,tickwire_net=debug
    /// [env: TICKWIRE_LOG] [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,

    /// How to write the log: text or json [env: TICKWIRE_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,

    /// Any setting of tickwire.toml, for example --set room.arena.seats=16; repeat for more. There are: listen, admin,
    /// origins, files, metrics, schema, stamps, watchdog_ms, goodbye_ms, resume_ms, threads.{io,rooms},
    /// limits.{sessions,rooms,per_address,messages_per_s,bytes_per_s}, log.{level,format}, room.NAME.{tick_hz,send_hz,seats,players,watchers,watch_hz}
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl ServerArgs {
    /// All layers: `base` is what the program itself sets.
    pub(crate) fn layers(&self, mut base: Layers, kinds: &[&str]) -> Result<Layers, ConfigError> {
        let from_env = std::env::var_os("TICKWIRE_CONFIG").map(PathBuf::from);
        match self.config.as_ref().or(from_env.as_ref()) {
            Some(path) => base.add_file(path, true)?,
            None => base.add_file(Path::new("tickwire.toml"), false)?,
        }
        base.add_env(
            std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
            kinds,
        );
        self.add_flags(&mut base)?;
        Ok(base)
    }

    fn add_flags(&self, layers: &mut Layers) -> Result<(), ConfigError> {
        for assignment in &self.set {
            let Some((key, value)) = assignment.split_once('=') else {
                return Err(ConfigError::Assignment(assignment.clone()));
            };
            layers.set_text(key.trim(), value.trim(), "--set");
        }
        let texts = [
            ("listen", &self.listen, "--listen"),
            ("admin", &self.admin, "--admin"),
            ("log.level", &self.log, "--log"),
            ("log.format", &self.log_format, "--log-format"),
        ];
        for (key, value, flag) in texts {
            if let Some(value) = value {
                layers.set(key, value.clone(), flag);
            }
        }
        if let Some(folder) = &self.files {
            layers.set("files", folder.display().to_string(), "--files");
        }
        if !self.origins.is_empty() {
            layers.set("origins", self.origins.clone(), "--origin");
        }
        Ok(())
    }
}

/// Reads the program's flags. `--help` and `--version` print and give exit code 0; what is wrong is told in one line on stderr, with
/// exit code 2.
///
/// # Errors
/// With the exit code to return from `main`.
pub fn parse<A: clap::Parser>() -> Result<A, ExitCode> {
    A::try_parse().map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{}", one_line(&error));
            ExitCode::from(USAGE)
        }
    })
}

/// `Usage: unexpected argument '--lisen' found. Did you mean '--listen'? See --help.`
fn one_line(error: &clap::Error) -> String {
    let rendered = error.render().to_string();
    let mut lines = rendered
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let first = lines
        .next()
        .unwrap_or("wrong usage")
        .trim_start_matches("error:")
        .trim();
    let meant = [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedValue,
        ContextKind::SuggestedSubcommand,
    ]
    .into_iter()
    .find_map(|kind| error.get(kind))
    .map(|value| format!(" Did you mean {value}?"));
    let more: String = match meant {
        Some(text) => text,
        None => lines
            .filter(|line| !line.is_empty() && !line.starts_with("tip:"))
            .map(|line| format!(" {line}"))
            .collect(),
    };
    let stop = if first.ends_with(['.', ':']) { "" } else { "." };
    format!("Usage: {first}{stop}{more} See --help.")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::{Config, LogFormat};

    #[derive(Parser, Debug)]
    struct Cli {
        #[command(flatten)]
        server: ServerArgs,
    }

    fn layers(toml: &str, env: &[(&str, &str)], flags: &[&str]) -> Layers {
        let mut layers = Layers::default();
        layers.set("listen", "127.0.0.1:1", "the program");
        layers.add_toml(toml, "tickwire.toml").expect("good TOML");
        layers.add_env(
            env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
            &["arena"],
        );
        let cli = Cli::try_parse_from(std::iter::once("game").chain(flags.iter().copied()))
            .expect("good flags");
        cli.server.add_flags(&mut layers).expect("good assignments");
        layers
    }

    fn read(toml: &str, env: &[(&str, &str)], flags: &[&str]) -> Result<Config, String> {
        Config::read(&layers(toml, env, flags), &["arena"]).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_over_environment_over_file_over_program() {
        let port = |toml, env, flags| read(toml, env, flags).unwrap().listen.port();
        let toml = "listen = '127.0.0.1:2'";
        let env: &[_] = &[("TICKWIRE_LISTEN", "127.0.0.1:3")];
        let flags: &[_] = &["--listen", "127.0.0.1:4"];
        assert_eq!(port("", &[], &[]), 1);
        assert_eq!(port(toml, &[], &[]), 2);
        assert_eq!(port(toml, env, &[]), 3);
        assert_eq!(port(toml, env, flags), 4);
        assert_eq!(port("", env, &[]), 3);
    }

    #[test]
    fn every_way_to_write_a_setting() {
        let toml = "room.arena = { tick_hz = 60, seats = 8 }\nlog = { format = 'json', level = 'debug' }\norigins = ['https://a.example']";
        let env: &[_] = &[
            ("TICKWIRE_ROOM_ARENA_SEATS", "16"),
            ("TICKWIRE_LOG", "warn"),
            ("TICKWIRE_OTHER", "7"),
            ("HOME", "/"),
            ("TICKWIRE_STAMPS", "false"),
        ];
        let config = read(
            toml,
            env,
            &["--set", "room.arena.players=3", "--set", "metrics=everyone"],
        )
        .unwrap();
        let room = &config.rooms["arena"];
        assert_eq!(
            (room.tick_hz, room.send_hz, room.seats, room.players),
            (Some(60), None, Some(16), Some(3))
        );
        assert_eq!(
            (config.log_format, config.log.as_str()),
            (LogFormat::Json, "warn")
        );
        assert_eq!(config.origins, ["https://a.example"]);
        assert_eq!(config.metrics, crate::config::Exposure::Everyone);
        assert!(!config.stamps);
        assert_eq!(
            read("", &[("TICKWIRE_ORIGINS", "http://a:1, http://b")], &[])
                .unwrap()
                .origins,
            ["http://a:1", "http://b"]
        );
        assert_eq!(read("listen = 0", &[], &[]).unwrap().listen.port(), 0);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let cases: &[(&str, &[(&str, &str)], &[&str], &str)] = &[
            (
                "lisen = '127.0.0.1:2'",
                &[],
                &[],
                "BadConfig: tickwire.toml: there is no setting `lisen`. Did you mean `listen`?",
            ),
            (
                "",
                &[("TICKWIRE_LIMITS_ROOMS", "many")],
                &[],
                "BadConfig: TICKWIRE_LIMITS_ROOMS: limits.rooms is \"many\", but must be a whole number from 1 to 65536. For example: limits.rooms = 90",
            ),
            (
                "",
                &[],
                &["--listen", "nowhere"],
                "BadConfig: --listen: listen is \"nowhere\", but must be an address and a port. For example: listen = \"0.0.0.0:7777\"",
            ),
            (
                "origins = ['https://a/path']",
                &[],
                &[],
                "BadConfig: tickwire.toml: origins is [\"https://a/path\"], but must be a list of origins (scheme, host, port; no path). For example: origins = [\"https://play.example.com\"]",
            ),
            (
                "trusted_proxies = ['10.0.0.0/40']",
                &[],
                &[],
                "BadConfig: tickwire.toml: trusted_proxies is [\"10.0.0.0/40\"], but must be a list of addresses or ranges of them (without ports). For example: trusted_proxies = [\"127.0.0.1/32\"]",
            ),
            (
                "room.other.seats = 1",
                &[],
                &[],
                "BadConfig: tickwire.toml: there is no setting `room.other.seats`. Did you mean `room.arena.seats`?",
            ),
        ];
        for (toml, env, flags, text) in cases {
            assert_eq!(read(toml, env, flags).unwrap_err(), *text);
        }
        let broken = Layers::default()
            .clone()
            .add_toml("a = 1\nb = = 2", "x")
            .unwrap_err();
        assert!(broken.starts_with("line 2: "), "{broken}");
    }

    #[test]
    fn a_wrong_flag_is_one_line() {
        let error = |flags: &[&str]| {
            one_line(&Cli::try_parse_from(std::iter::once(&"game").chain(flags)).unwrap_err())
        };
        assert_eq!(
            error(&["--lisen", "x"]),
            "Usage: unexpected argument '--lisen' found. Did you mean --listen? See --help."
        );
        for flags in [
            &["--listen"][..],
            &["stray"],
            &["--config"],
            &["--log", "a", "--log", "b"],
        ] {
            let text = error(flags);
            assert!(
                text.lines().count() == 1 && text.ends_with("See --help."),
                "{text}"
            );
        }
    }
}
