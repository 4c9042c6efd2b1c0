//! The hash of what the prebuilt browser client is built from. Used by the test that it is not stale, and by `cargo xtask web`.

pub mod join;

use std::fs;
use std::path::{Path, PathBuf};

/// Folders, below the root, whose files count.
const FOLDERS: [&str; 5] = [
    "crates/tickwire-proto/src",
    "crates/tickwire-snapshot/src",
    "crates/tickwire-client/src",
    "crates/tickwire-web/src",
    "crates/tickwire-web/js",
];

/// What the build is told beside its sources. Not the lock file: it changes with every crate that the browser never sees.
const MANIFESTS: [&str; 4] = [
    "crates/tickwire-proto/Cargo.toml",
    "crates/tickwire-snapshot/Cargo.toml",
    "crates/tickwire-client/Cargo.toml",
    "crates/tickwire-web/Cargo.toml",
];

/// What begins the tests at the end of a file: they do not reach the browser.
const TESTS: &str = "#[cfg(test)]\nmod tests {";

/// Hexadecimal digits of the hash over names and contents of all sources, and of the profile that they are built by.
pub fn hash(root: &Path) -> String {
    let mut files: Vec<PathBuf> = FOLDERS
        .iter()
        .flat_map(|folder| files_below(&root.join(folder)))
        .chain(MANIFESTS.iter().map(|file| root.join(file)))
        .collect();
    files.sort();
    let mut hasher = blake3::Hasher::new();
    for file in files {
        let name = file
            .strip_prefix(root)
            .unwrap_or(&file)
            .to_string_lossy()
            .replace('\\', "/");
        let text = fs::read_to_string(&file)
            .unwrap_or_default()
            .replace("\r\n", "\n");
        let counted = text.split(TESTS).next().unwrap_or_default().trim_end();
        hasher
            .update(name.as_bytes())
            .update(&[0])
            .update(counted.as_bytes())
            .update(&[0]);
    }
    let workspace = fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    let profile = workspace.split("[profile.wasm-release]").nth(1);
    let profile = profile.and_then(|rest| rest.split("\n[").next());
    hasher.update(profile.unwrap_or_default().trim().as_bytes());
    hasher.finalize().to_hex().to_string()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .flat_map(
            |path| match path.file_name().and_then(|name| name.to_str()) {
                Some("tests" | "tests.rs") => Vec::new(),
                _ if path.is_dir() => files_below(&path),
                _ => vec![path],
            },
        )
        .collect()
}
