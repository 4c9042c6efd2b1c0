//! Makes sure that there is a compiler for wasm32. What is built with it is not known here.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{on_path, run};

const TARGET: &str = "wasm32-unknown-unknown";
/// Where a machine may have a compiler for all its users.
const SHARED: &str = "/opt/rust-wasm";
/// Seconds that rustup may take to fetch the target.
const RUSTUP_S_MAX: &str = "180";

/// The program to call as `cargo` for wasm32. Sets up what is missing: the target by rustup, else Debian's compiler by
/// `wasm-toolchain.sh`. Environment: `WASM_MODE` (auto, rustup, debian), `TICKWIRE_WASM_PREFIX` (where that compiler is).
pub fn wasm_cargo() -> Result<PathBuf, String> {
    let mode = std::env::var("WASM_MODE").unwrap_or_else(|_| "auto".to_owned());
    if mode != "debian" && has_target() {
        return Ok(this_cargo());
    }
    let prefix = prefix()?;
    let cargo = prefix.join("bin/wasm-cargo");
    if mode != "rustup" && cargo.is_file() {
        return Ok(cargo);
    }
    if mode != "debian" && on_path("rustup") && add_target() {
        return Ok(this_cargo());
    }
    if mode == "rustup" {
        return Err(format!(
            "rustup could not add the target. Try: rustup target add {TARGET}"
        ));
    }
    eprintln!(
        "setting up a compiler for {TARGET} in {} (some minutes, once)",
        prefix.display()
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("wasm-toolchain.sh");
    let mut command = Command::new("bash");
    command
        .arg(script)
        .env("PREFIX", &prefix)
        .env("WASM_MODE", "debian");
    run(&mut command).map_err(|problem| {
        format!("{problem}\nThere is no compiler for {TARGET}. Try: rustup target add {TARGET}")
    })?;
    Ok(cargo)
}

/// Where the script's compiler is, or goes: as told, the machine's, or this user's.
fn prefix() -> Result<PathBuf, String> {
    if let Some(told) = std::env::var_os("TICKWIRE_WASM_PREFIX") {
        return Ok(told.into());
    }
    if Path::new(SHARED).join("bin/wasm-cargo").is_file() {
        return Ok(SHARED.into());
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = cache
        .or_else(home)
        .ok_or("neither HOME nor TICKWIRE_WASM_PREFIX is set")?;
    Ok(cache.join("tickwire/rust-wasm"))
}

fn this_cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}

/// Whether the compiler in use has the standard library for the target.
fn has_target() -> bool {
    let Ok(out) = Command::new("rustc").args(["--print", "sysroot"]).output() else {
        return false;
    };
    let sysroot = PathBuf::from(String::from_utf8_lossy(&out.stdout).trim());
    let folder = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    std::fs::read_dir(folder).is_ok_and(|mut files| {
        files.any(|file| {
            file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
        })
    })
}

/// A server that cannot be reached must not hold everything up.
fn add_target() -> bool {
    let words = ["rustup", "target", "add", TARGET];
    let done = if on_path("timeout") {
        run(Command::new("timeout").arg(RUSTUP_S_MAX).args(words))
    } else {
        run(Command::new(words[0]).args(&words[1..]))
    };
    done.is_ok() && has_target()
}
