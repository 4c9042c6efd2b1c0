//! The commands of this repository, dispatched: `cargo arena`, `cargo verify`, `cargo xtask …`. What each one does lives in its own file.

mod arena;
mod chromium;
mod run;
mod setup;
mod types;
mod verify;
mod web;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Everything a person types in this repository.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", version, about)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build and play the arena, with computer players in it (also: `cargo arena`)
    Arena(arena::Args),
    /// Run every check: format, clippy, docs, tests, seeds, browser (also: `cargo verify`)
    Verify(verify::Args),
    /// Build the browser client into crates/tickwire-web/prebuilt
    Web,
    /// Build the arena's own browser client, which predicts, into target/tickwire/arena
    ArenaWeb,
    /// Check the types of the browser client by TypeScript
    Types,
    /// Set up what the checks need on this machine: Chromium, a compiler for wasm32, TypeScript
    Setup,
}

fn main() -> ExitCode {
    let root = root();
    let done = match Cli::parse().task {
        Task::Arena(args) => return arena::play(&root, &args),
        Task::Verify(args) => verify::verify(&root, &args),
        Task::Web => web::command(&root),
        Task::ArenaWeb => web::arena(&root).map(|_| ()),
        Task::Types => types::check(&root),
        Task::Setup => verify::set_up(&root),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's root: the folder above this crate's.
fn root() -> PathBuf {
    // Cargo says where the sources are now: a target folder may have come from another clone.
    let told = std::env::var_os("CARGO_MANIFEST_DIR");
    PathBuf::from(told.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into()))
        .parent()
        .expect("xtask lies in the repository")
        .to_path_buf()
}
