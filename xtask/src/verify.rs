//! `cargo verify`: sets up and runs every check, one step after the other, and says which failed. The checks themselves live in their crates.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    chromium,
    run::{cargo, run},
    setup, types,
};

/// Which checks to run; all of them unless told otherwise.
#[derive(clap::Args)]
pub struct Args {
    /// Run only these steps
    #[arg(long, value_name = "STEP", value_delimiter = ',', value_parser = NAMES)]
    only: Vec<String>,
    /// Leave these steps out
    #[arg(long, value_name = "STEP", value_delimiter = ',', value_parser = NAMES)]
    skip: Vec<String>,
}

type Step = fn(&Path) -> Result<(), String>;

const NAMES: [&str; 9] = [
    "setup", "format", "clippy", "docs", "types", "client", "test", "wasm", "package",
];
const STEPS: [(&str, Step); 9] = [
    ("setup", set_up),
    ("format", format),
    ("clippy", clippy),
    ("docs", docs),
    ("types", types::check),
    ("client", client),
    ("test", test),
    ("wasm", wasm),
    ("package", package),
];

/// The crates that must compile for wasm32: everything that never waits.
const SANS_IO: [&str; 7] = [
    "tickwire-proto",
    "tickwire-snapshot",
    "tickwire-sim",
    "tickwire-server",
    "tickwire-client",
    "tickwire-predict",
    "tickwire-web",
];

/// The crates that users get; all of them can be packaged at any commit.
const PUBLISHED: [&str; 14] = [
    "tickwire",
    "tickwire-bevy",
    "tickwire-bots",
    "tickwire-cli",
    "tickwire-client",
    "tickwire-derive",
    "tickwire-lab",
    "tickwire-net",
    "tickwire-predict",
    "tickwire-proto",
    "tickwire-server",
    "tickwire-sim",
    "tickwire-snapshot",
    "tickwire-web",
];

/// Runs the steps in order and stops at the first that fails.
pub fn verify(root: &Path, args: &Args) -> Result<(), String> {
    let mut taken: Vec<(&str, Duration)> = Vec::new();
    for (name, step) in STEPS {
        if (!args.only.is_empty() && !args.only.iter().any(|only| only == name))
            || args.skip.iter().any(|skip| skip == name)
        {
            continue;
        }
        eprintln!("\x1b[1;36m== {name}\x1b[0m");
        let begun = Instant::now();
        step(root).map_err(|problem| {
            format!(
                "\x1b[1;31m== {name} failed\x1b[0m: {problem}\n   again: cargo verify --only {name}"
            )
        })?;
        taken.push((name, begun.elapsed()));
    }
    let steps: Vec<String> = taken
        .iter()
        .map(|(name, time)| format!("{name} {:.0} s", time.as_secs_f32()))
        .collect();
    eprintln!(
        "\x1b[1;32m== all checks passed\x1b[0m ({})",
        steps.join(", ")
    );
    Ok(())
}

/// Everything that the checks need and a machine may not have.
pub fn set_up(root: &Path) -> Result<(), String> {
    chromium::install()?;
    types::install(root)?;
    setup::wasm_cargo().map(|_| ())
}

fn format(root: &Path) -> Result<(), String> {
    run(&mut cargo(root, &["fmt", "--all", "--check"]))
}

fn clippy(root: &Path) -> Result<(), String> {
    let clippy = |what: &[&str]| {
        let args = [&["clippy", "--quiet"], what, &["--", "-D", "warnings"]].concat();
        run(&mut cargo(root, &args))
    };
    clippy(&["--workspace", "--all-targets"])?;
    // What no default feature brings in: the facade alone, and with each of its parts.
    clippy(&["-p", "tickwire", "--no-default-features"])?;
    clippy(&["-p", "xtask", "--features", "web"])
}

fn docs(root: &Path) -> Result<(), String> {
    run(cargo(root, &["doc", "--quiet", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings"))
}

/// The arena's own client, which the browser's tests play with.
fn client(root: &Path) -> Result<(), String> {
    crate::web::arena(root).map(|_| ())
}

fn test(root: &Path) -> Result<(), String> {
    run(&mut cargo(root, &["test", "--workspace", "--no-fail-fast"]))
}

fn wasm(root: &Path) -> Result<(), String> {
    let mut check = std::process::Command::new(setup::wasm_cargo()?);
    check.current_dir(root).args([
        "check",
        "--quiet",
        "--target",
        "wasm32-unknown-unknown",
        "--target-dir",
        "target/wasm",
        "--lib",
    ]);
    for name in SANS_IO {
        check.args(["-p", name]);
    }
    run(&mut check)
}

fn package(root: &Path) -> Result<(), String> {
    let mut package = cargo(
        root,
        &["package", "--quiet", "--no-verify", "--allow-dirty"],
    );
    for name in PUBLISHED {
        package.args(["-p", name]);
    }
    run(&mut package)
}
