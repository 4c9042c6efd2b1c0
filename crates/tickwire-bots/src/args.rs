//! What a person may ask of the bots on the command line; nothing that runs.

use tickwire_client::Condition;

use clap::{
    Parser,
    builder::styling::{AnsiColor, Styles},
};

/// Clients that one process may start.
pub const CLIENTS_MAX: u32 = 20_000;
/// Seconds that a run may last: a day.
const SECONDS_MAX: u64 = 86_400;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::BrightCyan.on_default().bold())
    .placeholder(AnsiColor::BrightBlue.on_default())
    .valid(AnsiColor::Green.on_default())
    .invalid(AnsiColor::Red.on_default())
    .error(AnsiColor::Red.on_default().bold());

/// The examples under the help, in the colours of the rest of it; clap strips them where the output is no terminal.
const EXAMPLES: &str = "\x1b[1m\x1b[33mExamples:\x1b[0m
  \x1b[1m\x1b[96mtickwire-bots --url ws://127.0.0.1:7777 --clients 64 --seconds 30\x1b[0m
  \x1b[1m\x1b[96mtickwire-bots --clients 320 --rooms 20 --room arena --ramp 5 --json\x1b[0m
  \x1b[1m\x1b[96mtickwire-bots --clients 1000 --silent --threads 2\x1b[0m

\x1b[1m\x1b[33mExit code:\x1b[0m 0 all clients played to the end, 1 a client failed, 2 wrong usage.";

/// A swarm of real clients over real sockets that decode all they receive and play any game by its schema.
#[derive(Parser, Clone, Debug, PartialEq)]
#[command(name = "tickwire-bots", version, styles = STYLES, after_help = EXAMPLES)]
pub struct Args {
    /// The server.
    #[arg(long, short, default_value = "ws://127.0.0.1:7777", env = "TICKWIRE_BOTS_URL", value_parser = url)]
    pub url: String,
    /// How many clients.
    #[arg(long, short, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=i64::from(CLIENTS_MAX)))]
    pub clients: u32,
    /// How long all of them play, once all are in.
    #[arg(long, short, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    pub seconds: u64,
    /// The kind of room; without it the server's first kind.
    #[arg(
        long,
        value_name = "KIND",
        default_value = "",
        hide_default_value = true
    )]
    pub room: String,
    /// Spread the clients over so many rooms; without it quick match fills one after the other.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(CLIENTS_MAX)))]
    pub rooms: Option<u32>,
    /// Start the clients evenly over so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    pub ramp: f64,
    /// Commands of each client a second, `tick` for one a tick, or `none`.
    #[arg(long, value_name = "N", default_value = "tick", value_parser = pace)]
    pub commands_per_second: Pace,
    /// Clients that only watch: the same as `--commands-per-second none`.
    #[arg(long, conflicts_with = "commands_per_second")]
    pub silent: bool,
    /// Make each client's link worse than it is, both ways: fiber, broadband, congested, 5G, 4G, 3.5G, or values such as "delay=75ms jitter=10ms loss=2%".
    #[arg(long, value_name = "LINK")]
    pub condition: Option<Condition>,
    /// What the clients play is a function of this.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Threads that the clients share.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: u16,
    /// One JSON object on stdout instead of the table.
    #[arg(long)]
    pub json: bool,
    /// No progress bar.
    #[arg(long, short)]
    pub quiet: bool,
}

impl Args {
    /// How often each client sends a command.
    pub fn pace(&self) -> Pace {
        if self.silent {
            Pace::Never
        } else {
            self.commands_per_second
        }
    }
}

/// How often a client sends a command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// One for each tick of the room.
    EveryTick,
    /// So many a second, at most one a tick.
    PerSecond(f64),
    /// None.
    Never,
}

fn pace(text: &str) -> Result<Pace, String> {
    match text {
        "tick" => Ok(Pace::EveryTick),
        "none" => Ok(Pace::Never),
        number => match number.parse::<f64>() {
            Ok(0.0) => Ok(Pace::Never),
            Ok(rate) if rate > 0.0 && rate <= 1_000.0 => Ok(Pace::PerSecond(rate)),
            _ => Err("say a number up to 1000, `tick` or `none`".into()),
        },
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text
        .parse::<f64>()
        .ok()
        .filter(|seconds| (0.0..=3_600.0).contains(seconds));
    seconds.ok_or_else(|| "say seconds, from 0 to 3600".into())
}

/// A server's address; http and https are read as the sockets that go with them.
fn url(text: &str) -> Result<String, String> {
    let text = match text.split_once("://") {
        Some(("http", rest)) => format!("ws://{rest}"),
        Some(("https", rest)) => format!("wss://{rest}"),
        Some(("ws" | "wss", _)) => text.to_owned(),
        Some((scheme, _)) => {
            return Err(format!(
                "`{scheme}://` is no address of a server: say ws://HOST:PORT"
            ));
        }
        None => format!("ws://{text}"),
    };
    let host = text
        .split_once("://")
        .map_or("", |(_, rest)| rest.split('/').next().unwrap_or(""));
    let port_is_right = host
        .rsplit_once(':')
        .is_none_or(|(_, port)| port.ends_with(']') || port.parse::<u16>().is_ok());
    if host.is_empty()
        || host.starts_with(':')
        || host.contains(char::is_whitespace)
        || !port_is_right
    {
        return Err(
            "no host and port in it: say ws://HOST:PORT, for example ws://127.0.0.1:7777".into(),
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(std::iter::once("tickwire-bots").chain(line.split_whitespace()))
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_line_of_the_readme_works() {
        let args = parse("--url ws://127.0.0.1:7777 --clients 64 --seconds 30").unwrap();
        assert_eq!(
            (args.clients, args.seconds, args.url.as_str()),
            (64, 30, "ws://127.0.0.1:7777")
        );
        assert_eq!(args.pace(), Pace::EveryTick);
        assert_eq!(parse("--silent").unwrap().pace(), Pace::Never);
        assert_eq!(
            parse("--commands-per-second 2.5").unwrap().pace(),
            Pace::PerSecond(2.5)
        );
        assert_eq!(
            parse("--commands-per-second none").unwrap().pace(),
            Pace::Never
        );
    }

    #[test]
    fn addresses_are_read_kindly_and_nonsense_is_refused() {
        for (text, read) in [
            ("http://h:1", "ws://h:1"),
            ("https://h", "wss://h"),
            ("h:7777", "ws://h:7777"),
            ("ws://[::1]:7", "ws://[::1]:7"),
        ] {
            assert_eq!(url(text).as_deref(), Ok(read));
        }
        for text in [
            "ftp://h",
            "ws://",
            "ws://:80",
            "ws://h:port",
            "ws://h:70000",
            "",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_condition_is_a_profile_or_values_and_the_help_names_all_profiles() {
        assert_eq!(
            parse("--condition 4g").unwrap().condition,
            Condition::named("4G")
        );
        let args = ["tickwire-bots", "--condition", "delay=75ms loss=2%"];
        let free = Args::try_parse_from(args).unwrap().condition;
        assert_eq!(free.unwrap().loss, 0.02);
        let error = parse("--condition 6G").unwrap_err().to_string();
        let help = Args::command().render_long_help().to_string();
        for name in Condition::names() {
            assert!(error.contains(name), "{error}");
            assert!(help.contains(name), "{help}");
        }
        assert_eq!(parse("").unwrap().condition, None);
    }

    #[test]
    fn wrong_usage_is_exit_code_two() {
        for line in [
            "--clients 0",
            "--clients many",
            "--url ftp://x",
            "--silent --commands-per-second 3",
            "--rooms 0",
            "--ramp -1",
            "--condition 6G",
            "--condition delay=3",
            "--frobnicate",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
