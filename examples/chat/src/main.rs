//! Parlour as a server: flags, and the folder where it keeps what it knows. `cargo run -p chat`, then open the address in two windows.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use chat::{Store, server};
use clap::Parser;
use tickwire::net::parse;
use tickwire::prelude::*;

/// A chat: rooms with history, who is here, private messages, and a bell.
#[derive(Parser)]
#[command(name = "chat", version)]
struct Args {
    /// Folder for what is kept: users, lines, notices
    #[arg(long, value_name = "DIR", default_value = "chat-data")]
    data: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

fn main() -> ExitCode {
    let mut args: Args = match parse() {
        Ok(args) => args,
        Err(code) => return code,
    };
    let opened = Store::open(&args.data).and_then(|store| {
        let secret = store.secret().map_err(|error| error.to_string())?;
        server(Arc::new(store), &secret).map_err(|error| error.to_string())
    });
    let server = match opened {
        Ok(opened) => opened,
        Err(error) => {
            eprintln!("the data cannot be opened: {error}");
            return ExitCode::FAILURE;
        }
    };
    args.server
        .set
        .push(format!("state_dir={}", args.data.display()));
    server.run_with(&args.server)
}
