//! The arena as a server: flags, map, and the page that it hands out. The game itself is the library beside it.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use arena::{FILES, Guests, Map, Options, PAGE, SignIn, arena, chat};
use clap::Parser;
use tickwire::{
    net::{FromClient, parse},
    prelude::*,
};

/// Afterglow: a night arena where light is ammunition. Serves the game and its page on one port.
#[derive(Parser)]
#[command(name = "arena", version)]
struct Args {
    /// Players in a room: computer players fill up to this number and give their seats to people; 0: none [default: 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=64))]
    players: Option<u16>,
    /// Seats of a room [default: 64]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    seats: Option<u16>,
    /// The map to play on, instead of the one that is built in
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// The key that signs who guests are, 32 bytes; made if it is not there. Without it guests are forgotten when the server ends
    #[arg(long, value_name = "FILE")]
    guest_key: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

fn main() -> ExitCode {
    let mut args: Args = match parse() {
        Ok(args) => args,
        Err(code) => return code,
    };
    let map = match args
        .map
        .as_deref()
        .map_or_else(|| Ok(Map::night()), Map::load)
    {
        Ok(map) => Arc::new(map),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    // Flags are over files and environment, so they go in as settings of the kind; the game's own numbers are below all of them.
    for (key, value) in [("players", args.players), ("seats", args.seats)] {
        if let Some(value) = value {
            args.server.set.push(format!("room.arena.{key}={value}"));
        }
    }
    let options = Options {
        map,
        ..Options::default()
    };
    let guests = match args.guest_key.as_deref() {
        Some(file) => Guests::load(file).map_err(|error| format!("{}: {error}", file.display())),
        None => Guests::by_chance().map_err(|error| error.to_string()),
    };
    let guests = match guests {
        Ok(guests) => guests,
        Err(error) => {
            eprintln!("BadGuestKey: {error}");
            return ExitCode::from(2);
        }
    };
    let signs = guests.clone();
    Server::new("arena", arena(options))
        .kind("chat", chat)
        .auth(guests)
        .on_request(move |from: FromClient, asked: SignIn| {
            std::future::ready(signs.sign_in(&from, &asked))
        })
        .page(PAGE)
        .files(FILES)
        .run_with(&args.server)
}
