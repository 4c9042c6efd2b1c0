//! Builds the browser client into `crates/tickwire-web/prebuilt`: compiled, bound, joined, packed, with the hash of its sources.

use std::path::Path;

#[cfg(feature = "web")]
#[path = "../../crates/tickwire-web/tests/sources/mod.rs"]
mod sources;

/// The hash of the sources that the prebuilt client must carry.
#[cfg(feature = "web")]
pub fn sources_hash(root: &Path) -> String {
    sources::hash(root)
}

/// `cargo xtask web`: builds it, in this program if it was built with the heavy part, else in one that is.
pub fn command(root: &Path) -> Result<(), String> {
    #[cfg(feature = "web")]
    return build_web(root);
    #[cfg(not(feature = "web"))]
    return build_web_elsewhere(root);
}

/// Builds the browser client by a program of its own, which has wasm-bindgen inside.
#[cfg(not(feature = "web"))]
fn build_web_elsewhere(root: &Path) -> Result<(), String> {
    use crate::run::{cargo, run};
    run(&mut cargo(
        root,
        &[
            "run",
            "--quiet",
            "--package",
            "xtask",
            "--features",
            "web",
            "--",
            "web",
        ],
    ))
}

/// Builds the arena's own client, which predicts, where a server of it finds it: returns that folder.
pub fn arena(root: &Path) -> Result<std::path::PathBuf, String> {
    use crate::run::{cargo, run};
    let compiler = crate::setup::wasm_cargo()?;
    let args = [
        "run",
        "--quiet",
        "--package",
        "tickwire-cli",
        "--",
        "build",
        "--package",
        "arena",
    ];
    let folder = root.join("target/tickwire/arena");
    let out = folder.to_string_lossy().into_owned();
    let mut build = cargo(root, &args);
    build
        .args(["--out", &out])
        .env("TICKWIRE_WASM_CARGO", compiler);
    run(build.stdout(std::process::Stdio::null()))?;
    Ok(folder)
}

/// Builds the browser client and says how large it is.
#[cfg(feature = "web")]
pub fn build_web(root: &Path) -> Result<(), String> {
    let wasm = built::compile(root)?;
    let folder = root.join("crates/tickwire-web/prebuilt");
    tickwire_cli::pack::bind(&wasm, &folder)?;
    built::pack(root, &folder)
}

#[cfg(feature = "web")]
mod built {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use tickwire_cli::pack::CORE;

    use crate::run::run;
    use crate::setup::wasm_cargo;

    const PROFILE: &str = "wasm-release";

    /// Compiles the crate for wasm32, in a target folder of its own: its compiler may be another one.
    pub fn compile(root: &Path) -> Result<PathBuf, String> {
        let target = root.join("target/wasm");
        let mut command = Command::new(wasm_cargo()?);
        command
            .current_dir(root)
            .args(["rustc", "--quiet", "--package", "tickwire-web", "--lib"]);
        command.args([
            "--crate-type",
            "cdylib",
            "--target",
            "wasm32-unknown-unknown",
            "--profile",
            PROFILE,
        ]);
        run(command.arg("--target-dir").arg(&target))?;
        Ok(target
            .join("wasm32-unknown-unknown")
            .join(PROFILE)
            .join("tickwire_web.wasm"))
    }

    /// Puts the rest beside them, and prints the sizes.
    pub fn pack(root: &Path, folder: &Path) -> Result<(), String> {
        let js = root.join("crates/tickwire-web/js");
        let module = super::sources::join::module(&js)?;
        write(&folder.join("tickwire.js"), module.as_bytes())?;
        let types = "tickwire.d.ts";
        fs::copy(js.join(types), folder.join(types)).map_err(|e| format!("{types}: {e}"))?;
        let mut sizes = Vec::new();
        for name in [
            format!("{CORE}_bg.wasm"),
            format!("{CORE}.js"),
            "tickwire.js".to_owned(),
        ] {
            let [plain, gz, br] = tickwire_cli::pack::pack(folder, &name)?;
            sizes.push(format!("{name} {plain} B (gzip {gz} B, brotli {br} B)"));
        }
        write(
            &folder.join("SOURCES_HASH"),
            super::sources_hash(root).as_bytes(),
        )?;
        eprintln!("browser client: {}", sizes.join(", "));
        Ok(())
    }

    fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
        fs::write(path, bytes).map_err(|e| format!("{}: {e}", path.display()))
    }
}
