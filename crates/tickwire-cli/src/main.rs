//! The command `tickwire`, for games outside of this repository: what is typed. What it does is in the library beside it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tickwire_cli::build::{Plan, build};

/// Tools for games on Tickwire.
#[derive(Parser)]
#[command(name = "tickwire", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the game's own browser client: the generic one with the game inside, compiled to WebAssembly, which predicts
    ///
    /// The game's library says `tickwire::web_game!("kind", game);`. A server that is given the folder (`--files FOLDER`, or `Server::dir`) serves
    /// this client in place of the generic one; pages stay as they are.
    Build {
        /// The package of the game; where there is one only, that
        #[arg(long, short, value_name = "NAME")]
        package: Option<String>,
        /// Where the files go [default: target/tickwire/PACKAGE]
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
        /// Quick to build, slow to run and large
        #[arg(long)]
        dev: bool,
    },
}

fn main() -> ExitCode {
    let Command::Build { package, out, dev } = Cli::parse().command;
    match build(&Plan { package, out, dev }) {
        Ok(built) => {
            for (file, sizes) in &built.sizes {
                eprintln!("{file}: {sizes}");
            }
            println!("{}", built.folder.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
