//! `cargo arena`: builds the arena, starts it with computer players, prints its address and opens it at a desk. The game lives in `examples/arena`.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use crate::run::{cargo, run};

/// How to start the arena.
#[derive(clap::Args)]
pub struct Args {
    /// Where to listen; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:7777")]
    listen: String,
    /// Players in a room: computer players fill up to this number and give way to people
    #[arg(long, default_value_t = 8)]
    players: u16,
    /// Serve the generic browser client, which does not predict and needs no compiler for WebAssembly
    #[arg(long)]
    generic: bool,
    /// Do not open a browser
    #[arg(long)]
    no_open: bool,
    /// Anything else for the arena itself (see `cargo run --release -p arena -- --help`)
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Builds, starts, and stays until the arena ends; its exit code is handed on.
pub fn play(root: &Path, args: &Args) -> ExitCode {
    match start(root, args) {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn start(root: &Path, args: &Args) -> Result<u8, String> {
    eprintln!("building the arena (the first time takes some minutes)");
    run(&mut cargo(
        root,
        &["build", "--release", "--package", "arena"],
    ))?;
    // The page's own client has the game inside and predicts; without a compiler for it the generic one does all but that.
    let web = match args.generic {
        true => None,
        false => match crate::web::arena(root) {
            Ok(folder) => Some(folder),
            Err(problem) => {
                eprintln!("{problem}\nThe page plays without prediction.");
                None
            }
        },
    };
    let mut arena = cargo(
        root,
        &["run", "--quiet", "--release", "--package", "arena", "--"],
    );
    arena
        .args([
            "--listen",
            &args.listen,
            "--players",
            &args.players.to_string(),
        ])
        .args(
            web.iter()
                .flat_map(|folder| ["--files".as_ref(), folder.as_os_str()]),
        )
        .args(&args.rest);
    let mut child = arena
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("the arena did not start: {error}"))?;
    // Ctrl-C at a terminal reaches the arena by itself; whoever asks only us to end means it too. Then it says goodbye to its players.
    let arena = child.id().to_string();
    let asked = ctrlc::set_handler(move || {
        let _ = Command::new("kill").args(["-TERM", &arena]).status();
    });
    asked.map_err(|error| format!("no signals: {error}"))?;
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    while let Some(Ok(line)) = lines.next() {
        println!("{line}");
        if let Some(address) = line.strip_prefix("listening on ") {
            println!(
                "\n  Play here: {address}    (open it twice to play against yourself; Ctrl-C ends it)\n"
            );
            let _ = std::io::stdout().flush();
            if !args.no_open {
                open(address);
            }
        }
    }
    let status = child
        .wait()
        .map_err(|error| format!("the arena was lost: {error}"))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1))
}

/// Opens the address where somebody sits at a screen; says nothing where nobody does.
fn open(address: &str) {
    let desk =
        std::env::var_os("DISPLAY").is_some() || std::env::var_os("WAYLAND_DISPLAY").is_some();
    let program = match std::env::consts::OS {
        "macos" => "open",
        "windows" => "explorer",
        _ if desk && crate::run::on_path("xdg-open") => "xdg-open",
        _ => return,
    };
    let _ = Command::new(program)
        .arg(address)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
}
