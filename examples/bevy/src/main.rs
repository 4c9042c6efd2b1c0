//! The meadow as a program: a server of it, or a Bevy app without a window that plays. `cargo run -p meadow -- serve`, then `cargo run -p meadow -- play`.

use std::process::ExitCode;

use bevy_app::App;
use clap::{Parser, Subcommand};
use meadow::{meadow, play::Headless};
use tickwire::bevy::TickwirePlugin;
use tickwire::net::parse;
use tickwire::prelude::*;

/// Bees and flowers: a room that hosts a Bevy plugin, and a Bevy app that is its client.
#[derive(Parser)]
#[command(name = "meadow", version)]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Serve rooms of the game
    Serve(ServerArgs),
    /// Play without a window, and print what is seen
    Play {
        /// The server
        #[arg(long, value_name = "URL", default_value = "ws://127.0.0.1:7777")]
        url: String,
        /// Leave after so many seconds; without it: at an interrupt
        #[arg(long, value_name = "N")]
        seconds: Option<u32>,
        /// Show one's own bee as the server has it, too
        #[arg(long)]
        no_prediction: bool,
    },
}

fn main() -> ExitCode {
    let args: Args = match parse() {
        Ok(args) => args,
        Err(code) => return code,
    };
    match args.what {
        What::Serve(args) => Server::new("meadow", meadow).run_with(&args),
        What::Play {
            url,
            seconds,
            no_prediction,
        } => {
            let plugin = match TickwirePlugin::connect(&url, "meadow", meadow) {
                Ok(plugin) if no_prediction => plugin.without_prediction(),
                Ok(plugin) => plugin,
                Err(error) => {
                    eprintln!("{error}");
                    return ExitCode::from(2);
                }
            };
            let exit = App::new().add_plugins((plugin, Headless { seconds })).run();
            match exit.is_success() {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            }
        }
    }
}
