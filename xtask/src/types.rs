//! Checks the browser client's types by TypeScript: `tickwire.d.ts` as a page's author uses it, and the module's files by their own comments.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::chromium::apt;
use crate::run::{on_path, run};

/// The compiler that all of us check with.
const TYPESCRIPT: &str = "7.0.2";

/// Installs the compiler into the target folder, and npm where that is missing.
pub fn install(root: &Path) -> Result<(), String> {
    if is_installed(root) {
        return Ok(());
    }
    if !on_path("npm") || !on_path("node") {
        if !on_path("apt-get") {
            return Err("The browser client's types are checked by TypeScript, which npm fetches. Install Node.js with npm, then run this again.".into());
        }
        eprintln!("installing nodejs and npm");
        apt(&["update", "-qq"])?;
        apt(&[
            "install",
            "-y",
            "-qq",
            "--no-install-recommends",
            "nodejs",
            "npm",
        ])?;
    }
    let folder = folder(root);
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--silent",
        "--no-audit",
        "--no-fund",
        "--no-save",
        "--ignore-scripts",
    ]);
    npm.arg("--prefix").arg(&folder);
    npm.arg(format!("typescript@{TYPESCRIPT}"));
    run(&mut npm).map_err(|problem| {
        format!("{problem}\nnpm could not fetch typescript {TYPESCRIPT}. Is its registry in reach?")
    })
}

/// Checks the types as pages use them, and the module by its own comments.
pub fn check(root: &Path) -> Result<(), String> {
    install(root)?;
    for project in ["tests/types/tsconfig.json", "tests/types/module.json"] {
        let mut tsc = Command::new(folder(root).join("node_modules/.bin/tsc"));
        run(tsc.current_dir(root).args(["-p", project]))?;
    }
    Ok(())
}

fn folder(root: &Path) -> PathBuf {
    root.join("target/typescript")
}

fn is_installed(root: &Path) -> bool {
    let manifest = folder(root).join("node_modules/typescript/package.json");
    let version = format!("\"version\": \"{TYPESCRIPT}\"");
    on_path("node") && std::fs::read_to_string(manifest).is_ok_and(|text| text.contains(&version))
}
